//! One process in full, and the question before a signal.

use crate::app::procs::{Looked, Seen, role_word, seen};
use crate::app::signal::{Asking, Signal};
use crate::fmt;
use crate::model::metric::Unit;
use crate::model::process::ProcessLook;
use crate::model::{Pid, Reading};
use crate::view::focus::Look;
use crate::view::lane::gpu_list;
use crate::view::screen::{Line, Role, TextRow, span, strong};
use crate::view::sheet::Sheet;
use crate::view::text::{cut, left, safe, wrap};

/// Limits that a training runs into; the others are of no use here.
const LIMITS: [&str; 6] =
    ["open files", "locked memory", "processes", "address space", "file size", "core file size"];

/// Title and rows of the popup; `None` where nothing is known of the process.
pub(in crate::view) fn popup(
    look: &Look<'_>,
    pid: Pid,
    columns: usize,
) -> Option<(Line, Vec<TextRow>)> {
    let all = seen(look.frame?);
    let seen = all.get(&pid)?;
    let mut sheet = Sheet::new(columns);
    identity(&mut sheet, look, seen);
    sheet.head("Uses");
    uses(&mut sheet, seen);
    asked(&mut sheet, look, pid, seen.info.map(|info| info.start_ticks));
    sheet.close();
    let name = seen.info.map(|info| safe(&info.name)).unwrap_or_default();
    let title = format!(" Process {pid} · {} ", cut(&name, 40));
    Some((vec![strong(title, Role::Title)], sheet.rows))
}

fn identity(sheet: &mut Sheet, look: &Look<'_>, seen: &Seen<'_>) {
    let Some(info) = seen.info else { return };
    let known = |text: &str| (!text.is_empty()).then(|| safe(text));
    if let Some(command) = known(&info.command) {
        sheet.say("command", Some(command));
    }
    sheet.say("user", known(&info.user));
    sheet.say("parent", Some(info.parent.to_string()));
    let run = info.run.and_then(|run| look.inventory()?.run(run)).map(|run| safe(&run.name));
    let rank = info.rank.map(|rank| format!("rank {rank}"));
    let role = known(role_word(info.role));
    let parts: Vec<String> = [role, rank, run].into_iter().flatten().collect();
    if !parts.is_empty() {
        sheet.say("in the training", Some(parts.join(" · ")));
    }
    if let Some(start_ms) = info.start_ms {
        let clock = fmt::clock(start_ms, look.state.utc_offset_seconds);
        let seconds = look.state.shown_unix_ms().saturating_sub(start_ms).max(0) as u64 / 1000;
        sheet.say("started", Some(format!("{clock}, {} ago", fmt::ago(seconds))));
    }
    sheet.say("control group", info.cgroup.as_deref().and_then(known));
    if let Some(container) = &info.container {
        sheet.say("container", known(container));
    }
}

fn uses(sheet: &mut Sheet, seen: &Seen<'_>) {
    let (row, rates) = (seen.row, seen.rates);
    let count = |reading: Reading<u64>| reading.map(|count| count as f64);
    if !seen.gpus.is_empty() {
        let gpus: Vec<_> = seen.gpus.iter().copied().collect();
        sheet.say("GPU", Some(gpu_list(&gpus)));
        sheet.figure("GPU memory", Some(count(seen.gpu_bytes)), Unit::Bytes);
    }
    sheet.figure("CPU, of one core", rates.map(|rates| rates.cpu_cores), Unit::Ratio);
    sheet.figure("… its main thread", rates.map(|rates| rates.main_cpu_cores), Unit::Ratio);
    sheet.figure("ready without a CPU", rates.map(|rates| rates.run_delay_ratio), Unit::Ratio);
    sheet.figure("resident memory", row.map(|row| count(row.rss_bytes)), Unit::Bytes);
    sheet.figure("threads", row.map(|row| count(row.threads)), Unit::None);
    let all = [
        ("read from storage", rates.map(|rates| rates.read_bytes_per_second)),
        ("returned by reads", rates.map(|rates| rates.read_chars_per_second)),
        ("written to storage", rates.map(|rates| rates.write_bytes_per_second)),
    ];
    for (name, reading) in all {
        sheet.figure(name, reading, Unit::BytesPerSecond);
    }
    sheet.figure(
        "faults that need I/O",
        rates.map(|rates| rates.major_faults_per_second),
        Unit::None,
    );
}

