//! Who a GPU is, and its figures of the moment.

use std::ffi::c_char;

use crate::abi::{Bar1, INVALID, NOT_SUPPORTED, OK, Utilization};
use crate::figure::Figure;
use crate::world::View;
use crate::{any_device_call, device_call, give, give_text};

/// Seconds over which utilization and power are averaged.
const AVERAGED: f64 = 1.0;

pub fn uuid(view: &View) -> String {
    let card = view.gpu.text("uuid", &format!("GPU-00000000-0000-0000-0000-{:012}", view.index));
    match &view.instance {
        // A UUID of its own, the same from run to run.
        Some(instance) => format!("MIG-{}-{:02x}", card.trim_start_matches("GPU-"), instance.id),
        None => card,
    }
}

fn name(view: &View) -> String {
    let usual = view.gpu.model.map_or("Stand-in H100", |model| model.name);
    let card = view.gpu.text("name", usual);
    match &view.instance {
        Some(instance) => format!("{card} MIG {}", instance.profile),
        None => card,
    }
}

fn utilization(view: &View) -> Utilization {
    if view.garbled("over100") {
        return Utilization { gpu: 255, memory: 255 };
    }
    let mean = |figure| view.mean(figure, AVERAGED).round() as u32;
    Utilization { gpu: mean(Figure::Util), memory: mean(Figure::MemUtil) }
}

pub fn power(view: &View) -> u32 {
    if view.garbled("x1000") {
        return u32::MAX / 2;
    }
    view.mean(Figure::Power, AVERAGED).round() as u32
}

fn clock(view: &View, kind: u32, most: bool) -> Option<u32> {
    match (kind, most) {
        (0..=1, false) => Some(view.whole(Figure::SmClock)),
        (0..=1, true) => Some(view.whole(Figure::SmClockMax)),
        (2, _) => Some(view.whole(Figure::MemClock)),
        (3, _) => Some(view.whole(Figure::SmClock) * 9 / 10),
        _ => None,
    }
}

any_device_call! {
    nvmlDeviceGetName(out: *mut c_char, room: u32) |view| give_text(&name(view), out, room);
    nvmlDeviceGetUUID(out: *mut c_char, room: u32) |view| give_text(&uuid(view), out, room);
    nvmlDeviceGetIndex(out: *mut u32) |view| give(out, view.index);
    nvmlDeviceGetCudaComputeCapability(major: *mut i32, minor: *mut i32) |view| {
        give(major, view.whole(Figure::Major) as i32);
        give(minor, view.whole(Figure::Minor) as i32)
    };
    nvmlDeviceGetBAR1MemoryInfo(out: *mut Bar1) |view| {
        let (total, used) = (view.get(Figure::Bar1Total) as u64, view.get(Figure::Bar1Used) as u64);
        give(out, Bar1 { total, free: total.saturating_sub(used), used })
    };
}

/// On a card in MIG mode nobody can tell what all of it does.
fn told(view: &View) -> bool {
    !view.gpu.mig_mode
}

