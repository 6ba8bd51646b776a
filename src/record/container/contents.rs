//! What a frame holds, as far as it can be read, and never more than a frame may hold.

use std::fs::File;
use std::io;
use std::sync::Arc;

use crate::derive;
use crate::model::{Event, Sample};
use crate::record::decode::{Decoder, End, Item};
use crate::record::encode::rows;
use crate::record::head::SessionInfo;
use crate::record::line::{Damage, MAX_ROWS, objects};
use crate::record::read::{MAX_EVENT_BYTES, OBJECT_BYTES};

use super::entry::{Entry, Tally};
use super::frame::{FrameReader, Outcome};

/// Lines of a frame that are read at most; a writer of ours never comes to a quarter of it.
const MAX_LINES: u64 = 131_072;
/// A tick of so many rows leaves no room for one like it.
const WIDE: usize = MAX_ROWS / 4;

/// What was found in a frame.
#[derive(Debug, Default)]
pub(in crate::record) struct Contents {
    pub(in crate::record) samples: Vec<Arc<Sample>>,
    pub(in crate::record) events: Vec<Event>,
    pub(in crate::record) head: Option<Arc<SessionInfo>>,
    pub(in crate::record) end: Option<End>,
    pub(in crate::record) lines: u64,
    pub(in crate::record) damaged: u64,
    pub(in crate::record) outcome: Outcome,
    /// There is more in it than a frame may hold; the rest was not read.
    overfull: bool,
    /// What events may still take.
    pub(super) room_for_events: usize,
    /// Written for a newer reader, and the version that it asks for.
    pub(in crate::record) newer: Option<u32>,
}

impl Contents {
    /// Whether every byte of it is as it was written.
    pub(in crate::record) const fn is_whole(&self) -> bool {
        self.outcome.whole && self.damaged == 0
    }
}

/// Reads everything in the frame at `from`, up to what a frame may hold.
pub(in crate::record) fn contents(
    reader: &mut FrameReader,
    file: &File,
    from: u64,
    to: u64,
) -> io::Result<Contents> {
    let mut found = Contents::default();
    let mut decoder = Decoder::new();
    let mut room = Room { rows: MAX_ROWS, event_bytes: MAX_EVENT_BYTES };
    found.outcome = reader.read(file, from, to, |line| {
        found.lines += 1;
        match decoder.line(line) {
            Ok(Some(Item::Sample(sample))) => match room.tick(&sample, found.samples.last()) {
                Some(true) => {
                    // To read one more only to find that there is no room would take the room.
                    let takes = rows(&sample);
                    found.overfull = takes > WIDE && room.rows < takes / 2;
                    found.samples.push(sample);
                }
                Some(false) => found.damaged += 1,
                None => found.overfull = true,
            },
            Ok(Some(Item::Event(event))) => {
                if room.event(line) {
                    found.events.push(event);
                } else {
                    found.overfull = true;
                }
            }
            Ok(Some(Item::Head(head))) => found.head = Some(head),
            Ok(Some(Item::End(end))) => found.end = Some(end),
            Ok(None) => {}
            Err(Damage::Newer { needs }) => found.newer = Some(needs),
            Err(_) => found.damaged += 1,
        }
        found.overfull |= found.lines >= MAX_LINES;
        !found.overfull && found.newer.is_none()
    })?;
    found.damaged += found.outcome.too_long + u64::from(found.overfull);
    found.room_for_events = room.event_bytes;
    Ok(found)
}

/// What a frame may still make of memory.
struct Room {
    rows: usize,
    event_bytes: usize,
}

impl Room {
    /// Whether a tick follows the one before it; `None` where there is no room for it.
    fn tick(&mut self, sample: &Arc<Sample>, before: Option<&Arc<Sample>>) -> Option<bool> {
        // One more for the tick itself: a frame of empty ticks is bounded too.
        let mut takes = rows(sample) + 1;
        if before.is_none_or(|before| !Arc::ptr_eq(&before.inventory, &sample.inventory)) {
            takes += sample.inventory.procs.len();
        }
        self.rows = self.rows.checked_sub(takes)?;
        Some(before.is_none_or(|before| {
            sample.seq > before.seq && sample.stamp.mono_ms >= before.stamp.mono_ms
        }))
    }

    /// Whether there is room for the event of this line.
    fn event(&mut self, line: &[u8]) -> bool {
        let objects = objects(line).unwrap_or(line.len());
        let takes = line.len() + objects * OBJECT_BYTES + size_of::<Event>();
        match self.event_bytes.checked_sub(takes) {
            Some(left) => {
                self.event_bytes = left;
                true
            }
            None => false,
        }
    }
}

/// The entry that a frame would have had.
pub(super) fn entry_of(found: &Contents, from: u64) -> Option<Entry> {
    let mut tally = Tally::default();
    let mut before: Option<&Arc<Sample>> = None;
    for sample in &found.samples {
        tally.tick(&derive::frame(before.map(|sample| &**sample), Arc::clone(sample)));
        before = Some(sample);
    }
    found.events.iter().for_each(|event| tally.event(event));
    let length = found.outcome.end.saturating_sub(from).min(u64::from(u32::MAX));
    tally.entry(from, length as u32)
}
