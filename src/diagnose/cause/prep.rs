//! PREP-BOUND: workers spend all the CPU there is on preparing samples.

use super::{Case, EXPLAINS, Explained};
use crate::diagnose::about::{About, Threshold};
use crate::diagnose::words;
use crate::model::Cause;

pub(super) static ABOUT: About = About {
    code: Cause::PrepBound.code(),
    area: Cause::PrepBound.area(),
    what: "Workers use all the CPU there is on decoding and transforming samples.",
    when: "Named where the workers are on a CPU, or ready for one, 60 % or more of their busy time \
           (STARVED's explains) and {cpu_full} of the tightest CPU limit is used.",
    remedy: "Give the job more cores, or prepare less for each sample: a faster decoder (turbojpeg, \
             Pillow-SIMD), decode and augment on the GPU (DALI device=\"mixed\"), or decode, resize and \
             tokenise once and store the result. More workers do not help.",
    source: "a proposal; the cut between this and TOO-FEW-WORKERS is made once",
    thresholds: &[&CPU_FULL],
};

/// From this share of the tightest CPU limit (quota, cpuset, CPUs online) on there is no CPU left
/// for more workers. Below it there is, and the cause is TOO-FEW-WORKERS: the cut is made once.
pub(super) static CPU_FULL: Threshold = Threshold {
    code: Cause::PrepBound.code(),
    name: "cpu_full",
    default: 0.70,
    unit: "share",
    what: "Used share of the tightest CPU limit.",
};

pub(super) fn test(case: &Case<'_>) -> Option<Explained> {
    let (explains, full) = (case.of(&EXPLAINS), case.of(&CPU_FULL));
    let prep = case.prep().filter(|share| *share >= explains)?;
    let (used, _) = case.facts.cpu.filter(|(used, _)| *used >= full)?;
    let shares = case.shares?;
    let because = format!(
        "{} {} on the CPU or ready for it, and {} of the CPU limit is used",
        case.workers_spend(),
        words::percent(shares.run + shares.runq),
        words::percent(used)
    );
    let of_workers = case.facts.used.worker_cores.zip(case.facts.used.cores);
    let of_workers = of_workers.map_or_else(String::new, |(used, cores)| {
        format!(", {used:.1} of {cores:.0} cores by the workers")
    });
    let text = format!("{} of the CPU limit is used{of_workers}", words::percent(used));
    Some(Explained {
        cause: Cause::PrepBound,
        because,
        advice: ABOUT.remedy.into(),
        evidence: vec![
            case.worker_share("worker_run_ratio", prep, explains, "on a CPU or ready for one"),
            words::evidence(case.facts.span, "host.cpu_ratio", "host", used, Some(full), text),
        ],
    })
}
