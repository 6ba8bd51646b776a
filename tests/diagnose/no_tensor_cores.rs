//! NO-TENSOR-CORES.

use mltop::model::{Finding, Rule, Severity};

use crate::cards::{Cards, engine, nothing, of, only, played};

fn with(tensor: f64, dram: f64) -> Cards {
    let mut cards = Cards::new(1);
    (cards.ranks[0].card.tensor, cards.ranks[0].card.dram) = (tensor, dram);
    cards
}

/// Ten minutes of float32.
pub(crate) fn raises() -> Vec<Finding> {
    played(with(0.0, 0.3), 600)
}

/// Ten minutes in which they are at work a little more than a tenth of the time.
pub(crate) fn misses() -> Vec<Finding> {
    played(with(0.12, 0.3), 600)
}

#[test]
fn busy_multiprocessors_without_tensor_cores_are_named_with_both_shares() {
    let (mut cards, mut engine) = (with(0.0, 0.3), engine());
    cards.run(&mut engine, 300);
    nothing(&engine);
    cards.run(&mut engine, 90);
    let finding = only(&engine, Rule::NoTensorCores);
    assert_eq!(finding.severity, Severity::Warn);
    assert!(finding.title.contains("75 %") && finding.title.contains("0.0 %"), "{}", finding.title);
    assert!(finding.advice.contains("torch.autocast"), "{}", finding.advice);
}

#[test]
fn a_little_use_of_them_is_an_information_and_none_where_memory_binds() {
    let (mut cards, mut alone) = (with(0.06, 0.3), engine());
    cards.run(&mut alone, 600);
    assert_eq!(only(&alone, Rule::NoTensorCores).severity, Severity::Info);
    let (mut cards, mut bound) = (with(0.06, 0.7), engine());
    cards.run(&mut bound, 600);
    nothing(&bound);
}

#[test]
fn a_card_that_uses_them_a_little_more_or_that_has_no_such_counters_is_not_named() {
    for sm in [Some(0.75), None] {
        let (mut cards, mut engine) = (with(0.12, 0.3), engine());
        cards.ranks[0].card.sm = sm;
        cards.run(&mut engine, 900);
        nothing(&engine);
    }
}

#[test]
fn it_ends_when_mixed_precision_is_switched_on() {
    let (mut cards, mut engine) = (with(0.0, 0.3), engine());
    cards.run(&mut engine, 600);
    cards.ranks[0].card.tensor = 0.4;
    cards.run(&mut engine, 400);
    let all = of(&engine, Rule::NoTensorCores);
    assert!(all.len() == 1 && all[0].end_ms.is_some(), "{all:#?}");
}
