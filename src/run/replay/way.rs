//! The way to a moment that is played from: what came before it is taken in piece by piece, so that the
//! screen hears keys meanwhile, however long it is.

use std::sync::Arc;

use tokio::time::Instant;

use crate::diagnose::Engine;
use crate::model::Sample;
use crate::record::SessionFile;

use super::super::pipeline::Drawn;
use super::frame;

/// The plots of a moment that is played from: the longest time axis.
const PLOTTED_MS: u64 = 1_800_000;

/// How far it is.
pub(super) struct Way {
    /// What was made of the samples so far.
    pub(super) drawn: Drawn,
    /// Where it leads: the moment itself is for the caller to take in.
    pub(super) target: Arc<Sample>,
    next_ms: u64,
    /// Where the engine goes on; what comes before is for the plots alone.
    engine_ms: u64,
    before: Option<Arc<Sample>>,
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Way").field("next_ms", &self.next_ms).finish_non_exhaustive()
    }
}

impl Way {
    /// The way to `target` from where an engine `stood`, or from the first tick.
    pub(super) fn new(
        file: &SessionFile,
        engine: Engine,
        stood: Option<Arc<Sample>>,
        target: Arc<Sample>,
    ) -> Self {
        let first_ms = file.span().0.mono_ms;
        let engine_ms = stood.as_ref().map_or(first_ms, |sample| sample.stamp.mono_ms + 1);
        let next_ms = engine_ms.min(target.stamp.mono_ms.saturating_sub(PLOTTED_MS));
        let before = file.prev(next_ms).map(|(_, sample)| sample);
        Self { drawn: Drawn::after(engine, stood), target, next_ms, engine_ms, before }
    }

    /// Goes on until a moment. True where nothing is left of it.
    pub(super) fn go_on(&mut self, file: &SessionFile, until: Instant) -> bool {
        let last_ms = self.target.stamp.mono_ms.saturating_sub(1);
        for sample in file.samples(self.next_ms, last_ms) {
            self.next_ms = sample.stamp.mono_ms + 1;
            if sample.stamp.mono_ms < self.engine_ms {
                let before = self.before.replace(Arc::clone(&sample));
                self.drawn.history.push(&frame((before, sample)));
            } else {
                self.drawn.push(sample);
            }
            if Instant::now() >= until {
                return false;
            }
        }
        true
    }
}
