//! STRAGGLER: one rank is late, and the others wait for it in a collective.
//!
//! A rank that waits in NCCL spins: its GPU counts as busy, and draws little. So who waits is told by a
//! utilization near 1 at a power far below what the run's GPUs draw when they work (96 to 100 % at 21 to
//! 25 % of the limit on an H100), and by the main thread's frames; who is late is the one that does not.

use std::collections::{BTreeMap, VecDeque};

use super::about::{About, Threshold};
use super::alarm::{Alarm, in_force};
use super::charge::Lost;
use super::checkpoint_stall::saves;
use super::ledger::{Ledger, Said};
use super::parts::{Mean, fresh, power, training};
use super::rules::{Check, Scene};
use super::settings::Timing;
use super::starved::name_of;
use super::trainer::Trainer;
use super::words;
use crate::model::sample::GpuSample;
use crate::model::{Evidence, Pid, Rule, RunId, Severity};

pub(super) static ABOUT: About = About {
    code: Rule::Straggler.code(),
    area: Rule::Straggler.area(),
    what: "One rank of a run is late, and the GPUs of the others wait for it in a collective.",
    when: "Raised where, over 60 s, all other ranks wait {waits} of the time longer than one rank does, and \
           that is the same rank in {same} of the parts in which they do; for 20 s. A rank waits where its GPU is at least \
           {busy} utilized at most {below} of the power that the run's GPUs draw at work, or at most {spin} \
           of its limit, or where its main thread is in a collective. Cleared below half of that for 40 s. \
           Saves, evaluations, epoch boundaries and a starved run are left out.",
    remedy: "Mend the rank that is named: its loader, its clock, its share of the data (DistributedSampler, \
             batches of like length).",
    source: "10 % and 80 % of 20 steps: TraceML; 95 % at 36 % of the limit: measured on public traces of \
             8 H100 (healthy 5 %, checkpoint-bound 49 and 76 % of samples)",
    thresholds: &[&WAITS, &SAME, &BUSY, &BELOW, &SPIN, &COVERS],
};

const fn threshold(name: &'static str, default: f64, what: &'static str) -> Threshold {
    Threshold { code: Rule::Straggler.code(), name, default, unit: "share", what }
}
static WAITS: Threshold =
    threshold("waits", 0.10, "Share of time that the others wait longer than the late rank.");
static SAME: Threshold = threshold(
    "same",
    0.80,
    "Share of the waiting parts of the window in which it is the same rank.",
);
static BUSY: Threshold = threshold("busy", 0.95, "Utilization of a GPU that spins, at least.");
static BELOW: Threshold =
    threshold("below", 0.70, "Its power, of what the run's GPUs draw at work, at most.");
static SPIN: Threshold = threshold("spin", 0.36, "Its power, of the limit, at most.");
static COVERS: Threshold =
    threshold("covers", 0.80, "Share of the wait that a cause explains, to be named.");
const TIMING: Timing = Timing { window: 60.0, raise: 20.0, clear: 40.0 };
/// The window is kept in parts of so many seconds.
const PART: f64 = 5.0;
/// Power at work is the 95th percentile of the parts of this much time.
const MEMORY: usize = 120;
const PERCENTILE: f64 = 0.95;
/// A GPU that only spins draws about this share of its limit (H100: 21 to 25 %).
const SPINNING: f64 = 0.22;
/// A power at work below this tells nothing of spinning.
const LEAST_WORK: f64 = 0.45;
/// Share of a part that must be plain training.
const COVER: f64 = 0.5;
/// Fewer steps than this in the window are no ground.
const LEAST_STEPS: f64 = 20.0;

/// The rule for all runs with several ranks.
#[derive(Clone, Default)]
pub(super) struct Straggler {
    runs: BTreeMap<RunId, Watch>,
}

