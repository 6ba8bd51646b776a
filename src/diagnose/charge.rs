//! Which GPU time was charged to which finding: each second of a GPU once, so that what all findings
//! cost never adds up to more than the time that was observed.

use std::collections::{BTreeMap, VecDeque};

use crate::model::{Frame, GpuId};

/// Stretches of one GPU's time that are remembered. What is older can no longer be charged.
const MAX_SLOTS: usize = 1024;
/// GPUs whose time is remembered.
const MAX_GPUS: usize = 256;

/// The share of the time of some GPUs that is lost while a finding holds. With a utilization that is
/// averaged over a second only bounds are known.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lost {
    gpus: Vec<GpuId>,
    shares: [f64; 3],
}

impl Lost {
    /// The share of each of these GPUs that is lost at least and at most. `None` without a GPU.
    pub(super) fn of(gpus: impl IntoIterator<Item = GpuId>, low: f64, high: f64) -> Option<Self> {
        let mut gpus: Vec<GpuId> = gpus.into_iter().collect();
        gpus.sort_unstable();
        gpus.dedup();
        let (low, high) = (low.clamp(0.0, 1.0), high.clamp(0.0, 1.0));
        let shares = [low.min(high), f64::midpoint(low, high), high];
        (!gpus.is_empty()).then_some(Self { gpus, shares })
    }
}

/// A stretch of one GPU's time, and the share of it that was charged at most.
#[derive(Clone, Copy, Debug)]
struct Slot {
    from_ms: i64,
    to_ms: i64,
    taken: f64,
}

/// All GPUs' time.
#[derive(Clone, Debug, Default)]
pub(super) struct Charges {
    slots: BTreeMap<GpuId, VecDeque<Slot>>,
    tick: Option<(i64, i64)>,
}

impl Charges {
    /// One more tick was observed.
    pub(super) fn tick(&mut self, frame: &Frame) {
        let to_ms = frame.sample.stamp.unix_ms;
        let span = frame.span_seconds.filter(|span| *span > 0.0);
        self.tick = span.map(|span| (to_ms.saturating_sub((span * 1e3).round() as i64), to_ms));
        let Some((from_ms, to_ms)) = self.tick else { return };
        for gpu in &frame.sample.gpus {
            if self.slots.len() >= MAX_GPUS && !self.slots.contains_key(&gpu.gpu) {
                continue;
            }
            push(self.slots.entry(gpu.gpu).or_default(), from_ms, to_ms);
        }
    }

    /// When the newest tick began, in milliseconds since the Unix epoch; the end of time where it has
    /// no length, as after a gap.
    pub(super) fn tick_start_ms(&self) -> i64 {
        self.tick.map_or(i64::MAX, |(from_ms, _)| from_ms)
    }

    /// Takes the shares of the time between two moments, as far as it was observed and is still free.
    /// GPU-seconds: at least, the middle, at most; `None` where no such time was observed.
    pub(super) fn charge(&mut self, lost: &Lost, from_ms: i64, to_ms: i64) -> Option<[f64; 3]> {
        let mut sums: Option<[f64; 3]> = None;
        for gpu in &lost.gpus {
            let Some(slots) = self.slots.get_mut(gpu) else { continue };
            cut(slots, from_ms);
            cut(slots, to_ms);
            let within = slots.iter_mut().rev().take_while(|slot| slot.to_ms > from_ms);
            for slot in within.filter(|slot| slot.to_ms <= to_ms) {
                let [_, _, high] = lost.shares;
                let free = high.min(1.0 - slot.taken).max(0.0);
                slot.taken += free;
                let seconds = (slot.to_ms - slot.from_ms) as f64 / 1e3;
                let sums = sums.get_or_insert_default();
                for (sum, share) in sums.iter_mut().zip(lost.shares) {
                    *sum += share.min(free) * seconds;
                }
            }
        }
        sums
    }
}

