//! What a loader did in the last seconds: one set of figures for gauge, pace and words.

use crate::history::Track;
use crate::model::sample::{LoaderSample, WorkerSample};
use crate::model::{Bound, Frame, LoaderId};
use crate::view::focus::Look;

/// Workers that are hardly ever at work say nothing of how much they could make.
const BUSY_LEAST: f64 = 0.02;
/// A loop that hardly ever does anything but wait says nothing of how much it could take.
const MOVES_LEAST: f64 = 0.02;

/// Seconds before the shown moment that figures are means of. The window in view may hold several
/// phases, of which a mean is true for none.
const SPAN: u64 = 10;
/// The same where the shorter one holds too few steps.
const LONG_SPAN: u64 = 30;
const STEPS_LEAST: f64 = 20.0;

/// Means over the last seconds before the shown moment. Each is `None` where nothing of it is known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Over {
    /// How many seconds.
    pub(super) seconds: u64,
    /// Share of time in which the loop waits, and how it relates to the truth.
    pub(super) wait: Option<f64>,
    pub(super) wait_bound: Option<Bound>,
    /// Batches that the loop takes a second.
    pub(super) steps: Option<f64>,
    /// Share of the workers' time without work.
    pub(super) idle: Option<f64>,
    /// Share of time without a batch ready.
    pub(super) empty: Option<f64>,
}

impl Over {
    /// Of a loader.
    pub(super) fn of(look: &Look<'_>, loader: LoaderId) -> Self {
        let short = mean(look, &Track::LoaderSteps(loader), SPAN);
        let holds_enough = short.is_some_and(|steps| steps * SPAN as f64 >= STEPS_LEAST);
        let seconds = if holds_enough { SPAN } else { LONG_SPAN };
        let over = |track| mean(look, &track, seconds);
        Self {
            seconds,
            wait: over(Track::LoaderWait(loader)),
            wait_bound: row(look, loader).and_then(|row| row.wait_bound.ok()),
            steps: over(Track::LoaderSteps(loader)),
            idle: over(Track::WorkersIdle(loader)),
            empty: over(Track::LoaderEmpty(loader)),
        }
    }

    /// Batches a second that the workers would make if they were never without work.
    pub(super) fn supply(&self) -> Option<f64> {
        let busy = 1.0 - self.idle?;
        (busy >= BUSY_LEAST).then_some(self.steps? / busy)
    }

    /// Batches a second that the loop would take if it never waited.
    pub(super) fn demand(&self) -> Option<f64> {
        let moves = 1.0 - self.wait?;
        (moves >= MOVES_LEAST).then_some(self.steps? / moves)
    }

    /// The mark before what follows from the wait: a wait of at least so much makes a demand of at
    /// least so much.
    pub(super) fn mark(&self) -> &'static str {
        self.wait_bound.unwrap_or(Bound::Doubtful).mark()
    }

    /// Seconds that the loop waits for each batch.
    pub(super) fn wait_seconds(&self) -> Option<f64> {
        let steps = self.steps.filter(|steps| *steps > 0.0)?;
        Some(self.wait? / steps)
    }
}

/// The mean of a quantity over the last seconds before the shown moment.
pub(super) fn mean(look: &Look<'_>, of: &Track, seconds: u64) -> Option<f64> {
    let to = look.state.transport.cursor().unwrap_or_else(|| look.state.reach().newest_ms);
    let values = look.past.values(of, (to + 1).saturating_sub(seconds * 1000), to);
    let values: Vec<f64> = values.into_iter().map(f64::from).filter(|v| v.is_finite()).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The loader's row at the moment that is shown.
pub(super) fn row<'a>(look: &Look<'a>, loader: LoaderId) -> Option<&'a LoaderSample> {
    look.frame?.sample.loaders.iter().find(|row| row.loader == loader)
}

/// The rows of a loader's workers at the moment that is shown, by their numbers.
pub(super) fn worker_rows(frame: &Frame, loader: LoaderId) -> Vec<&WorkerSample> {
    let of_loader = frame.sample.workers.iter().filter(|row| row.loader == loader);
    let mut rows: Vec<&WorkerSample> = of_loader.collect();
    rows.sort_by_key(|row| row.worker.ok().unwrap_or(u64::MAX));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn supply_and_demand_follow_from_the_pace_and_from_who_waits() {
        let starved =
            Over { steps: Some(2.0), wait: Some(0.5), idle: Some(0.0), ..Over::default() };
        assert_eq!((starved.supply(), starved.demand()), (Some(2.0), Some(4.0)));
        assert_eq!(starved.wait_seconds(), Some(0.25));
        let ahead = Over { steps: Some(2.0), wait: Some(0.0), idle: Some(0.5), ..Over::default() };
        assert_eq!((ahead.supply(), ahead.demand()), (Some(4.0), Some(2.0)));
    }

    #[test]
    fn nothing_is_made_up_where_nothing_was_seen() {
        let idle = Over { steps: Some(0.0), wait: Some(0.0), idle: Some(1.0), ..Over::default() };
        assert_eq!((idle.supply(), idle.wait_seconds()), (None, None));
        let stuck = Over { steps: Some(0.0), wait: Some(1.0), idle: Some(0.0), ..Over::default() };
        assert_eq!((stuck.demand(), Over::default().supply()), (None, None));
    }
}
