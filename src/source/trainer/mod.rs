//! Training jobs, found without being told.
//!
//! A trainer is known by the libraries that it maps or the GPU that it holds, never by its name.
//! What is read of a process may block in the kernel, so a thread of its own reads it; the caller
//! hands in the process table and takes what is known.

mod check;
mod command;
mod facts;
mod given;
mod inspector;
mod order;
mod roles;
mod software;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::model::inventory::{
    GivenGpus, GpuInfo, ProcInfo, Role, RunInfo, Software, SourceState, SourceStatus,
};
use crate::model::sample::GpuProcSample;
use crate::model::{Gap, Pid, Reading, RunId};
use crate::source::machine::container_of;
use crate::source::root::Roots;
use crate::source::text;

use facts::{Facts, Request};
use inspector::Inspector;
use roles::{Roles, World};

pub use check::{PidProblem, check_pid};

/// Ages, in milliseconds since it was first seen, at which a process that runs Python is read again:
/// its libraries come while it starts.
const AGES: [u64; 6] = [500, 1000, 2000, 4000, 8000, 16_000];
/// And from then on.
const LATER: Duration = Duration::from_secs(30);
/// What PyTorch calls the processes of its loader's workers.
const WORKER: &str = "pt_data_worker";
/// Least time between two reads for new descendants.
const AGAIN: Duration = Duration::from_millis(900);

/// One row of the process table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcSeen {
    /// Process id.
    pub pid: Pid,
    /// Its parent.
    pub parent: Pid,
    /// Name as the kernel has it.
    pub name: Box<str>,
    /// Start in clock ticks since boot.
    pub start_ticks: u64,
}

/// What is known of the training on this box.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The jobs, by number.
    pub runs: Vec<Arc<RunInfo>>,
    /// Every process that was read, kernel threads excluded.
    pub infos: BTreeMap<Pid, Arc<ProcInfo>>,
    /// The trainers.
    pub trainers: Vec<Pid>,
    /// What they run, as far as it is known.
    pub software: Vec<Arc<Software>>,
    /// The loader workers of each trainer that has any.
    pub workers: BTreeMap<Pid, Vec<Pid>>,
    /// All descendants of each trainer, workers or not, other trainers and theirs excluded: what
    /// `Loaders::watch` wants.
    pub descendants: BTreeMap<Pid, Vec<Pid>>,
    /// How this source fares.
    pub status: SourceStatus,
}

#[derive(Clone, Debug)]
struct Known {
    start_ticks: u64,
    name: Box<str>,
    seen_at: Instant,
    read_at: Option<Instant>,
    next: Option<Instant>,
    reads: usize,
    descendants: BTreeSet<Pid>,
}

/// Finds trainers, their workers and their runs.
#[derive(Debug)]
pub struct Trainers {
    roots: Roots,
    only: Option<Pid>,
    inspector: Inspector,
    known: BTreeMap<Pid, Known>,
    facts: BTreeMap<Pid, Facts>,
    /// Whose facts came since the last report: nothing else makes a row of another content.
    fresh: BTreeSet<Pid>,
    users: BTreeMap<u32, Box<str>>,
    boot_ms: Option<i64>,
    ticks_per_second: u64,
    run_ids: BTreeMap<String, RunId>,
    found: Arc<Found>,
    /// The table and the holders of GPUs that `found` follows from.
    table: (Vec<ProcSeen>, BTreeSet<Pid>),
    /// Those that the kernel itself lists as having a card open, in mltop's own numbers.
    listed: BTreeSet<Pid>,
    /// mltop sees a part of the box only, with pids of its own: those of the driver may be the host's.
    contained: bool,
    /// When that, or anything else that was known, last changed.
    changed_at: Option<Instant>,
    /// Nothing is left to do about that change.
    settled: bool,
}

