//! What each epoch of a loader took and cost.

use std::collections::{BTreeMap, VecDeque};

use super::tick::Tick;
use crate::model::sample::LoaderSample;
use crate::model::{LoaderId, Stamp};

/// Loaders of one trainer, and ended epochs of each, that are remembered.
const MAX_LOADERS: usize = 64;
const MAX_EPOCHS: usize = 16;
/// A trainer that is younger than this when its loader is found, at the begin of an epoch, is in its
/// first one.
const YOUNG_MS: i64 = 300_000;
/// The begin of an epoch, in batches, where the capacity is not known.
const FIRST_BATCHES: u64 = 10;

/// One epoch, as far as it was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Epoch {
    /// When it began, and how long it took until the next one, validation included.
    pub began_ms: i64,
    pub seconds: f64,
    /// Batches that the loop took of it, and seconds in which it waited for them.
    pub steps: f64,
    pub waited: f64,
    /// Seconds in which the loader was in use, and of those the ones of which I/O and CPU are known.
    pub moving: f64,
    pub io_known: f64,
    pub cpu_known: f64,
    /// Bytes that who loads read from storage, and with read calls.
    pub read: f64,
    pub chars: f64,
    /// CPU seconds of the workers.
    pub cpu: f64,
    /// Workers that were started from its begin to the next one's.
    pub starts: u64,
    /// Seconds from the last batch before it to its first one, in which the loop started workers and
    /// waited.
    pub gap: Option<f64>,
}

impl Epoch {
    /// Share of the bytes read that came from storage and not from the page cache. `None` where that
    /// cannot be told, as of files that are mapped: those reads are in no count of calls.
    pub(super) fn miss(&self) -> Option<f64> {
        let known = self.io_known >= KNOWN * self.moving && self.io_known > 0.0;
        (known && self.chars >= READ_CALLS * self.io_known)
            .then(|| (self.read / self.chars).min(1.0))
    }

    /// CPU seconds of the workers for each batch.
    pub(super) fn cpu_a_step(&self) -> Option<f64> {
        let known = self.cpu_known >= KNOWN * self.moving;
        (known && self.steps > 0.0).then(|| self.cpu / self.steps)
    }

    /// Seconds from batch to batch, validation and the like left out.
    pub(super) fn step(&self) -> Option<f64> {
        (self.steps > 0.0).then(|| self.moving / self.steps)
    }
}

/// Of an epoch this share must be known.
const KNOWN: f64 = 0.8;
/// Fewer bytes a second in read calls than this say nothing of the page cache.
pub(super) const READ_CALLS: f64 = 1e6;

/// The epochs of one loader.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    /// The epoch that runs.
    pub(super) current: Epoch,
    /// Epochs that were seen from begin to end, the last one last.
    pub(super) past: VecDeque<Epoch>,
    /// The very first epoch of the training, where it was seen from its begin.
    pub(super) first: Option<Epoch>,
    /// The one after it.
    pub(super) second: Option<Epoch>,
    /// Epochs that were seen to begin.
    pub(super) begun: u64,
    /// Whether the loader was found at the begin of the training.
    pub(super) from_start: bool,
    /// Whether the workers live on into the next epoch, where known.
    pub(super) persistent: Option<bool>,
    /// Batches of an epoch, and samples of a batch, where known.
    pub(super) batches: Option<u64>,
    pub(super) batch_size: Option<u64>,
    began_mono_ms: u64,
    epochs: Option<u64>,
    starts: Option<u64>,
    starts_at_begin: u64,
    /// Since the last batch: seconds of starting workers and waiting, and whether an epoch began.
    stretch: (f64, bool),
}

/// What the log is told of a tick.
pub(super) struct Moment<'a> {
    pub stamp: Stamp,
    pub row: &'a LoaderSample,
    pub tick: &'a Tick,
    /// Age of the trainer's process in milliseconds, where known.
    pub age_ms: Option<i64>,
}

/// The epochs of all loaders of a trainer.
#[derive(Clone, Debug, Default)]
pub(super) struct Epochs {
    loaders: BTreeMap<LoaderId, Log>,
}

impl Epochs {
    /// One more tick of the loader in use.
    pub(super) fn see(&mut self, moment: &Moment<'_>) {
        let loader = moment.row.loader;
        if self.loaders.len() >= MAX_LOADERS && !self.loaders.contains_key(&loader) {
            self.loaders.pop_first();
        }
        self.loaders.entry(loader).or_insert_with(|| Log::new(moment)).see(moment);
    }

