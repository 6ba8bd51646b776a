//! The findings of a session: those that last, and the last ones that ended.

use crate::model::{Cause, Evidence, Finding, Pid, Rule, RunId, Severity};

use super::engine::Change;

/// Findings that may last at once.
const MAX_OPEN: usize = 64;
/// Ended findings that are kept.
const MAX_PAST: usize = 256;

/// What a rule says of a finding; the ledger adds number and times.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub rule: Rule,
    pub cause: Option<Cause>,
    pub severity: Severity,
    pub run: Option<RunId>,
    pub pid: Option<Pid>,
    pub title: String,
    pub evidence: Vec<Evidence>,
    pub advice: String,
    pub gain: String,
}

/// Findings, open ones first.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    findings: Vec<Finding>,
    open: usize,
    last_id: u64,
    changes: Vec<Change>,
}

impl Ledger {
    /// Open findings in the order in which they were raised, then ended ones, the last first.
    pub(super) fn all(&self) -> &[Finding] {
        &self.findings
    }

    /// Open findings.
    pub(super) fn lasting(&self) -> &[Finding] {
        self.findings.get(..self.open).unwrap_or_default()
    }

    /// Opens a finding that began at `start_ms`; `None` where too many are open.
    pub(super) fn open(&mut self, said: Said, start_ms: i64) -> Option<u64> {
        if self.open >= MAX_OPEN {
            return None;
        }
        self.last_id += 1;
        let finding = Finding {
            id: self.last_id,
            rule: said.rule,
            cause: said.cause,
            severity: said.severity,
            run: said.run,
            pid: said.pid,
            start_ms,
            end_ms: None,
            title: said.title,
            evidence: said.evidence,
            advice: said.advice,
            gain: said.gain,
            dismissed: false,
        };
        self.changes.push(Change::Opened(finding.clone()));
        self.findings.insert(self.open, finding);
        self.open += 1;
        Some(self.last_id)
    }

    /// Renews the words of an open finding. Severity only rises. It is told as a change where
    /// `worth_telling`, or where severity, cause or process are others.
    pub(super) fn renew(&mut self, id: u64, said: Said, worth_telling: bool) {
        let open = self.findings.get_mut(..self.open).unwrap_or_default();
        let Some(finding) = open.iter_mut().find(|finding| finding.id == id) else { return };
        let severity = finding.severity.max(said.severity);
        let other = severity != finding.severity
            || said.cause != finding.cause
            || said.pid != finding.pid
            || worth_telling;
        finding.severity = severity;
        finding.cause = said.cause;
        finding.pid = said.pid;
        finding.title = said.title;
        finding.evidence = said.evidence;
        finding.advice = said.advice;
        finding.gain = said.gain;
        if other {
            self.changes.push(Change::Updated(finding.clone()));
        }
    }

    /// Ends a finding at `end_ms`.
    pub(super) fn close(&mut self, id: u64, end_ms: i64) {
        let Some(at) = self.lasting().iter().position(|finding| finding.id == id) else { return };
        let mut finding = self.findings.remove(at);
        self.open -= 1;
        finding.end_ms = Some(end_ms.max(finding.start_ms));
        self.changes.push(Change::Closed(finding.clone()));
        self.findings.insert(self.open, finding);
        self.findings.truncate(self.open + MAX_PAST);
    }

    /// Puts a finding aside, or takes it back.
    pub(super) fn set_dismissed(&mut self, id: u64, dismissed: bool) -> bool {
        let found = self.findings.iter_mut().find(|finding| finding.id == id);
        found.is_some_and(|finding| {
            finding.dismissed = dismissed;
            true
        })
    }

    /// What happened since this was last asked.
    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }
}
