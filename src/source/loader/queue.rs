//! From what waits in the pipes to the depth of the queue: pure, and the same for every kind of
//! loader.
//!
//! A plain loader's finished batches are the messages in its result pipe. Of a loader that pins, or
//! whose batches are too large for a pipe, only the complement can be seen: all batches under way
//! less those that wait for a worker or are worked on.

use crate::model::sample::{Bound, ReadySource};
use crate::model::{Gap, Reading};

use super::capacity::{Capacity, Sight};
use super::frames::Frames;
use super::place::MainAt;
use super::position::Position;
use super::semaphores;

/// Bytes from which on a pipe of 64 KiB counts as full: a writer waits for a whole free page.
const FULL_PIPE: usize = 60 << 10;
/// Looks for which a loader counts as one of large batches after its pipe was last seen full.
const LARGE_LOOKS: u32 = 40;

/// A worker at one look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tasks {
    /// Indices of the tasks that wait for it.
    pub indices: Vec<u64>,
    /// Waits for work: asleep at its index queue, and the queue empty.
    pub idle: bool,
}

/// One look at a loader.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// What is in the result pipe.
    pub result: Frames,
    /// Bytes in the result pipe.
    pub bytes: usize,
    /// The workers, on a look at all of it.
    pub workers: Option<Vec<Tasks>>,
    /// Batches that were in the result pipe before the workers were looked at: with them, one that
    /// moves on meanwhile may be missed, and is not counted twice.
    pub before: u64,
    /// Whether the loop took no batch while the workers were looked at.
    pub steady: bool,
    /// Where the trainer's main thread is.
    pub main: MainAt,
    /// Where the thread that pins is, if there is one and its place is known.
    pub pin_thread: Option<MainAt>,
    /// The pipes cannot be read: only the semaphores tell.
    pub sealed: bool,
    /// What the queues' semaphores say, where they can be read: exact.
    pub semaphores: Option<&'a semaphores::Look>,
}

impl View<'_> {
    /// One of the result pipe and the loop alone.
    pub fn of(result: Frames, bytes: usize, main: MainAt) -> Self {
        Self {
            result,
            bytes,
            workers: None,
            before: 0,
            steady: true,
            main,
            pin_thread: None,
            sealed: false,
            semaphores: None,
        }
    }
}

/// What one look at a loader says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Finished batches, in order.
    pub ready: u64,
    /// How it is known.
    pub source: ReadySource,
    /// How it relates to the truth.
    pub bound: Bound,
    /// The loop waits for the loader.
    pub waiting: bool,
    /// A batch is there, and handing it over is what takes time.
    pub delivery: bool,
    /// Batches are under way at all: between epochs, there are none.
    pub active: bool,
}

/// Whether a thread copies batches to pinned memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pinning {
    /// The thread's name says so, or its absence where it would have one.
    Known(bool),
    /// Inferred from where finished batches are, with the looks that speak for it.
    Inferred {
        /// Looks that found finished batches in the result pipe.
        plain: u32,
        /// Looks that found all work done and the result pipe empty.
        pinned: u32,
    },
}

impl Pinning {
    /// Whether batches are pinned, as far as known.
    pub fn get(self) -> Option<bool> {
        match self {
            Self::Known(pinned) => Some(pinned),
            Self::Inferred { plain: 2.., .. } => Some(false),
            Self::Inferred { pinned: 10.., .. } => Some(true),
            Self::Inferred { .. } => None,
        }
    }
}

/// Batches that the loop has received before their turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Aside {
    count: u64,
    /// The least index that the loop can be at.
    next: u64,
}

/// Looks of late, and those that proved that the place in the kernel does not tell a wait for a batch.
/// `time.sleep` waits in `select` before Python 3.11, which is the same place as that of `poll`; so does
/// a thread that waits for a GPU that it asked to be woken by.
#[derive(Clone, Copy, Debug, Default)]
struct OtherSleep {
    apart: u32,
    looks: u32,
}

impl OtherSleep {
    /// One may be a batch that came at that very moment.
    const PROOF: u32 = 3;
    /// A minute of looks at a loop that waits. After it, half of what was seen is forgotten.
    const LOOKS: u32 = 3000;

    fn see(&mut self, apart: bool) {
        self.apart += u32::from(apart);
        self.looks += 1;
        if self.looks >= Self::LOOKS {
            (self.apart, self.looks) = (self.apart / 2, self.looks / 2);
        }
    }
}

