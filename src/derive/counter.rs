//! Differences of counters and shares of a whole.

use crate::model::reading::{Gap, Reading};

/// How far two clocks may differ: a share above 1 by less is 1, one by more makes no sense.
const SLACK: f64 = 0.05;

/// A counter as a number that can be subtracted.
pub(super) trait Count: Copy {
    /// The difference, where the counter did not fall.
    fn since(self, before: Self) -> Option<f64>;
}

impl Count for u64 {
    fn since(self, before: Self) -> Option<f64> {
        self.checked_sub(before).map(|rise| rise as f64)
    }
}

impl Count for f64 {
    fn since(self, before: Self) -> Option<f64> {
        let rise = self - before;
        (rise >= 0.0 && rise.is_finite()).then_some(rise)
    }
}

/// What a counter rose by: now's gap where there is one, `NotYet` without a value before or where
/// it fell.
pub(super) fn rise<T: Count>(prev: Option<Reading<T>>, now: Reading<T>) -> Reading<f64> {
    now.and_then(|now| {
        let before = prev.and_then(Reading::ok);
        Reading::from_option(before.and_then(|before| now.since(before)), Gap::NotYet)
    })
}

/// Whether a counter is below what it was.
pub(super) fn fell<T: Count>(prev: Reading<T>, now: Reading<T>) -> bool {
    matches!((prev, now), (Reading::Is(prev), Reading::Is(now)) if now.since(prev).is_none())
}

/// A rise a second.
pub(super) fn rate(rise: Reading<f64>, seconds: f64) -> Reading<f64> {
    rise.and_then(|rise| finite(rise / seconds))
}

/// A part of a whole, from 0 to 1; `none` where the whole is 0.
pub(super) fn share(part: Reading<f64>, whole: Reading<f64>, none: Gap) -> Reading<f64> {
    part.zip(whole).and_then(
        |(part, whole)| {
            if whole <= 0.0 { Reading::Not(none) } else { ratio(part / whole) }
        },
    )
}

/// A share of a time.
pub(super) fn share_of_time(part: Reading<f64>, seconds: f64) -> Reading<f64> {
    part.and_then(|part| ratio(part / seconds))
}

/// A mean; `NotApplicable` of nothing.
pub(super) fn mean(sum: Reading<f64>, count: Reading<f64>) -> Reading<f64> {
    sum.zip(count).and_then(|(sum, count)| {
        if count <= 0.0 { Reading::Not(Gap::NotApplicable) } else { finite(sum / count) }
    })
}

/// A value that is a share, if it can be one.
fn ratio(value: f64) -> Reading<f64> {
    if (0.0..=1.0 + SLACK).contains(&value) {
        Reading::Is(value.min(1.0))
    } else {
        Reading::Not(Gap::Failed)
    }
}

fn finite(value: f64) -> Reading<f64> {
    if value.is_finite() && value >= 0.0 { Reading::Is(value) } else { Reading::Not(Gap::Failed) }
}

/// The columns of the row before as options, so that [`rise`] takes them as they are; none of them
/// where the row started anew.
macro_rules! rises {
    ($prev:expr, $now:expr; $($field:ident),+ $(,)?) => {{
        let restarted = $prev.is_some_and(|prev| {
            false $( || $crate::derive::counter::fell(prev.$field, $now.$field) )+
        });
        let prev = $prev.filter(|_| !restarted);
        ( $( $crate::derive::counter::rise(prev.map(|prev| prev.$field), $now.$field), )+ )
    }};
}
pub(super) use rises;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_fell_has_no_rise_yet() {
        assert_eq!(rise(Some(Reading::Is(5u64)), Reading::Is(3)), Reading::Not(Gap::NotYet));
        assert_eq!(rise(None, Reading::Is(3u64)), Reading::Not(Gap::NotYet));
        assert_eq!(rise(Some(Reading::Is(3u64)), Reading::Is(5)), Reading::Is(2.0));
    }

    #[test]
    fn the_reason_of_now_is_kept() {
        let denied: Reading<u64> = Reading::Not(Gap::Denied);
        assert_eq!(rise(Some(Reading::Is(3)), denied), Reading::Not(Gap::Denied));
        assert_eq!(rise(Some(denied), Reading::Is(3)), Reading::Not(Gap::NotYet));
    }

    #[test]
    fn a_share_a_little_above_one_is_one_and_more_is_refused() {
        assert_eq!(share_of_time(Reading::Is(1.04), 1.0), Reading::Is(1.0));
        assert_eq!(share_of_time(Reading::Is(1.06), 1.0), Reading::Not(Gap::Failed));
    }
}
