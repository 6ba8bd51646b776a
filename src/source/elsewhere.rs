//! Loaders as somebody reads them who may read more than we may: a `mltop run`, of its own training.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::loader::LoaderLook;
use crate::model::inventory::LoaderInfo;
use crate::model::sample::{LoaderSample, ReadySource};
use crate::model::{LoaderId, Pid, Reading};

/// Loaders with their rows.
pub type Rows = Vec<(Arc<LoaderInfo>, LoaderSample)>;

/// Asks for the loaders of these trainers. Called at each tick; must not block.
pub type Ask = Box<dyn FnMut(&BTreeSet<Pid>) -> Rows + Send>;

/// The first of the numbers that loaders from elsewhere get: theirs are given by another process.
const FIRST_ID: u32 = 10_000;

/// Puts what others read in the place of what we can.
pub struct Elsewhere {
    ask: Ask,
    ids: BTreeMap<(Pid, LoaderId), LoaderId>,
}

impl Elsewhere {
    /// Asks through `ask`.
    pub fn new(ask: Ask) -> Self {
        Self { ask, ids: BTreeMap::new() }
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
        let theirs = (self.ask)(&wanting.keys().copied().collect());
        let better: BTreeSet<Pid> = theirs
            .iter()
            .map(|(_, row)| (row.pid, worth(row)))
            .filter(|(pid, worth)| wanting.get(pid).is_some_and(|own| worth > own))
            .map(|(pid, _)| pid)
            .collect();
        if better.is_empty() {
            return;
        }
        let ours: Rows = look.infos.drain(..).zip(look.samples.drain(..)).collect();
        let kept = ours.into_iter().filter(|(_, row)| !better.contains(&row.pid));
        let taken = theirs.into_iter().filter(|(_, row)| better.contains(&row.pid));
        let taken: Rows = taken.map(|row| self.renumbered(row)).collect();
        look.workers.retain_mut(|worker| {
            let of = taken.iter().find(|(info, _)| info.workers.contains(&worker.pid));
            worker.loader = of.map_or(worker.loader, |(info, _)| info.loader);
            of.is_some() || !better.contains(&worker.trainer)
        });
        (look.infos, look.samples) = kept.chain(taken).unzip();
        // What we saw of the workers stays true; it belongs to the loader by its new number.
        let infos = &look.infos;
        look.workers.retain_mut(|row| {
            let theirs = |info: &&Arc<LoaderInfo>| info.workers.contains(&row.pid);
            if let Some(info) = infos.iter().find(theirs) {
                row.loader = info.loader;
                return true;
            }
            !better.contains(&row.trainer)
        });
    }

    fn renumbered(
        &mut self,
        (info, mut row): (Arc<LoaderInfo>, LoaderSample),
    ) -> (Arc<LoaderInfo>, LoaderSample) {
        let next = LoaderId(FIRST_ID + self.ids.len() as u32);
        let id = *self.ids.entry((row.pid, row.loader)).or_insert(next);
        row.loader = id;
        (Arc::new(LoaderInfo { loader: id, ..LoaderInfo::clone(&info) }), row)
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
    use crate::model::sample::WorkerSample;
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
        LoaderLook {
            infos,
            samples,
            workers: Vec::new(),
            status: fine("loaders"),
            looks: 0,
            cost_cpu_seconds: 0.0,
        }
    }

    fn asked(theirs: Vec<LoaderSample>, look: &mut LoaderLook) -> BTreeSet<Pid> {
        let (sender, receiver) = std::sync::mpsc::channel();
        let ask = Box::new(move |wanting: &BTreeSet<Pid>| {
            let _ = sender.send(wanting.clone());
            theirs.iter().cloned().map(named).collect()
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
    }

    #[test]
    fn workers_follow_their_loader_to_its_new_number() {
        let mut look = look(vec![row(1, 1, Some(ReadySource::Complement))]);
        let worker = |pid| WorkerSample {
            pid: Pid(pid),
            trainer: Pid(1),
            loader: LoaderId(1),
            ..WorkerSample::default()
        };
        look.workers = vec![worker(11), worker(12)];
        let theirs = row(1, 4, Some(ReadySource::Memory));
        let info = LoaderInfo {
            loader: theirs.loader,
            pid: Pid(1),
            workers: vec![Pid(11)],
            ..LoaderInfo::default()
        };
        let ask = Box::new(move |_: &BTreeSet<Pid>| vec![(Arc::new(info.clone()), theirs.clone())]);
        Elsewhere::new(ask).improve(&[Pid(1)], &mut look);
        let got: Vec<(u32, u32)> = look.workers.iter().map(|r| (r.pid.0, r.loader.0)).collect();
        assert_eq!(got, [(11, FIRST_ID)], "one that they do not know is of an iterator before");
    }

    #[test]
    fn a_trainer_that_may_not_be_read_gets_its_rows_from_elsewhere() {
        let mut look = look(vec![row(1, 1, None)]);
        asked(vec![row(1, 4, Some(ReadySource::Complement))], &mut look);
        assert_eq!(look.samples[0].ready_source, Reading::Is(ReadySource::Complement));
    }

    #[test]
    fn our_own_rows_stay_where_nobody_answers() {
        let mut look = look(vec![row(1, 1, Some(ReadySource::Pipe))]);
        let before = look.samples.clone();
        asked(Vec::new(), &mut look);
        assert_eq!(look.samples, before);
    }
}
