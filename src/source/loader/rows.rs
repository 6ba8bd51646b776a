//! Rows of loaders of which nothing can be seen now, or nothing at all.

use crate::model::metric::{Cell, Kind, Section};
use crate::model::sample::LoaderSample;
use crate::model::{Gap, LoaderId, Pid, Reading};

/// Empties what a row says of this moment. Counts stay: a window over them ends here.
pub(super) fn blank(row: &mut LoaderSample, gap: Gap) {
    empty(row, gap, |kind| matches!(kind, Kind::Gauge | Kind::State));
}

/// Empties the counts too.
fn blank_all(row: &mut LoaderSample, gap: Gap) {
    empty(row, gap, |kind| kind != Kind::Id);
}

fn empty(row: &mut LoaderSample, gap: Gap, which: impl Fn(Kind) -> bool) {
    for (index, spec) in LoaderSample::COLUMNS.iter().enumerate() {
        if which(spec.kind) {
            row.set(index, Cell::Null(gap));
        }
    }
}

/// A trainer whose descriptors may not be read, with the workers that their names give away.
pub(super) fn denied(loader: LoaderId, pid: Pid, workers: usize) -> LoaderSample {
    let mut row = LoaderSample { pid, loader, ..Default::default() };
    blank_all(&mut row, Gap::Denied);
    if workers > 0 {
        row.workers = Reading::Is(workers as u64);
    }
    row
}

/// A trainer without workers: there is no queue, and its wait cannot be told from its work.
pub(super) fn without_workers(loader: LoaderId, pid: Pid) -> LoaderSample {
    let mut row = LoaderSample { pid, loader, ..Default::default() };
    blank_all(&mut row, Gap::NotApplicable);
    row.workers = Reading::Is(0);
    row.wait_source = Reading::Not(Gap::Unsupported);
    row.wait_bound = Reading::Not(Gap::Unsupported);
    row.wait_samples_total = Reading::Not(Gap::Unsupported);
    row.steps_total = Reading::Not(Gap::Unsupported);
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loader_that_is_gone_says_nothing_of_now_and_keeps_its_counts() {
        let mut row = LoaderSample {
            ready: Reading::Is(3),
            main_state: Reading::Is("running".into()),
            samples_total: Reading::Is(70),
            ..LoaderSample::default()
        };
        blank(&mut row, Gap::Lost);
        assert_eq!(row.ready, Reading::Not(Gap::Lost));
        assert_eq!(row.main_state, Reading::Not(Gap::Lost));
        assert_eq!(row.samples_total, Reading::Is(70));
    }
}
