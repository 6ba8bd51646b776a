//! Real loaders of real trainings, against the truth that the training writes itself.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop, and says what it measured or skipped"
)]

#[path = "common/alone.rs"]
mod alone;
#[path = "common/train.rs"]
mod train;

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use mltop::model::sample::{Bound, LoaderSample, ReadySource};
use mltop::model::{Gap, Pid, Reading};
use mltop::source::Roots;
use mltop::source::loader::{Engine, Ladder, Loaders, Seen};

use alone::alone;
use train::{Training, Truth, interpreters};

/// Looks at a training until it ends.
fn observe(python: &Path, args: &[&str]) -> (Vec<Seen>, LoaderSample, Truth) {
    let folder = tempfile::tempdir().unwrap();
    let mut training = Training::start(python, folder.path(), args);
    let pid = Pid(training.pid());
    let mut engine = Engine::new(Roots::default(), Vec::new()).unwrap();
    engine.watch(&BTreeMap::from([(pid, Vec::new())]), Instant::now());
    let seconds: f64 =
        args[args.iter().position(|&arg| arg == "--seconds").unwrap() + 1].parse().unwrap();
    let end = Instant::now() + Duration::from_secs_f64(seconds - 0.5);
    let mut seen = Vec::new();
    let mut turn = 0_u64;
    let mut cost = Duration::ZERO;
    while Instant::now() < end {
        let before = Instant::now();
        seen.extend(engine.look_now(before));
        cost += before.elapsed();
        turn += 1;
        thread::sleep(Duration::from_millis(14 + turn * 7 % 13));
    }
    println!("{:.0} µs a look at all of it", cost.as_secs_f64() * 1e6 / engine.looks as f64);
    let row = engine.rows(Instant::now(), false).first().map(|(_, row)| row.clone()).unwrap();
    let truth = training.finish();
    (seen, row, truth)
}

#[derive(Debug)]
struct Score {
    looks: usize,
    within_one: f64,
    error: f64,
    correlation: f64,
    mean: f64,
    true_mean: f64,
}

/// How guesses compare with the truth. A look within what the truth was around its time is right.
fn score(truth: &Truth, guesses: impl Iterator<Item = (std::time::SystemTime, f64)>) -> Score {
    let pairs: Vec<(f64, f64, f64)> = guesses
        .filter_map(|(at, guess)| {
            let (low, high) = truth.range(at)?;
            let (a, b) = truth.around(at)?;
            let nearest = guess.clamp(low, high);
            Some((guess, f64::midpoint(a, b), (guess - nearest).abs()))
        })
        .collect();
    let n = pairs.len() as f64;
    let mean = |value: &dyn Fn(&(f64, f64, f64)) -> f64| pairs.iter().map(value).sum::<f64>() / n;
    let (x, y) = (mean(&|pair| pair.0), mean(&|pair| pair.1));
    let covariance = mean(&|pair| (pair.0 - x) * (pair.1 - y));
    let spread = (mean(&|pair| (pair.0 - x).powi(2)) * mean(&|pair| (pair.1 - y).powi(2))).sqrt();
    Score {
        looks: pairs.len(),
        within_one: mean(&|pair| f64::from(u8::from(pair.2 <= 1.0))),
        error: mean(&|pair| pair.2),
        correlation: if spread > 0.0 { covariance / spread } else { 0.0 },
        mean: x,
        true_mean: y,
    }
}

fn of(truth: &Truth, seen: &[Seen]) -> Score {
    score(truth, seen.iter().filter_map(|look| Some((look.at, look.ready.ok()? as f64))))
}

fn plain_case(name: &str, python: &Path, mode: &str, workers: u32) {
    let workers = workers.to_string();
    let args = ["--mode", mode, "--workers", &workers, "--seconds", "3.5"];
    let (seen, row, truth) = observe(python, &args);
    let found = of(&truth, &seen);
    println!("{name} {mode} {workers} workers, torch {}: {found:?}", truth.torch);
    assert!(found.looks > 60, "{name} {mode} {workers}: only {} looks", found.looks);
    assert!(found.within_one >= 0.9, "{name} {mode} {workers}: {found:?}");
    assert!(seen.iter().all(|look| look.source == ReadySource::Pipe));
    assert_eq!(row.workers, Reading::Is(workers.parse().unwrap()));
    if mode != "balanced" {
        assert_eq!(row.capacity, Reading::Is(2 * workers.parse::<u64>().unwrap()), "{row:?}");
    }
}

