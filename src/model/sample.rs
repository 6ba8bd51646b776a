//! What was read from the machine at one tick: raw counters and states, nothing derived.
//!
//! A rate that is wrong can then be mended for every old session too. Every column is declared once,
//! by [`section!`](super::metric), and so reaches the file, the stream and the screens alike.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::id::{GpuId, LoaderId, Pid, Stamp};
use super::inventory::Inventory;
use super::metric::{round, section, states};
use super::own::OwnSample;
use super::reading::Reading;
use super::server::{LatencySample, ServerSample};

pub use super::gpu::{GpuProcKind, GpuProcSample, GpuSample, IndexSource, PcieSource, UsageSource};

/// Everything that one tick read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Dense number of the tick within its session. A hole is a gap.
    pub seq: u64,
    /// When it was taken.
    pub stamp: Stamp,
    /// What taking it cost, in microseconds.
    pub dur_us: u64,
    /// What was there: names, runs, ranks. Shared with the ticks before until it changes.
    pub inventory: Arc<Inventory>,
    /// The box as a whole.
    pub host: HostSample,
    /// The control groups that bound a run, and their ancestors with a limit.
    pub cgroups: Vec<CgroupSample>,
    /// Block devices with a medium, by name.
    pub disks: Vec<DiskSample>,
    /// Network interfaces, by name.
    pub nets: Vec<NetSample>,
    /// GPUs, by index.
    pub gpus: Vec<GpuSample>,
    /// Which process holds how much of which GPU, by GPU and pid.
    pub gpu_procs: Vec<GpuProcSample>,
    /// Recorded processes, by pid: on a GPU, trainers, their workers, and the 20 that use most.
    pub procs: Vec<ProcSample>,
    /// Loaders, by number.
    pub loaders: Vec<LoaderSample>,
    /// Workers of loaders, by loader and number.
    pub workers: Vec<WorkerSample>,
    /// Models that inference servers serve, by number.
    pub servers: Vec<ServerSample>,
    /// How long their requests took, in the ticks in which a server was read anew.
    pub latencies: Vec<LatencySample>,
    /// CPUs, by number; where there are many, neighbours together.
    pub cpus: Vec<CpuSample>,
    /// Processes and threads of mltop itself.
    pub own: Vec<OwnSample>,
}

impl Sample {
    /// Rounds all numbers to the digits that are kept in a file.
    pub fn round(&mut self) {
        round(&mut self.host);
        self.cgroups.iter_mut().for_each(round);
        self.disks.iter_mut().for_each(round);
        self.nets.iter_mut().for_each(round);
        self.gpus.iter_mut().for_each(round);
        self.gpu_procs.iter_mut().for_each(round);
        self.procs.iter_mut().for_each(round);
        self.loaders.iter_mut().for_each(round);
        self.servers.iter_mut().for_each(round);
        self.latencies.iter_mut().for_each(round);
        self.cpus.iter_mut().for_each(round);
        self.own.iter_mut().for_each(round);
    }

    /// The GPUs that a rank holds memory of, by its trainer or its workers.
    pub fn rank_gpus(&self, trainer: Pid) -> BTreeSet<GpuId> {
        let pids = self.inventory.rank_pids(trainer);
        let held = self.gpu_procs.iter().filter(|held| pids.contains(&held.pid));
        held.map(|held| held.gpu).collect()
    }
}

