//! LONG-INIT.

use mltop::diagnose::Engine;
use mltop::model::{Finding, Rule, Severity};

use crate::cards::{Card, Cards, engine, nothing, of, only};

/// A trainer that was seen from its start, holds its card, and has no loader yet.
fn starting() -> (Cards, Engine) {
    let mut cards = Cards::new(1);
    cards.age = 5;
    (cards.ranks[0].card, cards.ranks[0].loader) = (Card::IDLE, false);
    cards.ranks[0].main_runs = true;
    (cards, engine())
}

/// Eleven minutes without a step.
pub(crate) fn raises() -> Vec<Finding> {
    let (mut cards, mut engine) = starting();
    cards.run(&mut engine, 660);
    engine.findings().to_vec()
}

/// Nine, and then it trains.
pub(crate) fn misses() -> Vec<Finding> {
    let (mut cards, mut engine) = starting();
    cards.run(&mut engine, 540);
    (cards.ranks[0].card, cards.ranks[0].loader) = (Card::HEALTHY, true);
    cards.run(&mut engine, 200);
    engine.findings().to_vec()
}

#[test]
fn a_card_held_for_ten_minutes_before_the_first_step_is_named_and_high_after_twenty() {
    let (mut cards, mut engine) = starting();
    cards.run(&mut engine, 590);
    nothing(&engine);
    cards.run(&mut engine, 60);
    let finding = only(&engine, Rule::LongInit);
    assert_eq!(finding.severity, Severity::Warn);
    assert!(finding.title.contains("held GPU 0 for 10 min"), "{}", finding.title);
    assert!(finding.advice.contains("download"), "{}", finding.advice);
    cards.run(&mut engine, 700);
    let finding = only(&engine, Rule::LongInit);
    assert_eq!(finding.severity, Severity::High);
    let cost = finding.cost.unwrap().gpu_seconds;
    assert!((1300.0..1360.0).contains(&cost), "{cost}");
}

#[test]
fn the_first_step_ends_it() {
    let (mut cards, mut engine) = starting();
    cards.run(&mut engine, 700);
    (cards.ranks[0].card, cards.ranks[0].loader) = (Card::HEALTHY, true);
    cards.run(&mut engine, 5);
    assert!(of(&engine, Rule::LongInit)[0].end_ms.is_some());
}

#[test]
fn a_start_of_nine_minutes_is_none() {
    let (mut cards, mut engine) = starting();
    cards.run(&mut engine, 540);
    (cards.ranks[0].card, cards.ranks[0].loader) = (Card::HEALTHY, true);
    cards.run(&mut engine, 900);
    nothing(&engine);
}

#[test]
fn a_trainer_whose_loader_is_not_known_but_whose_card_works_has_begun() {
    let (mut cards, mut engine) = starting();
    cards.ranks[0].card = Card::HEALTHY;
    cards.run(&mut engine, 900);
    nothing(&engine);
}

#[test]
fn of_a_process_found_late_it_is_not_known_whether_it_has_taken_steps() {
    let (mut cards, mut engine) = starting();
    cards.age = 3600;
    cards.run(&mut engine, 1300);
    only(&engine, Rule::IdleHeld);
}
