//! The last row: the keys, or a line for the user.

use std::ops::Range;

use crate::app::keymap::key_of;
use crate::app::loaders::loader_rows;
use crate::app::{Action, Asked, Picked, ScreenKind, Spot};

use super::focus::Look;
use super::screen::{Role, Stands, TextRow, span, strong};
use super::text::{line_width, safe, tail, width as columns, word};

/// What the footer lists beside the screens while there is room, the most wanted first. Two actions
/// share one word.
const LISTED: [(Action, Option<Action>); 13] = [
    (Action::Filter, None),
    (Action::Sort, None),
    (Action::Signal, None),
    (Action::Pause, None),
    (Action::ScrubLeft, Some(Action::ScrubRight)),
    (Action::Enter, None),
    (Action::ZoomIn, Some(Action::ZoomOut)),
    (Action::PrevFinding, Some(Action::NextFinding)),
    (Action::SelectUp, Some(Action::SelectDown)),
    (Action::GpuMode, None),
    (Action::Expand, None),
    (Action::Dismiss, None),
    (Action::CopyAdvice, None),
];
/// What it always lists, behind all else.
const ALWAYS: [Action; 2] = [Action::Help, Action::Quit];
/// From this many columns on each screen has its name; below, the one that is shown.
const NAMES_FROM: usize = 100;
/// Between two keys.
const GAP: &str = "   ";

/// The row.
pub(super) fn footer(look: &Look<'_>, width: usize) -> TextRow {
    if let Some(prompt) = &look.state.prompt {
        let question = span(format!(" {} ", prompt.asked.question()), Role::Dim);
        let keys = match prompt.asked {
            Asked::Command => names(&prompt.text),
            Asked::Note | Asked::Time | Asked::Filter => "Enter, or Esc to leave".to_owned(),
        };
        let keys = span(format!("{GAP}{keys}"), Role::Dim);
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
    let mut row = TextRow::default();
    for screen in ScreenKind::ALL {
        let here = screen == look.state.screen;
        let action = Action::Screen(screen.number());
        let name = if here || width >= NAMES_FROM { screen.name() } else { "" };
        let roles = if here { (Role::Accent, Role::Title) } else { (Role::Key, Role::Dim) };
        put(&mut row, " ", &[action], (name, roles));
    }
    let mut last = TextRow::default();
    for action in ALWAYS {
        put(&mut last, GAP, &[action], (action.short(), (Role::Key, Role::Dim)));
    }
    let kept = line_width(&last.left);
    for (action, partner) in LISTED {
        let Some(said) = said(look, action) else { continue };
        let mut more = TextRow::default();
        let actions: Vec<Action> = [Some(action), partner].into_iter().flatten().collect();
        put(&mut more, GAP, &actions, (said, (Role::Key, Role::Dim)));
        if line_width(&row.left) + line_width(&more.left) + kept > width {
            break;
        }
        append(&mut row, more);
    }
    append(&mut row, last);
    row
}

/// The names that a line to run one can mean so far.
fn names(text: &str) -> String {
    const MOST: usize = 4;
    let all = Action::meant_by(text);
    let first: Vec<&str> = all.iter().take(MOST).map(|action| action.name()).collect();
    match (first.is_empty(), all.len() > MOST) {
        (true, _) => "no action is called that".to_owned(),
        (false, true) => format!("{}, …", first.join(", ")),
        (false, false) => first.join(", "),
    }
}

/// Adds the keys of some actions that share one word. The word stands for the first of them.
fn put(
    row: &mut TextRow,
    before: &'static str,
    actions: &[Action],
    (word, (key_role, word_role)): (&str, (Role, Role)),
) {
    row.left.push(span(before, Role::Dim));
    for action in actions {
        let from = line_width(&row.left) as u16;
        row.left.push(strong(key_of(*action), key_role));
        let to = line_width(&row.left) as u16;
        row.spots.push((from..to, Stands::For(Spot::Key(*action))));
    }
    if let (Some(first), false) = (actions.first(), word.is_empty()) {
        let from = line_width(&row.left) as u16;
        row.left.push(span(format!(" {word}"), word_role));
        let to = line_width(&row.left) as u16;
        row.spots.push((from..to, Stands::For(Spot::Key(*first))));
    }
}

/// Adds a piece behind a row.
fn append(row: &mut TextRow, piece: TextRow) {
    let from = line_width(&row.left) as u16;
    let moved = |columns: Range<u16>| from + columns.start..from + columns.end;
    row.spots.extend(piece.spots.into_iter().map(|(columns, stands)| (moved(columns), stands)));
    row.left.extend(piece.left);
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
    fn what_the_footer_lists_has_a_word() {
        for (action, _) in LISTED {
            assert!(!action.short().is_empty(), "{action:?}");
        }
    }
}
