//! IDLE-HELD: a process holds memory of a GPU and does not use it.

use std::collections::{BTreeMap, VecDeque};

use super::about::{About, Threshold};
use super::charge::Lost;
use super::ledger::{Ledger, Said};
use super::rules::{Check, Scene};
use super::settings::Settings;
use super::words;
use crate::model::sample::{GpuSample, ProcState};
use crate::model::{Frame, GpuId, Pid, Rule, Severity};

pub(super) static ABOUT: About = About {
    code: Rule::IdleHeld.code(),
    area: Rule::IdleHeld.area(),
    what: "A process holds memory of a GPU and does not use the GPU.",
    when: "A warning where a process holds {held} or more for {warn_after} while no kernel runs in any \
           look and the GPU draws no more than {above_idle} its idle power; high after {high_after}, \
           critical after {critical_after}; without the power it stays a warning. Cleared by {cleared} \
           of activity, or when the memory is freed.",
    remedy: "End the process if it is done, or have it free the memory; in notebooks, set an idle \
             timeout for kernels.",
    source: "a proposal; idle cullers of clusters wait 30 to 60 minutes (gpu-pruner, Alibaba PAI-DSW)",
    thresholds: &[&HELD_BYTES, &ABOVE_IDLE, &WARN_AFTER, &HIGH_AFTER, &CRITICAL_AFTER, &CLEARED],
};

/// Holding less than this is a context, not a job.
pub(super) static HELD_BYTES: Threshold = Threshold {
    code: Rule::IdleHeld.code(),
    name: "held",
    default: (512_u64 << 20) as f64,
    unit: "bytes",
    what: "Memory of a GPU that a process holds at least.",
};
/// Power above the idle power by this factor is no idling, whatever the utilization says. An H100
/// draws 70 to 79 W without a context and 120 W with one, so idle power is the lowest mean that was
/// seen while memory was held.
static ABOVE_IDLE: Threshold = Threshold {
    code: Rule::IdleHeld.code(),
    name: "above_idle",
    default: 1.10,
    unit: "times",
    what: "Power in idling, of the least that was seen while memory was held.",
};
static WARN_AFTER: Threshold = Threshold {
    code: Rule::IdleHeld.code(),
    name: "warn_after",
    default: 600.0,
    unit: "seconds",
    what: "Idle time that is a warning.",
};
static HIGH_AFTER: Threshold = Threshold {
    code: Rule::IdleHeld.code(),
    name: "high_after",
    default: 1800.0,
    unit: "seconds",
    what: "Idle time that is high.",
};
static CRITICAL_AFTER: Threshold = Threshold {
    code: Rule::IdleHeld.code(),
    name: "critical_after",
    default: 3600.0,
    unit: "seconds",
    what: "Idle time that is critical.",
};
static CLEARED: Threshold = Threshold {
    code: Rule::IdleHeld.code(),
    name: "cleared",
    default: 10.0,
    unit: "seconds",
    what: "Activity that ends it.",
};

/// A utilization below this in every look is no use.
const USED: f64 = 0.01;
/// Power is averaged over parts of the first limit: twenty make it, ten a mean, two the present.
const POWER_PARTS: f64 = 20.0;
const PARTS_A_MEAN: usize = 10;
const PARTS_NOW: usize = 2;
/// Without a look for so long, nobody knows whether it was used.
const UNREAD_MS: u64 = 60_000;
/// A figure older than this is no look.
const STALE_SECONDS: f64 = 5.0;
/// Short activity is forgotten after this many seconds of idling.
const FORGET_SECONDS: f64 = 30.0;
/// Holders watched at once.
const MAX_HOLDERS: usize = 256;

/// The rule for all GPUs.
#[derive(Clone, Default)]
pub(super) struct IdleHeld {
    holders: BTreeMap<(GpuId, Pid), Holder>,
    power: BTreeMap<GpuId, Power>,
}

#[derive(Clone, Default)]
struct Holder {
    /// Since when it idles, on both clocks.
    since: Option<(u64, i64)>,
    last_look_ms: u64,
    last_unix_ms: i64,
    active: f64,
    idle: f64,
    id: Option<u64>,
}

#[derive(Clone, Default)]
struct Power {
    part: (f64, f64),
    parts: VecDeque<f64>,
    floor: Option<f64>,
}

