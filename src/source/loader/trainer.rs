//! One trainer: its loaders, and looks at them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::model::sample::{ReadySource, WaitSource};
use crate::model::{Gap, LoaderId, Pid};
use crate::source::root::Roots;

use super::beat::{Pace, SLOTS, Turn};
use super::ladder::Climb;
use super::main_thread::{MainThread, Seen as MainSeen};
use super::pipes::{self, Tools};
use super::place::WorkerAt;
use super::prompt::Prompt;
use super::rung::{Depth, Inside, Known, Ladder, Loop};
use super::seen::Seen;
use super::tracked::{Tracked, Wait};

/// A loop that waited more than this of late is looked at often.
const WAITS: f64 = 0.03;
/// "Of late": a mean over so many units.
const OF_LATE: f64 = 150.0;
/// Looks in a row without an answer before the rung is asked whether its process is there.
const MISSES: u32 = 10;
/// And before it is given up.
const TOO_MANY: u32 = 150;
/// Inside of a loader that cannot be read for so long, the loop has one that never will be.
const UNNAMED: Duration = Duration::from_secs(3);
/// Descendants that changed again within this time change all the time.
const CALM: Duration = Duration::from_secs(3);
/// Between two searches then: while workers come and go; while others do beside those of all loaders, which
/// may be the next loader's; and where a look at the loop meets that one anyway.
const RESTLESS: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(5)];
/// Between two checks of a rung against the pipes.
const CHECK: Duration = Duration::from_secs(1);

/// A trainer that is looked at.
#[derive(Debug)]
pub(super) struct Trainer {
    pub(super) pid: Pid,
    pub(super) start_ticks: u64,
    pub(super) descendants: BTreeSet<Pid>,
    pub(super) loaders: Vec<Tracked>,
    pub(super) known_at: Instant,
    pub(super) searches: usize,
    /// When its descendants were last others than before.
    pub(super) changed_at: Option<Instant>,
    /// Where its main thread was when the kernel was last asked.
    main_seen: Option<MainSeen>,
    pub(super) search_at: Option<Instant>,
    pub(super) searched_at: Option<Instant>,
    pub(super) discovered_at: Option<Instant>,
    pub(super) pins_at: Option<Instant>,
    /// Its descriptors may not be read; so many workers are known by name.
    pub(super) denied: Option<usize>,
    pub(super) ended: bool,
    /// It may be shown to who runs this program.
    pub(super) served: bool,
    pub(super) bare: Option<LoaderId>,
    /// Groups that may not be all there yet: result pipe and workers at the search before.
    pub(super) growing: Vec<(u64, usize)>,
    pub(super) climb: Climb,
    pub(super) main: MainThread,
    /// The loader that the loop iterates, as far as known.
    current: Option<LoaderId>,
    period: u64,
    /// Up to when its time is counted.
    covered: Option<u64>,
    pace: Pace,
    next_pace: Pace,
    waits: f64,
    misses: u32,
    /// The loop was seen inside of a loader that is known, so the thread that it runs in is.
    pub(super) entered: bool,
    /// Since when the loop is inside of a loader that cannot be read.
    unnamed: Option<Instant>,
    checked_at: Option<Instant>,
}

/// What all trainers share.
pub(super) struct Shared<'a> {
    pub(super) tools: Tools<'a>,
    pub(super) ladder: &'a Ladder,
    pub(super) next_id: &'a mut u32,
    pub(super) looks: &'a mut u64,
    /// CPU seconds that searches took.
    pub(super) searching: &'a mut f64,
    /// Since when times are counted.
    pub(super) origin: Instant,
    pub(super) prompt: Prompt,
}

/// One look of a rung.
#[derive(Clone, Copy)]
struct OneLook {
    seen: Loop,
    /// The loader that the loop waits for.
    target: Option<LoaderId>,
    /// The process is stopped.
    stopped: bool,
    /// What the main thread does, if it loads its data itself.
    loads: Option<WorkerAt>,
    /// The loader whose queue was read with it, by its key.
    depth: Option<(u64, Result<Depth, Gap>)>,
}

impl Shared<'_> {
    pub(super) fn id(&mut self) -> LoaderId {
        let id = LoaderId(*self.next_id);
        *self.next_id += 1;
        id
    }
}

