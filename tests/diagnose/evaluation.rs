//! Evaluation that takes much of the time, or waits for data: what raises each, and what nearly does.

use mltop::diagnose::audit::Audit;
use mltop::diagnose::{Engine, Known, Phase, Phases};
use mltop::model::{Area, Finding, Reading};

use crate::scenario::{Load, Scenario};

/// What the looks at the main thread find, each a hundred a second.
#[derive(Clone, Copy, Default)]
struct Frames {
    /// In a validation.
    validation: bool,
    /// At outputs, at gradients.
    forward: u64,
    backward: u64,
}

const TRAINS: Frames = Frames { validation: false, forward: 30, backward: 50 };
const VALIDATES: Frames = Frames { validation: true, forward: 80, backward: 0 };
const COMPUTES: Frames = Frames { validation: false, forward: 80, backward: 0 };

/// A trainer with a training and a validation loader of these loads.
fn two(validation: Load) -> Scenario {
    let mut scenario = Scenario::new(8, Load::cpu(0.4), 0.1);
    scenario.gpu_bytes = (60 << 30, 80 << 30);
    scenario.add_loader(0, 4, validation);
    for loader in &mut scenario.ranks[0].loaders {
        let zero = Reading::Is(0);
        loader.row.main_samples_total = zero;
        loader.row.main_validation_samples_total = zero;
        loader.row.main_forward_samples_total = zero;
        loader.row.main_backward_samples_total = zero;
        loader.row.main_optimizer_samples_total = zero;
    }
    scenario
}

/// One loop for so many seconds.
fn play(scenario: &mut Scenario, engine: &mut Engine, at: usize, seconds: u32, frames: Frames) {
    scenario.ranks[0].active = at;
    for _ in 0..seconds {
        let row = &mut scenario.ranks[0].loaders[at].row;
        let more = |count: &mut Reading<u64>, by: u64| *count = count.map(|count| count + by);
        more(&mut row.main_samples_total, 100);
        more(&mut row.main_validation_samples_total, 100 * u64::from(frames.validation));
        more(&mut row.main_forward_samples_total, frames.forward);
        more(&mut row.main_backward_samples_total, frames.backward);
        scenario.run(engine, 1);
    }
}

/// Rounds of training and evaluation of so many seconds each, and some more training.
fn rounds(
    mut scenario: Scenario,
    (count, training, evaluation): (usize, u32, u32),
    frames: Frames,
) -> (Engine, Vec<Finding>) {
    let mut engine = crate::engine();
    for _ in 0..count {
        play(&mut scenario, &mut engine, 0, training, TRAINS);
        play(&mut scenario, &mut engine, 1, evaluation, frames);
    }
    play(&mut scenario, &mut engine, 0, 30, TRAINS);
    let findings = engine.findings().to_vec();
    (engine, findings)
}

/// A fifth of the time, by frames.
pub(crate) fn large() -> Vec<Finding> {
    rounds(two(Load::cpu(0.2)), (4, 80, 20), VALIDATES).1
}

/// An eighth of it.
pub(crate) fn small() -> Vec<Finding> {
    rounds(two(Load::cpu(0.2)), (4, 88, 12), VALIDATES).1
}

/// A third of the time in a loop that no frame names: another loader, and never a gradient.
pub(crate) fn large_without_frames() -> Vec<Finding> {
    rounds(two(Load::cpu(0.2)), (5, 60, 30), COMPUTES).1
}

/// The same times, but gradients are computed in both loops.
pub(crate) fn two_training_sets() -> Vec<Finding> {
    rounds(two(Load::cpu(0.2)), (5, 60, 30), TRAINS).1
}

/// An evaluation that takes a tenth of the time and waits for data half of it.
pub(crate) fn starved() -> Vec<Finding> {
    rounds(two(Load::cpu(0.8)), (3, 200, 20), VALIDATES).1
}

/// One that waits for seven in a hundred of it.
pub(crate) fn fed() -> Vec<Finding> {
    let load = Load { delivery: 0.005, ..Load::cpu(0.2) };
    rounds(two(load), (3, 200, 20), VALIDATES).1
}

fn phases(engine: &Engine) -> Phases {
    engine.phases().remove(0)
}

#[test]
fn time_is_shared_out_among_phases_as_it_was_spent() {
    let (engine, findings) = rounds(two(Load::cpu(0.2)), (4, 80, 20), VALIDATES);
    let phases = phases(&engine);
    assert_eq!(phases.known, Some(Known::Frames));
    let all: f64 = phases.seconds.values().sum();
    // The first tick has none before it to be counted from.
    assert!((all - 429.0).abs() <= 1.0, "{phases:#?}");
    let evaluation = phases.seconds[&Phase::Evaluation];
    assert!((evaluation - 80.0).abs() <= 4.0, "{phases:#?}");
    assert!(phases.seconds[&Phase::Training] > 300.0, "{phases:#?}");
    assert!(phases.share(Phase::Evaluation).is_some_and(|share| (0.17..0.20).contains(&share)));
    let complete = phases.cycles.iter().filter(|cycle| cycle.complete).count();
    assert_eq!(complete, 4, "{phases:#?}");
    let last = phases.cycles[3];
    assert!((last.seconds - 20.0).abs() <= 1.0 && (last.before_seconds - 80.0).abs() <= 1.0);
    let finding = &findings[0];
    assert!(finding.title.contains("20 % of the time: 4 evaluations of 20 s"), "{}", finding.title);
    assert!(finding.advice.contains("every 4th checkpoint would take 8 %"), "{}", finding.advice);
    assert!(!finding.advice.contains("redundant"), "{}", finding.advice);
    // The audit, which is on screen and in the report, says the same.
    let seen = evaluation_seen(&engine);
    let begin = "Evaluation took 19 % of 7 min (by the stack of the main thread), training took ";
    assert!(seen.starts_with(begin), "{seen}");
    assert!(seen.contains(" %, the first steps took ") && seen.ends_with(" %."), "{seen}");
}

