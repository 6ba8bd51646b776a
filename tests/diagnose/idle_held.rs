//! IDLE-HELD on a real recording: where it is named, and that it is named nowhere else.

use std::sync::Arc;

use mltop::diagnose::{Change, Engine};
use mltop::model::sample::{GpuProcSample, GpuSample};
use mltop::model::{Finding, Frame, GpuId, Pid, Reading, Rule, Sample, Stamp};

use crate::cards::engine;

/// A row of the recording.
struct Row {
    ms: i64,
    utilization: f64,
    held: u64,
    watts: f64,
}

/// An RTX A4500 of a federated training, one row each five seconds.
fn plato() -> Vec<Row> {
    let text = include_str!("../data/plato_a4500_fl_5s.csv");
    let number = |cell: &str| cell.split_whitespace().next().unwrap().parse::<f64>().unwrap();
    let seconds = |cell: &str| {
        let clock = cell.split_whitespace().nth(1).unwrap();
        clock.split(':').fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().unwrap())
    };
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        Row {
            ms: (seconds(cells[0]) * 1e3) as i64,
            utilization: number(cells[1]) / 100.0,
            held: (number(cells[3]) as u64) << 20,
            watts: number(cells[6]),
        }
    };
    text.lines().map(row).collect()
}

fn frame(row: &Row, before: Option<&Row>) -> Frame {
    let sample = Sample {
        stamp: Stamp { unix_ms: row.ms, mono_ms: row.ms as u64 },
        gpus: vec![GpuSample {
            gpu: GpuId(0),
            utilization_ratio: Reading::Is(row.utilization),
            power_watts: Reading::Is(row.watts),
            ..GpuSample::default()
        }],
        gpu_procs: vec![GpuProcSample {
            gpu: GpuId(0),
            pid: Pid(7),
            memory_used_bytes: Reading::Is(row.held),
            ..GpuProcSample::default()
        }],
        ..Sample::default()
    };
    let span_seconds = before.map(|before| (row.ms - before.ms) as f64 / 1e3);
    Frame { sample: Arc::new(sample), span_seconds, ..Frame::default() }
}

/// The spans of ten minutes and more in which half a GiB is held and no kernel runs, by the rows alone.
fn idle_spans(rows: &[Row]) -> Vec<(i64, i64)> {
    let idles = |row: &Row| row.held >= 512 << 20 && row.utilization < 0.01;
    let mut spans = Vec::new();
    let mut start = None;
    for pair in rows.windows(2) {
        match (idles(&pair[0]), start) {
            (true, None) => start = Some(pair[0].ms),
            (false, _) => start = None,
            _ => {}
        }
        if let Some(from) = start.filter(|_| !idles(&pair[1])) {
            spans.extend((pair[0].ms - from >= 600_000).then_some((from, pair[0].ms)));
        }
    }
    spans
}

fn findings(engine: &mut Engine, rows: &[Row]) -> Vec<Finding> {
    let mut closed = Vec::new();
    let mut before = None;
    for row in rows {
        for change in engine.step(&frame(row, before)) {
            if let Change::Closed(finding) = change {
                closed.push(finding);
            }
        }
        before = Some(row);
    }
    closed
}

#[test]
fn the_recording_is_named_idle_held_over_the_span_in_which_it_idles_and_nowhere_else() {
    let rows = plato();
    let mut engine = engine();
    let closed = findings(&mut engine, &rows);
    let truth = idle_spans(&rows);
    assert!(!truth.is_empty());
    let named: Vec<(i64, i64)> = closed.iter().map(|f| (f.start_ms, f.end_ms.unwrap())).collect();
    assert_eq!(named.len(), truth.len(), "{named:?} and {truth:?}");
    for ((from, to), (start, end)) in truth.iter().zip(&named) {
        assert!(
            (from - start).abs() <= 15_000 && (to - end).abs() <= 15_000,
            "{named:?} {truth:?}"
        );
    }
    assert!(closed.iter().all(|finding| finding.rule == Rule::IdleHeld), "{closed:#?}");
    assert!(engine.findings().iter().all(|f| f.end_ms.is_some()), "it ends with memory freed");
    assert!(closed[0].title.contains("pid 7 holds"), "{}", closed[0].title);
}
