//! GPUs through the true path: mltop starts its collector, which loads the library and calls it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

#[path = "common/frozen.rs"]
mod frozen;
#[path = "common/standin.rs"]
mod standin;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use mltop::model::inventory::SourceState;
use mltop::model::sample::{Bound, GpuSample, PcieSource};
use mltop::model::{Gap, Pid, Reading};
use mltop::source::gpu::{GpuLook, Gpus};

use frozen::{Frozen, stuck_in_the_kernel};

/// Longer than anything here takes, on the slowest machine.
const DEADLINE: Duration = Duration::from_mins(1);
const FAST: Duration = Duration::from_millis(200);

/// A collector on the stand-in, with its script and log.
struct Rig {
    folder: tempfile::TempDir,
    gpus: Gpus,
}

impl Rig {
    fn new(variant: &str, interval: Duration, script: &str) -> Self {
        Self::with_library(&standin::build(variant), interval, script)
    }

    fn with_library(library: &Path, interval: Duration, script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("script"), script).unwrap();
        fs::write(at("control"), "").unwrap();
        let env: [(OsString, OsString); 4] = [
            ("LD_LIBRARY_PATH".into(), library.into()),
            ("MLTOP_STANDIN".into(), at("script").into()),
            ("MLTOP_STANDIN_CONTROL".into(), at("control").into()),
            ("MLTOP_STANDIN_LOG".into(), at("log").into()),
        ];
        let exe = Path::new(env!("CARGO_BIN_EXE_mltop"));
        Self { gpus: Gpus::start_with_env(exe, interval, &env), folder }
    }

    fn look(&self) -> GpuLook {
        self.gpus.look(Instant::now())
    }

    /// Waits for a look that is as wanted.
    fn until(&self, wanted: impl Fn(&GpuLook) -> bool) -> GpuLook {
        let begun = Instant::now();
        loop {
            let look = self.look();
            if wanted(&look) {
                return look;
            }
            assert!(begun.elapsed() < DEADLINE, "never came: {look:#?}\n{}", self.log());
            sleep(Duration::from_millis(20));
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn control(&self, text: &str) {
        fs::write(self.path("control"), text).unwrap();
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Calls of a function, on one GPU where that is said.
    fn calls(&self, function: &str, gpu: Option<u32>) -> usize {
        let gpu = gpu.map(|gpu| gpu.to_string());
        let log = self.log();
        let lines = log.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        lines
            .filter(|line| line.get(2) == Some(&function))
            .filter(|line| gpu.as_deref().is_none_or(|gpu| line.get(3) == Some(&gpu)))
            .count()
    }
}

fn utilization(look: &GpuLook, gpu: usize) -> Reading<f64> {
    look.samples.get(gpu).map_or(Reading::Not(Gap::NotYet), |row| row.utilization_ratio)
}

fn answers(look: &GpuLook, gpu: usize) -> bool {
    utilization(look, gpu).is()
}

fn trouble(look: &GpuLook, gpu: usize) -> String {
    look.infos[gpu].trouble.clone().unwrap_or_default().into()
}

#[test]
fn every_figure_arrives_as_the_driver_gave_it() {
    let rig = Rig::new(
        "full",
        FAST,
        "gpu 0 name=Stand-in_H100 uuid=GPU-abc pci=00000000:1B:00.0 util=37 mem_util=12 \
         mem_total=85899345920 mem_used=43980465152 mem_reserved=524288000 power=300500 limit=700000 \
         temp=61 sm_clock=1755 sm_clock_max=1980 mem_clock=2619 throttle=1024 link_gen=3 link_gen_max=5\n\
         gpu 1 util=90\nproc gpu=0 pid=4711 mem=1073741824\nproc gpu=0 pid=4712",
    );
    let look = rig.until(|look| answers(look, 0) && answers(look, 1) && look.procs.len() == 2);
    let row = &look.samples[0];
    assert_eq!(row.utilization_ratio, Reading::Is(0.37));
    assert_eq!(row.memory_controller_ratio, Reading::Is(0.12));
    assert_eq!(row.memory_total_bytes, Reading::Is(85_899_345_920));
    assert_eq!(row.memory_used_bytes, Reading::Is(43_980_465_152));
    assert_eq!(row.memory_reserved_bytes, Reading::Is(524_288_000));
    assert_eq!(row.power_watts, Reading::Is(300.5));
    assert_eq!(row.power_limit_watts, Reading::Is(700.0));
    assert_eq!(row.temperature_celsius, Reading::Is(61.0));
    assert_eq!(row.sm_clock_hertz, Reading::Is(1_755_000_000));
    assert_eq!(row.sm_clock_max_hertz, Reading::Is(1_980_000_000));
    assert_eq!(row.memory_clock_hertz, Reading::Is(2_619_000_000));
    assert_eq!(row.throttle_reasons, Reading::Is(1024));
    assert_eq!((row.pcie_link_gen, row.pcie_link_gen_max), (Reading::Is(3), Reading::Is(5)));
    assert_eq!((row.pcie_link_width, row.pcie_link_width_max), (Reading::Is(16), Reading::Is(16)));
    assert_eq!(row.sm_active_ratio, Reading::Not(Gap::Unsupported));
    assert!(row.energy_joules_total.is() && row.age_seconds.is());
    let info = &look.infos[0];
    assert_eq!(
        (&*info.name, &*info.uuid, &*info.pci),
        ("Stand-in H100", "GPU-abc", "00000000:1B:00.0")
    );
    assert_eq!((&*info.driver, info.multiprocessors), ("580.65.06", Some(132)));
    assert_eq!(info.memory_bytes, Some(85_899_345_920));
    assert_eq!(info.trouble, None);
    assert_eq!(look.procs[0].pid, Pid(4711));
    assert_eq!(look.procs[0].memory_used_bytes, Reading::Is(1 << 30));
    assert_eq!(look.procs[1].memory_used_bytes, Reading::Not(Gap::Unsupported));
    assert_eq!(look.status.state, SourceState::Ok);
    assert!(look.collector.is_some());
}

/// Windows of two looks between which nothing is in doubt, and the rate received in each.
fn exact_rates(rig: &Rig, windows: usize) -> Vec<f64> {
    let begun = Instant::now();
    let (mut rates, mut before) = (Vec::new(), None::<(Instant, u64)>);
    while rates.len() < windows {
        assert!(begun.elapsed() < DEADLINE, "only {rates:?}: {:#?}", rig.look().samples);
        let now = Instant::now();
        let look = rig.gpus.look(now);
        let row = &look.samples[0];
        let Reading::Is(rx) = row.pcie_rx_bytes_total else { panic!("no count: {row:?}") };
        let exact = row.pcie_bound == Reading::Is(Bound::Exact);
        if let Some((at, earlier)) = before.filter(|_| exact) {
            rates.push((rx - earlier) as f64 / now.duration_since(at).as_secs_f64());
        }
        before = exact.then_some((now, rx));
        sleep(Duration::from_secs(1));
    }
    rates
}

#[test]
fn traffic_is_right_within_a_hundredth_though_the_counter_wraps_five_times_a_second() {
    let rig = Rig::new(
        "nogpm",
        Duration::from_secs(1),
        "gpu 0 util=50 mem_used=9e9 pcie_rx=20e9 pcie_tx=1e9",
    );
    rig.until(|look| look.samples.first().is_some_and(|row| row.pcie_rx_bytes_total.is()));
    sleep(Duration::from_secs(1));
    for rate in exact_rates(&rig, 3) {
        assert!((rate / 20e9 - 1.0).abs() < 0.01, "{rate}");
    }
    let look = rig.look();
    assert_eq!(look.samples[0].pcie_source, Reading::Is(PcieSource::Counter));
    assert_eq!(rig.calls("nvmlDeviceGetPcieThroughput", None), 0);
    assert_eq!(rig.calls("nvmlDeviceGetHandleByIndex_v2", Some(0)), 1);
}

#[test]
fn gpm_is_preferred_and_spares_the_counters() {
    let rig = Rig::new(
        "full",
        FAST,
        "gpu 0 util=50 gpm=1 sm=40 occ=20 tensor=10 dram=30 pcie_rx=3e9 pcie_tx=1e9",
    );
    let gpm = |row: &GpuSample| row.pcie_source == Reading::Is(PcieSource::Gpm);
    let look = rig.until(|look| look.samples.first().is_some_and(gpm));
    let row = &look.samples[0];
    let near = |reading: Reading<f64>, wanted: f64| {
        let Reading::Is(value) = reading else { panic!("no value: {reading:?}") };
        assert!((value / wanted - 1.0).abs() < 0.01, "{value} is not {wanted}");
    };
    near(row.pcie_rx_bytes_per_second, 3e9);
    near(row.pcie_tx_bytes_per_second, 1e9);
    near(row.sm_active_ratio, 0.4);
    near(row.sm_occupancy_ratio, 0.2);
    near(row.tensor_active_ratio, 0.1);
    near(row.dram_active_ratio, 0.3);
    assert_eq!(row.pcie_bound, Reading::Is(Bound::Exact));
    assert_eq!(row.pcie_rx_bytes_total, Reading::Not(Gap::NotApplicable));
    assert_eq!(rig.calls("nvmlDeviceGetPcieThroughput", None), 0);
}

#[test]
fn without_counters_short_looks_are_taken_and_doubted() {
    let rig = Rig::new("nofield198", FAST, "gpu 0 util=50 pcie_rx=3e9 pcie_tx=1e9");
    let look =
        rig.until(|look| look.samples.first().is_some_and(|row| row.pcie_rx_bytes_per_second.is()));
    let row = &look.samples[0];
    assert_eq!(row.pcie_source, Reading::Is(PcieSource::Snapshot));
    assert_eq!(row.pcie_bound, Reading::Is(Bound::Doubtful));
    assert_eq!(row.pcie_rx_bytes_per_second, Reading::Is(3e9));
    assert_eq!(row.pcie_tx_bytes_per_second, Reading::Is(1e9));
}

#[test]
fn a_rate_a_thousand_times_too_large_is_no_rate() {
    let rig = Rig::new(
        "nofield198",
        FAST,
        "gpu 0 util=50 pcie_rx=1e9 pcie_tx=1e9\nfault fn=nvmlDeviceGetPcieThroughput garbage=x1000",
    );
    rig.until(|look| {
        look.samples
            .first()
            .is_some_and(|row| row.pcie_rx_bytes_per_second == Reading::Not(Gap::Failed))
    });
}

#[test]
fn a_gpu_that_is_lost_says_so_while_the_other_goes_on() {
    let rig = Rig::new(
        "full",
        FAST,
        "gpu 0 util=10\ngpu 1 util=20\nfault fn=nvmlDevice* gpu=1 after=2 rc=15",
    );
    rig.until(|look| answers(look, 0) && answers(look, 1));
    let look = rig.until(|look| utilization(look, 1) == Reading::Not(Gap::Lost));
    assert!(trouble(&look, 1).contains("lost"), "{look:?}");
    assert_eq!(look.status.state, SourceState::Partial);
    sleep(FAST * 3);
    let look = rig.look();
    assert_eq!(utilization(&look, 0), Reading::Is(0.1));
    assert!(look.samples[0].age_seconds.ok().unwrap() < 3.0);
    assert_eq!(trouble(&look, 0), "");
}

#[test]
fn a_call_that_hangs_makes_that_gpu_late_with_its_age_and_no_other() {
    let rig = Rig::new("full", FAST, "gpu 0 util=10\ngpu 1 util=20");
    rig.until(|look| answers(look, 0) && answers(look, 1));
    rig.control("fault fn=nvmlDeviceGetUtilizationRates gpu=1 hang=1");
    let look = rig.until(|look| utilization(look, 1) == Reading::Not(Gap::Late));
    assert!(look.samples[1].age_seconds.ok().unwrap() >= 3.0);
    assert!(trouble(&look, 1).starts_with("no answer for 3 s"), "{}", trouble(&look, 1));
    assert_eq!(utilization(&look, 0), Reading::Is(0.1));
    let later = rig.gpus.look(Instant::now() + Duration::from_secs(9));
    assert!(later.samples[1].age_seconds.ok().unwrap() >= 12.0);
    // Nothing waits for it when mltop goes.
    let pid = look.collector.unwrap();
    let begun = Instant::now();
    rig.gpus.abandon();
    assert!(begun.elapsed() < Duration::from_secs(1));
    gone(pid);
}

/// Waits until the process has ended.
fn gone(pid: Pid) {
    let begun = Instant::now();
    loop {
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = state.rsplit(')').next().unwrap_or_default().trim_start().to_owned();
        if state.is_empty() || state.starts_with('Z') {
            return;
        }
        assert!(begun.elapsed() < DEADLINE, "still there: {state}");
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_driver_that_hangs_at_its_start_is_named() {
    let rig = Rig::new("full", FAST, "gpu 0\nfault fn=nvmlInit_v2 hang=1");
    rig.until(|_| rig.calls("nvmlInit_v2", None) == 1);
    let status = rig.gpus.look(Instant::now() + Duration::from_secs(6)).status;
    assert_eq!(status.state, SourceState::Failed);
    assert!(status.message.contains("does not answer (init has taken"), "{}", status.message);
    let pid = rig.look().collector.unwrap();
    rig.gpus.abandon();
    gone(pid);
}

#[test]
fn each_refusal_of_the_driver_has_its_words() {
    let cases = [
        (18, "was replaced while the system runs", "Restart"),
        (9, "kernel driver is not loaded", "modprobe nvidia"),
        (4, "no permission", "/dev/nvidiactl"),
        (999, "refuses", ""),
    ];
    for (rc, message, remedy) in cases {
        let rig = Rig::new("full", FAST, &format!("gpu 0\nfault fn=nvmlInit_v2 rc={rc}"));
        let look = rig.until(|look| look.status.state == SourceState::Failed);
        assert!(look.status.message.contains(message), "{rc}: {}", look.status.message);
        assert!(look.status.remedy.contains(remedy), "{rc}: {}", look.status.remedy);
        assert!(look.infos.is_empty());
    }
}

#[test]
fn a_box_without_the_library_has_no_gpu_and_no_fault() {
    if Path::new("/proc/driver/nvidia/version").exists() {
        eprintln!("skipped: this machine has the real library");
        return;
    }
    let empty = tempfile::tempdir().unwrap();
    let rig = Rig::with_library(empty.path(), FAST, "");
    let look = rig.until(|look| look.status.state == SourceState::Absent);
    assert_eq!(&*look.status.message, "no NVIDIA driver");
    rig.until(|look| look.collector.is_none());
}

#[test]
fn driver_470_is_read_by_its_older_calls() {
    let rig = Rig::new(
        "drv470",
        FAST,
        "driver 470.256.02\ngpu 0 util=5 mem_used=1000000 mem_reserved=500 power=60000\nproc gpu=0 pid=77 mem=5",
    );
    let look = rig.until(|look| answers(look, 0) && look.procs.len() == 1);
    let row = &look.samples[0];
    assert_eq!(row.memory_used_bytes, Reading::Is(1_000_500));
    assert_eq!(row.memory_reserved_bytes, Reading::Not(Gap::Unsupported));
    assert_eq!(row.power_watts, Reading::Is(60.0));
    assert_eq!(row.throttle_reasons, Reading::Is(1));
    assert_eq!((look.procs[0].pid, look.procs[0].memory_used_bytes), (Pid(77), Reading::Is(5)));
}

#[test]
fn driver_535_writes_larger_entries_and_all_twenty_processes_arrive() {
    use std::fmt::Write;
    let mut script = "driver 535.54.03\ngpu 0 util=5\n".to_owned();
    for pid in 0..20 {
        writeln!(script, "proc gpu=0 pid={} mem={}", 1000 + pid, (pid + 1) << 20).unwrap();
    }
    let rig = Rig::new("drv535", FAST, &script);
    let look = rig.until(|look| answers(look, 0) && !look.procs.is_empty());
    let found: Vec<_> =
        look.procs.iter().map(|held| (held.pid.0, held.memory_used_bytes)).collect();
    let wanted: Vec<_> =
        (0..20).map(|pid| (1000 + pid, Reading::Is(u64::from(pid + 1) << 20))).collect();
    assert_eq!(found, wanted);
}

#[test]
fn garbage_is_no_figure() {
    let rig = Rig::new(
        "full",
        FAST,
        "gpu 0 util=5 power=950000 limit=700000\nfault fn=nvmlDeviceGetUtilizationRates garbage=over100\n\
         fault fn=nvmlDeviceGetMemoryInfo* garbage=u64max\nfault fn=nvmlDeviceGetTemperature rc=4",
    );
    let look = rig.until(|look| look.samples.first().is_some_and(|row| row.sm_clock_hertz.is()));
    let row = &look.samples[0];
    assert_eq!(row.utilization_ratio, Reading::Not(Gap::Failed));
    assert_eq!(row.memory_used_bytes, Reading::Not(Gap::Unsupported));
    assert_eq!(row.memory_total_bytes, Reading::Not(Gap::Unsupported));
    assert_eq!(row.power_watts, Reading::Not(Gap::Failed));
    assert_eq!(row.temperature_celsius, Reading::Not(Gap::Denied));
}

#[test]
fn a_collector_that_dies_is_started_again() {
    let rig = Rig::new("full", FAST, "gpu 0 util=5");
    let first = rig.until(|look| answers(look, 0)).collector.unwrap();
    let pid = rustix::process::Pid::from_raw(first.0 as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    // What the first one said is shown, growing old, until the second one speaks.
    rig.until(|look| {
        look.collector.is_some_and(|pid| pid != first)
            && look.status.state == SourceState::Ok
            && answers(look, 0)
    });
}

#[test]
fn a_collector_that_no_signal_reaches_is_left_behind_at_once() {
    let Some(frozen) = Frozen::new() else {
        eprintln!("skipped: no frozen filesystem can be made here (root, loop device, ext4)");
        return;
    };
    let rig = Rig::new("full", FAST, "gpu 0 util=10\ngpu 1 util=20");
    let pid = rig.until(|look| answers(look, 0) && answers(look, 1)).collector.unwrap();
    let file = frozen.mount().join("file");
    rig.control(&format!(
        "fault fn=nvmlDeviceGetUtilizationRates gpu=1 hangfile={}",
        file.display()
    ));
    rig.until(|_| stuck_in_the_kernel(pid));
    let look = rig.until(|look| utilization(look, 1) == Reading::Not(Gap::Late));
    assert_eq!(utilization(&look, 0), Reading::Is(0.1));
    let begun = Instant::now();
    rig.gpus.abandon();
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert!(stuck_in_the_kernel(pid), "it was never out of reach");
    drop(frozen);
    gone(pid);
}
