//! What is known of each worker of a loader: what it does, and which tasks it has. Pure.
//!
//! Torch gives tasks out in turn: of N workers, the tasks of one are N apart. So what waits in a
//! worker's queue tells what it works on: the one before.

use crate::model::sample::WorkerSample;
use crate::model::{Gap, LoaderId, Pid, Reading};

/// Looks after which what was seen in a queue is not shown any more: about a second.
const STALE: u32 = 12;

/// The workers of one loader, in the order in which they started.
#[derive(Clone, Debug, Default)]
pub(super) struct Panel {
    workers: Vec<Worker>,
}

/// One worker, over the processes that had its number.
#[derive(Clone, Debug, Default)]
struct Worker {
    letter: Option<char>,
    /// Looks at it since its queue was looked at; `None` where that was never or is long ago.
    since: Option<u32>,
    running: u64,
    queued: f64,
    disk: u64,
    net: u64,
    idle: u64,
    other: u64,
    turn: Turn,
}

/// The tasks that a worker was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Turn {
    waiting: u64,
    first: Option<u64>,
    current: Option<u64>,
    /// Indices came that are not in turn: what it works on cannot be told.
    strange: bool,
}

impl Panel {
    /// So many workers, `anew` with other processes among them.
    pub(super) fn resize(&mut self, workers: usize, anew: bool) {
        self.workers.resize(workers, Worker::default());
        if anew {
            // Their counts go on: the loader is the same.
            self.workers.iter_mut().for_each(|worker| worker.turn = Turn::default());
        }
    }

    /// Begins a look at all of them.
    pub(super) fn begin(&mut self) {
        for worker in &mut self.workers {
            worker.since = worker.since.map(|looks| looks + 1).filter(|looks| *looks <= STALE);
            if worker.since.is_none() {
                worker.turn = Turn::default();
            }
        }
    }

    /// A look at worker `at` that counts `weight`: its letter, and the share of its running in which
    /// it waited for a CPU.
    pub(super) fn see(&mut self, at: usize, letter: char, queued: f64, weight: u64) {
        let Some(worker) = self.workers.get_mut(at) else { return };
        worker.letter = Some(letter);
        match letter {
            'R' | 'Q' => {
                worker.running += weight;
                worker.queued += queued * weight as f64;
            }
            'D' => worker.disk += weight,
            'N' => worker.net += weight,
            '.' => worker.idle += weight,
            'S' => worker.other += weight,
            _ => {}
        }
    }

    /// The indices of the tasks that wait for worker `at`, seen after what it does.
    pub(super) fn tasks(&mut self, at: usize, tasks: &[u64]) {
        let stride = self.workers.len() as u64;
        let Some(worker) = self.workers.get_mut(at) else { return };
        let works = !matches!(worker.letter, Some('.' | 'Z'));
        worker.turn.see(tasks, stride, works, worker.since == Some(1));
        worker.since = Some(0);
    }

    /// The workers as rows, `pids` in the order of their numbers.
    pub(super) fn rows(
        &self,
        loader: LoaderId,
        trainer: Pid,
        pids: impl Iterator<Item = Pid>,
    ) -> Vec<WorkerSample> {
        let rows = pids.zip(&self.workers).zip(0..);
        rows.map(|((pid, worker), at)| worker.row(pid, trainer, loader, at)).collect()
    }
}

impl Worker {
    fn row(&self, pid: Pid, trainer: Pid, loader: LoaderId, at: u64) -> WorkerSample {
        let seen = Reading::from_option(self.letter, Gap::NotYet);
        // Shares of looks add up to whole looks; what is not whole yet still counts as running.
        let queued = self.queued as u64;
        let queue = Reading::from_option(self.since.map(|_| self.turn), Gap::NotYet);
        WorkerSample {
            pid,
            trainer,
            loader,
            worker: Reading::Is(at),
            state: seen.map(|letter| letter.to_string().into()),
            queued_tasks: queue.map(|turn| turn.waiting),
            first_task: queue.and_then(|turn| turn.told(turn.first)),
            current_task: queue.and_then(|turn| turn.told(turn.current)),
            run_samples_total: Reading::Is(self.running.saturating_sub(queued)),
            runq_samples_total: Reading::Is(queued),
            disk_samples_total: Reading::Is(self.disk),
            net_samples_total: Reading::Is(self.net),
            idle_samples_total: Reading::Is(self.idle),
            other_samples_total: Reading::Is(self.other),
        }
    }
}

impl Turn {
    /// A look at its queue. `works`: it is not without work. `next`: there was a look at the queue at
    /// the look before this one.
    fn see(&mut self, tasks: &[u64], stride: u64, works: bool, next: bool) {
        let apart = |pair: &[u64]| match pair {
            [a, b] => b.checked_sub(*a).is_some_and(|gap| gap > 0 && gap.is_multiple_of(stride)),
            _ => false,
        };
        self.strange |= stride == 0 || !tasks.windows(2).all(apart);
        self.waiting = tasks.len() as u64;
        let before = self.first;
        self.first = tasks.first().copied();
        self.current = match (self.first, before) {
            _ if !works => None,
            (Some(first), _) => first.checked_sub(stride),
            // Since a look long ago others may have come and gone.
            _ if !next => None,
            // It took what waited at the look before.
            (None, Some(before)) => Some(before),
            // It was at this one at the look before, and was at work at every look since.
            (None, None) => self.current,
        };
    }

