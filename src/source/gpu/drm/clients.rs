//! Who has a card open: the clients of all processes that may be looked at.
//!
//! Looking through the open files of every process each second would cost more than the rest of mltop.
//! So a process is looked through soon after it is first seen and then ever more seldom, and only
//! those that have a card open are read each time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::fdinfo::{Client, parse};
use crate::model::Pid;
use crate::source::loader::proc::{folder, read_capped, stat};

/// Wait before a process that was just seen is looked through again; doubled each time.
const SOON: Duration = Duration::from_secs(1);
const SELDOM: Duration = Duration::from_secs(16);
/// The same for a process that has a card open: it may open another one, and may have thousands of files.
const AGAIN: Duration = Duration::from_secs(5);
/// Processes that are looked at.
const MOST_PROCESSES: usize = 1 << 16;
/// Open files of one process that are looked through.
const MOST_FILES: usize = 8192;
/// Openings of cards by one process, and clients in all, that are read.
const MOST_OPEN: usize = 64;
const MOST_CLIENTS: usize = 1024;
/// Bytes of one fdinfo file that are read. No driver writes a tenth of it.
const MOST_TEXT: usize = 16 << 10;
/// Longest name of a device file.
const MOST_NAME: usize = 32;
/// The pid namespace that holds all processes of the machine, by its inode (`PROC_PID_INIT_INO`).
const WHOLE: &str = "pid:[4026531836]";

/// All clients at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Clients {
    /// Each once, with the process that opened it, by pid.
    pub(super) all: Vec<Client>,
    /// Processes of others, whose open files may not be looked through.
    pub(super) hidden: usize,
    /// Whether there may be processes that are not even listed: in a container, or where `/proc` is
    /// mounted to show one's own only.
    pub(super) apart: bool,
    /// Whether there are more than are looked for or read.
    pub(super) cut: bool,
}

impl Clients {
    /// Whether there may be clients that are not among these.
    pub(super) const fn partial(&self) -> bool {
        self.denied() || self.cut
    }

    /// The same, as they may not be looked at.
    pub(super) const fn denied(&self) -> bool {
        self.hidden > 0 || self.apart
    }
}

/// Finds them, look by look.
pub(super) struct Search {
    proc: PathBuf,
    known: BTreeMap<Pid, Known>,
}

/// What is known of one process.
struct Known {
    wait: Duration,
    due: Instant,
    hidden: bool,
    /// When it started, where it has a card open.
    start_ticks: u64,
    /// Whether it has more files open than are looked through, or more openings than are kept.
    cut: bool,
    /// Its openings of cards: number of the file, and name of the device file.
    open: Vec<(u32, String)>,
}

impl Search {
    /// Looks for processes below `proc`.
    pub(super) fn new(proc: &Path) -> Self {
        Self { proc: proc.to_owned(), known: BTreeMap::new() }
    }

    /// The clients now. Only those of the device files that `wanted` names (`renderD128`, `card0`) are
    /// read: to read the others could wake a card that sleeps.
    pub(super) fn look(&mut self, now: Instant, wanted: &BTreeSet<String>) -> Clients {
        let begun = Instant::now();
        let pids = self.listed();
        self.known.retain(|pid, _| pids.contains(pid));
        for pid in &pids {
            self.look_through(*pid, now);
        }
        let mut found = BTreeMap::new();
        let mut cut = pids.len() >= MOST_PROCESSES;
        for (&pid, known) in &mut self.known {
            cut |= known.cut;
            if !known.open.is_empty() {
                cut |= !read(&self.proc, (pid, begun), known, wanted, &mut found);
            }
        }
        let mut all: Vec<Client> = found.into_values().map(|(_, client)| client).collect();
        all.sort_by(|a, b| (a.pid, &a.pdev, a.id).cmp(&(b.pid, &b.pdev, b.id)));
        let hidden = self.known.values().filter(|known| known.hidden).count();
        Clients { all, hidden, apart: self.apart(&pids), cut }
    }

