//! STARVED: the training loop waits for data while its GPU idles.

use std::collections::BTreeMap;

use super::about::{About, Threshold};
use super::cause::{self, Case, Explained};
use super::charge::Lost;
use super::facts::{Facts, Glance};
use super::held::Held;
use super::latch::{Edge, Latch};
use super::ledger::{Ledger, Said};
pub(super) use super::loss::Loss;
use super::rules::{Check, Scene};
use super::settings::{Settings, Timing};
use super::trainer::Trainer;
use super::{Verdict, words};
use crate::model::{Cause, Evidence, GpuId, Pid, Rule, RunId, Sample, Severity, Stamp};

pub(super) static ABOUT: About = About {
    code: Rule::Starved.code(),
    area: Rule::Starved.area(),
    what: "The training loop waits for data while its GPU could work.",
    when: "Raised where the loop waits {blocked} of the time or more and the GPU loses {lost} of it or \
           more, for 5 s over a window of 10 s (10 s over 30 s where looks or steps are few), below \
           twice that for twice as long and all over the window; cleared below half of it for 10 s \
           (20 s).",
    remedy: "What the cause says: more workers only where nothing is saturated, else a faster disk, \
             larger files, cheaper samples or more cores.",
    source: "10 % as in TraceML, 5 % as in xprof and the PyTorch profiler's plugin; windows by our own \
             measurements of detection delay and false alarms",
    thresholds: &[&BLOCKED, &LOST, &cause::EXPLAINS, &cause::PARTLY],
};

/// Blocked for this share of time: raised at 10 % as in TraceML, cleared at half of it. Healthy loops
/// show up to 3 %, the cost of `__next__` itself.
pub(super) static BLOCKED: Threshold = Threshold {
    code: Rule::Starved.code(),
    name: "blocked",
    default: 0.10,
    unit: "share",
    what: "Share of time in which the loop waits for data.",
};
/// Lost for the GPU for this share of time, the least that matters.
pub(super) static LOST: Threshold = Threshold {
    code: Rule::Starved.code(),
    name: "lost",
    default: 0.05,
    unit: "share",
    what: "Share of time that the GPU loses by it.",
};
/// Less of a window than this with an answer, or fewer looks, says nothing.
const COVER: f64 = 0.4;
const LOOKS: f64 = 20.0;
/// A single wait shorter than this is an event (the first batch of an epoch), not a rate.
const SINGLE_WAIT: f64 = 5.0;
/// From so many times the threshold on a shortage is clear. Before, it must hold longer by this factor.
const CLEAR_CUT: f64 = 2.0;
const UNCLEAR_HOLD: f64 = 2.0;
/// Parts of the short window and of the others in each of which one that is not clear must show.
const PARTS: (u32, u32) = (2, 3);
/// Where the newest part of the window has less than half of the waiting, the shortage is ending.
const NEWEST: f64 = 0.1;
const FADED: f64 = 0.5;
/// Cause and worst rank are left as they are unless another is worse by this much.
const WORSE: f64 = 0.05;
/// A change of the blocked share that is worth a line in the session.
const TELL: f64 = 0.10;
/// Causes are judged over the newest part of a window, so that a change is followed.
const CAUSE_WINDOW: f64 = 15.0;
/// Open without evidence for so long, a finding ends where its evidence did.
const BLIND_MS: u64 = 60_000;
/// Between two looks: windows of seconds say the same ten times a second.
const EVERY_MS: u64 = 450;

/// One trainer over its window.
struct Judged {
    pid: Pid,
    facts: Facts,
    blocked: f64,
    loss: Loss,
    timing: Timing,
    /// Whether the loop waits in every part of the window.
    lasts: bool,
}

impl Judged {
    fn raises(&self, settings: &Settings) -> bool {
        let spread = self.facts.waits >= 2 || self.facts.longest_wait >= SINGLE_WAIT;
        let shares =
            self.blocked >= settings.of(&BLOCKED) && self.loss.middle() >= settings.of(&LOST);
        shares && spread
    }

