//! HEAD-OF-LINE: one slow batch holds back finished ones, so workers idle while the loop waits.

use super::{Case, Explained};
use crate::diagnose::words;
use crate::model::Cause;

/// Workers without work while the loop waits. Measured: at most 7 % where supply is short, 23 % at a
/// supply of 1.3 × the demand, 30 to 45 % with heavy-tailed loads.
const IDLE: f64 = 0.20;
/// Without a count of workers that idle during the wait itself: finished batches must be waiting in
/// this share of the waiting, too.
const STASHED: f64 = 0.50;

pub(super) fn test(case: &Case<'_>) -> Option<Explained> {
    if case.workers.is_some_and(|workers| workers < 2) {
        return None;
    }
    let (idle, column) = match (case.facts.idle_waiting, case.facts.stash) {
        (Some(idle), _) => (idle, "loaders.wait_idle_samples_total"),
        (None, Some(stash)) if stash >= STASHED => (case.shares?.idle, "loaders.worker_idle_ratio"),
        _ => return None,
    };
    if idle < IDLE {
        return None;
    }
    let text = format!("workers {} idle while the loop waits", words::percent(idle));
    let mut evidence = vec![words::evidence(
        case.facts.span,
        column,
        case.entity(),
        idle,
        Some(IDLE),
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
            Some(STASHED),
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
