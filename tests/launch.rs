//! `mltop run`: a training started by mltop is the same training.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop, and says what it measured or skipped"
)]

#[path = "launch/common.rs"]
mod common;
#[path = "launch/probe.rs"]
mod probe;
#[path = "launch/python.rs"]
mod python;
#[path = "launch/rung.rs"]
mod rung;
#[path = "launch/screen.rs"]
mod screen;
#[path = "launch/served.rs"]
mod served;
#[path = "launch/signals.rs"]
mod signals;
#[path = "common/tmux.rs"]
mod tmux;
#[path = "common/train.rs"]
#[expect(dead_code, reason = "only the interpreters are needed here")]
mod train;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::process::Stdio;
use std::thread;

use common::{Place, text};

/// Four megabytes in which every byte occurs.
fn noise() -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut bytes = Vec::with_capacity(4 << 20);
    while bytes.len() < 4 << 20 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes
}

#[test]
fn mltop_may_open_more_files_than_its_shell_allows_and_the_training_no_others() {
    // Its own limit is raised once it reads; the training asks for that until it is.
    let training = "ulimit -Sn; for i in $(seq 300); do \
        n=$(sed -n 's/^Max open files *\\([0-9]*\\).*/\\1/p' /proc/$PPID/limits); \
        if [ \"$n\" -gt 256 ]; then echo raised; sh -c 'ulimit -Sn'; exit; fi; sleep 0.1; done";
    let place = Place::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("session.zst");
    let record = ["record", "-o", file.to_str().unwrap(), "--"];
    for verb in [&["run", "--"][..], &record[..]] {
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", "ulimit -Sn 256 && exec \"$@\"", "sh", env!("CARGO_BIN_EXE_mltop")]);
        shell.args(verb).args(["sh", "-c", training]).env("XDG_RUNTIME_DIR", place.path());
        let output = shell.stdin(Stdio::null()).output().unwrap();
        let (said, trouble) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(said, "256\nraised\n256\n", "{verb:?}: {trouble}");
    }
}

#[test]
fn what_the_training_reads_and_writes_is_the_same_to_the_byte() {
    let place = Place::new();
    for (words, on_stderr) in [(["cat", ""], false), (["sh", "cat >&2"], true)] {
        let mut command = place.command(&[]);
        command.arg(words[0]);
        if on_stderr {
            command.args(["-c", words[1]]);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let writer = thread::spawn(move || stdin.write_all(&noise()).unwrap());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        assert!(output.status.success());
        let (full, empty) =
            if on_stderr { (output.stderr, output.stdout) } else { (output.stdout, output.stderr) };
        assert!(full == noise(), "{} bytes came out", full.len());
        assert!(empty.is_empty(), "{}", text(&empty));
    }
}

#[test]
fn the_exit_code_is_the_trainings_own() {
    let place = Place::new();
    for code in [0, 1, 7, 130, 255] {
        let output = place.run(&["sh", "-c", &format!("exit {code}")]);
        assert_eq!(output.status.code(), Some(code));
        assert!(output.stdout.is_empty() && output.stderr.is_empty());
    }
}

#[test]
fn arguments_reach_the_training_as_they_are() {
    let place = Place::new();
    let print = "import sys; print(sys.argv[1:])";
    let output = place.run(&["python3", "-c", print, "--ui", "--theme", "a b", "", "--", "-x"]);
    assert_eq!(text(&output.stdout), "['--ui', '--theme', 'a b', '', '--', '-x']\n");
    let mut command = place.command(&["--no-probe", "--"]);
    let output = command.args(["echo", "--no-probe"]).output().unwrap();
    assert_eq!(text(&output.stdout), "--no-probe\n");
}

#[test]
fn a_command_that_cannot_be_run_is_an_error_as_in_a_shell() {
    let place = Place::new();
    let missing = place.run(&["no-such-command-anywhere"]);
    assert_eq!(missing.status.code(), Some(127));
    assert_eq!(
        text(&missing.stderr),
        "mltop: cannot run 'no-such-command-anywhere': there is no such command\n"
    );
    let folder = place.run(&["/tmp"]);
    assert_eq!(folder.status.code(), Some(126));
    assert!(text(&folder.stderr).contains("cannot run '/tmp'"));
    assert_eq!(place.command(&[]).output().unwrap().status.code(), Some(2));
    assert!(place.leftovers().is_empty(), "{:?}", place.leftovers());
}

/// What `env -0` printed.
fn variables(bytes: &[u8]) -> BTreeMap<String, String> {
    let pairs = bytes.split(|&byte| byte == 0).filter_map(|pair| {
        let (name, value) = std::str::from_utf8(pair).ok()?.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    });
    // The shell's own note of the last command.
    pairs.filter(|(name, _)| name != "_").collect()
}

#[test]
fn the_environment_is_the_same_but_for_the_two_variables_that_are_documented() {
    let place = Place::new();
    let mut plain = std::process::Command::new("env");
    plain.arg("-0").env("XDG_RUNTIME_DIR", place.path()).env("PYTHONPATH", "/a:/b");
    let plain = variables(&plain.output().unwrap().stdout);
    let output = place.command(&["env", "-0"]).env("PYTHONPATH", "/a:/b").output().unwrap();
    let mut with = variables(&output.stdout);
    let folder = with.remove("MLTOP_DIR").unwrap();
    assert_eq!(with.insert("PYTHONPATH".into(), "/a:/b".into()), Some(format!("{folder}:/a:/b")));
    assert_eq!(with, plain);
    let mut command = place.command(&["--no-probe", "env", "-0"]);
    let output = command.env("PYTHONPATH", "/a:/b").output().unwrap();
    assert_eq!(variables(&output.stdout), plain);
}

#[test]
fn a_folder_that_others_prepared_is_refused_and_the_training_runs_all_the_same() {
    let place = Place::new();
    let trap = place.path().join("trap");
    std::fs::create_dir(&trap).unwrap();
    symlink(&trap, place.path().join("mltop")).unwrap();
    let output = place.run(&["sh", "-c", "echo \"$MLTOP_DIR\"; exit 3"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(!text(&output.stdout).contains("trap"), "{}", text(&output.stdout));
    assert_eq!(std::fs::read_dir(&trap).unwrap().count(), 0);
    // Open to others.
    std::fs::remove_file(place.path().join("mltop")).unwrap();
    std::fs::create_dir(place.path().join("mltop")).unwrap();
    let loose = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(place.path().join("mltop"), loose).unwrap();
    let output = place.run(&["sh", "-c", "echo \"$MLTOP_DIR\"; exit 3"]);
    assert_eq!(output.status.code(), Some(3));
    let used = OsString::from(text(&output.stdout).trim_end());
    assert!(!std::path::Path::new(&used).starts_with(place.path()), "{used:?}");
    assert_eq!(std::fs::read_dir(place.path().join("mltop")).unwrap().count(), 0);
}

#[test]
fn what_a_killed_mltop_left_is_removed_by_the_next_and_the_training_goes_on() {
    let place = Place::new();
    let mut child =
        place.command(&["cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let socket = || place.leftovers().first().is_some_and(|run| run.join("socket").exists());
    // By then the training has been started.
    common::eventually("a socket", socket);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(place.leftovers().len(), 1);
    stdin.write_all(b"still here").unwrap();
    drop(stdin);
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut said).unwrap();
    assert_eq!(said, "still here");
    assert!(place.run(&["true"]).status.success());
    assert!(place.leftovers().is_empty(), "{:?}", place.leftovers());
}
