//! How what mltop said compares with what the training wrote down of itself.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use mltop::model::sample::{LoaderSample, ReadySource, WaitSource};
use mltop::model::{Bound, Reading};
use mltop::source::loader::Seen;

use crate::train::Truth;

/// Steps before anything is compared: workers' first messages take long.
const WARM_STEPS: f64 = 20.0;
/// Ticks, a second apart, in a window of the wait.
const WINDOW: usize = 10;

/// The depth of a queue at the looks, against the truth just before and after each.
#[derive(Clone, Debug, Default)]
pub(crate) struct DepthScore {
    pub(crate) looks: usize,
    /// Share of looks within one batch of the truth.
    pub(crate) within_one: f64,
    /// Mean distance to the truth, in batches.
    pub(crate) error: f64,
    /// The same with its sign: above the truth, or below it.
    pub(crate) lean: f64,
    pub(crate) correlation: f64,
    /// Share of looks whose figure is what it says it is: exact within a batch, or a bound that holds.
    pub(crate) held: f64,
    /// Share of looks that vouch for nothing.
    pub(crate) doubtful: f64,
    /// Looks by how the depth is known.
    pub(crate) known: BTreeMap<(&'static str, &'static str), usize>,
}

/// The wait of the loop over the whole row.
#[derive(Clone, Debug, Default)]
pub(crate) struct WaitScore {
    pub(crate) truth: f64,
    pub(crate) estimate: f64,
    /// How much of the time was read wrongly, with its sign: each look against the truth at its own
    /// moment. What is left of the difference is chance: which moments were looked at.
    pub(crate) misread: f64,
    /// Two standard errors of that.
    pub(crate) misread_error: f64,
    /// Two standard errors of the estimate, from how its seconds scatter around the truth.
    pub(crate) error: f64,
    /// Distances to the truth of all windows of 10 s.
    pub(crate) windows: Vec<f64>,
    pub(crate) known: Option<(WaitSource, Bound)>,
}

impl WaitScore {
    pub(crate) fn bias(&self) -> f64 {
        self.estimate - self.truth
    }

    /// Share of the windows that are within so many points; none where there is no window.
    pub(crate) fn windows_within(&self, points: f64) -> Option<f64> {
        let near = self.windows.iter().filter(|error| error.abs() * 100.0 <= points).count();
        (!self.windows.is_empty()).then(|| near as f64 / self.windows.len() as f64)
    }
}

