//! HOST-MEMORY: the box, or the job's share of it, is short of memory.

use std::collections::VecDeque;

use crate::diagnose::about::{About, Threshold};
use crate::diagnose::latch::{Edge, Latch};
use crate::diagnose::ledger::{Ledger, Said};
use crate::diagnose::rules::{Check, Scene};
use crate::diagnose::settings::Settings;
use crate::diagnose::surroundings as around;
use crate::diagnose::words;
use crate::model::{Cause, Evidence, Frame, Rule, Severity, Stamp};

pub(in crate::diagnose) static ABOUT: About = About {
    code: Rule::HostMemory.code(),
    area: Rule::HostMemory.area(),
    what: "The box, the control group or /dev/shm is short of memory, so that processes wait for it or die.",
    when: "Raised while a training runs where, over 60 s and over the last 10 s, some task waits for memory \
           {some} of the time or more, or all do {full} or more; or {swap} pages or more are swapped in; or \
           /dev/shm is {shm} full; or a control group is {group} full of memory other than page cache while \
           its file pages are read again; for 10 s. Cleared below half of the pressure, or 5 points below \
           the rest, for 30 s. Critical where all tasks wait {critical} of the time for 30 s: systemd-oomd \
           kills then.",
    remedy: "Fewer workers or a lower prefetch_factor, as each holds its batches in memory; a larger \
             /dev/shm (docker --shm-size, a Kubernetes emptyDir of medium Memory); NumPy or Arrow arrays \
             instead of Python lists in the Dataset, which grow in each worker by being looked at.",
    source: "full pressure of 60 % for 30 s is systemd-oomd's default; the rest is a proposal, well above \
             the 0.1 % that Senpai aims at",
    thresholds: &[&SOME, &FULL, &SWAP, &SHM, &GROUP, &CRITICAL],
};

static SOME: Threshold = Threshold {
    code: Rule::HostMemory.code(),
    name: "some",
    default: 0.10,
    unit: "share",
    what: "Share of time in which some task waits for memory.",
};
static FULL: Threshold = Threshold {
    code: Rule::HostMemory.code(),
    name: "full",
    default: 0.05,
    unit: "share",
    what: "Share of time in which all tasks wait for memory.",
};
static SWAP: Threshold = Threshold {
    code: Rule::HostMemory.code(),
    name: "swap",
    default: 256.0,
    unit: "1/s",
    what: "Pages swapped in: 256 of 4 KiB are 1 MiB.",
};
static SHM: Threshold = Threshold {
    code: Rule::HostMemory.code(),
    name: "shm",
    default: 0.90,
    unit: "share",
    what: "Used share of /dev/shm.",
};
static GROUP: Threshold = Threshold {
    code: Rule::HostMemory.code(),
    name: "group",
    default: 0.95,
    unit: "share",
    what: "Used share of the control group's memory limit, page cache left out.",
};
static CRITICAL: Threshold = Threshold {
    code: Rule::HostMemory.code(),
    name: "critical",
    default: 0.60,
    unit: "share",
    what: "Share of time in which all tasks wait for memory, from which on processes are killed.",
};

/// Pressure counts over both of these, in seconds.
const LONG: f64 = 60.0;
const SHORT: f64 = 10.0;
/// Clearing takes longer than raising.
const CLEAR: f64 = 30.0;
/// What is full is no longer so when it is this much below its threshold.
const BELOW: f64 = 0.05;
/// File pages of a group that come back faster than this were evicted too early.
const REFAULTS: f64 = 10.0;
/// Seconds of the highest pressure until it is critical.
const CRITICAL_SECONDS: f64 = 30.0;
/// Ticks that are kept.
const MAX_TICKS: usize = 600;

/// One tick.
#[derive(Clone, Copy, Debug, Default)]
struct Tick {
    mono_ms: u64,
    span: f64,
    some: Option<f64>,
    full: Option<f64>,
    swap: Option<f64>,
}

/// The rule, for the box.
#[derive(Clone, Default)]
pub(in crate::diagnose) struct HostMemory {
    ticks: VecDeque<Tick>,
    latch: Latch,
    id: Option<u64>,
    seen: Option<Stamp>,
    critical_since: Option<u64>,
}

/// One way of being short.
struct Short {
    holds: bool,
    gone: bool,
    /// Its words and its evidence: made where they are said, which is seldom.
    say: Box<dyn FnOnce() -> (String, Evidence)>,
}

