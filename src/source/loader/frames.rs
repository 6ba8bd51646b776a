//! The messages that wait in a `multiprocessing` pipe, parsed from a copy of its bytes.
//!
//! A message is a big-endian length and that many bytes of pickle. A batch and a task both start
//! with their integer index and end as a pair; anything else (the `None` of a shutdown, the resume
//! of a new epoch, a pool's job) is told apart by that, and never counted as a batch.

/// Indices kept of one pipe. A pipe holds 64 KiB unless its owner enlarged it to 1 MiB, and a
/// message takes at least 28 bytes.
const INDEX_CAP: usize = 1 << 16;
/// Longest message believed: longer, and the length is no length.
const LENGTH_CAP: u64 = 1 << 40;
/// Places tried to find the start of a message again.
const RESYNC_TRIES: usize = 64;

/// What was in a pipe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frames {
    /// Indices of the complete batches (or tasks), in the order of the pipe.
    pub indices: Vec<u64>,
    /// Complete messages that are no batch: shutdown, resume, a foreign protocol.
    pub others: u32,
    /// The last message is not complete: it is being written, or does not fit the pipe.
    pub truncated: bool,
    /// The bytes began inside a message, whose reader was in the middle of taking it.
    pub resynced: bool,
}

impl Frames {
    /// Complete batches.
    pub fn complete(&self) -> u64 {
        self.indices.len() as u64
    }

    /// The lowest index.
    pub fn first_idx(&self) -> Option<u64> {
        self.indices.iter().copied().min()
    }

    /// The highest index.
    pub fn last_idx(&self) -> Option<u64> {
        self.indices.iter().copied().max()
    }
}

/// Reads the messages out of `bytes`. Bounded by their number, whatever they are.
pub fn parse(bytes: &[u8]) -> Frames {
    if let Some(frames) = walk(bytes) {
        return frames;
    }
    let starts = (1..bytes.len().min(1 << 16)).filter(|&at| starts_message(bytes, at));
    for at in starts.take(RESYNC_TRIES) {
        if let Some(mut frames) = bytes.get(at..).and_then(walk) {
            frames.resynced = true;
            return frames;
        }
    }
    Frames { truncated: !bytes.is_empty(), resynced: true, ..Frames::default() }
}

fn starts_message(bytes: &[u8], at: usize) -> bool {
    matches!(bytes.get(at..at + 6), Some([0, _, _, _, 0x80, 2..=5]))
}

/// Follows the lengths from the first byte. `None` where that is not the start of a message.
fn walk(mut rest: &[u8]) -> Option<Frames> {
    let mut frames = Frames::default();
    while !rest.is_empty() {
        let Some((length, header)) = length(rest) else {
            frames.truncated = true;
            break;
        };
        if !(2..LENGTH_CAP).contains(&length) {
            return None;
        }
        let body = rest.get(header..).unwrap_or_default();
        match body {
            [0x80, 2..=5, ..] | [0x80] | [] => {}
            _ => return None,
        }
        let Some(message) = usize::try_from(length).ok().and_then(|n| body.get(..n)) else {
            frames.truncated = true;
            break;
        };
        match batch_index(message) {
            Some(index) if frames.indices.len() < INDEX_CAP => frames.indices.push(index),
            _ => frames.others = frames.others.saturating_add(1),
        }
        rest = body.get(message.len()..).unwrap_or_default();
    }
    Some(frames)
}

/// The length of the message and of its header; `None` where the header itself is cut.
fn length(bytes: &[u8]) -> Option<(u64, usize)> {
    let short = i32::from_be_bytes(*bytes.first_chunk::<4>()?);
    if short != -1 {
        // A negative length is none: 0 makes the caller give up.
        return Some((u64::try_from(short).unwrap_or(0), 4));
    }
    Some((u64::from_be_bytes(*bytes.get(4..)?.first_chunk::<8>()?), 12))
}