section! {
    /// The box as a whole. Times are summed over all cores.
    HostSample, "host" {
        cpu_count: Reading<u64> => Gauge, None, 0, "Logical CPUs that are online (/proc/stat).";
        cpu_user_seconds_total: Reading<f64> => Counter, Seconds, 2, "CPU time in user mode, nice included (/proc/stat).";
        cpu_system_seconds_total: Reading<f64> => Counter, Seconds, 2, "CPU time in the kernel, interrupts included (/proc/stat).";
        cpu_idle_seconds_total: Reading<f64> => Counter, Seconds, 2, "Idle CPU time without I/O outstanding (/proc/stat).";
        cpu_iowait_seconds_total: Reading<f64> => Counter, Seconds, 2, "Idle CPU time with I/O outstanding on that CPU (/proc/stat). Not a measure of I/O load.";
        cpu_steal_seconds_total: Reading<f64> => Counter, Seconds, 2, "CPU time taken by the hypervisor (/proc/stat).";
        load1: Reading<f64> => Gauge, None, 2, "Load average over one minute (/proc/loadavg).";
        load5: Reading<f64> => Gauge, None, 2, "Load average over five minutes (/proc/loadavg).";
        load15: Reading<f64> => Gauge, None, 2, "Load average over fifteen minutes (/proc/loadavg).";
        runnable: Reading<u64> => Gauge, None, 0, "Threads running or ready to run (/proc/loadavg).";
        memory_total_bytes: Reading<u64> => Gauge, Bytes, 0, "Installed memory (/proc/meminfo MemTotal).";
        memory_available_bytes: Reading<u64> => Gauge, Bytes, 0, "Memory that can be had without swapping (/proc/meminfo MemAvailable).";
        memory_free_bytes: Reading<u64> => Gauge, Bytes, 0, "Memory that nothing uses, not even as page cache (/proc/meminfo MemFree).";
        memory_cached_bytes: Reading<u64> => Gauge, Bytes, 0, "Page cache, shared memory included (/proc/meminfo Cached).";
        memory_shared_bytes: Reading<u64> => Gauge, Bytes, 0, "Shared memory and files of tmpfs; part of the page cache that cannot be dropped (/proc/meminfo Shmem).";
        memory_dirty_bytes: Reading<u64> => Gauge, Bytes, 0, "Page cache that waits to be written (/proc/meminfo Dirty).";
        swap_total_bytes: Reading<u64> => Gauge, Bytes, 0, "Swap space (/proc/meminfo SwapTotal).";
        swap_free_bytes: Reading<u64> => Gauge, Bytes, 0, "Unused swap space (/proc/meminfo SwapFree).";
        shm_used_bytes: Reading<u64> => Gauge, Bytes, 0, "Used space of /dev/shm (statvfs).";
        shm_size_bytes: Reading<u64> => Gauge, Bytes, 0, "Size of /dev/shm (statvfs).";
        major_faults_total: Reading<u64> => Counter, None, 0, "Page faults that needed I/O (/proc/vmstat pgmajfault).";
        swap_in_pages_total: Reading<u64> => Counter, None, 0, "Pages swapped in (/proc/vmstat pswpin).";
        refault_file_pages_total: Reading<u64> => Counter, None, 0, "File pages read again soon after they were evicted (/proc/vmstat workingset_refault_file).";
        psi_cpu_some_seconds_total: Reading<f64> => Counter, Seconds, 3, "Time in which some task waited for a CPU (/proc/pressure/cpu some).";
        psi_io_some_seconds_total: Reading<f64> => Counter, Seconds, 3, "Time in which some task waited for I/O (/proc/pressure/io some).";
        psi_io_full_seconds_total: Reading<f64> => Counter, Seconds, 3, "Time in which all tasks waited for I/O (/proc/pressure/io full).";
        psi_memory_some_seconds_total: Reading<f64> => Counter, Seconds, 3, "Time in which some task waited for memory (/proc/pressure/memory some).";
        psi_memory_full_seconds_total: Reading<f64> => Counter, Seconds, 3, "Time in which all tasks waited for memory (/proc/pressure/memory full).";
        processes: Reading<u64> => Gauge, None, 0, "Processes on the box that can be seen (/proc).";
        mltop_cpu_seconds_total: Reading<f64> => Counter, Seconds, 4, "CPU time of mltop itself, its collectors included.";
        mltop_looks_total: Reading<u64> => Counter, None, 0, "Fast looks at loaders, of all ranks, between the ticks.";
        mltop_looks_cpu_seconds_total: Reading<f64> => Counter, Seconds, 4, "CPU time of the thread that takes them, its searches for loaders included.";
        mltop_pss_bytes: Reading<u64> => Gauge, Bytes, 0, "Memory of mltop itself, its collectors included, shared pages in proportion (smaps_rollup Pss).";
    }
}

