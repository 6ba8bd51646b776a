//! What the verbs over recorded sessions share: a session opened, its name and its health in words,
//! and a place for what is made of it.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use crate::diagnose::Settings;
use crate::error::Error;
use crate::model::text::clean;
use crate::record::{Health, SessionFile, SessionInfo};

use super::flight::opened;
use super::recorder::cannot_make;

/// A session that was opened.
#[derive(Debug)]
pub(super) struct Recorded {
    /// The session.
    pub file: SessionFile,
    /// The file's name, fit to show.
    pub name: String,
    /// The first and the last moment, in milliseconds since the Unix epoch.
    pub span_ms: (i64, i64),
    /// The moment that the name itself means, as `@03:12` does.
    pub at_ms: Option<i64>,
}

impl Recorded {
    /// Opens a session: a file, or a word for a part of the flight ring.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        Self::of(path, None)
    }

    /// The same, or with an empty path the last while of the flight ring.
    pub(super) fn of(path: &Path, since: Option<Duration>) -> Result<Self, Error> {
        const LONGEST: usize = 120;
        let (file, at_ms) = opened(path, since)?;
        let name = path.file_name().map_or_else(|| "flight".into(), OsStr::to_string_lossy);
        let (first, last) = file.span();
        let name = clean(name.as_bytes(), LONGEST).into_string();
        Ok(Self { file, name, span_ms: (first.unix_ms, last.unix_ms.max(first.unix_ms)), at_ms })
    }

    /// Thresholds as they are now, with the windows over which findings were looked for when it was
    /// recorded.
    pub(super) fn settings(&self, now: &Settings) -> Settings {
        settings(self.file.head().map(|head| &**head), now)
    }

    /// What could not be read so far, in words; `None` where all was.
    pub(super) fn damage(&self) -> Option<String> {
        Some(damage(&self.file.health())).filter(|words| !words.is_empty())
    }

    /// Milliseconds between ticks.
    pub(super) fn interval_ms(&self) -> u64 {
        self.file.head().map_or(1000, |head| head.interval_ms)
    }
}

/// The same for a session's head.
pub(super) fn settings(head: Option<&SessionInfo>, now: &Settings) -> Settings {
    let now = now.clone();
    if head.is_some_and(|head| head.short_windows) { now.shortened() } else { now }
}

/// What could not be read, in words; empty where all was.
pub(super) fn damage(health: &Health) -> String {
    if health.is_whole() {
        return String::new();
    }
    let mut parts = Vec::new();
    if health.lines_damaged > 0 {
        parts.push(format!("{} of {} lines damaged", health.lines_damaged, health.lines_read));
    }
    if health.frames_damaged > 0 {
        parts.push(format!("{} packed frames damaged", health.frames_damaged));
    }
    if health.truncated {
        parts.push("cut off at its end".to_owned());
    }
    if let Some(at_ms) = health.first_damage_ms {
        parts.push(format!("the first damage after {} UTC", crate::fmt::clock(at_ms, 0)));
    }
    parts.join(", ")
}

/// A moment in local time, as a line of text has it.
pub(super) fn clock(unix_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(unix_ms)
        .map(|at| at.to_zoned(jiff::tz::TimeZone::system()).strftime("%F %T").to_string())
        .unwrap_or_default()
}

/// The same in UTC, as `--since` and `--at` take it.
pub(super) fn clock_utc(unix_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(unix_ms)
        .map(|at| at.strftime("%F %T UTC").to_string())
        .unwrap_or_default()
}

/// Makes a new file for what is made of a session: the one that is there may be the session itself.
/// What is no file of its own, as `/dev/stdout`, is written to.
pub(super) fn create(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.write(true);
    match options.clone().create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if fs::metadata(path).is_ok_and(|meta| meta.is_file()) {
                return Err(cannot_make(path, &error));
            }
            options.open(path)
        }
        other => other,
    }
    .map_err(|error| cannot_make(path, &error))
}

/// Writes text to a new file, or to standard output where none is named.
pub(super) fn put(output: Option<&Path>, text: &[u8]) -> Result<(), Error> {
    if let Some(path) = output {
        return create(path)?
            .write_all(text)
            .map_err(|source| Error::Write { path: path.to_owned(), source });
    }
    match io::stdout().lock().write_all(text) {
        // The reader went away, which is how a pipe into `head` ends.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
