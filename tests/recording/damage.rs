//! Cut off, flipped, ruined: the rest is read, nothing is wrong, and what is lost is told.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use mltop::record::{ReadError, SessionFile};

use super::arbitrary::{Dice, difference};
use super::made::Made;

/// How much of a spoiled file is read: ticks, and whether the reader says that something is missing.
/// Fails on a value that was not written.
fn read(path: &Path, made: &Made) -> (usize, bool) {
    let session = match SessionFile::open(path) {
        Ok((session, _)) => session,
        Err(
            ReadError::NoTicks { .. } | ReadError::NotASession { .. } | ReadError::Empty { .. },
        ) => {
            return (0, true);
        }
        Err(error) => panic!("{error}"),
    };
    let mut ticks = 0;
    for sample in session.samples(0, u64::MAX) {
        let same = &made.samples[sample.seq as usize];
        // Names may be older where the line that changed them is the damaged one.
        let mut bare = (*sample).clone();
        bare.inventory = Arc::clone(&same.inventory);
        assert_eq!(difference(same, &bare), None);
        ticks += 1;
    }
    for event in session.events().iter() {
        assert!(event.title.starts_with("mark ") || event.title.contains("missing"));
    }
    let (first, last) = session.span();
    let moment = first.mono_ms + (last.mono_ms - first.mono_ms) / 2;
    let _ = session.at(moment);
    (ticks, !session.health().is_whole())
}

/// Spoils a copy of the file a thousand times and reads it; the kept ticks of each try.
fn thousand(made: &Made, seed: u64, spoil: impl Fn(&mut Vec<u8>, &mut Dice)) -> Vec<usize> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spoiled.zst");
    let whole = fs::read(&made.path).unwrap();
    let dice = &mut Dice::new(seed);
    (0..1000)
        .map(|_| {
            let mut bytes = whole.clone();
            spoil(&mut bytes, dice);
            fs::write(&path, &bytes).unwrap();
            let (ticks, told) = read(&path, made);
            assert!(told || ticks == made.samples.len(), "{ticks} ticks, and no word of the loss");
            ticks
        })
        .collect()
}

/// Twelve ticks in six frames.
fn small() -> Made {
    Made::of(21, 12, 5000)
}

#[test]
fn a_thousand_cuts_keep_every_tick_before_the_cut() {
    let made = small();
    let length = fs::metadata(&made.path).unwrap().len() as usize;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.zst");
    let whole = fs::read(&made.path).unwrap();
    let mut before = 0;
    for trial in 0..1000 {
        let cut = length * trial / 1000;
        fs::write(&path, &whole[..cut]).unwrap();
        let (ticks, told) = read(&path, &made);
        assert!(told, "a cut is told");
        assert!(ticks >= before, "a later cut keeps no less: {ticks} after {before} at {cut}");
        before = ticks;
    }
    assert_eq!(before, 12);
}

#[test]
fn a_thousand_flipped_bytes_cost_a_frame_at_most_and_make_no_value_wrong() {
    let made = small();
    let kept = thousand(&made, 1, |bytes, dice| {
        let at = dice.below(bytes.len() as u64) as usize;
        bytes[at] ^= 1 << dice.below(8);
    });
    assert!(kept.iter().all(|ticks| *ticks >= 10), "{:?}", kept.iter().min());
}

#[test]
fn a_thousand_ruined_pages_cost_what_they_hit_and_make_no_value_wrong() {
    let made = Made::of(23, 16, 5000);
    let kept = thousand(&made, 2, |bytes, dice| {
        let at = dice.below(bytes.len() as u64) as usize;
        for byte in bytes.iter_mut().skip(at / 4096 * 4096).take(4096) {
            *byte = dice.any() as u8;
        }
    });
    assert!(kept.iter().all(|ticks| *ticks >= 10), "{:?}", kept.iter().min());
}
