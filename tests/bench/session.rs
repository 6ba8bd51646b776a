//! What a recording of a busy box costs: 8 GPUs, 40 processes, 4 loaders, once a second.
//!
//! `cargo test --release --test recording -- --ignored --nocapture what_a_session_costs`

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mltop::derive;
use mltop::model::sample::{GpuSample, HostSample, LoaderSample, ProcSample, ProcState};
use mltop::model::{Frame, Gap, Inventory, Pid, Reading, Sample, Stamp};
use mltop::record::{Options, Series, SessionFile, Sync, Writer};

use super::arbitrary::Dice;
use super::full::until;
use super::golden;
use super::made::info;

use Reading::{Is, Not};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// A box in training at second `seq`: eight GPUs at work that stall now and then, eight ranks and their
/// 24 workers, eight processes that do little, four loaders, one busy disk of two. Values move as those
/// of real boxes do: whole percents, hundredths of CPU seconds, pages, counts of looks. What of a GPU does
/// not move is what a real one says.
pub(crate) fn busy(seq: u64) -> Sample {
    let dice = &mut Dice::new(seq + 1);
    let mut sample = golden::busy(seq.min(1));
    sample.seq = seq;
    sample.stamp =
        Stamp { unix_ms: 1_760_000_000_000 + seq as i64 * 1000, mono_ms: 50_000 + seq * 1000 };
    sample.dur_us = 800 + dice.below(300);
    let stalled = seq % 90 < 12;
    host(&mut sample.host, seq, dice);
    for (at, gpu) in sample.gpus.iter_mut().enumerate() {
        *gpu = GpuSample { gpu: gpu.gpu, ..real_gpu().clone() };
        busy_gpu(gpu, seq, at as u64, stalled, dice);
    }
    sample.procs.truncate(40);
    for (at, proc) in sample.procs.iter_mut().enumerate() {
        busy_proc(proc, seq, at as u64, dice);
    }
    for loader in &mut sample.loaders {
        busy_loader(loader, seq, stalled, dice);
    }
    for disk in &mut sample.disks {
        disk.reads_total = Is(seq * 9000 + dice.below(4000));
        disk.read_bytes_total = Is((seq * 300_000 + dice.below(100_000)) * 4096);
        disk.read_seconds_total = Is((seq * 4000 + dice.below(1500)) as f64 / 1e3);
        disk.in_flight = Is(dice.below(12));
        disk.busy_seconds_total = Is((seq * 800 + dice.below(300)) as f64 / 1e3);
        disk.queue_seconds_total = Is((seq * 4100 + dice.below(1500)) as f64 / 1e3);
    }
    for net in &mut sample.nets {
        net.rx_bytes_total = Is(seq * 80_000 + dice.below(40_000));
        net.tx_bytes_total = Is(seq * 60_000 + dice.below(30_000));
    }
    let kept = sample.procs.last().unwrap().pid;
    sample.inventory = names(&sample.inventory, kept);
    sample
}

/// The names of the processes up to one, the same for all ticks.
fn names(all: &Arc<Inventory>, last: Pid) -> Arc<Inventory> {
    static NAMES: std::sync::OnceLock<Arc<Inventory>> = std::sync::OnceLock::new();
    let names = NAMES.get_or_init(|| {
        let mut names = (**all).clone();
        names.procs.retain(|pid, _| *pid <= last);
        Arc::new(names)
    });
    Arc::clone(names)
}

/// A row of a real card at work.
fn real_gpu() -> &'static GpuSample {
    static ROW: std::sync::OnceLock<GpuSample> = std::sync::OnceLock::new();
    ROW.get_or_init(|| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/sessions/h200-training.mltop.jsonl.zst");
        let (session, _) = SessionFile::open(&path).unwrap();
        let working = |sample: Arc<Sample>| {
            let gpu = sample.gpus.first()?;
            gpu.utilization_ratio.ok().is_some_and(|busy| busy > 0.9).then(|| gpu.clone())
        };
        session.samples(0, u64::MAX).find_map(working).unwrap()
    })
}

