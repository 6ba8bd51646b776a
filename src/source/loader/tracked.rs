//! One loader over time: looks at it, by whichever source, and what they add up to.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::model::inventory::{LoaderInfo, Refused};
use crate::model::sample::{Bound, LoaderSample, ReadySource, WaitSource, WorkerSample};
use crate::model::{Gap, LoaderId, Pid, Reading};
use crate::source::root::Roots;

use super::counts::Counts;
use super::cross::Cross;
use super::discover::Group;
use super::pipes::{self, Extent, Parts, Tools};
use super::place::MainAt;
use super::progress::{Place, Progress, Steps};
use super::queue::Queue;
use super::rung::{Depth, Known};
use super::seen::Seen;
use super::semaphores::Semaphores;
use super::workers::Workers;

/// Looks without a message that proves it before the shape of the pipes alone is believed.
const SHAPE_LOOKS: u32 = 40;

/// A loader that is looked at.
#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) id: LoaderId,
    pub(super) trainer: Pid,
    /// Its pipes, where they were found.
    pub(super) pipes: Option<Group>,
    /// Its semaphores, where they are read.
    pub(super) semaphores: Option<Semaphores>,
    /// What the trainer's rung knows of it, while that reads it.
    pub(super) known: Option<Known>,
    pub(super) workers: Workers,
    pub(super) queue: Queue,
    /// Why its semaphores are not read.
    pub(super) refused: Option<Refused>,
    pub(super) cross: Cross,
    /// A message of torch's shape was seen, or its workers have torch's name, or it was read.
    pub(super) verified: bool,
    pub(super) looks: u32,
    pub(super) moved_at: Option<Instant>,
    pub(super) gone: Option<Instant>,
    pub(super) last: Option<Seen>,
    pub(super) last_look: Option<Instant>,
    /// The last look at the loop; not each of them is one at the queue.
    seen_at: Option<Instant>,
    /// The queue of the iterator that is there was read.
    read: bool,
    pub(super) pin_thread: Option<u32>,
    pub(super) counts: Counts,
    pub(super) range: Option<(u64, u64)>,
    stash: Reading<u64>,
    depth: Option<Depth>,
    progress: Progress,
    steps: Steps,
    starts: u64,
    started: bool,
    wait_source: WaitSource,
    info: Option<Arc<LoaderInfo>>,
    info_at: Option<Instant>,
}

/// What one look at the loop says of a loader.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    pub(super) waiting: bool,
    pub(super) delivery: bool,
    /// The process is stopped: its own clock goes on, and it waits for nothing.
    pub(super) stopped: bool,
    pub(super) sources: (ReadySource, WaitSource),
    pub(super) weight: u64,
    /// What a look at a worker counts, where they are looked at.
    pub(super) workers: Option<u64>,
}

impl Tracked {
    pub(super) fn new(id: LoaderId, trainer: Pid) -> Self {
        Self {
            id,
            trainer,
            pipes: None,
            semaphores: None,
            known: None,
            workers: Workers::default(),
            queue: Queue::new(0, None),
            refused: None,
            cross: Cross::default(),
            verified: false,
            looks: 0,
            moved_at: None,
            gone: None,
            last: None,
            last_look: None,
            seen_at: None,
            read: false,
            pin_thread: None,
            counts: Counts::default(),
            range: None,
            stash: Reading::default(),
            depth: None,
            progress: Progress::default(),
            steps: Steps::default(),
            starts: 0,
            started: false,
            wait_source: WaitSource::Wchan,
            info: None,
            info_at: None,
        }
    }

