//! The score as a page, and what it must reach.

use std::fmt::Write as _;

use mltop::model::Cause;

use crate::score::{Outcome, Overlap, Score, quantile};

/// What the score must reach, frozen before the held-out seeds were looked at.
pub(crate) struct Limits {
    pub(crate) live_f1: f64,
    pub(crate) dated_f1: f64,
    pub(crate) cause_f1: f64,
    /// Seconds, where the short window is made for the steps.
    pub(crate) delay_p95: f64,
}

pub(crate) const LIMITS: Limits =
    Limits { live_f1: 0.90, dated_f1: 0.93, cause_f1: 0.85, delay_p95: 20.0 };

/// The limits that a score misses, in words.
pub(crate) fn misses(score: &Score) -> Vec<String> {
    let mut misses = Vec::new();
    let mut least = |what: &str, is: f64, least: f64| {
        // A figure that is not there is a miss, too.
        if is.is_nan() || is < least {
            misses.push(format!("{what} {is:.3}, at least {least:.2}"));
        }
    };
    least("F1 live", score.live.f1(), LIMITS.live_f1);
    least("F1 back-dated", score.dated.f1(), LIMITS.dated_f1);
    least("F1 of the cause", score.cause_f1(), LIMITS.cause_f1);
    let delay = quantile(&score.fast, 0.95);
    if delay.is_nan() || delay > LIMITS.delay_p95 {
        misses.push(format!("raised after {delay:.1} s (p95), at most {:.0}", LIMITS.delay_p95));
    }
    if score.alarms > 0 {
        misses.push(format!("{} findings are not true", score.alarms));
    }
    misses
}

/// Precision, recall and F1 as cells. Where nothing was said and nothing missed there is none of them.
fn three(overlap: Overlap) -> String {
    let cell = |is: f64| if is.is_nan() { "–".to_owned() } else { format!("{is:.3}") };
    [overlap.precision(), overlap.recall(), overlap.f1()].map(cell).join(" | ")
}

fn delays(sorted: &[f64]) -> String {
    if sorted.is_empty() {
        return "–".into();
    }
    format!("{:.1} / {:.1}", quantile(sorted, 0.5), quantile(sorted, 0.95))
}

/// A score in a line: the cells of the table after the name.
pub(crate) fn cells(score: &Score) -> String {
    format!(
        "{} | {:.1} | {}/{} | {} | {} | {} | {} | {} | {}/{} | {}",
        score.scenarios,
        score.hours,
        score.raised,
        score.stretches,
        three(score.live),
        three(score.dated),
        delays(&score.fast),
        delays(&score.slow),
        delays(&score.clear),
        score.top.1,
        score.top.0,
        score.alarms,
    )
}

const HEAD: &str = "\
| scenarios | runs | hours | stretches raised | P live | R live | F1 live | P dated | R dated | F1 dated \
| raise s, fast p50 / p95 | raise s, slow | clear s | cause right | untrue |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
";

/// One line for each name, in the order in which they came.
pub(crate) fn by_name(outcomes: &[Outcome]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for outcome in outcomes {
        if !names.contains(&outcome.name.as_str()) {
            names.push(&outcome.name);
        }
    }
    let mut page = HEAD.to_owned();
    for name in names {
        let score = Score::of(outcomes.iter().filter(|outcome| outcome.name == name));
        let _ = writeln!(page, "| {name} | {} |", cells(&score));
    }
    page
}

