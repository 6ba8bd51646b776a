//! The histogram of the depth: one bar for each row of the plot beside it, so that both share a scale.

use crate::fmt;
use crate::history::Track;
use crate::view::bar::bar;
use crate::view::focus::Look;
use crate::view::screen::{Line, Plot, Role, TextRow, span, strong};
use crate::view::text::{left, right};

/// Columns of the label, and of the share behind the bar.
const LABEL: usize = 7;
const SHARE: usize = 5;

/// How often each depth was seen, by rows of a plot of this height, lowest last.
pub(super) fn histogram(look: &Look<'_>, plot: &Plot, rows: u16, width: u16) -> Vec<TextRow> {
    let Some(loader) = look.loader else { return Vec::new() };
    let window = &look.window;
    let seen = look.past.values(&Track::LoaderDepth(loader.loader), window.from_ms, window.to_ms);
    let depths: Vec<u64> =
        seen.iter().filter(|depth| depth.is_finite()).map(|depth| *depth as u64).collect();
    if depths.is_empty() || rows == 0 {
        return Vec::new();
    }
    let room = usize::from(width).saturating_sub(LABEL + SHARE + 2);
    let bins = bins(plot.high, rows);
    // The air above the capacity is no depth.
    let full = plot.limit.map_or(u64::MAX, |limit| limit as u64);
    let counts: Vec<usize> = bins
        .iter()
        .map(|(from, to)| depths.iter().filter(|depth| (*from..*to).contains(depth)).count())
        .collect();
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let bars = bins.into_iter().zip(counts).map(|((from, to), count)| {
        if from >= to || (from > full && count == 0) {
            return TextRow::default();
        }
        let last = if from <= full { (to - 1).min(full) } else { to - 1 };
        let label = if from == last { from.to_string() } else { format!("{from}–{last}") };
        let share = count as f64 / depths.len() as f64;
        let bar = bar(count as f64 / most as f64, room);
        let role = if count == 0 { Role::Dim } else { Role::Text };
        let line: Line = vec![
            span(right(&label, LABEL), Role::Dim),
            span(" ", Role::Dim),
            span(left(&bar, room), Role::Queue),
            span(right(fmt::percent(share).trim_start(), SHARE), role),
        ];
        TextRow { left: line, ..TextRow::default() }
    });
    let mut bars: Vec<TextRow> = bars.collect();
    bars.reverse();
    bars
}

/// What stands over it.
pub(super) fn heading(look: &Look<'_>, width: u16) -> TextRow {
    let looks = look.loader.map_or(0, |loader| {
        let (from, to) = (look.window.from_ms, look.window.to_ms);
        look.past.values(&Track::LoaderDepth(loader.loader), from, to).len()
    });
    let left = vec![strong(" Depth", Role::Queue)];
    let text = match looks {
        0 => String::new(),
        looks if width < 48 => format!("share of {looks} looks "),
        looks => format!("share of {looks} looks, one a tick "),
    };
    TextRow { left, right: vec![span(text, Role::Dim)], ..TextRow::default() }
}

/// The whole depths of each row, lowest row first: a half-open range, empty where a row has none.
fn bins(high: f64, rows: u16) -> Vec<(u64, u64)> {
    let edge = |row: u16| (high * f64::from(row) / f64::from(rows)).ceil().max(0.0) as u64;
    (0..rows)
        .map(|row| {
            // What lies above the top edge belongs to the top row.
            let to = if row + 1 == rows { edge(rows).max(1) } else { edge(row + 1) };
            (edge(row), to)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_depth_up_to_the_capacity_has_one_row() {
        for capacity in 1..70_u64 {
            for rows in 1..30 {
                let bins = bins(capacity as f64 * 1.1, rows);
                for depth in 0..=capacity {
                    let rows = bins.iter().filter(|(from, to)| (*from..*to).contains(&depth));
                    assert_eq!(rows.count(), 1, "{depth} of {capacity} in {bins:?}");
                }
            }
        }
    }
}
