//! Inference servers: what their own metrics say, as counters, and who they are.

use serde::{Deserialize, Serialize};

use super::id::{Pid, ServerId};
use super::metric::{section, states};
use super::reading::Reading;

/// One model that an inference server serves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerInfo {
    /// Its number.
    pub server: ServerId,
    /// Which server: vllm, sglang, tgi, triton, torchserve, ray-serve; empty where not yet known.
    pub kind: Box<str>,
    /// Where its metrics are read.
    pub url: Box<str>,
    /// The process that listens there, where it is on this box.
    pub pid: Option<Pid>,
    /// The model, as the server calls it; empty where it serves one only and does not name it.
    pub model: Box<str>,
    /// Why there is no answer from it now, in words. `None` while it answers.
    pub trouble: Option<Box<str>>,
}

states! {
    /// What a latency is measured between.
    Measure {
        /// From the arrival of a request to the end of its answer.
        Request = "request",
        /// From the arrival of a request to the first token of its answer.
        FirstToken = "first_token",
        /// Between two tokens of one answer.
        InterToken = "inter_token",
        /// From the arrival of a request to the begin of its computation.
        Queue = "queue",
    }
}

section! {
    /// One model that an inference server serves. Every figure is the server's own, read every few
    /// seconds: how old it is, `age_seconds` says.
    ServerSample, "servers" {
        server: ServerId => Id, None, 0, "Number of the served model within the session.";
        running: Reading<u64> => Gauge, None, 0, "Requests that are computed at the moment.";
        waiting: Reading<u64> => Gauge, None, 0, "Requests that wait to be computed.";
        kv_used_ratio: Reading<f64> => Gauge, Ratio, 4, "Used share of the cache for keys and values.";
        requests_total: Reading<u64> => Counter, None, 0, "Requests that ended, whether well or not.";
        failed_requests_total: Reading<u64> => Counter, None, 0, "Of those, requests that failed.";
        prompt_tokens_total: Reading<u64> => Counter, None, 0, "Tokens of prompts that were computed.";
        generated_tokens_total: Reading<u64> => Counter, None, 0, "Tokens that were generated.";
        preemptions_total: Reading<u64> => Counter, None, 0, "Requests that were put back because the cache for keys and values was full.";
        batches_total: Reading<u64> => Counter, None, 0, "Batches that were executed.";
        batched_total: Reading<u64> => Counter, None, 0, "Inferences that were executed, all batches together.";
        summary_p50_seconds: Reading<f64> => Gauge, Seconds, 6, "Median time of a request over the server's own last minute or so (a summary).";
        summary_p95_seconds: Reading<f64> => Gauge, Seconds, 6, "The same as 95th percentile.";
        summary_p99_seconds: Reading<f64> => Gauge, Seconds, 6, "The same as 99th percentile.";
        reads_total: Reading<u64> => Counter, None, 0, "Answers that mltop got from the server.";
        age_seconds: Reading<f64> => Gauge, Seconds, 2, "How old the figures of this row are. A server that does not answer shows here.";
    }
}

section! {
    /// One step of a histogram of latencies, in the ticks in which the server was read anew. The row
    /// whose edge is `+Inf` counts all; a server that tells only means has no other.
    LatencySample, "latencies" {
        server: ServerId => Id, None, 0, "Number of the served model within the session.";
        measure: Box<str> => Id, None, 0, "What was measured: request, first_token, inter_token, queue.";
        edge: Box<str> => Id, None, 0, "Upper edge in seconds, or +Inf.";
        count_total: Reading<u64> => Counter, None, 0, "Observations up to the edge.";
        sum_seconds_total: Reading<f64> => Counter, Seconds, 4, "All observations added up. Not applicable but to the edge +Inf.";
    }
}
