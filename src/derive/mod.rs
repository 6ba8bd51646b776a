//! From two samples to a frame: counters become rates. Pure.
//!
//! A rate needs two samples that follow one another: the same boot, no tick missing between them,
//! a clock that ran forwards, and at most [`LONGEST_SPAN_SECONDS`]. Else the span is `None` and
//! every rate is a [`Gap::NotYet`]. A counter that fell started anew: the rates of its row are
//! `NotYet` for one tick, for the other counters of that row may have passed their old values
//! already. A share above 1 by more than the two clocks may differ is refused as `Failed`.

mod cgroup;
mod counter;
mod cpu;
mod disk;
mod gpu;
mod host;
mod loader;
mod net;
mod own;
mod process;
mod worker;

pub use gpu::link_bytes_per_second;

use std::sync::Arc;

use crate::model::Sample;
use crate::model::frame::Frame;
#[cfg(doc)]
use crate::model::reading::Gap;

/// The longest time between two samples over which a rate means something: ten seconds, the longest
/// tick, and what one may come late.
pub const LONGEST_SPAN_SECONDS: f64 = 10.5;

/// What follows from a sample and the one before.
pub fn frame(prev: Option<&Sample>, now: Arc<Sample>) -> Frame {
    let span = prev.and_then(|prev| span_seconds(prev, &now));
    let prev = prev.filter(|_| span.is_some());
    // Where there is no span there is no row before either, and no division by this.
    let seconds = span.unwrap_or(1.0);
    Frame {
        span_seconds: span,
        host: host::rates(prev.map(|prev| &prev.host), &now.host, seconds),
        cgroups: rows(&now.cgroups, prev.map(|prev| &prev.cgroups[..]), |a, b| {
            a.cgroup == b.cgroup
        })
        .map(|(prev, now)| cgroup::rates(prev, now, seconds))
        .collect(),
        disks: rows(&now.disks, prev.map(|prev| &prev.disks[..]), |a, b| a.disk == b.disk)
            .map(|(prev, now)| disk::rates(prev, now, seconds))
            .collect(),
        nets: rows(&now.nets, prev.map(|prev| &prev.nets[..]), |a, b| a.interface == b.interface)
            .map(|(prev, now)| net::rates(prev, now, seconds))
            .collect(),
        gpus: rows(&now.gpus, prev.map(|prev| &prev.gpus[..]), |a, b| a.gpu == b.gpu)
            .map(|(before, row)| {
                let before = before.filter(|_| gpu::is_same(prev, &now, row.gpu));
                gpu::rates(before, row, seconds)
            })
            .collect(),
        procs: rows(&now.procs, prev.map(|prev| &prev.procs[..]), |a, b| a.pid == b.pid)
            .map(|(before, row)| {
                let before = before.filter(|_| process::is_same(prev, &now, row.pid));
                process::rates(before, row, seconds)
            })
            .collect(),
        loaders: rows(&now.loaders, prev.map(|prev| &prev.loaders[..]), |a, b| {
            a.loader == b.loader && a.pid == b.pid
        })
        .map(|(prev, now)| loader::rates(prev, now, seconds))
        .collect(),
        workers: rows(&now.workers, prev.map(|prev| &prev.workers[..]), |a, b| {
            a.pid == b.pid && a.loader == b.loader
        })
        .map(|(before, row)| {
            let before = before.filter(|_| process::is_same(prev, &now, row.pid));
            worker::rates(before, row)
        })
        .collect(),
        cpus: rows(&now.cpus, prev.map(|prev| &prev.cpus[..]), |a, b| a.cpu == b.cpu)
            .map(|(prev, now)| cpu::rates(prev, now))
            .collect(),
        own: rows(&now.own, prev.map(|prev| &prev.own[..]), |a, b| {
            a.pid == b.pid && a.thread == b.thread
        })
        .map(|(prev, now)| own::rates(prev, now, seconds))
        .collect(),
        sample: now,
    }
}

/// Seconds between two samples that follow one another.
fn span_seconds(prev: &Sample, now: &Sample) -> Option<f64> {
    let follows = prev.seq.checked_add(1) == Some(now.seq);
    let same_boot = prev.inventory.host.boot_id == now.inventory.host.boot_id;
    let seconds = now.stamp.seconds_since(prev.stamp);
    (follows && same_boot && seconds > 0.0 && seconds <= LONGEST_SPAN_SECONDS).then_some(seconds)
}

/// Each row of now with the row before that is the same thing. The rows are mostly in the same
/// order in both, so the search begins where the last one ended.
fn rows<'a, T>(
    now: &'a [T],
    prev: Option<&'a [T]>,
    is_same: impl Fn(&T, &T) -> bool + 'a,
) -> impl Iterator<Item = (Option<&'a T>, &'a T)> {
    let prev = prev.unwrap_or_default();
    let mut at = 0;
    now.iter().map(move |row| {
        let found = (at..prev.len()).chain(0..at).find(|index| is_same(&prev[*index], row));
        if let Some(index) = found {
            at = index + 1;
        }
        (found.map(|index| &prev[index]), row)
    })
}
