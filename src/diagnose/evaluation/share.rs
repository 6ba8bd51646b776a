//! EVAL-SHARE: evaluation takes a large share of the time.

use std::collections::BTreeMap;

use super::super::about::{About, Threshold};
use super::super::ledger::{Ledger, Said};
use super::super::rules::{Check, Scene};
use super::super::settings::Settings;
use super::super::starved::name_of;
use super::super::trainer::Trainer;
use super::super::words;
use super::cycles::{Cycle, variation};
use super::watch::{Known, Phases};
use crate::model::{Evidence, Rule, RunId, Severity};

pub(in crate::diagnose) static ABOUT: About = About {
    code: Rule::EvalShare.code(),
    area: Rule::EvalShare.area(),
    what: "Evaluation takes a large share of the run's time.",
    when: "A warning where evaluations take {warn} of the time or more over {cycles} rounds or more, or \
           cost {of_training} of the training between them; high from {high} on. Cleared where the last \
           two rounds are below half of {warn}, and when the run ends. A round counts once training has \
           gone on after it. Evaluation is known by the main thread's Python stack; without it, by \
           another loader that moves regularly and computes no gradients or draws less power.",
    remedy: "Tiers: a fixed small subset each time, the full suite on every fourth checkpoint or on the \
             best ones; a larger eval_steps or val_check_interval; a larger evaluation batch under \
             torch.no_grad(); evaluation on another GPU.",
    source: "a proposal",
    thresholds: &[&WARN, &HIGH, &OF_TRAINING, &CYCLES],
};

static WARN: Threshold = Threshold {
    code: Rule::EvalShare.code(),
    name: "warn",
    default: 0.15,
    unit: "share",
    what: "Share of time in evaluation that is a warning.",
};
static HIGH: Threshold = Threshold {
    code: Rule::EvalShare.code(),
    name: "high",
    default: 0.30,
    unit: "share",
    what: "Share of time in evaluation that is high.",
};
static OF_TRAINING: Threshold = Threshold {
    code: Rule::EvalShare.code(),
    name: "of_training",
    default: 0.50,
    unit: "share",
    what: "Time of an evaluation, of the time between it and the one before, that is a warning.",
};
static CYCLES: Threshold = Threshold {
    code: Rule::EvalShare.code(),
    name: "cycles",
    default: 2.0,
    unit: "count",
    what: "Rounds of training and evaluation without which nothing is said.",
};

/// Between two judgements, which take longer than to follow: where a stretch has ended, and where none has.
const LEAST_MS: u64 = 900;
const AGAIN_MS: u64 = 7_500;
/// Rounds that are looked at, the last ones.
const LAST: usize = 10;
/// The first round may have begun before mltop did; it counts where it is this long at least of the
/// one after it.
const WHOLE: f64 = 0.8;
/// Evaluations whose length varies by less than this take the same time each.
const SAME: f64 = 0.30;
/// Tiers: this part of the samples each time, and the whole of them every so many times.
const SUBSET: f64 = 0.10;
const FULL_EVERY: f64 = 4.0;
/// Share of an evaluation after its last batch, or of its time in wait for data, that is named first.
const TAIL: f64 = 0.25;
const BLOCKED: f64 = 0.20;

/// The rule for all trainers.
#[derive(Clone, Default)]
pub(in crate::diagnose) struct EvalShare {
    watched: BTreeMap<RunId, State>,
}

#[derive(Clone, Default)]
struct State {
    /// Stretches that had ended when this was last judged, and when that was.
    ended: u64,
    judged_ms: u64,
    id: Option<u64>,
    last_ms: i64,
}

impl Check for EvalShare {
    fn step(&mut self, scene: &Scene<'_>, ledger: &mut Ledger) {
        let watched = &mut self.watched;
        for info in &scene.frame.sample.inventory.runs {
            let of_run = scene.trainers.iter().copied().filter(|trainer| trainer.run == info.run);
            let ranks: Vec<&Trainer> = of_run.collect();
            if !ranks.is_empty() {
                watched.entry(info.run).or_default().step(scene, &ranks, ledger);
            }
        }
        watched.retain(|run, state| {
            let stays = scene.trainers.iter().any(|trainer| trainer.run == *run);
            if !stays {
                state.close(state.last_ms, ledger);
            }
            stays
        });
    }

    fn end(&mut self, ledger: &mut Ledger) {
        for (_, mut state) in std::mem::take(&mut self.watched) {
            state.close(state.last_ms, ledger);
        }
    }
}

