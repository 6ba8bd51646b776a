//! Sentences below the plots of a screen, each with the word that stands before it.

use super::screen::{Role, TextRow, span, strong};
use super::text::{clauses, left, wrap};

/// Columns of the word before a sentence.
const HEAD: usize = 11;
/// The most lines of one sentence.
const LINES: usize = 3;

/// A sentence with the word that stands before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) head: &'static str,
    pub(super) text: String,
}

/// Rows that all of it would take.
pub(super) fn wanted(told: &[Told], width: usize) -> u16 {
    let lines: usize = told.iter().map(|one| lines_of(one, width)).sum();
    lines.min(usize::from(u16::MAX)) as u16
}

fn lines_of(told: &Told, width: usize) -> usize {
    wrap(&told.text, width.saturating_sub(HEAD + 1), LINES).len()
}

/// The sentences in at most `room` rows: the last ones get a line each before any is left out.
pub(super) fn rows(told: &[Told], width: usize, room: usize) -> Vec<TextRow> {
    let mut lines: Vec<usize> = told.iter().map(|one| lines_of(one, width)).collect();
    let over = |lines: &[usize]| lines.iter().sum::<usize>() > room;
    for at in (0..lines.len()).rev() {
        while over(&lines) && lines[at] > 1 {
            lines[at] -= 1;
        }
    }
    let mut rows = Vec::new();
    for (one, lines) in told.iter().zip(lines) {
        let lines = lines.min(room - rows.len().min(room));
        let text = clauses(&one.text, width.saturating_sub(HEAD + 1), lines);
        for (at, line) in text.into_iter().enumerate() {
            let head = if at == 0 { one.head } else { "" };
            rows.push(TextRow {
                left: vec![
                    strong(left(&format!(" {head}"), HEAD), Role::Title),
                    span(line, Role::Text),
                ],
                ..TextRow::default()
            });
        }
    }
    rows
}