    /// How long it must hold. A loader with a tenth to spare falls short for some seconds now and then,
    /// by chance: below [`CLEAR_CUT`] it takes longer, and a shortage must show all over the window.
    fn hold(&self, settings: &Settings) -> f64 {
        match self.lasts {
            _ if self.blocked >= CLEAR_CUT * settings.of(&BLOCKED) => self.timing.raise,
            true => UNCLEAR_HOLD * self.timing.raise,
            false => f64::INFINITY,
        }
    }

    fn clears(&self, settings: &Settings) -> bool {
        self.blocked < settings.of(&BLOCKED) / 2.0 || self.loss.middle() < settings.of(&LOST) / 2.0
    }
}

/// The rule for all runs.
#[derive(Clone, Default)]
pub(super) struct Starved {
    watches: BTreeMap<RunId, Watch>,
    looked: Option<Stamp>,
}

impl Check for Starved {
    fn step(&mut self, scene: &Scene<'_>, ledger: &mut Ledger) {
        let stamp = scene.frame.sample.stamp;
        let before = self.looked;
        if before.is_some_and(|last| stamp.mono_ms.saturating_sub(last.mono_ms) < EVERY_MS) {
            return;
        }
        self.looked = Some(stamp);
        // What nobody saw costs nothing, so that a gap may lie between the looks.
        let since_ms = before.map_or(i64::MAX, |before| before.unix_ms);
        for info in &scene.frame.sample.inventory.runs {
            let of_run = scene.trainers.iter().copied().filter(|t| t.run == info.run);
            let trainers: Vec<&Trainer> = of_run.collect();
            if !trainers.is_empty() {
                let watch = self.watches.entry(info.run).or_default();
                watch.step(scene, info.run, (&trainers, since_ms), ledger);
            }
        }
        self.watches.retain(|run, watch| {
            let stays = scene.trainers.iter().any(|trainer| trainer.run == *run);
            if !stays {
                watch.end(ledger);
            }
            stays
        });
    }

    fn end(&mut self, ledger: &mut Ledger) {
        for (_, mut watch) in std::mem::take(&mut self.watches) {
            watch.end(ledger);
        }
        self.looked = None;
    }
}

impl Starved {
    /// What can be said of each run.
    pub(super) fn verdicts(&self) -> impl Iterator<Item = (RunId, Verdict)> {
        let watches = self.watches.iter();
        watches.map(|(run, watch)| (*run, watch.verdict.unwrap_or(Verdict::NeedMore)))
    }

    /// The worst that can be said of a run.
    pub(super) fn verdict(&self) -> Verdict {
        let verdicts = self.watches.values();
        let worst = verdicts.map(|watch| watch.verdict.unwrap_or(Verdict::NeedMore)).max();
        worst.unwrap_or(Verdict::NeedMore)
    }
}

/// The state of the rule for one run.
#[derive(Clone, Default)]
struct Watch {
    latch: Latch,
    id: Option<u64>,
    pid: Option<Pid>,
    cause: Option<Cause>,
    other_cause: Option<(Cause, u64)>,
    held: Held,
    told: f64,
    /// When the last finding ended: what was before is told, and no ground for another one.
    ended_ms: u64,
    /// The last moment with evidence, on both clocks.
    seen: Option<(u64, i64)>,
    verdict: Option<Verdict>,
}

