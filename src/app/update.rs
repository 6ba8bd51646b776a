//! How the state moves: a message in, effects out. No clock, no terminal, no machine.

use std::sync::Arc;

use crate::diagnose::RunState;
use crate::diagnose::audit::Watched;
use crate::model::{Finding, Frame, Pid, Severity};

use super::action::Action;
use super::key::Key;
use super::keymap::action_for;
use super::pointer::{Press, Spot};
use super::procs::Looked;
use super::prompt::{Asked, Prompt, Typed};
use super::signal::Signal;
use super::state::{Cost, Feed, GpuMode, Message, Overlay, Recording, ScreenKind, State, Whole};
use super::transport::ZOOMS;

/// How long a message stands, in milliseconds of the samples' time.
const MESSAGE_MS: u64 = 5_000;

/// What happened.
#[derive(Clone, Debug)]
pub enum Msg {
    /// A key was pressed.
    Key(Key),
    /// An action was asked for by other means than a key.
    Action(Action),
    /// The pointer was used, over what stood at its place on the screen.
    Point(Press, Spot),
    /// The terminal has another size.
    Resize(u16, u16),
    /// A sample was taken or replayed.
    Tick(Tick),
    /// The answer to [`Effect::Seek`]: the frame at that moment, if one is kept.
    Moment {
        /// The moment that was asked for.
        mono_ms: u64,
        /// What was then.
        frame: Option<Arc<Frame>>,
    },
    /// The answer to [`Effect::Step`] and [`Effect::GoTo`]: the moment that was found, and its frame.
    Arrive {
        /// By the monotonic clock.
        mono_ms: u64,
        /// What was then.
        frame: Option<Arc<Frame>>,
    },
    /// The answer to [`Effect::Play`]: what comes from now on is played.
    Plays,
    /// More is known of the session that is replayed.
    Whole(Arc<Whole>),
    /// The speed at which a session is replayed.
    Speed(f64),
    /// The theme that is in force.
    Theme(String),
    /// The recording that runs, or that none does.
    Recording(Option<Recording>),
    /// What the screen costs.
    Cost(Cost),
    /// The answer to [`Effect::LookAt`].
    Looked {
        /// The process that was asked about.
        pid: Pid,
        /// What came of it.
        looked: Looked,
    },
    /// A line for the user.
    Notice(String),
    /// No more samples come, and why: the end of a file, a lost connection.
    Ended(String),
}

/// One step in time, with what follows from it.
#[derive(Clone, Debug)]
pub struct Tick {
    /// The newest frame.
    pub frame: Arc<Frame>,
    /// Findings, open and past.
    pub findings: Vec<Finding>,
    /// What each run does now.
    pub now: Vec<RunState>,
    /// What was watched so far.
    pub watched: Arc<Watched>,
    /// The oldest moment that is kept, by the monotonic clock.
    pub oldest_ms: u64,
}

/// What the loop around the state is asked to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Leave.
    Quit,
    /// Go to the background.
    Suspend,
    /// Paint everything anew.
    Redraw,
    /// Answer with [`Msg::Moment`] for this moment.
    Seek {
        /// By the monotonic clock.
        mono_ms: u64,
    },
    /// Find the tick before or after the moment that is shown, and answer with [`Msg::Arrive`].
    Step {
        /// After it.
        forward: bool,
    },
    /// Find the moment that these words mean, and answer with [`Msg::Arrive`] or [`Msg::Notice`].
    GoTo(String),
    /// Play the session on from this moment, and answer with [`Msg::Plays`] once it does; asked again
    /// before that, leave it.
    Play {
        /// By the monotonic clock.
        from_ms: u64,
    },
    /// Replay at so many times real time.
    Speed(f64),
    /// Put this text on the clipboard.
    Copy(String),
    /// Put the finding with this number aside.
    Dismiss(u64),
    /// Take that back.
    TakeBack(u64),
    /// Take the next theme, and answer with [`Msg::Theme`].
    NextTheme,
    /// Ring the terminal's bell.
    Bell,
    /// Look at this process of this machine, and answer with [`Msg::Looked`].
    LookAt {
        /// Which.
        pid: Pid,
        /// When it started, in clock ticks since boot.
        start_ticks: u64,
    },
    /// Send this signal to this process, if it is still the same; the user said yes. Answer with
    /// [`Msg::Notice`].
    Signal {
        /// Which.
        pid: Pid,
        /// When it started, in clock ticks since boot.
        start_ticks: u64,
        /// What.
        signal: Signal,
    },
    /// Begin to record, or stop.
    Record,
    /// Save what is in memory as a recording.
    SaveLast,
    /// Mark this moment.
    Mark {
        /// The moment, in milliseconds since the Unix epoch.
        unix_ms: i64,
        /// What the user says of it; may be empty.
        note: String,
    },
}

