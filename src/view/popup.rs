//! What lies over a screen: the keys, a finding in full, a worker in full.

use crate::app::keymap::keys_of;
use crate::app::{Action, Overlay, ScreenKind, pointer};
use crate::diagnose;
use crate::fmt;
use crate::model::Finding;

use super::focus::Look;
use super::gpus;
use super::loaders;
use super::processes;
use super::screen::{Area, Body, Line, Part, Role, TextRow, span, strong};
use super::text::{left, safe, wrap};
use super::verdict::{badge, severity_role};

/// The widest popup: longer lines are hard to read.
const COLUMNS_MAX: u16 = 100;

/// Columns of the keys beside what they do.
const KEYS: usize = 18;

/// Pieces of evidence that are shown.
const EVIDENCE_MAX: usize = 32;

/// The popup that is open, where the screen has room for one.
pub(super) fn popup(look: &Look<'_>, width: u16, height: u16) -> Option<Part> {
    let overlay = look.state.overlay?;
    let columns = width.saturating_sub(4).min(COLUMNS_MAX);
    let room = height.saturating_sub(2);
    if columns < 20 || room < 4 {
        return None;
    }
    let inner = usize::from(columns) - 4;
    let (title, rows, scroll) = match overlay {
        Overlay::Help { scroll } => (vec![strong(" Keys ", Role::Title)], help(inner), scroll),
        Overlay::Finding { id, scroll } => {
            let finding = look.state.finding(id)?;
            let title = format!(" {} · {} ", badge(finding), finding.severity.code());
            let title = vec![strong(title, severity_role(finding.severity))];
            (title, finding_rows(look, finding, inner), scroll)
        }
        Overlay::Gpu { gpu, scroll } => {
            let (title, rows) = gpus::popup(look, gpu, inner)?;
            (title, rows, scroll)
        }
        Overlay::Process { pid, scroll } => {
            let (title, rows) = processes::popup(look, pid, inner)?;
            (title, rows, scroll)
        }
        Overlay::Signal(asking) => {
            let (title, rows) = processes::signal(look, asking, inner);
            // The one that is chosen is never out of sight.
            let chosen = rows.iter().position(|row| row.selected).unwrap_or(0);
            (title, rows, (chosen + 3).saturating_sub(usize::from(room)))
        }
        Overlay::Worker { loader, worker, scroll } => {
            let (title, rows) = loaders::popup(look, loader, worker, inner)?;
            (title, rows, scroll)
        }
    };
    let lines = room.saturating_sub(2).min(rows.len() as u16);
    let scroll = scroll.min(rows.len() - usize::from(lines));
    let more = rows.len() - usize::from(lines) - scroll;
    let mut rows: Vec<TextRow> = rows.into_iter().skip(scroll).take(usize::from(lines)).collect();
    if (more > 0 || scroll > 0)
        && let Some(last) = rows.last_mut()
    {
        let text = if more > 0 { format!("↓ {more} more") } else { "↑".to_owned() };
        last.right = vec![span(text, Role::Key)];
    }
    let area = Area {
        x: (width - columns) / 2,
        y: (height - lines - 2) / 2,
        width: columns,
        height: lines + 2,
    };
    Some(Part { area, body: Body::Popup { title, rows } })
}

fn row(left: Line) -> TextRow {
    TextRow { left, ..TextRow::default() }
}

fn help(columns: usize) -> Vec<TextRow> {
    let mut rows = Vec::new();
    for action in Action::ALL {
        let keys = format!(" {}", left(&keys_of(*action).join("  "), KEYS));
        let text = match action {
            Action::Screen(_) => format!("screen: {}", action.help()),
            _ => action.help().to_owned(),
        };
        rows.extend(explained(&keys, &text, columns));
    }
    rows.push(row(Line::new()));
    for (what, text) in pointer::HELP {
        rows.extend(explained(&format!(" {}", left(what, KEYS)), text, columns));
    }
    rows.push(row(Line::new()));
    rows.push(row(vec![span(
        " Worker letters: R on a CPU  Q ready to run  D disk  N network  S other wait",
        Role::Text,
    )]));
    rows.push(row(vec![span("                 · ahead and idle  Z dead", Role::Text)]));
    rows.push(row(vec![span(" Marks: ≤ at most  ≥ at least  ~ doubtful  – no value", Role::Text)]));
    for row in &mut rows {
        row.left = super::text::cut_line(std::mem::take(&mut row.left), columns);
    }
    rows
}