impl Trainers {
    /// Knows nothing yet. With `only`, nothing but that process and those below it is a trainer.
    pub fn new(roots: Roots, only: Option<Pid>) -> Self {
        Self {
            only,
            inspector: Inspector::new(roots.clone()),
            known: BTreeMap::new(),
            facts: BTreeMap::new(),
            fresh: BTreeSet::new(),
            users: words::users(&roots),
            boot_ms: words::boot_ms(&roots),
            ticks_per_second: rustix::param::clock_ticks_per_second().max(1),
            run_ids: BTreeMap::new(),
            found: Arc::new(Found {
                runs: Vec::new(),
                infos: BTreeMap::new(),
                trainers: Vec::new(),
                software: Vec::new(),
                workers: BTreeMap::new(),
                descendants: BTreeMap::new(),
                status: words::status(SourceState::Ok, "", ""),
            }),
            table: (Vec::new(), BTreeSet::new()),
            listed: BTreeSet::new(),
            contained: words::is_contained(&roots),
            changed_at: None,
            settled: false,
            roots,
        }
    }

    /// Takes the pids whose open cards were found below `/proc`: these are no other processes here.
    pub fn trust(&mut self, listed: BTreeSet<Pid>) {
        if self.listed != listed {
            (self.listed, self.settled) = (listed, false);
        }
    }

    /// Whether a pid that the driver tells is the process that has it here. Within a container it may
    /// be the host's number for another one, so there the process itself must hold a GPU.
    pub fn vouches_for(&self, pid: Pid) -> bool {
        !self.contained
            || self.listed.contains(&pid)
            || self.facts.get(&pid).is_some_and(|facts| facts.gpu_file)
    }

    /// Takes the process table and the pids that hold a GPU. Reads nothing itself, never blocks.
    pub fn update(&mut self, procs: &[ProcSeen], gpu_pids: &BTreeSet<Pid>) {
        let now = Instant::now();
        let stuck = self.inspector.stuck.len();
        let fresh = self.inspector.take(now);
        let known = fresh.is_empty() && stuck == self.inspector.stuck.len();
        if !known || self.table.0 != procs || self.table.1 != *gpu_pids {
            self.table = (procs.to_vec(), gpu_pids.clone());
            (self.changed_at, self.settled) = (Some(now), false);
        }
        if self.settled && !self.known.values().any(|known| known.next.is_some_and(|at| at <= now))
        {
            return;
        }
        // The kernel's own threads are children of kthreadd, and map nothing.
        let real = procs.iter().filter(|seen| seen.pid.0 != 2 && seen.parent.0 != 2);
        let procs: BTreeMap<Pid, ProcSeen> = real.map(|seen| (seen.pid, seen.clone())).collect();
        self.note(&procs, now);
        for facts in fresh {
            self.keep(facts, now);
        }
        let told = gpu_pids;
        let gpu_pids = &told.iter().copied().filter(|pid| self.vouches_for(*pid)).collect();
        let world = World { procs: &procs, facts: &self.facts, gpu_pids };
        let roles = world.roles();
        let requests = self.due(&procs, &roles, now);
        self.inspector.ask(requests);
        let strangers = told.len() - gpu_pids.len();
        let found = self.report(&procs, (gpu_pids, strangers), &roles);
        self.fresh.clear();
        if *self.found != found {
            self.found = Arc::new(found);
        }
        self.settled = self.changed_at.is_none_or(|at| now.saturating_duration_since(at) >= AGAIN);
    }

    /// The GPUs that a job was given, where anything limits it.
    pub fn given(&self, run: &RunInfo, gpus: &[Arc<GpuInfo>]) -> Option<GivenGpus> {
        let facts = run.trainers.iter().filter_map(|pid| self.facts.get(pid));
        given::given(&facts.map(Facts::told).collect::<Vec<_>>(), gpus)
    }

    /// Fills in by which index each process counts the GPUs that it holds, where that is sure.
    pub fn count_devices(&self, rows: &mut [GpuProcSample], gpus: &[Arc<GpuInfo>]) {
        order::count(rows, gpus, |pid| self.facts.get(&pid).map(Facts::told));
    }

