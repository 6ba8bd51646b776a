//! GPM: what the multiprocessors and links did between two samples.

use std::ffi::c_void;

use crate::abi::{
    Dev, GpmGet, GpmInfo, GpmMetric, GpmSupport, INVALID, NOT_SUPPORTED, OK, Rc, UNINITIALIZED,
    VERSION_MISMATCH,
};
use crate::call::{on_gpu, on_system};
use crate::figure::Figure;
use crate::mig::Instance;
use crate::world::{Sums, View};
use crate::{device_call, give};

/// The caller only holds a pointer to it.
struct Sample {
    t: f64,
    sums: Sums,
    filled: bool,
    mib: bool,
    nvlinks: bool,
    c2c: bool,
}

device_call! {
    nvmlGpmQueryDeviceSupport(out: *mut GpmSupport) |view| {
        if out.is_null() {
            return INVALID;
        }
        (*out).supported = u32::from(view.get(Figure::Gpm) > 0.0);
        OK
    };
    nvmlGpmQueryIfStreamingEnabled(out: *mut u32) |view| {
        if view.get(Figure::Gpm) > 0.0 { give(out, 0) } else { NOT_SUPPORTED }
    };
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlGpmSampleAlloc(out: *mut *mut c_void) -> Rc {
    on_system("nvmlGpmSampleAlloc", || {
        let sample = Sample {
            t: 0.0,
            sums: [0.0; crate::figure::LOAD],
            filled: false,
            mib: true,
            nvlinks: false,
            c2c: false,
        };
        unsafe { give(out, Box::into_raw(Box::new(sample)).cast()) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlGpmSampleFree(sample: *mut c_void) -> Rc {
    on_system("nvmlGpmSampleFree", || {
        if !sample.is_null() {
            // SAFETY: made by `nvmlGpmSampleAlloc`, given back once.
            drop(unsafe { Box::from_raw(sample.cast::<Sample>()) });
        }
        OK
    })
}

/// Takes a sample of the card, or of an instance of it.
fn take(view: &View, instance: Option<&Instance>, sample: *mut c_void) -> Rc {
    if view.get(Figure::Gpm) <= 0.0 {
        return NOT_SUPPORTED;
    }
    if sample.is_null() {
        return INVALID;
    }
    let mut sums = view.sums;
    if let Some(instance) = instance {
        // An instance does what its lines say, ever since; links are the card's.
        sums = [0.0; crate::figure::LOAD];
        for (figure, value) in &instance.sets {
            if let Some(sum) = sums.get_mut(*figure as usize) {
                *sum = value * view.t;
            }
        }
    }
    let filled = Sample {
        t: view.t,
        sums,
        filled: true,
        mib: view.get(Figure::GpmMib) > 0.0,
        nvlinks: view.get(Figure::Nvlinks) > 0.0,
        c2c: view.get(Figure::C2c) > 0.0,
    };
    // SAFETY: made by `nvmlGpmSampleAlloc`.
    unsafe { *sample.cast::<Sample>() = filled };
    OK
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlGpmSampleGet(device: Dev, sample: *mut c_void) -> Rc {
    on_gpu("nvmlGpmSampleGet", device, true, |view| match &view.instance {
        // Taken for a handle that it does not know by drivers before R595.
        Some(_) if view.branch < 595 => INVALID,
        None if view.gpu.mig_mode => NOT_SUPPORTED,
        instance => take(view, instance.as_ref(), sample),
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlGpmMigSampleGet(device: Dev, id: u32, sample: *mut c_void) -> Rc {
    on_gpu("nvmlGpmMigSampleGet", device, false, |view| {
        let instance = view.gpu.mig.iter().flatten().find(|instance| instance.id == id);
        match instance {
            Some(instance) => take(view, Some(instance), sample),
            None => INVALID,
        }
    })
}

/// A metric by its number in nvml.h: per cent, or bytes per second.
fn metric(id: u32, first: &Sample, second: &Sample) -> Option<(f64, bool)> {
    let per_second = |figure: Figure| {
        let at = figure as usize;
        (second.sums[at] - first.sums[at]) / (second.t - first.t)
    };
    let share = |figure| Some((per_second(figure), false));
    let rate = |figure| Some((per_second(figure), true));
    match id {
        1 => share(Figure::Util),
        2 => share(Figure::Sm),
        3 => share(Figure::Occupancy),
        5 | 7 => share(Figure::Tensor),
        10 => share(Figure::Dram),
        20 => rate(Figure::PcieTx),
        21 => rate(Figure::PcieRx),
        60 if second.nvlinks => rate(Figure::NvlinkRx),
        61 if second.nvlinks => rate(Figure::NvlinkTx),
        100 | 102 if second.c2c => rate(Figure::C2cTx),
        101 | 103 if second.c2c => rate(Figure::C2cRx),
        _ => None,
    }
}

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
            let (first, second) = (&*header.first.cast(), &*header.second.cast());
            let metrics = get.add(1).cast::<GpmMetric>();
            for index in 0..header.count as usize {
                fill(&mut *metrics.add(index), first, second);
            }
        }
        OK
    })
}

fn fill(out: &mut GpmMetric, first: &Sample, second: &Sample) {
    out.rc = NOT_SUPPORTED;
    let short = c"METRIC".as_ptr();
    out.info = GpmInfo { short, long: short, unit: c"%".as_ptr() };
    if !first.filled || !second.filled {
        out.rc = UNINITIALIZED;
    } else if let Some((value, rate)) = metric(out.id, first, second) {
        (out.rc, out.value) = (OK, value);
        if rate && second.mib {
            out.value /= 1_048_576.0;
            out.info.unit = c"MiB/s".as_ptr();
        } else if rate {
            out.info.unit = c"bytes/s".as_ptr();
        }
    }
}
