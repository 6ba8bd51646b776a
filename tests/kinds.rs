//! Loaders of all kinds, under the libraries that have them: found, named, and their wait told against
//! the loop's own clock.
//!
//! The quick ones run with the tests; `tests/kinds/run` runs all and writes `tests/kinds/TABLE.md`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop, and says what it measured or skipped"
)]

#[path = "kinds/loops.rs"]
mod loops;
#[path = "truth/score.rs"]
#[allow(dead_code, reason = "only the wait is scored here")]
mod score;
#[path = "common/train.rs"]
#[allow(dead_code, reason = "other tests need the rest of it")]
mod train;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use mltop::derive;
use mltop::diagnose::{Doing, Engine, Settings};
use mltop::model::sample::LoaderSample;
use mltop::model::{Bound, Pid, Reading};
use mltop::source::Roots;
use mltop::source::gpu::Gpus;
use mltop::source::loader::Loaders;
use mltop::source::sampler::{GpuFeed, Plan, Sampler};
use mltop::source::server::Wanted;

use loops::Loop;
use score::WaitScore;
use train::{Truth, cache, has};

/// Seconds that a quick one is looked at.
const SHORT: u32 = 6;
const TRIES: u32 = 3;
/// Within so many points must the wait be told, beside what chance makes of it.
const POINTS: f64 = 0.05;

/// What can be known of a kind's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Queue {
    /// How many batches are ready.
    Told,
    /// It is out of sight, and no figure stands for it.
    Hidden,
}

/// A kind of loader.
#[derive(Clone, Copy, Debug)]
struct Kind {
    name: &'static str,
    script: &'static str,
    modules: &'static [&'static str],
    /// What mltop calls it.
    word: &'static str,
    queue: Queue,
    /// Whether it runs with the tests.
    quick: bool,
}

const KINDS: [Kind; 9] = [
    kind(
        "torchdata StatefulDataLoader",
        "torch_stateful",
        &["torchdata"],
        "pytorch",
        Queue::Told,
        true,
    ),
    kind("webdataset", "webdataset_loader", &["webdataset"], "pytorch", Queue::Told, true),
    kind("Lightning", "lightning_fit", &["lightning"], "pytorch", Queue::Told, true),
    kind(
        "Hugging Face Trainer",
        "transformers_trainer",
        &["transformers", "accelerate"],
        "pytorch",
        Queue::Told,
        false,
    ),
    kind("Grain, processes", "grain_loader", &["grain"], "grain", Queue::Hidden, false),
    kind("tf.data", "tf_data", &["tensorflow"], "tf.data", Queue::Hidden, false),
    kind("multiprocessing.Queue", "mp_queue", &[], "queue", Queue::Hidden, true),
    kind("multiprocessing.Pool", "mp_pool", &[], "queue", Queue::Hidden, true),
    kind("queue.Queue of threads", "thread_queue", &[], "queue", Queue::Hidden, true),
];

const fn kind(
    name: &'static str,
    script: &'static str,
    modules: &'static [&'static str],
    word: &'static str,
    queue: Queue,
    quick: bool,
) -> Kind {
    Kind { name, script, modules, word, queue, quick }
}

/// An interpreter with these modules, or a word on why there is none.
fn interpreter(kind: &Kind) -> Option<PathBuf> {
    let environments = ["kinds", "tensorflow", "torch-newest"];
    let paths = environments.iter().map(|name| cache().join(name).join("bin/python"));
    let mut paths = paths.chain([PathBuf::from("/usr/bin/python3")]);
    let found = paths.find(|python| python.exists() && has(python, kind.modules));
    if found.is_none() {
        println!("skipped: {}: no interpreter here has {:?}", kind.name, kind.modules);
    }
    found
}

/// What mltop said of a kind, and the truth.
struct Said {
    word: String,
    row: LoaderSample,
    wait: Option<WaitScore>,
}

