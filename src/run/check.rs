//! `mltop check`: whether anything is the matter, as an exit code.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::Instant;

use crate::cli::{self, Watch};
use crate::diagnose::audit::Watched;
use crate::diagnose::{Change, Settings};
use crate::error::Error;
use crate::model::{Finding, Frame, Pid, Severity};
use crate::report::Judgement;

use super::pipeline::Pipeline;
use super::session::{Recorded, put};
use super::stream;

/// Findings that are judged.
const MAX_FINDINGS: usize = 4096;
/// Trainers of a session that are named to whoever asked for another one.
const MAX_NAMED: usize = 8;

/// Watches or reads, says what was found, and gives the exit code. What went wrong is never taken for
/// a finding.
pub(super) fn check(wanted: &cli::Check, settings: Settings) -> Result<u8, Error> {
    checked(wanted, settings).map_err(|error| Error::Check(Box::new(error)))
}

fn checked(wanted: &cli::Check, settings: Settings) -> Result<u8, Error> {
    let judgement = match &wanted.file {
        Some(file) => recorded(file, wanted, &settings)?,
        None => live(wanted, settings)?,
    };
    let text = if wanted.json { judgement.json() } else { judgement.plain() };
    put(None, text.as_bytes())?;
    Ok(judgement.exit_code)
}

/// Takes frames in, with what they change.
struct Taken {
    watched: Watched,
    findings: BTreeMap<u64, Finding>,
    trainers: BTreeSet<Pid>,
}

impl Taken {
    fn new(settings: &Settings, only: Option<Pid>) -> Self {
        let watched = Watched::only(settings, only);
        Self { watched, findings: BTreeMap::new(), trainers: BTreeSet::new() }
    }

    fn take(&mut self, pipeline: &Pipeline, frame: &Frame, changes: &[Change]) {
        self.watched.push(frame, pipeline.engine.verdicts());
        for info in &frame.sample.inventory.runs {
            if self.trainers.len() < MAX_FINDINGS {
                self.trainers.extend(&info.trainers);
            }
        }
        for finding in changes.iter().map(stream::finding) {
            if self.findings.len() < MAX_FINDINGS || self.findings.contains_key(&finding.id) {
                self.findings.insert(finding.id, finding.clone());
            }
        }
    }

    fn judged(self, least: Severity, source: &str) -> Judgement {
        let findings: Vec<Finding> = self.findings.into_values().collect();
        Judgement::of(&self.watched, &findings, least, source)
    }

    /// Open findings are told when they change; what they say and have cost is that of the last tick.
    fn finish(&mut self, pipeline: &Pipeline) {
        for finding in pipeline.engine.findings() {
            if let Some(known) = self.findings.get_mut(&finding.id) {
                known.clone_from(finding);
            }
        }
    }
}

fn recorded(file: &Path, wanted: &cli::Check, settings: &Settings) -> Result<Judgement, Error> {
    let recorded = Recorded::open(file)?;
    let settings = recorded.settings(settings);
    let mut taken = Taken::new(&settings, wanted.pid);
    let mut pipeline = Pipeline::new(settings);
    let (first, last) = recorded.file.span();
    let samples = recorded.file.samples(first.mono_ms, last.mono_ms);
    pipeline.play(samples, |pipeline, frame, changes| taken.take(pipeline, frame, changes));
    taken.finish(&pipeline);
    if let Some(pid) = wanted.pid.filter(|pid| !taken.trainers.contains(pid)) {
        return Err(Error::Record(no_trainer(pid, &recorded.name, &taken.trainers)));
    }
    if let Some(damage) = recorded.damage() {
        let _ = writeln!(
            std::io::stderr(),
            "mltop: not all of {} is readable: {damage}",
            recorded.name
        );
    }
    let least = wanted.severity.severity();
    Ok(taken.judged(least, &recorded.name))
}

fn no_trainer(pid: Pid, name: &str, trainers: &BTreeSet<Pid>) -> String {
    if trainers.is_empty() {
        return format!("--pid {pid}: no process trains in {name}; leave --pid out");
    }
    let named: Vec<String> = trainers.iter().take(MAX_NAMED).map(Pid::to_string).collect();
    let more = if trainers.len() > MAX_NAMED { ", …" } else { "" };
    format!(
        "--pid {pid}: that process trains nowhere in {name}; these do: {}{more}",
        named.join(", ")
    )
}

fn live(wanted: &cli::Check, settings: Settings) -> Result<Judgement, Error> {
    let watch = Watch { pid: wanted.pid, interval: wanted.interval };
    let (sampler, samples) = super::sample(super::plan(&watch)?)?;
    if std::io::stderr().is_terminal() {
        let seconds = wanted.time.as_secs();
        let _ = writeln!(std::io::stderr(), "mltop: watching for {seconds} s");
    }
    let mut taken = Taken::new(&settings, None);
    let mut pipeline = Pipeline::new(settings);
    let end = Instant::now() + wanted.time;
    while let Some(sample) = stream::next(&samples, Some(end)) {
        let (frame, changes) = pipeline.push(sample);
        taken.take(&pipeline, &frame, &changes);
    }
    drop(sampler);
    taken.finish(&pipeline);
    let least = wanted.severity.severity();
    Ok(taken.judged(least, "live"))
}
