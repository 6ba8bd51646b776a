//! The scroll-back of a live session: the last half hour and more, packed in memory.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{Event, Sample, Stamp};

use super::group::{Groups, Pair};
use super::head::SessionInfo;
use super::rewrite::{self, Rewritten};
use super::shelf;

/// The ticks of the last while, in the lines that a recording would have.
#[derive(Debug)]
pub struct Tape {
    groups: Groups,
    cap_bytes: usize,
    horizon: Duration,
}

impl Tape {
    /// A tape that keeps at least `horizon` and drops what is older, or anything over `cap_bytes` of
    /// memory, in groups of ten seconds. The cap wins; the group in progress is counted and kept.
    pub fn new(cap_bytes: usize, horizon: Duration) -> Self {
        Self { groups: Groups::default(), cap_bytes, horizon }
    }

    /// Takes in a tick, later than all before it.
    pub fn push(&mut self, sample: &Arc<Sample>) {
        self.groups.push(sample);
        let horizon = u64::try_from(self.horizon.as_millis()).unwrap_or(u64::MAX);
        let now = sample.stamp.mono_ms;
        while let Some(last) = self.groups.oldest_complete() {
            let old = now.saturating_sub(last.mono_ms) > horizon;
            if !old && self.groups.bytes() <= self.cap_bytes {
                break;
            }
            self.groups.forget_oldest();
        }
    }

    /// The last tick at or before a moment of `CLOCK_BOOTTIME` in milliseconds, and the one before it,
    /// where it is still held. `None` for a moment before the first tick held.
    pub fn at(&self, mono_ms: u64) -> Option<Pair> {
        self.groups.latest(|stamp| stamp.mono_ms <= mono_ms)
    }

    /// The first tick after a moment, and the one before it.
    pub fn next(&self, mono_ms: u64) -> Option<Pair> {
        shelf::next(&self.groups, mono_ms)
    }

    /// The last tick before a moment, and the one before that.
    pub fn prev(&self, mono_ms: u64) -> Option<Pair> {
        shelf::prev(&self.groups, mono_ms)
    }

    /// The first and the last tick held.
    pub fn span(&self) -> Option<(Stamp, Stamp)> {
        self.groups.span()
    }

    /// Bytes of memory that the lines take; what is unpacked to be looked at is not counted.
    pub fn bytes(&self) -> usize {
        self.groups.bytes()
    }

    /// Ticks held.
    pub fn ticks(&self) -> usize {
        self.groups.ticks()
    }

    /// All ticks held, oldest first.
    pub fn samples(&self) -> impl Iterator<Item = Arc<Sample>> + '_ {
        self.groups.samples()
    }

    /// The ticks held now, to be saved while the tape goes on.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { groups: self.groups.snapshot() }
    }
}

/// What a tape held at one moment.
#[derive(Debug)]
pub struct Snapshot {
    groups: Groups,
}

impl Snapshot {
    /// Writes it as a session, with the events among its ticks, into a new file. Takes as long as it
    /// takes to read and to pack every tick.
    pub fn save(&self, info: SessionInfo, events: &[Event], to: &Path) -> io::Result<Rewritten> {
        rewrite::ticks(self.groups.samples(), events, info, to, "saved from the screen's memory")
    }
}