section! {
    /// One CPU, or a range of neighbours together (/proc/stat).
    CpuSample, "cpus" {
        cpu: Box<str> => Id, None, 0, "Number of the CPU, or of the first and the last that the row sums, as 0-3.";
        used_seconds_total: Reading<f64> => Counter, Seconds, 2, "CPU time in user mode and in the kernel, interrupts included.";
        idle_seconds_total: Reading<f64> => Counter, Seconds, 2, "Idle CPU time, with I/O outstanding or not, and what the hypervisor took.";
    }
}

section! {
    /// The limits of one control group and how often they bind.
    CgroupSample, "cgroups" {
        cgroup: Box<str> => Id, None, 0, "Path of the control group below its hierarchy.";
        cpu_limit_cores: Reading<f64> => Gauge, None, 2, "CPU quota in cores (v2 cpu.max, v1 cpu.cfs_quota_us). Not applicable where there is none.";
        cpuset_cores: Reading<u64> => Gauge, None, 0, "CPUs that the group may run on (cpuset.cpus.effective).";
        cpu_usage_seconds_total: Reading<f64> => Counter, Seconds, 3, "CPU time used by the group (cpu.stat usage_usec, cpuacct.usage).";
        periods_total: Reading<u64> => Counter, None, 0, "Scheduling periods with a quota in force (cpu.stat nr_periods).";
        throttled_periods_total: Reading<u64> => Counter, None, 0, "Periods in which the quota ran out (cpu.stat nr_throttled).";
        throttled_seconds_total: Reading<f64> => Counter, Seconds, 3, "Time in which the group was throttled (cpu.stat throttled_usec or throttled_time).";
        memory_limit_bytes: Reading<u64> => Gauge, Bytes, 0, "Memory limit (memory.max, memory.limit_in_bytes). Not applicable where there is none.";
        memory_current_bytes: Reading<u64> => Gauge, Bytes, 0, "Memory charged to the group (memory.current, memory.usage_in_bytes).";
        memory_file_bytes: Reading<u64> => Gauge, Bytes, 0, "Page cache charged to the group (memory.stat file, total_cache).";
        refault_file_pages_total: Reading<u64> => Counter, None, 0, "File pages of the group that were read again soon after they were evicted (memory.stat workingset_refault_file).";
        io_read_limit_bytes_per_second: Reading<u64> => Gauge, BytesPerSecond, 0, "Lowest read limit on any device (io.max rbps, blkio.throttle.read_bps_device). Not applicable where there is none.";
    }
}

section! {
    /// One block device (/proc/diskstats).
    DiskSample, "disks" {
        disk: Box<str> => Id, None, 0, "Kernel name of the device.";
        reads_total: Reading<u64> => Counter, None, 0, "Reads completed.";
        read_bytes_total: Reading<u64> => Counter, Bytes, 0, "Bytes read.";
        read_seconds_total: Reading<f64> => Counter, Seconds, 3, "Time that reads took, summed over reads.";
        writes_total: Reading<u64> => Counter, None, 0, "Writes completed.";
        write_bytes_total: Reading<u64> => Counter, Bytes, 0, "Bytes written.";
        write_seconds_total: Reading<f64> => Counter, Seconds, 3, "Time that writes took, summed over writes.";
        in_flight: Reading<u64> => Gauge, None, 0, "Requests in flight.";
        busy_seconds_total: Reading<f64> => Counter, Seconds, 3, "Time with at least one request in flight.";
        queue_seconds_total: Reading<f64> => Counter, Seconds, 3, "Requests in flight, integrated over time.";
    }
}

section! {
    /// One network interface (/proc/net/dev).
    NetSample, "nets" {
        interface: Box<str> => Id, None, 0, "Name of the interface.";
        rx_bytes_total: Reading<u64> => Counter, Bytes, 0, "Bytes received.";
        tx_bytes_total: Reading<u64> => Counter, Bytes, 0, "Bytes sent.";
    }
}

states! {
    /// How a value relates to the truth.
    Bound {
        /// It is the value.
        Exact = "exact",
        /// The truth is at most this.
        Upper = "upper",
        /// The truth is at least this.
        Lower = "lower",
        /// Two sources disagree, or the method is known to err here.
        Doubtful = "doubtful",
    }
}

