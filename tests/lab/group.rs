//! Limits of the kernel on what a training may use: its own control groups, version 1 or 2.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::throttle::whole_disk;

/// What a training may use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Limit {
    /// Bytes a second from the disk of its files.
    ReadBytes(u64),
    /// Reads a second from it.
    Reads(u64),
    /// Cores.
    Cores(f64),
    /// Bytes beyond what its processes hold themselves, that is page cache. Set once it runs.
    Cache(u64),
}

/// A training's control groups. They end with the value, once nothing is in them.
pub(crate) struct Group {
    folders: Vec<PathBuf>,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Group {
    /// Groups with these limits, or why this machine does not allow them.
    pub(crate) fn new(files: &Path, limits: &[Limit]) -> Result<Self, String> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("mltop-lab-{}-{number}", std::process::id());
        let mut group = Self { folders: Vec::new() };
        for limit in limits {
            group.set(&name, files, *limit)?;
        }
        Ok(group)
    }

    fn set(&mut self, name: &str, files: &Path, limit: Limit) -> Result<(), String> {
        let disk = || whole_disk(files).ok_or("its files are on no disk");
        // The controller and the file of version 1, the file of version 2, and what is written.
        let (controller, first, second, values) = match limit {
            Limit::ReadBytes(rate) => {
                let (file, disk) = ("blkio.throttle.read_bps_device", disk()?);
                ("blkio", file, "io.max", [format!("{disk} {rate}"), format!("{disk} rbps={rate}")])
            }
            Limit::Reads(rate) => {
                let (file, disk) = ("blkio.throttle.read_iops_device", disk()?);
                let values = [format!("{disk} {rate}"), format!("{disk} riops={rate}")];
                ("blkio", file, "io.max", values)
            }
            Limit::Cores(cores) => {
                let quota = (cores * 1e5) as u64;
                let values = [quota.to_string(), format!("{quota} 100000")];
                ("cpu", "cpu.cfs_quota_us", "cpu.max", values)
            }
            Limit::Cache(_) => {
                let values = ["-1".to_owned(), "max".to_owned()];
                ("memory", "memory.limit_in_bytes", "memory.max", values)
            }
        };
        let [old, new] = values;
        let v1 = Path::new("/sys/fs/cgroup").join(controller).join(name);
        let v2 = Path::new("/sys/fs/cgroup").join(name);
        for (folder, file, value) in [(v1, first, old), (v2, second, new)] {
            let is_new = fs::create_dir(&folder).is_ok();
            if (is_new || self.folders.contains(&folder))
                && fs::write(folder.join(file), value).is_ok()
            {
                if is_new {
                    self.folders.push(folder);
                }
                return Ok(());
            }
            if is_new {
                let _ = fs::remove_dir(&folder);
            }
        }
        Err(format!("no control group here can set {limit:?}"))
    }

    /// Puts a process, and those that it will start, into the groups.
    pub(crate) fn hold(&self, pid: u32) {
        for folder in &self.folders {
            fs::write(folder.join("cgroup.procs"), pid.to_string()).unwrap();
        }
    }

    /// Leaves so much memory beyond what the processes of the group hold now.
    pub(crate) fn leave(&self, bytes: u64) {
        for folder in &self.folders {
            let Ok(stat) = fs::read_to_string(folder.join("memory.stat")) else { continue };
            let of = |name: &str| -> Option<u64> {
                let line = stat.lines().find(|line| line.split(' ').next() == Some(name))?;
                line.split(' ').nth(1)?.parse().ok()
            };
            let held = of("total_rss").or_else(|| of("anon")).unwrap_or_default();
            let limit = (held + bytes).to_string();
            let v1 = fs::write(folder.join("memory.limit_in_bytes"), &limit);
            v1.or_else(|_| fs::write(folder.join("memory.max"), &limit)).unwrap();
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for folder in &self.folders {
            for _ in 0..50 {
                if fs::remove_dir(folder).is_ok() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    }
}
