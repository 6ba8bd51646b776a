//! Which filesystems a loader's files are on, without touching the files: a path may be on a dead
//! NFS server, while `fdinfo` and `mountinfo` always answer.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::path::Path;

use crate::model::inventory::Storage;
use crate::source::mounts::storage_of;
use crate::source::root::Roots;

use super::discover::{access_mode, field};
use super::proc::read_capped;

/// Descriptors of one worker looked at in one go.
const FD_CAP: usize = 512;
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
                && let Some(storage) = storage_of(roots, folder, mount)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_we_read_is_found_on_a_mount() {
        let _open = fs::File::open("Cargo.toml").unwrap();
        let mut files = Files::default();
        files.look(&Roots::default(), Path::new("/proc/self"));
        assert!(!files.list().is_empty());
    }
}
