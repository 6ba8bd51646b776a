//! The screen of the findings: all of them with their evidence, and the audit by area.

mod audit;
mod detail;
mod list;
mod place;
mod small;

use crate::view::build;
use crate::view::focus::Look;
use crate::view::footer::footer;
use crate::view::header::header;
use crate::view::screen::{Area, Body, Role, Screen, TextRow, span, strong};
use crate::view::text::width as columns;

use place::Wanted;

/// From so many rows on a change may take two lines where the audit stands above the findings.
const ROOMY: u16 = 34;

/// Puts the screen together.
pub(super) fn put(screen: &mut Screen, look: &Look<'_>) {
    let (width, height) = (screen.width, screen.height);
    let sum = look.state.audit();
    let (left, right) = place::columns(width, height);
    let beside = left < width;
    let lines = match (beside, height >= ROOMY) {
        (true, _) => 3,
        (false, true) => 2,
        (false, false) => 1,
    };
    let areas = audit::areas(&sum, usize::from(right), beside);
    let changes = audit::changes(&sum, usize::from(right), lines);
    let detail = detail::detail(look, usize::from(left));
    let rows = |rows: &[TextRow]| u16::try_from(rows.len()).unwrap_or(u16::MAX);
    let wanted = Wanted {
        summary: 1,
        areas: rows(&areas),
        changes: rows(&changes),
        list: list::wanted(look),
        detail: rows(&detail),
    };
    let Some(places) = place::places(width, height, wanted) else {
        let rows = small::lines(look, &sum, usize::from(width), usize::from(height));
        build::put(screen, Area { x: 0, y: 0, width, height }, Body::Text(rows));
        return;
    };
    let mut text = |area: Area, mut rows: Vec<TextRow>| {
        rows.truncate(usize::from(area.height));
        build::put(screen, area, Body::Text(rows));
    };
    text(places.header, vec![header(look, usize::from(width))]);
    text(places.summary, audit::summary(&sum));
    text(places.areas, areas);
    text(places.changes, changes);
    let list = list::list(look, usize::from(left), usize::from(places.list.height));
    text(places.list, list);
    text(places.detail, detail);
    text(places.footer, vec![footer(look, usize::from(width))]);
}

/// A heading, with a line to a remark at its right.
fn heading(title: &str, remark: &str, width: usize) -> TextRow {
    let title = format!(" {title} ");
    let remark = if width < 60 { String::new() } else { format!(" {remark} ") };
    // What is at the right keeps a distance to what is at the left.
    let line = width.saturating_sub(columns(&title) + columns(&remark) + 2);
    TextRow {
        left: vec![strong(title, Role::Title), span("─".repeat(line), Role::Border)],
        right: vec![span(remark, Role::Dim)],
        ..TextRow::default()
    }
}
