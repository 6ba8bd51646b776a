//! Answers as rows of a sample, each served model under its own number.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use super::Look;
use super::answer::{Answer, Figures, To};
use crate::model::server::{LatencySample, ServerInfo, ServerSample};
use crate::model::{Gap, Pid, Reading, ServerId};

/// Served models that get a number within one session.
const MAX_SERVERS: usize = 256;

/// What reading one endpoint gave.
#[derive(Clone, Debug)]
pub struct Read {
    /// Where.
    pub url: Box<str>,
    /// The process that listens there, where it is known.
    pub pid: Option<Pid>,
    /// The kind of server, by its answer, else by its command line; empty where neither tells.
    pub kind: &'static str,
    /// Why there is no answer, in words.
    pub trouble: Option<Box<str>>,
    answer: Option<(Arc<Answer>, Instant)>,
}

impl Read {
    /// It answered.
    pub(super) fn answered(url: Box<str>, pid: Option<Pid>, answer: Answer, at: Instant) -> Self {
        let kind = answer.kind;
        Self { url, pid, kind, trouble: None, answer: Some((Arc::new(answer), at)) }
    }

    /// It did not.
    pub(super) fn trouble(
        url: impl Into<Box<str>>,
        pid: Option<Pid>,
        kind: &'static str,
        why: impl Into<Box<str>>,
    ) -> Self {
        Self { url: url.into(), pid, kind, trouble: Some(why.into()), answer: None }
    }
}

/// A served model over the session.
#[derive(Clone, Debug)]
struct Served {
    info: Arc<ServerInfo>,
    row: ServerSample,
    reads: u64,
    at: Option<Instant>,
}

/// Every served model that was met.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    served: BTreeMap<(Box<str>, Box<str>), Served>,
    next: u32,
}

impl Book {
    /// The rows at `now`, of the endpoints that were read last.
    pub(super) fn rows(&mut self, reads: &[Read], now: Instant) -> Look {
        let mut look = Look::default();
        let urls: BTreeSet<&str> = reads.iter().map(|read| &*read.url).collect();
        self.served.retain(|(url, _), _| urls.contains(&**url));
        for read in reads {
            look.pids.extend(read.pid);
            match &read.answer {
                Some((answer, at)) => self.answered(read, answer, *at, &mut look),
                None => self.silent(read),
            }
        }
        for served in self.served.values() {
            let mut row = served.row.clone();
            row.reads_total = Reading::Is(served.reads);
            let age = served.at.map(|at| now.saturating_duration_since(at).as_secs_f64());
            row.age_seconds = Reading::from_option(age, Gap::NotYet);
            look.samples.push(row);
            look.infos.push(Arc::clone(&served.info));
        }
        look.samples.sort_by_key(|row| row.server);
        look.infos.sort_by_key(|info| info.server);
        look
    }

    fn answered(&mut self, read: &Read, answer: &Answer, at: Instant, look: &mut Look) {
        // A model that it no longer serves is gone, and so is the nameless one from before it told.
        self.served.retain(|(url, model), _| *url != read.url || answer.models.contains_key(model));
        for (model, figures) in &answer.models {
            let Some(served) = self.of(read, model) else { continue };
            if served.at == Some(at) {
                continue;
            }
            served.at = Some(at);
            served.reads += 1;
            let server = served.info.server;
            served.row = row(server, figures);
            latencies(server, figures, &mut look.latencies);
        }
    }

    /// The models of an endpoint that does not answer keep their last figures, which grow old.
    fn silent(&mut self, read: &Read) {
        let known: Vec<Box<str>> = self
            .served
            .keys()
            .filter(|(url, _)| *url == read.url)
            .map(|(_, model)| model.clone())
            .collect();
        for model in if known.is_empty() { vec![Box::default()] } else { known } {
            self.of(read, &model);
        }
    }

    fn of(&mut self, read: &Read, model: &str) -> Option<&mut Served> {
        let key = (read.url.clone(), Box::from(model));
        if !self.served.contains_key(&key) && self.served.len() >= MAX_SERVERS {
            return None;
        }
        let next = &mut self.next;
        let served = self.served.entry(key).or_insert_with(|| {
            *next += 1;
            let server = ServerId(*next);
            Served {
                info: Arc::new(ServerInfo { server, ..ServerInfo::default() }),
                row: ServerSample { server, ..ServerSample::default() },
                reads: 0,
                at: None,
            }
        });
        let info = ServerInfo {
            server: served.info.server,
            kind: read.kind.into(),
            url: read.url.clone(),
            pid: read.pid,
            model: model.into(),
            trouble: read.trouble.clone(),
        };
        if *served.info != info {
            served.info = Arc::new(info);
        }
        Some(served)
    }
}

fn row(server: ServerId, figures: &Figures) -> ServerSample {
    let number = |of| Reading::from_option(figures.number(of), Gap::Unsupported);
    let count = |of| number(of).map(|value| value.round() as u64);
    let own = |at: usize| {
        Reading::from_option(figures.summary.get(at).copied().flatten(), Gap::Unsupported)
    };
    ServerSample {
        server,
        running: count(To::Running),
        waiting: count(To::Waiting),
        kv_used_ratio: number(To::KvUsed).map(|used| used.min(1.0)),
        requests_total: count(To::Requests),
        failed_requests_total: count(To::Failed),
        prompt_tokens_total: count(To::Prompt),
        generated_tokens_total: count(To::Generated),
        preemptions_total: count(To::Preemptions),
        batches_total: count(To::Batches),
        batched_total: count(To::Batched),
        summary_p50_seconds: own(0),
        summary_p95_seconds: own(1),
        summary_p99_seconds: own(2),
        ..ServerSample::default()
    }
}

fn latencies(server: ServerId, figures: &Figures, out: &mut Vec<LatencySample>) {
    for (measure, times) in &figures.latencies {
        let step = |edge: String, count: f64, seconds: Reading<f64>| LatencySample {
            server,
            measure: measure.code().into(),
            edge: edge.into(),
            count_total: Reading::Is(count.round() as u64),
            sum_seconds_total: seconds,
        };
        // Without a count of all the steps say nothing.
        let Some(count) = times.count else { continue };
        let none = Reading::Not(Gap::NotApplicable);
        out.extend(times.steps().map(|(edge, count)| step(edge.to_string(), count, none)));
        let sum = Reading::from_option(times.seconds, Gap::Unsupported);
        out.push(step("+Inf".into(), count, sum));
    }
}
