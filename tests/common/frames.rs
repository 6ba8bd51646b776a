//! Frames built by hand, and a past made of them.
#![allow(dead_code, reason = "each test program uses its part")]

use std::sync::Arc;

use mltop::history::Track;
use mltop::model::frame::{DiskRates, GpuRates, LoaderRates, ProcRates, WorkerRates};
use mltop::model::inventory::{
    DiskInfo, GpuInfo, HostInfo, LoaderInfo, ProcInfo, Role, RunInfo, Storage,
};
use mltop::model::sample::{
    DiskSample, GpuProcSample, GpuSample, LoaderSample, PcieSource, ProcSample, ReadySource,
    WaitSource, WorkerSample,
};
use mltop::model::{
    Bound, Frame, Gap, GpuId, Inventory, LoaderId, Pid, Reading, RunId, Sample, Stamp,
};
use mltop::view::Plotted;
use mltop::view::screen::Bucket;

/// The wall clock of the first tick: 2026-11-22 14:00:00 UTC.
pub(crate) const START_UNIX_MS: i64 = 1_795_356_000_000;
/// The monotonic clock of the first tick.
pub(crate) const START_MONO_MS: u64 = 500_000;

/// A box, to be changed by each test.
#[derive(Clone, Debug)]
pub(crate) struct World {
    /// GPUs, one rank each.
    pub(crate) gpus: u32,
    /// Whether they are made up.
    pub(crate) simulated: bool,
    /// Name of the run; none without.
    pub(crate) run: Option<String>,
    /// Name of the host.
    pub(crate) host: String,
    /// Workers a loader.
    pub(crate) workers: u32,
    /// Whether the loader is pinned, so that its depth is the complement.
    pub(crate) pinned: bool,
    /// What is out of the ordinary about its loaders.
    pub(crate) odd: Odd,
    /// Changes what is read of the GPUs.
    pub(crate) dress: Option<Dress>,
}

/// Changes a tick's sample and what follows from it.
pub(crate) type Dress = fn(u64, &mut Sample, &mut Frame);

/// What can be out of the ordinary about a loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Odd {
    /// Nothing.
    Nothing,
    /// A session from before workers had rows of their own.
    NoRows,
    /// Its descriptors may not be read.
    Denied,
    /// num_workers is 0.
    Alone,
    /// Its sources disagree.
    Doubtful,
    /// The probe tells of it.
    Probe,
    /// Its workers compute, and wait for nothing.
    Computes,
    /// A second loader of each rank stands still meanwhile.
    Validation,
}

impl Odd {
    pub(crate) const ALL: [Self; 8] = [
        Self::Nothing,
        Self::NoRows,
        Self::Denied,
        Self::Alone,
        Self::Doubtful,
        Self::Probe,
        Self::Computes,
        Self::Validation,
    ];
}

impl Default for World {
    fn default() -> Self {
        Self {
            gpus: 4,
            simulated: false,
            run: Some("train.py".to_owned()),
            host: "gpu-box-7".to_owned(),
            workers: 8,
            pinned: false,
            odd: Odd::Nothing,
            dress: None,
        }
    }
}

/// The share of time that the loop waits at a tick: it starves from tick 60 to tick 130.
pub(crate) fn wait_at(tick: u64) -> f64 {
    if (60..130).contains(&tick) { 0.53 } else { 0.02 }
}

/// GPU utilization at a tick.
pub(crate) fn util_at(tick: u64, gpu: u32) -> f64 {
    let wave = ((tick * 7 + u64::from(gpu) * 3) % 11) as f64 / 100.0;
    0.9 - wait_at(tick) - wave
}

impl World {
    fn trainer(rank: u32) -> Pid {
        Pid(41_207 + rank * 100)
    }

    fn worker(rank: u32, at: u32) -> Pid {
        Pid(41_208 + rank * 100 + at)
    }

