//! EVAL-STARVED: evaluation waits for data, through a loader with knobs of its own.

use std::collections::{BTreeMap, VecDeque};

use super::super::about::{About, Threshold};
use super::super::cause::workers_enough;
use super::super::charge::Lost;
use super::super::facts::Facts;
use super::super::latch::{Edge, Latch};
use super::super::ledger::{Ledger, Said};
use super::super::rules::{Check, Scene};
use super::super::settings::{Settings, Timing};
use super::super::starved::{Loss, name_of};
use super::super::tick::{Gate, Tick};
use super::super::trainer::Trainer;
use super::super::words;
use crate::model::{Evidence, Pid, Rule, Severity};

pub(in crate::diagnose) static ABOUT: About = About {
    code: Rule::EvalStarved.code(),
    area: Rule::EvalStarved.area(),
    what: "Evaluation waits for data while its GPU could work.",
    when: "Raised where an evaluation waits {blocked} of its time or more and the GPU loses {lost} of it \
           or more, over 10 s of evaluation (30 s where looks are few) for 5 s (10 s) of it; cleared below \
           half of that for 10 s (20 s) of evaluation. Training in between counts for neither.",
    remedy: "The validation loader's own num_workers, prefetch_factor and persistent_workers=True: those \
             of the training loader do not reach it.",
    source: "as STARVED: TraceML warns at 10 %",
    thresholds: &[&BLOCKED, &LOST],
};

static BLOCKED: Threshold = Threshold {
    code: Rule::EvalStarved.code(),
    name: "blocked",
    default: 0.10,
    unit: "share",
    what: "Share of an evaluation in wait for data that is a finding.",
};
static LOST: Threshold = Threshold {
    code: Rule::EvalStarved.code(),
    name: "lost",
    default: 0.05,
    unit: "share",
    what: "Share of an evaluation that its GPU loses, and that matters.",
};

/// Ticks of evaluation that are kept.
const MAX_TICKS: usize = 600;
/// Less of a window than this with an answer, or fewer looks, says nothing.
const COVER: f64 = 0.6;
const LOOKS: f64 = 20.0;
/// Ticks of evaluation that are further apart are of two evaluations.
const APART_MS: i64 = 15_000;
/// Looks a second from which on the short window does.
const OFTEN: f64 = 8.0;
/// Workers with less idle time than this, while the loop waits, are all at work.
const BUSY: f64 = 0.20;

/// The rule for all trainers.
#[derive(Clone, Default)]
pub(in crate::diagnose) struct EvalStarved {
    watched: BTreeMap<Pid, State>,
}

#[derive(Clone, Default)]
struct State {
    ticks: VecDeque<Tick>,
    /// Milliseconds of evaluation: the clock of this rule.
    clock_ms: u64,
    latch: Latch,
    id: Option<u64>,
    /// When the evaluation began that goes on, and its newest tick, in milliseconds since the Unix epoch.
    begun_ms: i64,
    last_ms: i64,
}

impl Check for EvalStarved {
    fn step(&mut self, scene: &Scene<'_>, ledger: &mut Ledger) {
        for trainer in scene.trainers {
            let state = self.watched.entry(trainer.pid).or_default();
            let fresh = trainer.newest().filter(|tick| {
                tick.gate == Gate::Evaluation && tick.mono_ms == scene.frame.sample.stamp.mono_ms
            });
            if let Some(tick) = fresh {
                state.step(scene, trainer, tick, ledger);
            }
        }
        self.watched.retain(|pid, state| {
            let stays = scene.trainers.iter().any(|trainer| trainer.pid == *pid);
            if !stays {
                state.close(ledger);
            }
            stays
        });
    }

    fn end(&mut self, ledger: &mut Ledger) {
        for (_, mut state) in std::mem::take(&mut self.watched) {
            state.close(ledger);
        }
    }
}

impl State {
    fn step(&mut self, scene: &Scene<'_>, trainer: &Trainer, tick: &Tick, ledger: &mut Ledger) {
        let settings = scene.settings;
        self.clock_ms += (f64::from(tick.span) * 1e3) as u64;
        if tick.unix_ms - self.last_ms > APART_MS {
            self.begun_ms = tick.unix_ms - (f64::from(tick.span) * 1e3) as i64;
        }
        self.last_ms = tick.unix_ms;
        self.ticks.push_back(*tick);
        if self.ticks.len() > MAX_TICKS {
            self.ticks.pop_front();
        }
        let Some((facts, timing)) = self.facts(settings) else { return };
        let Some(blocked) = facts.blocked else { return };
        let loss = Loss::of(blocked, facts.gpu);
        let (least, lost) = (settings.of(&BLOCKED), settings.of(&LOST));
        let raises = blocked >= least && loss.middle() >= lost && facts.waits >= 2;
        let clears = blocked < least / 2.0 || loss.middle() < lost / 2.0;
        let edge = self.latch.step(self.clock_ms, (raises, timing.raise), (clears, timing.clear));
        let severity = loss.severity(facts.steps, facts.bound).unwrap_or(Severity::Info);
        let said = || said(scene, trainer, &facts, (blocked, loss), severity);
        match edge {
            Edge::Raised(_) => self.id = ledger.open(said(), facts.span.0.max(self.begun_ms)),
            Edge::Cleared(_) => self.close(ledger),
            Edge::None => {
                if let Some(id) = self.id.filter(|_| raises) {
                    ledger.renew(id, said(), false);
                }
            }
        }
    }

