//! The engine: takes frames, keeps what the rules need, hands out what changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Verdict;
use super::audit::Watched;
use super::evaluation::Phases;
use super::ledger::Ledger;
use super::now::{self, RunState};
use super::rules::Rules;
use super::settings::Settings;
use super::trainer::Trainer;
use crate::model::inventory::RunInfo;
use crate::model::{Finding, Frame, Pid, RunId, Sample};

/// Trainers and runs watched at once.
const MAX_TRAINERS: usize = 256;

/// What a step changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A finding was raised.
    Opened(Finding),
    /// Its severity, its cause, its process or its numbers are others.
    Updated(Finding),
    /// It ended.
    Closed(Finding),
}

/// Turns frames into findings. Time comes from the samples' stamps alone, so a session that is
/// replayed gives the same findings.
#[derive(Clone, Default)]
pub struct Engine {
    settings: Settings,
    last_ms: Option<u64>,
    trainers: BTreeMap<Pid, Trainer>,
    rules: Rules,
    ledger: Ledger,
    /// The sample taken in last.
    sample: Option<Arc<Sample>>,
    watched: Watched,
}

impl Engine {
    /// An engine with these windows.
    pub fn new(settings: Settings) -> Self {
        let ledger = Ledger::new(settings.price_per_gpu_hour);
        let watched = Watched::new(&settings);
        Self { settings, ledger, watched, ..Self::default() }
    }

    /// Takes a frame and tells what changed. A frame that is not newer than the one before is
    /// ignored; one from before it (a jump back) ends all open findings and starts anew.
    pub fn step(&mut self, frame: &Frame) -> Vec<Change> {
        let now_ms = frame.sample.stamp.mono_ms;
        match self.last_ms {
            Some(last) if now_ms == last => return Vec::new(),
            Some(last) if now_ms < last => self.forget(),
            _ => {}
        }
        self.last_ms = Some(now_ms);
        self.ledger.tick(frame);
        self.observe(frame);
        self.sample = Some(Arc::clone(&frame.sample));
        let trainers: Vec<&Trainer> = self.trainers.values().collect();
        self.rules.step(frame, &trainers, &self.settings, &mut self.ledger);
        self.watched.push(frame, self.rules.starved.verdicts());
        let trainers = &self.trainers;
        self.watched.look_at_phases(now_ms, || phases(trainers));
        self.ledger.take_changes()
    }

    /// Findings: open ones in the order in which they were raised, then ended ones, the last first.
    pub fn findings(&self) -> &[Finding] {
        self.ledger.all()
    }

    /// What each run does now, by the last two seconds. Provisional: no event follows from it. It is
    /// worked out when it is asked for: a replay takes thousands of ticks for one that is shown.
    pub fn now(&self) -> Vec<RunState> {
        let Some(sample) = &self.sample else { return Vec::new() };
        let state = |info: &Arc<RunInfo>| {
            let trainers: Vec<&Trainer> =
                info.trainers.iter().filter_map(|pid| self.trainers.get(pid)).collect();
            (!trainers.is_empty()).then(|| now::state(sample, info.run, &trainers))
        };
        sample.inventory.runs.iter().filter_map(state).collect()
    }

    /// What the time of each trainer went into, for a screen or a report.
    pub fn phases(&self) -> Vec<Phases> {
        phases(&self.trainers)
    }

    /// Puts a finding aside. False where there is none with this number.
    pub fn dismiss(&mut self, id: u64) -> bool {
        self.ledger.set_dismissed(id, true)
    }

    /// Takes back that a finding was put aside. False where there is none with this number.
    pub fn take_back(&mut self, id: u64) -> bool {
        self.ledger.set_dismissed(id, false)
    }

    /// What was watched so far: the ground that an audit stands on.
    pub const fn watched(&self) -> &Watched {
        &self.watched
    }

    /// What can be said by now of each run: whether its loop starves.
    pub fn verdicts(&self) -> impl Iterator<Item = (RunId, Verdict)> {
        self.rules.starved.verdicts()
    }

    /// What can be said by now over all runs: found where a finding is open, quiet where each run
    /// was judged and nothing is the matter, and more is needed otherwise.
    pub fn verdict(&self) -> Verdict {
        if !self.ledger.lasting().is_empty() {
            return Verdict::Found;
        }
        self.rules.starved.verdict()
    }

    fn forget(&mut self) {
        self.rules.end(&mut self.ledger);
        self.ledger.forget();
        self.trainers.clear();
    }

    fn observe(&mut self, frame: &Frame) {
        let runs = &frame.sample.inventory.runs;
        let pids = runs.iter().flat_map(|run| run.trainers.iter().map(|pid| (*pid, run.run)));
        for (pid, run) in pids.take(MAX_TRAINERS) {
            let trainer = self.trainers.entry(pid).or_insert_with(|| Trainer::new(pid, run));
            if trainer.run != run {
                *trainer = Trainer::new(pid, run);
            }
            trainer.observe(frame, &self.settings);
        }
        let now_ms = frame.sample.stamp.mono_ms;
        self.trainers.retain(|_, trainer| trainer.seen_ms == now_ms);
    }
}

fn phases(trainers: &BTreeMap<Pid, Trainer>) -> Vec<Phases> {
    let of = |trainer: &Trainer| trainer.phases.phases(trainer.run, trainer.pid);
    trainers.values().map(of).collect()
}
