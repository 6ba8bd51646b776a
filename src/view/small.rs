//! Screens without room for plots: numbers instead, and below that one line.

use super::focus::Look;
use super::footer::footer;
use super::header::{header, mode, simulated};
use super::lane::LaneKind;
use super::screen::{Line, Role, TextRow, span};
use super::table::table;
use super::text::{cut_line, fit_line, line_width};
use super::verdict::{Room, short, verdict};

/// A screen of numbers, as many rows as there are.
pub(super) fn numbers(look: &Look<'_>, width: usize, height: usize) -> Vec<TextRow> {
    let mut rows = vec![header(look, width)];
    rows.extend(verdict(look, width, Room { title: 2, advice: 2, sources: 1 }));
    rows.push(TextRow::default());
    for kind in LaneKind::ALL {
        let lane = kind.build(look);
        // The plot's explanations would leave no room for the numbers: the name is enough.
        let name: Line = lane.title.into_iter().take(1).collect();
        let left = [vec![span(" ", Role::Dim)], name].concat();
        let room = width.saturating_sub(line_width(&left) + 2);
        let mut right = fit_line(lane.values, room.saturating_sub(1));
        right.push(span(" ", Role::Dim));
        rows.push(TextRow { left, right, ..TextRow::default() });
    }
    rows.push(TextRow::default());
    let room = height.saturating_sub(rows.len() + 1);
    rows.extend(table(look, width, room));
    rows.truncate(height.saturating_sub(1));
    rows.resize(height.saturating_sub(1), TextRow::default());
    rows.push(footer(look, width));
    rows
}

/// One line: what is the matter, and below it what fits.
pub(super) fn line(look: &Look<'_>, width: usize, height: usize) -> Vec<TextRow> {
    let mut first = Line::new();
    if let Some(mark) = simulated(look) {
        first.push(mark);
        first.push(span(" ", Role::Dim));
    }
    if !look.live() {
        first.extend(mode(look.state));
        first.push(span(" ", Role::Dim));
    }
    first.extend(short(look));
    let mut rows = vec![TextRow { left: cut_line(first, width), ..TextRow::default() }];
    for kind in [LaneKind::GpuUtil, LaneKind::Queue, LaneKind::Blocked, LaneKind::Disk] {
        let lane = kind.build(look);
        let name: Line = lane.title.into_iter().take(1).collect();
        let left = [name, vec![span("  ", Role::Dim)], lane.values].concat();
        rows.push(TextRow { left: cut_line(left, width), ..TextRow::default() });
    }
    rows.truncate(height);
    rows
}
