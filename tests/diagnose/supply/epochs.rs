//! What whole epochs show: COLD-CACHE, CACHE-THRASH, EPOCH-RESPAWN, REPEATED-PREP.

use mltop::model::{Cause, Finding, Frame, Gap, Reading, Rule, Sample, Severity};

use super::{cause_of, disk, epochs_of, fed, found, none, only, reading, reads, run};
use crate::engine;
use crate::scenario::Scenario;

/// Batches of an epoch: a minute of a loop that is fed.
const BATCHES: u64 = 550;

/// A training that is watched from its start.
fn young(mut scenario: Scenario) -> Scenario {
    scenario.age = 0;
    scenario
}

/// The page cache is full, and so many pages a second are read again.
fn memory(sample: &mut Sample, frame: &mut Frame, free: f64, refaults: f64) {
    let total = 256_u64 << 30;
    sample.host.memory_total_bytes = Reading::Is(total);
    sample.host.memory_free_bytes = Reading::Is((total as f64 * free) as u64);
    sample.host.memory_available_bytes = Reading::Is(200 << 30);
    frame.host.refault_file_pages_per_second = Reading::Is(refaults);
}

fn epoch(sample: &Sample) -> u64 {
    sample.loaders[0].epochs_total.ok().unwrap()
}

/// A second epoch that reads this share from storage, of which a part had been there.
fn rereads(share: f64) -> Vec<Finding> {
    found(&mut fed(), 180, &mut |_, sample, frame| {
        epochs_of(&mut sample.loaders[0], BATCHES);
        reads(sample, frame, share * 250e6, 250e6, 250.0);
        memory(sample, frame, 0.03, 20_000.0);
    })
}

pub(crate) fn thrashing() -> Vec<Finding> {
    rereads(0.35)
}

pub(crate) fn hardly_thrashing() -> Vec<Finding> {
    rereads(0.25)
}

#[test]
fn an_epoch_that_reads_again_what_was_evicted_starves_by_the_page_cache() {
    let (cause, finding) = cause_of(&mut reading(), 120, &mut |_, sample, frame| {
        epochs_of(&mut sample.loaders[0], 100);
        reads(sample, frame, 170e6, 250e6, 250.0);
        memory(sample, frame, 0.03, 20_000.0);
    });
    assert_eq!(cause, Cause::CacheThrash, "{finding:#?}");
    assert!(finding.title.contains("68 % of what it reads"), "{}", finding.title);
    assert!(
        finding.advice.contains("a page cache of that size would hold it"),
        "{}",
        finding.advice
    );
    assert!(finding.advice.contains("memory.max"), "{}", finding.advice);
}

#[test]
fn a_loop_that_keeps_up_though_the_page_cache_is_too_small_is_warned() {
    let finding = only(&mut fed(), 180, &mut |_, sample, frame| {
        epochs_of(&mut sample.loaders[0], BATCHES);
        reads(sample, frame, 170e6, 250e6, 250.0);
        memory(sample, frame, 0.03, 20_000.0);
    });
    assert_eq!((finding.rule, finding.severity), (Rule::CacheThrash, Severity::Warn));
}

#[test]
fn the_first_epoch_or_a_cache_with_room_or_without_refaults_does_not_thrash() {
    // No epoch has ended.
    none(&mut fed(), 180, &mut |_, sample, frame| {
        epochs_of(&mut sample.loaders[0], 100_000);
        reads(sample, frame, 170e6, 250e6, 250.0);
        memory(sample, frame, 0.03, 20_000.0);
    });
    for (free, refaults) in [(0.4, 20_000.0), (0.03, 300.0)] {
        none(&mut fed(), 180, &mut |_, sample, frame| {
            epochs_of(&mut sample.loaders[0], BATCHES);
            reads(sample, frame, 170e6, 250e6, 250.0);
            memory(sample, frame, free, refaults);
        });
    }
}

#[test]
fn without_the_reads_or_the_refaults_no_thrashing_is_named() {
    none(&mut fed(), 180, &mut |_, sample, frame| {
        epochs_of(&mut sample.loaders[0], BATCHES);
        memory(sample, frame, 0.03, 20_000.0);
        let denied = Reading::Not(Gap::Denied);
        frame.procs.iter_mut().for_each(|rates| rates.read_bytes_per_second = denied);
    });
    none(&mut fed(), 180, &mut |_, sample, frame| {
        epochs_of(&mut sample.loaders[0], BATCHES);
        reads(sample, frame, 170e6, 250e6, 250.0);
        memory(sample, frame, 0.03, 20_000.0);
        frame.host.refault_file_pages_per_second = Reading::Not(Gap::Unsupported);
    });
}

