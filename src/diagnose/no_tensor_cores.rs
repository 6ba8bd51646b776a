//! NO-TENSOR-CORES: the multiprocessors work, and the units for matrix products do not.

use std::collections::BTreeMap;

use super::about::{About, Threshold};
use super::alarm::{Alarm, LONG, in_force};
use super::ledger::{Ledger, Said};
use super::parts::{COVER, Part, Window, fresh, training};
use super::rules::{Check, Scene};
use super::settings::{Settings, Timing};
use super::starved::users_of;
use super::trainer::Trainer;
use super::words;
use crate::model::{GpuId, Rule, Severity};

pub(super) static ABOUT: About = About {
    code: Rule::NoTensorCores.code(),
    area: Rule::NoTensorCores.area(),
    what: "The multiprocessors of a GPU work, and its tensor cores do next to nothing.",
    when: "Raised where, over 5 min, {working} of the multiprocessors or more are at work and tensor \
           cores less than {none} of the time (an information below {little}, unless device memory is \
           busy {memory} of it), for 60 s; cleared above those for 60 s.",
    remedy: "torch.autocast(\"cuda\", dtype=torch.bfloat16), or \
             torch.set_float32_matmul_precision(\"high\") for TF32.",
    source: "tensor activity of 0 while eligible work runs: the PyTorch profiler's plugin; less than 10 % \
             of 16-bit work: xprof; 5 min: a proposal",
    thresholds: &[&WORKING, &NONE, &LITTLE, &MEMORY],
};

static WORKING: Threshold = Threshold {
    code: Rule::NoTensorCores.code(),
    name: "working",
    default: 0.50,
    unit: "share",
    what: "Share of the multiprocessors at work from which on tensor cores are missed.",
};
static NONE: Threshold = Threshold {
    code: Rule::NoTensorCores.code(),
    name: "none",
    default: 0.01,
    unit: "share",
    what: "Share of time of the tensor cores below which they count as unused.",
};
static LITTLE: Threshold = Threshold {
    code: Rule::NoTensorCores.code(),
    name: "little",
    default: 0.10,
    unit: "share",
    what: "Share of time of the tensor cores below which that is worth an information.",
};
static MEMORY: Threshold = Threshold {
    code: Rule::NoTensorCores.code(),
    name: "memory",
    default: 0.50,
    unit: "share",
    what: "Share of time of the device memory from which on a little use of tensor cores is no news.",
};
/// Cleared at so many times the shares above, or below so much of the multiprocessors.
const CLEAR_ABOVE: f64 = 1.2;
const CLEAR_BELOW: f64 = 0.8;

/// The rule for all GPUs.
#[derive(Clone, Default)]
pub(super) struct NoTensorCores {
    gpus: BTreeMap<GpuId, (Window, Alarm)>,
}

impl Check for NoTensorCores {
    fn step(&mut self, scene: &Scene<'_>, ledger: &mut Ledger) {
        let timing = in_force(LONG, scene.settings);
        self.gpus.retain(|gpu, (_, alarm)| {
            let stays = scene.trainers.iter().any(|trainer| trainer.gpus.contains(gpu));
            if !stays {
                alarm.end(ledger);
            }
            stays
        });
        for row in &scene.frame.sample.gpus {
            let mut on = scene.trainers.iter().filter(|trainer| trainer.gpus.contains(&row.gpu));
            if let Some(trainer) = on.next() {
                self.judge(scene, trainer, row.gpu, timing, ledger);
            }
        }
    }

    fn end(&mut self, ledger: &mut Ledger) {
        for (_, (_, mut alarm)) in std::mem::take(&mut self.gpus) {
            alarm.end(ledger);
        }
    }
}

