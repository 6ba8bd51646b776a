//! What mltop told of a real card, against what was known of its load: recorded on an NVIDIA H200 with
//! driver 580.159.04, where NVIDIA's own binding was asked ten times a second beside it and the
//! programs themselves kept account of what they did (`tests/sessions/h200.json`).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;

use mltop::model::sample::{Bound, GpuSample, PcieSource, WaitSource};
use mltop::model::{Reading, Sample};
use mltop::record::SessionFile;

/// A row is read so long before its tick, in seconds.
const READ_BEFORE: f64 = 0.15;
/// What is told of a load in the first seconds is still of the load before.
const SETTLED: f64 = 1.0 + READ_BEFORE;
/// Memory of the card at its best, in bytes a second (NVIDIA's data sheet).
const MEMORY_MOST: f64 = 4.8e12;

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sessions").join(name)
}

fn known() -> Value {
    serde_json::from_slice(&fs::read(kept("h200.json")).unwrap()).unwrap()
}

fn samples(name: &str) -> Vec<Arc<Sample>> {
    let (session, health) = SessionFile::open(&kept(name)).unwrap();
    assert!(health.is_whole());
    session.samples(0, u64::MAX).collect()
}

fn seconds(sample: &Sample) -> f64 {
    sample.stamp.unix_ms as f64 / 1e3
}

/// The rows of the card whose second lies within a load.
fn during<'a>(samples: &'a [Arc<Sample>], load: &Value) -> Vec<&'a GpuSample> {
    let (from, to) = (load["start"].as_f64().unwrap(), load["end"].as_f64().unwrap());
    let within = |sample: &&Arc<Sample>| {
        seconds(sample) >= from + SETTLED && seconds(sample) <= to + READ_BEFORE
    };
    let rows: Vec<&GpuSample> =
        samples.iter().filter(within).map(|sample| &sample.gpus[0]).collect();
    assert!(rows.len() >= 3, "{load}");
    rows
}

fn mean(rows: &[&GpuSample], of: impl Fn(&GpuSample) -> Reading<f64>) -> f64 {
    let all: Vec<f64> = rows.iter().filter_map(|row| of(row).ok()).collect();
    assert_eq!(all.len(), rows.len(), "a row without it");
    all.iter().sum::<f64>() / all.len() as f64
}

fn near(what: &str, told: f64, truth: f64, off: f64) {
    assert!((told - truth).abs() <= off, "{what}: told {told}, true {truth}");
}

#[test]
fn activity_memory_power_and_traffic_of_known_loads_are_told_as_they_were() {
    let (known, samples) = (known(), samples("h200-loads.mltop.jsonl.zst"));
    for load in known["loads"].as_array().unwrap() {
        let name = load["name"].as_str().unwrap();
        let rows = during(&samples, load);
        let binding = &load["binding"];
        let told = |of: fn(&GpuSample) -> Reading<f64>| mean(&rows, of);
        if let Some(share) = load["sm_active"].as_f64().or_else(|| load["busy"].as_f64()) {
            near(name, told(|row| row.sm_active_ratio), share, 0.005);
        }
        if let Some(share) = load["occupancy"].as_f64() {
            near(name, told(|row| row.sm_occupancy_ratio), share, 0.002);
        }
        if let Some(rate) = load["memory_moved_bytes_per_second"].as_f64() {
            near(name, told(|row| row.dram_active_ratio), rate / MEMORY_MOST, 0.02);
        }
        let data = |way: &str| load[way].as_f64().unwrap_or(0.0);
        let (up, down) = (data("to_gpu_bytes_per_second"), data("from_gpu_bytes_per_second"));
        let carried = |told: f64, least: f64, most: f64| {
            assert!(
                least == 0.0 || (least..most).contains(&told),
                "{name}: {told} of {least} data"
            );
        };
        // Headers are counted, and what the card sends holds its requests for what it gets.
        carried(told(|row| row.pcie_rx_bytes_per_second), up, up * 1.1);
        carried(told(|row| row.pcie_tx_bytes_per_second), down, down * 1.1 + up * 0.08);
        near(name, told(|row| row.power_watts), binding["power_watts"].as_f64().unwrap(), 5.0);
        let used = rows.last().unwrap().memory_used_bytes.ok();
        assert_eq!(used, binding["memory_used_bytes"].as_u64(), "{name}");
    }
}