impl Watch {
    /// One more look at a run with these trainers; `since_ms` is when the look before was, in milliseconds
    /// since the Unix epoch.
    fn step(
        &mut self,
        scene: &Scene<'_>,
        run: RunId,
        (trainers, since_ms): (&[&Trainer], i64),
        ledger: &mut Ledger,
    ) {
        let settings = scene.settings;
        let stamp = scene.frame.sample.stamp;
        let judged: Vec<(&Trainer, Judged)> = trainers
            .iter()
            .filter_map(|trainer| {
                Some((*trainer, judge(trainer, stamp.mono_ms, self.ended_ms, settings)?))
            })
            .collect();
        let Some((trainer, worst)) = self.worst(judged) else {
            self.without_evidence(stamp.mono_ms, ledger);
            return;
        };
        self.seen = Some((stamp.mono_ms, stamp.unix_ms));
        let (raises, clears) = (worst.raises(settings), worst.clears(settings));
        let timing = worst.timing;
        let hold = worst.hold(settings);
        let edge = self.latch.step(stamp.mono_ms, (raises, hold), (clears, timing.clear));
        self.verdict = Some(match (self.latch.is_on(), worst.blocked < settings.of(&BLOCKED)) {
            (true, _) => Verdict::Found,
            (false, true) => Verdict::Quiet,
            (false, false) if worst.loss.middle() < settings.of(&LOST) => Verdict::Quiet,
            (false, false) => Verdict::NeedMore,
        });
        let unix = |mono_ms: u64, less: f64| {
            stamp.unix_ms - stamp.mono_ms.saturating_sub(mono_ms) as i64 - (less * 1e3) as i64
        };
        match edge {
            Edge::Raised(since) => {
                let start = unix(since, 0.3 * timing.window).max(worst.facts.span.0);
                self.held = Held::default();
                let said = self.say(scene, run, trainer, &worst);
                self.id = said.and_then(|said| ledger.open(said, start));
                self.told = worst.blocked;
                self.count(start, stamp.unix_ms, ledger);
            }
            Edge::Cleared(since) => {
                self.ended_ms = since;
                self.close(unix(since, 0.4 * timing.window), ledger);
            }
            Edge::None => {
                // While it fades, the words stay those of the time when it was true.
                let Some(id) = self.id.filter(|_| raises) else { return };
                let lost = lost(scene, run, worst.loss);
                let fades = fades(trainer, stamp.mono_ms, &worst);
                let said = (!fades).then(|| self.say(scene, run, trainer, &worst)).flatten();
                if let Some(said) = said {
                    let tell = (worst.blocked - self.told).abs() >= TELL;
                    if tell {
                        self.told = worst.blocked;
                    }
                    // The ledger charges a tick, and between two looks there may be several.
                    ledger.renew(id, Said { lost: None, ..said }, tell);
                }
                // Until another cause has held, the time is charged to the one that stands.
                if let Some(lost) = lost {
                    ledger.charge(id, &lost, since_ms, i64::MAX);
                }
                self.count(stamp.unix_ms, stamp.unix_ms, ledger);
            }
        }
    }

    /// What was charged since this was last asked goes to the cause that stands.
    fn count(&mut self, from_ms: i64, to_ms: i64, ledger: &Ledger) {
        if let Some((cause, id)) = self.cause.zip(self.id) {
            self.held.count(cause, (from_ms, to_ms), ledger.cost_of(id));
        }
    }

    /// The run is gone.
    fn end(&mut self, ledger: &mut Ledger) {
        let at = self.seen.map_or(0, |(_, unix_ms)| unix_ms);
        self.latch.reset();
        self.close(at, ledger);
    }

    fn close(&mut self, end_ms: i64, ledger: &mut Ledger) {
        if let Some(id) = self.id.take() {
            ledger.close(id, end_ms);
        }
        (self.cause, self.other_cause, self.pid) = (None, None, None);
    }

    fn without_evidence(&mut self, now_ms: u64, ledger: &mut Ledger) {
        self.latch.blind();
        if self.latch.is_on() {
            if self.seen.is_none_or(|(seen, _)| now_ms.saturating_sub(seen) > BLIND_MS) {
                self.end(ledger);
            }
        } else {
            self.verdict = Some(Verdict::NeedMore);
        }
    }

