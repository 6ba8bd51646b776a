//! Temperatures and errors.

use crate::abi::{
    INVALID, Margin, NOT_SUPPORTED, RowHistogram, Temperature, VERSION_MISMATCH, version,
};
use crate::figure::Figure;
use crate::world::View;
use crate::{device_call, give};

/// Errors of a kind (0 corrected, 1 not) since the driver was loaded (0) or ever (1).
pub fn ecc(view: &View, kind: u32, counter: u32) -> Option<f64> {
    if view.get(Figure::Ecc) <= 0.0 {
        return None;
    }
    let figure = match (kind, counter) {
        (0, 0) => Figure::EccCorrected,
        (1, 0) => Figure::EccUncorrected,
        (0, 1) => Figure::EccCorrectedEver,
        (1, 1) => Figure::EccUncorrectedEver,
        _ => return None,
    };
    Some(view.get(figure))
}

/// Whether rows can be remapped: Ampere and later, with ECC.
pub fn remaps(view: &View) -> bool {
    view.get(Figure::Arch) >= 7.0 && view.get(Figure::Ecc) > 0.0
}

fn threshold(view: &View, kind: u32) -> Option<u32> {
    match kind {
        0 => Some(view.whole(Figure::TempShutdown)),
        1 | 3 => Some(view.whole(Figure::TempSlowdown)),
        2 => Some(view.whole(Figure::TempShutdown)),
        _ => None,
    }
}

device_call! {
    nvmlDeviceGetTemperature(sensor: u32, out: *mut u32) |view| {
        if sensor == 0 { give(out, view.whole(Figure::Temp)) } else { INVALID }
    };
    nvmlDeviceGetTemperatureV(out: *mut Temperature) |view| {
        if out.is_null() || (*out).sensor != 0 {
            return INVALID;
        }
        if (*out).version != version::<Temperature>(1) {
            return VERSION_MISMATCH;
        }
        (*out).celsius = view.whole(Figure::Temp) as i32;
        0
    };
    nvmlDeviceGetMarginTemperature(out: *mut Margin) |view| {
        if out.is_null() {
            return INVALID;
        }
        (*out).celsius = (view.get(Figure::TempSlowdown) - view.get(Figure::Temp)) as i32;
        0
    };
    nvmlDeviceGetTemperatureThreshold(kind: u32, out: *mut u32) |view| {
        threshold(view, kind).map_or(NOT_SUPPORTED, |celsius| give(out, celsius))
    };
    nvmlDeviceGetEccMode(now: *mut u32, pending: *mut u32) |view| {
        if view.get(Figure::Ecc) < 0.0 {
            return NOT_SUPPORTED;
        }
        give(now, view.whole(Figure::Ecc));
        give(pending, view.whole(Figure::Ecc))
    };
    nvmlDeviceGetDefaultEccMode(out: *mut u32) |_view| give(out, 1);
    nvmlDeviceGetTotalEccErrors(kind: u32, counter: u32, out: *mut u64) |view| {
        ecc(view, kind, counter).map_or(NOT_SUPPORTED, |errors| give(out, errors as u64))
    };
    nvmlDeviceGetMemoryErrorCounter(kind: u32, counter: u32, place: u32, out: *mut u64) |view| {
        match ecc(view, kind, counter) {
            // All of them in device memory.
            Some(errors) => give(out, if place == 2 { errors as u64 } else { 0 }),
            None => NOT_SUPPORTED,
        }
    };
    nvmlDeviceGetRemappedRows(cor: *mut u32, unc: *mut u32, pending: *mut u32, failed: *mut u32) |view| {
        if !remaps(view) {
            return NOT_SUPPORTED;
        }
        give(cor, view.whole(Figure::RowsCorrected));
        give(unc, view.whole(Figure::RowsUncorrected));
        give(pending, view.whole(Figure::RowsPending));
        give(failed, view.whole(Figure::RowsFailed))
    };
    nvmlDeviceGetRowRemapperHistogram(out: *mut RowHistogram) |view| {
        if remaps(view) { give(out, RowHistogram { banks: [640, 0, 0, 0, 0] }) } else { NOT_SUPPORTED }
    };
    nvmlDeviceGetRetiredPages(cause: u32, count: *mut u32, _list: *mut u64) |view| {
        let figure = if cause == 0 { Figure::RetiredSingle } else { Figure::RetiredDouble };
        if remaps(view) { NOT_SUPPORTED } else { give(count, view.whole(figure)) }
    };
    nvmlDeviceGetRetiredPagesPendingStatus(out: *mut u32) |view| {
        if remaps(view) { NOT_SUPPORTED } else { give(out, view.whole(Figure::RetiredPending)) }
    };
}
