//! The page that the probe of `mltop run` publishes for each trainer (`src/probe`): its own counts and
//! its own clock, read while it is written.
//!
//! Whoever may write the page may have written anything: every figure is held against what is
//! possible, and what is not is left out.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use crate::model::Pid;
use crate::model::text::clean;
use crate::source::beside;

/// Bytes of a page.
pub const BYTES: usize = 8192;
/// Loaders that a page has room for.
pub const SLOTS: usize = 15;
const SLOT: usize = 512;
const NAME_AT: usize = 128;
const NAME: usize = 128;
const PIDS_AT: usize = 256;
const MAGIC: &[u8; 8] = b"mltopdl1";
/// Reads of a page before a slot that changes each time is given up for this look.
const TRIES: usize = 8;
/// More of anything than a loader can have: such a figure is nonsense.
const MOST: u64 = 1 << 32;

/// A page at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The process that writes it.
    pub pid: Pid,
    /// Its start in clock ticks since boot: with the pid, its identity.
    pub start_ticks: u64,
    /// Iterators that found no room on it.
    pub left_out: u64,
    /// Its loaders.
    pub slots: Vec<Slot>,
    /// Loaders that were being written at each try.
    pub unsettled: usize,
}

/// One loader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// Its number within the process, from 1.
    pub loader: u64,
    /// Iterators that it has had, with persistent workers the epochs begun.
    pub iterators: u64,
    /// When the loop went into `__next__`, by the monotonic clock; `None` while it is outside.
    pub entered: Option<Duration>,
    /// When it came out last.
    pub left: Duration,
    /// Batches that the loop has taken.
    pub batches: u64,
    /// Time in `__next__`, that of a call that lasts not included.
    pub waited: Duration,
    /// Finished batches when the loop left last, those before their turn included.
    pub ready: Option<u64>,
    /// Of these, those that came before their turn.
    pub stash: Option<u64>,
    /// Of these, batches taken before this iterator began.
    pub batches_before: u64,
    /// `num_workers`.
    pub workers: u64,
    /// `prefetch_factor`; 0 without workers.
    pub prefetch_factor: u64,
    /// Samples in a batch, where the sampler tells.
    pub batch_size: Option<u64>,
    /// Whether a thread copies batches to pinned memory.
    pub pinned: bool,
    /// Whether the workers outlive the epoch.
    pub persistent: bool,
    /// Whether the iterator has no more batches.
    pub ended: bool,
    /// The workers as the trainer numbers them, the first 64.
    pub pids: Vec<Pid>,
    /// The thread that iterates.
    pub thread: Option<u32>,
    /// Class of the dataset.
    pub dataset: Box<str>,
}

impl Slot {
    /// `num_workers × prefetch_factor`.
    pub fn capacity(&self) -> u64 {
        self.workers.saturating_mul(self.prefetch_factor)
    }

    /// Time in `__next__` up to `now`, a wait that lasts included.
    pub fn waited_by(&self, now: Duration) -> Duration {
        let lasting = self.entered.map_or(Duration::ZERO, |entered| now.saturating_sub(entered));
        self.waited.saturating_add(lasting)
    }
}

/// The process whose page has this name.
pub fn pid_of(name: &str) -> Option<Pid> {
    let digits = name.strip_suffix(".loaders")?;
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| plain).map(Pid)
}

/// The start of the process that made a page, if that is one.
pub fn start_of(folder: &Path, pid: Pid, uid: u32) -> Option<u64> {
    let file = beside::open_private(folder, &format!("{pid}.loaders"), uid).ok()?;
    let page = read(|bytes| file.read_exact_at(bytes, 0)).ok()?;
    (page.pid == pid).then_some(page.start_ticks)
}

/// Reads a page through `copy`, which fills the bytes with what stands there now.
///
/// A slot counts as read when two copies in a row are the same and neither is half written. That
/// needs no order between the writer's stores, nor within a copy.
pub fn read(mut copy: impl FnMut(&mut [u8; BYTES]) -> io::Result<()>) -> io::Result<Page> {
    let mut before = [0; BYTES];
    copy(&mut before)?;
    let mut page = head(&before).ok_or(io::ErrorKind::InvalidData)?;
    let used = usize::try_from(word(&before, 24)).unwrap_or(SLOTS).min(SLOTS);
    let mut left: Vec<usize> = (0..used).collect();
    for _ in 0..TRIES {
        if left.is_empty() {
            break;
        }
        let mut now = [0; BYTES];
        copy(&mut now)?;
        left.retain(|&n| {
            let at = SLOT * (n + 1);
            let whole = word(&now, at).is_multiple_of(2);
            let settled = whole && before[at..at + SLOT] == now[at..at + SLOT];
            if settled {
                page.slots.extend(slot(&now[at..at + SLOT]));
            }
            !settled
        });
        before = now;
    }
    page.slots.sort_by_key(|slot| slot.loader);
    page.unsettled = left.len();
    Ok(page)
}

fn head(bytes: &[u8; BYTES]) -> Option<Page> {
    let pid = u32::try_from(word(bytes, 8)).ok().filter(|&pid| pid > 0)?;
    bytes.starts_with(MAGIC).then(|| Page {
        pid: Pid(pid),
        start_ticks: word(bytes, 16),
        left_out: word(bytes, 32),
        ..Page::default()
    })
}

/// A slot's figures; `None` where it was never taken, or cannot be what it says.
fn slot(bytes: &[u8]) -> Option<Slot> {
    let at = |n: usize| word(bytes, n * 8);
    let count = |n: usize| Some(at(n)).filter(|&value| value < MOST);
    let known = |n: usize| count(n).filter(|&value| value > 0);
    let time = |n: usize| Duration::from_nanos(at(n));
    let (workers, prefetch_factor, batches) = (count(10)?, count(11)?, count(3)?);
    let capacity = workers.saturating_mul(prefetch_factor);
    let queued = |n: usize| count(n).filter(|&value| value <= capacity);
    let ready = queued(5);
    let name = bytes.get(NAME_AT..NAME_AT + at(15).min(NAME as u64) as usize)?;
    let (pids, _) = bytes.get(PIDS_AT..)?.as_chunks::<4>();
    let pids = pids.iter().map(|&pid| u32::from_ne_bytes(pid));
    Some(Slot {
        loader: known(7)?,
        iterators: known(8)?,
        entered: Some(time(1)).filter(|time| !time.is_zero()),
        left: time(2),
        batches,
        batches_before: at(9).min(batches),
        waited: time(4),
        ready,
        stash: queued(6).filter(|&stash| ready.is_some_and(|ready| stash <= ready)),
        workers,
        prefetch_factor,
        batch_size: known(12),
        pinned: at(13) & 1 != 0,
        persistent: at(13) & 2 != 0,
        ended: at(13) & 4 != 0,
        pids: pids.take_while(|&pid| pid > 0).map(Pid).collect(),
        thread: known(14).and_then(|thread| u32::try_from(thread).ok()),
        dataset: clean(name, 64),
    })
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let word = bytes.get(at..at + 8).and_then(|word| word.try_into().ok());
    u64::from_ne_bytes(word.unwrap_or_default())
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
