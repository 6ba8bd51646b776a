//! All processes of the box, read as seldom as possible.
//!
//! `/proc` is listed when a process or thread was started since the last scan, and else every four
//! seconds: what ends is noticed when it is read. A process is read when it is new, when it is watched, when it
//! used the CPU lately, and else every four seconds, not all at the same scan. So a pid that the
//! kernel gave away again within four seconds is noticed that late, unless it is watched.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::file::{Slurp, decimal};
use super::kept::{Kept, Part};
use super::proc_stat::{self, ProcStat};
use super::run_delay::RunDelays;
use crate::model::id::Pid;
use crate::model::reading::{Gap, Reading};
use crate::source::Roots;

/// How long a quiet process is left alone, in milliseconds.
const QUIET_MS: u64 = 4_000;
/// How long a process counts as busy after it used the CPU.
const BUSY_MS: u64 = 5_000;

/// What the last scan found.
#[derive(Clone, Debug, Default)]
pub struct ProcTable {
    rows: BTreeMap<Pid, ProcStat>,
    unreadable: usize,
}

impl ProcTable {
    /// A table of these rows.
    pub fn of(rows: impl IntoIterator<Item = ProcStat>) -> Self {
        Self { rows: rows.into_iter().map(|row| (row.pid, row)).collect(), unreadable: 0 }
    }

    /// The process with this id, where it could be read.
    pub fn get(&self, pid: Pid) -> Option<&ProcStat> {
        self.rows.get(&pid)
    }

    /// Every process that could be read, by pid.
    pub fn iter(&self) -> impl Iterator<Item = &ProcStat> {
        self.rows.values()
    }

    /// The processes that this one started and that still run under it.
    pub fn children(&self, pid: Pid) -> impl Iterator<Item = &ProcStat> {
        self.rows.values().filter(move |row| row.parent == pid && row.pid != pid)
    }

    /// Processes that are listed, readable or not.
    pub fn len(&self) -> usize {
        self.rows.len() + self.unreadable
    }

    /// Whether none is listed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Processes that are listed and cannot be read.
    pub const fn unreadable(&self) -> usize {
        self.unreadable
    }
}

/// When a process is read again, and how busy it was.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    due_ms: u64,
    busy_until_ms: u64,
    ticks_per_second: f64,
    scan: u64,
    readable: bool,
}

/// The reader of processes.
#[derive(Debug)]
pub struct Procs {
    pub(super) roots: Roots,
    pub(super) slurp: Slurp,
    pub(super) kept: Kept,
    pub(super) table: ProcTable,
    pub(super) now_ms: u64,
    pub(super) delays: RunDelays,
    pub(super) own: super::own::OwnMemory,
    pub(super) thread_names: super::own_rows::ThreadNames,
    watched: BTreeSet<Pid>,
    pace: BTreeMap<Pid, Pace>,
    scan: u64,
    list: Vec<Pid>,
    list_due_ms: u64,
    started: Option<u64>,
    path: PathBuf,
}

impl Procs {
    /// A reader that has read nothing yet.
    pub fn new(roots: Roots) -> Self {
        Self {
            roots,
            slurp: Slurp::default(),
            kept: Kept::default(),
            table: ProcTable::default(),
            now_ms: 0,
            delays: RunDelays::default(),
            own: super::own::OwnMemory::default(),
            thread_names: super::own_rows::ThreadNames::new(),
            watched: BTreeSet::new(),
            pace: BTreeMap::new(),
            scan: 0,
            list: Vec::new(),
            list_due_ms: 0,
            started: None,
            path: PathBuf::new(),
        }
    }

    /// The processes to read at every scan from now on.
    pub fn watch(&mut self, pids: &BTreeSet<Pid>) {
        self.watched.clone_from(pids);
        self.kept.keep(pids);
    }

    /// Lists the processes and reads those that are due. `mono_ms` must not run backwards.
    pub fn scan(&mut self, mono_ms: u64) -> &ProcTable {
        self.scan_after(None, mono_ms)
    }

    /// The same; `started` is how many processes and threads the box had started since boot just before.
    /// While that stands nobody came, and the list of before will do.
    pub fn scan_after(&mut self, started: Option<u64>, mono_ms: u64) -> &ProcTable {
        self.now_ms = mono_ms;
        self.scan += 1;
        let mut list = std::mem::take(&mut self.list);
        let nobody_came = started.is_some() && started == self.started;
        self.started = started;
        if !nobody_came || mono_ms >= self.list_due_ms {
            list_pids(&self.roots.proc, &mut list);
            self.list_due_ms = mono_ms + QUIET_MS;
        }
        for pid in &list {
            let pace = self.pace.get(pid).copied();
            let due = pace.is_none_or(|pace| {
                pace.due_ms <= mono_ms || pace.busy_until_ms > mono_ms || self.watched.contains(pid)
            });
            if due {
                self.read(*pid, pace);
            } else if let Some(pace) = self.pace.get_mut(pid) {
                pace.scan = self.scan;
            }
        }
        self.list = list;
        let scan = self.scan;
        let rows = &mut self.table.rows;
        self.pace.retain(|pid, pace| {
            let stays = pace.scan == scan;
            if !stays {
                rows.remove(pid);
            }
            stays
        });
        self.table.unreadable = self.pace.values().filter(|pace| !pace.readable).count();
        &self.table
    }

