//! Where the figures of one iterator are: found once, then read by a call or two.

use std::sync::Arc;

use crate::model::{Gap, Pid};

use super::facts::{Depth, IteratorFacts, IteratorId, Queues};
use super::layout::{MA_USED, SIZE};
use super::memory::{Piece, half_at, is_object};
use super::objects::{Attributes, Heap, integer};
use super::recall::Recall;
use super::sampler;

/// Workers that a loader can have.
const WORKERS: i64 = 1024;
/// Workers that are looked at one by one.
const EACH: usize = 64;
/// Batches ahead, per worker.
const PREFETCH: i64 = 10_000;
/// In a C lock of `multiprocessing`: a pointer to its semaphore.
const SEMAPHORE: u64 = 16;
/// In an integer: its digits.
const DIGITS: u64 = SIZE + 8;
/// A semaphore's value: one of musl's has a flag above.
const VALUE: u32 = 0x7fff_ffff;

/// A semaphore, by its address, and what it counts down from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Room {
    at: u64,
    most: u64,
}

/// A `multiprocessing.Queue`: its room, and the lock that its reader holds while it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Queue {
    room: Room,
    lock: u64,
}

/// The queue between the thread that pins and the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pinned {
    /// Its deque, and that of those who wait for it.
    batches: u64,
    waiters: u64,
}

/// Where the figures of one iterator are.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) facts: Arc<IteratorFacts>,
    /// The iterator.
    pub(super) object: u64,
    /// Of the random number that it was born with, the low digits: the next one at the same address, with
    /// all that belongs to it at the same addresses too, has another.
    seed: Option<u64>,
    /// Words that must read the same, or it is not this iterator any more.
    witness: Vec<(u64, u64)>,
    yielded: u64,
    queues: Option<Places>,
    /// All that is read, to ask for it at once.
    pieces: Vec<Piece>,
}

/// Slots of the counters, and the queues.
#[derive(Debug, PartialEq, Eq)]
struct Places {
    sent: u64,
    received: u64,
    outstanding: u64,
    tasks: u64,
    result: Queue,
    /// None where there are too many of them.
    workers: Option<Vec<Queue>>,
    pinned: Option<Pinned>,
    in_order: bool,
}

impl Plan {
    /// The plan of the iterator at an address. `NotYet` where it is still being made; `Lost` where it
    /// was shut down.
    pub(super) fn of(heap: &mut Heap, object: u64, id: IteratorId) -> Result<Self, Gap> {
        if heap.remote.half(object)? == 0 {
            return Err(Gap::Lost);
        }
        let all = heap.attributes(object)?;
        let number = |heap: &mut Heap, name: &str| heap.integer(all.value(name)?);
        let num_workers = number(heap, "_num_workers")?;
        if !(0..=WORKERS).contains(&num_workers) {
            return Err(Gap::Failed);
        }
        let mut facts = IteratorFacts {
            id,
            class: heap.class_of(object)?.into(),
            sampler: all.value("_index_sampler").ok(),
            dataset: all
                .value("_dataset")
                .and_then(|it| heap.class_of(it))
                .unwrap_or_default()
                .into(),
            iterable: number(heap, "_dataset_kind").ok().map(|kind| kind == 1),
            num_workers: num_workers as u32,
            prefetch_factor: None,
            persistent_workers: number(heap, "_persistent_workers").is_ok_and(|is| is != 0),
            pinned: number(heap, "_pin_memory").is_ok_and(|is| is != 0),
            batch_size: sampler::batch_size(heap, &all),
            epoch_batches: sampler::epoch_batches(heap, &all),
            workers: Vec::new(),
        };
        let mut witness = all.witness.clone();
        let seed = all.value("_base_seed").ok().map(|seed| seed.wrapping_add(DIGITS));
        let seed = seed.and_then(|at| Some((at, heap.remote.word(at).ok()?)));
        witness.extend(seed);
        let queues = if num_workers == 0 {
            None
        } else {
            if number(heap, "_shutdown")? != 0 {
                return Err(Gap::Lost);
            }
            for name in ["_worker_result_queue", "_workers", "_data_queue", "_shutdown"] {
                let slot = all.slot(name)?;
                witness.push((slot.at, slot.value));
            }
            let (places, prefetch_factor) = places(heap, &all, num_workers)?;
            facts.prefetch_factor = Some(prefetch_factor);
            facts.pinned = places.pinned.is_some();
            facts.workers = workers(heap, all.value("_workers")?)?;
            Some(places)
        };
        let yielded = all.slot("_num_yielded")?.at;
        let (facts, seed) = (Arc::new(facts), seed.map(|(_, digits)| digits));
        let mut plan = Self { facts, object, seed, witness, yielded, queues, pieces: Vec::new() };
        plan.pieces = plan.pieces();
        Ok(plan)
    }

