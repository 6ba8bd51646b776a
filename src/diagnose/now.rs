//! What a run does now: a provisional line from the last two seconds, never an event.

use super::facts::Facts;
use super::starved::{Loss, name_of};
use super::tick::{Gate, Tick};
use super::trainer::Trainer;
use super::words;
use crate::model::{Bound, Gap, Pid, Reading, RunId, Sample, Severity};

/// Seconds that the line looks back.
const LOOKS_BACK: f64 = 2.0;
/// From this share of waiting on, it is what the line says.
const WAITS: f64 = 0.10;
/// Delivery is named from these shares on: of time, and of the waiting.
const DELIVERY: (f64, f64) = (0.30, 0.50);
/// A queue this full is ahead of the loop.
const AHEAD: f64 = 0.75;
/// A queue drains if its depth falls from tick to tick, …
const DRAINS_TICKS: usize = 3;
/// … over no more seconds than this, …
const DRAINS_SECONDS: f64 = 6.5;
/// … by this share of the capacity at least, …
const DRAINS_BY: f32 = 0.15;
/// … while its workers have no time left: below this share of it.
const DRAINS_IDLE: f64 = 0.05;
/// A GPU below this does nothing.
const GPU_IDLE: f64 = 0.05;

/// What a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Its loop waits for the loader.
    WaitsForData,
    /// Its loop waits although batches are ready.
    Delivery,
    /// It computes, but batches are taken faster than they are made: the queue drains.
    FallsBehind,
    /// It computes.
    Computing,
    /// It computes, and the loader has most of its queue ready.
    Ahead,
    /// It neither waits for data nor uses its GPU.
    Idle,
    /// Its first batch has not come yet.
    WarmingUp,
    /// It cannot be told.
    Unknown,
}

/// What one run does now.
#[derive(Clone, Debug, PartialEq)]
pub struct RunState {
    /// The run.
    pub run: RunId,
    /// Of its trainers, the one that waits most.
    pub pid: Option<Pid>,
    /// What it does.
    pub state: Doing,
    /// Share of the last two seconds in which its loop waited for the loader.
    pub wait: Reading<f64>,
    /// How that share relates to the truth.
    pub bound: Bound,
    /// The same as one sentence.
    pub text: String,
    /// How much it would matter if it went on; `None` where nothing is lost.
    pub severity: Option<Severity>,
}

/// The state line of a run.
pub(super) fn state(sample: &Sample, run: RunId, trainers: &[&Trainer]) -> RunState {
    let now_ms = sample.stamp.mono_ms;
    let seen = trainers.iter().filter_map(|trainer| {
        let newest = trainer.newest()?;
        let ticks = || {
            let fresh = trainer.recent(now_ms, LOOKS_BACK).count() > 0;
            // Ticks may be longer than two seconds: the newest one stands as long as it lasts.
            let age = now_ms.saturating_sub(newest.mono_ms);
            let only = (!fresh && age == 0).then_some(newest);
            trainer.recent(now_ms, LOOKS_BACK).chain(only)
        };
        Some((*trainer, newest, Facts::of_all(ticks())?))
    });
    let worst = seen.max_by(|a, b| {
        let wait = |facts: &Facts| facts.blocked.unwrap_or(-1.0);
        wait(&a.2).total_cmp(&wait(&b.2))
    });
    let Some((trainer, newest, facts)) = worst else {
        let pid = trainers.first().map(|trainer| trainer.pid);
        let name = name_of(sample, run, pid.unwrap_or_default());
        return RunState {
            run,
            pid,
            state: Doing::Unknown,
            wait: Reading::Not(Gap::NotYet),
            bound: Bound::Doubtful,
            text: format!("no loader of {name} has given two answers yet"),
            severity: None,
        };
    };
    let (state, words) = doing(trainer, newest, &facts);
    let loss = facts.blocked.map(|blocked| Loss::of(blocked, facts.gpu));
    let waits = matches!(state, Doing::WaitsForData | Doing::Delivery);
    RunState {
        run,
        pid: Some(trainer.pid),
        state,
        wait: Reading::from_option(facts.blocked, Gap::Failed),
        bound: facts.bound,
        text: format!("{} {words}", name_of(sample, run, trainer.pid)),
        severity: loss.filter(|_| waits).and_then(|loss| loss.severity(f64::MAX, facts.bound)),
    }
}

fn doing(trainer: &Trainer, newest: &Tick, facts: &Facts) -> (Doing, String) {
    if newest.gate == Gate::WarmUp && !trainer.gates.has_stepped() {
        return (Doing::WarmingUp, "waits for its first batch".into());
    }
    let Some(wait) = facts.blocked else {
        return (Doing::Unknown, "gives no answer about its loader".into());
    };
    let share = format!("{}{} of the time", facts.bound.mark(), words::percent(wait));
    if wait >= DELIVERY.0 && facts.delivery.is_some_and(|ready| ready >= DELIVERY.1) {
        return (Doing::Delivery, format!("waits {share} for batches that are ready"));
    }
    if wait >= WAITS {
        return (Doing::WaitsForData, format!("waits for data {share}"));
    }
    if let Some(seconds) = drains(trainer, newest) {
        let text = format!("falls behind: its queue drains, empty in about {seconds:.0} s");
        return (Doing::FallsBehind, text);
    }
    let gpu_idle = facts.gpu.is_some_and(|busy| busy < GPU_IDLE);
    if facts.steps == 0.0 && gpu_idle {
        let text = match trainer.write.filter(|_| trainer.writes_much()) {
            Some(write) => format!("writes {} and computes nothing", words::rate(write)),
            None => "neither waits for data nor uses its GPU".into(),
        };
        return (Doing::Idle, text);
    }
    if newest.ready.is_some_and(|ready| f64::from(ready) >= AHEAD) {
        return (Doing::Ahead, "computes, and its loader is ahead".into());
    }
    (Doing::Computing, "computes".into())
}

/// Seconds until a queue that drains is empty. A queue that only breathes, as that of a loader with
/// little to spare does, has workers without work at the turn.
fn drains(trainer: &Trainer, newest: &Tick) -> Option<f32> {
    let ready = newest.ready.filter(|ready| f64::from(*ready) < AHEAD)?;
    let mut ticks: Vec<&Tick> = trainer.recent(newest.mono_ms, DRAINS_SECONDS).collect();
    ticks.reverse();
    let falls = ticks.windows(2).take_while(|pair| match pair {
        [now, before] => now.depth.zip(before.depth).is_some_and(|(now, before)| now < before),
        _ => false,
    });
    let first = falls.count();
    let busy = ticks.iter().take(DRAINS_TICKS - 1).all(|tick| {
        tick.counts.idle_share().is_some_and(|idle| idle < DRAINS_IDLE)
            && tick.counts.steps.is_some_and(|steps| steps > 0.0)
    });
    let (now, before) = (newest.depth?, ticks.get(first)?.depth?);
    let fell = before - now;
    if first + 1 < DRAINS_TICKS || !busy || fell < DRAINS_BY || ready > now {
        return None;
    }
    let seconds: f32 = ticks.iter().take(first).map(|tick| tick.span).sum();
    Some((ready / (fell / seconds)).max(1.0))
}
