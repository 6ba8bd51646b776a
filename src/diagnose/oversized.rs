//! What both sizing rules share: means of a minute of plain training, and two windows that agree.

use std::collections::{BTreeMap, VecDeque};

use super::ledger::{Ledger, Said};
use super::parts::{Mean, SLOWDOWNS, fresh, memory, power};
use super::rules::{Check, Scene};
use super::settings::Settings;
use super::tick::Gate;
use super::trainer::Trainer;
use super::{oversized_compute, oversized_memory, unfed};
use crate::model::sample::GpuSample;
use crate::model::{Frame, GpuId, LoaderId, Pid};

/// Points of a window, and how many of them must be valid.
pub(super) const POINTS: usize = 15;
pub(super) const VALID: usize = 12;
/// Share of a point that must be plain training.
const COVER: f64 = 0.75;
/// Blocked for more than this, a GPU looks too large only because it is not fed.
pub(super) const FED: f64 = 0.05;
/// A GPU that is now below the first and now above the second fluctuates: not its size but its phases are
/// what to look at. The 5th and the 95th percentile, as in SageMaker Debugger.
const LOW: f64 = 0.10;
const HIGH: f64 = 0.70;
const OFTEN: f64 = 0.05;

/// Why time is left out of the statistics, in words.
pub(super) const LEFT_OUT: [&str; 7] = [
    "warm-up",
    "epoch boundaries",
    "checkpoints",
    "compiling",
    "evaluation",
    "slowed clocks",
    "no answer",
];

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
    /// The same of the multiprocessors with all phases in it.
    pub sm_of_all: Option<f64>,
    /// Most memory in use, and the memory of the device, in bytes.
    pub memory: Option<(f64, f64)>,
    /// Seconds of plain training, of those with a utilization below [`LOW`] and above [`HIGH`], and what
    /// was left out for each reason.
    pub training: f64,
    low: f64,
    high: f64,
    pub left_out: [f64; 7],
}

/// Collects one point.
#[derive(Clone, Default)]
struct Making {
    start: Option<u64>,
    point: Point,
    blocked: Mean,
    sm: Mean,
    sm_of_all: Mean,
    tensor: Mean,
    dram: Mean,
    util: Mean,
    power: Mean,
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
    /// The most memory that it ever held, in bytes.
    pub(super) peak: f64,
    /// Whether an evaluation or a checkpoint was seen, either of which may need more.
    pub(super) seen_other: bool,
    /// The last two loaders that moved.
    loaders: [Option<LoaderId>; 2],
    compute: Option<(u64, Limits)>,
    memory: Option<u64>,
}

/// Above this activity or this much memory, what was advised does not hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Limits {
    pub active: f64,
    pub bytes: f64,
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
    /// The job uses this GPU and no other.
    pub lone: bool,
    /// Who takes memory ahead of its need: how much the job needs is not known then.
    pub ahead: Option<&'static str>,
}

impl Check for Oversized {
    fn step(&mut self, scene: &Scene<'_>, ledger: &mut Ledger) {
        let trainers = scene.trainers;
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
                let sizing = self.sizings.entry((trainer.pid, gpu)).or_default();
                if scene.starves(trainer.run) {
                    sizing.close(ledger);
                }
                if sizing.add(scene, trainer, gpu) {
                    sizing.judge(scene, trainer, gpu, ledger);
                }
            }
        }
    }

    fn end(&mut self, ledger: &mut Ledger) {
        for (_, mut sizing) in std::mem::take(&mut self.sizings) {
            sizing.close(ledger);
        }
    }
}

/// Why a tick does not count, as a place in [`LEFT_OUT`].
fn left_out(gate: Gate) -> Option<usize> {
    match gate {
        Gate::Open => None,
        Gate::WarmUp => Some(0),
        Gate::Boundary => Some(1),
        Gate::Checkpoint => Some(2),
        Gate::Compile => Some(3),
        Gate::Evaluation => Some(4),
    }
}