impl Bound {
    /// The mark before a number on screen: nothing for a measured value.
    pub const fn mark(self) -> &'static str {
        match self {
            Self::Exact => "",
            Self::Upper => "≤",
            Self::Lower => "≥",
            Self::Doubtful => "~",
        }
    }
}

states! {
    /// The scheduler's state of a process's main thread.
    ProcState {
        /// On a CPU or ready for one.
        Running = "R",
        /// Waits, and a signal would wake it.
        Sleeping = "S",
        /// Waits in the kernel for a disk or a network filesystem, and nothing wakes it.
        Disk = "D",
        /// Stopped by a signal.
        Stopped = "T",
        /// Stopped by a debugger.
        Traced = "t",
        /// Ended, and not yet reaped.
        Zombie = "Z",
        /// Ended.
        Dead = "X",
        /// An idle thread of the kernel.
        Idle = "I",
    }
}

section! {
    /// One process (/proc/PID).
    ProcSample, "procs" {
        pid: Pid => Id, None, 0, "Process id.";
        state: Reading<ProcState> => State, None, 0, "State of the main thread (stat).";
        cpu_seconds_total: Reading<f64> => Counter, Seconds, 2, "CPU time in user mode and kernel, all threads (stat).";
        main_cpu_seconds_total: Reading<f64> => Counter, Seconds, 3, "CPU time of the main thread alone (task/PID/schedstat).";
        main_run_delay_seconds_total: Reading<f64> => Counter, Seconds, 3, "Time that the main thread was ready to run and had no CPU (task/PID/schedstat).";
        threads: Reading<u64> => Gauge, None, 0, "Threads (stat).";
        rss_bytes: Reading<u64> => Gauge, Bytes, 0, "Resident memory, shared pages counted in full (stat).";
        major_faults_total: Reading<u64> => Counter, None, 0, "Page faults that needed I/O (stat).";
        run_delay_seconds_total: Reading<f64> => Counter, Seconds, 3, "Time that its threads were ready to run and had no CPU (sum of task/*/schedstat).";
        read_bytes_total: Reading<u64> => Counter, Bytes, 0, "Bytes that it caused to be read from storage, NFS included (io read_bytes).";
        read_chars_total: Reading<u64> => Counter, Bytes, 0, "Bytes that its read calls returned, from the page cache too (io rchar).";
        read_calls_total: Reading<u64> => Counter, None, 0, "Read calls (io syscr).";
        write_bytes_total: Reading<u64> => Counter, Bytes, 0, "Bytes that it caused to be written to storage (io write_bytes).";
    }
}

states! {
    /// How a queue depth is known.
    ReadySource {
        /// From the iterator object in the interpreter's memory.
        Memory = "memory",
        /// From the queues' semaphores.
        Semaphore = "semaphore",
        /// From the messages in the result pipe.
        Pipe = "pipe",
        /// Capacity less what waits for workers and what they work on.
        Complement = "complement",
        /// From the probe that `mltop run` puts beside the script.
        Probe = "probe",
    }
}

states! {
    /// How the wait of the training loop is known.
    WaitSource {
        /// The loader's `__next__` is on the Python stack.
        Stack = "stack",
        /// The kernel function in which the main thread sleeps.
        Wchan = "wchan",
        /// The lock of the queue's readers is taken: the loop sits in `get()`.
        Semaphore = "semaphore",
        /// From the probe that `mltop run` puts beside the script.
        Probe = "probe",
    }
}

states! {
    /// What a trainer's main thread does, as far as the Python frames on its stack tell.
    Activity {
        /// Nothing below: the step itself, or anything else.
        Other = "other",
        /// Waits for data.
        Data = "data",
        /// Starts or ends a loader's workers.
        Workers = "workers",
        /// Computes a model's output.
        Forward = "forward",
        /// Computes gradients.
        Backward = "backward",
        /// Changes the weights.
        Optimizer = "optimizer",
        /// Talks to the other ranks.
        Collective = "collective",
        /// Compiles.
        Compile = "compile",
        /// Writes or reads a checkpoint.
        Checkpoint = "checkpoint",
        /// Logs to a tracker.
        Logging = "logging",
        /// Imports modules.
        Import = "import",
    }
}

