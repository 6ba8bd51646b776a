//! CPUs, one by one or several together.

use super::counter::{rises, share};
use crate::model::frame::CpuRates;
use crate::model::reading::Gap;
use crate::model::sample::CpuSample;

pub(super) fn rates(prev: Option<&CpuSample>, now: &CpuSample) -> CpuRates {
    let (used, idle) = rises!(prev, now; used_seconds_total, idle_seconds_total);
    let all = used.zip(idle).map(|(used, idle)| used + idle);
    CpuRates { cpu: now.cpu.clone(), used_ratio: share(used, all, Gap::NotYet) }
}
