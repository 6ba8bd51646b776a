//! A lane: fills and lines over the shared time axis, with what was noticed in them.
//!
//! ```text
//! │100           ╱╱╱╱╱╱╱╱            │   labels over the left, hatched headroom
//! │ ▂▅█▇▄  no answer  ▃▅▂ ┄┄┄┄│┄┄┄┄┄┄│   a gap with its reason, the limit, the cursor
//! │▆█████             ███▅▁▁▁▁│▁▃▆███│   a measured 0 is a thin line, a gap is blank
//! ```

use ratatui::style::{Modifier, Style};

use super::color::{Depth, Rgb};
use super::glyph::Glyphs;
use super::pane::Pane;
use super::raster::Mask;
use super::scale::Scale;
use super::styles::Styles;
use super::text::Pieces;
use crate::view::screen::{Area, Draw, Plot, Role, Series, Shade};

/// Share of a series' colour at the end of its fill that a peak reaches: areas are large, and full
/// colour is for lines and words.
const PEAK: f64 = 0.9;
/// The same on a light ground, where the colours of a theme are dark and a large area is heavy.
const LIGHT_PEAK: f64 = 0.74;
/// How much less each row towards the foot has.
const FADE: f64 = 0.06;
/// The least that a row has.
const FOOT: f64 = 0.4;
/// How faint the band of a series is.
const BAND_SHARE: f64 = 0.35;

/// Paints a plot with its border columns.
pub(super) fn paint(plot: &Plot, pane: &mut Pane<'_>, styles: &Styles) {
    borders(pane, styles);
    let columns = pane.width.saturating_sub(2);
    let inner = Area { x: 1, y: 0, width: columns, height: pane.height };
    let rows = pane.height;
    let tones = plot.series.iter().map(|one| tones(one, styles, rows)).collect();
    let painter = Painter { plot, styles, rows, scale: Scale::of(plot, rows), tones };
    let mut inner = pane.within(inner);
    for x in 0..columns {
        let column = painter.column(x);
        for y in 0..rows {
            let (glyph, style) = painter.cell(&column, y);
            inner.put(x, y, styles.glyph(glyph), style);
        }
    }
    painter.reasons(&mut inner);
    painter.labels(&mut inner);
}

/// The border columns of a plot or heat map.
pub(super) fn borders(pane: &mut Pane<'_>, styles: &Styles) {
    let style = styles.role(Role::Border);
    for y in 0..pane.height {
        pane.put(0, y, styles.glyph('│'), style);
        if let Some(right) = pane.width.checked_sub(1) {
            pane.put(right, y, styles.glyph('│'), style);
        }
    }
}

struct Painter<'a> {
    plot: &'a Plot,
    styles: &'a Styles,
    rows: u16,
    scale: Option<Scale>,
    /// The colours of the series, each from the lowest row to the highest.
    tones: Vec<Vec<Rgb>>,
}

/// A series that is filled, with its number among all.
#[derive(Clone, Copy)]
struct Fill<'a> {
    series: &'a Series,
    number: usize,
}

/// The first and the last dot of a line in a half column.
type Stroke = Option<(u16, u16)>;