    fn inventory(&self) -> Inventory {
        let ranks = if self.run.is_some() { self.gpus.max(1) } else { 0 };
        let proc = |pid, role, rank| ProcInfo {
            pid,
            parent: Pid(1),
            start_ticks: 7,
            start_ms: Some(START_UNIX_MS),
            name: "python".into(),
            command: "python train.py".into(),
            user: "me".into(),
            role,
            run: Some(RunId(1)),
            rank: Some(rank),
            cgroup: None,
            container: None,
        };
        let mut inventory = Inventory {
            host: Arc::new(HostInfo { name: self.host.clone().into(), ..HostInfo::default() }),
            disks: vec![Arc::new(DiskInfo { disk: "nvme1n1".into(), ..DiskInfo::default() })],
            ..Inventory::default()
        };
        inventory.gpus = (0..self.gpus)
            .map(|gpu| {
                Arc::new(GpuInfo {
                    gpu: GpuId(gpu),
                    name: "NVIDIA H100 80GB HBM3".into(),
                    simulated: self.simulated,
                    ..GpuInfo::default()
                })
            })
            .collect();
        for rank in 0..ranks {
            let trainer = Self::trainer(rank);
            inventory.procs.insert(trainer, Arc::new(proc(trainer, Role::Trainer, rank)));
            inventory.loaders.push(Arc::new(LoaderInfo {
                loader: LoaderId(rank),
                pid: trainer,
                workers: (0..self.workers).map(|at| Self::worker(rank, at)).collect(),
                storage: vec![Storage {
                    mount: "/data".into(),
                    filesystem: "ext4".into(),
                    disk: Some("nvme1n1".into()),
                    remote: false,
                }],
                ..LoaderInfo::default()
            }));
        }
        self.odd_names(&mut inventory);
        if let Some(name) = &self.run {
            inventory.runs.push(Arc::new(RunInfo {
                run: RunId(1),
                name: name.clone().into(),
                trainers: (0..ranks).map(Self::trainer).collect(),
                ..RunInfo::default()
            }));
        }
        inventory
    }

    /// The frame of a tick.
    pub(crate) fn frame(&self, tick: u64) -> Arc<Frame> {
        let mut sample = Sample {
            seq: tick,
            stamp: Stamp {
                unix_ms: START_UNIX_MS + tick as i64 * 1000,
                mono_ms: START_MONO_MS + tick * 1000,
            },
            inventory: Arc::new(self.inventory()),
            disks: vec![DiskSample { disk: "nvme1n1".into(), ..DiskSample::default() }],
            ..Sample::default()
        };
        sample.host.mltop_pss_bytes = Reading::Is(9 << 20);
        let mut frame = Frame { span_seconds: Some(1.0), ..Frame::default() };
        frame.host.mltop_cpu_ratio = Reading::Is(0.006);
        frame.disks.push(DiskRates {
            disk: "nvme1n1".into(),
            read_bytes_per_second: Reading::Is(1.9e9 * (0.4 + wait_at(tick))),
            busy_ratio: Reading::Is(0.98),
            read_await_seconds: Reading::Is(0.0081),
            ..DiskRates::default()
        });
        for gpu in 0..self.gpus {
            self.gpu(gpu, tick, &mut sample, &mut frame);
        }
        if self.run.is_some() {
            for rank in 0..self.gpus.max(1) {
                self.rank(rank, tick, &mut sample, &mut frame);
            }
        }
        if let Some(dress) = self.dress {
            dress(tick, &mut sample, &mut frame);
        }
        frame.sample = Arc::new(sample);
        Arc::new(frame)
    }

    fn gpu(&self, gpu: u32, tick: u64, sample: &mut Sample, frame: &mut Frame) {
        sample.gpus.push(GpuSample {
            gpu: GpuId(gpu),
            utilization_ratio: Reading::Is(util_at(tick, gpu)),
            sm_active_ratio: Reading::Is(util_at(tick, gpu) * 0.6),
            memory_used_bytes: Reading::Is(31 << 30),
            memory_total_bytes: Reading::Is(80 << 30),
            pcie_source: Reading::Is(PcieSource::Counter),
            pcie_bound: Reading::Is(Bound::Lower),
            pcie_link_gen: Reading::Is(5),
            pcie_link_width: Reading::Is(16),
            age_seconds: Reading::Is(0.1),
            ..GpuSample::default()
        });
        if self.run.is_some() {
            sample.gpu_procs.push(GpuProcSample {
                gpu: GpuId(gpu),
                pid: Self::trainer(gpu),
                memory_used_bytes: Reading::Is(30 << 30),
                ..GpuProcSample::default()
            });
        }
        frame.gpus.push(GpuRates {
            gpu: GpuId(gpu),
            memory_used_ratio: Reading::Is(31.0 / 80.0),
            pcie_rx_bytes_per_second: Reading::Is(1.2e9),
            pcie_tx_bytes_per_second: Reading::Is(2.1e8),
            pcie_link_bytes_per_second: Reading::Is(63e9),
            pcie_rx_ratio: Reading::Is(1.2 / 63.0),
            ..GpuRates::default()
        });
    }