impl State {
    /// Takes a message in.
    pub fn update(&mut self, msg: Msg) -> Vec<Effect> {
        match msg {
            Msg::Key(key) if self.prompt.is_some() => self.typed(key),
            Msg::Key(key) => match self.asks_whether() {
                Some(asking) => self.answer(asking, key),
                None => action_for(key).map_or_else(Vec::new, |action| self.act(action)),
            },
            Msg::Action(action) => self.act(action),
            Msg::Point(press, spot) => self.point(press, spot),
            Msg::Resize(width, height) => {
                self.size = (width, height);
                Vec::new()
            }
            Msg::Tick(tick) => self.tick(tick),
            Msg::Moment { mono_ms, frame } => {
                // An answer to a question that is no longer asked would show another moment.
                if self.transport.cursor() == Some(mono_ms) {
                    self.moment = frame;
                }
                Vec::new()
            }
            Msg::Arrive { mono_ms, frame } => {
                self.arrive(mono_ms, frame);
                Vec::new()
            }
            Msg::Plays => {
                self.go_live();
                Vec::new()
            }
            Msg::Whole(whole) => {
                self.whole = Some(whole);
                Vec::new()
            }
            Msg::Speed(faster) => {
                self.play_at(faster);
                Vec::new()
            }
            Msg::Theme(name) => {
                self.say(format!("theme {name}"));
                self.theme = name;
                Vec::new()
            }
            Msg::Recording(recording) => {
                self.recording = recording;
                Vec::new()
            }
            Msg::Cost(cost) => {
                self.cost = Some(cost);
                Vec::new()
            }
            Msg::Looked { pid, looked } => {
                self.looked(pid, looked);
                Vec::new()
            }
            Msg::Notice(text) => {
                self.say(text);
                Vec::new()
            }
            Msg::Ended(why) => {
                self.ended = Some(why);
                Vec::new()
            }
        }
    }

    fn tick(&mut self, tick: Tick) -> Vec<Effect> {
        let first = self.latest.is_none();
        self.latest = Some(tick.frame);
        self.oldest_ms = tick.oldest_ms;
        self.findings = tick.findings;
        self.now = tick.now;
        self.watched = tick.watched;
        let newest = self.reach().now_ms;
        // What was said before the first sample was said at no time of the samples' clock.
        if first && let Some(message) = &mut self.message {
            message.until_ms = newest.saturating_add(MESSAGE_MS);
        }
        if self.message.as_ref().is_some_and(|message| newest >= message.until_ms) {
            self.message = None;
        }
        let seen = self.rung;
        self.rung = self.findings.iter().map(|finding| finding.id).fold(seen, u64::max);
        let severe = self.findings.iter().any(|finding| {
            finding.id > seen && finding.end_ms.is_none() && finding.severity >= Severity::Warn
        });
        if self.bell && severe { vec![Effect::Bell] } else { Vec::new() }
    }

