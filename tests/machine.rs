//! What the readers of the box give on a good machine, and what they give when files are missing,
//! garbage, cut or forbidden: a value or a gap with its reason, never a panic and never a 0.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::float_cmp,
    reason = "a test that cannot go on should stop, and the fixtures' numbers are exact"
)]

#[path = "machine/control_groups.rs"]
mod control_groups;
#[path = "common/hosts.rs"]
mod hosts;
#[path = "machine/processes.rs"]
mod processes;

use std::collections::BTreeSet;

use hosts::Host;
use mltop::model::inventory::Storage;
use mltop::model::metric::{Cell, Section};
use mltop::model::reading::{Gap, Reading};
use mltop::model::sample::{HostSample, Sample};
use mltop::model::{Pid, sample};
use mltop::source::Roots;
use mltop::source::machine::{Cgroups, Machine, Procs, cgroup_of};
use mltop::source::mounts::storage_of;
use proptest::prelude::*;

fn read(host: &Host) -> Sample {
    let mut sample = Sample::default();
    Machine::new(host.roots()).read(&mut sample);
    sample
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Columns of the box that read as a value.
fn values(host: &HostSample) -> BTreeSet<&'static str> {
    let columns = HostSample::COLUMNS.iter().enumerate();
    columns
        .filter(|(index, _)| !matches!(host.get(*index), Cell::Null(_)))
        .map(|(_, spec)| spec.name)
        .collect()
}

#[test]
fn a_good_box_has_every_column_but_those_about_mltop() {
    let host = read(&Host::named("box")).host;
    let missing: Vec<&str> = HostSample::COLUMNS
        .iter()
        .map(|spec| spec.name)
        .filter(|name| !values(&host).contains(name))
        .collect();
    assert!(
        missing.len() == 4 && missing.iter().all(|name| name.starts_with("mltop_")),
        "{missing:?}"
    );
}

#[test]
fn ticks_kibibytes_and_microseconds_become_seconds_and_bytes() {
    let host = read(&Host::named("box")).host;
    let hertz = rustix::param::clock_ticks_per_second() as f64;
    assert_eq!(host.cpu_count, Reading::Is(2));
    assert_eq!(host.cpu_user_seconds_total, Reading::Is(1200.0 / hertz));
    assert_eq!(host.cpu_system_seconds_total, Reading::Is(330.0 / hertz));
    assert_eq!(host.cpu_steal_seconds_total, Reading::Is(30.0 / hertz));
    assert_eq!(host.memory_available_bytes, Reading::Is(400 * 1024));
    assert_eq!(host.memory_cached_bytes, Reading::Is(300 * 1024));
    assert_eq!(host.memory_free_bytes, Reading::Is(100 * 1024));
    assert_eq!(host.psi_io_full_seconds_total, Reading::Is(1.5));
    assert_eq!(host.refault_file_pages_total, Reading::Is(12));
    assert_eq!((host.load1, host.runnable), (Reading::Is(1.5), Reading::Is(3)));
    assert_eq!(host.memory_shared_bytes, Reading::Is(20 * 1024));
    assert_eq!(host.memory_dirty_bytes, Reading::Is(6 * 1024));
    assert_eq!(host.processes, Reading::Is(2));
}

#[test]
fn a_number_of_processes_that_is_known_is_not_counted_again() {
    let host = Host::named("box");
    let mut sample = Sample::default();
    sample.host.processes = Reading::Is(77);
    Machine::new(host.roots()).read(&mut sample);
    assert_eq!(sample.host.processes, Reading::Is(77));
}

#[test]
fn an_old_kernel_says_what_it_does_not_support() {
    let machine = Host::named("bare");
    let sample = read(&machine);
    let host = &sample.host;
    assert_eq!(host.psi_io_some_seconds_total, Reading::Not(Gap::Unsupported));
    assert_eq!(host.cpu_steal_seconds_total, Reading::Not(Gap::Unsupported));
    assert_eq!(host.memory_available_bytes, Reading::Not(Gap::Unsupported));
    assert_eq!(host.refault_file_pages_total, Reading::Not(Gap::Unsupported));
    assert_eq!(sample.disks.len(), 1, "sda1 is a partition, by its name");
    assert_eq!(sample.nets[0].rx_bytes_total, Reading::Is(123));
    let group = cgroup_of(&machine.roots(), Pid(5));
    assert_eq!(group, Reading::Not(Gap::Unsupported));
}

#[test]
fn garbage_is_unreadable_and_costs_only_itself() {
    let sample = read(&Host::named("torn"));
    let host = &sample.host;
    assert_eq!(host.cpu_user_seconds_total, Reading::Not(Gap::Failed));
    assert_eq!(host.cpu_idle_seconds_total, Reading::Not(Gap::Failed));
    assert!(host.cpu_iowait_seconds_total.is());
    assert_eq!(host.memory_total_bytes, Reading::Not(Gap::Failed));
    assert_eq!(host.memory_cached_bytes, Reading::Not(Gap::Failed));
    assert_eq!(host.psi_cpu_some_seconds_total, Reading::Not(Gap::Failed));
    assert_eq!(host.psi_memory_some_seconds_total, Reading::Not(Gap::Failed));
    assert_eq!(host.load1, Reading::Not(Gap::Failed));
    let disks: Vec<&str> = sample.disks.iter().map(|row| &*row.disk).collect();
    assert_eq!(disks, ["sda"]);
    assert_eq!(sample.nets.len(), 1);
    assert_eq!(sample.nets[0].rx_bytes_total, Reading::Not(Gap::Failed));
    assert_eq!(sample.nets[0].tx_bytes_total, Reading::Is(9));
}

