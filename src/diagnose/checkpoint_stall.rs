//! CHECKPOINT-STALL: the GPUs of a run stand still again and again while a rank saves.
//!
//! Utilization alone cannot tell: the ranks that wait for the one that saves spin in a collective, and
//! count as busy.

use std::collections::{BTreeMap, VecDeque};

use super::about::{About, Threshold};
use super::charge::Lost;
use super::gate::CHECKPOINT_BYTES_PER_SECOND;
use super::ledger::{Ledger, Said};
use super::rules::{Check, Scene};
use super::starved::name_of;
use super::surroundings::utilization;
use super::tick::{Gate, share};
use super::trainer::Trainer;
use super::words;
use crate::model::{Evidence, GpuId, Pid, Rule, RunId, Severity};

pub(super) static ABOUT: About = About {
    code: Rule::CheckpointStall.code(),
    area: Rule::CheckpointStall.area(),
    what: "The GPUs of a run stand still again and again while a rank saves a checkpoint.",
    when: "Raised from the third time on that the GPU of a rank idles for {stall} or more while its main \
           thread saves (or, where its frames cannot be read, while it writes 50 MB/s or more and does not \
           wait for data), where that takes {info} of the time or more; a warning from {warn}, high from \
           {high} on. Cleared below half of the least, or where no more of it comes.",
    remedy: "Save in the background (torch.distributed.checkpoint.async_save), to a local disk, or less \
             often.",
    source: "checkpointing is 16 % of the causes of low utilization in Gao et al., ICSE'24; the shares are a \
             proposal",
    thresholds: &[&STALL, &INFO, &WARN, &HIGH],
};

const CODE: &str = Rule::CheckpointStall.code();
static STALL: Threshold = Threshold {
    code: CODE,
    name: "stall",
    default: 2.0,
    unit: "seconds",
    what: "Time for which the GPU idles, for one save to count.",
};
static INFO: Threshold = Threshold {
    code: CODE,
    name: "info",
    default: 0.03,
    unit: "share",
    what: "Share of the time that is worth an information.",
};
static WARN: Threshold = Threshold {
    code: CODE,
    name: "warn",
    default: 0.10,
    unit: "share",
    what: "Share of the time that is a warning.",
};
static HIGH: Threshold = Threshold {
    code: CODE,
    name: "high",
    default: 0.20,
    unit: "share",
    what: "Share of the time that is high.",
};
/// So many saves make a habit.
const EVENTS: usize = 3;
/// A GPU that is busy less than this idles.
const IDLE: f32 = 0.10;
/// Waiting for data less than this.
const WAIT: f64 = 0.05;
/// This share of the looks at the main thread at a checkpoint.
const MAINLY: f64 = 0.50;
/// A break shorter than this in a stall is part of it: writing comes in bursts.
const BREAK_MS: i64 = 3000;
/// Without another one for so many of the longest intervals (and at least so long), they have ended.
const INTERVALS: i64 = 3;
const LEAST_END_MS: i64 = 600_000;
/// Saves that are remembered.
const MAX_EVENTS: usize = 64;

/// The rule for all runs.
#[derive(Clone, Default)]
pub(super) struct CheckpointStall {
    runs: BTreeMap<RunId, Watch>,
}

#[derive(Clone, Debug, Default)]
struct Watch {
    /// Since when it is watched, or the oldest save that was forgotten ended.
    since: i64,
    /// The save that goes on.
    current: Option<Event>,
    events: VecDeque<Event>,
    id: Option<u64>,
    last_unix_ms: i64,
}

/// One save.
#[derive(Clone, Copy, Debug)]
struct Event {
    pid: Pid,
    from_ms: i64,
    to_ms: i64,
    bytes: f64,
    /// Whether the main thread's frames told it.
    by_frames: bool,
}

impl Event {
    fn seconds(&self) -> f64 {
        (self.to_ms - self.from_ms) as f64 / 1e3
    }
}

