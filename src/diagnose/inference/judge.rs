//! Budgets held against what servers did: pass, fail, or why neither can be said.

use super::budget::{Budget, Budgets, Limit, What};
use super::histogram::{Bucket, Histogram};
use super::load::Load;
use super::proof::{beyond_chance, needed};
use crate::diagnose::words;
use crate::model::ServerId;
use crate::model::metric::states;
use crate::model::server::{Measure, ServerInfo};

states! {
    /// What became of one limit.
    Outcome {
        /// It was kept.
        Pass = "pass",
        /// The numbers leave it open.
        Indeterminate = "indeterminate",
        /// The server does not tell what it would take to say.
        NotMeasurable = "not measurable",
        /// It was broken.
        Fail = "fail",
    }
}

/// The verdict on one limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Ruling {
    /// The served model; `None` where no server matches the budget.
    pub server: Option<ServerId>,
    /// The server and its model, as they stand on screen.
    pub name: String,
    /// The limit.
    pub limit: Limit,
    /// What became of it.
    pub outcome: Outcome,
    /// What was measured, in the limit's base unit; of a quantile the guess within its bucket.
    pub value: Option<f64>,
    /// Of a quantile, the bucket that holds it.
    pub bucket: Option<Bucket>,
    /// The requests (or tokens) that it rests on.
    pub count: u64,
    /// From the first answer to the last, in milliseconds since the Unix epoch.
    pub span: (i64, i64),
    /// One sentence with the numbers.
    pub text: String,
    /// What would allow a verdict, or mend it; empty where nothing would.
    pub remedy: String,
}

/// Holds each served model against the first budget that matches it. A budget that matches none is
/// indeterminate: nothing was measured.
pub fn judge(budgets: &Budgets, loads: &[Load]) -> Vec<Ruling> {
    let mut rulings = Vec::new();
    for (at, budget) in budgets.budgets.iter().enumerate() {
        let before = budgets.budgets.get(..at).unwrap_or_default();
        let own = |load: &&Load| {
            budget.is_of(&load.info) && !before.iter().any(|other| other.is_of(&load.info))
        };
        let found: Vec<&Load> = loads.iter().filter(own).collect();
        if found.is_empty() {
            rulings.extend(budget.limits.iter().map(|limit| nobody(budget, *limit)));
        }
        for load in found {
            rulings.extend(budget.limits.iter().map(|limit| rule(*limit, load)));
        }
    }
    rulings
}

fn nobody(budget: &Budget, limit: Limit) -> Ruling {
    let name = budget.matches.as_deref().map_or_else(|| "any server".into(), words::name);
    let what = match &budget.matches {
        Some(_) => format!("no inference server that is read matches '{name}'"),
        None => "no inference server is read".into(),
    };
    Ruling {
        server: None,
        limit,
        outcome: Outcome::Indeterminate,
        value: None,
        bucket: None,
        count: 0,
        span: (0, 0),
        text: format!("{} cannot be judged: {what}", limit.key),
        remedy: "Name its metrics with --server http://HOST:PORT/metrics.".into(),
        name,
    }
}

/// A verdict in the making.
struct Draft {
    outcome: Outcome,
    value: Option<f64>,
    bucket: Option<Bucket>,
    count: u64,
    text: String,
    remedy: String,
}

impl Draft {
    fn new(outcome: Outcome, text: String) -> Self {
        Self { outcome, value: None, bucket: None, count: 0, text, remedy: String::new() }
    }

    fn of(self, value: f64, count: u64) -> Self {
        Self { value: Some(value), count, ..self }
    }

    fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: remedy.into(), ..self }
    }
}

fn rule(limit: Limit, load: &Load) -> Ruling {
    let name = name_of(&load.info);
    let draft = match limit.what {
        _ if load.reads < 2 => silent(load),
        What::Latency(measure, share) => latency(limit, measure, share, load),
        What::Memory => memory(limit.value, load),
        What::Requests => requests(limit.value, load),
        What::Tokens => rate("tokens", limit.value, load.generated_tokens, load),
        What::Errors => errors(limit.value, load),
    };
    Ruling {
        server: Some(load.server),
        limit,
        outcome: draft.outcome,
        value: draft.value,
        bucket: draft.bucket,
        count: draft.count,
        span: load.span,
        text: format!("{name}: {}", draft.text),
        remedy: draft.remedy,
        name,
    }
}

/// `vllm meta-llama/Llama-3.1-8B (127.0.0.1:8000)`
pub(in crate::diagnose) fn name_of(info: &ServerInfo) -> String {
    let kind = if info.kind.is_empty() { "server" } else { &*info.kind };
    let place = info.url.split_once("://").map_or(&*info.url, |(_, rest)| rest);
    let place = words::name(place.split('/').next().unwrap_or_default());
    match words::name(&info.model) {
        model if model.is_empty() => format!("{kind} ({place})"),
        model => format!("{kind} {model} ({place})"),
    }
}

