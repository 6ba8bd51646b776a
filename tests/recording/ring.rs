//! The flight ring on a real small disk: never over its cap, the newest kept, over kills and boots.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use mltop::derive;
use mltop::model::{Event, EventKind, Sample, Severity, Stamp};
use mltop::record::ring::{Flight, Folder, Limits, Segment};
use mltop::record::{Options, SessionFile, Writer};

use super::arbitrary::session;
use super::full::{Tmpfs, until};
use super::made::info;

const CAP: u64 = 800 << 10;

fn limits(max_bytes: u64) -> Limits {
    Limits { max_bytes, max_age: Duration::from_hours(1000), min_free: None }
}

/// A ring that is fed, one tick a second by its own clocks.
struct Fed {
    writer: Writer,
    before: Option<Arc<Sample>>,
    samples: Vec<Arc<Sample>>,
    start: Stamp,
    boot: &'static str,
    seq: u64,
}

impl Fed {
    fn start(folder: &Path, limits: Limits, start: Stamp, boot: &'static str) -> Self {
        let mut info = info("flight", 1000);
        info.session = format!("{boot}-{}", start.mono_ms).into();
        info.host.boot_id = boot.into();
        let options = Options { retry: Duration::from_millis(10), ..Options::default() };
        let ring = Flight::new(Folder::take(folder).unwrap(), limits, options, info);
        let writer = ring.start().unwrap();
        Self { writer, before: None, samples: session(61, 40), start, boot, seq: 0 }
    }

    /// So many ticks, with an incident at the one of this number.
    fn feed(&mut self, ticks: u64, incident: Option<u64>) {
        for _ in 0..ticks {
            let now =
                (incident == Some(self.seq)).then(|| self.start.unix_ms + self.seq as i64 * 1000);
            self.tick(now.map(critical).into_iter().collect());
        }
    }

    fn tick(&mut self, events: Vec<Event>) {
        let mut sample = Sample::clone(&self.samples[self.seq as usize % 40]);
        let names = Arc::make_mut(&mut sample.inventory);
        Arc::make_mut(&mut names.host).boot_id = self.boot.into();
        sample.seq = self.seq;
        sample.stamp = Stamp {
            unix_ms: self.start.unix_ms + self.seq as i64 * 1000,
            mono_ms: self.start.mono_ms + self.seq * 1000,
        };
        self.seq += 1;
        let sample = Arc::new(sample);
        let frame = derive::frame(self.before.as_deref(), Arc::clone(&sample));
        self.writer.tick_waiting(Arc::new(frame), events);
        self.before = Some(sample);
    }

    fn written(&self) {
        until("written", || {
            let progress = self.writer.progress();
            assert_eq!(progress.failed, None);
            progress.ticks + progress.lost >= self.seq
        });
    }
}

fn all(folder: &Path) -> SessionFile {
    SessionFile::of_ring(folder, i64::MIN..=i64::MAX).unwrap().0
}

/// The numbers of the ticks in these files.
fn numbers(files: &[Segment]) -> Vec<u64> {
    let ticks = |one: &Segment| {
        let (file, _) = SessionFile::open(&one.path).unwrap();
        file.samples(0, u64::MAX).map(|sample| sample.seq).collect::<Vec<_>>()
    };
    files.iter().flat_map(ticks).collect()
}

fn gaps_of(file: &SessionFile) -> Vec<String> {
    let events = file.events();
    let gaps = events.iter().filter(|event| event.kind == EventKind::Gap);
    gaps.map(|event| event.title.clone()).collect()
}

/// A finding that is worth keeping.
fn critical(at_ms: i64) -> Event {
    Event {
        severity: Some(Severity::Critical),
        rule: Some("STARVED".into()),
        end_ms: None,
        ..Event::of(EventKind::Finding, at_ms, at_ms, "the loop starves".to_owned())
    }
}

const NOON: Stamp = Stamp { unix_ms: 1_760_000_000_000, mono_ms: 500_000 };

