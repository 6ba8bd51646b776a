//! When to look: one rhythm for all trainers, and no bias from it.
//!
//! The share of time in which a loop waits is estimated by looks. A rate that rises while the loop
//! waits would count waiting more often than working, and a fixed rhythm would beat with that of the
//! steps. So time is cut into spans, each span gets one look at a moment that is uniformly random
//! within it, and the look counts as much as the span is long. How long a span is, is decided before
//! it begins. Then, for any course of events whatever, the expected value of (length × seen) is
//! exactly the integral over the span: the sum is unbiased however the lengths follow what was seen.
//!
//! A busy machine lets a look come late, and spans pass without one. The next look counts for them
//! too: left out, the pace with more looks would lose more of its time, and that is waiting.
//!
//! The spans of all trainers are cut from one grid, so that looks at many trainers share a wake-up:
//! a period has [`SLOTS`] slots; a trainer whose loop waits has a span in each slot, a healthy one
//! has the period as its span, and is looked at in one slot of it that is drawn once for all of them.

use std::time::Duration;

/// Slots of one period.
pub const SLOTS: u32 = 5;
/// The length that a look's weight is counted in.
pub const UNIT: Duration = Duration::from_millis(10);
/// Length of a slot, in [`UNIT`]s: the shortest, and the longest where looks cost more than their budget.
///
/// What the length costs in truth: a change between waiting and working falls anywhere in its slot, so
/// the variance of the one look there is a sixth of the squared length. In a window of 10 s with steps of
/// 200 ms, which are a hundred changes, the standard error of the share is 0.8 points for slots of 20 ms,
/// 1.2 for 30 and 1.6 for 40; with the length of a step it falls by the root.
const SLOT: (u32, u32) = (2, 16);

/// Looks come more often again where that would cost at most this share of the budget.
const ROOM: f64 = 0.9;

/// A small random generator (xorshift): only to keep out of step.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// One that gives the same numbers for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// One that differs from run to run.
    pub fn new() -> Self {
        use std::hash::{BuildHasher, RandomState};
        Self::seeded(RandomState::new().hash_one(1))
    }

    /// A number from 0 to 1, without 1.
    pub fn draw(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl Default for Dice {
    fn default() -> Self {
        Self::new()
    }
}

/// How often a trainer is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// Once a period.
    #[default]
    Slow,
    /// Once a slot.
    Fast,
}

/// The most of passed time that a late look counts for, in [`UNIT`]s.
const OWED: u64 = 50;

/// Whose turn it is at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The trainers with a span a period long are looked at now.
    pub slow: bool,
    /// Length of a slot, in [`UNIT`]s.
    pub slot: u64,
    /// Number of the period. Paces may change with it, and only then.
    pub period: u64,
    /// Ends of the slot and of the period, in [`UNIT`]s since the origin.
    ends: (u64, u64),
}

impl Turn {
    /// What a look at a trainer of this pace counts, in [`UNIT`]s: the time up to the end of its span
    /// that no look counted yet, of which `covered` keeps the account. `None` where it is not its turn.
    pub fn weight(self, pace: Pace, covered: &mut Option<u64>) -> Option<u64> {
        let (length, end) = match pace {
            Pace::Fast => (self.slot, self.ends.0),
            Pace::Slow if self.slow => (self.slot * u64::from(SLOTS), self.ends.1),
            Pace::Slow => return None,
        };
        let before = covered.replace(end).unwrap_or_else(|| end.saturating_sub(length));
        Some(end.saturating_sub(before).min(length + OWED))
    }
}

/// The rhythm. Times are since an origin of the caller's.
#[derive(Clone, Debug)]
pub struct Beat {
    dice: Dice,
    period: u64,
    /// Begin of the current period.
    begin: Duration,
    slot: u32,
    slow_slot: u32,
    /// Length of a slot now, and from the next period on.
    units: u32,
    wanted: u32,
    at: Duration,
}

