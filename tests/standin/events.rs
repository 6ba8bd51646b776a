//! Events: a caller waits in a set for what the script says will happen on the GPUs that it named.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::c_void;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::abi::{EventData, INVALID, NOT_SUPPORTED, OK, Rc, TIMEOUT};
use crate::call::on_system;
use crate::figure::Figure;
use crate::{device_call, give, world};

#[derive(Default)]
struct Set {
    /// Bits of nvml.h, by GPU.
    wanted: BTreeMap<u32, u64>,
    /// Events that were handed over: GPU, type, data and moment.
    told: BTreeSet<(u32, u64, u64, u64)>,
    /// What came before it was registered for is not told.
    since: f64,
}

static SETS: Mutex<BTreeMap<usize, Set>> = Mutex::new(BTreeMap::new());

/// Longest sleep of a caller that waits: the script may change meanwhile. A driver sleeps until there is
/// something to tell; what this costs counts as the caller's.
const NAP: Duration = Duration::from_millis(250);

fn with<T>(set: *mut c_void, work: impl FnOnce(&mut Set) -> T) -> Option<T> {
    let mut sets = SETS.lock().unwrap_or_else(PoisonError::into_inner);
    sets.get_mut(&(set as usize)).map(work)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlEventSetCreate(out: *mut *mut c_void) -> Rc {
    on_system("nvmlEventSetCreate", || {
        let mut sets = SETS.lock().unwrap_or_else(PoisonError::into_inner);
        let handle = sets.keys().next_back().map_or(0x2000, |last| last + 16);
        sets.insert(handle, Set { since: world::now(), ..Set::default() });
        unsafe { give(out, handle as *mut c_void) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlEventSetFree(set: *mut c_void) -> Rc {
    on_system("nvmlEventSetFree", || {
        let known = SETS.lock().unwrap_or_else(PoisonError::into_inner).remove(&(set as usize));
        if known.is_some() { OK } else { INVALID }
    })
}

device_call! {
    nvmlDeviceGetSupportedEventTypes(out: *mut u64) |view| {
        // Errors of memory and Xids, as data-centre cards have them; clocks and states on all.
        let errors = if view.get(Figure::Ecc) > 0.0 { 0x3 } else { 0 };
        give(out, 0x8 | 0x4 | 0x10 | errors)
    };
    nvmlDeviceRegisterEvents(types: u64, set: *mut c_void) |view| {
        if types & !0xffff != 0 {
            return NOT_SUPPORTED;
        }
        let done = with(set, |set| *set.wanted.entry(view.index).or_default() |= types);
        if done.is_some() { OK } else { INVALID }
    };
}

/// The first event that is due in a set and was not told yet; else when the next one is due.
fn due(set: *mut c_void) -> Option<Result<EventData, f64>> {
    let (events, now) = (world::events(), world::now());
    with(set, |set| {
        let mut next = f64::INFINITY;
        for event in &events {
            let wanted = set.wanted.get(&event.gpu).is_some_and(|types| types & event.kind != 0);
            let key = (event.gpu, event.kind, event.data, (event.at * 1e6) as u64);
            if !wanted || event.at < set.since || set.told.contains(&key) {
                continue;
            }
            if event.at <= now {
                set.told.insert(key);
                return Ok(EventData {
                    device: world::handle_of(event.gpu, None),
                    kind: event.kind,
                    data: event.data,
                    gpu_instance: u32::MAX,
                    compute_instance: u32::MAX,
                });
            }
            next = next.min(event.at - now);
        }
        Err(next)
    })
}

fn wait(set: *mut c_void, out: *mut EventData, ms: u32) -> Rc {
    let end = Instant::now() + Duration::from_millis(u64::from(ms));
    loop {
        match due(set) {
            None => return INVALID,
            Some(Ok(event)) => return unsafe { give(out, event) },
            Some(Err(next)) => {
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return TIMEOUT;
                }
                let due = Duration::from_secs_f64(next.clamp(0.001, 1.0));
                std::thread::sleep(left.min(NAP).min(due));
            }
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlEventSetWait_v2(set: *mut c_void, out: *mut EventData, ms: u32) -> Rc {
    on_system("nvmlEventSetWait_v2", || wait(set, out, ms))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlEventSetWait(set: *mut c_void, out: *mut EventData, ms: u32) -> Rc {
    on_system("nvmlEventSetWait", || wait(set, out, ms))
}