fn watch(python: &Path, kind: &Kind, seconds: u32) -> Option<Said> {
    let mut training = Loop::start(python, kind.script, seconds + 2);
    let loaders = Loaders::start(Roots::default());
    let pid = Pid(training.pid());
    loaders.watch(&BTreeMap::from([(pid, Vec::new())]));
    let began = Instant::now();
    let mut ticks: Vec<(SystemTime, String, LoaderSample)> = Vec::new();
    for second in 1..=seconds {
        thread::sleep(
            (began + Duration::from_secs(second.into())).saturating_duration_since(Instant::now()),
        );
        let look = loaders.look();
        let waits = |row: &&LoaderSample| row.wait_samples_total.ok().unwrap_or(0);
        let Some(row) = look.samples.iter().max_by_key(waits) else { continue };
        let info = look.infos.iter().find(|info| info.loader == row.loader);
        let word = info.map_or_else(String::new, |info| info.kind.to_string());
        ticks.push((SystemTime::now(), word, row.clone()));
    }
    let waits = training.finish();
    let first = waits.first()?.0;
    let truth = Truth { depths: vec![(first, None, None, 1e9)], waits, ..Truth::default() };
    let (_, word, row) = ticks.last()?.clone();
    let rows: Vec<_> = ticks.into_iter().map(|(at, _, row)| (at, row)).collect();
    Some(Said { word, row, wait: score::wait(&truth, &rows, &[]) })
}

impl Said {
    fn misses(&self, kind: &Kind) -> Vec<String> {
        let mut misses = Vec::new();
        if self.word != kind.word {
            misses.push(format!("called {:?}", self.word));
        }
        let sum = self.row.ready_sum.zip(self.row.samples_total).ok();
        let mean = sum.map(|(sum, looks)| sum as f64 / looks as f64);
        match (kind.queue, self.row.ready, mean) {
            (Queue::Told, Reading::Is(_), Some(mean)) if mean <= 1.0 => (),
            (Queue::Hidden, Reading::Not(_), _) => (),
            (_, ready, mean) => misses.push(format!("depth {ready:?}, in the mean {mean:?}")),
        }
        let Some(wait) = &self.wait else {
            misses.push("no wait".into());
            return misses;
        };
        let exact = wait.known.is_some_and(|(_, bound)| bound == Bound::Exact);
        let bias = if exact { wait.bias().abs() } else { wait.bias() };
        if bias > POINTS + wait.error || wait.truth < 0.3 {
            misses.push(format!("wait {:.2} for {:.2}", wait.estimate, wait.truth));
        }
        misses
    }

    fn text(&self) -> String {
        let depth = match self.row.ready {
            Reading::Is(ready) => {
                let bound = self.row.ready_bound.ok().map_or("", score::bound);
                let source = self.row.ready_source.ok().map_or("", |source| source.code());
                format!("{bound} {ready} ({source})")
            }
            Reading::Not(gap) => gap.words().to_owned(),
        };
        let capacity =
            self.row.capacity.ok().map_or_else(|| "–".into(), |capacity| capacity.to_string());
        let wait = self.wait.as_ref().map_or_else(
            || "– | – | – | –".into(),
            |wait| {
                let known = wait.known.map_or_else(String::new, |(source, bound)| {
                    format!("{} {}", score::bound(bound), source.code())
                });
                format!(
                    "{:.1} | {:.1} | {:+.1} ± {:.1} | {known}",
                    wait.truth * 100.0,
                    wait.estimate * 100.0,
                    wait.bias() * 100.0,
                    wait.error * 100.0
                )
            },
        );
        format!("{} | {depth} | {capacity} | {wait}", self.word)
    }
}

