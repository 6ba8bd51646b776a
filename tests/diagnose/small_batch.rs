//! SMALL-BATCH.

use mltop::model::{Finding, Rule, Severity};

use crate::cards::{Cards, engine, nothing, of, only, played};

fn with(util: f64, sm: Option<f64>, memory: f64) -> Cards {
    let mut cards = Cards::new(1);
    let card = &mut cards.ranks[0].card;
    (card.util, card.sm, card.memory) = (util, sm, memory);
    (card.tensor, card.power) = (sm.unwrap_or_default() / 2.0, 0.35);
    cards
}

/// Ten minutes with a fifth of the multiprocessors and of the memory in use.
pub(crate) fn raises() -> Vec<Finding> {
    played(with(0.96, Some(0.18), 0.22), 600)
}

/// The same with three in five of the memory in use: neither room nor the lack of it.
pub(crate) fn misses() -> Vec<Finding> {
    played(with(0.96, Some(0.18), 0.60), 600)
}

#[test]
fn a_busy_card_with_few_multiprocessors_at_work_and_memory_to_spare_is_named() {
    let (mut cards, mut engine) = (with(0.96, Some(0.18), 0.22), engine());
    cards.run(&mut engine, 300);
    nothing(&engine);
    cards.run(&mut engine, 90);
    let finding = only(&engine, Rule::SmallBatch);
    assert_eq!(finding.severity, Severity::Warn);
    assert!(finding.title.contains("96 %") && finding.title.contains("18 %"), "{}", finding.title);
    assert!(finding.advice.contains("batch_size"), "{}", finding.advice);
    assert!(!finding.title.contains("main thread"), "{}", finding.title);
}

#[test]
fn a_main_thread_that_never_leaves_its_cpu_is_what_an_idle_card_waits_for() {
    let (mut cards, mut first) = (with(0.62, Some(0.18), 0.22), engine());
    cards.ranks[0].main_runs = true;
    cards.run(&mut first, 600);
    let finding = only(&first, Rule::SmallBatch);
    assert!(finding.title.contains("main thread, on a CPU in 100 %"), "{}", finding.title);
    assert!(finding.advice.contains("reduce-overhead"), "{}", finding.advice);
    // A main thread that waits for a busy card spins as well: that is no launching.
    let (mut cards, mut busy) = (with(0.96, Some(0.18), 0.22), engine());
    cards.ranks[0].main_runs = true;
    cards.run(&mut busy, 600);
    assert!(!only(&busy, Rule::SmallBatch).title.contains("main thread"));
}

#[test]
fn full_memory_is_said_apart_as_no_larger_batch_fits() {
    let (mut cards, mut engine) = (with(0.45, None, 0.88), engine());
    cards.run(&mut engine, 600);
    let finding = only(&engine, Rule::SmallBatch);
    assert!(finding.title.contains("no room for a larger batch"), "{}", finding.title);
    assert!(finding.advice.contains("activation checkpointing"), "{}", finding.advice);
}

#[test]
fn more_multiprocessors_more_memory_or_less_data_is_no_small_batch() {
    for (util, sm, memory) in [
        (0.96, Some(0.30), 0.22),
        (0.96, Some(0.18), 0.60),
        (0.60, None, 0.22),
        (0.30, Some(0.18), 0.22),
    ] {
        let (mut cards, mut engine) = (with(util, sm, memory), engine());
        cards.run(&mut engine, 900);
        assert!(of(&engine, Rule::SmallBatch).is_empty(), "{util} {sm:?} {memory}");
        nothing(&engine);
    }
    let (mut cards, mut starved) = (with(0.45, None, 0.22), engine());
    cards.ranks[0].blocked = 0.5;
    cards.run(&mut starved, 900);
    only(&starved, Rule::Starved);
}

#[test]
fn a_card_that_is_now_full_and_now_idle_has_no_small_batch() {
    let (mut cards, mut engine) = (with(0.45, None, 0.22), engine());
    for at in 0..120 {
        cards.ranks[0].card.util = if at % 2 == 0 { 0.9 } else { 0.0 };
        cards.run(&mut engine, 8);
    }
    nothing(&engine);
}
