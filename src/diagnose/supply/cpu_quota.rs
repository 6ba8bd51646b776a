//! CPU-QUOTA: a CPU quota runs out, and the kernel stops the job until the next period.

use super::cpu_oversubscribed::OF_WAIT;
use super::{Sight, View};
use crate::diagnose::about::{About, Threshold};
use crate::diagnose::cause::{Case, EXPLAINS, Explained};
use crate::diagnose::ledger::Said;
use crate::diagnose::used::Used;
use crate::diagnose::words;
use crate::model::{Cause, Evidence, Rule, Severity};

pub(in crate::diagnose) static ABOUT: About = About {
    code: Rule::CpuQuota.code(),
    area: Rule::CpuQuota.area(),
    what: "The CPU quota of a control group runs out, and the kernel stops the job until the next period.",
    when: "Raised where a quota stops the job {throttled} of the time or more, or runs out in {periods} of \
           the scheduling periods or more, while the job uses half of it or more itself, for 10 s over a \
           window of 30 s; cleared below half of both for 20 s. Named as the cause of STARVED where the \
           workers are on a CPU, or ready for one, 60 % or more of their busy time, or where the main \
           thread itself is ready to run and stopped for 60 % or more of what the loop waits.",
    remedy: "Raise the quota (cpu.max, Kubernetes limits.cpu, docker --cpus) to at least the workers and \
             ranks together, or set num_workers to the whole cores of the quota less the ranks.",
    source: "a proposal; 25 % of the periods as in the usual alert on CPU throttling in Kubernetes",
    thresholds: &[&THROTTLED, &PERIODS],
};

static THROTTLED: Threshold = Threshold {
    code: Rule::CpuQuota.code(),
    name: "throttled",
    default: 0.10,
    unit: "share",
    what: "Share of time in which a quota stops the job.",
};
static PERIODS: Threshold = Threshold {
    code: Rule::CpuQuota.code(),
    name: "periods",
    default: 0.25,
    unit: "share",
    what: "Share of scheduling periods in which a quota runs out.",
};

/// From this share of time on it matters much.
const HIGH: f64 = 0.30;
/// The job itself uses this share of the quota: else it is others that run it out.
const OURS: f64 = 0.50;

/// How often a quota binds.
struct Binds {
    throttled: f64,
    periods: Option<f64>,
    quota: f64,
}

impl Binds {
    /// `None` where there is no quota, or what it stops is not told.
    fn of(used: &Used) -> Option<Self> {
        let (throttled, quota) = used.throttled.zip(used.quota)?;
        Some(Self { throttled, periods: used.throttled_periods, quota })
    }

    fn reaches(&self, throttled: f64, periods: f64) -> bool {
        self.throttled >= throttled || self.periods.is_some_and(|share| share >= periods)
    }

    fn words(&self) -> String {
        let often = self.periods.map_or_else(String::new, |share| {
            format!(", and runs out in {} of the scheduling periods", words::percent(share))
        });
        format!(
            "the CPU quota of {:.1} cores stops it {} of the time{often}",
            self.quota,
            words::percent(self.throttled)
        )
    }

    fn evidence(&self, span: (i64, i64), throttled: f64, periods: f64) -> Vec<Evidence> {
        let line = |series, value, limit, text| {
            words::evidence(span, series, "control group", value, Some(limit), text)
        };
        let text = format!(
            "the job is stopped {} of the time by a quota of {:.1} cores",
            words::percent(self.throttled),
            self.quota
        );
        let mut lines = vec![line("cgroups.throttled_ratio", self.throttled, throttled, text)];
        if let Some(share) = self.periods {
            let text = format!("the quota runs out in {} of the periods", words::percent(share));
            lines.push(line("cgroups.throttled_periods_ratio", share, periods, text));
        }
        lines
    }

    /// `ranks` trainers and `workers` on the quota.
    fn advice(&self, workers: Option<u64>, ranks: u64) -> String {
        let Some(workers) = workers else { return ABOUT.remedy.into() };
        let (want, whole) = (workers + ranks, self.quota as u64);
        let raise = format!(
            "Raise the quota (cpu.max, Kubernetes limits.cpu, docker --cpus) from {:.1} to at least {want} \
             cores: {} and {}",
            self.quota,
            words::workers(workers),
            if ranks == 1 { "the trainer".into() } else { format!("{ranks} trainers") }
        );
        match whole.saturating_sub(ranks) {
            fit if fit >= 1 && fit < workers => {
                format!("{raise}; or set num_workers to {fit}, which fits it.")
            }
            _ => format!("{raise}."),
        }
    }
}

/// Why a loop starves, where it is this.
pub(in crate::diagnose) fn cause(case: &Case<'_>) -> Option<Explained> {
    case.prep().filter(|share| *share >= case.of(&EXPLAINS))?;
    explained(case)
}

/// The same of a loop whose wait is its own main thread, stopped with all the rest of the job: a thread
/// that a quota stops counts as ready to run, as one that stands in line for a CPU does.
pub(in crate::diagnose) fn of_loop(case: &Case<'_>) -> Option<Explained> {
    case.facts.used.main_delay.filter(|delay| *delay >= OF_WAIT * case.blocked)?;
    explained(case)
}

fn explained(case: &Case<'_>) -> Option<Explained> {
    let binds = Binds::of(&case.facts.used)?;
    let (throttled, periods) = (case.of(&THROTTLED), case.of(&PERIODS));
    if !binds.reaches(throttled, periods) {
        return None;
    }
    Some(Explained {
        cause: Cause::CpuQuota,
        because: binds.words(),
        advice: binds.advice(case.workers, 1),
        evidence: binds.evidence(case.facts.span, throttled, periods),
    })
}

pub(super) fn look(view: &View<'_>) -> Option<Sight> {
    if view.starves() {
        return Some(Sight::Told);
    }
    let facts = view.fed()?;
    let binds = Binds::of(&view.used)?;
    let (throttled, periods) = (view.of_settings(&THROTTLED), view.of_settings(&PERIODS));
    if !binds.reaches(throttled / 2.0, periods / 2.0) {
        return Some(Sight::Gone);
    }
    // Threads that are stopped count as ready to run: what they use and what they would.
    let ours = view.used.runnable?;
    if !binds.reaches(throttled, periods) || ours < OURS * binds.quota {
        return Some(Sight::Fading);
    }
    let ranks = view.scene.trainers.iter().filter(|t| t.run == view.trainer.run).count() as u64;
    let said = Said {
        severity: if binds.throttled >= HIGH { Severity::High } else { Severity::Warn },
        title: format!("{} lacks CPU: {}", view.name(), binds.words()),
        evidence: binds.evidence(facts.span, throttled, periods),
        advice: binds.advice(view.trainer.workers.map(u64::from), ranks),
        ..Said::of(Rule::CpuQuota)
    };
    Some(view.here(binds.throttled, said))
}
