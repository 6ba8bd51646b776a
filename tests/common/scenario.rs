//! A training box as a model: workers with service times, a loop with step times, a GPU behind the
//! filter of one second that NVML has. Deterministic; it hands out the frames that mltop would see.

use std::collections::VecDeque;
use std::sync::Arc;

use mltop::diagnose::{Change, Engine};
use mltop::model::frame::{CgroupRates, DiskRates, LoaderRates, ProcRates};
use mltop::model::inventory::{LoaderInfo, ProcInfo, Role, RunInfo, Storage};
use mltop::model::sample::{CgroupSample, DiskSample, GpuProcSample, GpuSample, ProcSample};
use mltop::model::{Frame, Gap, GpuId, Inventory, LoaderId, Pid, Reading, RunId, Sample, Stamp};

#[path = "scenario_parts.rs"]
mod parts;

use parts::{DT, Phase};
pub(crate) use parts::{Load, Loader, Rank};

pub(crate) const START_MS: i64 = 1_790_000_000_000;

/// The box.
pub(crate) struct Scenario {
    pub(crate) ranks: Vec<Rank>,
    pub(crate) name: &'static str,
    pub(crate) cpus: f64,
    pub(crate) background_cpu: f64,
    /// Disk: seconds a read, requests in flight, bytes a batch.
    pub(crate) disk: (f64, f64, f64),
    /// Lowest read limit of the run's control group.
    pub(crate) read_limit: Option<u64>,
    /// CPU quota of the run's control group, in cores.
    pub(crate) cpu_quota: Option<f64>,
    /// No GPU in the box.
    pub(crate) no_gpu: bool,
    /// Columns that may not be read.
    pub(crate) denied: &'static [&'static str],
    pub(crate) storage: Storage,
    /// Age of the processes when mltop starts, in seconds.
    pub(crate) age: i64,
    pub(crate) gpu_bytes: (u64, u64),
    pub(crate) sm_of_busy: Option<f64>,
    pub(crate) now: f64,
    seed: u64,
    next_pid: u32,
    seq: u64,
    batches: u64,
}

impl Scenario {
    /// A lone trainer with a loader of `workers` × 2.
    pub(crate) fn new(workers: usize, load: Load, step: f64) -> Self {
        let mut scenario = Self {
            ranks: Vec::new(),
            name: "train.py",
            cpus: 64.0,
            background_cpu: 1.0,
            disk: (0.0004, 1.0, 10e6),
            read_limit: None,
            cpu_quota: None,
            no_gpu: false,
            denied: &[],
            storage: Storage {
                mount: "/data".into(),
                filesystem: "ext4".into(),
                disk: Some("nvme1n1".into()),
                remote: false,
            },
            age: 3600,
            gpu_bytes: (30 << 30, 80 << 30),
            sm_of_busy: None,
            now: 100.0,
            seed: 0x9e37_79b9_7f4a_7c15,
            next_pid: 4000,
            seq: 0,
            batches: 0,
        };
        scenario.add_rank(workers, load, step);
        scenario
    }

    pub(crate) fn add_rank(&mut self, workers: usize, load: Load, step: f64) {
        self.next_pid += 100;
        let pid = Pid(self.next_pid);
        let gpu = GpuId(self.ranks.len() as u32);
        self.ranks.push(Rank {
            pid,
            gpu,
            loaders: Vec::new(),
            active: 0,
            step,
            step_jitter: 0.1,
            long_step: None,
            never_idle: false,
            pause: (0.0, 0.0),
            phase: Phase::Wait,
            steps: 0,
            busy: VecDeque::new(),
        });
        let rank = self.ranks.len() - 1;
        self.add_loader(rank, workers, load);
    }

    /// Adds a loader with fresh workers, and returns its place.
    pub(crate) fn add_loader(&mut self, rank: usize, workers: usize, load: Load) -> usize {
        let id = self.ranks.iter().map(|rank| rank.loaders.len()).sum::<usize>() as u32 + 1;
        let pid = self.ranks[rank].pid;
        let pids = (0..workers).map(|_| self.new_pid()).collect();
        let info = LoaderInfo {
            loader: LoaderId(id + rank as u32 * 1000),
            pid,
            kind: "pytorch".into(),
            workers: pids,
            storage: vec![self.storage.clone()],
            why_not_better: "".into(),
            ..LoaderInfo::default()
        };
        self.ranks[rank].loaders.push(Loader::new(info, load));
        self.ranks[rank].loaders.len() - 1
    }

