//! The live loop: keys, samples and signals in; a frame at most thirty times a second out, and as many
//! answers to keys.

mod cost;
mod fallen;
mod process;
mod travel;

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{Event, EventStream};
use crossterm::{Command as _, terminal};
use futures_util::StreamExt;
use rustix::process::{Signal, getpid, kill_process};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::Receiver;
use tokio::sync::{oneshot, watch};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use crate::app::{Effect, Feed, Mark, Msg, State, Whole};
use crate::diagnose::{Change, Settings};
use crate::error::Error;
use crate::model::Sample;
use crate::record::Tape;
use crate::term::{Counted, Taken};
use crate::ui::{Painter, Styles};
use crate::view::{self, Screen};

use super::keeping::{BY_USER, Keeping};
use super::keys;
use super::looks::Looks;
use super::notify::Notifier;
use super::pipeline::Drawn;
use super::pointer;
use super::replay::{Begin, Reel};

/// Between two frames, but for a key: it is answered at once where the last answer is older than that,
/// however new the frame of the last tick is.
const FRAME: Duration = Duration::from_millis(33);
/// In a file at once, between two looks for a key.
const SLICE: Duration = Duration::from_millis(15);
/// Scroll-back in memory: an hour, and no more than this.
const TAPE_BYTES: usize = 8 << 20;
const TAPE_SPAN: Duration = Duration::from_hours(1);

/// What the live screen is started with.
#[derive(Debug)]
pub(super) struct Setup {
    /// Where samples come from, and how often.
    pub feed: Feed,
    /// Themes and glyphs.
    pub looks: Looks,
    /// What to do when a finding opens.
    pub notifier: Notifier,
    /// Windows and thresholds.
    pub settings: Settings,
    /// A line for the start.
    pub notice: Option<String>,
    /// No signal is ever sent.
    pub readonly: bool,
    /// Comes when what is watched has ended, with how.
    pub ends: Option<oneshot::Receiver<String>>,
}

/// Shows what is sampled now until the user leaves it.
pub(super) fn watch(setup: Setup, samples: Receiver<Arc<Sample>>) -> Result<(), Error> {
    let tape = Tape::new(TAPE_BYTES, TAPE_SPAN);
    show(setup, Reel::Live { samples, tape: Box::new(tape) }, Begin::Start)
}

/// Shows the live screen until the user leaves it.
pub(super) fn show(mut setup: Setup, reel: Reel, begin: Begin) -> Result<(), Error> {
    let (tell, mut ear) = fallen::Ear::new();
    let taken = Taken::take(setup.looks.mouse(), tell)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut told = Vec::new();
    let result = runtime.block_on(async {
        let ends = setup.ends.take();
        let mut live = Live::new(setup, &taken, reel, begin)?;
        let result = live.run(ends, &mut ear).await;
        told = live.lost;
        let reason = result.as_ref().err().map(ToString::to_string);
        told.extend(live.keeping.leave(reason.as_deref().unwrap_or(BY_USER)));
        result
    });
    drop(taken);
    for line in told {
        // The screen is gone; whoever started mltop reads it, or nobody does.
        let _ = writeln!(io::stderr(), "mltop: {line}");
    }
    // Threads that still read from a sick disk or driver are left where they are.
    runtime.shutdown_background();
    result
}

struct Live<'a> {
    taken: &'a Taken,
    painter: Painter<Counted>,
    looks: Looks,
    styles: Styles,
    notifier: Notifier,
    drawn: Drawn,
    reel: Reel,
    keeping: Keeping,
    /// What is known of a recorded session, while more becomes known.
    whole: Option<watch::Receiver<Arc<Whole>>>,
    /// A finding that is to be gone to once it is known.
    wanted_finding: Option<usize>,
    /// Processes that the user looks at in full.
    asked: process::Looks,
    meter: cost::Meter,
    state: State,
    /// What was painted last: what a pointer points at.
    screen: Screen,
    /// Threads of mltop that failed, and what is gone with them.
    lost: Vec<String>,
    /// Whether more samples may come.
    comes: bool,
    painted: Instant,
    /// When a key, or the pointer, was last answered at once.
    answered: Instant,
    dirty: bool,
    /// Whether something that is plotted is still to be read from a file.
    reads: bool,
}

