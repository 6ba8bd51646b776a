//! What a window of ticks says.

use super::tick::{Counts, Gate, Tick, share};
use super::used::{Used, Uses};
use crate::model::Bound;

/// A tick whose share of waiting is below this one belongs to no wait.
const WAITING_TICK: f64 = 0.05;
/// A tick that ends later than so many times its span after the one before it does not follow it.
const NEXT: f64 = 1.5;
/// Less of the window than this with a utilization, and the GPU's share of it is not known.
const GPU_COVER: f64 = 0.6;

/// Where workers spend their time; the shares sum to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct WorkerShares {
    pub run: f64,
    pub runq: f64,
    pub disk: f64,
    pub net: f64,
    pub idle: f64,
    pub other: f64,
}

/// A window, summed. Only ticks of plain training are in it.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// From the first to the last tick, in milliseconds since the Unix epoch.
    pub span: (i64, i64),
    /// Seconds of plain training with an answer.
    pub covered: f64,
    pub looks: f64,
    pub steps: f64,
    /// Share of time in which the loop waits.
    pub blocked: Option<f64>,
    /// Of the waiting, with a batch ready.
    pub delivery: Option<f64>,
    /// Share of time without a batch ready.
    pub empty: Option<f64>,
    /// Share of the workers without work while the loop waits.
    pub idle_waiting: Option<f64>,
    /// Over the ticks in which the loop waits.
    pub shares: Option<WorkerShares>,
    /// Over all ticks.
    pub all_shares: Option<WorkerShares>,
    /// Of the ticks in which the loop waits, those with batches finished out of order.
    pub stash: Option<f64>,
    /// Separate waits, and the seconds of the longest.
    pub waits: u32,
    pub longest_wait: f64,
    pub bound: Bound,
    pub gpu: Option<f64>,
    /// Used share of the tightest CPU limit, and cores left under it, while the loop waits.
    pub cpu: Option<(f64, f64)>,
    pub read: Option<f64>,
    pub disk_read: Option<f64>,
    pub disk_wait: Option<f64>,
    pub disk_queue: Option<f64>,
    pub disk_busy: Option<f64>,
    /// What the processes use while the loop waits.
    pub used: Used,
    /// Where the main thread is while the loop waits: on a CPU, at a disk, at a network. Shares of the
    /// waiting.
    pub main_waits: Option<[f64; 3]>,
    /// Of the looks at the main thread's stack those outside of the model, compiling, checkpoints and
    /// the start of workers; and those in logging.
    pub main_outside: Option<(f64, f64)>,
}

/// A mean weighted by time.
#[derive(Clone, Copy, Default)]
pub(super) struct Mean {
    sum: f64,
    weight: f64,
}

impl Mean {
    pub(super) fn add(&mut self, value: Option<f32>, weight: f64) {
        if let Some(value) = value {
            self.sum += f64::from(value) * weight;
            self.weight += weight;
        }
    }

    fn get(self) -> Option<f64> {
        self.over(0.0)
    }

    /// `None` where less than this was known.
    pub(super) fn over(self, weight: f64) -> Option<f64> {
        (self.weight > 0.0 && self.weight >= weight).then(|| self.sum / self.weight)
    }
}

/// The little that tells whether the rest of a window is worth a look.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Glance {
    pub covered: f64,
    pub looks: f64,
    pub steps: f64,
    pub blocked: Option<f64>,
}

impl Glance {
    /// Sums the ticks of plain training among these. `None` where there is none.
    pub(super) fn of<'a>(ticks: impl Iterator<Item = &'a Tick>) -> Option<Self> {
        let (mut covered, mut counts, mut any) = (0.0, Counts::default(), false);
        for tick in ticks.filter(|tick| tick.gate == Gate::Open) {
            any = true;
            covered += f64::from(tick.span);
            counts.add_waits(&tick.counts);
        }
        any.then(|| Self {
            covered,
            looks: f64::from(counts.looks.unwrap_or_default()),
            steps: f64::from(counts.steps.unwrap_or_default()),
            blocked: share(counts.wait, counts.looks),
        })
    }
}

/// Ticks, summed one by one: a window may hold hundreds of them, and each is large.
#[derive(Default)]
struct Sums {
    /// Begin of the first tick and end of the last, in milliseconds since the Unix epoch.
    span: Option<(i64, i64)>,
    bound: Option<Bound>,
    covered: f64,
    all: Counts,
    waiting: Counts,
    gpu: Mean,
    /// Used share of the CPU limit, and cores left under it.
    cpu: [Mean; 2],
    read: Mean,
    /// Bytes read, time of a read, queue, time busy.
    disk: [Mean; 4],
    used: Uses,
    /// Ticks with batches finished out of order, and ticks in which that is known.
    stash: (u32, u32),
    /// Separate waits, the seconds of the longest, and of the one that goes on.
    waits: u32,
    longest_wait: f64,
    wait: f64,
    last_ms: Option<u64>,
}

