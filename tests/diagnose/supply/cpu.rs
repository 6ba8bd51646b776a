//! CPU-QUOTA, CPU-OVERSUBSCRIBED, and a loop without workers.

use mltop::model::inventory::LoaderInfo;
use mltop::model::{Cause, Finding, Frame, Gap, Reading, Rule, Sample, Severity};

use super::{cause_of, fed, found, none, on_cpu, only, run, starved};
use crate::engine;

/// A quota of 9 cores that stops the job, and runs out in so many periods.
fn quota(sample: &mut Sample, frame: &mut Frame, throttled: f64, periods: f64) {
    sample.cgroups[0].cpu_limit_cores = Reading::Is(9.0);
    frame.cgroups[0].throttled_ratio = Reading::Is(throttled);
    frame.cgroups[0].throttled_periods_ratio = Reading::Is(periods);
}

/// A loop that keeps up under a quota that binds so much.
fn limited(throttled: f64, periods: f64) -> Vec<Finding> {
    found(&mut fed(), 120, &mut |_, sample, frame| {
        quota(sample, frame, throttled, periods);
        on_cpu(frame, 0.5, 0.3);
    })
}

pub(crate) fn throttled() -> Vec<Finding> {
    limited(0.2, 0.4)
}

pub(crate) fn hardly_throttled() -> Vec<Finding> {
    limited(0.08, 0.2)
}

#[test]
fn a_quota_that_runs_out_is_why_busy_workers_are_too_slow() {
    let (cause, finding) = cause_of(&mut starved(), 60, &mut |_, sample, frame| {
        quota(sample, frame, 0.38, 0.8);
        on_cpu(frame, 0.9, 0.4);
    });
    assert_eq!(cause, Cause::CpuQuota, "{finding:#?}");
    assert!(finding.title.contains("the CPU quota of 9.0 cores stops it 38 % of the time"));
    assert!(finding.advice.contains("limits.cpu"), "{}", finding.advice);
    assert!(!finding.advice.contains("Raise num_workers"), "{}", finding.advice);
}

#[test]
fn a_loop_whose_own_thread_a_quota_stops_does_not_stand_in_line_behind_others() {
    let (cause, finding) = cause_of(&mut starved(), 60, &mut |_, sample, frame| {
        quota(sample, frame, 0.5, 0.9);
        on_cpu(frame, 0.5, 0.5);
        sample.host.runnable = Reading::Is(200);
        for rates in &mut frame.procs {
            rates.main_run_delay_ratio = Reading::Is(0.6);
        }
    });
    assert_eq!(cause, Cause::CpuQuota, "{finding:#?}");
}

#[test]
fn a_quota_that_stops_a_loop_which_keeps_up_is_said_too() {
    let finding = only(&mut fed(), 120, &mut |_, sample, frame| {
        quota(sample, frame, 0.35, 0.5);
        on_cpu(frame, 0.5, 0.3);
    });
    assert_eq!((finding.rule, finding.severity), (Rule::CpuQuota, Severity::High));
    assert!(finding.title.contains("9.0 cores"), "{}", finding.title);
}

#[test]
fn a_quota_that_hardly_binds_or_that_others_use_up_is_no_finding() {
    none(&mut fed(), 120, &mut |_, sample, frame| {
        quota(sample, frame, 0.08, 0.2);
        on_cpu(frame, 0.5, 0.1);
    });
    none(&mut fed(), 120, &mut |_, sample, frame| {
        quota(sample, frame, 0.35, 0.5);
        on_cpu(frame, 0.1, 0.0);
    });
}

#[test]
fn without_the_threads_of_the_job_nothing_is_said_of_a_quota() {
    none(&mut fed(), 120, &mut |_, sample, frame| quota(sample, frame, 0.35, 0.5));
    none(&mut fed(), 120, &mut |_, sample, frame| {
        quota(sample, frame, 0.35, 0.5);
        on_cpu(frame, 0.5, 0.3);
        frame.cgroups[0].throttled_ratio = Reading::Not(Gap::Denied);
    });
}

