//! The best rung: the interpreter's own memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::sample::{Activity, Bound, ReadySource, WaitSource};
use crate::model::{Gap, Pid};
use crate::source::root::Roots;

use super::proc;
use super::python::{self, Budget, Interpreter, IteratorFacts, IteratorId, LoaderKind, Part};
use super::rung::{Depth, Inside, Known, Looked, Loop, Refusal, Rung, Step};

/// Objects looked at in one search: some milliseconds.
const OBJECTS: u32 = 20_000;
/// Keys of loaders that have no iterator to be read, by their kind: above those of iterators.
const KINDS: u64 = 1 << 40;

/// The memory of trainers as a step of the ladder.
pub fn step() -> Step {
    let attach = |roots: &Roots, pid: Pid| -> Result<Box<dyn Rung>, Refusal> {
        let interpreter = Interpreter::attach(roots, pid).map_err(|refusal| {
            Refusal::new(refusal.to_string(), refusal.remedy(pid).unwrap_or_default())
        })?;
        Ok(Box::new(Memory::new(roots.clone(), interpreter)))
    };
    Step { source: ReadySource::Memory, attach: Box::new(attach) }
}

/// One trainer's interpreter.
#[derive(Debug)]
struct Memory {
    roots: Roots,
    interpreter: Interpreter,
    facts: Vec<Arc<IteratorFacts>>,
    known: Vec<Known>,
    /// Loaders that cannot be read, met on the stack.
    kinds: Vec<LoaderKind>,
    /// The trainer numbers its workers in a pid namespace of its own.
    contained: bool,
    /// Its descendants by the numbers that they have there.
    inner: BTreeMap<Pid, Pid>,
}

impl Memory {
    fn new(roots: Roots, interpreter: Interpreter) -> Self {
        let (facts, known, kinds) = (Vec::new(), Vec::new(), Vec::new());
        let contained = number_inside(&roots, interpreter.pid()) != Some(interpreter.pid());
        let inner = BTreeMap::new();
        Self { roots, interpreter, facts, known, kinds, contained, inner }
    }

    /// Takes over what the interpreter knows, where that changed.
    fn refresh(&mut self) {
        let now = self.interpreter.iterators();
        let same = now.len() == self.facts.len()
            && now.iter().zip(&self.facts).all(|(a, b)| Arc::ptr_eq(a, b));
        if same && self.known.len() == self.facts.len() + self.kinds.len() {
            return;
        }
        self.facts = now.to_vec();
        if self.contained {
            self.inner = numbers_inside(&self.roots, self.interpreter.pid());
        }
        let iterators = self.facts.iter().map(|facts| self.known_of(facts));
        self.known = iterators.chain(self.kinds.iter().copied().map(of_kind)).collect();
    }

    fn known_of(&self, facts: &IteratorFacts) -> Known {
        let torch = facts.num_workers > 0;
        Known {
            key: u64::from(facts.id.0),
            data_loader: facts.sampler,
            kind: LoaderKind::Torch.word().into(),
            workers: facts.workers.iter().map(|pid| self.outer(*pid)).collect(),
            num_workers: Some(u64::from(facts.num_workers)),
            prefetch_factor: facts.prefetch_factor.map(u64::from).filter(|_| torch),
            pinned: Some(facts.pinned),
            persistent: torch.then_some(facts.persistent_workers),
            batch_size: facts.batch_size.map(u64::from),
            dataset: facts.dataset.clone(),
            epoch_batches: facts.epoch_batches,
        }
    }

    fn outer(&self, pid: Pid) -> Pid {
        self.inner.get(&pid).copied().unwrap_or(pid)
    }

    fn inside(&mut self, inside: Option<python::Inside>) -> Inside {
        // Workers that end are no wait for data, no more than those that start.
        let Some(inside) = inside.filter(|inside| inside.part != Part::Ending) else {
            return Inside::No;
        };
        match (inside.iterator, inside.kind) {
            (Some(id), _) => Inside::Of(u64::from(id.0)),
            (None, LoaderKind::Torch) => Inside::Unnamed,
            (None, kind) => {
                if !self.kinds.contains(&kind) {
                    self.kinds.push(kind);
                }
                Inside::Of(KINDS + kind as u64)
            }
        }
    }
}

