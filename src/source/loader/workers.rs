//! The workers of a loader: what each of them does.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::model::inventory::Storage;
use crate::model::sample::{ProcState, WorkerSample};
use crate::model::{LoaderId, Pid};
use crate::source::root::Roots;

use super::counts::Counts;
use super::panel::Panel;
use super::place::{WorkerAt, only_sleeps, worker_at};
use super::places::{Places, Wchan};
use super::proc;
use super::storage::Files;

/// How often a worker's run-queue share is read, and its state whatever else is known of it.
const SHARE_EVERY: Duration = Duration::from_secs(1);
/// How often a worker's open files are listed.
const FILES_EVERY: Duration = Duration::from_millis(250);
/// The same once that many looks have shown where the files are, or that they are not to be seen.
const FILES_LATER: Duration = Duration::from_secs(5);
const FILES_LOOKS: usize = 40;

/// One worker.
#[derive(Debug)]
struct Worker {
    pid: Pid,
    start_ticks: u64,
    folder: PathBuf,
    /// Time on a CPU and time ready without one, when last read.
    schedule: Option<(u64, u64)>,
    /// Share of its runnable time without a CPU.
    queued: f64,
    /// Whether a look saw it run since that was read.
    ran: bool,
    ended: bool,
}

/// Where a worker is, before it is known whether tasks wait for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw {
    state: ProcState,
    wchan: Wchan,
}

/// All of a loader's workers.
#[derive(Debug, Default)]
pub(super) struct Workers {
    all: Vec<Worker>,
    /// One letter each.
    pub(super) letters: String,
    share_at: Option<Instant>,
    thorough: bool,
    files: Files,
    files_at: Option<Instant>,
    turn: usize,
    remote: bool,
    panel: Panel,
}

impl Workers {
    /// Takes over this list, and says how many of them are new.
    pub(super) fn adopt(&mut self, roots: &Roots, list: &[(Pid, u64)]) -> u64 {
        let mut old = std::mem::take(&mut self.all);
        let mut fresh = 0;
        self.all = list
            .iter()
            .map(|&(pid, start_ticks)| {
                let same = |one: &Worker| (one.pid, one.start_ticks) == (pid, start_ticks);
                if let Some(place) = old.iter().position(same) {
                    return old.swap_remove(place);
                }
                fresh += 1;
                let folder = proc::folder(&roots.proc, pid);
                Worker {
                    pid,
                    start_ticks,
                    folder,
                    schedule: None,
                    queued: 0.0,
                    ran: true,
                    ended: false,
                }
            })
            .collect();
        if fresh > 0 {
            self.letters.clear();
        }
        self.panel.resize(self.all.len(), fresh > 0);
        fresh
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    pub(super) fn pids(&self) -> impl Iterator<Item = Pid> + '_ {
        self.all.iter().map(|worker| worker.pid)
    }

    /// Begins a look at all of them.
    pub(super) fn begin(&mut self, now: Instant) {
        self.letters.clear();
        self.panel.begin();
        self.thorough = self.share_at.is_none_or(|at| now - at >= SHARE_EVERY);
        self.remote = self.files.remote();
    }

    /// Where one of them is. One that is known to wait for work is read only now and then, for it
    /// may have ended.
    pub(super) fn place(&self, index: usize, places: &mut Places, waits: bool) -> Raw {
        let asleep = Raw { state: ProcState::Sleeping, wchan: Wchan::NONE };
        let dead = Raw { state: ProcState::Dead, wchan: Wchan::NONE };
        let Some(worker) = self.all.get(index) else { return dead };
        if waits && !self.thorough && !worker.ended {
            return asleep;
        }
        // Where the place alone tells the state, the rest is not read: `stat` costs the kernel ten
        // times as much, for it sums over all threads.
        if !self.thorough
            && !waits
            && !worker.ended
            && let Ok(wchan) = places.wchan(worker.pid.0, &worker.folder)
            && only_sleeps(wchan.as_str())
        {
            return Raw { wchan, ..asleep };
        }
        // A number that another process has by now is that of a worker which ended.
        let stat = places.stat(worker.pid.0, &worker.folder);
        let Some(stat) = stat.ok().filter(|stat| stat.start_ticks == worker.start_ticks) else {
            return dead;
        };
        let still = matches!(stat.state, ProcState::Running | ProcState::Zombie);
        let wchan = if still {
            Wchan::NONE
        } else {
            places.wchan(worker.pid.0, &worker.folder).unwrap_or(Wchan::NONE)
        };
        Raw { state: stat.state, wchan }
    }

