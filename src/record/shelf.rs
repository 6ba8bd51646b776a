//! Groups of ticks that are unpacked one by one, whatever holds them, as one run of ticks.

use std::ops::Range;
use std::sync::Arc;

use crate::derive;
use crate::model::{Sample, Stamp};

use super::container::entry::Entry;
use super::encode::GROUP_MS;
use super::group::{Groups, Pair};
use super::series::{Extent, Gather, Parts, Series};

/// Groups that are read tick by tick for an overview, so that a short session is not drawn in steps
/// of ten seconds.
const FINE_GROUPS: usize = 24;

/// What holds groups, in the order in which they were taken.
pub(super) trait Shelf {
    /// How many there are.
    fn len(&self) -> usize;
    /// The first and the last tick of a group, as far as is known without unpacking it.
    fn bounds(&self, index: usize) -> Option<(Stamp, Stamp)>;
    /// The ticks of a group that can be read.
    fn unpacked(&self, index: usize) -> Vec<Arc<Sample>>;
    /// The entry of a group in an index, where there is one.
    fn entry(&self, index: usize) -> Option<&Entry>;
}

impl Shelf for Groups {
    fn len(&self) -> usize {
        Self::len(self)
    }

    fn bounds(&self, index: usize) -> Option<(Stamp, Stamp)> {
        Self::bounds(self, index)
    }

    fn unpacked(&self, index: usize) -> Vec<Arc<Sample>> {
        Self::unpacked(self, index)
    }

    fn entry(&self, _index: usize) -> Option<&Entry> {
        None
    }
}

