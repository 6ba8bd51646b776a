//! One training, looked at by the thread that the program runs, at the rates at which it runs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use mltop::model::sample::LoaderSample;
use mltop::model::{LoaderId, Pid};
use mltop::source::Roots;
use mltop::source::loader::{Ladder, Loaders, Seen};

use crate::rows::Row;
use crate::train::{Training, Truth};

/// By which rights the training is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    /// Root's, and those of an ancestor or of the owner where nothing forbids it: memory too.
    Memory,
    /// What the owner of the process may always read: descriptors, not memory.
    Plain,
}

impl Rights {
    pub(crate) const ALL: [Self; 2] = [Self::Memory, Self::Plain];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Plain => "plain",
        }
    }
}

/// What mltop said of one loader.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) looks: Vec<Seen>,
    /// Rows, about a second apart, as a sampler takes them.
    pub(crate) ticks: Vec<(SystemTime, LoaderSample)>,
    /// All rows of the last tick, in words.
    pub(crate) last: String,
}

/// A watcher with its rights.
struct Watcher {
    loaders: Loaders,
    looks: Arc<Mutex<Vec<Seen>>>,
    ticks: Vec<(SystemTime, LoaderSample)>,
}

impl Watcher {
    fn start(rights: Rights, pid: Pid) -> Self {
        let looks = Arc::new(Mutex::new(Vec::new()));
        let theirs = Arc::clone(&looks);
        let note = move |seen: &[Seen]| {
            theirs.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(seen);
        };
        let ladder = match rights {
            Rights::Memory => Ladder::all(),
            Rights::Plain => Ladder::default(),
        };
        let loaders = Loaders::start_observed(Roots::default(), ladder, note);
        loaders.watch(&BTreeMap::from([(pid, Vec::new())]));
        Self { loaders, looks, ticks: Vec::new() }
    }

    fn tick(&mut self) {
        let rows = self.loaders.look().samples;
        let now = SystemTime::now();
        self.ticks.extend(rows.into_iter().map(|row| (now, row)));
    }

    /// What it said of the loaders with that many workers.
    fn of(&self, workers: u32) -> Said {
        let has = |row: &LoaderSample| row.workers.ok() == Some(u64::from(workers));
        let ids: Vec<LoaderId> =
            self.ticks.iter().filter(|(_, row)| has(row)).map(|(_, row)| row.loader).collect();
        let mut looks: Vec<Seen> =
            self.looks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        looks.retain(|look| ids.contains(&look.loader));
        // A look that says nothing new repeats the one before.
        looks.dedup_by_key(|look| (look.loader, look.at));
        let ticks = self.ticks.iter().filter(|(_, row)| has(row)).cloned().collect();
        let end = self.ticks.last().map(|(at, _)| *at);
        let rows = self.ticks.iter().filter(|(at, _)| Some(*at) == end).map(|(_, row)| row);
        let word = |row: &LoaderSample| {
            format!("{} workers {:?}, depth {:?}", row.loader.0, row.workers, row.ready)
        };
        Said { looks, ticks, last: rows.map(word).collect::<Vec<_>>().join("; ") }
    }
}

/// Runs a row for so many seconds: the truth, and for each of the rights what was said of the
/// loader, and of the second one where there are two.
pub(crate) fn watch(python: &Path, row: &Row, seconds: u32) -> (Truth, Vec<(Rights, Said, Said)>) {
    let folder = tempfile::tempdir().unwrap();
    // The training goes on a little longer, so that the last look has truth on both sides.
    let arguments = row.arguments(seconds + 1);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut training = Training::start(python, folder.path(), &arguments);
    let pid = Pid(training.pid());
    let mut watchers: Vec<_> =
        Rights::ALL.into_iter().map(|rights| (rights, Watcher::start(rights, pid))).collect();
    let began = Instant::now();
    for second in 1..=seconds {
        let due = began + Duration::from_secs(second.into());
        thread::sleep(due.saturating_duration_since(Instant::now()));
        for (_, watcher) in &mut watchers {
            watcher.tick();
        }
    }
    let said = watchers
        .iter()
        .map(|(rights, watcher)| (*rights, watcher.of(row.workers), watcher.of(row.workers + 1)))
        .collect();
    drop(watchers);
    (training.finish(), said)
}
