//! What stands where on the screen of the box.

use crate::view::pair::{Pair, Pairs};
use crate::view::screen::Area;

/// Below this many columns there is no room for plots beside figures.
const NARROWEST: u16 = 72;
/// The fewest rows of a plot.
const PLOT_LEAST: u16 = 2;
/// The most rows of all plots together.
const PLOTS_MOST: u16 = 20;
/// The fewest rows of the lists.
const LISTS_LEAST: u16 = 4;

/// A lane of the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HostLane {
    Cpu,
    Memory,
    Pressure,
}

impl HostLane {
    /// In the order of the screen; the last is given up first where there is no room.
    pub(super) const ALL: [Self; 3] = [Self::Cpu, Self::Memory, Self::Pressure];
}

/// The places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) header: Area,
    pub(super) verdict: Area,
    pub(super) lanes: Vec<(HostLane, Pair)>,
    pub(super) axis: Area,
    pub(super) lists: Area,
    pub(super) footer: Area,
}

/// Columns of the plots' boxes.
pub(super) const fn left_width(width: u16) -> u16 {
    (width as u32 * 54 / 100) as u16
}

/// The places, or `None` where there is no room for plots.
///
/// ```text
///  header     mltop  box-7 · 4×H100 80GB            ● LIVE 1s   mltop 0.6% 9 MiB   14:02:31
///  verdict   ▌STARVED · DISK-BOUND  train.py waits for data 41 % of the time …
///  CPU       ┌ CPU ────────── now 58%  load 12.1 ┐ CPUs                                16
///            │▂▂▃▃▃▅▅▅                           │  0 ████▎   58%   1 ██▏    31%  …
///  memory    ├ Memory ─────────── 31.2 of 64 GiB ┤ Memory
///            │▅▅▅▅▅▅▅▅                           │ page cache   ███████      21.0 GiB
///  pressure  ├ Pressure ──── cpu 2%  io 41%      ┤ Pressure            some       full
///            │                                   │ I/O                  41%        12%
///  axis      └─60s────────────30s────────────now─┘
///  lists      DISK       READ      WRITE   AWAIT  QUEUE  BUSY   MOUNTS
///             …
///  footer     space pause   ←→ scrub   +- zoom   …
/// ```
pub(super) fn places(width: u16, height: u16, verdict: u16) -> Option<Places> {
    if width < NARROWEST {
        return None;
    }
    // Header, axis and footer have a row each.
    let rest = height.checked_sub(3 + verdict)?;
    let mut lanes = HostLane::ALL.to_vec();
    while lanes.len() as u16 * (1 + PLOT_LEAST) + LISTS_LEAST > rest {
        lanes.pop()?;
    }
    if lanes.len() < 2 {
        return None;
    }
    let count = lanes.len() as u16;
    let rest = rest - count;
    let plots = (rest * 2 / 5).clamp(count * PLOT_LEAST, PLOTS_MOST).min(rest - LISTS_LEAST);
    // The CPUs have most to show beside their plot.
    let heights: Vec<u16> =
        (0..count).map(|at| plots / count + if at == 0 { plots % count } else { 0 }).collect();
    let row = |y: u16, height: u16| Area { x: 0, y, width, height };
    let mut pairs = Pairs::new(width, left_width(width), 1 + verdict);
    let lanes =
        lanes.into_iter().zip(heights).map(|(lane, height)| (lane, pairs.next(height))).collect();
    let axis = pairs.axis();
    Some(Places {
        header: row(0, 1),
        verdict: row(1, verdict),
        lanes,
        axis,
        lists: row(axis.y + 1, height - axis.y - 2),
        footer: row(height - 1, 1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_screen_is_used_once() {
        for height in 0..120 {
            for verdict in 1..6 {
                let Some(places) = places(120, height, verdict) else { continue };
                let mut y = 0;
                let plots = places.lanes.iter().flat_map(|(_, pair)| [pair.rule, pair.plot]);
                let all = [places.header, places.verdict].into_iter().chain(plots);
                for area in all.chain([places.axis, places.lists, places.footer]) {
                    assert_eq!(area.y, y, "{height} {verdict}");
                    y += area.height;
                }
                assert_eq!(y, height);
                assert!(places.lists.height >= LISTS_LEAST);
                assert!(places.lanes.iter().all(|(_, pair)| pair.plot.height >= PLOT_LEAST));
            }
        }
    }

    #[test]
    fn a_terminal_of_24_rows_has_three_plots_and_lists() {
        let places = places(80, 24, 1).unwrap();
        assert_eq!(places.lanes.len(), 3);
        assert!(places.lists.height >= 8, "{places:?}");
    }
}
