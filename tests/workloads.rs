//! Real workloads on a real PyTorch loader, named on the real screen: what the product is for.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop, and one that cannot run says so"
)]

#[path = "common/standin.rs"]
mod standin;
#[path = "common/throttle.rs"]
mod throttle;
#[path = "common/tmux.rs"]
mod tmux;
#[path = "common/train.rs"]
#[expect(dead_code, reason = "only the interpreters are needed here")]
mod train;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use throttle::Throttle;
use tmux::Tmux;

/// The product promises 30 s for a verdict, and 30 s more where it changes its cause; a busy machine
/// gets some more before this is called a miss, and the time it took is printed.
const DEADLINE: Duration = Duration::from_secs(45);
/// What else a machine does may be the truth for a while: each phase may be tried so often.
const TRIES: u32 = 3;
/// Where 70 % of the CPUs are in use, preparation is bound by them, and below that there are too few
/// workers: between these two, by a hair, either is the truth.
const CPU_FULL: (f64, f64) = (0.60, 0.80);

/// The training, ended with the value.
struct Workload {
    child: Child,
    input: ChildStdin,
    phases: Receiver<String>,
}

impl Workload {
    /// A training that does what it is told by [`begin`](Self::begin).
    fn start(folder: &Path, throttle: Option<&Throttle>) -> Option<Self> {
        let (_, python) = train::interpreters().into_iter().find(|(name, _)| *name == "newest")?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/py/workload.py");
        // The shell waits to be put under the limit before it becomes the training.
        let mut child = Command::new("sh")
            .args(["-c", "read go; exec \"$@\"", "sh"])
            .arg(python)
            .arg("-W")
            .arg("ignore")
            .arg(script)
            .args(["--follow", "--workers", "2", "--control"])
            .arg(folder.join("control"))
            .arg("--files")
            .arg(folder.join("files"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        if let Some(throttle) = throttle {
            throttle.hold(child.id());
        }
        let mut input = child.stdin.take().unwrap();
        input.write_all(b"go\n").unwrap();
        let (send, phases) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Some(Self { child, input, phases })
    }

    /// Lets it go over to a phase, and waits until it has.
    fn begin(&mut self, name: &str) {
        writeln!(self.input, "{name}").unwrap();
        let wanted = format!("workload {name}");
        let deadline = Instant::now() + Duration::from_mins(3);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if self.phases.recv_timeout(left).unwrap() == wanted {
                return;
            }
        }
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        // Its workers too, which do not always notice that it is gone.
        if let Some(group) = Pid::from_raw(self.child.id().cast_signed()) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

fn files(folder: &Path) {
    fs::create_dir(folder.join("files")).unwrap();
    let bytes: Vec<u8> =
        (0..1 << 20_u32).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for number in 0..64 {
        fs::write(folder.join("files").join(number.to_string()), &bytes).unwrap();
    }
    fs::write(folder.join("control"), "").unwrap();
}

fn watch(folder: &Path, trainer: u32) -> Option<Tmux> {
    let scenario = format!(
        "gpu 0 name=NVIDIA_H100_80GB_HBM3 mem_used=43980465152 util=50\n\
         proc gpu=0 pid={trainer} mem=43980465152\n"
    );
    fs::write(folder.join("scenario"), scenario).unwrap();
    let terminal = Tmux::start(200, 50)?;
    terminal.line(&format!(
        "MLTOP_STANDIN={0}/scenario MLTOP_STANDIN_CONTROL={0}/control LD_LIBRARY_PATH={1} {2} --pid {trainer}",
        folder.display(),
        standin::build("full").display(),
        env!("CARGO_BIN_EXE_mltop")
    ));
    Some(terminal)
}

/// Busy and all time of all CPUs since boot, in clock ticks.
fn cpu_ticks() -> (f64, f64) {
    let text = fs::read_to_string("/proc/stat").unwrap();
    let line = text.lines().next().unwrap();
    let ticks: Vec<f64> =
        line.split_ascii_whitespace().skip(1).take(8).map(|word| word.parse().unwrap()).collect();
    let all: f64 = ticks.iter().sum();
    (all - ticks[3] - ticks[4], all)
}

/// One phase on screen.
struct Phase {
    name: &'static str,
    /// What the verdict must say.
    words: &'static str,
    /// What it may say as well where this share of all CPUs is in use, by whatever the machine does.
    or: Option<(&'static str, Range<f64>)>,
}

/// Goes over to a phase and waits for its verdict; what it says instead where that does not come.
fn follow(workload: &mut Workload, terminal: &Tmux, phase: &Phase) -> Result<(), String> {
    workload.begin(phase.name);
    let (began, before) = (Instant::now(), cpu_ticks());
    loop {
        let screen = terminal.screen();
        let seconds = began.elapsed().as_secs_f64();
        let now = cpu_ticks();
        let used = (now.0 - before.0) / (now.1 - before.1).max(1.0);
        let other = phase.or.as_ref().filter(|(_, cpus)| cpus.contains(&used));
        let other = other.map(|(words, _)| *words);
        for words in [Some(phase.words), other].into_iter().flatten() {
            if screen.contains(words) && screen.contains("workload.py") {
                println!("{}: {words} after {seconds:.0} s, CPUs {used:.2} in use", phase.name);
                return Ok(());
            }
        }
        if began.elapsed() > DEADLINE {
            let head: Vec<&str> = screen.lines().take(4).collect();
            return Err(format!("{}: CPUs {used:.2} in use\n{}", phase.name, head.join("\n")));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn four_real_workloads_are_named_and_followed_on_screen() {
    let folder = tempfile::Builder::new().prefix("mltop-").tempdir_in("/var/tmp").unwrap();
    files(folder.path());
    let throttle = Throttle::new(folder.path(), 40_000_000);
    let Some(mut workload) = Workload::start(folder.path(), throttle.as_ref()) else { return };
    let fed = Phase { name: "fed", words: "no finding holds", or: None };
    let starved = [
        Phase { name: "disk", words: "DISK-BOUND", or: None },
        Phase {
            name: "decode",
            words: "PREP-BOUND",
            or: Some(("TOO-FEW-WORKERS", 0.0..CPU_FULL.1)),
        },
        Phase { name: "few", words: "TOO-FEW-WORKERS", or: Some(("PREP-BOUND", CPU_FULL.0..2.0)) },
    ];
    workload.begin(fed.name);
    let Some(terminal) = watch(folder.path(), workload.child.id()) else { return };
    for phase in starved.iter().filter(|phase| phase.name != "disk" || throttle.is_some()) {
        let mut tries = (1..=TRIES).map(|number| {
            let both = follow(&mut workload, &terminal, &fed)
                .and_then(|()| follow(&mut workload, &terminal, phase));
            both.inspect_err(|screen| println!("missed, try {number} of {TRIES}: {screen}"))
        });
        assert!(
            tries.any(|result| result.is_ok()),
            "{} is never named {}",
            phase.name,
            phase.words
        );
    }
    let mut tries = (1..=TRIES).map(|_| follow(&mut workload, &terminal, &fed));
    assert!(tries.any(|result| result.is_ok()), "the last finding does not end");
    terminal.keys(&["q"]);
    terminal.wait_until("the shell", 20, |screen| screen.contains("ready$"));
}

/// `cargo test --release --test workloads ten_minutes -- --ignored --nocapture`
#[test]
#[ignore = "takes ten minutes, on a machine that does nothing else"]
fn ten_minutes_with_a_tenth_more_supply_than_demand_raise_nothing() {
    let folder = tempfile::Builder::new().prefix("mltop-").tempdir_in("/var/tmp").unwrap();
    files(folder.path());
    let Some(mut workload) = Workload::start(folder.path(), None) else { return };
    workload.begin("tight");
    let lines = Command::new(env!("CARGO_BIN_EXE_mltop"))
        .args([
            "stream",
            "--plain",
            "--duration",
            "600s",
            "--pid",
            &workload.child.id().to_string(),
        ])
        .output()
        .unwrap();
    let lines = String::from_utf8(lines.stdout).unwrap();
    let of_kind = |kind: &str| {
        let start = format!("{{\"k\":\"{kind}\"");
        lines.lines().filter(move |line| line.starts_with(&start)).map(str::to_owned).collect()
    };
    let (ticks, events): (Vec<String>, Vec<String>) = (of_kind("tick"), of_kind("event"));
    println!("{} ticks, {} findings", ticks.len(), events.len());
    assert!(ticks.len() > 550 && events.is_empty(), "{events:#?}");
}
