//! What mltop itself costs.

use super::counter::{rate, rise};
use crate::model::own::{OwnRates, OwnSample};

/// Rates of a process or thread. Its two counters are apart: a thread that ends takes CPU time along.
pub(super) fn rates(prev: Option<&OwnSample>, now: &OwnSample, seconds: f64) -> OwnRates {
    let cpu = rise(prev.map(|prev| prev.cpu_seconds_total), now.cpu_seconds_total);
    let reads = rise(prev.map(|prev| prev.read_calls_total), now.read_calls_total);
    OwnRates {
        pid: now.pid,
        thread: now.thread.clone(),
        cpu_ratio: rate(cpu, seconds),
        read_calls_per_second: rate(reads, seconds),
    }
}
