//! `mltop stream --plain`: the session's own lines on standard output.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::diagnose::{Change, Settings};
use crate::error::Error;
use crate::model::inventory::HostInfo;
use crate::model::{Finding, Sample};
use crate::record::{Encoder, SessionInfo};

use super::pipeline::Pipeline;

/// Writes lines for `duration`, or until the reader goes away or the samples end.
pub(super) fn write_lines(
    samples: &Receiver<Arc<Sample>>,
    interval: Duration,
    duration: Option<Duration>,
    settings: Settings,
    mut out: impl Write,
) -> Result<(), Error> {
    let end = duration.map(|duration| Instant::now() + duration);
    let short_windows = settings.short_windows;
    let mut pipeline = Pipeline::new(settings);
    let mut encoder: Option<Encoder> = None;
    let mut lines = String::with_capacity(16 << 10);
    let mut last_ms = 0;
    while let Some(sample) = next(samples, end) {
        lines.clear();
        let (frame, changes) = pipeline.push(Arc::clone(&sample));
        let encoder = encoder.get_or_insert_with(|| {
            let info = session(&sample, interval, short_windows);
            let mut encoder = Encoder::new(info);
            encoder.head(&mut lines);
            encoder
        });
        encoder.tick(&sample, Some(&frame), &mut lines);
        last_ms = sample.stamp.unix_ms;
        for change in &changes {
            encoder.event(&finding(change).to_event(last_ms), &mut lines);
        }
        if !put(&mut out, &lines)? {
            return Ok(());
        }
    }
    if let Some(mut encoder) = encoder {
        lines.clear();
        let over = end.is_some_and(|end| Instant::now() >= end);
        let why = if over { "the time asked for is over" } else { "the samples ended" };
        encoder.end(last_ms, why, &mut lines);
        put(&mut out, &lines)?;
    }
    Ok(())
}

pub(super) fn finding(change: &Change) -> &Finding {
    match change {
        Change::Opened(finding) | Change::Updated(finding) | Change::Closed(finding) => finding,
    }
}

/// What the session is, from its first sample and whether findings are looked for over short windows.
pub(super) fn session(first: &Sample, interval: Duration, short_windows: bool) -> SessionInfo {
    let host = HostInfo::clone(&first.inventory.host);
    let name = format!("{:x}-{:x}", first.stamp.unix_ms, std::process::id());
    let info = SessionInfo::new(&name, host, interval.as_millis() as u64, first.stamp);
    SessionInfo { short_windows, ..info }
}

/// The next sample; `None` at the end of the time or of the samples.
pub(super) fn next(samples: &Receiver<Arc<Sample>>, end: Option<Instant>) -> Option<Arc<Sample>> {
    let Some(end) = end else { return samples.recv().ok() };
    samples.recv_timeout(end.saturating_duration_since(Instant::now())).ok()
}

/// Whole lines at once. False when the reader went away, which is how a pipe into `head` ends.
fn put(out: &mut impl Write, lines: &str) -> io::Result<bool> {
    match out.write_all(lines.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}
