//! Time that threads were ready to run and had no CPU, and time that the main thread had one.
//!
//! `/proc/PID/schedstat` speaks for the first thread only, so the threads are summed here.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use super::file::{Slurp, decimal};
use crate::model::id::Pid;
use crate::model::reading::{Gap, Reading};

/// Threads of one process beyond this: the sum would not be whole, so there is none.
const MOST_THREADS: usize = 512;
/// A process up to this size is always read.
const FEW_THREADS: u64 = 64;
/// Threads that all larger processes together may cost at one tick.
const BUDGET: u64 = 512;
/// Files of threads that are kept open, over all processes.
const MOST_KEPT: usize = 160;
/// How long a sum stands, so that fast ticks do not cost more.
const STANDS_MS: u64 = 900;

/// What the threads of one process add up to, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delays {
    /// Ready without a CPU, all threads.
    pub(super) all: Reading<f64>,
    /// The main thread on a CPU, and ready without one.
    pub(super) main_cpu: Reading<f64>,
    pub(super) main_delay: Reading<f64>,
}

impl Delays {
    pub(super) const fn none(gap: Gap) -> Self {
        let none = Reading::Not(gap);
        Self { all: none, main_cpu: none, main_delay: none }
    }
}

/// One thread of a process.
#[derive(Debug)]
struct Thread {
    run_ns: u64,
    delay_ns: u64,
    /// Its `schedstat`, where it is kept open: see [`super::kept`].
    file: Option<File>,
}

/// The sum of one process.
#[derive(Debug, Default)]
struct Sum {
    start_ticks: u64,
    read_ms: u64,
    used_ms: u64,
    total_ns: u64,
    gap: Option<Gap>,
    threads: BTreeMap<u32, Thread>,
}

/// The sums of all processes that were asked for lately.
#[derive(Debug, Default)]
pub(super) struct RunDelays {
    sums: BTreeMap<Pid, Sum>,
    budget: u64,
    /// Files kept open by all sums.
    kept: usize,
}

impl RunDelays {
    /// To be called once a tick: forgets who was not asked for, and grants a new budget.
    pub(super) fn begin(&mut self, now_ms: u64) {
        self.budget = BUDGET;
        self.sums.retain(|_, sum| now_ms.saturating_sub(sum.used_ms) < 10_000);
        self.kept = self.sums.values().map(Sum::kept).sum();
    }

    /// Seconds of one process that its threads were ready without a CPU, and that its main thread had
    /// one; the threads that ended meanwhile stay in the sum.
    pub(super) fn seconds(
        &mut self,
        proc: &Path,
        slurp: &mut Slurp,
        (pid, start_ticks, threads): (Pid, u64, u64),
        now_ms: u64,
    ) -> Delays {
        let sum = self.sums.entry(pid).or_default();
        if sum.start_ticks != start_ticks {
            *sum = Sum { start_ticks, ..Sum::default() };
        }
        let first = sum.read_ms == 0;
        if first || now_ms.saturating_sub(sum.read_ms) >= STANDS_MS || sum.used_ms > now_ms {
            if threads > FEW_THREADS {
                if threads > self.budget {
                    sum.used_ms = now_ms;
                    sum.read_ms = 0;
                    sum.threads.clear();
                    return Delays::none(Gap::Late);
                }
                self.budget -= threads;
            }
            let others = self.kept - sum.kept();
            sum.gap = sum.add(proc, slurp, pid, threads, MOST_KEPT.saturating_sub(others)).err();
            self.kept = others + sum.kept();
            sum.read_ms = now_ms.max(1);
        }
        sum.used_ms = now_ms;
        if let Some(gap) = sum.gap {
            return Delays::none(gap);
        }
        let seconds = |ns: u64| ns as f64 / 1e9;
        let main = Reading::from_option(sum.threads.get(&pid.0), Gap::Lost);
        Delays {
            all: Reading::Is(seconds(sum.total_ns)),
            main_cpu: main.map(|thread| seconds(thread.run_ns)),
            main_delay: main.map(|thread| seconds(thread.delay_ns)),
        }
    }
}

impl Sum {
    fn kept(&self) -> usize {
        self.threads.values().filter(|thread| thread.file.is_some()).count()
    }

