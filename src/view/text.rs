//! Foreign text made safe, and text made to fit. Widths are columns of the terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::screen::{Line, Role, Span, span, strong};
use crate::model::text::clean;

/// No single piece of text is wider; a name of megabytes must not cost megabytes a frame.
const COLUMNS_MAX: usize = 600;

/// Columns that a text takes.
pub(super) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// The end of a text, where it is longer than so many columns.
pub(super) fn tail(text: &str, columns: usize) -> &str {
    let mut from = 0;
    while width(&text[from..]) > columns {
        from += text[from..].chars().next().map_or(1, char::len_utf8);
    }
    &text[from..]
}

/// Columns that a line takes.
pub(super) fn line_width(line: &Line) -> usize {
    line.iter().map(|span| width(&span.text)).sum()
}

/// The text without anything that could move the cursor, change colours or hide other text: what
/// [`clean`] takes out, and characters of no width (joiners, marks).
pub(super) fn safe(text: &str) -> String {
    let mut out = String::new();
    let mut columns = 0;
    // The bound on characters read keeps a text of nothing but invisible ones cheap.
    for char in clean(text.as_bytes(), COLUMNS_MAX * 8).chars() {
        let wide = char.width().unwrap_or(0);
        if wide == 0 {
            continue;
        }
        columns += wide;
        if columns > COLUMNS_MAX {
            out.push('…');
            break;
        }
        out.push(char);
    }
    out
}

/// Foreign text as a piece of a line.
pub(super) fn word(text: &str, role: Role) -> Span {
    span(safe(text), role)
}

/// Foreign text as a bold piece of a line.
pub(super) fn bold(text: &str, role: Role) -> Span {
    strong(safe(text), role)
}

/// The text cut to `columns`, with an ellipsis where something was cut.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for char in text.chars() {
        let wide = char.width().unwrap_or(0);
        // One column is kept for the ellipsis.
        if used + wide + 1 > columns {
            break;
        }
        used += wide;
        out.push(char);
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

/// The text in exactly `columns`, at their left.
pub(super) fn left(text: &str, columns: usize) -> String {
    let mut out = cut(text, columns);
    let missing = columns.saturating_sub(width(&out));
    out.extend(std::iter::repeat_n(' ', missing));
    out
}

/// The text in exactly `columns`, at their right.
pub(super) fn right(text: &str, columns: usize) -> String {
    let text = cut(text, columns);
    let missing = columns.saturating_sub(width(&text));
    " ".repeat(missing) + &text
}

/// The line cut to `columns`.
pub(super) fn cut_line(line: Line, columns: usize) -> Line {
    let mut out = Line::new();
    let mut used = 0;
    for mut span in line {
        let wide = width(&span.text);
        if used + wide > columns {
            span.text = cut(&span.text, columns - used);
            out.push(span);
            break;
        }
        used += wide;
        out.push(span);
    }
    out
}

/// The line within `columns`: what stands dim at its end goes first and whole, as half a remark says
/// nothing; only then is it cut.
pub(super) fn fit_line(mut line: Line, columns: usize) -> Line {
    while line_width(&line) > columns
        && line.len() > 1
        && line.last().is_some_and(|span| span.role == Role::Dim)
    {
        line.pop();
    }
    cut_line(line, columns)
}

