//! The rungs above the pipes, on real loaders: memory and semaphores, each telling what it can.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop, and says what it skipped"
)]

#[path = "common/alone.rs"]
mod alone;
#[path = "common/train.rs"]
#[allow(dead_code, reason = "the truth of the queue is another test's")]
mod train;
#[path = "common/watch.rs"]
mod watch;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use mltop::model::sample::{Bound, LoaderSample, ReadySource, WaitSource};
use mltop::model::{Gap, Pid, Reading};
use mltop::source::Roots;
use mltop::source::loader::rung::{Depth, Known, Looked, Refusal};
use mltop::source::loader::{Ladder, Rung, Step, memory};

use alone::alone;
use train::{Training, interpreters, script};
use watch::{Watched, by_memory, by_semaphores};

fn start(python: &Path, folder: &Path, args: &[&str]) -> Training {
    Training::start(python, folder, &[args, &["--seconds", "60"]].concat())
}

fn full(rows: &[LoaderSample]) -> bool {
    rows.first().is_some_and(|row| row.ready_max.ok() == Some(4))
}

#[test]
fn memory_and_semaphores_know_a_loader_however_its_workers_were_started() {
    for (name, python) in interpreters() {
        alone(|| {
            for context in ["fork", "spawn", "forkserver"] {
                let folder = tempfile::tempdir().unwrap();
                let args = ["--mode", "healthy", "--workers", "2", "--ctx", context];
                let training = start(&python, folder.path(), &args);
                let memory = Watched::new(&training, by_memory());
                let semaphores = Watched::new(&training, by_semaphores());
                let (row, info) = memory.until("a full queue by memory", full);
                let what = format!("{name} {context}: {row:?}");
                assert_eq!(row.ready_source, Reading::Is(ReadySource::Memory), "{what}");
                assert_eq!(row.wait_source, Reading::Is(WaitSource::Stack), "{what}");
                assert_eq!(row.wait_bound, Reading::Is(Bound::Exact), "{what}");
                assert_eq!((row.workers, row.capacity), (Reading::Is(2), Reading::Is(4)), "{what}");
                assert_eq!(row.capacity_bound, Reading::Is(Bound::Exact), "{what}");
                assert_eq!(row.prefetch_factor, Reading::Is(2), "{what}");
                assert_eq!((row.pinned, row.persistent), (Reading::Is(false), Reading::Is(false)));
                assert_eq!(row.batch_size, Reading::Is(4), "{what}");
                assert_eq!((&*info.kind, &*info.dataset), ("pytorch", "Numbers"), "{what}");
                assert_eq!((info.workers.len(), &*info.why_not_better), (2, ""), "{what}");
                let position = row.position.ok().unwrap();
                memory.until("a loop that moves", |rows| {
                    rows.first().is_some_and(|row| row.position.ok() > Some(position + 10))
                });
                let (row, info) = semaphores.until("a full queue by semaphores", |rows| {
                    full(rows) && rows[0].capacity_bound == Reading::Is(Bound::Exact)
                });
                let what = format!("{name} {context}: {row:?} {info:?}");
                assert_eq!(row.ready_source, Reading::Is(ReadySource::Semaphore), "{what}");
                assert_eq!((row.workers, row.capacity), (Reading::Is(2), Reading::Is(4)), "{what}");
                assert!(row.wait_samples_total.ok() < row.samples_total.ok(), "{what}");
            }
        });
    }
}

#[test]
fn a_loader_that_pins_is_known_by_both() {
    for (name, python) in interpreters() {
        alone(|| {
            let folder = tempfile::tempdir().unwrap();
            let args = ["--mode", "healthy", "--workers", "2", "--pin"];
            let training = start(&python, folder.path(), &args);
            let memory = Watched::new(&training, by_memory());
            let semaphores = Watched::new(&training, by_semaphores());
            let (row, _) = memory.until("a full queue by memory", full);
            assert_eq!(row.ready_source, Reading::Is(ReadySource::Memory), "{name} {row:?}");
            assert_eq!(row.pinned, Reading::Is(true), "{name} {row:?}");
            let (row, info) = semaphores.until("a nearly full queue by semaphores", |rows| {
                rows.first().is_some_and(|row| {
                    row.pinned.ok() == Some(true) && row.ready_max.ok() >= Some(3)
                })
            });
            let what = format!("{name}: {row:?} {info:?}");
            assert_eq!(row.ready_source, Reading::Is(ReadySource::Semaphore), "{what}");
        });
    }
}

#[test]
fn without_workers_there_is_a_wait_and_no_depth() {
    for (name, python) in interpreters() {
        alone(|| {
            let folder = tempfile::tempdir().unwrap();
            let training = start(&python, folder.path(), &["--mode", "slow", "--workers", "0"]);
            let memory = Watched::new(&training, by_memory());
            let (row, info) = memory.until("a wait", |rows| {
                rows.first().is_some_and(|row| {
                    row.wait_samples_total.ok() > Some(100) && row.steps_total.ok() > Some(2)
                })
            });
            let what = format!("{name}: {row:?} {info:?}");
            assert_eq!(row.workers, Reading::Is(0), "{what}");
            assert_eq!(row.ready, Reading::Not(Gap::NotApplicable), "{what}");
            assert_eq!(row.capacity, Reading::Not(Gap::NotApplicable), "{what}");
            assert_eq!(row.wait_source, Reading::Is(WaitSource::Stack), "{what}");
            assert_eq!(&*info.kind, "pytorch", "{what}");
        });
    }
}

