//! Which pipes are a loader's queues, found from who holds which end.
//!
//! A `multiprocessing.Queue` is one pipe whose both ends the trainer keeps. A loader makes its
//! result queue first, then for each worker an index queue, and starts that worker: so each pipe is
//! *owned* by the earliest worker that holds it, and a worker that owns two begins a loader.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::Pid;

use super::proc;
use super::tap::pipe_inode;

/// Descriptors read of one process.
const FD_CAP: usize = 16_384;
/// Descendants looked at.
const DESCENDANT_CAP: usize = 2048;

/// One pipe, as the trainer holds its reading end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipe {
    /// The reading end: `/proc/TRAINER/fd/N`.
    pub link: PathBuf,
    /// Its inode.
    pub inode: u64,
}

/// A worker and the pipe by which it gets its tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    /// Process id.
    pub pid: Pid,
    /// Start in clock ticks since boot.
    pub start_ticks: u64,
    /// Its tasks.
    pub index: Pipe,
    /// Whether it is called `pt_data_worker` (torch 2.5 and later).
    pub named: bool,
}

/// Processes and pipes that look like one loader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Whose loader it is.
    pub trainer: Pid,
    /// Finished batches come here.
    pub result: Pipe,
    /// The workers, in the order in which they started.
    pub workers: Vec<Worker>,
}

/// One process's ends of a pipe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ends {
    read_fd: Option<u32>,
    write: bool,
}

/// The groups of a trainer among its descendants. An error only where the trainer's own
/// descriptors cannot be read.
pub fn discover(proc: &Path, trainer: Pid, descendants: &[Pid]) -> io::Result<Vec<Group>> {
    let folder = proc::folder(proc, trainer);
    let main: BTreeMap<u64, u32> = pipes(&folder)?
        .into_iter()
        .filter(|(_, ends)| ends.write)
        .filter_map(|(inode, ends)| Some((inode, ends.read_fd?)))
        .collect();
    let mut holders = Vec::new();
    for &pid in descendants.iter().take(DESCENDANT_CAP) {
        let folder = proc::folder(proc, pid);
        let Ok(stat) = proc::stat(&folder) else { continue };
        let held = pipes(&folder).unwrap_or_default();
        let both = held.into_iter().filter(|(_, ends)| ends.write && ends.read_fd.is_some());
        let named =
            proc::read_word(&folder.join("comm")).is_ok_and(|name| name == "pt_data_worker");
        holders.push(Holder {
            pid,
            start_ticks: stat.start_ticks,
            named,
            inodes: both.map(|(inode, _)| inode).filter(|inode| main.contains_key(inode)).collect(),
        });
    }
    let pipe = |inode| {
        let fd = main.get(&inode).copied().unwrap_or_default();
        Pipe { link: folder.join("fd").join(fd.to_string()), inode }
    };
    Ok(group(trainer, holders, &main, pipe))
}

/// A descendant and the trainer's pipes that it holds both ends of.
#[derive(Clone, Debug)]
struct Holder {
    pid: Pid,
    start_ticks: u64,
    named: bool,
    inodes: Vec<u64>,
}

fn group(
    trainer: Pid,
    mut holders: Vec<Holder>,
    main: &BTreeMap<u64, u32>,
    pipe: impl Fn(u64) -> Pipe,
) -> Vec<Group> {
    holders.sort_by_key(|holder| (holder.start_ticks, holder.pid));
    let mut owned = std::collections::BTreeSet::new();
    let mut groups: Vec<Group> = Vec::new();
    for holder in holders {
        let mut new: Vec<u64> =
            holder.inodes.iter().copied().filter(|&inode| owned.insert(inode)).collect();
        new.sort_by_key(|inode| main.get(inode));
        let worker = |inode| Worker {
            pid: holder.pid,
            start_ticks: holder.start_ticks,
            index: pipe(inode),
            named: holder.named,
        };
        match (new.as_slice(), groups.last_mut()) {
            (&[.., result, index], _) => {
                let workers = vec![worker(index)];
                groups.push(Group { trainer, result: pipe(result), workers });
            }
            // Every worker writes its batches into the result queue: who does not hold it is not one.
            (&[index], Some(group)) if holder.inodes.contains(&group.result.inode) => {
                group.workers.push(worker(index));
            }
            _ => {}
        }
    }
    groups
}

