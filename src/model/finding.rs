//! Diagnoses, and the other events of a session.

use serde::{Deserialize, Deserializer, Serialize};

use super::id::{Pid, RunId};
use super::metric::states;

states! {
    /// The rules. Each is one file under `diagnose/`.
    Rule {
        /// The training loop waits for data while its GPU idles.
        Starved = "STARVED",
        /// A process holds a GPU and does not use it.
        IdleHeld = "IDLE-HELD",
        /// The GPU's compute is far larger than the job.
        OversizedCompute = "OVERSIZED-COMPUTE",
        /// The GPU's memory is far larger than the job.
        OversizedMemory = "OVERSIZED-VRAM",
    }
}

states! {
    /// Why a loop starves.
    Cause {
        /// The disk is saturated.
        DiskBound = "DISK-BOUND",
        /// A network filesystem or an object store is slow.
        RemoteFs = "REMOTE-FS",
        /// Workers spend all the CPU there is on preparing samples.
        PrepBound = "PREP-BOUND",
        /// Workers are busy and nothing is saturated.
        TooFewWorkers = "TOO-FEW-WORKERS",
        /// One slow batch holds back finished ones.
        HeadOfLine = "HEAD-OF-LINE",
        /// Batches are ready; handing them over takes the time.
        DeliveryBound = "DELIVERY-BOUND",
        /// No single cause explains enough of it.
        Mixed = "MIXED",
        /// The evidence does not tell.
        Unattributed = "UNATTRIBUTED",
    }
}

states! {
    /// How much a finding matters, by the share of time lost.
    Severity {
        /// At least 5 %.
        Info = "info",
        /// At least 10 %.
        Warn = "warn",
        /// At least 20 %.
        High = "high",
        /// At least 50 %.
        Critical = "critical",
    }
}

/// One number that a finding rests on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// Section and column, as `loaders.wait_ratio`.
    pub series: Box<str>,
    /// Whose: `loader 1`, `nvme0n1`, `gpu 3`, `pid 4711`.
    pub entity: Box<str>,
    /// The value over the span, in the column's unit.
    pub value: f64,
    /// The threshold that it was held against, where there is one.
    pub limit: Option<f64>,
    /// Start of the span, in milliseconds since the Unix epoch.
    pub from_ms: i64,
    /// End of the span.
    pub to_ms: i64,
    /// The same as words, as it stands on screen.
    pub text: String,
}

/// One diagnosis.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Its number within the session.
    pub id: u64,
    /// The rule that raised it.
    pub rule: Rule,
    /// Why, for [`Rule::Starved`].
    pub cause: Option<Cause>,
    /// How much it matters, the highest since it was raised.
    pub severity: Severity,
    /// The job concerned.
    pub run: Option<RunId>,
    /// The process concerned: of a run with ranks, the worst.
    pub pid: Option<Pid>,
    /// When it began, in milliseconds since the Unix epoch.
    pub start_ms: i64,
    /// When it ended; `None` while it lasts.
    pub end_ms: Option<i64>,
    /// What is the matter, one full sentence with its number.
    pub title: String,
    /// The numbers that it rests on.
    pub evidence: Vec<Evidence>,
    /// What to change, naming the knob.
    pub advice: String,
    /// The most that could be gained, in words, with "up to".
    pub gain: String,
    /// Whether the user has put it aside.
    pub dismissed: bool,
}

states! {
    /// What happened.
    EventKind {
        /// A diagnosis was raised, changed or cleared: the last line with an id stands.
        Finding = "finding",
        /// The user marked the moment.
        Mark = "mark",
        /// Ticks are missing, and why.
        Gap = "gap",
        /// The session began.
        Start = "start",
        /// The session ended.
        Stop = "stop",
    }
}

/// Something that happened, as a line of the session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its number within the session.
    pub id: u64,
    /// What happened.
    pub kind: EventKind,
    /// When it was noted, in milliseconds since the Unix epoch.
    pub t_ms: i64,
    /// The rule of a finding.
    pub rule: Option<Box<str>>,
    /// The cause of a finding.
    pub cause: Option<Box<str>>,
    /// How much it matters; `None` too where a later version wrote a word that this one lacks.
    #[serde(default, deserialize_with = "known_severity")]
    pub severity: Option<Severity>,
    /// The run concerned.
    pub run: Option<RunId>,
    /// The process concerned.
    pub pid: Option<Pid>,
    /// When it began, in milliseconds since the Unix epoch.
    pub start_ms: i64,
    /// When it ended; null while it lasts.
    pub end_ms: Option<i64>,
    /// What happened, one sentence.
    pub title: String,
    /// The numbers that it rests on.
    #[serde(default)]
    pub evidence: Vec<Evidence>,
    /// What to change.
    #[serde(default)]
    pub advice: String,
    /// The most that could be gained.
    #[serde(default)]
    pub gain: String,
}

fn known_severity<'de, D: Deserializer<'de>>(word: D) -> Result<Option<Severity>, D::Error> {
    let word = Option::<Box<str>>::deserialize(word)?;
    Ok(word.as_deref().and_then(Severity::from_code))
}

impl Finding {
    /// The finding as a line of the session, noted at `t_ms`.
    pub fn to_event(&self, t_ms: i64) -> Event {
        Event {
            id: self.id,
            kind: EventKind::Finding,
            t_ms,
            rule: Some(self.rule.code().into()),
            cause: self.cause.map(|cause| cause.code().into()),
            severity: Some(self.severity),
            run: self.run,
            pid: self.pid,
            start_ms: self.start_ms,
            end_ms: self.end_ms,
            title: self.title.clone(),
            evidence: self.evidence.clone(),
            advice: self.advice.clone(),
            gain: self.gain.clone(),
        }
    }
}
