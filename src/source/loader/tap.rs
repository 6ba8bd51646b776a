//! A look into another process's pipe that takes nothing out of it.
//!
//! The pipe is opened anew through `/proc`, its pages are duplicated by `tee(2)` into a pipe of our
//! own, and it is closed at once: a reader held open could hide a broken pipe from its writers.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::{Errno, ioctl_fionread};
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, tee};

/// The most that is looked at of a pipe: the kernel's own limit for users.
const CAPACITY: usize = 1 << 20;

/// A pipe of our own, and the buffer that it is emptied into.
#[derive(Debug)]
pub struct Tap {
    reader: File,
    writer: OwnedFd,
    bytes: Vec<u8>,
}

impl Tap {
    /// A tap, used for one pipe after the other.
    pub fn new() -> io::Result<Self> {
        let (reader, writer) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC)?;
        // Where the user's pipes use too much memory already, a smaller one still shows the start.
        let _ = fcntl_setpipe_size(&writer, CAPACITY);
        Ok(Self { reader: File::from(reader), writer, bytes: vec![0; 4096] })
    }

    /// What waits in the pipe with this inode, that a process holds at `link` (`/proc/P/fd/N`).
    /// `NotFound` where something else stands there now.
    pub fn look(&mut self, link: &Path, inode: u64) -> io::Result<&[u8]> {
        // Opening something else than a pipe could block or have effects; the link tells first.
        if pipe_inode(link)? != Some(inode) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let flags = OFlags::NONBLOCK | OFlags::CLOEXEC;
        let pipe =
            File::options().read(true).custom_flags(flags.bits().cast_signed()).open(link)?;
        if pipe.metadata()?.ino() != inode {
            return Err(io::ErrorKind::NotFound.into());
        }
        if ioctl_fionread(&pipe)? == 0 {
            return Ok(&[]);
        }
        let copied = match tee(&pipe, &self.writer, CAPACITY, SpliceFlags::NONBLOCK) {
            Err(Errno::AGAIN) => 0,
            other => other?,
        };
        drop(pipe);
        self.drain(copied)
    }

    fn drain(&mut self, copied: usize) -> io::Result<&[u8]> {
        if self.bytes.len() < copied {
            self.bytes.resize(copied, 0);
        }
        let mut got = 0;
        while got < copied {
            match self.reader.read(self.bytes.get_mut(got..copied).unwrap_or_default()) {
                Ok(0) => break,
                Ok(n) => got += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.bytes.get(..got).unwrap_or_default())
    }
}

/// The inode of the pipe that a link in `/proc/P/fd` leads to; `None` where it leads elsewhere.
pub(crate) fn pipe_inode(link: &Path) -> io::Result<Option<u64>> {
    let target = fs::read_link(link)?;
    Ok(target
        .to_str()
        .and_then(|text| text.strip_prefix("pipe:[")?.strip_suffix(']')?.parse().ok()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_look_takes_nothing_out_of_the_pipe() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"batch").unwrap();
        let link = std::path::PathBuf::from(format!("/proc/self/fd/{}", reader.as_raw_fd()));
        let inode = pipe_inode(&link).unwrap().unwrap();
        let mut tap = Tap::new().unwrap();
        assert_eq!(tap.look(&link, inode).unwrap(), b"batch");
        assert_eq!(tap.look(&link, inode).unwrap(), b"batch");
        let mut taken = [0; 5];
        reader.read_exact(&mut taken).unwrap();
        assert_eq!(&taken, b"batch");
        assert_eq!(tap.look(&link, inode).unwrap(), b"");
    }

    #[test]
    fn another_pipe_at_the_same_number_is_not_mistaken_for_the_first() {
        let (reader, _writer) = io::pipe().unwrap();
        let link = std::path::PathBuf::from(format!("/proc/self/fd/{}", reader.as_raw_fd()));
        let inode = pipe_inode(&link).unwrap().unwrap();
        let error = Tap::new().unwrap().look(&link, inode + 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
