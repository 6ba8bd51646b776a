//! The figures of the chosen GPU beside its lanes.

use crate::fmt;
use crate::view::bar::bar;
use crate::view::focus::Look;
use crate::view::pcie_lane::share_of;
use crate::view::screen::{Line, Role, TextRow, span, strong};
use crate::view::text::{left, right};

use super::card::{Card, User, users};
use crate::model::sample::{GpuProcKind, PcieSource};

/// Columns of the words before a bar.
const LABEL: usize = 13;

fn row(left: Line) -> TextRow {
    TextRow { left, ..TextRow::default() }
}

/// What stands over the figures of a lane.
pub(super) fn heading(title: &str, remark: String) -> TextRow {
    TextRow {
        left: vec![strong(format!(" {title}"), Role::Title)],
        right: vec![span(remark, Role::Dim)],
        ..TextRow::default()
    }
}

/// A bar of a share, with a figure behind it.
fn gauge(
    label: &str,
    share: Option<f64>,
    figure: Option<String>,
    columns: usize,
    role: Role,
) -> TextRow {
    let figure_columns = if columns >= 46 { 18 } else { 10 };
    let room = columns.saturating_sub(LABEL + figure_columns + 1);
    let figure_role = if figure.is_some() { Role::Text } else { Role::Gap };
    let figure = figure.unwrap_or_else(|| fmt::NONE.to_owned());
    row(vec![
        span(left(&format!(" {label}"), LABEL), Role::Text),
        span(left(&bar(share.unwrap_or(0.0), room), room), role),
        span(right(&figure, figure_columns), figure_role),
    ])
}

/// How much of the GPU is at work.
pub(super) fn activity(card: &Card<'_>, width: u16) -> Vec<TextRow> {
    let columns = usize::from(width);
    let percent = |ratio: Option<f64>| ratio.map(|ratio| fmt::percent(ratio).trim().to_owned());
    let mut rows = Vec::new();
    let sm = card.read(|row| row.sm_active_ratio);
    if sm.is_some() {
        for (label, ratio) in [
            ("SM active", sm),
            ("tensor", card.read(|row| row.tensor_active_ratio)),
            ("DRAM", card.read(|row| row.dram_active_ratio)),
            ("occupancy", card.read(|row| row.sm_occupancy_ratio)),
        ] {
            rows.push(gauge(label, ratio, percent(ratio), columns, Role::GpuActivity));
        }
    } else {
        let busy = card.read(|row| row.memory_controller_ratio);
        rows.push(row(vec![span(no_activity(card), Role::Gap)]));
        rows.push(gauge("memory busy", busy, percent(busy), columns, Role::GpuActivity));
    }
    rows.extend(within(card));
    rows.extend(engines(card));
    rows
}

/// The honest label where only utilization is known.
fn no_activity(card: &Card<'_>) -> &'static str {
    match card.row.map(|row| row.sm_active_ratio.gap()) {
        Some(Some(crate::model::Gap::NotYet)) | None => " SM activity: not yet",
        Some(Some(crate::model::Gap::Denied)) => " SM activity: no permission",
        Some(Some(crate::model::Gap::Late | crate::model::Gap::Lost)) => " SM activity: no answer",
        _ => " no SM activity here: utilization says only that a kernel ran",
    }
}

/// What went on within the tick, by the driver's buffered samples.
fn within(card: &Card<'_>) -> Option<TextRow> {
    let (least, most) =
        (card.read(|row| row.utilization_min_ratio)?, card.read(|row| row.utilization_max_ratio)?);
    let text = format!(
        " within the second {} to {}",
        fmt::percent(least).trim_start(),
        fmt::percent(most).trim_start()
    );
    let mut line = vec![span(text, Role::Text)];
    if let Some(idle) = card.rate(|rates| rates.idle_ratio) {
        line.push(span(format!(" · no kernel {}", fmt::percent(idle).trim_start()), Role::Dim));
    }
    Some(row(line))
}

/// Engines beside the multiprocessors, where one works: a loader may decode on the GPU.
fn engines(card: &Card<'_>) -> Option<TextRow> {
    let parts: Vec<String> = [
        ("compute", card.read(|row| row.compute_engine_ratio)),
        ("render", card.read(|row| row.render_engine_ratio)),
        ("copy", card.read(|row| row.copy_engine_ratio)),
        ("JPEG", card.read(|row| row.jpeg_ratio)),
        ("decoder", card.read(|row| row.decoder_ratio)),
        ("encoder", card.read(|row| row.encoder_ratio)),
    ]
    .into_iter()
    .filter_map(|(word, ratio)| {
        let ratio = ratio.filter(|ratio| *ratio > 0.0)?;
        Some(format!("{word} {}", fmt::percent(ratio).trim_start()))
    })
    .collect();
    (!parts.is_empty()).then(|| row(vec![span(format!(" {}", parts.join("  ")), Role::Text)]))
}

/// Who holds memory of it.
pub(super) fn processes(look: &Look<'_>, card: &Card<'_>, width: u16, room: u16) -> Vec<TextRow> {
    let users = look.frame.map(|frame| users(frame, card.gpu)).unwrap_or_default();
    if users.is_empty() {
        return vec![row(vec![span(nobody(look, card), Role::Gap)])];
    }
    let room = usize::from(room);
    let device = users.iter().take(room).any(|user| user.device.is_some());
    let row = |user| process(user, usize::from(width), device);
    let mut rows: Vec<TextRow> = users.iter().take(room).map(row).collect();
    if users.len() > room
        && let Some(last) = rows.last_mut()
    {
        last.right = vec![span(format!("+{} ", users.len() - room + 1), Role::Dim)];
    }
    rows
}

fn nobody(look: &Look<'_>, card: &Card<'_>) -> &'static str {
    let cut = card.info.is_some_and(|info| info.modes.mig == Some(true));
    match (look.frame.is_some(), cut) {
        (false, _) => " nothing is known of this moment",
        (true, true) => " processes stand at its MIG instances",
        (true, false) => " no process on it",
    }
}

