//! What mltop itself costs: nobody should have to take its word for it.

use crate::app::state::Recording;
use crate::fmt;
use crate::model::frame::GpuRates;
use crate::model::own::{OwnRates, OwnSample};
use crate::model::{Frame, Reading};
use crate::view::focus::Look;
use crate::view::screen::{Line, Role, TextRow, span, strong};
use crate::view::text::{left, right, safe};
use crate::view::told::{self, Told};

/// Columns of the name of a process or thread.
const NAME: usize = 28;
/// Lines of all sentences together.
const LINES: usize = 12;

/// The processes and threads of mltop, and what else is spent.
pub(super) fn own(look: &Look<'_>, width: usize) -> Vec<TextRow> {
    let heads = [("CPU%", 6), ("RSS", 8), ("READS/s", 7), ("THREADS", 7)];
    let mut line = vec![strong(left(" mltop itself", NAME + 1), Role::Title)];
    for (head, width) in heads {
        line.push(span(format!(" {}", right(head, width)), Role::Dim));
    }
    let mut rows = vec![TextRow { left: line, ..TextRow::default() }];
    if let Some(frame) = look.frame {
        rows.extend(parts(frame));
    }
    let told = sentences(look);
    rows.extend(told::rows(&told, width, LINES));
    rows.push(TextRow::default());
    rows
}

/// Each process, and below the one that samples its threads.
fn parts(frame: &Frame) -> Vec<TextRow> {
    let all = &frame.sample.own;
    if all.is_empty() {
        let text = " its parts are not in this recording";
        return vec![TextRow { left: vec![span(text, Role::Gap)], ..TextRow::default() }];
    }
    let whole = |row: &&OwnSample| row.thread.is_empty();
    let mut rows = Vec::new();
    for (at, process) in all.iter().filter(whole).enumerate() {
        let threads: Vec<&OwnSample> =
            all.iter().filter(|row| row.pid == process.pid && !row.thread.is_empty()).collect();
        // The first one samples; the others read a driver that may hang, crash or leak.
        let name = if at == 0 { "process" } else { "GPU collector" };
        rows.push(part(frame, process, &format!("{name} {}", process.pid), Role::Text));
        for thread in threads {
            let name = format!("  {}", thread_name(&thread.thread));
            rows.push(part(frame, thread, &name, Role::Dim));
        }
    }
    rows
}

/// A thread's name with what it is for.
fn thread_name(name: &str) -> String {
    let what = match name {
        "main" => "screen or recorder",
        "sampler" => "each tick",
        "loaders" => "fast looks",
        "inspector" => "command lines",
        "gpu-collector" => "hears it",
        "servers" => "their metrics",
        "look" => "one process in full",
        _ => "",
    };
    let name = safe(name);
    if what.is_empty() { name } else { format!("{name}, {what}") }
}

fn part(frame: &Frame, row: &OwnSample, name: &str, role: Role) -> TextRow {
    let of_row = |rates: &&OwnRates| rates.pid == row.pid && rates.thread == row.thread;
    let rates = frame.own.iter().find(of_row);
    let cell = |text: Option<String>, width: usize, role: Role| match text {
        Some(text) => span(format!(" {}", right(&text, width)), role),
        None => span(format!(" {}", fmt::none(width)), Role::Gap),
    };
    let counted = |ratio| match frame.span_seconds.filter(|_| row.thread.is_empty()) {
        Some(span) => of_process(ratio, span),
        None => fmt::fine_percent(ratio),
    };
    let cpu = rates.and_then(|rates| rates.cpu_ratio.ok()).map(counted);
    let mut line: Line =
        vec![span(left(&format!(" {name}"), NAME + 1), role), cell(cpu, 6, Role::WorkerRun)];
    if row.thread.is_empty() {
        let reads = rates.and_then(|rates| rates.read_calls_per_second.ok()).map(fmt::count);
        let rss = row.rss_bytes.ok().map(|bytes| fmt::bytes(bytes as f64));
        line.push(cell(rss, 8, Role::GpuMemory));
        line.push(cell(reads, 7, Role::DiskRead));
        line.push(cell(row.threads.ok().map(|count| count.to_string()), 7, Role::Dim));
    }
    TextRow { left: line, ..TextRow::default() }
}

/// The share of a core that a whole process took. The kernel tells of it in hundredths of a second, of
/// threads in nanoseconds: less than one in a tick is little, and not none.
fn of_process(ratio: f64, span_seconds: f64) -> String {
    let least = 0.01 / span_seconds;
    if ratio < least {
        format!("<{:.0}%", (least * 100.0).ceil().min(100.0))
    } else {
        fmt::wide_percent(ratio, 5)
    }
}

