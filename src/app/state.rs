//! Everything that a screen is made of, in one value. Time is the samples' time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::diagnose::RunState;
use crate::diagnose::audit::{Audit, Watched};
use crate::history::Bucket;
use crate::model::{Finding, Frame, GpuId, LoaderId, Pid, Rule, RunId};

use super::loaders::Picked;
use super::procs::Processes;
use super::prompt::Prompt;
use super::rows::{Row, rows};
use super::signal::Asking;
use super::transport::{Reach, Transport, ZOOMS};

/// How the GPU lane is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GpuMode {
    /// The mean over the GPUs, with the range between the least and the most used.
    #[default]
    Aggregate,
    /// One line a GPU.
    Overlay,
    /// One row a GPU.
    Heat,
}

/// Which screen is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScreenKind {
    /// Everything over one time axis.
    #[default]
    Lanes,
    /// The GPUs, and one of them in full.
    Gpus,
    /// One loader with its workers.
    Loaders,
    /// Processes, and what each uses.
    Processes,
    /// What was found, and what it comes to.
    Findings,
    /// The box, and what mltop costs.
    Host,
}

impl ScreenKind {
    /// Every screen that there is.
    pub const ALL: [Self; 6] =
        [Self::Lanes, Self::Gpus, Self::Loaders, Self::Processes, Self::Findings, Self::Host];

    /// Its number: the key that leads to it.
    pub const fn number(self) -> u8 {
        match self {
            Self::Lanes => 1,
            Self::Gpus => 2,
            Self::Loaders => 3,
            Self::Processes => 4,
            Self::Findings => 5,
            Self::Host => 6,
        }
    }

    /// What it shows, in a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lanes => "lanes",
            Self::Gpus => "GPUs",
            Self::Loaders => "loaders",
            Self::Processes => "processes",
            Self::Findings => "findings",
            Self::Host => "host",
        }
    }

    /// The screen of this number, where there is one.
    pub fn numbered(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|screen| screen.number() == number)
    }
}

/// What lies over a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlay {
    /// The keys.
    Help {
        /// Lines scrolled away.
        scroll: usize,
    },
    /// A finding in full.
    Finding {
        /// Its number.
        id: u64,
        /// Lines scrolled away.
        scroll: usize,
    },
    /// A GPU in full.
    Gpu {
        /// Which.
        gpu: GpuId,
        /// Lines scrolled away.
        scroll: usize,
    },
    /// A worker in full.
    Worker {
        /// Its loader.
        loader: LoaderId,
        /// Its number within the loader.
        worker: usize,
        /// Lines scrolled away.
        scroll: usize,
    },
    /// A process in full.
    Process {
        /// Which.
        pid: Pid,
        /// Lines scrolled away.
        scroll: usize,
    },
    /// A signal that is about to be sent.
    Signal(Asking),
}

/// A line for the user that goes away by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it says.
    pub text: String,
    /// When it goes, by the monotonic clock of the samples.
    pub until_ms: u64,
}

/// Where the samples come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Feed {
    /// This machine, now.
    Live {
        /// Milliseconds between samples.
        interval_ms: u64,
    },
    /// A session file.
    Replay {
        /// Its name.
        name: String,
        /// Times real time.
        speed: f64,
        /// Milliseconds between samples.
        interval_ms: u64,
    },
}

impl Default for Feed {
    fn default() -> Self {
        Self::Live { interval_ms: 1000 }
    }
}

/// A recording that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Seconds recorded.
    pub seconds: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Nothing can be written now.
    pub paused: bool,
}

/// What the screen itself costs and holds: known only while it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Bytes sent to the terminal a second, over the last seconds.
    pub terminal_bytes_per_second: f64,
    /// Bytes sent to it in all.
    pub terminal_bytes: u64,
    /// Seconds that can be gone back.
    pub history_seconds: u64,
    /// Memory that they take, packed; `None` in a replay, whose file is not held.
    pub history_bytes: Option<u64>,
}

/// A moment that the user marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// The user's words.
    pub note: String,
}

/// What a recorded session holds from its first to its last moment: known in a replay alone, and
/// there the more of it the longer one looks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Whole {
    /// The first and the last moment, by the monotonic clock.
    pub span_ms: (u64, u64),
    /// Every finding of the session so far as it was gone through.
    pub findings: Vec<Finding>,
    /// What was watched of it so far.
    pub watched: Watched,
    /// GPU utilization in equal parts of the span, oldest first.
    pub overview: Vec<Option<Bucket>>,
    /// Whether all of it was gone through.
    pub complete: bool,
}

