//! The simulated box: raw samples, as the program would read them.

use std::sync::Arc;

use mltop::model::inventory::{
    DiskInfo, GpuInfo, HostInfo, LoaderInfo, ProcInfo, Role, RunInfo, Storage,
};
use mltop::model::sample::{
    CgroupSample, DiskSample, GpuProcSample, GpuSample, HostSample, LoaderSample, ProcSample,
};
use mltop::model::{Gap, GpuId, Inventory, LoaderId, Pid, Reading, RunId, Sample, Stamp};

use crate::dice::Dice;
use crate::load::{Act, Plan};
use crate::looks::{Counts, Looks};
use crate::pipe::EVAL_WORKERS;
use crate::trainer::{Doing, Trainer};

pub(crate) const START_MS: i64 = 1_790_000_000_000;
const MEMORY: u64 = 80 << 30;

/// What one training added up so far.
#[derive(Clone, Debug, Default)]
struct Totals {
    worker_cpu: f64,
    worker_queued: f64,
    main_cpu: f64,
    batches: usize,
    read: f64,
    returned: f64,
    calls: f64,
    requests: f64,
    written: f64,
    energy: f64,
    respawns: usize,
}

struct Rank {
    trainer: Trainer,
    looks: Looks,
    pids: u32,
    totals: Totals,
}

/// What the box added up.
#[derive(Clone, Debug, Default)]
struct Shared {
    used: f64,
    idle: f64,
    job: f64,
    /// Of that, what is in `used`.
    counted: f64,
    throttled: f64,
    periods: f64,
    throttled_periods: f64,
    refaults: f64,
    read_seconds: f64,
    busy: f64,
    queue: f64,
    psi_cpu: f64,
    psi_io: f64,
}

/// A box with lone trainings, one for each plan.
pub(crate) struct Machine {
    ranks: Vec<Rank>,
    shared: Shared,
    inventory: Arc<Inventory>,
    dice: Dice,
    interval: f64,
    seq: u64,
    at: f64,
}

impl Machine {
    pub(crate) fn new(plans: Vec<Plan>, interval: f64) -> Self {
        let seed = plans.first().map_or(0, |plan| plan.seed);
        let ranks = (0..).zip(plans).map(|(index, plan)| {
            let trainer = Trainer::new(plan);
            let looks = Looks::new(&trainer);
            Rank { trainer, looks, pids: 4000 + 1000 * index, totals: Totals::default() }
        });
        let mut machine = Self {
            ranks: ranks.collect(),
            shared: Shared::default(),
            inventory: Arc::default(),
            dice: Dice::seeded(seed ^ 0xb0c5),
            interval,
            seq: 0,
            at: 0.0,
        };
        machine.inventory = Arc::new(machine.names());
        machine
    }

    /// The loop of the first training.
    pub(crate) fn trainer(&self) -> &Trainer {
        &self.ranks[0].trainer
    }

    /// Seconds since the begin.
    pub(crate) fn now(&self) -> f64 {
        self.at
    }

    /// The next tick; `None` where it is lost.
    pub(crate) fn tick(&mut self) -> Option<Sample> {
        self.seq += 1;
        let late = self.dice.between(0.0, 0.05 * self.interval);
        let at = self.seq as f64 * self.interval + late;
        let span = at - self.at;
        self.at = at;
        let mut respawned = false;
        let mut shared = std::mem::take(&mut self.shared);
        for rank in &mut self.ranks {
            respawned |= rank.add(at, span, &mut shared);
        }
        self.shared = shared;
        if respawned {
            self.inventory = Arc::new(self.names());
        }
        self.add(span);
        let lost = self.plan().lost;
        (!self.dice.chance(lost)).then(|| self.sample())
    }

    fn plan(&self) -> &Plan {
        &self.ranks[0].trainer.plan
    }

