//! Hands over the samples of a session when their time has come, from wherever the user wants.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until};

use crate::app::{Mark, Whole};
use crate::history::History;
use crate::model::{Sample, Stamp};
use crate::record::{Pair, SessionFile};

use super::super::pipeline::Drawn;
use super::analysis::Analysis;
use super::marks;
use super::past::Past;
use super::way::Way;

/// No pause between two samples is kept longer: a box that slept for a night does not for the viewer.
const PAUSE_MAX_MS: u64 = 10_000;
/// Between two looks at a file that is followed.
const LOOK: Duration = Duration::from_millis(300);
/// On the way to a moment, between two looks for a key.
const SLICE: Duration = Duration::from_millis(10);
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
    way: Option<Way>,
}

/// A sample whose time has come.
pub(in crate::run) struct Coming {
    /// What follows from all before it, where it was gone to and does not follow the one before.
    pub drawn: Option<Box<Drawn>>,
    /// The sample.
    pub sample: Arc<Sample>,
}

impl Player {
    /// Plays from the first tick on.
    pub(super) fn new(file: SessionFile, speed: f64, follow: bool, analysis: Analysis) -> Self {
        let next = file.samples(file.span().0.mono_ms, u64::MAX).next();
        let due = Instant::now();
        Self { file, analysis, follow, speed, played: None, next, due, past: None, way: None }
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
    pub(in crate::run) async fn next(&mut self) -> Option<Coming> {
        while self.is_on_its_way() {
            if self.go_on(SLICE) {
                return self.arrive();
            }
            yield_now().await;
        }
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
        Some(Coming { drawn: None, sample })
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

    /// Sets out for a moment, to come to what the live screen would have come to: with the engine
    /// from the nearest place that it can go on from, and the plots of the longest time axis.
    pub(in crate::run) fn go_to(&mut self, at_ms: u64) {
        let Some((_, target)) = self.file.at(at_ms) else { return };
        let (engine, stood) = self.analysis.before(target.stamp.mono_ms);
        self.way = Some(Way::new(&self.file, engine, stood, target));
    }

    /// Whether it has set out for a moment and has not arrived.
    pub(in crate::run) const fn is_on_its_way(&self) -> bool {
        self.way.is_some()
    }

    /// Leaves the way where it is.
    pub(in crate::run) fn stay(&mut self) {
        self.way = None;
    }

    /// Goes on for so long at most. True where nothing is left of the way.
    pub(in crate::run) fn go_on(&mut self, most: Duration) -> bool {
        let until = Instant::now() + most;
        self.way.as_mut().is_none_or(|way| way.go_on(&self.file, until))
    }

    /// Arrives, with what was made on the way.
    pub(in crate::run) fn arrive(&mut self) -> Option<Coming> {
        let Way { drawn, target, .. } = self.way.take()?;
        self.hand_over(&target);
        self.due = self.due.max(Instant::now());
        Some(Coming { drawn: Some(Box::new(drawn)), sample: target })
    }

    /// The last tick at or before a moment, and the one before it.
    pub(in crate::run) fn at(&self, mono_ms: u64) -> Option<Pair> {
        self.file.at(mono_ms)
    }

    /// Reads on for so long at most in what the plots of a window need. True where nothing of it is
    /// left to read.
    pub(in crate::run) fn read_past(&mut self, from_ms: u64, to_ms: u64, most: Duration) -> bool {
        let (first, last) = self.file.span();
        let (from_ms, to_ms) = (from_ms.max(first.mono_ms), to_ms.min(last.mono_ms));
        let begun = self.past.take().filter(|past| past.holds(from_ms, to_ms));
        let begun = begun.unwrap_or_else(|| Past::around(&self.file, from_ms, to_ms));
        let past = self.past.insert(begun);
        if !past.is_whole() {
            past.read(&self.file, Instant::now() + most);
        }
        past.is_whole()
    }

    /// The plots that were read last, as far as they are.
    pub(in crate::run) fn past(&self) -> Option<&History> {
        self.past.as_ref().map(|past| &past.history)
    }
}
