//! The limits of control groups and how often they bind, for version 1, version 2, and both at once.
//!
//! A limit counts wherever it stands between the group and the root: the lowest one rules.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::cgroup::{LONGEST, path_with};
use super::cgroup_limits::{cpus_in, lowest_read_limit};
use super::file::{Slurp, value_of};
use crate::model::id::Pid;
use crate::model::reading::{Gap, Reading};
use crate::model::sample::CgroupSample;
use crate::source::Roots;
use crate::source::mounts::{Mount, parse};

/// Groups beyond this are not read.
const MOST_GROUPS: usize = 256;
/// Levels of a path beyond this are not walked.
const MOST_LEVELS: usize = 32;
/// Version 1 writes "no memory limit" as the largest number of pages that a long holds.
const NO_MEMORY_LIMIT: u64 = 1 << 60;

/// The controllers that are read.
const CONTROLLERS: [&str; 5] = ["cpu", "cpuacct", "cpuset", "memory", "blkio"];

/// Where a controller's hierarchy is mounted.
#[derive(Clone, Debug)]
struct Hierarchy {
    folder: PathBuf,
    /// What part of the hierarchy shows at the mount point; `/` but in containers.
    root: Box<str>,
    v2: bool,
}

/// The reader of control groups.
#[derive(Debug)]
pub struct Cgroups {
    roots: Roots,
    slurp: Slurp,
    mounts: String,
    hierarchies: BTreeMap<&'static str, Hierarchy>,
    /// For version 1: the path in each hierarchy of the groups that were learnt.
    elsewhere: BTreeMap<(Box<str>, &'static str), Box<str>>,
    /// The level whose quota ruled when the group was last read.
    ruling: BTreeMap<Box<str>, Box<str>>,
}

impl Cgroups {
    /// A reader that has read nothing yet.
    pub fn new(roots: Roots) -> Self {
        Self {
            roots,
            slurp: Slurp::default(),
            mounts: String::new(),
            hierarchies: BTreeMap::new(),
            elsewhere: BTreeMap::new(),
            ruling: BTreeMap::new(),
        }
    }

    /// The group of a process, and keeps where version 1 has put it in each hierarchy. Its name is
    /// the path in that of the CPU controller; where other hierarchies have other paths they follow
    /// it (`/ blkio:/slow`), so that two processes have one name only where all their limits are the
    /// same.
    pub fn learn(&mut self, pid: Pid) -> Reading<Box<str>> {
        let Reading::Is(path) = super::cgroup_of(&self.roots, pid) else {
            return super::cgroup_of(&self.roots, pid);
        };
        let file = self.roots.proc.join(pid.to_string()).join("cgroup");
        let text = self.slurp.text(&file).unwrap_or_default().to_owned();
        let mut name = path.to_string();
        let mut places = Vec::new();
        for controller in CONTROLLERS {
            let Reading::Is(place) = path_with(&text, controller) else { continue };
            if place != path {
                let _ = write!(name, " {controller}:{place}");
            }
            places.push((controller, place));
        }
        let name: Box<str> = name.into();
        if self.elsewhere.len() >= MOST_GROUPS * CONTROLLERS.len() {
            self.elsewhere.clear();
        }
        for (controller, place) in places {
            self.elsewhere.insert((name.clone(), controller), place);
        }
        Reading::Is(name)
    }

    /// Forgets what was learnt: processes that ended must not speak for those that came.
    pub fn forget(&mut self) {
        self.elsewhere.clear();
    }

    /// One row for each of the groups, in order of path, and for each ancestor with a limit of its
    /// own. Limits are the lowest on the way to the root.
    pub fn read(&mut self, paths: &[Box<str>]) -> Vec<CgroupSample> {
        self.find_hierarchies();
        let mut wanted: Vec<Box<str>> = Vec::new();
        for name in paths.iter().take(MOST_GROUPS) {
            let Reading::Is(path) = self.path_in("cpu", name) else { continue };
            if !is_sound(&path) {
                continue;
            }
            for level in levels(&path).skip(1).filter(|level| *level != "/") {
                if self.has_own_limit(level) {
                    wanted.push(level.into());
                }
            }
            wanted.push(name.clone());
        }
        wanted.sort_unstable();
        wanted.dedup();
        self.ruling.retain(|group, _| wanted.contains(group));
        wanted.into_iter().map(|path| self.row(path)).collect()
    }

    fn row(&mut self, path: Box<str>) -> CgroupSample {
        let mut row = CgroupSample {
            cpuset_cores: self.cpuset(&path),
            memory_limit_bytes: self.lowest("memory", &path, Self::own_memory),
            memory_current_bytes: self.memory_current(&path),
            io_read_limit_bytes_per_second: self.lowest("blkio", &path, Self::own_io),
            ..CgroupSample::default()
        };
        self.cpu(&path, &mut row);
        self.memory_stat(&path, &mut row);
        row.cpu_usage_seconds_total = self.cpu_usage(&path);
        row.cgroup = path;
        row
    }

