//! MAIN-THREAD: the trainer's main thread works on a CPU while its GPU has nothing to do.

use super::{Sight, View};
use crate::diagnose::about::{About, Threshold};
use crate::diagnose::cause::{Case, Explained};
use crate::diagnose::charge::Lost;
use crate::diagnose::facts::Facts;
use crate::diagnose::ledger::Said;
use crate::diagnose::words;
use crate::model::{Cause, Evidence, Rule, Severity};

pub(in crate::diagnose) static ABOUT: About = About {
    code: Rule::MainThread.code(),
    area: Rule::MainThread.area(),
    what: "The training process's main thread is busy on a CPU while its GPU has nothing to do.",
    when: "Raised where the GPU idles {idle} of the time or more, the loop does not wait for data, workers \
           are without work {spare} of the time or more, and the main thread must be on a CPU {busy} of the \
           GPU's idle time or more, outside of the model's own forward, backward and optimizer, for 10 s \
           over a window of 30 s; cleared below half of the idle share for 20 s. Named as the cause of \
           STARVED where the loop waits inside its loader with the main thread on a CPU {busy} of that \
           wait or more, and workers without work.",
    remedy: "Move work out of the loop into the workers: collate_fn, tokenising and augmentation into the \
             Dataset; copy with pin_memory=True and .to(device, non_blocking=True); log and call .item() \
             every 50 steps instead of each; compute metrics on the GPU.",
    source: "a proposal; the share during the idle time is a lower bound, 1 − (1 − main thread) / idle",
    thresholds: &[&IDLE, &SPARE, &BUSY],
};

static IDLE: Threshold = Threshold {
    code: Rule::MainThread.code(),
    name: "idle",
    default: 0.10,
    unit: "share",
    what: "Share of time in which the GPU idles.",
};
static SPARE: Threshold = Threshold {
    code: Rule::MainThread.code(),
    name: "spare",
    default: 0.20,
    unit: "share",
    what: "Share of the workers' time without work.",
};
static BUSY: Threshold = Threshold {
    code: Rule::MainThread.code(),
    name: "busy",
    default: 0.90,
    unit: "share",
    what: "Share of the GPU's idle time, or of the wait, in which the main thread is on a CPU, at least.",
};
/// Blocked for more than this, the loop waits for data: the cost of `__next__` itself is up to 3 %.
const BLOCKED: f64 = 0.05;
/// This share of the idle time at least must lie outside of the model's own steps.
const OUTSIDE: f64 = 0.60;

/// Why a loop starves, where it is this: the wait is work of the main thread inside the loader.
pub(in crate::diagnose) fn cause(case: &Case<'_>) -> Option<Explained> {
    case.workers.filter(|workers| *workers > 0)?;
    let [run, ..] = case.facts.main_waits?;
    let run = run * case.facts.used.main_on_cpu()?;
    let idle = case.facts.idle_waiting.or_else(|| case.shares.map(|shares| shares.idle))?;
    let (busy, spare) = (case.of(&BUSY), case.of(&SPARE));
    if run < busy || idle < spare {
        return None;
    }
    let text = format!("the main thread is on a CPU {} of the wait", words::percent(run));
    let without = format!(
        "the workers are idle {} of the time in which the loop waits",
        words::percent(idle)
    );
    let line = |series, value, limit, text| {
        words::evidence(case.facts.span, series, case.entity(), value, Some(limit), text)
    };
    Some(Explained {
        cause: Cause::MainThread,
        because: format!(
            "its main thread is on a CPU in {} of that wait, while workers are idle {} of it",
            words::percent(run),
            words::percent(idle)
        ),
        advice: ABOUT.remedy.into(),
        evidence: vec![
            line("loaders.wait_run_samples_total", run, busy, text),
            line("loaders.wait_idle_samples_total", idle, spare, without),
        ],
    })
}

