//! Small stacked bars over the shared time axis: one row an entity.

use ratatui::style::Style;
use unicode_width::UnicodeWidthChar;

use super::glyph::Glyphs;
use super::pane::Pane;
use super::plot::borders;
use super::styles::Styles;
use crate::view::screen::{Area, Mix, Role, Shares};

/// How much of its colour a part has; idleness is the ground on which work stands out.
const WORK: f64 = 0.62;
const IDLE: f64 = 0.14;

/// A bar by its eighths.
const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Paints a mix with its border columns.
pub(super) fn paint(mix: &Mix, pane: &mut Pane<'_>, styles: &Styles) {
    borders(pane, styles);
    let columns = pane.width.saturating_sub(2);
    let mut inner = pane.within(Area { x: 1, y: 0, width: columns, height: pane.height });
    for (y, row) in (0..inner.height).zip(&mix.rows) {
        for x in 0..columns {
            let shares = row.get(usize::from(x)).copied().flatten();
            let (glyph, style) =
                shares.map_or_else(|| (' ', Style::default()), |shares| cell(shares, mix, styles));
            let cursor = mix.cursor == Some(x);
            let style = if cursor { style.patch(styles.role(Role::Cursor)) } else { style };
            inner.put(x, y, styles.glyph(if cursor { '│' } else { glyph }), style);
        }
    }
}

/// One bar. A cell has two colours, so it shows the two largest parts, the lower below. Where colours
/// cannot be mixed it is the letter of the largest.
fn cell(shares: Shares, mix: &Mix, styles: &Styles) -> (char, Style) {
    let mut order = [0, 1, 2, 3, 4];
    let share = |at: usize| if shares[at].is_finite() { shares[at].max(0.0) } else { 0.0 };
    order.sort_by(|a, b| share(*b).total_cmp(&share(*a)));
    let [largest, second, ..] = order;
    let (role, letter) = mix.parts[largest];
    // A cell holds one character that is one cell wide, whatever it is asked to hold.
    let letter = if letter.width() == Some(1) { letter } else { '?' };
    if !styles.mixes() || styles.glyphs() == Glyphs::Ascii {
        return (letter, styles.role(role));
    }
    let (lower, upper) = if largest < second { (largest, second) } else { (second, largest) };
    let theme = styles.theme();
    let color = |at: usize| {
        let role = mix.parts[at].0;
        let strength = if role == Role::WorkerIdle { IDLE } else { WORK };
        styles.ink(theme.background().mix(theme.color(role), strength))
    };
    let whole = share(lower) + share(upper);
    let eighths = if whole > 0.0 { (share(lower) / whole * 8.0).round() as usize } else { 0 };
    let glyph = BARS[eighths.min(8)];
    (glyph, Style::default().fg(color(lower)).bg(color(upper)))
}
