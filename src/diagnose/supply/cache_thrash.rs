//! CACHE-THRASH: the page cache cannot hold the data, so that each epoch reads it from the disk again.

use super::{Sight, View};
use crate::diagnose::about::{About, Threshold};
use crate::diagnose::cause::{Case, EXPLAINS, Explained};
use crate::diagnose::epochs::{Log, READ_CALLS};
use crate::diagnose::ledger::Said;
use crate::diagnose::settings::Settings;
use crate::diagnose::used::Used;
use crate::diagnose::words;
use crate::model::{Cause, Evidence, Rule, Severity};

pub(in crate::diagnose) static ABOUT: About = About {
    code: Rule::CacheThrash.code(),
    area: Rule::CacheThrash.area(),
    what: "The page cache cannot hold the data of an epoch, and each epoch reads it from the disk again.",
    when: "Raised from the second epoch on where {miss} of the bytes read or more come from storage, pages \
           that were read again soon after they were evicted are {refaults} of those or more, and memory, \
           page cache included, is {memory} full or more, for 20 s over a window of 30 s; cleared below \
           half of the former two for 40 s. Named as the cause of STARVED where the workers wait for reads \
           60 % or more of their busy time.",
    remedy: "Raise the memory limit (memory.max, Kubernetes limits.memory) or use a box whose memory holds \
             an epoch; store the samples smaller (decoded to the size that is used, compressed); give each \
             rank a fixed shard, so that a box reads 1/N of the data; or keep a fixed subset cached \
             instead of letting the newest files drive out the oldest.",
    source: "a proposal; workingset_refault_file is the kernel's own count of pages evicted too early",
    thresholds: &[&MISS, &REFAULTS, &MEMORY],
};

static MISS: Threshold = Threshold {
    code: Rule::CacheThrash.code(),
    name: "miss",
    default: 0.30,
    unit: "share",
    what: "Share of the bytes that read calls return which comes from storage.",
};
static REFAULTS: Threshold = Threshold {
    code: Rule::CacheThrash.code(),
    name: "refaults",
    default: 0.10,
    unit: "share",
    what: "Share of the bytes from storage that had been in the page cache shortly before.",
};
static MEMORY: Threshold = Threshold {
    code: Rule::CacheThrash.code(),
    name: "memory",
    default: 0.90,
    unit: "share",
    what: "Memory in use, page cache included, of the limit or of the box.",
};

/// The least size of a page, in bytes: with larger ones more is refaulted than is said.
const PAGE: f64 = 4096.0;

/// What the page cache does.
struct Thrash {
    /// The epoch that runs, counted from 1 with those that were seen.
    miss: f64,
    refaults: f64,
    refault_share: f64,
    memory: f64,
    /// Bytes that a whole epoch reads, where known.
    epoch: Option<f64>,
}

impl Thrash {
    /// `None` where a part of the evidence is missing. In the first epoch nothing can be read again.
    fn of(used: &Used, log: &Log) -> Option<Self> {
        let (read, chars) = used.read.zip(used.chars)?;
        let (refaults, memory) = used.refaults.zip(used.memory)?;
        if chars < READ_CALLS || log.begun == 0 {
            return None;
        }
        let refault_share = if read > 0.0 { (refaults * PAGE / read).min(1.0) } else { 0.0 };
        let miss = (read / chars).min(1.0);
        Some(Self { miss, refaults, refault_share, memory, epoch: epoch_bytes(log) })
    }

    fn holds(&self, settings: &Settings, part: f64) -> bool {
        self.miss >= part * settings.of(&MISS)
            && self.refault_share >= part * settings.of(&REFAULTS)
            && self.memory >= settings.of(&MEMORY)
    }

    fn words(&self) -> String {
        format!(
            "{} of what it reads comes from the disk again, and {:.0} pages a second had been in the page \
             cache shortly before",
            words::percent(self.miss),
            self.refaults
        )
    }

    fn evidence(&self, span: (i64, i64), who: String, settings: &Settings) -> Vec<Evidence> {
        let line = |series, entity, value, limit, text| {
            words::evidence(span, series, entity, value, Some(limit), text)
        };
        let miss = format!("{} of the bytes read come from storage", words::percent(self.miss));
        let again = format!(
            "{} of those had been evicted shortly before",
            words::percent(self.refault_share)
        );
        let full = format!("memory is {} full, page cache included", words::percent(self.memory));
        vec![
            line("procs.read_bytes_per_second", who, self.miss, settings.of(&MISS), miss),
            line(
                "host.refault_file_pages_per_second",
                "host".into(),
                self.refault_share,
                settings.of(&REFAULTS),
                again,
            ),
            line("host.memory_free_bytes", "host".into(), self.memory, settings.of(&MEMORY), full),
        ]
    }

    fn advice(&self) -> String {
        let Some(bytes) = self.epoch else { return ABOUT.remedy.into() };
        format!(
            "An epoch reads about {} in this rank: a page cache of that size would hold it. {}",
            words::size(bytes),
            ABOUT.remedy
        )
    }
}

/// Bytes that an epoch reads: of the last whole one, else by its share so far.
pub(super) fn epoch_bytes(log: &Log) -> Option<f64> {
    if let Some(last) = log.past.back().filter(|last| last.miss().is_some()) {
        return Some(last.chars);
    }
    let now = &log.current;
    let batches = log.batches? as f64;
    (now.miss().is_some() && now.steps > 0.0).then(|| now.chars / now.steps * batches)
}

/// Why a loop starves, where it is this.
pub(in crate::diagnose) fn cause(case: &Case<'_>) -> Option<Explained> {
    case.fetch().filter(|share| *share >= case.of(&EXPLAINS))?;
    let log = case.trainer.epochs.of(case.trainer.loader)?;
    let thrash = Thrash::of(&case.facts.used, log)?;
    thrash.holds(case.settings, 1.0).then(|| Explained {
        cause: Cause::CacheThrash,
        because: format!("in its epoch after the first, {}", thrash.words()),
        advice: thrash.advice(),
        evidence: thrash.evidence(case.facts.span, case.entity(), case.settings),
    })
}

pub(super) fn look(view: &View<'_>) -> Option<Sight> {
    if view.starves() {
        return Some(Sight::Told);
    }
    let facts = view.fed()?;
    let settings = view.scene.settings;
    let thrash = Thrash::of(&view.used, view.epochs()?)?;
    if !thrash.holds(settings, 0.5) {
        return Some(Sight::Gone);
    }
    if !thrash.holds(settings, 1.0) {
        return Some(Sight::Fading);
    }
    let said = Said {
        severity: Severity::Warn,
        title: format!("{} has outgrown the page cache: {}", view.name(), thrash.words()),
        evidence: thrash.evidence(facts.span, view.entity(), settings),
        advice: thrash.advice(),
        ..Said::of(Rule::CacheThrash)
    };
    Some(view.here(thrash.miss, said))
}
