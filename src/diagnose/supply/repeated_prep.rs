//! REPEATED-PREP: each epoch prepares the same samples anew.

use super::{Sight, View};
use crate::diagnose::about::{About, Threshold};
use crate::diagnose::epochs::{Epoch, Log};
use crate::diagnose::ledger::Said;
use crate::diagnose::words;
use crate::model::{Cause, Rule, Severity};

pub(in crate::diagnose) static ABOUT: About = About {
    code: Rule::RepeatedPrep.code(),
    area: Rule::RepeatedPrep.area(),
    what: "Each epoch spends the same CPU time on preparing the same samples, whose files are in memory \
           already.",
    when: "Raised after two whole epochs in which the workers spend the same CPU time for a batch (within \
           {alike}), {hit} of the bytes read or more come from the page cache, and they use {cores} cores \
           or more for each GPU and {share} or more of the cores that the job may use; a warning while the run starves of preparation. Cleared by an epoch of \
           which that is not so.",
    remedy: "Do once what does not change: decode, resize or tokenise the samples into Parquet, MDS or \
             TFRecord (tf.data: .cache() before the random part; Hugging Face: datasets.map), and keep only \
             random augmentation in the loader.",
    source: "a proposal; what workers do with the CPU time cannot be seen from outside, so it is an upper \
             bound",
    thresholds: &[&ALIKE, &HIT, &CORES, &SHARE],
};

static ALIKE: Threshold = Threshold {
    code: Rule::RepeatedPrep.code(),
    name: "alike",
    default: 0.10,
    unit: "share",
    what: "Difference of the CPU time for a batch between two epochs, at most.",
};
static HIT: Threshold = Threshold {
    code: Rule::RepeatedPrep.code(),
    name: "hit",
    default: 0.90,
    unit: "share",
    what: "Share of the bytes read that comes from the page cache.",
};
static CORES: Threshold = Threshold {
    code: Rule::RepeatedPrep.code(),
    name: "cores",
    default: 1.0,
    unit: "count",
    what: "Cores that the workers use for each GPU of the trainer.",
};
static SHARE: Threshold = Threshold {
    code: Rule::RepeatedPrep.code(),
    name: "share",
    default: 0.25,
    unit: "share",
    what: "Cores that the workers use, of those that the job may use: of a box with cores to spare it is \
           no news.",
};

/// What the last two whole epochs cost.
struct Repeats {
    before: f64,
    last: Epoch,
    a_step: f64,
    hit: f64,
    /// Cores that the workers use for each GPU.
    cores: f64,
    epochs: usize,
    /// CPU seconds of all whole epochs but one.
    again: f64,
}

impl Repeats {
    /// `None` with fewer than two whole epochs, or where CPU, reads or GPUs are not known.
    fn of(log: &Log, gpus: usize) -> Option<Self> {
        let mut newest = log.past.iter().rev();
        let (last, before) = (*newest.next()?, *newest.next()?);
        let (a_step, was) = (last.cpu_a_step()?, before.cpu_a_step()?);
        let cores = last.cpu / last.moving.max(1.0) / gpus.max(1) as f64;
        Some(Self {
            before: was,
            last,
            a_step,
            hit: 1.0 - last.miss()?,
            cores,
            epochs: log.past.len(),
            again: log.past.iter().skip(1).map(|epoch| epoch.cpu).sum(),
        })
        .filter(|_| gpus > 0)
    }
}

pub(super) fn look(view: &View<'_>) -> Option<Sight> {
    let log = view.epochs()?;
    let repeats = Repeats::of(log, view.trainer.gpus.len())?;
    let alike =
        (repeats.a_step - repeats.before).abs() <= view.of_settings(&ALIKE) * repeats.before;
    let (hit, cores) = (view.of_settings(&HIT), view.of_settings(&CORES));
    let may_use = view.used.quota.into_iter().chain(view.used.cores).min_by(f64::total_cmp)?;
    let workers = repeats.cores * view.trainer.gpus.len() as f64;
    let scarce = workers >= view.of_settings(&SHARE) * may_use;
    if !alike || repeats.hit < hit || repeats.cores < cores || !scarce {
        return Some(Sight::Gone);
    }
    let samples = log.batch_size.zip(log.batches).map(|(size, batches)| size * batches);
    let what = samples.map_or_else(
        || "its samples".into(),
        |samples| format!("the same {} samples", words::count(samples)),
    );
    let starves = view.scene.starved.iter().find(|(run, _)| *run == view.trainer.run);
    let by_prep = starves.is_some_and(|(_, cause)| *cause == Some(Cause::PrepBound));
    let from = log.past.front().map_or(repeats.last.began_ms, |epoch| epoch.began_ms);
    let span = (from, log.current.began_ms);
    let line = |series, entity, value, limit, text| {
        words::evidence(span, series, entity, value, limit, text)
    };
    let a_batch = format!(
        "a batch took {} of CPU time in the last epoch, and {} in the one before",
        words::milliseconds(repeats.a_step),
        words::milliseconds(repeats.before)
    );
    let cached =
        format!("{} of the bytes read come from the page cache", words::percent(repeats.hit));
    let used = format!("the workers use {:.1} cores for each GPU", repeats.cores);
    let said = Said {
        severity: if by_prep { Severity::Warn } else { Severity::Info },
        title: format!(
            "{} spends {} of CPU time in every epoch on preparing {what}",
            view.name(),
            words::cpu_time(repeats.last.cpu)
        ),
        evidence: vec![
            line("procs.cpu_seconds_total", view.entity(), repeats.a_step, None, a_batch),
            line("procs.read_chars_per_second", view.entity(), repeats.hit, Some(hit), cached),
            line("procs.cpu_cores", view.entity(), repeats.cores, Some(cores), used),
        ],
        advice: ABOUT.remedy.into(),
        gain: format!(
            "up to {} of CPU time saved by now, over {} epochs",
            words::cpu_time(repeats.again),
            repeats.epochs
        ),
        ..Said::of(Rule::RepeatedPrep)
    };
    Some(view.here(repeats.cores, said))
}
