//! HOST-MEMORY.

use mltop::model::{Finding, Frame, Gap, Reading, Rule, Sample, Severity};

use super::{fed, found, none, only, run};
use crate::engine;

fn pressure(frame: &mut Frame, some: f64, full: f64) {
    frame.host.psi_memory_some_ratio = Reading::Is(some);
    frame.host.psi_memory_full_ratio = Reading::Is(full);
}

pub(crate) fn short() -> Vec<Finding> {
    found(&mut fed(), 60, &mut |_, _, frame| pressure(frame, 0.12, 0.02))
}

pub(crate) fn nearly_short() -> Vec<Finding> {
    found(&mut fed(), 60, &mut |_, _, frame| pressure(frame, 0.09, 0.04))
}

#[test]
fn tasks_that_wait_for_memory_are_a_warning_and_a_danger_where_all_of_them_do() {
    let finding = only(&mut fed(), 60, &mut |_, _, frame| pressure(frame, 0.3, 0.12));
    assert_eq!((finding.rule, finding.severity), (Rule::HostMemory, Severity::Warn));
    assert!(
        finding.title.contains("all tasks waited for memory 12 % of the time"),
        "{}",
        finding.title
    );
    assert!(finding.advice.contains("prefetch_factor"), "{}", finding.advice);
    let finding = only(&mut fed(), 90, &mut |_, _, frame| pressure(frame, 0.9, 0.7));
    assert_eq!(finding.severity, Severity::Critical);
    assert!(finding.title.contains("systemd-oomd"), "{}", finding.title);
}

#[test]
fn a_short_or_a_small_pressure_raises_nothing() {
    none(&mut fed(), 120, &mut |at, _, frame| {
        pressure(frame, if (60.0..65.0).contains(&at) { 0.5 } else { 0.0 }, 0.0);
    });
    none(&mut fed(), 120, &mut |_, _, frame| pressure(frame, 0.08, 0.03));
}

#[test]
fn pages_that_come_back_from_swap_are_named_with_their_rate() {
    let finding = only(&mut fed(), 60, &mut |_, _, frame| {
        frame.host.swap_in_pages_per_second = Reading::Is(9000.0);
    });
    assert!(finding.title.contains("9000 pages a second came back from swap"), "{}", finding.title);
    none(&mut fed(), 60, &mut |_, _, frame| {
        frame.host.swap_in_pages_per_second = Reading::Is(100.0);
    });
}

fn shm(sample: &mut Sample, used: u64) {
    sample.host.shm_size_bytes = Reading::Is(64 << 20);
    sample.host.shm_used_bytes = Reading::Is(used << 20);
}

#[test]
fn a_full_dev_shm_is_named_with_the_size_that_would_be_enough() {
    let finding = only(&mut fed(), 60, &mut |_, sample, _| {
        shm(sample, 60);
        sample.loaders[0].ready = Reading::Is(4);
        sample.loaders[0].stash = Reading::Is(0);
    });
    assert!(finding.title.contains("/dev/shm holds 60 MiB of 64 MiB"), "{}", finding.title);
    // 15 MiB a batch, 16 batches.
    assert!(finding.advice.contains("240 MiB would be enough"), "{}", finding.advice);
    none(&mut fed(), 60, &mut |_, sample, _| shm(sample, 50));
}

fn group(sample: &mut Sample, frame: &mut Frame, used: u64, cache: u64, refaults: f64) {
    sample.cgroups[0].memory_limit_bytes = Reading::Is(16 << 30);
    sample.cgroups[0].memory_current_bytes = Reading::Is(used << 20);
    sample.cgroups[0].memory_file_bytes = Reading::Is(cache << 20);
    frame.cgroups[0].refault_file_pages_per_second = Reading::Is(refaults);
}

#[test]
fn a_group_that_its_processes_fill_is_short_and_one_full_of_page_cache_is_not() {
    let finding = only(&mut fed(), 60, &mut |_, sample, frame| {
        group(sample, frame, 16_200, 300, 500.0);
    });
    assert!(finding.title.contains("97 % full without page cache"), "{}", finding.title);
    none(&mut fed(), 60, &mut |_, sample, frame| group(sample, frame, 16_200, 12_000, 500.0));
    none(&mut fed(), 60, &mut |_, sample, frame| group(sample, frame, 16_200, 300, 0.0));
}

#[test]
fn without_pressure_figures_and_without_a_training_nothing_is_said() {
    none(&mut fed(), 60, &mut |_, _, frame| {
        frame.host.psi_memory_some_ratio = Reading::Not(Gap::Unsupported);
        frame.host.psi_memory_full_ratio = Reading::Not(Gap::Unsupported);
    });
    none(&mut fed(), 60, &mut |_, sample, frame| {
        pressure(frame, 0.5, 0.4);
        let inventory = std::sync::Arc::make_mut(&mut sample.inventory);
        inventory.runs.clear();
    });
}

#[test]
fn a_shortage_that_is_over_ends_after_half_a_minute() {
    let (mut scenario, mut engine) = (fed(), engine());
    let opened = run(&mut scenario, &mut engine, 200, &mut |at, _, frame| {
        pressure(frame, if at < 60.0 { 0.4 } else { 0.0 }, 0.0);
    });
    assert_eq!(opened.len(), 1, "{opened:#?}");
    assert!(engine.findings()[0].end_ms.is_some());
}