    /// What all of the box shares.
    fn add(&mut self, span: f64) {
        let plan = &self.ranks[0].trainer.plan;
        let load = plan.at(self.at).load;
        let cores = plan.cores;
        let shared = &mut self.shared;
        let job = shared.job - shared.counted;
        shared.counted = shared.job;
        let used = (job + load.others * span).min(cores * span);
        shared.used += used;
        shared.idle += cores * span - used;
        let busy = (shared.job / self.at.max(1.0)).max(0.1);
        let share = load.throttled;
        shared.throttled += span * share.max(share / (1.0 - share).max(0.1) * busy);
        shared.periods += span * 10.0;
        shared.throttled_periods += span * 10.0 * (2.0 * share).min(1.0);
        shared.psi_cpu += span * load.parts.queue.min(1.0);
        shared.psi_io += span * (load.parts.disk + load.parts.net).min(1.0);
        shared.queue += span * load.reads.queue;
        shared.busy += span * load.reads.queue.min(0.98);
    }

    fn sample(&mut self) -> Sample {
        let at = self.at;
        let stamp =
            Stamp { unix_ms: START_MS + (at * 1e3) as i64, mono_ms: 100_000 + (at * 1e3) as u64 };
        let inventory = Arc::clone(&self.inventory);
        let mut sample = Sample { seq: self.seq, stamp, inventory, ..Sample::default() };
        sample.host = self.host();
        sample.cgroups.push(self.group());
        sample.disks.push(self.disk());
        let noise = self.dice.between(-0.01, 0.01);
        let lag = self.dice.between(0.0, 1.0 / 6.0);
        for (index, rank) in (0..).zip(&self.ranks) {
            rank.rows(index, at, (lag, noise), &mut sample);
        }
        sample
    }

    fn host(&self) -> HostSample {
        let shared = &self.shared;
        HostSample {
            cpu_count: Reading::Is(self.plan().cores as u64),
            cpu_user_seconds_total: Reading::Is(shared.used * 0.9),
            cpu_system_seconds_total: Reading::Is(shared.used * 0.1),
            cpu_idle_seconds_total: Reading::Is(shared.idle),
            cpu_iowait_seconds_total: Reading::Is(0.0),
            cpu_steal_seconds_total: Reading::Is(0.0),
            load1: Reading::Is(2.0),
            runnable: Reading::Is(2),
            memory_total_bytes: Reading::Is(512 << 30),
            memory_available_bytes: Reading::Is(300 << 30),
            memory_cached_bytes: Reading::Is(100 << 30),
            swap_total_bytes: Reading::Is(0),
            swap_free_bytes: Reading::Is(0),
            shm_used_bytes: Reading::Is(1 << 30),
            shm_size_bytes: Reading::Is(256 << 30),
            major_faults_total: Reading::Is(0),
            swap_in_pages_total: Reading::Is(0),
            refault_file_pages_total: Reading::Is(shared.refaults as u64),
            psi_cpu_some_seconds_total: Reading::Is(shared.psi_cpu),
            psi_io_some_seconds_total: Reading::Is(shared.psi_io),
            psi_io_full_seconds_total: Reading::Is(shared.psi_io / 2.0),
            psi_memory_some_seconds_total: Reading::Is(0.0),
            psi_memory_full_seconds_total: Reading::Is(0.0),
            processes: Reading::Is(400),
            ..HostSample::default()
        }
    }

    fn group(&self) -> CgroupSample {
        let (plan, shared) = (self.plan(), &self.shared);
        let limit = |value| Reading::from_option(value, Gap::NotApplicable);
        let memory = plan.memory_limit;
        CgroupSample {
            cgroup: "/job".into(),
            cpu_limit_cores: Reading::from_option(plan.quota, Gap::NotApplicable),
            cpuset_cores: Reading::Is(plan.cores as u64),
            cpu_usage_seconds_total: Reading::Is(shared.job),
            periods_total: limit(plan.quota.map(|_| shared.periods as u64)),
            throttled_periods_total: limit(plan.quota.map(|_| shared.throttled_periods as u64)),
            throttled_seconds_total: Reading::Is(shared.throttled),
            memory_limit_bytes: limit(memory),
            memory_current_bytes: Reading::Is(memory.map_or(40 << 30, |most| most / 100 * 99)),
            memory_file_bytes: Reading::Is(memory.map_or(30 << 30, |most| most / 2)),
            refault_file_pages_total: Reading::Is(shared.refaults as u64),
            io_read_limit_bytes_per_second: limit(plan.read_limit),
        }
    }

