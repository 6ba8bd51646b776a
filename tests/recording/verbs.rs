//! The verbs that write and mend recordings, as they are typed.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use mltop::model::EventKind;
use mltop::record::SessionFile;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::full::until;
use super::made::Made;

fn mltop(arguments: &[&str], paths: &[&Path]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mltop"));
    command.args(arguments).args(paths).stdin(Stdio::null());
    command
}

fn output(arguments: &[&str], paths: &[&Path]) -> Output {
    mltop(arguments, paths).output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// A process that is killed where the test ends before it does.
struct Running(Child);

impl Running {
    fn start(arguments: &[&str], paths: &[&Path]) -> Self {
        let mut command = mltop(arguments, paths);
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.0.id() as i32).unwrap(), signal).unwrap();
    }

    fn ended(&mut self) -> Option<i32> {
        let mut code = None;
        until("ended", || {
            code = self.0.try_wait().unwrap().map(|status| status.code());
            code.is_some()
        });
        code.flatten()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where frames of lines begin.
fn frames(bytes: &[u8]) -> Vec<usize> {
    let magic = [0x28, 0xB5, 0x2F, 0xFD];
    bytes.windows(4).enumerate().filter(|(_, four)| *four == magic).map(|(at, _)| at).collect()
}

fn has_ticks(path: &Path, least: u64) -> bool {
    SessionFile::open(path).is_ok_and(|(file, _)| file.ticks() >= least)
}

#[test]
fn a_recording_ends_well_on_each_signal_that_ends_a_program() {
    let folder = tempfile::tempdir().unwrap();
    for (signal, reason) in [
        (Signal::TERM, "SIGTERM"),
        (Signal::INT, "stopped by the user"),
        (Signal::HUP, "SIGHUP: the terminal is gone"),
    ] {
        let path = folder.path().join(format!("{}.mltop.jsonl.zst", &reason[..7]));
        let mut record = Running::start(&["record", "--interval", "100ms", "-o"], &[&path]);
        until("recorded", || has_ticks(&path, 3));
        let (growing, _) = SessionFile::open(&path).unwrap();
        assert!(growing.is_growing());
        record.signal(signal);
        assert_eq!(record.ended(), Some(0));
        let verified = output(&["verify"], &[&path]);
        assert_eq!(verified.status.code(), Some(0), "{}", told(&verified));
        let (file, health) = SessionFile::open(&path).unwrap();
        assert_eq!(file.end().unwrap().reason, reason);
        assert!(health.is_whole());
    }
}

#[test]
fn a_recording_follows_a_command_and_ends_with_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.mltop.jsonl.zst");
    let path_text = path.to_str().unwrap();
    let script = "echo out; sleep 0.3; exit 7";
    let done = output(
        &[
            "record",
            "--interval",
            "100ms",
            "-o",
            path_text,
            "--",
            "sh",
            "-c",
            script,
            "x",
            "--token",
            "abc",
        ],
        &[],
    );
    assert_eq!(done.status.code(), Some(7));
    assert_eq!(String::from_utf8_lossy(&done.stdout), "out\n", "its output is its own");
    let (file, _) = SessionFile::open(&path).unwrap();
    let events = file.events();
    let title = |kind| events.iter().find(|event| event.kind == kind).unwrap().title.clone();
    assert!(title(EventKind::Start).ends_with("--token ***"), "{}", title(EventKind::Start));
    assert_eq!(title(EventKind::Stop), "the command ended with exit code 7");
    let again = output(&["record", "-o"], &[&path]);
    assert_eq!(again.status.code(), Some(1));
    assert!(told(&again).contains("nothing is ever overwritten"), "{}", told(&again));
    let none = folder.path().join("none/x.zst");
    assert!(told(&output(&["record", "-o"], &[&none])).contains("folder is not there"));
}

/// A command that says which signals reach it, and ends at the third.
const SAYS: &str = "
import signal, sys, time
left = 3
def heard(number, frame):
    global left
    print(signal.Signals(number).name, flush=True)
    left -= 1
    if not left:
        sys.exit(7)
for name in ('SIGHUP', 'SIGTERM'):
    if signal.getsignal(getattr(signal, name)) is not signal.SIG_IGN:
        signal.signal(getattr(signal, name), heard)
print('ready', flush=True)
for _ in range(6000):
    time.sleep(0.01)
";

/// `record -- python3`, in a group of its own.
fn record_what_it_says(path: &Path, words: &[&str]) -> (Running, BufReader<ChildStdout>) {
    let mltop = env!("CARGO_BIN_EXE_mltop");
    let record = [mltop, "record", "--interval", "100ms", "-o"].map(OsStr::new);
    let python = ["--", "python3", "-c", SAYS].map(OsStr::new);
    let words: Vec<&OsStr> = words
        .iter()
        .map(OsStr::new)
        .chain(record)
        .chain([path.as_os_str()])
        .chain(python)
        .collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(Stdio::null()).stderr(Stdio::null());
    let mut child = command.process_group(0).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    assert_eq!(line(&mut lines), "ready");
    (Running(child), lines)
}

