//! Verdicts on budgets: what decides each, and what leaves it open.

use std::sync::Arc;

use mltop::diagnose::inference::{Budgets, Loads, Outcome, Ruling, judge};
use mltop::model::inventory::{ProcInfo, Role};
use mltop::model::sample::GpuProcSample;
use mltop::model::server::{LatencySample, ServerInfo, ServerSample};
use mltop::model::{GpuId, Inventory, Pid, Reading, Sample, ServerId, Stamp};

/// What a server did between two answers, a minute apart.
#[derive(Clone, Copy)]
struct Did {
    kind: &'static str,
    requests: u64,
    failed: Option<u64>,
    tokens: u64,
    /// Requests that took at most a second, and at most two and a half. None of a server of means.
    within: Option<(u64, u64)>,
    waiting: (u64, u64),
    held: Option<u64>,
    summary: Option<f64>,
}

const DID: Did = Did {
    kind: "vllm",
    requests: 1000,
    failed: Some(0),
    tokens: 60_000,
    within: Some((1000, 1000)),
    waiting: (0, 0),
    held: Some(30 << 30),
    summary: None,
};

fn of(budget: &str, did: Did) -> Ruling {
    let budgets = Budgets::parse(&format!("[inference]\n{budget}\n")).unwrap();
    let mut loads = Loads::default();
    for at in 0..4 {
        loads.take(&sample(did, at));
    }
    let rulings = judge(&budgets, &loads.all());
    assert_eq!(rulings.len(), 1, "{rulings:#?}");
    rulings.into_iter().next().unwrap()
}

/// A third of it each time, on top of what the server did before in its life.
fn sample(did: Did, at: u64) -> Sample {
    let part = |whole: u64| Reading::Is(7_000_000 + whole * at / 3);
    let step = |edge: &str, count: u64, seconds: Reading<f64>| LatencySample {
        server: ServerId(1),
        measure: "request".into(),
        edge: edge.into(),
        count_total: part(count),
        sum_seconds_total: seconds,
    };
    let none = Reading::default();
    let mut latencies = Vec::new();
    if let Some((second, more)) = did.within {
        latencies = vec![step("1", second, none), step("2.5", more, none)];
    }
    let sum = Reading::Is(did.requests as f64 * at as f64 / 3.0 * 0.023);
    latencies.push(step("+Inf", did.requests, sum));
    let process = |pid: u32, parent: u32| {
        Arc::new(ProcInfo {
            pid: Pid(pid),
            parent: Pid(parent),
            start_ticks: 1,
            start_ms: None,
            name: "vllm".into(),
            command: "".into(),
            user: "".into(),
            role: Role::Other,
            run: None,
            rank: None,
            cgroup: None,
            container: None,
        })
    };
    let info = ServerInfo {
        server: ServerId(1),
        kind: did.kind.into(),
        url: "http://127.0.0.1:8000/metrics".into(),
        pid: Some(Pid(4711)),
        model: "llama".into(),
        trouble: None,
    };
    // The engine that holds the GPU is a child of the process that listens.
    let procs = [process(4711, 1), process(4720, 4711)];
    let held = did.held.map(|bytes| GpuProcSample {
        gpu: GpuId(0),
        pid: Pid(4720),
        memory_used_bytes: Reading::Is(bytes),
        ..GpuProcSample::default()
    });
    Sample {
        seq: at,
        stamp: Stamp {
            unix_ms: 1_790_000_000_000 + at as i64 * 20_000,
            mono_ms: 50_000 + at * 20_000,
        },
        inventory: Arc::new(Inventory {
            servers: vec![Arc::new(info)],
            procs: procs.into_iter().map(|info| (info.pid, info)).collect(),
            ..Inventory::default()
        }),
        gpu_procs: held.into_iter().collect(),
        servers: vec![ServerSample {
            server: ServerId(1),
            waiting: Reading::Is(if at < 2 { did.waiting.0 } else { did.waiting.1 }),
            kv_used_ratio: Reading::Is(0.62),
            requests_total: part(did.requests),
            failed_requests_total: did.failed.map_or_else(Reading::default, part),
            generated_tokens_total: part(did.tokens),
            summary_p99_seconds: did.summary.map_or_else(Reading::default, Reading::Is),
            reads_total: Reading::Is(at),
            ..ServerSample::default()
        }],
        latencies,
        ..Sample::default()
    }
}

#[test]
fn a_p99_passes_where_its_whole_bucket_does_and_fails_where_its_whole_bucket_does() {
    let pass = of("p99_ms = 1000", DID);
    assert_eq!(pass.outcome, Outcome::Pass, "{}", pass.text);
    assert!(
        pass.text.starts_with("vllm llama (127.0.0.1:8000): p99 of the request time is in the")
    );
    let fail = of("p99_ms = 1000", Did { within: Some((900, 1000)), ..DID });
    assert_eq!(fail.outcome, Outcome::Fail, "{}", fail.text);
    let bucket = fail.bucket.unwrap();
    assert_eq!((bucket.low, bucket.high, fail.count), (1.0, 2.5, 1000));
}

#[test]
fn a_budget_within_the_bucket_is_open_and_an_edge_is_asked_for() {
    let open = of("p99_ms = 2000", Did { within: Some((900, 1000)), ..DID });
    assert_eq!(open.outcome, Outcome::Indeterminate);
    assert!(open.text.contains("the budget of 2.0 s lies within that bucket"), "{}", open.text);
    assert!(open.text.contains("(~2.4 s)"), "the guess is marked as one: {}", open.text);
    assert_eq!(open.remedy, "Give the server's histogram an edge at 2.0 s.");
    let beyond = of("p99_ms = 9000", Did { within: Some((900, 900)), ..DID });
    assert_eq!(beyond.outcome, Outcome::Indeterminate, "{}", beyond.text);
    assert_eq!(beyond.value, None);
}