fn sentences(look: &Look<'_>) -> Vec<Told> {
    let mut told = Vec::new();
    let mut say = |head: &'static str, text: Option<String>| {
        told.extend(text.map(|text| Told { head, text }));
    };
    say("In all", look.frame.and_then(in_all));
    say("Looks", look.frame.and_then(looks));
    say("Driver", look.frame.and_then(driver));
    say("Terminal", Some(terminal(look)));
    say("History", history(look));
    say("Recorder", Some(recorder(look.state.recording, look.state.is_replay())));
    told
}

fn in_all(frame: &Frame) -> Option<String> {
    let cpu = frame
        .host
        .mltop_cpu_ratio
        .ok()
        .map(|share| format!("{} of a core", fmt::fine_percent(share).trim()));
    let memory = frame.sample.host.mltop_pss_bytes.ok().map(|bytes| {
        format!("{} of memory, shared pages in proportion", fmt::bytes(bytes as f64).trim())
    });
    let tick = fmt::seconds(frame.sample.dur_us as f64 / 1e6);
    let tick = (frame.sample.dur_us > 0).then(|| format!("a tick takes {}", tick.trim()));
    let parts: Vec<String> = [cpu, memory, tick].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", ") + ".")
}

fn looks(frame: &Frame) -> Option<String> {
    let rate = frame.host.mltop_looks_per_second.ok()?;
    if rate < 0.05 {
        return Some("At no loader.".to_owned());
    }
    let each = match frame.host.mltop_look_cpu_seconds {
        Reading::Is(seconds) => {
            format!(
                ", {} of CPU time each, searches for loaders included",
                fmt::seconds(seconds).trim()
            )
        }
        Reading::Not(_) => String::new(),
    };
    Some(format!("{rate:.0} a second at loaders{each}."))
}

fn driver(frame: &Frame) -> Option<String> {
    type Of = fn(&GpuRates) -> Reading<f64>;
    let told = |of: Of| frame.gpus.iter().filter_map(move |gpu| of(gpu).ok());
    let sum = |of: Of| told(of).reduce(|sum, more| sum + more);
    let calls = sum(|gpu| gpu.driver_calls_per_second)?;
    let time = sum(|gpu| gpu.driver_ratio).map(|share| {
        format!(", {} of the time of a thread in them", fmt::fine_percent(share).trim())
    });
    // Of those that tell: a card that answers no more is asked nothing.
    let all = told(|gpu| gpu.driver_calls_per_second).count();
    Some(format!("{calls:.0} calls a second for {all} GPUs{}.", time.unwrap_or_default()))
}

fn terminal(look: &Look<'_>) -> String {
    match look.state.cost {
        Some(cost) => format!(
            "{} sent to it, {} so far.",
            fmt::rate(cost.terminal_bytes_per_second).trim(),
            fmt::size(cost.terminal_bytes as f64).trim()
        ),
        None => "What is sent to it is not measured yet.".to_owned(),
    }
}

fn history(look: &Look<'_>) -> Option<String> {
    let cost = look.state.cost?;
    let span = fmt::ago(cost.history_seconds);
    Some(match cost.history_bytes {
        Some(bytes) => format!(
            "{span} can be gone back, packed in {} of memory.",
            fmt::bytes(bytes as f64).trim()
        ),
        None => format!("{span} of a session in its file."),
    })
}

fn recorder(recording: Option<Recording>, replay: bool) -> String {
    match recording {
        Some(recording) => format!(
            "{}{} recorded, {}.",
            if recording.paused { "Paused: nothing can be written now. " } else { "" },
            fmt::span(recording.seconds),
            fmt::size(recording.bytes as f64).trim()
        ),
        None if replay => "This is a recording.".to_owned(),
        None => "Nothing is written to a file; R begins.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Gap;

    #[test]
    fn calls_are_told_of_the_gpus_that_are_asked() {
        let gpu = |calls| GpuRates { driver_calls_per_second: calls, ..GpuRates::default() };
        let gpus =
            vec![gpu(Reading::Is(12.0)), gpu(Reading::Not(Gap::Late)), gpu(Reading::Is(8.0))];
        let said = driver(&Frame { gpus, ..Frame::default() }).unwrap();
        assert!(said.starts_with("20 calls a second for 2 GPUs"), "{said}");
    }

    #[test]
    fn less_than_the_kernel_counts_in_a_tick_is_not_told_as_none() {
        assert_eq!(of_process(0.0, 1.0), "<1%");
        assert_eq!(of_process(0.0, 0.1), "<10%");
        assert_eq!(of_process(0.03, 1.0).trim(), "3%");
    }
}
