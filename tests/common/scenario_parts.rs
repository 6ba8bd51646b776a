//! The parts of the simulated box: a loader with its workers, and the loop that iterates it.

use std::collections::{BTreeSet, VecDeque};

use mltop::model::inventory::LoaderInfo;
use mltop::model::sample::LoaderSample;
use mltop::model::{Bound, GpuId, Pid, Reading};

use super::Scenario;

pub(crate) const DT: f64 = 0.01;

/// What a batch costs a worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Seconds a batch.
    pub(crate) service: f64,
    /// Uniform ± share of it.
    pub(crate) jitter: f64,
    /// One batch in ten takes ten times as long.
    pub(crate) tail: bool,
    /// Shares of the service: disk, net, other; the rest is CPU.
    pub(crate) parts: [f64; 3],
    /// Seconds that handing a ready batch over takes.
    pub(crate) delivery: f64,
}

impl Load {
    /// A batch of `service` seconds on the CPU.
    pub(crate) fn cpu(service: f64) -> Self {
        Self { service, jitter: 0.2, tail: false, parts: [0.0; 3], delivery: 0.0 }
    }

    /// A batch of `service` seconds, most of it in disk wait.
    pub(crate) fn disk(service: f64) -> Self {
        Self { parts: [0.85, 0.0, 0.0], ..Self::cpu(service) }
    }
}

/// One loader with its workers.
pub(crate) struct Loader {
    pub(crate) info: LoaderInfo,
    pub(crate) load: Load,
    pub(crate) prefetch: usize,
    pub(crate) row: LoaderSample,
    pub(crate) counts: [u64; 14],
    pub(crate) queues: Vec<VecDeque<u64>>,
    pub(crate) busy: Vec<Option<(u64, f64, f64)>>,
    pub(crate) done: BTreeSet<u64>,
    pub(crate) next_task: u64,
    pub(crate) wanted: u64,
    pub(crate) ready: (u64, u64),
}

/// What the loop of a rank does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Phase {
    Wait,
    Deliver(f64),
    Compute(f64),
    Barrier,
}

/// One trainer.
pub(crate) struct Rank {
    pub(crate) pid: Pid,
    pub(crate) gpu: GpuId,
    pub(crate) loaders: Vec<Loader>,
    pub(crate) active: usize,
    /// Seconds a step, with a uniform ± share.
    pub(crate) step: f64,
    pub(crate) step_jitter: f64,
    /// Every so many steps one takes so many seconds instead (gradient accumulation).
    pub(crate) long_step: Option<(u64, f64)>,
    /// Work is queued so far ahead that the GPU does not idle while the loop waits.
    pub(crate) never_idle: bool,
    /// Seconds of standing still that are still to come, and the bytes a second written meanwhile.
    pub(crate) pause: (f64, f64),
    pub(crate) phase: Phase,
    pub(crate) steps: u64,
    pub(crate) busy: VecDeque<bool>,
}

impl Loader {
    pub(crate) fn new(info: LoaderInfo, load: Load) -> Self {
        let workers = info.workers.len();
        Self {
            row: LoaderSample { pid: info.pid, loader: info.loader, ..LoaderSample::default() },
            info,
            load,
            prefetch: 2,
            counts: [0; 14],
            queues: vec![VecDeque::new(); workers],
            busy: vec![None; workers],
            done: BTreeSet::new(),
            next_task: 0,
            wanted: 0,
            ready: (u64::MAX, 0),
        }
    }

    /// Moves the workers by one step; gives CPU seconds used and batches finished.
    pub(crate) fn work(&mut self, random: &[f64], active: bool) -> (f64, u64) {
        let workers = self.busy.len();
        // Only a loader that is iterated is asked for more.
        while active && self.next_task < self.wanted + (workers * self.prefetch) as u64 {
            self.queues[self.next_task as usize % workers].push_back(self.next_task);
            self.next_task += 1;
        }
        let (mut cpu, mut batches) = (0.0, 0);
        for (worker, random) in (0..workers).zip(random) {
            if self.busy[worker].is_none() {
                let load = self.load;
                let tail = if load.tail && random.fract() < 0.1 { 10.0 } else { 1.0 };
                let seconds =
                    load.service * tail * load.jitter.mul_add(random.mul_add(2.0, -1.0), 1.0);
                self.busy[worker] =
                    self.queues[worker].pop_front().map(|task| (task, 0.0, seconds));
            }
            if let Some((task, spent, seconds)) = self.busy[worker] {
                if self.state(spent / seconds) == 8 {
                    cpu += DT;
                }
                self.busy[worker] = Some((task, spent + DT, seconds));
                if spent + DT >= seconds {
                    self.done.insert(task);
                    self.busy[worker] = None;
                    batches += 1;
                }
            }
        }
        (cpu, batches)
    }

