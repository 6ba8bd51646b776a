//! Loaders, read from outside.
//!
//! | file | what it holds |
//! |---|---|
//! | `rung`, `ladder` | a source that knows the loaders better than the pipes; which one is in use |
//! | `memory`, `python` | the best rung: the interpreter's memory |
//! | `told`, `page` | beside it or in its place: what the probe of `mltop run` publishes |
//! | `discover` | which pipes are a loader's queues |
//! | `tap`, `frames` | what waits in a pipe, without taking it |
//! | `semaphores` | how many messages a queue holds, and who waits for one |
//! | `pipes` | a look through pipes and semaphores |
//! | `queue`, `capacity`, `position` | from that to depth, capacity and steps; pure |
//! | `place`, `places` | what a wait in the kernel means; where threads wait |
//! | `main_thread`, `workers`, `storage` | the trainer's main thread; its workers and their files |
//! | `panel` | the workers one by one, and their tasks; pure |
//! | `tracked`, `counts`, `progress`, `cross` | one loader over time; what looks at it add up to |
//! | `trainer`, `search` | one trainer, and how its loaders are found |
//! | `beat`, `prompt`, `engine` | when to look, and in time; all trainers |
//!
//! Each source needs a right of its own: the memory that of a debugger, the pipes that of the same
//! user, semaphores that of their file. What is refused is said, with what would allow it. Nothing
//! is taken, stopped or written.

pub mod beat;
mod capacity;
mod counts;
pub mod cross;
pub mod discover;
pub mod engine;
pub mod frames;
mod ladder;
mod main_thread;
pub mod memory;
pub mod page;
mod panel;
mod pipes;
pub mod place;
mod places;
mod position;
pub(crate) mod proc;
pub mod progress;
mod prompt;
pub mod python;
pub mod queue;
mod rows;
pub mod rung;
mod search;
mod seen;
pub mod semaphores;
mod storage;
pub mod tap;
pub mod told;
pub mod tracked;
mod trainer;
mod workers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::model::inventory::{LoaderInfo, SourceState, SourceStatus};
use crate::model::sample::{LoaderSample, WorkerSample};
use crate::model::{Gap, Pid, Reading};
use crate::source::root::Roots;

pub use engine::Engine;
use prompt::{Hasty, Lease};
pub use rung::{Attach, Depth, Ladder, Rung, Step};
pub use seen::Seen;

/// Between two writings of the rows.
const PUBLISH: Duration = Duration::from_millis(100);

/// What stands between the thread and its callers.
#[derive(Debug, Default)]
struct Shared {
    wanted: Option<BTreeMap<Pid, Vec<Pid>>>,
    rows: Vec<(Arc<LoaderInfo>, LoaderSample)>,
    workers: Vec<WorkerSample>,
    written: Option<Instant>,
    taken: bool,
    denied: Vec<Pid>,
    looks: u64,
    cpu_seconds: f64,
    trouble: Option<Box<str>>,
    /// The thread, to be told that it takes too long; whether it was.
    hasty: Option<Hasty>,
    calmed: bool,
}

/// All loaders, looked at by a thread of their own.
#[derive(Debug)]
pub struct Loaders {
    shared: Arc<Mutex<Shared>>,
    stop: Arc<AtomicBool>,
    thread: Option<thread::Thread>,
}

impl Ladder {
    /// All rungs that there are.
    pub fn all() -> Self {
        let steps = vec![told::timed(memory::step()), told::step()];
        Self { steps, semaphores: true }
    }
}

/// What is known of the loaders now.
#[derive(Clone, Debug)]
pub struct LoaderLook {
    /// Who they are.
    pub infos: Vec<Arc<LoaderInfo>>,
    /// Their rows, in the same order.
    pub samples: Vec<LoaderSample>,
    /// The workers of all of them.
    pub workers: Vec<WorkerSample>,
    /// How this source fares.
    pub status: SourceStatus,
    /// Trainers whose queues may not be read.
    pub denied: Vec<Pid>,
    /// Looks taken since the start.
    pub looks: u64,
    /// CPU seconds that the thread used since the start.
    pub cost_cpu_seconds: f64,
}

impl Loaders {
    /// Starts the thread, with all rungs that there are. Nothing is looked at before
    /// [`Self::watch`].
    pub fn start(roots: Roots) -> Self {
        Self::start_with(roots, Ladder::all())
    }

    /// The same with another ladder.
    pub fn start_with(roots: Roots, ladder: Ladder) -> Self {
        Self::start_observed(roots, ladder, |_| ())
    }

