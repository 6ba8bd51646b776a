//! A terminal that is closed over `mltop record -- COMMAND`.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::full::until;

/// A terminal of its own for the words that follow. Closed once the file has its first line.
const TERMINAL: &str = "
import os, pty, signal, sys, time
said = sys.argv[1]
pid, terminal = pty.fork()
if pid == 0:
    # Tests that run under nohup must not hand on that a hangup is ignored.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    os.execvp(sys.argv[2], sys.argv[2:])
for _ in range(3000):
    if os.path.exists(said) and '\\n' in open(said).read():
        break
    time.sleep(0.02)
os.close(terminal)
os.waitpid(pid, 0)
";

/// A command that writes down who its parent is and which signals reach it, until one ends it.
const COMMAND: &str = "
import os, signal, sys, time
def say(words):
    with open(sys.argv[1], 'a') as said:
        said.write(words + '\\n')
def heard(number, frame):
    say(signal.Signals(number).name)
    if number == signal.SIGTERM:
        sys.exit(0)
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
    signal.signal(number, heard)
say(str(os.getppid()))
for _ in range(6000):
    time.sleep(0.01)
";

/// Runs it until the command has ended, and gives what that wrote down.
fn said_after_a_hangup(folder: &Path, name: &str, before: &[&str]) -> String {
    let said = folder.join(format!("{name}.txt"));
    let session = folder.join(format!("{name}.mltop.jsonl.zst"));
    let mut terminal = Command::new("python3")
        .args(["-c", TERMINAL])
        .arg(&said)
        .args(before)
        .args([env!("CARGO_BIN_EXE_mltop"), "record", "--interval", "100ms", "-o"])
        .arg(&session)
        .args(["--", "python3", "-c", COMMAND])
        .arg(&said)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let words = || fs::read_to_string(&said).unwrap_or_default();
    until("hung up", || words().contains("SIGHUP"));
    let parent = words().lines().next().unwrap().parse().unwrap();
    // To mltop alone, which passes it on after all that came before it.
    kill_process(Pid::from_raw(parent).unwrap(), Signal::TERM).unwrap();
    until("ended", || words().contains("SIGTERM") && terminal.try_wait().unwrap().is_some());
    words().split_once('\n').unwrap().1.to_owned()
}

#[test]
fn a_terminal_that_is_closed_hangs_up_on_the_command_once() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("skipped: a_terminal_that_is_closed_hangs_up_on_the_command_once: no python3");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // As the leader of the terminal's session, which alone the kernel tells; and below a shell.
    for (name, before) in [("leader", &[][..]), ("shell", &["sh", "-c", "\"$@\"; exit", "sh"])] {
        assert_eq!(said_after_a_hangup(folder.path(), name, before), "SIGHUP\nSIGTERM\n", "{name}");
    }
}
