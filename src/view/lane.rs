//! What all lanes share: their plots, their shading and their gaps.

use crate::fmt;
use crate::model::{GpuId, Reading, Rule};

use super::focus::Look;
use super::screen::{Body, Bucket, Draw, Line, Plot, Role, Series, Shade, span};
use crate::history::Track;

/// Stands where there was no mltop yet to watch.
const BEFORE: &str = "not yet watched";

/// Stands where mltop watched already and had nothing of this lane to show.
const NOT_YET: &str = "nothing yet";

/// Columns after the first sample that a lane may take to begin: rates need two samples, and a loader
/// must first be found.
const LATE: usize = 5;

/// More stretches of nothing than this are not explained one by one.
const GAPS_MAX: usize = 16;

/// One lane: its title rule and what is plotted below it.
pub(super) struct Lane {
    /// Title: what it is.
    pub(super) title: Line,
    /// Title: the values at the moment that is shown.
    pub(super) values: Line,
    /// The plot.
    pub(super) body: Body,
}

/// The lanes, in the order in which they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LaneKind {
    GpuUtil,
    GpuMemory,
    Pcie,
    Disk,
    Queue,
    Blocked,
}

impl LaneKind {
    /// In the order of the screen.
    pub(super) const ALL: [Self; 6] =
        [Self::GpuUtil, Self::GpuMemory, Self::Pcie, Self::Disk, Self::Queue, Self::Blocked];

    /// The order in which lanes are given up where there is no room: the last stays longest.
    pub(super) const GIVEN_UP: [Self; 6] =
        [Self::Blocked, Self::GpuMemory, Self::Pcie, Self::Disk, Self::Queue, Self::GpuUtil];

    /// The lane.
    pub(super) fn build(self, look: &Look<'_>) -> Lane {
        match self {
            Self::GpuUtil => super::gpu_lanes::util(look),
            Self::GpuMemory => super::gpu_lanes::memory(look),
            Self::Pcie => super::pcie_lane::pcie(look),
            Self::Disk => super::disk_lane::disk(look),
            Self::Queue => super::loader_lanes::queue(look),
            Self::Blocked => super::loader_lanes::blocked(look),
        }
    }
}

impl Look<'_> {
    /// The points of a quantity over the window: two a column, whatever the past answers.
    pub(super) fn points(&self, of: &Track) -> Vec<Option<Bucket>> {
        let window = &self.window;
        tidy(self.past.buckets(of, window.from_ms, window.to_ms, window.points()), window.points())
    }

    /// The points of several quantities together.
    pub(super) fn points_over(&self, of: &[Track]) -> Vec<Option<Bucket>> {
        let window = &self.window;
        let points = window.points();
        if of.is_empty() {
            return vec![None; points];
        }
        tidy(self.past.buckets_over(of, window.from_ms, window.to_ms, points), points)
    }

    /// A plot of series whose bottom edge is 0, with what all lanes share: shading, gaps, cursor.
    /// `reason` is why there is no value now, for the blank at the right edge.
    pub(super) fn plot(&self, high: f64, series: Vec<Series>, reason: &str) -> Plot {
        let mut shades = self.shades();
        let gaps = self.gaps(&series, &mut shades, reason);
        Plot {
            low: 0.0,
            high: if high.is_finite() && high > 0.0 { high } else { 1.0 },
            labels: Vec::new(),
            series,
            limit: None,
            headroom: None,
            shades,
            gaps,
            cursor: self.window.cursor,
        }
    }

    /// The columns in which a run is found to starve.
    fn shades(&self) -> Vec<Shade> {
        let mut shades = vec![Shade::None; self.window.columns];
        let starved = self.state.known().iter().filter(|finding| {
            finding.rule == Rule::Starved
                && !self.state.is_aside(finding)
                && (finding.run.is_none() || self.run.is_none() || finding.run == self.run)
        });
        for finding in starved {
            let from = self.state.mono_ms(finding.start_ms);
            let to = finding
                .end_ms
                .map_or_else(|| self.state.known_until_ms(), |end| self.state.mono_ms(end));
            for column in self.window.columns_of(from, to) {
                if let Some(shade) = shades.get_mut(column) {
                    *shade = Shade::Starved;
                }
            }
        }
        shades
    }

    /// Marks the columns in which no series has a value, and says why.
    fn gaps(
        &self,
        series: &[Series],
        shades: &mut [Shade],
        reason: &str,
    ) -> Vec<(u16, u16, String)> {
        let columns = self.window.columns;
        let blank = |column: usize| {
            series.iter().all(|series| {
                let points = series.points.get(column * 2..column * 2 + 2);
                points.is_none_or(|points| points.iter().all(Option::is_none))
            })
        };
        let oldest = self.past.span().map(|(oldest, _)| oldest);
        let mut gaps = Vec::new();
        let mut column = 0;
        while column < columns {
            if !blank(column) {
                column += 1;
                continue;
            }
            let first = column;
            while column < columns && blank(column) {
                shades[column] = Shade::Gap;
                column += 1;
            }
            // The window ends after the newest sample by up to a tick, which is no loss of data.
            let length = column - first;
            let tail = column == columns;
            if gaps.len() == GAPS_MAX || (tail && length <= 2 && first > 0) {
                continue;
            }
            let start = oldest.and_then(|oldest| self.window.column(oldest)).map(usize::from);
            if let Some(start) = start.filter(|_| first == 0 && !tail) {
                // The same stretch in every lane, whenever the lane itself begins.
                gaps.push((0, start.min(length) as u16, BEFORE.to_owned()));
                if length > start + LATE {
                    gaps.push((start as u16, (length - start) as u16, NOT_YET.to_owned()));
                }
                continue;
            }
            let why = if tail { reason } else { "no data" };
            gaps.push((first as u16, length as u16, super::text::safe(why)));
        }
        gaps
    }

    /// What the values of the titles are of: `now` only where that is true.
    pub(super) fn moment_word(&self) -> &'static str {
        match (self.live(), self.present()) {
            (true, true) => "now ",
            (true, false) => "last ",
            (false, _) => "at cursor ",
        }
    }
}

