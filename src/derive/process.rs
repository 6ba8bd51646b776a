//! Processes.

use std::sync::Arc;

use super::counter::{rate, rise, rises};
use crate::model::Sample;
use crate::model::frame::ProcRates;
use crate::model::id::Pid;
use crate::model::sample::ProcSample;

/// Whether a pid names the same process in both samples, as far as the inventory tells.
pub(super) fn is_same(prev: Option<&Sample>, now: &Sample, pid: Pid) -> bool {
    // Mostly nothing was named anew, and a box has many processes.
    if prev.is_some_and(|prev| Arc::ptr_eq(&prev.inventory, &now.inventory)) {
        return true;
    }
    let started = |sample: &Sample| sample.inventory.proc(pid).map(|info| info.start_ticks);
    match (prev.and_then(started), started(now)) {
        (Some(before), Some(now)) => before == now,
        _ => true,
    }
}

/// Rates of a process. The share of run-queue delay may pass 1 where several of its threads wait:
/// it is measured in the time of one.
pub(super) fn rates(prev: Option<&ProcSample>, now: &ProcSample, seconds: f64) -> ProcRates {
    let (cpu, run_delay, read_bytes, read_chars, read_calls, write_bytes, faults) = rises!(prev, now;
        cpu_seconds_total, run_delay_seconds_total, read_bytes_total, read_chars_total,
        read_calls_total, write_bytes_total, major_faults_total);
    let main = rise(prev.map(|prev| prev.main_cpu_seconds_total), now.main_cpu_seconds_total);
    let main_delay =
        rise(prev.map(|prev| prev.main_run_delay_seconds_total), now.main_run_delay_seconds_total);
    ProcRates {
        pid: now.pid,
        cpu_cores: rate(cpu, seconds),
        main_cpu_cores: rate(main, seconds),
        main_run_delay_ratio: rate(main_delay, seconds),
        run_delay_ratio: rate(run_delay, seconds),
        read_bytes_per_second: rate(read_bytes, seconds),
        read_chars_per_second: rate(read_chars, seconds),
        read_calls_per_second: rate(read_calls, seconds),
        write_bytes_per_second: rate(write_bytes, seconds),
        major_faults_per_second: rate(faults, seconds),
    }
}
