//! The few files of `/proc/PID` that a look at a loader reads, capped and checked.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::model::Pid;
use crate::model::sample::ProcState;

/// The folder of a process.
pub(crate) fn folder(proc: &Path, pid: Pid) -> PathBuf {
    proc.join(pid.0.to_string())
}

/// At most `cap` bytes of a file.
pub(crate) fn read_capped(path: &Path, cap: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(cap.min(1024));
    File::open(path)?.take(cap as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A short file as text, without the newline at its end.
pub(crate) fn read_word(path: &Path) -> io::Result<String> {
    let mut bytes = [0; 256];
    let got = File::open(path)?.read(&mut bytes)?;
    let text = String::from_utf8_lossy(bytes.get(..got).unwrap_or_default());
    Ok(text.trim_end_matches(['\n', '\0']).to_owned())
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
    parse_stat(bytes.get(..got).unwrap_or_default())
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn parse_stat(bytes: &[u8]) -> Option<Stat> {
    // The name in parentheses may hold anything, parentheses too: the last one ends it.
    let end = bytes.iter().rposition(|&byte| byte == b')')?;
    let mut words = std::str::from_utf8(bytes.get(end + 1..)?).ok()?.split_ascii_whitespace();
    let state = match words.next()? {
        "t" => ProcState::Traced,
        "K" | "W" | "P" => ProcState::Sleeping,
        word => ProcState::from_code(word)?,
    };
    Some(Stat { state, start_ticks: words.nth(18)?.parse().ok()? })
}

/// The kernel function in which the main thread sleeps; empty while it runs.
pub(crate) fn wchan(folder: &Path) -> io::Result<String> {
    let mut name = read_word(&folder.join("wchan"))?;
    if name == "0" {
        name.clear();
    }
    Ok(name)
}

/// Time on a CPU and time ready without one, in nanoseconds, summed over the threads.
pub(crate) fn schedule(folder: &Path) -> Option<(u64, u64)> {
    let mut sum = (0_u64, 0_u64);
    let mut any = false;
    for thread in std::fs::read_dir(folder.join("task")).ok()?.flatten().take(256) {
        let Ok(text) = read_word(&thread.path().join("schedstat")) else { continue };
        let mut words = text.split_ascii_whitespace().map_while(|word| word.parse::<u64>().ok());
        if let (Some(run), Some(delay)) = (words.next(), words.next()) {
            sum = (sum.0.saturating_add(run), sum.1.saturating_add(delay));
            any = true;
        }
    }
    any.then_some(sum)
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
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_full_of_parentheses_does_not_shift_the_columns() {
        let line = b"12 (a) R 1 (b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 0";
        let stat = parse_stat(line).unwrap();
        assert_eq!((stat.state, stat.start_ticks), (ProcState::Sleeping, 777));
    }

    #[test]
    fn our_own_process_reads_as_running_with_a_start() {
        let stat = stat(Path::new("/proc/self")).unwrap();
        assert!(stat.start_ticks > 0);
    }

    proptest! {
        #[test]
        fn any_stat_line_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse_stat(&bytes);
        }
    }
}