impl Check for HostMemory {
    fn step(&mut self, scene: &Scene<'_>, ledger: &mut Ledger) {
        let stamp = scene.frame.sample.stamp;
        if scene.trainers.is_empty() {
            self.end(ledger);
            return;
        }
        self.take(scene.frame);
        let shorts = self.shorts(scene, ledger);
        if shorts.is_empty() {
            self.latch.blind();
            return;
        }
        self.seen = Some(stamp);
        let (raise, clear) = (scene.settings.standard.raise, CLEAR);
        let holds = shorts.iter().any(|short| short.holds);
        let gone = shorts.iter().all(|short| short.gone);
        let unix = |mono: u64| stamp.unix_ms - stamp.mono_ms.saturating_sub(mono) as i64;
        match self.latch.step(stamp.mono_ms, (holds, raise), (gone, clear)) {
            Edge::Raised(since) => {
                self.id = ledger.open(self.say(scene, shorts), unix(since));
            }
            Edge::Cleared(since) => {
                if let Some(id) = self.id.take() {
                    ledger.close(id, unix(since));
                }
            }
            Edge::None => {
                if let Some(id) = self.id.filter(|_| holds) {
                    ledger.renew(id, self.say(scene, shorts), false);
                }
            }
        }
    }

    fn end(&mut self, ledger: &mut Ledger) {
        if let Some((id, seen)) = self.id.take().zip(self.seen) {
            ledger.close(id, seen.unix_ms);
        }
        *self = Self::default();
    }
}

impl HostMemory {
    fn take(&mut self, frame: &Frame) {
        let Some(span) = frame.span_seconds.filter(|span| *span > 0.0) else { return };
        let now_ms = frame.sample.stamp.mono_ms;
        let host = &frame.host;
        self.ticks.push_back(Tick {
            mono_ms: now_ms,
            span,
            some: host.psi_memory_some_ratio.ok(),
            full: host.psi_memory_full_ratio.ok(),
            swap: host.swap_in_pages_per_second.ok(),
        });
        let forget = (LONG * 1e3) as u64;
        while self.ticks.len() > MAX_TICKS
            || self.ticks.front().is_some_and(|tick| tick.mono_ms + forget < now_ms)
        {
            self.ticks.pop_front();
        }
    }

    /// The lower of the means over the long and the short time. `None` where it cannot be read.
    fn mean(&self, part: fn(&Tick) -> Option<f64>) -> Option<f64> {
        let (mut sum, mut known) = (0.0, 0.0);
        let mut short = None;
        for tick in self.ticks.iter().rev() {
            let Some(value) = part(tick).filter(|_| known < LONG) else { break };
            sum += value * tick.span;
            known += tick.span;
            if known >= SHORT && short.is_none() {
                short = Some(sum / known);
            }
        }
        short.map(|short| short.min(sum / known))
    }

    /// What can be read of it, whether it is short or not.
    fn shorts(&mut self, scene: &Scene<'_>, ledger: &Ledger) -> Vec<Short> {
        let settings = scene.settings;
        let full = self.mean(|tick| tick.full);
        let now_ms = scene.frame.sample.stamp.mono_ms;
        let critical = self.ticks.back().and_then(|tick| tick.full);
        let critical = critical.is_some_and(|full| full >= settings.of(&CRITICAL));
        self.critical_since = critical.then(|| self.critical_since.unwrap_or(now_ms));
        // Pages that the cache lost are waited for as memory, too: that is CACHE-THRASH's.
        let thrashes = scene.starved.iter().any(|(_, cause)| *cause == Some(Cause::CacheThrash))
            || ledger.lasting().iter().any(|finding| finding.rule == Rule::CacheThrash);
        let some = self.mean(|tick| tick.some).filter(|_| !thrashes);
        let full = full.filter(|_| !thrashes);
        let span = self.span(scene.frame);
        let short = |value: f64, limit: f64, series: &'static str, text: fn(f64) -> String| Short {
            holds: value >= limit,
            gone: value < limit / 2.0,
            say: Box::new(move || {
                let words = text(value);
                let line = words::evidence(span, series, "host", value, Some(limit), words.clone());
                (words, line)
            }),
        };
        let swap = self.mean(|tick| tick.swap).map(|pages| {
            short(pages, settings.of(&SWAP), "host.swap_in_pages_per_second", |pages| {
                format!("{pages:.0} pages a second came back from swap")
            })
        });
        let all = [
            full.map(|value| {
                short(value, settings.of(&FULL), "host.psi_memory_full_ratio", |value| {
                    format!("all tasks waited for memory {} of the time", words::percent(value))
                })
            }),
            some.map(|value| {
                short(value, settings.of(&SOME), "host.psi_memory_some_ratio", |value| {
                    format!("some task waited for memory {} of the time", words::percent(value))
                })
            }),
            swap,
            shm(scene.frame, span, settings),
            group(scene, span),
        ];
        all.into_iter().flatten().collect()
    }

    fn span(&self, frame: &Frame) -> (i64, i64) {
        let now = frame.sample.stamp;
        let first = self.ticks.front().map_or(now.mono_ms, |tick| tick.mono_ms);
        (now.unix_ms - now.mono_ms.saturating_sub(first) as i64 - 1, now.unix_ms)
    }

    fn say(&self, scene: &Scene<'_>, shorts: Vec<Short>) -> Said {
        let now_ms = scene.frame.sample.stamp.mono_ms;
        let since = self.critical_since.unwrap_or(now_ms);
        let kills = now_ms.saturating_sub(since) as f64 >= CRITICAL_SECONDS * 1e3;
        let held = shorts.into_iter().filter(|short| short.holds);
        let (list, evidence): (Vec<String>, Vec<Evidence>) =
            held.map(|short| (short.say)()).unzip();
        let danger = if kills { ", and systemd-oomd kills processes at this pressure" } else { "" };
        let mut title = format!("Memory is short: {}{danger}", list.join("; "));
        if let Some(first) = title.get_mut(0..1) {
            first.make_ascii_uppercase();
        }
        Said {
            severity: if kills { Severity::Critical } else { Severity::Warn },
            title,
            advice: advice(scene),
            evidence,
            ..Said::of(Rule::HostMemory)
        }
    }
}

