//! The second screen: which GPUs stand on it, and which of them the user chose.

use crate::model::{GpuId, Pid};

use super::state::{Overlay, ScreenKind, State};
use super::stepped;

/// The GPUs that there are: by card, and below each card its MIG instances.
pub fn gpu_rows(state: &State) -> Vec<GpuId> {
    let Some(frame) = state.shown() else { return Vec::new() };
    let mut rows: Vec<GpuId> = frame.sample.gpus.iter().map(|row| row.gpu).collect();
    rows.sort_by_key(|gpu| (gpu.card(), gpu.slice_index()));
    rows.dedup();
    rows
}

impl State {
    /// The GPU that the screen of the GPUs is about: the chosen one, else the first that the run which
    /// the verdict names works on, else the first.
    pub fn shown_gpu(&self) -> Option<GpuId> {
        let rows = gpu_rows(self);
        let chosen = self.picked_gpu.filter(|gpu| rows.contains(gpu));
        chosen.or_else(|| self.judged_gpu(&rows)).or_else(|| rows.first().copied())
    }

    fn judged_gpu(&self, rows: &[GpuId]) -> Option<GpuId> {
        let pid: Pid = self.verdict()?.pid?;
        let held = self.shown()?.sample.rank_gpus(pid);
        held.into_iter().find(|gpu| rows.contains(gpu))
    }

    /// Moves the choice among the GPUs.
    pub(super) fn move_among_gpus(&mut self, by: isize) {
        let rows = gpu_rows(self);
        let at = rows.iter().position(|gpu| Some(*gpu) == self.picked_gpu);
        let next = stepped(at, by, rows.len()).and_then(|at| rows.get(at));
        self.picked_gpu = next.copied();
    }

    /// Shows the chosen GPU in full. False where none is chosen.
    pub(super) fn drill_gpu(&mut self) -> bool {
        let Some(gpu) = self.picked_gpu.filter(|_| self.screen == ScreenKind::Gpus) else {
            return false;
        };
        self.overlay = Some(Overlay::Gpu { gpu, scroll: 0 });
        true
    }
}