/// The state of the program.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// The newest frame; `None` before the first.
    pub latest: Option<Arc<Frame>>,
    /// The frame at the cursor while paused; `None` where nothing is kept of that moment.
    pub moment: Option<Arc<Frame>>,
    /// The oldest moment that is kept, by the monotonic clock.
    pub oldest_ms: u64,
    /// Findings, open and past.
    pub findings: Vec<Finding>,
    /// What each run does now.
    pub now: Vec<RunState>,
    /// What was watched so far: the ground that the audit stands on.
    pub watched: Arc<Watched>,
    /// What the user marked, by time.
    pub marks: Vec<Mark>,
    /// The session as a whole, in a replay.
    pub whole: Option<Arc<Whole>>,
    /// Live, or frozen at a moment.
    pub transport: Transport,
    /// The span of time that the pointer is about to take, from where it began.
    pub span: Option<(u64, u64)>,
    /// Which of [`ZOOMS`] the time axis has, counted from [`DEFAULT_ZOOM`] so that the default is 0.
    pub zoom_step: i8,
    /// The row of the table that the user chose; `None` leaves the choice to the verdict.
    pub selected: Option<usize>,
    /// Runs that the user opened or folded.
    pub opened: BTreeMap<RunId, bool>,
    /// How the GPU lane is drawn.
    pub gpu_mode: GpuMode,
    /// Which screen is shown.
    pub screen: ScreenKind,
    /// What the user chose on the screen of the loaders.
    pub picked: Picked,
    /// The GPU that the user chose on the screen of the GPUs; `None` leaves the choice to the verdict.
    pub picked_gpu: Option<GpuId>,
    /// The finding that the user chose on the screen of the findings, by its number; `None` leaves the
    /// choice to their order.
    pub chosen_finding: Option<u64>,
    /// What the user chose on the screen of the processes.
    pub processes: Processes,
    /// Lines scrolled away on the screen of the box.
    pub host_scroll: usize,
    /// What lies over the screen.
    pub overlay: Option<Overlay>,
    /// The line that the user types.
    pub prompt: Option<Prompt>,
    /// The finding that the user jumped to.
    pub focused: Option<u64>,
    /// The findings that the user has put aside, by number.
    pub aside: BTreeSet<u64>,
    /// A line for the user.
    pub message: Option<Message>,
    /// Where the samples come from.
    pub feed: Feed,
    /// Why no more samples come; `None` while they do.
    pub ended: Option<String>,
    /// The recording that runs.
    pub recording: Option<Recording>,
    /// What the screen itself costs; `None` before that was measured, and in a picture.
    pub cost: Option<Cost>,
    /// No signal is ever sent.
    pub readonly: bool,
    /// Name of the theme, for the message that tells of a change.
    pub theme: String,
    /// Seconds that the local clock is east of Greenwich.
    pub utc_offset_seconds: i32,
    /// Whether a severe finding rings the bell.
    pub bell: bool,
    /// The highest number of a finding that was seen, so that each rings once.
    pub rung: u64,
}

/// The length of the time axis at the start: an index into [`ZOOMS`].
pub const DEFAULT_ZOOM: usize = 2;

impl State {
    /// A state for a terminal of this size, before the first sample.
    pub fn new(width: u16, height: u16) -> Self {
        Self { size: (width, height), ..Self::default() }
    }

    /// The frame that the screen shows.
    pub fn shown(&self) -> Option<&Arc<Frame>> {
        match self.transport {
            Transport::Live => self.latest.as_ref(),
            Transport::Paused { .. } => self.moment.as_ref(),
        }
    }

    /// The length of the time axis in milliseconds.
    pub fn zoom_ms(&self) -> u64 {
        let at = DEFAULT_ZOOM.saturating_add_signed(isize::from(self.zoom_step));
        u64::from(ZOOMS[at.min(ZOOMS.len() - 1)]) * 1000
    }

    /// Takes the shortest time axis that shows this span, or the longest there is.
    pub fn zoom_to(&mut self, span_ms: u64) {
        let fits = |seconds: &u32| u64::from(*seconds) * 1000 >= span_ms;
        let at = ZOOMS.iter().position(fits).unwrap_or(ZOOMS.len() - 1);
        self.zoom_step = at as i8 - DEFAULT_ZOOM as i8;
    }

