//! PCIe traffic of one GPU from the best source that works: GPM, the byte counters, or looks of 20 ms.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::PcieUtilCounter;

use super::super::check;
use super::super::counter::{Widened, poll_seconds};
use super::driver;
use super::reads::Counted;
use crate::model::sample::{Bound, GpuSample, PcieSource};
use crate::model::{Gap, Reading};

/// Longest time between two reads of a busy counter: what mltop interpolates between must be close.
const BUSY: Duration = Duration::from_millis(250);
/// Fewer bytes between two reads than this is a quiet link.
const QUIET_BYTES: u64 = 16 << 20;
/// Where a thread sleeps between two reads, at the least.
const SHORTEST: Duration = Duration::from_millis(15);

/// The byte counters of one GPU, made into counts that do not wrap.
#[derive(Debug, Default)]
pub(super) struct Meter {
    rx: Widened,
    tx: Widened,
    last: Option<Last>,
    doubt: bool,
    quiet: bool,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    at: Instant,
    link: f64,
    off: Duration,
}

/// Counts at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) at: Instant,
    pub(super) rx: u64,
    pub(super) tx: u64,
    /// Since the point before, a counter may have wrapped unseen.
    pub(super) lower: bool,
    /// It may have been read so long before that moment, or after it.
    pub(super) off: Duration,
}

impl Meter {
    /// Takes a read of both counters over a link that carries `link` bytes per second now.
    pub(super) fn take(&mut self, counted: &Counted, link: f64) {
        let Counted { rx, tx, at, took } = *counted;
        let off = took / 2;
        let before = self.last.replace(Last { at, link, off });
        // A link that is faster now may have been so ever since the read before, and each was read
        // somewhere within its call.
        let (seconds, fastest) = before.map_or((0.0, link), |before| {
            let most = at.saturating_duration_since(before.at) + before.off + off;
            (most.as_secs_f64(), before.link.max(link))
        });
        let steps = [self.rx.step(rx, seconds, fastest), self.tx.step(tx, seconds, fastest)];
        for step in steps.into_iter().flatten() {
            self.doubt |= !step.certain;
        }
        self.quiet = steps.into_iter().flatten().all(|step| step.delta < QUIET_BYTES);
    }

    /// When the counters should be read again. `in_use`: a process may be training on the GPU; an
    /// unused GPU is read once an interval, and marked where that cannot be enough.
    pub(super) fn next(&self, interval: Duration, in_use: bool) -> Option<Instant> {
        let last = self.last?;
        let mut period = interval;
        if in_use {
            period = period.min(Duration::from_secs_f64(poll_seconds(last.link)));
            if !self.quiet {
                period = period.min(BUSY);
            }
        }
        Some(last.at + period.max(SHORTEST))
    }

    /// The counts as of the last read.
    pub(super) fn point(&mut self) -> Option<Point> {
        let last = self.last?;
        let lower = std::mem::take(&mut self.doubt);
        Some(Point { at: last.at, rx: self.rx.total(), tx: self.tx.total(), lower, off: last.off })
    }
}

/// Puts counts into a row.
pub(super) fn fill_counts(row: &mut GpuSample, point: &Point) {
    row.pcie_rx_bytes_total = Reading::Is(point.rx);
    row.pcie_tx_bytes_total = Reading::Is(point.tx);
    fill_no_rate(row, Gap::NotApplicable);
    row.pcie_source = Reading::Is(PcieSource::Counter);
    row.pcie_bound = Reading::Is(if point.lower { Bound::Lower } else { Bound::Exact });
}

/// Puts rates into a row.
pub(super) fn fill_rates(
    row: &mut GpuSample,
    rx: Reading<f64>,
    tx: Reading<f64>,
    source: PcieSource,
) {
    row.pcie_rx_bytes_total = Reading::Not(Gap::NotApplicable);
    row.pcie_tx_bytes_total = Reading::Not(Gap::NotApplicable);
    row.pcie_rx_bytes_per_second = rx;
    row.pcie_tx_bytes_per_second = tx;
    row.pcie_source = Reading::Is(source);
    // Two looks of 20 ms say little about a second of bursts.
    let bound = if source == PcieSource::Snapshot { Bound::Doubtful } else { Bound::Exact };
    row.pcie_bound = Reading::Is(bound);
}

/// Leaves a row without PCIe figures.
pub(super) fn fill_none(row: &mut GpuSample, gap: Gap) {
    row.pcie_rx_bytes_total = Reading::Not(gap);
    row.pcie_tx_bytes_total = Reading::Not(gap);
    fill_no_rate(row, gap);
    row.pcie_source = Reading::Not(gap);
    row.pcie_bound = Reading::Not(gap);
}

