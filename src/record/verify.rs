//! Whether a file is whole, and where it is not, by time.

use std::io;
use std::path::Path;

use super::container::contents::contents;
use super::container::entry::IX;
use super::container::frame::FrameReader;
use super::container::packed::Packed;
use super::read::ReadError;
use super::rewrite::{self, Rewritten};
use super::session_file::{Held, SessionFile};

/// A part of a file that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// From when, in milliseconds since the Unix epoch.
    pub from_ms: i64,
    /// Until when.
    pub to_ms: i64,
    /// Ticks that cannot be read.
    pub ticks_lost: u64,
    /// What is the matter.
    pub what: &'static str,
}

/// What reading all of a file came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Ticks that were read.
    pub ticks: u64,
    /// Ticks that there were, as far as that can be told.
    pub ticks_expected: u64,
    /// The frames that were looked at.
    pub frames: u64,
    /// What is damaged, in the order of time.
    pub spots: Vec<Spot>,
    /// The file has no end: cut off, or still being written.
    pub cut_off: bool,
    /// Another program writes it at this moment.
    pub growing: bool,
}

impl Verdict {
    /// Whether every byte is as it was written, up to an end that may still come.
    pub const fn is_whole(&self) -> bool {
        self.spots.is_empty() && (!self.cut_off || self.growing)
    }

    fn lost(&mut self, spot: Spot) {
        self.ticks_expected += spot.ticks_lost;
        self.spots.push(spot);
    }
}

/// Reads all of a file.
pub fn verify(path: &Path) -> Result<Verdict, ReadError> {
    let (file, health) = SessionFile::open_to_copy(path)?;
    let failed = |source| ReadError::Io { file: path.display().to_string(), source };
    match file.held() {
        Held::Packed(packed) => verify_packed(packed).map_err(failed),
        // No file opens as a ring.
        Held::Ring(_) => Ok(Verdict::default()),
        Held::Loaded(session) => {
            let (first, last) = session.span();
            let mut verdict = Verdict {
                ticks: session.ticks() as u64,
                ticks_expected: session.ticks() as u64,
                cut_off: health.truncated || session.end.is_none(),
                ..Verdict::default()
            };
            let damaged = health.lines_damaged + health.frames_damaged;
            if damaged > 0 {
                let from_ms = health.first_damage_ms.unwrap_or(first.unix_ms);
                // How many ticks the damaged lines held cannot be told: a line may be of any kind.
                let what = "lines with a checksum that does not fit";
                let spot = Spot { from_ms, to_ms: last.unix_ms, ticks_lost: 0, what };
                verdict.spots.push(spot);
            }
            Ok(verdict)
        }
    }
}

fn verify_packed(packed: &Packed) -> io::Result<Verdict> {
    let mut verdict = Verdict {
        cut_off: !packed.is_closed(),
        growing: packed.is_growing(),
        ..Verdict::default()
    };
    let mut reader = FrameReader::new()?;
    let (first, _) = packed.span();
    let mut before_ms = first.unix_ms;
    let mut expected = packed.entries.first().map(|entry| (packed.begin(), entry.seq_first));
    if packed.head.is_none() {
        let what = "the head, which says what the session is";
        verdict.lost(Spot { from_ms: before_ms, to_ms: before_ms, ticks_lost: 0, what });
    }
    for (at, entry) in packed.entries.iter().enumerate() {
        if let Some((offset, seq)) = expected
            && entry.offset != offset
        {
            let ticks_lost = entry.seq_first.saturating_sub(seq);
            let what = "bytes that are no frame";
            let to_ms = entry.first.unix_ms;
            verdict.lost(Spot { from_ms: before_ms, to_ms, ticks_lost, what });
        }
        let found = contents(&mut reader, &packed.file, entry.offset, entry.end())?;
        let read = found.samples.len() as u64;
        verdict.frames += 1;
        verdict.ticks += read;
        verdict.ticks_expected += read;
        let (from_ms, to_ms) = (entry.first.unix_ms, entry.last.unix_ms);
        let open = packed.is_open_frame(at);
        if found.outcome.broken || found.damaged > 0 || (!found.outcome.whole && !open) {
            let ticks_lost = u64::from(entry.ticks).saturating_sub(read);
            let what = "a frame that does not come to its end as it was written";
            verdict.lost(Spot { from_ms, to_ms, ticks_lost, what });
        } else if !open && !packed.has_index(entry)? {
            let what = "the index of a frame; its ticks are whole";
            verdict.lost(Spot { from_ms, to_ms, ticks_lost: 0, what });
        }
        before_ms = to_ms;
        let next = entry.seq_first.saturating_add(u64::from(entry.ticks));
        expected = Some((entry.end() + IX as u64, next));
    }
    Ok(verdict)
}

/// Writes what can be read of a file into a new one: whole frames byte for byte.
pub fn repair(path: &Path, to: &Path) -> Result<io::Result<Rewritten>, ReadError> {
    let (file, _) = SessionFile::open_to_copy(path)?;
    Ok(part(&file, to, i64::MIN..=i64::MAX, "repaired: the end of the file was missing"))
}

/// Writes the groups of a session that overlap a span of the wall clock (milliseconds since the Unix
/// epoch) into a new file: whole frames byte for byte.
pub fn cut(
    file: &SessionFile,
    to: &Path,
    span: std::ops::RangeInclusive<i64>,
) -> io::Result<Rewritten> {
    part(file, to, span, "cut out of a longer session")
}

fn part(
    file: &SessionFile,
    to: &Path,
    span: std::ops::RangeInclusive<i64>,
    why: &str,
) -> io::Result<Rewritten> {
    match file.held() {
        Held::Packed(packed) => rewrite::frames(
            packed,
            to,
            |entry| entry.first.unix_ms <= *span.end() && entry.last.unix_ms >= *span.start(),
            why,
        ),
        Held::Ring(ring) => {
            let info = ring.head().map(|head| (**head).clone()).unwrap_or_default();
            let samples =
                file.samples(0, u64::MAX).filter(|sample| span.contains(&sample.stamp.unix_ms));
            let events: Vec<_> =
                ring.events().iter().filter(|one| span.contains(&one.t_ms)).cloned().collect();
            rewrite::ticks(samples, &events, info, to, why)
        }
        Held::Loaded(session) => {
            let info = session.head.as_deref().cloned().unwrap_or_default();
            let samples = session.samples().filter(|sample| span.contains(&sample.stamp.unix_ms));
            let events: Vec<_> =
                session.events.iter().filter(|event| span.contains(&event.t_ms)).cloned().collect();
            rewrite::ticks(samples, &events, info, to, why)
        }
    }
}
