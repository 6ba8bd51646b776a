//! OVERSIZED-COMPUTE: the GPU's compute is far larger than the job.
//!
//! GPU utilization alone may never raise it: it says that a kernel ran, not how much of the GPU.

use super::about::{About, Threshold};
use super::ledger::Said;
use super::oversized::{Case, Point, p95};
use super::settings::Settings;
use super::starved::name_of;
use super::words;
use crate::model::{Evidence, Rule, Severity};

pub(super) static ABOUT: About = About {
    code: Rule::OversizedCompute.code(),
    area: Rule::OversizedCompute.area(),
    what: "The job would fit a much smaller part of the GPU's compute.",
    when: "Raised where two windows of 15 minutes of plain, fed training agree: multiprocessors, tensor \
           pipes and device memory each below {active} at work (95th percentile of minutes), or without \
           those figures utilization below {utilization} and power below {power} of its limit; not with \
           more than {memory_full} of the memory in use. Taken back by a minute above the size proposed.",
    remedy: "Raise the batch size, run a second job on the card, or use a smaller slice of it.",
    source: "SM activity as in NVIDIA's DCGM guidance (below 0.5 is likely ineffective), utilization as \
             in SageMaker Debugger; power is a proposal",
    thresholds: &[&ACTIVE, &UTILIZATION, &POWER, &MEMORY_FULL],
};

/// Multiprocessors, tensor pipes and memory at work, each below this (DCGM: SM activity below 0.5 is
/// likely ineffective).
static ACTIVE: Threshold = Threshold {
    code: Rule::OversizedCompute.code(),
    name: "active",
    default: 0.50,
    unit: "share",
    what: "Multiprocessors, tensor pipes and device memory at work, each at most.",
};
/// Without those figures: utilization below this (SageMaker) and power below this share of its limit.
static UTILIZATION: Threshold = Threshold {
    code: Rule::OversizedCompute.code(),
    name: "utilization",
    default: 0.70,
    unit: "share",
    what: "Utilization at most, where nothing finer can be read.",
};
static POWER: Threshold = Threshold {
    code: Rule::OversizedCompute.code(),
    name: "power",
    default: 0.45,
    unit: "share",
    what: "Power of its limit at most, where nothing finer can be read.",
};
/// With this much of the memory in use, a smaller part would not hold the job.
static MEMORY_FULL: Threshold = Threshold {
    code: Rule::OversizedCompute.code(),
    name: "memory_full",
    default: 0.80,
    unit: "share",
    what: "Memory in use above which no smaller size is named.",
};
/// Parts of a card that are offered, and how full such a part may be.
const PARTS: f64 = 8.0;
const FULL: f64 = 0.90;

/// The finding, and the activity above which it is taken back.
pub(super) fn test(case: &Case<'_>, settings: &Settings) -> Option<(Said, f64)> {
    let windows = case.sizing.windows(settings)?;
    let full = |point: &Point| point.memory.map(|(used, total)| used / total.max(1.0));
    if p95(&windows, full).is_none_or(|share| share > settings.of(&MEMORY_FULL)) {
        return None;
    }
    match p95(&windows, |point| point.sm) {
        Some(active) => by_activity(case, &windows, active, settings.of(&ACTIVE)),
        None => by_utilization_and_power(case, &windows, settings),
    }
}

fn by_activity(
    case: &Case<'_>,
    windows: &[Vec<Point>; 2],
    active: f64,
    most: f64,
) -> Option<(Said, f64)> {
    let tensor = p95(windows, |point| point.tensor);
    let dram = p95(windows, |point| point.dram);
    if [Some(active), tensor, dram].into_iter().flatten().any(|share| share >= most) {
        return None;
    }
    let part = ((active / FULL * PARTS).ceil() / PARTS).clamp(1.0 / PARTS, 1.0);
    let slowest = 1.0 - active + active / part;
    let saved = (1.0 - part) * (1.0 - active);
    let mut evidence = vec![line(case, "gpus.sm_active_ratio", active, most, "multiprocessors")];
    let tensor = tensor.map(|v| line(case, "gpus.tensor_active_ratio", v, most, "tensor pipes"));
    let dram = dram.map(|v| line(case, "gpus.dram_active_ratio", v, most, "device memory"));
    evidence.extend(tensor.into_iter().chain(dram));
    let said = Said {
        severity: if saved >= 0.5 { Severity::Warn } else { Severity::Info },
        title: format!(
            "{} keeps at most {} of the multiprocessors of GPU {} at work",
            name_of(case.frame, case.trainer.run, case.trainer.pid),
            words::percent(active),
            case.gpu
        ),
        evidence,
        advice: format!(
            "Raise the batch size, run a second job on the card, or use a slice with {} of its \
             multiprocessors: a step would then take 1.00 to {slowest:.2} times as long.",
            words::percent(part)
        ),
        gain: format!("frees up to {} of the card", words::percent(1.0 - part)),
        ..blank(case)
    };
    Some((said, part * FULL))
}

fn by_utilization_and_power(
    case: &Case<'_>,
    windows: &[Vec<Point>; 2],
    settings: &Settings,
) -> Option<(Said, f64)> {
    let (most_util, most_power) = (settings.of(&UTILIZATION), settings.of(&POWER));
    let util = p95(windows, |point| point.util).filter(|share| *share < most_util)?;
    let power = p95(windows, |point| point.power).filter(|share| *share < most_power)?;
    let said = Said {
        title: format!(
            "{} uses GPU {} at most {} of the time and draws at most {} of its power limit",
            name_of(case.frame, case.trainer.run, case.trainer.pid),
            case.gpu,
            words::percent(util),
            words::percent(power)
        ),
        evidence: vec![
            line(case, "gpus.utilization_ratio", util, most_util, "utilization"),
            line(case, "gpus.power_ratio", power, most_power, "power of its limit"),
        ],
        advice: "Raise the batch size or run a second job on the card; how much of it is at work \
                 cannot be read here, so no smaller size is named."
            .into(),
        gain: "part of the card; how much is not known".into(),
        ..blank(case)
    };
    Some((said, 1.0))
}

fn line(case: &Case<'_>, series: &str, value: f64, limit: f64, what: &str) -> Evidence {
    let text = format!("{what} {} at most", words::percent(value));
    words::evidence(case.span, series, format!("gpu {}", case.gpu), value, Some(limit), text)
}

fn blank(case: &Case<'_>) -> Said {
    Said {
        run: Some(case.trainer.run),
        pid: Some(case.trainer.pid),
        ..Said::of(Rule::OversizedCompute)
    }
}
