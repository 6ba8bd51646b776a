//! One loader over time: looks at it, and the counts that come of them.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use crate::model::inventory::LoaderInfo;
use crate::model::sample::{Bound, LoaderSample, ProcState, ReadySource, WaitSource, WorkerSample};
use crate::model::{Gap, LoaderId, Pid, Reading};
use crate::source::root::Roots;

use super::discover::Group;
use super::frames::{Frames, parse};
use super::panel::Panel;
use super::place::{MainAt, WorkerAt, main_at, only_sleeps, worker_at};
use super::places::Places;
use super::proc;
use super::queue::{Queue, Tasks, View};
use super::rung::Rung;
use super::storage::Files;
use super::tap::Tap;

/// How often a worker's run-queue share is read.
const SHARE_EVERY: Duration = Duration::from_secs(1);
/// How often a worker's open files are listed.
const FILES_EVERY: Duration = Duration::from_millis(250);
/// The same once that many looks have shown where the files are, or that they are not to be seen.
const FILES_LATER: Duration = Duration::from_secs(5);
const FILES_LOOKS: usize = 40;
/// Looks without a message that proves it before the shape of the pipes alone is believed.
const SHAPE_LOOKS: u32 = 40;

/// What one look saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The loader.
    pub loader: LoaderId,
    /// Its trainer.
    pub pid: Pid,
    /// When.
    pub at: SystemTime,
    /// Finished batches, in order.
    pub ready: u64,
    /// How it is known.
    pub source: ReadySource,
    /// How it relates to the truth.
    pub bound: Bound,
    /// The loop waits for it.
    pub waiting: bool,
}

/// Which of a worker's threads' time went to waiting for a CPU.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    last: Option<(u64, u64)>,
    queued: f64,
}

/// Counts of looks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    samples: u64,
    failed: u64,
    ready_sum: u64,
    empty: u64,
    wait: u64,
    delivery: u64,
    wait_idle: u64,
    wait_worker: u64,
    running: u64,
    queued: f64,
    disk: u64,
    net: u64,
    idle: u64,
    other: u64,
}

/// A loader that is looked at.
#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) id: LoaderId,
    pub(super) trainer: Pid,
    pub(super) group: Group,
    pub(super) queue: Queue,
    pub(super) rung: Option<Box<dyn Rung>>,
    pub(super) why: Box<str>,
    /// A message of torch's shape was seen, or its workers have torch's name.
    pub(super) verified: bool,
    pub(super) looks: u32,
    pub(super) moved_at: Option<Instant>,
    pub(super) gone: Option<Instant>,
    pub(super) last: Option<Seen>,
    pub(super) last_look: Option<Instant>,
    pub(super) last_full: Option<Instant>,
    pub(super) pin_thread: Option<u32>,
    pub(super) counts: Counts,
    pub(super) range: Option<(u64, u64)>,
    pub(super) stash: Reading<u64>,
    pub(super) panel: Panel,
    waits: f64,
    shares: Vec<Share>,
    share_at: Option<Instant>,
    files: Files,
    files_at: Option<Instant>,
    turn: usize,
    letters: Box<str>,
    main_state: Reading<Box<str>>,
}

/// What looks need besides the loader.
pub(super) struct Tools<'a> {
    pub(super) roots: &'a Roots,
    pub(super) tap: &'a mut Tap,
    pub(super) places: &'a mut Places,
    pub(super) now: Instant,
    /// Whether this loader is the one that the loop iterates, as far as known.
    pub(super) current: bool,
}

impl Tracked {
    pub(super) fn new(id: LoaderId, trainer: Pid, group: Group, pinned: Option<bool>) -> Self {
        Self {
            id,
            trainer,
            queue: Queue::new(group.workers.len(), pinned),
            verified: group.workers.iter().any(|worker| worker.named),
            shares: vec![Share::default(); group.workers.len()],
            panel: Panel::new(group.workers.len()),
            group,
            rung: None,
            why: Box::default(),
            looks: 0,
            moved_at: None,
            gone: None,
            last: None,
            last_look: None,
            last_full: None,
            pin_thread: None,
            counts: Counts::default(),
            range: None,
            stash: Reading::default(),
            waits: 0.0,
            share_at: None,
            files: Files::default(),
            files_at: None,
            turn: 0,
            letters: Box::default(),
            main_state: Reading::default(),
        }
    }

