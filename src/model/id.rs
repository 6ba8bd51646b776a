//! Names of things that must not be mistaken for one another.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A process id in the namespace that mltop runs in.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Pid(pub u32);

/// The index that the vendor's library gives a GPU, or the number of a MIG instance. Stable for one
/// session; the UUID is the identity.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct GpuId(pub u32);

/// One training job on this box, numbered in the order of discovery.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct RunId(pub u32);

/// One `DataLoader` iterator of a trainer, numbered in the order of discovery and never used again.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct LoaderId(pub u32);

/// One model that one inference server serves, numbered in the order of discovery and never used
/// again.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ServerId(pub u32);

macro_rules! shown_as_a_number {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}
shown_as_a_number!(Pid, RunId, LoaderId, ServerId);

impl GpuId {
    /// Cards beyond have no number.
    pub const CARDS: u32 = 128;
    /// MIG instances of one card beyond have no number: no card has more than 14.
    pub const SLICES: u32 = 16;
    /// The first number that nothing has.
    pub const END: u32 = Self::CARDS + Self::CARDS * Self::SLICES;

    /// The MIG instance of a card with this index; `None` beyond what can be numbered.
    pub fn slice(self, index: u32) -> Option<Self> {
        let fits = self.0 < Self::CARDS && index < Self::SLICES;
        fits.then(|| Self(Self::CARDS + self.0 * Self::SLICES + index))
    }

    /// The card: itself, or the one that a MIG instance is part of.
    #[must_use]
    pub const fn card(self) -> Self {
        if self.0 < Self::CARDS || self.0 >= Self::END {
            return self;
        }
        Self((self.0 - Self::CARDS) / Self::SLICES)
    }

    /// The index of a MIG instance on its card; `None` for a whole card.
    pub const fn slice_index(self) -> Option<u32> {
        if self.0 < Self::CARDS || self.0 >= Self::END {
            return None;
        }
        Some((self.0 - Self::CARDS) % Self::SLICES)
    }
}

/// A card by its index; a MIG instance as `card:index`, as container runtimes name it.
impl fmt::Display for GpuId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.slice_index() {
            Some(index) => f.pad(&format!("{}:{index}", self.card().0)),
            None => self.0.fmt(f),
        }
    }
}

/// One moment on two clocks: the wall clock to show it, the monotonic clock to subtract it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Milliseconds since the Unix epoch. May jump.
    pub unix_ms: i64,
    /// Milliseconds of `CLOCK_BOOTTIME`. Never jumps back within one boot, and counts suspend.
    pub mono_ms: u64,
}

impl Stamp {
    /// Seconds from `earlier` to this stamp by the monotonic clock; 0 where it would run backwards.
    pub fn seconds_since(self, earlier: Self) -> f64 {
        self.mono_ms.saturating_sub(earlier.mono_ms) as f64 / 1e3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mig_instance_has_a_number_of_its_own_and_is_named_by_its_card() {
        let slice = GpuId(3).slice(2).unwrap();
        assert_eq!((slice.card(), slice.slice_index()), (GpuId(3), Some(2)));
        assert_eq!((slice.to_string(), format!("{slice:>5}")), ("3:2".into(), "  3:2".into()));
        assert_eq!((GpuId(3).card(), GpuId(3).slice_index()), (GpuId(3), None));
        assert_eq!(format!("{:>3}", GpuId(7)), "  7");
        assert_eq!(GpuId(127).slice(15).map(|id| id.0 + 1), Some(GpuId::END));
        assert_eq!((GpuId(128).slice(0), GpuId(0).slice(16)), (None, None));
    }
}
