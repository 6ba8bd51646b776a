//! The thread that reads what may block, and what happens when it does.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::model::Pid;
use crate::source::root::Roots;

use super::facts::{Facts, Request, inspect};

/// How long one process may take.
const DEADLINE: Duration = Duration::from_secs(2);
/// Threads that may hang in the kernel before no more are started.
const ABANDONED: u32 = 4;

#[derive(Debug, Default)]
struct Desk {
    wanted: VecDeque<Request>,
    done: Vec<Facts>,
    current: Option<(Pid, Instant)>,
    /// Only the thread of this number works; an older one that comes back ends.
    generation: u32,
    closed: bool,
}

#[derive(Debug)]
struct Shared {
    desk: Mutex<Desk>,
    bell: Condvar,
}

/// Reads facts on a thread of its own.
#[derive(Debug)]
pub(super) struct Inspector {
    roots: Roots,
    shared: Arc<Shared>,
    abandoned: u32,
    /// Processes that did not answer.
    pub(super) stuck: BTreeSet<Pid>,
}

impl Inspector {
    pub(super) fn new(roots: Roots) -> Self {
        let shared = Shared { desk: Mutex::default(), bell: Condvar::new() };
        let new = Self { roots, shared: Arc::new(shared), abandoned: 0, stuck: BTreeSet::new() };
        new.hire(0);
        new
    }

    /// Asks for these. A process that is asked for already is not asked for twice.
    pub(super) fn ask(&self, requests: Vec<Request>) {
        let mut desk = lock(&self.shared);
        for request in requests {
            desk.wanted.retain(|other| other.pid != request.pid);
            desk.wanted.push_back(request);
        }
        drop(desk);
        self.shared.bell.notify_one();
    }

    /// What was read since the last call. Never waits. A process that holds the thread for too long
    /// is skipped from now on, and the thread with it.
    pub(super) fn take(&mut self, now: Instant) -> Vec<Facts> {
        let mut desk = lock(&self.shared);
        let done = std::mem::take(&mut desk.done);
        let late = desk.current.filter(|(_, at)| now.saturating_duration_since(*at) > DEADLINE);
        let Some((pid, _)) = late else { return done };
        self.stuck.insert(pid);
        if self.abandoned < ABANDONED {
            self.abandoned += 1;
            desk.current = None;
            desk.generation += 1;
            let generation = desk.generation;
            drop(desk);
            self.hire(generation);
        }
        done
    }

    fn hire(&self, generation: u32) {
        let (shared, roots) = (Arc::clone(&self.shared), self.roots.clone());
        // Without a thread, nothing is found: the status says that no process was read.
        let _ = thread::Builder::new()
            .name("inspector".into())
            .spawn(move || work(&shared, &roots, generation));
    }
}

impl Drop for Inspector {
    fn drop(&mut self) {
        lock(&self.shared).closed = true;
        self.shared.bell.notify_all();
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, Desk> {
    shared.desk.lock().unwrap_or_else(PoisonError::into_inner)
}

fn work(shared: &Shared, roots: &Roots, generation: u32) {
    let mut desk = lock(shared);
    loop {
        if desk.closed || desk.generation != generation {
            return;
        }
        let Some(request) = desk.wanted.pop_front() else {
            desk = shared.bell.wait(desk).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        desk.current = Some((request.pid, Instant::now()));
        drop(desk);
        let facts = inspect(roots, &request);
        desk = lock(shared);
        if desk.generation == generation {
            desk.current = None;
            desk.done.push(facts);
        }
    }
}
