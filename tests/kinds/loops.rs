//! A training of this folder that runs, and what it wrote down of its waits.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// How long anything may take on a busy machine.
const LONG: Duration = Duration::from_mins(2);

/// The training. It ends, with all that it started, with the value.
pub(crate) struct Loop {
    child: Child,
    lines: Receiver<String>,
    folder: tempfile::TempDir,
    pids: Vec<u32>,
}

impl Loop {
    /// Starts a script of this folder and waits until its loop runs.
    pub(crate) fn start(python: &Path, script: &str, seconds: u32) -> Self {
        let mut command = Command::new(python);
        command.args(["-W", "ignore"]);
        Self::run(command, script, "out", seconds, 1)
    }

    /// Starts two ranks under torchrun.
    pub(crate) fn start_ranks(python: &Path, seconds: u32) -> Self {
        let mut command = Command::new(python);
        command.args(["-W", "ignore", "-m", "torch.distributed.run", "--nproc_per_node", "2"]);
        command.arg("--standalone");
        Self::run(command, "ranks", "", seconds, 2)
    }

    fn run(mut command: Command, script: &str, out: &str, seconds: u32, ranks: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kinds");
        command.arg(scripts.join(script).with_extension("py")).arg(folder.path().join(out));
        command.arg(seconds.to_string()).env("OMP_NUM_THREADS", "1").env("HF_HUB_OFFLINE", "1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.process_group(0).spawn().unwrap();
        let (send, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        let mut running = Self { child, lines, folder, pids: Vec::new() };
        while running.pids.len() < ranks {
            let line = running.lines.recv_timeout(LONG);
            let line = line.unwrap_or_else(|error| panic!("{script} does not run: {error}"));
            if let Some(pid) = line.strip_prefix("ready ") {
                running.pids.push(pid.parse().unwrap());
            }
        }
        running
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pids[0]
    }

    /// The process of a rank.
    pub(crate) fn rank(&self, rank: u32) -> u32 {
        let wanted = format!("RANK={rank}");
        let has = |pid: &&u32| {
            let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
            environ.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes())
        };
        *self.pids.iter().find(has).unwrap()
    }

    /// Waits for its end; begin and end of each wait.
    pub(crate) fn finish(&mut self) -> Vec<(f64, f64)> {
        while self.lines.recv_timeout(LONG).unwrap() != "done" {}
        let text = std::fs::read_to_string(self.folder.path().join("out")).unwrap();
        let lines = text.lines().map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let seconds = |key: &str| line[key].as_f64().unwrap() / 1e9;
            (seconds("a"), seconds("b"))
        });
        lines.collect()
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        // Ranks under torchrun lead groups of their own; forkservers and spawned workers may outlive
        // their parent, but not their group.
        for pid in self.pids.iter().copied().chain([self.child.id()]) {
            if let Some(group) = rustix::process::Pid::from_raw(pid.cast_signed()) {
                let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            }
        }
        let _ = self.child.wait();
    }
}