/// The index of a message that is a pair with an integer first.
fn batch_index(message: &[u8]) -> Option<u64> {
    // Protocols 2 and 3 remember the pair by number.
    if !matches!(message, [.., 0x86, 0x94, 0x2e] | [.., 0x86, 0x71, _, 0x2e]) {
        return None;
    }
    let after_protocol = message.get(2..)?;
    let body = match after_protocol {
        [0x95, rest @ ..] => rest.get(8..)?,
        _ => after_protocol,
    };
    match *body {
        [b'K', a, ..] => Some(u64::from(a)),
        [b'M', a, b, ..] => Some(u64::from(u16::from_le_bytes([a, b]))),
        [b'J', a, b, c, d, ..] => u64::try_from(i32::from_le_bytes([a, b, c, d])).ok(),
        [0x8a, n @ 1..=8, ref rest @ ..] => {
            let digits = rest.get(..usize::from(n))?;
            if digits.last()? & 0x80 != 0 {
                return None;
            }
            Some(digits.iter().rev().fold(0, |value, &digit| value << 8 | u64::from(digit)))
        }
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A task or batch as torch sends it: `(index, None)` in protocol 4.
    pub(crate) fn message(index: u64) -> Vec<u8> {
        let mut pickle = if let Ok(small) = u8::try_from(index) {
            vec![b'K', small]
        } else {
            let mut long = vec![b'J'];
            long.extend((index as i32).to_le_bytes());
            long
        };
        pickle.extend([0x4e, 0x86, 0x94, 0x2e]);
        let mut body = vec![0x80, 4, 0x95];
        body.extend((pickle.len() as u64).to_le_bytes());
        body.extend(pickle);
        framed(&body)
    }

    fn framed(body: &[u8]) -> Vec<u8> {
        let mut out = (body.len() as i32).to_be_bytes().to_vec();
        out.extend(body);
        out
    }

    fn pipe(indices: &[u64]) -> Vec<u8> {
        indices.iter().flat_map(|&index| message(index)).collect()
    }

    #[test]
    fn an_empty_pipe_holds_nothing() {
        assert_eq!(parse(&[]), Frames::default());
    }

    #[test]
    fn every_complete_batch_is_counted_with_its_index() {
        let frames = parse(&pipe(&[7, 5, 300, 70_000]));
        assert_eq!(frames.indices, [7, 5, 300, 70_000]);
        assert_eq!((frames.first_idx(), frames.last_idx()), (Some(5), Some(70_000)));
        assert!(!frames.truncated && !frames.resynced);
    }

    #[test]
    fn a_shutdown_and_a_resume_are_no_batches() {
        let mut bytes = framed(&[0x80, 4, 0x4e, 0x2e]);
        bytes.extend(framed(&[0x80, 4, 0x95, 3, 0, 0, 0, 0, 0, 0, 0, 0x8c, 0x94, 0x2e]));
        bytes.extend(message(3));
        let frames = parse(&bytes);
        assert_eq!((frames.indices.as_slice(), frames.others), ([3].as_slice(), 2));
    }

    #[test]
    fn a_batch_that_does_not_fit_the_pipe_is_truncated_and_not_counted() {
        let mut bytes = message(1);
        let cut = message(2);
        bytes.extend(&cut[..cut.len() - 1]);
        let frames = parse(&bytes);
        assert_eq!((frames.complete(), frames.truncated), (1, true));
    }

    #[test]
    fn a_batch_whose_header_was_just_taken_does_not_hide_the_next() {
        let bytes = pipe(&[8, 9, 10]);
        let frames = parse(&bytes[4..]);
        assert_eq!(frames.indices, [9, 10]);
        assert!(frames.resynced);
    }

    #[test]
    fn a_message_beyond_two_gib_has_its_length_in_the_long_header() {
        let mut bytes = (-1_i32).to_be_bytes().to_vec();
        bytes.extend((3_u64 << 30).to_be_bytes());
        bytes.extend([0x80, 4]);
        let frames = parse(&bytes);
        assert_eq!((frames.complete(), frames.truncated), (0, true));
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_panic_and_within_bounds(bytes in prop::collection::vec(any::<u8>(), 0..5000)) {
            let frames = parse(&bytes);
            prop_assert!(frames.indices.len() + frames.others as usize <= bytes.len() / 6);
        }

        #[test]
        fn messages_survive_being_cut_anywhere(
            indices in prop::collection::vec(0_u64..1_000_000, 1..50), cut in any::<prop::sample::Index>(),
        ) {
            let bytes = pipe(&indices);
            let kept = &bytes[..cut.index(bytes.len())];
            let frames = parse(kept);
            prop_assert_eq!(&frames.indices[..], &indices[..frames.indices.len()]);
            prop_assert!(!frames.resynced);
        }

        #[test]
        fn a_flipped_bit_never_makes_more_batches_than_were_sent(
            indices in prop::collection::vec(0_u64..1_000_000, 1..50), at in any::<prop::sample::Index>(), bit in 0..8,
        ) {
            let mut bytes = pipe(&indices);
            let at = at.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            prop_assert!(parse(&bytes).indices.len() <= indices.len());
        }
    }
}
