//! What the user can ask for. Keys lead here; help is made from here.

use super::state::ScreenKind;

/// One thing that the user can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "`Action::help` says what each does")]
pub enum Action {
    Quit,
    Suspend,
    Redraw,
    Help,
    Pause,
    ScrubLeft,
    ScrubRight,
    ScrubFarLeft,
    ScrubFarRight,
    StepBack,
    StepForward,
    Slower,
    Faster,
    Start,
    Live,
    ZoomIn,
    ZoomOut,
    PrevFinding,
    NextFinding,
    Enter,
    CopyAdvice,
    Dismiss,
    Back,
    SelectUp,
    SelectDown,
    PageUp,
    PageDown,
    Expand,
    Filter,
    Sort,
    Reverse,
    Flat,
    Signal,
    GpuMode,
    Bell,
    Theme,
    Screen(u8),
    Mark,
    Record,
    SaveLast,
    GoToTime,
    Command,
}

impl Action {
    /// Every action, in the order of the help.
    pub const ALL: &'static [Self] = &[
        Self::Pause,
        Self::ScrubLeft,
        Self::ScrubRight,
        Self::ScrubFarLeft,
        Self::ScrubFarRight,
        Self::StepBack,
        Self::StepForward,
        Self::GoToTime,
        Self::Start,
        Self::Live,
        Self::ZoomIn,
        Self::ZoomOut,
        Self::PrevFinding,
        Self::NextFinding,
        Self::Slower,
        Self::Faster,
        Self::Enter,
        Self::CopyAdvice,
        Self::Dismiss,
        Self::Back,
        Self::SelectUp,
        Self::SelectDown,
        Self::PageUp,
        Self::PageDown,
        Self::Expand,
        Self::Filter,
        Self::Sort,
        Self::Reverse,
        Self::Flat,
        Self::Signal,
        Self::GpuMode,
        Self::Bell,
        Self::Theme,
        Self::Help,
        Self::Redraw,
        Self::Suspend,
        Self::Quit,
        Self::Screen(1),
        Self::Screen(2),
        Self::Screen(3),
        Self::Screen(4),
        Self::Screen(5),
        Self::Screen(6),
        Self::Mark,
        Self::Record,
        Self::SaveLast,
        Self::Command,
    ];

    /// What it does, in one line.
    pub const fn help(self) -> &'static str {
        match self {
            Self::Quit => "leave mltop; the training is not touched",
            Self::Suspend => "put mltop in the background",
            Self::Redraw => "paint the whole screen anew",
            Self::Help => "this list",
            Self::Pause => "freeze the screen, or go on; a replay plays on from the cursor",
            Self::ScrubLeft => "cursor back in time",
            Self::ScrubRight => "cursor forward in time",
            Self::ScrubFarLeft => "cursor far back: 10 s, or as far as ten steps",
            Self::ScrubFarRight => "cursor far forward",
            Self::StepBack => "cursor to the tick before",
            Self::StepForward => "cursor to the next tick",
            Self::Slower => "play a recorded session at half the speed, down to 0.25×",
            Self::Faster => "play a recorded session at twice the speed, up to 64×",
            Self::Start => "to the oldest moment that is kept",
            Self::Live => "back to now; in a replay, to the end",
            Self::ZoomIn => "a shorter time axis, down to 30 s",
            Self::ZoomOut => "a longer time axis, up to 30 min",
            Self::PrevFinding => "to the finding or mark before",
            Self::NextFinding => "to the next finding or mark",
            Self::Enter => {
                "why: evidence, cause and remedy of the finding; or the chosen row in full"
            }
            Self::CopyAdvice => "copy the finding's advice to the clipboard",
            Self::Dismiss => "put the finding aside; on its screen, take that back",
            Self::Back => "close, or one back: from a row, to now, to the lanes",
            Self::SelectUp => "row above",
            Self::SelectDown => "row below",
            Self::PageUp => "ten rows up",
            Self::PageDown => "ten rows down",
            Self::Expand => {
                "show or hide the ranks of the selected run, or what is below the chosen process; between loaders and workers"
            }
            Self::Filter => "processes: show those only that have this in their names",
            Self::Sort => "processes: sort by the next column",
            Self::Reverse => "processes: the other way round",
            Self::Flat => "processes: as a list, or as a tree",
            Self::Signal => "send a signal to the chosen process, after a question",
            Self::GpuMode => "GPU lane: mean and range, a line a GPU, heat map",
            Self::Bell => "ring when a high or critical finding is raised",
            Self::Theme => "next theme",
            Self::Screen(1) => "lanes",
            Self::Screen(2) => "GPUs",
            Self::Screen(3) => "loaders",
            Self::Screen(4) => "processes",
            Self::Screen(5) => "findings",
            Self::Screen(6) => "host",
            Self::Screen(_) => "no such screen",
            Self::Mark => "mark this moment, with a note; it is kept with the recording",
            Self::Record => "record to a file, or stop",
            Self::SaveLast => "save what the screen remembers as a recording",
            Self::GoToTime => "go to a time: 14:02:31, 1m30s from the start, -5s from the end",
            Self::Command => "run any action by its name",
        }
    }

    /// The word in the footer; empty where the footer does not list it.
    pub const fn short(self) -> &'static str {
        match self {
            Self::Quit => "quit",
            Self::Help => "help",
            Self::Pause => "pause",
            Self::ScrubLeft => "scrub",
            Self::ZoomIn => "zoom",
            Self::PrevFinding => "jump",
            Self::Enter => "why",
            Self::Live => "now",
            Self::GpuMode => "GPU lane",
            Self::Expand => "ranks",
            Self::SelectUp => "rows",
            Self::Filter => "filter",
            Self::Sort => "sort",
            Self::Flat => "tree",
            Self::Signal => "signal",
            Self::Dismiss => "aside",
            Self::CopyAdvice => "copy",
            Self::Screen(1) => "lanes",
            Self::Screen(2) => "GPUs",
            Self::Screen(3) => "loaders",
            Self::Screen(4) => "processes",
            Self::Screen(5) => "findings",
            Self::Screen(6) => "host",
            _ => "",
        }
    }

    /// Why it cannot be done in this version; `None` where it can.
    pub fn unavailable(self) -> Option<String> {
        let what = match self {
            Self::Screen(number) if ScreenKind::numbered(number).is_none() => {
                format!("screen {number} ({})", self.help())
            }
            Self::Command => "running an action by its name".to_owned(),
            _ => return None,
        };
        Some(format!("{what} is not in this version"))
    }
}
