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
//! done as any other thread does them. Under `nice`, and where `chrt` gave it another policy, it stays as
//! was asked for.
//!
//! Nothing that looks may take a core from the training: a thread whose looks cost too much, or that does
//! not come back from one, runs as any other again for a minute. The thread that samples sees to the latter.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use nix::libc;
use rustix::process::getpriority_process;
use rustix::thread::{Pid, gettid, set_current_timer_slack};

/// The least slice of a processor that can be asked for, in nanoseconds.
const SLICE: u64 = 100_000;
/// How late the kernel may wake it, to wake others at once, in nanoseconds; else 50 µs.
const SLACK: NonZeroU64 = NonZeroU64::new(1000).unwrap();

/// The share of a core from which on looks run before nobody.
const TOO_MUCH: f64 = 0.15;
/// For how long a thread does without that took too long.
const CALM: Duration = Duration::from_mins(1);

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
        if getpriority_process(None).is_ok_and(|nice| nice > 0) || policy() != libc::SCHED_OTHER {
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

/// What the calling thread was given, and since when it does without.
#[derive(Debug)]
pub(super) struct Lease {
    prompt: Prompt,
    calm: Option<Instant>,
}

impl Lease {
    /// The most that the calling thread may have.
    pub(super) fn take() -> Self {
        Self { prompt: Prompt::take(), calm: None }
    }

    /// The calling thread, where it runs before others.
    pub(super) fn hasty(&self) -> Option<Hasty> {
        (self.prompt == Prompt::First).then(|| Hasty(gettid()))
    }

    /// What it has from now on. `late`: it did not come back from a look for seconds; `cost`: what its
    /// looks took of a core, where that was just measured.
    pub(super) fn renew(&mut self, late: bool, cost: Option<f64>, now: Instant) -> Prompt {
        let much = late || cost.is_some_and(|cost| cost > TOO_MUCH);
        if self.prompt == Prompt::First && much {
            soon();
            *self = Self { prompt: Prompt::Soon, calm: Some(now) };
        } else if self.calm.is_some_and(|since| now.saturating_duration_since(since) >= CALM) {
            *self = Self::take();
        }
        self.prompt
    }
}

/// A thread that runs before others, and that others can tell to run as they do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hasty(Pid);

impl Hasty {
    /// Where it does not come back from a look it may be that it spins.
    pub(super) fn calm(self) {
        set(self.0.as_raw_nonzero().get(), nothing());
    }
}

/// The scheduling policy of the calling thread.
fn policy() -> libc::c_int {
    #[expect(unsafe_code, reason = "neither wrapper has this call")]
    // SAFETY: takes a number and gives one.
    let policy = unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) };
    libc::c_int::try_from(policy).unwrap_or(-1) & !libc::SCHED_RESET_ON_FORK
}

/// A real-time policy of the lowest rank. False where that is not allowed.
fn first() -> bool {
    let policy = libc::SCHED_FIFO.cast_unsigned();
    set(0, libc::sched_attr { sched_policy: policy, sched_priority: 1, ..nothing() })
}

/// The usual policy, with short slices since Linux 6.12.
fn soon() -> bool {
    let nice = getpriority_process(None).unwrap_or_default();
    set(0, libc::sched_attr { sched_nice: nice, sched_runtime: SLICE, ..nothing() })
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

/// Of one thread of mltop: the calling one where the number is 0.
fn set(thread: libc::pid_t, attr: libc::sched_attr) -> bool {
    let flags = 0;
    #[expect(unsafe_code, reason = "neither wrapper has this call")]
    // SAFETY: the kernel reads `size` bytes of the structure during the call, and keeps nothing of it.
    let done =
        unsafe { libc::syscall(libc::SYS_sched_setattr, thread, std::ptr::from_ref(&attr), flags) };
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
    fn a_thread_that_takes_too_long_runs_as_any_other_for_a_minute() {
        let of_thread = || {
            let (mut lease, now) = (Lease::take(), Instant::now());
            let most = lease.prompt;
            assert_eq!(lease.renew(false, Some(TOO_MUCH / 2.0), now), most);
            for (late, cost) in [(true, None), (false, Some(TOO_MUCH * 2.0))] {
                assert_ne!(lease.renew(late, cost, now), Prompt::First);
                assert_eq!(own(), 0);
                assert_ne!(lease.renew(false, None, now + CALM / 2), Prompt::First);
                assert_eq!(lease.renew(false, None, now + CALM), most);
                assert_eq!(own(), u32::from(most == Prompt::First));
            }
            // The thread that samples does it where this one cannot.
            let hasty = lease.hasty();
            assert_eq!(hasty.is_some(), most == Prompt::First);
            thread::spawn(move || hasty.map(Hasty::calm)).join().unwrap();
            assert_eq!(own(), 0);
        };
        thread::spawn(of_thread).join().unwrap();
    }

    #[test]
    fn a_program_that_is_to_run_when_nobody_else_does_stays_so() {
        let of_thread = || {
            let idle = libc::SCHED_IDLE.cast_unsigned();
            assert!(set(0, libc::sched_attr { sched_policy: idle, ..nothing() }));
            assert_eq!(Prompt::take(), Prompt::Usual);
            assert_eq!(own(), idle);
        };
        thread::spawn(of_thread).join().unwrap();
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
