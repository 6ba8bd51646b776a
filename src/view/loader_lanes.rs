//! The lanes of the loader: how many batches are ready, and how long the loop waits for one.

use crate::fmt;
use crate::model::sample::{LoaderSample, ReadySource, WaitSource};
use crate::model::{Bound, Gap, LoaderId, Reading};

use super::focus::Look;
use super::gpu_lanes::percent_labels;
use super::lane::{Lane, mean, most, series, value};
use super::screen::{Body, Bucket, Draw, Line, Role, span, strong};
use super::text::cut;
use crate::history::Track;

/// The lane of the depth.
pub(super) fn queue(look: &Look<'_>) -> Lane {
    let mut title = vec![strong("Loader queue", Role::Queue)];
    let Some(loader) = look.loader else {
        return without(look, title, no_loader(look));
    };
    title.extend(whose(look));
    let id = loader.loader;
    let points = look.points(&Track::LoaderReady(id));
    let band = range(look, id);
    let capacity = now(look).and_then(|now| now.capacity.ok()).or_else(|| loader.capacity.ok());
    let capacity = capacity.map(|batches| batches as f64).filter(|batches| *batches > 0.0);
    let seen = most(&band).unwrap_or(0.0).max(most(&points).unwrap_or(0.0));
    // A little air above the capacity, so that its line can be seen when the queue is full.
    let high = capacity.unwrap_or(0.0).max(seen) * 1.1;
    let reason = now(look).map_or(Gap::Lost, |now| now.ready.gap().unwrap_or(Gap::Lost));
    let reason = if reason == Gap::NotApplicable {
        "num_workers is 0: batches are made by the loop itself, there is no queue".to_owned()
    } else {
        loader_reason(look, reason)
    };
    let all = vec![series(Role::Queue, Draw::Band, band), series(Role::Queue, Draw::Step, points)];
    let mut plot = look.plot(high, all, &reason);
    plot.limit = capacity;
    if let Some(capacity) = capacity {
        plot.labels = vec![(capacity, format!("{capacity:.0}")), (0.0, "0".to_owned())];
    }
    Lane { title, values: queue_values(look, loader), body: Body::Plot(plot) }
}

/// The lane of the wait.
pub(super) fn blocked(look: &Look<'_>) -> Lane {
    let title = vec![
        strong("Blocked", Role::Blocked),
        span("  the training loop waits for a batch", Role::Dim),
    ];
    let Some(loader) = look.loader else {
        return without(look, title, no_loader(look));
    };
    let of = Track::LoaderWait(loader.loader);
    let points = look.points(&of);
    let wait = look.read(&of);
    let reason = loader_reason(look, wait.gap().unwrap_or(Gap::Lost));
    let mark = now(look).and_then(|now| now.wait_bound.ok()).unwrap_or(Bound::Doubtful).mark();
    let mut values = Line::new();
    let share = |ratio| format!("{:>5}", format!("{mark}{}", fmt::percent(ratio).trim_start()));
    let text = wait.ok().map(|wait| format!("{} of the time", share(wait)));
    value(&mut values, look.moment_word(), text, Role::Blocked);
    value(&mut values, "mean ", mean(&points).map(share), Role::Blocked);
    if let Some(source) = now(look).and_then(|now| now.wait_source.ok()) {
        let how = match source {
            WaitSource::Stack => "seen on the Python stack",
            WaitSource::Wchan => "inferred from the kernel's wait",
            WaitSource::Semaphore => "told by the queue's lock",
            WaitSource::Probe => "told by the probe",
        };
        values.push(span(format!("  · {how}"), Role::Dim));
    }
    let mut plot = look.plot(1.0, vec![series(Role::Blocked, Draw::Area, points)], &reason);
    plot.labels = percent_labels();
    Lane { title, values, body: Body::Plot(plot) }
}

/// The loader's row at the moment that is shown.
fn now<'a>(look: &Look<'a>) -> Option<&'a LoaderSample> {
    let id = look.loader?.loader;
    look.frame?.sample.loaders.iter().find(|row| row.loader == id)
}

