//! CPU-OVERSUBSCRIBED: more threads want to run than there are cores, and wait for one another.

use super::{Sight, View};
use crate::diagnose::about::{About, Threshold};
use crate::diagnose::cause::{Case, EXPLAINS, Explained};
use crate::diagnose::ledger::Said;
use crate::diagnose::settings::Settings;
use crate::diagnose::used::Used;
use crate::diagnose::words;
use crate::model::{Cause, Evidence, Rule, Severity};

pub(in crate::diagnose) static ABOUT: About = About {
    code: Rule::CpuOversubscribed.code(),
    area: Rule::CpuOversubscribed.area(),
    what: "More threads want to run than the job has cores for, so that workers stand in line for a CPU.",
    when: "Raised where workers are ready to run without a CPU {queued} of their time or more and, both \
           at once, threads that run or are ready are more than {threads} the cores that the job may use, \
           for 10 s over a window of 30 s; cleared below half of the former for 20 s. Named as the cause \
           of STARVED where they are as many times the workers with the main process, or other jobs' \
           threads, and the workers are on a CPU, or ready for one, 60 % or more of their busy time; or \
           where the main thread itself stands in line for 60 % or more of what the loop waits.",
    remedy: "Set OMP_NUM_THREADS=1 and cv2.setNumThreads(0) in the workers (torch.set_num_threads(1) is \
             DataLoader's own default), start fewer workers, or keep other jobs off these cores with a \
             cpuset.",
    source: "a proposal; both conditions are asked for, as either alone is common in healthy runs",
    thresholds: &[&QUEUED, &THREADS],
};

static QUEUED: Threshold = Threshold {
    code: Rule::CpuOversubscribed.code(),
    name: "queued",
    default: 0.20,
    unit: "share",
    what: "Share of the workers' time in which they are ready to run and have no CPU.",
};
static THREADS: Threshold = Threshold {
    code: Rule::CpuOversubscribed.code(),
    name: "threads",
    default: 1.5,
    unit: "times",
    what: "Threads that run or are ready, of the cores that the job may use.",
};

/// A main thread in line for this share of what the loop waits explains the wait.
pub(super) const OF_WAIT: f64 = 0.60;

/// How crowded the cores are.
struct Crowd {
    /// Share of time in the run queue, and whose: the workers', or the main thread's of a loop that
    /// waits.
    queued: f64,
    /// The least of it that counts.
    least: f64,
    whose: Whose,
    /// Threads that run or are ready to, and cores for them.
    threads: f64,
    cores: f64,
    /// They are the job's own, not the whole box's.
    own: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Whose {
    Workers,
    Loop,
}

impl Crowd {
    /// `None` where the threads cannot be read. The job's own threads count; where they are few, those
    /// of the box do, on the box's cores.
    fn of(
        (queued, least): (f64, f64),
        whose: Whose,
        used: &Used,
        settings: &Settings,
    ) -> Option<Self> {
        let crowd =
            |threads: f64, cores: f64, own| Self { queued, least, whose, threads, cores, own };
        let (own, of_box) = (used.runnable.zip(used.cores), used.box_runnable.zip(used.box_cores));
        let own = own.map(|(threads, cores)| crowd(threads, cores, true));
        let of_box = of_box.map(|(threads, cores)| crowd(threads, cores, false));
        let full = |crowd: &Self| crowd.threads > settings.of(&THREADS) * crowd.cores;
        match own {
            Some(own) if full(&own) => Some(own),
            own => of_box.filter(full).or(own),
        }
    }

    fn holds(&self, settings: &Settings) -> bool {
        self.queued >= self.least && self.threads > settings.of(&THREADS) * self.cores
    }

    fn words(&self) -> String {
        let who = match self.whose {
            Whose::Workers => format!(
                "its workers stand in line for a CPU {} of their time",
                words::percent(self.queued)
            ),
            Whose::Loop => format!(
                "its main thread stands in line for a CPU {} of the time",
                words::percent(self.queued)
            ),
        };
        format!(
            "{:.0} threads {} want to run on {:.0} cores, and {who}",
            self.threads,
            if self.own { "of it" } else { "of all jobs" },
            self.cores,
        )
    }

