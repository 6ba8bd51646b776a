//! VRAM-PRESSURE: the memory of a GPU is nearly full, or grows from step to step.

use std::collections::{BTreeMap, VecDeque};

use super::about::{About, Threshold};
use super::alarm::{Alarm, in_force};
use super::ledger::{Ledger, Said};
use super::parts::{fresh, memory};
use super::rules::{Check, Scene};
use super::settings::Timing;
use super::starved::{name_of, users_of};
use super::trainer::Trainer;
use super::words;
use crate::model::{GpuId, Pid, Rule, Severity};

pub(super) static ABOUT: About = About {
    code: Rule::VramPressure.code(),
    area: Rule::VramPressure.area(),
    what: "The memory of a GPU is nearly full, or that of a trainer grows from step to step.",
    when: "Raised where {used} of the memory or more is in use for 60 s (critical from {nearly_all} on), \
           cleared below 90 % for 60 s; and where the trainer's memory has grown over {steps} steps by \
           {grown} and {grown_share} or more, in most of its parts and to the last, cleared where it has \
           stopped. Not for frameworks that take memory ahead of their need.",
    remedy: "Activation checkpointing, a smaller batch, \
             PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True; where it grows: loss.detach() or \
             loss.item() in sums, and no tensors kept in lists.",
    source: "92 and 97 %, and growth by 512 MiB and 6 % over 800 steps: TraceML",
    thresholds: &[&USED, &NEARLY_ALL, &STEPS, &GROWN, &GROWN_SHARE],
};

const CODE: &str = Rule::VramPressure.code();
static USED: Threshold = Threshold {
    code: CODE,
    name: "used",
    default: 0.92,
    unit: "share",
    what: "Share of the device's memory in use.",
};
static NEARLY_ALL: Threshold = Threshold {
    code: CODE,
    name: "nearly_all",
    default: 0.97,
    unit: "share",
    what: "Share of the device's memory from which on the next allocation may end the job.",
};
static STEPS: Threshold = Threshold {
    code: CODE,
    name: "steps",
    default: 800.0,
    unit: "count",
    what: "Steps over which growth is looked for.",
};
static GROWN: Threshold = Threshold {
    code: CODE,
    name: "grown",
    default: 536_870_912.0,
    unit: "bytes",
    what: "Growth over those steps, at least.",
};
static GROWN_SHARE: Threshold = Threshold {
    code: CODE,
    name: "grown_share",
    default: 0.06,
    unit: "share",
    what: "The same, of what was in use before.",
};
const TIMING: Timing = Timing { window: 0.0, raise: 60.0, clear: 60.0 };
/// Cleared below this much less than the share that raises it.
const CLEAR_BELOW: f64 = 0.02;
/// Growth is looked for in so many blocks of steps, that must have grown in most of them, …
const BLOCKS: usize = 8;
const GROWING_BLOCKS: usize = 5;
/// … and by this share of it in the newer half: a cache that fills comes to an end.
const TO_THE_LAST: f64 = 0.25;
/// It has stopped where the newer half has grown by less than this share of the threshold.
const STOPPED: f64 = 0.10;

/// Both rules for all GPUs that trainers use.
#[derive(Clone, Default)]
pub(super) struct VramPressure {
    full: BTreeMap<GpuId, Alarm>,
    growth: BTreeMap<(Pid, GpuId), Growth>,
}

impl Check for VramPressure {
    fn step(&mut self, scene: &Scene<'_>, ledger: &mut Ledger) {
        let uses = |gpu: GpuId| {
            scene.trainers.iter().copied().find(move |trainer| trainer.gpus.contains(&gpu))
        };
        self.full.retain(|gpu, alarm| {
            let stays = uses(*gpu).is_some();
            if !stays {
                alarm.end(ledger);
            }
            stays
        });
        self.growth.retain(|(pid, gpu), growth| {
            let stays = scene.trainers.iter().any(|t| t.pid == *pid && t.gpus.contains(gpu));
            if !stays {
                growth.end(ledger);
            }
            stays
        });
        for row in &scene.frame.sample.gpus {
            if let Some(trainer) = uses(row.gpu) {
                pressure(self.full.entry(row.gpu).or_default(), scene, trainer, row.gpu, ledger);
            }
        }
        for trainer in scene.trainers {
            for gpu in &trainer.gpus {
                let growth = self.growth.entry((trainer.pid, *gpu)).or_default();
                growth.step(scene, trainer, *gpu, ledger);
            }
        }
    }