    /// A new epoch without persistent workers: a new iterator, new workers, an empty queue.
    pub(crate) fn respawn(&mut self, rank: usize) {
        let old = self.ranks[rank].active;
        let (workers, load) = {
            let loader = &self.ranks[rank].loaders[old];
            (loader.info.workers.len(), loader.load)
        };
        self.ranks[rank].active = self.add_loader(rank, workers, load);
        self.ranks[rank].phase = Phase::Wait;
    }

    pub(crate) fn load_mut(&mut self, rank: usize) -> &mut Load {
        let rank = &mut self.ranks[rank];
        &mut rank.loaders[rank.active].load
    }

    fn new_pid(&mut self) -> Pid {
        self.next_pid += 1;
        Pid(self.next_pid)
    }

    fn random(&mut self) -> f64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Runs for so many seconds, one frame a second, and gives all changes with their second.
    pub(crate) fn run(&mut self, engine: &mut Engine, seconds: u32) -> Vec<(f64, Change)> {
        let begin = self.now;
        let mut changes = Vec::new();
        for _ in 0..seconds {
            let frame = self.tick();
            let at = self.now - begin;
            changes.extend(engine.step(&frame).into_iter().map(|change| (at, change)));
        }
        changes
    }

    /// One second of the model, and what mltop sees of it.
    pub(crate) fn tick(&mut self) -> Frame {
        self.batches = 0;
        let mut run_time = 0.0;
        for rank in &mut self.ranks {
            for loader in &mut rank.loaders {
                loader.ready = (u64::MAX, 0);
            }
        }
        for at in 0..100 {
            for rank in 0..self.ranks.len() {
                run_time += self.advance(rank);
            }
            self.barrier();
            if at % 2 == 0 {
                self.ranks.iter_mut().for_each(Rank::look);
            }
            self.now += DT;
        }
        self.seq += 1;
        self.frame(run_time)
    }

    /// Moves one rank by `DT`; gives the CPU seconds that its workers used.
    fn advance(&mut self, index: usize) -> f64 {
        let mut used = 0.0;
        let active = self.ranks[index].active;
        for at in 0..self.ranks[index].loaders.len() {
            let random: Vec<f64> =
                (0..self.ranks[index].loaders[at].busy.len()).map(|_| self.random()).collect();
            let (cpu, batches) = self.ranks[index].loaders[at].work(&random, at == active);
            used += cpu;
            self.batches += batches;
        }
        let jitter = self.random().mul_add(2.0, -1.0);
        let alone = self.ranks.len() == 1;
        self.ranks[index].advance(jitter, alone);
        used
    }

    fn barrier(&mut self) {
        if self.ranks.len() > 1 && self.ranks.iter().all(|rank| rank.phase == Phase::Barrier) {
            self.ranks.iter_mut().for_each(|rank| rank.phase = Phase::Wait);
        }
    }

    fn frame(&self, run_time: f64) -> Frame {
        let unix_ms = START_MS + (self.now * 1e3) as i64;
        let stamp = Stamp { unix_ms, mono_ms: (self.now * 1e3) as u64 };
        let mut sample = Sample {
            seq: self.seq,
            stamp,
            inventory: Arc::new(self.inventory()),
            ..Sample::default()
        };
        let mut frame = Frame { span_seconds: (self.seq > 1).then_some(1.0), ..Frame::default() };
        sample.host.cpu_count = Reading::Is(self.cpus as u64);
        let cores = run_time + self.background_cpu;
        frame.host.cpu_ratio = self.reading("cpu_ratio", (cores / self.cpus).min(1.0));
        self.disks_and_groups(run_time, &mut sample, &mut frame);
        for rank in &self.ranks {
            self.rank_rows(rank, &mut sample, &mut frame);
        }
        frame.sample = Arc::new(sample);
        frame
    }

    pub(crate) fn reading<T>(&self, column: &str, value: T) -> Reading<T> {
        let denied = self.denied.iter().any(|name| column.contains(name));
        if denied { Reading::Not(Gap::Denied) } else { Reading::Is(value) }
    }

