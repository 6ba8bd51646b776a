use std::fs::File;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::*;
use crate::model::Stamp;
use crate::record::SessionFile;
use crate::record::writer::disk::OpenFile;

/// A disk that can be full, by a switch or after so many bytes.
struct Fickle {
    file: OpenFile,
    full: Arc<AtomicBool>,
    room: Arc<AtomicU64>,
}

impl Disk for Fickle {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let room = self.room.load(Ordering::Relaxed);
        if self.full.load(Ordering::Relaxed) || room < bytes.len() as u64 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.room.store(room - bytes.len() as u64, Ordering::Relaxed);
        self.file.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync()
    }

    fn short_of_space(&self) -> Option<u64> {
        None
    }

    fn file(&self) -> &File {
        self.file.file()
    }
}

struct Try {
    core: Core<Fickle>,
    full: Arc<AtomicBool>,
    room: Arc<AtomicU64>,
    now: Instant,
    folder: tempfile::TempDir,
}

impl Try {
    fn new(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = OpenFile::create(&folder.path().join("x.zst"), Some(0)).unwrap();
        let full = Arc::new(AtomicBool::new(false));
        let room = Arc::new(AtomicU64::new(u64::MAX));
        let disk = Fickle { file, full: Arc::clone(&full), room: Arc::clone(&room) };
        let info = SessionInfo { interval_ms: 1000, ..SessionInfo::default() };
        let core = Core::new(disk, info, options).unwrap();
        Self { core, full, room, now: Instant::now(), folder }
    }

    /// Ticks a second apart, by both clocks.
    fn ticks(&mut self, seqs: std::ops::Range<u64>) {
        for seq in seqs {
            let stamp = Stamp { unix_ms: seq as i64 * 1000, mono_ms: 1_000_000 + seq * 1000 };
            let sample = Arc::new(Sample { seq, stamp, ..Sample::default() });
            let frame = Arc::new(Frame { sample, ..Frame::default() });
            self.now += Duration::from_secs(1);
            self.core.tick(frame, Vec::new(), self.now).unwrap();
        }
    }

    fn read(&self) -> (Vec<u64>, Vec<String>) {
        let (file, _) = SessionFile::open(&self.folder.path().join("x.zst")).unwrap();
        let seqs = file.samples(0, u64::MAX).map(|sample| sample.seq).collect();
        (seqs, file.events().iter().map(|event| event.title.clone()).collect())
    }
}

#[test]
fn a_full_disk_pauses_a_recording_and_no_tick_of_the_last_minute_is_lost() {
    let mut one = Try::new(Options::default());
    one.ticks(0..15);
    one.full.store(true, Ordering::Relaxed);
    one.ticks(15..40);
    assert_eq!(one.core.progress().paused.as_deref(), Some("the disk is full"));
    assert_eq!(one.read().0, (0..15).collect::<Vec<u64>>(), "what was written stays readable");
    one.full.store(false, Ordering::Relaxed);
    one.ticks(40..60);
    assert_eq!(one.core.progress().paused, None);
    one.core.end(60_000, "over").unwrap();
    let (seqs, events) = one.read();
    assert_eq!(seqs, (0..60).collect::<Vec<u64>>());
    assert_eq!(events, ["nothing could be written (the disk is full); 0 ticks are lost"]);
}

#[test]
fn after_more_than_a_minute_the_oldest_ticks_are_lost_and_it_is_told() {
    let mut one = Try::new(Options::default());
    one.ticks(0..5);
    one.full.store(true, Ordering::Relaxed);
    one.ticks(5..200);
    one.full.store(false, Ordering::Relaxed);
    one.ticks(200..230);
    one.core.end(230_000, "over").unwrap();
    let (seqs, events) = one.read();
    let lost = (0..230).filter(|seq| !seqs.contains(seq)).count() as u64;
    assert_eq!(lost, one.core.progress().lost);
    assert!((130..140).contains(&lost), "{lost}");
    assert!(events.iter().any(|title| title.contains(&format!("{lost} ticks are lost"))));
    assert!(events.iter().any(|title| title.contains("ticks are missing")), "{events:?}");
}

