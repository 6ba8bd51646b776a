//! The interpreter of a trainer, read from outside.
//!
//! Its memory is copied by `process_vm_readv`: the trainer is neither stopped nor written to, and
//! changes while it is read. So every value is checked, and what fails a check is no sample.
//!
//! | file | what it holds |
//! |---|---|
//! | `memory`, `recall` | pieces of the memory, bounded; in few calls |
//! | `image`, `attach` | the interpreter in a process |
//! | `layout` | where things stand in each version |
//! | `objects` | integers, text, lists, attributes |
//! | `stack`, `roles` | frames, and what they tell |
//! | `search`, `plan`, `sampler` | iterators: which there are, where their figures are |
//! | `facts`, `look`, `refusal`, `version` | what comes out |

mod attach;
pub mod facts;
mod image;
mod iterators;
mod layout;
pub mod look;
mod memory;
mod objects;
mod plan;
mod recall;
pub mod refusal;
mod roles;
mod sampler;
mod search;
mod stack;
#[cfg(test)]
mod tests;
pub mod version;

use std::path::PathBuf;
use std::sync::Arc;

use crate::model::{Gap, Pid};
use crate::source::loader::proc;
use crate::source::root::Roots;

use attach::Attached;
use iterators::Iterators;
use objects::Heap;
use recall::Recall;
use search::Walk;
use stack::{Codes, Story, Thread};

pub use facts::{Depth, IteratorFacts, IteratorId, LoaderKind, Queues};
pub use look::{Activity, Inside, Part, StackLook};
pub use refusal::{Denial, Refusal};
pub use version::Version;

/// Calls into the kernel that one look may use. Most use two or three; one at a stack that was never
/// seen needs some for each function.
const LOOK_CALLS: u32 = 4096;
/// The same for a search, beside those for the garbage collector's lists.
const FIND_CALLS: u32 = 65_536;
/// Threads beside the main one that are looked at each time.
const WATCHED: usize = 4;
/// Threads whose stacks are searched.
const SEARCHED: usize = 64;

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
/// `Lost` is "gone": the iterator, or where [`Self::find`] or [`Self::stack`] say it, the process
/// or the program in it; `Denied`: the right to read was taken away.
///
/// A process that is stopped reads as it was when it stopped: whether it is must be asked elsewhere.
#[derive(Debug)]
pub struct Interpreter {
    pid: Pid,
    folder: PathBuf,
    start_ticks: u64,
    version: Version,
    heap: Heap,
    root: (u64, u64),
    runtime: u64,
    main: Thread,
    /// Threads beside the main one that were seen to take batches.
    watched: Vec<Thread>,
    /// What looks at stacks need, and what the rarer ones at queues need.
    stacks: Recall,
    queues: Recall,
    codes: Codes,
    iterators: Iterators,
    walk: Walk,
}

impl Interpreter {
    /// Finds the interpreter of a process. Takes some milliseconds.
    pub fn attach(roots: &Roots, pid: Pid) -> Result<Self, Refusal> {
        let folder = proc::folder(&roots.proc, pid);
        let start_ticks = proc::stat(&folder).map_err(|_| Refusal::Gone)?.start_ticks;
        let attached = attach::attach(roots, pid)?;
        Ok(Self::of(attached, pid, folder, start_ticks))
    }

    fn of(attached: Attached, pid: Pid, folder: PathBuf, start_ticks: u64) -> Self {
        let Attached { version, heap, root, runtime, main } = attached;
        Self {
            pid,
            folder,
            start_ticks,
            version,
            heap,
            root,
            runtime,
            main,
            watched: Vec::new(),
            stacks: Recall::default(),
            queues: Recall::default(),
            codes: Codes::default(),
            iterators: Iterators::default(),
            walk: Walk::default(),
        }
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
        self.iterators.facts()
    }

    /// Calls into the kernel, and bytes copied, since the start.
    pub fn cost(&self) -> (u64, u64) {
        (self.heap.remote.calls, self.heap.remote.copied)
    }

    /// Searches for iterators: the stacks of all threads, and then a part of the garbage collector's
    /// lists, going on where the call before stopped. Forgets those that are gone. `Lost` where the
    /// process ended or runs another program: attach anew.
    pub fn find(&mut self, budget: Budget) -> Result<&[Arc<IteratorFacts>], Gap> {
        let stat = proc::stat(&self.folder).map_err(|_| Gap::Lost)?;
        if stat.start_ticks != self.start_ticks {
            return Err(Gap::Lost);
        }
        self.search(budget)?;
        Ok(self.iterators.facts())
    }

    fn search(&mut self, budget: Budget) -> Result<(), Gap> {
        self.heap.remote.allow(FIND_CALLS.saturating_add(budget.objects.saturating_mul(2)));
        self.same_program()?;
        let interpreter = self.root.1;
        let threads = stack::threads(&mut self.heap, interpreter)?;
        self.main = *threads.last().ok_or(Gap::Lost)?;
        self.watched.retain(|thread| threads.contains(thread));
        let mut found = Vec::new();
        for &thread in threads.iter().rev().take(SEARCHED) {
            // A thread that runs meanwhile may show nonsense: it is found the next time.
            let _ = search::on_stack(&mut self.heap, thread, &mut found);
            if thread != self.main && self.watched.len() < WATCHED && self.takes_batches(thread) {
                self.watched.push(thread);
            }
        }
        if budget.objects > 0 && !self.walk.done() {
            let in_runtime = self.heap.layout.generations.in_runtime;
            let base = if in_runtime { self.runtime } else { interpreter };
            self.walk.go_on(&mut self.heap, base, budget.objects, &mut found)?;
        }
        self.iterators.renew(&mut self.heap, &found);
        Ok(())
    }

