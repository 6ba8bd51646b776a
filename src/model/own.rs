//! What mltop itself costs: measured like any other process, and kept with the rest.

use super::id::Pid;
use super::metric::section;
use super::reading::Reading;

section! {
    /// One process of mltop, or one of the threads of the process that samples.
    OwnSample, "own" {
        pid: Pid => Id, None, 0, "The process.";
        thread: Box<str> => Id, None, 0, "Name that its threads share, the numbers behind it left out; main for the first. Empty for the process as a whole.";
        threads: Reading<u64> => Gauge, None, 0, "Threads of that name; of a process all.";
        cpu_seconds_total: Reading<f64> => Counter, Seconds, 4, "CPU time (schedstat of each thread, stat of a process). A thread that ends takes its own along.";
        read_calls_total: Reading<u64> => Counter, None, 0, "Read calls of the process (io syscr). Not applicable to a thread.";
        rss_bytes: Reading<u64> => Gauge, Bytes, 0, "Resident memory of the process, shared pages counted in full (statm). Not applicable to a thread.";
    }
}

section! {
    /// Rates of a process or a thread of mltop.
    OwnRates, "own" {
        pid: Pid => Id, None, 0, "The process.";
        thread: Box<str> => Id, None, 0, "Name of its threads; empty for the process as a whole.";
        cpu_ratio: Reading<f64> => Rate, Ratio, 4, "CPU time used, of one core.";
        read_calls_per_second: Reading<f64> => Rate, PerSecond, 1, "Read calls.";
    }
}
