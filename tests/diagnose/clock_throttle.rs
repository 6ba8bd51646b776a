//! CLOCK-THROTTLE.

use mltop::model::{Finding, Rule, Severity};

use crate::cards::{Card, Cards, engine, nothing, of, only};

/// Trains for so many seconds, slowed down for a part of every ten.
fn slowed(
    cards: &mut Cards,
    engine: &mut mltop::diagnose::Engine,
    seconds: u64,
    of_ten: u64,
    slow: Card,
) {
    for second in 0..seconds {
        cards.ranks[0].card = if second % 10 < of_ten { slow } else { Card::HEALTHY };
        cards.run(engine, 1);
    }
}

/// A card that heat slows down, after five minutes in which nothing did.
pub(crate) fn raises() -> Vec<Finding> {
    let (mut cards, mut engine) = (Cards::new(1), engine());
    cards.run(&mut engine, 300);
    let slow = Card { bits: 0x40 | 0x8, megahertz: 1095, celsius: 88.0, ..Card::HEALTHY };
    slowed(&mut cards, &mut engine, 110, 4, slow);
    engine.findings().to_vec()
}

/// A clock as low at the power cap, in a cool card.
pub(crate) fn misses() -> Vec<Finding> {
    let (mut cards, mut engine) = (Cards::new(1), engine());
    cards.run(&mut engine, 300);
    cards.ranks[0].card = Card { bits: 0x4, megahertz: 1095, celsius: 70.0, ..Card::HEALTHY };
    cards.run(&mut engine, 300);
    engine.findings().to_vec()
}

#[test]
fn heat_that_holds_down_the_clock_is_named_with_both_clocks() {
    let (mut cards, mut engine) = (Cards::new(1), engine());
    cards.run(&mut engine, 300);
    let slow = Card { bits: 0x40 | 0x8, megahertz: 1095, celsius: 88.0, ..Card::HEALTHY };
    slowed(&mut cards, &mut engine, 110, 4, slow);
    let finding = only(&engine, Rule::ClockThrottle);
    assert_eq!(finding.severity, Severity::Warn);
    assert!(finding.title.starts_with("GPU 0 is slowed down by heat 4"), "{}", finding.title);
    assert!(finding.title.contains("instead of the 1755 MHz"), "{}", finding.title);
    assert!(finding.advice.contains("airflow"), "{}", finding.advice);
    assert!(finding.cost.is_some_and(|cost| cost.high_gpu_seconds > 5.0));
}

#[test]
fn a_brake_of_the_power_supply_is_another_reason_with_another_remedy() {
    let (mut cards, mut engine) = (Cards::new(1), engine());
    let slow = Card { bits: 0x80 | 0x8, megahertz: 705, ..Card::HEALTHY };
    slowed(&mut cards, &mut engine, 300, 7, slow);
    let finding = only(&engine, Rule::ClockThrottle);
    assert_eq!(finding.severity, Severity::High);
    assert!(finding.title.contains("brake of its power supply"), "{}", finding.title);
    assert!(finding.advice.contains("power cables"), "{}", finding.advice);
}

#[test]
fn a_hot_card_far_below_its_own_clock_is_named_without_a_reason_given() {
    let (mut cards, mut engine) = (Cards::new(1), engine());
    cards.run(&mut engine, 600);
    cards.ranks[0].card = Card { bits: 0, megahertz: 1395, celsius: 85.0, ..Card::HEALTHY };
    cards.run(&mut engine, 120);
    let finding = only(&engine, Rule::ClockThrottle);
    assert!(finding.title.contains("85 °C"), "{}", finding.title);
}

#[test]
fn the_power_cap_a_cool_low_clock_or_a_rare_slowdown_is_no_throttling() {
    let (mut cards, mut capped) = (Cards::new(1), engine());
    cards.run(&mut capped, 300);
    cards.ranks[0].card = Card { bits: 0x4, megahertz: 1395, celsius: 70.0, ..Card::HEALTHY };
    cards.run(&mut capped, 600);
    nothing(&capped);
    let (mut cards, mut rare) = (Cards::new(1), engine());
    slowed(&mut cards, &mut rare, 900, 1, Card { bits: 0x40, ..Card::HEALTHY });
    nothing(&rare);
}

#[test]
fn it_ends_when_the_card_has_cooled_down() {
    let (mut cards, mut engine) = (Cards::new(1), engine());
    cards.ranks[0].card = Card { bits: 0x20, celsius: 90.0, ..Card::HEALTHY };
    cards.run(&mut engine, 200);
    cards.ranks[0].card = Card::HEALTHY;
    cards.run(&mut engine, 200);
    assert!(of(&engine, Rule::ClockThrottle)[0].end_ms.is_some());
}
