//! The terminal as a place to paint on: only what changed is sent.

use std::io::{self, Write};

use ratatui::Terminal;
use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};

use crate::view::Screen;

use super::{Styles, paint};

/// Paints screens on a terminal.
#[derive(Debug)]
pub struct Painter<W: Write> {
    terminal: Terminal<Quiet<W>>,
}

impl<W: Write> Painter<W> {
    /// Paints through `writer` on a terminal of this size.
    pub fn new(writer: W, width: u16, height: u16) -> io::Result<Self> {
        let size = Size { width, height };
        let backend = Quiet { inner: CrosstermBackend::new(writer), size };
        Ok(Self { terminal: Terminal::new(backend)? })
    }

    /// The terminal has another size now.
    pub fn resize(&mut self, width: u16, height: u16) {
        self.terminal.backend_mut().size = Size { width, height };
    }

    /// Sends what differs from the screen before.
    pub fn draw(&mut self, screen: &Screen, styles: &Styles) -> io::Result<()> {
        self.terminal.draw(|frame| paint(screen, styles, frame.buffer_mut()))?;
        Ok(())
    }

    /// Forgets the screen before, so that the next one is sent whole.
    pub fn repaint(&mut self) -> io::Result<()> {
        self.terminal.clear()
    }

    /// Sends bytes that are not part of the screen: a bell, a copy to the clipboard.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let writer = &mut self.terminal.backend_mut().inner;
        writer.write_all(bytes)?;
        Write::flush(writer)
    }
}

/// A backend that asks the terminal nothing. `Terminal::clear` and `Terminal::resize` ask where the
/// cursor is and wait two seconds for terminals that do not answer; the cursor is hidden here, so any
/// position will do. The size comes from resize events for the same reason.
#[derive(Debug)]
struct Quiet<W: Write> {
    inner: CrosstermBackend<W>,
    size: Size,
}

impl<W: Write> Backend for Quiet<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        self.inner.draw(content)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.inner.hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.inner.show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(Position::ORIGIN)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.inner.set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.inner.clear()
    }

    fn clear_region(&mut self, region: ClearType) -> io::Result<()> {
        self.inner.clear_region(region)
    }

    fn size(&self) -> io::Result<Size> {
        Ok(self.size)
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.size, pixels: Size::ZERO })
    }

    fn flush(&mut self) -> io::Result<()> {
        Backend::flush(&mut self.inner)
    }
}
