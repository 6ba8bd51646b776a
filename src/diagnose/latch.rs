//! Hysteresis: a condition must hold for a while before it counts, and be well gone before it ends.

/// What a step of a [`Latch`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    /// Nothing.
    None,
    /// It went on; the condition holds since that moment.
    Raised(u64),
    /// It went off; the lower condition holds since that moment.
    Cleared(u64),
}

/// On or off, with the moments since which the opposite condition holds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Latch {
    on: bool,
    since: Option<u64>,
}

impl Latch {
    /// Whether it is on.
    pub(super) fn is_on(self) -> bool {
        self.on
    }

    /// One more moment at `now_ms`. `raise` and `clear` are the two conditions, `raise_s` and
    /// `clear_s` how many seconds each must hold.
    pub(super) fn step(
        &mut self,
        now_ms: u64,
        (raise, raise_s): (bool, f64),
        (clear, clear_s): (bool, f64),
    ) -> Edge {
        let (holds, seconds) = if self.on { (clear, clear_s) } else { (raise, raise_s) };
        if !holds {
            self.since = None;
            return Edge::None;
        }
        let since = *self.since.get_or_insert(now_ms);
        if (now_ms.saturating_sub(since) as f64) < seconds * 1e3 {
            return Edge::None;
        }
        self.since = None;
        self.on = !self.on;
        if self.on { Edge::Raised(since) } else { Edge::Cleared(since) }
    }

    /// The evidence is missing: what held before is no longer known to hold without a break.
    pub(super) fn blind(&mut self) {
        self.since = None;
    }

    /// Off at once.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(conditions: &[(bool, bool)]) -> Vec<Edge> {
        let mut latch = Latch::default();
        (0..)
            .zip(conditions)
            .map(|(second, (raise, clear))| latch.step(second * 1000, (*raise, 2.0), (*clear, 3.0)))
            .filter(|edge| *edge != Edge::None)
            .collect()
    }

    #[test]
    fn it_goes_on_only_after_the_condition_held_without_a_break() {
        let (yes, no) = ((true, false), (false, true));
        assert_eq!(run(&[yes, yes, no, yes, yes, no]), []);
        assert_eq!(run(&[no, yes, yes, yes]), [Edge::Raised(1000)]);
    }

    #[test]
    fn between_the_two_thresholds_it_stays_as_it_is() {
        let (yes, no, between) = ((true, false), (false, true), (false, false));
        let long = [yes, yes, yes, between, between, between, between, between];
        assert_eq!(run(&long), [Edge::Raised(0)]);
        let gone = [yes, yes, yes, no, no, between, no, no, no, no];
        assert_eq!(run(&gone), [Edge::Raised(0), Edge::Cleared(6000)]);
    }
}
