//! A look into another process's pipe that takes nothing out of it.
//!
//! The pipe is opened anew through `/proc`, its pages are duplicated by `tee(2)` into a pipe of our
//! own, and it is closed at once: a reader held open could hide a broken pipe from its writers. What
//! is kept between looks is a handle that reads nothing (`O_PATH`): it names the pipe, and does not
//! count as its reader.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, ioctl_fionread};
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, tee};

/// The most that is looked at of a pipe: the kernel's own limit for users.
const CAPACITY: usize = 1 << 20;
/// How long it stands that a process holds a pipe at a number.
const STANDS: Duration = Duration::from_secs(1);
/// Handles that are kept: where there are more pipes, each is named anew.
const MOST: usize = 1024;
/// A handle that was not needed for so long is closed.
const FORGOTTEN: Duration = Duration::from_secs(5);

/// A pipe of our own, and the buffer that it is emptied into.
#[derive(Debug)]
pub struct Tap {
    reader: File,
    writer: OwnedFd,
    bytes: Vec<u8>,
    /// The pipes looked at of late, by inode.
    named: BTreeMap<u64, Named>,
}

/// A handle on a pipe that is not a reader of it.
#[derive(Debug)]
struct Named {
    _handle: OwnedFd,
    /// The handle as a path, to open the pipe by.
    path: PathBuf,
    checked: Instant,
}

impl Named {
    /// `NotFound` where `link` leads to anything but the pipe with this inode. Opening something
    /// else could block or have effects; a handle has none.
    fn new(link: &Path, inode: u64, now: Instant) -> io::Result<Self> {
        let handle = rustix::fs::open(link, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd()));
        if pipe_inode(&path)? != Some(inode) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Self { _handle: handle, path, checked: now })
    }
}

impl Tap {
    /// A tap, used for one pipe after the other.
    pub fn new() -> io::Result<Self> {
        let (reader, writer) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC)?;
        // Where the user's pipes use too much memory already, a smaller one still shows the start.
        let _ = fcntl_setpipe_size(&writer, CAPACITY);
        Ok(Self {
            reader: File::from(reader),
            writer,
            bytes: vec![0; 4096],
            named: BTreeMap::new(),
        })
    }

    /// What waits in the pipe with this inode, that a process holds at `link` (`/proc/P/fd/N`).
    /// `NotFound` where something else stands there now, at most a second late.
    pub fn look(&mut self, link: &Path, inode: u64) -> io::Result<&[u8]> {
        let now = Instant::now();
        let stands = |named: &Named| now.duration_since(named.checked) < STANDS;
        if !self.named.get(&inode).is_some_and(stands) {
            self.named.remove(&inode);
            let named = Named::new(link, inode, now)?;
            self.named.retain(|_, named| now.duration_since(named.checked) < FORGOTTEN);
            if self.named.len() >= MOST {
                self.named.clear();
            }
            self.named.insert(inode, named);
        }
        let Some(named) = self.named.get(&inode) else { return Ok(&[]) };
        let flags = OFlags::NONBLOCK | OFlags::CLOEXEC;
        let pipe = File::options()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(&named.path)?;
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
    fn a_writer_still_learns_that_its_last_reader_is_gone() {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"batch").unwrap();
        let link = std::path::PathBuf::from(format!("/proc/self/fd/{}", reader.as_raw_fd()));
        let inode = pipe_inode(&link).unwrap().unwrap();
        let mut tap = Tap::new().unwrap();
        tap.look(&link, inode).unwrap();
        drop(reader);
        let error = writer.write_all(b"batch").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
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
