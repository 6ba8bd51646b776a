//! A packed file as groups that are unpacked one by one. Of the file itself only the index is in
//! memory, and the few groups that were looked at last.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{FlockOperation, flock};

use crate::model::{Event, Sample, Stamp};
use crate::record::decode::End;
use crate::record::encode::rows;
use crate::record::head::SessionInfo;
use crate::record::line::{FORMAT, VERSION};
use crate::record::read::{Health, MAX_EVENT_BYTES, ReadError};
use crate::record::shelf::Shelf;

use super::contents::{Contents, contents, entry_of};
use super::entry::{Entry, IX};
use super::frame::FrameReader;
use super::{FRAME_MAGIC, FileHead, HEAD_TAG, SKIP_HEAD, find, read_at, skippable};

/// Groups in the index of a file that is looked at: 15 days at ten seconds each, 23 MB of memory.
pub(in crate::record) const MAX_ENTRIES: usize = 131_072;
/// Groups in the index of a file of which a part is copied: five years.
pub(in crate::record) const MAX_ENTRIES_COPIED: usize = 16 << 20;
/// Groups that stay unpacked, and rows in them: 32 groups of a box with 8 GPUs are a third of it.
const UNPACKED: usize = 32;
const UNPACKED_ROWS: usize = 65_536;
/// What the text of HEAD may take.
const MAX_HEAD: usize = 64 << 10;
/// Text without a tick in it, after which the search for frames ends: no writer makes such a file.
const MAX_BARREN: u64 = 192 << 20;
/// What a frame without a tick counts for at least: so much of the file is read to find that out.
const LEAST_BARREN: u64 = 64 << 10;
/// Events of a session that are held at most.
const MAX_EVENTS: usize = 32_768;

/// A group while it is unpacked.
#[derive(Debug)]
struct Unpacked {
    offset: u64,
    ticks: u32,
    samples: Vec<Arc<Sample>>,
    rows: usize,
}

/// What looking at groups needs and leaves behind.
#[derive(Debug)]
struct Looking {
    /// Made when it is needed.
    reader: Option<FrameReader>,
    unpacked: Vec<Unpacked>,
    health: Health,
    /// Groups whose lines and damage have been counted.
    counted: HashSet<u64>,
    events: Option<Arc<Vec<Event>>>,
}

impl Looking {
    fn contents(&mut self, file: &File, from: u64, to: u64) -> io::Result<Contents> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => none.insert(FrameReader::new()?),
        };
        contents(reader, file, from, to)
    }
}

/// A file of ours.
#[derive(Debug)]
pub(in crate::record) struct Packed {
    pub(in crate::record) file: File,
    pub(in crate::record) head: Option<Arc<SessionInfo>>,
    pub(in crate::record) end: Option<End>,
    pub(in crate::record) entries: Vec<Entry>,
    /// Entries before this one are in the file's own index; those behind it were found by reading.
    settled: usize,
    /// Where the part that is not indexed begins.
    tail: u64,
    /// Where the first frame with ticks should begin.
    begin: u64,
    length: u64,
    most: usize,
    closed: bool,
    looking: Mutex<Looking>,
}

/// Whether a file is one of ours, by its first or its last bytes.
pub(in crate::record) fn is_ours(file: &File) -> io::Result<bool> {
    let mut bytes = [0; 16];
    let first = read_at(file, &mut bytes, 0)?;
    if matches!(skippable(first), Some((HEAD_TAG, _))) {
        return Ok(true);
    }
    if first.starts_with(b"{\"k\":") || first.starts_with(&FRAME_MAGIC) {
        return Ok(false);
    }
    // Its first bytes may be the damaged ones.
    find::has_index(file, file.metadata()?.len())
}