    fn disk(&self) -> DiskSample {
        let sum = |of: fn(&Totals) -> f64| self.ranks.iter().map(|rank| of(&rank.totals)).sum();
        let (read, requests): (f64, f64) = (sum(|t| t.read), sum(|t| t.requests));
        DiskSample {
            disk: "nvme1n1".into(),
            reads_total: Reading::Is(requests as u64),
            read_bytes_total: Reading::Is(read as u64),
            read_seconds_total: Reading::Is(self.shared.read_seconds),
            writes_total: Reading::Is(0),
            write_bytes_total: Reading::Is(0),
            write_seconds_total: Reading::Is(0.0),
            in_flight: Reading::Is(0),
            busy_seconds_total: Reading::Is(self.shared.busy),
            queue_seconds_total: Reading::Is(self.shared.queue),
        }
    }

    fn names(&self) -> Inventory {
        let host = HostInfo {
            name: "lab".into(),
            cpu_count: self.plan().cores as u32,
            memory_bytes: 512 << 30,
            boot_id: "lab".into(),
            ..HostInfo::default()
        };
        let mut names = Inventory { host: Arc::new(host), ..Inventory::default() };
        names.disks = vec![Arc::new(DiskInfo { disk: "nvme1n1".into(), ..DiskInfo::default() })];
        for (index, rank) in (0..).zip(&self.ranks) {
            rank.names(index, &mut names);
        }
        names
    }
}

impl Rank {
    /// Adds up to a moment what the training did. True where its workers are new ones.
    fn add(&mut self, at: f64, span: f64, shared: &mut Shared) -> bool {
        self.looks.until(&mut self.trainer, at);
        let load = self.trainer.plan.at(at).load;
        let totals = &mut self.totals;
        let counts = self.looks.counts.iter().map(Counts::on_cpu);
        let (run, queued) = counts.fold((0, 0), |sum, each| (sum.0 + each.0, sum.1 + each.1));
        let cpu = run as f64 / 100.0;
        shared.job += cpu - totals.worker_cpu;
        (totals.worker_cpu, totals.worker_queued) = (cpu, queued as f64 / 100.0);
        let main = self.looks.main as f64 / 100.0;
        shared.job += (main - totals.main_cpu).max(0.0);
        totals.main_cpu = main;
        let taken: usize = self.trainer.taken.iter().map(|all| before(all, at)).sum();
        let batches = taken.saturating_sub(totals.batches) as f64;
        totals.batches = taken;
        let reads = load.reads;
        let missed = batches * reads.bytes * reads.missed;
        totals.read += missed;
        totals.returned += batches * reads.bytes;
        totals.calls += batches * reads.calls;
        totals.requests += missed / reads.request;
        shared.read_seconds += missed / reads.request * reads.wait;
        shared.refaults += missed / 4096.0 * reads.refaults;
        let (doing, _) = self.trainer.doing(at);
        if let Act::Checkpoint { rate, .. } = self.trainer.plan.at(at).act
            && doing == Doing::Writes
        {
            totals.written += rate * span;
        }
        totals.energy += span * self.trainer.utilization(at).mul_add(480.0, 90.0);
        let respawns = before(&self.trainer.respawns, at);
        std::mem::replace(&mut totals.respawns, respawns) != respawns
    }

