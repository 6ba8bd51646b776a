//! The report as data.

use serde::{Serialize, Serializer};

use crate::diagnose::audit::Audit;
use crate::model::inventory::{HostInfo, Software};
use crate::model::{Event, Finding, GpuId, Pid, RunId};

use super::lanes::Lane;

/// Where a report comes from.
#[derive(Clone, Debug, Default, Serialize)]
pub struct About {
    /// Name of the session's file.
    pub file: String,
    /// The program that wrote it.
    pub writer: String,
    /// Identity of the session.
    pub session: String,
    /// Milliseconds between ticks that were asked for; 0 where the session does not tell.
    pub interval_ms: u64,
    /// How the session ended; `None` where it has no end: cut off, or still being written.
    pub end: Option<String>,
    /// What of it could not be read, in words; empty where all was.
    pub damage: String,
}

/// What a session comes to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Where it comes from.
    pub about: About,
    /// The box.
    pub host: HostInfo,
    /// The first tick that is reported on, in milliseconds since the Unix epoch.
    pub from_ms: i64,
    /// The last one.
    pub to_ms: i64,
    /// How many there are.
    pub ticks: u64,
    /// The GPUs that were there at any time.
    pub gpus: Vec<GpuPart>,
    /// What the findings come to, by area.
    pub audit: Audit,
    /// The training jobs that were there at any time.
    pub runs: Vec<RunPart>,
    /// What was found, by the start; derived anew from the raw samples.
    #[serde(serialize_with = "as_events")]
    pub findings: Vec<Finding>,
    /// Stretches without a tick.
    pub gaps: Vec<Gap>,
    /// What the user marked.
    pub marks: Vec<Mark>,
    /// The plots.
    #[serde(skip)]
    pub lanes: Vec<Lane>,
    /// The moments of the plots' points, in milliseconds since the Unix epoch.
    #[serde(skip)]
    pub times_ms: Vec<i64>,
}

/// One GPU over the span.
#[derive(Clone, Debug, Default, Serialize)]
pub struct GpuPart {
    /// Index in the vendor's library.
    pub gpu: GpuId,
    /// Product name.
    pub name: String,
    /// Identity that survives a reboot.
    pub uuid: String,
    /// Driver version.
    pub driver: String,
    /// Device memory in bytes, where known.
    pub memory_bytes: Option<u64>,
    /// Its figures are made by a simulation.
    pub simulated: bool,
    /// Mean share of time with a kernel on it.
    pub utilization_ratio: Option<f64>,
    /// Most memory in use, in bytes.
    pub memory_peak_bytes: Option<u64>,
    /// Mean power draw.
    pub power_watts: Option<f64>,
}

/// One training job over the span. Means are over its ranks and over time.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RunPart {
    /// Its number.
    pub run: RunId,
    /// The script or module.
    pub name: String,
    /// What started it; empty for a lone process.
    pub launcher: String,
    /// The trainers that it had last, in the order of rank.
    pub trainers: Vec<Pid>,
    /// Ranks of the whole job where readable.
    pub world_size: Option<u32>,
    /// Command line of its first trainer, secrets redacted.
    pub command: String,
    /// Owner of its first trainer.
    pub user: String,
    /// The container that its first trainer runs in.
    pub container: Option<String>,
    /// Versions of what its trainers run, each once, with the first trainer that runs it.
    pub software: Vec<Software>,
    /// Kinds of loader: pytorch, multiprocessing.
    pub loaders: Vec<String>,
    /// Worker processes of a loader, and batches asked for ahead by each, as they were last.
    pub workers: Option<u64>,
    /// See `workers`.
    pub prefetch_factor: Option<u64>,
    /// Where the files of its loaders are: filesystem, mount point and disk.
    pub storage: Vec<String>,
    /// The GPUs that it held memory of.
    pub gpus: Vec<GpuId>,
    /// When it was first seen, in milliseconds since the Unix epoch.
    pub first_ms: i64,
    /// When it was last seen.
    pub last_ms: i64,
    /// Batches taken by one rank.
    pub steps: Option<f64>,
    /// Mean time from batch to batch.
    pub step_seconds: Option<f64>,
    /// Share of time in which its loop waited for data.
    pub wait_ratio: Option<f64>,
    /// How that share relates to the truth: `≥` for a lower bound.
    pub wait_mark: String,
    /// Share of time with a kernel on its GPUs.
    pub gpu_utilization_ratio: Option<f64>,
}

/// A stretch without a tick.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The last tick before it, in milliseconds since the Unix epoch.
    pub from_ms: i64,
    /// The first tick after it.
    pub to_ms: i64,
    /// Why, where the session tells.
    pub reason: String,
}

/// A moment that the user marked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// The user's words.
    pub note: String,
}

fn as_events<S: Serializer>(findings: &[Finding], to: S) -> Result<S::Ok, S::Error> {
    let event = |finding: &Finding| -> Event {
        finding.to_event(finding.end_ms.unwrap_or(finding.start_ms))
    };
    to.collect_seq(findings.iter().map(event))
}