    fn end(&mut self, ledger: &mut Ledger) {
        for (_, mut alarm) in std::mem::take(&mut self.full) {
            alarm.end(ledger);
        }
        for (_, mut growth) in std::mem::take(&mut self.growth) {
            growth.end(ledger);
        }
    }
}

fn pressure(
    alarm: &mut Alarm,
    scene: &Scene<'_>,
    trainer: &Trainer,
    gpu: GpuId,
    ledger: &mut Ledger,
) {
    let stamp = scene.frame.sample.stamp;
    let known = fresh(scene.frame, gpu).and_then(memory);
    let Some((used, total)) = known.filter(|_| trainer.ahead.is_none()) else {
        alarm.blind(stamp.mono_ms, ledger);
        return;
    };
    let (share, limit) = (used / total, scene.settings.of(&USED));
    let verdict = (share >= limit, share < limit - CLEAR_BELOW);
    let timing = in_force(TIMING, scene.settings);
    alarm.step(stamp, timing, verdict, i64::MIN, ledger, || {
        let left = words::memory((total - used).max(0.0));
        let critical = share >= scene.settings.of(&NEARLY_ALL);
        let text = format!("{} of {} are in use", words::memory(used), words::memory(total));
        let span = (stamp.unix_ms - (timing.raise * 1e3) as i64, stamp.unix_ms);
        Said {
            severity: if critical { Severity::Critical } else { Severity::Warn },
            run: Some(trainer.run),
            pid: Some(trainer.pid),
            title: format!(
                "{} of the memory of GPU {gpu} is in use by {}, and {left} are left",
                words::percent(share),
                users_of(scene, gpu)
            ),
            evidence: vec![words::evidence(
                span,
                "gpus.memory_used_ratio",
                format!("gpu {gpu}"),
                share,
                Some(limit),
                text,
            )],
            advice: "Make room before a longer batch ends the job: activation checkpointing \
                     (torch.utils.checkpoint), a smaller batch_size, or \
                     PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True. What PyTorch's allocator keeps \
                     for later is counted as in use."
                .into(),
            gain: format!("frees room beyond the {left} that are left"),
            ..Said::of(Rule::VramPressure)
        }
    });
}

/// The memory of one trainer on one GPU over its steps.
#[derive(Clone, Debug, Default)]
struct Growth {
    /// Steps and most bytes of the block that is being made.
    making: (f64, f64),
    /// End of each block, and its most bytes.
    blocks: VecDeque<(i64, f64)>,
    id: Option<u64>,
    last_unix_ms: i64,
}

impl Growth {
    fn step(&mut self, scene: &Scene<'_>, trainer: &Trainer, gpu: GpuId, ledger: &mut Ledger) {
        let stamp = scene.frame.sample.stamp;
        self.last_unix_ms = stamp.unix_ms;
        let rows = &scene.frame.sample.gpu_procs;
        let row = rows.iter().find(|row| row.gpu == gpu && row.pid == trainer.pid);
        let held = row.and_then(|row| row.memory_used_bytes.ok());
        let tick = trainer.newest().filter(|tick| tick.mono_ms == stamp.mono_ms);
        let (Some(held), Some(tick)) = (held, tick) else { return };
        self.making.0 += f64::from(tick.counts.steps.unwrap_or_default());
        self.making.1 = self.making.1.max(held as f64);
        if self.making.0 < scene.settings.of(&STEPS) / BLOCKS as f64 {
            return;
        }
        let (_, most) = std::mem::take(&mut self.making);
        self.blocks.push_back((stamp.unix_ms, most));
        if self.blocks.len() > BLOCKS + 1 {
            self.blocks.pop_front();
        }
        let Some(grown) = Grown::of(&self.blocks) else { return };
        if let (Some(id), true) = (self.id, grown.stopped(scene)) {
            ledger.close(id, stamp.unix_ms);
            self.id = None;
        } else if grown.raises(scene) {
            let said = grown.said(scene, trainer, gpu);
            match self.id {
                Some(id) => ledger.renew(id, said, false),
                None => self.id = ledger.open(said, grown.from_ms),
            }
        }
    }