fn shm(frame: &Frame, span: (i64, i64), settings: &Settings) -> Option<Short> {
    let host = &frame.sample.host;
    let (used, size) = host.shm_used_bytes.ok().zip(host.shm_size_bytes.ok())?;
    let (used, size) = (used as f64, size as f64);
    let limit = settings.of(&SHM);
    let share = if size > 0.0 { used / size } else { 0.0 };
    let say = move || {
        let words = format!("/dev/shm holds {} of {}", words::size(used), words::size(size));
        let text = format!("{words} ({})", words::percent(share));
        let series = "host.shm_used_bytes";
        let line = words::evidence(span, series, "/dev/shm", share, Some(limit), text);
        (words, line)
    };
    Some(Short { holds: share >= limit, gone: share < limit - BELOW, say: Box::new(say) })
}

/// The fullest control group of a trainer. Page cache can be given back, unless it is wanted again.
fn group(scene: &Scene<'_>, span: (i64, i64)) -> Option<Short> {
    let limit = scene.settings.of(&GROUP);
    let full = scene.trainers.iter().filter_map(|trainer| {
        let groups = around::cgroups_of(scene.frame, trainer.pid).filter_map(|(group, rates)| {
            let most = group.memory_limit_bytes.ok().filter(|most| *most > 0)? as f64;
            let used =
                group.memory_current_bytes.ok()?.saturating_sub(group.memory_file_bytes.ok()?);
            Some((used as f64 / most, most, rates.refault_file_pages_per_second.ok()?))
        });
        groups.max_by(|a, b| a.0.total_cmp(&b.0))
    });
    let (share, most, refaults) = full.max_by(|a, b| a.0.total_cmp(&b.0))?;
    let say = move || {
        let words = format!(
            "the control group's {} are {} full without page cache, and {refaults:.0} file pages a second \
             were read again",
            words::size(most),
            words::percent(share)
        );
        let series = "cgroups.memory_current_bytes";
        let text = words.clone();
        (words, words::evidence(span, series, "control group", share, Some(limit), text))
    };
    let holds = share >= limit && refaults >= REFAULTS;
    let gone = share < limit - BELOW || refaults < REFAULTS;
    Some(Short { holds, gone, say: Box::new(say) })
}

/// The remedy, with the shared memory that would be enough where batches in it can be counted.
fn advice(scene: &Scene<'_>) -> String {
    let host = &scene.frame.sample.host;
    let used = host.shm_used_bytes.ok().zip(host.shm_size_bytes.ok());
    let Some((used, size)) = used
        .filter(|(used, size)| *size > 0 && *used as f64 / *size as f64 >= scene.settings.of(&SHM))
    else {
        return ABOUT.remedy.into();
    };
    let rows = scene.frame.sample.loaders.iter();
    let counts = rows.filter_map(|row| {
        let there = row.ready.ok()? + row.stash.ok().unwrap_or_default();
        Some((there, row.capacity.ok()?.max(there)))
    });
    let (there, most) = counts.fold((0, 0), |sum, row| (sum.0 + row.0, sum.1 + row.1));
    if there == 0 {
        return ABOUT.remedy.into();
    }
    // Batches that are in the making lie there too, so that this is an upper bound.
    let enough = (used as f64 / there as f64 * most as f64).max(size as f64);
    format!(
        "{there} finished batches lie in /dev/shm, and up to {most} may: {} would be enough at most \
         (docker --shm-size, a Kubernetes emptyDir of medium Memory). Or lower num_workers or \
         prefetch_factor.",
        words::size(enough)
    )
}
