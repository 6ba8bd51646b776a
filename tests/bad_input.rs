//! Input that is wrong, missing or hostile: a message with a way on, exit code 2, nothing on standard
//! output, and never a panic.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

#[path = "common/scene.rs"]
mod scene;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Instant;

use mltop::model::inventory::HostInfo;
use mltop::model::{Sample, Stamp};
use mltop::record::{Encoder, SessionInfo};

use scene::{DEADLINE, Lines, MLTOP};

/// Runs to the end, however it ends, before the deadline.
fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stderr.read_to_end(&mut bytes).map(|_| bytes)
    });
    let mut stdout = child.stdout.take().unwrap();
    let printed = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stdout.read_to_end(&mut bytes).map(|_| bytes)
    });
    let status = ended(&mut child);
    Output {
        status,
        stdout: printed.join().unwrap().unwrap(),
        stderr: reader.join().unwrap().unwrap(),
    }
}

fn ended(child: &mut Child) -> std::process::ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if begun.elapsed() > DEADLINE {
            let _ = child.kill();
            panic!("it does not end");
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// Refused with these words, and in the way of all refusals.
fn refused(command: &mut Command, words: &[&str]) {
    let output = output(command);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{command:?}: {said}");
    assert!(output.stdout.is_empty(), "{command:?} prints on standard output");
    assert!(!said.contains("panicked"), "{command:?}: {said}");
    for word in words {
        assert!(said.contains(word), "{command:?} does not say '{word}': {said}");
    }
}

fn mltop(arguments: &[&str]) -> Command {
    let mut command = Command::new(MLTOP);
    command.args(arguments);
    command
}

/// A recorded stream of so many ticks.
fn recording(folder: &Path, ticks: u64) -> PathBuf {
    let stamp = |tick: u64| Stamp {
        unix_ms: 1_760_000_000_000 + tick as i64 * 1000,
        mono_ms: 50_000 + tick * 1000,
    };
    let mut encoder = Encoder::new(SessionInfo::new("test", HostInfo::default(), 1000, stamp(0)));
    let mut lines = String::new();
    encoder.head(&mut lines);
    for seq in 0..ticks {
        let sample = Sample { seq, stamp: stamp(seq), ..Sample::default() };
        encoder.tick(&Arc::new(sample), None, &mut lines);
    }
    let path = folder.join("stream.jsonl");
    fs::write(&path, lines).unwrap();
    path
}

#[test]
fn a_pid_that_cannot_be_watched_is_refused_with_a_way_on() {
    let own = std::process::id().to_string();
    for verb in [&["stream", "--plain"] as &[&str], &["doctor"]] {
        let with = |pid: &str| mltop(&[verb, &["--pid", pid]].concat());
        refused(&mut with("4194305"), &["no process 4194305", "pgrep"]);
        refused(&mut with(&own), &["is no training", "leave --pid out"]);
        for odd in ["abc", "0", "1.5", "", "99999999999", "-3"] {
            refused(&mut with(odd), &["is not a process id"]);
        }
    }
}

/// The program as nobody; `None`, with a word on why, where that is not possible.
fn as_nobody(arguments: &[&str]) -> Option<Command> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can become another user");
        return None;
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", MLTOP]).args(arguments);
    let works = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", MLTOP, "--version"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !works {
        eprintln!("skipped: nobody may not run the program here (setpriv, or a closed folder)");
        return None;
    }
    Some(command)
}

#[test]
fn a_process_of_another_user_is_refused_by_its_owners_name() {
    let own = std::process::id().to_string();
    let Some(mut command) = as_nobody(&["stream", "--plain", "--pid", &own]) else { return };
    refused(&mut command, &["belongs to root", "sudo mltop --pid"]);
}

