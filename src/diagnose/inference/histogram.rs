//! A histogram of latencies over a window, and the bucket that a quantile falls into.

/// Observations of one latency, counted up to edges.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// Upper edges in seconds, ascending, each with how many observations are at or below it. Empty
    /// where the server tells only their mean.
    pub steps: Vec<(f64, u64)>,
    /// All observations.
    pub count: u64,
    /// All observations added up, in seconds, where the server tells that.
    pub seconds: Option<f64>,
}

/// Where a quantile is: above `low` and at most `high` seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Lower edge in seconds, 0 for the first bucket.
    pub low: f64,
    /// Upper edge in seconds; infinite for the last one.
    pub high: f64,
    /// The value if observations were spread evenly within the bucket: a guess. `None` in the last.
    pub guess: Option<f64>,
}

impl Histogram {
    /// Mean in seconds; `None` of nothing.
    pub fn mean(&self) -> Option<f64> {
        self.seconds.filter(|_| self.count > 0).map(|seconds| seconds / self.count as f64)
    }

    /// The bucket that holds the quantile `share` (0 to 1); `None` without observations or buckets.
    pub fn quantile(&self, share: f64) -> Option<Bucket> {
        if self.steps.is_empty() || self.count == 0 {
            return None;
        }
        let rank = share * self.count as f64;
        let (mut low, mut below) = (0.0, 0);
        for (edge, count) in &self.steps {
            if *count as f64 >= rank && *count > below {
                let part = (rank - below as f64) / (count - below) as f64;
                let guess = (edge - low).mul_add(part.clamp(0.0, 1.0), low);
                return Some(Bucket { low, high: *edge, guess: Some(guess) });
            }
            (low, below) = (*edge, (*count).max(below));
        }
        Some(Bucket { low, high: f64::INFINITY, guess: None })
    }

    /// How many observations are certainly above `limit` seconds: those above the lowest edge that is
    /// not below it.
    pub fn above(&self, limit: f64) -> u64 {
        let edge = self.steps.iter().find(|(edge, _)| *edge >= limit);
        edge.map_or(0, |(_, count)| self.count.saturating_sub(*count))
    }

    /// What was added since `before`: the same edges and no count that fell. Else the server was
    /// started anew, and what it counted since is all there is.
    pub(super) fn since(&self, before: &Self) -> Self {
        let same = self.steps.len() == before.steps.len()
            && self
                .steps
                .iter()
                .zip(&before.steps)
                .all(|(now, then)| now.0.to_bits() == then.0.to_bits() && now.1 >= then.1)
            && self.count >= before.count;
        if !same {
            return self.clone();
        }
        Self {
            steps: self
                .steps
                .iter()
                .zip(&before.steps)
                .map(|(now, then)| (now.0, now.1 - then.1))
                .collect(),
            count: self.count - before.count,
            seconds: self.seconds.zip(before.seconds).map(|(now, then)| (now - then).max(0.0)),
        }
    }

    /// Adds what another span of time counted. With other edges nothing fits together, and the newer
    /// span stands alone.
    pub(super) fn add(&mut self, more: &Self) {
        if self.count == 0 && self.steps.is_empty() {
            *self = more.clone();
            return;
        }
        let same = self.steps.len() == more.steps.len()
            && self.steps.iter().zip(&more.steps).all(|(a, b)| a.0.to_bits() == b.0.to_bits());
        if !same {
            *self = more.clone();
            return;
        }
        for (step, (_, added)) in self.steps.iter_mut().zip(&more.steps) {
            step.1 = step.1.saturating_add(*added);
        }
        self.count = self.count.saturating_add(more.count);
        self.seconds = self.seconds.zip(more.seconds).map(|(a, b)| a + b);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "what is read is what was written, to the last bit")]

    use proptest::prelude::*;

    use super::*;

    fn of(steps: &[(f64, u64)], count: u64) -> Histogram {
        Histogram { steps: steps.to_vec(), count, seconds: None }
    }

    #[test]
    fn a_quantile_is_known_to_its_bucket_and_guessed_within() {
        let latency = of(&[(0.5, 50), (1.0, 98), (2.5, 100)], 100);
        let p99 = latency.quantile(0.99).unwrap();
        assert_eq!((p99.low, p99.high, p99.guess), (1.0, 2.5, Some(1.75)));
        assert_eq!(latency.quantile(0.5).unwrap().high, 0.5);
        assert_eq!(latency.quantile(0.98).unwrap().high, 1.0);
    }

    #[test]
    fn what_is_beyond_the_last_edge_has_no_upper_one() {
        let p99 = of(&[(1.0, 90)], 100).quantile(0.99).unwrap();
        assert_eq!((p99.low, p99.high, p99.guess), (1.0, f64::INFINITY, None));
        assert_eq!(of(&[], 100).quantile(0.99), None);
        assert_eq!(of(&[(1.0, 0)], 0).quantile(0.99), None);
    }

    #[test]
    fn only_what_is_certainly_above_a_limit_counts_as_above() {
        let latency = of(&[(0.5, 50), (1.0, 98), (2.5, 100)], 101);
        assert_eq!(latency.above(1.0), 3);
        assert_eq!(latency.above(1.2), 1);
        assert_eq!(latency.above(9.0), 0);
    }

    #[test]
    fn a_server_that_was_started_anew_counts_from_nothing() {
        let before = of(&[(1.0, 900)], 1000);
        assert_eq!(of(&[(1.0, 905)], 1010).since(&before), of(&[(1.0, 5)], 10));
        assert_eq!(of(&[(1.0, 5)], 10).since(&before), of(&[(1.0, 5)], 10));
        assert_eq!(of(&[(2.0, 950)], 1010).since(&before), of(&[(2.0, 950)], 1010));
    }

    proptest! {
        #[test]
        fn a_quantile_is_in_the_bucket_that_the_sorted_observations_say(
            values in prop::collection::vec(0.001..20.0_f64, 1..400), share in 0.01..0.999_f64,
        ) {
            let edges = [0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0];
            let steps = edges.map(|edge| (edge, values.iter().filter(|v| **v <= edge).count() as u64));
            let bucket = of(&steps, values.len() as u64).quantile(share).unwrap();
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let rank = (share * values.len() as f64).ceil() as usize;
            let value = sorted[rank.clamp(1, values.len()) - 1];
            prop_assert!(bucket.low < value && value <= bucket.high, "{value} in {bucket:?}");
            if let Some(guess) = bucket.guess {
                prop_assert!(bucket.low <= guess && guess <= bucket.high);
            }
        }
    }
}
