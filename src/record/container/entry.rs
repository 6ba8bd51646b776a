//! One row of the index: where a frame lies, when it was, what it holds.

use crate::model::{Event, EventKind, Frame, Stamp};
use crate::record::series::{Extent, Gather, SERIES, Series};

use super::{INDEX_TAG, push_skippable};

/// Bytes of an entry in IX and in EX, its checksum included.
pub(in crate::record) const ENTRY: usize = 72 + SERIES * 6;
/// Bytes of an IX.
pub(in crate::record) const IX: usize = ENTRY + super::SKIP_HEAD;
/// There is no entry before this one.
pub(in crate::record) const NONE: u64 = u64::MAX;
const NO_VALUE: u16 = u16::MAX;

/// A frame of lines, as the index has it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::record) struct Entry {
    /// Which kinds of events it holds, a bit each in the order of [`EventKind::ALL`].
    pub(in crate::record) flags: u32,
    pub(in crate::record) first: Stamp,
    pub(in crate::record) last: Stamp,
    pub(in crate::record) seq_first: u64,
    pub(in crate::record) ticks: u32,
    /// Bytes of the frame.
    pub(in crate::record) length: u32,
    /// Where the frame begins.
    pub(in crate::record) offset: u64,
    extents: [[u16; 3]; SERIES],
}

impl Entry {
    /// Where the frame ends, and its IX begins.
    pub(in crate::record) fn end(&self) -> u64 {
        self.offset.saturating_add(u64::from(self.length))
    }

    /// What a series was over the frame.
    pub(in crate::record) fn extent(&self, series: Series) -> Option<Extent> {
        let [min, mean, max] = *self.extents.get(series.index())?;
        if mean == NO_VALUE {
            return None;
        }
        Some(Extent { min: wide(min), mean: wide(mean), max: wide(max) })
    }

    /// Whether it holds any event.
    pub(in crate::record) const fn has_events(&self) -> bool {
        self.flags != 0
    }

    /// The same frame elsewhere in another file.
    pub(in crate::record) const fn moved(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }

    /// The entry as bytes, its checksum at the end.
    pub(in crate::record) fn bytes(&self, prev: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(ENTRY);
        out.extend(self.flags.to_le_bytes());
        out.extend(self.first.unix_ms.to_le_bytes());
        out.extend(self.last.unix_ms.to_le_bytes());
        out.extend(self.first.mono_ms.to_le_bytes());
        out.extend(self.last.mono_ms.to_le_bytes());
        out.extend(self.seq_first.to_le_bytes());
        out.extend(self.ticks.to_le_bytes());
        out.extend(self.length.to_le_bytes());
        out.extend(self.offset.to_le_bytes());
        out.extend(prev.to_le_bytes());
        for value in self.extents.as_flattened() {
            out.extend(value.to_le_bytes());
        }
        out.extend([0; 4]);
        let at = out.len() - 4;
        let crc = crc32fast::hash(&out[..at]);
        out[at..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Appends the entry as IX.
    pub(in crate::record) fn push(&self, prev: u64, out: &mut Vec<u8>) {
        push_skippable(out, INDEX_TAG, &self.bytes(prev));
    }

    /// Reads an entry, and where the IX before it lies. `None` where its checksum does not fit.
    pub(in crate::record) fn read(bytes: &[u8]) -> Option<(Self, u64)> {
        let bytes = bytes.get(..ENTRY)?;
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
            return None;
        }
        let mut rest = Rest(body);
        let flags = rest.u32()?;
        let (unix_first, unix_last) = (rest.u64()?.cast_signed(), rest.u64()?.cast_signed());
        let (mono_first, mono_last) = (rest.u64()?, rest.u64()?);
        let seq_first = rest.u64()?;
        let (ticks, length) = (rest.u32()?, rest.u32()?);
        let (offset, prev) = (rest.u64()?, rest.u64()?);
        let mut extents = [[NO_VALUE; 3]; SERIES];
        for value in extents.as_flattened_mut() {
            *value = rest.u16()?;
        }
        let first = Stamp { unix_ms: unix_first, mono_ms: mono_first };
        let last = Stamp { unix_ms: unix_last, mono_ms: mono_last };
        if ticks == 0 || mono_last < mono_first {
            return None;
        }
        Some((Self { flags, first, last, seq_first, ticks, length, offset, extents }, prev))
    }
}

/// Bytes that are read from the front.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*chunk)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}

/// A value that is not below zero in 16 bits: a float without its sign and the last half of its
/// digits, to 0.2 %.
const fn narrow(value: f32) -> u16 {
    let rounded = value.to_bits().saturating_add(1 << 14) >> 15;
    if rounded < NO_VALUE as u32 { rounded as u16 } else { NO_VALUE - 1 }
}

const fn wide(value: u16) -> f32 {
    f32::from_bits((value as u32) << 15)
}

/// An entry while its frame is written or read.
#[derive(Debug, Default)]
pub(in crate::record) struct Tally {
    flags: u32,
    bounds: Option<(Stamp, Stamp, u64)>,
    ticks: u32,
    gathered: [Gather; SERIES],
}

impl Tally {
    /// Counts a tick.
    pub(in crate::record) fn tick(&mut self, frame: &Frame) {
        let sample = &frame.sample;
        self.ticks += 1;
        let stamp = sample.stamp;
        let (_, last, _) = self.bounds.get_or_insert((stamp, stamp, sample.seq));
        *last = stamp;
        for (series, gathered) in Series::ALL.iter().zip(&mut self.gathered) {
            series.read(frame, |value| gathered.add(value));
        }
    }

    /// Notes that the frame holds this event.
    pub(in crate::record) fn event(&mut self, event: &Event) {
        let bit = EventKind::ALL.iter().position(|kind| *kind == event.kind).unwrap_or(31);
        self.flags |= 1 << bit;
    }

    /// The first tick counted.
    pub(in crate::record) fn first(&self) -> Option<Stamp> {
        self.bounds.map(|(first, _, _)| first)
    }

    /// The entry of the frame at this place; `None` where it holds no tick.
    pub(in crate::record) fn entry(&self, offset: u64, length: u32) -> Option<Entry> {
        let (first, last, seq_first) = self.bounds?;
        let extents = self.gathered.each_ref().map(|gathered| {
            gathered.extent().map_or([NO_VALUE; 3], |extent| {
                [narrow(extent.min), narrow(extent.mean), narrow(extent.max)]
            })
        });
        let (flags, ticks) = (self.flags, self.ticks);
        Some(Entry { flags, first, last, seq_first, ticks, length, offset, extents })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_entry_is_read_as_it_was_written_and_not_with_a_flipped_bit() {
        let extents = [[1, 2, 3]; SERIES];
        let stamp = |ms| Stamp { unix_ms: -5, mono_ms: ms };
        let entry = Entry {
            flags: 3,
            first: stamp(1),
            last: stamp(9),
            seq_first: 7,
            ticks: 10,
            length: 99,
            offset: 1 << 40,
            extents,
        };
        let bytes = entry.bytes(17);
        assert_eq!(bytes.len(), ENTRY);
        assert_eq!(Entry::read(&bytes), Some((entry, 17)));
        for at in 0..bytes.len() {
            let mut spoiled = bytes.clone();
            spoiled[at] ^= 1;
            assert_eq!(Entry::read(&spoiled), None);
        }
    }

    proptest! {
        #[test]
        fn a_value_in_sixteen_bits_is_off_by_two_in_a_thousand_at_most(value in 1e-30_f32..1e30) {
            let back = wide(narrow(value));
            prop_assert!((back - value).abs() <= value * 0.002, "{value} {back}");
        }
    }
}