    /// Another set of pipes for the same loader: its first, its next iterator's, or with workers that
    /// started late.
    pub(super) fn adopt(&mut self, roots: &Roots, group: Group) {
        let list: Vec<(Pid, u64)> =
            group.workers.iter().map(|worker| (worker.pid, worker.start_ticks)).collect();
        let same = self.pipes.as_ref().is_some_and(|old| old.result.inode == group.result.inode);
        if same {
            self.queue.resize(list.len());
        } else if self.queue.workers() == list.len() as u64 {
            self.queue.restart();
        } else {
            self.queue = Queue::new(list.len(), None);
        }
        self.verified |= group.workers.iter().any(|worker| worker.named);
        self.employ(roots, &list);
        self.pipes = Some(group);
        self.semaphores = None;
        self.gone = None;
    }

    /// Another iterator for the same loader, as a rung knows it.
    pub(super) fn take_over(&mut self, roots: &Roots, known: Known) {
        let list: Vec<(Pid, u64)> = known
            .workers
            .iter()
            .filter_map(|&pid| {
                let stat = super::proc::stat(&super::proc::folder(&roots.proc, pid)).ok()?;
                Some((pid, stat.start_ticks))
            })
            .collect();
        if self.known.is_none() {
            self.steps.switch();
            self.progress = Progress::default();
        }
        self.employ(roots, &list);
        self.verified = true;
        self.gone = None;
        self.read &= self.known.as_ref().is_some_and(|old| old.key == known.key);
        self.cross = Cross::default();
        self.known = Some(known);
        self.info_at = None;
    }

    /// The rung is at its end: the pipes tell from now on, where they can.
    pub(super) fn let_go(&mut self) {
        if let Some(known) = self.known.take() {
            self.queue = Queue::new(self.workers.count(), known.pinned);
            self.steps.switch();
            self.depth = None;
            self.cross = Cross::default();
            self.info_at = None;
        }
    }

    /// Workers that were there at the first sight are not counted as started since.
    pub(super) fn employ(&mut self, roots: &Roots, list: &[(Pid, u64)]) {
        let first = self.workers.count() == 0 && self.last_look.is_none();
        let fresh = self.workers.adopt(roots, list);
        self.starts += if first { 0 } else { fresh };
        self.info_at = None;
    }

    /// Whether it may be shown: it is torch's, or has been of its shape for a while.
    pub(super) fn shown(&self) -> bool {
        self.verified || self.workers.count() >= 2 && self.looks >= SHAPE_LOOKS
    }

    /// Its workers as rows.
    pub(super) fn workers_sample(&self) -> Vec<WorkerSample> {
        self.workers.rows(self.id, self.trainer)
    }

    /// Whether a look tells anything without one at the workers.
    pub(super) fn blind(&self) -> bool {
        self.known.is_none() && self.semaphores.is_none() && self.queue.pinning.get() == Some(true)
    }

    /// A look through pipes and semaphores. An error means that they are not there.
    pub(super) fn look(
        &mut self,
        tools: &mut Tools<'_>,
        main: Option<MainAt>,
        (current, only): (bool, bool),
        wait: Wait,
    ) -> io::Result<()> {
        self.looks = self.looks.saturating_add(1);
        (self.last_look, self.seen_at) = (Some(tools.now), Some(tools.now));
        let sealed = self.pipes.is_none();
        let Some(main) = main.or_else(|| sealed.then_some(MainAt::Other)) else {
            self.counts.failed += wait.weight;
            return Ok(());
        };
        // Where the loop is tells nothing of a loader that it is not at.
        let main = if current { main } else { MainAt::Other };
        let parts = Parts {
            queue: &mut self.queue,
            workers: &mut self.workers,
            counts: &mut self.counts,
            pipes: self.pipes.as_ref(),
            semaphores: self.semaphores.as_mut(),
            pin_thread: self.pin_thread,
            verified: &mut self.verified,
        };
        let (finding, idle) =
            pipes::look(parts, tools, Extent { workers: wait.workers, main, only })?;
        let position = &self.queue.position;
        if position.taken() != self.steps.last {
            self.moved_at = Some(tools.now);
        }
        self.steps.see(position.taken(), Some(position.restarts()));
        let Some(mut finding) = finding else { return Ok(()) };
        self.stash = self.queue.stash;
        let plain = self.queue.pinning.get() == Some(false);
        self.wait_source = match self.semaphores {
            Some(_) if plain => WaitSource::Semaphore,
            _ => WaitSource::Wchan,
        };
        let elsewhere = !current && self.queue.pinning.get() != Some(true);
        finding.bound = match finding.bound {
            _ if !self.verified => Bound::Doubtful,
            // What the loop put aside before it left is in no queue.
            Bound::Exact if elsewhere => Bound::Lower,
            bound => bound,
        };
        // Two loaders may both be empty: the loop waits for the one that it iterates.
        finding.waiting &= current;
        let ready = Reading::Is(finding.ready);
        self.saw(ready, finding.source, finding.bound, Wait { waiting: finding.waiting, ..wait });
        if finding.active {
            let delivery = finding.delivery || finding.ready > 0;
            self.counts.look(Some(finding.ready), finding.waiting, delivery, wait.weight);
            self.note_idle(idle, finding.waiting, wait);
        }
        Ok(())
    }

