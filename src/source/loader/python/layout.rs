//! Where things stand in the memory of each CPython: offsets in bytes, of 64-bit builds with the
//! global lock. Those of 3.8 to 3.12 are from the headers; from 3.13 on the interpreter carries most
//! of its own.

use super::memory::word_at;
use super::version::Version;

/// The layout of one interpreter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// The minor version: how integers, dictionaries and instances are stored goes by it.
    pub(super) minor: u8,
    /// In the runtime: the main interpreter.
    pub(super) runtime_main: u64,
    /// In the interpreter: the newest thread.
    pub(super) threads_head: u64,
    /// The garbage collector's lists, youngest first.
    pub(super) generations: Generations,
    pub(super) thread: Thread,
    pub(super) frame: Frame,
    pub(super) code: Code,
    /// In a generator: its frame, or a pointer to it before 3.11.
    pub(super) generator_frame: u64,
    /// In a heap type: the keys that its instances share.
    pub(super) cached_keys: u64,
    /// Where the characters of a string begin: one of ASCII characters, and any other.
    pub(super) text: (u64, u64),
}

/// Heads of the garbage collector's lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Generations {
    /// In the runtime; else in the interpreter.
    pub(super) in_runtime: bool,
    /// Their heads, youngest first.
    pub(super) heads: [u64; 3],
}

/// In a thread's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Thread {
    pub(super) next: u64,
    pub(super) interpreter: u64,
    pub(super) id: u64,
    /// The frame that runs, or a structure on the C stack that points to it.
    pub(super) frame: u64,
    /// In that structure: the frame.
    pub(super) frame_in_c: Option<u64>,
}

/// In a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) code: u64,
    pub(super) previous: u64,
    /// The local variables, and behind them the values in the works.
    pub(super) locals: u64,
}

/// In a code object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) file: u64,
    pub(super) name: u64,
    /// Number of local variables, u32.
    pub(super) locals: u64,
    /// Room for values in the works, u32.
    pub(super) stack: u64,
    /// The names of the local variables, a tuple.
    pub(super) names: u64,
}

/// In every object: its type.
pub(super) const OB_TYPE: u64 = 8;
/// In a type: its name, its size, flags, dictionary offset.
pub(super) const TP_NAME: u64 = 24;
pub(super) const TP_BASICSIZE: u64 = 32;
pub(super) const TP_FLAGS: u64 = 168;
pub(super) const TP_DICTOFFSET: u64 = 288;
/// In anything with a length: its length.
pub(super) const SIZE: u64 = 16;
/// In a list: a pointer to its items. In a tuple: its items.
pub(super) const ITEMS: u64 = 24;
/// In a dictionary: the number of entries, the keys, the values where they stand apart.
pub(super) const MA_USED: u64 = 16;
pub(super) const MA_KEYS: u64 = 32;
pub(super) const MA_VALUES: u64 = 40;
/// In `enumerate`: what it goes over.
pub(super) const ENUMERATE_IT: u64 = 24;
/// Before an object that the garbage collector knows: its links.
pub(super) const GC_HEAD: u64 = 16;

