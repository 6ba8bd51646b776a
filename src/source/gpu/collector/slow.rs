//! What changes within seconds, and the processes.

use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::{
    Clock, EccCounter, MemoryError, PerformanceState, TemperatureSensor,
};
use nvml_wrapper::error::NvmlError;

use super::super::check;
use super::super::wire::Held;
use super::fields;
use super::lists;
use super::raw;
use super::reads::{Asker, Call};
use crate::model::sample::{GpuProcKind, GpuSample};
use crate::model::{Gap, Reading};

impl Asker {
    /// Health, clocks, the link, and who holds memory. `in_use`: whether somebody may work on it; what
    /// tells how it is worked on is not asked of an unused card. What training seldom moves is asked
    /// every second time.
    pub(super) fn slow(&mut self, row: &mut GpuSample, in_use: bool) -> Reading<Vec<Held>> {
        row.temperature_celsius = self
            .ask(Call::Temperature, |gpu| gpu.temperature(TemperatureSensor::Gpu))
            .and_then(check::temperature);
        let before = row.pcie_link_gen;
        self.link_gen(row);
        let all = self.slow_looks.is_multiple_of(2);
        self.slow_looks = self.slow_looks.wrapping_add(1);
        // The lanes in use change with the generation, or because one failed.
        if all || row.pcie_link_gen != before {
            row.pcie_link_width =
                self.ask(Call::Link, Device::current_pcie_link_width).and_then(check::link_width);
        }
        self.health(row);
        if all {
            row.memory_clock_hertz = self
                .ask(Call::MemoryClock, |gpu| gpu.clock_info(Clock::Memory))
                .and_then(check::clock);
        }
        match (in_use, all) {
            (true, true) => self.engines(row),
            (true, false) => {}
            (false, _) => no_engines(row),
        }
        self.processes(in_use)
    }

    /// The generation that the link runs at: it changes with the load.
    pub(super) fn link_gen(&mut self, row: &mut GpuSample) {
        row.pcie_link_gen =
            self.ask(Call::Link, Device::current_pcie_link_gen).and_then(check::link_gen);
    }

    /// Errors of memory and links, and the memory's temperature.
    fn health(&mut self, row: &mut GpuSample) {
        let mut ids = vec![
            fields::ECC_CORRECTED,
            fields::ECC_UNCORRECTED,
            fields::ECC_UNCORRECTED_EVER,
            fields::MEMORY_TEMPERATURE,
            fields::PCIE_REPLAYS,
        ];
        let nvlink = row.nvlink_links.ok().is_some_and(|links| links > 0);
        if nvlink {
            ids.extend(fields::NVLINK_ERRORS);
        }
        let values = self.fields(&ids);
        let counted = |id| values.of(id).and_then(|count| check::counter(count, 1));
        row.ecc_uncorrected_ever_total = counted(fields::ECC_UNCORRECTED_EVER);
        row.ecc_corrected_total = match counted(fields::ECC_CORRECTED) {
            Reading::Not(Gap::Unsupported) => self.ecc(Call::Corrected, MemoryError::Corrected),
            counted => counted,
        };
        row.ecc_uncorrected_total = match counted(fields::ECC_UNCORRECTED) {
            Reading::Not(Gap::Unsupported) => self.ecc(Call::Uncorrected, MemoryError::Uncorrected),
            counted => counted,
        };
        row.pcie_replays_total = match counted(fields::PCIE_REPLAYS) {
            Reading::Not(Gap::Unsupported) => {
                self.ask(Call::Replays, Device::pcie_replay_counter).map(u64::from)
            }
            counted => counted,
        };
        let celsius = values.of(fields::MEMORY_TEMPERATURE);
        row.memory_temperature_celsius = celsius.and_then(|celsius| match u32::try_from(celsius) {
            // Cards without the sensor are known to say 0.
            Ok(0) => Reading::Not(Gap::Unsupported),
            Ok(celsius) => check::temperature(celsius),
            Err(_) => Reading::Not(Gap::Failed),
        });
        row.nvlink_errors_total = if nvlink {
            let known = fields::NVLINK_ERRORS.into_iter().map(counted).filter_map(Reading::ok);
            let known: Vec<u64> = known.collect();
            let sum = known.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
            Reading::from_option((!known.is_empty()).then_some(sum), Gap::Unsupported)
        } else {
            row.nvlink_links.and_then(|_| Reading::Not(Gap::Unsupported))
        };
    }