    /// A look by the trainer's rung. `depth` is `None` where only the loop was looked at.
    pub(super) fn by_rung(
        &mut self,
        tools: &mut Tools<'_>,
        depth: Option<Result<Depth, Gap>>,
        since: Duration,
        wait: Wait,
    ) {
        self.looks = self.looks.saturating_add(1);
        // One that was not read now counts on as it stood.
        let read = depth.is_some();
        let depth = match depth {
            None => self.depth,
            Some(Ok(depth)) => Some(depth),
            Some(Err(Gap::Lost)) => {
                self.gone = Some(tools.now);
                return;
            }
            Some(Err(_)) => None,
        };
        let Some(depth) = depth else {
            self.counts.failed += wait.weight;
            return;
        };
        self.seen_at = Some(tools.now);
        if read {
            self.last_look = Some(tools.now);
            self.read = true;
            self.advance(&depth, since, tools.now);
        }
        let ready = Reading::from(depth.ready);
        self.stash = Reading::from(depth.stash);
        self.wait_source = wait.sources.1;
        let told = self.told_wait(&depth).map(|time| time * u32::from(!wait.stopped));
        self.depth = Some(depth);
        // Workers that still import their libraries are no starvation: a first batch must have come.
        self.started |= depth.taken.is_none_or(|taken| taken > 0) || ready.ok() > Some(0);
        let bound = if self.cross.doubt().is_some() { Bound::Doubtful } else { depth.bound };
        if read {
            self.saw(ready, wait.sources.0, bound, wait);
        } else {
            self.saw_loop(wait.waiting, wait.weight);
        }
        if let Some(weight) = wait.workers {
            self.workers.begin(tools.now);
            let all = self.workers.count() as u64;
            let idle = depth.busy.map(|busy| all.saturating_sub(busy));
            let idle = self.workers.look(tools.places, idle, &mut self.counts, weight);
            self.note_idle(Some(idle).filter(|_| self.started), wait.waiting, wait);
        }
        if self.started {
            let waiting = wait.waiting && told.is_none();
            self.counts.look(ready.ok(), waiting, wait.delivery, wait.weight);
            self.counts.waited(told.unwrap_or_default());
        }
    }

    /// A look at the loop while the loader that it used is gone: the time counts all the same. Inside of
    /// an iterator that cannot be read yet, it waits for that one's first batch.
    pub(super) fn between_epochs(&mut self, waiting: bool, weight: u64, now: Instant) {
        if self.gone.is_some() && self.started {
            self.counts.look(None, waiting, false, weight);
            self.seen_at = Some(now);
            self.saw_loop(waiting, weight);
        }
    }

    /// The time that the source says the loop waited since the look before, where it says so.
    fn told_wait(&self, depth: &Depth) -> Option<Duration> {
        let now = depth.waited?;
        let before = self.depth.and_then(|before| before.waited);
        Some(before.map_or(Duration::ZERO, |before| now.saturating_sub(before)))
    }

