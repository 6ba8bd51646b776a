//! The screen of the processes: who uses what, children below their parents.

mod columns;
mod full;
mod list;

use crate::app::keymap::key_of;
use crate::app::procs::{Seen, rows_of, seen};
use crate::app::{Action, Order};
use crate::model::Pid;

use super::build;
use super::focus::Look;
use super::footer::footer;
use super::header::header;
use super::screen::{Area, Body, Line, Role, Screen, TextRow, span, strong};
use super::text::{cut_line, safe};
use super::told::{self, Told};
use super::verdict::{Room, verdict};

use std::collections::BTreeMap;

pub(in crate::view) use full::{popup, signal};

/// From this many rows on sentences about the chosen process stand below the list.
const WORDS_FROM: u16 = 18;
/// Rows that these sentences may take.
const WORDS: u16 = 3;

/// Puts the screen together.
///
/// ```text
///  header     mltop  box-7 · 4×H100 80GB            ● LIVE 1s   mltop 0.6% 9 MiB   14:02:31
///  verdict   ▌STARVED · DISK-BOUND  train.py waits for data 41 % of the time …
///  title      Processes  34 of 412  on a GPU, of a training, the 20 that use most CPU   sort CPU%
///  heading       PID USER  S GPU   GPU MEM   CPU%      RSS      READ  NAME
///  rows         4711 me    S 0    30.0 GiB   201% 4.10 GiB  480 MB/s  ├─python  rank 0 of train.py
///  words      Command   python train.py --batch-size 256 …
///  footer     ↑↓ choose   Enter more   / filter   …
/// ```
pub(super) fn put(screen: &mut Screen, look: &Look<'_>) {
    let (width, height) = (screen.width, screen.height);
    let columns = usize::from(width);
    // The list is what one comes for: the verdict has a line of it, in full it stands elsewhere.
    let said = verdict(look, columns, Room { title: 1, advice: 0, sources: 0 });
    let all = look.frame.map(seen).unwrap_or_default();
    let told = words(look, &all);
    let words = if height >= WORDS_FROM { told::wanted(&told, columns).min(WORDS) } else { 0 };
    let top = 1 + said.len() as u16;
    let room = height.saturating_sub(top + 3 + words);
    let row = |y: u16, height: u16| Area { x: 0, y, width, height };
    let mut text = |area: Area, rows: Vec<TextRow>| build::put(screen, area, Body::Text(rows));
    text(row(0, 1), vec![header(look, columns)]);
    text(row(1, said.len() as u16), said);
    let rows = rows_of(&all, &look.state.processes);
    text(row(top, 1), vec![title(look, rows.len(), columns)]);
    text(row(top + 1, room + 1), list::list(look, &all, &rows, (columns, usize::from(room) + 1)));
    text(row(top + 2 + room, words), told::rows(&told, columns, usize::from(words)));
    text(row(height.saturating_sub(1), 1), vec![footer(look, columns)]);
}

/// How many there are, which of them, and how they are sorted.
fn title(look: &Look<'_>, shown: usize, columns: usize) -> TextRow {
    let processes = &look.state.processes;
    let mut line: Line = vec![strong(" Processes", Role::Title)];
    let on_the_box = look.frame.and_then(|frame| frame.sample.host.processes.ok());
    let count = match on_the_box {
        Some(all) => format!("  {shown} of {all}"),
        None => format!("  {shown}"),
    };
    line.push(span(count, Role::Text));
    let mut right: Line = Vec::new();
    if !processes.filter.trim().is_empty() {
        right.push(span("with ", Role::Dim));
        right.push(strong(safe(processes.filter.trim()), Role::Accent));
        right.push(span("  ", Role::Dim));
    }
    let way = if processes.reversed { " reversed" } else { "" };
    let shape = if processes.flat { "list" } else { "tree" };
    right.push(span(format!("{shape} by {}{way} ", processes.order.word()), Role::Dim));
    // Not all of the box is watched so closely: whoever misses a process is to know why.
    line.push(span("  watched: on a GPU, of a training, the 20 that use most CPU", Role::Dim));
    TextRow { left: cut_line(line, columns), right: cut_line(right, columns), ..TextRow::default() }
}

/// Sentences about the chosen process, or what can be done here.
fn words(look: &Look<'_>, all: &BTreeMap<Pid, Seen<'_>>) -> Vec<Told> {
    let told = |head, text: String| Told { head, text };
    let Some(pid) = look.state.processes.chosen else {
        let signal = if look.state.readonly || !look.state.is_of_this_machine() {
            String::new()
        } else {
            format!("; {} sends it a signal, after a question", key_of(Action::Signal))
        };
        let text = format!(
            "{}{} choose a process, {} shows it in full{signal}.",
            key_of(Action::SelectUp),
            key_of(Action::SelectDown),
            key_of(Action::Enter)
        );
        return vec![told("Choose", text)];
    };
    let Some(seen) = all.get(&pid) else {
        return vec![told("Gone", format!("Process {pid} ended, or is not watched any more."))];
    };
    let Some(info) = seen.info else { return Vec::new() };
    let mut said = Vec::new();
    if info.command.is_empty() {
        said.push(told("Command", format!("Not recorded of this process ({}).", safe(&info.name))));
    } else {
        said.push(told("Command", safe(&info.command)));
    }
    let container = info.container.as_deref().map(|container| format!(" ({})", safe(container)));
    if let Some(group) = info.cgroup.as_ref().filter(|group| &***group != "/") {
        said.push(told("Group", format!("{}{}", safe(group), container.unwrap_or_default())));
    }
    said
}

/// The order that a column stands for.
const fn order_of(column: columns::Column) -> Option<Order> {
    use columns::Column;
    Some(match column {
        Column::Pid => Order::Pid,
        Column::User => Order::User,
        Column::GpuMemory => Order::GpuMemory,
        Column::Cpu => Order::Cpu,
        Column::Memory => Order::Memory,
        Column::Read => Order::Read,
        Column::Write => Order::Write,
        Column::State | Column::Gpu | Column::Threads | Column::Group => return None,
    })
}