/// One rank over a part.
#[derive(Clone, Copy, Debug, Default)]
struct RankPart {
    /// Share of time spent waiting, by the GPU and by the frames.
    spins: Mean,
    collective: Mean,
    util: Mean,
    power: Mean,
    /// Power while the GPU counts as fully busy.
    work: Mean,
    clock: Mean,
    blocked: Mean,
    steps: f64,
}

impl RankPart {
    fn waits(&self) -> Option<f64> {
        match (self.spins.get(), self.collective.get()) {
            (Some(one), Some(other)) => Some(one.max(other)),
            (one, other) => one.or(other),
        }
    }
}

type Part = BTreeMap<Pid, RankPart>;

#[derive(Clone, Default)]
struct Watch {
    making: Part,
    start: Option<u64>,
    /// Parts with the time when they began.
    parts: VecDeque<(i64, Part)>,
    /// Power at work of each part, of the GPU that drew most.
    work: VecDeque<f64>,
    at_work: Option<f64>,
    alarm: Alarm,
}

impl Check for Straggler {
    fn step(&mut self, scene: &Scene<'_>, ledger: &mut Ledger) {
        let ranks = |run: RunId| scene.trainers.iter().filter(|t| t.run == run).count();
        self.runs.retain(|run, watch| {
            let stays = ranks(*run) > 1;
            if !stays {
                watch.alarm.end(ledger);
            }
            stays
        });
        for info in scene.frame.sample.inventory.runs.iter().filter(|info| ranks(info.run) > 1) {
            let of_run = scene.trainers.iter().copied().filter(|t| t.run == info.run);
            let trainers: Vec<&Trainer> = of_run.collect();
            self.runs.entry(info.run).or_default().step(scene, info.run, &trainers, ledger);
        }
    }

    fn end(&mut self, ledger: &mut Ledger) {
        for (_, mut watch) in std::mem::take(&mut self.runs) {
            watch.alarm.end(ledger);
        }
    }
}

impl Watch {
    fn step(&mut self, scene: &Scene<'_>, run: RunId, trainers: &[&Trainer], ledger: &mut Ledger) {
        let stamp = scene.frame.sample.stamp;
        let timing = in_force(TIMING, scene.settings);
        // What holds up one rank for a reason of its own is told by another rule.
        let plain = trainers.iter().all(|trainer| {
            let (_, plain) = training(trainer, scene.frame);
            plain && saves(scene, trainer).is_none()
        });
        for trainer in trainers {
            self.look(scene, trainer, plain);
        }
        let part = PART.min(timing.window / 12.0).max(1.0);
        let start = *self.start.get_or_insert(stamp.mono_ms);
        if (stamp.mono_ms.saturating_sub(start) as f64) < part * 1e3 {
            return;
        }
        self.start = Some(stamp.mono_ms);
        let made = std::mem::take(&mut self.making);
        self.parts.push_back((stamp.unix_ms - (part * 1e3) as i64, made));
        while self.parts.len() > (timing.window / part).ceil() as usize {
            self.parts.pop_front();
        }
        self.note_work();
        if scene.starves(run) {
            self.alarm.end(ledger);
            return;
        }
        let least = scene.settings.of(&WAITS);
        let Some(case) = self.case(trainers, part, timing, least) else {
            self.alarm.blind(stamp.mono_ms, ledger);
            return;
        };
        let raises = case.lost >= least && case.same >= scene.settings.of(&SAME);
        let verdict = (raises, case.lost < least / 2.0);
        let say = || case.said(scene, run, trainers);
        self.alarm.step(stamp, timing, verdict, case.from_ms, ledger, say);
        if let (Some(id), Some(lost)) =
            (self.alarm.id().filter(|_| raises), case.gpus_lose(trainers))
        {
            ledger.charge(id, &lost, stamp.unix_ms - (part * 1e3) as i64, stamp.unix_ms);
        }
    }

