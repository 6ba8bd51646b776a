//! The words and numbers that text, Markdown and HTML share. Times are UTC: a report is read in
//! other places than where the session was recorded.

use std::fmt::Write as _;

use crate::diagnose::audit::{AreaPart, Worth, gpu_time, money};
use crate::fmt;
use crate::model::inventory::Software;
use crate::model::text::clean;
use crate::model::{Finding, GpuId, Pid};

use super::session::{GpuPart, Report, RunPart};

/// Characters of a name or a command line that are shown.
const LONGEST: usize = 2000;

/// Text that others wrote, without what could move a cursor or turn a line.
pub(super) fn safe(text: &str) -> String {
    clean(text.as_bytes(), LONGEST).into_string()
}

/// `2026-11-22 14:00:00`
pub(super) fn moment(unix_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(unix_ms)
        .map_or_else(|_| fmt::NONE.to_owned(), |at| at.strftime("%F %T").to_string())
}

/// `14:00:00`; with its day where the session is longer than one.
pub(super) fn clock(unix_ms: i64, report: &Report) -> String {
    const DAY_MS: i64 = 86_400_000;
    let long = report.to_ms.saturating_sub(report.from_ms) >= DAY_MS;
    if long { moment(unix_ms) } else { fmt::clock(unix_ms, 0) }
}

/// The span between two moments in words.
pub(super) fn span(from_ms: i64, to_ms: i64) -> String {
    fmt::ago((to_ms.saturating_sub(from_ms).max(0) / 1000) as u64)
}

pub(super) fn share(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| fmt::NONE.to_owned(), |ratio| fmt::percent(ratio).trim().to_owned())
}

pub(super) fn seconds(value: Option<f64>) -> String {
    value.map_or_else(|| fmt::NONE.to_owned(), |value| fmt::seconds(value).trim().to_owned())
}

fn bytes(value: Option<u64>) -> String {
    value.map_or_else(|| fmt::NONE.to_owned(), |value| fmt::bytes(value as f64).trim().to_owned())
}

/// What the session is, as names and values.
pub(super) fn about(report: &Report) -> Vec<(&'static str, String)> {
    let about = &report.about;
    let mut rows = vec![("session", safe(&about.file))];
    let host = &report.host;
    let parts = [&*host.name, &*host.os, &*host.kernel, &*host.cpu].map(safe);
    let mut box_ = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
    if host.cpu_count > 0 {
        box_.push(format!("{} CPUs", host.cpu_count));
    }
    if host.memory_bytes > 0 {
        box_.push(fmt::bytes(host.memory_bytes as f64).trim().to_owned());
    }
    rows.push(("host", box_.join(" · ")));
    let every = match about.interval_ms {
        0 => String::new(),
        interval => format!(", a tick every {}", seconds(Some(interval as f64 / 1e3))),
    };
    let (from, to) = (moment(report.from_ms), moment(report.to_ms));
    let length = span(report.from_ms, report.to_ms);
    rows.push(("recorded", format!("{from} to {to} UTC, {length}{every}")));
    let whole = if about.damage.is_empty() { "all that was recorded" } else { &about.damage };
    rows.push(("read", format!("{} ticks: {}", report.ticks, safe(whole))));
    let end = about
        .end
        .as_deref()
        .map_or_else(|| "no end line: it was cut off, or is still being written".to_owned(), safe);
    rows.push(("ended", end));
    if !about.writer.is_empty() {
        rows.push(("written by", safe(&about.writer)));
    }
    rows
}

/// An area as one line: its grade, its name, how much was found and lost there, and what was seen; what
/// is missing to judge it first.
pub(super) fn area(part: &AreaPart) -> Vec<String> {
    let lost = Some(part.lost).filter(|lost| lost.high_gpu_seconds > 0.0);
    let lost = lost.map_or_else(String::new, |lost| {
        let money = lost.money.map_or_else(String::new, |amount| format!(", {}", money(amount)));
        format!("{} ({}){money}", gpu_time(lost.gpu_seconds), share(lost.ratio))
    });
    let found = match part.findings.len() {
        0 if part.grade.is_none() => String::new(),
        0 => "none".to_owned(),
        count => count.to_string(),
    };
    let lacks = if part.missing.is_empty() { "" } else { "Not enough evidence." };
    let seen = [lacks, &part.missing, &part.seen].map(safe);
    let seen = seen.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    let grade = part.grade.map_or_else(|| fmt::NONE.to_owned(), |grade| grade.letter().to_string());
    vec![grade, part.area.code().to_owned(), found, lost, seen]
}

/// The headings of [`area`].
pub(super) const AREA_HEADINGS: [&str; 5] = ["grade", "area", "found", "lost", "seen"];

/// A change that is worth much: what it would give back at most, and what to do.
pub(super) fn change(worth: &Worth) -> String {
    let lost = Some(worth.lost).filter(|lost| lost.high_gpu_seconds > 0.0);
    let gives = lost.map_or_else(String::new, |lost| {
        let money =
            lost.high_money().map_or_else(String::new, |amount| format!(", {}", money(amount)));
        format!("Up to {}{money}: ", gpu_time(lost.high_gpu_seconds))
    });
    let cause = worth.cause.map_or_else(String::new, |cause| format!(" · {}", cause.code()));
    format!("{gives}{} ({}{cause})", safe(&worth.advice), worth.rule.code())
}

