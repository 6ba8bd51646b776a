//! TOO-FEW-WORKERS: workers are busy and nothing is saturated.

use super::{Case, EXPLAINS, Explained, PARTLY, disk, prep};
use crate::diagnose::about::{About, Threshold};
use crate::diagnose::words;
use crate::model::Cause;

pub(super) static ABOUT: About = About {
    code: Cause::TooFewWorkers.code(),
    area: Cause::TooFewWorkers.area(),
    what: "Workers are busy all the time and nothing is saturated: there are too few.",
    when: "Named where there is no worker; or where they are busy, on a CPU or with reads that no device \
           is full of, 60 % of it (STARVED's explains) or idle less than {idle}, and less than 70 % of \
           the CPU limit is used (PREP-BOUND's cpu_full).",
    remedy: "Raise num_workers to N / (1 − blocked), as far as there are cores, with \
             persistent_workers=True; from num_workers=0, to 2 at first, then 4.",
    source: "the bound 1 / (1 − blocked) holds within 1 % in our own measurements; the shares are a \
             proposal",
    thresholds: &[&IDLE],
};

/// A worker needs no more of a core than this share of it is on the CPU; at least this much.
const LEAST_CORE: f64 = 0.05;

/// A part of the loading below this share is not worth a word.
const LEAST_PART: f64 = 0.10;

/// Workers without work for less of their time than this are all busy.
static IDLE: Threshold = Threshold {
    code: Cause::TooFewWorkers.code(),
    name: "idle",
    default: 0.10,
    unit: "share",
    what: "Share of the workers' time without work, at most.",
};

/// No worker at all: the loop loads in its own process. Where its main thread is meanwhile tells what
/// the loading consists of.
pub(super) fn without_workers(case: &Case<'_>) -> Option<Explained> {
    case.workers.filter(|workers| *workers == 0)?;
    let text = "the training process loads its data itself (num_workers=0)".to_owned();
    let span = case.facts.span;
    let mut evidence =
        vec![words::evidence(span, "loaders.workers", case.entity(), 0.0, None, text.clone())];
    let mut because = text;
    if let Some([run, disk, net]) = case.facts.main_waits {
        // Without the run queue's share nobody knows which part of it is work.
        let on_cpu = case.facts.used.main_on_cpu();
        let prepares = if on_cpu.is_some() {
            "preparing samples on a CPU"
        } else {
            "preparing samples, on a CPU or ready for one"
        };
        let in_line = on_cpu.map_or(0.0, |share| run * (1.0 - share));
        let parts = [
            (run - in_line, "loaders.wait_run_samples_total", prepares),
            (in_line, "procs.main_run_delay_ratio", "standing in line for a CPU"),
            (disk, "loaders.wait_disk_samples_total", "waiting for a disk"),
            (net, "loaders.wait_net_samples_total", "waiting for a network"),
        ];
        let said = parts.into_iter().filter(|(share, ..)| *share >= LEAST_PART);
        let list: Vec<String> = said
            .map(|(share, series, what)| {
                let text = format!("{} of it {what}", words::percent(share));
                evidence.push(words::evidence(
                    span,
                    series,
                    case.entity(),
                    share,
                    None,
                    format!("{} of the waiting goes into {what}", words::percent(share)),
                ));
                text
            })
            .collect();
        if !list.is_empty() {
            because = format!("{because}, {}", list.join(" and "));
        }
    }
    Some(Explained {
        cause: Cause::TooFewWorkers,
        because,
        advice: first_workers(case.facts.cpu.map(|(_, left)| left)),
        evidence,
    })
}

