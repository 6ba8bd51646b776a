//! What is asked of one GPU every second, and how each answer becomes a reading.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nvml_wrapper::enum_wrappers::device::Clock;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use super::super::check;
use super::device::RARE;
use super::fields::{self, ENERGY, PCIE_RX, PCIE_TX};
use super::gpm::{self, Gpm, Look, Wanted};
use super::{driver, lists, raw};
use crate::model::sample::GpuSample;
use crate::model::{Gap, Reading};

/// The calls that may turn out not to be supported, and are then left alone for a while.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(super) enum Call {
    Utilization,
    MemoryV2,
    MemoryV1,
    Fields,
    Power,
    Energy,
    SmClock,
    Gpm,
    Samples,
    Temperature,
    Reasons,
    Link,
    MemoryClock,
    Processes,
    ProcessUtilization,
    Encoder,
    Decoder,
    Jpeg,
    PerfState,
    Fan,
    Replays,
    Corrected,
    Uncorrected,
    Bar1,
    Rows,
    Mig,
    Other,
}

/// One GPU and what it was found to support.
pub(super) struct Asker {
    pub(super) nvml: &'static Nvml,
    pub(super) device: Arc<Device<'static>>,
    refused: u64,
    fields_refused: BTreeSet<u32>,
    gpm: Gpm,
    buffered: Buffered,
    /// Whether the driver's power is a mean over a second, and when the energy was last read beside it.
    power_is_mean: bool,
    energy_at: Option<Instant>,
    /// The link to a Grace CPU: whether there is one.
    pub(super) c2c: bool,
    /// Fans of the card, once that is known.
    pub(super) fans: Option<u32>,
    /// How often the slow figures were read.
    pub(super) slow_looks: u32,
    /// Processes that are no compute ones.
    pub(super) others: Vec<super::super::wire::Held>,
    /// The newest sample of processes' utilization that was taken in.
    pub(super) processes_seen: u64,
    /// Entries that their list needs room for.
    pub(super) processes_room: usize,
    cost: Cost,
    /// Why the whole GPU gives no answer, in words.
    pub(super) lost: Option<String>,
}

/// What asking cost so far.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    calls: u64,
    spent: Duration,
}

/// The samples of utilization that the driver buffers, several a second.
#[derive(Clone, Copy, Debug, Default)]
struct Buffered {
    seen: u64,
    /// Entries that the list needs room for.
    room: usize,
    samples: u64,
    idle: u64,
    sum: f64,
}

/// Links as far as the fast reads told.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Traffic {
    /// GPM's rates of PCIe, received and sent.
    pub(super) gpm: Option<(f64, f64)>,
    /// Whether a second GPM sample will tell more.
    pub(super) gpm_soon: bool,
    /// Whether GPM was asked again too soon: what the row has stands.
    pub(super) stands: bool,
    /// The raw counters of PCIe.
    pub(super) counters: Option<Counted>,
}

impl Asker {
    pub(super) fn new(nvml: &'static Nvml, device: Arc<Device<'static>>) -> Self {
        let power_is_mean = device.cuda_compute_capability().is_ok_and(|of| {
            // Since Ampere, but for its first chip (nvml.h on nvmlDeviceGetPowerUsage).
            of.major > 8 || (of.major == 8 && of.minor > 0)
        });
        Self {
            nvml,
            device,
            refused: 0,
            fields_refused: BTreeSet::new(),
            gpm: Gpm::default(),
            buffered: Buffered::default(),
            power_is_mean,
            energy_at: None,
            c2c: false,
            fans: None,
            slow_looks: 0,
            others: Vec::new(),
            processes_seen: 0,
            processes_room: 0,
            cost: Cost::default(),
            lost: None,
        }
    }

    /// Asks again for what was refused: rights and modes change.
    pub(super) fn forget_refusals(&mut self) {
        self.refused = 0;
        self.fields_refused.clear();
    }

