//! A recording as a session that can be looked at, at any moment of it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use crate::model::{Event, Sample, Stamp};

use super::decode::{Decoder, End, Item};
use super::group::{Groups, Pair};
use super::head::SessionInfo;
use super::line::{Damage, FORMAT, MAX_LINE, VERSION, objects};
use super::unpack::{Unpack, is_packed};

/// What a session may take of memory, packed: about 15 hours of 8 GPUs and 40 processes at 1 Hz.
const MAX_BYTES: usize = 48 << 20;
/// What its events may take.
pub(super) const MAX_EVENT_BYTES: usize = 8 << 20;
/// What an object takes at least, once read.
pub(super) const OBJECT_BYTES: usize = 128;
/// Text without a tick or an event in it, after which reading stops: no writer makes such a file.
const MAX_BARREN_BYTES: usize = 64 << 20;
const MAX_BARREN_LINES: usize = 100_000;
/// So many lines are looked at for one of ours: the head line itself may be the damaged one.
const MAX_STRANGE_LINES: u64 = 8;

/// What could not be read of a recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Lines read, the damaged ones included.
    pub lines_read: u64,
    /// Lines that were dropped: torn, checksum, content, or out of order.
    pub lines_damaged: u64,
    /// Packed frames that could not be unpacked to their end.
    pub frames_damaged: u64,
    /// The last tick before the first damage, in milliseconds since the Unix epoch; `None` where
    /// nothing is damaged or no tick came before.
    pub first_damage_ms: Option<i64>,
    /// The file ends in the middle of a line or a frame: cut off, or still being written.
    pub truncated: bool,
}

impl Health {
    /// Whether everything in the file was read.
    pub const fn is_whole(&self) -> bool {
        self.lines_damaged == 0 && self.frames_damaged == 0 && !self.truncated
    }
}

/// Why a recording cannot be used at all. The file's name comes without control characters.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such file.
    #[error("{file}: no such file; give the path of a recording")]
    NotFound {
        /// The file.
        file: String,
    },
    /// It may not be read.
    #[error(
        "{file}: no permission; recordings are their owner's alone: run as the owner, or copy it"
    )]
    Denied {
        /// The file.
        file: String,
    },
    /// It is a folder.
    #[error("{file}: a directory; give the path of one recording in it")]
    Directory {
        /// The folder.
        file: String,
    },
    /// It cannot be read.
    #[error("{file}: {source}; copy the file to a local disk and try again")]
    Io {
        /// The file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// It is empty.
    #[error("{file}: empty; the recording stopped before its first line: record anew")]
    Empty {
        /// The file.
        file: String,
    },
    /// It is something else.
    #[error(
        "{file}: not a session: the first line is not a head line of {FORMAT}; \
         give a file made by mltop"
    )]
    NotASession {
        /// The file.
        file: String,
    },
    /// A later mltop wrote it.
    #[error(
        "{file}: needs a reader of {FORMAT} version {needs}, this mltop reads version {VERSION}; \
         update mltop"
    )]
    Newer {
        /// The file.
        file: String,
        /// The version of the reader that it asks for.
        needs: u32,
    },
    /// It holds no tick that can be read.
    #[error("{file}: no readable tick ({damaged} of {lines} lines damaged); record anew")]
    NoTicks {
        /// The file.
        file: String,
        /// Damaged lines.
        damaged: u64,
        /// Lines read.
        lines: u64,
    },
    /// It would take too much memory.
    #[error(
        "{file}: more than the {} MiB that a session may take; keep its last hours: \
         (zstdcat -f FILE | head -n 1; zstdcat -f FILE | tail -n 40000) > PART", MAX_BYTES >> 20
    )]
    TooLarge {
        /// The file.
        file: String,
    },
    /// It is longer than can be looked at.
    #[error(
        "{file}: longer than 15 days; cut out what you want: `mltop cut FILE --since 20h -o PART`"
    )]
    TooLong {
        /// The file.
        file: String,
    },
    /// It goes on and on without a tick.
    #[error(
        "{file}: not a recording: after line {line} it goes on without a readable tick \
         past the cap of {} MiB or {MAX_BARREN_LINES} lines; cut it off there",
        MAX_BARREN_BYTES >> 20
    )]
    Barren {
        /// The file.
        file: String,
        /// The last line that held something.
        line: u64,
    },
    /// The flight ring holds nothing of the time asked for.
    #[error("{folder}: no recording of that time in this ring; `mltop flight` keeps one")]
    NoRing {
        /// The folder of the ring.
        folder: String,
    },
    /// Another session begins in it.
    #[error("{file}: a second session begins at line {line}; split the file there")]
    SecondSession {
        /// The file.
        file: String,
        /// Its head line, counted from 1.
        line: u64,
    },
}

