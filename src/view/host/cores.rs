//! The CPUs one by one: bars where there is room, else one block each.

use crate::fmt;
use crate::model::frame::CpuRates;
use crate::view::bar::bar;
use crate::view::focus::Look;
use crate::view::screen::{Line, Role, TextRow, span, strong};
use crate::view::text::{left, right, safe, width as columns_of};

/// Columns of a bar with its number and its share.
const BAR_LEAST: usize = 13;
/// Blocks of one group, so that they can be counted.
const GROUP: usize = 8;
/// From nothing to all.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// What stands over them.
pub(super) fn heading(look: &Look<'_>) -> TextRow {
    let count = look.frame.and_then(|frame| frame.sample.host.cpu_count.ok());
    let rows = look.frame.map_or(0, |frame| frame.cpus.len());
    let each = count.map(|count| (count as usize).div_ceil(rows.max(1))).filter(|_| rows > 0);
    let remark = match (count, each) {
        (Some(count), Some(each)) if each > 1 => format!("{count}, {each} to a bar "),
        (Some(count), _) => format!("{count} "),
        (None, _) => String::new(),
    };
    TextRow {
        left: vec![strong(" CPUs", Role::Title)],
        right: vec![span(remark, Role::Dim)],
        ..TextRow::default()
    }
}

/// The CPUs in so many columns and rows.
pub(super) fn cores(look: &Look<'_>, width: u16, height: u16) -> Vec<TextRow> {
    let cpus = look.frame.map(|frame| frame.cpus.as_slice()).unwrap_or_default();
    if cpus.is_empty() {
        let why = if look.frame.is_none() {
            " nothing is known of this moment"
        } else {
            " one by one they are not in this recording"
        };
        return vec![TextRow { left: vec![span(why, Role::Gap)], ..TextRow::default() }];
    }
    let (width, height) = (usize::from(width).saturating_sub(1), usize::from(height).max(1));
    let across = cpus.len().div_ceil(height);
    let cell = width / across;
    if cell >= BAR_LEAST { bars(cpus, across, cell) } else { blocks(cpus, width, height) }
}

fn share(cpu: &CpuRates) -> Option<f64> {
    cpu.used_ratio.ok().filter(|share| share.is_finite())
}

const fn role(share: f64) -> Role {
    if share >= 0.9 { Role::Warn } else { Role::WorkerRun }
}

/// A row of bars after the other, the numbers going down.
fn bars(cpus: &[CpuRates], across: usize, cell: usize) -> Vec<TextRow> {
    let down = cpus.len().div_ceil(across);
    let label = cpus.iter().map(|cpu| columns_of(&safe(&cpu.cpu))).max().unwrap_or(1).min(9);
    let room = cell.saturating_sub(label + 8);
    let one = |cpu: &CpuRates| -> Line {
        let share = share(cpu);
        let figure = share.map_or_else(|| fmt::none(4), fmt::percent);
        let at = share.unwrap_or(0.0);
        vec![
            span(format!(" {} ", right(&safe(&cpu.cpu), label)), Role::Dim),
            span(left(&bar(at, room), room), role(at)),
            span(format!(" {figure} "), if share.is_some() { Role::Text } else { Role::Gap }),
        ]
    };
    let rows = (0..down).map(|row| {
        let left = (0..across).filter_map(|column| cpus.get(column * down + row)).flat_map(one);
        TextRow { left: left.collect(), ..TextRow::default() }
    });
    rows.collect()
}

/// A block each, as many in a row as there is room for.
fn blocks(cpus: &[CpuRates], width: usize, height: usize) -> Vec<TextRow> {
    let label = cpus.last().map_or(1, |cpu| columns_of(&safe(&cpu.cpu))).min(9);
    let room = width.saturating_sub(label + 2).max(1);
    // Groups of eight have a blank between them.
    let groups = ((room + 1) / (GROUP + 1)).max(1);
    let each = if room < GROUP { room } else { groups * GROUP };
    let mut rows = Vec::new();
    for some in cpus.chunks(each).take(height) {
        let first = some.first().map(|cpu| safe(&cpu.cpu)).unwrap_or_default();
        let mut line: Line = vec![span(format!(" {} ", right(&first, label)), Role::Dim)];
        for (at, cpu) in some.iter().enumerate() {
            if at > 0 && at.is_multiple_of(GROUP) {
                line.push(span(" ", Role::Dim));
            }
            match share(cpu) {
                Some(share) => {
                    let level = (share.clamp(0.0, 1.0) * 7.0).round() as usize;
                    line.push(span(LEVELS[level.min(7)].to_string(), role(share)));
                }
                None => line.push(span(fmt::NONE, Role::Gap)),
            }
        }
        rows.push(TextRow { left: line, ..TextRow::default() });
    }
    let hidden = cpus.len().saturating_sub(each * rows.len());
    if hidden > 0
        && let Some(last) = rows.last_mut()
    {
        last.right = vec![span(format!("+{hidden} "), Role::Dim)];
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Reading;

    fn cpus(count: usize) -> Vec<CpuRates> {
        let one = |at: usize| CpuRates {
            cpu: at.to_string().into(),
            used_ratio: Reading::Is(at as f64 / count as f64),
        };
        (0..count).map(one).collect()
    }

    fn text(row: &TextRow) -> String {
        row.left.iter().map(|span| span.text.as_str()).collect()
    }

    #[test]
    fn bars_go_down_and_then_across_and_stay_within_their_columns() {
        let rows = bars(&cpus(8), 2, 20);
        assert_eq!(rows.len(), 4);
        assert!(text(&rows[0]).contains(" 0 ") && text(&rows[0]).contains(" 4 "), "{:?}", rows[0]);
        assert!(rows.iter().all(|row| columns_of(&text(row)) <= 40));
    }

    #[test]
    fn many_cpus_have_a_block_each_and_none_goes_missing_unsaid() {
        for (count, width, height) in [(64, 50, 4), (64, 10, 3), (64, 3, 2), (1, 1, 1), (64, 90, 1)]
        {
            let rows = blocks(&cpus(count), width, height);
            let shown: usize = rows
                .iter()
                .map(|row| text(row).chars().filter(|glyph| LEVELS.contains(glyph)).count())
                .sum();
            let said: usize = rows
                .last()
                .and_then(|row| row.right.first())
                .map_or(0, |span| span.text.trim().trim_start_matches('+').parse().unwrap());
            assert_eq!(shown + said, count, "{width}x{height}");
        }
    }
}
