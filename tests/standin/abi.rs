//! The structs of nvml.h, laid out from its text and checked by size, not taken from the bindings that
//! are under test.

use std::ffi::{c_char, c_void};

pub type Rc = u32;
pub type Dev = *mut c_void;

pub const OK: Rc = 0;
pub const UNINITIALIZED: Rc = 1;
pub const INVALID: Rc = 2;
pub const NOT_SUPPORTED: Rc = 3;
pub const NOT_FOUND: Rc = 6;
pub const INSUFFICIENT_SIZE: Rc = 7;
pub const TIMEOUT: Rc = 10;
pub const VERSION_MISMATCH: Rc = 25;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Utilization {
    pub gpu: u32,
    pub memory: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct MemoryV1 {
    pub total: u64,
    pub free: u64,
    pub used: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct MemoryV2 {
    pub version: u32,
    pub total: u64,
    pub reserved: u64,
    pub free: u64,
    pub used: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct ProcessV1 {
    pub pid: u32,
    pub memory: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct ProcessV2 {
    pub pid: u32,
    pub memory: u64,
    pub gpu_instance: u32,
    pub compute_instance: u32,
}

/// What drivers 535.43 to 535.97 write under the name of the 24-byte entry.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Process535 {
    pub pid: u32,
    pub memory: u64,
    pub gpu_instance: u32,
    pub compute_instance: u32,
    pub protected_memory: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct FieldValue {
    pub id: u32,
    pub scope: u32,
    pub timestamp: i64,
    pub latency: i64,
    pub kind: u32,
    pub rc: Rc,
    pub value: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Pci {
    pub bus_id_legacy: [c_char; 16],
    pub domain: u32,
    pub bus: u32,
    pub device: u32,
    pub device_id: u32,
    pub subsystem_id: u32,
    pub bus_id: [c_char; 32],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Bar1 {
    pub total: u64,
    pub free: u64,
    pub used: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Attributes {
    pub multiprocessors: u32,
    pub engines: [u32; 5],
    pub gpu_slices: u32,
    pub compute_slices: u32,
    pub memory_mb: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct GpmInfo {
    pub short: *const c_char,
    pub long: *const c_char,
    pub unit: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct GpmMetric {
    pub id: u32,
    pub rc: Rc,
    pub value: f64,
    pub info: GpmInfo,
}

#[repr(C)]
pub struct GpmGet {
    pub version: u32,
    pub count: u32,
    pub first: *mut c_void,
    pub second: *mut c_void,
}

#[repr(C)]
pub struct GpmSupport {
    pub version: u32,
    pub supported: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Sample {
    pub timestamp: u64,
    pub value: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct ProcessUtilization {
    pub pid: u32,
    pub timestamp: u64,
    pub sm: u32,
    pub memory: u32,
    pub encoder: u32,
    pub decoder: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct ProcessUtilizationV1 {
    pub timestamp: u64,
    pub pid: u32,
    pub sm: u32,
    pub memory: u32,
    pub encoder: u32,
    pub decoder: u32,
    pub jpeg: u32,
    pub optical: u32,
}

#[repr(C)]
pub struct ProcessesUtilization {
    pub version: u32,
    pub count: u32,
    pub since: u64,
    pub list: *mut ProcessUtilizationV1,
}

#[repr(C)]
pub struct ProcessDetails {
    pub version: u32,
    pub mode: u32,
    pub count: u32,
    pub list: *mut Process535,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct EventData {
    pub device: Dev,
    pub kind: u64,
    pub data: u64,
    pub gpu_instance: u32,
    pub compute_instance: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct InstanceProfile {
    pub id: u32,
    pub p2p: u32,
    pub slices: u32,
    pub instances: u32,
    pub multiprocessors: u32,
    pub engines: [u32; 5],
    pub memory_mb: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct InstanceProfileV2 {
    pub version: u32,
    pub id: u32,
    pub p2p: u32,
    pub slices: u32,
    pub instances: u32,
    pub multiprocessors: u32,
    pub engines: [u32; 5],
    pub memory_mb: u64,
    pub name: [c_char; 96],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct ConfidentialState {
    pub environment: u32,
    pub feature: u32,
    pub tools: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct ConfidentialMemory {
    pub protected_kib: u64,
    pub unprotected_kib: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct RowHistogram {
    pub banks: [u32; 5],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Temperature {
    pub version: u32,
    pub sensor: u32,
    pub celsius: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Margin {
    pub version: u32,
    pub celsius: i32,
}

/// The version word of a struct, as nvml.h makes it.
pub const fn version<T>(number: u32) -> u32 {
    size_of::<T>() as u32 | number << 24
}

const _: () = {
    assert!(size_of::<Utilization>() == 8);
    assert!(size_of::<MemoryV1>() == 24);
    assert!(size_of::<MemoryV2>() == 40);
    assert!(std::mem::offset_of!(MemoryV2, total) == 8);
    assert!(std::mem::offset_of!(MemoryV2, used) == 32);
    assert!(size_of::<ProcessV1>() == 16);
    assert!(size_of::<ProcessV2>() == 24);
    assert!(size_of::<Process535>() == 32);
    assert!(size_of::<FieldValue>() == 40);
    assert!(std::mem::offset_of!(FieldValue, timestamp) == 8);
    assert!(std::mem::offset_of!(FieldValue, rc) == 28);
    assert!(std::mem::offset_of!(FieldValue, value) == 32);
    assert!(size_of::<Pci>() == 68);
    assert!(std::mem::offset_of!(Pci, domain) == 16);
    assert!(std::mem::offset_of!(Pci, bus_id) == 36);
    assert!(size_of::<Bar1>() == 24);
    assert!(size_of::<Attributes>() == 40);
    assert!(size_of::<GpmMetric>() == 40);
    assert!(size_of::<GpmGet>() == 24);
    assert!(size_of::<GpmSupport>() == 8);
    assert!(size_of::<Sample>() == 16);
    assert!(size_of::<ProcessUtilization>() == 32);
    assert!(size_of::<ProcessUtilizationV1>() == 40);
    assert!(size_of::<ProcessesUtilization>() == 24);
    assert!(size_of::<EventData>() == 32);
    assert!(size_of::<InstanceProfile>() == 48);
    assert!(size_of::<InstanceProfileV2>() == 152);
};
