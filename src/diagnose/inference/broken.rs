//! BUDGET: a server misses a budget that was declared for it.

use super::super::about::{About, Threshold};
use super::super::ledger::{Ledger, Said};
use super::super::rules::{Check, Scene};
use super::super::words;
use super::budget::{Budgets, What};
use super::judge::{Outcome, Ruling, judge};
use super::recent::Recent;
use super::standing::Standing;
use crate::model::server::Measure;
use crate::model::{Rule, ServerId, Severity};

pub(in crate::diagnose) static ABOUT: About = About {
    code: Rule::Budget.code(),
    area: Rule::Budget.area(),
    what: "An inference server misses a budget that was declared for it.",
    when: "Raised where a limit of [inference] is broken over the last {window}, which grows up to \
           {longest} until it holds enough requests (299 for a p99, 59 for a p95) or chance is ruled out \
           at 95 %. A quantile is broken where the whole bucket of the histogram that holds it is above \
           the limit. Cleared by a window that keeps the limit, and when the server is gone.",
    remedy: "Smaller batches or more replicas for latency (--max-num-seqs, max_queue_delay_microseconds); \
             int8, fp8 or AWQ weights, ONNX Runtime or TensorRT for both; a lower gpu_memory_utilization \
             for memory.",
    source: "the limits are yours; samples needed follow from ln 0.05 / ln q",
    thresholds: &[&WINDOW, &LONGEST],
};

static WINDOW: Threshold = Threshold {
    code: Rule::Budget.code(),
    name: "window",
    default: 300.0,
    unit: "seconds",
    what: "Time over which a budget is held.",
};
static LONGEST: Threshold = Threshold {
    code: Rule::Budget.code(),
    name: "longest",
    default: 1800.0,
    unit: "seconds",
    what: "The same where requests are few.",
};

/// Answers that are kept of one model: half an hour of them.
const MOST: usize = 400;

/// The rule for all servers.
#[derive(Clone)]
pub(in crate::diagnose) struct Broken {
    recent: Recent,
    open: Standing<(ServerId, &'static str)>,
}

impl Default for Broken {
    fn default() -> Self {
        Self { recent: Recent::over(LONGEST.default, MOST), open: Standing::default() }
    }
}

impl Check for Broken {
    fn step(&mut self, scene: &Scene<'_>, ledger: &mut Ledger) {
        let budgets = &*scene.settings.budgets;
        if budgets.budgets.is_empty() {
            return;
        }
        for server in self.recent.take(scene.frame) {
            for ruling in self.rulings(server, scene, budgets) {
                self.settle(server, &ruling, scene, ledger);
            }
        }
        let recent = &self.recent;
        self.open.keep(|(server, _)| recent.has(*server), ledger);
    }

    fn end(&mut self, ledger: &mut Ledger) {
        self.open.keep(|_| false, ledger);
        *self = Self::default();
    }
}

impl Broken {
    /// The verdicts over the window, each over a longer one where that decides it.
    fn rulings(&self, server: ServerId, scene: &Scene<'_>, budgets: &Budgets) -> Vec<Ruling> {
        let settings = scene.settings;
        let over = |seconds: f64| {
            let load = self.recent.load(server, seconds)?;
            // A server that has just been met says nothing about five minutes.
            (load.seconds >= settings.of(&WINDOW)).then(|| {
                let own = judge(budgets, std::slice::from_ref(&load));
                own.into_iter().filter(|ruling| ruling.server.is_some()).collect::<Vec<_>>()
            })
        };
        let Some(rulings) = over(settings.of(&WINDOW)) else { return Vec::new() };
        if rulings.iter().all(|ruling| ruling.outcome != Outcome::Indeterminate) {
            return rulings;
        }
        let longer = over(settings.of(&LONGEST)).unwrap_or_default();
        let decided = |ruling: Ruling| {
            let other = longer.iter().find(|other| other.limit.key == ruling.limit.key);
            match other {
                Some(other) if ruling.outcome == Outcome::Indeterminate => other.clone(),
                _ => ruling,
            }
        };
        rulings.into_iter().map(decided).collect()
    }

    fn settle(
        &mut self,
        server: ServerId,
        ruling: &Ruling,
        scene: &Scene<'_>,
        ledger: &mut Ledger,
    ) {
        let key = (server, ruling.limit.key);
        match ruling.outcome {
            Outcome::Fail => self.open.holds(key, said(ruling, scene), ruling.span, ledger),
            Outcome::Pass => self.open.over(&key, Some(ruling.span.1), ledger),
            _ => {}
        }
    }
}

fn said(ruling: &Ruling, scene: &Scene<'_>) -> Said {
    let info = ruling.server.and_then(|server| scene.frame.sample.inventory.server(server));
    let (limit, value) = (ruling.limit, ruling.value.unwrap_or_default());
    let series = match limit.what {
        What::Latency(..) => "latencies.count_total",
        What::Memory => "gpu_procs.memory_used_bytes",
        What::Requests => "servers.requests_total",
        What::Tokens => "servers.generated_tokens_total",
        What::Errors => "servers.failed_requests_total",
    };
    let entity = ruling.server.map_or_else(String::new, |server| format!("server {server}"));
    // A quantile beyond the last bucket has no value, and its lower edge is what it is above.
    let value = ruling.bucket.map_or(value, |bucket| bucket.guess.unwrap_or(bucket.low));
    let evidence = vec![
        words::evidence(
            ruling.span,
            series,
            &*entity,
            value,
            Some(limit.value),
            format!("measured at {}", ruling.text),
        ),
        words::evidence(
            ruling.span,
            "servers.requests_total",
            entity,
            ruling.count as f64,
            None,
            format!("{} requests were served in the window", ruling.count),
        ),
    ];
    Said {
        severity: Severity::High,
        pid: info.and_then(|info| info.pid),
        title: ruling.text.clone(),
        evidence,
        advice: advice(ruling).into(),
        ..Said::of(Rule::Budget)
    }
}

fn advice(ruling: &Ruling) -> &'static str {
    match ruling.limit.what {
        What::Memory => {
            "Lower gpu_memory_utilization or the longest context, or serve int8, fp8 or AWQ weights."
        }
        What::Errors => {
            "Read the server's log: a request that fails costs its client all of its latency."
        }
        What::Requests | What::Tokens => {
            "Add a replica, raise --max-num-seqs while the key-value cache has room, or serve int8, fp8 \
             or AWQ weights."
        }
        What::Latency(Measure::FirstToken, _) => {
            "Split long prompts (--enable-chunked-prefill), cache their prefixes, or add a replica."
        }
        What::Latency(..) => {
            "Lower --max-num-seqs or max_queue_delay_microseconds, add a replica, or make the model \
             cheaper: int8, fp8 or AWQ weights, ONNX Runtime, TensorRT."
        }
    }
}
