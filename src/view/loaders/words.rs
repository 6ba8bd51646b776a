//! What the figures of a loader come to, in sentences: enough workers, who is waited for, how each
//! figure is known.

use crate::diagnose::{about_cause, workers_enough};
use crate::fmt;
use crate::history::Track;
use crate::model::inventory::{LoaderInfo, Storage};
use crate::model::sample::{LoaderSample, ReadySource, WaitSource};
use crate::model::{Bound, Cause, Finding, Gap, LoaderId, Reading, Rule};
use crate::view::focus::Look;
use crate::view::text::safe;
use crate::view::told::Told;

use super::epoch;
use super::over::{Over, mean, row};
use super::workers::Worker;

/// Steps a second below which it can be said which batch is awaited.
const SLOW_STEPS: f64 = 5.0;
/// From these shares on, the CPUs, the wait for one, and the wait for a device may be what is saturated.
const CPU_FULL: f64 = 0.9;
const QUEUED: f64 = 0.2;
const FETCHES: f64 = 0.3;
/// A loop that waits for less than this share of its time is fed.
const FED: f64 = 0.05;

/// What is to be said, the most wanted first.
pub(super) fn words(look: &Look<'_>, over: &Over, all: &[Worker]) -> Vec<Told> {
    let Some(loader) = look.loader else {
        return vec![Told { head: "", text: nothing(look).to_owned() }];
    };
    let row = row(look, loader.loader);
    let mut told = Vec::new();
    let mut say = |head: &'static str, text: Option<String>| {
        told.extend(text.filter(|text| !text.is_empty()).map(|text| Told { head, text }));
    };
    say("Enough", enough(look, over, loader));
    // Of a faster loop another batch is awaited by the time that this is read.
    let slow = over.steps.is_some_and(|steps| steps < SLOW_STEPS);
    say("Awaited", row.filter(|_| slow).and_then(|row| awaited(row, all)));
    let info = look.loader_info();
    say("Known", row.map(known));
    say("Doubt", info.map(|info| safe(&info.doubt)));
    say("No better", info.map(no_better));
    say("Epoch", row.and_then(|row| epoch::words(row, over)));
    say("Workers", row.and_then(epoch::starts));
    say("Files", info.and_then(|info| files(&info.storage)));
    told
}

