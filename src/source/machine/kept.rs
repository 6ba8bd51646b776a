//! Files of watched processes, kept open between ticks.
//!
//! Opening and closing a file of `/proc` costs several times what reading it does. A kept file belongs
//! to its process: once that ended the read fails, whoever has its number by then.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use super::file::Slurp;
use crate::model::id::Pid;
use crate::model::reading::Gap;

/// Processes whose files are kept. A process may have 1024 descriptors by default, and loaders,
/// GPUs and threads need theirs too.
const MOST: usize = 96;

/// Which file of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// `stat`, readable by everybody.
    Stat,
    /// `io`, for whoever may trace the process; the kernel asks at each read.
    Io,
}

/// The kept files.
#[derive(Debug, Default)]
pub(super) struct Kept {
    files: BTreeMap<(Pid, Part), File>,
    pids: BTreeSet<Pid>,
}

impl Kept {
    /// From now on files of these processes are kept, of the first ones if they are many.
    pub(super) fn keep(&mut self, pids: &BTreeSet<Pid>) {
        if self.pids.len() == pids.len().min(MOST) && self.pids.iter().all(|pid| pids.contains(pid))
        {
            return;
        }
        self.pids = pids.iter().copied().take(MOST).collect();
        let stays = &self.pids;
        self.files.retain(|(pid, _), _| stays.contains(pid));
    }

    /// The content of a file of one record, as all of [`Part`] are. `path` is where it is opened.
    pub(super) fn read<'a>(
        &mut self,
        slurp: &'a mut Slurp,
        key: (Pid, Part),
        path: &Path,
    ) -> Result<&'a [u8], Gap> {
        // Where the read fails the pid may be another process's by now: that one is opened anew.
        if let Some(file) = self.files.get(&key) {
            if slurp.fill_record(file).is_ok() {
                return Ok(slurp.filled());
            }
            self.files.remove(&key);
        }
        let file = File::open(path).map_err(|error| Gap::from(&error))?;
        slurp.fill_record(&file)?;
        if self.pids.contains(&key.0) {
            self.files.insert(key, file);
        }
        Ok(slurp.filled())
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_kept_file_does_not_speak_for_a_process_that_ended() {
        let mut child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
        let pid = Pid(child.id());
        let path = format!("/proc/{pid}/stat");
        let (mut kept, mut slurp) = (Kept::default(), Slurp::default());
        kept.keep(&BTreeSet::from([pid]));
        for _ in 0..2 {
            let bytes = kept.read(&mut slurp, (pid, Part::Stat), Path::new(&path)).unwrap();
            assert!(bytes.starts_with(format!("{pid} (").as_bytes()));
        }
        assert_eq!(kept.files.len(), 1);
        child.kill().unwrap();
        child.wait().unwrap();
        let read = kept.read(&mut slurp, (pid, Part::Stat), Path::new(&path));
        assert_eq!(read, Err(Gap::Lost));
        assert!(kept.files.is_empty());
    }

    #[test]
    fn files_of_processes_that_are_no_longer_watched_are_closed() {
        let own = Pid(std::process::id());
        let (mut kept, mut slurp) = (Kept::default(), Slurp::default());
        kept.keep(&BTreeSet::from([own]));
        kept.read(&mut slurp, (own, Part::Io), Path::new("/proc/self/io")).unwrap();
        kept.keep(&BTreeSet::from([Pid(1)]));
        assert!(kept.files.is_empty());
    }
}
