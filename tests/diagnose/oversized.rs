//! OVERSIZED-COMPUTE and OVERSIZED-VRAM: the smaller size that would do, and when none is named.

use mltop::diagnose::{Change, Engine};
use mltop::model::{Finding, Rule};

use crate::cards::{Card, Cards, engine, nothing, of, only};

/// A fed training that keeps so much of its card at work, and so much of its memory.
fn with(ranks: usize, sm: f64, memory: f64) -> Cards {
    let mut cards = Cards::new(ranks);
    cards.each(|rank| {
        rank.card =
            Card { sm: Some(sm), tensor: sm / 2.0, dram: sm / 2.0, memory, ..Card::HEALTHY };
        rank.main = Some([0.0, 0.0, 0.0]);
    });
    cards
}

/// Two windows of training with an evaluation of two minutes in each half hour.
fn train(cards: &mut Cards, engine: &mut Engine, seconds: u64) -> Vec<Change> {
    let mut changes = Vec::new();
    for _ in 0..seconds / 600 {
        changes.extend(cards.run(engine, 540));
        cards.each(|rank| rank.main = Some([0.0, 0.0, 1.0]));
        changes.extend(cards.run(engine, 60));
        cards.each(|rank| rank.main = Some([0.0, 0.0, 0.0]));
    }
    changes
}

fn compute(engine: &Engine) -> Finding {
    only(engine, Rule::OversizedCompute)
}

#[test]
fn a_third_of_the_multiprocessors_at_work_is_oversized_with_slices_and_their_worst_case() {
    let (mut cards, mut engine) = (with(1, 0.30, 0.15), engine());
    cards.each(|rank| rank.card.memory = 0.55);
    train(&mut cards, &mut engine, 1800);
    nothing(&engine);
    train(&mut cards, &mut engine, 600);
    let finding = compute(&engine);
    assert!(finding.title.contains("at most 3"), "{}", finding.title);
    // 44 GiB fit no slice.
    assert!(!finding.advice.contains("gb slice"), "{}", finding.advice);
    assert!(finding.advice.contains("an H100 PCIe instead of the H100 SXM"), "{}", finding.advice);
    let out = &finding.evidence.last().unwrap().text;
    assert!(out.contains("left out") && out.contains("evaluation 3 min"), "{out}");
}

#[test]
fn a_job_that_would_fit_a_slice_is_told_which_and_what_that_frees() {
    let (mut cards, mut engine) = (with(1, 0.30, 0.30), engine());
    train(&mut cards, &mut engine, 2400);
    let finding = compute(&engine);
    for words in ["a 3g.40gb slice (60 of 132 multiprocessors", "1.00 to 1.3", "a 4g.40gb slice"] {
        assert!(finding.advice.contains(words), "{}", finding.advice);
    }
    assert_eq!(finding.gain, "frees 4/7 of the card, for slower steps");
    let held = finding.evidence.iter().any(|line| line.text.contains("needs 26 GiB"));
    assert!(held, "{:#?}", finding.evidence);
}

#[test]
fn one_that_hardly_uses_its_card_is_given_a_size_that_keeps_its_step() {
    let (mut cards, mut engine) = (with(1, 0.05, 0.30), engine());
    cards.each(|rank| rank.card.util = 0.35);
    train(&mut cards, &mut engine, 2400);
    let finding = of(&engine, Rule::OversizedCompute)[0].clone();
    assert!(finding.advice.starts_with("Use a 3g.40gb slice"), "{}", finding.advice);
    assert_eq!(finding.gain, "frees 4/7 of the card");
}

#[test]
fn no_size_is_named_before_an_evaluation_or_a_checkpoint_was_seen() {
    let (mut cards, mut engine) = (with(1, 0.30, 0.30), engine());
    cards.run(&mut engine, 2400);
    let finding = compute(&engine);
    assert!(finding.advice.contains("before an evaluation or a checkpoint"), "{}", finding.advice);
    assert!(!finding.advice.contains("40gb"), "{}", finding.advice);
    // Once one was seen, the size is news.
    let changes = train(&mut cards, &mut engine, 600);
    assert!(changes.iter().any(|change| matches!(change, Change::Updated(_))), "{changes:#?}");
    assert!(compute(&engine).advice.contains("4g.40gb"), "{}", compute(&engine).advice);
}