impl Beat {
    /// Begins at the origin.
    pub fn new(dice: Dice) -> Self {
        let mut beat = Self {
            dice,
            period: 0,
            begin: Duration::ZERO,
            slot: 0,
            slow_slot: 0,
            units: SLOT.0,
            wanted: SLOT.0,
            at: Duration::ZERO,
        };
        beat.slow_slot = (beat.dice.draw() * f64::from(SLOTS)) as u32;
        beat.draw();
        beat
    }

    /// The moment of the next turn, and whose it is.
    pub fn next(&self) -> (Duration, Turn) {
        let units = |time: Duration| (time.as_millis() / UNIT.as_millis()) as u64;
        let length = self.slot_length();
        let end = |slots: u32| units(self.begin + length * slots);
        let turn = Turn {
            slow: self.slot == self.slow_slot,
            slot: units(length),
            period: self.period,
            ends: (end(self.slot + 1), end(SLOTS)),
        };
        (self.at, turn)
    }

    /// Goes on to the turn after. `fast` is whether any trainer is fast in the period that runs, and
    /// in the one to come: where none is, the slots without a slow look are passed over, and so are
    /// those that are over already.
    pub fn advance(&mut self, now: Duration, (mut fast, fast_next): (bool, bool)) {
        loop {
            self.slot += 1;
            if self.slot >= SLOTS {
                self.begin += self.slot_length() * SLOTS;
                self.units = self.wanted;
                if self.begin + self.slot_length() * SLOTS <= now {
                    self.begin = now;
                }
                (self.slot, self.period, fast) = (0, self.period + 1, fast_next);
                self.slow_slot = (self.dice.draw() * f64::from(SLOTS)) as u32;
            }
            let over = self.begin + self.slot_length() * (self.slot + 1) <= now;
            if self.slot == self.slow_slot || fast && !over {
                break;
            }
        }
        self.draw();
    }

    /// Looks cost this many times their budget: periods grow longer, or shorter where that would not
    /// cost too much again, from the next on.
    pub fn steer(&mut self, of_budget: f64) {
        let now = f64::from(self.units);
        let needed = (now * of_budget).ceil().clamp(f64::from(SLOT.0), f64::from(SLOT.1));
        let shorter = self.units.saturating_sub(1).max(SLOT.0);
        if of_budget > 1.0 {
            self.wanted = needed as u32;
        } else if now * of_budget < ROOM * f64::from(shorter) {
            self.wanted = shorter;
        }
    }

    fn slot_length(&self) -> Duration {
        UNIT * self.units
    }

