//! The simulated scenarios: what starves, why, and for how long. Onset, length and depth are drawn.

use crate::dice::Dice;
use crate::load::{Act, Load, Parts, Phase, Plan, Reads};

/// Seeds of each scenario that were looked at while the rules were made.
const LOOKED_AT: u64 = 14;

/// Seeds of each scenario that are kept for the score: none of them was looked at before the rules stood.
const SCORED: u64 = 4;

/// The seeds that are kept for the score.
pub(crate) fn held_out() -> Vec<u64> {
    (LOOKED_AT..LOOKED_AT + SCORED).collect()
}

/// Whether a seed is kept for the score.
pub(crate) fn is_held_out(seed: u64) -> bool {
    held_out().contains(&seed)
}

type Make = fn(&'static str, u64, &mut Dice) -> Plan;

/// The scenarios in which a loop starves.
pub(crate) const STARVED: &[(&str, Make)] = &[
    ("disk, 8 workers", |name, seed, dice| disk(name, seed, dice, (8, 0.1))),
    ("disk, 16 workers, steps of 0.5 s", |name, seed, dice| disk(name, seed, dice, (16, 0.5))),
    ("disk, steps of 1 s", |name, seed, dice| disk(name, seed, dice, (4, 1.0))),
    ("read limit of a control group", limited),
    ("network filesystem", |name, seed, dice| {
        let parts = Parts { net: 0.9, ..Parts::default() };
        Plan { remote: true, ..reading(name, seed, dice, (8, 0.1), "REMOTE-FS", parts) }
    }),
    ("object store", |name, seed, dice| {
        let parts = Parts { net: 0.8, ..Parts::default() };
        reading(name, seed, dice, (16, 0.25), "REMOTE-FS", parts)
    }),
    ("small files", small_files),
    ("cache too small", thrash),
    ("4 workers, CPU", |name, seed, dice| few(name, seed, dice, (4, 0.1), Parts::default())),
    ("2 workers that also wait", |name, seed, dice| {
        few(name, seed, dice, (2, 0.05), Parts { other: 0.4, ..Parts::default() })
    }),
    ("8 workers, steps of 2 s", |name, seed, dice| {
        few(name, seed, dice, (8, 2.0), Parts::default())
    }),
    ("16 workers, steps of 0.25 s", |name, seed, dice| {
        few(name, seed, dice, (16, 0.25), Parts::default())
    }),
    ("latency of a disk with room", |name, seed, dice| {
        reading(
            name,
            seed,
            dice,
            (8, 0.1),
            "TOO-FEW-WORKERS",
            Parts { disk: 0.85, ..Parts::default() },
        )
    }),
    ("no workers", |name, seed, dice| inline(name, seed, dice, 0.2)),
    ("no workers, short steps", |name, seed, dice| inline(name, seed, dice, 0.03)),
    ("preparation on a full box", |name, seed, dice| prep(name, seed, dice, (8, 0.1))),
    ("preparation, 16 workers, steps of 0.5 s", |name, seed, dice| {
        prep(name, seed, dice, (16, 0.5))
    }),
    ("CPU quota", quota),
    ("more threads than cores", oversubscribed),
    ("one slow batch in ten", |name, seed, dice| head(name, seed, dice, (8, 0.1))),
    ("one slow batch in ten, 4 workers", |name, seed, dice| head(name, seed, dice, (4, 0.3))),
    ("hand-over", delivery),
    ("bursts", bursts),
    ("jitter", |name, seed, dice| {
        let mut plan = few(name, seed, dice, (8, 0.1), Parts::default());
        plan.phases.iter_mut().for_each(|phase| (phase.load.cv, phase.load.step_cv) = (0.5, 0.3));
        plan
    }),
    ("a small shortage", |name, seed, dice| {
        let supply = dice.between(0.78, 0.85);
        let short = Load::supply(8, 0.1, supply);
        episode(name, seed, dice, 8, "TOO-FEW-WORKERS", Load::supply(8, 0.1, 2.0), short)
    }),
    ("starved from the first step", |name, seed, dice| {
        let mut plan = few(name, seed, dice, (8, 0.2), Parts::default());
        plan.phases.remove(0);
        plan
    }),
    ("a disk, then the CPU", two_causes),
    ("three short episodes", episodes),
    ("ticks lost, looks misread", |name, seed, dice| {
        let plan = few(name, seed, dice, (8, 0.1), Parts::default());
        Plan { lost: 0.05, blind: 0.05, misread: 0.02, ..plan }
    }),
    ("starved, gradients accumulated", |name, seed, dice| {
        let mut plan = few(name, seed, dice, (4, 0.1), Parts::default());
        plan.phases.iter_mut().for_each(|phase| {
            phase.load.long_step = Some((4, phase.load.step * 2.2));
            phase.load.step *= 0.6;
        });
        plan
    }),
    ("starved, epochs of some seconds", |name, seed, dice| {
        let plan = few(name, seed, dice, (4, 0.1), Parts::default());
        let act = Act::Respawn { every: dice.between(30.0, 60.0) as u64, start: 0.15 };
        beside(plan, act, EPOCHS)
    }),
    ("starved, evaluated now and then", |name, seed, dice| {
        beside(few(name, seed, dice, (8, 0.1), Parts::default()), EVALUATES, EVALUATION)
    }),
    ("starved, checkpoints now and then", |name, seed, dice| {
        beside(few(name, seed, dice, (8, 0.1), Parts::default()), CHECKPOINTS, CHECKPOINT)
    }),
];

/// What is true of a training that evaluates, writes checkpoints, or starts its workers anew each epoch,
/// beside what it is made for.
const EVALUATION: &[&str] = &["EVAL-SHARE"];
const EPOCHS: &[&str] = &["EPOCH-RESPAWN", "REPEATED-PREP"];
const CHECKPOINT: &[&str] = &["CHECKPOINT-STALL"];
const EVALUATES: Act = Act::Evaluate { every: 600, batches: 100 };
const CHECKPOINTS: Act = Act::Checkpoint { every: 90.0, lasts: 4.0, rate: 800e6 };

/// Healthy, for a while that is drawn; then starved; then healthy again.
fn episode(
    name: &'static str,
    seed: u64,
    dice: &mut Dice,
    workers: usize,
    cause: &'static str,
    fed: Load,
    short: Load,
) -> Plan {
    let phases = vec![
        Phase::quiet(dice.between(70.0, 150.0), fed),
        Phase::starved(dice.between(180.0, 360.0), cause, short),
        Phase::quiet(dice.between(90.0, 150.0), fed),
    ];
    Plan::new(name, seed, workers, phases)
}

/// How much of the demand is made while a loop starves.
fn shortage(dice: &mut Dice) -> f64 {
    dice.between(0.4, 0.75)
}

fn few(
    name: &'static str,
    seed: u64,
    dice: &mut Dice,
    (workers, step): (usize, f64),
    parts: Parts,
) -> Plan {
    let supply = shortage(dice);
    let fed = Load { parts, ..Load::supply(workers, step, 2.0) };
    let short = Load { parts, ..Load::supply(workers, step, supply) };
    episode(name, seed, dice, workers, "TOO-FEW-WORKERS", fed, short)
}

/// Waiting for reads, with no device at its ceiling.
fn reading(
    name: &'static str,
    seed: u64,
    dice: &mut Dice,
    (workers, step): (usize, f64),
    cause: &'static str,
    parts: Parts,
) -> Plan {
    let supply = shortage(dice);
    let reads = Reads { missed: 1.0, queue: 0.5, ..Reads::default() };
    let fed = Load { parts, reads, ..Load::supply(workers, step, 2.0) };
    let short = Load { service: step * workers as f64 / supply, ..fed };
    episode(name, seed, dice, workers, cause, fed, short)
}

fn disk(name: &'static str, seed: u64, dice: &mut Dice, (workers, step): (usize, f64)) -> Plan {
    let parts = Parts { disk: 0.85, ..Parts::default() };
    let mut plan = reading(name, seed, dice, (workers, step), "DISK-BOUND", parts);
    let reads = &mut plan.phases[1].load.reads;
    reads.wait *= dice.between(8.0, 30.0);
    reads.queue = workers as f64 * dice.between(1.2, 3.0);
    plan
}

fn limited(name: &'static str, seed: u64, dice: &mut Dice) -> Plan {
    let parts = Parts { disk: 0.85, ..Parts::default() };
    let mut plan = reading(name, seed, dice, (4, 0.25), "DISK-BOUND", parts);
    // While it starves, what the workers make in all is what the limit lets through.
    let short = &mut plan.phases[1].load;
    short.reads.bytes = 20e6 * short.service / 4.0;
    plan.read_limit = Some(20_000_000);
    for fed in [0, 2] {
        plan.phases[fed].load.reads.missed = 0.05;
    }
    plan
}

fn small_files(name: &'static str, seed: u64, dice: &mut Dice) -> Plan {
    let parts = Parts { disk: 0.8, ..Parts::default() };
    let mut plan = reading(name, seed, dice, (8, 0.1), "SMALL-FILES", parts);
    for phase in &mut plan.phases {
        let reads = &mut phase.load.reads;
        (reads.bytes, reads.calls, reads.request) = (256.0 * 12e3, 512.0, 12e3);
    }
    // Fed or not, its files are small ones.
    Plan { may: &["SMALL-FILES"], ..plan }
}

fn thrash(name: &'static str, seed: u64, dice: &mut Dice) -> Plan {
    let parts = Parts { disk: 0.8, ..Parts::default() };
    let mut plan = reading(name, seed, dice, (8, 0.1), "CACHE-THRASH", parts);
    plan.epoch = Some(400);
    plan.memory_limit = Some(64 << 30);
    for fed in [0, 2] {
        plan.phases[fed].load.reads.missed = 0.02;
    }
    let reads = &mut plan.phases[1].load.reads;
    (reads.missed, reads.refaults) = (0.7, 0.8);
    plan
}

fn inline(name: &'static str, seed: u64, dice: &mut Dice, step: f64) -> Plan {
    let fed = Load::cpu(step * 0.01, step);
    let short = Load::cpu(step * dice.between(0.3, 1.5), step);
    episode(name, seed, dice, 0, "TOO-FEW-WORKERS", fed, short)
}

fn prep(name: &'static str, seed: u64, dice: &mut Dice, (workers, step): (usize, f64)) -> Plan {
    let mut plan = few(name, seed, dice, (workers, step), Parts::default());
    plan.phases[1].cause = Some("PREP-BOUND");
    Plan { cores: workers as f64 + 2.0, ..plan }
}

fn quota(name: &'static str, seed: u64, dice: &mut Dice) -> Plan {
    let mut plan = few(name, seed, dice, (8, 0.1), Parts::default());
    let short = &mut plan.phases[1];
    short.cause = Some("CPU-QUOTA");
    short.load.throttled = dice.between(0.25, 0.5);
    short.load.parts.queue = 0.4;
    Plan { quota: Some(5.0), ..plan }
}

fn oversubscribed(name: &'static str, seed: u64, dice: &mut Dice) -> Plan {
    let mut plan = few(name, seed, dice, (16, 0.1), Parts::default());
    let short = &mut plan.phases[1];
    // Of one thread each: twice as many workers as cores keep the cores as full as those would.
    short.cause = Some("PREP-BOUND");
    short.load.parts.queue = dice.between(0.45, 0.6);
    Plan { cores: 8.0, ..plan }
}

fn head(name: &'static str, seed: u64, dice: &mut Dice, (workers, step): (usize, f64)) -> Plan {
    let fed = Load::supply(workers, step, 3.0);
    let short = Load { tail: Some((0.1, dice.between(12.0, 20.0))), ..fed };
    episode(name, seed, dice, workers, "HEAD-OF-LINE", fed, short)
}

fn delivery(name: &'static str, seed: u64, dice: &mut Dice) -> Plan {
    let fed = Load::supply(4, 0.1, 3.0);
    let short = Load { delivery: dice.between(0.05, 0.15), ..fed };
    episode(name, seed, dice, 4, "DELIVERY-BOUND", fed, short)
}

fn bursts(name: &'static str, seed: u64, dice: &mut Dice) -> Plan {
    let swing = Some((dice.between(2.0, 6.0), 0.5));
    let mut plan = few(name, seed, dice, (8, 0.1), Parts::default());
    plan.phases[1].load.swing = swing;
    plan
}

fn two_causes(name: &'static str, seed: u64, dice: &mut Dice) -> Plan {
    let mut plan = disk(name, seed, dice, (8, 0.1));
    let mut second = prep(name, seed, dice, (8, 0.1));
    second.phases.remove(0);
    plan.phases.pop();
    plan.phases.push(Phase::quiet(dice.between(60.0, 90.0), second.phases[1].load));
    plan.phases.extend(second.phases);
    Plan { cores: second.cores, ..plan }
}

fn episodes(name: &'static str, seed: u64, dice: &mut Dice) -> Plan {
    let mut phases = Vec::new();
    for _ in 0..3 {
        let mut plan = few(name, seed, dice, (8, 0.1), Parts::default());
        plan.phases[1].seconds = dice.between(120.0, 180.0);
        phases.extend(plan.phases);
    }
    Plan::new(name, seed, 8, phases)
}

/// The same with something beside it, all the time.
fn beside(plan: Plan, act: Act, may: &'static [&'static str]) -> Plan {
    let phases = plan.phases.into_iter().map(|phase| Phase { act, ..phase }).collect();
    Plan { phases, may, ..plan }
}

