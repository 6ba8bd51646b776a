//! The loaders of the trainings below a process, as samples of a session.

use std::sync::Arc;

use crate::model::inventory::ProcInfo;
use crate::model::{Inventory, Pid, Sample};
use crate::source::Roots;
use crate::source::loader::Loaders;
use crate::source::machine::{Machine, Procs};
use crate::source::sampler::{now, seen};
use crate::source::trainer::{Found, Trainers};

/// What reads them, for as long as somebody wants to know.
pub(super) struct Below {
    procs: Procs,
    trainers: Trainers,
    loaders: Loaders,
    watched: Option<Arc<Found>>,
    inventory: Arc<Inventory>,
    seq: u64,
}

impl Below {
    /// Trainings below this process.
    pub(super) fn new(roots: &Roots, pid: Pid) -> Self {
        let host = Arc::new(Machine::new(roots.clone()).host_info());
        Self {
            procs: Procs::new(roots.clone()),
            trainers: Trainers::new(roots.clone(), Some(pid)),
            loaders: Loaders::start(roots.clone()),
            watched: None,
            inventory: Arc::new(Inventory { host, ..Inventory::default() }),
            seq: 0,
        }
    }

    /// The loaders now.
    pub(super) fn sample(&mut self) -> Sample {
        let stamp = now();
        let table: Vec<_> = self.procs.scan(stamp.mono_ms).iter().map(seen).collect();
        self.trainers.update(&table, &std::collections::BTreeSet::new());
        let found = self.trainers.found();
        if self.watched.as_ref().is_none_or(|before| !Arc::ptr_eq(&found, before)) {
            self.loaders.watch(&found.descendants);
            self.watched = Some(Arc::clone(&found));
        }
        let look = self.loaders.look();
        let of_training = |info: &&Arc<ProcInfo>| info.run.is_some();
        let procs = found.infos.values().filter(of_training);
        let inventory = Inventory {
            host: Arc::clone(&self.inventory.host),
            procs: procs.map(|info| (info.pid, Arc::clone(info))).collect(),
            runs: found.runs.clone(),
            loaders: look.infos,
            software: found.software.clone(),
            sources: [found.status.clone(), look.status].into_iter().map(Arc::new).collect(),
            ..Inventory::default()
        };
        if *self.inventory != inventory {
            self.inventory = Arc::new(inventory);
        }
        let inventory = Arc::clone(&self.inventory);
        self.seq += 1;
        let (seq, loaders, workers) = (self.seq - 1, look.samples, look.workers);
        Sample { seq, stamp, inventory, loaders, workers, ..Sample::default() }
    }
}
