//! Two sources of one number against each other: pure.

use std::time::Duration;

/// They may differ by so many batches: they are read one after the other.
const APART: u64 = 1;
/// For so long they must differ to be doubted.
const LONG: Duration = Duration::from_secs(2);

/// How a loader's sources have agreed of late.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cross {
    since: Option<Duration>,
    doubt: Option<Box<str>>,
}

impl Cross {
    /// What the better source said just before and just after a look at the pipe, and what the pipe
    /// held. True where the loader should be looked for anew. `at` is since any origin.
    pub fn see(&mut self, source: &str, told: (u64, u64), pipe: u64, at: Duration) -> bool {
        let (low, high) = (told.0.min(told.1), told.0.max(told.1));
        let apart = low.saturating_sub(pipe).max(pipe.saturating_sub(high));
        if apart <= APART {
            *self = Self::default();
            return false;
        }
        let since = *self.since.get_or_insert(at);
        if at.saturating_sub(since) < LONG {
            return false;
        }
        let first = self.doubt.is_none();
        self.doubt = Some(
            format!("{source} counts {low} batches in the result queue, its pipe holds {pipe}")
                .into(),
        );
        first
    }

    /// Why the depth is doubtful, where it is.
    pub fn doubt(&self) -> Option<&str> {
        self.doubt.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_batch_on_its_way_is_no_disagreement() {
        let mut cross = Cross::default();
        for second in 0..10 {
            assert!(!cross.see("memory", (3, 4), 5, at(second)));
            assert!(!cross.see("memory", (0, 4), 2, at(second)));
        }
        assert_eq!(cross.doubt(), None);
    }

    #[test]
    fn two_seconds_of_disagreement_are_a_doubt_with_its_reason_and_one_new_search() {
        let mut cross = Cross::default();
        let searches: Vec<bool> =
            (0..5).map(|second| cross.see("memory", (4, 4), 0, at(second))).collect();
        assert_eq!(searches, [false, false, true, false, false]);
        let words = "memory counts 4 batches in the result queue, its pipe holds 0";
        assert_eq!(cross.doubt(), Some(words));
    }

    #[test]
    fn one_look_that_agrees_ends_it() {
        let mut cross = Cross::default();
        for second in 0..4 {
            cross.see("memory", (4, 4), 0, at(second));
        }
        cross.see("memory", (4, 4), 4, at(4));
        assert_eq!(cross.doubt(), None);
        assert!(!cross.see("memory", (4, 4), 0, at(5)));
    }
}
