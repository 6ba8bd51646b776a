//! The thread of one GPU: what is read when.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

use super::super::check;
use super::super::wire::{self, Line, MOST_PROCS};
use super::driver::Library;
use super::events::Events;
use super::mig::Slice;
use super::pcie::{self, Meter, Point, Snapshots};
use super::reads::{Asker, Counted, Traffic};
use super::{Out, driver};
use crate::model::inventory::GpuInfo;
use crate::model::sample::{Bound, GpuSample, PcieSource, UsageSource};
use crate::model::{Gap, GpuId, Reading};
use crate::source::grid::Grid;

/// How often what changes within seconds is read.
const SLOW: Duration = Duration::from_secs(3);
/// How often identity and limits are read, and the energy where the power is a mean.
pub(super) const RARE: Duration = Duration::from_secs(30);
/// How often a GPU that is gone is looked for.
const RETRY: Duration = Duration::from_secs(10);
/// Closest spacing of PCIe counts that are passed on.
const POINTS_APART: Duration = Duration::from_millis(140);
/// Memory in use above which somebody may be training, though no process is to be seen (containers).
const IN_USE_BYTES: u64 = 256 << 20;

/// Watches one GPU for ever.
pub(super) fn watch(
    nvml: &'static Nvml,
    index: u32,
    (library, events): (&Library, &Events),
    reads: Grid,
    out: &Out,
) {
    loop {
        let trouble = match nvml.device_by_index(index) {
            Ok(device) => {
                let device = Arc::new(device);
                // The thread of the events goes on as long as the process does.
                let _ = events.send((index, Arc::clone(&device)));
                let mut gpu = Gpu::new(Asker::new(nvml, device), index, reads);
                let trouble = gpu.run(library, out);
                gpu.part(out);
                trouble
            }
            Err(error) => no_handle(&error),
        };
        mourn(index, &trouble, reads, out);
    }
}

fn no_handle(error: &NvmlError) -> (Gap, String) {
    let gap = match driver::gap(error) {
        Gap::Denied => Gap::Denied,
        _ => Gap::Lost,
    };
    (gap, format!("the driver does not hand it out: {error}"))
}

/// Says for a while that the GPU is gone, without asking it.
fn mourn(index: u32, trouble: &(Gap, String), reads: Grid, out: &Out) {
    let until = Instant::now() + RETRY;
    while Instant::now() < until {
        out.say(&Line::Row {
            gpu: index,
            t: out.micros(Instant::now()),
            cells: wire::cells(&GpuSample::blank(GpuId(index), trouble.0)),
            trouble: trouble.1.clone(),
        });
        thread::sleep(reads.next(Instant::now()).saturating_duration_since(Instant::now()));
    }
}

struct Gpu {
    asker: Asker,
    index: u32,
    reads: Grid,
    row: GpuSample,
    meter: Meter,
    snapshots: Option<Snapshots>,
    processes: bool,
    slices: Vec<Slice>,
    info: Option<GpuInfo>,
    point: Option<Point>,
    said: Instant,
}

impl Gpu {
    fn new(asker: Asker, index: u32, reads: Grid) -> Self {
        Self {
            asker,
            index,
            reads,
            row: GpuSample {
                usage_source: Reading::Is(UsageSource::Driver),
                usage_bound: Reading::Is(Bound::Exact),
                compute_engine_ratio: Reading::Not(Gap::Unsupported),
                render_engine_ratio: Reading::Not(Gap::Unsupported),
                copy_engine_ratio: Reading::Not(Gap::Unsupported),
                ..GpuSample::blank(GpuId(index), Gap::NotYet)
            },
            meter: Meter::default(),
            snapshots: None,
            processes: false,
            slices: Vec::new(),
            info: None,
            point: None,
            said: Instant::now(),
        }
    }

