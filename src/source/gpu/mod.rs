//! GPUs: a collector process for each driver, abandoned when it hangs.
//!
//! Vendors' libraries are known to hang for ever inside the kernel, to crash and to leak. So none of
//! them is loaded into mltop: it starts itself again as a [`collector`], listens, and shows how old
//! the last word is.

mod board;
mod check;
pub mod collector;
mod counter;
mod drm;
mod link;
mod trail;
mod wire;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::model::inventory::{GpuInfo, SourceState, SourceStatus};
use crate::model::sample::{GpuProcSample, GpuSample};
use crate::model::{GpuId, Pid};
use crate::source::grid::Grid;
use link::{Collector, Needed, Recipe};

/// The collector that asks NVIDIA's library.
const NVML: &str = "nvml";
/// The collector that reads what the kernel tells of AMD's and Intel's cards.
const DRM: &str = "drm";

/// All GPUs of the box.
pub struct Gpus {
    nvml: Collector,
    drm: Collector,
    ticks: Grid,
    /// How far the numbers of the second driver's cards had to give way to those of the first.
    shift: AtomicU32,
}

/// All GPUs at one moment.
#[derive(Clone, Debug)]
pub struct GpuLook {
    /// Who they are, by index. The same allocation from look to look while nothing changes.
    pub infos: Vec<Arc<GpuInfo>>,
    /// Their figures, in the same order.
    pub samples: Vec<GpuSample>,
    /// Who holds memory of them, by GPU and pid.
    pub procs: Vec<GpuProcSample>,
    /// How the source fares.
    pub status: SourceStatus,
    /// The process that reads them, while there is one: its cost is mltop's.
    pub collector: Option<Pid>,
    /// The sources beside it, where cards of more than one driver are in the box.
    pub others: Vec<OtherSource>,
}

/// A source of GPUs beside the first.
#[derive(Clone, Debug)]
pub struct OtherSource {
    /// How it fares.
    pub status: SourceStatus,
    /// The process that reads, while there is one.
    pub collector: Option<Pid>,
}

impl Gpus {
    /// Starts collecting every `interval`. `exe` is mltop itself. Never blocks.
    pub fn start(exe: &Path, interval: Duration) -> Self {
        Self::start_with_env(exe, interval, &[])
    }

    /// The same, with variables for the collectors alone, as `LD_LIBRARY_PATH` for a driver in an
    /// unusual place.
    pub fn start_with_env(exe: &Path, interval: Duration, env: &[(OsString, OsString)]) -> Self {
        let ticks = Grid::from_now(interval);
        let recipe = |driver, needed| Recipe {
            exe: exe.to_owned(),
            driver,
            ticks,
            needed,
            env: env.to_vec(),
        };
        let root = env.iter().find(|(name, _)| name == drm::ROOT).map(|(_, root)| root.clone());
        let roots = drm::roots(root.or_else(|| std::env::var_os(drm::ROOT)).map(PathBuf::from));
        let needed = Needed { sys: roots.sys, is: drm::present, absent: "no AMD or Intel GPU" };
        Self {
            nvml: Collector::start(recipe(NVML, None)),
            drm: Collector::start(recipe(DRM, Some(needed))),
            ticks,
            shift: AtomicU32::new(0),
        }
    }

    /// When to look: the collectors read just before these moments.
    pub const fn ticks(&self) -> Grid {
        self.ticks
    }

    /// What is known now. Never blocks: figures that are too old are [`Gap::Late`], with their age.
    ///
    /// PCIe counts are those of 0.4 s ago, so that two looks have their true difference.
    ///
    /// [`Gap::Late`]: crate::model::Gap::Late
    pub fn look(&self, now: Instant) -> GpuLook {
        let (first, mut second) = (self.nvml.look(now), self.drm.look(now));
        let wanted = clash(&first, &second);
        let shift = wanted.max(self.shift.fetch_max(wanted, Ordering::Relaxed));
        if shift > 0 {
            second.shift(shift);
        }
        merged(first, second)
    }

