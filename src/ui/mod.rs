//! Paints a screen: the only user of ratatui.
//!
//! ```text
//! Screen (roles) ── paint ──► Buffer ──► terminal
//!    Theme, Depth, Glyphs ─┘     └─────► Picture ──► export
//! ```
//!
//! What the terminal can show is decided once, in [`Styles`]; nothing here looks at the machine.

mod color;
mod encode;
mod glyph;
mod heat;
mod mix;
mod paint;
mod pane;
mod picture;
mod plot;
mod popup;
mod raster;
mod rule;
mod scale;
mod scroll;
mod styles;
mod terminal;
mod text;
mod theme;
#[cfg(test)]
mod theme_check;

pub use color::{Depth, Rgb};
pub use glyph::Glyphs;
pub use paint::paint;
pub use picture::{Dot, Picture, picture};
pub use styles::Styles;
pub use terminal::Painter;
pub use theme::{Look, Theme, ThemeError};
