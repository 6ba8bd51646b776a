//! What calls cost on a real driver, for a script that says `cost sleep` or `cost spin`.
//!
//! Two tables, side by side. *Published*: as others measured them (MangoHud's pull request 2104 on an
//! RTX 4090 laptop, a public note on the counters, nvml.h on its window of 20 ms). *H200*: as they were
//! measured on an H200 under load with driver 580.159.04, each call once a second (asked again at once,
//! most are answered from memory in 2 us); where others measured longer ones, those.

use std::time::{Duration, Instant};

/// Below this a call is no wait but work, and a sleep would take longer than it.
const WORK: Duration = Duration::from_micros(50);

/// Whether calls take the time that they take on a real driver, and by which table.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    pub way: Way,
    pub times: Times,
}

/// How a call takes its time.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Way {
    /// It takes none.
    #[default]
    Nothing,
    Sleep,
    Spin,
}

/// Whose times.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Times {
    #[default]
    H200,
    Published,
}

impl Cost {
    /// By the words of a script: `sleep` or `spin`, and a table where it is not the H200's.
    pub fn of(words: &[&str]) -> Self {
        Self {
            way: match words.first() {
                Some(&"sleep") => Way::Sleep,
                Some(&"spin") => Way::Spin,
                _ => Way::Nothing,
            },
            times: match words.get(1) {
                Some(&"published") => Times::Published,
                _ => Times::H200,
            },
        }
    }

    /// Takes the time of one call. Fields have their own.
    pub fn spend(self, symbol: &str) {
        self.take(call(symbol));
    }

    /// Takes the time of a request for these fields.
    pub fn spend_on_fields(self, ids: impl Iterator<Item = u32>) {
        let (mut sum, mut counters) = (pair(3.0, 70.0), pair(0.0, 0.0));
        for id in ids {
            let more = match id {
                75 => pair(1.0, 870.0),
                83 => pair(1.0, 3_200.0),
                94 => pair(1.0, 380.0),
                185 => pair(3_300.0, 3_300.0),
                197 | 198 => {
                    // One look at both.
                    counters = pair(300.0, 540.0);
                    continue;
                }
                _ => pair(1.0, 1.0),
            };
            sum = pair(sum.published + more.published, sum.h200 + more.h200);
        }
        self.take(pair(sum.published + counters.published, sum.h200 + counters.h200));
    }

    fn take(self, micros: Micros) {
        let micros = match self.times {
            Times::Published => micros.published,
            Times::H200 => micros.h200,
        };
        self.way.spend(Duration::from_secs_f64(micros / 1e6));
    }
}

impl Way {
    /// Takes the time.
    pub fn spend(self, time: Duration) {
        match self {
            Self::Nothing => {}
            Self::Sleep if time >= WORK => std::thread::sleep(time),
            Self::Sleep | Self::Spin => spin(time),
        }
    }
}

/// A row of the two tables.
struct Micros {
    published: f64,
    h200: f64,
}

/// What nobody measured.
const ELSE: Micros = pair(20.0, 45.0);

const fn pair(published: f64, h200: f64) -> Micros {
    Micros { published, h200 }
}

fn call(symbol: &str) -> Micros {
    match symbol {
        "nvmlInit_v2" | "nvmlInitWithFlags" => pair(4_000.0, 13_000.0),
        "nvmlDeviceGetHandleByIndex_v2" => pair(6_000.0, 7_000.0),
        "nvmlDeviceGetUtilizationRates" => pair(2.5, ELSE.h200),
        "nvmlDeviceGetClockInfo" => pair(0.5, ELSE.h200),
        "nvmlDeviceGetMemoryInfo" | "nvmlDeviceGetMemoryInfo_v2" => pair(12.0, 110.0),
        "nvmlDeviceGetTotalEnergyConsumption" => pair(ELSE.published, 3_200.0),
        "nvmlDeviceGetSamples" => pair(ELSE.published, 1_800.0),
        "nvmlDeviceGetProcessUtilization" | "nvmlDeviceGetProcessesUtilizationInfo" => {
            pair(1_500.0, 1_900.0)
        }
        "nvmlDeviceGetBAR1MemoryInfo" | "nvmlDeviceGetMigMode" => pair(ELSE.published, 450.0),
        "nvmlDeviceGetCurrPcieLinkWidth" => pair(ELSE.published, 180.0),
        "nvmlGpmSampleGet" | "nvmlGpmMigSampleGet" => pair(ELSE.published, 250.0),
        "nvmlDeviceGetFanSpeed" | "nvmlDeviceGetFanSpeed_v2" => pair(137.0, 137.0),
        // Measured for the graphics list; the others are the same walk.
        list if list.contains("RunningProcesses") => pair(4_500.0, 4_500.0),
        // The first takes its own in its body, as fields do, and the last waits by itself.
        "nvmlDeviceGetPcieThroughput" | "nvmlDeviceGetFieldValues" | "nvmlEventSetWait_v2" => {
            pair(0.0, 0.0)
        }
        _ => ELSE,
    }
}

/// Takes the time awake.
pub fn spin(time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        std::hint::spin_loop();
    }
}
