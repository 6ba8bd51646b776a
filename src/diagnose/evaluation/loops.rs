//! The loops of a trainer, told apart by their loaders: one loop gets a new loader each epoch where
//! nothing keeps it, and is the same loop all the same.

use crate::model::inventory::LoaderInfo;
use crate::model::sample::LoaderSample;
use crate::model::{LoaderId, Reading};

/// Loops that are told apart; what comes later counts as the last.
const MAX_LOOPS: usize = 16;
/// Loaders of one loop that are remembered.
const MAX_IDS: usize = 16;

/// What loaders of one loop have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Likeness {
    workers: Option<u64>,
    batch_size: Option<u64>,
    epoch_batches: Option<u64>,
    dataset: Box<str>,
}

#[derive(Clone, Debug, Default)]
struct Loop {
    likeness: Likeness,
    ids: Vec<LoaderId>,
}

/// All loops of a trainer.
#[derive(Clone, Debug, Default)]
pub(super) struct Loops(Vec<Loop>);

impl Loops {
    /// The loop of a loader: the one that it was of before, else one whose loaders are all gone and
    /// were like it, else a new one.
    pub(super) fn of(
        &mut self,
        row: &LoaderSample,
        info: Option<&LoaderInfo>,
        lives: impl Fn(LoaderId) -> bool,
    ) -> usize {
        if let Some(known) = self.0.iter().position(|one| one.ids.contains(&row.loader)) {
            return known;
        }
        let told = |reading: Reading<u64>| reading.ok();
        let likeness = Likeness {
            workers: told(row.workers),
            batch_size: told(row.batch_size),
            epoch_batches: told(row.epoch_batches),
            dataset: info.map(|info| info.dataset.clone()).unwrap_or_default(),
        };
        let heir = self.0.iter().position(|one| {
            one.likeness == likeness && !one.ids.iter().any(|loader| lives(*loader))
        });
        let place = heir.unwrap_or_else(|| {
            if self.0.len() < MAX_LOOPS {
                self.0.push(Loop { likeness, ids: Vec::new() });
            }
            self.0.len() - 1
        });
        if let Some(one) = self.0.get_mut(place) {
            if one.ids.len() >= MAX_IDS {
                one.ids.remove(0);
            }
            one.ids.push(row.loader);
        }
        place
    }
}
