//! A session as a recording of a terminal (asciicast v3), with its findings and marks as markers.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::rc::Rc;

use serde_json::json;

use super::numbers::plain;
use crate::ui::{Painter, Styles};
use crate::view::Screen;

/// Longer pauses are shortened to this many seconds by the player.
const IDLE_SECONDS: u32 = 5;

/// Paints screens into a recording.
pub struct Cast {
    painter: Painter<Pen>,
    ink: Rc<RefCell<Vec<u8>>>,
    /// When the event before was, in milliseconds.
    before_ms: Option<u64>,
}

/// Where the painter writes.
struct Pen(Rc<RefCell<Vec<u8>>>);

impl Write for Pen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Cast {
    /// A recording of a terminal of this size.
    pub fn new(width: u16, height: u16) -> io::Result<Self> {
        let ink = Rc::new(RefCell::new(Vec::new()));
        let painter = Painter::new(Pen(Rc::clone(&ink)), width, height)?;
        Ok(Self { painter, ink, before_ms: None })
    }

    /// The first line.
    pub fn head(width: u16, height: u16, title: &str, unix_ms: i64) -> String {
        let head = json!({
            "version": 3,
            "term": { "cols": width, "rows": height, "type": "xterm-256color" },
            "timestamp": unix_ms.div_euclid(1000),
            "idle_time_limit": IDLE_SECONDS,
            "title": title,
        });
        format!("{head}\n[0.0, \"o\", \"\\u001b[?25l\\u001b[?7l\\u001b[2J\"]\n")
    }

    /// Adds what a screen changes.
    pub fn screen(
        &mut self,
        at_ms: u64,
        screen: &Screen,
        styles: &Styles,
        out: &mut String,
    ) -> io::Result<()> {
        self.painter.draw(screen, styles)?;
        let ink = std::mem::take(&mut *self.ink.borrow_mut());
        if !ink.is_empty() {
            self.event(at_ms, "o", &String::from_utf8_lossy(&ink), out);
        }
        Ok(())
    }

    /// Adds a marker.
    pub fn marker(&mut self, at_ms: u64, label: &str, out: &mut String) {
        self.event(at_ms, "m", &plain(label), out);
    }

    /// Adds the end.
    pub fn end(&mut self, at_ms: u64, out: &mut String) {
        self.event(at_ms, "x", "0", out);
    }

    /// Times are told since the event before.
    fn event(&mut self, at_ms: u64, code: &str, data: &str, out: &mut String) {
        let since_ms = self.before_ms.map_or(0, |before| at_ms.saturating_sub(before));
        self.before_ms = Some(self.before_ms.unwrap_or(at_ms).max(at_ms));
        let (code, data) = (json!(code), json!(data));
        // Writing into a string does not fail.
        let _ = writeln!(out, "[{:.3}, {code}, {data}]", since_ms as f64 / 1e3);
    }
}
