//! A session as counters in the trace event format, for Perfetto and chrome://tracing. Times are
//! microseconds since the Unix epoch, as in a trace of torch.profiler, over which it can be laid.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::model::metric::Cell;
use crate::model::{Finding, Frame};

use super::csv::short;
use super::numbers::{numbers, plain};

/// Far above any process id, so that no process of another trace is meant.
const PROCESS: u64 = 1 << 23;
/// The track of the findings and the marks.
const FINDINGS: u64 = PROCESS;

/// The tracks: their process's place, section and columns.
const TRACKS: &[(u64, &str, &[&str])] = &[
    (1, "gpus", &["utilization_ratio", "sm_active_ratio", "tensor_active_ratio"]),
    (1, "gpus", &["memory_used_bytes", "power_watts", "sm_clock_hertz", "temperature_celsius"]),
    (1, "derived.gpus", &["pcie_rx_bytes_per_second", "pcie_tx_bytes_per_second"]),
    (2, "loaders", &["ready", "capacity", "stash"]),
    (2, "derived.loaders", &["wait_ratio", "steps_per_second", "step_seconds"]),
    (2, "derived.loaders", &["worker_run_ratio", "worker_runq_ratio", "worker_disk_ratio"]),
    (2, "derived.loaders", &["worker_net_ratio", "worker_idle_ratio", "worker_other_ratio"]),
    (3, "derived.disks", &["read_bytes_per_second", "busy_ratio", "read_await_seconds", "queue"]),
    (4, "derived.host", &["cpu_ratio", "memory_used_ratio", "psi_io_some_ratio"]),
];

/// The beginning, up to the first event.
pub fn begin(host: &str, session: &str) -> String {
    let other = json!({ "writer": "mltop", "host": host, "session": session });
    let mut out = format!(
        "{{\"displayTimeUnit\":\"ms\",\"baseTimeNanoseconds\":0,\"otherData\":{other},\n\"traceEvents\":[\n"
    );
    let names = ["findings", "GPUs", "loaders", "disks", "box"];
    for (at, name) in (0_u64..).zip(names) {
        let name = json!({ "name": format!("mltop {host}: {name}") });
        meta(&mut out, PROCESS + at, "process_name", &name);
        meta(&mut out, PROCESS + at, "process_sort_index", &json!({ "sort_index": at }));
    }
    out
}

fn meta(out: &mut String, pid: u64, name: &str, args: &Value) {
    // Every event but the last has a comma after it, and there is always a last one.
    let _ = writeln!(
        out,
        "{},",
        json!({ "ph": "M", "pid": pid, "tid": 0, "name": name, "args": args })
    );
}

/// Adds a frame. A value that is not there is left out: a counter holds its last one until the next.
pub fn frame(frame: &Frame, out: &mut String) {
    let ts = frame.sample.stamp.unix_ms.saturating_mul(1000);
    numbers(frame, |number| {
        let track = TRACKS.iter().find(|(_, section, columns)| {
            *section == number.section && columns.contains(&number.spec.name)
        });
        let Some((place, ..)) = track else { return };
        let value = match number.cell {
            Cell::Int(value) => value.to_string(),
            Cell::Float(value) => short(value, usize::from(number.spec.precision)),
            _ => return,
        };
        let entity = if number.entity.is_empty() { "box" } else { number.entity };
        let name = json!(format!("{entity} {}", number.spec.name));
        let unit = json!(number.spec.unit.suffix().trim_start_matches('_'));
        let unit = if unit == "" { json!("value") } else { unit };
        let _ = writeln!(
            out,
            "{{\"ph\":\"C\",\"pid\":{},\"ts\":{ts},\"name\":{name},\"args\":{{{unit}:{value}}}}},",
            PROCESS + place
        );
    });
}

/// Adds a finding as a slice; one that lasts ends at `end_ms`.
pub fn finding(finding: &Finding, end_ms: i64, out: &mut String) {
    let length = finding.end_ms.unwrap_or(end_ms).saturating_sub(finding.start_ms).max(0);
    let event = json!({
        "ph": "X", "pid": FINDINGS, "tid": finding.id, "cat": "finding",
        "name": finding.rule.code(),
        "ts": finding.start_ms.saturating_mul(1000), "dur": length.saturating_mul(1000),
        "args": {
            "severity": finding.severity.code(), "title": plain(&finding.title),
            "advice": plain(&finding.advice),
        },
    });
    let _ = writeln!(out, "{event},");
}

/// Adds a mark.
pub fn mark(at_ms: i64, note: &str, out: &mut String) {
    let event = json!({
        "ph": "i", "s": "g", "pid": FINDINGS, "tid": 0, "cat": "mark",
        "name": plain(note), "ts": at_ms.saturating_mul(1000),
    });
    let _ = writeln!(out, "{event},");
}

/// The end, with the event after which no comma stands.
pub fn end() -> String {
    let name = json!({ "name": "marks" });
    let last = json!({
        "ph": "M", "pid": FINDINGS, "tid": 0, "name": "thread_name", "args": name
    });
    format!("{last}\n]}}\n")
}
