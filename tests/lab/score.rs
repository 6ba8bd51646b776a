//! What was said against what is true, by overlap in time.

use std::collections::BTreeMap;

use mltop::diagnose::{Change, Engine, Settings};
use mltop::model::{Finding, Rule, Sample};

use crate::trainer::Span;
use crate::truth::{Stretch, length, overlap};

/// A finding as it was told: times in seconds since the begin.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) rule: Rule,
    id: u64,
    /// When it was said, and when it was taken back.
    pub(crate) live: Span,
    /// From when to when it is said to have been.
    pub(crate) dated: Span,
    /// Causes, each from when it was named.
    causes: Vec<(f64, &'static str)>,
    pub(crate) last: Finding,
}

/// Hears what the engine says of a course of samples.
pub(crate) struct Listener {
    engine: Engine,
    before: Option<std::sync::Arc<Sample>>,
    begin_ms: i64,
    now: f64,
    pub(crate) told: Vec<Told>,
}

impl Listener {
    /// `begin_ms`: the begin, in milliseconds since the Unix epoch.
    pub(crate) fn new(begin_ms: i64) -> Self {
        Self {
            engine: Engine::new(Settings::default()),
            before: None,
            begin_ms,
            now: 0.0,
            told: Vec::new(),
        }
    }

    pub(crate) fn hear(&mut self, sample: Sample) {
        let sample = std::sync::Arc::new(sample);
        let frame = mltop::derive::frame(self.before.as_deref(), std::sync::Arc::clone(&sample));
        self.now = (sample.stamp.unix_ms - self.begin_ms) as f64 / 1e3;
        self.before = Some(sample);
        for change in self.engine.step(&frame) {
            self.note(change);
        }
    }

    fn note(&mut self, change: Change) {
        let (now, begin_ms) = (self.now, self.begin_ms);
        let since = |ms: i64| (ms - begin_ms) as f64 / 1e3;
        let cause = |finding: &Finding| finding.cause.map_or("", |cause| cause.code());
        match change {
            Change::Opened(finding) => self.told.push(Told {
                rule: finding.rule,
                id: finding.id,
                live: (now, f64::INFINITY),
                dated: (since(finding.start_ms), f64::INFINITY),
                causes: vec![(now, cause(&finding))],
                last: finding,
            }),
            Change::Updated(finding) => {
                let told = self.told.iter_mut().find(|told| told.id == finding.id);
                if let Some(told) = told {
                    let cause = cause(&finding);
                    if told.causes.last().is_none_or(|last| last.1 != cause) {
                        told.causes.push((now, cause));
                    }
                    told.last = finding;
                }
            }
            Change::Closed(finding) => {
                if let Some(told) = self.told.iter_mut().find(|told| told.id == finding.id) {
                    told.live.1 = now;
                    told.dated.1 = since(finding.end_ms.unwrap_or(begin_ms));
                    told.last = finding;
                }
            }
        }
    }

    /// The end of the course.
    pub(crate) fn end(mut self) -> Vec<Told> {
        for told in &mut self.told {
            told.live.1 = told.live.1.min(self.now);
            told.dated.1 = told.dated.1.min(self.now);
        }
        self.told
    }
}

/// One scenario with one seed.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) seconds: f64,
    pub(crate) truth: Vec<Stretch>,
    pub(crate) told: Vec<Told>,
    /// Rules that say the truth here, beside STARVED.
    pub(crate) may: Vec<String>,
}

impl Outcome {
    fn starved(&self) -> impl Iterator<Item = &Told> {
        self.told.iter().filter(|told| told.rule == Rule::Starved)
    }

    /// Findings that are not true: by their span, they begin in no stretch of starving.
    pub(crate) fn alarms(&self) -> Vec<&Told> {
        let is_true = |told: &Told| {
            if told.rule == Rule::Starved {
                let near =
                    |stretch: &Stretch| told.live.0 >= stretch.from && told.dated.0 <= stretch.to;
                return self.truth.iter().any(near);
            }
            self.may.iter().any(|code| code == told.rule.code())
        };
        self.told.iter().filter(|told| !is_true(told)).collect()
    }
}

/// Seconds that were rightly said, wrongly said, and missed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Overlap {
    pub(crate) right: f64,
    pub(crate) wrong: f64,
    pub(crate) missed: f64,
}

impl Overlap {
    fn add(&mut self, truth: &[Span], said: &[Span]) {
        let both = overlap(truth, said);
        self.right += both;
        self.wrong += length(said) - both;
        self.missed += length(truth) - both;
    }

    pub(crate) fn precision(self) -> f64 {
        self.right / (self.right + self.wrong)
    }

    pub(crate) fn recall(self) -> f64 {
        self.right / (self.right + self.missed)
    }

    pub(crate) fn f1(self) -> f64 {
        2.0 * self.right / (2.0 * self.right + self.wrong + self.missed)
    }
}

