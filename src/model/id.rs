//! Names of things that must not be mistaken for one another.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A process id in the namespace that mltop runs in.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Pid(pub u32);

/// The index that the vendor's library gives a GPU. Stable for one session; the UUID is the identity.
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
shown_as_a_number!(Pid, GpuId, RunId, LoaderId, ServerId);

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
