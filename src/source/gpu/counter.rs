//! A counter that wraps, made into one that does not, and whether that is beyond doubt.

/// How a counter moved between two reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Bytes counted, at the least.
    pub(super) delta: u64,
    /// Whether it cannot have wrapped once more than we saw.
    pub(super) certain: bool,
}

/// One wrapping counter, widened.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Widened {
    last: Option<u64>,
    total: u64,
}

impl Widened {
    /// Takes a read, `seconds` after the one before, over which at most `link` bytes per second can
    /// have passed. `None` for the first read, and where the counter started anew.
    ///
    /// A value that the driver types as 64-bit may still hold a 32-bit count: only one that was seen
    /// beyond 32 bits is believed not to wrap. Until then its low half counts just the same.
    pub(super) fn step(&mut self, raw: u64, seconds: f64, link: f64) -> Option<Step> {
        let Some(before) = self.last.replace(raw) else {
            self.total = raw;
            return None;
        };
        let narrow = u64::from(u32::MAX);
        if before > narrow {
            // 64 bits do not wrap in our time: a fall is a driver that was loaded anew.
            let delta = raw.checked_sub(before)?;
            self.total = self.total.wrapping_add(delta);
            return Some(Step { delta, certain: true });
        }
        let delta = u64::from((raw as u32).wrapping_sub(before as u32));
        self.total = self.total.wrapping_add(delta);
        // One more wrap would need this many bytes; the link may not have been able to carry them.
        let next = delta as f64 + 4_294_967_296.0;
        Some(Step { delta, certain: next > link * seconds })
    }

    /// The count so far, from the counter's first value.
    pub(super) const fn total(&self) -> u64 {
        self.total
    }
}

/// Seconds until a 32-bit counter should be read again over a link of `link` bytes per second: well
/// before it can wrap once.
pub(super) fn poll_seconds(link: f64) -> f64 {
    0.6 * 4_294_967_296.0 / link
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_wrap_is_seen_through() {
        let mut counter = Widened::default();
        assert_eq!(counter.step(u64::from(u32::MAX), 0.0, 1e9), None);
        let step = counter.step(9, 0.1, 1e9);
        assert_eq!(step, Some(Step { delta: 10, certain: true }));
        assert_eq!(counter.total(), u64::from(u32::MAX) + 10);
    }

    #[test]
    fn a_link_that_could_have_wrapped_it_twice_leaves_doubt() {
        let mut counter = Widened::default();
        counter.step(0, 0.0, 31.5e9);
        assert!(!counter.step(5, 0.25, 31.5e9).is_some_and(|step| step.certain));
        // Nearly a whole turn within the time: a second one would not have fitted.
        let step = counter.step(4_000_000_000, 0.25, 31.5e9);
        assert!(step.is_some_and(|step| step.certain));
    }

    #[test]
    fn a_wide_counter_that_falls_started_anew() {
        let mut counter = Widened::default();
        counter.step(1 << 40, 0.0, 1e9);
        assert_eq!(counter.step(1 << 39, 1.0, 1e9), None);
        assert_eq!(counter.step((1 << 39) + 2, 1.0, 1e9), Some(Step { delta: 2, certain: true }));
    }

    proptest! {
        #[test]
        fn a_counter_polled_in_time_is_exact(rate in 0.0..31.5e9_f64, start in 0_u64..1 << 40) {
            let link = 31.5e9;
            let mut counter = Widened::default();
            let truth = |poll: u32| start + (f64::from(poll) * poll_seconds(link) * rate) as u64;
            counter.step(u64::from(truth(0) as u32), 0.0, link);
            let base = counter.total();
            for poll in 1..50 {
                let raw = u64::from(truth(poll) as u32);
                let step = counter.step(raw, poll_seconds(link), link);
                prop_assert!(step.is_some_and(|step| step.certain));
            }
            prop_assert_eq!(counter.total() - base, truth(49) - start);
        }
    }
}
