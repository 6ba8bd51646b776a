//! What was watched: for how long, of which runs, and what was measured of them. The ground on which
//! "nothing found" stands or does not.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnose::settings::Settings;
use crate::diagnose::{Known, Phase, Phases, Verdict};
use crate::model::inventory::RunInfo;
use crate::model::{Bound, Finding, Frame, GpuId, Pid, Reading, RunId, ServerId};

/// Runs that are told apart.
const MAX_RUNS: usize = 256;
/// Holding less than this of a GPU is a context, not a job.
const HELD_BYTES: u64 = 512 << 20;
/// Sizing windows that must agree, and points that make one.
const SIZING_POINTS: f64 = 2.0 * 15.0;
/// Below so long a presence a run is a start that failed or a helper, and need not be judged.
const BRIEF_SECONDS: f64 = 30.0;
/// Between two looks at the phases, which take longer to tell than to follow.
const PHASES_MS: u64 = 10_000;
/// Trainers whose phases are kept, and served models that are counted.
const MAX_TRAINERS: usize = 256;

/// A mean over time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Mean {
    sum: f64,
    /// Seconds in which it was measured.
    pub(super) seconds: f64,
}

impl Mean {
    fn add(&mut self, value: Reading<f64>, seconds: f64) {
        if let Some(value) = value.ok().filter(|value| value.is_finite()) {
            self.sum += value * seconds;
            self.seconds += seconds;
        }
    }

    /// The mean; `None` where nothing was measured.
    pub(super) fn get(self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.sum / self.seconds)
    }
}

/// What was watched of one run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WatchedRun {
    /// Its name.
    pub name: Box<str>,
    /// Seconds in which it was there.
    pub seconds: f64,
    /// Seconds in which there was evidence enough to say whether its loop starves.
    pub judged_seconds: f64,
    /// Seconds in which it was read how long its loop waits for data.
    pub wait_seconds: f64,
}

impl WatchedRun {
    /// Whether it was there for so short a time that nothing is missed by not judging it.
    pub const fn is_brief(&self) -> bool {
        self.seconds < BRIEF_SECONDS
    }
}

/// What was watched.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Watched {
    /// The first moment, in milliseconds since the Unix epoch.
    pub from_ms: i64,
    /// The last one.
    pub to_ms: i64,
    /// Seconds, gaps left out.
    pub seconds: f64,
    /// Seconds of the GPUs in use: those that a training ran on or a process held memory of.
    pub gpu_seconds: f64,
    /// Seconds in which a training was there.
    pub training_seconds: f64,
    /// The runs.
    pub runs: BTreeMap<RunId, WatchedRun>,
    /// The trainer whose run alone is watched; `None` where all are.
    only: Option<Pid>,
    /// Seconds of training without which nothing is said of the size of a GPU.
    pub sizing_seconds: f64,
    /// Share of time in which loops waited for data.
    pub(super) wait: Mean,
    /// How it relates to the truth.
    pub(super) wait_bound: Option<Bound>,
    /// Workers on a CPU, without a CPU, at a disk, at a network, without work.
    pub(super) workers: [Mean; 5],
    /// Share of time with a kernel on a GPU in use.
    pub(super) busy: Mean,
    /// The most of its memory that a GPU in use had taken.
    pub(super) memory_peak_ratio: Option<f64>,
    /// Of each trainer, the last that was known of its phases.
    phases: BTreeMap<Pid, Phases>,
    phases_ms: Option<u64>,
    /// Models that inference servers served.
    pub(super) served: BTreeSet<ServerId>,
}

impl Watched {
    /// Nothing watched yet, with these windows.
    pub fn new(settings: &Settings) -> Self {
        Self { sizing_seconds: SIZING_POINTS * settings.sizing_point, ..Self::default() }
    }

    /// The same, of the run of one trainer alone.
    pub fn only(settings: &Settings, trainer: Option<Pid>) -> Self {
        Self { only: trainer, ..Self::new(settings) }
    }

    fn is_watched(&self, info: &RunInfo) -> bool {
        self.only.is_none_or(|pid| info.trainers.contains(&pid))
    }

