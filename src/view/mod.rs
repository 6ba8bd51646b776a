//! Screens as data, built from the state. Pure: no clock, no file, no terminal.

pub mod screen;

pub use screen::Screen;