/// What is known of one loader's queue over time.
#[derive(Clone, Debug)]
pub struct Queue {
    workers: u64,
    /// Whether a thread pins.
    pub pinning: Pinning,
    /// Whether another thread of the trainer waits for a descriptor, as one that pins does.
    pub other_polls: bool,
    /// The batches that are under way in all.
    pub capacity: Capacity,
    /// How far the loop is.
    pub position: Position,
    /// Batches finished out of order, at the last look at all of it.
    pub stash: Reading<u64>,
    large: u32,
    hole: Option<u64>,
    blocked_head: Option<u64>,
    aside: Option<Aside>,
    under_way: u64,
    started: bool,
    other_sleep: OtherSleep,
}

impl Queue {
    /// Of a loader with that many workers.
    pub fn new(workers: usize, pinned: Option<bool>) -> Self {
        let workers = workers as u64;
        Self {
            workers,
            pinning: pinned.map_or(Pinning::Inferred { plain: 0, pinned: 0 }, Pinning::Known),
            other_polls: false,
            capacity: Capacity::new(workers),
            position: Position::default(),
            stash: Reading::Not(Gap::NotYet),
            large: 0,
            hole: None,
            blocked_head: None,
            aside: None,
            under_way: 0,
            started: false,
            other_sleep: OtherSleep::default(),
        }
    }

    /// A look at the loop, `apart` if it slept as if it waited, with a batch there all the while.
    pub fn slept(&mut self, apart: bool) {
        self.other_sleep.see(apart);
    }

    /// Whether the loop sleeps for other things in the place where it would wait for a batch. Then what
    /// looks like waiting may be none.
    pub fn sleeps_apart(&self) -> bool {
        self.other_sleep.apart >= OtherSleep::PROOF
    }

    /// The workers that it is of.
    pub fn workers(&self) -> u64 {
        self.workers
    }

    /// More workers of the same iterator were found.
    pub fn resize(&mut self, workers: usize) {
        self.workers = workers as u64;
        self.capacity = Capacity::new(self.workers);
    }

    /// A new iterator of the same loader: indices begin at 0 again.
    pub fn restart(&mut self) {
        self.position.restart(self.under_way < self.capacity.get());
        self.hole = None;
        self.blocked_head = None;
        self.stash = Reading::Not(Gap::NotYet);
    }

    /// Takes a look into account. `None` where it says nothing of the depth: of a loader that pins,
    /// only a look at its workers does.
    pub fn look(&mut self, view: &View<'_>) -> Option<Finding> {
        self.large = if view.result.truncated && view.bytes >= FULL_PIPE {
            LARGE_LOOKS
        } else {
            self.large.saturating_sub(1)
        };
        self.aside = None;
        match (&view.workers, view.semaphores) {
            (Some(workers), _) => self.learn(view, workers),
            (None, Some(semaphores)) if view.sealed => self.learn_sealed(semaphores),
            _ => {}
        }
        let pinned = self.pinning.get() == Some(true);
        // A semaphore counts batches that are too large for the pipe, too.
        let mut finding = if pinned || self.large > 0 && view.semaphores.is_none() {
            self.complement(view, pinned)?
        } else {
            self.count(view)
        };
        let head = view.result.first_idx().filter(|_| finding.ready > 0 && !pinned);
        let highest = view
            .workers
            .iter()
            .flatten()
            .flat_map(|tasks| tasks.indices.iter().copied())
            .chain(view.result.indices.iter().copied())
            .max();
        // Workers that still import their libraries are no starvation: a first batch must have come.
        let idle = view.workers.is_some() && self.under_way == 0;
        let past = highest.is_some_and(|index| index >= self.capacity.get());
        let queued = view.semaphores.is_some_and(|semaphores| semaphores.result > 0);
        self.started |= past || idle || queued || view.bytes > 0;
        finding.active &= self.started;
        finding.waiting &= finding.active;
        finding.delivery &= finding.active;
        let tail = self.under_way < self.capacity.get();
        self.position.see(head, highest, self.capacity.exact(), tail);
        Some(finding)
    }