    fn look(&mut self, scene: &Scene<'_>, trainer: &Trainer, plain: bool) {
        let (Some(tick), _) = training(trainer, scene.frame) else { return };
        let span = f64::from(tick.span);
        let rank = self.making.entry(trainer.pid).or_default();
        rank.steps += f64::from(tick.counts.steps.unwrap_or_default());
        if !plain {
            return;
        }
        rank.blocked.add(tick.counts.wait_share(), span);
        let rates = trainer.loader.and_then(|loader| scene.frame.loader(loader));
        rank.collective.add(rates.and_then(|rates| rates.main_collective_ratio.ok()), span);
        let rows: Option<Vec<&GpuSample>> =
            trainer.gpus.iter().map(|gpu| fresh(scene.frame, *gpu)).collect();
        let Some(rows) = rows.filter(|rows| !rows.is_empty()) else { return };
        let mean = |of: &dyn Fn(&GpuSample) -> Option<f64>| -> Option<f64> {
            let sum: Option<f64> = rows.iter().map(|row| of(row)).sum();
            sum.map(|sum| sum / rows.len() as f64)
        };
        let util = mean(&|row| row.utilization_ratio.ok());
        let drawn = mean(&power);
        rank.util.add(util, span);
        rank.power.add(drawn, span);
        rank.clock.add(mean(&|row| row.sm_clock_hertz.ok().map(|hertz| hertz as f64)), span);
        let Some((util, drawn)) = util.zip(drawn) else { return };
        let busy = util >= scene.settings.of(&BUSY);
        if busy {
            rank.work.add(Some(drawn), span);
        }
        let at_work = self.at_work.filter(|work| *work >= LEAST_WORK);
        let below = at_work.map_or(0.0, |work| work * scene.settings.of(&BELOW));
        let spins = busy && (drawn <= below || drawn < scene.settings.of(&SPIN));
        let waits = match at_work {
            // A power between working and spinning is a mixture of both.
            Some(work) if spins => ((work - drawn) / (work - SPINNING)).clamp(0.0, 1.0),
            _ if spins => 1.0,
            _ => 0.0,
        };
        rank.spins.add(Some(waits), span);
    }

    /// What the run's GPUs draw when they work: the most that one of them drew, over ten minutes.
    fn note_work(&mut self) {
        let most = self.parts.back().and_then(|(_, part)| {
            let drawn = part.values().filter_map(|rank| rank.work.get());
            drawn.max_by(f64::total_cmp)
        });
        let Some(most) = most else { return };
        self.work.push_back(most);
        if self.work.len() > MEMORY {
            self.work.pop_front();
        }
        let mut sorted: Vec<f64> = self.work.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let at = ((PERCENTILE * sorted.len() as f64).ceil() as usize).saturating_sub(1);
        self.at_work = sorted.get(at).copied();
    }

    fn case(&self, trainers: &[&Trainer], part: f64, timing: Timing, least: f64) -> Option<Case> {
        let pids: Vec<Pid> = trainers.iter().map(|trainer| trainer.pid).collect();
        if self.parts.len() < (timing.window / part).ceil() as usize {
            return None;
        }
        let whole: Vec<&(i64, Part)> = self
            .parts
            .iter()
            .filter(|(_, made)| {
                let known = |pid| {
                    made.get(pid).is_some_and(|rank: &RankPart| {
                        rank.waits().is_some()
                            && rank.spins.seconds.max(rank.collective.seconds) >= COVER * part
                    })
                };
                pids.iter().all(known)
            })
            .collect();
        if whole.len() * 2 < self.parts.len() {
            return None;
        }
        let mut ranks: BTreeMap<Pid, RankSum> = BTreeMap::new();
        let mut votes: BTreeMap<Pid, usize> = BTreeMap::new();
        for (_, made) in &whole {
            if let Some(pid) = late_of(made, &pids, least) {
                *votes.entry(pid).or_default() += 1;
            }
            for pid in &pids {
                if let Some(rank) = made.get(pid) {
                    ranks.entry(*pid).or_default().add(rank);
                }
            }
        }
        let all: usize = votes.values().sum();
        let (late, count) = votes.into_iter().max_by_key(|(_, count)| *count)?;
        let own = ranks.get(&late)?;
        let others: Vec<&RankSum> =
            ranks.iter().filter(|(pid, _)| **pid != late).map(|(_, rank)| rank).collect();
        let others_wait = others.iter().filter_map(|rank| rank.waits.get());
        let others_wait = others_wait.min_by(f64::total_cmp)?;
        // Of a GPU that idles meanwhile, the others can have waited no longer than it idled.
        let mut lost = others_wait - own.waits.get()?;
        if self.at_work.is_none_or(|work| work < LEAST_WORK)
            && let Some(util) = own.util.get()
        {
            lost = lost.min(1.0 - util);
        }
        (own.steps >= LEAST_STEPS).then(|| Case {
            from_ms: self.parts.front().map_or(0, |(from, _)| *from),
            late,
            same: count as f64 / all.max(1) as f64,
            lost: lost.max(0.0),
            own: *own,
            others: others.iter().fold(RankSum::default(), |sum, rank| sum.and(rank)),
            at_work: self.at_work,
        })
    }
}

