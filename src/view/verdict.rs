//! The verdict: what is the matter and what to change. A finding, which was proved over its window,
//! and the provisional state of the last two seconds never look alike.

use crate::app::Spot;
use crate::diagnose::{Doing, RunState};
use crate::fmt;
use crate::model::inventory::SourceState;
use crate::model::{Bound, Finding, Severity};

use super::focus::Look;
use super::screen::{Line, Role, TextRow, span, strong};
use super::text::{bold, clauses, cut, line_width, safe, word, wrap};
use crate::history::Track;

/// Below so many columns a finding is told without its cause's name and without what goes on beside it.
const NARROW: usize = 90;

/// Beside the remedy: the key to the evidence.
const WHY: &str = "[Enter] why ";

/// How many lines each piece of the verdict may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Lines of the finding's sentence.
    pub(super) title: usize,
    /// Lines of gain and advice.
    pub(super) advice: usize,
    /// Lines of sources that fail.
    pub(super) sources: usize,
}

impl Room {
    /// What a screen of so many rows can spare.
    pub(super) const fn of(height: u16) -> Self {
        match height {
            // A source that fails explains empty lanes, so its line goes last.
            0..20 => Self { title: 1, advice: 0, sources: 0 },
            20..24 => Self { title: 1, advice: 0, sources: 1 },
            24..34 => Self { title: 2, advice: 1, sources: 1 },
            _ => Self { title: 2, advice: 2, sources: 1 },
        }
    }
}

/// The rows of the verdict.
pub(super) fn verdict(look: &Look<'_>, width: usize, room: Room) -> Vec<TextRow> {
    let mut rows = match look.state.verdict() {
        Some(finding) => finding_rows(look, finding, width, room)
            .into_iter()
            .map(|row| row.standing_for(Spot::Verdict))
            .collect(),
        None => vec![provisional(look)],
    };
    if room.sources > 0
        && let Some(row) = failing_source(look)
    {
        rows.push(row);
    }
    rows
}

/// The colour of a severity.
pub(super) const fn severity_role(severity: Severity) -> Role {
    match severity {
        Severity::Info => Role::Info,
        Severity::Warn => Role::Warn,
        Severity::High => Role::High,
        Severity::Critical => Role::Critical,
    }
}

/// `STARVED · DISK-BOUND`.
pub(super) fn badge(finding: &Finding) -> String {
    let rule = finding.rule.code();
    finding.cause.map_or_else(|| rule.to_owned(), |cause| format!("{rule} · {}", cause.code()))
}

fn finding_rows(look: &Look<'_>, finding: &Finding, width: usize, room: Room) -> Vec<TextRow> {
    let role = severity_role(finding.severity);
    // Where there is little room the sentence matters more than what stands around it.
    let narrow = width < NARROW;
    let badge = if narrow { finding.rule.code().to_owned() } else { badge(finding) };
    let right = if narrow { Line::new() } else { aside(look, finding) };
    let indent = badge.chars().count() + 4;
    // What the loop does now is no part of the sentence, and stands apart from it.
    let apart = if right.is_empty() { 1 } else { 3 };
    let first = width.saturating_sub(indent + line_width(&right) + apart);
    let mut rows = Vec::new();
    let title = clauses(&safe(&finding.title), first.max(16), room.title);
    for (at, text) in title.into_iter().enumerate() {
        let (left, right) = if at == 0 {
            let left = vec![
                strong(format!(" {badge}"), role),
                span("  ", Role::Dim),
                strong(text, Role::Text),
            ];
            (left, right.clone())
        } else {
            (vec![span(" ".repeat(indent - 1), Role::Dim), strong(text, Role::Text)], Line::new())
        };
        rows.push(TextRow { left, right, bar: Some(role), ..TextRow::default() });
    }
    rows.extend(remedy(finding, role, width, room.advice));
    rows
}

/// What it would give and what to change. The range of the gain gives way to the remedy.
fn remedy(finding: &Finding, role: Role, width: usize, lines: usize) -> Vec<TextRow> {
    // The footer names the key too, and a narrow screen has better use for the columns.
    let why = if width < NARROW { "" } else { WHY };
    let columns = width.saturating_sub(3 + why.len() + 1);
    let advice = safe(&finding.advice);
    let mut gain = safe(&finding.gain);
    let join = |gain: &str| {
        let both = [gain, advice.as_str()].into_iter().filter(|text| !text.is_empty());
        both.collect::<Vec<_>>().join(" · ")
    };
    if wrap(&join(&gain), columns, lines + 1).len() > lines {
        gain.truncate(gain.find(" (").unwrap_or(gain.len()));
    }
    let mut rows = Vec::new();
    for (at, text) in clauses(&join(&gain), columns, lines).into_iter().enumerate() {
        let right = if at == 0 { vec![span(why, Role::Key)] } else { Line::new() };
        let mut left = vec![span("   ", Role::Dim)];
        match text.strip_prefix(gain.as_str()).filter(|_| at == 0 && !gain.is_empty()) {
            Some(rest) => left.extend([strong(gain.clone(), Role::Good), span(rest, Role::Text)]),
            None => left.push(span(text, Role::Text)),
        }
        rows.push(TextRow { left, right, bar: Some(role), ..TextRow::default() });
    }
    rows
}

/// Beside a finding: what the loop does at this moment, and whether there are other findings.
fn aside(look: &Look<'_>, finding: &Finding) -> Line {
    let mut line = Line::new();
    if let Some(end) = finding.end_ms {
        let at = fmt::clock(end, look.state.utc_offset_seconds);
        line.push(span(format!("ended {at} "), Role::Dim));
    } else if look.live()
        && let Some(now) = look.state.now.iter().find(|now| Some(now.run) == finding.run)
    {
        let when = if look.present() { "now " } else { "" };
        line.push(span(when, Role::Dim));
        line.push(span(doing_words(now.state), doing_role(now.state)));
        line.push(span(" ", Role::Dim));
    }
    let others = look.state.open_findings().len().saturating_sub(1);
    if others > 0 {
        line.push(span(format!("+{others} more "), Role::Dim));
    }
    line
}

