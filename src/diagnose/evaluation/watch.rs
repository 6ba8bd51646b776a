//! One trainer's time, cut into the stretches of its loops; which of them are evaluation is decided
//! when it is asked, so that what is learned later holds for what was seen before.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::super::tick::{Counts, Gate};
use super::cycles::{Cycle, cycles, variation};
use super::loops::Loops;
use super::stretch::{Mean, Profile, Stretch, validates};
use crate::model::inventory::LoaderInfo;
use crate::model::metric::states;
use crate::model::sample::LoaderSample;
use crate::model::{LoaderId, Pid, RunId, Stamp};

/// Stretches that are kept; older ones are added up.
const MAX_STRETCHES: usize = 256;
/// A loop that is inferred to evaluate must have come so often …
const TIMES: usize = 3;
/// … for this long at least, …
const LEAST_SECONDS: f64 = 3.0;
/// … and its lengths, and its distances, vary by less than this.
const VARIES: f64 = 0.30;

states! {
    /// What a trainer's time goes into.
    Phase {
        /// The first steps.
        WarmUp = "warm-up",
        /// The training loop.
        Training = "training",
        /// Validation and tests.
        Evaluation = "evaluation",
        /// Writing or reading checkpoints.
        Checkpoint = "checkpoint",
        /// Compiling.
        Compile = "compile",
        /// Another loader moves, or nothing that is known.
        Other = "other",
    }
}

states! {
    /// How evaluation is told from training.
    Known {
        /// The main thread's Python stack is in a validation.
        Frames = "eval",
        /// Another loader moves, it looks unlike training in another way too, and it comes regularly.
        Inferred = "eval (inferred)",
    }
}

/// What a trainer's time went into, as far as it was watched.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Phases {
    /// The run.
    pub run: RunId,
    /// The trainer.
    pub pid: Pid,
    /// Seconds by phase; phases that did not occur are missing.
    pub seconds: BTreeMap<Phase, f64>,
    /// How evaluation is known; `None` where none was seen.
    pub known: Option<Known>,
    /// Rounds of training and evaluation, oldest first.
    pub cycles: Vec<Cycle>,
}

impl Phases {
    /// Share of the watched time; `None` where nothing was watched.
    pub fn share(&self, phase: Phase) -> Option<f64> {
        let all: f64 = self.seconds.values().sum();
        (all > 0.0).then(|| self.seconds.get(&phase).copied().unwrap_or_default() / all)
    }
}

/// One tick of a trainer.
pub(in crate::diagnose) struct Seen<'a> {
    pub stamp: Stamp,
    pub span: f64,
    pub row: &'a LoaderSample,
    pub info: Option<&'a LoaderInfo>,
    pub counts: &'a Counts,
    pub gpu: Option<f32>,
    pub power: Option<f64>,
    /// The loaders of the trainer that there are.
    pub loaders: &'a [LoaderId],
}

/// What is remembered of a trainer.
#[derive(Clone, Debug, Default)]
pub(in crate::diagnose) struct Watch {
    loops: Loops,
    stretches: VecDeque<Stretch>,
    old: BTreeMap<(usize, bool), Profile>,
    /// Loops that evaluate, as inferred when a stretch last ended.
    inferred: BTreeSet<usize>,
    /// Stretches that have ended.
    ended: u64,
}

impl Watch {
    /// Whether this tick is evaluation, as far as is known by now. Called before [`Watch::take`].
    pub(in crate::diagnose) fn evaluates(&mut self, seen: &Seen<'_>) -> bool {
        let group = self.group(seen);
        validates(seen.counts) || self.inferred.contains(&group)
    }

    /// Adds a tick that was judged to be of this gate.
    pub(in crate::diagnose) fn take(&mut self, seen: &Seen<'_>, gate: Gate) {
        let group = self.group(seen);
        let strong = validates(seen.counts);
        let begin_ms = seen.stamp.unix_ms - (seen.span * 1e3) as i64;
        let same =
            self.stretches.back().is_some_and(|last| (last.group, last.strong) == (group, strong));
        if !same {
            self.begin(group, strong, begin_ms);
        }
        let mut look = (Mean::default(), Mean::default());
        look.0.add(seen.gpu.map(f64::from), seen.span);
        look.1.add(seen.power, seen.span);
        if let Some(last) = self.stretches.back_mut() {
            last.span.1 = seen.stamp.unix_ms;
            last.standing = if seen.counts.moved() { 0.0 } else { last.standing + seen.span };
            last.profile.add(seen.span, gate, seen.counts, look);
        }
    }

