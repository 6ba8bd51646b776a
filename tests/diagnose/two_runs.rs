//! Two trainings at once on one box: what one does is no evidence against the other.

use std::sync::Arc;

use mltop::diagnose::Engine;
use mltop::model::inventory::RunInfo;
use mltop::model::{Cause, Finding, Frame, GpuId, Pid, Reading, Rule, RunId, Sample};

use crate::cards::{Card, Cards};
use crate::scenario::{Load, Scenario};

/// The ranks of a box as trainings of their own: `train-1.py` and so on.
pub(crate) fn apart(mut frame: Frame) -> Frame {
    let mut sample = Arc::unwrap_or_clone(std::mem::take(&mut frame.sample));
    let inventory = Arc::make_mut(&mut sample.inventory);
    let both = RunInfo::clone(&inventory.runs[0]);
    let runs = both.trainers.iter().zip(1..).map(|(pid, number)| {
        let name = format!("train-{number}.py").as_str().into();
        Arc::new(RunInfo { run: RunId(number), trainers: vec![*pid], name, ..both.clone() })
    });
    inventory.runs = runs.collect();
    frame.sample = Arc::new(sample);
    frame
}

/// All findings are of this rule and of the first training, and their evidence names nothing of the other.
fn first_alone(findings: &[Finding], rule: Rule, others: &[String]) {
    assert!(!findings.is_empty(), "{rule:?} is not raised");
    for finding in findings {
        assert_eq!((finding.rule, finding.run), (rule, Some(RunId(1))), "{finding:#?}");
        assert!(!finding.title.contains("train-2.py"), "{}", finding.title);
        let of_other =
            |line: &&mltop::model::Evidence| others.iter().any(|other| *line.entity == **other);
        assert_eq!(finding.evidence.iter().find(of_other), None);
    }
}

/// What is found in so many seconds where only the first of two cards is changed.
fn first_card(seconds: u64, change: impl Fn(&mut Cards, u64)) -> Vec<Finding> {
    let (mut cards, mut engine) = (Cards::new(2), crate::engine());
    for second in 0..seconds {
        change(&mut cards, second);
        let frame = apart(cards.tick());
        engine.step(&frame);
    }
    engine.findings().to_vec()
}

#[test]
fn what_one_card_does_is_found_of_its_own_training_alone() {
    let others = ["gpu 1", "loader 2", "pid 4100"].map(str::to_owned);
    let check = |rule, seconds, card: Card| {
        let found = first_card(seconds, |cards, _| cards.ranks[0].card = card);
        first_alone(&found, rule, &others);
        assert_eq!(found[0].pid, Some(Cards::pid(0)), "{found:#?}");
    };
    let healthy = Card::HEALTHY;
    let light = Card { sm: Some(0.18), tensor: 0.09, power: 0.35, memory: 0.22, ..healthy };
    check(Rule::SmallBatch, 400, light);
    check(Rule::NoTensorCores, 400, Card { tensor: 0.0, ..healthy });
    check(Rule::VramPressure, 120, Card { memory: 0.93, ..healthy });
    let hot = Card { bits: 0x40 | 0x8, megahertz: 1095, celsius: 88.0, ..healthy };
    check(Rule::ClockThrottle, 200, hot);
}

#[test]
fn a_training_that_saves_holds_up_nobody_but_itself() {
    let found = first_card(200, |cards, second| {
        let saves = second >= 60 && second % 30 < 5;
        let rank = &mut cards.ranks[0];
        (rank.card, rank.steps, rank.write) =
            if saves { (Card::IDLE, 0.0, 1.5e9) } else { (Card::HEALTHY, 4.0, 0.0) };
    });
    first_alone(&found, Rule::CheckpointStall, &["pid 4100".to_owned()]);
    assert!(!found[0].title.contains("others wait"), "{}", found[0].title);
    let cost = found[0].cost.unwrap();
    assert!(cost.high_gpu_seconds < 40.0, "the time of one GPU: {cost:?}");
}

#[test]
fn two_trainings_are_no_ranks_that_wait_for_one_another() {
    // As ranks of one run, one that spins beside one that works is a straggler.
    let spins = |cards: &mut Cards, second: u64| {
        if second >= 180 {
            let power = 0.5 * (Card::HEALTHY.power + Card::SPINS.power);
            cards.ranks[0].card = Card { power, util: 0.99, noise: 0.01, ..Card::HEALTHY };
        }
    };
    let (mut cards, mut engine) = (Cards::new(2), crate::engine());
    for second in 0..300 {
        spins(&mut cards, second);
        engine.step(&cards.tick());
    }
    assert!(engine.findings().iter().any(|finding| finding.rule == Rule::Straggler));
    let found = first_card(300, spins);
    assert!(found.is_empty(), "{found:#?}");
}

/// What a test does to each frame: the processes of the first training, the sample, the rates.
type Alter<'a> = &'a dyn Fn(&[Pid], &mut Sample, &mut Frame);

