//! Calls on the library as a whole, and the handles of GPUs.

use std::ffi::{CStr, c_char};

use crate::abi::{ConfidentialState, Dev, INVALID, NOT_FOUND, OK, Rc};
use crate::call::{hand_out, on_library, on_system};
use crate::figure::Figure;
use crate::world;
use crate::{give, give_text};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlInit_v2() -> Rc {
    on_library("nvmlInit_v2", || {
        world::refer(1);
        OK
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlInitWithFlags(_flags: u32) -> Rc {
    on_library("nvmlInitWithFlags", || {
        world::refer(1);
        OK
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlShutdown() -> Rc {
    on_system("nvmlShutdown", || {
        world::refer(-1);
        OK
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlErrorString(rc: Rc) -> *const c_char {
    let text = match rc {
        0 => c"Success",
        1 => c"Uninitialized",
        2 => c"Invalid Argument",
        3 => c"Not Supported",
        4 => c"Insufficient Permissions",
        6 => c"Not Found",
        7 => c"Insufficient Size",
        9 => c"Driver Not Loaded",
        10 => c"Timeout",
        15 => c"GPU is lost",
        16 => c"GPU requires reset",
        18 => c"Driver/library version mismatch",
        25 => c"Argument version mismatch",
        28 => c"GPU not found",
        _ => c"Unknown Error",
    };
    text.as_ptr()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetDriverVersion(out: *mut c_char, room: u32) -> Rc {
    on_system("nvmlSystemGetDriverVersion", || unsafe { give_text(&world::driver(), out, room) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetNVMLVersion(out: *mut c_char, room: u32) -> Rc {
    on_system("nvmlSystemGetNVMLVersion", || unsafe {
        // By this a reader can tell it from NVIDIA's.
        give_text(&format!("13.{} stand-in", world::driver()), out, room)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetCudaDriverVersion_v2(out: *mut i32) -> Rc {
    on_system("nvmlSystemGetCudaDriverVersion_v2", || unsafe { give(out, 13_000) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetProcessName(pid: u32, out: *mut c_char, room: u32) -> Rc {
    on_system("nvmlSystemGetProcessName", || unsafe {
        match std::fs::read_to_string(format!("/proc/{pid}/comm")) {
            Ok(name) => give_text(name.trim_end(), out, room),
            Err(_) => NOT_FOUND,
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetCount_v2(out: *mut u32) -> Rc {
    on_system("nvmlDeviceGetCount_v2", || unsafe { give(out, world::gpu_count()) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetConfComputeState(out: *mut ConfidentialState) -> Rc {
    on_system("nvmlSystemGetConfComputeState", || {
        let on = world::find(|view| view.get(Figure::Confidential) > 0.0).is_some();
        let state =
            ConfidentialState { environment: if on { 2 } else { 0 }, feature: on.into(), tools: 0 };
        unsafe { give(out, state) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByIndex_v2(index: u32, out: *mut Dev) -> Rc {
    hand_out("nvmlDeviceGetHandleByIndex_v2", Some((index, None)), out, INVALID)
}

unsafe fn text_of<'a>(text: *const c_char) -> Option<&'a str> {
    if text.is_null() {
        return None;
    }
    // SAFETY: a text with its end, as the library's contract has it.
    unsafe { CStr::from_ptr(text) }.to_str().ok()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByUUID(uuid: *const c_char, out: *mut Dev) -> Rc {
    let Some(uuid) = (unsafe { text_of(uuid) }) else { return INVALID };
    let place = world::find(|view| crate::device::uuid(view) == uuid);
    hand_out("nvmlDeviceGetHandleByUUID", place, out, NOT_FOUND)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByPciBusId_v2(bus: *const c_char, out: *mut Dev) -> Rc {
    let Some(bus) = (unsafe { text_of(bus) }) else { return INVALID };
    let place = world::find(|view| crate::link::bus_id(view).eq_ignore_ascii_case(bus));
    hand_out("nvmlDeviceGetHandleByPciBusId_v2", place, out, NOT_FOUND)
}
