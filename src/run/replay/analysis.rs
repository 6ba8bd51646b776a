//! Goes through a whole session once, beside the screen: its findings, derived anew from the raw
//! samples, its overview, and places from which the engine can go on.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::app::Whole;
use crate::diagnose::audit::Watched;
use crate::diagnose::{Change, Engine, Settings};
use crate::history::Bucket;
use crate::model::{Finding, Sample};
use crate::record::{Extent, Series, SessionFile};

use super::super::pipeline::Pipeline;

/// Parts of the overview: more than any terminal has columns.
const PARTS: usize = 512;
/// Findings of a session at most.
const MAX_FINDINGS: usize = 4096;
/// Places to go on from: twice this many at most. An engine takes some hundred kilobytes.
const PLACES: usize = 16;
/// Between two places at first; doubled whenever there are too many of them.
const SPACING_MS: u64 = 60_000;
/// Between two reports to the screen.
const REPORT: Duration = Duration::from_millis(200);
/// Between two looks at a file that is followed.
const LOOK: Duration = Duration::from_millis(500);

/// What goes through the session.
#[derive(Debug)]
pub(super) struct Analysis {
    /// What was found so far.
    pub whole: watch::Receiver<Arc<Whole>>,
    places: Arc<Mutex<Places>>,
    settings: Settings,
}

/// Engines as they stood, by the moment of the last tick that each took in.
#[derive(Default)]
struct Places {
    kept: Vec<(u64, Engine, Arc<Sample>)>,
    spacing_ms: u64,
}

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Places").field("kept", &self.kept.len()).finish_non_exhaustive()
    }
}

impl Places {
    fn offer(&mut self, at_ms: u64, engine: &Engine, sample: &Arc<Sample>) {
        let spacing = self.spacing_ms.max(SPACING_MS);
        let due = self.kept.last().is_none_or(|(last, ..)| at_ms.saturating_sub(*last) >= spacing);
        if !due {
            return;
        }
        self.kept.push((at_ms, engine.clone(), Arc::clone(sample)));
        if self.kept.len() > 2 * PLACES {
            self.spacing_ms = spacing * 2;
            let mut odd = false;
            self.kept.retain(|_| {
                odd = !odd;
                odd
            });
        }
    }
}

impl Analysis {
    /// Starts to go through a session. Nobody waits for the thread: it ends when nobody listens.
    pub(super) fn start(file: SessionFile, settings: Settings, follow: bool) -> io::Result<Self> {
        let (first, last) = file.span();
        let whole = Whole { span_ms: (first.mono_ms, last.mono_ms), ..Whole::default() };
        let (sender, whole) = watch::channel(Arc::new(whole));
        let places = Arc::new(Mutex::new(Places::default()));
        let work = Work {
            file,
            pipeline: Pipeline::new(settings.clone()),
            sender,
            places: Arc::clone(&places),
            findings: Vec::new(),
            overview: Vec::new(),
        };
        thread::Builder::new().name("analysis".into()).spawn(move || work.run(follow))?;
        Ok(Self { whole, places, settings })
    }

    /// An engine that stood before a moment, and the last sample that it took in: the nearest one
    /// kept, or a new one.
    pub(super) fn before(&self, at_ms: u64) -> (Engine, Option<Arc<Sample>>) {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let near = places.kept.iter().rfind(|(kept_ms, ..)| *kept_ms < at_ms);
        near.map_or_else(
            || (Engine::new(self.settings.clone()), None),
            |(_, engine, sample)| (engine.clone(), Some(Arc::clone(sample))),
        )
    }
}

struct Work {
    file: SessionFile,
    pipeline: Pipeline,
    sender: watch::Sender<Arc<Whole>>,
    places: Arc<Mutex<Places>>,
    findings: Vec<Finding>,
    overview: Vec<Option<Bucket>>,
}

impl Work {
    fn run(mut self, follow: bool) {
        let (first, mut last) = self.file.span();
        let mut from_ms = first.mono_ms;
        loop {
            self.overview = overview(&self.file);
            if !self.go_through(from_ms, last.mono_ms) || !self.report(true) || !follow {
                return;
            }
            from_ms = last.mono_ms.saturating_add(1);
            // A file that is gone or unreadable now may come back, as over a network.
            while !self.file.follow().unwrap_or(false) {
                thread::sleep(LOOK);
                if self.sender.is_closed() {
                    return;
                }
            }
            last = self.file.span().1;
        }
    }

    /// False where nobody listens any more.
    fn go_through(&mut self, from_ms: u64, to_ms: u64) -> bool {
        let mut reported = Instant::now();
        let Self { file, pipeline, places, findings, sender, overview } = self;
        file.read_ahead((from_ms, to_ms), |samples| {
            for sample in samples {
                let (frame, changes) = pipeline.push(Arc::clone(&sample));
                for change in changes {
                    note(findings, change);
                }
                let at_ms = frame.sample.stamp.mono_ms;
                let mut places = places.lock().unwrap_or_else(PoisonError::into_inner);
                places.offer(at_ms, &pipeline.engine, &sample);
                drop(places);
                if reported.elapsed() >= REPORT {
                    if sender.is_closed() {
                        return false;
                    }
                    let whole = whole(file, findings, pipeline.engine.watched(), overview, false);
                    let _ = sender.send(Arc::new(whole));
                    reported = Instant::now();
                }
            }
            true
        })
    }

    fn report(&self, complete: bool) -> bool {
        let watched = self.pipeline.engine.watched();
        let whole = whole(&self.file, &self.findings, watched, &self.overview, complete);
        self.sender.send(Arc::new(whole)).is_ok()
    }
}

fn whole(
    file: &SessionFile,
    findings: &[Finding],
    watched: &Watched,
    overview: &[Option<Bucket>],
    complete: bool,
) -> Whole {
    let (first, last) = file.span();
    Whole {
        span_ms: (first.mono_ms, last.mono_ms),
        findings: findings.to_vec(),
        watched: watched.clone(),
        overview: overview.to_vec(),
        complete,
    }
}

/// Keeps each finding as it was told last, by number.
fn note(findings: &mut Vec<Finding>, change: Change) {
    let (Change::Opened(finding) | Change::Updated(finding) | Change::Closed(finding)) = change;
    match findings.binary_search_by_key(&finding.id, |known| known.id) {
        Ok(at) => findings[at] = finding,
        Err(at) if findings.len() < MAX_FINDINGS => findings.insert(at, finding),
        Err(_) => {}
    }
}

fn overview(file: &SessionFile) -> Vec<Option<Bucket>> {
    let (first, last) = file.span();
    let parts = file.overview(&[Series::GpuUtil], first.mono_ms, last.mono_ms, PARTS);
    let bucket = |extent: Extent| Bucket { min: extent.min, mean: extent.mean, max: extent.max };
    let parts = parts.into_iter().next().unwrap_or_default();
    parts.into_iter().map(|part| part.map(bucket)).collect()
}
