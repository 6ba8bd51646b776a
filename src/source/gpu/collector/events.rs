//! Errors that the driver reports (Xid), as they come: a thread of its own, woken by the driver.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use nvml_wrapper::enums::event::XidError;
use nvml_wrapper::error::{NvmlError, nvml_try};
use nvml_wrapper::{Device, EventSet, Nvml};

use super::super::wire::Line;
use super::Out;
use super::raw::symbol;

/// How long one wait lasts: between two waits, GPUs that were found again are taken in. The driver
/// ends a wait early where there is an error to tell.
const WAIT_MS: u32 = 1_000;
/// `nvmlEventTypeXidCriticalError`.
const XID: u64 = 8;

/// A GPU to be watched, with the handle that its own thread uses.
type Arrival = (u32, Arc<Device<'static>>);

/// Where GPUs are handed in.
pub(super) type Events = Sender<Arrival>;

/// Starts the thread. What is sent into the channel is watched from then on.
pub(super) fn start(nvml: &'static Nvml, out: &Arc<Out>) -> Events {
    let (sender, receiver) = channel();
    let out = Arc::clone(out);
    // Without a thread, no error is ever told, and the rows say "not yet".
    let _ = thread::Builder::new()
        .name("gpu-events".into())
        .spawn(move || watch(nvml, &receiver, &out));
    sender
}

fn watch(nvml: &'static Nvml, arrivals: &Receiver<Arrival>, out: &Out) {
    // The wrapper would panic where a set cannot be given back.
    let able = nvml.lib().nvmlEventSetFree.is_ok() && nvml.lib().nvmlEventSetWait_v2.is_ok();
    let set = if able { nvml.create_event_set().ok() } else { None };
    let Some(set) = set else {
        for (gpu, _) in arrivals {
            out.say(&Line::Watched { gpu, told: false });
        }
        return;
    };
    let mut known: Vec<Arrival> = Vec::new();
    loop {
        if known.is_empty() {
            // Nothing to wait for: the first GPU that is taken in ends this.
            let Ok(arrival) = arrivals.recv() else { return };
            take_in(nvml, &set, arrival, &mut known, out);
        }
        for arrival in arrivals.try_iter() {
            take_in(nvml, &set, arrival, &mut known, out);
        }
        if !known.is_empty() {
            wait(&set, &known, out);
        }
    }
}

fn take_in(nvml: &Nvml, set: &EventSet<'_>, arrival: Arrival, known: &mut Vec<Arrival>, out: &Out) {
    let told = register(nvml, set, &arrival.1).is_ok();
    out.say(&Line::Watched { gpu: arrival.0, told });
    known.retain(|(gpu, _)| *gpu != arrival.0);
    if told {
        known.push(arrival);
    }
}

#[expect(unsafe_code, reason = "the wrapper gives the whole set back where one GPU refuses")]
fn register(nvml: &Nvml, set: &EventSet<'_>, device: &Device<'_>) -> Result<(), NvmlError> {
    let call = symbol(&nvml.lib().nvmlDeviceRegisterEvents)?;
    // SAFETY: the handle and the set are alive as long as `nvml`.
    unsafe { nvml_try(call(device.handle(), XID, set.handle())) }
}

#[expect(unsafe_code, reason = "an event names its GPU by the handle")]
fn wait(set: &EventSet<'_>, known: &[Arrival], out: &Out) {
    let event = match set.wait(WAIT_MS) {
        Ok(event) => event,
        Err(NvmlError::Timeout) => return,
        // A lost GPU makes every wait fail at once.
        Err(_) => return thread::sleep(Duration::from_secs(1)),
    };
    let xid = match event.event_data {
        Some(XidError::Value(xid)) => xid,
        // NVML's own number of an error whose number it does not know.
        Some(XidError::Unknown) => 999,
        None => return,
    };
    // SAFETY: handles are compared and not used.
    let of = known.iter().find(|(_, device)| unsafe { device.handle() == event.device.handle() });
    let gpu = of.map(|(gpu, _)| *gpu).or_else(|| event.device.index().ok());
    if let Some(gpu) = gpu {
        out.say(&Line::Xid { gpu, t: out.micros(Instant::now()), xid });
    }
}
