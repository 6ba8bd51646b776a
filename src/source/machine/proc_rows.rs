//! The rows of the recorded processes.

use super::file::value_of;
use super::kept::Part;
use super::proc_stat::ProcStat;
use super::procs::Procs;
use super::run_delay::Delays;
use crate::model::id::Pid;
use crate::model::reading::{Gap, Reading};
use crate::model::sample::{ProcSample, ProcState};

/// Rows beyond this are not made.
const MOST_ROWS: usize = 4096;

impl Procs {
    /// One row for each of the processes, by pid. What ended is a row of gaps. To be called once a
    /// tick, after [`scan`](Self::scan).
    pub fn sample(&mut self, pids: impl Iterator<Item = Pid>) -> Vec<ProcSample> {
        let mut pids: Vec<Pid> = pids.take(MOST_ROWS).collect();
        pids.sort_unstable();
        pids.dedup();
        self.delays.begin(self.now_ms);
        pids.into_iter().map(|pid| self.row(pid)).collect()
    }

    fn row(&mut self, pid: Pid) -> ProcSample {
        let mut row = ProcSample { pid, ..ProcSample::default() };
        let fresh = self.table.get(pid).filter(|stat| stat.read_ms == self.now_ms).cloned();
        let stat = fresh.map_or_else(|| self.read_stat(pid), Ok);
        match stat {
            Ok(stat) => {
                fill(&mut row, &stat);
                self.fill_io(&mut row);
                let of_threads = if has_ended(stat.state) {
                    Delays::none(Gap::Lost)
                } else {
                    let key = (pid, stat.start_ticks, stat.threads);
                    self.delays.seconds(&self.roots.proc, &mut self.slurp, key, self.now_ms)
                };
                row.run_delay_seconds_total = of_threads.all;
                row.main_cpu_seconds_total = of_threads.main_cpu;
                row.main_run_delay_seconds_total = of_threads.main_delay;
            }
            Err(gap) => all_gaps(&mut row, gap),
        }
        row
    }

    fn fill_io(&mut self, row: &mut ProcSample) {
        let path = self.roots.proc.join(row.pid.to_string()).join("io");
        let text = self
            .kept
            .read(&mut self.slurp, (row.pid, Part::Io), &path)
            .and_then(|bytes| std::str::from_utf8(bytes).map_err(|_| Gap::Failed));
        let count = |key: &str| match text {
            Ok(text) => value_of(text, key),
            // The process was there a moment ago, so a kernel without the file is more likely.
            Err(Gap::Lost) => Reading::Not(Gap::Unsupported),
            Err(gap) => Reading::Not(gap),
        };
        row.read_bytes_total = count("read_bytes");
        row.read_chars_total = count("rchar");
        row.read_calls_total = count("syscr");
        row.write_bytes_total = count("write_bytes");
    }
}

const fn has_ended(state: ProcState) -> bool {
    matches!(state, ProcState::Zombie | ProcState::Dead)
}

fn fill(row: &mut ProcSample, stat: &ProcStat) {
    row.state = Reading::Is(stat.state);
    row.cpu_seconds_total = Reading::Is(stat.cpu_ticks as f64 / ticks_per_second());
    row.threads = Reading::Is(stat.threads);
    row.rss_bytes = if has_ended(stat.state) {
        Reading::Not(Gap::Lost)
    } else {
        let page = rustix::param::page_size() as u64;
        Reading::from_option(stat.rss_pages.checked_mul(page), Gap::Failed)
    };
    row.major_faults_total = Reading::Is(stat.major_faults);
}

/// Clock ticks in a second: the unit of `/proc/stat` and `/proc/PID/stat`.
pub(super) fn ticks_per_second() -> f64 {
    rustix::param::clock_ticks_per_second().max(1) as f64
}

fn all_gaps(row: &mut ProcSample, gap: Gap) {
    row.state = Reading::Not(gap);
    row.cpu_seconds_total = Reading::Not(gap);
    row.threads = Reading::Not(gap);
    row.rss_bytes = Reading::Not(gap);
    row.major_faults_total = Reading::Not(gap);
    row.run_delay_seconds_total = Reading::Not(gap);
    row.main_cpu_seconds_total = Reading::Not(gap);
    row.main_run_delay_seconds_total = Reading::Not(gap);
    row.read_bytes_total = Reading::Not(gap);
    row.read_chars_total = Reading::Not(gap);
    row.read_calls_total = Reading::Not(gap);
    row.write_bytes_total = Reading::Not(gap);
}
