//! A sliding window over a GPU, kept in parts, so that ten looks a second cost no more to judge than one.

use std::collections::VecDeque;

use super::tick::{Gate, Tick};
use super::trainer::Trainer;
use crate::model::sample::GpuSample;
use crate::model::{Frame, GpuId, Reading};

/// A figure older than this is no look.
const STALE_SECONDS: f64 = 5.0;
/// Parts of a window.
const PARTS: f64 = 60.0;
/// Parts are not shorter than this.
const LEAST_PART: f64 = 1.0;
/// Less of the window than this with an answer says nothing.
pub(super) const COVER: f64 = 0.6;

/// Clocks held down by heat or power supply: HwSlowdown, SwThermal, HwThermal, HwPowerBrake, as NVML's
/// bits. (A power cap, 0x4, is normal at full load.)
pub(super) const SLOWDOWNS: [u64; 4] = [0x8, 0x20, 0x40, 0x80];

/// A mean weighted by time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mean {
    sum: f64,
    pub seconds: f64,
}

impl Mean {
    pub(super) fn add(&mut self, value: Option<f64>, seconds: f64) {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            self.sum += value * seconds;
            self.seconds += seconds;
        }
    }

    fn merge(&mut self, other: Self) {
        self.sum += other.sum;
        self.seconds += other.seconds;
    }

    const fn kept(self) -> [f32; 2] {
        [self.sum as f32, self.seconds as f32]
    }

    fn of_kept([sum, seconds]: [f32; 2]) -> Self {
        Self { sum: f64::from(sum), seconds: f64::from(seconds) }
    }

    pub(super) fn get(self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.sum / self.seconds)
    }
}

/// What a GPU did over some time, and the trainer on it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Part {
    pub from_ms: i64,
    /// Seconds with a look.
    pub seconds: f64,
    pub util: Mean,
    pub sm: Mean,
    pub tensor: Mean,
    pub dram: Mean,
    /// Power of the limit.
    pub power: Mean,
    /// Clock of the multiprocessors in Hz.
    pub clock: Mean,
    pub celsius: Mean,
    /// Seconds for which each of [`SLOWDOWNS`] was set, and any of them; seconds in which they were read.
    pub slowed: [f64; 4],
    pub any_slowed: f64,
    pub slow_read: f64,
    /// Most memory in use, and the memory of the device, in bytes.
    pub memory: Option<(f64, f64)>,
    pub steps: f64,
    pub blocked: Mean,
    /// Share of looks that found the trainer's main thread on a CPU.
    pub main_runs: Mean,
}

impl Part {
    /// Adds a look at the GPU.
    pub(super) fn look(&mut self, gpu: &GpuSample, span: f64) {
        self.seconds += span;
        self.util.add(gpu.utilization_ratio.ok(), span);
        self.sm.add(gpu.sm_active_ratio.ok(), span);
        self.tensor.add(gpu.tensor_active_ratio.ok(), span);
        self.dram.add(gpu.dram_active_ratio.ok(), span);
        self.power.add(power(gpu), span);
        self.clock.add(gpu.sm_clock_hertz.ok().map(|hertz| hertz as f64), span);
        self.celsius.add(gpu.temperature_celsius.ok(), span);
        if let Some(bits) = gpu.throttle_reasons.ok() {
            self.slow_read += span;
            for (seconds, bit) in self.slowed.iter_mut().zip(SLOWDOWNS) {
                *seconds += if bits & bit == 0 { 0.0 } else { span };
            }
            let any = SLOWDOWNS.iter().any(|bit| bits & bit != 0);
            self.any_slowed += if any { span } else { 0.0 };
        }
        if let Some((used, total)) = memory(gpu) {
            let most = self.memory.map_or(0.0, |(most, _)| most);
            self.memory = Some((most.max(used), total));
        }
    }

    /// Adds a tick of the trainer on it.
    pub(super) fn tick(&mut self, tick: &Tick, main_runs: Option<bool>) {
        let span = f64::from(tick.span);
        self.steps += f64::from(tick.counts.steps.unwrap_or_default());
        self.blocked.add(tick.counts.wait_share(), span);
        self.main_runs.add(main_runs.map(|runs| if runs { 1.0 } else { 0.0 }), span);
    }

    fn merge(&mut self, other: &Self) {
        self.seconds += other.seconds;
        for (mean, more) in [
            (&mut self.util, other.util),
            (&mut self.sm, other.sm),
            (&mut self.tensor, other.tensor),
            (&mut self.dram, other.dram),
            (&mut self.power, other.power),
            (&mut self.clock, other.clock),
            (&mut self.celsius, other.celsius),
            (&mut self.blocked, other.blocked),
            (&mut self.main_runs, other.main_runs),
        ] {
            mean.merge(more);
        }
        for (seconds, more) in self.slowed.iter_mut().zip(other.slowed) {
            *seconds += more;
        }
        self.any_slowed += other.any_slowed;
        self.slow_read += other.slow_read;
        self.steps += other.steps;
        self.memory = match (self.memory, other.memory) {
            (Some((most, _)), Some((more, total))) => Some((most.max(more), total)),
            (one, other) => other.or(one),
        };
    }
}

