//! The text of a `.zst` recording, read on past what is damaged or cut off.

use std::io::{self, BufRead, Read};

use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};
use zstd::zstd_safe::DParameter;

use super::container::FRAME_MAGIC as FRAME;

/// How a packed file may begin, beside with a frame: with one to be skipped, whose low half-byte varies.
const SKIPPABLE: [u8; 4] = [0x50, 0x2A, 0x4D, 0x18];
/// A frame may look back 8 MiB: ours look back 1 MiB, those of the `zstd` program at most this by
/// default.
pub(super) const WINDOW_LOG_MAX: u32 = 23;

/// Whether these are the first bytes of a packed file.
pub(super) fn is_packed(first: &[u8]) -> bool {
    let first = first.get(..4);
    first == Some(&FRAME)
        || first.is_some_and(|b| b[0] & 0xF0 == SKIPPABLE[0] && b[1..] == SKIPPABLE[1..])
}

/// Unpacks frame after frame. A broken frame ends in a line end, and reading goes on with the next.
pub(super) struct Unpack<R> {
    from: R,
    decoder: Decoder<'static>,
    /// What the decoder gets before more is read: the magic number that ended a search.
    pending: &'static [u8],
    /// How much of the next frame's magic number was found, while it is searched for.
    searching: Option<usize>,
    in_frame: bool,
    /// The last answer filled the room that it was given, so there may be more of it.
    more: bool,
    /// Frames that could not be unpacked to their end.
    pub(super) broken: u64,
    /// The last frame has no end.
    pub(super) cut: bool,
}

impl<R: BufRead> Unpack<R> {
    pub(super) fn new(from: R) -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))?;
        let (searching, in_frame, more) = (None, false, false);
        Ok(Self { from, decoder, pending: &[], searching, in_frame, more, broken: 0, cut: false })
    }

    /// Goes to the next frame. False where there is none.
    fn search(&mut self, mut matched: usize) -> io::Result<bool> {
        loop {
            let input = self.from.fill_buf()?;
            if input.is_empty() {
                return Ok(false);
            }
            let mut used = 0;
            for &byte in input {
                used += 1;
                matched = match FRAME.get(matched) {
                    Some(&wanted) if wanted == byte => matched + 1,
                    _ => usize::from(byte == FRAME[0]),
                };
                if matched == FRAME.len() {
                    break;
                }
            }
            self.from.consume(used);
            self.searching = Some(matched);
            if matched == FRAME.len() {
                self.searching = None;
                self.pending = &FRAME;
                self.decoder.reinit()?;
                return Ok(true);
            }
        }
    }

    /// One step of unpacking: `None` at the end of the input.
    fn step(&mut self, out: &mut [u8]) -> io::Result<Option<usize>> {
        let input = match (self.more, self.pending.is_empty()) {
            (true, _) => &[][..],
            (false, false) => self.pending,
            (false, true) => match self.from.fill_buf()? {
                [] => return Ok(None),
                input => input,
            },
        };
        let least = input.len().min(1);
        let mut source = InBuffer::around(input);
        let mut target = OutBuffer::around(out);
        let result = self.decoder.run(&mut source, &mut target);
        let (used, made) = (source.pos(), target.pos());
        if self.pending.is_empty() {
            // A frame that is refused at its first byte must not be found again by the search.
            self.from.consume(if result.is_err() { used.max(least) } else { used });
        } else {
            self.pending = self.pending.get(used..).unwrap_or_default();
        }
        let Ok(hint) = result else {
            self.broken += 1;
            self.pending = &[];
            (self.searching, self.in_frame, self.more) = (Some(0), false, false);
            // Whatever line was under way must not run into the next frame's first.
            return Ok(Some(out.first_mut().map_or(0, |first| {
                *first = b'\n';
                1
            })));
        };
        self.in_frame = hint != 0;
        self.more = self.in_frame && made == out.len();
        if !self.in_frame {
            self.decoder.reinit()?;
        }
        Ok(Some(made))
    }
}

impl<R: BufRead> Read for Unpack<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(matched) = self.searching
                && !self.search(matched)?
            {
                return Ok(0);
            }
            match self.step(out)? {
                Some(0) => {}
                Some(made) => return Ok(made),
                None => {
                    self.cut |= self.in_frame;
                    return Ok(0);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(bytes: &[u8]) -> (Vec<u8>, u64, bool) {
        let mut unpack = Unpack::new(bytes).unwrap();
        let mut out = Vec::new();
        unpack.read_to_end(&mut out).unwrap();
        (out, unpack.broken, unpack.cut)
    }

    fn packed(text: &[u8]) -> Vec<u8> {
        zstd::bulk::compress(text, 1).unwrap()
    }

    #[test]
    fn frames_follow_one_another_and_skippable_ones_are_skipped() {
        let mut file = vec![0x5C, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 1, 2, 3];
        assert!(is_packed(&file));
        file.extend(packed(b"one\n"));
        file.extend([0x50, 0x2A, 0x4D, 0x18, 0, 0, 0, 0]);
        file.extend(packed(b"two\n"));
        assert_eq!(unpacked(&file), (b"one\ntwo\n".to_vec(), 0, false));
    }

    #[test]
    fn a_broken_frame_costs_itself_and_not_the_next() {
        let long: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut first = packed(&long);
        // The block's header: a type that does not exist.
        first[9..12].fill(0xFF);
        let mut file = first;
        file.extend(packed(b"two\n"));
        let (text, broken, cut) = unpacked(&file);
        assert!(text.ends_with(b"\ntwo\n"));
        assert!(broken >= 1 && !cut);
    }

    #[test]
    fn a_frame_without_an_end_is_read_as_far_as_it_goes() {
        let long: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        let file = packed(&long);
        let (text, broken, cut) = unpacked(&file[..file.len() / 2]);
        assert!(!text.is_empty() && long.starts_with(&text));
        assert_eq!((broken, cut), (0, true));
    }

    #[test]
    fn a_window_larger_than_eight_mebibytes_is_refused() {
        let mut file = Vec::new();
        let mut stream = zstd::stream::write::Encoder::new(&mut file, 1).unwrap();
        stream.window_log(27).unwrap();
        io::Write::write_all(&mut stream, b"text\n").unwrap();
        stream.finish().unwrap();
        let (text, broken, _) = unpacked(&file);
        assert_eq!((&text[..], broken), (&b"\n"[..], 1));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_come_to_an_end_without_a_panic(tail in proptest::collection::vec(0..=255_u8, 0..300), at in 0..300_usize) {
            let mut file = packed(&tail);
            file.splice(at.min(file.len()).., tail);
            let _ = unpacked(&file);
        }
    }
}