    /// Takes a frame in, with what can be said of each run by then.
    pub fn push(&mut self, frame: &Frame, verdicts: impl Iterator<Item = (RunId, Verdict)>) {
        let unix_ms = frame.sample.stamp.unix_ms;
        if self.from_ms == 0 {
            self.from_ms = unix_ms;
        }
        self.to_ms = unix_ms;
        let Some(seconds) = frame.span_seconds.filter(|seconds| *seconds > 0.0) else { return };
        self.seconds += seconds;
        let runs = frame.sample.inventory.runs.iter().map(|info| &**info);
        let runs: Vec<&RunInfo> = runs.filter(|info| self.is_watched(info)).collect();
        if !runs.is_empty() {
            self.training_seconds += seconds;
        }
        for info in &runs {
            self.run(info, seconds);
        }
        for (run, verdict) in verdicts {
            if let Some(run) = self.runs.get_mut(&run).filter(|_| verdict != Verdict::NeedMore) {
                run.judged_seconds += seconds;
            }
        }
        if self.served.len() < MAX_TRAINERS {
            self.served.extend(frame.sample.servers.iter().map(|row| row.server));
        }
        self.loops(frame, &runs, seconds);
        self.gpus(frame, &used(frame, &runs, self.only.is_some()), seconds);
    }

    /// Takes the phases in, where it is time for that again.
    pub(in crate::diagnose) fn look_at_phases(
        &mut self,
        mono_ms: u64,
        phases: impl FnOnce() -> Vec<Phases>,
    ) {
        if self.phases_ms.is_none_or(|last| mono_ms >= last + PHASES_MS || mono_ms < last) {
            self.phases_ms = Some(mono_ms);
            for phases in phases() {
                if self.phases.len() < MAX_TRAINERS || self.phases.contains_key(&phases.pid) {
                    self.phases.insert(phases.pid, phases);
                }
            }
        }
    }

    /// Takes over what another one knows of the phases.
    pub fn take_phases(&mut self, other: &Self) {
        let of_run = |phases: &Phases| self.runs.contains_key(&phases.run);
        let known = other.phases.iter().filter(|(_, phases)| of_run(phases));
        self.phases = known.map(|(pid, phases)| (*pid, phases.clone())).collect();
    }

    /// Seconds by phase over all trainers; phases that did not occur are missing.
    pub fn seconds_by_phase(&self) -> BTreeMap<Phase, f64> {
        let mut all = BTreeMap::new();
        for (phase, seconds) in self.phases.values().flat_map(|phases| &phases.seconds) {
            *all.entry(*phase).or_default() += seconds;
        }
        all.retain(|_, seconds: &mut f64| *seconds > 0.0);
        all
    }

    /// How evaluation is told from training; `None` where none was seen.
    pub(super) fn evaluation(&self) -> Option<Known> {
        let known = self.phases.values().filter_map(|phases| phases.known).min();
        known.filter(|_| self.seconds_by_phase().contains_key(&Phase::Evaluation))
    }

    fn run(&mut self, info: &RunInfo, seconds: f64) {
        if self.runs.len() >= MAX_RUNS && !self.runs.contains_key(&info.run) {
            return;
        }
        let run = self.runs.entry(info.run).or_default();
        run.seconds += seconds;
        if run.name != info.name {
            run.name.clone_from(&info.name);
        }
    }

    fn loops(&mut self, frame: &Frame, runs: &[&RunInfo], seconds: f64) {
        for info in runs {
            for pid in &info.trainers {
                let Some(row) = frame.moving_loader(*pid) else { continue };
                let Some(rates) = frame.loader(row.loader) else { continue };
                self.wait.add(rates.wait_ratio, seconds);
                if rates.wait_ratio.ok().is_some() {
                    if let Some(run) = self.runs.get_mut(&info.run) {
                        run.wait_seconds += seconds / info.trainers.len() as f64;
                    }
                    // A lower bound within is a lower bound of the whole.
                    let bound = row.wait_bound.ok().unwrap_or(Bound::Doubtful);
                    let known = self.wait_bound.get_or_insert(bound);
                    if *known == Bound::Exact {
                        *known = bound;
                    }
                }
                let shares = [
                    rates.worker_run_ratio,
                    rates.worker_runq_ratio,
                    rates.worker_disk_ratio,
                    rates.worker_net_ratio,
                    rates.worker_idle_ratio,
                ];
                for (mean, share) in self.workers.iter_mut().zip(shares) {
                    mean.add(share, seconds);
                }
            }
        }
    }