impl Trainer {
    pub(super) fn new(roots: &Roots, pid: Pid, start_ticks: u64, now: Instant) -> Self {
        Self {
            pid,
            start_ticks,
            descendants: BTreeSet::new(),
            loaders: Vec::new(),
            known_at: now,
            searches: 0,
            changed_at: None,
            main_seen: None,
            search_at: Some(now),
            searched_at: None,
            discovered_at: None,
            pins_at: None,
            denied: None,
            ended: false,
            served: true,
            bare: None,
            growing: Vec::new(),
            climb: Climb::new(now),
            main: MainThread::new(roots, pid, start_ticks),
            current: None,
            period: 0,
            covered: None,
            pace: Pace::Slow,
            next_pace: Pace::Slow,
            waits: 0.0,
            misses: 0,
            entered: false,
            unnamed: None,
            checked_at: None,
        }
    }

    /// The loaders that are there.
    pub(super) fn live(&self) -> impl Iterator<Item = &Tracked> {
        self.loaders.iter().filter(|loader| loader.gone.is_none())
    }

    /// The loader that the loop iterates, as far as known.
    pub(super) fn current(&self) -> Option<LoaderId> {
        self.current
    }

    /// Whether it is looked at in every slot: in the period that runs, and in the next one. Between two
    /// epochs too: a slot that is passed over counts as what is seen at the end of it, which leans.
    pub(super) fn fast(&self) -> (bool, bool) {
        let any = self.awake();
        (any && self.pace == Pace::Fast, any && self.next_pace == Pace::Fast)
    }

    /// Whether anything of it can be looked at.
    pub(super) fn awake(&self) -> bool {
        self.live().next().is_some() || self.climb.on_rung()
    }

    /// Searches again at once.
    pub(super) fn search_soon(&mut self, now: Instant) {
        (self.searches, self.search_at) = (0, Some(now));
    }

    /// Takes over its descendants, and searches again at once: workers may have come or gone. Where they
    /// change all the time (a loop that starts a process each second), searches keep their distance.
    pub(super) fn family(&mut self, descendants: BTreeSet<Pid>, now: Instant) {
        if self.descendants == descendants {
            return;
        }
        self.descendants = descendants;
        let restless = self.changed_at.is_some_and(|at| now.saturating_duration_since(at) < CALM);
        self.changed_at = Some(now);
        if let Some(rung) = self.climb.rung() {
            rung.search_anew();
        }
        let [coming, beside, met] = RESTLESS;
        let distance = match (self.all_work(), self.climb.on_rung()) {
            (false, _) => coming,
            (true, false) => beside,
            (true, true) => met,
        };
        match self.searched_at.filter(|_| restless) {
            None => self.search_soon(now),
            Some(before) => {
                let next = now.max(before + distance);
                self.search_at = Some(self.search_at.map_or(next, |at| at.min(next)));
            }
        }
    }

    /// Whether there are loaders, and all workers of theirs are among its descendants.
    fn all_work(&self) -> bool {
        let mut workers = self.live().flat_map(|loader| loader.workers.pids()).peekable();
        workers.peek().is_some() && workers.all(|pid| self.descendants.contains(&pid))
    }

    /// Looks at it, if it is its turn; without a turn it is looked at in any case, and the look
    /// counts one.
    pub(super) fn look(
        &mut self,
        shared: &mut Shared<'_>,
        turn: Option<Turn>,
        seen: &mut Vec<Seen>,
    ) {
        let weights = match turn {
            None => (1, Some(1)),
            Some(turn) => {
                if turn.period != self.period {
                    (self.period, self.pace) = (turn.period, self.next_pace);
                }
                let Some(weight) = turn.weight(self.pace, &mut self.covered) else { return };
                // A look at the workers stands for a period, in tenths of a second.
                let period = turn.slot * u64::from(SLOTS);
                (weight, turn.slow.then_some(((period + 5) / 10).max(1)))
            }
        };
        if !self.awake() {
            self.covered = None;
            return;
        }
        // A rung tells by itself where the loop is. Whether it is stopped is seen in time with the
        // workers.
        let before = self.main_seen.filter(|_| self.climb.on_rung() && weights.1.is_none());
        let Some(main) = before.or_else(|| self.main.look(shared.tools.places).ok()) else {
            self.lose(shared.tools.now);
            return;
        };
        self.main_seen = Some(main);
        if self.climb.on_rung() {
            self.by_rung(shared, weights, main);
        }
        self.by_pipes(shared, weights, main);
        self.set_pace(weights.0);
        self.check(shared);
        let now = shared.tools.now;
        seen.extend(self.loaders.iter().filter_map(|loader| loader.seen(now)));
    }

    /// The process is not there.
    fn lose(&mut self, now: Instant) {
        for loader in &mut self.loaders {
            loader.gone.get_or_insert(now);
        }
        self.search_soon(now);
    }

