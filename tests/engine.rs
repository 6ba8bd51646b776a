//! What the engine makes of what a rung says: a scripted one, mostly over this very process.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use mltop::model::inventory::LoaderInfo;
use mltop::model::sample::{Activity, Bound, LoaderSample, ReadySource, WaitSource};
use mltop::model::{Gap, Pid, Reading};
use mltop::source::Roots;
use mltop::source::loader::rung::{Depth, Inside, Known, Looked, Loop, Refusal};
use mltop::source::loader::{Engine, Ladder, Rung, Step};
use rustix::process::{Signal, kill_process};

/// What the rung says next.
#[derive(Debug, Default)]
struct Script {
    known: Vec<Known>,
    main: Option<Loop>,
    depths: BTreeMap<u64, Depth>,
    /// The process runs another program.
    lost: bool,
    refused: bool,
    /// Searches so far, looks at the loop, and looks at a queue.
    searches: u32,
    looks: u32,
    queue_looks: u32,
}

#[derive(Debug)]
struct Scripted {
    script: Arc<Mutex<Script>>,
    known: Vec<Known>,
}

impl Rung for Scripted {
    fn ready_source(&self) -> ReadySource {
        ReadySource::Memory
    }
    fn wait_source(&self) -> WaitSource {
        WaitSource::Stack
    }
    fn find(&mut self, _deep: bool) -> Result<bool, Gap> {
        let mut script = self.script.lock().unwrap();
        script.searches += 1;
        self.known.clone_from(&script.known);
        if script.lost { Err(Gap::Lost) } else { Ok(true) }
    }
    fn search_anew(&mut self) {}
    fn known(&self) -> &[Known] {
        &self.known
    }
    fn look(&mut self, key: Option<u64>) -> Looked {
        let mut script = self.script.lock().unwrap();
        self.known.clone_from(&script.known);
        script.looks += 1;
        script.queue_looks += u32::from(key.is_some());
        let depth = key.and_then(|key| script.depths.get(&key).copied()).ok_or(Gap::Lost);
        if script.lost {
            return Looked { main: Err(Gap::Lost), depth };
        }
        Looked { main: script.main.ok_or(Gap::Failed), depth }
    }
    fn depth(&mut self, key: u64) -> Result<Depth, Gap> {
        self.script.lock().unwrap().depths.get(&key).copied().ok_or(Gap::Lost)
    }
}

fn known(key: u64, dataset: &str) -> Known {
    Known {
        key,
        kind: "pytorch".into(),
        num_workers: Some(2),
        prefetch_factor: Some(2),
        batch_size: Some(8),
        dataset: dataset.into(),
        epoch_batches: Some(100),
        ..Known::default()
    }
}

fn depth(ready: u64, taken: u64) -> Depth {
    Depth {
        ready: Ok(ready),
        bound: Bound::Exact,
        stash: Ok(0),
        in_pipe: None,
        taken: Some(taken),
        outstanding: Some(4),
        busy: Some(2),
        waited: None,
    }
}

/// An engine over a process, mostly this one, and a clock of its own.
struct Stage {
    engine: Engine,
    script: Arc<Mutex<Script>>,
    pid: Pid,
    now: Instant,
}

impl Stage {
    fn new() -> Self {
        Self::over(Pid(std::process::id()))
    }

    fn over(pid: Pid) -> Self {
        let script = Arc::new(Mutex::new(Script::default()));
        let theirs = Arc::clone(&script);
        let attach = move |_: &Roots, _: Pid| -> Result<Box<dyn Rung>, Refusal> {
            if theirs.lock().unwrap().refused {
                return Err(Refusal::new("it may not be read", "sudo it"));
            }
            Ok(Box::new(Scripted { script: Arc::clone(&theirs), known: Vec::new() }))
        };
        let step = Step { source: ReadySource::Memory, attach: Box::new(attach) };
        let ladder = Ladder { steps: vec![step], semaphores: false };
        let mut engine = Engine::on(Roots::default(), ladder).unwrap();
        let now = Instant::now();
        engine.watch(&BTreeMap::from([(pid, Vec::new())]), now);
        Self { engine, script, pid, now }
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    /// From now on one iterator is seen, and the main thread at this.
    fn sees(&self, key: u64, dataset: &str, (ready, taken): (u64, u64), main: Loop) {
        let mut script = self.script();
        script.known = vec![known(key, dataset)];
        script.depths = BTreeMap::from([(key, depth(ready, taken))]);
        script.main = Some(main);
    }

    /// All looks and searches that are due in so long.
    fn rounds(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now = self.engine.due(self.now).max(self.now);
            self.engine.round(self.now);
        }
    }

