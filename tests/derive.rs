//! Rates from counters: what may be subtracted, and what may not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::float_cmp,
    reason = "a test that cannot go on should stop, and the numbers are chosen to be exact"
)]

use std::sync::Arc;

use mltop::derive::{frame, link_bytes_per_second};
use mltop::model::frame::{
    CgroupRates, CpuRates, DiskRates, Frame, GpuRates, HostRates, LoaderRates, NetRates, ProcRates,
};
use mltop::model::inventory::{GpuInfo, HostInfo, Inventory, ProcInfo, Role};
use mltop::model::metric::{Cell, Section, Unit};
use mltop::model::own::{OwnRates, OwnSample};
use mltop::model::reading::{Gap, Reading};
use mltop::model::sample::{
    CgroupSample, CpuSample, DiskSample, GpuSample, HostSample, LoaderSample, NetSample,
    ProcSample, Sample,
};
use mltop::model::{GpuId, LoaderId, Pid, Stamp};
use proptest::prelude::*;

/// An empty sample with this number, this many milliseconds after boot.
fn at(seq: u64, mono_ms: u64) -> Sample {
    Sample { seq, stamp: Stamp { unix_ms: 0, mono_ms }, ..Sample::default() }
}

fn disk(read_bytes: u64, reads: u64) -> DiskSample {
    DiskSample {
        disk: "sda".into(),
        reads_total: Reading::Is(reads),
        read_bytes_total: Reading::Is(read_bytes),
        read_seconds_total: Reading::Is(reads as f64 * 0.5),
        write_bytes_total: Reading::Is(0),
        writes_total: Reading::Is(0),
        write_seconds_total: Reading::Is(0.0),
        in_flight: Reading::Is(0),
        busy_seconds_total: Reading::Is(reads as f64 * 0.25),
        queue_seconds_total: Reading::Is(reads as f64),
    }
}

fn with_disk(mut sample: Sample, disk: DiskSample) -> Sample {
    sample.disks = vec![disk];
    sample
}

fn derive(prev: &Sample, now: Sample) -> Frame {
    frame(Some(prev), Arc::new(now))
}

#[test]
fn a_counter_becomes_a_rate_over_the_monotonic_clock() {
    let mut prev = with_disk(at(1, 1_000), disk(1_000, 10));
    prev.stamp.unix_ms = 500_000;
    let frame = derive(&prev, with_disk(at(2, 3_000), disk(5_000, 14)));
    assert_eq!(frame.span_seconds, Some(2.0));
    let rates = &frame.disks[0];
    assert_eq!(rates.read_bytes_per_second, Reading::Is(2_000.0));
    assert_eq!(rates.reads_per_second, Reading::Is(2.0));
    assert_eq!(rates.read_size_bytes, Reading::Is(1_000.0));
    assert_eq!(rates.read_await_seconds, Reading::Is(0.5));
    assert_eq!(rates.busy_ratio, Reading::Is(0.5));
    assert_eq!(rates.queue, Reading::Is(2.0));
}

#[test]
fn the_first_sample_has_no_rates_and_says_not_yet() {
    let frame = frame(None, Arc::new(with_disk(at(1, 1_000), disk(1, 1))));
    assert_eq!(frame.span_seconds, None);
    assert_eq!(frame.disks[0].read_bytes_per_second, Reading::Not(Gap::NotYet));
}

#[test]
fn over_a_missing_tick_a_long_pause_a_still_clock_or_a_reboot_there_is_no_rate() {
    let prev = with_disk(at(1, 10_000), disk(1, 1));
    let mut rebooted = at(2, 11_000);
    rebooted.inventory = Arc::new(Inventory {
        host: Arc::new(HostInfo { boot_id: "other".into(), ..HostInfo::default() }),
        ..Inventory::default()
    });
    for now in [at(3, 11_000), at(2, 21_000), at(2, 10_000), at(2, 9_000), at(1, 11_000), rebooted]
    {
        let frame = derive(&prev, with_disk(now, disk(100, 100)));
        assert_eq!(frame.span_seconds, None);
        assert_eq!(frame.disks[0].reads_per_second, Reading::Not(Gap::NotYet));
    }
    assert_eq!(derive(&prev, at(2, 20_000)).span_seconds, Some(10.0));
}

