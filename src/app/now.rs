//! The provisional state of each run: what the last two seconds say. Nothing is promised by it.

use crate::model::{Bound, Pid, Reading, RunId, Severity};

/// What a training loop does just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// It waits for the next batch.
    WaitsForData,
    /// Batches are ready, and handing them over takes the time.
    Delivery,
    /// It computes.
    Computing,
    /// It computes, and the loader is ahead of it.
    Ahead,
    /// Neither the loop nor the GPU does anything.
    Idle,
    /// It has just begun: too early to judge.
    WarmingUp,
    /// What is known does not tell.
    Unknown,
}

/// The state of one run now, by its worst rank.
#[derive(Clone, Debug, PartialEq)]
pub struct RunState {
    /// Which run.
    pub run: RunId,
    /// Its worst trainer.
    pub pid: Pid,
    /// What it does.
    pub state: Doing,
    /// Share of the last two seconds in which the loop waited for data, 0 to 1.
    pub wait: Reading<f64>,
    /// How that share relates to the truth.
    pub bound: Bound,
    /// The same as one sentence.
    pub text: String,
    /// How bad it would be if it went on.
    pub severity: Option<Severity>,
}