/// A GPU as one line.
pub(super) fn gpu(part: &GpuPart) -> Vec<String> {
    let name = if part.simulated { "SIMULATED: " } else { "" };
    vec![
        part.gpu.to_string(),
        format!("{name}{}", safe(&part.name)),
        safe(&part.driver),
        format!("{} of {}", bytes(part.memory_peak_bytes), bytes(part.memory_bytes)),
        share(part.utilization_ratio),
        part.power_watts.map_or_else(|| fmt::NONE.to_owned(), |w| fmt::watts(w).trim().to_owned()),
    ]
}

/// The headings of [`gpu`].
pub(super) const GPU_HEADINGS: [&str; 6] =
    ["GPU", "product", "driver", "memory, peak", "utilization", "power"];

/// A run's numbers as one line.
pub(super) fn run(part: &RunPart) -> Vec<String> {
    let wait = part.wait_ratio.map(|_| part.wait_mark.clone()).unwrap_or_default();
    let loader = match (part.workers, part.prefetch_factor) {
        (Some(workers), Some(factor)) => format!("{workers} × {factor}"),
        (Some(workers), None) => workers.to_string(),
        _ => fmt::NONE.to_owned(),
    };
    vec![
        format!("{} ({})", safe(&part.name), part.run),
        ranks(part),
        gpus(&part.gpus),
        part.steps.map_or_else(|| fmt::NONE.to_owned(), |steps| format!("{steps:.0}")),
        seconds(part.step_seconds),
        format!("{wait}{}", share(part.wait_ratio)),
        share(part.gpu_utilization_ratio),
        loader,
    ]
}

/// The headings of [`run`].
pub(super) const RUN_HEADINGS: [&str; 8] =
    ["run", "ranks", "GPUs", "steps", "step", "blocked", "GPU util", "workers × prefetch"];

fn ranks(part: &RunPart) -> String {
    let here = part.trainers.len();
    match part.world_size {
        Some(all) if all as usize != here => format!("{here} of {all}"),
        _ => here.to_string(),
    }
}

/// What a run was started as, in words.
pub(super) fn environment(part: &RunPart) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    let mut put = |name, value: String| {
        if !value.is_empty() {
            rows.push((name, value));
        }
    };
    put("command", safe(&part.command));
    put("user", safe(&part.user));
    put("launcher", safe(&part.launcher));
    put("container", part.container.as_deref().map(safe).unwrap_or_default());
    put("Python", versions(&part.software, |one| (&one.python, &one.python_by)));
    put("PyTorch", versions(&part.software, |one| (&one.torch, &one.torch_by)));
    put("pids", pids(&part.trainers));
    put("loader", safe(&part.loaders.join(", ")));
    put("files", safe(&part.storage.join("; ")));
    put("seen", format!("{} to {} UTC", moment(part.first_ms), moment(part.last_ms)));
    rows
}

/// Versions of one thing, each once, and how each is known: `2.9.1+cu128 (version.py of …)`.
fn versions(software: &[Software], of: fn(&Software) -> (&str, &str)) -> String {
    let mut told: Vec<String> = Vec::new();
    for (version, by) in software.iter().map(of).filter(|(_, by)| !by.is_empty()) {
        let version = if version.is_empty() { fmt::NONE.to_owned() } else { safe(version) };
        let text = format!("{version} ({})", safe(by));
        if !told.contains(&text) {
            told.push(text);
        }
    }
    told.join("; ")
}

fn gpus(gpus: &[GpuId]) -> String {
    let text = gpus.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if text.is_empty() { fmt::NONE.to_owned() } else { text }
}

fn pids(pids: &[Pid]) -> String {
    const SHOWN: usize = 16;
    let mut text = pids.iter().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if pids.len() > SHOWN {
        let _ = write!(text, " and {} more", pids.len() - SHOWN);
    }
    text
}

/// A finding's rule and cause.
pub(super) fn rule(finding: &Finding) -> String {
    let cause = finding.cause.map_or_else(String::new, |cause| format!(" · {}", cause.code()));
    format!("{}{cause}", finding.rule.code())
}

/// When a finding held.
pub(super) fn when(finding: &Finding, report: &Report) -> String {
    let from = clock(finding.start_ms, report);
    match finding.end_ms {
        Some(end) => format!("{from} to {}, {}", clock(end, report), span(finding.start_ms, end)),
        None => format!("{from} to the end, {}", span(finding.start_ms, report.to_ms)),
    }
}

/// A gap in words.
pub(super) fn gap(gap: &super::session::Gap, report: &Report) -> String {
    let (from, to) = (clock(gap.from_ms, report), clock(gap.to_ms, report));
    format!("{from} to {to}, {}: {}", span(gap.from_ms, gap.to_ms), safe(&gap.reason))
}