    /// A run is as slow as its worst rank: the others wait for it. The rank once named stays unless
    /// another is clearly worse.
    fn worst<'a>(&mut self, judged: Vec<(&'a Trainer, Judged)>) -> Option<(&'a Trainer, Judged)> {
        let kept = self.pid;
        let weight = |judged: &Judged| {
            judged.loss.middle() + if Some(judged.pid) == kept { WORSE } else { 0.0 }
        };
        let worst = judged.into_iter().max_by(|a, b| weight(&a.1).total_cmp(&weight(&b.1)))?;
        self.pid = Some(worst.1.pid);
        Some(worst)
    }

    fn say(
        &mut self,
        scene: &Scene<'_>,
        run: RunId,
        trainer: &Trainer,
        worst: &Judged,
    ) -> Option<Said> {
        let (now_ms, timing) = (scene.frame.sample.stamp.mono_ms, worst.timing);
        let newest = trainer.facts(now_ms, timing.window.min(CAUSE_WINDOW));
        let newest =
            newest.filter(|facts| facts.shares.is_some()).unwrap_or_else(|| worst.facts.clone());
        let case = Case {
            facts: &newest,
            trainer,
            settings: scene.settings,
            blocked: worst.blocked,
            workers: trainer.workers.map(u64::from),
            shares: newest.shares,
        };
        let why = cause::explain(&case);
        // Until another cause has held, the words stay those of the one that stands.
        self.settle(why.cause, now_ms, timing.raise)
            .then(|| words_of(scene, run, trainer, worst, (why, self.held.lines())))
    }

    /// Takes over another cause once it has held for as long as a verdict must. True where the cause
    /// is the one that stands.
    fn settle(&mut self, cause: Cause, now_ms: u64, hold: f64) -> bool {
        let Some(stands) = self.cause.filter(|_| self.id.is_some()) else {
            self.cause = Some(cause);
            return true;
        };
        if stands == cause {
            self.other_cause = None;
            return true;
        }
        let since = match self.other_cause {
            Some((other, since)) if other == cause => since,
            _ => now_ms,
        };
        self.other_cause = Some((cause, since));
        if (now_ms.saturating_sub(since) as f64) < hold * 1e3 {
            return false;
        }
        self.cause = Some(cause);
        self.other_cause = None;
        true
    }
}

fn judge(trainer: &Trainer, now_ms: u64, since_ms: u64, settings: &Settings) -> Option<Judged> {
    let timing = trainer.timing(now_ms, settings);
    let since = now_ms.saturating_sub(since_ms) as f64 / 1e3;
    let facts = trainer.facts(now_ms, timing.window.min(since))?;
    let least = COVER * timing.window.min(settings.standard.window);
    if facts.covered < least || facts.looks < LOOKS {
        return None;
    }
    let blocked = facts.blocked?;
    let loss = Loss::of(blocked, facts.gpu);
    // Only a shortage needs to be looked at part by part.
    let lasts = blocked >= settings.of(&BLOCKED) && lasts(trainer, now_ms, timing, settings);
    Some(Judged { pid: trainer.pid, blocked, loss, timing, facts, lasts })
}

/// Whether the loop waits as much as the threshold in each part of the window.
fn lasts(trainer: &Trainer, now_ms: u64, timing: Timing, settings: &Settings) -> bool {
    let least = settings.of(&BLOCKED);
    let parts = if timing == settings.fast { PARTS.0 } else { PARTS.1 };
    (0..parts).all(|part| {
        let length = timing.window * 1e3 / f64::from(parts);
        let from = now_ms.saturating_sub((length * f64::from(part + 1)) as u64);
        let to = now_ms.saturating_sub((length * f64::from(part)) as u64);
        let ticks = trainer.recent(now_ms, timing.window);
        let glance = Glance::of(ticks.filter(|tick| from < tick.mono_ms && tick.mono_ms <= to));
        glance.and_then(|glance| glance.blocked).is_some_and(|blocked| blocked >= least)
    })
}

/// Whether the window reaches into a time after the shortage, as where the training ends: a mean over
/// both is true of neither.
fn fades(trainer: &Trainer, now_ms: u64, worst: &Judged) -> bool {
    let newest = Glance::of(trainer.recent(now_ms, NEWEST * worst.timing.window));
    let blocked = newest.and_then(|glance| glance.blocked);
    blocked.is_none_or(|blocked| blocked < FADED * worst.blocked)
}

