//! A horizontal border with texts in it.
//!
//! ```text
//! ┌ GPU util ─────────────────────▼── now 31%  mean 58% ┐
//! └─────120s──────────60s─────────▲─────────────────now─┘
//! ```

use super::pane::Pane;
use super::styles::Styles;
use super::text::Pieces;
use crate::view::screen::{Edge, Role, Rule};

/// Fewer cells of a right text say nothing.
const LEAST_RIGHT: u16 = 4;

/// Paints a rule in the first row of the pane.
pub(super) fn paint(rule: &Rule, pane: &mut Pane<'_>, styles: &Styles) {
    let Some(last) = pane.width.checked_sub(1) else { return };
    let (left, right, marker) = match rule.edge {
        Edge::Top => ('┌', '┐', '▼'),
        Edge::Middle => ('├', '┤', '┼'),
        Edge::Bottom => ('└', '┘', '▲'),
    };
    let style = styles.role(Role::Border);
    for x in 0..pane.width {
        let glyph = match x {
            0 => left,
            x if x == last => right,
            _ => '─',
        };
        pane.put(x, 0, styles.glyph(glyph), style);
    }
    let cursor = rule.cursor.filter(|x| (1..last).contains(x));
    if let Some(x) = cursor {
        pane.put(x, 0, styles.glyph(marker), styles.role(Role::Cursor));
    }
    ticks(rule, pane, styles);
    // A title may lie over the marker; on the time axis the marker is what is read.
    if let Some(x) = cursor.filter(|_| rule.edge == Edge::Bottom) {
        pane.put(x, 0, styles.glyph(marker), styles.role(Role::Cursor));
    }
    let used = titled(rule, pane, styles);
    remark(rule, used, pane, styles);
}

/// Labels of the time axis, each around its column and within the corners.
fn ticks(rule: &Rule, pane: &mut Pane<'_>, styles: &Styles) {
    for (column, label) in &rule.ticks {
        let text = Pieces::plain(label, Role::Dim, styles);
        let room = pane.width.saturating_sub(2);
        if text.width > room {
            continue;
        }
        let most = pane.width - 1 - text.width;
        let x = column.saturating_sub(text.width / 2).clamp(1, most);
        text.write(pane, x, 0, text.width, styles.glyphs());
    }
}

/// The left text with a blank on both sides. Returns the column after it.
fn titled(rule: &Rule, pane: &mut Pane<'_>, styles: &Styles) -> u16 {
    let text = Pieces::new(&rule.left, styles, |style| style);
    let room = pane.width.saturating_sub(4);
    if text.width == 0 || room == 0 {
        return 1;
    }
    let end = text.write(pane, 2, 0, room.min(text.width), styles.glyphs());
    let blank = styles.role(Role::Border);
    pane.put(1, 0, ' ', blank);
    pane.put(end, 0, ' ', blank);
    end + 1
}

/// The right text with a blank on both sides: cut where the title leaves no room for it.
fn remark(rule: &Rule, used: u16, pane: &mut Pane<'_>, styles: &Styles) {
    let text = Pieces::new(&rule.right, styles, |style| style);
    // The corner, two blanks, and a piece of line so that two texts do not run together.
    let room = pane.width.saturating_sub(used).saturating_sub(4);
    let width = text.width.min(room);
    if text.width == 0 || (width < text.width && width < LEAST_RIGHT) {
        return;
    }
    let start = pane.width - 2 - width;
    let blank = styles.role(Role::Border);
    pane.put(start - 1, 0, ' ', blank);
    pane.put(pane.width - 2, 0, ' ', blank);
    text.write(pane, start, 0, width, styles.glyphs());
}
