//! A recording in a thread of its own: whoever hands it ticks never waits for the disk.

pub(super) mod core;
pub(super) mod disk;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::model::{Event, Frame};

use self::core::Core;
use self::disk::OpenFile;
use super::head::SessionInfo;

/// Ticks that may wait for a slow disk; later ones leave a hole, which is told as a gap.
const WAITING: usize = 8;
/// How often a thread without ticks looks whether there is something to do.
const IDLE: Duration = Duration::from_millis(250);
/// A disk that hangs must not keep the shell from its prompt.
const PATIENCE: Duration = Duration::from_secs(3);
/// Why a recording fails whose thread is there no more.
const GONE: &str = "its thread failed; the file holds what was written before";

/// When what was written is brought to the medium. What was written survives the end of the program
/// in any case; this is about the end of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// When the system likes.
    Never,
    /// Each second.
    #[default]
    Second,
    /// After each tick.
    Tick,
}

/// How to record.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// When to sync.
    pub sync: Sync,
    /// End before the file is larger than this, in bytes.
    pub max_bytes: Option<u64>,
    /// Pause while less than this is free, in bytes; `None` for the smaller of 1 GiB and 5 %.
    pub min_free: Option<u64>,
    /// Time between two tries while nothing can be written.
    pub retry: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { sync: Sync::Second, max_bytes: None, min_free: None, retry: Duration::from_secs(10) }
    }
}

/// How a recording fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes in the file.
    pub bytes: u64,
    /// Ticks in the file.
    pub ticks: u64,
    /// Ticks that could not be written in time.
    pub lost: u64,
    /// Why nothing is written now; `None` while it is.
    pub paused: Option<String>,
    /// What went wrong beside it, last; what is recorded is whole all the same.
    pub trouble: Option<String>,
    /// The size asked for is reached.
    pub full: bool,
    /// Why it ended before it was asked to; `None` while it has not.
    pub failed: Option<String>,
}

/// What keeps ticks: one file, or a ring of them.
pub(crate) trait Keep: Send {
    /// Takes a tick with the events that it raised. An error ends the recording.
    fn tick(&mut self, frame: Arc<Frame>, events: Vec<Event>, now: Instant) -> io::Result<()>;
    /// Takes an event between two ticks.
    fn event(&mut self, event: Event, now: Instant) -> io::Result<()>;
    /// Does what is due without a tick.
    fn idle(&mut self, now: Instant) -> io::Result<()>;
    /// Ends it well.
    fn end(&mut self, t_ms: i64, reason: &str) -> io::Result<()>;
    /// How it fares.
    fn progress(&self) -> Progress;
}

enum Job {
    Tick(Arc<Frame>, Vec<Event>),
    Event(Event),
    End(i64, String),
}

/// A recording. Dropped without [`Writer::end`] it is cut off, as by a kill.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    jobs: SyncSender<Job>,
    done: Receiver<io::Result<()>>,
    progress: Arc<Mutex<Progress>>,
    missed: u64,
    /// Its thread is there no more.
    gone: bool,
}

impl Writer {
    /// Makes the file and starts the thread. There must be nothing of that name.
    pub fn start(path: &Path, info: SessionInfo, options: Options) -> io::Result<Self> {
        let to = path.to_owned();
        Self::of(path, move || Core::new(OpenFile::create(&to, options.min_free)?, info, options))
    }

