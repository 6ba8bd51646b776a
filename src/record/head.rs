//! The head line: what the session is and what its columns mean.

use serde::{Deserialize, Serialize};

use crate::model::Stamp;
use crate::model::frame::{
    CgroupRates, DiskRates, GpuRates, HostRates, LoaderRates, NetRates, ProcRates, WorkerRates,
};
use crate::model::inventory::HostInfo;
use crate::model::metric::{Section, Spec};
use crate::model::sample::{
    CgroupSample, DiskSample, GpuProcSample, GpuSample, HostSample, LoaderSample, NetSample,
    ProcSample, WorkerSample,
};
use crate::model::server::{LatencySample, ServerSample};

use super::line::{Damage, FORMAT, MIN_READER_VERSION, VERSION, push_key};
use super::text::{push_str, push_u64};

/// What a session is, in its first line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionInfo {
    /// The program and the version that wrote it.
    pub writer: Box<str>,
    /// Identity of the session; a stream and the file made of it share it.
    pub session: Box<str>,
    /// The box.
    pub host: HostInfo,
    /// The time between ticks that was asked for, in milliseconds.
    pub interval_ms: u64,
    /// Findings were looked for over the shortened windows of a demonstration.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub short_windows: bool,
    /// One moment on both clocks: where the session began.
    pub clock: Stamp,
}

impl SessionInfo {
    /// A session that this program writes.
    pub fn new(session: &str, host: HostInfo, interval_ms: u64, clock: Stamp) -> Self {
        Self {
            writer: concat!("mltop ", env!("CARGO_PKG_VERSION")).into(),
            session: session.into(),
            host,
            interval_ms,
            short_windows: false,
            clock,
        }
    }
}

/// Writes everything of the head line but its checksum.
pub(super) fn push_head(out: &mut String, info: &SessionInfo) {
    out.push_str("{\"k\":\"head\",\"format\":\"");
    out.push_str(FORMAT);
    out.push_str("\",\"v\":");
    push_u64(out, u64::from(VERSION));
    out.push_str(",\"min_reader_v\":");
    push_u64(out, u64::from(MIN_READER_VERSION));
    // Strings and numbers only: turning them into text cannot fail.
    if let Ok(body) = serde_json::to_string(info) {
        out.push(',');
        out.push_str(body.trim_start_matches('{').strip_suffix('}').unwrap_or_default());
    }
    push_key(out, "schema");
    out.push_str("{\"tick\":{");
    push_columns::<HostSample>(out);
    push_columns::<CgroupSample>(out);
    push_columns::<DiskSample>(out);
    push_columns::<NetSample>(out);
    push_columns::<GpuSample>(out);
    push_columns::<GpuProcSample>(out);
    push_columns::<ProcSample>(out);
    push_columns::<LoaderSample>(out);
    push_columns::<WorkerSample>(out);
    push_columns::<ServerSample>(out);
    push_columns::<LatencySample>(out);
    out.push_str("},\"derived\":{");
    push_columns::<HostRates>(out);
    push_columns::<CgroupRates>(out);
    push_columns::<DiskRates>(out);
    push_columns::<NetRates>(out);
    push_columns::<GpuRates>(out);
    push_columns::<ProcRates>(out);
    push_columns::<LoaderRates>(out);
    push_columns::<WorkerRates>(out);
    out.push_str("}}");
}

fn push_columns<S: Section>(out: &mut String) {
    push_key(out, S::NAME);
    out.push('[');
    for (index, spec) in S::COLUMNS.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push_spec(out, spec);
    }
    out.push(']');
}

fn push_spec(out: &mut String, spec: &Spec) {
    out.push_str("{\"name\":");
    push_str(out, spec.name);
    out.push_str(",\"unit\":");
    push_str(out, spec.unit.suffix().trim_start_matches('_'));
    out.push_str(",\"kind\":");
    push_str(out, spec.kind.code());
    out.push_str(",\"precision\":");
    push_u64(out, u64::from(spec.precision));
    out.push_str(",\"help\":");
    push_str(out, spec.help);
    out.push('}');
}

/// The versions that a head or key line states.
#[derive(Deserialize)]
struct Versions {
    format: Option<Box<str>>,
    min_reader_v: u32,
}

/// Refuses what is written for a newer reader or is another format.
pub(super) fn check_version(line: &[u8]) -> Result<(), Damage> {
    let versions: Versions = serde_json::from_slice(line).map_err(|_| Damage::Malformed)?;
    if versions.format.is_some_and(|format| &*format != FORMAT) {
        return Err(Damage::Foreign);
    }
    if versions.min_reader_v > VERSION {
        return Err(Damage::Newer { needs: versions.min_reader_v });
    }
    Ok(())
}

/// What a head line says.
pub(super) fn read_head(line: &[u8]) -> Result<SessionInfo, Damage> {
    check_version(line)?;
    serde_json::from_slice(line).map_err(|_| Damage::Malformed)
}
