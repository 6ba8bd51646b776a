//! OVERSIZED-VRAM: the GPU's memory is far larger than the job.

use super::about::{About, Threshold};
use super::ledger::Said;
use super::oversized::{Case, POINTS, Point, p95};
use super::settings::Settings;
use super::starved::name_of;
use super::words;
use crate::model::Rule;

pub(super) static ABOUT: About = About {
    code: Rule::OversizedMemory.code(),
    area: Rule::OversizedMemory.area(),
    what: "The job would fit a much smaller part of the GPU's memory.",
    when: "Raised where the peak over two windows of 15 minutes of plain, fed training is at most {need} \
           of the device, an epoch boundary or an hour of it seen; cleared when a later peak is higher.",
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
/// Without an epoch boundary or an evaluation in sight, so many points must have been seen, as either
/// may need more.
const POINTS_WITHOUT_BOUNDARY: usize = 4 * POINTS;
/// Room that a smaller part must leave: a tenth and 0.6 GiB for the context.
const ROOM: f64 = 1.10;
const CONTEXT_BYTES: f64 = 0.6 * 1_073_741_824.0;

pub(super) fn test(case: &Case<'_>, settings: &Settings) -> Option<Said> {
    let windows = case.sizing.windows(settings)?;
    let whole = case.trainer.gates.boundaries > 0 || case.sizing.seen >= POINTS_WITHOUT_BOUNDARY;
    if !whole {
        return None;
    }
    // The peak, not a percentile: one batch that does not fit ends the job.
    let peak = |point: &Point| point.memory.map(|(used, _)| used);
    let points = || windows.iter().flatten();
    let need = points().map(peak).collect::<Option<Vec<f64>>>()?.into_iter().fold(0.0, f64::max);
    let most = settings.of(&NEED);
    let total = p95(&windows, |point| point.memory.map(|(_, total)| total))?;
    if total <= 0.0 || need / total > most {
        return None;
    }
    let name = name_of(case.frame, case.trainer.run, case.trainer.pid);
    let (peak, device) = (words::memory(need), words::memory(total));
    let enough = ROOM.mul_add(need, CONTEXT_BYTES);
    let text = format!("peak {peak} of {device}");
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
        advice: format!(
            "Raise the batch size, or use a card or slice with {} of memory.",
            words::memory(enough)
        ),
        gain: format!(
            "frees up to {} of the memory",
            words::percent((1.0 - enough / total).max(0.0))
        ),
        ..Said::of(Rule::OversizedMemory)
    })
}
