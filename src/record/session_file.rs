//! A recording as it lies on disk: any moment of it, without all of it in memory.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use crate::model::{Event, Sample, Stamp};

use super::container::entry::Entry;
use super::container::packed::{MAX_ENTRIES, MAX_ENTRIES_COPIED, Packed, is_ours};
use super::decode::End;
use super::group::Pair;
use super::head::SessionInfo;
use super::read::{self, Health, ReadError, Session, open_file};
use super::ring::Timeline;
use super::series::{Extent, Series};
use super::shelf;

/// A recording that can be looked at, at any moment of it. Times are of its own monotonic clock.
#[derive(Debug)]
pub struct SessionFile {
    held: Held,
}

/// Where the ticks are.
#[derive(Debug)]
pub(super) enum Held {
    /// In a file of ours: a group is read when it is looked at.
    Packed(Box<Packed>),
    /// In memory, as they came in a stream or in a file that others packed.
    Loaded(Box<Session>),
    /// In the files of a flight ring, one behind the other.
    Ring(Box<Timeline>),
}

/// Does the same with either.
macro_rules! either {
    ($held:expr, $packed:ident => $of_packed:expr, $loaded:ident => $of_loaded:expr) => {
        match $held {
            Held::Packed($packed) => $of_packed,
            Held::Ring($packed) => $of_packed,
            Held::Loaded($loaded) => $of_loaded,
        }
    };
}

impl SessionFile {
    /// Opens a recording, packed or plain, finished, cut off or still growing, and says what of it
    /// cannot be read as far as that is known without reading all of it.
    pub fn open(path: &Path) -> Result<(Self, Health), ReadError> {
        Self::open_up_to(path, MAX_ENTRIES)
    }

    /// Opens a recording of any length, to copy a part of it: its index may take much memory.
    pub fn open_to_copy(path: &Path) -> Result<(Self, Health), ReadError> {
        Self::open_up_to(path, MAX_ENTRIES_COPIED)
    }

    fn open_up_to(path: &Path, most: usize) -> Result<(Self, Health), ReadError> {
        let (name, file) = open_file(path)?;
        let ours = is_ours(&file).map_err(|source| ReadError::Io { file: name.clone(), source })?;
        let held = if ours {
            Held::Packed(Box::new(Packed::open(&name, file, most)?))
        } else {
            Held::Loaded(Box::new(read::read(&name, file)?))
        };
        let this = Self { held };
        let health = this.health();
        Ok((this, health))
    }

    /// Opens the segments of a flight ring that overlap a span of the wall clock (milliseconds since
    /// the Unix epoch) as one session. Its monotonic clock is made to go on over pauses and boots.
    pub fn of_ring(folder: &Path, span: RangeInclusive<i64>) -> Result<(Self, Health), ReadError> {
        let this = Self { held: Held::Ring(Box::new(Timeline::open(folder, &span)?)) };
        let health = this.health();
        Ok((this, health))
    }

    /// A session that is in memory already.
    pub fn of(session: Session) -> Self {
        Self { held: Held::Loaded(Box::new(session)) }
    }

    /// Where its ticks are.
    pub(super) const fn held(&self) -> &Held {
        &self.held
    }

    /// What the session is; `None` where its head is damaged or missing.
    pub fn head(&self) -> Option<&Arc<SessionInfo>> {
        match &self.held {
            Held::Packed(packed) => packed.head.as_ref(),
            Held::Ring(ring) => ring.head(),
            Held::Loaded(loaded) => loaded.head.as_ref(),
        }
    }

    /// How it ended; `None` where it has no end: cut off, or still being written.
    pub fn end(&self) -> Option<&End> {
        match &self.held {
            Held::Packed(packed) => packed.end.as_ref(),
            // The ring goes on, or will.
            Held::Ring(_) => None,
            Held::Loaded(loaded) => loaded.end.as_ref(),
        }
    }

    /// The first and the last tick.
    pub fn span(&self) -> (Stamp, Stamp) {
        either!(&self.held, packed => packed.span(), loaded => loaded.span())
    }