#[test]
fn space_that_comes_and_goes_makes_no_broken_frame() {
    let mut one = Try::new(Options::default());
    for round in 0..30 {
        one.room.store(if round % 3 == 0 { 700 } else { 0 }, Ordering::Relaxed);
        one.ticks(round * 10..round * 10 + 10);
    }
    one.room.store(u64::MAX, Ordering::Relaxed);
    one.ticks(300..320);
    one.core.end(320_000, "over").unwrap();
    let (file, _) = SessionFile::open(&one.folder.path().join("x.zst")).unwrap();
    assert!(file.samples(0, u64::MAX).count() > 50);
    assert!(file.health().is_whole());
    assert_eq!(file.samples(0, u64::MAX).last().unwrap().seq, 319);
}

#[test]
fn a_recording_that_ends_on_a_full_disk_says_what_is_lost() {
    let mut one = Try::new(Options::default());
    one.ticks(0..5);
    one.full.store(true, Ordering::Relaxed);
    one.ticks(5..9);
    let error = one.core.end(9_000, "over").unwrap_err().to_string();
    assert!(error.contains("the disk is full") && error.contains("4 ticks are lost"), "{error}");
    assert_eq!(one.read().0, (0..5).collect::<Vec<u64>>());
}

#[test]
fn a_recording_ends_before_it_is_larger_than_was_asked_for() {
    let most = 40_000;
    let mut one = Try::new(Options { max_bytes: Some(most), ..Options::default() });
    let mut seq = 0;
    while !one.core.progress().full {
        one.ticks(seq..seq + 1);
        seq += 1;
    }
    one.core.end(0, "full").unwrap();
    let length = std::fs::metadata(one.folder.path().join("x.zst")).unwrap().len();
    assert!(length <= most && length > most / 2, "{length}");
    assert_eq!(one.read().0.len() as u64, seq - 1);
}

#[test]
fn what_was_kept_over_a_full_disk_does_not_go_beyond_the_size_either() {
    let most = 20_000;
    let mut one = Try::new(Options { max_bytes: Some(most), ..Options::default() });
    one.ticks(0..5);
    one.full.store(true, Ordering::Relaxed);
    one.ticks(5..60);
    one.full.store(false, Ordering::Relaxed);
    one.ticks(60..400);
    let progress = one.core.progress();
    assert!(progress.full);
    one.core.end(0, "full").unwrap();
    assert!(std::fs::metadata(one.folder.path().join("x.zst")).unwrap().len() <= most);
}

#[test]
fn a_file_that_another_program_changed_is_not_written_on() {
    let mut one = Try::new(Options::default());
    one.ticks(0..3);
    let other = File::options().write(true).open(one.folder.path().join("x.zst")).unwrap();
    other.set_len(10).unwrap();
    one.ticks(3..4);
    let paused = one.core.progress().paused.unwrap();
    assert!(paused.contains("another program changed the file"), "{paused}");
}

#[test]
fn nothing_is_overwritten_and_no_link_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("a"), folder.path().join("b"));
    let made = OpenFile::create(&file, None).unwrap();
    let mode = std::os::unix::fs::MetadataExt::mode(&made.file().metadata().unwrap());
    assert_eq!(mode & 0o777, 0o600);
    let flags = rustix::fs::fcntl_getfl(made.file().as_fd()).unwrap();
    assert!(flags.contains(rustix::fs::OFlags::APPEND));
    assert!(OpenFile::create(&file, None).is_err());
    std::os::unix::fs::symlink(folder.path().join("nowhere"), &link).unwrap();
    assert!(OpenFile::create(&link, None).is_err());
    assert!(!folder.path().join("nowhere").exists());
}