    /// The pace of the next period. What is seen now may not set that of the one that runs.
    fn set_pace(&mut self, weight: u64) {
        let waiting =
            self.live().any(|loader| loader.last.as_ref().is_some_and(|seen| seen.waiting));
        let share = (weight as f64 / OF_LATE).min(1.0);
        self.waits += (f64::from(u8::from(waiting)) - self.waits) * share;
        let blind = self.live().any(Tracked::blind);
        let often = self.waits > WAITS && !blind;
        self.next_pace = if often { Pace::Fast } else { Pace::Slow };
    }

    fn by_rung(&mut self, shared: &mut Shared<'_>, weights: (u64, Option<u64>), main: MainSeen) {
        let now = shared.tools.now;
        // The queue is read ten times a second, with the workers: it holds for longer than the wait does,
        // and is spread over many pages.
        let key = self.current_key(weights.1.is_some());
        let Some(rung) = self.climb.rung() else { return };
        let sources = (rung.ready_source(), rung.wait_source());
        *shared.looks += 1;
        let mut looked = rung.look(key);
        if looked.main == Err(Gap::Failed) {
            // It moved while it was read: mostly it does not at once again.
            looked = rung.look(key);
        }
        let seen = match looked.main {
            Ok(seen) => seen,
            Err(gap) => {
                self.miss(gap, weights.0, now);
                return;
            }
        };
        self.misses = 0;
        if let Inside::Of(key) = seen.inside
            && self.by_key(key).is_none()
        {
            self.meet(shared, Some(key));
        }
        let target = self.target(shared, &seen).filter(|_| !main.stopped);
        self.entered |= target.is_some();
        if target.is_some() {
            self.current = target;
        }
        let depth = key.map(|key| (key, looked.depth));
        let one = OneLook { seen, target, stopped: main.stopped, loads: main.loads, depth };
        self.count_by_rung(shared, one, sources, weights);
    }

    /// Spreads one look at the loop over the loaders that the rung knows.
    fn count_by_rung(
        &mut self,
        shared: &mut Shared<'_>,
        OneLook { seen, target, stopped, loads, depth }: OneLook,
        sources: (ReadySource, WaitSource),
        (weight, workers): (u64, Option<u64>),
    ) {
        let now = shared.tools.now;
        let since = now.saturating_duration_since(shared.origin);
        let mut lost = false;
        let first = self.live().next().map(|loader| loader.id);
        self.current = self.current.or(first);
        let Self { climb, loaders, current, .. } = self;
        let Some(rung) = climb.rung() else { return };
        for loader in loaders.iter_mut().filter(|loader| loader.gone.is_none()) {
            let Some(key) = loader.known.as_ref().map(|known| known.key) else { continue };
            let waiting = target == Some(loader.id);
            let depth = match depth {
                Some((of, depth)) if of == key => Some(depth),
                _ if waiting && loader.unread() || workers.is_some() => Some(rung.depth(key)),
                _ => None,
            };
            let delivery = waiting && seen.delivery;
            let wait = Wait { waiting, delivery, stopped, sources, weight, workers };
            loader.by_rung(&mut shared.tools, depth, since, wait);
            if let Some(at) = loads.filter(|_| waiting) {
                loader.counts.main_while_waiting(at, weight);
            }
            lost |= loader.gone.is_some();
        }
        // Between two epochs the loader in use is gone for a while; the loop starts its workers then.
        if let Some(loader) = loaders.iter_mut().find(|loader| *current == Some(loader.id)) {
            loader.counts.main(&seen, weight);
            loader.between_epochs(seen.inside != Inside::No && !stopped, weight, now);
        }
        let front = self.live().max_by_key(|loader| loader.moved_at).map(|loader| loader.id);
        let gone = front.is_some()
            && self.current.is_none_or(|id| self.live().all(|loader| loader.id != id));
        let moved = self.live().any(|one| Some(one.id) == front && one.moved_at == Some(now));
        if target.is_none() && (gone || moved) {
            self.current = front;
        }
        if lost {
            self.search_soon(now);
        }
    }

    /// The loader to be read with the loop: the one in use, if it is time or it never was.
    fn current_key(&self, due: bool) -> Option<u64> {
        let known = || self.live().filter(|loader| loader.known.is_some());
        let current = known().find(|loader| Some(loader.id) == self.current);
        let current = current.or_else(|| known().next()).filter(|loader| due || loader.unread());
        current.and_then(|loader| loader.known.as_ref()).map(|known| known.key)
    }

    fn by_key(&self, key: u64) -> Option<LoaderId> {
        let of = |loader: &&Tracked| loader.known.as_ref().is_some_and(|known| known.key == key);
        self.live().find(of).map(|loader| loader.id)
    }

