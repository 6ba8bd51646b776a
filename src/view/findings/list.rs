//! The list of the findings: a row each, with its span over all that was watched.

use crate::app::findings::finding_rows;
use crate::diagnose::audit::gpu_time;
use crate::fmt;
use crate::model::Finding;
use crate::view::focus::Look;
use crate::view::screen::{Line, Role, TextRow, span, strong};
use crate::view::text::{left, right, safe};
use crate::view::verdict::{badge, severity_role};

use super::heading;

/// Columns of the severity, the start, how long it lasted, and the GPU time lost.
const SEVERITY: usize = 10;
const START: usize = 8;
const LASTED: usize = 10;
const LOST: usize = 11;
/// The narrowest and the widest the finding's name gets, by the width of the list.
const NAME: std::ops::RangeInclusive<usize> = 12..=28;
/// The narrowest span worth drawing, and the widest.
const SPAN: std::ops::RangeInclusive<usize> = 16..=48;
/// Fewer columns of a sentence say nothing.
const WORDS: usize = 24;

/// What a width has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plan {
    name: usize,
    lost: bool,
    words: usize,
    span: usize,
}

fn plan(width: usize) -> Plan {
    let fixed = SEVERITY + START + LASTED + 3;
    let name = (width / 5).clamp(*NAME.start(), *NAME.end());
    let room = width.saturating_sub(fixed + name + 1);
    let lost = room >= LOST + 1 + WORDS;
    let room = if lost { room - LOST - 1 } else { room };
    let span = (room / 2).min(*SPAN.end());
    if room >= SPAN.start() + WORDS + 2 && span >= *SPAN.start() {
        return Plan { name, lost, words: room - span - 1, span };
    }
    Plan { name, lost, words: room.saturating_sub(1), span: 0 }
}

/// Rows that the list would like to have.
pub(super) fn wanted(look: &Look<'_>) -> u16 {
    let rows = look.state.known().len().max(2) + 2;
    u16::try_from(rows).unwrap_or(u16::MAX)
}

/// The list in at most `height` rows, its headings included. The chosen finding is always among them.
pub(super) fn list(look: &Look<'_>, width: usize, height: usize) -> Vec<TextRow> {
    let rows = finding_rows(look.state);
    let mut out = vec![heading("Findings", &counts(look, &rows), width)];
    if rows.is_empty() {
        let text = if look.state.latest.is_none() {
            "waiting for the first sample"
        } else {
            "none so far"
        };
        out.push(TextRow { left: vec![span(format!(" {text}"), Role::Dim)], ..TextRow::default() });
        out.truncate(height);
        return out;
    }
    let plan = plan(width);
    let columns = height > 4;
    if columns {
        out.push(columns_row(look, plan));
    }
    let room = height.saturating_sub(out.len());
    let chosen = look.state.chosen_finding;
    let at = rows.iter().position(|finding| Some(finding.id) == chosen);
    let first = at.map_or(0, |at| (at + 1).saturating_sub(room));
    for finding in rows.iter().skip(first).take(room) {
        let mut row = row(look, finding, plan);
        row.selected = Some(finding.id) == chosen;
        out.push(row);
    }
    let hidden = rows.len().saturating_sub(first + room);
    if hidden > 0
        && room > 0
        && let Some(last) = out.last_mut()
    {
        last.right = vec![span(format!("+{hidden} findings "), Role::Dim)];
    }
    out.truncate(height);
    out
}

fn counts(look: &Look<'_>, rows: &[&Finding]) -> String {
    let aside = rows.iter().filter(|finding| look.state.is_aside(finding)).count();
    let open = rows.iter().filter(|finding| finding.end_ms.is_none()).count();
    let mut text = format!("{open} open · {} past", rows.len() - open);
    if aside > 0 {
        text += &format!(" · {aside} put aside");
    }
    text
}

