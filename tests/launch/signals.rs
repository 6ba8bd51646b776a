//! Signals and the terminal: as if mltop was not there.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::common::Place;
use super::tmux::Tmux;

/// A training that says which signals reach it, and ends at the last.
const SAYS: &str = "
import signal, sys, time
def heard(number, frame):
    print(signal.Signals(number).name, flush=True)
    if number == signal.SIGTERM:
        sys.exit(42)
for name in ('SIGHUP', 'SIGINT', 'SIGUSR1', 'SIGUSR2', 'SIGTERM'):
    signal.signal(getattr(signal, name), heard)
print('ready', flush=True)
for _ in range(6000):
    time.sleep(0.01)
";

fn start(place: &Place, words: &[&str]) -> (Child, BufReader<ChildStdout>) {
    let mut child = place.command(words).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    assert_eq!(line(&mut lines), "ready");
    (child, lines)
}

fn line(lines: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), signal).unwrap();
}

#[test]
fn a_signal_to_mltop_alone_is_passed_on_once() {
    let place = Place::new();
    let (mut child, mut lines) = start(&place, &["python3", "-c", SAYS]);
    let signals = [
        (Signal::HUP, "SIGHUP"),
        (Signal::INT, "SIGINT"),
        (Signal::USR1, "SIGUSR1"),
        (Signal::USR2, "SIGUSR2"),
        (Signal::TERM, "SIGTERM"),
    ];
    for (signal, name) in signals {
        send(&child, signal);
        assert_eq!(line(&mut lines), name);
    }
    assert_eq!(child.wait().unwrap().code(), Some(42));
    assert_eq!(line(&mut lines), "", "no signal came twice");
}

#[test]
fn a_signal_to_the_whole_group_reaches_the_training_once() {
    use std::os::unix::process::CommandExt;
    let place = Place::new();
    let mut command = place.command(&["python3", "-c", SAYS]);
    let mut child = command.process_group(0).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    assert_eq!(line(&mut lines), "ready");
    let group = Pid::from_raw(child.id().cast_signed()).unwrap();
    for (signal, name) in [(Signal::USR1, "SIGUSR1"), (Signal::INT, "SIGINT")] {
        rustix::process::kill_process_group(group, signal).unwrap();
        assert_eq!(line(&mut lines), name);
    }
    // After the others, and to mltop alone: what came twice would be heard before it.
    send(&child, Signal::USR2);
    assert_eq!(line(&mut lines), "SIGUSR2");
    rustix::process::kill_process_group(group, Signal::TERM).unwrap();
    assert_eq!(line(&mut lines), "SIGTERM");
    assert_eq!(child.wait().unwrap().code(), Some(42));
    assert_eq!(line(&mut lines), "");
}

#[test]
fn a_training_that_a_signal_kills_takes_mltop_along_in_the_same_way() {
    let place = Place::new();
    for name in ["TERM", "KILL", "SEGV", "PIPE", "INT", "HUP", "USR1"] {
        // What was started in the background may ignore some of them, and would hand that on.
        let shell = ["env", "--default-signal", "sh", "-c"];
        let output = place.run(&[shell.as_slice(), &[&format!("kill -{name} $$")]].concat());
        let expected = place_number(name);
        assert_eq!(output.status.signal(), Some(expected), "{name}: {:?}", output.status);
    }
    assert!(place.leftovers().is_empty(), "{:?}", place.leftovers());
}

fn place_number(name: &str) -> i32 {
    let signal = match name {
        "TERM" => Signal::TERM,
        "KILL" => Signal::KILL,
        "SEGV" => Signal::SEGV,
        "PIPE" => Signal::PIPE,
        "INT" => Signal::INT,
        "HUP" => Signal::HUP,
        _ => Signal::USR1,
    };
    signal.as_raw()
}

#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    let place = Place::new();
    let script = format!(
        "trap '' HUP INT; exec {} run sh -c 'kill -HUP $$; kill -INT $$; echo alive'",
        env!("CARGO_BIN_EXE_mltop")
    );
    let output = std::process::Command::new("sh")
        .args(["-c", &script])
        .env("XDG_RUNTIME_DIR", place.path())
        .output()
        .unwrap();
    assert_eq!(super::text(&output.stdout), "alive\n", "{output:?}");
}

#[test]
fn in_a_terminal_the_training_has_the_terminal_and_ctrl_c_ends_both() {
    let Some(tmux) = Tmux::start(100, 30) else { return };
    let place = Place::new();
    let mltop = env!("CARGO_BIN_EXE_mltop");
    tmux.line(&format!("export XDG_RUNTIME_DIR={}; mltop={mltop}; clear", place.path().display()));
    tmux.line("$mltop run -- sh -c 'test -t 0 && test -t 1 && test -t 2 && echo it-is-a-t''ty; stty size'");
    tmux.wait_for("it-is-a-tty", 30);
    tmux.wait_for("30 100", 30);
    // The training hears of it once, from the terminal, and decides.
    tmux.line("$mltop run -- python3 -c 'import time; print(\"run\"+\"ning\", flush=True); time.sleep(60)'");
    tmux.wait_for("running", 30);
    tmux.keys(&["C-c"]);
    tmux.wait_until("the shell", 30, |screen| screen.trim_end().ends_with("ready$"));
    tmux.line("echo code-$?");
    let screen = tmux.wait_for("code-130", 30);
    assert_eq!(screen.matches("KeyboardInterrupt").count(), 1, "{screen}");
    // Stopped and taken up again, as any job of the shell.
    tmux.line("$mltop run -- sh -c 'echo up-$((40+2)); exec cat'");
    // What is typed before it has the terminal may be shown twice, or not.
    tmux.wait_for("up-42", 30);
    tmux.line("one");
    tmux.wait_until("an echo", 30, |screen| screen.matches("one").count() == 2);
    tmux.keys(&["C-z"]);
    tmux.wait_for("Stopped", 30);
    tmux.line("fg");
    tmux.line("two");
    tmux.wait_until("an echo", 30, |screen| screen.matches("two").count() == 2);
    tmux.keys(&["C-d"]);
    tmux.line("echo back-$((20+22))");
    tmux.wait_for("back-42", 30);
}