/// Tries a kind up to three times; the last try's figures and what they miss.
fn judge(python: &Path, kind: &Kind, seconds: u32) -> (String, Vec<String>) {
    let mut last = (String::new(), vec!["never seen".to_owned()]);
    for attempt in 1..=TRIES {
        if let Some(said) = watch(python, kind, seconds) {
            last = (said.text(), said.misses(kind));
        }
        println!("{}: try {attempt}: {} {}", kind.name, last.0, last.1.join("; "));
        if last.1.is_empty() {
            break;
        }
    }
    last
}

#[test]
fn quick_kinds_are_named_and_their_wait_is_told() {
    let kinds: Vec<_> = KINDS
        .iter()
        .filter(|kind| kind.quick)
        .filter_map(|kind| Some((interpreter(kind)?, kind)))
        .collect();
    // They sleep most of their time, so that a few together do not take each other's CPU.
    let mut failed = Vec::new();
    for few in kinds.chunks(3) {
        thread::scope(|scope| {
            let started: Vec<_> = few
                .iter()
                .map(|(python, kind)| scope.spawn(|| (kind.name, judge(python, kind, SHORT).1)))
                .collect();
            failed.extend(started.into_iter().map(|one| one.join().unwrap()));
        });
    }
    failed.retain(|(_, misses)| !misses.is_empty());
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
#[ignore = "takes minutes; tests/kinds/run brings the libraries and runs it"]
fn all_kinds_are_named_and_their_wait_is_told() {
    let mut table = include_str!("kinds/HEAD.md").to_owned();
    let mut failed = 0;
    for kind in &KINDS {
        let (text, misses) = match interpreter(kind) {
            Some(python) => judge(&python, kind, 31),
            None => (String::new(), vec!["not run".into()]),
        };
        failed += usize::from(!misses.is_empty());
        let verdict = if misses.is_empty() { "yes".into() } else { misses.join("; ") };
        let _ = writeln!(table, "| {} | {text} | {verdict} |", kind.name);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kinds/TABLE.md");
    std::fs::write(path, table).unwrap();
    assert_eq!(failed, 0);
}

#[test]
fn a_run_is_judged_by_its_worst_rank() {
    let Some(python) = train::interpreters().into_iter().find(|(name, _)| *name == "newest") else {
        println!("skipped: ranks under torchrun: no torch");
        return;
    };
    let run = Loop::start_ranks(&python.1, 90);
    let (slow, quick) = (Pid(run.rank(1)), Pid(run.rank(0)));
    let (send, samples) = channel();
    let exe = Path::new(env!("CARGO_BIN_EXE_mltop"));
    let interval = Duration::from_secs(1);
    let gpus = GpuFeed::Drivers(Gpus::start(exe, interval));
    let servers = Wanted::default();
    let plan =
        Plan { interval, roots: Roots::default(), only: None, gpus, elsewhere: None, servers };
    let _sampler = Sampler::start(plan, move |sample| send.send(sample).is_ok()).unwrap();
    let mut engine = Engine::new(Settings::default());
    let (mut before, mut last) = (None, None);
    let deadline = Instant::now() + Duration::from_mins(1);
    while Instant::now() < deadline {
        let sample = samples.recv_timeout(Duration::from_secs(30)).unwrap();
        let frame = derive::frame(before.as_deref(), std::sync::Arc::clone(&sample));
        before = Some(sample);
        engine.step(&frame);
        let waits = |pid| frame.loaders.iter().find(|row| row.pid == pid).map(|row| row.wait_ratio);
        let now = engine.now();
        let of_run = now.iter().find(|state| state.pid == Some(slow));
        if of_run.is_some_and(|state| state.state == Doing::WaitsForData) {
            let (slow, quick) = (waits(slow), waits(quick));
            println!("{:?}; rank 0 {quick:?}, rank 1 {slow:?}", of_run.map(|state| &state.text));
            assert_eq!(now.iter().filter(|state| state.run == of_run.unwrap().run).count(), 1);
            return;
        }
        last = Some((now, waits(slow), waits(quick)));
    }
    panic!("the run is never judged by its rank 1: {last:?}");
}