/// Which cause was said for which, in shares of the named time.
pub(crate) fn confusion(score: &Score) -> String {
    let mut page =
        "| true cause | precision | recall | F1 | said instead |\n|---|---|---|---|---|\n"
            .to_owned();
    for (cause, overlap) in score.by_cause() {
        let all = overlap.right + overlap.missed;
        let others: Vec<String> = score
            .causes
            .iter()
            .filter(|((truth, said), seconds)| {
                *truth == cause && said != truth && **seconds >= 0.005 * all
            })
            .map(|((_, said), seconds)| format!("{said} {:.0} %", seconds / all * 100.0))
            .collect();
        let unknown = if Cause::from_code(cause).is_none() { " (no such cause yet)" } else { "" };
        let _ = writeln!(
            page,
            "| {cause}{unknown} | {:.2} | {:.2} | {:.2} | {} |",
            overlap.precision(),
            overlap.recall(),
            overlap.f1(),
            others.join(", ")
        );
    }
    let _ = writeln!(
        page,
        "\nMean F1 of the causes {:.3}; the right one named longest in {} of {} stretches; a wrong one \
         named for {:.1} % of the time.",
        score.cause_f1(),
        score.top.1,
        score.top.0,
        score.misnamed() * 100.0
    );
    page
}

/// What the page is made of.
pub(crate) struct Whole<'a> {
    pub(crate) simulated: &'a [Outcome],
    pub(crate) quiet: &'a [Outcome],
    pub(crate) real: &'a [Outcome],
    pub(crate) promises: &'a str,
    /// Seconds from tick to tick, seconds that eight hours took, and may take.
    pub(crate) speeds: &'a [(f64, f64, f64)],
    pub(crate) skipped: &'a [String],
}

/// The page.
pub(crate) fn page(whole: &Whole<'_>) -> String {
    let mut page = include_str!("HEAD.md").to_owned();
    let all = Score::of(whole.simulated.iter().chain(whole.real));
    let (simulated, real) = (Score::of(whole.simulated), Score::of(whole.real));
    let _ = write!(page, "\n## All\n\n{HEAD}");
    for (name, score) in [("all", &all), ("simulated", &simulated), ("real", &real)] {
        let _ = writeln!(page, "| **{name}** | {} |", cells(score));
    }
    let misses = misses(&all);
    let _ = writeln!(
        page,
        "\nAsked: F1 live {:.2}, back-dated {:.2}, of the cause {:.2}; raised within {:.0} s (p95, \
         fast); nothing untrue. {}",
        LIMITS.live_f1,
        LIMITS.dated_f1,
        LIMITS.cause_f1,
        LIMITS.delay_p95,
        if misses.is_empty() {
            "All kept.".to_owned()
        } else {
            format!("Missed: {}.", misses.join("; "))
        }
    );
    let _ = write!(page, "\n## Causes\n\n{}", confusion(&all));
    let _ = write!(page, "\n## Simulated\n\n{}", by_name(whole.simulated));
    let _ = write!(page, "\n## Real\n\n{}", by_name(whole.real));
    let _ = write!(page, "\n## Nothing starves\n\n{}", hours(whole.quiet));
    let _ = write!(page, "\n## Promises\n\n{}", whole.promises);
    page.push_str("\n## Eight hours of eight trainings with eight workers each, derived and diagnosed again\n\n");
    for (interval, seconds, limit) in whole.speeds {
        let _ = writeln!(page, "- a tick each {interval} s: {seconds:.1} s (at most {limit:.0})");
    }
    for skipped in whole.skipped {
        let _ = writeln!(page, "\nNot run: {skipped}.");
    }
    page
}

/// Hours in which nothing starves, and what was said of them.
fn hours(outcomes: &[Outcome]) -> String {
    let mut page = "| scenario | hours | untrue findings |\n|---|---|---|\n".to_owned();
    let mut names: Vec<&str> = Vec::new();
    for outcome in outcomes {
        if !names.contains(&outcome.name.as_str()) {
            names.push(&outcome.name);
        }
    }
    for name in names {
        let score = Score::of(outcomes.iter().filter(|outcome| outcome.name == name));
        let _ = writeln!(page, "| {name} | {:.1} | {} |", score.hours, score.alarms);
    }
    let all = Score::of(outcomes);
    let _ = writeln!(page, "| **all** | {:.1} | {} |", all.hours, all.alarms);
    page
}
