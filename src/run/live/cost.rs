//! What the screen costs: bytes to the terminal, and memory for the time that can be gone back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::app::Cost;
use crate::run::replay::Reel;

/// Bytes a second are of at least so long.
const OVER: Duration = Duration::from_secs(5);

/// Counts what goes to the terminal.
#[derive(Debug)]
pub(super) struct Meter {
    written: Arc<AtomicU64>,
    since: Instant,
    before: u64,
    rate: Option<f64>,
}

impl Meter {
    /// A meter of these bytes.
    pub(super) fn new(written: Arc<AtomicU64>) -> Self {
        Self { written, since: Instant::now(), before: 0, rate: None }
    }

    /// What it comes to now; nothing before there is a rate.
    pub(super) fn read(&mut self, reel: &Reel) -> Option<Cost> {
        let terminal_bytes = self.written.load(Ordering::Relaxed);
        let span = self.since.elapsed();
        if span >= OVER {
            let bytes = terminal_bytes.saturating_sub(self.before);
            self.rate = Some(bytes as f64 / span.as_secs_f64());
            (self.since, self.before) = (Instant::now(), terminal_bytes);
        }
        let span = reel.span().map(|(first, last)| last.seconds_since(first) as u64);
        Some(Cost {
            terminal_bytes_per_second: self.rate?,
            terminal_bytes,
            history_seconds: span.unwrap_or(0),
            history_bytes: reel.held_bytes(),
        })
    }
}