impl Packed {
    /// Reads the index of a file, and what lies beside it.
    ///
    /// Refuses one of `most` groups.
    pub(in crate::record) fn open(name: &str, file: File, most: usize) -> Result<Self, ReadError> {
        let failed = |source| ReadError::Io { file: name.to_owned(), source };
        let looking = Looking {
            reader: None,
            unpacked: Vec::new(),
            health: Health::default(),
            counted: HashSet::new(),
            events: None,
        };
        let length = file.metadata().map_err(failed)?.len();
        let mut this = Self {
            file,
            head: None,
            end: None,
            entries: Vec::new(),
            settled: 0,
            tail: 0,
            begin: 0,
            length,
            most,
            closed: false,
            looking: Mutex::new(looking),
        };
        let needs = this.read_head().map_err(failed)?;
        let needs = match needs {
            Some(needs) => Some(needs),
            None => this.index().map_err(failed)?,
        };
        if let Some(needs) = needs {
            return Err(ReadError::Newer { file: name.to_owned(), needs });
        }
        if this.entries.len() >= most {
            return Err(ReadError::TooLong { file: name.to_owned() });
        }
        if this.entries.is_empty() {
            let Health { lines_damaged: damaged, lines_read: lines, .. } = this.health();
            return Err(ReadError::NoTicks { file: name.to_owned(), damaged, lines });
        }
        Ok(this)
    }

    /// HEAD, and the head line behind it. The version of the reader that it asks for, where this
    /// one is too old.
    fn read_head(&mut self) -> io::Result<Option<u32>> {
        let mut bytes = [0; SKIP_HEAD];
        let Some((HEAD_TAG, body)) = skippable(read_at(&self.file, &mut bytes, 0)?) else {
            return Ok(None);
        };
        let mut text = vec![0; body.min(MAX_HEAD)];
        let text = read_at(&self.file, &mut text, SKIP_HEAD as u64)?;
        if let Ok(head) = serde_json::from_slice::<FileHead>(text)
            && &*head.format == FORMAT
            && head.min_reader_v > VERSION
        {
            return Ok(Some(head.min_reader_v));
        }
        let from = (SKIP_HEAD + body) as u64;
        let found = self.looking().contents(&self.file, from, self.length)?;
        if found.samples.is_empty() && found.outcome.whole {
            self.tail = found.outcome.end;
            self.begin = self.tail;
        }
        self.head = found.head;
        Ok(found.newer)
    }

    /// Finds all frames.
    fn index(&mut self) -> io::Result<Option<u32>> {
        if let Some(table) = find::table(&self.file, self.length, self.most)? {
            self.entries = in_order(table.entries, table.offset);
            self.end = table.summary.end;
            self.closed = true;
            self.settled = self.entries.len();
            self.tail = table.offset;
            return Ok(None);
        }
        let known = find::entries(&self.file, self.length, self.most)?;
        let mut from = self.tail;
        for entry in in_order(known, self.length) {
            // What lies between two entries has lost its own.
            if entry.offset > from {
                let newer = self.walk(from, entry.offset)?;
                if newer.is_some() {
                    return Ok(newer);
                }
            }
            from = entry.end() + IX as u64;
            self.push(entry);
        }
        self.settled = self.entries.len();
        self.tail = from;
        let newer = self.walk(from, self.length)?;
        // Closed well, it would have a table.
        self.looking().health.truncated = true;
        Ok(newer)
    }

    /// Reads a part of the file that has no index, frame by frame.
    fn walk(&mut self, from: u64, to: u64) -> io::Result<Option<u32>> {
        let mut at = from;
        let mut barren = 0;
        while let Some(start) = find::search_frame(&self.file, at, to)? {
            if self.entries.len() >= self.most || barren > MAX_BARREN {
                break;
            }
            if find::index_at(&self.file, start)?.is_some() {
                at = start + IX as u64;
                continue;
            }
            let found = self.looking().contents(&self.file, start, to)?;
            if found.newer.is_some() {
                return Ok(found.newer);
            }
            at = if found.outcome.whole { found.outcome.end } else { start + 4 };
            let Some(entry) = entry_of(&found, start) else {
                barren += found.outcome.text.max(LEAST_BARREN);
                self.keep_head_and_end(&found);
                continue;
            };
            at = at.max(found.outcome.end.min(to));
            self.keep_head_and_end(&found);
            self.count(&found, start);
            self.push(entry);
        }
        Ok(None)
    }

    fn keep_head_and_end(&mut self, found: &Contents) {
        if self.head.is_none() {
            self.head.clone_from(&found.head);
        }
        if found.end.is_some() {
            self.end.clone_from(&found.end);
        }
    }

