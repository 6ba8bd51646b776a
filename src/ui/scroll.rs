//! Rows that moved to the left as a whole, as every plot does each second: the terminal moves them
//! itself, and only what came in at the right is sent.

use ratatui::buffer::{Buffer, Cell};
use unicode_width::UnicodeWidthStr;

/// The borders stay where they are: the first column and the last.
const FIRST: usize = 1;
/// Columns that a plot may move by in one frame.
const FARTHEST: usize = 6;
/// A row with fewer changes than this is cheap as it is.
const FEW: usize = 16;

/// Moves rows of `shown` to the left where that brings them closer to `next`; says which, and by
/// how many columns.
pub(super) fn scroll(shown: &mut Buffer, next: &Buffer) -> Vec<(u16, usize)> {
    let width = usize::from(next.area.width);
    if width <= 2 * FIRST || shown.area != next.area {
        return Vec::new();
    }
    let rows = shown.content.chunks_exact_mut(width).zip(next.content.chunks_exact(width));
    // Most rows move as the one above: with that tried first, other distances are soon given up.
    let mut likely = 1;
    let moved = rows.zip(0_u16..).filter_map(|((old, new), y)| {
        let by = distance(old, new, likely)?;
        likely = by;
        let row = old.get_mut(FIRST..width - FIRST)?;
        row.rotate_left(by);
        // What the terminal puts there.
        row.iter_mut().rev().take(by).for_each(Cell::reset);
        Some((y, by))
    });
    moved.collect()
}

/// How far to the left a row moved; `None` where it did not, or where it is cheaper to send it.
/// `likely` is the distance to try first.
fn distance(old: &[Cell], new: &[Cell], likely: usize) -> Option<usize> {
    let last = old.len().min(new.len()) - FIRST;
    // How many cells would be left to send, if that is less than `most`.
    let differing = |by: usize, most: usize| {
        let old = old.get(FIRST + by..last).unwrap_or_default();
        let kept = old.iter().zip(new.iter().skip(FIRST));
        let differing = kept.filter(|(old, new)| old != new).take(most.saturating_sub(by)).count();
        Some(differing + by).filter(|left| *left < most)
    };
    let unmoved = differing(0, usize::MAX)?;
    if unmoved < FEW || !old.iter().chain(new).all(|cell| cell.symbol().width() == 1) {
        return None;
    }
    // Twice of what is left must be less than all.
    let mut most = unmoved.div_ceil(2);
    let mut best = None;
    let farthest = FARTHEST.min(last - FIRST);
    for by in std::iter::once(likely.min(farthest)).chain((1..=farthest).filter(|by| *by != likely))
    {
        if let Some(left) = differing(by, most) {
            (most, best) = (left, Some(by));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLOT: &str = "│▂▄▆█▇▅▃▁▂▄▆█▇▅▃▁▂▄▆█▇▅▃▁▂▄▆█▇▅▃▁│";

    /// The row after a move by `by` columns, with `fresh` come in before the right border.
    fn moved(row: &str, by: usize, fresh: &str) -> String {
        let inner: Vec<char> = row.chars().skip(1 + by).collect();
        let kept: String = inner[..inner.len() - 1].iter().collect();
        format!("│{kept}{fresh}│")
    }

    #[test]
    fn a_plot_that_moved_is_moved_and_its_right_end_is_left_to_be_sent() {
        let mut shown = Buffer::with_lines([PLOT, PLOT]);
        let next = Buffer::with_lines([moved(PLOT, 2, "xy"), PLOT.to_owned()]);
        assert_eq!(scroll(&mut shown, &next), [(0, 2)]);
        let columns: Vec<u16> = shown.diff(&next).iter().map(|(x, ..)| *x).collect();
        let width = PLOT.chars().count() as u16;
        assert_eq!(columns, [width - 3, width - 2]);
    }

    #[test]
    fn a_row_that_did_not_move_or_is_flat_or_new_is_left_alone() {
        let flat = format!("│{}│", "█".repeat(40));
        let mut shown = Buffer::with_lines([PLOT, &flat]);
        let other: String = PLOT.chars().rev().collect();
        let next = Buffer::with_lines([other.replace('▂', "z"), flat.clone()]);
        assert_eq!(scroll(&mut shown, &next), []);
        let before = Buffer::with_lines(["ab"]);
        assert_eq!(scroll(&mut before.clone(), &Buffer::with_lines(["abc"])), []);
    }

    #[test]
    fn a_row_with_wide_characters_is_sent_and_not_moved() {
        let wide = PLOT.replace("▂▄", "数");
        let mut shown = Buffer::with_lines([wide.as_str()]);
        let next = Buffer::with_lines([moved(&wide, 2, "xy")]);
        assert_eq!(scroll(&mut shown, &next), []);
    }
}
