//! The terminal as a place to paint on: only what changed is sent.

use std::io::{self, Write};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::view::Screen;

use super::encode::Encoder;
use super::scroll::scroll;
use super::{Styles, paint};

/// Paints screens on a terminal.
///
/// ratatui's `Terminal` is not used: it asks where the cursor is and waits two seconds for terminals
/// that do not answer, and it cannot let the terminal move a row.
#[derive(Debug)]
pub struct Painter<W: Write> {
    writer: W,
    /// What the terminal shows.
    shown: Buffer,
    /// Kept for its memory.
    next: Buffer,
    /// The terminal shows something else than `shown` says.
    stale: bool,
}

impl<W: Write> Painter<W> {
    /// Paints through `writer` on a cleared terminal of this size.
    pub fn new(writer: W, width: u16, height: u16) -> io::Result<Self> {
        let area = Rect::new(0, 0, width, height);
        let (shown, next) = (Buffer::empty(area), Buffer::empty(area));
        Ok(Self { writer, shown, next, stale: false })
    }

    /// The terminal has another size now.
    pub fn resize(&mut self, width: u16, height: u16) {
        let area = Rect::new(0, 0, width, height);
        if self.next.area != area {
            self.next = Buffer::empty(area);
            self.stale = true;
        }
    }

    /// Sends what differs from the screen before.
    pub fn draw(&mut self, screen: &Screen, styles: &Styles) -> io::Result<()> {
        self.next.reset();
        paint(screen, styles, &mut self.next);
        let mut encoder = Encoder::new(self.next.area.width);
        if std::mem::take(&mut self.stale) {
            encoder.clear();
            self.shown = Buffer::empty(self.next.area);
        }
        for (row, columns) in scroll(&mut self.shown, &self.next) {
            encoder.shift(row, columns);
        }
        for (x, y, cell) in self.shown.diff_iter(&self.next) {
            encoder.cell(x, y, cell);
        }
        std::mem::swap(&mut self.shown, &mut self.next);
        self.writer.write_all(encoder.finish().as_bytes())?;
        self.writer.flush()
    }

    /// Forgets the screen before, so that the next one is sent whole.
    pub fn repaint(&mut self) -> io::Result<()> {
        self.stale = true;
        Ok(())
    }

    /// Sends bytes that are not part of the screen: a bell, a copy to the clipboard.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes)?;
        self.writer.flush()
    }
}
