//! The semaphores of a loader's queues, where each is a file of its own in shared memory.
//!
//! A `multiprocessing.Queue` has three: the readers' lock, the writers' lock, and the room that is
//! left, which begins at `MOST`. So the room tells how many messages are in the queue wherever they
//! are, and the readers' lock whether somebody sits in `get()`: exact where a pipe can only hint.
//!
//! A loader makes them in an order of its own: the result queue, five of an event, then one queue for
//! each worker. Inodes of a tmpfs rise, so the order of the inodes is that order.

use std::fs::{self, File};
use std::io::{self, IoSliceMut};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use rustix::fs::OFlags;

use crate::model::Pid;
use crate::source::root::Roots;

use super::discover::Worker;
use super::proc;
use super::rung::Refusal;

/// The room of a queue without a bound: `SEM_VALUE_MAX`.
const MOST: u32 = i32::MAX as u32;
/// More messages than this are in no queue of batches: the value is no queue's room.
const FULL: u32 = 100_000;
/// Semaphores of an event.
const EVENT: usize = 5;
/// Semaphores looked at of one process.
const CAP: usize = 8192;
/// Size of a memory map that is read.
const MAPS_CAP: usize = 64 << 20;

/// Where a loader's queues stand in a list of semaphores: the place of each one's readers' lock. The
/// room is two places on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The result queue.
    pub result: usize,
    /// The index queues, in the order of the workers. There may be more queues than workers: others
    /// may have been made right after them.
    pub index: Vec<usize>,
}

/// The loaders in a list of values in the order of creation. `None` where a value cannot be read.
pub fn parse(values: &[Option<u32>]) -> Vec<Layout> {
    let starts = queues(values);
    let mut found: Vec<Layout> = Vec::new();
    let mut at = 0;
    while let Some(&result) = starts.get(at) {
        let first = result + 3 + EVENT;
        let has_event = starts.get(at + 1) == Some(&first);
        at += 1;
        if !has_event {
            continue;
        }
        let mut index = vec![first];
        while let Some(&next) =
            starts.get(at + 1).filter(|&&next| Some(next) == index.last().map(|last| last + 3))
        {
            index.push(next);
            at += 1;
        }
        // The last one may be the result queue of the next loader: then it is followed as one.
        let last = index.last().copied().unwrap_or(first);
        if index.len() > 1 && starts.get(at + 1) == Some(&(last + 3 + EVENT)) {
            index.pop();
        } else {
            at += 1;
        }
        found.push(Layout { result, index });
    }
    found
}

/// Where three semaphores in a row are those of a queue without a bound.
fn queues(values: &[Option<u32>]) -> Vec<usize> {
    let lock = |value: Option<u32>| value.is_some_and(|value| value <= 1);
    let room =
        |value: Option<u32>| value.is_some_and(|value| (MOST - FULL..=MOST).contains(&value));
    let queue = |three: &[Option<u32>]| match *three {
        [reader, writer, last] => lock(reader) && lock(writer) && room(last),
        _ => false,
    };
    (0..values.len()).filter(|&at| values.get(at..at + 3).is_some_and(queue)).collect()
}

/// A semaphore that a process maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Mapped {
    inode: u64,
    device: u64,
    address: u64,
}

/// Reads 32-bit words of a process at these addresses.
pub type ReadWords = Box<dyn FnMut(&[u64], &mut [u32]) -> io::Result<()> + Send>;

/// A reader of this process's memory.
pub fn memory_of(pid: Pid) -> ReadWords {
    let process = nix::unistd::Pid::from_raw(pid.0.cast_signed());
    Box::new(move |addresses, words| {
        let mut bytes = vec![0; words.len() * 4];
        let remote: Vec<RemoteIoVec> =
            addresses.iter().map(|&base| RemoteIoVec { base: base as usize, len: 4 }).collect();
        // The kernel takes so many places at once.
        for (remote, bytes) in remote.chunks(1024).zip(bytes.chunks_mut(4096)) {
            let wanted = bytes.len();
            if process_vm_readv(process, &mut [IoSliceMut::new(bytes)], remote)? != wanted {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *word = u32::from_ne_bytes(*bytes);
        }
        Ok(())
    })
}

/// Where the values are read.
enum Cells {
    /// A file for each: the names of spawned workers' semaphores stay.
    Files(Vec<File>),
    /// The process itself: those that forked workers inherit have no name.
    Memory(Vec<u64>, ReadWords),
}

/// The semaphores of one loader.
pub struct Semaphores {
    cells: Cells,
    values: Vec<u32>,
    look: Look,
}

impl std::fmt::Debug for Semaphores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let files = matches!(self.cells, Cells::Files(_));
        f.debug_struct("Semaphores")
            .field("files", &files)
            .field("look", &self.look)
            .finish_non_exhaustive()
    }
}

/// What the semaphores of a loader say at one look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Batches in the result queue, on their way into it included.
    pub result: u64,
    /// Its reader, the loop or the thread that pins, waits for a batch.
    pub reader_waits: bool,
    /// For each worker the tasks in its queue.
    pub queued: Vec<u64>,
    /// For each worker whether it waits for a task.
    pub idle: Vec<bool>,
}

