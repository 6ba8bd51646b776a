//! A table over time that never outgrows its limit: neighbours are put together as it fills.

use std::collections::BTreeMap;

use crate::history::{Bucket, Sum};

/// Columns at most: a box with more devices than that keeps the first ones.
const MAX_COLUMNS: usize = 160;

/// Moments and, for each column, what was at each. A row without any value is a gap.
#[derive(Debug)]
pub(super) struct Rows<K> {
    limit: usize,
    /// Ticks that a whole row holds.
    ticks_a_row: u32,
    /// Ticks that the last row holds.
    filled: u32,
    times: Vec<Row>,
    columns: BTreeMap<K, Vec<Sum>>,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    at_ms: u64,
    gap: bool,
}

impl<K: Ord + Clone> Rows<K> {
    /// A table of `limit` to twice as many rows.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, ticks_a_row: 1, filled: 0, times: Vec::new(), columns: BTreeMap::new() }
    }

    /// Adds a tick. Where it does not follow the one before, a gap comes between.
    pub(super) fn push(&mut self, at_ms: u64, follows: bool, values: Vec<(K, Bucket)>) {
        if !follows && let Some(last) = self.times.last().copied() {
            self.row(Row { at_ms: last.at_ms + 1, gap: true });
            self.filled = self.ticks_a_row;
        }
        if self.times.is_empty() || self.filled >= self.ticks_a_row {
            self.row(Row { at_ms, gap: false });
            self.filled = 0;
        }
        self.filled += 1;
        if let Some(row) = self.times.last_mut() {
            row.at_ms = at_ms;
        }
        let rows = self.times.len();
        for (key, value) in values {
            let room = self.columns.len() < MAX_COLUMNS;
            if !room && !self.columns.contains_key(&key) {
                continue;
            }
            let column = self.columns.entry(key).or_default();
            column.resize(rows, Sum::default());
            if let Some(sum) = column.last_mut() {
                sum.add_bucket(value);
            }
        }
        if rows > 2 * self.limit {
            self.halve();
        }
    }

    fn row(&mut self, row: Row) {
        self.times.push(row);
    }

    /// Puts every two rows together that no gap parts; where there is little but gaps, those too.
    fn halve(&mut self) {
        let rows = self.times.len();
        let gaps = self.times.iter().filter(|row| row.gap).count();
        let parts = |row: Row| row.gap && gaps <= self.limit / 2;
        let mut kept: Vec<(usize, usize)> = Vec::with_capacity(rows / 2 + 1);
        let mut at = 0;
        while at < rows {
            let alone = at + 1 == rows || parts(self.times[at]) || parts(self.times[at + 1]);
            let end = if alone { at + 1 } else { at + 2 };
            kept.push((at, end));
            at = end;
        }
        for column in self.columns.values_mut() {
            column.resize(rows, Sum::default());
            *column = kept
                .iter()
                .map(|&(from, to)| {
                    let mut sum = Sum::default();
                    column[from..to].iter().for_each(|part| sum.merge(*part));
                    sum
                })
                .collect();
        }
        let row = |&(from, to): &(usize, usize)| Row {
            at_ms: self.times[to - 1].at_ms,
            gap: self.times[from..to].iter().all(|row| row.gap),
        };
        self.times = kept.iter().map(row).collect();
        self.ticks_a_row = self.ticks_a_row.saturating_mul(2);
        // The last row is begun anew rather than filled up: it may hold fewer ticks than the others.
        self.filled = self.ticks_a_row;
    }

    /// Whether rows hold more than a tick, so that a row is a range.
    pub(super) const fn coarse(&self) -> bool {
        self.ticks_a_row > 1
    }

    /// The moments by the monotonic clock, and the columns, all equally long.
    pub(super) fn finish(self) -> (Vec<u64>, BTreeMap<K, Vec<Option<Bucket>>>) {
        let rows = self.times.len();
        let columns = self.columns.into_iter().map(|(key, mut column)| {
            column.resize(rows, Sum::default());
            (key, column.into_iter().map(Sum::bucket).collect())
        });
        (self.times.iter().map(|row| row.at_ms).collect(), columns.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(value: f32) -> Bucket {
        Bucket { min: value, mean: value, max: value }
    }

    #[test]
    fn what_fits_is_kept_tick_by_tick_with_its_gaps() {
        let mut rows = Rows::new(8);
        rows.push(1000, true, vec![('a', value(1.0))]);
        rows.push(2000, true, vec![('a', value(2.0)), ('b', value(5.0))]);
        rows.push(9000, false, vec![('a', value(3.0))]);
        let (times, columns) = rows.finish();
        assert_eq!(times, [1000, 2000, 2001, 9000]);
        let a: Vec<_> = columns[&'a'].iter().map(|cell| cell.map(|cell| cell.mean)).collect();
        assert_eq!(a, [Some(1.0), Some(2.0), None, Some(3.0)]);
        assert_eq!(columns[&'b'].iter().filter(|cell| cell.is_some()).count(), 1);
    }

    #[test]
    fn a_session_of_nothing_but_gaps_stays_small() {
        let mut rows = Rows::new(16);
        for tick in 0..5000_u64 {
            rows.push(tick * 60_000, false, vec![('a', value(1.0))]);
        }
        assert!(rows.finish().0.len() <= 34);
    }

    #[test]
    fn what_does_not_fit_keeps_its_extremes_its_mean_and_its_gaps() {
        let mut rows = Rows::new(16);
        for tick in 0..1000_u64 {
            let spike = if tick == 417 { 100.0 } else { 1.0 };
            rows.push(tick * 1000, tick != 500, vec![('a', value(spike))]);
        }
        assert!(rows.coarse());
        let (times, columns) = rows.finish();
        assert!((16..=33).contains(&times.len()), "{}", times.len());
        assert!(times.is_sorted());
        let cells = &columns[&'a'];
        let most = cells.iter().flatten().map(|cell| cell.max).reduce(f32::max);
        assert_eq!(most, Some(100.0));
        assert!(cells.iter().flatten().all(|cell| (1.0..=100.0).contains(&cell.mean)));
        // The hole between ticks 499 and 500 is nobody's.
        let gap = cells.iter().position(Option::is_none).unwrap();
        assert!(times[gap] > 499_000 - 1 && times[gap] < 500_000);
    }
}