#[test]
fn one_counter_that_fell_means_that_the_whole_row_started_anew() {
    let prev = with_disk(at(1, 1_000), disk(1_000, 10));
    let mut fresh = disk(2_000, 3);
    fresh.busy_seconds_total = Reading::Is(0.0);
    let frame = derive(&prev, with_disk(at(2, 2_000), fresh));
    assert_eq!(frame.disks[0].read_bytes_per_second, Reading::Not(Gap::NotYet));
}

#[test]
fn a_gap_keeps_its_reason_through_the_difference() {
    let prev = with_disk(at(1, 1_000), disk(1_000, 10));
    let mut now = disk(2_000, 20);
    now.read_bytes_total = Reading::Not(Gap::Denied);
    let frame = derive(&prev, with_disk(at(2, 2_000), now));
    assert_eq!(frame.disks[0].read_bytes_per_second, Reading::Not(Gap::Denied));
    assert_eq!(frame.disks[0].read_size_bytes, Reading::Not(Gap::Denied));
    assert_eq!(frame.disks[0].reads_per_second, Reading::Is(10.0));
}

#[test]
fn without_a_read_a_mean_read_is_not_applicable() {
    let prev = with_disk(at(1, 1_000), disk(1_000, 10));
    let frame = derive(&prev, with_disk(at(2, 2_000), disk(1_000, 10)));
    assert_eq!(frame.disks[0].read_await_seconds, Reading::Not(Gap::NotApplicable));
    assert_eq!(frame.disks[0].read_bytes_per_second, Reading::Is(0.0));
}

#[test]
fn rows_are_matched_by_name_and_not_by_place() {
    let mut prev = at(1, 1_000);
    let mut other = disk(9_000, 90);
    other.disk = "sdb".into();
    prev.disks = vec![other.clone(), disk(1_000, 10)];
    let mut now = at(2, 2_000);
    let mut new = disk(7, 7);
    new.disk = "sdc".into();
    now.disks = vec![disk(1_500, 11), other, new];
    let frame = derive(&prev, now);
    assert_eq!(frame.disks[0].read_bytes_per_second, Reading::Is(500.0));
    assert_eq!(frame.disks[1].read_bytes_per_second, Reading::Is(0.0));
    assert_eq!(frame.disks[2].read_bytes_per_second, Reading::Not(Gap::NotYet));
}

#[test]
fn iowait_that_falls_does_not_spoil_the_share_of_the_cpu() {
    let host = |user: f64, idle: f64, iowait: f64| HostSample {
        cpu_user_seconds_total: Reading::Is(user),
        cpu_system_seconds_total: Reading::Is(0.0),
        cpu_idle_seconds_total: Reading::Is(idle),
        cpu_iowait_seconds_total: Reading::Is(iowait),
        memory_total_bytes: Reading::Is(100),
        memory_available_bytes: Reading::Is(25),
        ..HostSample::default()
    };
    let prev = Sample { host: host(1.0, 10.0, 5.0), ..at(1, 1_000) };
    let frame = derive(&prev, Sample { host: host(2.0, 12.0, 4.0), ..at(2, 2_000) });
    assert_eq!(frame.host.cpu_ratio, Reading::Is(0.5));
    assert_eq!(frame.host.cpu_iowait_ratio, Reading::Not(Gap::NotYet));
    assert_eq!(frame.host.memory_used_ratio, Reading::Is(0.75));
}

#[test]
fn a_share_far_above_one_is_refused() {
    let host = |stalled: f64| HostSample {
        psi_io_some_seconds_total: Reading::Is(stalled),
        ..HostSample::default()
    };
    let prev = Sample { host: host(0.0), ..at(1, 1_000) };
    let ratio = |stalled| {
        derive(&prev, Sample { host: host(stalled), ..at(2, 2_000) }).host.psi_io_some_ratio
    };
    assert_eq!(ratio(1.02), Reading::Is(1.0));
    assert_eq!(ratio(1.5), Reading::Not(Gap::Failed));
}

