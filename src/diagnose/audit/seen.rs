//! What was seen of each area, and what is missing to judge it.

use super::area_of;
use super::watched::Watched;
use super::words::duration;
use crate::diagnose::words::percent;
use crate::diagnose::{Known, Phase};
use crate::model::{Area, Bound, Finding, Rule};

/// What was seen, as a sentence; `found` are all findings, for what one area says of another.
pub(super) fn seen(watched: &Watched, area: Area, found: &[&Finding]) -> String {
    let text = match area {
        Area::Ingestion => ingestion(watched, found),
        Area::Preprocessing => preprocessing(watched, found),
        Area::Compute => compute(watched),
        Area::Evaluation => evaluation(watched),
        Area::Inference => inference(watched),
    };
    text.unwrap_or_default()
}

/// How long the loop waited stands where its cause lies: an area without a finding must not read as if
/// it had one.
fn ingestion(watched: &Watched, found: &[&Finding]) -> Option<String> {
    let wait = watched.wait.get()?;
    let fetch = shares(watched).map(|[_, _, disk, net, _]| {
        let (disk, net) = (percent(disk), percent(net));
        format!("orkers waited for a disk {disk} of their time and for a network {net}")
    });
    let areas = starved(found);
    if let (Some(elsewhere), false) = (areas.first(), areas.contains(&Area::Ingestion)) {
        let elsewhere = elsewhere.code();
        return Some(match fetch {
            Some(fetch) => format!("W{fetch}; what the loop waits for lies in {elsewhere}."),
            None => format!("What the loop waits for lies in {elsewhere}."),
        });
    }
    let fetch = fetch.map_or_else(String::new, |fetch| format!("; its w{fetch}"));
    Some(format!("The loop waited for data {}{fetch}.", waited(watched, wait)))
}

/// Where the causes of the loops' waiting lie.
fn starved(found: &[&Finding]) -> Vec<Area> {
    let starved = found.iter().filter(|finding| finding.rule == Rule::Starved);
    starved.map(|finding| area_of(finding)).collect()
}

/// A share of the time of training.
fn waited(watched: &Watched, wait: f64) -> String {
    let mark = watched.wait_bound.map_or("", Bound::mark);
    format!("{mark}{} of {} of training", percent(wait), duration(watched.training_seconds))
}

fn preprocessing(watched: &Watched, found: &[&Finding]) -> Option<String> {
    let [run, runq, _, _, idle] = shares(watched)?;
    let here = starved(found).contains(&Area::Preprocessing);
    let wait = watched.wait.get().filter(|_| here).map_or_else(
        || "Workers".to_owned(),
        |wait| format!("The loop waited for data {}; its workers", waited(watched, wait)),
    );
    Some(format!(
        "{wait} were on a CPU {} of their time, waited for one {}, and had no work {}.",
        percent(run),
        percent(runq),
        percent(idle)
    ))
}

fn compute(watched: &Watched) -> Option<String> {
    let busy = watched.busy.get()?;
    let peak = watched.memory_peak_ratio.map_or_else(String::new, |ratio| {
        format!(", and at most {} of a GPU's memory was taken", percent(ratio))
    });
    Some(format!("The GPUs in use had a kernel running {} of the time{peak}.", percent(busy)))
}

/// What the time went into, evaluation first.
fn evaluation(watched: &Watched) -> Option<String> {
    let phases = watched.seconds_by_phase();
    let all: f64 = phases.values().sum();
    let how = watched.evaluation().map(|known| match known {
        Known::Frames => " (by the stack of the main thread)",
        Known::Inferred => " (inferred: another loader moves, and comes regularly)",
    });
    let took = |phase: &Phase, whole: &str| {
        let seconds = phases.get(phase)?;
        let who = match phase {
            Phase::WarmUp => "the first steps",
            Phase::Training => "training",
            Phase::Evaluation => "evaluation",
            Phase::Checkpoint => "checkpoints",
            Phase::Compile => "compiling",
            Phase::Other => "other loops",
        };
        Some(format!("{who} took {}{whole}", percent(seconds / all)))
    };
    let whole = format!(" of {}{}", duration(all), how.unwrap_or_default());
    let order = [Phase::Evaluation, Phase::Training, Phase::WarmUp, Phase::Checkpoint];
    let order = order.iter().chain(&[Phase::Compile, Phase::Other]);
    let mut parts: Vec<String> = Vec::new();
    for phase in order {
        parts.extend(took(phase, if parts.is_empty() { &whole } else { "" }));
    }
    let mut text = parts.join(", ");
    text.get_mut(0..1)?.make_ascii_uppercase();
    Some(format!("{text}."))
}

fn inference(watched: &Watched) -> Option<String> {
    match watched.served.len() {
        0 => None,
        1 => Some("1 served model was seen.".to_owned()),
        count => Some(format!("{count} served models were seen.")),
    }
}

/// What the workers did: on a CPU, without a CPU, at a disk, at a network, without work.
fn shares(watched: &Watched) -> Option<[f64; 5]> {
    let mut shares = [0.0; 5];
    for (share, mean) in shares.iter_mut().zip(watched.workers) {
        *share = mean.get()?;
    }
    Some(shares)
}

/// What is missing to judge an area in which nothing was found; empty where nothing is.
pub(super) fn missing(watched: &Watched, area: Area) -> String {
    let seconds = duration(watched.seconds);
    if area != Area::Inference && watched.runs.is_empty() {
        return format!("No training was seen in {seconds}.");
    }
    match area {
        Area::Ingestion | Area::Preprocessing if watched.wait.get().is_none() => {
            "How long the loop waits for data could not be read: mltop doctor says what would allow it."
                .to_owned()
        }
        Area::Ingestion | Area::Preprocessing if watched.judged_seconds() <= 0.0 => format!(
            "{} of training are too short to judge: warm-up is left out, and 10 to 30 s behind it are \
             needed.",
            duration(watched.training_seconds)
        ),
        Area::Ingestion | Area::Preprocessing if watched.not_judged_loop().is_some() => {
            let run = watched.not_judged_loop().map_or("", |run| &*run.name);
            format!("Whether {run} waits for data could not be judged.")
        }
        Area::Preprocessing if shares(watched).is_none() => {
            "What the workers do could not be read: there are none, or mltop doctor says what would \
             allow it."
                .to_owned()
        }
        Area::Compute if watched.busy.get().is_none() => {
            "No figure of a GPU could be read: mltop doctor says why.".to_owned()
        }
        Area::Compute if watched.training_seconds < watched.sizing_seconds => format!(
            "Whether the GPUs are too large is judged after {} of training; {} were seen.",
            duration(watched.sizing_seconds),
            duration(watched.training_seconds)
        ),
        Area::Evaluation if watched.evaluation().is_none() => {
            format!("No evaluation was seen in {seconds}.")
        }
        Area::Inference if watched.served.is_empty() => {
            format!("No inference server was seen in {seconds}.")
        }
        Area::Inference => {
            "Whether they keep their budgets is judged by mltop check --budget FILE.".to_owned()
        }
        Area::Ingestion | Area::Preprocessing | Area::Compute | Area::Evaluation => String::new(),
    }
}