    /// Another set of pipes for the same loader: its next iterator, or workers that started late.
    pub(super) fn adopt(&mut self, group: Group) {
        if group.result.inode == self.group.result.inode {
            self.queue.resize(group.workers.len());
        } else {
            self.queue.restart();
        }
        let anew = self.group.workers.first() != group.workers.first();
        self.panel.resize(group.workers.len(), anew);
        self.shares = vec![Share::default(); group.workers.len()];
        self.verified |= group.workers.iter().any(|worker| worker.named);
        self.group = group;
        self.gone = None;
    }

    /// Whether it may be shown: it is torch's, or has been of its shape for a while.
    pub(super) fn shown(&self) -> bool {
        self.verified || self.group.workers.len() >= 2 && self.looks >= SHAPE_LOOKS
    }

    /// Whether the loop never waits for it and its queue is nearly full.
    pub(super) fn healthy(&self) -> bool {
        let full = self
            .last
            .as_ref()
            .is_some_and(|seen| !seen.waiting && seen.ready * 4 >= self.queue.capacity.get() * 3);
        full && self.waits < 0.05
    }

    /// A look now; `full` looks at the workers too. An error means that the pipes are not there.
    pub(super) fn look(&mut self, tools: &mut Tools<'_>, full: bool) -> io::Result<()> {
        self.looks = self.looks.saturating_add(1);
        self.last_look = Some(tools.now);
        let folder = proc::folder(&tools.roots.proc, self.trainer);
        let before = if full { self.result(tools)?.0 } else { Frames::default() };
        let workers = if full { Some(self.workers(tools)?) } else { None };
        let (result, bytes) = self.result(tools)?;
        let at = SystemTime::now();
        let main = self.main(tools, &folder)?;
        let Some(main) = main else {
            self.counts.failed += 1;
            return Ok(());
        };
        let steady = before.first_idx() == result.first_idx();
        let proof = workers.iter().flatten().any(|tasks| !tasks.indices.is_empty());
        self.verified |= proof || result.complete() > 0;
        let pin_thread = self.pin_thread.filter(|_| main == MainAt::Futex).and_then(|thread| {
            tools.places.wchan(&folder.join("task").join(thread.to_string())).ok()
        });
        let view = View {
            result,
            bytes,
            workers,
            before: before.complete(),
            steady,
            main,
            pin_thread: pin_thread.map(|name| main_at(&name)),
        };
        self.take(tools, &view, at);
        Ok(())
    }

    fn result(&self, tools: &mut Tools<'_>) -> io::Result<(Frames, usize)> {
        let bytes = tools.tap.look(&self.group.result.link, self.group.result.inode)?;
        Ok((parse(bytes), bytes.len()))
    }

    /// Where the main thread is; `None` where the kernel does not say.
    fn main(&mut self, tools: &mut Tools<'_>, folder: &Path) -> io::Result<Option<MainAt>> {
        let mut name = tools.places.wchan(folder)?;
        if name.is_empty() {
            let state = proc::stat(folder)?.state;
            if matches!(state, ProcState::Zombie | ProcState::Dead) {
                return Err(io::ErrorKind::NotFound.into());
            }
            if state != ProcState::Running {
                // It may have gone to sleep between the two reads.
                name = tools.places.wchan(folder)?;
                if name.is_empty() {
                    self.main_state = Reading::Not(Gap::Unsupported);
                    return Ok(None);
                }
            }
        }
        let at = main_at(&name);
        let word = match at {
            MainAt::Running => "running",
            _ if name.contains("signal_stop") => "stopped",
            _ => &name,
        };
        if self.main_state.as_ref().ok().is_none_or(|old| &**old != word) {
            let plain: String = word.chars().filter(char::is_ascii_graphic).take(64).collect();
            self.main_state = Reading::Is(plain.into());
        }
        Ok(Some(at))
    }