    /// Whether all that can be known of the iterator is: the length of an epoch is not between two epochs.
    pub(super) fn is_complete(&self) -> bool {
        self.facts.epoch_batches.is_some() || self.facts.iterable == Some(true)
    }

    /// Whether two plans are of one iterator: a new one at the same address has new queues.
    pub(super) fn same(&self, other: &Self) -> bool {
        let (a, b) = (&self.queues, &other.queues);
        let queues = a.as_ref().map(|places| (places.result, places.pinned, &places.workers));
        (self.object, self.seed) == (other.object, other.seed)
            && self.facts.workers == other.facts.workers
            && queues == b.as_ref().map(|places| (places.result, places.pinned, &places.workers))
    }

    /// Whether an object of its class still stands there, and somebody holds it.
    pub(super) fn is_there(&self, heap: &mut Heap) -> bool {
        let class = self.witness.first();
        heap.remote.half(self.object).is_ok_and(|holders| holders > 0)
            && class.is_some_and(|&(at, class)| heap.remote.word(at) == Ok(class))
    }

    /// Takes the places of a newer plan of the same iterator. Its number stays.
    pub(super) fn replace(&mut self, new: Self) {
        let mut facts = (*new.facts).clone();
        // At an epoch's end its sampler tells no more.
        facts.epoch_batches = facts.epoch_batches.or(self.facts.epoch_batches);
        let same = facts == *self.facts;
        let facts = if same { Arc::clone(&self.facts) } else { Arc::new(facts) };
        *self = Self { facts, ..new };
    }

    fn pieces(&self) -> Vec<Piece> {
        let word = |at: u64| Piece { at, len: 8 };
        let mut all: Vec<Piece> = self.witness.iter().map(|&(at, _)| word(at)).collect();
        all.push(word(self.object));
        all.push(word(self.yielded));
        let Some(places) = &self.queues else { return all };
        all.extend([places.sent, places.received, places.outstanding, places.tasks].map(word));
        let half = |at: u64| Piece { at, len: 4 };
        all.push(half(places.result.room.at));
        match places.pinned {
            Some(pinned) => {
                all.extend([pinned.batches, pinned.waiters].map(|at| word(at + SIZE)));
            }
            None => all.push(half(places.result.lock)),
        }
        all
    }

    /// The depth now. `Lost` where the iterator is not there any more, `Failed` where the figures do
    /// not fit each other: they were caught in the middle of a change.
    pub(super) fn depth(&self, heap: &mut Heap, recall: &mut Recall) -> Result<Depth, Gap> {
        recall.need(&mut heap.remote, &self.pieces)?;
        for &(at, expected) in &self.witness {
            if recall.word(&mut heap.remote, at)? != expected {
                return Err(Gap::Lost);
            }
        }
        // Nobody holds it any more: what stands there is left over.
        if recall.word(&mut heap.remote, self.object)? as u32 == 0 {
            return Err(Gap::Lost);
        }
        let Some(places) = &self.queues else {
            let [taken] = integers(heap, recall, [self.yielded])?;
            return Ok(Depth { taken, queues: None });
        };
        let tasks = recall.word(&mut heap.remote, places.tasks)?;
        if !is_object(tasks) {
            return Err(Gap::Failed);
        }
        let slots = [self.yielded, places.sent, places.received, places.outstanding];
        let [taken, sent, received, outstanding] = integers(heap, recall, slots)?;
        let known_tasks = recall.word(&mut heap.remote, tasks + MA_USED)?;
        let counted = Counted { sent, received, outstanding, known_tasks };
        let capacity = self.facts.capacity();
        let queues = places.queues(heap, recall, counted, capacity)?;
        if taken > 1 << 48 {
            return Err(Gap::Failed);
        }
        Ok(Depth { taken, queues: Some(queues) })
    }
}

/// What the iterator itself counts.
#[derive(Clone, Copy, Debug)]
struct Counted {
    sent: u64,
    received: u64,
    outstanding: u64,
    known_tasks: u64,
}

