//! What looks at a loop add up to: at the program's own rhythm, some lost, some misread.

use mltop::model::sample::LoaderSample;
use mltop::model::{Bound, Gap, Reading};

use crate::dice::Dice;
use crate::load::Parts;
use crate::pipe::EVAL_WORKERS;
use crate::trainer::{Doing, Trainer};

/// Seconds of a period, and looks in it while the loop waits; else there is one.
const PERIOD: f64 = 0.1;
const SLOTS: u64 = 5;
/// What a period counts, in hundredths of a second, and the most that a late look counts for.
const WEIGHT: u64 = 10;
const OWED: u64 = 50;

/// Counts of one loader, in hundredths of a second.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    samples: u64,
    ready: (u64, u64, u64),
    ready_sum: u64,
    stash: u64,
    empty: u64,
    wait: u64,
    delivery: u64,
    wait_idle: u64,
    wait_worker: u64,
    /// Run, run queue, disk, network, idle, other.
    pub(crate) states: [u64; 6],
}

/// The looks at one trainer.
pub(crate) struct Looks {
    pub(crate) counts: Vec<Counts>,
    /// Hundredths of a second in which the main thread was seen on a CPU.
    pub(crate) main: u64,
    pub(crate) compiling: u64,
    dice: Dice,
    period: u64,
    fast: bool,
    owed: u64,
}

impl Looks {
    pub(crate) fn new(trainer: &Trainer) -> Self {
        Self {
            counts: vec![Counts::default(); trainer.pipes.len()],
            main: 0,
            compiling: 0,
            dice: Dice::seeded(trainer.plan.seed ^ 0x10_0c5),
            period: 0,
            fast: false,
            owed: 0,
        }
    }

    /// Looks up to a moment.
    pub(crate) fn until(&mut self, trainer: &mut Trainer, to: f64) {
        for counts in &mut self.counts {
            counts.ready = (counts.ready.0, u64::MAX, 0);
        }
        while (self.period + 1) as f64 * PERIOD <= to {
            let begin = self.period as f64 * PERIOD;
            let slots = if self.fast { SLOTS } else { 1 };
            let mut waits = false;
            for slot in 0..slots {
                let at = begin + (slot as f64 + self.dice.draw()) * PERIOD / slots as f64;
                self.owed = (self.owed + WEIGHT / slots).min(WEIGHT / slots + OWED);
                if !self.dice.chance(trainer.plan.blind) {
                    waits |= self.look(trainer, at);
                    self.owed = 0;
                }
            }
            self.fast = waits;
            self.period += 1;
        }
    }

    fn look(&mut self, trainer: &mut Trainer, at: f64) -> bool {
        trainer.until(at);
        let (doing, which) = trainer.doing(at);
        let misread = self.dice.chance(trainer.plan.misread);
        let waits = (doing == Doing::Waits) != misread;
        let on_cpu = matches!(doing, Doing::Computes | Doing::Compiles) && !waits;
        self.main += if on_cpu { self.owed } else { 0 };
        self.compiling += if doing == Doing::Compiles { self.owed } else { 0 };
        let parts = trainer.plan.at(at).load.parts;
        let workers = [trainer.plan.workers, EVAL_WORKERS];
        for (index, pipe) in trainer.pipes.iter_mut().enumerate() {
            let seen = pipe.look(at);
            let counts = &mut self.counts[index];
            let ready = (counts.ready.1.min(seen.depth), counts.ready.2.max(seen.depth));
            counts.ready = (seen.depth, ready.0, ready.1);
            counts.stash = seen.done - seen.depth;
            counts.samples += self.owed;
            counts.ready_sum += seen.depth * self.owed;
            let queue = workers[index] > 0;
            counts.empty += if queue && seen.depth == 0 { self.owed } else { 0 };
            let idle = workers[index] as u64 - seen.busy.len() as u64;
            if waits && index == which {
                counts.wait += self.owed;
                counts.delivery += if seen.depth > 0 { self.owed } else { 0 };
                counts.wait_worker += workers[index] as u64 * self.owed;
                counts.wait_idle += idle * self.owed;
            }
            counts.states[4] += idle * self.owed;
            for done in &seen.busy {
                counts.states[state(*done, parts, &mut self.dice)] += self.owed;
            }
        }
        waits
    }
}

/// What a worker does that is so far through its batch.
fn state(done: f64, parts: Parts, dice: &mut Dice) -> usize {
    let reads = parts.disk + parts.net;
    match done {
        d if d < parts.disk => 2,
        d if d < reads => 3,
        d if d < reads + parts.other => 5,
        // Being put off the CPU comes again and again.
        _ => usize::from(dice.chance(parts.queue / (1.0 - reads - parts.other).max(1e-9))),
    }
}

impl Counts {
    /// Writes them into a row.
    pub(crate) fn fill(&self, row: &mut LoaderSample, workers: u64, prefetch: u64) {
        let none = Gap::NotApplicable;
        let queue = |value: u64| Reading::from_option((workers > 0).then_some(value), none);
        row.workers = Reading::Is(workers);
        row.prefetch_factor = queue(prefetch);
        row.capacity = queue(workers * prefetch);
        row.capacity_bound = Reading::from_option((workers > 0).then_some(Bound::Exact), none);
        row.pinned = Reading::Is(false);
        row.ready = queue(self.ready.0);
        row.ready_min = queue(self.ready.1.min(self.ready.0));
        row.ready_max = queue(self.ready.2.max(self.ready.0));
        row.ready_bound = Reading::from_option((workers > 0).then_some(Bound::Exact), none);
        row.stash = queue(self.stash);
        row.wait_bound = Reading::Is(Bound::Exact);
        row.samples_total = Reading::Is(self.samples);
        row.failed_total = Reading::Is(0);
        row.ready_sum = Reading::Is(self.ready_sum);
        row.empty_samples_total = Reading::Is(self.empty);
        row.wait_samples_total = Reading::Is(self.wait);
        row.delivery_samples_total = Reading::Is(self.delivery);
        row.wait_idle_samples_total = Reading::Is(self.wait_idle);
        row.wait_worker_samples_total = Reading::Is(self.wait_worker);
        let [run, queued, disk, net, idle, other] = self.states.map(Reading::Is);
        row.worker_run_samples_total = run;
        row.worker_runq_samples_total = queued;
        row.worker_disk_samples_total = disk;
        row.worker_net_samples_total = net;
        row.worker_idle_samples_total = idle;
        row.worker_other_samples_total = other;
    }

    /// Hundredths of a second that workers were seen on a CPU, and ready for one.
    pub(crate) fn on_cpu(&self) -> (u64, u64) {
        (self.states[0], self.states[1])
    }
}
