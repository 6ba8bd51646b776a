//! One recording: ticks in, a file out, over full disks and back.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::model::{Event, EventKind, Frame, Sample};
use crate::record::container::pack::Packer;
use crate::record::decode::End;
use crate::record::gaps;
use crate::record::head::SessionInfo;

use super::disk::Disk;
use super::{Keep, Options, Progress, Sync};

/// Ticks older than this are not kept while the disk takes none.
const KEPT_MS: u64 = 60_000;
/// Between two looks at how much of the disk is free, and between two syncs.
const SECOND: Duration = Duration::from_secs(1);

/// A tick with what it raised.
type Tick = (Arc<Frame>, Vec<Event>);

/// A recording under way.
pub(crate) struct Core<D> {
    disk: D,
    packer: Packer,
    options: Options,
    interval_ms: u64,
    before: Option<Arc<Sample>>,
    pause: Option<Pause>,
    looked: Option<Instant>,
    synced: Instant,
    progress: Progress,
    next_id: u64,
}

/// Why nothing is written, and what waits for it.
struct Pause {
    why: String,
    since_ms: i64,
    retry: Instant,
    kept: VecDeque<Tick>,
    lost: u64,
}

impl<D: Disk> Core<D> {
    /// Begins a recording. Its head is written with the first tick.
    pub(crate) fn new(disk: D, info: SessionInfo, options: Options) -> io::Result<Self> {
        Ok(Self {
            disk,
            interval_ms: info.interval_ms,
            packer: Packer::new(info)?,
            options,
            before: None,
            pause: None,
            looked: None,
            synced: Instant::now(),
            progress: Progress::default(),
            next_id: 1,
        })
    }

    /// Numbers an event that is no finding; those were numbered by who raised them.
    fn numbered(&mut self, mut event: Event) -> Event {
        if event.kind != EventKind::Finding {
            event.id = self.next_id;
            self.next_id += 1;
        }
        event
    }

    fn write_event(&mut self, event: Event) -> io::Result<()> {
        let event = self.numbered(event);
        self.packer.event(&event)
    }

    /// Packs a tick, with the gap before it.
    fn pack(&mut self, tick: Tick) -> io::Result<()> {
        let (frame, events) = tick;
        let gap = self
            .before
            .as_deref()
            .and_then(|before| gaps::between(before, &frame.sample, self.interval_ms));
        self.before = Some(Arc::clone(&frame.sample));
        self.packer.tick(&frame)?;
        for event in gap.into_iter().chain(events) {
            self.write_event(event)?;
        }
        Ok(())
    }

    /// Writes what is packed, in one write.
    fn write(&mut self, now: Instant) -> Result<(), String> {
        self.has_space(now)?;
        self.disk.append(self.packer.bytes()).map_err(|error| reason(&error))?;
        self.packer.take();
        self.progress.bytes = self.packer.at();
        self.progress.ticks = self.packer.ticks();
        if self.options.sync == Sync::Tick {
            self.disk.sync().map_err(|error| reason(&error))?;
        }
        Ok(())
    }

    fn has_space(&mut self, now: Instant) -> Result<(), String> {
        if self.looked.is_some_and(|looked| now.duration_since(looked) < SECOND) {
            return Ok(());
        }
        if let Some(least) = self.disk.short_of_space() {
            return Err(format!("less than {} MiB are free on the disk", least.div_ceil(1 << 20)));
        }
        self.looked = Some(now);
        Ok(())
    }

    fn pause(&mut self, why: String, now: Instant) {
        let since_ms = self.before.as_ref().map_or(0, |sample| sample.stamp.unix_ms);
        self.looked = None;
        self.progress.paused = Some(why.clone());
        let retry = now + self.options.retry;
        self.pause = Some(Pause { why, since_ms, retry, kept: VecDeque::new(), lost: 0 });
    }