impl<'a> Live<'a> {
    fn new(setup: Setup, taken: &'a Taken, reel: Reel, begin: Begin) -> Result<Self, Error> {
        let (width, height) = terminal::size()?;
        let mut state = State::new(width, height);
        let interval = Duration::from_millis(match &setup.feed {
            Feed::Live { interval_ms } | Feed::Replay { interval_ms, .. } => *interval_ms,
        });
        state.feed = setup.feed;
        setup.looks.theme_name().clone_into(&mut state.theme);
        state.bell = setup.notifier.bell();
        state.readonly = setup.readonly;
        state.utc_offset_seconds = utc_offset_seconds();
        if let Some(notice) = setup.notice {
            state.update(Msg::Notice(notice));
        }
        let styles = setup.looks.styles();
        let written = Arc::new(AtomicU64::new(0));
        let painter = Painter::new(Counted::new(Arc::clone(&written)), width, height)?;
        let mut this = Self {
            taken,
            painter,
            looks: setup.looks,
            styles,
            notifier: setup.notifier,
            keeping: Keeping::new(interval, setup.settings.short_windows),
            drawn: Drawn::new(setup.settings),
            reel,
            whole: None,
            wanted_finding: None,
            asked: process::Looks::new(),
            meter: cost::Meter::new(written),
            state,
            screen: Screen::default(),
            lost: Vec::new(),
            comes: true,
            painted: Instant::now(),
            answered: Instant::now(),
            dirty: true,
            reads: false,
        };
        this.begin(begin);
        Ok(this)
    }

    async fn run(
        &mut self,
        mut ends: Option<oneshot::Receiver<String>>,
        ear: &mut fallen::Ear,
    ) -> Result<(), Error> {
        let mut events = EventStream::new();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut stop = signal(SignalKind::from_raw(Signal::TSTP.as_raw()))?;
        let mut go_on = signal(SignalKind::from_raw(Signal::CONT.as_raw()))?;
        self.read_past();
        self.paint()?;
        loop {
            let due = self.painted + FRAME;
            // A replay stands still while the user does; what is live comes all the same.
            let stands = self.state.is_replay() && self.state.transport.cursor().is_some();
            let plays = !stands || self.reel.is_on_its_way();
            let mut pressed = false;
            let effects = tokio::select! {
                biased;
                _ = terminate.recv() => return Ok(()),
                _ = interrupt.recv() => return Ok(()),
                _ = hangup.recv() => return Ok(()),
                _ = stop.recv() => vec![Effect::Suspend],
                // After a stop that could not be seen coming the terminal is as the shell left it.
                _ = go_on.recv() => {
                    self.come_back()?;
                    Vec::new()
                }
                fallen = ear.next() => self.lose(fallen.judge()?),
                event = events.next() => {
                    let Some(event) = event else { return Ok(()) };
                    pressed = true;
                    self.event(&event?)
                }
                coming = self.reel.next(), if plays && self.comes => if let Some(coming) = coming {
                    self.come(coming)
                } else {
                    self.comes = false;
                    self.update(Msg::Ended(self.end_words().into()))
                },
                whole = grown(&mut self.whole) => {
                    if let Reel::File(player) = &mut self.reel {
                        player.look();
                    }
                    self.update(Msg::Whole(whole))
                },
                answer = self.asked.answer() => self.update(answer),
                how = end_of(&mut ends) => self.update(Msg::Ended(how)),
                () = sleep_until(due), if self.dirty => {
                    self.paint()?;
                    Vec::new()
                }
                // After all that is waiting: the plots fill while keys are answered.
                () = yield_now(), if self.reads => {
                    self.dirty = true;
                    Vec::new()
                }
            };
            for effect in effects {
                if self.effect(effect)? == Flow::Leave {
                    return Ok(());
                }
            }
            self.go_to_wanted()?;
            self.read_past();
            self.paint_in_time(pressed)?;
        }
    }

