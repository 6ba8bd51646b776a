//! Control groups.

use super::counter::{rate, rise, rises, share, share_of_time};
use crate::model::frame::CgroupRates;
use crate::model::reading::{Gap, Reading};
use crate::model::sample::CgroupSample;

pub(super) fn rates(prev: Option<&CgroupSample>, now: &CgroupSample, seconds: f64) -> CgroupRates {
    let (usage, periods, throttled_periods, throttled) = rises!(prev, now;
        cpu_usage_seconds_total, periods_total, throttled_periods_total, throttled_seconds_total);
    let refaults =
        rise(prev.map(|prev| prev.refault_file_pages_total), now.refault_file_pages_total);
    CgroupRates {
        cgroup: now.cgroup.clone(),
        cpu_cores: rate(usage, seconds),
        throttled_ratio: throttled_share(throttled, usage, seconds),
        throttled_periods_ratio: share(throttled_periods, periods, Gap::NotApplicable),
        refault_file_pages_per_second: rate(refaults, seconds),
    }
}

/// The kernel sums the throttled time over CPUs, so that eight of them stopped for a second are
/// eight seconds. The share of the group as a whole is at most that sum over the span, and at most
/// what part of the time that its threads wanted they were stopped: the lower of the two.
fn throttled_share(throttled: Reading<f64>, usage: Reading<f64>, seconds: f64) -> Reading<f64> {
    match (throttled, usage) {
        (Reading::Is(throttled), Reading::Is(usage)) if throttled + usage > 0.0 => {
            let wanted = throttled / (throttled + usage);
            Reading::Is(wanted.min(throttled / seconds))
        }
        (throttled, _) => share_of_time(throttled, seconds),
    }
}