#[test]
fn a_ring_never_takes_more_than_its_cap_and_keeps_the_newest() {
    let Some(disk) = Tmpfs::mount("20m", "a_ring_never_takes_more_than_its_cap") else { return };
    let mut ring = Fed::start(disk.path(), limits(CAP), NOON, "a");
    let folder = Folder::at(disk.path());
    assert!(folder.is_taken());
    assert!(Folder::take(disk.path()).is_err(), "one writer at a time");
    for _ in 0..30 {
        ring.feed(40, None);
        ring.written();
        let bytes = folder.bytes().unwrap();
        assert!(bytes <= CAP, "{bytes}");
    }
    assert!(folder.segments().unwrap().len() >= 5);
    let bytes = folder.bytes().unwrap();
    assert!(bytes > CAP / 2, "{bytes}: it uses what it may");
    let file = all(disk.path());
    let read: Vec<u64> = file.samples(0, u64::MAX).map(|sample| sample.seq).collect();
    assert_eq!(*read.last().unwrap(), ring.seq - 1);
    assert!(read.windows(2).all(|pair| pair[1] == pair[0] + 1), "no hole between segments");
    assert!(gaps_of(&file).is_empty());
    ring.writer.end(0, "over").unwrap();
}

#[test]
fn a_ring_on_a_disk_that_is_smaller_than_its_cap_leaves_space_free() {
    let name = "a_ring_on_a_disk_that_is_smaller_than_its_cap_leaves_space_free";
    let Some(disk) = Tmpfs::mount("1m", name) else { return };
    let limits = Limits { min_free: Some(200 << 10), ..limits(4 << 20) };
    let mut ring = Fed::start(disk.path(), limits, NOON, "a");
    ring.feed(500, None);
    until("written again", || {
        ring.tick(Vec::new());
        std::thread::sleep(Duration::from_millis(5));
        let segments = Folder::at(disk.path()).segments().unwrap();
        let gone = segments
            .first()
            .is_some_and(|first| !first.path.to_string_lossy().contains("00000001-"));
        gone && ring.writer.progress().paused.is_none()
    });
}

#[test]
fn a_ring_goes_on_after_a_kill_a_set_clock_and_a_boot_and_tells_each() {
    let folder = tempfile::tempdir().unwrap();
    let limits = limits(64 << 20);
    let mut ring = Fed::start(folder.path(), limits, NOON, "a");
    ring.feed(30, None);
    ring.written();
    // The clock is set back by a day while it runs.
    ring.start.unix_ms -= 86_400_000;
    ring.feed(30, None);
    ring.written();
    // Dropped, it is cut off as by a kill; another goes on once the thread has seen it.
    drop(ring);
    until("let go", || !Folder::at(folder.path()).is_taken());
    let later =
        Stamp { unix_ms: NOON.unix_ms - 86_400_000 + 160_000, mono_ms: NOON.mono_ms + 160_000 };
    let mut ring = Fed::start(folder.path(), limits, later, "a");
    ring.feed(20, None);
    ring.writer.end(0, "over").unwrap();
    until("let go", || !Folder::at(folder.path()).is_taken());
    let booted = Stamp { unix_ms: NOON.unix_ms - 86_400_000 + 400_000, mono_ms: 30_000 };
    let mut ring = Fed::start(folder.path(), limits, booted, "b");
    ring.feed(20, None);
    ring.writer.end(0, "over").unwrap();

    let file = all(folder.path());
    let read: Vec<Arc<Sample>> = file.samples(0, u64::MAX).collect();
    assert_eq!(read.len(), 100);
    assert!(read.windows(2).all(|pair| pair[0].stamp.mono_ms < pair[1].stamp.mono_ms));
    let gaps = gaps_of(&file);
    assert_eq!(gaps.len(), 3, "{gaps:?}");
    assert!(gaps[0].contains("the wall clock was set by -86400.0 s"), "{gaps:?}");
    assert!(gaps[1].contains("mltop did not run for 101 s"), "{gaps:?}");
    assert!(gaps[2].contains("booted anew"), "{gaps:?}");
    let (before, first) = file.at(read[80].stamp.mono_ms).unwrap();
    assert_eq!((before.unwrap().seq, first.seq), (19, 0));
    assert_eq!(file.at(u64::MAX).unwrap().1.seq, 19, "the newest is kept");
}

