//! The interpreter of a trainer, read from outside.
//!
//! Its memory is copied by `process_vm_readv`: the trainer is neither stopped nor written to, and
//! changes while it is read. So every value is checked, and what fails a check is no sample.

pub mod facts;
pub mod look;
pub mod refusal;
pub mod version;

use std::sync::Arc;

use crate::model::{Gap, Pid};
use crate::source::root::Roots;

pub use facts::{Depth, IteratorFacts, IteratorId, LoaderKind, Queues};
pub use look::{Activity, Inside, Part, StackLook};
pub use refusal::{Denial, Refusal};
pub use version::Version;

/// How far a search may go in one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Objects of the garbage collector's lists that are looked at; each takes up to a microsecond.
    /// With 0 only the stacks are searched.
    pub objects: u32,
}

/// A look at the stack and at one iterator's depth, taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The stack.
    pub stack: Result<StackLook, Gap>,
    /// The depth; `NotApplicable` where no iterator was asked for.
    pub depth: Result<Depth, Gap>,
}

/// One trainer's interpreter.
///
/// A gap in what it returns: `Failed` is "no sample this time" (it changed while it was read),
/// `Lost` is "gone": the iterator, or after [`Self::find`] the process.
#[derive(Debug)]
pub struct Interpreter {
    version: Version,
    pid: Pid,
    iterators: Vec<Arc<IteratorFacts>>,
}

impl Interpreter {
    /// Finds the interpreter of a process. Takes some milliseconds.
    pub fn attach(_roots: &Roots, _pid: Pid) -> Result<Self, Refusal> {
        Err(Refusal::NotPython)
    }

    /// Its version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Its process.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// The iterators known now, oldest first. Those found by [`Self::look`] on the way included.
    pub fn iterators(&self) -> &[Arc<IteratorFacts>] {
        &self.iterators
    }

    /// Searches for iterators: the stacks of all threads, and then a part of the garbage collector's
    /// lists, going on where the call before stopped. Forgets those that are gone. `Lost` where the
    /// process ended or runs another program: attach anew.
    pub fn find(&mut self, _budget: Budget) -> Result<&[Arc<IteratorFacts>], Gap> {
        Err(Gap::NotYet)
    }

    /// Whether the search through the garbage collector's lists came to its end since the last
    /// [`Self::search_anew`].
    pub fn searched(&self) -> bool {
        true
    }

    /// Lets the next [`Self::find`] begin the search anew, as when workers came or went.
    pub fn search_anew(&mut self) {}

    /// Where an iterator's batches are.
    pub fn depth(&mut self, _id: IteratorId) -> Result<Depth, Gap> {
        Err(Gap::Lost)
    }

    /// What the training threads do.
    pub fn stack(&mut self) -> Result<StackLook, Gap> {
        Err(Gap::Lost)
    }

    /// [`Self::stack`] and [`Self::depth`] of one moment, in fewer reads than one after the other.
    pub fn look(&mut self, iterator: Option<IteratorId>) -> Look {
        Look {
            stack: self.stack(),
            depth: iterator.map_or(Err(Gap::NotApplicable), |id| self.depth(id)),
        }
    }
}
