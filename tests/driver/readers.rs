//! Others read the same driver at the same time: all must see the same card.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::scene::{Lines, Scene, finished};
use crate::standin;
use crate::table::{Table, environment};

/// Two cards under constant load, with a process on each.
fn script(pids: [u32; 2]) -> String {
    format!(
        "gpu 0 model=a100-80 uuid=GPU-aaaa util=37 mem_util=12 mem_used=43980465152 power=300500 temp=61 \
         sm_clock=1410 pcie_rx=2e9 pcie_tx=5e8\n\
         gpu 1 model=a100-80 uuid=GPU-bbbb util=100 mem_util=55 mem_used=1073741824 power=99000 temp=44 \
         sm_clock=210 pcie_rx=5e9 pcie_tx=1e9\n\
         proc gpu=0 pid={} mem=1073741824\nproc gpu=1 pid={} mem=536870912\n",
        pids[0], pids[1]
    )
}

/// Something with a pid, for as long as it is held.
struct Held(Child);

impl Held {
    fn new() -> Self {
        Self(Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a script of tests/py prints over this driver.
fn python(
    scene: &Scene,
    environment: &Path,
    script: &str,
    control: Option<&Path>,
) -> Result<String, String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/py").join(script);
    let mut child = Command::new(environment.join("bin/python"));
    child.arg(file).envs(scene.environment()).stdin(Stdio::null());
    if let Some(control) = control {
        child.arg(control).env("MLTOP_STANDIN_CONTROL", control);
    }
    let done = child.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let trouble = String::from_utf8_lossy(&done.stderr).into_owned();
    if done.status.success() { Ok(said) } else { Err(trouble) }
}

fn within(what: &str, value: f64, wanted: f64, share: f64) -> Result<(), String> {
    let near = (value / wanted - 1.0).abs() <= share;
    if near { Ok(()) } else { Err(format!("{what}: {value} beside {wanted}")) }
}

/// One card as mltop tells it, in the units and under the names of the others.
fn ours(table: &Table<'_>, gpu: usize) -> Value {
    let whole = |column: &str, factor: f64| {
        let value = table.last(column, gpu).unwrap_or_else(|| panic!("no {column}"));
        json!((value * factor).round() as u64)
    };
    let procs = table.procs(gpu);
    json!({
        "utilization": whole("utilization_ratio", 100.0),
        "memory_controller": whole("memory_controller_ratio", 100.0),
        "memory_used": whole("memory_used_bytes", 1.0),
        "memory_total": whole("memory_total_bytes", 1.0),
        "power_mw": whole("power_watts", 1e3),
        "limit_mw": whole("power_limit_watts", 1e3),
        "temperature": whole("temperature_celsius", 1.0),
        "sm_clock_mhz": whole("sm_clock_hertz", 1e-6),
        "processes": procs.iter().map(|(pid, memory)| json!([pid, memory])).collect::<Vec<_>>(),
    })
}

/// What the others call one of our figures, and the factor to their unit.
const GPUSTAT: [(&str, &str, f64); 5] = [
    ("utilization", "utilization", 1.0),
    ("memory_used_mib", "memory_used", 1.0 / 1_048_576.0),
    ("memory_total_mib", "memory_total", 1.0 / 1_048_576.0),
    ("power_w", "power_mw", 1e-3),
    ("temperature", "temperature", 1.0),
];

fn side_by_side(others: &Value, table: &Table<'_>) -> Result<(), String> {
    for gpu in 0..2 {
        let own = ours(table, gpu);
        for reader in ["binding", "nvitop"] {
            let other = &others[reader][gpu];
            for (name, value) in own.as_object().unwrap() {
                // nvitop has no limit and no clock in this list.
                assert!(
                    other[name].is_null() || other[name] == *value,
                    "{reader} {gpu} {name}: {other} {own}"
                );
            }
        }
        let other = &others["gpustat"][gpu];
        for (theirs, name, factor) in GPUSTAT {
            let (value, wanted) =
                (other[theirs].as_f64().unwrap(), own[name].as_f64().unwrap() * factor);
            assert!(
                (value - wanted).abs() <= 1.0,
                "gpustat {gpu} {theirs}: {value} beside {wanted}"
            );
        }
        let held = own["processes"][0].clone();
        let mib = held[1].as_u64().unwrap() >> 20;
        assert_eq!(other["processes"], json!([[held[0], mib]]), "gpustat");
        for (way, kilobytes) in [("rx", "rx_kb"), ("tx", "tx_kb")] {
            let own = table.mean(&format!("pcie_{way}_bytes_per_second"), gpu);
            for reader in ["binding", "nvitop"] {
                let other = others[reader][gpu][kilobytes].as_f64().unwrap() * 1e3;
                within(&format!("{reader} {gpu} {way}"), other, own, 0.01)?;
            }
        }
        let counted = others["binding"][gpu]["rx_by_counter"].as_f64().unwrap();
        let own = table.mean("pcie_rx_bytes_per_second", gpu);
        within(&format!("the counter of {gpu}"), counted, own, 0.03)?;
    }
    Ok(())
}

#[test]
fn nvidia_s_binding_nvitop_and_gpustat_see_what_mltop_sees() {
    let Some(environment) = environment() else { return };
    let held = [Held::new(), Held::new()];
    let library = standin::build("full");
    // A rate over a short time may be off on a busy machine: three tries.
    let mut misses = Vec::new();
    for _ in 0..3 {
        let scene = Scene::new(&library, &script([held[0].0.id(), held[1].0.id()]));
        let stream = scene.start_stream(6);
        let others = python(&scene, &environment, "nvml_readers.py", None)
            .unwrap_or_else(|error| panic!("{error}"));
        let others: Value = serde_json::from_str(&others).unwrap();
        let lines = Lines::of(&finished(stream));
        match side_by_side(&others, &Table::of(&lines, 2)) {
            Ok(()) => return,
            Err(miss) => {
                eprintln!("{miss}");
                misses.push(miss);
            }
        }
    }
    panic!("never equal: {misses:?}");
}

#[test]
fn the_stand_in_keeps_what_nvidia_s_library_promises() {
    let Some(environment) = environment() else { return };
    let script = "gpu 0 model=h100 kind=starved nvlink_down=2 nvlink_tx=1e9\n\
        gpu 1 model=a100-80 mig=3g.40gb,-,1g.10gb\n\
        instance gpu=1 slot=0 sm=40 mem_used=5000000000\n\
        gpu 2 model=a100-80\n\
        proc gpu=0 pid=11 mem=1073741824\nproc gpu=0 pid=12\nproc gpu=1 pid=13 mem=1000 gi=7 ci=0\n\
        xid gpu=0 at=1 code=79\n";
    let library = standin::build("full");
    // Views of one moment are asked for one after another, between which a busy machine may pause.
    let tries = (0..3)
        .map(|_| python(&Scene::new(&library, script), &environment, "nvml_contract.py", None));
    let failed: Vec<String> = tries.map_while(Result::err).collect();
    assert!(failed.len() < 3, "{}", failed.join("\n"));
}

#[test]
fn under_a_clock_moved_by_hand_every_view_is_of_that_moment() {
    let Some(environment) = environment() else { return };
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("table.csv");
    std::fs::write(&table, "t,util\n0,30\n100,30\n").unwrap();
    let script = format!(
        "gpu 0 power=300000 pcie_rx=3e9\n\
         gpu 1 util=10\nphase gpu=1 from=2 to=100 util=90\n\
         gpu 2\nkey gpu=2 t=0 util=0\nkey gpu=2 t=10 util=100\n\
         gpu 3\nreplay gpu=3 file={}\n\
         gpu 4 power=300000 noise=0.3 seed=7\n\
         gpu 5\nfault fn=nvmlDeviceGetUtilizationRates gpu=5 after=6 until=7 rc=15 sticky=1\n\
         now 0\n",
        table.display()
    );
    let scene = Scene::new(&standin::build("full"), &script);
    let control = folder.path().join("control");
    let said = python(&scene, &environment, "nvml_clock.py", Some(&control));
    assert_eq!(said.as_deref().map(str::trim), Ok("kept"), "{said:?}");
}
