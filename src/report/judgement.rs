//! What `mltop check` says: clean, a finding, or not enough evidence, for scripts and schedulers.

use std::fmt::Write as _;

use serde::Serialize;

use crate::diagnose::audit::{Audit, Grade, Watched, WatchedRun};
use crate::diagnose::inference::{Outcome as Ruled, Ruling};
use crate::fmt;
use crate::model::{Area, Event, Finding, RunId, Severity};

use super::words::{self, safe};

/// What can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The evidence is there, and nothing was found.
    Clean,
    /// Something was found.
    Finding,
    /// Nothing was found, and the evidence is not enough to say that nothing is there.
    NotEnoughEvidence,
}

impl Outcome {
    /// The exit code that stands for it. 2 is left to what was asked for wrongly.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Finding => 1,
            Self::NotEnoughEvidence => 3,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Clean => "CLEAN",
            Self::Finding => "FOUND",
            Self::NotEnoughEvidence => "NOT ENOUGH EVIDENCE",
        }
    }
}

/// The judgement of what was watched.
#[derive(Clone, Debug, Serialize)]
pub struct Judgement {
    /// Clean, a finding, or not enough evidence.
    pub outcome: Outcome,
    /// The exit code: 0 clean, 1 a finding, 3 not enough evidence.
    pub exit_code: u8,
    /// The outcome as a sentence.
    pub reason: String,
    /// What would make it better known; empty where it is known.
    pub remedy: String,
    /// Name of the session's file; `live` where a training was watched.
    pub source: String,
    /// Seconds watched, gaps left out.
    pub seconds: f64,
    /// The runs that were watched.
    pub runs: Vec<JudgedRun>,
    /// What was found, by the start, in the form of a session's events.
    pub findings: Vec<Event>,
    /// What became of each limit of the budgets that were asked for.
    pub budgets: Vec<JudgedLimit>,
    /// The audit by area.
    pub audit: Audit,
}

/// One limit of a budget.
#[derive(Clone, Debug, Serialize)]
pub struct JudgedLimit {
    /// Its key in the file, as `p99_ms`.
    pub key: String,
    /// The server and its model.
    pub server: String,
    /// pass, fail, indeterminate or not measurable.
    pub outcome: Ruled,
    /// What was measured, in seconds, bytes, a second or a share; `None` where nothing was.
    pub value: Option<f64>,
    /// The limit in the same unit.
    pub limit: f64,
    /// The requests (or tokens) that it rests on.
    pub count: u64,
    /// The verdict as a sentence.
    pub text: String,
    /// What would allow a verdict, or mend it; empty where nothing would.
    pub remedy: String,
}

/// One run that was watched.
#[derive(Clone, Debug, Serialize)]
pub struct JudgedRun {
    /// Its number.
    pub run: RunId,
    /// Its name.
    pub name: String,
    /// Seconds in which it was there.
    pub seconds: f64,
    /// Seconds in which there was evidence enough to say whether its loop starves.
    pub judged_seconds: f64,
}

impl Judgement {
    /// Judges what was watched. Findings below a severity are told, and count for nothing.
    pub fn of(
        watched: &Watched,
        findings: &[Finding],
        rulings: &[Ruling],
        least: Severity,
        source: &str,
    ) -> Self {
        let mut found: Vec<&Finding> =
            findings.iter().filter(|finding| watched.holds(finding)).collect();
        let minor = found.iter().filter(|finding| finding.severity < least).count();
        found.sort_by_key(|finding| (finding.start_ms, finding.id));
        let mut audit = Audit::of(watched, findings, |finding| finding.severity < least);
        grade_budgets(&mut audit, rulings);
        let lacks = budgets_lack(rulings).or_else(|| lacks(watched, rulings));
        let broken = rulings.iter().find(|ruling| ruling.outcome == Ruled::Fail);
        let (outcome, (reason, remedy)) = match lacks {
            _ if found.len() > minor => (Outcome::Finding, (audit.summary(), String::new())),
            _ if broken.is_some() => {
                let said = broken.map(|ruling| (safe(&ruling.text), safe(&ruling.remedy)));
                (Outcome::Finding, said.unwrap_or_default())
            }
            Some(words) => (Outcome::NotEnoughEvidence, words),
            None => (Outcome::Clean, (clean(&audit, minor, least), String::new())),
        };
        let run = |(run, of): (&RunId, &WatchedRun)| JudgedRun {
            run: *run,
            name: safe(&of.name),
            seconds: of.seconds,
            judged_seconds: of.judged_seconds,
        };
        let end = |finding: &Finding| finding.end_ms.unwrap_or(watched.to_ms);
        Self {
            outcome,
            exit_code: outcome.exit_code(),
            reason,
            remedy,
            source: source.to_owned(),
            seconds: watched.seconds,
            runs: watched.runs.iter().map(run).collect(),
            findings: found.iter().map(|finding| finding.to_event(end(finding))).collect(),
            budgets: rulings.iter().map(limit).collect(),
            audit,
        }
    }

