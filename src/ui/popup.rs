//! A box over the rest.

use ratatui::style::Style;

use super::pane::Pane;
use super::styles::Styles;
use super::text::{Pieces, rows};
use crate::view::screen::{Area, Line, Role, TextRow};

/// Clears the pane, and paints a border with a title and the rows inside.
pub(super) fn paint(title: &Line, lines: &[TextRow], pane: &mut Pane<'_>, styles: &Styles) {
    pane.fill(Style::default());
    let (width, height) = (pane.width, pane.height);
    if width < 2 || height < 2 {
        return;
    }
    let style = styles.role(Role::Accent);
    for x in 1..width - 1 {
        pane.put(x, 0, styles.glyph('─'), style);
        pane.put(x, height - 1, styles.glyph('─'), style);
    }
    for y in 1..height - 1 {
        pane.put(0, y, styles.glyph('│'), style);
        pane.put(width - 1, y, styles.glyph('│'), style);
    }
    let corners =
        [(0, 0, '╭'), (width - 1, 0, '╮'), (0, height - 1, '╰'), (width - 1, height - 1, '╯')];
    for (x, y, glyph) in corners {
        pane.put(x, y, styles.glyph(glyph), style);
    }
    let text = Pieces::new(title, styles, |style| style);
    if text.width > 0 && width > 6 {
        let end = text.write(pane, 3, 0, text.width.min(width - 6), styles.glyphs());
        pane.put(2, 0, ' ', style);
        pane.put(end, 0, ' ', style);
    }
    let margin = if width > 4 { 2 } else { 1 };
    let inside = Area { x: margin, y: 1, width: width - 2 * margin, height: height - 2 };
    rows(lines, &mut pane.within(inside), styles);
}
