//! What is kept of one tick of one trainer: a few numbers, not the frame.

use super::used::UseTick;
use crate::model::sample::LoaderSample;
use crate::model::{Bound, Reading};

/// Why a tick does not count as training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// It counts.
    Open,
    /// The first steps of a trainer.
    WarmUp,
    /// Workers were replaced, or another loader took over.
    Boundary,
    /// The trainer writes and neither computes nor waits for data.
    Checkpoint,
    /// The main thread compiles, and the GPU has nothing to do.
    Compile,
    /// The main thread is in a validation or a test.
    Evaluation,
}

/// How much one tick added to the counts of a loader. `None` where a count was not read, or fell.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub looks: Option<f32>,
    pub wait: Option<f32>,
    pub delivery: Option<f32>,
    pub empty: Option<f32>,
    pub wait_idle: Option<f32>,
    pub wait_worker: Option<f32>,
    /// Waiting with the main thread on a CPU, at a disk, at a network, and waiting at all.
    pub wait_run: Option<f32>,
    pub wait_disk: Option<f32>,
    pub wait_net: Option<f32>,
    pub main_wait: Option<f32>,
    pub steps: Option<f32>,
    /// Depths that the looks saw, added up.
    pub ready: Option<f32>,
    pub run: Option<f32>,
    pub runq: Option<f32>,
    pub disk: Option<f32>,
    pub net: Option<f32>,
    pub idle: Option<f32>,
    pub other: Option<f32>,
    /// Looks at the main thread's Python stack, and of those the ones that found it starting or ending
    /// workers, compiling, at a checkpoint, in a validation. `None` where frames cannot be read.
    pub main: Option<f32>,
    pub main_workers: Option<f32>,
    pub main_forward: Option<f32>,
    /// At gradients, or at the weights.
    pub main_learning: Option<f32>,
    pub main_compile: Option<f32>,
    /// In the model itself: forward, backward, optimizer, the other ranks, imports.
    pub main_model: Option<f32>,
    pub main_logging: Option<f32>,
    pub main_checkpoint: Option<f32>,
    pub main_validation: Option<f32>,
}

/// Adds counts to their sums where all of them, and these others, are known.
macro_rules! together {
    ($sums:ident, $more:ident: $($name:ident),+ $(; with $($other:ident),+)?) => {
        if $($more.$name.is_some())&&+ $($(&& $more.$other.is_some())+)? {
            $( *$sums.$name.get_or_insert(0.0) += $more.$name.unwrap_or_default(); )+
        }
    };
}

impl Counts {
    /// What was added between two rows of the same loader.
    pub(super) fn between(before: &LoaderSample, now: &LoaderSample) -> Self {
        let added = |a: Reading<u64>, b: Reading<u64>| {
            a.ok().zip(b.ok()).and_then(|(a, b)| b.checked_sub(a)).map(|added| added as f32)
        };
        Self {
            looks: added(before.samples_total, now.samples_total),
            wait: added(before.wait_samples_total, now.wait_samples_total),
            delivery: added(before.delivery_samples_total, now.delivery_samples_total),
            empty: added(before.empty_samples_total, now.empty_samples_total),
            wait_idle: added(before.wait_idle_samples_total, now.wait_idle_samples_total),
            wait_worker: added(before.wait_worker_samples_total, now.wait_worker_samples_total),
            wait_run: added(before.wait_run_samples_total, now.wait_run_samples_total),
            wait_disk: added(before.wait_disk_samples_total, now.wait_disk_samples_total),
            wait_net: added(before.wait_net_samples_total, now.wait_net_samples_total),
            main_wait: added(before.wait_samples_total, now.wait_samples_total),
            steps: added(before.steps_total, now.steps_total),
            ready: added(before.ready_sum, now.ready_sum),
            run: added(before.worker_run_samples_total, now.worker_run_samples_total),
            runq: added(before.worker_runq_samples_total, now.worker_runq_samples_total),
            disk: added(before.worker_disk_samples_total, now.worker_disk_samples_total),
            net: added(before.worker_net_samples_total, now.worker_net_samples_total),
            idle: added(before.worker_idle_samples_total, now.worker_idle_samples_total),
            other: added(before.worker_other_samples_total, now.worker_other_samples_total),
            main: added(before.main_samples_total, now.main_samples_total),
            main_workers: added(before.main_workers_samples_total, now.main_workers_samples_total),
            main_forward: added(before.main_forward_samples_total, now.main_forward_samples_total),
            main_learning: added(
                before.main_backward_samples_total,
                now.main_backward_samples_total,
            )
            .zip(added(before.main_optimizer_samples_total, now.main_optimizer_samples_total))
            .map(|(gradients, weights)| gradients + weights),
            main_model: [
                added(before.main_forward_samples_total, now.main_forward_samples_total),
                added(before.main_backward_samples_total, now.main_backward_samples_total),
                added(before.main_optimizer_samples_total, now.main_optimizer_samples_total),
                added(before.main_collective_samples_total, now.main_collective_samples_total),
                added(before.main_import_samples_total, now.main_import_samples_total),
            ]
            .into_iter()
            .sum(),
            main_logging: added(before.main_logging_samples_total, now.main_logging_samples_total),
            main_compile: added(before.main_compile_samples_total, now.main_compile_samples_total),
            main_checkpoint: added(
                before.main_checkpoint_samples_total,
                now.main_checkpoint_samples_total,
            ),
            main_validation: added(
                before.main_validation_samples_total,
                now.main_validation_samples_total,
            ),
        }
    }

