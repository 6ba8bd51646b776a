//! The real program in a real terminal: what a user does in the first minute.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

#[path = "common/tmux.rs"]
mod tmux;

use tmux::Tmux;

const MLTOP: &str = env!("CARGO_BIN_EXE_mltop");

/// What must stand on the first screen at each size.
fn opened(width: u16, height: u16) -> Option<Tmux> {
    let terminal = Tmux::start(width, height)?;
    terminal.line(MLTOP);
    terminal.wait_for("mltop", 10);
    terminal.wait_for("LIVE", 10);
    Some(terminal)
}

#[test]
fn it_opens_at_every_size_answers_keys_and_leaves_the_shell_clean() {
    for (width, height) in [(200, 50), (120, 36), (80, 24)] {
        let Some(terminal) = opened(width, height) else { return };
        terminal.wait_for("GPU", 10);
        terminal.keys(&["?"]);
        terminal.wait_for("pause", 5);
        terminal.keys(&["Escape"]);
        terminal.keys(&["Space"]);
        terminal.wait_for("PAUSED", 5);
        terminal.keys(&["Space"]);
        terminal.wait_for("LIVE", 5);
        terminal.keys(&["q"]);
        terminal.wait_until("the shell", 5, |screen| screen.trim_end().ends_with("ready$"));
        assert!(!terminal.on_alternate_screen());
        // Echo and line editing are back.
        terminal.line("echo back-$((20+22))");
        terminal.wait_for("back-42", 5);
    }
}

#[test]
fn it_follows_the_size_of_the_terminal_down_to_nothing_and_back() {
    let Some(terminal) = opened(120, 36) else { return };
    for (width, height) in [(60, 20), (20, 3), (2, 1), (200, 50)] {
        terminal.resize(width, height);
        std::thread::sleep(std::time::Duration::from_millis(150));
    }
    terminal.wait_for("LIVE", 5);
    terminal.keys(&["q"]);
    terminal.wait_until("the shell", 5, |screen| screen.contains("ready$"));
}

#[test]
fn a_signal_to_end_gives_the_terminal_back() {
    let Some(terminal) = Tmux::start(100, 30) else { return };
    terminal.line(&format!("{MLTOP} & echo $! > /dev/null; PID=$!; fg; echo ended"));
    terminal.wait_for("LIVE", 10);
    terminal.keys(&["C-z"]);
    terminal.wait_for("Stopped", 5);
    assert!(!terminal.on_alternate_screen());
    terminal.line("fg");
    terminal.wait_for("LIVE", 10);
    terminal.keys(&["C-z"]);
    terminal.wait_for("Stopped", 5);
    terminal.line("kill -TERM $PID; fg");
    terminal.wait_until("the shell", 10, |screen| screen.trim_end().ends_with("ready$"));
    assert!(!terminal.on_alternate_screen());
    terminal.line("echo back-$((20+22))");
    terminal.wait_for("back-42", 5);
}

#[test]
fn without_a_terminal_it_says_what_to_use_instead() {
    let output = std::process::Command::new(MLTOP).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("mltop stream --plain"), "{said}");
    assert!(output.stdout.is_empty());
}
