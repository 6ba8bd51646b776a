//! Sessions that the tests make.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mltop::derive;
use mltop::model::inventory::HostInfo;
use mltop::model::{Event, EventKind, Sample, Stamp};
use mltop::record::{Options, SessionInfo, Writer};

use super::arbitrary::session;

pub(crate) const START_MONO_MS: u64 = 50_000;
pub(crate) const START_UNIX_MS: i64 = 1_760_000_000_000;

/// A finished recording with what was written into it.
pub(crate) struct Made {
    pub(crate) path: PathBuf,
    pub(crate) samples: Vec<Arc<Sample>>,
    _folder: tempfile::TempDir,
}

impl Made {
    /// A recording of any content: so many ticks, so many milliseconds apart, and two marks.
    pub(crate) fn of(seed: u64, ticks: u64, apart_ms: u64) -> Self {
        let mut samples = session(seed, ticks);
        for sample in &mut samples {
            let after = sample.seq * apart_ms;
            Arc::make_mut(sample).stamp =
                Stamp { unix_ms: START_UNIX_MS + after as i64, mono_ms: START_MONO_MS + after };
        }
        Self::with(samples, apart_ms)
    }

    /// A recording of these ticks.
    pub(crate) fn with(samples: Vec<Arc<Sample>>, apart_ms: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made.mltop.jsonl.zst");
        let writer = write(&path, &samples, apart_ms);
        let end = samples.last().map_or(0, |last| last.stamp.unix_ms);
        writer.end(end, "test over").unwrap();
        Self { path, samples, _folder: folder }
    }
}

/// Writes these ticks, and leaves the recording under way.
pub(crate) fn write(path: &Path, samples: &[Arc<Sample>], apart_ms: u64) -> Writer {
    let mut writer = Writer::start(path, info("s1", apart_ms), Options::default()).unwrap();
    let mut before: Option<Arc<Sample>> = None;
    for sample in samples {
        let sample = Arc::clone(sample);
        let frame = derive::frame(before.as_deref(), Arc::clone(&sample));
        let marks = match sample.seq {
            3 => vec![mark(1)],
            17 => vec![mark(2)],
            _ => Vec::new(),
        };
        writer.tick_waiting(Arc::new(frame), marks);
        before = Some(sample);
    }
    writer
}

pub(crate) fn info(session: &str, interval_ms: u64) -> SessionInfo {
    let host = HostInfo { name: "box".into(), ..HostInfo::default() };
    let clock = Stamp { unix_ms: START_UNIX_MS, mono_ms: START_MONO_MS };
    SessionInfo::new(session, host, interval_ms, clock)
}

pub(crate) fn mark(number: u64) -> Event {
    let at = START_UNIX_MS + number as i64 * 3000;
    Event::of(EventKind::Mark, at, at, format!("mark {number} of the \"user\""))
}

/// A line with a checksum that fits, whatever stands in it.
pub(crate) fn sealed(line: &str) -> String {
    format!("{line},\"c\":\"{:08x}\"}}\n", crc32fast::hash(line.as_bytes()))
}