    /// Adds those of a tick. A count is added with those that it is held against, or not at all.
    pub(super) fn add(&mut self, more: &Self) {
        self.add_waits(more);
        together!(self, more: empty; with looks, wait);
        together!(self, more: ready; with looks);
        together!(self, more: delivery; with wait);
        together!(self, more: wait_idle, wait_worker);
        together!(self, more: run, runq, disk, net, idle, other);
        together!(self, more: wait_run, wait_disk, wait_net, main_wait);
        if more.main.is_some() {
            together!(self, more: main);
            together!(self, more: main_forward);
            together!(self, more: main_learning);
            together!(self, more: main_workers);
            together!(self, more: main_model);
            together!(self, more: main_logging);
            together!(self, more: main_compile);
            together!(self, more: main_checkpoint);
            together!(self, more: main_validation);
        }
    }

    /// The same of the looks at the loop and of its steps alone.
    pub(super) fn add_waits(&mut self, more: &Self) {
        together!(self, more: looks, wait);
        together!(self, more: steps);
    }

    /// Share of the tick's looks that found the loop waiting.
    pub(super) fn wait_share(&self) -> Option<f64> {
        share(self.wait, self.looks)
    }

    /// Mean depth over the tick's looks, in batches.
    pub(super) fn mean_depth(&self) -> Option<f32> {
        let (sum, looks) = self.ready.zip(self.looks)?;
        (looks > 0.0).then(|| sum / looks)
    }

    /// Share of the looks at workers that found them without work.
    pub(super) fn idle_share(&self) -> Option<f64> {
        let states = [self.run?, self.runq?, self.disk?, self.net?, self.idle?, self.other?];
        share(self.idle, Some(states.iter().sum()))
    }

    /// Whether the loop took a batch or waited for one.
    pub(super) fn moved(&self) -> bool {
        self.steps.is_some_and(|steps| steps > 0.0) || self.wait.is_some_and(|wait| wait > 0.0)
    }
}

/// A share of counts; `None` where either is missing or nothing was counted.
pub(super) fn share(part: Option<f32>, whole: Option<f32>) -> Option<f64> {
    let (part, whole) = part.zip(whole)?;
    (whole > 0.0).then(|| f64::from(part / whole).clamp(0.0, 1.0))
}

/// One disk, as it stands behind a loader.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DiskTick {
    pub read: Option<f32>,
    pub wait: Option<f32>,
    pub queue: Option<f32>,
    pub busy: Option<f32>,
}

/// One tick of one trainer, by the loader that moved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tick {
    pub mono_ms: u64,
    pub unix_ms: i64,
    /// Seconds since the tick before.
    pub span: f32,
    pub gate: Gate,
    pub counts: Counts,
    /// Batches ready of the capacity.
    pub ready: Option<f32>,
    /// The same as the mean over the tick.
    pub depth: Option<f32>,
    /// Whether finished batches wait for an earlier one.
    pub stash: Option<bool>,
    pub wait_bound: Bound,
    /// Mean utilization of the trainer's GPUs.
    pub gpu: Option<f32>,
    /// Used share of the tightest CPU limit, and the cores that are left under it.
    pub cpu: Option<(f32, f32)>,
    /// Bytes a second that the workers read from storage.
    pub read: Option<f32>,
    pub disk: DiskTick,
    /// What its processes use.
    pub uses: UseTick,
}
