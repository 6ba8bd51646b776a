//! The place of a source that knows a trainer's loaders better than their pipes do: one that reads
//! the interpreter's memory, one that is told by a probe inside, one that asks somebody who may read.
//!
//! A rung is of one trainer and knows all of its loaders. What it says of a look is taken as it is;
//! counting, epochs, worker states and the cross-check with the pipes are the engine's.

use std::fmt;
use std::time::Duration;

use crate::model::sample::{Activity, Bound, ReadySource, WaitSource};
use crate::model::{Gap, Pid};
use crate::source::root::Roots;

/// What stays of one loader while it iterates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Tells this iterator from every other one of the trainer, those before it too.
    pub key: u64,
    /// Tells its `DataLoader` from the others, where that can be read: the next epoch's iterator has
    /// the same.
    pub data_loader: Option<u64>,
    /// What people call it: pytorch, tf.data, grain, queue.
    pub kind: Box<str>,
    /// Its workers as this machine numbers them, in their order; empty for one without.
    pub workers: Vec<Pid>,
    /// `num_workers`, where the question makes sense.
    pub num_workers: Option<u64>,
    /// Batches asked for ahead by each worker.
    pub prefetch_factor: Option<u64>,
    /// Whether a thread copies batches to pinned memory.
    pub pinned: Option<bool>,
    /// Whether the workers outlive the epoch.
    pub persistent: Option<bool>,
    /// Samples in a batch.
    pub batch_size: Option<u64>,
    /// Class of the dataset; empty where it cannot be read.
    pub dataset: Box<str>,
    /// Batches of one epoch, where the dataset has a length.
    pub epoch_batches: Option<u64>,
}

impl Known {
    /// A loader of torch's of which nothing but its place on the stack can be read.
    pub fn unnamed() -> Self {
        Self { key: u64::MAX, kind: "pytorch".into(), ..Self::default() }
    }

    /// Whether both are iterators of one `DataLoader`.
    pub fn same_loader(&self, other: &Self) -> bool {
        self.data_loader.is_some() && self.data_loader == other.data_loader
    }

    /// Whether this may be the next iterator of a loader of which `other` was one: a loop may make its
    /// `DataLoader` anew for each epoch. Training and validation mostly differ in their length alone.
    pub fn alike(&self, other: &Self) -> bool {
        let length = self.epoch_batches.zip(other.epoch_batches);
        (&self.dataset, self.num_workers, self.batch_size)
            == (&other.dataset, other.num_workers, other.batch_size)
            && length.is_none_or(|(one, another)| one == another)
    }
}

/// One loader's queue at one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depth {
    /// Finished batches, in order, that the loop has not taken. A gap where there is no queue, or
    /// none that can be seen.
    pub ready: Result<u64, Gap>,
    /// How `ready` relates to the truth.
    pub bound: Bound,
    /// Batches finished out of order.
    pub stash: Result<u64, Gap>,
    /// Finished batches in the queue that the workers fill: what the pipe should show too.
    pub in_pipe: Option<u64>,
    /// Batches that the loop has taken in this epoch.
    pub taken: Option<u64>,
    /// Batches asked for and not taken: at the end of an epoch, what is left of it.
    pub outstanding: Option<u64>,
    /// Workers that prepare a batch; the others wait for work.
    pub busy: Option<u64>,
    /// The time that the loop waited for this loader in all, where the source counts it itself.
    pub waited: Option<Duration>,
}

/// Where the training loop is at one look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loop {
    /// The loader whose `__next__` it is inside of.
    pub inside: Inside,
    /// Of a wait: a batch is there, and the hand-over is what takes time.
    pub delivery: bool,
    /// What the main thread does; `None` where the source does not tell.
    pub activity: Option<Activity>,
    /// Whether the main thread is in a validation or a test.
    pub validating: bool,
}

/// The loader that the loop is inside of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Inside {
    /// None: it works.
    #[default]
    No,
    /// The one with this key.
    Of(u64),
    /// One of which nothing but this is known.
    Unnamed,
}

/// What one look gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Looked {
    /// The loop. [`Gap::Failed`]: no sample this time. [`Gap::Lost`]: this rung is at its end.
    pub main: Result<Loop, Gap>,
    /// The queue of the loader that was asked for. [`Gap::Lost`]: the loader is gone.
    pub depth: Result<Depth, Gap>,
}

/// A source of all loaders of one trainer.
pub trait Rung: Send + fmt::Debug {
    /// What the depth is known by.
    fn ready_source(&self) -> ReadySource;
    /// What the wait is known by.
    fn wait_source(&self) -> WaitSource;
    /// Looks for loaders: those that came, those that went. `deep`: one is missing, so search where
    /// that takes long too, for some milliseconds now and further at the next call. True once there is
    /// nowhere left to search. [`Gap::Lost`]: this rung is at its end.
    fn find(&mut self, deep: bool) -> Result<bool, Gap>;
    /// Lets the search begin anew: workers came or went, or what was known is in doubt.
    fn search_anew(&mut self);
    /// The loaders known now, those that a look met on the way included.
    fn known(&self) -> &[Known];
    /// Where the loop is, and the queue of the loader with this key, of one moment.
    fn look(&mut self, key: Option<u64>) -> Looked;
    /// The queue of one more loader.
    fn depth(&mut self, key: u64) -> Result<Depth, Gap>;
}

/// Why a source cannot be used, and what would allow it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// Why, one sentence without its full stop: "its memory may not be read: …".
    pub why: Box<str>,
    /// The one command that would allow it; empty where none would.
    pub remedy: Box<str>,
}

impl Refusal {
    /// One with these words.
    pub fn new(why: impl Into<Box<str>>, remedy: impl Into<Box<str>>) -> Self {
        Self { why: why.into(), remedy: remedy.into() }
    }
}

/// Tries to take a rung for a trainer. Called again every half a minute while it refuses.
pub type Attach = Box<dyn Fn(&Roots, Pid) -> Result<Box<dyn Rung>, Refusal> + Send>;

/// A rung with its name: what is refused is said by it.
pub struct Step {
    /// What its depth is known by.
    pub source: ReadySource,
    /// How it is taken.
    pub attach: Attach,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step").field("source", &self.source).finish_non_exhaustive()
    }
}

/// What is tried for each trainer, best first; the pipes come after all of it.
#[derive(Debug, Default)]
pub struct Ladder {
    /// The rungs.
    pub steps: Vec<Step>,
    /// Whether semaphores make what the pipes say exact, where they can be read.
    pub semaphores: bool,
}