#[test]
fn a_p99_needs_299_requests_unless_chance_is_ruled_out() {
    let few = Did { requests: 112, within: Some((112, 112)), ..DID };
    let open = of("p99_ms = 1000", few);
    assert_eq!(open.outcome, Outcome::Indeterminate);
    assert!(open.text.contains("not enough requests (112/299)"), "{}", open.text);
    assert_eq!(of("p95_ms = 1000", few).outcome, Outcome::Pass);
    let broken = of("p99_ms = 1000", Did { within: Some((92, 112)), ..few });
    assert_eq!(broken.outcome, Outcome::Fail, "{}", broken.text);
    assert!(broken.text.contains("20 of 112 took longer"), "{}", broken.text);
}

#[test]
fn a_mean_is_no_quantile_and_the_flag_that_gives_one_is_named() {
    let triton = of("p99_ms = 1000", Did { kind: "triton", within: None, ..DID });
    assert_eq!(triton.outcome, Outcome::NotMeasurable);
    assert!(triton.text.contains("triton tells only a mean, 23 ms over 1000"), "{}", triton.text);
    assert!(triton.remedy.contains("summary_latencies=true"), "{}", triton.remedy);
    let serve = of("p99_ms = 1000", Did { kind: "torchserve", within: None, ..DID });
    assert!(serve.remedy.contains("metrics_mode=prometheus"), "{}", serve.remedy);
    let token = of("ttft_p99_ms = 100", Did { kind: "triton", ..DID });
    assert!(token.remedy.contains("histogram_latencies=true"), "{}", token.remedy);
    let own = Did { kind: "triton", within: None, summary: Some(0.05), ..DID };
    assert_eq!(of("p99_ms = 60", own).outcome, Outcome::Pass);
    assert_eq!(of("p99_ms = 40", own).outcome, Outcome::Fail);
}

#[test]
fn a_rate_below_its_budget_is_untested_unless_the_queue_grows_meanwhile() {
    assert_eq!(of("qps_min = 16", DID).outcome, Outcome::Pass);
    let untested = of("qps_min = 50", DID);
    assert_eq!(untested.outcome, Outcome::Indeterminate);
    assert!(untested.text.contains("untested above 16.7 requests a second"), "{}", untested.text);
    let full = of("qps_min = 50", Did { waiting: (2, 9), ..DID });
    assert_eq!(full.outcome, Outcome::Fail, "{}", full.text);
    // A minute of 1000 requests, 100 of which are no answers.
    let failing = Did { failed: Some(100), ..DID };
    assert_eq!(of("qps_min = 16", failing).outcome, Outcome::Indeterminate);
    let pass = of("qps_min = 15", failing);
    assert_eq!((pass.outcome, pass.count), (Outcome::Pass, 900));
    assert!(pass.text.ends_with("at least 15.0; 100 more failed"), "{}", pass.text);
    let untold = of("qps_min = 16", Did { failed: None, ..DID });
    assert!(untold.text.ends_with("at least 16.0; it tells no failures"), "{}", untold.text);
    assert_eq!(of("tokens_per_second_min = 900", DID).outcome, Outcome::Pass);
}

#[test]
fn memory_is_that_of_all_processes_below_the_one_that_listens() {
    let pass = of("gpu_mem_gib_max = 40", DID);
    assert_eq!(pass.outcome, Outcome::Pass, "{}", pass.text);
    assert!(pass.text.contains("its key-value cache is 62 % used"), "{}", pass.text);
    assert_eq!(of("gpu_mem_gib_max = 20", DID).outcome, Outcome::Fail);
    let none = of("gpu_mem_gib_max = 20", Did { held: None, ..DID });
    assert_eq!(none.outcome, Outcome::NotMeasurable, "{}", none.text);
}

#[test]
fn failures_are_a_share_and_what_does_not_count_them_is_not_free_of_them() {
    assert_eq!(of("error_rate_max = 0.01", DID).outcome, Outcome::Pass);
    assert_eq!(of("error_rate_max = 0", Did { failed: Some(1), ..DID }).outcome, Outcome::Fail);
    let share = of("error_rate_max = 0.01", Did { failed: Some(30), ..DID });
    assert!(share.text.contains("30 of 1000 requests fail (3.00 %)"), "{}", share.text);
    let few = of("error_rate_max = 0.001", DID);
    assert!(few.text.contains("not enough requests (1000/2995)"), "{}", few.text);
    let unknown = of("error_rate_max = 0.01", Did { failed: None, ..DID });
    assert_eq!(unknown.outcome, Outcome::NotMeasurable);
}

#[test]
fn the_first_budget_that_matches_a_server_is_its_own() {
    let text = "[[inference]]\nmatch = \"llama\"\nqps_min = 1\n[[inference]]\np99_ms = 1\n";
    let mut loads = Loads::default();
    (0..4).for_each(|at| loads.take(&sample(DID, at)));
    let rulings = judge(&Budgets::parse(text).unwrap(), &loads.all());
    let keys: Vec<_> = rulings.iter().map(|ruling| (ruling.limit.key, ruling.server)).collect();
    assert_eq!(keys, [("qps_min", Some(ServerId(1))), ("p99_ms", None)]);
}