impl Sizing {
    /// Adds a tick. True where it completed a point.
    fn add(&mut self, scene: &Scene<'_>, trainer: &Trainer, gpu: GpuId) -> bool {
        let stamp = scene.frame.sample.stamp;
        let start = *self.making.start.get_or_insert(stamp.mono_ms);
        if self.first_unix_ms == 0 {
            self.first_unix_ms = stamp.unix_ms;
        }
        self.last_unix_ms = stamp.unix_ms;
        self.note_loader(trainer);
        let row = fresh(scene.frame, gpu);
        if let Some(row) = row {
            self.note_memory(scene.frame, trainer, row);
        }
        let tick = trainer.newest().filter(|tick| tick.mono_ms == stamp.mono_ms);
        let steady = |row: &&GpuSample| {
            let slowed = |bits: u64| SLOWDOWNS.iter().any(|bit| bits & bit != 0);
            !row.throttle_reasons.ok().is_some_and(slowed)
        };
        let span = scene.frame.span_seconds.unwrap_or_default();
        let why = match (tick.map(|tick| left_out(tick.gate)), row.filter(steady)) {
            (Some(None), Some(_)) => None,
            (Some(None), None) if row.is_some() => Some(5),
            (Some(Some(why)), _) => Some(why),
            _ => Some(6),
        };
        self.seen_other |= matches!(why, Some(2 | 4));
        self.making.sm_of_all.add(row.and_then(|row| row.sm_active_ratio.ok()), span);
        match (why, tick, row) {
            (None, Some(tick), Some(row)) => self.making.add(tick, row),
            _ => {
                if let Some(seconds) = why.and_then(|why| self.making.point.left_out.get_mut(why)) {
                    *seconds += span;
                }
            }
        }
        self.turn(stamp.mono_ms, start, scene.settings)
    }

    /// A loader that comes back after another has moved: what moved meanwhile was an evaluation.
    fn note_loader(&mut self, trainer: &Trainer) {
        let [last, before] = self.loaders;
        if trainer.loader.is_some() && trainer.loader != last {
            self.seen_other |= trainer.loader == before;
            self.loaders = [trainer.loader, last];
        }
    }

    /// The memory of the process where that is told, else of the device.
    fn note_memory(&mut self, frame: &Frame, trainer: &Trainer, row: &GpuSample) {
        let Some((device, total)) = memory(row) else { return };
        let of_process = frame.sample.gpu_procs.iter().find(|held| {
            held.gpu == row.gpu && held.pid == trainer.pid && held.memory_used_bytes.ok().is_some()
        });
        let own = of_process.and_then(|held| held.memory_used_bytes.ok());
        let used = own.map_or(device, |bytes| bytes as f64);
        let most = self.making.point.memory.map_or(0.0, |(most, _)| most);
        self.making.point.memory = Some((most.max(used), total));
        self.peak = self.peak.max(used);
    }

    fn turn(&mut self, now_ms: u64, start: u64, settings: &Settings) -> bool {
        if (now_ms.saturating_sub(start) as f64) < settings.sizing_point * 1e3 {
            return false;
        }
        let made = std::mem::replace(
            &mut self.making,
            Making { start: Some(now_ms), ..Making::default() },
        );
        self.points.push_back(made.point(settings));
        self.seen += 1;
        if self.points.len() > 2 * POINTS {
            self.points.pop_front();
        }
        true
    }

    fn judge(&mut self, scene: &Scene<'_>, trainer: &Trainer, gpu: GpuId, ledger: &mut Ledger) {
        // A later minute above the proposed size takes the advice back.
        let newest = self.points.back().copied().unwrap_or_default();
        if let Some((id, limits)) = self.compute
            && exceeds(&newest, limits)
        {
            ledger.close(id, self.last_unix_ms);
            self.compute = None;
        }
        let run = scene.frame.sample.inventory.run(trainer.run);
        let ranks =
            run.map_or(1, |run| run.world_size.map_or(run.trainers.len(), |world| world as usize));
        let case = Case {
            frame: scene.frame,
            trainer,
            gpu,
            sizing: self,
            span: (self.first_unix_ms, self.last_unix_ms),
            lone: ranks <= 1 && trainer.gpus.len() == 1,
            ahead: trainer.ahead,
        };
        if scene.starves(trainer.run) {
            ledger.remark(trainer.run, unfed::line(&case, scene.settings));
            return;
        }
        ledger.remark(trainer.run, None);
        let compute = oversized_compute::test(&case, scene.settings);
        let memory = oversized_memory::test(&case, scene.settings);
        self.tell_compute(compute, ledger);
        // The size that is named, or why none is, says what memory it takes.
        let memory = memory.filter(|_| self.compute.is_none());
        self.memory = tell(self.memory, memory, self.last_unix_ms, ledger);
    }

    fn tell_compute(&mut self, found: Option<(Said, Limits)>, ledger: &mut Ledger) {
        match (self.compute, found) {
            (None, Some((said, limits))) => {
                let id = ledger.open(said, self.last_unix_ms);
                self.compute = id.map(|id| (id, limits));
            }
            // A size that is named now, or another one, is news. It never becomes harder to take back.
            (Some((id, before)), Some((said, limits))) => {
                ledger.renew(id, said, before != limits);
                self.compute = Some((id, limits));
            }
            (_, None) => {}
        }
    }

    /// The newest window, where it has enough valid points and steps.
    pub(super) fn newest(&self, settings: &Settings) -> Option<Vec<Point>> {
        self.window(self.points.len().checked_sub(POINTS)?, settings)
    }