    fn advance(&mut self, depth: &Depth, since: Duration, now: Instant) {
        let (Some(known), Some(taken)) = (&self.known, depth.taken) else { return };
        let capacity =
            known.num_workers.zip(known.prefetch_factor).map(|(workers, each)| workers * each);
        let place = Place {
            key: known.key,
            taken,
            outstanding: depth.outstanding,
            capacity,
            length: known.epoch_batches,
            at: since,
        };
        if self.progress.see(place) {
            self.moved_at = Some(now);
        }
        self.steps.see(self.progress.steps(), self.progress.epochs());
    }

    fn note_idle(&mut self, idle: Option<u64>, waiting: bool, wait: Wait) {
        if let (Some(idle), Some(weight), true) = (idle, wait.workers, waiting) {
            self.counts.workers_while_waiting(idle, self.workers.count() as u64, weight);
        }
    }

    /// Keeps what a look saw.
    fn saw(&mut self, ready: Reading<u64>, source: ReadySource, bound: Bound, wait: Wait) {
        let Wait { waiting, weight, .. } = wait;
        let at = SystemTime::now();
        let (loader, pid) = (self.id, self.trainer);
        self.last = Some(Seen { loader, pid, at, ready, source, bound, waiting, weight });
        if let Reading::Is(ready) = ready {
            let (low, high) = self.range.unwrap_or((ready, ready));
            self.range = Some((low.min(ready), high.max(ready)));
        }
    }

    /// Keeps what a look at the loop alone saw.
    fn saw_loop(&mut self, waiting: bool, weight: u64) {
        if let Some(last) = &mut self.last {
            (last.at, last.waiting, last.weight) = (SystemTime::now(), waiting, weight);
        }
    }

    /// What a look at this moment saw of it, if there was one and it may be shown.
    pub(super) fn seen(&self, now: Instant) -> Option<Seen> {
        let last = self.last.as_ref().filter(|_| self.seen_at == Some(now) && self.shown())?;
        let read = self.last_look == Some(now);
        let ready = if read { last.ready } else { Reading::Not(Gap::NotYet) };
        Some(Seen { ready, ..last.clone() })
    }

    /// Whether its queue is to be read by the rung for the first time.
    pub(super) fn unread(&self) -> bool {
        !self.read
    }

    /// Who it is. The same as before while nothing changed.
    pub(super) fn info(&mut self, refused: &[Refused], now: Instant) -> Arc<LoaderInfo> {
        let young = self.info_at.is_some_and(|at| now.saturating_duration_since(at).as_secs() < 1);
        if let Some(info) = self.info.as_ref().filter(|_| young) {
            return Arc::clone(info);
        }
        self.info_at = Some(now);
        let mut refused = refused.to_vec();
        if self.known.is_none() && self.semaphores.is_none() {
            refused.extend(self.refused.clone());
        }
        let info = LoaderInfo {
            loader: self.id,
            pid: self.trainer,
            kind: match &self.known {
                Some(known) => known.kind.clone(),
                None if self.verified => "pytorch".into(),
                None => "multiprocessing".into(),
            },
            workers: self.workers.pids().collect(),
            storage: self.workers.storage(),
            dataset: self.known.as_ref().map(|known| known.dataset.clone()).unwrap_or_default(),
            why_not_better: super::ladder::words(&refused),
            refused,
            doubt: self.cross.doubt().unwrap_or_default().into(),
        };
        let same = self.info.as_ref().filter(|old| ***old == info);
        let info = same.map_or_else(|| Arc::new(info), Arc::clone);
        self.info = Some(Arc::clone(&info));
        info
    }