#[test]
fn a_first_epoch_that_fits_the_memory_starves_by_a_cold_cache_and_that_is_only_told() {
    let mut scenario = young(reading());
    let (cause, finding) = cause_of(&mut scenario, 120, &mut |_, sample, frame| {
        epochs_of(&mut sample.loaders[0], 100_000);
        reads(sample, frame, 9e6, 10e6, 100.0);
        memory(sample, frame, 0.6, 0.0);
    });
    assert_eq!((cause, finding.severity), (Cause::ColdCache, Severity::Info), "{finding:#?}");
    assert!(finding.title.contains("90 % of what it reads"), "{}", finding.title);
}

#[test]
fn data_that_does_not_fit_or_a_disk_at_its_ceiling_is_no_cold_cache() {
    let mut scenario = young(reading());
    let (cause, _) = cause_of(&mut scenario, 120, &mut |_, sample, frame| {
        epochs_of(&mut sample.loaders[0], 10_000_000);
        reads(sample, frame, 90e6, 100e6, 100.0);
        memory(sample, frame, 0.6, 0.0);
    });
    assert_eq!(cause, Cause::TooFewWorkers);
    let mut scenario = young(reading());
    scenario.disk = (0.008, 14.0, 30e6);
    let (cause, _) = cause_of(&mut scenario, 120, &mut |_, sample, frame| {
        epochs_of(&mut sample.loaders[0], 100_000);
        reads(sample, frame, 9e6, 10e6, 100.0);
        memory(sample, frame, 0.6, 0.0);
    });
    assert_eq!(cause, Cause::DiskBound);
}

/// Two epochs: the first reads this share from storage, the second that.
fn warms(seconds: u32, shares: [f64; 2], step: f64) -> Vec<Finding> {
    let mut scenario = young(fed());
    scenario.ranks[0].step = 0.15;
    let mut engine = engine();
    let alter = &mut |_: f64, sample: &mut Sample, frame: &mut Frame| {
        epochs_of(&mut sample.loaders[0], 400);
        let share = if epoch(sample) == 0 { shares[0] } else { shares[1] };
        reads(sample, frame, share * 50e6, 50e6, 100.0);
        disk(frame, share * 50e6, 400.0);
        memory(sample, frame, 0.5, 0.0);
    };
    let mut opened = run(&mut scenario, &mut engine, 62, alter);
    scenario.ranks[0].step = step;
    opened.extend(run(&mut scenario, &mut engine, seconds, alter));
    for finding in engine.findings() {
        assert!(finding.end_ms.is_some(), "it speaks of an epoch that is over: {finding:#?}");
    }
    opened
}

pub(crate) fn cold() -> Vec<Finding> {
    warms(150, [0.92, 0.01], 0.1)
}

pub(crate) fn as_cold() -> Vec<Finding> {
    warms(150, [0.92, 0.40], 0.1)
}

#[test]
fn a_first_epoch_from_the_disk_and_a_second_from_memory_are_told_once_when_both_are_over() {
    let opened = warms(150, [0.92, 0.01], 0.1);
    assert_eq!(opened.len(), 1, "{opened:#?}");
    assert_eq!((opened[0].rule, opened[0].severity), (Rule::ColdCache, Severity::Info));
    assert!(opened[0].title.contains("1.4 times as long"), "{}", opened[0].title);
    assert!(opened[0].advice.contains("vmtouch"), "{}", opened[0].advice);
}

#[test]
fn a_second_epoch_as_cold_or_as_slow_as_the_first_tells_of_no_cold_cache() {
    assert_eq!(warms(150, [0.92, 0.80], 0.1), []);
    assert_eq!(warms(150, [0.92, 0.01], 0.14), []);
}

