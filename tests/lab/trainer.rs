//! One training loop over its loaders: when it waits, and when its GPU computes.

use crate::dice::Dice;
use crate::load::{Act, Plan};
use crate::pipe::{EVAL_STEP, Pipe};

/// A stretch of time, in seconds since the begin.
pub(crate) type Span = (f64, f64);

/// What the loop's main thread does at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    Waits,
    Computes,
    Writes,
    Compiles,
}

/// The loop, made as far as it is needed.
pub(crate) struct Trainer {
    pub(crate) plan: Plan,
    pub(crate) dice: Dice,
    /// The loader of the training, and that of the evaluation where there is one.
    pub(crate) pipes: Vec<Pipe>,
    /// Batches taken of each, and when they were.
    pub(crate) taken: Vec<Vec<f64>>,
    /// Each wait, and the loader that was waited for.
    pub(crate) waits: Vec<(Span, usize)>,
    pub(crate) busy: Vec<Span>,
    pub(crate) writes: Vec<Span>,
    pub(crate) compiles: Vec<Span>,
    /// When all workers were replaced.
    pub(crate) respawns: Vec<f64>,
    now: f64,
    steps: u64,
    evaluating: u64,
    wrote: f64,
}

/// A wait shorter than this is the cost of asking.
const SHORTEST_WAIT: f64 = 0.0005;

impl Trainer {
    pub(crate) fn new(plan: Plan) -> Self {
        let mut dice = Dice::seeded(plan.seed);
        let evaluates = plan.phases.iter().any(|phase| matches!(phase.act, Act::Evaluate { .. }));
        let mut pipes = vec![Pipe::new(&plan, 0.5, &mut dice)];
        if evaluates {
            pipes.push(Pipe::evaluating(&plan, 1.0, &mut dice));
        }
        Self {
            taken: vec![Vec::new(); pipes.len()],
            plan,
            dice,
            pipes,
            waits: Vec::new(),
            busy: Vec::new(),
            writes: Vec::new(),
            compiles: Vec::new(),
            respawns: Vec::new(),
            now: 0.5,
            steps: 0,
            evaluating: 0,
            wrote: 0.0,
        }
    }

    /// Makes everything up to a moment.
    pub(crate) fn until(&mut self, at: f64) {
        while self.now <= at {
            self.step();
        }
    }

    fn step(&mut self) {
        self.beside();
        let which = usize::from(self.evaluating > 0);
        let ask = self.now;
        let taken = self.pipes[which].take(ask, &self.plan, &mut self.dice);
        self.taken[which].push(taken);
        if taken - ask > SHORTEST_WAIT {
            self.waits.push(((ask, taken), which));
        }
        let load = self.plan.at(taken).load;
        let step = if which == 1 {
            self.evaluating -= 1;
            load.step * EVAL_STEP
        } else {
            self.steps += 1;
            load.long_step
                .filter(|(every, _)| self.steps.is_multiple_of(*every))
                .map_or(load.step, |(_, long)| long)
        };
        let end = taken + self.dice.around(step, load.step_cv);
        if let Act::Compile(seconds) = self.plan.at(taken).act
            && self.steps == 1
        {
            self.compiles.push((taken, taken + seconds));
            self.busy.push((taken + seconds, end + seconds));
            self.now = end + seconds;
            return;
        }
        self.busy.push((taken, end));
        self.now = end;
    }

    /// What comes before the next batch is asked for.
    fn beside(&mut self) {
        match self.plan.at(self.now).act {
            Act::Checkpoint { every, lasts, .. } if self.now - self.wrote >= every => {
                let lasts = self.dice.around(lasts, 0.1);
                self.writes.push((self.now, self.now + lasts));
                self.wrote = self.now;
                self.now += lasts;
            }
            Act::Evaluate { every, batches }
                if self.evaluating == 0 && self.steps > 0 && self.steps.is_multiple_of(every) =>
            {
                self.evaluating = batches;
                // The next training step is another one.
                self.steps += 1;
            }
            Act::Respawn { every, start } if self.steps > 0 && self.steps.is_multiple_of(every) => {
                self.respawns.push(self.now);
                self.steps += 1;
                self.pipes[0] = Pipe::new(&self.plan, self.now + start, &mut self.dice);
            }
            _ => {}
        }
    }

    /// What the main thread does at a moment that is made already.
    pub(crate) fn doing(&self, at: f64) -> (Doing, usize) {
        let within = |span: &Span| span.0 <= at && at < span.1;
        let last = self.waits.partition_point(|(span, _)| span.0 <= at);
        if let Some((span, which)) = last.checked_sub(1).map(|last| self.waits[last])
            && within(&span)
        {
            return (Doing::Waits, which);
        }
        if self.writes.iter().rev().take(2).any(within) {
            (Doing::Writes, 0)
        } else if self.compiles.iter().any(within) {
            (Doing::Compiles, 0)
        } else {
            (Doing::Computes, 0)
        }
    }

    /// Share of the second before `at` in which its GPU computed.
    pub(crate) fn utilization(&self, at: f64) -> f64 {
        let (from, to) = (at - 1.0, at);
        let last = self.busy.partition_point(|span| span.0 < to);
        let spans = self.busy[..last].iter().rev().take_while(|span| span.1 > from);
        spans.map(|span| (span.1.min(to) - span.0.max(from)).max(0.0)).sum::<f64>().min(1.0)
    }
}