    /// Reads and says until the GPU is gone, and says why.
    fn run(&mut self, library: &Library, out: &Out) -> (Gap, String) {
        let (mut fast, mut slow, mut rare) = (Instant::now(), Instant::now(), Instant::now());
        loop {
            let now = Instant::now();
            if now >= fast {
                let rarely = now >= rare;
                if rarely {
                    self.asker.forget_refusals();
                    self.asker.rare(&mut self.row);
                    rare = now + RARE;
                }
                if now >= slow {
                    self.slow(out);
                    slow = now + SLOW;
                }
                self.fast();
                if rarely && self.asker.lost.is_none() {
                    self.name(library, out);
                }
                self.say(out);
                fast = self.reads.next(Instant::now());
            } else {
                self.poll(out);
            }
            if let Some(words) = self.asker.lost.take() {
                return (Gap::Lost, words);
            }
            self.sleep(fast);
        }
    }

    fn sleep(&self, fast: Instant) {
        let poll =
            self.counts().then(|| self.meter.next(self.reads.interval(), self.in_use())).flatten();
        let until = poll.map_or(fast, |poll| poll.min(fast));
        thread::sleep(until.saturating_duration_since(Instant::now()));
    }

    fn counts(&self) -> bool {
        self.row.pcie_source == Reading::Is(PcieSource::Counter)
    }

    /// Whether somebody may be training on it.
    fn in_use(&self) -> bool {
        self.processes
            || self.row.utilization_ratio.ok().is_some_and(|ratio| ratio > 0.0)
            || self.row.memory_used_bytes.ok().is_none_or(|bytes| bytes > IN_USE_BYTES)
    }

    /// Says who the GPU and its MIG instances are, where that is news.
    fn name(&mut self, library: &Library, out: &Out) {
        let known = self.info.take();
        let mut info =
            known.clone().unwrap_or_else(|| self.asker.identity(self.index, library, &self.row));
        info.modes = self.asker.modes(&info.modes);
        let before = std::mem::take(&mut self.slices);
        let numbers: Vec<GpuId> = before.iter().map(|slice| slice.id).collect();
        if info.modes.mig == Some(true) {
            self.slices = self.asker.slices(GpuId(self.index), library, before);
        }
        if self.asker.lost.is_some() {
            return;
        }
        for id in numbers.into_iter().filter(|id| self.slices.iter().all(|is| is.id != *id)) {
            out.say(&Line::Gone { gpu: id.0 });
        }
        for info in self.slices.iter_mut().filter_map(|slice| slice.news.take()) {
            out.say(&Line::Info { info });
        }
        if known.as_ref() != Some(&info) {
            out.say(&Line::Info { info: info.clone() });
        }
        self.info = Some(info);
    }

    /// Says that the MIG instances went with the card.
    fn part(&self, out: &Out) {
        for slice in &self.slices {
            out.say(&Line::Gone { gpu: slice.id.0 });
        }
    }

    fn slow(&mut self, out: &Out) {
        let in_use = self.in_use();
        let held = self.asker.slow(&mut self.row, in_use);
        if let Reading::Is(mut held) = held {
            held.truncate(MOST_PROCS);
            self.processes = !held.is_empty();
            // What works on a MIG instance stands at that.
            if !self.slices.is_empty() {
                held.clear();
            }
            out.say(&Line::Procs { gpu: self.index, held });
        }
        for slice in &self.slices {
            let Reading::Is(mut held) = self.asker.processes_of(slice) else { continue };
            held.truncate(MOST_PROCS);
            self.processes |= !held.is_empty();
            out.say(&Line::Procs { gpu: slice.id.0, held });
        }
    }

    fn fast(&mut self) {
        let (wanted, in_use) = (self.asker.has_counters(), self.in_use());
        let traffic = self.asker.fast(&mut self.row, wanted, in_use);
        if self.asker.lost.is_some() {
            return;
        }
        if !traffic.stands {
            self.traffic(&traffic);
        }
        for slice in &mut self.slices {
            self.asker.fast_of(slice);
        }
    }