#[test]
fn a_quota_is_forgotten_when_it_no_longer_binds_and_the_finding_ends() {
    let (mut scenario, mut engine) = (fed(), engine());
    let opened = run(&mut scenario, &mut engine, 180, &mut |at, sample, frame| {
        quota(sample, frame, if at < 90.0 { 0.35 } else { 0.0 }, if at < 90.0 { 0.5 } else { 0.0 });
        on_cpu(frame, 0.5, 0.3);
    });
    assert_eq!(opened.len(), 1, "{opened:#?}");
    assert!(engine.findings()[0].end_ms.is_some_and(|end| end > opened[0].start_ms));
}

/// The workers stand in the run queue this share of their time on a CPU or ready for one.
fn queued(sample: &mut Sample, share: f64) {
    let row = &mut sample.loaders[0];
    let run = row.worker_run_samples_total.ok().unwrap();
    let queued = (run as f64 * share) as u64;
    row.worker_runq_samples_total = Reading::Is(queued);
    row.worker_run_samples_total = Reading::Is(run - queued);
}

/// Sixteen cores for eight workers and their trainer, with as many threads each.
fn crowded(run_delay: f64) -> Vec<Finding> {
    let mut scenario = fed();
    scenario.cpus = 16.0;
    found(&mut scenario, 120, &mut |_, sample, frame| {
        queued(sample, 0.6);
        on_cpu(frame, 1.0, run_delay);
    })
}

pub(crate) fn in_line() -> Vec<Finding> {
    crowded(2.5)
}

pub(crate) fn hardly_more_threads_than_cores() -> Vec<Finding> {
    crowded(1.5)
}

#[test]
fn more_threads_than_cores_with_workers_in_line_are_why_a_loop_starves() {
    let mut scenario = starved();
    scenario.cpus = 16.0;
    let (cause, finding) = cause_of(&mut scenario, 60, &mut |_, sample, frame| {
        queued(sample, 0.4);
        // Eight workers of four threads each, two of which stand in line.
        on_cpu(frame, 1.6, 2.0);
    });
    assert_eq!(cause, Cause::CpuOversubscribed, "{finding:#?}");
    assert!(finding.title.contains("threads of it want to run on 16 cores"), "{}", finding.title);
    assert!(finding.advice.contains("OMP_NUM_THREADS=1"), "{}", finding.advice);
}

#[test]
fn workers_in_line_behind_other_jobs_are_told_to_keep_those_away() {
    let mut scenario = fed();
    scenario.cpus = 16.0;
    let finding = only(&mut scenario, 120, &mut |_, sample, frame| {
        queued(sample, 0.6);
        on_cpu(frame, 0.5, 0.5);
        sample.host.runnable = Reading::Is(40);
    });
    assert_eq!(finding.rule, Rule::CpuOversubscribed);
    assert!(finding.title.contains("40 threads of all jobs"), "{}", finding.title);
    assert!(finding.advice.contains("cpuset"), "{}", finding.advice);
}

#[test]
fn either_condition_alone_is_no_oversubscription() {
    let mut scenario = fed();
    scenario.cpus = 16.0;
    // In line, and as many threads as cores.
    none(&mut scenario, 120, &mut |_, sample, frame| {
        queued(sample, 0.6);
        on_cpu(frame, 0.9, 0.6);
    });
    let mut scenario = fed();
    scenario.cpus = 16.0;
    // Many threads, and hardly any wait of the workers.
    none(&mut scenario, 120, &mut |_, sample, frame| {
        queued(sample, 0.1);
        on_cpu(frame, 2.0, 2.0);
    });
}