/// One process: `device` where there is a column for what it calls the GPU.
fn process(user: &User, columns: usize, device: bool) -> TextRow {
    let memory = user.bytes.map(|bytes| fmt::bytes(bytes as f64));
    let sm = user.sm.map(|sm| format!("SM {}", fmt::percent(sm)));
    let kind = match user.kind {
        Some(GpuProcKind::Graphics) => "gfx",
        Some(GpuProcKind::Mps) => "MPS",
        Some(GpuProcKind::Compute) | None => "",
    };
    // Pid, device, memory, share and kind have fixed columns; the name has the rest.
    let tail = if columns >= 50 { 8 } else { 0 };
    let device = if device && columns >= 54 { 9 } else { 0 };
    let name = columns.saturating_sub(9 + 1 + device + 10 + 4 + tail + 1);
    let mut line = vec![
        span(right(&user.pid.to_string(), 9), Role::Dim),
        span(" ", Role::Dim),
        span(left(user.name_in(name), name), if user.seen { Role::Text } else { Role::Gap }),
        span(left(user.device.as_ref().map_or("", |(name, _)| name), device), Role::Dim),
        span(right(memory.as_deref().unwrap_or(fmt::NONE), 10), Role::GpuMemory),
    ];
    if tail > 0 {
        line.push(span(right(sm.as_deref().unwrap_or(""), tail), Role::Text));
    }
    line.push(span(right(kind, 4), Role::Dim));
    row(line)
}

/// Power, clocks and heat.
pub(super) fn power(card: &Card<'_>, width: u16) -> Vec<TextRow> {
    let columns = usize::from(width);
    let mut rows = Vec::new();
    let ratio = card.rate(|rates| rates.sm_clock_ratio);
    let mega = |hertz: Option<u64>| hertz.map(|hertz| (hertz / 1_000_000).to_string());
    let clock = mega(card.read(|row| row.sm_clock_hertz));
    let most = mega(card.read(|row| row.sm_clock_max_hertz));
    let figure = clock.map(|clock| match most {
        Some(most) if columns >= 46 => format!("{clock} of {most} MHz"),
        _ => format!("{clock} MHz"),
    });
    rows.push(gauge("SM clock", ratio, figure, columns, Role::Text));
    let mut line = vec![span(" ", Role::Dim)];
    let mut add = |text: Option<String>, role| {
        if let Some(text) = text {
            if line.len() > 1 {
                line.push(span(" · ", Role::Dim));
            }
            line.push(span(text, role));
        }
    };
    let celsius = |value: Option<f64>| value.map(|value| fmt::celsius(value).trim().to_owned());
    add(celsius(card.read(|row| row.temperature_celsius)), Role::Text);
    let memory = celsius(card.read(|row| row.memory_temperature_celsius));
    add(memory.map(|text| format!("memory {text}")), Role::Text);
    let fan = card.read(|row| row.fan_ratio);
    add(fan.map(|fan| format!("fan {}", fmt::percent(fan).trim_start())), Role::Dim);
    add(card.read(|row| row.perf_state).map(|state| format!("P{state}")), Role::Dim);
    if line.len() == 1 {
        line.push(span(fmt::NONE, Role::Gap));
    }
    rows.push(row(line));
    if let Some((word, role)) = super::health::word(card) {
        rows.push(row(vec![span(" now: ", Role::Dim), span(word, role)]));
    }
    let held = card.rate(|rates| rates.power_throttle_ratio).filter(|ratio| *ratio >= 0.005);
    let hot = card.rate(|rates| rates.thermal_throttle_ratio).filter(|ratio| *ratio >= 0.005);
    for (ratio, what) in [(hot, "heat"), (held, "power limit")] {
        let Some(ratio) = ratio else { continue };
        let text = format!(" clocks held by {what} {} of the time", fmt::percent(ratio).trim());
        rows.push(row(vec![span(text, Role::Warn)]));
    }
    rows
}