    fn rank(&self, rank: u32, tick: u64, sample: &mut Sample, frame: &mut Frame) {
        let pids = std::iter::once(Self::trainer(rank))
            .chain((0..self.workers).map(|at| Self::worker(rank, at)));
        for pid in pids {
            sample.procs.push(ProcSample { pid, ..ProcSample::default() });
            frame.procs.push(ProcRates {
                pid,
                cpu_cores: Reading::Is(0.9),
                read_bytes_per_second: Reading::Is(6e7),
                ..ProcRates::default()
            });
        }
        let starved = wait_at(tick) > 0.1;
        let ready: u64 = if starved { tick % 2 } else { 12 + tick % 4 };
        let (source, bound) = if self.pinned {
            (ReadySource::Complement, Bound::Upper)
        } else {
            (ReadySource::Memory, Bound::Exact)
        };
        sample.loaders.push(LoaderSample {
            pid: Self::trainer(rank),
            loader: LoaderId(rank),
            workers: Reading::Is(u64::from(self.workers)),
            capacity: Reading::Is(16),
            capacity_bound: Reading::Is(Bound::Exact),
            pinned: Reading::Is(self.pinned),
            ready: Reading::Is(ready),
            ready_min: Reading::Is(ready.saturating_sub(1)),
            ready_max: Reading::Is((ready + 2).min(16)),
            ready_source: Reading::Is(source),
            ready_bound: Reading::Is(bound),
            stash: Reading::Is(if starved { 4 } else { 0 }),
            wait_source: Reading::Is(WaitSource::Stack),
            wait_bound: Reading::Is(Bound::Exact),
            worker_states: Reading::Is(if starved { "DDDRDD.D" } else { "R.S.R..Q" }.into()),
            ..LoaderSample::default()
        });
        self.worker_rows(rank, tick, sample, frame);
        frame.loaders.push(LoaderRates {
            pid: Self::trainer(rank),
            loader: LoaderId(rank),
            wait_ratio: Reading::Is(wait_at(tick) - f64::from(rank) * 0.005),
            empty_ratio: Reading::Is(if starved { 0.74 } else { 0.0 }),
            steps_per_second: Reading::Is(2.4),
            step_seconds: Reading::Is(0.412),
            worker_disk_ratio: Reading::Is(if starved { 0.7 } else { 0.1 }),
            worker_idle_ratio: Reading::Is(if starved { 0.05 } else { 0.6 }),
            ..LoaderRates::default()
        });
        self.odd_rows(sample, frame);
    }

    /// A row for each worker, all of them at one task in turn, the lowest at worker 3.
    fn worker_rows(&self, rank: u32, tick: u64, sample: &mut Sample, frame: &mut Frame) {
        if self.odd == Odd::NoRows {
            return;
        }
        let starved = wait_at(tick) > 0.1;
        let letters = if starved { "DDDRDDDD" } else { "R.S.R..Q" };
        for (at, letter) in (0..self.workers).zip(letters.chars().cycle()) {
            let index = 1000 + u64::from((at + 5) % 8);
            sample.workers.push(WorkerSample {
                pid: Self::worker(rank, at),
                trainer: Self::trainer(rank),
                loader: LoaderId(rank),
                worker: Reading::Is(u64::from(at)),
                state: Reading::Is(letter.to_string().into()),
                queued_tasks: Reading::Is(1),
                first_task: Reading::Is(index + 8),
                current_task: Reading::Is(index),
                ..WorkerSample::default()
            });
            frame.workers.push(WorkerRates {
                pid: Self::worker(rank, at),
                trainer: Self::trainer(rank),
                loader: LoaderId(rank),
                run_ratio: Reading::Is(0.2),
                runq_ratio: Reading::Is(0.05),
                disk_ratio: Reading::Is(if starved { 0.7 } else { 0.1 }),
                net_ratio: Reading::Is(0.0),
                idle_ratio: Reading::Is(if starved { 0.05 } else { 0.6 }),
                other_ratio: Reading::Is(if starved { 0.0 } else { 0.05 }),
            });
        }
    }

    fn odd_names(&self, inventory: &mut Inventory) {
        if self.odd == Odd::Validation {
            let second = |info: &Arc<LoaderInfo>| {
                let workers = vec![Pid(info.pid.0 + 90), Pid(info.pid.0 + 91)];
                let loader = LoaderId(info.loader.0 + 500);
                Arc::new(LoaderInfo { loader, workers, ..LoaderInfo::clone(info) })
            };
            let more: Vec<_> = inventory.loaders.iter().map(second).collect();
            inventory.loaders.extend(more);
        }
        for info in &mut inventory.loaders {
            let info = Arc::make_mut(info);
            if matches!(self.odd, Odd::Denied | Odd::Alone) {
                info.workers.clear();
            }
            info.why_not_better = match self.odd {
                Odd::Denied => "Its descriptors may not be read.",
                Odd::Doubtful => "The pipe and the memory differ by 3 batches.",
                _ => "",
            }
            .into();
        }
    }