/// A score over scenarios.
#[derive(Clone, Debug, Default)]
pub(crate) struct Score {
    pub(crate) scenarios: usize,
    pub(crate) hours: f64,
    pub(crate) live: Overlap,
    pub(crate) dated: Overlap,
    /// Stretches, and those in which something was raised.
    pub(crate) stretches: usize,
    pub(crate) raised: usize,
    /// Seconds from the begin of a stretch to the finding: where the short window is made for it, and
    /// elsewhere; and from its end until the finding is taken back.
    pub(crate) fast: Vec<f64>,
    pub(crate) slow: Vec<f64>,
    pub(crate) clear: Vec<f64>,
    /// Findings that are not true, and findings of one stretch beyond its first.
    pub(crate) alarms: usize,
    pub(crate) again: usize,
    /// Seconds in which a stretch of one cause was said to be of another.
    pub(crate) causes: BTreeMap<(&'static str, &'static str), f64>,
    /// Stretches that were raised, and those whose true cause was named for most of their time.
    pub(crate) top: (usize, usize),
}

impl Score {
    pub(crate) fn of<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> Self {
        let mut score = Self::default();
        for outcome in outcomes {
            score.add(outcome);
        }
        for delays in [&mut score.fast, &mut score.slow, &mut score.clear] {
            delays.sort_by(f64::total_cmp);
        }
        score
    }

    fn add(&mut self, outcome: &Outcome) {
        self.scenarios += 1;
        self.hours += outcome.seconds / 3600.0;
        self.alarms += outcome.alarms().len();
        let truth: Vec<Span> = outcome.truth.iter().map(|s| (s.from, s.to)).collect();
        let said = |of: fn(&Told) -> Span| -> Vec<Span> { outcome.starved().map(of).collect() };
        self.live.add(&truth, &said(|told| told.live));
        self.dated.add(&truth, &said(|told| told.dated));
        for stretch in &outcome.truth {
            self.stretch(outcome, stretch);
        }
    }

    fn stretch(&mut self, outcome: &Outcome, stretch: &Stretch) {
        self.stretches += 1;
        let within = (stretch.from, stretch.to);
        let of = |told: &&Told| overlap(&[told.live], &[within]) > 0.0;
        let told: Vec<&Told> = outcome.starved().filter(of).collect();
        let (Some(first), Some(last)) = (told.first(), told.last()) else { return };
        self.raised += 1;
        self.again += told.len() - 1;
        let delays = if stretch.fast { &mut self.fast } else { &mut self.slow };
        delays.push((first.live.0 - stretch.from).max(0.0));
        if last.live.1 < outcome.seconds - 1.0 {
            self.clear.push((last.live.1 - stretch.to).max(0.0));
        }
        let mut named: BTreeMap<&'static str, f64> = BTreeMap::new();
        for told in told {
            let ends = told.causes.iter().skip(1).map(|cause| cause.0).chain([told.live.1]);
            for (&(from, cause), to) in told.causes.iter().zip(ends) {
                let cause = stretch.as_true(cause);
                *named.entry(cause).or_default() += overlap(&[(from, to)], &[within]);
            }
        }
        let truth = stretch.cause();
        for (cause, seconds) in &named {
            *self.causes.entry((truth, *cause)).or_default() += seconds;
        }
        let most = named.iter().max_by(|a, b| a.1.total_cmp(b.1));
        self.top.0 += 1;
        self.top.1 += usize::from(most.is_some_and(|(cause, _)| *cause == truth));
    }

    /// For each true cause: seconds rightly said, wrongly said, and missed.
    pub(crate) fn by_cause(&self) -> BTreeMap<&'static str, Overlap> {
        let mut all: BTreeMap<&'static str, Overlap> = BTreeMap::new();
        for (truth, _) in self.causes.keys() {
            all.entry(truth).or_default();
        }
        for ((truth, said), seconds) in &self.causes {
            if truth == said {
                all.entry(truth).or_default().right += seconds;
                continue;
            }
            all.entry(truth).or_default().missed += seconds;
            if let Some(other) = all.get_mut(said) {
                other.wrong += seconds;
            }
        }
        all
    }

    /// Mean of the causes' F1: each counts the same, however often it is in the set.
    pub(crate) fn cause_f1(&self) -> f64 {
        let all = self.by_cause();
        all.values().map(|cause| cause.f1()).sum::<f64>() / all.len() as f64
    }

    /// Share of the named time in which another cause than the true one was named, without that in
    /// which none was.
    pub(crate) fn misnamed(&self) -> f64 {
        let all: f64 = self.causes.values().sum();
        let wrong = self.causes.iter().filter(|((truth, said), _)| {
            truth != said && !["MIXED", "UNATTRIBUTED", ""].contains(said)
        });
        wrong.map(|(_, seconds)| seconds).sum::<f64>() / all
    }
}

/// The value below which a share of sorted values lies.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}
