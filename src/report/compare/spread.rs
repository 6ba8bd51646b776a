//! How far a ratio of sums over windows could be off.
//!
//! Windows that follow one another are alike: a slow stretch of the disk, a warm card. Taken as so
//! many independent draws they promise too much. So the variance of the mean is taken from its slowest
//! waves alone: the equal-weighted cosine estimator with Student's t (Lazarus, Lewis, Stock and Watson,
//! "HAR Inference: Recommendations for Practice", 2018), which stays honest under such correlation.

use std::f64::consts::PI;

use serde::Serialize;

/// Numerator and denominator of one window.
pub(super) type Ratio = (f64, f64);

/// The quantile of Student's t that 99 of 100 values lie within, by degrees of freedom.
const T99: [(f64, f64); 15] = [
    (1.0, 63.657),
    (2.0, 9.925),
    (3.0, 5.841),
    (4.0, 4.604),
    (5.0, 4.032),
    (6.0, 3.707),
    (7.0, 3.499),
    (8.0, 3.355),
    (10.0, 3.169),
    (12.0, 3.055),
    (15.0, 2.947),
    (20.0, 2.845),
    (30.0, 2.750),
    (60.0, 2.660),
    (120.0, 2.617),
];

/// A value with the range in which it lies in 99 of 100 such sessions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

impl Interval {
    /// Whether the whole range lies on one side of zero.
    pub const fn excludes_zero(self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }

    /// None of the figures can be less than nothing.
    const fn not_negative(self) -> Self {
        Self { low: self.low.max(0.0), ..self }
    }
}

/// Of fewer windows there is no telling how far they are apart.
const LEAST: usize = 3;

/// A ratio with the variance of its mean, and of how much that rests.
#[derive(Clone, Copy, Debug)]
struct Estimate {
    value: f64,
    variance: f64,
    degrees: f64,
}

/// The ratio of the sums before and after, and their difference; `None` where there is none.
pub(super) fn compare(
    before: &[Ratio],
    after: &[Ratio],
) -> (Option<Interval>, Option<Interval>, Option<Interval>) {
    let (a, b) = (estimate(before), estimate(after));
    let interval = |one: Estimate| one.interval().not_negative();
    (a.map(interval), b.map(interval), a.zip(b).map(|(a, b)| b.less(a).interval()))
}

fn estimate(windows: &[Ratio]) -> Option<Estimate> {
    if windows.len() < LEAST {
        return None;
    }
    let (above, below) = windows.iter().fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let value = (below > 0.0).then(|| above / below).filter(|value| value.is_finite())?;
    let count = windows.len() as f64;
    let waves = (0.4 * count.powf(2.0 / 3.0)).round().max(2.0);
    let mean = below / count;
    // What each window adds to the error of the ratio.
    let errors: Vec<f64> = windows.iter().map(|(a, b)| (a - value * b) / mean).collect();
    let wave = |number: f64| {
        let at = |index: usize| (PI * number * (index as f64 + 0.5) / count).cos();
        let sum: f64 = errors.iter().enumerate().map(|(index, error)| error * at(index)).sum();
        2.0 / count * sum * sum
    };
    let power: f64 = (1..=waves as u32).map(|number| wave(f64::from(number))).sum::<f64>() / waves;
    Some(Estimate { value, variance: power / count, degrees: waves })
}

impl Estimate {
    fn interval(self) -> Interval {
        let reach = quantile(self.degrees) * self.variance.sqrt();
        Interval { value: self.value, low: self.value - reach, high: self.value + reach }
    }

    /// What is left after another, with the degrees of freedom of Welch and Satterthwaite.
    fn less(self, other: Self) -> Self {
        let variance = self.variance + other.variance;
        let parts = [self, other].map(|one| one.variance * one.variance / one.degrees);
        let all = parts[0] + parts[1];
        let degrees = if all > 0.0 { variance * variance / all } else { self.degrees };
        Self { value: self.value - other.value, variance, degrees }
    }
}

/// The quantile at so many degrees of freedom: between two rows of the table the larger one.
fn quantile(degrees: f64) -> f64 {
    let row = T99.iter().rev().find(|(row, _)| *row <= degrees);
    row.map_or(T99[0].1, |(_, quantile)| *quantile)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Marsaglia's xorshift.
    struct Dice(u64);

    impl Dice {
        fn unit(&mut self) -> f64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 11) as f64 / (1_u64 << 53) as f64
        }

        /// Nearly normal, of variance one.
        fn normal(&mut self) -> f64 {
            (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
        }
    }

    /// Seconds and steps of windows whose step time wanders: what one is off, the next one is too, to
    /// the share `like`. Now and then one has a stall of half its time.
    fn session(count: usize, like: f64, stalls: f64, dice: &mut Dice) -> Vec<Ratio> {
        let mut off = dice.normal();
        let new = (1.0 - like * like).sqrt();
        let window = |_| {
            off = like * off + new * dice.normal();
            let stalled = if dice.unit() < stalls { 0.5 } else { 1.0 };
            (10.0, 10.0 / (0.2 * (1.0 + 0.03 * off)) * stalled)
        };
        (0..count).map(window).collect()
    }

    #[test]
    fn equal_sessions_seldom_differ_however_alike_their_neighbouring_windows_are() {
        let dice = &mut Dice(0x9e37_79b9_7f4a_7c15);
        for (count, like, stalls) in [
            (8, 0.0, 0.0),
            (8, 0.5, 0.0),
            (30, 0.0, 0.0),
            (30, 0.5, 0.0),
            (30, 0.7, 0.05),
            (90, 0.8, 0.0),
            (360, 0.0, 0.02),
            (360, 0.9, 0.02),
        ] {
            const PAIRS: usize = 1000;
            let differ = (0..PAIRS)
                .filter(|_| {
                    let (a, b) =
                        (session(count, like, stalls, dice), session(count, like, stalls, dice));
                    compare(&a, &b).2.is_some_and(Interval::excludes_zero)
                })
                .count();
            assert!(differ * 20 <= PAIRS, "{differ} of {PAIRS}: {count}, {like}, {stalls}");
        }
    }

    #[test]
    fn a_twentieth_more_is_found_in_five_minutes() {
        let dice = &mut Dice(7);
        let found = (0..200)
            .filter(|_| {
                let a = session(30, 0.3, 0.0, dice);
                let b: Vec<Ratio> = session(30, 0.3, 0.0, dice)
                    .into_iter()
                    .map(|(seconds, steps)| (seconds * 1.05, steps))
                    .collect();
                compare(&a, &b).2.is_some_and(Interval::excludes_zero)
            })
            .count();
        assert!(found >= 150, "{found} of 200");
    }

    #[test]
    fn nothing_and_what_never_changes_have_no_range() {
        assert_eq!(compare(&[], &[(1.0, 2.0)]), (None, None, None));
        assert_eq!(compare(&[(1.0, 2.0); 2], &[(1.0, 3.0); 2]), (None, None, None));
        let still = [(1.0, 2.0); 20];
        let (before, _, difference) = compare(&still, &still);
        assert_eq!(before, Some(Interval { value: 0.5, low: 0.5, high: 0.5 }));
        assert!(!difference.unwrap().excludes_zero());
    }

    #[test]
    fn between_two_rows_the_wider_one_holds() {
        assert!((quantile(4.9) - 4.604).abs() < 1e-9);
        assert!((quantile(0.5) - 63.657).abs() < 1e-9);
        assert!((quantile(1e9) - 2.617).abs() < 1e-9);
    }
}
