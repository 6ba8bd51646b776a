//! What writes a ring: segment after segment, the oldest removed before a new one begins.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::model::{Event, EventKind, Frame, Sample, Severity, Stamp};
use crate::record::head::SessionInfo;
use crate::record::session_file::SessionFile;
use crate::record::verify::cut;
use crate::record::writer::core::{Core, reason};
use crate::record::writer::disk::OpenFile;
use crate::record::writer::{Keep, Options, Progress, Writer};

use super::{Folder, Limits};

/// The longest segment.
const SEGMENT_MS: u64 = 3_600_000;
/// What is pinned around an incident.
const PIN_BEFORE_MS: i64 = 600_000;
const PIN_AFTER_MS: i64 = 300_000;
/// What a copy may take beyond its frames: its head, its index, and the filesystem's blocks.
const PIN_SLACK: u64 = 64 << 10;
/// Incidents that wait for their time after to be over.
const MAX_WAITING: usize = 16;
/// Between two looks at the size and the age of the ring.
const LOOK: Duration = Duration::from_mins(1);
/// Between two looks while the disk is full.
const LOOK_PAUSED: Duration = Duration::from_secs(2);

/// A ring while it is written.
pub struct Flight {
    folder: Folder,
    limits: Limits,
    options: Options,
    info: SessionInfo,
    current: Option<Current>,
    /// What was said by the last tick of whoever wrote the ring before.
    before: Option<(Stamp, Box<str>)>,
    /// Segments of this process with their last moments, which no set clock changes.
    own: VecDeque<(PathBuf, u64)>,
    pins: Vec<Pin>,
    looked: Instant,
    now: Stamp,
    done: Progress,
}

struct Current {
    path: PathBuf,
    begun_ms: u64,
    core: Core<OpenFile>,
}

/// An incident that is to be pinned.
struct Pin {
    what: Box<str>,
    at_ms: i64,
    due_mono_ms: u64,
}

impl Flight {
    /// A ring in a folder that is held by it. `info` is what its segments say of themselves.
    pub fn new(folder: Folder, limits: Limits, options: Options, info: SessionInfo) -> Self {
        let before = folder.segments().ok().and_then(|segments| last_word(&segments));
        let most = limits.segment_bytes();
        // Blocks, and one tick that is larger than those before it.
        let max_bytes = Some(most - most / 16);
        let min_free = limits.min_free;
        let (looked, now) = (Instant::now(), info.clock);
        Self {
            folder,
            limits,
            options: Options { max_bytes, min_free, ..options },
            info,
            current: None,
            before,
            own: VecDeque::new(),
            pins: Vec::new(),
            looked,
            now,
            done: Progress::default(),
        }
    }

    /// Starts its thread.
    pub fn start(self) -> io::Result<Writer> {
        let path = self.folder.path().to_owned();
        Writer::of(&path, move || Ok(self))
    }

    fn kept(&self) -> Option<&Path> {
        self.current.as_ref().map(|current| &*current.path)
    }

    /// Begins a segment with this tick.
    fn begin(&mut self, first: &Sample) -> io::Result<Option<Event>> {
        self.folder.make_room(&self.limits, self.limits.segment_bytes(), None)?;
        let stamp = first.stamp;
        let boot_id = &first.inventory.host.boot_id;
        let path = self.folder.next(stamp, boot_id)?;
        let info = SessionInfo { clock: stamp, ..self.info.clone() };
        let disk = OpenFile::create(&path, self.limits.min_free)?;
        let core = Core::new(disk, info, self.options)?;
        self.current = Some(Current { path, begun_ms: stamp.mono_ms, core });
        Ok(self.before.take().map(|(last, boot)| since(last, &boot, first)))
    }

