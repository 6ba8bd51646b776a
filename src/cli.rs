//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{
    Arg, ArgAction, Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum,
};

use crate::model::Pid;

mod check;
mod record;
mod session;

pub use check::{Check, Level};
pub(crate) use record::ring_size;
pub use record::{Cut, Flight, FlightVerb, KeepOptions, Record, Ring, SyncWhen, Verify};
pub use session::{Diff, Export, Form, Part, Replay, Report};

/// See why the GPUs of a running training job wait.
///
/// Attaches to training that is already running, with no change to its code and no restart, and
/// plots GPU utilization, GPU memory, PCIe and disk read rates beside the `DataLoader`'s queue.
#[derive(Debug, Parser)]
#[command(name = "mltop", version, max_term_width = 100, mut_arg("readonly", self::switch))]
pub struct Cli {
    /// What to do instead of the live screen.
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// What to read.
    #[command(flatten)]
    pub watch: Watch,
    /// How to show it.
    #[command(flatten)]
    pub look: Look,
    /// What to do when a finding opens.
    #[command(flatten)]
    pub notify: Notify,
    /// Never send a signal to a process, not even after a question.
    #[arg(long, env = "MLTOP_READONLY", global = true)]
    pub readonly: bool,
    /// What an hour of one GPU costs, to tell what is lost in money.
    #[arg(long, value_name = "AMOUNT", value_parser = price, env = "MLTOP_PRICE", global = true)]
    pub price: Option<f64>,
    /// The configuration; by default $XDG_CONFIG_HOME/mltop/config.toml, else
    /// ~/.config/mltop/config.toml. `mltop config --default` prints one.
    #[arg(long, value_name = "FILE", env = "MLTOP_CONFIG", global = true)]
    pub config: Option<PathBuf>,
}

/// What to read, and how often.
#[derive(Clone, Debug, Args)]
pub struct Watch {
    /// Look at this training process instead of finding trainers.
    #[arg(long, value_name = "PID", value_parser = pid, allow_negative_numbers = true)]
    pub pid: Option<Pid>,
    /// Time between ticks: 500ms, 1s, 5s. Below 1 s, asking the GPU driver so often can itself slow
    /// the training.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval, env = "MLTOP_INTERVAL")]
    pub interval: Duration,
    /// Read the metrics of this inference server (vLLM, SGLang, TGI, Triton, `TorchServe`, Ray Serve):
    /// HOST:PORT, or the http URL of its Prometheus endpoint. May be given several times.
    #[arg(long = "server", value_name = "URL", value_parser = server)]
    pub servers: Vec<Box<str>>,
    /// Do not look for inference servers on this box.
    #[arg(long)]
    pub no_servers: bool,
}

/// How screens look.
#[derive(Clone, Debug, Args)]
#[command(mut_args(|arg| if is_switch(&arg) { switch(arg) } else { arg }))]
pub struct Look {
    /// Colours: dark, light, or auto by the terminal's COLORFGBG.
    #[arg(long, value_name = "NAME", default_value = "auto", env = "MLTOP_THEME", global = true)]
    pub theme: String,
    /// Plain ASCII instead of line and block characters.
    #[arg(long, env = "MLTOP_ASCII", global = true)]
    pub ascii: bool,
    /// Leave the mouse to the terminal, which then selects text without Shift.
    #[arg(long, env = "MLTOP_NO_MOUSE", global = true)]
    pub no_mouse: bool,
}

