//! What follows from two samples: rates and shares.

use std::sync::Arc;

use super::id::{GpuId, LoaderId, Pid};
use super::metric::section;
use super::own::OwnRates;
use super::reading::Reading;
use super::sample::{LoaderSample, Sample};

/// A sample with what follows from it and the one before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// What was read.
    pub sample: Arc<Sample>,
    /// Seconds since the sample before, by the monotonic clock. `None` for the first of a session
    /// and after a gap: no rate is known then.
    pub span_seconds: Option<f64>,
    /// The box as a whole.
    pub host: HostRates,
    /// Control groups, in the sample's order.
    pub cgroups: Vec<CgroupRates>,
    /// Block devices, in the sample's order.
    pub disks: Vec<DiskRates>,
    /// Network interfaces, in the sample's order.
    pub nets: Vec<NetRates>,
    /// GPUs, in the sample's order.
    pub gpus: Vec<GpuRates>,
    /// Processes, in the sample's order.
    pub procs: Vec<ProcRates>,
    /// Loaders, in the sample's order.
    pub loaders: Vec<LoaderRates>,
    /// Workers of loaders, in the sample's order.
    pub workers: Vec<WorkerRates>,
    /// CPUs, in the sample's order.
    pub cpus: Vec<CpuRates>,
    /// Processes and threads of mltop itself, in the sample's order.
    pub own: Vec<OwnRates>,
}

impl Frame {
    /// The rates of a loader.
    pub fn loader(&self, loader: LoaderId) -> Option<&LoaderRates> {
        self.loaders.iter().find(|rates| rates.loader == loader)
    }

    /// The loader of a trainer that moves: during evaluation that is another than during training.
    pub fn moving_loader(&self, trainer: Pid) -> Option<&LoaderSample> {
        let mut best: Option<(f64, &LoaderSample)> = None;
        for loader in self.sample.loaders.iter().filter(|loader| loader.pid == trainer) {
            let rates = self.loader(loader.loader);
            let steps = rates.and_then(|rates| rates.steps_per_second.ok()).unwrap_or(0.0);
            if best.is_none_or(|(most, _)| steps > most) {
                best = Some((steps, loader));
            }
        }
        best.map(|(_, loader)| loader)
    }
}

section! {
    /// Rates and shares of the box.
    HostRates, "host" {
        cpu_ratio: Reading<f64> => Rate, Ratio, 3, "CPU time used of all CPU time.";
        cpu_iowait_ratio: Reading<f64> => Rate, Ratio, 3, "CPU time idle with I/O outstanding.";
        memory_used_ratio: Reading<f64> => Rate, Ratio, 3, "Memory that is not available.";
        psi_cpu_some_ratio: Reading<f64> => Rate, Ratio, 3, "Share of time in which some task waited for a CPU.";
        psi_io_some_ratio: Reading<f64> => Rate, Ratio, 3, "Share of time in which some task waited for I/O.";
        psi_io_full_ratio: Reading<f64> => Rate, Ratio, 3, "Share of time in which all tasks waited for I/O.";
        psi_memory_some_ratio: Reading<f64> => Rate, Ratio, 3, "Share of time in which some task waited for memory.";
        psi_memory_full_ratio: Reading<f64> => Rate, Ratio, 3, "Share of time in which all tasks waited for memory.";
        major_faults_per_second: Reading<f64> => Rate, PerSecond, 1, "Page faults that needed I/O.";
        refault_file_pages_per_second: Reading<f64> => Rate, PerSecond, 1, "File pages read again soon after they were evicted.";
        swap_in_pages_per_second: Reading<f64> => Rate, PerSecond, 1, "Pages swapped in.";
        mltop_cpu_ratio: Reading<f64> => Rate, Ratio, 4, "CPU time of mltop itself, of one core.";
        mltop_looks_per_second: Reading<f64> => Rate, PerSecond, 1, "Fast looks of mltop at loaders.";
        mltop_look_cpu_seconds: Reading<f64> => Rate, Seconds, 6, "Mean CPU time of such a look, searches for loaders included. Not applicable without one.";
    }
}

section! {
    /// How busy a CPU is, or a range of them.
    CpuRates, "cpus" {
        cpu: Box<str> => Id, None, 0, "Number of the CPU, or of the first and the last.";
        used_ratio: Reading<f64> => Rate, Ratio, 3, "CPU time used of all its time.";
    }
}

section! {
    /// Rates of a control group.
    CgroupRates, "cgroups" {
        cgroup: Box<str> => Id, None, 0, "Path of the control group below its hierarchy.";
        cpu_cores: Reading<f64> => Rate, None, 2, "CPU time used, in cores.";
        throttled_ratio: Reading<f64> => Rate, Ratio, 3, "Share of time in which the group was throttled.";
        throttled_periods_ratio: Reading<f64> => Rate, Ratio, 3, "Share of scheduling periods in which the quota ran out.";
        refault_file_pages_per_second: Reading<f64> => Rate, PerSecond, 1, "File pages of the group read again soon after they were evicted.";
    }
}

