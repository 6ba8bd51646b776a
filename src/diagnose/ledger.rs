//! The findings of a session: those that last, and the last ones that ended.

use std::collections::BTreeMap;

use crate::model::{Cause, Evidence, Finding, Frame, Pid, Rule, RunId, Severity};

use super::charge::{Charges, Lost};
use super::engine::Change;

/// Findings that may last at once.
const MAX_OPEN: usize = 64;
/// Ended findings that are kept.
const MAX_PAST: usize = 256;

/// What a rule says of a finding; the ledger adds number, times and cost.
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
    /// The share of GPU time that is lost while this holds; `None` where it costs none, or the GPUs
    /// are not known. The ledger charges it: from the start when the finding opens, then tick by tick.
    pub lost: Option<Lost>,
}

impl Said {
    /// Nothing said yet of a finding of this rule, for `..Said::of(Rule::X)`.
    pub(super) const fn of(rule: Rule) -> Self {
        Self {
            rule,
            cause: None,
            severity: Severity::Info,
            run: None,
            pid: None,
            title: String::new(),
            evidence: Vec::new(),
            advice: String::new(),
            gain: String::new(),
            lost: None,
        }
    }
}

/// Findings, open ones first.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    findings: Vec<Finding>,
    open: usize,
    last_id: u64,
    changes: Vec<Change>,
    charges: Charges,
    price_per_gpu_hour: Option<f64>,
    remarks: BTreeMap<RunId, Evidence>,
}

impl Ledger {
    /// An empty one; `price_per_gpu_hour` is what an hour of one GPU costs, where that is known.
    pub(super) fn new(price_per_gpu_hour: Option<f64>) -> Self {
        Self { price_per_gpu_hour, ..Self::default() }
    }

    /// What another rule has to say beside the starvation of a run, as a line of its evidence, from the
    /// next time on that its words are renewed; nothing any more with `None`.
    pub(super) fn remark(&mut self, run: RunId, line: Option<Evidence>) {
        match line {
            Some(line) => {
                if self.remarks.len() >= MAX_OPEN {
                    self.remarks.pop_first();
                }
                self.remarks.insert(run, line);
            }
            None => _ = self.remarks.remove(&run),
        }
    }

    /// The evidence of a finding with what others remarked.
    fn with_remarks(&self, said: &Said) -> Vec<Evidence> {
        let run = said.run.filter(|_| said.rule == Rule::Starved);
        let remark = run.and_then(|run| self.remarks.get(&run));
        said.evidence.iter().chain(remark).cloned().collect()
    }

    /// A tick begins: its time can be charged from now on.
    pub(super) fn tick(&mut self, frame: &Frame) {
        self.charges.tick(frame);
    }

    /// The session jumped back: what was charged is of another time.
    pub(super) fn forget(&mut self) {
        self.charges = Charges::default();
    }

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
        let evidence = self.with_remarks(&said);
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
            evidence,
            advice: said.advice,
            gain: said.gain,
            cost: None,
            dismissed: false,
        };
        self.findings.insert(self.open, finding);
        self.open += 1;
        if let Some(lost) = said.lost {
            self.charge(self.last_id, &lost, start_ms, i64::MAX);
        }
        if let Some(finding) = self.findings.get(self.open - 1) {
            self.changes.push(Change::Opened(finding.clone()));
        }
        Some(self.last_id)
    }

    /// Renews the words of an open finding, and charges the tick where time is lost. Severity only
    /// rises. It is told as a change where `worth_telling`, or where severity, cause or process are
    /// others.
    pub(super) fn renew(&mut self, id: u64, said: Said, worth_telling: bool) {
        if let Some(lost) = &said.lost {
            self.charge(id, lost, self.charges.tick_start_ms(), i64::MAX);
        }
        let evidence = self.with_remarks(&said);
        let Some(finding) = self.lasting_mut(id) else { return };
        let severity = finding.severity.max(said.severity);
        let other = severity != finding.severity
            || said.cause != finding.cause
            || said.pid != finding.pid
            || worth_telling;
        finding.severity = severity;
        finding.cause = said.cause;
        finding.pid = said.pid;
        finding.title = said.title;
        finding.evidence = evidence;
        finding.advice = said.advice;
        finding.gain = said.gain;
        if other {
            let finding = finding.clone();
            self.changes.push(Change::Updated(finding));
        }
    }

    /// Charges a share of the time between two moments, in milliseconds since the Unix epoch, to an
    /// open finding: what was not observed, and what another finding was charged, is left out.
    pub(super) fn charge(&mut self, id: u64, lost: &Lost, from_ms: i64, to_ms: i64) {
        if !self.lasting().iter().any(|finding| finding.id == id) {
            return;
        }
        let price = self.price_per_gpu_hour;
        let added = self.charges.charge(lost, from_ms, to_ms);
        let (Some(finding), Some(added)) = (self.lasting_mut(id), added) else { return };
        let cost = finding.cost.get_or_insert_default();
        cost.price_per_gpu_hour = price;
        cost.low_gpu_seconds += added[0];
        cost.gpu_seconds += added[1];
        cost.high_gpu_seconds += added[2];
    }

    /// GPU-seconds that an open finding has cost by now, as the middle of what is possible; `None` where
    /// none are known.
    pub(super) fn cost_of(&self, id: u64) -> Option<f64> {
        let finding = self.lasting().iter().find(|finding| finding.id == id)?;
        finding.cost.map(|cost| cost.gpu_seconds)
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

    fn lasting_mut(&mut self, id: u64) -> Option<&mut Finding> {
        let open = self.findings.get_mut(..self.open).unwrap_or_default();
        open.iter_mut().find(|finding| finding.id == id)
    }
}
