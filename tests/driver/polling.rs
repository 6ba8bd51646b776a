//! What mltop asks of the driver, from the log of calls: each call holds a lock that training needs.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::scene::{Call, Scene};
use crate::standin;
use crate::table::{Table, figure};

/// Calls a second on a GPU at the usual interval, as `source::gpu::collector` promises: on one in use
/// with GPM, on one in use without GPM over sixteen lanes of the fourth generation, on an unused one.
const GPM: f64 = 13.0;
const COUNTERS: f64 = 11.0 + 12.0;
const UNUSED: f64 = 8.0;
/// What a window of seconds may hold more than its part of what is asked every three or six.
const EDGE: f64 = 2.0;

/// Steady calls a second, by GPU: without what is asked once.
fn rates(calls: &[Call]) -> BTreeMap<usize, f64> {
    let last = calls.iter().map(|call| call.seconds).fold(0.0, f64::max);
    let begun = 2.0;
    assert!(last > begun + 3.0, "{last} s are too short");
    let mut counts = BTreeMap::new();
    for call in calls.iter().filter(|call| call.seconds >= begun) {
        if let Some(gpu) = call.gpu {
            *counts.entry(gpu).or_insert(0.0) += 1.0;
        }
    }
    counts.into_iter().map(|(gpu, count): (usize, f64)| (gpu, count / (last - begun))).collect()
}

#[test]
fn the_driver_is_asked_as_little_as_is_promised() {
    let script = "gpu 0 model=h100 kind=healthy\ngpu 1 model=a100-80 kind=healthy\n\
        gpu 2 model=a100-80\ngpu 3 model=h100 mig=3g.40gb\n\
        proc gpu=0 pid=3000000 mem=1\nproc gpu=1 pid=3000001 mem=1\n";
    let scene = Scene::new(&standin::build("full"), script);
    let lines = scene.stream(8);
    let calls = scene.calls();
    let count = |function: &str, gpu: usize| {
        calls.iter().filter(|call| call.function == function && call.gpu == Some(gpu)).count()
    };
    for gpu in 0..4 {
        // Handles are kept, and so is who the GPU is.
        assert_eq!(count("nvmlDeviceGetHandleByIndex_v2", gpu), 1, "GPU {gpu}");
        for once in ["nvmlDeviceGetName", "nvmlDeviceGetUUID", "nvmlDeviceGetPciInfo_v3"] {
            let times =
                calls.iter().filter(|call| call.function == once && call.gpu == Some(gpu)).count();
            // A MIG instance has a name of its own.
            assert!(times <= if gpu == 3 { 2 } else { 1 }, "GPU {gpu}: {once} {times} times");
        }
        // 20 ms each, and both have something better.
        assert_eq!(count("nvmlDeviceGetPcieThroughput", gpu), 0, "GPU {gpu}");
        // Milliseconds each: the list of processes every three seconds, the others every thirty.
        let most = if gpu == 3 { 10 } else { 5 };
        assert!(count("nvmlDeviceGetComputeRunningProcesses_v3", gpu) <= most, "GPU {gpu}");
        assert!(count("nvmlDeviceGetGraphicsRunningProcesses_v3", gpu) <= 2, "GPU {gpu}");
    }
    let table = Table::of(&lines, 4);
    rows_are_new(&table);
    the_energy_is_seldom_asked_for(&table);
    the_utilization_is_a_mean(&table);
    let inits = calls.iter().filter(|call| call.function.starts_with("nvmlInit")).count();
    assert_eq!(inits, 1);
    let rates = rates(&calls);
    eprintln!("calls a second, by GPU: {rates:?}");
    for (gpu, rate) in rates {
        let most = match gpu {
            1 => COUNTERS,
            2 => UNUSED,
            _ => GPM,
        } + EDGE;
        assert!(rate <= most, "GPU {gpu}: {rate} calls a second: {:#?}", by_function(&calls, gpu));
    }
}

/// Each row is read just before the tick that shows it, not just after the tick before.
fn rows_are_new(table: &Table<'_>) {
    for gpu in 0..4 {
        let mut ages = table.all("age_seconds", gpu);
        ages.sort_by(f64::total_cmp);
        assert!(ages[ages.len() / 2] < 0.5, "GPU {gpu}: {ages:?} s old");
    }
}

/// Milliseconds each time: where the power is a mean over a second, the energy tells little more.
fn the_energy_is_seldom_asked_for(table: &Table<'_>) {
    assert_eq!(table.all("energy_joules_total", 1).len(), table.ticks().len());
    assert!(table.all("energy_joules_total", 0).len() <= 1);
    assert_eq!(table.all("power_watts", 0).len(), table.ticks().len());
}

/// The utilization is of all the time since the tick before, not of the driver's last sample.
fn the_utilization_is_a_mean(table: &Table<'_>) {
    let of = |tick: &Value, column: &str| figure(tick, column, 0);
    let pairs = table.ticks().iter().filter_map(|tick| {
        Some((of(tick, "utilization_ratio")?, of(tick, "utilization_mean_ratio")?))
    });
    let pairs: Vec<(f64, f64)> = pairs.collect();
    assert!(pairs.len() >= 3, "{pairs:?}");
    for (told, mean) in pairs {
        assert!((told - mean).abs() < 0.002, "{told} of a mean of {mean}");
    }
}

fn by_function(calls: &[Call], gpu: usize) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for call in calls.iter().filter(|call| call.gpu == Some(gpu)) {
        *counts.entry(&*call.function).or_insert(0) += 1;
    }
    counts
}
