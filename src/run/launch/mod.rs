//! `mltop run -- COMMAND`: a training started by mltop, which then may read what it may not of others.
//!
//! | file | what it holds |
//! |---|---|
//! | `child` | the command as a child: signals, and its ending as ours |
//! | `beside` | what is put beside it: the probe, and the variables |
//! | `marks` | its start and its end as events |
//! | `below`, `serve` | what is read of it, for other mltops |
//!
//! Without `--ui` nothing is printed and nothing is taken: the training has the terminal and the
//! descriptors as if it had been started without mltop.

mod below;
mod beside;
mod child;
mod marks;
mod serve;

use std::io::{self, Write};

use crate::cli;
use crate::error::Error;
use crate::source::Roots;

use beside::Beside;
use child::{Ending, Running};
use serve::Server;

/// Runs a command; returns only where it could not be started.
pub(super) fn run(wanted: &cli::Run) -> Result<(), Error> {
    let roots = Roots::default();
    let beside = Beside::put(&roots, !wanted.no_probe);
    for trouble in beside.troubles() {
        let _ = writeln!(io::stderr(), "mltop: {trouble}");
    }
    let started = Running::start(&wanted.command, |command| {
        command.envs(beside.variables());
    });
    let ended = started.and_then(|running| attend(running, wanted, &roots, &beside));
    beside.leave(&roots);
    ended?.follow()
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
    let server = beside
        .folder()
        .and_then(|folder| Server::start(roots.clone(), folder, start.clone()).ok());
    let ending = running.wait()?;
    if let Some(server) = server {
        server.end(marks::ended(&start, ending));
    }
    Ok(ending)
}
