//! What stands where on the screen of the GPUs.

use crate::view::pair::{Pair, Pairs};
use crate::view::screen::Area;

/// Below this many columns there is no room for plots beside figures.
const NARROWEST: u16 = 72;
/// The fewest rows of a plot.
const PLOT_LEAST: u16 = 2;
/// The most rows that the plots beside the first get: what is over is the first one's.
const PLOT_MOST: u16 = 6;
/// The fewest rows of the words, and the most that they get at the cost of the plots.
const WORDS: (u16, u16) = (2, 10);

/// A lane of the chosen GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GpuLane {
    Util,
    Memory,
    Power,
    Pcie,
    Nvlink,
}

impl GpuLane {
    /// In the order of the screen.
    pub(super) const ALL: [Self; 5] =
        [Self::Util, Self::Memory, Self::Power, Self::Pcie, Self::Nvlink];

    /// The order in which lanes are given up where there is no room.
    const GIVEN_UP: [Self; 4] = [Self::Nvlink, Self::Power, Self::Pcie, Self::Memory];
}

/// The places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) header: Area,
    pub(super) verdict: Area,
    /// All GPUs: the map at the left, their figures at the right. Absent where there is one GPU.
    pub(super) all: Option<Pair>,
    pub(super) lanes: Vec<(GpuLane, Pair)>,
    pub(super) axis: Area,
    /// Beside the axis nothing stands.
    pub(super) words: Area,
    pub(super) footer: Area,
}

/// How many rows each part would like to have.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    pub(super) verdict: u16,
    /// GPUs and MIG instances.
    pub(super) gpus: u16,
    /// Whether the chosen one is a MIG instance, which has no power and no links of its own.
    pub(super) slice: bool,
    /// Whether the chosen GPU has NVLinks.
    pub(super) nvlink: bool,
    pub(super) words: u16,
}

/// Columns of the plots' boxes.
pub(super) const fn left_width(width: u16) -> u16 {
    (width as u32 * 50 / 100) as u16
}

/// The places, or `None` where there is no room for plots.
///
/// ```text
///  header     mltop  box-7 · 8×H100 80GB            ● LIVE 1s   mltop 0.6% 9 MiB   14:02:31
///  verdict   ▌STARVED · DISK-BOUND  train.py waits for data 41 % of the time …
///  all       ┌ GPUs ─── utilization, a row each ┐ GPU UTIL  SM  MEM  POWER  TEMP  PCIe   WHO
///            │0▒▒▓▓███▓▓▒▒                      │   0  61%  38%  39%  412 W  64°C 1.2G  rank 0
///  lanes     ├ GPU 0 util ──────────── now 61% ─┤ Activity
///            │▂▅▇▇▇▇▃▃                          │  SM active    ██████████           38%
///            ├ GPU mem ────────── 31.2 of 80 G ─┤ Processes
///            ├ Power ──────────── 412 of 700 W ─┤ Health
///            ├ PCIe ──────────────── 1.2 GB/s ──┤ Links
///  axis      └─60s──────────30s───────────now───┘
///  words      Health     Clocks are lowered to keep to the power limit …
///  footer     space pause   ←→ scrub   +- zoom   …
/// ```
pub(super) fn places(width: u16, height: u16, wanted: Wanted) -> Option<Places> {
    if width < NARROWEST {
        return None;
    }
    // Header, axis and footer have a row each, and so has the rule of the first lane.
    let fixed = 3 + wanted.verdict + WORDS.0;
    let rest = height.checked_sub(fixed + 1 + PLOT_LEAST)?;
    let several = wanted.gpus > 1 && rest >= 3;
    let all = if several {
        let most = (height / 3).max(4).min(rest - 1);
        Some(wanted.gpus.min(most))
    } else {
        None
    };
    let rest = rest + 1 + PLOT_LEAST - all.map_or(0, |rows| rows + 1);
    let mut lanes = GpuLane::ALL.to_vec();
    lanes.retain(|lane| match lane {
        GpuLane::Util | GpuLane::Memory => true,
        GpuLane::Power | GpuLane::Pcie => !wanted.slice,
        GpuLane::Nvlink => wanted.nvlink && !wanted.slice,
    });
    for lane in GpuLane::GIVEN_UP {
        if lanes.len() as u16 * (1 + PLOT_LEAST) > rest {
            lanes.retain(|other| *other != lane);
        }
    }
    let count = lanes.len() as u16;
    let mut spare = rest.checked_sub(count * (1 + PLOT_LEAST))?;
    let more = wanted.words.min(WORDS.1).saturating_sub(WORDS.0).min(spare / 2);
    spare -= more;
    let heights = heights(count, spare);

    let row = |y: u16, height: u16| Area { x: 0, y, width, height };
    let mut pairs = Pairs::new(width, left_width(width), 1 + wanted.verdict);
    let all = all.map(|rows| pairs.next(rows));
    let lanes =
        lanes.into_iter().zip(heights).map(|(lane, height)| (lane, pairs.next(height))).collect();
    let axis = pairs.axis();
    Some(Places {
        header: row(0, 1),
        verdict: row(1, wanted.verdict),
        all,
        lanes,
        axis,
        words: row(axis.y + 1, height - axis.y - 2),
        footer: row(height - 1, 1),
    })
}

/// Rows of each plot: what is spare is shared out, and what the others need not is the first one's.
fn heights(count: u16, spare: u16) -> Vec<u16> {
    let mut heights = vec![PLOT_LEAST; usize::from(count)];
    let mut left = spare;
    for at in (0..heights.len()).cycle().take(heights.len() * usize::from(PLOT_MOST)) {
        if left > 0 && heights[at] < PLOT_MOST {
            heights[at] += 1;
            left -= 1;
        }
    }
    if let Some(first) = heights.first_mut() {
        // Beyond that, the words have more use for it.
        *first += left.min(PLOT_MOST);
    }
    heights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_screen_is_used_once() {
        for height in 0..120 {
            for (verdict, gpus, nvlink, words) in
                [(1, 1, false, 6), (2, 8, true, 4), (5, 64, true, 20), (1, 0, false, 0)]
            {
                let wanted = Wanted { verdict, gpus, nvlink, words, slice: gpus == 8 };
                let Some(places) = places(120, height, wanted) else { continue };
                let mut y = 0;
                let pairs = places.all.iter().chain(places.lanes.iter().map(|(_, pair)| pair));
                let pairs = pairs.flat_map(|pair| [pair.rule, pair.plot]);
                let all = [places.header, places.verdict].into_iter().chain(pairs);
                for area in all.chain([places.axis, places.words, places.footer]) {
                    assert_eq!(area.y, y, "{height} {wanted:?}");
                    y += area.height;
                }
                assert_eq!(y, height);
                assert!(places.lanes.iter().all(|(_, pair)| pair.plot.height >= PLOT_LEAST));
                assert_eq!(places.lanes[0].0, GpuLane::Util);
                assert!(places.words.height >= WORDS.0);
            }
        }
    }

    #[test]
    fn eight_gpus_and_three_lanes_of_one_have_room_in_24_rows() {
        let wanted = Wanted { verdict: 1, gpus: 8, words: 4, ..Wanted::default() };
        let places = places(80, 24, wanted).unwrap();
        assert_eq!(places.all.unwrap().plot.height, 8);
        let lanes: Vec<GpuLane> = places.lanes.iter().map(|(lane, _)| *lane).collect();
        assert_eq!(lanes, [GpuLane::Util, GpuLane::Memory, GpuLane::Pcie]);
    }
}
