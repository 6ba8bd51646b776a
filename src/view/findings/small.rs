//! The screen of the findings where there is no room for parts.

use crate::diagnose::audit::Audit;
use crate::view::focus::Look;
use crate::view::footer::footer;
use crate::view::header::header;
use crate::view::screen::{Line, Role, TextRow, span, strong};

use super::audit::{grade_role, letter, summary};
use super::list::list;

/// As many rows as there are: the areas in one of them.
pub(super) fn lines(look: &Look<'_>, audit: &Audit, width: usize, height: usize) -> Vec<TextRow> {
    let mut rows = vec![header(look, width)];
    rows.extend(summary(audit));
    let mut grades = Line::new();
    for part in &audit.areas {
        grades.push(strong(format!(" {}", letter(part.grade)), grade_role(part.grade)));
        let name = part.area.code();
        let name = if width < 72 { name.get(..4).unwrap_or(name) } else { name };
        grades.push(span(format!(" {name} "), Role::Dim));
    }
    rows.push(TextRow { left: grades, ..TextRow::default() });
    let room = height.saturating_sub(rows.len() + 1);
    rows.extend(list(look, width, room));
    rows.truncate(height.saturating_sub(1));
    rows.resize(height.saturating_sub(1), TextRow::default());
    rows.push(footer(look, width));
    rows
}
