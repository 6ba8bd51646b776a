//! One loader: tasks go to the workers in turn, each to its own queue, and come back in order.

use std::collections::VecDeque;

use crate::dice::Dice;
use crate::load::{Act, Plan};

/// Workers of the loader that evaluates, and what they make of what its steps take.
pub(crate) const EVAL_WORKERS: usize = 2;
const EVAL_SUPPLY: f64 = 2.0;
/// Without a backward pass a step takes a third.
pub(crate) const EVAL_STEP: f64 = 1.0 / 3.0;

/// One batch on its way; times in seconds since the begin.
#[derive(Clone, Copy, Debug)]
struct Task {
    worker: usize,
    issued: f64,
    start: f64,
    finish: f64,
    taken: f64,
}

/// What is to be seen of a loader at a moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Finished in order, and finished in all.
    pub(crate) depth: u64,
    pub(crate) done: u64,
    /// Of each worker that is at work, how far it is with its batch, as a share.
    pub(crate) busy: Vec<f64>,
}

/// A loader's queues.
#[derive(Clone, Debug)]
pub(crate) struct Pipe {
    workers: usize,
    /// The second loader, which evaluates.
    evaluates: bool,
    tasks: VecDeque<Task>,
    /// Place of the next batch that the loop will take.
    next: usize,
    issued: u64,
    free: Vec<f64>,
}

impl Pipe {
    /// The loader of the training, whose workers begin at `start`.
    pub(crate) fn new(plan: &Plan, start: f64, dice: &mut Dice) -> Self {
        Self::of(plan, plan.workers, false, start, dice)
    }

    /// The loader of the evaluation.
    pub(crate) fn evaluating(plan: &Plan, start: f64, dice: &mut Dice) -> Self {
        Self::of(plan, EVAL_WORKERS, true, start, dice)
    }

    fn of(plan: &Plan, workers: usize, evaluates: bool, start: f64, dice: &mut Dice) -> Self {
        let mut pipe = Self {
            workers,
            evaluates,
            tasks: VecDeque::new(),
            next: 0,
            issued: 0,
            free: vec![start; workers],
        };
        for _ in 0..workers * plan.prefetch {
            pipe.issue(start, plan, dice);
        }
        pipe
    }

    fn issue(&mut self, at: f64, plan: &Plan, dice: &mut Dice) {
        let worker = (self.issued % self.workers as u64) as usize;
        let start = at.max(self.free[worker]);
        let seconds = if self.evaluates {
            let step = plan.at(start).load.step * EVAL_STEP;
            dice.around(step * self.workers as f64 / EVAL_SUPPLY, plan.at(start).load.cv)
        } else {
            service(plan, start, dice)
        };
        let cold = match plan.at(start).act {
            Act::ColdWorkers(factor) if self.issued < self.workers as u64 => factor,
            _ => 1.0,
        };
        let finish = start + seconds * cold;
        self.free[worker] = finish;
        self.issued += 1;
        self.tasks.push_back(Task { worker, issued: at, start, finish, taken: f64::INFINITY });
    }

    /// The loop asks at `ask`; gives the moment at which it has the batch.
    pub(crate) fn take(&mut self, ask: f64, plan: &Plan, dice: &mut Dice) -> f64 {
        let delivery = plan.at(ask).load.delivery;
        if self.workers == 0 {
            return ask + service(plan, ask, dice) + delivery;
        }
        let task = &mut self.tasks[self.next];
        let taken = task.finish.max(ask) + dice.around(delivery, 0.2);
        task.taken = taken;
        self.next += 1;
        self.issue(taken, plan, dice);
        taken
    }

    /// What is to be seen at a moment. Moments only go forwards.
    pub(crate) fn look(&mut self, at: f64) -> Seen {
        while self.next > 0 && self.tasks.front().is_some_and(|task| task.taken <= at) {
            self.tasks.pop_front();
            self.next -= 1;
        }
        let mut seen = Seen::default();
        let mut in_order = true;
        for task in &self.tasks {
            if task.issued > at {
                break;
            }
            let done = task.finish <= at;
            in_order &= done;
            seen.done += u64::from(done);
            seen.depth += u64::from(in_order);
            if !done && task.start <= at {
                debug_assert!(task.worker < self.workers);
                seen.busy.push((at - task.start) / (task.finish - task.start));
            }
        }
        seen
    }
}

/// Seconds that a batch takes a worker that begins it at `at`.
fn service(plan: &Plan, at: f64, dice: &mut Dice) -> f64 {
    let load = &plan.at(at).load;
    let tail = load.tail.filter(|(share, _)| dice.chance(*share)).map_or(1.0, |(_, factor)| factor);
    let swing = load.swing.map_or(1.0, |(seconds, more)| {
        if ((at / seconds) as u64).is_multiple_of(2) { 1.0 + more } else { 1.0 - more }
    });
    dice.around(load.service, load.cv) * tail * swing
}
