//! The screen of the box where there is no room for plots: the same in numbers.

use crate::view::focus::Look;
use crate::view::footer::footer;
use crate::view::header::header;
use crate::view::screen::{Line, Role, TextRow, span};
use crate::view::text::{fit_line, line_width};
use crate::view::verdict::{Room, verdict};

use super::lanes::lane;
use super::place::HostLane;
use super::{about_mltop, about_the_box, scrolled};

/// A screen of numbers, as many rows as there are.
pub(super) fn numbers(look: &Look<'_>, width: usize, height: usize) -> Vec<TextRow> {
    let mut rows = vec![header(look, width)];
    rows.extend(verdict(look, width, Room { title: 1, advice: 0, sources: 0 }));
    for of in HostLane::ALL {
        let lane = lane(look, of);
        let name: Line = lane.title.into_iter().take(1).collect();
        let left = [vec![span(" ", Role::Dim)], name].concat();
        let room = width.saturating_sub(line_width(&left) + 2);
        let mut right = fit_line(lane.values, room.saturating_sub(1));
        right.push(span(" ", Role::Dim));
        rows.push(TextRow { left, right, ..TextRow::default() });
    }
    let room = height.saturating_sub(rows.len() + 1);
    let lists = [about_the_box(look, width), about_mltop(look, width)].concat();
    rows.extend(scrolled(look, lists, room));
    rows.truncate(height.saturating_sub(1));
    rows.resize(height.saturating_sub(1), TextRow::default());
    rows.push(footer(look, width));
    rows
}
