//! How many files mltop may have open.
//!
//! Each rank takes some twenty: its queues, and the places of its threads. The usual limit of 1024 is
//! that of programs that call `select`, which nothing here does; the limit that a process may set itself
//! is higher on every system. What the user has started keeps the limit of the user's shell.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Enough for hundreds of ranks.
const WANTED: u64 = 16_384;

/// The limit that mltop was started with, where it was raised.
static BEFORE: OnceLock<Rlimit> = OnceLock::new();

/// Raises the limit of this process as far as it may, and as far as it is of use.
pub(super) fn make_room() {
    let before = getrlimit(Resource::Nofile);
    let Some(now) = before.current else { return };
    let wanted = WANTED.min(before.maximum.unwrap_or(WANTED));
    if now < wanted
        && setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..before }).is_ok()
    {
        // Once raised it is not raised again.
        let _ = BEFORE.set(before);
    }
}

/// Gives a command of the user's the limit that mltop was started with.
pub(super) fn hand_back(command: &mut Command) {
    let restore = || match BEFORE.get() {
        Some(before) => setrlimit(Resource::Nofile, *before).map_err(io::Error::from),
        None => Ok(()),
    };
    #[expect(unsafe_code, reason = "only between fork and exec is it the child's limit alone")]
    // SAFETY: the closure reads a value that is set once, and makes one system call.
    unsafe {
        command.pre_exec(restore);
    }
}
