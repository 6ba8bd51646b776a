//! What the painter draws, cell by cell.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

#[path = "ui/demo.rs"]
mod demo;

use mltop::export::{svg, text};
use mltop::ui::{Depth, Glyphs, Styles, Theme, picture};

#[test]
fn pictures() {
    for (name, depth, glyphs) in [
        ("dark", Depth::True, Glyphs::Unicode),
        ("light", Depth::True, Glyphs::Unicode),
        ("dark", Depth::Indexed, Glyphs::Unicode),
        ("dark", Depth::Sixteen, Glyphs::Unicode),
        ("dark", Depth::None, Glyphs::Unicode),
        ("dark", Depth::None, Glyphs::Ascii),
    ] {
        let styles = Styles::new(Theme::builtin(name).unwrap(), depth, glyphs);
        let Ok(folder) = std::env::var("OUT") else { return };
        for (what, screen) in [
            ("lanes", demo::lanes_screen(None)),
            ("cursor", demo::lanes_screen(Some(70))),
            ("heat", demo::heat_screen()),
        ] {
            let picture = picture(&screen, &styles);
            let file = format!("{folder}/{name}-{depth:?}-{glyphs:?}-{what}");
            std::fs::write(format!("{file}.svg"), svg(&picture, "mltop")).unwrap();
            std::fs::write(format!("{file}.txt"), text(&picture)).unwrap();
        }
    }
}
