//! All loaders of all trainers: which there are, and whose turn it is to be looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::model::inventory::LoaderInfo;
use crate::model::sample::{LoaderSample, WorkerSample};
use crate::model::{LoaderId, Pid};
use crate::source::rights;
use crate::source::root::Roots;

use super::beat::{Beat, Dice, Turn};
use super::own_cpu_seconds;
use super::pipes::Tools;
use super::places::Places;
use super::proc;
use super::prompt::Prompt;
use super::rows;
use super::rung::{Ladder, Step};
use super::seen::Seen;
use super::tap::Tap;
use super::tracked::Tracked;
use super::trainer::{Shared, Trainer};

/// For how long the row of a loader that is gone stays, with gaps.
const KEEP_ROW: Duration = Duration::from_secs(10);
/// How long a trainer must be known without a loader before that is said.
const WITHOUT: Duration = Duration::from_secs(10);
/// The longest sleep while there is nothing to look at.
const REST: Duration = Duration::from_millis(500);
/// What looks may cost: of one core, for one trainer and for all of them. With all else that the program
/// does for eight trainers of eight workers that is 0.025.
const BUDGET_EACH: f64 = 0.005;
const BUDGET: f64 = 0.015;

/// Everything that is looked at. Does its work where it is called: the thread is elsewhere.
pub struct Engine {
    roots: Roots,
    tap: Tap,
    places: Places,
    ladder: Ladder,
    trainers: BTreeMap<Pid, Trainer>,
    next_id: u32,
    origin: Instant,
    beat: Beat,
    /// How soon the thread runs that calls.
    pub(super) prompt: Prompt,
    /// Looks taken since the start.
    pub looks: u64,
    /// CPU seconds that searches took since then.
    pub searching: f64,
}

impl Engine {
    /// Looks at nothing yet. `steps` are tried before the pipes, best first; without any the pipes
    /// tell, and nothing else.
    pub fn new(roots: Roots, steps: Vec<Step>) -> io::Result<Self> {
        Self::on(roots, Ladder { steps, semaphores: false })
    }

    /// The same with this ladder.
    pub fn on(roots: Roots, ladder: Ladder) -> io::Result<Self> {
        Ok(Self {
            roots,
            tap: Tap::new()?,
            places: Places::default(),
            ladder,
            trainers: BTreeMap::new(),
            next_id: 1,
            origin: Instant::now(),
            beat: Beat::new(Dice::new()),
            prompt: Prompt::default(),
            looks: 0,
            searching: 0.0,
        })
    }

    /// These trainers, with their descendants.
    pub fn watch(&mut self, wanted: &BTreeMap<Pid, Vec<Pid>>, now: Instant) {
        self.trainers.retain(|pid, trainer| wanted.contains_key(pid) && !trainer.ended);
        for (&pid, descendants) in wanted {
            let descendants: BTreeSet<Pid> = descendants.iter().copied().collect();
            if let Some(trainer) = self.trainers.get_mut(&pid) {
                trainer.family(descendants, now);
                continue;
            }
            let Ok(stat) = proc::stat(&proc::folder(&self.roots.proc, pid)) else { continue };
            let mut trainer = Trainer::new(&self.roots, pid, stat.start_ticks, now);
            trainer.descendants = descendants;
            if !rights::may_serve(&self.roots, pid) {
                (trainer.denied, trainer.served) = (Some(0), false);
            }
            self.trainers.insert(pid, trainer);
        }
    }

    /// Searches and looks at what is due, and says what the looks saw.
    pub fn round(&mut self, now: Instant) -> Vec<Seen> {
        let since = now.saturating_duration_since(self.origin);
        let (at, turn) = self.beat.next();
        if since < at {
            return self.pass(now, Pass::Search);
        }
        let seen = self.pass(now, Pass::Turn(turn));
        let fast = self.trainers.values().map(Trainer::fast);
        let fast = fast.fold((false, false), |all, one| (all.0 || one.0, all.1 || one.1));
        self.beat.advance(self.origin.elapsed(), fast);
        seen
    }

    /// Looks at every loader, due or not.
    pub fn look_now(&mut self, now: Instant) -> Vec<Seen> {
        self.pass(now, Pass::All)
    }

