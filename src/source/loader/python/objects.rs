//! Python objects in the memory of another interpreter: integers, text, lists, and the attributes of
//! instances.

use std::collections::HashMap;

use crate::model::Gap;

use super::layout::{
    ITEMS, Layout, MA_KEYS, MA_VALUES, OB_TYPE, SIZE, TP_BASICSIZE, TP_DICTOFFSET, TP_FLAGS,
    TP_NAME,
};
use super::memory::{Piece, Remote, half_at, is_object, word_at};

/// Entries of a dictionary of attributes, and items of a list.
const ENTRIES: u64 = 2048;
/// The longest name of an attribute that is looked for.
const NAME: usize = 40;
/// The longest text; of a longer one the end is read.
const TEXT: usize = 160;
/// Types remembered.
const TYPES: usize = 65_536;
/// The flag of a type whose instances have their attributes managed by the interpreter, and of one
/// that keeps their values inside of the instance.
const MANAGED: u64 = 1 << 4;
const INLINE: u64 = 1 << 2;

/// What a type is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An iterator of a PyTorch DataLoader, or of one derived from it.
    Iterator,
    Enumerate,
    Generator,
    /// What goes over a `range`.
    Range,
    Code,
    /// That of `None`.
    Nothing,
    Other,
}

/// Where an attribute is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// The address of the word that points to the value.
    pub(super) at: u64,
    /// The value.
    pub(super) value: u64,
}

/// Attributes of one instance.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    found: HashMap<String, Slot>,
    /// Words that must stay the same for the slots to be where they are.
    pub(super) witness: Vec<(u64, u64)>,
}

impl Attributes {
    /// The slot of an attribute. `NotYet` where the instance has none of that name.
    pub(super) fn slot(&self, name: &str) -> Result<Slot, Gap> {
        self.found.get(name).copied().ok_or(Gap::NotYet)
    }

    /// The value of an attribute.
    pub(super) fn value(&self, name: &str) -> Result<u64, Gap> {
        self.slot(name).map(|slot| slot.value)
    }
}

/// The objects of one interpreter.
#[derive(Debug)]
pub(super) struct Heap {
    pub(super) remote: Remote,
    pub(super) layout: Layout,
    types: HashMap<u64, Kind>,
}

impl Heap {
    pub(super) fn new(remote: Remote, layout: Layout) -> Self {
        Self { remote, layout, types: HashMap::new() }
    }

    /// Forgets what was learnt of types: their addresses may belong to others by now.
    pub(super) fn forget_types(&mut self) {
        self.types.clear();
    }

    /// What the type at an address is to us.
    pub(super) fn kind(&mut self, kind: u64) -> Result<Kind, Gap> {
        if let Some(&known) = self.types.get(&kind) {
            return Ok(known);
        }
        if !is_object(kind) {
            return Err(Gap::Failed);
        }
        let known = match self.type_name(kind)?.as_str() {
            "enumerate" => Kind::Enumerate,
            "generator" => Kind::Generator,
            "range_iterator" => Kind::Range,
            "code" => Kind::Code,
            "NoneType" => Kind::Nothing,
            name if name.ends_with("DataLoaderIter") => Kind::Iterator,
            _ => Kind::Other,
        };
        if self.types.len() >= TYPES {
            self.types.clear();
        }
        self.types.insert(kind, known);
        Ok(known)
    }

    /// The name of a type.
    pub(super) fn type_name(&mut self, kind: u64) -> Result<String, Gap> {
        let name = self.remote.word(kind.wrapping_add(TP_NAME))?;
        self.remote.c_text(name)
    }

    /// The type of an object.
    pub(super) fn type_of(&mut self, object: u64) -> Result<u64, Gap> {
        if !is_object(object) {
            return Err(Gap::Failed);
        }
        self.remote.word(object + OB_TYPE)
    }

    /// The name of an object's class.
    pub(super) fn class_of(&mut self, object: u64) -> Result<String, Gap> {
        let kind = self.type_of(object)?;
        self.type_name(kind)
    }

    /// An integer, or a boolean as 0 or 1.
    pub(super) fn integer(&mut self, object: u64) -> Result<i64, Gap> {
        if !is_object(object) {
            return Err(Gap::Failed);
        }
        let bytes: [u8; 16] = self.remote.bytes(object + SIZE)?;
        integer(self.layout.minor, &bytes).ok_or(Gap::Failed)
    }