    /// Ends the segment under way.
    fn close(&mut self, t_ms: i64, reason: &str) -> io::Result<()> {
        let Some(mut current) = self.current.take() else { return Ok(()) };
        let result = current.core.end(t_ms, reason);
        let progress = current.core.progress();
        self.done.bytes += progress.bytes;
        self.done.ticks += progress.ticks;
        self.done.lost += progress.lost;
        self.own.push_back((current.path, self.now.mono_ms));
        // A full disk ends no ring: the segment stays as far as it came.
        if result.is_err() && progress.paused.is_none() { result } else { Ok(()) }
    }

    /// Whether the segment under way has to end before this tick.
    fn is_over(&self, next: &Sample) -> bool {
        self.current.as_ref().is_some_and(|current| {
            let now = next.stamp.mono_ms;
            current.core.is_full()
                || now.saturating_sub(current.begun_ms) >= SEGMENT_MS
                || now < current.begun_ms
        })
    }

    /// Removes what is too old or too much.
    fn look(&mut self, now: Instant) -> io::Result<()> {
        let paused = self.current.as_ref().is_some_and(|one| one.core.progress().paused.is_some());
        let due = if paused { LOOK_PAUSED } else { LOOK };
        if now.duration_since(self.looked) < due {
            return Ok(());
        }
        self.looked = now;
        self.folder.make_room(&self.limits, 0, self.kept())?;
        let age = self.limits.max_age;
        let oldest_ms = self.now.mono_ms.saturating_sub(age.as_millis() as u64);
        while let Some((path, _)) = self.own.pop_front_if(|(_, last_ms)| *last_ms < oldest_ms) {
            // It may have gone for its size already.
            let _ = std::fs::remove_file(path);
        }
        if let Some(than) = SystemTime::now().checked_sub(age) {
            let own = |path: &Path| self.own.iter().any(|(own, _)| own == path);
            let kept = self.kept();
            self.folder.remove_older(than, |path| Some(path) == kept || own(path))?;
        }
        Ok(())
    }

    /// Removes what has to go, and says where that fails: what comes is recorded all the same.
    fn tidy(&mut self, now: Instant) {
        if let Err(error) = self.look(now) {
            self.done.trouble =
                Some(format!("what is too old or too much stays: {}", reason(&error)));
        }
    }

    /// Notes incidents, and pins those whose time after is over.
    fn incidents(&mut self, events: &[Event]) {
        for event in events {
            let critical = event.kind == EventKind::Finding
                && event.severity == Some(Severity::Critical)
                && event.end_ms.is_none();
            let known =
                self.pins.iter().any(|pin| (pin.at_ms - event.start_ms).abs() < PIN_AFTER_MS);
            if critical && !known && self.pins.len() < MAX_WAITING {
                let what = event.rule.clone().unwrap_or_else(|| "incident".into());
                let due_mono_ms = self.now.mono_ms + PIN_AFTER_MS as u64;
                self.pins.push(Pin { what, at_ms: event.start_ms, due_mono_ms });
            }
        }
        self.pin_due(self.now.mono_ms);
    }

    /// Pins the incidents whose time after is over by then.
    fn pin_due(&mut self, mono_ms: u64) {
        while let Some(at) = self.pins.iter().position(|pin| pin.due_mono_ms <= mono_ms) {
            let pin = self.pins.remove(at);
            if let Err(error) = self.pin(&pin) {
                let (what, why) = (&pin.what, reason(&error));
                self.done.trouble = Some(format!("an incident ({what}) is not pinned: {why}"));
            }
        }
    }