impl State {
    /// The ranks of a run wait for the one that evaluates most, which need not be the first.
    fn step(&mut self, scene: &Scene<'_>, ranks: &[&Trainer], ledger: &mut Ledger) {
        let (stamp, settings) = (scene.frame.sample.stamp, scene.settings);
        self.last_ms = stamp.unix_ms;
        // A round is complete a few seconds into the training after it.
        let ended = ranks.iter().map(|rank| rank.phases.ended()).sum();
        let waited = stamp.mono_ms.saturating_sub(self.judged_ms);
        if waited < if ended == self.ended { AGAIN_MS } else { LEAST_MS } {
            return;
        }
        (self.ended, self.judged_ms) = (ended, stamp.mono_ms);
        let rounds = ranks.iter().filter_map(|rank| {
            let phases = rank.phases.phases(rank.run, rank.pid);
            Some((*rank, Rounds::of(&phases, LAST, settings)?, phases))
        });
        let most = rounds.max_by(|a, b| a.1.share.total_cmp(&b.1.share));
        let Some((trainer, rounds, phases)) = most else { return };
        if let Some(id) = self.id {
            let last = Rounds::of(&phases, 2, settings);
            if last.is_some_and(|last| last.share < settings.of(&WARN) / 2.0) {
                self.close(rounds.span.1, ledger);
            } else if let Some(severity) = rounds.severity(settings) {
                ledger.renew(id, said(scene, trainer, &rounds, severity), false);
            }
        } else if let Some(severity) = rounds.severity(settings) {
            let start = rounds.span.0;
            self.id = ledger.open(said(scene, trainer, &rounds, severity), start);
        }
    }

    fn close(&mut self, end_ms: i64, ledger: &mut Ledger) {
        if let Some(id) = self.id.take() {
            ledger.close(id, end_ms);
        }
    }
}

/// The last rounds, summed.
struct Rounds {
    all: Vec<Cycle>,
    known: Known,
    /// From the begin of the first one's training to the end of the last one's evaluation.
    span: (i64, i64),
    /// Evaluation of the time.
    share: f64,
    /// Mean seconds of an evaluation, and between two.
    evaluation: f64,
    between: f64,
}

impl Rounds {
    fn of(phases: &Phases, last: usize, settings: &Settings) -> Option<Self> {
        let known = phases.known?;
        let mut complete: Vec<Cycle> =
            phases.cycles.iter().copied().filter(|round| round.complete).collect();
        let cut = match complete.as_slice() {
            [first, second, ..] => first.before_seconds < WHOLE * second.before_seconds,
            _ => true,
        };
        if cut && !complete.is_empty() {
            complete.remove(0);
        }
        let rounds = complete.split_off(complete.len().saturating_sub(last));
        if rounds.is_empty() || (rounds.len() as f64) < settings.of(&CYCLES) {
            return None;
        }
        let sum = |of: fn(&Cycle) -> f64| rounds.iter().map(of).sum::<f64>();
        let (evaluation, between) = (sum(|round| round.seconds), sum(|round| round.before_seconds));
        let count = rounds.len() as f64;
        let (first, final_one) = (rounds.first()?, rounds.last()?);
        Some(Self {
            known,
            span: (first.span.0 - (first.before_seconds * 1e3) as i64, final_one.span.1),
            share: evaluation / (evaluation + between).max(f64::MIN_POSITIVE),
            evaluation: evaluation / count,
            between: between / count,
            all: rounds,
        })
    }

    fn severity(&self, settings: &Settings) -> Option<Severity> {
        match self.share {
            share if share >= settings.of(&HIGH) => Some(Severity::High),
            share if share >= settings.of(&WARN) => Some(Severity::Warn),
            _ if self.evaluation >= settings.of(&OF_TRAINING) * self.between => {
                Some(Severity::Warn)
            }
            _ => None,
        }
    }

    fn mean(&self, of: impl Fn(&Cycle) -> Option<f64>) -> Option<f64> {
        let known: Vec<f64> = self.all.iter().filter_map(of).collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    }

    /// Whether each takes about as long as the others.
    fn same(&self) -> bool {
        let varies = variation(self.all.iter().map(|round| round.seconds));
        varies.is_some_and(|varies| varies < SAME)
    }

    /// The share that tiers would leave, were the time to follow the number of samples.
    fn with_tiers(&self) -> f64 {
        let part = 1.0 / FULL_EVERY + (1.0 - 1.0 / FULL_EVERY) * SUBSET;
        let evaluation = self.evaluation * part;
        evaluation / (evaluation + self.between)
    }
}

