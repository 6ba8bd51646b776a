//! The few files of `/proc/PID` that a look at a loader reads, capped and checked.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::model::Pid;
use crate::model::sample::ProcState;
pub(in crate::source) use crate::source::machine::file::{read_capped, read_word};
use crate::source::machine::proc_stat::state_and_start;

/// The folder of a process.
pub(crate) fn folder(proc: &Path, pid: Pid) -> PathBuf {
    proc.join(pid.0.to_string())
}

/// What is used of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) state: ProcState,
    pub(crate) start_ticks: u64,
}

/// State and start of a process.
pub(crate) fn stat(folder: &Path) -> io::Result<Stat> {
    let mut bytes = [0; 1024];
    let got = File::open(folder.join("stat"))?.read(&mut bytes)?;
    let known = state_and_start(bytes.get(..got).unwrap_or_default());
    let (state, start_ticks) = known.ok_or(io::ErrorKind::InvalidData)?;
    Ok(Stat { state, start_ticks })
}

/// The kernel function in which the main thread sleeps; empty while it runs.
pub(crate) fn wchan(folder: &Path) -> io::Result<String> {
    let mut name = read_word(&folder.join("wchan"))?;
    if name == "0" {
        name.clear();
    }
    Ok(name)
}

/// The children of a process, by its threads, and theirs in turn. Empty on a kernel without
/// `CONFIG_PROC_CHILDREN`.
pub(crate) fn descendants(proc: &Path, pid: Pid, cap: usize) -> Vec<Pid> {
    let mut found = Vec::new();
    let mut queue = vec![pid];
    while let Some(parent) = queue.pop() {
        let Ok(tasks) = std::fs::read_dir(folder(proc, parent).join("task")) else { continue };
        for task in tasks.flatten().take(1024) {
            let Ok(text) = read_capped(&task.path().join("children"), 1 << 16) else { continue };
            let text = String::from_utf8_lossy(&text);
            for child in text.split_ascii_whitespace().filter_map(|word| word.parse().ok()) {
                if found.len() >= cap {
                    return found;
                }
                if !found.contains(&Pid(child)) {
                    found.push(Pid(child));
                    queue.push(Pid(child));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_process_reads_as_running_with_a_start() {
        let stat = stat(Path::new("/proc/self")).unwrap();
        assert!(stat.start_ticks > 0);
    }
}
