//! Plays a simulated scenario through the way of a sample, as fast as it goes.

use crate::load::Plan;
use crate::machine::{Machine, START_MS};
use crate::score::{Listener, Outcome};
use crate::trainer::Span;
use crate::truth;

/// Seconds from tick to tick.
const TICK: f64 = 1.0;

/// What was said of a scenario, and what is true.
pub(crate) fn play(plan: Plan) -> Outcome {
    let seconds = plan.seconds();
    let (name, may, phases) = (plan.name, plan.may, plan.starved());
    let workers = plan.workers;
    let mut machine = Machine::new(vec![plan], TICK);
    let mut listener = Listener::new(START_MS);
    while machine.now() + TICK <= seconds {
        if let Some(sample) = machine.tick() {
            listener.hear(sample);
        }
    }
    let trainer = machine.trainer();
    // The loop of a training is starved by the loader that it trains from.
    let of_training = trainer.waits.iter().filter(|(_, which)| *which == 0);
    let waits: Vec<Span> =
        of_training.map(|(span, _)| *span).filter(|span| span.0 < seconds).collect();
    let truth = truth::stretches(&waits, &phases, &trainer.taken[0], workers);
    Outcome {
        name: name.to_owned(),
        seconds,
        truth,
        told: listener.end(),
        may: may.iter().map(|&code| code.to_owned()).collect(),
    }
}