impl Check for CheckpointStall {
    fn step(&mut self, scene: &Scene<'_>, ledger: &mut Ledger) {
        self.runs.retain(|run, watch| {
            let stays = scene.trainers.iter().any(|trainer| trainer.run == *run);
            if !stays {
                watch.close(watch.last_unix_ms, ledger);
            }
            stays
        });
        for info in &scene.frame.sample.inventory.runs {
            let of_run = scene.trainers.iter().copied().filter(|t| t.run == info.run);
            let trainers: Vec<&Trainer> = of_run.collect();
            if !trainers.is_empty() {
                self.runs.entry(info.run).or_default().step(scene, info.run, &trainers, ledger);
            }
        }
    }

    fn end(&mut self, ledger: &mut Ledger) {
        for (_, mut watch) in std::mem::take(&mut self.runs) {
            watch.close(watch.last_unix_ms, ledger);
        }
    }
}

/// Whether a trainer stands still for a checkpoint in this tick, and whether its frames tell so.
pub(super) fn saves(scene: &Scene<'_>, trainer: &Trainer) -> Option<bool> {
    let newest = trainer.newest();
    let tick = newest.filter(|tick| tick.mono_ms == scene.frame.sample.stamp.mono_ms)?;
    if tick.gate == Gate::WarmUp {
        return None;
    }
    let idles = utilization(scene.frame, &trainer.gpus).map(|util| util < IDLE);
    if let Some(looks) = tick.counts.main.filter(|looks| *looks > 0.0) {
        let at = share(tick.counts.main_checkpoint, Some(looks));
        let saving = at.is_some_and(|at| at >= MAINLY) && idles.unwrap_or(trainer.gpus.is_empty());
        return saving.then_some(true);
    }
    let writes = trainer.write.is_some_and(|write| write >= CHECKPOINT_BYTES_PER_SECOND);
    let waits = tick.counts.wait_share().is_none_or(|wait| wait >= WAIT);
    (writes && !waits && idles == Some(true)).then_some(false)
}

impl Watch {
    fn step(&mut self, scene: &Scene<'_>, run: RunId, trainers: &[&Trainer], ledger: &mut Ledger) {
        let now = scene.frame.sample.stamp.unix_ms;
        self.last_unix_ms = now;
        if self.since == 0 {
            self.since = now;
        }
        let span = scene.frame.span_seconds.unwrap_or_default();
        let saving = trainers.iter().find_map(|t| Some((*t, saves(scene, t)?)));
        if let Some((trainer, by_frames)) = saving {
            let from_ms = now - (span * 1e3) as i64;
            let event = self.current.get_or_insert(Event {
                pid: trainer.pid,
                from_ms,
                to_ms: now,
                bytes: 0.0,
                by_frames,
            });
            event.to_ms = now;
            event.by_frames |= by_frames;
            event.bytes += trainer.write.unwrap_or_default() * span;
        } else if let Some(event) = self.current
            && now - event.to_ms >= BREAK_MS
        {
            self.current = None;
            if event.seconds() >= scene.settings.of(&STALL) {
                self.add(event);
                self.judge(scene, run, trainers, ledger);
            }
        }
        self.fade(scene, ledger);
    }

    fn add(&mut self, event: Event) {
        if self.events.len() >= MAX_EVENTS
            && let Some(old) = self.events.pop_front()
        {
            self.since = old.to_ms;
        }
        self.events.push_back(event);
    }

    /// Share of the time since it is watched.
    fn share(&self) -> f64 {
        let wall = (self.last_unix_ms - self.since) as f64 / 1e3;
        let stalled: f64 = self.events.iter().map(Event::seconds).sum();
        if wall > 0.0 { (stalled / wall).min(1.0) } else { 0.0 }
    }

    fn judge(&mut self, scene: &Scene<'_>, run: RunId, trainers: &[&Trainer], ledger: &mut Ledger) {
        if self.events.len() < EVENTS || self.share() < scene.settings.of(&INFO) {
            return;
        }
        let gpus: Vec<GpuId> = trainers.iter().flat_map(|t| t.gpus.iter().copied()).collect();
        let lost = Lost::of(gpus, 1.0, 1.0);
        let said = self.said(scene, run, trainers);
        let new = if let Some(id) = self.id {
            ledger.renew(id, said, false);
            1
        } else {
            let first = self.events.front().map_or(self.since, |event| event.from_ms);
            self.id = ledger.open(said, first);
            self.events.len()
        };
        for event in self.events.iter().rev().take(new) {
            if let (Some(id), Some(lost)) = (self.id, &lost) {
                ledger.charge(id, lost, event.from_ms, event.to_ms);
            }
        }
    }