section! {
    /// Rates of a block device.
    DiskRates, "disks" {
        disk: Box<str> => Id, None, 0, "Kernel name of the device.";
        read_bytes_per_second: Reading<f64> => Rate, BytesPerSecond, 0, "Bytes read.";
        write_bytes_per_second: Reading<f64> => Rate, BytesPerSecond, 0, "Bytes written.";
        reads_per_second: Reading<f64> => Rate, PerSecond, 1, "Reads completed.";
        writes_per_second: Reading<f64> => Rate, PerSecond, 1, "Writes completed.";
        write_await_seconds: Reading<f64> => Rate, Seconds, 6, "Mean time of a write, queueing included. Not applicable without writes.";
        read_size_bytes: Reading<f64> => Rate, Bytes, 0, "Mean size of a read. Not applicable without reads.";
        read_await_seconds: Reading<f64> => Rate, Seconds, 6, "Mean time of a read, queueing included. Not applicable without reads.";
        busy_ratio: Reading<f64> => Rate, Ratio, 3, "Share of time with a request in flight. On a device that serves many at once, 1 is not full.";
        queue: Reading<f64> => Rate, None, 2, "Mean requests in flight.";
    }
}

section! {
    /// Rates of a network interface.
    NetRates, "nets" {
        interface: Box<str> => Id, None, 0, "Name of the interface.";
        rx_bytes_per_second: Reading<f64> => Rate, BytesPerSecond, 0, "Bytes received.";
        tx_bytes_per_second: Reading<f64> => Rate, BytesPerSecond, 0, "Bytes sent.";
    }
}

section! {
    /// Rates and shares of a GPU.
    GpuRates, "gpus" {
        gpu: GpuId => Id, None, 0, "Index in the vendor's library.";
        memory_used_ratio: Reading<f64> => Rate, Ratio, 3, "Device memory in use of all.";
        power_ratio: Reading<f64> => Rate, Ratio, 3, "Power draw of the limit in force.";
        pcie_rx_bytes_per_second: Reading<f64> => Rate, BytesPerSecond, 0, "Host to GPU, from the best source.";
        pcie_tx_bytes_per_second: Reading<f64> => Rate, BytesPerSecond, 0, "GPU to host, from the best source.";
        pcie_link_bytes_per_second: Reading<f64> => Rate, BytesPerSecond, 0, "What the link in use now can carry, one way.";
        pcie_rx_ratio: Reading<f64> => Rate, Ratio, 3, "Host to GPU, of the link in use now.";
        pcie_tx_ratio: Reading<f64> => Rate, Ratio, 3, "GPU to host, of the link in use now.";
        nvlink_rx_bytes_per_second: Reading<f64> => Rate, BytesPerSecond, 0, "Received over all NVLinks, from the best source.";
        nvlink_tx_bytes_per_second: Reading<f64> => Rate, BytesPerSecond, 0, "Sent over all NVLinks, from the best source.";
        nvlink_rx_ratio: Reading<f64> => Rate, Ratio, 3, "Received, of what all NVLinks together carry.";
        nvlink_tx_ratio: Reading<f64> => Rate, Ratio, 3, "Sent, of what all NVLinks together carry.";
        utilization_mean_ratio: Reading<f64> => Rate, Ratio, 3, "Mean utilization over the tick, from the driver's buffered samples.";
        idle_ratio: Reading<f64> => Rate, Ratio, 3, "Share of the buffered samples of the tick in which no kernel ran.";
        power_mean_watts: Reading<f64> => Rate, Watts, 1, "Mean power over the tick, from the energy.";
        power_throttle_ratio: Reading<f64> => Rate, Ratio, 3, "Share of time in which clocks were held down to keep to the power limit.";
        thermal_throttle_ratio: Reading<f64> => Rate, Ratio, 3, "Share of time in which clocks were held down by heat.";
        sm_clock_ratio: Reading<f64> => Rate, Ratio, 3, "Clock of the multiprocessors of their highest.";
        driver_calls_per_second: Reading<f64> => Rate, PerSecond, 1, "Calls that mltop makes to the driver for this GPU.";
        driver_ratio: Reading<f64> => Rate, Ratio, 4, "Share of time spent in these calls.";
    }
}

