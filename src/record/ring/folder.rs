//! The files of a ring, and which of them have to go.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{FlockOperation, OFlags, flock, statvfs};

use crate::model::Stamp;
use crate::record::container::ENDING;
use crate::record::writer::disk::default_min_free;

use super::Limits;

/// Digits of the number before a name.
const DIGITS: usize = 8;
const LOCK: &str = "lock";
const PINNED: &str = "pinned";
/// The most pinned incidents.
const MAX_PINNED: usize = 20;

/// One file of a ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it is.
    pub path: PathBuf,
    /// Bytes that it takes on disk.
    pub bytes: u64,
    /// When it was written last.
    pub modified: SystemTime,
    number: u64,
}

/// The folder of a ring.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Held while the ring is written.
    _lock: Option<File>,
}

impl Folder {
    /// The folder of a ring, to be looked at.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), _lock: None }
    }

    /// The folder, made where it is not there, and held against other writers.
    pub fn take(path: &Path) -> io::Result<Self> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(path)?;
        builder.create(path.join(PINNED))?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags((OFlags::NOFOLLOW | OFlags::CLOEXEC).bits().cast_signed())
            .open(path.join(LOCK))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self { path: path.to_owned(), _lock: Some(lock) })
    }

    /// Whether a ring was ever kept here: whoever keeps one leaves its lock.
    pub fn is_ring(&self) -> io::Result<bool> {
        match self.path.join(LOCK).symlink_metadata() {
            Ok(meta) => Ok(meta.is_file()),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(false),
                _ => Err(error),
            },
        }
    }

    /// Whether some process writes the ring now.
    pub fn is_taken(&self) -> bool {
        let Ok(lock) = File::open(self.path.join(LOCK)) else { return false };
        flock(&lock, FlockOperation::NonBlockingLockShared).is_err()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The segments, oldest first.
    pub fn segments(&self) -> io::Result<Vec<Segment>> {
        listed(&self.path)
    }

    /// The pinned incidents, oldest first.
    pub fn pinned(&self) -> io::Result<Vec<Segment>> {
        match listed(&self.path.join(PINNED)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            other => other,
        }
    }

    /// Bytes that the whole ring takes on disk.
    pub fn bytes(&self) -> io::Result<u64> {
        let all = self.segments()?.into_iter().chain(self.pinned()?);
        Ok(all.map(|segment| segment.bytes).sum())
    }

    /// A name for the segment that begins with this tick.
    pub(super) fn next(&self, first: Stamp, boot_id: &str) -> io::Result<PathBuf> {
        let number = self.segments()?.last().map_or(0, |last| last.number).saturating_add(1);
        Ok(self.path.join(name(number, first, &boot_id.chars().take(8).collect::<String>())))
    }

    /// A name for an incident.
    pub(super) fn next_pinned(&self, first: Stamp, what: &str) -> io::Result<PathBuf> {
        let number = self.pinned()?.last().map_or(0, |last| last.number).saturating_add(1);
        Ok(self.path.join(PINNED).join(name(number, first, what)))
    }

    /// Removes the oldest segments until the ring has room for so many bytes more under its cap and
    /// the disk keeps its free space. `kept` is not removed, and is counted as the largest that it
    /// can become.
    pub fn make_room(
        &self,
        limits: &Limits,
        more: u64,
        kept: Option<&Path>,
    ) -> io::Result<Vec<PathBuf>> {
        let mut gone = Vec::new();
        let mut segments = self.segments()?;
        let pinned: u64 = self.pinned()?.iter().map(|one| one.bytes).sum();
        loop {
            let is_kept = |one: &Segment| Some(&*one.path) == kept;
            let total: u64 = segments
                .iter()
                .map(|one| if is_kept(one) { limits.segment_bytes() } else { one.bytes })
                .sum();
            let room = pinned + total + more <= limits.max_bytes && !self.is_short(limits);
            let oldest = segments.iter().position(|one| !is_kept(one));
            let Some(oldest) = oldest.filter(|_| !room) else { return Ok(gone) };
            let segment = segments.remove(oldest);
            remove(&segment.path)?;
            gone.push(segment.path);
        }
    }

    /// Removes segments that were written last before a moment. `kept` is not removed.
    pub fn remove_older(
        &self,
        than: SystemTime,
        kept: impl Fn(&Path) -> bool,
    ) -> io::Result<Vec<PathBuf>> {
        let mut gone = Vec::new();
        for segment in self.segments()? {
            if segment.modified < than && !kept(&segment.path) {
                remove(&segment.path)?;
                gone.push(segment.path);
            }
        }
        Ok(gone)
    }

    /// Removes the oldest pinned files until one of so many bytes fits, but for the last `own`, which
    /// are of the same incident. False where it does not fit then.
    pub(super) fn make_room_for_pin(
        &self,
        limits: &Limits,
        bytes: u64,
        own: usize,
    ) -> io::Result<bool> {
        let mut pinned = self.pinned()?;
        loop {
            let total: u64 = pinned.iter().map(|one| one.bytes).sum();
            if pinned.len() < MAX_PINNED && total + bytes <= limits.pinned_bytes() {
                return Ok(true);
            }
            if pinned.len() <= own {
                return Ok(false);
            }
            remove(&pinned.remove(0).path)?;
        }
    }

    /// Whether the disk has less free space than is to be left.
    fn is_short(&self, limits: &Limits) -> bool {
        statvfs(&self.path).is_ok_and(|stat| {
            let least =
                limits.min_free.unwrap_or_else(|| default_min_free(stat.f_blocks * stat.f_frsize));
            stat.f_bavail * stat.f_frsize < least
        })
    }
}

/// Removes a file, which another process may have removed meanwhile.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn name(number: u64, first: Stamp, what: &str) -> String {
    let time = jiff::Timestamp::from_millisecond(first.unix_ms)
        .map(|at| at.strftime("%Y%m%dT%H%M%SZ").to_string())
        .unwrap_or_default();
    let what: String = what.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    format!("{number:0DIGITS$}-{time}-{what}{ENDING}")
}

/// The number of a segment, from a name as [`name`] makes it. Whatever else lies in the folder, as a
/// recording of another name, is not the ring's to count or to remove.
fn number(name: &str) -> Option<u64> {
    let (number, rest) = name.strip_suffix(ENDING)?.split_once('-')?;
    let (time, _) = rest.split_once('-')?;
    let like = |text: &str, form: &str| {
        text.len() == form.len()
            && text
                .bytes()
                .zip(form.bytes())
                .all(|(is, wanted)| if wanted == b'0' { is.is_ascii_digit() } else { is == wanted })
    };
    let digits = number.len() >= DIGITS && number.bytes().all(|byte| byte.is_ascii_digit());
    // A tick that the calendar has no name for leaves the time empty.
    let known = time.is_empty() || like(time, "00000000T000000Z");
    if digits && known { number.parse().ok() } else { None }
}

/// The recordings of a folder that are named as ours are, in the order of their numbers.
fn listed(folder: &Path) -> io::Result<Vec<Segment>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(number) = name.to_str().and_then(number) else { continue };
        // Another process may have removed it meanwhile.
        let Ok(meta) = entry.path().symlink_metadata() else { continue };
        if !meta.is_file() {
            continue;
        }
        let modified = meta.modified()?;
        found.push(Segment { path: entry.path(), bytes: meta.blocks() * 512, modified, number });
    }
    found.sort_by(|a, b| (a.number, &a.path).cmp(&(b.number, &b.path)));
    Ok(found)
}
