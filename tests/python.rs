//! Interpreters of real trainings, read from outside, against the truth that the training writes itself.
//! Where torch is not installed for a Python, a stand-in of the same shape takes its place.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop, and says what it measured or skipped"
)]

#[path = "common/alone.rs"]
mod alone;
#[path = "common/train.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod train;

#[path = "python/rights.rs"]
mod rights;
#[path = "common/script.rs"]
mod script;
#[path = "python/shapes.rs"]
mod shapes;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use mltop::model::Pid;
use mltop::source::Roots;
use mltop::source::loader::python::{Budget, Interpreter, IteratorFacts, Look};

use alone::alone;
use train::{Training, Truth, interpreters};

/// Pythons without torch, as programs that find the stand-in.
fn plain_pythons(folder: &Path) -> Vec<(String, PathBuf)> {
    let versions =
        PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".pyenv/versions");
    let standin = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/py/standin");
    let mut found = Vec::new();
    for minor in 8..=14 {
        let prefix = format!("3.{minor}.");
        let entries = fs::read_dir(&versions).into_iter().flatten().flatten();
        let mut names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let Some(version) = names.find(|name| name.starts_with(&prefix)) else {
            println!("skipped: CPython 3.{minor} is not there");
            continue;
        };
        let python = versions.join(&version).join("bin/python");
        let script = folder.join(format!("python-{version}"));
        let text = format!(
            "#!/bin/sh\nPYTHONPATH='{}' exec '{}' \"$@\"\n",
            standin.display(),
            python.display()
        );
        fs::write(&script, text).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        found.push((version, script));
    }
    found
}

/// The oldest and the newest of them.
fn ends(folder: &Path) -> Vec<(String, PathBuf)> {
    let mut all = plain_pythons(folder);
    let newest = all.pop();
    all.truncate(1);
    all.extend(newest);
    all
}

fn all_pythons(folder: &Path) -> Vec<(String, PathBuf)> {
    let with_torch = interpreters().into_iter().map(|(name, python)| (name.to_owned(), python));
    with_torch.chain(plain_pythons(folder)).collect()
}

fn attach(training: &Training) -> Interpreter {
    Interpreter::attach(&Roots::default(), Pid(training.pid())).unwrap()
}

