//! The quantities that are kept for plots, and where they stand in a frame.

use crate::model::{Frame, Gap, GpuId, LoaderId, Reading};

/// One quantity of one entity over time. Ratios run from 0 to 1; everything else is in the unit of
/// its column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Track {
    /// Share of time with a kernel on the GPU.
    GpuUtil(GpuId),
    /// Mean share of multiprocessors at work.
    GpuSmActive(GpuId),
    /// Share of cycles with a tensor pipe at work.
    GpuTensorActive(GpuId),
    /// Share of cycles in which device memory moved data.
    GpuDramActive(GpuId),
    /// Device memory in use, as a share of all.
    GpuMemory(GpuId),
    /// Power draw, watts.
    GpuPower(GpuId),
    /// Power draw, of the limit in force.
    GpuPowerRatio(GpuId),
    /// Temperature, degrees Celsius.
    GpuTemperature(GpuId),
    /// Host to GPU, bytes a second.
    PcieRx(GpuId),
    /// GPU to host, bytes a second.
    PcieTx(GpuId),
    /// Host to GPU, as a share of the link in use.
    PcieRxRatio(GpuId),
    /// GPU to host, as a share of the link in use.
    PcieTxRatio(GpuId),
    /// Received over all NVLinks, bytes a second.
    NvlinkRx(GpuId),
    /// Sent over all NVLinks, bytes a second.
    NvlinkTx(GpuId),
    /// Bytes read a second.
    DiskRead(Box<str>),
    /// Bytes written a second.
    DiskWrite(Box<str>),
    /// Share of time with a request in flight.
    DiskBusy(Box<str>),
    /// Mean time of a read, seconds.
    DiskAwait(Box<str>),
    /// Mean requests in flight.
    DiskQueue(Box<str>),
    /// Bytes received a second.
    NetRx(Box<str>),
    /// Bytes sent a second.
    NetTx(Box<str>),
    /// Mean batches ready.
    LoaderReady(LoaderId),
    /// Fewest batches ready.
    LoaderReadyMin(LoaderId),
    /// Most batches ready.
    LoaderReadyMax(LoaderId),
    /// Batches that all workers together have under way at most.
    LoaderCapacity(LoaderId),
    /// Share of time in which the loop waits for the loader.
    LoaderWait(LoaderId),
    /// Share of time in which it waits with a batch ready.
    LoaderDelivery(LoaderId),
    /// Share of time without a batch ready.
    LoaderEmpty(LoaderId),
    /// Batches taken a second.
    LoaderSteps(LoaderId),
    /// Share of the workers' time on a CPU.
    WorkersRun(LoaderId),
    /// Share of the workers' time ready to run, without a CPU.
    WorkersQueued(LoaderId),
    /// Share of the workers' time in wait for a disk.
    WorkersDisk(LoaderId),
    /// Share of the workers' time in wait for a network.
    WorkersNet(LoaderId),
    /// Share of the workers' time without work.
    WorkersIdle(LoaderId),
    /// Share of the workers' time in any other wait.
    WorkersOther(LoaderId),
    /// The depth at the tick's last look.
    LoaderDepth(LoaderId),
    /// Share of one worker's time on a CPU. Workers go by their number, as those of the next epoch may
    /// be other processes.
    WorkerRun(LoaderId, u32),
    /// Share of one worker's time ready to run, without a CPU.
    WorkerQueued(LoaderId, u32),
    /// Share of one worker's time in wait for a disk or a network.
    WorkerFetch(LoaderId, u32),
    /// Share of one worker's time without work.
    WorkerIdle(LoaderId, u32),
    /// CPU time used of all there is.
    HostCpu,
    /// Memory that is not available.
    HostMemory,
    /// Share of time in which some task waited for I/O.
    HostIoPressure,
    /// Share of time in which some task waited for a CPU.
    HostCpuPressure,
    /// Share of time in which some task waited for memory.
    HostMemoryPressure,
}

/// Workers of one loader that are plotted.
const WORKERS_MOST: usize = 64;

impl Track {
    /// Whether it is of a single worker: there are many of these, and they give way first.
    pub(super) const fn of_worker(&self) -> bool {
        matches!(
            self,
            Self::WorkerRun(..)
                | Self::WorkerQueued(..)
                | Self::WorkerFetch(..)
                | Self::WorkerIdle(..)
        )
    }

    /// Its reading in a frame; [`Gap::Lost`] where the frame has no such entity.
    pub fn read(&self, frame: &Frame) -> Reading<f64> {
        let mut found = Reading::Not(Gap::Lost);
        readings(frame, &mut |track, reading| {
            if track == *self {
                found = reading;
            }
        });
        found
    }
}

/// Hands `each` every quantity of a frame with its reading.
pub(super) fn readings(frame: &Frame, each: &mut impl FnMut(Track, Reading<f64>)) {
    each(Track::HostCpu, frame.host.cpu_ratio);
    each(Track::HostMemory, frame.host.memory_used_ratio);
    each(Track::HostIoPressure, frame.host.psi_io_some_ratio);
    each(Track::HostCpuPressure, frame.host.psi_cpu_some_ratio);
    each(Track::HostMemoryPressure, frame.host.psi_memory_some_ratio);
    gpus(frame, each);
    devices(frame, each);
    loaders(frame, each);
    workers(frame, each);
}

