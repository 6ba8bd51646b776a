//! One file that only ever grows, and never by part of a write.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, OFlags, flock, fstatvfs};

/// The least space that is left free, whatever is asked for: 1 GiB, on a small disk 5 %.
const MIN_FREE: u64 = 1 << 30;

/// Where bytes are appended. A failed append leaves what was there before.
pub(crate) trait Disk: Send {
    /// Appends all of it or nothing.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Brings what was appended to the medium.
    fn sync(&mut self) -> io::Result<()>;
    /// Whether the filesystem has less free space than is to be left; the least in bytes.
    fn short_of_space(&self) -> Option<u64>;
    /// The file, to be read back.
    fn file(&self) -> &File;
}

/// A file on disk.
#[derive(Debug)]
pub(crate) struct OpenFile {
    file: File,
    good: u64,
    min_free: Option<u64>,
}

impl OpenFile {
    /// Makes a new file that only its owner can read, and holds it against other writers. Fails
    /// where there is anything of that name, a link too.
    pub(crate) fn create(path: &Path, min_free: Option<u64>) -> io::Result<Self> {
        let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(flags.bits().cast_signed())
            .open(path)?;
        // Some network filesystems know no locks: a recording without one is better than none.
        let _ = flock(&file, FlockOperation::NonBlockingLockExclusive);
        // So that the name, too, outlives the machine. Not every filesystem can be asked for that.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let _ = File::open(folder.unwrap_or_else(|| Path::new(".")))
            .and_then(|folder| folder.sync_all());
        Ok(Self { file, good: 0, min_free })
    }
}

impl Disk for OpenFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.file.metadata()?.len() != self.good {
            return Err(io::Error::other("another program changed the file"));
        }
        let written = loop {
            match self.file.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let error = match written {
            Ok(count) if count == bytes.len() => {
                self.good += bytes.len() as u64;
                return Ok(());
            }
            // The next write would tell why; what was written of this one goes first.
            Ok(_) => io::Error::from(io::ErrorKind::StorageFull),
            Err(error) => error,
        };
        self.file.set_len(self.good)?;
        Err(error)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn short_of_space(&self) -> Option<u64> {
        let stat = fstatvfs(&self.file).ok()?;
        let least =
            self.min_free.unwrap_or_else(|| default_min_free(stat.f_blocks * stat.f_frsize));
        (stat.f_bavail * stat.f_frsize < least).then_some(least)
    }

    fn file(&self) -> &File {
        &self.file
    }
}

/// What is left free of a filesystem of this size.
pub(crate) fn default_min_free(size: u64) -> u64 {
    MIN_FREE.min(size / 20)
}