    /// Copies what was around an incident, what was nearest to it first.
    fn pin(&self, pin: &Pin) -> io::Result<()> {
        let span = pin.at_ms - PIN_BEFORE_MS..=pin.at_ms + PIN_AFTER_MS;
        let mut around = Vec::new();
        for segment in self.folder.segments()? {
            // What cannot be read cannot be pinned; the ring goes on.
            let Ok((file, _)) = SessionFile::open(&segment.path) else { continue };
            let (first, last) = file.span();
            if first.unix_ms <= *span.end() && last.unix_ms >= *span.start() {
                let away = (first.unix_ms - pin.at_ms).max(pin.at_ms - last.unix_ms).max(0);
                around.push((away, segment, file));
            }
        }
        around.sort_by_key(|(away, _, _)| *away);
        let mut failed = None;
        for (own, (_, segment, file)) in around.into_iter().enumerate() {
            let room = segment.bytes.min(file.packed_bytes(&span) + PIN_SLACK);
            if !self.folder.make_room_for_pin(&self.limits, room, own)? {
                break;
            }
            self.folder.make_room(&self.limits, room, self.kept())?;
            // Its own segment may have been the oldest.
            if segment.path.exists() {
                let to = self.folder.next_pinned(file.span().0, &pin.what)?;
                failed = cut(&file, &to, span.clone()).err().or(failed);
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

impl Keep for Flight {
    fn tick(&mut self, frame: Arc<Frame>, mut events: Vec<Event>, now: Instant) -> io::Result<()> {
        let sample = &frame.sample;
        if self.is_over(sample)
            && let Err(error) = self.close(sample.stamp.unix_ms, "the next segment follows")
        {
            self.done.trouble = Some(format!("a segment is not closed well: {}", reason(&error)));
        }
        self.now = sample.stamp;
        if self.current.is_none() {
            match self.begin(sample) {
                Ok(gap) => events.extend(gap),
                // A ring outlives its disk: the next tick tries again.
                Err(error) => {
                    self.done.lost += 1;
                    self.done.paused = Some(reason(&error));
                    self.tidy(now);
                    return Ok(());
                }
            }
            self.done.paused = None;
        }
        self.incidents(&events);
        if let Some(current) = &mut self.current {
            current.core.tick(frame, events, now)?;
        }
        self.tidy(now);
        Ok(())
    }

    fn event(&mut self, event: Event, now: Instant) -> io::Result<()> {
        match &mut self.current {
            Some(current) => current.core.event(event, now),
            None => Ok(()),
        }
    }

    fn idle(&mut self, now: Instant) -> io::Result<()> {
        self.tidy(now);
        match &mut self.current {
            Some(current) => current.core.idle(now),
            None => Ok(()),
        }
    }

    fn end(&mut self, t_ms: i64, reason: &str) -> io::Result<()> {
        let closed = self.close(t_ms, reason);
        // What would have come after an incident is not to come: what is there is kept.
        self.pin_due(u64::MAX);
        closed
    }

    fn progress(&self) -> Progress {
        let now = self.current.as_ref().map(|one| one.core.progress()).unwrap_or_default();
        Progress {
            bytes: self.done.bytes + now.bytes,
            ticks: self.done.ticks + now.ticks,
            lost: self.done.lost + now.lost,
            paused: now.paused.or_else(|| self.done.paused.clone()),
            trouble: self.done.trouble.clone(),
            full: false,
            failed: None,
        }
    }
}

/// When and in which boot the last tick of a ring was taken.
fn last_word(segments: &[super::Segment]) -> Option<(Stamp, Box<str>)> {
    segments.iter().rev().find_map(|segment| {
        let (file, _) = SessionFile::open(&segment.path).ok()?;
        let boot = file.head().map(|head| head.host.boot_id.clone()).unwrap_or_default();
        Some((file.span().1, boot))
    })
}

/// The gap between the last tick of a ring and the first of whoever goes on with it.
fn since(last: Stamp, boot: &str, first: &Sample) -> Event {
    let now = first.stamp;
    let title = if *boot == *first.inventory.host.boot_id {
        let seconds = now.seconds_since(last);
        format!("mltop did not run for {seconds:.0} s")
    } else {
        "the box was booted anew".to_owned()
    };
    let from = last.unix_ms.min(now.unix_ms);
    Event::of(EventKind::Gap, now.unix_ms, from, title)
}
