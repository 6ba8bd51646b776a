//! Which cause of a starvation held when, and what was lost meanwhile: each second goes to the cause that
//! held in it.

use super::words;
use crate::model::{Cause, Evidence};

/// Causes of one finding that are told apart.
const MAX_CAUSES: usize = 8;

/// One cause while it held.
#[derive(Clone, Copy, Debug)]
struct Part {
    cause: Cause,
    span: (i64, i64),
    /// Seconds in which it was looked at, and GPU-seconds that were lost in them.
    seconds: f64,
    gpu_seconds: Option<f64>,
}

/// The causes of one finding, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    parts: Vec<Part>,
    /// GPU-seconds that are counted already.
    counted: f64,
    /// Up to when time is counted, in milliseconds since the Unix epoch.
    until: Option<i64>,
}

impl Held {
    /// A cause holds until the end of the span, and the finding has cost so many GPU-seconds by then. The
    /// begin of the span counts where the cause is new.
    pub(super) fn count(&mut self, cause: Cause, (from, to): (i64, i64), cost: Option<f64>) {
        // Of a cause that finds no room, too: what it took is no other's.
        let from = self.until.unwrap_or(from);
        self.until = Some(to.max(from));
        let added = cost.map(|cost| (cost - self.counted).max(0.0));
        self.counted += added.unwrap_or_default();
        let known = self.parts.iter().position(|part| part.cause == cause);
        let at = known.or_else(|| {
            let room = self.parts.len() < MAX_CAUSES;
            room.then(|| {
                self.parts.push(Part { cause, span: (from, to), seconds: 0.0, gpu_seconds: None });
                self.parts.len() - 1
            })
        });
        let Some(part) = at.and_then(|at| self.parts.get_mut(at)) else { return };
        part.seconds += to.saturating_sub(from).max(0) as f64 / 1e3;
        part.span.1 = to;
        if let Some(added) = added {
            *part.gpu_seconds.get_or_insert_default() += added;
        }
    }

    /// What each cause took, where there was more than one.
    pub(super) fn lines(&self) -> Vec<Evidence> {
        if self.parts.len() < 2 {
            return Vec::new();
        }
        self.parts.iter().map(Part::line).collect()
    }
}

impl Part {
    fn line(&self) -> Evidence {
        let (code, held) = (self.cause.code(), words::duration(self.seconds));
        let (value, took) = match self.gpu_seconds {
            Some(lost) => (lost, format!(" and took {lost:.0} GPU-seconds")),
            None => (0.0, String::new()),
        };
        let text = format!("{code} held for {held}{took}.");
        words::evidence(self.span, Evidence::BY_CAUSE, code, value, None, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_and_each_cost_goes_to_the_cause_that_held_in_it() {
        let mut held = Held::default();
        held.count(Cause::DiskBound, (0, 10_000), Some(4.0));
        assert!(held.lines().is_empty(), "one cause takes all of it");
        held.count(Cause::DiskBound, (20_000, 20_000), Some(9.0));
        held.count(Cause::PrepBound, (50_000, 50_000), Some(24.0));
        held.count(Cause::DiskBound, (60_000, 60_000), Some(26.0));
        let lines = held.lines();
        assert_eq!(lines[0].text, "DISK-BOUND held for 30 s and took 11 GPU-seconds.");
        assert_eq!(lines[1].text, "PREP-BOUND held for 30 s and took 15 GPU-seconds.");
        assert!((lines[0].value + lines[1].value - 26.0).abs() < 1e-9);
    }

    #[test]
    fn what_a_cause_took_that_finds_no_room_is_charged_to_no_other() {
        let mut held = Held::default();
        for (at, cause) in Cause::ALL.iter().copied().take(MAX_CAUSES + 1).enumerate() {
            let at = at as i64 + 1;
            held.count(cause, (0, at * 1000), Some(at as f64));
        }
        let last = MAX_CAUSES as i64 + 2;
        held.count(Cause::ALL[0], (last * 1000, last * 1000), Some(last as f64));
        let first = held.parts[0];
        assert!((first.seconds - 2.0).abs() < 1e-9, "{first:?}");
        assert!(first.gpu_seconds.is_some_and(|cost| (cost - 2.0).abs() < 1e-9), "{first:?}");
    }

    #[test]
    fn without_a_gpu_it_is_told_how_long_each_held() {
        let mut held = Held::default();
        held.count(Cause::DiskBound, (0, 10_000), None);
        held.count(Cause::PrepBound, (15_000, 15_000), None);
        assert_eq!(held.lines()[1].text, "PREP-BOUND held for 5 s.");
    }
}
