//! Disks, the trainers' data, limits and networks: a row each under a heading.

use std::collections::BTreeMap;

use crate::fmt;
use crate::model::frame::{CgroupRates, DiskRates};
use crate::model::inventory::{DiskInfo, Storage};
use crate::model::sample::CgroupSample;
use crate::model::{Frame, Gap, Reading};
use crate::view::focus::Look;
use crate::view::screen::{Line, Role, TextRow, span, strong};
use crate::view::text::{cut, left, right, safe, tail, width as columns_of};

/// Columns of a device's or a group's name.
const NAME: usize = 12;
/// The fewest columns of what stands at the end of a row.
const REST: usize = 24;
/// Networks that carry nothing are left out beyond so many.
const QUIET_NETS: usize = 3;

/// A heading and rows below it, with a blank row behind.
fn block(heading: Line, mut rows: Vec<TextRow>) -> Vec<TextRow> {
    rows.insert(0, TextRow { left: heading, ..TextRow::default() });
    rows.push(TextRow::default());
    rows
}

/// The heading: what it is, and the words over the figures.
pub(super) fn heading(title: &str, heads: &[(&str, usize)], rest: &str) -> Line {
    let mut line = vec![strong(left(&format!(" {title}"), NAME + 1), Role::Title)];
    for (head, width) in heads {
        line.push(span(format!(" {}", right(head, *width)), Role::Dim));
    }
    line.push(span(format!("  {rest}"), Role::Dim));
    line
}

fn said(text: &str) -> TextRow {
    TextRow { left: vec![span(format!(" {text}"), Role::Gap)], ..TextRow::default() }
}

/// A figure of a row: its heading, its width, how it reads and its role.
struct Figure<T> {
    head: &'static str,
    width: usize,
    of: fn(&T) -> Reading<f64>,
    show: fn(f64) -> String,
    role: Role,
}

/// The figures that a width has room for, the most wanted first.
fn fitting<T>(figures: &[Figure<T>], width: usize) -> &[Figure<T>] {
    let mut room = width.saturating_sub(NAME + 1 + REST);
    let count = figures.iter().take_while(|figure| {
        let needed = figure.width + 1;
        let fits = needed <= room;
        room = room.saturating_sub(needed);
        fits
    });
    &figures[..count.count()]
}

fn cells<T>(figures: &[Figure<T>], row: &T) -> Line {
    let cells = figures.iter().map(|figure| {
        let (text, role) = match (figure.of)(row) {
            Reading::Is(value) if value.is_finite() => ((figure.show)(value), figure.role),
            // Without a read there is no time of one: no gap in what is known.
            Reading::Not(Gap::NotApplicable) => (String::new(), Role::Dim),
            _ => (fmt::NONE.to_owned(), Role::Gap),
        };
        span(format!(" {}", right(&text, figure.width)), role)
    });
    cells.collect()
}

fn heads<T>(figures: &[Figure<T>]) -> Vec<(&'static str, usize)> {
    figures.iter().map(|figure| (figure.head, figure.width)).collect()
}

fn queue(value: f64) -> String {
    format!("{value:.1}")
}

const DISKS: [Figure<DiskRates>; 8] = [
    Figure {
        head: "READ",
        width: 9,
        of: |d| d.read_bytes_per_second,
        show: fmt::rate,
        role: Role::DiskRead,
    },
    Figure { head: "BUSY", width: 4, of: |d| d.busy_ratio, show: fmt::percent, role: Role::Text },
    Figure {
        head: "AWAIT",
        width: 7,
        of: |d| d.read_await_seconds,
        show: fmt::seconds,
        role: Role::Text,
    },
    Figure { head: "QUEUE", width: 6, of: |d| d.queue, show: queue, role: Role::Text },
    Figure {
        head: "WRITE",
        width: 9,
        of: |d| d.write_bytes_per_second,
        show: fmt::rate,
        role: Role::DiskRead,
    },
    Figure {
        head: "READS/s",
        width: 7,
        of: |d| d.reads_per_second,
        show: fmt::count,
        role: Role::Text,
    },
    Figure {
        head: "SIZE",
        width: 8,
        of: |d| d.read_size_bytes,
        show: fmt::bytes,
        role: Role::Text,
    },
    Figure {
        head: "W AWAIT",
        width: 7,
        of: |d| d.write_await_seconds,
        show: fmt::seconds,
        role: Role::Text,
    },
];

