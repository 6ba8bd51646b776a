//! What looks at a loader add up to.

use std::time::Duration;

use crate::model::sample::{Activity, LoaderSample};
use crate::model::{Gap, Reading};

use super::beat::UNIT;
use super::place::WorkerAt;
use super::rung::Loop;

/// Counts of looks, each weighted by the time that it stands for.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) samples: u64,
    pub(super) failed: u64,
    ready_sum: u64,
    empty: u64,
    wait: u64,
    delivery: u64,
    /// Waits with the main thread on a CPU, at a disk, at a network.
    wait_at: [u64; 3],
    wait_idle: u64,
    wait_worker: u64,
    running: u64,
    queued: f64,
    disk: u64,
    net: u64,
    idle: u64,
    other: u64,
    main: Option<Main>,
    /// What is left of a wait that was told in time, below one unit.
    rest: Duration,
}

/// Looks at the main thread's stack.
#[derive(Clone, Copy, Debug, Default)]
struct Main {
    all: u64,
    by: [u64; Activity::ALL.len()],
    validating: u64,
    last: Option<Activity>,
}

impl Counts {
    /// A look at the queue and the loop. `ready` is `None` where there is no queue to be seen.
    pub(super) fn look(&mut self, ready: Option<u64>, waiting: bool, delivery: bool, weight: u64) {
        self.samples += weight;
        self.ready_sum += ready.unwrap_or(0) * weight;
        self.empty += if ready == Some(0) { weight } else { 0 };
        self.wait += if waiting { weight } else { 0 };
        self.delivery += if waiting && delivery { weight } else { 0 };
    }

    /// A look at the main thread while the loop waited.
    pub(super) fn main_while_waiting(&mut self, at: WorkerAt, weight: u64) {
        let [run, disk, net] = &mut self.wait_at;
        match at {
            WorkerAt::Run => *run += weight,
            WorkerAt::Disk => *disk += weight,
            WorkerAt::Net => *net += weight,
            WorkerAt::Idle | WorkerAt::Other | WorkerAt::Dead => {}
        }
    }

    /// A wait that the source counted itself, in place of looks at it.
    pub(super) fn waited(&mut self, time: Duration) {
        let time = time + self.rest;
        let units = time.as_nanos() / UNIT.as_nanos();
        self.rest = time.saturating_sub(UNIT * units.min(u128::from(u32::MAX)) as u32);
        // It may run ahead of the looks by what a look stands for, and not by more.
        self.wait = (self.wait + units as u64).min(self.samples);
    }

    /// A look at a worker.
    pub(super) fn worker(&mut self, at: WorkerAt, queued: f64, weight: u64) {
        match at {
            WorkerAt::Run => {
                self.running += weight;
                self.queued += queued * weight as f64;
            }
            WorkerAt::Disk => self.disk += weight,
            WorkerAt::Net => self.net += weight,
            WorkerAt::Idle => self.idle += weight,
            WorkerAt::Other => self.other += weight,
            WorkerAt::Dead => {}
        }
    }

    /// A look at all workers while the loop waited.
    pub(super) fn workers_while_waiting(&mut self, idle: u64, all: u64, weight: u64) {
        self.wait_worker += all * weight;
        self.wait_idle += idle * weight;
    }

    /// A look at the main thread's stack.
    pub(super) fn main(&mut self, seen: &Loop, weight: u64) {
        let Some(activity) = seen.activity else { return };
        let main = self.main.get_or_insert_default();
        main.all += weight;
        main.last = Some(activity);
        main.validating += if seen.validating { weight } else { 0 };
        if let Some(count) = main.by.get_mut(activity as usize) {
            *count += weight;
        }
    }

    /// Writes them into a row.
    pub(super) fn fill(&self, row: &mut LoaderSample) {
        row.samples_total = Reading::Is(self.samples);
        row.failed_total = Reading::Is(self.failed);
        row.ready_sum = Reading::Is(self.ready_sum);
        row.empty_samples_total = Reading::Is(self.empty);
        row.wait_samples_total = Reading::Is(self.wait);
        row.delivery_samples_total = Reading::Is(self.delivery);
        let [run, disk, net] = self.wait_at;
        row.wait_run_samples_total = Reading::Is(run);
        row.wait_disk_samples_total = Reading::Is(disk);
        row.wait_net_samples_total = Reading::Is(net);
        row.wait_idle_samples_total = Reading::Is(self.wait_idle);
        row.wait_worker_samples_total = Reading::Is(self.wait_worker);
        // Shares of looks add up to whole looks; what is not whole yet still counts as running.
        let queued = self.queued as u64;
        row.worker_runq_samples_total = Reading::Is(queued);
        row.worker_run_samples_total = Reading::Is(self.running.saturating_sub(queued));
        row.worker_disk_samples_total = Reading::Is(self.disk);
        row.worker_net_samples_total = Reading::Is(self.net);
        row.worker_idle_samples_total = Reading::Is(self.idle);
        row.worker_other_samples_total = Reading::Is(self.other);
        let main = Reading::from_option(self.main.as_ref(), Gap::Unsupported);
        let of = |activity: Activity| {
            main.map(|main| main.by.get(activity as usize).copied().unwrap_or_default())
        };
        row.activity = main.and_then(|main| Reading::from_option(main.last, Gap::NotYet));
        row.main_samples_total = main.map(|main| main.all);
        row.main_workers_samples_total = of(Activity::Workers);
        row.main_forward_samples_total = of(Activity::Forward);
        row.main_backward_samples_total = of(Activity::Backward);
        row.main_optimizer_samples_total = of(Activity::Optimizer);
        row.main_collective_samples_total = of(Activity::Collective);
        row.main_compile_samples_total = of(Activity::Compile);
        row.main_checkpoint_samples_total = of(Activity::Checkpoint);
        row.main_logging_samples_total = of(Activity::Logging);
        row.main_import_samples_total = of(Activity::Import);
        row.main_validation_samples_total = main.map(|main| main.validating);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_told_in_time_adds_up_to_the_same_units_as_one_that_is_seen() {
        let mut counts = Counts::default();
        for _ in 0..100 {
            counts.look(Some(1), false, false, 2);
            counts.waited(Duration::from_micros(7300));
        }
        assert_eq!((counts.wait, counts.samples), (73, 200));
        counts.waited(Duration::from_secs(100));
        assert_eq!(counts.wait, counts.samples);
    }

    #[test]
    fn what_the_main_thread_does_is_a_gap_until_its_stack_is_read() {
        let mut counts = Counts::default();
        let mut row = LoaderSample::default();
        counts.fill(&mut row);
        assert_eq!(row.main_samples_total, Reading::Not(Gap::Unsupported));
        let seen =
            Loop { activity: Some(Activity::Checkpoint), validating: true, ..Loop::default() };
        counts.main(&seen, 2);
        counts.main(&Loop { activity: Some(Activity::Other), ..Loop::default() }, 10);
        counts.fill(&mut row);
        assert_eq!(row.main_samples_total, Reading::Is(12));
        assert_eq!(row.main_checkpoint_samples_total, Reading::Is(2));
        assert_eq!(row.main_validation_samples_total, Reading::Is(2));
        assert_eq!(row.activity, Reading::Is(Activity::Other));
    }
}
