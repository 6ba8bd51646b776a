//! What findings cost: bounds that hold the truth of the simulated box, each second charged once, and
//! money where there is a price.

use mltop::diagnose::{Engine, Settings};
use mltop::model::{Cost, Finding, Severity};

use crate::cases::eight;
use crate::scenario::{Load, Scenario};

/// GPU-seconds that all findings together may have lost: at least, the middle, at most.
fn charged(findings: &[Finding]) -> [f64; 3] {
    let costs = findings.iter().filter_map(|finding| finding.cost);
    costs.fold([0.0; 3], |[low, middle, high], cost| {
        [low + cost.low_gpu_seconds, middle + cost.gpu_seconds, high + cost.high_gpu_seconds]
    })
}

/// Starves after a minute, for so many seconds; gives the findings, and the seconds for which the GPUs
/// were idle since.
fn starved(scenario: &mut Scenario, settings: Settings, seconds: u32) -> (Vec<Finding>, f64) {
    let mut engine = Engine::new(settings);
    scenario.run(&mut engine, 60);
    for rank in 0..scenario.ranks.len() {
        scenario.load_mut(rank).service = 1.6;
    }
    let mut idle = 0.0;
    for _ in 0..seconds {
        let frame = scenario.tick();
        engine.step(&frame);
        let busy = frame.sample.gpus.iter().filter_map(|gpu| gpu.utilization_ratio.ok());
        idle += busy.map(|busy| 1.0 - busy).sum::<f64>();
    }
    (engine.findings().to_vec(), idle)
}

#[test]
fn the_bounds_of_what_starvation_costs_hold_the_time_for_which_the_gpu_was_idle() {
    let (findings, idle) = starved(&mut eight(Load::cpu(0.4)), Settings::default(), 600);
    let [finding] = &findings[..] else { panic!("{findings:#?}") };
    let cost = finding.cost.unwrap();
    assert!(idle > 200.0, "{idle}");
    // Half blocked and half busy may have been at the same time or not: only bounds are known.
    let [low, middle, high] = charged(&findings);
    assert!(low <= idle && (0.85 * idle..=1.02 * idle).contains(&high), "{cost:?} of {idle} s");
    assert!((middle - f64::midpoint(low, high)).abs() < 1e-6, "{cost:?}");
    assert_eq!(cost.money(), None);
}

#[test]
fn ranks_that_wait_for_one_another_lose_the_time_of_all_their_gpus() {
    let mut scenario = Scenario::new(4, Load::cpu(0.2), 0.1);
    scenario.add_rank(4, Load::cpu(0.2), 0.1);
    let (findings, idle) = starved(&mut scenario, Settings::default(), 300);
    let [low, _, high] = charged(&findings);
    assert!(low <= 1.05 * idle && high >= 0.9 * idle, "{low} to {high} of {idle} s of two GPUs");
    assert!(high > 300.0 * 0.5, "both GPUs count: {high}");
}

#[test]
fn a_price_makes_money_of_it() {
    let mut settings = Settings::default();
    settings.price_per_gpu_hour = Some(3.6);
    let (findings, _) = starved(&mut eight(Load::cpu(0.4)), settings, 300);
    let cost: Cost = findings[0].cost.unwrap();
    let [low, middle, high] = cost.money().unwrap();
    assert!((middle - cost.gpu_seconds / 1000.0).abs() < 1e-9, "{cost:?}");
    assert!(low <= middle && middle <= high, "{cost:?}");
}

#[test]
fn where_no_gpu_is_seen_no_gpu_time_is_lost() {
    let mut scenario = eight(Load::cpu(0.4));
    scenario.no_gpu = true;
    let (findings, _) = starved(&mut scenario, Settings::default(), 120);
    assert!(!findings.is_empty() && findings.iter().all(|finding| finding.cost.is_none()));
}

#[test]
fn whatever_is_the_matter_costs_never_add_up_to_more_than_the_time_of_the_gpus() {
    let mut scenario = Scenario::new(4, Load::cpu(0.2), 0.1);
    scenario.add_rank(4, Load::cpu(0.2), 0.1);
    let mut engine = Engine::new(Settings::default());
    let mut seconds = 0.0;
    let mut play = |scenario: &mut Scenario, engine: &mut Engine, time: u32| {
        scenario.run(engine, time);
        seconds += f64::from(time);
        let [_, _, high] = charged(engine.findings());
        let all = seconds * 2.0;
        assert!(high <= all, "{high} of {all} s after {seconds} s: {:#?}", engine.findings());
    };
    for round in 0..3 {
        // Fed, starved, standing with all memory held, and starved while a checkpoint is written.
        play(&mut scenario, &mut engine, 60);
        for rank in 0..2 {
            scenario.load_mut(rank).service = 2.0 + f64::from(round);
        }
        play(&mut scenario, &mut engine, 200);
        for rank in 0..2 {
            scenario.ranks[rank].pause = (700.0, 0.0);
        }
        play(&mut scenario, &mut engine, 750);
        for rank in 0..2 {
            scenario.ranks[rank].pause = (30.0, 400e6);
        }
        play(&mut scenario, &mut engine, 120);
        for rank in 0..2 {
            scenario.load_mut(rank).service = 0.2;
        }
    }
    let [_, _, high] = charged(engine.findings());
    assert!(high > 0.3 * seconds * 2.0, "much was lost: {high}");
}

#[test]
fn an_upper_bound_of_the_wait_is_never_critical() {
    use mltop::model::{Bound, Reading};
    for (bound, most) in [(Bound::Exact, Severity::Critical), (Bound::Upper, Severity::High)] {
        let mut scenario = eight(Load::cpu(0.4));
        let mut engine = Engine::new(Settings::default());
        scenario.run(&mut engine, 60);
        scenario.load_mut(0).service = 4.0;
        for _ in 0..90 {
            let mut frame = scenario.tick();
            let mut sample = (*frame.sample).clone();
            sample.loaders.iter_mut().for_each(|row| row.wait_bound = Reading::Is(bound));
            frame.sample = std::sync::Arc::new(sample);
            engine.step(&frame);
        }
        assert_eq!(engine.findings()[0].severity, most, "{bound:?}");
    }
}
