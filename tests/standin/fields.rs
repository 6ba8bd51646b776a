//! Field values, by the numbers of nvml.h.

use crate::abi::{FieldValue, INVALID, NOT_SUPPORTED, OK};
use crate::figure::Figure;
use crate::link::nvlink_up;
use crate::world::{View, cost};
use crate::{device, device_call, health, variant};

/// `nvmlValueType_t`
const UNSIGNED_INT: u32 = 1;
const UNSIGNED_LONG_LONG: u32 = 3;
const SIGNED_INT: u32 = 5;
/// The scope of all links together.
const ALL_LINKS: u32 = u32::MAX;

type Value = Option<(u32, u64)>;

fn int(value: f64) -> Value {
    Some((UNSIGNED_INT, u64::from(value.round() as u32)))
}

fn long(value: f64) -> Value {
    Some((UNSIGNED_LONG_LONG, value as u64))
}

/// 32 bits and round again, 64 bits where the script says so.
fn counter(view: &View, bytes: f64) -> Value {
    if view.get(Figure::Counter64) > 0.0 {
        return long(bytes);
    }
    Some((UNSIGNED_INT, u64::from(bytes as u64 as u32)))
}

/// The part of a sum over all links that the link of this scope has.
fn of_link(view: &View, scope: u32, sum: f64) -> Option<f64> {
    let links = view.get(Figure::Nvlinks);
    if links <= 0.0 {
        return None;
    }
    if scope == ALL_LINKS {
        return Some(sum);
    }
    let up = (0..links as u32).filter(|link| nvlink_up(view, *link) == Some(true)).count();
    nvlink_up(view, scope).map(|yes| if yes { sum / up as f64 } else { 0.0 })
}

fn nvlink(view: &View, id: u32, scope: u32) -> Value {
    let links = view.get(Figure::Nvlinks);
    let newest = view.get(Figure::NvlinkVersion) >= 7.0;
    if links <= 0.0 {
        return if id == 91 { int(0.0) } else { None };
    }
    let bytes = |figure| of_link(view, scope, view.sum(figure));
    match id {
        91 | 147 => int(links),
        90 => int(view.get(Figure::NvlinkSpeed)),
        84..=89 => nvlink_up(view, id - 84).and_then(|_| int(view.get(Figure::NvlinkSpeed))),
        // Kibibytes, data and with overhead.
        138 | 140 if !newest => bytes(Figure::NvlinkTx).and_then(|bytes| long(bytes / 1024.0)),
        139 | 141 if !newest => bytes(Figure::NvlinkRx).and_then(|bytes| long(bytes / 1024.0)),
        202 if newest && view.branch >= 570 => bytes(Figure::NvlinkTx).and_then(long),
        204 if newest && view.branch >= 570 => bytes(Figure::NvlinkRx).and_then(long),
        164 => nvlink_up(view, scope).and_then(|_| int(view.get(Figure::NvlinkSpeed))),
        165 => nvlink_up(view, scope).and_then(|up| int(f64::from(u8::from(up)))),
        166 => nvlink_up(view, scope).and_then(|_| int(view.get(Figure::NvlinkVersion))),
        52 | 161 => long(view.get(Figure::NvlinkReplays)),
        59 | 162 => long(view.get(Figure::NvlinkRecoveries)),
        38 | 45 | 163 => long(view.get(Figure::NvlinkCrc)),
        _ => None,
    }
}

fn errors(view: &View, id: u32) -> Value {
    let ecc = |kind, ever| health::ecc(view, kind, ever).and_then(long);
    let row = |figure| if health::remaps(view) { int(view.get(figure)) } else { None };
    match id {
        1 | 2 => int(view.get(Figure::Ecc)),
        3 | 11 => ecc(0, 0),
        4 | 12 => ecc(1, 0),
        5 | 22 => ecc(0, 1),
        6 | 23 => ecc(1, 1),
        29 => int(view.get(Figure::RetiredSingle)),
        30 => int(view.get(Figure::RetiredDouble)),
        31 => int(view.get(Figure::RetiredPending)),
        142 => row(Figure::RowsCorrected),
        143 => row(Figure::RowsUncorrected),
        144 => row(Figure::RowsPending),
        145 => row(Figure::RowsFailed),
        _ => None,
    }
}

/// What came with R535: power in its kinds, and distances to the limits of temperature.
fn power(view: &View, id: u32) -> Value {
    let margin = view.get(Figure::TempSlowdown) - view.get(Figure::Temp);
    match id {
        185 => int(f64::from(device::power(view))),
        186 if view.garbled("x1000") => int(f64::from(u32::MAX / 2)),
        186 => int(view.get(Figure::Power)),
        187 => int(view.get(Figure::LimitMin)),
        188 | 189 => int(view.get(Figure::LimitMax).max(view.get(Figure::Limit))),
        190 | 192 => int(view.get(Figure::Limit)),
        191 => long(view.sum(Figure::Power)),
        193..=196 => Some((SIGNED_INT, margin as i32 as u32 as u64)),
        _ => None,
    }
}

fn field(view: &View, id: u32, scope: u32) -> Value {
    if view.get(Figure::Fields) <= 0.0 {
        return None;
    }
    let counters = view.branch >= 555 && variant::has_counters() && view.get(Figure::NoPcie) <= 0.0;
    match id {
        82 => Some(view.get(Figure::TempMemory)).filter(|celsius| *celsius > 0.0).and_then(int),
        83 => long(view.sum(Figure::Power)),
        74 => long(view.sum(Figure::HeldByPower)),
        75 => long(view.sum(Figure::HeldByHeat)),
        94 => int(view.get(Figure::Replays)),
        1..=31 | 142..=145 => errors(view, id),
        32..=93 | 138..=141 | 147..=168 | 201..=222 => nvlink(view, id, scope),
        170 if view.branch >= 525 => int(view.get(Figure::C2c)),
        171 if view.branch >= 525 && view.get(Figure::C2c) > 0.0 => int(1.0),
        172 if view.branch >= 525 && view.get(Figure::C2c) > 0.0 => int(view.get(Figure::C2cSpeed)),
        185..=196 if view.branch >= 535 => power(view, id),
        197 if counters => counter(view, view.sum(Figure::PcieTx)),
        198 if counters => counter(view, view.sum(Figure::PcieRx)),
        230 if view.branch >= 565 => int(view.get(Figure::Recovery)),
        _ => None,
    }
}

device_call! {
    nvmlDeviceGetFieldValues(count: i32, list: *mut FieldValue) |view| {
        if list.is_null() || count < 0 {
            return INVALID;
        }
        cost().spend_on_fields((0..count as usize).map(|at| (*list.add(at)).id));
        for at in 0..count as usize {
            let value = &mut *list.add(at);
            value.timestamp = view.unix as i64;
            value.latency = 0;
            value.rc = NOT_SUPPORTED;
            if let Some((kind, number)) = field(view, value.id, value.scope) {
                (value.kind, value.value, value.rc) = (kind, number, OK);
            }
        }
        OK
    };
}
