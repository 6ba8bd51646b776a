//! A heat map: one row an entity, over the shared time axis.

use ratatui::style::Style;

use super::glyph::Glyphs;
use super::pane::Pane;
use super::plot::borders;
use super::styles::Styles;
use super::text::Pieces;
use crate::view::screen::{Area, Heat, Role};

/// Steps of the colour. More are not told apart, and fewer cells change from frame to frame.
const LEVELS: f64 = 15.0;
/// Share of the colour at 0: a measured 0 is not a gap.
const FOOT: f64 = 0.1;

/// Paints a heat map with its border columns.
pub(super) fn paint(heat: &Heat, pane: &mut Pane<'_>, styles: &Styles) {
    borders(pane, styles);
    let columns = pane.width.saturating_sub(2);
    let mut inner = pane.within(Area { x: 1, y: 0, width: columns, height: pane.height });
    for (y, (label, values)) in (0..inner.height).zip(&heat.rows) {
        for x in 0..columns {
            let value = values.get(usize::from(x)).copied().flatten().filter(|v| v.is_finite());
            let (glyph, style) = cell(value, heat.role, styles);
            let cursor = heat.cursor == Some(x);
            let style = if cursor { style.patch(styles.role(Role::Cursor)) } else { style };
            inner.put(x, y, styles.glyph(if cursor { '│' } else { glyph }), style);
        }
        let text = Pieces::plain(label, Role::Text, styles);
        let room = text.width.min(columns / 2);
        text.write(&mut inner, 0, y, room, styles.glyphs());
    }
}

fn cell(value: Option<f32>, role: Role, styles: &Styles) -> (char, Style) {
    let Some(value) = value else {
        return (' ', Style::default());
    };
    let level = (f64::from(value).clamp(0.0, 1.0) * LEVELS).round() / LEVELS;
    let theme = styles.theme();
    if styles.mixes() && styles.glyphs() == Glyphs::Unicode {
        let share = level.mul_add(1.0 - FOOT, FOOT);
        let color = theme.background().mix(theme.color(role), share);
        return (' ', Style::default().bg(styles.ink(color)));
    }
    let ramp: &[char] = match styles.glyphs() {
        Glyphs::Unicode => &['·', '░', '▒', '▓', '█'],
        Glyphs::Ascii => &['.', ':', '-', '=', '+', '*', '%', '#'],
    };
    let step = (level * (ramp.len() - 1) as f64).round() as usize;
    (ramp.get(step).copied().unwrap_or(' '), styles.role(role))
}
