//! The audit on screen: the areas with their grades, and the changes worth most.

use crate::diagnose::audit::{AreaPart, Audit, Grade, Worth, gpu_time, money};
use crate::fmt;
use crate::view::screen::{Line, Role, TextRow, span, strong};
use crate::view::text::{clauses, left, right, safe};

use super::heading;

/// Columns of the grade, the area's name, its findings and what they lost.
const GRADE: usize = 4;
const AREA: usize = 15;
const FOUND: usize = 9;
const LOST: usize = 13;
const SHARE: usize = 6;
/// Columns of the bar of what an area lost: all of the time of the GPUs in use.
const BAR: usize = 12;
/// Below so many columns the figures of an area give way to its words.
const NARROW: usize = 100;
/// Lines that the words of an area and a change may take, where they stand beside the findings.
const LINES: usize = 3;

/// The colour of a grade.
pub(super) const fn grade_role(grade: Option<Grade>) -> Role {
    match grade {
        Some(Grade::A | Grade::B) => Role::Good,
        Some(Grade::C) => Role::Warn,
        Some(Grade::D) => Role::High,
        Some(Grade::F) => Role::Critical,
        None => Role::Gap,
    }
}

/// The letter of a grade; the dash of a value that is not known where there is none.
pub(super) fn letter(grade: Option<Grade>) -> String {
    grade.map_or_else(|| fmt::NONE.to_owned(), |grade| grade.letter().to_string())
}

/// The whole in a row.
pub(super) fn summary(audit: &Audit) -> Vec<TextRow> {
    let role = grade_role(audit.grade);
    let grade = audit.grade.map_or_else(String::new, |grade| format!(" {}", grade.letter()));
    let left = vec![strong(format!(" Audit{grade}  "), role), span(audit.summary(), Role::Text)];
    vec![TextRow { left, bar: Some(role), ..TextRow::default() }]
}

/// The areas, one row each; beside the findings with as many lines as their words need.
pub(super) fn areas(audit: &Audit, width: usize, beside: bool) -> Vec<TextRow> {
    let mut rows = vec![heading("Areas", "A nothing lost … F a fifth or more, – not known", width)];
    for part in &audit.areas {
        rows.extend(if beside { tall(part, width) } else { vec![flat(part, width)] });
    }
    rows
}

fn flat(part: &AreaPart, width: usize) -> TextRow {
    let mut line = name(part);
    let mut used = GRADE + AREA;
    if width >= NARROW {
        line.extend(figures(part));
        line.push(span("  ", Role::Dim));
        used += FOUND + LOST + SHARE + 2 + BAR + 2;
    }
    let (text, role) = words(part);
    let text = clauses(&text, width.saturating_sub(used + 1), 1).into_iter().next();
    line.push(span(text.unwrap_or_default(), role));
    TextRow { left: line, ..TextRow::default() }
}

fn tall(part: &AreaPart, width: usize) -> Vec<TextRow> {
    let mut line = name(part);
    line.extend(figures(part));
    let mut rows = vec![TextRow { left: line, ..TextRow::default() }];
    let (text, role) = words(part);
    for text in clauses(&text, width.saturating_sub(GRADE + 1), LINES) {
        let left = vec![span(" ".repeat(GRADE), Role::Dim), span(text, role)];
        rows.push(TextRow { left, ..TextRow::default() });
    }
    rows
}

fn name(part: &AreaPart) -> Line {
    let role = grade_role(part.grade);
    vec![
        strong(left(&format!(" {}", letter(part.grade)), GRADE), role),
        strong(left(part.area.code(), AREA), Role::Title),
    ]
}

fn found(part: &AreaPart) -> String {
    match part.findings.len() {
        0 if part.grade.is_none() => String::new(),
        0 => "none".to_owned(),
        count => format!("{count} found"),
    }
}

/// How many were found, what they lost, and that as a bar.
fn figures(part: &AreaPart) -> Line {
    let role = grade_role(part.grade);
    let lost = Some(part.lost).filter(|lost| lost.high_gpu_seconds > 0.0);
    let share = lost.and_then(|lost| lost.ratio);
    let time = lost.map_or_else(String::new, |lost| gpu_time(lost.gpu_seconds));
    let percent = share.map_or_else(String::new, fmt::percent);
    let full = share.map_or(0, |share| ((share * BAR as f64).ceil() as usize).min(BAR));
    let none = if part.grade.is_some() { BAR } else { 0 };
    vec![
        span(right(&found(part), FOUND), if lost.is_some() { Role::Text } else { Role::Dim }),
        span(right(&time, LOST), Role::Blocked),
        span(right(&percent, SHARE), Role::Blocked),
        span("  ", Role::Dim),
        span("▆".repeat(full), role),
        span(left(&"·".repeat(none.saturating_sub(full)), BAR - full), Role::Dim),
    ]
}

/// What was seen; where that is not enough, first what is missing.
fn words(part: &AreaPart) -> (String, Role) {
    let role = if part.missing.is_empty() { Role::Text } else { Role::Dim };
    let aside = match part.put_aside {
        0 => String::new(),
        count => format!("{count} put aside."),
    };
    let lacks = if part.missing.is_empty() { "" } else { "Not enough evidence." };
    let parts = [lacks, &part.missing, &part.seen, &aside];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    (safe(&parts.join(" ")), role)
}

/// The changes worth most.
pub(super) fn changes(audit: &Audit, width: usize, lines: usize) -> Vec<TextRow> {
    if audit.changes.is_empty() {
        return Vec::new();
    }
    let mut rows = vec![heading("Worth most", "what it would give back at most", width)];
    for (at, worth) in audit.changes.iter().enumerate() {
        rows.extend(change(at + 1, worth, width, lines));
    }
    rows
}

fn change(number: usize, worth: &Worth, width: usize, lines: usize) -> Vec<TextRow> {
    let gives = gives(worth);
    let mut first: Line = vec![
        strong(format!(" {number}  "), Role::Key),
        strong(gives.clone(), Role::Good),
        span(if gives.is_empty() { "" } else { "  " }, Role::Dim),
    ];
    let used = 4 + gives.chars().count() + if gives.is_empty() { 0 } else { 2 };
    let advice = safe(&worth.advice);
    // The first line is shorter than the others by what stands before it.
    let indent = if lines > 1 { 4 } else { used };
    let columns = width.saturating_sub(indent + 1);
    let shift = used - indent;
    // A word of its length holds the place of what stands before it.
    let held = match shift {
        0 => String::new(),
        shift => format!("{} ", "_".repeat(shift - 1)),
    };
    let text = format!("{held}{advice}");
    let mut rows = Vec::new();
    for (at, line) in clauses(&text, columns, lines).into_iter().enumerate() {
        let left = if at == 0 {
            let line: String = line.chars().skip(shift).collect();
            first.push(span(line, Role::Text));
            std::mem::take(&mut first)
        } else {
            vec![span(" ".repeat(indent), Role::Dim), span(line, Role::Text)]
        };
        rows.push(TextRow { left, ..TextRow::default() });
    }
    rows
}

/// What a change gives back: GPU time where that is lost, else the gain in its own words.
fn gives(worth: &Worth) -> String {
    let lost = &worth.lost;
    if lost.high_gpu_seconds <= 0.0 {
        return String::new();
    }
    let amount =
        lost.high_money().map_or_else(String::new, |amount| format!(", {}", money(amount)));
    format!("up to {}{amount}", gpu_time(lost.high_gpu_seconds))
}