fn silent(load: &Load) -> Draft {
    let why = load.info.trouble.as_deref().map_or_else(
        || "it has answered fewer than twice, and a window needs two answers".into(),
        words::sentence,
    );
    Draft::new(Outcome::Indeterminate, why)
}

/// `p99 of the time to the first token`
fn quantile_name(measure: Measure, share: f64) -> String {
    let what = match measure {
        Measure::Request => "the request time",
        Measure::FirstToken => "the time to the first token",
        Measure::InterToken => "the time between tokens",
        Measure::Queue => "the time in the queue",
    };
    format!("p{:.0} of {what}", share * 100.0)
}

fn latency(limit: Limit, measure: Measure, share: f64, load: &Load) -> Draft {
    let what = quantile_name(measure, share);
    let told = load.latencies.get(&measure);
    if let Some(told) = told.filter(|told| !told.steps.is_empty()) {
        return from_buckets(limit, share, &what, told);
    }
    let own = match (measure, limit.key) {
        (Measure::Request, "p50_ms") => load.summaries[0],
        (Measure::Request, "p95_ms") => load.summaries[1],
        (Measure::Request, "p99_ms") => load.summaries[2],
        _ => None,
    };
    let count = load.requests.or_else(|| told.map(|told| told.count)).unwrap_or_default();
    if let Some(own) = own {
        return from_summary(limit, share, &what, own, count);
    }
    let mean = told.and_then(|told| Some((told.mean()?, told.count)));
    let kind = words::name(&load.info.kind);
    let text = match mean {
        Some((mean, count)) => format!(
            "{what} is not measurable: {kind} tells only a mean, {} over {count} requests",
            seconds(mean)
        ),
        None => format!("{what} is not measurable: {kind} does not tell it"),
    };
    let draft = Draft::new(Outcome::NotMeasurable, text).remedy(enable(&load.info.kind, measure));
    Draft { count: mean.map_or(0, |(_, count)| count), ..draft }
}

/// The flag that makes a server tell what it does not.
fn enable(kind: &str, measure: Measure) -> &'static str {
    match (kind, measure) {
        ("triton", Measure::FirstToken) => {
            "Start tritonserver with --metrics-config histogram_latencies=true."
        }
        ("triton", _) => "Start tritonserver with --metrics-config summary_latencies=true.",
        ("torchserve", _) => {
            "TorchServe counts only sums: set metrics_mode=prometheus and define a histogram in \
             metrics.yaml, or measure at the proxy before it."
        }
        ("sglang", _) => "Start sglang with --enable-metrics.",
        _ => "This server has no metric for it: measure it at the client or the proxy.",
    }
}

fn from_buckets(limit: Limit, share: f64, what: &str, told: &Histogram) -> Draft {
    let budget = seconds(limit.value);
    let Some(bucket) = told.quantile(share) else {
        return Draft::new(Outcome::Indeterminate, format!("{what}: nothing was served"));
    };
    let place = place(&bucket);
    let draft = |outcome, text: String| Draft {
        value: bucket.guess,
        bucket: Some(bucket),
        count: told.count,
        ..Draft::new(outcome, text)
    };
    let least = needed(share);
    if told.count < least {
        let above = told.above(limit.value);
        if beyond_chance(above, told.count, 1.0 - share) {
            let text = format!(
                "{what} is above {budget}: {above} of {} took longer, more than chance allows",
                told.count
            );
            return draft(Outcome::Fail, text);
        }
        let text = format!("{what}: not enough requests ({}/{least}); so far {place}", told.count);
        return draft(Outcome::Indeterminate, text).remedy("Watch for longer, or under more load.");
    }
    if bucket.high <= limit.value {
        let text = format!("{what} is {place}, within {budget}, over {}", told.count);
        return draft(Outcome::Pass, text);
    }
    if bucket.low >= limit.value {
        let text = format!("{what} is {place}, above {budget}, over {}", told.count);
        return draft(Outcome::Fail, text);
    }
    let text = format!("{what} is {place}, and the budget of {budget} lies within that bucket");
    draft(Outcome::Indeterminate, text)
        .remedy(format!("Give the server's histogram an edge at {budget}."))
}

/// `between 1.0 s and 2.5 s (about ~1.8 s)`
fn place(bucket: &Bucket) -> String {
    match bucket.guess {
        Some(guess) => format!(
            "in the bucket from {} to {} (~{})",
            seconds(bucket.low),
            seconds(bucket.high),
            seconds(guess)
        ),
        None => format!("beyond the last bucket, above {}", seconds(bucket.low)),
    }
}