fn pipes(folder: &Path) -> io::Result<BTreeMap<u64, Ends>> {
    let mut found: BTreeMap<u64, Ends> = BTreeMap::new();
    for entry in fs::read_dir(folder.join("fd"))?.take(FD_CAP).flatten() {
        let name = entry.file_name();
        let Some(fd) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(Some(inode)) = pipe_inode(&entry.path()) else { continue };
        let Ok(info) = proc::read_capped(&folder.join("fdinfo").join(&name), 4096) else {
            continue;
        };
        let ends = found.entry(inode).or_default();
        match access_mode(&info) {
            Some(0) => ends.read_fd = Some(ends.read_fd.map_or(fd, |other| other.min(fd))),
            Some(1) => ends.write = true,
            _ => {}
        }
    }
    Ok(found)
}

/// The access mode out of a `fdinfo` file: 0 reading, 1 writing, 2 both.
pub(crate) fn access_mode(info: &[u8]) -> Option<u32> {
    let flags = field(info, "flags:")?;
    Some(u32::from_str_radix(flags, 8).ok()? & 3)
}

/// The word after a key of a file of `key: value` lines.
pub(crate) fn field<'a>(info: &'a [u8], key: &str) -> Option<&'a str> {
    std::str::from_utf8(info).ok()?.lines().find_map(|line| line.strip_prefix(key)).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pipes are numbered by the trainer's descriptor, here the same as their inode.
    fn groups(holders: &[(u32, u64, &[u64])]) -> Vec<(u64, Vec<(u32, u64)>)> {
        let main = (1..100).map(|fd| (fd, fd as u32)).collect();
        let holders = holders
            .iter()
            .map(|&(pid, start_ticks, inodes)| Holder {
                pid: Pid(pid),
                start_ticks,
                named: false,
                inodes: inodes.to_vec(),
            })
            .collect();
        let pipe = |inode| Pipe { link: PathBuf::new(), inode };
        group(Pid(1), holders, &main, pipe)
            .into_iter()
            .map(|group| {
                let workers = group.workers.iter().map(|w| (w.pid.0, w.index.inode)).collect();
                (group.result.inode, workers)
            })
            .collect()
    }

    #[test]
    fn forked_workers_inherit_the_pipes_of_those_before_them() {
        let found = groups(&[(11, 1, &[5, 6]), (12, 1, &[5, 6, 7]), (13, 2, &[5, 6, 7, 8])]);
        assert_eq!(found, [(5, vec![(11, 6), (12, 7), (13, 8)])]);
    }

    #[test]
    fn spawned_workers_share_only_the_result_queue() {
        let found = groups(&[(12, 2, &[5, 7]), (11, 1, &[5, 6])]);
        assert_eq!(found, [(5, vec![(11, 6), (12, 7)])]);
    }

    #[test]
    fn a_second_loader_begins_where_a_worker_owns_two_pipes() {
        let found = groups(&[
            (11, 1, &[5, 6]),
            (12, 2, &[5, 6, 7]),
            (21, 3, &[5, 6, 7, 8, 9]),
            (22, 4, &[5, 6, 7, 8, 9, 10]),
        ]);
        assert_eq!(found, [(5, vec![(11, 6), (12, 7)]), (8, vec![(21, 9), (22, 10)])]);
    }

    #[test]
    fn pipes_that_the_trainer_had_before_stand_below_the_loaders_own() {
        let found = groups(&[(11, 1, &[2, 3, 5, 6]), (12, 2, &[2, 3, 5, 6, 7])]);
        assert_eq!(found, [(5, vec![(11, 6), (12, 7)])]);
    }

    #[test]
    fn a_pool_is_no_loader_of_many_workers() {
        let found = groups(&[(11, 1, &[5, 6]), (12, 1, &[5, 6]), (13, 1, &[5, 6])]);
        assert_eq!(found, [(5, vec![(11, 6)])]);
    }

    #[test]
    fn the_access_mode_is_octal() {
        assert_eq!(access_mode(b"pos:\t0\nflags:\t0104001\nmnt_id:\t9\n"), Some(1));
        assert_eq!(access_mode(b"flags:\tzz\n"), None);
    }
}
