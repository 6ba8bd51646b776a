//! The rules in words: all of them in a list, one with its thresholds, and the table of the README.

use std::fmt::{self, Write};

use crate::diagnose::{About, Settings, about_cause, abouts, causes, is_rule, rules};
use crate::model::{Area, Cause};

use super::text::broken;

/// Columns of a code in the list.
const CODE: usize = 22;

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
        let causes = causes().iter().filter(of_area).filter(|about| !is_rule(about));
        let causes: Vec<&&About> = causes.collect();
        if rules.is_empty() && causes.is_empty() {
            continue;
        }
        writeln!(out, "{}{}", if out.is_empty() { "" } else { "\n" }, area.code())?;
        for about in rules {
            let both = if is_cause(about) { "+ " } else { "" };
            writeln!(out, "  {both}{:<1$}{2}", about.code, CODE - both.len(), about.what)?;
        }
        for about in causes {
            writeln!(out, "  · {:<1$}{2}", about.code, CODE - 2, about.what)?;
        }
    }
    writeln!(
        out,
        "\n· is a cause of STARVED, + is one and a finding of its own. `mltop explain RULE` tells when, and from which values on."
    )
}

/// All rules and causes as the table of the README.
pub fn table() -> String {
    let mut out = String::from("| finding | area | what it says |\n|---|---|---|\n");
    for about in rules() {
        let area = about.area.code();
        let both = if is_cause(about) { ", also why STARVED" } else { "" };
        let _ = writeln!(out, "| {} | {area}{both} | {} |", about.code, about.what);
    }
    for about in causes().iter().filter(|about| !is_rule(about)) {
        let area = about.area.code();
        let _ = writeln!(out, "| {} | {area}, why STARVED | {} |", about.code, about.what);
    }
    out
}

/// Whether STARVED names it as its cause.
fn is_cause(about: &About) -> bool {
    let cause = Cause::from_code(about.code).and_then(about_cause);
    cause.is_some_and(|cause| std::ptr::eq(cause, about))
}

/// A rule or a cause with the thresholds in force.
pub fn explain(code: &str, settings: &Settings) -> Option<String> {
    let mut out = String::new();
    for about in abouts().filter(|about| about.code.eq_ignore_ascii_case(code)) {
        let kind = match (is_rule(about), is_cause(about)) {
            (true, true) => "a finding, and a cause of STARVED",
            (true, false) => "a finding",
            _ => "a cause of STARVED",
        };
        if !out.is_empty() {
            out.push('\n');
        }
        let _ = write_about(about, kind, settings, &mut out);
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
    abouts().map(|about| about.code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_the_list_no_code_runs_into_what_it_says() {
        let list = list();
        for about in abouts() {
            let line = list.lines().find(|line| line.ends_with(about.what)).unwrap_or_default();
            assert!(line.contains(&format!("{}  ", about.code)), "{line}");
        }
    }
}
