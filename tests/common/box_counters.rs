//! A made-up training box whose counters rise, so that a session of it is as telling when it is read as
//! its frames are.

use std::sync::Arc;

use mltop::model::inventory::{SourceState, SourceStatus};
use mltop::model::sample::{CpuSample, HostSample, LoaderSample};
use mltop::model::{Frame, Inventory, Reading, Sample};

use crate::boxes;
use crate::frames::wait_at;

const CPUS: u64 = 16;
const GIB: u64 = 1 << 30;

/// What a second of each tick up to this one adds up to.
fn sum(tick: u64, of: impl Fn(u64) -> f64) -> f64 {
    (0..tick).map(of).sum()
}

fn seconds(tick: u64, of: impl Fn(u64) -> f64) -> Reading<f64> {
    Reading::Is(sum(tick, of))
}

fn count(tick: u64, of: impl Fn(u64) -> f64) -> Reading<u64> {
    Reading::Is(sum(tick, of) as u64)
}

/// A little of a change from tick to tick.
fn wave(tick: u64, of: u64) -> f64 {
    ((tick * 7 + of * 5) % 11) as f64 / 100.0
}

/// The box while its loaders starve, from tick 60 on, and before.
pub(crate) fn rising(tick: u64, sample: &mut Sample, frame: &mut Frame) {
    boxes::full(tick, sample, frame);
    cpus(tick, sample);
    host(tick, &mut sample.host);
    let starved = |tick| wait_at(tick) > 0.1;
    for disk in &mut sample.disks {
        let reads = |tick| if starved(tick) { 17_000.0 } else { 6_000.0 } * (0.9 + wave(tick, 3));
        disk.reads_total = count(tick, reads);
        disk.read_bytes_total = count(tick, |tick| reads(tick) * 114_688.0);
        disk.read_seconds_total =
            seconds(tick, |tick| reads(tick) * if starved(tick) { 8.1e-3 } else { 4e-4 });
        disk.writes_total = count(tick, |_| 40.0);
        disk.write_bytes_total = count(tick, |_| 4e6);
        disk.write_seconds_total = seconds(tick, |_| 0.01);
        disk.busy_seconds_total = seconds(tick, |tick| if starved(tick) { 0.98 } else { 0.4 });
        disk.queue_seconds_total = seconds(tick, |tick| if starved(tick) { 31.0 } else { 2.0 });
    }
    for (net, rate) in sample.nets.iter_mut().zip([2.5e8, 0.0]) {
        net.rx_bytes_total = count(tick, |tick| rate * (0.95 + wave(tick, 1)));
        net.tx_bytes_total = count(tick, |tick| rate / 10.0 * (0.95 + wave(tick, 2)));
    }
    for group in &mut sample.cgroups {
        group.cpu_usage_seconds_total = seconds(tick, |tick| 5.0 + wave(tick, 4));
        group.periods_total = count(tick, |_| 10.0);
        group.throttled_periods_total = Reading::Is(0);
        group.throttled_seconds_total = Reading::Is(0.0);
    }
    for (at, (own, cpu)) in (0..).zip(sample.own.iter_mut().zip([0.006, 0.002, 0.003, 0.001])) {
        own.cpu_seconds_total = seconds(tick, |tick| cpu + wave(tick, at) / 500.0);
        if own.thread.is_empty() {
            own.read_calls_total = count(tick, |_| 820.0);
        }
    }
    for (at, row) in (0..).zip(&mut sample.procs) {
        row.cpu_seconds_total = seconds(tick, |tick| 0.3 + wave(tick, at) * 2.0);
        row.read_bytes_total = count(tick, |tick| 4e7 + wave(tick, at) * 3e8);
        row.write_bytes_total = Reading::Is(0);
        row.rss_bytes = Reading::Is((at % 9 + 3) * (GIB / 4));
    }
    for row in &mut sample.loaders {
        loader(tick, row);
    }
    sources(Arc::make_mut(&mut sample.inventory));
}