    /// The loader that the loop is inside of.
    fn target(&mut self, shared: &mut Shared<'_>, seen: &Loop) -> Option<LoaderId> {
        if seen.inside != Inside::Unnamed {
            self.unnamed = None;
        }
        match seen.inside {
            Inside::No => None,
            Inside::Of(key) => self.by_key(key),
            Inside::Unnamed => {
                let current = self.live().find(|loader| Some(loader.id) == self.current);
                let any = current.or_else(|| self.live().next()).map(|loader| loader.id);
                let since = *self.unnamed.get_or_insert(shared.tools.now);
                let long = shared.tools.now.saturating_duration_since(since) > UNNAMED;
                any.or_else(|| long.then(|| self.add(shared, Known::unnamed())))
            }
        }
    }

    /// A look that gave no answer.
    fn miss(&mut self, gap: Gap, weight: u64, now: Instant) {
        self.misses += 1;
        for loader in self.loaders.iter_mut().filter(|one| one.known.is_some()) {
            if loader.gone.is_none() {
                loader.counts.failed += weight;
            }
        }
        if gap == Gap::Lost || self.misses > TOO_MANY {
            self.fall(now, "the process runs another program, or gives no answer");
        } else if self.misses == MISSES {
            self.search_soon(now);
        }
    }

    /// Down to the pipes.
    pub(super) fn fall(&mut self, now: Instant, why: &str) {
        self.misses = 0;
        self.climb.fall(now, why);
        for loader in &mut self.loaders {
            loader.let_go();
            if loader.pipes.is_none() && loader.semaphores.is_none() {
                loader.gone.get_or_insert(now);
            }
        }
        self.discovered_at = None;
        self.search_soon(now);
    }

    /// Looks at the loaders that no rung knows.
    fn by_pipes(&mut self, shared: &mut Shared<'_>, weights: (u64, Option<u64>), main: MainSeen) {
        let (weight, workers) = weights;
        let on_rung = self.climb.on_rung();
        let current = self.live().max_by_key(|loader| loader.moved_at).map(|loader| loader.id);
        if !on_rung {
            self.current = current;
        }
        let sources = (ReadySource::Pipe, WaitSource::Wchan);
        let (waiting, delivery, stopped) = (false, false, main.stopped);
        let wait = Wait { waiting, delivery, stopped, sources, weight, workers };
        let mut lost = false;
        let only = self.live().count() == 1;
        for loader in self.loaders.iter_mut().filter(|loader| loader.gone.is_none()) {
            let sealed = loader.pipes.is_none() && loader.semaphores.is_none();
            // Beside a rung, a loader that it does not know is looked at with the workers only.
            if loader.known.is_some() || sealed || on_rung && workers.is_none() {
                continue;
            }
            *shared.looks += 1;
            let at = main.at.filter(|_| loader.pipes.is_some());
            let front = (current == Some(loader.id), only);
            if loader.look(&mut shared.tools, at, front, wait).is_err() {
                loader.gone = Some(shared.tools.now);
                lost = true;
            }
        }
        if lost {
            self.search_soon(shared.tools.now);
        }
    }

    /// Once a second the rung against what the pipes hold.
    fn check(&mut self, shared: &mut Shared<'_>) {
        let now = shared.tools.now;
        let due = self.checked_at.is_none_or(|at| now.saturating_duration_since(at) >= CHECK);
        if !due || !self.climb.on_rung() {
            return;
        }
        self.checked_at = Some(now);
        let since = now.saturating_duration_since(shared.origin);
        let mut doubt = false;
        let Self { climb, loaders, .. } = self;
        let Some(rung) = climb.rung() else { return };
        for loader in loaders.iter_mut().filter(|loader| loader.gone.is_none()) {
            let Tools { roots, places, .. } = &mut shared.tools;
            shared.prompt.aside(|| loader.workers.slow_facts(roots, places, now));
            let (Some(known), Some(group)) = (&loader.known, &loader.pipes) else { continue };
            pipes::tasks(group, &mut loader.workers, &mut shared.tools);
            let told = |depth: Result<Depth, Gap>| depth.ok().and_then(|depth| depth.in_pipe);
            let Some(before) = told(rung.depth(known.key)) else { continue };
            // Pipes that are gone are those of an iterator before: the next search brings the new ones.
            let Ok(Some(pipe)) = pipes::count(group, &mut shared.tools) else { continue };
            let Some(after) = told(rung.depth(known.key)) else { continue };
            let source = rung.ready_source().code();
            doubt |= loader.cross.see(source, (before, after), pipe, since);
        }
        if doubt {
            rung.search_anew();
            self.discovered_at = None;
            self.search_soon(now);
        }
    }
}
