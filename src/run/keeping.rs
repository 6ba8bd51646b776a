//! What the live screen keeps for later: recordings, marks, and the last minutes on demand.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use crate::app::{self, Msg};
use crate::diagnose::Change;
use crate::error::Error;
use crate::fmt;
use crate::model::{Event, EventKind, Finding, Frame, Sample};
use crate::record::{Options, Tape};

use super::recorder::{Recorder, default_path};
use super::stream::session;

/// Marks that are remembered beside the tape.
const MARKS: usize = 1000;
/// Why a recording ended that nothing else has ended.
pub(super) const BY_USER: &str = "stopped by the user";
/// So long the screen waits for a disk; what takes longer is looked at again at the next tick.
const PATIENCE: Duration = Duration::from_millis(100);

/// The recording that runs, and what is to go into the next one that is saved.
#[derive(Debug)]
pub(super) struct Keeping {
    interval: Duration,
    short_windows: bool,
    recorder: Option<Recorder>,
    /// A recording that a slow disk has not begun yet.
    starting: Option<Receiver<Result<Recorder, Error>>>,
    /// One that a slow disk has not ended yet.
    ending: Option<Receiver<String>>,
    paused: Option<String>,
    marks: Vec<Event>,
    saving: Option<Receiver<String>>,
}

impl Keeping {
    /// Nothing is kept yet; ticks come this far apart, and findings are looked for over short windows
    /// or not.
    pub(super) const fn new(interval: Duration, short_windows: bool) -> Self {
        Self {
            interval,
            short_windows,
            recorder: None,
            starting: None,
            ending: None,
            paused: None,
            marks: Vec::new(),
            saving: None,
        }
    }

    /// Takes a tick with what was found at it. What the screen is to say follows.
    pub(super) fn tick(&mut self, frame: &Arc<Frame>, changes: &[Change]) -> Vec<Msg> {
        let mut said: Vec<Msg> = [&mut self.saving, &mut self.ending]
            .into_iter()
            .filter_map(answer)
            .map(Msg::Notice)
            .collect();
        if let Some(started) = answer(&mut self.starting) {
            said.extend(self.started(started));
        }
        let Some(recorder) = &mut self.recorder else { return said };
        recorder.tick(frame, changes);
        let progress = recorder.progress();
        if let Some(why) = progress.failed {
            said.push(Msg::Notice(format!("the recording ended: {why}")));
            said.push(Msg::Recording(None));
            self.recorder = None;
            return said;
        }
        said.push(Msg::Recording(Some(recorder.shown())));
        if progress.paused != self.paused {
            said.push(Msg::Notice(match &progress.paused {
                Some(why) => format!("recording paused: {why}"),
                None => "recording goes on".to_owned(),
            }));
            self.paused = progress.paused;
        }
        said
    }

    /// Begins to record, or stops. Neither waits for a disk that does not answer.
    pub(super) fn toggle(&mut self, now: &Sample) -> Vec<Msg> {
        if self.starting.is_some() || self.ending.is_some() {
            return vec![Msg::Notice("the disk has not answered yet".to_owned())];
        }
        if let Some(recorder) = self.recorder.take() {
            let ending = beside(move || ended(recorder, BY_USER));
            let line = ending.recv_timeout(PATIENCE).unwrap_or_else(|_| {
                self.ending = Some(ending);
                "the recording ends".to_owned()
            });
            return vec![Msg::Recording(None), Msg::Notice(line)];
        }
        let path = default_path(now);
        let info = session(now, self.interval, self.short_windows);
        let first = now.clone();
        let starting = beside(move || Recorder::start(&path, info, &first, Options::default()));
        if let Ok(started) = starting.recv_timeout(PATIENCE) {
            return self.started(started);
        }
        self.starting = Some(starting);
        vec![Msg::Notice("the recording begins".to_owned())]
    }