#[test]
fn the_depth_of_a_plain_loader_is_right_within_a_batch_with_every_torch() {
    for (name, python) in interpreters() {
        for (mode, workers) in [("starved", 2), ("healthy", 4), ("bursty", 8)] {
            alone(|| plain_case(name, &python, mode, workers));
        }
    }
}

#[test]
fn a_queue_of_32_is_followed_up_and_down_and_a_constant_guess_is_not_enough() {
    alone(|| {
        let Some((name, python)) = interpreters().into_iter().next() else { return };
        let args = ["--mode", "bursty", "--workers", "4", "--prefetch", "8", "--seconds", "7"];
        let (seen, row, truth) = observe(&python, &args);
        let passes = |score: &Score| score.error <= 0.5 && score.correlation >= 0.95;
        let found = of(&truth, &seen);
        println!("{name} capacity 32: {found:?}");
        assert!(passes(&found), "{found:?}");
        let constant = score(&truth, seen.iter().map(|look| (look.at, found.true_mean)));
        assert!(!passes(&constant), "a constant guess passes: {constant:?}");
        assert_eq!(row.capacity, Reading::Is(32), "{row:?}");
        let steps = row.steps_total.ok().unwrap() as f64;
        let (first, last) = (seen.first().unwrap().at, seen.last().unwrap().at);
        let taken = |at: std::time::SystemTime| {
            let at = at.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
            truth.depths.iter().take_while(|depth| depth.0 < at).last().map_or(0.0, |depth| depth.3)
        };
        let true_steps = taken(last) - taken(first);
        println!("steps {steps}, in truth {true_steps}");
        assert!((steps - true_steps).abs() <= 8.0, "steps {steps}, in truth {true_steps}");
    });
}

#[test]
fn the_wait_of_the_loop_is_never_overstated() {
    for (name, python) in interpreters() {
        alone(|| {
            let args = ["--mode", "starved", "--workers", "2", "--seconds", "4"];
            let (seen, row, truth) = observe(&python, &args);
            let ratio = seen.iter().filter(|look| look.waiting).count() as f64 / seen.len() as f64;
            let span = (seen.first().unwrap().at, seen.last().unwrap().at);
            let wait = truth.wait_ratio(span.0, span.1);
            println!("{name} wait {ratio:.3}, in truth {wait:.3}");
            assert!(ratio <= wait + 0.05 && ratio >= wait - 0.3, "{ratio} for {wait}");
            assert_eq!(row.wait_bound, Reading::Is(Bound::Lower));
            let counted = row.wait_samples_total.ok().unwrap();
            assert!(counted <= row.samples_total.ok().unwrap());
        });
    }
}

fn pinned_case(name: &str, python: &Path, mode: &str) {
    let args = ["--mode", mode, "--workers", "2", "--pin", "--seconds", "4"];
    let (seen, row, truth) = observe(python, &args);
    let newer = truth.torch.split('.').map_while(|part| part.parse::<u32>().ok());
    if newer.collect::<Vec<_>>() >= vec![2, 5] {
        assert!(truth.pin_thread, "torch {} has no pin thread", truth.torch);
        assert_eq!(row.pinned, Reading::Is(true));
    }
    // Once it is known to pin, what is read is the complement.
    let known: Vec<Seen> =
        seen.into_iter().filter(|look| look.source == ReadySource::Complement).collect();
    let found = of(&truth, &known);
    println!("{name} pinned {mode}, torch {}: {found:?}", truth.torch);
    if truth.pin_thread || mode == "healthy" {
        assert!(found.looks > 30, "{found:?}");
        assert!(found.within_one >= 0.9, "{found:?}");
        assert!(found.mean >= found.true_mean - 0.3, "no upper bound: {found:?}");
    }
    for look in &known {
        assert_ne!(look.bound, Bound::Exact);
        let full = truth.around(look.at).is_some_and(|(a, b)| a >= 4.0 && b >= 4.0);
        assert!(!full || look.ready.ok() > Some(0), "reads empty when full: {look:?}");
    }
}

