//! A screen as data: rectangles with text, plots and tables, each piece with a role instead of a
//! colour. `view` decides what stands where; `ui` only paints it.

use std::ops::Range;

use crate::app::Spot;

/// What a piece of the screen means. Themes give each role its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each role is the name of what it colours")]
pub enum Role {
    Text,
    Dim,
    Title,
    Accent,
    Key,
    Border,
    Selected,
    Cursor,
    Good,
    Info,
    Warn,
    High,
    Critical,
    Simulated,
    Live,
    Paused,
    GpuUtil,
    GpuActivity,
    GpuMemory,
    PcieRx,
    PcieTx,
    DiskRead,
    Queue,
    Blocked,
    Band,
    Limit,
    ShadeStarved,
    ShadeHeadroom,
    Gap,
    WorkerRun,
    WorkerQueued,
    WorkerDisk,
    WorkerNet,
    WorkerWait,
    WorkerIdle,
    WorkerDead,
}

impl Role {
    /// Every role, for themes and their test.
    pub const ALL: &'static [Self] = &[
        Self::Text,
        Self::Dim,
        Self::Title,
        Self::Accent,
        Self::Key,
        Self::Border,
        Self::Selected,
        Self::Cursor,
        Self::Good,
        Self::Info,
        Self::Warn,
        Self::High,
        Self::Critical,
        Self::Simulated,
        Self::Live,
        Self::Paused,
        Self::GpuUtil,
        Self::GpuActivity,
        Self::GpuMemory,
        Self::PcieRx,
        Self::PcieTx,
        Self::DiskRead,
        Self::Queue,
        Self::Blocked,
        Self::Band,
        Self::Limit,
        Self::ShadeStarved,
        Self::ShadeHeadroom,
        Self::Gap,
        Self::WorkerRun,
        Self::WorkerQueued,
        Self::WorkerDisk,
        Self::WorkerNet,
        Self::WorkerWait,
        Self::WorkerIdle,
        Self::WorkerDead,
    ];

    /// The role's name in a theme file.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Dim => "dim",
            Self::Title => "title",
            Self::Accent => "accent",
            Self::Key => "key",
            Self::Border => "border",
            Self::Selected => "selected",
            Self::Cursor => "cursor",
            Self::Good => "good",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::High => "high",
            Self::Critical => "critical",
            Self::Simulated => "simulated",
            Self::Live => "live",
            Self::Paused => "paused",
            Self::GpuUtil => "gpu-util",
            Self::GpuActivity => "gpu-activity",
            Self::GpuMemory => "gpu-memory",
            Self::PcieRx => "pcie-rx",
            Self::PcieTx => "pcie-tx",
            Self::DiskRead => "disk-read",
            Self::Queue => "queue",
            Self::Blocked => "blocked",
            Self::Band => "band",
            Self::Limit => "limit",
            Self::ShadeStarved => "shade-starved",
            Self::ShadeHeadroom => "shade-headroom",
            Self::Gap => "gap",
            Self::WorkerRun => "worker-run",
            Self::WorkerQueued => "worker-queued",
            Self::WorkerDisk => "worker-disk",
            Self::WorkerNet => "worker-net",
            Self::WorkerWait => "worker-wait",
            Self::WorkerIdle => "worker-idle",
            Self::WorkerDead => "worker-dead",
        }
    }
}

/// A piece of text with one meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// What it says. Never holds an escape or a control character.
    pub text: String,
    /// What it means.
    pub role: Role,
    /// Drawn bold.
    pub strong: bool,
}

/// One line of text.
pub type Line = Vec<Span>;

/// A rectangle in cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "plain geometry")]
pub struct Area {
    pub x: u16,
    pub y: u16,
    pub width: u16,
    pub height: u16,
}

/// A whole screen: its parts, painted in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Screen {
    /// Columns of the terminal.
    pub width: u16,
    /// Rows of the terminal.
    pub height: u16,
    /// What is on it. No part reaches beyond the screen.
    pub parts: Vec<Part>,
    /// What the plots on it show of the past.
    pub shown: Option<Past>,
}

/// One rectangle of the screen with what it shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Where.
    pub area: Area,
    /// What.
    pub body: Body,
}

/// What a rectangle shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Lines of text, cut at the right edge with an ellipsis.
    Text(Vec<TextRow>),
    /// A rule with titles in it: `┌ GPU util ──── now 31% ┐`.
    Rule(Rule),
    /// A plot, between the left and right border columns of its area.
    Plot(Plot),
    /// A heat map: one row an entity.
    Heat(Heat),
    /// How the time of several is made up: one row an entity.
    Mix(Mix),
    /// A box over the rest, with a title and lines.
    Popup {
        /// On its border.
        title: Line,
        /// Inside.
        rows: Vec<TextRow>,
    },
}