    fn listed(&self) -> BTreeSet<Pid> {
        let Ok(entries) = fs::read_dir(&self.proc) else { return BTreeSet::new() };
        let names = entries.flatten().map(|entry| entry.file_name());
        let pids = names.filter_map(|name| name.to_str()?.parse().ok().map(Pid));
        pids.take(MOST_PROCESSES).collect()
    }

    /// Looks through the open files of a process, where it is due.
    fn look_through(&mut self, pid: Pid, now: Instant) {
        let known = self.known.entry(pid).or_insert_with(|| Known {
            wait: SOON / 2,
            due: now,
            hidden: false,
            cut: false,
            start_ticks: 0,
            open: Vec::new(),
        });
        if now < known.due {
            return;
        }
        let folder = folder(&self.proc, pid);
        match open(&folder) {
            Ok((open, cut)) => (known.open, known.cut, known.hidden) = (open, cut, false),
            // One that ended is no longer listed the next time.
            Err(error) => {
                known.open.clear();
                known.cut = false;
                known.hidden = error.kind() == io::ErrorKind::PermissionDenied;
            }
        }
        if known.open.is_empty() {
            known.wait = (known.wait * 2).min(SELDOM);
        } else {
            known.start_ticks = stat(&folder).map_or(u64::MAX, |stat| stat.start_ticks);
            known.wait = AGAIN;
        }
        known.due = now + known.wait;
    }

    fn apart(&self, pids: &BTreeSet<Pid>) -> bool {
        let namespace = fs::read_link(self.proc.join("self/ns/pid"));
        let whole = namespace.is_ok_and(|link| link.as_os_str() == WHOLE);
        !whole || !pids.contains(&Pid(1))
    }
}

/// A client by its card and number, with the start of the process that it is counted to.
type Found = BTreeMap<(String, u64), (u64, Client)>;

/// Reads the clients of one process, and says whether there was room for all. One that a parent shares
/// with its children is the parent's: the one of them that started first.
fn read(
    proc: &Path,
    (pid, begun): (Pid, Instant),
    known: &mut Known,
    wanted: &BTreeSet<String>,
    found: &mut Found,
) -> bool {
    let infos = folder(proc, pid).join("fdinfo");
    for (number, device) in &known.open {
        if !wanted.contains(device) {
            continue;
        }
        if found.len() >= MOST_CLIENTS {
            return false;
        }
        let Ok(text) = read_capped(&infos.join(number.to_string()), MOST_TEXT) else {
            // Closed since, or the process ended.
            known.due = known.due.checked_sub(known.wait).unwrap_or(known.due);
            continue;
        };
        let after = begun.elapsed();
        let Some(client) = parse(pid, &String::from_utf8_lossy(&text)) else { continue };
        let client = Client { after, ..client };
        let key = (client.pdev.clone(), client.id);
        let first = found.get(&key).is_none_or(|(start, _)| known.start_ticks < *start);
        if first {
            found.insert(key, (known.start_ticks, client));
        }
    }
    true
}

/// The openings of cards by a process, and whether there may be more. One that has none among so many
/// files has none.
fn open(folder: &Path) -> io::Result<(Vec<(u32, String)>, bool)> {
    let (mut open, mut files) = (Vec::new(), 0);
    for entry in fs::read_dir(folder.join("fd"))?.take(MOST_FILES) {
        let entry = entry?;
        files += 1;
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        if let Some(device) = target.to_str().and_then(device) {
            open.push((number, device.to_owned()));
        }
        if open.len() == MOST_OPEN {
            break;
        }
    }
    let cut = open.len() == MOST_OPEN || files == MOST_FILES && !open.is_empty();
    Ok((open, cut))
}

/// The name of a graphics card's device file.
fn device(target: &str) -> Option<&str> {
    let name = target.strip_prefix("/dev/dri/")?;
    let number = name.strip_prefix("renderD").or_else(|| name.strip_prefix("card"))?;
    let fits = !number.is_empty() && name.len() <= MOST_NAME;
    (fits && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(name)
}

#[cfg(test)]
#[path = "clients_tests.rs"]
mod tests;