    fn disks_and_groups(&self, cores: f64, sample: &mut Sample, frame: &mut Frame) {
        let read = self.batches as f64 * self.disk.2;
        sample.disks.push(DiskSample { disk: "nvme1n1".into(), ..DiskSample::default() });
        frame.disks.push(DiskRates {
            disk: "nvme1n1".into(),
            read_bytes_per_second: self.reading("disk_read", read),
            reads_per_second: self.reading("disk_read", read / 128e3),
            read_await_seconds: self.reading("read_await", self.disk.0),
            queue: self.reading("disk_queue", self.disk.1),
            busy_ratio: self.reading("busy", 0.98),
            ..DiskRates::default()
        });
        sample.cgroups.push(CgroupSample {
            cgroup: "/job".into(),
            cpu_limit_cores: Reading::from_option(self.cpu_quota, Gap::NotApplicable),
            io_read_limit_bytes_per_second: Reading::from_option(
                self.read_limit,
                Gap::NotApplicable,
            ),
            ..CgroupSample::default()
        });
        frame.cgroups.push(CgroupRates {
            cgroup: "/job".into(),
            cpu_cores: Reading::Is(cores),
            ..CgroupRates::default()
        });
    }

    fn rank_rows(&self, rank: &Rank, sample: &mut Sample, frame: &mut Frame) {
        let active = &rank.loaders[rank.active];
        let workers = active.info.workers.len().max(1) as f64;
        let read = self.batches as f64 * self.disk.2 / workers / self.ranks.len() as f64;
        for pid in active.info.workers.iter().chain([&rank.pid]) {
            sample.procs.push(ProcSample { pid: *pid, ..ProcSample::default() });
            let trainer = *pid == rank.pid;
            let write = if trainer && rank.pause.0 > 0.0 { rank.pause.1 } else { 0.0 };
            frame.procs.push(ProcRates {
                pid: *pid,
                read_bytes_per_second: self.reading("read_bytes", if trainer { 0.0 } else { read }),
                write_bytes_per_second: self.reading("write_bytes", write),
                ..ProcRates::default()
            });
        }
        for loader in &rank.loaders {
            sample.loaders.push(loader.sample(self));
            frame.loaders.push(LoaderRates {
                pid: rank.pid,
                loader: loader.info.loader,
                ..LoaderRates::default()
            });
        }
        if self.no_gpu {
            return;
        }
        let busy = rank.busy.iter().filter(|busy| **busy).count() as f64;
        let util = busy / rank.busy.len().max(1) as f64;
        let not = Reading::Not(Gap::Unsupported);
        sample.gpus.push(GpuSample {
            gpu: rank.gpu,
            utilization_ratio: self.reading("utilization", util),
            sm_active_ratio: self.sm_of_busy.map_or(not, |sm| Reading::Is(sm * util)),
            power_watts: Reading::Is(200.0_f64.mul_add(util, 70.0)),
            power_limit_watts: Reading::Is(700.0),
            memory_used_bytes: Reading::Is(self.gpu_bytes.0),
            memory_total_bytes: Reading::Is(self.gpu_bytes.1),
            ..GpuSample::default()
        });
        sample.gpu_procs.push(GpuProcSample {
            gpu: rank.gpu,
            pid: rank.pid,
            memory_used_bytes: Reading::Is(self.gpu_bytes.0),
            ..GpuProcSample::default()
        });
    }

    fn inventory(&self) -> Inventory {
        let mut inventory = Inventory::default();
        let trainers: Vec<Pid> = self.ranks.iter().map(|rank| rank.pid).collect();
        inventory.runs.push(Arc::new(RunInfo {
            run: RunId(1),
            name: self.name.into(),
            trainers,
            ..RunInfo::default()
        }));
        for (index, rank) in self.ranks.iter().enumerate() {
            let loaders = rank.loaders.iter().map(|loader| &loader.info);
            inventory.loaders.extend(loaders.clone().map(|info| Arc::new(info.clone())));
            let workers = loaders.flat_map(|info| info.workers.iter().copied());
            for pid in workers.chain([rank.pid]) {
                inventory.procs.insert(pid, Arc::new(self.process(pid, rank.pid, index)));
            }
        }
        inventory
    }

    fn process(&self, pid: Pid, trainer: Pid, rank: usize) -> ProcInfo {
        ProcInfo {
            pid,
            parent: Pid(1),
            start_ticks: 1,
            start_ms: Some(START_MS + 100_000 - self.age * 1000),
            name: "python".into(),
            command: "".into(),
            user: "".into(),
            role: if pid == trainer { Role::Trainer } else { Role::Worker },
            run: Some(RunId(1)),
            rank: Some(rank as u32),
            cgroup: Some("/job/step".into()),
            container: None,
        }
    }
}
