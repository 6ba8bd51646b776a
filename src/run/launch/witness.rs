//! A process beside the training that tells which signals were sent to all of us.
//!
//! A signal that only mltop gets must be passed on, as the hangup of a terminal that it leads the
//! session of; one that a terminal, a batch system or a shell sends to the whole process group, or to
//! every process of a job, has reached the training already. The two look the same to us. So there is
//! a witness in the same group, which nobody has a reason to signal alone.

use std::io::{self, PipeReader, Read, Write};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::set_parent_process_death_signal;

use super::child::PASSED_ON;

/// The hidden verb that makes this program a witness.
pub const VERB: &str = "__witness";
/// A signal to all of a group reaches each of it within this time, on a busy machine too.
const TOGETHER: Duration = Duration::from_millis(250);
/// What was heard longer ago belongs to nothing that is heard now.
const OLD: Duration = Duration::from_secs(1);

/// The signals that are passed on, as a mask.
pub(super) fn mask() -> SigSet {
    let mut mask = SigSet::empty();
    mask.extend(PASSED_ON);
    mask
}

/// The witness, as its parent sees it. Ends with the value.
#[derive(Debug)]
pub(super) struct Witness {
    child: Child,
    pipe: PipeReader,
    heard: Vec<(Instant, u8)>,
}

impl Witness {
    /// Starts it. The signals must be blocked by then: it hears what comes while it starts.
    pub(super) fn start() -> io::Result<Self> {
        let (pipe, out) = io::pipe()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(VERB).stdin(Stdio::null()).stdout(out).stderr(Stdio::null());
        Ok(Self { child: command.spawn()?, pipe, heard: Vec::new() })
    }

    /// Whether a signal that has just come to us came to it too.
    pub(super) fn heard(&mut self, signal: Signal) -> bool {
        let end = Instant::now() + TOGETHER;
        self.heard.retain(|(at, _)| at.elapsed() < OLD);
        loop {
            let before = self.heard.len();
            // The same signal twice may reach us as one.
            self.heard.retain(|&(_, number)| i32::from(number) != signal as i32);
            if self.heard.len() < before {
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.listen(left) {
                return false;
            }
        }
    }

    /// Waits for what it says; false when it says nothing in time, or never will.
    fn listen(&mut self, time: Duration) -> bool {
        let time = Timespec { tv_sec: 0, tv_nsec: i64::from(time.subsec_nanos()) };
        let mut fds = [PollFd::new(&self.pipe, PollFlags::IN)];
        if !matches!(poll(&mut fds, Some(&time)), Ok(1..)) {
            return false;
        }
        let mut numbers = [0; 64];
        let got = self.pipe.read(&mut numbers).unwrap_or(0);
        let now = Instant::now();
        self.heard.extend(numbers.iter().take(got).map(|&number| (now, number)));
        got > 0
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Is a witness until its parent is gone: tells the number of each signal that comes to it.
pub fn main() -> ExitCode {
    let _ = set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    let signals =
        mask().thread_block().and_then(|()| SignalFd::with_flags(&mask(), SfdFlags::SFD_CLOEXEC));
    let Ok(signals) = signals else { return ExitCode::FAILURE };
    let mut out = io::stdout();
    loop {
        match signals.read_signal() {
            Ok(Some(got)) => {
                let told = out.write_all(&[got.ssi_signo as u8]).and_then(|()| out.flush());
                if told.is_err() {
                    return ExitCode::SUCCESS;
                }
            }
            Ok(None) | Err(Errno::EINTR) => {}
            Err(_) => return ExitCode::FAILURE,
        }
    }
}
