//! PREP-BOUND: workers spend all the CPU there is on preparing samples.

use super::{Case, EXPLAINS, Explained};
use crate::diagnose::words;
use crate::model::Cause;

/// From this share of the tightest CPU limit (quota, cpuset, CPUs online) on there is no CPU left
/// for more workers. Below it there is, and the cause is TOO-FEW-WORKERS: the cut is made once.
pub(super) const CPU_FULL: f64 = 0.70;

pub(super) fn test(case: &Case<'_>) -> Option<Explained> {
    let prep = case.prep().filter(|share| *share >= EXPLAINS)?;
    let (used, _) = case.facts.cpu.filter(|(used, _)| *used >= CPU_FULL)?;
    let shares = case.shares?;
    let because = format!(
        "{} {} on the CPU or ready for it, and {} of the CPU limit is used",
        case.workers_spend(),
        words::percent(shares.run + shares.runq),
        words::percent(used)
    );
    let text = format!("{} of the CPU limit used", words::percent(used));
    Some(Explained {
        cause: Cause::PrepBound,
        because,
        advice: "Give the job more cores, or prepare less for each sample: a faster decoder (turbojpeg, \
                 Pillow-SIMD), decode and augment on the GPU (DALI device=\"mixed\"), or decode, resize \
                 and tokenise once and store the result. More workers do not help."
            .into(),
        evidence: vec![
            case.worker_share("worker_run_ratio", prep, EXPLAINS, "on a CPU or ready for one, of busy time"),
            words::evidence(case.facts.span, "host.cpu_ratio", "host", used, Some(CPU_FULL), text),
        ],
    })
}
