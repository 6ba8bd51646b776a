//! CLOCK-THROTTLE: heat or the power supply holds down the clock of a GPU that works.

use std::collections::BTreeMap;

use super::about::{About, Threshold};
use super::alarm::{Alarm, in_force};
use super::charge::Lost;
use super::ledger::{Ledger, Said};
use super::parts::{COVER, Part, SLOWDOWNS, Window, fresh};
use super::rules::{Check, Scene};
use super::settings::{Settings, Timing};
use super::trainer::Trainer;
use super::words;
use crate::model::{Evidence, GpuId, Rule, Severity};

pub(super) static ABOUT: About = About {
    code: Rule::ClockThrottle.code(),
    area: Rule::ClockThrottle.area(),
    what: "Heat or the power supply holds down the clock of a GPU that works.",
    when: "Raised where, over 60 s in which the GPU works, the driver gives a thermal slowdown, a hardware \
           slowdown or a power brake as the reason for its clock {reasons} of the time, or the clock is at \
           most {clock} of its own 95th percentile at {hot} or more; for 30 s. Cleared below half of the \
           first and above the second for 60 s. The software's power cap at full load is normal.",
    remedy: "Cooling and airflow; a lower power limit (nvidia-smi --power-limit) that the cooling can carry; power \
             cables and the supply of the rack.",
    source: "bits as in NVML's clocksEventReasons; 20 % of samples and 85 % of the clock: a proposal",
    thresholds: &[&REASONS, &CLOCK, &HOT],
};

static REASONS: Threshold = Threshold {
    code: Rule::ClockThrottle.code(),
    name: "reasons",
    default: 0.20,
    unit: "share",
    what: "Share of the working time with such a reason.",
};
static CLOCK: Threshold = Threshold {
    code: Rule::ClockThrottle.code(),
    name: "clock",
    default: 0.85,
    unit: "share",
    what: "Clock of its own 95th percentile, at most.",
};
static HOT: Threshold = Threshold {
    code: Rule::ClockThrottle.code(),
    name: "hot",
    default: 82.0,
    unit: "celsius",
    what: "Temperature from which on a low clock is laid to heat.",
};
const TIMING: Timing = Timing { window: 60.0, raise: 30.0, clear: 60.0 };
/// A GPU that is busy less than this idles, and its clock with it.
const WORKS: f64 = 0.10;
/// Its own clocks say something after so many seconds of work.
const LEAST_HISTORY: f64 = 120.0;
/// Slowed down for this share of the time, or by this share of its clock, is grave.
const GRAVE_TIME: f64 = 0.50;
const GRAVE_CLOCK: f64 = 0.80;
/// Clocks come in steps of 15 MHz.
const STEP_HERTZ: f64 = 15e6;
/// Steps that are told apart: up to 6 GHz.
const STEPS: usize = 400;

/// The rule for all GPUs that a trainer uses.
#[derive(Clone, Default)]
pub(super) struct ClockThrottle {
    gpus: BTreeMap<GpuId, Watch>,
}

#[derive(Clone, Default)]
struct Watch {
    window: Window,
    alarm: Alarm,
    /// Seconds of work at each step of the clock.
    clocks: Vec<f32>,
}

impl Check for ClockThrottle {
    fn step(&mut self, scene: &Scene<'_>, ledger: &mut Ledger) {
        let on = |gpu: GpuId| {
            scene.trainers.iter().copied().find(move |trainer| trainer.gpus.contains(&gpu))
        };
        self.gpus.retain(|gpu, watch| {
            let stays = on(*gpu).is_some();
            if !stays {
                watch.alarm.end(ledger);
            }
            stays
        });
        for row in &scene.frame.sample.gpus {
            if let Some(trainer) = on(row.gpu) {
                self.gpus.entry(row.gpu).or_default().step(scene, trainer, row.gpu, ledger);
            }
        }
    }

    fn end(&mut self, ledger: &mut Ledger) {
        for (_, mut watch) in std::mem::take(&mut self.gpus) {
            watch.alarm.end(ledger);
        }
    }
}