#[test]
fn without_rights_the_stream_goes_on_with_gaps_that_name_the_reason() {
    let Some(mut command) = as_nobody(&["stream", "--plain", "--duration", "2500ms"]) else {
        return;
    };
    let output = output(&mut command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = Lines::of(&output.stdout);
    let tick = lines.of_kind("tick").last().unwrap();
    let processes = tick["host"]["processes"].as_u64().unwrap();
    assert!(processes > 1, "{processes} processes");
    // The test itself is root's: what it reads is nobody's business.
    let rows = tick["procs"]["pid"].as_array().map_or(0, Vec::len);
    let denied = tick["gaps"]["procs"]["read_bytes_total"].to_string();
    assert!(rows < 2 || denied.contains("denied"), "{tick}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn hidden_processes_are_said_to_be_hidden() {
    let Some(mut command) = as_nobody(&["doctor"]) else { return };
    let program = format!("{} {MLTOP}", "exec setpriv --reuid=65534 --regid=65534 --clear-groups");
    // A proc of its own: a remount would hide the processes of the whole machine.
    let hide = "mount -t proc -o hidepid=2 proc /proc";
    let inside = |what: &str| {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "sh", "-c"])
            .arg(format!("{hide} && {what}"));
        command
    };
    if !output(&mut inside("! setpriv --reuid=65534 --regid=65534 --clear-groups test -e /proc/1"))
        .status
        .success()
    {
        eprintln!("skipped: processes cannot be hidden here (unshare, mount)");
        return;
    }
    // Outside of it nothing is hidden.
    assert!(output(&mut command).status.success());
    let doctor = output(&mut inside(&format!("{program} doctor")));
    let said = String::from_utf8_lossy(&doctor.stdout);
    assert!(doctor.status.success() && said.contains("hidden (hidepid)"), "{said}");
    let stream = output(&mut inside(&format!("{program} stream --plain --duration 1500ms")));
    let lines = Lines::of(&stream.stdout);
    let key = lines.of_kind("key").last().unwrap();
    let sources = key["sources"].as_array().unwrap();
    let trainers = sources.iter().find(|source| source["source"] == "trainers").unwrap();
    assert_eq!(trainers["state"], "partial", "{trainers}");
    assert!(trainers["message"].as_str().unwrap().contains("hidepid"), "{trainers}");
}

#[test]
fn a_file_that_is_no_recording_is_refused_by_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let whole = fs::read(recording(folder.path(), 3)).unwrap();
    let binary: Vec<u8> =
        (0..20_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let files: [(&str, &[u8], &str); 5] = [
        ("empty", b"", "empty"),
        ("text", b"hello\nworld\n", "not a session"),
        ("binary", &binary, "not a session"),
        ("zeros", &vec![0; 70_000], "not a session"),
        ("torn", &whole[..40], "not a session"),
    ];
    let out = at("out.svg");
    let render =
        |file: &Path| mltop(&["render", file.to_str().unwrap(), "-o", out.to_str().unwrap()]);
    for (name, bytes, words) in files {
        fs::write(at(name), bytes).unwrap();
        refused(&mut render(&at(name)), &[name, words]);
    }
    refused(&mut render(folder.path()), &["a directory", "path of one recording"]);
    refused(&mut render(&at("none")), &["no such file"]);
    refused(&mut render(Path::new("/dev/zero")), &["not a session"]);
    assert!(!out.exists(), "a picture of nothing");
}

#[test]
fn a_recording_that_is_cut_anywhere_is_drawn_up_to_there_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(recording(folder.path(), 90)).unwrap();
    let cut = folder.path().join("cut");
    let mut drawn = 0;
    for at in (0..12).map(|part| whole.len() * part / 12) {
        let out = folder.path().join(format!("{at}.txt"));
        fs::write(&cut, &whole[..at]).unwrap();
        let output =
            output(&mut mltop(&["render", cut.to_str().unwrap(), "-o", out.to_str().unwrap()]));
        let said = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => drawn += 1,
            Some(2) => assert!(said.starts_with("mltop: "), "{at}: {said}"),
            other => panic!("{at}: {other:?} {said}"),
        }
        assert!(output.stdout.is_empty());
    }
    assert!(drawn >= 1, "none of the cut recordings was drawn");
}

#[test]
fn arguments_of_render_out_of_range_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = recording(folder.path(), 3);
    let with = |more: &[&str]| {
        let out = folder.path().join("out.svg");
        let mut command = mltop(&["render", file.to_str().unwrap(), "-o", out.to_str().unwrap()]);
        command.args(more);
        command
    };
    for size in ["0x5", "80", "axb", "9999x40", "80x-4", ""] {
        refused(&mut with(&["--size", size]), &["is not a size", "columns x rows"]);
    }
    refused(&mut with(&["--at", "99h"]), &["outside of the recording", "2 s long"]);
    refused(&mut with(&["--at", "-99h"]), &["outside of the recording"]);
    for at in ["soon", "25:61:00", "1:2:3:4", "", "-", "NaN", "1e300"] {
        refused(&mut with(&["--at", at]), &["--at"]);
    }
    refused(&mut with(&["--theme", "neon"]), &["neon", "dark", "light"]);
    refused(&mut with(&["--zoom", "long"]), &["is not a time"]);
    for out in ["out.png", "out", ".svg", ""] {
        let mut command = mltop(&["render", file.to_str().unwrap(), "-o"]);
        refused(command.arg(folder.path().join(out)), &["end it in .svg or .txt"]);
    }
    let nowhere = folder.path().join("none/out.svg");
    let output = output(mltop(&["render", file.to_str().unwrap(), "-o"]).arg(&nowhere));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write"));
    assert!(!folder.path().join("out.svg").exists());
}