    fn pass(&mut self, now: Instant, pass: Pass) -> Vec<Seen> {
        let mut seen = Vec::new();
        let Self {
            roots,
            tap,
            places,
            ladder,
            trainers,
            next_id,
            looks,
            origin,
            searching,
            prompt,
            ..
        } = self;
        let tools = Tools { roots, tap, places, now };
        let (origin, prompt) = (*origin, *prompt);
        let mut shared = Shared { tools, ladder, next_id, looks, searching, origin, prompt };
        for trainer in trainers.values_mut().filter(|trainer| !trainer.ended) {
            if trainer.unprepared(ladder, now) {
                prompt.aside(|| trainer.prepare(&mut shared));
            }
            match pass {
                Pass::Search => {}
                Pass::Turn(turn) => trainer.look(&mut shared, Some(turn), &mut seen),
                Pass::All => trainer.look(&mut shared, None, &mut seen),
            }
        }
        seen
    }

    /// When the next look or search is due.
    pub fn due(&self, now: Instant) -> Instant {
        let look = self.trainers.values().any(|trainer| !trainer.ended && trainer.awake());
        let look = look.then(|| self.origin + self.beat.next().0);
        let searches = self.trainers.values().filter_map(|trainer| trainer.due(&self.ladder));
        searches.chain(look).min().unwrap_or(now + REST).min(now + REST)
    }

    /// Takes what the looks cost of late, of one core: where that is more than they may, they come
    /// less often.
    pub fn steer(&mut self, cost: f64) {
        let count = self.trainers.values().filter(|trainer| trainer.awake()).count();
        self.beat.steer(cost / (BUDGET_EACH * count.max(1) as f64).min(BUDGET));
    }

    /// The rows as they stand, of each trainer the loader that moves first. With `take`, the range
    /// of the depth begins anew.
    pub fn rows(&mut self, now: Instant, take: bool) -> Vec<(Arc<LoaderInfo>, LoaderSample)> {
        let next_id = &mut self.next_id;
        let mut all = Vec::new();
        for trainer in self.trainers.values_mut().filter(|trainer| !trainer.ended) {
            let current = trainer.current();
            let Trainer { loaders, climb, main, .. } = trainer;
            let mut of_trainer: Vec<_> = loaders
                .iter_mut()
                .filter(|loader| loader.shown() && !forgotten(loader, now))
                .collect();
            of_trainer.sort_by_key(|loader| {
                let behind = Some(loader.id) != current;
                (loader.gone.is_some(), behind, std::cmp::Reverse(loader.moved_at))
            });
            for loader in &mut of_trainer {
                all.push((loader.info(climb.refused(), now), loader.sample(&main.word, now)));
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

/// What to do with every trainer.
#[derive(Clone, Copy)]
enum Pass {
    Search,
    Turn(Turn),
    All,
}

fn forgotten(loader: &Tracked, now: Instant) -> bool {
    loader.gone.is_some_and(|at| now.saturating_duration_since(at) > KEEP_ROW)
}

impl Trainer {
    /// Whether there is something to prepare now.
    fn unprepared(&self, ladder: &Ladder, now: Instant) -> bool {
        self.served && (self.pins_due(now) || self.due(ladder).is_some_and(|at| at <= now))
    }

    /// Climbs and searches, where that is due.
    fn prepare(&mut self, shared: &mut Shared<'_>) {
        let now = shared.tools.now;
        if self.due(shared.ladder).is_none_or(|at| at > now) {
            self.pins(&mut shared.tools);
            return;
        }
        let before = own_cpu_seconds();
        if self.climb.due(shared.ladder).is_some_and(|at| at <= now)
            && self.climb.try_now(shared.tools.roots, self.pid, shared.ladder, now)
        {
            self.search_soon(now);
        }
        if self.search_at.is_some_and(|at| at <= now) {
            self.search(shared);
        }
        self.pins(&mut shared.tools);
        *shared.searching += own_cpu_seconds() - before;
    }

    /// When it must be climbed or searched for.
    fn due(&self, ladder: &Ladder) -> Option<Instant> {
        if self.ended || !self.served {
            return None;
        }
        self.search_at.into_iter().chain(self.climb.due(ladder)).min()
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
        info.refused = self.climb.refused().to_vec();
        let row = if !self.served {
            info.why_not_better = "With a file capability mltop serves only processes of its own \
                                   user: run it as the user of the training, or as root."
                .into();
            rows::denied(id, self.pid, 0)
        } else if let Some(workers) = self.denied {
            info.why_not_better = "Its descriptors may not be read: run mltop as the user of the \
                                   training, or as root."
                .into();
            rows::denied(id, self.pid, workers)
        } else if self.climb.on_rung() {
            info.why_not_better = "No loader was found in its memory.".into();
            rows::without_workers(id, self.pid)
        } else {
            info.why_not_better = "It has no worker processes: there is no queue to read.".into();
            rows::without_workers(id, self.pid)
        };
        Some((Arc::new(info), row))
    }
}
