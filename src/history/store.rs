//! The history of a session as far as it is plotted.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::axis::Axis;
use super::buckets::{Bucket, Parts, Sum};
use super::track::{Track, readings};
use super::values::Values;
use crate::model::{Frame, Gap, Reading};

/// Tracks held at most: a box with more devices than that keeps the first ones.
const MAX_TRACKS: usize = 2048;
/// Values held at most over all tracks (4 bytes each): more tracks than this allows at full length
/// are refused, so that a strange box cannot make the history grow without end.
const MAX_VALUES: usize = 8 << 20;

/// Rings of the plotted quantities over one axis of time.
pub struct History {
    points: usize,
    axis: Axis,
    tracks: BTreeMap<Track, Line>,
    latest: Option<Arc<Frame>>,
}

/// One track: its values end where the axis ends, and begin with the first there was.
#[derive(Default)]
struct Line {
    /// NaN stands for no value. A column that this box never fills takes no memory.
    values: Option<Values>,
    gap: Option<Gap>,
    /// Pushes since the last value: a track without any left is forgotten.
    silent: usize,
    fresh: bool,
}

impl History {
    /// A history of `points` moments for each track: 4096 is more than an hour at one a second.
    pub fn new(points: usize) -> Self {
        let points = points.clamp(2, 1 << 20);
        Self { points, axis: Axis::new(points), tracks: BTreeMap::new(), latest: None }
    }

    /// Adds a frame. One of the same moment as the newest is ignored; one from before it starts the
    /// history anew, as after a jump back in a session or a boot.
    pub fn push(&mut self, frame: &Arc<Frame>) {
        let at_ms = frame.sample.stamp.mono_ms;
        if !self.axis.push(at_ms) {
            if self.span().is_some_and(|(_, newest)| newest == at_ms) {
                return;
            }
            self.axis.clear();
            self.tracks.clear();
            self.axis.push(at_ms);
        }
        let (points, tracks) = (self.points, &mut self.tracks);
        readings(frame, &mut |track, reading| note(tracks, points, track, reading));
        self.tracks.retain(|_, line| {
            if !std::mem::take(&mut line.fresh) {
                line.add(points, Reading::Not(Gap::Lost));
            }
            line.silent < points
        });
        self.latest = Some(Arc::clone(frame));
    }

    /// The newest frame.
    pub fn latest(&self) -> Option<&Arc<Frame>> {
        self.latest.as_ref()
    }

    /// The oldest and the newest moment held, in milliseconds of the monotonic clock.
    pub fn span(&self) -> Option<(u64, u64)> {
        let newest = self.axis.get(self.axis.len().checked_sub(1)?)?;
        Some((self.axis.get(0)?.at_ms, newest.at_ms))
    }

    /// The usual spacing of moments, in milliseconds.
    pub fn tick_ms(&self) -> u64 {
        self.axis.tick_ms()
    }

    /// The tracks held, in order.
    pub fn tracks(&self) -> impl Iterator<Item = &Track> {
        self.tracks.keys()
    }

    /// Why the newest moment of a track has no value; `None` where it has one. A track that was
    /// never seen is [`Gap::NotYet`].
    pub fn gap_reason(&self, track: &Track) -> Option<Gap> {
        self.tracks.get(track).map_or(Some(Gap::NotYet), |line| line.gap)
    }

    /// The value of a track at a time of the monotonic clock; `None` in a gap.
    pub fn value_at(&self, track: &Track, mono_ms: u64) -> Option<f32> {
        self.value(self.tracks.get(track)?, self.axis.index_at(mono_ms)?)
    }

    /// Each value of a track within a span, oldest first; gaps are left out.
    pub fn values(&self, track: &Track, from_ms: u64, to_ms: u64) -> Vec<f32> {
        let Some(line) = self.tracks.get(track) else { return Vec::new() };
        (self.axis.first_from(from_ms)..self.axis.len())
            .take_while(|index| self.axis.get(*index).is_some_and(|at| at.at_ms <= to_ms))
            .filter_map(|index| self.value(line, index))
            .collect()
    }

    /// A track over a span in `n` equal parts, oldest first; times are of the monotonic clock.
    ///
    /// Where samples are closer than parts, a part holds what fell into it; where parts are closer
    /// than samples, each sample fills the time that it stands for. A gap stays a gap.
    pub fn buckets(
        &self,
        track: &Track,
        from_ms: u64,
        to_ms: u64,
        n: usize,
    ) -> Vec<Option<Bucket>> {
        self.buckets_over(std::slice::from_ref(track), from_ms, to_ms, n)
    }

    /// The same over several tracks at once: the least of any, the mean of all, the most of any.
    pub fn buckets_over(
        &self,
        tracks: &[Track],
        from_ms: u64,
        to_ms: u64,
        n: usize,
    ) -> Vec<Option<Bucket>> {
        let mut sums = vec![Sum::default(); n];
        let lines: Vec<&Line> = tracks.iter().filter_map(|track| self.tracks.get(track)).collect();
        let Some(parts) = Parts::new(from_ms, to_ms, n) else {
            return vec![None; n];
        };
        let mut index = self.axis.first_from(from_ms);
        while let Some(moment) = self.axis.get(index).filter(|moment| moment.at_ms <= to_ms) {
            if let Some(sum) = parts.part_of(moment.at_ms).and_then(|part| sums.get_mut(part)) {
                self.add_all(&lines, index, sum);
            }
            index += 1;
        }
        for (part, sum) in sums.iter_mut().enumerate().filter(|(_, sum)| sum.is_empty()) {
            if let Some(index) = self.axis.index_at(parts.middle(part)) {
                self.add_all(&lines, index, sum);
            }
        }
        sums.into_iter().map(Sum::bucket).collect()
    }

    fn add_all(&self, lines: &[&Line], index: usize, sum: &mut Sum) {
        for value in lines.iter().filter_map(|line| self.value(line, index)) {
            sum.add(value);
        }
    }

    fn value(&self, line: &Line, index: usize) -> Option<f32> {
        let values = line.values.as_ref()?;
        let missing = self.axis.len().checked_sub(values.len())?;
        let value = values.get(index.checked_sub(missing)?)?;
        value.is_finite().then_some(value)
    }
}

fn note(tracks: &mut BTreeMap<Track, Line>, points: usize, track: Track, reading: Reading<f64>) {
    let most = MAX_TRACKS.min(MAX_VALUES / points);
    // What is known of single workers must not keep out a device or a loader that comes later.
    let room = tracks.len() < if track.of_worker() { most / 2 } else { most };
    match tracks.entry(track) {
        Entry::Occupied(mut line) => line.get_mut().note(points, reading),
        Entry::Vacant(place) if room => place.insert(Line::default()).note(points, reading),
        Entry::Vacant(_) => {}
    }
}

impl Line {
    /// Two rows of the same name in one frame: the first stands.
    fn note(&mut self, points: usize, reading: Reading<f64>) {
        if !std::mem::replace(&mut self.fresh, true) {
            self.add(points, reading);
        }
    }

    fn add(&mut self, points: usize, reading: Reading<f64>) {
        let value = reading.ok().map(|value| value as f32).filter(|value| value.is_finite());
        self.gap = match value {
            Some(_) => None,
            None => Some(reading.gap().unwrap_or(Gap::Failed)),
        };
        self.silent = if value.is_some() { 0 } else { self.silent + 1 };
        if value.is_some() || self.values.is_some() {
            let values = self.values.get_or_insert_with(|| Values::new(points));
            values.push(value.unwrap_or(f32::NAN));
        }
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