/// The rank of a part that waits least, where all others wait clearly longer.
fn late_of(made: &Part, pids: &[Pid], least: f64) -> Option<Pid> {
    let waits = |pid: &Pid| made.get(pid).and_then(RankPart::waits);
    let mut all: Vec<(f64, Pid)> =
        pids.iter().map(|pid| Some((waits(pid)?, *pid))).collect::<Option<_>>()?;
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let ((first, pid), (second, _)) = (*all.first()?, *all.get(1)?);
    (second - first >= least).then_some(pid)
}

/// One rank over the window.
#[derive(Clone, Copy, Debug, Default)]
struct RankSum {
    waits: Mean,
    util: Mean,
    power: Mean,
    clock: Mean,
    blocked: Mean,
    collective: Mean,
    steps: f64,
}

impl RankSum {
    fn add(&mut self, part: &RankPart) {
        self.waits.add(part.waits(), 1.0);
        self.util.add(part.util.get(), 1.0);
        self.power.add(part.power.get(), 1.0);
        self.clock.add(part.clock.get(), 1.0);
        self.blocked.add(part.blocked.get(), 1.0);
        self.collective.add(part.collective.get(), 1.0);
        self.steps += part.steps;
    }

    fn and(mut self, other: &Self) -> Self {
        self.waits.add(other.waits.get(), 1.0);
        self.util.add(other.util.get(), 1.0);
        self.power.add(other.power.get(), 1.0);
        self.clock.add(other.clock.get(), 1.0);
        self.blocked.add(other.blocked.get(), 1.0);
        self.collective.add(other.collective.get(), 1.0);
        self
    }
}

/// What a window says.
struct Case {
    from_ms: i64,
    late: Pid,
    /// Share of the parts in which it was the late one.
    same: f64,
    /// Share of time that all others wait longer than it.
    lost: f64,
    own: RankSum,
    others: RankSum,
    at_work: Option<f64>,
}

/// Why a rank is late, where one thing explains enough of it.
enum Why {
    Loader(f64),
    Clock(f64, f64),
    Unknown,
}

impl Case {
    fn why(&self, covers: f64) -> Why {
        let blocked = self.own.blocked.get().unwrap_or_default();
        if blocked >= covers * self.lost {
            return Why::Loader(blocked);
        }
        if let Some((own, others)) = self.own.clock.get().zip(self.others.clock.get())
            && 1.0 - own / others.max(1.0) >= covers * self.lost
        {
            return Why::Clock(own, others);
        }
        Why::Unknown
    }

    fn gpus_lose(&self, trainers: &[&Trainer]) -> Option<Lost> {
        let waiting = trainers.iter().filter(|trainer| trainer.pid != self.late);
        Lost::of(waiting.flat_map(|t| t.gpus.iter().copied()), self.lost / 2.0, self.lost)
    }

