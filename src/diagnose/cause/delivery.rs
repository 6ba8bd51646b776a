//! DELIVERY-BOUND: batches are ready, and handing them over takes the time.

use super::{Case, Explained};
use crate::diagnose::words;
use crate::model::Cause;

/// The result queue holds a batch in at least this share of the waiting (measured: a loop that was
/// blocked 90 % of the time with 0.9 of 4 batches ready, its main thread in fd passing).
const READY_WHILE_WAITING: f64 = 0.50;

pub(super) fn test(case: &Case<'_>) -> Option<Explained> {
    let ready = case.facts.delivery.filter(|share| *share >= READY_WHILE_WAITING)?;
    let text = format!("a batch was ready in {} of the waiting", words::percent(ready));
    let evidence = words::evidence(
        case.facts.span,
        "loaders.delivery_samples_total",
        case.entity(),
        ready,
        Some(READY_WHILE_WAITING),
        text.clone(),
    );
    Some(Explained {
        cause: Cause::DeliveryBound,
        because: format!("{text}, so it is the hand-over to the main process that takes the time"),
        advice: "Hand over less: collate a batch into one tensor instead of many, return arrays or \
                 bytes instead of Python objects, or share through \
                 torch.multiprocessing.set_sharing_strategy(\"file_system\"). More workers do not help."
            .into(),
        evidence: vec![evidence],
    })
}
