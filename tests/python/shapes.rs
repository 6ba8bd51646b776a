//! Loops in the shapes in which people write them, and how they begin and end.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use mltop::model::sample::Activity as Main;
use mltop::model::{Gap, Pid};
use mltop::source::Roots;
use mltop::source::loader::memory;
use mltop::source::loader::python::{
    Activity, Budget, Interpreter, LoaderKind, Part, Refusal, StackLook,
};
use mltop::source::loader::rung::Inside;
use rustix::process::Signal;

use super::script::Script;
use super::{alone, ends, find, interpreters, plain_pythons};

fn attach(script: &Script) -> Interpreter {
    Interpreter::attach(&Roots::default(), Pid(script.pid())).unwrap()
}

/// Looks again and again until what is looked for is there.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_mins(1);
    while Instant::now() < deadline {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(7));
    }
    panic!("never seen: {what}");
}

fn until_stack(
    interpreter: &mut Interpreter,
    what: &str,
    is: impl Fn(&StackLook) -> bool,
) -> StackLook {
    until(what, || {
        let _ = interpreter.find(Budget { objects: 0 });
        interpreter.stack().ok().filter(|look| is(look))
    })
}

#[test]
fn an_iterator_is_found_wherever_the_loop_holds_it() {
    alone(|| {
        let folder = tempfile::tempdir().unwrap();
        for (name, python) in plain_pythons(folder.path()) {
            for shape in ["plain", "enumerated", "generator", "hidden"] {
                let script = Script::start(&python, "shapes.py", &[shape]);
                let mut interpreter = attach(&script);
                let facts = find(&mut interpreter);
                let said = (facts.num_workers, facts.batch_size, &*facts.dataset);
                assert_eq!(said, (2, Some(4), "Numbers"), "{name} {shape}");
                assert_eq!((facts.workers.len(), facts.capacity()), (2, 4), "{name} {shape}");
                assert_eq!(facts.epoch_batches, Some(100_000), "{name} {shape}");
                let depth = until(shape, || interpreter.depth(facts.id).ok());
                assert!(depth.queues.is_some(), "{name} {shape}");
            }
        }
    });
}

#[test]
fn a_loop_in_another_thread_is_watched_too() {
    alone(|| {
        let folder = tempfile::tempdir().unwrap();
        for (_, python) in ends(folder.path()) {
            let script = Script::start(&python, "shapes.py", &["thread"]);
            let mut interpreter = attach(&script);
            let id = find(&mut interpreter).id;
            let look = until_stack(&mut interpreter, "a wait in a thread", |look| {
                look.inside.is_some_and(|inside| inside.part == Part::QueueEmpty)
            });
            let inside = look.inside.unwrap();
            assert_eq!((inside.main_thread, inside.kind), (false, LoaderKind::Torch));
            assert_eq!(inside.iterator, Some(id));
            // The main thread does nothing of the kind.
            assert_eq!(look.activity, Activity::Other);
        }
    });
}

#[test]
fn a_wait_is_told_from_a_delivery_and_from_work_of_its_own() {
    alone(|| {
        let folder = tempfile::tempdir().unwrap();
        for (name, python) in ends(folder.path()) {
            let cases = [
                ("plain", Part::QueueEmpty),
                ("delivery", Part::Delivery),
                ("inline", Part::Inline),
            ];
            for (shape, expected) in cases {
                let script = Script::start(&python, "shapes.py", &[shape]);
                let mut interpreter = attach(&script);
                let mut parts = Vec::new();
                until(shape, || {
                    let look = interpreter.stack().ok()?;
                    assert_eq!(look.activity == Activity::Data, look.inside.is_some());
                    parts.extend(look.inside.map(|inside| inside.part));
                    (parts.len() >= 60).then_some(())
                });
                let right = parts.iter().filter(|&&part| part == expected).count();
                assert!(right >= 48, "{name} {shape}: {parts:?}");
            }
        }
    });
}

#[test]
fn a_plain_queue_under_the_loop_counts_as_a_loader_of_its_kind() {
    alone(|| {
        let folder = tempfile::tempdir().unwrap();
        for (_, python) in ends(folder.path()) {
            for shape in ["queue", "process", "pool"] {
                let script = Script::start(&python, "shapes.py", &[shape]);
                let mut interpreter = attach(&script);
                let look = until_stack(&mut interpreter, shape, |look| look.inside.is_some());
                let inside = look.inside.unwrap();
                assert_eq!((inside.kind, inside.iterator), (LoaderKind::Queue, None), "{shape}");
                assert!(interpreter.iterators().is_empty());
            }
        }
    });
}

#[test]
fn each_epochs_new_iterator_takes_the_place_of_the_one_before() {
    alone(|| {
        let folder = tempfile::tempdir().unwrap();
        for (name, python) in plain_pythons(folder.path()) {
            let script = Script::start(&python, "shapes.py", &["epochs"]);
            let mut interpreter = attach(&script);
            let mut seen = BTreeSet::new();
            until("four iterators", || {
                let _ = interpreter.find(Budget { objects: 0 });
                let known: Vec<_> = interpreter.iterators().iter().map(|facts| facts.id).collect();
                assert!(known.len() <= 2, "{name}: {known:?}");
                for id in known {
                    let look = interpreter.look(Some(id));
                    if let Ok(depth) = look.depth {
                        assert!(depth.taken <= 20, "{name}: {depth:?}");
                        seen.insert(id);
                    }
                }
                (seen.len() >= 4).then_some(())
            });
        }
    });
}

