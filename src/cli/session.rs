//! The verbs over sessions that were recorded.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

/// Which part of a session.
#[derive(Clone, Debug, Default, Args)]
pub struct Part {
    /// From this moment on: seconds from the start (90, 1m30s), from the end (-5s), or a time of day
    /// in UTC (14:02:31).
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub since: Option<String>,
    /// Up to this moment.
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub until: Option<String>,
}

/// `mltop report`
#[derive(Debug, Args)]
pub struct Report {
    /// A recorded session.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// As Markdown.
    #[arg(long, group = "form")]
    pub md: bool,
    /// As one page of HTML that needs nothing else, with plots.
    #[arg(long, group = "form")]
    pub html: bool,
    /// As one JSON object.
    #[arg(long, group = "form")]
    pub json: bool,
    /// Which part of the session.
    #[command(flatten)]
    pub part: Part,
    /// Where to, instead of standard output.
    #[arg(short = 'o', long = "output", value_name = "OUT")]
    pub output: Option<PathBuf>,
}

/// `mltop diff`
#[derive(Debug, Args)]
pub struct Diff {
    /// The session before the change.
    #[arg(value_name = "A")]
    pub before: PathBuf,
    /// The session after it.
    #[arg(value_name = "B")]
    pub after: PathBuf,
    /// As one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `mltop export`
#[derive(Debug, Args)]
pub struct Export {
    /// A recorded session.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Into what.
    #[arg(long, value_name = "FORM")]
    pub to: Form,
    /// Which part of the session.
    #[command(flatten)]
    pub part: Part,
    /// Columns and rows of the screen, for cast and svg.
    #[arg(long, value_name = "WxH", default_value = "120x36", value_parser = super::size)]
    pub size: (u16, u16),
    /// Where to, instead of standard output.
    #[arg(short = 'o', long = "output", value_name = "OUT")]
    pub output: Option<PathBuf>,
}

/// What a session can be exported to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// One number a line: t_ms,section,entity,column,value.
    Csv,
    /// The session's own lines with a `derived` section, one JSON object each.
    Jsonl,
    /// Counters for Perfetto and chrome://tracing, to lay over a profiler's trace.
    Chrome,
    /// The screen as a terminal recording (asciicast v3), with findings and marks as markers.
    Cast,
    /// The screen at the end of the part, as a picture.
    Svg,
}

/// `mltop replay`
#[derive(Debug, Args)]
pub struct Replay {
    /// A recorded session; or of the flight ring `last-night`, or `@03:12`.
    #[arg(value_name = "FILE", required_unless_present = "since")]
    pub file: Option<PathBuf>,
    /// The last while of the flight ring: 8h.
    #[arg(long, value_name = "TIME", value_parser = super::span, conflicts_with = "file")]
    pub since: Option<Duration>,
    /// Begin at this moment, and stand still: seconds from the start (90, 1m30s), from the end (-5s),
    /// or a time of day by this machine's clock (14:02:31).
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub at: Option<String>,
    /// Begin at the start of this finding, as `mltop report` counts them.
    #[arg(long, value_name = "N", conflicts_with = "at")]
    pub finding: Option<usize>,
    /// Follow a session that is still being written.
    #[arg(long)]
    pub follow: bool,
    /// Times real time: 0.25 to 64.
    #[arg(long, value_name = "X", default_value = "1", value_parser = speed)]
    pub speed: f64,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.trim_end_matches(['x', '×']).parse::<f64>().ok();
    speed
        .filter(|speed| (0.25..=64.0).contains(speed))
        .ok_or_else(|| format!("'{text}' is not a speed: 0.25 to 64 times real time"))
}
