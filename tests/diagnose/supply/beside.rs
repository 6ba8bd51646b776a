//! What is said beneath a starvation beside its cause: each further cause that has evidence of its own.

use mltop::model::{Cause, Evidence, Finding, Frame, Gap, Reading, Sample};

use super::{cause_of, disk, fed, on_cpu, reading, reads, starved};

/// The further causes by the codes in their lines.
fn also(finding: &Finding) -> Vec<&str> {
    let lines = finding.evidence.iter().filter_map(|line| line.text.strip_prefix("Also "));
    lines.map(|text| text.split(':').next().unwrap()).collect()
}

fn line_of<'a>(finding: &'a Finding, code: &str) -> &'a Evidence {
    let begin = format!("Also {code}: ");
    finding.evidence.iter().find(|line| line.text.starts_with(&begin)).unwrap()
}

/// Sixteen cores with twice as many threads, and workers in line for them a third of their time.
fn crowd(sample: &mut Sample, frame: &mut Frame) {
    let row = &mut sample.loaders[0];
    let run = row.worker_run_samples_total.ok().unwrap();
    row.worker_runq_samples_total = Reading::Is(run / 3);
    row.worker_run_samples_total = Reading::Is(run - run / 3);
    on_cpu(frame, 1.6, 2.0);
}

fn quota(sample: &mut Sample, frame: &mut Frame, throttled: f64) {
    sample.cgroups[0].cpu_limit_cores = Reading::Is(9.0);
    frame.cgroups[0].throttled_ratio = Reading::Is(throttled);
    frame.cgroups[0].throttled_periods_ratio = Reading::Is(throttled);
}

/// Files of 20 KiB from a disk that has more requests in flight than there are workers.
fn small_files_on_a_full_disk(sample: &Sample, frame: &mut Frame) {
    let size = 20.0 * 1024.0;
    reads(sample, frame, 3000.0 * size, 3000.0 * size, 6000.0);
    disk(frame, 3000.0 * size, 3000.0);
    frame.disks[0].queue = Reading::Is(20.0);
}

#[test]
fn a_full_disk_under_small_files_is_said_beneath_with_its_figures() {
    let (cause, finding) = cause_of(&mut reading(), 60, &mut |_, sample, frame| {
        small_files_on_a_full_disk(sample, frame);
    });
    assert_eq!(cause, Cause::SmallFiles, "{finding:#?}");
    assert_eq!(also(&finding), ["DISK-BOUND"], "{finding:#?}");
    let line = line_of(&finding, "DISK-BOUND");
    assert!(line.text.contains("20 requests in flight"), "{}", line.text);
    assert!(line.text.ends_with('.') && line.from_ms < line.to_ms, "{line:#?}");
    assert!(line.series.starts_with("loaders.") && line.value > 0.6, "{line:#?}");
}

#[test]
fn what_has_no_evidence_of_its_own_is_not_said_beneath() {
    // The same reads on a disk with room; and on one whose queue nobody can read.
    for queue in [Reading::Is(0.5), Reading::Not(Gap::Denied)] {
        let (cause, finding) = cause_of(&mut reading(), 60, &mut |_, sample, frame| {
            small_files_on_a_full_disk(sample, frame);
            frame.disks[0].queue = queue;
        });
        assert_eq!((cause, also(&finding)), (Cause::SmallFiles, vec![]), "{finding:#?}");
    }
}

#[test]
fn too_few_workers_are_what_is_left_over_and_no_second_cause() {
    let (cause, finding) = cause_of(&mut starved(), 60, &mut |_, _, frame| on_cpu(frame, 0.9, 0.0));
    assert_eq!((cause, also(&finding)), (Cause::TooFewWorkers, vec![]), "{finding:#?}");
}

#[test]
fn threads_that_a_quota_stops_are_no_crowd_beside_it() {
    let both = |throttled: f64| {
        let mut scenario = starved();
        scenario.cpus = 16.0;
        cause_of(&mut scenario, 60, &mut |_, sample, frame| {
            crowd(sample, frame);
            quota(sample, frame, throttled);
        })
    };
    let (cause, finding) = both(0.4);
    assert_eq!((cause, also(&finding)), (Cause::CpuQuota, vec![]), "{finding:#?}");
    let (cause, finding) = both(0.01);
    assert_eq!((cause, also(&finding)), (Cause::CpuOversubscribed, vec![]), "{finding:#?}");
}

#[test]
fn a_hand_over_of_ready_batches_is_no_second_cause_where_the_loop_itself_is_stopped() {
    // The main thread is stopped by the quota, or stands in line: that is why ready batches wait.
    let slow = |stopped: bool, quota_share: f64| {
        let mut scenario = fed();
        scenario.cpus = 2.0;
        scenario.load_mut(0).delivery = 0.12;
        cause_of(&mut scenario, 60, &mut |_, sample, frame| {
            let cores = if quota_share > 0.0 { 0.5 } else { 0.1 };
            on_cpu(frame, cores, cores);
            quota(sample, frame, quota_share);
            sample.host.runnable = Reading::Is(18);
            let delay = if stopped { 0.6 } else { 0.05 };
            frame.procs.iter_mut().for_each(|r| r.main_run_delay_ratio = Reading::Is(delay));
        })
    };
    let (cause, finding) = slow(true, 0.5);
    assert_eq!((cause, also(&finding)), (Cause::CpuQuota, vec![]), "{finding:#?}");
    let (cause, finding) = slow(true, 0.0);
    assert_eq!((cause, also(&finding)), (Cause::CpuOversubscribed, vec![]), "{finding:#?}");
    assert_eq!(slow(false, 0.0).0, Cause::DeliveryBound);
}