    pub(super) fn ask<T>(
        &mut self,
        call: Call,
        ask: impl FnOnce(&Device<'static>) -> Result<T, NvmlError>,
    ) -> Reading<T> {
        if self.lost.is_some() {
            return Reading::Not(Gap::Lost);
        }
        if self.refused & (1 << call as u32) != 0 {
            return Reading::Not(Gap::Unsupported);
        }
        let device = Arc::clone(&self.device);
        match self.timed(1, || ask(&device)) {
            Ok(value) => Reading::Is(value),
            Err(error) => Reading::Not(self.note(call, &error)),
        }
    }

    /// Makes `calls` calls and keeps account of them.
    pub(super) fn timed<T>(&mut self, calls: u64, make: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let answer = make();
        self.cost.calls += calls;
        self.cost.spent += begun.elapsed();
        answer
    }

    fn note(&mut self, call: Call, error: &NvmlError) -> Gap {
        let vital = matches!(call, Call::Utilization | Call::MemoryV2 | Call::MemoryV1);
        self.lost = lost_words(error, vital);
        let gap = if self.lost.is_some() { Gap::Lost } else { driver::gap(error) };
        // What may fail for a moment alone, as where rights change, is asked for again the next time.
        if gap == Gap::Unsupported && !matches!(call, Call::Other) {
            self.refused |= 1 << call as u32;
        }
        gap
    }

    /// What changes within a second. `counters`: whether the byte counters are wanted; `in_use`:
    /// whether somebody may work on it.
    pub(super) fn fast(&mut self, row: &mut GpuSample, counters: bool, in_use: bool) -> Traffic {
        let used = self.ask(Call::Utilization, Device::utilization_rates);
        row.utilization_ratio = used.as_ref().and_then(|used| check::percent(f64::from(used.gpu)));
        row.memory_controller_ratio =
            used.as_ref().and_then(|used| check::percent(f64::from(used.memory)));
        self.memory(row);
        let mut traffic = Traffic::default();
        let nvlink_known = self.activity(row, &mut traffic);
        let soon = traffic.gpm_soon || traffic.stands;
        let wanted = counters && traffic.gpm.is_none() && !soon;
        let nvlink = !nvlink_known && !soon;
        self.power(row);
        traffic.counters = self.counts(row, wanted, nvlink);
        let nvml = self.nvml;
        row.throttle_reasons = self.ask(Call::Reasons, |gpu| raw::clock_reasons(nvml, gpu));
        row.sm_clock_hertz =
            self.ask(Call::SmClock, |gpu| gpu.clock_info(Clock::SM)).and_then(check::clock);
        if in_use {
            self.samples(row);
        } else {
            row.utilization_min_ratio = Reading::Not(Gap::NotApplicable);
            row.utilization_max_ratio = Reading::Not(Gap::NotApplicable);
        }
        row.driver_calls_total = Reading::Is(self.cost.calls);
        row.driver_seconds_total = Reading::Is(self.cost.spent.as_secs_f64());
        traffic
    }

    fn memory(&mut self, row: &mut GpuSample) {
        let now = self.ask(Call::MemoryV2, Device::memory_info);
        if let Reading::Is(memory) = now {
            row.memory_total_bytes = check::memory(memory.total);
            row.memory_used_bytes = check::memory_used(memory.used, memory.total);
            row.memory_reserved_bytes = check::memory_used(memory.reserved, memory.total);
            return;
        }
        let gap = now.gap().unwrap_or_default();
        row.memory_reserved_bytes = Reading::Not(gap);
        let nvml = self.nvml;
        let old = if gap == Gap::Unsupported {
            self.ask(Call::MemoryV1, |gpu| raw::memory_v1(nvml, gpu))
        } else {
            Reading::Not(gap)
        };
        row.memory_total_bytes = old.and_then(|(total, _)| check::memory(total));
        row.memory_used_bytes = old.and_then(|(total, used)| check::memory_used(used, total));
    }

    fn power(&mut self, row: &mut GpuSample) {
        let milliwatts = self.ask(Call::Power, Device::power_usage);
        let limit = row.power_limit_watts;
        row.power_watts = milliwatts.and_then(|mw| check::power(f64::from(mw) / 1e3, limit));
    }

    /// Energy, times of throttling, and the byte counters where they are wanted.
    fn counts(&mut self, row: &mut GpuSample, counters: bool, nvlink: bool) -> Option<Counted> {
        let mut ids = vec![fields::POWER_THROTTLE, fields::THERMAL_THROTTLE];
        // The dearest figure of all, and only needed for a mean that the power is not already.
        let energy = !self.power_is_mean || self.energy_at.is_none_or(|at| at.elapsed() >= RARE);
        if energy {
            ids.push(ENERGY);
            self.energy_at = Some(Instant::now());
        }
        if counters {
            ids.extend([PCIE_TX, PCIE_RX]);
        }
        if nvlink {
            ids.extend([fields::NVLINK_RX, fields::NVLINK_TX]);
        }
        let values = self.fields(&ids);
        let millijoules = match values.of(ENERGY) {
            _ if !energy => Reading::Not(Gap::NotApplicable),
            Reading::Not(Gap::Unsupported) => {
                self.ask(Call::Energy, Device::total_energy_consumption)
            }
            other => other,
        };
        row.energy_joules_total = millijoules.map(|mj| mj as f64 / 1e3);
        let seconds = |id| values.of(id).map(|nanos| nanos as f64 / 1e9);
        row.power_throttle_seconds_total = seconds(fields::POWER_THROTTLE);
        row.thermal_throttle_seconds_total = seconds(fields::THERMAL_THROTTLE);
        let counted = |id| values.of(id).and_then(|kib| check::counter(kib, 1024));
        if nvlink {
            row.nvlink_rx_bytes_total = counted(fields::NVLINK_RX);
            row.nvlink_tx_bytes_total = counted(fields::NVLINK_TX);
        }
        values.pair()
    }

    /// Reads the byte counters alone.
    pub(super) fn counters(&mut self) -> Option<Counted> {
        self.fields(&[PCIE_TX, PCIE_RX]).pair()
    }

    /// Field values; those that the driver does not have are not asked for again for a while.
    pub(super) fn fields(&mut self, ids: &[u32]) -> Fields {
        let refused = &self.fields_refused;
        let ids: Vec<u32> = ids.iter().copied().filter(|id| !refused.contains(id)).collect();
        let mut fields = Fields { at: Instant::now(), took: Duration::ZERO, values: Vec::new() };
        if ids.is_empty() {
            return fields;
        }
        let nvml = self.nvml;
        let answer = self.ask(Call::Fields, |gpu| fields::read(nvml, gpu, &ids));
        // The counters were read between these two moments.
        fields.took = fields.at.elapsed();
        fields.at += fields.took / 2;
        let Reading::Is(answer) = answer else { return fields };
        for (id, value) in ids.into_iter().zip(answer) {
            if value == Reading::Not(Gap::Unsupported) {
                self.fields_refused.insert(id);
            }
            fields.values.push((id, value));
        }
        fields
    }

    /// Whether the driver has the byte counters.
    pub(super) fn has_counters(&self) -> bool {
        let refused = [PCIE_TX, PCIE_RX].iter().any(|id| self.fields_refused.contains(id));
        self.refused & (1 << Call::Fields as u32) == 0 && !refused
    }

    /// Activity of the multiprocessors, between the sample before and now. Whether it told of NVLink.
    fn activity(&mut self, row: &mut GpuSample, traffic: &mut Traffic) -> bool {
        if self.lost.is_some() || self.refused & (1 << Call::Gpm as u32) != 0 {
            gpm::fill(row, &[], Gap::Unsupported);
            return false;
        }
        let mut gpm = std::mem::take(&mut self.gpm);
        let look = self.gpm_look(&mut gpm, Wanted::Card { c2c: self.c2c });
        self.gpm = gpm;
        match look {
            Look::Early => traffic.stands = true,
            Look::First => {
                traffic.gpm_soon = true;
                gpm::fill(row, &[], Gap::NotYet);
            }
            Look::Failed(error) => {
                let gap = self.note(Call::Gpm, &error);
                gpm::fill(row, &[], gap);
            }
            Look::Values(values) => {
                gpm::fill(row, &values, Gap::Unsupported);
                traffic.gpm = gpm::rates(&values, 0);
                if self.c2c {
                    let rates = gpm::rates(&values, 2);
                    let of = |rate| Reading::from_option(rate, Gap::Unsupported);
                    row.c2c_rx_bytes_per_second = of(rates.map(|(rx, _)| rx));
                    row.c2c_tx_bytes_per_second = of(rates.map(|(_, tx)| tx));
                }
                if let Some((rx, tx)) = gpm::rates(&values, 1).filter(|_| has_nvlink(row)) {
                    row.nvlink_rx_bytes_per_second = Reading::Is(rx);
                    row.nvlink_tx_bytes_per_second = Reading::Is(tx);
                    row.nvlink_rx_bytes_total = Reading::Not(Gap::NotApplicable);
                    row.nvlink_tx_bytes_total = Reading::Not(Gap::NotApplicable);
                    return true;
                }
            }
        }
        false
    }

    /// A look by GPM, of the card or an instance of it.
    pub(super) fn gpm_look(&mut self, gpm: &mut Gpm, wanted: Wanted) -> Look {
        let (nvml, card) = (self.nvml, Arc::clone(&self.device));
        let look = self.timed(0, || gpm.look(nvml, &card, wanted));
        self.cost.calls += gpm.calls();
        look
    }

    /// What the driver buffered of the utilization since the look before.
    fn samples(&mut self, row: &mut GpuSample) {
        let (nvml, since, mut room) = (self.nvml, self.buffered.seen, self.buffered.room);
        let answer = self.ask(Call::Samples, |gpu| lists::utilization(nvml, gpu, since, &mut room));
        self.buffered.room = room;
        let samples = match answer {
            Reading::Is(samples) => samples,
            Reading::Not(gap) => {
                row.utilization_samples_total = Reading::Not(gap);
                row.utilization_idle_samples_total = Reading::Not(gap);
                row.utilization_sum_total = Reading::Not(gap);
                row.utilization_min_ratio = Reading::Not(gap);
                row.utilization_max_ratio = Reading::Not(gap);
                return;
            }
        };
        let news = samples.into_iter().filter(|(at, _)| *at > since);
        let mut newest = since;
        let ratios: Vec<f64> = news
            .filter_map(|(at, percent)| {
                newest = newest.max(at);
                check::percent(percent?).ok()
            })
            .collect();
        self.buffered.seen = newest;
        // The first look gets what lies before it.
        if since > 0 {
            // The driver's own figure is the newest sample alone, a fifth of a second of an H200. Where it
            // makes no sense, its samples are not trusted either.
            if row.utilization_ratio.is() && !ratios.is_empty() {
                let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
                row.utilization_ratio = Reading::Is(mean);
            }
            self.buffered.samples += ratios.len() as u64;
            self.buffered.idle += ratios.iter().filter(|ratio| **ratio == 0.0).count() as u64;
            self.buffered.sum += ratios.iter().sum::<f64>();
        }
        row.utilization_samples_total = Reading::Is(self.buffered.samples);
        row.utilization_idle_samples_total = Reading::Is(self.buffered.idle);
        row.utilization_sum_total = Reading::Is(self.buffered.sum);
        let of =
            |ratio: Option<f64>| Reading::from_option(ratio.filter(|_| since > 0), Gap::NotYet);
        row.utilization_min_ratio = of(ratios.iter().copied().reduce(f64::min));
        row.utilization_max_ratio = of(ratios.iter().copied().reduce(f64::max));
    }
}

/// Whether the card has NVLinks, as far as known.
fn has_nvlink(row: &GpuSample) -> bool {
    row.nvlink_links.ok().is_some_and(|links| links > 0)
}

/// Why an error means that the whole GPU is gone, in words.
fn lost_words(error: &NvmlError, vital: bool) -> Option<String> {
    let words = match error {
        NvmlError::GpuLost => "fell off the bus (GPU is lost): see dmesg for its Xid",
        NvmlError::ResetRequired => "needs a reset before it answers again",
        NvmlError::UnexpectedVariant(28) => "is no longer found",
        NvmlError::Unknown if vital => {
            "the driver answers \"unknown error\"; a container that lost its devices must be restarted"
        }
        _ => return None,
    };
    Some(words.to_owned())
}

/// The byte counters of PCIe as they were read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Counted {
    /// Received and sent.
    pub(super) rx: u64,
    pub(super) tx: u64,
    /// The middle of the call, and how long it took.
    pub(super) at: Instant,
    pub(super) took: Duration,
}

/// Field values, and when they were read.
pub(super) struct Fields {
    at: Instant,
    /// How long the call took: the values are of some moment within it.
    took: Duration,
    values: Vec<(u32, Reading<u64>)>,
}

impl Fields {
    /// The value of a field; one that was not asked for because it is not there is unsupported.
    pub(super) fn of(&self, id: u32) -> Reading<u64> {
        let found = self.values.iter().find(|(field, _)| *field == id);
        found.map_or(Reading::Not(Gap::Unsupported), |(_, value)| *value)
    }

    /// Bytes received and sent.
    fn pair(&self) -> Option<Counted> {
        let rx = self.of(PCIE_RX).ok()?;
        let tx = self.of(PCIE_TX).ok()?;
        Some(Counted { rx, tx, at: self.at, took: self.took })
    }
}
