//! COLD-CACHE: the first epoch reads from the disk what later ones find in the page cache.

use super::cache_thrash::epoch_bytes;
use super::{Sight, View};
use crate::diagnose::about::{About, Threshold};
use crate::diagnose::cause::{Case, EXPLAINS, Explained, at_ceiling};
use crate::diagnose::epochs::{Epoch, Log};
use crate::diagnose::ledger::Said;
use crate::diagnose::words;
use crate::model::{Cause, Rule};

pub(in crate::diagnose) static ABOUT: About = About {
    code: Rule::ColdCache.code(),
    area: Rule::ColdCache.area(),
    what: "The first epoch reads from the disk what later epochs find in the page cache.",
    when: "Said once, of the first epoch, when the second one has ended: {miss} of the first one's bytes or \
           more came from storage, of the second one's a third of that share or less, and a step of the \
           first took {slower} as long or more. Named as the cause of STARVED during the first epoch where \
           the workers wait for reads 60 % or more of their busy time, no disk is at its ceiling, and the \
           memory that is free holds an epoch.",
    remedy: "Nothing, where many epochs follow; where there are few, read the files once before the \
             training starts (vmtouch -t, or cat FILES > /dev/null).",
    source: "a proposal, after DS-Analyzer, which compares a cold with a warm epoch",
    thresholds: &[&MISS, &SLOWER],
};

pub(super) static MISS: Threshold = Threshold {
    code: Rule::ColdCache.code(),
    name: "miss",
    default: 0.50,
    unit: "share",
    what: "Share of the first epoch's bytes that comes from storage.",
};
static SLOWER: Threshold = Threshold {
    code: Rule::ColdCache.code(),
    name: "slower",
    default: 1.3,
    unit: "times",
    what: "Time of a step of the first epoch, of one of the second.",
};
/// The second epoch reads this share of the first one's share from storage, at most.
const WARMER: f64 = 1.0 / 3.0;

/// Why a loop starves, where it is this. The later epochs are not there yet: it is concluded from what
/// fits the memory.
pub(in crate::diagnose) fn cause(case: &Case<'_>) -> Option<Explained> {
    case.fetch().filter(|share| *share >= case.of(&EXPLAINS))?;
    if at_ceiling(case) {
        return None;
    }
    let log = case.trainer.epochs.of(case.trainer.loader)?;
    if !log.from_start || log.begun > 0 {
        return None;
    }
    let miss = log.current.miss().filter(|miss| *miss >= case.of(&MISS))?;
    let room = case.trainer.memory_room?;
    let bytes = epoch_bytes(log).filter(|bytes| *bytes <= room)?;
    let because = format!(
        "in its first epoch {} of what it reads comes from the disk, and later epochs should find the {} of \
         one in the {} of memory that are free",
        words::percent(miss),
        words::size(bytes),
        words::size(room)
    );
    let text = format!("{} of the bytes read come from storage", words::percent(miss));
    Some(Explained {
        cause: Cause::ColdCache,
        because,
        advice: ABOUT.remedy.into(),
        evidence: vec![
            case.worker_share(
                "worker_disk_ratio",
                case.fetch()?,
                case.of(&EXPLAINS),
                "waiting for reads",
            ),
            words::evidence(
                case.facts.span,
                "procs.read_bytes_per_second",
                case.entity(),
                miss,
                Some(case.of(&MISS)),
                text,
            ),
        ],
    })
}

/// What whole epochs have shown.
pub(super) fn look(view: &View<'_>) -> Option<Sight> {
    let log = view.epochs()?;
    let first = log.first?;
    let (miss, slower) = (view.of_settings(&MISS), view.of_settings(&SLOWER));
    let Some((second, was, is)) = warmed(log, &first, miss) else { return Some(Sight::Gone) };
    let (before, after) = first.step().zip(second.step())?;
    if before < slower * after {
        return Some(Sight::Gone);
    }
    let span = (first.began_ms, first.began_ms + (first.seconds * 1e3) as i64);
    let lines = [
        (
            "procs.read_bytes_per_second",
            was,
            miss,
            format!(
                "{} of the first epoch's bytes came from storage, {} of the second's",
                words::percent(was),
                words::percent(is)
            ),
        ),
        (
            "loaders.step_seconds",
            before,
            slower * after,
            format!(
                "a step took {} in the first epoch, {} in the second",
                words::milliseconds(before),
                words::milliseconds(after)
            ),
        ),
    ];
    let evidence = lines.into_iter().map(|(series, value, limit, text)| {
        words::evidence(span, series, view.entity(), value, Some(limit), text)
    });
    let said = Said {
        run: Some(view.trainer.run),
        pid: Some(view.trainer.pid),
        title: format!(
            "{} began with a cold page cache: its first epoch took {:.1} times as long for a step as the \
             second",
            view.name(),
            before / after
        ),
        evidence: evidence.collect(),
        advice: ABOUT.remedy.into(),
        ..Said::of(Rule::ColdCache)
    };
    Some(Sight::Here { weight: was, said: Box::new(said), span: Some((span.0, Some(span.1))) })
}

/// The second epoch, and the shares of both that came from storage, where the second found in the page
/// cache what the first one read from the disk.
fn warmed(log: &Log, first: &Epoch, cold: f64) -> Option<(Epoch, f64, f64)> {
    let second = log.second?;
    let (was, is) = first.miss().zip(second.miss())?;
    (was >= cold && is <= WARMER * was).then_some((second, was, is))
}