    fn take(&mut self, tools: &Tools<'_>, view: &View, at: SystemTime) {
        let moved = self.queue.position.taken();
        let finding = self.queue.look(view);
        if self.queue.position.taken() != moved {
            self.moved_at = Some(tools.now);
        }
        let better = self.rung.as_mut().and_then(|rung| Some((rung.source(), rung.depth().ok()?)));
        let Some(mut finding) = finding else { return };
        self.stash = self.queue.stash;
        if let Some((source, depth)) = better {
            (finding.ready, finding.source, finding.bound) = (depth.ready, source, depth.bound);
            finding.waiting = depth.waiting.unwrap_or(finding.waiting);
            self.stash = Reading::Is(depth.stash);
        }
        if !self.verified {
            finding.bound = Bound::Doubtful;
        }
        // Two loaders may both be empty: the loop waits for the one that it iterates.
        finding.waiting &= tools.current;
        finding.delivery &= finding.waiting;
        let Seen { ready, waiting, .. } = *self.last.insert(Seen {
            loader: self.id,
            pid: self.trainer,
            at,
            ready: finding.ready,
            source: finding.source,
            bound: finding.bound,
            waiting: finding.waiting,
        });
        let (low, high) = self.range.unwrap_or((ready, ready));
        self.range = Some((low.min(ready), high.max(ready)));
        if !finding.active {
            return;
        }
        self.waits += (f64::from(u8::from(waiting)) - self.waits) * 0.05;
        let counts = &mut self.counts;
        counts.samples += 1;
        counts.ready_sum += ready;
        counts.empty += u64::from(ready == 0);
        counts.wait += u64::from(waiting);
        counts.delivery += u64::from(waiting && (finding.delivery || ready > 0));
        if let Some(workers) = view.workers.as_ref().filter(|_| waiting) {
            counts.wait_worker += workers.len() as u64;
            counts.wait_idle += workers.iter().filter(|tasks| tasks.idle).count() as u64;
        }
    }

    /// Looks at every worker: its tasks, and what it does.
    fn workers(&mut self, tools: &mut Tools<'_>) -> io::Result<Vec<Tasks>> {
        self.last_full = Some(tools.now);
        let remote = self.files.remote();
        let thorough = self.share_at.is_none_or(|at| tools.now - at >= SHARE_EVERY);
        let mut all = Vec::with_capacity(self.group.workers.len());
        let mut letters = String::with_capacity(self.group.workers.len());
        for ((worker, share), n) in self.group.workers.iter().zip(&self.shares).zip(0..) {
            let folder = proc::folder(&tools.roots.proc, worker.pid);
            // First the worker, then its queue: a task on its way is missed, never seen twice.
            let (state, name) = state(tools.places, &folder, worker.start_ticks, thorough);
            let tasks = parse(tools.tap.look(&worker.index.link, worker.index.inode)?);
            let at = worker_at(state, &name, tasks.complete() > 0, remote);
            let counts = &mut self.counts;
            let letter = match at {
                WorkerAt::Run => {
                    counts.running += 1;
                    counts.queued += share.queued;
                    if share.queued > 0.5 { 'Q' } else { 'R' }
                }
                WorkerAt::Disk => tally(&mut counts.disk, 'D'),
                WorkerAt::Net => tally(&mut counts.net, 'N'),
                WorkerAt::Idle => tally(&mut counts.idle, '.'),
                WorkerAt::Other => tally(&mut counts.other, 'S'),
                WorkerAt::Dead => 'Z',
            };
            letters.push(letter);
            self.panel.see(n, letter, share.queued, &tasks.indices);
            all.push(Tasks { indices: tasks.indices, idle: at == WorkerAt::Idle });
        }
        self.letters = letters.into();
        self.slow_facts(tools);
        Ok(all)
    }

    /// What is read seldom: run-queue shares of all workers, and the open files of one.
    fn slow_facts(&mut self, tools: &Tools<'_>) {
        let due = |last: Option<Instant>, every| last.is_none_or(|at| tools.now - at >= every);
        if due(self.share_at, SHARE_EVERY) {
            self.share_at = Some(tools.now);
            for (worker, share) in self.group.workers.iter().zip(&mut self.shares) {
                let now = proc::schedule(&proc::folder(&tools.roots.proc, worker.pid));
                if let (Some((run, delay)), Some((run0, delay0))) = (now, share.last) {
                    let run = run.saturating_sub(run0) as f64;
                    let delay = delay.saturating_sub(delay0) as f64;
                    share.queued = if run + delay > 0.0 { delay / (run + delay) } else { 0.0 };
                }
                share.last = now;
            }
        }
        let every = if self.turn < FILES_LOOKS { FILES_EVERY } else { FILES_LATER };
        if due(self.files_at, every) && !self.group.workers.is_empty() {
            self.files_at = Some(tools.now);
            self.turn += 1;
            if let Some(worker) = self.group.workers.get(self.turn % self.group.workers.len()) {
                self.files.look(tools.roots, &proc::folder(&tools.roots.proc, worker.pid));
            }
        }
    }

    pub(super) fn info(&self) -> LoaderInfo {
        LoaderInfo {
            loader: self.id,
            pid: self.trainer,
            kind: if self.verified { "pytorch".into() } else { "multiprocessing".into() },
            workers: self.group.workers.iter().map(|worker| worker.pid).collect(),
            storage: self.files.list(),
            why_not_better: self.why.clone(),
        }
    }