fn host(host: &mut HostSample, seq: u64, dice: &mut Dice) {
    let hundredths = |slope: u64, noise: u64| Is((seq * slope + noise) as f64 / 100.0);
    host.cpu_user_seconds_total = hundredths(2600, dice.below(200));
    host.cpu_system_seconds_total = hundredths(300, dice.below(60));
    host.cpu_idle_seconds_total = hundredths(9000, dice.below(300));
    host.cpu_iowait_seconds_total = hundredths(100, dice.below(60));
    host.load1 = Is(30.0 + (seq / 5 % 40) as f64 / 10.0);
    host.runnable = Is(20 + dice.below(16));
    host.memory_available_bytes = Is((100_000_000 + dice.below(20_000)) * 4096);
    host.memory_cached_bytes = Is((50_000_000 + dice.below(20_000)) * 4096);
    host.major_faults_total = Is(5000 + seq / 10);
    host.psi_cpu_some_seconds_total = Is((seq * 200 + dice.below(100)) as f64 / 1e3);
    host.psi_io_some_seconds_total = Is((seq * 90 + dice.below(50)) as f64 / 1e3);
    host.psi_io_full_seconds_total = Is((seq * 30 + dice.below(20)) as f64 / 1e3);
    host.processes = Is(900 + dice.below(6));
    host.mltop_cpu_seconds_total = Is((seq * 40 + dice.below(10)) as f64 / 1e4);
    host.mltop_pss_bytes = Is(11 << 20);
}

fn busy_gpu(gpu: &mut GpuSample, seq: u64, at: u64, stalled: bool, dice: &mut Dice) {
    let percent = |value: u64| Is(value as f64 / 100.0);
    let use_now = if stalled { 10 + dice.below(20) } else { 88 + dice.below(12) };
    gpu.utilization_ratio = percent(use_now);
    gpu.memory_controller_ratio = percent(use_now / 2 + dice.below(4));
    gpu.sm_active_ratio = Is((use_now * 8 + dice.below(60)) as f64 / 1e3);
    gpu.sm_occupancy_ratio = Is((use_now * 3 + dice.below(30)) as f64 / 1e3);
    gpu.tensor_active_ratio = Is((use_now * 4 + dice.below(60)) as f64 / 1e3);
    gpu.dram_active_ratio = Is((use_now * 5 + dice.below(60)) as f64 / 1e3);
    gpu.memory_used_bytes = Is((70 << 30) + ((seq / 300 + at) % 3) * (2 << 20));
    gpu.memory_total_bytes = Is(80 << 30);
    gpu.memory_reserved_bytes = Is(600 << 20);
    gpu.power_watts = Is((use_now * 65 + dice.below(200)) as f64 / 10.0);
    gpu.power_limit_watts = Is(700.0);
    gpu.energy_joules_total = match seq % 30 {
        0 => Is((seq * 5800 + dice.below(900)) as f64 / 10.0),
        _ => Not(Gap::NotApplicable),
    };
    gpu.power_throttle_seconds_total = Is((seq * 700 + dice.below(300)) as f64 / 1e3);
    gpu.utilization_samples_total = Is(seq * 5);
    gpu.utilization_idle_samples_total = Is(seq / 9);
    gpu.utilization_sum_total = Is((seq * 450 + dice.below(40)) as f64 / 100.0);
    gpu.utilization_min_ratio = percent(use_now.saturating_sub(dice.below(9)));
    gpu.utilization_max_ratio = percent((use_now + dice.below(9)).min(100));
    gpu.driver_calls_total = Is(seq * 14 + dice.below(6));
    gpu.driver_seconds_total = Is((seq * 40 + dice.below(20)) as f64 / 1e4);
    gpu.temperature_celsius = Is((55 + at % 4 + (seq / 20) % 3) as f64);
    gpu.sm_clock_hertz = Is((1980 - 15 * (dice.below(5) / 3)) * 1_000_000);
    gpu.sm_clock_max_hertz = Is(1_980_000_000);
    gpu.memory_clock_hertz = Is(2_619_000_000);
    gpu.throttle_reasons = Is(0);
    gpu.pcie_rx_bytes_total = Not(Gap::Unsupported);
    gpu.pcie_tx_bytes_total = Not(Gap::Unsupported);
    gpu.pcie_rx_bytes_per_second = Is((use_now * 20_000_000 + dice.below(90_000_000)) as f64);
    gpu.pcie_tx_bytes_per_second = Is((use_now * 3_000_000 + dice.below(9_000_000)) as f64);
    gpu.pcie_link_gen = Is(5);
    gpu.pcie_link_width = Is(16);
    gpu.pcie_link_gen_max = Is(5);
    gpu.pcie_link_width_max = Is(16);
    gpu.age_seconds = Is(dice.below(20) as f64 / 100.0);
}

