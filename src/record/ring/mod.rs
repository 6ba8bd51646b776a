//! The flight ring: the last days in a folder of files that never takes more than its cap.
//!
//! ```text
//! flight/00000041-20261122T150000Z-1a2b3c4d.mltop.jsonl.zst   the oldest segment
//! flight/00000042-20261122T160000Z-1a2b3c4d.mltop.jsonl.zst   the one that is written
//! flight/pinned/…                                             what was around incidents
//! flight/lock                                                 held by the one that writes
//! ```
//!
//! Names sort by their number: the wall clock may jump. Each file is a session of its own.

mod folder;
mod keep;
mod timeline;

use std::time::Duration;

pub use folder::{Folder, Segment};
pub use keep::Flight;
pub(super) use timeline::Timeline;

/// How large and how old a ring may become.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes on disk, pinned incidents included.
    pub max_bytes: u64,
    /// The age at which a segment goes.
    pub max_age: Duration,
    /// The free space that is left on the disk, in bytes; `None` for the smaller of 1 GiB and 5 %.
    pub min_free: Option<u64>,
}

impl Limits {
    /// The most bytes of one segment: so small that the ring always holds at least six.
    pub(super) const fn segment_bytes(&self) -> u64 {
        self.max_bytes / 8
    }

    /// The most bytes of all pinned incidents.
    pub(super) const fn pinned_bytes(&self) -> u64 {
        self.max_bytes / 4
    }
}