#[test]
fn a_minute_above_the_size_that_was_advised_takes_it_back() {
    let (mut cards, mut engine) = (with(1, 0.05, 0.30), engine());
    cards.each(|rank| rank.card.util = 0.35);
    train(&mut cards, &mut engine, 2400);
    // In an evaluation too: it has to run on the smaller size as well.
    cards.each(|rank| (rank.card.sm, rank.main) = (Some(0.48), Some([0.0, 0.0, 1.0])));
    cards.run(&mut engine, 130);
    assert!(of(&engine, Rule::OversizedCompute)[0].end_ms.is_some(), "{:#?}", engine.findings());
}

#[test]
fn a_job_on_several_cards_is_never_sent_to_a_slice() {
    let (mut cards, mut engine) = (with(2, 0.05, 0.30), engine());
    cards.each(|rank| rank.card.util = 0.35);
    train(&mut cards, &mut engine, 2400);
    let all = of(&engine, Rule::OversizedCompute);
    assert_eq!(all.len(), 2, "{:#?}", engine.findings());
    for finding in all {
        assert!(!finding.advice.contains("gb slice"), "{}", finding.advice);
        assert!(finding.advice.contains("no way for a job on several GPUs"), "{}", finding.advice);
    }
}

#[test]
fn of_a_framework_that_takes_memory_ahead_no_size_is_named() {
    let (mut cards, mut engine) = (with(1, 0.30, 0.76), engine());
    cards.kind = "grain";
    train(&mut cards, &mut engine, 2400);
    let finding = compute(&engine);
    assert!(finding.advice.contains("JAX takes it ahead of its need"), "{}", finding.advice);
}

#[test]
fn without_finer_figures_utilization_bounds_what_is_at_work() {
    let (mut cards, mut engine) = (with(1, 0.30, 0.30), engine());
    cards.each(|rank| {
        (rank.card.sm, rank.card.util, rank.card.power) = (None, 0.55, 0.40);
    });
    train(&mut cards, &mut engine, 2400);
    let finding = of(&engine, Rule::OversizedCompute)[0].clone();
    assert!(finding.title.contains("at most 5"), "{}", finding.title);
    assert!(finding.title.contains("of its power limit"), "{}", finding.title);
}

#[test]
fn half_of_the_multiprocessors_a_hot_card_or_one_that_fluctuates_is_not_oversized() {
    let (mut cards, mut half) = (with(1, 0.52, 0.60), engine());
    train(&mut cards, &mut half, 2400);
    nothing(&half);
    let (mut cards, mut up_and_down) = (with(1, 0.30, 0.60), engine());
    for at in 0..300 {
        cards.ranks[0].card.util = if at % 2 == 0 { 0.9 } else { 0.0 };
        cards.run(&mut up_and_down, 8);
    }
    nothing(&up_and_down);
}

#[test]
fn a_starved_run_is_told_that_its_card_only_looks_oversized() {
    let (mut cards, mut engine) = (with(1, 0.30, 0.60), engine());
    cards.each(|rank| {
        (rank.blocked, rank.card.util) = (0.5, 0.5);
        rank.main = None;
    });
    cards.run(&mut engine, 2400);
    let finding = only(&engine, Rule::Starved);
    let last = &finding.evidence.last().unwrap().text;
    assert!(last.contains("looks oversized only because it is unfed"), "{finding:#?}");
    assert!(last.contains("if it were fed"), "{last}");
}

#[test]
fn memory_that_is_never_half_used_is_oversized_with_what_would_be_enough() {
    let (mut cards, mut low) = (with(1, 0.75, 0.30), engine());
    train(&mut cards, &mut low, 2400);
    let finding = only(&low, Rule::OversizedMemory);
    assert!(finding.title.contains("at most 24 GiB of the 80 GiB"), "{}", finding.title);
    assert!(finding.advice.contains("a slice of one with 26 GiB"), "{}", finding.advice);
    // A peak in an evaluation is a peak.
    let (mut cards, mut peak) = (with(1, 0.75, 0.30), engine());
    cards.run(&mut peak, 100);
    cards.each(|rank| (rank.main, rank.card.memory) = (Some([0.0, 0.0, 1.0]), 0.60));
    cards.run(&mut peak, 20);
    cards.each(|rank| (rank.main, rank.card.memory) = (Some([0.0, 0.0, 0.0]), 0.30));
    train(&mut cards, &mut peak, 2400);
    nothing(&peak);
}
