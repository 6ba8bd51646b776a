//! The report for a terminal.

use std::fmt::{self, Write};

use unicode_width::UnicodeWidthStr;

use crate::diagnose::audit::{Audit, Grade, cost};

use super::session::Report;
use super::words::{self, safe};

/// Columns that sentences are broken at.
const WIDTH: usize = 100;

/// The report as text.
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    // Writing into a string does not fail.
    let _ = write(report, &mut out);
    out
}

fn write(report: &Report, out: &mut String) -> fmt::Result {
    for (name, value) in words::about(report) {
        writeln!(out, "{name:<11}{value}")?;
    }
    if report.gpus.iter().any(|gpu| gpu.simulated) {
        writeln!(out, "\nSIMULATED GPU: its figures are made by a simulation.")?;
    }
    audit(&report.audit, out)?;
    findings(report, out)?;
    heading("Runs", out)?;
    if report.runs.is_empty() {
        writeln!(out, "No training was seen.")?;
    } else {
        table(&words::RUN_HEADINGS, report.runs.iter().map(words::run), out)?;
    }
    for part in &report.runs {
        writeln!(out)?;
        for (name, value) in words::environment(part) {
            writeln!(out, "  {name:<10}{value}")?;
        }
    }
    if !report.gpus.is_empty() {
        heading("GPUs", out)?;
        table(&words::GPU_HEADINGS, report.gpus.iter().map(words::gpu), out)?;
    }
    if !report.marks.is_empty() {
        heading("Marks", out)?;
        for mark in &report.marks {
            writeln!(out, "{}  {}", words::clock(mark.at_ms, report), safe(&mark.note))?;
        }
    }
    if !report.gaps.is_empty() {
        heading("Gaps", out)?;
        report.gaps.iter().try_for_each(|gap| writeln!(out, "{}", words::gap(gap, report)))?;
    }
    Ok(())
}

fn audit(audit: &Audit, out: &mut String) -> fmt::Result {
    heading("Audit", out)?;
    writeln!(out, "{}\n", audit.summary())?;
    for part in &audit.areas {
        let [grade, area, found, lost, seen] = &words::area(part)[..] else { continue };
        let found = if found.is_empty() { found.clone() } else { format!("{found} found") };
        writeln!(out, "{}", format!(" {grade}  {area:<15}{found:<12}{lost}").trim_end())?;
        broken(seen, 4, out)?;
    }
    if !audit.changes.is_empty() {
        writeln!(out, "\nWorth most:")?;
        for (at, worth) in audit.changes.iter().enumerate() {
            broken(&format!("{}. {}", at + 1, words::change(worth)), 1, out)?;
        }
    }
    writeln!(out)?;
    broken(Grade::RULE, 0, out)
}

fn findings(report: &Report, out: &mut String) -> fmt::Result {
    heading("Findings", out)?;
    if report.findings.is_empty() {
        return writeln!(out, "None.");
    }
    for (at, finding) in report.findings.iter().enumerate() {
        let severity = finding.severity.code();
        let when = words::when(finding, report);
        writeln!(out, "{:>2}  {severity:<9}{}   {when}", at + 1, words::rule(finding))?;
        for sentence in [&finding.title, &finding.advice, &finding.gain, &cost(finding)] {
            broken(&safe(sentence), 4, out)?;
        }
        for evidence in &finding.evidence {
            broken(&format!("· {}", safe(&evidence.text)), 6, out)?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn heading(name: &str, out: &mut String) -> fmt::Result {
    if !out.ends_with("\n\n") {
        writeln!(out)?;
    }
    writeln!(out, "{name}\n{}", "-".repeat(name.len()))
}

/// A sentence, indented and broken between words.
pub(super) fn broken(text: &str, indent: usize, out: &mut String) -> fmt::Result {
    let mut width = 0;
    for word in text.split_whitespace() {
        if width == 0 {
            write!(out, "{:indent$}", "")?;
            width = indent;
        } else if width + 1 + word.width() > WIDTH {
            write!(out, "\n{:indent$}", "")?;
            width = indent;
        } else {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += word.width();
    }
    if width > 0 { writeln!(out) } else { Ok(()) }
}

fn table(
    headings: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
    out: &mut String,
) -> fmt::Result {
    let mut all: Vec<Vec<String>> = vec![headings.iter().map(|&cell| cell.to_owned()).collect()];
    all.extend(rows);
    let widest = |column: usize| {
        all.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(widest).collect();
    for row in &all {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            write!(line, "{cell}{:1$}  ", "", width - cell.width().min(*width))?;
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
