//! Text that others wrote, made fit to show: names, paths and command lines of other processes, and
//! whatever stands in a recording, are hostile until they went through here.

use std::fmt::{self, Write};

/// The text without escape sequences and control characters, as UTF-8, at most `cap` characters.
///
/// What is not UTF-8 becomes `U+FFFD`; tabs and line ends become a space; the invisible characters
/// that turn the direction of a line go too. Never longer than `4 * cap` bytes.
pub fn clean(text: &[u8], cap: usize) -> Box<str> {
    // Beyond this nothing can be seen any more, and an argument may be megabytes long.
    let text = &text[..text.len().min(cap.saturating_mul(8).saturating_add(64))];
    let lossy = String::from_utf8_lossy(text);
    let mut out = String::with_capacity(lossy.len().min(cap));
    let mut chars = lossy.chars().peekable();
    let mut left = cap;
    while left > 0 {
        let Some(c) = chars.next() else { break };
        match c {
            '\u{1b}' => skip_escape(&mut chars),
            '\u{9b}' => skip_csi(&mut chars),
            '\t' | '\n' | '\r' => {
                out.push(' ');
                left -= 1;
            }
            c if c.is_control() || turns_direction(c) => {}
            c => {
                out.push(c);
                left -= 1;
            }
        }
    }
    out.into_boxed_str()
}

/// The characters that reorder what stands around them: a name could fake a line with them.
const fn turns_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Skips what follows ESC: a control sequence, a string up to its end, or one character.
fn skip_escape(chars: &mut Chars<'_>) {
    match chars.next() {
        Some('[') => skip_csi(chars),
        Some(']' | 'P' | 'X' | '^' | '_') => skip_string(chars),
        Some(c) if ('\u{20}'..='\u{2f}').contains(&c) => {
            chars.next();
        }
        _ => {}
    }
}

/// Skips parameters and the final byte of a control sequence.
fn skip_csi(chars: &mut Chars<'_>) {
    while let Some(c) = chars.next_if(|c| ('\u{20}'..='\u{7e}').contains(c)) {
        if ('\u{40}'..='\u{7e}').contains(&c) {
            break;
        }
    }
}

/// Skips to the end of an operating system command or another string: BEL or ESC and a backslash.
fn skip_string(chars: &mut Chars<'_>) {
    while let Some(c) = chars.next() {
        if c == '\u{7}' || c == '\u{9c}' {
            break;
        }
        if c == '\u{1b}' {
            chars.next_if_eq(&'\\');
            break;
        }
    }
}

/// Text as HTML and XML have it, in elements and between double quotes. What they cannot hold is left
/// out.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for glyph in self.0.chars() {
            match glyph {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\n' => f.write_char('\n')?,
                '\u{fffe}' | '\u{ffff}' => {}
                glyph if glyph.is_control() => {}
                glyph => f.write_char(glyph)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn colours_titles_and_control_characters_are_stripped() {
        assert_eq!(&*clean(b"\x1b[31mred\x1b[0m", 40), "red");
        assert_eq!(&*clean(b"\x1b]0;owned\x07name", 40), "name");
        assert_eq!(&*clean(b"\x1b]8;;http://x\x1b\\link", 40), "link");
        assert_eq!(&*clean(b"a\x00b\x7f\x08c", 40), "abc");
        assert_eq!(&*clean(b"two\nlines", 40), "two lines");
        assert_eq!(&*clean("gpj.\u{202e}exe".as_bytes(), 40), "gpj.exe");
        assert_eq!(&*clean("\u{9b}2Jx".as_bytes(), 40), "x");
    }

    #[test]
    fn what_is_not_utf8_stays_visible_as_such() {
        assert_eq!(&*clean(b"caf\xe9", 40), "caf\u{fffd}");
    }

    #[test]
    fn what_is_escaped_opens_no_element_and_ends_no_attribute() {
        let shown = Escaped("<a href=\"x\">&\n\u{1b}\u{ffff}").to_string();
        assert_eq!(shown, "&lt;a href=&quot;x&quot;&gt;&amp;\n");
    }

    #[test]
    fn the_cap_counts_characters() {
        assert_eq!(&*clean("äöü".as_bytes(), 2), "äö");
        assert_eq!(&*clean(b"abc", 0), "");
    }

    proptest! {
        #[test]
        fn nothing_that_moves_the_cursor_gets_through(
            bytes in prop::collection::vec(any::<u8>(), 0..400), cap in 0usize..100,
        ) {
            let text = clean(&bytes, cap);
            prop_assert!(text.chars().count() <= cap);
            prop_assert!(!text.chars().any(char::is_control));
        }

        #[test]
        fn escapes_in_any_arrangement_are_stripped(text in "[\u{1b}\u{9b}\\[\\]\\\\;0-9a-zP\u{7}]{0,80}") {
            prop_assert!(!clean(text.as_bytes(), 80).chars().any(char::is_control));
        }
    }
}
