//! All loaders of all trainers: which there are, and whose turn it is to be looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::model::inventory::LoaderInfo;
use crate::model::sample::{LoaderSample, WorkerSample};
use crate::model::{LoaderId, Pid};
use crate::source::root::Roots;

use super::discover::{Group, discover};
use super::place::{MainAt, main_at};
use super::places::Places;
use super::proc;
use super::queue::Pinning;
use super::rows;
use super::rung::Attach;
use super::tap::Tap;
use super::tracked::{Seen, Tools, Tracked};

/// Between looks at a loader that the loop waits for.
const FAST: Duration = Duration::from_millis(50);
/// Between looks at a healthy loader, and at the workers of any.
const SLOW: Duration = Duration::from_millis(100);
/// Looks come up to this share of their time early or late, at random: a round that began early is
/// the look, and not only a wake-up before it.
const EARLY: f64 = 0.6;
/// Between searches while there is something to find.
const SEARCH: [u64; 5] = [250, 500, 1000, 2000, 5000];
/// For how long the row of a loader that is gone stays, with gaps.
const KEEP_ROW: Duration = Duration::from_secs(10);
/// How long a trainer must be known without workers before that is said.
const WITHOUT: Duration = Duration::from_secs(10);
/// Loaders kept of one trainer, the gone ones included.
const PER_TRAINER: usize = 32;

#[derive(Debug)]
struct Trainer {
    pid: Pid,
    start_ticks: u64,
    descendants: BTreeSet<Pid>,
    loaders: Vec<Tracked>,
    known_at: Instant,
    searches: usize,
    search_at: Option<Instant>,
    pins_at: Option<Instant>,
    denied: Option<usize>,
    ended: bool,
    bare: Option<LoaderId>,
    /// Groups that may not be all there yet: result pipe and workers at the search before.
    growing: Vec<(u64, usize)>,
}

/// Everything that is looked at. Does its work where it is called: the thread is elsewhere.
pub struct Engine {
    roots: Roots,
    tap: Tap,
    places: Places,
    attach: Vec<Attach>,
    trainers: BTreeMap<Pid, Trainer>,
    next_id: u32,
    /// Looks taken since the start.
    pub looks: u64,
}

impl Engine {
    /// Looks at nothing yet. `attach` are the sources that are better than the pipes, best first.
    pub fn new(roots: Roots, attach: Vec<Attach>) -> io::Result<Self> {
        let (trainers, next_id) = (BTreeMap::new(), 1);
        let places = Places::default();
        Ok(Self { roots, tap: Tap::new()?, places, attach, trainers, next_id, looks: 0 })
    }

    /// These trainers, with their descendants.
    pub fn watch(&mut self, wanted: &BTreeMap<Pid, Vec<Pid>>, now: Instant) {
        self.trainers.retain(|pid, trainer| wanted.contains_key(pid) && !trainer.ended);
        for (&pid, descendants) in wanted {
            let descendants: BTreeSet<Pid> = descendants.iter().copied().collect();
            if let Some(trainer) = self.trainers.get_mut(&pid) {
                if trainer.descendants != descendants {
                    trainer.descendants = descendants;
                    (trainer.searches, trainer.search_at) = (0, Some(now));
                }
                continue;
            }
            let Ok(stat) = proc::stat(&proc::folder(&self.roots.proc, pid)) else { continue };
            let trainer = Trainer {
                pid,
                start_ticks: stat.start_ticks,
                descendants,
                loaders: Vec::new(),
                known_at: now,
                searches: 0,
                search_at: Some(now),
                pins_at: None,
                denied: None,
                ended: false,
                bare: None,
                growing: Vec::new(),
            };
            self.trainers.insert(pid, trainer);
        }
    }

    /// Searches and looks at what is due, and says what the looks saw.
    pub fn round(&mut self, now: Instant) -> Vec<Seen> {
        self.pass(now, false)
    }

    /// Looks at every loader, due or not.
    pub fn look_now(&mut self, now: Instant) -> Vec<Seen> {
        self.pass(now, true)
    }