/// A recording in memory: its lines packed, its ticks unpacked as they are looked at.
#[derive(Debug)]
pub struct Session {
    /// What the session is; `None` where its head line is damaged or missing.
    pub head: Option<Arc<SessionInfo>>,
    /// What happened, in the order of the file.
    pub events: Vec<Event>,
    /// How it ended; `None` where it has no end line: cut off, or still being written.
    pub end: Option<End>,
    /// What could not be read.
    pub health: Health,
    span: (Stamp, Stamp),
    pub(super) groups: Groups,
}

impl Session {
    /// The first and the last tick.
    pub const fn span(&self) -> (Stamp, Stamp) {
        self.span
    }

    /// The last tick at or before a moment (milliseconds since the Unix epoch), and the one before
    /// it. `None` for a moment before the first tick. Where the wall clock was set back, the tick
    /// that was taken later.
    pub fn at(&self, unix_ms: i64) -> Option<Pair> {
        self.groups.latest(|stamp| stamp.unix_ms <= unix_ms)
    }

    /// All ticks in the order in which they were taken.
    pub fn samples(&self) -> impl Iterator<Item = Arc<Sample>> + '_ {
        self.groups.samples()
    }

    /// How many ticks there are.
    pub fn ticks(&self) -> usize {
        self.groups.ticks()
    }

    /// Bytes of memory that its lines take.
    pub fn bytes(&self) -> usize {
        self.groups.bytes()
    }
}

/// Reads a recording, packed (`.zst`) or plain; the content tells, not the name.
pub fn open(path: &Path) -> Result<Session, ReadError> {
    let (name, file) = open_file(path)?;
    read(&name, file)
}

/// Opens the file of a recording, and its name for errors.
pub(super) fn open_file(path: &Path) -> Result<(String, File), ReadError> {
    let name = || shown(path);
    let refused = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => ReadError::NotFound { file: name() },
        io::ErrorKind::PermissionDenied => ReadError::Denied { file: name() },
        io::ErrorKind::IsADirectory => ReadError::Directory { file: name() },
        _ => ReadError::Io { file: name(), source },
    };
    let file = File::open(path).map_err(refused)?;
    if file.metadata().map_err(refused)?.is_dir() {
        return Err(ReadError::Directory { file: name() });
    }
    Ok((name(), file))
}

/// Reads a recording from anywhere, as from bytes in the program; `name` stands in errors.
pub fn read(name: &str, mut from: impl Read) -> Result<Session, ReadError> {
    let failed = |source| ReadError::Io { file: name.to_owned(), source };
    let mut first = Vec::with_capacity(4);
    from.by_ref().take(4).read_to_end(&mut first).map_err(failed)?;
    if first.is_empty() {
        return Err(ReadError::Empty { file: name.to_owned() });
    }
    let packed = is_packed(&first);
    let whole = Cursor::new(first).chain(from);
    if packed {
        let mut lines = BufReader::new(Unpack::new(BufReader::new(whole)).map_err(failed)?);
        let mut loading = Loading::new(name);
        loading.lines(&mut lines)?;
        loading.health.frames_damaged = lines.get_ref().broken;
        loading.health.truncated |= lines.get_ref().cut;
        loading.finish()
    } else {
        let mut loading = Loading::new(name);
        loading.lines(&mut BufReader::new(whole))?;
        loading.finish()
    }
}

/// A path for an error: without what could move the cursor.
fn shown(path: &Path) -> String {
    path.to_string_lossy()
        .chars()
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect()
}

/// A session while it is read.
struct Loading<'a> {
    name: &'a str,
    decoder: Decoder,
    head: Option<Arc<SessionInfo>>,
    events: Vec<Event>,
    event_bytes: usize,
    end: Option<End>,
    health: Health,
    groups: Groups,
    last: Option<(u64, Stamp)>,
    /// Whether any line was one of ours.
    ours: bool,
    barren_bytes: usize,
    barren_lines: usize,
    fruitful_line: u64,
}

impl<'a> Loading<'a> {
    fn new(name: &'a str) -> Self {
        Self {
            name,
            decoder: Decoder::new(),
            head: None,
            events: Vec::new(),
            event_bytes: 0,
            end: None,
            health: Health::default(),
            groups: Groups::default(),
            last: None,
            ours: false,
            barren_bytes: 0,
            barren_lines: 0,
            fruitful_line: 0,
        }
    }

    fn file(&self) -> String {
        self.name.to_owned()
    }