fn line(lines: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

#[test]
fn a_signal_to_a_recording_reaches_its_command_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.mltop.jsonl.zst");
    let default = ["env", "--default-signal=HUP"];
    let (mut record, mut lines) = record_what_it_says(&path, &default);
    record.signal(Signal::HUP);
    assert_eq!(line(&mut lines), "SIGHUP");
    let group = Pid::from_raw(record.0.id().cast_signed()).unwrap();
    kill_process_group(group, Signal::TERM).unwrap();
    assert_eq!(line(&mut lines), "SIGTERM");
    // After it, and to mltop alone: what came twice would be heard before it.
    record.signal(Signal::HUP);
    assert_eq!(line(&mut lines), "SIGHUP");
    assert_eq!(record.ended(), Some(7));
    assert_eq!(line(&mut lines), "");
}

#[test]
fn under_nohup_a_hangup_ends_neither_a_recording_nor_its_command() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.mltop.jsonl.zst");
    let (mut record, mut lines) = record_what_it_says(&path, &["env", "--ignore-signal=HUP"]);
    for _ in 0..3 {
        record.signal(Signal::HUP);
        record.signal(Signal::TERM);
        assert_eq!(line(&mut lines), "SIGTERM");
    }
    assert_eq!(record.ended(), Some(7));
}

#[test]
fn a_command_outlives_its_recording_and_its_exit_code_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.mltop.jsonl.zst");
    let short = ["record", "--interval", "100ms", "--duration", "500ms", "-o"];
    let command = ["--", "sh", "-c", "sleep 2; exit 5"];
    let arguments: Vec<&str> =
        short.into_iter().chain([path.to_str().unwrap()]).chain(command).collect();
    let done = output(&arguments, &[]);
    assert_eq!(done.status.code(), Some(5), "{}", told(&done));
    let (file, _) = SessionFile::open(&path).unwrap();
    assert_eq!(file.end().unwrap().reason, "the time asked for is over");
    let wrong = folder.path().join("y.mltop.jsonl.zst");
    let done = output(&["record", "-o", wrong.to_str().unwrap(), "--", "/no/such/program"], &[]);
    assert_eq!(done.status.code(), Some(127), "as a shell has it: {}", told(&done));
    assert!(SessionFile::open(&wrong).unwrap().0.end().is_some(), "the file is closed well");
}

#[test]
fn a_recording_grows_under_the_eyes_of_its_reader() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.mltop.jsonl.zst");
    let mut record = Running::start(&["record", "--interval", "100ms", "-o"], &[&path]);
    until("recorded", || has_ticks(&path, 2));
    let (mut file, _) = SessionFile::open(&path).unwrap();
    let before = file.ticks();
    until("grown", || file.follow().unwrap() && file.ticks() > before + 3);
    record.signal(Signal::TERM);
    record.ended();
    until("ended", || {
        file.follow().unwrap();
        file.end().is_some()
    });
    let (whole, _) = SessionFile::open(&path).unwrap();
    assert_eq!(file.ticks(), whole.ticks());
    let seqs = |file: &SessionFile| -> Vec<u64> {
        file.samples(0, u64::MAX).map(|sample| sample.seq).collect()
    };
    assert_eq!(seqs(&file), seqs(&whole));
}

#[test]
fn damage_is_told_by_time_and_mended() {
    let made = Made::of(71, 60, 1000);
    let folder = tempfile::tempdir().unwrap();
    let (bad, mended) = (folder.path().join("bad.zst"), folder.path().join("mended.zst"));
    let mut bytes = fs::read(&made.path).unwrap();
    let starts = frames(&bytes);
    let middle = usize::midpoint(starts[3], starts[4]);
    bytes[middle..middle + 64].fill(0xA5);
    fs::write(&bad, &bytes).unwrap();
    let verified = output(&["verify"], &[&bad]);
    let text = told(&verified);
    assert_eq!(verified.status.code(), Some(1), "{text}");
    assert!(text.contains("of 60 ticks readable") && text.contains("damaged"), "{text}");
    assert!(text.contains("2025-10-09"), "{text}");
    let repaired = output(&["verify", "--repair", "-o"], &[&mended, &bad]);
    assert_eq!(repaired.status.code(), Some(1), "the file itself stays damaged");
    let verified = output(&["verify"], &[&mended]);
    assert_eq!(verified.status.code(), Some(0), "{}", told(&verified));
    let (file, _) = SessionFile::open(&mended).unwrap();
    assert!(file.ticks() >= 50);
    assert!(file.events().iter().any(|event| event.title.contains("the file was damaged")));
    fs::write(&bad, b"Dear diary\n").unwrap();
    assert_eq!(output(&["verify"], &[&bad]).status.code(), Some(2));
    assert_eq!(output(&["verify"], &[&folder.path().join("none")]).status.code(), Some(2));
}

