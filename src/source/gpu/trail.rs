//! PCIe counts at any moment, from the counts at the moments when they were read.
//!
//! The collector and mltop each have their own rhythm. Taking the latest counts at every tick would
//! let one tick see none of a second's traffic and the next one twice of it; so mltop asks for the
//! counts as they stood a fixed time ago, between two reads.

use std::collections::VecDeque;

use crate::model::sample::Bound;

/// How far behind the counts are: enough for two reads of a busy counter to lie on both sides.
const BEHIND_MICROS: i64 = 400_000;
/// Reads that are kept.
const KEPT: usize = 64;
/// A rate is exact within one part of so many.
const EXACT: i64 = 100;
/// Fewer bytes than this that arrive late are no reason for doubt.
const SMALL: u64 = 16 << 20;

/// Counts at a moment on the collector's clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mark {
    /// Microseconds.
    pub(super) t: i64,
    /// Bytes received.
    pub(super) rx: u64,
    /// Bytes sent.
    pub(super) tx: u64,
    /// Whether more may have passed since the mark before.
    pub(super) lower: bool,
    /// Microseconds by which the read may lie before `t`, or after it.
    pub(super) off: i64,
}

/// Counts at a moment.
#[derive(Clone, Copy)]
struct Counts {
    rx: u64,
    tx: u64,
    /// They are only the last ones known, or the first.
    held: bool,
    off: i64,
}

/// The latest reads of one GPU's counters.
#[derive(Debug, Default)]
pub(super) struct Trail {
    marks: VecDeque<Mark>,
    shown: Option<Shown>,
}

#[derive(Clone, Copy, Debug)]
struct Shown {
    t: i64,
    sum: u64,
    held: bool,
    off: i64,
}

impl Trail {
    /// Adds a read. One that goes back in time or count is a collector or driver that started anew.
    pub(super) fn add(&mut self, mark: Mark) {
        if self
            .marks
            .back()
            .is_some_and(|last| mark.t < last.t || mark.rx < last.rx || mark.tx < last.tx)
        {
            *self = Self::default();
        }
        if self.marks.len() == KEPT {
            self.marks.pop_front();
        }
        self.marks.push_back(mark);
    }

    /// The counts for a tick at `now` on the collector's clock, and how they relate to the truth
    /// since the tick before.
    pub(super) fn at(&mut self, now: i64) -> Option<(u64, u64, Bound)> {
        let t = now.saturating_sub(BEHIND_MICROS);
        let Counts { rx, tx, held, off } = self.counts(t)?;
        let sum = rx.saturating_add(tx);
        let before = self.shown.replace(Shown { t, sum, held, off });
        // Counts that were not there yet a tick ago fall into this one, and make its rate too high. And
        // where reads took long, nobody knows of which moments they are.
        let displaced = before.is_some_and(|before| {
            let off = off.saturating_add(before.off);
            let vague = off.saturating_mul(EXACT) > t.saturating_sub(before.t);
            (held || before.held || vague) && sum.saturating_sub(before.sum) > SMALL
        });
        let from = before.map_or(i64::MIN, |before| before.t);
        let mut reached = false;
        let lower = self.marks.iter().filter(|mark| mark.t > from).any(|mark| {
            let counts = !reached && mark.lower;
            reached |= mark.t >= t;
            counts
        });
        let bound = match (lower, displaced) {
            (true, _) => Bound::Lower,
            (false, true) => Bound::Doubtful,
            (false, false) => Bound::Exact,
        };
        Some((rx, tx, bound))
    }