impl Check for IdleHeld {
    fn step(&mut self, scene: &Scene<'_>, ledger: &mut Ledger) {
        let (frame, settings) = (scene.frame, scene.settings);
        let span = frame.span_seconds.unwrap_or_default();
        let held: BTreeMap<(GpuId, Pid), u64> = frame
            .sample
            .gpu_procs
            .iter()
            .filter_map(|row| Some(((row.gpu, row.pid), row.memory_used_bytes.ok()?)))
            .filter(|(_, bytes)| *bytes as f64 >= settings.of(&HELD_BYTES))
            .take(MAX_HOLDERS)
            .collect();
        for gpu in &frame.sample.gpus {
            let holds = held.keys().any(|(id, _)| *id == gpu.gpu);
            let part = settings.of(&WARN_AFTER) / POWER_PARTS;
            self.power.entry(gpu.gpu).or_default().add(gpu, holds, span, part);
        }
        self.power.retain(|id, _| frame.sample.gpus.iter().any(|gpu| gpu.gpu == *id));
        self.holders.retain(|key, holder| {
            let stays = held.contains_key(key);
            if let (false, Some(id)) = (stays, holder.id) {
                ledger.close(id, holder.last_unix_ms);
            }
            stays
        });
        for (key, bytes) in held {
            let holder = self.holders.entry(key).or_default();
            let gpu = frame.sample.gpus.iter().find(|gpu| gpu.gpu == key.0);
            holder.look(frame, gpu, span, settings, ledger);
            if starts(ledger, key.1) {
                continue;
            }
            let limit = settings.of(&ABOVE_IDLE);
            let power = self.power.get(&key.0).map_or(Drawn::Unread, |power| power.drawn(limit));
            holder.judge(frame, key, bytes, power, settings, ledger);
        }
    }

    /// Ends everything at the last look.
    fn end(&mut self, ledger: &mut Ledger) {
        for (_, holder) in std::mem::take(&mut self.holders) {
            if let Some(id) = holder.id {
                ledger.close(id, holder.last_unix_ms);
            }
        }
        self.power.clear();
    }
}

/// Whether it is told of a process that it has not begun yet: then its GPU idles for that reason.
fn starts(ledger: &Ledger, pid: Pid) -> bool {
    let mut open = ledger.lasting().iter();
    open.any(|finding| finding.rule == Rule::LongInit && finding.pid == Some(pid))
}

/// What the power says.
#[derive(Clone, Copy, PartialEq)]
enum Drawn {
    Idle { now: f64, floor: f64, limit: f64 },
    More,
    Unread,
}

impl Power {
    fn add(&mut self, gpu: &GpuSample, holds: bool, span: f64, part: f64) {
        let Some(watts) = gpu.power_watts.ok().filter(|_| holds) else {
            self.part = (0.0, 0.0);
            self.parts.clear();
            return;
        };
        self.part = (watts.mul_add(span, self.part.0), self.part.1 + span);
        if self.part.1 < part || self.part.1 <= 0.0 {
            return;
        }
        self.parts.push_back(self.part.0 / self.part.1);
        self.part = (0.0, 0.0);
        if self.parts.len() > PARTS_A_MEAN {
            self.parts.pop_front();
        }
        if self.parts.len() == PARTS_A_MEAN {
            let mean = self.parts.iter().sum::<f64>() / PARTS_A_MEAN as f64;
            self.floor = Some(self.floor.map_or(mean, |floor| floor.min(mean)));
        }
    }

    fn drawn(&self, above_idle: f64) -> Drawn {
        let newest = self.parts.iter().rev().take(PARTS_NOW);
        let (sum, count) = newest.fold((0.0, 0), |(sum, count), watts| (sum + watts, count + 1));
        match self.floor.filter(|_| count > 0) {
            Some(floor) if sum / f64::from(count) <= above_idle * floor => {
                Drawn::Idle { now: sum / f64::from(count), floor, limit: above_idle * floor }
            }
            Some(_) => Drawn::More,
            None => Drawn::Unread,
        }
    }
}