    fn pass(&mut self, now: Instant, all: bool) -> Vec<Seen> {
        let mut seen = Vec::new();
        let Self { roots, tap, places, attach, trainers, next_id, looks } = self;
        for trainer in trainers.values_mut() {
            if trainer.search_at.is_some_and(|at| at <= now) {
                trainer.search(roots, now, next_id, attach);
            }
            trainer.pins(roots, now);
            let mut tools = Tools { roots, tap, places, now, current: true };
            trainer.looks(&mut tools, all, looks, &mut seen);
        }
        seen
    }

    /// When the next look is due.
    pub fn due(&self, now: Instant) -> Instant {
        let soonest = self.trainers.values().flat_map(Trainer::due).min();
        soonest.unwrap_or(now + Duration::from_millis(500)).min(now + Duration::from_millis(500))
    }

    /// The rows as they stand, of each trainer the loader that moves first. With `take`, the range
    /// of the depth begins anew.
    pub fn rows(&mut self, now: Instant, take: bool) -> Vec<(Arc<LoaderInfo>, LoaderSample)> {
        let next_id = &mut self.next_id;
        let mut all = Vec::new();
        for trainer in self.trainers.values_mut().filter(|trainer| !trainer.ended) {
            let mut of_trainer: Vec<_> = trainer
                .loaders
                .iter_mut()
                .filter(|loader| loader.shown() && !forgotten(loader, now))
                .collect();
            of_trainer
                .sort_by_key(|loader| (loader.gone.is_some(), std::cmp::Reverse(loader.moved_at)));
            for loader in &mut of_trainer {
                all.push((Arc::new(loader.info()), loader.sample(now)));
                if take {
                    loader.range = None;
                }
            }
            if of_trainer.is_empty() {
                all.extend(trainer.bare(now, next_id));
            }
        }
        all
    }

    /// The workers of the loaders that are there, as they stand.
    pub fn workers(&self) -> Vec<WorkerSample> {
        let loaders = self.trainers.values().flat_map(|trainer| &trainer.loaders);
        let loaders = loaders.filter(|loader| loader.shown() && loader.gone.is_none());
        loaders.flat_map(Tracked::workers_sample).collect()
    }

    /// Trainers whose descriptors may not be read.
    pub fn denied(&self) -> Vec<Pid> {
        self.trainers.values().filter(|t| t.denied.is_some()).map(|t| t.pid).collect()
    }
}

fn forgotten(loader: &Tracked, now: Instant) -> bool {
    loader.gone.is_some_and(|at| now.saturating_duration_since(at) > KEEP_ROW)
}