    /// Text; of a long one its end.
    pub(super) fn text(&mut self, object: u64) -> Result<String, Gap> {
        if !is_object(object) {
            return Err(Gap::Failed);
        }
        let head: [u8; 24] = self.remote.bytes(object + SIZE)?;
        // From the lowest bit: interned 2, kind (bytes a character) 3, compact, ASCII.
        let state = half_at(&head, 16);
        let (kind, compact, ascii) = (state >> 2 & 7, state >> 5 & 1, state >> 6 & 1);
        if compact == 0 || !matches!(kind, 1 | 2 | 4) {
            return Err(Gap::Failed);
        }
        let start = if ascii == 1 { self.layout.text.0 } else { self.layout.text.1 };
        let length = word_at(&head, 0);
        let skipped = length.saturating_sub(TEXT as u64);
        let width = kind as usize;
        let mut bytes = [0; TEXT * 4];
        let bytes = bytes.get_mut(..(length - skipped) as usize * width).ok_or(Gap::Failed)?;
        let from = skipped.checked_mul(u64::from(kind)).ok_or(Gap::Failed)?;
        self.remote.fill(object.wrapping_add(start).wrapping_add(from), bytes)?;
        let chars = bytes.chunks_exact(width).map(|unit| {
            let code = unit.iter().rev().fold(0, |code, &byte| code << 8 | u32::from(byte));
            char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
        });
        Ok(chars.collect())
    }

    /// The items of a list.
    pub(super) fn list(&mut self, object: u64) -> Result<Vec<u64>, Gap> {
        if !is_object(object) {
            return Err(Gap::Failed);
        }
        let head: [u8; 16] = self.remote.bytes(object + SIZE)?;
        let count = word_at(&head, 0);
        if count > ENTRIES {
            return Err(Gap::Failed);
        }
        self.remote.words(word_at(&head, (ITEMS - SIZE) as usize), count as usize)
    }

    /// The attributes of an instance.
    pub(super) fn attributes(&mut self, object: u64) -> Result<Attributes, Gap> {
        let kind = self.type_of(object)?;
        let flags = self.remote.word(kind.wrapping_add(TP_FLAGS))?;
        let mut all = Attributes::default();
        all.witness.push((object + OB_TYPE, kind));
        let minor = self.layout.minor;
        let (mut dict, mut values) = (0, 0);
        if minor >= 11 && flags & MANAGED != 0 {
            let [before, word]: [u64; 2] =
                self.remote.words(object - 32, 2)?.try_into().map_err(|_| Gap::Failed)?;
            all.witness.push((object - 24, word));
            match minor {
                11 => {
                    all.witness.push((object - 32, before));
                    (dict, values) = (word, before);
                }
                12 if word & 1 == 1 => values = word + 1,
                12 => dict = word,
                _ if word == 0 && flags & INLINE != 0 => {
                    let size = self.remote.word(kind.wrapping_add(TP_BASICSIZE))?;
                    values = object.wrapping_add(size).wrapping_add(VALUES_HEAD);
                }
                _ => dict = word,
            }
        } else {
            let offset = self.remote.word(kind.wrapping_add(TP_DICTOFFSET))?.cast_signed();
            if !(1..1 << 16).contains(&offset) {
                return Err(Gap::NotYet);
            }
            let at = object.wrapping_add_signed(offset);
            dict = self.remote.word(at)?;
            all.witness.push((at, dict));
        }
        // In 3.11 the values are left when the dictionary takes over.
        let keys = if values != 0 && (minor != 11 || dict == 0) {
            self.remote.word(kind.wrapping_add(self.layout.cached_keys))?
        } else if is_object(dict) {
            let [keys, apart]: [u64; 2] =
                self.remote.words(dict + MA_KEYS, 2)?.try_into().map_err(|_| Gap::Failed)?;
            all.witness.extend([(dict + MA_KEYS, keys), (dict + MA_VALUES, apart)]);
            values =
                if apart != 0 && minor >= 13 { apart.wrapping_add(VALUES_HEAD) } else { apart };
            keys
        } else {
            return Err(Gap::NotYet);
        };
        self.entries(keys, values, &mut all.found)?;
        Ok(all)
    }

