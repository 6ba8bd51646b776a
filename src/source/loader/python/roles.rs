//! What a function on a stack tells, by its file and its name: a short list, chosen by hand.

use super::facts::LoaderKind;
use super::look::Activity;

/// What a frame with this code tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Nothing.
    Plain,
    /// Hands out the next batch. Its first argument is the iterator.
    Next(LoaderKind),
    /// Prepares a batch in the process itself.
    Fetch,
    /// Takes from a queue.
    Take,
    /// Sleeps until something comes.
    Sleep,
    /// Does this.
    Does(Activity),
    /// Validates or tests.
    Validates,
}

/// The loader of torchdata that can be saved in the middle of an epoch.
const STATEFUL: &str = "stateful_dataloader/stateful_dataloader.py";

/// Functions by the end of their file's path. An empty name stands for every function of the file.
const FUNCTIONS: &[(&str, &str, Role)] = &[
    ("torch/utils/data/dataloader.py", "__next__", Role::Next(LoaderKind::Torch)),
    (STATEFUL, "__next__", Role::Next(LoaderKind::Torch)),
    ("tensorflow/python/data/ops/iterator_ops.py", "__next__", Role::Next(LoaderKind::TfData)),
    ("ffcv/loader/epoch_iterator.py", "__next__", Role::Next(LoaderKind::Ffcv)),
    ("data/_utils/fetch.py", "fetch", Role::Fetch),
    ("/queue.py", "get", Role::Take),
    ("multiprocessing/queues.py", "get", Role::Take),
    ("multiprocessing/pool.py", "next", Role::Take),
    ("multiprocessing/connection.py", "wait", Role::Sleep),
    ("multiprocessing/connection.py", "poll", Role::Sleep),
    ("multiprocessing/connection.py", "_poll", Role::Sleep),
    ("/threading.py", "wait", Role::Sleep),
    ("torch/utils/data/dataloader.py", "_get_iterator", does(Activity::StartingWorkers)),
    ("torch/utils/data/dataloader.py", "_reset", does(Activity::StartingWorkers)),
    ("torch/utils/data/dataloader.py", "_shutdown_workers", does(Activity::StoppingWorkers)),
    (STATEFUL, "_get_iterator", does(Activity::StartingWorkers)),
    (STATEFUL, "_shutdown_workers", does(Activity::StoppingWorkers)),
    ("torch/nn/modules/module.py", "_call_impl", does(Activity::Forward)),
    ("torch/_tensor.py", "backward", does(Activity::Backward)),
    ("torch/autograd/__init__.py", "backward", does(Activity::Backward)),
    ("torch/autograd/__init__.py", "grad", does(Activity::Backward)),
    ("deepspeed/runtime/engine.py", "backward", does(Activity::Backward)),
    ("deepspeed/runtime/engine.py", "step", does(Activity::Optimizer)),
    ("torch/amp/grad_scaler.py", "step", does(Activity::Optimizer)),
    ("torch/cuda/amp/grad_scaler.py", "step", does(Activity::Optimizer)),
    ("torch/distributed/distributed_c10d.py", "", does(Activity::Collective)),
    ("torch/_dynamo/convert_frame.py", "", does(Activity::Compile)),
    ("torch/_inductor/compile_fx.py", "", does(Activity::Compile)),
    ("torch/_inductor/async_compile.py", "", does(Activity::Compile)),
    ("triton/compiler/compiler.py", "compile", does(Activity::Compile)),
    ("jax/_src/compiler.py", "", does(Activity::Compile)),
    ("torch/serialization.py", "save", does(Activity::Checkpoint)),
    ("torch/serialization.py", "load", does(Activity::Checkpoint)),
    ("safetensors/torch.py", "save_file", does(Activity::Checkpoint)),
    ("safetensors/torch.py", "load_file", does(Activity::Checkpoint)),
    ("transformers/trainer.py", "_save_checkpoint", does(Activity::Checkpoint)),
    ("<frozen importlib._bootstrap>", "_find_and_load", does(Activity::Import)),
];

/// Functions by a folder on their file's path.
const FOLDERS: &[(&str, &str, Role)] = &[
    ("/grain/_src/", "__next__", Role::Next(LoaderKind::Grain)),
    ("/nvidia/dali/plugin/", "__next__", Role::Next(LoaderKind::Dali)),
    ("torch/optim/", "step", does(Activity::Optimizer)),
    ("torch/distributed/checkpoint/", "", does(Activity::Checkpoint)),
    ("/wandb/", "", does(Activity::Logging)),
    ("/tensorboard/", "", does(Activity::Logging)),
    ("/mlflow/", "", does(Activity::Logging)),
];

/// What people call their validation, in whatever file.
const VALIDATIONS: &[&str] = &[
    "validate",
    "evaluate",
    "validation",
    "evaluation",
    "evaluation_loop",
    "validation_step",
    "test_step",
    "run_validation",
    "_run_validation",
    "run_eval",
    "eval_epoch",
    "val_epoch",
    "valid_epoch",
    "validate_epoch",
    "validate_one_epoch",
    "eval_one_epoch",
    "evaluate_one_epoch",
];

const fn does(activity: Activity) -> Role {
    Role::Does(activity)
}

impl Role {
    /// What the function `name` of the file whose path ends in `file` tells.
    pub(super) fn of(file: &str, name: &str) -> Self {
        let named = |wanted: &str| wanted.is_empty() || wanted == name;
        let function = FUNCTIONS.iter().find(|(path, wanted, _)| {
            named(wanted) && (file.ends_with(path) || path.strip_prefix('/') == Some(file))
        });
        let folder =
            || FOLDERS.iter().find(|(path, wanted, _)| named(wanted) && file.contains(path));
        if let Some((_, _, role)) = function.or_else(folder) {
            return *role;
        }
        if VALIDATIONS.contains(&name) { Self::Validates } else { Self::Plain }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_known_by_the_end_of_its_path() {
        let file = "/opt/env/lib/python3.11/site-packages/torch/utils/data/dataloader.py";
        assert_eq!(Role::of(file, "__next__"), Role::Next(LoaderKind::Torch));
        assert_eq!(Role::of(file, "_next_data"), Role::Plain);
        assert_eq!(Role::of("/home/me/dataloader.py", "__next__"), Role::Plain);
        assert_eq!(Role::of("/x/torch/optim/adamw.py", "step"), Role::Does(Activity::Optimizer));
        assert_eq!(Role::of("train.py", "validate"), Role::Validates);
    }

    #[test]
    fn running_compiled_code_is_not_compiling() {
        assert_eq!(Role::of("/x/torch/_dynamo/eval_frame.py", "compile_wrapper"), Role::Plain);
        let compiling = Role::of("/x/torch/_dynamo/convert_frame.py", "__call__");
        assert_eq!(compiling, Role::Does(Activity::Compile));
    }
}
