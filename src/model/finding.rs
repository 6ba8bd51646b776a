//! Diagnoses, and the other events of a session.

use serde::{Deserialize, Deserializer, Serialize};

use super::id::{Pid, RunId};
use super::metric::states;

states! {
    /// Where in the pipeline time and money are lost.
    Area {
        /// Samples reach the loop too slowly.
        Ingestion = "ingestion",
        /// Samples take too much CPU to prepare.
        Preprocessing = "preprocessing",
        /// The GPUs are more than, or other than, the job needs.
        Compute = "compute",
        /// Validation and tests.
        Evaluation = "evaluation",
        /// A server against its budgets.
        Inference = "inference",
    }
}

states! {
    /// The rules. Each is one file under `diagnose/`.
    Rule {
        /// The training loop waits for data while its GPU idles.
        Starved = "STARVED",
        /// Samples are read in many small files.
        SmallFiles = "SMALL-FILES",
        /// Each epoch reads from disk again what the page cache could not hold.
        CacheThrash = "CACHE-THRASH",
        /// The first epoch reads from disk what later ones find in the page cache.
        ColdCache = "COLD-CACHE",
        /// The trainer's main thread holds up its GPU.
        MainThread = "MAIN-THREAD",
        /// Workers are started anew for each epoch.
        EpochRespawn = "EPOCH-RESPAWN",
        /// Copies to the GPU take the time.
        TransferBound = "TRANSFER-BOUND",
        /// Each epoch prepares the same samples anew.
        RepeatedPrep = "REPEATED-PREP",
        /// A CPU quota runs out.
        CpuQuota = "CPU-QUOTA",
        /// More threads want to run than there are cores.
        CpuOversubscribed = "CPU-OVERSUBSCRIBED",
        /// The box is short of memory.
        HostMemory = "HOST-MEMORY",
        /// A process holds a GPU and does not use it.
        IdleHeld = "IDLE-HELD",
        /// The GPU's compute is far larger than the job.
        OversizedCompute = "OVERSIZED-COMPUTE",
        /// The GPU's memory is far larger than the job.
        OversizedMemory = "OVERSIZED-VRAM",
        /// The tensor cores stand still.
        NoTensorCores = "NO-TENSOR-CORES",
        /// Kernels are too small for the GPU.
        SmallBatch = "SMALL-BATCH",
        /// A GPU of the job is never used.
        UnusedGpu = "UNUSED-GPU",
        /// One rank holds up the others.
        Straggler = "STRAGGLER",
        /// Saving checkpoints takes GPU time.
        CheckpointStall = "CHECKPOINT-STALL",
        /// Heat or power hold the clocks down.
        ClockThrottle = "CLOCK-THROTTLE",
        /// The GPU's memory is nearly full, or fills up.
        VramPressure = "VRAM-PRESSURE",
        /// A GPU is held long before the first step.
        LongInit = "LONG-INIT",
        /// Evaluation takes a large share of the time.
        EvalShare = "EVAL-SHARE",
        /// Evaluation waits for data.
        EvalStarved = "EVAL-STARVED",
        /// A server misses a budget that was declared for it.
        Budget = "BUDGET",
        /// A server has more requests than it can serve.
        Saturated = "SATURATED",
        /// A server holds a GPU for hardly any requests.
        LowLoad = "LOW-LOAD",
    }
}

