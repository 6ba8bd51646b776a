//! How soon the thread that looks runs when a look is due.
//!
//! A look that comes late tells of another moment than the one that was drawn for it, and not of any
//! other: on a machine whose cores are all busy it comes when somebody leaves a core, often the very
//! main thread that is looked at. So late looks lean away from the moments in which that thread runs,
//! inside of `__next__` as well. No weight mends that, for nobody saw the moment that was missed, and to
//! leave late looks out would leave out more of the same moments. They must come in time.
//!
//! Where that is allowed (as root), the thread therefore runs before others while it sleeps and looks:
//! some 20 µs each time, no more than without, and no lock of a trainer's memory is held while somebody
//! else runs. Where it is not, it asks for short slices, which anybody may: a share of the processor
//! that is as large as before, but sooner. Searches and lists of files, which take milliseconds, are
//! done as any other thread does them. Under `nice` it stays behind, as was asked for.

use std::num::NonZeroU64;

use nix::libc;
use rustix::process::getpriority_process;
use rustix::thread::set_current_timer_slack;

/// The least slice of a processor that can be asked for, in nanoseconds.
const SLICE: u64 = 100_000;
/// How late the kernel may wake it, to wake others at once, in nanoseconds; else 50 µs.
const SLACK: NonZeroU64 = NonZeroU64::new(1000).unwrap();

/// What a thread was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Prompt {
    /// Nothing.
    #[default]
    Usual,
    /// Short slices.
    Soon,
    /// It runs before others.
    First,
}

impl Prompt {
    /// The most that the calling thread may have. Processes that it starts have nothing of it.
    pub(super) fn take() -> Self {
        // A kernel without it wakes threads later, and that is all.
        if getpriority_process(None).is_ok_and(|nice| nice > 0) {
            return Self::Usual;
        }
        let _ = set_current_timer_slack(Some(SLACK));
        match (soon(), first()) {
            (_, true) => Self::First,
            (true, false) => Self::Soon,
            (false, false) => Self::Usual,
        }
    }

    /// Does what takes long, as any other thread does it.
    pub(super) fn aside<T>(self, work: impl FnOnce() -> T) -> T {
        let aside = self == Self::First && soon();
        let done = work();
        if aside {
            first();
        }
        done
    }
}

/// A real-time policy of the lowest rank. False where that is not allowed.
fn first() -> bool {
    let policy = libc::SCHED_FIFO.cast_unsigned();
    set(libc::sched_attr { sched_policy: policy, sched_priority: 1, ..nothing() })
}

/// The usual policy, with short slices since Linux 6.12.
fn soon() -> bool {
    let nice = getpriority_process(None).unwrap_or_default();
    set(libc::sched_attr { sched_nice: nice, sched_runtime: SLICE, ..nothing() })
}

const fn nothing() -> libc::sched_attr {
    libc::sched_attr {
        size: size_of::<libc::sched_attr>() as u32,
        sched_policy: libc::SCHED_OTHER.cast_unsigned(),
        sched_flags: libc::SCHED_FLAG_RESET_ON_FORK as u64,
        sched_nice: 0,
        sched_priority: 0,
        sched_runtime: 0,
        sched_deadline: 0,
        sched_period: 0,
    }
}

/// Of the calling thread, and of no other.
fn set(attr: libc::sched_attr) -> bool {
    let (this, flags) = (0, 0);
    #[expect(unsafe_code, reason = "neither wrapper has this call")]
    // SAFETY: the kernel reads `size` bytes of the structure during the call, and keeps nothing of it.
    let done =
        unsafe { libc::syscall(libc::SYS_sched_setattr, this, std::ptr::from_ref(&attr), flags) };
    done == 0
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::thread;

    use super::*;

    /// The scheduling policy in a line of `stat`.
    fn policy(stat: &str) -> u32 {
        let fields = stat.rsplit_once(')').unwrap().1;
        fields.split_ascii_whitespace().nth(38).unwrap().parse().unwrap()
    }

    fn own() -> u32 {
        policy(&std::fs::read_to_string("/proc/thread-self/stat").unwrap())
    }

    #[test]
    fn a_thread_runs_before_others_only_while_it_looks_and_no_child_of_it_does() {
        let of_thread = || {
            let prompt = Prompt::take();
            let first = u32::from(prompt == Prompt::First);
            assert_eq!(own(), first);
            assert_eq!(prompt.aside(own), 0);
            assert_eq!(own(), first);
            let child = Command::new("cat").arg("/proc/self/stat").output().unwrap();
            assert_eq!(policy(&String::from_utf8_lossy(&child.stdout)), 0);
            prompt
        };
        thread::spawn(of_thread).join().unwrap();
        assert_eq!(own(), 0, "of one thread, and not of all");
    }

    #[test]
    fn a_program_that_is_to_stay_behind_stays_behind() {
        let of_thread = || {
            rustix::process::nice(1).unwrap();
            assert_eq!(Prompt::take(), Prompt::Usual);
        };
        thread::spawn(of_thread).join().unwrap();
    }
}
