//! The whole session in one row: how busy its GPUs were, what was found in it, what was marked, and
//! which part of it the lanes show.

use crate::app::State;
use crate::app::state::Whole;
use crate::fmt;
use crate::model::Severity;

use super::screen::{Line, Past, Role, Span, Stands, TextRow, span};
use super::text::line_width;

/// Below this many columns or rows the lanes need the row more.
const LEAST: (u16, u16) = (72, 20);
/// From nothing to all.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Rows that the strip takes of a screen of this size.
pub(super) const fn rows(state: &State, width: u16, height: u16) -> u16 {
    if state.whole.is_some() && width >= LEAST.0 && height >= LEAST.1 { 1 } else { 0 }
}

/// The row; `None` where no whole session is looked at.
pub(super) fn strip(state: &State, width: usize) -> Option<TextRow> {
    let whole = state.whole.as_ref()?;
    let (first_ms, last_ms) = whole.span_ms;
    let label = |mono_ms| fmt::clock(state.unix_ms(mono_ms), state.utc_offset_seconds);
    let mut left: Line = vec![span(format!(" {} ▕", label(first_ms)), Role::Dim)];
    let mut right: Line = vec![span(format!("▏{} ", label(last_ms)), Role::Dim)];
    if !whole.complete {
        right.push(span("looking on… ", Role::Paused));
    }
    let start = line_width(&left);
    let columns = width.saturating_sub(start + line_width(&right));
    left.extend(cells(state, whole, columns));
    left.extend(right);
    let past = Stands::Past(Past { from_ms: first_ms, to_ms: last_ms });
    let spots = vec![(start as u16..(start + columns) as u16, past)];
    Some(TextRow { left, spots, ..TextRow::default() })
}

fn cells(state: &State, whole: &Whole, columns: usize) -> Line {
    let (first_ms, last_ms) = whole.span_ms;
    let length = last_ms.saturating_sub(first_ms).max(1);
    let column = |mono_ms: u64| {
        let since = mono_ms.clamp(first_ms, last_ms) - first_ms;
        ((u128::from(since) * columns as u128 / u128::from(length)) as usize)
            .min(columns.saturating_sub(1))
    };
    let mut glyphs: Vec<(char, Role, bool)> =
        (0..columns).map(|at| (level(whole, at, columns), Role::GpuUtil, false)).collect();
    for finding in whole.findings.iter().filter(|finding| !state.is_aside(finding)) {
        let from = column(state.mono_ms(finding.start_ms));
        let end_ms = finding.end_ms.map_or(last_ms, |end| state.mono_ms(end));
        let to = column(end_ms);
        for cell in glyphs.get_mut(from..=to.max(from)).unwrap_or_default() {
            cell.1 = severity(finding.severity);
        }
    }
    for mark in &state.marks {
        if let Some(cell) = glyphs.get_mut(column(state.mono_ms(mark.at_ms))) {
            *cell = ('◆', Role::Accent, true);
        }
    }
    // The window that the lanes show is bold, and the moment in it a bar.
    let end_ms = state.transport.end(state.reach());
    let window = column(end_ms.saturating_sub(state.zoom_ms()))..=column(end_ms);
    for at in window {
        if let Some(cell) = glyphs.get_mut(at) {
            cell.2 = true;
        }
    }
    let here = state.transport.cursor().unwrap_or_else(|| state.reach().now_ms);
    if let Some(cell) = glyphs.get_mut(column(here)) {
        *cell = ('┃', Role::Cursor, true);
    }
    joined(&glyphs)
}

/// The height of a column; a blank where nothing is known.
fn level(whole: &Whole, at: usize, columns: usize) -> char {
    let parts = whole.overview.len();
    let (from, to) =
        (at * parts / columns, ((at + 1) * parts / columns).max(at * parts / columns + 1));
    let known: Vec<f32> = whole
        .overview
        .get(from..to.min(parts))
        .unwrap_or_default()
        .iter()
        .flatten()
        .map(|bucket| bucket.mean)
        .collect();
    if known.is_empty() {
        return '·';
    }
    let mean = known.iter().sum::<f32>() / known.len() as f32;
    LEVELS[((mean.clamp(0.0, 1.0) * 7.0).round() as usize).min(7)]
}

const fn severity(severity: Severity) -> Role {
    match severity {
        Severity::Info => Role::Info,
        Severity::Warn => Role::Warn,
        Severity::High => Role::High,
        Severity::Critical => Role::Critical,
    }
}

/// Neighbours of one look as one piece.
fn joined(glyphs: &[(char, Role, bool)]) -> Line {
    let mut line: Vec<Span> = Vec::new();
    for (glyph, role, strong) in glyphs {
        match line.last_mut() {
            Some(last) if last.role == *role && last.strong == *strong => last.text.push(*glyph),
            _ => line.push(Span { text: glyph.to_string(), role: *role, strong: *strong }),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::app::{Mark, Transport};
    use crate::history::Bucket;
    use crate::model::{Frame, Sample, Stamp};

    /// A session of 100 s, a quarter of which is known, looked at in its middle.
    fn state() -> State {
        let mut state = State::new(120, 36);
        let stamp = Stamp { unix_ms: 100_000, mono_ms: 100_000 };
        let sample = Arc::new(Sample { stamp, ..Sample::default() });
        state.latest = Some(Arc::new(Frame { sample, ..Frame::default() }));
        let full = Bucket { min: 1.0, mean: 1.0, max: 1.0 };
        let overview = (0..8).map(|part| (part < 2).then_some(full)).collect();
        let whole = Whole { span_ms: (0, 100_000), overview, ..Whole::default() };
        state.whole = Some(Arc::new(whole));
        state.transport = Transport::Paused { end_ms: 60_000, at_ms: 50_000 };
        state
    }

    fn text(row: &TextRow) -> String {
        row.left.iter().map(|span| span.text.as_str()).collect()
    }

    #[test]
    fn what_is_not_known_is_no_bar_and_the_moment_stands_in_its_place() {
        let row = strip(&state(), 100).unwrap();
        let text = text(&row);
        assert!(text.starts_with(" 00:00:00 ▕█") && text.contains("▏00:01:40"), "{text}");
        assert!(text.contains("looking on"), "{text}");
        let cells: Vec<char> = text.split(['▕', '▏']).nth(1).unwrap().chars().collect();
        assert_eq!(cells.iter().position(|cell| *cell == '┃'), Some(cells.len() / 2));
        assert_eq!(cells.last(), Some(&'·'));
    }

    #[test]
    fn a_mark_shows_and_nothing_panics_at_any_width() {
        let mut state = state();
        state.marks.push(Mark { at_ms: 90_000, note: String::new() });
        assert!(text(&strip(&state, 100).unwrap()).contains('◆'));
        for width in 0..40 {
            strip(&state, width);
        }
    }

    #[test]
    fn a_live_screen_has_none() {
        assert_eq!(strip(&State::new(120, 36), 120), None);
        assert_eq!(rows(&State::new(120, 36), 120, 36), 0);
        assert_eq!(rows(&state(), 60, 36), 0);
        assert_eq!(rows(&state(), 80, 24), 1);
    }
}