    /// So many looks, a tenth of a second apart.
    fn looks(&mut self, count: u32) {
        for _ in 0..count {
            self.now += Duration::from_millis(100);
            self.engine.look_now(self.now);
        }
    }

    fn rows(&mut self) -> Vec<(Arc<LoaderInfo>, LoaderSample)> {
        self.engine.rows(self.now, false)
    }
}

fn inside(key: u64) -> Loop {
    Loop { inside: Inside::Of(key), activity: Some(Activity::Data), ..Loop::default() }
}

fn working(activity: Activity) -> Loop {
    Loop { activity: Some(activity), ..Loop::default() }
}

#[test]
fn of_a_loader_that_cannot_be_looked_into_its_kind_and_the_wait_are_told() {
    let mut stage = Stage::new();
    let none = Depth {
        ready: Err(Gap::Unsupported),
        stash: Err(Gap::Unsupported),
        taken: None,
        outstanding: None,
        busy: None,
        ..depth(0, 0)
    };
    {
        let mut script = stage.script();
        script.known = vec![Known { key: 5, kind: "tf.data".into(), ..Known::default() }];
        script.depths.insert(5, none);
        script.main = Some(inside(5));
    }
    stage.looks(10);
    stage.script().main = Some(working(Activity::Backward));
    stage.looks(10);
    let rows = stage.rows();
    let [(info, row)] = &*rows else { panic!("{rows:?}") };
    assert_eq!((&*info.kind, row.ready), ("tf.data", Reading::Not(Gap::Unsupported)));
    assert_eq!((row.workers, row.capacity), (row.ready, row.ready));
    assert_eq!((row.samples_total, row.wait_samples_total), (Reading::Is(20), Reading::Is(10)));
    assert_eq!(row.wait_bound, Reading::Is(Bound::Exact));
    assert_eq!(row.main_backward_samples_total, Reading::Is(10));
    assert_eq!(row.activity, Reading::Is(Activity::Backward));
    assert!(!row.ready_source.is() && !row.ready_bound.is());
}

#[test]
fn a_wait_is_of_the_loader_that_the_loop_is_inside_of() {
    let mut stage = Stage::new();
    {
        let mut script = stage.script();
        script.known = vec![known(1, "Train"), known(2, "Held")];
        script.depths = BTreeMap::from([(1, depth(0, 1)), (2, depth(4, 1))]);
        script.main = Some(inside(1));
    }
    stage.looks(10);
    let rows = stage.rows();
    let of = |rows: &[(Arc<LoaderInfo>, LoaderSample)], dataset: &str| {
        rows.iter().find(|(info, _)| &*info.dataset == dataset).unwrap().1.clone()
    };
    assert_eq!(rows.len(), 2);
    assert_eq!(&*rows[0].0.dataset, "Train");
    let waits = |row: &LoaderSample| row.wait_samples_total.ok().unwrap();
    assert_eq!((waits(&of(&rows, "Train")), waits(&of(&rows, "Held"))), (10, 0));
    stage.script().main = Some(inside(2));
    stage.looks(5);
    let rows = stage.rows();
    assert_eq!(&*rows[0].0.dataset, "Held", "the one in use stands in front");
    assert_eq!((waits(&of(&rows, "Train")), waits(&of(&rows, "Held"))), (10, 5));
    assert_eq!(of(&rows, "Held").ready, Reading::Is(4));
    assert_eq!(of(&rows, "Train").empty_samples_total, Reading::Is(15));
}