    /// What is known as of the last [`Self::update`].
    pub fn found(&self) -> Arc<Found> {
        Arc::clone(&self.found)
    }

    /// New processes, ended ones, and those that run another program now.
    fn note(&mut self, procs: &BTreeMap<Pid, ProcSeen>, now: Instant) {
        let same = |pid: &Pid, start: u64| procs.get(pid).is_some_and(|p| p.start_ticks == start);
        self.known.retain(|pid, known| same(pid, known.start_ticks));
        self.facts.retain(|pid, facts| same(pid, facts.start_ticks));
        self.inspector.stuck.retain(|pid| procs.contains_key(pid));
        for (&pid, seen) in procs {
            let known = self.known.entry(pid).or_insert_with(|| Known {
                start_ticks: seen.start_ticks,
                name: seen.name.clone(),
                seen_at: now,
                read_at: None,
                next: Some(now),
                reads: 0,
                descendants: BTreeSet::new(),
            });
            if known.name != seen.name {
                known.name = seen.name.clone();
                (known.next, known.reads, known.seen_at) = (Some(now), 0, now);
            }
        }
    }

    fn keep(&mut self, mut facts: Facts, now: Instant) {
        let Some(known) = self.known.get_mut(&facts.pid) else { return };
        if known.start_ticks != facts.start_ticks {
            return;
        }
        known.reads += 1;
        let read_before = known.read_at.replace(now).is_some();
        let learns = facts.ml.as_ref().ok() == Some(&true);
        // A library once mapped stays so; a look that skipped the map says nothing against it.
        if let (true, Some(old)) = (read_before && !facts.ml.is(), self.facts.get(&facts.pid)) {
            facts.ml = old.ml;
            facts.software.clone_from(&old.software);
        }
        // Shut even to us, and named by the user: taken at their word.
        if self.only == Some(facts.pid) && facts.ml == Reading::Not(Gap::Denied) {
            facts.ml = Reading::Is(true);
        }
        // A worker that says so by its name is what it is; its libraries are its trainer's.
        let may_learn = facts.python && &*known.name != WORKER;
        let again = if may_learn { AGES.len() } else { 3 };
        known.next = if learns {
            None
        } else if let Some(&age) =
            AGES.get(known.reads.saturating_sub(1)).filter(|_| known.reads < again)
        {
            Some((known.seen_at + Duration::from_millis(age)).max(now))
        } else {
            may_learn.then(|| now + LATER)
        };
        self.fresh.insert(facts.pid);
        self.facts.insert(facts.pid, facts);
    }

    /// Whom to read now.
    fn due(
        &mut self,
        procs: &BTreeMap<Pid, ProcSeen>,
        roles: &Roles,
        now: Instant,
    ) -> Vec<Request> {
        let mut requests = Vec::new();
        let below = descendants(procs);
        for (&pid, known) in &mut self.known {
            if self.inspector.stuck.contains(&pid) {
                continue;
            }
            let trainer = roles.of.get(&pid) == Some(&Role::Trainer);
            // Before torch 2.5 workers have no name: their pipes tell, once they are there.
            let own: BTreeSet<Pid> = if trainer {
                below.get(&pid).map(|list| list.iter().copied().collect()).unwrap_or_default()
            } else {
                BTreeSet::new()
            };
            let grown = trainer
                && own != known.descendants
                && known.read_at.is_some_and(|at| now.saturating_duration_since(at) >= AGAIN);
            if !grown && known.next.is_none_or(|at| at > now) {
                continue;
            }
            known.next = None;
            known.descendants.clone_from(&own);
            let worker = &*known.name == WORKER;
            requests.push(Request {
                pid,
                start_ticks: known.start_ticks,
                skip_maps: worker || trainer,
                skip_files: worker,
                descendants: own.into_iter().collect(),
            });
        }
        requests
    }

