//! Memory and processes: calls with a version or a list.

use std::ffi::c_void;

use crate::abi::{
    ConfidentialMemory, INSUFFICIENT_SIZE, INVALID, MemoryV1, MemoryV2, NOT_SUPPORTED, OK,
    Process535, ProcessDetails, ProcessV1, ProcessV2, Rc, VERSION_MISMATCH, version,
};
use crate::figure::Figure;
use crate::scenario::{List, Proc};
use crate::world::View;
use crate::{any_device_call, device_call, give, mig};

/// Total, reserved and used.
fn memory(view: &View) -> (u64, u64, u64) {
    if view.garbled("u64max") {
        return (u64::MAX, u64::MAX, u64::MAX);
    }
    if view.garbled("zero") {
        return (0, 0, 0);
    }
    if let Some(instance) = &view.instance {
        let (total, used) = mig::memory(view, instance);
        return (total, 0, used);
    }
    let bytes = |figure| view.get(figure) as u64;
    (bytes(Figure::MemTotal), bytes(Figure::MemReserved), bytes(Figure::MemUsed))
}

fn shown(view: &View, list: List) -> Vec<Proc> {
    let own = |proc: &&Proc| match &view.instance {
        Some(instance) => proc.instance == instance.id,
        None => true,
    };
    view.gpu.procs.iter().filter(|proc| proc.list == list).filter(own).cloned().collect()
}

/// Fills the caller's list with entries of one layout, as far as it says that it has room.
unsafe fn fill<T>(
    view: &View,
    list: List,
    count: *mut u32,
    out: *mut c_void,
    entry: impl Fn(&Proc) -> T,
) -> Rc {
    if count.is_null() {
        return INVALID;
    }
    let procs = shown(view, list);
    // SAFETY: the caller's count, and a list of that many entries of the layout that this driver has.
    unsafe {
        let room = count.read();
        count.write(procs.len() as u32);
        if procs.is_empty() {
            return OK;
        }
        if out.is_null() || (room as usize) < procs.len() {
            return INSUFFICIENT_SIZE;
        }
        for (index, proc) in procs.iter().enumerate() {
            out.cast::<T>().add(index).write(entry(proc));
        }
    }
    OK
}

fn v1(proc: &Proc) -> ProcessV1 {
    ProcessV1 { pid: proc.pid, memory: proc.memory }
}

fn v2(proc: &Proc) -> ProcessV2 {
    ProcessV2 {
        pid: proc.pid,
        memory: proc.memory,
        gpu_instance: proc.instance,
        compute_instance: proc.compute,
    }
}

fn v535(proc: &Proc) -> Process535 {
    Process535 {
        pid: proc.pid,
        memory: proc.memory,
        gpu_instance: proc.instance,
        compute_instance: proc.compute,
        protected_memory: 0,
    }
}

/// The third version of a list: drivers 535.43 to 535.97 wrote wider entries under its name.
unsafe fn third(view: &View, list: List, count: *mut u32, out: *mut c_void) -> Rc {
    if view.branch == 535 {
        unsafe { fill(view, list, count, out, v535) }
    } else {
        unsafe { fill(view, list, count, out, v2) }
    }
}

any_device_call! {
    nvmlDeviceGetMemoryInfo(out: *mut MemoryV1) |view| {
        if view.get(Figure::NoMemory) > 0.0 {
            return NOT_SUPPORTED;
        }
        let (total, reserved, used) = memory(view);
        let used = used.saturating_add(reserved);
        give(out, MemoryV1 { total, free: total.saturating_sub(used), used })
    };
    nvmlDeviceGetMemoryInfo_v2(out: *mut MemoryV2) |view| {
        if view.get(Figure::NoMemory) > 0.0 {
            return NOT_SUPPORTED;
        }
        if out.is_null() {
            return INVALID;
        }
        if (*out).version != version::<MemoryV2>(2) {
            return VERSION_MISMATCH;
        }
        let (total, reserved, used) = memory(view);
        let free = total.saturating_sub(reserved).saturating_sub(used);
        give(out, MemoryV2 { version: (*out).version, total, reserved, free, used })
    };
    nvmlDeviceGetComputeRunningProcesses(count: *mut u32, list: *mut c_void) |view| {
        fill(view, List::Compute, count, list, v1)
    };
    nvmlDeviceGetComputeRunningProcesses_v2(count: *mut u32, list: *mut c_void) |view| {
        fill(view, List::Compute, count, list, v2)
    };
    nvmlDeviceGetComputeRunningProcesses_v3(count: *mut u32, list: *mut c_void) |view| {
        third(view, List::Compute, count, list)
    };
    nvmlDeviceGetGraphicsRunningProcesses(count: *mut u32, list: *mut c_void) |view| {
        fill(view, List::Graphics, count, list, v1)
    };
    nvmlDeviceGetGraphicsRunningProcesses_v2(count: *mut u32, list: *mut c_void) |view| {
        fill(view, List::Graphics, count, list, v2)
    };
    nvmlDeviceGetGraphicsRunningProcesses_v3(count: *mut u32, list: *mut c_void) |view| {
        third(view, List::Graphics, count, list)
    };
    nvmlDeviceGetMPSComputeRunningProcesses(count: *mut u32, list: *mut c_void) |view| {
        fill(view, List::Mps, count, list, v1)
    };
    nvmlDeviceGetMPSComputeRunningProcesses_v2(count: *mut u32, list: *mut c_void) |view| {
        fill(view, List::Mps, count, list, v2)
    };
    nvmlDeviceGetMPSComputeRunningProcesses_v3(count: *mut u32, list: *mut c_void) |view| {
        third(view, List::Mps, count, list)
    };
}

device_call! {
    nvmlDeviceGetConfComputeMemSizeInfo(out: *mut ConfidentialMemory) |view| {
        if view.get(Figure::Confidential) <= 0.0 {
            return NOT_SUPPORTED;
        }
        let kib = (view.get(Figure::MemTotal) / 1024.0) as u64;
        give(out, ConfidentialMemory { protected_kib: kib, unprotected_kib: 0 })
    };
    nvmlDeviceGetRunningProcessDetailList(out: *mut ProcessDetails) |view| {
        if out.is_null() {
            return INVALID;
        }
        if (*out).version != version::<ProcessDetails>(1) {
            return VERSION_MISMATCH;
        }
        let list = match (*out).mode {
            0 => List::Compute,
            1 => List::Graphics,
            _ => List::Mps,
        };
        fill(view, list, &raw mut (*out).count, (*out).list.cast(), v535)
    };
}