impl Places {
    fn queues(
        &self,
        heap: &mut Heap,
        recall: &mut Recall,
        counted: Counted,
        capacity: u64,
    ) -> Result<Queues, Gap> {
        let Counted { sent, received, outstanding, known_tasks } = counted;
        let span = sent.checked_sub(received).ok_or(Gap::Failed)?;
        let out_of_order = known_tasks.saturating_sub(outstanding);
        // Between two lines of its code one of them is ahead of the other.
        let fits = span <= 2 * capacity + 2
            && outstanding <= capacity
            && known_tasks + 1 >= outstanding
            && (!self.in_order || known_tasks <= span + 1);
        if !fits {
            return Err(Gap::Failed);
        }
        let result_queue = self.result.room.taken(heap, recall)?;
        let (pinned_queue, waiting) = match self.pinned {
            Some(pinned) => {
                let batches = recall.word(&mut heap.remote, pinned.batches + SIZE)?;
                (batches, recall.word(&mut heap.remote, pinned.waiters + SIZE)? > 0)
            }
            None => (0, self.result.is_waited_for(heap, recall)?),
        };
        // The workers' answers to a new epoch stand in the queue too.
        let most = capacity + self.workers.as_ref().map_or(EACH, Vec::len) as u64;
        let seen = result_queue.saturating_add(pinned_queue).saturating_add(out_of_order);
        if seen > most {
            return Err(Gap::Failed);
        }
        let mut queues = Queues {
            ready: seen.min(span),
            ready_exact: !self.in_order && seen <= span,
            finished: seen.min(span),
            result_queue,
            pinned_queue,
            out_of_order,
            sent,
            received,
            outstanding,
            queued: None,
            busy: None,
            waiting,
        };
        // With none or all of them finished, or a single worker, they are in order for sure.
        let workers = self.workers.as_deref().unwrap_or_default();
        if seen == 0 || seen == span || workers.len() == 1 {
            queues.ready_exact = true;
        } else if !workers.is_empty() {
            let mut tasks = [Tasks::default(); EACH];
            let tasks = tasks.get_mut(..workers.len()).ok_or(Gap::Failed)?;
            each(heap, recall, workers, tasks)?;
            refine(&mut queues, tasks, self.in_order);
        }
        Ok(queues)
    }
}

/// What one worker has to do.
#[derive(Clone, Copy, Debug, Default)]
struct Tasks {
    queued: u64,
    works: bool,
}

/// Looks at the workers one by one.
fn each(
    heap: &mut Heap,
    recall: &mut Recall,
    workers: &[Queue],
    tasks: &mut [Tasks],
) -> Result<(), Gap> {
    // Each semaphore is on a page of its own, which costs: the locks only of those whose queue is
    // empty, for one with more to do does not wait.
    let mut pieces = [Piece { at: 0, len: 4 }; EACH];
    let mut wanted = 0;
    for (piece, queue) in pieces.iter_mut().zip(workers) {
        piece.at = queue.room.at;
        wanted += 1;
    }
    recall.need(&mut heap.remote, pieces.get(..wanted).unwrap_or_default())?;
    wanted = 0;
    for (tasks, queue) in tasks.iter_mut().zip(workers) {
        tasks.queued = queue.room.taken(heap, recall)?;
        tasks.works = tasks.queued > 0;
        if let Some(piece) = pieces.get_mut(wanted).filter(|_| !tasks.works) {
            piece.at = queue.lock;
            wanted += 1;
        }
    }
    recall.need(&mut heap.remote, pieces.get(..wanted).unwrap_or_default())?;
    for (tasks, queue) in tasks.iter_mut().zip(workers).filter(|(tasks, _)| !tasks.works) {
        tasks.works = !queue.is_waited_for(heap, recall)?;
    }
    Ok(())
}

/// Tells the finished batches in order from the others. Tasks are dealt out in turn and each worker
/// works through its own in order, so what a worker has neither queued nor in work is finished, and
/// those are its lowest.
fn refine(queues: &mut Queues, tasks: &[Tasks], in_order: bool) {
    let workers = tasks.len() as u64;
    // Of the tasks from `received` to `sent`, those of worker w.
    let given = |worker: u64, from: u64, to: u64| {
        let below = |end: u64| (end + workers - 1 - worker) / workers;
        below(to) - below(from)
    };
    let mut finished = [0; EACH];
    let (mut queued, mut busy) = (0, 0);
    for (worker, (finished, tasks)) in finished.iter_mut().zip(tasks).enumerate() {
        let own = given(worker as u64, queues.received, queues.sent);
        let left = own.saturating_sub(tasks.queued);
        let works = u64::from(tasks.works).min(left);
        queued += tasks.queued;
        busy += works;
        *finished = left - works;
    }
    queues.queued = Some(queued);
    queues.busy = Some(busy);
    let total: u64 = finished.iter().sum();
    // What the loop or the pin thread holds in its hands is in no queue.
    if !in_order || total.abs_diff(queues.finished) > 2 {
        return;
    }
    queues.finished = total;
    let in_turn = (queues.received..queues.sent).take_while(|index| {
        let left = finished.get_mut((index % workers) as usize);
        left.is_some_and(|left| {
            let is_finished = *left > 0;
            *left = left.saturating_sub(1);
            is_finished
        })
    });
    queues.ready = in_turn.count() as u64;
    queues.ready_exact = true;
}