    /// Adds an entry, where it comes after all others.
    fn push(&mut self, entry: Entry) {
        if self.entries.last().is_none_or(|last| follows(last, &entry)) {
            self.entries.push(entry);
        } else {
            self.looking().health.frames_damaged += 1;
        }
    }

    /// What could not be read so far.
    pub(in crate::record) fn health(&self) -> Health {
        self.looking().health
    }

    fn looking(&self) -> std::sync::MutexGuard<'_, Looking> {
        // What a panic elsewhere left behind is at worst a group that is not kept.
        self.looking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, found: &Contents, offset: u64) {
        let mut looking = self.looking();
        count(&mut looking, found, offset);
    }

    /// The first and the last tick.
    pub(in crate::record) fn span(&self) -> (Stamp, Stamp) {
        let first = self.entries.first().map(|entry| entry.first).unwrap_or_default();
        let last = self.entries.last().map(|entry| entry.last).unwrap_or_default();
        (first, last)
    }

    /// Ticks, by the index.
    pub(in crate::record) fn ticks(&self) -> u64 {
        self.entries.iter().map(|entry| u64::from(entry.ticks)).sum()
    }

    /// All events, from the frames that hold one.
    pub(in crate::record) fn events(&self) -> Arc<Vec<Event>> {
        if let Some(events) = &self.looking().events {
            return Arc::clone(events);
        }
        let mut events = Vec::new();
        let mut bytes = 0;
        for entry in self.entries.iter().filter(|entry| entry.has_events()) {
            if events.len() >= MAX_EVENTS || bytes >= MAX_EVENT_BYTES {
                break;
            }
            let looking = &mut *self.looking();
            if let Ok(found) = looking.contents(&self.file, entry.offset, entry.end()) {
                count(looking, &found, entry.offset);
                bytes += MAX_EVENT_BYTES - found.room_for_events;
                events.extend(found.events);
            }
        }
        let events = Arc::new(events);
        self.looking().events = Some(Arc::clone(&events));
        events
    }

    /// Forgets what was unpacked: only the index stays in memory.
    pub(in crate::record) fn release(&self) {
        let mut looking = self.looking();
        looking.reader = None;
        looking.unpacked = Vec::new();
    }

    /// Whether the file was closed well.
    pub(in crate::record) const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Where the first frame with ticks should begin.
    pub(in crate::record) const fn begin(&self) -> u64 {
        self.begin
    }

    /// Whether a frame is the last of a file that was not closed, so that it may lack its end.
    pub(in crate::record) const fn is_open_frame(&self, index: usize) -> bool {
        !self.closed && index + 1 == self.entries.len()
    }

    /// Whether the index behind a frame is whole.
    pub(in crate::record) fn has_index(&self, entry: &Entry) -> io::Result<bool> {
        Ok(find::index_at(&self.file, entry.end())?.is_some_and(|(found, _)| found == *entry))
    }

    /// Whether some writer still holds the file.
    pub(in crate::record) fn is_growing(&self) -> bool {
        match flock(self.file.as_fd(), FlockOperation::NonBlockingLockShared) {
            Ok(()) => {
                let _ = flock(self.file.as_fd(), FlockOperation::Unlock);
                false
            }
            Err(error) => error == rustix::io::Errno::WOULDBLOCK,
        }
    }

    /// Reads what was appended. True where there is anything new.
    pub(in crate::record) fn follow(&mut self) -> io::Result<bool> {
        let length = self.file.metadata()?.len();
        if self.closed || length <= self.length {
            return Ok(false);
        }
        let ticks = self.ticks();
        self.length = length;
        self.entries.truncate(self.settled);
        self.looking().events = None;
        // A frame that has its index now is settled for good.
        let mut at = self.tail;
        while let Some(start) = find::search_frame(&self.file, at, length)? {
            let found = self.looking().contents(&self.file, start, length)?;
            let entry = match find::index_at(&self.file, found.outcome.end)? {
                Some((entry, _)) if found.outcome.whole => Some(entry),
                _ => None,
            };
            self.keep_head_and_end(&found);
            if let Some(entry) = entry {
                at = entry.end() + IX as u64;
                self.push(entry);
                self.settled = self.entries.len();
                self.tail = at;
            } else {
                if let Some(entry) = entry_of(&found, start) {
                    self.push(entry);
                }
                at = if found.outcome.whole { found.outcome.end } else { length };
            }
        }
        if find::table(&self.file, length, self.most)?.is_some() {
            self.closed = true;
            self.looking().health.truncated = false;
        }
        Ok(self.ticks() != ticks || self.closed)
    }
}

