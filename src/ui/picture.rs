//! A painted screen without the terminal: what exports are made of.

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use unicode_width::UnicodeWidthStr;

use super::color::{Rgb, shown};
use super::paint::paint;
use super::styles::Styles;
use crate::view::screen::Screen;

/// How much of a dim text's colour is left.
const DIM: f64 = 0.6;

/// One cell of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dot {
    /// What stands in it; empty for the second half of a wide character.
    pub symbol: String,
    /// Its colour.
    pub fg: Rgb,
    /// What lies behind it.
    pub bg: Rgb,
    /// Drawn bold.
    pub bold: bool,
    /// Drawn slanted.
    pub italic: bool,
    /// Drawn with a line below.
    pub underline: bool,
}

/// A screen as a grid of cells with their colours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
    /// The ground of all cells without one of their own.
    pub background: Rgb,
    /// The colour of plain text.
    pub text: Rgb,
    /// The cells, row by row.
    pub cells: Vec<Dot>,
}

impl Picture {
    /// The rows from the top.
    pub fn rows(&self) -> impl Iterator<Item = &[Dot]> {
        self.cells.chunks(usize::from(self.width).max(1))
    }
}

/// Paints a screen into a picture of its size.
pub fn picture(screen: &Screen, styles: &Styles) -> Picture {
    let mut buffer = Buffer::empty(Rect::new(0, 0, screen.width, screen.height));
    paint(screen, styles, &mut buffer);
    let mut cells = Vec::with_capacity(buffer.content().len());
    let mut covered = 0;
    for (index, cell) in buffer.content().iter().enumerate() {
        if index % usize::from(screen.width.max(1)) == 0 {
            covered = 0;
        }
        let mut dot = dot(cell, styles);
        if covered > 0 {
            covered -= 1;
            dot.symbol.clear();
        } else {
            covered = dot.symbol.width().saturating_sub(1);
        }
        cells.push(dot);
    }
    let theme = styles.theme();
    let (background, text) = (theme.background(), theme.text());
    Picture { width: screen.width, height: screen.height, background, text, cells }
}

fn dot(cell: &Cell, styles: &Styles) -> Dot {
    let theme = styles.theme();
    let mut fg = shown(cell.fg).unwrap_or_else(|| theme.text());
    let mut bg = shown(cell.bg).unwrap_or_else(|| theme.background());
    if cell.modifier.contains(Modifier::REVERSED) {
        std::mem::swap(&mut fg, &mut bg);
    }
    if cell.modifier.contains(Modifier::DIM) {
        fg = bg.mix(fg, DIM);
    }
    Dot {
        symbol: cell.symbol().to_owned(),
        fg,
        bg,
        bold: cell.modifier.contains(Modifier::BOLD),
        italic: cell.modifier.contains(Modifier::ITALIC),
        underline: cell.modifier.contains(Modifier::UNDERLINED),
    }
}
