//! What GPUs may say of themselves, for the frames of a made-up box.
#![allow(dead_code, reason = "each test program uses its part")]

use std::sync::Arc;

use mltop::model::frame::GpuRates;
use mltop::model::inventory::{GivenGpus, GpuInfo, GpuModes, MigInfo};
use mltop::model::metric::{Cell, Kind, Section};
use mltop::model::sample::{
    Bound, GpuProcKind, GpuProcSample, GpuSample, IndexSource, UsageSource,
};
use mltop::model::{Frame, Gap, GpuId, Pid, Reading, Sample};

use crate::frames::util_at;

/// Hoppers in full: all that a driver can tell of one.
pub(crate) fn hoppers(tick: u64, sample: &mut Sample, frame: &mut Frame) {
    for row in &mut sample.gpus {
        let busy = util_at(tick, row.gpu.0);
        *row = GpuSample {
            tensor_active_ratio: Reading::Is(busy * 0.4),
            dram_active_ratio: Reading::Is(busy * 0.3),
            sm_occupancy_ratio: Reading::Is(busy * 0.2),
            power_watts: Reading::Is(120.0 + busy * 440.0),
            power_limit_watts: Reading::Is(700.0),
            temperature_celsius: Reading::Is(61.0 + f64::from(row.gpu.0)),
            memory_temperature_celsius: Reading::Is(72.0),
            sm_clock_hertz: Reading::Is(1_755_000_000),
            sm_clock_max_hertz: Reading::Is(1_980_000_000),
            throttle_reasons: Reading::Is(0x4),
            pcie_link_gen_max: Reading::Is(5),
            pcie_link_width_max: Reading::Is(16),
            utilization_min_ratio: Reading::Is(0.05),
            utilization_max_ratio: Reading::Is(0.99),
            jpeg_ratio: Reading::Is(0.12),
            perf_state: Reading::Is(0),
            energy_joules_total: Reading::Is(tick as f64 * (120.0 + busy * 440.0)),
            power_throttle_seconds_total: Reading::Is(tick as f64 * 0.12),
            utilization_samples_total: Reading::Is(tick * 6),
            utilization_idle_samples_total: Reading::Is(tick * 2),
            utilization_sum_total: Reading::Is(tick as f64 * 3.0),
            pcie_rx_bytes_per_second: Reading::Is(1.2e9 * (1.0 + busy)),
            pcie_tx_bytes_per_second: Reading::Is(2.1e8),
            nvlink_rx_bytes_per_second: Reading::Is(91e9 * busy),
            nvlink_tx_bytes_per_second: Reading::Is(88e9 * busy),
            driver_calls_total: Reading::Is(tick * 11),
            driver_seconds_total: Reading::Is(tick as f64 * 0.002),
            nvlink_links: Reading::Is(18),
            nvlink_limit_bytes_per_second: Reading::Is(478e9),
            ecc_corrected_total: Reading::Is(3),
            ecc_uncorrected_total: Reading::Is(0),
            pcie_replays_total: Reading::Is(2),
            nvlink_errors_total: Reading::Is(0),
            xid: Reading::Not(Gap::NotApplicable),
            xids_total: Reading::Is(0),
            ..row.clone()
        };
    }
    for rates in &mut frame.gpus {
        let busy = util_at(tick, rates.gpu.0);
        *rates = GpuRates {
            power_ratio: Reading::Is((120.0 + busy * 440.0) / 700.0),
            pcie_tx_ratio: Reading::Is(0.003),
            nvlink_rx_bytes_per_second: Reading::Is(91e9 * busy),
            nvlink_tx_bytes_per_second: Reading::Is(88e9 * busy),
            nvlink_rx_ratio: Reading::Is(0.19 * busy),
            nvlink_tx_ratio: Reading::Is(0.18 * busy),
            sm_clock_ratio: Reading::Is(0.886),
            power_throttle_ratio: Reading::Is(0.12),
            idle_ratio: Reading::Is(0.3),
            driver_calls_per_second: Reading::Is(11.0),
            driver_ratio: Reading::Is(0.002),
            ..rates.clone()
        };
    }
    for held in &mut sample.gpu_procs {
        held.kind = Reading::Is(GpuProcKind::Compute);
        held.sm_ratio = Reading::Is(0.4);
        held.device_index = Reading::Is(u64::from(held.gpu.0));
        held.device_index_source = Reading::Is(IndexSource::Inferred);
    }
    given(sample, 0..8);
}

/// The job was given the cards of a range.
fn given(sample: &mut Sample, cards: std::ops::Range<u32>) {
    let inventory = Arc::make_mut(&mut sample.inventory);
    for run in &mut inventory.runs {
        Arc::make_mut(run).given = Some(GivenGpus {
            gpus: cards.clone().map(GpuId).collect(),
            by: "SLURM_JOB_GPUS".into(),
            doubt: "".into(),
        });
    }
}

