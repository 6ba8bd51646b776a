//! The rules in words: all of them in a list, one with its thresholds, and the table of the README.

use std::fmt::{self, Write};

use crate::diagnose::{About, Settings, causes, rules};
use crate::model::Area;

use super::text::broken;

/// Columns of a code in the list.
const CODE: usize = 20;

/// All rules by area, each with its causes' codes and what it says.
pub fn list() -> String {
    let mut out = String::new();
    // Writing into a string does not fail.
    let _ = write_list(&mut out);
    out
}

fn write_list(out: &mut String) -> fmt::Result {
    for area in Area::ALL {
        let of_area = |about: &&&About| about.area == *area;
        let rules: Vec<&&About> = rules().iter().filter(of_area).collect();
        let causes: Vec<&&About> = causes().iter().filter(of_area).collect();
        if rules.is_empty() && causes.is_empty() {
            continue;
        }
        writeln!(out, "{}{}", if out.is_empty() { "" } else { "\n" }, area.code())?;
        for about in rules {
            writeln!(out, "  {:<CODE$}{}", about.code, about.what)?;
        }
        for about in causes {
            writeln!(out, "  · {:<1$}{2}", about.code, CODE - 2, about.what)?;
        }
    }
    writeln!(
        out,
        "\n· is a cause of STARVED. `mltop explain RULE` tells when, and from which values on."
    )
}

/// All rules and causes as the table of the README.
pub fn table() -> String {
    let mut out = String::from("| finding | area | what it says |\n|---|---|---|\n");
    for about in rules() {
        let _ = writeln!(out, "| {} | {} | {} |", about.code, about.area.code(), about.what);
    }
    for about in causes() {
        let area = about.area.code();
        let _ = writeln!(out, "| {} | {area}, why STARVED | {} |", about.code, about.what);
    }
    out
}

/// A rule or a cause with the thresholds in force. Of a code that is both, both.
pub fn explain(code: &str, settings: &Settings) -> Option<String> {
    let both = [(rules(), "a finding"), (causes(), "a cause of STARVED")];
    let mut out = String::new();
    for (abouts, kind) in both {
        for about in abouts.iter().filter(|about| about.code.eq_ignore_ascii_case(code)) {
            if !out.is_empty() {
                out.push('\n');
            }
            let _ = write_about(about, kind, settings, &mut out);
        }
    }
    (!out.is_empty()).then_some(out)
}

fn write_about(about: &About, kind: &str, settings: &Settings, out: &mut String) -> fmt::Result {
    writeln!(out, "{}  ({}, {kind})\n", about.code, about.area.code())?;
    broken(about.what, 2, out)?;
    let when = about.when(|threshold| settings.of(threshold));
    for (head, text) in [("When", &*when), ("Remedy", about.remedy), ("Source", about.source)] {
        writeln!(out, "\n{head}")?;
        broken(text, 2, out)?;
    }
    if about.thresholds.is_empty() {
        return Ok(());
    }
    // Thresholds that a cause shares with its verdict stand there.
    writeln!(out, "\nThresholds, as [rules.{}] of the configuration sets them", about.code)?;
    for threshold in about.thresholds {
        let value = settings.of(threshold);
        let set = if value.to_bits() == threshold.default.to_bits() {
            String::new()
        } else {
            format!(" (default {})", threshold.default)
        };
        writeln!(out, "  {} = {value}{set}", threshold.name)?;
        broken(&format!("{} {}", threshold.words(value), threshold.what), 6, out)?;
    }
    Ok(())
}

/// Every word that [`explain`] knows.
pub fn codes() -> impl Iterator<Item = &'static str> {
    rules().iter().chain(causes()).map(|about| about.code)
}