impl NoTensorCores {
    fn judge(
        &mut self,
        scene: &Scene<'_>,
        trainer: &Trainer,
        gpu: GpuId,
        timing: Timing,
        ledger: &mut Ledger,
    ) {
        let (window, alarm) = self.gpus.entry(gpu).or_default();
        let (_, plain) = training(trainer, scene.frame);
        let span = scene.frame.span_seconds.unwrap_or_default();
        if let Some(row) = fresh(scene.frame, gpu).filter(|_| plain) {
            window.now().look(row, span);
        }
        if !window.turn(scene.frame, timing.window) {
            return;
        }
        let stamp = scene.frame.sample.stamp;
        let known = window.sum(timing.window).and_then(|sum| Shares::of(sum, timing.window));
        let Some(shares) = known else {
            alarm.blind(stamp.mono_ms, ledger);
            return;
        };
        let verdict = (shares.raises(scene.settings), shares.clears(scene.settings));
        let say = || said(scene, trainer, gpu, &shares);
        alarm.step(stamp, timing, verdict, shares.from_ms, ledger, say);
    }
}

struct Shares {
    from_ms: i64,
    sm: f64,
    tensor: f64,
    dram: Option<f64>,
}

impl Shares {
    fn of(sum: Part, window: f64) -> Option<Self> {
        let enough = sum.sm.seconds >= COVER * window && sum.tensor.seconds >= COVER * window;
        let (sm, tensor) = sum.sm.get().zip(sum.tensor.get()).filter(|_| enough)?;
        Some(Self { from_ms: sum.from_ms, sm, tensor, dram: sum.dram.get() })
    }

    fn unused(&self, settings: &Settings) -> bool {
        self.tensor < settings.of(&NONE)
    }

    fn raises(&self, settings: &Settings) -> bool {
        // A model that its memory binds has little use for them.
        let bound = self.dram.is_some_and(|dram| dram >= settings.of(&MEMORY));
        let little = self.tensor < settings.of(&LITTLE) && !bound;
        self.sm >= settings.of(&WORKING) && (self.unused(settings) || little)
    }

    fn clears(&self, settings: &Settings) -> bool {
        self.sm < CLEAR_BELOW * settings.of(&WORKING)
            || self.tensor >= CLEAR_ABOVE * settings.of(&LITTLE)
    }
}

fn said(scene: &Scene<'_>, trainer: &Trainer, gpu: GpuId, shares: &Shares) -> Said {
    let settings = scene.settings;
    let span = (shares.from_ms, scene.frame.sample.stamp.unix_ms);
    let entity = format!("gpu {gpu}");
    let line = |series: &str, value: f64, limit: f64, what: &str| {
        let text = format!("{what} at work {} on average", words::fine_percent(value));
        words::evidence(span, series, &*entity, value, Some(limit), text)
    };
    let unused = shares.unused(settings);
    let limit = settings.of(if unused { &NONE } else { &LITTLE });
    let mut evidence = vec![
        line("gpus.sm_active_ratio", shares.sm, settings.of(&WORKING), "the multiprocessors are"),
        line("gpus.tensor_active_ratio", shares.tensor, limit, "the tensor cores are"),
    ];
    evidence.extend(shares.dram.map(|dram| {
        line("gpus.dram_active_ratio", dram, settings.of(&MEMORY), "the device memory is")
    }));
    Said {
        severity: if unused { Severity::Warn } else { Severity::Info },
        run: Some(trainer.run),
        pid: Some(trainer.pid),
        title: format!(
            "{} of the multiprocessors of GPU {gpu} are at work for {}, and its tensor cores {} of the time",
            words::percent(shares.sm),
            users_of(scene, gpu),
            words::fine_percent(shares.tensor)
        ),
        evidence,
        advice: "Run matrix products in 16 bits with torch.autocast(\"cuda\", dtype=torch.bfloat16) \
                 (float16 and a GradScaler before Ampere), or let them use TF32 with \
                 torch.set_float32_matmul_precision(\"high\"). A model in float64 or without matrix \
                 products gains nothing by it."
            .into(),
        gain: "up to 16× faster matrix products (float32 to bfloat16 on an A100); their share of the \
               step cannot be read here"
            .into(),
        ..Said::of(Rule::NoTensorCores)
    }
}
