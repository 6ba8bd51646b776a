//! CPU, memory and pressure over the time axis, and the figures beside them.

use crate::fmt;
use crate::history::Track;
use crate::model::Reading;
use crate::model::sample::HostSample;
use crate::view::bar::bar;
use crate::view::focus::Look;
use crate::view::gpu_lanes::percent_labels;
use crate::view::lane::{Lane, most, series, value, why_none};
use crate::view::screen::{Body, Draw, Line, Role, TextRow, span, strong};
use crate::view::text::{left, right};

use super::place::HostLane;

/// Shares that the axis of the pressure may end at.
const TOPS: [f64; 5] = [0.05, 0.1, 0.25, 0.5, 1.0];
/// Columns of the word before a figure.
const LABEL: usize = 13;
/// The three kinds of pressure, in the order of the screen.
const KINDS: [(&str, Track, Role); 3] = [
    ("CPU", Track::HostCpuPressure, Role::WorkerQueued),
    ("I/O", Track::HostIoPressure, Role::WorkerDisk),
    ("memory", Track::HostMemoryPressure, Role::Blocked),
];

/// A lane of the box.
pub(super) fn lane(look: &Look<'_>, of: HostLane) -> Lane {
    match of {
        HostLane::Cpu => cpu(look),
        HostLane::Memory => memory_lane(look),
        HostLane::Pressure => pressure_lane(look),
    }
}

fn host<'a>(look: &Look<'a>) -> Option<&'a HostSample> {
    look.frame.map(|frame| &frame.sample.host)
}

fn cpu(look: &Look<'_>) -> Lane {
    let (points, now) = (look.points(&Track::HostCpu), look.read(&Track::HostCpu));
    let all = vec![series(Role::WorkerRun, Draw::Area, points)];
    let mut plot = look.plot(1.0, all, why_none(&[now]));
    plot.labels = percent_labels();
    let mut values = Line::new();
    value(&mut values, look.moment_word(), now.ok().map(fmt::percent), Role::WorkerRun);
    let loads = host(look).map(|host| [host.load1, host.load5, host.load15]);
    if let Some([Reading::Is(one), Reading::Is(five), Reading::Is(fifteen)]) = loads {
        values.push(span(format!("  load {one:.1} {five:.1} {fifteen:.1}"), Role::Text));
    } else if let Some([Reading::Is(one), ..]) = loads {
        values.push(span(format!("  load {one:.1}"), Role::Text));
    }
    let waits = look.frame.and_then(|frame| frame.host.cpu_iowait_ratio.ok());
    if let Some(waits) = waits.filter(|waits| *waits >= 0.005) {
        values.push(span(format!("  iowait {}", fmt::percent(waits).trim_start()), Role::Dim));
    }
    let title = vec![strong("CPU", Role::WorkerRun), span("  of all", Role::Dim)];
    Lane { title, values, body: Body::Plot(plot) }
}

fn memory_lane(look: &Look<'_>) -> Lane {
    let (points, now) = (look.points(&Track::HostMemory), look.read(&Track::HostMemory));
    let all = vec![series(Role::GpuMemory, Draw::Area, points)];
    let mut plot = look.plot(1.0, all, why_none(&[now]));
    plot.labels = percent_labels();
    let mut values = Line::new();
    value(&mut values, look.moment_word(), now.ok().map(fmt::percent), Role::GpuMemory);
    let total = host(look).and_then(|host| host.memory_total_bytes.ok());
    if let (Reading::Is(share), Some(total)) = (now, total) {
        let used = fmt::bytes(share * total as f64);
        let text = format!("  {} of {}", used.trim(), fmt::bytes(total as f64).trim());
        values.push(span(text, Role::Text));
    }
    let title = vec![strong("Memory", Role::GpuMemory), span("  in use", Role::Dim)];
    Lane { title, values, body: Body::Plot(plot) }
}

fn pressure_lane(look: &Look<'_>) -> Lane {
    let points: Vec<_> = KINDS.iter().map(|(_, track, _)| look.points(track)).collect();
    let now: Vec<Reading<f64>> = KINDS.iter().map(|(_, track, _)| look.read(track)).collect();
    let peak = points.iter().filter_map(|points| most(points)).fold(0.0, f64::max);
    let high = TOPS.into_iter().find(|top| peak <= *top).unwrap_or(1.0);
    let all =
        KINDS.iter().zip(points).map(|((_, _, role), points)| series(*role, Draw::Line, points));
    let mut plot = look.plot(high, all.collect(), why_none(&now));
    plot.labels = vec![(high, fmt::percent(high).trim().to_owned())];
    let mut values = Line::new();
    for ((name, _, role), now) in KINDS.iter().zip(now) {
        value(&mut values, &format!("{name} "), now.ok().map(fmt::percent), *role);
    }
    let title = vec![strong("Pressure", Role::Title), span("  share of time", Role::Dim)];
    Lane { title, values, body: Body::Plot(plot) }
}

