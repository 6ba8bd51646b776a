//! Sessions made of sessions: parts cut out, damage left out, what was in memory saved.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::derive;
use crate::model::{Event, EventKind, Sample};

use super::container::contents::{Contents, contents};
use super::container::entry::Entry;
use super::container::frame::FrameReader;
use super::container::pack::Packer;
use super::container::packed::Packed;
use super::container::read_at;
use super::decode::End;
use super::head::SessionInfo;
use super::writer::disk::{Disk, OpenFile};

/// Bytes of a frame that are copied at most: one of ours is a quarter of it at worst.
const MAX_FRAME: u64 = 16 << 20;
const PIECE: usize = 64 << 10;

/// What a rewritten session came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewritten {
    /// Ticks in it.
    pub ticks: u64,
    /// Bytes of the new file.
    pub bytes: u64,
}

/// A new file that is filled from old ticks.
struct Rewriter {
    disk: OpenFile,
    packer: Packer,
    before: Option<Arc<Sample>>,
    next_id: u64,
    /// Ticks that are lost and not told of yet.
    lost: u64,
}

impl Rewriter {
    fn create(path: &Path, info: SessionInfo) -> io::Result<Self> {
        let disk = OpenFile::create(path, Some(0))?;
        Ok(Self { disk, packer: Packer::new(info)?, before: None, next_id: 1, lost: 0 })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.disk.append(self.packer.bytes())?;
        self.packer.take();
        Ok(())
    }

    fn tick(&mut self, sample: &Arc<Sample>) -> io::Result<()> {
        let frame = derive::frame(self.before.as_deref(), Arc::clone(sample));
        self.before = Some(Arc::clone(sample));
        self.packer.tick(&frame)?;
        self.flush()
    }

    /// What can be read of a frame, in a new one, and the gap that the rest leaves. Where nothing can
    /// be read the gap is told with the next frame: an event needs a tick beside it to be found.
    fn rest_of(&mut self, found: &Contents, lost: u64) -> io::Result<()> {
        for sample in &found.samples {
            self.tick(sample)?;
            self.tell_gap()?;
        }
        for event in &found.events {
            self.packer.event(event)?;
        }
        self.lost += lost;
        if !found.samples.is_empty() {
            self.tell_gap()?;
        }
        self.packer.close_frame()?;
        self.flush()
    }

    fn tell_gap(&mut self) -> io::Result<()> {
        let lost = std::mem::take(&mut self.lost);
        let at = self.before.as_ref().map_or(0, |sample| sample.stamp.unix_ms);
        if lost > 0 {
            let title = format!("the file was damaged: {lost} ticks are lost");
            let gap = Event::of(EventKind::Gap, at, at, title);
            self.packer.event(&Event { id: self.next_id, ..gap })?;
            self.next_id += 1;
        }
        Ok(())
    }

    /// Ends the file; `told` says that its end line was copied already.
    fn end(mut self, end: &End, told: bool) -> io::Result<Rewritten> {
        if !told {
            self.packer.end(end.t_ms, &end.reason)?;
        }
        self.packer.close_frame()?;
        self.flush()?;
        self.packer.table(self.disk.file(), end)?;
        self.flush()?;
        self.disk.sync()?;
        Ok(Rewritten { ticks: self.packer.ticks(), bytes: self.packer.at() })
    }
}

/// The bytes of a frame; `None` where they are more than a frame may have or end early.
fn bytes_of(file: &File, entry: &Entry) -> io::Result<Option<Vec<u8>>> {
    let length = u64::from(entry.length);
    if length > MAX_FRAME {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let mut piece = vec![0; PIECE];
    while (bytes.len() as u64) < length {
        let room = (length - bytes.len() as u64).min(PIECE as u64) as usize;
        let into = piece.get_mut(..room).unwrap_or_default();
        let read = read_at(file, into, entry.offset + bytes.len() as u64)?;
        if read.is_empty() {
            return Ok(None);
        }
        bytes.extend(read);
    }
    Ok(Some(bytes))
}

/// Writes the frames of a file that overlap a span of the wall clock into a new file: whole ones byte
/// for byte, of damaged ones what can be read.
pub(super) fn frames(
    from: &Packed,
    to: &Path,
    wanted: impl Fn(&Entry) -> bool,
    why: &str,
) -> io::Result<Rewritten> {
    let info = from.head.as_deref().cloned().unwrap_or_default();
    let mut entries = from.entries.iter().filter(|entry| wanted(entry)).peekable();
    // Before the file is made, which would be left empty.
    entries.peek().ok_or_else(no_tick)?;
    let mut new = Rewriter::create(to, info)?;
    let mut reader = FrameReader::new()?;
    let mut last: Option<(End, bool)> = None;
    for entry in entries {
        let found = contents(&mut reader, &from.file, entry.offset, entry.end())?;
        let read = found.samples.len() as u64;
        let whole = found.is_whole() && read == u64::from(entry.ticks);
        let copied = whole && new.lost == 0;
        match bytes_of(&from.file, entry)?.filter(|_| copied) {
            Some(bytes) => {
                new.packer.copy(&bytes, entry)?;
                new.flush()?;
                new.before = found.samples.last().cloned();
            }
            None => new.rest_of(&found, u64::from(entry.ticks).saturating_sub(read))?,
        }
        let told = found.end.is_some() && copied;
        let end =
            found.end.unwrap_or_else(|| End { t_ms: entry.last.unix_ms, reason: why.to_owned() });
        last = Some((end, told));
    }
    let (end, told) = last.ok_or_else(no_tick)?;
    new.end(&end, told)
}

fn no_tick() -> io::Error {
    io::Error::other("no tick lies in that span")
}

/// Writes ticks that are in memory into a new file, with the events among them.
pub(super) fn ticks(
    samples: impl Iterator<Item = Arc<Sample>>,
    events: &[Event],
    info: SessionInfo,
    to: &Path,
    why: &str,
) -> io::Result<Rewritten> {
    let mut samples = samples.peekable();
    samples.peek().ok_or_else(no_tick)?;
    let mut new = Rewriter::create(to, info)?;
    let mut events = events.iter().peekable();
    let mut last_ms = 0;
    for sample in samples {
        new.tick(&sample)?;
        last_ms = sample.stamp.unix_ms;
        while let Some(event) = events.next_if(|event| event.t_ms <= last_ms) {
            new.packer.event(event)?;
        }
    }
    new.end(&End { t_ms: last_ms, reason: why.to_owned() }, false)
}
