//! The last row: the keys, or a line for the user.

use crate::app::keymap::key_of;
use crate::app::loaders::loader_rows;
use crate::app::{Action, Picked, ScreenKind};

use super::focus::Look;
use super::screen::{Line, Role, TextRow, span, strong};
use super::text::{line_width, safe, tail, width as columns, word};

/// What the footer lists while there is room, the most wanted first. Two actions share one word.
const LISTED: [(Action, Option<Action>); 21] = [
    (Action::Filter, None),
    (Action::Sort, None),
    (Action::Signal, None),
    (Action::Pause, None),
    (Action::ScrubLeft, Some(Action::ScrubRight)),
    (Action::ZoomIn, Some(Action::ZoomOut)),
    (Action::Enter, None),
    (Action::Help, None),
    (Action::Quit, None),
    (Action::Screen(1), None),
    (Action::Screen(3), None),
    (Action::Screen(2), None),
    (Action::Screen(5), None),
    (Action::Screen(4), None),
    (Action::Screen(6), None),
    (Action::PrevFinding, Some(Action::NextFinding)),
    (Action::SelectUp, Some(Action::SelectDown)),
    (Action::GpuMode, None),
    (Action::Expand, None),
    (Action::Dismiss, None),
    (Action::CopyAdvice, None),
];

/// The row.
pub(super) fn footer(look: &Look<'_>, width: usize) -> TextRow {
    if let Some(prompt) = &look.state.prompt {
        let question = span(format!(" {} ", prompt.asked.question()), Role::Dim);
        let keys = span("   Enter, or Esc to leave", Role::Dim);
        // The end of the line is where one types.
        let room = width.saturating_sub(columns(&question.text) + columns(&keys.text) + 1);
        let text = safe(&prompt.text);
        let typed = format!("{}_", tail(&text, room));
        let left = vec![question, strong(typed, Role::Accent), keys];
        return TextRow { left, ..TextRow::default() };
    }
    if let Some(message) = look.state.message() {
        let left = vec![word(&format!(" {message}"), Role::Accent)];
        return TextRow { left, ..TextRow::default() };
    }
    let mut left = Line::new();
    let here = Action::Screen(look.state.screen.number());
    for (action, partner) in LISTED.into_iter().filter(|(action, _)| *action != here) {
        let Some(said) = said(look, action) else { continue };
        let keys = key_of(action) + &partner.map(key_of).unwrap_or_default();
        let before = if left.is_empty() { " " } else { "   " };
        let piece: Line = vec![
            span(before, Role::Dim),
            strong(keys, Role::Key),
            span(format!(" {said}"), Role::Dim),
        ];
        if line_width(&left) + line_width(&piece) > width {
            break;
        }
        left.extend(piece);
    }
    TextRow { left, ..TextRow::default() }
}

/// The word for an action on the screen that is shown; `None` where it is of another one.
fn said(look: &Look<'_>, action: Action) -> Option<&'static str> {
    let loaders = look.state.screen == ScreenKind::Loaders;
    let findings = look.state.screen == ScreenKind::Findings;
    let gpus = look.state.screen == ScreenKind::Gpus;
    let processes = look.state.screen == ScreenKind::Processes;
    let host = look.state.screen == ScreenKind::Host;
    let several = loaders && loader_rows(look.state).len() > 1;
    Some(match action {
        Action::Pause if !look.live() && look.state.is_replay() => "play",
        Action::Pause if !look.live() => "go on",
        Action::Filter | Action::Sort | Action::Signal if !processes => return None,
        Action::Signal if look.state.readonly || !look.state.is_of_this_machine() => return None,
        Action::SelectUp if processes => "choose",
        Action::SelectUp if host => "scroll",
        Action::Enter if processes => "more",
        Action::Expand if processes => "fold",
        Action::ScrubLeft | Action::ZoomIn | Action::GpuMode if processes => return None,
        Action::GpuMode | Action::Expand if host => return None,
        Action::SelectUp if several && !look.state.picked.inside => "loaders",
        Action::SelectUp if loaders => "workers",
        Action::Enter if loaders && look.state.picked != Picked::default() => "more",
        Action::Expand if several => "loaders or workers",
        Action::SelectUp if gpus => "GPUs",
        Action::Enter if gpus && look.state.picked_gpu.is_some() => "more",
        Action::GpuMode | Action::Expand if gpus => return None,
        Action::SelectUp if findings => "choose",
        Action::Enter if findings => "evidence",
        Action::GpuMode | Action::Expand if loaders || findings => return None,
        Action::ScrubLeft | Action::ZoomIn if findings => return None,
        Action::Dismiss | Action::CopyAdvice if !findings => return None,
        _ => action.short(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_footer_lists_can_be_done_and_has_a_word() {
        for (action, partner) in LISTED {
            assert!(!action.short().is_empty(), "{action:?}");
            assert!(action.unavailable().is_none(), "{action:?}");
            assert!(partner.is_none_or(|partner| partner.unavailable().is_none()));
        }
    }
}