/// Workers, what goes on, and rules that say the truth of it.
type Quiet = (usize, Phase, &'static [&'static str]);
type MakeQuiet = fn(f64) -> Quiet;

/// The scenarios in which nothing starves, of so many seconds.
pub(crate) const QUIET: &[(&str, MakeQuiet)] = &[
    ("twice the supply", |s| plain(s, 4, Load::supply(4, 0.1, 2.0))),
    ("1.3 times the supply", |s| plain(s, 8, Load::supply(8, 0.1, 1.3))),
    ("1.1 times the supply", |s| plain(s, 8, Load::supply(8, 0.1, 1.1))),
    ("1.1 times the supply, steps of 0.5 s", |s| plain(s, 8, Load::supply(8, 0.5, 1.1))),
    ("1.1 times the supply, steps of 2 s", |s| plain(s, 4, Load::supply(4, 2.0, 1.1))),
    ("1.1 times the supply, 16 workers", |s| plain(s, 16, Load::supply(16, 0.25, 1.1))),
    ("twice the supply in bursts", |s| {
        plain(s, 8, Load { swing: Some((1.0, 0.5)), ..Load::supply(8, 0.1, 2.0) })
    }),
    ("twice the supply with jitter", |s| {
        plain(s, 8, Load { cv: 0.4, step_cv: 0.3, ..Load::supply(8, 0.1, 2.0) })
    }),
    ("gradients accumulated", |s| {
        let load = Load { long_step: Some((4, 0.35)), ..Load::supply(8, 0.01, 1.0) };
        plain(s, 8, Load { service: 0.095 * 8.0 / 1.3, ..load })
    }),
    ("evaluated now and then", |s| {
        let (workers, phase, _) = plain(s, 8, Load::supply(8, 0.1, 2.0));
        (workers, Phase { act: EVALUATES, ..phase }, EVALUATION)
    }),
    ("checkpoints now and then", |s| {
        let (workers, phase, _) = plain(s, 8, Load::supply(8, 0.1, 1.5));
        (workers, Phase { act: CHECKPOINTS, ..phase }, CHECKPOINT)
    }),
    ("compiled at first", |s| {
        let (workers, phase, may) = plain(s, 8, Load::supply(8, 0.1, 1.5));
        (workers, Phase { act: Act::Compile(150.0), ..phase }, may)
    }),
    ("slow first batches", |s| {
        let (workers, phase, may) = plain(s, 8, Load::supply(8, 0.1, 1.5));
        (workers, Phase { act: Act::ColdWorkers(60.0), ..phase }, may)
    }),
    ("new workers each epoch", |s| {
        let (workers, phase, _) = plain(s, 8, Load::supply(8, 0.1, 2.0));
        let act = Act::Respawn { every: 1200, start: 2.5 };
        // What its workers do on the CPU is the same in each epoch.
        (workers, Phase { act, ..phase }, EPOCHS)
    }),
    ("epochs of some seconds", |s| {
        let (workers, phase, _) = plain(s, 4, Load::supply(4, 0.1, 2.0));
        (workers, Phase { act: Act::Respawn { every: 40, start: 0.15 }, ..phase }, EPOCHS)
    }),
];

fn plain(seconds: f64, workers: usize, load: Load) -> Quiet {
    (workers, Phase::quiet(seconds, load), &[])
}

/// A quiet scenario with a seed.
pub(crate) fn quiet(index: usize, seed: u64, seconds: f64) -> Plan {
    let (name, make) = QUIET[index];
    let (workers, phase, may) = make(seconds);
    Plan { may, ..Plan::new(name, seed_of(100 + index, seed), workers, vec![phase]) }
}

/// A starved scenario with a seed.
pub(crate) fn starved(index: usize, seed: u64) -> Plan {
    let (name, make) = STARVED[index];
    let seed = seed_of(index, seed);
    make(name, seed, &mut Dice::seeded(seed ^ 0x0001_15e7))
}

/// No two scenarios have their chance in common.
fn seed_of(index: usize, seed: u64) -> u64 {
    index as u64 * 1000 + seed
}