    fn has_own_limit(&mut self, level: &str) -> bool {
        self.own("cpu", level, Self::own_quota).is()
            || self.own("memory", level, Self::own_memory).is()
            || self.own("blkio", level, Self::own_io).is()
    }

    fn own<T>(
        &mut self,
        controller: &str,
        level: &str,
        limit: impl FnOnce(&mut Slurp, &Path, bool) -> Reading<T>,
    ) -> Reading<T> {
        let (folder, v2) = match self.folder(controller, level) {
            Reading::Is(found) => found,
            Reading::Not(gap) => return Reading::Not(gap),
        };
        limit(&mut self.slurp, &folder, v2)
    }

    /// The lowest of a limit from the group to the root, with `NotApplicable` where there is none.
    /// A level that cannot be read makes the whole unknown: the lowest could be there.
    fn lowest(
        &mut self,
        controller: &'static str,
        path: &str,
        limit: impl Fn(&mut Slurp, &Path, bool) -> Reading<u64>,
    ) -> Reading<u64> {
        let path = match self.path_in(controller, path) {
            Reading::Is(path) => path,
            Reading::Not(gap) => return Reading::Not(gap),
        };
        let mut lowest: Reading<u64> = Reading::Not(Gap::NotApplicable);
        for level in levels(&path) {
            lowest = match (self.own(controller, level, &limit), lowest) {
                (Reading::Is(value), Reading::Is(before)) => Reading::Is(before.min(value)),
                (Reading::Is(value), Reading::Not(_)) => Reading::Is(value),
                (Reading::Not(Gap::NotApplicable), before) => before,
                (Reading::Not(gap), _) => return Reading::Not(gap),
            };
        }
        lowest
    }

    /// The quota in cores, from one level.
    fn own_quota(slurp: &mut Slurp, folder: &Path, v2: bool) -> Reading<f64> {
        let (quota, period): (Option<u64>, Option<u64>) = if v2 {
            let text = match slurp.text(&folder.join("cpu.max")) {
                Ok(text) => text,
                Err(gap) => return Reading::Not(no_limit_where_no_file(gap)),
            };
            let mut words = text.split_ascii_whitespace();
            match (words.next(), words.next()) {
                (Some("max"), _) => return Reading::Not(Gap::NotApplicable),
                (Some(quota), Some(period)) => (quota.parse().ok(), period.parse().ok()),
                _ => (None, None),
            }
        } else {
            let quota = match slurp.text(&folder.join("cpu.cfs_quota_us")) {
                Ok(text) if text.trim().starts_with('-') => {
                    return Reading::Not(Gap::NotApplicable);
                }
                Ok(text) => text.trim().parse().ok(),
                Err(gap) => return Reading::Not(no_limit_where_no_file(gap)),
            };
            (quota, slurp.number(&folder.join("cpu.cfs_period_us")).ok())
        };
        match (quota, period) {
            (Some(quota), Some(period)) if quota > 0 && period > 0 => {
                Reading::Is(quota as f64 / period as f64)
            }
            _ => Reading::Not(Gap::Failed),
        }
    }

    /// The lowest quota and what the group that has it says of throttling.
    fn cpu(&mut self, name: &str, row: &mut CgroupSample) {
        let path = match self.path_in("cpu", name) {
            Reading::Is(path) => path,
            Reading::Not(gap) => {
                row.cpu_limit_cores = Reading::Not(gap);
                return;
            }
        };
        let mut lowest: Reading<f64> = Reading::Not(Gap::NotApplicable);
        let mut ruler = &*path;
        for level in levels(&path) {
            match self.own("cpu", level, Self::own_quota) {
                Reading::Is(cores) if lowest.ok().is_none_or(|before| cores < before) => {
                    lowest = Reading::Is(cores);
                    ruler = level;
                }
                Reading::Is(_) | Reading::Not(Gap::NotApplicable) => {}
                Reading::Not(gap) => {
                    lowest = Reading::Not(gap);
                    break;
                }
            }
        }
        row.cpu_limit_cores = lowest;
        let before = self.ruling.insert(name.into(), ruler.into());
        if before.is_some_and(|before| &*before != ruler) {
            // The counts are now those of another group: no difference can be taken over this.
            return;
        }
        let (folder, v2) = match self.folder("cpu", ruler) {
            Reading::Is(found) => found,
            Reading::Not(gap) => {
                row.periods_total = Reading::Not(gap);
                row.throttled_periods_total = Reading::Not(gap);
                row.throttled_seconds_total = Reading::Not(gap);
                return;
            }
        };
        let text = self.slurp.text(&folder.join("cpu.stat"));
        let gap = if lowest.is() { Gap::Unsupported } else { Gap::NotApplicable };
        let count = |key: &str| match text {
            Ok(text) => match value_of(text, key) {
                Reading::Not(Gap::Unsupported) => Reading::Not(gap),
                found => found,
            },
            Err(Gap::Lost) => Reading::Not(gap),
            Err(gap) => Reading::Not(gap),
        };
        row.periods_total = count("nr_periods");
        row.throttled_periods_total = count("nr_throttled");
        row.throttled_seconds_total = if v2 {
            count("throttled_usec").map(|micros| micros as f64 / 1e6)
        } else {
            count("throttled_time").map(|nanos| nanos as f64 / 1e9)
        };
    }

