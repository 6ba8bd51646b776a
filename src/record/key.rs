//! The lines that name what is there: `key` says it all, `proc` what changed among processes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::inventory::{
    DiskInfo, GpuInfo, HostInfo, LoaderInfo, ProcInfo, RunInfo, Software, SourceStatus,
};
use crate::model::server::ServerInfo;
use crate::model::{Inventory, Pid, Sample};

use super::line::{Damage, MIN_READER_VERSION, VERSION};

/// Why a `proc` line was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    /// It is recorded from this tick on.
    Appeared,
    /// Something about it changed: its role, its run, or the program behind its id.
    Changed,
    /// It ended, or is no longer among the recorded ones.
    Exited,
    /// A word of a later version.
    #[serde(other)]
    Unknown,
}

#[derive(Serialize)]
struct KeyOut<'a> {
    v: u32,
    min_reader_v: u32,
    session: &'a str,
    seq: u64,
    t_ms: i64,
    host: &'a HostInfo,
    gpus: &'a [Arc<GpuInfo>],
    disks: &'a [Arc<DiskInfo>],
    runs: &'a [Arc<RunInfo>],
    loaders: &'a [Arc<LoaderInfo>],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    software: &'a [Arc<Software>],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    servers: &'a [Arc<ServerInfo>],
    sources: &'a [Arc<SourceStatus>],
    procs: Vec<&'a ProcInfo>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct KeyIn {
    host: Arc<HostInfo>,
    gpus: Vec<Arc<GpuInfo>>,
    disks: Vec<Arc<DiskInfo>>,
    runs: Vec<Arc<RunInfo>>,
    loaders: Vec<Arc<LoaderInfo>>,
    software: Vec<Arc<Software>>,
    servers: Vec<Arc<ServerInfo>>,
    sources: Vec<Arc<SourceStatus>>,
    procs: Vec<Arc<ProcInfo>>,
}

#[derive(Serialize)]
struct ProcOut<'a> {
    change: Change,
    t_ms: i64,
    proc: &'a ProcInfo,
}

#[derive(Deserialize)]
struct ProcIn {
    change: Change,
    proc: Arc<ProcInfo>,
}

/// Writes `{"k":"kind",` and the members of `body`, all but the checksum.
///
/// False, with nothing written, where `body` is no object.
pub(super) fn push_body(out: &mut String, kind: &str, body: &impl Serialize) -> bool {
    let Ok(text) = serde_json::to_string(body) else { return false };
    let Some(members) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) else {
        return false;
    };
    out.push_str("{\"k\":\"");
    out.push_str(kind);
    out.push_str("\",");
    out.push_str(members);
    true
}

/// Writes the names of everything that `sample` refers to.
pub(super) fn push_names(out: &mut String, session: &str, sample: &Sample) -> bool {
    let names = &*sample.inventory;
    let body = KeyOut {
        v: VERSION,
        min_reader_v: MIN_READER_VERSION,
        session,
        seq: sample.seq,
        t_ms: sample.stamp.unix_ms,
        host: &names.host,
        gpus: &names.gpus,
        disks: &names.disks,
        runs: &names.runs,
        loaders: &names.loaders,
        software: &names.software,
        servers: &names.servers,
        sources: &names.sources,
        procs: names.procs.values().map(|info| &**info).collect(),
    };
    push_body(out, "key", &body)
}

/// Writes that a process came, changed or went at `t_ms`.
pub(super) fn push_proc(out: &mut String, change: Change, t_ms: i64, proc: &ProcInfo) -> bool {
    push_body(out, "proc", &ProcOut { change, t_ms, proc })
}

/// What a `key` line names.
pub(super) fn read_names(line: &[u8]) -> Result<Inventory, Damage> {
    let key: KeyIn = serde_json::from_slice(line).map_err(|_| Damage::Malformed)?;
    let procs: BTreeMap<Pid, Arc<ProcInfo>> =
        key.procs.into_iter().map(|info| (info.pid, info)).collect();
    Ok(Inventory {
        host: key.host,
        gpus: key.gpus,
        disks: key.disks,
        procs,
        runs: key.runs,
        loaders: key.loaders,
        software: key.software,
        servers: key.servers,
        sources: key.sources,
    })
}

/// Applies a `proc` line to what is known.
pub(super) fn apply_proc(line: &[u8], names: &mut Arc<Inventory>) -> Result<(), Damage> {
    let line: ProcIn = serde_json::from_slice(line).map_err(|_| Damage::Malformed)?;
    let pid = line.proc.pid;
    match line.change {
        Change::Appeared | Change::Changed => {
            Arc::make_mut(names).procs.insert(pid, line.proc);
        }
        Change::Exited if names.procs.contains_key(&pid) => {
            Arc::make_mut(names).procs.remove(&pid);
        }
        Change::Exited | Change::Unknown => {}
    }
    Ok(())
}

/// Whether two inventories name the same things, processes left aside.
pub(super) fn same_but_procs(a: &Inventory, b: &Inventory) -> bool {
    a.host == b.host
        && a.gpus == b.gpus
        && a.disks == b.disks
        && a.runs == b.runs
        && a.loaders == b.loaders
        && a.software == b.software
        && a.servers == b.servers
        && a.sources == b.sources
}