    /// How many ticks there are, as far as is known without reading all of them.
    pub fn ticks(&self) -> u64 {
        either!(&self.held, packed => packed.ticks(), loaded => loaded.ticks() as u64)
    }

    /// What could not be read so far. Grows as damaged parts are looked at.
    pub fn health(&self) -> Health {
        either!(&self.held, packed => packed.health(), loaded => loaded.health)
    }

    /// What happened, in the order of the file: findings, marks, gaps. Of a finding each change is
    /// an event; the last with an id stands. Reads only the groups that hold an event.
    pub fn events(&self) -> Arc<Vec<Event>> {
        either!(
            &self.held,
            packed => packed.events(),
            loaded => Arc::new(loaded.events.clone())
        )
    }

    /// Bytes of the frames that overlap a span of the wall clock.
    pub(super) fn packed_bytes(&self, span: &RangeInclusive<i64>) -> u64 {
        let Held::Packed(packed) = &self.held else { return 0 };
        let overlaps = |entry: &&Entry| {
            entry.first.unix_ms <= *span.end() && entry.last.unix_ms >= *span.start()
        };
        packed.entries.iter().filter(overlaps).map(|entry| u64::from(entry.length)).sum()
    }

    /// The last tick at or before a moment, and the one before it. `None` before the first tick.
    pub fn at(&self, mono_ms: u64) -> Option<Pair> {
        either!(
            &self.held,
            packed => shelf::at(&**packed, mono_ms),
            loaded => shelf::at(&loaded.groups, mono_ms)
        )
    }

    /// The first tick after a moment, and the one before it.
    pub fn next(&self, mono_ms: u64) -> Option<Pair> {
        either!(
            &self.held,
            packed => shelf::next(&**packed, mono_ms),
            loaded => shelf::next(&loaded.groups, mono_ms)
        )
    }

    /// The last tick before a moment, and the one before that.
    pub fn prev(&self, mono_ms: u64) -> Option<Pair> {
        either!(
            &self.held,
            packed => shelf::prev(&**packed, mono_ms),
            loaded => shelf::prev(&loaded.groups, mono_ms)
        )
    }

    /// The last tick at or before a moment of the wall clock, in milliseconds since the Unix epoch,
    /// by the monotonic clock: where to go for a time of day. The first tick's for one before it.
    pub fn mono_at(&self, unix_ms: i64) -> u64 {
        either!(
            &self.held,
            packed => shelf::mono_at(&**packed, unix_ms),
            loaded => shelf::mono_at(&loaded.groups, unix_ms)
        )
    }

    /// The ticks of a span, both ends included, in order. Holds one group at a time.
    pub fn samples(&self, from_ms: u64, to_ms: u64) -> Box<dyn Iterator<Item = Arc<Sample>> + '_> {
        either!(
            &self.held,
            packed => Box::new(shelf::samples(&**packed, from_ms, to_ms)),
            loaded => Box::new(shelf::samples(&loaded.groups, from_ms, to_ms))
        )
    }

    /// For each series, what it was over a span in `parts` equal parts, oldest first: from the
    /// index where there is one. `None` where nothing is known of a part.
    pub fn overview(
        &self,
        series: &[Series],
        from_ms: u64,
        to_ms: u64,
        parts: usize,
    ) -> Vec<Vec<Option<Extent>>> {
        either!(
            &self.held,
            packed => shelf::overview(&**packed, series, from_ms, to_ms, parts),
            loaded => shelf::overview(&loaded.groups, series, from_ms, to_ms, parts)
        )
    }

    /// Whether a writer holds the file, so that there may be more of it.
    pub fn is_growing(&self) -> bool {
        matches!(&self.held, Held::Packed(packed) if packed.is_growing())
    }

    /// Looks whether the file has grown. True where there are ticks or an end that were not there
    /// before. A file that was shrunk or replaced is left as it was read.
    pub fn follow(&mut self) -> std::io::Result<bool> {
        match &mut self.held {
            Held::Packed(packed) => packed.follow(),
            Held::Ring(_) | Held::Loaded(_) => Ok(false),
        }
    }
}
