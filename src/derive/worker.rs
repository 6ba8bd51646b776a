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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_a_worker_sum_to_one_and_nobody_looking_is_no_zero() {
        let counts = |run, disk, idle| WorkerSample {
            run_samples_total: Reading::Is(run),
            runq_samples_total: Reading::Is(0),
            disk_samples_total: Reading::Is(disk),
            net_samples_total: Reading::Is(0),
            idle_samples_total: Reading::Is(idle),
            other_samples_total: Reading::Is(0),
            ..WorkerSample::default()
        };
        let (before, now) = (counts(10, 10, 10), counts(30, 15, 85));
        let shares = rates(Some(&before), &now);
        assert_eq!(shares.run_ratio, Reading::Is(0.2));
        assert_eq!(shares.disk_ratio, Reading::Is(0.05));
        assert_eq!(shares.idle_ratio, Reading::Is(0.75));
        assert_eq!(rates(Some(&now), &now).idle_ratio, Reading::Not(Gap::NotYet));
        assert_eq!(rates(None, &now).run_ratio, Reading::Not(Gap::NotYet));
    }
}
