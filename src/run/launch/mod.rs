//! `mltop run -- COMMAND`: a training started by mltop, which then may read what it may not of others.
//!
//! | file | what it holds |
//! |---|---|
//! | `child` | the command as a child: signals, and its ending as ours |
//! | `witness` | which signals the training has got already |
//! | `beside` | what is put beside it: the probe, and the variables |
//! | `log` | the file of its output under `--ui` |
//! | `marks` | its start and its end as events |
//! | `below`, `serve` | what is read of it, for other mltops |
//!
//! Without `--ui` nothing is printed and nothing is taken: the training has the terminal and the
//! descriptors as if it had been started without mltop.

mod below;
mod beside;
pub(super) mod child;
mod log;
pub(super) mod marks;
mod serve;
pub mod witness;

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::app::Feed;
use crate::cli;
use crate::diagnose::Settings;
use crate::error::Error;
use crate::model::Pid;
use crate::source::Roots;
use crate::term;

use super::live::Setup;
use super::looks::Looks;
use super::notify::Notifier;
use beside::Beside;
use child::{Ending, Kept, Running};
use serve::Server;

/// Between ticks of the screen.
const INTERVAL: Duration = Duration::from_secs(1);

/// Runs a command; returns only where it could not be started or waited for.
pub(super) fn run(
    wanted: &cli::Run,
    (look, readonly): (&cli::Look, bool),
    settings: &Settings,
) -> Result<(), Error> {
    let roots = Roots::default();
    let screen = if wanted.ui { Some(Screen::prepare((look, readonly), settings)?) } else { None };
    let beside = Beside::put(&roots, !wanted.no_probe);
    for trouble in beside.troubles() {
        say(trouble);
    }
    let ended = match screen {
        None => start(wanted, &beside, |_| Ok(()))
            .and_then(|running| attend(running, wanted, &roots, &beside)),
        Some(screen) => screen.run(wanted, &roots, &beside),
    };
    beside.leave(&roots);
    ended?.follow()
}

fn say(text: &str) {
    let _ = writeln!(io::stderr(), "mltop: {text}");
}

fn start(
    wanted: &cli::Run,
    beside: &Beside,
    prepare: impl FnOnce(&mut Command) -> io::Result<()>,
) -> Result<Running, Error> {
    // Before any thread.
    Running::start(&wanted.command, Kept::take()?, |command| {
        command.envs(beside.variables());
        prepare(command)
    })
}

/// Stays with the training until it ends, and serves meanwhile what can be read of it.
fn attend(
    running: Running,
    wanted: &cli::Run,
    roots: &Roots,
    beside: &Beside,
) -> Result<Ending, Error> {
    let start = marks::started(&wanted.command, running.pid());
    // Where nobody can be served, the training still runs.
    let server =
        beside.folder().and_then(|folder| Server::start(roots.clone(), folder, start.clone()).ok());
    let ending = running.wait()?;
    if let Some(server) = server {
        server.end(marks::ended(&start, ending));
    }
    Ok(ending)
}

/// The live screen over a training whose output goes to a file.
struct Screen {
    looks: Looks,
    readonly: bool,
    settings: Settings,
    path: PathBuf,
    log: File,
}

impl Screen {
    /// Everything that can fail, before there is a training to be harmed by it.
    fn prepare((look, readonly): (&cli::Look, bool), settings: &Settings) -> Result<Self, Error> {
        if !term::is_there() {
            return Err(Error::NoTerminal);
        }
        let looks = super::terminal_looks(look)?;
        let (path, log) = log::create(Path::new("."))?;
        Ok(Self { looks, readonly, settings: settings.clone(), path, log })
    }

    /// Shows the screen until the user leaves it, and then waits for the training if it goes on.
    fn run(self, wanted: &cli::Run, roots: &Roots, beside: &Beside) -> Result<Ending, Error> {
        let Self { looks, readonly, settings, path, log } = self;
        let path = path.strip_prefix(".").unwrap_or(&path).display().to_string();
        let running = start(wanted, beside, |command| {
            command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
            Ok(())
        });
        let running = running.inspect_err(|_| {
            // Nothing was started that could have written to it.
            let _ = std::fs::remove_file(&path);
        })?;
        let pid = running.pid();
        let setup = |ends| Setup {
            feed: Feed::Live { interval_ms: INTERVAL.as_millis() as u64 },
            looks,
            notifier: Notifier::default(),
            settings,
            notice: Some(format!("the training's output goes to {path}")),
            readonly,
            ends: Some(ends),
        };
        let (told, ends) = oneshot::channel();
        let (sender, ending) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                let ending = attend(running, wanted, roots, beside);
                let how = ending.as_ref().map_or_else(ToString::to_string, Ending::to_string);
                let _ = told.send(how);
                let _ = sender.send(ending);
            });
            let shown = super::plan_of(INTERVAL, crate::source::Roots::default(), None)
                .map(|plan| crate::source::sampler::Plan { only: Some(own_pid()), ..plan })
                .and_then(|plan| super::show(setup(ends), plan));
            if let Err(error) = shown {
                say(&error.to_string());
            }
            let ending = ending.try_recv().or_else(|_| {
                say(&format!(
                    "the training goes on as pid {pid}, its output in {path}; Ctrl-C ends it"
                ));
                ending.recv()
            });
            let ending =
                ending.map_err(|_| io::Error::other("nobody waited for the training"))??;
            say(&format!("the training {}; its output is in {path}", ending.words()));
            Ok(ending)
        })
    }
}

fn own_pid() -> Pid {
    Pid(std::process::id())
}
