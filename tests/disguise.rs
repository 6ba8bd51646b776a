//! Trainings that do not look like any: found all the same, by what they map and hold.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop, and one that cannot run says so"
)]

#[path = "common/train.rs"]
#[expect(dead_code, reason = "only the interpreters are needed here")]
mod train;

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Programs that were started, ended with the value: each leads a process group of its own.
struct Started(Vec<Child>);

impl Started {
    fn start(&mut self, command: &mut Command) -> u32 {
        let child = command.process_group(0).stdin(Stdio::null()).spawn().unwrap();
        let pid = child.id();
        self.0.push(child);
        pid
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let group = rustix::process::Pid::from_child(child);
            // A launcher ends its ranks, which are in groups of their own, when it is asked to end.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::TERM);
            for _ in 0..100 {
                if matches!(child.try_wait(), Ok(Some(_))) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            let _ = child.wait();
        }
    }
}

fn newest() -> Option<PathBuf> {
    train::interpreters().into_iter().find(|(name, _)| *name == "newest").map(|(_, path)| path)
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/py/workload.py")
}

/// Reads the stream until a key line meets `wanted`.
fn until(what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let mut started = Started(Vec::new());
    let mut command = Command::new(env!("CARGO_BIN_EXE_mltop"));
    command.args(["stream", "--plain", "--duration", "90s"]).stdout(Stdio::piped());
    started.start(&mut command);
    let output = started.0[0].stdout.take().unwrap();
    let deadline = Instant::now() + Duration::from_secs(90);
    let mut last = Value::Null;
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        let line: Value = serde_json::from_str(&line).unwrap();
        if line["k"] == "key" {
            if wanted(&line) {
                return line;
            }
            last = line;
        }
        if Instant::now() > deadline {
            break;
        }
    }
    panic!("{what}: not found; the last key line was {last}");
}

fn run_with(key: &Value, pid: u32) -> Option<&Value> {
    let runs = key["runs"].as_array()?;
    runs.iter().find(|run| run["trainers"].as_array().is_some_and(|all| all.contains(&pid.into())))
}

#[test]
fn a_renamed_interpreter_whose_workers_take_another_name_is_found_with_its_loader() {
    let Some(python) = newest() else { return };
    let mut started = Started(Vec::new());
    // Under another name the interpreter does not know its environment, so it is told.
    let asked = "import site; print(site.getsitepackages()[0])";
    let packages = Command::new(&python).args(["-c", asked]).output().unwrap().stdout;
    let mut command = Command::new(python);
    command.env("PYTHONPATH", String::from_utf8(packages).unwrap().trim());
    command.arg0("llm-runner").arg("-W").arg("ignore").arg(script());
    command.args(["--plan", "ahead:120", "--workers", "2", "--title", "kworker/u8:1"]);
    let pid = started.start(command.stdout(Stdio::null()));
    let key = until("a renamed trainer", |key| {
        let loaders = key["loaders"].as_array();
        let looked_at = loaders.is_some_and(|all| {
            all.iter().any(|one| one["pid"] == pid && one["workers"].as_array().unwrap().len() == 2)
        });
        run_with(key, pid).is_some() && looked_at
    });
    // What it calls itself is what people call it.
    assert_eq!(run_with(&key, pid).unwrap()["name"], "llm-runner");
}

#[test]
fn ranks_under_torchrun_are_one_run_with_its_launcher() {
    let Some(python) = newest() else { return };
    let mut started = Started(Vec::new());
    let mut command = Command::new(python);
    command.args(["-W", "ignore", "-m", "torch.distributed.run", "--nproc_per_node", "2"]);
    command.args(["--master_port", "29631"]).arg(script());
    command.args(["--plan", "ahead:120", "--workers", "2"]);
    let agent = started.start(command.stdout(Stdio::null()).stderr(Stdio::null()));
    let launched = |key: &Value| {
        let procs = key["procs"].as_array()?;
        let ranks: Vec<u64> = procs
            .iter()
            .filter(|one| one["role"] == "trainer" && one["parent"] == agent)
            .filter_map(|one| one["pid"].as_u64())
            .collect();
        let run = run_with(key, u32::try_from(*ranks.first()?).ok()?)?.clone();
        (ranks.len() == 2 && run["trainers"].as_array()?.len() == 2).then_some(run)
    };
    let key = until("two ranks in one run", |key| launched(key).is_some());
    let run = launched(&key).unwrap();
    assert_eq!(run["launcher"], "torchrun");
    assert_eq!(run["world_size"], 2);
    assert_eq!(run["name"], "workload.py");
}
