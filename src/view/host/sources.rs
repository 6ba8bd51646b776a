//! How each source fares: fine, in part, absent or failed; why, and what would mend it.

use crate::model::inventory::{SourceState, SourceStatus};
use crate::view::focus::Look;
use crate::view::screen::{Role, TextRow, span, strong};
use crate::view::text::{left, safe, wrap};

/// Columns of a source's name and of its state.
const NAME: usize = 11;
const STATE: usize = 8;
/// Lines of what is said of one source.
const LINES: usize = 3;

/// The sources, those with something to say first.
pub(super) fn sources(look: &Look<'_>, width: usize) -> Vec<TextRow> {
    let mut rows = vec![TextRow {
        left: vec![
            strong(" Sources", Role::Title),
            span("  what could be read, and what not", Role::Dim),
        ],
        ..TextRow::default()
    }];
    let mut all: Vec<&SourceStatus> =
        look.inventory().into_iter().flat_map(|names| &names.sources).map(|one| &**one).collect();
    if all.is_empty() {
        let text = " none has told yet";
        rows.push(TextRow { left: vec![span(text, Role::Gap)], ..TextRow::default() });
    }
    all.sort_by_key(|status| (rank(status.state), status.source.clone()));
    for status in all {
        rows.extend(source(status, width));
    }
    rows.push(TextRow::default());
    rows
}

const fn rank(state: SourceState) -> u8 {
    match state {
        SourceState::Failed => 0,
        SourceState::Partial => 1,
        SourceState::Unknown => 2,
        SourceState::Absent => 3,
        SourceState::Ok => 4,
    }
}

fn source(status: &SourceStatus, width: usize) -> Vec<TextRow> {
    let (word, role) = match status.state {
        SourceState::Ok => ("fine", Role::Good),
        SourceState::Partial => ("in part", Role::Warn),
        SourceState::Absent => ("absent", Role::Dim),
        SourceState::Failed => ("failed", Role::Critical),
        SourceState::Unknown => ("unknown", Role::Gap),
    };
    let message = safe(&status.message);
    let remedy = safe(&status.remedy);
    let text = match (message.is_empty(), remedy.is_empty()) {
        (_, true) => message,
        (true, false) => remedy,
        (false, false) => format!("{} {remedy}", ended(&message)),
    };
    let room = width.saturating_sub(NAME + STATE + 2);
    let lines = wrap(&text, room, LINES);
    let lines = if lines.is_empty() { vec![String::new()] } else { lines };
    let rows = lines.into_iter().enumerate().map(|(at, line)| {
        let (name, word) = if at == 0 { (safe(&status.source), word) } else { (String::new(), "") };
        let left = vec![
            span(left(&format!(" {name}"), NAME), Role::Text),
            span(left(&format!(" {word}"), STATE + 1), role),
            span(format!(" {line}"), Role::Text),
        ];
        TextRow { left, ..TextRow::default() }
    });
    rows.collect()
}

/// A sentence with its end.
fn ended(text: &str) -> String {
    if text.ends_with(['.', '!', '?', ':']) { text.to_owned() } else { format!("{text}.") }
}
