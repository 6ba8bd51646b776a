//! The verbs. The only place that knows everybody.

mod asked;
mod bundled;
mod check;
mod config;
mod demo;
mod diff;
mod doctor;
mod export;
mod files;
mod flight;
pub mod heap;
mod keeping;
mod keys;
pub mod launch;
mod live;
mod looks;
mod moment;
mod notify;
mod pipeline;
mod pointer;
mod record;
mod recorder;
mod render;
mod replay;
mod report;
mod session;
mod stream;
mod verify;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use crate::app::Feed;
use crate::cli::{self, Cli, Verb, Watch};
use crate::config::Config;
use crate::diagnose::Settings;
use crate::error::Error;
use crate::model::{Pid, Sample};
use crate::record::SessionFile;
use crate::source::Roots;
use crate::source::gpu::Gpus;
use crate::source::sampler::{GpuFeed, Plan, Sampler};
use crate::source::server::Wanted;
use crate::source::trainer::check_pid;
use crate::term;

use live::Setup;
use looks::Looks;
use notify::Notifier;

/// Samples that may wait for a reader that is late; a reader that is later than that misses some.
const WAITING: usize = 16;

/// Does what the command line asks for, and says with which exit code to end.
pub fn run(cli: Cli) -> Result<u8, Error> {
    if let Some(Verb::Config { default: true }) = cli.verb {
        // Wanted most where the file that is there cannot be used.
        return config::print(&Config::default()).map(|()| 0);
    }
    let (cli, config) = config::load(cli)?;
    let mut settings = config.settings.clone();
    settings.price_per_gpu_hour = cli.price;
    match cli.verb {
        Some(Verb::Record(wanted)) => return record::record(&wanted, &settings),
        Some(Verb::Check(wanted)) => return check::check(&wanted, &settings),
        Some(Verb::Verify(wanted)) => return verify::verify(&wanted),
        Some(Verb::Cut(wanted)) => verify::cut(&wanted),
        Some(Verb::Flight(wanted)) => return flight::flight(&wanted, &settings),
        None => live_screen(&cli.watch, (&cli.look, cli.readonly), cli.notify, settings),
        Some(Verb::Stream(stream)) => stream_lines(&stream, settings),
        Some(Verb::Render(wanted)) => render::render(&wanted, &cli.look, &settings),
        Some(Verb::Replay(wanted)) => {
            replay::replay(&wanted, terminal_looks(&cli.look)?, &settings)
        }
        Some(Verb::Report(wanted)) => report::report(&wanted, &settings),
        Some(Verb::Diff(wanted)) => diff::diff(&wanted, &settings),
        Some(Verb::Export(wanted)) => export::export(&wanted, &cli.look, &settings),
        Some(Verb::Doctor { pid }) => examine(pid),
        Some(Verb::Rules(wanted)) => config::list(&wanted),
        Some(Verb::Explain { rule }) => config::explain(&rule, &settings),
        Some(Verb::Config { .. }) => config::print(&config),
        Some(Verb::Demo(demo)) => show_demo(&demo, (&cli.look, cli.readonly), settings),
        Some(Verb::Run(wanted)) => launch::run(&wanted, (&cli.look, cli.readonly), &settings),
    }
    .map(|()| 0)
}

/// What to sample on this machine.
fn plan(watch: &Watch) -> Result<Plan, Error> {
    let roots = Roots::default();
    if let Some(pid) = watch.pid {
        check_pid(&roots, pid)?;
    }
    let servers = Wanted { find: !watch.no_servers, named: watch.servers.clone() };
    Ok(Plan { servers, ..plan_of(watch.interval, roots, watch.pid)? })
}

/// The same, whether or not the one trainer can be read.
fn plan_of(interval: Duration, roots: Roots, only: Option<Pid>) -> Result<Plan, Error> {
    files::make_room();
    let gpus = GpuFeed::Drivers(Gpus::start(&own_program()?, interval));
    let servers = Wanted { find: true, named: Vec::new() };
    Ok(Plan { interval, roots, only, gpus, elsewhere: Some(asked::elsewhere()), servers })
}

/// This program, to be started again as a collector.
fn own_program() -> io::Result<PathBuf> {
    std::env::current_exe()
}

fn live_screen(
    watch: &Watch,
    (look, readonly): (&cli::Look, bool),
    notify: cli::Notify,
    settings: Settings,
) -> Result<(), Error> {
    if !term::is_there() {
        return Err(Error::NoTerminal);
    }
    let setup = Setup {
        feed: Feed::Live { interval_ms: watch.interval.as_millis() as u64 },
        looks: terminal_looks(look)?,
        notifier: Notifier::new(notify),
        settings,
        notice: None,
        readonly,
        ends: None,
    };
    show(setup, plan(watch)?)
}

fn terminal_looks(look: &cli::Look) -> Result<Looks, Error> {
    Looks::of_terminal(look, |name| std::env::var(name).ok())
}

