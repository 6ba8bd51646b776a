//! What is named, when, and what is left alone: the engine against a simulated box.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop, and says what it measured"
)]

#[path = "common/cards.rs"]
mod cards;
#[path = "diagnose/cases.rs"]
mod cases;
#[path = "diagnose/costs.rs"]
mod costs;
#[path = "diagnose/explained.rs"]
mod explained;
#[path = "diagnose/h100_traces.rs"]
mod h100_traces;
#[path = "diagnose/idle_held.rs"]
mod idle_held;
#[path = "diagnose/oversized.rs"]
mod oversized;
#[path = "diagnose/phases.rs"]
mod phases;
#[path = "common/scenario.rs"]
mod scenario;
#[path = "diagnose/sentences.rs"]
mod sentences;
#[path = "diagnose/supply/mod.rs"]
mod supply;
#[path = "diagnose/timing.rs"]
mod timing;
#[path = "diagnose/two_runs.rs"]
mod two_runs;

use std::sync::Arc;

use mltop::diagnose::audit::Audit;
use mltop::diagnose::{Change, Doing, Engine, Settings, Verdict};
use mltop::model::{Cause, Evidence, Finding, Frame, Rule, RunId, Sample, Severity, Stamp};
use scenario::{Load, Scenario};

fn engine() -> Engine {
    Engine::new(Settings::default())
}

/// Runs healthy for a minute, changes the box, and gives the finding that is raised within 30 s.
fn after(scenario: &mut Scenario, change: impl FnOnce(&mut Scenario)) -> (Engine, Finding) {
    let mut engine = engine();
    let before = scenario.run(&mut engine, 60);
    assert!(before.is_empty(), "nothing is the matter yet: {before:#?}");
    change(scenario);
    let changes = scenario.run(&mut engine, 30);
    let opened = changes.iter().find_map(|(_, change)| match change {
        Change::Opened(finding) if finding.rule == Rule::Starved => Some(finding.clone()),
        _ => None,
    });
    let now = engine.now();
    let finding = opened.unwrap_or_else(|| panic!("nothing was raised within 30 s: {now:#?}"));
    (engine, finding)
}

fn silent(scenario: &mut Scenario, seconds: u32) -> Engine {
    let mut engine = engine();
    let changes = scenario.run(&mut engine, seconds);
    assert!(changes.is_empty(), "{changes:#?}");
    engine
}

/// The cause that stands at last.
fn standing(engine: &Engine) -> Option<Cause> {
    engine.findings().iter().find(|finding| finding.end_ms.is_none())?.cause
}

#[test]
fn a_slow_full_disk_is_named_with_the_disk_and_more_workers_are_not_advised() {
    let mut scenario = Scenario::new(8, Load::disk(0.4), 0.1);
    let (engine, finding) = after(&mut scenario, |scenario| {
        scenario.load_mut(0).service = 1.4;
        scenario.disk = (0.008, 14.0, 30e6);
    });
    assert_eq!(standing(&engine), Some(Cause::DiskBound));
    let finding = engine.findings().iter().find(|f| f.id == finding.id).unwrap();
    assert!(finding.title.starts_with("train.py waits for data"), "{}", finding.title);
    assert!(finding.title.contains("nvme1n1"), "{}", finding.title);
    assert!(finding.advice.contains("More workers do not help"), "{}", finding.advice);
    assert!(finding.gain.starts_with("about"), "{}", finding.gain);
    assert!(finding.evidence.iter().all(|e| e.from_ms < e.to_ms), "{:#?}", finding.evidence);
    assert!(finding.severity >= Severity::High);
}

#[test]
fn a_read_limit_of_the_control_group_is_named_with_its_rate() {
    let mut scenario = Scenario::new(8, Load::disk(0.4), 0.1);
    let (engine, _) = after(&mut scenario, |scenario| {
        scenario.load_mut(0).service = 1.6;
        scenario.disk = (0.0004, 0.1, 4e6);
        scenario.read_limit = Some(20_000_000);
    });
    let finding = &engine.findings()[0];
    assert_eq!(finding.cause, Some(Cause::DiskBound), "{finding:#?}");
    assert!(finding.title.contains("throttled by the cgroup at 20 MB/s"), "{}", finding.title);
    assert!(finding.advice.contains("More workers do not help"), "{}", finding.advice);
}

#[test]
fn reads_that_no_device_is_full_of_ask_for_more_workers() {
    let mut scenario = Scenario::new(8, Load::disk(0.4), 0.1);
    let (engine, _) = after(&mut scenario, |scenario| scenario.load_mut(0).service = 1.6);
    let finding = &engine.findings()[0];
    assert_eq!(finding.cause, Some(Cause::TooFewWorkers), "{finding:#?}");
    assert!(finding.advice.contains("num_workers from 8 to 1"), "{}", finding.advice);
}