/// What one does, and what that does beside it.
fn explained(what: &str, text: &str, columns: usize) -> Vec<TextRow> {
    let mut what = Some(strong(what, Role::Key));
    let lines = wrap(text, columns.saturating_sub(KEYS + 1), 3).into_iter();
    lines
        .map(|line| {
            let first = what.take().unwrap_or_else(|| span(" ".repeat(KEYS + 1), Role::Dim));
            row(vec![first, span(line, Role::Text)])
        })
        .collect()
}

fn finding_rows(look: &Look<'_>, finding: &Finding, columns: usize) -> Vec<TextRow> {
    let mut rows = Vec::new();
    let mut paragraph = |head: &str, text: &str, role: Role| {
        let text = safe(text);
        if text.trim().is_empty() {
            return;
        }
        if !head.is_empty() {
            rows.push(row(Line::new()));
            rows.push(row(vec![strong(format!(" {head}"), Role::Title)]));
        }
        for line in wrap(&text, columns.saturating_sub(2), 12) {
            rows.push(row(vec![span(format!(" {line}"), role)]));
        }
    };
    paragraph("", &finding.title, Role::Text);
    paragraph("", &when(look, finding), Role::Dim);
    let cause = finding.cause.and_then(diagnose::about_cause);
    if let Some(about) = cause {
        paragraph("Cause", about.what, Role::Text);
    } else if let Some(about) = diagnose::about(finding.rule) {
        paragraph("What it means", about.what, Role::Text);
    }
    for (at, evidence) in finding.evidence.iter().take(EVIDENCE_MAX).enumerate() {
        let head = if at == 0 { "Evidence" } else { "" };
        let text = if evidence.text.is_empty() {
            format!("• {} of {}: {:.3}", evidence.series, evidence.entity, evidence.value)
        } else {
            format!("• {}", evidence.text)
        };
        paragraph(head, &text, Role::Text);
    }
    paragraph("What to change", &finding.advice, Role::Text);
    paragraph("What it would give", &finding.gain, Role::Good);
    paragraph("What it has cost", &diagnose::audit::cost(finding), Role::Blocked);
    rows.push(row(Line::new()));
    let mut keys = Line::new();
    if look.state.screen == ScreenKind::Findings {
        keys.push(strong(" Enter", Role::Key));
        keys.push(span(" its span on the lanes  ", Role::Dim));
    }
    keys.extend([
        strong(" y", Role::Key),
        span(" copy the advice   ", Role::Dim),
        strong("x", Role::Key),
        span(" put aside   ", Role::Dim),
        strong("[ ]", Role::Key),
        span(" others   ", Role::Dim),
        strong("Esc", Role::Key),
        span(" close", Role::Dim),
    ]);
    rows.push(row(super::text::cut_line(keys, columns)));
    rows
}

fn when(look: &Look<'_>, finding: &Finding) -> String {
    let state = look.state;
    let start = fmt::clock(finding.start_ms, state.utc_offset_seconds);
    let end = finding.end_ms.unwrap_or_else(|| state.unix_ms(state.known_until_ms()));
    let seconds = end.saturating_sub(finding.start_ms).max(0) as u64 / 1000;
    let lasted = fmt::ago(seconds);
    match finding.end_ms {
        Some(end) => {
            let end = fmt::clock(end, state.utc_offset_seconds);
            format!("from {start} to {end}, {lasted}")
        }
        None => format!("since {start}, {lasted}"),
    }
}