    /// What there is to look at. A replay reaches to its end, wherever it plays.
    pub fn reach(&self) -> Reach {
        let now_ms = self.latest.as_ref().map_or(0, |frame| frame.sample.stamp.mono_ms);
        let end_ms = self.whole.as_ref().map_or(now_ms, |whole| whole.span_ms.1);
        Reach { oldest_ms: self.oldest_ms.min(now_ms), now_ms, newest_ms: end_ms.max(now_ms) }
    }

    /// The findings that are known at the moment that is shown: while a replay plays, those that
    /// were known then; at a cursor, all of them, as in the scroll-back of a live screen.
    pub fn known(&self) -> &[Finding] {
        match (&self.whole, self.transport) {
            (Some(whole), Transport::Paused { .. }) => &whole.findings,
            _ => &self.findings,
        }
    }

    /// What was watched, as far as [`Self::known`] reaches.
    pub fn watched(&self) -> &Watched {
        match (&self.whole, self.transport) {
            (Some(whole), Transport::Paused { .. }) => &whole.watched,
            _ => &self.watched,
        }
    }

    /// What the findings that are known come to.
    pub fn audit(&self) -> Audit {
        Audit::of(self.watched(), self.known(), |finding| self.is_aside(finding))
    }

    /// How far what is known reaches in time, by the monotonic clock.
    pub fn known_until_ms(&self) -> u64 {
        let reach = self.reach();
        if self.transport.cursor().is_some() { reach.newest_ms } else { reach.now_ms }
    }

    /// The wall clock at a moment of the monotonic clock, in milliseconds since the Unix epoch.
    pub fn unix_ms(&self, mono_ms: u64) -> i64 {
        let stamp = self.latest.as_ref().map(|frame| frame.sample.stamp).unwrap_or_default();
        stamp.unix_ms.saturating_add(mono_ms as i64).saturating_sub(stamp.mono_ms as i64)
    }

    /// The monotonic clock at a moment of the wall clock.
    pub fn mono_ms(&self, unix_ms: i64) -> u64 {
        let stamp = self.latest.as_ref().map(|frame| frame.sample.stamp).unwrap_or_default();
        let since = unix_ms.saturating_sub(stamp.unix_ms);
        stamp.mono_ms.saturating_add_signed(since)
    }

    /// The wall clock at the moment that is shown.
    pub fn shown_unix_ms(&self) -> i64 {
        self.unix_ms(self.transport.cursor().unwrap_or_else(|| self.reach().now_ms))
    }

    /// The findings that hold at the moment that is shown, the worst first. Dismissed ones are not
    /// among them, and of two that are equally bad the older comes first.
    pub fn open_findings(&self) -> Vec<&Finding> {
        let at = self.shown_unix_ms();
        let paused = self.transport.cursor().is_some();
        let mut open: Vec<&Finding> = self
            .known()
            .iter()
            .filter(|finding| !self.is_aside(finding))
            .filter(|finding| match finding.end_ms {
                Some(end) => paused && (finding.start_ms..end).contains(&at),
                None => finding.start_ms <= at,
            })
            .collect();
        open.sort_by_key(|finding| {
            (std::cmp::Reverse(finding.severity), finding.start_ms, finding.id)
        });
        open
    }

    /// The finding that the verdict tells: the one that the user jumped to, else the worst open one.
    pub fn verdict(&self) -> Option<&Finding> {
        let focused = self.focused.and_then(|id| self.finding(id));
        focused
            .filter(|finding| !self.is_aside(finding))
            .or_else(|| self.open_findings().into_iter().next())
    }

    /// The finding with this number.
    pub fn finding(&self, id: u64) -> Option<&Finding> {
        self.known().iter().find(|finding| finding.id == id)
    }

    /// Whether the user has put a finding aside.
    pub fn is_aside(&self, finding: &Finding) -> bool {
        finding.dismissed || self.aside.contains(&finding.id)
    }

    /// Whether a rule's finding holds at the moment that is shown.
    pub fn holds(&self, rule: Rule) -> bool {
        self.open_findings().iter().any(|finding| finding.rule == rule)
    }

    /// The row of the table that the user chose, kept within the rows that there are.
    pub fn selected_row(&self) -> Option<Row> {
        let rows = rows(self);
        rows.get(self.selected?.min(rows.len().saturating_sub(1))).copied()
    }

    /// The line for the user, while it lasts.
    pub fn message(&self) -> Option<&str> {
        let now = self.reach().now_ms;
        self.message.as_ref().filter(|message| now < message.until_ms).map(|m| m.text.as_str())
    }
}