impl Look {
    /// Tasks that no worker has finished.
    pub fn unfinished(&self) -> u64 {
        let busy = self.idle.iter().filter(|idle| !**idle).count() as u64;
        self.queued.iter().sum::<u64>() + busy
    }
}

impl Semaphores {
    /// Those of the loader with these workers. `memory` reads the trainer, where that is allowed.
    pub fn find(
        roots: &Roots,
        trainer: Pid,
        workers: &[Worker],
        memory: Option<ReadWords>,
    ) -> Result<Self, Refusal> {
        let refused = |why: &str, remedy: &str| Refusal { why: why.into(), remedy: remedy.into() };
        let Some(first) = workers.first() else {
            return Err(refused("it has no workers", ""));
        };
        let of_first = mapped(roots, first.pid)
            .map_err(|_| refused("the maps of its workers may not be read", "sudo mltop"))?;
        // Where the trainer is sealed, its workers may still be open: they run a program of their own.
        let all = mapped(roots, trainer).unwrap_or_else(|_| {
            let more = workers.iter().filter_map(|worker| mapped(roots, worker.pid).ok());
            merged(more)
        });
        let files = Named::of(roots, trainer, &all);
        let cells = if files.complete() || memory.is_none() {
            let values: Vec<Option<u32>> =
                files.0.iter().map(|file| value_of(file.as_ref()?).ok()).collect();
            let places = choose(&values, &all, &of_first, workers.len()).ok_or_else(|| {
                if files.complete() {
                    refused("its semaphores are not in the order of a loader", "")
                } else {
                    refused(
                        "its workers were forked: their semaphores are in its memory alone",
                        "sudo mltop",
                    )
                }
            })?;
            let mut files = files.0;
            let chosen = places.iter().filter_map(|&place| files.get_mut(place)?.take());
            Cells::Files(chosen.collect())
        } else {
            let Some(mut read) = memory else { return Err(Refusal::default()) };
            let addresses: Vec<u64> = all.iter().map(|mapped| mapped.address).collect();
            let mut words = vec![0; addresses.len()];
            read(&addresses, &mut words)
                .map_err(|_| refused("its memory may not be read", "sudo mltop"))?;
            let values: Vec<Option<u32>> = words.into_iter().map(Some).collect();
            let places = choose(&values, &all, &of_first, workers.len())
                .ok_or_else(|| refused("its semaphores are not in the order of a loader", ""))?;
            let chosen = places.iter().filter_map(|&place| addresses.get(place).copied());
            Cells::Memory(chosen.collect(), read)
        };
        let mut new = Self { cells, values: vec![0; 2 + 2 * workers.len()], look: Look::default() };
        if new.count() != new.values.len() || new.read().is_err() {
            return Err(refused("its semaphores cannot be read", ""));
        }
        Ok(new)
    }

    /// The loaders of a trainer whose own descriptors and maps may not be read, by those of its
    /// workers: spawned ones run a program of their own, and their semaphores have names.
    pub fn of_workers(
        roots: &Roots,
        trainer: Pid,
        workers: &[Pid],
    ) -> Vec<(Vec<(Pid, u64)>, Self)> {
        let maps: Vec<(Pid, Vec<Mapped>)> =
            workers.iter().filter_map(|&pid| Some((pid, mapped(roots, pid).ok()?))).collect();
        let all = merged(maps.iter().map(|(_, maps)| maps.clone()));
        let mut files = Named::of(roots, trainer, &all).0;
        let values: Vec<Option<u32>> =
            files.iter().map(|file| value_of(file.as_ref()?).ok()).collect();
        let mut found = Vec::new();
        for layout in parse(&values) {
            // The result queue is everybody's, an index queue its worker's alone.
            let holder = |place: &usize| {
                let wanted = all.get(*place)?.inode;
                let holds =
                    |maps: &&(Pid, Vec<Mapped>)| maps.1.iter().any(|one| one.inode == wanted);
                let pid = maps.iter().find(holds)?.0;
                let stat = proc::stat(&proc::folder(&roots.proc, pid)).ok()?;
                Some((pid, stat.start_ticks))
            };
            let list: Vec<(Pid, u64)> = layout.index.iter().map_while(holder).collect();
            let queues = std::iter::once(layout.result).chain(layout.index);
            let places = queues.take(1 + list.len()).flat_map(|lock| [lock, lock + 2]);
            let cells: Vec<File> =
                places.filter_map(|place| files.get_mut(place)?.take()).collect();
            let values = vec![0; 2 + 2 * list.len()];
            let mut new = Self { cells: Cells::Files(cells), values, look: Look::default() };
            if !list.is_empty() && new.count() == new.values.len() && new.read().is_ok() {
                found.push((list, new));
            }
        }
        found
    }

    fn count(&self) -> usize {
        match &self.cells {
            Cells::Files(files) => files.len(),
            Cells::Memory(addresses, _) => addresses.len(),
        }
    }

