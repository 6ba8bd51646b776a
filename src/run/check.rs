//! `mltop check`: whether anything is the matter, as an exit code.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crate::cli;
use crate::diagnose::audit::Watched;
use crate::diagnose::inference::{Budgets, Loads, judge};
use crate::diagnose::{Change, Settings};
use crate::error::Error;
use crate::model::{Finding, Frame, Pid};
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
pub(super) fn check(wanted: &cli::Check, settings: &Settings) -> Result<u8, Error> {
    checked(wanted, settings).map_err(|error| Error::Check(Box::new(error)))
}

fn checked(wanted: &cli::Check, settings: &Settings) -> Result<u8, Error> {
    let mut settings = settings.clone();
    if let Some(path) = &wanted.budget {
        settings.budgets = Arc::new(budgets(path)?);
    }
    let judgement = match &wanted.file {
        Some(file) => recorded(file, wanted, &settings)?,
        None => live(wanted, &settings)?,
    };
    let text = if wanted.json { judgement.json() } else { judgement.plain() };
    put(None, text.as_bytes())?;
    Ok(judgement.exit_code)
}

/// The budgets in a file.
fn budgets(path: &Path) -> Result<Budgets, Error> {
    let wrong = |why: String| Error::Record(format!("--budget {}: {why}", path.display()));
    let text = super::config::read(path).map_err(|error| wrong(error.to_string()))?;
    Budgets::parse(&text).map_err(|error| wrong(error.to_string()))
}

/// Takes frames in, with what they change.
struct Taken {
    loads: Loads,
    watched: Watched,
    findings: BTreeMap<u64, Finding>,
    trainers: BTreeSet<Pid>,
}

impl Taken {
    fn new(settings: &Settings, only: Option<Pid>) -> Self {
        let watched = Watched::only(settings, only);
        let loads = Loads::default();
        Self { loads, watched, findings: BTreeMap::new(), trainers: BTreeSet::new() }
    }

    fn take(&mut self, pipeline: &Pipeline, frame: &Frame, changes: &[Change]) {
        self.watched.push(frame, pipeline.engine.verdicts());
        self.loads.take(&frame.sample);
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

    fn judged(self, wanted: &cli::Check, settings: &Settings, source: &str) -> Judgement {
        let findings: Vec<Finding> = self.findings.into_values().collect();
        // Those of a configuration are declared for the long run, and not for what is looked at here.
        let asked = wanted.budget.is_some();
        let rulings = if asked { judge(&settings.budgets, &self.loads.all()) } else { Vec::new() };
        let least = wanted.severity.severity();
        Judgement::of(&self.watched, &findings, &rulings, least, source)
    }

    /// Open findings are told when they change; what they say and have cost is that of the last tick.
    fn finish(&mut self, pipeline: &Pipeline) {
        self.watched.take_phases(pipeline.engine.watched());
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
    let mut taken = Taken::new(&settings, wanted.watch.pid);
    let mut pipeline = Pipeline::new(settings.clone());
    let (first, last) = recorded.file.span();
    recorded.file.read_ahead((first.mono_ms, last.mono_ms), |samples| {
        pipeline.play(samples, |pipeline, frame, changes| taken.take(pipeline, frame, changes));
    });
    taken.finish(&pipeline);
    if let Some(pid) = wanted.watch.pid.filter(|pid| !taken.trainers.contains(pid)) {
        return Err(Error::Record(no_trainer(pid, &recorded.name, &taken.trainers)));
    }
    if let Some(damage) = recorded.damage() {
        let _ = writeln!(
            std::io::stderr(),
            "mltop: not all of {} is readable: {damage}",
            recorded.name
        );
    }
    Ok(taken.judged(wanted, &settings, &recorded.name))
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

fn live(wanted: &cli::Check, settings: &Settings) -> Result<Judgement, Error> {
    let (sampler, samples) = super::sample(super::plan(&wanted.watch)?)?;
    if std::io::stderr().is_terminal() {
        let seconds = wanted.time.as_secs();
        let _ = writeln!(std::io::stderr(), "mltop: watching for {seconds} s");
    }
    let mut taken = Taken::new(settings, None);
    let mut pipeline = Pipeline::new(settings.clone());
    let end = Instant::now() + wanted.time;
    while let Some(sample) = stream::next(&samples, Some(end)) {
        let (frame, changes) = pipeline.push(sample);
        taken.take(&pipeline, &frame, &changes);
    }
    drop(sampler);
    taken.finish(&pipeline);
    Ok(taken.judged(wanted, settings, "live"))
}
