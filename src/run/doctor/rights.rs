//! What this user may read of other processes, and what would allow more.

use std::fs;

use super::{Check, Mark};
use crate::source::Roots;
use crate::source::rights::by_file_capability;

/// Said last, for it opens more than it seems to.
const SETCAP: &str = "→ last of all: sudo setcap cap_sys_ptrace+ep mltop; with it every user who may \
                      run that file could read any process through it, so mltop then serves only \
                      its own user's";

pub(super) fn check(roots: &Roots) -> Check {
    let root = rustix::process::geteuid().is_root();
    let scope = fs::read_to_string(roots.proc.join("sys/kernel/yama/ptrace_scope"));
    let scope = scope.ok().and_then(|text| text.trim().parse::<u8>().ok()).unwrap_or(0);
    said(root, scope, by_file_capability(roots))
}

fn said(root: bool, scope: u8, capable: bool) -> Check {
    let what = "rights".to_owned();
    let others = "for those of others: sudo mltop".to_owned();
    match (root, capable, scope) {
        (true, _, 3..) => Check {
            mark: Mark::Part,
            what,
            finding:
                "root: every process can be read, but the memory of none (Yama ptrace_scope 3)"
                    .into(),
            remedy: "set kernel.yama.ptrace_scope below 3 and boot".into(),
            ..Check::default()
        },
        (true, ..) => Check {
            mark: Mark::Yes,
            what,
            finding: "root: every process can be read, its memory too".into(),
            ..Check::default()
        },
        (false, true, _) => Check {
            mark: Mark::Part,
            what,
            finding: "by file capability, which serves only processes of your own user".into(),
            remedy: others,
            ..Check::default()
        },
        (false, false, 0) => Check {
            mark: Mark::Part,
            what,
            finding: "processes of your own user can be read, their memory too".into(),
            remedy: others,
            ..Check::default()
        },
        (false, false, scope) => Check {
            mark: Mark::Part,
            what,
            finding: format!(
                "pipes, semaphores and states of your own processes can be read; their memory, which \
                 tells more, {} (Yama ptrace_scope {scope})",
                match scope {
                    1 => "only where mltop run started them",
                    2 => "only by root",
                    _ => "by nobody until the next boot",
                }
            ),
            remedy: if scope < 3 { "sudo mltop".into() } else { String::new() },
            more: match scope {
                1 => vec![
                    "→ or, until the next boot: sudo sysctl kernel.yama.ptrace_scope=0".into(),
                    "→ or, at the next start: mltop run -- python train.py".into(),
                    SETCAP.into(),
                ],
                2 => vec![SETCAP.into()],
                _ => Vec::new(),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(root: bool, scope: u8, capable: bool) -> String {
        let check = said(root, scope, capable);
        format!("{}\n{}\n{}", check.finding, check.remedy, check.more.join("\n"))
    }

    #[test]
    fn each_setting_of_yama_is_told_with_what_would_allow_more() {
        let open = lines(false, 0, false);
        assert!(open.contains("memory too") && !open.contains("ptrace_scope"), "{open}");
        let ancestors = lines(false, 1, false);
        for words in ["only where mltop run", "sudo mltop", "sysctl", "mltop run -- python"] {
            assert!(ancestors.contains(words), "{ancestors}");
        }
        let last = ancestors.lines().last().unwrap();
        assert!(last.contains("setcap") && last.contains("any process"), "{ancestors}");
        let admin = lines(false, 2, false);
        assert!(admin.contains("only by root") && !admin.contains("sysctl"), "{admin}");
        let nobody = lines(false, 3, false);
        assert!(nobody.contains("by nobody") && !nobody.contains('→'), "{nobody}");
    }

    #[test]
    fn root_may_read_all_but_memory_that_yama_shuts_for_everybody() {
        assert_eq!(said(true, 1, false).mark, Mark::Yes);
        assert!(lines(true, 3, false).contains("the memory of none"));
    }

    #[test]
    fn a_file_capability_is_said_to_serve_its_own_user_only() {
        assert!(lines(false, 1, true).contains("only processes of your own user"));
    }

    #[test]
    fn the_setting_is_read_where_the_machine_is() {
        let folder = tempfile::tempdir().unwrap();
        let yama = folder.path().join("sys/kernel/yama");
        fs::create_dir_all(&yama).unwrap();
        fs::write(yama.join("ptrace_scope"), "3\n").unwrap();
        let roots = Roots { proc: folder.path().to_owned(), ..Roots::default() };
        assert!(check(&roots).finding.contains("ptrace_scope 3"));
    }
}
