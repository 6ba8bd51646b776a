//! The box: CPU, memory, pressure, control groups, disks, networks, processes.

mod cgroup;
mod cgroup_limits;
mod cgroups;
mod cpus;
mod disks;
pub(super) mod file;
mod host;
mod info;
mod kept;
mod nets;
mod own;
mod own_rows;
mod proc_rows;
pub(super) mod proc_stat;
mod procs;
pub(super) mod run_delay;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use cgroup::{cgroup_of, container_of};
pub use cgroups::Cgroups;
pub use own::OwnCost;
pub use proc_stat::ProcStat;
pub use procs::{ProcTable, Procs};

use self::file::Slurp;
use crate::model::Sample;
use crate::model::inventory::{DiskInfo, HostInfo};
use crate::source::Roots;
use crate::source::mounts::Mounts;

/// How long the lists of disks and mounts stand.
const LISTS_STAND: Duration = Duration::from_secs(10);

/// The reader of everything that is one for the whole box.
#[derive(Debug)]
pub struct Machine {
    roots: Roots,
    slurp: Slurp,
    mounts: Mounts,
    whole: Option<Vec<Box<str>>>,
    infos: Vec<Arc<DiskInfo>>,
    listed: Option<Instant>,
    started: Option<u64>,
}

impl Machine {
    /// A reader that has read nothing yet.
    pub fn new(roots: Roots) -> Self {
        Self {
            roots,
            slurp: Slurp::default(),
            mounts: Mounts::default(),
            whole: None,
            infos: Vec::new(),
            listed: None,
            started: None,
        }
    }

    /// Fills the box, its disks and its networks: all of `host` but mltop's own cost, which
    /// [`Procs::own_cost`] tells. A number of processes that is there, from [`ProcTable::len`],
    /// stays: listing them is the dearest read of all.
    pub fn read(&mut self, sample: &mut Sample) {
        self.read_uncounted(sample);
        if !sample.host.processes.is() {
            sample.host.processes = procs::count(&self.roots.proc);
        }
    }

    /// The same without the number of processes.
    pub fn read_uncounted(&mut self, sample: &mut Sample) {
        self.refresh_lists();
        let ticks = proc_rows::ticks_per_second();
        let box_and_cpus = (&mut sample.host, &mut sample.cpus);
        self.started = host::read(&self.roots, &mut self.slurp, ticks, box_and_cpus);
        let text = self.slurp.text(&self.roots.proc.join("diskstats")).unwrap_or_default();
        sample.disks = disks::parse(text, self.whole.as_deref());
        let text = self.slurp.text(&self.roots.proc.join("net/dev")).unwrap_or_default();
        sample.nets = nets::parse(text);
    }

    /// How many processes and threads the box had started since boot at the last read.
    pub const fn started(&self) -> Option<u64> {
        self.started
    }

    /// What the box is.
    pub fn host_info(&self) -> HostInfo {
        info::read(&self.roots)
    }

    /// Every disk that a sample has a row of, by name. The same `Arc` as long as nothing changed.
    pub fn disk_infos(&mut self) -> Vec<Arc<DiskInfo>> {
        self.refresh_lists();
        self.infos.clone()
    }

    /// Reads the lists of disks and mounts again when they are old.
    fn refresh_lists(&mut self) {
        if self.listed.is_some_and(|at| at.elapsed() < LISTS_STAND) {
            return;
        }
        self.listed = Some(Instant::now());
        self.mounts.refresh(&self.roots, &mut self.slurp);
        self.whole = disks::whole_disks(&self.roots.sys);
        let text = self.slurp.text(&self.roots.proc.join("diskstats")).unwrap_or_default();
        let names: Vec<Box<str>> =
            disks::parse(text, self.whole.as_deref()).into_iter().map(|row| row.disk).collect();
        let infos = disks::infos(&self.roots, &mut self.slurp, &names, self.mounts.list());
        if infos != self.infos {
            self.infos = infos;
        }
    }
}
