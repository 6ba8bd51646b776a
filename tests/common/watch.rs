//! A real training, watched by the thread that the program runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use mltop::model::Pid;
use mltop::model::inventory::LoaderInfo;
use mltop::model::sample::LoaderSample;
use mltop::source::Roots;
use mltop::source::loader::{Ladder, Loaders, memory};

use crate::train::Training;

/// How long anything may take on a busy machine.
pub(crate) const LONG: Duration = Duration::from_mins(1);

/// The interpreter's memory, and the pipes below it.
pub(crate) fn by_memory() -> Ladder {
    Ladder { steps: vec![memory::step()], semaphores: false }
}

/// Semaphores, and the pipes below them.
pub(crate) fn by_semaphores() -> Ladder {
    Ladder { steps: Vec::new(), semaphores: true }
}

/// Who watches.
pub(crate) struct Watched {
    pub(crate) loaders: Loaders,
}

impl Watched {
    pub(crate) fn new(training: &Training, ladder: Ladder) -> Self {
        let loaders = Loaders::start_with(Roots::default(), ladder);
        loaders.watch(&BTreeMap::from([(Pid(training.pid()), Vec::new())]));
        Self { loaders }
    }

    /// The rows as they stand.
    #[allow(dead_code, reason = "not every test looks without waiting")]
    pub(crate) fn rows(&self) -> Vec<LoaderSample> {
        self.loaders.look().samples
    }

    /// The first row with its names once `wanted` holds.
    pub(crate) fn until(
        &self,
        what: &str,
        wanted: impl Fn(&[LoaderSample]) -> bool,
    ) -> (LoaderSample, Arc<LoaderInfo>) {
        let start = Instant::now();
        loop {
            let look = self.loaders.look();
            if wanted(&look.samples)
                && let (Some(row), Some(info)) = (look.samples.first(), look.infos.first())
            {
                return (row.clone(), Arc::clone(info));
            }
            assert!(
                start.elapsed() < LONG,
                "never {what}: {:?} {:?} {:?}",
                look.samples,
                look.infos,
                look.status
            );
            thread::sleep(Duration::from_millis(50));
        }
    }
}
