//! Where the machine is read from: the real roots, or a simulated machine in a folder.

use std::path::PathBuf;

/// The roots of everything that is read from the kernel.
#[derive(Clone, Debug)]
pub struct Roots {
    /// `/proc`
    pub proc: PathBuf,
    /// `/sys`
    pub sys: PathBuf,
    /// `/dev`
    pub dev: PathBuf,
    /// `/etc`
    pub etc: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self { proc: "/proc".into(), sys: "/sys".into(), dev: "/dev".into(), etc: "/etc".into() }
    }
}

impl Roots {
    /// A machine that is a folder with `proc`, `sys`, `dev` and `etc` in it.
    pub fn below(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        Self {
            proc: root.join("proc"),
            sys: root.join("sys"),
            dev: root.join("dev"),
            etc: root.join("etc"),
        }
    }
}