/// Epochs of 60 s that begin with so many seconds of starting workers, and so many new ones.
fn respawning(gap: f64, fresh: u64, see_stack: bool, epochs: u32) -> Vec<Finding> {
    let (mut scenario, mut engine) = (fed(), engine());
    let mut opened = Vec::new();
    let (mut looks, mut starting, mut starts) = (0_u64, 0_u64, 0_u64);
    for number in 0..u64::from(epochs) {
        if number > 0 {
            scenario.ranks[0].pause = (gap, 0.0);
            starts += fresh;
        }
        let begun = scenario.ranks[0].loaders[0].wanted;
        opened.extend(run(&mut scenario, &mut engine, 60, &mut |at, sample, _| {
            looks += 50;
            starting += if number > 0 && at <= gap + 0.01 { 50 } else { 0 };
            let row = &mut sample.loaders[0];
            row.epochs_total = Reading::Is(number);
            row.position = Reading::Is(row.steps_total.ok().unwrap() - begun);
            row.worker_starts_total = Reading::Is(starts);
            row.persistent = Reading::Is(false);
            if see_stack {
                row.main_samples_total = Reading::Is(looks);
                row.main_workers_samples_total = Reading::Is(starting);
            }
        }));
    }
    opened
}

pub(crate) fn respawn() -> Vec<Finding> {
    respawning(6.0, 8, true, 4)
}

pub(crate) fn quick_respawn() -> Vec<Finding> {
    respawning(1.0, 8, true, 4)
}

#[test]
fn workers_that_are_started_for_each_epoch_are_named_with_what_that_takes() {
    let opened = respawning(6.0, 8, true, 4);
    assert_eq!(opened.len(), 1, "{opened:#?}");
    let finding = &opened[0];
    assert_eq!((finding.rule, finding.severity), (Rule::EpochRespawn, Severity::Warn));
    assert!(
        finding.title.contains("starts its 8 workers anew for every epoch"),
        "{}",
        finding.title
    );
    assert!(finding.title.contains("6.0 s"), "{}", finding.title);
    assert!(finding.advice.contains("persistent_workers=True"), "{}", finding.advice);
}

#[test]
fn quick_starts_or_workers_that_live_on_are_no_respawn() {
    assert_eq!(respawning(1.0, 8, true, 4), []);
    assert_eq!(respawning(6.0, 0, true, 4), []);
    // One begin may be an accident.
    assert_eq!(respawning(6.0, 8, true, 2), []);
}

#[test]
fn a_pause_between_epochs_in_which_nobody_sees_the_loop_is_not_blamed_on_the_workers() {
    assert_eq!(respawning(6.0, 8, false, 4), []);
}

/// Epochs in which the workers use so many cores, and read so much from storage.
fn prepares(cores: [f64; 3], from_storage: f64) -> Vec<Finding> {
    prepares_on(14.0, cores, from_storage)
}

/// The same on a box of so many cores.
fn prepares_on(cpus: f64, cores: [f64; 3], from_storage: f64) -> Vec<Finding> {
    let (mut scenario, mut engine) = (young(fed()), engine());
    scenario.cpus = cpus;
    run(&mut scenario, &mut engine, 230, &mut |_, sample, frame| {
        epochs_of(&mut sample.loaders[0], BATCHES);
        sample.loaders[0].batch_size = Reading::Is(256);
        let number = epoch(sample).min(2) as usize;
        reads(sample, frame, from_storage, 50e6, 100.0);
        for rates in &mut frame.procs {
            rates.cpu_cores = Reading::Is(cores[number] / 8.0);
        }
    })
}

pub(crate) fn repeated() -> Vec<Finding> {
    prepares([4.0; 3], 0.0)
}

pub(crate) fn not_repeated() -> Vec<Finding> {
    prepares([4.0, 3.0, 2.0], 0.0)
}

#[test]
fn the_same_cpu_time_for_the_same_samples_in_each_epoch_is_told() {
    let opened = prepares([4.0; 3], 0.0);
    assert_eq!(opened.len(), 1, "{opened:#?}");
    assert_eq!((opened[0].rule, opened[0].severity), (Rule::RepeatedPrep, Severity::Info));
    assert!(opened[0].title.contains("the same 140 800 samples"), "{}", opened[0].title);
    assert!(opened[0].title.contains("core-seconds"), "{}", opened[0].title);
    assert!(opened[0].advice.contains(".cache()"), "{}", opened[0].advice);
}

#[test]
fn epochs_that_cost_less_or_come_from_the_disk_or_use_little_cpu_repeat_nothing_worth_saving() {
    assert_eq!(prepares([4.0, 2.0, 1.0], 0.0), []);
    assert_eq!(prepares([4.0; 3], 20e6), []);
    assert_eq!(prepares([0.5; 3], 0.0), []);
    // A sixteenth of the cores that there are is nothing that anybody lacks.
    assert_eq!(prepares_on(64.0, [4.0; 3], 0.0), []);
}
