//! The file around the lines: `NAME.mltop.jsonl.zst`.
//!
//! ```text
//! file = HEAD  frame with the head line  { FRAME  IX }*  [ EX ]
//! ```
//!
//! A FRAME is an ordinary zstd frame with the lines of ten seconds, flushed after every tick. HEAD, IX
//! and EX are frames that any zstd reader skips: to everyone else the file is packed JSON lines.
//! All numbers in them are little-endian. None of them is needed: a reader finds frames without.

pub(super) mod contents;
pub(super) mod entry;
mod find;
pub(super) mod frame;
pub(super) mod pack;
pub(super) mod packed;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};

use super::decode::End;
use super::line::{FORMAT, MIN_READER_VERSION, VERSION};

/// The magic number of a frame of lines.
pub(super) const FRAME_MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
/// The magic number of all frames that are to be skipped.
const SKIP_MAGIC: [u8; 4] = [0x5C, 0x2A, 0x4D, 0x18];
/// Magic number, length and tag.
pub(super) const SKIP_HEAD: usize = 12;
/// The tags behind it.
pub(super) const HEAD_TAG: [u8; 4] = *b"MLTH";
pub(super) const INDEX_TAG: [u8; 4] = *b"MLIX";
pub(super) const END_TAG: [u8; 4] = *b"MLEX";
/// The last bytes of a file that was closed well, behind the length of its EX.
pub(super) const END_MARK: [u8; 8] = *b"MLEND\0\0\0";
/// Length and mark.
pub(super) const TRAILER: usize = 12;
/// The file's ending.
pub const ENDING: &str = ".mltop.jsonl.zst";

/// What HEAD says, as JSON: what is needed before any line is read.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FileHead {
    pub(super) format: Box<str>,
    pub(super) v: u32,
    pub(super) min_reader_v: u32,
    #[serde(default)]
    pub(super) writer: Box<str>,
    #[serde(default)]
    pub(super) session: Box<str>,
    #[serde(default)]
    pub(super) boot_id: Box<str>,
    #[serde(default)]
    pub(super) host: Box<str>,
    #[serde(default)]
    pub(super) proto: u32,
}

impl FileHead {
    pub(super) fn new(writer: &str, session: &str, boot_id: &str, host: &str) -> Self {
        Self {
            format: FORMAT.into(),
            v: VERSION,
            min_reader_v: MIN_READER_VERSION,
            writer: writer.into(),
            session: session.into(),
            boot_id: boot_id.into(),
            host: host.into(),
            proto: 1,
        }
    }
}

/// What EX says beside the table, as JSON.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Summary {
    pub(super) end: Option<End>,
    pub(super) ticks: u64,
}

/// Appends a frame that is to be skipped.
pub(super) fn push_skippable(out: &mut Vec<u8>, tag: [u8; 4], body: &[u8]) {
    out.extend(SKIP_MAGIC);
    out.extend((body.len() as u32 + 4).to_le_bytes());
    out.extend(tag);
    out.extend(body);
}

/// The tag and the length of the body of a frame that is to be skipped, from its first bytes.
pub(super) fn skippable(bytes: &[u8]) -> Option<([u8; 4], usize)> {
    let rest = bytes.strip_prefix(&SKIP_MAGIC)?;
    let (length, rest) = rest.split_first_chunk()?;
    let tag = *rest.first_chunk()?;
    Some((tag, (u32::from_le_bytes(*length) as usize).checked_sub(4)?))
}

/// Reads as much as there is at an offset, up to the length of `into`.
pub(super) fn read_at<'a>(file: &File, into: &'a mut [u8], offset: u64) -> io::Result<&'a [u8]> {
    let mut got = 0;
    while got < into.len() {
        match file.read_at(into.get_mut(got..).unwrap_or_default(), offset + got as u64) {
            Ok(0) => break,
            Ok(more) => got += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(into.get(..got).unwrap_or_default())
}
