//! OVERSIZED-VRAM: the GPU's memory is far larger than the job.

use super::about::{About, Threshold};
use super::ledger::Said;
use super::oversized::{Case, POINTS, p95};
use super::right_size::memory_enough;
use super::settings::Settings;
use super::starved::name_of;
use super::words;
use crate::model::Rule;

pub(super) static ABOUT: About = About {
    code: Rule::OversizedMemory.code(),
    area: Rule::OversizedMemory.area(),
    what: "The job would fit a much smaller part of the GPU's memory.",
    when: "Raised where the peak over two windows of 15 minutes of plain, fed training is at most {need} \
           of the device, and an evaluation, a checkpoint, an epoch boundary or an hour was seen; cleared when \
           a later peak is higher. Not for frameworks that take memory ahead of their need.",
    remedy: "Raise the batch size, or use a card or slice with less memory.",
    source: "a proposal; 55 % of the jobs that asked for 80 GB on Perlmutter peak below half of it",
    thresholds: &[&NEED],
};

/// The peak need is at most this share of the device.
static NEED: Threshold = Threshold {
    code: Rule::OversizedMemory.code(),
    name: "need",
    default: 0.45,
    unit: "share",
    what: "Peak of the memory in use, of the device's, at most.",
};
/// Without an evaluation or a checkpoint in sight, an epoch boundary or so many points must have been
/// seen.
const POINTS_WITHOUT: usize = 4 * POINTS;

pub(super) fn test(case: &Case<'_>, settings: &Settings) -> Option<Said> {
    if case.ahead.is_some() {
        return None;
    }
    let windows = case.sizing.windows(settings)?;
    let whole = case.sizing.seen_other
        || case.trainer.gates.boundaries > 0
        || case.sizing.seen >= POINTS_WITHOUT;
    if !whole {
        return None;
    }
    // The peak of all that was seen, not a percentile: one batch that does not fit ends the job.
    let need = case.sizing.peak;
    let most = settings.of(&NEED);
    let total = p95(&windows, |point| point.memory.map(|(_, total)| total))?;
    if total <= 0.0 || need / total > most {
        return None;
    }
    let name = name_of(&case.frame.sample, case.trainer.run, case.trainer.pid);
    let (peak, device) = (words::memory(need), words::memory(total));
    let enough = memory_enough(need);
    let text = format!("the peak of its memory is {peak} of {device}");
    Some(Said {
        run: Some(case.trainer.run),
        pid: Some(case.trainer.pid),
        title: format!("{name} needs at most {peak} of the {device} of GPU {}", case.gpu),
        evidence: vec![words::evidence(
            case.span,
            "gpus.memory_used_bytes",
            format!("gpu {}", case.gpu),
            need,
            Some(most * total),
            text,
        )],
        advice: advice(case, enough),
        gain: format!(
            "frees up to {} of the memory",
            words::percent((1.0 - enough / total).max(0.0))
        ),
        ..Said::of(Rule::OversizedMemory)
    })
}

fn advice(case: &Case<'_>, enough: f64) -> String {
    let enough = words::memory(enough);
    if !case.sizing.seen_other {
        return "Double batch_size; no smaller size is named before an evaluation or a checkpoint was seen, \
                either of which may need more."
            .into();
    }
    if case.lone {
        format!("Double batch_size, or use a card or a slice of one with {enough} of memory.")
    } else {
        format!("Double batch_size, or use cards with {enough} of memory.")
    }
}
