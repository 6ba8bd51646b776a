//! Loads, cards and branches of the driver, each through the whole program.

use std::fmt::Write;
use std::ops::RangeInclusive;

use crate::scene::{Lines, Scene, finished};
use crate::standin;
use crate::table::Table;

type Range = RangeInclusive<f64>;

/// Kind, utilization, multiprocessors, energy over what the limit allows, received, sent (gigabytes
/// per second).
const LOADS: [(&str, Range, Range, Range, Range, Range); 8] = [
    ("healthy", 0.98..=1.0, 0.72..=0.82, 0.7..=0.85, 0.2..=0.32, 0.09..=0.11),
    ("starved", 0.1..=0.75, 0.08..=0.55, 0.2..=0.6, 0.3..=2.0, 0.01..=0.09),
    ("over_provisioned", 0.28..=0.32, 0.12..=0.15, 0.2..=0.3, 0.1..=0.14, 0.02..=0.04),
    ("nccl_spin", 1.0..=1.0, 0.05..=0.07, 0.2..=0.26, 0.0..=0.0, 0.0..=0.0),
    ("ckpt", 0.02..=0.04, 0.0..=0.02, 0.15..=0.2, 0.009..=0.011, 2.9..=3.1),
    ("pcie_bound", 0.3..=0.4, 0.1..=0.2, 0.3..=0.4, 56.0..=59.0, 0.02..=0.06),
    ("idle", 0.0..=0.0, 0.0..=0.0, 0.08..=0.12, 0.0..=0.0, 0.0..=0.0),
    ("alloc_idle", 0.0..=0.0, 0.0..=0.0, 0.15..=0.19, 0.0..=0.0, 0.0..=0.0),
];

#[test]
fn every_kind_of_load_looks_as_it_is() {
    let mut script = String::new();
    for (gpu, (kind, ..)) in LOADS.iter().enumerate() {
        writeln!(script, "gpu {gpu} model=h100 kind={kind}").unwrap();
    }
    // And two on a card without GPM, whose counters tell the same traffic.
    script += "gpu 8 model=a100-80 kind=pcie_bound\ngpu 9 model=a100-80 kind=ckpt\n";
    let lines = Scene::new(&standin::build("full"), &script).stream(7);
    let table = Table::of(&lines, LOADS.len() + 2);
    for (gpu, (kind, util, sm, power, rx, tx)) in LOADS.iter().enumerate() {
        let inside = |what: &str, value: f64, range: &Range| {
            assert!(range.contains(&value), "{kind}: {what} {value} is not in {range:?}");
        };
        inside("utilization", table.mean("utilization_ratio", gpu), util);
        inside("SM activity", table.mean("sm_active_ratio", gpu), sm);
        inside("received", table.mean("pcie_rx_bytes_per_second", gpu) / 1e9, rx);
        inside("sent", table.mean("pcie_tx_bytes_per_second", gpu) / 1e9, tx);
        // The power that is shown is of a moment; what it came to over some seconds is not.
        if let [first, .., last] = table.all("energy_joules_total", gpu)[..] {
            let mean = (last - first) / (table.all("energy_joules_total", gpu).len() - 1) as f64;
            inside("mean power", mean / 700.0, &(power.start() * 0.5..=power.end() * 1.6));
        }
        assert!(table.mean("power_ratio", gpu) <= 0.81, "{kind}");
    }
    for (gpu, column, wanted) in
        [(8, "pcie_rx_bytes_per_second", 0.92 * 31.504e9), (9, "pcie_tx_bytes_per_second", 3e9)]
    {
        let rates = table.exact(column, gpu);
        eprintln!("GPU {gpu}, {column} between two reads in time: {rates:?}");
        assert!(rates.iter().all(|rate| (rate / wanted - 1.0).abs() < 0.01), "{rates:?}: {wanted}");
    }
}

/// A variant, the driver's version where the script says another, and where traffic comes from.
const BRANCHES: [(&str, &str, Option<&str>); 9] = [
    ("drv470", "", Some("snapshot")),
    ("drv510", "", Some("snapshot")),
    ("drv535", "", Some("snapshot")),
    ("drv550", "", Some("snapshot")),
    ("drv555", "", Some("counter")),
    ("full", "driver 565.57.01\n", Some("counter")),
    // Without counters what is left of this branch is a rate a thousand times too large.
    ("nofield198", "driver 565.57.01\n", None),
    ("drv580", "", Some("counter")),
    ("drv595", "", Some("counter")),
];

#[test]
fn every_branch_of_the_driver_is_read_by_what_it_has() {
    let script = "gpu 0 util=37 mem_used=9000000000 mem_reserved=0 power=300000 temp=61 sm_clock=1755 \
                  throttle=4 pcie_rx=3e9 pcie_tx=1e9\nproc gpu=0 pid=4711 mem=1073741824\nproc gpu=0 pid=4712 mem=5\n";
    let scenes: Vec<Scene> = BRANCHES
        .iter()
        .map(|(variant, driver, _)| {
            Scene::new(&standin::build(variant), &format!("{driver}{script}"))
        })
        .collect();
    let streams: Vec<_> = scenes.iter().map(|scene| scene.start_stream(6)).collect();
    for ((variant, driver, source), stream) in BRANCHES.iter().zip(streams) {
        let lines = Lines::of(&finished(stream));
        let table = Table::of(&lines, 1);
        let name = format!("{variant} {driver}");
        let is = |column: &str, wanted: f64| {
            assert_eq!(
                table.last(column, 0),
                Some(wanted),
                "{name} {column} {}",
                table.gap(column, 0)
            );
        };
        is("utilization_ratio", 0.37);
        is("memory_used_bytes", 9e9);
        is("power_watts", 300.0);
        is("temperature_celsius", 61.0);
        is("sm_clock_hertz", 1_755e6);
        is("throttle_reasons", 4.0);
        assert_eq!(table.procs(0), [(4711, Some(1 << 30)), (4712, Some(5))], "{name}");
        let Some(source) = source else {
            assert_eq!(table.all("pcie_rx_bytes_per_second", 0), [0.0_f64; 0]);
            assert_eq!(table.gap("pcie_rx_bytes_per_second", 0), "failed");
            continue;
        };
        let tick = table.ticks().last().unwrap();
        assert_eq!(tick["gpus"]["pcie_source"][0], *source, "{name}");
        let rate = table.mean("pcie_rx_bytes_per_second", 0);
        assert!((rate / 3e9 - 1.0).abs() < 0.02, "{name}: {rate}");
    }
}
