//! What the loop does with one process of this machine: looks at it, or sends it the user's signal.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::io::Errno;
use rustix::process::{self as system, PidfdFlags};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::app::{Looked, Msg, Signal};
use crate::model::{Gap, Pid};
use crate::source::{Roots, process};

/// Looks that may be under way: each may wait in the kernel for as long as that holds its process.
const MOST: usize = 4;

/// Looks at processes, each on a thread of its own, and their answers.
#[derive(Debug)]
pub(super) struct Looks {
    sender: UnboundedSender<Msg>,
    answers: UnboundedReceiver<Msg>,
    under_way: Arc<AtomicUsize>,
}

impl Looks {
    pub(super) fn new() -> Self {
        let (sender, answers) = unbounded_channel();
        Self { sender, answers, under_way: Arc::default() }
    }

    /// Begins to look at a process; what comes of it is an answer later.
    pub(super) fn begin(&self, pid: Pid, start_ticks: u64) {
        let answer = |looked| Msg::Looked { pid, looked };
        if self.under_way.fetch_add(1, Ordering::Relaxed) >= MOST {
            self.under_way.fetch_sub(1, Ordering::Relaxed);
            self.tell(answer(Looked::Not(Gap::Late)));
            return;
        }
        let (sender, under_way) = (self.sender.clone(), Arc::clone(&self.under_way));
        let started = thread::Builder::new().name("look".into()).spawn(move || {
            let looked = match process::look(&Roots::default(), pid, start_ticks) {
                Ok(look) => Looked::Is(Arc::new(look)),
                Err(gap) => Looked::Not(gap),
            };
            under_way.fetch_sub(1, Ordering::Relaxed);
            // The screen may be gone by now.
            let _ = sender.send(Msg::Looked { pid, looked });
        });
        if started.is_err() {
            self.under_way.fetch_sub(1, Ordering::Relaxed);
            self.tell(answer(Looked::Not(Gap::Failed)));
        }
    }

    /// The next answer.
    pub(super) async fn answer(&mut self) -> Msg {
        match self.answers.recv().await {
            Some(msg) => msg,
            // Never: a sender is kept.
            None => std::future::pending().await,
        }
    }

    fn tell(&self, msg: Msg) {
        // The receiver lives as long as this.
        let _ = self.sender.send(msg);
    }
}

/// Sends a signal to a process, unless its number is another one's by now; what the user is told.
pub(super) fn send(pid: Pid, start_ticks: u64, signal: Signal) -> String {
    let name = signal.name();
    match try_send(pid, start_ticks, signal) {
        Ok(()) => format!("{name} sent to process {pid}"),
        Err(why) => format!("{name} was not sent to process {pid}: {why}"),
    }
}

fn try_send(pid: Pid, start_ticks: u64, signal: Signal) -> Result<(), String> {
    if pid.0 == std::process::id() {
        return Err("that is mltop itself, which q ends".to_owned());
    }
    let number = i32::try_from(pid.0).ok().and_then(system::Pid::from_raw);
    let number = number.ok_or("no process has this number")?;
    // The descriptor is of one process, whoever gets its number later. So it is taken first, and the
    // process that it is of is then known by the time at which it started.
    match system::pidfd_open(number, PidfdFlags::empty()) {
        Ok(descriptor) => {
            is_same(pid, start_ticks)?;
            system::pidfd_send_signal(descriptor, of(signal)).map_err(words)
        }
        // Before Linux 5.3, and where a sandbox forbids it: the number alone, as kill(1) does.
        Err(Errno::NOSYS | Errno::PERM) => {
            is_same(pid, start_ticks)?;
            system::kill_process(number, of(signal)).map_err(words)
        }
        Err(error) => Err(words(error)),
    }
}

fn is_same(pid: Pid, start_ticks: u64) -> Result<(), String> {
    match process::started(&Roots::default(), pid) {
        Ok(now) if now == start_ticks => Ok(()),
        Ok(_) => Err("it ended, and another process has its number now".to_owned()),
        Err(Gap::Lost) => Err("it ended".to_owned()),
        Err(gap) => Err(format!("whether it is still the same cannot be told ({})", gap.words())),
    }
}

fn words(error: Errno) -> String {
    match error {
        Errno::SRCH => "it ended".to_owned(),
        Errno::PERM => "it belongs to another user".to_owned(),
        error => error.to_string(),
    }
}

const fn of(signal: Signal) -> system::Signal {
    match signal {
        Signal::Term => system::Signal::TERM,
        Signal::Int => system::Signal::INT,
        Signal::Hup => system::Signal::HUP,
        Signal::Quit => system::Signal::QUIT,
        Signal::Usr1 => system::Signal::USR1,
        Signal::Usr2 => system::Signal::USR2,
        Signal::Stop => system::Signal::STOP,
        Signal::Cont => system::Signal::CONT,
        Signal::Kill => system::Signal::KILL,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Child, Command, Stdio};

    use super::*;

    fn sleeper() -> (Child, Pid, u64) {
        let child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
        let pid = Pid(child.id());
        let start_ticks = process::started(&Roots::default(), pid).unwrap();
        (child, pid, start_ticks)
    }

    #[test]
    fn a_signal_reaches_the_process_that_was_meant_and_no_other_of_its_number() {
        let (mut child, pid, start_ticks) = sleeper();
        let said = send(pid, start_ticks + 1, Signal::Kill);
        assert!(said.contains("another process has its number now"), "{said}");
        assert_eq!(child.try_wait().unwrap(), None);
        assert_eq!(send(pid, start_ticks, Signal::Term), format!("SIGTERM sent to process {pid}"));
        assert_eq!(child.wait().unwrap().signal(), Some(15));
        let said = send(pid, start_ticks, Signal::Term);
        assert!(said.contains("was not sent") && said.contains("it ended"), "{said}");
    }

    #[test]
    fn neither_mltop_itself_nor_what_no_process_can_be_is_signalled() {
        let own = Pid(std::process::id());
        let start_ticks = process::started(&Roots::default(), own).unwrap();
        assert!(send(own, start_ticks, Signal::Kill).contains("mltop itself"));
        for pid in [Pid(0), Pid(u32::MAX)] {
            assert!(send(pid, 1, Signal::Kill).contains("was not sent"));
        }
    }
}
