//! Where `mltop run` and its probe leave what they publish, and how others find it there.
//!
//! ```text
//! $XDG_RUNTIME_DIR/mltop  or  /dev/shm/mltop-UID      0700, its owner's alone, in memory
//! └── run-NAMESPACE-PID-START                         0700, one for each `mltop run`
//!     ├── sitecustomize.py                            the probe
//!     ├── PID.loaders                                 0600, one page for each trainer (`loader::page`)
//!     └── socket                                      0600, the rows that `mltop run` reads
//! ```
//!
//! Others may have prepared anything under these names, so nothing is trusted that the owner's id and
//! the mode do not prove, and no link is followed.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, fstatfs, open, openat, unlinkat};

use super::loader::proc;
use super::root::Roots;
use crate::model::Pid;

/// The variable that tells the probe its folder.
pub const VARIABLE: &str = "MLTOP_DIR";
/// The socket's name in a run's folder.
pub const SOCKET: &str = "socket";
/// The longest path of a folder: that of a socket must fit into 108 bytes.
const LONGEST: usize = 96;
/// Runs of one user that are looked at.
const RUNS: usize = 64;
/// Files of one run that are looked at.
const FILES: usize = 4096;
const TMPFS: u64 = 0x0102_1994;
const RAMFS: u64 = 0x8584_58f6;

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// It is a link or no folder.
    #[error("{} is not a folder; remove it", .0.display())]
    NoFolder(PathBuf),
    /// Somebody else's.
    #[error("{} belongs to user {}, not to you; remove it, or set XDG_RUNTIME_DIR", .0.display(), .1)]
    NotOurs(PathBuf, u32),
    /// Others could read or write in it.
    #[error("{} is open to others (mode {:o}); chmod 700 it", .0.display(), .1)]
    Open(PathBuf, u32),
    /// A disk would be written to at every step.
    #[error("{} is not in memory (tmpfs)", .0.display())]
    OnDisk(PathBuf),
    /// No socket could be made in it.
    #[error("the path {} is too long for a socket", .0.display())]
    TooLong(PathBuf),
    /// The kernel said no.
    #[error("{}: {}", .0.display(), .1)]
    Io(PathBuf, io::Error),
}

/// Whose run a folder is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owner {
    namespace: u64,
    pid: Pid,
    start_ticks: u64,
}

impl Owner {
    fn of(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix("run-")?.split('-').map(str::parse::<u64>);
        let (namespace, pid, start) = (parts.next()?, parts.next()?, parts.next()?);
        let whole = parts.next().is_none();
        Some(Self {
            namespace: namespace.ok()?,
            pid: Pid(u32::try_from(pid.ok()?).ok()?),
            start_ticks: start.ok().filter(|_| whole)?,
        })
    }

    fn name(self) -> String {
        format!("run-{}-{}-{}", self.namespace, self.pid, self.start_ticks)
    }
}

/// The folder of one `mltop run`: this one's own.
#[derive(Debug)]
pub struct OwnFolder {
    path: PathBuf,
}

impl OwnFolder {
    /// Makes it, at the first place that is fit. What former runs left there is removed.
    pub fn make(roots: &Roots, runtime: Option<&Path>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        for base in places(roots, runtime, rustix::process::geteuid().as_raw()) {
            match make_in(roots, &base) {
                Ok(path) => return Ok(Self { path }),
                Err(problem) => problems.push(problem),
            }
        }
        Err(problems)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file of this run that only its owner can read.
    pub fn write(&self, name: &str, text: &str) -> io::Result<()> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(self.path.join(name));
        file?.write_all(text.as_bytes())
    }

    /// Removes it, save what a trainer that outlives the run still publishes.
    pub fn leave(self, roots: &Roots) {
        let _ = fs::remove_file(self.path.join(SOCKET));
        remove_unless_used(roots, &self.path);
    }
}

/// The folders that may hold what runs of a user publish.
pub fn places(roots: &Roots, runtime: Option<&Path>, uid: u32) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = runtime
        .filter(|path| path.is_absolute())
        .map(|path| path.join("mltop"))
        .into_iter()
        .collect();
    all.push(roots.dev.join(format!("shm/mltop-{uid}")));
    all
}

/// The same for a reader, who may be another user than the run's: root's own variable tells nothing
/// of it.
pub fn places_of(roots: &Roots, uid: u32) -> Vec<PathBuf> {
    let own = rustix::process::geteuid().as_raw() == uid;
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|_| own).map(PathBuf::from);
    let usual = PathBuf::from(format!("/run/user/{uid}"));
    let mut all = places(roots, runtime.as_deref(), uid);
    if runtime.is_none_or(|runtime| runtime != usual) {
        all.push(usual.join("mltop"));
    }
    all
}

/// The folders of all runs of a user.
pub fn runs_of(roots: &Roots, uid: u32) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for base in places_of(roots, uid) {
        if private(&base, uid).is_err() {
            continue;
        }
        let names = entries(&base, RUNS).into_iter().filter(|name| Owner::of(name).is_some());
        found.extend(names.map(|name| base.join(name)));
    }
    found
}

