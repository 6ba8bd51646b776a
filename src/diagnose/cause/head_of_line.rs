//! HEAD-OF-LINE: one slow batch holds back finished ones, so workers idle while the loop waits.

use super::{Case, EXPLAINS, Explained};
use crate::diagnose::about::{About, Threshold};
use crate::diagnose::words;
use crate::model::Cause;

pub(super) static ABOUT: About = About {
    code: Cause::HeadOfLine.code(),
    area: Cause::HeadOfLine.area(),
    what: "One slow batch holds back finished ones: batches are delivered in order.",
    when: "Named where workers are idle {idle} or more of the time in which the loop waits, and what they \
           could have made meanwhile is most of what the loop lacks; where the idle time is not counted, finished batches must stand behind a slower one in {stashed} of it, too.",
    remedy: "Raise prefetch_factor to 4 times what it is; sort or bucket samples by size so that batches \
             take equally long; where the order does not matter, in_order=False (torch ≥ 2.6). More \
             workers do not help.",
    source: "our own measurements: workers idle at most 7 % where supply is short, 30 to 45 % with \
             heavy-tailed loads",
    thresholds: &[&IDLE, &STASHED],
};

/// Workers without work while the loop waits. Measured: at most 7 % where supply is short, 23 % at a
/// supply of 1.3 × the demand, 30 to 45 % with heavy-tailed loads.
static IDLE: Threshold = Threshold {
    code: Cause::HeadOfLine.code(),
    name: "idle",
    default: 0.20,
    unit: "share",
    what: "Share of the workers' time without work while the loop waits.",
};
/// Without a count of workers that idle during the wait itself: finished batches must be waiting in
/// this share of the waiting, too.
static STASHED: Threshold = Threshold {
    code: Cause::HeadOfLine.code(),
    name: "stashed",
    default: 0.50,
    unit: "share",
    what: "Share of the waiting in which finished batches stand behind a slower one.",
};

pub(super) fn test(case: &Case<'_>) -> Option<Explained> {
    if case.workers.is_some_and(|workers| workers < 2) {
        return None;
    }
    let (least_idle, stashed) = (case.of(&IDLE), case.of(&STASHED));
    let (idle, column) = match (case.facts.idle_waiting, case.facts.stash) {
        (Some(idle), _) => (idle, "loaders.wait_idle_samples_total"),
        (None, Some(stash)) if stash >= stashed => (case.shares?.idle, "loaders.worker_idle_ratio"),
        _ => return None,
    };
    if idle < least_idle || !makes_up(case) {
        return None;
    }
    let text =
        format!("workers are idle {} of the time in which the loop waits", words::percent(idle));
    let mut evidence = vec![words::evidence(
        case.facts.span,
        column,
        case.entity(),
        idle,
        Some(least_idle),
        text.clone(),
    )];
    let mut because = text;
    if let Some(stash) = case.facts.stash.filter(|stash| *stash > 0.0) {
        let text = format!(
            "finished batches stood behind a slower one in {} of it",
            words::percent(stash)
        );
        because = format!("{because}, and {text}");
        let series = "loaders.stash";
        evidence.push(words::evidence(
            case.facts.span,
            series,
            case.entity(),
            stash,
            Some(stashed),
            text,
        ));
    }
    let prefetch = case.trainer.prefetch.unwrap_or(2).max(1);
    let more = prefetch.saturating_mul(4).clamp(4, 16);
    Some(Explained {
        cause: Cause::HeadOfLine,
        because,
        advice: format!(
            "Raise prefetch_factor from {prefetch} to {more}; sort or bucket samples by size so that \
             batches take equally long; where the order does not matter, in_order=False (torch ≥ 2.6). \
             More workers do not help."
        ),
        evidence,
    })
}

/// Whether the work that idle workers could have done makes up for enough of what the loop lacks.
/// Without idle time workers would make 1 / (1 − idle) of what they make; 1 / (1 − blocked) is wanted.
/// Where service times only vary, workers idle too, and yet there are too few of them.
fn makes_up(case: &Case<'_>) -> bool {
    let more = |share: f64| share / (1.0 - share.min(0.99));
    let idle = case.shares.map_or(1.0, |shares| shares.idle);
    more(idle) >= case.of(&EXPLAINS) * more(case.blocked)
}