    fn told(&self, value: Option<u64>) -> Reading<u64> {
        let gap = if self.strange { Gap::Unsupported } else { Gap::NotApplicable };
        Reading::from_option(value.filter(|_| !self.strange), gap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Panel {
        let mut panel = Panel::default();
        panel.resize(2, true);
        panel
    }

    fn look(panel: &mut Panel, at: usize, letter: char, tasks: &[u64]) {
        panel.begin();
        panel.see(at, letter, 0.0, 2);
        panel.tasks(at, tasks);
    }

    fn rows(panel: &Panel) -> Vec<WorkerSample> {
        panel.rows(LoaderId(1), Pid(7), [Pid(8), Pid(9)].into_iter())
    }

    fn current(panel: &Panel) -> Reading<u64> {
        rows(panel)[1].current_task
    }

    #[test]
    fn a_worker_works_on_the_task_before_the_one_that_waits() {
        let mut panel = two();
        look(&mut panel, 1, 'D', &[13]);
        let row = rows(&panel).pop().unwrap();
        assert_eq!((row.first_task, row.current_task), (Reading::Is(13), Reading::Is(11)));
        assert_eq!((row.worker, row.pid), (Reading::Is(1), Pid(9)));
        look(&mut panel, 1, 'R', &[]);
        assert_eq!(current(&panel), Reading::Is(13), "it took what waited");
        look(&mut panel, 1, 'D', &[]);
        assert_eq!(current(&panel), Reading::Is(13), "and is still at it");
    }

    #[test]
    fn what_an_idle_worker_did_before_says_nothing_of_what_it_does_next() {
        let mut panel = two();
        look(&mut panel, 1, 'R', &[13]);
        look(&mut panel, 1, '.', &[]);
        assert_eq!(current(&panel), Reading::Not(Gap::NotApplicable), "it has nothing to do");
        look(&mut panel, 1, 'R', &[]);
        assert_eq!(current(&panel), Reading::Not(Gap::NotApplicable), "its task came unseen");
    }

    #[test]
    fn of_a_queue_that_is_looked_at_seldom_only_what_waits_is_believed() {
        let mut panel = two();
        look(&mut panel, 1, 'R', &[13]);
        for _ in 0..5 {
            panel.begin();
            panel.see(1, 'R', 0.0, 2);
        }
        look(&mut panel, 1, 'R', &[]);
        assert_eq!(current(&panel), Reading::Not(Gap::NotApplicable));
        look(&mut panel, 1, 'R', &[25]);
        assert_eq!(current(&panel), Reading::Is(23));
    }

    #[test]
    fn tasks_that_are_not_given_out_in_turn_tell_nothing() {
        let mut panel = two();
        look(&mut panel, 1, 'R', &[10, 11]);
        assert_eq!(current(&panel), Reading::Not(Gap::Unsupported));
        assert_eq!(rows(&panel)[1].queued_tasks, Reading::Is(2), "how many wait is known");
    }

    #[test]
    fn of_a_queue_that_is_not_looked_at_any_more_nothing_stands() {
        let mut panel = two();
        look(&mut panel, 1, 'D', &[13]);
        for _ in 0..STALE {
            panel.begin();
            panel.see(1, 'D', 0.0, 2);
        }
        assert_eq!(rows(&panel)[1].queued_tasks, Reading::Is(1));
        panel.begin();
        let row = &rows(&panel)[1];
        assert_eq!(row.queued_tasks, Reading::Not(Gap::NotYet));
        assert_eq!(row.current_task, Reading::Not(Gap::NotYet));
    }

    #[test]
    fn counts_go_on_over_workers_that_are_started_anew() {
        let mut panel = two();
        look(&mut panel, 1, 'D', &[13]);
        panel.resize(2, true);
        look(&mut panel, 1, 'D', &[]);
        let row = &rows(&panel)[1];
        assert_eq!(row.disk_samples_total, Reading::Is(4));
        assert_eq!(row.current_task, Reading::Not(Gap::NotApplicable));
    }

    #[test]
    fn looks_add_up_and_the_share_without_a_cpu_is_taken_from_running() {
        let mut panel = two();
        for letter in ['R', 'Q', 'R', 'R', 'D', 'N', '.', 'S', 'Z'] {
            panel.see(0, letter, 0.5, 1);
        }
        let row = &rows(&panel)[0];
        let counts = [
            row.run_samples_total,
            row.runq_samples_total,
            row.disk_samples_total,
            row.net_samples_total,
            row.idle_samples_total,
            row.other_samples_total,
        ];
        assert_eq!(counts, [2, 2, 1, 1, 1, 1].map(Reading::Is));
        assert_eq!(row.state, Reading::Is("Z".into()));
    }
}
