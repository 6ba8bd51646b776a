//! One GPU or MIG instance at the moment that is shown: its name, its figures, its rates, and who is
//! on it.

use crate::model::frame::GpuRates;
use crate::model::inventory::{GpuInfo, Role as ProcRole};
use crate::model::sample::{Bound, GpuProcKind, GpuProcSample, GpuSample, IndexSource};
use crate::model::{Frame, GpuId, Inventory, Reading};
use crate::view::focus::Look;
use crate::view::text::{cut, safe, width};

/// A GPU as far as the shown moment tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Card<'a> {
    pub(super) gpu: GpuId,
    pub(super) info: Option<&'a GpuInfo>,
    pub(super) row: Option<&'a GpuSample>,
    pub(super) rates: Option<&'a GpuRates>,
}

impl<'a> Card<'a> {
    pub(super) fn of(look: &Look<'a>, gpu: GpuId) -> Self {
        Self {
            gpu,
            info: look.inventory().and_then(|inventory| inventory.gpu(gpu)),
            row: look.frame.and_then(|frame| frame.sample.gpus.iter().find(|row| row.gpu == gpu)),
            rates: look.frame.and_then(|frame| frame.gpus.iter().find(|row| row.gpu == gpu)),
        }
    }

    /// A figure of the row.
    pub(super) fn read<T>(&self, of: impl Fn(&GpuSample) -> Reading<T>) -> Option<T> {
        of(self.row?).ok()
    }

    /// A rate of the row.
    pub(super) fn rate(&self, of: impl Fn(&GpuRates) -> Reading<f64>) -> Option<f64> {
        of(self.rates?).ok().filter(|value| value.is_finite())
    }

    /// What it is called: `0`, or `0:1 1g.10gb`.
    pub(super) fn name(&self) -> String {
        let profile = self.info.and_then(|info| info.mig.as_ref()).map(|mig| safe(&mig.profile));
        match profile.filter(|profile| !profile.is_empty()) {
            Some(profile) => format!("{} {}", self.gpu, cut(&profile, 14)),
            None => self.gpu.to_string(),
        }
    }

    /// Whether it has NVLinks.
    pub(super) fn has_nvlink(&self) -> bool {
        self.read(|row| row.nvlink_links).is_some_and(|links| links > 0)
            || self.rate(|rates| rates.nvlink_rx_bytes_per_second).is_some()
    }
}

/// One process on a GPU.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct User {
    pub(super) pid: u32,
    /// `train.py rank 3`, the process's own name, or that it cannot be seen.
    pub(super) name: String,
    /// The same without its job, for where there is no room: `rank 3`.
    pub(super) short: Option<String>,
    pub(super) bytes: Option<u64>,
    pub(super) sm: Option<f64>,
    pub(super) kind: Option<GpuProcKind>,
    /// What the process calls the GPU, and how that is known.
    pub(super) device: Option<(String, IndexSource)>,
    /// Whether the process is one that mltop sees.
    pub(super) seen: bool,
}

impl User {
    /// The name that so many columns have room for.
    pub(super) fn name_in(&self, columns: usize) -> &str {
        self.short.as_deref().filter(|_| width(&self.name) > columns).unwrap_or(&self.name)
    }
}

/// `cuda:3`, with a tilde where that is inferred.
fn device(held: &GpuProcSample) -> Option<(String, IndexSource)> {
    let (index, source) = held.device_index.zip(held.device_index_source).ok()?;
    let mark = if source == IndexSource::Inferred { Bound::Doubtful.mark() } else { "" };
    Some((format!("{mark}cuda:{index}"), source))
}

/// The processes on a GPU, trainers first, then by what they hold.
pub(super) fn users(frame: &Frame, gpu: GpuId) -> Vec<User> {
    let inventory = &frame.sample.inventory;
    let held = frame.sample.gpu_procs.iter().filter(|held| held.gpu == gpu);
    let mut users: Vec<(bool, User)> = held.map(|held| user(inventory, held)).collect();
    users.sort_by_key(|(trainer, user)| (!*trainer, std::cmp::Reverse(user.bytes), user.pid));
    users.into_iter().map(|(_, user)| user).collect()
}

fn user(inventory: &Inventory, held: &GpuProcSample) -> (bool, User) {
    let info = inventory.proc(held.pid);
    let trainer = info.is_some_and(|info| info.role == ProcRole::Trainer);
    let name = info.map_or_else(
        || "not seen from here".to_owned(),
        |info| {
            let run = info.run.and_then(|run| inventory.run(run));
            let several = run.is_some_and(|run| run.trainers.len() > 1);
            match (run, info.rank.filter(|_| several)) {
                (Some(run), Some(rank)) if trainer => {
                    format!("{} rank {rank}", cut(&safe(&run.name), 40))
                }
                (Some(run), _) if trainer => safe(&run.name),
                _ => safe(&info.name),
            }
        },
    );
    let short = info.and_then(|info| info.rank).filter(|_| name.contains(" rank "));
    let user = User {
        pid: held.pid.0,
        name,
        short: short.filter(|_| trainer).map(|rank| format!("rank {rank}")),
        bytes: held.memory_used_bytes.ok(),
        sm: held.sm_ratio.ok(),
        kind: held.kind.ok(),
        device: device(held),
        seen: info.is_some(),
    };
    (trainer, user)
}
