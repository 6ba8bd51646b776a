//! The start and the end of a training as events of a session.

use std::ffi::OsString;

use crate::model::{Event, EventKind, Pid};
use crate::source::sampler::now;
use crate::source::text::redact;

use super::child::Ending;

/// It was started, by these words.
pub(super) fn started(words: &[OsString], pid: u32) -> Event {
    event(1, EventKind::Start, pid, format!("mltop run started {} as pid {pid}", line(words)))
}

/// A command as it may be written down.
pub(in crate::run) fn line(words: &[OsString]) -> String {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    redact(&words.iter().map(|word| &**word).collect::<Vec<&str>>())
}

/// It ended. `start` is the event of its start.
pub(super) fn ended(start: &Event, ending: Ending) -> Event {
    let pid = start.pid.unwrap_or_default().0;
    let event = event(2, EventKind::Stop, pid, format!("the training {}", ending.words()));
    Event { start_ms: start.start_ms, end_ms: Some(event.t_ms), ..event }
}

fn event(id: u64, kind: EventKind, pid: u32, title: String) -> Event {
    let t_ms = now().unix_ms;
    Event { id, pid: Some(Pid(pid)), end_ms: None, ..Event::of(kind, t_ms, t_ms, title) }
}