/// What to do when a finding opens.
#[derive(Clone, Debug, Default, Args)]
#[command(mut_arg("bell", self::switch))]
pub struct Notify {
    /// Run a shell command when a finding opens; it gets `MLTOP_RULE`, `MLTOP_SEVERITY`,
    /// `MLTOP_PID`, `MLTOP_TITLE` and `MLTOP_ADVICE`.
    #[arg(long, value_name = "CMD", env = "MLTOP_ON_FINDING")]
    pub on_finding: Option<String>,
    /// Ring the terminal's bell when a finding opens that is a warning or worse.
    #[arg(long, env = "MLTOP_BELL")]
    pub bell: bool,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Print the session's lines, one JSON object a line, for scripts.
    Stream(Stream),
    /// Draw the screen of a recorded stream at one moment, as SVG or text.
    Render(Render),
    /// Show a recorded session on the same screens: play, pause, scrub, jump between findings.
    Replay(Replay),
    /// Tell what a recorded session came to: findings with evidence, runs, gaps.
    Report(Report),
    /// Say whether anything is the matter, as an exit code: for CI, epilogues of a scheduler and cron.
    ///
    /// Watches what trains here for a while, or reads a recorded session; prints a line for each finding
    /// with its evidence and its remedy.
    Check(Check),
    /// Compare two sessions of the same training, before and after a change.
    Diff(Diff),
    /// Turn a recorded session into what other tools read.
    Export(Export),
    /// Record to a file, without a screen.
    Record(Record),
    /// Keep the last days in a ring of files on disk, always on.
    Flight(Flight),
    /// Say whether a recording is whole, and where it is not (exit code 0 whole, 1 damaged, 2 not
    /// usable).
    Verify(Verify),
    /// Cut a span out of a recording into a new one.
    Cut(Cut),
    /// Say what can be read here, what cannot, why, and what would allow it.
    Doctor {
        /// Look at this training process in particular.
        #[arg(long, value_name = "PID", value_parser = pid, allow_negative_numbers = true)]
        pid: Option<Pid>,
    },
    /// List what is looked for: findings by area, and the causes that they can name.
    Rules(Rules),
    /// Tell all about a finding: what it says, when it is raised and cleared with the thresholds in
    /// force, what to change, and where the thresholds come from.
    Explain {
        /// The finding or the cause, as `mltop rules` lists it.
        #[arg(value_name = "RULE")]
        rule: String,
    },
    /// Print the configuration in force, with what each key means.
    Config {
        /// Print the defaults instead, to begin a file with.
        #[arg(long)]
        default: bool,
    },
    /// Watch a small training loop over a simulated GPU: no GPU and no training needed.
    Demo(Demo),
    /// Start a training, so that its loaders can be read exactly: `mltop run -- python train.py`.
    ///
    /// It runs as if started without mltop: its output, its terminal, its signals and its exit code
    /// are its own. A probe counts batches and times waits inside, and mltop may read the memory of
    /// what it started where it may not that of others; a second mltop shows both.
    Run(Run),
}

/// `mltop rules`
#[derive(Debug, Args)]
pub struct Rules {
    /// As a table in Markdown.
    #[arg(long)]
    pub markdown: bool,
}

/// `mltop run`
#[derive(Debug, Args)]
pub struct Run {
    /// Open the live screen in this terminal, and send the training's output to a file.
    #[arg(long)]
    pub ui: bool,
    /// Start it without the probe: neither PYTHONPATH nor MLTOP_DIR is set.
    #[arg(long)]
    pub no_probe: bool,
    /// The command and its arguments, as in `-- torchrun --nproc-per-node 2 train.py`.
    #[arg(
        value_name = "COMMAND",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub command: Vec<OsString>,
}

/// `mltop stream`
#[derive(Debug, Args)]
pub struct Stream {
    /// One JSON object a line (the only form so far).
    #[arg(long)]
    pub plain: bool,
    /// End after this time.
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub duration: Option<Duration>,
    /// What to read.
    #[command(flatten)]
    pub watch: Watch,
}