#[test]
fn a_cut_holds_whole_frames_byte_for_byte() {
    let made = Made::of(73, 120, 1000);
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("part.zst");
    let done = output(&["cut", "--since", "35", "--until", "1m5s", "-o"], &[&part, &made.path]);
    assert_eq!(done.status.code(), Some(0), "{}", told(&done));
    assert_eq!(output(&["verify"], &[&part]).status.code(), Some(0));
    let (file, _) = SessionFile::open(&part).unwrap();
    let seqs: Vec<u64> = file.samples(0, u64::MAX).map(|sample| sample.seq).collect();
    assert_eq!(seqs, (30..70).collect::<Vec<u64>>());
    // Every frame of the part stands in the whole, as it is.
    let (whole, part) = (fs::read(&made.path).unwrap(), fs::read(&part).unwrap());
    let copied = frames(&part)
        .into_iter()
        .filter_map(|at| part.get(at..at + 3000))
        .filter(|frame| whole.windows(frame.len()).any(|window| window == *frame))
        .count();
    assert!(copied >= 4, "{copied}");
    assert_eq!(
        output(&["cut", "--since", "9h", "-o"], &[&folder.path().join("x"), &made.path])
            .status
            .code(),
        Some(2)
    );
}

#[test]
fn nothing_is_pruned_but_the_segments_of_a_ring() {
    let folder = tempfile::tempdir().unwrap();
    let segment = folder.path().join("00000001-20261122T150000Z-1a2b3c4d.mltop.jsonl.zst");
    let newest = folder.path().join("00000002-20261122T160000Z-1a2b3c4d.mltop.jsonl.zst");
    // What `mltop record` makes on a box of that name, and what a user calls a session.
    let others = ["2026-11-22.mltop.jsonl.zst", "7-gpu-box-20261122-150000.mltop.jsonl.zst"];
    let others = others.map(|name| folder.path().join(name));
    for path in [&segment, &newest].into_iter().chain(&others) {
        fs::write(path, b"hours of a night").unwrap();
        let file = fs::File::options().append(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_hours(2)).unwrap();
    }
    let none = folder.path().join("none");
    for asked in ["prune", "status"] {
        for place in [folder.path(), &none] {
            let refused = output(&["flight", "--max-age", "1h", asked, "--dir"], &[place]);
            assert_eq!(refused.status.code(), Some(2), "{}", told(&refused));
            assert!(told(&refused).contains("no flight ring"), "{}", told(&refused));
        }
    }
    assert!(segment.exists() && newest.exists() && !none.exists());
    fs::write(folder.path().join("lock"), b"").unwrap();
    let pruned = output(&["flight", "--max-age", "1h", "prune", "--dir"], &[folder.path()]);
    assert!(told(&pruned).contains("1 segment removed"), "{}", told(&pruned));
    assert!(!segment.exists() && newest.exists(), "the newest may hold what happened last");
    assert!(others.iter().all(|path| path.exists()), "what is no segment is not removed");
}

#[test]
fn the_ring_is_kept_looked_at_and_installed() {
    let folder = tempfile::tempdir().unwrap();
    let ring = folder.path().join("ring");
    let mut flight = Running::start(&["flight", "--interval", "100ms", "--dir"], &[&ring]);
    let status = || told(&output(&["flight", "status", "--dir"], &[&ring]));
    until("written", || status().contains("being written") && status().contains(" ticks from "));
    let second = output(&["flight", "--dir"], &[&ring]);
    assert!(told(&second).contains("another mltop flight keeps this ring"), "{}", told(&second));
    assert_eq!(second.status.code(), Some(1));
    std::thread::sleep(Duration::from_millis(300));
    flight.signal(Signal::TERM);
    assert_eq!(flight.ended(), Some(0));
    assert!(
        status().contains("not being written") && status().contains("1 segment,"),
        "{}",
        status()
    );
    let pruned = told(&output(&["flight", "prune", "--dir"], &[&ring]));
    assert!(pruned.contains("0 segments removed"), "{pruned}");
    let unit = told(&output(&["flight", "install", "--max-bytes", "2GiB", "--dir"], &[&ring]));
    assert!(unit.contains("flight --dir") && unit.contains("--max-bytes 2147483648"), "{unit}");
    let asked = ["flight", "--min-free", "1GiB", "--sync", "tick", "install", "--dir"];
    let unit_asked = told(&output(&asked, &[Path::new("/a%b")]));
    assert!(unit_asked.contains("--min-free 1073741824 --sync tick\n"), "{unit_asked}");
    assert!(unit_asked.contains("--dir \"/a%%b\""), "{unit_asked}");
    assert!(unit.contains("MemoryMax=64M") && unit.contains("Restart=always"), "{unit}");
}
