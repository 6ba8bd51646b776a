//! From frames to findings. Pure.
//!
//! Blocked time is the verdict, resources are the cause, GPU utilization is only the effect: no cause
//! is named without the verdict, no verdict without its numbers, and where the numbers are missing
//! nothing is raised ([`Verdict::NeedMore`]). All time comes from the samples' stamps.

mod cause;
mod engine;
mod facts;
mod gate;
mod idle_held;
pub mod inference;
mod latch;
mod ledger;
mod now;
mod oversized;
mod oversized_compute;
mod oversized_memory;
mod settings;
mod starved;
mod surroundings;
mod tick;
mod trainer;
mod words;

pub use cause::workers_enough;
pub use engine::{Change, Engine};
pub use now::{Doing, RunState};
pub use settings::{Settings, Timing};

/// What the evidence allows to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The evidence is there, and nothing is the matter.
    Quiet,
    /// The evidence is missing or too short.
    NeedMore,
    /// Something is the matter.
    Found,
}
