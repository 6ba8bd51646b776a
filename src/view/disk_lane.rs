//! The lane of the disk that the loader's files are on.

use crate::fmt;
use crate::model::frame::DiskRates;
use crate::model::inventory::{DiskInfo, Storage};
use crate::model::{Gap, Reading};

use super::focus::Look;
use super::lane::{Lane, most, series, value};
use super::screen::{Body, Draw, Line, Role, span, strong};
use super::text::word;
use crate::history::Track;

/// Whether anything is read from a disk within the lane.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reads {
    Some,
    Nothing,
}

/// Which device the lane shows, and how it was chosen.
enum Chosen<'a> {
    /// The loader's files are on it.
    Loader(&'a str),
    /// Where the loader's files are is not known; it reads most of what the lane shows, or, where
    /// nothing is read there, of all that is kept.
    Busiest(&'a str, Reads),
    /// The loader's files are on another machine.
    Remote(&'a Storage),
    /// There is none.
    None,
}

/// The lane.
pub(super) fn disk(look: &Look<'_>) -> Lane {
    let chosen = choose(look);
    let mut title = vec![strong("Disk read", Role::DiskRead)];
    let name = match chosen {
        Chosen::Loader(name) | Chosen::Busiest(name, _) => name,
        Chosen::Remote(storage) => return remote(look, title, storage),
        Chosen::None => return without(look, title, "no disk found"),
    };
    title.push(word(&format!("  {name}"), Role::Dim));
    let why = match chosen {
        Chosen::Busiest(_, Reads::Some) => Some("  the busiest"),
        Chosen::Busiest(_, Reads::Nothing) => Some("  no disk reads"),
        Chosen::Loader(_) | Chosen::Remote(_) | Chosen::None => None,
    };
    if let Some(why) = why {
        // Apart, so that a narrow screen still says that it is not known to be the loader's.
        title.push(span(why, Role::Dim));
        title.push(span("; loader's files not located", Role::Dim));
    }
    let of = Track::DiskRead(name.into());
    let points = look.points(&of);
    let now = look.read(&of);
    let seen = most_ever(look, &of);
    let limit = read_limit(look);
    let ceiling = limit.or(seen);
    let high = ceiling.unwrap_or(0.0).max(most(&points).unwrap_or(0.0)) * 1.1;
    let reason = now.gap().map_or("no data", Gap::words);
    let mut plot = look.plot(high, vec![series(Role::DiskRead, Draw::Area, points)], reason);
    plot.limit = ceiling.filter(|rate| *rate > 0.0);
    let what = if limit.is_some() { "limit" } else { "most seen" };
    if let Some(rate) = plot.limit {
        plot.labels = vec![(rate, format!("{what} {}", fmt::rate(rate).trim()))];
    }
    Lane { title, values: values(look, name, now), body: Body::Plot(plot) }
}

fn values(look: &Look<'_>, name: &str, now: Reading<f64>) -> Line {
    let mut line = Line::new();
    value(&mut line, look.moment_word(), now.ok().map(fmt::rate), Role::DiskRead);
    if let Some(busy) = look.read(&Track::DiskBusy(name.into())).ok() {
        value(&mut line, "", Some(format!("{} busy", fmt::percent(busy))), Role::Text);
    }
    let rates = look.frame.and_then(|frame| frame.disks.iter().find(|disk| *disk.disk == *name));
    if let Some(wait) = rates.and_then(|rates: &DiskRates| rates.read_await_seconds.ok()) {
        value(&mut line, "", Some(format!("{} a read", fmt::seconds(wait).trim_end())), Role::Text);
    }
    line
}

fn remote(look: &Look<'_>, mut title: Line, storage: &Storage) -> Lane {
    let filesystem = if storage.filesystem.is_empty() { "a network" } else { &*storage.filesystem };
    title.push(word(&format!("  files are on {filesystem} at {}", storage.mount), Role::Dim));
    without(look, title, "served by another machine: no disk of this one is read")
}

fn without(look: &Look<'_>, title: Line, reason: &str) -> Lane {
    let plot = look.plot(1.0, Vec::new(), reason);
    Lane { title, values: vec![span(fmt::NONE, Role::Gap)], body: Body::Plot(plot) }
}

fn choose<'a>(look: &Look<'a>) -> Chosen<'a> {
    if let Some(storage) = look.loader_info().and_then(|info| info.storage.first()) {
        if let Some(name) = &storage.disk {
            return Chosen::Loader(name);
        }
        if storage.remote {
            return Chosen::Remote(storage);
        }
    }
    let Some(inventory) = look.inventory() else { return Chosen::None };
    let media = inventory.disks.iter().filter(|disk| disk.made_of.is_empty());
    let mut best: Option<((f64, f64), &str)> = None;
    for disk in media.filter(|disk| DiskInfo::is_medium(&disk.disk)) {
        let of = Track::DiskRead(disk.disk.clone());
        let window = &look.window;
        let peak = most(&look.past.buckets(&of, window.from_ms, window.to_ms, 1)).unwrap_or(0.0);
        let reads = (peak, most_ever(look, &of).unwrap_or(0.0));
        if best.is_none_or(|(most, _)| reads > most) {
            best = Some((reads, &*disk.disk));
        }
    }
    best.map_or(Chosen::None, |((peak, _), name)| {
        Chosen::Busiest(name, if peak > 0.0 { Reads::Some } else { Reads::Nothing })
    })
}

/// The highest rate of all that is kept: the nearest thing to a ceiling that watching alone gives.
fn most_ever(look: &Look<'_>, of: &Track) -> Option<f64> {
    let (oldest, newest) = look.past.span()?;
    let newest = if look.live() { newest.saturating_add(1) } else { look.window.to_ms };
    most(&look.past.buckets(of, oldest.min(newest), newest, 1)).filter(|rate| rate.is_finite())
}

/// The lowest read limit of the trainer's control group.
fn read_limit(look: &Look<'_>) -> Option<f64> {
    let cgroup = look.inventory()?.proc(look.pid?)?.cgroup.as_deref()?;
    let row = look.frame?.sample.cgroups.iter().find(|row| &*row.cgroup == cgroup)?;
    row.io_read_limit_bytes_per_second.ok().map(|limit| limit as f64).filter(|limit| *limit > 0.0)
}
