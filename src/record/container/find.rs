//! Where the frames of a file lie: by the table at its end, by the links of its index frames, or by a
//! search for either in what is left of it.

use std::fs::File;
use std::io;

use super::entry::{ENTRY, Entry, IX, NONE};
use super::{
    END_MARK, END_TAG, FRAME_MAGIC, INDEX_TAG, SKIP_HEAD, Summary, TRAILER, read_at, skippable,
};

const PIECE: usize = 64 << 10;
/// What a summary may take; ours takes a hundredth.
const MAX_SUMMARY: usize = 64 << 10;

/// The table at the end of a file that was closed well.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) summary: Summary,
    pub(super) entries: Vec<Entry>,
    /// Where it begins.
    pub(super) offset: u64,
}

/// Reads the table; `None` where there is none that is whole.
pub(super) fn table(file: &File, length: u64, most: usize) -> io::Result<Option<Table>> {
    let mut trailer = [0; TRAILER];
    let Some(at) = length.checked_sub(TRAILER as u64) else { return Ok(None) };
    let trailer = read_at(file, &mut trailer, at)?;
    let Some((size, mark)) = trailer.split_first_chunk() else { return Ok(None) };
    let size = u64::from(u32::from_le_bytes(*size));
    let Some(offset) = length.checked_sub(size).filter(|_| mark == END_MARK) else {
        return Ok(None);
    };
    let mut head = [0; SKIP_HEAD + 4];
    let head = read_at(file, &mut head, offset)?;
    let whole = skippable(head) == Some((END_TAG, (size as usize).saturating_sub(SKIP_HEAD)));
    let Some(&summary) = head.last_chunk().filter(|_| whole) else { return Ok(None) };
    let summary = u32::from_le_bytes(summary) as usize;
    let rows = (size as usize).checked_sub(SKIP_HEAD + 4 + summary + 4 + TRAILER);
    let Some(rows) = rows.filter(|rows| rows % ENTRY == 0 && summary <= MAX_SUMMARY) else {
        return Ok(None);
    };
    read_table(file, offset, summary, rows / ENTRY, most)
}

fn read_table(
    file: &File,
    offset: u64,
    summary: usize,
    rows: usize,
    most: usize,
) -> io::Result<Option<Table>> {
    let mut from = offset + SKIP_HEAD as u64;
    let mut crc = crc32fast::Hasher::new();
    let mut text = vec![0; summary + 4];
    let text = read_at(file, &mut text, from)?;
    crc.update(text);
    from += text.len() as u64;
    let parsed = text.get(4..).and_then(|text| serde_json::from_slice(text).ok());
    let Some(summary) = parsed else { return Ok(None) };
    let mut table = Table { summary, entries: Vec::new(), offset };
    let mut piece = vec![0; PIECE / ENTRY * ENTRY];
    let mut left = rows;
    while left > 0 {
        let room = (left * ENTRY).min(piece.len());
        let bytes = read_at(file, piece.get_mut(..room).unwrap_or_default(), from)?;
        if bytes.len() < room || table.entries.len() >= most {
            return Ok(None);
        }
        crc.update(bytes);
        from += room as u64;
        for row in bytes.chunks_exact(ENTRY) {
            let Some((entry, _)) = Entry::read(row) else { return Ok(None) };
            table.entries.push(entry);
        }
        left -= room / ENTRY;
    }
    let mut stated = [0; 4];
    let stated = read_at(file, &mut stated, from)?;
    Ok((stated == crc.finalize().to_le_bytes()).then_some(table))
}

/// The entry of the IX at an offset, and where the one before it lies.
pub(super) fn index_at(file: &File, offset: u64) -> io::Result<Option<(Entry, u64)>> {
    let mut bytes = [0; IX];
    Ok(index_in(read_at(file, &mut bytes, offset)?, offset))
}

/// The same of bytes that begin at an offset: a file may be full of what looks like an index, and to
/// read the file anew for each would take seconds.
fn index_in(bytes: &[u8], offset: u64) -> Option<(Entry, u64)> {
    if !is_index(bytes) {
        return None;
    }
    let found = Entry::read(bytes.get(SKIP_HEAD..).unwrap_or_default());
    // What lies elsewhere than where it says is of another file.
    found.filter(|(entry, _)| entry.end() == offset)
}

