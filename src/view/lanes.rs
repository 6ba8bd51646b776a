//! What the lanes need of the past. The history gives it; a test gives what it likes.

use crate::model::{GpuId, LoaderId};

use super::screen::Bucket;

/// One quantity on the time axis, in its natural unit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Quantity {
    /// Share of time with a kernel on the GPU, 0 to 1.
    GpuUtil(GpuId),
    /// Mean share of multiprocessors at work, 0 to 1.
    GpuSmActive(GpuId),
    /// Device memory in use, of all, 0 to 1.
    GpuMemory(GpuId),
    /// Power in watts.
    GpuPower(GpuId),
    /// Host to GPU, bytes per second.
    PcieRx(GpuId),
    /// GPU to host, bytes per second.
    PcieTx(GpuId),
    /// Bytes per second read from a device.
    DiskRead(Box<str>),
    /// Share of time with a request in flight, 0 to 1.
    DiskBusy(Box<str>),
    /// Batches ready in order, mean over a tick.
    LoaderReady(LoaderId),
    /// The fewest of a tick.
    LoaderReadyMin(LoaderId),
    /// The most of a tick.
    LoaderReadyMax(LoaderId),
    /// Share of looks that found the loop waiting, 0 to 1.
    LoaderWait(LoaderId),
    /// Share of looks that found no batch ready, 0 to 1.
    LoaderEmpty(LoaderId),
}

/// The past as the lanes ask for it. Times are milliseconds of the monotonic clock.
pub trait Plotted {
    /// `count` equal parts of `from_ms..to_ms`, oldest first, each with the range and mean of what
    /// fell into it, or `None` where nothing did.
    fn buckets(&self, of: &Quantity, from_ms: u64, to_ms: u64, count: usize)
    -> Vec<Option<Bucket>>;

    /// The same over several quantities: the least, the mean and the most of them.
    fn buckets_over(
        &self,
        of: &[Quantity],
        from_ms: u64,
        to_ms: u64,
        count: usize,
    ) -> Vec<Option<Bucket>>;

    /// The value at a moment, or `None` where there is none.
    fn value_at(&self, of: &Quantity, mono_ms: u64) -> Option<f32>;

    /// The oldest and the newest moment that is kept.
    fn span(&self) -> Option<(u64, u64)>;
}

/// No past at all: before the first sample.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPast;

impl Plotted for NoPast {
    fn buckets(&self, _: &Quantity, _: u64, _: u64, count: usize) -> Vec<Option<Bucket>> {
        vec![None; count]
    }

    fn buckets_over(&self, _: &[Quantity], _: u64, _: u64, count: usize) -> Vec<Option<Bucket>> {
        vec![None; count]
    }

    fn value_at(&self, _: &Quantity, _: u64) -> Option<f32> {
        None
    }

    fn span(&self) -> Option<(u64, u64)> {
        None
    }
}
