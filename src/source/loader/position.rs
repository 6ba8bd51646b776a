//! How many batches the loop has taken, from the indices that pass by.

/// The loop's place within the epoch, and all batches taken over the epochs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The next index that the loop takes, as far as known.
    at: Option<u64>,
    highest: Option<u64>,
    taken: u64,
    moves: u32,
    blind: u32,
    tail: bool,
    restarts: u64,
}

/// Looks without any index in sight, from which on the count is not known any more.
const BLIND: u32 = 40;

impl Position {
    /// Takes the indices of one look into account: the head of the queue, where it is known to be
    /// the next; the highest in sight; the exact capacity; and whether fewer are under way than that.
    pub fn see(
        &mut self,
        head: Option<u64>,
        highest: Option<u64>,
        capacity: Option<u64>,
        fewer: bool,
    ) {
        let Some(seen) = highest else {
            self.blind = self.blind.saturating_add(1);
            return;
        };
        self.blind = 0;
        // An index below the loop's place cannot be of this epoch.
        if self.at.is_some_and(|at| seen < at) && self.highest.is_some_and(|last| seen < last) {
            self.restart(self.tail);
        }
        let rising = self.highest.is_none_or(|last| seen > last);
        self.tail = fewer && !rising;
        self.highest = Some(self.highest.map_or(seen, |last| last.max(seen)));
        // The loop takes one and asks for one, so the newest task is `capacity` ahead of it.
        let behind = capacity.and_then(|capacity| (seen + 1).checked_sub(capacity));
        let Some(next) = head.max(behind) else { return };
        match self.at {
            Some(at) if next > at => {
                self.taken += next - at;
                self.at = Some(next);
                self.moves = self.moves.saturating_add(1);
            }
            Some(_) => {}
            None => self.at = Some(next),
        }
    }

    /// The epoch ended. What was sent is counted as taken only if the end was `drained`.
    pub fn restart(&mut self, drained: bool) {
        if let (true, Some(at), Some(highest)) = (drained, self.at, self.highest) {
            self.taken += (highest + 1).saturating_sub(at);
        }
        self.restarts += 1;
        // The next epoch begins at 0, whether it is seen there or not.
        (self.at, self.highest, self.tail) = (Some(0), None, false);
    }

    /// Batches taken since the first look; `None` until an index was seen.
    pub fn taken(&self) -> Option<u64> {
        self.at.map(|_| self.taken)
    }

    /// The next index that the loop takes: the batches that it took in this epoch.
    pub fn at(&self) -> Option<u64> {
        self.at
    }

    /// Epochs that began since the first look.
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// Whether the count is old: no index was in sight for long, as of a loader that pins and is
    /// ahead, whose messages are gone before a look.
    pub fn blind(&self) -> bool {
        self.blind > BLIND
    }

    /// Whether the loop was ever seen to move.
    pub fn moving(&self) -> bool {
        self.moves > 0
    }

    /// The highest index of this epoch that was seen.
    pub fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// Whether the epoch runs out: no more tasks are sent.
    pub fn tail(&self) -> bool {
        self.tail
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_begins_at_the_first_look_and_follows_the_head() {
        let mut position = Position::default();
        assert_eq!(position.taken(), None);
        position.see(Some(1000), Some(1003), None, false);
        assert_eq!(position.taken(), Some(0));
        position.see(Some(1010), Some(1013), None, false);
        assert_eq!(position.taken(), Some(10));
    }

    #[test]
    fn with_an_empty_result_queue_the_newest_task_tells() {
        let mut position = Position::default();
        position.see(None, Some(103), Some(4), false);
        position.see(None, Some(108), Some(4), false);
        assert_eq!(position.taken(), Some(5));
    }

    #[test]
    fn the_count_goes_on_over_a_drained_epoch() {
        let mut position = Position::default();
        position.see(Some(50), Some(53), Some(4), false);
        position.see(Some(58), Some(59), Some(4), true);
        position.see(Some(59), Some(59), Some(4), true);
        position.see(Some(2), Some(5), Some(4), false);
        // 50 to 59 of the first epoch, 0 and 1 of the second.
        assert_eq!(position.taken(), Some(12));
    }

    #[test]
    fn a_count_without_an_index_in_sight_for_long_is_old() {
        let mut position = Position::default();
        position.see(Some(50), Some(53), Some(4), false);
        for _ in 0..50 {
            position.see(None, None, Some(4), false);
        }
        assert!(position.blind());
        position.see(Some(90), Some(93), Some(4), false);
        assert!(!position.blind());
    }

    #[test]
    fn batches_dropped_at_a_break_are_not_counted() {
        let mut position = Position::default();
        position.see(Some(50), Some(53), Some(4), false);
        position.restart(false);
        position.see(Some(1), Some(4), Some(4), false);
        assert_eq!(position.taken(), Some(1));
    }
}