impl Holder {
    /// Takes a look at the GPU: used, idle, or no look at all.
    fn look(
        &mut self,
        frame: &Frame,
        gpu: Option<&GpuSample>,
        span: f64,
        settings: &Settings,
        ledger: &mut Ledger,
    ) {
        let stamp = frame.sample.stamp;
        let fresh = |gpu: &&GpuSample| gpu.age_seconds.ok().is_none_or(|age| age <= STALE_SECONDS);
        let used = gpu.filter(fresh).and_then(|gpu| gpu.utilization_ratio.ok());
        let unread = stamp.mono_ms.saturating_sub(self.last_look_ms) > UNREAD_MS;
        if self.since.is_some() && unread {
            self.stop(self.last_unix_ms, ledger);
        }
        let Some(used) = used else { return };
        (self.last_look_ms, self.last_unix_ms) = (stamp.mono_ms, stamp.unix_ms);
        if used < USED {
            self.since.get_or_insert((stamp.mono_ms, stamp.unix_ms));
            self.idle += span;
            if self.idle >= FORGET_SECONDS {
                self.active = 0.0;
            }
            return;
        }
        self.idle = 0.0;
        self.active += span;
        if self.id.is_none() || self.active >= settings.of(&CLEARED) {
            self.stop(stamp.unix_ms - (self.active * 1e3) as i64, ledger);
        }
    }

    fn stop(&mut self, at_ms: i64, ledger: &mut Ledger) {
        self.since = None;
        self.active = 0.0;
        if let Some(id) = self.id.take() {
            ledger.close(id, at_ms);
        }
    }

    fn judge(
        &mut self,
        frame: &Frame,
        key: (GpuId, Pid),
        bytes: u64,
        power: Drawn,
        settings: &Settings,
        ledger: &mut Ledger,
    ) {
        let Some((since_ms, start_ms)) = self.since else { return };
        let seconds = self.last_look_ms.saturating_sub(since_ms) as f64 / 1e3;
        let levels = [
            (&CRITICAL_AFTER, Severity::Critical),
            (&HIGH_AFTER, Severity::High),
            (&WARN_AFTER, Severity::Warn),
        ];
        let level = levels.into_iter().find(|(least, _)| seconds >= settings.of(least));
        let Some((_, severity)) = level else { return };
        if power == Drawn::More {
            return;
        }
        // Without the power there is one witness only.
        let severity = if power == Drawn::Unread { Severity::Warn } else { severity };
        let span = (start_ms, self.last_unix_ms);
        let least = settings.of(&HELD_BYTES);
        let said = Said { severity, ..said(frame, key, bytes, span, seconds, power, least) };
        match self.id {
            Some(id) => ledger.renew(id, said, false),
            None => self.id = ledger.open(said, start_ms),
        }
    }
}

fn said(
    frame: &Frame,
    (gpu, pid): (GpuId, Pid),
    bytes: u64,
    span: (i64, i64),
    seconds: f64,
    power: Drawn,
    least: f64,
) -> Said {
    let info = frame.sample.inventory.proc(pid);
    let name = info.map(|info| words::name(&info.name)).filter(|name| !name.is_empty());
    let who = name.map_or_else(|| format!("pid {pid}"), |name| format!("{name} (pid {pid})"));
    let (held, idle) = (words::memory(bytes as f64), words::duration(seconds));
    let state = frame.sample.procs.iter().find(|row| row.pid == pid).and_then(|row| row.state.ok());
    let paused = matches!(state, Some(ProcState::Stopped | ProcState::Traced));
    let entity = format!("gpu {gpu}");
    let mut evidence = vec![
        words::evidence(
            span,
            "gpu_procs.memory_used_bytes",
            format!("pid {pid}"),
            bytes as f64,
            Some(least),
            format!("it holds {held} of memory"),
        ),
        words::evidence(
            span,
            "gpus.utilization_ratio",
            &*entity,
            0.0,
            Some(USED),
            format!("no kernel ran on GPU {gpu} in any look for {idle}"),
        ),
    ];
    if let Drawn::Idle { now, floor, limit } = power {
        let text = format!("the GPU draws {now:.0} W, and {floor:.0} W when it idles");
        evidence.push(words::evidence(span, "gpus.power_watts", entity, now, Some(limit), text));
    }
    let paused = if paused { " (it is stopped)" } else { "" };
    Said {
        run: info.and_then(|info| info.run),
        pid: Some(pid),
        title: format!("{who} holds {held} of GPU {gpu} and has not used it for {idle}{paused}"),
        evidence,
        advice: ABOUT.remedy.into(),
        gain: format!("frees up to {held} of GPU {gpu}"),
        lost: Lost::of([gpu], 1.0, 1.0),
        ..Said::of(Rule::IdleHeld)
    }
}