#[test]
fn a_missing_file_is_a_gap_in_its_columns_and_in_no_other() {
    for (file, lost) in [
        ("proc/stat", "cpu_user_seconds_total"),
        ("proc/loadavg", "load1"),
        ("proc/meminfo", "memory_total_bytes"),
        ("proc/vmstat", "major_faults_total"),
        ("proc/pressure/io", "psi_io_some_seconds_total"),
        ("dev/shm", "shm_size_bytes"),
    ] {
        let host = Host::named("box");
        let whole = values(&read(&host).host).len();
        host.remove(file);
        let left = values(&read(&host).host);
        assert!(!left.contains(lost), "{file}");
        assert!(left.len() + 9 > whole, "{file} took more with it");
    }
}

#[test]
fn a_file_cut_anywhere_gives_the_true_number_or_none() {
    let host = Host::named("box");
    let whole = read(&host).host;
    for file in ["proc/stat", "proc/meminfo", "proc/vmstat", "proc/loadavg", "proc/pressure/io"] {
        let host = Host::named("box");
        let bytes = std::fs::read(host.path(file)).unwrap().len();
        for cut in (0..bytes).rev() {
            host.truncate(file, cut);
            let now = read(&host).host;
            for (index, spec) in HostSample::COLUMNS.iter().enumerate() {
                // How many CPUs a cut list would have had cannot be known, and the space is that
                // of the real folder.
                let other = spec.name == "cpu_count" || spec.name.starts_with("shm");
                if other || matches!(now.get(index), Cell::Null(_)) {
                    continue;
                }
                assert_eq!(now.get(index), whole.get(index), "{file} cut at {cut}: {}", spec.name);
            }
        }
    }
}

#[test]
fn a_file_that_may_not_be_read_is_denied() {
    use std::os::unix::fs::PermissionsExt;
    if is_root() {
        eprintln!("skipped a_file_that_may_not_be_read_is_denied: root may read everything");
        return;
    }
    let host = Host::named("box");
    for file in ["proc/meminfo", "proc/100/io"] {
        let locked = std::fs::Permissions::from_mode(0o000);
        std::fs::set_permissions(host.path(file), locked).unwrap();
    }
    assert_eq!(read(&host).host.memory_total_bytes, Reading::Not(Gap::Denied));
    let mut procs = Procs::new(host.roots());
    procs.scan(1);
    let rows = procs.sample([Pid(100)].into_iter());
    assert_eq!(rows[0].read_bytes_total, Reading::Not(Gap::Denied));
}

#[test]
fn whole_disks_are_rows_and_unused_loop_devices_are_not() {
    let sample = read(&Host::named("box"));
    let names: Vec<&str> = sample.disks.iter().map(|row| &*row.disk).collect();
    assert_eq!(names, ["dm-0", "md0", "nvme0n1", "nvme1n1"]);
    assert_eq!(sample.disks[2].read_bytes_total, Reading::Is(800 * 512));
    assert_eq!(sample.disks[2].in_flight, Reading::Is(2));
}

#[test]
fn disks_know_their_model_their_parts_and_their_mounts() {
    let host = Host::named("box");
    let infos = Machine::new(host.roots()).disk_infos();
    let info = |name: &str| infos.iter().find(|info| &*info.disk == name).unwrap().clone();
    assert_eq!(&*info("nvme0n1").model, "Fast Drive 1TB");
    assert_eq!(info("nvme0n1").mounts, ["/".into()]);
    assert_eq!(info("md0").made_of, ["nvme0n1".into(), "nvme1n1".into()]);
    assert_eq!(info("dm-0").made_of, ["md0".into()]);
    assert_eq!(info("dm-0").mounts, ["/data sets".into()]);
}

#[test]
fn a_mount_is_followed_to_its_disk_or_to_another_machine() {
    let host = Host::named("box");
    let roots = host.roots();
    let storage = |id| storage_of(&roots, &roots.proc.join("self"), id).unwrap();
    assert_eq!(storage(21).disk.as_deref(), Some("nvme0n1"));
    assert_eq!(storage(23).disk.as_deref(), Some("dm-0"));
    let nas =
        Storage { mount: "/mnt/nas".into(), filesystem: "nfs4".into(), disk: None, remote: true };
    assert_eq!(storage(24), nas);
    assert_eq!(storage(25).disk.as_deref(), Some("nvme0n1"), "by the overlay's writable layer");
    assert_eq!(storage(26).disk.as_deref(), Some("nvme0n1"), "btrfs by its source");
    assert_eq!(storage(27).disk, None, "tmpfs has none");
    assert_eq!(storage_of(&roots, &roots.proc.join("self"), 999), None);
}