/// Waits until an iterator with workers is known.
fn find(interpreter: &mut Interpreter) -> Arc<IteratorFacts> {
    let deadline = Instant::now() + Duration::from_mins(1);
    while Instant::now() < deadline {
        if let Ok(found) = interpreter.find(Budget { objects: 20_000 })
            && let Some(facts) = found.last()
        {
            return Arc::clone(facts);
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("no iterator was found");
}

struct Seen {
    at: SystemTime,
    look: Look,
}

/// Looks at a training about a hundred times a second for a while.
fn watch(interpreter: &mut Interpreter, seconds: f64) -> Vec<Seen> {
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let (mut seen, mut turn, mut searched) = (Vec::new(), 0_u64, Instant::now());
    while Instant::now() < end {
        if searched.elapsed() > Duration::from_millis(500) {
            let _ = interpreter.find(Budget { objects: 5_000 });
            searched = Instant::now();
        }
        let id = interpreter.iterators().last().map(|facts| facts.id);
        let before = SystemTime::now();
        let look = interpreter.look(id);
        let took = before.elapsed().unwrap_or_default();
        // Where the machine took this test's CPU away meanwhile, no moment is that of the look.
        if took < Duration::from_millis(2) {
            seen.push(Seen { at: before + took / 2, look });
        }
        turn += 1;
        thread::sleep(Duration::from_millis(5 + turn * 7 % 11));
    }
    seen
}

#[derive(Debug)]
struct Score {
    looks: usize,
    lost: usize,
    depths: usize,
    within_one: f64,
    wait: f64,
    true_wait: f64,
}

/// How the looks compare with the truth at their moments.
fn score(truth: &Truth, seen: &[Seen]) -> Score {
    let seconds = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    let (mut depths, mut right) = (0, 0);
    let (mut waits, mut true_waits, mut counted) = (0, 0, 0);
    let last = truth.waits.last().map_or(0.0, |wait| wait.1);
    for Seen { at, look } in seen {
        if let Ok(stack) = look.stack
            && seconds(*at) < last
        {
            counted += 1;
            waits += usize::from(stack.inside.is_some());
            let next = truth.waits.partition_point(|wait| wait.1 < seconds(*at));
            let inside = truth.waits.get(next).is_some_and(|wait| wait.0 <= seconds(*at));
            true_waits += usize::from(inside);
        }
        if let Ok(depth) = look.depth
            && let Some(queues) = depth.queues
            && let Some((low, high)) = truth.range(*at)
        {
            depths += 1;
            let ready = queues.ready as f64;
            right += usize::from((low - 1.0..=high + 1.0).contains(&ready));
        }
    }
    Score {
        looks: seen.len(),
        lost: seen.iter().filter(|seen| seen.look.stack.is_err()).count(),
        depths,
        within_one: right as f64 / depths.max(1) as f64,
        wait: waits as f64 / f64::from(counted.max(1)),
        true_wait: true_waits as f64 / f64::from(counted.max(1)),
    }
}

/// Runs a case up to three times: a busy machine may disturb one.
fn case(name: &str, python: &Path, args: &[&str], depth_is_known: bool) {
    let mut misses = Vec::new();
    for _ in 0..3 {
        let folder = tempfile::tempdir().unwrap();
        let args = [args, &["--seconds", "3"]].concat();
        let mut training = Training::start(python, folder.path(), &args);
        let mut interpreter = attach(&training);
        find(&mut interpreter);
        let seen = watch(&mut interpreter, 2.5);
        let truth = training.finish();
        let score = score(&truth, &seen);
        println!("{name} {} {args:?}: {score:?}", interpreter.version());
        let enough = score.looks > 60 && (score.depths > 60 || !depth_is_known);
        let few_lost = (score.lost as f64) < 0.05 * score.looks as f64;
        let depth = score.within_one >= 0.97 || !depth_is_known;
        if enough && few_lost && depth && (score.wait - score.true_wait).abs() <= 0.01 {
            return;
        }
        misses.push(score);
    }
    panic!("{name} {args:?}: {misses:?}");
}

#[test]
fn depth_and_wait_are_right_on_every_python() {
    let folder = tempfile::tempdir().unwrap();
    for (name, python) in all_pythons(folder.path()) {
        alone(|| case(&name, &python, &["--mode", "bursty", "--workers", "3"], true));
    }
}

#[test]
fn depth_and_wait_are_right_for_loaders_that_are_kept_differently_in_memory() {
    let Some((name, python)) = interpreters().into_iter().next() else { return };
    let kinds: &[(&[&str], bool)] = &[
        (&["--mode", "bursty", "--workers", "4", "--pin"], true),
        (&["--mode", "bursty", "--inline"], true),
        (&["--mode", "bursty", "--iterable"], true),
        (&["--mode", "bursty", "--persistent", "--epoch", "40"], true),
        (&["--mode", "starved", "--workers", "0"], false),
    ];
    for (args, depth_is_known) in kinds {
        alone(|| case(name, &python, args, *depth_is_known));
    }
}

/// `tests/bench/python.sh` runs it.
#[test]
#[ignore = "a measurement"]
fn what_a_look_costs() {
    let folder = tempfile::tempdir().unwrap();
    for (name, python) in all_pythons(folder.path()) {
        for args in [&["--mode", "starved"], &["--mode", "healthy"]] {
            let folder = tempfile::tempdir().unwrap();
            let args = [args, &["--workers", "8", "--seconds", "12"][..]].concat();
            let training = Training::start(&python, folder.path(), &args);
            let before = Instant::now();
            let mut interpreter = attach(&training);
            let attached = before.elapsed();
            let id = find(&mut interpreter).id;
            let mut median = |looks: usize, pause: Duration| {
                let (calls, bytes) = interpreter.cost();
                let mut times: Vec<Duration> = (0..looks)
                    .map(|_| {
                        thread::sleep(pause);
                        let before = Instant::now();
                        std::hint::black_box(interpreter.look(Some(id)));
                        before.elapsed()
                    })
                    .collect();
                times.sort_unstable();
                let (calls_after, bytes_after) = interpreter.cost();
                let each = |total: u64| total as f64 / looks as f64;
                format!(
                    "{:.1} µs, 90 % below {:.1} µs, {:.1} calls, {:.0} bytes",
                    times[looks / 2].as_secs_f64() * 1e6,
                    times[looks * 9 / 10].as_secs_f64() * 1e6,
                    each(calls_after - calls),
                    each(bytes_after - bytes)
                )
            };
            let hot = median(20_000, Duration::ZERO);
            let cold = median(200, Duration::from_millis(20));
            println!("{name} {} {args:?}: attach {attached:.0?}", interpreter.version());
            println!("  one after the other: {hot}");
            println!("  50 times a second:   {cold}");
        }
    }
}
