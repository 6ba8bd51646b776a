//! What calls cost on a real driver, for a script that says `cost sleep` or `cost spin`.
//!
//! Times as they were measured on an H200 under load with driver 580.159.04, each call once a second
//! (asked again at once, most are answered from memory in 2 us); where others measured longer ones, those
//! (MangoHud's pull request 2104 on an RTX 4090 laptop, a public note on the counters, nvml.h on its
//! window of 20 ms). What nobody measured takes `ELSE`.

use std::time::{Duration, Instant};

use crate::scenario::Cost;

/// Microseconds of a call that is in no list.
const ELSE: f64 = 45.0;
/// Below this a call is no wait but work, and a sleep would take longer than it.
const WORK: Duration = Duration::from_micros(50);

/// Microseconds of one call. Fields have their own.
pub fn of(symbol: &str) -> f64 {
    match symbol {
        "nvmlInit_v2" | "nvmlInitWithFlags" => 13_000.0,
        "nvmlDeviceGetHandleByIndex_v2" => 7_000.0,
        "nvmlDeviceGetMemoryInfo" | "nvmlDeviceGetMemoryInfo_v2" => 110.0,
        "nvmlDeviceGetTotalEnergyConsumption" => 3_200.0,
        "nvmlDeviceGetSamples" => 1_800.0,
        "nvmlDeviceGetProcessUtilization" | "nvmlDeviceGetProcessesUtilizationInfo" => 1_900.0,
        "nvmlDeviceGetBAR1MemoryInfo" | "nvmlDeviceGetMigMode" => 450.0,
        "nvmlDeviceGetCurrPcieLinkWidth" => 180.0,
        "nvmlGpmSampleGet" | "nvmlGpmMigSampleGet" => 250.0,
        "nvmlDeviceGetFanSpeed" | "nvmlDeviceGetFanSpeed_v2" => 137.0,
        // Measured for the graphics list; the others are the same walk.
        list if list.contains("RunningProcesses") => 4_500.0,
        // The two take theirs in their bodies, the last waits by itself.
        "nvmlDeviceGetPcieThroughput" | "nvmlDeviceGetFieldValues" | "nvmlEventSetWait_v2" => 0.0,
        _ => ELSE,
    }
}

/// Microseconds of a request for these fields.
pub fn of_fields(ids: impl Iterator<Item = u32>) -> f64 {
    let (mut sum, mut counters) = (70.0, false);
    for id in ids {
        match id {
            75 => sum += 870.0,
            83 => sum += 3_200.0,
            94 => sum += 380.0,
            185 => sum += 3_300.0,
            197 | 198 => counters = true,
            _ => sum += 1.0,
        }
    }
    sum + if counters { 540.0 } else { 0.0 }
}

/// Takes the time.
pub fn spend(cost: Cost, micros: f64) {
    let time = Duration::from_secs_f64(micros / 1e6);
    match cost {
        Cost::Nothing => {}
        Cost::Sleep if time >= WORK => std::thread::sleep(time),
        Cost::Sleep | Cost::Spin => spin(time),
    }
}

/// Takes the time awake.
pub fn spin(time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        std::hint::spin_loop();
    }
}
