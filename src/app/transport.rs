//! Where on the time axis the user looks: at the newest moment, or at a fixed one.
//!
//! All times are milliseconds of the monotonic clock of the samples. There is no other clock.

/// The lengths of the time axis that can be chosen, in seconds.
pub const ZOOMS: [u32; 7] = [30, 60, 120, 300, 600, 900, 1800];

/// What the screen follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// The newest moment stands at the right edge.
    #[default]
    Live,
    /// The window stands still, and a cursor stands in it.
    Paused {
        /// The right edge of the window.
        end_ms: u64,
        /// The cursor: at most `end_ms`, and not left of the window.
        at_ms: u64,
    },
}

/// What there is to look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// The oldest moment that is kept.
    pub oldest_ms: u64,
    /// The moment that a live screen or a replay has come to.
    pub now_ms: u64,
    /// The newest moment: later than now in a replay alone.
    pub newest_ms: u64,
}

impl Transport {
    /// Freezes where it is.
    pub const fn pause(reach: Reach) -> Self {
        Self::Paused { end_ms: reach.now_ms, at_ms: reach.now_ms }
    }

    /// The cursor, where there is one.
    pub const fn cursor(self) -> Option<u64> {
        match self {
            Self::Live => None,
            Self::Paused { at_ms, .. } => Some(at_ms),
        }
    }

    /// The right edge of the window.
    pub const fn end(self, reach: Reach) -> u64 {
        match self {
            Self::Live => reach.now_ms,
            Self::Paused { end_ms, .. } => end_ms,
        }
    }

    /// Puts the cursor at a moment within reach. The window pans only as far as it must: past its
    /// left edge the cursor takes the edge along, and likewise at the right.
    #[must_use]
    pub fn seek(self, to_ms: u64, zoom_ms: u64, reach: Reach) -> Self {
        let oldest = reach.oldest_ms.min(reach.newest_ms);
        let at_ms = to_ms.clamp(oldest, reach.newest_ms);
        let end = self.end(reach);
        let start = end.saturating_sub(zoom_ms);
        let end_ms = if at_ms < start {
            at_ms.saturating_add(zoom_ms).min(reach.newest_ms)
        } else {
            end.max(at_ms)
        };
        Self::Paused { end_ms, at_ms }
    }

    /// Moves the cursor by milliseconds; a live screen is frozen first.
    #[must_use]
    pub fn scrub(self, by_ms: i64, zoom_ms: u64, reach: Reach) -> Self {
        let at = self.cursor().unwrap_or(reach.now_ms);
        self.seek(at.saturating_add_signed(by_ms), zoom_ms, reach)
    }

    /// The same moment under another length of the axis: a cursor that would fall out of the window
    /// comes to its middle.
    #[must_use]
    pub fn rescaled(self, zoom_ms: u64, reach: Reach) -> Self {
        match self {
            Self::Paused { end_ms, at_ms } if at_ms < end_ms.saturating_sub(zoom_ms) => {
                let end_ms = at_ms.saturating_add(zoom_ms / 2).min(reach.newest_ms.max(at_ms));
                Self::Paused { end_ms, at_ms }
            }
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REACH: Reach = Reach { oldest_ms: 1_000, now_ms: 500_000, newest_ms: 500_000 };

    #[test]
    fn scrubbing_within_the_window_leaves_the_window_where_it_is() {
        let moved = Transport::Live.scrub(-10_000, 60_000, REACH);
        assert_eq!(moved, Transport::Paused { end_ms: 500_000, at_ms: 490_000 });
    }

    #[test]
    fn scrubbing_past_the_left_edge_takes_the_window_along() {
        let moved = Transport::Live.scrub(-100_000, 60_000, REACH);
        assert_eq!(moved, Transport::Paused { end_ms: 460_000, at_ms: 400_000 });
        let back = moved.scrub(70_000, 60_000, REACH);
        assert_eq!(back, Transport::Paused { end_ms: 470_000, at_ms: 470_000 });
    }

    #[test]
    fn the_cursor_never_leaves_what_is_kept() {
        let far = Transport::Live.scrub(i64::MIN, 60_000, REACH);
        assert_eq!(far.cursor(), Some(1_000));
        let far = far.scrub(i64::MAX, 60_000, REACH);
        assert_eq!(far.cursor(), Some(500_000));
    }

    #[test]
    fn a_replay_is_gone_through_to_its_end_wherever_it_plays() {
        let reach = Reach { now_ms: 200_000, ..REACH };
        assert_eq!(Transport::Live.end(reach), 200_000);
        assert_eq!(Transport::Live.scrub(10_000, 60_000, reach).cursor(), Some(210_000));
        assert_eq!(Transport::pause(reach).seek(u64::MAX, 60_000, reach).cursor(), Some(500_000));
    }

    #[test]
    fn a_shorter_axis_keeps_the_cursor_in_sight() {
        let at = Transport::Paused { end_ms: 500_000, at_ms: 400_000 };
        let Transport::Paused { end_ms, at_ms } = at.rescaled(30_000, REACH) else {
            unreachable!()
        };
        assert_eq!(at_ms, 400_000);
        assert!((at_ms..=at_ms + 30_000).contains(&end_ms));
    }
}