#[test]
fn a_network_filesystem_is_named_by_its_mount() {
    let mut scenario = Scenario::new(8, Load { parts: [0.0, 0.9, 0.0], ..Load::cpu(0.4) }, 0.1);
    let storage = &mut scenario.ranks[0].loaders[0].info.storage[0];
    (storage.disk, storage.remote, storage.filesystem) = (None, true, "nfs4".into());
    let (engine, _) = after(&mut scenario, |scenario| scenario.load_mut(0).service = 1.6);
    let finding = &engine.findings()[0];
    assert_eq!(finding.cause, Some(Cause::RemoteFs), "{finding:#?}");
    assert!(finding.title.contains("/data (nfs4)"), "{}", finding.title);
}

#[test]
fn busy_workers_on_a_box_with_free_cores_are_too_few() {
    let mut scenario = Scenario::new(8, Load::cpu(0.4), 0.1);
    let (engine, _) = after(&mut scenario, |scenario| scenario.load_mut(0).service = 1.3);
    let finding = &engine.findings()[0];
    assert_eq!(finding.cause, Some(Cause::TooFewWorkers), "{finding:#?}");
    assert!(finding.advice.contains("num_workers from 8 to 1"), "{}", finding.advice);
}

#[test]
fn busy_workers_on_a_full_box_are_bound_by_preparation() {
    let mut scenario = Scenario::new(8, Load::cpu(0.4), 0.1);
    let (engine, _) = after(&mut scenario, |scenario| {
        scenario.load_mut(0).service = 1.3;
        scenario.cpus = 9.0;
    });
    let finding = &engine.findings()[0];
    assert_eq!(finding.cause, Some(Cause::PrepBound), "{finding:#?}");
    assert!(finding.advice.contains("More workers do not help"), "{}", finding.advice);
}

#[test]
fn a_cpu_quota_binds_although_the_box_has_cores_left() {
    let mut scenario = Scenario::new(8, Load::cpu(0.4), 0.1);
    scenario.cpu_quota = Some(9.0);
    let (engine, _) = after(&mut scenario, |scenario| scenario.load_mut(0).service = 1.3);
    assert_eq!(standing(&engine), Some(Cause::PrepBound));
}

#[test]
fn one_slow_batch_that_holds_back_finished_ones_is_head_of_line() {
    let mut scenario = Scenario::new(8, Load::cpu(0.3), 0.1);
    let (engine, _) = after(&mut scenario, |scenario| scenario.load_mut(0).tail = true);
    let finding = &engine.findings()[0];
    assert_eq!(finding.cause, Some(Cause::HeadOfLine), "{finding:#?}");
    assert!(finding.advice.contains("prefetch_factor"), "{}", finding.advice);
}

#[test]
fn waiting_with_batches_ready_is_delivery_before_anything_else() {
    let mut scenario = Scenario::new(8, Load::cpu(0.4), 0.1);
    let (engine, _) = after(&mut scenario, |scenario| scenario.load_mut(0).delivery = 0.12);
    let finding = &engine.findings()[0];
    assert_eq!(finding.cause, Some(Cause::DeliveryBound), "{finding:#?}");
    assert_eq!(engine.now()[0].state, Doing::Delivery);
}

#[test]
fn half_disk_and_half_cpu_is_mixed_and_a_lock_stays_without_a_cause() {
    let mut scenario = Scenario::new(8, Load { parts: [0.5, 0.0, 0.0], ..Load::cpu(0.4) }, 0.1);
    let (engine, _) = after(&mut scenario, |scenario| scenario.load_mut(0).service = 1.4);
    assert_eq!(standing(&engine), Some(Cause::Mixed));
    let mut scenario = Scenario::new(8, Load { parts: [0.0, 0.0, 0.95], ..Load::cpu(0.4) }, 0.1);
    let (engine, _) = after(&mut scenario, |scenario| scenario.load_mut(0).service = 1.4);
    assert_eq!(standing(&engine), Some(Cause::Unattributed));
}

#[test]
fn a_run_that_starves_when_it_is_found_is_raised_within_30_seconds_too() {
    let mut scenario = Scenario::new(8, Load::cpu(1.6), 0.1);
    let mut engine = engine();
    let changes = scenario.run(&mut engine, 30);
    assert_eq!(changes.len(), 1, "{changes:#?}");
    assert_eq!(engine.verdict(), Verdict::Found);
}

