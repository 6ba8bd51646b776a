//! A box whose cards and ranks do what they are told, second by second: samples with counters, from which
//! the program itself derives the rates. For what no loader is needed to simulate.
#![allow(dead_code, reason = "each test uses its part")]

use std::sync::Arc;

use mltop::derive;
use mltop::diagnose::{Change, Engine, Settings};
use mltop::model::inventory::{GivenGpus, GpuInfo, LoaderInfo, ProcInfo, Role, RunInfo};
use mltop::model::sample::{GpuProcSample, GpuSample, LoaderSample, ProcSample};
use mltop::model::{
    Bound, Finding, Frame, Gap, GpuId, Inventory, LoaderId, Pid, Reading, Rule, RunId, Sample,
    Stamp,
};

pub(crate) const START_MS: i64 = 1_790_000_000_000;
const WORKERS: u32 = 8;

/// What a card does, as shares but where said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Card {
    pub(crate) util: f64,
    /// Activity by GPM; none on cards that have no such counters.
    pub(crate) sm: Option<f64>,
    pub(crate) tensor: f64,
    pub(crate) dram: f64,
    /// Power of its limit.
    pub(crate) power: f64,
    pub(crate) megahertz: u64,
    pub(crate) celsius: f64,
    /// NVML's reasons for the clock.
    pub(crate) bits: u64,
    /// Memory in use.
    pub(crate) memory: f64,
    /// Nobody holds memory of it.
    pub(crate) free: bool,
    /// Random ± of each share.
    pub(crate) noise: f64,
}

impl Card {
    /// An H100 in healthy training of a language model.
    pub(crate) const HEALTHY: Self = Self {
        util: 0.95,
        sm: Some(0.75),
        tensor: 0.40,
        dram: 0.35,
        power: 0.77,
        megahertz: 1755,
        celsius: 62.0,
        bits: 0x4,
        memory: 0.70,
        free: false,
        noise: 0.03,
    };
    /// A context, and nothing to do.
    pub(crate) const IDLE: Self = Self {
        util: 0.0,
        sm: Some(0.0),
        tensor: 0.0,
        dram: 0.0,
        power: 0.17,
        bits: 0x1,
        noise: 0.0,
        ..Self::HEALTHY
    };
    /// Waits in a collective: busy, and cool.
    pub(crate) const SPINS: Self = Self {
        util: 0.99,
        sm: Some(0.05),
        tensor: 0.0,
        dram: 0.01,
        power: 0.23,
        noise: 0.01,
        ..Self::HEALTHY
    };
    /// Nobody's.
    pub(crate) const FREE: Self = Self { power: 0.10, memory: 0.0, free: true, ..Self::IDLE };
}

/// What a rank does.
#[derive(Clone, Debug)]
pub(crate) struct Rank {
    pub(crate) card: Card,
    /// Share of time that the loop waits for data.
    pub(crate) blocked: f64,
    pub(crate) steps: f64,
    /// Bytes a second that the trainer writes.
    pub(crate) write: f64,
    /// The main thread is on a CPU at the look.
    pub(crate) main_runs: bool,
    /// Shares of the looks at its frames: collective, checkpoint, validation; none where they cannot be
    /// read.
    pub(crate) main: Option<[f64; 3]>,
    /// Memory that the process holds, where it is another than the card's.
    pub(crate) held: Option<f64>,
    /// Its loader is there.
    pub(crate) loader: bool,
    counts: [f64; 12],
}

/// The box.
pub(crate) struct Cards {
    pub(crate) ranks: Vec<Rank>,
    /// Cards beside those of the ranks.
    pub(crate) spare: Vec<Card>,
    pub(crate) product: &'static str,
    pub(crate) multiprocessors: Option<u32>,
    pub(crate) gibibytes: f64,
    pub(crate) watts: f64,
    /// What is held of cards beside that: by whom, of which card, as a share of it.
    pub(crate) held: Vec<(Pid, u32, f64)>,
    /// The GPUs that the run was given, where anything says so, and why that may not be right.
    pub(crate) given: Option<(&'static [u32], &'static str)>,
    pub(crate) kind: &'static str,
    pub(crate) world: Option<u32>,
    /// The age of the processes when they are first seen, in seconds.
    pub(crate) age: i64,
    pub(crate) denied: &'static [&'static str],
    pub(crate) now: u64,
    seq: u64,
    seed: u64,
    last: Option<Arc<Sample>>,
}

