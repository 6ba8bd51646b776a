//! Loaders as somebody reads them who may read more than we may: a `mltop run`, of its own training.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::loader::LoaderLook;
use crate::model::inventory::LoaderInfo;
use crate::model::sample::{LoaderSample, ReadySource, WorkerSample};
use crate::model::{LoaderId, Pid, Reading};

/// A loader with its row.
pub type Row = (Arc<LoaderInfo>, LoaderSample);

/// Loaders with their rows, and those of their workers.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// The loaders.
    pub loaders: Vec<Row>,
    /// The workers of all of them.
    pub workers: Vec<WorkerSample>,
}

/// Asks for the loaders of these trainers. Called at each tick; must not block.
pub type Ask = Box<dyn FnMut(&BTreeSet<Pid>) -> Rows + Send>;

/// The first of the numbers that loaders from elsewhere get: theirs are given by another process.
const FIRST_ID: u32 = 10_000;

/// Puts what others read in the place of what we can.
pub struct Elsewhere {
    ask: Ask,
    ids: BTreeMap<(Pid, LoaderId), LoaderId>,
    given: u32,
}

impl Elsewhere {
    /// Asks through `ask`.
    pub fn new(ask: Ask) -> Self {
        Self { ask, ids: BTreeMap::new(), given: 0 }
    }

    /// Replaces the rows of each trainer of which others know more.
    pub fn improve(&mut self, trainers: &[Pid], look: &mut LoaderLook) {
        let own = |pid: Pid| {
            look.samples.iter().filter(|row| row.pid == pid).map(worth).max().unwrap_or(0)
        };
        let wanting: BTreeMap<Pid, u8> = trainers
            .iter()
            .map(|&pid| (pid, own(pid)))
            .filter(|&(_, worth)| worth < BEST)
            .collect();
        self.ids.retain(|(pid, _), _| trainers.contains(pid));
        let theirs = (self.ask)(&wanting.keys().copied().collect());
        let better: BTreeSet<Pid> = theirs
            .loaders
            .iter()
            .map(|(_, row)| (row.pid, worth(row)))
            .filter(|(pid, worth)| wanting.get(pid).is_some_and(|own| worth > own))
            .map(|(pid, _)| pid)
            .collect();
        if better.is_empty() {
            return;
        }
        let ours: Vec<Row> = look.infos.drain(..).zip(look.samples.drain(..)).collect();
        let kept = ours.into_iter().filter(|(_, row)| !better.contains(&row.pid));
        let taken = theirs.loaders.into_iter().filter(|(_, row)| better.contains(&row.pid));
        let taken: Vec<Row> = taken
            .map(|(info, row)| {
                let loader = self.number(row.pid, row.loader);
                let info = LoaderInfo { loader, ..LoaderInfo::clone(&info) };
                (Arc::new(info), LoaderSample { loader, ..row })
            })
            .collect();
        (look.infos, look.samples) = kept.chain(taken).unzip();
        look.workers.retain(|worker| !better.contains(&worker.trainer));
        let workers = theirs.workers.into_iter().filter(|one| better.contains(&one.trainer));
        look.workers.extend(workers.map(|worker| {
            let loader = self.number(worker.trainer, worker.loader);
            WorkerSample { loader, ..worker }
        }));
        look.told(&better);
    }

    /// Our number of a loader that has another one there.
    fn number(&mut self, pid: Pid, theirs: LoaderId) -> LoaderId {
        let Self { ids, given, .. } = self;
        *ids.entry((pid, theirs)).or_insert_with(|| {
            *given = given.wrapping_add(1);
            LoaderId(FIRST_ID.saturating_add(*given - 1))
        })
    }
}

/// What nobody can better.
const BEST: u8 = 4;