    /// Takes in a recording that was begun, or could not be.
    fn started(&mut self, started: Result<Recorder, Error>) -> Vec<Msg> {
        match started {
            Ok(recorder) => {
                let shown: app::Recording = recorder.shown();
                let line = format!("recording to {}", recorder.path().display());
                self.recorder = Some(recorder);
                self.paused = None;
                vec![Msg::Recording(Some(shown)), Msg::Notice(line)]
            }
            Err(error) => vec![Msg::Notice(error.to_string())],
        }
    }

    /// Marks a moment. What the screen is to say of it.
    pub(super) fn mark(&mut self, unix_ms: i64, note: String) -> Msg {
        let title = if note.is_empty() { "mark".to_owned() } else { note };
        if self.marks.len() < MARKS {
            let id = self.marks.len() as u64 + 1;
            let mark = Event::of(EventKind::Mark, unix_ms, unix_ms, title.clone());
            self.marks.push(Event { id, ..mark });
        }
        let kept = match &mut self.recorder {
            Some(recorder) => recorder.mark(unix_ms, title),
            None => return Msg::Notice("marked; S saves it with the last minutes".to_owned()),
        };
        Msg::Notice(if kept { "marked" } else { "not marked: the disk is too slow" }.to_owned())
    }

    /// Saves what the tape holds, in a thread of its own.
    pub(super) fn save(&mut self, tape: &Tape, now: &Sample, findings: &[Finding]) -> Msg {
        if self.saving.is_some() {
            return Msg::Notice("still saving".to_owned());
        }
        let Some((first, last)) = tape.span() else {
            return Msg::Notice("there is nothing to save yet".to_owned());
        };
        let since = first.unix_ms;
        let found = findings.iter().map(|finding| finding.to_event(finding.start_ms.max(since)));
        let marked = self.marks.iter().filter(|mark| mark.t_ms >= since).cloned();
        let mut events: Vec<Event> = found.chain(marked).collect();
        events.sort_by_key(|event| event.t_ms);
        let mut info = session(now, self.interval, self.short_windows);
        info.clock = first;
        let path = saved_path(now);
        let shown = path.display().to_string();
        let snapshot = tape.snapshot();
        self.saving = Some(beside(move || match snapshot.save(info, &events, &path) {
            Ok(saved) => format!(
                "saved {} ticks to {}, {}",
                saved.ticks,
                path.display(),
                fmt::size(saved.bytes as f64).trim()
            ),
            Err(error) => super::recorder::cannot_make(&path, &error).to_string(),
        }));
        let minutes = last.seconds_since(first) / 60.0;
        Msg::Notice(format!("saving the last {minutes:.0} min to {shown}"))
    }

    /// Ends the recording for this reason, and waits for what is under way. What to tell of it.
    pub(super) fn leave(self, reason: &str) -> Vec<String> {
        let recorded = self.recorder.map(|recorder| ended(recorder, reason));
        let under_way = [self.ending, self.saving].into_iter().flatten();
        let told = under_way.filter_map(|one| one.recv_timeout(Duration::from_secs(5)).ok());
        recorded.into_iter().chain(told).collect()
    }
}

/// Ends a recording. What to tell of it.
fn ended(recorder: Recorder, reason: &str) -> String {
    let path = recorder.path().display().to_string();
    match recorder.end(reason) {
        Ok(progress) => {
            let size = fmt::size(progress.bytes as f64);
            format!("recorded {} ticks to {path}, {}", progress.ticks, size.trim())
        }
        Err(error) => format!("{path}: {error}"),
    }
}

/// Does what may wait for a disk, in a thread of its own. Where there is none to be had, nothing comes.
fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (answer, receiver) = channel();
    // The screen may be gone by the time it is done; the file is there all the same.
    let _ = thread::Builder::new().name("keeper".into()).spawn(move || answer.send(work()));
    receiver
}

/// The answer of what was done beside, once.
fn answer<T>(of: &mut Option<Receiver<T>>) -> Option<T> {
    let answer = of.as_ref()?.try_recv();
    if !matches!(answer, Err(TryRecvError::Empty)) {
        *of = None;
    }
    answer.ok()
}

/// A name for what is saved at this sample.
fn saved_path(now: &Sample) -> PathBuf {
    let name = default_path(now).display().to_string();
    PathBuf::from(format!("last-{name}"))
}