#[test]
fn an_incident_is_pinned_with_what_was_around_it_and_outlives_the_ring() {
    let folder = tempfile::tempdir().unwrap();
    let mut ring = Fed::start(folder.path(), limits(2 << 20), NOON, "a");
    ring.feed(2500, Some(700));
    ring.written();
    ring.writer.end(0, "over").unwrap();
    let ring = Folder::at(folder.path());
    let pinned = ring.pinned().unwrap();
    assert!(!pinned.is_empty());
    assert!(pinned.iter().map(|one| one.bytes).sum::<u64>() <= 512 << 10);
    assert!(pinned[0].path.to_string_lossy().contains("STARVED"));
    let kept = numbers(&pinned);
    assert!(kept.contains(&700), "{:?}", (kept.iter().min(), kept.iter().max()));
    let oldest = all(folder.path()).span().0;
    assert!(oldest.unix_ms > NOON.unix_ms + 700_000, "the ring itself has gone on");
    assert!(ring.bytes().unwrap() <= 2 << 20);
}

#[test]
fn an_incident_shortly_before_the_end_is_pinned_with_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut ring = Fed::start(folder.path(), limits(2 << 20), NOON, "a");
    ring.feed(120, Some(60));
    ring.written();
    ring.writer.end(0, "over").unwrap();
    let kept = numbers(&Folder::at(folder.path()).pinned().unwrap());
    assert!(kept.contains(&60) && kept.contains(&119), "{kept:?}");
}

#[test]
fn what_cannot_be_pinned_is_said_and_the_ring_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut ring = Fed::start(folder.path(), limits(64 << 20), NOON, "a");
    ring.feed(5, None);
    ring.written();
    // Nothing can be put into it, whoever tries.
    std::fs::remove_dir(folder.path().join("pinned")).unwrap();
    std::fs::write(folder.path().join("pinned"), "").unwrap();
    ring.feed(495, Some(10));
    ring.written();
    let progress = ring.writer.progress();
    let trouble = progress.trouble.expect("it is said");
    assert!(trouble.contains("an incident (STARVED) is not pinned: Not a directory"), "{trouble}");
    assert_eq!((progress.ticks, progress.paused), (500, None));
    ring.writer.end(0, "over").unwrap();
}

#[test]
fn what_is_too_old_goes_and_what_is_being_written_stays() {
    let folder = tempfile::tempdir().unwrap();
    let limits = limits(CAP);
    let mut ring = Fed::start(folder.path(), limits, NOON, "a");
    ring.feed(400, None);
    ring.written();
    let now = Folder::at(folder.path());
    let newest = now.segments().unwrap().pop().unwrap().path;
    let later = std::time::SystemTime::now() + Duration::from_secs(10);
    now.remove_older(later, |path| path == newest).unwrap();
    assert_eq!(now.segments().unwrap().len(), 1);
    ring.feed(40, None);
    ring.written();
    assert_eq!(all(folder.path()).at(u64::MAX).unwrap().1.seq, 439);
}

/// The child of the next test: keeps a ring until it is killed.
#[test]
#[ignore = "run by a_ring_survives_a_kill"]
fn a_ring_is_kept_here() {
    let Some(folder) = std::env::var_os("MLTOP_RING") else { return };
    let mut ring = Fed::start(Path::new(&folder), limits(CAP), NOON, "a");
    loop {
        ring.tick(Vec::new());
        ring.written();
        writeln!(std::io::stdout(), "kept {}", ring.seq - 1).unwrap();
    }
}

#[test]
fn a_ring_survives_a_kill() {
    use std::io::BufRead as _;
    let folder = tempfile::tempdir().unwrap();
    for last in [7, 150, 90] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "ring::a_ring_is_kept_here", "--nocapture"])
            .env("MLTOP_RING", folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
        let kept = lines
            .map_while(Result::ok)
            .filter_map(|line| line.split_once("kept ")?.1.parse::<u64>().ok())
            .find(|kept| *kept >= last);
        child.kill().unwrap();
        child.wait().unwrap();
        let newest = all(folder.path()).at(u64::MAX).unwrap().1.seq;
        assert!(newest >= kept.expect("the ring ended by itself"), "{newest}");
        assert!(Folder::at(folder.path()).bytes().unwrap() <= CAP);
    }
}