states! {
    /// Why a loop starves.
    Cause {
        /// The disk is saturated.
        DiskBound = "DISK-BOUND",
        /// A network filesystem or an object store is slow.
        RemoteFs = "REMOTE-FS",
        /// Samples are read in many small files.
        SmallFiles = "SMALL-FILES",
        /// The page cache cannot hold the data, and each epoch reads it again.
        CacheThrash = "CACHE-THRASH",
        /// The first epoch reads what is not in the page cache yet.
        ColdCache = "COLD-CACHE",
        /// Workers spend all the CPU there is on preparing samples.
        PrepBound = "PREP-BOUND",
        /// A CPU quota runs out.
        CpuQuota = "CPU-QUOTA",
        /// More threads want to run than there are cores.
        CpuOversubscribed = "CPU-OVERSUBSCRIBED",
        /// Workers are busy and nothing is saturated.
        TooFewWorkers = "TOO-FEW-WORKERS",
        /// The main thread or the pin thread works while the loop waits for it.
        MainThread = "MAIN-THREAD",
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

impl Rule {
    /// Where in the pipeline it looks.
    pub const fn area(self) -> Area {
        match self {
            Self::Starved
            | Self::SmallFiles
            | Self::CacheThrash
            | Self::ColdCache
            | Self::MainThread
            | Self::EpochRespawn
            | Self::TransferBound => Area::Ingestion,
            Self::RepeatedPrep | Self::CpuQuota | Self::CpuOversubscribed | Self::HostMemory => {
                Area::Preprocessing
            }
            Self::IdleHeld
            | Self::OversizedCompute
            | Self::OversizedMemory
            | Self::NoTensorCores
            | Self::SmallBatch
            | Self::UnusedGpu
            | Self::Straggler
            | Self::CheckpointStall
            | Self::ClockThrottle
            | Self::VramPressure
            | Self::LongInit => Area::Compute,
            Self::EvalShare | Self::EvalStarved => Area::Evaluation,
            Self::Budget | Self::Saturated | Self::LowLoad => Area::Inference,
        }
    }
}

impl Cause {
    /// Where in the pipeline it lies.
    pub const fn area(self) -> Area {
        match self {
            Self::PrepBound | Self::CpuQuota | Self::CpuOversubscribed => Area::Preprocessing,
            Self::DiskBound
            | Self::RemoteFs
            | Self::SmallFiles
            | Self::CacheThrash
            | Self::ColdCache
            | Self::TooFewWorkers
            | Self::MainThread
            | Self::HeadOfLine
            | Self::DeliveryBound
            | Self::Mixed
            | Self::Unattributed => Area::Ingestion,
        }
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

impl Evidence {
    /// The series of the lines that tell which part of a cost was lost while which cause held: the entity
    /// is the cause, the value its GPU-seconds.
    pub const BY_CAUSE: &'static str = "findings.lost_gpu_seconds";
}

/// What a finding has cost so far. Each second of a GPU is charged to one finding only, so that the
/// costs of a session never add up to more than its time times its GPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cost {
    /// GPU-seconds lost at least.
    pub low_gpu_seconds: f64,
    /// GPU-seconds lost, as the middle of what is possible.
    pub gpu_seconds: f64,
    /// GPU-seconds lost at most.
    pub high_gpu_seconds: f64,
    /// What an hour of one GPU costs, where the user has told it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_per_gpu_hour: Option<f64>,
}

impl Cost {
    /// Money lost: at least, the middle, at most; `None` without a price.
    pub fn money(&self) -> Option<[f64; 3]> {
        let price = self.price_per_gpu_hour?;
        let lost = [self.low_gpu_seconds, self.gpu_seconds, self.high_gpu_seconds];
        Some(lost.map(|seconds| seconds / 3600.0 * price))
    }
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
    /// What it has cost so far; `None` where it costs no GPU time, or that is not known.
    pub cost: Option<Cost>,
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
    /// What it has cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}

fn known_severity<'de, D: Deserializer<'de>>(word: D) -> Result<Option<Severity>, D::Error> {
    let word = Option::<Box<str>>::deserialize(word)?;
    Ok(word.as_deref().and_then(Severity::from_code))
}

impl Event {
    /// What is no finding, noted at `t_ms`; it numbers itself when it is written.
    pub const fn of(kind: EventKind, t_ms: i64, start_ms: i64, title: String) -> Self {
        Self {
            id: 0,
            kind,
            t_ms,
            rule: None,
            cause: None,
            severity: None,
            run: None,
            pid: None,
            start_ms,
            end_ms: Some(t_ms),
            title,
            evidence: Vec::new(),
            advice: String::new(),
            gain: String::new(),
            cost: None,
        }
    }
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
            cost: self.cost,
        }
    }
}