impl Room {
    /// How much of it is taken.
    fn taken(self, heap: &mut Heap, recall: &mut Recall) -> Result<u64, Gap> {
        let left = semaphore(heap, recall, self.at)?;
        self.most.checked_sub(left).ok_or(Gap::Failed)
    }
}

impl Queue {
    /// Whether its reader waits for something to come.
    fn is_waited_for(self, heap: &mut Heap, recall: &mut Recall) -> Result<bool, Gap> {
        Ok(semaphore(heap, recall, self.lock)? == 0)
    }
}

/// The value of a semaphore.
fn semaphore(heap: &mut Heap, recall: &mut Recall, at: u64) -> Result<u64, Gap> {
    Ok((half_at(recall.get(&mut heap.remote, Piece { at, len: 4 })?, 0) & VALUE).into())
}

/// The integers that slots point to, none below zero.
fn integers<const N: usize>(
    heap: &mut Heap,
    recall: &mut Recall,
    slots: [u64; N],
) -> Result<[u64; N], Gap> {
    let mut pieces = [Piece { at: 0, len: 16 }; N];
    for (piece, slot) in pieces.iter_mut().zip(slots) {
        let object = recall.word(&mut heap.remote, slot)?;
        if !is_object(object) {
            return Err(Gap::Failed);
        }
        piece.at = object + SIZE;
    }
    recall.need(&mut heap.remote, &pieces)?;
    let mut values = [0; N];
    for (value, piece) in values.iter_mut().zip(pieces) {
        let bytes = recall.get(&mut heap.remote, piece)?;
        let read = integer(heap.layout.minor, bytes).and_then(|value| u64::try_from(value).ok());
        *value = read.ok_or(Gap::Failed)?;
    }
    Ok(values)
}

fn places(heap: &mut Heap, all: &Attributes, num_workers: i64) -> Result<(Places, u32), Gap> {
    let prefetch_factor = heap.integer(all.value("_prefetch_factor")?)?;
    if !(1..=PREFETCH).contains(&prefetch_factor) {
        return Err(Gap::Failed);
    }
    let result = all.value("_worker_result_queue")?;
    let data = all.value("_data_queue")?;
    let pinned = (data != result).then(|| pinned(heap, data)).transpose()?;
    let index_queues = heap.list(all.value("_index_queues")?)?;
    if index_queues.len() as i64 != num_workers {
        return Err(Gap::NotYet);
    }
    let each = index_queues.len() <= EACH;
    let workers = each.then(|| index_queues.into_iter().map(|at| queue(heap, at)).collect());
    let in_order = all.value("_in_order").and_then(|value| heap.integer(value));
    let places = Places {
        sent: all.slot("_send_idx")?.at,
        received: all.slot("_rcvd_idx")?.at,
        outstanding: all.slot("_tasks_outstanding")?.at,
        tasks: all.slot("_task_info")?.at,
        result: queue(heap, result)?,
        workers: workers.transpose()?,
        pinned,
        // Before the option came all were in order.
        in_order: in_order.is_ok_and(|value| value != 0) || in_order == Err(Gap::NotYet),
    };
    Ok((places, prefetch_factor as u32))
}

fn queue(heap: &mut Heap, object: u64) -> Result<Queue, Gap> {
    let all = heap.attributes(object)?;
    let most = all.value("_maxsize").and_then(|value| heap.integer(value))?;
    let at = handle(heap, all.value("_sem")?)?;
    let lock = handle(heap, all.value("_rlock")?)?;
    let most = u64::try_from(most).map_err(|_| Gap::Failed)?;
    Ok(Queue { room: Room { at, most }, lock })
}

/// Where the semaphore of a lock of `multiprocessing.synchronize` is.
fn handle(heap: &mut Heap, lock: u64) -> Result<u64, Gap> {
    let inner = heap.attributes(lock)?.value("_semlock")?;
    heap.remote.word(inner + SEMAPHORE)
}

fn pinned(heap: &mut Heap, queue: u64) -> Result<Pinned, Gap> {
    let all = heap.attributes(queue)?;
    let not_empty = heap.attributes(all.value("not_empty")?)?;
    Ok(Pinned { batches: all.value("queue")?, waiters: not_empty.value("_waiters")? })
}

/// The process ids of workers. Those that are not started yet make the plan wait.
fn workers(heap: &mut Heap, list: u64) -> Result<Vec<Pid>, Gap> {
    let mut pids = Vec::new();
    for worker in heap.list(list)? {
        let popen = heap.attributes(worker)?.value("_popen")?;
        let pid = heap.attributes(popen)?.value("pid")?;
        let pid = u32::try_from(heap.integer(pid)?).map_err(|_| Gap::Failed)?;
        pids.push(Pid(pid));
    }
    Ok(pids)
}
