//! Calls that give one figure of a GPU.

use std::ffi::c_char;

use crate::abi::{Attributes, Bar1, NOT_SUPPORTED, OK, Pci, Utilization};
use crate::world::View;
use crate::{device_call, give, give_text};

pub fn uuid(view: &View) -> String {
    view.gpu.text("uuid", &format!("GPU-00000000-0000-0000-0000-{:012}", view.index))
}

pub fn bus_id(view: &View) -> String {
    view.gpu.text("pci", &format!("00000000:{:02X}:00.0", view.index + 7))
}

fn whole(view: &View, name: &str) -> u32 {
    view.figure(name) as u32
}

fn legacy(text: &str) -> [c_char; 16] {
    let mut out = [0; 16];
    for (to, from) in out.iter_mut().zip(text.bytes().skip(4).take(15)) {
        *to = from as c_char;
    }
    out
}

fn pci(view: &View) -> Pci {
    let text = bus_id(view);
    let mut bus_id = [0; 32];
    for (to, from) in bus_id.iter_mut().zip(text.bytes().take(31)) {
        *to = from as c_char;
    }
    Pci {
        bus_id_legacy: legacy(&text),
        domain: 0,
        bus: view.index + 7,
        device: 0,
        device_id: 0x2330_10de,
        subsystem_id: 0,
        bus_id,
    }
}

fn utilization(view: &View) -> Utilization {
    if view.garbled("over100") {
        return Utilization { gpu: 255, memory: 255 };
    }
    Utilization { gpu: whole(view, "util"), memory: whole(view, "mem_util") }
}

/// Kilobytes per second; the call takes 20 ms.
fn throughput(view: &View, counter: u32) -> u32 {
    std::thread::sleep(std::time::Duration::from_millis(20));
    let rate = view.figure(if counter == 1 { "pcie_rx" } else { "pcie_tx" });
    let factor = if view.garbled("x1000") { 1.0 } else { 1e-3 };
    (rate * factor).min(f64::from(u32::MAX)) as u32
}

fn power(view: &View) -> u32 {
    if view.garbled("x1000") { u32::MAX / 2 } else { whole(view, "power") }
}

