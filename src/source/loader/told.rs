//! What the probe of `mltop run` tells, as rungs: beside the memory, whose depth is of this moment and
//! whose wait is not as exact; and alone, where the memory may not be read.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::model::sample::{Bound, ReadySource, WaitSource};
use crate::model::{Gap, Pid};
use crate::source::beside;
use crate::source::root::Roots;

use super::page::{self, Page, Slot};
use super::proc;
use super::rung::{Depth, Inside, Known, Looked, Loop, Refusal, Rung, Step};

/// Between two searches for the page of a trainer that has none yet.
const SEARCH: Duration = Duration::from_secs(2);

/// A step whose wait is the probe's wherever there is one.
pub fn timed(step: Step) -> Step {
    let Step { source, attach } = step;
    let attach = move |roots: &Roots, pid: Pid| -> Result<Box<dyn Rung>, Refusal> {
        let better = attach(roots, pid)?;
        let (page, slots, searched) = (None, Vec::new(), None);
        Ok(Box::new(Beside { better, pid, roots: roots.clone(), page, slots, searched }))
    };
    Step { source, attach: Box::new(attach) }
}

/// The probe alone.
pub fn step() -> Step {
    let attach = |roots: &Roots, pid: Pid| -> Result<Box<dyn Rung>, Refusal> {
        let page = Published::find(roots, pid).ok_or_else(|| {
            Refusal::new("it was started without mltop's probe", "mltop run -- COMMAND")
        })?;
        Ok(Box::new(Alone { page, slots: Vec::new(), known: Vec::new() }))
    };
    Step { source: ReadySource::Probe, attach: Box::new(attach) }
}

/// The page of a trainer, open.
#[derive(Debug)]
struct Published {
    file: File,
    pid: Pid,
    start_ticks: u64,
}

impl Published {
    fn find(roots: &Roots, pid: Pid) -> Option<Self> {
        let folder = proc::folder(&roots.proc, pid);
        let uid = std::fs::metadata(&folder).ok()?.uid();
        let start_ticks = proc::stat(&folder).ok()?.start_ticks;
        let name = format!("{pid}.loaders");
        beside::runs_of(roots, uid).into_iter().find_map(|run| {
            let file = beside::open_private(&run, &name, uid).ok()?;
            let published = Self { file, pid, start_ticks };
            published.read().map(|_| published)
        })
    }

    /// What stands on it now, if it is still this trainer's.
    fn read(&self) -> Option<Page> {
        let page = page::read(|bytes| self.file.read_exact_at(bytes, 0)).ok()?;
        (page.pid == self.pid && page.start_ticks == self.start_ticks).then_some(page)
    }

    /// Whether another one has taken its place, as when the process began another program.
    fn replaced(&self) -> bool {
        self.file.metadata().map_or(true, |metadata| metadata.nlink() == 0)
    }

    /// Renews what is known of the slots. One that is being written stays as it was.
    fn renew(&self, slots: &mut Vec<Slot>) -> Result<(), Gap> {
        let page = self.read().ok_or(Gap::Lost)?;
        if page.unsettled == 0 {
            slots.clear();
        }
        for slot in page.slots {
            slots.retain(|old| old.loader != slot.loader);
            slots.push(slot);
        }
        Ok(())
    }
}

/// Now, by the clock of the page.
fn now() -> Duration {
    let time = clock_gettime(ClockId::Monotonic);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// A better rung with the probe's wait.
#[derive(Debug)]
struct Beside {
    better: Box<dyn Rung>,
    pid: Pid,
    roots: Roots,
    page: Option<Published>,
    slots: Vec<Slot>,
    searched: Option<Instant>,
}

impl Beside {
    fn search(&mut self) {
        if self.page.as_ref().is_some_and(Published::replaced) {
            self.page = None;
        }
        if self.page.is_none() && self.searched.is_none_or(|at| at.elapsed() >= SEARCH) {
            self.searched = Some(Instant::now());
            self.page = Published::find(&self.roots, self.pid);
        }
    }

    fn renew(&mut self) {
        let renewed = self.page.as_ref().map(|page| page.renew(&mut self.slots));
        if !matches!(renewed, Some(Ok(()))) {
            self.page = None;
            self.slots.clear();
        }
    }

    /// The wait for the loader with this key of the better rung.
    fn waited(&self, key: u64) -> Option<Duration> {
        let known = self.better.known().iter().find(|known| known.key == key)?;
        Some(same(known, &self.slots)?.waited_by(now()))
    }
}

/// The slot of a loader: by its workers, or of those without by the dataset.
fn same<'a>(known: &Known, slots: &'a [Slot]) -> Option<&'a Slot> {
    if let Some(first) = known.workers.first() {
        return slots.iter().find(|slot| slot.pids.contains(first));
    }
    let alike = |slot: &&Slot| {
        slot.workers == 0 && slot.dataset == known.dataset && slot.batch_size == known.batch_size
    };
    slots.iter().filter(|_| known.num_workers == Some(0)).filter(alike).max_by_key(|slot| slot.left)
}