#[test]
fn the_next_iterator_of_a_loader_goes_on_with_its_counts() {
    let mut stage = Stage::new();
    stage.sees(1, "Train", (2, 98), working(Activity::Forward));
    stage.looks(3);
    stage.sees(7, "Train", (0, 3), inside(7));
    stage.looks(3);
    let rows = stage.rows();
    let [(_, row)] = &*rows else { panic!("{rows:?}") };
    // Two were left of a hundred, and three are taken of the next.
    assert_eq!((row.steps_total, row.epochs_total), (Reading::Is(5), Reading::Is(1)));
    assert_eq!((row.position, row.epoch_batches), (Reading::Is(3), Reading::Is(100)));
    assert_eq!(row.batch_size, Reading::Is(8));
    assert_eq!(row.samples_total.ok().unwrap(), row.main_samples_total.ok().unwrap());
}

#[test]
fn between_two_epochs_the_time_counts_and_so_does_the_wait_for_the_first_batch() {
    let mut stage = Stage::new();
    stage.sees(1, "Train", (2, 98), working(Activity::Forward));
    stage.looks(3);
    {
        let mut script = stage.script();
        script.known.clear();
        script.depths.clear();
        script.main = Some(working(Activity::Other));
    }
    stage.looks(4);
    // The next one is not yet to be read.
    stage.script().main = Some(Loop { inside: Inside::Unnamed, ..Loop::default() });
    stage.looks(2);
    let rows = stage.rows();
    let [(_, row)] = &*rows else { panic!("{rows:?}") };
    let counts = (row.samples_total, row.wait_samples_total, row.empty_samples_total);
    assert_eq!(counts, (Reading::Is(9), Reading::Is(2), Reading::Is(0)));
}

#[test]
fn between_two_epochs_a_loop_that_waited_is_looked_at_as_often_as_before() {
    let mut stage = Stage::new();
    let waiting = Loop { inside: Inside::Of(1), ..Loop::default() };
    stage.sees(1, "Train", (0, 5), waiting);
    stage.rounds(Duration::from_secs(3));
    {
        let mut script = stage.script();
        script.known.clear();
        script.depths.clear();
        (script.main, script.looks) = (Some(working(Activity::Other)), 0);
    }
    stage.rounds(Duration::from_secs(1));
    // With its loader gone, five times as many as of a loop that does not wait.
    let looks = stage.script().looks;
    assert!((45..=55).contains(&looks), "{looks} looks");
}

#[test]
fn looks_without_an_answer_are_told_apart_from_those_that_see_no_wait() {
    let mut stage = Stage::new();
    stage.sees(1, "Train", (2, 5), working(Activity::Other));
    stage.looks(4);
    stage.script().main = None;
    stage.looks(3);
    let (_, row) = stage.rows().remove(0);
    assert_eq!((row.samples_total, row.failed_total), (Reading::Is(4), Reading::Is(3)));
}

#[test]
fn a_rung_at_its_end_leaves_no_figure_and_is_taken_again_with_the_reason_meanwhile() {
    let mut stage = Stage::new();
    stage.sees(1, "Train", (2, 5), working(Activity::Other));
    stage.looks(3);
    assert!(stage.rows()[0].1.ready.is());
    stage.script().lost = true;
    stage.looks(1);
    let (info, row) = stage.rows().remove(0);
    assert_eq!((row.ready, row.wait_source.is()), (Reading::Not(Gap::Lost), false));
    assert!(info.refused.iter().any(|refused| refused.why.contains("another program")), "{info:?}");
    {
        let mut script = stage.script();
        (script.lost, script.refused) = (false, true);
    }
    stage.looks(20);
    let (info, _) = stage.rows().remove(0);
    assert!(info.refused.iter().any(|refused| &*refused.remedy == "sudo it"), "{info:?}");
    stage.script().refused = false;
    stage.looks(20);
    assert_eq!(stage.rows()[0].1.ready, Reading::Is(2));
}