/// What the audit says of the area of evaluation.
fn evaluation_seen(engine: &Engine) -> String {
    let audit = Audit::of(engine.watched(), engine.findings(), |_| false);
    let part = audit.areas.iter().find(|part| part.area == Area::Evaluation);
    part.unwrap().seen.clone()
}

#[test]
fn where_no_evaluation_was_seen_the_audit_still_says_what_the_time_went_into() {
    let mut scenario = Scenario::new(8, Load::cpu(0.4), 0.1);
    let mut engine = crate::engine();
    scenario.run(&mut engine, 120);
    let seen = evaluation_seen(&engine);
    assert!(seen.starts_with("Training took 9") && seen.contains("the first steps took"), "{seen}");
    assert!(!seen.contains("valuation"), "{seen}");
    // Nobody was watched: nothing is said.
    assert_eq!(evaluation_seen(&crate::engine()), "");
}

#[test]
fn without_frames_it_takes_three_regular_rounds_and_is_said_to_be_inferred() {
    let (engine, _) = rounds(two(Load::cpu(0.2)), (2, 60, 30), COMPUTES);
    assert_eq!(phases(&engine).known, None, "twice is no recurrence");
    assert!(phases(&engine).seconds[&Phase::Other] > 50.0, "{:#?}", phases(&engine));
    let (engine, findings) = rounds(two(Load::cpu(0.2)), (4, 60, 30), COMPUTES);
    assert_eq!(phases(&engine).known, Some(Known::Inferred));
    // What was learned later holds for what was seen before.
    assert!(phases(&engine).seconds[&Phase::Evaluation] > 110.0, "{:#?}", phases(&engine));
    assert!(findings[0].title.contains("evaluates (inferred)"), "{}", findings[0].title);
}

#[test]
fn rounds_of_any_length_are_no_evaluation_without_frames() {
    let mut scenario = two(Load::cpu(0.2));
    let mut engine = crate::engine();
    for seconds in [10, 60, 25, 90] {
        play(&mut scenario, &mut engine, 0, 60, TRAINS);
        play(&mut scenario, &mut engine, 1, seconds, COMPUTES);
    }
    play(&mut scenario, &mut engine, 0, 30, TRAINS);
    assert_eq!(phases(&engine).known, None);
}

#[test]
fn shorter_steps_at_less_power_are_evaluation_where_no_stack_can_be_read() {
    let mut scenario = two(Load { delivery: 0.01, ..Load::cpu(0.05) });
    for loader in &mut scenario.ranks[0].loaders {
        loader.row = mltop::model::sample::LoaderSample {
            pid: loader.row.pid,
            loader: loader.row.loader,
            ..Default::default()
        };
    }
    let mut engine = crate::engine();
    for _ in 0..4 {
        scenario.ranks[0].step = 0.1;
        play(&mut scenario, &mut engine, 0, 60, Frames::default());
        scenario.ranks[0].step = 0.05;
        play(&mut scenario, &mut engine, 1, 30, Frames::default());
    }
    scenario.ranks[0].step = 0.1;
    play(&mut scenario, &mut engine, 0, 30, Frames::default());
    assert_eq!(phases(&engine).known, Some(Known::Inferred), "{:#?}", phases(&engine));
}

#[test]
fn what_follows_the_last_batch_of_an_evaluation_is_part_of_it() {
    let mut scenario = two(Load::cpu(0.2));
    let mut engine = crate::engine();
    for _ in 0..4 {
        play(&mut scenario, &mut engine, 0, 80, TRAINS);
        play(&mut scenario, &mut engine, 1, 10, VALIDATES);
        scenario.ranks[0].pause = (20.0, 0.0);
        play(&mut scenario, &mut engine, 1, 20, VALIDATES);
    }
    play(&mut scenario, &mut engine, 0, 30, TRAINS);
    let cycle = phases(&engine).cycles[2];
    assert!((cycle.seconds - 30.0).abs() <= 2.0, "{cycle:?}");
    assert!((cycle.tail_seconds - 20.0).abs() <= 2.0, "{cycle:?}");
    let finding = engine.findings().iter().find(|f| f.rule.code() == "EVAL-SHARE").unwrap();
    assert!(finding.advice.contains("comes after its last batch"), "{}", finding.advice);
}
