//! Control groups of both versions.

use mltop::model::Pid;
use mltop::model::reading::{Gap, Reading};
use mltop::model::sample::CgroupSample;
use mltop::source::machine::{Cgroups, cgroup_of};

use crate::hosts::Host;

fn groups(host: &Host, paths: &[&str]) -> Vec<CgroupSample> {
    let paths: Vec<Box<str>> = paths.iter().map(|path| (*path).into()).collect();
    Cgroups::new(host.roots()).read(&paths)
}

#[test]
fn the_lowest_limit_on_the_way_to_the_root_rules() {
    let rows = groups(&Host::named("box"), &["/train.slice/job"]);
    let paths: Vec<&str> = rows.iter().map(|row| &*row.cgroup).collect();
    assert_eq!(paths, ["/train.slice", "/train.slice/job"], "the ancestor with a limit is a row");
    let job = &rows[1];
    assert_eq!(job.cpu_limit_cores, Reading::Is(4.0));
    assert_eq!(job.memory_limit_bytes, Reading::Is(2_000_000));
    assert_eq!(job.memory_current_bytes, Reading::Is(1_000_000));
    assert_eq!(job.io_read_limit_bytes_per_second, Reading::Is(2_097_152));
    assert_eq!(job.cpuset_cores, Reading::Is(5));
    assert_eq!(job.cpu_usage_seconds_total, Reading::Is(4.0), "of the group itself");
    assert_eq!(job.throttled_periods_total, Reading::Is(40), "of the group with the quota");
    assert_eq!(job.throttled_seconds_total, Reading::Is(2.5));
}

#[test]
fn the_page_cache_of_a_group_and_what_it_lost_are_its_own() {
    let host = Host::named("box");
    let none = &groups(&host, &["/train.slice/job"])[1];
    assert_eq!(none.memory_file_bytes, Reading::Not(Gap::Unsupported));
    let text = "anon 5\nfile 123\nfile_mapped 7\nworkingset_refault_file 9\n";
    host.write("sys/fs/cgroup/train.slice/job/memory.stat", text);
    let job = &groups(&host, &["/train.slice/job"])[1];
    assert_eq!(job.memory_file_bytes, Reading::Is(123));
    assert_eq!(job.refault_file_pages_total, Reading::Is(9));
}

#[test]
fn no_limit_is_not_applicable_and_not_zero() {
    let rows = groups(&Host::named("box"), &["/"]);
    assert_eq!(rows[0].cpu_limit_cores, Reading::Not(Gap::NotApplicable));
    assert_eq!(rows[0].memory_limit_bytes, Reading::Not(Gap::NotApplicable));
    assert_eq!(rows[0].periods_total, Reading::Not(Gap::NotApplicable));
    assert_eq!(rows[0].memory_current_bytes, Reading::Not(Gap::Unsupported));
    assert_eq!(rows[0].cpuset_cores, Reading::Is(2));
}

#[test]
fn when_another_level_comes_to_rule_its_counts_are_not_compared() {
    let host = Host::named("box");
    let mut cgroups = Cgroups::new(host.roots());
    let paths = ["/train.slice/job".into()];
    cgroups.read(&paths);
    host.write("sys/fs/cgroup/train.slice/job/cpu.max", "100000 100000\n");
    let job = |rows: Vec<CgroupSample>| rows.into_iter().next_back().unwrap();
    let row = job(cgroups.read(&paths));
    assert_eq!(row.cpu_limit_cores, Reading::Is(1.0));
    assert_eq!(row.periods_total, Reading::Not(Gap::NotYet));
    assert_eq!(job(cgroups.read(&paths)).periods_total, Reading::Is(0));
}