    /// A line for each finding with evidence and remedy, one for the grades, one for the outcome.
    pub fn plain(&self) -> String {
        let mut out = String::new();
        for finding in &self.findings {
            out += &line(finding, self.audit.to_ms);
            out.push('\n');
        }
        for limit in &self.budgets {
            let remedy = match &*limit.remedy {
                "" => String::new(),
                remedy => format!(" remedy: {}", ended(remedy)),
            };
            let outcome = limit.outcome.code();
            let text = ended(&limit.text);
            let _ = writeln!(out, "budget {} {outcome}: {text}{remedy}", limit.key);
        }
        let grades = self.audit.areas.iter().map(|part| {
            let letter =
                part.grade.map_or_else(|| fmt::NONE.into(), |grade| grade.letter().to_string());
            format!("{} {letter}", part.area.code())
        });
        let _ = writeln!(out, "grades: {}", grades.collect::<Vec<_>>().join(", "));
        let _ = write!(out, "{}: {}", self.outcome.word(), self.reason);
        if !self.remedy.is_empty() {
            let _ = write!(out, " {}", self.remedy);
        }
        out.push('\n');
        out
    }

    /// All of it as one JSON object.
    pub fn json(&self) -> String {
        super::plain_json(self)
    }
}

/// Nothing that counts was found; what does not count is told of, too.
fn clean(audit: &Audit, minor: usize, least: Severity) -> String {
    let (summary, least) = (audit.summary(), least.code());
    match minor {
        0 => summary,
        1 => format!("{summary} 1 finding is less severe than {least}, and fails nothing."),
        count => {
            format!("{summary} {count} findings are less severe than {least}, and fail nothing.")
        }
    }
}

fn limit(ruling: &Ruling) -> JudgedLimit {
    JudgedLimit {
        key: ruling.limit.key.to_owned(),
        server: safe(&ruling.name),
        outcome: ruling.outcome,
        value: ruling.value,
        limit: ruling.limit.value,
        count: ruling.count,
        text: safe(&ruling.text),
        remedy: safe(&ruling.remedy),
    }
}

/// Budgets that were asked for grade the area of inference: kept A, broken F, open not at all.
fn grade_budgets(audit: &mut Audit, rulings: &[Ruling]) {
    let inference = audit.areas.iter_mut().find(|part| part.area == Area::Inference);
    let (Some(part), Some(worst)) = (inference, rulings.iter().map(|one| one.outcome).max()) else {
        return;
    };
    let of = |outcome: Ruled| rulings.iter().filter(move |one| one.outcome == outcome).count();
    let (kept, broken) = (of(Ruled::Pass), of(Ruled::Fail));
    part.seen = format!("{kept} of {} limits kept, {broken} broken.", rulings.len());
    let by_budget = match worst {
        Ruled::Pass => Some(Grade::A),
        Ruled::Fail => Some(Grade::F),
        Ruled::Indeterminate | Ruled::NotMeasurable => None,
    };
    part.grade = part.grade.max(by_budget);
    if part.grade.is_some() {
        part.missing.clear();
    }
    audit.grade = audit.grade.max(part.grade);
}

/// The first limit of which it cannot be said whether it was kept.
fn budgets_lack(rulings: &[Ruling]) -> Option<(String, String)> {
    let open =
        |ruling: &&Ruling| matches!(ruling.outcome, Ruled::Indeterminate | Ruled::NotMeasurable);
    let ruling = rulings.iter().find(open)?;
    Some((ended(&ruling.text), safe(&ruling.remedy)))
}

/// What is missing to say that nothing is there, and what would help; `None` where nothing is. Where
/// budgets were judged there need be no training.
fn lacks(watched: &Watched, rulings: &[Ruling]) -> Option<(String, String)> {
    let seconds = fmt::ago(watched.seconds as u64);
    if watched.runs.is_empty() && !rulings.is_empty() {
        return None;
    }
    if watched.runs.is_empty() {
        let reason = format!("No training was seen in {seconds}.");
        let remedy = "Check while one runs, or name its process with --pid; mltop doctor says what can \
                      be seen here.";
        return Some((reason, remedy.to_owned()));
    }
    let none = watched.judged_seconds() <= 0.0;
    let names: Vec<String> = if none {
        watched.runs.values().map(|run| safe(&run.name)).collect()
    } else {
        watched.not_judged().map(|run| safe(&run.name)).collect()
    };
    (!names.is_empty()).then(|| {
        let reason = format!(
            "Whether {} waits for data cannot be said after {seconds}.",
            names.into_iter().take(4).collect::<Vec<_>>().join(", ")
        );
        let remedy = "A longer look may do (--for 5m): warm-up is left out, and 10 to 30 s behind it are \
                      needed; mltop doctor says what of the loader can be read.";
        (reason, remedy.to_owned())
    })
}

/// A finding as one line.
fn line(finding: &Event, until_ms: i64) -> String {
    let severity = finding.severity.map_or("", Severity::code);
    let cause = finding.cause.as_deref().map_or_else(String::new, |cause| format!("/{cause}"));
    let rule = finding.rule.as_deref().unwrap_or_default();
    let from = words::moment(finding.start_ms);
    let lasted = match finding.end_ms {
        Some(end) => format!("for {}", words::span(finding.start_ms, end)),
        None => format!("for {} and still", words::span(finding.start_ms, until_ms)),
    };
    let evidence: Vec<String> = finding.evidence.iter().map(|part| safe(&part.text)).collect();
    let mut text =
        format!("{severity} {rule}{cause} {from} UTC {lasted}: {}", ended(&finding.title));
    for (name, part) in
        [("evidence", &evidence.join(" ")), ("remedy", &finding.advice), ("gain", &finding.gain)]
    {
        if !part.is_empty() {
            let _ = write!(text, " {name}: {}", ended(part));
        }
    }
    text
}

/// A sentence with its full stop.
fn ended(text: &str) -> String {
    let text = safe(text);
    let stop = if text.is_empty() || text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{stop}", text.trim_end())
}