fn words_of(
    scene: &Scene<'_>,
    run: RunId,
    trainer: &Trainer,
    worst: &Judged,
    (why, parts): (Explained, Vec<Evidence>),
) -> Said {
    let severity = worst.loss.severity(worst.facts.steps, worst.facts.bound);
    // What mends itself with the next epoch is worth knowing, and no more.
    let passes = why.cause == Cause::ColdCache;
    let severity = severity.filter(|_| !passes);
    let mut evidence = measured(trainer, worst, scene.settings.of(&BLOCKED));
    evidence.extend(why.evidence);
    evidence.extend(parts);
    let mark = worst.facts.bound.mark();
    Said {
        rule: Rule::Starved,
        cause: Some(why.cause),
        severity: severity.unwrap_or(Severity::Info),
        run: Some(run),
        pid: Some(trainer.pid),
        title: format!(
            "{} waits for data {mark}{} of the time: {}",
            name_of(&scene.frame.sample, run, trainer.pid),
            words::percent(worst.blocked),
            why.because
        ),
        evidence,
        advice: why.advice,
        gain: gain(trainer, worst.loss),
        lost: lost(scene, run, worst.loss),
    }
}

/// The ranks of a run wait for one another, so the GPUs of all of them lose what the worst one does.
fn lost(scene: &Scene<'_>, run: RunId, loss: Loss) -> Option<Lost> {
    loss.gpu?;
    let of_run = scene.trainers.iter().filter(|trainer| trainer.run == run);
    let gpus = of_run.flat_map(|trainer| trainer.gpus.iter().copied());
    Lost::of(gpus, loss.low, loss.high)
}

/// The run's name, with the rank where there are several.
pub(super) fn name_of(sample: &Sample, run: RunId, pid: Pid) -> String {
    let inventory = &sample.inventory;
    let info = inventory.run(run);
    let name = info.map(|info| words::name(&info.name)).filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| format!("pid {pid}"));
    let several = info.is_some_and(|info| info.trainers.len() > 1);
    match inventory.proc(pid).and_then(|info| info.rank).filter(|_| several) {
        Some(rank) => format!("{name} (rank {rank})"),
        None => name,
    }
}

/// Who trains on a GPU: a run by its name, and how many others beside it.
pub(super) fn users_of(scene: &Scene<'_>, gpu: GpuId) -> String {
    let mut users = scene.trainers.iter().filter(|trainer| trainer.gpus.contains(&gpu));
    let first = users.next();
    let name = first.map(|trainer| name_of(&scene.frame.sample, trainer.run, trainer.pid));
    match (name.unwrap_or_default(), users.count()) {
        (name, 0) => name,
        (name, 1) => format!("{name} and 1 other trainer"),
        (name, others) => format!("{name} and {others} other trainers"),
    }
}

fn measured(trainer: &Trainer, worst: &Judged, limit: f64) -> Vec<Evidence> {
    let facts = &worst.facts;
    let entity = trainer.loader.map_or_else(|| "loader".into(), |id| format!("loader {id}"));
    let text = format!(
        "the loop waits for data {}{} of the time",
        facts.bound.mark(),
        words::percent(worst.blocked)
    );
    let (span, limit) = (facts.span, Some(limit));
    let mut lines =
        vec![words::evidence(span, "loaders.wait_ratio", &*entity, worst.blocked, limit, text)];
    if let Some(busy) = facts.gpu {
        let gpus: Vec<String> = trainer.gpus.iter().map(ToString::to_string).collect();
        let who = format!("gpu {}", gpus.join(", "));
        let text = format!("the GPU is busy {} of the time", words::percent(busy));
        lines.push(words::evidence(span, "gpus.utilization_ratio", who, busy, None, text));
    }
    if let Some(empty) = facts.empty {
        let text = format!("the queue is empty {} of the time", words::percent(empty));
        lines.push(words::evidence(span, "loaders.empty_ratio", entity, empty, None, text));
    }
    lines
}

/// 1 / (1 − loss), from the middle, with its range where the bounds differ.
fn gain(trainer: &Trainer, loss: Loss) -> String {
    let faster = loss.faster();
    match loss.gpu {
        Some(_) => faster,
        None if !trainer.box_has_gpu => {
            format!("{faster} (no GPU was seen: the loop's wait alone)")
        }
        None if trainer.gpus.is_empty() => {
            format!("{faster} (which GPU it uses is not known: the loop's wait alone)")
        }
        None => format!("{faster} (how busy its GPU is cannot be read: the loop's wait alone)"),
    }
}