    /// The entries of a dictionary's keys with short names. The values stand apart, or beside the
    /// keys where `values` is 0.
    fn entries(
        &mut self,
        keys: u64,
        values: u64,
        found: &mut HashMap<String, Slot>,
    ) -> Result<(), Gap> {
        let table = self.table(keys)?;
        let mut entries = vec![0; (table.count * table.stride) as usize];
        // The last entry of a page may end it: nothing is read behind the last value.
        self.remote.fill(table.first, &mut entries)?;
        let apart = match values {
            0 => Vec::new(),
            values => self.remote.words(values, table.count as usize)?,
        };
        let mut slots = Vec::new();
        for (index, entry) in entries.chunks_exact(table.stride as usize).enumerate() {
            let at = index as u64;
            let offset = table.key + 8;
            let beside = table.first + at * table.stride + offset as u64;
            let (place, value) = apart.get(index).map_or_else(
                || (beside, word_at(entry, offset)),
                |&value| (values + 8 * at, value),
            );
            let key = word_at(entry, table.key);
            if is_object(key) && is_object(value) {
                slots.push((key, Slot { at: place, value }));
            }
        }
        let heads: Vec<Piece> =
            slots.iter().map(|&(key, _)| Piece { at: key + SIZE, len: 8 }).collect();
        let mut lengths = vec![0; 8 * heads.len()];
        self.copy_all(&heads, &mut lengths)?;
        let lengths: Vec<usize> =
            lengths.chunks_exact(8).map(|length| word_at(length, 0) as usize).collect();
        let short = |length: &usize| (1..=NAME).contains(length);
        slots = slots.into_iter().zip(&lengths).filter(|(_, n)| short(n)).map(|(s, _)| s).collect();
        let lengths: Vec<usize> = lengths.into_iter().filter(short).collect();
        let start = self.layout.text.0;
        let pieces: Vec<Piece> = slots
            .iter()
            .zip(&lengths)
            .map(|(&(key, _), &len)| Piece { at: key + start, len })
            .collect();
        let mut names = vec![0; lengths.iter().sum()];
        self.copy_all(&pieces, &mut names)?;
        let mut rest = names.as_slice();
        for ((_, slot), length) in slots.into_iter().zip(lengths) {
            let Some((name, behind)) = rest.split_at_checked(length) else { break };
            rest = behind;
            found.insert(String::from_utf8_lossy(name).into_owned(), slot);
        }
        Ok(())
    }

    /// Copies any number of pieces.
    fn copy_all(&mut self, pieces: &[Piece], bytes: &mut [u8]) -> Result<(), Gap> {
        let mut rest = bytes;
        for pieces in pieces.chunks(super::memory::PIECES) {
            let len = pieces.iter().map(|piece| piece.len).sum();
            let (now, behind) = rest.split_at_mut_checked(len).ok_or(Gap::Failed)?;
            self.remote.copy(pieces, now)?;
            rest = behind;
        }
        Ok(())
    }

    /// How the entries of a dictionary's keys are stored.
    fn table(&mut self, keys: u64) -> Result<Entries, Gap> {
        let head: [u8; 40] = self.remote.bytes(keys)?;
        let entries = if self.layout.minor >= 11 {
            let [index_bytes, kind] = [head[9], head[10]];
            if index_bytes > 24 {
                return Err(Gap::Failed);
            }
            let first = keys.wrapping_add(32 + (1 << index_bytes));
            // With hashes, or only text as keys and no hashes.
            let (stride, key) = if kind == 0 { (24, 8) } else { (16, 0) };
            Entries { first, stride, key, count: word_at(&head, 24) }
        } else {
            let size = word_at(&head, 8);
            let width = match size {
                0..=0xff => 1,
                0x100..=0xffff => 2,
                _ => 4,
            };
            let indices = size.checked_mul(width).ok_or(Gap::Failed)?;
            let first = keys.wrapping_add(40).wrapping_add(indices);
            Entries { first, stride: 24, key: 8, count: word_at(&head, 32) }
        };
        if entries.count > ENTRIES { Err(Gap::Failed) } else { Ok(entries) }
    }
}

/// Before the values that an instance keeps inside of itself, from 3.13 on.
const VALUES_HEAD: u64 = 8;

/// How the entries of a dictionary's keys are stored.
#[derive(Clone, Copy, Debug)]
struct Entries {
    first: u64,
    stride: u64,
    /// Where the key is in an entry; the value is behind it.
    key: usize,
    count: u64,
}

/// An integer out of what follows its head. None beyond 60 bits.
pub(super) fn integer(minor: u8, bytes: &[u8]) -> Option<i64> {
    let size = word_at(bytes, 0);
    let (digits, negative) = if minor >= 12 {
        (size >> 3, size & 3 == 2)
    } else {
        (size.cast_signed().unsigned_abs(), size.cast_signed() < 0)
    };
    let digit = |at| i64::from(half_at(bytes, at) & 0x3fff_ffff);
    let value = match digits {
        0 => 0,
        1 => digit(8),
        2 => digit(8) | digit(12) << 30,
        _ => return None,
    };
    Some(if negative { -value } else { value })
}