    /// What a look at all of it teaches about capacity, order and pinning.
    fn learn(&mut self, view: &View<'_>, workers: &[Tasks]) {
        let queued: u64 = workers.iter().map(|tasks| tasks.indices.len() as u64).sum();
        let busy = workers.iter().filter(|tasks| !tasks.idle).count() as u64;
        let finished = view.semaphores.map_or(view.before, |semaphores| semaphores.result);
        self.under_way = queued + busy + finished;
        if view.steady {
            let newest = workers.iter().flat_map(|tasks| tasks.indices.iter().copied()).max();
            let newest = newest.max(view.result.last_idx());
            let span = newest.zip(view.result.first_idx()).map(|(last, first)| last - first + 1);
            let sight = match self.pinning.get() {
                Some(false) if self.large == 0 || view.semaphores.is_some() => Sight::All,
                Some(false) if view.main == MainAt::Poll && view.bytes == 0 => Sight::Waited,
                Some(true) if view.main == MainAt::Futex => Sight::Waited,
                _ => Sight::Part,
            };
            self.capacity.see(self.under_way, span, sight);
        }
        if let Pinning::Inferred { plain, pinned } = &mut self.pinning {
            // A thread that pins takes a batch as soon as it comes; it may lag by one or two.
            if view.result.complete() >= 3 || view.bytes >= FULL_PIPE {
                *plain += 1;
            } else if view.result.complete() == 0 {
                // All is finished and not there, or the loop waits for a lock and not for the pipe.
                let elsewhere = self.under_way == 0 && (self.position.moving() || self.other_polls);
                let locked = view.main == MainAt::Futex && self.other_polls;
                *pinned += u32::from(elsewhere || locked);
            }
        }
        self.hole = self.lowest_unfinished(view, workers);
        self.aside = self.put_aside(view, workers, queued + busy);
        self.stash = match self.aside {
            Some(aside) => {
                let all = aside.count + view.result.complete();
                Reading::Is(all.saturating_sub(self.in_order(view).0))
            }
            None if self.pinning.get() == Some(false) => Reading::Not(Gap::NotYet),
            None => Reading::Not(Gap::Unsupported),
        };
    }

    /// The same where only the semaphores can be read.
    fn learn_sealed(&mut self, semaphores: &semaphores::Look) {
        self.under_way = semaphores.unfinished() + semaphores.result;
        let plain = self.pinning.get() == Some(false);
        self.capacity.see(self.under_way, None, if plain { Sight::All } else { Sight::Part });
        self.stash = Reading::Not(Gap::Unsupported);
    }

    /// The lowest index that is not finished, as far as it can be told. Tasks are dealt out in turn,
    /// so a worker's own indices are `num_workers` apart.
    fn lowest_unfinished(&mut self, view: &View<'_>, workers: &[Tasks]) -> Option<u64> {
        let first = view.result.first_idx();
        let mut lowest =
            workers.iter().filter_map(|tasks| tasks.indices.iter().copied().min()).min();
        let mut head: Option<u64> = None;
        for tasks in workers.iter().filter(|tasks| !tasks.idle) {
            let next = tasks.indices.iter().copied().min();
            let Some(now) = next.and_then(|next| next.checked_sub(self.workers)) else { continue };
            if view.result.indices.contains(&now) {
                continue;
            }
            let least = if first.is_none_or(|first| now > first) { &mut lowest } else { &mut head };
            *least = Some(least.map_or(now, |least| least.min(now)));
        }
        // It may have been taken already, its worker just turning to the next: twice seen, it is not.
        if head.is_some() && head == self.blocked_head {
            lowest = head;
        }
        self.blocked_head = head;
        lowest
    }

    /// What the loop received before its turn and put aside, by what is missing everywhere else.
    fn put_aside(&self, view: &View<'_>, workers: &[Tasks], not_finished: u64) -> Option<Aside> {
        let plain = self.pinning.get() == Some(false) && self.large == 0;
        let capacity = self.capacity.exact().filter(|_| plain && view.steady)?;
        let queued = workers.iter().flat_map(|tasks| tasks.indices.iter().copied());
        let newest = queued.chain(view.result.indices.iter().copied()).max();
        let newest = newest.max(self.position.highest())?;
        if self.position.tail() {
            return None;
        }
        // What the main thread holds in its hands is in no queue.
        let in_hand = u64::from(matches!(view.main, MainAt::Socket | MainAt::Running));
        let elsewhere = not_finished + view.result.complete() + in_hand;
        let count = capacity.saturating_sub(elsewhere);
        Some(Aside { count, next: (newest + 1).saturating_sub(capacity) })
    }