    fn cpu_usage(&mut self, path: &str) -> Reading<f64> {
        self.at("cpuacct", path, |slurp, folder, v2| {
            if !v2 {
                let nanos = slurp.number(&folder.join("cpuacct.usage"));
                return nanos.map(|nanos| nanos as f64 / 1e9);
            }
            match slurp.optional(&folder.join("cpu.stat")) {
                Ok(text) => value_of(text, "usage_usec").map(|micros| micros as f64 / 1e6),
                Err(gap) => Reading::Not(gap),
            }
        })
    }

    fn own_memory(slurp: &mut Slurp, folder: &Path, v2: bool) -> Reading<u64> {
        let name = if v2 { "memory.max" } else { "memory.limit_in_bytes" };
        match slurp.text(&folder.join(name)).map(str::trim) {
            Ok("max") => Reading::Not(Gap::NotApplicable),
            Ok(text) => match text.parse::<u64>() {
                Ok(bytes) if bytes >= NO_MEMORY_LIMIT => Reading::Not(Gap::NotApplicable),
                Ok(bytes) => Reading::Is(bytes),
                Err(_) => Reading::Not(Gap::Failed),
            },
            Err(gap) => Reading::Not(no_limit_where_no_file(gap)),
        }
    }

    fn memory_current(&mut self, path: &str) -> Reading<u64> {
        self.at("memory", path, |slurp, folder, v2| {
            let name = if v2 { "memory.current" } else { "memory.usage_in_bytes" };
            match slurp.number(&folder.join(name)) {
                // The root of version 2 has no such file, nor has a group without the controller.
                Reading::Not(Gap::Lost) => Reading::Not(Gap::Unsupported),
                found => found,
            }
        })
    }

    /// The page cache of the group, and how often it lost what was wanted again.
    fn memory_stat(&mut self, path: &str, row: &mut CgroupSample) {
        let read = self.at("memory", path, |slurp, folder, v2| {
            let text = match slurp.text(&folder.join("memory.stat")) {
                Ok(text) => text,
                // A group without the controller has no such file.
                Err(Gap::Lost) => return Reading::Not(Gap::Unsupported),
                Err(gap) => return Reading::Not(gap),
            };
            // What ends in the groups below counts too, as it does in version 2.
            let [file, refaults] = if v2 {
                ["file", "workingset_refault_file"]
            } else {
                ["total_cache", "total_workingset_refault_file"]
            };
            Reading::Is((value_of(text, file), value_of(text, refaults)))
        });
        row.memory_file_bytes = read.and_then(|(file, _)| file);
        row.refault_file_pages_total = read.and_then(|(_, refaults)| refaults);
    }

    fn own_io(slurp: &mut Slurp, folder: &Path, v2: bool) -> Reading<u64> {
        let name = if v2 { "io.max" } else { "blkio.throttle.read_bps_device" };
        match slurp.text(&folder.join(name)) {
            Ok(text) => lowest_read_limit(text, v2),
            Err(gap) => Reading::Not(no_limit_where_no_file(gap)),
        }
    }

    /// The CPUs that the group may run on: from the innermost level that has the controller.
    fn cpuset(&mut self, path: &str) -> Reading<u64> {
        let path = match self.path_in("cpuset", path) {
            Reading::Is(path) => path,
            Reading::Not(gap) => return Reading::Not(gap),
        };
        for level in levels(&path) {
            let (folder, v2) = match self.folder("cpuset", level) {
                Reading::Is(found) => found,
                Reading::Not(gap) => return Reading::Not(gap),
            };
            let names: &[&str] = if v2 {
                &["cpuset.cpus.effective"]
            } else {
                &["cpuset.effective_cpus", "cpuset.cpus"]
            };
            for name in names {
                match self.slurp.text(&folder.join(name)) {
                    Ok(text) => return Reading::from_option(cpus_in(text), Gap::Failed),
                    Err(Gap::Lost) => {}
                    Err(gap) => return Reading::Not(gap),
                }
            }
        }
        Reading::Not(Gap::Unsupported)
    }

