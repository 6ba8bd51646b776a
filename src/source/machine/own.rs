//! What mltop itself costs.

use rustix::time::{ClockId, clock_gettime};

use super::file::value_of;
use super::proc_rows::ticks_per_second;
use super::procs::Procs;
use crate::model::id::Pid;
use crate::model::reading::{Gap, Reading};

/// How long a figure of memory stands: the kernel walks every page table for it.
const STANDS_MS: u64 = 10_000;

/// The memory of the processes asked for last.
#[derive(Debug, Default)]
pub(super) struct OwnMemory {
    read_ms: Option<u64>,
    pids: Vec<Pid>,
    pss: Reading<u64>,
}

/// CPU time and memory of a few processes together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OwnCost {
    /// CPU time of all of them since each started.
    pub cpu_seconds: Reading<f64>,
    /// Memory of all of them, shared pages in proportion; at most ten seconds old.
    pub pss_bytes: Reading<u64>,
}

impl Procs {
    /// What mltop's own processes cost. One that cannot be read makes the sum unknown.
    pub fn own_cost(&mut self, pids: &[Pid]) -> OwnCost {
        let mut cpu_seconds = Reading::Is(0.0);
        for pid in pids {
            let seconds = if pid.0 == std::process::id() {
                // To the nanosecond: over one tick, hundredths of a second would show 0 or 1 %.
                let spent = clock_gettime(ClockId::ProcessCPUTime);
                Reading::Is(spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9)
            } else {
                match self.read_stat(*pid) {
                    Ok(stat) => Reading::Is(stat.cpu_ticks as f64 / ticks_per_second()),
                    Err(gap) => Reading::Not(gap),
                }
            };
            cpu_seconds = cpu_seconds.zip(seconds).map(|(sum, more)| sum + more);
        }
        let stands = self.own.pids == pids
            && self.own.read_ms.is_some_and(|at| self.now_ms.saturating_sub(at) < STANDS_MS);
        if !stands {
            let mut sum = Reading::Is(0u64);
            for pid in pids {
                sum = sum.zip(self.pss(*pid)).map(|(sum, more)| sum.saturating_add(more));
            }
            self.own.pss = sum;
            self.own.pids = pids.to_vec();
            self.own.read_ms = Some(self.now_ms);
        }
        OwnCost { cpu_seconds, pss_bytes: self.own.pss }
    }

    fn pss(&mut self, pid: Pid) -> Reading<u64> {
        let path = self.roots.proc.join(pid.to_string()).join("smaps_rollup");
        match self.slurp.optional(&path) {
            Ok(text) => value_of(text, "Pss")
                .and_then(|kib| Reading::from_option(kib.checked_mul(1024), Gap::Failed)),
            Err(gap) => Reading::Not(gap),
        }
    }
}
