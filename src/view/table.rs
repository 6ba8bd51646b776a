//! The table: one row a run, its ranks below it. Columns give way to width in the order of their
//! worth; what stays keeps its width, so that numbers do not dance.

use crate::app::rows::rows;
use crate::app::{Row, Spot};
use crate::fmt;
use crate::model::{Bound, Frame};

use super::focus::Look;
use super::lane::gpu_list;
use super::rank::{Bounded, Numbers, numbers};
use super::screen::{Line, Role, TextRow, span, strong};
use super::text::{cut, left, right, safe};
use super::workers::strip;

/// A column, in the order of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Pid,
    Gpu,
    Util,
    Memory,
    Cpu,
    Read,
    Queue,
    Blocked,
    Step,
}

impl Column {
    const ALL: [Self; 9] = [
        Self::Pid,
        Self::Gpu,
        Self::Util,
        Self::Memory,
        Self::Cpu,
        Self::Read,
        Self::Queue,
        Self::Blocked,
        Self::Step,
    ];

    /// The order in which columns are taken in while there is room.
    const WORTH: [Self; 9] = [
        Self::Queue,
        Self::Blocked,
        Self::Util,
        Self::Gpu,
        Self::Step,
        Self::Read,
        Self::Cpu,
        Self::Pid,
        Self::Memory,
    ];

    const fn head(self) -> &'static str {
        match self {
            Self::Pid => "PID",
            Self::Gpu => "GPU",
            Self::Util => "UTIL",
            Self::Memory => "GPU MEM",
            Self::Cpu => "CPU%",
            Self::Read => "READ",
            Self::Queue => "QUEUE",
            Self::Blocked => "BLOCKED",
            Self::Step => "STEP",
        }
    }

    const fn width(self) -> usize {
        match self {
            Self::Util => 4,
            Self::Gpu => 5,
            Self::Cpu => 6,
            Self::Pid | Self::Step | Self::Blocked => 7,
            Self::Memory => 8,
            Self::Read => 10,
            Self::Queue => 9,
        }
    }
}

/// Columns between two columns.
const GAP: usize = 2;
/// The narrowest and the widest the name gets.
const NAME: std::ops::RangeInclusive<usize> = 16..=32;
/// Columns kept for the workers' strip while other columns are taken in.
const WORKERS_MIN: usize = 10;

/// What a width has room for.
struct Plan {
    name: usize,
    columns: Vec<Column>,
    workers: usize,
}

fn plan(width: usize) -> Plan {
    let mut room = width.saturating_sub(NAME.start() + WORKERS_MIN + GAP + 1);
    let mut chosen = Vec::new();
    for column in Column::WORTH {
        let needed = column.width() + GAP;
        if needed > room {
            break;
        }
        room -= needed;
        chosen.push(column);
    }
    let columns: Vec<Column> = Column::ALL.into_iter().filter(|c| chosen.contains(c)).collect();
    let name = (NAME.start() + room / 2).min(*NAME.end()).min(width);
    let used: usize = columns.iter().map(|column| column.width() + GAP).sum();
    let workers = width.saturating_sub(name + used + GAP + 1);
    Plan { name, columns, workers: if workers >= 4 { workers } else { 0 } }
}

/// The table in at most `height` rows, the heading included. The chosen row is always among them.
pub(super) fn table(look: &Look<'_>, width: usize, height: usize) -> Vec<TextRow> {
    if height == 0 {
        return Vec::new();
    }
    let rows = rows(look.state);
    let Some(frame) = look.frame.filter(|_| !rows.is_empty()) else {
        return nothing(look).into_iter().take(height).collect();
    };
    let plan = plan(width);
    let mut out = vec![heading(&plan, rows.len())];
    let room = height - 1;
    let chosen = look.state.selected.map(|at| at.min(rows.len() - 1));
    let first = chosen.map_or(0, |at| (at + 1).saturating_sub(room));
    for (at, row) in rows.iter().enumerate().skip(first).take(room) {
        let mut text = row_text(frame, row, &plan);
        text.selected = chosen == Some(at);
        out.push(text.standing_for(Spot::Row(at)));
    }
    let hidden = rows.len().saturating_sub(first + room);
    if hidden > 0
        && room > 0
        && let Some(last) = out.last_mut()
    {
        last.right = vec![span(format!("+{hidden} rows "), Role::Dim)];
    }
    out
}

fn heading(plan: &Plan, rows: usize) -> TextRow {
    let name = if rows > 1 { " RUN / RANK" } else { " RUN" };
    let mut text = left(name, plan.name);
    for column in &plan.columns {
        text.push_str("  ");
        text.push_str(&right(column.head(), column.width()));
    }
    if plan.workers > 0 {
        text.push_str("  ");
        text.push_str(&left("WORKERS", plan.workers));
    }
    TextRow { left: vec![strong(text, Role::Dim)], ..TextRow::default() }
}

