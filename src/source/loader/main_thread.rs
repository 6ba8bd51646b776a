//! The trainer's main thread, as the kernel sees it.

use std::io;
use std::path::PathBuf;

use crate::model::sample::ProcState;
use crate::model::{Gap, Pid, Reading};
use crate::source::root::Roots;

use super::place::{MainAt, WorkerAt, main_at, worker_at};
use super::places::{Places, Wchan};
use super::proc;

/// Where it is at one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// In the kernel; `None` where that is not told.
    pub(super) at: Option<MainAt>,
    /// What it would be doing there if it loaded its data itself.
    pub(super) loads: Option<WorkerAt>,
    /// A signal or a debugger stopped it.
    pub(super) stopped: bool,
}

/// The main thread over time.
#[derive(Debug)]
pub(super) struct MainThread {
    pid: u32,
    start_ticks: u64,
    folder: PathBuf,
    /// Where it is, in a word.
    pub(super) word: Reading<Box<str>>,
}

impl MainThread {
    pub(super) fn new(roots: &Roots, pid: Pid, start_ticks: u64) -> Self {
        let folder = proc::folder(&roots.proc, pid);
        Self { pid: pid.0, start_ticks, folder, word: Reading::default() }
    }

    /// A look. An error where the process ended, or its number is another's by now.
    pub(super) fn look(&mut self, places: &mut Places) -> io::Result<Seen> {
        let mut name = places.wchan(self.pid, &self.folder).unwrap_or(Wchan::NONE);
        if name.fresh || name.as_str().is_empty() {
            let stat = places.stat(self.pid, &self.folder)?;
            let dead = matches!(stat.state, ProcState::Zombie | ProcState::Dead);
            if dead || stat.start_ticks != self.start_ticks {
                return Err(io::ErrorKind::NotFound.into());
            }
            if matches!(stat.state, ProcState::Stopped | ProcState::Traced) {
                self.say("stopped");
                return Ok(Seen { at: Some(MainAt::Other), loads: None, stopped: true });
            }
            if stat.state != ProcState::Running && name.as_str().is_empty() {
                // It may have gone to sleep between the two reads.
                name = places.wchan(self.pid, &self.folder).unwrap_or(Wchan::NONE);
                if name.as_str().is_empty() {
                    self.word = Reading::Not(Gap::Unsupported);
                    return Ok(Seen { at: None, loads: None, stopped: false });
                }
            }
        }
        let at = main_at(name.as_str());
        let stopped =
            ["signal_stop", "ptrace_stop"].iter().any(|part| name.as_str().contains(part));
        self.say(match at {
            MainAt::Running => "running",
            _ if stopped => "stopped",
            _ => name.as_str(),
        });
        let state = if at == MainAt::Running { ProcState::Running } else { ProcState::Sleeping };
        let loads = Some(worker_at(state, name.as_str(), true, false)).filter(|_| !stopped);
        Ok(Seen { at: Some(at), loads, stopped })
    }

    fn say(&mut self, word: &str) {
        if self.word.as_ref().ok().is_none_or(|old| &**old != word) {
            self.word = Reading::Is(word.into());
        }
    }
}
