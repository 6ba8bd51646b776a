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
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use throttle::Throttle;
use tmux::Tmux;

/// What a phase of the training must read as on screen. The product promises 30 s; a busy machine
/// gets some more before this is called a failure, and the time it took is printed.
const DEADLINE_SECONDS: u64 = 45;
const PHASE_SECONDS: u32 = 50;

/// The training, ended with the value.
struct Workload {
    child: Child,
    phases: Receiver<String>,
}

impl Workload {
    fn start(folder: &Path, plan: &str, throttle: Option<&Throttle>) -> Option<Self> {
        let (_, python) = train::interpreters().into_iter().find(|(name, _)| *name == "newest")?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/py/workload.py");
        // The shell waits to be put under the limit before it becomes the training.
        let mut child = Command::new("sh")
            .args(["-c", "read go; exec \"$@\"", "sh"])
            .arg(python)
            .arg("-W")
            .arg("ignore")
            .arg(script)
            .args(["--plan", plan, "--workers", "2", "--control"])
            .arg(folder.join("control"))
            .arg("--files")
            .arg(folder.join("files"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        if let Some(throttle) = throttle {
            throttle.hold(child.id());
        }
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"go\n").unwrap();
        let (send, phases) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Some(Self { child, phases })
    }

    fn wait_for_phase(&self, name: &str) {
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
        let _ = self.child.kill();
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

#[test]
fn four_real_workloads_are_named_and_followed_on_screen() {
    let folder = tempfile::Builder::new().prefix("mltop-").tempdir_in("/var/tmp").unwrap();
    files(folder.path());
    let throttle = Throttle::new(folder.path(), 40_000_000);
    let expected: Vec<(&str, &str)> = [
        ("disk", "DISK-BOUND"),
        ("ahead", "no finding holds"),
        ("decode", "PREP-BOUND"),
        ("ahead", "no finding holds"),
        ("few", "TOO-FEW-WORKERS"),
    ]
    .into_iter()
    .filter(|(phase, _)| *phase != "disk" || throttle.is_some())
    .collect();
    let plan: Vec<String> =
        expected.iter().map(|(phase, _)| format!("{phase}:{PHASE_SECONDS}")).collect();
    let Some(workload) = Workload::start(folder.path(), &plan.join(","), throttle.as_ref()) else {
        return;
    };
    let mut terminal = None;
    for (phase, words) in expected {
        workload.wait_for_phase(phase);
        if terminal.is_none() {
            terminal = watch(folder.path(), workload.child.id());
        }
        let Some(terminal) = &terminal else { return };
        let began = Instant::now();
        let screen = terminal.wait_for(words, DEADLINE_SECONDS);
        println!("{phase}: {words} after {:.0} s", began.elapsed().as_secs_f64());
        assert!(screen.contains("workload.py"), "{screen}");
    }
    let Some(terminal) = terminal else { return };
    terminal.keys(&["q"]);
    terminal.wait_until("the shell", 5, |screen| screen.contains("ready$"));
}