/// Opens a file of a run that must be its user's, and only its user's: anything else is not there.
pub fn open_private(folder: &Path, name: &str, uid: u32) -> io::Result<File> {
    let folder = private(folder, uid).map_err(|_| io::ErrorKind::NotFound)?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(&folder, name, flags, Mode::empty())?;
    let stat = fstat(&file)?;
    let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    let open = stat.st_mode & 0o077;
    if regular && (stat.st_uid, open, stat.st_nlink) == (uid, 0, 1) {
        Ok(file.into())
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// Opens a folder that must be this user's alone.
fn private(path: &Path, uid: u32) -> Result<OwnedFd, Problem> {
    let failed = |error: rustix::io::Errno| match error {
        rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR => Problem::NoFolder(path.into()),
        error => Problem::Io(path.into(), error.into()),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = open(path, flags, Mode::empty()).map_err(failed)?;
    let Stat { st_uid, st_mode, .. } = fstat(&folder).map_err(failed)?;
    match (st_uid == uid, st_mode & 0o077) {
        (false, _) => Err(Problem::NotOurs(path.into(), st_uid)),
        (true, 0) => Ok(folder),
        (true, _) => Err(Problem::Open(path.into(), st_mode & 0o777)),
    }
}

fn make_in(roots: &Roots, base: &Path) -> Result<PathBuf, Problem> {
    if base.as_os_str().len() > LONGEST - 56 {
        return Err(Problem::TooLong(base.into()));
    }
    let failed = |path: &Path, error: io::Error| Problem::Io(path.into(), error);
    make_folder(base).map_err(|error| failed(base, error))?;
    let folder = private(base, rustix::process::geteuid().as_raw())?;
    let kind = fstatfs(&folder).map_err(|error| failed(base, error.into()))?.f_type as u64;
    if ![TMPFS, RAMFS].contains(&(kind & 0xffff_ffff)) {
        return Err(Problem::OnDisk(base.into()));
    }
    sweep(roots, base);
    let own = own(roots).map_err(|error| failed(base, error))?;
    let path = base.join(own.name());
    make_folder(&path).map_err(|error| failed(&path, error))?;
    private(&path, rustix::process::geteuid().as_raw())?;
    Ok(path)
}

/// A folder for the owner alone, unless there is something of that name.
fn make_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn own(roots: &Roots) -> io::Result<Owner> {
    let pid = Pid(std::process::id());
    let start_ticks = proc::stat(&proc::folder(&roots.proc, pid))?.start_ticks;
    Ok(Owner { namespace: namespace(roots), pid, start_ticks })
}

/// Our pid namespace: a pid of another one names another process.
fn namespace(roots: &Roots) -> u64 {
    let link = fs::read_link(roots.proc.join("self/ns/pid")).unwrap_or_default();
    let digits = link.to_string_lossy();
    digits.trim_start_matches("pid:[").trim_end_matches(']').parse().unwrap_or(0)
}

/// Removes what runs left behind that are gone, and their trainers with them.
fn sweep(roots: &Roots, base: &Path) {
    let here = namespace(roots);
    for name in entries(base, RUNS * 16) {
        let Some(owner) = Owner::of(&name).filter(|owner| owner.namespace == here) else {
            continue;
        };
        if !lives(roots, owner.pid, owner.start_ticks) {
            remove_unless_used(roots, &base.join(name));
        }
    }
}

fn lives(roots: &Roots, pid: Pid, start_ticks: u64) -> bool {
    proc::stat(&proc::folder(&roots.proc, pid)).is_ok_and(|stat| stat.start_ticks == start_ticks)
}

/// Removes the pages of dead processes, and the whole folder where no other is left.
fn remove_unless_used(roots: &Roots, folder: &Path) {
    use super::loader::page;
    let uid = rustix::process::geteuid().as_raw();
    let Ok(opened) = private(folder, uid) else { return };
    let mut used = false;
    for name in entries(folder, FILES) {
        let Some(pid) = page::pid_of(&name) else { continue };
        if page::start_of(folder, pid, uid).is_some_and(|start| lives(roots, pid, start)) {
            used = true;
        } else {
            let _ = unlinkat(&opened, &*name, AtFlags::empty());
        }
    }
    if !used {
        let _ = fs::remove_dir_all(folder);
    }
}

/// Names in a folder, those that are UTF-8.
fn entries(folder: &Path, cap: usize) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.take(cap).flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folders_name_says_whose_run_it_is_and_nothing_else_is_one() {
        let owner = Owner { namespace: 4_026_531_836, pid: Pid(42), start_ticks: 977 };
        assert_eq!(Owner::of(&owner.name()), Some(owner));
        for bad in ["run-1-2", "run-1-2-3-4", "run-1-x-3", "run-1-99999999999-3", "sun-1-2-3"] {
            assert_eq!(Owner::of(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_relative_runtime_folder_is_no_place() {
        let roots = Roots::below("/box");
        let only = vec![PathBuf::from("/box/dev/shm/mltop-7")];
        assert_eq!(places(&roots, Some(Path::new("run")), 7), only);
        assert_eq!(places(&roots, Some(Path::new("/r")), 7)[0], PathBuf::from("/r/mltop"));
    }
}
