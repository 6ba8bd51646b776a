//! Finding a trainer's loaders: by its rung, by its pipes, by its semaphores.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

use crate::model::sample::ReadySource;
use crate::model::{LoaderId, Pid};
use crate::source::root::Roots;

use super::discover::{Group, discover};
use super::ladder::refused;
use super::pipes::Tools;
use super::place::{MainAt, main_at};
use super::proc;
use super::queue::Pinning;
use super::rung::Known;
use super::semaphores::Semaphores;
use super::tracked::Tracked;
use super::trainer::{Shared, Trainer};

/// Between searches while there is something to find.
const SEARCH: [u64; 5] = [250, 500, 1000, 2000, 5000];
/// Workers that import for long show themselves late: so long after the last change of the descendants
/// the search goes on.
const SETTLED: Duration = Duration::from_mins(1);
/// Between two readings of all descriptors while a rung knows the loaders better.
const DISCOVER: Duration = Duration::from_secs(5);
/// The same once all loaders have theirs: it is the dearer half of a search, and what comes next shows in
/// the descendants.
const DISCOVER_LATER: Duration = Duration::from_secs(30);
/// Loaders kept of one trainer, the gone ones included.
const PER_TRAINER: usize = 32;

impl Trainer {
    /// Finds the loaders anew.
    pub(super) fn search(&mut self, shared: &mut Shared<'_>) {
        let (roots, now) = (shared.tools.roots, shared.tools.now);
        let folder = proc::folder(&roots.proc, self.pid);
        self.searched_at = Some(now);
        let alive = proc::stat(&folder).is_ok_and(|stat| stat.start_ticks == self.start_ticks);
        if !alive {
            self.ended = true;
            self.search_at = None;
            return;
        }
        let searched = self.find(shared);
        let on_rung = self.climb.on_rung();
        let every = if self.discovered() { DISCOVER_LATER } else { DISCOVER };
        let seldom = self.discovered_at.is_some_and(|at| now - at < every);
        if !on_rung || !seldom {
            self.discovered_at = Some(now);
            self.discover(shared);
        }
        let complete = self.live().next().is_some();
        let step = SEARCH.get(self.searches.min(SEARCH.len() - 1)).copied().unwrap_or(5000);
        self.searches += 1;
        // Workers start one after the other: what is found may not be all of it yet. A rung is cheap
        // to ask, and a loader without workers shows in no other way.
        let since = self.changed_at.unwrap_or(self.known_at);
        let settling = now.saturating_duration_since(since) < SETTLED;
        let more = on_rung || !complete || settling || !self.growing.is_empty();
        // Of a rung that knows all there is, only a loader without workers could be new, or a thread that
        // takes batches: once the loop was seen inside of one, it is only that loader, and a look meets it.
        let known = on_rung && complete && self.live().all(|loader| loader.known.is_some());
        let step = match (searched, known) {
            (false, _) => step.min(500),
            (true, true) if self.searches > SEARCH.len() => step * if self.entered { 6 } else { 2 },
            (true, _) => step,
        };
        self.search_at = more.then(|| now + Duration::from_millis(step));
    }

    /// Whether the descriptors were read long enough after the last change of the descendants, and every
    /// loader has its pipes.
    fn discovered(&self) -> bool {
        let since = self.changed_at.unwrap_or(self.known_at);
        let after = |at: Instant| at.saturating_duration_since(since) >= DISCOVER;
        let complete = |loader: &Tracked| loader.known.is_some() && loader.pipes.is_some();
        self.discovered_at.is_some_and(after)
            && self.live().next().is_some()
            && self.live().all(complete)
    }

    /// Asks the rung. False while it has not searched everywhere.
    fn find(&mut self, shared: &mut Shared<'_>) -> bool {
        let unknown = |loader: &Tracked| loader.known.is_none();
        let deep = self.live().any(unknown) || self.live().next().is_none();
        let Some(rung) = self.climb.rung() else { return true };
        match rung.find(deep) {
            Err(_) => {
                self.fall(shared.tools.now, "the process runs another program");
                true
            }
            Ok(done) => {
                self.meet(shared, None);
                done || !deep
            }
        }
    }

