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
#[path = "lab/group.rs"]
mod group;
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
#[path = "lab/promise.rs"]
mod promise;
#[path = "lab/real.rs"]
mod real;
#[path = "lab/score.rs"]
mod score;
#[path = "lab/speed.rs"]
mod speed;
#[path = "common/standin.rs"]
mod standin;
#[path = "lab/table.rs"]
mod table;
#[path = "common/throttle.rs"]
#[expect(dead_code, reason = "only the name of the disk is needed here")]
mod throttle;
#[path = "common/train.rs"]
#[expect(dead_code, reason = "only the interpreters are needed here")]
mod train;
#[path = "lab/trainer.rs"]
mod trainer;
#[path = "lab/truth.rs"]
mod truth;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use score::{Outcome, Score};

/// Hours of each quiet scenario in the short form.
const SHORT_SECONDS: f64 = 1200.0;

/// Seconds of a real scenario, and its seed, which no rule was made with.
const REAL_SECONDS: u64 = 45;
const REAL_SEED: u64 = 14;

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
fn one_seed_of_each_scenario_is_told_and_nothing_else_is() {
    let starved = of_seeds(&[3]);
    let score = Score::of(&starved);
    println!("{}", table::cells(&score));
    println!("{}", table::confusion(&score));
    let misses = table::misses(&score);
    assert!(misses.is_empty(), "{misses:#?}\n{:#?}", alarms(&starved));
    let quiet = quiet(&[3], SHORT_SECONDS);
    assert!(alarms(&quiet).is_empty(), "{:#?}", alarms(&quiet));
}

/// Seconds of a real scenario in the short form, its seed, and how often a busy machine may disturb it.
const SHORT_REAL: (u64, u64) = (24, 100);
const TRIES: u32 = 3;

#[test]
#[ignore = "wants a machine that does nothing else"]
fn a_real_loop_is_told_why_it_starves_in_short() {
    let real = real::ALL.iter().find(|real| real.name == "hand-over").unwrap();
    let mut tries = (1..=TRIES).map(|number| {
        let outcome = match real::run(real, SHORT_REAL.1, SHORT_REAL.0, false) {
            Ok(outcome) => outcome,
            Err(why) => {
                println!("skipped: {}: {why}", real.name);
                return true;
            }
        };
        let score = Score::of([&outcome]);
        println!("{}: {}", real.name, table::cells(&score));
        let told = score.top.1 == 1;
        if !told {
            println!("missed, try {number} of {TRIES}: {:#?}", outcome.told);
        }
        told
    });
    assert!(tries.any(|told| told), "its cause is not named in {TRIES} tries");
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
    let hours = std::env::var("MLTOP_LAB_HOURS").ok().and_then(|hours| hours.parse().ok());
    let quiet = quiet(&seeds, 3600.0 * hours.unwrap_or(1.0));
    println!("{:#?}\n{:#?}", alarms(&starved), alarms(&quiet));
}

/// Real scenarios that were made to starve and did not: they show nothing.
fn fed(outcomes: &[Outcome]) -> Vec<String> {
    let starves =
        |name: &str| real::ALL.iter().any(|real| real.name == name && real.cause.is_some());
    let fed = outcomes.iter().filter(|outcome| starves(&outcome.name) && outcome.truth.is_empty());
    fed.map(|outcome| format!("{} never starved", outcome.name)).collect()
}

/// `MLTOP_LAB_ONLY="disk" cargo test --release --test lab real -- --ignored --nocapture`
#[test]
#[ignore = "takes ten minutes; tests/lab/run runs it with the rest"]
fn the_real_scenarios() {
    let (outcomes, skipped) = real_ones();
    println!("{}", table::by_name(&outcomes));
    println!("{}", table::confusion(&Score::of(&outcomes)));
    println!("{:#?}\n{:#?}\n{skipped:#?}", alarms(&outcomes), fed(&outcomes));
}

/// `cargo test --release --test lab promises -- --ignored --nocapture`
#[test]
#[ignore = "takes five minutes on a machine that does nothing else; tests/lab/run runs it with the rest"]
fn promises_are_kept() {
    let (kept, skipped) = promises();
    println!("{}", promise::page(&kept));
    let misses: Vec<String> = kept.iter().flat_map(promise::Kept::misses).collect();
    assert!(misses.is_empty() && skipped.is_empty(), "{misses:#?} {skipped:#?}");
}

