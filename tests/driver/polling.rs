//! What mltop asks of the driver, from the log of calls: each call holds a lock that training needs.

use std::collections::BTreeMap;

use crate::scene::{Call, Scene};
use crate::standin;

/// Calls a second on a GPU at the usual interval, as `source::gpu::collector` promises: on one in use
/// with GPM, on one in use without GPM over sixteen lanes of the fourth generation, on an unused one.
const GPM: f64 = 12.0;
const COUNTERS: f64 = 9.0 + 12.0;
const UNUSED: f64 = 7.0;
/// What a window of seconds may hold more than its part of what is asked every three.
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
    scene.stream(8);
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

fn by_function(calls: &[Call], gpu: usize) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for call in calls.iter().filter(|call| call.gpu == Some(gpu)) {
        *counts.entry(&*call.function).or_insert(0) += 1;
    }
    counts
}
