//! A real disk that is full, and has space again.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mltop::derive;
use mltop::record::{Options, SessionFile, Writer};

use super::arbitrary::session;
use super::made::info;

/// A filesystem in memory, as long as this lives.
pub(crate) struct Tmpfs {
    folder: tempfile::TempDir,
}

impl Tmpfs {
    /// `None`, which is said, where none may be mounted.
    pub(crate) fn mount(size: &str, name: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder.path())
            .output();
        if done.is_ok_and(|done| done.status.success()) {
            return Some(Self { folder });
        }
        eprintln!("skipped: {name}: no tmpfs may be mounted here");
        None
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).status();
    }
}

/// Waits until something holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_mins(1);
    while !holds() {
        assert!(Instant::now() < end, "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_recording_outlives_a_full_disk() {
    let Some(disk) = Tmpfs::mount("400k", "a_recording_outlives_a_full_disk") else { return };
    let path = disk.path().join("x.mltop.jsonl.zst");
    let options =
        Options { retry: Duration::from_millis(20), min_free: Some(0), ..Options::default() };
    let mut writer = Writer::start(&path, info("full", 1000), options).unwrap();
    let samples = session(41, 600);
    let mut before = None;
    let mut push = |writer: &mut Writer, seq: usize| {
        let sample = Arc::clone(&samples[seq]);
        let frame = derive::frame(before.as_deref(), Arc::clone(&sample));
        writer.tick_waiting(Arc::new(frame), Vec::new());
        before = Some(sample);
    };
    for seq in 0..20 {
        push(&mut writer, seq);
    }
    until("written", || writer.progress().ticks == 20);
    let filler = disk.path().join("filler");
    let mut size = 400 << 10;
    while size > 0 {
        // What does not fit is left out, down to the last block.
        let mut bytes = std::fs::read(&filler).unwrap_or_default();
        bytes.resize(bytes.len() + size, 1);
        if std::fs::write(&filler, &bytes).is_err() {
            size /= 2;
        }
        if size < 1024 {
            break;
        }
    }
    let mut seq = 20;
    until("paused", || {
        push(&mut writer, seq);
        seq += 1;
        std::thread::sleep(Duration::from_millis(5));
        writer.progress().paused.is_some()
    });
    assert_eq!(writer.progress().paused.as_deref(), Some("the disk is full"));
    let written = writer.progress().ticks;
    let (file, _) = SessionFile::open(&path).unwrap();
    assert_eq!(file.samples(0, u64::MAX).count() as u64, written, "what was written is readable");
    std::fs::remove_file(&filler).unwrap();
    let end = seq + 20;
    while seq < end {
        push(&mut writer, seq);
        seq += 1;
    }
    until("gone on", || {
        writer.progress().paused.is_none() && writer.progress().ticks >= seq as u64
    });
    writer.end(0, "over").unwrap();
    let (file, _) = SessionFile::open(&path).unwrap();
    assert_eq!(file.samples(0, u64::MAX).count(), seq);
    assert!(file.health().is_whole());
    assert!(file.events().iter().any(|event| event.title.contains("the disk is full")));
}
