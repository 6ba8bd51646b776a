//! One worker in full.

use crate::fmt;
use crate::model::LoaderId;
use crate::view::focus::Look;
use crate::view::screen::{Line, Role, TextRow, span, strong};
use crate::view::text::{left, safe, wrap};
use crate::view::workers::look_of;

use super::over::Over;
use super::workers::{MESSAGES, batch_seconds, mean_read, of_files, workers};

/// Columns of the name of a figure.
const NAME: usize = 22;

/// Title and rows of the popup; `None` where the worker is gone.
pub(in crate::view) fn popup(
    look: &Look<'_>,
    loader: LoaderId,
    number: usize,
    columns: usize,
) -> Option<(Line, Vec<TextRow>)> {
    let inventory = look.inventory()?;
    let info = inventory.loader(loader)?;
    let worker = workers(look.frame, info).into_iter().nth(number)?;
    let title = format!(" Worker {number} of loader {loader} · pid {} ", worker.pid);
    let mut rows: Vec<TextRow> = Vec::new();
    let mut say = |name: &str, text: Option<String>, role| {
        let (text, role) = text.map_or_else(|| (fmt::NONE.to_owned(), Role::Gap), |t| (t, role));
        for (at, line) in wrap(&text, columns.saturating_sub(NAME + 2), 4).into_iter().enumerate() {
            let name = left(if at == 0 { name } else { "" }, NAME);
            let line = vec![span(format!(" {name} "), Role::Dim), span(line, role)];
            rows.push(TextRow { left: line, ..TextRow::default() });
        }
    };
    let (letter, role) = look_of(worker.letter.unwrap_or('?'));
    say("does", worker.letter.map(|_| format!("{letter}  {}", doing(letter))), role);
    say("works on", worker.current.map(|index| format!("batch {index} (inferred)")), Role::Text);
    let queued = worker.queued.map(|queued| match worker.next {
        Some(next) => format!("{queued}, batch {next} first"),
        None => queued.to_string(),
    });
    say("tasks that wait", queued, Role::Text);
    let over = Over::of(look, loader);
    let batch = batch_seconds(look, &over, loader, &worker, info.workers.len());
    let batch = batch.map(fmt::seconds);
    let batch = batch.map(|time| format!("{}, mean of {} s", time.trim(), over.seconds));
    say("time for a batch", batch, Role::Text);
    let rates = look.frame.and_then(|f| f.procs.iter().find(|row| row.pid == worker.pid));
    let rate = |of: fn(&crate::model::frame::ProcRates) -> Option<f64>| rates.and_then(of);
    let cpu = rate(|row| row.cpu_cores.ok()).map(|cores| fmt::wide_percent(cores, 5));
    say("CPU", cpu.map(|cpu| format!("{} of a core", cpu.trim())), Role::Text);
    let delay = rate(|row| row.run_delay_ratio.ok()).map(fmt::percent);
    say("ready without a CPU", delay.map(|share| share.trim().to_owned()), Role::Text);
    let shown = |value: Option<f64>| value.map(|value| fmt::rate(value).trim().to_owned());
    let disk = shown(rate(|row| row.read_bytes_per_second.ok()));
    say("read from storage", disk, Role::DiskRead);
    let calls = shown(rate(|row| row.read_chars_per_second.ok()));
    say("returned by reads", calls.map(|rate| format!("{rate}, cached too")), Role::DiskRead);
    let size = rates.and_then(mean_read).map(|mean| match of_files(mean) {
        Some(size) => format!("at least {}, with pipes and ends of files", fmt::bytes(size).trim()),
        None => format!("below {}, with messages of the loader", fmt::bytes(MESSAGES).trim()),
    });
    say("mean size of a read", size, Role::DiskRead);
    let faults = rate(|row| row.major_faults_per_second.ok());
    say("faults that need I/O", faults.map(|n| format!("{}/s", fmt::count(n).trim())), Role::Text);
    let memory = look
        .frame
        .and_then(|frame| frame.sample.procs.iter().find(|row| row.pid == worker.pid))
        .and_then(|row| row.rss_bytes.ok());
    let memory = memory.map(|bytes| fmt::bytes(bytes as f64).trim().to_owned());
    say("resident memory", memory.map(|text| format!("{text}, shared pages included")), Role::Text);
    let files = info.storage.first().map(|place| {
        let disk = place.disk.as_ref().map(|disk| format!(" on {}", safe(disk)));
        format!("{} ({}{})", safe(&place.mount), safe(&place.filesystem), disk.unwrap_or_default())
    });
    say("loader's files", files, Role::Text);
    let command = inventory.proc(worker.pid).map(|proc| safe(&proc.command));
    say("command", command.filter(|command| !command.is_empty()), Role::Text);
    rows.push(TextRow::default());
    rows.push(TextRow {
        left: vec![strong(" Esc", Role::Key), span(" close", Role::Dim)],
        ..TextRow::default()
    });
    Some((vec![strong(title, Role::Title)], rows))
}

const fn doing(letter: char) -> &'static str {
    match letter {
        'R' => "on a CPU",
        'Q' => "ready to run, without a CPU",
        'D' => "waits for a disk",
        'N' => "waits for a network",
        'S' => "waits for something else: a lock, a timer, room in the result pipe",
        '·' => "waits for work: ahead and idle",
        'Z' => "ended",
        _ => "not known",
    }
}
