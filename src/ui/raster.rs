//! Fills within a cell: two half columns of eight eighths, and the block glyph nearest to them.

/// What is filled of one cell; bit 0 is the lowest eighth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mask {
    /// The left half column.
    pub(super) left: u8,
    /// The right half column.
    pub(super) right: u8,
}

/// A block glyph for a mask. `swapped`: the glyph is what is *not* filled, as Unicode has eighths
/// from below only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fit {
    pub(super) glyph: char,
    pub(super) swapped: bool,
}

impl Mask {
    /// The part of a half column between two heights (in eighths from the bottom of the plot) that
    /// falls into the cell `row` rows above the bottom.
    pub(super) fn span(from: u16, to: u16, row: u16) -> u8 {
        let base = row.saturating_mul(8);
        let (low, high) = (from.saturating_sub(base).min(8), to.saturating_sub(base).min(8));
        if low >= high { 0 } else { ((1u16 << high) - (1u16 << low)) as u8 }
    }

    /// Filled sixteenths of the cell.
    pub(super) fn count(self) -> u32 {
        self.left.count_ones() + self.right.count_ones()
    }

    /// What remains visible under `other`.
    pub(super) fn without(self, other: Self) -> Self {
        Self { left: self.left & !other.left, right: self.right & !other.right }
    }

    /// Both together.
    pub(super) fn with(self, other: Self) -> Self {
        Self { left: self.left | other.left, right: self.right | other.right }
    }

    /// The glyph for a cell that stands on a filled one. Where one half ends below, glyphs of eighths
    /// would hang over it in the air.
    pub(super) fn fit_above(self) -> Fit {
        let glyph = match (self.left.count_ones(), self.right.count_ones()) {
            (0..=2, 0) | (0, 0..=2) => ' ',
            (3..=6, 0) => '▖',
            (_, 0) => '▌',
            (0, 3..=6) => '▗',
            (0, _) => '▐',
            _ => return self.fit(),
        };
        Fit { glyph, swapped: false }
    }

    fn distance(self, other: Self) -> u32 {
        (self.left ^ other.left).count_ones() + (self.right ^ other.right).count_ones()
    }

    /// The nearest glyph. Eighths win where both halves agree, quadrants where they differ.
    pub(super) fn fit(self) -> Fit {
        let nearest = CANDIDATES.iter().min_by_key(|(_, _, mask)| mask.distance(self));
        nearest.map_or(Fit { glyph: ' ', swapped: false }, |(glyph, swapped, _)| Fit {
            glyph: *glyph,
            swapped: *swapped,
        })
    }
}

const fn both(half: u8) -> Mask {
    Mask { left: half, right: half }
}

const fn halves(left: u8, right: u8) -> Mask {
    Mask { left, right }
}

/// A blank comes last: of two glyphs that are equally near, a value is not the one to vanish.
const CANDIDATES: [(char, bool, Mask); 27] = [
    ('▁', false, both(0x01)),
    ('▂', false, both(0x03)),
    ('▃', false, both(0x07)),
    ('▄', false, both(0x0f)),
    ('▅', false, both(0x1f)),
    ('▆', false, both(0x3f)),
    ('▇', false, both(0x7f)),
    ('█', false, both(0xff)),
    ('▔', false, both(0x80)),
    ('▆', true, both(0xc0)),
    ('▅', true, both(0xe0)),
    ('▀', false, both(0xf0)),
    ('▃', true, both(0xf8)),
    ('▂', true, both(0xfc)),
    ('▁', true, both(0xfe)),
    ('▖', false, halves(0x0f, 0)),
    ('▗', false, halves(0, 0x0f)),
    ('▘', false, halves(0xf0, 0)),
    ('▝', false, halves(0, 0xf0)),
    ('▌', false, halves(0xff, 0)),
    ('▐', false, halves(0, 0xff)),
    ('▙', false, halves(0xff, 0x0f)),
    ('▟', false, halves(0x0f, 0xff)),
    ('▛', false, halves(0xff, 0xf0)),
    ('▜', false, halves(0xf0, 0xff)),
    ('▞', false, halves(0x0f, 0xf0)),
    (' ', false, both(0)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_halves_get_eighths_and_steps_get_quadrants() {
        assert_eq!(both(0x1f).fit(), Fit { glyph: '▅', swapped: false });
        assert_eq!(both(0xf8).fit(), Fit { glyph: '▃', swapped: true });
        assert_eq!(halves(0xff, 0).fit().glyph, '▌');
        assert_eq!(halves(0x0f, 0xff).fit().glyph, '▟');
        assert_eq!(halves(0x01, 0).fit().glyph, '▁', "a value is not rounded away");
        assert_eq!(both(0).fit().glyph, ' ');
    }

    #[test]
    fn nothing_hangs_in_the_air_beside_a_fill() {
        assert_eq!(halves(0x01, 0).fit_above().glyph, ' ');
        assert_eq!(halves(0, 0x1f).fit_above().glyph, '▗');
        assert_eq!(halves(0xff, 0).fit_above().glyph, '▌');
        assert_eq!(both(0x1f).fit_above(), both(0x1f).fit());
    }

    #[test]
    fn a_span_falls_apart_into_the_cells_that_it_crosses() {
        let cells: Vec<_> = (0..4).map(|row| Mask::span(4, 19, row)).collect();
        assert_eq!(cells, [0xf0, 0xff, 0x07, 0]);
        assert_eq!(Mask::span(9, 3, 0), 0, "a span upside down is empty");
        assert_eq!(Mask::span(0, u16::MAX, u16::MAX), 0);
    }
}