    /// Whether a thread is inside of a loader now, for the training.
    fn takes_batches(&mut self, thread: Thread) -> bool {
        if self.watched.contains(&thread) {
            return false;
        }
        let Self { heap, codes, root, .. } = self;
        let mut recall = Recall::default();
        let first = stack::state(&heap.layout, thread.state);
        let told = recall
            .begin(&mut heap.remote, first)
            .and_then(|()| stack::story(heap, &mut recall, codes, root.1, thread));
        // Grain's own threads take from Grain, ahead of the loop: that is no wait of the training.
        let trains = |kind| kind != LoaderKind::Grain;
        told.is_ok_and(|story| story.next.is_some_and(|(kind, _)| trains(kind)))
    }

    /// `Lost` where the memory is not that of the program which was attached to.
    fn same_program(&mut self) -> Result<(), Gap> {
        match self.heap.remote.word(self.root.0) {
            Ok(interpreter) if interpreter == self.root.1 => Ok(()),
            Err(Gap::Denied) => Err(Gap::Denied),
            _ => Err(Gap::Lost),
        }
    }

    /// Whether the search through the garbage collector's lists came to its end since the last
    /// [`Self::search_anew`].
    pub fn searched(&self) -> bool {
        self.walk.done()
    }

    /// Lets the next [`Self::find`] begin the search anew, as when workers came or went.
    pub fn search_anew(&mut self) {
        self.walk = Walk::default();
        self.heap.forget_types();
    }

    /// Where an iterator's batches are.
    pub fn depth(&mut self, id: IteratorId) -> Result<Depth, Gap> {
        self.heap.remote.allow(LOOK_CALLS);
        self.depth_now(id)
    }

    /// What the training threads do.
    pub fn stack(&mut self) -> Result<StackLook, Gap> {
        self.look(None).stack
    }

    /// [`Self::depth`], and [`Self::stack`] right after it.
    pub fn look(&mut self, iterator: Option<IteratorId>) -> Look {
        self.heap.remote.allow(LOOK_CALLS);
        let depth = iterator.map_or(Err(Gap::NotApplicable), |id| self.depth_now(id));
        self.codes.looks = self.codes.looks.wrapping_add(1);
        let begun = self.read_anew();
        let stack = self.in_same_program(begun).and_then(|()| self.told());
        Look { stack, depth }
    }

    fn depth_now(&mut self, id: IteratorId) -> Result<Depth, Gap> {
        let first = stack::state(&self.heap.layout, self.main.state);
        let begun = self.queues.begin(&mut self.heap.remote, first);
        self.in_same_program(begun)?;
        self.iterators.depth(&mut self.heap, &mut self.queues, id)
    }

    fn read_anew(&mut self) -> Result<(), Gap> {
        let first = stack::state(&self.heap.layout, self.main.state);
        self.stacks.begin(&mut self.heap.remote, first)
    }

    /// What could not be read at all may be that of another program.
    fn in_same_program(&mut self, read: Result<(), Gap>) -> Result<(), Gap> {
        read.or_else(|gap| {
            self.same_program()?;
            Err(gap)
        })
    }

    fn told(&mut self) -> Result<StackLook, Gap> {
        // A stack that runs while it is read is read once more: to leave it out would leave out the
        // moments in which the thread runs.
        let story = match self.story(self.main) {
            Err(Gap::Failed) => {
                self.read_anew()?;
                self.story(self.main)?
            }
            told => told?,
        };
        let mut inside = self.inside(story, true);
        for index in 0..self.watched.len() {
            let Some(&thread) = self.watched.get(index).filter(|_| inside.is_none()) else { break };
            inside = self.story(thread).ok().and_then(|story| self.inside(story, false));
        }
        let stopping = story.activity.filter(|&is| is == Activity::StoppingWorkers);
        let data = inside.filter(|inside| inside.main_thread).map(|_| Activity::Data);
        let activity = stopping.or(data).or(story.activity).unwrap_or_default();
        Ok(StackLook { inside, activity, validating: story.validates })
    }

    fn story(&mut self, thread: Thread) -> Result<Story, Gap> {
        stack::story(&mut self.heap, &mut self.stacks, &mut self.codes, self.root.1, thread)
    }

    /// The loader that a thread is inside.
    fn inside(&mut self, story: Story, main_thread: bool) -> Option<Inside> {
        let waits = if story.asleep { Part::QueueEmpty } else { Part::Delivery };
        let Some((kind, frame)) = story.next else {
            // Code that does something else with a queue than to fetch data has a name for it.
            let plain = main_thread && story.takes && story.activity.is_none();
            let kind = LoaderKind::Queue;
            return plain.then_some(Inside { kind, iterator: None, part: waits, main_thread });
        };
        let mut iterator = None;
        if kind == LoaderKind::Torch {
            let Self { heap, stacks, codes, iterators, .. } = self;
            let object = stack::first_argument(heap, stacks, frame);
            iterator = object.ok().and_then(|object| iterators.at(heap, object, codes.looks));
        }
        let inline = iterator.as_ref().is_some_and(|facts| facts.num_workers == 0);
        let part = match kind {
            LoaderKind::Torch if inline || story.fetches => Part::Inline,
            LoaderKind::Torch if story.activity == Some(Activity::StoppingWorkers) => Part::Ending,
            LoaderKind::Torch => waits,
            // Whether what sleeps there sleeps for a batch is only known of the loaders above.
            LoaderKind::Grain if story.asleep => Part::QueueEmpty,
            _ => Part::Unknown,
        };
        Some(Inside { kind, iterator: iterator.map(|facts| facts.id), part, main_thread })
    }
}
