//! One tick, one clock: asks every source for what it has and makes a sample of it.
//!
//! Sources that can be slow (the GPU driver, a stuck process, the queues' fast looks) have threads or
//! processes of their own and are only asked for their latest answer.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::elsewhere::Elsewhere;
use super::gpu::{GpuLook, Gpus};
use super::grid::Grid;
use super::loader::Loaders;
use super::machine::{Cgroups, Machine, ProcStat, Procs, cgroup_of, container_of};
use super::root::Roots;
use super::server::{Servers, Wanted};
use super::simulated::SimulatedGpu;
use super::trainer::{Found, ProcSeen, Trainers};
use crate::model::inventory::{GpuInfo, Maker, ProcInfo, Role, RunInfo, SourceStatus};
use crate::model::sample::{GpuProcKind, GpuProcSample};
use crate::model::{Inventory, Pid, Reading, Sample, Stamp};

/// Processes that are recorded because they use most, beside those of the training.
const BUSIEST: usize = 20;

/// Where GPU figures come from.
pub enum GpuFeed {
    /// The drivers of this machine.
    Drivers(Gpus),
    /// A simulation, labelled as one everywhere.
    Simulated(SimulatedGpu),
}

/// What a sampler reads.
pub struct Plan {
    /// Time between ticks.
    pub interval: Duration,
    /// Where the machine is.
    pub roots: Roots,
    /// The one trainer to look at, instead of finding them.
    pub only: Option<Pid>,
    /// GPUs.
    pub gpus: GpuFeed,
    /// Who else may know the loaders.
    pub elsewhere: Option<Elsewhere>,
    /// Inference servers.
    pub servers: Wanted,
}

/// The sampling thread. Dropping it ends it.
#[derive(Debug)]
pub struct Sampler {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sampler {
    /// Starts sampling; `sink` gets each sample on the sampling thread and says whether to go on.
    pub fn start(
        plan: Plan,
        mut sink: impl FnMut(Arc<Sample>) -> bool + Send + 'static,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new().name("sampler".into()).spawn(move || {
            let ticks = match &plan.gpus {
                GpuFeed::Drivers(gpus) => gpus.ticks(),
                GpuFeed::Simulated(_) => Grid::from_now(plan.interval),
            };
            let mut sources = Sources::new(plan);
            while !stopped.load(Ordering::Relaxed) {
                if !sink(Arc::new(sources.tick())) {
                    break;
                }
                sleep_until(ticks.next(Instant::now()), &stopped);
            }
            sources.abandon();
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Not joined: a read that hangs in the kernel must not keep the shell from its prompt.
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
        }
    }
}

fn sleep_until(due: Instant, stopped: &AtomicBool) {
    loop {
        let now = Instant::now();
        if now >= due || stopped.load(Ordering::Relaxed) {
            return;
        }
        thread::park_timeout(due - now);
    }
}

/// Every source, and what it gave last.
struct Sources {
    machine: Machine,
    cgroups: Cgroups,
    procs: Procs,
    trainers: Trainers,
    loaders: Loaders,
    gpus: GpuFeed,
    elsewhere: Option<Elsewhere>,
    servers: Option<Servers>,
    inventory: Arc<Inventory>,
    watched: Option<Arc<Found>>,
    groups: BTreeMap<Pid, Box<str>>,
    roots: Roots,
    seq: u64,
    ticks_per_second: u64,
    boot_unix_ms: i64,
}

impl Sources {
    fn new(plan: Plan) -> Self {
        let roots = plan.roots.clone();
        let machine = Machine::new(plan.roots.clone());
        let inventory = Inventory { host: Arc::new(machine.host_info()), ..Inventory::default() };
        let stamp = now();
        let any = plan.servers.find || !plan.servers.named.is_empty();
        Self {
            servers: any.then(|| Servers::start(plan.roots.clone(), plan.servers)),
            machine,
            cgroups: Cgroups::new(plan.roots.clone()),
            procs: Procs::new(plan.roots.clone()),
            trainers: Trainers::new(plan.roots.clone(), plan.only),
            loaders: Loaders::start(plan.roots),
            gpus: plan.gpus,
            elsewhere: plan.elsewhere,
            inventory: Arc::new(inventory),
            watched: None,
            groups: BTreeMap::new(),
            roots,
            seq: 0,
            ticks_per_second: rustix::param::clock_ticks_per_second().max(1),
            boot_unix_ms: stamp.unix_ms - stamp.mono_ms as i64,
        }
    }

