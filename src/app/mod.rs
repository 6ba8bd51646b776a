//! State of the program, and the actions that move it.

pub mod action;
mod choose;
pub mod findings;
pub mod gpus;
pub mod key;
pub mod keymap;
pub mod loaders;
mod named;
pub mod pointer;
pub mod procs;
pub mod prompt;
pub mod rows;
pub mod signal;
pub mod state;
pub mod transport;
pub mod travel;
pub mod tree;
pub mod update;

pub use action::Action;
pub use key::{Key, KeyCode};
pub use loaders::Picked;
pub use pointer::{Press, Spot};
pub use procs::{Looked, Order, Processes};
pub use prompt::{Asked, Prompt, Typed};
pub use rows::Row;
pub use signal::{Asking, Signal};
pub use state::{Cost, Feed, GpuMode, Mark, Message, Overlay, Recording, ScreenKind, State, Whole};
pub use transport::{Reach, Transport};
pub use update::{Effect, Msg, Tick};

/// The place `by` further among `count`; from nowhere, the first or the last.
fn stepped(at: Option<usize>, by: isize, count: usize) -> Option<usize> {
    let last = count.checked_sub(1)?;
    Some(match at {
        Some(at) => at.saturating_add_signed(by).min(last),
        None if by < 0 => last,
        None => 0,
    })
}
