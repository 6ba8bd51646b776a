//! The screen of the loaders where there is no room for plots: the same in numbers.

use crate::fmt;
use crate::view::focus::Look;
use crate::view::footer::footer;
use crate::view::header::header;
use crate::view::lane::LaneKind;
use crate::view::screen::{Line, Role, TextRow, span};
use crate::view::text::{fit_line, line_width};
use crate::view::told::{self, Told};
use crate::view::verdict::{Room, verdict};
use crate::view::workers::strip;

use super::list;
use super::over::Over;
use super::workers::{Worker, figures};

/// A screen of numbers, as many rows as there are.
pub(super) fn numbers(
    look: &Look<'_>,
    over: &Over,
    all: &[Worker],
    told: &[Told],
    width: usize,
    height: usize,
) -> Vec<TextRow> {
    let mut rows = vec![header(look, width)];
    rows.extend(verdict(look, width, Room { title: 1, advice: 0, sources: 0 }));
    rows.extend(list::list(look, width, usize::from(list::wanted(look)).min(height / 4)));
    for kind in [LaneKind::Queue, LaneKind::Blocked] {
        let lane = kind.build(look);
        let name: Line = lane.title.into_iter().take(1).collect();
        let left = [vec![span(" ", Role::Dim)], name].concat();
        let room = width.saturating_sub(line_width(&left) + 2);
        let mut right = fit_line(lane.values, room.saturating_sub(1));
        right.push(span(" ", Role::Dim));
        rows.push(TextRow { left, right, ..TextRow::default() });
    }
    let letters: String = all.iter().map(|worker| worker.letter.unwrap_or('?')).collect();
    let mut workers: Line = vec![span(" Workers  ", Role::Text)];
    if letters.is_empty() {
        workers.push(span(fmt::NONE, Role::Gap));
    } else {
        workers.extend(strip(&[&letters], width.saturating_sub(10)));
    }
    rows.push(TextRow { left: workers, ..TextRow::default() });
    // Half of what is left is for the sentences.
    let room = height.saturating_sub(rows.len() + 1);
    let chosen = look.state.picked.worker.filter(|at| *at < all.len());
    let shown = room / 2;
    let first = chosen.map_or(0, |at| (at + 1).saturating_sub(shown));
    let some: Vec<Worker> = all.iter().skip(first).take(shown).cloned().collect();
    rows.extend(figures(look, over, &some, all.len(), width.min(500) as u16));
    let room = height.saturating_sub(rows.len() + 1);
    rows.extend(told::rows(told, width, room));
    rows.truncate(height.saturating_sub(1));
    rows.resize(height.saturating_sub(1), TextRow::default());
    rows.push(footer(look, width));
    rows
}
