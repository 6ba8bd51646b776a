//! PCIe, NVLink and the chip-to-chip link.

use std::time::Duration;

use crate::abi::{INVALID, NOT_SUPPORTED, Pci, Rc};
use crate::cost::Way;
use crate::figure::Figure;
use crate::world::View;
use crate::{device_call, give, letters, world};

/// Seconds of the window that a call for the throughput waits for.
const WINDOW: f64 = 0.02;

pub fn bus_id(view: &View) -> String {
    view.gpu.text("pci", &format!("00000000:{:02X}:00.0", view.index + 7))
}

fn pci(view: &View) -> Pci {
    let text = bus_id(view);
    let number = |at: usize, len: usize| {
        text.get(at..at + len).and_then(|part| u32::from_str_radix(part, 16).ok()).unwrap_or(0)
    };
    Pci {
        bus_id_legacy: letters(text.get(4..).unwrap_or_default()),
        domain: number(0, 8),
        bus: number(9, 2),
        device: number(12, 2),
        device_id: 0x2330_10de,
        subsystem_id: 0,
        bus_id: letters(&text),
    }
}

/// Kilobytes per second over the last 20 ms, for which the call takes that long.
fn throughput(view: &View, counter: u32) -> u32 {
    let way = if world::cost().way == Way::Spin { Way::Spin } else { Way::Sleep };
    way.spend(Duration::from_secs_f64(WINDOW));
    let figure = if counter == 1 { Figure::PcieRx } else { Figure::PcieTx };
    let rate = view.mean(figure, WINDOW);
    // Drivers 565 to 569 were known for it.
    let wrong = view.garbled("x1000") || (565..570).contains(&view.branch);
    let factor = if wrong { 1.0 } else { 1e-3 };
    (rate * factor).min(f64::from(u32::MAX)) as u32
}

/// Gigatransfers per second of a generation, in the thousands that the call answers.
fn transfers(view: &View) -> u32 {
    2500 * [1, 2, 3, 6, 12, 25][(view.whole(Figure::LinkGen).clamp(1, 6) - 1) as usize]
}

/// Whether a link of NVLink is there and up.
pub fn nvlink_up(view: &View, link: u32) -> Option<bool> {
    let known = f64::from(link) < view.get(Figure::Nvlinks);
    known.then(|| view.get(Figure::NvlinkDown) as u64 & 1 << link == 0)
}

unsafe fn nvlink<T>(view: &View, link: u32, out: *mut T, value: impl FnOnce(bool) -> T) -> Rc {
    match nvlink_up(view, link) {
        Some(up) => unsafe { give(out, value(up)) },
        None if view.get(Figure::Nvlinks) > 0.0 => INVALID,
        None => NOT_SUPPORTED,
    }
}

fn nvlink_errors(view: &View, counter: u32) -> Option<f64> {
    // NVML_NVLINK_ERROR_DL_REPLAY, _RECOVERY, _CRC_FLIT, _CRC_DATA
    let figure = match counter {
        0 => Figure::NvlinkReplays,
        1 => Figure::NvlinkRecoveries,
        2 | 3 => Figure::NvlinkCrc,
        _ => return None,
    };
    Some(view.get(figure))
}

device_call! {
    nvmlDeviceGetPciInfo_v3(out: *mut Pci) |view| give(out, pci(view));
    nvmlDeviceGetBusType(out: *mut u32) |_view| give(out, 2);
    nvmlDeviceGetPcieThroughput(counter: u32, out: *mut u32) |view| {
        if view.get(Figure::NoPcie) > 0.0 { NOT_SUPPORTED } else { give(out, throughput(view, counter)) }
    };
    nvmlDeviceGetCurrPcieLinkGeneration(out: *mut u32) |view| give(out, view.whole(Figure::LinkGen));
    nvmlDeviceGetMaxPcieLinkGeneration(out: *mut u32) |view| give(out, view.whole(Figure::LinkGenMax));
    nvmlDeviceGetGpuMaxPcieLinkGeneration(out: *mut u32) |view| give(out, view.whole(Figure::LinkGenMax));
    nvmlDeviceGetCurrPcieLinkWidth(out: *mut u32) |view| give(out, view.whole(Figure::LinkWidth));
    nvmlDeviceGetMaxPcieLinkWidth(out: *mut u32) |view| give(out, view.whole(Figure::LinkWidthMax));
    nvmlDeviceGetPcieSpeed(out: *mut u32) |view| give(out, transfers(view));
    nvmlDeviceGetPcieLinkMaxSpeed(out: *mut u32) |view| give(out, view.whole(Figure::LinkGenMax));
    nvmlDeviceGetPcieReplayCounter(out: *mut u32) |view| give(out, view.whole(Figure::Replays));
    nvmlDeviceGetNvLinkState(link: u32, out: *mut u32) |view| nvlink(view, link, out, u32::from);
    nvmlDeviceGetNvLinkVersion(link: u32, out: *mut u32) |view| {
        nvlink(view, link, out, |_| view.whole(Figure::NvlinkVersion))
    };
    nvmlDeviceGetNvLinkCapability(link: u32, _what: u32, out: *mut u32) |view| nvlink(view, link, out, |_| 1);
    nvmlDeviceGetNvLinkErrorCounter(link: u32, counter: u32, out: *mut u64) |view| {
        match nvlink_errors(view, counter) {
            Some(errors) => nvlink(view, link, out, |_| errors as u64),
            None => INVALID,
        }
    };
    // 2: a switch.
    nvmlDeviceGetNvLinkRemoteDeviceType(link: u32, out: *mut u32) |view| nvlink(view, link, out, |_| 2);
    nvmlDeviceGetC2cModeInfoV(out: *mut u32) |view| give(out, u32::from(view.get(Figure::C2c) > 0.0));
}
