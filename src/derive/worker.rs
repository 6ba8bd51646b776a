//! Workers of a loader: counts of looks become shares of the tick.

use super::counter::{rises, share};
use crate::model::frame::WorkerRates;
use crate::model::reading::{Gap, Reading};
use crate::model::sample::WorkerSample;

pub(super) fn rates(prev: Option<&WorkerSample>, now: &WorkerSample) -> WorkerRates {
    let (run, queued, disk, net, idle, other) = rises!(prev, now;
        run_samples_total, runq_samples_total, disk_samples_total, net_samples_total,
        idle_samples_total, other_samples_total);
    // The six states are all there are: their sum is the number of looks.
    let all = [run, queued, disk, net, idle, other]
        .into_iter()
        .fold(Reading::Is(0.0), |sum, part| sum.zip(part).map(|(sum, part)| sum + part));
    let of_looks = |part| share(part, all, Gap::NotYet);
    WorkerRates {
        pid: now.pid,
        trainer: now.trainer,
        loader: now.loader,
        run_ratio: of_looks(run),
        runq_ratio: of_looks(queued),
        disk_ratio: of_looks(disk),
        net_ratio: of_looks(net),
        idle_ratio: of_looks(idle),
        other_ratio: of_looks(other),
    }
}