    /// Closes it where saves have become rare or have ended.
    fn fade(&mut self, scene: &Scene<'_>, ledger: &mut Ledger) {
        if self.id.is_none() || self.current.is_some() {
            return;
        }
        let last = self.events.back().map_or(self.last_unix_ms, |event| event.to_ms);
        let gaps = self.events.iter().zip(self.events.iter().skip(1));
        let longest = gaps.map(|(a, b)| b.from_ms - a.to_ms).max().unwrap_or_default();
        let over = self.last_unix_ms - last > (INTERVALS * longest).max(LEAST_END_MS);
        if over || self.share() < scene.settings.of(&INFO) / 2.0 {
            self.close(last, ledger);
            self.events.clear();
            self.since = last;
        }
    }

    fn said(&self, scene: &Scene<'_>, run: RunId, trainers: &[&Trainer]) -> Said {
        let share = self.share();
        let settings = scene.settings;
        let severity = match share {
            share if share >= settings.of(&HIGH) => Severity::High,
            share if share >= settings.of(&WARN) => Severity::Warn,
            _ => Severity::Info,
        };
        let count = self.events.len();
        let mean = self.events.iter().map(Event::seconds).sum::<f64>() / count.max(1) as f64;
        let pid = self.events.back().map(|event| event.pid);
        let name = pid.map_or_else(String::new, |pid| name_of(&scene.frame.sample, run, pid));
        let by_frames = self.events.iter().all(|event| event.by_frames);
        let what =
            if by_frames { "to save checkpoints" } else { "while it writes, as for checkpoints" };
        let others = match trainers.len() {
            0 | 1 => String::new(),
            ranks => format!(", and {} others wait for it", ranks - 1),
        };
        Said {
            severity,
            run: Some(run),
            pid,
            title: format!(
                "{name} stands still {what} {} of the time: {count} times, {mean:.1} s each{others}",
                words::fine_percent(share)
            ),
            evidence: self.evidence(scene, share, by_frames),
            advice: "Save in the background with torch.distributed.checkpoint.async_save, or to a local \
                     disk from which another process copies; have each rank write its own shard; save \
                     less often where a lost interval is cheaper than the saves."
                .into(),
            gain: format!("up to {:.2}× faster with saves that hold nothing up", 1.0 / (1.0 - share.min(0.9))),
            ..Said::of(Rule::CheckpointStall)
        }
    }

    fn evidence(&self, scene: &Scene<'_>, share: f64, by_frames: bool) -> Vec<Evidence> {
        let from = self.events.front().map_or(self.since, |event| event.from_ms);
        let span = (from, self.last_unix_ms);
        let pid = self.events.back().map_or_else(String::new, |event| format!("pid {}", event.pid));
        let limit = Some(scene.settings.of(&INFO));
        let (series, how) = if by_frames {
            ("loaders.main_checkpoint_ratio", "its main thread is in a save")
        } else {
            ("procs.write_bytes_per_second", "it writes and does not wait for data")
        };
        let longest = self.events.iter().map(Event::seconds).fold(0.0, f64::max);
        let text = format!("the GPU idles while {how}, for {longest:.1} s at the longest");
        let mut lines = vec![words::evidence(span, series, &*pid, share, limit, text)];
        let bytes: f64 = self.events.iter().map(|event| event.bytes).sum();
        let seconds: f64 = self.events.iter().map(Event::seconds).sum();
        if bytes > 0.0 && seconds > 0.0 {
            let rate = bytes / seconds;
            let each = words::memory(bytes / self.events.len() as f64);
            let text = format!("it writes {} meanwhile, {each} each time", words::rate(rate));
            let series = "procs.write_bytes_per_second";
            lines.push(words::evidence(span, series, pid, rate, None, text));
        }
        lines
    }

    fn close(&mut self, at_ms: i64, ledger: &mut Ledger) {
        if let Some(id) = self.id.take() {
            ledger.close(id, at_ms);
        }
    }
}
