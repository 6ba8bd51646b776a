//! The place of a source that is better than the pipes: one that reads the loader itself.

use std::fmt;

use crate::model::sample::{Bound, ReadySource};
use crate::model::{Gap, Pid};

use super::discover::Group;

/// What one look at a loader by a better source gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depth {
    /// Finished batches, in order, that the loop has not taken.
    pub ready: u64,
    /// Batches finished out of order.
    pub stash: u64,
    /// `num_workers × prefetch_factor`.
    pub capacity: u64,
    /// How `ready` relates to the truth.
    pub bound: Bound,
    /// Batches that the loop has taken of this iterator.
    pub position: u64,
    /// Whether the loop is inside the loader's `__next__`, where the source tells.
    pub waiting: Option<bool>,
}

/// A source of one loader's depth that is tried before the pipes.
pub trait Rung: Send + fmt::Debug {
    /// Which source it is.
    fn source(&self) -> ReadySource;
    /// A look now. On a gap the pipes answer for this look.
    fn depth(&mut self) -> Result<Depth, Gap>;
}

/// Tries to take a rung for a loader; the reason, in words, where it cannot.
pub type Attach = Box<dyn Fn(Pid, &Group) -> Result<Box<dyn Rung>, Box<str>> + Send>;
