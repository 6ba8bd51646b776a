//! A way into state D: whoever writes into a frozen filesystem waits in the kernel.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use mltop::model::Pid;

/// A filesystem that takes no writes, whose writers sit in the kernel out of reach of any signal.
pub(crate) struct Frozen {
    folder: tempfile::TempDir,
}

impl Frozen {
    fn run(program: &str, args: &[&str]) -> bool {
        Command::new(program).args(args).output().is_ok_and(|output| output.status.success())
    }

    /// A mounted and frozen one; `None` where that is not allowed.
    pub(crate) fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        let mount = folder.path().join("mount");
        fs::create_dir(&mount).unwrap();
        fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
        let (image, at) = (image.to_str()?, mount.to_str()?);
        let made = Self::run("mkfs.ext4", &["-q", "-F", image])
            && Self::run("mount", &["-o", "loop", image, at]);
        let frozen = Self { folder };
        if !made {
            return None;
        }
        fs::write(mount.join("file"), "").unwrap();
        Self::run("fsfreeze", &["-f", at]).then_some(frozen)
    }

    /// Where it is mounted.
    pub(crate) fn mount(&self) -> PathBuf {
        self.folder.path().join("mount")
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let mount = self.mount();
        let at = mount.to_str().unwrap_or_default();
        Self::run("fsfreeze", &["-u", at]);
        for _ in 0..100 {
            if Self::run("umount", &[at]) || !Self::run("mountpoint", &["-q", at]) {
                return;
            }
            sleep(Duration::from_millis(50));
        }
    }
}

/// Whether a thread of the process is in state D.
pub(crate) fn stuck_in_the_kernel(pid: Pid) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    threads.filter_map(Result::ok).any(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('D'))
    })
}