impl Trainer {
    fn due(&self) -> impl Iterator<Item = Instant> + '_ {
        let looks = self.loaders.iter().filter(|loader| loader.gone.is_none()).map(|loader| {
            let every = interval(loader);
            loader.last_look.map_or(self.known_at, |at| at + every)
        });
        looks.chain(self.search_at)
    }

    /// Looks at the loaders that are due.
    fn looks(&mut self, tools: &mut Tools<'_>, all: bool, looks: &mut u64, seen: &mut Vec<Seen>) {
        let now = tools.now;
        let last =
            |at: Option<Instant>| at.map_or(Duration::MAX, |at| now.saturating_duration_since(at));
        let moving = self.loaders.iter().filter(|loader| loader.gone.is_none());
        let current = moving.max_by_key(|loader| loader.moved_at).map(|loader| loader.id);
        for loader in self.loaders.iter_mut().filter(|loader| loader.gone.is_none()) {
            if !all && last(loader.last_look) < interval(loader).mul_f64(EARLY) {
                continue;
            }
            let blind = loader.queue.pinning.get() == Some(true);
            let full = all || blind || last(loader.last_full) >= SLOW.mul_f64(0.9);
            tools.current = current == Some(loader.id);
            *looks += 1;
            if loader.look(tools, full).is_ok() {
                seen.extend(loader.last.clone().filter(|_| loader.shown()));
            } else {
                loader.gone = Some(now);
                (self.searches, self.search_at) = (0, Some(now));
            }
        }
    }

    /// Finds the groups anew, and the loader that each of them is.
    fn search(&mut self, roots: &Roots, now: Instant, next_id: &mut u32, attach: &[Attach]) {
        let folder = proc::folder(&roots.proc, self.pid);
        let alive = proc::stat(&folder).is_ok_and(|stat| stat.start_ticks == self.start_ticks);
        if !alive {
            self.ended = true;
            self.search_at = None;
            return;
        }
        // The list from outside may be a tick old; a new epoch's workers are younger than that.
        let mut descendants = self.descendants.clone();
        descendants.extend(proc::descendants(&roots.proc, self.pid, 2048));
        let descendants: Vec<Pid> = descendants.into_iter().collect();
        let groups = match discover(&roots.proc, self.pid, &descendants) {
            Ok(groups) => {
                self.denied = None;
                groups
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.denied = Some(named_workers(roots, &descendants));
                Vec::new()
            }
            Err(_) => Vec::new(),
        };
        let pin_threads = if groups.is_empty() { Vec::new() } else { pin_threads(roots, self.pid) };
        let complete = !groups.is_empty();
        self.assign(groups, &pin_threads, now, next_id, attach);
        let step = SEARCH.get(self.searches.min(SEARCH.len() - 1)).copied().unwrap_or(5000);
        self.searches += 1;
        // Workers start one after the other: what is found may not be all of it yet.
        let more = !complete || self.searches < SEARCH.len() || !self.growing.is_empty();
        self.search_at = more.then(|| now + Duration::from_millis(step));
    }

    fn assign(
        &mut self,
        groups: Vec<Group>,
        pins: &[u32],
        now: Instant,
        next_id: &mut u32,
        attach: &[Attach],
    ) {
        let mut left: Vec<Group> = Vec::new();
        let mut kept = BTreeSet::new();
        for group in groups {
            let same = |loader: &&mut Tracked| loader.group.result.inode == group.result.inode;
            if let Some(loader) = self.loaders.iter_mut().find(same) {
                kept.insert(loader.id);
                if loader.group != group || loader.gone.is_some() {
                    loader.adopt(group);
                }
            } else {
                left.push(group);
            }
        }
        for loader in self.loaders.iter_mut().filter(|loader| !kept.contains(&loader.id)) {
            loader.gone.get_or_insert(now);
        }
        let before = std::mem::take(&mut self.growing);
        for group in left {
            // Workers start one after the other. With fewer than a former loader had, it may be that
            // one, half started: whose heir it is shows when it stays as it is.
            let shape = (group.result.inode, group.workers.len());
            let clear = self.loaders.iter().all(|loader| loader.group.workers.len() == shape.1);
            if !clear && !before.contains(&shape) {
                self.growing.push(shape);
                continue;
            }
            // The next epoch's iterator of a loader that is gone goes on with its counts.
            let heir = self.loaders.iter_mut().find(|loader| {
                loader.gone.is_some() && loader.group.workers.len() == group.workers.len()
            });
            let loader = if let Some(loader) = heir {
                loader.adopt(group);
                loader
            } else {
                if self.loaders.len() >= PER_TRAINER {
                    continue;
                }
                let id = LoaderId(*next_id);
                *next_id += 1;
                let pinned = pinned(&group, pins, self.loaders.len());
                self.loaders.push(Tracked::new(id, self.pid, group, pinned));
                let Some(loader) = self.loaders.last_mut() else { continue };
                loader
            };
            (loader.rung, loader.why) = climb(self.pid, &loader.group, attach);
        }
    }

    /// A loader's pin thread starts after its workers, so its name is looked for again.
    fn pins(&mut self, roots: &Roots, now: Instant) {
        let due = self.pins_at.is_none_or(|at| now.saturating_duration_since(at).as_secs() >= 1);
        if self.loaders.iter().all(|loader| loader.gone.is_some()) || !due {
            return;
        }
        self.pins_at = Some(now);
        let pins = pin_threads(roots, self.pid);
        let guess = |loader: &Tracked| matches!(loader.queue.pinning, Pinning::Inferred { .. });
        let polls = self.loaders.iter().any(guess) && other_polls(roots, self.pid);
        let live = self.loaders.iter().filter(|loader| loader.gone.is_none()).count();
        for loader in self.loaders.iter_mut().filter(|loader| loader.gone.is_none()) {
            let named = loader.group.workers.iter().any(|worker| worker.named);
            loader.queue.other_polls = polls;
            loader.pin_thread = pins.first().copied().filter(|_| live == 1 && pins.len() == 1);
            loader.queue.pinning = match loader.queue.pinning {
                Pinning::Known(false) if !pins.is_empty() && pins.len() < live => {
                    Pinning::Inferred { plain: 0, pinned: 0 }
                }
                _ if named && pins.is_empty() => Pinning::Known(false),
                _ if !pins.is_empty() && pins.len() >= live => Pinning::Known(true),
                other => other,
            };
        }
    }

    /// The row of a trainer of which no queue can be seen.
    fn bare(&mut self, now: Instant, next_id: &mut u32) -> Option<(Arc<LoaderInfo>, LoaderSample)> {
        let late = now.saturating_duration_since(self.known_at) > WITHOUT;
        let none = self.descendants.is_empty() && self.loaders.is_empty() && late;
        if self.denied.is_none() && !none {
            return None;
        }
        let id = *self.bare.get_or_insert_with(|| {
            let id = LoaderId(*next_id);
            *next_id += 1;
            id
        });
        let mut info = LoaderInfo { loader: id, pid: self.pid, ..Default::default() };
        let row = if let Some(workers) = self.denied {
            info.why_not_better = "Its descriptors may not be read: run mltop as the user of the \
                                   training, or as root."
                .into();
            rows::denied(id, self.pid, workers)
        } else {
            info.why_not_better = "It has no worker processes: there is no queue to read.".into();
            rows::without_workers(id, self.pid)
        };
        Some((Arc::new(info), row))
    }
}