fn throttled(usage: f64, seconds: f64) -> Reading<f64> {
    let group = |usage: f64, seconds: f64| CgroupSample {
        cgroup: "/job".into(),
        cpu_usage_seconds_total: Reading::Is(usage),
        throttled_seconds_total: Reading::Is(seconds),
        periods_total: Reading::Is((usage * 10.0) as u64),
        throttled_periods_total: Reading::Is((seconds * 5.0) as u64),
        ..CgroupSample::default()
    };
    let prev = Sample { cgroups: vec![group(0.0, 0.0)], ..at(1, 1_000) };
    let now = Sample { cgroups: vec![group(usage, seconds)], ..at(2, 2_000) };
    derive(&prev, now).cgroups[0].throttled_ratio
}

#[test]
fn throttled_time_that_was_summed_over_cpus_is_no_share_above_one() {
    assert_eq!(throttled(4.0, 4.0), Reading::Is(0.5), "eight threads on four cores of quota");
    assert_eq!(throttled(0.5, 0.5), Reading::Is(0.5), "one thread on half a core");
    assert_eq!(throttled(0.01, 0.01), Reading::Is(0.01), "seldom running at all");
    assert_eq!(throttled(0.0, 0.0), Reading::Is(0.0));
}

fn with_start(mut sample: Sample, start_ticks: u64, cpu: f64) -> Sample {
    let info = ProcInfo {
        pid: Pid(7),
        parent: Pid(1),
        start_ticks,
        start_ms: None,
        name: "python".into(),
        command: "python".into(),
        user: "me".into(),
        role: Role::Trainer,
        run: None,
        rank: None,
        cgroup: None,
        container: None,
    };
    sample.inventory =
        Arc::new(Inventory { procs: [(Pid(7), Arc::new(info))].into(), ..Inventory::default() });
    sample.procs = vec![ProcSample {
        pid: Pid(7),
        cpu_seconds_total: Reading::Is(cpu),
        run_delay_seconds_total: Reading::Is(cpu * 3.0),
        ..ProcSample::default()
    }];
    sample
}

#[test]
fn a_pid_with_another_start_is_another_process() {
    let prev = with_start(at(1, 1_000), 10, 1.0);
    let same = derive(&prev, with_start(at(2, 2_000), 10, 2.0));
    assert_eq!(same.procs[0].cpu_cores, Reading::Is(1.0));
    assert_eq!(same.procs[0].run_delay_ratio, Reading::Is(3.0), "three threads that wait");
    let other = derive(&prev, with_start(at(2, 2_000), 11, 2.0));
    assert_eq!(other.procs[0].cpu_cores, Reading::Not(Gap::NotYet));
}

fn gpu(bytes: Reading<u64>, given: Reading<f64>, age: Reading<f64>) -> GpuSample {
    GpuSample {
        gpu: GpuId(0),
        pcie_rx_bytes_total: bytes,
        pcie_tx_bytes_total: bytes,
        pcie_rx_bytes_per_second: given,
        pcie_tx_bytes_per_second: given,
        pcie_link_gen: Reading::Is(4),
        pcie_link_width: Reading::Is(16),
        memory_used_bytes: Reading::Is(1),
        memory_total_bytes: Reading::Is(4),
        power_watts: Reading::Is(100.0),
        power_limit_watts: Reading::Is(400.0),
        age_seconds: age,
        ..GpuSample::default()
    }
}

fn with_gpu(mut sample: Sample, gpu: GpuSample) -> Sample {
    sample.gpus = vec![gpu];
    sample
}

const NO_RATE: Reading<f64> = Reading::Not(Gap::Unsupported);
const NO_COUNT: Reading<u64> = Reading::Not(Gap::Unsupported);