impl Sums {
    fn add(&mut self, tick: &Tick) {
        let span = f64::from(tick.span);
        let begin = tick.unix_ms - (span * 1e3) as i64;
        self.span = Some((self.span.map_or(begin, |span| span.0), tick.unix_ms));
        self.bound = Some(tick.wait_bound);
        self.covered += span;
        self.all.add(&tick.counts);
        self.gpu.add(tick.gpu, span);
        let waits = tick.counts.wait_share().is_some_and(|share| share >= WAITING_TICK);
        if !waits || !self.follows(tick) {
            self.wait = 0.0;
        }
        self.last_ms = Some(tick.mono_ms);
        if !waits {
            return;
        }
        if self.wait == 0.0 {
            self.waits += 1;
        }
        self.wait += span;
        self.longest_wait = self.longest_wait.max(self.wait);
        self.add_waiting(tick, span);
    }

    /// What lies on both sides of ticks that do not count is not one wait.
    fn follows(&self, tick: &Tick) -> bool {
        let next_ms = |last: u64| last + (NEXT * f64::from(tick.span) * 1e3) as u64;
        self.last_ms.is_none_or(|last| tick.mono_ms <= next_ms(last))
    }

    fn add_waiting(&mut self, tick: &Tick, span: f64) {
        self.waiting.add(&tick.counts);
        let [used, left] = &mut self.cpu;
        used.add(tick.cpu.map(|cpu| cpu.0), span);
        left.add(tick.cpu.map(|cpu| cpu.1), span);
        self.read.add(tick.read, span);
        let parts = [tick.disk.read, tick.disk.wait, tick.disk.queue, tick.disk.busy];
        for (mean, part) in self.disk.iter_mut().zip(parts) {
            mean.add(part, span);
        }
        self.used.add(tick);
        if let Some(stash) = tick.stash {
            self.stash = (self.stash.0 + u32::from(stash), self.stash.1 + 1);
        }
    }

    fn facts(&self) -> Option<Facts> {
        let (all, waiting) = (&self.all, &self.waiting);
        let [disk_read, disk_wait, disk_queue, disk_busy] = self.disk.map(Mean::get);
        Some(Facts {
            span: self.span?,
            covered: self.covered,
            looks: f64::from(all.looks.unwrap_or_default()),
            steps: f64::from(all.steps.unwrap_or_default()),
            blocked: share(all.wait, all.looks),
            delivery: share(waiting.delivery, waiting.wait),
            empty: share(all.empty, all.looks),
            idle_waiting: share(all.wait_idle, all.wait_worker),
            shares: worker_shares(waiting),
            all_shares: worker_shares(all),
            stash: (self.stash.1 > 0).then(|| f64::from(self.stash.0) / f64::from(self.stash.1)),
            waits: self.waits,
            longest_wait: self.longest_wait,
            bound: self.bound?,
            gpu: self.gpu.over(GPU_COVER * self.covered),
            cpu: self.cpu[0].get().zip(self.cpu[1].get()),
            read: self.read.get(),
            disk_read,
            disk_wait,
            disk_queue,
            disk_busy,
            used: self.used.means(),
            main_waits: main_waits(waiting),
            main_outside: main_outside(all),
        })
    }
}

impl Facts {
    /// Sums ticks, oldest first. `None` where none of them counts as training.
    pub(super) fn of<'a>(ticks: impl Iterator<Item = &'a Tick>) -> Option<Self> {
        Self::of_all(ticks.filter(|tick| tick.gate == Gate::Open))
    }

    /// Sums ticks whatever they count as, oldest first.
    pub(super) fn of_all<'a>(ticks: impl Iterator<Item = &'a Tick>) -> Option<Self> {
        let mut sums = Sums::default();
        ticks.for_each(|tick| sums.add(tick));
        sums.facts()
    }
}

fn main_waits(counts: &Counts) -> Option<[f64; 3]> {
    let share = |part| share(part, counts.main_wait);
    Some([share(counts.wait_run)?, share(counts.wait_disk)?, share(counts.wait_net)?])
}

fn main_outside(counts: &Counts) -> Option<(f64, f64)> {
    let share = |part| share(part, counts.main);
    let parts =
        [counts.main_model, counts.main_workers, counts.main_compile, counts.main_checkpoint];
    let inside: Option<f64> = parts.into_iter().map(share).sum();
    Some((1.0 - inside?.min(1.0), share(counts.main_logging)?))
}

fn worker_shares(counts: &Counts) -> Option<WorkerShares> {
    let [run, runq, disk, net, idle, other] =
        [counts.run?, counts.runq?, counts.disk?, counts.net?, counts.idle?, counts.other?]
            .map(f64::from);
    let whole = run + runq + disk + net + idle + other;
    (whole > 0.0).then(|| WorkerShares {
        run: run / whole,
        runq: runq / whole,
        disk: disk / whole,
        net: net / whole,
        idle: idle / whole,
        other: other / whole,
    })
}
