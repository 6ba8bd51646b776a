//! Which filesystems a loader's files are on, without touching the files: a path may be on a dead
//! NFS server, while `fdinfo` and `mountinfo` always answer.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::path::Path;

use crate::model::inventory::Storage;
use crate::source::root::Roots;

use super::discover::{access_mode, field};
use super::proc::read_capped;

/// Descriptors of one worker looked at in one go.
const FD_CAP: usize = 512;
/// Mounts believed of one namespace.
const MOUNTINFO_CAP: usize = 1 << 20;

/// Filesystems that another machine or a process serves.
const REMOTE: &[&str] = &[
    "nfs",
    "nfs4",
    "lustre",
    "ceph",
    "cifs",
    "smb3",
    "glusterfs",
    "beegfs",
    "gpfs",
    "9p",
    "afs",
    "virtiofs",
    "orangefs",
    "ocfs2",
    "gfs2",
    "wekafs",
    "davfs",
];

/// Where the files are that were seen open, by how often.
#[derive(Clone, Debug, Default)]
pub(super) struct Files {
    seen: BTreeMap<u64, u64>,
    known: BTreeMap<u64, Storage>,
}

impl Files {
    /// Counts the files that a process has open for reading. True where a mount is new.
    pub(super) fn look(&mut self, roots: &Roots, folder: &Path) -> bool {
        let Ok(entries) = fs::read_dir(folder.join("fd")) else { return false };
        let mut fresh = false;
        for entry in entries.take(FD_CAP).flatten() {
            let Ok(target) = fs::read_link(entry.path()) else { continue };
            if !target.has_root() || target.starts_with("/dev") || target.starts_with("/memfd:") {
                continue;
            }
            let info = folder.join("fdinfo").join(entry.file_name());
            let Ok(info) = read_capped(&info, 4096) else { continue };
            let mount = field(&info, "mnt_id:").and_then(|id| id.parse().ok());
            let Some(mount) = mount.filter(|_| access_mode(&info).is_some_and(|mode| mode != 1))
            else {
                continue;
            };
            *self.seen.entry(mount).or_default() += 1;
            if let Entry::Vacant(place) = self.known.entry(mount)
                && let Some(storage) = resolve(roots, folder, mount)
            {
                place.insert(storage);
                fresh = true;
            }
        }
        fresh
    }

    /// The filesystems, the most used first.
    pub(super) fn list(&self) -> Vec<Storage> {
        let mut mounts: Vec<_> = self.seen.iter().map(|(id, count)| (count, id)).collect();
        mounts.sort_by(|a, b| b.cmp(a));
        mounts.into_iter().filter_map(|(_, id)| self.known.get(id).cloned()).take(8).collect()
    }

    /// Whether the most used one is served by another machine.
    pub(super) fn remote(&self) -> bool {
        let most = self.seen.iter().max_by_key(|(_, count)| **count);
        most.and_then(|(id, _)| self.known.get(id)).is_some_and(|storage| storage.remote)
    }
}

fn resolve(roots: &Roots, folder: &Path, mount: u64) -> Option<Storage> {
    let text = read_capped(&folder.join("mountinfo"), MOUNTINFO_CAP).ok()?;
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().filter_map(parse_mount).find(|line| line.id == mount)?;
    Some(Storage {
        disk: whole_disk(roots, line.device, &line.source),
        remote: REMOTE.contains(&&*line.filesystem) || line.filesystem.starts_with("fuse"),
        mount: line.point,
        filesystem: line.filesystem,
    })
}

#[derive(Debug, PartialEq, Eq)]
struct Mount<'a> {
    id: u64,
    device: &'a str,
    point: Box<str>,
    filesystem: Box<str>,
    source: Box<str>,
}

/// `36 35 98:0 /root /mount/point rw,noatime master:1 - ext3 /dev/root rw`
fn parse_mount(line: &str) -> Option<Mount<'_>> {
    let (front, back) = line.split_once(" - ")?;
    let mut front = front.split(' ');
    let id = front.next()?.parse().ok()?;
    let device = front.nth(1)?;
    let point = front.nth(1)?;
    let mut back = back.split(' ');
    Some(Mount {
        id,
        device,
        point: plain(point),
        filesystem: plain(back.next()?),
        source: plain(back.next().unwrap_or_default()),
    })
}

/// mountinfo writes spaces and backslashes as octal; what is no printable character is dropped.
fn plain(text: &str) -> Box<str> {
    let text = text.replace("\\040", " ").replace("\\134", "\\");
    let text: String = text.chars().filter(|c| !c.is_control()).take(256).collect();
    text.into()
}

/// The whole disk of `major:minor`, or of the device that a filesystem without one (btrfs) is on.
fn whole_disk(roots: &Roots, device: &str, source: &str) -> Option<Box<str>> {
    let numbered = device.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    let by_number = roots.sys.join("dev/block").join(device);
    let by_name = source.strip_prefix("/dev/").filter(|name| !name.contains(['/', '.']));
    let folder = fs::canonicalize(numbered.then_some(by_number)?)
        .ok()
        .or_else(|| fs::canonicalize(roots.sys.join("class/block").join(by_name?)).ok())?;
    let disk = if folder.join("partition").exists() { folder.parent()? } else { &folder };
    Some(plain(disk.file_name()?.to_str()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_mount_is_read_whatever_optional_fields_it_has() {
        let line = "36 35 98:1 / /data\\040sets rw,noatime master:1 shared:2 - nfs4 srv:/x rw";
        let mount = parse_mount(line).unwrap();
        assert_eq!((mount.id, mount.device), (36, "98:1"));
        assert_eq!((&*mount.point, &*mount.filesystem), ("/data sets", "nfs4"));
        assert!(parse_mount("36 35 98:1 / /x rw shared:2").is_none());
    }

    #[test]
    fn a_partition_belongs_to_its_disk() {
        let root = tempfile::tempdir().unwrap();
        let part = root.path().join("sys/devices/nvme0n1/nvme0n1p2");
        fs::create_dir_all(&part).unwrap();
        fs::write(part.join("partition"), "2").unwrap();
        fs::create_dir_all(root.path().join("sys/dev/block")).unwrap();
        std::os::unix::fs::symlink(&part, root.path().join("sys/dev/block/259:2")).unwrap();
        let roots = Roots::below(root.path());
        assert_eq!(whole_disk(&roots, "259:2", "/dev/x").as_deref(), Some("nvme0n1"));
        assert_eq!(whole_disk(&roots, "0:44", "srv:/x"), None);
        assert_eq!(whole_disk(&roots, "../../..", "/dev/../etc"), None);
    }

    #[test]
    fn a_file_that_we_read_is_found_on_a_mount() {
        let _open = fs::File::open("Cargo.toml").unwrap();
        let mut files = Files::default();
        files.look(&Roots::default(), Path::new("/proc/self"));
        assert!(!files.list().is_empty());
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_refused(line in ".{0,200}") {
            let _ = parse_mount(&line);
        }
    }
}