    fn report(
        &mut self,
        procs: &BTreeMap<Pid, ProcSeen>,
        (gpu_pids, strangers): (&BTreeSet<Pid>, usize),
        roles: &Roles,
    ) -> Found {
        let world = World { procs, facts: &self.facts, gpu_pids };
        let allowed = |pid: Pid| {
            self.only
                .is_none_or(|only| pid == only || world.ancestors(pid).any(|above| above == only))
        };
        let mut runs = Vec::new();
        let mut run_of: BTreeMap<Pid, RunId> = BTreeMap::new();
        for job in &roles.jobs {
            let trainers: Vec<Pid> =
                job.trainers.iter().copied().filter(|&pid| allowed(pid)).collect();
            if trainers.is_empty() {
                continue;
            }
            let next = RunId(self.run_ids.len() as u32 + 1);
            let run = *self.run_ids.entry(job.key.clone()).or_insert(next);
            for &pid in &trainers {
                run_of.insert(pid, run);
                let launchers = world.ancestors(pid);
                let launchers =
                    launchers.filter(|above| roles.of.get(above) == Some(&Role::Launcher));
                run_of.extend(launchers.map(|above| (above, run)));
            }
            runs.push(Arc::new(RunInfo {
                run,
                name: job.name.as_str().into(),
                launcher: job.launcher.clone(),
                trainers,
                world_size: job.world_size,
                given: None,
            }));
        }
        runs.sort_by_key(|run| run.run);
        let trainers: Vec<Pid> = runs.iter().flat_map(|run| run.trainers.clone()).collect();
        let mut workers: BTreeMap<Pid, Vec<Pid>> = BTreeMap::new();
        for (&worker, &trainer) in &roles.trainer_of {
            if let Some(&run) = run_of.get(&trainer) {
                run_of.insert(worker, run);
                workers.entry(trainer).or_default().push(worker);
            }
        }
        let mut infos = BTreeMap::new();
        for (pid, seen) in procs {
            let Some(facts) = self.facts.get(pid) else { continue };
            let role = roles.of.get(pid).copied().unwrap_or(Role::Other);
            let run = run_of.get(pid).copied();
            let old = self.found.infos.get(pid).filter(|old| {
                !self.fresh.contains(pid)
                    && (old.start_ticks, old.parent) == (seen.start_ticks, seen.parent)
                    && (old.role, old.run) == (role, run)
                    && old.name == seen.name
            });
            let info = old.map_or_else(
                || {
                    let ranked = matches!(role, Role::Trainer | Role::Worker);
                    let rank = if ranked { world.rank(*pid) } else { None };
                    let info = self.info(seen, facts, role, run, rank);
                    let same = self.found.infos.get(pid).filter(|old| ***old == info);
                    same.map_or_else(|| Arc::new(info), Arc::clone)
                },
                Arc::clone,
            );
            infos.insert(*pid, info);
        }
        let status = self.status(procs, (gpu_pids, strangers), &trainers);
        let descendants = below_trainers(procs, &trainers);
        let software =
            trainers.iter().filter_map(|pid| self.facts.get(pid)?.software.clone()).collect();
        Found { runs, infos, trainers, software, workers, descendants, status }
    }

    /// The name of a user, or the number where it has none on this box.
    pub fn user(&self, uid: u32) -> Box<str> {
        self.users.get(&uid).cloned().unwrap_or_else(|| uid.to_string().into())
    }

    fn info(
        &self,
        seen: &ProcSeen,
        facts: &Facts,
        role: Role,
        run: Option<RunId>,
        rank: Option<u32>,
    ) -> ProcInfo {
        let args: Vec<&str> = facts.args.iter().map(|arg| &**arg).collect();
        let user = facts.uid.map(|uid| self.user(uid));
        let since_boot = i128::from(seen.start_ticks) * 1000 / i128::from(self.ticks_per_second);
        ProcInfo {
            pid: seen.pid,
            parent: seen.parent,
            start_ticks: seen.start_ticks,
            start_ms: self
                .boot_ms
                .zip(i64::try_from(since_boot).ok())
                .map(|(a, b)| a.saturating_add(b)),
            name: text::clean(seen.name.as_bytes(), 64),
            command: text::redact(&args).into(),
            user: user.unwrap_or_default(),
            role,
            run,
            rank,
            container: facts.cgroup.as_deref().and_then(container_of),
            cgroup: facts.cgroup.clone(),
        }
    }