#[test]
fn when_the_cause_changes_the_finding_follows_within_30_seconds() {
    let mut scenario = Scenario::new(8, Load::disk(0.4), 0.1);
    let (mut engine, finding) = after(&mut scenario, |scenario| {
        scenario.load_mut(0).service = 1.4;
        scenario.disk = (0.008, 14.0, 30e6);
    });
    *scenario.load_mut(0) = Load::cpu(1.4);
    scenario.disk = (0.0004, 0.1, 1e6);
    scenario.run(&mut engine, 30);
    let same = &engine.findings()[0];
    assert_eq!((same.id, same.cause), (finding.id, Some(Cause::TooFewWorkers)), "{same:#?}");
    // Each of the two is charged what was lost while it held, and together they come to all of it.
    scenario.run(&mut engine, 30);
    let same = &engine.findings()[0];
    let parts: Vec<_> =
        same.evidence.iter().filter(|line| *line.series == *Evidence::BY_CAUSE).collect();
    let causes: Vec<&str> = parts.iter().map(|part| &*part.entity).collect();
    assert_eq!(causes, ["DISK-BOUND", "TOO-FEW-WORKERS"], "{same:#?}");
    assert!(parts.iter().all(|part| part.value > 2.0), "{parts:#?}");
    let (sum, cost) = (parts[0].value + parts[1].value, same.cost.unwrap().gpu_seconds);
    assert!((cost - 1.5..=cost + 1e-6).contains(&sum), "{sum} of {cost}");
    let audit = Audit::of(engine.watched(), engine.findings(), |_| false);
    let lost: f64 = audit.areas.iter().map(|part| part.lost.gpu_seconds).sum();
    assert!((lost - audit.lost.gpu_seconds).abs() < 1e-6, "{audit:#?}");
    assert!(audit.changes[0].lost.gpu_seconds < 0.8 * cost, "{:#?}", audit.changes);
}

#[test]
fn of_two_runs_on_a_box_only_the_one_that_waits_is_named_and_only_its_gpu_charged() {
    let mut scenario = Scenario::new(8, Load::cpu(1.6), 0.1);
    scenario.add_rank(8, Load::cpu(0.3), 0.1);
    let mut engine = engine();
    for _ in 0..90 {
        engine.step(&two_runs::apart(scenario.tick()));
    }
    let [finding] = engine.findings() else { panic!("{:#?}", engine.findings()) };
    assert_eq!((finding.rule, finding.run), (Rule::Starved, Some(RunId(1))));
    assert!(finding.title.starts_with("train-1.py waits"), "{}", finding.title);
    let seconds = 90.0;
    assert!(finding.cost.unwrap().high_gpu_seconds < seconds, "one GPU: {finding:#?}");
}

#[test]
fn when_the_data_flows_again_the_finding_ends_and_stays_as_past() {
    let mut scenario = Scenario::new(8, Load::cpu(0.4), 0.1);
    let (mut engine, finding) = after(&mut scenario, |s| s.load_mut(0).service = 1.6);
    scenario.load_mut(0).service = 0.4;
    scenario.run(&mut engine, 60);
    let past = engine.findings().iter().find(|f| f.id == finding.id).unwrap();
    assert!(past.end_ms.is_some_and(|end| end > past.start_ms), "{past:#?}");
    assert_eq!(engine.verdict(), Verdict::Quiet);
}

#[test]
fn bursts_of_gradient_accumulation_raise_nothing() {
    let mut scenario = Scenario::new(8, Load::cpu(1.0), 0.05);
    scenario.ranks[0].long_step = Some((8, 2.0));
    silent(&mut scenario, 300);
}

#[test]
fn a_validation_loader_between_epochs_raises_nothing() {
    let mut scenario = Scenario::new(8, Load::cpu(0.4), 0.1);
    let validation = scenario.add_loader(0, 4, Load::cpu(0.3));
    let mut engine = engine();
    for _ in 0..5 {
        scenario.ranks[0].active = 0;
        let mut changes = scenario.run(&mut engine, 60);
        scenario.ranks[0].active = validation;
        changes.extend(scenario.run(&mut engine, 15));
        assert!(changes.is_empty(), "{changes:#?}");
    }
}

#[test]
fn new_workers_at_every_epoch_raise_nothing() {
    let mut scenario = Scenario::new(8, Load::cpu(0.7), 0.1);
    let mut engine = engine();
    for _ in 0..6 {
        let changes = scenario.run(&mut engine, 45);
        assert!(changes.is_empty(), "{changes:#?}");
        scenario.respawn(0);
    }
}

