//! Sessions made by hand, as files: a training that starves for a while, with a gap and a mark.
#![allow(dead_code, reason = "each test program uses its part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mltop::model::inventory::{
    DiskInfo, GpuInfo, HostInfo, LoaderInfo, ProcInfo, Role, RunInfo, Software, Storage,
};
use mltop::model::sample::{
    DiskSample, GpuProcSample, GpuSample, LoaderSample, ProcSample, ReadySource, WaitSource,
};
use mltop::model::{
    Bound, Event, EventKind, GpuId, Inventory, LoaderId, Pid, Reading, RunId, Sample, Stamp,
};
use mltop::record::{Encoder, SessionInfo};

/// 2026-11-22 14:00:00 UTC.
pub(crate) const START_UNIX_MS: i64 = 1_795_356_000_000;
const START_MONO_MS: u64 = 5_000_000;
/// Looks at a loader in a second.
const LOOKS: u64 = 50;

/// A training on a box with some GPUs, one rank each, a tick a second.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    /// Seconds.
    pub(crate) ticks: u64,
    /// GPUs, and ranks.
    pub(crate) gpus: u32,
    /// Name of the run, which may be hostile.
    pub(crate) name: String,
    /// Version of its PyTorch, which may be hostile.
    pub(crate) torch: String,
    /// Seconds in which it starves.
    pub(crate) starved: std::ops::Range<u64>,
    /// Share of that time in which the loop waits, at least.
    pub(crate) waits: f64,
    /// Seconds in which the last GPU, its rank and its loader are there; `None` for all of them.
    pub(crate) last_rank: Option<std::ops::Range<u64>>,
    /// Ticks that are missing.
    pub(crate) gap: std::ops::Range<u64>,
    /// Second and note of a mark.
    pub(crate) mark: Option<(u64, String)>,
    /// Seconds a step, while it does not starve.
    pub(crate) step: f64,
    /// For the noise.
    pub(crate) seed: u64,
}

impl Default for Made {
    fn default() -> Self {
        Self {
            ticks: 300,
            gpus: 2,
            name: "train.py".to_owned(),
            torch: "2.9.1+cu128".to_owned(),
            starved: 120..220,
            waits: 0.5,
            last_rank: None,
            gap: 0..0,
            mark: None,
            step: 0.2,
            seed: 1,
        }
    }
}

/// Counts that only rise, of one rank.
#[derive(Clone, Copy, Default)]
struct Rank {
    steps: f64,
    looks: u64,
    ready: u64,
    empty: u64,
    wait: u64,
    run: u64,
    disk: u64,
    idle: u64,
}