fn busy_proc(proc: &mut ProcSample, seq: u64, at: u64, dice: &mut Dice) {
    let (trains, works) = (at < 8, (8..32).contains(&at));
    let active = u64::from(trains || works);
    proc.state =
        Is(if active == 1 && dice.once_in(3) { ProcState::Running } else { ProcState::Sleeping });
    proc.cpu_seconds_total = Is((active * (seq * 97 + dice.below(8)) + seq / 30) as f64 / 100.0);
    proc.threads = Is(if trains { 60 } else { 3 });
    proc.rss_bytes = Is((1_500_000 + at * 1000 + u64::from(works) * dice.below(4) * 128) * 4096);
    proc.major_faults_total = Is(at);
    proc.run_delay_seconds_total = Is((active * (seq * 20 + dice.below(20))) as f64 / 1e3);
    proc.read_bytes_total = Is(u64::from(works) * (seq * 12_000 + dice.below(3000)) * 4096);
    proc.read_chars_total = Is(u64::from(works) * (seq * 50_000_000 + dice.below(9_000_000)));
    proc.read_calls_total = Is(u64::from(works) * (seq * 380 + dice.below(60)) + seq / 9);
    proc.write_bytes_total = Is(u64::from(trains) * (seq / 600) * (1 << 30));
}

fn busy_loader(loader: &mut LoaderSample, seq: u64, stalled: bool, dice: &mut Dice) {
    let waits = if stalled { 30 + dice.below(12) } else { dice.below(3) };
    loader.ready = Is(if stalled { dice.below(2) } else { 20 + dice.below(12) });
    loader.ready_min = Is(if stalled { 0 } else { 14 + dice.below(6) });
    loader.ready_max = Is(if stalled { 3 } else { 32 });
    loader.steps_total = Is(seq * 4 + dice.below(2));
    loader.samples_total = Is(seq * 50);
    loader.ready_sum = Is(seq * 1200 + dice.below(400));
    loader.empty_samples_total = Is(seq * 6 + waits / 8);
    loader.wait_samples_total = Is(seq * 7 + waits / 8);
    loader.delivery_samples_total = Is(seq);
    loader.wait_idle_samples_total = Is(seq * 40 + dice.below(20));
    loader.wait_worker_samples_total = Is(seq * 60 + dice.below(20));
    loader.worker_run_samples_total = Is(seq * 200 + dice.below(30));
    loader.worker_runq_samples_total = Is(seq * 8 + dice.below(6));
    loader.worker_disk_samples_total = Is(seq * 90 + dice.below(40));
    loader.worker_idle_samples_total = Is(seq * 80 + dice.below(40));
    loader.worker_other_samples_total = Is(seq * 3 + dice.below(2));
}

/// A figure of this process, in KiB.
fn kib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_end_matches("kB").trim().parse().unwrap()
}

/// CPU time of the thread that records.
fn recorder_cpu() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let of = |thread: std::io::Result<std::fs::DirEntry>| {
        let folder = thread.ok()?.path();
        let name = std::fs::read_to_string(folder.join("comm")).ok()?;
        let spent = std::fs::read_to_string(folder.join("schedstat")).ok()?;
        let nanoseconds = spent.split_ascii_whitespace().next()?.parse().ok()?;
        (name.trim() == "recorder").then(|| Duration::from_nanos(nanoseconds))
    };
    threads.filter_map(of).sum()
}

/// CPU time of this process.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn best<T>(times: u32, mut work: impl FnMut() -> T) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..times {
        let began = Instant::now();
        let _keep = work();
        best = best.min(began.elapsed());
    }
    best
}

pub(crate) fn say(what: &str, figure: &dyn std::fmt::Display, most: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{what:<46} {figure:>12}   (at most {most})").unwrap();
}