/// Cards of which the driver tells next to nothing, as in a virtual machine.
pub(crate) fn bare(_: u64, sample: &mut Sample, frame: &mut Frame) {
    for row in &mut sample.gpus {
        let util = row.utilization_ratio;
        *row = GpuSample::blank(row.gpu, Gap::Unsupported);
        row.utilization_ratio = util;
    }
    for rates in &mut frame.gpus {
        for (index, spec) in GpuRates::COLUMNS.iter().enumerate() {
            if spec.kind != Kind::Id {
                rates.set(index, Cell::Null(Gap::Unsupported));
            }
        }
    }
    sample.gpu_procs.push(GpuProcSample {
        gpu: GpuId(0),
        pid: Pid(3_999_999),
        memory_used_bytes: Reading::Not(Gap::Unsupported),
        kind: Reading::Is(GpuProcKind::Mps),
        sm_ratio: Reading::Not(Gap::Unsupported),
        ..GpuProcSample::default()
    });
}

/// Cards of which all is the sum over the processes that may be looked at.
pub(crate) fn least(_: u64, sample: &mut Sample, _: &mut Frame) {
    for row in &mut sample.gpus {
        row.usage_source = Reading::Is(UsageSource::Processes);
        row.usage_bound = Reading::Is(Bound::Lower);
    }
}

/// The first card fell off the bus, the second has bad memory, the third is hot.
pub(crate) fn ill(tick: u64, sample: &mut Sample, frame: &mut Frame) {
    hoppers(tick, sample, frame);
    let inventory = Arc::make_mut(&mut sample.inventory);
    for row in &mut sample.gpus {
        match row.gpu.0 {
            0 => {
                *row = GpuSample::blank(row.gpu, Gap::Lost);
                row.xid = Reading::Is(79);
                row.xids_total = Reading::Is(2);
                row.xid_age_seconds = Reading::Is(130.0);
            }
            1 => {
                row.ecc_uncorrected_total = Reading::Is(4);
                row.remap_pending = Reading::Is(true);
            }
            _ => row.throttle_reasons = Reading::Is(0x40 | 0x8 | 0x8000),
        }
    }
    if let Some(info) = inventory.gpus.first_mut() {
        Arc::make_mut(info).trouble = Some("fell off the bus".into());
    }
    frame.gpus.retain(|rates| rates.gpu.0 != 0);
}

/// The first card is cut into three MIG instances, on one of which the job runs.
pub(crate) fn sliced(tick: u64, sample: &mut Sample, frame: &mut Frame) {
    hoppers(tick, sample, frame);
    let inventory = Arc::make_mut(&mut sample.inventory);
    if let Some(info) = inventory.gpus.first_mut() {
        Arc::make_mut(info).modes =
            GpuModes { mig: Some(true), persistence: Some(false), ..GpuModes::default() };
    }
    if let Some(row) = sample.gpus.first_mut() {
        row.utilization_ratio = Reading::Not(Gap::Unsupported);
        row.sm_active_ratio = Reading::Not(Gap::Unsupported);
    }
    for (index, (profile, slices)) in (0..).zip([("1g.10gb", 1), ("2g.20gb", 2), ("3g.40gb", 3)]) {
        let Some(id) = GpuId(0).slice(index) else { continue };
        inventory.gpus.push(Arc::new(GpuInfo {
            gpu: id,
            name: format!("NVIDIA H100 80GB HBM3 MIG {profile}").into(),
            memory_bytes: Some(u64::from(slices) * (10 << 30)),
            mig: Some(MigInfo {
                gpu_instance: Some(index + 7),
                compute_instance: Some(0),
                profile: profile.into(),
                slices: Some(slices),
            }),
            ..GpuInfo::default()
        }));
        let mut row = GpuSample::blank(id, Gap::NotApplicable);
        row.utilization_ratio = Reading::Not(Gap::Unsupported);
        row.sm_active_ratio = Reading::Is(util_at(tick, index) * 0.5);
        row.memory_total_bytes = Reading::Is(u64::from(slices) * (10 << 30));
        row.memory_used_bytes = Reading::Is(5 << 30);
        sample.gpus.push(row);
        frame.gpus.push(GpuRates {
            gpu: id,
            memory_used_ratio: Reading::Is(0.5 / f64::from(slices)),
            ..GpuRates::default()
        });
    }
    for held in sample.gpu_procs.iter_mut().filter(|held| held.gpu == GpuId(0)) {
        held.gpu = GpuId(0).slice(1).unwrap_or_default();
    }
}
