//! GPUs that are held for nothing, or are larger than the job: what raises each, and what nearly does.

use mltop::model::Finding;

use super::played;
use crate::scenario::{Load, Scenario};

const GIB: u64 = 1 << 30;

/// A fed trainer of four workers that holds so much of a card of 80 GiB.
fn fed(held: u64) -> Scenario {
    let mut scenario = Scenario::new(4, Load::cpu(0.2), 0.1);
    scenario.gpu_bytes = (held * GIB, 80 * GIB);
    scenario
}

/// A trainer that stands for eleven minutes.
pub(crate) fn idle() -> Vec<Finding> {
    played(fed(60), 660, |scenario| scenario.ranks[0].pause = (660.0, 0.0))
}

/// One that stands for nine.
pub(crate) fn nearly_idle() -> Vec<Finding> {
    played(fed(60), 660, |scenario| scenario.ranks[0].pause = (540.0, 0.0))
}

/// Half an hour with a fifth of the multiprocessors at work.
pub(crate) fn few_multiprocessors() -> Vec<Finding> {
    played(fed(48), 1900, |scenario| scenario.sm_of_busy = Some(0.2))
}

/// Half an hour with nearly six in ten at work.
pub(crate) fn many_multiprocessors() -> Vec<Finding> {
    played(fed(48), 1900, |scenario| scenario.sm_of_busy = Some(0.58))
}

/// Nine of 80 GiB in use, through an evaluation and half an hour of training.
pub(crate) fn little_memory() -> Vec<Finding> {
    with_evaluation(fed(9))
}

/// Half of it in use.
pub(crate) fn half_the_memory() -> Vec<Finding> {
    with_evaluation(fed(40))
}

fn with_evaluation(mut scenario: Scenario) -> Vec<Finding> {
    let validation = scenario.add_loader(0, 4, Load::cpu(0.2));
    let mut engine = crate::engine();
    scenario.run(&mut engine, 60);
    scenario.ranks[0].active = validation;
    scenario.run(&mut engine, 15);
    scenario.ranks[0].active = 0;
    scenario.run(&mut engine, 1900);
    engine.findings().to_vec()
}