    fn begin(&mut self, group: usize, strong: bool, begin_ms: i64) {
        if self.stretches.len() >= MAX_STRETCHES
            && let Some(first) = self.stretches.pop_front()
        {
            self.old.entry((first.group, first.strong)).or_default().join(&first.profile);
        }
        self.stretches.push_back(Stretch {
            group,
            strong,
            span: (begin_ms, begin_ms),
            standing: 0.0,
            profile: Profile::default(),
        });
        self.ended += 1;
        self.inferred = self.infer();
    }

    /// The loop that runs: that of the loader that moves, else the one before.
    fn group(&mut self, seen: &Seen<'_>) -> usize {
        let last = self.stretches.back().map(|last| last.group);
        match last.filter(|_| !seen.counts.moved()) {
            Some(last) => last,
            None => self.loops.of(seen.row, seen.info, |loader| seen.loaders.contains(&loader)),
        }
    }

    /// How many stretches there were: what follows from them changes only with that.
    pub(in crate::diagnose) fn ended(&self) -> u64 {
        self.ended
    }

    /// What each loop looked like, evaluation by frames left out.
    fn profiles(&self) -> BTreeMap<usize, Profile> {
        let mut profiles: BTreeMap<usize, Profile> = BTreeMap::new();
        for ((group, _), profile) in self.old.iter().filter(|((_, strong), _)| !strong) {
            profiles.entry(*group).or_default().join(profile);
        }
        for stretch in self.stretches.iter().filter(|stretch| !stretch.strong) {
            profiles.entry(stretch.group).or_default().join(&stretch.profile);
        }
        profiles
    }

    /// The loop of the training: one that was seen at gradients, else the one that ran longest.
    fn training(profiles: &BTreeMap<usize, Profile>) -> Option<usize> {
        let weight = |profile: &Profile| (profile.learns(), profile.own());
        let longest = profiles.iter().max_by(|a, b| {
            let (a, b) = (weight(a.1), weight(b.1));
            a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
        longest.map(|(group, _)| *group)
    }

    /// Loops that evaluate though no frame says so.
    fn infer(&self) -> BTreeSet<usize> {
        let profiles = self.profiles();
        let Some(training) = Self::training(&profiles) else { return BTreeSet::new() };
        let Some(model) = profiles.get(&training) else { return BTreeSet::new() };
        let others = profiles.iter().filter(|(group, _)| **group != training);
        let unlike = others.filter(|(_, profile)| {
            !profile.learns() && (profile.without_gradients(model) || profile.lighter(model))
        });
        unlike.map(|(group, _)| *group).filter(|group| self.comes_regularly(*group)).collect()
    }

    fn comes_regularly(&self, group: usize) -> bool {
        let all: Vec<Stretch> = self.stretches.iter().cloned().collect();
        let rounds = cycles(&all, |stretch| stretch.group == group);
        // The one that goes on has no length yet.
        let rounds: Vec<&Cycle> = rounds
            .iter()
            .filter(|round| round.complete && round.seconds >= LEAST_SECONDS)
            .collect();
        let regular =
            |values: Vec<f64>| variation(values.into_iter()).is_some_and(|varies| varies < VARIES);
        rounds.len() >= TIMES
            && regular(rounds.iter().map(|round| round.seconds).collect())
            // Before the first one mltop may not have been there.
            && (regular(rounds.iter().skip(1).map(|round| round.before_seconds).collect())
                || regular(rounds.iter().skip(1).map(|round| round.steps_before).collect()))
    }

    /// What the time went into.
    pub(in crate::diagnose) fn phases(&self, run: RunId, pid: Pid) -> Phases {
        let profiles = self.profiles();
        let training = Self::training(&profiles);
        let evaluates = |group: usize, strong: bool| strong || self.inferred.contains(&group);
        let mut phases = Phases { run, pid, ..Phases::default() };
        let now = self.stretches.iter().map(|one| ((one.group, one.strong), &one.profile));
        let old = self.old.iter().map(|(key, profile)| (*key, profile));
        for ((group, strong), profile) in old.chain(now) {
            let phase = match () {
                () if evaluates(group, strong) => Phase::Evaluation,
                () if Some(group) == training => Phase::Training,
                () => Phase::Other,
            };
            if phase == Phase::Evaluation {
                let known = if strong { Known::Frames } else { Known::Inferred };
                phases.known = Some(phases.known.map_or(known, |before| before.min(known)));
            }
            let parts = [
                (Phase::WarmUp, profile.warm_up),
                (Phase::Compile, profile.compile),
                (Phase::Checkpoint, profile.checkpoint),
                (phase, profile.own()),
            ];
            for (phase, seconds) in parts.into_iter().filter(|(_, seconds)| *seconds > 0.0) {
                *phases.seconds.entry(phase).or_default() += seconds;
            }
        }
        let all: Vec<Stretch> = self.stretches.iter().cloned().collect();
        phases.cycles = cycles(&all, |stretch| evaluates(stretch.group, stretch.strong));
        phases
    }
}
