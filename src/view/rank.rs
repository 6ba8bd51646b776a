//! The numbers of one row of the table: of a rank, or of a run as the sum and the worst of its ranks.

use std::collections::BTreeSet;

use crate::model::{Bound, Frame, Gap, GpuId, Pid, Reading};

/// A value with how it relates to the truth.
pub(super) type Bounded = Option<(f64, Bound)>;

/// What a row says.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    pub(super) gpus: Vec<GpuId>,
    /// Mean utilization of its GPUs, 0 to 1, whoever causes it.
    pub(super) util: Option<f64>,
    /// Device memory that its processes hold, in bytes.
    pub(super) held: Option<f64>,
    /// Cores in use by trainer and workers.
    pub(super) cores: Bounded,
    /// Bytes per second that trainer and workers caused to be read.
    pub(super) read: Bounded,
    /// Batches ready of the capacity, of the rank with the emptiest queue.
    pub(super) ready: Option<(u64, Option<u64>, Bound)>,
    /// Blocked share, of the rank that waits most.
    pub(super) blocked: Bounded,
    /// Seconds a step, of the slowest rank.
    pub(super) step: Option<f64>,
    /// Worker letters, a loader each.
    pub(super) workers: Vec<String>,
}

/// The numbers of the ranks with these trainers together.
pub(super) fn numbers(frame: &Frame, trainers: &[Pid]) -> Numbers {
    let inventory = &frame.sample.inventory;
    let pids: BTreeSet<Pid> = trainers.iter().flat_map(|pid| inventory.rank_pids(*pid)).collect();
    let mut out = Numbers::default();
    gpu_numbers(frame, &pids, &mut out);
    out.cores = total(frame, &pids, |row| row.cpu_cores);
    out.read = total(frame, &pids, |row| row.read_bytes_per_second);
    for pid in trainers {
        loader_numbers(frame, *pid, &mut out);
    }
    out
}

fn gpu_numbers(frame: &Frame, pids: &BTreeSet<Pid>, out: &mut Numbers) {
    let held: Vec<_> =
        frame.sample.gpu_procs.iter().filter(|row| pids.contains(&row.pid)).collect();
    let gpus: BTreeSet<GpuId> = held.iter().map(|row| row.gpu).collect();
    // A sum with a part missing would be too small by an unknown amount.
    out.held = held
        .iter()
        .map(|row| row.memory_used_bytes.ok().map(|bytes| bytes as f64))
        .sum::<Option<f64>>()
        .filter(|_| !held.is_empty());
    let utils: Option<Vec<f64>> = gpus
        .iter()
        .map(|gpu| frame.sample.gpus.iter().find(|row| row.gpu == *gpu)?.utilization_ratio.ok())
        .collect();
    out.util = utils
        .filter(|utils| !utils.is_empty())
        .map(|utils| utils.iter().sum::<f64>() / utils.len() as f64);
    out.gpus = gpus.into_iter().collect();
}

/// The sum over processes: at least so much where some of them cannot be read, nothing where none can.
fn total(
    frame: &Frame,
    pids: &BTreeSet<Pid>,
    of: impl Fn(&crate::model::frame::ProcRates) -> Reading<f64>,
) -> Bounded {
    let mut sum = None;
    let mut missing = false;
    let mut seen = 0;
    for row in frame.procs.iter().filter(|row| pids.contains(&row.pid)) {
        seen += 1;
        match of(row) {
            Reading::Is(value) => sum = Some(sum.unwrap_or(0.0) + value),
            // A worker that has just started has no rate yet, and one that ended did nothing since.
            Reading::Not(Gap::NotYet | Gap::Lost) => {}
            Reading::Not(_) => missing = true,
        }
    }
    let bound = if missing || seen < pids.len() { Bound::Lower } else { Bound::Exact };
    sum.map(|sum| (sum, bound))
}

fn loader_numbers(frame: &Frame, trainer: Pid, out: &mut Numbers) {
    let Some(loader) = frame.moving_loader(trainer) else { return };
    if let Some(ready) = loader.ready.ok() {
        let bound = loader.ready_bound.ok().unwrap_or(Bound::Doubtful);
        let fill = |ready: u64, capacity: Option<u64>| {
            ready as f64 / capacity.filter(|all| *all > 0).unwrap_or(1) as f64
        };
        let capacity = loader.capacity.ok();
        let emptier =
            out.ready.is_none_or(|(worst, all, _)| fill(ready, capacity) < fill(worst, all));
        if emptier {
            out.ready = Some((ready, capacity, bound));
        }
    }
    if let Reading::Is(states) = &loader.worker_states {
        out.workers.push(states.chars().take(512).collect());
    }
    let Some(rates) = frame.loaders.iter().find(|rates| rates.loader == loader.loader) else {
        return;
    };
    if let Some(wait) = rates.wait_ratio.ok()
        && out.blocked.is_none_or(|(worst, _)| wait > worst)
    {
        out.blocked = Some((wait, loader.wait_bound.ok().unwrap_or(Bound::Doubtful)));
    }
    if let Some(step) = rates.step_seconds.ok()
        && out.step.is_none_or(|slowest| step > slowest)
    {
        out.step = Some(step);
    }
}