#[test]
fn a_pinning_loader_is_an_upper_bound_and_never_reads_empty_when_full() {
    for (name, python) in interpreters() {
        for mode in ["healthy", "starved"] {
            alone(|| pinned_case(name, &python, mode));
        }
    }
}

#[test]
fn batches_too_large_for_the_pipe_are_not_taken_for_an_empty_queue() {
    alone(|| {
        let Some((name, python)) = interpreters().into_iter().next() else { return };
        let args = ["--mode", "healthy", "--workers", "2", "--inline", "--seconds", "3.5"];
        let (seen, _, truth) = observe(&python, &args);
        let found = of(&truth, &seen);
        println!("{name} inline: {found:?}");
        assert!(found.mean > 3.0, "{found:?}");
        let large = |look: &&Seen| look.source == ReadySource::Complement;
        assert!(seen.iter().any(|look| look.source == ReadySource::Complement));
        assert!(seen.iter().filter(large).all(|look| look.bound != Bound::Exact));
    });
}

/// The rows of the thread once `wanted` holds, or a panic after ten seconds.
fn until(
    loaders: &Loaders,
    what: &str,
    wanted: impl Fn(&[LoaderSample]) -> bool,
) -> (Duration, Vec<LoaderSample>) {
    let start = Instant::now();
    loop {
        let rows = loaders.look().samples;
        if wanted(&rows) {
            return (start.elapsed(), rows);
        }
        assert!(start.elapsed() < Duration::from_secs(10), "never {what}: {rows:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn epochs_with_fresh_workers_are_one_loader_and_a_killed_trainer_leaves_no_figure_behind() {
    alone(|| {
        let Some((_, python)) = interpreters().into_iter().next() else { return };
        let folder = tempfile::tempdir().unwrap();
        let args = ["--mode", "starved", "--workers", "2", "--epoch", "40", "--seconds", "30"];
        let mut training = Training::start(&python, folder.path(), &args);
        let loaders = Loaders::start_with(Roots::default(), Ladder::default());
        loaders.watch(&BTreeMap::from([(Pid(training.pid()), Vec::new())]));
        let live = |rows: &[LoaderSample]| rows.first().is_some_and(|row| row.ready.is());
        let (_, rows) = until(&loaders, "a depth", live);
        let id = rows[0].loader;
        let steps = |rows: &[LoaderSample]| rows[0].steps_total.ok().unwrap_or(0);
        let (_, rows) = until(&loaders, "two epochs on", |rows| live(rows) && steps(rows) > 80);
        assert_eq!((rows.len(), rows[0].loader), (1, id), "{rows:?}");
        let look = loaders.look();
        println!(
            "{} looks at {:.0} µs of CPU each",
            look.looks,
            look.cost_cpu_seconds * 1e6 / look.looks as f64
        );
        training.kill();
        let killed = Instant::now();
        let (_, rows) = until(&loaders, "without a figure", |rows| {
            rows.iter().all(|row| row.ready.gap().is_some_and(|gap| gap != Gap::NotYet))
        });
        assert!(killed.elapsed() < Duration::from_secs(2), "{:?} {rows:?}", killed.elapsed());
    });
}

#[test]
fn a_stopped_trainer_is_not_waiting_for_data() {
    alone(|| {
        let Some((_, python)) = interpreters().into_iter().next() else { return };
        let folder = tempfile::tempdir().unwrap();
        let args = ["--mode", "starved", "--workers", "2", "--seconds", "30"];
        let training = Training::start(&python, folder.path(), &args);
        let loaders = Loaders::start_with(Roots::default(), Ladder::default());
        loaders.watch(&BTreeMap::from([(Pid(training.pid()), Vec::new())]));
        until(&loaders, "waiting", |rows| {
            rows.first().is_some_and(|row| row.wait_samples_total.ok().unwrap_or(0) > 10)
        });
        let pid = rustix::process::Pid::from_raw(training.pid().cast_signed()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
        let stopped = |rows: &[LoaderSample]| rows[0].main_state == Reading::Is("stopped".into());
        let (_, before) = until(&loaders, "stopped", stopped);
        thread::sleep(Duration::from_millis(600));
        let after = loaders.look().samples;
        assert_eq!(after[0].wait_samples_total, before[0].wait_samples_total);
        assert!(after[0].samples_total.ok() > before[0].samples_total.ok());
    });
}
