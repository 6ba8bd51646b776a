//! One trainer over time: which of its loaders moves, and a bounded window of ticks.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::epochs::{self, Epochs};
use super::evaluation::{Seen, Watch};
use super::facts::{Facts, Glance};
use super::gate::{CHECKPOINT_BYTES_PER_SECOND, Gates, Moment};
use super::need::preallocates;
use super::settings::{Settings, Timing};
use super::surroundings as around;
use super::tick::{Counts, Gate, Tick};
use super::used::{Ours, UseTick};
use crate::model::frame::DiskRates;
use crate::model::inventory::{LoaderInfo, Storage};
use crate::model::sample::LoaderSample;
use crate::model::{Bound, Frame, GpuId, LoaderId, Pid, RunId, Sample};

/// Ticks kept of one trainer: two minutes at 10 Hz.
const MAX_TICKS: usize = 1200;
/// Ticks older than this are of no use to any window.
const KEPT_SECONDS: f64 = 150.0;
/// States are sampled fast enough for the short window; 10 Hz with jitter.
const FAST_LOOKS_PER_SECOND: f64 = 8.0;
/// A window must hold so many steps of each worker: workers deliver in bursts.
const STEPS_A_WORKER: f64 = 5.0;
/// Workers with less idle time than this share are all at work.
const SPARE: f64 = 0.05;
/// A queue that is never below this share of its capacity is filled.
const FILLED: f32 = 0.5;
/// Workers that are older than this when they are first seen had been at work before.
const OLD_WORKER_MS: i64 = 60_000;
/// Fewer reads a second than this say nothing about the disk's speed.
const FLOOR_READS: f64 = 20.0;
/// Disks whose floor is remembered.
const MAX_DISKS: usize = 8;

/// A trainer and what is remembered of it.
#[derive(Clone)]
pub(super) struct Trainer {
    pub(super) pid: Pid,
    pub(super) run: RunId,
    /// The loader that moved last.
    pub(super) loader: Option<LoaderId>,
    /// Where its files are.
    pub(super) storage: Option<Storage>,
    /// The disk behind them, and whether it was only concluded from the reads.
    pub(super) disk: Option<(Box<str>, bool)>,
    pub(super) gpus: Vec<GpuId>,
    pub(super) read_limit: Option<f64>,
    /// Bytes of memory that the page cache may still take or has, below the tightest limit.
    pub(super) memory_room: Option<f64>,
    pub(super) write: Option<f64>,
    pub(super) workers: Option<u32>,
    pub(super) prefetch: Option<u64>,
    /// Whether a thread copies its batches to pinned memory, where known.
    pub(super) pinned: Option<bool>,
    /// Who takes memory ahead of its need: how much of it the job uses is not known then.
    pub(super) ahead: Option<&'static str>,
    /// The box has a GPU at all.
    pub(super) box_has_gpu: bool,
    pub(super) seen_ms: u64,
    pub(super) gates: Gates,
    /// Its loops, and which of them evaluate.
    pub(super) phases: Watch,
    /// What the epochs of its loaders took.
    pub(super) epochs: Epochs,
    ticks: VecDeque<Tick>,
    /// The sample before, for what its loaders counted.
    before: Option<Arc<Sample>>,
    floors: BTreeMap<Box<str>, f64>,
}

impl Trainer {
    pub(super) fn new(pid: Pid, run: RunId) -> Self {
        Self {
            pid,
            run,
            loader: None,
            storage: None,
            disk: None,
            gpus: Vec::new(),
            read_limit: None,
            memory_room: None,
            write: None,
            workers: None,
            prefetch: None,
            pinned: None,
            ahead: None,
            box_has_gpu: false,
            seen_ms: 0,
            gates: Gates::default(),
            phases: Watch::default(),
            epochs: Epochs::default(),
            ticks: VecDeque::new(),
            before: None,
            floors: BTreeMap::new(),
        }
    }

    /// Takes over what a frame says about this trainer.
    pub(super) fn observe(&mut self, frame: &Frame, settings: &Settings) {
        let sample = &frame.sample;
        let now_ms = sample.stamp.mono_ms;
        self.seen_ms = now_ms;
        let infos: Vec<&LoaderInfo> = sample
            .inventory
            .loaders
            .iter()
            .map(|info| &**info)
            .filter(|i| i.pid == self.pid)
            .collect();
        // Names change seldom, and to search them takes longer than all else here.
        let same_names = |before: &Arc<Sample>| Arc::ptr_eq(&before.inventory, &sample.inventory);
        if !self.before.as_ref().is_some_and(same_names) {
            self.ahead = preallocates(&sample.inventory, self.pid);
        }
        self.gpus = around::gpus_of(frame, self.pid, &infos);
        self.box_has_gpu = !sample.gpus.is_empty();
        self.read_limit = around::read_limit(frame, self.pid);
        self.memory_room = around::memory_room(frame, self.pid);
        self.write = around::writes(frame, self.pid);
        let rows: Vec<&LoaderSample> =
            sample.loaders.iter().filter(|row| row.pid == self.pid).collect();
        let added: Vec<(&LoaderSample, Counts)> = rows
            .iter()
            .filter_map(|row| Some((*row, Counts::between(self.row_before(row.loader)?, row))))
            .collect();
        if let Some(span) = frame.span_seconds.filter(|span| *span > 0.0)
            && let Some((row, counts)) = self.moving(&added)
        {
            let info = infos.iter().copied().find(|info| info.loader == row.loader);
            self.take(frame, span, row, counts, info, settings);
        }
        self.before = Some(Arc::clone(sample));
        let forget = (KEPT_SECONDS * 1e3) as u64;
        while self.ticks.len() > MAX_TICKS
            || self.ticks.front().is_some_and(|tick| tick.mono_ms + forget < now_ms)
        {
            self.ticks.pop_front();
        }
    }

