//! EPOCH-RESPAWN: each epoch starts its workers anew, and the loop waits for them.

use super::{Sight, View};
use crate::diagnose::about::{About, Threshold};
use crate::diagnose::charge::Lost;
use crate::diagnose::epochs::{Epoch, Log};
use crate::diagnose::ledger::Said;
use crate::diagnose::words;
use crate::model::{Rule, Severity};

pub(in crate::diagnose) static ABOUT: About = About {
    code: Rule::EpochRespawn.code(),
    area: Rule::EpochRespawn.area(),
    what: "Each epoch starts all its workers anew, and the loop waits for them and for their first batch.",
    when: "Raised after the second begin of an epoch with as many new workers as there are, where the loop \
           starts workers and waits {gap} and {steps} steps or more from the last batch of an epoch to the \
           first of the next, and {share} of an epoch's time or more; cleared after an epoch with half of \
           that share or without new workers.",
    remedy: "Set persistent_workers=True in the DataLoader; keep the Dataset object small, as each worker \
             gets a copy of it; with an IterableDataset, loop over the epochs inside of it.",
    source: "a proposal; Lightning warns of the same where workers are spawned and not persistent",
    thresholds: &[&GAP, &STEPS, &SHARE],
};

static GAP: Threshold = Threshold {
    code: Rule::EpochRespawn.code(),
    name: "gap",
    default: 2.0,
    unit: "seconds",
    what: "Time of an epoch's begin that goes into starting workers and waiting for them.",
};
static STEPS: Threshold = Threshold {
    code: Rule::EpochRespawn.code(),
    name: "steps",
    default: 5.0,
    unit: "count",
    what: "The same in steps.",
};
static SHARE: Threshold = Threshold {
    code: Rule::EpochRespawn.code(),
    name: "share",
    default: 0.03,
    unit: "share",
    what: "The same of an epoch's time.",
};
/// The last so many epochs count.
const EPOCHS: usize = 8;
/// So many begins must have been seen.
const BEGINS: usize = 2;

/// What the begins of the last epochs took.
struct Begins {
    /// Means: seconds at the begin, seconds of an epoch, seconds of a step.
    gap: f64,
    period: f64,
    step: f64,
    /// Begins seen, and workers started for them.
    count: usize,
    starts: u64,
    span: (i64, i64),
}

impl Begins {
    fn of(log: &Log) -> Option<Self> {
        let whole: Vec<&Epoch> = log.past.iter().rev().take(EPOCHS).collect();
        let newest = whole.first()?;
        let current = Some(&log.current).filter(|current| current.gap.is_some());
        let gaps: Vec<f64> = whole.iter().copied().chain(current).filter_map(|e| e.gap).collect();
        let mean = |sum: f64, count: usize| if count > 0 { sum / count as f64 } else { 0.0 };
        let sum = |part: fn(&Epoch) -> f64| whole.iter().map(|epoch| part(epoch)).sum::<f64>();
        (gaps.len() >= BEGINS).then(|| Self {
            gap: mean(gaps.iter().sum(), gaps.len()),
            period: mean(sum(|epoch| epoch.seconds), whole.len()),
            step: mean(sum(|epoch| epoch.moving), sum(|epoch| epoch.steps) as usize),
            count: gaps.len(),
            starts: whole.iter().map(|epoch| epoch.starts).sum::<u64>() / whole.len() as u64,
            span: (whole.last().map_or(newest.began_ms, |e| e.began_ms), log.current.began_ms),
        })
    }

    fn share(&self) -> f64 {
        if self.period > 0.0 { self.gap / self.period } else { 0.0 }
    }
}

/// Of the trainer's loaders the one whose begins cost most: the one in use may be that of a validation.
pub(super) fn look(view: &View<'_>) -> Option<Sight> {
    let logs = view.trainer.epochs.all().filter(|log| log.persistent != Some(true));
    let begins = logs.filter_map(Begins::of).max_by(|a, b| a.share().total_cmp(&b.share()));
    let workers = u64::from(view.trainer.workers?);
    let Some(begins) = begins else {
        // None of them has begun twice, or its workers live on: that is known.
        let live_on = view.trainer.epochs.all().any(|log| log.persistent == Some(true));
        return live_on.then_some(Sight::Gone);
    };
    let share = begins.share();
    let least = view.of_settings(&SHARE);
    if workers == 0 || begins.starts < workers || share < least / 2.0 {
        return Some(Sight::Gone);
    }
    let gap = view.of_settings(&GAP).max(view.of_settings(&STEPS) * begins.step);
    if share < least || begins.gap < gap {
        return Some(Sight::Fading);
    }
    let entity = view.entity();
    let line = |series, value, limit, text| {
        words::evidence(begins.span, series, &*entity, value, limit, text)
    };
    let took = format!(
        "the begin of an epoch takes {:.1} s of its {}, which is {}",
        begins.gap,
        words::duration(begins.period),
        words::percent(share)
    );
    let starts = format!("{} workers are started for each epoch", begins.starts);
    let said = Said {
        severity: words::severity(share).unwrap_or(Severity::Info),
        title: format!(
            "{} starts its {} anew for every epoch, which takes {:.1} s of {} ({} of the time)",
            view.name(),
            words::workers(workers),
            begins.gap,
            words::duration(begins.period),
            words::percent(share)
        ),
        evidence: vec![
            line("loaders.worker_starts_total", begins.starts as f64, Some(workers as f64), starts),
            line("loaders.last_epoch_seconds", share, Some(least), took),
        ],
        advice: ABOUT.remedy.into(),
        gain: format!(
            "up to {:.2}× faster, by {} begins of an epoch",
            1.0 / (1.0 - share.min(0.9)),
            begins.count
        ),
        lost: Lost::of(view.trainer.gpus.iter().copied(), 0.0, share),
        ..Said::of(Rule::EpochRespawn)
    };
    Some(view.here(share, said))
}