#[test]
fn a_link_carries_what_its_generation_and_lanes_say() {
    assert_eq!(link_bytes_per_second(4, 16), Reading::Is(31.504e9));
    assert_eq!(link_bytes_per_second(1, 1), Reading::Is(0.25e9));
    assert_eq!(link_bytes_per_second(0, 16), Reading::Not(Gap::Failed));
    assert_eq!(link_bytes_per_second(7, 16), Reading::Not(Gap::Unsupported));
}

#[test]
fn pcie_is_taken_from_counts_and_else_from_the_given_rate() {
    let age = Reading::Is(0.0);
    let prev = with_gpu(at(1, 1_000), gpu(Reading::Is(1_000), NO_RATE, age));
    let counted = gpu(Reading::Is(3_000), Reading::Is(9.0), age);
    let frame = derive(&prev, with_gpu(at(2, 2_000), counted));
    assert_eq!(frame.gpus[0].pcie_rx_bytes_per_second, Reading::Is(2_000.0));
    assert_eq!(frame.gpus[0].pcie_rx_ratio, Reading::Is(2_000.0 / 31.504e9));
    assert_eq!(frame.gpus[0].memory_used_ratio, Reading::Is(0.25));
    assert_eq!(frame.gpus[0].power_ratio, Reading::Is(0.25));
    let given = gpu(NO_COUNT, Reading::Is(9.0), age);
    let frame = derive(&prev, with_gpu(at(2, 2_000), given));
    assert_eq!(frame.gpus[0].pcie_tx_bytes_per_second, Reading::Is(9.0));
    let neither = gpu(NO_COUNT, Reading::Not(Gap::Denied), age);
    let frame = derive(&prev, with_gpu(at(2, 2_000), neither));
    assert_eq!(frame.gpus[0].pcie_rx_bytes_per_second, Reading::Not(Gap::Denied));
}

#[test]
fn a_gpu_row_that_was_only_carried_over_is_late_and_not_idle() {
    let row = |bytes, age| gpu(Reading::Is(bytes), NO_RATE, Reading::Is(age));
    let prev = with_gpu(at(1, 1_000), row(1_000, 0.0));
    let frame = derive(&prev, with_gpu(at(2, 2_000), row(1_000, 1.0)));
    assert_eq!(frame.gpus[0].pcie_rx_bytes_per_second, Reading::Not(Gap::Late));
}

#[test]
fn counts_that_rose_are_of_the_samples_span_whatever_the_age_of_the_row() {
    let row = |bytes, age| gpu(Reading::Is(bytes), NO_RATE, Reading::Is(age));
    let prev = with_gpu(at(1, 1_000), row(1_000, 0.0));
    for age in [0.0, 0.5, 1.0] {
        let frame = derive(&prev, with_gpu(at(2, 2_000), row(1_500, age)));
        assert_eq!(frame.gpus[0].pcie_rx_bytes_per_second, Reading::Is(500.0), "{age}");
    }
}

#[test]
fn another_card_at_the_same_index_starts_anew() {
    let with_uuid = |mut sample: Sample, uuid: &str| {
        let info = GpuInfo { uuid: uuid.into(), ..GpuInfo::default() };
        sample.inventory =
            Arc::new(Inventory { gpus: vec![Arc::new(info)], ..Inventory::default() });
        sample
    };
    let row = |bytes| gpu(Reading::Is(bytes), NO_RATE, Reading::Is(0.0));
    let prev = with_uuid(with_gpu(at(1, 1_000), row(1)), "GPU-a");
    let frame = derive(&prev, with_uuid(with_gpu(at(2, 2_000), row(5)), "GPU-b"));
    assert_eq!(frame.gpus[0].pcie_rx_bytes_per_second, Reading::Not(Gap::NotYet));
}

fn loader(looks: u64, wait: u64, steps: u64) -> LoaderSample {
    LoaderSample {
        pid: Pid(7),
        loader: LoaderId(1),
        workers: Reading::Is(2),
        samples_total: Reading::Is(looks),
        wait_samples_total: Reading::Is(wait),
        empty_samples_total: Reading::Is(wait),
        delivery_samples_total: Reading::Is(0),
        ready_sum: Reading::Is(looks * 3),
        steps_total: Reading::Is(steps),
        worker_run_samples_total: Reading::Is(looks),
        worker_runq_samples_total: Reading::Is(0),
        worker_disk_samples_total: Reading::Is(looks),
        worker_net_samples_total: Reading::Is(0),
        worker_idle_samples_total: Reading::Is(0),
        worker_other_samples_total: Reading::Is(0),
        ..LoaderSample::default()
    }
}

