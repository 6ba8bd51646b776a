//! A slow disk, made by the kernel's own limit on what a control group may read.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A control group with a limit on reads. It ends with the value, once nothing is in it.
pub(crate) struct Throttle {
    folder: PathBuf,
}

impl Throttle {
    /// A group that may read so many bytes a second from the disk that `files` is on; `None`, with a
    /// word on why, where this machine does not allow it.
    pub(crate) fn new(files: &Path, bytes_per_second: u64) -> Option<Self> {
        let disk = whole_disk(files)?;
        let name = format!("mltop-test-{}", std::process::id());
        let v1 = Path::new("/sys/fs/cgroup/blkio").join(&name);
        let v2 = Path::new("/sys/fs/cgroup").join(&name);
        let limits = [
            (v1, "blkio.throttle.read_bps_device", format!("{disk} {bytes_per_second}")),
            (v2, "io.max", format!("{disk} rbps={bytes_per_second}")),
        ];
        for (folder, file, limit) in limits {
            if fs::create_dir(&folder).is_ok() {
                if fs::write(folder.join(file), &limit).is_ok() {
                    return Some(Self { folder });
                }
                let _ = fs::remove_dir(&folder);
            }
        }
        println!("skipped: no control group here can limit reads of disk {disk}");
        None
    }

    /// Puts a process, and those that it will start, under the limit.
    pub(crate) fn hold(&self, pid: u32) {
        fs::write(self.folder.join("cgroup.procs"), pid.to_string()).unwrap();
    }
}

impl Drop for Throttle {
    fn drop(&mut self) {
        for _ in 0..50 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }
}

/// `major:minor` of the whole disk behind a path.
pub(crate) fn whole_disk(path: &Path) -> Option<String> {
    let device = fs::metadata(path).ok()?.dev();
    let number = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    let Ok(entry) = fs::canonicalize(format!("/sys/dev/block/{number}")) else {
        println!("skipped: {} is on no disk ({number})", path.display());
        return None;
    };
    let whole = if entry.join("partition").exists() { entry.parent()?.to_owned() } else { entry };
    Some(fs::read_to_string(whole.join("dev")).ok()?.trim().to_owned())
}
