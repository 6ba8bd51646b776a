//! The list itself: a heading, and a row for each process.

use std::collections::BTreeMap;

use crate::app::procs::{ProcRow, Seen, role_word};
use crate::app::{Order, Spot};
use crate::fmt;
use crate::model::inventory::{ProcInfo, Role as ProcRole};
use crate::model::{Inventory, Pid};
use crate::view::focus::Look;
use crate::view::screen::{Line, Role, Stands, TextRow, span, strong};
use crate::view::text::{left, right, safe};

use super::columns::{Column, columns_in};
use super::order_of;

/// The heading and the rows, as many as there is room for. The chosen one is among them.
pub(super) fn list(
    look: &Look<'_>,
    all: &BTreeMap<Pid, Seen<'_>>,
    rows: &[ProcRow],
    (width, height): (usize, usize),
) -> Vec<TextRow> {
    let gpus = look.inventory().is_some_and(|names| !names.gpus.is_empty());
    let columns = columns_in(width, gpus);
    let mut out = vec![heading(look, &columns)];
    let room = height.saturating_sub(1);
    if rows.is_empty() {
        out.push(TextRow { left: vec![span(nothing(look), Role::Gap)], ..TextRow::default() });
        out.truncate(height);
        return out;
    }
    let chosen = look.state.processes.chosen;
    let at = rows.iter().position(|row| Some(row.pid) == chosen);
    let first = at.map_or(0, |at| (at + 1).saturating_sub(room));
    let no_inventory = Inventory::default();
    let inventory = look.inventory().unwrap_or(&no_inventory);
    for row in rows.iter().skip(first).take(room) {
        let Some(seen) = all.get(&row.pid) else { continue };
        let mut text = row_text(inventory, seen, row, &columns);
        text.selected = Some(row.pid) == chosen;
        out.push(text.standing_for(Spot::Process(row.pid)));
    }
    let below = rows.len().saturating_sub(first + room);
    let above = if first > 0 { format!("↑{first} ") } else { String::new() };
    if below + first > 0
        && let Some(last) = out.last_mut()
    {
        last.right = vec![span(format!("{above}+{below} rows "), Role::Dim)];
    }
    out.truncate(height);
    out
}

fn nothing(look: &Look<'_>) -> &'static str {
    if look.state.latest.is_none() {
        " waiting for the first sample"
    } else if look.frame.is_none() {
        " nothing is kept of this moment; End goes back to now"
    } else if look.state.processes.filter.trim().is_empty() {
        " no process is told of this moment"
    } else {
        " no process that is watched has this in its names; Esc shows all"
    }
}

fn heading(look: &Look<'_>, columns: &[Column]) -> TextRow {
    let processes = &look.state.processes;
    let mut line = Line::new();
    let mut spots = Vec::new();
    let mut from = 0;
    for column in columns {
        let order = order_of(*column);
        let sorts = order == Some(processes.order);
        let next = from + column.width() as u16 + 1;
        spots.extend(order.map(|order| (from..next, Stands::For(Spot::Column(order)))));
        from = next;
        let text = if column.is_words() {
            left(column.head(), column.width())
        } else {
            right(column.head(), column.width())
        };
        line.push(strong(text, if sorts { Role::Accent } else { Role::Dim }));
        line.push(span(" ", Role::Dim));
    }
    let by_name = processes.order == Order::Name;
    spots.push((from..u16::MAX, Stands::For(Spot::Column(Order::Name))));
    line.push(strong("NAME", if by_name { Role::Accent } else { Role::Dim }));
    TextRow { left: line, spots, ..TextRow::default() }
}

fn row_text(inventory: &Inventory, seen: &Seen<'_>, row: &ProcRow, columns: &[Column]) -> TextRow {
    let mut line = Line::new();
    for column in columns {
        let (text, role) = column.cell(seen);
        let text = if column.is_words() {
            left(&text, column.width())
        } else {
            right(&text, column.width())
        };
        line.push(span(text + " ", role));
    }
    line.push(span(branch(row), Role::Border));
    line.extend(name(inventory, seen.info, row));
    TextRow { left: line, ..TextRow::default() }
}

/// The lines of the tree before a name.
fn branch(row: &ProcRow) -> String {
    let mut text = String::new();
    for (at, goes_on) in row.goes_on.iter().enumerate() {
        text.push_str(match (at + 1 == row.goes_on.len(), goes_on) {
            (true, true) => "├─",
            (true, false) => "└─",
            (false, true) => "│ ",
            (false, false) => "  ",
        });
    }
    text
}

/// What it is called, what it is to the training, and its command line.
fn name(inventory: &Inventory, info: Option<&ProcInfo>, row: &ProcRow) -> Line {
    let mut line = Line::new();
    match row.folded {
        Some(true) => line.push(span("▸", Role::Key)),
        Some(false) => line.push(span("▾", Role::Dim)),
        None => {}
    }
    let Some(info) = info else {
        line.push(span(fmt::NONE, Role::Gap));
        return line;
    };
    let of_training = info.role != ProcRole::Other;
    let name = safe(&info.name);
    line.push(if of_training {
        strong(name.clone(), Role::Title)
    } else {
        span(name.clone(), Role::Text)
    });
    if row.hidden > 0 {
        line.push(span(format!(" (+{})", row.hidden), Role::Key));
    }
    if of_training {
        line.push(span(format!("  {}", to_training(inventory, info)), Role::Accent));
    }
    let command = safe(&info.command);
    // The program's name stands there already.
    let (program, rest) = command.split_once(' ').unwrap_or((&command, ""));
    let same = program.rsplit('/').next().is_some_and(|program| program == name);
    let rest = if same { rest } else { &command };
    if !rest.is_empty() {
        line.push(span(format!("  {rest}"), Role::Dim));
    }
    line
}

/// `rank 3 of train.py`, `worker`, `launcher`.
fn to_training(inventory: &Inventory, info: &ProcInfo) -> String {
    let run = info.run.and_then(|run| inventory.run(run)).map(|run| safe(&run.name));
    let run = run.filter(|name| !name.is_empty()).map(|name| crate::view::text::cut(&name, 24));
    match (info.role, info.rank, run) {
        (ProcRole::Trainer, Some(rank), Some(run)) => format!("rank {rank} of {run}"),
        (ProcRole::Trainer, Some(rank), None) => format!("rank {rank}"),
        (ProcRole::Worker, Some(rank), _) => format!("worker of rank {rank}"),
        (role, _, Some(run)) => format!("{} of {run}", role_word(role)),
        (role, _, None) => role_word(role).to_owned(),
    }
}