/// What the disks do, and where they are mounted.
pub(super) fn disks(look: &Look<'_>, width: usize) -> Vec<TextRow> {
    let Some(frame) = look.frame else {
        return block(heading("Disks", &[], ""), vec![said("nothing is known of this moment")]);
    };
    let figures = fitting(&DISKS, width);
    let used = NAME + 1 + figures.iter().map(|figure| figure.width + 1).sum::<usize>();
    let data: Vec<&str> = stores(look).iter().filter_map(|store| store.disk.as_deref()).collect();
    let rows: Vec<TextRow> = frame
        .disks
        .iter()
        .map(|disk| {
            let of_data = data.contains(&&*disk.disk);
            let mark = if of_data { "▸" } else { " " };
            let name = left(&format!("{mark}{}", cut(&safe(&disk.disk), NAME)), NAME + 1);
            let mut line = vec![span(name, if of_data { Role::Title } else { Role::Text })];
            line.extend(cells(figures, disk));
            let info =
                look.inventory().and_then(|names| names.disks.iter().find(|i| i.disk == disk.disk));
            let where_to = info.map(|info| place(info)).unwrap_or_default();
            line.push(span(
                format!("  {}", cut(&where_to, width.saturating_sub(used + 2))),
                Role::Dim,
            ));
            TextRow { left: line, ..TextRow::default() }
        })
        .collect();
    let rows = if rows.is_empty() { vec![said("none is told of (/proc/diskstats)")] } else { rows };
    block(heading("Disks", &heads(figures), "MOUNTED, MODEL"), rows)
}

/// Where a disk is mounted, what it is made of, and which it is.
fn place(info: &DiskInfo) -> String {
    let mounts: Vec<String> = info.mounts.iter().take(3).map(|mount| safe(mount)).collect();
    let more = info.mounts.len().saturating_sub(3);
    let mut parts = Vec::new();
    if !mounts.is_empty() {
        let more = if more > 0 { format!(" +{more}") } else { String::new() };
        parts.push(mounts.join(" ") + &more);
    }
    if !info.made_of.is_empty() {
        let of: Vec<String> = info.made_of.iter().take(4).map(|disk| safe(disk)).collect();
        parts.push(format!("of {}", of.join(" ")));
    }
    if !info.model.is_empty() {
        parts.push(safe(&info.model));
    }
    parts.join(" · ")
}

/// Where the loaders' files are, each place once.
fn stores<'a>(look: &Look<'a>) -> Vec<&'a Storage> {
    let mut stores: Vec<&Storage> = Vec::new();
    for loader in look.inventory().into_iter().flat_map(|names| &names.loaders) {
        for store in &loader.storage {
            if !stores.contains(&store) {
                stores.push(store);
            }
        }
    }
    stores
}

/// The filesystems that the trainers read their data from.
pub(super) fn data(look: &Look<'_>, width: usize) -> Vec<TextRow> {
    let stores = stores(look);
    if stores.is_empty() {
        return Vec::new();
    }
    let rows = stores.into_iter().map(|store| {
        let mount = safe(&store.mount);
        let room = width.saturating_sub(2);
        let kind = safe(&store.filesystem);
        let on = match (&store.disk, store.remote) {
            (Some(disk), _) => format!("{kind} on {}", safe(disk)),
            (None, true) => format!("{kind}, served by another machine"),
            (None, false) => format!("{kind}, on no disk that is known"),
        };
        let text = format!("{}  {on}", tail(&mount, room / 2));
        let left = vec![span(format!(" {}", cut(&text, room)), Role::Text)];
        TextRow { left, ..TextRow::default() }
    });
    block(heading("Data", &[], "what loaders have open"), rows.collect())
}

/// The limits of the control groups that bound a training, and how often they bind.
pub(super) fn limits(look: &Look<'_>, width: usize) -> Vec<TextRow> {
    let Some(frame) = look.frame.filter(|frame| !frame.sample.cgroups.is_empty()) else {
        return Vec::new();
    };
    let rates: BTreeMap<&str, &CgroupRates> =
        frame.cgroups.iter().map(|rates| (&*rates.cgroup, rates)).collect();
    let mut rows = Vec::new();
    for group in &frame.sample.cgroups {
        let path = safe(&group.cgroup);
        let path = if path.is_empty() { "/".to_owned() } else { path };
        let name = if columns_of(&path) + 1 < width {
            path
        } else {
            format!("…{}", tail(&path, width.saturating_sub(3)))
        };
        let left = vec![span(format!(" {name}"), Role::Text)];
        rows.push(TextRow { left, ..TextRow::default() });
        for line in bounds(group, rates.get(&*group.cgroup).copied(), frame) {
            rows.push(TextRow { left: line, ..TextRow::default() });
        }
    }
    block(heading("Limits", &[], "control groups of the trainings"), rows)
}

