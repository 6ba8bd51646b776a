//! The pointer: what a place on the screen stands for, and what a click, a drag and the wheel do there.
//! There is nothing that only the pointer can do.

use crate::fmt;
use crate::model::{GpuId, LoaderId, Pid};

use super::action::Action;
use super::loaders::{Picked, loader_rows};
use super::procs::Order;
use super::rows::rows;
use super::state::{ScreenKind, State};
use super::transport::Transport;
use super::update::Effect;

/// Rows that one notch of the wheel goes through a long list or a text.
const NOTCH: isize = 3;

/// What the pointer does, as the help tells it.
pub const HELP: [(&str, &str); 6] = [
    ("click", "a key or a screen in the last row, the verdict, a row (again: opens it), a heading"),
    ("click, drag", "cursor to that moment of a lane"),
    ("right or Ctrl-drag", "along a lane: the time axis shows the span between"),
    ("wheel", "over a lane a shorter or longer time axis; else through the list or the text"),
    ("Shift-wheel", "cursor back or forward in time"),
    ("Shift-drag", "select text as ever; mltop --no-mouse leaves the mouse to the terminal"),
];

/// What a place on the screen stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spot {
    /// Nothing in particular.
    #[default]
    Ground,
    /// A key that the footer names: what it asks for.
    Key(Action),
    /// The verdict, told in full.
    Verdict,
    /// A row of the table of the runs, counted over all of them.
    Row(usize),
    /// A GPU of the list.
    Gpu(GpuId),
    /// A loader of the list.
    Loader(LoaderId),
    /// A worker of the loader that is shown, by its number.
    Worker(usize),
    /// A process of the list.
    Process(Pid),
    /// The heading of a column that processes can be sorted by.
    Column(Order),
    /// A finding of the list, by its number.
    Finding(u64),
    /// A moment of a time axis, by the monotonic clock.
    Moment(u64),
    /// What lies over the screen.
    Over,
    /// The screen below what lies over it.
    Beside,
}

/// What the pointer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Press {
    /// Its first button goes down.
    Click,
    /// It moves while that is down.
    Drag,
    /// Its second button goes down.
    Grasp,
    /// It moves while that is down.
    Stretch,
    /// A button comes up.
    Release,
    /// One notch away from the user.
    WheelUp,
    /// One notch towards the user.
    WheelDown,
    /// One notch to the left, or away from the user with Shift.
    WheelLeft,
    /// One notch to the right, or towards the user with Shift.
    WheelRight,
}

impl State {
    /// Takes in what the pointer does at a place.
    pub(super) fn point(&mut self, press: Press, spot: Spot) -> Vec<Effect> {
        // A line that is typed, and whether a signal is to be sent, are answered by keys alone: a slip
        // of the hand is no answer.
        if self.prompt.is_some() || self.asks_whether().is_some() {
            return Vec::new();
        }
        let span = if press == Press::Stretch { self.span } else { self.span.take() };
        match (press, spot) {
            (Press::Grasp, Spot::Moment(at_ms)) => self.stretch(at_ms, at_ms),
            (Press::Stretch, Spot::Moment(at_ms)) => {
                span.map_or_else(Vec::new, |(from_ms, _)| self.stretch(from_ms, at_ms))
            }
            (Press::Release, _) => {
                if let Some((from_ms, to_ms)) = span {
                    self.show_span(from_ms.min(to_ms), from_ms.max(to_ms));
                }
                Vec::new()
            }
            (Press::Grasp | Press::Stretch, _) => Vec::new(),
            (Press::Click, Spot::Ground | Spot::Over) => Vec::new(),
            (Press::Click, Spot::Key(action)) => self.act(action),
            (Press::Click, Spot::Beside) => self.act(Action::Back),
            (Press::Click, Spot::Verdict) => self.open_verdict(),
            (Press::Click, Spot::Column(order)) => {
                self.sort_by(order);
                Vec::new()
            }
            (Press::Click | Press::Drag, Spot::Moment(at_ms)) => self.point_in_time(at_ms),
            (Press::Click, row) => self.choose(row),
            (Press::Drag, _) => Vec::new(),
            (Press::WheelUp, Spot::Moment(_)) => self.act(Action::ZoomIn),
            (Press::WheelDown, Spot::Moment(_)) => self.act(Action::ZoomOut),
            (Press::WheelLeft, _) => self.act(Action::ScrubLeft),
            (Press::WheelRight, _) => self.act(Action::ScrubRight),
            (Press::WheelUp, spot) => self.roll(-1, spot),
            (Press::WheelDown, spot) => self.roll(1, spot),
        }
    }

