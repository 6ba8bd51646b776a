//! Evaluation: which part of a run's time is training, which is validation, and how that is known.
//!
//! Strong evidence is the main thread's Python stack. Without it another loader than that of the
//! training must move, look unlike training in a second way, and come again regularly; one of these
//! alone proves nothing. What is computed, and whether it is worth it, cannot be seen from outside.

mod cycles;
mod loops;
mod share;
mod starved;
mod stretch;
mod watch;

pub use cycles::Cycle;
pub(super) use share::{ABOUT as SHARE, EvalShare};
pub(super) use starved::{ABOUT as STARVED, EvalStarved};
pub use watch::{Known, Phase, Phases};
pub(super) use watch::{Seen, Watch};
