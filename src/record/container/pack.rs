//! Ticks and events as the bytes of a file. Touches no file: whoever writes takes the bytes.

use std::fs::File;
use std::io;

use zstd::stream::raw::{Encoder as Zstd, InBuffer, Operation, OutBuffer};
use zstd::zstd_safe::CParameter;

use crate::model::{Event, Frame};
use crate::record::decode::End;
use crate::record::encode::{Encoder, GROUP_MS, rows};
use crate::record::head::SessionInfo;
use crate::record::line::MAX_ROWS;

use super::entry::{ENTRY, Entry, IX, NONE, Tally};
use super::{
    END_MARK, END_TAG, FileHead, HEAD_TAG, SKIP_HEAD, Summary, TRAILER, push_skippable, read_at,
    skippable,
};

/// A level above the fastest gains nothing: what is recorded is mostly noise.
pub(in crate::record) const LEVEL: i32 = 1;
/// A frame looks back 256 KiB at most: the ten ticks of a box with eight GPUs, or some of a larger
/// one's. With more, each tick costs a seventh more time, for memory that nothing else keeps warm, and
/// gains nothing.
pub(in crate::record) const WINDOW_LOG: u32 = 18;
/// A frame ends early at this many bytes of text, which bounds what looking into it can cost.
pub(in crate::record) const MAX_TEXT: usize = 1 << 20;
const PIECE: usize = 32 << 10;

/// A frame under way.
#[derive(Debug)]
struct Open {
    offset: u64,
    text: usize,
    rows: usize,
    tally: Tally,
}

/// Packs one session. What it makes waits in [`Packer::bytes`] until it is taken.
pub(in crate::record) struct Packer {
    lines: Encoder,
    zstd: Zstd<'static>,
    text: String,
    piece: Vec<u8>,
    out: Vec<u8>,
    /// Bytes of the file before `out`.
    taken: u64,
    open: Option<Open>,
    /// Before the first frame.
    held: Vec<Event>,
    /// Where the first frame with ticks begins, and how long each is: the table at the end is made
    /// of what stands in the file.
    begin: u64,
    lengths: Vec<u32>,
    last_index: u64,
    ticks: u64,
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer").field("ticks", &self.ticks).finish_non_exhaustive()
    }
}

impl Packer {
    /// A packer whose first bytes say what the session is.
    pub(in crate::record) fn new(info: SessionInfo) -> io::Result<Self> {
        let mut zstd = Zstd::new(LEVEL)?;
        zstd.set_parameter(CParameter::WindowLog(WINDOW_LOG))?;
        zstd.set_parameter(CParameter::ChecksumFlag(true))?;
        let head = FileHead::new(&info.writer, &info.session, &info.host.boot_id, &info.host.name);
        let mut this = Self {
            lines: Encoder::new(info),
            zstd,
            text: String::new(),
            piece: vec![0; PIECE],
            out: Vec::new(),
            taken: 0,
            open: None,
            held: Vec::new(),
            begin: 0,
            lengths: Vec::new(),
            last_index: NONE,
            ticks: 0,
        };
        push_skippable(&mut this.out, HEAD_TAG, &serde_json::to_vec(&head)?);
        this.lines.head(&mut this.text);
        this.pack()?;
        this.finish_frame()?;
        // The schema is long, and no later text is.
        this.text = String::new();
        this.begin = this.at();
        Ok(this)
    }

    /// What is to be appended to the file.
    pub(in crate::record) fn bytes(&self) -> &[u8] {
        &self.out
    }

    /// Forgets the bytes: they are in the file.
    pub(in crate::record) fn take(&mut self) {
        self.taken += self.out.len() as u64;
        self.out.clear();
        self.out.shrink_to(2 * PIECE);
    }

    /// How long the file is with all that was made.
    pub(in crate::record) fn at(&self) -> u64 {
        self.taken + self.out.len() as u64
    }

    /// What closing the file would add to it, about.
    pub(in crate::record) fn closing_bytes(&self) -> u64 {
        ((self.lengths.len() + 1) * ENTRY + IX + 1024) as u64
    }

    /// Ticks packed.
    pub(in crate::record) const fn ticks(&self) -> u64 {
        self.ticks
    }

    /// Lines that no reader would take, and that were left out.
    pub(in crate::record) const fn skipped(&self) -> u64 {
        self.lines.skipped()
    }

    /// Packs a tick, so that all of it can be read from the bytes so far.
    pub(in crate::record) fn tick(&mut self, frame: &Frame) -> io::Result<()> {
        if self.is_complete(frame) {
            self.close_frame()?;
        }
        if self.open.is_none() {
            self.lines.begin_group();
            let (offset, tally) = (self.at(), Tally::default());
            self.open = Some(Open { offset, text: 0, rows: 0, tally });
        }
        let skipped = self.lines.skipped();
        self.lines.tick(&frame.sample, None, &mut self.text);
        for event in std::mem::take(&mut self.held) {
            self.lines.event(&event, &mut self.text);
            self.count_event(&event);
        }
        if let Some(open) = &mut self.open {
            open.text += self.text.len();
            open.rows += rows(&frame.sample);
            if self.lines.skipped() == skipped {
                open.tally.tick(frame);
                self.ticks += 1;
            }
        }
        self.pack()
    }