/// What stands over the memory's figures.
pub(super) fn memory_heading(look: &Look<'_>) -> TextRow {
    let faults = look.frame.and_then(|frame| frame.host.major_faults_per_second.ok());
    let remark =
        faults.map(|rate| format!("{} faults with I/O a second ", fmt::count(rate).trim()));
    TextRow {
        left: vec![strong(" Held by", Role::Title)],
        right: vec![span(remark.unwrap_or_default(), Role::Dim)],
        ..TextRow::default()
    }
}

/// What memory is used for.
pub(super) fn memory(look: &Look<'_>, width: u16) -> Vec<TextRow> {
    let Some(host) = host(look) else { return Vec::new() };
    let total = host.memory_total_bytes.ok();
    let part = |bytes: Reading<u64>, of: Option<u64>| {
        let share = bytes.ok().zip(of).filter(|(_, of)| *of > 0);
        (bytes, share.map(|(bytes, of)| bytes as f64 / of as f64))
    };
    let cache = host
        .memory_cached_bytes
        .zip(host.memory_shared_bytes)
        .map(|(cached, shared)| cached.saturating_sub(shared))
        .or(host.memory_cached_bytes);
    let swapped = host
        .swap_total_bytes
        .zip(host.swap_free_bytes)
        .map(|(total, free)| total.saturating_sub(free));
    let rows = [
        ("page cache", part(cache, total), Role::DiskRead),
        ("shared, tmpfs", part(host.memory_shared_bytes, total), Role::Queue),
        ("/dev/shm", part(host.shm_used_bytes, host.shm_size_bytes.ok()), Role::Queue),
        ("swap", part(swapped, host.swap_total_bytes.ok()), Role::Warn),
        ("to be written", part(host.memory_dirty_bytes, total), Role::Dim),
    ];
    let room = usize::from(width).saturating_sub(LABEL + 2 + 20);
    let rows = rows.into_iter().map(|(label, (bytes, share), role)| {
        let figure = match bytes {
            Reading::Is(bytes) => fmt::bytes(bytes as f64),
            Reading::Not(gap) => gap.words().to_owned(),
        };
        let share_text = share.map(fmt::percent).unwrap_or_default();
        let line = vec![
            span(format!(" {} ", left(label, LABEL)), Role::Text),
            span(left(&bar(share.unwrap_or(0.0), room), room), role),
            span(right(&figure, 14), if bytes.is() { Role::Text } else { Role::Gap }),
            span(right(&share_text, 5), Role::Dim),
        ];
        TextRow { left: line, ..TextRow::default() }
    });
    rows.collect()
}

/// What stands over the pressure's figures.
pub(super) fn pressure_heading() -> TextRow {
    let text = format!(" {} {:>8} {:>8}", left("Waits for", LABEL), "some", "all");
    TextRow { left: vec![strong(text, Role::Title)], ..TextRow::default() }
}

/// Shares of time in which some task waited, and in which all did.
pub(super) fn pressure(look: &Look<'_>) -> Vec<TextRow> {
    let Some(rates) = look.frame.map(|frame| &frame.host) else { return Vec::new() };
    let full = [None, Some(rates.psi_io_full_ratio), Some(rates.psi_memory_full_ratio)];
    let some = [rates.psi_cpu_some_ratio, rates.psi_io_some_ratio, rates.psi_memory_some_ratio];
    let cell = |reading: Option<Reading<f64>>, role: Role| match reading {
        Some(Reading::Is(share)) => span(right(&fmt::fine_percent(share), 9), role),
        Some(Reading::Not(_)) => span(fmt::none(9), Role::Gap),
        None => span(" ".repeat(9), Role::Dim),
    };
    let mut rows: Vec<TextRow> = KINDS
        .iter()
        .zip(some.into_iter().zip(full))
        .map(|((name, _, role), (some, full))| {
            let label = span(format!(" {}", left(name, LABEL)), Role::Text);
            let line = vec![label, cell(Some(some), *role), cell(full, *role)];
            TextRow { left: line, ..TextRow::default() }
        })
        .collect();
    // Why there is none stands once, beside the first.
    if let Some(gap) = some[1].gap()
        && let Some(first) = rows.first_mut()
    {
        first.right = vec![span(format!("{} ", gap.words()), Role::Gap)];
    }
    rows
}