    fn update(&mut self, msg: Msg) -> Vec<Effect> {
        self.dirty = true;
        self.state.update(msg)
    }

    fn event(&mut self, event: &Event) -> Vec<Effect> {
        match event {
            Event::Key(key) => keys::keys(key).flat_map(|key| self.update(Msg::Key(key))).collect(),
            Event::Resize(width, height) => {
                self.painter.resize(*width, *height);
                self.update(Msg::Resize(*width, *height))
            }
            Event::Mouse(mouse) => pointer::press(*mouse).map_or_else(Vec::new, |press| {
                let spot = view::pointed(&self.screen, mouse.column, mouse.row);
                self.update(Msg::Point(press, spot))
            }),
            Event::FocusGained | Event::FocusLost | Event::Paste(_) => Vec::new(),
        }
    }

    fn sample(&mut self, sample: Arc<Sample>) -> Vec<Effect> {
        self.reel.keep(&sample);
        let (frame, changes) = self.drawn.push(sample);
        for change in &changes {
            if let Change::Opened(finding) = change
                && let Some(trouble) = self.notifier.opened(finding)
            {
                self.state.update(Msg::Notice(trouble));
            }
        }
        self.notifier.reap();
        let said = self.keeping.tick(&frame, &changes);
        self.tell(said);
        let cost = self.meter.read(&self.reel);
        self.tell(cost.map(Msg::Cost));
        let oldest_ms =
            self.reel.span().map_or(frame.sample.stamp.mono_ms, |(from, _)| from.mono_ms);
        let tick = self.drawn.pipeline.tick(frame, oldest_ms);
        self.update(Msg::Tick(tick))
    }

    /// Goes on without a part of mltop, which is said now and after the end.
    fn lose(&mut self, what: String) -> Vec<Effect> {
        self.lost.push(what.clone());
        self.update(Msg::Notice(what))
    }