#[test]
fn arguments_of_stream_that_make_no_sense_are_refused() {
    refused(&mut mltop(&["stream"]), &["mltop stream --plain"]);
    for interval in ["1ms", "0", "11s", "2h"] {
        refused(&mut mltop(&["stream", "--plain", "--interval", interval]), &["100ms to 10s"]);
        refused(&mut mltop(&["--interval", interval]), &["100ms to 10s"]);
    }
    refused(&mut mltop(&["stream", "--plain", "--duration", "soon"]), &["is not a time"]);
    refused(&mut mltop(&["strem"]), &["stream"]);
}

#[test]
fn a_reader_that_goes_away_ends_the_stream_quietly() {
    let mut child = mltop(&["stream", "--plain", "--interval", "100ms"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("{\"k\":\"head\""), "{first}");
    let status = ended(&mut child);
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((status.code(), status.signal()), (Some(0), None), "{said}");
    assert_eq!(said, "");
}

#[test]
fn a_full_disk_is_told_and_fails() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = mltop(&["stream", "--plain", "--duration", "3s"]);
    let mut child = command.stdout(full).stderr(Stdio::piped()).spawn().unwrap();
    assert_eq!(ended(&mut child).code(), Some(1));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("No space left"), "{said}");
}

/// A process that is busy, so that it is recorded, until it is dropped.
struct Busy(Child);

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn hostile_names_of_processes_appear_cleaned() {
    // Named by its file, as the kernel does: an escape, a line end, bytes that are no UTF-8, and what
    // would end a name in /proc/PID/stat.
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let shell = folder.path().join(std::ffi::OsStr::from_bytes(b"\x1b[2Je\n\xff) Rx"));
    fs::copy("/bin/sh", &shell).unwrap();
    fs::set_permissions(&shell, fs::Permissions::from_mode(0o755)).unwrap();
    let busy = Busy(
        Command::new(&shell)
            .args(["-c", "while :; do :; done", "\u{1b}]0;owned\u{7}"])
            .spawn()
            .unwrap(),
    );
    let pid = u64::from(busy.0.id());
    // A process that was there before is looked at within seconds, and is known as busy from then on.
    let mut child = mltop(&["stream", "--plain", "--interval", "500ms", "--duration", "30s"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut bytes = Vec::new();
    let recorded = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["procs"]["pid"].as_array().is_some_and(|pids| pids.iter().any(|other| *other == pid))
    };
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap() + "\n";
        bytes.extend_from_slice(line.as_bytes());
        if recorded(&line) {
            break;
        }
    }
    ended(&mut child);
    let escapes = |text: &str| text.chars().any(char::is_control);
    let lines = Lines::of(&bytes);
    let named = lines.0.iter().flat_map(|line| {
        let listed = line["procs"].as_array().cloned().unwrap_or_default();
        listed.into_iter().chain(line.get("proc").cloned())
    });
    let seen: Vec<_> = named.filter(|proc| proc["pid"] == pid).collect();
    assert!(!seen.is_empty(), "the busy process was not recorded");
    for proc in &seen {
        for column in ["name", "command"] {
            let text = proc[column].as_str().unwrap();
            assert!(!escapes(text), "{column}: {text:?}");
        }
    }
    let last = seen.last().unwrap();
    assert!(last["name"].as_str().unwrap().contains(") Rx"), "{last}");
    // Its figures are read past the parenthesis in its name.
    let tick = lines.of_kind("tick").last().unwrap();
    let at = tick["procs"]["pid"].as_array().unwrap().iter().position(|other| *other == pid);
    let spent = tick["procs"]["cpu_seconds_total"][at.unwrap()].as_f64().unwrap();
    assert!(spent > 0.0 && spent < 60.0, "{spent}");
}