    pub(super) fn act(&mut self, action: Action) -> Vec<Effect> {
        // Where a replay stands, no time goes by that would take the line away.
        if self.is_replay() && (self.transport.cursor().is_some() || self.ended.is_some()) {
            self.message = None;
        }
        match action {
            Action::Quit => return vec![Effect::Quit],
            Action::Suspend => return vec![Effect::Suspend],
            Action::Redraw => return vec![Effect::Redraw],
            Action::Theme => return vec![Effect::NextTheme],
            Action::Help => self.toggle_help(),
            Action::Pause => return self.pause(),
            Action::ScrubLeft => return self.scrub(-1),
            Action::ScrubRight => return self.scrub(1),
            Action::ScrubFarLeft => return self.scrub_far(-1),
            Action::ScrubFarRight => return self.scrub_far(1),
            Action::StepBack => return self.step_by_tick(false),
            Action::StepForward => return self.step_by_tick(true),
            Action::Slower => return self.change_speed(0.5),
            Action::Faster => return self.change_speed(2.0),
            Action::Start => return self.seek(self.reach().oldest_ms),
            Action::Live => return self.go_to_end(),
            Action::ZoomIn => self.zoom(-1),
            Action::ZoomOut => self.zoom(1),
            Action::PrevFinding => return self.jump(false),
            Action::NextFinding => return self.jump(true),
            Action::Enter => return self.enter(),
            Action::CopyAdvice => return self.copy_advice(),
            Action::Dismiss => return self.dismiss(),
            Action::Back => self.back(),
            Action::SelectUp => self.move_by(-1),
            Action::SelectDown => self.move_by(1),
            Action::PageUp => self.move_by(-10),
            Action::PageDown => self.move_by(10),
            Action::Expand => self.expand(),
            Action::Filter | Action::Sort | Action::Reverse | Action::Flat => {
                return self.rearrange(action);
            }
            Action::Signal => self.begin_signal(),
            Action::GpuMode => self.next_gpu_mode(),
            Action::Bell => {
                self.bell = !self.bell;
                self.say(format!("bell {}", if self.bell { "on" } else { "off" }));
            }
            Action::Screen(number) => self.show(number),
            Action::Mark => return self.ask(Asked::Note),
            Action::GoToTime => return self.ask(Asked::Time),
            Action::Command => return self.ask(Asked::Command),
            Action::Record if self.can_record() => return vec![Effect::Record],
            Action::SaveLast if self.can_record() => return vec![Effect::SaveLast],
            Action::Record | Action::SaveLast => {}
        }
        Vec::new()
    }

    /// Shows the screen of this number, where there is one.
    fn show(&mut self, number: u8) {
        self.overlay = None;
        if let Some(screen) = ScreenKind::numbered(number) {
            self.screen = screen;
        }
    }

    /// Begins a line.
    pub(super) fn ask(&mut self, asked: Asked) -> Vec<Effect> {
        if self.latest.is_some() {
            self.prompt = Some(Prompt::new(asked));
        }
        Vec::new()
    }

    /// Whether there is something to record, and it is not a recording already, which is said.
    fn can_record(&mut self) -> bool {
        let recorded = matches!(self.feed, Feed::Replay { .. });
        if recorded {
            self.say("this is a recording already".to_owned());
        }
        !recorded && self.latest.is_some()
    }

    fn typed(&mut self, key: Key) -> Vec<Effect> {
        let Some(prompt) = &mut self.prompt else { return Vec::new() };
        let asked = prompt.asked;
        let typed = prompt.key(key);
        if asked == Asked::Filter {
            self.filter_typed(&typed);
        }
        if typed == Typed::On {
            return Vec::new();
        }
        self.prompt = None;
        match (typed, asked) {
            (Typed::Done(note), Asked::Note) => {
                vec![Effect::Mark { unix_ms: self.shown_unix_ms(), note }]
            }
            (Typed::Done(text), Asked::Time) if !text.is_empty() => vec![Effect::GoTo(text)],
            (Typed::Done(text), Asked::Command) if !text.is_empty() => self.run_named(&text),
            (Typed::On | Typed::Left | Typed::Done(_), _) => Vec::new(),
        }
    }

    /// Runs the one action that these words mean.
    fn run_named(&mut self, text: &str) -> Vec<Effect> {
        match Action::meant_by(text)[..] {
            [action] => return self.act(action),
            [] => self.say(format!("no action is called '{text}'; ? lists them all")),
            ref several => {
                let names: Vec<&str> = several.iter().map(|action| action.name()).collect();
                self.say(format!("'{text}' can mean {}", names.join(", ")));
            }
        }
        Vec::new()
    }

    pub(super) fn say(&mut self, text: String) {
        let until_ms = self.reach().now_ms.saturating_add(MESSAGE_MS);
        self.message = Some(Message { text, until_ms });
    }

