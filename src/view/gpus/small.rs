//! The screen of the GPUs where there is no room for plots: the same in numbers.

use crate::app::gpus::gpu_rows;
use crate::model::GpuId;
use crate::view::focus::Look;
use crate::view::footer::footer;
use crate::view::header::header;
use crate::view::screen::{Line, Role, TextRow, span};
use crate::view::text::{fit_line, line_width};
use crate::view::told::{self, Told};
use crate::view::verdict::{Room, verdict};

use super::card::Card;
use super::figures;
use super::lanes::lane;
use super::list;
use super::place::GpuLane;

/// A screen of numbers, as many rows as there are.
pub(super) fn numbers(
    look: &Look<'_>,
    gpu: Option<GpuId>,
    told: &[Told],
    width: usize,
    height: usize,
) -> Vec<TextRow> {
    let mut rows = vec![header(look, width)];
    rows.extend(verdict(look, width, Room { title: 1, advice: 0, sources: 0 }));
    let columns = width.min(500) as u16;
    let all = gpu_rows(look.state).len();
    if all > 0 {
        let shown = list::shown(look, all.min((height / 3).max(1)));
        rows.push(list::heading(columns));
        rows.extend(list::figures(look, &shown, columns));
    }
    if let Some(gpu) = gpu {
        for of in [GpuLane::Memory, GpuLane::Power, GpuLane::Pcie] {
            let lane = lane(look, gpu, of);
            let name: Line = lane.title.into_iter().take(1).collect();
            let left = [vec![span(" ", Role::Dim)], name].concat();
            let room = width.saturating_sub(line_width(&left) + 2);
            let mut right = fit_line(lane.values, room.saturating_sub(1));
            right.push(span(" ", Role::Dim));
            rows.push(TextRow { left, right, ..TextRow::default() });
        }
        let room = height.saturating_sub(rows.len() + 1);
        let card = Card::of(look, gpu);
        rows.extend(figures::processes(look, &card, columns, (room / 3).max(1) as u16));
    }
    let room = height.saturating_sub(rows.len() + 1);
    rows.extend(told::rows(told, width, room));
    rows.truncate(height.saturating_sub(1));
    rows.resize(height.saturating_sub(1), TextRow::default());
    rows.push(footer(look, width));
    rows
}