    /// Reads line after line. A line is held only up to the cap; the rest of a longer one is skipped.
    fn lines(&mut self, from: &mut impl BufRead) -> Result<(), ReadError> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = from.by_ref().take(MAX_LINE as u64 + 1).read_until(b'\n', &mut line);
            match read {
                Ok(0) => return Ok(()),
                Ok(read) => self.barren(read)?,
                Err(error) => return self.broken(error),
            }
            self.health.lines_read += 1;
            let complete = line.ends_with(b"\n");
            if !complete && line.len() > MAX_LINE {
                self.damaged()?;
                if let Err(error) = self.skip(from, &mut line) {
                    return error.map_or_else(Err, |error| self.broken(error));
                }
                continue;
            }
            // A last line without its end may be whole all the same: its checksum tells.
            let damaged_before = self.health.lines_damaged;
            self.line(&line)?;
            self.health.truncated |= !complete && self.health.lines_damaged > damaged_before;
        }
    }

    /// Skips the rest of a line that is too long.
    fn skip(
        &mut self,
        from: &mut impl BufRead,
        line: &mut Vec<u8>,
    ) -> Result<(), Result<io::Error, ReadError>> {
        loop {
            line.clear();
            let read = from.by_ref().take(MAX_LINE as u64).read_until(b'\n', line).map_err(Ok)?;
            self.barren(read).map_err(Err)?;
            if read == 0 || line.ends_with(b"\n") {
                return Ok(());
            }
        }
    }

    /// An error of the disk in the middle leaves what was read before it.
    fn broken(&mut self, source: io::Error) -> Result<(), ReadError> {
        self.health.truncated = true;
        if self.last.is_some() { Ok(()) } else { Err(ReadError::Io { file: self.file(), source }) }
    }

    /// Counts text that gave nothing so far.
    fn barren(&mut self, bytes: usize) -> Result<(), ReadError> {
        self.barren_bytes += bytes;
        self.barren_lines += 1;
        if self.barren_bytes <= MAX_BARREN_BYTES && self.barren_lines <= MAX_BARREN_LINES {
            return Ok(());
        }
        Err(if self.ours {
            ReadError::Barren { file: self.file(), line: self.fruitful_line }
        } else {
            ReadError::NotASession { file: self.file() }
        })
    }

    fn fruitful(&mut self) {
        self.barren_bytes = 0;
        self.barren_lines = 0;
        self.fruitful_line = self.health.lines_read;
    }

    fn damaged(&mut self) -> Result<(), ReadError> {
        if self.health.lines_damaged == 0 {
            self.health.first_damage_ms = self.last.map(|(_, stamp)| stamp.unix_ms);
        }
        self.health.lines_damaged += 1;
        if !self.ours && self.health.lines_damaged >= MAX_STRANGE_LINES {
            return Err(ReadError::NotASession { file: self.file() });
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<(), ReadError> {
        let item = match self.decoder.line(line) {
            Ok(item) => item,
            Err(Damage::Newer { needs }) => {
                return Err(ReadError::Newer { file: self.file(), needs });
            }
            Err(Damage::Foreign) => return Err(ReadError::NotASession { file: self.file() }),
            Err(_) => return self.damaged(),
        };
        self.ours = true;
        match item {
            Some(Item::Head(head)) => self.set_head(head),
            Some(Item::Sample(sample)) => self.sample(&sample),
            Some(Item::Event(event)) => self.event(event, line),
            Some(Item::End(end)) => {
                self.end = Some(end);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn set_head(&mut self, head: Arc<SessionInfo>) -> Result<(), ReadError> {
        if self.head.as_ref().is_some_and(|known| known.session != head.session) {
            return Err(ReadError::SecondSession {
                file: self.file(),
                line: self.health.lines_read,
            });
        }
        self.head = Some(head);
        Ok(())
    }

    fn sample(&mut self, sample: &Arc<Sample>) -> Result<(), ReadError> {
        // Rates are differences: a tick out of its order would make false ones.
        if self
            .last
            .is_some_and(|(seq, stamp)| sample.seq <= seq || sample.stamp.mono_ms < stamp.mono_ms)
        {
            return self.damaged();
        }
        self.groups.push(sample);
        self.last = Some((sample.seq, sample.stamp));
        self.fruitful();
        if self.groups.bytes() > MAX_BYTES {
            return Err(ReadError::TooLarge { file: self.file() });
        }
        Ok(())
    }

    fn event(&mut self, event: Event, line: &[u8]) -> Result<(), ReadError> {
        let objects = objects(line).unwrap_or(line.len());
        self.event_bytes += line.len() + objects * OBJECT_BYTES + size_of::<Event>();
        if self.event_bytes > MAX_EVENT_BYTES {
            return Err(ReadError::TooLarge { file: self.file() });
        }
        self.events.push(event);
        self.fruitful();
        Ok(())
    }

    fn finish(self) -> Result<Session, ReadError> {
        if !self.ours {
            return Err(ReadError::NotASession { file: self.file() });
        }
        let Some(span) = self.groups.span() else {
            let Health { lines_damaged: damaged, lines_read: lines, .. } = self.health;
            return Err(ReadError::NoTicks { file: self.file(), damaged, lines });
        };
        Ok(Session {
            head: self.head,
            events: self.events,
            end: self.end,
            health: self.health,
            span,
            groups: self.groups,
        })
    }
}
