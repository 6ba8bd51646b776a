//! Why an interpreter is not read, and what would allow it.

use std::fmt;

use thiserror::Error;

use crate::model::{Gap, Pid};

use super::version::Version;

/// Why the interpreter of a process is not read. Its text says it in one sentence.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// No Python is mapped into the process.
    #[error("there is no CPython in the process")]
    NotPython,
    /// A Python that is not CPython.
    #[error("its Python is {0}, whose memory is laid out differently from CPython's")]
    OtherPython(Box<str>),
    /// A version whose layout is not known.
    #[error("its Python is {0}; the layouts of CPython 3.8 to 3.14 are known")]
    UnknownVersion(Version),
    /// A build without the interpreter's lock.
    #[error("its Python is {0} without the global lock, whose memory is laid out differently")]
    FreeThreaded(Version),
    /// Its symbols were taken out.
    #[error("its Python's binary has no symbols to find the interpreter by")]
    NoSymbols,
    /// The kernel does not let us read its memory.
    #[error("its memory may not be read: {0}")]
    Denied(Denial),
    /// It ended.
    #[error("the process ended")]
    Gone,
    /// It is there and has not started its first thread, or it is just ending.
    #[error("its interpreter is not running yet")]
    NotRunning,
    /// What was read fits no Python of that version.
    #[error("its memory does not look like {version}: {what}")]
    Unlike {
        /// The version that its binary names.
        version: Version,
        /// What does not fit.
        what: &'static str,
    },
    /// A file or an address could not be read.
    #[error("{what} cannot be read: {why}")]
    Unreadable {
        /// What.
        what: &'static str,
        /// The kernel's words.
        why: Box<str>,
    },
}

/// Which of the kernel's rules stands against reading the memory of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// Another user's, by user id.
    OtherUser(u32),
    /// Yama allows it to ancestors only (`kernel.yama.ptrace_scope` = 1).
    YamaAncestors,
    /// Yama allows it to the administrator only (2).
    YamaAdmin,
    /// Yama allows it to nobody until the next boot (3).
    YamaNobody,
    /// The process is not dumpable: it changed its rights, or asked for it.
    NotDumpable,
    /// Something else: a container's seccomp filter, or a security module.
    Other,
}

impl fmt::Display for Denial {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherUser(uid) => write!(out, "it belongs to another user (uid {uid})"),
            Self::YamaAncestors => {
                out.write_str("kernel.yama.ptrace_scope is 1, which allows it to ancestors only")
            }
            Self::YamaAdmin => {
                out.write_str("kernel.yama.ptrace_scope is 2, which allows it to root only")
            }
            Self::YamaNobody => {
                out.write_str("kernel.yama.ptrace_scope is 3, which allows it to nobody")
            }
            Self::NotDumpable => out.write_str("it is marked as not dumpable"),
            Self::Other => out.write_str("the kernel refuses it, as under a container's seccomp"),
        }
    }
}

impl Refusal {
    /// The one command that would allow it, where one would.
    pub fn remedy(&self, pid: Pid) -> Option<String> {
        let Self::Denied(denial) = self else { return None };
        match denial {
            Denial::YamaAncestors => Some("sudo sysctl kernel.yama.ptrace_scope=0".into()),
            Denial::OtherUser(_) | Denial::YamaAdmin | Denial::NotDumpable => {
                Some(format!("sudo mltop --pid {pid}"))
            }
            Denial::YamaNobody | Denial::Other => None,
        }
    }

    /// Whether another try later may succeed without anything being changed.
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::NotRunning | Self::Unreadable { .. } | Self::NotPython)
    }

    /// The same as a gap in a reading.
    pub const fn gap(&self) -> Gap {
        match self {
            Self::Denied(_) => Gap::Denied,
            Self::Gone => Gap::Lost,
            Self::NotRunning => Gap::NotYet,
            Self::Unreadable { .. } | Self::Unlike { .. } => Gap::Failed,
            _ => Gap::Unsupported,
        }
    }
}
