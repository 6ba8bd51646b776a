//! The only way into the buffer: nothing is written outside a part's rectangle.

use ratatui::buffer::Buffer;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use crate::view::screen::Area;

/// A rectangle of the buffer, with its own coordinates.
pub(super) struct Pane<'a> {
    buffer: &'a mut Buffer,
    x: u16,
    y: u16,
    /// Columns that can be written.
    pub(super) width: u16,
    /// Rows that can be written.
    pub(super) height: u16,
}

impl<'a> Pane<'a> {
    /// The part of the screen's rectangle that the buffer holds.
    pub(super) fn screen(buffer: &'a mut Buffer, width: u16, height: u16) -> Self {
        let area = *buffer.area();
        let (width, height) = (width.min(area.width), height.min(area.height));
        Self { buffer, x: area.x, y: area.y, width, height }
    }

    /// A rectangle within this one.
    pub(super) fn within(&mut self, area: Area) -> Pane<'_> {
        let (left, top) = (area.x.min(self.width), area.y.min(self.height));
        Pane {
            x: self.x.saturating_add(left),
            y: self.y.saturating_add(top),
            width: area.width.min(self.width - left),
            height: area.height.min(self.height - top),
            buffer: self.buffer,
        }
    }

    /// Writes one glyph of one cell.
    pub(super) fn put(&mut self, x: u16, y: u16, glyph: char, style: Style) {
        self.put_symbol(x, y, glyph.encode_utf8(&mut [0; 4]), 1, style);
    }

    /// Writes one symbol that takes `width` cells, if all of them are inside.
    pub(super) fn put_symbol(&mut self, x: u16, y: u16, symbol: &str, width: u16, style: Style) {
        if y >= self.height || u32::from(x) + u32::from(width) > u32::from(self.width) {
            return;
        }
        let (column, row) = (self.x + x, self.y + y);
        // Half of a wide character cannot stay: the terminal would draw it over this cell.
        if let Some(before) =
            column.checked_sub(1).and_then(|left| self.buffer.cell_mut((left, row)))
            && before.symbol().len() > 1
            && before.symbol().width() > 1
        {
            before.set_symbol(" ");
        }
        for offset in 0..width {
            if let Some(cell) = self.buffer.cell_mut((column + offset, row)) {
                cell.reset();
                cell.set_style(style);
                if offset == 0 {
                    cell.set_symbol(symbol);
                }
            }
        }
    }

    /// Writes blanks.
    pub(super) fn fill(&mut self, style: Style) {
        for y in 0..self.height {
            for x in 0..self.width {
                self.put(x, y, ' ', style);
            }
        }
    }
}
