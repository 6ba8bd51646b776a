//! What stands around a trainer in one frame: its GPUs, its CPU limit, the disk of its files.

use super::tick::DiskTick;
use crate::model::frame::{CgroupRates, DiskRates, ProcRates};
use crate::model::inventory::{LoaderInfo, Storage};
use crate::model::sample::{CgroupSample, GpuSample};
use crate::model::{Frame, GpuId, Pid};

/// A quota that runs out for this share of time is used up, whatever the mean says (CPU-QUOTA).
const THROTTLED: f64 = 0.10;
/// Where it is not known which disk holds the files: a disk with this share of all reads is it.
const NEARLY_ALL_READS: f64 = 0.80;

/// GPUs on which a trainer or one of its workers holds memory.
pub(super) fn gpus_of(frame: &Frame, trainer: Pid, loaders: &[&LoaderInfo]) -> Vec<GpuId> {
    let ours = |pid: Pid| pid == trainer || loaders.iter().any(|info| info.workers.contains(&pid));
    let held = frame.sample.gpu_procs.iter().filter(|held| ours(held.pid));
    let mut gpus: Vec<GpuId> = held.map(|held| held.gpu).collect();
    gpus.sort_unstable();
    gpus.dedup();
    gpus
}

/// Mean utilization of these GPUs; `None` where there is none or one of them gives no figure.
pub(super) fn utilization(frame: &Frame, gpus: &[GpuId]) -> Option<f32> {
    let mut sum = 0.0;
    for id in gpus {
        let gpu = frame.sample.gpus.iter().find(|gpu| gpu.gpu == *id)?;
        sum += gpu.utilization_ratio.ok()?;
    }
    (!gpus.is_empty()).then(|| (sum / gpus.len() as f64) as f32)
}

/// Used share of the tightest CPU limit that binds a process, and the cores left under it.
pub(super) fn cpu(frame: &Frame, pid: Pid) -> Option<(f32, f32)> {
    let count = frame.sample.host.cpu_count.ok()? as f64;
    let used = frame.host.cpu_ratio.ok()?;
    let mut tightest = (used, (1.0 - used) * count);
    let mut hold = |share: f64, left: f64| {
        tightest = (tightest.0.max(share), tightest.1.min(left.max(0.0)));
    };
    for (limits, rates) in cgroups_of(frame, pid) {
        let Some(cores) = rates.cpu_cores.ok() else { continue };
        let cpuset = limits.cpuset_cores.ok().map(|cores| cores as f64);
        for limit in limits.cpu_limit_cores.ok().into_iter().chain(cpuset).filter(|l| *l > 0.0) {
            hold(cores / limit, limit - cores);
        }
        if rates.throttled_ratio.ok().is_some_and(|share| share >= THROTTLED) {
            hold(1.0, 0.0);
        }
    }
    Some((tightest.0 as f32, tightest.1 as f32))
}

/// The lowest limit on reads that binds a process, in bytes a second.
pub(super) fn read_limit(frame: &Frame, pid: Pid) -> Option<f64> {
    let limits =
        cgroups_of(frame, pid).filter_map(|(group, _)| group.io_read_limit_bytes_per_second.ok());
    limits.min().map(|limit| limit as f64)
}

/// Bytes that processes do not hold below the tightest memory limit: free, or page cache. `None` where
/// that is not known of the box or of a limit.
pub(super) fn memory_room(frame: &Frame, pid: Pid) -> Option<f64> {
    let mut room = frame.sample.host.memory_available_bytes.ok()? as f64;
    for (group, _) in cgroups_of(frame, pid) {
        if let Some(limit) = group.memory_limit_bytes.ok() {
            let (used, cache) =
                group.memory_current_bytes.ok().zip(group.memory_file_bytes.ok())?;
            room = room.min((limit.saturating_sub(used) + cache) as f64);
        }
    }
    Some(room)
}

pub(super) fn cgroups_of(
    frame: &Frame,
    pid: Pid,
) -> impl Iterator<Item = (&CgroupSample, &CgroupRates)> {
    let path = frame.sample.inventory.proc(pid).and_then(|info| info.cgroup.as_deref());
    let both = frame.sample.cgroups.iter().zip(&frame.cgroups);
    both.filter(move |(group, _)| path.is_some_and(|path| is_above(&group.cgroup, path)))
}

/// Whether a control group is another or an ancestor of it. A group of version 1 is named after all
/// its paths where they differ, and is its own alone; its row holds the limits of its ancestors.
fn is_above(above: &str, path: &str) -> bool {
    let above = above.trim_end_matches('/');
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Bytes a second that a process writes to storage.
pub(super) fn writes(frame: &Frame, pid: Pid) -> Option<f64> {
    proc(frame, pid)?.write_bytes_per_second.ok()
}

/// Mean power of some GPUs in watts, of those that tell.
pub(super) fn power(frame: &Frame, gpus: &[GpuId]) -> Option<f64> {
    let of = |gpu: &&GpuSample| gpus.contains(&gpu.gpu);
    let watts = frame.sample.gpus.iter().filter(of).filter_map(|gpu| gpu.power_watts.ok());
    let (sum, count) = watts.fold((0.0, 0), |(sum, count), watts| (sum + watts, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

fn proc(frame: &Frame, pid: Pid) -> Option<&ProcRates> {
    frame.procs.iter().find(|rates| rates.pid == pid)
}

/// The disk behind a loader's files: as mounted, or the one with nearly all reads of the box.
pub(super) fn disk_of<'a>(frame: &'a Frame, storage: Option<&Storage>) -> Option<&'a DiskRates> {
    if let Some(name) = storage.and_then(|storage| storage.disk.as_deref()) {
        return frame.disks.iter().find(|disk| &*disk.disk == name);
    }
    if storage.is_some_and(|storage| storage.remote) {
        return None;
    }
    let read = |disk: &DiskRates| disk.read_bytes_per_second.ok().unwrap_or_default();
    // A device made of others counts the same reads once more.
    let whole = |name: &str| {
        let known = frame.sample.inventory.disks.iter().find(|info| &*info.disk == name);
        known.is_none_or(|info| info.made_of.is_empty())
    };
    let disks = || frame.disks.iter().filter(|disk| whole(&disk.disk));
    let all: f64 = disks().map(read).sum();
    let most = disks().max_by(|a, b| read(a).total_cmp(&read(b)))?;
    (all > 0.0 && read(most) >= NEARLY_ALL_READS * all).then_some(most)
}

/// What is kept of a disk.
pub(super) fn disk_tick(disk: &DiskRates) -> DiskTick {
    let short = |reading: crate::model::Reading<f64>| reading.ok().map(|value| value as f32);
    DiskTick {
        read: short(disk.read_bytes_per_second),
        wait: short(disk.read_await_seconds),
        queue: short(disk.queue),
        busy: short(disk.busy_ratio),
    }
}

#[cfg(test)]
mod tests {
    use super::is_above;

    #[test]
    fn a_control_group_is_above_its_children_and_not_above_its_namesakes() {
        assert!(is_above("/", "/a/b"));
        assert!(is_above("/a", "/a/b"));
        assert!(is_above("/a/b", "/a/b"));
        assert!(!is_above("/a", "/ab"));
        assert!(!is_above("/a/b", "/a"));
    }
}