/// How much a source of a depth is worth.
const fn worth(row: &LoaderSample) -> u8 {
    match row.ready_source {
        Reading::Is(ReadySource::Memory) => BEST,
        Reading::Is(ReadySource::Semaphore) => 3,
        Reading::Is(ReadySource::Pipe | ReadySource::Probe) => 2,
        Reading::Is(ReadySource::Complement) => 1,
        Reading::Not(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Gap;
    use crate::model::inventory::{SourceState, SourceStatus};
    use crate::source::sampler::fine;

    fn row(pid: u32, loader: u32, source: Option<ReadySource>) -> LoaderSample {
        LoaderSample {
            pid: Pid(pid),
            loader: LoaderId(loader),
            ready_source: Reading::from_option(source, Gap::Denied),
            ..LoaderSample::default()
        }
    }

    fn named(row: LoaderSample) -> (Arc<LoaderInfo>, LoaderSample) {
        (Arc::new(LoaderInfo { loader: row.loader, pid: row.pid, ..LoaderInfo::default() }), row)
    }

    fn look(rows: Vec<LoaderSample>) -> LoaderLook {
        let (infos, samples) = rows.into_iter().map(named).unzip();
        let workers = vec![worker(1, 1), worker(2, 2)];
        let status = fine("loaders");
        let denied = Vec::new();
        LoaderLook { infos, samples, workers, status, denied, looks: 0, cost_cpu_seconds: 0.0 }
    }

    fn worker(trainer: u32, loader: u32) -> WorkerSample {
        let (trainer, loader) = (Pid(trainer), LoaderId(loader));
        WorkerSample { trainer, loader, ..WorkerSample::default() }
    }

    fn asked(theirs: Vec<LoaderSample>, look: &mut LoaderLook) -> BTreeSet<Pid> {
        let (sender, receiver) = std::sync::mpsc::channel();
        let ask = Box::new(move |wanting: &BTreeSet<Pid>| {
            let _ = sender.send(wanting.clone());
            let loaders = theirs.iter().cloned().map(named).collect();
            Rows { loaders, workers: vec![worker(1, 1), worker(1, 1), worker(2, 9)] }
        });
        Elsewhere::new(ask).improve(&[Pid(1), Pid(2)], look);
        receiver.recv().unwrap()
    }

    #[test]
    fn rows_of_a_trainer_are_taken_from_elsewhere_only_where_they_are_better() {
        use ReadySource::{Complement, Memory, Pipe};
        let mut look = look(vec![row(1, 1, Some(Complement)), row(2, 2, Some(Memory))]);
        let theirs = vec![row(1, 1, Some(Memory)), row(2, 9, Some(Memory)), row(3, 3, Some(Pipe))];
        assert_eq!(asked(theirs, &mut look), BTreeSet::from([Pid(1)]));
        let got: Vec<(u32, u32)> = look.samples.iter().map(|r| (r.pid.0, r.loader.0)).collect();
        assert_eq!(got, [(2, 2), (1, FIRST_ID)]);
        assert!(look.infos.iter().zip(&look.samples).all(|(info, row)| info.loader == row.loader));
        let workers: Vec<(u32, u32)> =
            look.workers.iter().map(|one| (one.trainer.0, one.loader.0)).collect();
        assert_eq!(workers, [(2, 2), (1, FIRST_ID), (1, FIRST_ID)]);
    }

    #[test]
    fn a_trainer_that_may_not_be_read_gets_its_rows_from_elsewhere() {
        let mut look = look(vec![row(1, 1, None)]);
        asked(vec![row(1, 4, Some(ReadySource::Complement))], &mut look);
        assert_eq!(look.samples[0].ready_source, Reading::Is(ReadySource::Complement));
    }

    #[test]
    fn what_others_tell_of_is_no_trouble_of_ours_any_more() {
        let partial = SourceStatus { state: SourceState::Partial, ..fine("loaders") };
        for (theirs, left) in [(vec![1], vec![Pid(2)]), (vec![1, 2], vec![])] {
            let mut look = look(vec![row(1, 1, None), row(2, 2, None)]);
            (look.denied, look.status) = (vec![Pid(1), Pid(2)], partial.clone());
            let memory = Some(ReadySource::Memory);
            asked(theirs.into_iter().map(|pid| row(pid, 4, memory)).collect(), &mut look);
            assert_eq!(look.denied, left);
            let says = look.status.message.contains("trainer 2 may not be read");
            assert_eq!((says, look.status == fine("loaders")), (!left.is_empty(), left.is_empty()));
        }
    }

    #[test]
    fn our_own_rows_stay_where_nobody_answers() {
        let mut look = look(vec![row(1, 1, Some(ReadySource::Pipe))]);
        let before = look.samples.clone();
        asked(Vec::new(), &mut look);
        assert_eq!(look.samples, before);
    }
}
