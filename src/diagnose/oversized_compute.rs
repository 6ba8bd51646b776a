//! OVERSIZED-COMPUTE: the GPU's compute is far larger than the job.
//!
//! GPU utilization alone may never raise it: it says that a kernel ran, not how much of the GPU.

use super::about::{About, Threshold};
use super::ledger::Said;
use super::oversized::{Case, LEFT_OUT, Limits, Point, fluctuates, p95};
use super::right_size::{self, Need, Offer};
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
           more than {memory_full} of the memory in use, or where utilization fluctuates. A smaller size is \
           named where an evaluation or a checkpoint was seen, and recommended where a step takes at most \
           {slowest} as long in the worst case. Taken back by a minute above the size proposed.",
    remedy: "Raise the batch size, run a second job on the card, or use a smaller slice of it.",
    source: "SM activity as in NVIDIA's DCGM guidance (below 0.5 is likely ineffective), utilization as \
             in SageMaker Debugger; power is a proposal",
    thresholds: &[&ACTIVE, &UTILIZATION, &POWER, &MEMORY_FULL, &SLOWEST],
};

/// Multiprocessors, tensor pipes and memory at work, each below this (DCGM: SM activity below 0.5 is
/// likely ineffective).
pub(super) static ACTIVE: Threshold = Threshold {
    code: Rule::OversizedCompute.code(),
    name: "active",
    default: 0.50,
    unit: "share",
    what: "Multiprocessors, tensor pipes and device memory at work, each at most.",
};
/// Without those figures: utilization below this (SageMaker) and power below this share of its limit.
pub(super) static UTILIZATION: Threshold = Threshold {
    code: Rule::OversizedCompute.code(),
    name: "utilization",
    default: 0.70,
    unit: "share",
    what: "Utilization at most, where nothing finer can be read.",
};
pub(super) static POWER: Threshold = Threshold {
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
/// How many times as long a step may take in the worst case on a size that is recommended.
static SLOWEST: Threshold = Threshold {
    code: Rule::OversizedCompute.code(),
    name: "slowest",
    default: 1.10,
    unit: "times",
    what: "Time of a step on a size that is recommended, in the worst case, of its time now.",
};
/// From this share of the cost of a step on, what a smaller size saves is worth a warning.
const SAVES: f64 = 0.40;

/// The finding, and what takes it back.
pub(super) fn test(case: &Case<'_>, settings: &Settings) -> Option<(Said, Limits)> {
    let windows = case.sizing.windows(settings)?;
    let full = |point: &Point| point.memory.map(|(used, total)| used / total.max(1.0));
    let held = p95(&windows, full)?;
    if (case.ahead.is_none() && held > settings.of(&MEMORY_FULL)) || fluctuates(&windows) {
        return None;
    }
    let (active, title, mut evidence) = match p95(&windows, |point| point.sm) {
        Some(active) => by_activity(case, &windows, active, settings)?,
        None => by_utilization_and_power(case, &windows, settings)?,
    };
    evidence.extend(memory(case));
    evidence.push(left_out(case));
    let (advice, gain, saved, limits) = advise(case, active, settings);
    let said = Said {
        severity: if saved >= SAVES { Severity::Warn } else { Severity::Info },
        title,
        evidence,
        advice,
        gain,
        ..blank(case)
    };
    Some((said, limits))
}

type Found = (f64, String, Vec<Evidence>);

fn by_activity(
    case: &Case<'_>,
    windows: &[Vec<Point>; 2],
    active: f64,
    settings: &Settings,
) -> Option<Found> {
    let most = settings.of(&ACTIVE);
    let tensor = p95(windows, |point| point.tensor);
    let dram = p95(windows, |point| point.dram);
    if [Some(active), tensor, dram].into_iter().flatten().any(|share| share >= most) {
        return None;
    }
    let mut evidence =
        vec![line(case, "gpus.sm_active_ratio", active, most, "the multiprocessors are at work")];
    let tensor = tensor
        .map(|v| line(case, "gpus.tensor_active_ratio", v, most, "the tensor pipes are at work"));
    let dram =
        dram.map(|v| line(case, "gpus.dram_active_ratio", v, most, "the device memory is at work"));
    evidence.extend(tensor.into_iter().chain(dram));
    let title = format!(
        "{} keeps at most {} of the multiprocessors of GPU {} at work",
        name_of(&case.frame.sample, case.trainer.run, case.trainer.pid),
        words::percent(active),
        case.gpu
    );
    Some((active, title, evidence))
}

/// Multiprocessors are at work at most while a kernel runs, so that the utilization bounds them.
fn by_utilization_and_power(
    case: &Case<'_>,
    windows: &[Vec<Point>; 2],
    settings: &Settings,
) -> Option<Found> {
    let (most_util, most_power) = (settings.of(&UTILIZATION), settings.of(&POWER));
    let util = p95(windows, |point| point.util).filter(|share| *share < most_util)?;
    let power = p95(windows, |point| point.power).filter(|share| *share < most_power)?;
    let title = format!(
        "{} uses GPU {} at most {} of the time and draws at most {} of its power limit",
        name_of(&case.frame.sample, case.trainer.run, case.trainer.pid),
        case.gpu,
        words::percent(util),
        words::percent(power)
    );
    let evidence = vec![
        line(case, "gpus.utilization_ratio", util, most_util, "the GPU is utilized"),
        line(case, "gpus.power_ratio", power, most_power, "of its power limit it draws"),
    ];
    Some((util, title, evidence))
}

/// What to do, what that gives back, the share of a step's cost that it saves in the worst case, and
/// what takes it back.
fn advise(case: &Case<'_>, active: f64, settings: &Settings) -> (String, String, f64, Limits) {
    const LARGER: &str = "Double batch_size, or run a second job on the card";
    let unnamed = Limits { active: 1.0, bytes: f64::INFINITY };
    let unused = format!("up to {} of the card for other work", words::percent(1.0 - active));
    let nothing = |why: &str| (format!("{LARGER}; {why}."), unused.clone(), 0.0, unnamed);
    if let Some(who) = case.ahead {
        return nothing(&format!(
            "how much memory it needs is not known, as {who} takes it ahead of its need, so no smaller \
             size is named"
        ));
    }
    if !case.sizing.seen_other {
        return nothing(
            "no smaller size is named before an evaluation or a checkpoint was seen, either of which may \
             need more",
        );
    }
    let Some(card) = case.frame.sample.inventory.gpu(case.gpu) else {
        return nothing("which card it is cannot be read, so no smaller size is named");
    };
    let need = Need { active, bytes: case.sizing.peak };
    let offers = right_size::offers(card, &need, settings.of(&SLOWEST), case.lone);
    let slices = if case.lone {
        ""
    } else {
        " (slices of a card are no way for a job on several GPUs: they cannot reach one another)"
    };
    let limits = |offer: &Offer| {
        let (active, bytes) = offer.limits();
        Limits { active, bytes }
    };
    if let Some(fits) = &offers.fits {
        let advice = format!("Use {}{slices}; or: {LARGER}.", fits.sentence());
        return (advice, fits.gain(), fits.saved(active), limits(fits));
    }
    let Some(first) = offers.trade.first() else {
        return nothing(&format!("no smaller size that would do is known{slices}"));
    };
    let traded: Vec<String> = offers.trade.iter().map(Offer::sentence).collect();
    let advice = format!(
        "{LARGER}: no smaller size is sure to keep a step within {:.2} times its time. If slower steps are \
         worth it: {}{slices}.",
        settings.of(&SLOWEST),
        traded.join("; or ")
    );
    (advice, format!("{}, for slower steps", first.gain()), first.saved(active), limits(first))
}

/// `peak memory 24 GiB; a smaller size needs 26 GiB`
fn memory(case: &Case<'_>) -> Option<Evidence> {
    let peak = case.sizing.peak;
    let text = match case.ahead {
        Some(who) => format!(
            "it holds {}, and {who} does not tell how much of it is needed",
            words::memory(peak)
        ),
        None => format!(
            "the peak of its memory is {}, and a smaller size needs {}",
            words::memory(peak),
            words::memory(right_size::memory_enough(peak))
        ),
    };
    let entity = format!("pid {}", case.trainer.pid);
    let series = "gpu_procs.memory_used_bytes";
    (peak > 0.0).then(|| words::evidence(case.span, series, entity, peak, None, text))
}

/// `19 of 30 min counted; left out: evaluation 7 min, checkpoints 2 min`
fn left_out(case: &Case<'_>) -> Evidence {
    let (all, parts) = case.sizing.left_out();
    let out: f64 = parts.iter().sum();
    let named = parts.iter().zip(LEFT_OUT).filter(|(seconds, _)| **seconds >= 1.0);
    let named: Vec<String> =
        named.map(|(seconds, name)| format!("{name} {}", words::duration(*seconds))).collect();
    let text = format!(
        "{} of {} are counted; left out: {}",
        words::duration(all - out),
        words::duration(all),
        if named.is_empty() { "nothing".into() } else { named.join(", ") }
    );
    let entity = format!("pid {}", case.trainer.pid);
    words::evidence(case.span, "loaders.steps_total", entity, all - out, None, text)
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
