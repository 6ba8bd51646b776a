//! Phases that are no plain training: what the loop does in them is no starvation of the training.

use mltop::diagnose::Engine;
use mltop::model::{Finding, Reading, Rule};

use crate::cases::eight;
use crate::scenario::{Load, Scenario};

/// Plays seconds in which so many of fifty looks at the main thread's frames found it validating, and so
/// many compiling.
fn play(
    scenario: &mut Scenario,
    engine: &mut Engine,
    seconds: u32,
    (validates, compiles): (u64, u64),
) {
    for _ in 0..seconds {
        let row = &mut scenario.ranks[0].loaders[0].row;
        for (count, more) in [
            (&mut row.main_samples_total, 50),
            (&mut row.main_validation_samples_total, validates),
            (&mut row.main_compile_samples_total, compiles),
        ] {
            *count = Reading::Is(count.ok().unwrap_or_default() + more);
        }
        scenario.run(engine, 1);
    }
}

fn starvation(findings: &[Finding]) -> usize {
    findings.iter().filter(|finding| finding.rule == Rule::Starved).count()
}

/// A loop that waits most of its time after a minute, with these looks at its main thread.
fn waits_with(looks: (u64, u64)) -> usize {
    let mut scenario = eight(Load::cpu(0.4));
    let mut engine = crate::engine();
    play(&mut scenario, &mut engine, 60, (0, 0));
    scenario.load_mut(0).service = 1.6;
    play(&mut scenario, &mut engine, 90, looks);
    starvation(engine.findings())
}

#[test]
fn an_evaluation_that_waits_for_its_data_is_no_starved_training() {
    assert_eq!(waits_with((50, 0)), 0);
    assert_eq!(waits_with((30, 0)), 0);
    // A tenth of the looks is a hook that ran in between.
    assert_eq!(waits_with((5, 0)), 1);
}

#[test]
fn a_training_that_compiles_anew_is_not_starved() {
    assert_eq!(waits_with((0, 40)), 0);
    assert_eq!(waits_with((0, 5)), 1);
}