device_call! {
    nvmlDeviceGetSerial(out: *mut c_char, room: u32) |view| {
        give_text(&view.gpu.text("serial", &format!("{:013}", 1_650_000 + view.index)), out, room)
    };
    nvmlDeviceGetVbiosVersion(out: *mut c_char, room: u32) |view| {
        give_text(&view.gpu.text("vbios", "96.00.A5.00.01"), out, room)
    };
    nvmlDeviceGetBrand(out: *mut u32) |view| give(out, view.whole(Figure::Brand));
    nvmlDeviceGetBoardId(out: *mut u32) |view| give(out, (view.index + 7) << 8);
    nvmlDeviceGetMinorNumber(out: *mut u32) |view| give(out, view.index);
    nvmlDeviceGetArchitecture(out: *mut u32) |view| give(out, view.whole(Figure::Arch));
    nvmlDeviceGetNumGpuCores(out: *mut u32) |view| {
        give(out, view.whole(Figure::Sms) * view.whole(Figure::CoresPerSm))
    };
    nvmlDeviceGetUtilizationRates(out: *mut Utilization) |view| {
        if told(view) { give(out, utilization(view)) } else { NOT_SUPPORTED }
    };
    nvmlDeviceGetEncoderUtilization(out: *mut u32, period: *mut u32) |view| {
        give(period, 167_000);
        if told(view) { give(out, view.whole(Figure::Encoder)) } else { NOT_SUPPORTED }
    };
    nvmlDeviceGetDecoderUtilization(out: *mut u32, period: *mut u32) |view| {
        give(period, 167_000);
        if told(view) { give(out, view.whole(Figure::Decoder)) } else { NOT_SUPPORTED }
    };
    nvmlDeviceGetJpgUtilization(out: *mut u32, period: *mut u32) |view| {
        give(period, 167_000);
        if told(view) { give(out, view.whole(Figure::Jpeg)) } else { NOT_SUPPORTED }
    };
    nvmlDeviceGetClockInfo(kind: u32, out: *mut u32) |view| {
        clock(view, kind, false).map_or(INVALID, |clock| give(out, clock))
    };
    nvmlDeviceGetMaxClockInfo(kind: u32, out: *mut u32) |view| {
        clock(view, kind, true).map_or(INVALID, |clock| give(out, clock))
    };
    nvmlDeviceGetApplicationsClock(kind: u32, out: *mut u32) |view| {
        clock(view, kind, true).map_or(INVALID, |clock| give(out, clock))
    };
    nvmlDeviceGetCurrentClocksThrottleReasons(out: *mut u64) |view| {
        give(out, view.get(Figure::Throttle) as u64)
    };
    nvmlDeviceGetCurrentClocksEventReasons(out: *mut u64) |view| {
        give(out, view.get(Figure::Throttle) as u64)
    };
    nvmlDeviceGetSupportedClocksThrottleReasons(out: *mut u64) |_view| give(out, 0x1ff);
    nvmlDeviceGetSupportedClocksEventReasons(out: *mut u64) |_view| give(out, 0x1ff);
    nvmlDeviceGetPowerUsage(out: *mut u32) |view| give(out, power(view));
    nvmlDeviceGetEnforcedPowerLimit(out: *mut u32) |view| give(out, view.whole(Figure::Limit));
    nvmlDeviceGetPowerManagementLimit(out: *mut u32) |view| give(out, view.whole(Figure::Limit));
    nvmlDeviceGetPowerManagementDefaultLimit(out: *mut u32) |view| give(out, limit_most(view));
    nvmlDeviceGetPowerManagementLimitConstraints(low: *mut u32, high: *mut u32) |view| {
        give(low, view.whole(Figure::LimitMin));
        give(high, limit_most(view))
    };
    nvmlDeviceGetPowerManagementMode(out: *mut u32) |_view| give(out, 1);
    nvmlDeviceGetTotalEnergyConsumption(out: *mut u64) |view| give(out, view.sum(Figure::Power) as u64);
    nvmlDeviceGetPerformanceState(out: *mut u32) |view| give(out, view.whole(Figure::Pstate));
    nvmlDeviceGetPowerState(out: *mut u32) |view| give(out, view.whole(Figure::Pstate));
    nvmlDeviceGetPersistenceMode(out: *mut u32) |view| give(out, view.whole(Figure::Persistence));
    nvmlDeviceGetComputeMode(out: *mut u32) |view| give(out, view.whole(Figure::ComputeMode));
    nvmlDeviceGetVirtualizationMode(out: *mut u32) |view| give(out, view.whole(Figure::Virtualization));
    nvmlDeviceGetDisplayMode(out: *mut u32) |_view| give(out, 0);
    nvmlDeviceGetDisplayActive(out: *mut u32) |_view| give(out, 0);
    nvmlDeviceGetAccountingMode(out: *mut u32) |_view| give(out, 0);
    nvmlDeviceGetNumaNodeId(out: *mut u32) |view| give(out, view.whole(Figure::Numa));
    nvmlDeviceGetGspFirmwareMode(on: *mut u32, usual: *mut u32) |view| {
        give(usual, 1);
        give(on, view.whole(Figure::Gsp))
    };
    nvmlDeviceGetGspFirmwareVersion(out: *mut c_char) |view| {
        if view.get(Figure::Gsp) > 0.0 { give_text(&crate::world::driver(), out, 64) } else { NOT_SUPPORTED }
    };
    nvmlDeviceGetNumFans(out: *mut u32) |view| give(out, view.whole(Figure::Fans));
    nvmlDeviceGetFanSpeed(out: *mut u32) |view| fan(view, 0, out);
    nvmlDeviceGetFanSpeed_v2(number: u32, out: *mut u32) |view| fan(view, number, out);
    nvmlDeviceValidateInforom() |_view| OK;
}

unsafe fn fan(view: &View, number: u32, out: *mut u32) -> crate::abi::Rc {
    match view.whole(Figure::Fans) {
        0 => NOT_SUPPORTED,
        fans if number >= fans => INVALID,
        _ => unsafe { give(out, view.whole(Figure::Fan)) },
    }
}

fn limit_most(view: &View) -> u32 {
    let most = view.whole(Figure::LimitMax);
    if most > 0 { most } else { view.whole(Figure::Limit) }
}