fn fill_no_rate(row: &mut GpuSample, gap: Gap) {
    row.pcie_rx_bytes_per_second = Reading::Not(gap);
    row.pcie_tx_bytes_per_second = Reading::Not(gap);
}

/// A thread that asks for the traffic of 20 ms at a time: each call takes that long, which the other
/// reads of the GPU must not wait for.
pub(super) struct Snapshots {
    latest: Arc<Mutex<Option<Look>>>,
    patience: Duration,
}

#[derive(Clone, Copy)]
struct Look {
    at: Instant,
    rx: Reading<f64>,
    tx: Reading<f64>,
}

impl Look {
    /// A driver that does not know the call will not learn it: it is rarely asked again, and is not
    /// late meanwhile.
    fn unsupported(&self) -> bool {
        let none = Reading::Not(Gap::Unsupported);
        self.rx == none && self.tx == none
    }
}

impl Snapshots {
    /// Starts the thread; it ends when this is dropped.
    pub(super) fn start(device: Arc<Device<'static>>, link_max: f64, interval: Duration) -> Self {
        let latest = Arc::new(Mutex::new(None));
        let slot = Arc::downgrade(&latest);
        // Without a thread nothing ever arrives, and the rows say "not yet".
        let _ = thread::Builder::new()
            .name("gpu-pcie".into())
            .spawn(move || snapshot_loop(&device, link_max, interval, &slot));
        Self { latest, patience: (interval * 3).max(Duration::from_secs(3)) }
    }

    /// The latest rates, received and sent.
    pub(super) fn rates(&self, now: Instant) -> (Reading<f64>, Reading<f64>) {
        let latest = *self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        match latest {
            Some(look)
                if look.unsupported()
                    || now.saturating_duration_since(look.at) <= self.patience =>
            {
                (look.rx, look.tx)
            }
            Some(_) => (Reading::Not(Gap::Late), Reading::Not(Gap::Late)),
            None => (Reading::Not(Gap::NotYet), Reading::Not(Gap::NotYet)),
        }
    }
}

fn snapshot_loop(
    device: &Device<'_>,
    link_max: f64,
    interval: Duration,
    slot: &Weak<Mutex<Option<Look>>>,
) {
    let read = |counter| match device.pcie_throughput(counter) {
        // The library words the unit as KB.
        Ok(kilobytes) => check::pcie_rate(f64::from(kilobytes) * 1e3, link_max),
        Err(error) => Reading::Not(driver::gap(&error)),
    };
    loop {
        let (rx, tx) = (read(PcieUtilCounter::Receive), read(PcieUtilCounter::Send));
        let look = Look { at: Instant::now(), rx, tx };
        let Some(slot) = slot.upgrade() else { return };
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(look);
        drop(slot);
        if look.unsupported() {
            thread::sleep(Duration::from_secs(30));
        }
        thread::sleep(interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn counted(both: u64, at: Instant) -> Counted {
        Counted { rx: both, tx: both, at, took: Duration::ZERO }
    }

    #[test]
    fn a_used_gpu_is_read_well_before_its_counter_can_wrap() {
        let now = Instant::now();
        let mut meter = Meter::default();
        meter.take(&counted(0, now), 31.5e9);
        let next = meter.next(SECOND, true).unwrap().duration_since(now);
        assert!(next.as_secs_f64() * 31.5e9 < 4_294_967_296.0 * 0.61);
        assert_eq!(meter.next(SECOND, false), Some(now + SECOND));
    }

    #[test]
    fn an_unused_gpu_on_a_slow_link_needs_no_hurry_and_no_mark() {
        let now = Instant::now();
        let mut meter = Meter::default();
        meter.take(&counted(0, now), 4e9);
        meter.take(&counted(5, now + SECOND), 4e9);
        assert_eq!(meter.point().map(|point| point.lower), Some(false));
    }

    #[test]
    fn a_read_that_takes_long_may_hide_a_wrap_and_says_how_vague_its_moment_is() {
        let now = Instant::now();
        let mut meter = Meter::default();
        let slow = |both, at| Counted { took: Duration::from_millis(300), ..counted(both, at) };
        meter.take(&slow(0, now), 31.5e9);
        meter.take(&slow(5, now + Duration::from_millis(80)), 31.5e9);
        let point = meter.point().unwrap();
        assert_eq!((point.lower, point.off), (true, Duration::from_millis(150)));
    }

    #[test]
    fn a_link_that_sped_up_unseen_leaves_a_lower_bound() {
        let now = Instant::now();
        let mut meter = Meter::default();
        meter.take(&counted(0, now), 4e9);
        meter.take(&counted(5, now + SECOND), 63e9);
        assert_eq!(meter.point().map(|point| point.lower), Some(true));
        meter.take(&counted(6, now + SECOND + Duration::from_millis(40)), 63e9);
        assert_eq!(meter.point().map(|point| point.lower), Some(false));
    }
}
