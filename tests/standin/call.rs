//! The way of every call: its faults, its time, its line in the log.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::abi::{Dev, INVALID, NOT_SUPPORTED, Rc, UNINITIALIZED};
use crate::cost::spin;
use crate::world::{self, View};

static LOG: OnceLock<Option<File>> = OnceLock::new();
static START: OnceLock<Instant> = OnceLock::new();

/// Runs a call with its faults and its line in the log. No lock is held while it sleeps or hangs.
fn perform(
    symbol: &'static str,
    device: Option<(u32, Option<u32>)>,
    body: impl FnOnce(Option<String>) -> Rc,
) -> Rc {
    let begun = Instant::now();
    let start = *START.get_or_init(|| begun);
    let line = Line { symbol, device, at: begun.duration_since(start), begun };
    let (effect, _, cost) = world::enter(symbol, device.map(|device| device.0));
    if effect.hang.is_some() || effect.hangfile.is_some() {
        line.log(u32::MAX);
    }
    if let Some(path) = effect.hangfile {
        // A frozen filesystem keeps the writer in the kernel, where no signal reaches it.
        if let Ok(mut file) = OpenOptions::new().append(true).open(path) {
            let _ = file.write_all(&[0; 4096]);
        }
    }
    if let Some(until) = effect.hang {
        while until > world::now() {
            let left = (until - world::now()).clamp(0.001, 3600.0);
            // Looked at often enough for a clock that is moved by hand.
            std::thread::sleep(Duration::from_secs_f64(if until.is_finite() {
                left.min(0.1)
            } else {
                left
            }));
        }
    }
    std::thread::sleep(effect.delay);
    spin(effect.spin);
    cost.spend(symbol);
    let rc = effect.rc.unwrap_or_else(|| body(effect.garbage));
    line.log(rc);
    rc
}

/// A line of the log: microseconds since the first call, thread, function, GPU, answer (all ones for
/// a call that hangs), microseconds that it took.
struct Line {
    symbol: &'static str,
    device: Option<(u32, Option<u32>)>,
    at: Duration,
    begun: Instant,
}

impl Line {
    fn log(&self, rc: Rc) {
        let log = LOG.get_or_init(|| {
            let path = std::env::var_os("MLTOP_STANDIN_LOG")?;
            OpenOptions::new().create(true).append(true).open(path).ok()
        });
        let Some(mut file) = log.as_ref() else { return };
        let gpu = match self.device {
            None => "-".to_owned(),
            Some((gpu, None)) => gpu.to_string(),
            Some((gpu, Some(slot))) => format!("{gpu}.{slot}"),
        };
        let line = format!(
            "{} {:?} {} {gpu} {rc} {}\n",
            self.at.as_micros(),
            std::thread::current().id(),
            self.symbol,
            self.begun.elapsed().as_micros()
        );
        let _ = file.write_all(line.as_bytes());
    }
}

/// A call on no GPU in particular. Before the first init there is no answer.
pub fn on_system(symbol: &'static str, body: impl FnOnce() -> Rc) -> Rc {
    perform(symbol, None, |_| if world::references() > 0 { body() } else { UNINITIALIZED })
}

/// A call that may come before the first init.
pub fn on_library(symbol: &'static str, body: impl FnOnce() -> Rc) -> Rc {
    perform(symbol, None, |_| body())
}

/// A call on one GPU; `instances`: or on a MIG instance of one.
pub fn on_gpu(
    symbol: &'static str,
    device: Dev,
    instances: bool,
    body: impl FnOnce(&View) -> Rc,
) -> Rc {
    let place = world::index_of(device);
    perform(symbol, place, |garbage| {
        if world::references() <= 0 {
            return UNINITIALIZED;
        }
        match place.and_then(|(index, slot)| world::view(index, slot)) {
            Some(view) if view.instance.is_some() && !instances => NOT_SUPPORTED,
            Some(mut view) => {
                view.garbage = garbage;
                body(&view)
            }
            None => INVALID,
        }
    })
}

/// The handle of a GPU, as a call on that GPU.
pub fn hand_out(
    symbol: &'static str,
    place: Option<(u32, Option<u32>)>,
    out: *mut Dev,
    none: Rc,
) -> Rc {
    perform(symbol, place, |_| {
        if world::references() <= 0 {
            return UNINITIALIZED;
        }
        let known = place.filter(|(index, slot)| world::view(*index, *slot).is_some());
        match known {
            Some((index, slot)) if !out.is_null() => {
                // SAFETY: the caller's pointer to a handle, as the library's contract has it.
                unsafe { *out = world::handle_of(index, slot) };
                0
            }
            _ => none,
        }
    })
}
