//! The lines of one frame, unpacked piece by piece and never trusted.

use std::fs::File;
use std::io;

use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};
use zstd::zstd_safe::DParameter;

use crate::record::line::MAX_LINE;
use crate::record::unpack::WINDOW_LOG_MAX;

use super::read_at;

/// Text of one frame that is read at most; what a writer of ours closes a frame at is a sixty-fourth.
const MAX_TEXT: u64 = 64 << 20;
const PIECE: usize = 64 << 10;

/// How reading a frame went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::record) struct Outcome {
    /// Where reading stopped: behind the frame, where it is whole.
    pub(in crate::record) end: u64,
    /// It came to its end, and its checksum fits.
    pub(in crate::record) whole: bool,
    /// It broke before the bytes ended: damaged, not cut off.
    pub(in crate::record) broken: bool,
    /// Bytes of text that were read.
    pub(in crate::record) text: u64,
    /// Lines that were longer than any may be.
    pub(in crate::record) too_long: u64,
}

/// Unpacks frames, one at a time.
pub(in crate::record) struct FrameReader {
    decoder: Decoder<'static>,
    input: Vec<u8>,
    output: Vec<u8>,
    line: Vec<u8>,
}

impl std::fmt::Debug for FrameReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameReader").finish_non_exhaustive()
    }
}

impl FrameReader {
    pub(in crate::record) fn new() -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))?;
        Ok(Self { decoder, input: vec![0; PIECE], output: vec![0; PIECE], line: Vec::new() })
    }

    /// Hands `each` every line of the frame at `from`, its line end included where it has one, until
    /// it wants no more. Nothing from `to` on is read.
    pub(in crate::record) fn read(
        &mut self,
        file: &File,
        from: u64,
        to: u64,
        mut each: impl FnMut(&[u8]) -> bool,
    ) -> io::Result<Outcome> {
        self.decoder.reinit()?;
        self.line.clear();
        let mut lines = Lines { line: &mut self.line, skipping: false, too_long: 0 };
        let mut outcome = Outcome { end: from, ..Outcome::default() };
        'frame: while outcome.end < to {
            let room = (to - outcome.end).min(PIECE as u64) as usize;
            let piece = read_at(file, self.input.get_mut(..room).unwrap_or_default(), outcome.end)?;
            if piece.is_empty() {
                break;
            }
            let mut input = InBuffer::around(piece);
            loop {
                let mut output = OutBuffer::around(&mut self.output[..]);
                let Ok(hint) = self.decoder.run(&mut input, &mut output) else {
                    outcome.broken = true;
                    outcome.end += input.pos() as u64;
                    break 'frame;
                };
                let made = output.as_slice();
                let full = made.len() == PIECE;
                outcome.text += made.len() as u64;
                let too_much = outcome.text > MAX_TEXT;
                if too_much || !lines.push(made, &mut each) {
                    outcome.broken = too_much;
                    outcome.end += input.pos() as u64;
                    break 'frame;
                }
                if hint == 0 {
                    outcome.whole = true;
                    outcome.end += input.pos() as u64;
                    break 'frame;
                }
                if input.pos() == piece.len() && !full {
                    break;
                }
            }
            outcome.end += piece.len() as u64;
        }
        lines.last(&mut each);
        outcome.too_long = lines.too_long;
        // A long line of one frame must not hold its memory for the next.
        self.line.shrink_to(PIECE);
        Ok(outcome)
    }
}

/// Text cut into lines, of which none is held beyond the cap.
struct Lines<'a> {
    line: &'a mut Vec<u8>,
    skipping: bool,
    too_long: u64,
}

impl Lines<'_> {
    /// False where `each` wants no more.
    fn push(&mut self, text: &[u8], each: &mut impl FnMut(&[u8]) -> bool) -> bool {
        for part in text.split_inclusive(|&byte| byte == b'\n') {
            let ends = part.ends_with(b"\n");
            if self.skipping {
                self.skipping = !ends;
                continue;
            }
            if self.line.len() + part.len() > MAX_LINE + 1 {
                self.too_long += 1;
                self.line.clear();
                self.skipping = !ends;
                continue;
            }
            let go_on = match (ends, self.line.is_empty()) {
                (true, true) => each(part),
                (true, false) => {
                    self.line.extend(part);
                    let go_on = each(self.line);
                    self.line.clear();
                    go_on
                }
                (false, _) => {
                    self.line.extend(part);
                    true
                }
            };
            if !go_on {
                return false;
            }
        }
        true
    }

    /// A last line without an end may be whole all the same: its checksum tells.
    fn last(&mut self, each: &mut impl FnMut(&[u8]) -> bool) {
        if !self.line.is_empty() {
            each(self.line);
            self.line.clear();
        }
    }
}