/// Two trainings that are fed, the first of which is changed; what is found, and the names of what is the
/// other's.
fn first_loader(load: Load, alter: Alter<'_>) -> (Vec<Finding>, Vec<String>) {
    let mut scenario = Scenario::new(8, load, 0.1);
    scenario.add_rank(8, Load::cpu(0.4), 0.1);
    let mut engine: Engine = crate::engine();
    let mut others = Vec::new();
    for _ in 0..120 {
        let mut frame = apart(scenario.tick());
        let mut sample = Arc::unwrap_or_clone(std::mem::take(&mut frame.sample));
        let [own, other] = [0, 1].map(|rank| {
            let info = &sample.inventory.loaders[rank];
            info.workers.iter().copied().chain([info.pid]).collect::<Vec<Pid>>()
        });
        others = other.iter().map(|pid| format!("pid {pid}")).collect();
        others.extend(["gpu 1".into(), format!("loader {}", sample.inventory.loaders[1].loader)]);
        for pid in other {
            let names = Arc::make_mut(&mut sample.inventory);
            let process = names.procs.get_mut(&pid).unwrap();
            Arc::make_mut(process).cgroup = Some("/other/step".into());
        }
        for rates in &mut frame.procs {
            rates.cpu_cores = Reading::Is(0.5);
            rates.run_delay_ratio = Reading::Is(0.3);
        }
        alter(&own, &mut sample, &mut frame);
        frame.sample = Arc::new(sample);
        engine.step(&frame);
    }
    assert_eq!(others.len(), 11);
    (engine.findings().to_vec(), others)
}

#[test]
fn a_quota_counts_for_the_training_in_its_control_group_alone() {
    let (found, others) = first_loader(Load::cpu(0.4), &|_, sample, frame| {
        sample.cgroups[0].cpu_limit_cores = Reading::Is(9.0);
        frame.cgroups[0].throttled_ratio = Reading::Is(0.35);
        frame.cgroups[0].throttled_periods_ratio = Reading::Is(0.5);
    });
    first_alone(&found, Rule::CpuQuota, &others);
}

#[test]
fn small_reads_count_for_the_training_whose_workers_read() {
    let (found, others) = first_loader(Load::cpu(0.4), &|own, _, frame| {
        let (files, size) = (3000.0, 20.0 * 1024.0);
        for rates in &mut frame.procs {
            let each = if own.contains(&rates.pid) { files / 8.0 } else { 0.0 };
            rates.read_bytes_per_second = Reading::Is(each * size);
            rates.read_chars_per_second = Reading::Is(each * size);
            rates.read_calls_per_second = Reading::Is(2.0 * each);
        }
        frame.disks[0].read_bytes_per_second = Reading::Is(files * size);
        frame.disks[0].reads_per_second = Reading::Is(files);
    });
    first_alone(&found, Rule::SmallFiles, &others);
}

#[test]
fn a_full_link_counts_for_the_training_whose_gpu_is_behind_it() {
    use mltop::model::frame::GpuRates;
    use mltop::model::sample::PcieSource;
    let (found, others) = first_loader(Load::cpu(0.4), &|_, sample, frame| {
        sample.gpus[0].utilization_ratio = Reading::Is(0.75);
        frame.gpus.clear();
        for (gpu, share) in [(0, 0.95), (1, 0.05)] {
            sample.gpus[gpu].pcie_source = Reading::Is(PcieSource::Gpm);
            frame.gpus.push(GpuRates {
                gpu: GpuId(gpu as u32),
                pcie_rx_ratio: Reading::Is(share),
                pcie_rx_bytes_per_second: Reading::Is(share * 25e9),
                ..GpuRates::default()
            });
        }
    });
    first_alone(&found, Rule::TransferBound, &others);
}

#[test]
fn a_starved_training_is_explained_by_its_own_workers() {
    // The other one's workers stand in line; those of the one that starves do not.
    let (found, others) = first_loader(Load::cpu(1.6), &|own, sample, frame| {
        for row in sample.loaders.iter_mut().filter(|row| !own.contains(&row.pid)) {
            let run = row.worker_run_samples_total.ok().unwrap();
            row.worker_runq_samples_total = Reading::Is(run / 10);
            row.worker_run_samples_total = Reading::Is(run - run / 10);
        }
        for rates in frame.procs.iter_mut().filter(|rates| !own.contains(&rates.pid)) {
            rates.cpu_cores = Reading::Is(1.0);
            rates.run_delay_ratio = Reading::Is(8.0);
        }
    });
    first_alone(&found, Rule::Starved, &others);
    assert_eq!(found[0].cause, Some(Cause::TooFewWorkers), "{found:#?}");
    let beside = found[0].evidence.iter().find(|line| line.text.starts_with("Also "));
    assert_eq!(beside, None);
}