    /// Takes over what the rung knows. `inside`: the loop was seen inside of this one.
    pub(super) fn meet(&mut self, shared: &mut Shared<'_>, inside: Option<u64>) {
        let Self { climb, loaders, .. } = self;
        let Some(rung) = climb.rung() else { return };
        if inside.is_some() {
            // The epoch before may have ended since its queue was looked at: only what is gone is inherited.
            let live = loaders.iter().filter(|loader| loader.gone.is_none());
            for key in live.filter_map(|loader| Some(loader.known.as_ref()?.key)) {
                let _ = rung.depth(key);
            }
        }
        let all = rung.known().to_vec();
        let now = shared.tools.now;
        let there = |loader: &Tracked| {
            loader.known.as_ref().is_some_and(|known| {
                let unnamed = known.key == Known::unnamed().key && all.is_empty();
                unnamed || all.iter().any(|one| one.key == known.key)
            })
        };
        for loader in self.loaders.iter_mut().filter(|loader| loader.known.is_some()) {
            if !there(loader) {
                loader.gone.get_or_insert(now);
            }
        }
        for known in all {
            let same =
                |loader: &Tracked| loader.known.as_ref().is_some_and(|old| old.key == known.key);
            match self.loaders.iter().position(same) {
                Some(place) => {
                    let Some(loader) = self.loaders.get_mut(place) else { continue };
                    if loader.known.as_ref() != Some(&known) {
                        loader.take_over(shared.tools.roots, known);
                    }
                    loader.gone = None;
                }
                // While `batches = iter(loader)` starts the next epoch, the one before still has its name:
                // which of them is used shows when the loop takes a batch.
                None if inside != Some(known.key) && self.iterates(&known) => {}
                None => {
                    self.add(shared, known);
                }
            }
        }
    }

    /// Whether another iterator of this one's `DataLoader` is there.
    fn iterates(&self, known: &Known) -> bool {
        self.live().filter_map(|loader| loader.known.as_ref()).any(|old| old.same_loader(known))
    }

    /// The loader that a rung has met: one whose workers are known, the next iterator of one that is
    /// gone, or a new one.
    pub(super) fn add(&mut self, shared: &mut Shared<'_>, known: Known) -> LoaderId {
        let shares =
            |loader: &Tracked| loader.workers.pids().any(|pid| known.workers.contains(&pid));
        let alike = |loader: &Tracked| match &loader.known {
            Some(old) if old.key == Known::unnamed().key => true,
            Some(old) => old.alike(&known),
            None => Some(loader.workers.count() as u64) == known.num_workers,
        };
        let same = self.loaders.iter().position(|one| one.known.is_none() && shares(one));
        let again =
            |loader: &Tracked| loader.known.as_ref().is_some_and(|old| old.same_loader(&known));
        let gone = |of: &dyn Fn(&Tracked) -> bool| {
            self.loaders.iter().position(|one| one.gone.is_some() && of(one))
        };
        let place = same.or_else(|| gone(&again)).or_else(|| gone(&alike)).unwrap_or_else(|| {
            // Past the cap the one that is gone for longest makes room.
            let oldest = self.loaders.iter().enumerate().filter(|(_, one)| one.gone.is_some());
            if self.loaders.len() >= PER_TRAINER
                && let Some((place, _)) = oldest.min_by_key(|(_, one)| one.gone)
            {
                self.loaders.swap_remove(place);
            }
            let id = shared.id();
            self.loaders.push(Tracked::new(id, self.pid));
            self.loaders.len() - 1
        });
        let Some(loader) = self.loaders.get_mut(place) else { return LoaderId(0) };
        loader.take_over(shared.tools.roots, known);
        loader.id
    }

