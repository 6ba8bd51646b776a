//! Why a loop starves: one file a cause, asked in the order in which they exclude one another.
//!
//! A cause is named only where it explains at least 60 % of the time that workers are not idle
//! (TraceML asks 80 % for ranks); from 30 to 60 % it is said to be mixed, and below that nothing is.

mod delivery;
mod disk;
mod head_of_line;
mod prep;
mod remote;
mod rest;
mod workers;

pub use workers::workers_enough;

use super::about::{About, Threshold};
use super::facts::{Facts, WorkerShares};
use super::settings::Settings;
use super::supply::{
    cache_thrash, cold_cache, cpu_oversubscribed, cpu_quota, main_thread, small_files,
};
use super::trainer::Trainer;
use super::words;
use crate::model::{Cause, Evidence, Rule};

/// All causes, explained.
static CAUSES: &[&About] = &[
    &delivery::ABOUT,
    &head_of_line::ABOUT,
    &main_thread::ABOUT,
    &remote::ABOUT,
    &cache_thrash::ABOUT,
    &small_files::ABOUT,
    &cold_cache::ABOUT,
    &disk::ABOUT,
    &cpu_quota::ABOUT,
    &cpu_oversubscribed::ABOUT,
    &prep::ABOUT,
    &workers::ABOUT,
    &rest::MIXED,
    &rest::UNATTRIBUTED,
];

/// All causes, explained.
pub fn causes() -> &'static [&'static About] {
    CAUSES
}

/// A cause, explained; `None` for one that this version does not name.
pub fn about_cause(cause: Cause) -> Option<&'static About> {
    CAUSES.iter().copied().find(|about| about.code == cause.code())
}

/// A cause explains the wait from this share of the workers' busy time on.
pub(super) static EXPLAINS: Threshold = Threshold {
    code: Rule::Starved.code(),
    name: "explains",
    default: 0.60,
    unit: "share",
    what: "Share of the workers' busy time from which on a cause is named.",
};
/// From here on it has a part in it.
pub(super) static PARTLY: Threshold = Threshold {
    code: Rule::Starved.code(),
    name: "partly",
    default: 0.30,
    unit: "share",
    what: "Share of the workers' busy time from which on a cause has a part in it.",
};

/// What a cause is judged by.
pub(super) struct Case<'a> {
    pub(super) facts: &'a Facts,
    pub(super) trainer: &'a Trainer,
    pub(super) settings: &'a Settings,
    /// Share of time blocked.
    pub(super) blocked: f64,
    /// Number of workers, where known.
    pub(super) workers: Option<u64>,
    /// Where workers spend their time while the loop waits.
    pub(super) shares: Option<WorkerShares>,
}

/// A cause with its words.
#[derive(Clone, Debug)]
pub(super) struct Explained {
    pub(super) cause: Cause,
    /// What follows the colon of the title.
    pub(super) because: String,
    pub(super) advice: String,
    pub(super) evidence: Vec<Evidence>,
}

/// Names the cause, and what else there is evidence of.
pub(super) fn explain(case: &Case<'_>) -> Explained {
    let mut first = first(case);
    first.evidence.extend(beside(case, first.cause));
    first
}

/// A test of one cause.
type Test = fn(&Case<'_>) -> Option<Explained>;

/// Causes with evidence of their own that hold beside another one. What is left over when nothing else is
/// found (too few workers, preparation that fills the cores) is no second cause.
const BESIDE: [Test; 9] = [
    delivery::test,
    head_of_line::test,
    main_thread::cause,
    remote::test,
    cache_thrash::cause,
    small_files::cause,
    disk::test,
    cpu_quota::cause,
    cpu_oversubscribed::cause,
];

fn beside(case: &Case<'_>, first: Cause) -> Vec<Evidence> {
    if case.workers == Some(0) {
        return Vec::new();
    }
    let mut quota = first == Cause::CpuQuota;
    let stopped = cpu_quota::of_loop(case).or_else(|| cpu_oversubscribed::of_loop(case)).is_some();
    let mut lines = Vec::new();
    for other in BESIDE.iter().filter_map(|test| test(case)) {
        let follows = match other.cause {
            // Threads that a quota stops count as ready to run, and are no crowd.
            Cause::CpuOversubscribed => quota,
            // A loop without a CPU is slow to take what is ready, and workers have nothing to do
            // meanwhile: neither the hand-over nor a slow batch need be why.
            Cause::DeliveryBound | Cause::HeadOfLine => stopped,
            _ => false,
        };
        quota |= other.cause == Cause::CpuQuota;
        let Some(witness) = other.evidence.into_iter().next().filter(|_| !follows) else {
            continue;
        };
        if other.cause != first {
            let text = format!("Also {}: {}.", other.cause.code(), other.because);
            lines.push(Evidence { text, ..witness });
        }
    }
    lines
}

fn first(case: &Case<'_>) -> Explained {
    cpu_quota::of_loop(case)
        .or_else(|| cpu_oversubscribed::of_loop(case))
        .or_else(|| workers::without_workers(case))
        .or_else(|| delivery::test(case))
        .or_else(|| rest::unread(case))
        .or_else(|| main_thread::cause(case))
        .or_else(|| head_of_line::test(case))
        .or_else(|| remote::test(case))
        .or_else(|| cache_thrash::cause(case))
        .or_else(|| disk::at_byte_limit(case))
        .or_else(|| small_files::cause(case))
        .or_else(|| cold_cache::cause(case))
        .or_else(|| disk::test(case))
        .or_else(|| cpu_quota::cause(case))
        .or_else(|| cpu_oversubscribed::cause(case))
        .or_else(|| prep::test(case))
        .or_else(|| workers::test(case))
        .unwrap_or_else(|| rest::mixed_or_unknown(case))
}

/// Whether the disk, or a limit on it, is at its ceiling.
pub(super) fn at_ceiling(case: &Case<'_>) -> bool {
    disk::ceiling(case).is_some()
}

impl Case<'_> {
    /// The value of a threshold that is in force.
    pub(super) fn of(&self, threshold: &Threshold) -> f64 {
        self.settings.of(threshold)
    }

    /// A share of the time in which workers are not idle.
    pub(super) fn of_busy(&self, part: impl Fn(&WorkerShares) -> f64) -> Option<f64> {
        let shares = self.shares.as_ref()?;
        let busy = 1.0 - shares.idle;
        (busy > 0.0).then(|| part(shares) / busy)
    }

    /// Waiting for disks and networks, of the time in which workers are not idle.
    pub(super) fn fetch(&self) -> Option<f64> {
        self.of_busy(|shares| shares.disk + shares.net)
    }

    /// On a CPU or ready for one, of the time in which workers are not idle.
    pub(super) fn prep(&self) -> Option<f64> {
        self.of_busy(|shares| shares.run + shares.runq)
    }

    /// `loader 1`
    pub(super) fn entity(&self) -> String {
        self.trainer.loader.map_or_else(|| "loader".into(), |loader| format!("loader {loader}"))
    }

    /// `8 workers spend`
    pub(super) fn workers_spend(&self) -> String {
        self.workers.map_or_else(|| "the workers spend".into(), words::workers_spend)
    }

    /// A line of evidence about a share of the workers' time.
    pub(super) fn worker_share(
        &self,
        column: &str,
        share: f64,
        limit: f64,
        what: &str,
    ) -> Evidence {
        let series = format!("loaders.{column}");
        let text = format!("the workers spend {} of their busy time {what}", words::percent(share));
        words::evidence(self.facts.span, &series, self.entity(), share, Some(limit), text)
    }
}