    fn tick(&mut self) -> Sample {
        let begun = Instant::now();
        let stamp = now();
        let gpu_look = self.look_at_gpus(begun);
        let gpu_pids: BTreeSet<Pid> = computing(&gpu_look);
        let mut sample = Sample { seq: self.seq, stamp, ..Sample::default() };
        self.machine.read_uncounted(&mut sample);
        let (seen, busiest) = self.scan(stamp.mono_ms);
        self.trainers.trust(listed(&gpu_look));
        self.trainers.update(&seen, &gpu_pids);
        let servers = self.servers.as_mut().map(|servers| {
            servers.watch(&seen);
            servers.look(begun)
        });
        let servers = servers.unwrap_or_default();
        let found = self.trainers.found();
        let mut gpu_procs: Vec<GpuProcSample> = gpu_look
            .procs
            .iter()
            .filter(|held| self.trainers.vouches_for(held.pid))
            .cloned()
            .collect();
        self.trainers.count_devices(&mut gpu_procs, &gpu_look.infos);
        let gpu_pids = gpu_procs.iter().map(|held| held.pid).collect();
        if self.watched.as_ref().is_none_or(|before| !Arc::ptr_eq(&found, before)) {
            self.loaders.watch(&found.descendants);
            self.groups = self.groups_of(&found);
            self.watched = Some(Arc::clone(&found));
        }
        let mut loader_look = self.loaders.look();
        let looks = (loader_look.looks, loader_look.cost_cpu_seconds);
        if let Some(elsewhere) = &mut self.elsewhere {
            elsewhere.improve(&found.trainers, &mut loader_look);
        }
        let mut recorded = recorded_pids(&found, &gpu_pids, &busiest);
        recorded.extend(&servers.pids);
        self.procs.watch(&recorded);
        let mut sample = Sample {
            gpus: gpu_look.samples.clone(),
            gpu_procs,
            loaders: loader_look.samples,
            workers: loader_look.workers,
            servers: servers.samples,
            latencies: servers.latencies,
            procs: self.procs.sample(recorded.iter().copied()),
            ..sample
        };
        sample.host.processes = Reading::Is(self.procs.table().len() as u64);
        self.read_own_cost(&gpu_look, looks, &mut sample);
        let groups: BTreeSet<&Box<str>> = self.groups.values().collect();
        sample.cgroups = self.cgroups.read(&groups.into_iter().cloned().collect::<Vec<_>>());
        let others = gpu_look.others.into_iter().map(|other| other.status);
        let told = [gpu_look.status].into_iter().chain(others);
        let told = told.chain([found.status.clone(), loader_look.status]);
        let runs = self.runs(&found, &gpu_look.infos);
        let inventory = Inventory {
            host: Arc::clone(&self.inventory.host),
            gpus: gpu_look.infos,
            disks: self.machine.disk_infos(),
            procs: self.proc_infos(&found, &recorded),
            runs,
            loaders: loader_look.infos,
            software: found.software.clone(),
            servers: servers.infos,
            sources: told.chain(servers.status).map(Arc::new).collect(),
        };
        if *self.inventory != inventory {
            self.inventory = Arc::new(inventory);
        }
        sample.inventory = Arc::clone(&self.inventory);
        sample.round();
        sample.dur_us = begun.elapsed().as_micros() as u64;
        self.seq += 1;
        sample
    }

    /// The jobs, with the GPUs that they were given.
    fn runs(&self, found: &Found, gpus: &[Arc<GpuInfo>]) -> Vec<Arc<RunInfo>> {
        let runs = found.runs.iter().map(|run| match self.trainers.given(run, gpus) {
            Some(given) => Arc::new(RunInfo { given: Some(given), ..RunInfo::clone(run) }),
            None => Arc::clone(run),
        });
        runs.collect()
    }