    fn workers(&self, loader: usize) -> Vec<Pid> {
        let count = if loader == 0 { self.trainer.plan.workers } else { EVAL_WORKERS };
        let first = if loader == 0 { 10 + self.totals.respawns * count } else { 900 };
        (0..count).map(|worker| Pid(self.pids + (first + worker) as u32 % 990 + 1)).collect()
    }

    fn rows(&self, index: u32, at: f64, (lag, noise): (f64, f64), sample: &mut Sample) {
        let trainer = Pid(self.pids);
        let util = (self.trainer.utilization(at - lag) + noise).clamp(0.0, 1.0);
        sample.gpus.push(gpu(index, (util * 100.0).round() / 100.0, self.totals.energy));
        sample.gpu_procs.push(GpuProcSample {
            gpu: GpuId(index),
            pid: trainer,
            memory_used_bytes: Reading::Is(MEMORY / 4 * 3),
            ..GpuProcSample::default()
        });
        let totals = &self.totals;
        sample.procs.push(ProcSample {
            pid: trainer,
            cpu_seconds_total: Reading::Is(totals.main_cpu),
            main_cpu_seconds_total: Reading::Is(totals.main_cpu),
            run_delay_seconds_total: Reading::Is(0.0),
            read_bytes_total: Reading::Is(0),
            read_chars_total: Reading::Is(0),
            read_calls_total: Reading::Is(0),
            write_bytes_total: Reading::Is(totals.written as u64),
            major_faults_total: Reading::Is(0),
            rss_bytes: Reading::Is(8 << 30),
            threads: Reading::Is(40),
            ..ProcSample::default()
        });
        for (loader, counts) in self.looks.counts.iter().enumerate() {
            let workers = self.workers(loader);
            let mut row = LoaderSample {
                pid: trainer,
                loader: LoaderId(index * 10 + loader as u32),
                steps_total: Reading::Is(before(&self.trainer.taken[loader], at) as u64),
                ..LoaderSample::default()
            };
            counts.fill(&mut row, workers.len() as u64, self.trainer.plan.prefetch as u64);
            self.main_thread(loader, at, &mut row);
            sample.loaders.push(row);
            let share = 1.0 / workers.len().max(1) as f64;
            let own = if loader == 0 { share } else { 0.0 };
            sample.procs.extend(workers.into_iter().map(|pid| worker(pid, totals, own)));
        }
    }

    /// What the stack of the main thread tells, and the place in the epoch.
    fn main_thread(&self, loader: usize, at: f64, row: &mut LoaderSample) {
        let plan = &self.trainer.plan;
        row.persistent = Reading::Is(self.trainer.respawns.is_empty());
        let respawns = before(&self.trainer.respawns, at) as u64;
        let workers = plan.workers as u64;
        row.worker_starts_total = Reading::Is((respawns + 1) * workers);
        let steps = row.steps_total.ok().unwrap_or_default();
        if loader > 0 {
            return;
        }
        row.main_samples_total = row.samples_total;
        row.main_compile_samples_total = Reading::Is(self.looks.compiling);
        row.main_checkpoint_samples_total = Reading::Is(0);
        row.main_validation_samples_total = Reading::Is(0);
        row.batch_size = Reading::Is(32);
        if let Some(batches) = plan.epoch {
            row.epoch_batches = Reading::Is(batches);
            row.position = Reading::Is(steps % batches);
            row.epochs_total = Reading::Is(steps / batches + 1);
        } else {
            row.epochs_total = Reading::Is(respawns + 1);
        }
    }

