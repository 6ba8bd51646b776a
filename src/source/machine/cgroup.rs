//! Control groups: which a process is in, and what its name tells about the container.

use super::file::{Slurp, whole_lines};
use crate::model::id::Pid;
use crate::model::reading::{Gap, Reading};
use crate::source::Roots;
use crate::source::text::clean;

/// The longest path that is kept.
pub(super) const LONGEST: usize = 1024;

/// The control group of a process, as its path below the hierarchy that has the CPU controller.
/// `Denied` and `Lost` as the kernel says; `Unsupported` where there are no control groups.
pub fn cgroup_of(roots: &Roots, pid: Pid) -> Reading<Box<str>> {
    let path = roots.proc.join(pid.to_string()).join("cgroup");
    let mut slurp = Slurp::default();
    match slurp.bytes(&path) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            path_with(&text, "cpu").or(path_with(&text, ""))
        }
        // A process without the file is one on a kernel without control groups.
        Err(Gap::Lost) if roots.proc.join(pid.to_string()).is_dir() => {
            Reading::Not(Gap::Unsupported)
        }
        Err(gap) => Reading::Not(gap),
    }
}

/// The path in the hierarchy of one controller; the empty name is the hierarchy of version 2.
pub(super) fn path_with(text: &str, controller: &str) -> Reading<Box<str>> {
    let mut hierarchies = 0;
    for line in whole_lines(text) {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        if !path.starts_with('/') {
            continue;
        }
        hierarchies += 1;
        if controllers.split(',').any(|name| name == controller) {
            return Reading::Is(clean(path.as_bytes(), LONGEST));
        }
    }
    Reading::Not(if hierarchies == 0 { Gap::Failed } else { Gap::Unsupported })
}

/// The container or batch job behind a control group, in a few words: `docker 4f2a91c07b3e`,
/// `kubernetes 4f2a91c07b3e`, `slurm job 4711`. `None` where the path tells of none.
pub fn container_of(cgroup: &str) -> Option<Box<str>> {
    let parts: Vec<&str> = cgroup.split('/').filter(|part| !part.is_empty()).collect();
    if let Some(job) = slurm_job(&parts) {
        return Some(format!("slurm job {job}").into());
    }
    let in_pod = parts.iter().any(|part| part.starts_with("kubepods"));
    // The innermost group is the container; those above are the pod and the classes of service.
    for (index, part) in parts.iter().enumerate().rev() {
        let above = index.checked_sub(1).map_or("", |above| parts[above]);
        if let Some((engine, id)) = engine_and_id(part, above) {
            let engine = if in_pod { "kubernetes" } else { engine };
            return Some(format!("{engine} {}", &id[..12]).into());
        }
        if let Some(name) = lxc_name(part, above) {
            return Some(format!("lxc {name}").into());
        }
    }
    None
}

/// How engines name the scope of a container: a prefix, then 64 hexadecimal digits.
const SCOPES: [(&str, &str); 6] = [
    ("docker-", "docker"),
    ("cri-containerd-", "containerd"),
    ("nerdctl-", "containerd"),
    ("containerd-", "containerd"),
    ("crio-", "cri-o"),
    ("libpod-", "podman"),
];

fn engine_and_id<'a>(part: &'a str, above: &str) -> Option<(&'static str, &'a str)> {
    // systemd with containerd in a pod: `…slice:cri-containerd:<id>`.
    let part = part.rsplit(':').next()?;
    let part = part.strip_suffix(".scope").unwrap_or(part);
    for (prefix, engine) in SCOPES {
        if let Some(id) = part.strip_prefix(prefix).filter(|id| is_id(id)) {
            return Some((engine, id));
        }
    }
    if !is_id(part) {
        return None;
    }
    Some(match above {
        "docker" => ("docker", part),
        "libpod_parent" | "libpod" => ("podman", part),
        _ => ("container", part),
    })
}

fn is_id(text: &str) -> bool {
    (32..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn lxc_name(part: &str, above: &str) -> Option<Box<str>> {
    let name = if above == "lxc" { Some(part) } else { part.strip_prefix("lxc.payload.") };
    name.filter(|name| !name.is_empty()).map(|name| clean(name.as_bytes(), 40))
}

fn slurm_job<'a>(parts: &[&'a str]) -> Option<&'a str> {
    parts.iter().any(|part| part.starts_with("slurm")).then_some(())?;
    let job = parts.iter().find_map(|part| part.strip_prefix("job_"))?;
    let is_number = !job.is_empty() && job.len() <= 20 && job.bytes().all(|b| b.is_ascii_digit());
    is_number.then_some(job)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "4f2a91c07b3e4f2a91c07b3e4f2a91c07b3e4f2a91c07b3e4f2a91c07b3e4f2a";

    #[test]
    fn containers_are_known_by_their_control_group() {
        let cases = [
            (format!("/docker/{ID}"), "docker 4f2a91c07b3e"),
            (format!("/system.slice/docker-{ID}.scope"), "docker 4f2a91c07b3e"),
            (format!("/kubepods/burstable/pod12-34/{ID}"), "kubernetes 4f2a91c07b3e"),
            (
                format!("/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope"),
                "kubernetes 4f2a91c07b3e",
            ),
            (
                format!("/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:{ID}"),
                "kubernetes 4f2a91c07b3e",
            ),
            (format!("/machine.slice/libpod-{ID}.scope/container"), "podman 4f2a91c07b3e"),
            ("/system.slice/slurmstepd.scope/job_4711/step_0/user".into(), "slurm job 4711"),
            ("/slurm/uid_1000/job_12/step_batch".into(), "slurm job 12"),
            ("/lxc.payload.train/init.scope".into(), "lxc train"),
        ];
        for (path, wanted) in &cases {
            assert_eq!(container_of(path).as_deref(), Some(*wanted), "{path}");
        }
    }

    #[test]
    fn an_ordinary_login_is_no_container() {
        for path in ["/", "/user.slice/user-1000.slice/session-2.scope", "/init.scope", ""] {
            assert_eq!(container_of(path), None, "{path}");
        }
    }

    #[test]
    fn the_hierarchy_with_the_cpu_controller_decides() {
        let hybrid = "4:memory:/a\n2:cpu,cpuacct:/b\n1:cpuset:/c\n0::/d\n";
        assert_eq!(path_with(hybrid, "cpu"), Reading::Is("/b".into()));
        assert_eq!(path_with(hybrid, ""), Reading::Is("/d".into()));
        assert_eq!(path_with("0::/d\n", "cpu"), Reading::Not(Gap::Unsupported));
        assert_eq!(path_with("nonsense\n", "cpu"), Reading::Not(Gap::Failed));
    }

    #[test]
    fn a_path_may_hold_colons() {
        assert_eq!(path_with("0::/a:b:c\n", ""), Reading::Is("/a:b:c".into()));
    }

    proptest! {
        #[test]
        fn any_path_is_judged_without_panic(path in "[/a-f0-9.:äkubepodslxc_-]{0,120}") {
            container_of(&path);
        }

        #[test]
        fn any_membership_is_read_without_panic(text in "([0-9]:|cpu|,|:|/x|\n|Ω){0,40}") {
            path_with(&text, "cpu");
        }
    }
}
