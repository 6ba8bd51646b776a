//! Block devices: their counters, and how they hang together.

use std::path::Path;
use std::sync::Arc;

use procfs::DiskStat;

use super::file::{Slurp, whole_lines};
use crate::model::inventory::DiskInfo;
use crate::model::reading::Reading;
use crate::model::sample::DiskSample;
use crate::source::Roots;
use crate::source::mounts::{Mount, whole_disk, whole_disk_by_name};
use crate::source::text::clean;

/// A sector of `/proc/diskstats`, whatever the device's own is.
const SECTOR: u64 = 512;

/// Rows beyond this are not kept.
const MOST_DISKS: usize = 1024;

/// The whole disks below `/sys/block`; `None` where that cannot be read.
pub(super) fn whole_disks(sys: &Path) -> Option<Vec<Box<str>>> {
    let entries = std::fs::read_dir(sys.join("block")).ok()?;
    let mut names: Vec<Box<str>> = entries
        .flatten()
        .take(MOST_DISKS)
        .map(|entry| clean(entry.file_name().as_encoded_bytes(), 64))
        .collect();
    names.sort_unstable();
    Some(names)
}

/// The rows of `/proc/diskstats` that are whole disks, by name.
pub(super) fn parse(text: &str, whole: Option<&[Box<str>]>) -> Vec<DiskSample> {
    let stats: Vec<DiskStat> =
        whole_lines(text).filter_map(|line| DiskStat::from_line(line).ok()).collect();
    let is_whole = |name: &str| match whole {
        Some(names) => names.iter().any(|known| &**known == name),
        None => !stats.iter().any(|other| is_partition_of(name, &other.name)),
    };
    let mut rows: Vec<DiskSample> = stats
        .iter()
        .filter(|stat| is_whole(&stat.name) && (DiskInfo::is_medium(&stat.name) || was_used(stat)))
        .take(MOST_DISKS)
        .map(row)
        .collect();
    rows.sort_by(|a, b| a.disk.cmp(&b.disk));
    rows.dedup_by(|a, b| a.disk == b.disk);
    rows
}

/// Whether the name says so: `sda1` of `sda`, `nvme0n1p1` of `nvme0n1`; not `dm-10` of `dm-1`.
/// Only for boxes where `/sys` is hidden.
fn is_partition_of(name: &str, disk: &str) -> bool {
    let Some(rest) = name.strip_prefix(disk) else { return false };
    let number = if disk.ends_with(|c: char| c.is_ascii_digit()) {
        rest.strip_prefix('p').unwrap_or_default()
    } else {
        rest
    };
    !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
}

const fn was_used(stat: &DiskStat) -> bool {
    stat.reads > 0 || stat.writes > 0
}

fn row(stat: &DiskStat) -> DiskSample {
    let seconds = |millis: u64| Reading::Is(millis as f64 / 1e3);
    DiskSample {
        disk: clean(stat.name.as_bytes(), 64),
        reads_total: Reading::Is(stat.reads),
        read_bytes_total: Reading::Is(stat.sectors_read.saturating_mul(SECTOR)),
        read_seconds_total: seconds(stat.time_reading),
        writes_total: Reading::Is(stat.writes),
        write_bytes_total: Reading::Is(stat.sectors_written.saturating_mul(SECTOR)),
        write_seconds_total: seconds(stat.time_writing),
        in_flight: Reading::Is(stat.in_progress),
        busy_seconds_total: seconds(stat.time_in_progress),
        queue_seconds_total: seconds(stat.weighted_time_in_progress),
    }
}

/// What is known of the disks `names`: model, parts and mount points.
pub(super) fn infos(
    roots: &Roots,
    slurp: &mut Slurp,
    names: &[Box<str>],
    mounts: &[Mount],
) -> Vec<Arc<DiskInfo>> {
    let mut mounted: Vec<(Box<str>, Box<str>)> = Vec::new();
    for mount in mounts.iter().filter(|mount| !mount.device.starts_with("0:")) {
        if let Some(disk) = whole_disk(roots, &mount.device) {
            let point = clean(mount.point.as_os_str().as_encoded_bytes(), 256);
            mounted.push((disk, point));
        }
    }
    names
        .iter()
        .map(|name| {
            let folder = roots.sys.join("block").join(&**name);
            let mut mounts: Vec<Box<str>> = mounted
                .iter()
                .filter(|(disk, _)| disk == name)
                .map(|(_, point)| point.clone())
                .take(64)
                .collect();
            mounts.sort_unstable();
            mounts.dedup();
            let model = slurp.bytes(&folder.join("device/model")).unwrap_or_default();
            Arc::new(DiskInfo {
                disk: name.clone(),
                model: clean(model.trim_ascii(), 64),
                made_of: made_of(roots, &folder),
                mounts,
            })
        })
        .collect()
}

/// The whole disks under a dm or md device.
fn made_of(roots: &Roots, folder: &Path) -> Vec<Box<str>> {
    let Ok(slaves) = std::fs::read_dir(folder.join("slaves")) else { return Vec::new() };
    let mut names: Vec<Box<str>> = slaves
        .flatten()
        .take(MOST_DISKS)
        .filter_map(|slave| {
            let name = clean(slave.file_name().as_encoded_bytes(), 64);
            whole_disk_by_name(roots, &name)
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: &str = "259 0 nvme0n1 10 0 80 5 4 0 16 2 1 7 9\n";

    #[test]
    fn sectors_become_bytes_and_milliseconds_seconds() {
        let rows = parse(LINE, None);
        assert_eq!(rows[0].read_bytes_total, Reading::Is(80 * 512));
        assert_eq!(rows[0].read_seconds_total, Reading::Is(0.005));
        assert_eq!(rows[0].queue_seconds_total, Reading::Is(0.009));
        assert_eq!(rows[0].in_flight, Reading::Is(1));
    }

    #[test]
    fn without_sys_partitions_are_told_by_name() {
        assert!(is_partition_of("sda1", "sda"));
        assert!(is_partition_of("nvme0n1p2", "nvme0n1"));
        assert!(!is_partition_of("dm-10", "dm-1"));
        assert!(!is_partition_of("sda", "sda"));
        assert!(!is_partition_of("sdaa", "sda"));
    }

    #[test]
    fn a_loop_device_counts_once_it_was_used() {
        let idle = "7 0 loop0 0 0 0 0 0 0 0 0 0 0 0\n";
        let used = "7 1 loop1 3 0 24 0 0 0 0 0 0 0 0\n";
        let rows = parse(&format!("{idle}{used}"), None);
        assert_eq!(rows.len(), 1);
        assert_eq!(&*rows[0].disk, "loop1");
    }

    proptest! {
        #[test]
        fn any_diskstats_are_read_without_panic(text in "([0-9]{1,22} |sda |sda1 |-1 |\n|Ω){0,60}") {
            parse(&text, None);
        }

        #[test]
        fn a_line_that_is_cut_gives_no_row(end in 0usize..LINE.len()) {
            prop_assert!(parse(&LINE[..end], None).is_empty());
        }
    }
}
