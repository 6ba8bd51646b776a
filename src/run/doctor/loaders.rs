//! How each loader's depth and wait are known, why not better, and what would allow it.

use super::{Check, Mark};
use crate::model::inventory::Refused;
use crate::model::sample::LoaderSample;
use crate::model::{Reading, Sample};
use crate::source::trainer::PidProblem;

/// What stands against the process that was asked for.
pub(super) fn of_problem(problem: &PidProblem) -> Check {
    let words = problem.to_string();
    let (finding, remedy) = words.split_once(": ").unwrap_or((&words, ""));
    Check {
        mark: Mark::No,
        what: "process".into(),
        finding: finding.into(),
        remedy: remedy.into(),
        ..Check::default()
    }
}

pub(super) fn check(sample: &Sample, loader: &LoaderSample) -> Check {
    let info = sample.inventory.loader(loader.loader);
    let depth = match (loader.ready, loader.ready_source, loader.ready_bound) {
        (Reading::Is(_), Reading::Is(source), Reading::Is(bound)) => {
            format!("depth by {} ({})", source.code(), bound.code())
        }
        (reading, ..) => format!("depth: {}", reading.gap().unwrap_or_default().words()),
    };
    let wait = match (loader.wait_source, loader.wait_bound) {
        (Reading::Is(source), Reading::Is(bound)) => {
            format!("wait by {} ({})", source.code(), bound.code())
        }
        (reading, _) => format!("wait: {}", reading.gap().unwrap_or_default().words()),
    };
    let refused = info.map(|info| info.refused.as_slice()).unwrap_or_default();
    let mut more: Vec<String> = refused.iter().flat_map(tried).collect();
    let why = info.map(|info| &*info.why_not_better).unwrap_or_default();
    if refused.is_empty() && !why.is_empty() {
        more.push(why.to_owned());
    }
    if let Some(doubt) = info.map(|info| &*info.doubt).filter(|doubt| !doubt.is_empty()) {
        more.push(format!("doubtful: {doubt}"));
    }
    let known = loader.wait_source.is() && more.is_empty();
    Check {
        mark: if known { Mark::Yes } else { Mark::Part },
        what: format!("loader {}", loader.loader),
        finding: format!("pid {}: {depth}, {wait}", loader.pid),
        remedy: String::new(),
        more,
    }
}

/// A source that could not be used, and what would allow it.
fn tried(refused: &Refused) -> impl Iterator<Item = String> {
    let why = format!("not by {}: {}", refused.source, refused.why);
    let remedy = Some(&refused.remedy).filter(|remedy| !remedy.is_empty());
    std::iter::once(why).chain(remedy.map(|remedy| format!("→ {remedy}")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::inventory::LoaderInfo;
    use crate::model::sample::{Bound, ReadySource, WaitSource};
    use crate::model::{LoaderId, Pid};

    #[test]
    fn the_rung_in_use_is_told_with_each_better_one_and_its_command() {
        let mut sample = Sample::default();
        let refused = Refused {
            source: "memory".into(),
            why: "its memory may not be read".into(),
            remedy: "sudo mltop --pid 7".into(),
        };
        let info = LoaderInfo { loader: LoaderId(1), refused: vec![refused], ..Default::default() };
        Arc::make_mut(&mut sample.inventory).loaders.push(Arc::new(info));
        let row = LoaderSample {
            pid: Pid(7),
            loader: LoaderId(1),
            ready: Reading::Is(3),
            ready_source: Reading::Is(ReadySource::Pipe),
            ready_bound: Reading::Is(Bound::Exact),
            wait_source: Reading::Is(WaitSource::Wchan),
            wait_bound: Reading::Is(Bound::Lower),
            ..Default::default()
        };
        let check = check(&sample, &row);
        assert_eq!(check.mark, Mark::Part);
        assert_eq!(check.finding, "pid 7: depth by pipe (exact), wait by wchan (lower)");
        let lines = ["not by memory: its memory may not be read", "→ sudo mltop --pid 7"];
        assert_eq!(check.more, lines);
    }
}
