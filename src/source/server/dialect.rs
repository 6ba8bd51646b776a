//! What each kind of inference server calls its figures.
//!
//! Names are those of the servers' own sources and manuals: vLLM `vllm/v1/metrics/loggers.py`, SGLang
//! `srt/metrics/collector.py`, TGI `docs/source/reference/metrics.md`, Triton `docs/user_guide/metrics.md`,
//! TorchServe `ts/configs/metrics.yaml`, Ray `doc/source/serve/monitoring.md`. A name that was changed
//! stands with the one before it, and the first that is there is taken.

use super::answer::To;
use crate::model::server::Measure::{FirstToken, InterToken, Queue, Request};

/// One metric of a server.
#[derive(Debug)]
pub(super) struct Metric {
    /// Its name; of a histogram without `_bucket`, `_sum` and `_count`, of a counter with or without
    /// `_total`.
    pub name: &'static str,
    /// Only series whose label begins so count.
    pub only: Option<(&'static str, &'static str)>,
    /// What it tells.
    pub to: To,
    /// Of the metrics that tell the same, those with the least number that is there are taken.
    pub rank: u8,
    /// Its value divided by this is in base units.
    pub unit: f64,
}

/// A kind of server.
#[derive(Debug)]
pub(super) struct Dialect {
    /// What it is called here.
    pub kind: &'static str,
    /// What it counts as failed is not among the requests that it counts.
    pub apart: bool,
    /// The labels that name the model.
    pub model: &'static [&'static str],
    /// Its metrics.
    pub metrics: &'static [Metric],
}

const fn m(name: &'static str, to: To) -> Metric {
    Metric { name, only: None, to, rank: 0, unit: 1.0 }
}

/// The name that it had before.
const fn old(name: &'static str, to: To) -> Metric {
    Metric { rank: 1, ..m(name, to) }
}

const fn in_unit(name: &'static str, to: To, unit: f64) -> Metric {
    Metric { unit, ..m(name, to) }
}

const fn only(name: &'static str, label: (&'static str, &'static str), to: To) -> Metric {
    Metric { only: Some(label), ..m(name, to) }
}

const MILLI: f64 = 1e3;
const MICRO: f64 = 1e6;

/// Every kind that is known.
pub(super) static DIALECTS: [Dialect; 6] = [VLLM, SGLANG, TGI, TRITON, TORCHSERVE, RAY_SERVE];

const VLLM: Dialect = Dialect {
    kind: "vllm",
    apart: true,
    model: &["model_name"],
    metrics: &[
        m("vllm:num_requests_running", To::Running),
        m("vllm:num_requests_waiting", To::Waiting),
        m("vllm:kv_cache_usage_perc", To::KvUsed),
        old("vllm:gpu_cache_usage_perc", To::KvUsed),
        m("vllm:request_success", To::Requests),
        // It counts no failures of its own; the web server before it counts its answers.
        only("http_requests", ("status", "5"), To::Failed),
        m("vllm:prompt_tokens", To::Prompt),
        m("vllm:generation_tokens", To::Generated),
        m("vllm:num_preemptions", To::Preemptions),
        m("vllm:e2e_request_latency_seconds", To::Latency(Request)),
        m("vllm:time_to_first_token_seconds", To::Latency(FirstToken)),
        m("vllm:inter_token_latency_seconds", To::Latency(InterToken)),
        old("vllm:time_per_output_token_seconds", To::Latency(InterToken)),
        m("vllm:request_queue_time_seconds", To::Latency(Queue)),
    ],
};

const SGLANG: Dialect = Dialect {
    kind: "sglang",
    apart: false,
    model: &["model_name", "name"],
    metrics: &[
        m("sglang:num_running_reqs", To::Running),
        m("sglang:num_queue_reqs", To::Waiting),
        m("sglang:token_usage", To::KvUsed),
        m("sglang:num_requests", To::Requests),
        m("sglang:num_aborted_requests", To::Failed),
        m("sglang:prompt_tokens", To::Prompt),
        m("sglang:generation_tokens", To::Generated),
        m("sglang:num_retracted_requests", To::Preemptions),
        m("sglang:e2e_request_latency_seconds", To::Latency(Request)),
        m("sglang:time_to_first_token_seconds", To::Latency(FirstToken)),
        m("sglang:inter_token_latency_seconds", To::Latency(InterToken)),
        old("sglang:time_per_output_token_seconds", To::Latency(InterToken)),
        m("sglang:queue_time_seconds", To::Latency(Queue)),
    ],
};

const TGI: Dialect = Dialect {
    kind: "tgi",
    apart: false,
    model: &[],
    metrics: &[
        m("tgi_batch_current_size", To::Running),
        m("tgi_queue_size", To::Waiting),
        m("tgi_request_success", To::Requests),
        m("tgi_request_failure", To::Requests),
        m("tgi_request_failure", To::Failed),
        m("tgi_request_input_length_sum", To::Prompt),
        m("tgi_request_generated_tokens_sum", To::Generated),
        m("tgi_request_duration", To::Latency(Request)),
        m("tgi_request_mean_time_per_token_duration", To::Latency(InterToken)),
        m("tgi_request_queue_duration", To::Latency(Queue)),
    ],
};

const TRITON: Dialect = Dialect {
    kind: "triton",
    apart: false,
    model: &["model"],
    metrics: &[
        m("nv_inference_pending_request_count", To::Waiting),
        m("nv_inference_request_success", To::Requests),
        m("nv_inference_request_failure", To::Requests),
        m("nv_inference_request_failure", To::Failed),
        m("nv_inference_exec_count", To::Batches),
        m("nv_inference_count", To::Batched),
        in_unit("nv_inference_request_duration_us", To::Sum(Request), MICRO),
        m("nv_inference_request_success", To::Count(Request)),
        in_unit("nv_inference_queue_duration_us", To::Sum(Queue), MICRO),
        m("nv_inference_request_success", To::Count(Queue)),
        in_unit("nv_inference_request_summary_us", To::Summary, MICRO),
        in_unit("nv_inference_first_response_histogram_ms", To::Latency(FirstToken), MILLI),
    ],
};

const TORCHSERVE: Dialect = Dialect {
    kind: "torchserve",
    apart: false,
    model: &["model_name"],
    metrics: &[
        m("ts_inference_requests", To::Requests),
        m("Requests5XX", To::Failed),
        in_unit("ts_inference_latency_microseconds", To::Sum(Request), MICRO),
        m("ts_inference_requests", To::Count(Request)),
        in_unit("ts_queue_latency_microseconds", To::Sum(Queue), MICRO),
        m("ts_inference_requests", To::Count(Queue)),
    ],
};

const RAY_SERVE: Dialect = Dialect {
    kind: "ray-serve",
    apart: false,
    model: &["application"],
    metrics: &[
        m("ray_serve_num_ongoing_requests_at_replicas", To::Running),
        old("ray_serve_replica_processing_queries", To::Running),
        m("ray_serve_deployment_queued_queries", To::Waiting),
        m("ray_serve_num_http_requests", To::Requests),
        only("ray_serve_num_http_requests", ("status_code", "5"), To::Failed),
        in_unit("ray_serve_http_request_latency_ms", To::Latency(Request), MILLI),
        in_unit("ray_serve_batch_wait_time_ms", To::Latency(Queue), MILLI),
    ],
};
