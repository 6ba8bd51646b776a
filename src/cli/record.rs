//! The verbs that write and mend sessions.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::{Watch, span};

/// `mltop record`
#[derive(Debug, Args)]
pub struct Record {
    /// The file, which must not exist yet. Without it a name is made of the box and the time.
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// End after this time.
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub duration: Option<Duration>,
    /// How it is kept.
    #[command(flatten)]
    pub keep: KeepOptions,
    /// End before the file is larger than this: 500MB, 2GiB.
    #[arg(long, value_name = "SIZE", value_parser = size_in_bytes)]
    pub max_bytes: Option<u64>,
    /// What to read.
    #[command(flatten)]
    pub watch: Watch,
    /// A command to run: its start and its end are marked, and the recording ends with it and with
    /// its exit code. A recording that is over before is closed, and the command goes on. SIGTERM and
    /// SIGHUP are passed on to it.
    #[arg(value_name = "CMD", last = true)]
    pub command: Vec<OsString>,
}

/// How ticks reach the disk.
#[derive(Clone, Copy, Debug, Args)]
pub struct KeepOptions {
    /// When to bring ticks to the medium. What was written survives the end of mltop in any case;
    /// this is about the end of the machine.
    #[arg(long, value_name = "WHEN", default_value = "1s")]
    pub sync: SyncWhen,
    /// Pause while less than this is free on the disk; by default 1 GiB, on a small disk 5 %.
    #[arg(long, value_name = "SIZE", value_parser = size_in_bytes)]
    pub min_free: Option<u64>,
}

/// When to sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SyncWhen {
    /// When the system likes.
    Never,
    /// Each second.
    #[value(name = "1s")]
    Second,
    /// After each tick.
    Tick,
}

/// `mltop verify`
#[derive(Debug, Args)]
pub struct Verify {
    /// A recording.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Write what can be read of it into a new file: whole frames byte for byte.
    #[arg(long, requires = "output")]
    pub repair: bool,
    /// The new file, which must not exist yet.
    #[arg(short = 'o', long = "output", value_name = "NEW", requires = "repair")]
    pub output: Option<PathBuf>,
}

/// `mltop cut`
#[derive(Debug, Args)]
pub struct Cut {
    /// A recording, or of the flight ring: last-night, @03:12.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// From this moment: seconds from the start (90, 1m30s), from the end (-5m), or a time of day
    /// in UTC (14:02:31).
    #[arg(long, value_name = "T", default_value = "0", allow_hyphen_values = true)]
    pub since: String,
    /// Up to this moment.
    #[arg(long, value_name = "T", default_value = "-0s", allow_hyphen_values = true)]
    pub until: String,
    /// The new file, which must not exist yet.
    #[arg(short = 'o', long = "output", value_name = "NEW")]
    pub output: PathBuf,
}

/// `mltop flight`
#[derive(Debug, Args)]
pub struct Flight {
    /// What to do instead of recording.
    #[command(subcommand)]
    pub verb: Option<FlightVerb>,
    /// The ring.
    #[command(flatten)]
    pub ring: Ring,
    /// How it is kept.
    #[command(flatten)]
    pub keep: KeepOptions,
    /// What to read.
    #[command(flatten)]
    pub watch: Watch,
}

/// Where the ring is and how large it may become.
#[derive(Clone, Debug, Args)]
pub struct Ring {
    /// The folder of the ring; by default /var/lib/mltop/flight for root, else
    /// $XDG_STATE_HOME/mltop/flight.
    #[arg(long, value_name = "DIR", global = true)]
    pub dir: Option<PathBuf>,
    /// The most that the ring takes on disk, pinned incidents included.
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = ring_size, global = true)]
    pub max_bytes: u64,
    /// What is older goes.
    #[arg(long, value_name = "TIME", default_value = "168h", value_parser = span, global = true)]
    pub max_age: Duration,
}

/// What to do with the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum FlightVerb {
    /// Print a systemd unit that keeps the ring running.
    Install,
    /// Say what the ring holds.
    Status,
    /// Bring the ring under its cap and age now.
    Prune,
}

/// A number of bytes: `500MB`, `2GiB`, `1048576`.
fn size_in_bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is not a size: write it like 500MB, 2GiB or 1048576");
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let value: f64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit: f64 = match &text[digits..] {
        "" | "B" => 1.0,
        "kB" | "KB" | "k" => 1e3,
        "MB" | "M" => 1e6,
        "GB" | "G" => 1e9,
        "TB" | "T" => 1e12,
        "KiB" => 1024.0,
        "MiB" => 1_048_576.0,
        "GiB" => 1_073_741_824.0,
        "TiB" => 1_099_511_627_776.0,
        _ => return Err(wrong()),
    };
    let bytes = value * unit;
    if bytes < 9e15 { Ok(bytes as u64) } else { Err(wrong()) }
}

pub(crate) fn ring_size(text: &str) -> Result<u64, String> {
    let bytes = size_in_bytes(text)?;
    if bytes >= 1 << 20 {
        Ok(bytes)
    } else {
        Err(format!("a ring of {text} is too small to hold anything: at least 1MiB"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_with_its_unit_and_refused_without_sense() {
        assert_eq!(size_in_bytes("1048576"), Ok(1 << 20));
        assert_eq!(size_in_bytes("1.5GiB"), Ok(3 << 29));
        assert_eq!(size_in_bytes("20MB"), Ok(20_000_000));
        for bad in ["", "MB", "-1", "1XB", "9999999TB", "1 MB"] {
            assert!(size_in_bytes(bad).is_err(), "{bad}");
        }
        assert!(ring_size("1kB").is_err());
    }
}
