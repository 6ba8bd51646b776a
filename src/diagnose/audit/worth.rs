//! The changes that are worth most.

use std::collections::BTreeMap;

use serde::Serialize;

use super::watched::Watched;
use super::{Lost, area_of, lost, share_where};
use crate::model::{Area, Cause, Finding, Rule, RunId, Severity};

/// How many are named: who is told more than three does none.
pub(super) const MOST: usize = 3;

/// One change, and what it would give back.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Worth {
    /// What to change, naming the knob.
    pub advice: String,
    /// The rule whose findings it answers.
    pub rule: Rule,
    /// Their cause.
    pub cause: Option<Cause>,
    /// Where in the pipeline it is.
    pub area: Area,
    /// The run to change.
    pub run: Option<RunId>,
    /// The worst of those findings.
    pub severity: Severity,
    /// Their numbers, the oldest first.
    pub findings: Vec<u64>,
    /// What they lost: as much is given back at most.
    pub lost: Lost,
    /// The most that could be gained, in the words of the newest of them.
    pub gain: String,
}

/// What one change answers: the findings of one rule with one cause in one run.
type Kind = (Rule, Option<Cause>, Option<RunId>);

/// The changes, what gives back most first; of what gives back no GPU time, the severest.
pub(super) fn changes(watched: &Watched, findings: &[&Finding]) -> Vec<Worth> {
    let mut alike: BTreeMap<Kind, Vec<&Finding>> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| !finding.advice.is_empty()) {
        alike.entry((finding.rule, finding.cause, finding.run)).or_default().push(finding);
    }
    let mut changes: Vec<Worth> =
        alike.into_values().filter_map(|findings| worth(watched, findings)).collect();
    changes.sort_by(|a, b| {
        let by_time = b.lost.gpu_seconds.total_cmp(&a.lost.gpu_seconds);
        by_time.then(b.severity.cmp(&a.severity)).then(a.findings.cmp(&b.findings))
    });
    changes.truncate(MOST);
    changes
}

fn worth(watched: &Watched, mut findings: Vec<&Finding>) -> Option<Worth> {
    findings.sort_by_key(|finding| (finding.start_ms, finding.id));
    // The newest one knows best what the run is like now.
    let newest = *findings.last()?;
    Some(Worth {
        advice: newest.advice.clone(),
        rule: newest.rule,
        cause: newest.cause,
        area: area_of(newest),
        run: newest.run,
        severity: findings.iter().map(|finding| finding.severity).max()?,
        findings: findings.iter().map(|finding| finding.id).collect(),
        // A change against one cause gives back what was lost while that one held.
        lost: lost(watched, &findings, |finding| {
            share_where(finding, |cause| cause == newest.cause)
        }),
        gain: newest.gain.clone(),
    })
}