    fn counts(&self, t: i64) -> Option<Counts> {
        let held = |mark: &Mark| Counts { rx: mark.rx, tx: mark.tx, held: true, off: mark.off };
        let after = self.marks.iter().position(|mark| mark.t >= t);
        match after {
            None => self.marks.back().map(held),
            Some(0) => self.marks.front().map(held),
            Some(index) => {
                let (a, b) = (self.marks.get(index - 1)?, self.marks.get(index)?);
                let share = (t - a.t) as f64 / (b.t - a.t).max(1) as f64;
                let between = |a: u64, b: u64| a + (b.saturating_sub(a) as f64 * share) as u64;
                let (rx, tx) = (between(a.rx, b.rx), between(a.tx, b.tx));
                Some(Counts { rx, tx, held: false, off: a.off.max(b.off) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mark(t: i64, rx: u64) -> Mark {
        Mark { t, rx, tx: 0, lower: false, off: 0 }
    }

    #[test]
    fn a_steady_rate_is_steady_however_reads_and_ticks_fall() {
        let mut trail = Trail::default();
        let mut last: Option<(i64, u64)> = None;
        let mut read = 0_i64;
        for tick in 1..20_i64 {
            let now = tick * 1_000_000 + (tick * 37_000) % 90_000;
            while read < now {
                trail.add(mark(read, read as u64 * 20_000));
                read += 170_000 + (read / 1000) % 60_000;
            }
            let (rx, _, bound) = trail.at(now).unwrap();
            if let Some((t, before)) = last {
                let rate = (rx - before) as f64 / (now - t) as f64 * 1e6;
                assert!((rate / 20e9 - 1.0).abs() < 1e-3, "{rate}");
                assert_eq!(bound, Bound::Exact);
            }
            last = (tick > 1).then_some((now, rx));
        }
    }

    #[test]
    fn counts_that_came_late_are_doubtful() {
        let mut trail = Trail::default();
        trail.add(mark(0, 0));
        trail.add(mark(250_000, 1 << 30));
        trail.at(500_000);
        trail.at(1_500_000);
        trail.add(mark(2_400_000, 1 << 34));
        assert_eq!(trail.at(2_500_000).map(|at| at.2), Some(Bound::Doubtful));
    }

    #[test]
    fn reads_that_took_long_leave_a_rate_in_doubt() {
        for (off, bound) in [(200, Bound::Exact), (150_000, Bound::Doubtful)] {
            let mut trail = Trail::default();
            let mut last = Bound::Lower;
            for read in 0..16 {
                trail.add(Mark { off, ..mark(read * 200_000, read as u64 * 400_000_000) });
                if read % 5 == 4 {
                    last = trail.at(read * 200_000 + 50_000).unwrap().2;
                }
            }
            assert_eq!(last, bound, "{off} µs");
        }
    }

    #[test]
    fn a_quiet_link_is_not_doubted() {
        let mut trail = Trail::default();
        for second in 0..5 {
            trail.add(mark(second * 1_000_000, 1000));
            let at = trail.at(second * 1_000_000 + 5_000);
            assert_eq!(at, Some((1000, 0, Bound::Exact)));
        }
    }

    #[test]
    fn a_doubtful_read_marks_the_tick_that_it_falls_into_only() {
        let mut trail = Trail::default();
        for (index, lower) in [false, true, false, false].into_iter().enumerate() {
            trail.add(Mark { lower, ..mark(index as i64 * 200_000, 0) });
        }
        assert_eq!(trail.at(700_000).map(|at| at.2), Some(Bound::Lower));
        trail.add(mark(1_200_000, 0));
        assert_eq!(trail.at(1_200_000).map(|at| at.2), Some(Bound::Exact));
    }

    proptest! {
        #[test]
        fn counts_never_fall_between_ticks(steps in proptest::collection::vec((0_i64..500_000, 0_u64..1 << 33), 1..80)) {
            let mut trail = Trail::default();
            let (mut t, mut rx, mut seen) = (0, 0, 0);
            for (dt, bytes) in steps {
                t += dt;
                rx += bytes;
                trail.add(mark(t, rx));
                let (now, _, _) = trail.at(t + 1000).unwrap();
                prop_assert!(now >= seen && now <= rx);
                seen = now;
            }
        }
    }
}
