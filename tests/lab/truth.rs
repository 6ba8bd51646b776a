//! What is true: from when to when the loop starved, by its own clock of its waits.

use crate::trainer::Span;

/// Waiting for this share of the time is starving.
const STARVED: f64 = 0.10;
/// Over so many seconds around each moment …
const WINDOW: f64 = 10.0;
/// … and over so many steps of each worker, for workers deliver in bursts.
const BURSTS: f64 = 2.0;
/// The most that the window is.
const LONGEST: f64 = 60.0;
/// Two stretches nearer than this are one, and one shorter than this is none.
const SHORTEST: f64 = 10.0;
const BIN: f64 = 0.1;
/// What is under way when a phase ends still comes late, for so long at most.
const RUN_OUT: f64 = 40.0;

/// A stretch of starving.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stretch {
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// Why. Of several, separated by `|`, each is true, and the first one is what they count as.
    pub(crate) cause: &'static str,
    /// Whether ten seconds hold five steps of each worker, for which the short window is made.
    pub(crate) fast: bool,
    /// Share of the stretch in which the loop waited.
    pub(crate) blocked: f64,
}

impl Stretch {
    /// What its cause counts as.
    pub(crate) fn cause(&self) -> &'static str {
        self.cause.split('|').next().unwrap_or_default()
    }

    /// What a cause that is named counts as here.
    pub(crate) fn as_true(&self, named: &'static str) -> &'static str {
        if self.cause.split('|').any(|cause| cause == named) { self.cause() } else { named }
    }
}

/// The stretches within the phases that were made to starve: from the first wait to the last one of
/// each stretch in which the loop waits for a tenth of the time or more.
pub(crate) fn stretches(
    waits: &[Span],
    phases: &[(f64, f64, &'static str)],
    steps: &[f64],
    workers: usize,
) -> Vec<Stretch> {
    let mut all = Vec::new();
    for (index, &(from, to, cause)) in phases.iter().enumerate() {
        let until = phases.get(index + 1).map_or(f64::INFINITY, |next| next.0).min(to + RUN_OUT);
        let within: Vec<Span> = waits
            .iter()
            .filter(|wait| wait.1 > from && wait.0 < until)
            .map(|wait| (wait.0.max(from), wait.1.min(until)))
            .collect();
        let taken = steps.iter().filter(|step| (from..to).contains(*step)).count();
        let step = (to - from) / taken.max(1) as f64;
        let window = (BURSTS * workers.max(1) as f64 * step).clamp(WINDOW, LONGEST);
        let fast = 5.0 * workers.max(1) as f64 * step <= WINDOW;
        let end = within.last().map_or(to, |wait| wait.1);
        for (from, to) in starving(&within, (from, end), window) {
            let blocked = overlap(&within, &[(from, to)]) / (to - from);
            all.push(Stretch { from, to, cause, fast, blocked });
        }
    }
    all
}

fn starving(waits: &[Span], (from, to): Span, window: f64) -> Vec<Span> {
    let bins = ((to - from) / BIN).ceil().max(1.0) as usize;
    let mut sums = vec![0.0; bins + 1];
    for wait in waits {
        let (first, last) = (((wait.0 - from) / BIN) as usize, ((wait.1 - from) / BIN) as usize);
        for bin in first..=last.min(bins - 1) {
            let begin = from + bin as f64 * BIN;
            sums[bin + 1] += (wait.1.min(begin + BIN) - wait.0.max(begin)).max(0.0);
        }
    }
    for bin in 0..bins {
        sums[bin + 1] += sums[bin];
    }
    let half = (window / 2.0 / BIN) as usize;
    let mut found: Vec<Span> = Vec::new();
    for bin in 0..bins {
        // At the ends the window is what there is of it.
        let (low, high) = (bin.saturating_sub(half), (bin + half).min(bins));
        if sums[high] - sums[low] < STARVED * (high - low) as f64 * BIN {
            continue;
        }
        let (begin, end) = (from + bin as f64 * BIN, from + (bin + 1) as f64 * BIN);
        match found.last_mut().filter(|last| begin - last.1 < SHORTEST) {
            Some(last) => last.1 = end,
            None => found.push((begin, end)),
        }
    }
    let trimmed = found.into_iter().filter_map(|(begin, end)| {
        let mut inside = waits.iter().filter(|wait| wait.1 > begin && wait.0 < end);
        let first = inside.next()?;
        let last = inside.next_back().unwrap_or(first);
        Some((first.0.max(begin), last.1.min(end)))
    });
    trimmed.filter(|span| span.1 - span.0 >= SHORTEST).collect()
}

/// Seconds that two lists of stretches have in common. Neither overlaps itself.
pub(crate) fn overlap(a: &[Span], b: &[Span]) -> f64 {
    let mut sum = 0.0;
    for one in a {
        for other in b {
            sum += (one.1.min(other.1) - one.0.max(other.0)).max(0.0);
        }
    }
    sum
}

/// The length of stretches.
pub(crate) fn length(spans: &[Span]) -> f64 {
    spans.iter().map(|span| (span.1 - span.0).max(0.0)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_begins_with_its_first_wait_and_ends_with_its_last() {
        let waits: Vec<Span> =
            (0..100).map(|step| 50.0 + f64::from(step)).map(|at| (at, at + 0.4)).collect();
        let steps: Vec<f64> = (0..300).map(f64::from).collect();
        let found = stretches(&waits, &[(40.0, 140.0, "X")], &steps, 1);
        assert_eq!(found.len(), 1);
        assert!((found[0].from - 50.0).abs() < 1e-9 && (found[0].to - 149.4).abs() < 0.2);
        assert!((found[0].blocked - 0.4).abs() < 0.01 && found[0].fast);
        assert_eq!(stretches(&waits[..3], &[(40.0, 140.0, "X")], &steps, 1), []);
    }

    #[test]
    fn overlap_counts_what_both_have() {
        assert!((overlap(&[(0.0, 4.0), (6.0, 8.0)], &[(3.0, 7.0)]) - 2.0).abs() < 1e-12);
        assert!((length(&[(0.0, 4.0), (6.0, 8.0)]) - 6.0).abs() < 1e-12);
    }
}