    fn gpus(&mut self, frame: &Frame, used: &BTreeSet<GpuId>, seconds: f64) {
        for row in frame.sample.gpus.iter().filter(|row| used.contains(&row.gpu)) {
            self.gpu_seconds += seconds;
            self.busy.add(row.utilization_ratio, seconds);
            let rates = frame.gpus.iter().find(|rates| rates.gpu == row.gpu);
            if let Some(ratio) = rates.and_then(|rates| rates.memory_used_ratio.ok()) {
                let most = self.memory_peak_ratio.get_or_insert(ratio);
                *most = most.max(ratio);
            }
        }
    }

    /// Seconds in which the loops of runs were judged, over all runs.
    pub fn judged_seconds(&self) -> f64 {
        self.runs.values().map(|run| run.judged_seconds).sum()
    }

    /// The runs of which it cannot be said whether their loops starve, those left out that were there
    /// for a moment only.
    pub fn not_judged(&self) -> impl Iterator<Item = &WatchedRun> {
        self.runs.values().filter(|run| run.judged_seconds <= 0.0 && !run.is_brief())
    }

    /// The first of them whose loop was seen to wait or not to: to call it healthy there is no ground. A
    /// notebook that only has its libraries loaded is none.
    pub(super) fn not_judged_loop(&self) -> Option<&WatchedRun> {
        self.not_judged().find(|run| run.wait_seconds > 0.0)
    }

    /// Whether a finding is of what was watched, and lies within it, if only in part.
    pub fn holds(&self, finding: &Finding) -> bool {
        let of_trainer = |pid: Pid| {
            let of_run = finding.run.is_some_and(|run| self.runs.contains_key(&run));
            of_run || finding.pid == Some(pid)
        };
        self.only.is_none_or(of_trainer)
            && finding.start_ms <= self.to_ms
            && finding.end_ms.is_none_or(|end| end >= self.from_ms)
    }

    /// The share of a finding's time that lies within.
    pub(super) fn share_within(&self, finding: &Finding) -> f64 {
        let end = finding.end_ms.unwrap_or(self.to_ms);
        let whole = end.saturating_sub(finding.start_ms);
        let from = finding.start_ms.max(self.from_ms);
        let within = end.min(self.to_ms).saturating_sub(from);
        if whole <= 0 { 1.0 } else { (within.max(0) as f64 / whole as f64).clamp(0.0, 1.0) }
    }
}

/// The GPUs in use: those that a process holds memory of; of some runs alone, those of their ranks.
/// Where nobody tells who holds what, a training is taken to run on all.
fn used(frame: &Frame, runs: &[&RunInfo], alone: bool) -> BTreeSet<GpuId> {
    let held = |bytes: Reading<u64>| bytes.ok().is_none_or(|bytes| bytes >= HELD_BYTES);
    let rows = frame.sample.gpu_procs.iter().filter(|row| held(row.memory_used_bytes));
    let used: BTreeSet<GpuId> = if alone {
        let trainers = runs.iter().flat_map(|info| &info.trainers);
        trainers.flat_map(|pid| frame.sample.rank_gpus(*pid)).collect()
    } else {
        rows.map(|row| row.gpu).collect()
    };
    if used.is_empty() && !runs.is_empty() {
        return frame.sample.gpus.iter().map(|row| row.gpu).collect();
    }
    used
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_was_seen_and_not_judged_leaves_no_ground_for_a_clean_bill() {
        let run = |seconds, judged_seconds, wait_seconds| WatchedRun {
            seconds,
            judged_seconds,
            wait_seconds,
            ..WatchedRun::default()
        };
        let judged = run(600.0, 500.0, 600.0);
        let notebook = run(600.0, 0.0, 0.0);
        let brief = run(20.0, 0.0, 20.0);
        let runs = [judged, notebook, brief];
        let runs: BTreeMap<_, _> = (1..).map(RunId).zip(runs).collect();
        let mut watched = Watched { runs, ..Watched::default() };
        assert_eq!(watched.not_judged_loop(), None);
        let young = run(40.0, 0.0, 38.0);
        watched.runs.insert(RunId(9), young.clone());
        assert_eq!(watched.not_judged_loop(), Some(&young));
    }
}