/// Adds a tick's time. Stretches that are charged alike become one.
fn push(slots: &mut VecDeque<Slot>, from_ms: i64, to_ms: i64) {
    if slots.back().is_some_and(|slot| to_ms <= slot.to_ms) {
        // The wall clock was set back: what was charged is of another time.
        slots.clear();
    }
    // Ticks are rounded to milliseconds, and must not overlap by one.
    let end = slots.back().map_or(from_ms, |slot| slot.to_ms);
    let mut slot = Slot { from_ms: from_ms.max(end), to_ms, taken: 0.0 };
    while let Some(last) = slots.back().copied() {
        let before = slots.len().checked_sub(2).and_then(|at| slots.get(at)).copied();
        if last.taken == 0.0 && last.to_ms == slot.from_ms {
            slot.from_ms = last.from_ms;
            slots.pop_back();
        } else if let Some(before) = before.filter(|before| alike(before, &last)) {
            slots.pop_back();
            slots.pop_back();
            slots.push_back(Slot { from_ms: before.from_ms, ..last });
        } else {
            break;
        }
    }
    slots.push_back(slot);
    if slots.len() > MAX_SLOTS {
        slots.pop_front();
    }
}

fn alike(before: &Slot, after: &Slot) -> bool {
    before.to_ms == after.from_ms && (before.taken - after.taken).abs() < 1e-9
}

/// Splits the stretch that a moment lies in.
fn cut(slots: &mut VecDeque<Slot>, at_ms: i64) {
    let at = slots.partition_point(|slot| slot.to_ms <= at_ms);
    let Some(slot) = slots.get_mut(at).filter(|slot| slot.from_ms < at_ms) else { return };
    let rest = Slot { from_ms: at_ms, ..*slot };
    slot.to_ms = at_ms;
    slots.insert(at + 1, rest);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::sample::GpuSample;
    use crate::model::{Sample, Stamp};

    /// So many seconds of one GPU.
    fn observed(seconds: i64) -> Charges {
        let mut charges = Charges::default();
        for second in 1..=seconds {
            charges.tick(&second_of(second));
        }
        charges
    }

    fn second_of(second: i64) -> Frame {
        let stamp = Stamp { unix_ms: second * 1000, mono_ms: second as u64 * 1000 };
        let gpus = vec![GpuSample::default()];
        let sample = Arc::new(Sample { stamp, gpus, ..Sample::default() });
        Frame { sample, span_seconds: Some(1.0), ..Frame::default() }
    }

    fn lost(low: f64, high: f64) -> Lost {
        Lost::of([GpuId(0)], low, high).unwrap()
    }

    fn close_to(is: Option<[f64; 3]>, should: [f64; 3]) {
        let is = is.unwrap();
        let near = is.iter().zip(should).all(|(is, should)| (is - should).abs() < 1e-6);
        assert!(near, "{is:?} is not {should:?}");
    }

    #[test]
    fn a_second_that_was_charged_is_not_charged_again() {
        let mut charges = observed(100);
        close_to(charges.charge(&lost(0.2, 0.6), 50_000, i64::MAX), [10.0, 20.0, 30.0]);
        // Of the same seconds 40 % is left, of those before all.
        close_to(charges.charge(&lost(1.0, 1.0), 40_000, i64::MAX), [30.0; 3]);
        close_to(charges.charge(&lost(1.0, 1.0), 40_000, 90_000), [0.0; 3]);
        close_to(charges.charge(&lost(1.0, 1.0), i64::MIN, i64::MAX), [40.0; 3]);
    }

    #[test]
    fn time_that_nobody_saw_costs_nothing() {
        let mut charges = observed(10);
        assert_eq!(charges.charge(&lost(1.0, 1.0), 20_000, i64::MAX), None);
        assert_eq!(charges.charge(&Lost::of([GpuId(7)], 1.0, 1.0).unwrap(), 0, 9000), None);
        assert_eq!(Lost::of([], 1.0, 1.0), None);
    }

    #[test]
    fn idle_hours_are_remembered_as_one_stretch() {
        let mut charges = observed(3 * 3600);
        assert_eq!(charges.slots[&GpuId(0)].len(), 1);
        for second in 3 * 3600 + 1..4 * 3600 {
            charges.tick(&second_of(second));
            charges.charge(&lost(0.5, 0.5), charges.tick_start_ms(), i64::MAX);
        }
        assert!(charges.slots[&GpuId(0)].len() <= 3, "{:?}", charges.slots);
    }

    #[test]
    fn a_clock_that_was_set_back_loses_what_was_remembered_and_counts_nothing_twice() {
        let mut charges = observed(100);
        close_to(charges.charge(&lost(1.0, 1.0), 90_000, i64::MAX), [10.0; 3]);
        charges.tick(&second_of(50));
        close_to(charges.charge(&lost(1.0, 1.0), 0, i64::MAX), [1.0; 3]);
    }
}
