//! The list of the findings: a row each, with its span over all that was watched.

use crate::app::Spot;
use crate::app::findings::finding_rows;
use crate::diagnose::audit::gpu_time;
use crate::fmt;
use crate::model::Finding;
use crate::view::focus::Look;
use crate::view::screen::{Line, Role, TextRow, span, strong};
use crate::view::text::{cut, left, right, safe};
use crate::view::verdict::{badge, severity_role};

use super::heading;

/// Columns of the severity, the start, how long it lasted, and the GPU time lost.
const SEVERITY: usize = 11;
const START: usize = 9;
const LASTED: usize = 11;
const LOST: usize = 12;
/// The narrowest and the widest the finding's name and its process get.
const NAME: std::ops::RangeInclusive<usize> = 14..=30;
const WHOSE: std::ops::RangeInclusive<usize> = 14..=24;
/// The narrowest span worth drawing, and the widest.
const SPAN: std::ops::RangeInclusive<usize> = 16..=60;
/// Fewer columns of a sentence say nothing beside its process.
const WORDS: usize = 40;
/// Between two columns.
const GAP: usize = 2;

/// What a width has room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Plan {
    name: usize,
    lost: usize,
    /// Columns of the process; 0 where the sentence, which begins with it, stands alone.
    whose: usize,
    span: usize,
    words: usize,
}

fn plan(width: usize) -> Plan {
    let name = (width / 4).clamp(*NAME.start(), *NAME.end());
    let room = width.saturating_sub(1 + SEVERITY + name + START + LASTED);
    let least = LOST + GAP + WHOSE.start() + GAP + SPAN.start() + 1;
    if room < least {
        return Plan { name, words: room.saturating_sub(GAP), ..Plan::default() };
    }
    let whose = (*WHOSE.start() + (room - least) / 4).min(*WHOSE.end());
    let room = room - (LOST + GAP + whose + GAP);
    if room >= SPAN.start() + GAP + WORDS {
        let span = ((room - GAP) / 2).min(*SPAN.end()).min(room - GAP - WORDS);
        return Plan { name, lost: LOST, whose, span, words: room - span - GAP };
    }
    Plan { name, lost: LOST, whose, span: (room - 1).min(*SPAN.end()), words: 0 }
}

/// Rows that the list would like to have.
pub(super) fn wanted(look: &Look<'_>) -> u16 {
    // Two headings, and a blank row to what is below.
    let rows = look.state.known().len().max(1) + 3;
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
        out.push(row.standing_for(Spot::Finding(finding.id)));
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
        text.push_str(" · ");
        text.push_str(&aside.to_string());
        text.push_str(" put aside");
    }
    text
}

fn columns_row(look: &Look<'_>, plan: Plan) -> TextRow {
    let mut text = format!(" {}{}", left("SEVERITY", SEVERITY), left("FINDING", plan.name));
    text += &right("SINCE", START);
    text += &right("LASTED", LASTED);
    text += &right("LOST", plan.lost);
    let gap = " ".repeat(GAP);
    if plan.whose > 0 {
        text.push_str(&gap);
        text.push_str(&left("RUN", plan.whose));
    }
    let mut line = vec![strong(text, Role::Dim)];
    if plan.span > 0 {
        let watched = look.state.watched();
        let offset = look.state.utc_offset_seconds;
        let (from, to) = (fmt::clock(watched.from_ms, offset), fmt::clock(watched.to_ms, offset));
        let between = " ".repeat(plan.span.saturating_sub(from.len() + to.len()));
        line.push(span(
            format!("{gap}{}", left(&format!("{from}{between}{to}"), plan.span)),
            Role::Dim,
        ));
    }
    if plan.words > 0 {
        line.push(strong(format!("{gap}WHAT"), Role::Dim));
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
    let since = fmt::clock(finding.start_ms, state.utc_offset_seconds);
    let gap = " ".repeat(GAP);
    let mut line: Line = vec![
        strong(format!(" {}", left(&format!("{mark} {word}"), SEVERITY)), role),
        strong(left(&badge(finding), plan.name), role),
        span(right(&since, START), text(Role::Text)),
        span(right(&fmt::ago(seconds), LASTED), text(Role::Text)),
    ];
    if plan.lost > 0 {
        let lost = finding.cost.map(|cost| gpu_time(cost.gpu_seconds));
        let role = if lost.is_some() { Role::Blocked } else { Role::Gap };
        let lost = lost.unwrap_or_else(|| fmt::NONE.to_owned());
        line.push(span(right(&lost, plan.lost), text(role)));
    }
    if plan.whose > 0 {
        line.push(span(
            format!("{gap}{}", left(&whose(look, finding), plan.whose)),
            text(Role::Title),
        ));
    }
    if plan.span > 0 {
        line.push(span(gap.clone(), Role::Dim));
        line.extend(bar(look, finding, plan.span, role));
    }
    if plan.words > 0 {
        line.push(span(format!("{gap}{}", safe(&finding.title)), text(Role::Text)));
    }
    TextRow { left: line, ..TextRow::default() }
}

/// Whose a finding is: the run with its worst rank, as far as they are still known, else the process.
fn whose(look: &Look<'_>, finding: &Finding) -> String {
    let inventory = look.inventory();
    let run = finding.run.and_then(|run| inventory?.run(run));
    let rank = finding.pid.and_then(|pid| inventory?.proc(pid)).and_then(|proc| proc.rank);
    let several = run.is_some_and(|run| run.trainers.len() > 1);
    let name = run.map(|run| safe(&run.name)).filter(|name| !name.is_empty());
    match (name, rank.filter(|_| several), finding.pid) {
        (Some(name), Some(rank), _) => format!("{} rank {rank}", cut(&name, WHOSE.end() - 8)),
        (Some(name), None, _) => name,
        (None, _, Some(pid)) => format!("pid {pid}"),
        (None, _, None) => fmt::NONE.to_owned(),
    }
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
            at if (from..=to).contains(&at) => ('▆', role),
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
            let Plan { name, lost, whose, span, words } = plan(width);
            let gaps = [whose, span, words].iter().filter(|part| **part > 0).count() * GAP;
            let used = 1 + SEVERITY + name + START + LASTED + lost + whose + span + words + gaps;
            assert!(used <= width, "{width}: {used} for {:?}", plan(width));
        }
    }

    #[test]
    fn a_narrow_list_has_the_sentence_and_a_wide_one_draws_spans() {
        assert!(plan(80).span == 0 && plan(80).words >= 20, "{:?}", plan(80));
        assert!(plan(116).span >= 16 && plan(120).whose >= 14, "{:?}", plan(120));
        assert!(plan(200).words >= WORDS, "{:?}", plan(200));
    }
}