fn unix(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// What a look says, and what the truth was around it.
struct Pair {
    guess: f64,
    low: f64,
    high: f64,
}

impl Pair {
    fn lean(&self) -> f64 {
        self.guess - self.guess.clamp(self.low, self.high)
    }

    fn error(&self) -> f64 {
        self.lean().abs()
    }
}

/// Scores looks at one loader.
pub(crate) fn depth(truth: &Truth, looks: &[Seen]) -> DepthScore {
    let mut score = DepthScore::default();
    let (mut held, mut doubtful) = (0, 0);
    let mut pairs = Vec::new();
    for look in looks {
        let Some((before, after)) = truth.around(look.at) else { continue };
        let Some(guess) = look.ready.ok() else { continue };
        let guess = guess as f64;
        let pair = Pair { guess, low: before.min(after), high: before.max(after) };
        held += usize::from(match look.bound {
            Bound::Exact => pair.error() <= 1.0,
            Bound::Upper => guess + 1.0 >= pair.low,
            Bound::Lower => guess - 1.0 <= pair.high,
            Bound::Doubtful => false,
        });
        doubtful += usize::from(look.bound == Bound::Doubtful);
        *score.known.entry((look.source.code(), bound(look.bound))).or_default() += 1;
        pairs.push(pair);
    }
    let n = pairs.len() as f64;
    score.looks = pairs.len();
    score.held = held as f64 / (n - doubtful as f64);
    score.doubtful = doubtful as f64 / n;
    (score.within_one, score.error, score.correlation) = compare(&pairs);
    score.lean = pairs.iter().map(Pair::lean).sum::<f64>() / n;
    score
}

/// How the best constant would have done at the same looks.
pub(crate) fn constant(truth: &Truth, looks: &[Seen]) -> DepthScore {
    let around =
        looks.iter().filter(|look| look.ready.is()).filter_map(|look| truth.around(look.at));
    let mut pairs: Vec<Pair> = around
        .map(|(before, after)| Pair { guess: 0.0, low: before.min(after), high: before.max(after) })
        .collect();
    pairs.sort_by(|a, b| a.low.total_cmp(&b.low));
    let middle = pairs.get(pairs.len() / 2).map_or(0.0, |pair| pair.low);
    for pair in &mut pairs {
        pair.guess = middle;
    }
    let (within_one, error, correlation) = compare(&pairs);
    DepthScore { looks: pairs.len(), within_one, error, correlation, ..DepthScore::default() }
}

/// Share within one, mean error, correlation.
fn compare(pairs: &[Pair]) -> (f64, f64, f64) {
    let n = pairs.len() as f64;
    let mean = |value: &dyn Fn(&Pair) -> f64| pairs.iter().map(value).sum::<f64>() / n;
    let middle = |pair: &Pair| f64::midpoint(pair.low, pair.high);
    let (x, y) = (mean(&|pair| pair.guess), mean(&middle));
    let covariance = mean(&|pair| (pair.guess - x) * (middle(pair) - y));
    let spread =
        (mean(&|pair| (pair.guess - x).powi(2)) * mean(&|pair| (middle(pair) - y).powi(2))).sqrt();
    let within = mean(&|pair| f64::from(u8::from(pair.error() <= 1.0)));
    (within, mean(&Pair::error), if spread > 0.0 { covariance / spread } else { 0.0 })
}

/// By how much looks overstate the wait at the very moments at which they were taken, and two standard
/// errors of that.
fn misread(truth: &Truth, looks: &[Seen], from: f64, to: f64) -> (f64, f64) {
    let (mut wrong, mut square, mut all) = (0.0, 0.0, 0.0);
    for look in looks.iter().filter(|look| (from..to).contains(&unix(look.at))) {
        let at = unix(look.at);
        let next = truth.waits.partition_point(|wait| wait.1 < at);
        let waits = truth.waits.get(next).is_some_and(|wait| wait.0 <= at);
        let weight = look.weight as f64;
        let off = weight * (f64::from(u8::from(look.waiting)) - f64::from(u8::from(waits)));
        all += weight;
        wrong += off;
        square += off * off;
    }
    (wrong / all, 2.0 * square.sqrt() / all)
}

/// Scores the wait from rows taken about a second apart. `None` where none told it.
pub(crate) fn wait(
    truth: &Truth,
    ticks: &[(SystemTime, LoaderSample)],
    looks: &[Seen],
) -> Option<WaitScore> {
    let warm = truth.depths.iter().find(|depth| depth.3 >= WARM_STEPS)?.0;
    let counts: Vec<_> = ticks
        .iter()
        .filter(|(at, _)| unix(*at) >= warm)
        .filter_map(|(at, row)| {
            let (samples, wait) = (row.samples_total.ok()?, row.wait_samples_total.ok()?);
            Some((*at, row.loader, samples as f64, wait as f64))
        })
        .collect();
    let between = |from: usize, to: usize| {
        let (from, to) = (counts.get(from)?, counts.get(to)?);
        let samples = to.2 - from.2;
        (from.1 == to.1 && samples > 0.0)
            .then(|| (samples, to.3 - from.3, truth.wait_ratio(from.0, to.0)))
    };
    let seconds: Vec<_> = (1..counts.len()).filter_map(|tick| between(tick - 1, tick)).collect();
    let n = seconds.len() as f64;
    let samples: f64 = seconds.iter().map(|second| second.0).sum();
    if seconds.len() < 3 {
        return None;
    }
    let residual = |second: &(f64, f64, f64)| second.1 - second.2 * second.0;
    let mean = seconds.iter().map(residual).sum::<f64>() / n;
    let scatter = seconds.iter().map(|second| (residual(second) - mean).powi(2)).sum::<f64>();
    let last = &ticks.last()?.1;
    let (misread, misread_error) =
        misread(truth, looks, unix(counts.first()?.0), unix(counts.last()?.0));
    Some(WaitScore {
        truth: truth.wait_ratio(counts.first()?.0, counts.last()?.0),
        estimate: seconds.iter().map(|second| second.1).sum::<f64>() / samples,
        misread,
        misread_error,
        error: 2.0 * (scatter / (n - 1.0) / n).sqrt() / (samples / n),
        windows: (WINDOW..counts.len())
            .filter_map(|tick| between(tick - WINDOW, tick))
            .map(|(samples, wait, truth)| wait / samples - truth)
            .collect(),
        known: last.wait_source.ok().zip(last.wait_bound.ok()),
    })
}

pub(crate) const fn bound(bound: Bound) -> &'static str {
    match bound {
        Bound::Exact => "=",
        Bound::Upper => "≤",
        Bound::Lower => "≥",
        Bound::Doubtful => "?",
    }
}

