//! What is mounted where, and on which disk: from `mountinfo` and `/sys`, never by asking a path.
//! A `stat` on a dead network filesystem would hang; these files always answer.

use std::path::{Path, PathBuf};

use procfs::process::MountInfo;

use super::Roots;
use super::machine::file::{Slurp, whole_lines};
use super::text::clean;
use crate::model::inventory::Storage;

/// Mounts beyond this are not kept: a box with more has no use for a list either.
const MOST_MOUNTS: usize = 8192;

/// One mount.
#[derive(Clone, Debug)]
pub(super) struct Mount {
    pub(super) id: u64,
    /// `major:minor` of the files on it.
    pub(super) device: Box<str>,
    /// Path within the filesystem that shows at the mount point.
    pub(super) root: Box<str>,
    /// Mount point, its octal escapes undone.
    pub(super) point: PathBuf,
    pub(super) filesystem: Box<str>,
    source: Box<str>,
    /// Writable layer of an overlay.
    upper: Option<PathBuf>,
    /// Options of the filesystem, for the controllers of a control group hierarchy.
    pub(super) options: Vec<Box<str>>,
}

/// Parses mountinfo, one line at a time: a line that makes no sense costs only itself.
pub(super) fn parse(text: &str) -> Vec<Mount> {
    whole_lines(text).filter_map(parse_line).take(MOST_MOUNTS).collect()
}

fn parse_line(line: &str) -> Option<Mount> {
    let info = MountInfo::from_line(line).ok()?;
    let upper = info.super_options.get("upperdir").cloned().flatten();
    Some(Mount {
        id: u64::try_from(info.mnt_id).ok()?,
        device: info.majmin.into(),
        root: info.root.into(),
        point: PathBuf::from(unescape(&info.mount_point.to_string_lossy())),
        source: unescape(info.mount_source.as_deref().unwrap_or_default()).into(),
        upper: upper.filter(|_| info.fs_type == "overlay").map(|dir| unescape(&dir).into()),
        filesystem: info.fs_type.into(),
        options: info.super_options.into_keys().map(Into::into).collect(),
    })
}

/// Undoes `\040` and the like, as the kernel writes a blank in a path.
fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = bytes.get(at + 1..at + 4).filter(|_| bytes[at] == b'\\').and_then(octal);
        if let Some(byte) = code {
            out.push(byte);
            at += 4;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn octal(digits: &[u8]) -> Option<u8> {
    let value = digits.iter().try_fold(0u32, |sum, byte| {
        (b'0'..=b'7').contains(byte).then(|| sum * 8 + u32::from(byte - b'0'))
    })?;
    u8::try_from(value).ok()
}

/// Filesystems that another machine, or a program in between, serves.
const REMOTE: [&str; 24] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "lustre",
    "ceph",
    "fuse",
    "9p",
    "virtiofs",
    "gpfs",
    "mmfs",
    "beegfs",
    "afs",
    "glusterfs",
    "pvfs2",
    "orangefs",
    "wekafs",
    "panfs",
    "davfs",
    "s3fs",
    "ncpfs",
    "coda",
    "daos",
];

/// FUSE filesystems that serve what is on this box.
const LOCAL_FUSE: [&str; 8] = [
    "fuse.lxcfs",
    "fuse.portal",
    "fuse.gvfsd-fuse",
    "fuse.fuse-overlayfs",
    "fuse.squashfuse",
    "fuse.squashfuse_ll",
    "fuse.mergerfs",
    "fuse.bindfs",
];

/// Whether another machine serves a filesystem of this type, as far as the type tells.
pub fn is_remote(filesystem: &str) -> bool {
    REMOTE.contains(&filesystem)
        || (filesystem.starts_with("fuse.") && !LOCAL_FUSE.contains(&filesystem))
}

/// The mounts that mltop sees, re-read when the kernel's list changed.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    bytes: Vec<u8>,
    list: Vec<Mount>,
}

impl Mounts {
    /// Reads the list again. True where it differs from the time before.
    pub(super) fn refresh(&mut self, roots: &Roots, slurp: &mut Slurp) -> bool {
        // Where it cannot be read, the list is empty: what was mounted once may be gone.
        let bytes = slurp.bytes(&roots.proc.join("self/mountinfo")).unwrap_or_default();
        if bytes == self.bytes {
            return false;
        }
        bytes.clone_into(&mut self.bytes);
        self.list = parse(&String::from_utf8_lossy(&self.bytes));
        true
    }

    pub(super) fn list(&self) -> &[Mount] {
        &self.list
    }
}

/// Where the files of a mount are that a process sees, by the mount's id in `fdinfo`: a process in a
/// container has mounts that mltop does not see. `folder` is that of the process. `None` where
/// neither list has it.
pub fn storage_of(roots: &Roots, folder: &Path, id: u64) -> Option<Storage> {
    let mut slurp = Slurp::default();
    let mut mounts = Mounts::default();
    mounts.refresh(roots, &mut slurp);
    // The kernel gives every mount of every namespace a number of its own.
    if let Some(mount) = mounts.list.iter().find(|mount| mount.id == id) {
        return Some(describe(roots, &mounts.list, mount));
    }
    let bytes = slurp.bytes(&folder.join("mountinfo")).ok()?;
    let theirs = parse(&String::from_utf8_lossy(bytes));
    let mount = theirs.iter().find(|mount| mount.id == id)?;
    Some(describe(roots, &mounts.list, mount))
}

