//! What both sizing rules share: means of a minute of plain training, and two windows that agree.

use std::collections::{BTreeMap, VecDeque};

use super::ledger::{Ledger, Said};
use super::rules::{Check, Scene};
use super::settings::Settings;
use super::tick::Gate;
use super::trainer::Trainer;
use super::{oversized_compute, oversized_memory};
use crate::model::sample::GpuSample;
use crate::model::{Frame, GpuId, Pid, Reading};

/// Points of a window, and how many of them must be valid.
pub(super) const POINTS: usize = 15;
const VALID: usize = 12;
/// Share of a point that must be plain training.
const COVER: f64 = 0.75;
/// Blocked for more than this, a GPU looks too large only because it is not fed.
pub(super) const FED: f64 = 0.05;
/// Clocks held down by heat or power supply (HwSlowdown, SwThermal, HwThermal, HwPowerBrake): what is
/// measured then says nothing about the need.
const THROTTLED: u64 = 0x8 | 0x20 | 0x40 | 0x80;

/// One minute of training on one GPU.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Point {
    pub valid: bool,
    pub steps: f64,
    pub blocked: Option<f64>,
    pub sm: Option<f64>,
    pub tensor: Option<f64>,
    pub dram: Option<f64>,
    pub util: Option<f64>,
    pub power: Option<f64>,
    /// Most memory in use, and the memory of the device, in bytes.
    pub memory: Option<(f64, f64)>,
}

#[derive(Clone, Copy, Default)]
struct Mean(f64, f64);

impl Mean {
    fn add(&mut self, reading: Reading<f64>, span: f64) {
        if let Some(value) = reading.ok() {
            self.0 += value * span;
            self.1 += span;
        }
    }

    fn get(self) -> Option<f64> {
        (self.1 > 0.0).then(|| self.0 / self.1)
    }
}

/// Collects one point.
#[derive(Clone, Default)]
struct Making {
    start: Option<u64>,
    training: f64,
    steps: f64,
    blocked: Mean,
    sm: Mean,
    tensor: Mean,
    dram: Mean,
    util: Mean,
    power: Mean,
    memory: Option<(f64, f64)>,
}

/// One trainer on one GPU.
#[derive(Clone, Default)]
pub(super) struct Sizing {
    making: Making,
    points: VecDeque<Point>,
    first_unix_ms: i64,
    /// Points since it was first seen.
    pub(super) seen: usize,
    pub(super) last_unix_ms: i64,
    compute: Option<(u64, f64)>,
    memory: Option<u64>,
}

/// Both rules for all trainers and GPUs.
#[derive(Clone, Default)]
pub(super) struct Oversized {
    sizings: BTreeMap<(Pid, GpuId), Sizing>,
}

/// What a rule is asked about.
pub(super) struct Case<'a> {
    pub frame: &'a Frame,
    pub trainer: &'a Trainer,
    pub gpu: GpuId,
    pub sizing: &'a Sizing,
    pub span: (i64, i64),
}

impl Check for Oversized {
    fn step(&mut self, scene: &Scene<'_>, ledger: &mut Ledger) {
        let (frame, trainers, settings) = (scene.frame, scene.trainers, scene.settings);
        let alone = |gpu: GpuId, trainer: &Trainer| {
            let others = trainers.iter().filter(|other| other.pid != trainer.pid);
            others.flat_map(|other| &other.gpus).all(|other| *other != gpu)
        };
        self.sizings.retain(|(pid, gpu), sizing| {
            let stays = trainers.iter().any(|t| t.pid == *pid && t.gpus.contains(gpu));
            if !stays {
                sizing.close(ledger);
            }
            stays
        });
        for trainer in trainers {
            for gpu in trainer.gpus.iter().copied().filter(|gpu| alone(*gpu, trainer)) {
                let Some(row) = frame.sample.gpus.iter().find(|row| row.gpu == gpu) else {
                    continue;
                };
                let sizing = self.sizings.entry((trainer.pid, gpu)).or_default();
                if scene.starves(trainer.run) {
                    sizing.close(ledger);
                }
                if sizing.add(frame, trainer, row, settings) {
                    sizing.judge(scene, trainer, gpu, ledger);
                }
            }
        }
    }

    /// Ends everything.
    fn end(&mut self, ledger: &mut Ledger) {
        for (_, mut sizing) in std::mem::take(&mut self.sizings) {
            sizing.close(ledger);
        }
    }
}

