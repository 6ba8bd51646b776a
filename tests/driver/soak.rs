//! Sixteen GPUs under faults that come as they like: whatever the driver does, what is shown as
//! measured is true, keys are answered, memory stays, and what comes back is seen again.

use std::fmt::Write;
use std::fs;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use mltop::model::Pid;

use crate::scene::{Lines, Scene};
use crate::standin;
use crate::table::{Table, figure};
use crate::tmux::Tmux;

const GPUS: usize = 16;
/// Seconds at the end in which nothing is wrong, and GPUs that were gone are found again.
const CALM: u64 = 16;

/// A row of numbers that looks like none in particular, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// What each GPU truly does: no two alike.
fn truth(column: &str, gpu: usize) -> f64 {
    let gpu = gpu as f64;
    match column {
        "utilization_ratio" => (20.0 + gpu * 5.0) / 100.0,
        "memory_used_bytes" => 1e9 * (gpu + 1.0),
        "power_watts" => 100.0 + gpu * 30.0,
        "temperature_celsius" => 40.0 + gpu,
        _ => 1e9 + gpu * 1e8,
    }
}

/// Faults of every kind for every GPU but the first, in spans of up to `longest` seconds.
fn script(seconds: u64, longest: u64, seed: u64) -> String {
    let mut dice = Dice(seed);
    let mut script = String::new();
    for gpu in 0..GPUS {
        let of = |column| truth(column, gpu);
        writeln!(
            script,
            "gpu {gpu} util={:.0} mem_used={:.0} power={:.0} temp={:.0} pcie_rx={:.0} pcie_tx=1e8",
            of("utilization_ratio") * 100.0,
            of("memory_used_bytes"),
            of("power_watts") * 1e3,
            of("temperature_celsius"),
            of("pcie")
        )
        .unwrap();
        if gpu == 0 {
            continue;
        }
        let mut at = 4 + dice.below(6);
        while at + CALM < seconds {
            let span = (2 + dice.below(longest)).min(seconds - CALM - at);
            let when = format!("gpu={gpu} after={at} until={}", at + span);
            let fault = match dice.below(7) {
                0 => format!("fn=nvmlDevice* {when} rc=15"),
                1 => format!("fn=nvmlDeviceGetUtilizationRates {when} hang=1"),
                2 => format!("fn=nvmlDevice* {when} delay={}", 20 + dice.below(300)),
                3 => format!("fn=nvmlDeviceGetUtilizationRates {when} garbage=over100"),
                4 => format!("fn=nvmlDeviceGetMemoryInfo* {when} garbage=u64max"),
                5 => format!("fn=nvmlDeviceGetFieldValues {when} garbage=x1000"),
                _ => format!("fn=nvmlDeviceGetFieldValues {when} rc=999"),
            };
            writeln!(script, "fault {fault}").unwrap();
            at += span + 3 + dice.below(10);
        }
    }
    script
}

/// Everything that is shown as measured is what it is.
fn nothing_is_invented(table: &Table<'_>) {
    let columns = ["utilization_ratio", "memory_used_bytes", "power_watts", "temperature_celsius"];
    for tick in table.ticks() {
        for gpu in 0..GPUS {
            for column in columns {
                if let Some(value) = figure(tick, column, gpu) {
                    let true_value = truth(column, gpu);
                    assert!(
                        (value / true_value - 1.0).abs() < 1e-6,
                        "GPU {gpu} {column} {value}: {true_value}"
                    );
                }
            }
        }
    }
    for gpu in 0..GPUS {
        let wanted = truth("pcie", gpu);
        for rate in table.exact("pcie_rx_bytes_per_second", gpu) {
            assert!((rate / wanted - 1.0).abs() < 0.03, "GPU {gpu} receives {rate}, not {wanted}");
        }
    }
}