impl Rung for Beside {
    fn ready_source(&self) -> ReadySource {
        self.better.ready_source()
    }

    fn wait_source(&self) -> WaitSource {
        if self.slots.is_empty() { self.better.wait_source() } else { WaitSource::Probe }
    }

    fn find(&mut self, deep: bool) -> Result<bool, Gap> {
        self.search();
        self.better.find(deep)
    }

    fn search_anew(&mut self) {
        self.better.search_anew();
    }

    fn known(&self) -> &[Known] {
        self.better.known()
    }

    fn look(&mut self, key: Option<u64>) -> Looked {
        let looked = self.better.look(key);
        let Some(key) = key else { return looked };
        self.renew();
        let waited = self.waited(key);
        Looked { depth: looked.depth.map(|depth| Depth { waited, ..depth }), ..looked }
    }

    fn depth(&mut self, key: u64) -> Result<Depth, Gap> {
        let depth = self.better.depth(key)?;
        Ok(Depth { waited: self.waited(key), ..depth })
    }
}

/// The probe without anything better.
#[derive(Debug)]
struct Alone {
    page: Published,
    slots: Vec<Slot>,
    known: Vec<Known>,
}

/// Tells an iterator from the others; with persistent workers it is one over all epochs.
fn key(slot: &Slot) -> u64 {
    slot.loader << 32 | if slot.persistent { 0 } else { slot.iterators & 0xffff_ffff }
}

impl Alone {
    fn renew(&mut self) -> Result<(), Gap> {
        self.page.renew(&mut self.slots)?;
        let live = |slot: &&Slot| !slot.ended || slot.persistent;
        let keys = self.slots.iter().filter(live).map(key);
        if !keys.eq(self.known.iter().map(|known| known.key)) {
            self.known = self.slots.iter().filter(live).map(known).collect();
        }
        Ok(())
    }

    fn depth_now(&self, wanted: u64) -> Result<Depth, Gap> {
        let live = |slot: &&Slot| self.known.iter().any(|known| known.key == key(slot));
        let slot = self.slots.iter().filter(live).find(|slot| key(slot) == wanted);
        slot.map(depth).ok_or(Gap::Lost)
    }
}

fn known(slot: &Slot) -> Known {
    let with = slot.workers > 0;
    Known {
        key: key(slot),
        data_loader: Some(slot.loader),
        kind: "pytorch".into(),
        workers: slot.pids.clone(),
        num_workers: Some(slot.workers),
        prefetch_factor: Some(slot.prefetch_factor).filter(|_| with),
        pinned: Some(slot.pinned),
        persistent: with.then_some(slot.persistent),
        batch_size: slot.batch_size,
        dataset: slot.dataset.clone(),
        epoch_batches: None,
    }
}

/// What a slot says of the queue: as it was when the loop left it last, and since then it has grown.
fn depth(slot: &Slot) -> Depth {
    let none = if slot.workers == 0 { Gap::NotApplicable } else { Gap::NotYet };
    let told = slot.ready.zip(slot.stash);
    Depth {
        ready: told.map(|(all, stash)| all - stash).ok_or(none),
        // Finished batches may also stand in the queue before their turn.
        bound: Bound::Doubtful,
        stash: slot.stash.ok_or(none),
        in_pipe: None,
        taken: Some(slot.batches - slot.batches_before),
        outstanding: None,
        busy: None,
        waited: Some(slot.waited_by(now())),
    }
}

impl Rung for Alone {
    fn ready_source(&self) -> ReadySource {
        ReadySource::Probe
    }

    fn wait_source(&self) -> WaitSource {
        WaitSource::Probe
    }

    fn find(&mut self, _deep: bool) -> Result<bool, Gap> {
        if self.page.replaced() {
            return Err(Gap::Lost);
        }
        self.renew().map(|()| true)
    }

    fn search_anew(&mut self) {}

    fn known(&self) -> &[Known] {
        &self.known
    }

    fn look(&mut self, key_: Option<u64>) -> Looked {
        if let Err(gap) = self.renew() {
            return Looked { main: Err(gap), depth: Err(gap) };
        }
        let inside = self.slots.iter().filter(|slot| slot.entered.is_some());
        let inside =
            inside.max_by_key(|slot| slot.entered).map_or(Inside::No, |s| Inside::Of(key(s)));
        let depth = key_.map_or(Err(Gap::NotApplicable), |key| self.depth_now(key));
        Looked { main: Ok(Loop { inside, ..Loop::default() }), depth }
    }

    fn depth(&mut self, key: u64) -> Result<Depth, Gap> {
        self.depth_now(key)
    }
}

#[cfg(test)]
#[path = "told_tests.rs"]
mod tests;
