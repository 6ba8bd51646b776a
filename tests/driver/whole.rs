//! Everything that a card can tell arrives as the card told it: links, errors, events, engines,
//! processes by kind, and MIG instances as rows of their own.

use serde_json::{Value, json};

use crate::scene::{Lines, Scene};
use crate::standin;
use crate::table::{Table, row};

const SCRIPT: &str = "\
gpu 0 model=h100 util=60 sm=45 tensor=20 enc=7 dec=9 jpg=3 temp_mem=71 pstate=2 throttle=4 held_by_power=250000000
gpu 0 nvlink_rx=20e9 nvlink_tx=10e9 nvlink_replays=3 nvlink_crc=2 ecc_corrected=5 ecc_uncorrected=1
gpu 0 ecc_uncorrected_ever=9 rows_corrected=4 rows_uncorrected=2 rows_pending=1 replays=11 bar1_used=1000000
xid gpu=0 at=3 code=31
proc gpu=0 pid=3000001 mem=1000 sm=40
proc gpu=0 pid=3000002 mem=2000 sm=10 list=mps
proc gpu=0 pid=3000003 mem=3000 list=graphics
gpu 1 model=a100-80 util=50 nvlink_rx=8e9 nvlink_tx=4e9 mem_used=9000000000
proc gpu=1 pid=3000004 mem=1000
gpu 2 model=a100-80 mig=3g.40gb,-,1g.10gb
proc gpu=2 pid=3000005 mem=4000000000 gi=1 ci=0
proc gpu=2 pid=3000006 mem=1000000000 gi=7 ci=0
gpu 3 model=h100 mig=3g.40gb,1g.10gb
instance gpu=3 slot=0 sm=40 tensor=12
instance gpu=3 slot=1 sm=90
gpu 4 model=t4 util=20 retired_single=2 retired_double=1 retired_pending=1
gpu 5 model=h100 util=20 c2c=1 c2c_speed=450000 c2c_rx=50e9 c2c_tx=10e9
gpu 6 model=h100 kind=starved
proc gpu=6 pid=3000007 mem=1000
";

/// The row of a MIG instance.
const fn instance(card: usize, slot: usize) -> usize {
    128 + 16 * card + slot
}

/// A cell of the last tick, whatever it holds.
fn cell(table: &Table<'_>, column: &str, gpu: usize) -> Value {
    let tick = table.ticks().last().unwrap();
    let row = row(tick, gpu).unwrap_or_else(|| panic!("no row of {gpu}: {}", tick["gpus"]["gpu"]));
    tick["gpus"][column][row].clone()
}

fn near(table: &Table<'_>, column: &str, gpu: usize, wanted: f64) {
    let value = table.mean(column, gpu);
    assert!((value / wanted - 1.0).abs() < 0.02, "GPU {gpu} {column}: {value}, not {wanted}");
}

