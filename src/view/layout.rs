//! What stands where.

use super::lane::LaneKind;
use super::screen::Area;

/// Below this many columns or rows there is room for one line.
pub(super) const LINE_BELOW: (u16, u16) = (40, 10);
/// Below this many columns plots are too narrow to be read: numbers take their place.
const NUMBERS_BELOW: u16 = 72;
/// From this many rows on all six lanes are shown, else the four that tell why a loop waits.
const SIX_LANES_FROM: u16 = 30;
/// A rule and two rows of plot.
const LANE_MIN: u16 = 3;

/// The places of the lanes screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) header: Area,
    pub(super) verdict: Area,
    /// Each lane with its title rule and its plot.
    pub(super) lanes: Vec<(LaneKind, Area, Area)>,
    pub(super) axis: Area,
    pub(super) table: Area,
    pub(super) footer: Area,
}

/// The layout, or `None` where there is no room for two lanes.
///
/// ```text
///  header     mltop  box-7 · 4×H100 80GB            ● LIVE 1s   mltop 0.6% 9 MiB   14:02:31
///  verdict   ▌STARVED · DISK-BOUND  train.py waits for data 41 % of the time …
///            ▌  about 1.7× faster if fed · …                                    [Enter] why
///  lane      ┌ GPU util ───────────────────────────────────────── now 31%  mean 58% ┐  rule
///            │100                                                                   │  plot
///  lane      ├ GPU mem ─────────────────────────────────── 31.2 GiB of 80 GiB  39% ─┤  rule
///            │                                                                      │  plot
///  …
///  axis      └─120s──────────90s──────────60s──────────30s──────────────────────now─┘
///  table      RUN / RANK   PID  GPU  UTIL  GPU MEM  CPU%  READ  QUEUE  BLOCKED  STEP  WORKERS
///            ▾train.py …
///  footer     space pause   ←→ scrub   +- zoom   …
/// ```
pub(super) fn layout(
    width: u16,
    height: u16,
    verdict_rows: u16,
    table_rows: u16,
    heat_rows: u16,
) -> Option<Layout> {
    if width < NUMBERS_BELOW {
        return None;
    }
    // Header, axis and footer have a row each; the table its heading and a row.
    let rest = height.checked_sub(3 + verdict_rows)?;
    let mut kinds: Vec<LaneKind> = LaneKind::ALL.to_vec();
    if height < SIX_LANES_FROM {
        kinds.retain(|kind| !matches!(kind, LaneKind::GpuMemory | LaneKind::Blocked));
    }
    for kind in LaneKind::GIVEN_UP {
        if kinds.len() as u16 * LANE_MIN + 2 > rest {
            kinds.retain(|other| *other != kind);
        }
    }
    let lanes = kinds.len() as u16;
    if lanes < 2 {
        return None;
    }
    let table = table_rows.clamp(2, (height / 3).max(2)).min(rest - lanes * LANE_MIN);
    let heights = plot_heights(&kinds, rest - table - lanes, heat_rows);

    let row = |y: u16, height: u16| Area { x: 0, y, width, height };
    let mut y = 1 + verdict_rows;
    let mut places = Vec::new();
    for (kind, height) in kinds.into_iter().zip(heights) {
        places.push((kind, row(y, 1), row(y + 1, height)));
        y += 1 + height;
    }
    Some(Layout {
        header: row(0, 1),
        verdict: row(1, verdict_rows),
        lanes: places,
        axis: row(y, 1),
        table: row(y + 1, table),
        footer: row(height - 1, 1),
    })
}

/// Shares rows out among the plots: what is left over goes to the GPUs and the queue first, and a
/// heat map of many GPUs takes what the others can spare.
fn plot_heights(kinds: &[LaneKind], rows: u16, heat_rows: u16) -> Vec<u16> {
    let lanes = kinds.len() as u16;
    let mut heights = vec![rows / lanes; kinds.len()];
    let mut left = rows % lanes;
    let first = [LaneKind::GpuUtil, LaneKind::Queue, LaneKind::Disk, LaneKind::Pcie];
    for kind in first.into_iter().chain([LaneKind::Blocked, LaneKind::GpuMemory]) {
        if let Some(at) = kinds.iter().position(|other| *other == kind)
            && left > 0
        {
            heights[at] += 1;
            left -= 1;
        }
    }
    if let Some(gpu) = kinds.iter().position(|kind| *kind == LaneKind::GpuUtil) {
        for at in (0..heights.len()).rev().cycle().take(heights.len() * usize::from(rows)) {
            if at != gpu && heights[at] > LANE_MIN - 1 && heights[gpu] < heat_rows {
                heights[at] -= 1;
                heights[gpu] += 1;
            }
        }
    }
    heights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_screen_is_used_once() {
        for height in 0..100 {
            for verdict in 1..6 {
                for (table, heat) in [(0, 0), (2, 16), (40, 3)] {
                    let Some(layout) = layout(120, height, verdict, table, heat) else { continue };
                    let mut y = 0;
                    let lanes = layout.lanes.iter().flat_map(|(_, rule, plot)| [*rule, *plot]);
                    let all = [layout.header, layout.verdict].into_iter().chain(lanes);
                    for area in all.chain([layout.axis, layout.table, layout.footer]) {
                        assert_eq!(area.y, y, "{height} {verdict} {table}");
                        y += area.height;
                    }
                    assert_eq!(y, height);
                }
            }
        }
    }

    #[test]
    fn a_terminal_of_24_rows_has_the_four_lanes_that_tell_why() {
        let layout = layout(80, 24, 1, 2, 0).unwrap();
        let kinds: Vec<LaneKind> = layout.lanes.iter().map(|(kind, _, _)| *kind).collect();
        assert_eq!(kinds, [LaneKind::GpuUtil, LaneKind::Pcie, LaneKind::Disk, LaneKind::Queue]);
    }

    #[test]
    fn a_heat_map_takes_the_rows_that_its_gpus_need() {
        let layout = layout(120, 50, 2, 4, 16).unwrap();
        assert_eq!(layout.lanes[0].2.height, 16);
        assert!(layout.lanes.iter().all(|(_, _, plot)| plot.height >= 2));
    }
}