    /// The control groups that bound the trainers.
    fn groups_of(&mut self, found: &Found) -> BTreeMap<Pid, Box<str>> {
        self.cgroups.forget();
        let groups = &mut self.cgroups;
        found.trainers.iter().filter_map(|pid| Some((*pid, groups.learn(*pid).ok()?))).collect()
    }

    fn look_at_gpus(&mut self, now: Instant) -> GpuLook {
        match &mut self.gpus {
            GpuFeed::Drivers(gpus) => gpus.look(now),
            GpuFeed::Simulated(gpu) => gpu.look(now),
        }
    }

    /// The process table in the shape that the search for trainers takes, and who uses most.
    fn scan(&mut self, mono_ms: u64) -> (Vec<ProcSeen>, Vec<Pid>) {
        let table = self.procs.scan_after(self.machine.started(), mono_ms);
        let seen = table.iter().map(seen).collect();
        (seen, self.procs.busiest(BUSIEST))
    }

    fn read_own_cost(&mut self, look: &GpuLook, looks: (u64, f64), sample: &mut Sample) {
        let mut own = vec![Pid(std::process::id())];
        own.extend(look.collector);
        own.extend(look.others.iter().filter_map(|other| other.collector));
        let cost = self.procs.own_cost(&own);
        sample.host.mltop_cpu_seconds_total = cost.cpu_seconds;
        sample.host.mltop_pss_bytes = cost.pss_bytes;
        sample.host.mltop_looks_total = Reading::Is(looks.0);
        sample.host.mltop_looks_cpu_seconds_total = Reading::Is(looks.1);
        sample.own = self.procs.own_rows(&own);
    }

    /// Names of the recorded processes: from the search for trainers where it knows them, else what
    /// the process table tells.
    fn proc_infos(&self, found: &Found, recorded: &BTreeSet<Pid>) -> BTreeMap<Pid, Arc<ProcInfo>> {
        let before = &self.inventory.procs;
        recorded
            .iter()
            .filter_map(|&pid| {
                if let Some(info) = found.infos.get(&pid) {
                    return Some((pid, self.in_its_group(info, before.get(&pid))));
                }
                let stat = self.procs.table().get(pid)?;
                let same = before.get(&pid).filter(|info| {
                    info.start_ticks == stat.start_ticks
                        && info.role == Role::Other
                        && info.name == stat.name
                        && info.parent == stat.parent
                });
                Some((pid, same.cloned().unwrap_or_else(|| Arc::new(self.plain_info(stat)))))
            })
            .collect()
    }

    /// A trainer's facts with the name of its control group as the limits have it.
    fn in_its_group(&self, info: &Arc<ProcInfo>, before: Option<&Arc<ProcInfo>>) -> Arc<ProcInfo> {
        let group = self.groups.get(&info.pid).or(info.cgroup.as_ref());
        if info.cgroup.as_ref() == group {
            return Arc::clone(info);
        }
        let placed = ProcInfo { cgroup: group.cloned(), ..ProcInfo::clone(info) };
        match before {
            Some(before) if **before == placed => Arc::clone(before),
            _ => Arc::new(placed),
        }
    }

    /// What is told of a process without looking into it. Its command line is not among that: reading
    /// it waits for a process that the kernel holds.
    fn plain_info(&self, stat: &ProcStat) -> ProcInfo {
        let since_boot_ms = stat.start_ticks * 1000 / self.ticks_per_second;
        let folder = self.roots.proc.join(stat.pid.to_string());
        let owner = std::fs::metadata(folder).map(|data| data.uid());
        let cgroup = cgroup_of(&self.roots, stat.pid).ok();
        ProcInfo {
            pid: stat.pid,
            parent: stat.parent,
            start_ticks: stat.start_ticks,
            start_ms: Some(self.boot_unix_ms + since_boot_ms as i64),
            name: stat.name.clone(),
            command: Box::default(),
            user: owner.map(|uid| self.trainers.user(uid)).unwrap_or_default(),
            role: Role::Other,
            run: None,
            rank: None,
            container: cgroup.as_deref().and_then(container_of),
            cgroup,
        }
    }

    fn abandon(self) {
        if let GpuFeed::Drivers(gpus) = self.gpus {
            gpus.abandon();
        }
    }
}