    /// What one of them does, counted. `tasks` is whether any wait for it; `waits` whether it is known
    /// to wait for work itself, where something better than its place tells.
    pub(super) fn note(
        &mut self,
        index: usize,
        raw: Raw,
        tasks: bool,
        waits: Option<bool>,
        counts: &mut Counts,
        weight: u64,
    ) -> WorkerAt {
        let mut at = worker_at(raw.state, raw.wchan.as_str(), tasks, self.remote);
        match (waits, at) {
            (_, WorkerAt::Dead) | (None, _) => {}
            // Stopped, it waits for nothing that a batch could bring.
            (Some(true), _) if raw.state == ProcState::Sleeping => at = WorkerAt::Idle,
            (Some(false), WorkerAt::Idle) => at = WorkerAt::Net,
            (Some(_), _) => {}
        }
        let Some(worker) = self.all.get_mut(index) else { return WorkerAt::Dead };
        worker.ended = at == WorkerAt::Dead;
        worker.ran |= at == WorkerAt::Run;
        let queued = if at == WorkerAt::Run { worker.queued } else { 0.0 };
        counts.worker(at, queued, weight);
        let letter = match at {
            WorkerAt::Run if queued > 0.5 => 'Q',
            WorkerAt::Run => 'R',
            WorkerAt::Disk => 'D',
            WorkerAt::Net => 'N',
            WorkerAt::Idle => '.',
            WorkerAt::Other => 'S',
            WorkerAt::Dead => 'Z',
        };
        self.letters.push(letter);
        self.panel.see(index, letter, queued, weight);
        at
    }

    /// A look at all of them, where only the number of those that wait for work is known. Of more
    /// that look as if they did, the last ones wait for a network.
    pub(super) fn look(
        &mut self,
        places: &mut Places,
        idle: Option<u64>,
        counts: &mut Counts,
        weight: u64,
    ) -> u64 {
        let all_wait = idle == Some(self.all.len() as u64);
        let mut left = idle.unwrap_or(u64::MAX);
        let mut found = 0;
        for index in 0..self.all.len() {
            let raw = self.place(index, places, all_wait);
            let waits =
                if all_wait { Some(true) } else { idle.filter(|_| left == 0).map(|_| false) };
            if self.note(index, raw, false, waits, counts, weight) == WorkerAt::Idle {
                left = left.saturating_sub(1);
                found += 1;
            }
        }
        found
    }

    /// What is read seldom: run-queue shares of all of them, and the open files of one.
    pub(super) fn slow_facts(&mut self, roots: &Roots, places: &mut Places, now: Instant) {
        let due = |last: Option<Instant>, every| last.is_none_or(|at| now - at >= every);
        if due(self.share_at, SHARE_EVERY) {
            self.share_at = Some(now);
            for worker in &mut self.all {
                // One that did not run waited for no CPU.
                if !std::mem::take(&mut worker.ran) {
                    continue;
                }
                // As the letters are: of the thread that prepares batches.
                let now = places.schedule(worker.pid.0, &worker.folder);
                if let (Some((run, delay)), Some((run0, delay0))) = (now, worker.schedule) {
                    let run = run.saturating_sub(run0) as f64;
                    let delay = delay.saturating_sub(delay0) as f64;
                    worker.queued = if run + delay > 0.0 { delay / (run + delay) } else { 0.0 };
                }
                worker.schedule = now;
            }
        }
        let every = if self.turn < FILES_LOOKS { FILES_EVERY } else { FILES_LATER };
        if due(self.files_at, every) && !self.all.is_empty() {
            self.files_at = Some(now);
            self.turn += 1;
            if let Some(worker) = self.all.get(self.turn % self.all.len()) {
                self.files.look(roots, &worker.folder);
            }
        }
    }

    /// The indices of the tasks that wait for one of them, after the look at it.
    pub(super) fn tasks(&mut self, index: usize, indices: &[u64]) {
        self.panel.tasks(index, indices);
    }

    /// Each of them as a row.
    pub(super) fn rows(&self, loader: LoaderId, trainer: Pid) -> Vec<WorkerSample> {
        self.panel.rows(loader, trainer, self.pids())
    }

    /// The filesystems that their files are on, the most used first.
    pub(super) fn storage(&self) -> Vec<Storage> {
        self.files.list()
    }
}