/// A loader that only its place on the stack tells of.
fn of_kind(kind: LoaderKind) -> Known {
    Known { key: KINDS + kind as u64, kind: kind.word().into(), ..Known::default() }
}

impl Rung for Memory {
    fn ready_source(&self) -> ReadySource {
        ReadySource::Memory
    }

    fn wait_source(&self) -> WaitSource {
        WaitSource::Stack
    }

    fn find(&mut self, deep: bool) -> Result<bool, Gap> {
        let objects = if deep { OBJECTS } else { 0 };
        let result = self.interpreter.find(Budget { objects }).map(|_| ());
        self.refresh();
        match result {
            Err(gap @ Gap::Lost) => Err(gap),
            _ => Ok(self.interpreter.searched()),
        }
    }

    fn search_anew(&mut self) {
        self.interpreter.search_anew();
    }

    fn known(&self) -> &[Known] {
        &self.known
    }

    fn look(&mut self, key: Option<u64>) -> Looked {
        let of_kind = key.is_some_and(|key| key >= KINDS);
        let id = key.filter(|_| !of_kind).map(|key| IteratorId(key as u32));
        let seen = self.interpreter.look(id);
        let main = seen.stack.map(|stack| Loop {
            inside: self.inside(stack.inside),
            delivery: stack.inside.is_some_and(|inside| inside.part == Part::Delivery),
            activity: Some(activity(stack.activity)),
            validating: stack.validating,
        });
        self.refresh();
        let depth = if of_kind { Ok(UNSEEN) } else { seen.depth.map(depth_of) };
        Looked { main, depth }
    }

    fn depth(&mut self, key: u64) -> Result<Depth, Gap> {
        if key >= KINDS {
            return Ok(UNSEEN);
        }
        let depth = self.interpreter.depth(IteratorId(key as u32));
        if depth == Err(Gap::Lost) {
            // The interpreter has forgotten it.
            self.refresh();
        }
        depth.map(depth_of)
    }
}

/// Of a loader that cannot be looked into.
const UNSEEN: Depth = Depth {
    ready: Err(Gap::Unsupported),
    bound: Bound::Doubtful,
    stash: Err(Gap::Unsupported),
    in_pipe: None,
    taken: None,
    outstanding: None,
    busy: None,
    waited: None,
};

fn depth_of(depth: python::Depth) -> Depth {
    let Some(queues) = depth.queues else {
        let none = Err(Gap::NotApplicable);
        return Depth { ready: none, stash: none, taken: Some(depth.taken), ..UNSEEN };
    };
    Depth {
        ready: Ok(queues.ready),
        bound: if queues.ready_exact { Bound::Exact } else { Bound::Upper },
        stash: Ok(queues.finished.saturating_sub(queues.ready)),
        in_pipe: Some(queues.result_queue),
        taken: Some(depth.taken),
        outstanding: Some(queues.sent.saturating_sub(queues.received)),
        busy: queues.busy,
        waited: None,
    }
}

fn activity(seen: python::Activity) -> Activity {
    match seen {
        python::Activity::Other => Activity::Other,
        python::Activity::Data => Activity::Data,
        python::Activity::StartingWorkers | python::Activity::StoppingWorkers => Activity::Workers,
        python::Activity::Forward => Activity::Forward,
        python::Activity::Backward => Activity::Backward,
        python::Activity::Optimizer => Activity::Optimizer,
        python::Activity::Collective => Activity::Collective,
        python::Activity::Compile => Activity::Compile,
        python::Activity::Checkpoint => Activity::Checkpoint,
        python::Activity::Logging => Activity::Logging,
        python::Activity::Import => Activity::Import,
    }
}

/// The descendants of a process by the numbers that they have in its own pid namespace.
fn numbers_inside(roots: &Roots, trainer: Pid) -> BTreeMap<Pid, Pid> {
    let below = proc::descendants(&roots.proc, trainer, 2048);
    below.into_iter().filter_map(|pid| Some((number_inside(roots, pid)?, pid))).collect()
}

/// The number that a process has in its own pid namespace.
fn number_inside(roots: &Roots, pid: Pid) -> Option<Pid> {
    let status = proc::folder(&roots.proc, pid).join("status");
    let status = proc::read_capped(&status, 8192).ok()?;
    let ids = super::discover::field(&status, "NSpid:")?;
    ids.split_whitespace().next_back()?.parse().ok().map(Pid)
}