#[test]
fn every_row_of_a_real_card_was_new_and_nothing_of_it_was_in_doubt() {
    let samples = samples("h200-loads.mltop.jsonl.zst");
    let rows: Vec<&GpuSample> = samples.iter().skip(3).map(|sample| &sample.gpus[0]).collect();
    assert!(rows.len() > 50);
    for row in rows {
        near("age", row.age_seconds.ok().unwrap(), READ_BEFORE, 0.05);
        assert_eq!(row.pcie_source, Reading::Is(PcieSource::Gpm));
        assert_eq!(row.pcie_bound, Reading::Is(Bound::Exact));
    }
}

/// The share of a span in which the loop was within `next()`, by its own account.
fn waited(steps: &[Value], from: f64, to: f64) -> f64 {
    let of = |step: &Value, index: usize| step[index].as_f64().unwrap().clamp(from, to);
    steps.iter().map(|step| of(step, 1) - of(step, 0)).sum::<f64>() / (to - from)
}

/// Looks and waits among them of a loop up to a tick, where it was read on its stack.
fn looks(sample: &Sample) -> Option<(f64, f64)> {
    let loader = sample.loaders.first()?;
    let all = loader.samples_total.ok()?;
    let waits = loader.wait_samples_total.ok()?;
    let read = loader.wait_source == Reading::Is(WaitSource::Stack);
    read.then_some((all as f64, waits as f64))
}

#[test]
fn the_wait_of_a_loop_with_pinned_memory_on_a_real_card_is_told_as_it_was() {
    let (known, samples) = (known(), samples("h200-training.mltop.jsonl.zst"));
    for training in known["trainings"].as_array().unwrap() {
        let steps = training["steps"].as_array().unwrap();
        // Its first batch and its first steps are no rate.
        let from = steps[5][0].as_f64().unwrap() + 1.0;
        let to = steps.last().unwrap()[2].as_f64().unwrap();
        let of_it: Vec<(f64, (f64, f64))> = samples
            .iter()
            .filter(|sample| (from..to).contains(&seconds(sample)))
            .filter_map(|sample| Some((seconds(sample), looks(sample)?)))
            .collect();
        let share = |a: &(f64, (f64, f64)), b: &(f64, (f64, f64))| {
            ((b.1.1 - a.1.1) / (b.1.0 - a.1.0), waited(steps, a.0, b.0))
        };
        let name = training["name"].as_str().unwrap();
        let (told, truth) = share(of_it.first().unwrap(), of_it.last().unwrap());
        near(name, told, truth, 0.01);
        for window in of_it.windows(11) {
            let (told, truth) = share(&window[0], &window[10]);
            near(&format!("{name}, ten seconds"), told, truth, 0.05);
        }
    }
}

#[test]
fn the_training_that_starved_is_found_and_the_fed_one_is_not() {
    let said = Command::new(env!("CARGO_BIN_EXE_mltop"))
        .args(["report", "--json"])
        .arg(kept("h200-training.mltop.jsonl.zst"))
        .output()
        .unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let report: Value = serde_json::from_slice(&said.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(findings[0]["cause"], "TOO-FEW-WORKERS");
    // Twice the step of the fed loop takes twice the workers, and a little more.
    let advice = findings[0]["advice"].as_str().unwrap();
    assert!(advice.contains("from 2 to 5"), "{advice}");
    // The words are of the time in which it starved, not of the one in which it ended.
    let title = findings[0]["title"].as_str().unwrap();
    assert!(title.contains("waits for data 54 %"), "{title}");
}