    fn status(
        &self,
        procs: &BTreeMap<Pid, ProcSeen>,
        (gpu_pids, strangers): (&BTreeSet<Pid>, usize),
        trainers: &[Pid],
    ) -> SourceStatus {
        let partial =
            |message: String, remedy| words::status(SourceState::Partial, &message, remedy);
        let hidden = gpu_pids.iter().filter(|pid| !procs.contains_key(pid)).count() + strangers;
        let denied = trainers.iter().find(|pid| {
            self.facts.get(pid).is_some_and(|facts| facts.env.gap() == Some(Gap::Denied))
        });
        let contained =
            trainers.iter().find(|pid| self.facts.get(pid).is_some_and(|facts| facts.contained));
        // Whoever sees processes at all sees the first one, unless those of others are hidden.
        let alone = !procs.is_empty() && !procs.contains_key(&Pid(1)) && trainers.is_empty();
        if let Some(pid) = self.inspector.stuck.first() {
            let message =
                format!("Process {pid} does not answer; the kernel holds whoever reads it.");
            partial(message, "See where its storage hangs: it is in state D.")
        } else if let Some(pid) = denied {
            let message = format!("Trainer {pid} may not be read: it belongs to another user.");
            partial(message, "Run mltop as the user of the training, or as root.")
        } else if alone {
            let message = "No training is seen, and processes of other users are hidden (hidepid).";
            partial(message.to_owned(), "Run mltop as the user of the training, or as root.")
        } else if hidden > 0 {
            let message = format!("{hidden} processes on a GPU are not visible from here.");
            partial(message, "Run mltop outside of the container, or with the host's pids.")
        } else if let Some(pid) = contained {
            // Nothing is missing: said because paths and pids differ from inside.
            let message = format!("Trainer {pid} runs in a container; pids are those of the host.");
            words::status(SourceState::Ok, &message, "")
        } else {
            words::status(SourceState::Ok, "", "")
        }
    }

    /// Where the machine is read from.
    pub fn roots(&self) -> &Roots {
        &self.roots
    }
}

/// Who is below whom, at any depth.
fn descendants(procs: &BTreeMap<Pid, ProcSeen>) -> BTreeMap<Pid, Vec<Pid>> {
    let mut below: BTreeMap<Pid, Vec<Pid>> = BTreeMap::new();
    for &pid in procs.keys() {
        let parent = |pid: &Pid| procs.get(pid).map(|seen| seen.parent);
        for above in std::iter::successors(parent(&pid), parent).take(64).take_while(|p| p.0 > 1) {
            below.entry(above).or_default().push(pid);
        }
    }
    below
}

/// The same for trainers; what is below another trainer is that one's.
fn below_trainers(procs: &BTreeMap<Pid, ProcSeen>, trainers: &[Pid]) -> BTreeMap<Pid, Vec<Pid>> {
    let mut below: BTreeMap<Pid, Vec<Pid>> =
        trainers.iter().map(|&trainer| (trainer, Vec::new())).collect();
    for &pid in procs.keys().filter(|pid| !trainers.contains(pid)) {
        let parent = |pid: &Pid| procs.get(pid).map(|seen| seen.parent);
        let mut above = std::iter::successors(parent(&pid), parent).take(64);
        if let Some(list) =
            above.find(|pid| below.contains_key(pid)).and_then(|p| below.get_mut(&p))
        {
            list.push(pid);
        }
    }
    below
}
