//! The file that takes a training's output while the screen has the terminal.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Names that are tried within one second.
const TRIES: u32 = 100;

/// Makes a new file, only for its owner, named after the time. None that is there is touched.
pub(super) fn create(folder: &Path) -> Result<(PathBuf, File), Error> {
    let stem = jiff::Zoned::now().strftime("mltop-run-%Y%m%d-%H%M%S").to_string();
    let mut last = folder.join(&stem);
    for n in 1..=TRIES {
        let more = if n == 1 { String::new() } else { format!("-{n}") };
        last = folder.join(format!("{stem}{more}.log"));
        match OpenOptions::new().append(true).create_new(true).mode(0o600).open(&last) {
            Ok(file) => return Ok((last, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(Error::Write { path: last, source }),
        }
    }
    Err(Error::Write { path: last, source: io::ErrorKind::AlreadyExists.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn each_run_has_a_file_of_its_own_that_others_cannot_read() {
        let folder = tempfile::tempdir().unwrap();
        let (first, _) = create(folder.path()).unwrap();
        let (second, _) = create(folder.path()).unwrap();
        assert_ne!(first, second);
        assert_eq!(first.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_folder_that_cannot_be_written_to_is_named() {
        let error = create(Path::new("/proc")).unwrap_err();
        assert!(error.to_string().contains("/proc/mltop-run-"), "{error}");
    }
}
