//! The report as Markdown, for an issue or a wiki.

use std::fmt::{self, Write};

use crate::diagnose::audit::{Grade, cost};

use super::session::Report;
use super::words::{self, safe};

/// The report as Markdown.
pub fn markdown(report: &Report) -> String {
    let mut out = String::new();
    // Writing into a string does not fail.
    let _ = write(report, &mut out);
    out
}

fn write(report: &Report, out: &mut String) -> fmt::Result {
    writeln!(out, "# mltop: {}\n", escaped(&report.about.file))?;
    for (name, value) in words::about(report).iter().skip(1) {
        writeln!(out, "- **{name}**: {}", escaped(value))?;
    }
    if report.gpus.iter().any(|gpu| gpu.simulated) {
        writeln!(out, "- **SIMULATED GPU**: its figures are made by a simulation")?;
    }
    audit(report, out)?;
    writeln!(out, "\n## Findings\n")?;
    if report.findings.is_empty() {
        writeln!(out, "None.")?;
    }
    for (at, finding) in report.findings.iter().enumerate() {
        let when = words::when(finding, report);
        let (rule, severity) = (words::rule(finding), finding.severity.code());
        writeln!(out, "### {}. {rule} ({severity})\n\n{when} UTC\n", at + 1)?;
        writeln!(out, "{}\n", escaped(&finding.title))?;
        for evidence in &finding.evidence {
            writeln!(out, "- {}", escaped(&evidence.text))?;
        }
        for sentence in [&finding.advice, &finding.gain, &cost(finding)] {
            if !sentence.is_empty() {
                writeln!(out, "\n{}", escaped(sentence))?;
            }
        }
        writeln!(out)?;
    }
    writeln!(out, "\n## Runs\n")?;
    table(&words::RUN_HEADINGS, report.runs.iter().map(words::run), out)?;
    for part in &report.runs {
        writeln!(out, "\n**{}**\n", escaped(&part.name))?;
        for (name, value) in words::environment(part) {
            writeln!(out, "- {name}: {}", escaped(&value))?;
        }
    }
    writeln!(out, "\n## GPUs\n")?;
    table(&words::GPU_HEADINGS, report.gpus.iter().map(words::gpu), out)?;
    if !report.marks.is_empty() {
        writeln!(out, "\n## Marks\n")?;
        for mark in &report.marks {
            writeln!(out, "- {} {}", words::clock(mark.at_ms, report), escaped(&mark.note))?;
        }
    }
    if !report.gaps.is_empty() {
        writeln!(out, "\n## Gaps\n")?;
        report
            .gaps
            .iter()
            .try_for_each(|gap| writeln!(out, "- {}", escaped(&words::gap(gap, report))))?;
    }
    Ok(())
}

fn audit(report: &Report, out: &mut String) -> fmt::Result {
    let audit = &report.audit;
    writeln!(out, "\n## Audit\n\n{}\n", escaped(&audit.summary()))?;
    table(&words::AREA_HEADINGS, audit.areas.iter().map(words::area), out)?;
    if !audit.changes.is_empty() {
        writeln!(out, "\nWorth most:\n")?;
    }
    for (at, worth) in audit.changes.iter().enumerate() {
        writeln!(out, "{}. {}", at + 1, escaped(&words::change(worth)))?;
    }
    writeln!(out, "\n{}", escaped(Grade::RULE))
}

fn table(
    headings: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
    out: &mut String,
) -> fmt::Result {
    writeln!(out, "| {} |", headings.join(" | "))?;
    writeln!(out, "|{}", "---|".repeat(headings.len()))?;
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| escaped(cell)).collect();
        writeln!(out, "| {} |", cells.join(" | "))?;
    }
    Ok(())
}

/// Text that stays text: what Markdown or the HTML in it would take for markup is escaped.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for glyph in safe(text).chars() {
        match glyph {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '!' | '~' | '@' => {
                out.push('\\');
                out.push(glyph);
            }
            glyph => out.push(glyph),
        }
    }
    out
}