    /// The newest seconds of evaluation, whether or not training lies between them.
    fn facts(&self, settings: &Settings) -> Option<(Facts, Timing)> {
        let newest = |seconds: f64| {
            let mut left = seconds;
            let within = self.ticks.iter().rev().take_while(|tick| {
                let takes = left > 0.0;
                left -= f64::from(tick.span);
                takes
            });
            let start = self.ticks.len() - within.count();
            Facts::of_all(self.ticks.range(start..))
        };
        for timing in [settings.fast, settings.standard] {
            let facts = newest(timing.window)?;
            let often = facts.looks >= OFTEN * facts.covered;
            let enough = facts.covered >= COVER * timing.window && facts.looks >= LOOKS;
            if enough && (often || timing == settings.standard) {
                return Some((facts, timing));
            }
        }
        None
    }

    fn close(&mut self, ledger: &mut Ledger) {
        if let Some(id) = self.id.take() {
            ledger.close(id, self.last_ms);
        }
        self.latch.reset();
    }
}

fn said(
    scene: &Scene<'_>,
    trainer: &Trainer,
    facts: &Facts,
    (blocked, loss): (f64, Loss),
    severity: Severity,
) -> Said {
    let name = name_of(&scene.frame.sample, trainer.run, trainer.pid);
    let mark = facts.bound.mark();
    // Only while it evaluates is GPU time lost, and only that is charged.
    let now = trainer.newest().is_some_and(|tick| tick.gate == Gate::Evaluation);
    let lost = Lost::of(trainer.gpus.iter().copied(), loss.low, loss.high).filter(|_| now);
    Said {
        severity,
        run: Some(trainer.run),
        pid: Some(trainer.pid),
        title: format!(
            "{name} waits for data {mark}{} of the time while it evaluates",
            words::percent(blocked)
        ),
        evidence: evidence(scene.settings, trainer, facts, blocked),
        advice: advice(trainer, facts, blocked),
        gain: format!("evaluation {}", loss.faster()),
        lost,
        ..Said::of(Rule::EvalStarved)
    }
}

fn evidence(settings: &Settings, trainer: &Trainer, facts: &Facts, blocked: f64) -> Vec<Evidence> {
    let entity = trainer.loader.map_or_else(|| "loader".into(), |id| format!("loader {id}"));
    let text = format!(
        "the evaluation waits for data {}{} of its time",
        facts.bound.mark(),
        words::percent(blocked)
    );
    let limit = Some(settings.of(&BLOCKED));
    let mut lines =
        vec![words::evidence(facts.span, "loaders.wait_ratio", &*entity, blocked, limit, text)];
    if let Some(busy) = facts.gpu {
        let gpus: Vec<String> = trainer.gpus.iter().map(ToString::to_string).collect();
        let who = format!("gpu {}", gpus.join(", "));
        let text = format!("the GPU is busy {} of it", words::percent(busy));
        lines.push(words::evidence(facts.span, "gpus.utilization_ratio", who, busy, None, text));
    }
    if let Some(idle) = facts.idle_waiting {
        let text =
            format!("its workers are idle {} of the time in which it waits", words::percent(idle));
        lines.push(words::evidence(
            facts.span,
            "loaders.worker_idle_ratio",
            entity,
            idle,
            None,
            text,
        ));
    }
    lines
}

fn advice(trainer: &Trainer, facts: &Facts, blocked: f64) -> String {
    let busy = facts.idle_waiting.is_some_and(|idle| idle < BUSY);
    match trainer.workers.map(u64::from) {
        Some(0) => "Give the validation loader workers of its own: num_workers=2 to begin with.".into(),
        Some(workers) if busy => format!(
            "Raise num_workers of the validation loader from {workers} to {}, as far as there are \
             cores; that of the training loader does not reach it.",
            workers_enough(workers, blocked)
        ),
        _ => "Give the validation loader persistent_workers=True and a prefetch_factor of 4: its workers \
              have time left while it waits."
            .into(),
    }
}
