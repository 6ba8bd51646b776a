//! Paints a screen, part by part.

use ratatui::buffer::Buffer;

use super::pane::Pane;
use super::styles::Styles;
use super::{heat, mix, plot, popup, rule, text};
use crate::view::screen::{Body, Screen};

/// Paints a screen into a buffer, from its upper left corner. Cells that no part covers stay as
/// they are; a part paints nothing outside its area, nor outside the screen.
pub fn paint(screen: &Screen, styles: &Styles, buffer: &mut Buffer) {
    let mut canvas = Pane::screen(buffer, screen.width, screen.height);
    for part in &screen.parts {
        let mut pane = canvas.within(part.area);
        if pane.width == 0 || pane.height == 0 {
            continue;
        }
        match &part.body {
            Body::Text(rows) => text::rows(rows, &mut pane, styles),
            Body::Rule(rule) => rule::paint(rule, &mut pane, styles),
            Body::Plot(plot) => plot::paint(plot, &mut pane, styles),
            Body::Heat(heat) => heat::paint(heat, &mut pane, styles),
            Body::Mix(body) => mix::paint(body, &mut pane, styles),
            Body::Popup { title, rows } => popup::paint(title, rows, &mut pane, styles),
        }
    }
}
