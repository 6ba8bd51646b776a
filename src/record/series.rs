//! The sixteen quantities that draw a whole session, however long, without reading its ticks. They stand
//! in the index, every ten seconds, so that no line has to sum a minute up.

use std::ops::RangeInclusive;

use crate::model::metric::states;
use crate::model::{Frame, Reading};

states! {
    /// A quantity of the overview: over all GPUs, disks or loaders at once. Ratios run from 0 to 1.
    Series {
        /// Share of time with a kernel on a GPU.
        GpuUtil = "gpu_utilization_ratio",
        /// Mean share of multiprocessors at work.
        GpuSmActive = "gpu_sm_active_ratio",
        /// Device memory in use.
        GpuMemory = "gpu_memory_used_ratio",
        /// Power draw of a GPU, watts.
        GpuPower = "gpu_power_watts",
        /// Temperature of a GPU, degrees Celsius.
        GpuTemperature = "gpu_temperature_celsius",
        /// Host to GPU, bytes a second.
        PcieRx = "gpu_pcie_rx_bytes_per_second",
        /// GPU to host, bytes a second.
        PcieTx = "gpu_pcie_tx_bytes_per_second",
        /// CPU time used of all there is.
        HostCpu = "host_cpu_ratio",
        /// Memory that is not available.
        HostMemory = "host_memory_used_ratio",
        /// Share of time in which some task waited for I/O.
        HostIoPressure = "host_psi_io_some_ratio",
        /// Bytes read from a disk a second.
        DiskRead = "disk_read_bytes_per_second",
        /// Share of time with a request in flight at a disk.
        DiskBusy = "disk_busy_ratio",
        /// Bytes received by an interface a second.
        NetRx = "net_rx_bytes_per_second",
        /// Mean batches ready in a loader.
        LoaderReady = "loader_ready_mean",
        /// Share of time in which a loop waits for its loader.
        LoaderWait = "loader_wait_ratio",
        /// Mean time from batch to batch, seconds.
        StepSeconds = "loader_step_seconds",
    }
}

/// How many series there are.
pub(super) const SERIES: usize = Series::ALL.len();

/// The least, the mean and the most of a series over a span, in the unit of its name.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "plain statistics")]
pub struct Extent {
    pub min: f32,
    pub mean: f32,
    pub max: f32,
}

impl Series {
    /// Hands `each` the value of every entity that has one at this moment.
    pub fn read(self, frame: &Frame, mut each: impl FnMut(f32)) {
        let mut put = |reading: Reading<f64>| {
            let value = reading.ok().map(|value| value as f32);
            // None of them can be below zero: what is, is no measurement.
            if let Some(value) = value.filter(|value| value.is_finite() && *value >= 0.0) {
                each(value);
            }
        };
        let sample = &frame.sample;
        match self {
            Self::GpuUtil => sample.gpus.iter().for_each(|gpu| put(gpu.utilization_ratio)),
            Self::GpuSmActive => sample.gpus.iter().for_each(|gpu| put(gpu.sm_active_ratio)),
            Self::GpuMemory => frame.gpus.iter().for_each(|gpu| put(gpu.memory_used_ratio)),
            Self::GpuPower => sample.gpus.iter().for_each(|gpu| put(gpu.power_watts)),
            Self::GpuTemperature => {
                sample.gpus.iter().for_each(|gpu| put(gpu.temperature_celsius));
            }
            Self::PcieRx => frame.gpus.iter().for_each(|gpu| put(gpu.pcie_rx_bytes_per_second)),
            Self::PcieTx => frame.gpus.iter().for_each(|gpu| put(gpu.pcie_tx_bytes_per_second)),
            Self::HostCpu => put(frame.host.cpu_ratio),
            Self::HostMemory => put(frame.host.memory_used_ratio),
            Self::HostIoPressure => put(frame.host.psi_io_some_ratio),
            Self::DiskRead => frame.disks.iter().for_each(|disk| put(disk.read_bytes_per_second)),
            Self::DiskBusy => frame.disks.iter().for_each(|disk| put(disk.busy_ratio)),
            Self::NetRx => frame.nets.iter().for_each(|net| put(net.rx_bytes_per_second)),
            Self::LoaderReady => frame.loaders.iter().for_each(|one| put(one.ready_mean)),
            Self::LoaderWait => frame.loaders.iter().for_each(|one| put(one.wait_ratio)),
            Self::StepSeconds => frame.loaders.iter().for_each(|one| put(one.step_seconds)),
        }
    }

    /// Its place among all.
    pub(super) const fn index(self) -> usize {
        self as usize
    }
}

/// Collects values into an extent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gather {
    min: f32,
    max: f32,
    total: f64,
    count: u64,
}

impl Default for Gather {
    fn default() -> Self {
        Self { min: f32::INFINITY, max: f32::NEG_INFINITY, total: 0.0, count: 0 }
    }
}

impl Gather {
    pub(super) fn add(&mut self, value: f32) {
        self.merge(Extent { min: value, mean: value, max: value }, 1);
    }

    /// Adds what `weight` values were.
    pub(super) fn merge(&mut self, extent: Extent, weight: u64) {
        self.min = self.min.min(extent.min);
        self.max = self.max.max(extent.max);
        self.total += f64::from(extent.mean) * weight as f64;
        self.count += weight;
    }

    pub(super) fn extent(&self) -> Option<Extent> {
        let mean = (self.total / self.count as f64) as f32;
        (self.count > 0).then_some(Extent { min: self.min, mean, max: self.max })
    }
}

/// A span in equal parts, and for each series what fell into each.
pub(super) struct Parts {
    from_ms: u64,
    to_ms: u64,
    count: usize,
}

impl Parts {
    /// `None` where the span is empty or no part is asked for.
    pub(super) fn new(from_ms: u64, to_ms: u64, parts: usize) -> Option<Self> {
        (to_ms > from_ms && parts > 0).then_some(Self { from_ms, to_ms, count: parts })
    }

    /// The part that holds a moment.
    pub(super) fn part_of(&self, at_ms: u64) -> Option<usize> {
        if !(self.from_ms..=self.to_ms).contains(&at_ms) {
            return None;
        }
        let place = u128::from(at_ms - self.from_ms) * self.count as u128;
        let part = (place / u128::from(self.to_ms - self.from_ms)) as usize;
        Some(part.min(self.count - 1))
    }

    /// The parts that a span reaches into.
    pub(super) fn parts_of(&self, from_ms: u64, to_ms: u64) -> Option<RangeInclusive<usize>> {
        let first = self.part_of(from_ms.max(self.from_ms))?;
        Some(first..=self.part_of(to_ms.min(self.to_ms))?)
    }
}
