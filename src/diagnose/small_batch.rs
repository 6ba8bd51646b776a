//! SMALL-BATCH: the data is there, and the work that the GPU is given at a time is too small for it.

use std::collections::BTreeMap;

use super::about::{About, Threshold};
use super::alarm::{Alarm, LONG, in_force};
use super::ledger::{Ledger, Said};
use super::parts::{COVER, Part, Window, fresh, main_runs, training};
use super::rules::{Check, Scene};
use super::settings::Settings;
use super::starved::name_of;
use super::trainer::Trainer;
use super::words;
use crate::model::{GpuId, Pid, Rule, RunId, Severity};

pub(super) static ABOUT: About = About {
    code: Rule::SmallBatch.code(),
    area: Rule::SmallBatch.area(),
    what: "The loop is fed, and yet keeps little of its GPU at work: its batch, or what it launches at \
           a time, is too small for the card, or the card's memory holds no larger one.",
    when: "Raised where, over 5 min, the loop waits less than {fed} of the time, the GPU is busy {busy} of \
           it or more with less than {working} of its multiprocessors (where those cannot be read: busy \
           {idle} or less), and at most {room} of its memory is in use, or more than {full}; for 60 s. \
           Cleared where one of these is well gone for 60 s.",
    remedy: "A larger batch until about 85 % of the memory is in use; CUDA graphs \
             (torch.compile(mode=\"reduce-overhead\")) where the main thread cannot launch fast enough; \
             activation checkpointing, bf16 or sharding where the memory is full.",
    source: "utilization and peak memory at most 50 %, or memory above 80 %: Gao et al., ICSE'24; \
             multiprocessors below 25 % at 40 % utilization: KempnerPulse; 5 min: a proposal",
    thresholds: &[&FED, &BUSY, &WORKING, &IDLE, &ROOM, &FULL],
};

const fn share(name: &'static str, default: f64, what: &'static str) -> Threshold {
    Threshold { code: Rule::SmallBatch.code(), name, default, unit: "share", what }
}
static FED: Threshold = share("fed", 0.05, "Share of time that the loop may wait for data.");
static BUSY: Threshold = share("busy", 0.40, "Share of time with a kernel on the GPU, at least.");
static WORKING: Threshold =
    share("working", 0.25, "Share of the multiprocessors at work, less than this.");
static IDLE: Threshold = share(
    "idle",
    0.50,
    "Share of time with a kernel, at most, where multiprocessors are not read.",
);
static ROOM: Threshold = share("room", 0.50, "Share of the memory in use that leaves room.");
static FULL: Threshold = share("full", 0.80, "Share of the memory in use that leaves none.");
/// Of a GPU that is busy less than this, nothing but that it is idle can be said.
const LEAST_BUSY: f64 = 0.05;
/// A main thread on a CPU in this share of looks is what the GPU waits for, where the GPU idles at
/// least so much.
const MAIN_RUNS: f64 = 0.90;
const IDLES: f64 = 0.10;
/// Parts of a window below and above these: it fluctuates, and its mean says nothing (SageMaker).
const LOW: f64 = 0.10;
const HIGH: f64 = 0.70;
const OFTEN: f64 = 0.05;
/// Fewer steps than this in the window say nothing.
const LEAST_STEPS: f64 = 20.0;
/// Between raising and clearing.
const CLEAR: f64 = 1.2;

/// The rule for all trainers that have a GPU to themselves.
#[derive(Clone, Default)]
pub(super) struct SmallBatch {
    cases: BTreeMap<(Pid, GpuId), (Window, Alarm)>,
}

