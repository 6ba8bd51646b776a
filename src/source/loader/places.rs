//! States and places of threads, from files that are kept open.
//!
//! `stat` and `wchan` are read up to fifty times a second; opening them anew each time costs more
//! than the answer. A kept file belongs to its process: after it ended the read fails, whoever has its
//! number by then.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::source::machine::proc_stat::state_and_start;
use crate::source::machine::run_delay::schedstat;

use super::proc::Stat;

/// Files that are kept at once; past that all are opened anew. Half of what a user may have open.
const MOST: usize = 512;

/// The name of a kernel function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wchan {
    bytes: [u8; 64],
    length: usize,
    /// Read from a file that was opened just now: the number may be another process's.
    pub(super) fresh: bool,
}

impl Wchan {
    /// Of a thread that runs.
    pub(super) const NONE: Self = Self { bytes: [0; 64], length: 0, fresh: true };

    /// The name; empty while the thread runs, and where the kernel does not say.
    pub(super) fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Stat,
    Wchan,
    Schedule,
}

/// The kept files, by the thread.
#[derive(Debug, Default)]
pub(super) struct Places {
    files: HashMap<(u32, Kind), File>,
}

impl Places {
    /// The kernel function in which a thread sleeps.
    pub(super) fn wchan(&mut self, thread: u32, folder: &Path) -> io::Result<Wchan> {
        let mut name = Wchan::NONE;
        // An empty answer may be that of a kernel which shows nothing of a former process. The 0 of a
        // thread that runs is also that of one which ended and is not reaped yet, or may not be looked
        // at any more: whoever takes it for running asks for the state too, in a kept file as well.
        let (length, fresh) =
            self.read(thread, Kind::Wchan, folder, "wchan", &mut name.bytes, |got| {
                !got.is_empty()
            })?;
        name.fresh = fresh;
        let bytes = name.bytes.get(..length).unwrap_or_default();
        let plain = bytes.iter().take_while(|byte| byte.is_ascii_graphic()).count();
        name.length = if bytes.get(..plain) == Some(b"0") { 0 } else { plain };
        Ok(name)
    }

    /// State and start of a process.
    pub(super) fn stat(&mut self, process: u32, folder: &Path) -> io::Result<Stat> {
        let mut bytes = [0; 512];
        let (got, _) = self.read(process, Kind::Stat, folder, "stat", &mut bytes, |_| true)?;
        let known = state_and_start(bytes.get(..got).unwrap_or_default());
        let (state, start_ticks) = known.ok_or(io::ErrorKind::InvalidData)?;
        Ok(Stat { state, start_ticks })
    }

    /// Time of a process's first thread on a CPU, and ready without one, in nanoseconds.
    pub(super) fn schedule(&mut self, process: u32, folder: &Path) -> Option<(u64, u64)> {
        let mut bytes = [0; 80];
        let read = self.read(process, Kind::Schedule, folder, "schedstat", &mut bytes, |_| true);
        let (got, _) = read.ok()?;
        schedstat(bytes.get(..got)?)
    }

    fn read(
        &mut self,
        thread: u32,
        kind: Kind,
        folder: &Path,
        name: &str,
        bytes: &mut [u8],
        believe: impl Fn(&[u8]) -> bool,
    ) -> io::Result<(usize, bool)> {
        let key = (thread, kind);
        if let Some(file) = self.files.get(&key) {
            match file.read_at(bytes, 0) {
                Ok(got) if believe(bytes.get(..got).unwrap_or_default()) => {
                    return Ok((got, false));
                }
                _ => self.files.remove(&key),
            };
        }
        let file = File::open(folder.join(name))?;
        let got = file.read_at(bytes, 0)?;
        if self.files.len() >= MOST {
            self.files.clear();
        }
        self.files.insert(key, file);
        Ok((got, true))
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_kept_file_does_not_speak_for_a_process_that_ended() {
        let mut child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
        let folder = PathBuf::from(format!("/proc/{}", child.id()));
        let mut places = Places::default();
        for _ in 0..2 {
            assert!(places.wchan(child.id(), &folder).is_ok());
            assert!(places.stat(child.id(), &folder).is_ok());
            assert!(places.schedule(child.id(), &folder).is_some());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(places.wchan(child.id(), &folder).is_err());
        assert!(places.stat(child.id(), &folder).is_err());
        assert!(places.schedule(child.id(), &folder).is_none());
    }
}