impl Made {
    fn noise(&self, tick: u64, rank: u32) -> f64 {
        let mut x = self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ (tick * 64 + u64::from(rank)).wrapping_mul(0xd134_2543_de82_ef95);
        x ^= x >> 29;
        x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x ^= x >> 32;
        (x >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn trainer(rank: u32) -> Pid {
        Pid(41_000 + rank * 100)
    }

    fn inventory(&self) -> Inventory {
        let host = HostInfo {
            name: "gpu-box-7".into(),
            os: "Debian GNU/Linux 12".into(),
            kernel: "6.1.0".into(),
            cpu_count: 64,
            memory_bytes: 512 << 30,
            boot_id: "b".into(),
            ..HostInfo::default()
        };
        let mut inventory = Inventory { host: Arc::new(host), ..Inventory::default() };
        inventory.disks =
            vec![Arc::new(DiskInfo { disk: "nvme1n1".into(), ..DiskInfo::default() })];
        for rank in 0..self.gpus {
            inventory.gpus.push(Arc::new(GpuInfo {
                gpu: GpuId(rank),
                uuid: format!("GPU-{rank}").into(),
                name: "NVIDIA H100 80GB HBM3".into(),
                driver: "570.86".into(),
                memory_bytes: Some(80 << 30),
                ..GpuInfo::default()
            }));
            let trainer = Self::trainer(rank);
            let workers: Vec<Pid> = (1..=8).map(|at| Pid(trainer.0 + at)).collect();
            for pid in workers.iter().chain([&trainer]) {
                let role = if *pid == trainer { Role::Trainer } else { Role::Worker };
                inventory.procs.insert(*pid, Arc::new(self.process(*pid, role, rank)));
            }
            inventory.loaders.push(Arc::new(LoaderInfo {
                loader: LoaderId(rank),
                pid: trainer,
                kind: "pytorch".into(),
                workers,
                storage: vec![Storage {
                    mount: "/data".into(),
                    filesystem: "ext4".into(),
                    disk: Some("nvme1n1".into()),
                    remote: false,
                }],
                ..LoaderInfo::default()
            }));
        }
        let software = |rank| {
            Arc::new(Software {
                pid: Self::trainer(rank),
                python: "3.11".into(),
                python_by: "it maps python3.11".into(),
                torch: self.torch.as_str().into(),
                torch_by: "version.py of the package that it maps".into(),
            })
        };
        inventory.software = (0..self.gpus).map(software).collect();
        inventory.runs = vec![Arc::new(RunInfo {
            run: RunId(1),
            name: self.name.as_str().into(),
            launcher: "torchrun".into(),
            trainers: (0..self.gpus).map(Self::trainer).collect(),
            world_size: Some(self.gpus),
            ..RunInfo::default()
        })];
        inventory
    }

    fn process(&self, pid: Pid, role: Role, rank: u32) -> ProcInfo {
        ProcInfo {
            pid,
            parent: Pid(1),
            start_ticks: 7,
            start_ms: Some(START_UNIX_MS - 7_200_000),
            name: "python".into(),
            command: format!("python {}", self.name).into(),
            user: "me".into(),
            role,
            run: Some(RunId(1)),
            rank: Some(rank),
            cgroup: None,
            container: None,
        }
    }

    /// Its samples.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        let whole = Arc::new(self.inventory());
        let fewer =
            Arc::new(Self { gpus: self.gpus.saturating_sub(1), ..self.clone() }.inventory());
        let mut ranks = vec![Rank::default(); self.gpus as usize];
        let mut read_bytes = 0;
        let mut samples = Vec::new();
        for tick in 0..self.ticks {
            let starved = self.starved.contains(&tick);
            read_bytes += if starved { 1_900_000_000 } else { 400_000_000 };
            let stamp = Stamp {
                unix_ms: START_UNIX_MS + tick as i64 * 1000,
                mono_ms: START_MONO_MS + tick * 1000,
            };
            let all = self.last_rank.as_ref().is_none_or(|there| there.contains(&tick));
            let inventory = Arc::clone(if all { &whole } else { &fewer });
            let mut sample = Sample { seq: tick, stamp, inventory, ..Sample::default() };
            sample.host.cpu_count = Reading::Is(64);
            let busy = tick as f64 * if starved { 20.0 } else { 30.0 };
            sample.host.cpu_user_seconds_total = Reading::Is(busy);
            sample.host.cpu_system_seconds_total = Reading::Is(tick as f64);
            sample.host.cpu_idle_seconds_total = Reading::Is(tick as f64 * 63.0 - busy + 1e5);
            sample.host.cpu_iowait_seconds_total = Reading::Is(0.0);
            sample.host.cpu_steal_seconds_total = Reading::Is(0.0);
            sample.disks.push(DiskSample {
                disk: "nvme1n1".into(),
                read_bytes_total: Reading::Is(read_bytes),
                reads_total: Reading::Is(read_bytes / 128_000),
                read_seconds_total: Reading::Is(tick as f64 * if starved { 30.0 } else { 2.0 }),
                busy_seconds_total: Reading::Is(tick as f64 * 0.98),
                queue_seconds_total: Reading::Is(tick as f64 * if starved { 40.0 } else { 1.0 }),
                ..DiskSample::default()
            });
            let here = if all { self.gpus } else { self.gpus - 1 };
            for (rank, counts) in (0..here).zip(&mut ranks) {
                self.rank(rank, tick, counts, &mut sample);
            }
            if !self.gap.contains(&tick) {
                samples.push(sample);
            }
        }
        samples
    }

    fn rank(&self, rank: u32, tick: u64, counts: &mut Rank, sample: &mut Sample) {
        let starved = self.starved.contains(&tick);
        let noise = self.noise(tick, rank);
        let waits = if starved { self.waits + 0.1 * noise } else { 0.04 * noise };
        let pace = if starved { 0.5 } else { 1.0 };
        counts.steps += pace * (0.95 + 0.1 * noise) / self.step;
        counts.looks += LOOKS;
        let ready = if starved { tick % 2 } else { 12 + tick % 4 };
        counts.ready += ready * LOOKS;
        counts.empty += if starved { LOOKS * 6 / 10 } else { 0 };
        counts.wait += (LOOKS as f64 * waits) as u64;
        counts.run += LOOKS * 2;
        counts.disk += LOOKS * if starved { 6 } else { 1 };
        counts.idle += LOOKS * if starved { 0 } else { 5 };
        let trainer = Self::trainer(rank);
        sample.gpus.push(GpuSample {
            gpu: GpuId(rank),
            utilization_ratio: Reading::Is((0.95 - waits).max(0.0)),
            memory_used_bytes: Reading::Is(60 << 30),
            memory_total_bytes: Reading::Is(80 << 30),
            power_watts: Reading::Is(700.0 - 500.0 * waits),
            power_limit_watts: Reading::Is(700.0),
            pcie_rx_bytes_total: Reading::Is(counts.steps as u64 * 100_000_000),
            pcie_tx_bytes_total: Reading::Is(counts.steps as u64 * 1_000_000),
            pcie_link_gen: Reading::Is(5),
            pcie_link_width: Reading::Is(16),
            ..GpuSample::default()
        });
        sample.gpu_procs.push(GpuProcSample {
            gpu: GpuId(rank),
            pid: trainer,
            memory_used_bytes: Reading::Is(60 << 30),
            ..GpuProcSample::default()
        });
        for at in 0..=8 {
            let pid = Pid(trainer.0 + at);
            sample.procs.push(ProcSample { pid, ..ProcSample::default() });
        }
        self.loader(rank, tick, ready, counts, sample);
    }

    fn loader(&self, rank: u32, tick: u64, ready: u64, counts: &Rank, sample: &mut Sample) {
        let starved = self.starved.contains(&tick);
        sample.loaders.push(LoaderSample {
            pid: Self::trainer(rank),
            loader: LoaderId(rank),
            workers: Reading::Is(8),
            prefetch_factor: Reading::Is(2),
            capacity: Reading::Is(16),
            capacity_bound: Reading::Is(Bound::Exact),
            pinned: Reading::Is(false),
            ready: Reading::Is(ready),
            ready_min: Reading::Is(ready.saturating_sub(1)),
            ready_max: Reading::Is((ready + 2).min(16)),
            ready_source: Reading::Is(ReadySource::Pipe),
            ready_bound: Reading::Is(Bound::Exact),
            stash: Reading::Is(0),
            steps_total: Reading::Is(counts.steps as u64),
            wait_source: Reading::Is(WaitSource::Wchan),
            wait_bound: Reading::Is(Bound::Lower),
            samples_total: Reading::Is(counts.looks),
            failed_total: Reading::Is(0),
            ready_sum: Reading::Is(counts.ready),
            empty_samples_total: Reading::Is(counts.empty),
            wait_samples_total: Reading::Is(counts.wait),
            delivery_samples_total: Reading::Is(0),
            wait_idle_samples_total: Reading::Is(0),
            wait_worker_samples_total: Reading::Is(0),
            worker_run_samples_total: Reading::Is(counts.run),
            worker_runq_samples_total: Reading::Is(0),
            worker_disk_samples_total: Reading::Is(counts.disk),
            worker_net_samples_total: Reading::Is(0),
            worker_idle_samples_total: Reading::Is(counts.idle),
            worker_other_samples_total: Reading::Is(0),
            worker_states: Reading::Is(if starved { "DDDRDD.D" } else { "R.S.R..Q" }.into()),
            main_state: Reading::Is("running".into()),
            ..LoaderSample::default()
        });
    }

    /// Its lines.
    pub(crate) fn lines(&self) -> String {
        let samples = self.samples();
        let host = HostInfo::clone(&self.inventory().host);
        let info = SessionInfo::new("made", host, 1000, samples[0].stamp);
        let mut encoder = Encoder::new(info);
        let mut lines = String::new();
        encoder.head(&mut lines);
        let mut last_ms = 0;
        for sample in samples {
            let sample = Arc::new(sample);
            encoder.tick(&sample, None, &mut lines);
            last_ms = sample.stamp.unix_ms;
            if let Some((_, note)) = self.mark.as_ref().filter(|(at, _)| *at == sample.seq) {
                encoder.event(&mark(last_ms, note), &mut lines);
            }
        }
        encoder.end(last_ms, "the time asked for is over", &mut lines);
        lines
    }

    /// Writes it as a file, packed.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, zstd::encode_all(self.lines().as_bytes(), 3).unwrap()).unwrap();
        path
    }
}

fn mark(at_ms: i64, note: &str) -> Event {
    Event {
        id: 900,
        kind: EventKind::Mark,
        t_ms: at_ms,
        rule: None,
        cause: None,
        severity: None,
        run: None,
        pid: None,
        start_ms: at_ms,
        end_ms: Some(at_ms),
        title: note.to_owned(),
        evidence: Vec::new(),
        advice: String::new(),
        gain: String::new(),
        cost: None,
    }
}