    /// Packs an event behind the tick before it.
    pub(in crate::record) fn event(&mut self, event: &Event) -> io::Result<()> {
        if self.open.is_none() {
            self.held.push(event.clone());
            return Ok(());
        }
        self.lines.event(event, &mut self.text);
        self.count_event(event);
        self.pack()
    }

    fn count_event(&mut self, event: &Event) {
        if let Some(open) = &mut self.open {
            open.tally.event(event);
        }
    }

    fn is_complete(&self, next: &Frame) -> bool {
        let now = next.sample.stamp.mono_ms;
        self.open.as_ref().is_some_and(|open| {
            let first = open.tally.first().map_or(now, |first| first.mono_ms);
            now < first
                || now - first >= GROUP_MS
                || open.text >= MAX_TEXT
                || open.rows + rows(&next.sample) > MAX_ROWS
        })
    }

    /// Ends the frame under way and indexes it.
    pub(in crate::record) fn close_frame(&mut self) -> io::Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        self.finish_frame()?;
        let length = (self.at() - open.offset) as u32;
        match open.tally.entry(open.offset, length) {
            Some(entry) => self.index(&entry),
            None => self.lengths.push(length),
        }
        Ok(())
    }

    /// Appends a whole frame of another file, and its entry.
    pub(in crate::record) fn copy(&mut self, frame: &[u8], entry: &Entry) -> io::Result<()> {
        self.close_frame()?;
        let at = self.at();
        self.out.extend(frame);
        self.ticks += u64::from(entry.ticks);
        self.index(&entry.clone().moved(at));
        Ok(())
    }

    fn index(&mut self, entry: &Entry) {
        let at = self.at();
        entry.push(self.last_index, &mut self.out);
        self.last_index = at;
        self.lengths.push(entry.length);
    }

    /// Ends the session. The bytes must be in the file before [`Packer::table`] can be made.
    pub(in crate::record) fn end(&mut self, t_ms: i64, reason: &str) -> io::Result<()> {
        if self.open.is_none() {
            let (offset, tally) = (self.at(), Tally::default());
            self.open = Some(Open { offset, text: 0, rows: 0, tally });
        }
        for event in std::mem::take(&mut self.held) {
            self.event(&event)?;
        }
        self.lines.end(t_ms, reason, &mut self.text);
        self.pack()?;
        self.close_frame()
    }

    /// The table of all frames, read back from the file, behind which nothing comes.
    pub(in crate::record) fn table(&mut self, file: &File, end: &End) -> io::Result<()> {
        let summary = Summary { end: Some(end.clone()), ticks: self.ticks };
        let summary = serde_json::to_vec(&summary)?;
        let mut body = Vec::new();
        body.extend((summary.len() as u32).to_le_bytes());
        body.extend(&summary);
        let mut at = self.begin;
        for length in &self.lengths {
            let mut bytes = [0; IX];
            let ix = read_at(file, &mut bytes, at + u64::from(*length))?;
            at += u64::from(*length);
            // A frame without a tick has no entry.
            if let Some((super::INDEX_TAG, ENTRY)) = skippable(ix) {
                body.extend(ix.get(SKIP_HEAD..).unwrap_or_default());
                at += IX as u64;
            }
        }
        let crc = crc32fast::hash(&body);
        body.extend(crc.to_le_bytes());
        body.extend(((body.len() + SKIP_HEAD + TRAILER) as u32).to_le_bytes());
        body.extend(END_MARK);
        push_skippable(&mut self.out, END_TAG, &body);
        Ok(())
    }

    /// Packs the text so far and flushes it.
    fn pack(&mut self) -> io::Result<()> {
        let mut input = InBuffer::around(self.text.as_bytes());
        while input.pos() < self.text.len() {
            let mut output = OutBuffer::around(&mut self.piece[..]);
            self.zstd.run(&mut input, &mut output)?;
            self.out.extend(output.as_slice());
        }
        self.text.clear();
        loop {
            let mut output = OutBuffer::around(&mut self.piece[..]);
            let left = self.zstd.flush(&mut output)?;
            self.out.extend(output.as_slice());
            if left == 0 {
                return Ok(());
            }
        }
    }

    fn finish_frame(&mut self) -> io::Result<()> {
        loop {
            let mut output = OutBuffer::around(&mut self.piece[..]);
            let left = self.zstd.finish(&mut output, true)?;
            self.out.extend(output.as_slice());
            if left == 0 {
                break;
            }
        }
        self.zstd.reinit()
    }
}