/// A hundred looks a second at the loop, and as many at each of its eight workers.
fn loader(tick: u64, row: &mut LoaderSample) {
    let starved = |tick| wait_at(tick) > 0.1;
    let workers = |starved_share: f64, fed_share: f64| {
        count(tick, move |tick| 800.0 * if starved(tick) { starved_share } else { fed_share })
    };
    row.samples_total = count(tick, |_| 100.0);
    row.failed_total = Reading::Is(0);
    row.wait_samples_total = count(tick, |tick| 100.0 * wait_at(tick));
    row.delivery_samples_total = Reading::Is(0);
    row.empty_samples_total = count(tick, |tick| if starved(tick) { 74.0 } else { 0.0 });
    row.steps_total = count(tick, |tick| if starved(tick) { 2.4 } else { 4.9 });
    row.worker_run_samples_total = workers(0.18, 0.3);
    row.worker_runq_samples_total = workers(0.02, 0.02);
    row.worker_disk_samples_total = workers(0.75, 0.08);
    row.worker_net_samples_total = Reading::Is(0);
    row.worker_idle_samples_total = workers(0.05, 0.6);
    row.worker_other_samples_total = Reading::Is(0);
}

fn cpus(tick: u64, sample: &mut Sample) {
    let used = |of: u64| move |tick| 0.25 + (of % 5) as f64 * 0.12 + wave(tick, of);
    sample.cpus = (0..CPUS)
        .map(|of| CpuSample {
            cpu: of.to_string().into(),
            used_seconds_total: seconds(tick, used(of)),
            idle_seconds_total: seconds(tick, |tick| 1.0 - used(of)(tick)),
        })
        .collect();
    let all = |of: fn(&CpuSample) -> Reading<f64>| {
        sample.cpus.iter().filter_map(|cpu| of(cpu).ok()).sum::<f64>()
    };
    let (used, idle) = (all(|cpu| cpu.used_seconds_total), all(|cpu| cpu.idle_seconds_total));
    let waits = sum(tick, |tick| wait_at(tick) * 2.0);
    sample.host.cpu_user_seconds_total = Reading::Is(used * 0.8);
    sample.host.cpu_system_seconds_total = Reading::Is(used * 0.2);
    sample.host.cpu_idle_seconds_total = Reading::Is(idle - waits);
    sample.host.cpu_iowait_seconds_total = Reading::Is(waits);
}

fn host(tick: u64, host: &mut HostSample) {
    let starved = |tick| wait_at(tick) > 0.1;
    host.memory_available_bytes = Reading::Is(33 * GIB - tick * (GIB / 64));
    host.psi_cpu_some_seconds_total = seconds(tick, |tick| 0.02 + wave(tick, 6) / 4.0);
    host.psi_io_some_seconds_total =
        seconds(tick, |tick| wave(tick, 7) + if starved(tick) { 0.6 } else { 0.04 });
    host.psi_io_full_seconds_total = seconds(tick, |tick| if starved(tick) { 0.31 } else { 0.01 });
    host.psi_memory_some_seconds_total = Reading::Is(0.0);
    host.psi_memory_full_seconds_total = Reading::Is(0.0);
    host.major_faults_total = count(tick, |_| 3.0);
    host.mltop_cpu_seconds_total = seconds(tick, |tick| 0.007 + wave(tick, 0) / 500.0);
    host.mltop_looks_total = count(tick, |_| 212.0);
    host.mltop_looks_cpu_seconds_total = seconds(tick, |_| 0.003);
}

fn sources(inventory: &mut Inventory) {
    let fine = |source: &str, message: &str| {
        Arc::new(SourceStatus {
            source: source.into(),
            state: SourceState::Ok,
            message: message.into(),
            remedy: Box::default(),
        })
    };
    inventory.sources = vec![fine("loaders", ""), fine("trainers", "")];
}
