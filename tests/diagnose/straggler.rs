//! STRAGGLER, and ranks that spin in NCCL.

use mltop::diagnose::Engine;
use mltop::model::{Finding, Rule, Severity};

use crate::cards::{Card, Cards, engine, nothing, of, only};

/// Four ranks in healthy training for three minutes.
fn trained() -> (Cards, Engine) {
    let (mut cards, mut engine) = (Cards::new(4), engine());
    cards.run(&mut engine, 180);
    nothing(&engine);
    (cards, engine)
}

/// A card that works for a share of each second and spins for the rest.
fn partly(working: f64) -> Card {
    let power = working * Card::HEALTHY.power + (1.0 - working) * Card::SPINS.power;
    Card { power, util: 0.99, noise: 0.01, ..Card::HEALTHY }
}

/// Three ranks of four spin for the other 45 % of the time.
pub(crate) fn raises() -> Vec<Finding> {
    let (mut cards, mut engine) = trained();
    for rank in [0, 1, 3] {
        cards.ranks[rank].card = partly(0.55);
    }
    cards.run(&mut engine, 120);
    engine.findings().to_vec()
}

/// All four do: nobody is late.
pub(crate) fn misses() -> Vec<Finding> {
    let (mut cards, mut engine) = trained();
    cards.each(|rank| rank.card = partly(0.55));
    cards.run(&mut engine, 120);
    engine.findings().to_vec()
}

#[test]
fn ranks_that_spin_for_a_late_one_are_told_from_ranks_that_work() {
    let (mut cards, mut engine) = trained();
    for rank in [0, 1, 3] {
        cards.ranks[rank].card = partly(0.55);
    }
    cards.run(&mut engine, 120);
    let finding = only(&engine, Rule::Straggler);
    assert_eq!(finding.pid, Some(Cards::pid(2)));
    assert_eq!(finding.severity, Severity::High);
    assert!(
        finding.title.starts_with("train.py (rank 2) is late, and the other 3 ranks"),
        "{}",
        finding.title
    );
    assert!(!finding.title.contains(": it"), "no cause is known: {}", finding.title);
    assert!(finding.evidence[0].text.contains("99 % utilized"), "{:#?}", finding.evidence);
    assert!(finding.cost.is_some());
}

#[test]
fn its_loader_or_its_clock_is_named_where_that_covers_the_wait() {
    let (mut cards, mut first) = trained();
    for rank in [0, 1, 3] {
        cards.ranks[rank].card = partly(0.60);
    }
    (cards.ranks[2].card.megahertz, cards.ranks[2].card.bits) = (1005, 0);
    cards.run(&mut first, 120);
    let finding = only(&first, Rule::Straggler);
    assert!(finding.title.ends_with("its clock is 1005 MHz, theirs 1755 MHz"), "{}", finding.title);
    // The frames of the main threads tell of a wait that is too short to show in the power.
    let (mut cards, mut second) = trained();
    cards.each(|rank| rank.main = Some([0.11, 0.0, 0.0]));
    (cards.ranks[1].main, cards.ranks[1].blocked) = (Some([0.0, 0.0, 0.0]), 0.09);
    cards.run(&mut second, 120);
    let finding = only(&second, Rule::Straggler);
    assert!(finding.title.contains("(rank 1)"), "{}", finding.title);
    assert!(finding.title.ends_with("it waits for its data 9 % of the time"), "{}", finding.title);
}

#[test]
fn a_starved_rank_is_told_as_starvation_alone() {
    let (mut cards, mut engine) = trained();
    for rank in [0, 1, 3] {
        cards.ranks[rank].card = partly(0.6);
    }
    (cards.ranks[2].card.util, cards.ranks[2].blocked) = (0.6, 0.4);
    cards.run(&mut engine, 240);
    let finding = only(&engine, Rule::Starved);
    assert_eq!(finding.pid, Some(Cards::pid(2)));
}

#[test]
fn ranks_that_all_draw_little_or_take_turns_in_being_late_are_none() {
    let (mut cards, mut light) = (Cards::new(4), engine());
    cards.each(|rank| {
        rank.card = Card { util: 0.98, power: 0.30, sm: Some(0.55), ..Card::HEALTHY };
    });
    cards.run(&mut light, 600);
    nothing(&light);
    let (mut cards, mut turns) = trained();
    for late in (0..4).cycle().take(40) {
        for rank in 0..4 {
            cards.ranks[rank].card = if rank == late { Card::HEALTHY } else { partly(0.6) };
        }
        cards.run(&mut turns, 10);
    }
    nothing(&turns);
}

#[test]
fn a_wait_of_a_twentieth_of_the_time_is_none_and_it_ends_when_ranks_keep_step() {
    let (mut cards, mut short) = trained();
    cards.each(|rank| rank.main = Some([0.05, 0.0, 0.0]));
    cards.ranks[1].main = Some([0.0, 0.0, 0.0]);
    cards.run(&mut short, 300);
    nothing(&short);
    let (mut cards, mut over) = trained();
    for rank in [0, 1, 3] {
        cards.ranks[rank].card = Card::SPINS;
    }
    cards.run(&mut over, 120);
    cards.each(|rank| rank.card = Card::HEALTHY);
    cards.run(&mut over, 150);
    assert!(of(&over, Rule::Straggler)[0].end_ms.is_some(), "{:#?}", over.findings());
}