impl Watch {
    fn step(&mut self, scene: &Scene<'_>, trainer: &Trainer, gpu: GpuId, ledger: &mut Ledger) {
        let timing = in_force(TIMING, scene.settings);
        let works = |util: f64| util >= WORKS;
        let row =
            fresh(scene.frame, gpu).filter(|row| row.utilization_ratio.ok().is_some_and(works));
        if let Some(row) = row {
            let span = scene.frame.span_seconds.unwrap_or_default();
            self.window.now().look(row, span);
            if let Some(hertz) = row.sm_clock_hertz.ok() {
                self.clocks.resize(STEPS, 0.0);
                let at = ((hertz as f64 / STEP_HERTZ).round() as usize).min(STEPS - 1);
                if let Some(seconds) = self.clocks.get_mut(at) {
                    *seconds += span as f32;
                }
            }
        }
        if !self.window.turn(scene.frame, timing.window) {
            return;
        }
        let stamp = scene.frame.sample.stamp;
        let sum = self.window.sum(timing.window);
        let Some(sum) = sum.filter(|sum| sum.seconds >= COVER * timing.window) else {
            self.alarm.blind(stamp.mono_ms, ledger);
            return;
        };
        let case = Case { own: self.usual_hertz(), sum };
        let verdict = (case.raises(scene.settings), case.clears(scene.settings));
        let say = || said(scene, trainer, gpu, &case);
        self.alarm.step(stamp, timing, verdict, case.sum.from_ms, ledger, say);
        if let (Some(id), Some(lost)) = (self.alarm.id().filter(|_| verdict.0), case.lost(gpu)) {
            let from = stamp.unix_ms - (Window::part(timing.window) * 1e3) as i64;
            ledger.charge(id, &lost, from, stamp.unix_ms);
        }
    }

    /// The 95th percentile of its clock while it worked.
    fn usual_hertz(&self) -> Option<f64> {
        let all: f32 = self.clocks.iter().sum();
        if f64::from(all) < LEAST_HISTORY {
            return None;
        }
        let mut above = 0.0;
        for (at, seconds) in self.clocks.iter().enumerate().rev() {
            above += seconds;
            if above >= 0.05 * all {
                return Some(at as f64 * STEP_HERTZ);
            }
        }
        None
    }
}

struct Case {
    /// The clock that it held before, in Hz.
    own: Option<f64>,
    sum: Part,
}

impl Case {
    /// Share of the time with a reason.
    fn reasons(&self) -> Option<f64> {
        (self.sum.slow_read > 0.0).then(|| self.sum.any_slowed / self.sum.slow_read)
    }

    /// Its clock now of the one that it held before.
    fn clock(&self) -> Option<f64> {
        let (now, own) = self.sum.clock.get().zip(self.own)?;
        (own > 0.0).then(|| now / own)
    }

    fn hot_and_slow(&self, settings: &Settings, by: f64) -> bool {
        let hot = self.sum.celsius.get().is_some_and(|celsius| celsius >= settings.of(&HOT));
        hot && self.clock().is_some_and(|clock| clock <= settings.of(&CLOCK) * by)
    }

    fn raises(&self, settings: &Settings) -> bool {
        let reasons = self.reasons().is_some_and(|share| share >= settings.of(&REASONS));
        reasons || self.hot_and_slow(settings, 1.0)
    }

    fn clears(&self, settings: &Settings) -> bool {
        let reasons = self.reasons().is_none_or(|share| share < settings.of(&REASONS) / 2.0);
        reasons && !self.hot_and_slow(settings, 1.05)
    }

    fn grave(&self) -> bool {
        self.reasons().is_some_and(|share| share >= GRAVE_TIME)
            || self.clock().is_some_and(|clock| clock <= GRAVE_CLOCK)
    }

    /// Work that waits for the multiprocessors' clock is slower by what it lost; work that waits for
    /// memory or for others is not.
    fn lost(&self, gpu: GpuId) -> Option<Lost> {
        Lost::of([gpu], 0.0, 1.0 - self.clock()?)
    }