/// A truth of its own of the loader that validates.
pub(crate) fn second(truth: &Truth) -> Truth {
    let (depths, waits) = truth.second.clone();
    Truth { depths, waits, ..truth.clone() }
}

mod tests {
    use super::*;
    use mltop::model::{LoaderId, Pid};

    /// A queue of 32 that empties and fills within two seconds, noted 250 times a second.
    fn moving() -> Truth {
        let depths = (0..2500).map(|note| {
            let phase = (f64::from(note) / 500.0).fract();
            let depth = (64.0 * (phase - 0.5).abs()).round();
            (1000.0 + f64::from(note) * 0.004, Some(depth), Some(depth), 100.0)
        });
        Truth { depths: depths.collect(), waits: vec![(1000.0, 1004.0)], ..Truth::default() }
    }

    fn looks(ready: impl Fn(f64) -> f64) -> Vec<Seen> {
        let times = (1..190).map(|look| 1000.0 + f64::from(look) * 0.05);
        let look = |at: f64| Seen {
            loader: LoaderId(1),
            pid: Pid(1),
            at: SystemTime::UNIX_EPOCH + Duration::from_secs_f64(at),
            ready: Reading::Is(ready(at) as u64),
            source: ReadySource::Memory,
            bound: Bound::Exact,
            waiting: false,
            weight: 5,
        };
        times.map(look).collect()
    }

    fn true_depth(at: f64) -> f64 {
        (64.0 * (((at - 1000.0) / 2.0).fract() - 0.5).abs()).round()
    }

    #[test]
    fn the_truth_itself_scores_full_marks() {
        let score = depth(&moving(), &looks(true_depth));
        assert!(score.within_one >= 0.999 && score.error < 0.1, "{score:?}");
        assert!(score.correlation > 0.99 && score.held >= 0.999, "{score:?}");
    }

    #[test]
    fn a_constant_guess_fails_the_check_of_a_queue_that_moves() {
        let truth = moving();
        let score = constant(&truth, &looks(true_depth));
        assert!(score.within_one < 0.2 && score.error > 4.0, "{score:?}");
        assert!(score.correlation.abs() < 0.01, "{score:?}");
        let guess = depth(&truth, &looks(|_| 16.0));
        assert!(guess.within_one < 0.2 && guess.held < 0.2, "{guess:?}");
    }

    #[test]
    fn a_figure_that_lags_by_a_quarter_of_a_second_is_not_within_a_batch() {
        let score = depth(&moving(), &looks(|at| true_depth(at - 0.25)));
        assert!(score.within_one < 0.5, "{score:?}");
    }

    #[test]
    fn the_wait_is_scored_by_counts_against_the_loops_own_clock() {
        let tick = |second: u32| {
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1000 + u64::from(second));
            let mut row = LoaderSample { loader: LoaderId(1), ..Default::default() };
            row.samples_total = Reading::Is(u64::from(second) * 50);
            row.wait_samples_total = Reading::Is(u64::from(second.min(4)) * 50);
            (at, row)
        };
        let ticks: Vec<_> = (0..=9).map(tick).collect();
        let looks = looks(true_depth);
        let score = wait(&moving(), &ticks, &looks).unwrap_or_default();
        assert!((score.truth - 4.0 / 9.0).abs() < 1e-6, "{score:?}");
        assert!(score.bias().abs() < 1e-6 && score.error < 1e-6, "{score:?}");
        // None of the looks told of the wait of the first 4 of 9 seconds.
        assert!((score.misread + 4.0 / 9.0).abs() < 0.01, "{score:?}");
    }
}
