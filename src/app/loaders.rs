//! The third screen: which loaders stand on it, in which order, and what the user chose there.

use crate::model::{LoaderId, Pid, RunId};

use super::state::{Overlay, ScreenKind, State};
use super::stepped;

/// One loader of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoaderRow {
    /// The loader.
    pub loader: LoaderId,
    /// The trainer that iterates it.
    pub pid: Pid,
    /// The run of the trainer, where it is of one.
    pub run: Option<RunId>,
    /// Whether it is the one of its trainer that moves: training and validation take turns.
    pub moving: bool,
}

/// What the user chose on the screen of the loaders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Picked {
    /// The loader; `None` leaves the choice to the verdict.
    pub loader: Option<LoaderId>,
    /// The worker, by its number; `None` before one is chosen.
    pub worker: Option<usize>,
    /// Whether the arrows choose among the workers, where there are several loaders to choose from.
    pub inside: bool,
}

/// The loaders that there are: the rank that the verdict names first, then those that wait most, and
/// of each rank the loader that moves before the others.
pub fn loader_rows(state: &State) -> Vec<LoaderRow> {
    let Some(frame) = state.shown() else { return Vec::new() };
    let inventory = &frame.sample.inventory;
    let judged = state.verdict().and_then(|finding| finding.pid);
    let run_of = |pid| inventory.runs.iter().find(|run| run.trainers.contains(&pid));
    let mut rows: Vec<(u8, Option<u32>, LoaderRow)> = Vec::new();
    for loader in &frame.sample.loaders {
        let (id, pid) = (loader.loader, loader.pid);
        let first = frame.moving_loader(pid);
        let moving = first.is_some_and(|first| first.loader == id);
        let rates = first.and_then(|first| {
            frame.loaders.iter().find(|rates| rates.loader == first.loader && rates.pid == pid)
        });
        let wait = rates.and_then(|rates| rates.wait_ratio.ok()).unwrap_or(0.0);
        // In steps of a tenth, so that rows do not change places over nothing.
        let worse = if judged == Some(pid) { u8::MAX } else { (wait.clamp(0.0, 1.0) * 10.0) as u8 };
        let run = run_of(pid).map(|run| run.run);
        let rank = inventory.proc(pid).and_then(|proc| proc.rank);
        rows.push((worse, rank, LoaderRow { loader: id, pid, run, moving }));
    }
    rows.sort_by_key(|(worse, rank, row)| {
        (std::cmp::Reverse(*worse), *rank, row.pid, !row.moving, row.loader)
    });
    rows.into_iter().map(|(_, _, row)| row).collect()
}

impl State {
    /// The loader that the screen of the loaders is about: the chosen one, else the first.
    pub fn picked_loader(&self) -> Option<LoaderRow> {
        let rows = loader_rows(self);
        let chosen = rows.iter().find(|row| Some(row.loader) == self.picked.loader);
        chosen.or_else(|| rows.first()).copied()
    }

    /// Workers of the loader that the screen is about.
    fn picked_workers(&self) -> usize {
        let (Some(row), Some(frame)) = (self.picked_loader(), self.shown()) else { return 0 };
        frame.sample.inventory.loader(row.loader).map_or(0, |info| info.workers.len())
    }

    /// Moves the choice among the loaders, or among the workers where those are what is chosen from.
    pub(super) fn move_among_loaders(&mut self, by: isize) {
        let rows = loader_rows(self);
        if rows.len() > 1 && !self.picked.inside {
            let at = rows.iter().position(|row| Some(row.loader) == self.picked.loader);
            let at = stepped(at, by, rows.len());
            self.picked = Picked {
                loader: at.and_then(|at| rows.get(at)).map(|row| row.loader),
                ..Picked::default()
            };
            return;
        }
        let worker = self.picked.worker.filter(|at| *at < self.picked_workers());
        self.picked.worker = stepped(worker, by, self.picked_workers());
    }

    /// Goes from the loaders to the workers of the chosen one, or back.
    pub(super) fn cross_over(&mut self) {
        if loader_rows(self).len() < 2 {
            self.say("there is one loader".to_owned());
            return;
        }
        let inside = !self.picked.inside;
        if inside && self.picked_workers() == 0 {
            self.say("this loader has no workers".to_owned());
            return;
        }
        let loader = self.picked_loader().map(|row| row.loader);
        self.picked = Picked { loader, worker: inside.then_some(0), inside };
    }

    /// Goes one deeper. False where there is nothing below what is chosen.
    pub(super) fn drill(&mut self) -> bool {
        if self.screen == ScreenKind::Gpus {
            return self.drill_gpu();
        }
        if self.screen != ScreenKind::Loaders {
            return false;
        }
        let Some(row) = self.picked_loader() else { return false };
        match self.picked {
            Picked { worker: Some(worker), .. } if worker < self.picked_workers() => {
                self.overlay = Some(Overlay::Worker { loader: row.loader, worker, scroll: 0 });
            }
            Picked { loader: Some(_), inside: false, .. } => self.cross_over(),
            _ => return false,
        }
        true
    }

    /// Goes back by one. False where nothing is chosen.
    pub(super) fn climb(&mut self) -> bool {
        match self.screen {
            ScreenKind::Findings => return self.chosen_finding.take().is_some(),
            ScreenKind::Gpus => return self.picked_gpu.take().is_some(),
            ScreenKind::Processes => {
                let filtered = !std::mem::take(&mut self.processes.filter).is_empty();
                return filtered || self.processes.chosen.take().is_some();
            }
            ScreenKind::Host => return std::mem::take(&mut self.host_scroll) > 0,
            ScreenKind::Lanes | ScreenKind::Loaders => {}
        }
        if self.screen != ScreenKind::Loaders || self.picked == Picked::default() {
            return false;
        }
        let loader = self.picked.loader.filter(|_| self.picked.inside);
        self.picked = Picked { loader, ..Picked::default() };
        true
    }
}
