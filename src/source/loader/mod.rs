//! Loaders, read from outside.
//!
//! | file | what it holds |
//! |---|---|
//! | `discover` | which pipes are a loader's queues |
//! | `tap`, `frames` | what waits in a pipe, without taking it |
//! | `queue`, `capacity`, `position` | from that to depth, capacity and steps; pure |
//! | `place`, `places` | what a wait in the kernel means; pure |
//! | `tracked`, `engine` | one loader over time; all of them |
//! | `storage` | where the workers' files are |
//! | `rung` | the place of a source that is better than the pipes |
//!
//! Needs the right to read the trainer's descriptors: the same user, or root. Nothing is taken,
//! stopped or written.

mod capacity;
pub mod discover;
pub mod engine;
pub mod frames;
pub mod page;
pub mod place;
mod places;
mod position;
pub(crate) mod proc;
pub mod queue;
mod rows;
pub mod rung;
mod storage;
pub mod tap;
pub mod tracked;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::model::inventory::{LoaderInfo, SourceState, SourceStatus};
use crate::model::sample::LoaderSample;
use crate::model::{Gap, Pid, Reading};
use crate::source::root::Roots;

pub use engine::Engine;
pub use rung::{Attach, Depth, Rung};
pub use tracked::Seen;

/// What stands between the thread and its callers.
#[derive(Debug, Default)]
struct Shared {
    wanted: Option<BTreeMap<Pid, Vec<Pid>>>,
    rows: Vec<(Arc<LoaderInfo>, LoaderSample)>,
    written: Option<Instant>,
    taken: bool,
    denied: Vec<Pid>,
    looks: u64,
    cpu_seconds: f64,
    trouble: Option<Box<str>>,
}

/// All loaders, looked at by a thread of their own.
#[derive(Debug)]
pub struct Loaders {
    shared: Arc<Mutex<Shared>>,
    stop: Arc<AtomicBool>,
    thread: Option<thread::Thread>,
}

/// What is known of the loaders now.
#[derive(Clone, Debug)]
pub struct LoaderLook {
    /// Who they are.
    pub infos: Vec<Arc<LoaderInfo>>,
    /// Their rows, in the same order.
    pub samples: Vec<LoaderSample>,
    /// How this source fares.
    pub status: SourceStatus,
    /// Looks taken since the start.
    pub looks: u64,
    /// CPU seconds that the thread used since the start.
    pub cost_cpu_seconds: f64,
}

impl Loaders {
    /// Starts the thread. Nothing is looked at before [`Self::watch`].
    pub fn start(roots: Roots) -> Self {
        Self::start_with(roots, Vec::new())
    }

    /// The same, with sources that are tried before the pipes, best first.
    pub fn start_with(roots: Roots, attach: Vec<Attach>) -> Self {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let (theirs, ended) = (Arc::clone(&shared), Arc::clone(&stop));
        let started =
            thread::Builder::new().name("loaders".into()).spawn(move || {
                match Engine::new(roots, attach) {
                    Ok(engine) => work(engine, &theirs, &ended),
                    Err(error) => lock(&theirs).trouble = Some(error.to_string().into()),
                }
            });
        let thread = match started {
            Ok(handle) => Some(handle.thread().clone()),
            Err(error) => {
                lock(&shared).trouble = Some(error.to_string().into());
                None
            }
        };
        Self { shared, stop, thread }
    }

    /// Watches these trainers from now on, each with all its descendants. Never blocks for long.
    pub fn watch(&self, trainers: &BTreeMap<Pid, Vec<Pid>>) {
        lock(&self.shared).wanted = Some(trainers.clone());
        if let Some(thread) = &self.thread {
            thread.unpark();
        }
    }

    /// The rows as they stand. `ready_min` and `ready_max` begin anew.
    pub fn look(&self) -> LoaderLook {
        let mut shared = lock(&self.shared);
        shared.taken = true;
        let late = shared.written.is_some_and(|at| at.elapsed() > Duration::from_secs(2));
        let (infos, mut samples): (Vec<_>, Vec<_>) = shared.rows.iter().cloned().unzip();
        if late {
            for row in &mut samples {
                rows::blank(row, Gap::Late);
            }
        }
        LoaderLook {
            infos,
            samples,
            status: status(&shared, late),
            looks: shared.looks,
            cost_cpu_seconds: shared.cpu_seconds,
        }
    }
}

impl Drop for Loaders {
    fn drop(&mut self) {
        // Not joined: a thread that the kernel holds must not hold the caller.
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = &self.thread {
            thread.unpark();
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn status(shared: &Shared, late: bool) -> SourceStatus {
    let mut status = SourceStatus {
        source: "loaders".into(),
        state: SourceState::Ok,
        message: Box::default(),
        remedy: Box::default(),
    };
    if let Some(trouble) = &shared.trouble {
        status.state = SourceState::Failed;
        status.message = format!("Loaders cannot be looked at: {trouble}.").into();
    } else if late {
        status.state = SourceState::Failed;
        status.message = "A look at a loader does not return from the kernel.".into();
    } else if let Some(pid) = shared.denied.first() {
        status.state = SourceState::Partial;
        let count = shared.denied.len();
        status.message =
            format!("The queues of {count} trainers may not be read, of pid {pid} first.").into();
        status.remedy = "Run mltop as the user of the training, or as root.".into();
    } else if shared.rows.iter().any(|(_, row)| row.main_state == Reading::Not(Gap::Unsupported)) {
        status.state = SourceState::Partial;
        status.message = "This kernel does not say where a thread sleeps (wchan).".into();
    }
    status
}

fn work(mut engine: Engine, shared: &Mutex<Shared>, stop: &AtomicBool) {
    let mut dice = Dice::new();
    while !stop.load(Ordering::Relaxed) {
        let now = Instant::now();
        let (wanted, taken) = {
            let mut shared = lock(shared);
            (shared.wanted.take(), std::mem::take(&mut shared.taken))
        };
        if let Some(wanted) = wanted {
            engine.watch(&wanted, now);
        }
        if taken {
            engine.rows(now, true);
        }
        engine.round(now);
        let rows = engine.rows(now, false);
        let denied = engine.denied();
        {
            let mut shared = lock(shared);
            shared.rows = rows;
            shared.written = Some(now);
            shared.denied = denied;
            shared.looks = engine.looks;
            shared.cpu_seconds = own_cpu_seconds();
        }
        // A fixed rhythm would beat with that of the steps.
        let now = Instant::now();
        let wait = engine.due(now).saturating_duration_since(now).max(Duration::from_millis(5));
        thread::park_timeout(wait.mul_f64(0.6 + 0.8 * dice.next()));
    }
}

/// CPU time of this thread.
fn own_cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// A small random generator (xorshift): only to keep out of step.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        use std::hash::{BuildHasher, RandomState};
        Self(RandomState::new().hash_one(1) | 1)
    }

    /// A number from 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}
