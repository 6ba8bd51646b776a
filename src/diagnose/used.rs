//! What a trainer and its workers use of the machine, beside what its loader shows.

use super::facts::Mean;
use super::surroundings as around;
use super::tick::Tick;
use crate::model::frame::{DiskRates, ProcRates};
use crate::model::sample::PcieSource;
use crate::model::{Frame, GpuId, Pid};

/// Less of a window than this with a figure, and its mean is not known.
const COVER: f64 = 0.6;

/// Declares what is kept of a tick, and the means of a window.
macro_rules! uses {
    ($( $(#[$doc:meta])* $name:ident; )+) => {
        /// One tick. `None` where a part of it cannot be read.
        #[derive(Clone, Copy, Debug, Default)]
        pub(super) struct UseTick { $( $(#[$doc])* pub $name: Option<f32>, )+ }

        /// Means over a window; `None` where too little of it is known.
        #[derive(Clone, Copy, Debug, Default)]
        pub(super) struct Used { $( $(#[$doc])* pub $name: Option<f64>, )+ }

        /// Means while they are made, each of what is known of it.
        #[derive(Clone, Copy, Default)]
        pub(super) struct Uses { whole: f64, $( $name: Mean, )+ }

        impl Uses {
            /// Adds a tick, weighted by its time.
            pub(super) fn add(&mut self, tick: &Tick) {
                let span = f64::from(tick.span);
                self.whole += span;
                $( self.$name.add(tick.uses.$name, span); )+
            }

            /// The means.
            pub(super) fn means(&self) -> Used {
                let least = COVER * self.whole;
                Used { $( $name: self.$name.over(least), )+ }
            }
        }
    };
}

uses! {
    /// Bytes a second from storage to who loads: the workers, or the trainer itself without any.
    read;
    /// Bytes a second that their read calls returned, from the page cache too.
    chars;
    /// Their read calls a second.
    calls;
    /// Bytes and reads a second of the disk behind the files.
    disk_read;
    disk_reads;
    /// Cores that the workers use.
    worker_cores;
    /// Threads of the trainer and its workers that run or are ready to, as a mean.
    runnable;
    /// Threads of the box that run or are ready to.
    box_runnable;
    /// Cores that the job may use: CPUs online or its cpuset, the fewer of them; and CPUs online.
    cores;
    box_cores;
    /// The lowest CPU quota, in cores.
    quota;
    /// Share of time in which a quota stopped it.
    throttled;
    /// Share of scheduling periods in which a quota ran out.
    throttled_periods;
    /// File pages a second that were read again soon after they were evicted.
    refaults;
    /// Memory in use, page cache included, of the limit or of the box.
    memory;
    /// Cores that the trainer's main thread uses.
    main_cores;
    /// Share of time in which that thread is ready to run and has no CPU.
    main_delay;
    /// Host to GPU, of the link in use, the most of its GPUs.
    rx;
    /// The same in bytes a second.
    rx_bytes;
    /// Share of the multiprocessors of that GPU which were active.
    sm;
    /// Whether the link of a GPU that works is below what GPU and slot can do: 0 or 1.
    slow_link;
}

impl Used {
    /// Of the time in which the main thread runs or is ready to, the share on a CPU.
    pub(super) fn main_on_cpu(&self) -> Option<f64> {
        let (cores, delay) = self.main_cores.zip(self.main_delay)?;
        (cores > 0.0).then(|| cores / (cores + delay.max(0.0)))
    }
}

/// The rates of a trainer and its workers: looked up once a tick, as a box has many processes.
pub(super) struct Ours<'a> {
    trainer: Pid,
    workers: &'a [Pid],
    /// In the frame's order.
    rates: Vec<&'a ProcRates>,
}

impl<'a> Ours<'a> {
    pub(super) fn of(frame: &'a Frame, trainer: Pid, workers: &'a [Pid]) -> Self {
        let is_ours = |rates: &&ProcRates| rates.pid == trainer || workers.contains(&rates.pid);
        Self { trainer, workers, rates: frame.procs.iter().filter(is_ours).collect() }
    }

    /// Cores that the trainer uses.
    pub(super) fn cores(&self) -> Option<f64> {
        self.one(self.trainer)?.cpu_cores.ok()
    }

    /// Bytes a second that the workers read from storage; `None` unless all of them could be read.
    pub(super) fn reads(&self) -> Option<f32> {
        let rates = |pid: &Pid| self.one(*pid)?.read_bytes_per_second.ok();
        let sum: Option<f64> = self.workers.iter().map(rates).sum();
        sum.filter(|_| !self.workers.is_empty()).map(|sum| sum as f32)
    }

    fn one(&self, pid: Pid) -> Option<&'a ProcRates> {
        self.rates.iter().copied().find(|rates| rates.pid == pid)
    }

    fn of_all(&self, part: Part) -> Option<f32> {
        sum(self.rates.iter().copied(), self.workers.len() + 1, part)
    }

    fn of_workers(&self, part: Part) -> Option<f32> {
        let workers = self.rates.iter().filter(|rates| self.workers.contains(&rates.pid));
        sum(workers.copied(), self.workers.len(), part)
    }

    fn of_trainer(&self, part: Part) -> Option<f32> {
        sum(self.rates.iter().copied().filter(|rates| rates.pid == self.trainer), 1, part)
    }

    /// Of who loads: the workers, or the trainer itself without any.
    fn of_loading(&self, part: Part) -> Option<f32> {
        if self.workers.is_empty() { self.of_trainer(part) } else { self.of_workers(part) }
    }
}

/// A figure of a process.
type Part = fn(&ProcRates) -> Option<f64>;

/// A sum over processes; `None` unless each of so many gives a figure, or there is none.
fn sum<'a>(all: impl Iterator<Item = &'a ProcRates>, count: usize, part: Part) -> Option<f32> {
    let (mut sum, mut found) = (0.0, 0);
    for rates in all {
        sum += part(rates)?;
        found += 1;
    }
    (found > 0 && found == count).then_some(sum as f32)
}

impl UseTick {
    /// What a frame says of a trainer with its workers and GPUs, and the disk behind its files.
    pub(super) fn of(
        frame: &Frame,
        ours: &Ours<'_>,
        disk: Option<&DiskRates>,
        gpus: &[GpuId],
    ) -> Self {
        let mut uses = Self {
            read: ours.of_loading(|rates| rates.read_bytes_per_second.ok()),
            chars: ours.of_loading(|rates| rates.read_chars_per_second.ok()),
            calls: ours.of_loading(|rates| rates.read_calls_per_second.ok()),
            disk_reads: disk.and_then(|disk| disk.reads_per_second.ok()).map(|reads| reads as f32),
            disk_read: disk.and_then(|disk| disk.read_bytes_per_second.ok()).map(|b| b as f32),
            worker_cores: ours.of_workers(|rates| rates.cpu_cores.ok()),
            runnable: ours
                .of_all(|rates| Some(rates.cpu_cores.ok()? + rates.run_delay_ratio.ok()?)),
            box_runnable: frame.sample.host.runnable.ok().map(|threads| threads as f32),
            main_cores: ours.of_trainer(|rates| rates.main_cpu_cores.ok()),
            main_delay: ours.of_trainer(|rates| rates.main_run_delay_ratio.ok()),
            ..Self::default()
        };
        uses.add_limits(frame, ours.trainer);
        uses.add_links(frame, gpus);
        uses
    }

    /// What the control groups of the trainer say, and the box where they say nothing.
    fn add_limits(&mut self, frame: &Frame, trainer: Pid) {
        let host = &frame.sample.host;
        let most = |a: Option<f32>, b: Option<f64>| {
            b.map(|b| b as f32).map_or(a, |b| Some(a.map_or(b, |a| a.max(b))))
        };
        let least = |a: Option<f32>, b: Option<f64>| {
            b.map(|b| b as f32).filter(|b| *b > 0.0).map_or(a, |b| Some(a.map_or(b, |a| a.min(b))))
        };
        self.box_cores = host.cpu_count.ok().map(|count| count as f32);
        self.cores = self.box_cores;
        for (group, rates) in around::cgroups_of(frame, trainer) {
            self.cores = least(self.cores, group.cpuset_cores.ok().map(|cores| cores as f64));
            self.quota = least(self.quota, group.cpu_limit_cores.ok());
            self.throttled = most(self.throttled, rates.throttled_ratio.ok());
            self.throttled_periods =
                most(self.throttled_periods, rates.throttled_periods_ratio.ok());
            let Some(limit) = group.memory_limit_bytes.ok().filter(|limit| *limit > 0) else {
                continue;
            };
            let used = group.memory_current_bytes.ok().map(|used| used as f64 / limit as f64);
            self.memory = most(self.memory, used);
            self.refaults = most(self.refaults, rates.refault_file_pages_per_second.ok());
        }
        // The box may be full below the limit, or have none.
        let free = host.memory_free_bytes.ok().zip(host.memory_total_bytes.ok());
        let used = free.filter(|(_, total)| *total > 0);
        self.memory = most(self.memory, used.map(|(free, total)| 1.0 - free as f64 / total as f64));
        let refaults = frame.host.refault_file_pages_per_second.ok();
        self.refaults = self.refaults.or_else(|| refaults.map(|pages| pages as f32));
    }

    /// What the PCIe links carry, where the source gives a true mean.
    fn add_links(&mut self, frame: &Frame, gpus: &[GpuId]) {
        for (gpu, rates) in frame.sample.gpus.iter().zip(&frame.gpus) {
            let mean = matches!(gpu.pcie_source.ok(), Some(PcieSource::Gpm | PcieSource::Counter));
            if !mean || !gpus.contains(&gpu.gpu) {
                continue;
            }
            let Some(share) = rates.pcie_rx_ratio.ok().map(|share| share as f32) else { continue };
            if self.rx.is_none_or(|most| share > most) {
                self.rx = Some(share);
                self.sm = gpu.sm_active_ratio.ok().map(|active| active as f32);
                self.rx_bytes = rates.pcie_rx_bytes_per_second.ok().map(|bytes| bytes as f32);
            }
            // A link slows down while its GPU idles.
            let works = gpu.utilization_ratio.ok().is_some_and(|busy| busy >= 0.30);
            let below =
                |now: Option<u64>, most: Option<u64>| now.zip(most).map(|(now, most)| now < most);
            let slow = below(gpu.pcie_link_gen.ok(), gpu.pcie_link_gen_max.ok())
                .zip(below(gpu.pcie_link_width.ok(), gpu.pcie_link_width_max.ok()));
            if let Some((gen_below, width_below)) = slow.filter(|_| works) {
                let slow = f32::from(u8::from(gen_below || width_below));
                self.slow_link = Some(self.slow_link.map_or(slow, |most| most.max(slow)));
            }
        }
    }
}