    fn said(&self, scene: &Scene<'_>, run: RunId, trainers: &[&Trainer]) -> Said {
        let name = name_of(&scene.frame.sample, run, self.late);
        let why = self.why(scene.settings.of(&COVERS));
        let because = match why {
            Why::Loader(blocked) => {
                format!(": it waits for its data {} of the time", words::percent(blocked))
            }
            Why::Clock(own, others) => {
                format!(": its clock is {:.0} MHz, theirs {:.0} MHz", own / 1e6, others / 1e6)
            }
            Why::Unknown => String::new(),
        };
        let others = match trainers.len() {
            2 => "the other rank waits".to_owned(),
            ranks => format!("the other {} ranks wait", ranks - 1),
        };
        let advice = match why {
            Why::Loader(_) => {
                "Give this rank's loader what it lacks: as many workers, as fast a disk and as \
                               many cores as those of the others (num_workers, its cpuset, the mount of its \
                               data)."
            }
            Why::Clock(..) => {
                "See why its GPU is slower: temperature, power limit (nvidia-smi -q -d \
                               PERFORMANCE), the cooling of its slot."
            }
            Why::Unknown => {
                "Compare this rank with the others: work that only it does (logging, saving, \
                             evaluating on rank 0), longer samples (batches of like length, \
                             DistributedSampler), its PCIe link, another process on its GPU or its cores."
            }
        };
        Said {
            severity: words::severity(self.lost).unwrap_or(Severity::Info),
            run: Some(run),
            pid: Some(self.late),
            title: format!(
                "{name} is late, and {others} for it {} of the time{because}",
                words::percent(self.lost)
            ),
            evidence: self.evidence(scene, trainers),
            advice: advice.into(),
            gain: format!(
                "up to {:.1}× faster with ranks that keep step",
                1.0 / (1.0 - self.lost.min(0.9))
            ),
            lost: None,
            ..Said::of(Rule::Straggler)
        }
    }

    fn evidence(&self, scene: &Scene<'_>, trainers: &[&Trainer]) -> Vec<Evidence> {
        let span = (self.from_ms, scene.frame.sample.stamp.unix_ms);
        let gpus_of = |late: bool| {
            let of = trainers.iter().filter(|trainer| (trainer.pid == self.late) == late);
            let gpus: Vec<String> =
                of.flat_map(|t| t.gpus.iter().map(ToString::to_string)).collect();
            format!("gpu {}", gpus.join(", "))
        };
        let mut lines = Vec::new();
        if let (Some(util), Some(drawn)) = (self.others.util.get(), self.others.power.get()) {
            let of = match self.at_work {
                Some(work) => {
                    format!(", and draw {} at work", words::percent(work))
                }
                None => String::new(),
            };
            let text = format!(
                "the others are {} utilized at {} of their power limit{of}",
                words::percent(util),
                words::percent(drawn)
            );
            let limit = Some(scene.settings.of(&SPIN));
            lines.push(words::evidence(
                span,
                "gpus.power_ratio",
                gpus_of(false),
                drawn,
                limit,
                text,
            ));
        }
        if let (Some(util), Some(drawn)) = (self.own.util.get(), self.own.power.get()) {
            let text = format!(
                "it is {} utilized at {} of its power limit",
                words::percent(util),
                words::percent(drawn)
            );
            lines.push(words::evidence(span, "gpus.power_ratio", gpus_of(true), drawn, None, text));
        }
        if let Some(share) = self.others.collective.get() {
            let text = format!(
                "the others' main threads are in a collective {} of the time",
                words::percent(share)
            );
            let series = "loaders.main_collective_ratio";
            let limit = Some(scene.settings.of(&WAITS));
            lines.push(words::evidence(span, series, "ranks", share, limit, text));
        }
        if let Some(blocked) = self.own.blocked.get() {
            let text = format!("it waits for data {} of the time", words::percent(blocked));
            let pid = format!("pid {}", self.late);
            lines.push(words::evidence(span, "loaders.wait_ratio", pid, blocked, None, text));
        }
        lines
    }
}