    /// Changes the last loader to what is out of the ordinary.
    fn odd_rows(&self, sample: &mut Sample, frame: &mut Frame) {
        let (Some(row), Some(rates)) = (sample.loaders.last_mut(), frame.loaders.last_mut()) else {
            return;
        };
        let ids = (row.pid, row.loader);
        let bare = |gap, workers| LoaderSample {
            pid: ids.0,
            loader: ids.1,
            ready: Reading::Not(gap),
            capacity: Reading::Not(gap),
            worker_states: Reading::Not(gap),
            workers,
            ..LoaderSample::default()
        };
        let none = LoaderRates { pid: ids.0, loader: ids.1, ..LoaderRates::default() };
        match self.odd {
            Odd::Nothing | Odd::NoRows => {}
            Odd::Denied => {
                *row = bare(Gap::Denied, Reading::Is(u64::from(self.workers)));
                *rates = none;
                sample.workers.clear();
                frame.workers.clear();
            }
            Odd::Alone => {
                *row = bare(Gap::NotApplicable, Reading::Is(0));
                *rates = none;
                sample.workers.clear();
                frame.workers.clear();
            }
            Odd::Computes => rates.worker_disk_ratio = Reading::Is(0.02),
            Odd::Doubtful => row.ready_bound = Reading::Is(Bound::Doubtful),
            Odd::Probe => {
                row.ready_source = Reading::Is(ReadySource::Probe);
                row.wait_source = Reading::Is(WaitSource::Probe);
            }
            Odd::Validation => {
                let loader = LoaderId(ids.1.0 + 500);
                let workers = Reading::Is(2);
                let still = LoaderSample { loader, workers, ready: Reading::Is(4), ..row.clone() };
                let steps_per_second = Reading::Is(0.0);
                let rates = LoaderRates { loader, steps_per_second, ..rates.clone() };
                sample.loaders.push(still);
                frame.loaders.push(rates);
            }
        }
    }
}

/// A past that remembers every frame.
#[derive(Clone, Debug, Default)]
pub(crate) struct Past {
    /// Oldest first.
    pub(crate) frames: Vec<Arc<Frame>>,
}

impl Past {
    /// The frame at a moment: the last one that is not after it.
    pub(crate) fn at(&self, mono_ms: u64) -> Option<Arc<Frame>> {
        self.frames.iter().rfind(|frame| frame.sample.stamp.mono_ms <= mono_ms).cloned()
    }

    fn value(frame: &Frame, of: &Track) -> Option<f32> {
        of.read(frame).ok().map(|value| value as f32)
    }
}

impl Plotted for Past {
    fn buckets(&self, of: &Track, from: u64, to: u64, count: usize) -> Vec<Option<Bucket>> {
        self.buckets_over(std::slice::from_ref(of), from, to, count)
    }

    fn buckets_over(&self, of: &[Track], from: u64, to: u64, count: usize) -> Vec<Option<Bucket>> {
        let length = to.saturating_sub(from).max(1);
        (0..count as u64)
            .map(|at| {
                let end = from + (at + 1) * length / count as u64;
                let frame = self.at(end)?;
                // A sample stands for the second after it; what is older is a gap.
                if frame.sample.stamp.mono_ms + 2500 < end {
                    return None;
                }
                let values: Vec<f32> = of.iter().filter_map(|of| Self::value(&frame, of)).collect();
                let sum: f32 = values.iter().sum();
                let min = values.iter().copied().reduce(f32::min)?;
                let max = values.iter().copied().reduce(f32::max)?;
                Some(Bucket { min, mean: sum / values.len() as f32, max })
            })
            .collect()
    }

    fn values(&self, of: &Track, from: u64, to: u64) -> Vec<f32> {
        let within = |frame: &&Arc<Frame>| (from..=to).contains(&frame.sample.stamp.mono_ms);
        self.frames.iter().filter(within).filter_map(|frame| Self::value(frame, of)).collect()
    }

    fn value_at(&self, of: &Track, mono_ms: u64) -> Option<f32> {
        Self::value(&*self.at(mono_ms)?, of)
    }

    fn span(&self) -> Option<(u64, u64)> {
        let first = self.frames.first()?.sample.stamp.mono_ms;
        Some((first, self.frames.last()?.sample.stamp.mono_ms))
    }
}
