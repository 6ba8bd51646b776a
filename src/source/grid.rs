//! The moments of ticks, which mltop and its collectors keep to together: what a collector reads just
//! before a tick is new when the tick looks at it, and lies on the time axis where it belongs.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Evenly spaced moments.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    origin: Instant,
    interval: Duration,
}

impl Grid {
    /// A moment now and every `interval` from then on, which is not zero.
    pub fn from_now(interval: Duration) -> Self {
        Self { origin: Instant::now(), interval: interval.max(Duration::from_millis(1)) }
    }

    /// The time between two moments.
    pub const fn interval(&self) -> Duration {
        self.interval
    }

    /// The same moments, each earlier by `lead`.
    #[must_use]
    pub fn ahead(self, lead: Duration) -> Self {
        let late = self.interval.saturating_sub(lead);
        Self { origin: self.origin + late, ..self }
    }

    /// The moment to wait for after what was done until `now`. What was missed is not made up for, and
    /// one that is nearly due is left out, too: two looks in a row tell little of the time between.
    pub fn next(&self, now: Instant) -> Instant {
        let since = (now + self.interval / 4).saturating_duration_since(self.origin);
        let passed = since.as_nanos() / self.interval.as_nanos();
        let next = u32::try_from(passed + 1).unwrap_or(u32::MAX);
        if since.is_zero() { self.origin } else { self.origin + self.interval * next }
    }

    /// For another process of this machine: a moment of the grid in nanoseconds on the clock that
    /// both see (CLOCK_MONOTONIC).
    pub fn word(&self) -> String {
        (monotonic() + self.next(Instant::now()).saturating_duration_since(Instant::now()))
            .as_nanos()
            .to_string()
    }

    /// The grid of another process by its [`Self::word`]; nothing where that is no moment near now.
    pub fn of_word(word: &str, interval: Duration) -> Option<Self> {
        let moment = Duration::from_nanos(word.parse().ok()?);
        let now = monotonic();
        let (ahead, behind) = (moment.saturating_sub(now), now.saturating_sub(moment));
        let near = ahead.max(behind) <= interval * 8;
        let origin = (Instant::now() + ahead).checked_sub(behind)?;
        near.then_some(Self { origin, interval })
    }
}

fn monotonic() -> Duration {
    let time = clock_gettime(ClockId::Monotonic);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_is_missed_is_left_out_and_the_rest_stays_where_it_was() {
        let grid = Grid::from_now(SECOND);
        let at = |seconds: f64| grid.origin + Duration::from_secs_f64(seconds);
        assert_eq!(grid.next(at(0.002)), at(1.0));
        assert_eq!(grid.next(at(1.3)), at(2.0));
        assert_eq!(grid.next(at(5.1)), at(6.0), "no burst");
        assert_eq!(grid.next(at(5.9)), at(7.0), "too near to tell anything of the time between");
    }

    #[test]
    fn looks_ahead_of_ticks_begin_before_the_first_of_them() {
        let grid = Grid::from_now(SECOND);
        let ahead = grid.ahead(Duration::from_millis(150));
        assert_eq!(ahead.next(grid.origin), grid.origin + Duration::from_millis(850));
        assert_eq!(ahead.next(ahead.origin), ahead.origin + SECOND);
        let longer = grid.ahead(SECOND * 2);
        assert_eq!(longer.next(grid.origin), grid.origin + SECOND, "at the ticks");
    }

    #[test]
    fn another_process_sees_the_same_moments() {
        let grid = Grid::from_now(SECOND);
        let other = Grid::of_word(&grid.word(), SECOND).unwrap();
        let now = Instant::now();
        let apart = |a: Instant, b: Instant| a.max(b).duration_since(a.min(b)).as_secs_f64();
        let off = apart(grid.next(now), other.next(now)) % 1.0;
        // Between two readings of a clock a busy machine may do other things.
        assert!(off.min(1.0 - off) < 0.2, "{off}");
        assert!(Grid::of_word("soon", SECOND).is_none());
        assert!(Grid::of_word("1", SECOND).is_none(), "long ago");
        assert!(Grid::of_word(&u64::MAX.to_string(), SECOND).is_none());
    }
}