/// A row of the process table in the shape that the search for trainers takes.
pub(crate) fn seen(stat: &ProcStat) -> ProcSeen {
    ProcSeen {
        pid: stat.pid,
        parent: stat.parent,
        name: stat.name.clone(),
        start_ticks: stat.start_ticks,
    }
}

/// The recorded processes: on a GPU, of a training job, and those that use most.
fn recorded_pids(found: &Found, gpu_pids: &BTreeSet<Pid>, busiest: &[Pid]) -> BTreeSet<Pid> {
    let of_training = |info: &&Arc<ProcInfo>| info.role != Role::Other;
    let mut pids: BTreeSet<Pid> =
        found.infos.values().filter(of_training).map(|info| info.pid).collect();
    pids.extend(gpu_pids);
    pids.extend(busiest);
    pids
}

/// Who was found below `/proc` to have a card open: all on Intel's, and those that draw on AMD's, whose
/// compute driver numbers its processes as the host does.
fn listed(look: &GpuLook) -> BTreeSet<Pid> {
    look.procs.iter().filter(|held| is_client(look, held)).map(|held| held.pid).collect()
}

fn is_client(look: &GpuLook, held: &GpuProcSample) -> bool {
    let amd = |info: &&Arc<GpuInfo>| info.gpu == held.gpu && info.maker() == Maker::Amd;
    let draws = held.kind == Reading::Is(GpuProcKind::Graphics);
    look.by_clients(held.gpu) || draws && look.infos.iter().any(|info| amd(&info))
}

/// Who computes on a GPU. Of cards that every desktop opens, and whose clients the kernel lists one and
/// all, those that only draw are none.
fn computing(look: &GpuLook) -> BTreeSet<Pid> {
    let draws = |held: &&GpuProcSample| held.kind == Reading::Is(GpuProcKind::Graphics);
    // Also where the card is late: what is known of it then has no source any more.
    let held = look.procs.iter().filter(|held| !(draws(held) && is_client(look, held)));
    held.map(|held| held.pid).collect()
}

/// The moment on both clocks.
pub fn now() -> Stamp {
    let millis = |clock| {
        let time = clock_gettime(clock);
        time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    };
    Stamp { unix_ms: millis(ClockId::Realtime), mono_ms: millis(ClockId::Boottime) as u64 }
}

/// A status of a source without trouble.
pub fn fine(source: &str) -> SourceStatus {
    SourceStatus {
        source: source.into(),
        state: crate::model::inventory::SourceState::Ok,
        message: Box::default(),
        remedy: Box::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample::GpuSample;
    use crate::model::{Gap, GpuId};

    #[test]
    fn who_only_draws_computes_on_no_card_that_every_desktop_opens_even_while_that_is_late() {
        let gpu = GpuId(0);
        let held = |pid, kind| GpuProcSample {
            gpu,
            pid: Pid(pid),
            memory_used_bytes: Reading::Not(Gap::Late),
            kind: Reading::Is(kind),
            sm_ratio: Reading::Not(Gap::Late),
            ..GpuProcSample::default()
        };
        let look = |driver: &str| GpuLook {
            infos: vec![Arc::new(GpuInfo { gpu, driver: driver.into(), ..GpuInfo::default() })],
            samples: vec![GpuSample::blank(gpu, Gap::Late)],
            procs: vec![held(7, GpuProcKind::Graphics), held(8, GpuProcKind::Compute)],
            status: fine("drm"),
            collector: None,
            others: Vec::new(),
        };
        assert_eq!(computing(&look("xe")), BTreeSet::from([Pid(8)]));
        assert_eq!(computing(&look("amdgpu")), BTreeSet::from([Pid(8)]));
        // Whom AMD's compute driver names may be another process here.
        assert_eq!(listed(&look("amdgpu")), BTreeSet::from([Pid(7)]));
        assert_eq!(listed(&look("xe")), BTreeSet::from([Pid(7), Pid(8)]));
        // NVIDIA's driver tells by itself who works on a card.
        assert_eq!(computing(&look("570.86")), BTreeSet::from([Pid(7), Pid(8)]));
    }

    #[test]
    fn the_two_clocks_are_read_in_milliseconds() {
        let a = now();
        let b = now();
        assert!(b.mono_ms >= a.mono_ms);
        assert!(a.unix_ms > 1_600_000_000_000);
    }
}
