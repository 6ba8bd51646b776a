//! The whole program over the stand-in driver: figures arrive as they are, and whatever the driver
//! does, the screen, the keys, the other GPUs and the shell go on.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

#[path = "common/frozen.rs"]
mod frozen;
#[path = "common/scene.rs"]
mod scene;
#[path = "common/standin.rs"]
mod standin;
#[path = "common/tmux.rs"]
mod tmux;

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use frozen::{Frozen, stuck_in_the_kernel};
use scene::{DEADLINE, Scene};
use tmux::Tmux;

const TWO: &str = "gpu 0 util=37 mem_used=9e9\ngpu 1 util=61\n";

#[test]
fn figures_arrive_exactly_and_traffic_over_the_wrap_within_a_hundredth() {
    let script = "gpu 0 name=Stand-in_A util=37 mem_util=12 mem_total=85899345920 \
                  mem_used=43980465152 power=300500 limit=700000 temp=61 sm_clock=1755 \
                  sm_clock_max=1980 mem_clock=2619 throttle=1024\n\
                  gpu 1 util=20 mem_used=1000000 pcie_rx=20e9 pcie_tx=1e9";
    let scene = Scene::new(&standin::build("nogpm"), script);
    let lines = scene.stream(9);
    let ticks = lines.ticks();
    assert!(ticks.len() >= 3, "{} ticks", ticks.len());
    let columns = [
        ("utilization_ratio", json!([0.37, 0.2])),
        ("memory_controller_ratio", json!([0.12, 0])),
        ("memory_used_bytes", json!([43_980_465_152_u64, 1_000_000])),
        ("memory_total_bytes", json!([85_899_345_920_u64, 85_899_345_920_u64])),
        ("power_watts", json!([300.5, 75])),
        ("power_limit_watts", json!([700, 700])),
        ("temperature_celsius", json!([61, 34])),
        ("sm_clock_hertz", json!([1_755_000_000, 345_000_000])),
        ("sm_clock_max_hertz", json!([1_980_000_000, 1_980_000_000])),
        ("memory_clock_hertz", json!([2_619_000_000_u64, 2_619_000_000_u64])),
        ("throttle_reasons", json!([1024, 1])),
        ("pcie_source", json!(["counter", "counter"])),
        ("sm_active_ratio", json!([null, null])),
    ];
    let full = |tick: &Value| (0..2).all(|gpu| !tick["gpus"]["utilization_ratio"][gpu].is_null());
    let full: Vec<&Value> = ticks.iter().copied().filter(|tick| full(tick)).collect();
    assert!(full.len() >= 3, "{} whole ticks", full.len());
    for tick in &full {
        for (column, wanted) in &columns {
            assert_eq!(tick["gpus"][column], *wanted, "{column}");
        }
        assert_eq!(tick["derived"]["gpus"]["memory_used_ratio"][0], 0.512);
        assert_eq!(tick["derived"]["gpus"]["power_ratio"][0], 0.429);
        assert_eq!(tick["gaps"]["gpus"]["sm_active_ratio"], "unsupported");
    }
    traffic(&ticks);
    scene.wait_until_gone();
}

/// GPU 1 receives 20 GB/s and sends 1 GB/s: its counters of 32 bits wrap five times a second.
fn traffic(ticks: &[&Value]) {
    let exact = |tick: &Value| tick["gpus"]["pcie_bound"][1] == "exact";
    let sure = ticks.windows(2).filter(|pair| pair.iter().all(|tick| exact(tick)));
    let rates: Vec<(f64, f64)> = sure
        .filter_map(|pair| {
            let rates = &pair[1]["derived"]["gpus"];
            let rate = |column: &str| rates[column][1].as_f64();
            Some((rate("pcie_rx_bytes_per_second")?, rate("pcie_tx_bytes_per_second")?))
        })
        .collect();
    eprintln!("PCIe, bytes per second: {rates:?}");
    assert!(rates.len() >= 2, "{} windows without a doubt", rates.len());
    for (rx, tx) in rates {
        assert!((rx / 20e9 - 1.0).abs() < 0.01, "{rx}");
        assert!((tx / 1e9 - 1.0).abs() < 0.01, "{tx}");
    }
    let last = ticks.last().unwrap()["gpus"]["pcie_rx_bytes_total"][1].as_u64().unwrap();
    assert!(last > 5 << 32, "{last} bytes are no five wraps");
}