    /// The epochs of a loader.
    pub(super) fn of(&self, loader: Option<LoaderId>) -> Option<&Log> {
        self.loaders.get(&loader?)
    }

    /// The epochs of all loaders.
    pub(super) fn all(&self) -> impl Iterator<Item = &Log> {
        self.loaders.values()
    }
}

impl Log {
    fn new(moment: &Moment<'_>) -> Self {
        let row = moment.row;
        let begin = row.capacity.ok().unwrap_or(FIRST_BATCHES).max(FIRST_BATCHES);
        let at_begin = row.position.ok().is_some_and(|position| position <= begin);
        let young = moment.age_ms.is_some_and(|age| age <= YOUNG_MS);
        Self {
            from_start: at_begin && young && row.epochs_total.ok().is_none_or(|epochs| epochs == 0),
            current: Epoch { began_ms: moment.stamp.unix_ms, ..Epoch::default() },
            began_mono_ms: moment.stamp.mono_ms,
            starts_at_begin: row.worker_starts_total.ok().unwrap_or_default(),
            ..Self::default()
        }
    }

    fn see(&mut self, moment: &Moment<'_>) {
        let (row, tick) = (moment.row, moment.tick);
        self.persistent = row.persistent.ok().or(self.persistent);
        self.batches = row.epoch_batches.ok().or(self.batches);
        self.batch_size = row.batch_size.ok().or(self.batch_size);
        self.starts = row.worker_starts_total.ok().or(self.starts);
        let epochs = row.epochs_total.ok();
        let more = self.epochs.zip(epochs).map_or(0, |(last, now)| now.saturating_sub(last));
        self.epochs = epochs.or(self.epochs);
        if more > 0 {
            self.turn(moment.stamp, more);
        }
        self.note_gap(tick, more > 0, row.position.ok() == Some(0));
        self.current.add(tick);
    }

    /// An epoch ended, and another one began. Where several did in one tick, none of them was seen.
    fn turn(&mut self, stamp: Stamp, more: u64) {
        let starts = self.starts.unwrap_or_default();
        let mut ended = self.current;
        ended.seconds = stamp.mono_ms.saturating_sub(self.began_mono_ms) as f64 / 1e3;
        ended.starts = starts.saturating_sub(self.starts_at_begin);
        let whole = more == 1 && (self.begun > 0 || self.from_start);
        if whole && self.begun == 0 {
            self.first = Some(ended);
        } else if whole && self.begun == 1 && self.first.is_some() {
            self.second = Some(ended);
        }
        if whole {
            self.past.push_back(ended);
        }
        if self.past.len() > MAX_EPOCHS {
            self.past.pop_front();
        }
        self.begun += more;
        self.current = Epoch { began_ms: stamp.unix_ms, ..Epoch::default() };
        (self.began_mono_ms, self.starts_at_begin) = (stamp.mono_ms, starts);
    }

    /// Adds to the time since the last batch, and closes it where a batch of a new epoch came.
    /// `at_begin`: none of this epoch was taken yet.
    fn note_gap(&mut self, tick: &Tick, begun: bool, at_begin: bool) {
        let span = f64::from(tick.span);
        let moved = tick.counts.steps.is_some_and(|steps| steps > 0.0);
        let share = |part| super::tick::share(part, tick.counts.main).unwrap_or_default();
        let starting = share(tick.counts.main_workers) * span;
        let waited = tick.counts.wait_share().unwrap_or_default() * span;
        let (seconds, boundary) = &mut self.stretch;
        *boundary |= begun;
        if !moved {
            // Where the stack cannot be read, the loop may be anywhere: only its wait counts.
            *seconds += (starting + waited).min(span);
        } else if begun && at_begin {
            // The batches of this tick were those of the epoch before.
            *seconds = starting;
        } else {
            if *boundary {
                self.current.gap = Some(*seconds + (starting + waited).min(span));
            }
            (*seconds, *boundary) = (0.0, false);
        }
    }
}

impl Epoch {
    fn add(&mut self, tick: &Tick) {
        let span = f64::from(tick.span);
        self.moving += span;
        self.steps += f64::from(tick.counts.steps.unwrap_or_default());
        self.waited += tick.counts.wait_share().unwrap_or_default() * span;
        if let Some((read, chars)) = tick.uses.read.zip(tick.uses.chars) {
            self.io_known += span;
            self.read += f64::from(read) * span;
            self.chars += f64::from(chars) * span;
        }
        if let Some(cores) = tick.uses.worker_cores {
            self.cpu_known += span;
            self.cpu += f64::from(cores) * span;
        }
    }
}
