//! Field values, GPM and events.

use std::ffi::c_void;
use std::time::Duration;

use crate::abi::{
    Dev, FieldValue, GpmGet, GpmInfo, GpmMetric, GpmSample, GpmSupport, INVALID, NOT_SUPPORTED, OK,
    Rc, TIMEOUT, UNINITIALIZED, VERSION_MISMATCH,
};
use crate::world::{View, on_gpu, on_system};
use crate::{device_call, give};

/// `nvmlValueType_t`
const UNSIGNED_INT: u32 = 1;
const UNSIGNED_LONG_LONG: u32 = 3;

fn field(view: &View, id: u32) -> Option<(u32, u64)> {
    // 64-bit counters where the scenario says so.
    let counter = |bytes: f64| {
        if view.figure("counter64") > 0.0 {
            (UNSIGNED_LONG_LONG, bytes as u64)
        } else {
            (UNSIGNED_INT, u64::from(bytes as u64 as u32))
        }
    };
    match id {
        _ if view.figure("fields") <= 0.0 => None,
        #[cfg(not(any(nofield198, drv470, drv535)))]
        197 => Some(counter(view.tx)),
        #[cfg(not(any(nofield198, drv470, drv535)))]
        198 => Some(counter(view.rx)),
        83 => Some((UNSIGNED_LONG_LONG, view.energy as u64)),
        #[cfg(not(drv470))]
        185 | 186 => Some((UNSIGNED_INT, view.figure("power") as u64)),
        _ => {
            let _ = counter;
            None
        }
    }
}

device_call! {
    nvmlDeviceGetFieldValues(count: i32, list: *mut FieldValue) |view| {
        if list.is_null() || count < 0 {
            return INVALID;
        }
        for index in 0..count as usize {
            let value = &mut *list.add(index);
            value.timestamp = (view.t * 1e6) as i64;
            value.latency = 0;
            value.rc = NOT_SUPPORTED;
            if let Some((kind, number)) = field(view, value.id) {
                (value.kind, value.value, value.rc) = (kind, number, OK);
            }
        }
        OK
    };
}

#[cfg(not(nogpm))]
device_call! {
    nvmlGpmQueryDeviceSupport(out: *mut GpmSupport) |view| {
        if out.is_null() {
            return INVALID;
        }
        (*out).supported = u32::from(view.figure("gpm") > 0.0);
        OK
    };
    nvmlGpmQueryIfStreamingEnabled(out: *mut u32) |view| {
        if view.figure("gpm") > 0.0 { give(out, 0) } else { NOT_SUPPORTED }
    };
}

#[cfg(not(nogpm))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlGpmSampleAlloc(out: *mut *mut GpmSample) -> Rc {
    on_system("nvmlGpmSampleAlloc", || {
        let sample = GpmSample {
            t: 0.0,
            rx: 0.0,
            tx: 0.0,
            filled: false,
            shares: [0.0; 4],
            unit: c"MiB/s",
            unit_bytes: 1_048_576.0,
        };
        unsafe { give(out, Box::into_raw(Box::new(sample))) }
    })
}

/// There without GPM as well: the wrapper panics where it is missing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlGpmSampleFree(sample: *mut GpmSample) -> Rc {
    on_system("nvmlGpmSampleFree", || {
        if !sample.is_null() {
            // SAFETY: made by `nvmlGpmSampleAlloc`, given back once.
            drop(unsafe { Box::from_raw(sample) });
        }
        OK
    })
}

#[cfg(not(nogpm))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlGpmSampleGet(device: Dev, sample: *mut GpmSample) -> Rc {
    on_gpu("nvmlGpmSampleGet", device, |view| {
        if view.figure("gpm") <= 0.0 {
            return NOT_SUPPORTED;
        }
        if sample.is_null() {
            return INVALID;
        }
        let mib = view.figure("gpm_mib") > 0.0;
        let filled = GpmSample {
            t: view.t,
            rx: view.rx,
            tx: view.tx,
            filled: true,
            shares: ["sm", "occ", "tensor", "dram"].map(|name| view.figure(name)),
            unit: if mib { c"MiB/s" } else { c"bytes/s" },
            unit_bytes: if mib { 1_048_576.0 } else { 1.0 },
        };
        // SAFETY: made by `nvmlGpmSampleAlloc`.
        unsafe { *sample = filled };
        OK
    })
}

#[cfg(not(nogpm))]
fn metric(id: u32, first: &GpmSample, second: &GpmSample) -> Option<(f64, bool)> {
    let span = second.t - first.t;
    let rate = |bytes: f64| (bytes / span / second.unit_bytes, true);
    Some(match id {
        2 => (second.shares[0], false),
        3 => (second.shares[1], false),
        5 => (second.shares[2], false),
        10 => (second.shares[3], false),
        20 => rate(second.tx - first.tx),
        21 => rate(second.rx - first.rx),
        _ => return None,
    })
}

#[cfg(not(nogpm))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlGpmMetricsGet(get: *mut GpmGet) -> Rc {
    on_system("nvmlGpmMetricsGet", || {
        if get.is_null() {
            return INVALID;
        }
        // SAFETY: the caller's request; `count` metrics follow its header, and no more are touched.
        unsafe {
            let header = &*get;
            if header.version != 1 {
                return VERSION_MISMATCH;
            }
            let same = std::ptr::eq(header.first, header.second);
            if header.count == 0 || same || header.first.is_null() || header.second.is_null() {
                return INVALID;
            }
            let (first, second) = (&*header.first, &*header.second);
            let metrics = get.add(1).cast::<GpmMetric>();
            for index in 0..header.count as usize {
                let out = &mut *metrics.add(index);
                out.rc = NOT_SUPPORTED;
                let short = c"METRIC".as_ptr();
                out.info = GpmInfo { short, long: short, unit: c"%".as_ptr() };
                if !first.filled || !second.filled {
                    out.rc = UNINITIALIZED;
                } else if let Some((value, rate)) = metric(out.id, first, second) {
                    (out.rc, out.value) = (OK, value);
                    if rate {
                        out.info.unit = second.unit.as_ptr();
                    }
                }
            }
        }
        OK
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlEventSetCreate(out: *mut *mut c_void) -> Rc {
    on_system("nvmlEventSetCreate", || unsafe { give(out, 0x2000 as *mut c_void) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlEventSetFree(_set: *mut c_void) -> Rc {
    on_system("nvmlEventSetFree", || OK)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlEventSetWait_v2(_set: *mut c_void, _out: *mut c_void, ms: u32) -> Rc {
    on_system("nvmlEventSetWait_v2", || {
        std::thread::sleep(Duration::from_millis(u64::from(ms)));
        TIMEOUT
    })
}
