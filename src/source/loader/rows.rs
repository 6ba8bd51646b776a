//! Rows of loaders of which the queue cannot be seen.

use crate::model::sample::LoaderSample;
use crate::model::{Gap, LoaderId, Pid, Reading};

/// Empties what a row says of this moment. Counts stay: a window over them ends here.
pub(super) fn blank(row: &mut LoaderSample, gap: Gap) {
    row.workers = Reading::Not(gap);
    row.prefetch_factor = Reading::Not(gap);
    row.capacity = Reading::Not(gap);
    row.capacity_bound = Reading::Not(gap);
    row.pinned = Reading::Not(gap);
    row.ready = Reading::Not(gap);
    row.ready_min = Reading::Not(gap);
    row.ready_max = Reading::Not(gap);
    row.ready_source = Reading::Not(gap);
    row.ready_bound = Reading::Not(gap);
    row.stash = Reading::Not(gap);
    row.wait_source = Reading::Not(gap);
    row.wait_bound = Reading::Not(gap);
    row.worker_states = Reading::Not(gap);
    row.main_state = Reading::Not(gap);
}

/// Empties the counts too.
fn blank_all(row: &mut LoaderSample, gap: Gap) {
    blank(row, gap);
    for count in [
        &mut row.steps_total,
        &mut row.samples_total,
        &mut row.failed_total,
        &mut row.ready_sum,
        &mut row.empty_samples_total,
        &mut row.wait_samples_total,
        &mut row.delivery_samples_total,
        &mut row.wait_idle_samples_total,
        &mut row.wait_worker_samples_total,
        &mut row.worker_run_samples_total,
        &mut row.worker_runq_samples_total,
        &mut row.worker_disk_samples_total,
        &mut row.worker_net_samples_total,
        &mut row.worker_idle_samples_total,
        &mut row.worker_other_samples_total,
    ] {
        *count = Reading::Not(gap);
    }
}

/// A trainer whose descriptors may not be read, with the workers that their names give away.
pub(super) fn denied(loader: LoaderId, pid: Pid, workers: usize) -> LoaderSample {
    let mut row = LoaderSample { pid, loader, ..Default::default() };
    blank_all(&mut row, Gap::Denied);
    if workers > 0 {
        row.workers = Reading::Is(workers as u64);
    }
    row
}

/// A trainer without workers: there is no queue, and its wait cannot be told from its work.
pub(super) fn without_workers(loader: LoaderId, pid: Pid) -> LoaderSample {
    let mut row = LoaderSample { pid, loader, ..Default::default() };
    blank_all(&mut row, Gap::NotApplicable);
    row.workers = Reading::Is(0);
    row.wait_source = Reading::Not(Gap::Unsupported);
    row.wait_bound = Reading::Not(Gap::Unsupported);
    row.wait_samples_total = Reading::Not(Gap::Unsupported);
    row.steps_total = Reading::Not(Gap::Unsupported);
    row
}