fn row_text(frame: &Frame, row: &Row, plan: &Plan) -> TextRow {
    let inventory = &frame.sample.inventory;
    let run = inventory.run(row.run);
    let all = run.map(|run| run.trainers.clone()).unwrap_or_default();
    let trainers = row.rank.map_or(all, |pid| vec![pid]);
    let name = match (row.rank, run) {
        (Some(pid), _) => inventory
            .proc(pid)
            .and_then(|proc| proc.rank)
            .map_or_else(|| "    rank ?".to_owned(), |rank| format!("    rank {rank}")),
        (None, Some(run)) => {
            let fold = match row.open {
                Some(true) => "▾",
                Some(false) => "▸",
                None => " ",
            };
            let name = if run.name.is_empty() { "a run without a name" } else { &*run.name };
            let ranks = match trainers.len() {
                0 | 1 => String::new(),
                ranks => format!(" ({ranks} ranks)"),
            };
            // A long name gives way to the number of ranks.
            let room = plan.name.saturating_sub(1 + ranks.len());
            format!("{fold}{}{ranks}", cut(&safe(name), room))
        }
        (None, None) => format!(" run {}", row.run),
    };
    let numbers = numbers(frame, &trainers);
    let role = if row.rank.is_some() { Role::Text } else { Role::Title };
    let mut line: Line = vec![span(left(&name, plan.name), role)];
    let pid = if let [pid] = trainers[..] { pid.to_string() } else { fmt::NONE.to_owned() };
    for column in &plan.columns {
        let (text, role) = cell(*column, &numbers, &pid);
        line.push(span("  ", Role::Dim));
        line.push(span(right(&text, column.width()), role));
    }
    if plan.workers > 0 && !numbers.workers.is_empty() {
        line.push(span("  ", Role::Dim));
        let states: Vec<&str> = numbers.workers.iter().map(String::as_str).collect();
        line.extend(strip(&states, plan.workers));
    }
    TextRow { left: line, ..TextRow::default() }
}

fn cell(column: Column, numbers: &Numbers, pid: &str) -> (String, Role) {
    let none = || (fmt::NONE.to_owned(), Role::Gap);
    let plain = |text: Option<String>, role| text.map_or_else(none, |text| (text, role));
    let bounded = |value: Bounded, role, show: &dyn Fn(f64) -> String| {
        value.map_or_else(none, |(value, bound)| (mark(bound, &show(value)), role))
    };
    match column {
        Column::Pid => (pid.to_owned(), Role::Dim),
        Column::Gpu => {
            let list = gpu_list(&numbers.gpus);
            plain(Some(list).filter(|list| !list.is_empty()), Role::Text)
        }
        Column::Util => plain(numbers.util.map(fmt::percent), Role::GpuUtil),
        Column::Memory => plain(numbers.held.map(fmt::bytes), Role::GpuMemory),
        Column::Cpu => bounded(numbers.cores, Role::Text, &|cores| fmt::wide_percent(cores, 5)),
        Column::Read => bounded(numbers.read, Role::DiskRead, &fmt::rate),
        Column::Queue => queue(numbers),
        Column::Blocked => bounded(numbers.blocked, Role::Blocked, &fmt::percent),
        Column::Step => plain(numbers.step.map(fmt::seconds), Role::Text),
    }
}

/// The mark of a bound before a number, within the number's own blanks.
fn mark(bound: Bound, text: &str) -> String {
    let number = text.trim_start();
    format!("{}{number}", bound.mark())
}

/// A bar of one cell beside the depth and the capacity.
pub(super) fn queue(numbers: &Numbers) -> (String, Role) {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let Some((ready, capacity, bound)) = numbers.ready else {
        return (fmt::NONE.to_owned(), Role::Gap);
    };
    let Some(capacity) = capacity.filter(|capacity| *capacity > 0) else {
        return (format!("{}{ready}", bound.mark()), Role::Queue);
    };
    let fill = (ready.min(capacity) as f64 / capacity as f64 * 7.0).round() as usize;
    (format!("{} {}{ready}/{capacity}", BARS[fill.min(7)], bound.mark()), Role::Queue)
}

/// What was looked for where there is no run, and what to do.
fn nothing(look: &Look<'_>) -> Vec<TextRow> {
    let row = |text: &str, role| TextRow { left: vec![span(text, role)], ..TextRow::default() };
    if look.state.latest.is_none() {
        return vec![row(" waiting for the first sample", Role::Dim)];
    }
    if look.frame.is_none() {
        return vec![row(" nothing is kept of this moment; End goes back to now", Role::Dim)];
    }
    vec![
        row(
            " No training loop found. Looked for: processes that hold a GPU, Python processes with",
            Role::Text,
        ),
        row(
            " DataLoader workers, launchers (torchrun, accelerate, deepspeed, mpirun).",
            Role::Text,
        ),
        row(
            " Not found though it runs? Name it: mltop --pid PID. Another user's? Run mltop as that user or root.",
            Role::Dim,
        ),
        row(" Nothing to watch? See a simulated one: mltop demo.", Role::Dim),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_never_needs_more_than_the_width() {
        for width in 0..300 {
            let plan = plan(width);
            let columns: usize = plan.columns.iter().map(|column| column.width() + GAP).sum();
            let workers = if plan.workers > 0 { plan.workers + GAP } else { 0 };
            assert!(plan.name + columns + workers <= width.max(plan.name), "{width}");
        }
    }

    #[test]
    fn the_queue_and_the_wait_stay_longest() {
        let columns = plan(60).columns;
        assert!(columns.contains(&Column::Queue) && columns.contains(&Column::Blocked));
        assert_eq!(plan(160).columns.len(), Column::ALL.len());
    }

    #[test]
    fn the_queue_bar_is_low_when_empty_and_high_when_full() {
        let of = |ready, capacity| {
            queue(&Numbers { ready: Some((ready, capacity, Bound::Upper)), ..Numbers::default() }).0
        };
        assert_eq!(of(0, Some(16)), "▁ ≤0/16");
        assert_eq!(of(16, Some(16)), "█ ≤16/16");
        assert_eq!(of(99, Some(16)), "█ ≤99/16");
        assert_eq!(of(3, None), "≤3");
        assert_eq!(queue(&Numbers::default()).0, "–");
    }
}
