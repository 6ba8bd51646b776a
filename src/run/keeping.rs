//! What the live screen keeps for later: recordings, marks, and the last minutes on demand.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use crate::app::{self, Msg};
use crate::diagnose::{Change, Settings};
use crate::fmt;
use crate::model::{Event, EventKind, Finding, Frame, Sample};
use crate::record::{Options, Tape, gaps};

use super::recorder::{Recorder, default_path};
use super::stream::session;

/// Marks that are remembered beside the tape.
const MARKS: usize = 1000;

/// The recording that runs, and what is to go into the next one that is saved.
#[derive(Debug)]
pub(super) struct Keeping {
    interval: Duration,
    settings: Settings,
    recorder: Option<Recorder>,
    paused: Option<String>,
    marks: Vec<Event>,
    saving: Option<Receiver<String>>,
}

impl Keeping {
    /// Nothing is kept yet; ticks come this far apart, and findings are looked for like this.
    pub(super) const fn new(interval: Duration, settings: Settings) -> Self {
        Self { interval, settings, recorder: None, paused: None, marks: Vec::new(), saving: None }
    }

    /// Takes a tick with what was found at it. What the screen is to say follows.
    pub(super) fn tick(&mut self, frame: &Arc<Frame>, changes: &[Change]) -> Vec<Msg> {
        let mut said = Vec::new();
        match self.saving.as_ref().map(Receiver::try_recv) {
            Some(Ok(line)) => {
                said.push(Msg::Notice(line));
                self.saving = None;
            }
            Some(Err(TryRecvError::Disconnected)) => self.saving = None,
            Some(Err(TryRecvError::Empty)) | None => {}
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

    /// Begins to record, or stops.
    pub(super) fn toggle(&mut self, now: &Sample) -> Vec<Msg> {
        if let Some(line) = self.end() {
            return vec![Msg::Recording(None), Msg::Notice(line)];
        }
        let path = default_path(now);
        match Recorder::start(
            &path,
            session(now, self.interval, self.settings),
            now,
            Options::default(),
        ) {
            Ok(recorder) => {
                let shown: app::Recording = recorder.shown();
                self.recorder = Some(recorder);
                self.paused = None;
                let line = format!("recording to {}", path.display());
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
            let mark = gaps::event(EventKind::Mark, unix_ms, unix_ms, title.clone());
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
        let mut info = session(now, self.interval, self.settings);
        info.clock = first;
        let path = saved_path(now);
        let shown = path.display().to_string();
        let snapshot = tape.snapshot();
        let (answer, saving) = channel();
        let work = move || {
            let line = match snapshot.save(info, &events, &path) {
                Ok(saved) => format!(
                    "saved {} ticks to {}, {}",
                    saved.ticks,
                    path.display(),
                    fmt::size(saved.bytes as f64).trim()
                ),
                Err(error) => super::recorder::cannot_make(&path, &error).to_string(),
            };
            // The screen may be gone by now; the file is there all the same.
            let _ = answer.send(line);
        };
        if let Err(error) = thread::Builder::new().name("saver".into()).spawn(work) {
            return Msg::Notice(format!("cannot save: {error}"));
        }
        self.saving = Some(saving);
        let minutes = last.seconds_since(first) / 60.0;
        Msg::Notice(format!("saving the last {minutes:.0} min to {shown}"))
    }

    /// Ends the recording, and waits for a save under way. What to tell of it.
    pub(super) fn leave(mut self) -> Vec<String> {
        let recorded = self.end();
        let saved = self.saving.and_then(|saving| saving.recv_timeout(Duration::from_secs(5)).ok());
        recorded.into_iter().chain(saved).collect()
    }

    fn end(&mut self) -> Option<String> {
        let recorder = self.recorder.take()?;
        let path = recorder.path().display().to_string();
        Some(match recorder.end("stopped by the user") {
            Ok(progress) => {
                let size = fmt::size(progress.bytes as f64);
                format!("recorded {} ticks to {path}, {}", progress.ticks, size.trim())
            }
            Err(error) => format!("{path}: {error}"),
        })
    }
}

/// A name for what is saved at this sample.
fn saved_path(now: &Sample) -> PathBuf {
    let name = default_path(now).display().to_string();
    PathBuf::from(format!("last-{name}"))
}