    /// Puts the cursor at a moment.
    fn point_in_time(&mut self, at_ms: u64) -> Vec<Effect> {
        self.focused = None;
        self.seek(at_ms)
    }

    /// Takes a span from one moment to another, where the cursor goes.
    fn stretch(&mut self, from_ms: u64, to_ms: u64) -> Vec<Effect> {
        self.span = Some((from_ms, to_ms));
        if from_ms != to_ms {
            let clock = |at_ms| fmt::clock(self.unix_ms(at_ms), self.utc_offset_seconds);
            let (first, last) = (from_ms.min(to_ms), from_ms.max(to_ms));
            let seconds = fmt::ago((last - first).div_ceil(1000));
            self.say(format!("{seconds}, {} to {}: let go to see it", clock(first), clock(last)));
        }
        self.point_in_time(to_ms)
    }

    /// Takes the time axis on which a span is largest, and puts the span into its middle.
    fn show_span(&mut self, from_ms: u64, to_ms: u64) {
        let (length, reach) = (to_ms - from_ms, self.reach());
        let Transport::Paused { at_ms, .. } = self.transport else { return };
        if length == 0 {
            return;
        }
        self.message = None;
        self.zoom_to(length);
        let beside = self.zoom_ms().saturating_sub(length) / 2;
        let end_ms = to_ms.saturating_add(beside).min(reach.newest_ms.max(to_ms));
        self.transport = Transport::Paused { end_ms, at_ms };
    }

    /// Chooses a row; where it is the chosen one already, opens it.
    fn choose(&mut self, spot: Spot) -> Vec<Effect> {
        if self.is_chosen(spot) {
            return match spot {
                Spot::Row(at) if rows(self).get(at).is_some_and(|row| row.open.is_some()) => {
                    self.act(Action::Expand)
                }
                Spot::Row(_) => Vec::new(),
                _ => self.act(Action::Enter),
            };
        }
        let several = loader_rows(self).len() > 1;
        match spot {
            Spot::Row(at) => self.selected = Some(at),
            Spot::Gpu(gpu) => self.picked_gpu = Some(gpu),
            Spot::Loader(loader) => {
                self.picked = Picked { loader: Some(loader), ..Picked::default() };
            }
            Spot::Worker(worker) => {
                // Workers are chosen among only after their loader, where there are several.
                let loader = self.picked_loader().filter(|_| several).map(|row| row.loader);
                self.picked = Picked { loader, worker: Some(worker), inside: several };
            }
            Spot::Process(pid) => self.processes.chosen = Some(pid),
            Spot::Finding(id) => self.chosen_finding = Some(id),
            _ => {}
        }
        Vec::new()
    }

    fn is_chosen(&self, spot: Spot) -> bool {
        match spot {
            Spot::Row(at) => self.selected == Some(at),
            Spot::Gpu(gpu) => self.picked_gpu == Some(gpu),
            Spot::Loader(loader) => self.picked.loader == Some(loader) && !self.picked.inside,
            Spot::Worker(worker) => self.picked.worker == Some(worker),
            Spot::Process(pid) => self.processes.chosen == Some(pid),
            Spot::Finding(id) => self.chosen_finding == Some(id),
            _ => false,
        }
    }

    /// Rolls through what is under the pointer: what lies over the screen, a list, a text.
    fn roll(&mut self, by: isize, spot: Spot) -> Vec<Effect> {
        if spot == Spot::Beside {
            return Vec::new();
        }
        let crosses = match spot {
            Spot::Loader(_) => self.picked.inside,
            Spot::Worker(_) => !self.picked.inside && loader_rows(self).len() > 1,
            _ => false,
        };
        if crosses {
            self.cross_over();
        }
        let long = matches!(self.screen, ScreenKind::Processes | ScreenKind::Host);
        let rolls = spot == Spot::Over || long;
        // On the lanes only the table below them is a list.
        if self.screen != ScreenKind::Lanes || matches!(spot, Spot::Over | Spot::Row(_)) {
            self.move_by(if rolls { by * NOTCH } else { by });
        }
        Vec::new()
    }
}