/// CPU and memory of a group, each with its limit.
fn bounds(group: &CgroupSample, rates: Option<&CgroupRates>, frame: &Frame) -> Vec<Line> {
    let box_cpus = frame.sample.host.cpu_count.ok().map(|count| count as f64);
    let mut cpu = vec![span("   CPU ", Role::Dim)];
    let used = rates.and_then(|rates| rates.cpu_cores.ok());
    cpu.push(span(
        used.map_or_else(|| fmt::NONE.to_owned(), |used| format!("{used:.1}")),
        Role::WorkerRun,
    ));
    let quota = match group.cpu_limit_cores {
        Reading::Is(limit) => format!(" of {limit:.1} cores by quota"),
        Reading::Not(Gap::NotApplicable) => " cores, no quota".to_owned(),
        Reading::Not(gap) => format!(" cores, quota {}", gap.words()),
    };
    cpu.push(span(quota, Role::Text));
    let set = group.cpuset_cores.ok().map(|cores| cores as f64);
    if let Some(set) = set.filter(|set| box_cpus.is_none_or(|all| *set < all)) {
        cpu.push(span(format!(", bound to {set:.0} CPUs"), Role::Text));
    }
    match rates.and_then(|rates| rates.throttled_periods_ratio.ok()) {
        Some(share) if share > 0.0 => {
            let text = format!(" · throttled in {} of the periods", fmt::percent(share).trim());
            cpu.push(span(text, Role::Warn));
        }
        Some(_) => cpu.push(span(" · not throttled", Role::Dim)),
        None => {}
    }
    let mut memory = vec![span("   memory ", Role::Dim)];
    let bytes = |reading: Reading<u64>| {
        reading.ok().map(|bytes| fmt::bytes(bytes as f64).trim().to_owned())
    };
    let none = || fmt::NONE.to_owned();
    memory.push(span(bytes(group.memory_current_bytes).unwrap_or_else(none), Role::GpuMemory));
    memory.push(span(
        match group.memory_limit_bytes {
            Reading::Is(limit) => format!(" of {}", fmt::bytes(limit as f64).trim()),
            Reading::Not(Gap::NotApplicable) => ", no limit".to_owned(),
            Reading::Not(gap) => format!(", limit {}", gap.words()),
        },
        Role::Text,
    ));
    if let Some(cache) = bytes(group.memory_file_bytes) {
        memory.push(span(format!(", page cache {cache} of it"), Role::Dim));
    }
    if let Some(limit) = group.io_read_limit_bytes_per_second.ok() {
        let text = format!(" · reads held to {}", fmt::rate(limit as f64).trim());
        memory.push(span(text, Role::Warn));
    }
    vec![cpu, memory]
}

/// What the networks carry. Of those that carry nothing some are left out, and counted.
pub(super) fn networks(look: &Look<'_>, width: usize) -> Vec<TextRow> {
    let Some(frame) = look.frame.filter(|frame| !frame.nets.is_empty()) else { return Vec::new() };
    let moves = |rates: &crate::model::frame::NetRates| {
        let rate = |reading: Reading<f64>| reading.ok().unwrap_or(0.0);
        rate(rates.rx_bytes_per_second) + rate(rates.tx_bytes_per_second) >= 1.0
    };
    let (busy, quiet): (Vec<_>, Vec<_>) = frame.nets.iter().partition(|net| moves(net));
    let shown = busy.iter().chain(quiet.iter().take(QUIET_NETS));
    let rate = |reading: Reading<f64>| match reading {
        Reading::Is(rate) => (fmt::rate(rate), Role::WorkerNet),
        Reading::Not(_) => (fmt::NONE.to_owned(), Role::Gap),
    };
    let mut rows: Vec<TextRow> = shown
        .map(|net| {
            let name = left(&format!(" {}", cut(&safe(&net.interface), NAME - 1)), NAME + 1);
            let (rx, tx) = (rate(net.rx_bytes_per_second), rate(net.tx_bytes_per_second));
            let line = vec![
                span(name, Role::Text),
                span(format!(" {}", right(&rx.0, 9)), rx.1),
                span(format!(" {}", right(&tx.0, 9)), tx.1),
            ];
            TextRow { left: line, ..TextRow::default() }
        })
        .collect();
    let hidden = quiet.len().saturating_sub(QUIET_NETS);
    if hidden > 0 {
        rows.push(said(&cut(&format!("{hidden} more that carry nothing"), width)));
    }
    block(heading("Networks", &[("IN", 9), ("OUT", 9)], ""), rows)
}