#[test]
fn version_1_in_a_container_is_read_below_its_own_root() {
    let host = Host::named("v1");
    assert_eq!(cgroup_of(&host.roots(), Pid(7)), Reading::Is("/docker/abc".into()));
    let rows = groups(&host, &["/docker/abc"]);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].cpu_limit_cores, Reading::Is(1.5));
    assert_eq!(rows[0].throttled_seconds_total, Reading::Is(2.5));
    assert_eq!(rows[0].cpu_usage_seconds_total, Reading::Is(7.0));
    assert_eq!(rows[0].memory_limit_bytes, Reading::Not(Gap::NotApplicable));
    assert_eq!(rows[0].memory_current_bytes, Reading::Is(123_456));
    assert_eq!(rows[0].cpuset_cores, Reading::Is(2));
    assert_eq!(rows[0].io_read_limit_bytes_per_second, Reading::Is(1_048_576));
}

#[test]
fn version_1_hierarchies_may_hold_a_process_at_different_places() {
    let host = Host::named("v1");
    host.write("proc/7/cgroup", "4:memory:/docker/abc/m\n1:cpu,cpuacct:/docker/abc\n");
    host.write("sys/fs/cgroup/memory/m/memory.limit_in_bytes", "4096\n");
    let mut cgroups = Cgroups::new(host.roots());
    let group = cgroups.learn(Pid(7)).ok().unwrap();
    assert_eq!(cgroups.read(&[group])[0].memory_limit_bytes, Reading::Is(4096));
    host.write("proc/8/cgroup", "4:memory:/docker/abc/n\n1:cpu,cpuacct:/docker/abc\n");
    host.write("sys/fs/cgroup/memory/n/memory.limit_in_bytes", "8192\n");
    let group = cgroups.learn(Pid(8)).ok().unwrap();
    assert_eq!(cgroups.read(&[group])[0].memory_limit_bytes, Reading::Is(8192));
}

#[test]
fn a_group_that_is_gone_is_lost_and_one_of_garbage_unreadable() {
    let gone = &groups(&Host::named("box"), &["/gone"])[0];
    assert_eq!(gone.cpu_limit_cores, Reading::Not(Gap::Lost));
    assert_eq!(gone.memory_limit_bytes, Reading::Not(Gap::Lost));
    assert_eq!(gone.cpu_usage_seconds_total, Reading::Not(Gap::Lost));
    let bad = &groups(&Host::named("torn"), &["/bad"])[0];
    assert_eq!(bad.cpu_limit_cores, Reading::Not(Gap::Failed));
    assert_eq!(bad.memory_limit_bytes, Reading::Not(Gap::Failed));
    assert_eq!(bad.memory_current_bytes, Reading::Not(Gap::Failed));
    assert_eq!(bad.cpuset_cores, Reading::Not(Gap::Failed));
    assert_eq!(bad.io_read_limit_bytes_per_second, Reading::Not(Gap::Failed));
    assert_eq!(bad.cpu_usage_seconds_total, Reading::Not(Gap::Failed));
}

#[test]
fn a_box_without_control_groups_supports_none() {
    let row = &groups(&Host::named("bare"), &["/x"])[0];
    assert_eq!(row.cpu_limit_cores, Reading::Not(Gap::Unsupported));
    assert_eq!(row.memory_limit_bytes, Reading::Not(Gap::Unsupported));
    assert_eq!(row.cpuset_cores, Reading::Not(Gap::Unsupported));
}

#[test]
fn a_path_out_of_the_hierarchy_is_no_row() {
    assert!(groups(&Host::named("box"), &["/../../etc", "x"]).is_empty());
}

#[test]
fn a_mount_point_that_is_no_text_hides_no_control_group() {
    let host = Host::named("box");
    let path = host.roots().proc.join("self/mountinfo");
    let mut mounts = std::fs::read(&path).unwrap();
    mounts.splice(0..0, *b"99 1 0:99 / /mnt/caf\xe9 rw - tmpfs tmpfs rw\n");
    std::fs::write(&path, mounts).unwrap();
    let rows = groups(&host, &["/train.slice/job"]);
    assert_eq!(rows.last().unwrap().cpu_limit_cores, Reading::Is(4.0));
}