/// All entries before `end` that can be found, in the order of the file: by the links from the last
/// one back, and where a link leads nowhere, by a search of what lies before.
pub(super) fn entries(file: &File, end: u64, most: usize) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    let mut until = end;
    if let Some(mut at) = search_back(file, end)? {
        while at < until && found.len() < most {
            let Some((entry, prev)) = index_at(file, at)? else { break };
            until = entry.offset;
            found.push(entry);
            at = prev;
            if prev == NONE {
                break;
            }
        }
        if at == NONE {
            until = 0;
        }
    }
    let mut from = 0;
    let mut before = Vec::new();
    let mut window = Window::default();
    while found.len() + before.len() < most {
        let Some((at, (entry, _))) = window.search(file, from, until, index_in)? else { break };
        from = at + IX as u64;
        before.push(entry);
    }
    before.extend(found.into_iter().rev());
    Ok(before)
}

fn is_index(bytes: &[u8]) -> bool {
    skippable(bytes) == Some((INDEX_TAG, ENTRY))
}

/// Whether a frame of lines or of our own index may begin here.
fn is_frame(bytes: &[u8]) -> bool {
    bytes.starts_with(&FRAME_MAGIC) || is_index(bytes)
}

/// The next place in a span where a frame may begin.
pub(super) fn search_frame(file: &File, from: u64, to: u64) -> io::Result<Option<u64>> {
    let found =
        Window::default().search(file, from, to, |bytes, _| is_frame(bytes).then_some(()))?;
    Ok(found.map(|(at, ())| at))
}

/// Whether anything in the file looks like an index of ours.
pub(super) fn has_index(file: &File, length: u64) -> io::Result<bool> {
    let like = |bytes: &[u8], _| is_index(bytes).then_some(());
    Ok(Window::default().search(file, 0, length, like)?.is_some())
}

/// A piece of a file that is searched, kept for the next search: a file may be full of what looks like
/// what is wanted.
#[derive(Default)]
struct Window {
    piece: Vec<u8>,
    from: u64,
    length: usize,
}

impl Window {
    /// The bytes from a place on: at least an [`IX`] of them, where the file has so many.
    fn at(&mut self, file: &File, at: u64) -> io::Result<&[u8]> {
        let within = at.checked_sub(self.from).and_then(|skip| usize::try_from(skip).ok());
        let skip = if let Some(skip) = within.filter(|skip| skip + IX <= self.length) {
            skip
        } else {
            self.piece.resize(PIECE, 0);
            self.length = read_at(file, &mut self.piece, at)?.len();
            self.from = at;
            0
        };
        Ok(self.piece.get(skip..self.length).unwrap_or_default())
    }

    /// The first place in a span where what is `wanted` begins, and what it is, by the bytes from
    /// there on.
    fn search<T>(
        &mut self,
        file: &File,
        from: u64,
        to: u64,
        wanted: impl Fn(&[u8], u64) -> Option<T>,
    ) -> io::Result<Option<(u64, T)>> {
        let mut at = from;
        while at < to {
            let bytes = self.at(file, at)?;
            let starts = bytes.len().min((to - at) as usize);
            // Both magic numbers have no byte in common at their start.
            let found = (0..starts).find_map(|place| {
                let (rest, at) = (&bytes[place..], at + place as u64);
                let may_be = rest[0] == 0x28 || rest[0] == 0x5C;
                if may_be { wanted(rest, at).map(|found| (at, found)) } else { None }
            });
            if found.is_some() {
                return Ok(found);
            }
            if bytes.len() < IX {
                break;
            }
            at += (bytes.len() - IX + 1) as u64;
        }
        Ok(None)
    }
}

/// The last IX before `end` whose checksum fits.
fn search_back(file: &File, end: u64) -> io::Result<Option<u64>> {
    let mut piece = vec![0; PIECE + IX];
    let mut to = end;
    while to > 0 {
        let from = to.saturating_sub(PIECE as u64);
        let bytes = read_at(file, &mut piece, from)?;
        let starts = (to - from) as usize;
        for place in (0..starts.min(bytes.len())).rev() {
            let at = from + place as u64;
            if index_in(bytes.get(place..).unwrap_or_default(), at).is_some() {
                return Ok(Some(at));
            }
        }
        to = from;
    }
    Ok(None)
}