/// The text in at most `lines` of `columns`. Where it is too long it ends with a whole clause, and an
/// ellipsis in the brackets that are then closed: half a remedy is none.
pub(super) fn clauses(text: &str, columns: usize, lines: usize) -> Vec<String> {
    let whole = wrap(text, columns, lines + 1);
    if whole.len() <= lines {
        return whole;
    }
    let mut best = None;
    let mut depth = 0_usize;
    let mut before = ' ';
    for (at, char) in text.char_indices() {
        let ends = char == ' ' && matches!(before, '.' | ',' | ';' | ':');
        if ends || (char == '(' && before == ' ' && depth == 0) {
            let kept = text[..at].trim_end_matches([' ', ',', ';', ':']);
            let start = format!("{kept} …{}", ")".repeat(depth));
            if wrap(&start, columns, lines + 1).len() <= lines {
                best = Some(start);
            }
        }
        match char {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        before = char;
    }
    match best {
        // Where the clauses that fit are little of the room, words say more.
        Some(best) if width(&best) * 2 >= columns * lines => wrap(&best, columns, lines),
        _ => wrap(text, columns, lines),
    }
}

/// The text in lines of at most `columns`, broken between words where it can be; at most `lines` of
/// them, the last with an ellipsis where something is missing.
pub(super) fn wrap(text: &str, columns: usize, lines: usize) -> Vec<String> {
    if columns == 0 || lines == 0 {
        return Vec::new();
    }
    let mut out: Vec<String> = Vec::new();
    let mut line = String::new();
    let words: Vec<&str> = text.split_whitespace().collect();
    for (at, word) in words.iter().enumerate() {
        let gap = usize::from(!line.is_empty());
        if width(&line) + gap + width(word) <= columns {
            line.extend(std::iter::repeat_n(' ', gap));
            line.push_str(word);
            continue;
        }
        if out.len() + 1 == lines {
            // The last line takes the rest, so that the cut is seen.
            let rest = words[at..].join(" ");
            let whole = if line.is_empty() { rest } else { format!("{line} {rest}") };
            out.push(cut(&whole, columns));
            return out;
        }
        if !line.is_empty() {
            out.push(std::mem::take(&mut line));
        }
        line = cut(word, columns);
    }
    if !line.is_empty() {
        out.push(line);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_newlines_and_direction_marks_do_not_survive() {
        assert_eq!(safe("a\u{1b}[31mred\u{1b}[0m b"), "ared b");
        assert_eq!(safe("two\nlines\tand\u{202e}more\u{200b}"), "two lines andmore");
        assert_eq!(safe("\u{9b}2Jx\u{7}"), "x");
        assert_eq!(safe("\u{1b}]0;a title\u{7}name"), "name");
        assert!(width(&safe(&"x".repeat(10_000))) <= COLUMNS_MAX + 1);
        assert_eq!(safe(&"\u{200b}".repeat(100_000)), "");
    }

    #[test]
    fn wide_characters_are_cut_whole() {
        assert_eq!(cut("日本語", 6), "日本語");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("日本語", 1), "…");
        assert_eq!(cut("日本語", 0), "");
        assert_eq!(left("日本語", 4), "日… ");
        assert_eq!(right("ab", 4), "  ab");
    }

    #[test]
    fn a_text_that_is_too_long_ends_with_a_clause_and_closes_its_brackets() {
        let text = "Read from a local copy, as large shards (Parquet, MDS) or in memory. Or not.";
        assert_eq!(clauses(text, 80, 1), [text]);
        assert_eq!(
            clauses(text, 72, 1),
            ["Read from a local copy, as large shards (Parquet, MDS) or in memory. …"]
        );
        assert_eq!(clauses(text, 56, 1), ["Read from a local copy, as large shards (Parquet …)"]);
        assert_eq!(clauses(text, 30, 1), ["Read from a local copy …"]);
        assert_eq!(clauses(text, 16, 2), ["Read from a", "local copy …"]);
        assert_eq!(clauses("no clause in here at all", 10, 1), ["no clause…"]);
    }

    #[test]
    fn a_remark_that_has_no_room_goes_whole() {
        let line = || vec![strong("Blocked", Role::Blocked), span("  a remark", Role::Dim)];
        assert_eq!(fit_line(line(), 17), line());
        assert_eq!(fit_line(line(), 16), line()[..1]);
        assert_eq!(fit_line(line(), 4)[0].text, "Blo…");
    }

    #[test]
    fn wrapping_breaks_between_words_and_says_what_is_missing() {
        assert_eq!(wrap("one two three four", 9, 3), ["one two", "three", "four"]);
        assert_eq!(wrap("one two three four", 9, 2), ["one two", "three fo…"]);
        assert_eq!(wrap("unbreakable", 4, 9), ["unb…"]);
        assert!(wrap("anything", 0, 3).is_empty());
    }
}