impl Layout {
    /// The layout of 3.8 to 3.12.
    pub(super) fn of(minor: u8) -> Option<Self> {
        let early = Self {
            minor,
            runtime_main: 40,
            threads_head: 8,
            generations: Generations::interpreter(640),
            thread: Thread { next: 8, interpreter: 16, id: 176, frame: 24, frame_in_c: None },
            frame: Frame { code: 32, previous: 24, locals: 360 },
            code: Code { file: 104, name: 112, locals: 28, stack: 32, names: 72 },
            generator_frame: 16,
            cached_keys: 0,
            text: (48, 72),
        };
        let late = Code { file: 112, name: 120, locals: 76, stack: 68, names: 96 };
        Some(match minor {
            8 => {
                let generations = Generations { in_runtime: true, heads: [368, 392, 416] };
                Self { generations, ..early }
            }
            9 => early,
            10 => Self { frame: Frame { locals: 352, ..early.frame }, ..early },
            11 => Self {
                runtime_main: 48,
                threads_head: 16,
                generations: Generations::interpreter(672),
                thread: Thread { id: 152, frame: 56, frame_in_c: Some(8), ..early.thread },
                frame: Frame { code: 32, previous: 48, locals: 72 },
                code: late,
                generator_frame: 80,
                cached_keys: 872,
                ..early
            },
            12 => Self {
                runtime_main: 48,
                threads_head: 72,
                generations: Generations::interpreter(136),
                thread: Thread { id: 136, frame: 56, frame_in_c: Some(0), ..early.thread },
                frame: Frame { code: 0, previous: 8, locals: 72 },
                code: Code { locals: 72, stack: 64, ..late },
                generator_frame: 72,
                cached_keys: 880,
                text: (40, 56),
                ..early
            },
            _ => return None,
        })
    }

    /// The layout of 3.13 and 3.14, out of the table of offsets that the runtime begins with.
    /// None where the table does not fit.
    pub(super) fn from_table(minor: u8, table: &[u8]) -> Option<Self> {
        let at = match minor {
            13 => &TABLE_3_13,
            14 => &TABLE_3_14,
            _ => return None,
        };
        let field = |index: usize| word_at(table, 24 + 8 * index);
        if at.known.iter().zip(KNOWN).any(|(&index, value)| field(index) != value) {
            return None;
        }
        let layout = Self {
            minor,
            // The main interpreter stands behind the newest one.
            runtime_main: field(at.interpreters_head) + 8,
            threads_head: field(at.threads_head),
            generations: Generations::interpreter(field(at.gc) + 24),
            thread: Thread {
                next: field(at.thread_next),
                interpreter: field(at.thread_interpreter),
                id: field(at.thread_id),
                frame: field(at.current_frame),
                frame_in_c: None,
            },
            frame: Frame {
                code: field(at.frame_code),
                previous: field(at.frame_previous),
                locals: field(at.frame_locals),
            },
            code: Code {
                file: field(at.code_file),
                name: field(at.code_name),
                locals: 72,
                stack: 64,
                names: field(at.code_names),
            },
            generator_frame: at.generator_frame.map_or(72, field),
            cached_keys: 880,
            text: (field(at.text), 56),
        };
        layout.plausible().then_some(layout)
    }

    /// Whether the offsets can be those of a real interpreter.
    fn plausible(&self) -> bool {
        let Self { thread, frame, code, .. } = self;
        let heads = [self.runtime_main, self.threads_head, self.generations.heads[0]];
        let small = [
            thread.next,
            thread.interpreter,
            thread.id,
            thread.frame,
            frame.code,
            frame.previous,
            frame.locals,
            code.file,
            code.name,
            code.names,
            self.generator_frame,
        ];
        heads.iter().all(|&at| at < 1 << 20 && at.is_multiple_of(8))
            && small.iter().all(|&at| at < 1 << 10 && at.is_multiple_of(8))
            && self.text.0 == 40
    }
}

impl Generations {
    const fn interpreter(first: u64) -> Self {
        Self { in_runtime: false, heads: [first, first + 24, first + 48] }
    }
}

/// At the start of the runtime from 3.13 on.
pub(super) const COOKIE: &[u8; 8] = b"xdebugpy";
/// Bytes of the table that are looked at.
pub(super) const TABLE: usize = 24 + 8 * 96;

/// What the table says of itself: the version, and whether the build is without the global lock.
pub(super) fn table_head(table: &[u8]) -> Option<(Version, bool)> {
    table
        .starts_with(COOKIE)
        .then(|| (Version::from_hex(word_at(table, 8) as u32), word_at(table, 16) != 0))
}

