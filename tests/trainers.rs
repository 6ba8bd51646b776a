//! Real trainings are found without being told, and a pid that is none is refused in words.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop, and says what it skipped"
)]

#[path = "common/train.rs"]
#[allow(dead_code, reason = "the truth of the queue is the other test's")]
mod train;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use mltop::model::Pid;
use mltop::model::inventory::Role;
use mltop::source::Roots;
use mltop::source::trainer::{Found, PidProblem, ProcSeen, Trainers, check_pid};

use train::{Training, interpreters};

fn table() -> Vec<ProcSeen> {
    let rows = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let stat =
            String::from_utf8_lossy(&std::fs::read(entry.path().join("stat")).ok()?).into_owned();
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
        let words: Vec<&str> = rest.split_ascii_whitespace().collect();
        Some(ProcSeen {
            pid: Pid(pid),
            parent: Pid(words[1].parse().ok()?),
            name: name.into(),
            start_ticks: words[19].parse().ok()?,
        })
    });
    rows.collect()
}

fn until(trainers: &mut Trainers, what: &str, wanted: impl Fn(&Found) -> bool) -> Arc<Found> {
    let start = Instant::now();
    loop {
        trainers.update(&table(), &BTreeSet::new());
        let found = trainers.found();
        if wanted(&found) {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "never {what}: {:?}", found.runs);
        thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_training_its_workers_and_its_name_are_found_with_every_torch() {
    for (name, python) in interpreters() {
        let folder = tempfile::tempdir().unwrap();
        let args = ["--mode", "healthy", "--workers", "3", "--seconds", "40"];
        let mut training = Training::start(&python, folder.path(), &args);
        let pid = Pid(training.pid());
        let mut trainers = Trainers::new(Roots::default(), Some(pid));
        let found = until(&mut trainers, "three workers", |found| {
            found.workers.get(&pid).is_some_and(|workers| workers.len() == 3)
        });
        assert_eq!(found.trainers, [pid], "{name}");
        assert_eq!((found.runs.len(), &*found.runs[0].name), (1, "train.py"));
        let info = &found.infos[&pid];
        assert_eq!((info.role, info.run), (Role::Trainer, Some(found.runs[0].run)));
        assert!(info.command.contains("train.py"), "{info:?}");
        let worker = found.workers[&pid][0];
        assert_eq!(found.infos.get(&worker).map_or(Role::Worker, |info| info.role), Role::Worker);
        assert_eq!(check_pid(&Roots::default(), pid), Ok(()));
        assert_eq!(
            check_pid(&Roots::default(), worker),
            Err(PidProblem::Worker { pid: worker, trainer: pid }),
            "{name}"
        );
        training.kill();
        until(&mut trainers, "gone", |found| found.trainers.is_empty());
    }
}