/// Epochs of four seconds, with workers of their own each: what is left of each behind its first batches
/// is what there is to judge by.
#[test]
fn a_loop_of_short_epochs_is_told_that_it_starves_and_a_fed_one_is_not() {
    for (service, starves) in [(1.3, true), (0.4, false)] {
        let mut scenario = Scenario::new(4, Load::cpu(service / 2.0), 0.1);
        let mut engine = engine();
        for _ in 0..20 {
            scenario.run(&mut engine, 4);
            scenario.respawn(0);
        }
        let told: Vec<_> = engine.findings().iter().map(|finding| finding.rule).collect();
        assert_eq!(told.contains(&Rule::Starved), starves, "{told:?}");
    }
}

#[test]
fn a_pause_for_a_checkpoint_raises_nothing_and_is_said() {
    let mut scenario = Scenario::new(8, Load::cpu(0.4), 0.1);
    let mut engine = engine();
    scenario.run(&mut engine, 60);
    scenario.ranks[0].pause = (20.0, 400e6);
    let mut changes = scenario.run(&mut engine, 10);
    assert_eq!(engine.now()[0].state, Doing::Idle);
    assert!(engine.now()[0].text.contains("400 MB/s"), "{}", engine.now()[0].text);
    changes.extend(scenario.run(&mut engine, 60));
    assert!(changes.is_empty(), "{changes:#?}");
}

#[test]
fn the_first_batch_of_a_new_training_raises_nothing() {
    let mut scenario = Scenario::new(4, Load::cpu(25.0), 0.1);
    scenario.age = 0;
    let mut engine = engine();
    let mut changes = scenario.run(&mut engine, 20);
    assert_eq!(engine.now()[0].state, Doing::WarmingUp);
    scenario.load_mut(0).service = 0.1;
    changes.extend(scenario.run(&mut engine, 60));
    assert!(changes.is_empty(), "{changes:#?}");
}

#[test]
fn a_wait_that_costs_the_gpu_nothing_raises_nothing() {
    let mut scenario = Scenario::new(8, Load::cpu(1.2), 0.1);
    scenario.ranks[0].never_idle = true;
    silent(&mut scenario, 120);
}

#[test]
fn a_wait_below_a_tenth_of_the_time_raises_nothing() {
    let load = Load { delivery: 0.02, ..Load::cpu(0.8) };
    silent(&mut Scenario::new(8, load, 0.3), 300);
}

#[test]
fn a_single_hiccup_of_three_seconds_raises_nothing_and_one_of_a_minute_does() {
    let mut scenario = Scenario::new(8, Load::cpu(0.4), 0.1);
    let mut engine = engine();
    let mut stop = |scenario: &mut Scenario, seconds: f64| {
        scenario.load_mut(0).delivery = seconds;
        let mut changes = scenario.run(&mut engine, 1);
        scenario.load_mut(0).delivery = 0.0;
        changes.extend(scenario.run(&mut engine, 60));
        changes
    };
    stop(&mut scenario, 0.0);
    let changes = stop(&mut scenario, 3.0);
    assert!(changes.is_empty(), "{changes:#?}");
    assert!(!stop(&mut scenario, 60.0).is_empty());
}

#[test]
fn ticks_that_are_missing_raise_and_clear_nothing() {
    let mut scenario = Scenario::new(8, Load::cpu(0.4), 0.1);
    let (mut engine, finding) = after(&mut scenario, |s| s.load_mut(0).service = 1.6);
    scenario.load_mut(0).service = 0.3;
    for _ in 0..40 {
        scenario.tick();
    }
    let mut frame = scenario.tick();
    frame.span_seconds = None;
    assert!(engine.step(&frame).is_empty());
    let standing = &engine.findings()[0];
    assert_eq!((standing.id, standing.end_ms), (finding.id, None));
}

#[test]
fn the_same_frames_give_the_same_findings() {
    let run = || {
        let mut scenario = Scenario::new(8, Load::disk(0.4), 0.1);
        let (engine, _) = after(&mut scenario, |s| s.load_mut(0).service = 1.6);
        engine.findings().to_vec()
    };
    assert_eq!(run(), run());
}

#[test]
fn where_nothing_may_be_read_nothing_is_raised_and_that_is_said() {
    let mut scenario = Scenario::new(8, Load::cpu(1.6), 0.1);
    scenario.denied = &["wait", "worker", "ready", "empty", "utilization", "cpu", "disk", "stash"];
    let engine = silent(&mut scenario, 120);
    assert_eq!(engine.verdict(), Verdict::NeedMore);
    assert_eq!(engine.now()[0].state, Doing::Unknown);
}