/// Which field of the table is which, counted from behind its head.
struct Table {
    interpreters_head: usize,
    threads_head: usize,
    gc: usize,
    thread_next: usize,
    thread_interpreter: usize,
    current_frame: usize,
    thread_id: usize,
    frame_previous: usize,
    frame_code: usize,
    frame_locals: usize,
    code_file: usize,
    code_name: usize,
    code_names: usize,
    text: usize,
    generator_frame: Option<usize>,
    /// Fields that have the same values in every version: [`KNOWN`].
    known: [usize; 7],
}

/// From the header of 3.13.
const TABLE_3_13: Table = Table {
    interpreters_head: 2,
    threads_head: 6,
    gc: 7,
    thread_next: 18,
    thread_interpreter: 19,
    current_frame: 20,
    thread_id: 21,
    frame_previous: 26,
    frame_code: 27,
    frame_locals: 29,
    code_file: 32,
    code_name: 33,
    code_names: 38,
    text: 67,
    generator_frame: None,
    known: [42, 44, 46, 51, 54, 55, 59],
};

/// From the header of 3.14.
const TABLE_3_14: Table = Table {
    interpreters_head: 2,
    threads_head: 6,
    gc: 8,
    thread_next: 21,
    thread_interpreter: 22,
    current_frame: 23,
    thread_id: 24,
    frame_previous: 29,
    frame_code: 30,
    frame_locals: 32,
    code_file: 37,
    code_name: 38,
    code_names: 43,
    text: 77,
    generator_frame: Some(82),
    known: [48, 50, 52, 57, 64, 65, 69],
};

/// The type of an object; name and flags of a type; items of a list; keys and values of a
/// dictionary; the tag of an integer.
const KNOWN: [u64; 7] = [OB_TYPE, TP_NAME, TP_FLAGS, ITEMS, MA_KEYS, MA_VALUES, SIZE];

#[cfg(test)]
mod tests {
    use super::*;

    /// A table with the values that the headers of a version give.
    fn table(at: &Table, fields: &[(usize, u64)]) -> Vec<u8> {
        let mut words = vec![0_u64; (TABLE - 24) / 8];
        for (index, value) in at.known.into_iter().zip(KNOWN).chain(fields.iter().copied()) {
            words[index] = value;
        }
        let head = [&COOKIE[..], &[0; 16]].concat();
        head.into_iter().chain(words.into_iter().flat_map(u64::to_le_bytes)).collect()
    }

    fn fields_of_3_14() -> Vec<u8> {
        let fields = [
            (2, 632),
            (6, 7344),
            (8, 7408),
            (21, 8),
            (22, 16),
            (23, 72),
            (24, 152),
            (29, 8),
            (30, 0),
            (32, 80),
            (37, 112),
            (38, 120),
            (43, 96),
            (77, 40),
            (82, 72),
        ];
        table(&TABLE_3_14, &fields)
    }

    #[test]
    fn the_table_of_3_14_is_read_field_by_field() {
        let layout = Layout::from_table(14, &fields_of_3_14()).unwrap();
        assert_eq!(layout.threads_head, 7344);
        assert_eq!(layout.generations.heads, [7432, 7456, 7480]);
        assert_eq!(layout.frame, Frame { code: 0, previous: 8, locals: 80 });
        assert_eq!((layout.code.file, layout.generator_frame), (112, 72));
    }

    #[test]
    fn a_table_that_contradicts_what_is_the_same_everywhere_is_refused() {
        let mut moved = fields_of_3_14();
        moved.rotate_left(8);
        assert_eq!(Layout::from_table(14, &moved), None);
        assert_eq!(Layout::from_table(13, &fields_of_3_14()), None);
        assert_eq!(Layout::from_table(14, &[]), None);
        assert_eq!(Layout::from_table(15, &fields_of_3_14()), None);
    }

    #[test]
    fn only_versions_whose_headers_were_read_have_a_layout() {
        let known: Vec<u8> = (0..40).filter(|&minor| Layout::of(minor).is_some()).collect();
        assert_eq!(known, [8, 9, 10, 11, 12]);
    }
}
