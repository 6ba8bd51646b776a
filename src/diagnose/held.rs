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
}

impl Held {
    /// A cause holds until the end of the span, and the finding has cost so many GPU-seconds by then. The
    /// begin of the span counts where the cause is new.
    pub(super) fn count(&mut self, cause: Cause, (from, to): (i64, i64), cost: Option<f64>) {
        let before = self.parts.iter().map(|part| part.span.1).max();
        let known = self.parts.iter().position(|part| part.cause == cause);
        let at = known.or_else(|| {
            let room = self.parts.len() < MAX_CAUSES;
            room.then(|| {
                let span = (before.unwrap_or(from), to);
                self.parts.push(Part { cause, span, seconds: 0.0, gpu_seconds: None });
                self.parts.len() - 1
            })
        });
        let Some(part) = at.and_then(|at| self.parts.get_mut(at)) else { return };
        part.seconds += to.saturating_sub(before.unwrap_or(from)).max(0) as f64 / 1e3;
        part.span.1 = to;
        if let Some(cost) = cost {
            *part.gpu_seconds.get_or_insert_default() += (cost - self.counted).max(0.0);
            self.counted = cost;
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
    fn without_a_gpu_it_is_told_how_long_each_held() {
        let mut held = Held::default();
        held.count(Cause::DiskBound, (0, 10_000), None);
        held.count(Cause::PrepBound, (15_000, 15_000), None);
        assert_eq!(held.lines()[1].text, "PREP-BOUND held for 5 s.");
    }
}
