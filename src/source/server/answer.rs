//! An endpoint's answer as figures of models.

use std::collections::BTreeMap;

use super::dialect::{DIALECTS, Dialect, Metric};
use super::prometheus::{Series, series};
use crate::model::server::Measure;
use crate::model::text::clean;

/// Models of one endpoint that are told apart; a name that comes later is left out.
const MAX_MODELS: usize = 16;
/// Steps of one histogram; one with more is left out.
const MAX_STEPS: usize = 96;
/// Characters of a model's name.
const NAME_CHARS: usize = 120;
/// Numbers from here on are no counts of anything.
const MOST: f64 = 9e15;

/// What a metric tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum To {
    /// Requests that are computed.
    Running,
    /// Requests that wait.
    Waiting,
    /// Used share of the cache for keys and values.
    KvUsed,
    /// Requests that ended.
    Requests,
    /// Requests that failed.
    Failed,
    /// Tokens of prompts.
    Prompt,
    /// Tokens that were generated.
    Generated,
    /// Requests that were put back.
    Preemptions,
    /// Batches.
    Batches,
    /// Inferences in all batches.
    Batched,
    /// A histogram.
    Latency(Measure),
    /// Times added up, without a histogram.
    Sum(Measure),
    /// How many times are in the sum.
    Count(Measure),
    /// The server's own quantiles of the request time.
    Summary,
}

/// One histogram, or a sum and a count without steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Times {
    /// Upper edges in seconds, as bits (which order like the numbers), and the observations up to them.
    steps: BTreeMap<u64, f64>,
    /// All observations.
    pub count: Option<f64>,
    /// All of them added up, in seconds.
    pub seconds: Option<f64>,
}

impl Times {
    /// Upper edges in seconds, ascending, and the observations up to them.
    pub fn steps(&self) -> impl Iterator<Item = (f64, f64)> {
        self.steps.iter().map(|(edge, count)| (f64::from_bits(*edge), *count))
    }
}

/// The figures of one model. `None` where the server does not tell them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    numbers: BTreeMap<To, f64>,
    /// Latencies.
    pub latencies: BTreeMap<Measure, Times>,
    /// Its own p50, p95 and p99 of the request time, in seconds.
    pub summary: [Option<f64>; 3],
}

impl Figures {
    pub(super) fn number(&self, of: To) -> Option<f64> {
        self.numbers.get(&of).copied()
    }

    /// Requests that are computed at the moment.
    pub fn running(&self) -> Option<f64> {
        self.number(To::Running)
    }

    /// Requests that wait.
    pub fn waiting(&self) -> Option<f64> {
        self.number(To::Waiting)
    }

    /// Used share of the cache for keys and values.
    pub fn kv_used(&self) -> Option<f64> {
        self.number(To::KvUsed)
    }

    /// Requests that ended.
    pub fn requests(&self) -> Option<f64> {
        self.number(To::Requests)
    }

    /// Of those, requests that failed.
    pub fn failed(&self) -> Option<f64> {
        self.number(To::Failed)
    }

    /// Tokens that were generated.
    pub fn generated(&self) -> Option<f64> {
        self.number(To::Generated)
    }

    /// Requests that were put back.
    pub fn preemptions(&self) -> Option<f64> {
        self.number(To::Preemptions)
    }
}

/// What an endpoint answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The kind of server that writes so.
    pub kind: &'static str,
    /// By model; one without a name where the server serves one only and does not name it.
    pub models: BTreeMap<Box<str>, Figures>,
}

/// Reads an answer; `None` where it holds no figure of a server that is known.
pub fn read(text: &str) -> Option<Answer> {
    let known = |dialect: &Dialect| {
        series(text).filter(|one| dialect.metrics.iter().any(|m| names(m, one).is_some())).count()
    };
    let (count, dialect) =
        DIALECTS.iter().map(|dialect| (known(dialect), dialect)).max_by_key(|(count, _)| *count)?;
    if count == 0 {
        return None;
    }
    let mut read = Read { dialect, models: BTreeMap::new() };
    for one in series(text) {
        read.take(&one);
    }
    Some(Answer { kind: dialect.kind, models: read.models() })
}

/// Which part of a metric a series is.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Value,
    Bucket,
    Sum,
    Count,
}

fn names(metric: &Metric, one: &Series<'_>) -> Option<Part> {
    let rest = one.name.strip_prefix(metric.name)?;
    let histogram = matches!(metric.to, To::Latency(_));
    match (rest, histogram) {
        ("" | "_total", false) => Some(Part::Value),
        ("_bucket", true) => Some(Part::Bucket),
        ("_sum", true) => Some(Part::Sum),
        ("_count", true) => Some(Part::Count),
        _ => None,
    }
}

/// What one metric has told of one model so far.
#[derive(Default)]
struct Told {
    sum: f64,
    most: f64,
    times: Times,
    summary: [Option<f64>; 3],
}

struct Read {
    dialect: &'static Dialect,
    models: BTreeMap<Box<str>, BTreeMap<usize, Told>>,
}