    /// Its loaders in the sample before.
    fn rows_before(&self) -> impl DoubleEndedIterator<Item = &LoaderSample> {
        let rows = self.before.iter().flat_map(|sample| &sample.loaders);
        rows.filter(|row| row.pid == self.pid)
    }

    fn row_before(&self, loader: LoaderId) -> Option<&LoaderSample> {
        self.rows_before().rfind(|row| row.loader == loader)
    }

    /// The loader that the loop iterates now: of those that move, the one that it waits for most;
    /// where none moves, the one that moved last. The loop waits for one at a time, so the waits of
    /// the others are added to it.
    fn moving<'a>(
        &self,
        added: &[(&'a LoaderSample, Counts)],
    ) -> Option<(&'a LoaderSample, Counts)> {
        let weight =
            |counts: &Counts| counts.wait.unwrap_or_default() + counts.steps.unwrap_or_default();
        let most = added.iter().max_by(|a, b| weight(&a.1).total_cmp(&weight(&b.1)))?;
        let last = added.iter().find(|(row, _)| Some(row.loader) == self.loader);
        let (row, mut counts) = *last.filter(|_| weight(&most.1) == 0.0).unwrap_or(most);
        let others = added.iter().filter(|(other, _)| other.loader != row.loader);
        for (_, more) in others {
            if let Some(((wait, looks), share)) =
                counts.wait.zip(counts.looks).zip(more.wait_share())
            {
                counts.wait = Some((looks * share as f32 + wait).min(looks));
            }
        }
        Some((row, counts))
    }

    fn take(
        &mut self,
        frame: &Frame,
        span: f64,
        row: &LoaderSample,
        counts: Counts,
        info: Option<&LoaderInfo>,
        settings: &Settings,
    ) {
        let stamp = frame.sample.stamp;
        self.loader = Some(row.loader);
        self.storage = info.and_then(|info| info.storage.first().cloned());
        self.prefetch = row.prefetch_factor.ok();
        self.pinned = row.pinned.ok();
        let disk = around::disk_of(frame, self.storage.as_ref());
        self.note_disk(disk);
        let pids: &[Pid] = info.map_or(&[], |info| &info.workers);
        let ours = Ours::of(frame, self.pid, pids);
        let gpu = around::utilization(frame, &self.gpus);
        let loaders: Vec<LoaderId> = self.rows_before().map(|row| row.loader).collect();
        let power = around::power(frame, &self.gpus);
        let seen = Seen { stamp, span, row, info, counts: &counts, gpu, power, loaders: &loaders };
        let gate = self.gates.of(
            &Moment {
                now_ms: stamp.mono_ms,
                span,
                loader: row.loader,
                workers: pids,
                old_workers: !self.gates.has_begun() && old_workers(frame, pids),
                counts: &counts,
                gpu,
                write: self.write,
                evaluates: self.phases.evaluates(&seen),
                main_cores: ours
                    .cores()
                    .filter(|_| row.main_state.as_ref().ok().is_some_and(|at| &**at == "running")),
            },
            settings,
        );
        self.phases.take(&seen, gate);
        let counted = (!pids.is_empty()).then_some(pids.len() as u64);
        self.workers = row.workers.ok().or(counted).map(|count| count.min(4096) as u32);
        let capacity = row.capacity.ok().filter(|capacity| *capacity > 0);
        let ready = row.ready.ok().zip(capacity);
        let depth = counts.mean_depth().zip(capacity);
        let tick = Tick {
            mono_ms: stamp.mono_ms,
            unix_ms: stamp.unix_ms,
            span: span as f32,
            gate,
            counts,
            ready: ready.map(|(ready, capacity)| ready as f32 / capacity as f32),
            depth: depth.map(|(depth, capacity)| depth / capacity as f32),
            stash: row.stash.ok().map(|stash| stash > 0),
            wait_bound: row.wait_bound.ok().unwrap_or(Bound::Doubtful),
            gpu,
            cpu: around::cpu(frame, self.pid),
            read: ours.reads(),
            disk: disk.map(around::disk_tick).unwrap_or_default(),
            uses: UseTick::of(frame, &ours, disk, &self.gpus),
        };
        let age_ms = frame.sample.inventory.proc(self.pid).and_then(|info| info.start_ms);
        let age_ms = age_ms.map(|start_ms| stamp.unix_ms.saturating_sub(start_ms));
        self.epochs.see(&epochs::Moment { stamp, row, tick: &tick, age_ms });
        self.ticks.push_back(tick);
    }

    fn note_disk(&mut self, disk: Option<&DiskRates>) {
        let mounted = self.storage.as_ref().is_some_and(|storage| storage.disk.is_some());
        self.disk = disk.map(|disk| (disk.disk.clone(), !mounted));
        let Some(disk) = disk else { return };
        let enough = disk.reads_per_second.ok().is_some_and(|reads| reads >= FLOOR_READS);
        let Some(wait) = disk.read_await_seconds.ok().filter(|wait| enough && *wait > 0.0) else {
            return;
        };
        if self.floors.len() < MAX_DISKS || self.floors.contains_key(&disk.disk) {
            let floor = self.floors.entry(disk.disk.clone()).or_insert(wait);
            *floor = floor.min(wait);
        }
    }

    /// The least mean time of a read that was seen on the disk of its files.
    pub(super) fn disk_floor(&self) -> Option<f64> {
        self.floors.get(&self.disk.as_ref()?.0).copied()
    }

    /// The newest tick.
    pub(super) fn newest(&self) -> Option<&Tick> {
        self.ticks.back()
    }

    /// Whether it writes much and does nothing else.
    pub(super) fn writes_much(&self) -> bool {
        self.write.is_some_and(|write| write >= CHECKPOINT_BYTES_PER_SECOND)
    }

    /// The last so many seconds before `now_ms`, gates included.
    pub(super) fn recent(&self, now_ms: u64, seconds: f64) -> impl Iterator<Item = &Tick> {
        let from = now_ms.saturating_sub((seconds * 1e3) as u64);
        let start = self.ticks.partition_point(|tick| tick.mono_ms <= from);
        self.ticks.range(start..)
    }

    /// Sums the last so many seconds of plain training.
    pub(super) fn facts(&self, now_ms: u64, seconds: f64) -> Option<Facts> {
        Facts::of(self.recent(now_ms, seconds))
    }

    /// The little that tells whether more is worth summing.
    pub(super) fn glance(&self, now_ms: u64, seconds: f64) -> Option<Glance> {
        Glance::of(self.recent(now_ms, seconds))
    }

    /// The window that fits how often looks come and how fast steps are. With few steps in it, the
    /// short one does where the workers or the queue leave no doubt.
    pub(super) fn timing(&self, now_ms: u64, settings: &Settings) -> Timing {
        let wanted = STEPS_A_WORKER * f64::from(self.workers.unwrap_or(1).max(1));
        if let Some(glance) = self.glance(now_ms, settings.fast.window) {
            let often = glance.looks >= FAST_LOOKS_PER_SECOND * glance.covered;
            let clear =
                || self.saturated(now_ms, settings) || self.plenty(now_ms, &glance, settings);
            if often && (glance.steps >= wanted || clear()) {
                return settings.fast;
            }
        }
        let mut timing = settings.standard;
        let (mut steps, mut covered) = (0.0, 0.0);
        for tick in self.ticks.iter().rev().filter(|tick| tick.gate == Gate::Open) {
            steps += f64::from(tick.counts.steps.unwrap_or_default());
            covered = now_ms.saturating_sub(tick.mono_ms) as f64 / 1e3 + f64::from(tick.span);
            if steps >= wanted || covered >= settings.stretch {
                break;
            }
        }
        timing.window = covered.clamp(timing.window, settings.stretch.max(timing.window));
        timing
    }

    /// The workers had no time to spare over two short windows: what the loop waits for is all that
    /// they can do, and not one late batch while the others have nothing left to do.
    fn saturated(&self, now_ms: u64, settings: &Settings) -> bool {
        let seconds = 2.0 * settings.fast.window;
        let (mut idle, mut covered) = (0.0, 0.0);
        for tick in self.recent(now_ms, seconds).filter(|tick| tick.gate == Gate::Open) {
            let Some(share) = tick.counts.idle_share() else { return false };
            idle += share * f64::from(tick.span);
            covered += f64::from(tick.span);
        }
        covered >= settings.fast.window && idle < SPARE * covered
    }

    /// The queue is well filled and the loop does not wait.
    fn plenty(&self, now_ms: u64, glance: &Glance, settings: &Settings) -> bool {
        let ticks = self.recent(now_ms, settings.fast.window);
        let filled = ticks
            .filter(|tick| tick.gate == Gate::Open)
            .all(|tick| tick.depth.is_some_and(|depth| depth >= FILLED));
        filled && glance.blocked.is_some_and(|blocked| blocked < SPARE)
    }
}

fn old_workers(frame: &Frame, workers: &[Pid]) -> bool {
    let now_ms = frame.sample.stamp.unix_ms;
    let age = |pid: &Pid| {
        let info = frame.sample.inventory.proc(*pid)?;
        Some(now_ms.saturating_sub(info.start_ms?))
    };
    let youngest = workers.iter().filter_map(age).min();
    youngest.is_some_and(|age| age >= OLD_WORKER_MS)
}
