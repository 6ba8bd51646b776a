//! The one signal that mltop can send, from a real terminal to a process that the test started.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop, and one that cannot run says so"
)]

#[path = "common/tmux.rs"]
mod tmux;

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tmux::Tmux;

const MLTOP: &str = env!("CARGO_BIN_EXE_mltop");

/// A process that uses the CPU, so that it is among those that are watched; it ends by itself.
struct Busy(Child);

impl Busy {
    fn start() -> Self {
        let code = "SECONDS=0; while ((SECONDS < 150)); do :; done";
        let child = Command::new("bash").args(["-c", code]).stdin(Stdio::null()).spawn().unwrap();
        Self(child)
    }

    /// The signal that ended it, once it has ended.
    fn ended_by(&mut self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_mins(1);
        while Instant::now() < deadline {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.signal();
            }
            sleep(Duration::from_millis(50));
        }
        panic!("it goes on");
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// mltop on its fourth screen, with this process found and chosen.
fn with_it_chosen(line: &str, pid: u32) -> Option<Tmux> {
    let terminal = Tmux::start(140, 36)?;
    terminal.open(line);
    terminal.keys(&["4", "l"]);
    terminal.wait_for("list by CPU%", 30);
    terminal.line(&format!("/{pid}"));
    let row = format!(" {pid} ");
    terminal.wait_until("the process", 60, |screen| {
        screen.lines().any(|line| line.contains(&row) && line.contains("bash"))
    });
    Some(terminal)
}

#[test]
fn a_signal_reaches_a_process_after_a_question_and_not_without_one() {
    let mut busy = Busy::start();
    let pid = busy.0.id();
    let Some(terminal) = with_it_chosen(MLTOP, pid) else { return };
    let question = format!("Send SIGTERM to process {pid} (bash)?");
    // Other numbers may hold this one; whose row is chosen is what the question says.
    let mut asked = false;
    for _ in 0..8 {
        terminal.keys(&["Down", "K"]);
        terminal.wait_for("A signal to process", 30);
        terminal.keys(&["Enter"]);
        let shown = terminal.wait_for("any other key", 30);
        if shown.contains(&question) {
            asked = true;
            break;
        }
        terminal.keys(&["n"]);
        terminal.wait_for("no signal was sent", 30);
    }
    assert!(asked, "{}", terminal.screen());
    terminal.keys(&["n"]);
    terminal.wait_for("no signal was sent", 30);
    assert!(busy.0.try_wait().unwrap().is_none());
    terminal.keys(&["K"]);
    terminal.wait_for("SIGUSR1", 30);
    terminal.keys(&["Enter"]);
    terminal.wait_for(&question, 30);
    terminal.keys(&["y"]);
    terminal.wait_for(&format!("SIGTERM sent to process {pid}"), 30);
    assert_eq!(busy.ended_by(), Some(15));
    terminal.keys(&["q"]);
    terminal.wait_for_clean_shell();
}

#[test]
fn read_only_means_that_no_signal_can_be_chosen() {
    let mut busy = Busy::start();
    let Some(terminal) = with_it_chosen(&format!("{MLTOP} --readonly"), busy.0.id()) else {
        return;
    };
    terminal.keys(&["Down", "K"]);
    terminal.wait_for("no signals: mltop runs with --readonly", 30);
    assert!(busy.0.try_wait().unwrap().is_none());
    terminal.keys(&["q"]);
    terminal.wait_for_clean_shell();
}