    const fn end_words(&self) -> &'static str {
        match self.reel {
            Reel::Live { .. } => "no more samples",
            Reel::File(_) => "end of the session",
        }
    }

    /// Hands the state what does not ask anything of it.
    fn tell(&mut self, said: impl IntoIterator<Item = Msg>) {
        for msg in said {
            self.update(msg);
        }
    }

    fn effect(&mut self, effect: Effect) -> io::Result<Flow> {
        match effect {
            Effect::Quit => return Ok(Flow::Leave),
            Effect::Suspend => self.suspend()?,
            Effect::Redraw => self.painter.repaint()?,
            Effect::Seek { mono_ms } => {
                self.stay();
                let frame = self.moment(mono_ms);
                self.update(Msg::Moment { mono_ms, frame });
            }
            Effect::Step { forward } => {
                self.stay();
                self.step(forward);
            }
            Effect::GoTo(text) => {
                self.stay();
                self.go_to(&text);
            }
            Effect::Play { from_ms } => self.play_from(from_ms),
            Effect::Speed(speed) => {
                if let Reel::File(player) = &mut self.reel {
                    player.set_speed(speed);
                }
            }
            Effect::Copy(text) => {
                let mut escape = String::new();
                if CopyToClipboard::to_clipboard_from(text).write_ansi(&mut escape).is_ok() {
                    self.painter.send(escape.as_bytes())?;
                }
            }
            Effect::Dismiss(id) => {
                self.drawn.pipeline.engine.dismiss(id);
            }
            Effect::TakeBack(id) => {
                self.drawn.pipeline.engine.take_back(id);
            }
            Effect::NextTheme => {
                self.looks.next_theme();
                self.styles = self.looks.styles();
                self.painter.repaint()?;
                let name = self.looks.theme_name().to_owned();
                self.update(Msg::Theme(name));
            }
            Effect::Bell => self.painter.send(b"\x07")?,
            Effect::LookAt { pid, start_ticks } => self.asked.begin(pid, start_ticks),
            Effect::Signal { pid, start_ticks, signal } => {
                let said = process::send(pid, start_ticks, signal);
                self.update(Msg::Notice(said));
            }
            Effect::Record | Effect::SaveLast | Effect::Mark { .. } => self.keep(effect),
        }
        self.dirty = true;
        Ok(Flow::Stay)
    }

    fn keep(&mut self, effect: Effect) {
        let Some(latest) = self.state.latest.clone() else { return };
        match (effect, &self.reel) {
            (Effect::Record, _) => {
                let said = self.keeping.toggle(&latest.sample);
                self.tell(said);
            }
            (Effect::SaveLast, Reel::Live { tape, .. }) => {
                let findings = self.drawn.pipeline.engine.findings();
                let said = self.keeping.save(tape, &latest.sample, findings);
                self.tell([said]);
            }
            (Effect::Mark { unix_ms, note }, reel) => {
                self.state.marks.push(Mark { at_ms: unix_ms, note: note.clone() });
                self.state.marks.sort_by_key(|mark| mark.at_ms);
                let said = match reel {
                    Reel::Live { .. } => self.keeping.mark(unix_ms, note),
                    Reel::File(_) => {
                        Msg::Notice("marked for this replay; the file stays as it is".into())
                    }
                };
                self.tell([said]);
            }
            _ => {}
        }
    }

    fn suspend(&mut self) -> io::Result<()> {
        self.taken.release();
        // The gentler signal comes back to us.
        kill_process(getpid(), Signal::STOP)?;
        self.come_back()
    }

    /// The terminal is ours again, whatever is on it and whatever size it has by now.
    fn come_back(&mut self) -> io::Result<()> {
        self.taken.retake()?;
        let (width, height) = terminal::size()?;
        self.painter.resize(width, height);
        self.update(Msg::Resize(width, height));
        self.painter.repaint()
    }

    /// Reads on in what is plotted and was not played.
    fn read_past(&mut self) {
        if self.dirty {
            self.reads = !self.reel.read_past(&self.state, &self.drawn.history, SLICE);
        }
    }

    /// Paints what changed where it is time for it. `pressed`: a key was.
    fn paint_in_time(&mut self, pressed: bool) -> io::Result<()> {
        let answers = pressed && self.answered.elapsed() >= FRAME;
        if !self.dirty || !(answers || self.painted.elapsed() >= FRAME) {
            return Ok(());
        }
        if answers {
            self.answered = Instant::now();
        }
        self.paint()
    }

    fn paint(&mut self) -> io::Result<()> {
        let (width, height) = self.state.size;
        let past = self.reel.past(&self.state, &self.drawn.history);
        self.screen = view::build(&self.state, past, width, height);
        self.painter.draw(&self.screen, &self.styles)?;
        self.painted = Instant::now();
        self.dirty = false;
        Ok(())
    }
}

/// What is known of a session, once more of it is known.
async fn grown(whole: &mut Option<watch::Receiver<Arc<Whole>>>) -> Arc<Whole> {
    if let Some(known) = whole
        && known.changed().await.is_ok()
    {
        return Arc::clone(&known.borrow_and_update());
    }
    // All of it is known.
    *whole = None;
    std::future::pending().await
}

/// How what is watched has ended, once; never where nobody will tell.
async fn end_of(ends: &mut Option<oneshot::Receiver<String>>) -> String {
    if let Some(receiver) = ends {
        let how = receiver.await;
        *ends = None;
        if let Ok(how) = how {
            return how;
        }
    }
    std::future::pending().await
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Stay,
    Leave,
}

/// Seconds that this machine's clock is east of Greenwich.
pub(super) fn utc_offset_seconds() -> i32 {
    let offset = jiff::Zoned::now().offset().seconds();
    // The names of all zones were read for it, and nobody asks for them again.
    jiff::tz::db().reset();
    offset
}