/// A part that is complete, in half the memory: there are 60 for each GPU and rule.
#[derive(Clone, Debug)]
struct Kept {
    from_ms: i64,
    means: [[f32; 2]; 9],
    seconds: [f32; 4],
    slowed: [f32; 4],
    memory: Option<[f32; 2]>,
}

impl From<Part> for Kept {
    fn from(part: Part) -> Self {
        let Part { util, sm, tensor, dram, power, clock, celsius, blocked, main_runs, .. } = part;
        let means = [util, sm, tensor, dram, power, clock, celsius, blocked, main_runs];
        let seconds = [part.seconds, part.any_slowed, part.slow_read, part.steps];
        Self {
            from_ms: part.from_ms,
            means: means.map(Mean::kept),
            seconds: seconds.map(|value| value as f32),
            slowed: part.slowed.map(|value| value as f32),
            memory: part.memory.map(|(most, total)| [most as f32, total as f32]),
        }
    }
}

impl From<&Kept> for Part {
    fn from(kept: &Kept) -> Self {
        let means = kept.means.map(Mean::of_kept);
        let [util, sm, tensor, dram, power, clock, celsius, blocked, main_runs] = means;
        let [seconds, any_slowed, slow_read, steps] = kept.seconds.map(f64::from);
        let memory = kept.memory.map(|[most, total]| (f64::from(most), f64::from(total)));
        let (from_ms, slowed) = (kept.from_ms, kept.slowed.map(f64::from));
        Self {
            from_ms,
            seconds,
            util,
            sm,
            tensor,
            dram,
            power,
            clock,
            celsius,
            slowed,
            any_slowed,
            slow_read,
            memory,
            steps,
            blocked,
            main_runs,
        }
    }
}

/// The parts of one window.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    making: Part,
    start: Option<u64>,
    made: VecDeque<Kept>,
}

impl Window {
    /// Seconds of one part of a window of so many seconds.
    pub(super) fn part(window: f64) -> f64 {
        (window / PARTS).max(LEAST_PART)
    }

    /// The part that is being made.
    pub(super) fn now(&mut self) -> &mut Part {
        &mut self.making
    }

    /// A tick is over. True where a part of a window of so many seconds was completed by it: then it is
    /// time to judge.
    pub(super) fn turn(&mut self, frame: &Frame, window: f64) -> bool {
        let stamp = frame.sample.stamp;
        if self.making.from_ms == 0 {
            let span = frame.span_seconds.unwrap_or_default();
            self.making.from_ms = stamp.unix_ms - (span * 1e3) as i64;
        }
        let start = *self.start.get_or_insert(stamp.mono_ms);
        let part = Self::part(window);
        if (stamp.mono_ms.saturating_sub(start) as f64) < part * 1e3 {
            return false;
        }
        self.start = Some(stamp.mono_ms);
        self.made.push_back(std::mem::take(&mut self.making).into());
        while self.made.len() > (window / part).ceil() as usize {
            self.made.pop_front();
        }
        true
    }

    /// All parts, summed. `None` before the window is full.
    pub(super) fn sum(&self, window: f64) -> Option<Part> {
        let part = Self::part(window);
        if self.made.len() < (window / part).ceil() as usize {
            return None;
        }
        let mut sum = Part { from_ms: self.made.front()?.from_ms, ..Part::default() };
        self.parts().for_each(|part| sum.merge(&part));
        Some(sum)
    }

    /// The parts, the oldest first.
    pub(super) fn parts(&self) -> impl Iterator<Item = Part> + '_ {
        self.made.iter().map(Part::from)
    }
}

/// The row of a GPU, where it was read just now.
pub(super) fn fresh(frame: &Frame, gpu: GpuId) -> Option<&GpuSample> {
    let row = frame.sample.gpus.iter().find(|row| row.gpu == gpu)?;
    row.age_seconds.ok().is_none_or(|age| age <= STALE_SECONDS).then_some(row)
}

/// Power of the limit in force.
pub(super) fn power(gpu: &GpuSample) -> Option<f64> {
    let (watts, limit) = gpu.power_watts.ok().zip(gpu.power_limit_watts.ok())?;
    (limit > 0.0).then(|| watts / limit)
}

/// Memory in use and in all, in bytes.
pub(super) fn memory(gpu: &GpuSample) -> Option<(f64, f64)> {
    let (used, total) = gpu.memory_used_bytes.ok().zip(gpu.memory_total_bytes.ok())?;
    (total > 0).then_some((used as f64, total as f64))
}

/// The trainer's tick of this frame, and whether the frame is of plain training. A trainer without a
/// known loader has no ticks: of it that cannot be told, and its time counts.
pub(super) fn training(trainer: &Trainer, frame: &Frame) -> (Option<Tick>, bool) {
    let newest = trainer.newest().filter(|tick| tick.mono_ms == frame.sample.stamp.mono_ms);
    let plain = newest.is_none_or(|tick| tick.gate == Gate::Open);
    (newest.copied(), plain)
}

/// Whether the main thread of a trainer was on a CPU at the last look.
pub(super) fn main_runs(trainer: &Trainer, frame: &Frame) -> Option<bool> {
    let mut rows = frame.sample.loaders.iter().filter(|row| row.pid == trainer.pid);
    let row = rows.find(|row| Some(row.loader) == trainer.loader)?;
    match &row.main_state {
        Reading::Is(state) => Some(&**state == "running"),
        Reading::Not(_) => None,
    }
}