    fn names(&self, index: u32, names: &mut Inventory) {
        let trainer = Pid(self.pids);
        let plan = &self.trainer.plan;
        names.gpus.push(Arc::new(GpuInfo {
            gpu: GpuId(index),
            uuid: format!("GPU-{index}").into(),
            name: "NVIDIA H100 80GB HBM3".into(),
            driver: "570.86".into(),
            memory_bytes: Some(MEMORY),
            multiprocessors: Some(132),
            ..GpuInfo::default()
        }));
        names.runs.push(Arc::new(RunInfo {
            run: RunId(index + 1),
            name: "train.py".into(),
            trainers: vec![trainer],
            ..RunInfo::default()
        }));
        names.procs.insert(trainer, Arc::new(process(trainer, Role::Trainer, index)));
        for loader in 0..self.looks.counts.len() {
            let workers = self.workers(loader);
            for pid in &workers {
                names.procs.insert(*pid, Arc::new(process(*pid, Role::Worker, index)));
            }
            let storage = if plan.remote { ("nfs4", None) } else { ("ext4", Some("nvme1n1")) };
            names.loaders.push(Arc::new(LoaderInfo {
                loader: LoaderId(index * 10 + loader as u32),
                pid: trainer,
                kind: "pytorch".into(),
                workers,
                storage: vec![Storage {
                    mount: "/data".into(),
                    filesystem: storage.0.into(),
                    disk: storage.1.map(Into::into),
                    remote: plan.remote,
                }],
                ..LoaderInfo::default()
            }));
        }
    }
}

/// How many of these moments are over at `at`.
fn before(moments: &[f64], at: f64) -> usize {
    moments.partition_point(|moment| *moment <= at)
}

fn gpu(index: u32, util: f64, energy: f64) -> GpuSample {
    GpuSample {
        gpu: GpuId(index),
        utilization_ratio: Reading::Is(util),
        sm_active_ratio: Reading::Is(util * 0.8),
        sm_occupancy_ratio: Reading::Is(util * 0.4),
        tensor_active_ratio: Reading::Is(util * 0.5),
        dram_active_ratio: Reading::Is(util * 0.6),
        memory_used_bytes: Reading::Is(MEMORY / 4 * 3),
        memory_total_bytes: Reading::Is(MEMORY),
        power_watts: Reading::Is(util.mul_add(480.0, 90.0)),
        power_limit_watts: Reading::Is(700.0),
        energy_joules_total: Reading::Is(energy),
        temperature_celsius: Reading::Is(60.0),
        sm_clock_hertz: Reading::Is(1_900_000_000),
        sm_clock_max_hertz: Reading::Is(1_980_000_000),
        throttle_reasons: Reading::Is(0),
        pcie_link_gen: Reading::Is(5),
        pcie_link_width: Reading::Is(16),
        pcie_link_gen_max: Reading::Is(5),
        pcie_link_width_max: Reading::Is(16),
        pcie_rx_bytes_per_second: Reading::Is(util * 2e9),
        pcie_tx_bytes_per_second: Reading::Is(util * 1e8),
        age_seconds: Reading::Is(0.05),
        ..GpuSample::default()
    }
}

fn worker(pid: Pid, totals: &Totals, share: f64) -> ProcSample {
    ProcSample {
        pid,
        cpu_seconds_total: Reading::Is(totals.worker_cpu * share),
        run_delay_seconds_total: Reading::Is(totals.worker_queued * share),
        read_bytes_total: Reading::Is((totals.read * share) as u64),
        read_chars_total: Reading::Is((totals.returned * share) as u64),
        read_calls_total: Reading::Is((totals.calls * share) as u64),
        write_bytes_total: Reading::Is(0),
        major_faults_total: Reading::Is(0),
        rss_bytes: Reading::Is(1 << 30),
        threads: Reading::Is(2),
        ..ProcSample::default()
    }
}

fn process(pid: Pid, role: Role, index: u32) -> ProcInfo {
    ProcInfo {
        pid,
        parent: Pid(1),
        start_ticks: 1,
        start_ms: Some(START_MS),
        name: "python".into(),
        command: "python train.py".into(),
        user: "me".into(),
        role,
        run: Some(RunId(index + 1)),
        rank: None,
        cgroup: Some("/job/step".into()),
        container: None,
    }
}
