//! The command as a child of ours: in our process group, with our descriptors, and with the signals
//! that reach only us passed on. When it ends, we end as it did.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};

use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Resource, Rlimit, kill_process, setrlimit};

use crate::error::Error;
use crate::run::files;
use crate::source::loader::discover::field;

use super::witness::{self, Witness};

/// Signals that would end us, and that somebody may send to the training: `kill`, a batch system.
pub(super) const PASSED_ON: [Signal; 11] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGTERM,
    Signal::SIGVTALRM,
    Signal::SIGPROF,
    Signal::SIGIO,
    Signal::SIGPWR,
];

/// A shell's way to say that a signal ended something.
const BY_SIGNAL: i32 = 128;

/// The signals that would end us, kept until there is a command to pass them on to.
#[derive(Debug)]
pub(in crate::run) struct Kept {
    signals: SignalFd,
    /// What was blocked before.
    before: SigSet,
}

impl Kept {
    /// From here on they wait, in every thread that is started later: so this comes before any other.
    pub(in crate::run) fn take() -> io::Result<Self> {
        let mut mask = witness::mask();
        mask.add(Signal::SIGCHLD);
        let before = SigSet::thread_get_mask()?;
        mask.thread_block()?;
        let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC)?;
        Ok(Self { signals, before })
    }

    /// Whether one has come that would have ended us by now.
    pub(in crate::run) fn came(&self) -> bool {
        let status = fs::read("/proc/self/status").unwrap_or_default();
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        while matches!(poll(&mut [PollFd::new(&self.signals, PollFlags::IN)], Some(&now)), Ok(1..))
        {
            let Ok(Some(got)) = self.signals.read_signal() else { return false };
            let number = got.ssi_signo;
            if number != Signal::SIGCHLD as u32 && !is_ignored(&status, number) {
                return true;
            }
        }
        false
    }
}

/// Whether `/proc/PID/status` has a signal among those that are ignored, as under nohup.
fn is_ignored(status: &[u8], number: u32) -> bool {
    let ignored = field(status, "SigIgn:").and_then(|bits| u64::from_str_radix(bits, 16).ok());
    let bit = 1_u64.checked_shl(number.saturating_sub(1));
    ignored.zip(bit).is_some_and(|(ignored, bit)| ignored & bit != 0)
}

/// The running command.
#[derive(Debug)]
pub(in crate::run) struct Running {
    child: Child,
    signals: SignalFd,
    witness: Option<Witness>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::run) enum Ending {
    /// It exited with this code.
    Code(u8),
    /// A signal killed it.
    Signal(i32),
}

impl Running {
    /// Starts a command, which gets the signals that come from here on.
    pub(in crate::run) fn start(
        words: &[OsString],
        kept: Kept,
        prepare: impl FnOnce(&mut Command) -> io::Result<()>,
    ) -> Result<Self, Error> {
        let [program, arguments @ ..] = words else { return Err(missing(OsStr::new(""))) };
        let Kept { signals, before } = kept;
        let witness = Witness::start().ok();
        let mut command = Command::new(program);
        command.args(arguments);
        files::hand_back(&mut command);
        prepare(&mut command)?;
        #[expect(unsafe_code, reason = "only between fork and exec can the child's mask be set")]
        // SAFETY: the closure only sets the signal mask, which may be done there.
        unsafe {
            command.pre_exec(move || before.thread_set_mask().map_err(io::Error::from));
        }
        match command.spawn() {
            Ok(child) => {
                // From here on its ranks may be looked at.
                files::make_room();
                Ok(Self { child, signals, witness })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(missing(program)),
            Err(error) => {
                let program = program.to_string_lossy().into_owned();
                Err(Error::Command { program, source: error, code: 126 })
            }
        }
    }

    /// Its process.
    pub(in crate::run) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it ends, and passes on meanwhile what is sent to us.
    pub(in crate::run) fn wait(mut self) -> io::Result<Ending> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.into());
            }
            let got = match self.signals.read_signal() {
                Ok(Some(got)) => got,
                Ok(None) | Err(Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let Ok(signal) = Signal::try_from(got.ssi_signo.cast_signed()) else { continue };
            // What the training itself sends to its group does not come back to it.
            let its_own = got.ssi_pid == self.child.id();
            if signal == Signal::SIGCHLD || its_own {
                continue;
            }
            let to_all = match &mut self.witness {
                Some(witness) => witness.heard(signal),
                // Of the kernel's signals most come from the terminal, which sends them to all of us.
                None => got.ssi_code > 0,
            };
            if !to_all {
                self.pass_on(signal);
            }
        }
    }

    fn pass_on(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        let signal = rustix::process::Signal::from_named_raw(signal as i32);
        // Not reaped yet, so the id is still the child's.
        if let (Some(pid), Some(signal)) = (pid, signal) {
            let _ = kill_process(pid, signal);
        }
    }
}

fn missing(program: &OsStr) -> Error {
    Error::Command {
        program: program.to_string_lossy().into_owned(),
        source: io::Error::new(io::ErrorKind::NotFound, "there is no such command"),
        code: 127,
    }
}

impl From<ExitStatus> for Ending {
    fn from(status: ExitStatus) -> Self {
        match status.signal() {
            Some(signal) => Self::Signal(signal),
            None => Self::Code(status.code().unwrap_or_default() as u8),
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(number) => match Signal::try_from(number) {
                Ok(signal) => write!(f, "{signal}"),
                Err(_) => write!(f, "signal {number}"),
            },
        }
    }
}

impl Ending {
    /// The exit code of whoever ran it, as a shell has it.
    pub(in crate::run) fn code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(number) => u8::try_from(BY_SIGNAL + number).unwrap_or(u8::MAX),
        }
    }

    /// What happened, in words.
    pub(in crate::run) fn words(self) -> String {
        match self {
            Self::Code(_) => format!("ended with {self}"),
            Self::Signal(_) => format!("was killed by {self}"),
        }
    }

    /// Ends this process in the same way: whoever waits for it sees no difference.
    pub(super) fn follow(self) -> ! {
        let number = match self {
            Self::Code(code) => std::process::exit(i32::from(code)),
            Self::Signal(number) => number,
        };
        if let Ok(signal) = Signal::try_from(number) {
            // One dump of memory is enough, and it is the training's.
            let none = Rlimit { current: Some(0), maximum: Some(0) };
            let _ = setrlimit(Resource::Core, none);
            let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
            #[expect(
                unsafe_code,
                reason = "the one way to die of a signal that was caught or ignored"
            )]
            // SAFETY: the default action is no code of ours.
            let _ = unsafe { sigaction(signal, &default) };
            let mut one = SigSet::empty();
            one.add(signal);
            let _ = one.thread_unblock();
            let _ = raise(signal);
        }
        std::process::exit(i32::from(self.code()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn under_nohup_the_hangup_is_ignored_and_nothing_else() {
        let status = b"Name:\tmltop\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n";
        assert!(is_ignored(status, Signal::SIGHUP as u32));
        assert!(!is_ignored(status, Signal::SIGTERM as u32));
        assert!(!is_ignored(b"Name:\tmltop\n", Signal::SIGHUP as u32));
    }
}