/// Counts what a frame could not give, once.
fn count(looking: &mut Looking, found: &Contents, offset: u64) {
    if looking.counted.len() >= MAX_ENTRIES || !looking.counted.insert(offset) {
        return;
    }
    let health = &mut looking.health;
    health.lines_read += found.lines;
    if !found.outcome.broken && found.damaged == 0 {
        return;
    }
    health.lines_damaged += found.damaged;
    health.frames_damaged += u64::from(found.outcome.broken);
    let at = found.samples.last().map(|sample| sample.stamp.unix_ms);
    health.first_damage_ms = match (health.first_damage_ms, at) {
        (Some(known), Some(at)) => Some(known.min(at)),
        (known, at) => known.or(at),
    };
}

fn follows(last: &Entry, next: &Entry) -> bool {
    next.offset >= last.end()
        && next.first.mono_ms >= last.last.mono_ms
        && next.seq_first >= last.seq_first.saturating_add(u64::from(last.ticks))
}

/// The entries that follow one another within the file.
fn in_order(entries: Vec<Entry>, end: u64) -> Vec<Entry> {
    let mut kept: Vec<Entry> = Vec::with_capacity(entries.len());
    for entry in entries {
        if entry.end() <= end && kept.last().is_none_or(|last| follows(last, &entry)) {
            kept.push(entry);
        }
    }
    kept
}

impl Shelf for Packed {
    fn len(&self) -> usize {
        self.entries.len()
    }

    fn bounds(&self, index: usize) -> Option<(Stamp, Stamp)> {
        self.entries.get(index).map(|entry| (entry.first, entry.last))
    }

    fn unpacked(&self, index: usize) -> Vec<Arc<Sample>> {
        let Some(entry) = self.entries.get(index) else { return Vec::new() };
        let looking = &mut *self.looking();
        let known = looking
            .unpacked
            .iter()
            .position(|one| one.offset == entry.offset && one.ticks == entry.ticks);
        if let Some(known) = known {
            let one = looking.unpacked.remove(known);
            let samples = one.samples.clone();
            looking.unpacked.push(one);
            return samples;
        }
        // What is to be read may be as large as all that is kept.
        let kept: usize = looking.unpacked.iter().map(|one| one.rows).sum();
        if kept > UNPACKED_ROWS / 2 {
            looking.unpacked.clear();
        }
        let Ok(mut found) = looking.contents(&self.file, entry.offset, entry.end()) else {
            looking.health.frames_damaged += 1;
            return Vec::new();
        };
        count(looking, &found, entry.offset);
        // A frame may not hold what its entry does not tell: moments are looked up by the entry.
        let within = entry.first.mono_ms..=entry.last.mono_ms;
        found.samples.retain(|sample| within.contains(&sample.stamp.mono_ms));
        keep(looking, entry, &found.samples);
        found.samples
    }

    fn entry(&self, index: usize) -> Option<&Entry> {
        self.entries.get(index)
    }
}

/// Keeps a group unpacked, and forgets those that were not looked at for the longest time.
fn keep(looking: &mut Looking, entry: &Entry, samples: &[Arc<Sample>]) {
    let total = samples.iter().map(|sample| rows(sample) + 1).sum();
    let one = Unpacked {
        offset: entry.offset,
        ticks: entry.ticks,
        samples: samples.to_vec(),
        rows: total,
    };
    looking.unpacked.push(one);
    let kept = |unpacked: &[Unpacked]| unpacked.iter().map(|one| one.rows).sum::<usize>();
    while looking.unpacked.len() > UNPACKED
        || (looking.unpacked.len() > 1 && kept(&looking.unpacked) > UNPACKED_ROWS)
    {
        looking.unpacked.remove(0);
    }
}