impl Check for SmallBatch {
    fn step(&mut self, scene: &Scene<'_>, ledger: &mut Ledger) {
        let timing = in_force(LONG, scene.settings);
        self.cases.retain(|(pid, gpu), (_, alarm)| {
            let stays = scene.trainers.iter().any(|t| t.pid == *pid && alone(scene, t, *gpu));
            if !stays {
                alarm.end(ledger);
            }
            stays
        });
        for trainer in scene.trainers {
            for gpu in trainer.gpus.iter().copied().filter(|gpu| alone(scene, trainer, *gpu)) {
                let (window, alarm) = self.cases.entry((trainer.pid, gpu)).or_default();
                collect(window, scene, trainer, gpu);
                if !window.turn(scene.frame, timing.window) {
                    continue;
                }
                let stamp = scene.frame.sample.stamp;
                // What another rule explains is not explained once more.
                if scene.starves(trainer.run) || explained(ledger, trainer.run) {
                    alarm.end(ledger);
                    continue;
                }
                let unknown = trainer.ahead.is_some();
                let known = window.sum(timing.window).filter(|_| !unknown);
                let Some(case) = known.and_then(|sum| Case::of(sum, window, timing.window)) else {
                    alarm.blind(stamp.mono_ms, ledger);
                    continue;
                };
                let verdict = (case.raises(scene.settings), case.clears(scene.settings));
                let say = || said(scene, trainer, gpu, &case);
                alarm.step(stamp, timing, verdict, case.from_ms, ledger, say);
            }
        }
    }

    fn end(&mut self, ledger: &mut Ledger) {
        for (_, (_, mut alarm)) in std::mem::take(&mut self.cases) {
            alarm.end(ledger);
        }
    }
}

fn alone(scene: &Scene<'_>, trainer: &Trainer, gpu: GpuId) -> bool {
    let mut others = scene.trainers.iter().filter(|other| other.pid != trainer.pid);
    trainer.gpus.contains(&gpu) && others.all(|other| !other.gpus.contains(&gpu))
}

fn explained(ledger: &Ledger, run: RunId) -> bool {
    let rules = [Rule::MainThread, Rule::TransferBound, Rule::Straggler];
    ledger.lasting().iter().any(|open| open.run == Some(run) && rules.contains(&open.rule))
}

fn collect(window: &mut Window, scene: &Scene<'_>, trainer: &Trainer, gpu: GpuId) {
    let (tick, plain) = training(trainer, scene.frame);
    let (Some(tick), Some(row)) = (tick.filter(|_| plain), fresh(scene.frame, gpu)) else { return };
    window.now().look(row, f64::from(tick.span));
    window.now().tick(&tick, main_runs(trainer, scene.frame));
}

/// What a window says.
struct Case {
    from_ms: i64,
    blocked: f64,
    util: f64,
    sm: Option<f64>,
    memory: f64,
    fluctuates: bool,
    main_runs: Option<f64>,
}

impl Case {
    fn of(sum: Part, window: &Window, seconds: f64) -> Option<Self> {
        if sum.seconds < COVER * seconds || sum.steps < LEAST_STEPS {
            return None;
        }
        let (used, total) = sum.memory?;
        let utils: Vec<f64> = window.parts().filter_map(|part| part.util.get()).collect();
        let often = |is: fn(f64) -> bool| {
            utils.iter().filter(|util| is(**util)).count() as f64 >= OFTEN * utils.len() as f64
        };
        Some(Self {
            from_ms: sum.from_ms,
            blocked: sum.blocked.get()?,
            util: sum.util.get()?,
            sm: sum.sm.get().filter(|_| sum.sm.seconds >= COVER * seconds),
            memory: used / total,
            fluctuates: often(|util| util < LOW) && often(|util| util > HIGH),
            main_runs: sum.main_runs.get(),
        })
    }

    fn light(&self, settings: &Settings, by: f64) -> bool {
        match self.sm {
            Some(sm) => self.util >= settings.of(&BUSY) / by && sm < settings.of(&WORKING) * by,
            None => (LEAST_BUSY..=settings.of(&IDLE) * by).contains(&self.util) && !self.fluctuates,
        }
    }

    fn full(&self, settings: &Settings, by: f64) -> bool {
        self.memory > settings.of(&FULL) / by
    }

    fn raises(&self, settings: &Settings) -> bool {
        let memory = self.memory <= settings.of(&ROOM) || self.full(settings, 1.0);
        self.blocked < settings.of(&FED) && self.light(settings, 1.0) && memory
    }

    fn clears(&self, settings: &Settings) -> bool {
        let memory = self.memory <= settings.of(&ROOM) * CLEAR || self.full(settings, CLEAR);
        self.blocked >= settings.of(&FED) * CLEAR || !self.light(settings, CLEAR) || !memory
    }

    /// The main thread is on a CPU nearly always, and the GPU has time to spare.
    fn launch_bound(&self) -> Option<f64> {
        self.main_runs.filter(|share| *share >= MAIN_RUNS && self.util <= 1.0 - IDLES)
    }
}

