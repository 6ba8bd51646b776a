//! How far a ratio of sums could be off.

use serde::Serialize;

/// Numerator and denominator of one window.
pub(super) type Ratio = (f64, f64);

const DRAWS: usize = 4000;
/// What is cut off at each end of the drawn values.
const TAIL: f64 = 0.005;

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
}

/// The ratio of the sums before and after, and their difference; `None` where there is none.
pub(super) fn compare(
    before: &[Ratio],
    after: &[Ratio],
) -> (Option<Interval>, Option<Interval>, Option<Interval>) {
    let a = ratio(before.iter().copied());
    let b = ratio(after.iter().copied());
    // The same figures must give the same report: the draws begin at the same place each time.
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let drawn_a = draws(before, &mut dice);
    let drawn_b = draws(after, &mut dice);
    let differences = drawn_a.iter().zip(&drawn_b).map(|(a, b)| b - a).collect();
    (
        a.map(|value| interval(value, drawn_a)),
        b.map(|value| interval(value, drawn_b)),
        a.zip(b).map(|(a, b)| interval(b - a, differences)),
    )
}

fn ratio(windows: impl Iterator<Item = Ratio>) -> Option<f64> {
    let (above, below) = windows.fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    (below > 0.0).then(|| above / below).filter(|ratio| ratio.is_finite())
}

/// The ratio over windows drawn anew in blocks, many times.
fn draws(windows: &[Ratio], dice: &mut Dice) -> Vec<f64> {
    let count = windows.len();
    if count == 0 {
        return Vec::new();
    }
    let block = (count as f64).cbrt().ceil() as usize;
    let draw = |dice: &mut Dice| {
        let mut sum = (0.0, 0.0);
        let mut left = count;
        while left > 0 {
            let start = dice.below(count);
            for at in 0..block.min(left) {
                let (above, below) = windows[(start + at) % count];
                sum = (sum.0 + above, sum.1 + below);
            }
            left -= block.min(left);
        }
        ratio(std::iter::once(sum))
    };
    (0..DRAWS).filter_map(|_| draw(dice)).collect()
}

fn interval(value: f64, mut drawn: Vec<f64>) -> Interval {
    drawn.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let index = share * drawn.len().saturating_sub(1) as f64;
        drawn.get(index.round() as usize).copied().unwrap_or(value)
    };
    Interval { value, low: at(TAIL).min(value), high: at(1.0 - TAIL).max(value) }
}

/// Marsaglia's xorshift: enough to draw windows with.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((u128::from(self.0) * end as u128) >> 64) as usize
    }
}
