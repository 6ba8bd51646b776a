//! Real trainings for tests: started with a deadline, ended by their own process group.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

/// Where the environments are that the tests bring.
pub(crate) fn cache() -> PathBuf {
    std::env::var_os("MLTOP_TEST_CACHE").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/mltop-tests"),
        PathBuf::from,
    )
}

/// The interpreters with torch on this machine, by a short name.
pub(crate) fn interpreters() -> Vec<(&'static str, PathBuf)> {
    let cache = cache();
    let mut all = vec![
        ("newest", cache.join("torch-newest/bin/python")),
        ("debian", PathBuf::from("/usr/bin/python3")),
    ];
    if let Some(python) = std::env::var_os("MLTOP_TEST_PYTHON") {
        all.insert(0, ("given", python.into()));
    }
    all.retain(|(name, python)| {
        let there = has(python, &["torch"]);
        if !there {
            println!("skipped: {name} ({}): no torch there", python.display());
        }
        there
    });
    all
}

/// Whether an interpreter has these modules.
pub(crate) fn has(python: &Path, modules: &[&str]) -> bool {
    let asks = "import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, sys.argv[1:])))";
    let asked =
        Command::new(python).args(["-c", asks]).args(modules).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// A script of `tests/py`.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/py").join(name)
}

/// A training that runs. Ends with the value.
pub(crate) struct Training {
    child: Child,
    out: PathBuf,
    lines: mpsc::Receiver<String>,
    deadline: Instant,
}

/// What a training says of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Truth {
    /// Version of torch.
    pub(crate) torch: String,
    /// Version of Python.
    pub(crate) python: String,
    /// Whether the thread that pins was there.
    pub(crate) pin_thread: bool,
    /// What the log took of the trainer's CPU time, as a share of one core.
    pub(crate) watch_ratio: f64,
    /// Time, depth in order, depth in all, batches taken.
    pub(crate) depths: Vec<Depth>,
    /// Begin and end of each wait.
    pub(crate) waits: Vec<(f64, f64)>,
    /// The same of the loader that validates.
    pub(crate) second: (Vec<Depth>, Vec<(f64, f64)>),
}

/// Time, depth in order, depth in all, batches taken.
pub(crate) type Depth = (f64, Option<f64>, Option<f64>, f64);

impl Training {
    /// Starts `tests/py/train.py` and waits until its loop runs.
    pub(crate) fn start(python: &Path, folder: &Path, args: &[&str]) -> Self {
        Self::start_by(&mut Command::new(python), folder, args)
    }

    /// The same by a command that takes the script and its arguments.
    pub(crate) fn start_by(command: &mut Command, folder: &Path, args: &[&str]) -> Self {
        let out = folder.join("truth.jsonl");
        command.arg(script("train.py")).arg("--out").arg(&out).args(args);
        let seconds = args.iter().skip_while(|arg| **arg != "--seconds").nth(1);
        let seconds: f64 = seconds.map_or(0.0, |seconds| seconds.parse().unwrap());
        Self::run(command, out, Duration::from_secs_f64(90.0 + seconds))
    }

    /// Starts a training of another kind and waits until its loop runs.
    pub(crate) fn run(command: &mut Command, out: PathBuf, limit: Duration) -> Self {
        let mut child = command
            .env("OMP_NUM_THREADS", "1")
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let (send, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        let training = Self { child, out, lines, deadline: Instant::now() + limit };
        training.expect_line("ready");
        training
    }

    /// Waits until it says so.
    pub(crate) fn expect_line(&self, wanted: &str) {
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            let line = line.unwrap_or_else(|error| panic!("no {wanted:?} from training: {error}"));
            if line == wanted {
                return;
            }
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end and reads its truth.
    pub(crate) fn finish(&mut self) -> Truth {
        self.expect_line("done");
        let text = std::fs::read_to_string(&self.out).unwrap();
        let mut truth = Truth::default();
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let seconds = |key: &str| line[key].as_f64().unwrap() / 1e9;
            match line["k"].as_str().unwrap() {
                "meta" => {
                    truth.torch = line["torch"].as_str().unwrap().into();
                    truth.python = line["python"].as_str().unwrap().into();
                    truth.pin_thread = line["pin_thread"].as_bool().unwrap();
                    truth.watch_ratio = line["watch_ratio"].as_f64().unwrap();
                }
                kind @ ("d" | "d2") => {
                    let second = if kind == "d" { &mut truth.depths } else { &mut truth.second.0 };
                    second.push((
                        seconds("t"),
                        line["ready"].as_f64(),
                        line["total"].as_f64(),
                        line["taken"].as_f64().unwrap(),
                    ));
                }
                "w" => truth.waits.push((seconds("a"), seconds("b"))),
                _ => truth.second.1.push((seconds("a"), seconds("b"))),
            }
        }
        truth
    }

    /// Ends the training and its workers, no other process.
    pub(crate) fn kill(&mut self) {
        let group = rustix::process::Pid::from_raw(self.child.id().cast_signed()).unwrap();
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.child.wait();
    }
}

impl Drop for Training {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Truth {
    /// The truth samples just before and after a moment. None in the first 20 steps: the workers'
    /// first messages take long, and the capacity is not yet known.
    pub(crate) fn around(&self, at: SystemTime) -> Option<(f64, f64)> {
        let at = at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
        let after = self.depths.partition_point(|depth| depth.0 < at);
        let (before, after) = (self.depths.get(after.checked_sub(1)?)?, self.depths.get(after)?);
        // Where the training itself did not get to write, its truth says nothing.
        (after.0 - before.0 < 0.02 && before.3 >= 20.0).then_some((before.1?, after.1?))
    }

    /// The lowest and the highest depth from 10 ms before a moment to 5 ms after it: a worker notes
    /// a batch before it sends it, and on few cores the sending takes some milliseconds.
    pub(crate) fn range(&self, at: SystemTime) -> Option<(f64, f64)> {
        let (before, after) = self.around(at)?;
        let at = at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
        let first = self.depths.partition_point(|depth| depth.0 < at - 0.010);
        let last = self.depths.partition_point(|depth| depth.0 < at + 0.005);
        let near = self.depths[first..last].iter().filter_map(|depth| depth.1);
        let start = (before.min(after), before.max(after));
        Some(near.fold(start, |(low, high), depth| (low.min(depth), high.max(depth))))
    }

    /// Share of the time between two moments in which the loop waited.
    pub(crate) fn wait_ratio(&self, from: SystemTime, to: SystemTime) -> f64 {
        let seconds =
            |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
        let (from, to) = (seconds(from), seconds(to));
        let waited: f64 = self.waits.iter().map(|(a, b)| (b.min(to) - a.max(from)).max(0.0)).sum();
        waited / (to - from)
    }
}
