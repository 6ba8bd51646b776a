//! How soon it is said, how soon it is taken back, and that hours of a loader with little to spare
//! bring nothing.

use mltop::diagnose::{Change, Doing, Engine, Verdict};
use mltop::model::{Finding, Rule};

use crate::scenario::{Load, Scenario};
use crate::{engine, silent};

/// A lone trainer whose workers prepare `supply` times what its steps of `step` seconds take.
fn supplied(workers: usize, step: f64, supply: f64) -> Scenario {
    Scenario::new(workers, Load::cpu(service(workers, step, supply)), step)
}

fn service(workers: usize, step: f64, supply: f64) -> f64 {
    step * workers as f64 / supply
}

/// Seconds until the loop first waited, and until a finding was opened.
fn starve(scenario: &mut Scenario, engine: &mut Engine) -> (u32, u32) {
    let waits = |scenario: &Scenario| scenario.ranks[0].loaders[0].counts[3];
    let (before, mut first) = (waits(scenario), None);
    for second in 1..=120 {
        let changes = scenario.run(engine, 1);
        if waits(scenario) > before {
            first.get_or_insert(second);
        }
        if changes.iter().any(|(_, change)| matches!(change, Change::Opened(_))) {
            return (first.unwrap(), second);
        }
    }
    panic!("nothing was raised: {:#?}", engine.now());
}

fn starvation(findings: &[Finding]) -> usize {
    findings.iter().filter(|finding| finding.rule == Rule::Starved).count()
}

#[test]
fn slow_steps_are_named_soon_after_the_first_wait_and_cleared_once() {
    for (workers, step) in [(8, 1.0), (16, 0.25), (8, 0.5)] {
        let (mut scenario, mut engine) = (supplied(workers, step, 2.0), engine());
        scenario.run(&mut engine, 120);
        scenario.load_mut(0).service = service(workers, step, 0.5);
        // A full queue lasts a while: the loop is fed as long as that.
        let (first, opened) = starve(&mut scenario, &mut engine);
        println!("{workers} workers, {step} s: waits after {first} s, named after {opened} s");
        assert!(opened - first <= 15, "{workers} x {step}: {first}, {opened}");
        // Two batches a worker: where that is much, most of the time goes by before anything waits.
        assert!(opened <= 30 || first >= 15, "{workers} x {step}: {first}, {opened}");
        scenario.run(&mut engine, 30);
        scenario.load_mut(0).service = service(workers, step, 2.0);
        scenario.run(&mut engine, 60);
        assert_eq!(engine.verdict(), Verdict::Quiet, "{workers} x {step}");
        scenario.run(&mut engine, 200);
        assert_eq!(starvation(engine.findings()), 1, "{workers} x {step}: raised again");
    }
}

#[test]
fn a_small_shortage_is_named_within_thirty_seconds_of_the_first_wait() {
    for (workers, step) in [(16, 0.25), (8, 0.5), (8, 0.1)] {
        let (mut scenario, mut engine) = (supplied(workers, step, 2.0), engine());
        scenario.run(&mut engine, 120);
        scenario.load_mut(0).service = service(workers, step, 0.8);
        let (first, opened) = starve(&mut scenario, &mut engine);
        println!("{workers} workers, {step} s: waits after {first} s, named after {opened} s");
        assert!(opened - first <= 30, "{workers} x {step}: {first}, {opened}");
    }
}

#[test]
fn an_hour_with_a_tenth_more_supply_than_demand_and_jitter_raises_nothing() {
    for (workers, step, jitter) in
        [(8, 0.1, 0.3), (16, 0.25, 0.2), (8, 0.5, 0.3), (8, 1.0, 0.3), (4, 2.0, 0.2)]
    {
        let mut scenario = supplied(workers, step, 1.1);
        scenario.load_mut(0).jitter = jitter;
        scenario.ranks[0].step_jitter = jitter;
        let engine = silent(&mut scenario, 3600);
        assert_eq!(engine.verdict(), Verdict::Quiet, "{workers} x {step}");
    }
}

#[test]
fn an_hour_of_healthy_training_raises_nothing() {
    silent(&mut Scenario::new(4, Load::cpu(0.2), 0.1), 3600);
}

#[test]
fn the_state_line_follows_within_three_seconds_both_ways() {
    let (mut scenario, mut engine) = (supplied(8, 0.1, 2.0), engine());
    scenario.run(&mut engine, 60);
    assert_eq!(engine.now()[0].state, Doing::Ahead);
    scenario.load_mut(0).service = service(8, 0.1, 0.3);
    scenario.run(&mut engine, 3);
    let now = &engine.now()[0];
    assert_eq!((now.state, now.pid), (Doing::WaitsForData, Some(scenario.ranks[0].pid)));
    assert!(now.text.starts_with("train.py waits for data"), "{}", now.text);
    scenario.load_mut(0).service = service(8, 0.1, 4.0);
    // The batches that are in the making still take as long as they take.
    scenario.run(&mut engine, 2 + 3);
    assert_ne!(engine.now()[0].state, Doing::WaitsForData);
}

#[test]
fn a_queue_that_drains_is_said_before_the_loop_waits() {
    for (workers, step, seconds) in [(8, 0.25, 4), (16, 0.25, 6), (8, 1.0, 10)] {
        let (mut scenario, mut engine) = (supplied(workers, step, 2.0), engine());
        scenario.run(&mut engine, 60);
        scenario.load_mut(0).service = service(workers, step, 0.3);
        scenario.run(&mut engine, seconds);
        let now = &engine.now()[0];
        assert_eq!(now.state, Doing::FallsBehind, "{workers} x {step}: {}", now.text);
        assert!(now.text.contains("its queue drains, empty in about"), "{}", now.text);
        assert_eq!(now.severity, None);
    }
}

#[test]
fn a_queue_that_only_breathes_is_not_said_to_drain() {
    for (workers, step) in [(8, 0.1), (8, 0.25), (16, 0.25), (8, 1.0)] {
        let (mut scenario, mut engine) = (supplied(workers, step, 1.1), engine());
        scenario.ranks[0].step_jitter = 0.2;
        let mut said = 0;
        for _ in 0..900 {
            scenario.run(&mut engine, 1);
            said += u32::from(engine.now()[0].state == Doing::FallsBehind);
        }
        assert!(said <= 9, "{workers} x {step}: {said} of 900 s");
    }
}