fn whole_cards(table: &Table<'_>) {
    let wanted = [
        (0, "encoder_ratio", json!(0.07)),
        (0, "decoder_ratio", json!(0.09)),
        (0, "jpeg_ratio", json!(0.03)),
        (0, "perf_state", json!(2)),
        (0, "memory_temperature_celsius", json!(71)),
        (0, "bar1_used_bytes", json!(1_000_000)),
        (0, "nvlink_links", json!(18)),
        (0, "nvlink_limit_bytes_per_second", json!(478_116_000_000_u64)),
        (0, "nvlink_errors_total", json!(7)),
        (0, "ecc_corrected_total", json!(5)),
        (0, "ecc_uncorrected_total", json!(1)),
        (0, "ecc_uncorrected_ever_total", json!(9)),
        (0, "remapped_corrected_rows", json!(4)),
        (0, "remapped_uncorrected_rows", json!(2)),
        (0, "remap_pending", json!(true)),
        (0, "remap_failed", json!(false)),
        (0, "pcie_replays_total", json!(11)),
        (0, "throttle_reasons", json!(4)),
        (0, "xid", json!(31)),
        (0, "xids_total", json!(1)),
        (1, "xid", Value::Null),
        (1, "nvlink_links", json!(12)),
        (4, "nvlink_links", Value::Null),
        (4, "remapped_corrected_rows", Value::Null),
        (4, "retired_pages", json!(3)),
        (4, "retire_pending", json!(true)),
        (5, "c2c_limit_bytes_per_second", json!(450_000_000_000_u64)),
    ];
    for (gpu, column, value) in wanted {
        assert_eq!(
            cell(table, column, gpu),
            value,
            "GPU {gpu} {column}: {}",
            table.gap(column, gpu)
        );
    }
    near(table, "nvlink_rx_bytes_per_second", 0, 20e9);
    near(table, "nvlink_tx_bytes_per_second", 0, 10e9);
    // Without GPM by the counters, of which the difference is one of the driver's and of our clock.
    let counted = table.all("nvlink_rx_bytes_total", 1);
    assert!(
        counted.windows(2).all(|pair| pair[1] >= pair[0]) && counted.last() > Some(&8e9),
        "{counted:?}"
    );
    near(table, "c2c_rx_bytes_per_second", 5, 50e9);
    near(table, "c2c_tx_bytes_per_second", 5, 10e9);
    let held = table.all("power_throttle_seconds_total", 0);
    assert!(held.last() > held.first(), "{held:?}");
    // A mean of a second hides that nothing ran for a while; the samples of a sixth of one do not.
    assert!(table.all("utilization_min_ratio", 6).contains(&0.0));
    assert!(table.all("utilization_max_ratio", 6).contains(&1.0));
    let idle = table.last("utilization_idle_samples_total", 6).unwrap();
    let all = table.last("utilization_samples_total", 6).unwrap();
    assert!((0.3..0.6).contains(&(idle / all)), "{idle} of {all}");
}

fn processes(table: &Table<'_>) {
    let held = &table.ticks().last().unwrap()["gpu_procs"];
    let rows = held["gpu"].as_array().unwrap().len();
    let of = |pid: u64| {
        let row = (0..rows)
            .find(|row| held["pid"][row] == pid)
            .unwrap_or_else(|| panic!("no {pid}: {held}"));
        json!([
            held["gpu"][row],
            held["memory_used_bytes"][row],
            held["kind"][row],
            held["sm_ratio"][row]
        ])
    };
    assert_eq!(of(3_000_001), json!([0, 1000, "compute", 0.4]));
    assert_eq!(of(3_000_002), json!([0, 2000, "mps", 0.1]));
    assert_eq!(of(3_000_003)[2], "graphics");
    assert_eq!(of(3_000_005), json!([instance(2, 0), 4_000_000_000_u64, "compute", null]));
    assert_eq!(of(3_000_006)[0], instance(2, 2));
}

fn instances(lines: &Lines, table: &Table<'_>) {
    let large = instance(2, 0);
    assert_eq!(table.last("memory_used_bytes", large), Some(4e9));
    assert_eq!(table.last("memory_total_bytes", large), Some(40_192.0 * 1_048_576.0));
    assert_eq!(table.last("memory_used_bytes", instance(2, 2)), Some(1e9));
    // An A100 has no GPM, so that nobody can tell what its instances do.
    assert_eq!(table.gap("sm_active_ratio", large), "unsupported");
    near(table, "sm_active_ratio", instance(3, 0), 0.40);
    near(table, "tensor_active_ratio", instance(3, 0), 0.12);
    near(table, "sm_active_ratio", instance(3, 1), 0.90);
    assert_eq!(table.gap("utilization_ratio", 3), "unsupported");
    let named = lines.of_kind("key").last().unwrap()["gpus"].as_array().unwrap();
    let info = named.iter().find(|info| info["gpu"] == large).unwrap();
    assert_eq!(info["multiprocessors"], 42);
    assert_eq!(info["mig"]["profile"], "3g.40gb");
    // The library says that it makes its figures up.
    assert!(named.iter().all(|info| info["simulated"] == true), "{named:?}");
}

#[test]
fn all_that_a_card_can_tell_arrives() {
    let lines = Scene::new(&standin::build("full"), SCRIPT).stream(8);
    let table = Table::of(&lines, 7);
    whole_cards(&table);
    processes(&table);
    instances(&lines, &table);
}