    /// Fills in PCIe from the best source that answered.
    fn traffic(&mut self, traffic: &Traffic) {
        let most = self.link_most();
        if let Some((rx, tx)) = traffic.gpm {
            let (rx, tx) = (check::pcie_rate(rx, most), check::pcie_rate(tx, most));
            pcie::fill_rates(&mut self.row, rx, tx, PcieSource::Gpm);
            self.snapshots = None;
        } else if traffic.gpm_soon {
            pcie::fill_none(&mut self.row, Gap::NotYet);
        } else if let Some(counted) = traffic.counters {
            self.snapshots = None;
            self.count(&counted);
            self.point = self.meter.point();
            if let Some(point) = &self.point {
                pcie::fill_counts(&mut self.row, point);
            }
        } else if self.asker.has_counters() {
            // They are there and failed this once.
            pcie::fill_none(&mut self.row, Gap::Failed);
        } else {
            self.snapshot(most);
        }
    }

    fn snapshot(&mut self, most: f64) {
        let (device, interval) = (Arc::clone(&self.asker.device), self.reads.interval());
        let snapshots =
            self.snapshots.get_or_insert_with(|| Snapshots::start(device, most, interval));
        let (rx, tx) = snapshots.rates(Instant::now());
        match (rx.gap(), tx.gap()) {
            (Some(gap), Some(_)) => pcie::fill_none(&mut self.row, gap),
            _ => pcie::fill_rates(&mut self.row, rx, tx, PcieSource::Snapshot),
        }
    }

    /// Reads the counters between two rows, so that they cannot wrap unseen.
    fn poll(&mut self, out: &Out) {
        if !self.counts() {
            return;
        }
        let Some(counted) = self.asker.counters() else { return };
        self.count(&counted);
        if counted.at.saturating_duration_since(self.said) < POINTS_APART {
            return;
        }
        self.point = self.meter.point();
        self.say_point(out);
    }

    /// Passes the counts on with the moment at which they were read: a rate within a hundredth needs
    /// that moment, not the row's.
    fn say_point(&mut self, out: &Out) {
        if let Some(point) = self.point.take() {
            self.said = point.at;
            out.say(&Line::Pcie {
                gpu: self.index,
                t: out.micros(point.at),
                rx: point.rx,
                tx: point.tx,
                lower: point.lower,
                off: point.off.as_micros() as u64,
            });
        }
    }

    fn count(&mut self, counted: &Counted) {
        // Slower than it could be, the link may speed up at any time: look. At its fastest, the
        // slow reads will see it fall.
        if self.row.pcie_link_gen.ok() < self.row.pcie_link_gen_max.ok() {
            self.asker.link_gen(&mut self.row);
        }
        let link = match (self.row.pcie_link_gen, self.row.pcie_link_width) {
            (Reading::Is(generation), Reading::Is(width)) => {
                check::link_bytes_per_second(generation, width)
            }
            _ => self.link_most(),
        };
        self.meter.take(counted, link);
    }

    /// What the link carries at its widest; the widest of all links where that is not known.
    fn link_most(&self) -> f64 {
        match (self.row.pcie_link_gen_max, self.row.pcie_link_width_max) {
            (Reading::Is(generation), Reading::Is(width)) => {
                check::link_bytes_per_second(generation, width)
            }
            _ => check::LINK_MOST,
        }
    }

    fn say(&mut self, out: &Out) {
        if self.asker.lost.is_some() {
            return;
        }
        self.say_point(out);
        let rows = self.slices.iter().map(|slice| &slice.row);
        for row in std::iter::once(&self.row).chain(rows) {
            out.say(&Line::Row {
                gpu: row.gpu.0,
                t: out.micros(Instant::now()),
                cells: wire::cells(row),
                trouble: String::new(),
            });
        }
    }
}
