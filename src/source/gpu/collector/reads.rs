//! What is asked of one GPU, and how each answer becomes a reading.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::enums::gpm::GpmMetricId;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::gpm::{GpmSample, gpm_metrics_get};
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::{Device, Nvml};

use super::super::check;
use super::driver;
use super::raw;
use crate::model::inventory::GpuInfo;
use crate::model::sample::GpuSample;
use crate::model::{Gap, GpuId, Reading};

/// Field ids of nvml.h.
const PCIE_TX: u32 = 197;
const PCIE_RX: u32 = 198;
const ENERGY: u32 = 83;
const POWER_INSTANT: u32 = 186;
/// GPM needs this much between two samples.
const GPM_APART: Duration = Duration::from_millis(100);

/// The calls that may turn out not to be supported, and are then left alone for a while.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
enum Call {
    Utilization,
    MemoryV2,
    MemoryV1,
    Fields,
    Power,
    Energy,
    SmClock,
    Gpm,
    Temperature,
    Reasons,
    Link,
    MemoryClock,
    Processes,
    OtherProcesses,
}

/// One GPU and what it was found to support.
pub(super) struct Asker {
    pub(super) nvml: &'static Nvml,
    pub(super) device: Arc<Device<'static>>,
    refused: u32,
    fields_refused: u32,
    gpm_before: Option<(GpmSample<'static>, Instant)>,
    others: Vec<raw::Held>,
    /// Why the whole GPU gives no answer, in words.
    pub(super) lost: Option<String>,
}

/// PCIe as far as the fast reads told.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Traffic {
    /// GPM's rates, received and sent.
    pub(super) gpm: Option<(f64, f64)>,
    /// Whether a second GPM sample will tell more.
    pub(super) gpm_soon: bool,
    /// The raw counters, received and sent, and when they were read.
    pub(super) counters: Option<(u64, u64, Instant)>,
}

impl Asker {
    pub(super) fn new(nvml: &'static Nvml, device: Arc<Device<'static>>) -> Self {
        Self {
            nvml,
            device,
            refused: 0,
            fields_refused: 0,
            gpm_before: None,
            others: Vec::new(),
            lost: None,
        }
    }

    /// Asks again for what was refused: rights and modes change.
    pub(super) fn forget_refusals(&mut self) {
        self.refused = 0;
        self.fields_refused = 0;
    }

    fn ask<T>(
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
        match ask(&self.device) {
            Ok(value) => Reading::Is(value),
            Err(error) => Reading::Not(self.note(call, &error)),
        }
    }

    fn note(&mut self, call: Call, error: &NvmlError) -> Gap {
        let vital = matches!(call, Call::Utilization | Call::MemoryV2 | Call::MemoryV1);
        self.lost = lost_words(error, vital);
        let gap = if self.lost.is_some() { Gap::Lost } else { driver::gap(error) };
        if gap == Gap::Unsupported {
            self.refused |= 1 << call as u32;
        }
        gap
    }