    fn evidence(&self, span: (i64, i64), entity: String, settings: &Settings) -> Vec<Evidence> {
        let limit = settings.of(&THREADS) * self.cores;
        let series = if self.own { "procs.run_delay_seconds_total" } else { "host.runnable" };
        let text = format!("{:.1} threads want to run on {:.0} cores", self.threads, self.cores);
        let (column, who) = match self.whose {
            Whose::Workers => ("loaders.worker_runq_ratio", "the workers stand"),
            Whose::Loop => ("procs.main_run_delay_ratio", "the main thread stands"),
        };
        let queued = format!("{who} in line for a CPU {} of the time", words::percent(self.queued));
        vec![
            words::evidence(span, column, entity, self.queued, Some(self.least), queued),
            words::evidence(span, series, "host", self.threads, Some(limit), text),
        ]
    }

    fn advice(&self, workers: Option<u64>) -> String {
        if !self.own {
            return "Keep other jobs off these cores with a cpuset, or move one of them; of this job's \
                    workers, start no more than there are cores left."
                .into();
        }
        let fit = (self.cores as u64).saturating_sub(1).max(1);
        match workers.filter(|workers| *workers > fit) {
            Some(workers) => format!(
                "Lower num_workers from {workers} to {fit}, one core less than there are, and set \
                 OMP_NUM_THREADS=1 and cv2.setNumThreads(0) so that each worker is one thread."
            ),
            None => "Set OMP_NUM_THREADS=1 and cv2.setNumThreads(0) in the workers, so that each is one \
                     thread: the cores are enough for the workers, and not for the threads that they start."
                .into(),
        }
    }
}

/// Why a loop starves, where it is this.
pub(in crate::diagnose) fn cause(case: &Case<'_>) -> Option<Explained> {
    case.prep().filter(|share| *share >= case.of(&EXPLAINS))?;
    explained(case, (case.shares?.runq, case.of(&QUEUED)), Whose::Workers)
}

/// The same of a loop whose wait is its main thread standing in line: whatever it waits for otherwise
/// would be over sooner, and a batch that is ready is not taken.
pub(in crate::diagnose) fn of_loop(case: &Case<'_>) -> Option<Explained> {
    let queued = case.facts.used.main_delay?.min(1.0);
    explained(case, (queued, OF_WAIT * case.blocked), Whose::Loop)
}

fn explained(case: &Case<'_>, queued: (f64, f64), whose: Whose) -> Option<Explained> {
    let crowd = Crowd::of(queued, whose, &case.facts.used, case.settings)?;
    // Workers of one thread each that fill the cores prepare all that the cores can.
    let each = case.workers.map_or(0.0, |workers| workers as f64 + 1.0);
    if crowd.own && crowd.threads <= case.of(&THREADS) * each {
        return None;
    }
    crowd.holds(case.settings).then(|| Explained {
        cause: Cause::CpuOversubscribed,
        because: crowd.words(),
        advice: crowd.advice(case.workers),
        evidence: crowd.evidence(case.facts.span, case.entity(), case.settings),
    })
}

pub(super) fn look(view: &View<'_>) -> Option<Sight> {
    if view.starves() {
        return Some(Sight::Told);
    }
    let facts = view.fed()?;
    let settings = view.scene.settings;
    let queued = (facts.all_shares?.runq, settings.of(&QUEUED));
    let crowd = Crowd::of(queued, Whose::Workers, &view.used, settings)?;
    if crowd.queued < settings.of(&QUEUED) / 2.0 || crowd.threads <= crowd.cores {
        return Some(Sight::Gone);
    }
    if !crowd.holds(settings) {
        return Some(Sight::Fading);
    }
    let said = Said {
        severity: Severity::Warn,
        title: format!("{} is short of cores: {}", view.name(), crowd.words()),
        evidence: crowd.evidence(facts.span, view.entity(), settings),
        advice: crowd.advice(view.trainer.workers.map(u64::from)),
        ..Said::of(Rule::CpuOversubscribed)
    };
    Some(view.here(crowd.queued, said))
}