impl Default for Rank {
    fn default() -> Self {
        Self {
            card: Card::HEALTHY,
            blocked: 0.02,
            steps: 4.0,
            write: 0.0,
            main_runs: false,
            main: None,
            held: None,
            loader: true,
            counts: [0.0; 12],
        }
    }
}

impl Cards {
    /// So many ranks in healthy training, each on an H100 of its own.
    pub(crate) fn new(ranks: usize) -> Self {
        Self {
            ranks: (0..ranks).map(|_| Rank::default()).collect(),
            spare: Vec::new(),
            product: "NVIDIA H100 80GB HBM3",
            multiprocessors: Some(132),
            gibibytes: 79.6,
            watts: 700.0,
            held: Vec::new(),
            given: None,
            kind: "pytorch",
            world: None,
            age: 3600,
            denied: &[],
            now: 100,
            seq: 0,
            seed: 0x9e37_79b9_7f4a_7c15,
            last: None,
        }
    }

    pub(crate) fn each(&mut self, change: impl Fn(&mut Rank)) {
        self.ranks.iter_mut().for_each(change);
    }

    pub(crate) fn pid(rank: usize) -> Pid {
        Pid(4000 + 100 * rank as u32)
    }

    /// Uniform between −1 and 1.
    pub(crate) fn random(&mut self) -> f64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        ((self.seed >> 11) as f64 / (1_u64 << 53) as f64).mul_add(2.0, -1.0)
    }

    /// Runs for so many seconds, and gives what changed.
    pub(crate) fn run(&mut self, engine: &mut Engine, seconds: u64) -> Vec<Change> {
        (0..seconds).flat_map(|_| engine.step(&self.tick())).collect()
    }

    /// One second.
    pub(crate) fn tick(&mut self) -> Frame {
        self.now += 1;
        self.seq += 1;
        let stamp = Stamp { unix_ms: START_MS + self.now as i64 * 1000, mono_ms: self.now * 1000 };
        let inventory = Arc::new(self.inventory());
        let mut sample = Sample { seq: self.seq, stamp, inventory, ..Sample::default() };
        sample.host.cpu_count = Reading::Is(64);
        sample.host.cpu_user_seconds_total = Reading::Is(self.now as f64 * 10.0);
        sample.host.cpu_system_seconds_total = Reading::Is(0.0);
        sample.host.cpu_idle_seconds_total = Reading::Is(self.now as f64 * 54.0);
        sample.host.cpu_iowait_seconds_total = Reading::Is(0.0);
        for at in 0..self.ranks.len() {
            self.rank_rows(at, &mut sample);
        }
        for (pid, gpu, share) in self.held.clone() {
            sample.gpu_procs.push(GpuProcSample {
                gpu: GpuId(gpu),
                pid,
                memory_used_bytes: Reading::Is(self.bytes(share)),
                ..GpuProcSample::default()
            });
        }
        for at in 0..self.spare.len() {
            let row = self.gpu_row(self.ranks.len() + at, self.spare[at]);
            sample.gpus.push(row);
        }
        let sample = Arc::new(sample);
        let frame = derive::frame(self.last.as_deref(), Arc::clone(&sample));
        self.last = Some(sample);
        frame
    }

    fn reading<T>(&self, column: &str, value: T) -> Reading<T> {
        let denied = self.denied.contains(&column);
        if denied { Reading::Not(Gap::Denied) } else { Reading::Is(value) }
    }

    fn rank_rows(&mut self, at: usize, sample: &mut Sample) {
        let card = self.gpu_row(at, self.ranks[at].card);
        let held = self.ranks[at].held.unwrap_or(self.ranks[at].card.memory);
        if !self.ranks[at].card.free {
            sample.gpu_procs.push(GpuProcSample {
                gpu: GpuId(at as u32),
                pid: Self::pid(at),
                memory_used_bytes: Reading::Is(self.bytes(held)),
                ..GpuProcSample::default()
            });
        }
        sample.gpus.push(card);
        let rank = &mut self.ranks[at];
        let [collective, checkpoint, validation] = rank.main.unwrap_or_default();
        let added = [
            100.0,
            100.0 * rank.blocked,
            rank.steps,
            if rank.blocked > 0.05 { 0.0 } else { 1200.0 },
            100.0 * rank.blocked,
            f64::from(WORKERS) * 100.0 * if rank.blocked > 0.05 { 1.0 } else { 0.6 },
            f64::from(WORKERS) * 100.0 * if rank.blocked > 0.05 { 0.0 } else { 0.4 },
            if rank.main.is_some() { 100.0 } else { 0.0 },
            100.0 * collective,
            100.0 * checkpoint,
            100.0 * validation,
            rank.write,
        ];
        for (count, added) in rank.counts.iter_mut().zip(added) {
            *count += added;
        }
        let rank = self.ranks[at].clone();
        sample.procs.push(ProcSample {
            pid: Self::pid(at),
            cpu_seconds_total: Reading::Is(self.now as f64),
            read_bytes_total: Reading::Is(0),
            write_bytes_total: self.reading("write", rank.counts[11] as u64),
            ..ProcSample::default()
        });
        if rank.loader {
            let row = self.loader_row(at, &rank);
            sample.loaders.push(row);
        }
    }

    fn loader_row(&self, at: usize, rank: &Rank) -> LoaderSample {
        let count = |at: usize| Reading::Is(rank.counts[at].round() as u64);
        let main = |at: usize| {
            if rank.main.is_some() { count(at) } else { Reading::Not(Gap::Denied) }
        };
        LoaderSample {
            pid: Self::pid(at),
            loader: LoaderId(at as u32 + 1),
            workers: Reading::Is(u64::from(WORKERS)),
            prefetch_factor: Reading::Is(2),
            capacity: Reading::Is(16),
            ready: Reading::Is(if rank.blocked > 0.05 { 0 } else { 12 }),
            steps_total: count(2),
            wait_bound: Reading::Is(Bound::Exact),
            samples_total: count(0),
            ready_sum: count(3),
            empty_samples_total: count(4),
            wait_samples_total: self.reading("wait", rank.counts[1].round() as u64),
            delivery_samples_total: Reading::Is(0),
            wait_idle_samples_total: Reading::Is(0),
            wait_worker_samples_total: Reading::Is((8.0 * rank.counts[1]).round() as u64),
            worker_run_samples_total: count(5),
            worker_runq_samples_total: Reading::Is(0),
            worker_disk_samples_total: Reading::Is(0),
            worker_net_samples_total: Reading::Is(0),
            worker_idle_samples_total: count(6),
            worker_other_samples_total: Reading::Is(0),
            main_state: Reading::Is(if rank.main_runs { "running" } else { "poll" }.into()),
            main_samples_total: main(7),
            main_workers_samples_total: main(7).map(|_| 0),
            main_compile_samples_total: main(7).map(|_| 0),
            main_collective_samples_total: main(8),
            main_checkpoint_samples_total: main(9),
            main_validation_samples_total: main(10),
            ..LoaderSample::default()
        }
    }

    fn bytes(&self, share: f64) -> u64 {
        (share * self.gibibytes * f64::from(1 << 30)) as u64
    }

    fn gpu_row(&mut self, gpu: usize, card: Card) -> GpuSample {
        let noise = 1.0 + card.noise * self.random();
        let share = |value: f64| (value * noise).clamp(0.0, 1.0);
        let active = |value: f64| match card.sm {
            Some(_) => Reading::Is(share(value)),
            None => Reading::Not(Gap::Unsupported),
        };
        GpuSample {
            gpu: GpuId(gpu as u32),
            utilization_ratio: self.reading("utilization", share(card.util)),
            sm_active_ratio: active(card.sm.unwrap_or_default()),
            tensor_active_ratio: active(card.tensor),
            dram_active_ratio: active(card.dram),
            memory_used_bytes: Reading::Is(self.bytes(card.memory)),
            memory_total_bytes: Reading::Is(self.bytes(1.0)),
            power_watts: Reading::Is(share(card.power) * self.watts),
            power_limit_watts: Reading::Is(self.watts),
            temperature_celsius: Reading::Is(card.celsius),
            sm_clock_hertz: Reading::Is(card.megahertz * 1_000_000),
            throttle_reasons: Reading::Is(card.bits),
            age_seconds: Reading::Is(0.0),
            ..GpuSample::default()
        }
    }

    fn inventory(&self) -> Inventory {
        let mut inventory = Inventory::default();
        inventory.runs.push(Arc::new(RunInfo {
            run: RunId(1),
            name: "train.py".into(),
            trainers: (0..self.ranks.len()).map(Self::pid).collect(),
            given: self.given.map(|(gpus, doubt)| GivenGpus {
                gpus: gpus.iter().copied().map(GpuId).collect(),
                by: "CUDA_VISIBLE_DEVICES".into(),
                doubt: doubt.into(),
            }),
            world_size: self.world,
            ..RunInfo::default()
        }));
        for gpu in 0..self.ranks.len() + self.spare.len() {
            inventory.gpus.push(Arc::new(GpuInfo {
                gpu: GpuId(gpu as u32),
                uuid: format!("GPU-0000{gpu}").into(),
                name: self.product.into(),
                memory_bytes: Some(self.bytes(1.0)),
                multiprocessors: self.multiprocessors,
                ..GpuInfo::default()
            }));
        }
        for (at, rank) in self.ranks.iter().enumerate() {
            let pid = Self::pid(at);
            let workers: Vec<Pid> = (1..=WORKERS).map(|worker| Pid(pid.0 + worker)).collect();
            inventory.procs.insert(pid, Arc::new(self.process(pid, Role::Trainer, at)));
            for worker in &workers {
                inventory.procs.insert(*worker, Arc::new(self.process(*worker, Role::Worker, at)));
            }
            if rank.loader {
                inventory.loaders.push(Arc::new(LoaderInfo {
                    loader: LoaderId(at as u32 + 1),
                    pid,
                    kind: self.kind.into(),
                    workers,
                    ..LoaderInfo::default()
                }));
            }
        }
        inventory
    }

    fn process(&self, pid: Pid, role: Role, rank: usize) -> ProcInfo {
        ProcInfo {
            pid,
            parent: Pid(1),
            start_ticks: 1,
            start_ms: Some(START_MS + 100_000 - self.age * 1000),
            name: "python".into(),
            command: "python train.py".into(),
            user: "".into(),
            role,
            run: Some(RunId(1)),
            rank: Some(rank as u32),
            cgroup: None,
            container: None,
        }
    }
}

