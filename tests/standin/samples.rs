//! What the driver keeps of the seconds before: samples, and utilization by process.

use crate::abi::{
    INSUFFICIENT_SIZE, INVALID, NOT_FOUND, NOT_SUPPORTED, OK, ProcessUtilization,
    ProcessUtilizationV1, ProcessesUtilization, Rc, Sample, VERSION_MISMATCH, version,
};
use crate::figure::Figure;
use crate::world::View;
use crate::{device_call, give};

/// How many samples of a kind are kept.
const KEPT: u64 = 100;
/// Seconds that a sample is of.
const SLOT: f64 = 1.0 / 6.0;
/// `NVML_VALUE_TYPE_UNSIGNED_INT`
const UNSIGNED_INT: u32 = 1;

/// `nvmlSamplingType_t`
fn sampled(kind: u32) -> Option<Figure> {
    Some(match kind {
        0 => Figure::Power,
        1 => Figure::Util,
        2 => Figure::MemUtil,
        3 => Figure::Encoder,
        4 => Figure::Decoder,
        5 => Figure::SmClock,
        6 => Figure::MemClock,
        _ => return None,
    })
}

/// The samples that are newer than a moment, oldest first.
fn newer(view: &View, figure: Figure, since: u64) -> Vec<Sample> {
    let last = (view.t / SLOT) as u64;
    let base = view.unix as f64 - view.t * 1e6;
    let of = |slot: u64| {
        let end = slot as f64 * SLOT;
        let load = (figure as usize) < crate::figure::LOAD;
        let value =
            if load { view.mean_between(figure, end - SLOT, end) } else { view.get(figure) };
        Sample { timestamp: (base + end * 1e6) as u64, value: value.round() as u64 }
    };
    let slots = last.saturating_sub(KEPT - 1).max(1)..=last;
    // The newest first, until one has been seen: most callers are a slot or two behind.
    let mut found: Vec<Sample> =
        slots.rev().map(of).take_while(|sample| sample.timestamp > since).collect();
    found.reverse();
    found
}

/// Processes with what each does to the multiprocessors, at the last whole second.
fn by_process(view: &View, since: u64) -> Vec<ProcessUtilization> {
    let at = view.t.floor();
    let timestamp = (view.unix as f64 - (view.t - at) * 1e6) as u64;
    if at < 1.0 || timestamp <= since {
        return Vec::new();
    }
    let all = view.gpu.procs.len().max(1) as f64;
    let busy = view.mean_between(Figure::Util, at - 1.0, at);
    let memory = view.mean_between(Figure::MemUtil, at - 1.0, at);
    let one = |proc: &crate::scenario::Proc| ProcessUtilization {
        pid: proc.pid,
        timestamp,
        sm: if view.garbled("over100") {
            255
        } else {
            proc.sm.unwrap_or(busy / all).round() as u32
        },
        memory: (memory / all).round() as u32,
        encoder: 0,
        decoder: 0,
    };
    view.gpu.procs.iter().map(one).collect()
}

unsafe fn hand_over<T: Copy>(found: &[T], count: *mut u32, out: *mut T) -> Rc {
    // SAFETY: the caller's count, checked by us, and a list of that many entries.
    unsafe {
        let room = count.read() as usize;
        if found.is_empty() {
            count.write(0);
            return NOT_FOUND;
        }
        if out.is_null() || room < found.len() {
            count.write(found.len() as u32);
            return INSUFFICIENT_SIZE;
        }
        count.write(found.len() as u32);
        std::ptr::copy_nonoverlapping(found.as_ptr(), out, found.len());
    }
    OK
}

/// Whether this card keeps such things now.
fn keeps(view: &View) -> bool {
    !view.gpu.mig_mode && view.get(Figure::Samples) > 0.0
}

device_call! {
    nvmlDeviceGetSamples(kind: u32, since: u64, value: *mut u32, count: *mut u32, out: *mut Sample) |view| {
        if !keeps(view) {
            return NOT_SUPPORTED;
        }
        let Some(figure) = sampled(kind) else { return INVALID };
        if count.is_null() {
            return INVALID;
        }
        give(value, UNSIGNED_INT);
        if out.is_null() {
            return give(count, KEPT as u32);
        }
        hand_over(&newer(view, figure, since), count, out)
    };
    nvmlDeviceGetProcessUtilization(out: *mut ProcessUtilization, count: *mut u32, since: u64) |view| {
        if !keeps(view) {
            return NOT_SUPPORTED;
        }
        if count.is_null() {
            return INVALID;
        }
        hand_over(&by_process(view, since), count, out)
    };
    nvmlDeviceGetProcessesUtilizationInfo(out: *mut ProcessesUtilization) |view| {
        if !keeps(view) {
            return NOT_SUPPORTED;
        }
        if out.is_null() {
            return INVALID;
        }
        if (*out).version != version::<ProcessesUtilization>(1) {
            return VERSION_MISMATCH;
        }
        let newer = |held: ProcessUtilization| ProcessUtilizationV1 {
            timestamp: held.timestamp,
            pid: held.pid,
            sm: held.sm,
            memory: held.memory,
            encoder: 0,
            decoder: 0,
            jpeg: 0,
            optical: 0,
        };
        let found: Vec<_> = by_process(view, (*out).since).into_iter().map(newer).collect();
        hand_over(&found, &raw mut (*out).count, (*out).list)
    };
}
