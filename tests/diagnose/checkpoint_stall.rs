//! CHECKPOINT-STALL.

use mltop::diagnose::Engine;
use mltop::model::{Finding, Rule, Severity};

use crate::cards::{Card, Cards, engine, nothing, of, only};

/// Saves so many times: trains, and stands still while rank 0 writes.
fn save(
    cards: &mut Cards,
    engine: &mut Engine,
    times: u32,
    (train, stand): (u64, u64),
    frames: bool,
) {
    for _ in 0..times {
        cards.each(|rank| {
            (rank.card, rank.steps, rank.write) = (Card::HEALTHY, 4.0, 0.0);
            rank.main = frames.then_some([0.0, 0.0, 0.0]);
        });
        cards.run(engine, train);
        cards.each(|rank| (rank.card, rank.steps) = (Card::SPINS, 0.0));
        (cards.ranks[0].card, cards.ranks[0].write) = (Card::IDLE, 1.5e9);
        if frames {
            cards.ranks[0].main = Some([0.0, 1.0, 0.0]);
        }
        cards.run(engine, stand);
    }
    cards.each(|rank| (rank.card, rank.steps, rank.write) = (Card::HEALTHY, 4.0, 0.0));
    cards.each(|rank| rank.main = frames.then_some([0.0, 0.0, 0.0]));
    cards.run(engine, 10);
}

/// Three saves of 20 s, two minutes apart.
pub(crate) fn raises() -> Vec<Finding> {
    let (mut cards, mut engine) = (Cards::new(4), engine());
    save(&mut cards, &mut engine, 3, (120, 20), true);
    engine.findings().to_vec()
}

/// Two of them.
pub(crate) fn misses() -> Vec<Finding> {
    let (mut cards, mut engine) = (Cards::new(4), engine());
    save(&mut cards, &mut engine, 2, (120, 20), true);
    engine.findings().to_vec()
}

#[test]
fn the_third_save_that_holds_all_ranks_up_is_named_with_their_share_and_what_was_written() {
    let (mut cards, mut engine) = (Cards::new(4), engine());
    save(&mut cards, &mut engine, 2, (120, 20), true);
    nothing(&engine);
    save(&mut cards, &mut engine, 1, (120, 20), true);
    let finding = only(&engine, Rule::CheckpointStall);
    assert_eq!(finding.severity, Severity::Warn);
    assert!(
        finding.title.contains("to save checkpoints 14 % of the time: 3 times, 20.0 s each"),
        "{}",
        finding.title
    );
    assert!(finding.title.ends_with("and 3 others wait for it"), "{}", finding.title);
    assert!(finding.evidence[1].text.contains("1.5 GB/s"), "{:#?}", finding.evidence);
    assert!(finding.advice.contains("async_save"), "{}", finding.advice);
    let cost = finding.cost.unwrap().gpu_seconds;
    assert!((230.0..=240.0).contains(&cost), "3 saves of 20 s on 4 cards: {cost}");
}

#[test]
fn without_its_frames_a_rank_that_writes_while_its_card_idles_is_said_to_write() {
    let (mut cards, mut engine) = (Cards::new(1), engine());
    save(&mut cards, &mut engine, 4, (60, 20), false);
    let finding = only(&engine, Rule::CheckpointStall);
    assert_eq!(finding.severity, Severity::High);
    assert!(finding.title.contains("while it writes, as for checkpoints"), "{}", finding.title);
}

#[test]
fn two_saves_short_ones_or_rare_ones_are_no_habit_worth_a_word() {
    for (times, span) in [(2, (60, 20)), (6, (120, 1)), (4, (400, 8))] {
        let (mut cards, mut engine) = (Cards::new(2), engine());
        save(&mut cards, &mut engine, times, span, true);
        nothing(&engine);
    }
}

#[test]
fn a_save_in_the_background_is_no_stall() {
    let (mut cards, mut engine) = (Cards::new(2), engine());
    for _ in 0..5 {
        cards.ranks[0].write = 0.0;
        cards.run(&mut engine, 60);
        cards.ranks[0].write = 1.5e9;
        cards.run(&mut engine, 30);
    }
    nothing(&engine);
}

#[test]
fn when_no_more_saves_come_it_ends_with_the_last_one() {
    let (mut cards, mut engine) = (Cards::new(1), engine());
    save(&mut cards, &mut engine, 4, (60, 20), true);
    let last = cards.now;
    cards.run(&mut engine, 1200);
    let finding = &of(&engine, Rule::CheckpointStall)[0];
    let end = (finding.end_ms.unwrap() - crate::cards::START_MS) / 1000;
    assert!((end - last as i64).abs() <= 15, "{end} is not about {last}");
}