#[test]
fn of_two_loaders_the_one_that_moves_stands_in_front() {
    alone(|| {
        let Some((_, python)) = interpreters().into_iter().next() else { return };
        let folder = tempfile::tempdir().unwrap();
        let args = ["--mode", "balanced", "--workers", "2", "--validate", "--persistent"];
        let training = start(&python, folder.path(), &args);
        let memory = Watched::new(&training, by_memory());
        for workers in [3, 2, 3] {
            let (row, _) = memory.until("the other loader in front", |rows| {
                rows.len() == 2 && rows[0].workers == Reading::Is(workers)
            });
            assert_eq!(row.ready_source, Reading::Is(ReadySource::Memory), "{row:?}");
        }
    });
}

#[test]
fn of_two_loaders_the_pipes_tell_the_depth_of_the_idle_one_as_a_bound() {
    alone(|| {
        let Some((_, python)) = interpreters().into_iter().next() else { return };
        let folder = tempfile::tempdir().unwrap();
        let args = ["--mode", "balanced", "--workers", "2", "--validate", "--persistent"];
        let training = start(&python, folder.path(), &args);
        let pipes = Watched::new(&training, Ladder::default());
        let semaphores = Watched::new(&training, by_semaphores());
        for workers in [3, 2] {
            for plain in [&pipes, &semaphores] {
                plain.until("the other loader in front, and a depth of the idle one", |rows| {
                    let [front, idle] = rows else { return false };
                    // What it put aside when it was left is in no queue.
                    assert_ne!(idle.ready_bound, Reading::Is(Bound::Exact), "{rows:?}");
                    front.workers == Reading::Is(workers) && idle.ready_bound.is()
                });
            }
        }
    });
}

#[test]
fn over_all_epochs_training_and_validation_of_one_shape_are_two_loaders() {
    alone(|| {
        let Some((_, python)) = interpreters().into_iter().next() else { return };
        let mut command = Command::new(python);
        command.arg(script("changes.py")).args(["epochs", "60"]);
        let training = Training::run(&mut command, "none".into(), Duration::from_mins(2));
        let memory = Watched::new(&training, by_memory());
        let epochs = |row: &LoaderSample| row.epochs_total.ok().unwrap_or(0);
        memory.until("eight epochs", |rows| rows.iter().map(epochs).sum::<u64>() >= 8);
        let rows = memory.rows();
        let loaders: Vec<_> =
            rows.iter().map(|row| (row.loader, row.epoch_batches, row.steps_total)).collect();
        assert_eq!(loaders.len(), 2, "{loaders:?}");
    });
}

#[test]
fn of_a_trainer_that_is_not_dumpable_the_semaphores_still_tell() {
    alone(|| {
        let Some((_, python)) = interpreters().into_iter().next() else { return };
        let mut command = Command::new(python);
        command.arg(script("changes.py")).args(["sealed", "60"]);
        let training = Training::run(&mut command, "".into(), Duration::from_mins(3));
        let semaphores = Watched::new(&training, by_semaphores());
        let (row, info) = semaphores.until("a depth", |rows| {
            rows.first().is_some_and(|row| row.ready_source == Reading::Is(ReadySource::Semaphore))
        });
        assert_eq!(row.workers, Reading::Is(2), "{row:?} {info:?}");
    });
}

/// A rung that is wrong about the queue: it adds to what it is told.
#[derive(Debug)]
struct Liar(Box<dyn Rung>);

impl Rung for Liar {
    fn ready_source(&self) -> ReadySource {
        self.0.ready_source()
    }
    fn wait_source(&self) -> WaitSource {
        self.0.wait_source()
    }
    fn find(&mut self, deep: bool) -> Result<bool, Gap> {
        self.0.find(deep)
    }
    fn search_anew(&mut self) {
        self.0.search_anew();
    }
    fn known(&self) -> &[Known] {
        self.0.known()
    }
    fn look(&mut self, key: Option<u64>) -> Looked {
        let mut looked = self.0.look(key);
        looked.depth = looked.depth.map(more);
        looked
    }
    fn depth(&mut self, key: u64) -> Result<Depth, Gap> {
        self.0.depth(key).map(more)
    }
}

fn more(depth: Depth) -> Depth {
    Depth { in_pipe: depth.in_pipe.map(|count| count + 3), ..depth }
}

#[test]
fn a_rung_that_the_pipe_gives_the_lie_is_doubted_with_the_reason() {
    alone(|| {
        let Some((_, python)) = interpreters().into_iter().next() else { return };
        let folder = tempfile::tempdir().unwrap();
        let training = start(&python, folder.path(), &["--mode", "starved", "--workers", "2"]);
        let attach = |roots: &Roots, pid: Pid| -> Result<Box<dyn Rung>, Refusal> {
            Ok(Box::new(Liar((memory::step().attach)(roots, pid)?)))
        };
        let step = Step { source: ReadySource::Memory, attach: Box::new(attach) };
        let liar = Watched::new(&training, Ladder { steps: vec![step], semaphores: false });
        let honest = Watched::new(&training, by_memory());
        let doubted = |rows: &[LoaderSample]| {
            rows.first().is_some_and(|row| row.ready_bound == Reading::Is(Bound::Doubtful))
        };
        liar.until("doubtful", doubted);
        let reason = || {
            let look = liar.loaders.look();
            let info = look.infos.first().cloned();
            info.is_some_and(|info| info.doubt.contains("its pipe holds"))
        };
        let start = std::time::Instant::now();
        while !reason() {
            assert!(start.elapsed() < watch::LONG, "never a reason: {:?}", liar.loaders.look());
            std::thread::sleep(Duration::from_millis(50));
        }
        let (row, info) = honest.until("a depth", |rows| rows.iter().any(|row| row.ready.is()));
        assert_eq!((row.ready_bound, &*info.doubt), (Reading::Is(Bound::Exact), ""), "{info:?}");
    });
}