    /// Tries again to write, and then what was kept since.
    fn resume(&mut self, now: Instant) -> io::Result<()> {
        let Some(mut pause) = self.pause.take_if(|pause| now >= pause.retry) else { return Ok(()) };
        if let Err(why) = self.write(now) {
            self.looked = None;
            self.progress.paused = Some(why);
            pause.retry = now + self.options.retry;
            self.pause = Some(pause);
            return Ok(());
        }
        self.progress.paused = None;
        let Pause { why, since_ms, mut kept, lost, .. } = pause;
        let t_ms = kept.front().map_or(since_ms, |(frame, _)| frame.sample.stamp.unix_ms);
        let title = format!("nothing could be written ({why}); {lost} ticks are lost");
        let mut gap = Some(Event::of(EventKind::Gap, t_ms, since_ms, title));
        while let Some(tick) = kept.pop_front() {
            if self.is_full() {
                self.progress.full = true;
                self.progress.lost += kept.len() as u64 + 1;
                return Ok(());
            }
            self.pack(tick)?;
            if let Some(gap) = gap.take() {
                self.write_event(gap)?;
            }
            if let Err(why) = self.write(now) {
                self.pause(why, now);
                if let Some(pause) = &mut self.pause {
                    pause.kept = kept;
                }
                return Ok(());
            }
        }
        if let Some(gap) = gap {
            self.write_event(gap)?;
        }
        Ok(())
    }

    fn keep(&mut self, tick: Tick) {
        let Some(pause) = &mut self.pause else { return };
        let now = tick.0.sample.stamp.mono_ms;
        pause.kept.push_back(tick);
        let old = |tick: &Tick| now.saturating_sub(tick.0.sample.stamp.mono_ms) > KEPT_MS;
        while pause.kept.front().is_some_and(old) {
            pause.kept.pop_front();
            pause.lost += 1;
            self.progress.lost += 1;
        }
    }

    /// Whether the next tick would not fit under the cap with what closing the file needs.
    pub(crate) fn is_full(&self) -> bool {
        if self.packer.ticks() == 0 {
            return false;
        }
        let tick = self.packer.at() / self.packer.ticks().max(1);
        let next = self.packer.at() + self.packer.closing_bytes() + tick;
        self.options.max_bytes.is_some_and(|most| next > most)
    }
}

impl<D: Disk> Keep for Core<D> {
    fn tick(&mut self, frame: Arc<Frame>, events: Vec<Event>, now: Instant) -> io::Result<()> {
        if self.progress.full {
            return Ok(());
        }
        if self.pause.is_some() {
            self.keep((frame, events));
            return self.resume(now);
        }
        if self.is_full() {
            self.progress.full = true;
            return Ok(());
        }
        self.pack((frame, events))?;
        if let Err(why) = self.write(now) {
            self.pause(why, now);
        }
        Ok(())
    }

    fn event(&mut self, event: Event, now: Instant) -> io::Result<()> {
        if self.progress.full {
            return Ok(());
        }
        if let Some(pause) = &mut self.pause
            && let Some((_, events)) = pause.kept.back_mut()
        {
            events.push(event);
            return Ok(());
        }
        self.write_event(event)?;
        if self.pause.is_none()
            && let Err(why) = self.write(now)
        {
            self.pause(why, now);
        }
        Ok(())
    }

    fn idle(&mut self, now: Instant) -> io::Result<()> {
        self.resume(now)?;
        if self.options.sync == Sync::Second && now.duration_since(self.synced) >= SECOND {
            self.synced = now;
            // What cannot be synced now is tried again in a second; the next write says why.
            let _ = self.disk.sync();
        }
        Ok(())
    }

    fn end(&mut self, t_ms: i64, reason: &str) -> io::Result<()> {
        if let Some(pause) = &mut self.pause {
            pause.retry = Instant::now();
        }
        self.resume(Instant::now())?;
        if let Some(pause) = self.pause.take() {
            // Nothing more can be written. What is in the file stays readable as it is.
            let packed = self.packer.ticks() - self.progress.ticks;
            let lost = pause.lost + pause.kept.len() as u64 + packed;
            return Err(io::Error::other(format!(
                "the recording ends early: {}; {lost} ticks are lost",
                pause.why
            )));
        }
        let end = End { t_ms, reason: reason.to_owned() };
        self.packer.end(t_ms, reason)?;
        self.disk.append(self.packer.bytes())?;
        self.packer.take();
        self.packer.table(self.disk.file(), &end)?;
        self.disk.append(self.packer.bytes())?;
        self.packer.take();
        self.progress.bytes = self.packer.at();
        self.disk.sync()
    }

    fn progress(&self) -> Progress {
        // A line that no reader would take is lost too.
        let lost = self.progress.lost + self.packer.skipped();
        Progress { lost, ..self.progress.clone() }
    }
}

/// What went wrong, as the user would say it.
pub(in crate::record) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full".to_owned(),
        io::ErrorKind::QuotaExceeded => "the quota of the disk is used up".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
#[path = "core_tests.rs"]
mod tests;