    fn zoom(&mut self, by: i8) {
        let low = -(super::state::DEFAULT_ZOOM as i8);
        let high = (ZOOMS.len() - 1 - super::state::DEFAULT_ZOOM) as i8;
        self.zoom_step = self.zoom_step.saturating_add(by).clamp(low, high);
        self.transport = self.transport.rescaled(self.zoom_ms(), self.reach());
    }

    fn enter(&mut self) -> Vec<Effect> {
        let of_finding = matches!(self.overlay, None | Some(Overlay::Finding { .. }));
        if self.screen == ScreenKind::Findings && of_finding {
            return self.enter_finding();
        }
        if let Some(Overlay::Signal(_)) = self.overlay {
            self.ask_whether();
            return Vec::new();
        }
        if self.screen == ScreenKind::Processes && self.overlay.is_none() {
            return self.enter_process();
        }
        if self.overlay.is_some() {
            self.overlay = None;
        } else if self.drill() {
            // What is below the chosen row is shown now.
        } else {
            return self.open_verdict();
        }
        Vec::new()
    }

    /// Shows the finding that the verdict tells in full.
    pub(super) fn open_verdict(&mut self) -> Vec<Effect> {
        if let Some(finding) = self.verdict() {
            self.overlay = Some(Overlay::Finding { id: finding.id, scroll: 0 });
        } else {
            self.say("no finding holds at this moment".to_owned());
        }
        Vec::new()
    }

    /// The finding that the user looks at: the open popup's, the chosen one of the list, else the
    /// verdict's.
    fn looked_at(&self) -> Option<&Finding> {
        match self.overlay {
            Some(Overlay::Finding { id, .. }) => self.finding(id),
            _ if self.screen == ScreenKind::Findings => self.picked_finding(),
            _ => self.verdict(),
        }
    }

    fn copy_advice(&mut self) -> Vec<Effect> {
        let advice = self.looked_at().map(|finding| finding.advice.clone());
        let Some(advice) = advice.filter(|advice| !advice.is_empty()) else {
            self.say("no advice to copy".to_owned());
            return Vec::new();
        };
        self.say("advice sent to the terminal's clipboard".to_owned());
        vec![Effect::Copy(advice)]
    }

    fn dismiss(&mut self) -> Vec<Effect> {
        if self.screen == ScreenKind::Findings
            && let Some(effect) = self.take_back()
        {
            return vec![effect];
        }
        let Some(id) = self.looked_at().map(|finding| finding.id) else {
            self.say("no finding to put aside".to_owned());
            return Vec::new();
        };
        self.aside.insert(id);
        self.focused = None;
        self.overlay = None;
        self.say("finding put aside".to_owned());
        vec![Effect::Dismiss(id)]
    }

    fn back(&mut self) {
        if self.overlay.take().is_some() || self.climb() {
            return;
        }
        let nowhere_else = self.transport.cursor().is_none() || self.is_replay();
        if self.screen != ScreenKind::Lanes && nowhere_else {
            self.screen = ScreenKind::Lanes;
            return;
        }
        self.leave_past();
    }

    fn next_gpu_mode(&mut self) {
        let (mode, name) = match self.gpu_mode {
            GpuMode::Aggregate => (GpuMode::Overlay, "a line for each"),
            GpuMode::Overlay => (GpuMode::Heat, "heat map, a row for each"),
            GpuMode::Heat => (GpuMode::Aggregate, "mean and range"),
        };
        self.gpu_mode = mode;
        self.say(format!("GPUs: {name}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Sample, Stamp};

    fn tick(mono_ms: u64) -> Msg {
        let stamp = Stamp { unix_ms: 0, mono_ms };
        let sample = Arc::new(Sample { stamp, ..Sample::default() });
        let frame = Arc::new(Frame { sample, ..Frame::default() });
        let (findings, now, watched) = Default::default();
        Msg::Tick(Tick { frame, findings, now, watched, oldest_ms: mono_ms })
    }

    #[test]
    fn a_line_from_before_the_first_sample_stands_as_long_as_any_other() {
        let mut state = State::new(120, 36);
        state.update(Msg::Notice("a demo".to_owned()));
        assert_eq!(state.message(), Some("a demo"));
        state.update(tick(4_000_000));
        state.update(tick(4_004_000));
        assert_eq!(state.message(), Some("a demo"));
        state.update(tick(4_005_000));
        assert_eq!(state.message(), None);
    }
}
