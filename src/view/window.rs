//! The shared time axis: which moments stand in which column.

use crate::app::State;
use crate::fmt;

use super::screen::Past;

/// The part of the past that is on screen. A point is whole milliseconds long, and live both ends lie
/// on multiples of a column: the picture moves by whole columns, what was drawn once keeps its shape,
/// and the terminal can move it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// Left edge, by the monotonic clock.
    pub(super) from_ms: u64,
    /// Right edge.
    pub(super) to_ms: u64,
    /// Columns within the borders.
    pub(super) columns: usize,
    /// Column of the cursor.
    pub(super) cursor: Option<u16>,
}

impl Window {
    /// The window of a state over so many columns.
    pub(super) fn of(state: &State, columns: usize) -> Self {
        let zoom = state.zoom_ms();
        let end = state.transport.end(state.reach());
        let points = (columns * 2).max(1) as u64;
        let point_ms = zoom.div_ceil(points).max(1);
        let column_ms = point_ms * 2;
        let to_ms = match state.transport.cursor() {
            None => (end / column_ms).saturating_add(1).saturating_mul(column_ms),
            // A frozen window ends where it was frozen: the rest of its last column would fill up.
            Some(_) => end.saturating_add(1),
        };
        let from_ms = to_ms.saturating_sub(point_ms.saturating_mul(points));
        let mut window = Self { from_ms, to_ms, columns, cursor: None };
        window.cursor = state.transport.cursor().and_then(|at_ms| window.column(at_ms));
        window
    }

    /// Points of a series: two a column.
    pub(super) const fn points(&self) -> usize {
        self.columns * 2
    }

    /// The part of the past that it shows once it stands still. Live it ends within the next column,
    /// and whoever points at a column wants the cursor to be in that one.
    pub(super) fn standing(&self, state: &State) -> Past {
        let to_ms = state.transport.end(state.reach()).saturating_add(1);
        Past { from_ms: to_ms.saturating_sub(self.length()), to_ms }
    }

    fn length(&self) -> u64 {
        (self.to_ms - self.from_ms).max(1)
    }

    /// The column that a moment stands in, where it is on screen.
    pub(super) fn column(&self, at_ms: u64) -> Option<u16> {
        if self.columns == 0 || at_ms < self.from_ms || at_ms > self.to_ms {
            return None;
        }
        let column =
            u128::from(at_ms - self.from_ms) * self.columns as u128 / u128::from(self.length());
        u16::try_from(column.min(self.columns as u128 - 1)).ok()
    }

    /// The columns that a span covers, as a half-open range; empty where it is off screen.
    pub(super) fn columns_of(&self, from_ms: u64, to_ms: u64) -> std::ops::Range<usize> {
        if to_ms < self.from_ms || from_ms > self.to_ms || from_ms > to_ms {
            return 0..0;
        }
        let first = self.column(from_ms.max(self.from_ms)).unwrap_or(0);
        let last = self.column(to_ms.min(self.to_ms)).unwrap_or(0);
        usize::from(first)..usize::from(last) + 1
    }

    /// Labels of the axis: columns counted from the left border, and the text that starts there.
    /// Live they count back from now; elsewhere "now" would be a lie, and they tell the time of day.
    pub(super) fn ticks(&self, state: &State, live: bool) -> Vec<(u16, String)> {
        const STEPS: [u64; 10] = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800];
        let end = self.columns + 1;
        let zoom_s = self.length() / 1000;
        let least = if live { 12 } else { 20 };
        let step =
            STEPS.into_iter().find(|step| self.columns as u64 * step >= least * zoom_s.max(1));
        let label = |back_s: u64| {
            if live && back_s == 0 {
                "now".to_owned()
            } else if live && zoom_s > 300 {
                format!("{}m", back_s / 60)
            } else if live {
                format!("{back_s}s")
            } else {
                let at_ms = self.to_ms.saturating_sub(back_s * 1000);
                fmt::clock(state.unix_ms(at_ms), state.utc_offset_seconds)
            }
        };
        let mut ticks = Vec::new();
        let now = label(0);
        let mut free_to = end.saturating_sub(now.len());
        ticks.push((free_to as u16, now));
        let Some(step) = step else { return if end > 10 { ticks } else { Vec::new() } };
        for back_s in (step..=zoom_s).step_by(step as usize) {
            let back = back_s * 1000 * self.columns as u64 / self.length();
            let column = end as u64 - back.min(end as u64 - 1);
            let text = label(back_s);
            let start = (column as usize).max(1);
            // A label that would touch its neighbour on the right is left out.
            if start + text.len() < free_to {
                free_to = start;
                ticks.push((start as u16, text));
            }
        }
        ticks.reverse();
        ticks
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::history::{History, Track};
    use crate::model::sample::GpuSample;
    use crate::model::{Frame, Reading, Sample, Stamp};

    /// A tick every second, as late as a busy box makes it.
    fn frame(tick: u64) -> Arc<Frame> {
        let mono_ms = 1_000_000 + tick * 1000 + tick * tick * 7 % 97;
        let busy = (tick * 37 % 101) as f64 / 101.0;
        let gpu = GpuSample { utilization_ratio: Reading::Is(busy), ..GpuSample::default() };
        let stamp = Stamp { unix_ms: 0, mono_ms };
        let sample = Sample { seq: tick, stamp, gpus: vec![gpu], ..Sample::default() };
        Arc::new(Frame { sample: Arc::new(sample), ..Frame::default() })
    }

    #[test]
    fn a_column_keeps_its_shape_while_it_scrolls() {
        for columns in [70, 118, 198, 331] {
            let mut history = History::new(4096);
            let mut state = State::new(120, 36);
            let mut before: Option<(Window, Vec<_>)> = None;
            for tick in 0..200 {
                let frame = frame(tick);
                history.push(&frame);
                state.latest = Some(frame);
                let window = Window::of(&state, columns);
                let of = Track::GpuUtil(crate::model::GpuId(0));
                let points = history.buckets(&of, window.from_ms, window.to_ms, window.points());
                let point_ms = window.length() / window.points() as u64;
                assert_eq!((window.from_ms % point_ms, window.to_ms % point_ms), (0, 0));
                if let Some((older, old)) = before {
                    let moved = ((window.from_ms - older.from_ms) / point_ms) as usize;
                    // The last two seconds may still fill up.
                    let settled = old.len() - (2000 / point_ms as usize + 2);
                    assert_eq!(old[moved..settled], points[..settled - moved], "tick {tick}");
                }
                before = Some((window, points));
            }
        }
    }
}