fn said(scene: &Scene<'_>, trainer: &Trainer, rounds: &Rounds, severity: Severity) -> Said {
    let name = name_of(&scene.frame.sample, trainer.run, trainer.pid);
    let (count, each) = (rounds.all.len(), words::duration(rounds.evaluation));
    let sure = match rounds.known {
        Known::Frames => "",
        Known::Inferred => " (inferred)",
    };
    let same = if rounds.same() { ", about the same each time" } else { "" };
    Said {
        severity,
        run: Some(trainer.run),
        pid: Some(trainer.pid),
        title: format!(
            "{name} evaluates{sure} {} of the time: {count} evaluations of {each}{same}",
            words::percent(rounds.share)
        ),
        evidence: evidence(scene, trainer, rounds),
        advice: advice(rounds),
        gain: format!(
            "up to {:.2}× faster without any evaluation: the bound of every change to it",
            1.0 / (1.0 - rounds.share.min(0.9))
        ),
        ..Said::of(Rule::EvalShare)
    }
}

fn evidence(scene: &Scene<'_>, trainer: &Trainer, rounds: &Rounds) -> Vec<Evidence> {
    let settings = scene.settings;
    let who = format!("pid {}", trainer.pid);
    let line = |series: &str, value: f64, limit: Option<f64>, text: String| {
        words::evidence(rounds.span, series, &*who, value, limit, text)
    };
    let (evaluation, between) = (rounds.evaluation, rounds.between);
    let mut lines = vec![
        line(
            "phases.evaluation_ratio",
            rounds.share,
            Some(settings.of(&WARN)),
            format!(
                "evaluation takes {} of the time over {} rounds",
                words::percent(rounds.share),
                rounds.all.len()
            ),
        ),
        line(
            "phases.evaluation_seconds",
            evaluation,
            Some(settings.of(&OF_TRAINING) * between),
            format!(
                "an evaluation takes {}, and {} lie between two",
                words::duration(evaluation),
                words::duration(between)
            ),
        ),
    ];
    let gpus = trainer.gpus.len() as f64;
    if gpus > 0.0 {
        let spent = evaluation * gpus;
        let money =
            settings.price_per_gpu_hour.map(|price| format!(", ${:.2}", spent / 3600.0 * price));
        let text = format!("each takes {spent:.0} GPU-seconds{}", money.unwrap_or_default());
        lines.push(line("phases.evaluation_gpu_seconds", spent, None, text));
    }
    let tail = rounds.mean(|round| Some(round.tail_seconds)).unwrap_or_default();
    if tail >= 1.0 {
        let text = format!("{} of each come after its last batch", words::duration(tail));
        lines.push(line("phases.evaluation_tail_seconds", tail, None, text));
    }
    if let Some(busy) = rounds.mean(|round| round.gpu) {
        let text = format!("the GPU is busy {} of it", words::percent(busy));
        lines.push(line("gpus.utilization_ratio", busy, None, text));
    }
    lines
}

/// What is most specific: its wait for data, what it does after its last batch, tiers, its frequency.
fn advice(rounds: &Rounds) -> String {
    let blocked = rounds.mean(|round| round.blocked).filter(|blocked| *blocked >= BLOCKED);
    let tail = rounds.mean(|round| Some(round.tail_seconds / round.seconds.max(1e-9)));
    let tail = tail.filter(|tail| *tail >= TAIL);
    if let Some(blocked) = blocked {
        return format!(
            "It waits for data {} of its time: give the validation loader num_workers and \
             persistent_workers=True of its own.",
            words::percent(blocked)
        );
    }
    if let Some(tail) = tail {
        return format!(
            "{} of each evaluation comes after its last batch: compute its metrics batch by batch, on \
             the GPU, or in a process beside the training.",
            words::percent(tail)
        );
    }
    if rounds.same() && rounds.all.len() >= 3 {
        return format!(
            "If its time follows the number of samples, a fixed subset of {} each time \
             (limit_val_batches) and the full suite on every {FULL_EVERY:.0}th checkpoint would take {} of the time and not {}; whether \
             a subset tells enough, only its metrics can say.",
            words::percent(SUBSET),
            words::percent(rounds.with_tiers()),
            words::percent(rounds.share)
        );
    }
    "Evaluate less often (eval_steps, val_check_interval), or with a larger batch under \
     torch.no_grad()."
        .into()
}
