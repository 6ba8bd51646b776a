//! `mltop doctor` says what is true: as the same user, as another, as root, and of a shut process.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop, and says what it skipped"
)]

#[path = "common/train.rs"]
#[allow(dead_code, reason = "the truth of the queue is another test's")]
mod train;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use train::{Training, has, script};

/// Users that nothing else here runs as.
const ONE: u32 = 64_001;
const OTHER: u32 = 64_002;

/// A world-readable place with mltop and the script, for users who may not look into ours.
struct Place {
    folder: tempfile::TempDir,
    mltop: PathBuf,
    script: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("mltop-").tempdir_in("/var/tmp").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let copy = |from: &Path, name: &str| {
            let to = folder.path().join(name);
            fs::copy(from, &to).unwrap();
            fs::set_permissions(&to, fs::Permissions::from_mode(0o755)).unwrap();
            to
        };
        let mltop = copy(Path::new(env!("CARGO_BIN_EXE_mltop")), "mltop");
        let script = copy(&script("changes.py"), "changes.py");
        Self { folder, mltop, script }
    }

    /// A training of that user.
    fn train(&self, uid: u32, what: &str) -> Training {
        let mut command = as_user(uid, Path::new("/usr/bin/python3"));
        command.arg("-W").arg("ignore").arg(&self.script).args([what, "300"]);
        command.env("HOME", self.folder.path()).stderr(Stdio::null());
        Training::run(&mut command, PathBuf::new(), Duration::from_mins(3))
    }

    /// What that user's doctor says of a process, once it says `wanted`.
    fn doctor(&self, uid: u32, pid: u32, wanted: &str) -> String {
        let start = Instant::now();
        loop {
            let mut command = as_user(uid, &self.mltop);
            let done = command.args(["doctor", "--pid", &pid.to_string()]).output().unwrap();
            let text = String::from_utf8_lossy(&done.stdout).into_owned();
            if text.contains(wanted) {
                return text;
            }
            let error = String::from_utf8_lossy(&done.stderr);
            assert!(start.elapsed() < Duration::from_mins(1), "never {wanted:?}: {text}\n{error}");
        }
    }
}

fn as_user(uid: u32, program: &Path) -> Command {
    let uid = uid.to_string();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &uid, "--regid", &uid, "--clear-groups", "--"]).arg(program);
    command
}

/// Root who can become somebody else, and a torch that everybody can read.
fn possible() -> bool {
    let root = rustix::process::geteuid().is_root();
    let setpriv = as_user(ONE, Path::new("true")).status().is_ok_and(|status| status.success());
    let torch = has(Path::new("/usr/bin/python3"), &["torch"]);
    if !(root && setpriv && torch) {
        println!("skipped: needs root, setpriv and a torch for /usr/bin/python3");
    }
    root && setpriv && torch
}

#[test]
fn the_doctor_tells_the_rung_and_what_would_allow_a_better_one_to_each_user() {
    if !possible() {
        return;
    }
    let place = Place::new();
    let training = place.train(ONE, "exec");
    let pid = training.pid();

    let root = place.doctor(0, pid, "depth by memory (exact)");
    assert!(root.contains("wait by stack (exact)") && root.contains("root: every"), "{root}");
    assert!(!root.contains("not by"), "{root}");

    let same = place.doctor(ONE, pid, "depth by");
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
    if scope.is_ok_and(|scope| scope.trim() != "0") {
        assert!(same.contains("not by memory"), "{same}");
    } else {
        assert!(same.contains("depth by memory (exact)"), "{same}");
        assert!(same.contains("your own user can be read"), "{same}");
    }

    let other = place.doctor(OTHER, pid, "belongs to");
    assert!(other.contains("sudo mltop"), "{other}");
    assert!(!other.contains("depth by memory"), "{other}");
}

#[test]
fn of_a_process_that_shut_itself_the_doctor_tells_what_is_left_and_why() {
    if !possible() {
        return;
    }
    let place = Place::new();
    let training = place.train(ONE, "sealed");
    let pid = training.pid();

    let same = place.doctor(ONE, pid, "depth by semaphore");
    assert!(same.contains("not by memory"), "{same}");
    assert!(same.contains("may not be read although it is yours"), "{same}");
    assert!(same.contains("sudo mltop"), "{same}");

    let root = place.doctor(0, pid, "depth by memory (exact)");
    assert!(!root.contains("not by"), "{root}");
}
