//! Cells as bytes for a terminal: as few as it takes.
//!
//! ratatui's backend for crossterm names both colours and the place anew at every change. Over a slow
//! link that is a third of what is sent.

use std::fmt::Write;

use ratatui::buffer::Cell;
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

/// The modifiers that styles use, by their numbers.
const MODIFIERS: [(Modifier, u8); 5] = [
    (Modifier::BOLD, 1),
    (Modifier::DIM, 2),
    (Modifier::ITALIC, 3),
    (Modifier::UNDERLINED, 4),
    (Modifier::REVERSED, 7),
];

/// How the next glyph would look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

/// Columns that are gone back one by one.
const NEAR: u16 = 5;

const PLAIN: Look = Look { fg: Color::Reset, bg: Color::Reset, modifier: Modifier::empty() };

/// Bytes in the making, with what the terminal is left in by them. Begins and ends in plain style.
#[derive(Debug)]
pub(super) struct Encoder {
    bytes: String,
    look: Look,
    width: u16,
    /// Where the cursor is, if that is known.
    at: Option<(u16, u16)>,
}

impl Encoder {
    /// For a terminal of this width.
    pub(super) fn new(width: u16) -> Self {
        Self { bytes: String::new(), look: PLAIN, width, at: None }
    }

    /// Clears the terminal.
    pub(super) fn clear(&mut self) {
        self.bytes.push_str("\x1b[2J");
    }

    /// Moves what is between the first and the last column of a row to the left, and leaves blanks.
    pub(super) fn shift(&mut self, y: u16, by: usize) {
        let left = usize::from(self.width).saturating_sub(by);
        // Delete (DCH) at the second column, which takes the last one along; insert (ICH) before it.
        let row = u32::from(y) + 1;
        self.write(format_args!("\x1b[{row};2H\x1b[{by}P\x1b[{left}G\x1b[{by}@"));
        self.at = None;
    }

    /// Puts a cell.
    pub(super) fn cell(&mut self, x: u16, y: u16, cell: &Cell) {
        self.go(x, y);
        self.look(cell);
        self.bytes.push_str(cell.symbol());
        let next = x.saturating_add(cell.symbol().width() as u16);
        // Past the last column terminals differ.
        self.at = (next < self.width).then_some((next, y));
    }

    /// The bytes.
    pub(super) fn finish(mut self) -> String {
        if self.look != PLAIN {
            self.bytes.push_str("\x1b[0m");
        }
        self.bytes
    }

    fn go(&mut self, x: u16, y: u16) {
        match self.at {
            Some(at) if at == (x, y) => {}
            Some((before, row)) if row == y && x > before => match x - before {
                1 => self.bytes.push_str("\x1b[C"),
                columns => self.write(format_args!("\x1b[{columns}C")),
            },
            // A raw terminal takes a line feed as one row down, and does not scroll before the last row.
            Some((before, row))
                if row.checked_add(1) == Some(y) && before.wrapping_sub(x) <= NEAR =>
            {
                self.bytes.push('\n');
                (x..before).for_each(|_| self.bytes.push('\x08'));
            }
            _ => self.write(format_args!("\x1b[{};{}H", u32::from(y) + 1, u32::from(x) + 1)),
        }
    }

    fn look(&mut self, cell: &Cell) {
        let mut wanted = Look { fg: cell.fg, bg: cell.bg, modifier: cell.modifier };
        // A blank has no ink, unless something draws it all the same.
        let drawn = Modifier::UNDERLINED | Modifier::REVERSED;
        if cell.symbol() == " " && !(wanted.modifier | self.look.modifier).intersects(drawn) {
            (wanted.fg, wanted.modifier) = (self.look.fg, self.look.modifier);
        }
        if wanted == self.look {
            return;
        }
        let mut before = self.look;
        let mut codes = String::new();
        if wanted.modifier != before.modifier {
            codes.push_str(";0");
            before = PLAIN;
            for (flag, code) in MODIFIERS {
                if wanted.modifier.contains(flag) {
                    append(&mut codes, format_args!(";{code}"));
                }
            }
        }
        if wanted.fg != before.fg {
            color(&mut codes, wanted.fg, 30);
        }
        if wanted.bg != before.bg {
            color(&mut codes, wanted.bg, 40);
        }
        let codes = codes.strip_prefix(';').unwrap_or_default();
        self.write(format_args!("\x1b[{codes}m"));
        self.look = wanted;
    }

