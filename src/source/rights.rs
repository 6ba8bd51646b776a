//! Whether this program has rights that its user has not.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::model::Pid;

use super::loader::discover::field;
use super::root::Roots;

/// `CAP_SYS_PTRACE`, as a bit of `CapEff` in `/proc/self/status`.
const SYS_PTRACE: u64 = 1 << 19;

/// Whether a file capability lets whoever runs this program read any process. Root has the right of
/// its own.
pub(crate) fn by_file_capability(roots: &Roots) -> bool {
    if rustix::process::getuid().is_root() || rustix::process::geteuid().is_root() {
        return false;
    }
    fs::read(roots.proc.join("self/status")).is_ok_and(|status| {
        let effective = field(&status, "CapEff:");
        effective.and_then(|bits| u64::from_str_radix(bits, 16).ok()).is_some_and(has_ptrace)
    })
}

const fn has_ptrace(bits: u64) -> bool {
    bits & SYS_PTRACE != 0
}

/// Whether a process may be served: with a file capability only one of our own user, for the file's
/// owner lent the right to read, and not to show it to everybody.
pub(crate) fn may_serve(roots: &Roots, pid: Pid) -> bool {
    let owner = fs::metadata(super::loader::proc::folder(&roots.proc, pid)).map(|data| data.uid());
    !by_file_capability(roots)
        || owner.is_ok_and(|owner| owner == rustix::process::getuid().as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bit_of_the_kernel_is_the_one_that_counts() {
        assert!(has_ptrace(0x0000_0000_0008_0000));
        assert!(!has_ptrace(0x0000_0000_0000_2000));
    }

    #[test]
    fn our_own_process_may_be_served() {
        assert!(may_serve(&Roots::default(), Pid(std::process::id())));
    }
}
