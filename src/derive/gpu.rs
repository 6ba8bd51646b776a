//! GPUs and their PCIe links.

use super::counter::{fell, rate, rise, share, share_of_time};
use crate::model::Sample;
use crate::model::frame::GpuRates;
use crate::model::id::GpuId;
use crate::model::reading::{Gap, Reading};
use crate::model::sample::GpuSample;

/// Gigabytes a second that one lane carries one way, by PCIe generation from 1 on.
const GIGABYTES_PER_LANE: [f64; 6] = [0.25, 0.5, 0.985, 1.969, 3.938, 7.56];

/// A row that aged by this share of the span has not been read anew in it.
const CARRIED_OVER: f64 = 0.95;

/// Whether an index names the same card in both samples, as far as the inventory tells.
pub(super) fn is_same(prev: Option<&Sample>, now: &Sample, gpu: GpuId) -> bool {
    match (prev.and_then(|prev| prev.inventory.gpu(gpu)), now.inventory.gpu(gpu)) {
        (Some(before), Some(now)) => before.uuid == now.uuid,
        _ => true,
    }
}

/// What a link carries one way, in bytes a second, from its generation and its lanes.
pub fn link_bytes_per_second(generation: u64, lanes: u64) -> Reading<f64> {
    if generation == 0 || lanes == 0 || lanes > 32 {
        return Reading::Not(Gap::Failed);
    }
    let lane = usize::try_from(generation - 1).ok().and_then(|at| GIGABYTES_PER_LANE.get(at));
    Reading::from_option(lane.map(|lane| lane * 1e9 * lanes as f64), Gap::Unsupported)
}

pub(super) fn rates(prev: Option<&GpuSample>, now: &GpuSample, seconds: f64) -> GpuRates {
    let bytes = |reading: Reading<u64>| reading.map(|bytes| bytes as f64);
    let restarted = prev.is_some_and(|prev| {
        fell(prev.pcie_rx_bytes_total, now.pcie_rx_bytes_total)
            || fell(prev.pcie_tx_bytes_total, now.pcie_tx_bytes_total)
    });
    let before = prev.filter(|_| !restarted);
    let span = count_span(before, now, seconds);
    let rx = rise(before.map(|prev| prev.pcie_rx_bytes_total), now.pcie_rx_bytes_total);
    let tx = rise(before.map(|prev| prev.pcie_tx_bytes_total), now.pcie_tx_bytes_total);
    let rx = best(span.and_then(|span| rate(rx, span)), rx, now.pcie_rx_bytes_per_second);
    let tx = best(span.and_then(|span| rate(tx, span)), tx, now.pcie_tx_bytes_per_second);
    let link = now
        .pcie_link_gen
        .zip(now.pcie_link_width)
        .and_then(|(generation, lanes)| link_bytes_per_second(generation, lanes));
    GpuRates {
        gpu: now.gpu,
        memory_used_ratio: share(
            bytes(now.memory_used_bytes),
            bytes(now.memory_total_bytes),
            Gap::Failed,
        ),
        power_ratio: share(now.power_watts, now.power_limit_watts, Gap::Failed),
        pcie_rx_bytes_per_second: rx,
        pcie_tx_bytes_per_second: tx,
        pcie_link_bytes_per_second: link,
        pcie_rx_ratio: share(rx, link, Gap::Failed),
        pcie_tx_ratio: share(tx, link, Gap::Failed),
        ..row_rates(prev, now, seconds)
    }
}

