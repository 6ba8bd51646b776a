//! The box as a whole: CPU, load, memory, paging, pressure, shared memory.
//!
//! `/proc/loadavg` goes through procfs. The rest is parsed here: procfs gives all of meminfo or
//! nothing, so that one odd line costs every figure; it copies every name of vmstat into a map each
//! second; and its pressure parser panics on a line that is cut after `some`.

use std::path::Path;

use procfs::prelude::FromRead;

use super::cpus;
use super::file::{Slurp, value_of, whole_lines};
use crate::model::reading::{Gap, Reading};
use crate::model::sample::{CpuSample, HostSample};
use crate::source::Roots;

/// Fills every column but `processes` and those about mltop itself. Returns how many processes and
/// threads the box has started since boot, where that is told.
pub(super) fn read(
    roots: &Roots,
    slurp: &mut Slurp,
    ticks_per_second: f64,
    (host, cpus): (&mut HostSample, &mut Vec<CpuSample>),
) -> Option<u64> {
    let text = slurp.text(&roots.proc.join("stat"));
    // Sandboxes that keep no count say 0, which cannot be: this program was started.
    let started = text.ok().and_then(|text| value_of(text, "processes").ok()).filter(|n| *n > 0);
    stat(text, ticks_per_second, host);
    *cpus = cpus::parse(text.unwrap_or_default(), ticks_per_second);
    loadavg(slurp.text(&roots.proc.join("loadavg")), host);
    meminfo(slurp.text(&roots.proc.join("meminfo")), host);
    vmstat(slurp.text(&roots.proc.join("vmstat")), host);
    let pressure = roots.proc.join("pressure");
    let cpu = slurp.optional(&pressure.join("cpu"));
    host.psi_cpu_some_seconds_total = stalled(cpu, "some");
    let io = slurp.optional(&pressure.join("io"));
    host.psi_io_some_seconds_total = stalled(io, "some");
    host.psi_io_full_seconds_total = stalled(io, "full");
    let memory = slurp.optional(&pressure.join("memory"));
    host.psi_memory_some_seconds_total = stalled(memory, "some");
    host.psi_memory_full_seconds_total = stalled(memory, "full");
    shm(&roots.dev.join("shm"), host);
    started
}

/// `/proc/stat`: the sum over all CPUs, and how many are online.
fn stat(text: Result<&str, Gap>, ticks_per_second: f64, host: &mut HostSample) {
    let line = text.and_then(|text| {
        whole_lines(text).find_map(|line| line.strip_prefix("cpu ")).ok_or(Gap::Failed)
    });
    let fields: Vec<Option<u64>> = line
        .map(|line| line.split_ascii_whitespace().map(|word| word.parse().ok()).collect())
        .unwrap_or_default();
    let ticks = |index: usize| -> Reading<f64> {
        match (line, fields.get(index)) {
            (Err(gap), _) => Reading::Not(gap),
            (Ok(_), None) if index < 4 => Reading::Not(Gap::Failed),
            (Ok(_), None) => Reading::Not(Gap::Unsupported),
            (Ok(_), Some(None)) => Reading::Not(Gap::Failed),
            (Ok(_), Some(Some(ticks))) => Reading::Is(*ticks as f64 / ticks_per_second),
        }
    };
    let sum = |a: Reading<f64>, b: Reading<f64>| a.zip(b).map(|(a, b)| a + b);
    host.cpu_user_seconds_total = sum(ticks(0), ticks(1));
    host.cpu_system_seconds_total = sum(ticks(2), sum(ticks(5), ticks(6)));
    host.cpu_idle_seconds_total = ticks(3);
    host.cpu_iowait_seconds_total = ticks(4);
    host.cpu_steal_seconds_total = ticks(7);
    host.cpu_count = match text {
        Ok(text) => match whole_lines(text).filter(|line| is_one_cpu(line)).count() {
            0 => Reading::Not(Gap::Failed),
            count => Reading::Is(count as u64),
        },
        Err(gap) => Reading::Not(gap),
    };
}

