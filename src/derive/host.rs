//! The box as a whole.

use super::counter::{mean, rate, rise, share, share_of_time};
use crate::model::frame::HostRates;
use crate::model::reading::{Gap, Reading};
use crate::model::sample::HostSample;

/// Rates of the box. Its counters are apart: one that fell tells nothing of the others.
pub(super) fn rates(prev: Option<&HostSample>, now: &HostSample, seconds: f64) -> HostRates {
    macro_rules! risen {
        ($field:ident) => {
            rise(prev.map(|prev| prev.$field), now.$field)
        };
    }
    let used = used_seconds(now);
    let all = all_seconds(now);
    let all_risen = rise(prev.map(all_seconds), all);
    HostRates {
        cpu_ratio: share(rise(prev.map(used_seconds), used), all_risen, Gap::NotYet),
        cpu_iowait_ratio: share(risen!(cpu_iowait_seconds_total), all_risen, Gap::NotYet),
        memory_used_ratio: memory_used(now),
        psi_cpu_some_ratio: share_of_time(risen!(psi_cpu_some_seconds_total), seconds),
        psi_io_some_ratio: share_of_time(risen!(psi_io_some_seconds_total), seconds),
        psi_io_full_ratio: share_of_time(risen!(psi_io_full_seconds_total), seconds),
        psi_memory_some_ratio: share_of_time(risen!(psi_memory_some_seconds_total), seconds),
        psi_memory_full_ratio: share_of_time(risen!(psi_memory_full_seconds_total), seconds),
        major_faults_per_second: rate(risen!(major_faults_total), seconds),
        refault_file_pages_per_second: rate(risen!(refault_file_pages_total), seconds),
        swap_in_pages_per_second: rate(risen!(swap_in_pages_total), seconds),
        // Of one core: mltop and its collectors together may pass 1.
        mltop_cpu_ratio: rate(risen!(mltop_cpu_seconds_total), seconds),
        mltop_looks_per_second: rate(risen!(mltop_looks_total), seconds),
        mltop_look_cpu_seconds: mean(
            risen!(mltop_looks_cpu_seconds_total),
            risen!(mltop_looks_total),
        ),
    }
}

/// CPU time that somebody used: without idle time and without what the hypervisor took.
fn used_seconds(host: &HostSample) -> Reading<f64> {
    host.cpu_user_seconds_total
        .zip(host.cpu_system_seconds_total)
        .map(|(user, system)| user + system)
}

/// All CPU time. Idle and iowait are summed first: the kernel moves time between the two, and
/// iowait alone may fall.
fn all_seconds(host: &HostSample) -> Reading<f64> {
    let idle = host
        .cpu_idle_seconds_total
        .map(|idle| idle + host.cpu_iowait_seconds_total.ok().unwrap_or_default());
    let steal = host.cpu_steal_seconds_total.ok().unwrap_or_default();
    used_seconds(host).zip(idle).map(|(used, idle)| used + idle + steal)
}

fn memory_used(now: &HostSample) -> Reading<f64> {
    now.memory_total_bytes.zip(now.memory_available_bytes).and_then(|(total, available)| {
        // Available memory above the total is nonsense, not an empty box.
        let used = total.checked_sub(available).map(|used| used as f64);
        share(Reading::from_option(used, Gap::Failed), Reading::Is(total as f64), Gap::Failed)
    })
}