#[test]
fn without_the_run_queue_delay_no_oversubscription_is_named() {
    let mut scenario = starved();
    scenario.cpus = 16.0;
    let (cause, _) = cause_of(&mut scenario, 60, &mut |_, sample, frame| {
        queued(sample, 0.4);
        on_cpu(frame, 1.6, 2.0);
        frame.procs.iter_mut().for_each(|rates| rates.run_delay_ratio = Reading::Not(Gap::Denied));
    });
    assert_eq!(cause, Cause::TooFewWorkers);
}

#[test]
fn a_loop_that_itself_stands_in_line_is_named_before_its_delivery() {
    let slow = |delay: f64| {
        let mut scenario = fed();
        scenario.cpus = 2.0;
        scenario.load_mut(0).delivery = 0.12;
        cause_of(&mut scenario, 60, &mut |_, sample, frame| {
            on_cpu(frame, 0.1, 0.1);
            frame.procs.iter_mut().for_each(|r| r.main_run_delay_ratio = Reading::Is(delay));
            sample.host.runnable = Reading::Is(18);
        })
    };
    let (cause, finding) = slow(0.5);
    assert_eq!(cause, Cause::CpuOversubscribed, "{finding:#?}");
    assert!(
        finding.title.contains("18 threads of all jobs want to run on 2 cores"),
        "{}",
        finding.title
    );
    assert!(
        finding.title.contains("main thread stands in line for a CPU 50 %"),
        "{}",
        finding.title
    );
    assert_eq!(slow(0.1).0, Cause::DeliveryBound);
}

/// A loop that loads its data itself, with its main thread on a CPU, at a disk and at a network so much
/// of the wait.
fn alone(sample: &mut Sample, [run, disk, net]: [f64; 3]) {
    let row = &mut sample.loaders[0];
    let wait = row.wait_samples_total.ok().unwrap() as f64;
    row.workers = Reading::Is(0);
    row.wait_run_samples_total = Reading::Is((wait * run) as u64);
    row.wait_disk_samples_total = Reading::Is((wait * disk) as u64);
    row.wait_net_samples_total = Reading::Is((wait * net) as u64);
    let none = Reading::Not(Gap::NotApplicable);
    (row.capacity, row.ready, row.stash) = (none, none, none);
    (row.wait_idle_samples_total, row.wait_worker_samples_total) = (none, none);
    row.worker_run_samples_total = none;
    let inventory = std::sync::Arc::make_mut(&mut sample.inventory);
    for info in &mut inventory.loaders {
        *info = LoaderInfo { workers: Vec::new(), ..(**info).clone() }.into();
    }
}

#[test]
fn a_loop_without_workers_is_told_where_its_main_thread_loads() {
    let (cause, finding) = cause_of(&mut starved(), 60, &mut |_, sample, frame| {
        on_cpu(frame, 0.7, 0.0);
        alone(sample, [0.7, 0.25, 0.0]);
    });
    assert_eq!(cause, Cause::TooFewWorkers, "{finding:#?}");
    assert!(finding.title.contains("num_workers=0"), "{}", finding.title);
    assert!(finding.title.contains("70 % of it preparing samples on a CPU"), "{}", finding.title);
    assert!(finding.title.contains("waiting for a disk"), "{}", finding.title);
    assert!(!finding.title.contains("network"), "{}", finding.title);
    assert!(finding.advice.contains("num_workers to 2 at first"), "{}", finding.advice);
}

#[test]
fn a_loop_without_workers_and_without_a_free_core_is_told_to_free_one() {
    let mut scenario = starved();
    scenario.cpus = 9.2;
    let (_, finding) = cause_of(&mut scenario, 60, &mut |_, sample, _| {
        alone(sample, [0.9, 0.0, 0.0]);
    });
    assert!(finding.advice.starts_with("No core is left"), "{}", finding.advice);
}

#[test]
fn a_loop_without_workers_that_hardly_waits_raises_nothing() {
    none(&mut fed(), 120, &mut |_, sample, _| alone(sample, [0.9, 0.0, 0.0]));
}
