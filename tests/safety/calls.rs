//! Which system calls could harm a training, in lines of `strace -f -y`.

use std::collections::BTreeSet;

/// What is traced.
pub(crate) const TRACED: &str = "trace=ptrace,process_vm_writev,process_madvise,process_mrelease,\
    kill,tgkill,tkill,pidfd_send_signal,rt_sigqueueinfo,rt_tgsigqueueinfo,pidfd_getfd,\
    open,openat,openat2,creat,truncate,unlink,unlinkat,rename,renameat,renameat2,chmod,fchmodat,\
    read,readv,pread64,write,writev,pwrite64,splice,vmsplice,tee,sendfile,fcntl,ftruncate,\
    prlimit64,setpriority,ioprio_set,sched_setaffinity,sched_setscheduler,sched_setattr,\
    move_pages,migrate_pages";

/// Calls that have no place in a program that only looks.
const NEVER: [&str; 11] = [
    "ptrace",
    "process_vm_writev",
    "process_madvise",
    "process_mrelease",
    "pidfd_send_signal",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    "pidfd_getfd",
    "vmsplice",
    "move_pages",
    "migrate_pages",
];
/// Calls that would change a process that is named by its id.
const BY_PID: [&str; 9] = [
    "kill",
    "tkill",
    "tgkill",
    "prlimit64",
    "setpriority",
    "ioprio_set",
    "sched_setaffinity",
    "sched_setscheduler",
    "sched_setattr",
];
/// Calls that put something into a descriptor or take it out. `tee` only copies.
const AT_PIPE: [&str; 9] =
    ["read", "readv", "pread64", "write", "writev", "pwrite64", "splice", "sendfile", "ftruncate"];
/// Calls that change what a path names.
const AT_PATH: [&str; 9] = [
    "creat",
    "truncate",
    "unlink",
    "unlinkat",
    "rename",
    "renameat",
    "renameat2",
    "chmod",
    "fchmodat",
];

/// Why a call could harm the training, whose processes and pipes these are.
pub(crate) fn harm(line: &str, family: &BTreeSet<u32>, pipes: &BTreeSet<String>) -> Option<String> {
    // "PID name(arguments) = result"
    let (_, call) = line.split_once(' ')?;
    let (name, arguments) = call.trim_start().split_once('(')?;
    let of_family = |word: &str| word.parse().is_ok_and(|pid| family.contains(&pid));
    let words = || arguments.split(|char: char| !char.is_ascii_alphanumeric() && char != '_');
    let at_pipe = pipes.iter().any(|pipe| arguments.contains(&**pipe));
    let below = arguments.split("/proc/").skip(1);
    let at_proc =
        below.into_iter().any(|path| of_family(path.split(['/', '"', '>']).next().unwrap_or("")));
    let bad = match name {
        _ if NEVER.contains(&name) => true,
        _ if BY_PID.contains(&name) => words().take(2).any(of_family),
        _ if AT_PIPE.contains(&name) => {
            at_pipe || at_proc && name != "read" && name != "pread64" && name != "readv"
        }
        _ if AT_PATH.contains(&name) => at_proc,
        // A copy of what is in the pipe, out of it and never into it.
        "tee" => {
            let (_, into) = arguments.split_once(',')?;
            pipes.iter().any(|pipe| into.contains(&**pipe))
        }
        "fcntl" => at_pipe && arguments.contains("F_SET"),
        "open" | "openat" | "openat2" => {
            let writes = ["O_WRONLY", "O_RDWR", "O_TRUNC", "O_CREAT", "O_APPEND"];
            (at_proc || at_pipe) && writes.iter().any(|flag| arguments.contains(flag))
        }
        _ => false,
    };
    bad.then(|| call.to_owned())
}

mod tests {
    use super::*;

    fn of(line: &str) -> bool {
        let pipes = BTreeSet::from(["pipe:[77]".to_owned()]);
        harm(&format!("901 {line}"), &BTreeSet::from([41]), &pipes).is_some()
    }

    #[test]
    fn what_could_harm_is_told_from_what_only_looks() {
        assert!(of("ptrace(PTRACE_SEIZE, 41, NULL, 0) = 0"));
        assert!(of("kill(41, SIGSTOP) = 0"));
        assert!(!of("kill(42, SIGTERM) = 0"));
        assert!(of("sched_setattr(41, {size=48, sched_policy=SCHED_FIFO}, 0) = 0"));
        assert!(!of("sched_setattr(0, {size=48, sched_policy=SCHED_FIFO}, 0) = 0"));
        assert!(of("openat(AT_FDCWD</x>, \"/proc/41/mem\", O_RDWR|O_CLOEXEC) = 5</proc/41/mem>"));
        assert!(!of("openat(AT_FDCWD</x>, \"/proc/41/mem\", O_RDONLY) = 5</proc/41/mem>"));
        assert!(!of("openat(AT_FDCWD</x>, \"/proc/41/fd/9\", O_RDONLY|O_NONBLOCK) = 5<pipe:[77]>"));
        assert!(of("openat(AT_FDCWD</x>, \"/proc/41/fd/9\", O_WRONLY) = 5<pipe:[77]>"));
        assert!(of("read(5<pipe:[77]>, \"\"..., 4096) = 4"));
        assert!(!of("read(6<pipe:[78]>, \"\"..., 4096) = 4"));
        assert!(!of("tee(5<pipe:[77]>, 7<pipe:[78]>, 65536, SPLICE_F_NONBLOCK) = 4"));
        assert!(of("tee(7<pipe:[78]>, 5<pipe:[77]>, 65536, SPLICE_F_NONBLOCK) = 4"));
        assert!(of("splice(5<pipe:[77]>, NULL, 7<pipe:[78]>, NULL, 65536, 0) = 4"));
        assert!(of("fcntl(5<pipe:[77]>, F_SETPIPE_SZ, 1048576) = 1048576"));
        assert!(of("write(5</proc/41/oom_score_adj>, \"\"..., 1) = 1"));
    }
}