/// What follows from counts that are as old as their rows.
fn row_rates(prev: Option<&GpuSample>, now: &GpuSample, seconds: f64) -> GpuRates {
    let span = row_span(prev, now, seconds);
    let a_second = |rise: Reading<f64>| span.and_then(|span| rate(rise, span));
    let of_time = |rise: Reading<f64>| span.and_then(|span| share_of_time(rise, span));
    let rises = |of: fn(&GpuSample) -> Reading<u64>| rise(prev.map(of), of(now));
    let times = |of: fn(&GpuSample) -> Reading<f64>| rise(prev.map(of), of(now));
    let (rx, tx) = (rises(|row| row.nvlink_rx_bytes_total), rises(|row| row.nvlink_tx_bytes_total));
    let rx = best(a_second(rx), rx, now.nvlink_rx_bytes_per_second);
    let tx = best(a_second(tx), tx, now.nvlink_tx_bytes_per_second);
    let limit = now.nvlink_limit_bytes_per_second;
    let samples = rises(|row| row.utilization_samples_total);
    let sum = times(|row| row.utilization_sum_total);
    let idle = rises(|row| row.utilization_idle_samples_total);
    let (clock, clock_max) = (now.sm_clock_hertz, now.sm_clock_max_hertz);
    let hertz = |reading: Reading<u64>| reading.map(|hertz| hertz as f64);
    GpuRates {
        nvlink_rx_bytes_per_second: rx,
        nvlink_tx_bytes_per_second: tx,
        nvlink_rx_ratio: share(rx, limit, Gap::Failed),
        nvlink_tx_ratio: share(tx, limit, Gap::Failed),
        utilization_mean_ratio: share(sum, samples, Gap::NotApplicable),
        idle_ratio: share(idle, samples, Gap::NotApplicable),
        power_mean_watts: a_second(times(|row| row.energy_joules_total)),
        power_throttle_ratio: of_time(times(|row| row.power_throttle_seconds_total)),
        thermal_throttle_ratio: of_time(times(|row| row.thermal_throttle_seconds_total)),
        sm_clock_ratio: share(hertz(clock), hertz(clock_max), Gap::Failed),
        driver_calls_per_second: a_second(rises(|row| row.driver_calls_total)),
        driver_ratio: of_time(times(|row| row.driver_seconds_total)),
        ..GpuRates::default()
    }
}

/// The time between the reads of two rows, which is not that between the samples: each is as old as
/// it says. A row that was not read anew has no rate.
fn row_span(prev: Option<&GpuSample>, now: &GpuSample, seconds: f64) -> Reading<f64> {
    let ages = prev.map_or(Reading::Not(Gap::NotYet), |prev| prev.age_seconds.zip(now.age_seconds));
    match ages {
        Reading::Is((before, now)) => {
            let span = seconds + before - now;
            let anew = span.is_finite() && span > (1.0 - CARRIED_OVER) * seconds;
            if anew { Reading::Is(span) } else { Reading::Not(Gap::Late) }
        }
        // Sources without ages read within the tick.
        Reading::Not(_) => Reading::Is(seconds),
    }
}

/// The span of the counts: that of the samples, as a source gives its counts as of the sample's own
/// moment or a constant time before it. A row that was only carried over from the tick before has
/// the same counts, and that is no rate of 0. Counts that rose were read, however old the rest is:
/// they come more often than rows do.
fn count_span(prev: Option<&GpuSample>, now: &GpuSample, seconds: f64) -> Reading<f64> {
    let carried_over = prev.is_some_and(|prev| {
        let ages = prev.age_seconds.zip(now.age_seconds);
        prev.pcie_rx_bytes_total == now.pcie_rx_bytes_total
            && prev.pcie_tx_bytes_total == now.pcie_tx_bytes_total
            && matches!(ages, Reading::Is((before, now)) if now - before > CARRIED_OVER * seconds)
    });
    if carried_over { Reading::Not(Gap::Late) } else { Reading::Is(seconds) }
}

/// The rate from counts; the rate that the source itself gave where there is none; else why there
/// is none, of the counts where there are counts.
fn best(counted: Reading<f64>, rise: Reading<f64>, given: Reading<f64>) -> Reading<f64> {
    match (counted, given) {
        (Reading::Is(rate), _) => Reading::Is(rate),
        (_, Reading::Is(rate)) if rate.is_finite() && rate >= 0.0 => Reading::Is(rate),
        (_, Reading::Is(_)) => Reading::Not(Gap::Failed),
        // Without any count the reason is that of the source that was to give a rate.
        (Reading::Not(_), Reading::Not(gap)) if rise.gap() == Some(Gap::Unsupported) => {
            Reading::Not(gap)
        }
        (Reading::Not(gap), Reading::Not(_)) => Reading::Not(gap),
    }
}