    fn ecc(&mut self, call: Call, kind: MemoryError) -> Reading<u64> {
        self.ask(call, |gpu| gpu.total_ecc_errors(kind, EccCounter::Volatile))
            .and_then(|count| check::counter(count, 1))
    }

    /// The engines beside the multiprocessors, and how the card is driven.
    fn engines(&mut self, row: &mut GpuSample) {
        let nvml = self.nvml;
        let share = |percent: Reading<u32>| percent.and_then(|p| check::percent(f64::from(p)));
        let encoder = self.ask(Call::Encoder, Device::encoder_utilization);
        row.encoder_ratio = share(encoder.map(|info| info.utilization));
        let decoder = self.ask(Call::Decoder, Device::decoder_utilization);
        row.decoder_ratio = share(decoder.map(|info| info.utilization));
        row.jpeg_ratio = share(self.ask(Call::Jpeg, |gpu| raw::jpeg_percent(nvml, gpu)));
        row.perf_state = self.ask(Call::PerfState, Device::performance_state).and_then(perf_state);
        row.fan_ratio = match self.fans.unwrap_or(0) {
            0 => Reading::Not(Gap::Unsupported),
            fans => {
                let fastest = self.ask(Call::Fan, |gpu| {
                    (0..fans)
                        .map(|fan| gpu.fan_speed(fan))
                        .reduce(|a, b| Ok(a?.max(b?)))
                        .unwrap_or(Err(NvmlError::NotSupported))
                });
                // A fan may be driven beyond its nominal speed.
                fastest.and_then(|percent| check::percent(f64::from(percent.min(100))))
            }
        };
    }

    /// Who holds memory, and where the driver tells, how much of the time each had kernels running.
    fn processes(&mut self, in_use: bool) -> Reading<Vec<Held>> {
        let nvml = self.nvml;
        let list = self.ask(Call::Processes, |gpu| raw::processes(nvml, gpu, raw::Kind::Compute));
        let mut held = match list {
            Reading::Is(list) => named(list, GpuProcKind::Compute),
            Reading::Not(gap) => return Reading::Not(gap),
        };
        // A client of the multi-process service may stand in both lists.
        held.splice(0..0, self.others.iter().copied());
        held.sort_by_key(|held| held.pid);
        held.dedup_by_key(|held| held.pid);
        if in_use && !held.is_empty() {
            self.process_utilization(&mut held);
        }
        Reading::Is(held)
    }

    fn process_utilization(&mut self, held: &mut [Held]) {
        let (nvml, since, mut room) = (self.nvml, self.processes_seen, self.processes_room);
        let samples =
            self.ask(Call::ProcessUtilization, |gpu| lists::processes(nvml, gpu, since, &mut room));
        self.processes_room = room;
        let Reading::Is(mut samples) = samples else { return };
        samples.sort_by_key(|sample| sample.timestamp);
        // Drivers are known to fill the list with entries of no time and beyond 100 %.
        samples.retain(|sample| sample.timestamp > since && sample.sm <= 100);
        for sample in &samples {
            self.processes_seen = sample.timestamp;
            if let Some(held) = held.iter_mut().find(|held| held.pid == sample.pid) {
                held.sm = Some(f64::from(sample.sm) / 100.0);
            }
        }
    }
}

/// Of a card that nobody works on, nothing is told that was true while somebody did.
fn no_engines(row: &mut GpuSample) {
    let none = Reading::Not(Gap::NotApplicable);
    row.encoder_ratio = none;
    row.decoder_ratio = none;
    row.jpeg_ratio = none;
    row.perf_state = Reading::Not(Gap::NotApplicable);
    row.fan_ratio = none;
}

/// A list of the driver with what it is a list of.
pub(super) fn named(list: Vec<raw::Held>, kind: GpuProcKind) -> Vec<Held> {
    list.into_iter().map(|(pid, bytes)| Held { pid, bytes, kind, sm: None }).collect()
}

fn perf_state(state: PerformanceState) -> Reading<u64> {
    let code = state.as_c();
    // 32 stands for "cannot tell".
    if code <= 15 { Reading::Is(u64::from(code)) } else { Reading::Not(Gap::Unsupported) }
}