fn show(setup: Setup, plan: Plan) -> Result<(), Error> {
    let (sender, samples) = tokio::sync::mpsc::channel(WAITING);
    let sampler = Sampler::start(plan, move |sample: Arc<Sample>| {
        use tokio::sync::mpsc::error::TrySendError;
        // A full channel leaves a hole in the numbering, which is shown as a gap.
        !matches!(sender.try_send(sample), Err(TrySendError::Closed(_)))
    })?;
    let result = live::watch(setup, samples);
    drop(sampler);
    result
}

fn stream_lines(stream: &cli::Stream, settings: Settings) -> Result<(), Error> {
    if !stream.plain {
        return Err(Error::StreamForm);
    }
    let (sampler, samples) = sample(plan(&stream.watch)?)?;
    let stdout = io::stdout().lock();
    let interval = stream.watch.interval;
    let result = stream::write_lines(&samples, interval, stream.duration, settings, stdout);
    drop(sampler);
    result
}

/// Samples through a channel of the standard library, for verbs without a screen.
fn sample(plan: Plan) -> Result<(Sampler, mpsc::Receiver<Arc<Sample>>), Error> {
    let (sender, samples) = mpsc::sync_channel(WAITING);
    let sampler = Sampler::start(plan, move |sample| sender.send(sample).is_ok())?;
    Ok((sampler, samples))
}

fn examine(pid: Option<Pid>) -> Result<(), Error> {
    // Long enough for young processes to be looked at and for a loader to be found.
    const LOOKS: usize = 5;
    let interval = Duration::from_millis(700);
    let roots = Roots::default();
    // What may not be read is the question here, and no reason to stop.
    let problem = match pid.map(|pid| check_pid(&roots, pid)) {
        Some(Err(problem)) if !problem.is_of_rights() => return Err(problem.into()),
        Some(Err(problem)) => Some(problem),
        _ => None,
    };
    let (sampler, samples) = sample(plan_of(interval, roots.clone(), pid)?)?;
    let last = samples.iter().take(LOOKS).last().unwrap_or_default();
    drop(sampler);
    doctor::report(&last, &roots, problem.as_ref())
}

fn show_demo(
    wanted: &cli::Demo,
    (look, readonly): (&cli::Look, bool),
    settings: Settings,
) -> Result<(), Error> {
    let settings = settings.shortened();
    if wanted.stream.is_none() && !term::is_there() {
        return Err(Error::NoTerminal);
    }
    let Some((running, gpu)) = demo::Loop::start(wanted)? else {
        return show_recorded_demo(wanted, look, settings);
    };
    let interval = Duration::from_secs(1);
    let plan = Plan {
        interval,
        roots: Roots::default(),
        only: Some(running.pid()),
        gpus: GpuFeed::Simulated(gpu),
        elsewhere: None,
        servers: Wanted::default(),
    };
    if let Some(duration) = wanted.stream {
        let (sampler, samples) = sample(plan)?;
        let stdout = io::stdout().lock();
        let result = stream::write_lines(&samples, interval, Some(duration), settings, stdout);
        drop(sampler);
        return result;
    }
    let setup = Setup {
        feed: Feed::Live { interval_ms: 1000 },
        looks: terminal_looks(look)?,
        notifier: Notifier::new(wanted.notify.clone()),
        settings,
        notice: Some("demo: a real loader over a SIMULATED GPU; windows are shortened".into()),
        readonly,
        ends: None,
    };
    let result = show(setup, plan);
    drop(running);
    result
}

/// The demo where its loop cannot run: a recording of it, which says on screen that it is one.
fn show_recorded_demo(
    wanted: &cli::Demo,
    look: &cli::Look,
    settings: Settings,
) -> Result<(), Error> {
    const WHY: &str = "bundled replay: python3 was not found";
    let session = demo::recorded()?;
    let interval_ms = session.head.as_ref().map_or(1000, |head| head.interval_ms);
    if let Some(duration) = wanted.stream {
        // Without it a script would take the recorded box for this one.
        let _ = writeln!(io::stderr(), "mltop: {WHY}");
        let (sender, samples) = mpsc::sync_channel(WAITING);
        bundled::play(session, move |sample| sender.send(sample).is_ok())?;
        let interval = Duration::from_millis(interval_ms);
        let stdout = io::stdout().lock();
        return stream::write_lines(&samples, interval, Some(duration), settings, stdout);
    }
    let setup = Setup {
        feed: Feed::Replay { name: "bundled, no python3".into(), speed: 1.0, interval_ms },
        looks: terminal_looks(look)?,
        notifier: Notifier::new(wanted.notify.clone()),
        settings,
        notice: Some(format!("{WHY}; a real loader over a SIMULATED GPU, recorded elsewhere")),
        readonly: true,
        ends: None,
    };
    let (file, other) = (SessionFile::of(session), SessionFile::of(demo::recorded()?));
    replay::play(setup, file, other, false, replay::Begin::Start)
}