    /// The values now. They are read one after the other, so a batch on its way may be missed, or be
    /// seen twice.
    pub fn read(&mut self) -> io::Result<&Look> {
        match &mut self.cells {
            Cells::Files(files) => {
                for (file, value) in files.iter().zip(&mut self.values) {
                    *value = value_of(file)?;
                }
            }
            Cells::Memory(addresses, read) => read(addresses, &mut self.values)?,
        }
        let (queues, rest) = self.values.as_chunks::<2>();
        debug_assert!(rest.is_empty());
        let Some((&[reader, room], index)) = queues.split_first() else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        self.look.result = messages(room)?;
        self.look.reader_waits = reader == 0;
        self.look.queued.clear();
        self.look.idle.clear();
        for &[reader, room] in index {
            self.look.queued.push(messages(room)?);
            self.look.idle.push(reader == 0);
        }
        Ok(&self.look)
    }
}

fn messages(room: u32) -> io::Result<u64> {
    let count = MOST.checked_sub(room).filter(|&count| count <= FULL);
    count.map(u64::from).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The places of the readers' locks and rooms of the youngest loader that the first worker maps: it
/// was started when the queues of the others were not yet made, and those of loaders before were.
fn choose(
    values: &[Option<u32>],
    all: &[Mapped],
    first: &[Mapped],
    workers: usize,
) -> Option<Vec<usize>> {
    let held = |place: usize| {
        let mapped = all.get(place)?;
        first.iter().find(|other| (other.inode, other.device) == (mapped.inode, mapped.device))
    };
    let layouts = parse(values).into_iter().rev();
    let layout = layouts.into_iter().find(|layout| {
        let zero = layout.index.first().and_then(|&index| held(index));
        layout.index.len() >= workers && held(layout.result).is_some() && zero.is_some()
    })?;
    let queues = std::iter::once(layout.result).chain(layout.index.into_iter().take(workers));
    Some(queues.flat_map(|lock| [lock, lock + 2]).collect())
}

/// The files of semaphores that have a name, each at the place of its mapping.
struct Named(Vec<Option<File>>);

impl Named {
    fn of(roots: &Roots, trainer: Pid, all: &[Mapped]) -> Self {
        let mut files: Vec<Option<File>> = all.iter().map(|_| None).collect();
        // The trainer may have a /dev/shm of its own; one that is sealed does not let us through.
        let inside = proc::folder(&roots.proc, trainer).join("root/dev/shm");
        let entries = fs::read_dir(&inside).or_else(|_| fs::read_dir("/dev/shm"));
        let Ok(entries) = entries else { return Self(files) };
        for entry in entries.take(1 << 16).flatten() {
            if !entry.file_name().as_encoded_bytes().starts_with(b"sem.") {
                continue;
            }
            let Ok(data) = entry.metadata() else { continue };
            let same = |mapped: &Mapped| (mapped.inode, mapped.device) == (data.ino(), data.dev());
            let Some(place) = all.iter().position(same) else { continue };
            if let (Ok(file), Some(slot)) = (open(&entry.path(), data.ino()), files.get_mut(place))
            {
                *slot = Some(file);
            }
        }
        Self(files)
    }

    fn complete(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(Option::is_some)
    }
}

/// Opens a semaphore's file, and nothing that took its name meanwhile.
fn open(path: &Path, inode: u64) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let data = file.metadata()?;
    if data.is_file() && data.ino() == inode {
        Ok(file)
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}

fn value_of(file: &File) -> io::Result<u32> {
    let mut bytes = [0; 4];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(u32::from_ne_bytes(bytes))
}

/// The semaphores that a process maps, in the order of their making.
fn mapped(roots: &Roots, pid: Pid) -> io::Result<Vec<Mapped>> {
    let maps = proc::read_capped(&proc::folder(&roots.proc, pid).join("maps"), MAPS_CAP)?;
    let lines = maps.split(|&byte| byte == b'\n').filter_map(mapping);
    Ok(merged(std::iter::once(lines.take(CAP).collect())))
}

fn merged(lists: impl Iterator<Item = Vec<Mapped>>) -> Vec<Mapped> {
    let mut all: Vec<Mapped> = lists.flatten().take(CAP).collect();
    all.sort_unstable();
    all.dedup_by_key(|mapped| (mapped.inode, mapped.device));
    all
}

/// A line of a memory map, where it is a semaphore's.
fn mapping(line: &[u8]) -> Option<Mapped> {
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split_ascii_whitespace();
    let (range, _mode, offset) = (words.next()?, words.next()?, words.next()?);
    let (device, inode, path) = (words.next()?, words.next()?, words.next()?);
    if !path.starts_with("/dev/shm/sem.") || !offset.trim_start_matches('0').is_empty() {
        return None;
    }
    let (major, minor) = device.split_once(':')?;
    let number = |text| u32::from_str_radix(text, 16).ok();
    Some(Mapped {
        inode: inode.parse().ok()?,
        device: rustix::fs::makedev(number(major)?, number(minor)?),
        address: u64::from_str_radix(range.split_once('-')?.0, 16).ok()?,
    })
}

#[cfg(test)]
#[path = "semaphores_tests.rs"]
mod tests;
