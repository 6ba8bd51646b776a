//! How long eight hours take to be derived and diagnosed again.

use std::time::{Duration, Instant};

use crate::load::{Load, Phase, Plan};
use crate::machine::{Machine, START_MS};
use crate::score::Listener;

/// Hours of the session, and trainings with a GPU each in it, of eight workers.
const HOURS: f64 = 8.0;
const TRAININGS: u64 = 8;
/// Seconds from tick to tick, and seconds that the replay may take.
pub(crate) const LIMITS: &[(f64, f64)] = &[(1.0, 5.0), (0.1, 25.0)];

/// Seconds of a replay at an interval: of deriving and diagnosing alone, not of reading the file.
pub(crate) fn replay(interval: f64) -> f64 {
    let plans = (0..TRAININGS).map(|seed| {
        let phases = (0..16).map(|hour| {
            let supply = if (hour + seed) % 4 == 0 { 0.6 } else { 1.5 };
            Phase::quiet(HOURS * 3600.0 / 16.0, Load::supply(8, 0.25, supply))
        });
        Plan::new("eight hours", seed, 8, phases.collect())
    });
    let mut machine = Machine::new(plans.collect(), interval);
    let mut listener = Listener::new(START_MS);
    let mut spent = Duration::ZERO;
    while machine.now() < HOURS * 3600.0 {
        if let Some(sample) = machine.tick() {
            let began = Instant::now();
            listener.hear(sample);
            spent += began.elapsed();
        }
    }
    assert!(!listener.end().is_empty(), "something was found");
    spent.as_secs_f64()
}
