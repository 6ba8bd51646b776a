//! MAIN-THREAD and TRANSFER-BOUND: the GPU idles, and the loop does not wait for data.

use mltop::model::sample::PcieSource;
use mltop::model::{Bound, Cause, Finding, Frame, Gap, Reading, Rule, Sample};

use super::{cause_of, fed, found, none, only, starved};

/// The GPU is busy so much, and the main thread on a CPU so much of the time.
fn busy(sample: &mut Sample, frame: &mut Frame, gpu: f64, main: f64) {
    sample.gpus[0].utilization_ratio = Reading::Is(gpu);
    for rates in &mut frame.procs {
        rates.main_cpu_cores = Reading::Is(main);
    }
}

/// The main thread's stack, looked at 50 times a second: shares in forward, in backward, in logging.
fn stack(at: f64, sample: &mut Sample, [forward, backward, logging]: [f64; 3]) {
    let row = &mut sample.loaders[0];
    let looks = |share: f64| Reading::Is((at * 50.0 * share) as u64);
    row.main_samples_total = looks(1.0);
    row.main_forward_samples_total = looks(forward);
    row.main_backward_samples_total = looks(backward);
    row.main_logging_samples_total = looks(logging);
    for part in [
        &mut row.main_workers_samples_total,
        &mut row.main_optimizer_samples_total,
        &mut row.main_collective_samples_total,
        &mut row.main_compile_samples_total,
        &mut row.main_checkpoint_samples_total,
        &mut row.main_import_samples_total,
        &mut row.main_validation_samples_total,
    ] {
        *part = Reading::Is(0);
    }
}

/// The GPU is busy so much, and the main thread logs.
fn logs(gpu: f64) -> Vec<Finding> {
    found(&mut fed(), 120, &mut |at, sample, frame| {
        busy(sample, frame, gpu, 0.99);
        stack(at, sample, [0.02, 0.02, 0.6]);
    })
}

pub(crate) fn main_thread() -> Vec<Finding> {
    logs(0.70)
}

pub(crate) fn quick_main_thread() -> Vec<Finding> {
    logs(0.92)
}

#[test]
fn a_main_thread_that_works_while_the_gpu_idles_is_named_with_what_it_does() {
    let finding = only(&mut fed(), 120, &mut |at, sample, frame| {
        busy(sample, frame, 0.60, 0.99);
        stack(at, sample, [0.05, 0.05, 0.6]);
    });
    assert_eq!(finding.rule, Rule::MainThread);
    assert!(finding.title.contains("99 % of the time"), "{}", finding.title);
    assert!(finding.title.contains("67 % of it logging"), "{}", finding.title);
    assert!(finding.advice.contains("collate_fn"), "{}", finding.advice);
    assert!(finding.gain.starts_with("up to 1.7×"), "{}", finding.gain);
}

#[test]
fn a_main_thread_that_launches_kernels_or_waits_is_not_named() {
    // It is the model's own steps that take it.
    none(&mut fed(), 120, &mut |at, sample, frame| {
        busy(sample, frame, 0.60, 0.99);
        stack(at, sample, [0.5, 0.4, 0.0]);
    });
    // It sleeps while the GPU idles, or may.
    none(&mut fed(), 120, &mut |at, sample, frame| {
        busy(sample, frame, 0.60, 0.80);
        stack(at, sample, [0.05, 0.05, 0.6]);
    });
    // The GPU is busy, and the thread spins for it.
    none(&mut fed(), 120, &mut |at, sample, frame| {
        busy(sample, frame, 0.97, 1.0);
        stack(at, sample, [0.05, 0.05, 0.0]);
    });
}

#[test]
fn without_its_stack_or_its_own_cpu_time_nothing_is_said_of_the_main_thread() {
    none(&mut fed(), 120, &mut |_, sample, frame| busy(sample, frame, 0.60, 0.99));
    none(&mut fed(), 120, &mut |at, sample, frame| {
        busy(sample, frame, 0.60, 0.99);
        stack(at, sample, [0.05, 0.05, 0.6]);
        frame.procs.iter_mut().for_each(|rates| rates.main_cpu_cores = Reading::Not(Gap::Denied));
    });
}

