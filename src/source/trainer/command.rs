//! What a command line says: the name of the run, and whether it only starts others.

/// What starts ranks, by what is seen of it in a command line.
const LAUNCHERS: &[(&str, &str)] = &[
    ("torchrun", "torchrun"),
    ("torch.distributed.run", "torchrun"),
    ("torch.distributed.launch", "torchrun"),
    ("accelerate", "accelerate"),
    ("accelerate.commands.launch", "accelerate"),
    ("deepspeed", "deepspeed"),
    ("deepspeed.launcher.runner", "deepspeed"),
    ("deepspeed.launcher.launch", "deepspeed"),
    ("horovodrun", "horovodrun"),
    ("mpirun", "mpirun"),
    ("mpiexec", "mpirun"),
    ("mpiexec.hydra", "mpirun"),
    ("orterun", "mpirun"),
    ("orted", "mpirun"),
    ("prterun", "mpirun"),
    ("hydra_pmi_proxy", "mpirun"),
    ("srun", "slurm"),
    ("slurmstepd:", "slurm"),
];

/// Options of Python that take the next word.
const WITH_VALUE: &[&str] = &["-W", "-X", "--check-hash-based-pycs"];

/// What a command line runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Program {
    /// The script or module, as people call it; empty where there is none.
    pub(super) name: String,
    /// The launcher that it is; empty where it is none.
    pub(super) launcher: &'static str,
    /// Started by `multiprocessing` for a function of its parent.
    pub(super) child: bool,
    /// Serves another process: compiles for it, tracks its resources.
    pub(super) helper: bool,
}

/// Reads a command line.
pub(super) fn program(args: &[&str]) -> Program {
    let all = args.iter().take(64).copied().collect::<Vec<_>>();
    let code = all.iter().position(|&arg| arg == "-c").and_then(|at| all.get(at + 1));
    let child = code.is_some_and(|code| {
        code.contains("multiprocessing.spawn") || code.contains("multiprocessing.forkserver")
    });
    let helper = code.is_some_and(|code| code.contains("resource_tracker"))
        || all.iter().any(|arg| arg.contains("compile_worker") || arg.contains("resource_tracker"));
    let first = base(all.first().copied().unwrap_or_default());
    let (name, module) = if first.starts_with("python") || first.starts_with("pypy") {
        script(all.get(1..).unwrap_or_default())
    } else {
        (first, false)
    };
    let key = if module { name } else { base(name) };
    let launcher = LAUNCHERS.iter().find(|(word, _)| *word == key).map_or("", |(_, what)| what);
    // `accelerate test` and the like start nothing.
    let launcher = match launcher {
        "accelerate" if key == "accelerate" && !all.contains(&"launch") => "",
        other => other,
    };
    let name = match name {
        _ if module => format!("-m {name}"),
        // Code on the command line has no name of its own.
        "-c" => "python -c".to_owned(),
        path => base(path).to_owned(),
    };
    Program { name, launcher, child, helper }
}

/// The script of a Python command line, and whether it is a module.
fn script<'a>(args: &[&'a str]) -> (&'a str, bool) {
    let mut rest = args.iter();
    while let Some(&arg) = rest.next() {
        match arg {
            "-m" => return (rest.next().copied().unwrap_or_default(), true),
            "-c" => return ("-c", false),
            _ if WITH_VALUE.contains(&arg) => {
                rest.next();
            }
            _ if arg.starts_with('-') => {}
            _ => return (arg, false),
        }
    }
    ("", false)
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(line: &str) -> (String, &'static str) {
        let program = program(&line.split(' ').collect::<Vec<_>>());
        (program.name, program.launcher)
    }

    #[test]
    fn a_run_is_called_after_its_script_or_module() {
        assert_eq!(
            read("/usr/bin/python3 -u -W ignore src/train.py --lr 1"),
            ("train.py".into(), "")
        );
        assert_eq!(read("python -m pkg.train x"), ("-m pkg.train".into(), ""));
        assert_eq!(read("/opt/trainer --x"), ("trainer".into(), ""));
        assert_eq!(read("/usr/bin/python3.11 -u -c import-torch x"), ("python -c".into(), ""));
    }

    #[test]
    fn launchers_are_known_by_name_however_they_are_started() {
        assert_eq!(read("/env/bin/python /env/bin/torchrun --nproc 2 t.py").1, "torchrun");
        assert_eq!(read("python -m torch.distributed.run t.py").1, "torchrun");
        assert_eq!(read("python /env/bin/accelerate launch t.py").1, "accelerate");
        assert_eq!(read("python /env/bin/accelerate env").1, "");
        assert_eq!(read("mpirun -np 2 python t.py").1, "mpirun");
    }

    #[test]
    fn children_of_multiprocessing_and_helpers_are_told_apart() {
        let spawned = ["python", "-c", "from multiprocessing.spawn import spawn_main; x"];
        assert!(program(&spawned).child);
        assert!(program(&["python", "/x/torch/_inductor/compile_worker/__main__.py"]).helper);
    }

    proptest! {
        #[test]
        fn any_command_line_is_read(args in prop::collection::vec(".{0,20}", 0..10)) {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let _ = program(&args);
        }
    }
}
