//! Twelve GPUs of which each has a trouble of its own, and none another's.

use crate::scene::Scene;
use crate::standin;
use crate::table::{Table, trouble};

const GPUS: usize = 12;

/// What is wrong with each of them.
const SCRIPT: &str = "\
fault fn=nvmlDeviceGetComputeRunningProcesses* gpu=1 rc=4
fault fn=nvmlDeviceGetUtilizationRates gpu=2 garbage=over100
fault fn=nvmlDeviceGetMemoryInfo* gpu=3 garbage=u64max
fault fn=nvmlDeviceGetUtilizationRates gpu=4 after_calls=2 rc=15 sticky=1
fault fn=nvmlDevice* gpu=5 after=3 rc=28
fault fn=nvmlDevice* gpu=6 delay=20
fault fn=nvmlGpm* gpu=7 rc=4
fault fn=nvmlDeviceGetTemperature gpu=8 rc=999
fault fn=nvmlDeviceGetFieldValues gpu=8 rc=999
fault fn=nvmlDeviceGetUtilizationRates gpu=9 after=3 hang=1
";

fn script() -> String {
    use std::fmt::Write;
    let mut script = SCRIPT.to_owned();
    for gpu in 0..GPUS {
        let model = match gpu {
            7 => "model=h100 sm=40",
            10 => "model=gb10",
            11 => "model=a100-80 mig=3g.40gb,1g.10gb",
            _ => "",
        };
        // A utilization of its own, so that no figure can pass for another's.
        writeln!(
            script,
            "gpu {gpu} {model} util={} mem_used={}000000000 temp=50",
            10 + gpu,
            1 + gpu
        )
        .unwrap();
        writeln!(script, "proc gpu={gpu} pid={} mem={gpu}", 3_000_000 + gpu).unwrap();
    }
    // One whose memory cannot be told, as under WSL and in some containers; the pids are all the host's.
    script + "proc gpu=0 pid=3000100\n"
}

#[test]
fn each_gpu_has_its_own_trouble_and_none_has_another_s() {
    let scene = Scene::new(&standin::build("full"), &script());
    let lines = scene.stream(10);
    let table = Table::of(&lines, GPUS);
    let is = |column: &str, gpu: usize, wanted: f64| {
        let gap = table.gap(column, gpu);
        assert_eq!(table.last(column, gpu), Some(wanted), "GPU {gpu} {column}: {gap}");
    };
    let lacks = |column: &str, gpu: usize, why: &str| {
        assert_eq!(
            (table.last(column, gpu), &*table.gap(column, gpu)),
            (None, why),
            "GPU {gpu} {column}"
        );
    };
    // What nothing is wrong with is right.
    for gpu in [0, 1, 3, 6, 7, 8, 10] {
        is("utilization_ratio", gpu, (10 + gpu) as f64 / 100.0);
    }
    for gpu in [0, 1, 2, 6, 7, 8] {
        is("memory_used_bytes", gpu, (1 + gpu) as f64 * 1e9);
        assert_eq!(trouble(&lines, gpu), "", "GPU {gpu}");
    }
    assert_eq!(table.procs(0), [(3_000_000, Some(0)), (3_000_100, None)]);
    assert_eq!(table.procs(6), [(3_000_006, Some(6))]);
    // No right to the list of processes, and to GPM.
    assert_eq!(table.procs(1), []);
    lacks("sm_active_ratio", 7, "denied");
    is("temperature_celsius", 1, 50.0);
    // Garbage is no figure.
    lacks("utilization_ratio", 2, "failed");
    lacks("memory_used_bytes", 3, "unsupported");
    is("temperature_celsius", 3, 50.0);
    // Lost at its third answer, taken out of the machine, silent.
    for gpu in [4, 5] {
        lacks("utilization_ratio", gpu, "lost");
        lacks("memory_used_bytes", gpu, "lost");
    }
    assert!(trouble(&lines, 4).contains("fell off the bus"), "{}", trouble(&lines, 4));
    assert!(trouble(&lines, 5).contains("no longer found"), "{}", trouble(&lines, 5));
    lacks("utilization_ratio", 9, "late");
    assert!(trouble(&lines, 9).contains("no answer for"), "{}", trouble(&lines, 9));
    // One call that fails is that one figure.
    lacks("temperature_celsius", 8, "failed");
    // A GPU beside its CPU has neither memory nor a link of its own; MIG hides what the card does.
    lacks("memory_used_bytes", 10, "unsupported");
    lacks("pcie_rx_bytes_total", 10, "unsupported");
    lacks("utilization_ratio", 11, "unsupported");
    // Never was there another figure than the true one.
    for gpu in 0..GPUS {
        for value in table.all("utilization_ratio", gpu) {
            assert!((value - (10 + gpu) as f64 / 100.0).abs() < 1e-9, "GPU {gpu}: {value}");
        }
    }
    scene.wait_until_gone();
}
