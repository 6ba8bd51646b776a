//! From values to heights in eighths of a cell.

use crate::view::screen::{Bucket, Draw, Plot, Series};

/// The vertical scale of a plot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    low: f64,
    span: f64,
    rows: u16,
}

impl Scale {
    /// The scale of a plot with `rows` rows; `None` where its ends make no scale. Then nothing is
    /// drawn: a wrong height is worse than none.
    pub(super) fn of(plot: &Plot, rows: u16) -> Option<Self> {
        let span = plot.high - plot.low;
        let usable = plot.low.is_finite() && span.is_finite() && span > 0.0 && rows > 0;
        usable.then_some(Self { low: plot.low, span, rows })
    }

    /// Height of the plot in eighths.
    pub(super) fn top(self) -> u16 {
        self.rows.saturating_mul(8)
    }

    /// The value's share of the scale, 0 to 1.
    fn share(self, value: f64) -> Option<f64> {
        value.is_finite().then(|| ((value - self.low) / self.span).clamp(0.0, 1.0))
    }

    /// Height of a value in eighths. A measured value is at least one: 0 is a line at the bottom,
    /// and only a gap is blank.
    fn height(self, value: f64) -> Option<u16> {
        Some(((self.share(value)? * f64::from(self.top())).round() as u16).max(1))
    }

    /// From where to where a point is filled, in eighths from the bottom.
    pub(super) fn fill(self, series: &Series, point: usize) -> Option<(u16, u16)> {
        let bucket = point_of(series, point)?;
        let height = |value: f32| self.height(f64::from(value));
        match series.draw {
            Draw::Area | Draw::Step => Some((0, height(bucket.mean)?)),
            Draw::Hanging => Some((self.top().saturating_sub(height(bucket.mean)?), self.top())),
            Draw::Band => {
                let (low, high) = (self.share(f64::from(bucket.min))?, height(bucket.max)?);
                let low = (low * f64::from(self.top())).round() as u16;
                Some((low.min(high.saturating_sub(1)), high))
            }
            Draw::Line => None,
        }
    }

    /// Height of a point in dots of braille from the bottom, 0 the lowest.
    pub(super) fn dot(self, series: &Series, point: usize) -> Option<u16> {
        let share = self.share(f64::from(point_of(series, point)?.mean))?;
        let dots = f64::from(self.rows.saturating_mul(4).saturating_sub(1));
        Some((share * dots).round() as u16)
    }

    /// The row from the top in which a value lies, if it is on the scale.
    pub(super) fn row(self, value: f64) -> Option<u16> {
        let share = (value - self.low) / self.span;
        if !(0.0..=1.0).contains(&share) {
            return None;
        }
        let above = (share * f64::from(self.rows)).floor() as u16;
        Some(self.rows - 1 - above.min(self.rows - 1))
    }
}

fn point_of(series: &Series, point: usize) -> Option<Bucket> {
    series.points.get(point).copied().flatten()
}
