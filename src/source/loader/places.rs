//! Where threads sleep, from files that are kept open.
//!
//! `/proc/PID/wchan` is read ten times a second for every worker; opening it anew each time costs more
//! than the answer. A kept file belongs to its process: after it ended the read fails, whoever has its
//! number by then.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Files that are kept at once; past that all are opened anew.
const MOST: usize = 2048;

/// The kept files, by the folder of the process or thread.
#[derive(Debug, Default)]
pub(super) struct Places {
    files: BTreeMap<PathBuf, File>,
}

impl Places {
    /// The kernel function in which a thread sleeps; empty while it runs, and where the kernel does
    /// not say.
    pub(super) fn wchan(&mut self, folder: &Path) -> io::Result<String> {
        if let Some(file) = self.files.get(folder) {
            match read(file) {
                // An empty answer is also that of a kernel which shows nothing of a former process.
                Ok(name) if !name.is_empty() => return Ok(name),
                _ => self.files.remove(folder),
            };
        }
        let file = File::open(folder.join("wchan"))?;
        let name = read(&file)?;
        if self.files.len() >= MOST {
            self.files.clear();
        }
        self.files.insert(folder.to_owned(), file);
        Ok(name)
    }
}

fn read(file: &File) -> io::Result<String> {
    let mut bytes = [0; 128];
    let got = file.read_at(&mut bytes, 0)?;
    let name = String::from_utf8_lossy(bytes.get(..got).unwrap_or_default());
    let name = name.trim_end_matches(['\n', '\0']);
    Ok(if name == "0" { String::new() } else { name.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_kept_file_does_not_speak_for_a_process_that_ended() {
        let mut child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
        let folder = PathBuf::from(format!("/proc/{}", child.id()));
        let mut places = Places::default();
        assert!(places.wchan(&folder).is_ok());
        assert!(places.wchan(&folder).is_ok());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(places.wchan(&folder).is_err());
    }
}
