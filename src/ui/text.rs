//! Lines of text: cleaned, measured, cut.

use ratatui::style::Style;
use unicode_width::UnicodeWidthChar;

use super::glyph::{Glyphs, Translator};
use super::pane::Pane;
use super::styles::Styles;
use crate::view::screen::{Line, Role, TextRow};

/// More characters of one line are never looked at.
const MOST_CHARS: usize = 4096;
/// More marks on one letter are an attack on the line above.
const MOST_MARKS: usize = 2;

/// Text that is ready to be written: clean, with its style.
pub(super) struct Piece {
    text: String,
    style: Style,
}

/// The pieces of a line, and the cells that they take.
pub(super) struct Pieces {
    pieces: Vec<Piece>,
    /// Cells.
    pub(super) width: u16,
}

/// Marks that stay on the letter before them. All else without a width is an order to the terminal
/// or invisible: joiners, selectors, changes of direction.
fn is_mark(glyph: char) -> bool {
    glyph.is_alphanumeric()
        || matches!(glyph, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}')
}

/// Cells of a character; `None` for one that is never written.
fn cells(glyph: char) -> Option<usize> {
    match glyph.width() {
        Some(0) if !is_mark(glyph) => None,
        width => width,
    }
}

impl Pieces {
    /// A line as it will be written, with the role's style changed by `restyle`.
    pub(super) fn new(line: &Line, styles: &Styles, restyle: impl Fn(Style) -> Style) -> Self {
        let mut translator = Translator::default();
        let mut left = MOST_CHARS;
        let mut width = 0;
        let mut pieces = Vec::with_capacity(line.len());
        for span in line {
            let mut text = String::with_capacity(span.text.len().min(left));
            for glyph in span.text.chars().take(left) {
                left -= 1;
                let Some(cells) = cells(glyph) else { continue };
                match styles.glyphs() {
                    Glyphs::Unicode => text.push(glyph),
                    Glyphs::Ascii => translator.push(glyph, cells, &mut text),
                }
            }
            width += text.chars().filter_map(cells).sum::<usize>();
            let mut style = styles.role(span.role);
            if span.strong {
                style = style.add_modifier(ratatui::style::Modifier::BOLD);
            }
            pieces.push(Piece { text, style: restyle(style) });
        }
        Self { pieces, width: u16::try_from(width).unwrap_or(u16::MAX) }
    }

    /// Text of one style.
    pub(super) fn plain(text: &str, role: Role, styles: &Styles) -> Self {
        Self::new(&vec![crate::view::screen::span(text, role)], styles, |style| style)
    }

    /// Writes the line from the first column, each glyph in the style that `restyle` makes for its
    /// column. A blank leaves what is there, but where `blank` of its column holds.
    pub(super) fn write_over(
        &self,
        pane: &mut Pane<'_>,
        y: u16,
        restyle: impl Fn(u16, Style) -> Style,
        blank: impl Fn(u16) -> bool,
    ) {
        let mut x = 0;
        for piece in &self.pieces {
            for glyph in piece.text.chars() {
                let wide = cells(glyph).unwrap_or(0) as u16;
                if wide > 0 && (glyph != ' ' || blank(x)) {
                    let symbol = glyph.encode_utf8(&mut [0; 4]).to_owned();
                    pane.put_symbol(x, y, &symbol, wide, restyle(x, piece.style));
                }
                x = x.saturating_add(wide);
            }
        }
    }

    /// Writes the line into at most `room` cells, with an ellipsis where it is cut. Returns the
    /// column after it.
    pub(super) fn write(
        &self,
        pane: &mut Pane<'_>,
        x: u16,
        y: u16,
        room: u16,
        glyphs: Glyphs,
    ) -> u16 {
        let room = room.min(pane.width.saturating_sub(x));
        let cut = self.width > room;
        let dots = glyphs.ellipsis();
        let dots_width = (dots.chars().count() as u16).min(room);
        let end = x + if cut { room - dots_width } else { room };
        let mut column = x;
        let mut last = Style::default();
        'line: for piece in &self.pieces {
            last = piece.style;
            let mut rest = piece.text.chars().peekable();
            while let Some(glyph) = rest.next() {
                let wide = cells(glyph).unwrap_or(0) as u16;
                if column + wide > end {
                    break 'line;
                }
                let mut symbol = String::from(glyph);
                let mut marks = 0;
                while let Some(mark) = rest.next_if(|next| cells(*next) == Some(0)) {
                    marks += 1;
                    if marks <= MOST_MARKS {
                        symbol.push(mark);
                    }
                }
                if wide > 0 {
                    pane.put_symbol(column, y, &symbol, wide, piece.style);
                }
                column += wide;
            }
        }
        if cut {
            for dot in dots.chars().take(usize::from(dots_width)) {
                pane.put(column, y, dot, last);
                column += 1;
            }
        }
        column
    }
}

/// Paints lines of text from the top of the pane.
pub(super) fn rows(rows: &[TextRow], pane: &mut Pane<'_>, styles: &Styles) {
    for (y, row) in (0..pane.height).zip(rows) {
        text_row(row, y, pane, styles);
    }
}

fn text_row(row: &TextRow, y: u16, pane: &mut Pane<'_>, styles: &Styles) {
    let ground = row.bar.and_then(|role| styles.bar_ground(role));
    let restyle = |style: Style| match ground {
        _ if row.selected => styles.selected(style),
        Some(color) if style.bg.is_none() => style.bg(color),
        _ => style,
    };
    if row.selected || ground.is_some() {
        let blank = restyle(Style::default());
        for x in 0..pane.width {
            pane.put(x, y, ' ', blank);
        }
    }
    let mut start = 0;
    if let Some(role) = row.bar {
        pane.put(0, y, styles.glyph('▌'), restyle(styles.role(role)));
        start = 1;
    }
    let room = pane.width.saturating_sub(start);
    let right = Pieces::new(&row.right, styles, restyle);
    let right_width = right.width.min(room);
    let gap = u16::from(right_width > 0);
    let left_room = room.saturating_sub(right_width + gap);
    Pieces::new(&row.left, styles, restyle).write(pane, start, y, left_room, styles.glyphs());
    let right_start = pane.width.saturating_sub(right_width);
    right.write(pane, right_start, y, right_width, styles.glyphs());
}