    /// The same; `observer` is told on the thread what each round of looks saw.
    pub fn start_observed(
        roots: Roots,
        ladder: Ladder,
        observer: impl FnMut(&[Seen]) + Send + 'static,
    ) -> Self {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let (theirs, ended) = (Arc::clone(&shared), Arc::clone(&stop));
        let started =
            thread::Builder::new().name("loaders".into()).spawn(move || {
                match Engine::on(roots, ladder) {
                    Ok(engine) => work(engine, &theirs, &ended, observer),
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
        if let Some(hasty) = shared.hasty.filter(|_| late && !shared.calmed) {
            hasty.calm();
            shared.calmed = true;
        }
        let (infos, mut samples): (Vec<_>, Vec<_>) = shared.rows.iter().cloned().unzip();
        if late {
            for row in &mut samples {
                rows::blank(row, Gap::Late);
            }
        }
        LoaderLook {
            infos,
            samples,
            // A worker's row says nothing that could stand while nobody looks.
            workers: if late { Vec::new() } else { shared.workers.clone() },
            status: status(&shared, late),
            denied: shared.denied.clone(),
            looks: shared.looks,
            cost_cpu_seconds: shared.cpu_seconds,
        }
    }
}

impl LoaderLook {
    /// Others have told of these trainers what we may not read.
    pub fn told(&mut self, trainers: &BTreeSet<Pid>) {
        let before = self.denied.len();
        self.denied.retain(|pid| !trainers.contains(pid));
        if self.denied.len() < before && self.status.state == SourceState::Partial {
            self.status = partial(&self.denied, self.samples.iter());
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
    let mut status = fine();
    if let Some(trouble) = &shared.trouble {
        status.state = SourceState::Failed;
        status.message = format!("Loaders cannot be looked at: {trouble}.").into();
    } else if late {
        status.state = SourceState::Failed;
        status.message = "A look at a loader does not return from the kernel.".into();
    } else {
        return partial(&shared.denied, shared.rows.iter().map(|(_, row)| row));
    }
    status
}

/// How looks fare that take place.
fn partial<'a>(denied: &[Pid], mut rows: impl Iterator<Item = &'a LoaderSample>) -> SourceStatus {
    let mut status = fine();
    if let Some(pid) = denied.first() {
        status.state = SourceState::Partial;
        status.message = match denied.len() {
            1 => format!("The queues of trainer {pid} may not be read."),
            count => format!("The queues of {count} trainers may not be read, of pid {pid} first."),
        }
        .into();
        status.remedy = "Run mltop as the user of the training, or as root.".into();
    } else if rows.any(|row| row.main_state == Reading::Not(Gap::Unsupported)) {
        status.state = SourceState::Partial;
        status.message = "This kernel does not say where a thread sleeps (wchan).".into();
    }
    status
}

fn fine() -> SourceStatus {
    crate::source::sampler::fine("loaders")
}

fn work(
    mut engine: Engine,
    shared: &Mutex<Shared>,
    stop: &AtomicBool,
    mut observer: impl FnMut(&[Seen]),
) {
    let mut lease = Lease::take();
    lock(shared).hasty = lease.hasty();
    let (mut cost, mut of_late) = (Cost::begin(), None);
    let mut written: Option<Instant> = None;
    while !stop.load(Ordering::Relaxed) {
        let now = Instant::now();
        let (wanted, taken, late) = {
            let mut shared = lock(shared);
            let late = std::mem::take(&mut shared.calmed);
            (shared.wanted.take(), std::mem::take(&mut shared.taken), late)
        };
        engine.prompt = lease.renew(late, of_late, now);
        if let Some(wanted) = wanted {
            engine.watch(&wanted, now);
        }
        if taken {
            engine.rows(now, true);
        }
        observer(&engine.round(now));
        // Rows are asked for once a second or so: not every look need be written down.
        if taken || written.is_none_or(|at| now.duration_since(at) >= PUBLISH) {
            written = Some(now);
            let rows = engine.rows(now, false);
            let (workers, denied) = (engine.workers(), engine.denied());
            let mut shared = lock(shared);
            shared.rows = rows;
            shared.workers = workers;
            shared.written = Some(now);
            shared.denied = denied;
            shared.looks = engine.looks;
            shared.cpu_seconds = own_cpu_seconds();
        }
        of_late = cost.of_late(now, engine.searching);
        if let Some(cost) = of_late {
            engine.steer(cost);
        }
        let now = Instant::now();
        thread::park_timeout(engine.due(now).saturating_duration_since(now));
    }
}

/// What the looks of this thread cost, measured every few seconds. Searches are not among it: they keep
/// a distance of their own, and a loop that starts workers anew must not be looked at less for it.
struct Cost {
    at: Instant,
    cpu: f64,
}

impl Cost {
    const EVERY: Duration = Duration::from_secs(5);

    fn begin() -> Self {
        Self { at: Instant::now(), cpu: own_cpu_seconds() }
    }

    /// The share of a core since the time before, once there is one.
    fn of_late(&mut self, now: Instant, searching: f64) -> Option<f64> {
        let span = now.saturating_duration_since(self.at);
        if span < Self::EVERY {
            return None;
        }
        let cpu = own_cpu_seconds() - searching;
        let cost = (cpu - self.cpu) / span.as_secs_f64();
        *self = Self { at: now, cpu };
        Some(cost)
    }
}

/// CPU time of this thread.
fn own_cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
