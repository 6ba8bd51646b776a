//! Small files of the kernel: read whole into a buffer that is kept, or once.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::model::reading::{Gap, Reading};

/// The most that is read of one file. `/proc/stat` of a box with 1024 CPUs has a quarter of it.
const CAP: usize = 1 << 20;

/// A buffer that reads one file after the other.
#[derive(Debug, Default)]
pub(in crate::source) struct Slurp {
    buffer: Vec<u8>,
    /// Bytes of it that the last read filled.
    filled: usize,
}

impl Slurp {
    /// The content of a file, at most [`CAP`] bytes of it.
    pub(in crate::source) fn bytes(&mut self, path: &Path) -> Result<&[u8], Gap> {
        let file = File::open(path).map_err(|error| Gap::from(&error))?;
        self.fill(file)
    }

    /// The same as text; what is not UTF-8 is no file of the kernel's making.
    pub(super) fn text(&mut self, path: &Path) -> Result<&str, Gap> {
        std::str::from_utf8(self.bytes(path)?).map_err(|_| Gap::Failed)
    }

    /// A file that this kernel may not have: its absence means that it is not supported.
    pub(super) fn optional(&mut self, path: &Path) -> Result<&str, Gap> {
        self.text(path).map_err(|gap| if gap == Gap::Lost { Gap::Unsupported } else { gap })
    }

    /// One number in a file of its own.
    pub(super) fn number(&mut self, path: &Path) -> Reading<u64> {
        match self.text(path) {
            Ok(text) => Reading::from_option(text.trim().parse().ok(), Gap::Failed),
            Err(gap) => Reading::Not(gap),
        }
    }

    /// What the last read filled.
    pub(super) fn filled(&self) -> &[u8] {
        self.buffer.get(..self.filled).unwrap_or_default()
    }

    /// Reads a file of `/proc` that holds one record, from its start. The kernel gives such a file
    /// whole where it fits, so that what came short of the room is the end.
    pub(super) fn fill_record(&mut self, file: &File) -> Result<(), Gap> {
        self.filled = 0;
        self.make_room();
        loop {
            let got = file.read_at(&mut self.buffer, 0).map_err(|error| Gap::from(&error))?;
            if got < self.buffer.len() || got >= CAP {
                self.filled = got;
                return Ok(());
            }
            self.buffer.resize(got * 2, 0);
        }
    }

    fn make_room(&mut self) {
        if self.buffer.is_empty() {
            self.buffer.resize(4096, 0);
        }
    }

    fn fill(&mut self, mut file: File) -> Result<&[u8], Gap> {
        self.make_room();
        let mut filled = 0;
        loop {
            if filled == self.buffer.len() {
                if filled >= CAP {
                    break;
                }
                self.buffer.resize(filled * 2, 0);
            }
            match file.read(&mut self.buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A kernel without this pressure file's support answers the read, not the open.
                Err(error) if error.raw_os_error() == Some(EOPNOTSUPP) => {
                    return Err(Gap::Unsupported);
                }
                Err(error) => return Err(Gap::from(&error)),
            }
        }
        Ok(&self.buffer[..filled])
    }
}

/// At most `cap` bytes of a file.
pub(in crate::source) fn read_capped(path: &Path, cap: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(cap.min(1024));
    File::open(path)?.take(cap as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A short file as text, without the newline at its end.
pub(in crate::source) fn read_word(path: &Path) -> io::Result<String> {
    let mut bytes = [0; 256];
    let got = File::open(path)?.read(&mut bytes)?;
    let text = String::from_utf8_lossy(bytes.get(..got).unwrap_or_default());
    Ok(text.trim_end_matches(['\n', '\0']).to_owned())
}

/// `EOPNOTSUPP`: PSI is built in and switched off (`psi=0`).
const EOPNOTSUPP: i32 = 95;

/// The lines that are whole. A number at the end of a file that was cut may have lost digits, and
/// the kernel ends every line.
pub(in crate::source) fn whole_lines(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'))
}

/// The value after a key in lines of `key value` or `key: value kB`.
pub(super) fn value_of(text: &str, key: &str) -> Reading<u64> {
    for line in whole_lines(text) {
        let Some(rest) = line.strip_prefix(key) else { continue };
        let Some(rest) = rest.strip_prefix([' ', ':', '\t']) else { continue };
        let word = rest.split_ascii_whitespace().next();
        return Reading::from_option(word.and_then(|word| word.parse().ok()), Gap::Failed);
    }
    Reading::Not(Gap::Unsupported)
}

/// The decimal number at the start of `bytes`, without sign.
pub(super) fn decimal(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() || bytes.len() > 20 {
        return None;
    }
    bytes.iter().try_fold(0u64, |sum, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}
