//! What stands where on the screen of the findings.

use crate::view::screen::Area;

/// From this many columns and rows on the audit stands beside the findings.
const BESIDE: (u16, u16) = (160, 30);
/// Columns of the findings in a hundred, where the audit stands beside them.
const LEFT: u32 = 58;
/// Below this many columns or rows there is one list of lines.
const LEAST: (u16, u16) = (72, 20);
/// The fewest rows of the list, heading included, and of the evidence.
const LIST_LEAST: u16 = 5;
const DETAIL_LEAST: u16 = 4;
/// The fewest rows of the lanes: two with their rules and plots of two rows, and the axis; and the most.
const LANES: std::ops::RangeInclusive<u16> = 7..=24;

/// The places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) header: Area,
    pub(super) summary: Area,
    pub(super) areas: Area,
    pub(super) changes: Area,
    pub(super) list: Area,
    pub(super) detail: Area,
    /// The lanes around the moment that is looked at, with their axis.
    pub(super) lanes: Area,
    pub(super) footer: Area,
}

/// How many rows each part would like to have at its width.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    pub(super) summary: u16,
    pub(super) areas: u16,
    pub(super) changes: u16,
    pub(super) list: u16,
    pub(super) detail: u16,
}

/// Columns of the findings, and of the audit: the same where it stands above them.
pub(super) const fn columns(width: u16, height: u16) -> (u16, u16) {
    if width >= BESIDE.0 && height >= BESIDE.1 {
        let left = (width as u32 * LEFT / 100) as u16;
        (left, width - left - 1)
    } else {
        (width, width)
    }
}

/// The places, or `None` where there is no room for parts.
///
/// ```text
///  header     mltop  box-7 · 4×H100 80GB                          ● LIVE 1s   14:02:31
///  summary   ▌3 findings in 42 min: 24 % of 2.8 GPU-h lost, 40 GPU-min, $1.67.
///  areas      Areas ──────────────────────────────────────────────────────────
///             F  ingestion      2 found   40 GPU-min  24 %  The loop waited …
///  changes    Worth most ─────────────────────────────────────────────────────
///             1  up to 40 GPU-min  Pack the 112 KiB files into shards …
///  list       Findings ───────────────────────────────────────────────────────
///             ● high  STARVED · DISK-BOUND  14:01:12  40 s  ──████──
///  detail     STARVED · DISK-BOUND  train.py waits for data 41 % of the time …
///  lanes     ┌ GPU util ────────────────────────────────────────────────── now 31% ┐
///  footer     Enter evidence   ↑↓ choose   x aside …
/// ```
pub(super) fn places(width: u16, height: u16, wanted: Wanted) -> Option<Places> {
    if width < LEAST.0 || height < LEAST.1 {
        return None;
    }
    let summary = wanted.summary.min(2);
    let row = |y: u16, height: u16| Area { x: 0, y, width, height };
    let (header, footer) = (row(0, 1), row(height - 1, 1));
    let body = height - 2 - summary;
    let top = 1 + summary;
    let (left, right) = columns(width, height);
    let summary = row(1, summary);
    if left < width {
        let (list, detail, lanes) = lower(body, wanted);
        let (areas, changes) = upper(body, wanted);
        let at = |x, y, width, height| Area { x, y, width, height };
        return Some(Places {
            header,
            summary,
            areas: at(left + 1, top, right, areas),
            changes: at(left + 1, top + areas, right, changes),
            list: at(0, top, left, list),
            detail: at(0, top + list, left, detail),
            lanes: at(0, top + list + detail, left, lanes),
            footer,
        });
    }
    let (areas, changes) = upper(body.saturating_sub(LIST_LEAST), wanted);
    let (list, detail, lanes) = lower(body - areas - changes, wanted);
    Some(Places {
        header,
        summary,
        areas: row(top, areas),
        changes: row(top + areas, changes),
        list: row(top + areas + changes, list),
        detail: row(top + areas + changes + list, detail),
        lanes: row(top + areas + changes + list + detail, lanes),
        footer,
    })
}

/// Rows of the areas and of the changes: the areas first.
fn upper(room: u16, wanted: Wanted) -> (u16, u16) {
    let areas = wanted.areas.min(room);
    (areas, wanted.changes.min(room - areas))
}

/// Rows of the list, of the evidence below it and of the lanes below that: the list gets what it wants
/// while the evidence has its rows, and half of the room at least; what is over is the lanes'.
fn lower(room: u16, wanted: Wanted) -> (u16, u16, u16) {
    let most = room.saturating_sub(wanted.detail).max(room / 2).max(LIST_LEAST).min(room);
    let list = wanted.list.clamp(LIST_LEAST.min(most), most);
    let rest = room - list;
    let over = rest.saturating_sub(wanted.detail);
    let lanes = if over < *LANES.start() { 0 } else { over.min(*LANES.end()) };
    let detail = rest - lanes;
    if wanted.detail == 0 || detail < DETAIL_LEAST {
        (room - lanes, 0, lanes)
    } else {
        (list, detail, lanes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_used_once_at_every_size() {
        for width in [72, 80, 120, 159, 160, 200] {
            for height in 20..120 {
                for (areas, changes, list, detail) in
                    [(6, 4, 3, 9), (6, 1, 2, 0), (16, 12, 300, 30), (6, 7, 8, 40)]
                {
                    let wanted = Wanted { summary: 1, areas, changes, list, detail };
                    let places = places(width, height, wanted).unwrap();
                    let Places { header, summary, areas, changes, list, detail, lanes, footer } =
                        places;
                    let stacked = [areas, changes, list, detail, lanes];
                    let of = |x: u16| stacked.iter().filter(move |area| area.x == x);
                    let mut columns: Vec<u16> = stacked.iter().map(|area| area.x).collect();
                    columns.dedup();
                    assert!(columns.len() <= 2);
                    assert_eq!((header.y, summary.y, footer.y), (0, 1, height - 1));
                    for x in columns {
                        let mut y = 2;
                        for area in of(x) {
                            assert_eq!(area.y, y, "{width}x{height} {wanted:?} {places:?}");
                            y += area.height;
                        }
                        assert!(y < height, "{width}x{height} {wanted:?} {places:?}");
                    }
                    assert_eq!(list.y + list.height + detail.height + lanes.height, height - 1);
                    assert!(list.height >= LIST_LEAST.min(height - 4));
                }
            }
        }
    }

    #[test]
    fn below_its_least_size_there_are_no_parts() {
        assert_eq!(places(71, 36, Wanted::default()), None);
        assert_eq!(places(120, 19, Wanted::default()), None);
    }
}