    fn add(
        &mut self,
        proc: &Path,
        slurp: &mut Slurp,
        pid: Pid,
        count: u64,
        may_keep: usize,
    ) -> Result<(), Gap> {
        if count == self.threads.len() as u64 && self.add_kept(slurp) {
            return Ok(());
        }
        let folder = proc.join(pid.to_string());
        // Most processes have one thread, and need no listing: the file of the first is the sum.
        if count == 1 {
            match read(slurp, &folder.join("schedstat"), may_keep > 0) {
                Ok(thread) => {
                    self.take(BTreeMap::from([(pid.0, thread)]));
                    return Ok(());
                }
                // Whether it is the process or the kernel's support that is missing, the list tells.
                Err(Gap::Lost) => {}
                Err(gap) => return Err(gap),
            }
        }
        let folder = folder.join("task");
        let entries = std::fs::read_dir(&folder).map_err(|error| Gap::from(&error))?;
        let mut threads = BTreeMap::new();
        let mut missing = None;
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(tid) = decimal(name.as_encoded_bytes()) else { continue };
            if threads.len() >= MOST_THREADS {
                return Err(Gap::Unsupported);
            }
            let keep = count <= FEW_THREADS && threads.len() < may_keep;
            match read(slurp, &folder.join(&name).join("schedstat"), keep) {
                Ok(thread) => {
                    threads.insert(tid as u32, thread);
                }
                // A thread that ended since the listing, unless it is so for all of them.
                Err(Gap::Lost) => missing = Some(Gap::Unsupported),
                Err(gap) => return Err(gap),
            }
        }
        if threads.is_empty() {
            return Err(missing.unwrap_or(Gap::Lost));
        }
        self.take(threads);
        Ok(())
    }

    /// Adds what the threads waited since the read before, from their kept files. False where a
    /// file is missing or its thread ended: then nothing was added.
    fn add_kept(&mut self, slurp: &mut Slurp) -> bool {
        let read: Option<Vec<(u64, u64)>> = self
            .threads
            .values()
            .map(|thread| {
                slurp.fill_record(thread.file.as_ref()?).ok()?;
                schedstat(slurp.filled())
            })
            .collect();
        let Some(read) = read else { return false };
        for (thread, (run_ns, delay_ns)) in self.threads.values_mut().zip(read) {
            thread.run_ns = run_ns;
            self.total_ns = self.total_ns.saturating_add(delay_ns.saturating_sub(thread.delay_ns));
            thread.delay_ns = delay_ns;
        }
        true
    }

    /// Adds what the threads waited since the read before.
    fn take(&mut self, threads: BTreeMap<u32, Thread>) {
        for (tid, thread) in &threads {
            let before = self.threads.get(tid).map_or(0, |before| before.delay_ns);
            // A thread id that was given away again starts from 0.
            let more = thread.delay_ns.checked_sub(before).unwrap_or(thread.delay_ns);
            self.total_ns = self.total_ns.saturating_add(more);
        }
        self.threads = threads;
    }
}

fn read(slurp: &mut Slurp, path: &Path, keep: bool) -> Result<Thread, Gap> {
    let file = File::open(path).map_err(|error| Gap::from(&error))?;
    slurp.fill_record(&file)?;
    let (run_ns, delay_ns) = schedstat(slurp.filled()).ok_or(Gap::Failed)?;
    Ok(Thread { run_ns, delay_ns, file: keep.then_some(file) })
}

/// Time on a CPU and time ready without one, in nanoseconds: the first two of the three numbers in
/// `schedstat`.
pub(in crate::source) fn schedstat(bytes: &[u8]) -> Option<(u64, u64)> {
    let mut words = bytes.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let mut next = || words.next().and_then(decimal);
    let (run, delay) = (next()?, next()?);
    // A last number may be cut.
    next()?;
    Some((run, delay))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_number_is_time_on_a_cpu_and_the_second_the_delay() {
        assert_eq!(schedstat(b"175438004 11540193 446\n"), Some((175_438_004, 11_540_193)));
        assert_eq!(schedstat(b"175438004 1154"), None);
    }

    proptest! {
        #[test]
        fn any_schedstat_is_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            schedstat(&bytes);
        }
    }
}
