//! `mltop run -- COMMAND`: a training started by mltop, which then may read what it may not of others.
//!
//! | file | what it holds |
//! |---|---|
//! | `child` | the command as a child: signals, and its ending as ours |
//! | `beside` | what is put beside it: the probe, and the variables |
//! | `log` | the file of its output under `--ui` |
//!
//! Without `--ui` nothing is printed and nothing is taken: the training has the terminal and the
//! descriptors as if it had been started without mltop.

mod beside;
mod child;

use std::io::{self, Write};

use crate::cli;
use crate::error::Error;
use crate::source::Roots;

use beside::Beside;
use child::Running;

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
    let ended = started.and_then(|running| Ok(running.wait()?));
    beside.leave(&roots);
    ended?.follow()
}
