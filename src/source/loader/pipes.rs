//! A look at a loader through its pipes and semaphores.

use std::io;
use std::time::Instant;

use crate::source::root::Roots;

use super::counts::Counts;
use super::discover::Group;
use super::frames::{Frames, parse};
use super::place::{MainAt, WorkerAt, main_at};
use super::places::Places;
use super::queue::{Finding, Queue, Tasks, View};
use super::semaphores::Semaphores;
use super::tap::Tap;
use super::workers::Workers;

/// What looks need besides the loader.
pub(super) struct Tools<'a> {
    pub(super) roots: &'a Roots,
    pub(super) tap: &'a mut Tap,
    pub(super) places: &'a mut Places,
    pub(super) now: Instant,
}

/// What is looked at of a loader.
pub(super) struct Parts<'a> {
    pub(super) queue: &'a mut Queue,
    pub(super) workers: &'a mut Workers,
    pub(super) counts: &'a mut Counts,
    /// `None` where the trainer's descriptors may not be read.
    pub(super) pipes: Option<&'a Group>,
    pub(super) semaphores: Option<&'a mut Semaphores>,
    /// The thread that pins, if there is one.
    pub(super) pin_thread: Option<u32>,
    /// A batch or a task of torch's shape has been seen.
    pub(super) verified: &'a mut bool,
}

/// How thorough a look is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    /// What a look at a worker counts; `None`: not at the workers.
    pub(super) workers: Option<u64>,
    /// Where the main thread is.
    pub(super) main: MainAt,
    /// The loop can wait for no other loader.
    pub(super) only: bool,
}

/// What a look gave: of the queue, where it says something, and the idle workers, where they were
/// looked at.
pub(super) type Found = (Option<Finding>, Option<u64>);

/// Looks. An error where a pipe is gone.
pub(super) fn look(parts: Parts<'_>, tools: &mut Tools<'_>, extent: Extent) -> io::Result<Found> {
    let Parts { queue, workers, counts, pipes, semaphores, pin_thread, verified } = parts;
    // A semaphore that cannot be read any more is one of a loader that is gone.
    let semaphores = match semaphores {
        Some(semaphores) => Some(semaphores.read()?),
        None => None,
    };
    let Some(group) = pipes else {
        let idle = semaphores.map(|said| said.idle.iter().filter(|idle| **idle).count() as u64);
        let idle = extent.workers.map(|weight| {
            workers.begin(tools.now);
            workers.look(tools.places, idle, counts, weight)
        });
        let (result, main) = (Frames::default(), extent.main);
        let view = View { sealed: true, semaphores, ..View::of(result, 0, main) };
        *verified |= semaphores.is_some();
        return Ok((queue.look(&view), idle));
    };
    let before = if extent.workers.is_some() { result(group, tools)?.0 } else { Frames::default() };
    let exact = semaphores.map(|said| &*said.idle);
    let tasks = match extent.workers {
        Some(weight) => Some(look_at_workers(group, workers, exact, counts, tools, weight)?),
        None => None,
    };
    let (result, bytes) = result(group, tools)?;
    if extent.only {
        let apart = extent.main == MainAt::Poll && sleeps_apart(group, &result, tools)?;
        queue.slept(apart);
    }
    let steady = before.first_idx() == result.first_idx();
    let proof = tasks.iter().flatten().any(|tasks| !tasks.indices.is_empty());
    *verified |= proof || result.complete() > 0;
    let pin_thread = pin_thread.filter(|_| extent.main == MainAt::Futex).and_then(|thread| {
        let folder = super::proc::folder(&tools.roots.proc, group.trainer);
        let folder = folder.join("task").join(thread.to_string());
        Some(main_at(tools.places.wchan(thread, &folder).ok()?.as_str()))
    });
    let idle = tasks.as_ref().map(|all| all.iter().filter(|tasks| tasks.idle).count() as u64);
    let view = View {
        workers: tasks,
        before: before.complete(),
        steady,
        pin_thread,
        semaphores,
        ..View::of(result, bytes, extent.main)
    };
    Ok((queue.look(&view), idle))
}

/// Whether the main thread sleeps as if it waited, from before to after a moment at which a batch was
/// there: then it waits for something else.
fn sleeps_apart(group: &Group, seen: &Frames, tools: &mut Tools<'_>) -> io::Result<bool> {
    if seen.complete() == 0 {
        return Ok(false);
    }
    let folder = super::proc::folder(&tools.roots.proc, group.trainer);
    let place = tools.places.wchan(group.trainer.0, &folder);
    let asleep = place.is_ok_and(|place| main_at(place.as_str()) == MainAt::Poll);
    Ok(asleep && result(group, tools)?.0.first_idx() == seen.first_idx())
}

/// The batches in the result pipe, and its bytes.
fn result(group: &Group, tools: &mut Tools<'_>) -> io::Result<(Frames, usize)> {
    let bytes = tools.tap.look(&group.result.link, group.result.inode)?;
    Ok((parse(bytes), bytes.len()))
}

/// The batches in the result pipe; `None` where one does not fit it, so that a count says nothing.
pub(super) fn count(group: &Group, tools: &mut Tools<'_>) -> io::Result<Option<u64>> {
    let (frames, _) = result(group, tools)?;
    Ok((!frames.truncated && frames.others == 0).then(|| frames.complete()))
}

/// The tasks that wait for each worker, where something else tells what they do.
pub(super) fn tasks(group: &Group, workers: &mut Workers, tools: &mut Tools<'_>) {
    if !workers.pids().eq(group.workers.iter().map(|worker| worker.pid)) {
        return;
    }
    for (number, worker) in group.workers.iter().enumerate() {
        // A queue that is gone is one of an iterator before.
        let Ok(bytes) = tools.tap.look(&worker.index.link, worker.index.inode) else { return };
        workers.tasks(number, &parse(bytes).indices);
    }
}

/// Every worker: its tasks, and what it does.
fn look_at_workers(
    group: &Group,
    workers: &mut Workers,
    exact: Option<&[bool]>,
    counts: &mut Counts,
    tools: &mut Tools<'_>,
    weight: u64,
) -> io::Result<Vec<Tasks>> {
    workers.begin(tools.now);
    let mut all = Vec::with_capacity(group.workers.len());
    for (number, worker) in group.workers.iter().enumerate() {
        let waits = exact.and_then(|idle| idle.get(number)).copied();
        // First the worker, then its queue: a task on its way is missed, never seen twice.
        let raw = workers.place(number, tools.places, waits == Some(true));
        let tasks = parse(tools.tap.look(&worker.index.link, worker.index.inode)?);
        let at = workers.note(number, raw, tasks.complete() > 0, waits, counts, weight);
        workers.tasks(number, &tasks.indices);
        all.push(Tasks { indices: tasks.indices, idle: at == WorkerAt::Idle });
    }
    Ok(all)
}
