//! Calls on the library as a whole, and the handles of GPUs.

use std::ffi::{CStr, c_char};

use crate::abi::{Dev, INVALID, NOT_FOUND, OK, Rc};
use crate::world::{self, on_library, on_system};
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
pub unsafe extern "C" fn nvmlErrorString(_rc: Rc) -> *const c_char {
    c"an error of the stand-in".as_ptr()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetDriverVersion(out: *mut c_char, room: u32) -> Rc {
    on_system("nvmlSystemGetDriverVersion", || unsafe { give_text(&world::driver(), out, room) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetNVMLVersion(out: *mut c_char, room: u32) -> Rc {
    on_system("nvmlSystemGetNVMLVersion", || unsafe {
        give_text(&format!("13.{}", world::driver()), out, room)
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
pub unsafe extern "C" fn nvmlDeviceGetHandleByIndex_v2(index: u32, out: *mut Dev) -> Rc {
    world::hand_out("nvmlDeviceGetHandleByIndex_v2", Some(index), out)
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
    let index = world::find(|view| crate::device::uuid(view) == uuid);
    world::hand_out("nvmlDeviceGetHandleByUUID", index, out)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByPciBusId_v2(bus: *const c_char, out: *mut Dev) -> Rc {
    let Some(bus) = (unsafe { text_of(bus) }) else { return INVALID };
    let index = world::find(|view| crate::device::bus_id(view) == bus);
    world::hand_out("nvmlDeviceGetHandleByPciBusId_v2", index, out)
}
