//! DISK-BOUND: the disk, or the limit that a control group sets on it, is at its ceiling.
//!
//! Saturation must show twice: in the workers' state and in the device. A rate near "the most seen"
//! is no proof by itself, and a device that is always busy may still serve more at once.

use super::{Case, EXPLAINS, Explained};
use crate::diagnose::about::{About, Threshold};
use crate::diagnose::words;
use crate::model::{Cause, Evidence};

pub(super) static ABOUT: About = About {
    code: Cause::DiskBound.code(),
    area: Cause::DiskBound.area(),
    what: "The disk is saturated; more workers would only queue longer for it.",
    when: "Named where reads are 60 % or more of the workers' busy time (STARVED's explains) and a \
           ceiling shows: reads take {slower} the least seen in the session, or as many requests are in \
           flight as there are workers, or reads stand at {at_limit} of a control group's limit.",
    remedy: "Read from a faster disk or a local copy, as large sequential shards (WebDataset, Parquet, \
             MDS) of smaller samples, or keep the data in the page cache; under a control group's limit \
             raise io.max rbps. More workers do not help.",
    source: "saturation as in the USE method; the factor is a proposal",
    thresholds: &[&SLOWER, &AT_LIMIT],
};

/// Reads take this many times the least that was seen in the session.
static SLOWER: Threshold = Threshold {
    code: Cause::DiskBound.code(),
    name: "slower",
    default: 3.0,
    unit: "times",
    what: "Time of a read, of the least that was seen.",
};
/// Reading at this share of a control group's limit is reading at the limit.
static AT_LIMIT: Threshold = Threshold {
    code: Cause::DiskBound.code(),
    name: "at_limit",
    default: 0.85,
    unit: "share",
    what: "Rate of the reads, of a control group's limit.",
};
/// Above this, the reads counted cannot have been the ones that the limit holds.
const OVER_LIMIT: f64 = 1.25;

/// How a ceiling shows.
pub(super) struct Ceiling {
    /// `throttled by the cgroup at 20 MB/s`, `1.9 GB/s, 98 % busy`
    text: String,
    evidence: Vec<Evidence>,
    throttled: bool,
}

pub(super) fn test(case: &Case<'_>) -> Option<Explained> {
    let explains = case.of(&EXPLAINS);
    let fetch = case.fetch().filter(|share| *share >= explains)?;
    let shares = case.shares?;
    if shares.disk < shares.net {
        return None;
    }
    let ceiling = ceiling(case)?;
    let disk = match &case.trainer.disk {
        Some((name, false)) => words::name(name),
        Some((name, true)) => format!("{} (by its reads)", words::name(name)),
        None => "the disk".into(),
    };
    let because = format!(
        "{} {} in disk wait on {disk} ({})",
        case.workers_spend(),
        words::percent(shares.disk),
        ceiling.text
    );
    let mut evidence =
        vec![case.worker_share("worker_disk_ratio", fetch, explains, "waiting for a disk")];
    evidence.extend(ceiling.evidence);
    let advice = if ceiling.throttled {
        "Raise the control group's read limit (io.max rbps, blkio.throttle.read_bps_device), or read \
         less: smaller or compressed samples, or a copy that fits the page cache. More workers do not \
         help."
    } else {
        "Read from a faster disk or a local copy, as large sequential shards (WebDataset, Parquet, \
         MDS) of smaller samples, or keep the data in the page cache. More workers do not help."
    };
    Some(Explained { cause: Cause::DiskBound, because, advice: advice.into(), evidence })
}

/// The same, where it is a control group's limit on bytes: larger files do not help against that.
pub(super) fn at_byte_limit(case: &Case<'_>) -> Option<Explained> {
    limit_of_cgroup(case)?;
    test(case)
}

/// The ceiling that the reads stand at; `None` where none shows.
pub(super) fn ceiling(case: &Case<'_>) -> Option<Ceiling> {
    limit_of_cgroup(case).or_else(|| saturated_device(case))
}

fn limit_of_cgroup(case: &Case<'_>) -> Option<Ceiling> {
    let limit = case.trainer.read_limit?;
    let least = case.of(&AT_LIMIT);
    let reached = |rate: &f64| (least..=OVER_LIMIT).contains(&(rate / limit));
    let workers = case.facts.read.filter(reached).map(|rate| (rate, "procs", case.entity()));
    let device = || {
        let (name, _) = case.trainer.disk.as_ref()?;
        case.facts.disk_read.filter(reached).map(|rate| (rate, "disks", words::name(name)))
    };
    let (rate, section, entity) = workers.or_else(device)?;
    let text = format!("throttled by the cgroup at {}", words::rate(limit));
    let line = format!(
        "the reads take {} of the {} that the control group allows",
        words::rate(rate),
        words::rate(limit)
    );
    let series = format!("{section}.read_bytes_per_second");
    let evidence =
        words::evidence(case.facts.span, &series, entity, rate, Some(least * limit), line);
    Some(Ceiling { text, evidence: vec![evidence], throttled: true })
}

fn saturated_device(case: &Case<'_>) -> Option<Ceiling> {
    let facts = case.facts;
    let name = words::name(&case.trainer.disk.as_ref()?.0);
    let (mut evidence, mut clauses) = (Vec::new(), Vec::new());
    let (floor, slower) = (case.trainer.disk_floor(), case.of(&SLOWER));
    if let Some((wait, floor)) = facts.disk_wait.zip(floor).filter(|(w, f)| *w >= slower * f) {
        let (now, least) = (words::milliseconds(wait), words::milliseconds(floor));
        clauses.push(format!("reads take {now} (least seen {least})"));
        let text = format!("a read takes {now}, and took {least} at the least");
        let series = "disks.read_await_seconds";
        evidence.push(words::evidence(
            facts.span,
            series,
            &*name,
            wait,
            Some(slower * floor),
            text,
        ));
    }
    let workers = case.workers.map(|workers| workers.max(1) as f64);
    if let Some((queue, workers)) = facts.disk_queue.zip(workers).filter(|(q, w)| q >= w) {
        let text = format!("{queue:.0} requests are in flight at once");
        clauses.push(format!("{queue:.0} requests in flight"));
        evidence.push(words::evidence(
            facts.span,
            "disks.queue",
            &*name,
            queue,
            Some(workers),
            text,
        ));
    }
    if evidence.is_empty() {
        return None;
    }
    let mut text = facts.disk_read.map_or_else(String::new, words::rate);
    if let Some(busy) = facts.disk_busy {
        text = format!(
            "{text}{}{} busy",
            if text.is_empty() { "" } else { ", " },
            words::percent(busy)
        );
    }
    for clause in &clauses {
        text = format!("{text}{}{clause}", if text.is_empty() { "" } else { ", " });
    }
    Some(Ceiling { text, evidence, throttled: false })
}
