//! Takes the frames of a session in and makes the report of them.

use std::collections::BTreeMap;

use crate::diagnose::audit::{Audit, Watched};
use crate::diagnose::{Change, Engine, Settings, Verdict};
use crate::model::inventory::HostInfo;
use crate::model::{Event, EventKind, Finding, Frame, RunId, Stamp};

use super::lanes::Lanes;
use super::runs::{Gpus, Runs};
use super::session::{About, Gap, Mark, Report};

/// Points of a plot: this many to twice as many, whatever the length of the session.
const POINTS: usize = 900;
/// Findings, gaps and marks that are told one by one.
const MAX_TOLD: usize = 2000;
/// Ticks that are late by more than this many intervals leave a gap.
const LATE: f64 = 2.5;

/// Collects what a session comes to.
#[derive(Debug)]
pub struct Gather {
    from_ms: i64,
    findings: BTreeMap<u64, Finding>,
    watched: Watched,
    lanes: Lanes,
    gpus: Gpus,
    runs: Runs,
    gaps: Vec<Gap>,
    first: Option<Stamp>,
    last: Option<(u64, Stamp)>,
    interval_ms: u64,
    report: Report,
}

impl Gather {
    /// For a session that is looked at from a moment on, in milliseconds since the Unix epoch.
    pub fn new(about: About, from_ms: i64, settings: &Settings) -> Self {
        Self {
            from_ms,
            findings: BTreeMap::new(),
            watched: Watched::new(settings),
            lanes: Lanes::new(POINTS),
            gpus: Gpus::default(),
            runs: Runs::default(),
            gaps: Vec::new(),
            first: None,
            last: None,
            interval_ms: about.interval_ms.max(1),
            report: Report { about, ..Report::default() },
        }
    }

    /// Takes a frame, what it changed, and what can be said of each run by then. Frames before the span
    /// tell of findings only.
    pub fn push(
        &mut self,
        frame: &Frame,
        changes: &[Change],
        verdicts: impl Iterator<Item = (RunId, Verdict)>,
    ) {
        for change in changes {
            let (Change::Opened(finding) | Change::Updated(finding) | Change::Closed(finding)) =
                change;
            if self.findings.len() < MAX_TOLD || self.findings.contains_key(&finding.id) {
                self.findings.insert(finding.id, finding.clone());
            }
        }
        let stamp = frame.sample.stamp;
        if stamp.unix_ms < self.from_ms {
            return;
        }
        let follows = self.follows(frame);
        self.first.get_or_insert(stamp);
        self.last = Some((frame.sample.seq, stamp));
        self.watched.push(frame, verdicts);
        self.report.ticks += 1;
        self.report.host = HostInfo::clone(&frame.sample.inventory.host);
        self.lanes.push(frame, follows);
        self.gpus.push(frame);
        self.runs.push(frame);
    }

    /// Takes findings and phases as they stand at the end: what lasts is told as a change only now and
    /// then.
    pub fn renew(&mut self, engine: &Engine) {
        self.watched.take_phases(engine.watched());
        for finding in engine.findings() {
            if let Some(known) = self.findings.get_mut(&finding.id) {
                known.clone_from(finding);
            }
        }
    }

    /// Whether the tick comes right after the one before; else the stretch between is a gap.
    fn follows(&mut self, frame: &Frame) -> bool {
        let Some((seq, before)) = self.last else { return true };
        let stamp = frame.sample.stamp;
        let late = stamp.seconds_since(before) * 1e3 > LATE * self.interval_ms as f64;
        let missed = frame.sample.seq.saturating_sub(seq) > 1;
        if (late || missed) && self.gaps.len() < MAX_TOLD {
            let reason = if missed { "ticks are missing" } else { "the sampler was late" };
            self.gaps.push(Gap {
                from_ms: before.unix_ms,
                to_ms: stamp.unix_ms,
                reason: reason.to_owned(),
            });
        }
        !late && !missed
    }

