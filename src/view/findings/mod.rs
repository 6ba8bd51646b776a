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
use crate::view::lane::LaneKind;
use crate::view::screen::{Area, Body, Edge, Role, Screen, TextRow, span, strong};
use crate::view::text::width as cells;

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
    lanes(screen, look, places.lanes);
}

/// Columns of the time axis.
pub(super) fn columns(width: u16, height: u16) -> usize {
    usize::from(place::columns(width, height).0.saturating_sub(2))
}

/// How busy the GPUs were and how long the loop waited, around the moment that is looked at.
fn lanes(screen: &mut Screen, look: &Look<'_>, area: Area) {
    let Some(plots) = area.height.checked_sub(3).filter(|plots| *plots > 1) else { return };
    let row = |y: u16, height: u16| Area { y: area.y + y, height, ..area };
    let first = plots.div_ceil(2);
    let below = first + 1;
    let second = plots - first;
    let gpu = (Edge::Top, row(0, 1), row(1, first));
    build::put_lane(screen, look, LaneKind::GpuUtil, gpu);
    let wait = (Edge::Middle, row(below, 1), row(below + 1, second));
    build::put_lane(screen, look, LaneKind::Blocked, wait);
    build::put_axis(screen, look, row(below + 1 + second, 1));
}

/// A heading, with a line to a remark at its right.
fn heading(title: &str, remark: &str, width: usize) -> TextRow {
    let title = format!(" {title} ");
    let remark = if width < 60 { String::new() } else { format!(" {remark} ") };
    // What is at the right keeps a distance to what is at the left.
    let line = width.saturating_sub(cells(&title) + cells(&remark) + 2);
    TextRow {
        left: vec![strong(title, Role::Title), span("─".repeat(line), Role::Border)],
        right: vec![span(remark, Role::Dim)],
        ..TextRow::default()
    }
}