/// What was asked of this machine, which is never recorded.
fn asked(sheet: &mut Sheet, look: &Look<'_>, pid: Pid, start_ticks: Option<u64>) {
    let asked = look.state.processes.look.as_ref().filter(|(asked, _)| *asked == pid);
    sheet.head("Asked when this was opened");
    match asked.map(|(_, looked)| looked) {
        Some(Looked::Is(answer)) if start_ticks.is_some_and(|now| now != answer.start_ticks) => {
            let text = "It was asked of an earlier process of this number, which has ended.";
            sheet.say("", Some(text.to_owned()));
        }
        Some(Looked::Is(answer)) => answered(sheet, answer),
        Some(Looked::Asked) => sheet.say("", Some("No answer yet.".to_owned())),
        Some(Looked::Not(gap)) => {
            sheet.say("", Some(format!("Nothing to be had of it: {}.", gap.words())));
        }
        None => sheet.say(
            "",
            Some(
                "Limits and environment are not recorded: they are there on the live screen alone."
                    .to_owned(),
            ),
        ),
    }
}

fn answered(sheet: &mut Sheet, answer: &ProcessLook) {
    sheet.told("command line", answer.command.as_ref().map(|text| safe(text)));
    sheet.told("directory", answer.directory.as_ref().map(|text| safe(text)));
    sheet.told("open files", answer.open_files.map(|count| count.to_string()));
    sheet.told("niceness", answer.niceness.map(|nice| nice.to_string()));
    let score = answer.oom_score.map(|score| format!("{score} (1000 is ended first)"));
    sheet.told("out-of-memory score", score);
    match &answer.limits {
        Reading::Is(limits) => {
            for limit in limits.iter().filter(|limit| LIMITS.contains(&&*limit.name)) {
                let (soft, hard, unit) = (safe(&limit.soft), safe(&limit.hard), safe(&limit.unit));
                let most = if soft == hard { String::new() } else { format!(", at most {hard}") };
                sheet.say(&format!("limit: {}", limit.name), Some(format!("{soft} {unit}{most}")));
            }
        }
        Reading::Not(gap) => sheet.told("limits", Reading::Not(*gap)),
    }
    sheet.head("Environment at its start, secrets hidden");
    match &answer.environment {
        Reading::Is(all) if all.is_empty() => sheet.say("", Some("Empty.".to_owned())),
        Reading::Is(all) => {
            for one in all {
                let (name, value) = (safe(&one.name), safe(&one.value));
                let value = if value.is_empty() { "(empty)".to_owned() } else { value };
                sheet.say(&name, Some(value));
            }
        }
        Reading::Not(gap) => sheet.told("", Reading::Not(*gap)),
    }
}

/// Which signal, and whether it is to be sent.
pub(in crate::view) fn signal(
    look: &Look<'_>,
    asking: Asking,
    columns: usize,
) -> (Line, Vec<TextRow>) {
    let info = look.inventory().and_then(|inventory| inventory.proc(asking.pid));
    let name = info.map(|info| safe(&info.name)).unwrap_or_default();
    let title = format!(" A signal to process {} · {} ", asking.pid, cut(&name, 32));
    // Where there is little room the question is seen, and the rest is not.
    let mut rows = if asking.sure { question(asking, &name) } else { Vec::new() };
    let mut say = |text: &str, role| {
        for line in wrap(text, columns.saturating_sub(2), 3) {
            rows.push(TextRow { left: vec![span(format!(" {line}"), role)], ..TextRow::default() });
        }
    };
    let command = info.map(|info| safe(&info.command)).filter(|command| !command.is_empty());
    say(&command.unwrap_or_else(|| name.clone()), Role::Text);
    if info.is_some_and(|info| info.role != crate::model::inventory::Role::Other) {
        say("It is part of a training: what it has not saved may be lost.", Role::Warn);
    }
    if asking.sure {
        return (vec![strong(title, Role::Critical)], rows);
    }
    rows.push(TextRow::default());
    for (at, signal) in Signal::ALL.into_iter().enumerate() {
        let line = vec![
            strong(left(&format!(" {}", signal.name()), 11), Role::Text),
            span(signal.what(), Role::Dim),
        ];
        rows.push(TextRow { left: line, selected: at == asking.at, ..TextRow::default() });
    }
    rows.push(TextRow::default());
    rows.push(TextRow {
        left: vec![
            strong(" ↑↓", Role::Key),
            span(" which   ", Role::Dim),
            strong("Enter", Role::Key),
            span(" on to the question   ", Role::Dim),
            strong("Esc", Role::Key),
            span(" leave it", Role::Dim),
        ],
        ..TextRow::default()
    });
    (vec![strong(title, Role::Title)], rows)
}

/// The question itself: process, name and signal.
fn question(asking: Asking, name: &str) -> Vec<TextRow> {
    let signal = asking.signal();
    let row = |left: Line| TextRow { left, ..TextRow::default() };
    let text = format!(" Send {} to process {} ({name})?", signal.name(), asking.pid);
    vec![
        row(vec![strong(text, Role::Critical)]),
        row(vec![span(format!(" {}", signal.what()), Role::Text)]),
        TextRow::default(),
        row(vec![
            strong(" y", Role::Key),
            span(" send it   ", Role::Dim),
            strong("any other key", Role::Key),
            span(" do not", Role::Dim),
        ]),
        TextRow::default(),
    ]
}
