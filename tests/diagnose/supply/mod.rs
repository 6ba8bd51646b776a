//! What feeds the loop: each rule with what raises it, what nearly does, and what it needs to see.

mod beside;
pub(crate) mod cpu;
pub(crate) mod epochs;
pub(crate) mod gpu;
pub(crate) mod memory;
pub(crate) mod reads;

use std::sync::Arc;

use mltop::diagnose::{Change, Engine};
use mltop::model::sample::LoaderSample;
use mltop::model::{Cause, Finding, Frame, Reading, Rule, Sample};

use crate::engine;
use crate::scenario::{Load, Scenario};

/// What a test does to each frame: the seconds since its start, the sample, what follows from it.
type Alter<'a> = &'a mut dyn FnMut(f64, &mut Sample, &mut Frame);

/// Runs for so many seconds with altered frames, and gives the findings that were opened.
fn run(
    scenario: &mut Scenario,
    engine: &mut Engine,
    seconds: u32,
    alter: Alter<'_>,
) -> Vec<Finding> {
    let begin = scenario.now;
    let mut opened = Vec::new();
    for _ in 0..seconds {
        let mut frame = scenario.tick();
        let mut sample = Arc::unwrap_or_clone(std::mem::take(&mut frame.sample));
        alter(scenario.now - begin, &mut sample, &mut frame);
        frame.sample = Arc::new(sample);
        opened.extend(engine.step(&frame).into_iter().filter_map(|change| match change {
            Change::Opened(finding) => Some(finding),
            _ => None,
        }));
    }
    opened
}

/// All that is found.
fn found(scenario: &mut Scenario, seconds: u32, alter: Alter<'_>) -> Vec<Finding> {
    let mut engine = engine();
    run(scenario, &mut engine, seconds, alter);
    engine.findings().to_vec()
}

/// The one finding that is opened.
fn only(scenario: &mut Scenario, seconds: u32, alter: Alter<'_>) -> Finding {
    let mut engine = engine();
    let opened = run(scenario, &mut engine, seconds, alter);
    assert_eq!(opened.len(), 1, "one finding and no other: {opened:#?}");
    let finding = engine.findings()[0].clone();
    full_sentences(&finding);
    finding
}

/// Nothing is opened.
fn none(scenario: &mut Scenario, seconds: u32, alter: Alter<'_>) {
    let opened = run(scenario, &mut engine(), seconds, alter);
    assert!(opened.is_empty(), "{opened:#?}");
}

/// The cause of the only finding, which is one of starvation.
fn cause_of(scenario: &mut Scenario, seconds: u32, alter: Alter<'_>) -> (Cause, Finding) {
    let finding = only(scenario, seconds, alter);
    assert_eq!(finding.rule, Rule::Starved, "{finding:#?}");
    (finding.cause.unwrap(), finding)
}

/// Each finding has a number in its title, evidence with a span, and a remedy.
fn full_sentences(finding: &Finding) {
    assert!(finding.title.chars().any(|c| c.is_ascii_digit()), "{}", finding.title);
    assert!(finding.advice.ends_with('.'), "{}", finding.advice);
    assert!(!finding.evidence.is_empty());
    for line in &finding.evidence {
        assert!(line.from_ms < line.to_ms, "{line:#?}");
        assert!(line.text.chars().any(|c| c.is_ascii_digit()), "{line:#?}");
    }
}

/// A loop that its 8 workers feed.
fn fed() -> Scenario {
    Scenario::new(8, Load::cpu(0.4), 0.1)
}

/// One whose workers take twice as long as they may, on the CPU.
fn starved() -> Scenario {
    Scenario::new(8, Load::cpu(1.6), 0.1)
}

/// One whose workers wait for reads.
fn reading() -> Scenario {
    Scenario::new(8, Load::disk(1.6), 0.1)
}

/// Each process uses so many cores and waits for one so much.
fn on_cpu(frame: &mut Frame, cores: f64, run_delay: f64) {
    for rates in &mut frame.procs {
        rates.cpu_cores = Reading::Is(cores);
        rates.main_cpu_cores = Reading::Is(cores.min(1.0));
        rates.main_run_delay_ratio = Reading::Is(0.0);
        rates.run_delay_ratio = Reading::Is(run_delay);
    }
}

/// The workers read so many bytes a second from storage, so many with calls, with so many calls.
fn reads(sample: &Sample, frame: &mut Frame, from_storage: f64, chars: f64, calls: f64) {
    let workers: Vec<_> =
        sample.inventory.loaders.iter().flat_map(|info| info.workers.clone()).collect();
    for rates in frame.procs.iter_mut().filter(|rates| workers.contains(&rates.pid)) {
        let each = workers.len() as f64;
        rates.read_bytes_per_second = Reading::Is(from_storage / each);
        rates.read_chars_per_second = Reading::Is(chars / each);
        rates.read_calls_per_second = Reading::Is(calls / each);
    }
}

/// The disk reads so many bytes a second in so many pieces.
fn disk(frame: &mut Frame, bytes: f64, reads: f64) {
    frame.disks[0].read_bytes_per_second = Reading::Is(bytes);
    frame.disks[0].reads_per_second = Reading::Is(reads);
}

/// Epochs of so many batches.
fn epochs_of(row: &mut LoaderSample, batches: u64) {
    let steps = row.steps_total.ok().unwrap();
    row.epochs_total = Reading::Is(steps / batches);
    row.position = Reading::Is(steps % batches);
    row.epoch_batches = Reading::Is(batches);
}