#[test]
fn workers_that_end_inside_of_next_are_no_wait_for_data() {
    alone(|| {
        let folder = tempfile::tempdir().unwrap();
        for (name, python) in ends(folder.path()) {
            let script = Script::start(&python, "shapes.py", &["epochs"]);
            let pid = Pid(script.pid());
            let mut interpreter = attach(&script);
            let mut rung = (memory::step().attach)(&Roots::default(), pid).unwrap();
            let ending = |look: StackLook| look.inside.is_some_and(|of| of.part == Part::Ending);
            let mut seen = 0;
            until("workers that end", || {
                let before = interpreter.stack().is_ok_and(ending);
                let main = rung.look(None).main;
                let main = main.ok().filter(|_| before && interpreter.stack().is_ok_and(ending))?;
                assert_eq!(
                    (main.inside, main.activity),
                    (Inside::No, Some(Main::Workers)),
                    "{name}"
                );
                seen += 1;
                (seen >= 5).then_some(())
            });
        }
    });
}

#[test]
fn another_program_in_the_process_is_not_taken_for_the_training() {
    alone(|| {
        let folder = tempfile::tempdir().unwrap();
        for (_, python) in ends(folder.path()) {
            let mut script = Script::start(&python, "shapes.py", &["replaced"]);
            let mut interpreter = attach(&script);
            let id = find(&mut interpreter).id;
            script.enter();
            until("the end of the training", || {
                (interpreter.find(Budget { objects: 0 }).err() == Some(Gap::Lost)).then_some(())
            });
            let look = interpreter.look(Some(id));
            assert_eq!((look.stack, look.depth), (Err(Gap::Lost), Err(Gap::Lost)));
            let again = Interpreter::attach(&Roots::default(), Pid(script.pid()));
            assert_eq!(again.unwrap_err(), Refusal::NotPython);
            script.kill();
            assert_eq!(interpreter.look(Some(id)).stack, Err(Gap::Lost));
            let gone = Interpreter::attach(&Roots::default(), Pid(script.pid()));
            assert_eq!(gone.unwrap_err(), Refusal::Gone);
        }
    });
}

#[test]
fn a_stopped_training_reads_as_it_was_and_goes_on() {
    alone(|| {
        let folder = tempfile::tempdir().unwrap();
        let Some((_, python)) = ends(folder.path()).pop() else { return };
        let script = Script::start(&python, "shapes.py", &["plain"]);
        let mut interpreter = attach(&script);
        let id = find(&mut interpreter).id;
        script.signal(Signal::STOP);
        until("a halt", || {
            let taken = |interpreter: &mut Interpreter| Some(interpreter.depth(id).ok()?.taken);
            let before = taken(&mut interpreter)?;
            std::thread::sleep(Duration::from_millis(100));
            (taken(&mut interpreter)? == before).then_some(())
        });
        let halted = interpreter.look(Some(id));
        assert_eq!(interpreter.look(Some(id)), halted);
        script.signal(Signal::CONT);
        let taken = halted.depth.unwrap().taken;
        until("more batches", || (interpreter.depth(id).ok()?.taken > taken).then_some(()));
    });
}

#[test]
fn a_training_that_changes_all_the_time_gives_no_nonsense() {
    alone(|| {
        let folder = tempfile::tempdir().unwrap();
        for (name, python) in plain_pythons(folder.path()) {
            let script = Script::start(&python, "shapes.py", &["churn"]);
            let mut interpreter = attach(&script);
            let end = Instant::now() + Duration::from_secs(2);
            while Instant::now() < end {
                let _ = interpreter.find(Budget { objects: 3_000 });
                if interpreter.searched() {
                    interpreter.search_anew();
                }
                let known = interpreter.iterators().to_vec();
                for facts in known {
                    assert!([0, 2].contains(&facts.num_workers), "{name}: {facts:?}");
                    assert_eq!(&*facts.dataset, "Numbers", "{name}: {facts:?}");
                    let Ok(depth) = interpreter.look(Some(facts.id)).depth else { continue };
                    assert!(depth.taken <= 6, "{name}: {depth:?}");
                    let Some(queues) = depth.queues else { continue };
                    assert!(queues.ready <= queues.finished && queues.finished <= 4, "{queues:?}");
                    assert!(queues.sent <= 6, "{name}: {queues:?}");
                }
            }
        }
    });
}

#[test]
fn what_is_no_python_is_refused_with_a_word_for_it() {
    let mut sleep = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let refused = until("the start of a program", || {
        let refused = Interpreter::attach(&Roots::default(), Pid(sleep.id())).unwrap_err();
        (refused == Refusal::NotPython).then_some(refused)
    });
    assert_eq!(refused.to_string(), "there is no CPython in the process");
    assert_eq!(refused.remedy(Pid(sleep.id())), None);
    sleep.kill().unwrap();
    sleep.wait().unwrap();
    let elsewhere = Roots::below("/nowhere");
    assert!(Interpreter::attach(&elsewhere, Pid(1)).is_err());
}

#[test]
fn what_the_main_thread_does_is_named() {
    alone(|| {
        let Some((_, python)) = interpreters().into_iter().next() else { return };
        let script = Script::start(&python, "activities.py", &[]);
        let mut interpreter = attach(&script);
        for activity in [
            Activity::Forward,
            Activity::Backward,
            Activity::Optimizer,
            Activity::Checkpoint,
            Activity::Other,
        ] {
            until_stack(&mut interpreter, activity.word(), |look| look.activity == activity);
        }
        until_stack(&mut interpreter, "a validation", |look| look.validating);
    });
}
