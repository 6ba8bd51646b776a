//! What a stream said of GPUs, by column and GPU.

use std::path::PathBuf;

use serde_json::Value;

use crate::scene::Lines;

/// The ticks of a stream in which all of so many GPUs are listed. Rows of MIG instances may follow.
pub(crate) struct Table<'a> {
    ticks: Vec<&'a Value>,
}

impl<'a> Table<'a> {
    pub(crate) fn of(lines: &'a Lines, gpus: usize) -> Self {
        let listed = |tick: &&Value| (0..gpus).all(|gpu| row(tick, gpu).is_some());
        let mut ticks: Vec<&Value> = lines.ticks().into_iter().filter(listed).collect();
        // The first has no rates yet, and what needs two reads is not there.
        ticks.drain(..ticks.len().min(2));
        assert!(ticks.len() >= 2, "{} ticks with {gpus} GPUs", ticks.len());
        Self { ticks }
    }

    pub(crate) fn ticks(&self) -> &[&'a Value] {
        &self.ticks
    }

    /// A figure of a GPU in each tick that has it: as it was read, or as it was derived.
    pub(crate) fn all(&self, column: &str, gpu: usize) -> Vec<f64> {
        self.ticks.iter().filter_map(|tick| figure(tick, column, gpu)).collect()
    }

    pub(crate) fn mean(&self, column: &str, gpu: usize) -> f64 {
        let all = self.all(column, gpu);
        assert!(!all.is_empty(), "GPU {gpu} has no {column}: {}", self.ticks[0]["gaps"]["gpus"]);
        all.iter().sum::<f64>() / all.len() as f64
    }

    /// A rate between two ticks in neither of which the counts are in doubt.
    pub(crate) fn exact(&self, column: &str, gpu: usize) -> Vec<f64> {
        let sure = |tick: &Value| {
            row(tick, gpu).is_some_and(|row| tick["gpus"]["pcie_bound"][row] == "exact")
        };
        let pairs = self.ticks.windows(2).filter(|pair| pair.iter().all(|tick| sure(tick)));
        pairs.filter_map(|pair| figure(pair[1], column, gpu)).collect()
    }

    pub(crate) fn last(&self, column: &str, gpu: usize) -> Option<f64> {
        figure(self.ticks.last().unwrap(), column, gpu)
    }

    /// Why the last tick has no such figure.
    pub(crate) fn gap(&self, column: &str, gpu: usize) -> String {
        let tick = self.ticks.last().unwrap();
        let gap = &tick["gaps"]["gpus"][column];
        let row = row(tick, gpu).unwrap();
        let own = if gap.is_array() { &gap[row] } else { gap };
        own.as_str().unwrap_or_default().to_owned()
    }

    /// Pid and memory of every process on a GPU in the last tick.
    pub(crate) fn procs(&self, gpu: usize) -> Vec<(u64, Option<u64>)> {
        let held = &self.ticks.last().unwrap()["gpu_procs"];
        let column = |name: &str| held[name].as_array().cloned().unwrap_or_default();
        let rows = column("gpu").into_iter().zip(column("pid")).zip(column("memory_used_bytes"));
        rows.filter(|((on, _), _)| on.as_u64() == Some(gpu as u64))
            .map(|((_, pid), memory)| (pid.as_u64().unwrap(), memory.as_u64()))
            .collect()
    }
}

/// Where a GPU stands in the columns of a tick.
pub(crate) fn row(tick: &Value, gpu: usize) -> Option<usize> {
    tick["gpus"]["gpu"].as_array()?.iter().position(|id| id.as_u64() == Some(gpu as u64))
}

/// A figure of a GPU in one tick.
pub(crate) fn figure(tick: &Value, column: &str, gpu: usize) -> Option<f64> {
    let row = row(tick, gpu)?;
    tick["gpus"][column][row].as_f64().or_else(|| tick["derived"]["gpus"][column][row].as_f64())
}

/// What is the matter with a GPU, in the last words on it.
pub(crate) fn trouble(lines: &Lines, gpu: usize) -> String {
    let key = lines.of_kind("key").last().unwrap();
    let named = key["gpus"].as_array().unwrap();
    let own = named.iter().find(|info| info["gpu"].as_u64() == Some(gpu as u64)).unwrap();
    own["trouble"].as_str().unwrap_or_default().to_owned()
}

/// The environment of Python with NVIDIA's binding and header; `None`, with a word on why, where
/// there is none.
pub(crate) fn environment() -> Option<PathBuf> {
    let cache = std::env::var_os("MLTOP_TEST_CACHE").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/mltop-tests"),
        PathBuf::from,
    );
    let environment = cache.join("nvml");
    if environment.join("bin/python").exists() {
        return Some(environment);
    }
    eprintln!("skipped: no environment nvml (tests/run brings one)");
    None
}
