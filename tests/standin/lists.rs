//! Memory, processes and samples: calls with a version or a buffer.

use std::ffi::c_void;

use crate::abi::{
    INSUFFICIENT_SIZE, INVALID, MemoryV1, MemoryV2, NOT_FOUND, OK, Process535, ProcessV1,
    ProcessV2, Rc, VERSION_MISMATCH,
};
use crate::world::View;
use crate::{device_call, give};

/// Total, reserved and used.
fn memory(view: &View) -> (u64, u64, u64) {
    if view.garbled("u64max") {
        return (u64::MAX, u64::MAX, u64::MAX);
    }
    let bytes = |name| view.figure(name) as u64;
    (bytes("mem_total"), bytes("mem_reserved"), bytes("mem_used"))
}

/// Fills the caller's list with entries of one layout, as far as it says that it has room.
unsafe fn fill<T>(
    view: &View,
    count: *mut u32,
    list: *mut c_void,
    entry: impl Fn(u32, u64) -> T,
) -> Rc {
    if count.is_null() {
        return INVALID;
    }
    let procs = &view.gpu.procs;
    // SAFETY: the caller's count, and a list of that many entries of the layout that this driver has.
    unsafe {
        let room = count.read();
        count.write(procs.len() as u32);
        if procs.is_empty() {
            return OK;
        }
        if list.is_null() || (room as usize) < procs.len() {
            return INSUFFICIENT_SIZE;
        }
        for (index, (pid, memory)) in procs.iter().enumerate() {
            list.cast::<T>().add(index).write(entry(*pid, *memory));
        }
    }
    OK
}

fn v1(pid: u32, memory: u64) -> ProcessV1 {
    ProcessV1 { pid, memory }
}

fn v2(pid: u32, memory: u64) -> ProcessV2 {
    ProcessV2 { pid, memory, gpu_instance: u32::MAX, compute_instance: u32::MAX }
}

#[cfg_attr(not(drv535), allow(dead_code))]
fn v535(pid: u32, memory: u64) -> Process535 {
    Process535 {
        pid,
        memory,
        gpu_instance: u32::MAX,
        compute_instance: u32::MAX,
        protected_memory: 0,
    }
}

unsafe fn none(count: *mut u32) -> Rc {
    unsafe { give(count, 0) }
}

device_call! {
    nvmlDeviceGetMemoryInfo(out: *mut MemoryV1) |view| {
        let (total, reserved, used) = memory(view);
        let used = used.saturating_add(reserved);
        give(out, MemoryV1 { total, free: total.saturating_sub(used), used })
    };
    nvmlDeviceGetComputeRunningProcesses(count: *mut u32, list: *mut c_void) |view| {
        fill(view, count, list, v1)
    };
    nvmlDeviceGetComputeRunningProcesses_v2(count: *mut u32, list: *mut c_void) |view| {
        fill(view, count, list, v2)
    };
    nvmlDeviceGetGraphicsRunningProcesses(count: *mut u32, _list: *mut c_void) |_view| none(count);
    nvmlDeviceGetGraphicsRunningProcesses_v2(count: *mut u32, _list: *mut c_void) |_view| none(count);
    nvmlDeviceGetProcessUtilization(_out: *mut c_void, count: *mut u32, _since: u64) |_view| {
        give(count, 0);
        NOT_FOUND
    };
    nvmlDeviceGetSamples(_kind: u32, _since: u64, _type: *mut u32, count: *mut u32, _out: *mut c_void) |_view| {
        give(count, 0);
        NOT_FOUND
    };
}

#[cfg(not(drv470))]
device_call! {
    nvmlDeviceGetMemoryInfo_v2(out: *mut MemoryV2) |view| {
        if out.is_null() {
            return INVALID;
        }
        if (*out).version != (40 | 2 << 24) {
            return VERSION_MISMATCH;
        }
        let (total, reserved, used) = memory(view);
        let free = total.saturating_sub(reserved).saturating_sub(used);
        give(out, MemoryV2 { version: (*out).version, total, reserved, free, used })
    };
    nvmlDeviceGetGraphicsRunningProcesses_v3(count: *mut u32, _list: *mut c_void) |_view| none(count);
    nvmlDeviceGetMPSComputeRunningProcesses_v3(count: *mut u32, _list: *mut c_void) |_view| none(count);
    nvmlDeviceGetConfComputeMemSizeInfo(_out: *mut c_void) |_view| crate::abi::NOT_SUPPORTED;
}

#[cfg(all(not(drv470), not(drv535)))]
device_call! {
    nvmlDeviceGetComputeRunningProcesses_v3(count: *mut u32, list: *mut c_void) |view| {
        fill(view, count, list, v2)
    };
    nvmlDeviceGetRunningProcessDetailList(_out: *mut c_void) |_view| crate::abi::NOT_SUPPORTED;
}

#[cfg(drv535)]
device_call! {
    nvmlDeviceGetComputeRunningProcesses_v3(count: *mut u32, list: *mut c_void) |view| {
        fill(view, count, list, v535)
    };
}