#[test]
fn in_the_stream_a_gpu_lost_at_second_five_is_a_gap_with_its_reason_and_the_other_goes_on() {
    let script = format!("{TWO}fault fn=nvmlDevice* gpu=1 after=5 rc=15");
    let scene = Scene::new(&standin::build("full"), &script);
    let lines = scene.stream(10);
    let ticks = lines.ticks();
    let of =
        |gpu: usize| ticks.iter().map(move |tick| tick["gpus"]["utilization_ratio"][gpu].as_f64());
    let seen: Vec<_> = of(0).skip_while(Option::is_none).collect();
    assert!(seen.iter().all(|value| *value == Some(0.37)), "{seen:?}");
    let lost: Vec<_> = of(1).skip_while(Option::is_none).collect();
    assert_eq!(lost.first(), Some(&Some(0.61)));
    assert_eq!(lost.last(), Some(&None), "{lost:?}");
    // Once it is lost it has no value, and never was there another than the true one.
    let at = lost.iter().position(Option::is_none).unwrap();
    assert!(lost[..at].iter().all(|value| *value == Some(0.61)), "{lost:?}");
    assert!(lost[at..].iter().all(Option::is_none), "{lost:?}");
    let why = &ticks.last().unwrap()["gaps"]["gpus"]["utilization_ratio"];
    assert_eq!(*why, json!([null, "lost"]));
    let named = lines.of_kind("key").last().unwrap();
    let trouble = named["gpus"][1]["trouble"].as_str().unwrap_or_default();
    assert!(trouble.contains("lost"), "{named}");
    assert!(named["gpus"][0]["trouble"].is_null());
}

/// A terminal with the program over a driver.
struct Session {
    terminal: Tmux,
    scene: Scene,
}

impl Session {
    fn open(scene: Scene, width: u16, height: u16) -> Option<Self> {
        let terminal = Tmux::start(width, height)?;
        terminal.open(&scene.line());
        Some(Self { terminal, scene })
    }

    /// What is the matter with GPU 1 is on screen, and the mean is of the other alone. A look at the
    /// terminal may come in the middle of a frame.
    fn names_and_leaves_out(&self, trouble: &str) {
        self.terminal.wait_until(trouble, 30, |screen| {
            screen.contains(trouble) && screen.contains("now  37%")
        });
    }

    /// Keys are answered, ticks come in, `q` quits, and the shell is as it was.
    fn goes_on(&self, what: &str) {
        self.keys_are_answered(what);
        let clock = |screen: &str| screen.lines().next().unwrap_or_default().to_owned();
        let before = clock(&self.terminal.screen());
        self.terminal.wait_until("another second", 20, |screen| clock(screen) != before);
        self.terminal.keys(&["q"]);
        self.terminal.wait_for_clean_shell();
    }

    /// Twenty times the help is opened and left; the median time is printed, what tmux takes for a
    /// key and for a look at the screen included.
    fn keys_are_answered(&self, what: &str) {
        let mut times: Vec<Duration> = (0..20)
            .map(|_| {
                let begun = Instant::now();
                self.terminal.keys(&["?"]);
                self.shows_help(true);
                let took = begun.elapsed();
                self.terminal.keys(&["Escape"]);
                self.shows_help(false);
                took
            })
            .collect();
        times.sort();
        eprintln!("{what}: a key is answered in {:?} (median), {:?} (worst)", times[10], times[19]);
    }

    fn shows_help(&self, wanted: bool) {
        let begun = Instant::now();
        loop {
            let screen = self.terminal.screen();
            if screen.contains("─  Keys  ─") == wanted {
                return;
            }
            assert!(begun.elapsed() < DEADLINE, "the key is not answered:\n{screen}");
        }
    }
}