/// A line of text, with what surrounds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextRow {
    /// At the left edge.
    pub left: Line,
    /// At the right edge, before which the left part gives way.
    pub right: Line,
    /// A coloured bar in the first column, for verdicts.
    pub bar: Option<Role>,
    /// Drawn as the selected row.
    pub selected: bool,
    /// What its columns stand for, for a pointer; the first that holds a column counts.
    pub spots: Vec<(Range<u16>, Stands)>,
}

/// What columns stand for, for a pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    /// One thing.
    For(Spot),
    /// A part of the past, each column for its share of it.
    Past(Past),
}

/// A part of the past, by the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "plain bounds")]
pub struct Past {
    pub from_ms: u64,
    pub to_ms: u64,
}

impl TextRow {
    /// The row, all of which stands for one thing.
    #[must_use]
    pub(super) fn standing_for(mut self, spot: Spot) -> Self {
        self.spots.push((0..u16::MAX, Stands::For(spot)));
        self
    }
}

/// Which border a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "plain geometry")]
pub enum Edge {
    Top,
    Middle,
    Bottom,
}

/// A horizontal border with text in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which corners it has.
    pub edge: Edge,
    /// After the left corner.
    pub left: Line,
    /// Before the right corner.
    pub right: Line,
    /// Labels at columns counted from the left edge of the area, for the time axis.
    pub ticks: Vec<(u16, String)>,
    /// Column of the cursor, counted from the left edge of the area.
    pub cursor: Option<u16>,
}

pub use crate::history::Bucket;

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// Filled from the bottom to the mean.
    Area,
    /// Filled from the bottom to the mean, each value held until the next.
    Step,
    /// The mean only.
    Line,
    /// Between min and max, faint.
    Band,
    /// Filled from the top edge downwards to the mean: for the second direction of a link.
    Hanging,
}

/// One series of a plot.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its colour.
    pub role: Role,
    /// How it is drawn.
    pub draw: Draw,
    /// Two points a column, oldest first; `None` is a gap and stays blank.
    pub points: Vec<Option<Bucket>>,
}

/// What a column of the plot is shaded with, across all lanes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shade {
    /// Nothing.
    #[default]
    None,
    /// The run starves.
    Starved,
    /// No data: blank, and said so.
    Gap,
}

/// A plot over the shared time axis. Its inner width is the area less two border columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Plot {
    /// Value at the bottom edge.
    pub low: f64,
    /// Value at the top edge; above `low`.
    pub high: f64,
    /// Values with a label, drawn over the left of the plot.
    pub labels: Vec<(f64, String)>,
    /// Drawn in order.
    pub series: Vec<Series>,
    /// A horizontal line with its role: a capacity or a ceiling.
    pub limit: Option<f64>,
    /// Above this value, unused headroom is hatched in every column whose flag is set.
    pub headroom: Option<(f64, Vec<bool>)>,
    /// One entry a column.
    pub shades: Vec<Shade>,
    /// Why columns are blank: first column, columns, reason.
    pub gaps: Vec<(u16, u16, String)>,
    /// Column of the cursor within the plot.
    pub cursor: Option<u16>,
}

/// A heat map over the shared time axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Heat {
    /// Label and one value (0 to 1) a column for each row.
    pub rows: Vec<(String, Vec<Option<f32>>)>,
    /// The colour at 1.
    pub role: Role,
    /// Column of the cursor within the plot.
    pub cursor: Option<u16>,
}

/// What the time of several entities is made up of, over the shared time axis: one row an entity, one
/// small stacked bar a column.
#[derive(Clone, Debug, PartialEq)]
pub struct Mix {
    /// One entry a column for each row; `None` is a gap and stays blank.
    pub rows: Vec<Vec<Option<Shares>>>,
    /// The roles of the shares, lowest first, each with the letter that stands for it where bars
    /// cannot be drawn.
    pub parts: [(Role, char); 5],
    /// Column of the cursor within the plot.
    pub cursor: Option<u16>,
}

/// Shares of one time, lowest first; they sum to 1.
pub type Shares = [f32; 5];

/// Text of one role.
pub fn span(text: impl Into<String>, role: Role) -> Span {
    Span { text: text.into(), role, strong: false }
}

/// Bold text of one role.
pub fn strong(text: impl Into<String>, role: Role) -> Span {
    Span { text: text.into(), role, strong: true }
}
