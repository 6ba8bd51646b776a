//! Whether a process that the user named can be watched, and what to do where not.

use std::os::unix::fs::MetadataExt;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::model::Pid;
use crate::source::loader::discover::{discover, field};
use crate::source::loader::proc::{descendants, folder, read_capped, read_word};
use crate::source::root::Roots;

use super::{facts, words};

/// Why a process cannot be watched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PidProblem {
    /// There is none with this id.
    #[error("there is no process {pid}; `pgrep -af python` lists those that run")]
    NoSuch {
        /// The id asked for.
        pid: Pid,
    },
    /// It maps no library of machine learning.
    #[error(
        "process {pid} ({name}) is no training: it has none of PyTorch, TensorFlow, JAX and Grain \
         loaded; give the pid of the Python process that trains, or leave --pid out"
    )]
    NotATrainer {
        /// The id asked for.
        pid: Pid,
        /// Its name.
        name: Box<str>,
    },
    /// It belongs to someone else.
    #[error(
        "process {pid} belongs to {user}: run mltop as that user or as root \
         (sudo mltop --pid {pid})"
    )]
    OtherUser {
        /// The id asked for.
        pid: Pid,
        /// Its owner.
        user: Box<str>,
    },
    /// It is ours, and the kernel keeps it shut.
    #[error(
        "process {pid} may not be read although it is yours (it made itself undumpable, or is in \
         another user namespace): run mltop as root (sudo mltop --pid {pid})"
    )]
    Denied {
        /// The id asked for.
        pid: Pid,
    },
    /// The kernel keeps it shut even for root.
    #[error(
        "process {pid} may not be read even by root: it runs outside of this container, or a security \
         policy forbids it; run mltop where it was started"
    )]
    Sealed {
        /// The id asked for.
        pid: Pid,
    },
    /// It prepares batches for another one.
    #[error("process {pid} is a loader worker of {trainer}: use --pid {trainer}")]
    Worker {
        /// The id asked for.
        pid: Pid,
        /// Its trainer.
        trainer: Pid,
    },
    /// The kernel does not let go of whoever reads it.
    #[error("process {pid} does not answer: the kernel holds it (state D); try again later")]
    Stuck {
        /// The id asked for.
        pid: Pid,
    },
}

impl PidProblem {
    /// Whether it is there and may only not be read.
    pub const fn is_of_rights(&self) -> bool {
        matches!(self, Self::OtherUser { .. } | Self::Denied { .. } | Self::Sealed { .. })
    }
}

/// Whether `pid` can be watched. Returns within three seconds.
pub fn check_pid(roots: &Roots, pid: Pid) -> Result<(), PidProblem> {
    let (answer, wait) = mpsc::channel();
    let roots = roots.clone();
    let asked = thread::Builder::new().name("check".into()).spawn(move || {
        // Nobody may be waiting any more.
        let _ = answer.send(check(&roots, pid));
    });
    if asked.is_err() {
        return Err(PidProblem::Stuck { pid });
    }
    wait.recv_timeout(Duration::from_secs(3)).unwrap_or(Err(PidProblem::Stuck { pid }))
}

fn check(roots: &Roots, pid: Pid) -> Result<(), PidProblem> {
    let folder = folder(&roots.proc, pid);
    let owner = std::fs::metadata(&folder).map_err(|_| PidProblem::NoSuch { pid })?.uid();
    let name = read_word(&folder.join("comm")).map_err(|_| PidProblem::NoSuch { pid })?;
    if name == "pt_data_worker"
        && let Some(trainer) = above_workers(roots, pid)
    {
        return Err(PidProblem::Worker { pid, trainer });
    }
    let learns = match facts::maps(&folder) {
        Ok((learns, _)) => learns,
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            return Err(denied(roots, pid, owner));
        }
        Err(_) => return Err(PidProblem::NoSuch { pid }),
    };
    if let Some(trainer) = shares_a_queue(roots, pid) {
        return Err(PidProblem::Worker { pid, trainer });
    }
    // A launcher is welcome too: its ranks are what is watched.
    let below = || descendants(&roots.proc, pid, 256);
    let child_learns =
        |child: Pid| facts::maps(&self::folder(&roots.proc, child)).is_ok_and(|(ml, _)| ml);
    if learns || below().into_iter().any(child_learns) {
        return Ok(());
    }
    Err(PidProblem::NotATrainer { pid, name: crate::source::text::clean(name.as_bytes(), 64) })
}

fn denied(roots: &Roots, pid: Pid, owner: u32) -> PidProblem {
    let own = rustix::process::geteuid();
    if own.is_root() {
        return PidProblem::Sealed { pid };
    }
    if owner == own.as_raw() {
        return PidProblem::Denied { pid };
    }
    let user = words::users(roots).remove(&owner);
    PidProblem::OtherUser { pid, user: user.unwrap_or_else(|| format!("user {owner}").into()) }
}

fn parent(roots: &Roots, pid: Pid) -> Option<Pid> {
    let status = folder(&roots.proc, pid).join("status");
    let bytes = read_capped(&status, 8192).ok()?;
    let parent = field(&bytes, "PPid:")?.parse().ok()?;
    (parent > 1).then_some(Pid(parent))
}

/// The first process above a named worker that is none, the server of its forks passed over.
fn above_workers(roots: &Roots, pid: Pid) -> Option<Pid> {
    std::iter::successors(parent(roots, pid), |pid| parent(roots, *pid)).take(16).find(|pid| {
        let folder = folder(&roots.proc, *pid);
        let name = read_word(&folder.join("comm")).unwrap_or_default();
        let command = read_word(&folder.join("cmdline")).unwrap_or_default();
        name != "pt_data_worker" && !command.contains("multiprocessing.forkserver")
    })
}

/// The trainer of a worker without torch's name, by the pipes that they share.
fn shares_a_queue(roots: &Roots, pid: Pid) -> Option<Pid> {
    let above = std::iter::successors(parent(roots, pid), |pid| parent(roots, *pid)).take(3);
    above.into_iter().find(|&trainer| {
        let below = descendants(&roots.proc, trainer, 512);
        let groups = discover(&roots.proc, trainer, &below);
        groups.is_ok_and(|groups| {
            groups.iter().any(|group| {
                group.workers.len() >= 2 && group.workers.iter().any(|worker| worker.pid == pid)
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_that_nobody_has_is_refused_with_a_way_on() {
        let problem = check_pid(&Roots::default(), Pid(4_194_305)).unwrap_err();
        assert_eq!(problem, PidProblem::NoSuch { pid: Pid(4_194_305) });
        assert!(problem.to_string().contains("pgrep"));
    }

    #[test]
    fn a_process_without_any_learning_is_no_trainer() {
        let own = Pid(std::process::id());
        let problem = check_pid(&Roots::default(), own).unwrap_err();
        assert!(matches!(problem, PidProblem::NotATrainer { .. }), "{problem}");
        assert!(problem.to_string().contains(&own.to_string()));
    }
}
