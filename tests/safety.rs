//! Looking harms nothing: every batch arrives as it would have, and mltop makes no call that could
//! stop, signal or change a process of the training.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop, and one that cannot run says so"
)]

#[path = "safety/calls.rs"]
mod calls;
#[path = "common/train.rs"]
#[allow(dead_code, reason = "other tests need the rest of it")]
mod train;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use mltop::model::Pid;
use mltop::source::Roots;
use mltop::source::loader::{Engine, Ladder};

/// Batches of the run that is looked at.
const BATCHES: &str = "10000";
const DEADLINE: Duration = Duration::from_mins(2);

/// A loop that takes batches and says at its end what they were.
struct Taker {
    child: Child,
    go: ChildStdin,
    lines: Receiver<String>,
}

impl Taker {
    fn start(python: &Path, batches: &str, workers: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/py/batches.py");
        let mut command = Command::new(python);
        command
            .arg(script)
            .args(["--batches", batches, "--workers", workers])
            .env("OMP_NUM_THREADS", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap();
        let (send, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        let go = child.stdin.take().unwrap();
        let taker = Self { child, go, lines };
        assert_eq!(taker.line(), "ready");
        taker
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(DEADLINE).unwrap()
    }

    fn go(&mut self) {
        self.go.write_all(b"\n").unwrap();
    }
}

impl Drop for Taker {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Looks without a pause until it is told to stop; how many looks.
fn look(pid: Pid, ladder: Ladder, stop: &AtomicBool) -> u64 {
    let mut engine = Engine::on(Roots::default(), ladder).unwrap();
    engine.watch(&BTreeMap::from([(pid, Vec::new())]), Instant::now());
    while !stop.load(Ordering::Relaxed) {
        engine.look_now(Instant::now());
    }
    engine.looks
}

#[test]
fn ten_thousand_batches_are_the_same_and_in_order_while_every_source_looks_without_a_pause() {
    let Some((_, python)) = train::interpreters().into_iter().next() else { return };
    let mut alone = Taker::start(&python, BATCHES, "0");
    alone.go();
    let expected = alone.line();
    drop(alone);

    let mut looked_at = Taker::start(&python, BATCHES, "2");
    let pid = Pid(looked_at.child.id());
    let stop = AtomicBool::new(false);
    let (got, looks) = thread::scope(|scope| {
        // The memory, the semaphores with the pipes, and the pipes alone.
        let sealed = Ladder { steps: Vec::new(), semaphores: true };
        let ladders = [Ladder::all(), sealed, Ladder::default()];
        let looking = ladders.map(|ladder| scope.spawn(|| look(pid, ladder, &stop)));
        looked_at.go();
        let got = looked_at.line();
        stop.store(true, Ordering::Relaxed);
        (got, looking.map(|looking| looking.join().unwrap()))
    });
    println!("{looks:?} looks while {expected}");
    assert!(looks.iter().all(|&looks| looks > 1000), "only {looks:?} looks");
    assert_eq!(got, expected);
    assert!(expected.starts_with("10000 "));
}

/// The processes of a training.
fn family(root: u32) -> BTreeSet<u32> {
    let mut family = BTreeSet::from([root]);
    for _ in 0..4 {
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let stat = std::fs::read(entry.path().join("stat")).unwrap_or_default();
            let stat = String::from_utf8_lossy(&stat).into_owned();
            let parent =
                stat.rsplit_once(')').and_then(|(_, rest)| rest.split(' ').nth(2)?.parse().ok());
            if parent.is_some_and(|parent: u32| family.contains(&parent)) {
                family.insert(pid);
            }
        }
    }
    family
}

/// The pipes that they hold, as the kernel names them.
fn pipes(family: &BTreeSet<u32>) -> BTreeSet<String> {
    let folders = family.iter().filter_map(|pid| std::fs::read_dir(format!("/proc/{pid}/fd")).ok());
    let links = folders.flatten().flatten().filter_map(|entry| entry.path().read_link().ok());
    let names = links.filter_map(|link| Some(link.to_str()?.to_owned()));
    names.filter(|name| name.starts_with("pipe:")).collect()
}

#[test]
fn mltop_makes_no_call_that_stops_signals_writes_or_consumes() {
    let strace = Command::new("strace").args(["-o", "/dev/null", "true"]).status();
    if !strace.is_ok_and(|status| status.success()) {
        println!("skipped: mltop under strace: no strace here, or it may not trace");
        return;
    }
    let Some((_, python)) = train::interpreters().into_iter().next() else { return };
    let folder = tempfile::tempdir().unwrap();
    let args = ["--mode", "starved", "--workers", "2", "--seconds", "60"];
    let training = train::Training::start(&python, folder.path(), &args);
    let (family, log) = (family(training.pid()), folder.path().join("calls"));
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-s", "0", "-o"]).arg(&log).args(["-e", calls::TRACED]);
    command.arg(env!("CARGO_BIN_EXE_mltop")).args([
        "stream",
        "--plain",
        "--duration",
        "6s",
        "--pid",
    ]);
    command.arg(training.pid().to_string()).stdin(Stdio::null()).stderr(Stdio::null());
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("\"ready\""), "mltop saw no loader: {told}");

    let log = std::fs::read_to_string(log).unwrap();
    let pipes = pipes(&family);
    let harm: Vec<String> =
        log.lines().filter_map(|line| calls::harm(line, &family, &pipes)).collect();
    let looked = log.lines().filter(|line| pipes.iter().any(|pipe| line.contains(&**pipe))).count();
    println!("{} calls traced, {looked} of them at pipes of the training", log.lines().count());
    assert!(looked > 0, "the pipes were not looked at");
    assert!(harm.is_empty(), "{harm:#?}");
}
