//! The one signal that mltop can send: the user's own, to a process of the fourth screen, after a
//! question that names the process and the signal.

use crate::model::Pid;

use super::key::{Key, KeyCode};
use super::keymap::action_for;
use super::state::{Overlay, ScreenKind, State};
use super::update::Effect;
use super::{Action, stepped};

/// A signal that can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the name of its signal")]
pub enum Signal {
    Term,
    Int,
    Hup,
    Quit,
    Usr1,
    Usr2,
    Stop,
    Cont,
    Kill,
}

impl Signal {
    /// Every signal, the gentlest way to end a process first.
    pub const ALL: [Self; 9] = [
        Self::Term,
        Self::Int,
        Self::Hup,
        Self::Quit,
        Self::Usr1,
        Self::Usr2,
        Self::Stop,
        Self::Cont,
        Self::Kill,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Term => "SIGTERM",
            Self::Int => "SIGINT",
            Self::Hup => "SIGHUP",
            Self::Quit => "SIGQUIT",
            Self::Usr1 => "SIGUSR1",
            Self::Usr2 => "SIGUSR2",
            Self::Stop => "SIGSTOP",
            Self::Cont => "SIGCONT",
            Self::Kill => "SIGKILL",
        }
    }

    /// What comes of it where the program made no arrangement of its own.
    pub const fn what(self) -> &'static str {
        match self {
            Self::Term => "asks it to end; PyTorch's launchers pass it on",
            Self::Int => "as Ctrl-C: Python raises KeyboardInterrupt",
            Self::Hup => "as a terminal that is gone: it ends",
            Self::Quit => "it ends, with a core dump where those are on",
            Self::Usr1 => {
                "the program's own meaning (under Slurm often: save a checkpoint); else it ends"
            }
            Self::Usr2 => "the program's own meaning; else it ends",
            Self::Stop => "it stands still until SIGCONT; the other ranks then wait for it",
            Self::Cont => "it goes on",
            Self::Kill => "ends it at once: nothing is saved, and workers may be left behind",
        }
    }
}

/// The least columns and rows of a terminal on which the whole question stands.
const LEAST: (u16, u16) = (60, 12);

/// A signal that is about to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asking {
    /// To which process.
    pub pid: Pid,
    /// When that started, in clock ticks since boot: with the pid, its identity.
    pub start_ticks: u64,
    /// Which of [`Signal::ALL`].
    pub at: usize,
    /// Whether the question is asked that sends it.
    pub sure: bool,
}

impl Asking {
    /// The signal.
    pub fn signal(self) -> Signal {
        Signal::ALL[self.at.min(Signal::ALL.len() - 1)]
    }
}

impl State {
    /// Begins with a signal to the chosen process, where one may be sent at all.
    pub(super) fn begin_signal(&mut self) {
        let why_not = if self.screen != ScreenKind::Processes {
            Some("signals are sent on screen 4, the processes".to_owned())
        } else if self.readonly {
            Some("no signals: mltop runs with --readonly".to_owned())
        } else if !self.is_of_this_machine() {
            Some("no signals: this is a recording, not this machine".to_owned())
        } else if self.is_too_small() {
            let (columns, rows) = LEAST;
            Some(format!("no signals: the question before one takes {columns}x{rows}"))
        } else if self.processes.chosen.is_none() {
            Some("choose a process first".to_owned())
        } else {
            None
        };
        if let Some(why_not) = why_not {
            self.say(why_not);
            return;
        }
        match self.chosen_process().map(|info| (info.pid, info.start_ticks)) {
            Some((pid, start_ticks)) => {
                let asking = Asking { pid, start_ticks, at: 0, sure: false };
                self.overlay = Some(Overlay::Signal(asking));
            }
            None => self.say("that process is gone".to_owned()),
        }
    }

    /// Whether the question would not be seen: nobody may say yes to it then.
    fn is_too_small(&self) -> bool {
        self.size.0 < LEAST.0 || self.size.1 < LEAST.1
    }

    /// Goes through the signals.
    pub(super) fn move_among_signals(&mut self, by: isize) {
        if let Some(Overlay::Signal(asking)) = &mut self.overlay
            && let Some(at) = stepped(Some(asking.at), by, Signal::ALL.len())
        {
            asking.at = at;
        }
    }

    /// Asks whether the signal is to be sent.
    pub(super) fn ask_whether(&mut self) {
        if let Some(Overlay::Signal(asking)) = &mut self.overlay {
            asking.sure = true;
        }
    }

    /// The question that waits for a yes.
    pub(super) fn asks_whether(&self) -> Option<Asking> {
        match self.overlay {
            Some(Overlay::Signal(asking)) if asking.sure => Some(asking),
            _ => None,
        }
    }

    /// Takes the answer: `y` and nothing else is a yes.
    pub(super) fn answer(&mut self, asking: Asking, key: Key) -> Vec<Effect> {
        self.overlay = None;
        if action_for(key) == Some(Action::Quit) {
            return vec![Effect::Quit];
        }
        let yes = key.normal() == Key::plain(KeyCode::Char('y'));
        // Asked again: session and terminal may have become others while the question stood.
        if !yes || self.readonly || !self.is_of_this_machine() || self.is_too_small() {
            self.say("no signal was sent".to_owned());
            return Vec::new();
        }
        let Asking { pid, start_ticks, .. } = asking;
        vec![Effect::Signal { pid, start_ticks, signal: asking.signal() }]
    }
}
