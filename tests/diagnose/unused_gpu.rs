//! UNUSED-GPU.

use mltop::model::{Finding, Pid, Rule, Severity};

use crate::cards::{Card, Cards, engine, nothing, of, only, played};

const ALL: Option<(&[u32], &str)> = Some((&[0, 1, 2, 3], ""));
const TWO: Option<(&[u32], &str)> = Some((&[0, 1], ""));

fn with(given: Option<(&'static [u32], &'static str)>) -> Cards {
    let mut cards = Cards::new(2);
    cards.spare = vec![Card::FREE, Card::FREE];
    cards.given = given;
    cards
}

/// Two of four cards that are listed are used.
pub(crate) fn raises() -> Vec<Finding> {
    played(with(ALL), 400)
}

/// Two of four cards are used, and no more are listed.
pub(crate) fn misses() -> Vec<Finding> {
    played(with(TWO), 400)
}

#[test]
fn cards_that_a_run_lists_and_does_not_use_are_named_with_their_number() {
    let (mut cards, mut engine) = (with(ALL), engine());
    cards.run(&mut engine, 290);
    nothing(&engine);
    cards.run(&mut engine, 60);
    let finding = only(&engine, Rule::UnusedGpu);
    assert_eq!(finding.severity, Severity::High);
    assert!(
        finding.title.starts_with("train.py keeps 2 of 4 GPUs at work: GPUs 2, 3"),
        "{}",
        finding.title
    );
    assert!(finding.advice.contains("--nproc_per_node=4"), "{}", finding.advice);
    cards.run(&mut engine, 100);
    let cost = of(&engine, Rule::UnusedGpu)[0].cost.unwrap();
    assert!((2.0 * 380.0..2.0 * 455.0).contains(&cost.gpu_seconds), "{cost:?}");
}

#[test]
fn where_nothing_rules_a_card_out_that_is_a_warning() {
    for given in [None, Some((&[0, 1, 2, 3][..], "set within Python"))] {
        let (mut cards, mut engine) = (with(given), engine());
        cards.run(&mut engine, 400);
        assert_eq!(only(&engine, Rule::UnusedGpu).severity, Severity::Warn);
    }
}

#[test]
fn only_the_cards_that_were_given_count() {
    let (mut cards, mut engine) = (with(Some((&[0, 1, 3], ""))), engine());
    cards.run(&mut engine, 400);
    let finding = only(&engine, Rule::UnusedGpu);
    assert!(
        finding.title.starts_with("train.py keeps 2 of 3 GPUs at work: GPU 3"),
        "{}",
        finding.title
    );
}

#[test]
fn cards_that_the_run_may_not_use_are_none_of_its_business() {
    let (mut cards, mut engine) = (with(TWO), engine());
    cards.run(&mut engine, 900);
    nothing(&engine);
}

#[test]
fn a_card_in_use_by_others_or_beside_an_idle_run_is_not_unused() {
    let (mut cards, mut first) = (with(ALL), engine());
    cards.spare = vec![Card { util: 0.5, ..Card::FREE }; 2];
    cards.run(&mut first, 900);
    nothing(&first);
    let (mut cards, mut idle) = (with(ALL), engine());
    cards.each(|rank| rank.card.util = 0.2);
    cards.run(&mut idle, 900);
    assert!(of(&idle, Rule::UnusedGpu).is_empty());
}

/// Three of four cards have a rank each, and of the fourth a rank holds some memory.
fn three_of_four(holder: Pid, share: f64) -> Cards {
    let mut cards = Cards::new(3);
    cards.spare = vec![Card { memory: share, ..Card::IDLE }];
    cards.held = vec![(holder, 3, share)];
    cards.given = ALL;
    cards
}

#[test]
fn a_card_with_nothing_but_a_context_of_the_run_is_unused() {
    // 0.4 GiB: what a rank leaves where it touches a card once.
    let (mut cards, mut engine) = (three_of_four(Cards::pid(0), 0.005), engine());
    cards.run(&mut engine, 400);
    let finding = only(&engine, Rule::UnusedGpu);
    let title = "train.py keeps 3 of 4 GPUs at work: GPU 3, which its CUDA_VISIBLE_DEVICES gives it, \
                 had nothing but a context and no work";
    assert!(finding.title.starts_with(title), "{}", finding.title);
    assert!(finding.evidence[0].text.contains("are all that is held of GPU 3"), "{finding:#?}");
    assert!(finding.advice.contains("--nproc_per_node=4"), "{}", finding.advice);
    // It ends as soon as a kernel runs there.
    cards.spare[0].util = 0.3;
    cards.run(&mut engine, 3);
    assert!(of(&engine, Rule::UnusedGpu)[0].end_ms.is_some());
}

#[test]
fn a_context_of_others_and_memory_that_is_more_than_one_are_no_unused_card() {
    for cards in [three_of_four(Pid(9), 0.005), three_of_four(Cards::pid(0), 0.3)] {
        let (mut cards, mut engine) = (cards, engine());
        cards.run(&mut engine, 500);
        assert!(of(&engine, Rule::UnusedGpu).is_empty(), "{:#?}", engine.findings());
    }
}

#[test]
fn it_ends_with_the_first_use() {
    let (mut cards, mut engine) = (with(ALL), engine());
    cards.run(&mut engine, 400);
    cards.spare = vec![Card { free: true, ..Card::HEALTHY }; 2];
    cards.run(&mut engine, 3);
    assert!(of(&engine, Rule::UnusedGpu)[0].end_ms.is_some());
}