/// Whether a line of `/proc/stat` is about one CPU: `cpu17 …`.
pub(super) fn is_one_cpu(line: &str) -> bool {
    line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn loadavg(text: Result<&str, Gap>, host: &mut HostSample) {
    let load = text
        .and_then(|text| procfs::LoadAverage::from_read(text.as_bytes()).map_err(|_| Gap::Failed));
    let sound = |load: f32| load.is_finite() && load >= 0.0;
    let load = load.and_then(|load| {
        if [load.one, load.five, load.fifteen].into_iter().all(sound) {
            Ok(load)
        } else {
            Err(Gap::Failed)
        }
    });
    let load = Reading::from(load);
    host.load1 = load.as_ref().map(|load| f64::from(load.one));
    host.load5 = load.as_ref().map(|load| f64::from(load.five));
    host.load15 = load.as_ref().map(|load| f64::from(load.fifteen));
    host.runnable = load.as_ref().map(|load| u64::from(load.cur));
}

fn meminfo(text: Result<&str, Gap>, host: &mut HostSample) {
    let bytes = |key: &str| match text {
        Ok(text) => value_of(text, key)
            .and_then(|kib| Reading::from_option(kib.checked_mul(1024), Gap::Failed)),
        Err(gap) => Reading::Not(gap),
    };
    host.memory_total_bytes = bytes("MemTotal");
    host.memory_available_bytes = bytes("MemAvailable");
    host.memory_free_bytes = bytes("MemFree");
    host.memory_cached_bytes = bytes("Cached");
    host.memory_shared_bytes = bytes("Shmem");
    host.memory_dirty_bytes = bytes("Dirty");
    host.swap_total_bytes = bytes("SwapTotal");
    host.swap_free_bytes = bytes("SwapFree");
}

fn vmstat(text: Result<&str, Gap>, host: &mut HostSample) {
    let count = |key: &str| match text {
        Ok(text) => value_of(text, key),
        Err(gap) => Reading::Not(gap),
    };
    host.major_faults_total = count("pgmajfault");
    host.swap_in_pages_total = count("pswpin");
    // Before Linux 5.9 one count held anonymous and file pages together: another quantity.
    host.refault_file_pages_total = count("workingset_refault_file");
}

/// Seconds of one line of a pressure file, from its microseconds.
fn stalled(text: Result<&str, Gap>, which: &str) -> Reading<f64> {
    let text = match text {
        Ok(text) => text,
        Err(gap) => return Reading::Not(gap),
    };
    let Some(line) = whole_lines(text).find_map(|line| line.strip_prefix(which)) else {
        // An old kernel has no `full` line for the CPU; a file without any line is torn.
        let gap = if text.contains("total=") { Gap::Unsupported } else { Gap::Failed };
        return Reading::Not(gap);
    };
    let total = line.split_ascii_whitespace().find_map(|word| word.strip_prefix("total="));
    let micros = total.and_then(|word| word.parse::<u64>().ok());
    Reading::from_option(micros.map(|micros| micros as f64 / 1e6), Gap::Failed)
}

fn shm(path: &Path, host: &mut HostSample) {
    let space = rustix::fs::statvfs(path).map_err(std::io::Error::from);
    let space = Reading::from_io(space);
    let space = space.as_ref();
    let bytes = |blocks: u64, unit: u64| blocks.saturating_mul(unit);
    host.shm_size_bytes = space.map(|space| bytes(space.f_blocks, space.f_frsize));
    host.shm_used_bytes =
        space.map(|space| bytes(space.f_blocks.saturating_sub(space.f_bfree), space.f_frsize));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_cut_after_some_is_unreadable_and_not_a_panic() {
        assert_eq!(stalled(Ok("some\n"), "some"), Reading::Not(Gap::Failed));
        assert_eq!(stalled(Ok(""), "full"), Reading::Not(Gap::Failed));
    }

    #[test]
    fn the_cpu_of_an_old_kernel_has_no_full_line() {
        let text = "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n";
        assert_eq!(stalled(Ok(text), "some"), Reading::Is(1.5));
        assert_eq!(stalled(Ok(text), "full"), Reading::Not(Gap::Unsupported));
    }

    #[test]
    fn cached_is_not_taken_from_swap_cached() {
        let mut host = HostSample::default();
        meminfo(Ok("SwapCached: 5 kB\nCached:  7 kB\n"), &mut host);
        assert_eq!(host.memory_cached_bytes, Reading::Is(7 * 1024));
        assert_eq!(host.memory_total_bytes, Reading::Not(Gap::Unsupported));
    }

    #[test]
    fn one_bad_line_costs_one_figure() {
        let mut host = HostSample::default();
        meminfo(Ok("MemTotal: x kB\nMemAvailable: 4 kB\n"), &mut host);
        assert_eq!(host.memory_total_bytes, Reading::Not(Gap::Failed));
        assert_eq!(host.memory_available_bytes, Reading::Is(4096));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(cpu[0-9 ]{0,30}|some|full|total=[0-9]{0,25}|MemTotal: |Ω|\n| |[0-9]{1,25}){0,30}") {
            let mut host = HostSample::default();
            stat(Ok(&text), 100.0, &mut host);
            loadavg(Ok(&text), &mut host);
            meminfo(Ok(&text), &mut host);
            vmstat(Ok(&text), &mut host);
            if let Reading::Is(seconds) = stalled(Ok(&text), "some") {
                prop_assert!(seconds.is_finite() && seconds >= 0.0);
            }
        }
    }
}