/// The first workers of a loop that has none, as far as there are cores for them.
fn first_workers(cores_left: Option<f64>) -> String {
    let context = "(multiprocessing_context=\"forkserver\" where CUDA is already in use)";
    match cores_left {
        Some(left) if left < 1.0 => format!(
            "No core is left for a worker: free one first, then set num_workers=1 so that loading runs \
             beside the step {context}."
        ),
        Some(left) if left < 4.0 => format!(
            "Set num_workers to {:.0}, as many as there are cores left, so that loading runs beside the \
             step {context}.",
            left.floor()
        ),
        _ => format!(
            "Set num_workers to 2 at first, then 4, so that loading runs beside the step {context}."
        ),
    }
}

pub(super) fn test(case: &Case<'_>) -> Option<Explained> {
    let shares = case.shares?;
    let workers = case.workers?;
    let (full, explains, partly) = (case.of(&prep::CPU_FULL), case.of(&EXPLAINS), case.of(&PARTLY));
    let (used, left) = case.facts.cpu.filter(|(used, _)| *used < full)?;
    let (fetch, prep) = (case.fetch()?, case.prep()?);
    let (share, column, what) = if prep >= explains {
        (prep, "worker_run_ratio", "on a CPU or ready for one")
    } else if fetch >= explains {
        device_is_known_to_have_room(case)?;
        (fetch, "worker_disk_ratio", "waiting for reads that no device is full of")
    } else if prep >= partly && fetch < partly && shares.idle < case.of(&IDLE) {
        (prep, "worker_run_ratio", "on a CPU, hardly ever without work")
    } else {
        return None;
    };
    let because = format!(
        "{} {} {what}, and {} of the CPU limit is free",
        case.workers_spend(),
        words::percent(share * (1.0 - shares.idle)),
        words::percent(1.0 - used)
    );
    let text =
        format!("{} of the CPU limit is used, and {left:.1} cores are left", words::percent(used));
    Some(Explained {
        cause: Cause::TooFewWorkers,
        because,
        advice: advice(case, workers, left, shares.run + shares.runq),
        evidence: vec![
            case.worker_share(
                column,
                share,
                if share < explains { partly } else { explains },
                what,
            ),
            words::evidence(case.facts.span, "host.cpu_ratio", "host", used, Some(full), text),
        ],
    })
}

/// Waiting for reads with no device at its ceiling is latency. Where the device is not known, or
/// gives no figures, that cannot be said.
fn device_is_known_to_have_room(case: &Case<'_>) -> Option<()> {
    case.trainer.disk.as_ref()?;
    let seen = case.facts.disk_queue.is_some() && case.facts.disk_wait.is_some();
    (seen && disk::ceiling(case).is_none()).then_some(())
}

/// ceil(N / (1 − b)), as far as there are cores for them.
fn advice(case: &Case<'_>, workers: u64, cores_left: f64, on_cpu: f64) -> String {
    let enough = workers_enough(workers, case.blocked);
    let room = workers + (cores_left / on_cpu.max(LEAST_CORE)) as u64;
    if room <= workers {
        return format!(
            "About {enough} workers would be enough, and there is no core left for one more: free cores \
             or prepare less for each sample."
        );
    }
    let set = enough.min(room);
    let most = if set < enough {
        format!(" ({enough} would be enough; there are cores for {set})")
    } else {
        String::new()
    };
    format!("Raise num_workers from {workers} to {set}{most}, with persistent_workers=True.")
}

/// Workers that would be enough for a loop that is blocked for a share of its time: ceil(N / (1 − b)).
/// It holds only where nothing is saturated, so that each more works as fast as those there are.
pub fn workers_enough(workers: u64, blocked: f64) -> u64 {
    // A loop that only waits says nothing about its own speed: ten times the workers at most.
    (workers as f64 / (1.0 - blocked.clamp(0.0, 0.9)) - 1e-9).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::workers_enough as enough;

    #[test]
    fn workers_that_would_be_enough_follow_the_blocked_share() {
        assert_eq!(enough(8, 0.41), 14);
        assert_eq!(enough(4, 0.5), 8);
        assert_eq!(enough(8, 0.0), 8);
        assert_eq!(enough(2, 1.0), 20);
    }
}