fn promises() -> (Vec<promise::Kept>, Vec<String>) {
    let (mut all, mut skipped) = (Vec::new(), Vec::new());
    for change in promise::ALL {
        match promise::run(*change) {
            Ok(kept) => all.push(kept),
            Err(why) => skipped.push(format!("{}: {why}", change.what)),
        }
    }
    (all, skipped)
}

/// `cargo test --release --test lab eight_hours -- --ignored --nocapture`
#[test]
#[ignore = "a measurement; tests/lab/run runs it with the rest"]
fn eight_hours_are_diagnosed_in_seconds() {
    for (interval, seconds, limit) in speeds() {
        println!("a tick each {interval} s: {seconds:.1} s (at most {limit:.0})");
        assert!(seconds <= limit, "{seconds:.1} s");
    }
}

fn speeds() -> Vec<(f64, f64, f64)> {
    let limits = speed::LIMITS.iter();
    limits.map(|&(interval, limit)| (interval, speed::replay(interval), limit)).collect()
}

#[test]
#[ignore = "takes 20 minutes on a machine that does nothing else; tests/lab/run runs it"]
fn the_whole_laboratory() {
    let seeds = plans::held_out();
    let simulated = of_seeds(&seeds);
    let quiet = quiet(&seeds, 3600.0);
    let speeds = speeds();
    let (real, mut skipped) = real_ones();
    let (kept, not_kept) = promises();
    skipped.extend(not_kept);
    let page = table::page(&table::Whole {
        simulated: &simulated,
        quiet: &quiet,
        real: &real,
        promises: &promise::page(&kept),
        speeds: &speeds,
        skipped: &skipped,
    });
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/TABLE.md");
    std::fs::write(&path, page).unwrap();
    println!("written: {}", path.display());
    let mut misses = table::misses(&Score::of(simulated.iter().chain(&real)));
    misses.extend(fed(&real));
    misses.extend([&simulated, &quiet, &real].into_iter().flat_map(|all| alarms(all)));
    misses.extend(kept.iter().flat_map(promise::Kept::misses));
    assert!(misses.is_empty() && skipped.is_empty(), "{misses:#?} {skipped:#?}");
}

/// Runs the real scenarios: those that need the machine for themselves first, then two at a time.
fn real_ones() -> (Vec<Outcome>, Vec<String>) {
    let number = |name: &str| std::env::var(name).ok().and_then(|number| number.parse().ok());
    let seconds = number("MLTOP_LAB_SECONDS").unwrap_or(REAL_SECONDS);
    let jobs = number("MLTOP_LAB_JOBS").unwrap_or(2);
    let again = std::env::var_os("MLTOP_LAB_AGAIN").is_some();
    let only = std::env::var("MLTOP_LAB_ONLY").unwrap_or_default();
    let wanted = |real: &&real::Real| only.is_empty() || only.split(' ').any(|w| w == real.name);
    let (mut done, mut skipped) = (Vec::new(), Vec::new());
    for alone in [true, false] {
        let todo = real::ALL.iter().filter(wanted).filter(|real| real.alone == alone);
        let todo = Mutex::new(todo.collect::<VecDeque<_>>());
        let came = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..if alone { 1 } else { jobs } {
                scope.spawn(|| {
                    loop {
                        let Some(real) = todo.lock().unwrap().pop_front() else { return };
                        let outcome = real::run(real, REAL_SEED, seconds, again);
                        if let Ok(outcome) = &outcome {
                            let score = Score::of([outcome]);
                            println!("{}: {}", real.name, table::cells(&score));
                        }
                        came.lock().unwrap().push((real.name, outcome));
                    }
                });
            }
        });
        for (name, outcome) in came.into_inner().unwrap() {
            match outcome {
                Ok(outcome) => done.push(outcome),
                Err(why) => skipped.push(format!("{name}: {why}")),
            }
        }
    }
    let place = |name: &str| real::ALL.iter().position(|real| real.name == name);
    done.sort_by_key(|outcome| place(&outcome.name));
    (done, skipped)
}