    fn write(&mut self, what: std::fmt::Arguments<'_>) {
        append(&mut self.bytes, what);
    }
}

fn append(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to memory does not fail.
    let _ = text.write_fmt(what);
}

/// A colour of the foreground (`base` 30) or the background (40).
fn color(codes: &mut String, color: Color, base: u8) {
    let plain = match color {
        Color::Reset => 9,
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 60,
        Color::LightRed => 61,
        Color::LightGreen => 62,
        Color::LightYellow => 63,
        Color::LightBlue => 64,
        Color::LightMagenta => 65,
        Color::LightCyan => 66,
        Color::White => 67,
        Color::Indexed(index) => {
            return append(codes, format_args!(";{};5;{index}", base + 8));
        }
        Color::Rgb(red, green, blue) => {
            return append(codes, format_args!(";{};2;{red};{green};{blue}", base + 8));
        }
    };
    append(codes, format_args!(";{}", base + plain));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::super::scroll::scroll;
    use super::*;

    const SIZE: (u16, u16) = (40, 3);

    /// As much of a terminal as is asked of one here.
    struct Terminal {
        cells: Buffer,
        at: (u16, u16),
        style: Style,
    }

    impl Terminal {
        fn feed(&mut self, bytes: &str) {
            let mut rest = bytes;
            while let Some(char) = rest.chars().next() {
                rest = &rest[char.len_utf8()..];
                match char {
                    '\x1b' => {}
                    '\n' => self.at.1 += 1,
                    '\x08' => self.at.0 -= 1,
                    _ => self.print(char),
                }
                if char != '\x1b' {
                    continue;
                }
                let end = rest.find(|c: char| c.is_ascii_alphabetic() || c == '@').unwrap();
                let numbers = rest[1..end].split(';').map(|word| word.parse().unwrap_or(0));
                self.control(&numbers.collect::<Vec<u16>>(), rest.as_bytes()[end]);
                rest = &rest[end + 1..];
            }
        }

        fn print(&mut self, char: char) {
            let symbol = char.to_string();
            self.cells.set_string(self.at.0, self.at.1, &symbol, self.style);
            self.at.0 += symbol.width() as u16;
        }

        fn control(&mut self, numbers: &[u16], command: u8) {
            let first = numbers[0].max(1);
            let (x, y) = self.at;
            match command {
                b'H' => self.at = (numbers[1] - 1, numbers[0] - 1),
                b'G' => self.at.0 = first - 1,
                b'C' => self.at.0 += first,
                b'J' => self.cells.reset(),
                b'm' => self.sgr(numbers),
                b'P' | b'@' => {
                    let from = usize::from(y * SIZE.0 + x);
                    let row = &mut self.cells.content[from..usize::from((y + 1) * SIZE.0)];
                    let by = usize::from(first).min(row.len());
                    if command == b'P' {
                        row.rotate_left(by);
                        row.iter_mut().rev().take(by).for_each(Cell::reset);
                    } else {
                        row.rotate_right(by);
                        row.iter_mut().take(by).for_each(Cell::reset);
                    }
                }
                other => panic!("{}", char::from(other)),
            }
        }

        fn sgr(&mut self, codes: &[u16]) {
            let mut codes = codes.iter().copied();
            while let Some(code) = codes.next() {
                self.style = match code {
                    0 => Style::reset(),
                    1 => self.style.add_modifier(Modifier::BOLD),
                    7 => self.style.add_modifier(Modifier::REVERSED),
                    32 => self.style.fg(Color::Green),
                    39 => self.style.fg(Color::Reset),
                    42 => self.style.bg(Color::Green),
                    49 => self.style.bg(Color::Reset),
                    38 | 48 => {
                        assert_eq!(codes.next(), Some(2));
                        let mut part = || codes.next().unwrap() as u8;
                        let rgb = Color::Rgb(part(), part(), part());
                        if code == 38 { self.style.fg(rgb) } else { self.style.bg(rgb) }
                    }
                    other => panic!("{other}"),
                };
            }
        }
    }

    fn screen(text: &[(usize, usize)]) -> Buffer {
        let colors = [Color::Reset, Color::Green, Color::Rgb(1, 2, 3)];
        let glyphs = [" ", "a", "█", "数", "│"];
        let mut buffer = Buffer::empty(Rect::new(0, 0, SIZE.0, SIZE.1));
        let mut at = 0;
        for (glyph, look) in text {
            let (x, y) = (at % SIZE.0, at / SIZE.0);
            let modifier = [Modifier::empty(), Modifier::BOLD, Modifier::REVERSED][look / 9 % 3];
            let style = Style::new().fg(colors[look % 3]).bg(colors[look / 3 % 3]);
            if y < SIZE.1 && x + 1 < SIZE.0 {
                buffer.set_string(x, y, glyphs[glyph % 5], style.add_modifier(modifier));
            }
            at += if glyph % 5 == 3 { 2 } else { 1 };
        }
        buffer
    }

    /// Blanks look the same in any ink.
    fn seen(buffer: &Buffer) -> Vec<(String, Option<Color>, Color, Modifier)> {
        let cells = buffer.content.iter().map(|cell| {
            let reversed = cell.modifier & Modifier::REVERSED;
            match cell.symbol() {
                " " if reversed.is_empty() => (" ".into(), None, cell.bg, reversed),
                symbol => (symbol.into(), Some(cell.fg), cell.bg, cell.modifier),
            }
        });
        cells.collect()
    }

    proptest! {
        #[test]
        fn the_terminal_shows_what_was_painted(
            before in prop::collection::vec((0usize..5, 0usize..27), 0..120),
            by in 0usize..4,
            fresh in prop::collection::vec((0usize..5, 0usize..27), 0..120),
            same: bool,
        ) {
            let mut shown = screen(&before);
            let moved: Vec<_> = before.iter().skip(by).copied().collect();
            let next = screen(if same { &moved } else { &fresh });
            let mut terminal =
                Terminal { cells: shown.clone(), at: (0, 0), style: Style::reset() };
            let mut encoder = Encoder::new(SIZE.0);
            for (row, columns) in scroll(&mut shown, &next) {
                encoder.shift(row, columns);
            }
            for (x, y, cell) in shown.diff_iter(&next) {
                encoder.cell(x, y, cell);
            }
            terminal.feed(&encoder.finish());
            prop_assert_eq!(seen(&terminal.cells), seen(&next));
        }
    }

    #[test]
    fn a_colour_is_sent_once_for_all_that_has_it_and_none_for_blanks() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 9, 1));
        buffer.set_string(0, 0, "ab c", Style::new().fg(Color::Red));
        let mut encoder = Encoder::new(9);
        for x in [0, 1, 2, 3, 5] {
            encoder.cell(x, 0, &buffer[(x, 0)]);
        }
        assert_eq!(encoder.finish(), "\x1b[1;1H\x1b[31mab c\x1b[C \x1b[0m");
    }

    #[test]
    fn the_cell_below_is_a_step_away() {
        let buffer = Buffer::with_lines(["ab", "cd"]);
        let mut encoder = Encoder::new(2);
        encoder.cell(0, 0, &buffer[(0, 0)]);
        encoder.cell(0, 1, &buffer[(0, 1)]);
        assert_eq!(encoder.finish(), "\x1b[1;1Ha\n\x08c");
    }
}
