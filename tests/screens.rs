//! The screens beyond the lanes, driven as the program drives them: keys, pointer and ticks in, screens
//! out.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

#[path = "common/box_figures.rs"]
mod boxes;
#[path = "common/gpu_figures.rs"]
mod cards;
#[path = "common/frames.rs"]
mod frames;
#[path = "common/paint.rs"]
mod paint;
#[path = "common/program.rs"]
mod program;

#[path = "screens/findings.rs"]
mod findings;
#[path = "screens/gpus.rs"]
mod gpus;
#[path = "screens/host.rs"]
mod host;
#[path = "screens/loaders.rs"]
mod loaders;
#[path = "screens/pointer.rs"]
mod pointer;
#[path = "screens/processes.rs"]
mod processes;

use mltop::app::{Key, KeyCode};
use mltop::export::text;
use mltop::ui::{Depth, Glyphs, Styles, Theme, picture};
use mltop::view::Screen;
use mltop::view::screen::Body;
use program::{assert_inside, spans};

const ENTER: Key = Key::plain(KeyCode::Enter);
const ESC: Key = Key::plain(KeyCode::Esc);
const DOWN: Key = Key::plain(KeyCode::Down);
const UP: Key = Key::plain(KeyCode::Up);
const LEFT: Key = Key::plain(KeyCode::Left);

fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no '{part}' in\n{text}");
    }
}

/// Where the cursor stands in each plot, in columns from its left edge.
fn cursors(screen: &Screen) -> Vec<Option<u16>> {
    let plots = screen.parts.iter().filter_map(|part| match &part.body {
        Body::Plot(plot) => Some(plot.cursor),
        _ => None,
    });
    plots.collect()
}

/// The screen without a colour.
fn colourless(screen: &Screen, glyphs: Glyphs) -> String {
    text(&picture(screen, &Styles::new(Theme::default(), Depth::None, glyphs)))
}

/// Nothing on it stands outside of it or orders the terminal about, and it can be told without colours
/// and without any glyph that is not ASCII.
fn assert_sound(screen: &Screen) {
    assert_inside(screen);
    for (text, _) in spans(screen) {
        assert!(!text.chars().any(|c| c.is_control() || c == '\u{202e}'), "{text:?}");
    }
    assert!(
        !colourless(screen, Glyphs::Unicode).is_empty() || screen.width == 0 || screen.height == 0
    );
    assert!(colourless(screen, Glyphs::Ascii).is_ascii());
}