    /// What the driver gives as the reason, as far as it tells.
    fn because(&self) -> &'static str {
        let most = self.sum.slowed;
        let [_, software, thermal, brake] = most;
        if brake > 0.0 && brake >= software.max(thermal) {
            "by the brake of its power supply"
        } else if software > 0.0 || thermal > 0.0 {
            "by heat"
        } else {
            "by the hardware (heat, a power brake or the supply; the driver does not say which)"
        }
    }
}

fn megahertz(hertz: f64) -> String {
    format!("{:.0} MHz", hertz / 1e6)
}

fn said(scene: &Scene<'_>, trainer: &Trainer, gpu: GpuId, case: &Case) -> Said {
    let settings = scene.settings;
    let clocks = match (case.sum.clock.get(), case.own, case.clock()) {
        (Some(now), Some(own), Some(share)) if share < 1.0 => {
            format!(": {} instead of the {} that it held", megahertz(now), megahertz(own))
        }
        (Some(now), ..) => format!(": {}", megahertz(now)),
        _ => String::new(),
    };
    let reasons = case.reasons().filter(|share| *share >= settings.of(&REASONS));
    let title = match reasons {
        Some(share) => format!(
            "GPU {gpu} is slowed down {} {} of the time{clocks}",
            case.because(),
            words::percent(share)
        ),
        None => format!(
            "GPU {gpu} runs slowly at {:.0} °C{clocks}",
            case.sum.celsius.get().unwrap_or_default()
        ),
    };
    let brake = case.because().contains("brake of");
    Said {
        severity: if case.grave() { Severity::High } else { Severity::Warn },
        run: Some(trainer.run),
        pid: Some(trainer.pid),
        title,
        evidence: evidence(scene, gpu, case),
        advice: if brake {
            "Check the power cables and what the rack's supply can deliver, or set a lower limit that it \
             carries (nvidia-smi --power-limit)."
        } else {
            "Check fans, airflow and the inlet temperature; until then a power limit that the cooling \
             carries keeps the clock steady (nvidia-smi --power-limit)."
        }
        .into(),
        gain: case.clock().filter(|share| *share < 1.0).map_or_else(
            || {
                let slowed = case.reasons().unwrap_or_default();
                format!("frees it from a slowdown {} of the time", words::percent(slowed))
            },
            |share| format!("up to {:.2}× faster at the clock that it held", 1.0 / share.max(0.1)),
        ),
        lost: None,
        ..Said::of(Rule::ClockThrottle)
    }
}

fn evidence(scene: &Scene<'_>, gpu: GpuId, case: &Case) -> Vec<Evidence> {
    let settings = scene.settings;
    let span = (case.sum.from_ms, scene.frame.sample.stamp.unix_ms);
    let entity = format!("gpu {gpu}");
    let names = ["hardware slowdown", "software thermal", "hardware thermal", "power brake"];
    let mut lines = Vec::new();
    if let Some(share) = case.reasons() {
        let set = case.sum.slowed.iter().zip(SLOWDOWNS).zip(names);
        let set: Vec<String> = set
            .filter(|((seconds, _), _)| **seconds > 0.0)
            .map(|((seconds, _), name)| {
                format!("{name} {}", words::percent(seconds / case.sum.slow_read))
            })
            .collect();
        let text = if set.is_empty() {
            "a slowdown was given 0 % of the time".into()
        } else {
            format!("the driver gives as a reason, of the time: {}", set.join(", "))
        };
        let limit = Some(settings.of(&REASONS));
        lines.push(words::evidence(span, "gpus.throttle_reasons", &*entity, share, limit, text));
    }
    if let Some(now) = case.sum.clock.get() {
        let limit = case.own.map(|own| own * settings.of(&CLOCK));
        let text = format!("the clock runs at {}", megahertz(now));
        lines.push(words::evidence(span, "gpus.sm_clock_hertz", &*entity, now, limit, text));
    }
    if let Some(celsius) = case.sum.celsius.get() {
        let limit = Some(settings.of(&HOT));
        let text = format!("the card is {celsius:.0} °C hot");
        lines.push(words::evidence(span, "gpus.temperature_celsius", entity, celsius, limit, text));
    }
    lines
}