impl Read {
    fn take(&mut self, one: &Series<'_>) {
        // Health checks of Ray are no requests of anybody.
        let own = one.label("route").is_some_and(|route| route.starts_with("/-/"));
        if own || !(0.0..MOST).contains(&one.value) {
            return;
        }
        for (at, metric) in self.dialect.metrics.iter().enumerate() {
            let Some(part) = names(metric, one) else { continue };
            let meant = |(label, start): &(&str, &str)| {
                one.label(label).is_some_and(|value| value.starts_with(start))
            };
            // A series of another label still says that the server counts such things.
            let counts = metric.only.as_ref().is_none_or(meant);
            let value = if counts { one.value / metric.unit } else { 0.0 };
            if let Some(told) = self.told(one, at) {
                told.take(part, metric, one, value);
            }
        }
    }

    fn told(&mut self, one: &Series<'_>, at: usize) -> Option<&mut Told> {
        let named = self.dialect.model.iter().find_map(|label| one.label(label));
        let name = clean(named.as_deref().unwrap_or_default().as_bytes(), NAME_CHARS);
        if self.models.len() >= MAX_MODELS && !self.models.contains_key(&name) {
            return None;
        }
        Some(self.models.entry(name).or_default().entry(at).or_default())
    }

    fn models(self) -> BTreeMap<Box<str>, Figures> {
        let dialect = self.dialect;
        let mut models: BTreeMap<Box<str>, Figures> =
            self.models.into_iter().map(|(name, told)| (name, figures(dialect, told))).collect();
        // What stands beside the models and names none is of the only one there is.
        if models.len() > 1
            && let Some(common) = models.remove("")
            && models.len() == 1
            && let Some(only) = models.values_mut().next()
        {
            for (of, value) in common.numbers {
                only.numbers.entry(of).or_insert(value);
            }
            for (measure, times) in common.latencies {
                only.latencies.entry(measure).or_insert(times);
            }
        }
        for figures in models.values_mut().filter(|_| dialect.apart) {
            // Those that failed ended, too: a server all of whose requests fail has served some.
            if let Some(failed) = figures.number(To::Failed).filter(|failed| *failed > 0.0) {
                *figures.numbers.entry(To::Requests).or_default() += failed;
            }
        }
        models
    }
}

impl Told {
    fn take(&mut self, part: Part, metric: &Metric, one: &Series<'_>, value: f64) {
        match part {
            Part::Bucket => {
                let edge = one.label("le").and_then(|edge| edge.parse::<f64>().ok());
                let edge = edge.filter(|edge| edge.is_finite() && *edge >= 0.0);
                let Some(edge) = edge.map(|edge| rounded(edge / metric.unit)) else { return };
                *self.times.steps.entry(edge.to_bits()).or_default() += one.value;
            }
            Part::Sum => *self.times.seconds.get_or_insert_default() += value,
            Part::Count => *self.times.count.get_or_insert_default() += one.value,
            Part::Value if metric.to == To::Summary => {
                let quantile = one.label("quantile").and_then(|q| q.parse::<f64>().ok());
                let wanted = [0.50, 0.95, 0.99];
                let at = wanted.iter().position(|wanted| {
                    quantile.is_some_and(|quantile| (quantile - wanted).abs() < 1e-9)
                });
                // Several versions of one model: the slowest decides.
                if let Some(kept) = at.and_then(|at| self.summary.get_mut(at)) {
                    *kept = Some(kept.map_or(value, |kept| kept.max(value)));
                }
            }
            Part::Value => {
                self.sum += value;
                self.most = self.most.max(value);
            }
        }
    }
}

/// Without the noise that a change of units adds: 0.1 and not 0.1000000001.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1e9).round() / 1e9
}

fn figures(dialect: &Dialect, told: BTreeMap<usize, Told>) -> Figures {
    let mut figures = Figures::default();
    let rank_of = |to: To| {
        let here = told.keys().filter_map(|at| dialect.metrics.get(*at));
        here.filter(|metric| metric.to == to).map(|metric| metric.rank).min()
    };
    let ranks: Vec<Option<u8>> = dialect.metrics.iter().map(|metric| rank_of(metric.to)).collect();
    for (at, told) in told {
        let Some(metric) = dialect.metrics.get(at) else { continue };
        if ranks.get(at).copied().flatten() != Some(metric.rank) {
            continue;
        }
        match metric.to {
            To::Latency(measure) if told.times.steps.len() <= MAX_STEPS => {
                figures.latencies.insert(measure, told.times);
            }
            To::Latency(_) => {}
            To::Sum(measure) => {
                figures.latencies.entry(measure).or_default().seconds = Some(told.sum);
            }
            To::Count(measure) => {
                figures.latencies.entry(measure).or_default().count = Some(told.sum);
            }
            To::Summary => figures.summary = told.summary,
            To::KvUsed => {
                figures.numbers.insert(To::KvUsed, told.most);
            }
            to => *figures.numbers.entry(to).or_default() += told.sum,
        }
    }
    // A server that does not count requests as such counts them in its histogram.
    let count = figures.latencies.get(&Measure::Request).and_then(|times| times.count);
    if let (None, Some(count)) = (figures.number(To::Requests), count) {
        figures.numbers.insert(To::Requests, count);
    }
    figures
}
