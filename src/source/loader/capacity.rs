//! How many batches a loader has under way in all: `num_workers × prefetch_factor`, inferred from
//! what was seen.
//!
//! Two kinds of evidence: the span from the lowest finished index to the newest task can only be
//! too small; the count of batches in all places may be one too high, where a worker was just woken
//! and its task still stands in its queue. So a span is believed soon, a count only as a habit.

/// Looks at one span before it is believed.
const SPANS: u32 = 3;
/// Counts of one window.
const WINDOW: u32 = 40;
/// Looks that found at least so many under way, before that many are believed.
const HIGHEST: usize = 3;
/// Looks after which those are forgotten.
const HIGHEST_LOOKS: u32 = 400;
/// Looks at exactly the capacity before it counts as read.
const HITS: u32 = 3;

/// The capacity as far as it was revealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    workers: u64,
    prefetch_factor: u64,
    hits: u32,
    window: Window,
    /// The highest counts where finished batches are out of sight, least first, and in how many looks.
    highest: [u64; HIGHEST],
    partial: u32,
}

/// How much of what is under way a look counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// All of it.
    All,
    /// Finished batches are out of sight, but the loop waits: there are none.
    Waited,
    /// Finished batches are out of sight.
    Part,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Window {
    looks: u32,
    above: u32,
    least_above: Option<u64>,
    at_one_each: u32,
    spans: u32,
    least_span: Option<u64>,
}

impl Capacity {
    /// Of a loader with that many workers, at torch's default of two batches ahead for each.
    pub fn new(workers: u64) -> Self {
        Self {
            workers,
            prefetch_factor: 2,
            hits: 0,
            window: Window::default(),
            highest: [0; HIGHEST],
            partial: 0,
        }
    }

    /// A look found that many batches under way, and indices that span so many where both ends of
    /// the span could be seen.
    pub fn see(&mut self, under_way: u64, span: Option<u64>, sight: Sight) {
        if self.workers == 0 {
            return;
        }
        let capacity = self.get();
        let window = &mut self.window;
        window.looks += 1;
        let counts = sight != Sight::Part;
        self.hits = self.hits.saturating_add(u32::from(counts && under_way == capacity));
        if under_way > capacity {
            window.above += 1;
            window.least_above = Some(window.least_above.map_or(under_way, |n| n.min(under_way)));
        }
        if let Some(span) = span.filter(|&span| span > capacity) {
            window.spans += 1;
            window.least_span = Some(window.least_span.map_or(span, |n| n.min(span)));
        }
        window.at_one_each += u32::from(sight == Sight::All && under_way == self.workers);
        let Window { looks, above, least_above, at_one_each, spans, least_span } = *window;
        if spans >= SPANS {
            self.settle(least_span);
        } else if sight != Sight::All {
            self.raise(under_way);
        } else if looks >= 10 && above * 3 >= looks {
            self.settle(least_above);
        } else if looks >= WINDOW {
            if above == 0 && self.hits == 0 && at_one_each * 2 >= looks {
                self.settle(Some(self.workers));
            }
            self.window = Window::default();
        }
    }

    /// With batches out of sight, the most that was counted is what is nearest.
    fn raise(&mut self, under_way: u64) {
        if self.partial >= HIGHEST_LOOKS {
            (self.highest, self.partial) = ([0; HIGHEST], 0);
        }
        self.partial += 1;
        if under_way > self.highest[0] {
            self.highest[0] = under_way;
            self.highest.sort_unstable();
        }
        // It may be one too many, which is forgiven; a single worker's queue leaves no room for that.
        let most = self.highest[0].saturating_sub(u64::from(self.workers > 1));
        if most > self.get() {
            *self =
                Self { prefetch_factor: most.div_ceil(self.workers), ..Self::new(self.workers) };
        }
    }

    fn settle(&mut self, seen: Option<u64>) {
        let factor = seen.unwrap_or_default().div_ceil(self.workers).max(1);
        let hits = u32::from(factor * self.workers == seen.unwrap_or_default()) * HITS;
        *self = Self { prefetch_factor: factor, hits, ..Self::new(self.workers) };
    }

    /// The capacity, or the most that is known of it.
    pub fn get(&self) -> u64 {
        self.workers.saturating_mul(self.prefetch_factor)
    }

    /// Batches ahead for each worker.
    pub fn prefetch_factor(&self) -> u64 {
        self.prefetch_factor
    }

    /// The capacity, once so many were seen under way, and not more as a habit.
    pub fn exact(&self) -> Option<u64> {
        (self.hits >= HITS).then(|| self.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_assumed_until_looks_reveal_it() {
        let mut capacity = Capacity::new(4);
        assert_eq!((capacity.get(), capacity.exact()), (8, None));
        for _ in 0..3 {
            capacity.see(8, None, Sight::All);
        }
        assert_eq!(capacity.exact(), Some(8));
    }

    #[test]
    fn a_span_of_indices_reveals_a_larger_prefetch_factor_at_once() {
        let mut capacity = Capacity::new(8);
        for _ in 0..3 {
            capacity.see(29, Some(30), Sight::All);
        }
        assert_eq!((capacity.prefetch_factor(), capacity.exact()), (4, None));
        for _ in 0..3 {
            capacity.see(32, None, Sight::All);
        }
        assert_eq!(capacity.exact(), Some(32));
    }

    #[test]
    fn a_starved_loader_reveals_it_by_counting() {
        let mut capacity = Capacity::new(2);
        for _ in 0..20 {
            capacity.see(8, None, Sight::All);
        }
        assert_eq!(capacity.exact(), Some(8));
    }

    #[test]
    fn workers_just_woken_are_not_taken_for_more_batches() {
        let mut capacity = Capacity::new(2);
        for look in 0..1000 {
            capacity.see(if look % 5 == 0 { 5 } else { 4 }, Some(4), Sight::All);
        }
        assert_eq!(capacity.exact(), Some(4));
    }

    #[test]
    fn one_batch_ahead_for_each_worker_is_found_where_all_can_be_seen() {
        let (mut plain, mut pinned) = (Capacity::new(4), Capacity::new(4));
        for _ in 0..50 {
            plain.see(4, Some(4), Sight::All);
            pinned.see(4, None, Sight::Part);
        }
        assert_eq!((plain.get(), pinned.get()), (4, 8));
    }

    #[test]
    fn a_queue_whose_finished_batches_are_out_of_sight_is_exact_only_once_the_loop_waited() {
        let mut capacity = Capacity::new(4);
        // It fills and drains between 8 and 30 under way, and is never seen empty.
        for look in 0..500_u64 {
            capacity.see(8 + look % 23, None, Sight::Part);
        }
        assert_eq!((capacity.get(), capacity.exact()), (32, None));
        for _ in 0..3 {
            capacity.see(32, None, Sight::Waited);
        }
        assert_eq!(capacity.exact(), Some(32));
    }

    #[test]
    fn one_batch_too_many_raises_nothing_where_the_finished_ones_are_out_of_sight() {
        let mut capacity = Capacity::new(4);
        for look in 0..500_u64 {
            capacity.see(if look % 5 == 0 { 9 } else { 8 }, None, Sight::Waited);
        }
        assert_eq!(capacity.exact(), Some(8));
    }
}
