//! One look at one loader.

use std::time::SystemTime;

use crate::model::sample::{Bound, ReadySource};
use crate::model::{LoaderId, Pid, Reading};

/// What one look saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The loader.
    pub loader: LoaderId,
    /// Its trainer.
    pub pid: Pid,
    /// When.
    pub at: SystemTime,
    /// Finished batches, in order. A gap where there is no queue, or none that can be seen.
    pub ready: Reading<u64>,
    /// How it is known.
    pub source: ReadySource,
    /// How it relates to the truth.
    pub bound: Bound,
    /// The loop waits for it.
    pub waiting: bool,
    /// What the look counts, in hundredths of a second.
    pub weight: u64,
}
