//! A place of its own for each test's runs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

/// A runtime folder in memory, as a login has one.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::Builder::new().prefix("mltop-test-").tempdir_in("/dev/shm").unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// `mltop run` with these words.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mltop"));
        command.arg("run").args(words).env("XDG_RUNTIME_DIR", self.path());
        command.env_remove("PYTHONPATH").env_remove("MLTOP_DIR");
        command
    }

    /// The same to its end, with nothing to read.
    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.command(words).stdin(std::process::Stdio::null()).output().unwrap()
    }

    /// Folders of runs that are there now.
    pub(crate) fn leftovers(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.path().join("mltop")) else { return Vec::new() };
        entries.flatten().map(|entry| entry.path()).collect()
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Waits for a condition; a busy machine may take its time.
pub(crate) fn eventually(what: &str, mut met: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !met() {
        assert!(Instant::now() < deadline, "never {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The process that `mltop run` started.
pub(crate) fn child_of(mltop: u32) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{mltop}/task/{mltop}/children"));
    // The witness of signals is the first.
    children.ok()?.split_whitespace().nth(1)?.parse().ok()
}
