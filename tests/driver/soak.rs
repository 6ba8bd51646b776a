//! Sixteen GPUs under faults that come as they like: whatever the driver does, what is shown as
//! measured is true, keys are answered, memory stays, and what comes back is seen again.

use std::fmt::Write;
use std::fs;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use mltop::model::Pid;

use crate::answers::Answers;
use crate::scene::{Lines, Scene};
use crate::standin;
use crate::table::{Table, figure};

const GPUS: usize = 16;
/// Seconds at the end in which nothing is wrong, and GPUs that were gone are found again.
const CALM: u64 = 16;

/// A row of numbers that looks like none in particular, the same for the same seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
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

/// Raised when it goes, in whatever way.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What was measured of keys, where there was a terminal.
fn soak(seconds: u64, longest: u64, seed: u64) -> Option<Answers> {
    eprintln!("seed {seed}");
    let scene = Scene::new(&standin::build("nogpm"), &script(seconds, longest, seed));
    let stream = scene.start_stream(seconds as u32);
    let pid = stream.id();
    let done = AtomicBool::new(false);
    let (lines, answers, most) = std::thread::scope(|scope| {
        let end = End(&done);
        let answers = scope.spawn(|| Answers::of(&scene, &done));
        let reader = scope.spawn(|| taken(stream, seconds));
        let begun = Instant::now();
        let (mut processes, mut middle, mut most) = (Vec::new(), Vec::new(), 0);
        while !reader.is_finished() {
            if middle.is_empty() && begun.elapsed().as_secs() > seconds / 2 {
                processes = scene.processes();
                middle = processes.iter().map(|pid| held(pid.0)).collect();
            }
            if begun.elapsed().as_secs() + 3 > seconds {
                most = most.max(flat(&processes, &middle, pid));
            }
            sleep(Duration::from_millis(300));
        }
        drop(end);
        (reader.join().unwrap(), answers.join().unwrap(), most)
    });
    let table = Table::of(&lines, GPUS);
    nothing_is_invented(&table);
    all_are_back(&table);
    let took = lines.ticks().iter().filter_map(|tick| tick["dur_us"].as_u64()).max();
    eprintln!(
        "{seconds} s, {} ticks, the longest took {} ms to sample; a process grew by {most} kB at the most \
         since half time; {}",
        table.ticks().len(),
        took.unwrap_or(0) / 1000,
        answers.as_ref().map_or_else(String::new, Answers::words)
    );
    scene.wait_until_gone();
    answers
}

/// No process holds much more than at half time: what a history keeps is small. The most that one grew.
fn flat(processes: &[Pid], middle: &[u64], stream: u32) -> u64 {
    let mut grew = 0;
    for (pid, before) in processes.iter().zip(middle) {
        let now = held(pid.0);
        let most = if pid.0 == stream { 4 << 10 } else { 12 << 10 };
        assert!(now <= before + most, "process {pid} holds {now} kB after {before} kB");
        grew = grew.max(now.saturating_sub(*before));
    }
    grew
}

#[test]
fn under_random_faults_nothing_is_invented_keys_are_answered_and_everything_comes_back() {
    let answers = soak(120, 20, 0x9e37_79b9);
    // Far beyond what a key may wait, as tests and builds share this machine.
    assert!(answers.is_none_or(|answers| answers.median() < 1_000.0));
}

/// Longest that the screen may stand still, in milliseconds.
const STILL: f64 = 50.0;

/// By hand, with nothing else on the machine:
/// `MLTOP_SOAK_MINUTES=30 cargo test --release --test driver -- --ignored --nocapture soak`.
#[test]
#[ignore = "takes half an hour"]
fn a_soak_of_half_an_hour() {
    let minutes = std::env::var("MLTOP_SOAK_MINUTES").ok().and_then(|text| text.parse().ok());
    let seed = u64::from(std::process::id()) | 1;
    if let Some(answers) = soak(minutes.unwrap_or(30) * 60, 60, seed) {
        let slow = answers.unexcused(STILL);
        assert!(slow.is_empty(), "ms, and what the machine held back meanwhile: {slow:.1?}");
    }
}