fn from_summary(
    limit: Limit,
    share: f64,
    what: &str,
    (low, high): (f64, f64),
    count: u64,
) -> Draft {
    let budget = seconds(limit.value);
    let range = format!("from {} to {} by the server's own summary", seconds(low), seconds(high));
    let least = needed(share);
    let draft = if count < least {
        let text = format!("{what}: not enough requests ({count}/{least}); so far {range}");
        Draft::new(Outcome::Indeterminate, text).remedy("Watch for longer, or under more load.")
    } else if high <= limit.value {
        Draft::new(Outcome::Pass, format!("{what} is {range}, within {budget}, over {count}"))
    } else if low > limit.value {
        Draft::new(Outcome::Fail, format!("{what} is {range}, above {budget}, over {count}"))
    } else {
        let text = format!("{what} is {range}, now within {budget} and now above");
        Draft::new(Outcome::Indeterminate, text)
    };
    draft.of(high, count)
}

fn memory(limit: f64, load: &Load) -> Draft {
    let Some(most) = load.memory_most else {
        let text = match load.info.pid {
            Some(pid) => {
                format!("memory is not measurable: no GPU is seen to be used by pid {pid}")
            }
            None => "memory is not measurable: its processes are not known here".into(),
        };
        return Draft::new(Outcome::NotMeasurable, text);
    };
    let (held, budget) = (words::memory(most as f64), words::memory(limit));
    let within = most as f64 <= limit;
    let cache = load.kv_p95().map_or_else(String::new, |used| {
        format!("; its key-value cache is {} used 95 % of the time", words::percent(used))
    });
    let draft = if within {
        Draft::new(Outcome::Pass, format!("holds at most {held}, within {budget}{cache}"))
    } else {
        Draft::new(Outcome::Fail, format!("holds {held}, above {budget}{cache}")).remedy(
            "Lower gpu_memory_utilization or the context length, or serve quantized weights.",
        )
    };
    draft.of(most as f64, load.requests.unwrap_or_default())
}

/// Requests that failed ended, too, and are no answers.
fn requests(least: f64, load: &Load) -> Draft {
    let failed = load.failed.unwrap_or_default();
    let answered = load.requests.map(|ended| ended.saturating_sub(failed));
    let draft = rate("requests", least, answered, load);
    let beside = match load.failed {
        _ if answered.is_none() => String::new(),
        None => "; it tells no failures".to_owned(),
        Some(0) => String::new(),
        Some(failed) => format!("; {failed} more failed"),
    };
    Draft { text: draft.text + &beside, ..draft }
}

fn rate(unit: &str, least: f64, count: Option<u64>, load: &Load) -> Draft {
    let Some((rate, count)) = load.rate(count).zip(count) else {
        let kind = words::name(&load.info.kind);
        let text = format!("{unit} a second are not measurable: {kind} does not count them");
        return Draft::new(Outcome::NotMeasurable, text);
    };
    let draft = if rate >= least {
        let text = format!("serves {rate:.1} {unit} a second, at least {least:.1}");
        Draft::new(Outcome::Pass, text)
    } else if load.queue_grows() {
        let text = format!(
            "serves {rate:.1} {unit} a second, below {least:.1}, and its queue grows meanwhile"
        );
        Draft::new(Outcome::Fail, text)
    } else {
        let text = format!("untested above {rate:.1} {unit} a second; {least:.1} are wanted");
        Draft::new(Outcome::Indeterminate, text).remedy("Send it the load that it is meant for.")
    };
    draft.of(rate, count)
}

fn errors(most: f64, load: &Load) -> Draft {
    let Some((failed, count)) = load.failed.zip(load.requests) else {
        let kind = words::name(&load.info.kind);
        let text = format!("failures are not measurable: {kind} does not count them");
        return Draft::new(Outcome::NotMeasurable, text);
    };
    if count == 0 {
        return Draft::new(Outcome::Indeterminate, "failures: nothing was served".into());
    }
    let share = failed as f64 / count as f64;
    let (shown, budget) = (parts(share), parts(most));
    // Where none may fail, one failure decides, and no number of good requests proves the rest.
    let least = if most > 0.0 { needed(1.0 - most) } else { 0 };
    let draft = if share > most && (count >= least || beyond_chance(failed, count, most)) {
        Draft::new(
            Outcome::Fail,
            format!("{failed} of {count} requests fail ({shown}), above {budget}"),
        )
    } else if share <= most && count >= least {
        let text = format!("{failed} of {count} requests fail ({shown}), within {budget}");
        Draft::new(Outcome::Pass, text)
    } else {
        let text = format!(
            "failures: not enough requests ({count}/{least}); so far {failed} of {count} fail"
        );
        Draft::new(Outcome::Indeterminate, text).remedy("Watch for longer, or under more load.")
    };
    draft.of(share, count)
}

/// `0.10 %`
fn parts(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// `8.0 ms`, `1.8 s`
pub(super) fn seconds(value: f64) -> String {
    if value < 1.0 { words::milliseconds(value) } else { format!("{value:.1} s") }
}