    /// The loader as a row.
    pub(super) fn sample(&self, now: Instant) -> LoaderSample {
        let mut row = LoaderSample { pid: self.trainer, loader: self.id, ..Default::default() };
        self.counters(&mut row);
        let stale =
            self.last_look.is_none_or(|at| now.saturating_duration_since(at).as_secs() >= 2);
        let lost = match (self.gone, stale) {
            (Some(_), _) => Some(Gap::Lost),
            (None, true) => Some(Gap::Late),
            (None, false) => None,
        };
        if let Some(gap) = lost {
            super::rows::blank(&mut row, gap);
            return row;
        }
        row.workers = Reading::Is(self.group.workers.len() as u64);
        let capacity = &self.queue.capacity;
        let exact = capacity.exact().is_some();
        row.capacity = Reading::Is(capacity.get());
        row.capacity_bound = Reading::Is(if exact { Bound::Exact } else { Bound::Lower });
        row.prefetch_factor =
            Reading::from_option(exact.then(|| capacity.prefetch_factor()), Gap::NotYet);
        row.pinned = Reading::from_option(self.queue.pinning.get(), Gap::NotYet);
        let seen = Reading::from_option(self.last.as_ref(), Gap::NotYet);
        row.ready = seen.map(|seen| seen.ready);
        row.ready_source = seen.map(|seen| seen.source);
        row.ready_bound = seen.map(|seen| seen.bound);
        let range = Reading::from_option(self.range, Gap::NotYet);
        row.ready_min = range.map(|(low, _)| low);
        row.ready_max = range.map(|(_, high)| high);
        row.stash = self.stash;
        row.wait_source = Reading::Is(WaitSource::Wchan);
        row.wait_bound = Reading::Is(Bound::Lower);
        row.worker_states = Reading::Is(self.letters.clone());
        row.main_state = self.main_state.clone();
        row
    }

    /// Its workers as rows.
    pub(super) fn workers_sample(&self) -> Vec<WorkerSample> {
        let pids = self.group.workers.iter().map(|worker| worker.pid);
        self.panel.rows(self.id, self.trainer, pids)
    }

    fn counters(&self, row: &mut LoaderSample) {
        let Counts { samples, failed, ready_sum, empty, wait, delivery, .. } = self.counts;
        let Counts { wait_idle, wait_worker, running, queued, .. } = self.counts;
        let Counts { disk, net, idle, other, .. } = self.counts;
        row.steps_total = if self.queue.position.blind() {
            Reading::Not(Gap::Late)
        } else {
            Reading::from_option(self.queue.position.taken(), Gap::NotYet)
        };
        row.samples_total = Reading::Is(samples);
        row.failed_total = Reading::Is(failed);
        row.ready_sum = Reading::Is(ready_sum);
        row.empty_samples_total = Reading::Is(empty);
        row.wait_samples_total = Reading::Is(wait);
        row.delivery_samples_total = Reading::Is(delivery);
        row.wait_idle_samples_total = Reading::Is(wait_idle);
        row.wait_worker_samples_total = Reading::Is(wait_worker);
        // Shares of looks add up to whole looks; what is not whole yet still counts as running.
        let queued = queued as u64;
        row.worker_runq_samples_total = Reading::Is(queued);
        row.worker_run_samples_total = Reading::Is(running.saturating_sub(queued));
        row.worker_disk_samples_total = Reading::Is(disk);
        row.worker_net_samples_total = Reading::Is(net);
        row.worker_idle_samples_total = Reading::Is(idle);
        row.worker_other_samples_total = Reading::Is(other);
    }
}

fn tally(count: &mut u64, letter: char) -> char {
    *count += 1;
    letter
}

/// State and place of a worker. A pid that another process has by now is a worker that ended. Where
/// the place alone tells the state, and the look need not be `thorough`, the rest is not read.
fn state(
    places: &mut Places,
    folder: &Path,
    start_ticks: u64,
    thorough: bool,
) -> (ProcState, String) {
    if !thorough
        && let Ok(name) = places.wchan(folder)
        && only_sleeps(&name)
    {
        return (ProcState::Sleeping, name);
    }
    let Ok(stat) = proc::stat(folder) else { return (ProcState::Dead, String::new()) };
    if stat.start_ticks != start_ticks {
        return (ProcState::Dead, String::new());
    }
    let name = match stat.state {
        ProcState::Running | ProcState::Zombie => String::new(),
        _ => places.wchan(folder).unwrap_or_default(),
    };
    (stat.state, name)
}
