//! The fifth screen: which findings stand on it, in which order, and what the user chose there.

use std::cmp::Reverse;

use crate::model::Finding;

use super::state::{Overlay, ScreenKind, State};
use super::stepped;
use super::update::Effect;

/// The findings that are known: open ones first, the worst first; then ended ones, the newest first.
/// What the user has put aside stays where it is, but for open ones, which come last of those. The
/// order is the same at every moment that is looked at, so that a jump in time moves no row.
pub fn finding_rows(state: &State) -> Vec<&Finding> {
    let mut rows: Vec<&Finding> = state.known().iter().collect();
    rows.sort_by_key(|finding| match finding.end_ms {
        None => {
            let aside = state.is_aside(finding);
            (false, aside, Reverse(Some(finding.severity)), finding.start_ms, finding.id)
        }
        Some(end) => (true, false, Reverse(None), end.saturating_neg(), u64::MAX - finding.id),
    });
    rows
}

impl State {
    /// The finding that the screen of the findings is about: the chosen one, else the first.
    pub fn picked_finding(&self) -> Option<&Finding> {
        let rows = finding_rows(self);
        let chosen = rows.iter().find(|finding| Some(finding.id) == self.chosen_finding);
        chosen.or_else(|| rows.first()).copied()
    }

    /// Moves the choice among the findings.
    pub(super) fn move_among_findings(&mut self, by: isize) {
        let rows = finding_rows(self);
        let at = rows.iter().position(|finding| Some(finding.id) == self.chosen_finding);
        let next = stepped(at, by, rows.len()).and_then(|at| rows.get(at));
        self.chosen_finding = next.map(|finding| finding.id);
    }

    /// Shows the evidence of the chosen finding, and goes to the moment at which it began; once its
    /// evidence is shown, to that moment on the lanes.
    pub(super) fn enter_finding(&mut self) -> Vec<Effect> {
        if let Some(Overlay::Finding { id, .. }) = self.overlay {
            self.overlay = None;
            self.screen = ScreenKind::Lanes;
            return self.go_to_id(id);
        }
        let Some(id) = self.picked_finding().map(|finding| finding.id) else {
            self.say("nothing was found so far".to_owned());
            return Vec::new();
        };
        self.chosen_finding = Some(id);
        self.overlay = Some(Overlay::Finding { id, scroll: 0 });
        self.go_to_id(id)
    }

    /// Takes back that the chosen finding was put aside; `None` where it was not.
    pub(super) fn take_back(&mut self) -> Option<Effect> {
        let finding = self.picked_finding().filter(|finding| self.is_aside(finding))?;
        let id = finding.id;
        self.aside.remove(&id);
        self.say("finding taken back".to_owned());
        Some(Effect::TakeBack(id))
    }
}
