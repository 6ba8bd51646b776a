//! What stands where on the screen of the loaders.

use crate::view::pair::{Pair, Pairs};
use crate::view::screen::Area;

/// Below this many columns there is no room for plots beside figures.
const NARROWEST: u16 = 72;
/// The fewest rows of the depth's plot, the wait's plot and the words.
const LEAST: (u16, u16, u16) = (3, 2, 2);
/// The most rows of the wait's plot.
const WAIT_MOST: u16 = 7;
/// The most rows that words get at the cost of the plots.
const WORDS_MOST: u16 = 12;

/// The places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) header: Area,
    pub(super) verdict: Area,
    pub(super) list: Area,
    /// Each with its title rule and its body, and beside them the same of the figures.
    pub(super) depth: Pair,
    pub(super) wait: Pair,
    pub(super) workers: Pair,
    pub(super) axis: Area,
    pub(super) words: Area,
    pub(super) footer: Area,
}

/// How many rows each part would like to have.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    pub(super) verdict: u16,
    pub(super) list: u16,
    pub(super) workers: u16,
    pub(super) words: u16,
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
///  list       LOADER       KIND  QUEUE   BLOCKED  …              only where there are several
///  depth     ┌ Loader queue ─── 0 of 16 ready ┐ Depth                        share of 60 looks
///            │                                │  12–16
///            │▂▁▂▁▁▁                          │  0–2   ████████████████  74%
///  wait      ├ Blocked ───────────── now 53% ─┤ Pace               2.43 steps/s   412 ms a step
///            │                                │  workers can make  ████████
///  workers   ├ Workers ── R run  D disk  · idle ┤     PID  CPU%       READ  TASKS    BATCH
///            │▂▅▇▇▇▇▃▃                        │ 0 D  4711   61%   480 MB/s      2   812 ms
///  axis      └─60s──────────30s───────────now─┘
///  words      Enough     About 14 workers would be enough …
///  footer     space pause   ←→ scrub   +- zoom   …
/// ```
pub(super) fn places(width: u16, height: u16, wanted: Wanted) -> Option<Places> {
    if width < NARROWEST {
        return None;
    }
    let (depth_least, wait_least, words_least) = LEAST;
    let plots = depth_least + wait_least;
    // Header, three rules, axis and footer have a row each.
    let fixed = 6 + wanted.verdict;
    let rest = height.checked_sub(fixed + plots + words_least + 1)?;
    let list = wanted.list.min(rest / 3).min((height / 6).max(3));
    let list = if list < 2 { 0 } else { list };
    let rest = rest - list;
    let workers = 1 + (wanted.workers.max(1) - 1).min(rest);
    let rest = rest - (workers - 1);
    let words = words_least + wanted.words.min(WORDS_MOST).saturating_sub(words_least).min(rest);
    let rest = rest - (words - words_least);
    // Beside the wait stand a few figures; the queue gets what is over, up to two fifths of the screen.
    let wait = (wait_least + rest / 2).min(WAIT_MOST);
    let depth = (depth_least + rest - (wait - wait_least)).min(height * 2 / 5);
    let words = height - fixed - list - depth - wait - workers;

    let row = |y: u16, height: u16| Area { x: 0, y, width, height };
    let mut pairs = Pairs::new(width, left_width(width), 1 + wanted.verdict + list);
    let (depth, wait, workers) = (pairs.next(depth), pairs.next(wait), pairs.next(workers));
    let axis = pairs.axis();
    Some(Places {
        header: row(0, 1),
        verdict: row(1, wanted.verdict),
        list: row(1 + wanted.verdict, list),
        depth,
        wait,
        workers,
        axis,
        words: row(axis.y + 1, words),
        footer: row(height - 1, 1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_screen_is_used_once() {
        for height in 0..120 {
            for (verdict, list, workers, words) in
                [(1, 0, 8, 6), (2, 3, 0, 4), (5, 70, 64, 20), (1, 0, 1, 0)]
            {
                let wanted = Wanted { verdict, list, workers, words };
                let Some(places) = places(120, height, wanted) else { continue };
                let Places { header, verdict, list, depth, wait, workers, axis, words, footer } =
                    places;
                let mut y = 0;
                for area in [
                    header,
                    verdict,
                    list,
                    depth.rule,
                    depth.plot,
                    wait.rule,
                    wait.plot,
                    workers.rule,
                    workers.plot,
                    axis,
                    words,
                    footer,
                ] {
                    assert_eq!(area.y, y, "{height} {wanted:?}");
                    y += area.height;
                }
                assert_eq!(y, height);
                assert!(depth.plot.height >= 3 && wait.plot.height >= 2);
            }
        }
    }

    #[test]
    fn a_terminal_of_24_rows_has_room_for_plots_and_most_of_eight_workers() {
        let places = places(80, 24, Wanted { verdict: 1, list: 0, workers: 8, words: 6 }).unwrap();
        assert!(places.workers.plot.height >= 8, "{places:?}");
    }
}