pub(crate) fn engine() -> Engine {
    Engine::new(Settings::default())
}

/// What is found in so many seconds.
pub(crate) fn played(mut cards: Cards, seconds: u64) -> Vec<Finding> {
    let mut engine = engine();
    cards.run(&mut engine, seconds);
    engine.findings().to_vec()
}

/// The findings of a rule, whether they last or not.
pub(crate) fn of(engine: &Engine, rule: Rule) -> Vec<Finding> {
    engine.findings().iter().filter(|finding| finding.rule == rule).cloned().collect()
}

/// The one finding that there is, which lasts.
pub(crate) fn only(engine: &Engine, rule: Rule) -> Finding {
    let all = engine.findings();
    assert!(all.len() == 1 && all[0].rule == rule, "{rule:?} alone was expected: {all:#?}");
    assert_eq!(all[0].end_ms, None, "{:#?}", all[0]);
    assert!(all[0].evidence.iter().all(|line| line.from_ms <= line.to_ms), "{:#?}", all[0]);
    for text in [&all[0].title, &all[0].advice, &all[0].gain] {
        assert!(!text.is_empty(), "{:#?}", all[0]);
    }
    assert!(all[0].title.chars().any(|c| c.is_ascii_digit()), "{}", all[0].title);
    all[0].clone()
}

/// Nothing was found.
pub(crate) fn nothing(engine: &Engine) {
    assert!(engine.findings().is_empty(), "{:#?}", engine.findings());
}