fn said(scene: &Scene<'_>, trainer: &Trainer, gpu: GpuId, case: &Case) -> Said {
    let full = case.full(scene.settings, 1.0);
    let name = name_of(&scene.frame.sample, trainer.run, trainer.pid);
    let busy = words::percent(case.util);
    let with = case.sm.map_or_else(String::new, |sm| {
        format!(" with {} of its multiprocessors", words::percent(sm))
    });
    let memory = words::percent(case.memory);
    let title = match (full, case.launch_bound()) {
        (true, _) => format!(
            "{name} keeps GPU {gpu} busy {busy} of the time{with}, and {memory} of its memory is in use: \
             there is no room for a larger batch"
        ),
        (false, Some(share)) => format!(
            "{name} keeps GPU {gpu} busy {busy} of the time{with} and {memory} of its memory in use: \
             its main thread, on a CPU in {} of the looks, is what the GPU waits for",
            words::percent(share)
        ),
        (false, None) => format!(
            "{name} has its data and keeps GPU {gpu} busy {busy} of the time{with}, with {memory} of \
             its memory in use"
        ),
    };
    Said {
        severity: Severity::Warn,
        run: Some(trainer.run),
        pid: Some(trainer.pid),
        title,
        evidence: evidence(scene, trainer, gpu, case, full),
        advice: advice(full, case.launch_bound().is_some()),
        gain: gain(case),
        ..Said::of(Rule::SmallBatch)
    }
}

fn advice(full: bool, launch: bool) -> String {
    if full {
        return "Make room for a larger batch: activation checkpointing (torch.utils.checkpoint), bf16, \
                an 8-bit optimizer, or sharding (FSDP, ZeRO); gradient accumulation enlarges the batch \
                and not the work of a step."
            .into();
    }
    let batch =
        "Double batch_size until about 85 % of the memory is in use, and adapt the learning rate";
    if launch {
        return format!(
            "{batch}; have the GPU launch its work itself with torch.compile(mode=\"reduce-overhead\") \
             (CUDA graphs), use fused optimizers (fused=True), and keep .item() and logging out of the \
             step."
        );
    }
    format!("{batch}; or give the job a smaller card or a slice of one.")
}

/// All of the GPU at work all of the time is the most that a larger batch can come to.
fn gain(case: &Case) -> String {
    if let Some(sm) = case.sm {
        return format!(
            "up to {:.1}× faster if all multiprocessors were at work",
            1.0 / sm.clamp(0.01, 1.0)
        );
    }
    format!("up to {:.1}× faster if the GPU did not idle", 1.0 / case.util.clamp(0.01, 1.0))
}

fn evidence(
    scene: &Scene<'_>,
    trainer: &Trainer,
    gpu: GpuId,
    case: &Case,
    full: bool,
) -> Vec<crate::model::Evidence> {
    let settings = scene.settings;
    let span = (case.from_ms, scene.frame.sample.stamp.unix_ms);
    let card = format!("gpu {gpu}");
    let line = |series: &str, value: f64, limit: &Threshold, what: &str| {
        let text = format!("{} {what}", words::percent(value));
        words::evidence(span, series, &*card, value, Some(settings.of(limit)), text)
    };
    let busy = if case.sm.is_some() { &BUSY } else { &IDLE };
    let mut lines =
        vec![line("gpus.utilization_ratio", case.util, busy, "of the time the GPU is busy")];
    lines.extend(case.sm.map(|sm| {
        line("gpus.sm_active_ratio", sm, &WORKING, "of the multiprocessors are at work")
    }));
    let room = if full { &FULL } else { &ROOM };
    lines.push(line(
        "gpus.memory_used_ratio",
        case.memory,
        room,
        "of the memory is in use at most",
    ));
    let loader = trainer.loader.map_or_else(|| "loader".into(), |id| format!("loader {id}"));
    let text = format!("the loop waits for data {} of the time", words::percent(case.blocked));
    let limit = Some(settings.of(&FED));
    lines.push(words::evidence(span, "loaders.wait_ratio", &*loader, case.blocked, limit, text));
    lines.extend(case.main_runs.map(|share| {
        let text = format!("the main thread is on a CPU in {} of the looks", words::percent(share));
        words::evidence(span, "loaders.main_state", loader, share, Some(MAIN_RUNS), text)
    }));
    lines
}