fn columns_row(look: &Look<'_>, plan: Plan) -> TextRow {
    let mut text = format!(" {}", left("SEVERITY", SEVERITY));
    text += &left("FINDING", plan.name + 1);
    text += &left("SINCE", START + 1);
    text += &right("LASTED", LASTED);
    if plan.lost {
        text += &format!(" {}", right("LOST", LOST));
    }
    let mut line = vec![strong(text, Role::Dim)];
    if plan.span > 0 {
        let watched = look.state.watched();
        let offset = look.state.utc_offset_seconds;
        let (from, to) = (fmt::clock(watched.from_ms, offset), fmt::clock(watched.to_ms, offset));
        let gap = plan.span.saturating_sub(from.len() + to.len());
        line.push(span(format!("  {from}{}{to}", " ".repeat(gap)), Role::Dim));
    }
    if plan.words > 0 {
        line.push(strong("  WHAT", Role::Dim));
    }
    TextRow { left: line, ..TextRow::default() }
}

fn row(look: &Look<'_>, finding: &Finding, plan: Plan) -> TextRow {
    let state = look.state;
    let aside = state.is_aside(finding);
    let open = finding.end_ms.is_none();
    // A mark and a word beside the colour: open, past, put aside.
    let (mark, word) = match (aside, open) {
        (true, _) => ("×", "aside"),
        (false, true) => ("●", finding.severity.code()),
        (false, false) => ("○", finding.severity.code()),
    };
    let role = if aside { Role::Dim } else { severity_role(finding.severity) };
    let text = |role| if aside { Role::Dim } else { role };
    let end = finding.end_ms.unwrap_or_else(|| state.unix_ms(state.known_until_ms()));
    let seconds = end.saturating_sub(finding.start_ms).max(0) as u64 / 1000;
    let mut line: Line = vec![
        strong(format!(" {}", left(&format!("{mark} {word}"), SEVERITY)), role),
        strong(left(&badge(finding), plan.name), role),
        span(" ", Role::Dim),
        span(
            left(&fmt::clock(finding.start_ms, state.utc_offset_seconds), START),
            text(Role::Text),
        ),
        span(right(&fmt::ago(seconds), LASTED + 1), text(Role::Text)),
    ];
    if plan.lost {
        let lost = finding.cost.map(|cost| gpu_time(cost.gpu_seconds));
        let role = if lost.is_some() { Role::Blocked } else { Role::Gap };
        let lost = lost.unwrap_or_else(|| fmt::NONE.to_owned());
        line.push(span(format!(" {}", right(&lost, LOST)), text(role)));
    }
    if plan.span > 0 {
        line.push(span("  ", Role::Dim));
        line.extend(bar(look, finding, plan.span, role));
    }
    if plan.words > 2 {
        line.push(span(format!("  {}", safe(&finding.title)), text(Role::Text)));
    }
    TextRow { left: line, ..TextRow::default() }
}

/// The span of a finding over all that was watched, with the moment that is looked at.
fn bar(look: &Look<'_>, finding: &Finding, columns: usize, role: Role) -> Line {
    let watched = look.state.watched();
    let length = watched.to_ms.saturating_sub(watched.from_ms).max(1);
    let column = |at_ms: i64| {
        let since = at_ms.saturating_sub(watched.from_ms).clamp(0, length);
        ((i128::from(since) * columns as i128 / i128::from(length)) as usize).min(columns - 1)
    };
    let from = column(finding.start_ms);
    let to = column(finding.end_ms.unwrap_or(watched.to_ms)).max(from);
    let here = (!look.live()).then(|| column(look.state.shown_unix_ms()));
    let mut line = Line::new();
    for at in 0..columns {
        let (glyph, role) = match at {
            at if here == Some(at) => ('┃', Role::Cursor),
            at if (from..=to).contains(&at) => ('█', role),
            _ => ('·', Role::Dim),
        };
        match line.last_mut() {
            Some(last) if last.role == role => last.text.push(glyph),
            _ => line.push(span(glyph, role)),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_never_needs_more_than_the_width() {
        for width in 60..300 {
            let Plan { name, lost, words, span } = plan(width);
            let lost = if lost { LOST + 1 } else { 0 };
            let used = SEVERITY + START + LASTED + 3 + name + lost + words + span;
            assert!(used <= width, "{width}: {used}");
        }
    }

    #[test]
    fn the_sentence_stays_longest_and_a_wide_list_draws_spans() {
        assert_eq!(plan(80).span, 0);
        assert!(plan(80).words >= 16, "{:?}", plan(80));
        assert!(plan(120).span >= 16 && plan(120).words >= WORDS, "{:?}", plan(120));
    }
}
