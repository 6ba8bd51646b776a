//! The demo on a box without Python: the bundled recording, and it says that it is one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

#[path = "common/tmux.rs"]
mod tmux;

use std::process::Command;

use tmux::Tmux;

const MLTOP: &str = env!("CARGO_BIN_EXE_mltop");

#[test]
fn without_python_the_demo_streams_its_recording_in_real_time_and_says_so() {
    // The verb ends by itself after the time it is given.
    let output =
        Command::new(MLTOP).args(["demo", "--stream", "2500ms"]).env("PATH", "").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("bundled replay: python3 was not found"), "{said}");
    let lines = String::from_utf8_lossy(&output.stdout);
    assert!(lines.starts_with("{\"k\":\"head\""), "{lines}");
    assert!(lines.contains("\"simulated\":true"), "{lines}");
    let ticks = lines.lines().filter(|line| line.starts_with("{\"k\":\"tick\"")).count();
    assert!((1..=3).contains(&ticks), "{ticks} ticks in two and a half seconds");
}

#[test]
fn without_python_the_demo_shows_its_recording_and_says_so() {
    let Some(terminal) = Tmux::start(120, 36) else { return };
    terminal.line(&format!("PATH= {MLTOP} demo"));
    terminal.wait_for("bundled replay: python3 was not found", 10);
    let screen = terminal.wait_for("SIMULATED GPU", 10);
    assert!(screen.contains("REPLAY") && screen.contains("bundled, no python3"), "{screen}");
    terminal.wait_for("demo.py", 15);
    terminal.keys(&["q"]);
    terminal.wait_until("the shell", 5, |screen| screen.trim_end().ends_with("ready$"));
}