    /// Starts the thread of a recording, which `make`s what keeps it: even that a disk may not answer.
    pub(crate) fn of<K: Keep + 'static>(
        path: &Path,
        make: impl FnOnce() -> io::Result<K> + Send + 'static,
    ) -> io::Result<Self> {
        let (jobs, todo) = sync_channel(WAITING);
        let (answer, done) = sync_channel(1);
        let (begun, ready) = sync_channel(1);
        let progress = Arc::new(Mutex::new(Progress::default()));
        let seen = Arc::clone(&progress);
        thread::Builder::new().name("recorder".into()).spawn(move || {
            // Where nobody listens any more, the program ends or has given up on the disk.
            match make() {
                Err(error) => drop(begun.send(Err(error))),
                Ok(keep) => {
                    if begun.send(Ok(())).is_ok() {
                        let _ = answer.send(work(keep, &todo, &seen));
                    }
                }
            }
        })?;
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the disk does not answer");
        ready.recv_timeout(PATIENCE).map_err(late)??;
        Ok(Self { path: path.to_owned(), jobs, done, progress, missed: 0, gone: false })
    }

    /// Where it is recorded to.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Hands over a tick with the events that it raised; never waits. Ticks that find the queue full
    /// are lost and counted.
    pub fn tick(&mut self, frame: Arc<Frame>, events: Vec<Event>) {
        match self.jobs.try_send(Job::Tick(frame, events)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => self.missed += 1,
            Err(TrySendError::Disconnected(_)) => self.gone = true,
        }
    }

    /// Hands over an event between two ticks, as a mark of the user; never waits. False where there
    /// was no room for it.
    pub fn event(&mut self, event: Event) -> bool {
        self.jobs.try_send(Job::Event(event)).is_ok()
    }

    /// Hands over a tick that must not be lost, and waits for room.
    pub fn tick_waiting(&mut self, frame: Arc<Frame>, events: Vec<Event>) {
        self.gone |= self.jobs.send(Job::Tick(frame, events)).is_err();
    }

    /// How it fares.
    pub fn progress(&self) -> Progress {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone();
        progress.lost += self.missed;
        if self.gone && progress.failed.is_none() {
            progress.failed = Some(GONE.to_owned());
        }
        progress
    }

    /// Ends the recording well at `t_ms` (milliseconds since the Unix epoch), and says how large it
    /// became. Gives up on a disk that hangs.
    pub fn end(self, t_ms: i64, reason: &str) -> io::Result<Progress> {
        let until = Instant::now() + PATIENCE;
        let mut job = Job::End(t_ms, reason.to_owned());
        while let Err(TrySendError::Full(back)) = self.jobs.try_send(job) {
            if Instant::now() >= until {
                return Err(io::ErrorKind::TimedOut.into());
            }
            job = back;
            thread::sleep(Duration::from_millis(5));
        }
        match self.done.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(result) => result.map(|()| self.progress()),
            Err(RecvTimeoutError::Disconnected) => Err(io::Error::other(GONE)),
            Err(RecvTimeoutError::Timeout) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the disk does not answer; the file may lack its last ticks",
            )),
        }
    }
}

/// The thread: does one job after the other.
fn work(mut keep: impl Keep, todo: &Receiver<Job>, seen: &Mutex<Progress>) -> io::Result<()> {
    loop {
        let job = todo.recv_timeout(IDLE);
        let now = Instant::now();
        let (result, last) = match job {
            Ok(Job::Tick(frame, events)) => (keep.tick(frame, events, now), false),
            Ok(Job::Event(event)) => (keep.event(event, now), false),
            Ok(Job::End(t_ms, reason)) => (keep.end(t_ms, &reason), true),
            Err(RecvTimeoutError::Timeout) => (Ok(()), false),
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        let result = result.and_then(|()| if last { Ok(()) } else { keep.idle(now) });
        let mut progress = keep.progress();
        progress.failed = result.as_ref().err().map(ToString::to_string);
        *seen.lock().unwrap_or_else(PoisonError::into_inner) = progress;
        if last || result.is_err() {
            return result;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "a thread is to fail")]

    use super::*;

    struct Falls;

    impl Keep for Falls {
        fn tick(&mut self, _: Arc<Frame>, _: Vec<Event>, _: Instant) -> io::Result<()> {
            panic!("made to fail")
        }
        fn event(&mut self, _: Event, _: Instant) -> io::Result<()> {
            Ok(())
        }
        fn idle(&mut self, _: Instant) -> io::Result<()> {
            Ok(())
        }
        fn end(&mut self, _: i64, _: &str) -> io::Result<()> {
            Ok(())
        }
        fn progress(&self) -> Progress {
            Progress::default()
        }
    }

    #[test]
    fn a_recording_whose_thread_failed_says_so_and_blames_no_disk() {
        let mut writer = Writer::of(Path::new("x"), || Ok(Falls)).unwrap();
        let begun = Instant::now();
        while writer.progress().failed.is_none() {
            assert!(begun.elapsed() < Duration::from_secs(30));
            writer.tick_waiting(Arc::default(), Vec::new());
        }
        writer.tick(Arc::default(), Vec::new());
        assert_eq!(
            writer.progress(),
            Progress { failed: Some(GONE.into()), ..Progress::default() }
        );
        assert_eq!(writer.end(0, "over").unwrap_err().to_string(), GONE);
    }
}