#[test]
fn a_loop_that_works_inside_its_loader_while_workers_idle_starves_by_its_main_thread() {
    let by_main = |share: f64| {
        move |_: f64, sample: &mut Sample, frame: &mut Frame| {
            super::on_cpu(frame, 0.9, 0.0);
            let row = &mut sample.loaders[0];
            let wait = row.wait_samples_total.ok().unwrap() as f64;
            row.wait_run_samples_total = Reading::Is((wait * share) as u64);
            (row.wait_disk_samples_total, row.wait_net_samples_total) =
                (Reading::Is(0), Reading::Is(0));
            row.wait_idle_samples_total =
                row.wait_worker_samples_total.map(|looks| (looks as f64 * 0.5) as u64);
        }
    };
    let (cause, finding) = cause_of(&mut starved(), 60, &mut by_main(0.97));
    assert_eq!(cause, Cause::MainThread, "{finding:#?}");
    assert!(finding.title.contains("on a CPU in 97 % of that wait"), "{}", finding.title);
    let (cause, _) = cause_of(&mut starved(), 60, &mut by_main(0.10));
    assert_ne!(cause, Cause::MainThread);
}

/// The link carries this share of what it can, by this source, at this generation.
fn link(sample: &mut Sample, frame: &mut Frame, share: f64, source: PcieSource, generation: u64) {
    let gpu = &mut sample.gpus[0];
    gpu.utilization_ratio = Reading::Is(0.75);
    (gpu.pcie_source, gpu.pcie_bound) = (Reading::Is(source), Reading::Is(Bound::Exact));
    (gpu.pcie_link_gen, gpu.pcie_link_gen_max) = (Reading::Is(generation), Reading::Is(4));
    (gpu.pcie_link_width, gpu.pcie_link_width_max) = (Reading::Is(16), Reading::Is(16));
    frame.gpus.resize_with(1, Default::default);
    frame.gpus[0].pcie_rx_ratio = Reading::Is(share);
    frame.gpus[0].pcie_rx_bytes_per_second = Reading::Is(share * 31.5e9);
    sample.loaders[0].pinned = Reading::Is(false);
}

fn copies(share: f64) -> Vec<Finding> {
    found(&mut fed(), 120, &mut |_, sample, frame| link(sample, frame, share, PcieSource::Gpm, 4))
}

pub(crate) fn full_link() -> Vec<Finding> {
    copies(0.65)
}

pub(crate) fn link_with_room() -> Vec<Finding> {
    copies(0.55)
}

#[test]
fn a_link_that_is_full_while_the_gpu_idles_is_transfer_bound() {
    let finding = only(&mut fed(), 120, &mut |_, sample, frame| {
        link(sample, frame, 0.72, PcieSource::Gpm, 4);
    });
    assert_eq!(finding.rule, Rule::TransferBound);
    assert!(
        finding.title.contains("copies unpinned batches to its GPU at 23 GB/s, 72 %"),
        "{}",
        finding.title
    );
    assert!(finding.advice.contains("pin_memory=True"), "{}", finding.advice);
}

/// As an H200 says of a loop that copies two thirds of the time and waits for it.
#[test]
fn copies_that_count_as_utilization_are_told_from_work_by_the_multiprocessors() {
    let copies = |active: f64| {
        found(&mut fed(), 120, &mut |_, sample, frame| {
            link(sample, frame, 0.65, PcieSource::Gpm, 4);
            sample.gpus[0].utilization_ratio = Reading::Is(1.0);
            sample.gpus[0].sm_active_ratio = Reading::Is(active);
        })
    };
    let findings = copies(0.30);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(findings[0].rule, Rule::TransferBound);
    assert!(findings[0].title.ends_with("while its multiprocessors idle 70 % of their time"));
    // Copies beside the step take nothing from it.
    assert!(copies(0.85).is_empty());
}

#[test]
fn a_link_below_its_best_is_named_from_a_third_on() {
    let finding = only(&mut fed(), 120, &mut |_, sample, frame| {
        link(sample, frame, 0.40, PcieSource::Counter, 1);
    });
    assert_eq!(finding.rule, Rule::TransferBound);
    assert!(finding.title.contains("below what GPU and slot can do"), "{}", finding.title);
}

#[test]
fn a_link_that_has_room_or_a_loop_that_waits_is_not_transfer_bound() {
    none(&mut fed(), 120, &mut |_, sample, frame| link(sample, frame, 0.40, PcieSource::Gpm, 4));
    let (cause, _) = cause_of(&mut starved(), 60, &mut |_, sample, frame| {
        link(sample, frame, 0.72, PcieSource::Gpm, 4);
    });
    assert_eq!(cause, Cause::TooFewWorkers);
}

#[test]
fn looks_of_a_few_milliseconds_say_nothing_of_a_link() {
    none(&mut fed(), 120, &mut |_, sample, frame| {
        link(sample, frame, 0.90, PcieSource::Snapshot, 4);
    });
}