#[test]
#[ignore = "a measurement, not a check"]
fn what_a_session_costs() {
    let folder = tempfile::tempdir().unwrap();
    an_hour(&folder.path().join("hour.mltop.jsonl.zst"));
    an_hour_at_once(&folder.path().join("at-once.mltop.jsonl.zst"));
    let path = folder.path().join("day.mltop.jsonl.zst");
    a_day(&path);
    looks(&path);
}

fn an_hour(path: &Path) {
    let memory = kib("VmRSS:");
    let mut writer = Writer::start(path, info("hour", 1000), unsynced()).unwrap();
    // Each tick is made just before it is handed over, by another thread than the recorder's, which sleeps
    // in between: as once a second, only sooner.
    let mut before = None;
    (0..HOUR).for_each(|seq| writer.tick_waiting(Arc::new(next(seq, &mut before)), Vec::new()));
    until("written", || writer.progress().ticks == HOUR);
    let spent = recorder_cpu();
    let grown = kib("VmRSS:").saturating_sub(memory);
    let end = writer.end(0, "over").unwrap();
    say("MB an hour", &format!("{:.2}", end.bytes as f64 / 1e6), "6");
    say("CPU a tick", &format!("{:.1?}", spent / HOUR as u32), "50 µs");
    say("memory of the writer, MB", &format!("{:.1}", grown as f64 / 1e3), "3");
}

/// The same without a pause, of ticks that were made long before: they come from memory that no cache
/// holds, and each one taken wakes the thread that waits for room.
fn an_hour_at_once(path: &Path) {
    let mut before = None;
    let frames: Vec<_> = (0..HOUR).map(|seq| Arc::new(next(seq, &mut before))).collect();
    let mut writer = Writer::start(path, info("at once", 1000), unsynced()).unwrap();
    let began = cpu();
    for frame in frames {
        writer.tick_waiting(frame, Vec::new());
    }
    until("written", || writer.progress().ticks == HOUR);
    let (spent, both) = (recorder_cpu(), cpu().saturating_sub(began));
    writer.end(0, "over").unwrap();
    say("CPU a tick, all at once", &format!("{:.1?}", spent / HOUR as u32), "-");
    say("  with handing it over", &format!("{:.1?}", both / HOUR as u32), "-");
}

/// The tick at second `seq`, with what follows from it and the one before.
fn next(seq: u64, before: &mut Option<Arc<Sample>>) -> Frame {
    let sample = Arc::new(busy(seq));
    let frame = derive::frame(before.as_deref(), Arc::clone(&sample));
    *before = Some(sample);
    frame
}

fn unsynced() -> Options {
    Options { sync: Sync::Never, ..Options::default() }
}

fn a_day(path: &Path) {
    let mut writer = Writer::start(path, info("day", 1000), unsynced()).unwrap();
    let mut before = None;
    (0..DAY).for_each(|seq| writer.tick_waiting(Arc::new(next(seq, &mut before)), Vec::new()));
    writer.end(0, "over").unwrap();
}

fn looks(path: &Path) {
    let middle = 50_000 + DAY / 2 * 1000;
    let open = best(20, || {
        let (file, _) = SessionFile::open(path).unwrap();
        assert!(file.at(middle).is_some());
    });
    say("open a day and land in its middle", &format!("{open:.2?}"), "5 ms");
    let memory = kib("VmRSS:");
    let (file, _) = SessionFile::open(path).unwrap();
    let mut at = middle;
    let steps = 300;
    let began = Instant::now();
    for _ in 0..steps {
        at = file.prev(at).unwrap().1.stamp.mono_ms;
    }
    say("a step back", &format!("{:.2?}", began.elapsed() / steps), "1 ms");
    let far = best(50, || {
        at = 50_000 + (at * 7919) % (DAY * 1000);
        file.at(at).is_some()
    });
    say("a jump", &format!("{far:.2?}"), "1 ms");
    let (first, last) = file.span();
    let whole = best(10, || file.overview(Series::ALL, first.mono_ms, last.mono_ms, 200));
    say("the overview of a day", &format!("{whole:.2?}"), "100 ms");
    assert_eq!(file.samples(0, u64::MAX).count() as u64, DAY);
    let grown = kib("VmRSS:").saturating_sub(memory);
    say("memory after a look at every tick, MB", &format!("{:.1}", grown as f64 / 1e3), "64");
}
