//! What a run and a GPU come to over the span.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::inventory::{GpuInfo, RunInfo, Software, Storage};
use crate::model::{Bound, Frame, GpuId, Pid, RunId};

use super::session::{GpuPart, RunPart};

/// Runs and GPUs that are told of.
const MAX_PARTS: usize = 256;
/// Versions of what its trainers run that are told of a run.
const MAX_SOFTWARE: usize = 8;

/// A mean over time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mean {
    total: f64,
    weight: f64,
}

impl Mean {
    pub(super) fn add(&mut self, value: f64, weight: f64) {
        if value.is_finite() && weight > 0.0 {
            self.total += value * weight;
            self.weight += weight;
        }
    }

    pub(super) fn get(self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.total / self.weight)
    }
}

/// The GPUs so far.
#[derive(Debug, Default)]
pub(super) struct Gpus(BTreeMap<GpuId, (GpuPart, Mean, Mean)>);

impl Gpus {
    pub(super) fn push(&mut self, frame: &Frame) {
        let seconds = frame.span_seconds.unwrap_or(0.0);
        for info in frame.sample.inventory.gpus.iter().take(MAX_PARTS) {
            self.0
                .entry(info.gpu)
                .or_insert_with(|| (named(info), Mean::default(), Mean::default()));
        }
        for row in &frame.sample.gpus {
            let Some((part, busy, power)) = self.0.get_mut(&row.gpu) else { continue };
            row.utilization_ratio.ok().into_iter().for_each(|ratio| busy.add(ratio, seconds));
            row.power_watts.ok().into_iter().for_each(|watts| power.add(watts, seconds));
            part.memory_peak_bytes = part.memory_peak_bytes.max(row.memory_used_bytes.ok());
        }
    }

    pub(super) fn finish(self) -> Vec<GpuPart> {
        let part = |(part, busy, power): (GpuPart, Mean, Mean)| GpuPart {
            utilization_ratio: busy.get(),
            power_watts: power.get(),
            ..part
        };
        self.0.into_values().map(part).collect()
    }
}

fn named(info: &GpuInfo) -> GpuPart {
    GpuPart {
        gpu: info.gpu,
        name: info.name.to_string(),
        uuid: info.uuid.to_string(),
        driver: info.driver.to_string(),
        memory_bytes: info.memory_bytes,
        simulated: info.simulated,
        ..GpuPart::default()
    }
}

/// The runs so far.
#[derive(Debug, Default)]
pub(super) struct Runs(BTreeMap<RunId, Run>);

#[derive(Debug, Default)]
struct Run {
    part: RunPart,
    gpus: BTreeSet<GpuId>,
    kinds: BTreeSet<String>,
    storage: BTreeSet<String>,
    bound: Option<Bound>,
    wait: Mean,
    busy: Mean,
    /// Steps of one rank, and the seconds in which they were counted.
    steps: Option<f64>,
    seconds: f64,
}

impl Runs {
    pub(super) fn push(&mut self, frame: &Frame) {
        for info in &frame.sample.inventory.runs {
            if self.0.len() >= MAX_PARTS && !self.0.contains_key(&info.run) {
                continue;
            }
            self.0.entry(info.run).or_default().push(info, frame);
        }
    }

    pub(super) fn finish(self) -> Vec<RunPart> {
        self.0.into_values().map(Run::finish).collect()
    }
}

impl Run {
    fn push(&mut self, info: &RunInfo, frame: &Frame) {
        self.name(info, frame);
        let seconds = frame.span_seconds.unwrap_or(0.0);
        let (mut wait, mut steps) = (Mean::default(), Mean::default());
        for pid in &info.trainers {
            self.gpus.extend(frame.sample.rank_gpus(*pid));
            let Some(loader) = frame.moving_loader(*pid) else { continue };
            self.part.workers = loader.workers.ok().or(self.part.workers);
            self.part.prefetch_factor = loader.prefetch_factor.ok().or(self.part.prefetch_factor);
            let Some(rates) = frame.loader(loader.loader) else { continue };
            if let Some(ratio) = rates.wait_ratio.ok() {
                wait.add(ratio, 1.0);
                self.bound = self.bound.or_else(|| loader.wait_bound.ok());
            }
            rates.steps_per_second.ok().into_iter().for_each(|rate| steps.add(rate, 1.0));
        }
        wait.get().into_iter().for_each(|ratio| self.wait.add(ratio, seconds));
        if let Some(rate) = steps.get() {
            *self.steps.get_or_insert(0.0) += rate * seconds;
            self.seconds += seconds;
        }
        let of_run = frame.sample.gpus.iter().filter(|row| self.gpus.contains(&row.gpu));
        let mut busy = Mean::default();
        of_run.filter_map(|row| row.utilization_ratio.ok()).for_each(|ratio| busy.add(ratio, 1.0));
        busy.get().into_iter().for_each(|ratio| self.busy.add(ratio, seconds));
    }

    fn name(&mut self, info: &RunInfo, frame: &Frame) {
        let part = &mut self.part;
        let now_ms = frame.sample.stamp.unix_ms;
        if part.last_ms == 0 {
            part.first_ms = now_ms;
        }
        // A run is named anew when more of it is known.
        part.run = info.run;
        info.name.as_ref().clone_into(&mut part.name);
        info.launcher.as_ref().clone_into(&mut part.launcher);
        part.last_ms = now_ms;
        part.world_size = info.world_size.or(part.world_size);
        if part.trainers != info.trainers || part.command.is_empty() {
            part.trainers.clone_from(&info.trainers);
            self.first_trainer(info.trainers.first().copied(), frame);
        }
        let inventory = &frame.sample.inventory;
        let software = &mut self.part.software;
        for one in info.trainers.iter().filter_map(|pid| inventory.software_of(*pid)) {
            let same =
                |other: &Software| (&other.python, &other.torch) == (&one.python, &one.torch);
            if software.len() < MAX_SOFTWARE && !software.iter().any(same) {
                software.push(one.clone());
            }
        }
        for loader in inventory.loaders.iter().filter(|one| info.trainers.contains(&one.pid)) {
            if self.kinds.len() < 8 && !self.kinds.contains(&*loader.kind) {
                self.kinds.insert(loader.kind.to_string());
            }
            for storage in loader.storage.iter().take(4) {
                if self.storage.len() < 8 {
                    self.storage.insert(place(storage));
                }
            }
        }
    }

    fn first_trainer(&mut self, pid: Option<Pid>, frame: &Frame) {
        let Some(process) = pid.and_then(|pid| frame.sample.inventory.proc(pid)) else { return };
        self.part.command = process.command.to_string();
        self.part.user = process.user.to_string();
        self.part.container = process.container.as_deref().map(str::to_owned);
    }

    fn finish(self) -> RunPart {
        let stepped = self.steps.filter(|steps| *steps > 0.0);
        RunPart {
            gpus: self.gpus.into_iter().collect(),
            loaders: self.kinds.into_iter().filter(|kind| !kind.is_empty()).collect(),
            storage: self.storage.into_iter().collect(),
            steps: self.steps,
            step_seconds: stepped.map(|steps| self.seconds / steps),
            wait_ratio: self.wait.get(),
            wait_mark: self.bound.map_or("", Bound::mark).to_owned(),
            gpu_utilization_ratio: self.busy.get(),
            ..self.part
        }
    }
}

/// `ext4 at /data on nvme1n1`.
fn place(storage: &Storage) -> String {
    let disk = storage.disk.as_deref().map_or_else(String::new, |disk| format!(" on {disk}"));
    format!("{} at {}{disk}", storage.filesystem, storage.mount)
}
