//! LONG-INIT: a trainer holds its GPU, and its first step does not come.

use std::collections::BTreeMap;

use super::about::{About, Threshold};
use super::charge::Lost;
use super::ledger::{Ledger, Said};
use super::rules::{Check, Scene};
use super::starved::name_of;
use super::surroundings::utilization;
use super::trainer::Trainer;
use super::words;
use crate::model::{Evidence, Pid, Rule, Severity};

pub(super) static ABOUT: About = About {
    code: Rule::LongInit.code(),
    area: Rule::LongInit.area(),
    what: "A trainer that was seen from its start holds a GPU, and its first step does not come.",
    when: "Raised {long} after it first held memory of a GPU, high after {too_long}; cleared by the first \
           step. Where its loader is not known, 30 s of work on the GPU count as steps.",
    remedy: "Download, install and build caches in a job of their own, before a GPU is held.",
    source: "10 min, the time of slow installs: Gao et al., ICSE'24; 20 min: SageMaker Debugger",
    thresholds: &[&LONG, &TOO_LONG],
};

static LONG: Threshold = Threshold {
    code: Rule::LongInit.code(),
    name: "long",
    default: 600.0,
    unit: "seconds",
    what: "Time from the first memory of a GPU without a step.",
};
static TOO_LONG: Threshold = Threshold {
    code: Rule::LongInit.code(),
    name: "too_long",
    default: 1200.0,
    unit: "seconds",
    what: "The same, from which on it is grave.",
};
/// A process older than this when it was first seen may have taken its steps before.
const YOUNG_MS: i64 = 120_000;
/// Without a loader in sight, a GPU that is busy this much for so many seconds trains.
const WORKS: f32 = 0.30;
const WORKED_SECONDS: f64 = 30.0;
/// What it does is averaged over about so many seconds.
const SMOOTH_SECONDS: f64 = 30.0;

/// The rule for all trainers.
#[derive(Clone, Default)]
pub(super) struct LongInit {
    trainers: BTreeMap<Pid, Start>,
}

#[derive(Clone, Debug)]
struct Start {
    /// Whether its steps, if any, were all seen.
    young: bool,
    /// Since when it holds a GPU, on both clocks.
    held: Option<(u64, i64)>,
    worked: f64,
    /// Cores used and bytes a second read, over the last half minute.
    cores: Option<f64>,
    read: Option<f64>,
    id: Option<u64>,
    last_unix_ms: i64,
    done: bool,
}

impl Check for LongInit {
    fn step(&mut self, scene: &Scene<'_>, ledger: &mut Ledger) {
        self.trainers.retain(|pid, start| {
            let stays = scene.trainers.iter().any(|trainer| trainer.pid == *pid);
            if !stays {
                start.close(ledger);
            }
            stays
        });
        for trainer in scene.trainers {
            let start = self.trainers.entry(trainer.pid);
            start.or_insert_with(|| Start::of(scene, trainer)).step(scene, trainer, ledger);
        }
    }

    fn end(&mut self, ledger: &mut Ledger) {
        for (_, mut start) in std::mem::take(&mut self.trainers) {
            start.close(ledger);
        }
    }
}

impl Start {
    fn of(scene: &Scene<'_>, trainer: &Trainer) -> Self {
        let now_ms = scene.frame.sample.stamp.unix_ms;
        let born = scene.frame.sample.inventory.proc(trainer.pid).and_then(|info| info.start_ms);
        Self {
            young: born.is_some_and(|born| now_ms.saturating_sub(born) <= YOUNG_MS),
            held: None,
            worked: 0.0,
            cores: None,
            read: None,
            id: None,
            last_unix_ms: now_ms,
            done: false,
        }
    }

