//! Phases that are no plain training: the first steps, epoch boundaries, compiling, checkpoints,
//! evaluation. Where the main thread's Python frames can be read they tell; elsewhere what the process
//! and its GPU do has to.

use std::collections::{BTreeMap, VecDeque};

use super::settings::Settings;
use super::tick::{Counts, Gate, share};
use crate::model::{LoaderId, Pid};

/// After a boundary at least so many steps a worker are left out …
const BOUNDARY_STEPS: u64 = 2;
/// … and at most so many times the least time.
const BOUNDARY_MOST: f64 = 6.0;
/// Where epochs are short, this part of the longest of the last [`EPOCHS`] is left out at most, so that
/// the rest of each can be judged.
const BOUNDARY_PART: f64 = 1.0 / 3.0;
const EPOCHS: usize = 4;
/// A loader that stood for so many of its steps (and at least the boundary's time) starts anew.
const STOOD_STEPS: f64 = 4.0;
/// Writing faster than this while nothing else goes on is a checkpoint: a proposal, not measured.
pub(super) const CHECKPOINT_BYTES_PER_SECOND: f64 = 50e6;
/// GPU busy and loop waiting below these shares during a checkpoint.
const CHECKPOINT_GPU: f32 = 0.10;
const CHECKPOINT_WAIT: f64 = 0.05;
/// This share of the looks at the main thread in one activity, and the tick is of that phase.
const MAINLY: f64 = 0.50;
/// Without frames: the GPU below this, and the main thread this much on a CPU, is compiling.
const COMPILE_GPU: f32 = 0.05;
const COMPILE_CORES: f64 = 0.90;
/// Loaders remembered for one trainer.
const MAX_LOADERS: usize = 64;

/// What is remembered of a loader.
#[derive(Clone, Debug, Default)]
struct Known {
    workers: Vec<Pid>,
    moved_ms: u64,
    steps: u64,
}

/// Tells plain training from the rest, for one trainer.
#[derive(Clone, Debug, Default)]
pub(super) struct Gates {
    loaders: BTreeMap<LoaderId, Known>,
    first_ms: Option<u64>,
    warm: bool,
    attached: bool,
    steps: u64,
    moving_seconds: f64,
    boundary: Option<(u64, u64)>,
    /// When the last boundaries were, the newest last: one more than [`EPOCHS`] at most.
    begun_ms: VecDeque<u64>,
    /// Boundaries seen.
    pub(super) boundaries: u32,
}

/// What a gate is told about the tick.
pub(super) struct Moment<'a> {
    pub now_ms: u64,
    pub span: f64,
    pub loader: LoaderId,
    pub workers: &'a [Pid],
    /// Whether the workers had been at work for long when they were first seen.
    pub old_workers: bool,
    pub counts: &'a Counts,
    pub gpu: Option<f32>,
    pub write: Option<f64>,
    /// The loop that runs is known to evaluate.
    pub evaluates: bool,
    /// Cores that the trainer uses, where its main thread was found on one.
    pub main_cores: Option<f64>,
}

impl Gates {
    /// Whether the tick counts, and what it is where it does not.
    pub(super) fn of(&mut self, moment: &Moment<'_>, settings: &Settings) -> Gate {
        let steps = moment.counts.steps.map_or(0, |steps| steps as u64);
        if self.first_ms.is_none() {
            self.attached = moment.old_workers;
        }
        let first_ms = *self.first_ms.get_or_insert(moment.now_ms);
        let boundary = self.is_boundary(moment, settings);
        let compiles = self.compiles(moment, settings);
        self.note(moment, steps);
        if !self.warm {
            let limit = if self.attached { settings.warm_up_attached } else { settings.warm_up };
            let age = moment.now_ms.saturating_sub(first_ms) as f64 / 1e3;
            self.warm = self.steps >= settings.warm_up_steps || age >= limit;
            return Gate::WarmUp;
        }
        if boundary {
            self.boundaries = self.boundaries.saturating_add(1);
            self.boundary = Some((moment.now_ms, 0));
            if self.begun_ms.len() > EPOCHS {
                self.begun_ms.pop_front();
            }
            self.begun_ms.push_back(moment.now_ms);
        }
        let within_boundary = self.within_boundary(moment, steps, settings);
        if moment.evaluates {
            return Gate::Evaluation;
        }
        match () {
            () if within_boundary => Gate::Boundary,
            () if compiles => Gate::Compile,
            () if is_checkpoint(moment) => Gate::Checkpoint,
            () => Gate::Open,
        }
    }

