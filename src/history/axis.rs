//! The time axis that all tracks share.

use super::ring::Ring;

/// A spacing of more than this many ticks is a hole: nothing is known about the time in it.
const HOLE_TICKS: f64 = 2.5;
/// The tick is the median of so many spacings, so that one late tick does not change it and a new
/// interval is taken over after a few.
const SPACINGS: usize = 5;
/// Taken for the tick until two moments are known.
const FIRST_TICK_MS: u64 = 1000;

/// One moment of the axis: it stands for the time from `at_ms - cover_ms` to `at_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds of the monotonic clock.
    pub at_ms: u64,
    /// How much time before it it stands for: the spacing, or one tick after a hole.
    pub cover_ms: u64,
}

/// The moments of which samples are held, oldest first.
pub struct Axis {
    moments: Ring<Moment>,
    spacings: [u64; SPACINGS],
    known: usize,
}

impl Axis {
    /// An axis of `points` moments.
    pub fn new(points: usize) -> Self {
        Self { moments: Ring::new(points), spacings: [0; SPACINGS], known: 0 }
    }

    /// Adds the moment `at_ms`. False where it is not after the newest: the clock started anew.
    pub fn push(&mut self, at_ms: u64) -> bool {
        let Some(newest) = self.moments.last() else {
            self.moments.push(Moment { at_ms, cover_ms: FIRST_TICK_MS.min(at_ms) });
            return true;
        };
        let Some(spacing) = at_ms.checked_sub(newest.at_ms).filter(|spacing| *spacing > 0) else {
            return false;
        };
        let tick = self.tick_ms();
        let hole = self.known > 0 && spacing as f64 > HOLE_TICKS * tick as f64;
        self.spacings[self.known % SPACINGS] = spacing;
        self.known += 1;
        self.moments.push(Moment { at_ms, cover_ms: if hole { tick } else { spacing } });
        true
    }

    /// The usual spacing in milliseconds.
    pub fn tick_ms(&self) -> u64 {
        let known = self.known.min(SPACINGS);
        let mut spacings = self.spacings;
        let known = &mut spacings[..known];
        known.sort_unstable();
        known.get(known.len() / 2).copied().unwrap_or(FIRST_TICK_MS)
    }

    /// Moments held.
    pub fn len(&self) -> usize {
        self.moments.len()
    }

    /// Whether no moment is held.
    pub fn is_empty(&self) -> bool {
        self.moments.is_empty()
    }

    /// Moment `index`, counted from the oldest.
    pub fn get(&self, index: usize) -> Option<Moment> {
        self.moments.get(index)
    }

    /// Index of the first moment at or after `at_ms`.
    pub fn first_from(&self, at_ms: u64) -> usize {
        self.moments.partition_point(|moment| moment.at_ms < at_ms)
    }

    /// Index of the moment that stands for `at_ms`. The newest also stands for one tick after it.
    pub fn index_at(&self, at_ms: u64) -> Option<usize> {
        let index = self.first_from(at_ms);
        if let Some(moment) = self.get(index) {
            let covered = moment.at_ms == at_ms || moment.at_ms - moment.cover_ms < at_ms;
            return covered.then_some(index);
        }
        let newest = self.moments.last()?;
        (at_ms <= newest.at_ms + self.tick_ms()).then(|| self.len() - 1)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.moments.clear();
        self.known = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(times: &[u64]) -> Axis {
        let mut axis = Axis::new(64);
        for at_ms in times {
            axis.push(*at_ms);
        }
        axis
    }

    #[test]
    fn a_moment_stands_for_the_time_since_the_one_before() {
        let axis = axis(&[5000, 6000, 7010, 8000]);
        assert_eq!(axis.get(2), Some(Moment { at_ms: 7010, cover_ms: 1010 }));
        assert_eq!(axis.index_at(6500), Some(2));
        assert_eq!(axis.index_at(7010), Some(2));
        assert_eq!(axis.index_at(7011), Some(3));
    }

    #[test]
    fn a_hole_in_time_is_stood_for_by_nobody() {
        let axis = axis(&[5000, 6000, 7000, 12_000, 13_000]);
        assert_eq!(axis.index_at(9000), None);
        assert_eq!(axis.index_at(11_500), Some(3));
        assert_eq!(axis.index_at(13_900), Some(4));
        assert_eq!(axis.index_at(14_100), None);
    }

    #[test]
    fn a_new_interval_is_taken_over_after_a_few_ticks() {
        let axis = axis(&[1000, 2000, 3000, 4000, 14_000, 24_000, 34_000, 44_000]);
        assert_eq!(axis.tick_ms(), 10_000);
        assert_eq!(axis.index_at(40_000), Some(7));
    }

    #[test]
    fn time_that_stands_still_or_runs_back_is_refused() {
        let mut axis = axis(&[5000]);
        assert!(!axis.push(5000));
        assert!(!axis.push(4000));
        assert_eq!(axis.len(), 1);
    }
}
