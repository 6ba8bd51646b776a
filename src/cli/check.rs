//! `mltop check`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::model::Severity;

/// The fields of `--json`, for the long help.
const FIELDS: &str = "\
Exit codes: 0 clean, 1 a finding of --severity (warn) or worse, or a broken budget, 2 wrong usage or
input, 3 not enough evidence. A finding that is less severe is worth knowing, and fails nothing.

Fields of --json:
  outcome      clean, finding or not-enough-evidence
  exit_code    0, 1 or 3
  reason       the outcome as a sentence; remedy: what would make it better known, or empty
  source       name of the session's file, or live
  seconds      watched, gaps left out
  runs[]       run, name, seconds, judged_seconds: with evidence enough to say whether it starves
  findings[]   those that are less severe, too, as in a session: rule, cause, severity, run, pid, start_ms, end_ms (null while it
               lasts), title, evidence[] (series, entity, value, limit, text), advice, gain, cost
  budgets[]    of --budget: key, server, outcome (pass, fail, indeterminate, not measurable), value and
               limit in seconds, bytes, a second or a share, count, text, remedy
  audit        from_ms, to_ms, seconds, gpu_seconds, lost, grade, and
     .areas[]    area, grade (A to F, null without evidence), seen, missing, findings[], put_aside, lost
     .changes[]  advice, rule, cause, area, run, severity, findings[], lost, gain: the most worth first
     lost is low_gpu_seconds, gpu_seconds, high_gpu_seconds, ratio, money (null without a price)";

/// `mltop check`
#[derive(Debug, Args)]
#[command(after_long_help = FIELDS)]
pub struct Check {
    /// A recorded session; or of the flight ring `last-night`, or `@03:12`. Without one, what trains
    /// here now is watched.
    #[arg(value_name = "FILE", conflicts_with_all = ["time", "servers", "no_servers"])]
    pub file: Option<PathBuf>,
    /// How long to watch.
    #[arg(long = "for", id = "time", value_name = "TIME", default_value = "60s", value_parser = time)]
    pub time: Duration,
    /// Hold inference servers against the budgets in this file: `[inference]` with `match`, `p99_ms`,
    /// `ttft_p95_ms`, `gpu_mem_gib_max`, `qps_min`, `error_rate_max` and the like.
    #[arg(long, value_name = "FILE")]
    pub budget: Option<PathBuf>,
    /// End with 0 where nothing is found that is as severe as this: what is less severe is told and fails
    /// nothing.
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    pub severity: Level,
    /// As one JSON object.
    #[arg(long)]
    pub json: bool,
    /// What to read; with --pid, the run of that process alone is judged, of a session too.
    #[command(flatten)]
    pub watch: super::Watch,
}

/// Severities as an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "each is the severity of its name")]
pub enum Level {
    Info,
    Warn,
    High,
    Critical,
}

impl Level {
    /// The severity of its name.
    pub const fn severity(self) -> Severity {
        match self {
            Self::Info => Severity::Info,
            Self::Warn => Severity::Warn,
            Self::High => Severity::High,
            Self::Critical => Severity::Critical,
        }
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let time = super::span(text)?;
    if (Duration::from_secs(1)..=Duration::from_hours(24)).contains(&time) {
        Ok(time)
    } else {
        Err(format!("{text} is out of range: 1s to 24h"))
    }
}