fn with_loader(mut sample: Sample, loader: LoaderSample) -> Sample {
    sample.loaders = vec![loader];
    sample
}

#[test]
fn a_loaders_shares_are_of_the_looks_between_two_ticks() {
    let prev = with_loader(at(1, 1_000), loader(10, 5, 4));
    let frame = derive(&prev, with_loader(at(2, 2_000), loader(30, 10, 8)));
    let rates = &frame.loaders[0];
    assert_eq!(rates.wait_ratio, Reading::Is(0.25));
    assert_eq!(rates.delivery_ratio, Reading::Is(0.0));
    assert_eq!(rates.ready_mean, Reading::Is(3.0));
    assert_eq!(rates.steps_per_second, Reading::Is(4.0));
    assert_eq!(rates.step_seconds, Reading::Is(0.25));
    assert_eq!(rates.worker_disk_ratio, Reading::Is(0.5));
    assert_eq!(rates.worker_idle_ratio, Reading::Is(0.0));
}

#[test]
fn a_tick_without_a_look_has_no_shares_and_one_without_a_step_no_step_time() {
    let prev = with_loader(at(1, 1_000), loader(10, 5, 4));
    let frame = derive(&prev, with_loader(at(2, 2_000), loader(10, 5, 4)));
    assert_eq!(frame.loaders[0].wait_ratio, Reading::Not(Gap::NotYet));
    assert_eq!(frame.loaders[0].ready_mean, Reading::Not(Gap::NotYet));
    assert_eq!(frame.loaders[0].step_seconds, Reading::Not(Gap::NotApplicable));
    assert_eq!(frame.loaders[0].steps_per_second, Reading::Is(0.0));
    assert_eq!(frame.loaders[0].worker_run_ratio, Reading::Not(Gap::NotYet));
}

#[test]
fn a_loader_that_nobody_can_look_at_is_not_said_to_stand() {
    for gap in [Gap::Late, Gap::Lost] {
        let prev = with_loader(at(1, 1_000), loader(10, 5, 4));
        let row = LoaderSample { ready: Reading::Not(gap), ..loader(10, 5, 4) };
        let frame = derive(&prev, with_loader(at(2, 2_000), row));
        assert_eq!(frame.loaders[0].steps_per_second, Reading::Not(gap));
        assert_eq!(frame.loaders[0].step_seconds, Reading::Not(gap));
    }
}

#[test]
fn a_loader_without_workers_has_no_worker_shares_at_all() {
    let prev = with_loader(at(1, 1_000), loader(10, 5, 4));
    let mut row = loader(10, 5, 4);
    row.workers = Reading::Is(0);
    let frame = derive(&prev, with_loader(at(2, 2_000), row));
    assert_eq!(frame.loaders[0].worker_run_ratio, Reading::Not(Gap::NotApplicable));
}

#[test]
fn a_loader_without_a_queue_has_no_depth_and_no_share_of_time_without_a_batch() {
    for gap in [Gap::NotApplicable, Gap::Unsupported] {
        let prev = with_loader(at(1, 1_000), loader(10, 5, 4));
        let row = LoaderSample { ready: Reading::Not(gap), ..loader(30, 10, 8) };
        let frame = derive(&prev, with_loader(at(2, 2_000), row));
        assert_eq!(frame.loaders[0].ready_mean, Reading::Not(gap));
        assert_eq!(frame.loaders[0].empty_ratio, Reading::Not(gap));
        assert_eq!(frame.loaders[0].wait_ratio, Reading::Is(0.25));
    }
}

