//! Hands over the samples of a session when their time has come, from wherever the user wants.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::app::{Mark, Whole};
use crate::history::History;
use crate::model::{Sample, Stamp};
use crate::record::{Pair, SessionFile};

use super::super::pipeline::Pipeline;
use super::analysis::Analysis;
use super::past::Past;
use super::{frame, marks};

/// No pause between two samples is kept longer: a box that slept for a night does not for the viewer.
const PAUSE_MAX_MS: u64 = 10_000;
/// Between two looks at a file that is followed.
const LOOK: Duration = Duration::from_millis(300);
/// The plots of a moment that is played from: the longest time axis.
const PLOTTED_MS: u64 = 1_800_000;
/// What is played late by more than this is played from now on, not caught up with.
const LATE: Duration = Duration::from_millis(500);

/// A session while it is looked at.
#[derive(Debug)]
pub(in crate::run) struct Player {
    file: SessionFile,
    analysis: Analysis,
    follow: bool,
    speed: f64,
    /// The last tick that was handed over.
    played: Option<Stamp>,
    /// The next one, and when it is due.
    next: Option<Arc<Sample>>,
    due: Instant,
    past: Option<Past>,
}

impl Player {
    /// Plays from the first tick on.
    pub(super) fn new(file: SessionFile, speed: f64, follow: bool, analysis: Analysis) -> Self {
        let next = file.samples(file.span().0.mono_ms, u64::MAX).next();
        Self { file, analysis, follow, speed, played: None, next, due: Instant::now(), past: None }
    }

    /// The session.
    pub(in crate::run) const fn file(&self) -> &SessionFile {
        &self.file
    }

    /// What the session holds, as more of it becomes known.
    pub(in crate::run) fn whole(&self) -> watch::Receiver<Arc<Whole>> {
        self.analysis.whole.clone()
    }

    /// Looks whether the file has grown, where it is followed: one can go there while it stands still.
    pub(in crate::run) fn look(&mut self) {
        if self.follow {
            // A file that is gone or unreadable now may come back, as over a network.
            let _ = self.file.follow();
        }
    }

    /// The marks of the session.
    pub(in crate::run) fn marks(&self) -> Vec<Mark> {
        marks(&self.file.events())
    }

    /// The next tick, when its time has come. `None` at the end, where the file is not followed.
    /// Nothing is lost where this is not waited for to its end.
    pub(in crate::run) async fn next(&mut self) -> Option<Arc<Sample>> {
        while self.next.is_none() {
            let played = self.played?;
            self.next = self.file.next(played.mono_ms).map(|(_, sample)| sample);
            if self.next.is_none() {
                if !self.follow {
                    return None;
                }
                sleep(LOOK).await;
                self.look();
            }
        }
        sleep_until(self.due).await;
        let sample = self.next.take()?;
        self.hand_over(&sample);
        Some(sample)
    }

    fn hand_over(&mut self, sample: &Sample) {
        self.played = Some(sample.stamp);
        self.next = self.file.next(sample.stamp.mono_ms).map(|(_, next)| next);
        let pause_ms = self.next.as_ref().map_or(0, |next| {
            next.stamp.mono_ms.saturating_sub(sample.stamp.mono_ms).min(PAUSE_MAX_MS)
        });
        let now = Instant::now();
        if now.saturating_duration_since(self.due) > LATE {
            self.due = now;
        }
        self.due += Duration::from_secs_f64(pause_ms as f64 / 1e3 / self.speed);
    }

    /// Plays on after it stood still.
    pub(in crate::run) fn resume(&mut self) {
        self.due = Instant::now();
    }

    /// Plays at so many times real time from now on.
    pub(in crate::run) fn set_speed(&mut self, speed: f64) {
        self.speed = speed;
        self.due = Instant::now();
    }

    /// What the live screen would have come to at a moment: the engine from the nearest place that
    /// it can go on from, and the plots of the longest time axis.
    pub(in crate::run) fn pipeline_at(&mut self, at_ms: u64) -> Option<(Pipeline, Arc<Sample>)> {
        let (_, target) = self.file.at(at_ms)?;
        let at_ms = target.stamp.mono_ms;
        let (engine, stood) = self.analysis.before(at_ms);
        let first_ms = self.file.span().0.mono_ms;
        let from_ms = stood.as_ref().map_or(first_ms, |sample| sample.stamp.mono_ms + 1);
        let mut pipeline = Pipeline::after(engine, stood);
        let plotted_ms = at_ms.saturating_sub(PLOTTED_MS);
        let mut before = self.file.prev(plotted_ms).map(|(_, sample)| sample);
        for sample in self.file.samples(plotted_ms, from_ms.saturating_sub(1)) {
            let frame = frame((before.replace(Arc::clone(&sample)), sample));
            pipeline.remember(&frame);
        }
        // The moment itself is for the caller to take in.
        pipeline.play(self.file.samples(from_ms, at_ms.saturating_sub(1)), |_, _, _| {});
        self.hand_over(&target);
        self.due = self.due.max(Instant::now());
        Some((pipeline, target))
    }

    /// The last tick at or before a moment, and the one before it.
    pub(in crate::run) fn at(&self, mono_ms: u64) -> Option<Pair> {
        self.file.at(mono_ms)
    }

    /// The plots of a window.
    pub(in crate::run) fn past(&mut self, from_ms: u64, to_ms: u64) -> &History {
        let (first, last) = self.file.span();
        let (from_ms, to_ms) = (from_ms.max(first.mono_ms), to_ms.min(last.mono_ms));
        let read = self.past.take().filter(|past| past.holds(from_ms, to_ms));
        let read = read.unwrap_or_else(|| Past::read(&self.file, from_ms, to_ms));
        &self.past.insert(read).history
    }
}
