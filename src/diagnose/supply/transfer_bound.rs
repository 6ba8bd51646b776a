//! TRANSFER-BOUND: copies from host memory to the GPU take the time.

use super::{Sight, View};
use crate::diagnose::about::{About, Threshold};
use crate::diagnose::charge::Lost;
use crate::diagnose::ledger::Said;
use crate::diagnose::words;
use crate::model::{Rule, Severity};

pub(in crate::diagnose) static ABOUT: About = About {
    code: Rule::TransferBound.code(),
    area: Rule::TransferBound.area(),
    what: "Copies from host memory to the GPU take time in which the GPU does not compute.",
    when: "Raised where the GPU idles {idle} of the time or more (its multiprocessors half of it, where their \
           activity is known: copies count as utilization), the loop does not wait for data, and the \
           PCIe link carries {link} of what it can towards the GPU or more; or {slow} or more while the \
           link runs below what GPU and slot can do, for 10 s over a window of 30 s; cleared below half of \
           the idle share or of the link's for 20 s.",
    remedy: "Copy from pinned memory beside the step: pin_memory=True and .to(device, non_blocking=True), \
             with the next batch prefetched on a side stream; send uint8 and normalise on the GPU; check \
             that the card sits in a slot with all its lanes (nvidia-smi -q -d PERFORMANCE, lspci -vv).",
    source: "a proposal; of 706 causes of low utilization in the ICSE'24 study 28 % were such copies",
    thresholds: &[&IDLE, &LINK, &SLOW],
};

static IDLE: Threshold = Threshold {
    code: Rule::TransferBound.code(),
    name: "idle",
    default: 0.10,
    unit: "share",
    what: "Share of time in which the GPU idles.",
};
static LINK: Threshold = Threshold {
    code: Rule::TransferBound.code(),
    name: "link",
    default: 0.60,
    unit: "share",
    what: "What the link carries towards the GPU, of what it can.",
};
static SLOW: Threshold = Threshold {
    code: Rule::TransferBound.code(),
    name: "slow",
    default: 0.30,
    unit: "share",
    what: "The same of a link that runs below what GPU and slot can do.",
};
/// Of the multiprocessors' time, where it is known, at least this must be idle.
const HALF: f64 = 0.50;
/// Blocked for more than this, the loop waits for data and not for copies.
const BLOCKED: f64 = 0.05;

pub(super) fn look(view: &View<'_>) -> Option<Sight> {
    let facts = view.facts.as_ref()?;
    // Copies count as utilization: an H200 that does nothing else says 100 %. What is idle then are the
    // multiprocessors, of which a loop that computes beside its copies leaves many alone, too.
    let active = view.used.sm;
    let idle = 1.0 - active.or(facts.gpu)?;
    // Without a true mean (GPM, byte counters) short bursts would be taken for the whole.
    let link = view.used.rx?;
    let slow = view.used.slow_link.is_some_and(|share| share >= 0.5);
    let least = view.of_settings(&IDLE).max(if active.is_some() { HALF } else { 0.0 });
    let wants = view.of_settings(if slow { &SLOW } else { &LINK });
    let (series, who, when) = match active {
        Some(_) => ("gpus.sm_active_ratio", "its multiprocessors idle", "of their time"),
        None => ("gpus.utilization_ratio", "the GPU idles", "of the time"),
    };
    if idle < least / 2.0 || link < wants / 2.0 {
        return Some(Sight::Gone);
    }
    if view.starves() || facts.blocked? >= BLOCKED || idle < least || link < wants {
        return Some(Sight::Fading);
    }
    let rate =
        view.used.rx_bytes.map_or_else(String::new, |bytes| format!("{}, ", words::rate(bytes)));
    let pinned = view.trainer.pinned;
    let what = if pinned == Some(false) { "unpinned batches" } else { "batches" };
    let below = if slow { ", which runs below what GPU and slot can do" } else { "" };
    let gpus: Vec<String> = view.trainer.gpus.iter().map(ToString::to_string).collect();
    let entity = format!("gpu {}", gpus.join(", "));
    let line = |series, value, limit, text| {
        words::evidence(facts.span, series, &*entity, value, Some(limit), text)
    };
    let bare = (pinned == Some(false)).then(|| {
        let text = "0 threads copy batches to pinned memory".to_owned();
        words::evidence(facts.span, "loaders.pinned", &*entity, 0.0, None, text)
    });
    let carries = format!("{rate}{} of the PCIe link", words::percent(link));
    let mut evidence = vec![
        line(series, idle, least, format!("{who} {} {when}", words::percent(idle))),
        line("gpus.pcie_rx_ratio", link, wants, format!("the copies take {carries}")),
    ];
    evidence.extend(bare);
    let said = Said {
        severity: words::severity(idle).unwrap_or(Severity::Info).min(Severity::High),
        title: format!(
            "{} copies {what} to its GPU at {carries}{below}, while {who} {} {when}",
            view.name(),
            words::percent(idle)
        ),
        evidence,
        advice: if pinned == Some(true) {
            "Its batches are pinned already: copy them beside the step with .to(device, \
             non_blocking=True) and prefetch the next one on a side stream; send uint8 and normalise on \
             the GPU; check that the card sits in a slot with all its lanes (lspci -vv)."
                .into()
        } else {
            ABOUT.remedy.into()
        },
        gain: format!(
            "up to {:.1}× faster if the copies ran beside the step",
            1.0 / (1.0 - idle.min(0.9))
        ),
        lost: Lost::of(view.trainer.gpus.iter().copied(), 0.0, idle),
        ..Said::of(Rule::TransferBound)
    };
    Some(view.here(idle, said))
}
