//! One process at close range: what is read of it when the user asks, and never recorded.

use super::id::Pid;
use super::reading::Reading;

/// A process in full, as it was when it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessLook {
    /// Process id.
    pub pid: Pid,
    /// When it started, in clock ticks since boot: with the pid, its identity.
    pub start_ticks: u64,
    /// Command line, escapes stripped and secrets hidden.
    pub command: Reading<Box<str>>,
    /// Working directory.
    pub directory: Reading<Box<str>>,
    /// Files that it has open.
    pub open_files: Reading<u64>,
    /// Limits of its resources.
    pub limits: Reading<Vec<ResourceLimit>>,
    /// From -20, which gets most CPU time, to 19.
    pub niceness: Reading<i64>,
    /// How readily the kernel ends it where memory runs out, 0 to 1000 and more (oom_score).
    pub oom_score: Reading<u64>,
    /// Its environment at its start, by name, escapes stripped and secrets hidden.
    pub environment: Reading<Vec<Variable>>,
}

/// One limit of a process (`/proc/PID/limits`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceLimit {
    /// What is limited, in the kernel's words: `open files`.
    pub name: Box<str>,
    /// The limit in force; `unlimited` is one.
    pub soft: Box<str>,
    /// What the process may raise it to.
    pub hard: Box<str>,
    /// Unit of both; empty where it is a count that has none.
    pub unit: Box<str>,
}

/// One variable of an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: Box<str>,
    /// Its value; `***` where that is a secret.
    pub value: Box<str>,
}