/// Links as bars of their maximum.
pub(super) fn links(card: &Card<'_>, width: u16, nvlink_too: bool) -> Vec<TextRow> {
    let columns = usize::from(width);
    let mut rows = Vec::new();
    let mark = card.read(|row| row.pcie_bound).map_or("~", crate::model::Bound::mark);
    let figure = |rate: Option<f64>, share: Option<f64>, mark: &str| {
        let rate = fmt::rate(rate?).trim().to_owned();
        Some(match share.filter(|_| columns >= 46) {
            Some(share) => format!("{mark}{rate} {}", right(&share_of(share), 4)),
            None => format!("{mark}{rate}"),
        })
    };
    let sides = [
        (
            "PCIe ▲ to",
            card.rate(|r| r.pcie_rx_bytes_per_second),
            card.rate(|r| r.pcie_rx_ratio),
            Role::PcieRx,
        ),
        (
            "PCIe ▼ from",
            card.rate(|r| r.pcie_tx_bytes_per_second),
            card.rate(|r| r.pcie_tx_ratio),
            Role::PcieTx,
        ),
    ];
    for (label, rate, share, role) in sides {
        rows.push(gauge(label, share, figure(rate, share, mark), columns, role));
    }
    if nvlink_too && card.has_nvlink() {
        rows.extend(nvlink(card, width));
    }
    rows.extend(chip_to_chip(card, columns));
    rows
}

/// NVLink as bars of what all links carry.
pub(super) fn nvlink(card: &Card<'_>, width: u16) -> Vec<TextRow> {
    let columns = usize::from(width);
    let sides = [
        (
            "NVLink ▲",
            card.rate(|r| r.nvlink_rx_bytes_per_second),
            card.rate(|r| r.nvlink_rx_ratio),
            Role::PcieRx,
        ),
        (
            "NVLink ▼",
            card.rate(|r| r.nvlink_tx_bytes_per_second),
            card.rate(|r| r.nvlink_tx_ratio),
            Role::PcieTx,
        ),
    ];
    let rows = sides.into_iter().map(|(label, rate, share, role)| {
        let rate = rate.map(|rate| fmt::rate(rate).trim().to_owned());
        let figure = rate.map(|rate| match share.filter(|_| columns >= 46) {
            Some(share) => format!("{rate} {}", right(&share_of(share), 4)),
            None => rate,
        });
        gauge(label, share, figure, columns, role)
    });
    rows.collect()
}

/// The link to a Grace CPU, over which its host's data comes instead of PCIe.
fn chip_to_chip(card: &Card<'_>, columns: usize) -> Vec<TextRow> {
    let limit = card.read(|row| row.c2c_limit_bytes_per_second);
    let sides = [
        ("C2C ▲ to", card.read(|row| row.c2c_rx_bytes_per_second), Role::PcieRx),
        ("C2C ▼ from", card.read(|row| row.c2c_tx_bytes_per_second), Role::PcieTx),
    ];
    let rows = sides.into_iter().filter_map(|(label, rate, role)| {
        let rate = rate?;
        let share = limit.filter(|limit| *limit > 0.0).map(|limit| rate / limit);
        Some(gauge(label, share, Some(fmt::rate(rate).trim().to_owned()), columns, role))
    });
    rows.collect()
}

/// What the PCIe link is now, and how its figures are known.
pub(super) fn link_words(card: &Card<'_>) -> String {
    let wiring = |generation: Option<u64>, lanes: Option<u64>| {
        Some(format!("gen{} x{}", generation?.min(99), lanes?.min(99)))
    };
    let now = wiring(card.read(|row| row.pcie_link_gen), card.read(|row| row.pcie_link_width));
    let most =
        wiring(card.read(|row| row.pcie_link_gen_max), card.read(|row| row.pcie_link_width_max));
    let source = card.read(|row| row.pcie_source).map(|source| match source {
        PcieSource::Gpm => "measured",
        PcieSource::Counter => "counted",
        PcieSource::Snapshot => "looks of 20 ms",
    });
    let link = match (now, most) {
        (Some(now), Some(most)) if now != most => Some(format!("{now} of {most}")),
        (now, most) => now.or(most),
    };
    let words: Vec<String> = link.into_iter().chain(source.map(str::to_owned)).collect();
    if words.is_empty() { String::new() } else { format!("{} ", words.join(", ")) }
}
