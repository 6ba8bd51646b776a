//! The real program over the stand-in driver: its environment, its stream and what is left of it.
#![allow(dead_code, reason = "each test program uses its part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use mltop::model::Pid;
use serde_json::Value;

pub(crate) const MLTOP: &str = env!("CARGO_BIN_EXE_mltop");

/// Longer than anything here takes, on the slowest machine.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// A driver with its script.
pub(crate) struct Scene {
    folder: tempfile::TempDir,
    library: PathBuf,
}

impl Scene {
    /// The stand-in in `library`, which may be a folder without one.
    pub(crate) fn new(library: &Path, script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("script"), script).unwrap();
        Self { folder, library: library.to_owned() }
    }

    /// An empty folder of its own, for whatever the test needs.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What makes a program see this driver. Each call is written into the file `log`.
    pub(crate) fn environment(&self) -> [(&'static str, PathBuf); 3] {
        [
            ("LD_LIBRARY_PATH", self.library.clone()),
            ("MLTOP_STANDIN", self.path("script")),
            ("MLTOP_STANDIN_LOG", self.path("log")),
        ]
    }

    /// All calls so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let log = fs::read_to_string(self.path("log")).unwrap_or_default();
        log.lines().filter_map(Call::of).collect()
    }

    /// What to type into a shell to start the program.
    pub(crate) fn line(&self) -> String {
        use std::fmt::Write;
        let mut line = String::new();
        for (name, value) in self.environment() {
            write!(line, "{name}={} ", value.display()).unwrap();
        }
        line + MLTOP
    }

    /// The program with these arguments.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(MLTOP);
        command.args(arguments).envs(self.environment()).stdin(Stdio::null());
        command
    }

    /// All lines of a stream of so many seconds.
    pub(crate) fn stream(&self, seconds: u32) -> Lines {
        Lines::of(&finished(self.start_stream(seconds)))
    }

    /// A stream of so many seconds, its output in a pipe.
    pub(crate) fn start_stream(&self, seconds: u32) -> Child {
        let duration = format!("{seconds}s");
        self.command(&["stream", "--plain", "--duration", &duration])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Processes of the program that use this driver, the collector among them.
    pub(crate) fn processes(&self) -> Vec<Pid> {
        let mark = self.path("script").into_os_string().into_encoded_bytes();
        let numbers = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        numbers
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid))
            .filter(|pid| {
                let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
                environment.windows(mark.len()).any(|window| window == mark)
            })
            .collect()
    }

    /// The collector: the process that `__collect` started.
    pub(crate) fn collector(&self) -> Option<Pid> {
        self.processes().into_iter().find(|pid| {
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            command.windows(9).any(|window| window == b"__collect")
        })
    }

    /// Waits until none of its processes is left.
    pub(crate) fn wait_until_gone(&self) {
        let begun = Instant::now();
        loop {
            let left = self.processes();
            if left.is_empty() {
                return;
            }
            assert!(begun.elapsed() < DEADLINE, "left behind: {left:?}");
            sleep(Duration::from_millis(50));
        }
    }
}

/// One call of the driver.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Since the first call of its process.
    pub(crate) seconds: f64,
    pub(crate) function: String,
    /// Without its MIG instance; `None` for a call on none.
    pub(crate) gpu: Option<usize>,
    /// The answer; all ones for a call that hangs.
    pub(crate) rc: u32,
}

impl Call {
    fn of(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let [micros, _, function, gpu, rc, _] = words[..] else { return None };
        Some(Self {
            seconds: micros.parse::<f64>().ok()? / 1e6,
            function: function.to_owned(),
            gpu: gpu.split('.').next().and_then(|gpu| gpu.parse().ok()),
            rc: rc.parse().ok()?,
        })
    }
}

/// What a process printed, once it has ended by itself before the deadline.
pub(crate) fn finished(mut child: Child) -> Vec<u8> {
    use std::io::Read;
    let mut stdout = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stdout.read_to_end(&mut bytes).map(|_| bytes)
    });
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > DEADLINE {
            let _ = child.kill();
            panic!("it does not end");
        }
        sleep(Duration::from_millis(20));
    }
    reader.join().unwrap().unwrap()
}

/// The lines of a stream.
pub(crate) struct Lines(pub(crate) Vec<Value>);

impl Lines {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let text = std::str::from_utf8(bytes).unwrap();
        Self(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    pub(crate) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |line| line["k"] == kind)
    }

    /// Ticks that have GPUs.
    pub(crate) fn ticks(&self) -> Vec<&Value> {
        self.of_kind("tick").filter(|tick| !tick["gpus"].is_null()).collect()
    }
}
