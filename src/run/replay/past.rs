//! The plots of a moment far from where a replay plays: read from the file when they are looked at.

use crate::history::History;
use crate::record::SessionFile;

use super::frame;

/// Points of the plots.
const POINTS: usize = 4096;
/// What is read beyond both ends of the window, so that a small step needs no reading.
const MARGIN_PARTS: u64 = 2;

/// A stretch of the session, as far as it is plotted.
pub(super) struct Past {
    /// The plots.
    pub history: History,
    from_ms: u64,
    to_ms: u64,
}

impl Past {
    /// Reads the stretch around a window.
    pub(super) fn read(file: &SessionFile, from_ms: u64, to_ms: u64) -> Self {
        let margin = to_ms.saturating_sub(from_ms) / MARGIN_PARTS;
        let (from_ms, to_ms) = (from_ms.saturating_sub(margin), to_ms.saturating_add(margin));
        let mut history = History::new(POINTS);
        let mut before = file.prev(from_ms).map(|(_, sample)| sample);
        for sample in file.samples(from_ms, to_ms) {
            let frame = frame((before.replace(sample.clone()), sample));
            history.push(&frame);
        }
        Self { history, from_ms, to_ms }
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
