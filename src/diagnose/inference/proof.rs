//! How many observations a claim needs.

/// Claims are made at this chance of error.
const ERROR: f64 = 0.05;
/// Standard deviations above the mean that are passed at that chance.
const ONE_SIDED: f64 = 1.645;
/// Violations from which on a bell curve does.
const MANY: u64 = 10_000;

/// Observations without a violation from which on a quantile can be claimed at 95 %: ln 0.05 / ln q,
/// 59 for a p95 and 299 for a p99.
pub(super) fn needed(share: f64) -> u64 {
    (ERROR.ln() / share.ln()).ceil().max(1.0) as u64
}

/// Whether so many violations of so many observations cannot well be chance where a share `allowed`
/// of them may be violations: the upper tail of the binomial distribution is at most 5 %.
pub(super) fn beyond_chance(violations: u64, count: u64, allowed: f64) -> bool {
    if violations == 0 || count == 0 {
        return false;
    }
    if allowed <= 0.0 {
        return true;
    }
    if violations > MANY {
        // So many that the distribution is as good as a bell curve.
        let mean = count as f64 * allowed;
        return violations as f64 >= ONE_SIDED.mul_add((mean * (1.0 - allowed)).sqrt(), mean);
    }
    // The sum of the lower part, in logarithms so that no term underflows early.
    let mut term = count as f64 * (1.0 - allowed).ln();
    let odds = (allowed / (1.0 - allowed)).ln();
    let mut below = 0.0;
    for k in 0..violations.min(count) {
        below += term.exp();
        if below >= 1.0 - ERROR {
            return true;
        }
        term += ((count - k) as f64 / (k + 1) as f64).ln() + odds;
    }
    1.0 - below <= ERROR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_p99_needs_299_observations_and_a_p95_needs_59() {
        assert_eq!((needed(0.99), needed(0.95), needed(0.50)), (299, 59, 5));
    }

    #[test]
    fn violations_prove_something_only_beyond_chance() {
        assert!(!beyond_chance(0, 10, 0.01));
        assert!(!beyond_chance(1, 10, 0.01));
        assert!(beyond_chance(3, 50, 0.01));
        assert!(!beyond_chance(2, 50, 0.01));
        assert!(beyond_chance(50, 50, 0.01));
        assert!(beyond_chance(1, 5, 0.0));
        assert!(!beyond_chance(5_000, 100_000_000, 0.01));
        assert!(beyond_chance(2_000_000, 100_000_000, 0.01));
    }
}
