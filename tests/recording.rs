//! Sessions as files: what was written is read at any moment of it, whatever became of the file.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

#[path = "common/arbitrary.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod arbitrary;
#[path = "bench/session.rs"]
mod cost;
#[path = "recording/damage.rs"]
mod damage;
#[path = "bench/diagnosis.rs"]
mod diagnosis;
#[path = "recording/full.rs"]
mod full;
#[path = "common/golden.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod golden;
#[path = "recording/hangup.rs"]
mod hangup;
#[path = "recording/hostile.rs"]
mod hostile;
#[path = "recording/kill.rs"]
mod kill;
#[path = "recording/made.rs"]
mod made;
#[path = "recording/ring.rs"]
mod ring;
#[path = "recording/tools.rs"]
mod tools;
#[path = "recording/verbs.rs"]
mod verbs;

use std::sync::Arc;

use arbitrary::{Dice, difference};
use made::{Made, START_MONO_MS, mark};
use mltop::model::sample::GpuSample;
use mltop::model::{EventKind, Reading, Sample, Stamp};
use mltop::record::{Series, SessionFile};

#[test]
fn every_tick_is_read_as_it_was_written() {
    let made = Made::of(3, 100, 1000);
    let (session, health) = SessionFile::open(&made.path).unwrap();
    assert!(health.is_whole());
    assert_eq!(session.ticks(), 100);
    assert_eq!(&*session.head().unwrap().session, "s1");
    assert_eq!(session.end().unwrap().reason, "test over");
    let read: Vec<_> = session.samples(0, u64::MAX).collect();
    assert_eq!(read.len(), 100);
    for (written, read) in made.samples.iter().zip(&read) {
        assert_eq!(difference(written, read), None);
    }
    assert_eq!(session.span(), (made.samples[0].stamp, made.samples[99].stamp));
    assert!(session.health().is_whole());
}

#[test]
fn what_is_read_ahead_is_the_same_and_no_more_than_is_taken() {
    let made = Made::of(3, 100, 1000);
    let (session, _) = SessionFile::open(&made.path).unwrap();
    let span = (START_MONO_MS + 15_000, START_MONO_MS + 95_500);
    let read: Vec<_> = session.samples(span.0, span.1).collect();
    let ahead = session.read_ahead(span, |samples| samples.collect::<Vec<_>>());
    assert_eq!(ahead, read);
    let first = session.read_ahead(span, |samples| samples.next());
    assert_eq!(first.as_ref(), read.first());
}

#[test]
fn any_moment_is_found_with_the_tick_before_it_and_the_one_after() {
    let made = Made::of(5, 60, 1000);
    let (session, _) = SessionFile::open(&made.path).unwrap();
    let dice = &mut Dice::new(9);
    assert!(session.at(START_MONO_MS - 1).is_none());
    for _ in 0..200 {
        let at = dice.below(60);
        let moment = START_MONO_MS + at * 1000 + dice.below(1000);
        let (before, now) = session.at(moment).unwrap();
        assert_eq!(now.seq, at);
        assert_eq!(before.map(|before| before.seq), at.checked_sub(1));
        let next = session.next(moment).map(|(_, sample)| sample.seq);
        assert_eq!(next, (at < 59).then_some(at + 1));
        let prev = session.prev(now.stamp.mono_ms).map(|(_, sample)| sample.seq);
        assert_eq!(prev, at.checked_sub(1));
        assert_eq!(session.mono_at(now.stamp.unix_ms + 3), now.stamp.mono_ms);
    }
    let part: Vec<u64> = session
        .samples(START_MONO_MS + 15_000, START_MONO_MS + 25_500)
        .map(|sample| sample.seq)
        .collect();
    assert_eq!(part, (15..=25).collect::<Vec<u64>>());
}

#[test]
fn events_are_listed_without_a_look_at_the_other_frames() {
    let made = Made::of(7, 40, 1000);
    let (session, _) = SessionFile::open(&made.path).unwrap();
    let events = session.events();
    let marks: Vec<_> = events.iter().filter(|event| event.kind == EventKind::Mark).collect();
    assert_eq!(marks.len(), 2);
    assert_eq!(marks[0].title, mark(1).title);
    assert_ne!(marks[0].id, marks[1].id);
}

#[test]
fn the_overview_of_a_long_session_comes_from_its_index_and_agrees_with_its_ticks() {
    let made = Made::of(11, 400, 1000);
    let (session, _) = SessionFile::open(&made.path).unwrap();
    let (first, last) = session.span();
    let coarse = session.overview(&[Series::GpuPower], first.mono_ms, last.mono_ms, 1);
    let extent = coarse[0][0].unwrap();
    let powers: Vec<f64> = made
        .samples
        .iter()
        .flat_map(|sample| &sample.gpus)
        .filter_map(|gpu| gpu.power_watts.ok())
        .collect();
    let most = powers.iter().copied().fold(0.0, f64::max);
    assert!((f64::from(extent.max) - most).abs() <= most * 0.003, "{} {most}", extent.max);
    assert!(extent.min <= extent.mean && extent.mean <= extent.max);
    let parts = session.overview(&[Series::GpuUtil], first.mono_ms, last.mono_ms, 50);
    assert_eq!(parts[0].len(), 50);
    assert!(parts[0].iter().filter(|part| part.is_some()).count() > 40);
}

#[test]
fn a_short_session_has_no_holes_in_its_overview_but_those_it_has() {
    let ticks = (0..10).chain(15..25).map(|seq| {
        let after = seq * 1000;
        let stamp = Stamp { unix_ms: after as i64, mono_ms: START_MONO_MS + after };
        let gpu = GpuSample { utilization_ratio: Reading::Is(0.5), ..GpuSample::default() };
        Sample { seq, stamp, gpus: vec![gpu], ..Sample::default() }
    });
    let made = Made::with(ticks.map(Arc::new).collect(), 1000);
    let (session, _) = SessionFile::open(&made.path).unwrap();
    let (first, last) = session.span();
    let parts = session.overview(&[Series::GpuUtil], first.mono_ms, last.mono_ms, 240);
    let known: Vec<bool> = parts[0].iter().map(Option::is_some).collect();
    assert!(known[..=90].iter().all(|known| *known), "{known:?}");
    assert!(known[91..150].iter().all(|known| !*known), "{known:?}");
    assert!(known[150..].iter().all(|known| *known), "{known:?}");
    // What is looked at twice is counted once.
    let (all, _) = (session.samples(0, u64::MAX).count(), session.events());
    let lines = session.health().lines_read;
    session.samples(0, u64::MAX).count();
    assert_eq!((all, session.health().lines_read), (20, lines));
}

#[test]
fn other_readers_see_the_lines_and_nothing_else() {
    let made = Made::of(13, 25, 1000);
    let bytes = std::fs::read(&made.path).unwrap();
    let session = mltop::record::read::read("lines", &bytes[..]).unwrap();
    assert!(session.health.is_whole());
    assert_eq!(session.ticks(), 25);
    let first: Vec<Arc<_>> = session.samples().collect();
    assert_eq!(difference(&made.samples[24], &first[24]), None);
}

#[test]
fn the_first_version_of_the_packed_format_is_read_for_ever() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/sessions/golden-v1.mltop.jsonl.zst");
    if std::env::var_os("MLTOP_REGENERATE").is_some() {
        golden::record(&path);
    }
    let (session, health) = SessionFile::open(&path).unwrap();
    assert!(health.is_whole());
    golden::check_file(&session);
    assert!(session.health().is_whole());
    let power = session.overview(&[Series::GpuPower], 0, u64::MAX, 1);
    assert!(power[0][0].is_some());
}