#[test]
fn inside_a_container_the_root_overlay_has_no_disk_that_can_be_named() {
    let host = Host::named("v1");
    let roots = host.roots();
    assert_eq!(storage_of(&roots, &roots.proc.join("self"), 30).unwrap().disk, None);
}

#[test]
fn a_mount_that_only_the_process_sees_is_taken_from_its_own_list() {
    let host = Host::named("box");
    host.write("proc/100/mountinfo", "900 1 252:0 / /data rw - xfs /dev/mapper/data rw\n");
    let roots = host.roots();
    let folder = roots.proc.join("100");
    let storage = storage_of(&roots, &folder, 900).unwrap();
    assert_eq!((&*storage.mount, storage.disk.as_deref()), ("/data", Some("dm-0")));
    assert_eq!(storage_of(&roots, &folder, 901), None);
}

#[test]
fn a_device_number_that_leads_out_of_sys_is_no_disk() {
    let host = Host::named("torn");
    let roots = host.roots();
    assert_eq!(storage_of(&roots, &roots.proc.join("self"), 23).unwrap().disk, None);
}

#[test]
fn the_facts_about_the_box_are_those_of_its_roots() {
    let host = Host::named("box");
    let info = Machine::new(host.roots()).host_info();
    assert_eq!((&*info.name, &*info.kernel), ("trainbox", "6.8.0-45-generic"));
    assert_eq!((&*info.os, &*info.cpu), ("Example Linux 1", "Example CPU 9000"));
    assert_eq!((info.cpu_count, info.memory_bytes), (2, 1000 * 1024));
    assert!(info.boot_id.starts_with("2b7c1a52"));
}

#[test]
fn the_real_machine_is_read() {
    let mut machine = Machine::new(Roots::default());
    let mut sample = Sample::default();
    machine.read(&mut sample);
    for name in ["cpu_count", "cpu_user_seconds_total", "memory_total_bytes", "processes"] {
        assert!(values(&sample.host).contains(name), "{name}");
    }
    let info = machine.host_info();
    assert!(info.cpu_count > 0 && info.memory_bytes > 0 && !info.kernel.is_empty());
    assert_eq!(machine.disk_infos().len(), sample.disks.len());

    let me = Pid(std::process::id());
    let mut procs = Procs::new(Roots::default());
    assert!(procs.scan(1).get(me).is_some());
    let row = procs.sample([me].into_iter()).remove(0);
    assert!(row.cpu_seconds_total.is() && row.rss_bytes.is() && row.threads.is());
    assert!(procs.own_cost(&[me]).cpu_seconds.is());
    let mut cgroups = Cgroups::new(Roots::default());
    if let Reading::Is(group) = cgroups.learn(me) {
        assert!(cgroups.read(std::slice::from_ref(&group)).iter().any(|row| row.cgroup == group));
    }
}

#[test]
fn two_processes_with_one_cpu_group_and_two_io_groups_do_not_share_limits() {
    let host = Host::named("v1");
    host.write("proc/100/cgroup", b"5:blkio:/slow\n4:cpu,cpuacct:/job\n");
    host.write("proc/101/cgroup", b"5:blkio:/job\n4:cpu,cpuacct:/job\n");
    let mut cgroups = Cgroups::new(host.roots());
    let slow = cgroups.learn(Pid(100)).ok().unwrap();
    let other = cgroups.learn(Pid(101)).ok().unwrap();
    assert_eq!((&*slow, &*other), ("/job blkio:/slow", "/job"));
    let names: Vec<Box<str>> =
        cgroups.read(&[slow.clone(), other.clone()]).into_iter().map(|row| row.cgroup).collect();
    assert!(names.contains(&slow) && names.contains(&other));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_in_any_file_are_read_without_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200), which in 0usize..14,
    ) {
        const FILES: [&str; 14] = [
            "proc/stat", "proc/loadavg", "proc/meminfo", "proc/vmstat", "proc/pressure/io",
            "proc/diskstats", "proc/net/dev", "proc/self/mountinfo", "proc/100/stat",
            "proc/100/io", "proc/100/task/100/schedstat", "proc/100/cgroup",
            "sys/fs/cgroup/train.slice/job/cpu.max", "sys/fs/cgroup/train.slice/job/io.max",
        ];
        let host = Host::named("box");
        host.write(FILES[which], &bytes);
        let sample = read(&host);
        prop_assert!(sample.disks.len() < 100);
        let mut machine = Machine::new(host.roots());
        let _ = storage_of(&host.roots(), &host.roots().proc.join("100"), 21);
        machine.disk_infos();
        let mut procs = Procs::new(host.roots());
        procs.scan(1);
        let rows: Vec<sample::ProcSample> = procs.sample([Pid(100)].into_iter());
        prop_assert_eq!(rows.len(), 1);
        let mut cgroups = Cgroups::new(host.roots());
        cgroups.learn(Pid(100));
        cgroups.read(&["/train.slice/job".into()]);
    }
}