/// `mltop render`
#[derive(Debug, Args)]
pub struct Render {
    /// A recorded stream.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The moment: seconds from the start (90, 1m30s), from the end (-5s), or a time of day in UTC (14:02:31).
    #[arg(long, value_name = "T", default_value = "-0s", allow_hyphen_values = true)]
    pub at: String,
    /// Columns and rows.
    #[arg(long, value_name = "WxH", default_value = "120x36", value_parser = size)]
    pub size: (u16, u16),
    /// Seconds that the lanes show.
    #[arg(long, value_name = "TIME", default_value = "120s", value_parser = span)]
    pub zoom: Duration,
    /// Which screen: 1 lanes, 2 GPUs, 3 loaders, 4 processes, 5 findings, 6 host.
    #[arg(long, value_name = "N", default_value = "1")]
    pub screen: u8,
    /// Where to: NAME.svg or NAME.txt.
    #[arg(short = 'o', long = "output", value_name = "OUT")]
    pub output: PathBuf,
}

/// `mltop demo`
#[derive(Debug, Args)]
pub struct Demo {
    /// How long each phase lasts.
    #[arg(long, value_name = "TIME", default_value = "40s", value_parser = span)]
    pub phase: Duration,
    /// Stay in one phase.
    #[arg(long, value_name = "PHASE")]
    pub only: Option<Phase>,
    /// Print the session's lines instead of showing the screen, for this time.
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub stream: Option<Duration>,
    /// What to do when a finding opens.
    #[command(flatten)]
    pub notify: Notify,
}

/// The phases of the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Phase {
    /// The loader is ahead of the step.
    Healthy,
    /// Workers wait for the disk.
    Disk,
    /// Workers are short of CPU.
    Cpu,
    /// The GPU is far larger than the job.
    Oversized,
}

impl Phase {
    /// The phase's name in the demo's own loop.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Disk => "disk",
            Self::Cpu => "cpu",
            Self::Oversized => "oversized",
        }
    }
}

impl Cli {
    /// The command line of this process with other defaults than those of the program: each for the
    /// flag of this name, of these verbs or, where there is none, of all.
    pub fn with_defaults(defaults: &[(&[&str], &str, &str)]) -> Self {
        let matches = with(Self::command(), defaults).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

fn with(command: Command, defaults: &[(&[&str], &str, &str)]) -> Command {
    let verb = command.get_name().to_owned();
    let command = command.mut_args(|arg| {
        let of_arg = |(verbs, id, _): &&(&[&str], &str, &str)| {
            arg.get_id() == *id && (verbs.is_empty() || verbs.contains(&verb.as_str()))
        };
        match defaults.iter().find(of_arg) {
            Some((_, _, value)) => arg.default_value((*value).to_owned()),
            None => arg,
        }
    });
    command.mut_subcommands(|sub| with(sub, defaults))
}

/// Which flags of the look can also be turned off. The whole command is asked.
fn is_switch(arg: &Arg) -> bool {
    ["ascii", "no_mouse"].contains(&arg.get_id().as_str())
}

/// A flag that can also be turned off, where the configuration or the environment turned it on:
/// `--ascii`, `--ascii=false`.
fn switch(arg: Arg) -> Arg {
    arg.action(ArgAction::Set)
        .value_name("true|false")
        .num_args(0..=1)
        .require_equals(true)
        .default_value("false")
        .default_missing_value("true")
        .hide_default_value(true)
        .hide_possible_values(true)
}

fn pid(text: &str) -> Result<Pid, String> {
    match text.parse::<u32>() {
        Ok(pid) if pid > 0 => Ok(Pid(pid)),
        _ => Err(format!("'{text}' is not a process id: a positive whole number is needed")),
    }
}

/// Where a server's metrics are: `HOST:PORT` stands for `http://HOST:PORT/metrics`.
fn server(text: &str) -> Result<Box<str>, String> {
    const LONGEST: usize = 1024;
    let wrong =
        |why: &str| Err(format!("'{text}' is not the address of a server's metrics: {why}"));
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let odd = |c: char| c.is_whitespace() || c.is_control();
    match () {
        () if scheme == "https" => wrong("TLS is not spoken here; name the plain http address"),
        () if scheme != "http" => wrong("write HOST:PORT or http://HOST:PORT/metrics"),
        () if authority.is_empty() || text.contains(odd) || text.len() > LONGEST => {
            wrong("write HOST:PORT or http://HOST:PORT/metrics")
        }
        () if authority.contains('@') => wrong("it is recorded, so it must hold no password"),
        () if path.is_empty() || path == "/" => Ok(format!("http://{authority}/metrics").into()),
        () => Ok(format!("http://{rest}").into()),
    }
}

/// A time with its unit: `500ms`, `2s`, `1m30s`, `1h`; a bare number is seconds.
pub fn span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is not a time: write it like 500ms, 10s, 1m30s or 1h");
    if text.is_empty() {
        return Err(wrong());
    }
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|_| wrong());
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let value: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let seconds = match &rest[..end] {
            "ms" => value / 1e3,
            "s" => value,
            "m" => value * 60.0,
            "h" => value * 3600.0,
            _ => return Err(wrong()),
        };
        rest = &rest[end..];
        let part = Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?;
        total = total.checked_add(part).ok_or_else(wrong)?;
    }
    Ok(total)
}