const fn doing_words(doing: Doing) -> &'static str {
    match doing {
        Doing::WaitsForData => "waits for data",
        Doing::Delivery => "waits for the hand-over",
        Doing::FallsBehind => "falls behind",
        Doing::Computing => "computes",
        Doing::Ahead => "computes, loader ahead",
        Doing::Idle => "idle",
        Doing::WarmingUp => "warming up",
        Doing::Unknown => "not known",
    }
}

const fn doing_role(doing: Doing) -> Role {
    match doing {
        Doing::WaitsForData | Doing::Delivery => Role::Blocked,
        Doing::FallsBehind => Role::Warn,
        Doing::Computing | Doing::Ahead => Role::Good,
        Doing::Idle | Doing::WarmingUp | Doing::Unknown => Role::Dim,
    }
}

/// The row where no finding holds: what the last two seconds say, marked as no more than that.
fn provisional(look: &Look<'_>) -> TextRow {
    if !look.live() {
        return at_cursor(look);
    }
    let state = look.state;
    let when = if look.present() {
        "now".to_owned()
    } else {
        format!("at {}", fmt::clock(state.shown_unix_ms(), state.utc_offset_seconds))
    };
    let row = |text: &str, role| TextRow {
        left: vec![span(format!(" {when} "), Role::Dim), word(text, role)],
        bar: Some(Role::Dim),
        ..TextRow::default()
    };
    let Some(inventory) = look.inventory() else {
        return row("waiting for the first sample", Role::Dim);
    };
    if inventory.runs.is_empty() {
        return row("no training loop found", Role::Text);
    }
    let Some(now) = worst_now(look) else {
        return row("too early to say what the training loop does", Role::Dim);
    };
    let text = if now.text.is_empty() { doing_words(now.state) } else { &now.text };
    let mut row = row("", Role::Dim);
    row.left.push(bold(&cut(&safe(text), 200), doing_role(now.state)));
    if let Some(wait) = now.wait.ok() {
        let share = fmt::percent(wait);
        let text = format!("  blocked {}{} of the last 2 s", now.bound.mark(), share.trim_start());
        row.left.push(span(text, Role::Text));
    }
    row.bar = Some(doing_role(now.state));
    row.right = vec![span("provisional: no finding holds ", Role::Dim)];
    if state.now.len() > 1 {
        row.right.insert(0, span(format!("worst of {} runs · ", state.now.len()), Role::Dim));
    }
    row
}

fn worst_now<'a>(look: &Look<'a>) -> Option<&'a RunState> {
    let chosen = look.state.selected_row().map(|row| row.run);
    let of_run = chosen.and_then(|run| look.state.now.iter().find(|now| now.run == run));
    of_run.or_else(|| {
        look.state.now.iter().max_by_key(|now| (now.severity, std::cmp::Reverse(now.run)))
    })
}

/// A past moment without a finding: what was measured then, and no judgement.
fn at_cursor(look: &Look<'_>) -> TextRow {
    let at = fmt::clock(look.state.shown_unix_ms(), look.state.utc_offset_seconds);
    let wait = look
        .loader
        .and_then(|loader| look.read(&Track::LoaderWait(loader.loader)).ok())
        .map(|wait| {
            format!("  blocked {}{} of that tick", wait_mark(look), fmt::percent(wait).trim_start())
        });
    let left = vec![
        span(format!(" at {at}"), Role::Paused),
        span(wait.unwrap_or_default(), Role::Text),
        span("  no finding holds here", Role::Dim),
    ];
    let on = if look.state.is_replay() { "space plays on " } else { "End goes back to now " };
    let right = vec![span(on, Role::Key)];
    TextRow { left, right, bar: Some(Role::Paused), ..TextRow::default() }
}

fn wait_mark(look: &Look<'_>) -> &'static str {
    look.loader.and_then(|loader| loader.wait_bound.ok()).unwrap_or(Bound::Doubtful).mark()
}

/// The first source that should work and does not, with its remedy.
fn failing_source(look: &Look<'_>) -> Option<TextRow> {
    let sources = &look.inventory()?.sources;
    let bad: Vec<_> = sources
        .iter()
        .filter(|source| match source.state {
            SourceState::Failed => true,
            SourceState::Partial => !source.remedy.is_empty(),
            SourceState::Ok | SourceState::Absent | SourceState::Unknown => false,
        })
        .collect();
    let worst =
        bad.iter().find(|source| source.state == SourceState::Failed).or_else(|| bad.first())?;
    let mut left =
        vec![word(&format!(" {}: {}", worst.source, cut(&worst.message, 300)), Role::Warn)];
    if !worst.remedy.is_empty() {
        left.push(word(&format!(" → {}", cut(&worst.remedy, 300)), Role::Text));
    }
    let right = match bad.len() {
        1 => Line::new(),
        more => vec![span(format!("+{} more ", more - 1), Role::Dim)],
    };
    Some(TextRow { left, right, bar: Some(Role::Warn), ..TextRow::default() })
}

/// The verdict in a few words, for a screen that has room for nothing else.
pub(super) fn short(look: &Look<'_>) -> Line {
    if let Some(finding) = look.state.verdict() {
        let role = severity_role(finding.severity);
        return vec![
            strong(finding.rule.code(), role),
            word(&format!(" {}", cut(&finding.title, 200)), Role::Text),
        ];
    }
    provisional(look).left
}
