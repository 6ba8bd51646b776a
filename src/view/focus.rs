//! Which run, rank, loader, GPUs and disk the lanes are about, and how their values are read.

use std::collections::BTreeSet;

use crate::app::{Feed, ScreenKind, State};
use crate::model::inventory::{LoaderInfo, RunInfo};
use crate::model::sample::LoaderSample;
use crate::model::{Finding, Frame, Gap, GpuId, Inventory, Pid, Reading, RunId};

use super::lanes::Plotted;
use super::window::Window;
use crate::history::Track;

/// What the screen looks at.
pub(super) struct Look<'a> {
    pub(super) state: &'a State,
    pub(super) past: &'a dyn Plotted,
    /// The frame of the moment that is shown; `None` before the first and where nothing is kept.
    pub(super) frame: Option<&'a Frame>,
    pub(super) window: Window,
    pub(super) run: Option<RunId>,
    /// The rank: the selected one, else the worst of the run.
    pub(super) pid: Option<Pid>,
    pub(super) loader: Option<&'a LoaderSample>,
    /// The GPUs of the run where known, else all.
    pub(super) gpus: Vec<GpuId>,
    /// Whether `gpus` are known to be the run's.
    pub(super) gpus_of_run: bool,
}

impl<'a> Look<'a> {
    /// What a state looks at, with lanes of so many columns.
    pub(super) fn new(state: &'a State, past: &'a dyn Plotted, columns: usize) -> Self {
        // While the answer to a jump in time is awaited, names still come from the newest frame; its
        // numbers are another moment's and stay unseen.
        let named = state.shown().or(state.latest.as_ref()).map(|frame| &**frame);
        let mut look = Self {
            state,
            past,
            frame: state.shown().map(|frame| &**frame),
            window: Window::of(state, columns),
            run: None,
            pid: None,
            loader: None,
            gpus: Vec::new(),
            gpus_of_run: false,
        };
        let Some(frame) = named else { return look };
        let inventory = &frame.sample.inventory;
        let row = state.selected_row();
        // On the screen of the findings all is about the chosen one.
        let verdict = match state.screen {
            ScreenKind::Findings => state.picked_finding(),
            ScreenKind::Lanes
            | ScreenKind::Gpus
            | ScreenKind::Loaders
            | ScreenKind::Processes
            | ScreenKind::Host => state.verdict(),
        };
        let row = row.filter(|_| state.screen != ScreenKind::Findings);
        look.run = row.map(|row| row.run).or_else(|| default_run(state, verdict, inventory));
        let run = look.run.and_then(|run| inventory.run(run));
        let judged =
            verdict.filter(|finding| finding.run == look.run).and_then(|finding| finding.pid);
        let judged = judged.filter(|pid| run.is_some_and(|run| run.trainers.contains(pid)));
        look.pid = row
            .and_then(|row| row.rank)
            .or(judged)
            .or_else(|| run.and_then(|run| worst_rank(frame, run)));
        look.loader = look.pid.and_then(|pid| frame.moving_loader(pid));
        if state.screen == ScreenKind::Loaders
            && let Some(picked) = state.picked_loader()
        {
            (look.pid, look.run) = (Some(picked.pid), picked.run);
            look.loader = frame.sample.loaders.iter().find(|row| row.loader == picked.loader);
        }
        if state.screen == ScreenKind::Gpus {
            look.gpus = state.shown_gpu().into_iter().collect();
            return look;
        }
        let of_run = run.map(|run| run_gpus(frame, run)).unwrap_or_default();
        look.gpus_of_run = !of_run.is_empty();
        look.gpus = if of_run.is_empty() {
            inventory.gpus.iter().map(|gpu| gpu.gpu).collect()
        } else {
            of_run.into_iter().collect()
        };
        look
    }

    /// What there is, by name.
    pub(super) fn inventory(&self) -> Option<&'a Inventory> {
        let named = self.state.shown().or(self.state.latest.as_ref());
        named.map(|frame| &*frame.sample.inventory)
    }

    /// The names that belong to the loader.
    pub(super) fn loader_info(&self) -> Option<&'a LoaderInfo> {
        self.inventory()?.loader(self.loader?.loader)
    }

    /// Whether the newest moment is shown.
    pub(super) fn live(&self) -> bool {
        self.state.transport.cursor().is_none()
    }

    /// Whether the moment that is shown is now, or the now of a replay while it plays: not that of a
    /// picture, nor of a feed that ended.
    pub(super) fn present(&self) -> bool {
        let moves = matches!(self.state.feed, Feed::Live { .. }) || self.state.whole.is_some();
        self.live() && moves && self.state.ended.is_none()
    }

    /// The value at the moment that is shown: live from the frame, else from the past at the cursor.
    pub(super) fn read(&self, of: &Track) -> Reading<f64> {
        let in_frame = self.frame.map_or(Reading::Not(Gap::NotYet), |frame| of.read(frame));
        let Some(at_ms) = self.state.transport.cursor() else { return in_frame };
        match self.past.value_at(of, at_ms) {
            Some(value) if value.is_finite() => Reading::Is(f64::from(value)),
            _ => Reading::Not(in_frame.gap().unwrap_or(Gap::Lost)),
        }
    }
}

/// The run that the lanes are about while the user chose none: the verdict's, else the worst now,
/// else the first.
fn default_run(state: &State, verdict: Option<&Finding>, inventory: &Inventory) -> Option<RunId> {
    let known = |run: &RunId| inventory.run(*run).is_some();
    let judged = verdict.and_then(|finding| finding.run).filter(known);
    let worst = || {
        let worst = state.now.iter().max_by_key(|now| (now.severity, std::cmp::Reverse(now.run)));
        worst.map(|now| now.run).filter(known)
    };
    judged.or_else(worst).or_else(|| inventory.runs.first().map(|run| run.run))
}

/// The rank of a run that waits most; the first where none is known to wait.
pub(super) fn worst_rank(frame: &Frame, run: &RunInfo) -> Option<Pid> {
    let mut worst: Option<(f64, Pid)> = None;
    for pid in &run.trainers {
        let wait = frame
            .moving_loader(*pid)
            .and_then(|loader| frame.loaders.iter().find(|rates| rates.loader == loader.loader))
            .and_then(|rates| rates.wait_ratio.ok());
        if let Some(wait) = wait
            && worst.is_none_or(|(most, _)| wait > most)
        {
            worst = Some((wait, *pid));
        }
    }
    worst.map(|(_, pid)| pid).or_else(|| run.trainers.first().copied())
}

fn run_gpus(frame: &Frame, run: &RunInfo) -> BTreeSet<GpuId> {
    run.trainers.iter().flat_map(|pid| frame.sample.rank_gpus(*pid)).collect()
}
