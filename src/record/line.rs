//! The frame of a line: `{"k":"tick",…,"c":"f2563bb9"}`, its limits, and what can be wrong with it.

use std::fmt::Write as _;

/// The name of the format, in every head line.
pub const FORMAT: &str = "mltop-session";
/// The version of the format that is written. Renaming a column or changing its unit raises it.
pub const VERSION: u32 = 1;
/// The oldest reader that understands what is written.
pub const MIN_READER_VERSION: u32 = 1;
/// The most bytes of a line, its end of line not counted.
pub const MAX_LINE: usize = 4 << 20;
/// The most rows of one tick, over all its sections; long rows count more than once.
pub const MAX_ROWS: usize = 65_536;
/// Rows longer than this in memory count more than once, so that [`MAX_ROWS`] bounds what a line can
/// make of it.
const ROW_BYTES: usize = 512;

/// How many times a row of a section counts.
pub(super) const fn weight<S>() -> usize {
    size_of::<S>().div_ceil(ROW_BYTES)
}

/// The most objects in a line that holds names. Keeps what a short line can make of memory small.
pub(super) const MAX_OBJECTS: usize = 131_072;
/// The first whole number that a double cannot tell from its neighbour: 2^53. Readers in other
/// languages would round from here on.
pub(super) const INT_END: u64 = 1 << 53;

/// `,"c":"` + 8 digits + `"}`
const SEAL: usize = 16;

/// Why a line is worth nothing. Reading goes on with the next one, save after [`Damage::Newer`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Longer than [`MAX_LINE`].
    #[error("longer than {MAX_LINE} bytes")]
    TooLong,
    /// It does not end in a checksum: torn, or not a line of ours.
    #[error("no checksum at its end: cut off, or not a line of {FORMAT}")]
    Torn,
    /// The checksum does not fit what stands before it.
    #[error("the checksum does not fit")]
    Checksum,
    /// The checksum fits, and the content is not what its kind asks for.
    #[error("not the content of its kind")]
    Malformed,
    /// The columns of a section differ in length.
    #[error("columns of one section differ in length")]
    UnequalColumns,
    /// More than [`MAX_ROWS`] rows.
    #[error("more than {MAX_ROWS} rows")]
    TooManyRows,
    /// A head line of something else.
    #[error("the head line of another format")]
    Foreign,
    /// Written for a newer reader: numbers may mean something else, so none is taken.
    #[error("needs a reader of version {needs}, this one is version {VERSION}")]
    Newer {
        /// The version of the reader that it asks for.
        needs: u32,
    },
}

impl Damage {
    /// Whether all later lines are refused too.
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Newer { .. })
    }
}

/// Ends the line that began at `start` with its checksum and a line end.
///
/// False, with the line taken back, where it is longer than any reader would take.
pub(super) fn seal(out: &mut String, start: usize) -> bool {
    let crc = crc32fast::hash(out.as_bytes().get(start..).unwrap_or_default());
    if out.len() - start + SEAL > MAX_LINE {
        out.truncate(start);
        return false;
    }
    // Writing to a String cannot fail.
    let _ = writeln!(out, ",\"c\":\"{crc:08x}\"}}");
    true
}

/// A line without its line end.
pub(super) fn bare(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The kind of a bare line, once its checksum holds.
pub(super) fn kind_of(line: &[u8]) -> Result<&[u8], Damage> {
    if line.len() > MAX_LINE {
        return Err(Damage::TooLong);
    }
    let (body, seal) = line.split_at(line.len().saturating_sub(SEAL));
    let digits = seal.strip_prefix(b",\"c\":\"").and_then(|rest| rest.strip_suffix(b"\"}"));
    let stated = digits.and_then(hex).ok_or(Damage::Torn)?;
    if crc32fast::hash(body) != stated {
        return Err(Damage::Checksum);
    }
    let kind = body.strip_prefix(b"{\"k\":\"").ok_or(Damage::Malformed)?;
    let end = kind.iter().position(|&byte| byte == b'"').ok_or(Damage::Malformed)?;
    kind.get(..end).ok_or(Damage::Malformed)
}

/// Eight lower-case digits: a flipped bit must not find another spelling of the same number.
fn hex(digits: &[u8]) -> Option<u32> {
    if digits.len() != 8 {
        return None;
    }
    digits.iter().try_fold(0_u32, |value, &digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u32::from(digit))
    })
}

/// Refuses a line with more objects than any real one has, before any is built.
pub(super) fn objects(line: &[u8]) -> Result<usize, Damage> {
    let count = line.split(|&byte| byte == b'{').count() - 1;
    if count > MAX_OBJECTS { Err(Damage::TooManyRows) } else { Ok(count) }
}

/// Writes what stands before a member of an object: a comma, save before the first.
pub(super) fn push_comma(out: &mut String) {
    if out.as_bytes().last() != Some(&b'{') {
        out.push(',');
    }
}

/// Writes `,"name":` or, as the first member of an object, `"name":`.
pub(super) fn push_key(out: &mut String, name: &str) {
    push_comma(out);
    out.push('"');
    out.push_str(name);
    out.push_str("\":");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(text: &str) -> String {
        let mut out = text.to_owned();
        assert!(seal(&mut out, 0));
        out
    }

    #[test]
    fn a_sealed_line_tells_its_kind() {
        let line = sealed("{\"k\":\"mark\",\"n\":1");
        assert_eq!(kind_of(bare(line.as_bytes())), Ok(&b"mark"[..]));
    }

    #[test]
    fn the_checksum_is_the_common_crc_32() {
        // zlib.crc32(b'{"k":"end"') in Python.
        assert!(sealed("{\"k\":\"end\"").ends_with(",\"c\":\"10277e97\"}\n"));
    }

    #[test]
    fn a_checksum_in_capitals_is_no_checksum() {
        let line = sealed("{\"k\":\"end\"").replace("10277e97", "10277E97");
        assert_eq!(kind_of(bare(line.as_bytes())), Err(Damage::Torn));
    }

    #[test]
    fn a_line_that_no_reader_would_take_is_not_written() {
        let mut out = "before\n".to_owned();
        out.push_str(&"x".repeat(MAX_LINE));
        assert!(!seal(&mut out, 7));
        assert_eq!(out, "before\n");
    }

    #[test]
    fn an_empty_or_short_line_is_torn() {
        for line in [&b""[..], b"}", b"{\"k\":\"e", b",\"c\":\"0000000\"}"] {
            assert_eq!(kind_of(line), Err(Damage::Torn));
        }
    }
}
