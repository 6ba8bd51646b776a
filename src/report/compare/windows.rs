//! A session in windows of ten seconds.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::inventory::RunInfo;
use crate::model::{Frame, GpuId, RunId};

use super::Side;

/// Milliseconds of a window.
const WINDOW_MS: u64 = 10_000;
/// A window in which steps were counted for less than this is left out.
const LEAST_SECONDS: f64 = 5.0;
/// Windows of a session at most: four weeks.
const MAX_WINDOWS: usize = 250_000;
const MAX_RUNS: usize = 64;
/// Versions of one thing that the ranks of a run have.
const MAX_VERSIONS: usize = 8;

/// What happened in ten seconds. Seconds are those in which the figure beside them is known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Window {
    /// Which one, counted from the start.
    at: u64,
    /// Seconds in which steps were counted.
    pub seconds: f64,
    /// Batches taken by one rank in them.
    pub steps: f64,
    /// Seconds times the GPUs that the run held.
    pub gpu_seconds: f64,
    /// Seconds in which the loop waited, of `waited_of`.
    pub wait_seconds: f64,
    /// See `wait_seconds`.
    pub waited_of: f64,
    /// Seconds with a kernel on the GPUs, of `busy_of`.
    pub busy_seconds: f64,
    /// See `busy_seconds`.
    pub busy_of: f64,
}

#[derive(Debug, Default)]
struct Run {
    name: String,
    ranks: usize,
    /// Versions that its ranks run, each once.
    python: BTreeSet<String>,
    torch: BTreeSet<String>,
    gpus: BTreeSet<GpuId>,
    windows: Vec<Window>,
}

/// The runs of a session in windows.
#[derive(Debug, Default)]
pub struct Windows {
    file: String,
    begun_ms: Option<u64>,
    runs: BTreeMap<RunId, Run>,
    products: BTreeMap<GpuId, String>,
    chosen: Option<RunId>,
    kept: Vec<Window>,
}

impl Windows {
    /// Windows of the session in this file.
    pub fn new(file: &str) -> Self {
        Self { file: file.to_owned(), ..Self::default() }
    }

    /// Takes a frame.
    pub fn push(&mut self, frame: &Frame) {
        let now_ms = frame.sample.stamp.mono_ms;
        let begun_ms = *self.begun_ms.get_or_insert(now_ms);
        let at = now_ms.saturating_sub(begun_ms) / WINDOW_MS;
        for info in &frame.sample.inventory.gpus {
            if self.products.len() < 4096 {
                let mark = if info.simulated { "simulated " } else { "" };
                self.products.entry(info.gpu).or_insert_with(|| format!("{mark}{}", info.name));
            }
        }
        for info in &frame.sample.inventory.runs {
            if self.runs.len() < MAX_RUNS || self.runs.contains_key(&info.run) {
                self.runs.entry(info.run).or_default().push(info, frame, at);
            }
        }
    }

    /// Chooses the run that took most steps, once all frames are in.
    pub fn finish(&mut self) {
        let steps = |run: &Run| run.windows.iter().map(|window| window.steps).sum::<f64>();
        let most = self.runs.iter().max_by(|a, b| steps(a.1).total_cmp(&steps(b.1)));
        if let Some((id, run)) = most {
            self.chosen = Some(*id);
            let counted = |window: &&Window| window.seconds >= LEAST_SECONDS;
            let counted: Vec<Window> = run.windows.iter().filter(counted).copied().collect();
            // Before its first step and after its last a run is not the training that is compared.
            let first = counted.iter().position(|window| window.steps > 0.0);
            let last = counted.iter().rposition(|window| window.steps > 0.0);
            self.kept = first
                .zip(last)
                .and_then(|(first, last)| counted.get(first..=last))
                .map(<[Window]>::to_vec)
                .unwrap_or_default();
        }
    }

    /// The windows of the chosen run.
    pub fn windows(&self) -> &[Window] {
        &self.kept
    }

    /// What the session is.
    pub fn side(&self) -> Side {
        let Some(run) = self.chosen.and_then(|run| self.runs.get(&run)) else {
            return Side { file: self.file.clone(), ..Side::default() };
        };
        let mut products: BTreeMap<&str, usize> = BTreeMap::new();
        for product in run.gpus.iter().filter_map(|gpu| self.products.get(gpu)) {
            *products.entry(product).or_default() += 1;
        }
        let gpus: Vec<String> =
            products.iter().map(|(product, count)| format!("{count}×{product}")).collect();
        let seconds: f64 = self.kept.iter().map(|window| window.seconds).sum();
        let gpu_seconds: f64 = self.kept.iter().map(|window| window.gpu_seconds).sum();
        Side {
            file: self.file.clone(),
            run: run.name.clone(),
            ranks: run.ranks,
            python: joined(&run.python),
            torch: joined(&run.torch),
            gpus: gpus.join(" + "),
            gpu_count: if seconds > 0.0 { gpu_seconds / seconds } else { 0.0 },
            windows: self.kept.len(),
        }
    }
}

impl Run {
    fn push(&mut self, info: &RunInfo, frame: &Frame, at: u64) {
        if self.name.is_empty() {
            self.name = info.name.to_string();
        }
        self.ranks = self.ranks.max(info.trainers.len());
        for pid in &info.trainers {
            self.gpus.extend(frame.sample.rank_gpus(*pid));
            if let Some(software) = frame.sample.inventory.software_of(*pid) {
                note(&mut self.python, &software.python);
                note(&mut self.torch, &software.torch);
            }
        }
        let Some(seconds) = frame.span_seconds else { return };
        if self.windows.last().is_none_or(|last| last.at != at) {
            if self.windows.len() >= MAX_WINDOWS {
                return;
            }
            self.windows.push(Window { at, ..Window::default() });
        }
        let Some(window) = self.windows.last_mut() else { return };
        let rates = info.trainers.iter().filter_map(|pid| {
            let loader = frame.moving_loader(*pid)?;
            frame.loader(loader.loader)
        });
        let (mut steps, mut wait) = (Vec::new(), Vec::new());
        for rates in rates {
            steps.extend(rates.steps_per_second.ok());
            wait.extend(rates.wait_ratio.ok());
        }
        if let Some(steps) = mean(&steps) {
            window.seconds += seconds;
            window.steps += steps * seconds;
            window.gpu_seconds += seconds * self.gpus.len() as f64;
        }
        if let Some(wait) = mean(&wait) {
            window.wait_seconds += wait * seconds;
            window.waited_of += seconds;
        }
        let of_run = frame.sample.gpus.iter().filter(|row| self.gpus.contains(&row.gpu));
        let busy: Vec<f64> = of_run.filter_map(|row| row.utilization_ratio.ok()).collect();
        if let Some(busy) = mean(&busy) {
            window.busy_seconds += busy * seconds;
            window.busy_of += seconds;
        }
    }
}

/// Adds a version that is known.
fn note(versions: &mut BTreeSet<String>, version: &str) {
    if !version.is_empty() && versions.len() < MAX_VERSIONS && !versions.contains(version) {
        versions.insert(version.to_owned());
    }
}

fn joined(versions: &BTreeSet<String>) -> String {
    versions.iter().map(String::as_str).collect::<Vec<_>>().join(" + ")
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