    fn draw(&mut self) {
        let within = self.slot_length().mul_f64(self.dice.draw());
        self.at = self.begin + self.slot_length() * self.slot + within;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A loop that waits and works in turn for the given seconds, each drawn around its mean.
    struct Course {
        ends: Vec<(f64, bool)>,
    }

    impl Course {
        fn new(dice: &mut Dice, seconds: f64, mut mean: impl FnMut(f64) -> (f64, f64)) -> Self {
            let (mut at, mut ends) = (0.0, Vec::new());
            while at < seconds {
                let (wait, work) = mean(at);
                at += wait * (0.5 + dice.draw());
                ends.push((at, true));
                at += work * (0.5 + dice.draw());
                ends.push((at, false));
            }
            Self { ends }
        }

        fn waits(&self, at: f64) -> bool {
            let next = self.ends.partition_point(|(end, _)| *end <= at);
            self.ends.get(next).is_some_and(|(_, waits)| *waits)
        }

        fn share(&self, until: f64) -> f64 {
            let mut from = 0.0;
            let mut sum = 0.0;
            for &(end, waits) in &self.ends {
                let end = end.min(until);
                sum += if waits { end - from } else { 0.0 };
                from = end;
            }
            sum / until
        }
    }

    /// The share by looks whose pace follows what they see, each `late` seconds after its moment.
    fn estimate(
        course: &Course,
        seconds: f64,
        dice: &mut Dice,
        mut late: impl FnMut() -> f64,
    ) -> f64 {
        let mut beat = Beat::new(Dice::seeded(dice.0));
        let (mut pace, mut next_pace, mut period) = (Pace::Slow, Pace::Slow, 0);
        let (mut looks, mut waits) = (0, 0);
        let (mut mean, mut now, mut covered) = (0.0, 0.0_f64, None);
        while now < seconds {
            let (at, turn) = beat.next();
            now = now.max(at.as_secs_f64()) + late();
            if turn.period != period {
                (period, pace) = (turn.period, next_pace);
            }
            if let Some(weight) = turn.weight(pace, &mut covered) {
                let seen = course.waits(now);
                looks += weight;
                waits += weight * u64::from(seen);
                mean += (f64::from(u8::from(seen)) - mean) * 0.3;
                next_pace = if mean > 0.3 { Pace::Fast } else { Pace::Slow };
            }
            let fast = (pace == Pace::Fast, next_pace == Pace::Fast);
            beat.advance(Duration::from_secs_f64(now), fast);
        }
        waits as f64 / looks as f64
    }

    #[test]
    fn the_share_of_waiting_has_no_bias_whatever_the_pace_does() {
        let mut dice = Dice::seeded(7);
        let seconds = 3600.0;
        let courses: [fn(f64) -> (f64, f64); 6] = [
            |_| (0.005, 0.045),
            |_| (0.040, 0.010),
            |_| (0.300, 0.300),
            |_| (0.150, 0.900),
            // Steps as long as a slot and as a period.
            |_| (0.010, 0.010),
            // Ten seconds starved, twenty healthy.
            |at| if at % 30.0 < 10.0 { (0.080, 0.010) } else { (0.001, 0.060) },
        ];
        for (number, mean) in courses.into_iter().enumerate() {
            let course = Course::new(&mut dice, seconds, mean);
            let share = course.share(seconds);
            let found = estimate(&course, seconds, &mut dice, || 0.0);
            assert!((found - share).abs() < 0.005, "{number}: {found} for {share}");
            // A busy machine lets us come late, now and then by more than a period.
            let mut luck = Dice::seeded(3);
            let late = || if luck.draw() < 0.02 { 0.25 * luck.draw() } else { 0.002 * luck.draw() };
            let found = estimate(&course, seconds, &mut dice, late);
            assert!((found - share).abs() < 0.01, "{number}, late: {found} for {share}");
        }
    }

    #[test]
    fn looks_that_count_alike_at_a_pace_that_follows_them_would_be_biased() {
        let mut dice = Dice::seeded(9);
        let course = Course::new(&mut dice, 3600.0, |_| (0.3, 0.3));
        let (mut at, mut looks, mut waits, mut fast) = (0.0, 0.0, 0.0, false);
        while at < 3600.0 {
            at += if fast { 0.02 } else { 0.1 } * (0.5 + dice.draw());
            fast = course.waits(at);
            looks += 1.0;
            waits += f64::from(u8::from(fast));
        }
        assert!(waits / looks > course.share(3600.0) + 0.1);
    }

    #[test]
    fn a_healthy_trainer_is_looked_at_ten_times_a_second_and_a_waiting_one_fifty_times() {
        for (fast, wanted) in [(false, 100), (true, 500)] {
            let mut beat = Beat::new(Dice::seeded(1));
            let mut turns = 0;
            while beat.next().0 < Duration::from_secs(10) {
                turns += 1;
                beat.advance(beat.next().0, (fast, fast));
            }
            assert_eq!(turns, wanted);
        }
    }

    #[test]
    fn looks_that_cost_too_much_come_less_often_and_count_more() {
        let mut beat = Beat::new(Dice::seeded(1));
        beat.steer(3.0);
        while beat.next().1.period == 0 {
            beat.advance(beat.next().0, (true, true));
        }
        assert_eq!(beat.next().1.slot, 6);
        // 0.8 of the budget is nearly all of it where looks come in 5 instead of 6 units of time.
        for (of_budget, slot) in
            [(0.8, 6), (0.7, 5), (0.73, 5), (0.71, 4), (0.1, 3), (0.1, 2), (0.1, 2)]
        {
            beat.steer(of_budget);
            let period = beat.next().1.period;
            while beat.next().1.period == period {
                beat.advance(beat.next().0, (true, true));
            }
            assert_eq!(beat.next().1.slot, slot, "{of_budget} of the budget");
        }
    }
}
