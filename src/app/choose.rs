//! What the arrows move, and how what they move among is arranged.

use super::action::Action;
use super::prompt::{Asked, Prompt, Typed};
use super::rows::{is_open, rows};
use super::state::{Overlay, ScreenKind, State};
use super::update::Effect;

/// The most lines that a text can be scrolled; the view stops earlier where it ends.
const SCROLL_MAX: usize = 10_000;

impl State {
    /// Moves the choice, or the text that lies over the screen.
    pub(super) fn move_by(&mut self, by: isize) {
        if let Some(Overlay::Signal(_)) = self.overlay {
            return self.move_among_signals(by);
        }
        if let Some(
            Overlay::Help { scroll }
            | Overlay::Finding { scroll, .. }
            | Overlay::Gpu { scroll, .. }
            | Overlay::Process { scroll, .. }
            | Overlay::Worker { scroll, .. },
        ) = &mut self.overlay
        {
            *scroll = scroll.saturating_add_signed(by).min(SCROLL_MAX);
            return;
        }
        match self.screen {
            ScreenKind::Gpus => return self.move_among_gpus(by),
            ScreenKind::Loaders => return self.move_among_loaders(by),
            ScreenKind::Processes => return self.move_among_processes(by),
            ScreenKind::Findings => return self.move_among_findings(by),
            ScreenKind::Host => {
                self.host_scroll = self.host_scroll.saturating_add_signed(by).min(SCROLL_MAX);
                return;
            }
            ScreenKind::Lanes => {}
        }
        let last = rows(self).len().saturating_sub(1);
        self.selected = Some(match self.selected {
            Some(at) => at.min(last).saturating_add_signed(by).min(last),
            None if by < 0 => last,
            None => 0,
        });
    }

    /// Opens or folds what is chosen.
    pub(super) fn expand(&mut self) {
        match self.screen {
            ScreenKind::Loaders => return self.cross_over(),
            ScreenKind::Processes => return self.fold(),
            ScreenKind::Gpus | ScreenKind::Findings | ScreenKind::Host => return,
            ScreenKind::Lanes => {}
        }
        let Some(row) = self.selected_row().or_else(|| rows(self).first().copied()) else { return };
        let Some(frame) = self.shown() else { return };
        let ranks = frame.sample.inventory.run(row.run).map_or(0, |run| run.trainers.len());
        if ranks < 2 {
            self.say("this run has one rank".to_owned());
            return;
        }
        let open = is_open(self, &frame.sample.inventory, row.run);
        self.opened.insert(row.run, !open);
        // The selection stays with the run whose ranks went away.
        let at = rows(self).iter().position(|other| other.run == row.run && other.rank.is_none());
        self.selected = at;
    }

    /// Shows the keys, or hides them.
    pub(super) fn toggle_help(&mut self) {
        self.overlay = match self.overlay {
            Some(Overlay::Help { .. }) => None,
            _ => Some(Overlay::Help { scroll: 0 }),
        };
    }

    /// Changes which processes are shown, and in which order.
    pub(super) fn rearrange(&mut self, action: Action) -> Vec<Effect> {
        if self.screen != ScreenKind::Processes {
            self.say("that is a key of screen 4, the processes".to_owned());
            return Vec::new();
        }
        match action {
            Action::Filter => {
                self.ask(Asked::Filter);
                // What was looked for before is mended, not typed anew.
                let text = self.processes.filter.clone();
                self.prompt = self.prompt.take().map(|prompt| Prompt { text, ..prompt });
            }
            Action::Sort => self.sort_by_next(),
            Action::Reverse => self.processes.reversed = !self.processes.reversed,
            Action::Flat => self.processes.flat = !self.processes.flat,
            _ => {}
        }
        Vec::new()
    }

    /// Narrows the processes down while it is typed to what; left without an answer, shows all again.
    pub(super) fn filter_typed(&mut self, typed: &Typed) {
        let text = self.prompt.as_ref().map(|prompt| prompt.text.clone()).unwrap_or_default();
        self.processes.filter = if *typed == Typed::Left { String::new() } else { text };
    }
}