/// A process that is killed at the end.
struct Sleeper(Child);

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Sleeper {
    /// Sends a signal, and waits until the process is in a state that is wanted after it.
    fn send(&self, signal: Signal, wanted: &str) {
        let pid = rustix::process::Pid::from_raw(self.0.id().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
        let begun = Instant::now();
        loop {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
            let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).unwrap();
            if wanted.contains(state) {
                return;
            }
            assert!(begun.elapsed() < Duration::from_mins(1), "never {wanted}: {stat}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_stopped_training_waits_for_nothing_although_its_own_clock_goes_on() {
    let sleeper = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
    let sleeper = Sleeper(sleeper);
    let mut stage = Stage::over(Pid(sleeper.0.id()));
    {
        let mut script = stage.script();
        script.known = vec![known(1, "Train")];
        script.main = Some(inside(1));
    }
    let mut clock = Duration::from_secs(1);
    // A look counts a hundredth of a second, and so long it waits between two of them.
    let mut waits = |stage: &mut Stage, looks: u32| {
        for _ in 0..looks {
            clock += Duration::from_millis(10);
            stage.script().depths.insert(1, Depth { waited: Some(clock), ..depth(0, 1) });
            stage.looks(1);
        }
        stage.rows()[0].1.wait_samples_total
    };
    assert_eq!(waits(&mut stage, 11), Reading::Is(10), "the first look tells no time");
    sleeper.send(Signal::STOP, "T");
    assert_eq!(waits(&mut stage, 10), Reading::Is(10));
    sleeper.send(Signal::CONT, "SR");
    assert_eq!(waits(&mut stage, 5), Reading::Is(15));
}

/// Searches in a minute of looks, a tenth of a second apart, while the descendants change each second.
fn searches(workers: Vec<Pid>, child: impl Fn(u32) -> Vec<Pid>) -> u32 {
    let mut stage = Stage::new();
    {
        let mut script = stage.script();
        script.known = vec![Known { workers, ..known(1, "Train") }];
        script.depths = BTreeMap::from([(1, depth(2, 5))]);
        script.main = Some(inside(1));
    }
    stage.looks(20);
    let before = stage.script().searches;
    for second in 0..60 {
        stage.engine.watch(&BTreeMap::from([(stage.pid, child(second))]), stage.now);
        stage.looks(10);
    }
    let after = stage.script().searches;
    after - before
}

#[test]
fn a_training_that_starts_a_process_each_second_is_not_searched_each_time() {
    let other = |second| Pid(4_200_000 + second);
    let worker = Pid(std::process::id());
    let beside = searches(vec![worker], |second| vec![worker, other(second)]);
    assert!((10..=18).contains(&beside), "{beside} while all workers are there");
    let of_it = searches(Vec::new(), |second| vec![other(second)]);
    assert!((50..=64).contains(&of_it), "{of_it} where each may be a worker");
    let calm = searches(vec![worker], |_| vec![worker]);
    assert!(calm <= 9, "{calm} where nothing changes");
}

#[test]
fn a_loop_that_waits_is_looked_at_fifty_times_a_second_and_its_queue_ten_times() {
    let mut stage = Stage::new();
    {
        let mut script = stage.script();
        script.known = vec![known(1, "Train")];
        script.depths = BTreeMap::from([(1, depth(0, 5))]);
        script.main = Some(inside(1));
    }
    let mut told = Vec::new();
    let mut until = |stage: &mut Stage, seconds: u64| {
        let end = stage.now + Duration::from_secs(seconds);
        while stage.now < end {
            stage.now = stage.engine.due(stage.now).max(stage.now);
            told.extend(stage.engine.round(stage.now));
        }
        let script = stage.script();
        (script.looks, script.queue_looks)
    };
    // It begins slow.
    let before = until(&mut stage, 2);
    let after = until(&mut stage, 10);
    let looks = after.0 - before.0;
    assert!((490..=510).contains(&looks), "{looks} in ten seconds");
    let queue_looks = after.1 - before.1;
    assert!((95..=105).contains(&queue_looks), "{queue_looks} in ten seconds");
    assert_eq!(told.len(), after.0 as usize);
    assert!(told.iter().all(|seen| seen.waiting));
    assert_eq!(told.iter().filter(|seen| seen.ready.is()).count(), after.1 as usize);
    // All of the time counts, however it was seen.
    let (_, row) = stage.rows().remove(0);
    assert_eq!(row.wait_samples_total, row.samples_total);
    assert_eq!(row.empty_samples_total, row.samples_total);
}
