//! MIXED and UNATTRIBUTED: no cause explains enough, or the evidence for one is missing.

use super::{Case, EXPLAINS, Explained, PARTLY};
use crate::diagnose::about::About;
use crate::diagnose::words;
use crate::model::Cause;

pub(super) static MIXED: About = About {
    code: Cause::Mixed.code(),
    area: Cause::Mixed.area(),
    what: "No single cause explains enough of it.",
    when: "Named where reads or the CPU are 30 % or more of the workers' busy time (STARVED's partly), \
           and no cause explains 60 % of it (STARVED's explains).",
    remedy: "Look at the workers on the loader screen: no single cause explains most of the wait, so \
             change one thing at a time (prefetch_factor, where the files are, how samples are decoded) \
             and compare with mltop diff.",
    source: "the shares are a proposal; TraceML asks 80 % for the cause of a straggler",
    thresholds: &[],
};

pub(super) static UNATTRIBUTED: About = About {
    code: Cause::Unattributed.code(),
    area: Cause::Unattributed.area(),
    what: "The evidence does not tell the cause.",
    when: "Said where what the workers do cannot be read, or explains the wait in no part, or whether a \
           device or the CPU has room left cannot be told.",
    remedy: "Run mltop as the same user as the training, or as root: `mltop doctor` says what is \
             missing.",
    source: "a proposal",
    thresholds: &[],
};

/// Nothing is known about the workers, so nothing is said about them.
pub(super) fn unread(case: &Case<'_>) -> Option<Explained> {
    if case.shares.is_some() {
        return None;
    }
    Some(Explained {
        cause: Cause::Unattributed,
        because: "what its workers do cannot be read, so the cause is not known".into(),
        advice: UNATTRIBUTED.remedy.into(),
        evidence: Vec::new(),
    })
}

pub(super) fn mixed_or_unknown(case: &Case<'_>) -> Explained {
    let part = |share: Option<f64>| share.unwrap_or_default();
    let (explains, partly) = (case.of(&EXPLAINS), case.of(&PARTLY));
    let (fetch, prep) = (part(case.fetch()), part(case.prep()));
    let other = part(case.of_busy(|shares| shares.other));
    if prep >= explains {
        return on_cpu_without_limit(case, prep);
    }
    if fetch >= explains {
        return waiting_for_unknown(case, fetch);
    }
    let parts = [
        (fetch, "worker_disk_ratio", "waiting for reads"),
        (prep, "worker_run_ratio", "on the CPU or ready for it"),
        (
            other,
            "worker_other_ratio",
            "waiting for something else (a lock, a timer, room in a pipe)",
        ),
    ];
    let said: Vec<_> = parts.into_iter().filter(|(share, _, _)| *share >= partly).collect();
    let words_of =
        |(share, _, what): &(f64, &str, &str)| format!("{} {what}", words::percent(*share));
    let list: Vec<String> = said.iter().map(words_of).collect();
    let evidence = said
        .iter()
        .map(|(share, column, what)| case.worker_share(column, *share, partly, what))
        .collect();
    let mixed = fetch >= partly || prep >= partly;
    Explained {
        cause: if mixed { Cause::Mixed } else { Cause::Unattributed },
        because: if list.is_empty() {
            "nothing that its workers do explains it".into()
        } else {
            format!("of their busy time its workers are {}", list.join(" and "))
        },
        advice: if mixed {
            MIXED.remedy
        } else {
            "Look at the Python code of the Dataset: its workers wait for something that is neither a \
             disk nor a network nor a CPU."
        }
        .into(),
        evidence,
    }
}

fn on_cpu_without_limit(case: &Case<'_>, prep: f64) -> Explained {
    let what = "on the CPU or ready for it";
    Explained {
        cause: Cause::Unattributed,
        because: format!(
            "{} most of their time on the CPU, and how much CPU is left cannot be read",
            case.workers_spend()
        ),
        advice: "Compare the cores in use with those that the job may use: more workers help only \
                 where some are left."
            .into(),
        evidence: vec![case.worker_share("worker_run_ratio", prep, case.of(&EXPLAINS), what)],
    }
}

fn waiting_for_unknown(case: &Case<'_>, fetch: f64) -> Explained {
    let what = "waiting for reads";
    Explained {
        cause: Cause::Unattributed,
        because: format!(
            "{} most of their time waiting for reads, and whether the device has room cannot be told",
            case.workers_spend()
        ),
        advice: "See on the host screen which disk is read: where it has room, more workers help; \
                 where it is full, a faster disk or larger sequential reads do."
            .into(),
        evidence: vec![case.worker_share("worker_disk_ratio", fetch, case.of(&EXPLAINS), what)],
    }
}
