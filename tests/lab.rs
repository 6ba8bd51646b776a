//! The laboratory: what is said of labelled scenarios, against what is true of them.
//!
//! A short form runs with the tests; `tests/lab/run` runs all of it and writes `tests/lab/TABLE.md`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop, and says what it measured or skipped"
)]

#[path = "lab/dice.rs"]
mod dice;
#[path = "lab/load.rs"]
mod load;
#[path = "lab/looks.rs"]
mod looks;
#[path = "lab/machine.rs"]
mod machine;
#[path = "lab/pipe.rs"]
mod pipe;
#[path = "lab/plans.rs"]
mod plans;
#[path = "lab/play.rs"]
mod play;
#[path = "lab/score.rs"]
mod score;
#[path = "lab/table.rs"]
mod table;
#[path = "lab/trainer.rs"]
mod trainer;
#[path = "lab/truth.rs"]
mod truth;

use std::thread;

use score::{Outcome, Score};

/// Hours of each quiet scenario in the short form.
const SHORT_SECONDS: f64 = 1200.0;

fn of_seeds(seeds: &[u64]) -> Vec<Outcome> {
    let plans = (0..plans::STARVED.len())
        .flat_map(|index| seeds.iter().map(move |&seed| plans::starved(index, seed)));
    side_by_side(plans.collect())
}

fn quiet(seeds: &[u64], seconds: f64) -> Vec<Outcome> {
    let plans = (0..plans::QUIET.len())
        .flat_map(|index| seeds.iter().map(move |&seed| plans::quiet(index, seed, seconds)));
    side_by_side(plans.collect())
}

/// Plays scenarios on two threads, and gives what came of them in their order.
fn side_by_side(plans: Vec<load::Plan>) -> Vec<Outcome> {
    let half = plans.len() / 2;
    let mut first = plans;
    let second = first.split_off(half);
    let play = |plans: Vec<load::Plan>| plans.into_iter().map(play::play).collect::<Vec<_>>();
    thread::scope(|scope| {
        let second = scope.spawn(|| play(second));
        let mut all = play(first);
        all.extend(second.join().unwrap());
        all
    })
}

fn alarms(outcomes: &[Outcome]) -> Vec<String> {
    let of = |outcome: &Outcome| {
        let say = |told: &&score::Told| {
            let (from, to) = told.live;
            format!("{}, {from:.0} to {to:.0} s: {}", outcome.name, told.last.title)
        };
        outcome.alarms().iter().map(say).collect::<Vec<_>>()
    };
    outcomes.iter().flat_map(of).collect()
}

#[test]
fn one_held_out_seed_of_each_scenario_is_told_and_nothing_else_is() {
    let starved = of_seeds(&[3]);
    let score = Score::of(&starved);
    println!("{}", table::cells(&score));
    println!("{}", table::confusion(&score));
    let misses = table::misses(&score);
    assert!(misses.is_empty(), "{misses:#?}\n{:#?}", alarms(&starved));
    let quiet = quiet(&[3], SHORT_SECONDS);
    assert!(alarms(&quiet).is_empty(), "{:#?}", alarms(&quiet));
}

/// `MLTOP_LAB_SEEDS=0,1,2 cargo test --release --test lab tuning -- --ignored --nocapture`
#[test]
#[ignore = "for work on the engine: prints what came of the seeds that are for tuning"]
fn the_seeds_for_tuning() {
    let seeds = std::env::var("MLTOP_LAB_SEEDS").unwrap_or_else(|_| "0,1,2".into());
    let seeds: Vec<u64> = seeds.split(',').map(|seed| seed.parse().unwrap()).collect();
    assert!(seeds.iter().all(|seed| !plans::is_held_out(*seed)), "these are for the score");
    let starved = of_seeds(&seeds);
    println!("{}", table::by_name(&starved));
    println!("{}", table::cells(&Score::of(&starved)));
    println!("{}", table::confusion(&Score::of(&starved)));
    let quiet = quiet(&seeds, 3600.0);
    println!("{:#?}\n{:#?}", alarms(&starved), alarms(&quiet));
}

#[test]
#[ignore = "scratch"]
fn scratch_waits() {
    for (index, seed, around) in [(3, 0, 1099.0), (3, 0, 1649.0), (3, 1, 1099.0), (3,1,1649.0),(3,2,1099.0),(3,2,1649.0), (4, 0, 1154.0),(4,1,1154.0),(4,2,1154.0)] {
        let plan = plans::quiet(index, seed, 3600.0);
        let mut machine = machine::Machine::new(vec![plan], 1.0);
        while machine.now() < around + 60.0 { machine.tick(); }
        let waits: Vec<_> = machine.trainer().waits.iter().map(|w| w.0).collect();
        let share = |from: f64, to: f64| truth::overlap(&waits, &[(from, to)]) / (to - from);
        println!("{index} {seed} {around} hour {:.3}", share(0.0, around));
        for at in (-40..=40).step_by(5) { let t = around + f64::from(at); print!("{at}:{:.3}/{:.3} ", share(t-10.0,t), share(t-30.0,t)); }
        println!();
    }
}