#[test]
fn on_screen_a_lost_gpu_is_named_and_the_other_goes_on() {
    let script = format!("{TWO}fault fn=nvmlDevice* gpu=1 after=5 rc=15");
    let scene = Scene::new(&standin::build("full"), &script);
    let Some(session) = Session::open(scene, 120, 36) else { return };
    session.names_and_leaves_out("GPU 1: fell off the bus");
    // The driver was given by hand, and says that it is none.
    session.terminal.wait_for("SIMULATED GPU", 20);
    session.goes_on("a GPU lost");
    session.scene.wait_until_gone();
}

#[test]
fn on_screen_a_call_that_hangs_makes_that_gpu_silent_with_its_age() {
    let script = format!("{TWO}fault fn=nvmlDeviceGetUtilizationRates gpu=1 after=3 hang=1");
    let scene = Scene::new(&standin::build("full"), &script);
    let Some(session) = Session::open(scene, 120, 36) else { return };
    session.names_and_leaves_out("GPU 1: no answer for");
    session.goes_on("a call that hangs, asleep");
    session.scene.wait_until_gone();
}

#[test]
fn a_call_that_hangs_in_the_kernel_keeps_neither_the_keys_nor_the_shell() {
    let Some(frozen) = Frozen::new() else {
        eprintln!("skipped: no frozen filesystem can be made here (root, loop device, ext4)");
        return;
    };
    let file = frozen.mount().join("file");
    let script = format!(
        "{TWO}fault fn=nvmlDeviceGetUtilizationRates gpu=1 after=3 hangfile={}",
        file.display()
    );
    let scene = Scene::new(&standin::build("full"), &script);
    let Some(session) = Session::open(scene, 120, 36) else { return };
    session.names_and_leaves_out("GPU 1: no answer for");
    let collector = session.scene.collector().unwrap();
    assert!(stuck_in_the_kernel(collector), "it is not out of reach");
    session.goes_on("a call that hangs in state D");
    assert!(stuck_in_the_kernel(collector), "it never was out of reach");
    let left: Vec<_> =
        session.scene.processes().into_iter().filter(|pid| *pid != collector).collect();
    assert!(left.is_empty(), "more than the collector is left: {left:?}");
    drop(frozen);
    session.scene.wait_until_gone();
    let begun = Instant::now();
    while Path::new(&format!("/proc/{collector}")).exists() {
        assert!(begun.elapsed() < DEADLINE, "the collector outlives its call");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_driver_that_was_replaced_is_told_at_every_size() {
    for (width, height) in [(120, 36), (80, 24)] {
        let scene = Scene::new(&standin::build("full"), "gpu 0\nfault fn=nvmlInit_v2 rc=18");
        let Some(session) = Session::open(scene, width, height) else { return };
        session.terminal.wait_for("was replaced while the system runs", 30);
        session.goes_on("a driver mismatch");
        session.scene.wait_until_gone();
    }
}

#[test]
fn a_machine_without_a_driver_is_watched_all_the_same() {
    if Path::new("/proc/driver/nvidia/version").exists() {
        eprintln!("skipped: this machine has the real library");
        return;
    }
    let empty = tempfile::tempdir().unwrap();
    let Some(session) = Session::open(Scene::new(empty.path(), ""), 80, 24) else { return };
    session.terminal.wait_for("no NVIDIA driver", 30);
    session.goes_on("no library");
    session.scene.wait_until_gone();
}

#[test]
fn a_driver_that_hangs_at_its_start_is_told_and_does_not_keep_the_screen() {
    let scene = Scene::new(&standin::build("full"), "gpu 0\nfault fn=nvmlInit_v2 hang=1");
    let Some(session) = Session::open(scene, 80, 24) else { return };
    session.terminal.wait_for("does not answer", 30);
    session.goes_on("a start that hangs");
    session.scene.wait_until_gone();
}