section! {
    /// Rates of a process.
    ProcRates, "procs" {
        pid: Pid => Id, None, 0, "Process id.";
        cpu_cores: Reading<f64> => Rate, None, 3, "CPU time used, in cores.";
        main_cpu_cores: Reading<f64> => Rate, None, 3, "CPU time of the main thread alone, in cores.";
        main_run_delay_ratio: Reading<f64> => Rate, Ratio, 3, "Time of the main thread ready to run without a CPU; read once a second, so that a faster tick may show more than its own.";
        run_delay_ratio: Reading<f64> => Rate, Ratio, 3, "Time ready to run without a CPU, of one thread's time.";
        read_bytes_per_second: Reading<f64> => Rate, BytesPerSecond, 0, "Bytes read from storage.";
        read_chars_per_second: Reading<f64> => Rate, BytesPerSecond, 0, "Bytes that read calls returned.";
        read_calls_per_second: Reading<f64> => Rate, PerSecond, 1, "Read calls.";
        write_bytes_per_second: Reading<f64> => Rate, BytesPerSecond, 0, "Bytes written to storage.";
        major_faults_per_second: Reading<f64> => Rate, PerSecond, 1, "Page faults that needed I/O.";
    }
}

section! {
    /// Shares of a loader over the tick.
    LoaderRates, "loaders" {
        pid: Pid => Id, None, 0, "The trainer that iterates it.";
        loader: LoaderId => Id, None, 0, "Stable number of the loader within the session.";
        wait_ratio: Reading<f64> => Rate, Ratio, 3, "Share of looks that found the training loop waiting for the loader.";
        delivery_ratio: Reading<f64> => Rate, Ratio, 3, "Share of looks that found it waiting with a batch ready.";
        empty_ratio: Reading<f64> => Rate, Ratio, 3, "Share of looks that found no batch ready.";
        ready_mean: Reading<f64> => Rate, None, 2, "Mean depth.";
        steps_per_second: Reading<f64> => Rate, PerSecond, 3, "Batches taken by the loop.";
        step_seconds: Reading<f64> => Rate, Seconds, 4, "Mean time from batch to batch. Not applicable without a step in the tick.";
        worker_run_ratio: Reading<f64> => Rate, Ratio, 3, "Share of looks at workers that found one on a CPU.";
        worker_runq_ratio: Reading<f64> => Rate, Ratio, 3, "Share that found one ready to run, without a CPU.";
        worker_disk_ratio: Reading<f64> => Rate, Ratio, 3, "Share that found one waiting for a disk.";
        worker_net_ratio: Reading<f64> => Rate, Ratio, 3, "Share that found one waiting for a network or a network filesystem.";
        worker_idle_ratio: Reading<f64> => Rate, Ratio, 3, "Share that found one waiting for work.";
        worker_other_ratio: Reading<f64> => Rate, Ratio, 3, "Share that found one waiting for anything else.";
        samples_per_second: Reading<f64> => Rate, PerSecond, 1, "Samples taken by the loop: batches times their size.";
        epoch_seconds: Reading<f64> => Rate, Seconds, 1, "How long an epoch takes at this rate of batches. Not applicable without a step in the tick.";
        worker_starts_per_second: Reading<f64> => Rate, PerSecond, 2, "Workers started.";
        main_workers_ratio: Reading<f64> => Rate, Ratio, 3, "Share of looks at the main thread's stack that found it starting or ending workers.";
        main_forward_ratio: Reading<f64> => Rate, Ratio, 3, "Share that found it computing a model's output.";
        main_backward_ratio: Reading<f64> => Rate, Ratio, 3, "Share that found it computing gradients.";
        main_optimizer_ratio: Reading<f64> => Rate, Ratio, 3, "Share that found it changing the weights.";
        main_collective_ratio: Reading<f64> => Rate, Ratio, 3, "Share that found it talking to the other ranks.";
        main_compile_ratio: Reading<f64> => Rate, Ratio, 3, "Share that found it compiling.";
        main_checkpoint_ratio: Reading<f64> => Rate, Ratio, 3, "Share that found it writing or reading a checkpoint.";
        main_logging_ratio: Reading<f64> => Rate, Ratio, 3, "Share that found it logging to a tracker.";
        main_import_ratio: Reading<f64> => Rate, Ratio, 3, "Share that found it importing modules.";
        main_validation_ratio: Reading<f64> => Rate, Ratio, 3, "Share that found it in a validation or a test.";
    }
}

section! {
    /// Shares of a worker over the tick.
    WorkerRates, "workers" {
        pid: Pid => Id, None, 0, "The worker's process.";
        trainer: Pid => Id, None, 0, "The trainer that it works for.";
        loader: LoaderId => Id, None, 0, "The loader that it works for.";
        run_ratio: Reading<f64> => Rate, Ratio, 3, "Share of looks that found it on a CPU.";
        runq_ratio: Reading<f64> => Rate, Ratio, 3, "Share that found it ready to run, without a CPU.";
        disk_ratio: Reading<f64> => Rate, Ratio, 3, "Share that found it waiting for a disk.";
        net_ratio: Reading<f64> => Rate, Ratio, 3, "Share that found it waiting for a network or a network filesystem.";
        idle_ratio: Reading<f64> => Rate, Ratio, 3, "Share that found it waiting for work.";
        other_ratio: Reading<f64> => Rate, Ratio, 3, "Share that found it waiting for anything else.";
    }
}
