//! The segments of a ring as one session: over boots and pauses, on one clock that only goes on.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::model::{Event, EventKind, Sample, Stamp};
use crate::record::container::entry::Entry;
use crate::record::container::packed::{MAX_ENTRIES, Packed};
use crate::record::head::SessionInfo;
use crate::record::read::{Health, ReadError, open_file};
use crate::record::shelf::Shelf;

use super::Folder;

/// Segments that are opened at most: two weeks of hours.
const MAX_SEGMENTS: usize = 400;
/// No segment.
const NOWHERE: usize = usize::MAX;

/// A segment and its place on the common clock.
#[derive(Debug)]
struct Part {
    packed: Packed,
    /// What is added to its monotonic clock.
    shift_ms: i64,
    /// Groups before its own.
    before: usize,
    /// Which run of mltop wrote it, counted from 0.
    run: u64,
}

/// A ring, or a span of it.
#[derive(Debug)]
pub(in crate::record) struct Timeline {
    parts: Vec<Part>,
    groups: usize,
    /// Segments that cannot be used at all.
    unusable: u64,
    /// The segment that was looked at last, and keeps what it unpacked.
    looked: AtomicUsize,
}

impl Timeline {
    /// Opens the segments of a ring that overlap a span of the wall clock (milliseconds since the
    /// Unix epoch).
    pub(in crate::record) fn open(
        folder: &Path,
        span: &RangeInclusive<i64>,
    ) -> Result<Self, ReadError> {
        let name = folder.display().to_string();
        let failed = |source| ReadError::Io { file: name.clone(), source };
        let segments = Folder::at(folder).segments().map_err(|source| {
            if source.kind() == std::io::ErrorKind::NotFound {
                ReadError::NoRing { folder: name.clone() }
            } else {
                failed(source)
            }
        })?;
        let looked = AtomicUsize::new(NOWHERE);
        let mut this = Self { parts: Vec::new(), groups: 0, unusable: 0, looked };
        for segment in segments.iter().rev() {
            if this.parts.len() >= MAX_SEGMENTS {
                break;
            }
            let opened = open_file(&segment.path)
                .and_then(|(name, file)| Packed::open(&name, file, MAX_ENTRIES));
            let Ok(packed) = opened else {
                this.unusable += 1;
                continue;
            };
            packed.release();
            let (first, last) = packed.span();
            if first.unix_ms <= *span.end() && last.unix_ms >= *span.start() {
                this.parts.push(Part { packed, shift_ms: 0, before: 0, run: 0 });
            }
        }
        this.parts.reverse();
        this.place();
        if this.parts.is_empty() {
            return Err(ReadError::NoRing { folder: name });
        }
        Ok(this)
    }

    /// Puts the segments one behind the other.
    fn place(&mut self) {
        let mut before: Option<(Stamp, i64, Option<Arc<SessionInfo>>, u64)> = None;
        for part in &mut self.parts {
            let (first, last) = part.packed.span();
            let head = part.packed.head.clone();
            if let Some((last_before, shift, head_before, run)) = before {
                let boot = |head: &Option<Arc<SessionInfo>>| {
                    head.as_ref().map(|head| head.host.boot_id.clone())
                };
                let session = |head: &Option<Arc<SessionInfo>>| {
                    head.as_ref().map(|head| head.session.clone())
                };
                let goes_on =
                    boot(&head_before) == boot(&head) && first.mono_ms >= last_before.mono_ms;
                let pause = first.unix_ms.saturating_sub(last_before.unix_ms).max(1000);
                let at = shifted(last_before, shift).mono_ms.saturating_add_signed(pause);
                // Clocks of different boots have nothing to do with one another.
                part.shift_ms =
                    if goes_on { shift } else { (at as i64).wrapping_sub(first.mono_ms as i64) };
                part.run = run + u64::from(session(&head_before) != session(&head));
            }
            part.before = self.groups;
            self.groups += part.packed.entries.len();
            before = Some((last, part.shift_ms, head, part.run));
        }
    }

    fn part(&self, index: usize) -> Option<(usize, &Part)> {
        let at = self.parts.partition_point(|part| part.before <= index).checked_sub(1)?;
        self.parts.get(at).map(|part| (at, part))
    }

    /// What the newest segment says of the session.
    pub(in crate::record) fn head(&self) -> Option<&Arc<SessionInfo>> {
        self.parts.last().and_then(|part| part.packed.head.as_ref())
    }

    /// The first and the last tick.
    pub(in crate::record) fn span(&self) -> (Stamp, Stamp) {
        let first = self.bounds(0).map(|(first, _)| first).unwrap_or_default();
        let last = self.bounds(self.groups.saturating_sub(1)).map(|(_, last)| last);
        (first, last.unwrap_or_default())
    }

    /// Ticks, by the index.
    pub(in crate::record) fn ticks(&self) -> u64 {
        self.parts.iter().map(|part| part.packed.ticks()).sum()
    }

    /// What could not be read so far.
    pub(in crate::record) fn health(&self) -> Health {
        let mut sum = Health { frames_damaged: self.unusable, ..Health::default() };
        for (at, part) in self.parts.iter().enumerate() {
            let health = part.packed.health();
            sum.lines_read += health.lines_read;
            sum.lines_damaged += health.lines_damaged;
            sum.frames_damaged += health.frames_damaged;
            sum.first_damage_ms = sum.first_damage_ms.or(health.first_damage_ms);
            // A segment in the middle that was cut off has a gap behind it, which is told.
            sum.truncated |= health.truncated && at + 1 == self.parts.len();
        }
        sum
    }

    /// All events. Findings keep their number within one run of mltop, others within a segment: the
    /// numbers are made to differ between them.
    pub(in crate::record) fn events(&self) -> Arc<Vec<Event>> {
        let mut all = Vec::new();
        for (at, part) in self.parts.iter().enumerate() {
            for event in part.packed.events().iter() {
                let scope = if event.kind == EventKind::Finding { part.run } else { at as u64 };
                all.push(Event { id: event.id | scope << 32, ..event.clone() });
            }
            part.packed.release();
        }
        Arc::new(all)
    }
}

impl Shelf for Timeline {
    fn len(&self) -> usize {
        self.groups
    }

    fn bounds(&self, index: usize) -> Option<(Stamp, Stamp)> {
        let (_, part) = self.part(index)?;
        let (first, last) = part.packed.bounds(index - part.before)?;
        Some((shifted(first, part.shift_ms), shifted(last, part.shift_ms)))
    }

    fn unpacked(&self, index: usize) -> Vec<Arc<Sample>> {
        let Some((at, part)) = self.part(index) else { return Vec::new() };
        let before = self.looked.swap(at, Ordering::Relaxed);
        if before != at
            && let Some(other) = self.parts.get(before)
        {
            other.packed.release();
        }
        let mut samples = part.packed.unpacked(index - part.before);
        if part.shift_ms != 0 {
            for sample in &mut samples {
                let stamp = shifted(sample.stamp, part.shift_ms);
                *sample = Arc::new(Sample { stamp, ..(**sample).clone() });
            }
        }
        samples
    }

    fn entry(&self, index: usize) -> Option<&Entry> {
        let (_, part) = self.part(index)?;
        part.packed.entry(index - part.before)
    }
}

const fn shifted(stamp: Stamp, by_ms: i64) -> Stamp {
    Stamp { unix_ms: stamp.unix_ms, mono_ms: stamp.mono_ms.saturating_add_signed(by_ms) }
}
