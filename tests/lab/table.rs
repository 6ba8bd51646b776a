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

fn three(overlap: Overlap) -> String {
    format!("{:.3} | {:.3} | {:.3}", overlap.precision(), overlap.recall(), overlap.f1())
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

pub(crate) const HEAD: &str = "\
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