    /// Finished batches up to the lowest unfinished one, and how many of them are put aside.
    fn in_order(&self, view: &View<'_>) -> (u64, u64) {
        let indices = &view.result.indices;
        let hole = self.hole.filter(|hole| !indices.contains(hole));
        let below = indices.iter().filter(|&&index| hole.is_none_or(|hole| index < hole)).count();
        let below = below as u64;
        let asleep = matches!(view.main, MainAt::Poll | MainAt::PipeRead) && indices.is_empty();
        let Some(aside) = self.aside.filter(|_| !asleep) else { return (below, 0) };
        // Both the room before the hole and the number missing limit what can be in order there.
        let end = hole.or_else(|| view.result.last_idx().map(|last| last + 1));
        let room = end.map_or(0, |end| end.saturating_sub(aside.next).saturating_sub(below));
        let extra = aside.count.min(room);
        (below + extra, extra)
    }

    fn count(&self, view: &View<'_>) -> Finding {
        let (seen, aside) = self.in_order(view);
        let complete = view.result.complete();
        let in_queue = view.semaphores.map_or(complete, |semaphores| semaphores.result);
        let active = self.under_way > 0 || in_queue > 0;
        let empty = in_queue == 0;
        // The readers' lock tells that the loop is in `get()`; the place where it sleeps only hints.
        let asleep = view.semaphores.map_or_else(
            || matches!(view.main, MainAt::Poll | MainAt::PipeRead),
            |semaphores| semaphores.reader_waits,
        );
        // With the pipe always empty so far, a thread may take the batches out: then 0 is no depth.
        let unsure = self.pinning.get().is_none() && empty && self.under_way < self.workers;
        // What arrived before its turn is with the loop and in no queue, and stays there until its turn
        // comes, when no other is missing any more: where nothing tells how much that is, there may be
        // more, unless there is none or all there can be.
        let ready = seen + in_queue.saturating_sub(complete);
        let full = self.capacity.exact().is_some_and(|capacity| ready >= capacity);
        let all_seen = self.aside.is_some() || self.workers <= 1 || asleep && empty || full;
        // Of those without an index some may be out of order, while one is missing.
        let missing = view.semaphores.is_none_or(|said| said.unfinished() > 0);
        let nameless = in_queue > complete && self.workers > 1 && missing && !full;
        Finding {
            ready,
            source: match view.semaphores {
                Some(_) => ReadySource::Semaphore,
                None => ReadySource::Pipe,
            },
            bound: match (unsure, aside) {
                (true, _) => Bound::Doubtful,
                (false, 0) if nameless && !all_seen => Bound::Doubtful,
                (false, 0) if !all_seen => Bound::Lower,
                // Without the indices in the pipe, those out of order are among them.
                (false, 0) if nameless || view.sealed && in_queue > 0 => Bound::Upper,
                (false, 0) => Bound::Exact,
                // A worker that only looks idle makes too many of those put aside.
                (false, _) => Bound::Upper,
            },
            waiting: asleep && empty && active || view.main == MainAt::Socket,
            delivery: view.main == MainAt::Socket,
            active,
        }
    }

    fn complement(&self, view: &View<'_>, pinned: bool) -> Option<Finding> {
        let unfinished = match (view.semaphores, &view.workers) {
            (Some(semaphores), _) => semaphores.unfinished(),
            (None, Some(workers)) => {
                let queued: u64 = workers.iter().map(|tasks| tasks.indices.len() as u64).sum();
                queued + workers.iter().filter(|tasks| !tasks.idle).count() as u64
            }
            (None, None) => return None,
        };
        let ready = self.capacity.get().saturating_sub(unfinished);
        let (waiting, delivery) = if pinned {
            // One batch may be in the hands of the thread that pins.
            let pin_works = view.pin_thread.is_some_and(|at| at != MainAt::Poll);
            let asleep = view.main == MainAt::Futex;
            (asleep && (ready == 0 || ready == 1 && pin_works), asleep && ready == 1 && pin_works)
        } else {
            let asleep = view.main == MainAt::Poll && view.bytes == 0;
            let taking = matches!(view.main, MainAt::PipeRead | MainAt::Socket);
            (asleep || taking, taking)
        };
        let known = self.capacity.exact().is_some();
        let running_out = view.sealed || self.position.tail();
        Some(Finding {
            ready,
            source: match view.semaphores {
                Some(_) => ReadySource::Semaphore,
                None => ReadySource::Complement,
            },
            bound: match (known, view.semaphores) {
                // An assumed capacity bounds nothing, but what it gives at 0 is 0 by any.
                (false, _) => Bound::Doubtful,
                (true, Some(_)) if !running_out => Bound::Exact,
                (true, _) => Bound::Upper,
            },
            waiting,
            delivery,
            active: true,
        })
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
