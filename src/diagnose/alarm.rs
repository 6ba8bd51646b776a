//! One finding about one thing: its hysteresis, its number in the ledger, and when it began and ended.

use super::latch::{Edge, Latch};
use super::ledger::{Ledger, Said};
use super::settings::{Settings, Timing};
use crate::model::Stamp;

/// Of its window, a verdict began so much before its condition was met, and ended so much before the
/// lower one was: measured on simulated traces of known truth.
const BEGAN: f64 = 0.3;
const ENDED: f64 = 0.4;
/// Open without evidence for so long, a finding ends where its evidence did.
const BLIND_MS: u64 = 60_000;
/// Windows of a demonstration are so much shorter.
const SHORTENED: f64 = 10.0;

/// What is judged over minutes: how a card is used.
pub(super) const LONG: Timing = Timing { window: 300.0, raise: 60.0, clear: 60.0 };

/// These windows as they are in force.
pub(super) fn in_force(timing: Timing, settings: &Settings) -> Timing {
    let by = if settings.short_windows { SHORTENED } else { 1.0 };
    Timing { window: timing.window / by, raise: timing.raise / by, clear: timing.clear / by }
}

/// The state of one finding.
#[derive(Clone, Debug, Default)]
pub(super) struct Alarm {
    latch: Latch,
    id: Option<u64>,
    /// The last moment with evidence, on both clocks.
    seen: Option<(u64, i64)>,
}

impl Alarm {
    /// Its number while it is open.
    pub(super) fn id(&self) -> Option<u64> {
        self.id
    }

    /// One more look: whether the condition holds, whether the lower one does, and the words for it.
    /// It began after `least_ms` in any case, in milliseconds since the Unix epoch.
    pub(super) fn step(
        &mut self,
        stamp: Stamp,
        timing: Timing,
        (raises, clears): (bool, bool),
        least_ms: i64,
        ledger: &mut Ledger,
        say: impl FnOnce() -> Said,
    ) {
        self.seen = Some((stamp.mono_ms, stamp.unix_ms));
        let edge = self.latch.step(stamp.mono_ms, (raises, timing.raise), (clears, timing.clear));
        let unix = |mono_ms: u64, share: f64| {
            let back = stamp.mono_ms.saturating_sub(mono_ms) as i64;
            stamp.unix_ms - back - (share * timing.window * 1e3) as i64
        };
        match edge {
            Edge::Raised(since) => {
                self.id = ledger.open(say(), unix(since, BEGAN).max(least_ms));
            }
            Edge::Cleared(since) => self.close(unix(since, ENDED), ledger),
            Edge::None => {
                // While it fades, the words stay those of the time when it was true.
                if let Some(id) = self.id.filter(|_| raises) {
                    ledger.renew(id, say(), false);
                }
            }
        }
    }

    /// A look without evidence.
    pub(super) fn blind(&mut self, now_ms: u64, ledger: &mut Ledger) {
        self.latch.blind();
        let lost = self.seen.is_none_or(|(seen, _)| now_ms.saturating_sub(seen) > BLIND_MS);
        if self.latch.is_on() && lost {
            self.end(ledger);
        }
    }

    /// What it is about is gone, or another finding says it better.
    pub(super) fn end(&mut self, ledger: &mut Ledger) {
        self.latch.reset();
        let at = self.seen.map_or(0, |(_, unix_ms)| unix_ms);
        self.close(at, ledger);
    }

    fn close(&mut self, end_ms: i64, ledger: &mut Ledger) {
        if let Some(id) = self.id.take() {
            ledger.close(id, end_ms);
        }
    }
}