/// Which loader, where there is more than one.
fn whose(look: &Look<'_>) -> Line {
    let mut line = Line::new();
    let Some(inventory) = look.inventory() else { return line };
    let ranks = look.run.and_then(|run| inventory.run(run)).map_or(0, |run| run.trainers.len());
    if ranks > 1
        && let Some(pid) = look.pid
    {
        let rank = inventory.proc(pid).and_then(|proc| proc.rank);
        let text = rank.map_or_else(|| format!("  pid {pid}"), |rank| format!("  rank {rank}"));
        line.push(span(text, Role::Dim));
    }
    let of_rank = inventory.loaders.iter().filter(|info| Some(info.pid) == look.pid).count();
    if of_rank > 1
        && let Some(loader) = look.loader
    {
        line.push(span(
            format!("  loader {} of {of_rank}, the one that moves", loader.loader),
            Role::Dim,
        ));
    }
    line
}

/// The range of the depth within each point.
fn range(look: &Look<'_>, id: LoaderId) -> Vec<Option<Bucket>> {
    let least = look.points(&Track::LoaderReadyMin(id));
    let most = look.points(&Track::LoaderReadyMax(id));
    let both = least.into_iter().zip(most);
    both.map(|(least, most)| {
        least.zip(most).map(|(least, most)| Bucket {
            min: least.min,
            mean: f32::midpoint(least.mean, most.mean),
            max: most.max.max(least.min),
        })
    })
    .collect()
}

fn queue_values(look: &Look<'_>, loader: &LoaderSample) -> Line {
    let row = now(look);
    let ready = look.read(&Track::LoaderReady(loader.loader));
    let bound = row.and_then(|row| row.ready_bound.ok()).unwrap_or(Bound::Doubtful);
    let of = row.map_or_else(|| "of –".to_owned(), of_capacity);
    let mut line = Line::new();
    let text = ready.ok().map(|ready| format!("{}{} {of} ready", bound.mark(), depth(ready)));
    value(&mut line, look.moment_word(), text, Role::Queue);
    if let Some(empty) = mean(&look.points(&Track::LoaderEmpty(loader.loader))) {
        let text = format!(" · empty {}", fmt::percent(empty).trim_start());
        line.push(span(text, Role::Text));
    }
    if let Some(row) = row {
        line.extend(known_by(row));
    }
    if let Some(stash) = row.and_then(|row| row.stash.ok()).filter(|stash| *stash > 0) {
        line.push(span(format!(" · {stash} out of order"), Role::Dim));
    }
    line
}

/// A depth: whole at a look, with a digit where it is a mean.
fn depth(ready: f64) -> String {
    if ready.fract().abs() < 0.05 { format!("{ready:>2.0}") } else { format!("{ready:.1}") }
}

fn of_capacity(row: &LoaderSample) -> String {
    let mark = row.capacity_bound.ok().unwrap_or(Bound::Doubtful).mark();
    row.capacity.ok().map_or_else(|| "of –".to_owned(), |capacity| format!("of {mark}{capacity}"))
}

/// How the depth is known: measured and inferred are told apart.
fn known_by(row: &LoaderSample) -> Line {
    let Some(source) = row.ready_source.ok() else { return Line::new() };
    let how = match source {
        ReadySource::Memory => "from memory",
        ReadySource::Semaphore => "from semaphores",
        ReadySource::Pipe => "from the pipe",
        ReadySource::Complement => "inferred, complement",
        ReadySource::Probe => "from the probe",
    };
    let pinned = if row.pinned.ok() == Some(true) { ", pinned" } else { "" };
    vec![span(format!(" · {how}{pinned}"), Role::Dim)]
}

/// Why a loader has no value: what a better right would give is said where rights are missing.
fn loader_reason(look: &Look<'_>, gap: Gap) -> String {
    let why = look.loader_info().map_or("", |info| &*info.why_not_better);
    match gap {
        Gap::Denied => "no permission: run mltop as the same user or root".to_owned(),
        _ if why.is_empty() => gap.words().to_owned(),
        _ => format!("{}: {}", gap.words(), cut(&super::text::safe(why), 120)),
    }
}

fn no_loader(look: &Look<'_>) -> &'static str {
    if look.run.is_some() {
        "no DataLoader with workers seen in this run yet"
    } else {
        "no training loop found"
    }
}

fn without(look: &Look<'_>, title: Line, reason: &str) -> Lane {
    let plot = look.plot(1.0, Vec::new(), reason);
    let mut values = Line::new();
    value(&mut values, "", Reading::<String>::Not(Gap::Lost).ok(), Role::Gap);
    Lane { title, values, body: Body::Plot(plot) }
}