    /// Reads everybody's descriptors.
    fn discover(&mut self, shared: &mut Shared<'_>) {
        let roots = shared.tools.roots;
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
                let named = named_workers(roots, &descendants);
                self.denied = Some(named.len());
                // Before torch 2.5 workers have no name: any descendant may be one.
                let torch_names = !named.is_empty();
                self.sealed(shared, &descendants, torch_names);
                return;
            }
            Err(_) => Vec::new(),
        };
        let pins = if groups.is_empty() { Vec::new() } else { pin_threads(roots, self.pid) };
        self.assign(shared, groups, &pins);
    }

    fn assign(&mut self, shared: &mut Shared<'_>, groups: Vec<Group>, pins: &[u32]) {
        let (roots, now) = (shared.tools.roots, shared.tools.now);
        let mut left: Vec<Group> = Vec::new();
        let mut kept = BTreeSet::new();
        for group in groups {
            let same = |loader: &&mut Tracked| {
                loader.pipes.as_ref().is_some_and(|old| old.result.inode == group.result.inode)
            };
            if let Some(loader) = self.loaders.iter_mut().find(same) {
                kept.insert(loader.id);
                let back = loader.gone.is_some() && loader.known.is_none();
                if loader.pipes.as_ref() != Some(&group) || back {
                    adopt(roots, loader, group);
                }
            } else {
                left.push(group);
            }
        }
        for loader in self.loaders.iter_mut().filter(|loader| !kept.contains(&loader.id)) {
            loader.pipes = None;
            if loader.known.is_none() {
                loader.gone.get_or_insert(now);
            }
        }
        let before = std::mem::take(&mut self.growing);
        for group in left {
            self.place(shared, group, pins, &before);
        }
        if shared.ladder.semaphores && !self.climb.on_rung() {
            let seen = self.loaders.iter_mut().filter(|one| one.gone.is_none());
            for loader in seen.filter(|one| one.semaphores.is_none() && one.pipes.is_some()) {
                semaphores(roots, loader);
            }
        }
    }

    /// Finds the loader that a group of pipes is of.
    fn place(
        &mut self,
        shared: &mut Shared<'_>,
        group: Group,
        pins: &[u32],
        before: &[(u64, usize)],
    ) {
        let roots = shared.tools.roots;
        let works = |loader: &Tracked| {
            let mut all = group.workers.iter();
            all.any(|worker| loader.workers.pids().any(|pid| pid == worker.pid))
        };
        let known = |loader: &&mut Tracked| loader.known.is_some() && loader.gone.is_none();
        if let Some(loader) = self.loaders.iter_mut().find(|one| known(one) && works(one)) {
            loader.pipes = Some(group);
            return;
        }
        // Workers start one after the other. With fewer than a former loader had, it may be that
        // one, half started: whose heir it is shows when it stays as it is.
        let shape = (group.result.inode, group.workers.len());
        let alike = |loader: &Tracked| loader.workers.count() == shape.1;
        // Beside a rung it is most likely the next iterator of a loader that the rung knows, and met soon:
        // of which loader, the rung tells and the number of workers does not.
        let expected = self.loaders.iter().any(|one| one.known.is_some() && alike(one));
        let clear = !expected && self.loaders.iter().all(alike);
        if !clear && !before.contains(&shape) {
            self.growing.push(shape);
            return;
        }
        // The next epoch's iterator of a loader that is gone goes on with its counts.
        let heir = self
            .loaders
            .iter_mut()
            .find(|loader| loader.gone.is_some() && loader.workers.count() == shape.1);
        if let Some(loader) = heir {
            loader.let_go();
            adopt(roots, loader, group);
            return;
        }
        if self.loaders.len() >= PER_TRAINER {
            return;
        }
        let pinned = pinned(&group, pins, self.loaders.len());
        let mut loader = Tracked::new(shared.id(), self.pid);
        loader.adopt(roots, group);
        loader.queue.pinning = pinned.map_or(loader.queue.pinning, Pinning::Known);
        self.loaders.push(loader);
    }

    /// A trainer whose descriptors may not be read may have workers whose semaphores can be.
    fn sealed(&mut self, shared: &mut Shared<'_>, descendants: &[Pid], torch_names: bool) {
        let (roots, now) = (shared.tools.roots, shared.tools.now);
        let found = if shared.ladder.semaphores && !self.climb.on_rung() {
            Semaphores::of_workers(roots, self.pid, descendants)
        } else {
            Vec::new()
        };
        let lists: Vec<Vec<(Pid, u64)>> = found.iter().map(|(list, _)| list.clone()).collect();
        for loader in self.loaders.iter_mut().filter(|loader| loader.known.is_none()) {
            let pids: Vec<Pid> = loader.workers.pids().collect();
            let same = |list: &Vec<(Pid, u64)>| list.iter().map(|(pid, _)| *pid).eq(pids.clone());
            loader.pipes = None;
            if !lists.iter().any(same) {
                loader.gone.get_or_insert(now);
            }
        }
        let pins = pin_threads(roots, self.pid);
        for (list, semaphores) in found {
            let pids: Vec<Pid> = list.iter().map(|(pid, _)| *pid).collect();
            if self.live().any(|loader| loader.workers.pids().eq(pids.iter().copied())) {
                continue;
            }
            let heir = self
                .loaders
                .iter_mut()
                .find(|loader| loader.gone.is_some() && loader.workers.count() == list.len());
            let loader = if let Some(loader) = heir {
                loader
            } else {
                let id = shared.id();
                self.loaders.push(Tracked::new(id, self.pid));
                let Some(loader) = self.loaders.last_mut() else { return };
                loader
            };
            let pinned = torch_names.then_some(!pins.is_empty());
            loader.queue = super::queue::Queue::new(list.len(), pinned);
            loader.employ(roots, &list);
            (loader.semaphores, loader.gone) = (Some(semaphores), None);
        }
    }

    /// Whether threads that pin are looked for now.
    pub(super) fn pins_due(&self, now: Instant) -> bool {
        self.pins_at.is_none_or(|at| now.saturating_duration_since(at).as_secs() >= 1)
            && self.live().any(|loader| loader.known.is_none())
    }

    /// A loader's pin thread starts after its workers, so its name is looked for again.
    pub(super) fn pins(&mut self, tools: &mut Tools<'_>) {
        let Tools { roots, places, now, .. } = tools;
        let (roots, now) = (*roots, *now);
        if !self.pins_due(now) {
            return;
        }
        self.pins_at = Some(now);
        let pins = pin_threads(roots, self.pid);
        let guess = |loader: &Tracked| matches!(loader.queue.pinning, Pinning::Inferred { .. });
        let polls = self.loaders.iter().any(guess) && other_polls(roots, self.pid);
        let live = self.live().count();
        for loader in self.loaders.iter_mut().filter(|loader| loader.gone.is_none()) {
            loader.workers.slow_facts(roots, places, now);
            let Some(group) = &loader.pipes else { continue };
            let named = group.workers.iter().any(|worker| worker.named);
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
}

fn adopt(roots: &Roots, loader: &mut Tracked, group: Group) {
    if loader.known.is_some() {
        // The rung knows the workers; the pipes are only there to check it by.
        loader.pipes = Some(group);
    } else {
        loader.adopt(roots, group);
    }
}

/// Reads a loader's semaphores from now on, where that can be done.
fn semaphores(roots: &Roots, loader: &mut Tracked) {
    let Some(group) = &loader.pipes else { return };
    let memory = Some(super::semaphores::memory_of(group.trainer));
    match Semaphores::find(roots, group.trainer, &group.workers, memory) {
        Ok(found) => (loader.semaphores, loader.refused) = (Some(found), None),
        Err(why) => loader.refused = Some(refused(ReadySource::Semaphore.code(), why)),
    }
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
    let mut others = entries.take(256).flatten().filter(|entry| entry.file_name() != *main);
    others.any(|entry| proc::wchan(&entry.path()).is_ok_and(|name| main_at(&name) == MainAt::Poll))
}

fn named_workers(roots: &Roots, descendants: &[Pid]) -> Vec<Pid> {
    let named = |pid: &Pid| {
        let comm = proc::folder(&roots.proc, *pid).join("comm");
        proc::read_word(&comm).is_ok_and(|name| name == "pt_data_worker")
    };
    descendants.iter().copied().filter(named).collect()
}
