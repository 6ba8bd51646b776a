//! VRAM-PRESSURE, by its level and by its growth.

use mltop::diagnose::Engine;
use mltop::model::{Finding, Rule, Severity};

use crate::cards::{Cards, engine, nothing, of, only};

fn held(memory: f64) -> (Cards, Engine) {
    let (mut cards, mut engine) = (Cards::new(1), engine());
    cards.ranks[0].card.memory = memory;
    cards.run(&mut engine, 120);
    (cards, engine)
}

/// A memory that is nearly full.
pub(crate) fn raises() -> Vec<Finding> {
    held(0.93).1.findings().to_vec()
}

/// A little less.
pub(crate) fn misses() -> Vec<Finding> {
    held(0.91).1.findings().to_vec()
}

#[test]
fn a_nearly_full_memory_is_a_warning_and_a_full_one_critical() {
    let (mut cards, mut engine) = held(0.93);
    let finding = only(&engine, Rule::VramPressure);
    assert_eq!(finding.severity, Severity::Warn);
    assert!(finding.title.starts_with("93 % of the memory of GPU 0"), "{}", finding.title);
    cards.ranks[0].card.memory = 0.98;
    cards.run(&mut engine, 10);
    assert_eq!(only(&engine, Rule::VramPressure).severity, Severity::Critical);
    cards.ranks[0].card.memory = 0.85;
    cards.run(&mut engine, 80);
    assert!(of(&engine, Rule::VramPressure)[0].end_ms.is_some());
}

#[test]
fn a_little_room_or_a_framework_that_takes_it_ahead_is_no_pressure() {
    nothing(&held(0.91).1);
    let (mut cards, mut engine) = (Cards::new(1), engine());
    (cards.kind, cards.ranks[0].card.memory) = ("grain", 0.98);
    cards.run(&mut engine, 120);
    nothing(&engine);
}

/// Trains while the memory of the process follows a curve over the seconds.
fn grow(seconds: u64, curve: impl Fn(f64) -> f64) -> Engine {
    let (mut cards, mut engine) = (Cards::new(1), engine());
    for second in 0..seconds {
        cards.ranks[0].held = Some(curve(second as f64));
        cards.run(&mut engine, 1);
    }
    engine
}

#[test]
fn memory_that_grows_from_step_to_step_is_named_with_when_it_will_be_full() {
    // 4 steps a second: 1.6 GiB in 800 of them.
    let engine = grow(300, |second| 0.2 + 0.0001 * second);
    let finding = only(&engine, Rule::VramPressure);
    assert!(finding.title.contains("1.6 GiB in 800 steps"), "{}", finding.title);
    assert!(finding.title.contains("full in about"), "{}", finding.title);
    assert!(finding.advice.contains("loss.item()"), "{}", finding.advice);
}

#[test]
fn a_cache_that_fills_and_stops_or_an_evaluation_that_takes_more_once_is_no_growth() {
    nothing(&grow(900, |second| 0.2 + 0.05 * (1.0 - (-second / 20.0).exp())));
    nothing(&grow(900, |second| if second < 400.0 { 0.2 } else { 0.25 }));
    nothing(&grow(900, |second| 0.2 + 0.02 * (second / 30.0).sin()));
}

#[test]
fn growth_that_stops_ends_it() {
    let engine = grow(700, |second| 0.2 + 0.0001 * second.min(300.0));
    assert!(of(&engine, Rule::VramPressure)[0].end_ms.is_some());
}
