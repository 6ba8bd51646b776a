//! The list of the loaders, where there are several: the worst rank first, and of each rank the one
//! that moves; the others are dimmed.

use crate::app::Spot;
use crate::app::loaders::{LoaderRow, loader_rows};
use crate::fmt;
use crate::model::{Bound, Frame, Reading};
use crate::view::focus::Look;
use crate::view::rank::Numbers;
use crate::view::screen::{Line, Role, TextRow, span, strong};
use crate::view::table::queue;
use crate::view::text::{left, right, safe};
use crate::view::workers::strip;

use super::over::row;
use super::pace::number;

/// Columns of the name and of the figures behind it.
const NAME: usize = 24;
const FIGURES: [(&str, usize); 5] =
    [("LOADER", 6), ("WORKERS", 7), ("QUEUE", 9), ("BLOCKED", 7), ("STEPS/s", 7)];

/// How many rows the list would like to have: none for one loader, which needs no choice.
pub(super) fn wanted(look: &Look<'_>) -> u16 {
    match loader_rows(look.state).len() {
        0 | 1 => 0,
        rows => u16::try_from(rows + 1).unwrap_or(u16::MAX),
    }
}

/// The list in at most `height` rows, its heading included.
pub(super) fn list(look: &Look<'_>, width: usize, height: usize) -> Vec<TextRow> {
    let rows = loader_rows(look.state);
    let (Some(frame), true) = (look.frame, height > 1) else { return Vec::new() };
    let shown = look.loader.map(|loader| loader.loader);
    let chosen = rows.iter().position(|row| Some(row.loader) == shown).unwrap_or(0);
    let room = height - 1;
    let first = (chosen + 1).saturating_sub(room);
    let mut out = vec![heading()];
    for row in rows.iter().skip(first).take(room) {
        let mut text = row_text(look, frame, row, width);
        text.selected = Some(row.loader) == shown && !look.state.picked.inside;
        out.push(text.standing_for(Spot::Loader(row.loader)));
    }
    let hidden = rows.len().saturating_sub(first + room);
    if hidden > 0
        && let Some(last) = out.last_mut()
    {
        last.right = vec![span(format!("+{hidden} loaders "), Role::Dim)];
    }
    out
}

fn heading() -> TextRow {
    let mut text = left(" RUN / RANK", NAME);
    for (head, width) in FIGURES {
        text.push_str("  ");
        text.push_str(&right(head, width));
    }
    TextRow { left: vec![strong(text, Role::Dim)], ..TextRow::default() }
}

fn row_text(look: &Look<'_>, frame: &Frame, of: &LoaderRow, width: usize) -> TextRow {
    let (Some(row), Some(inventory)) = (row(look, of.loader), look.inventory()) else {
        return TextRow::default();
    };
    let run = of.run.and_then(|run| inventory.run(run));
    let rank = inventory.proc(of.pid).and_then(|proc| proc.rank);
    let several = run.is_some_and(|run| run.trainers.len() > 1);
    let name = run.map(|run| safe(&run.name)).filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| format!("pid {}", of.pid));
    let name = match rank.filter(|_| several) {
        Some(rank) => format!("{} rank {rank}", crate::view::text::cut(&name, NAME - 10)),
        None => name,
    };
    let rates = frame.loaders.iter().find(|rates| rates.loader == of.loader);
    let ready = row
        .ready
        .ok()
        .map(|ready| (ready, row.capacity.ok(), row.ready_bound.ok().unwrap_or(Bound::Doubtful)));
    let mark = row.wait_bound.ok().unwrap_or(Bound::Doubtful).mark();
    let wait = rates.and_then(|rates| rates.wait_ratio.ok());
    let steps = rates.and_then(|rates| rates.steps_per_second.ok());
    let texts = [
        Some((of.loader.to_string(), Role::Dim)),
        row.workers.ok().map(|workers| (workers.to_string(), Role::Text)),
        ready.map(|ready| queue(&Numbers { ready: Some(ready), ..Numbers::default() })),
        wait.map(|wait| (format!("{mark}{}", fmt::percent(wait).trim_start()), Role::Blocked)),
        steps.map(|steps| (number(steps), Role::Text)),
    ];
    let front = |role| if of.moving { role } else { Role::Dim };
    let mut line: Line = vec![span(left(&format!(" {name}"), NAME), front(Role::Title))];
    let mut used = NAME;
    for ((_, columns), text) in FIGURES.into_iter().zip(texts) {
        let (text, role) = text.unwrap_or_else(|| (fmt::NONE.to_owned(), Role::Gap));
        line.push(span("  ", Role::Dim));
        line.push(span(right(&text, columns), front(role)));
        used += columns + 2;
    }
    if let Reading::Is(states) = &row.worker_states {
        line.push(span("  ", Role::Dim));
        let room = width.saturating_sub(used + 2);
        if of.moving {
            line.extend(strip(&[states], room));
        } else if room > 20 {
            line.push(span("stands while another moves", Role::Dim));
        }
    }
    TextRow { left: line, ..TextRow::default() }
}