/// Any reading: mostly small numbers, at times the edges of a counter, nonsense or a gap.
fn cell() -> impl Strategy<Value = Cell<'static>> {
    prop_oneof![
        6 => (0u64..50).prop_map(Cell::Int),
        1 => prop::sample::select(vec![u64::MAX, u64::MAX - 1, 1 << 32, 1 << 53]).prop_map(Cell::Int),
        2 => any::<f64>().prop_map(Cell::Float),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, -1.0, 0.0]).prop_map(Cell::Float),
        1 => prop::sample::select(Gap::ALL.to_vec()).prop_map(Cell::Null),
    ]
}

fn row<T: Section>(id: usize, cells: &[Cell<'static>]) -> T {
    let mut row = T::default();
    for (index, cell) in cells.iter().cycle().take(T::COLUMNS.len()).enumerate().skip(id) {
        row.set(index, cell.clone());
    }
    row
}

fn sample(seq: u64, mono_ms: u64, cells: &[Cell<'static>]) -> Sample {
    Sample {
        host: row::<HostSample>(0, cells),
        cgroups: vec![row::<CgroupSample>(1, cells)],
        disks: vec![row::<DiskSample>(1, cells)],
        nets: vec![row::<NetSample>(1, cells)],
        gpus: vec![row::<GpuSample>(1, cells)],
        procs: vec![row::<ProcSample>(1, cells)],
        loaders: vec![row::<LoaderSample>(2, cells)],
        cpus: vec![row::<CpuSample>(1, cells)],
        own: vec![row::<OwnSample>(2, cells)],
        ..at(seq, mono_ms)
    }
}

/// Columns that are measured against one core or one thread, or read more seldom than ticks may come,
/// and may pass 1.
const MAY_PASS_ONE: [&str; 3] = ["mltop_cpu_ratio", "run_delay_ratio", "main_run_delay_ratio"];

fn check<T: Section>(row: &T) -> Result<(), TestCaseError> {
    for (index, spec) in T::COLUMNS.iter().enumerate() {
        if let Cell::Float(value) = row.get(index) {
            prop_assert!(value.is_finite() && value >= 0.0, "{} {}: {value}", T::NAME, spec.name);
            // Threads of one name may use several cores.
            let of_one_core = MAY_PASS_ONE.contains(&spec.name) || T::NAME == OwnRates::NAME;
            if spec.unit == Unit::Ratio && !of_one_core {
                prop_assert!(value <= 1.0, "{} {}: {value}", T::NAME, spec.name);
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn whatever_the_counters_do_a_share_stays_a_share(
        before in prop::collection::vec(cell(), 40), now in prop::collection::vec(cell(), 40),
        seq in 0u64..3, mono in 0u64..20_000, same in any::<bool>(),
    ) {
        let prev = sample(1, 1_000, &before);
        let now = sample(seq, mono, if same { &before } else { &now });
        let frame = frame(Some(&prev), Arc::new(now));
        check::<HostRates>(&frame.host)?;
        frame.cgroups.iter().try_for_each(check::<CgroupRates>)?;
        frame.disks.iter().try_for_each(check::<DiskRates>)?;
        frame.nets.iter().try_for_each(check::<NetRates>)?;
        frame.gpus.iter().try_for_each(check::<GpuRates>)?;
        frame.procs.iter().try_for_each(check::<ProcRates>)?;
        frame.loaders.iter().try_for_each(check::<LoaderRates>)?;
        frame.cpus.iter().try_for_each(check::<CpuRates>)?;
        frame.own.iter().try_for_each(check::<OwnRates>)?;
    }

    #[test]
    fn growth_gives_every_rate_of_a_disk_as_the_difference_over_the_span(
        bytes in 0u64..1 << 50, more in 0u64..1 << 40, ms in 1u64..10_000,
    ) {
        let prev = with_disk(at(1, 0), disk(bytes, 0));
        let frame = derive(&prev, with_disk(at(2, ms), disk(bytes + more, 0)));
        let wanted = more as f64 / (ms as f64 / 1e3);
        prop_assert_eq!(frame.disks[0].read_bytes_per_second, Reading::Is(wanted));
    }
}
