//! Inference servers against their budgets, with too many requests or hardly any: what raises each,
//! and what nearly does.

use std::sync::Arc;

use mltop::diagnose::inference::Budgets;
use mltop::diagnose::{Engine, Settings};
use mltop::model::sample::{GpuProcSample, GpuSample};
use mltop::model::server::{LatencySample, ServerInfo, ServerSample};
use mltop::model::{Finding, Frame, GpuId, Inventory, Pid, Reading, Sample, ServerId, Stamp};

/// A server as its metrics show it, read every five seconds.
#[derive(Clone, Copy)]
struct Server {
    /// Requests a second that are served, and how long they take.
    rate: f64,
    seconds: f64,
    running: u64,
    waiting: u64,
    cache: f64,
    /// Requests that are put back, of a hundred.
    back: u64,
    busy: f64,
}

const HEALTHY: Server =
    Server { rate: 10.0, seconds: 0.4, running: 4, waiting: 0, cache: 0.5, back: 0, busy: 0.6 };

const EDGES: [f64; 5] = [0.3, 0.5, 1.0, 2.5, 5.0];

/// Plays it for so many seconds; `change` is told the second.
fn played(seconds: u64, budget: &str, change: impl Fn(u64, &mut Server)) -> Vec<Finding> {
    let budgets =
        if budget.is_empty() { Budgets::default() } else { Budgets::parse(budget).unwrap() };
    let mut settings = Settings::default();
    settings.budgets = Arc::new(budgets);
    let mut engine = Engine::new(settings);
    let info = ServerInfo {
        server: ServerId(1),
        kind: "vllm".into(),
        url: "http://127.0.0.1:8000/metrics".into(),
        pid: Some(Pid(4711)),
        model: "llama".into(),
        trouble: None,
    };
    let inventory = Arc::new(Inventory { servers: vec![Arc::new(info)], ..Inventory::default() });
    let (mut served, mut slow, mut back, mut reads) = (0.0, [0.0; EDGES.len()], 0.0, 0);
    for second in 0..seconds {
        let mut now = HEALTHY;
        change(second, &mut now);
        served += now.rate;
        back += now.rate * now.back as f64 / 100.0;
        for (count, edge) in slow.iter_mut().zip(EDGES) {
            *count += if now.seconds <= edge { now.rate } else { 0.0 };
        }
        let fresh = second % 5 == 0;
        reads += u64::from(fresh);
        let step = |edge: String, count: f64| LatencySample {
            server: ServerId(1),
            measure: "request".into(),
            edge: edge.into(),
            count_total: Reading::Is(count as u64),
            ..LatencySample::default()
        };
        let mut latencies: Vec<LatencySample> =
            EDGES.iter().zip(slow).map(|(edge, count)| step(edge.to_string(), count)).collect();
        latencies.push(step("+Inf".into(), served));
        let sample = Sample {
            seq: second,
            stamp: Stamp {
                unix_ms: 1_790_000_000_000 + second as i64 * 1000,
                mono_ms: 100_000 + second * 1000,
            },
            inventory: Arc::clone(&inventory),
            gpus: vec![GpuSample {
                utilization_ratio: Reading::Is(now.busy),
                power_watts: Reading::Is(70.0 + 200.0 * now.busy),
                memory_used_bytes: Reading::Is(60 << 30),
                memory_total_bytes: Reading::Is(80 << 30),
                ..GpuSample::default()
            }],
            gpu_procs: vec![GpuProcSample {
                gpu: GpuId(0),
                pid: Pid(4711),
                memory_used_bytes: Reading::Is(60 << 30),
                ..GpuProcSample::default()
            }],
            servers: vec![ServerSample {
                server: ServerId(1),
                running: Reading::Is(now.running),
                waiting: Reading::Is(now.waiting),
                kv_used_ratio: Reading::Is(now.cache),
                requests_total: Reading::Is(served as u64),
                failed_requests_total: Reading::Is(0),
                preemptions_total: Reading::Is(back as u64),
                reads_total: Reading::Is(reads),
                ..ServerSample::default()
            }],
            latencies: if fresh { latencies } else { Vec::new() },
            ..Sample::default()
        };
        let span_seconds = (second > 0).then_some(1.0);
        engine.step(&Frame { sample: Arc::new(sample), span_seconds, ..Frame::default() });
    }
    engine.findings().to_vec()
}

const HALF_A_SECOND: &str = "[inference]\nmatch = \"llama\"\np99_ms = 500\ngpu_mem_gib_max = 70\n";

/// One request in fifty takes two seconds, and half a second is allowed.
pub(crate) fn slow() -> Vec<Finding> {
    played(700, HALF_A_SECOND, |second, server| {
        server.seconds = if second % 50 == 0 { 2.0 } else { 0.4 };
    })
}

/// One in a hundred and fifty.
pub(crate) fn quick() -> Vec<Finding> {
    played(700, HALF_A_SECOND, |second, server| {
        server.seconds = if second % 150 == 0 { 2.0 } else { 0.4 };
    })
}

/// A queue that grows by one each ten seconds.
pub(crate) fn queue_grows() -> Vec<Finding> {
    played(300, "", |second, server| server.waiting = second.saturating_sub(60) / 10)
}

/// One that is always three long.
pub(crate) fn queue_stands() -> Vec<Finding> {
    played(300, "", |_, server| server.waiting = 3)
}

/// A cache that is 95 % used, and requests put back.
pub(crate) fn cache_full() -> Vec<Finding> {
    played(300, "", |second, server| {
        if second > 60 {
            (server.cache, server.back) = (0.95, 2);
        }
    })
}

/// One that is 85 % used.
pub(crate) fn cache_nearly_full() -> Vec<Finding> {
    played(300, "", |_, server| server.cache = 0.85)
}

/// A request every ten seconds, one at a time.
pub(crate) fn one_at_a_time() -> Vec<Finding> {
    played(2000, "", |second, server| {
        let now = u64::from(second % 10 < 2);
        (server.rate, server.running, server.cache) = (0.1, now, 0.02);
        server.busy = 0.2 * now as f64;
    })
}

/// The same with two of them together now and then.
pub(crate) fn two_at_a_time() -> Vec<Finding> {
    played(2000, "", |second, server| {
        let now = if second % 100 == 0 { 2 } else { u64::from(second % 10 < 2) };
        (server.rate, server.running, server.cache) = (0.1, now, 0.02);
        server.busy = 0.1 * now as f64;
    })
}

#[test]
fn a_budget_that_is_broken_is_told_with_the_bucket_that_decides() {
    let finding = &slow()[0];
    assert!(finding.title.starts_with("vllm llama (127.0.0.1:8000): p99 of the request time"));
    assert!(finding.title.contains("in the bucket from 1.0 s to 2.5 s"), "{}", finding.title);
    assert!(finding.title.contains("above 500 ms"), "{}", finding.title);
    assert_eq!(finding.pid, Some(Pid(4711)));
}

#[test]
fn a_queue_that_is_served_again_ends_the_finding() {
    let findings = played(400, "", |second, server| {
        server.waiting = if second < 150 { second.saturating_sub(60) / 10 } else { 0 };
    });
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert!(findings[0].end_ms.is_some_and(|end| end > findings[0].start_ms), "{findings:#?}");
}

#[test]
fn without_a_budget_none_is_broken() {
    assert!(played(700, "", |_, server| server.seconds = 4.0).is_empty());
}