    /// The count that a look at a worker this far through its batch goes to.
    pub(crate) fn state(&self, done: f64) -> usize {
        let [disk, net, other] = self.load.parts;
        match done {
            d if d < disk => 10,
            d if d < disk + net => 11,
            d if d < disk + net + other => 13,
            _ => 8,
        }
    }

    pub(crate) fn depth(&self) -> u64 {
        (self.wanted..self.next_task).take_while(|task| self.done.contains(task)).count() as u64
    }

    pub(crate) fn sample(&self, scenario: &Scenario) -> LoaderSample {
        let count = |name: &str, at: usize| scenario.reading(name, self.counts[at]);
        let depth = self.depth();
        let capacity = (self.busy.len() * self.prefetch) as u64;
        LoaderSample {
            workers: Reading::Is(self.busy.len() as u64),
            prefetch_factor: Reading::Is(self.prefetch as u64),
            capacity: Reading::Is(capacity),
            ready: scenario.reading("ready", depth),
            ready_min: scenario.reading("ready", self.ready.0.min(depth)),
            ready_max: scenario.reading("ready", self.ready.1.max(depth)),
            stash: scenario.reading("stash", self.done.len() as u64 - depth),
            steps_total: Reading::Is(self.wanted),
            wait_bound: Reading::Is(Bound::Exact),
            samples_total: Reading::Is(self.counts[0]),
            ready_sum: count("ready", 1),
            empty_samples_total: count("empty", 2),
            wait_samples_total: count("wait", 3),
            delivery_samples_total: count("wait", 4),
            wait_idle_samples_total: count("worker", 5),
            wait_worker_samples_total: count("worker", 6),
            worker_run_samples_total: count("worker", 8),
            worker_runq_samples_total: count("worker", 9),
            worker_disk_samples_total: count("worker", 10),
            worker_net_samples_total: count("worker", 11),
            worker_idle_samples_total: count("worker", 12),
            worker_other_samples_total: count("worker", 13),
            ..self.row.clone()
        }
    }
}

impl Rank {
    pub(crate) fn advance(&mut self, jitter: f64, alone: bool) {
        let stands = self.pause.0 > 0.0;
        if stands {
            self.pause.0 -= DT;
        }
        let computes = matches!(self.phase, Phase::Compute(_) | Phase::Barrier) && !stands;
        let computes = computes || self.never_idle;
        self.busy.push_back(computes);
        if self.busy.len() > 100 {
            self.busy.pop_front();
        }
        if stands {
            return;
        }
        let loader = &mut self.loaders[self.active];
        if self.phase == Phase::Wait && loader.done.contains(&loader.wanted) {
            self.phase = Phase::Deliver(loader.load.delivery);
        }
        self.phase = match self.phase {
            Phase::Deliver(left) if left > 0.0 => Phase::Deliver(left - DT),
            Phase::Deliver(_) => {
                loader.done.remove(&loader.wanted);
                loader.wanted += 1;
                self.steps += 1;
                let long = self.long_step.filter(|(every, _)| self.steps.is_multiple_of(*every));
                let step = self.step_jitter.mul_add(jitter, 1.0) * self.step;
                Phase::Compute(long.map_or(step, |(_, seconds)| seconds))
            }
            Phase::Compute(left) if left > DT => Phase::Compute(left - DT),
            Phase::Compute(_) => {
                if alone {
                    Phase::Wait
                } else {
                    Phase::Barrier
                }
            }
            other => other,
        };
    }

    /// One look of the sampler.
    pub(crate) fn look(&mut self) {
        let stands = self.pause.0 > 0.0;
        for (at, loader) in self.loaders.iter_mut().enumerate() {
            let depth = loader.depth();
            let waits = at == self.active
                && !stands
                && (matches!(self.phase, Phase::Deliver(_))
                    || (self.phase == Phase::Wait && depth == 0));
            loader.ready = (loader.ready.0.min(depth), loader.ready.1.max(depth));
            let mut add = |which: usize, yes: bool| loader.counts[which] += u64::from(yes);
            add(0, true);
            loader.counts[1] += depth;
            loader.counts[2] += u64::from(depth == 0);
            loader.counts[3] += u64::from(waits);
            loader.counts[4] += u64::from(waits && depth > 0);
            for worker in 0..loader.busy.len() {
                let state =
                    loader.busy[worker].map(|(_, spent, seconds)| loader.state(spent / seconds));
                loader.counts[state.unwrap_or(12)] += 1;
                loader.counts[6] += u64::from(waits);
                loader.counts[5] += u64::from(waits && state.is_none());
            }
        }
    }
}