/// What the past answered, with exactly `points` entries and finite numbers.
fn tidy(points: Vec<Option<Bucket>>, count: usize) -> Vec<Option<Bucket>> {
    let finite = |bucket: &Bucket| {
        bucket.min.is_finite() && bucket.mean.is_finite() && bucket.max.is_finite()
    };
    let mut points: Vec<Option<Bucket>> =
        points.into_iter().map(|point| point.filter(finite)).collect();
    points.resize(count, None);
    points
}

/// A series.
pub(super) const fn series(role: Role, draw: Draw, points: Vec<Option<Bucket>>) -> Series {
    Series { role, draw, points }
}

/// The mean of a series over the window; `None` without a point.
pub(super) fn mean(points: &[Option<Bucket>]) -> Option<f64> {
    let means: Vec<f64> = points.iter().flatten().map(|bucket| f64::from(bucket.mean)).collect();
    if means.is_empty() { None } else { Some(means.iter().sum::<f64>() / means.len() as f64) }
}

/// The largest value of a series; `None` without a point.
pub(super) fn most(points: &[Option<Bucket>]) -> Option<f64> {
    points.iter().flatten().map(|bucket| f64::from(bucket.max)).reduce(f64::max)
}

/// The mean of the readings that have a value, and how many that are of all.
pub(super) fn mean_of(readings: &[Reading<f64>]) -> (Option<f64>, usize) {
    let values: Vec<f64> = readings.iter().filter_map(|reading| reading.ok()).collect();
    if values.is_empty() {
        return (None, 0);
    }
    (Some(values.iter().sum::<f64>() / values.len() as f64), values.len())
}

/// Why none of several readings has a value, in words.
pub(super) fn why_none(readings: &[Reading<f64>]) -> &'static str {
    readings.iter().find_map(Reading::gap).map_or("no data", crate::model::Gap::words)
}

/// A label and a value for the right side of a title; the dash where there is none.
pub(super) fn value(line: &mut Line, label: &str, text: Option<String>, role: Role) {
    if !line.is_empty() {
        line.push(span("  ", Role::Dim));
    }
    if !label.is_empty() {
        line.push(span(label, Role::Dim));
    }
    match text {
        Some(text) => line.push(span(text, role)),
        None => line.push(span(fmt::NONE, Role::Gap)),
    }
}

/// Indices as ranges: `0-3,6`.
pub(super) fn gpu_list(gpus: &[GpuId]) -> String {
    let mut sorted: Vec<u32> = gpus.iter().map(|gpu| gpu.0).collect();
    sorted.sort_unstable();
    sorted.dedup();
    let mut parts: Vec<String> = Vec::new();
    let mut at = 0;
    while at < sorted.len() {
        let first = at;
        while at + 1 < sorted.len() && sorted[at + 1] == sorted[at].saturating_add(1) {
            at += 1;
        }
        parts.push(match at - first {
            0 => GpuId(sorted[first]).to_string(),
            1 => format!("{},{}", GpuId(sorted[first]), GpuId(sorted[at])),
            _ => format!("{}-{}", GpuId(sorted[first]), GpuId(sorted[at])),
        });
        at += 1;
    }
    super::text::cut(&parts.join(","), 24)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_gpus_are_told_as_a_range() {
        let list = |ids: &[u32]| gpu_list(&ids.iter().copied().map(GpuId).collect::<Vec<_>>());
        assert_eq!(list(&[0, 1, 2, 3]), "0-3");
        assert_eq!(list(&[3, 0, 5, 6]), "0,3,5,6");
        assert_eq!(list(&[u32::MAX]), "4294967295");
        assert_eq!(list(&[]), "");
    }
}