fn nothing(look: &Look<'_>) -> &'static str {
    match (look.state.latest.is_some(), look.frame.is_some(), look.run.is_some()) {
        (false, ..) => "Waiting for the first sample.",
        (_, false, _) => "Nothing is kept of this moment; End goes back to now.",
        (.., true) => "No DataLoader was seen in this run yet.",
        _ => {
            "No training loop found. Name it: mltop --pid PID; of another user: run mltop as that user \
             or root; nothing to watch: mltop demo."
        }
    }
}

/// Why no workers are shown.
pub(super) fn no_workers(look: &Look<'_>) -> &'static str {
    let Some(loader) = look.loader else { return nothing(look) };
    let row = row(look, loader.loader);
    match row.map(|row| row.workers) {
        Some(Reading::Is(0)) => "num_workers is 0: the loop makes its batches itself",
        Some(Reading::Not(Gap::Denied)) => "no permission: run mltop as the same user or root",
        Some(Reading::Is(_)) if row.is_some_and(|row| row.ready.gap() == Some(Gap::Denied)) => {
            "no permission: run mltop as the same user or root"
        }
        Some(Reading::Not(gap)) => gap.words(),
        _ => "not seen yet",
    }
}

/// How many workers would be enough, with what that assumes; why none are named where they would not
/// help.
fn enough(look: &Look<'_>, over: &Over, loader: &LoaderSample) -> Option<String> {
    let workers = loader.workers.ok()?;
    if workers == 0 {
        return Some(
            "num_workers is 0: batches are made by the loop itself, so the GPU waits for each of \
             them. Set num_workers to 2 at first, then 4."
                .into(),
        );
    }
    let finding = look
        .state
        .open_findings()
        .into_iter()
        .find(|finding| finding.rule == Rule::Starved && finding.pid == Some(loader.pid));
    if let Some(finding) = finding {
        return Some(of_finding(finding, workers));
    }
    let wait = over.wait?;
    let percent = fmt::percent(wait);
    let percent = format!("{}{}", over.mark(), percent.trim_start());
    let seconds = over.seconds;
    if wait < FED {
        return Some(format!(
            "{workers} workers are enough: the loop waited {percent} of the last {seconds} s."
        ));
    }
    if let Some(why) = may_be_saturated(look, loader.loader, seconds) {
        return Some(format!(
            "No number of workers is named: the loop waits {percent} of its time, but {why}, and \
             more workers help only where nothing is saturated. No finding holds yet."
        ));
    }
    Some(format!(
        "{} workers would be enough for a loop that waits {percent} of its time, if nothing gets \
         saturated and each more works as fast as these ({workers} / (1 − wait)). Not proved: no \
         finding holds.",
        workers_enough(workers, wait)
    ))
}

/// What may be saturated, as far as the last seconds tell without a proof.
fn may_be_saturated(look: &Look<'_>, loader: LoaderId, seconds: u64) -> Option<&'static str> {
    let above = |track, limit| mean(look, &track, seconds).is_some_and(|share| share >= limit);
    if above(Track::HostCpu, CPU_FULL) {
        Some("the CPUs of the box are busy")
    } else if above(Track::WorkersQueued(loader), QUEUED) {
        Some("its workers wait for a CPU")
    } else if above(Track::WorkersDisk(loader), FETCHES) {
        Some("its workers wait for a disk")
    } else if above(Track::WorkersNet(loader), FETCHES) {
        Some("its workers wait for a network")
    } else {
        None
    }
}

/// The same where a finding names the cause.
fn of_finding(finding: &Finding, workers: u64) -> String {
    let blocked = finding.evidence.iter().find(|one| &*one.series == "loaders.wait_ratio");
    let blocked = blocked.map(|one| one.value).filter(|share| share.is_finite());
    if finding.cause == Some(Cause::TooFewWorkers) {
        return blocked.map_or_else(
            || "There are too few workers.".to_owned(),
            |blocked| {
                format!(
                    "About {} workers would be enough ({workers} / (1 − {:.2})), if each more works as \
                     fast as these and nothing gets full first.",
                    workers_enough(workers, blocked),
                    blocked
                )
            },
        );
    }
    let why = finding.cause.and_then(about_cause).map_or("No single cause is proved.", |a| a.what);
    let mut letters = why.chars();
    let first = letters.next().into_iter().flat_map(char::to_lowercase);
    format!("No number of workers is named: {}{}", first.collect::<String>(), letters.as_str())
}

/// Which batch is awaited, and who has it.
fn awaited(row: &LoaderSample, all: &[Worker]) -> Option<String> {
    if row.ready.ok()? > 0 {
        return None;
    }
    // Batches are delivered in order, so with none ready the least index under way is the next one.
    // That needs to be known of every worker that works.
    if all.iter().any(|w| w.letter != Some('.') && w.current.or(w.next).is_none()) {
        return None;
    }
    let (index, worker) = all
        .iter()
        .filter_map(|worker| Some((worker.current.or(worker.next)?, worker)))
        .min_by_key(|(index, _)| *index)?;
    let doing = match worker.letter {
        Some('R') => "is on a CPU with it",
        Some('Q') => "is ready to run, without a CPU",
        Some('D') => "waits for the disk",
        Some('N') => "waits for the network",
        Some('Z') => "is dead",
        _ => "has it",
    };
    let behind = row.stash.ok().filter(|stash| *stash > 0).map_or_else(String::new, |stash| {
        format!(" {stash} later ones are finished and wait for it.")
    });
    Some(format!(
        "Batch {index}, by the order in which tasks are given out: worker {} (pid {}) {doing}.{behind}",
        worker.number, worker.pid
    ))
}

const UNPROVED: &str = "doubtful: sources disagree, or are not proved yet";
const SLEEPS_APART: &str = "doubtful: the loop sleeps there for other things too";

/// How each figure is known.
fn known(row: &LoaderSample) -> String {
    if row.ready.gap() == Some(Gap::Denied) {
        return "Nothing of the queue: no permission. Run mltop as the user of the training, or as \
                root."
            .into();
    }
    let depth = match row.ready_source {
        Reading::Is(ReadySource::Memory) => "from the interpreter's memory",
        Reading::Is(ReadySource::Semaphore) => "from the queues' semaphores",
        Reading::Is(ReadySource::Pipe) => "from the result pipe",
        Reading::Is(ReadySource::Complement) => "inferred: capacity less what workers still have",
        Reading::Is(ReadySource::Probe) => "from the probe in the process",
        Reading::Not(gap) => gap.words(),
    };
    let wait = match row.wait_source {
        Reading::Is(WaitSource::Stack) => "seen on the Python stack",
        Reading::Is(WaitSource::Wchan) => "inferred from where the kernel has the loop wait",
        Reading::Is(WaitSource::Semaphore) => "told by the lock of the queue's readers",
        Reading::Is(WaitSource::Probe) => "from the probe in the process",
        Reading::Not(gap) => gap.words(),
    };
    let mut parts = vec![match row.ready.gap() {
        Some(Gap::NotApplicable) => "No queue without workers".to_owned(),
        _ => format!("Depth {depth}, {}", bound(row.ready_bound, UNPROVED)),
    }];
    parts.push(match row.wait_bound {
        Reading::Is(_) => format!("wait {wait}, {}", bound(row.wait_bound, SLEEPS_APART)),
        Reading::Not(_) => format!("wait {wait}"),
    });
    parts.extend(row.capacity.ok().map(|capacity| capacity_words(row, capacity)));
    if row.pinned == Reading::Is(true) {
        parts.push("batches are pinned".to_owned());
    }
    parts.join("; ") + "."
}

/// How a figure relates to the truth; `doubt` is why it may not at all.
fn bound(of: Reading<Bound>, doubt: &'static str) -> &'static str {
    match of.ok() {
        Some(Bound::Exact) => "exact",
        Some(Bound::Upper) => "at most",
        Some(Bound::Lower) => "at least",
        Some(Bound::Doubtful) => doubt,
        None => "not known",
    }
}

fn capacity_words(row: &LoaderSample, capacity: u64) -> String {
    let least = if row.capacity_bound == Reading::Is(Bound::Exact) { "" } else { " at least" };
    match (row.workers, row.prefetch_factor) {
        (Reading::Is(workers), Reading::Is(factor)) => {
            format!("capacity{least} {capacity} ({workers} workers × prefetch_factor {factor})")
        }
        _ => format!("capacity{least} {capacity}"),
    }
}

/// Why a better source is not used, with the command that would allow it.
fn no_better(info: &LoaderInfo) -> String {
    let why = safe(&info.why_not_better);
    let best = info.refused.iter().find(|refused| !refused.remedy.is_empty());
    match best.map(|refused| safe(&refused.remedy)) {
        Some(remedy) if !why.is_empty() && !why.contains(&remedy) => format!("{why} → {remedy}"),
        _ => why,
    }
}

/// Where the workers' files are.
fn files(storage: &[Storage]) -> Option<String> {
    let places: Vec<String> = storage
        .iter()
        .take(3)
        .map(|place| {
            let on = match (&place.disk, place.remote) {
                (Some(disk), false) => format!("{} on {}", safe(&place.filesystem), safe(disk)),
                (_, true) => format!("{}, served by another machine", safe(&place.filesystem)),
                (None, false) => safe(&place.filesystem),
            };
            format!("{} ({on})", safe(&place.mount))
        })
        .collect();
    (!places.is_empty())
        .then(|| format!("Open files are on {}, the most used first.", places.join(", ")))
}
