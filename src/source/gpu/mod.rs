//! GPUs: a collector process for each driver, abandoned when it hangs.
//!
//! Vendors' libraries are known to hang for ever inside the kernel, to crash and to leak. So none of
//! them is loaded into mltop: it starts itself again as a [`collector`], listens, and shows how old
//! the last word is.

mod board;
mod check;
pub mod collector;
mod counter;
mod link;
mod trail;
mod wire;

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::model::Pid;
use crate::model::inventory::{GpuInfo, SourceState, SourceStatus};
use crate::model::sample::{GpuProcSample, GpuSample};
use link::{Collector, Recipe};

/// The drivers that there are collectors for.
const DRIVERS: [&str; 1] = ["nvml"];

/// All GPUs of the box.
pub struct Gpus {
    collectors: Vec<Collector>,
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
}

impl Gpus {
    /// Starts collecting every `interval`. `exe` is mltop itself. Never blocks.
    pub fn start(exe: &Path, interval: Duration) -> Self {
        Self::start_with_env(exe, interval, &[])
    }

    /// The same, with variables for the collectors alone, as `LD_LIBRARY_PATH` for a driver in an
    /// unusual place.
    pub fn start_with_env(exe: &Path, interval: Duration, env: &[(OsString, OsString)]) -> Self {
        let recipe = |driver| Recipe { exe: exe.to_owned(), driver, interval, env: env.to_vec() };
        Self {
            collectors: DRIVERS
                .into_iter()
                .map(|driver| Collector::start(recipe(driver)))
                .collect(),
        }
    }

    /// What is known now. Never blocks: figures that are too old are [`Gap::Late`], with their age.
    ///
    /// PCIe counts are those of 0.4 s ago, so that two looks have their true difference.
    ///
    /// [`Gap::Late`]: crate::model::Gap::Late
    pub fn look(&self, now: Instant) -> GpuLook {
        self.collectors.iter().map(|collector| collector.look(now)).reduce(merged).unwrap_or_else(
            || GpuLook {
                infos: Vec::new(),
                samples: Vec::new(),
                procs: Vec::new(),
                status: SourceStatus {
                    source: "gpu".into(),
                    state: SourceState::Absent,
                    message: "no driver that is known".into(),
                    remedy: "".into(),
                },
                collector: None,
            },
        )
    }

    /// Leaves the collectors behind: they are killed and not waited for. So does dropping.
    pub fn abandon(self) {
        drop(self);
    }
}

/// Two drivers' GPUs together: those of the second follow those of the first.
fn merged(mut all: GpuLook, more: GpuLook) -> GpuLook {
    all.infos.extend(more.infos);
    all.samples.extend(more.samples);
    all.procs.extend(more.procs);
    all.collector = all.collector.or(more.collector);
    if all.status.state == SourceState::Absent {
        all.status = more.status;
    }
    all
}
