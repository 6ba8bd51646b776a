//! DELIVERY-BOUND: batches are ready, and handing them over takes the time.

use super::{Case, Explained};
use crate::diagnose::about::{About, Threshold};
use crate::diagnose::words;
use crate::model::Cause;

pub(super) static ABOUT: About = About {
    code: Cause::DeliveryBound.code(),
    area: Cause::DeliveryBound.area(),
    what: "Batches are ready; handing them to the training loop takes the time.",
    when: "Named where a batch is ready in {ready} of the waiting or more; asked before all others.",
    remedy: "Hand over less: collate a batch into one tensor instead of many, return arrays or bytes \
             instead of Python objects, or share through \
             torch.multiprocessing.set_sharing_strategy(\"file_system\"). More workers do not help.",
    source: "our own measurement of a loop whose main thread sat in the passing of file descriptors",
    thresholds: &[&READY_WHILE_WAITING],
};

/// The result queue holds a batch in at least this share of the waiting (measured: a loop that was
/// blocked 90 % of the time with 0.9 of 4 batches ready, its main thread in fd passing).
static READY_WHILE_WAITING: Threshold = Threshold {
    code: Cause::DeliveryBound.code(),
    name: "ready",
    default: 0.50,
    unit: "share",
    what: "Share of the waiting in which a batch is ready.",
};

pub(super) fn test(case: &Case<'_>) -> Option<Explained> {
    let least = case.of(&READY_WHILE_WAITING);
    let ready = case.facts.delivery.filter(|share| *share >= least)?;
    let text = format!("a batch was ready in {} of the waiting", words::percent(ready));
    let evidence = words::evidence(
        case.facts.span,
        "loaders.delivery_samples_total",
        case.entity(),
        ready,
        Some(least),
        text.clone(),
    );
    Some(Explained {
        cause: Cause::DeliveryBound,
        because: format!("{text}, so it is the hand-over to the main process that takes the time"),
        advice: ABOUT.remedy.into(),
        evidence: vec![evidence],
    })
}