    /// Reads from a group's folder in the hierarchy of a controller.
    fn at<T>(
        &mut self,
        controller: &'static str,
        path: &str,
        read: impl FnOnce(&mut Slurp, &Path, bool) -> Reading<T>,
    ) -> Reading<T> {
        match self.path_in(controller, path) {
            Reading::Is(path) => self.own(controller, &path, read),
            Reading::Not(gap) => Reading::Not(gap),
        }
    }

    /// The path in the hierarchy of `controller` of the processes in the group of this name.
    fn path_in(&self, controller: &'static str, name: &str) -> Reading<Box<str>> {
        if self.hierarchies.get(controller).is_none_or(|hierarchy| hierarchy.v2) {
            return Reading::Is(name.into());
        }
        match self.elsewhere.get(&(name.into(), controller)) {
            Some(other) if is_sound(other) => Reading::Is(other.clone()),
            Some(_) => Reading::Not(Gap::Failed),
            None => Reading::Is(name.into()),
        }
    }

    /// The folder of a group, and whether it is of version 2.
    fn folder(&self, controller: &str, level: &str) -> Reading<(PathBuf, bool)> {
        let Some(hierarchy) = self.hierarchies.get(controller) else {
            return Reading::Not(Gap::Unsupported);
        };
        // In a container the mount shows only the part of the hierarchy below its own group.
        let below = match &*hierarchy.root {
            "/" => Some(level),
            root => match level.strip_prefix(root) {
                Some(rest) if rest.is_empty() || rest.starts_with('/') => Some(rest),
                _ if root.starts_with(level) => None,
                _ => Some(level),
            },
        };
        let Some(below) = below else { return Reading::Not(Gap::NotApplicable) };
        let folder = hierarchy.folder.join(below.trim_start_matches('/'));
        if folder.is_dir() { Reading::Is((folder, hierarchy.v2)) } else { Reading::Not(Gap::Lost) }
    }

    fn find_hierarchies(&mut self) {
        let path = self.roots.proc.join("self/mountinfo");
        // A mount point may be any bytes; the others are mounted all the same.
        let bytes = self.slurp.bytes(&path).unwrap_or_default();
        let text = String::from_utf8_lossy(bytes);
        if text == self.mounts {
            return;
        }
        self.mounts = text.into_owned();
        self.hierarchies = hierarchies(&self.roots, &parse(&self.mounts));
    }
}

/// The hierarchy of each controller: version 1 where it is mounted, else version 2.
fn hierarchies(roots: &Roots, mounts: &[Mount]) -> BTreeMap<&'static str, Hierarchy> {
    let mut found = BTreeMap::new();
    for v2 in [false, true] {
        let kind = if v2 { "cgroup2" } else { "cgroup" };
        for mount in mounts.iter().filter(|mount| &*mount.filesystem == kind) {
            // A mount point outside /sys cannot be placed below other roots.
            let Ok(below) = mount.point.strip_prefix("/sys") else { continue };
            for controller in CONTROLLERS {
                if v2 || mount.options.iter().any(|option| &**option == controller) {
                    found.entry(controller).or_insert_with(|| Hierarchy {
                        folder: roots.sys.join(below),
                        root: mount.root.clone(),
                        v2,
                    });
                }
            }
        }
    }
    found
}

/// The path, its parent and so on to the root.
fn levels(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |level| {
        let (parent, name) = level.rsplit_once('/')?;
        match (parent, name) {
            ("", "") => None,
            ("", _) => Some("/"),
            _ => Some(parent),
        }
    })
    .take(MOST_LEVELS)
}

/// Whether a path stays within its hierarchy. `..` stands there for groups outside the namespace.
fn is_sound(path: &str) -> bool {
    path.starts_with('/') && path.len() <= LONGEST && !path.split('/').any(|part| part == "..")
}

const fn no_limit_where_no_file(gap: Gap) -> Gap {
    // The root has none of these files, nor has a group without the controller.
    if matches!(gap, Gap::Lost) { Gap::NotApplicable } else { gap }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_walked_to_the_root() {
        assert_eq!(levels("/a/b").collect::<Vec<_>>(), ["/a/b", "/a", "/"]);
        assert_eq!(levels("/").collect::<Vec<_>>(), ["/"]);
    }

    #[test]
    fn paths_that_lead_out_are_refused() {
        assert!(!is_sound("/../outside"));
        assert!(!is_sound("relative"));
        assert!(is_sound("/a/b..c"));
    }
}
