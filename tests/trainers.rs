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
fn in_a_container_a_pid_of_the_host_is_not_taken_for_the_process_that_has_it_here() {
    let folder = tempfile::tempdir().unwrap();
    let proc = folder.path();
    std::fs::create_dir_all(proc.join("self/ns")).unwrap();
    let process = |pid: u32, opens: &str| {
        let own = proc.join(pid.to_string());
        std::fs::create_dir_all(own.join("fd")).unwrap();
        std::fs::write(own.join("cmdline"), "python\0train.py\0").unwrap();
        std::fs::write(own.join("maps"), "7f00-7f01 r-xp 0 fe:00 1 /usr/lib/libpython3.so\n")
            .unwrap();
        std::os::unix::fs::symlink(opens, own.join("fd/3")).unwrap();
        let (parent, name) = (Pid(1), "python".into());
        ProcSeen { pid: Pid(pid), parent, name, start_ticks: u64::from(pid) }
    };
    let table = [process(77, "/dev/null"), process(78, "/dev/nvidia0")];
    let holders = BTreeSet::from([Pid(77), Pid(78)]);
    for (namespace, wanted) in [("pid:[4026532451]", vec![78]), ("pid:[4026531836]", vec![77, 78])]
    {
        let _ = std::fs::remove_file(proc.join("self/ns/pid"));
        std::os::unix::fs::symlink(namespace, proc.join("self/ns/pid")).unwrap();
        let mut trainers = Trainers::new(Roots { proc: proc.into(), ..Roots::default() }, None);
        let start = Instant::now();
        let found = loop {
            trainers.update(&table, &holders);
            let found = trainers.found();
            if found.trainers.iter().map(|pid| pid.0).eq(wanted.iter().copied()) {
                break found;
            }
            assert!(start.elapsed() < Duration::from_secs(30), "{:?}", found.trainers);
            thread::sleep(Duration::from_millis(50));
        };
        let said = found.status.message.contains("1 processes on a GPU are not visible");
        assert_eq!(said, wanted.len() == 1, "{}", found.status.message);
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