    /// What the last scan found.
    pub const fn table(&self) -> &ProcTable {
        &self.table
    }

    /// The pids that used most CPU between the last two times that they were read, the busiest
    /// first; none that used none.
    pub fn busiest(&self, n: usize) -> Vec<Pid> {
        let mut busy: Vec<(f64, Pid)> = self
            .pace
            .iter()
            .filter(|(_, pace)| pace.ticks_per_second > 0.0)
            .map(|(pid, pace)| (pace.ticks_per_second, *pid))
            .collect();
        busy.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        busy.truncate(n);
        busy.into_iter().map(|(_, pid)| pid).collect()
    }

    /// Reads one process now, and decides when it is read again.
    fn read(&mut self, pid: Pid, pace: Option<Pace>) {
        let known = pace.is_some();
        let mut pace = pace.unwrap_or_default();
        pace.scan = self.scan;
        match self.read_stat(pid) {
            Ok(stat) => {
                let before = self.table.rows.get(&pid);
                let same = before.filter(|before| before.start_ticks == stat.start_ticks);
                pace.ticks_per_second = same.map_or(0.0, |before| ticks_per_second(before, &stat));
                // A process in the moment of its start is busy; one that was there before us is not.
                let used = pace.ticks_per_second > 0.0 || (known && same.is_none());
                if used {
                    pace.busy_until_ms = self.now_ms + BUSY_MS;
                }
                pace.readable = true;
                self.table.rows.insert(pid, stat);
            }
            // It ended since the listing: the row goes with the next one.
            Err(Gap::Lost) => {
                self.table.rows.remove(&pid);
                self.pace.remove(&pid);
                return;
            }
            Err(_) => {
                self.table.rows.remove(&pid);
                pace = Pace { scan: self.scan, ..Pace::default() };
            }
        }
        let stagger = if known { 0 } else { u64::from(pid.0 % 4) * 1_000 };
        pace.due_ms = self.now_ms + QUIET_MS - stagger.min(QUIET_MS);
        self.pace.insert(pid, pace);
    }

    pub(super) fn read_stat(&mut self, pid: Pid) -> Result<ProcStat, Gap> {
        let mut path = std::mem::take(&mut self.path);
        stat_path(&self.roots.proc, pid, &mut path);
        let before = self.table.rows.get(&pid);
        let now_ms = self.now_ms;
        let stat = self
            .kept
            .read(&mut self.slurp, (pid, Part::Stat), &path)
            .and_then(|bytes| proc_stat::parse(bytes, before, now_ms).ok_or(Gap::Failed));
        self.path = path;
        stat.and_then(|stat| if stat.pid == pid { Ok(stat) } else { Err(Gap::Failed) })
    }
}

/// `PROC/pid/stat` in a path that is kept.
fn stat_path(proc: &Path, pid: Pid, path: &mut PathBuf) {
    let mut text = std::mem::take(path).into_os_string();
    text.clear();
    text.push(proc);
    // Writing to memory does not fail.
    let _ = write!(text, "/{pid}/stat");
    *path = text.into();
}

/// Clock ticks of CPU a second between two reads of one process.
fn ticks_per_second(before: &ProcStat, now: &ProcStat) -> f64 {
    let span_ms = now.read_ms.saturating_sub(before.read_ms);
    if span_ms == 0 {
        return 0.0;
    }
    now.cpu_ticks.saturating_sub(before.cpu_ticks) as f64 * 1e3 / span_ms as f64
}

/// The number of processes that are listed.
pub(super) fn count(proc: &Path) -> Reading<u64> {
    let mut list = Vec::new();
    list_pids(proc, &mut list);
    // mltop itself is a process: an empty list is one that cannot be read.
    if list.is_empty() { Reading::Not(Gap::Failed) } else { Reading::Is(list.len() as u64) }
}

/// The pids in `/proc`, ascending. Where it cannot be listed there are none.
fn list_pids(proc: &Path, list: &mut Vec<Pid>) {
    use rustix::fs::{CWD, Mode, OFlags, RawDir, openat};

    list.clear();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(folder) = openat(CWD, proc, flags, Mode::empty()) else { return };
    let mut buffer = [std::mem::MaybeUninit::uninit(); 16 * 1024];
    let mut entries = RawDir::new(folder, &mut buffer);
    while let Some(Ok(entry)) = entries.next() {
        let pid = decimal(entry.file_name().to_bytes()).and_then(|pid| u32::try_from(pid).ok());
        list.extend(pid.map(Pid));
    }
    list.sort_unstable();
    list.dedup();
}