fn interval(loader: &Tracked) -> Duration {
    if loader.healthy() { SLOW } else { FAST }
}

/// The best source that can be had, and why not a better one.
fn climb(
    pid: Pid,
    group: &Group,
    attach: &[Attach],
) -> (Option<Box<dyn super::rung::Rung>>, Box<str>) {
    let mut why = Box::default();
    for attach in attach {
        match attach(pid, group) {
            Ok(rung) => return (Some(rung), why),
            Err(reason) => why = reason,
        }
    }
    (None, why)
}

/// Whether a new loader pins, as far as thread names tell: torch names its threads since 2.5.
fn pinned(group: &Group, pins: &[u32], others: usize) -> Option<bool> {
    if pins.len() > others {
        return Some(true);
    }
    let named = group.workers.iter().any(|worker| worker.named);
    (named && pins.is_empty()).then_some(false)
}

/// The trainer's threads that pin.
fn pin_threads(roots: &Roots, pid: Pid) -> Vec<u32> {
    let tasks = proc::folder(&roots.proc, pid).join("task");
    let Ok(entries) = fs::read_dir(tasks) else { return Vec::new() };
    let named = |path: &std::path::Path| {
        proc::read_word(&path.join("comm")).is_ok_and(|name| name == "pt_data_pin")
    };
    let entries = entries.take(2048).flatten().filter(|entry| named(&entry.path()));
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Whether a thread besides the main one waits for a descriptor.
fn other_polls(roots: &Roots, pid: Pid) -> bool {
    let tasks = proc::folder(&roots.proc, pid).join("task");
    let Ok(entries) = fs::read_dir(tasks) else { return false };
    let main = pid.to_string();
    let others = entries.take(256).flatten().filter(|entry| entry.file_name() != *main);
    others
        .into_iter()
        .any(|entry| proc::wchan(&entry.path()).is_ok_and(|name| main_at(&name) == MainAt::Poll))
}

fn named_workers(roots: &Roots, descendants: &[Pid]) -> usize {
    let named = |pid: &&Pid| {
        let comm = proc::folder(&roots.proc, **pid).join("comm");
        proc::read_word(&comm).is_ok_and(|name| name == "pt_data_worker")
    };
    descendants.iter().filter(named).count()
}