#[test]
fn without_the_workers_states_the_wait_is_named_and_the_cause_is_not() {
    let mut scenario = Scenario::new(8, Load::cpu(0.4), 0.1);
    scenario.denied = &["worker"];
    let (engine, _) = after(&mut scenario, |s| s.load_mut(0).service = 1.6);
    assert_eq!(standing(&engine), Some(Cause::Unattributed));
}

#[test]
fn without_the_cpu_and_the_disk_figures_no_number_of_workers_is_advised() {
    for load in [Load::cpu(0.4), Load::disk(0.4)] {
        let mut scenario = Scenario::new(8, load, 0.1);
        scenario.denied = &["cpu_ratio", "read_await", "disk_queue"];
        let (engine, _) = after(&mut scenario, |s| s.load_mut(0).service = 1.6);
        let finding = &engine.findings()[0];
        assert_eq!(finding.cause, Some(Cause::Unattributed), "{finding:#?}");
        assert!(!finding.advice.contains("num_workers"), "{}", finding.advice);
    }
}

#[test]
fn without_a_gpu_the_loops_wait_counts_and_is_never_critical() {
    let mut scenario = Scenario::new(8, Load::cpu(0.4), 0.1);
    scenario.no_gpu = true;
    let (engine, _) = after(&mut scenario, |s| s.load_mut(0).service = 4.0);
    let finding = &engine.findings()[0];
    assert!(finding.gain.contains("no GPU was seen"), "{}", finding.gain);
    assert_eq!(finding.severity, Severity::High);
}

#[test]
fn a_run_is_judged_by_its_worst_rank_although_the_others_look_busy() {
    let mut scenario = Scenario::new(4, Load::cpu(0.2), 0.1);
    scenario.add_rank(4, Load::cpu(0.2), 0.1);
    scenario.add_rank(4, Load::cpu(0.2), 0.1);
    let slow = scenario.ranks[1].pid;
    let (engine, _) = after(&mut scenario, |s| s.load_mut(1).service = 0.9);
    let finding = &engine.findings()[0];
    assert_eq!(finding.pid, Some(slow));
    assert!(finding.title.starts_with("train.py (rank 1) waits"), "{}", finding.title);
    assert_eq!(engine.now()[0].pid, Some(slow));
}

#[test]
fn a_training_that_ends_takes_its_finding_with_it() {
    let mut scenario = Scenario::new(8, Load::cpu(0.4), 0.1);
    let (mut engine, finding) = after(&mut scenario, |s| s.load_mut(0).service = 1.6);
    let stamp = Stamp { unix_ms: 0, mono_ms: 10_000_000 };
    let empty =
        Frame { sample: Arc::new(Sample { stamp, ..Sample::default() }), ..Frame::default() };
    let changes = engine.step(&empty);
    assert!(matches!(&changes[..], [Change::Closed(f)] if f.id == finding.id), "{changes:#?}");
    assert!(engine.now().is_empty());
}

#[test]
fn a_finding_put_aside_stays_aside_while_it_lasts() {
    let mut scenario = Scenario::new(8, Load::cpu(0.4), 0.1);
    let (mut engine, finding) = after(&mut scenario, |s| s.load_mut(0).service = 1.6);
    assert!(engine.dismiss(finding.id));
    assert!(!engine.dismiss(999));
    scenario.run(&mut engine, 20);
    assert!(engine.findings()[0].dismissed);
}

#[test]
fn half_an_hour_on_a_fifth_of_the_multiprocessors_is_oversized_and_a_starved_run_never_is() {
    let sized = |engine: &Engine, rule: Rule| engine.findings().iter().any(|f| f.rule == rule);
    let mut scenario = Scenario::new(4, Load::cpu(0.2), 0.1);
    (scenario.sm_of_busy, scenario.gpu_bytes) = (Some(0.2), (9 << 30, 80 << 30));
    let mut fed = engine();
    scenario.run(&mut fed, 1700);
    assert!(!sized(&fed, Rule::OversizedCompute), "two windows must agree");
    scenario.run(&mut fed, 400);
    assert!(sized(&fed, Rule::OversizedCompute));
    let mut scenario = Scenario::new(4, Load::cpu(0.8), 0.1);
    (scenario.sm_of_busy, scenario.gpu_bytes) = (Some(0.2), (9 << 30, 80 << 30));
    let mut starved = engine();
    scenario.run(&mut starved, 2100);
    assert!(sized(&starved, Rule::Starved));
    assert!(!sized(&starved, Rule::OversizedCompute) && !sized(&starved, Rule::OversizedMemory));
}