/// All GPUs are there again at the end, and the first was there all along, but for what a busy machine
/// held back.
fn all_are_back(table: &Table<'_>) {
    for gpu in 0..GPUS {
        let seen = table.all("utilization_ratio", gpu).len();
        let last = table.last("utilization_ratio", gpu);
        assert!(last.is_some(), "GPU {gpu} is not back: {}", table.gap("utilization_ratio", gpu));
        let ticks = table.ticks().len();
        assert!(gpu > 0 || seen * 10 >= ticks * 8, "{seen} of {ticks}");
    }
}

/// Kilobytes that a process holds; 0 where it is gone.
fn held(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// Presses a key and waits for what it does.
fn answered(terminal: &Tmux) -> Duration {
    let begun = Instant::now();
    for (key, open) in [("?", true), ("Escape", false)] {
        terminal.keys(&[key]);
        loop {
            let screen = terminal.screen();
            assert!(!screen.contains("panicked"), "{screen}");
            if screen.contains("─  Keys  ─") == open {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{key} is not answered:\n{screen}");
        }
    }
    begun.elapsed() / 2
}

/// The stream's output, taken while it runs.
fn taken(mut child: Child, seconds: u64) -> Lines {
    use std::io::Read;
    let mut bytes = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut bytes).unwrap();
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(begun.elapsed() < Duration::from_secs(seconds + 60), "it does not end");
        sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "{status}");
    Lines::of(&bytes)
}

fn soak(seconds: u64, longest: u64, seed: u64) {
    eprintln!("seed {seed}");
    let scene = Scene::new(&standin::build("nogpm"), &script(seconds, longest, seed));
    let stream = scene.start_stream(seconds as u32);
    let pid = stream.id();
    let terminal = Tmux::start(200, 50);
    if let Some(terminal) = &terminal {
        terminal.open(&scene.line());
    }
    let reader = std::thread::spawn(move || taken(stream, seconds));
    let (begun, mut times, mut middle) = (Instant::now(), Vec::new(), None);
    let mut processes: Vec<Pid> = Vec::new();
    while !reader.is_finished() {
        if let Some(terminal) = &terminal {
            times.push(answered(terminal));
        }
        if middle.is_none() && begun.elapsed().as_secs() > seconds / 2 {
            processes = scene.processes();
            middle = Some(processes.iter().map(|pid| held(pid.0)).collect::<Vec<_>>());
        }
        if let (Some(middle), true) = (&middle, begun.elapsed().as_secs() + 3 > seconds) {
            flat(&processes, middle, pid);
        }
        sleep(Duration::from_millis(300));
    }
    let lines = reader.join().unwrap();
    let table = Table::of(&lines, GPUS);
    nothing_is_invented(&table);
    all_are_back(&table);
    let took: Vec<u64> = lines.ticks().iter().filter_map(|tick| tick["dur_us"].as_u64()).collect();
    eprintln!(
        "{} ticks, the longest took {:?} µs to sample; a key is answered in {:?} at the most",
        table.ticks().len(),
        took.iter().max(),
        times.iter().max()
    );
    if let Some(terminal) = terminal {
        terminal.keys(&["q"]);
        terminal.wait_for_clean_shell();
    }
    scene.wait_until_gone();
}

/// No process holds much more than at half time: what a history keeps is small.
fn flat(processes: &[Pid], middle: &[u64], stream: u32) {
    for (pid, before) in processes.iter().zip(middle) {
        let now = held(pid.0);
        let most = if pid.0 == stream { 4 << 10 } else { 12 << 10 };
        assert!(now <= before + most, "process {pid} holds {now} kB after {before} kB");
    }
}

#[test]
fn under_random_faults_nothing_is_invented_and_everything_comes_back() {
    soak(36, 6, 0x9e37_79b9);
}

/// By hand: `MLTOP_SOAK_MINUTES=30 cargo test --test driver -- --ignored --nocapture soak`.
#[test]
#[ignore = "takes half an hour"]
fn a_soak_of_half_an_hour() {
    let minutes = std::env::var("MLTOP_SOAK_MINUTES").ok().and_then(|text| text.parse().ok());
    let seed = u64::from(std::process::id()) | 1;
    soak(minutes.unwrap_or(30) * 60, 60, seed);
}