    /// The loader as a row.
    pub(super) fn sample(&self, main_state: &Reading<Box<str>>, now: Instant) -> LoaderSample {
        let mut row = LoaderSample { pid: self.trainer, loader: self.id, ..Default::default() };
        self.counts.fill(&mut row);
        self.fill_progress(&mut row);
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
        self.fill_shape(&mut row);
        let seen = Reading::from_option(self.last.as_ref(), Gap::NotYet);
        row.ready = seen.and_then(|seen| seen.ready);
        let there = |seen: &&Seen| seen.ready.map(|_| ());
        row.ready_source = seen.and_then(|seen| there(&seen).map(|()| seen.source));
        row.ready_bound = seen.and_then(|seen| there(&seen).map(|()| seen.bound));
        let none = row.ready.gap().unwrap_or(Gap::NotYet);
        let range = Reading::from_option(self.range, none);
        row.ready_min = range.map(|(low, _)| low);
        row.ready_max = range.map(|(_, high)| high);
        row.stash = self.stash;
        row.wait_source = Reading::Is(self.wait_source);
        row.wait_bound = Reading::Is(match self.wait_source {
            WaitSource::Stack | WaitSource::Probe => Bound::Exact,
            WaitSource::Wchan if self.queue.sleeps_apart() => Bound::Doubtful,
            WaitSource::Semaphore | WaitSource::Wchan => Bound::Lower,
        });
        row.worker_states = Reading::Is(self.workers.letters.as_str().into());
        row.main_state = main_state.clone();
        row
    }

    /// Workers, capacity and the like.
    fn fill_shape(&self, row: &mut LoaderSample) {
        row.workers = Reading::Is(self.workers.count() as u64);
        let Some(known) = &self.known else {
            let capacity = &self.queue.capacity;
            let exact = capacity.exact().is_some();
            row.capacity = Reading::Is(capacity.get());
            row.capacity_bound = Reading::Is(if exact { Bound::Exact } else { Bound::Lower });
            row.prefetch_factor =
                Reading::from_option(exact.then(|| capacity.prefetch_factor()), Gap::NotYet);
            row.pinned = Reading::from_option(self.queue.pinning.get(), Gap::NotYet);
            for gap in [&mut row.batch_size, &mut row.epoch_batches] {
                *gap = Reading::Not(Gap::Unsupported);
            }
            row.persistent = Reading::Not(Gap::Unsupported);
            return;
        };
        let without = known.num_workers == Some(0);
        let none = if without { Gap::NotApplicable } else { Gap::Unsupported };
        row.workers = Reading::from_option(known.num_workers, none);
        row.prefetch_factor = Reading::from_option(known.prefetch_factor, none);
        let both = known.num_workers.filter(|_| !without).zip(known.prefetch_factor);
        row.capacity = Reading::from_option(both.map(|(workers, each)| workers * each), none);
        row.capacity_bound = row.capacity.map(|_| Bound::Exact);
        row.pinned = Reading::from_option(known.pinned, Gap::Unsupported);
        row.persistent = Reading::from_option(known.persistent, none);
        row.batch_size = Reading::from_option(known.batch_size, Gap::NotApplicable);
        row.epoch_batches = Reading::from_option(known.epoch_batches, Gap::NotApplicable);
    }

    fn fill_progress(&self, row: &mut LoaderSample) {
        let by_pipes = self.known.is_none();
        row.steps_total = if by_pipes && self.queue.position.blind() {
            Reading::Not(Gap::Late)
        } else if by_pipes && self.pipes.is_none() {
            Reading::Not(Gap::Unsupported)
        } else {
            Reading::from_option(self.steps.sum, Gap::NotYet)
        };
        let position = if by_pipes { self.queue.position.at() } else { self.progress.position() };
        row.position = Reading::from_option(position, Gap::NotYet);
        row.epochs_total = row.steps_total.map(|_| self.steps.epochs);
        let last = self.progress.last_epoch().map(|time| time.as_secs_f64());
        row.last_epoch_seconds = Reading::from_option(last, Gap::NotYet);
        row.worker_starts_total = Reading::Is(self.starts);
    }
}
