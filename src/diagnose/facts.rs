//! What a window of ticks says.

use super::tick::{Counts, Gate, Tick, share};
use super::used::Used;
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
struct Mean {
    sum: f64,
    weight: f64,
}

impl Mean {
    fn add(&mut self, value: Option<f32>, weight: f64) {
        if let Some(value) = value {
            self.sum += f64::from(value) * weight;
            self.weight += weight;
        }
    }

    fn get(self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }
}

impl Facts {
    /// Sums ticks, oldest first. `None` where none of them counts as training.
    pub(super) fn of<'a>(ticks: impl Iterator<Item = &'a Tick>) -> Option<Self> {
        Self::of_all(ticks.filter(|tick| tick.gate == Gate::Open))
    }

    /// Sums ticks whatever they count as, oldest first.
    pub(super) fn of_all<'a>(ticks: impl Iterator<Item = &'a Tick>) -> Option<Self> {
        let ticks: Vec<&Tick> = ticks.collect();
        let (first, last) = (ticks.first()?, ticks.last()?);
        let waiting: Vec<&Tick> = ticks.iter().copied().filter(|tick| waits(tick)).collect();
        let all = total(&ticks);
        let of_waiting = total(&waiting);
        let covered = ticks.iter().map(|tick| f64::from(tick.span)).sum();
        let (waits, longest_wait) = stretches(&ticks);
        let gpu_known: f64 =
            ticks.iter().filter(|tick| tick.gpu.is_some()).map(|tick| f64::from(tick.span)).sum();
        let gpu = mean(&ticks, |tick| tick.gpu).filter(|_| gpu_known >= GPU_COVER * covered);
        let stash = waiting.iter().filter_map(|tick| tick.stash);
        let stash = (stash.clone().filter(|some| *some).count(), stash.count());
        Some(Self {
            span: (first.unix_ms - (f64::from(first.span) * 1e3) as i64, last.unix_ms),
            covered,
            looks: f64::from(all.looks.unwrap_or_default()),
            steps: f64::from(all.steps.unwrap_or_default()),
            blocked: share(all.wait, all.looks),
            delivery: share(of_waiting.delivery, of_waiting.wait),
            empty: share(all.empty, all.looks),
            idle_waiting: share(all.wait_idle, all.wait_worker),
            shares: worker_shares(&of_waiting),
            all_shares: worker_shares(&all),
            stash: (stash.1 > 0).then(|| stash.0 as f64 / stash.1 as f64),
            waits,
            longest_wait,
            bound: last.wait_bound,
            gpu,
            cpu: mean(&waiting, |tick| tick.cpu.map(|cpu| cpu.0))
                .zip(mean(&waiting, |tick| tick.cpu.map(|cpu| cpu.1))),
            read: mean(&waiting, |tick| tick.read),
            disk_read: mean(&waiting, |tick| tick.disk.read),
            disk_wait: mean(&waiting, |tick| tick.disk.wait),
            disk_queue: mean(&waiting, |tick| tick.disk.queue),
            disk_busy: mean(&waiting, |tick| tick.disk.busy),
            used: Used::of(&waiting),
            main_waits: main_waits(&of_waiting),
            main_outside: main_outside(&all),
        })
    }
}

fn waits(tick: &Tick) -> bool {
    tick.counts.wait_share().is_some_and(|share| share >= WAITING_TICK)
}

fn mean(ticks: &[&Tick], value: impl Fn(&Tick) -> Option<f32>) -> Option<f64> {
    let mut mean = Mean::default();
    for tick in ticks {
        mean.add(value(tick), f64::from(tick.span));
    }
    mean.get()
}

/// How many separate waits there are, and the seconds of the longest. What lies on both sides of ticks
/// that do not count is not one wait.
fn stretches(ticks: &[&Tick]) -> (u32, f64) {
    let (mut count, mut longest, mut current) = (0, 0.0_f64, 0.0);
    let mut last_ms = None;
    for tick in ticks {
        let next_ms = |last: u64| last + (NEXT * f64::from(tick.span) * 1e3) as u64;
        let follows = last_ms.is_none_or(|last| tick.mono_ms <= next_ms(last));
        last_ms = Some(tick.mono_ms);
        if !follows || !waits(tick) {
            current = 0.0;
        }
        if !waits(tick) {
            continue;
        }
        if current == 0.0 {
            count += 1;
        }
        current += f64::from(tick.span);
        longest = longest.max(current);
    }
    (count, longest)
}

/// Sums counts. A count is summed with those that it is held against, or not at all.
fn total(ticks: &[&Tick]) -> Counts {
    let sum = |parts: &[fn(&Counts) -> Option<f32>], which: usize| -> Option<f32> {
        let mut sum = None;
        for counts in ticks.iter().map(|tick| &tick.counts) {
            if parts.iter().all(|part| part(counts).is_some()) {
                let value = parts.get(which).and_then(|part| part(counts));
                *sum.get_or_insert(0.0) += value.unwrap_or_default();
            }
        }
        sum
    };
    let states: &[fn(&Counts) -> Option<f32>] =
        &[|c| c.run, |c| c.runq, |c| c.disk, |c| c.net, |c| c.idle, |c| c.other];
    let main_wait: &[fn(&Counts) -> Option<f32>] =
        &[|c| c.wait_run, |c| c.wait_disk, |c| c.wait_net, |c| c.main_wait];
    Counts {
        looks: sum(&[|c| c.looks, |c| c.wait], 0),
        wait: sum(&[|c| c.looks, |c| c.wait], 1),
        delivery: sum(&[|c| c.delivery, |c| c.wait], 0),
        empty: sum(&[|c| c.looks, |c| c.wait, |c| c.empty], 2),
        wait_idle: sum(&[|c| c.wait_idle, |c| c.wait_worker], 0),
        wait_worker: sum(&[|c| c.wait_idle, |c| c.wait_worker], 1),
        steps: sum(&[|c| c.steps], 0),
        ready: sum(&[|c| c.looks, |c| c.ready], 1),
        run: sum(states, 0),
        runq: sum(states, 1),
        disk: sum(states, 2),
        net: sum(states, 3),
        idle: sum(states, 4),
        other: sum(states, 5),
        wait_run: sum(main_wait, 0),
        wait_disk: sum(main_wait, 1),
        wait_net: sum(main_wait, 2),
        main_wait: sum(main_wait, 3),
        main: sum(&[|c| c.main], 0),
        main_forward: sum(&[|c| c.main_forward, |c| c.main], 0),
        main_learning: sum(&[|c| c.main_learning, |c| c.main], 0),
        main_workers: sum(&[|c| c.main_workers, |c| c.main], 0),
        main_model: sum(&[|c| c.main_model, |c| c.main], 0),
        main_logging: sum(&[|c| c.main_logging, |c| c.main], 0),
        main_compile: sum(&[|c| c.main_compile, |c| c.main], 0),
        main_checkpoint: sum(&[|c| c.main_checkpoint, |c| c.main], 0),
        main_validation: sum(&[|c| c.main_validation, |c| c.main], 0),
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
