//! How far the loop is in its epochs, from what a source says of its place: pure.

use std::time::Duration;

/// Batches, epochs and their times.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    place: Option<Place>,
    steps: u64,
    epochs: u64,
    began: Option<Duration>,
    last_epoch: Option<Duration>,
    /// Batches a second of late, for what a look between two epochs did not see.
    rate: f64,
}

/// The loop's place at one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The iterator: another one begins another epoch.
    pub key: u64,
    /// Batches that the loop has taken in this epoch.
    pub taken: u64,
    /// Batches asked for and not taken.
    pub outstanding: Option<u64>,
    /// The most that are asked for at once.
    pub capacity: Option<u64>,
    /// Batches of an epoch, where known.
    pub length: Option<u64>,
    /// When, since any origin.
    pub at: Duration,
}

impl Progress {
    /// Takes a look into account. True where the loop moved.
    pub fn see(&mut self, now: Place) -> bool {
        let Some(before) = self.place.replace(now) else { return false };
        let seconds = now.at.saturating_sub(before.at).as_secs_f64();
        if now.key == before.key && now.taken >= before.taken {
            let steps = now.taken - before.taken;
            self.steps += steps;
            if seconds > 0.0 {
                // A mean over about two seconds.
                let share = (seconds / 2.0).min(1.0);
                self.rate += (steps as f64 / seconds - self.rate) * share;
            }
            return steps > 0;
        }
        self.steps += self.rest(before, seconds) + now.taken;
        self.epochs += 1;
        self.last_epoch = self.began.map(|began| now.at.saturating_sub(began));
        self.began = Some(now.at);
        true
    }

    /// What the loop took of the epoch before after the last look at it, as far as can be told: all
    /// that was left, where that is few or the epoch ran out; nothing after a `break`.
    fn rest(&self, before: Place, seconds: f64) -> u64 {
        let could = self.rate * seconds * 2.0 + 1.0;
        if let Some(left) = before.length.map(|length| length.saturating_sub(before.taken)) {
            let few = before.capacity.unwrap_or(0).max(could as u64);
            return if left <= few { left } else { 0 };
        }
        match (before.outstanding, before.capacity) {
            (Some(left), Some(capacity)) if left < capacity => left,
            _ => 0,
        }
    }

    /// Batches taken since the first look.
    pub fn steps(&self) -> Option<u64> {
        self.place.map(|_| self.steps)
    }

    /// Batches taken in this epoch.
    pub fn position(&self) -> Option<u64> {
        self.place.map(|place| place.taken)
    }

    /// Epochs that began since the first look.
    pub fn epochs(&self) -> Option<u64> {
        self.place.map(|_| self.epochs)
    }

    /// How long the last epoch took, of which the begin was seen.
    pub fn last_epoch(&self) -> Option<Duration> {
        self.last_epoch
    }
}

/// Batches taken over all sources that told of them, one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Steps {
    /// All of them; `None` until one was told.
    pub(super) sum: Option<u64>,
    /// As the source in use told last.
    pub(super) last: Option<u64>,
    /// Epochs that ended.
    pub(super) epochs: u64,
    last_epochs: Option<u64>,
}

impl Steps {
    /// The counts of the source that is in use.
    pub(super) fn see(&mut self, steps: Option<u64>, epochs: Option<u64>) {
        if let Some(now) = steps {
            let more = self.last.map_or(0, |last| now.saturating_sub(last));
            self.sum = Some(self.sum.unwrap_or(0) + more);
            self.last = Some(now);
        }
        if let Some(now) = epochs {
            self.epochs += self.last_epochs.map_or(0, |last| now.saturating_sub(last));
            self.last_epochs = Some(now);
        }
    }

    /// Another source tells from now on.
    pub(super) fn switch(&mut self) {
        (self.last, self.last_epochs) = (None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(millis: u64, key: u64, taken: u64) -> Place {
        let at = Duration::from_millis(millis);
        Place { key, taken, outstanding: Some(4), capacity: Some(4), length: None, at }
    }

    #[test]
    fn steps_count_from_the_first_look_on() {
        let mut progress = Progress::default();
        assert_eq!(progress.steps(), None);
        assert!(!progress.see(place(0, 1, 1000)));
        assert!(progress.see(place(100, 1, 1005)));
        assert!(!progress.see(place(200, 1, 1005)));
        assert_eq!((progress.steps(), progress.position()), (Some(5), Some(1005)));
    }

    #[test]
    fn the_last_batches_of_an_epoch_that_ran_out_are_counted_and_those_of_a_break_are_not() {
        for (outstanding, steps) in [(3, 3 + 2), (4, 2)] {
            let mut progress = Progress::default();
            progress.see(Place { outstanding: Some(outstanding), ..place(0, 1, 57) });
            assert!(progress.see(place(100, 2, 2)));
            assert_eq!((progress.steps(), progress.epochs()), (Some(steps), Some(1)));
        }
    }

    #[test]
    fn with_a_known_length_a_fast_loop_loses_no_batch_between_two_looks() {
        let mut progress = Progress::default();
        let mut wanted = 0;
        // 97 batches a second, epochs of 60.
        for look in 0_u64..100 {
            let all = look * 97 / 10;
            wanted = all;
            progress.see(Place { length: Some(60), ..place(look * 100, all / 60, all % 60) });
        }
        assert_eq!((progress.steps(), progress.epochs()), (Some(wanted), Some(wanted / 60)));
    }

    #[test]
    fn a_reset_of_the_same_iterator_begins_an_epoch_and_its_time_is_the_one_before() {
        let mut progress = Progress::default();
        progress.see(place(0, 1, 50));
        progress.see(place(1000, 1, 0));
        assert_eq!(progress.last_epoch(), None);
        progress.see(place(3000, 1, 0));
        progress.see(place(6000, 1, 20));
        progress.see(place(7000, 1, 1));
        assert_eq!(progress.last_epoch(), Some(Duration::from_secs(6)));
    }
}