    /// The report; `events` are the session's own: its marks, and why ticks are missing.
    pub fn finish(mut self, events: &[Event]) -> Report {
        let (times, lanes) = self.lanes.finish();
        let first = self.first.unwrap_or_default();
        let last = self.last.map(|(_, stamp)| stamp).unwrap_or_default();
        let mut report = self.report;
        // The wall clock may have jumped; the monotonic one tells how far apart points are.
        let wall = |mono_ms: u64| first.unix_ms + mono_ms.saturating_sub(first.mono_ms) as i64;
        report.times_ms = times.into_iter().map(wall).collect();
        report.lanes = lanes;
        report.from_ms = first.unix_ms;
        report.to_ms = last.unix_ms;
        report.gpus = self.gpus.finish();
        report.runs = self.runs.finish();
        let within = |from: i64, to: i64| from <= last.unix_ms && to >= first.unix_ms;
        for event in events.iter().filter(|event| within(event.t_ms, event.t_ms)).take(MAX_TOLD) {
            match event.kind {
                EventKind::Mark => {
                    let note = event.title.clone();
                    report.marks.push(Mark { at_ms: event.t_ms, note });
                }
                EventKind::Gap => explain(&mut self.gaps, event),
                EventKind::Finding | EventKind::Start | EventKind::Stop => {}
            }
        }
        self.gaps.sort_by_key(|gap| gap.from_ms);
        report.gaps = self.gaps;
        report.findings = self
            .findings
            .into_values()
            .filter(|finding| within(finding.start_ms, finding.end_ms.unwrap_or(i64::MAX)))
            .collect();
        report.findings.sort_by_key(|finding| (finding.start_ms, finding.id));
        report.audit = Audit::of(&self.watched, &report.findings, |_| false);
        report
    }
}

/// Gives a gap the reason that the session tells of it. One that is told and not seen in the ticks, as
/// where the wall clock was set, is one too.
fn explain(gaps: &mut Vec<Gap>, event: &Event) {
    let (from_ms, to_ms) = (event.start_ms, event.end_ms.unwrap_or(event.t_ms));
    // Two gaps may share the tick between them: the one that is overlapped comes first.
    let over = gaps.iter().position(|gap| from_ms < gap.to_ms && to_ms > gap.from_ms);
    let beside = || gaps.iter().position(|gap| from_ms <= gap.to_ms && to_ms >= gap.from_ms);
    if let Some(at) = over.or_else(beside) {
        let gap = &mut gaps[at];
        if !event.title.is_empty() {
            gap.reason.clone_from(&event.title);
        }
    } else if gaps.len() < MAX_TOLD {
        gaps.push(Gap { from_ms, to_ms, reason: event.title.clone() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(from_ms: i64, to_ms: i64, reason: &str) -> Gap {
        Gap { from_ms, to_ms, reason: reason.to_owned() }
    }

    fn told(start_ms: i64, t_ms: i64, title: &str) -> Event {
        Event::of(EventKind::Gap, t_ms, start_ms, title.to_owned())
    }

    #[test]
    fn each_of_two_gaps_with_a_tick_between_them_has_its_own_reason() {
        let mut gaps = vec![gap(10, 20, ""), gap(20, 30, "")];
        explain(&mut gaps, &told(10, 20, "first"));
        explain(&mut gaps, &told(20, 30, "second"));
        assert_eq!(gaps, [gap(10, 20, "first"), gap(20, 30, "second")]);
        // A file that was mended tells of a loss at the tick behind it.
        explain(&mut gaps, &told(30, 30, "mended"));
        assert_eq!(gaps[1].reason, "mended");
    }

    #[test]
    fn a_clock_that_was_set_is_told_though_no_tick_is_missing() {
        let mut gaps = vec![gap(10, 20, "late")];
        explain(&mut gaps, &told(50, 60, "the wall clock was set"));
        assert_eq!(gaps[1], gap(50, 60, "the wall clock was set"));
    }
}