    /// Leaves the collectors behind: they are killed and not waited for. So does dropping.
    pub fn abandon(self) {
        drop(self);
    }
}

impl GpuLook {
    /// Whether who holds a card was found by looking through the processes that are seen here: then
    /// their pids are ours, and all that have the card open are among them, desktops too.
    pub fn by_clients(&self, gpu: GpuId) -> bool {
        let info = self.infos.iter().find(|info| info.gpu == gpu);
        info.is_some_and(|info| drm::by_clients(&info.driver))
    }

    /// Numbers every card higher by `shift`.
    fn shift(&mut self, shift: u32) {
        for info in &mut self.infos {
            let info = Arc::make_mut(info);
            info.gpu = GpuId(info.gpu.0 + shift);
        }
        for row in &mut self.samples {
            row.gpu = GpuId(row.gpu.0 + shift);
        }
        for held in &mut self.procs {
            held.gpu = GpuId(held.gpu.0 + shift);
        }
    }
}

/// By how much the second driver's cards must be numbered higher, so that no two have one number.
/// They are numbered behind the first's from the start; this is for a card of the first that only
/// came since.
fn clash(first: &GpuLook, second: &GpuLook) -> u32 {
    let end = first.infos.iter().map(|info| info.gpu.card().0 + 1).max().unwrap_or(0);
    let begin = second.infos.iter().map(|info| info.gpu.0).min().unwrap_or(end);
    end.saturating_sub(begin)
}

/// Two drivers' GPUs together: those of the second follow those of the first.
fn merged(mut all: GpuLook, more: GpuLook) -> GpuLook {
    all.infos.extend(more.infos);
    all.samples.extend(more.samples);
    all.procs.extend(more.procs);
    all.infos.sort_by_key(|info| info.gpu);
    all.samples.sort_by_key(|row| row.gpu);
    if more.status.state == SourceState::Absent {
        return all;
    }
    if all.status.state == SourceState::Absent {
        all.status = more.status;
        all.collector = more.collector;
    } else {
        all.others.push(OtherSource { status: more.status, collector: more.collector });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Gap;

    fn look(numbers: &[u32], state: SourceState) -> GpuLook {
        let infos =
            numbers.iter().map(|&number| GpuInfo { gpu: GpuId(number), ..GpuInfo::default() });
        let status = |source: &str| SourceStatus {
            source: source.into(),
            state,
            message: "".into(),
            remedy: "".into(),
        };
        GpuLook {
            infos: infos.map(Arc::new).collect(),
            samples: numbers
                .iter()
                .map(|&number| GpuSample::blank(GpuId(number), Gap::NotYet))
                .collect(),
            procs: Vec::new(),
            status: status("source"),
            collector: None,
            others: Vec::new(),
        }
    }

    #[test]
    fn cards_of_two_drivers_never_have_one_number() {
        let slice = GpuId(1).slice(0).unwrap().0;
        let (first, mut second) =
            (look(&[0, 1, slice], SourceState::Ok), look(&[1, 2], SourceState::Ok));
        assert_eq!(clash(&first, &second), 1);
        second.shift(1);
        let both = merged(first, second);
        let numbers: Vec<u32> = both.infos.iter().map(|info| info.gpu.0).collect();
        assert_eq!(numbers, [0, 1, 2, 3, slice]);
        assert_eq!(both.samples[3].gpu, GpuId(3));
        assert_eq!(both.others.len(), 1);
        assert_eq!(clash(&look(&[], SourceState::Absent), &look(&[0], SourceState::Ok)), 0);
    }

    #[test]
    fn a_driver_that_is_not_there_does_not_hide_the_other() {
        let both = merged(look(&[], SourceState::Absent), look(&[0], SourceState::Partial));
        assert_eq!((both.status.state, both.others.len()), (SourceState::Partial, 0));
        let both = merged(look(&[0], SourceState::Ok), look(&[], SourceState::Absent));
        assert_eq!((both.status.state, both.others.len()), (SourceState::Ok, 0));
    }
}