device_call! {
    nvmlDeviceGetName(out: *mut c_char, room: u32) |view| {
        give_text(&view.gpu.text("name", "Stand-in H100"), out, room)
    };
    nvmlDeviceGetUUID(out: *mut c_char, room: u32) |view| give_text(&uuid(view), out, room);
    nvmlDeviceGetPciInfo_v3(out: *mut Pci) |view| give(out, pci(view));
    nvmlDeviceGetMinorNumber(out: *mut u32) |view| give(out, view.index);
    nvmlDeviceGetIndex(out: *mut u32) |view| give(out, view.index);
    nvmlDeviceGetArchitecture(out: *mut u32) |_view| give(out, 9);
    nvmlDeviceGetCudaComputeCapability(major: *mut i32, minor: *mut i32) |_view| {
        give(major, 9);
        give(minor, 0)
    };
    nvmlDeviceGetNumGpuCores(out: *mut u32) |view| give(out, whole(view, "sms") * 128);
    nvmlDeviceGetAttributes_v2(out: *mut Attributes) |view| {
        if view.figure("no_attributes") > 0.0 {
            NOT_SUPPORTED
        } else {
            give(out, Attributes {
                multiprocessors: whole(view, "sms"),
                engines: [3, 7, 0, 7, 1],
                gpu_slices: 7,
                compute_slices: 7,
                memory_mb: (view.figure("mem_total") / 1_048_576.0) as u64,
            })
        }
    };
    nvmlDeviceGetUtilizationRates(out: *mut Utilization) |view| give(out, utilization(view));
    nvmlDeviceGetBAR1MemoryInfo(out: *mut Bar1) |_view| {
        give(out, Bar1 { total: 1 << 37, free: 1 << 36, used: 1 << 36 })
    };
    nvmlDeviceGetPcieThroughput(counter: u32, out: *mut u32) |view| give(out, throughput(view, counter));
    nvmlDeviceGetCurrPcieLinkGeneration(out: *mut u32) |view| give(out, whole(view, "link_gen"));
    nvmlDeviceGetMaxPcieLinkGeneration(out: *mut u32) |view| give(out, whole(view, "link_gen_max"));
    nvmlDeviceGetCurrPcieLinkWidth(out: *mut u32) |view| give(out, whole(view, "link_width"));
    nvmlDeviceGetMaxPcieLinkWidth(out: *mut u32) |view| give(out, whole(view, "link_width_max"));
    nvmlDeviceGetPcieSpeed(out: *mut u32) |_view| give(out, 16_000);
    nvmlDeviceGetPcieLinkMaxSpeed(out: *mut u32) |_view| give(out, 5);
    nvmlDeviceGetPcieReplayCounter(out: *mut u32) |_view| give(out, 0);
    nvmlDeviceGetClockInfo(kind: u32, out: *mut u32) |view| {
        give(out, whole(view, if kind == 2 { "mem_clock" } else { "sm_clock" }))
    };
    nvmlDeviceGetMaxClockInfo(kind: u32, out: *mut u32) |view| {
        give(out, whole(view, if kind == 2 { "mem_clock" } else { "sm_clock_max" }))
    };
    nvmlDeviceGetCurrentClocksThrottleReasons(out: *mut u64) |view| {
        give(out, view.figure("throttle") as u64)
    };
    nvmlDeviceGetPowerUsage(out: *mut u32) |view| give(out, power(view));
    nvmlDeviceGetEnforcedPowerLimit(out: *mut u32) |view| give(out, whole(view, "limit"));
    nvmlDeviceGetPowerManagementLimit(out: *mut u32) |view| give(out, whole(view, "limit"));
    nvmlDeviceGetPowerManagementLimitConstraints(low: *mut u32, high: *mut u32) |view| {
        give(low, 200_000);
        give(high, whole(view, "limit"))
    };
    nvmlDeviceGetTotalEnergyConsumption(out: *mut u64) |view| give(out, view.energy as u64);
    nvmlDeviceGetTemperature(_sensor: u32, out: *mut u32) |view| give(out, whole(view, "temp"));
    nvmlDeviceGetTemperatureThreshold(_kind: u32, out: *mut u32) |_view| give(out, 90);
    nvmlDeviceGetPerformanceState(out: *mut u32) |_view| give(out, 0);
    nvmlDeviceGetPersistenceMode(out: *mut u32) |_view| give(out, 1);
    nvmlDeviceGetEccMode(now: *mut u32, pending: *mut u32) |_view| {
        give(now, 1);
        give(pending, 1)
    };
    nvmlDeviceGetTotalEccErrors(_kind: u32, _counter: u32, out: *mut u64) |_view| give(out, 0);
    nvmlDeviceGetMigMode(now: *mut u32, pending: *mut u32) |_view| {
        give(now, 0);
        give(pending, 0)
    };
    nvmlDeviceGetMaxMigDeviceCount(out: *mut u32) |_view| give(out, 7);
    nvmlDeviceIsMigDeviceHandle(out: *mut u32) |_view| give(out, 0);
    nvmlDeviceGetBusType(out: *mut u32) |_view| give(out, 2);
    nvmlDeviceGetNumaNodeId(out: *mut u32) |_view| give(out, 0);
    nvmlDeviceGetNumFans(out: *mut u32) |_view| give(out, 0);
    nvmlDeviceGetFanSpeed_v2(_fan: u32, _out: *mut u32) |_view| NOT_SUPPORTED;
    nvmlDeviceGetSupportedEventTypes(out: *mut u64) |_view| give(out, 8);
    nvmlDeviceRegisterEvents(_types: u64, _set: *mut std::ffi::c_void) |_view| OK;
}

#[cfg(not(drv470))]
device_call! {
    nvmlDeviceGetCurrentClocksEventReasons(out: *mut u64) |view| {
        give(out, view.figure("throttle") as u64)
    };
}
