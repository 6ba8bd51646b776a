//! The process that talks to the driver.
//!
//! A call that never returns leaves its thread in the kernel, and a process with such a thread cannot
//! end. So the calls are made here, in a process that mltop can leave behind: it says what it reads
//! on its standard output, and ends when its standard input does.
//!
//! Asking is not free: calls take the driver's locks, which the training needs too. So each figure is
//! asked for as seldom as it changes, what a card refuses is left alone for 30 s, and a card that
//! nobody works on is not asked how it is worked on. Calls for each GPU, at the most:
//!
//! | when | calls | what |
//! |---|---|---|
//! | every second | 6, +1 in use, +2 with GPM | utilization, memory, power, one batch of fields (throttle times, PCIe and NVLink counts, energy where the power is no mean), clock and its reasons; buffered samples; GPM |
//! | every 3 s | 4, +1 in use | temperature, link, one batch of fields (ECC, replays, memory temperature), processes; processes' shares |
//! | every 6 s | 2, +5 in use | the memory's clock, lanes of the link; engines, state, fans |
//! | every 30 s | 12 | limits, modes, wiring, worn memory, graphics and MPS processes, MIG layout |
//! | once | 13 | who the card is, what it could do at its best, where it sits |
//! | without GPM, in use | 25 a second on gen5 x16, 12 on gen4 x16 | the PCIe counters, before they can wrap |
//! | on an error | 0 | the driver wakes a thread of its own |
//!
//! All of it is asked whether or not a screen shows it: each row goes into the history that one scrolls
//! back through, into the flight ring, and to whoever records or looks on from elsewhere. A figure that
//! was asked for only while its screen is open would leave a gap in all of them, and the one that tells
//! why a card was slow (a throttle reason, an ECC count, an Xid) is the one that nobody looked at then.
//! What depends on use is use itself: whether anybody works on the card, and what it refuses.
//!
//! That is 13 calls a second for a used GPU with GPM, 36 for one without on the fastest link, and 8 for
//! an unused one. What they came to is in every row (`driver_calls_total`, `driver_seconds_total`): on an
//! H200 in use (driver 580.159.04) 4 ms of each second. The dearest there are the buffered samples (1.8 ms),
//! the times of thermal throttling (0.9), the shares of processes (1.9, every 3 s); it was 13 ms with the
//! energy (3.2 to 14) each second.
//! The samples stay at every second all the same: a second's utilization is their mean, where the driver's
//! own figure is the newest of them alone, and a loop that waits is held against that second.

mod asleep;
mod device;
mod driver;
mod events;
mod fields;
mod gpm;
mod lists;
mod mig;
mod pcie;
mod rare;
mod raw;
mod reads;
mod slow;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid, kill_process, set_parent_process_death_signal};

use super::wire::{self, Line};
use super::{DRM, NVML, drm};
use crate::source::grid::Grid;

/// Shortest interval between two rows of a GPU: faster polling stalls the driver for the training.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_mins(1);
/// How long before a tick its row is read. A card was read in milliseconds where that was measured; a row
/// that takes longer than this is shown at the tick after, with its age.
const LEAD: Duration = Duration::from_millis(150);

/// Runs a collector until its standard input ends. `args` are the words after the hidden verb: the
/// driver, the interval in milliseconds, and a tick by [`Grid::word`].
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut args = args.into_iter();
    let start: fn(&Arc<Out>, Grid) = match args.next().as_deref().and_then(OsStr::to_str) {
        Some(NVML) => driver::start,
        Some(DRM) => drm::start,
        _ => return ExitCode::from(2),
    };
    let interval = args
        .next()
        .and_then(|word| word.to_str().and_then(|word| word.parse().ok()))
        .map_or(Duration::from_secs(1), Duration::from_millis)
        .clamp(SHORTEST, LONGEST);
    let ticks = args
        .next()
        .and_then(|word| Grid::of_word(word.to_str()?, interval))
        .unwrap_or_else(|| Grid::from_now(interval));
    let reads = ticks.ahead(LEAD.min(interval / 2));
    // A parent that dies without closing the pipe, as one that was killed with a copy of the pipe
    // elsewhere, takes us along. Without the call the end of the input still tells.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    let Ok(output) = io::stdout().as_fd().try_clone_to_owned() else {
        return ExitCode::FAILURE;
    };
    let out = Arc::new(Out { pipe: Mutex::new(File::from(output)), started: Instant::now() });
    let started = thread::Builder::new().name("gpu-init".into()).spawn(move || {
        start(&out, reads);
    });
    if started.is_err() {
        return ExitCode::FAILURE;
    }
    wait_for_the_end();
    leave()
}

/// Returns when the parent is gone or wants us to go.
fn wait_for_the_end() {
    let mut byte = [0_u8; 64];
    let mut input = io::stdin().lock();
    loop {
        match input.read(&mut byte) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Ends the process at once. An orderly exit would run the driver library's own clean-up, which can
/// hang as its calls can.
pub(super) fn leave() -> ! {
    let _ = kill_process(getpid(), Signal::KILL);
    std::process::exit(0)
}

/// Where lines go: whole, one at a time.
pub(super) struct Out {
    pipe: Mutex<File>,
    started: Instant,
}

impl Out {
    /// To a file that nobody hears.
    #[cfg(test)]
    pub(super) fn to(file: File) -> Self {
        Self { pipe: Mutex::new(file), started: Instant::now() }
    }

    /// Says one line. Nobody there to hear it ends the process.
    pub(super) fn say(&self, line: &Line) {
        let Ok(mut text) = serde_json::to_vec(line) else { return };
        text.push(b'\n');
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        if pipe.write_all(&text).is_err() {
            leave();
        }
    }

    /// A moment on the collector's clock, in microseconds.
    pub(super) fn micros(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.started).as_micros() as u64
    }

    /// Says why there is nothing to collect, and ends.
    pub(super) fn give_up(&self, absent: bool, message: &str, remedy: &str) -> ! {
        self.say(&Line::Fault {
            absent,
            message: wire::clean(message),
            remedy: wire::clean(remedy),
        });
        leave()
    }
}
