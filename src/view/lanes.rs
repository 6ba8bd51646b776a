//! What the lanes need of the past. The history gives it; a test gives what it likes.

use crate::history::{Bucket, History, Track};

/// The past as the lanes ask for it. Times are milliseconds of the monotonic clock.
pub trait Plotted {
    /// `count` equal parts of `from_ms..to_ms`, oldest first, each with the range and mean of what
    /// fell into it, or `None` where nothing did.
    fn buckets(&self, of: &Track, from_ms: u64, to_ms: u64, count: usize) -> Vec<Option<Bucket>>;

    /// The same over several quantities: the least, the mean and the most of them.
    fn buckets_over(
        &self,
        of: &[Track],
        from_ms: u64,
        to_ms: u64,
        count: usize,
    ) -> Vec<Option<Bucket>>;

    /// The value at a moment, or `None` where there is none.
    fn value_at(&self, of: &Track, mono_ms: u64) -> Option<f32>;

    /// Each value within `from_ms..=to_ms`, oldest first; gaps are left out.
    fn values(&self, of: &Track, from_ms: u64, to_ms: u64) -> Vec<f32>;

    /// The oldest and the newest moment that is kept.
    fn span(&self) -> Option<(u64, u64)>;
}

impl Plotted for History {
    fn buckets(&self, of: &Track, from_ms: u64, to_ms: u64, count: usize) -> Vec<Option<Bucket>> {
        Self::buckets(self, of, from_ms, to_ms, count)
    }

    fn buckets_over(
        &self,
        of: &[Track],
        from_ms: u64,
        to_ms: u64,
        count: usize,
    ) -> Vec<Option<Bucket>> {
        Self::buckets_over(self, of, from_ms, to_ms, count)
    }

    fn value_at(&self, of: &Track, mono_ms: u64) -> Option<f32> {
        Self::value_at(self, of, mono_ms)
    }

    fn values(&self, of: &Track, from_ms: u64, to_ms: u64) -> Vec<f32> {
        Self::values(self, of, from_ms, to_ms)
    }

    fn span(&self) -> Option<(u64, u64)> {
        Self::span(self)
    }
}

/// No past at all: before the first sample.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPast;

impl Plotted for NoPast {
    fn buckets(&self, _: &Track, _: u64, _: u64, count: usize) -> Vec<Option<Bucket>> {
        vec![None; count]
    }

    fn buckets_over(&self, _: &[Track], _: u64, _: u64, count: usize) -> Vec<Option<Bucket>> {
        vec![None; count]
    }

    fn value_at(&self, _: &Track, _: u64) -> Option<f32> {
        None
    }

    fn values(&self, _: &Track, _: u64, _: u64) -> Vec<f32> {
        Vec::new()
    }

    fn span(&self) -> Option<(u64, u64)> {
        None
    }
}
