//! The audit: what the findings of a session come to, by area of the pipeline, and which changes would
//! give back most. A value that follows from what was watched and what was found, and from nothing else.
//!
//! ```text
//!  Frame ─► Watched ─┐
//!                    ├─► Audit: five areas with a grade, three changes
//!  Finding ──────────┘
//! ```

mod grade;
mod seen;
mod watched;
mod words;
mod worth;

pub use grade::Grade;
pub use watched::{Watched, WatchedRun};
pub use words::{cost, gpu_time, money};
pub use worth::Worth;

use serde::Serialize;

use crate::model::{Area, Cause, Evidence, Finding};

/// What a session comes to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Audit {
    /// The first moment that was watched, in milliseconds since the Unix epoch.
    pub from_ms: i64,
    /// The last one.
    pub to_ms: i64,
    /// Seconds watched, gaps left out.
    pub seconds: f64,
    /// Seconds of the GPUs in use: those that a training ran on or a process held memory of.
    pub gpu_seconds: f64,
    /// What all findings lost of them.
    pub lost: Lost,
    /// The worst grade of an area; `None` where none has one.
    pub grade: Option<Grade>,
    /// The areas, in the order of the pipeline.
    pub areas: Vec<AreaPart>,
    /// The changes that would give back most, the most first; at most three.
    pub changes: Vec<Worth>,
}

/// GPU time that was lost, and what it cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Lost {
    /// GPU-seconds at least.
    pub low_gpu_seconds: f64,
    /// GPU-seconds, as the middle of what is possible.
    pub gpu_seconds: f64,
    /// GPU-seconds at most.
    pub high_gpu_seconds: f64,
    /// The middle as a share of the time of the GPUs in use; `None` where no GPU was in use.
    pub ratio: Option<f64>,
    /// The middle in money; `None` without a price.
    pub money: Option<f64>,
}

impl Lost {
    /// The most that was lost, in money; `None` without a price.
    pub fn high_money(&self) -> Option<f64> {
        let scale =
            if self.gpu_seconds > 0.0 { self.high_gpu_seconds / self.gpu_seconds } else { 1.0 };
        self.money.map(|money| money * scale)
    }
}

/// One area of the pipeline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AreaPart {
    /// Which.
    pub area: Area,
    /// How it does; `None` where the evidence is not enough to say.
    pub grade: Option<Grade>,
    /// What was seen there, as a sentence.
    pub seen: String,
    /// What is missing to judge it, as a sentence; empty where it has a grade.
    pub missing: String,
    /// Numbers of its findings, without those that were put aside.
    pub findings: Vec<u64>,
    /// How many of its findings the user has put aside: they count for nothing here.
    pub put_aside: usize,
    /// What they lost.
    pub lost: Lost,
}

/// What causes had a part in the cost of a finding, each with its share; the finding's own where no other
/// had.
fn parts(finding: &Finding) -> Vec<(Option<Cause>, f64)> {
    let lines = finding.evidence.iter().filter(|line| *line.series == *Evidence::BY_CAUSE);
    let known: Vec<(Option<Cause>, f64)> =
        lines.map(|line| (Cause::from_code(&line.entity), line.value.max(0.0))).collect();
    let whole: f64 = known.iter().map(|(_, lost)| lost).sum();
    if known.iter().any(|(cause, _)| cause.is_none()) || whole <= 0.0 {
        return vec![(finding.cause, 1.0)];
    }
    known.into_iter().map(|(cause, lost)| (cause, lost / whole)).collect()
}

/// The share of a finding's cost that lies where it is asked for.
fn share_where(finding: &Finding, of: impl Fn(Option<Cause>) -> bool) -> f64 {
    parts(finding).into_iter().filter(|(cause, _)| of(*cause)).map(|(_, share)| share).sum()
}

fn area_of_part(finding: &Finding, cause: Option<Cause>) -> Area {
    cause.map_or_else(|| finding.rule.area(), Cause::area)
}

/// Where in the pipeline a finding belongs: where its cause lies, else where its rule looks.
pub const fn area_of(finding: &Finding) -> Area {
    match finding.cause {
        Some(cause) => cause.area(),
        None => finding.rule.area(),
    }
}

impl Audit {
    /// The audit of what was watched, with what was found in it; `aside` tells what the user has put
    /// aside.
    pub fn of(watched: &Watched, findings: &[Finding], aside: impl Fn(&Finding) -> bool) -> Self {
        let within: Vec<&Finding> =
            findings.iter().filter(|finding| watched.holds(finding)).collect();
        let (put_aside, counted): (Vec<&Finding>, Vec<&Finding>) =
            within.into_iter().partition(|finding| aside(finding));
        let areas: Vec<AreaPart> = Area::ALL
            .iter()
            .map(|area| {
                let of_area = |finding: &&&Finding| area_of(finding) == *area;
                let mine: Vec<&Finding> = counted.iter().filter(of_area).copied().collect();
                let put_aside = put_aside.iter().filter(of_area).count();
                part(watched, *area, &mine, &counted, put_aside)
            })
            .collect();
        Self {
            from_ms: watched.from_ms,
            to_ms: watched.to_ms,
            seconds: watched.seconds,
            gpu_seconds: watched.gpu_seconds,
            lost: lost(watched, &counted, |_| 1.0),
            grade: areas.iter().filter_map(|part| part.grade).max(),
            areas,
            changes: worth::changes(watched, &counted),
        }
    }

    /// The whole as one sentence.
    pub fn summary(&self) -> String {
        words::summary(self)
    }
}

fn part(
    watched: &Watched,
    area: Area,
    mine: &[&Finding],
    all: &[&Finding],
    put_aside: usize,
) -> AreaPart {
    let seen = seen::seen(watched, area, all);
    // What was found is evidence enough.
    let missing = if mine.is_empty() { seen::missing(watched, area) } else { String::new() };
    // A cause that held for a part of the time lost that part, wherever the finding stands now.
    let lost = lost(watched, all, |finding| {
        share_where(finding, |cause| area_of_part(finding, cause) == area)
    });
    let charged = |finding: &&&Finding| finding.cost.is_some() && watched.gpu_seconds > 0.0;
    let costs = mine.iter().any(|finding| charged(&finding)) || lost.high_gpu_seconds > 0.0;
    let free = mine.iter().filter(|finding| !charged(finding)).map(|finding| finding.severity);
    let share = lost.ratio.filter(|_| costs);
    let grade = missing.is_empty().then(|| Grade::of(share, free));
    let findings = mine.iter().map(|finding| finding.id).collect();
    AreaPart { area, grade, seen, missing, findings, put_aside, lost }
}

/// What findings lost within what was watched. Each second of a GPU is charged once, so they add up.
/// `part` is the share of a finding that counts.
fn lost(watched: &Watched, findings: &[&Finding], part: impl Fn(&Finding) -> f64) -> Lost {
    let mut sum = Lost::default();
    for finding in findings {
        let Some(cost) = finding.cost else { continue };
        let share = watched.share_within(finding) * part(finding);
        sum.low_gpu_seconds += cost.low_gpu_seconds * share;
        sum.gpu_seconds += cost.gpu_seconds * share;
        sum.high_gpu_seconds += cost.high_gpu_seconds * share;
        if let Some([_, middle, _]) = cost.money() {
            *sum.money.get_or_insert_default() += middle * share;
        }
    }
    let whole = watched.gpu_seconds;
    sum.ratio = (whole > 0.0).then(|| (sum.gpu_seconds / whole).clamp(0.0, 1.0));
    sum
}