section! {
    /// One loader. Counts are of looks taken faster than the tick, so that any window can be made
    /// of them later: a ratio is a difference of two counts over a difference of `samples_total`.
    /// A look counts as many as hundredths of a second go into the time that it stands for, so that
    /// looks which come more often while the loop waits do not count waiting more.
    LoaderSample, "loaders" {
        pid: Pid => Id, None, 0, "The trainer that iterates it.";
        loader: LoaderId => Id, None, 0, "Stable number of the loader within the session.";
        workers: Reading<u64> => Gauge, None, 0, "Worker processes (num_workers).";
        prefetch_factor: Reading<u64> => Gauge, None, 0, "Batches asked for ahead by each worker.";
        capacity: Reading<u64> => Gauge, None, 0, "num_workers × prefetch_factor: the batches that are under way in all.";
        capacity_bound: Reading<Bound> => State, None, 0, "Whether the capacity was read, or is the most that was seen under way (lower).";
        pinned: Reading<bool> => State, None, 0, "Whether a thread copies batches to pinned memory.";
        ready: Reading<u64> => Gauge, None, 0, "Finished batches, in order, that the loop has not taken yet, at the last look.";
        ready_min: Reading<u64> => Gauge, None, 0, "The fewest since the tick before.";
        ready_max: Reading<u64> => Gauge, None, 0, "The most since the tick before.";
        ready_source: Reading<ReadySource> => State, None, 0, "How the depth is known.";
        ready_bound: Reading<Bound> => State, None, 0, "How the depth relates to the truth.";
        stash: Reading<u64> => Gauge, None, 0, "Batches finished out of order, that wait for an earlier one.";
        steps_total: Reading<u64> => Counter, None, 0, "Batches taken by the loop since it was found.";
        wait_source: Reading<WaitSource> => State, None, 0, "How the wait is known.";
        wait_bound: Reading<Bound> => State, None, 0, "How the wait relates to the truth.";
        samples_total: Reading<u64> => Counter, None, 0, "Looks at the loader that gave an answer, in hundredths of a second that they stand for, as all counts of looks at it.";
        failed_total: Reading<u64> => Counter, None, 0, "Looks that gave none; in no other count.";
        ready_sum: Reading<u64> => Counter, None, 0, "Sum of the depth over all looks.";
        empty_samples_total: Reading<u64> => Counter, None, 0, "Looks that found no batch ready.";
        wait_samples_total: Reading<u64> => Counter, None, 0, "Looks that found the training loop waiting for the loader.";
        delivery_samples_total: Reading<u64> => Counter, None, 0, "Of those, looks that found a batch ready: the hand-over is what takes time.";
        wait_idle_samples_total: Reading<u64> => Counter, None, 0, "Looks at a worker without work while the loop waited.";
        wait_worker_samples_total: Reading<u64> => Counter, None, 0, "Looks at a worker while the loop waited.";
        wait_run_samples_total: Reading<u64> => Counter, None, 0, "Looks that found the loop waiting with its main thread on a CPU or ready for one: it prepares or unpacks the batch itself.";
        wait_disk_samples_total: Reading<u64> => Counter, None, 0, "Looks that found the loop waiting with its main thread waiting for a disk.";
        wait_net_samples_total: Reading<u64> => Counter, None, 0, "Looks that found the loop waiting with its main thread waiting for a network, a network filesystem or FUSE; of a loader with workers, its result queue too.";
        worker_run_samples_total: Reading<u64> => Counter, None, 0, "Looks that found a worker on a CPU.";
        worker_runq_samples_total: Reading<u64> => Counter, None, 0, "Looks that found a worker ready to run, by its share of run-queue delay.";
        worker_disk_samples_total: Reading<u64> => Counter, None, 0, "Looks that found a worker waiting for a disk (state D, or a page of a file).";
        worker_net_samples_total: Reading<u64> => Counter, None, 0, "Looks that found a worker waiting for a network, a network filesystem or FUSE.";
        worker_idle_samples_total: Reading<u64> => Counter, None, 0, "Looks that found a worker waiting for work, its index queue empty.";
        worker_other_samples_total: Reading<u64> => Counter, None, 0, "Looks that found a worker waiting for anything else: a lock, a timer, room in the result pipe.";
        worker_states: Reading<Box<str>> => State, None, 0, "One letter a worker at the last look: R running, Q ready to run, D disk, N network, S other wait, . ahead and idle, Z dead.";
        main_state: Reading<Box<str>> => State, None, 0, "Where the trainer's main thread is in the kernel; 'running' on a CPU, 'stopped' by a signal.";
        batch_size: Reading<u64> => Gauge, None, 0, "Samples in a batch, where a batch sampler tells.";
        persistent: Reading<bool> => State, None, 0, "Whether the workers live on into the next epoch.";
        position: Reading<u64> => Gauge, None, 0, "Batches taken by the loop in this epoch.";
        epoch_batches: Reading<u64> => Gauge, None, 0, "Batches in an epoch, where the dataset has a length.";
        epochs_total: Reading<u64> => Counter, None, 0, "Epochs that began since the loader was found.";
        last_epoch_seconds: Reading<f64> => Gauge, Seconds, 2, "How long the last epoch took that was seen from its begin to the next one's.";
        worker_starts_total: Reading<u64> => Counter, None, 0, "Workers started since the loader was found: without persistent_workers, all of them each epoch.";
        activity: Reading<Activity> => State, None, 0, "What the main thread did at the last look, by its Python stack.";
        main_samples_total: Reading<u64> => Counter, None, 0, "Looks at the main thread's Python stack while this was the loader in use.";
        main_workers_samples_total: Reading<u64> => Counter, None, 0, "Of those, looks that found it starting or ending workers.";
        main_forward_samples_total: Reading<u64> => Counter, None, 0, "Of those, looks that found it computing a model's output.";
        main_backward_samples_total: Reading<u64> => Counter, None, 0, "Of those, looks that found it computing gradients.";
        main_optimizer_samples_total: Reading<u64> => Counter, None, 0, "Of those, looks that found it changing the weights.";
        main_collective_samples_total: Reading<u64> => Counter, None, 0, "Of those, looks that found it talking to the other ranks.";
        main_compile_samples_total: Reading<u64> => Counter, None, 0, "Of those, looks that found it compiling.";
        main_checkpoint_samples_total: Reading<u64> => Counter, None, 0, "Of those, looks that found it writing or reading a checkpoint.";
        main_logging_samples_total: Reading<u64> => Counter, None, 0, "Of those, looks that found it logging to a tracker.";
        main_import_samples_total: Reading<u64> => Counter, None, 0, "Of those, looks that found it importing modules.";
        main_validation_samples_total: Reading<u64> => Counter, None, 0, "Of those, looks that found it in a validation or a test, whatever it did there.";
    }
}