    /// Its frames say so; or, where they cannot be read, it has stood for longer than its steps take,
    /// does not wait for data, and its main thread has a CPU to itself while the GPU does nothing.
    fn compiles(&self, moment: &Moment<'_>, settings: &Settings) -> bool {
        if moment.counts.main.is_some_and(|looks| looks > 0.0) {
            return is_mainly(moment.counts.main_compile, moment);
        }
        let moved_ms = self.loaders.values().map(|known| known.moved_ms).max().unwrap_or_default();
        let stood = moment.now_ms.saturating_sub(moved_ms) as f64 / 1e3 - moment.span;
        !moment.counts.moved()
            && stood >= self.standing(settings)
            && moment.gpu.is_some_and(|busy| busy < COMPILE_GPU)
            && moment.main_cores.is_some_and(|cores| cores >= COMPILE_CORES)
            && moment.write.is_some_and(|write| write < CHECKPOINT_BYTES_PER_SECOND)
    }

    /// From so many seconds without a step on, it is not a step that takes long.
    fn standing(&self, settings: &Settings) -> f64 {
        let step = self.moving_seconds / (self.steps.max(1) as f64);
        settings.boundary.max(STOOD_STEPS * step)
    }

    /// Whether a tick was judged yet.
    pub(super) fn has_begun(&self) -> bool {
        self.first_ms.is_some()
    }

    /// Whether any batch was taken since the trainer was found.
    pub(super) fn has_stepped(&self) -> bool {
        self.steps > 0
    }

    /// A loader that is new, has other workers, or had stood, begins to move.
    fn is_boundary(&self, moment: &Moment<'_>, settings: &Settings) -> bool {
        if !moment.counts.moved() {
            return false;
        }
        let Some(known) = self.loaders.get(&moment.loader) else {
            return !self.loaders.is_empty();
        };
        let replaced = !known.workers.is_empty()
            && !moment.workers.is_empty()
            && !known.workers.iter().any(|pid| moment.workers.contains(pid));
        let stood = moment.now_ms.saturating_sub(known.moved_ms) as f64 / 1e3 - moment.span;
        replaced || stood >= self.standing(settings)
    }

    fn note(&mut self, moment: &Moment<'_>, steps: u64) {
        self.steps += steps;
        self.moving_seconds += moment.span;
        if self.loaders.len() >= MAX_LOADERS && !self.loaders.contains_key(&moment.loader) {
            self.loaders.pop_first();
        }
        let known = self.loaders.entry(moment.loader).or_default();
        if moment.counts.moved() || known.moved_ms == 0 {
            known.moved_ms = moment.now_ms;
        }
        known.steps += steps;
        if !moment.workers.is_empty() && known.workers != moment.workers {
            known.workers = moment.workers.to_vec();
        }
    }

    /// Seconds that are left out after a boundary, once the workers have taken their steps.
    fn least(&self, settings: &Settings) -> f64 {
        if self.begun_ms.len() <= EPOCHS {
            return settings.boundary;
        }
        let epochs = self.begun_ms.iter().zip(self.begun_ms.iter().skip(1));
        let longest = epochs.map(|(from, to)| to.saturating_sub(*from)).max().unwrap_or_default();
        settings.boundary.min(BOUNDARY_PART * longest as f64 / 1e3)
    }

    fn within_boundary(&mut self, moment: &Moment<'_>, steps: u64, settings: &Settings) -> bool {
        let least = self.least(settings);
        let Some((since, taken)) = &mut self.boundary else {
            return false;
        };
        *taken += steps;
        let seconds = moment.now_ms.saturating_sub(*since) as f64 / 1e3;
        let enough = *taken >= BOUNDARY_STEPS * moment.workers.len() as u64;
        if seconds >= least && (enough || seconds >= BOUNDARY_MOST * least) {
            self.boundary = None;
        }
        self.boundary.is_some()
    }
}

/// Whether most looks at the main thread found it at this.
fn is_mainly(part: Option<f32>, moment: &Moment<'_>) -> bool {
    share(part, moment.counts.main).is_some_and(|share| share >= MAINLY)
}

fn is_checkpoint(moment: &Moment<'_>) -> bool {
    if is_mainly(moment.counts.main_checkpoint, moment) {
        return true;
    }
    moment.gpu.is_some_and(|busy| busy < CHECKPOINT_GPU)
        && moment.write.is_some_and(|write| write >= CHECKPOINT_BYTES_PER_SECOND)
        && moment.counts.wait_share().is_some_and(|wait| wait < CHECKPOINT_WAIT)
}
