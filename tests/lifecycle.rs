//! Trainers that end, stop, begin anew or become another program: nothing stale is left standing.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop, and says what it measured or skipped"
)]

#[path = "common/train.rs"]
#[allow(dead_code, reason = "the truth of the queue is another test's")]
mod train;
#[path = "common/watch.rs"]
mod watch;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use mltop::model::sample::{LoaderSample, ReadySource};
use mltop::model::{LoaderId, Reading};
use mltop::source::loader::Ladder;
use rustix::process::{Pid as Process, Signal, kill_process};

use train::{Training, interpreters, script};
use watch::{Watched, by_memory, by_semaphores};

/// One training at a time: on few cores two would hinder each other.
static ONE: Mutex<()> = Mutex::new(());

fn alone<T>(test: impl FnOnce() -> T) -> T {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    test()
}

/// A rung and how it is asked for.
type Named = (&'static str, fn() -> Ladder);

/// Every rung, with its name.
fn ladders() -> [Named; 3] {
    [("memory", by_memory), ("semaphores", by_semaphores), ("pipes", Ladder::default)]
}

fn start(python: &Path, folder: &Path, args: &[&str]) -> Training {
    Training::start(python, folder, &[args, &["--seconds", "120"]].concat())
}

fn live(rows: &[LoaderSample]) -> bool {
    rows.first().is_some_and(|row| row.ready.is())
}

fn silent(rows: &[LoaderSample]) -> bool {
    rows.iter().all(|row| !row.ready.is() && !row.wait_source.is() && !row.main_state.is())
}

/// Waits until no row says anything of now; a disturbed machine may take longer than the two seconds
/// that are promised, which is told by the caller's third try.
fn silent_after(watched: &Watched, began: Instant) -> Duration {
    while !silent(&watched.rows()) {
        assert!(began.elapsed() < watch::LONG, "never silent: {:?}", watched.rows());
        thread::sleep(Duration::from_millis(20));
    }
    began.elapsed()
}

/// What must hold within a time may be disturbed by a busy machine: it gets three tries.
fn within(what: &str, limit: Duration, mut attempt: impl FnMut() -> Duration) {
    for _ in 0..3 {
        let took = attempt();
        println!("{what}: {took:?}");
        if took < limit {
            return;
        }
    }
    panic!("{what}: never within {limit:?}");
}

const PROMISED: Duration = Duration::from_secs(2);

#[test]
fn a_trainer_that_ends_leaves_no_figure_behind_on_any_rung() {
    alone(|| {
        let Some((_, python)) = interpreters().into_iter().next() else { return };
        within("silent after the end", PROMISED, || {
            let folder = tempfile::tempdir().unwrap();
            let mut training = start(&python, folder.path(), &["--mode", "starved"]);
            let all = ladders().map(|(name, ladder)| (name, Watched::new(&training, ladder())));
            for (name, watched) in &all {
                watched.until(name, live);
            }
            training.kill();
            let began = Instant::now();
            all.iter().map(|(_, watched)| silent_after(watched, began)).max().unwrap()
        });
    });
}

#[test]
fn a_stopped_trainer_says_so_and_waits_for_nothing_on_any_rung() {
    alone(|| {
        let Some((_, python)) = interpreters().into_iter().next() else { return };
        let folder = tempfile::tempdir().unwrap();
        let training = start(&python, folder.path(), &["--mode", "starved"]);
        let pid = Process::from_raw(training.pid().cast_signed()).unwrap();
        let all = ladders().map(|(name, ladder)| (name, Watched::new(&training, ladder())));
        let waited = |row: &LoaderSample| row.wait_samples_total.ok().unwrap_or(0);
        for (name, watched) in &all {
            watched.until(name, |rows| live(rows) && waited(&rows[0]) > 20);
        }
        kill_process(pid, Signal::STOP).unwrap();
        let stopped = |rows: &[LoaderSample]| {
            rows.first().is_some_and(|row| row.main_state == Reading::Is("stopped".into()))
        };
        for (name, watched) in &all {
            let (before, _) = watched.until("stopped", stopped);
            let looks = before.samples_total.ok().unwrap();
            let (after, _) = watched
                .until("looked at further", |rows| rows[0].samples_total.ok() > Some(looks + 100));
            assert_eq!(waited(&after), waited(&before), "{name}");
            assert!(stopped(&[after]), "{name}");
        }
        kill_process(pid, Signal::CONT).unwrap();
        for (name, watched) in &all {
            let before = watched.until("stopped or not", |rows| !rows.is_empty()).0;
            watched.until(name, |rows| live(rows) && waited(&rows[0]) > waited(&before) + 20);
        }
    });
}

#[test]
fn workers_started_anew_each_half_second_are_one_loader_that_goes_on() {
    alone(|| {
        let Some((_, python)) = interpreters().into_iter().next() else { return };
        let folder = tempfile::tempdir().unwrap();
        let args = ["--mode", "starved", "--workers", "2", "--epoch", "20"];
        let training = start(&python, folder.path(), &args);
        let memory = Watched::new(&training, by_memory());
        let (first, _) = memory.until("a depth", live);
        let id: LoaderId = first.loader;
        let mut steps = 0;
        let began = Instant::now();
        // At every moment the workers that are named are there, or were two seconds ago.
        let mut stale: Option<Instant> = None;
        loop {
            let look = memory.loaders.look();
            let (Some(row), Some(info)) = (look.samples.first(), look.infos.first()) else {
                panic!("the loader is gone: {look:?}");
            };
            assert_eq!((look.samples.len(), row.loader), (1, id), "{look:?}");
            if let Reading::Is(now) = row.steps_total {
                assert!(now >= steps, "{now} after {steps}");
                steps = now;
            }
            let there = |pid: &mltop::model::Pid| Path::new(&format!("/proc/{pid}")).exists();
            if row.ready.is() && !info.workers.iter().all(there) {
                let since = *stale.get_or_insert_with(Instant::now);
                assert!(since.elapsed() < watch::LONG / 4, "stale workers: {info:?}");
            } else {
                stale = None;
            }
            let epochs = row.epochs_total.ok().unwrap_or(0);
            let done = epochs >= 4 && row.worker_starts_total.ok() >= Some(2 * epochs - 1);
            if done && row.last_epoch_seconds.is() {
                // Epochs of 20 batches: what was counted is within the epochs that were seen.
                assert!(steps <= 20 * (epochs + 1) && steps >= 20 * (epochs - 1), "{row:?}");
                break;
            }
            assert!(began.elapsed() < watch::LONG, "never four epochs: {row:?}");
            thread::sleep(Duration::from_millis(50));
        }
    });
}

#[test]
fn a_process_that_becomes_another_program_is_read_anew() {
    alone(|| {
        let Some((_, python)) = interpreters().into_iter().next() else { return };
        let mut command = Command::new(&python);
        command.args(["-W", "ignore"]).arg(script("changes.py")).args(["exec", "12"]);
        let training = Training::run(&mut command, PathBuf::new(), Duration::from_mins(4));
        let all = ladders().map(|(name, ladder)| (name, Watched::new(&training, ladder())));
        for (name, watched) in &all {
            watched.until(name, |rows| live(rows) && rows[0].workers == Reading::Is(2));
        }
        for (_, watched) in &all {
            watched.until("silent while it begins anew", silent);
        }
        training.expect_line("again");
        for (name, watched) in &all {
            let (row, _) =
                watched.until(name, |rows| live(rows) && rows[0].workers == Reading::Is(3));
            let by_memory = row.ready_source == Reading::Is(ReadySource::Memory);
            assert_eq!(by_memory, *name == "memory", "{row:?}");
        }
    });
}

#[test]
fn a_process_that_got_the_number_of_a_trainer_is_not_taken_for_it() {
    alone(|| {
        let Some((_, python)) = interpreters().into_iter().next() else { return };
        within("silent under another's number", PROMISED, || {
            let folder = tempfile::tempdir().unwrap();
            let mut training = start(&python, folder.path(), &["--mode", "starved"]);
            let all = ladders().map(|(name, ladder)| (name, Watched::new(&training, ladder())));
            for (name, watched) in &all {
                watched.until(name, live);
            }
            let pid = training.pid();
            training.kill();
            let began = Instant::now();
            let Some(mut heir) = process_with_number(pid) else {
                println!("skipped: no process can be given the number {pid} here");
                return Duration::ZERO;
            };
            let took = all.iter().map(|(_, watched)| silent_after(watched, began)).max().unwrap();
            for _ in 0..20 {
                assert!(all.iter().all(|(_, watched)| silent(&watched.rows())));
                thread::sleep(Duration::from_millis(50));
            }
            heir.kill().unwrap();
            heir.wait().unwrap();
            took
        });
    });
}

/// A sleeping process with this number, where the kernel lets the next one be chosen.
fn process_with_number(pid: u32) -> Option<Child> {
    for _ in 0..100 {
        std::fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).ok()?;
        let mut child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
        if child.id() == pid {
            return Some(child);
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    None
}