/// The longest time between ticks: of two that are further apart no rate is made.
const LONGEST_INTERVAL: Duration = Duration::from_secs(10);

/// A time between ticks, within its range.
pub(crate) fn interval(text: &str) -> Result<Duration, String> {
    let interval = span(text)?;
    if (Duration::from_millis(100)..=LONGEST_INTERVAL).contains(&interval) {
        Ok(interval)
    } else {
        Err(format!("an interval of {text} is out of range: 100ms to 10s"))
    }
}

/// An amount of money above 0.
pub(crate) fn price(text: &str) -> Result<f64, String> {
    let price = text.trim_start_matches('$').parse::<f64>().ok();
    price
        .filter(|price| price.is_finite() && *price > 0.0)
        .ok_or_else(|| format!("'{text}' is not a price: write it like 2.50"))
}

fn size(text: &str) -> Result<(u16, u16), String> {
    text.split_once('x')
        .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)))
        .filter(|&(width, height)| (1..=500).contains(&width) && (1..=200).contains(&height))
        .ok_or_else(|| format!("'{text}' is not a size: write columns x rows, at most 500x200"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_time_is_read_with_its_unit_and_refused_without_sense() {
        assert_eq!(span("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(span("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(span("2"), Ok(Duration::from_secs(2)));
        for bad in ["", "s", "-3s", "1x", "1e999", "9999999999999999999h", "1s2"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_server_is_named_by_its_address_or_its_url() {
        assert_eq!(server("localhost:8000").as_deref(), Ok("http://localhost:8000/metrics"));
        assert_eq!(server("http://h:1/").as_deref(), Ok("http://h:1/metrics"));
        assert_eq!(server("http://h:1/a/metrics").as_deref(), Ok("http://h:1/a/metrics"));
        for (bad, why) in [
            ("https://h:1", "TLS"),
            ("ftp://h", "HOST:PORT"),
            ("", "HOST:PORT"),
            ("http:///metrics", "HOST:PORT"),
            ("h:1/a b", "HOST:PORT"),
            ("http://me:pw@h:1", "password"),
        ] {
            assert!(server(bad).unwrap_err().contains(why), "{bad}");
        }
    }

    #[test]
    fn an_interval_out_of_range_names_the_range() {
        assert!(interval("1ms").unwrap_err().contains("100ms to 10s"));
        assert!(interval("11s").unwrap_err().contains("100ms to 10s"));
    }

    #[test]
    fn ticks_as_far_apart_as_can_be_asked_for_still_have_rates() {
        let longest = interval("10s").unwrap();
        assert_eq!(longest, LONGEST_INTERVAL);
        assert!(longest.as_secs_f64() < crate::derive::LONGEST_SPAN_SECONDS);
    }

    #[test]
    fn a_size_is_columns_by_rows() {
        assert_eq!(size("160x48"), Ok((160, 48)));
        for bad in ["160", "0x10", "10x0", "999x10", "axb"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