    fn step(&mut self, scene: &Scene<'_>, trainer: &Trainer, ledger: &mut Ledger) {
        let stamp = scene.frame.sample.stamp;
        self.last_unix_ms = stamp.unix_ms;
        if self.done || !self.young {
            return;
        }
        if trainer.gpus.is_empty() {
            self.held = None;
            self.close(ledger);
            return;
        }
        let span = scene.frame.span_seconds.unwrap_or_default();
        let works = utilization(scene.frame, &trainer.gpus).is_some_and(|util| util >= WORKS);
        if trainer.loader.is_none() && works {
            self.worked += span;
        }
        if trainer.gates.has_stepped() || self.worked >= WORKED_SECONDS {
            self.done = true;
            self.close(ledger);
            return;
        }
        self.watch(scene, trainer.pid, span);
        let (since_ms, since) = *self.held.get_or_insert((stamp.mono_ms, stamp.unix_ms));
        let seconds = stamp.mono_ms.saturating_sub(since_ms) as f64 / 1e3;
        if seconds < scene.settings.of(&LONG) {
            return;
        }
        let said = self.said(scene, trainer, since, seconds);
        match self.id {
            Some(id) => ledger.renew(id, said, false),
            None => self.id = ledger.open(said, since),
        }
    }

    fn watch(&mut self, scene: &Scene<'_>, pid: Pid, span: f64) {
        let rates = scene.frame.procs.iter().find(|rates| rates.pid == pid);
        let weight = (span / SMOOTH_SECONDS).min(1.0);
        let smooth = |mean: &mut Option<f64>, value: Option<f64>| {
            if let Some(value) = value {
                *mean = Some(mean.map_or(value, |mean| (value - mean).mul_add(weight, mean)));
            }
        };
        smooth(&mut self.cores, rates.and_then(|rates| rates.cpu_cores.ok()));
        smooth(&mut self.read, rates.and_then(|rates| rates.read_bytes_per_second.ok()));
    }

    fn said(&self, scene: &Scene<'_>, trainer: &Trainer, since: i64, seconds: f64) -> Said {
        let gpus: Vec<String> = trainer.gpus.iter().map(ToString::to_string).collect();
        let gpus = gpus.join(", ");
        let held = words::duration(seconds);
        let grave = seconds >= scene.settings.of(&TOO_LONG);
        Said {
            severity: if grave { Severity::High } else { Severity::Warn },
            run: Some(trainer.run),
            pid: Some(trainer.pid),
            title: format!(
                "{} has held GPU {gpus} for {held} and has not taken its first step",
                name_of(&scene.frame.sample, trainer.run, trainer.pid)
            ),
            evidence: self.evidence(scene, trainer, since, seconds, &gpus),
            advice: "Do what needs no GPU before one is held: download data and weights, install \
                     packages, build datasets and tokenizers' caches (HF_HOME, TORCHINDUCTOR_CACHE_DIR) \
                     in a job of its own, and move the model to the GPU last."
                .into(),
            gain: format!("frees GPU {gpus} for {held}"),
            lost: Lost::of(trainer.gpus.iter().copied(), 1.0, 1.0),
            ..Said::of(Rule::LongInit)
        }
    }

    fn evidence(
        &self,
        scene: &Scene<'_>,
        trainer: &Trainer,
        since: i64,
        seconds: f64,
        gpus: &str,
    ) -> Vec<Evidence> {
        let span = (since, scene.frame.sample.stamp.unix_ms);
        let pid = format!("pid {}", trainer.pid);
        let limit = Some(scene.settings.of(&LONG));
        let text = format!("it holds memory of GPU {gpus} and has taken 0 steps since");
        let mut lines =
            vec![words::evidence(span, "loaders.steps_total", &*pid, seconds, limit, text)];
        let mut now = |series: &str, value: Option<f64>, text: &dyn Fn(f64) -> String| {
            lines.extend(
                value.map(|value| words::evidence(span, series, &*pid, value, None, text(value))),
            );
        };
        now("procs.cpu_cores", self.cores, &|cores| format!("it uses {cores:.1} cores"));
        now("procs.read_bytes_per_second", self.read, &|read| {
            format!("it reads {}", words::rate(read))
        });
        lines
    }

    fn close(&mut self, ledger: &mut Ledger) {
        if let Some(id) = self.id.take() {
            ledger.close(id, self.last_unix_ms);
        }
    }
}
