//! The way of a sample: derived, diagnosed and, where a screen is drawn, remembered for its plots. All
//! verbs share it.

use std::sync::Arc;

use crate::app::Tick;
use crate::derive;
use crate::diagnose::{Change, Engine, Settings};
use crate::history::History;
use crate::model::{Frame, Sample};

/// Points a plotted series keeps: over an hour at one a second.
const POINTS: usize = 4096;

/// What has been made of the samples so far.
pub(super) struct Pipeline {
    /// For the verdict.
    pub engine: Engine,
    before: Option<Arc<Sample>>,
}

impl Pipeline {
    /// An empty one.
    pub(super) fn new(settings: Settings) -> Self {
        Self { engine: Engine::new(settings), before: None }
    }

    /// Takes the next sample and says what changed.
    pub(super) fn push(&mut self, sample: Arc<Sample>) -> (Arc<Frame>, Vec<Change>) {
        let frame = Arc::new(derive::frame(self.before.as_deref(), Arc::clone(&sample)));
        self.before = Some(sample);
        let changes = self.engine.step(&frame);
        (frame, changes)
    }

    /// Takes all samples of a session in, and hands each frame with what it changed to `each`.
    pub(super) fn play(
        &mut self,
        samples: impl IntoIterator<Item = Arc<Sample>>,
        mut each: impl FnMut(&Self, &Arc<Frame>, &[Change]),
    ) {
        for sample in samples {
            let (frame, changes) = self.push(sample);
            each(self, &frame, &changes);
        }
    }

    /// The newest frame with the verdict on it, for the state. `oldest_ms` is the oldest moment that
    /// can be gone back to.
    pub(super) fn tick(&self, frame: Arc<Frame>, oldest_ms: u64) -> Tick {
        let engine = &self.engine;
        let (findings, watched) = (engine.findings().to_vec(), Arc::new(engine.watched().clone()));
        Tick { frame, findings, now: engine.now(), watched, oldest_ms }
    }
}

/// The same where a screen is drawn. A recorder, which may run for weeks, keeps no plots.
pub(super) struct Drawn {
    /// For the plots.
    pub history: History,
    /// For the rest of the screen.
    pub pipeline: Pipeline,
}

impl Drawn {
    /// An empty one.
    pub(super) fn new(settings: Settings) -> Self {
        Self::after(Engine::new(settings), None)
    }

    /// One that goes on where an engine stood. What came before it is not in the plots.
    pub(super) fn after(engine: Engine, before: Option<Arc<Sample>>) -> Self {
        Self { history: History::new(POINTS), pipeline: Pipeline { engine, before } }
    }

    /// Takes the next sample and says what changed.
    pub(super) fn push(&mut self, sample: Arc<Sample>) -> (Arc<Frame>, Vec<Change>) {
        let (frame, changes) = self.pipeline.push(sample);
        self.history.push(&frame);
        (frame, changes)
    }
}