    /// What changes within a second. `counters`: whether the byte counters are wanted.
    pub(super) fn fast(&mut self, row: &mut GpuSample, counters: bool) -> Traffic {
        let used = self.ask(Call::Utilization, Device::utilization_rates);
        row.utilization_ratio = used.as_ref().and_then(|used| check::percent(f64::from(used.gpu)));
        row.memory_controller_ratio =
            used.as_ref().and_then(|used| check::percent(f64::from(used.memory)));
        self.memory(row);
        let mut traffic = Traffic::default();
        self.gpm(row, &mut traffic);
        let wanted = counters && traffic.gpm.is_none() && !traffic.gpm_soon;
        traffic.counters = self.fields(row, wanted);
        row.sm_clock_hertz =
            self.ask(Call::SmClock, |gpu| gpu.clock_info(Clock::SM)).and_then(check::clock);
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

    /// Power and energy, and the byte counters where they are wanted.
    fn fields(&mut self, row: &mut GpuSample, counters: bool) -> Option<(u64, u64, Instant)> {
        let mut ids = vec![ENERGY, POWER_INSTANT];
        if counters {
            ids.extend([PCIE_TX, PCIE_RX]);
        }
        let values = self.field_values(&ids);
        let of = |id| values.of(id).map_or(Reading::Not(Gap::Unsupported), |value| value);
        let milliwatts = match of(POWER_INSTANT) {
            Reading::Not(Gap::Unsupported) => {
                self.ask(Call::Power, Device::power_usage).map(u64::from)
            }
            other => other,
        };
        let limit = row.power_limit_watts;
        row.power_watts = milliwatts.and_then(|mw| check::power(mw as f64 / 1e3, limit));
        let millijoules = match of(ENERGY) {
            Reading::Not(Gap::Unsupported) => {
                self.ask(Call::Energy, Device::total_energy_consumption)
            }
            other => other,
        };
        row.energy_joules_total = millijoules.map(|mj| mj as f64 / 1e3);
        values.pair()
    }

    /// Reads the byte counters alone.
    pub(super) fn counters(&mut self) -> Option<(u64, u64, Instant)> {
        self.field_values(&[PCIE_TX, PCIE_RX]).pair()
    }

    fn field_values(&mut self, ids: &[u32]) -> Fields {
        let ids: Vec<FieldId> = ids
            .iter()
            .filter(|id| self.fields_refused & field_bit(**id) == 0)
            .map(|id| FieldId(*id))
            .collect();
        let mut fields = Fields { at: Instant::now(), values: Vec::new() };
        if ids.is_empty() {
            return fields;
        }
        let answer = self.ask(Call::Fields, |gpu| gpu.field_values_for(&ids));
        // The counters were read between these two moments.
        let took = fields.at.elapsed();
        fields.at += took / 2;
        let Reading::Is(answer) = answer else {
            return fields;
        };
        for (id, value) in ids.iter().zip(answer) {
            let value = match value.and_then(|sample| sample.value) {
                Ok(SampleValue::U32(value)) => Reading::Is(u64::from(value)),
                Ok(SampleValue::U64(value)) => Reading::Is(value),
                Ok(SampleValue::I64(value)) => {
                    Reading::from_option(u64::try_from(value).ok(), Gap::Failed)
                }
                Ok(SampleValue::F64(_)) => Reading::Not(Gap::Failed),
                // An unknown field is refused with either of two codes.
                Err(NvmlError::InvalidArg) => Reading::Not(Gap::Unsupported),
                Err(error) => Reading::Not(driver::gap(&error)),
            };
            if value == Reading::Not(Gap::Unsupported) {
                self.fields_refused |= field_bit(id.0);
            }
            fields.values.push((id.0, value));
        }
        fields
    }

    /// Whether the driver has the byte counters.
    pub(super) fn has_counters(&self) -> bool {
        let refused = field_bit(PCIE_TX) | field_bit(PCIE_RX);
        self.refused & (1 << Call::Fields as u32) == 0 && self.fields_refused & refused == 0
    }

    /// Activity of the multiprocessors, between the sample before and now.
    fn gpm(&mut self, row: &mut GpuSample, traffic: &mut Traffic) {
        for field in [
            &mut row.sm_active_ratio,
            &mut row.sm_occupancy_ratio,
            &mut row.tensor_active_ratio,
            &mut row.dram_active_ratio,
        ] {
            *field = Reading::Not(Gap::Unsupported);
        }
        // The wrapper would panic where a sample cannot be given back.
        if self.nvml.lib().nvmlGpmSampleFree.is_err() {
            return;
        }
        let now = Instant::now();
        if self.gpm_before.as_ref().is_some_and(|(_, at)| now.duration_since(*at) < GPM_APART) {
            return;
        }
        let sample = self.ask(Call::Gpm, Device::gpm_sample);
        let gap = sample.gap();
        let Some(sample) = sample.ok() else {
            self.gpm_before = None;
            fill_gpm(row, &[], gap.unwrap_or_default());
            return;
        };
        let Some((before, _)) = self.gpm_before.replace((sample, now)) else {
            traffic.gpm_soon = true;
            fill_gpm(row, &[], Gap::NotYet);
            return;
        };
        let Some((sample, _)) = &self.gpm_before else { return };
        match gpm_metrics_get(self.nvml, &before, sample, &GPM) {
            Ok(answers) => {
                let values: Vec<_> = answers.into_iter().map(gpm_value).collect();
                fill_gpm(row, &values, Gap::Unsupported);
                traffic.gpm = gpm_traffic(&values);
            }
            Err(error) => {
                let gap = self.note(Call::Gpm, &error);
                fill_gpm(row, &[], gap);
            }
        }
    }

    /// What changes within seconds, and the processes.
    pub(super) fn slow(&mut self, row: &mut GpuSample) -> Reading<Vec<raw::Held>> {
        let nvml = self.nvml;
        row.temperature_celsius = self
            .ask(Call::Temperature, |gpu| gpu.temperature(TemperatureSensor::Gpu))
            .and_then(check::temperature);
        row.throttle_reasons = self.ask(Call::Reasons, |gpu| raw::clock_reasons(nvml, gpu));
        row.memory_clock_hertz =
            self.ask(Call::MemoryClock, |gpu| gpu.clock_info(Clock::Memory)).and_then(check::clock);
        self.link_gen(row);
        row.pcie_link_width =
            self.ask(Call::Link, Device::current_pcie_link_width).and_then(check::link_width);
        let mut held =
            match self.ask(Call::Processes, |gpu| raw::processes(nvml, gpu, raw::Kind::Compute)) {
                Reading::Is(held) => held,
                Reading::Not(gap) => return Reading::Not(gap),
            };
        held.extend(self.others.iter().copied());
        held.sort_unstable();
        held.dedup_by_key(|(pid, _)| *pid);
        Reading::Is(held)
    }

    /// The generation that the link runs at: it changes with the load.
    pub(super) fn link_gen(&mut self, row: &mut GpuSample) {
        row.pcie_link_gen =
            self.ask(Call::Link, Device::current_pcie_link_gen).and_then(check::link_gen);
    }

    /// Limits, and processes that are no compute ones: their list is the costliest call of all.
    pub(super) fn rare(&mut self, row: &mut GpuSample) {
        let nvml = self.nvml;
        let read = |answer: Result<u32, NvmlError>| match answer {
            Ok(value) => Reading::Is(value),
            Err(error) => Reading::Not(driver::gap(&error)),
        };
        if self.lost.is_some() {
            return;
        }
        row.power_limit_watts = read(self.device.enforced_power_limit())
            .and_then(|mw| check::power_limit(f64::from(mw) / 1e3));
        row.sm_clock_max_hertz = read(self.device.max_clock_info(Clock::SM)).and_then(check::clock);
        row.pcie_link_gen_max = read(self.device.max_pcie_link_gen()).and_then(check::link_gen);
        row.pcie_link_width_max =
            read(self.device.max_pcie_link_width()).and_then(check::link_width);
        self.others.clear();
        for kind in [raw::Kind::Graphics, raw::Kind::Mps] {
            let list = self.ask(Call::OtherProcesses, |gpu| raw::processes(nvml, gpu, kind));
            self.others.extend(list.ok().unwrap_or_default());
        }
        self.refused &= !(1 << Call::OtherProcesses as u32);
    }

    /// Who the GPU is.
    pub(super) fn identity(&self, index: u32, driver: &str, row: &GpuSample) -> GpuInfo {
        GpuInfo {
            gpu: GpuId(index),
            uuid: self.device.uuid().unwrap_or_default().into(),
            name: self.device.name().unwrap_or_default().into(),
            driver: driver.into(),
            pci: self.device.pci_info().map(|pci| pci.bus_id).unwrap_or_default().into(),
            memory_bytes: row.memory_total_bytes.ok(),
            multiprocessors: self.multiprocessors(),
            simulated: false,
            trouble: None,
        }
    }

    /// Multiprocessors: told directly since Ampere, else from the cores that each has.
    fn multiprocessors(&self) -> Option<u32> {
        if let Ok(attributes) = self.device.attributes()
            && (1..=1024).contains(&attributes.multiprocessor_count)
        {
            return Some(attributes.multiprocessor_count);
        }
        let capability = self.device.cuda_compute_capability().ok()?;
        let cores = match (capability.major, capability.minor) {
            (7, _) | (6 | 8, 0) => 64,
            (5 | 6 | 8..=12, _) => 128,
            _ => return None,
        };
        let count = self.device.num_cores().ok()? / cores;
        (1..=1024).contains(&count).then_some(count)
    }
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

const fn field_bit(id: u32) -> u32 {
    match id {
        PCIE_TX => 1,
        PCIE_RX => 2,
        ENERGY => 4,
        _ => 8,
    }
}

struct Fields {
    at: Instant,
    values: Vec<(u32, Reading<u64>)>,
}

impl Fields {
    fn of(&self, id: u32) -> Option<Reading<u64>> {
        self.values.iter().find(|(field, _)| *field == id).map(|(_, value)| *value)
    }

    /// Bytes received and sent.
    fn pair(&self) -> Option<(u64, u64, Instant)> {
        let rx = self.of(PCIE_RX)?.ok()?;
        let tx = self.of(PCIE_TX)?.ok()?;
        Some((rx, tx, self.at))
    }
}

/// What is asked of GPM, in this order.
const GPM: [GpmMetricId; 6] = [
    GpmMetricId::SmUtil,
    GpmMetricId::SmOccupancy,
    GpmMetricId::AnyTensorUtil,
    GpmMetricId::DramBwUtil,
    GpmMetricId::PcieRxPerSec,
    GpmMetricId::PcieTxPerSec,
];

type GpmValue = Reading<(f64, String)>;

fn gpm_value(
    answer: Result<nvml_wrapper::struct_wrappers::gpm::GpmMetricResult, NvmlError>,
) -> GpmValue {
    match answer {
        Ok(metric) => Reading::Is((metric.value, metric.metric_info.unit)),
        Err(error) => Reading::Not(driver::gap(&error)),
    }
}

fn fill_gpm(row: &mut GpuSample, values: &[GpmValue], gap: Gap) {
    let share = |index: usize| match values.get(index) {
        Some(Reading::Is((value, _))) => check::percent(*value),
        Some(Reading::Not(gap)) => Reading::Not(*gap),
        None => Reading::Not(gap),
    };
    row.sm_active_ratio = share(0);
    row.sm_occupancy_ratio = share(1);
    row.tensor_active_ratio = share(2);
    row.dram_active_ratio = share(3);
}

/// GPM's PCIe rates, where both are there in a unit that we know.
fn gpm_traffic(values: &[GpmValue]) -> Option<(f64, f64)> {
    let rate = |index: usize| match values.get(index) {
        Some(Reading::Is((value, unit))) if value.is_finite() => {
            check::rate_unit(unit).map(|factor| value * factor)
        }
        _ => None,
    };
    rate(4).zip(rate(5))
}
