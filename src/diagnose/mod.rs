//! From frames to findings. Pure.
//!
//! Blocked time is the verdict, resources are the cause, GPU utilization is only the effect: no cause
//! is named without the verdict, no verdict without its numbers, and where the numbers are missing
//! nothing is raised ([`Verdict::NeedMore`]). All time comes from the samples' stamps.
//!
//! ```text
//!  Frame ─► trainer (ticks, gates) ─► rules (one file each; STARVED with its causes) ─► ledger ─► Change
//!                                       ▲ about, settings: sentences and thresholds        └ charge: GPU time
//! ```

mod about;
mod alarm;
pub mod audit;
mod cause;
mod charge;
mod checkpoint_stall;
mod clock_throttle;
mod engine;
mod epochs;
mod evaluation;
mod facts;
mod gate;
mod held;
mod idle_held;
pub mod inference;
mod latch;
mod ledger;
mod long_init;
mod loss;
mod mig;
mod need;
mod no_tensor_cores;
mod now;
mod oversized;
mod oversized_compute;
mod oversized_memory;
mod parts;
mod right_size;
mod rules;
mod settings;
mod small_batch;
mod starved;
mod straggler;
mod supply;
mod surroundings;
mod tick;
mod trainer;
mod unfed;
mod unused_gpu;
mod used;
mod vram_pressure;
mod words;

pub use about::{About, Threshold, UNITS};
pub use cause::{about_cause, causes, workers_enough};
pub use engine::{Change, Engine};
pub use evaluation::{Cycle, Known, Phase, Phases};
pub use now::{Doing, RunState};
pub use rules::{about, abouts, is_rule, rules};
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