fn describe(roots: &Roots, ours: &[Mount], mount: &Mount) -> Storage {
    let behind = behind(ours, mount);
    let remote = is_remote(behind.map_or(&mount.filesystem, |mount| &mount.filesystem));
    let disk = behind.filter(|_| !remote).and_then(|mount| disk_of_mount(roots, mount));
    Storage {
        mount: clean(mount.point.as_os_str().as_encoded_bytes(), 256),
        filesystem: clean(mount.filesystem.as_bytes(), 32),
        disk,
        remote,
    }
}

/// The mount that holds the data: for an overlay that of its writable layer, where it is seen.
fn behind<'a>(ours: &'a [Mount], mount: &'a Mount) -> Option<&'a Mount> {
    if &*mount.filesystem != "overlay" {
        return Some(mount);
    }
    // An overlay's options name paths in the mount namespace that made it. At `/` that was not
    // ours but that of the box around the container. The same overlay may be seen in our list
    // under another path, and then the options speak of our own paths.
    let seen = ours.iter().find(|other| {
        other.device == mount.device && other.upper.is_some() && other.point != Path::new("/")
    })?;
    let upper = seen.upper.as_deref()?;
    let parent = ours
        .iter()
        .filter(|other| upper.starts_with(&other.point))
        .max_by_key(|other| other.point.as_os_str().len())?;
    (&*parent.filesystem != "overlay").then_some(parent)
}

/// The whole disk under a mount, by its kernel name.
fn disk_of_mount(roots: &Roots, mount: &Mount) -> Option<Box<str>> {
    let (major, _) = mount.device.split_once(':')?;
    if major != "0" {
        return whole_disk(roots, &mount.device);
    }
    // btrfs and its like have a device number of their own; the source names one of their disks.
    let node = mount.source.strip_prefix("/dev/")?;
    whole_disk_by_name(roots, &device_name(roots, node)?)
}

/// The kernel name of a node below `/dev`: `mapper/data` is a link to `dm-0`.
fn device_name(roots: &Roots, node: &str) -> Option<Box<str>> {
    if node.split('/').any(|part| part == "..") {
        return None;
    }
    let link = std::fs::read_link(roots.dev.join(node));
    let target = link.unwrap_or_else(|_| PathBuf::from(node));
    file_name(&target)
}

/// The whole disk that `major:minor` is, or is a partition of.
pub(super) fn whole_disk(roots: &Roots, device: &str) -> Option<Box<str>> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (major, minor) = device.split_once(':')?;
    if !is_number(major) || !is_number(minor) {
        return None;
    }
    disk_of_link(&roots.sys.join("dev/block").join(device))
}

/// The whole disk that the block device `name` is, or is a partition of.
pub(super) fn whole_disk_by_name(roots: &Roots, name: &str) -> Option<Box<str>> {
    if name.contains('/') || name.starts_with('.') {
        return None;
    }
    disk_of_link(&roots.sys.join("class/block").join(name))
}

/// In `/sys/devices` a partition's folder stands in that of its disk.
fn disk_of_link(link: &Path) -> Option<Box<str>> {
    let target = std::fs::read_link(link).ok()?;
    if link.join("partition").exists() {
        return file_name(target.parent()?);
    }
    file_name(&target)
}

fn file_name(path: &Path) -> Option<Box<str>> {
    path.file_name().map(|name| clean(name.as_encoded_bytes(), 64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_blank_in_a_mount_point_is_undone() {
        let line = "36 35 98:0 / /mnt/my\\040data rw shared:1 - ext4 /dev/sda1 rw\n";
        let mounts = parse(line);
        assert_eq!(mounts[0].point, Path::new("/mnt/my data"));
        assert_eq!(unescape("a\\04"), "a\\04");
        assert_eq!(unescape("\\777"), "\\777");
    }

    #[test]
    fn a_line_without_sense_costs_only_itself() {
        let text = "x\n36 35 98:0 / / rw - ext4 /dev/sda1 rw\n37 35 98:1 / /cut rw";
        assert_eq!(parse(text).len(), 1);
    }

    #[test]
    fn a_mount_point_that_is_not_utf8_costs_no_other_mount() {
        let root = tempfile::tempdir().unwrap();
        let roots = Roots::below(root.path());
        let own = roots.proc.join("self");
        std::fs::create_dir_all(&own).unwrap();
        let lines =
            b"36 1 0:9 / /mnt/caf\xe9 rw - nfs4 srv:/x rw\n37 1 0:8 / /b rw - tmpfs none rw\n";
        std::fs::write(own.join("mountinfo"), lines).unwrap();
        assert_eq!(storage_of(&roots, &own, 36).map(|storage| storage.remote), Some(true));
        assert_eq!(storage_of(&roots, &own, 37).map(|storage| storage.mount), Some("/b".into()));
    }

    #[test]
    fn network_filesystems_are_told_from_local_ones() {
        for remote in ["nfs4", "lustre", "fuse.sshfs", "fuse.gcsfuse", "fuse", "9p"] {
            assert!(is_remote(remote), "{remote}");
        }
        for local in ["ext4", "xfs", "fuseblk", "zfs", "overlay", "fuse.squashfuse", "tmpfs"] {
            assert!(!is_remote(local), "{local}");
        }
    }

    proptest! {
        #[test]
        fn any_mountinfo_is_read_without_panic(text in "([0-9]{1,12} |[0-9]+:[0-9]+ |/[a-z\\\\0-9]{0,6} |- |rw,upperdir=/x |overlay |\n|Ω){0,40}") {
            for mount in parse(&text) {
                prop_assert!(!mount.device.is_empty());
            }
        }

        #[test]
        fn any_escape_is_undone_without_panic(text in "[\\\\0-9aä]{0,40}") {
            unescape(&text);
        }
    }
}