/// The main thread over the window.
struct Busy {
    idle: f64,
    /// Share of its own time on a CPU, and of the GPU's idle time at least.
    main: f64,
    within: f64,
    /// Share of the looks at its stack in something else than the model's steps, and in logging.
    outside: f64,
    logging: f64,
    spare: f64,
}

impl Busy {
    /// `None` where the GPU, the thread or its stack cannot be read.
    fn of(facts: &Facts, main: Option<f64>) -> Option<Self> {
        let idle = 1.0 - facts.gpu?;
        let main = main?.min(1.0);
        let (outside, logging) = facts.main_outside?;
        let spare = facts.all_shares?.idle;
        let within = if idle > 0.0 { (1.0 - (1.0 - main) / idle).max(0.0) } else { 0.0 };
        Some(Self { idle, main, within, outside, logging, spare })
    }

    /// Whether the idle time lies outside of the model's steps: of it at least what is left when all
    /// of those fall into it.
    fn is_outside(&self) -> bool {
        self.idle - (1.0 - self.outside) >= OUTSIDE * self.idle
    }

    fn evidence(&self, span: (i64, i64), view: &View<'_>) -> Vec<Evidence> {
        let pid = format!("pid {}", view.trainer.pid);
        let gpus: Vec<String> = view.trainer.gpus.iter().map(ToString::to_string).collect();
        let line = |series, entity: String, value, limit, text| {
            words::evidence(span, series, entity, value, limit, text)
        };
        let main = format!("the main thread is on a CPU {} of the time", words::percent(self.main));
        let idle = format!("the GPU idles {} of the time", words::percent(self.idle));
        let outside = format!(
            "it is outside of forward, backward and optimizer in {} of the looks",
            words::percent(self.outside)
        );
        let spare =
            format!("the workers are without work {} of the time", words::percent(self.spare));
        vec![
            line(
                "gpus.utilization_ratio",
                format!("gpu {}", gpus.join(", ")),
                self.idle,
                Some(view.of_settings(&IDLE)),
                idle,
            ),
            line("procs.main_cpu_cores", pid, self.main, Some(view.of_settings(&BUSY)), main),
            line("loaders.main_samples_total", view.entity(), self.outside, None, outside),
            line(
                "loaders.worker_idle_ratio",
                view.entity(),
                self.spare,
                Some(view.of_settings(&SPARE)),
                spare,
            ),
        ]
    }
}

pub(super) fn look(view: &View<'_>) -> Option<Sight> {
    if view.starves() {
        return Some(Sight::Told);
    }
    let facts = view.fed()?;
    let busy = Busy::of(facts, view.used.main_cores)?;
    let idle = view.of_settings(&IDLE);
    if busy.idle < idle / 2.0 {
        return Some(Sight::Gone);
    }
    let holds = busy.idle >= idle
        && facts.blocked? < BLOCKED
        && busy.spare >= view.of_settings(&SPARE)
        && busy.within >= view.of_settings(&BUSY)
        && busy.is_outside();
    if !holds {
        return Some(Sight::Fading);
    }
    let what = if busy.logging >= busy.outside / 2.0 {
        format!(", {} of it logging", words::percent(busy.logging / busy.outside.max(busy.logging)))
    } else {
        String::new()
    };
    let said = Said {
        severity: words::severity(busy.idle).unwrap_or(Severity::Info).min(Severity::High),
        title: format!(
            "{}'s main thread is on a CPU {} of the time while its GPU idles {} of it: work outside of the \
             model holds the loop up{what}",
            view.name(),
            words::percent(busy.main),
            words::percent(busy.idle)
        ),
        evidence: busy.evidence(facts.span, view),
        advice: ABOUT.remedy.into(),
        gain: format!("up to {:.1}× faster", 1.0 / (1.0 - busy.idle.min(0.9))),
        lost: Lost::of(view.trainer.gpus.iter().copied(), busy.idle * busy.within, busy.idle),
        ..Said::of(Rule::MainThread)
    };
    Some(view.here(busy.idle, said))
}
