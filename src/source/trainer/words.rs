//! Names and dates of processes.

use std::collections::BTreeMap;

use crate::model::inventory::{SourceState, SourceStatus};
use crate::source::loader::proc::read_capped;
use crate::source::root::Roots;

use crate::source::text::clean;

/// User names by number. Only the file: asking a directory server could block.
pub(super) fn users(roots: &Roots) -> BTreeMap<u32, Box<str>> {
    let bytes = read_capped(&roots.etc.join("passwd"), 4 << 20).unwrap_or_default();
    let lines = bytes.split(|&byte| byte == b'\n').take(100_000);
    lines.filter_map(user).collect()
}

/// `name:x:uid:…`
fn user(line: &[u8]) -> Option<(u32, Box<str>)> {
    let mut words = line.split(|&byte| byte == b':');
    let name = clean(words.next()?, 32);
    let uid = std::str::from_utf8(words.nth(1)?).ok()?.parse().ok()?;
    Some((uid, name))
}

/// The kernel's number of the first pid namespace (`PROC_PID_INIT_INO`).
const FIRST_NAMESPACE: &str = "pid:[4026531836]";

/// Whether mltop runs in a pid namespace below the host's. False where the kernel does not tell.
pub(super) fn is_contained(roots: &Roots) -> bool {
    let link = std::fs::read_link(roots.proc.join("self/ns/pid"));
    link.is_ok_and(|target| target.as_os_str() != FIRST_NAMESPACE)
}

/// When the box was booted, in milliseconds since the Unix epoch.
pub(super) fn boot_ms(roots: &Roots) -> Option<i64> {
    let bytes = read_capped(&roots.proc.join("stat"), 4 << 20).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().find_map(|line| line.strip_prefix("btime "));
    line?.trim().parse::<i64>().ok()?.checked_mul(1000)
}

/// A status of this source.
pub(super) fn status(state: SourceState, message: &str, remedy: &str) -> SourceStatus {
    SourceStatus {
        source: "trainers".into(),
        state,
        message: message.into(),
        remedy: remedy.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_that_is_not_told_is_no_time_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let roots = Roots { proc: folder.path().into(), ..Roots::default() };
        assert_eq!(boot_ms(&roots), None);
        std::fs::write(folder.path().join("stat"), "cpu 1 2\nbtime 1700000000\n").unwrap();
        assert_eq!(boot_ms(&roots), Some(1_700_000_000_000));
        std::fs::write(folder.path().join("stat"), "btime 9223372036854775807\n").unwrap();
        assert_eq!(boot_ms(&roots), None);
    }

    #[test]
    fn a_user_is_named_by_the_first_word_of_the_line() {
        assert_eq!(user(b"alice:x:1000:1000::/home/alice:/bin/sh"), Some((1000, "alice".into())));
        assert_eq!(user(b"# nothing"), None);
    }
}