    /// The two newest windows, where both have enough valid points and steps, and were fed.
    pub(super) fn windows(&self, settings: &Settings) -> Option<[Vec<Point>; 2]> {
        if self.points.len() < 2 * POINTS {
            return None;
        }
        let window = |from: usize| {
            let points = self.window(from, settings)?;
            // Without the blocked share, starvation cannot be ruled out.
            (blocked(&points)? < FED).then_some(points)
        };
        Some([window(0)?, window(POINTS)?])
    }

    fn window(&self, from: usize, settings: &Settings) -> Option<Vec<Point>> {
        let points = self.points.iter().skip(from).take(POINTS);
        let valid: Vec<Point> = points.filter(|point| point.valid).copied().collect();
        let steps: f64 = valid.iter().map(|point| point.steps).sum();
        (valid.len() >= VALID && steps >= settings.sizing_steps as f64).then_some(valid)
    }

    /// Seconds of all points, and what was left out of them for each reason.
    pub(super) fn left_out(&self) -> (f64, [f64; 7]) {
        let mut sums = [0.0; 7];
        for (sum, at) in sums.iter_mut().zip(0..) {
            *sum = self.points.iter().filter_map(|point| point.left_out.get::<usize>(at)).sum();
        }
        let training: f64 = self.points.iter().map(|point| point.training).sum();
        (training + sums.iter().sum::<f64>(), sums)
    }

    fn close(&mut self, ledger: &mut Ledger) {
        for id in self.compute.take().map(|(id, _)| id).into_iter().chain(self.memory.take()) {
            ledger.close(id, self.last_unix_ms);
        }
    }
}

fn exceeds(point: &Point, limits: Limits) -> bool {
    let active = [point.sm, point.sm_of_all].into_iter().flatten();
    let active = active.chain(point.util.filter(|_| point.sm.is_none()));
    active.fold(0.0, f64::max) > limits.active
        || point.memory.is_some_and(|(used, _)| used > limits.bytes)
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
    fn add(&mut self, tick: &super::tick::Tick, gpu: &GpuSample) {
        let span = f64::from(tick.span);
        self.point.training += span;
        self.point.steps += f64::from(tick.counts.steps.unwrap_or_default());
        self.blocked.add(tick.counts.wait_share(), span);
        self.sm.add(gpu.sm_active_ratio.ok(), span);
        self.tensor.add(gpu.tensor_active_ratio.ok(), span);
        self.dram.add(gpu.dram_active_ratio.ok(), span);
        self.util.add(gpu.utilization_ratio.ok(), span);
        self.power.add(power(gpu), span);
        if let Some(util) = gpu.utilization_ratio.ok() {
            self.point.low += if util < LOW { span } else { 0.0 };
            self.point.high += if util > HIGH { span } else { 0.0 };
        }
    }

    fn point(self, settings: &Settings) -> Point {
        Point {
            valid: self.point.training >= COVER * settings.sizing_point,
            blocked: self.blocked.get(),
            sm: self.sm.get(),
            tensor: self.tensor.get(),
            dram: self.dram.get(),
            util: self.util.get(),
            power: self.power.get(),
            sm_of_all: self.sm_of_all.get(),
            ..self.point
        }
    }
}

/// Mean share of time that the loop waits; `None` where a point has none.
pub(super) fn blocked(points: &[Point]) -> Option<f64> {
    let sum: Option<f64> = points.iter().map(|point| point.blocked).sum();
    sum.filter(|_| !points.is_empty()).map(|sum| sum / points.len() as f64)
}

/// Whether utilization goes up and down too far for a size to follow from it.
pub(super) fn fluctuates(windows: &[Vec<Point>; 2]) -> bool {
    let sum = |of: fn(&Point) -> f64| windows.iter().flatten().map(of).sum::<f64>();
    let all = sum(|point| point.training);
    sum(|point| point.low) >= OFTEN * all && sum(|point| point.high) >= OFTEN * all
}

/// The 95th percentile of a quantity; `None` where a point has none.
pub(super) fn p95_of(points: &[Point], of: impl Fn(&Point) -> Option<f64>) -> Option<f64> {
    let mut values: Vec<f64> = points.iter().map(of).collect::<Option<_>>()?;
    values.sort_by(f64::total_cmp);
    let at = (0.95 * values.len() as f64).ceil() as usize;
    values.get(at.saturating_sub(1)).copied()
}

/// The higher one of both windows.
pub(super) fn p95(windows: &[Vec<Point>; 2], of: impl Fn(&Point) -> Option<f64>) -> Option<f64> {
    Some(p95_of(&windows[0], &of)?.max(p95_of(&windows[1], &of)?))
}
