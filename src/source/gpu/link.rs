//! The life of one collector process, seen from mltop: started, listened to, started again when it
//! dies, left behind when it hangs.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use std::os::unix::process::CommandExt;

use super::GpuLook;
use super::board::Board;
use super::wire::MOST_LINE;
use crate::model::Pid;
use crate::source::grid::Grid;

/// First wait before a collector that died is started again; doubled each time.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
const BACKOFF_MOST: Duration = Duration::from_mins(1);
/// Wait before a driver that is not there, or not usable, is looked for again.
const REFUSED_FIRST: Duration = Duration::from_mins(1);
const REFUSED_MOST: Duration = Duration::from_mins(10);
/// A collector that lived this long starts with the first wait again.
const LIVED_WELL: Duration = Duration::from_mins(1);

/// How a collector is started.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    /// The program: mltop itself.
    pub(super) exe: PathBuf,
    /// The driver's word, which is the source's name as well.
    pub(super) driver: &'static str,
    /// When mltop ticks, and so the time between two rows.
    pub(super) ticks: Grid,
    /// Whether there is anything that it could collect, and the words for where there is not.
    pub(super) needed: Option<Needed>,
    /// Variables for the collector alone.
    pub(super) env: Vec<(OsString, OsString)>,
}

/// What a collector is started for.
#[derive(Clone, Debug)]
pub(super) struct Needed {
    /// Where `/sys` is.
    pub(super) sys: PathBuf,
    /// Whether it is there.
    pub(super) is: fn(&Path) -> bool,
    /// What is not there otherwise, in words.
    pub(super) absent: &'static str,
}

/// One collector.
pub(super) struct Collector {
    shared: Arc<Shared>,
    stop: Option<Sender<()>>,
}

struct Shared {
    board: Mutex<Board>,
    child: Mutex<Life>,
}

#[derive(Default)]
struct Life {
    child: Option<Child>,
    abandoned: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Collector {
    /// Starts it. Returns at once: a thread of its own does the rest.
    pub(super) fn start(recipe: Recipe) -> Self {
        let board = Board::new(recipe.driver, recipe.ticks.interval(), Instant::now());
        let shared =
            Arc::new(Shared { board: Mutex::new(board), child: Mutex::new(Life::default()) });
        let (stop, stopped) = channel();
        let keeper = Arc::clone(&shared);
        // The thread lives as long as the collector: the kernel takes the end of the thread that
        // started a process for the end of its parent.
        let started = thread::Builder::new()
            .name("gpu-collector".into())
            .spawn(move || keeper.keep(&recipe, &stopped));
        if let Err(error) = started {
            lock(&shared.board).ended(format!("no thread for the GPU collector: {error}"));
        }
        Self { shared, stop: Some(stop) }
    }

    /// What it said last.
    pub(super) fn look(&self, now: Instant) -> GpuLook {
        let mut look = lock(&self.shared.board).look(now);
        look.collector = lock(&self.shared.child).child.as_ref().map(|child| Pid(child.id()));
        look
    }
}

impl Drop for Collector {
    /// Kills the collector and waits for nothing: one that is stuck in the kernel dies when the
    /// kernel lets go of it.
    fn drop(&mut self) {
        self.stop = None;
        let mut life = lock(&self.shared.child);
        life.abandoned = true;
        if let Some(child) = &mut life.child {
            // Its number cannot have passed to another process: nobody else reaps it.
            let _ = child.kill();
        }
    }
}

impl Shared {
    fn keep(&self, recipe: &Recipe, stopped: &Receiver<()>) {
        let mut failures = 0;
        let mut refusals = 0;
        loop {
            let started = Instant::now();
            lock(&self.board).started(started);
            let needed = recipe.needed.as_ref();
            if let Some(needed) = needed.filter(|needed| !(needed.is)(&needed.sys)) {
                lock(&self.board).absent(needed.absent);
            } else if self.live(recipe, stopped) {
                return;
            }
            if started.elapsed() >= LIVED_WELL {
                (failures, refusals) = (0, 0);
            }
            let wait = if lock(&self.board).refused() {
                refusals += 1;
                doubled(REFUSED_FIRST, refusals, REFUSED_MOST)
            } else {
                failures += 1;
                doubled(BACKOFF_FIRST, failures, BACKOFF_MOST)
            };
            if !matches!(stopped.recv_timeout(wait), Err(RecvTimeoutError::Timeout)) {
                return;
            }
        }
    }

    /// One life of the process, from its start to its end. Whether nobody wants another.
    fn live(&self, recipe: &Recipe, stopped: &Receiver<()>) -> bool {
        match self.spawn(recipe) {
            Ok(Some(output)) => {
                self.listen(output);
                let end = self.reap(stopped);
                lock(&self.board)
                    .ended(format!("the GPU collector ended ({end}) and is started again"));
            }
            Ok(None) => return true,
            Err(error) => {
                lock(&self.board).ended(format!("the GPU collector cannot be started: {error}"));
            }
        }
        false
    }

    /// Starts the process, unless nobody wants it any more.
    fn spawn(&self, recipe: &Recipe) -> io::Result<Option<ChildStdout>> {
        let mut life = lock(&self.child);
        if life.abandoned {
            return Ok(None);
        }
        let mut child = Command::new(&recipe.exe)
            .arg("__collect")
            .arg(recipe.driver)
            .arg(recipe.ticks.interval().as_millis().to_string())
            .arg(recipe.ticks.word())
            .envs(recipe.env.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C in a shell goes to the whole group: the collector is ours to end.
            .process_group(0)
            .spawn()?;
        let output = child.stdout.take();
        life.child = Some(child);
        Ok(output)
    }

    /// Takes lines until the process closes its end.
    fn listen(&self, output: ChildStdout) {
        let mut reader = BufReader::with_capacity(16 * 1024, output);
        let mut line = Vec::new();
        loop {
            line.clear();
            // A line without an end must not fill the memory.
            match (&mut reader).take(MOST_LINE as u64 + 1).read_until(b'\n', &mut line) {
                Ok(0) => return,
                Ok(_) => lock(&self.board).take(&line, Instant::now()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    /// Waits for the end of a process that closed its end, without a wait that cannot be left.
    fn reap(&self, stopped: &Receiver<()>) -> String {
        loop {
            {
                let mut life = lock(&self.child);
                let Some(child) = &mut life.child else { return "unknown".to_owned() };
                match child.try_wait() {
                    Ok(Some(status)) => {
                        life.child = None;
                        return status.to_string();
                    }
                    Ok(None) => {
                        let _ = child.kill();
                    }
                    Err(error) => {
                        life.child = None;
                        return error.to_string();
                    }
                }
            }
            let wait = Duration::from_millis(50);
            if !matches!(stopped.recv_timeout(wait), Err(RecvTimeoutError::Timeout)) {
                // Killed already. Once more, so that no zombie stays where it did die.
                thread::sleep(wait);
                if let Some(child) = &mut lock(&self.child).child {
                    let _ = child.try_wait();
                }
                return "abandoned".to_owned();
            }
        }
    }
}

/// The wait after the `times`-th failure in a row.
fn doubled(first: Duration, times: u32, most: Duration) -> Duration {
    first.saturating_mul(1 << times.saturating_sub(1).min(16)).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound() {
        let waits: Vec<u64> =
            (1..9).map(|times| doubled(BACKOFF_FIRST, times, BACKOFF_MOST).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    }
}