/// What is to be drawn in one column: the spans of its half columns, by series.
struct Column<'a> {
    x: u16,
    shade: Shade,
    fills: Vec<(Fill<'a>, [(u16, u16); 2])>,
    /// Dots of braille from the bottom, both ends included, by half column.
    lines: Vec<(&'a Series, [Stroke; 2])>,
}

impl<'a> Painter<'a> {
    fn column(&self, x: u16) -> Column<'a> {
        let shade = self.plot.shades.get(usize::from(x)).copied().unwrap_or_default();
        let mut column = Column { x, shade, fills: Vec::new(), lines: Vec::new() };
        let Some(scale) = self.scale.filter(|_| shade != Shade::Gap) else {
            return column;
        };
        let first = usize::from(x) * 2;
        for (number, series) in self.plot.series.iter().enumerate() {
            if series.draw == Draw::Line {
                let half = |point| stroke(scale, series, point);
                column.lines.push((series, [half(first), half(first + 1)]));
            } else {
                let half = |point| scale.fill(series, point).unwrap_or((0, 0));
                column.fills.push((Fill { series, number }, [half(first), half(first + 1)]));
            }
        }
        column
    }

    /// What a cell shows: its glyph before translation, and its style.
    fn cell(&self, column: &Column<'a>, y: u16) -> (char, Style) {
        let row = self.rows - 1 - y;
        let fills = visible(column, row);
        let ground = self.ground(column.shade);
        let covered: u32 = fills.iter().map(|(_, mask)| mask.count()).sum();
        let fill = self.cover(&fills, row);
        let over = |role| self.over(fill, ground, role);
        // The edge of a fill is what is read at the cursor, so there the cursor gives way.
        if self.plot.cursor == Some(column.x) && (covered <= 2 || covered >= 14) {
            return ('│', over(Role::Cursor));
        }
        if let Some((series, dots)) = braille(column, row) {
            let glyph = match self.styles.glyphs() {
                Glyphs::Unicode => char::from_u32(0x2800 + u32::from(dots)).unwrap_or(' '),
                Glyphs::Ascii => '•',
            };
            return (glyph, over(series.role));
        }
        let bands = fills.iter().all(|(fill, _)| fill.series.draw == Draw::Band);
        if self.limit_row() == Some(y)
            && column.shade != Shade::Gap
            && (bands || (covered >= 14 && fill.is_some()))
        {
            return ('┄', over(Role::Limit));
        }
        if covered == 0 {
            return self.empty(column, y, ground);
        }
        self.filled(&fills, row, ground)
    }

    /// A cell without a value: what the column is marked with.
    fn empty(&self, column: &Column<'a>, y: u16, ground: Style) -> (char, Style) {
        if column.shade == Shade::Starved && !self.styles.mixes() {
            return ('░', self.foreground(Role::ShadeStarved));
        }
        let unused = self.plot.headroom.as_ref().is_some_and(|(value, flags)| {
            let from = self.scale.and_then(|scale| scale.row(*value));
            flags.get(usize::from(column.x)) == Some(&true) && from.is_some_and(|from| y < from)
        });
        if unused && column.shade != Shade::Gap {
            return ('╱', ground.patch(self.foreground(Role::ShadeHeadroom)));
        }
        (' ', ground)
    }

    /// The glyph of the fills of a cell: the last drawn in front, what shows of another behind.
    fn filled(&self, fills: &[(Fill<'_>, Mask)], row: u16, ground: Style) -> (char, Style) {
        // Of two of one size the one in front comes first: the sort is stable. A value never gives
        // way to its range.
        let mut by_size: Vec<_> = fills.iter().rev().copied().collect();
        by_size.sort_by_key(|(fill, mask)| {
            (fill.series.draw == Draw::Band, std::cmp::Reverse(mask.count()))
        });
        let Some((fill, mask)) = by_size.first().copied() else {
            return (' ', ground);
        };
        let series = fill.series;
        let color = self.styles.ink(self.tone(fill, row));
        if self.styles.glyphs() == Glyphs::Ascii {
            return (ascii(series, mask), ground.fg(color));
        }
        if !self.styles.mixes() && series.draw == Draw::Band {
            let glyph = if mask.count() >= 5 { '▒' } else { ' ' };
            return (glyph, ground.patch(self.foreground(series.role)));
        }
        let stands = row > 0 && matches!(series.draw, Draw::Area | Draw::Step);
        let fit = if stands { mask.fit_above() } else { mask.fit() };
        let behind = by_size.get(1).filter(|(_, other)| {
            let rest = 16 - mask.count();
            self.styles.depth() != Depth::None && other.count() * 2 >= rest && rest > 0
        });
        match (behind, fit.swapped) {
            (Some((other, _)), false) => {
                let back = self.styles.ink(self.tone(*other, row));
                (fit.glyph, Style::default().fg(color).bg(back))
            }
            (Some((other, _)), true) => {
                let front = self.styles.ink(self.tone(*other, row));
                (fit.glyph, Style::default().fg(front).bg(color))
            }
            (None, false) => (fit.glyph, ground.fg(color)),
            // The ground may be the terminal's own, which has no name as a foreground.
            (None, true) => match ground.bg {
                Some(back) => (fit.glyph, Style::default().fg(back).bg(color)),
                None => (fit.glyph, Style::default().fg(color).add_modifier(Modifier::REVERSED)),
            },
        }
    }

    /// The colour of a fill in a row from the bottom.
    fn tone(&self, fill: Fill<'_>, row: u16) -> Rgb {
        let tones = self.tones.get(fill.number);
        tones.and_then(|tones| tones.get(usize::from(row))).copied().unwrap_or_default()
    }

    /// A role's colour and weight without its ground.
    fn foreground(&self, role: Role) -> Style {
        let style = self.styles.role(role);
        Style { bg: None, ..style }
    }

    /// What lies behind a column.
    fn ground(&self, shade: Shade) -> Style {
        let tint = self.styles.theme().look(Role::ShadeStarved).bg;
        match tint.filter(|_| shade == Shade::Starved && self.styles.mixes()) {
            Some(tint) => Style::default().bg(self.styles.ink(tint)),
            None => Style::default(),
        }
    }

    fn limit_row(&self) -> Option<u16> {
        self.scale?.row(self.plot.limit?)
    }

    /// Writes why columns are blank into the middle of them.
    fn reasons(&self, pane: &mut Pane<'_>) {
        // Beside the labels, of which one may stand in the same row.
        let labels = self.plot.labels.iter();
        let taken = labels.map(|(_, label)| Pieces::plain(label, Role::Dim, self.styles).width + 1);
        let taken = taken.max().unwrap_or(0);
        for (first, columns, reason) in &self.plot.gaps {
            let end = first.saturating_add(*columns).min(pane.width);
            let first = (*first).max(taken);
            let columns = end.saturating_sub(first);
            let text = Pieces::plain(reason, Role::Gap, self.styles);
            if text.width == 0 || text.width > columns || self.rows == 0 {
                continue;
            }
            let x = first + (columns - text.width) / 2;
            text.write(pane, x, (self.rows - 1) / 2, text.width, self.styles.glyphs());
        }
    }

    /// Writes the labels of the scale. Where two want one row, the first has it. On a fill a label
    /// takes the colour that is read best there.
    fn labels(&self, pane: &mut Pane<'_>) {
        let Some(scale) = self.scale else { return };
        let mut taken = Vec::new();
        for (value, label) in &self.plot.labels {
            let Some(y) = scale.row(*value).filter(|y| !taken.contains(y)) else { continue };
            taken.push(y);
            let text = Pieces::plain(label, Role::Dim, self.styles);
            // Over half of a narrow plot a label would hide more than it tells.
            if text.width * 2 > pane.width {
                continue;
            }
            let row = self.rows - 1 - y;
            let fill = |x| self.cover(&visible(&self.column(x), row), row);
            let restyle = |x, style: Style| {
                let ground = self.ground(self.column(x).shade);
                match fill(x) {
                    Some(fill) if self.styles.mixes() => {
                        style.bg(self.styles.ink(fill)).fg(self.styles.ink(self.on(fill)))
                    }
                    fill => self.over(fill, ground, Role::Dim),
                }
            };
            // Between its words a limit would show through, but a fill is left whole.
            text.write_over(pane, y, restyle, |x| fill(x).is_none());
        }
    }

    /// The colour of a cell that is filled for the most part. Fills that are patterns have none.
    fn cover(&self, fills: &[(Fill<'_>, Mask)], row: u16) -> Option<Rgb> {
        let (fill, mask) = fills.iter().max_by_key(|(_, mask)| mask.count())?;
        let solid = self.styles.mixes()
            || (self.styles.glyphs() == Glyphs::Unicode && fill.series.draw != Draw::Band);
        (mask.count() >= 8 && solid).then(|| self.tone(*fill, row))
    }

    /// The style of what is drawn over a cell: on a fill it stands on the fill's own colour. Where
    /// colours are few, it is cut out of the fill.
    fn over(&self, fill: Option<Rgb>, ground: Style, role: Role) -> Style {
        match fill {
            Some(fill) if self.styles.mixes() => self.foreground(role).bg(self.styles.ink(fill)),
            Some(fill) => {
                Style::default().fg(self.styles.ink(fill)).add_modifier(Modifier::REVERSED)
            }
            None => ground.patch(self.foreground(role)),
        }
    }

    /// The colour of text on a fill.
    fn on(&self, fill: Rgb) -> Rgb {
        let theme = self.styles.theme();
        let (dark, light) = (theme.background(), theme.text());
        if dark.contrast(fill) > light.contrast(fill) { dark } else { light }
    }
}

/// The colours of a series, from the lowest row to the highest: brighter the higher it reaches, so that
/// peaks are seen first.
fn tones(series: &Series, styles: &Styles, rows: u16) -> Vec<Rgb> {
    let theme = styles.theme();
    let (own, ground) = (theme.color(series.role), theme.background());
    let peak = if ground.luminance() > 0.5 { LIGHT_PEAK } else { PEAK };
    let tone = |row: u16| {
        let below_peak = match series.draw {
            Draw::Hanging => row,
            _ => rows - 1 - row,
        };
        match series.draw {
            _ if !styles.mixes() => own,
            Draw::Band if series.role == Role::Band => own,
            Draw::Band => ground.mix(own, BAND_SHARE),
            _ if styles.depth() == Depth::True => {
                ground.mix(own, f64::from(below_peak).mul_add(-FADE, peak).max(FOOT))
            }
            _ => own,
        }
    };
    (0..rows).map(tone).collect()
}

/// What shows of each series in a cell, in drawing order.
fn visible<'a>(column: &Column<'a>, row: u16) -> Vec<(Fill<'a>, Mask)> {
    let mut hidden = Mask::default();
    let mut fills = Vec::with_capacity(column.fills.len());
    for (fill, [left, right]) in column.fills.iter().rev() {
        let mask = Mask {
            left: Mask::span(left.0, left.1, row),
            right: Mask::span(right.0, right.1, row),
        };
        let shows = mask.without(hidden);
        if shows.count() > 0 {
            fills.push((*fill, shows));
        }
        hidden = hidden.with(mask);
    }
    fills.reverse();
    fills
}

/// The dots of a half column: from the point before, not included, to this one.
fn stroke(scale: Scale, series: &Series, point: usize) -> Stroke {
    let own = scale.dot(series, point)?;
    let before = point.checked_sub(1).and_then(|before| scale.dot(series, before)).unwrap_or(own);
    Some(match own.cmp(&before) {
        std::cmp::Ordering::Greater => (before + 1, own),
        std::cmp::Ordering::Less => (own, before - 1),
        std::cmp::Ordering::Equal => (own, own),
    })
}

/// The dots of the topmost line in a cell, as the low byte of a braille character.
fn braille<'a>(column: &Column<'a>, row: u16) -> Option<(&'a Series, u8)> {
    const LEFT: [u8; 4] = [0x40, 0x04, 0x02, 0x01];
    const RIGHT: [u8; 4] = [0x80, 0x20, 0x10, 0x08];
    let base = row.saturating_mul(4);
    column.lines.iter().rev().find_map(|(series, halves)| {
        let mut dots = 0;
        for (half, bits) in halves.iter().zip([LEFT, RIGHT]) {
            let Some((from, to)) = half else { continue };
            for (offset, bit) in (0..4).zip(bits) {
                if (*from..=*to).contains(&(base + offset)) {
                    dots |= bit;
                }
            }
        }
        (dots != 0).then_some((*series, dots))
    })
}

/// A fill in ASCII; twins of the blocks would say less.
fn ascii(series: &Series, mask: Mask) -> char {
    let hanging = series.draw == Draw::Hanging;
    match mask.count() {
        _ if series.draw == Draw::Band => '.',
        0 => ' ',
        1..=5 if hanging => '"',
        1..=5 => '_',
        6..=11 => '=',
        _ => '#',
    }
}