section! {
    /// One worker of a loader. Counts are of looks, as those of its loader.
    WorkerSample, "workers" {
        pid: Pid => Id, None, 0, "The worker's process.";
        trainer: Pid => Id, None, 0, "The trainer that it works for.";
        loader: LoaderId => Id, None, 0, "The loader that it works for.";
        worker: Reading<u64> => Gauge, None, 0, "Its number within the loader, in the order in which the workers started.";
        state: Reading<Box<str>> => State, None, 0, "What it did at the last look, by the letters of the loader's worker_states.";
        queued_tasks: Reading<u64> => Gauge, None, 0, "Tasks in its index queue at the last look.";
        first_task: Reading<u64> => Gauge, None, 0, "Index of the batch that it is to begin next. Not applicable with an empty index queue.";
        current_task: Reading<u64> => Gauge, None, 0, "Index of the batch that it works on, inferred from the order in which tasks are given out. Not applicable without work.";
        run_samples_total: Reading<u64> => Counter, None, 0, "Looks that found it on a CPU.";
        runq_samples_total: Reading<u64> => Counter, None, 0, "Looks that found it ready to run, by its share of run-queue delay.";
        disk_samples_total: Reading<u64> => Counter, None, 0, "Looks that found it waiting for a disk.";
        net_samples_total: Reading<u64> => Counter, None, 0, "Looks that found it waiting for a network or a network filesystem.";
        idle_samples_total: Reading<u64> => Counter, None, 0, "Looks that found it waiting for work.";
        other_samples_total: Reading<u64> => Counter, None, 0, "Looks that found it waiting for anything else.";
    }
}
