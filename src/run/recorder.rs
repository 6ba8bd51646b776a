//! A recording while it runs, from samples and findings: for the verb and for the live screen.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::app;
use crate::cli::{KeepOptions, SyncWhen};
use crate::diagnose::Change;
use crate::error::Error;
use crate::model::{Event, EventKind, Frame, Sample, Stamp};
use crate::record::{ENDING, Options, Progress, SessionInfo, Sync, Writer};

use super::stream::finding;

/// A recording that runs.
#[derive(Debug)]
pub(super) struct Recorder {
    writer: Writer,
    begun: Stamp,
    last: Stamp,
}

impl Recorder {
    /// Begins one with this sample, which is not recorded by it.
    pub(super) fn start(
        path: &Path,
        info: SessionInfo,
        first: &Sample,
        options: Options,
    ) -> Result<Self, Error> {
        let writer =
            Writer::start(path, info, options).map_err(|error| cannot_make(path, &error))?;
        Ok(Self { writer, begun: first.stamp, last: first.stamp })
    }

    /// One that writes somewhere else than to a file of its own.
    pub(super) const fn of(writer: Writer, first: &Sample) -> Self {
        Self { writer, begun: first.stamp, last: first.stamp }
    }

    /// Takes a tick with what was found at it.
    pub(super) fn tick(&mut self, frame: &Arc<Frame>, changes: &[Change]) {
        self.last = frame.sample.stamp;
        let t_ms = self.last.unix_ms;
        let events = changes.iter().map(|change| finding(change).to_event(t_ms)).collect();
        self.writer.tick(Arc::clone(frame), events);
    }

    /// Notes that something happened at the tick that was taken last. False where there was no room.
    pub(super) fn event(&mut self, kind: EventKind, title: String) -> bool {
        let at = self.last.unix_ms;
        self.writer.event(Event::of(kind, at, at, title))
    }

    /// Marks a moment. False where there was no room.
    pub(super) fn mark(&mut self, unix_ms: i64, title: String) -> bool {
        self.writer.event(Event::of(EventKind::Mark, unix_ms, unix_ms, title))
    }

    /// Where it is recorded to.
    pub(super) fn path(&self) -> &Path {
        self.writer.path()
    }

    /// How it fares.
    pub(super) fn progress(&self) -> Progress {
        self.writer.progress()
    }

    /// How it fares, for the screen.
    pub(super) fn shown(&self) -> app::Recording {
        let progress = self.progress();
        app::Recording {
            seconds: self.last.mono_ms.saturating_sub(self.begun.mono_ms) / 1000,
            bytes: progress.bytes,
            paused: progress.paused.is_some(),
        }
    }

    /// Ends it well.
    pub(super) fn end(self, reason: &str) -> io::Result<Progress> {
        self.writer.end(self.last.unix_ms, reason)
    }
}

/// A file that cannot be made, with the remedy.
pub(super) fn cannot_make(path: &Path, error: &io::Error) -> Error {
    let remedy = match error.kind() {
        io::ErrorKind::AlreadyExists => {
            "it is there already, and nothing is ever overwritten; give another name with -o"
        }
        io::ErrorKind::NotFound => "its folder is not there; make it first",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "nothing may be written there; start mltop in a folder of your own, or give -o FILE"
        }
        _ => {
            return Error::Write {
                path: path.to_owned(),
                source: io::Error::other(error.to_string()),
            };
        }
    };
    Error::Record(format!("cannot write {}: {remedy}", path.display()))
}

/// A name for a recording that begins with this sample: the box and the local time.
pub(super) fn default_path(first: &Sample) -> PathBuf {
    let host: String = first
        .inventory
        .host
        .name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' })
        .take(64)
        .collect();
    let host = if host.is_empty() { "box".to_owned() } else { host };
    let time = jiff::Timestamp::from_millisecond(first.stamp.unix_ms)
        .map(|at| at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y%m%d-%H%M%S").to_string())
        .unwrap_or_default();
    PathBuf::from(format!("{host}-{time}{ENDING}"))
}

/// The options of the command line.
pub(super) fn options(keep: KeepOptions, max_bytes: Option<u64>) -> Options {
    let sync = match keep.sync {
        SyncWhen::Never => Sync::Never,
        SyncWhen::Second => Sync::Second,
        SyncWhen::Tick => Sync::Tick,
    };
    Options { sync, max_bytes, min_free: keep.min_free, ..Options::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Inventory;
    use crate::model::inventory::HostInfo;

    #[test]
    fn a_name_is_made_of_the_box_and_the_time_and_cannot_leave_the_folder() {
        let host = Arc::new(HostInfo { name: "../a b".into(), ..HostInfo::default() });
        let inventory = Arc::new(Inventory { host, ..Inventory::default() });
        let name = default_path(&Sample { inventory, ..Sample::default() });
        let name = name.to_str().unwrap();
        assert!(name.starts_with("___a_b-19"), "{name}");
        assert!(name.ends_with(".mltop.jsonl.zst") && !name.contains('/'), "{name}");
    }
}
