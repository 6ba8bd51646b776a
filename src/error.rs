//! What ends the program, with the exit code and the remedy.

use std::path::PathBuf;

use thiserror::Error;

/// An end of the program that is not success.
#[derive(Debug, Error)]
pub enum Error {
    /// The screen needs a terminal.
    #[error(
        "standard output is not a terminal, so there is nowhere to draw; \
         for scripts use `mltop stream --plain`"
    )]
    NoTerminal,
    /// The named process cannot be looked at.
    #[error(transparent)]
    Pid(#[from] crate::source::trainer::PidProblem),
    /// The recorded stream cannot be read.
    #[error(transparent)]
    Recording(#[from] crate::record::ReadError),
    /// A moment that is not one, or outside of the recording.
    #[error("{0}")]
    Moment(String),
    /// A screen that is not there.
    #[error(
        "--screen {number}: there is no such screen; there are 1 (lanes), 2 (GPUs), 3 (loaders), 4 (processes), 5 (findings) and 6 (host)"
    )]
    Screen {
        /// The number that was asked for.
        number: u8,
    },
    /// The configuration cannot be read, or something in it is wrong.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// A rule that is not there.
    #[error("there is no rule '{code}'; {remedy}")]
    Rule {
        /// What was asked for.
        code: String,
        /// The nearest one, or all.
        remedy: String,
    },
    /// A theme that is not there.
    #[error("{0}")]
    Theme(String),
    /// A picture of a kind that is not known.
    #[error("cannot tell from the name {0} what to write: end it in .svg or .txt")]
    Kind(PathBuf),
    /// A file that cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A recording that cannot be made or went wrong.
    #[error("{0}")]
    Record(String),
    /// A folder in which no flight ring is kept.
    #[error(
        "{}: no flight ring: no `mltop flight` ever kept one there, and nothing in it was touched; \
         name the folder of a ring with --dir", .0.display()
    )]
    NoRing(PathBuf),
    /// Only one form of stream exists.
    #[error("only the plain form is there so far: use `mltop stream --plain`")]
    StreamForm,
    /// A check that could not be made: never the exit code of a finding.
    #[error(transparent)]
    Check(Box<Self>),
    /// The demo cannot start its loop.
    #[error("the demo cannot start its training loop: {0}")]
    Demo(String),
    /// The command of `mltop run` cannot be started.
    #[error("cannot run '{program}': {source}")]
    Command {
        /// The command's first word.
        program: String,
        /// Why not.
        source: std::io::Error,
        /// A shell's exit code for that: 127 not found, 126 found and not to be run.
        code: u8,
    },
    /// A part of mltop that it cannot do without: a bug of its own.
    #[error("mltop's thread '{name}' failed, which is a bug in mltop: {why}")]
    Thread {
        /// The thread's name.
        name: String,
        /// Its last words, and where it said them.
        why: String,
    },
    /// The terminal or a pipe failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl Error {
    /// 2 for usage and input, 1 for what failed on the way.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Io(_)
            | Self::Write { .. }
            | Self::Demo(_)
            | Self::Record(_)
            | Self::Thread { .. } => 1,
            Self::Command { code, .. } => *code,
            _ => 2,
        }
    }
}
