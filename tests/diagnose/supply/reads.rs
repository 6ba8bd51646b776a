//! SMALL-FILES.

use mltop::model::{Cause, Finding, Gap, Reading, Rule, Severity};

use super::{cause_of, disk, fed, found, none, only, reading, reads};

/// Files of 20 KiB, each read by two calls, from the disk.
const SIZE: f64 = 20.0 * 1024.0;

/// A loop that keeps up with files of so many bytes, all of them from the disk.
fn files_of(bytes: f64) -> Vec<Finding> {
    found(&mut fed(), 120, &mut |_, sample, frame| {
        reads(sample, frame, 3000.0 * bytes, 3000.0 * bytes, 6000.0);
        disk(frame, 3000.0 * bytes, 3000.0);
    })
}

pub(crate) fn small_files() -> Vec<Finding> {
    files_of(SIZE)
}

pub(crate) fn larger_files() -> Vec<Finding> {
    files_of(80.0 * 1024.0)
}

#[test]
fn many_small_reads_are_why_a_loop_starves_and_shards_are_advised() {
    let (cause, finding) = cause_of(&mut reading(), 60, &mut |_, sample, frame| {
        reads(sample, frame, 3000.0 * SIZE, 3000.0 * SIZE, 6000.0);
        disk(frame, 3000.0 * SIZE, 3000.0);
    });
    assert_eq!(cause, Cause::SmallFiles, "{finding:#?}");
    assert!(finding.title.contains("10 KiB"), "{}", finding.title);
    assert!(finding.advice.contains("WebDataset"), "{}", finding.advice);
}

#[test]
fn a_device_that_serves_few_small_reads_starves_a_loop_as_well() {
    let starves = |files: f64| {
        let (cause, _) = cause_of(&mut reading(), 60, &mut |_, sample, frame| {
            reads(sample, frame, files * SIZE, files * SIZE, 2.0 * files);
            disk(frame, files * SIZE, files);
        });
        cause
    };
    assert_eq!(starves(400.0), Cause::SmallFiles);
    assert_eq!(starves(60.0), Cause::TooFewWorkers);
}

#[test]
fn a_loop_that_keeps_up_with_small_reads_is_told_for_later() {
    let finding = only(&mut fed(), 120, &mut |_, sample, frame| {
        reads(sample, frame, 3000.0 * SIZE, 3000.0 * SIZE, 6000.0);
        disk(frame, 3000.0 * SIZE, 3000.0);
    });
    assert_eq!((finding.rule, finding.severity), (Rule::SmallFiles, Severity::Info));
    assert!(finding.advice.starts_with("It costs no time now"), "{}", finding.advice);
}

#[test]
fn small_calls_on_a_large_file_or_few_of_them_are_no_small_files() {
    // A shard read line by line: the kernel reads ahead.
    none(&mut fed(), 120, &mut |_, sample, frame| {
        reads(sample, frame, 60e6, 60e6, 7500.0);
        disk(frame, 60e6, 460.0);
    });
    // 100 files a second.
    none(&mut fed(), 120, &mut |_, sample, frame| {
        reads(sample, frame, 100.0 * SIZE, 100.0 * SIZE, 200.0);
        disk(frame, 100.0 * SIZE, 100.0);
    });
}

#[test]
fn a_limit_on_bytes_is_named_before_the_size_of_the_reads() {
    let mut scenario = reading();
    scenario.read_limit = Some(20_000_000);
    let (cause, _) = cause_of(&mut scenario, 60, &mut |_, sample, frame| {
        reads(sample, frame, 20e6, 20e6, 2000.0);
        disk(frame, 20e6, 1000.0);
    });
    assert_eq!(cause, Cause::DiskBound);
}

#[test]
fn where_the_calls_or_the_disk_cannot_be_read_small_files_are_not_named() {
    let (cause, _) = cause_of(&mut reading(), 60, &mut |_, sample, frame| {
        reads(sample, frame, 3000.0 * SIZE, 3000.0 * SIZE, 6000.0);
        disk(frame, 3000.0 * SIZE, 3000.0);
        let denied = Reading::Not(Gap::Denied);
        frame.procs.iter_mut().for_each(|rates| rates.read_calls_per_second = denied);
    });
    assert_eq!(cause, Cause::TooFewWorkers);
    none(&mut fed(), 120, &mut |_, sample, frame| {
        reads(sample, frame, 3000.0 * SIZE, 3000.0 * SIZE, 6000.0);
        frame.disks.clear();
    });
}