/// The first group whose first tick comes after a moment.
fn first_after(shelf: &impl Shelf, mono_ms: u64) -> usize {
    let (mut low, mut high) = (0, shelf.len());
    while low < high {
        let middle = low + (high - low) / 2;
        if shelf.bounds(middle).is_some_and(|(first, _)| first.mono_ms <= mono_ms) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// The last tick before the end of group `end` that `is_wanted`, and its group and place.
fn last_of(
    shelf: &impl Shelf,
    end: usize,
    is_wanted: impl Fn(&Sample) -> bool,
) -> Option<(usize, usize, Vec<Arc<Sample>>)> {
    (0..end).rev().find_map(|index| {
        let samples = shelf.unpacked(index);
        let at = samples.iter().rposition(|sample| is_wanted(sample))?;
        Some((index, at, samples))
    })
}

/// A tick with the one before it, which may lie in the group before.
fn pair(shelf: &impl Shelf, index: usize, at: usize, samples: &[Arc<Sample>]) -> Option<Pair> {
    let sample = Arc::clone(samples.get(at)?);
    let before = match at.checked_sub(1) {
        Some(before) => samples.get(before).cloned(),
        None => {
            last_of(shelf, index, |_| true).and_then(|(_, at, samples)| samples.get(at).cloned())
        }
    };
    Some((before, sample))
}

/// The last tick at or before a moment.
pub(super) fn at(shelf: &impl Shelf, mono_ms: u64) -> Option<Pair> {
    let end = first_after(shelf, mono_ms);
    let (index, at, samples) = last_of(shelf, end, |sample| sample.stamp.mono_ms <= mono_ms)?;
    pair(shelf, index, at, &samples)
}

/// The last tick before a moment.
pub(super) fn prev(shelf: &impl Shelf, mono_ms: u64) -> Option<Pair> {
    at(shelf, mono_ms.checked_sub(1)?)
}

/// The first tick after a moment.
pub(super) fn next(shelf: &impl Shelf, mono_ms: u64) -> Option<Pair> {
    let from = first_after(shelf, mono_ms).saturating_sub(1);
    (from..shelf.len()).find_map(|index| {
        let samples = shelf.unpacked(index);
        let at = samples.iter().position(|sample| sample.stamp.mono_ms > mono_ms)?;
        pair(shelf, index, at, &samples)
    })
}

/// The ticks of a span, both ends included, one group unpacked at a time.
pub(super) fn samples(
    shelf: &impl Shelf,
    from_ms: u64,
    to_ms: u64,
) -> impl Iterator<Item = Arc<Sample>> {
    let first = first_after(shelf, from_ms).saturating_sub(1);
    let groups = (first..shelf.len()).take_while(move |&index| {
        shelf.bounds(index).is_some_and(|(first, _)| first.mono_ms <= to_ms)
    });
    groups
        .flat_map(|index| shelf.unpacked(index))
        .filter(move |sample| (from_ms..=to_ms).contains(&sample.stamp.mono_ms))
}

/// The series over a span in `parts` equal parts: from the index where there is one and the span is
/// long, else by a look at every tick.
pub(super) fn overview(
    shelf: &impl Shelf,
    series: &[Series],
    from_ms: u64,
    to_ms: u64,
    parts: usize,
) -> Vec<Vec<Option<Extent>>> {
    let mut sums = vec![vec![Gather::default(); parts]; series.len()];
    if let Some(places) = Parts::new(from_ms, to_ms, parts) {
        let first = first_after(shelf, from_ms).saturating_sub(1);
        let groups = first..first_after(shelf, to_ms);
        if groups.len() > FINE_GROUPS && shelf.entry(first).is_some() {
            by_index(shelf, series, groups, &places, &mut sums);
        } else {
            by_ticks(shelf, series, (from_ms, to_ms), &places, &mut sums);
        }
    }
    sums.iter().map(|parts| parts.iter().map(Gather::extent).collect()).collect()
}

fn by_index(
    shelf: &impl Shelf,
    series: &[Series],
    groups: Range<usize>,
    places: &Parts,
    sums: &mut [Vec<Gather>],
) {
    for index in groups {
        let (Some(entry), Some((first, last))) = (shelf.entry(index), shelf.bounds(index)) else {
            continue;
        };
        let Some(parts) = places.parts_of(first.mono_ms, last.mono_ms) else { continue };
        for (series, sums) in series.iter().zip(&mut *sums) {
            let Some(extent) = entry.extent(*series) else { continue };
            for sum in sums.get_mut(parts.clone()).unwrap_or_default() {
                sum.merge(extent, u64::from(entry.ticks));
            }
        }
    }
}

fn by_ticks(
    shelf: &impl Shelf,
    series: &[Series],
    (from_ms, to_ms): (u64, u64),
    places: &Parts,
    sums: &mut [Vec<Gather>],
) {
    let mut before: Option<Arc<Sample>> = None;
    for sample in samples(shelf, from_ms, to_ms) {
        let Some(part) = places.part_of(sample.stamp.mono_ms) else { continue };
        // Where parts are closer than ticks, a tick stands for the time since the one that it follows,
        // unless the box slept meanwhile.
        let follows = before.as_ref().filter(|before| {
            before.seq.checked_add(1) == Some(sample.seq)
                && sample.stamp.mono_ms.saturating_sub(before.stamp.mono_ms) <= GROUP_MS
        });
        let since = follows.and_then(|before| places.part_of(before.stamp.mono_ms));
        let first = since.map_or(part, |since| (since + 1).min(part));
        let frame = derive::frame(before.as_deref(), Arc::clone(&sample));
        before = Some(sample);
        for (series, sums) in series.iter().zip(&mut *sums) {
            for sum in sums.get_mut(first..=part).unwrap_or_default() {
                series.read(&frame, |value| sum.add(value));
            }
        }
    }
}

/// The moment of the last tick at or before a moment of the wall clock; the first tick's before it.
/// Where the wall clock was set back, the tick that was taken later.
pub(super) fn mono_at(shelf: &impl Shelf, unix_ms: i64) -> u64 {
    let reached =
        |index: &usize| shelf.bounds(*index).is_some_and(|(first, _)| first.unix_ms <= unix_ms);
    let end = (0..shelf.len()).rev().find(reached).map_or(0, |index| index + 1);
    let found = last_of(shelf, end, |sample| sample.stamp.unix_ms <= unix_ms);
    let found = found.and_then(|(_, at, samples)| samples.get(at).map(|found| found.stamp.mono_ms));
    found.unwrap_or_else(|| shelf.bounds(0).map_or(0, |(first, _)| first.mono_ms))
}
