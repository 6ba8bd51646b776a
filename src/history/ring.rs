//! A ring of fixed size that forgets its oldest entry.

use ringbuf::HeapRb;
use ringbuf::traits::{Consumer, Observer, RingBuffer};

/// The last so many entries, oldest first.
///
/// Memory for all of them is reserved at once and touched only as it fills.
pub struct Ring<T: Copy> {
    inner: HeapRb<T>,
}

impl<T: Copy> Ring<T> {
    /// A ring of `capacity` entries; at least one.
    pub fn new(capacity: usize) -> Self {
        Self { inner: HeapRb::new(capacity.max(1)) }
    }

    /// Adds an entry, in place of the oldest where the ring is full.
    pub fn push(&mut self, value: T) {
        self.inner.push_overwrite(value);
    }

    /// Entries held.
    pub fn len(&self) -> usize {
        self.inner.occupied_len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.inner.is_empty()
    }

    /// Entry `index`, counted from the oldest.
    pub fn get(&self, index: usize) -> Option<T> {
        let (older, newer) = self.inner.as_slices();
        older.get(index).or_else(|| newer.get(index.checked_sub(older.len())?)).copied()
    }

    /// The newest entry.
    pub fn last(&self) -> Option<T> {
        self.inner.last().copied()
    }

    /// The number of leading entries for which `before` holds, when it holds for none after the
    /// first for which it does not.
    pub fn partition_point(&self, mut before: impl FnMut(&T) -> bool) -> usize {
        let (older, newer) = self.inner.as_slices();
        let at = older.partition_point(&mut before);
        if at < older.len() { at } else { at + newer.partition_point(before) }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.inner.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_ring_forgets_its_oldest_entry_and_keeps_the_order() {
        let mut ring = Ring::new(3);
        for value in 1..=5 {
            ring.push(value);
        }
        assert_eq!(
            (0..4).map(|at| ring.get(at)).collect::<Vec<_>>(),
            [Some(3), Some(4), Some(5), None]
        );
        assert_eq!((ring.len(), ring.last()), (3, Some(5)));
        assert_eq!(ring.partition_point(|value| *value < 5), 2);
        assert_eq!(ring.partition_point(|value| *value < 9), 3);
    }

    #[test]
    fn a_ring_of_nothing_still_holds_the_newest_entry() {
        let mut ring = Ring::new(0);
        ring.push(1);
        ring.push(2);
        assert_eq!((ring.len(), ring.get(0)), (1, Some(2)));
    }
}