impl Sizing {
    /// Adds a tick. True where it completed a point.
    fn add(
        &mut self,
        frame: &Frame,
        trainer: &Trainer,
        gpu: &GpuSample,
        settings: &Settings,
    ) -> bool {
        let stamp = frame.sample.stamp;
        let start = *self.making.start.get_or_insert(stamp.mono_ms);
        if self.first_unix_ms == 0 {
            self.first_unix_ms = stamp.unix_ms;
        }
        self.last_unix_ms = stamp.unix_ms;
        let tick = trainer.newest().filter(|tick| tick.mono_ms == stamp.mono_ms);
        let steady = gpu.throttle_reasons.ok().is_none_or(|bits| bits & THROTTLED == 0);
        if let Some(tick) = tick.filter(|tick| tick.gate == Gate::Open && steady) {
            let span = f64::from(tick.span);
            let making = &mut self.making;
            making.training += span;
            making.steps += f64::from(tick.counts.steps.unwrap_or_default());
            if let Some(wait) = tick.counts.wait_share() {
                making.blocked.add(Reading::Is(wait), span);
            }
            making.sm.add(gpu.sm_active_ratio, span);
            making.tensor.add(gpu.tensor_active_ratio, span);
            making.dram.add(gpu.dram_active_ratio, span);
            making.util.add(gpu.utilization_ratio, span);
            let power = gpu.power_watts.zip(gpu.power_limit_watts);
            making.power.add(power.map(|(watts, limit)| watts / limit.max(1.0)), span);
        }
        if let Some((used, total)) = gpu.memory_used_bytes.zip(gpu.memory_total_bytes).ok() {
            let most = self.making.memory.map_or(0.0, |(most, _)| most);
            self.making.memory = Some((most.max(used as f64), total as f64));
        }
        if (stamp.mono_ms.saturating_sub(start) as f64) < settings.sizing_point * 1e3 {
            return false;
        }
        let made = std::mem::replace(
            &mut self.making,
            Making { start: Some(stamp.mono_ms), ..Making::default() },
        );
        self.points.push_back(made.point(settings));
        self.seen += 1;
        if self.points.len() > 2 * POINTS {
            self.points.pop_front();
        }
        true
    }

    fn judge(&mut self, scene: &Scene<'_>, trainer: &Trainer, gpu: GpuId, ledger: &mut Ledger) {
        // A later point above the proposed size takes the advice back.
        let newest = self.points.back().copied().unwrap_or_default();
        if let Some((id, most)) = self.compute
            && newest.sm.is_some_and(|sm| sm > most)
        {
            ledger.close(id, self.last_unix_ms);
            self.compute = None;
        }
        if scene.starves(trainer.run) {
            return;
        }
        let span = (self.first_unix_ms, self.last_unix_ms);
        let case = Case { frame: scene.frame, trainer, gpu, sizing: self, span };
        let compute = oversized_compute::test(&case, scene.settings);
        let memory = oversized_memory::test(&case, scene.settings);
        if let (None, Some((said, most))) = (self.compute, compute) {
            self.compute = ledger.open(said, self.last_unix_ms).map(|id| (id, most));
        }
        self.memory = tell(self.memory, memory, self.last_unix_ms, ledger);
    }

    /// The two newest windows, where both have enough valid points and steps, and were fed.
    pub(super) fn windows(&self, settings: &Settings) -> Option<[Vec<Point>; 2]> {
        if self.points.len() < 2 * POINTS {
            return None;
        }
        let window = |from: usize| -> Option<Vec<Point>> {
            let points = self.points.iter().skip(from).take(POINTS);
            let valid: Vec<Point> = points.filter(|point| point.valid).copied().collect();
            let steps: f64 = valid.iter().map(|point| point.steps).sum();
            // Without the blocked share, starvation cannot be ruled out.
            let blocked: Option<f64> = valid.iter().map(|point| point.blocked).sum();
            let fed = blocked? / (valid.len() as f64) < FED;
            (valid.len() >= VALID && steps >= settings.sizing_steps as f64 && fed).then_some(valid)
        };
        Some([window(0)?, window(POINTS)?])
    }

    fn close(&mut self, ledger: &mut Ledger) {
        for id in self.compute.take().map(|(id, _)| id).into_iter().chain(self.memory.take()) {
            ledger.close(id, self.last_unix_ms);
        }
    }
}

fn tell(open: Option<u64>, said: Option<Said>, now_ms: i64, ledger: &mut Ledger) -> Option<u64> {
    match (open, said) {
        (None, Some(said)) => ledger.open(said, now_ms),
        (Some(id), None) => {
            ledger.close(id, now_ms);
            None
        }
        (open, _) => open,
    }
}

impl Making {
    fn point(self, settings: &Settings) -> Point {
        Point {
            valid: self.training >= COVER * settings.sizing_point,
            steps: self.steps,
            blocked: self.blocked.get(),
            sm: self.sm.get(),
            tensor: self.tensor.get(),
            dram: self.dram.get(),
            util: self.util.get(),
            power: self.power.get(),
            memory: self.memory,
        }
    }
}

/// The 95th percentile of a quantity over both windows; `None` where a point has none.
pub(super) fn p95(windows: &[Vec<Point>; 2], of: impl Fn(&Point) -> Option<f64>) -> Option<f64> {
    let of_window = |points: &Vec<Point>| -> Option<f64> {
        let mut values: Vec<f64> = points.iter().map(&of).collect::<Option<_>>()?;
        values.sort_by(f64::total_cmp);
        let at = (0.95 * values.len() as f64).ceil() as usize;
        values.get(at.saturating_sub(1)).copied()
    };
    Some(of_window(&windows[0])?.max(of_window(&windows[1])?))
}
