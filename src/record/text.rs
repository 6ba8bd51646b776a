//! Numbers and words as JSON text, written straight into the line.

use std::fmt::Write as _;

const POWERS: [u64; 10] =
    [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

/// Below this, a scaled value and its neighbours are far enough apart that reading and writing a
/// number again gives the same digits.
const EXACT: f64 = (1_u64 << 50) as f64;

/// A whole number.
pub(super) fn push_u64(out: &mut String, value: u64) {
    if value < 10 {
        out.push(char::from(b'0' + value as u8));
        return;
    }
    out.push_str(itoa::Buffer::new().format(value));
}

/// A whole number with a sign.
pub(super) fn push_i64(out: &mut String, value: i64) {
    if value < 0 {
        out.push('-');
    }
    push_u64(out, value.unsigned_abs());
}

/// A finite number with at most `precision` digits after the point, without trailing zeros.
pub(super) fn push_f64(out: &mut String, value: f64, precision: u8) {
    let Some(&power) = POWERS.get(usize::from(precision)) else {
        return push_slowly(out, value, precision);
    };
    let scaled = value.abs() * power as f64;
    // Also what is no number.
    if !matches!(scaled, 0.0..EXACT) {
        return push_slowly(out, value, precision);
    }
    // Half a digit goes up. What is cut off and what is left of it are exact, where adding a half
    // would not be.
    let cut = scaled as i64;
    let number = cut.unsigned_abs() + u64::from(scaled - cut as f64 >= 0.5);
    if number > 0 && value < 0.0 {
        out.push('-');
    }
    push_decimal(out, number, usize::from(precision));
}

/// A whole number whose last `precision` digits stand behind the point. A tick of a busy box has
/// hundreds, so its digits are made once and cut in two.
fn push_decimal(out: &mut String, number: u64, precision: usize) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(number);
    let (whole, rest) = digits.split_at(digits.len().saturating_sub(precision));
    out.push_str(if whole.is_empty() { "0" } else { whole });
    let zeros = rest.bytes().rev().take_while(|&digit| digit == b'0').count();
    let rest = &rest[..rest.len() - zeros];
    if !rest.is_empty() {
        out.push('.');
        (digits.len()..precision).for_each(|_| out.push('0'));
        out.push_str(rest);
    }
}

/// Values so large that the digits must come from the standard library.
fn push_slowly(out: &mut String, value: f64, precision: u8) {
    let start = out.len();
    let _ = write!(out, "{value:.*}", usize::from(precision));
    if out.get(start..).is_some_and(|text| text.contains('.')) {
        let kept = out.trim_end_matches('0').trim_end_matches('.').len();
        out.truncate(kept);
    }
}

/// A word in quotes. Control characters leave as escapes, so that no line can move a cursor.
pub(super) fn push_str(out: &mut String, word: &str) {
    out.push('"');
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    if word.bytes().all(plain) {
        out.push_str(word);
        out.push('"');
        return;
    }
    let mut rest = word;
    while let Some(at) = rest.find(|c: char| matches!(c, '"' | '\\') || c.is_control()) {
        let (plain, tail) = rest.split_at(at);
        out.push_str(plain);
        let mut chars = tail.chars();
        match chars.next() {
            Some(quoted @ ('"' | '\\')) => {
                out.push('\\');
                out.push(quoted);
            }
            Some(control) => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: f64, precision: u8) -> String {
        let mut out = String::new();
        push_f64(&mut out, value, precision);
        out
    }

    #[test]
    fn a_number_has_its_precision_and_no_trailing_zeros() {
        assert_eq!(number(0.5, 3), "0.5");
        assert_eq!(number(0.0004, 3), "0");
        assert_eq!(number(-0.0004, 3), "0");
        assert_eq!(number(0.0625, 3), "0.063");
        assert_eq!(number(1234.05, 2), "1234.05");
        assert_eq!(number(-1.25, 2), "-1.25");
        assert_eq!(number(99.9996, 3), "100");
        assert_eq!(number(12.7, 0), "13");
        assert_eq!(number(1e18, 3), "1000000000000000000");
        assert_eq!(number(0.5, 12), "0.5");
        assert_eq!(number(100.0, 12), "100");
    }

    #[test]
    fn whole_numbers_are_exact_up_to_the_largest() {
        for value in [0, 9, 10, 4711, u64::MAX] {
            let mut out = String::new();
            push_u64(&mut out, value);
            assert_eq!(out, value.to_string());
        }
        let mut out = String::new();
        push_i64(&mut out, i64::MIN);
        assert_eq!(out, i64::MIN.to_string());
    }

    proptest::proptest! {
        #[test]
        fn any_word_is_found_again_and_holds_no_control_character(word in ".*", odd in "[\u{0}-\u{a0}\"\\\\]*") {
            let word = word + &odd;
            let mut out = String::new();
            push_str(&mut out, &word);
            proptest::prop_assert!(!out.chars().any(char::is_control));
            proptest::prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), word);
        }

        #[test]
        fn a_number_read_and_written_again_has_the_same_digits(value in -1e12..1e12_f64, precision in 0..7_u8) {
            let value = value / 10_f64.powi(i32::from(precision));
            let first = number(value, precision);
            let read: f64 = serde_json::from_str(&first).unwrap();
            proptest::prop_assert_eq!(number(read, precision), first);
            proptest::prop_assert!((read - value).abs() <= 0.500_1 * 10_f64.powi(-i32::from(precision)) + value.abs() * 1e-15);
        }
    }
}
