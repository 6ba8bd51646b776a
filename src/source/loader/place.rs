//! What it means where a thread sleeps in the kernel. The names differ between kernels, so parts of
//! them are looked for.

use crate::model::sample::ProcState;

/// Where a trainer's main thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MainAt {
    /// On a CPU or ready for one: whether inside the loader cannot be told.
    Running,
    /// Waits for a descriptor, as for the result queue.
    Poll,
    /// Reads from a pipe.
    PipeRead,
    /// Talks over a Unix socket, as to receive a batch's memory.
    Socket,
    /// Waits for a lock, as for the pinned batches; or for a GPU's collective.
    Futex,
    /// Anything else.
    Other,
}

/// What a worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerAt {
    /// On a CPU or ready for one.
    Run,
    /// Waits for a disk.
    Disk,
    /// Waits for a network, a network filesystem or FUSE.
    Net,
    /// Waits for work.
    Idle,
    /// Waits for anything else.
    Other,
    /// Ended.
    Dead,
}

fn has(wchan: &str, parts: &[&str]) -> bool {
    parts.iter().any(|part| wchan.contains(part))
}

/// Where the main thread is. `wchan` is empty while it runs.
pub fn main_at(wchan: &str) -> MainAt {
    if wchan.is_empty() {
        MainAt::Running
    } else if wchan.contains("unix_stream") {
        MainAt::Socket
    } else if has(wchan, &["poll", "do_select"]) {
        MainAt::Poll
    } else if wchan.contains("futex") {
        MainAt::Futex
    } else if has(wchan, &["pipe_read", "pipe_wait"]) {
        MainAt::PipeRead
    } else {
        MainAt::Other
    }
}

/// Whether a thread in this place can be in no state but asleep: one that a disk holds, that was
/// stopped or that ended is elsewhere. A filesystem may have a poll or a pipe of its own.
pub fn only_sleeps(wchan: &str) -> bool {
    let elsewhere = ["nfs", "rpc_", "fuse", "io_"];
    let asleep = ["poll_schedule", "do_poll", "do_sys_poll", "do_select", "pipe_read", "pipe_wait"];
    let longer = ["pipe_write", "hrtimer_nanosleep", "futex_", "unix_stream"];
    (has(wchan, &asleep) || has(wchan, &longer)) && !has(wchan, &elsewhere)
}

/// What a worker is doing. `tasks` is whether its index queue holds any; `remote` whether its files
/// are served by another machine.
pub fn worker_at(state: ProcState, wchan: &str, tasks: bool, remote: bool) -> WorkerAt {
    match state {
        ProcState::Zombie | ProcState::Dead => return WorkerAt::Dead,
        ProcState::Stopped | ProcState::Traced => return WorkerAt::Other,
        ProcState::Running => return WorkerAt::Run,
        _ => {}
    }
    let net = ["nfs", "rpc_", "fuse", "request_wait", "sk_wait", "wait_woken", "tcp_", "inet_"];
    let page = ["folio_wait", "io_schedule", "wait_on_page", "wait_on_buffer", "rq_qos"];
    if has(wchan, &net) {
        WorkerAt::Net
    } else if state == ProcState::Disk || has(wchan, &page) {
        if remote { WorkerAt::Net } else { WorkerAt::Disk }
    } else if has(wchan, &["poll", "do_select"]) {
        // The same function waits for tasks and for a socket; with tasks there, it is no wait for them.
        if tasks { WorkerAt::Net } else { WorkerAt::Idle }
    } else if has(wchan, &["pipe_read", "pipe_wait"]) && !tasks {
        WorkerAt::Idle
    } else {
        WorkerAt::Other
    }
}

#[cfg(test)]
mod tests {
    use ProcState::{Disk, Running, Sleeping, Stopped, Zombie};

    use super::*;

    #[test]
    fn a_worker_in_poll_is_idle_only_while_no_task_waits_for_it() {
        let poll = "poll_schedule_timeout.constprop.0";
        assert_eq!(worker_at(Sleeping, poll, false, false), WorkerAt::Idle);
        assert_eq!(worker_at(Sleeping, poll, true, false), WorkerAt::Net);
    }

    #[test]
    fn a_page_of_a_remote_file_is_a_wait_for_the_network() {
        assert_eq!(worker_at(Sleeping, "folio_wait_bit_common", true, false), WorkerAt::Disk);
        assert_eq!(worker_at(Disk, "folio_wait_bit_common", true, true), WorkerAt::Net);
        assert_eq!(worker_at(Disk, "rpc_wait_bit_killable", true, false), WorkerAt::Net);
    }

    #[test]
    fn a_sleeping_or_stopped_worker_waits_for_something_else() {
        assert_eq!(worker_at(Sleeping, "hrtimer_nanosleep", true, false), WorkerAt::Other);
        assert_eq!(worker_at(Sleeping, "anon_pipe_write", false, false), WorkerAt::Other);
        assert_eq!(worker_at(Stopped, "do_signal_stop", false, false), WorkerAt::Other);
        assert_eq!(worker_at(Zombie, "", false, false), WorkerAt::Dead);
        assert_eq!(worker_at(Running, "", true, false), WorkerAt::Run);
    }

    #[test]
    fn a_place_tells_the_state_only_where_nothing_but_sleep_is_possible() {
        assert!(only_sleeps("poll_schedule_timeout.constprop.0"));
        assert!(only_sleeps("anon_pipe_read"));
        for place in ["", "do_signal_stop", "folio_wait_bit_common", "io_poll_wait", "do_exit"] {
            assert!(!only_sleeps(place), "{place}");
        }
    }

    #[test]
    fn the_names_of_several_kernels_are_understood() {
        assert_eq!(main_at(""), MainAt::Running);
        assert_eq!(main_at("do_sys_poll"), MainAt::Poll);
        assert_eq!(main_at("unix_stream_read_generic"), MainAt::Socket);
        assert_eq!(main_at("futex_wait_queue_me"), MainAt::Futex);
        assert_eq!(main_at("futex_do_wait"), MainAt::Futex);
        assert_eq!(main_at("anon_pipe_read"), MainAt::PipeRead);
        assert_eq!(main_at("hrtimer_nanosleep"), MainAt::Other);
    }
}