fn gpus(frame: &Frame, each: &mut impl FnMut(Track, Reading<f64>)) {
    for gpu in &frame.sample.gpus {
        let id = gpu.gpu;
        each(Track::GpuUtil(id), gpu.utilization_ratio);
        each(Track::GpuSmActive(id), gpu.sm_active_ratio);
        each(Track::GpuTensorActive(id), gpu.tensor_active_ratio);
        each(Track::GpuDramActive(id), gpu.dram_active_ratio);
        each(Track::GpuPower(id), gpu.power_watts);
        each(Track::GpuTemperature(id), gpu.temperature_celsius);
    }
    for gpu in &frame.gpus {
        let id = gpu.gpu;
        each(Track::GpuMemory(id), gpu.memory_used_ratio);
        each(Track::PcieRx(id), gpu.pcie_rx_bytes_per_second);
        each(Track::PcieTx(id), gpu.pcie_tx_bytes_per_second);
        each(Track::PcieRxRatio(id), gpu.pcie_rx_ratio);
        each(Track::PcieTxRatio(id), gpu.pcie_tx_ratio);
        each(Track::GpuPowerRatio(id), gpu.power_ratio);
        each(Track::NvlinkRx(id), gpu.nvlink_rx_bytes_per_second);
        each(Track::NvlinkTx(id), gpu.nvlink_tx_bytes_per_second);
    }
}

fn devices(frame: &Frame, each: &mut impl FnMut(Track, Reading<f64>)) {
    for disk in &frame.disks {
        each(Track::DiskRead(disk.disk.clone()), disk.read_bytes_per_second);
        each(Track::DiskWrite(disk.disk.clone()), disk.write_bytes_per_second);
        each(Track::DiskBusy(disk.disk.clone()), disk.busy_ratio);
        each(Track::DiskAwait(disk.disk.clone()), disk.read_await_seconds);
        each(Track::DiskQueue(disk.disk.clone()), disk.queue);
    }
    for net in &frame.nets {
        each(Track::NetRx(net.interface.clone()), net.rx_bytes_per_second);
        each(Track::NetTx(net.interface.clone()), net.tx_bytes_per_second);
    }
}

fn loaders(frame: &Frame, each: &mut impl FnMut(Track, Reading<f64>)) {
    let count = |reading: Reading<u64>| reading.map(|value| value as f64);
    for loader in &frame.sample.loaders {
        let id = loader.loader;
        each(Track::LoaderReadyMin(id), count(loader.ready_min));
        each(Track::LoaderReadyMax(id), count(loader.ready_max));
        each(Track::LoaderCapacity(id), count(loader.capacity));
        each(Track::LoaderDepth(id), count(loader.ready));
        // The mean needs two ticks; until then the last look stands.
        let mean = frame.loaders.iter().find(|rates| rates.loader == id);
        let mean = mean.map_or(Reading::Not(Gap::NotYet), |rates| rates.ready_mean);
        each(Track::LoaderReady(id), mean.or(count(loader.ready)));
    }
    for rates in &frame.loaders {
        let id = rates.loader;
        each(Track::LoaderWait(id), rates.wait_ratio);
        each(Track::LoaderDelivery(id), rates.delivery_ratio);
        each(Track::LoaderEmpty(id), rates.empty_ratio);
        each(Track::LoaderSteps(id), rates.steps_per_second);
        each(Track::WorkersRun(id), rates.worker_run_ratio);
        each(Track::WorkersQueued(id), rates.worker_runq_ratio);
        each(Track::WorkersDisk(id), rates.worker_disk_ratio);
        each(Track::WorkersNet(id), rates.worker_net_ratio);
        each(Track::WorkersIdle(id), rates.worker_idle_ratio);
        each(Track::WorkersOther(id), rates.worker_other_ratio);
    }
}

fn workers(frame: &Frame, each: &mut impl FnMut(Track, Reading<f64>)) {
    let sum = |a: Reading<f64>, b| a.zip(b).map(|(a, b)| a + b);
    for (row, rates) in frame.sample.workers.iter().zip(&frame.workers) {
        let at = row.worker.ok().and_then(|at| u32::try_from(at).ok());
        let Some(at) = at.filter(|at| (*at as usize) < WORKERS_MOST) else { continue };
        let id = row.loader;
        each(Track::WorkerRun(id, at), rates.run_ratio);
        each(Track::WorkerQueued(id, at), rates.runq_ratio);
        each(Track::WorkerFetch(id, at), sum(rates.disk_ratio, rates.net_ratio));
        each(Track::WorkerIdle(id, at), rates.idle_ratio);
    }
    // Sessions from before this section tell of the tick's last look only.
    let told = |id| frame.sample.workers.iter().any(|row| row.loader == id);
    for loader in frame.sample.loaders.iter().filter(|loader| !told(loader.loader)) {
        let Reading::Is(letters) = &loader.worker_states else { continue };
        let id = loader.loader;
        for (at, letter) in (0..).zip(letters.chars().take(WORKERS_MOST)) {
            let seen = |letters: &str| Reading::Is(f64::from(u8::from(letters.contains(letter))));
            each(Track::WorkerRun(id, at), seen("R"));
            each(Track::WorkerQueued(id, at), seen("Q"));
            each(Track::WorkerFetch(id, at), seen("DN"));
            each(Track::WorkerIdle(id, at), seen("."));
        }
    }
}