    fn end(&mut self, ledger: &mut Ledger) {
        if let Some(id) = self.id.take() {
            ledger.close(id, self.last_unix_ms);
        }
    }
}

struct Grown {
    from_ms: i64,
    first: f64,
    /// By how much in all, and in the newer half.
    all: f64,
    newer: f64,
    growing: usize,
}

impl Grown {
    fn of(blocks: &VecDeque<(i64, f64)>) -> Option<Self> {
        if blocks.len() <= BLOCKS {
            return None;
        }
        let bytes: Vec<f64> = blocks.iter().map(|(_, bytes)| *bytes).collect();
        let (first, last) = (*bytes.first()?, *bytes.last()?);
        let middle = *bytes.get(BLOCKS / 2)?;
        Some(Self {
            from_ms: blocks.front()?.0,
            first,
            all: last - first,
            newer: last - middle,
            growing: bytes.windows(2).filter(|pair| pair[1] > pair[0]).count(),
        })
    }

    fn raises(&self, scene: &Scene<'_>) -> bool {
        let least = scene.settings.of(&GROWN).max(scene.settings.of(&GROWN_SHARE) * self.first);
        self.all >= least && self.growing >= GROWING_BLOCKS && self.newer >= TO_THE_LAST * self.all
    }

    fn stopped(&self, scene: &Scene<'_>) -> bool {
        self.newer < STOPPED * scene.settings.of(&GROWN)
    }

    fn said(&self, scene: &Scene<'_>, trainer: &Trainer, gpu: GpuId) -> Said {
        let steps = scene.settings.of(&STEPS);
        let total = fresh(scene.frame, gpu).and_then(memory).map(|(used, total)| total - used);
        let full = total.map(|left| left.max(0.0) / (self.all / steps));
        let when = full.map_or_else(String::new, |steps| {
            format!(": the card is full in about {} steps", (steps / 100.0).round() * 100.0)
        });
        let grown = words::memory(self.all);
        let text = format!("its memory grew from {} by {grown}", words::memory(self.first));
        Said {
            severity: if full.is_some_and(|left| left < steps) { Severity::High } else { Severity::Warn },
            run: Some(trainer.run),
            pid: Some(trainer.pid),
            title: format!(
                "The memory of {} on GPU {gpu} grew by {grown} in {steps:.0} steps ({}){when}",
                name_of(&scene.frame.sample, trainer.run, trainer.pid),
                words::percent(self.all / self.first.max(1.0))
            ),
            evidence: vec![words::evidence(
                (self.from_ms, scene.frame.sample.stamp.unix_ms),
                "gpu_procs.memory_used_bytes",
                format!("pid {}", trainer.pid),
                self.first + self.all,
                Some(self.first + scene.settings.of(&GROWN)),
                text,
            )],
            advice: "Look for tensors that outlive their step: add loss.item() or loss.detach() to running \
                     sums, keep no outputs in lists, and see who holds what with \
                     torch.cuda.memory._record_memory_history(). Lengths that vary fragment the memory: \
                     PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True."
                .into(),
            gain: format!("frees up to {grown} in every {steps:.0} steps"),
            ..Said::of(Rule::VramPressure)
        }
    }
}
