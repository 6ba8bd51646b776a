//! The plots of a moment far from where a replay plays: read from the file piece by piece, so that the
//! screen hears keys meanwhile, however long the window is.

use std::sync::Arc;

use tokio::time::Instant;

use crate::history::History;
use crate::model::Sample;
use crate::record::SessionFile;

use super::frame;

/// Points of the plots.
const POINTS: usize = 4096;
/// What is read beyond both ends of the window, so that a small step needs no reading.
const MARGIN_PARTS: u64 = 2;

/// A stretch of the session, as far as it is plotted.
pub(super) struct Past {
    /// The plots so far.
    pub history: History,
    from_ms: u64,
    to_ms: u64,
    /// Where to read on.
    next_ms: u64,
    before: Option<Arc<Sample>>,
}

impl Past {
    /// The stretch around a window, of which nothing is read yet.
    pub(super) fn around(file: &SessionFile, from_ms: u64, to_ms: u64) -> Self {
        let margin = to_ms.saturating_sub(from_ms) / MARGIN_PARTS;
        let (from_ms, to_ms) = (from_ms.saturating_sub(margin), to_ms.saturating_add(margin));
        let before = file.prev(from_ms).map(|(_, sample)| sample);
        Self { history: History::new(POINTS), from_ms, to_ms, next_ms: from_ms, before }
    }

    /// Reads on until a moment.
    pub(super) fn read(&mut self, file: &SessionFile, until: Instant) {
        for sample in file.samples(self.next_ms, self.to_ms) {
            self.next_ms = sample.stamp.mono_ms + 1;
            let before = self.before.replace(Arc::clone(&sample));
            self.history.push(&frame((before, sample)));
            if Instant::now() >= until {
                return;
            }
        }
        self.next_ms = self.to_ms.saturating_add(1);
    }

    /// Whether nothing of it is left to read.
    pub(super) const fn is_whole(&self) -> bool {
        self.next_ms > self.to_ms
    }

    /// Whether a window lies within it.
    pub(super) const fn holds(&self, from_ms: u64, to_ms: u64) -> bool {
        self.from_ms <= from_ms && to_ms <= self.to_ms
    }
}

impl std::fmt::Debug for Past {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Past").field("from_ms", &self.from_ms).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "past_tests.rs"]
mod tests;
