//! SMALL-FILES: samples are read in many small pieces, so that each costs a trip to the disk.

use super::{Sight, View};
use crate::diagnose::about::{About, Threshold};
use crate::diagnose::cause::{Case, EXPLAINS, Explained};
use crate::diagnose::epochs::READ_CALLS;
use crate::diagnose::ledger::Said;
use crate::diagnose::settings::Settings;
use crate::diagnose::used::Used;
use crate::diagnose::words;
use crate::model::{Cause, Evidence, Rule};

pub(in crate::diagnose) static ABOUT: About = About {
    code: Rule::SmallFiles.code(),
    area: Rule::SmallFiles.area(),
    what: "Samples are read in many small pieces, as from one small file for each sample.",
    when: "Raised where read calls return less than {size} on average, {calls} or more, and the disk is \
           asked for pieces as small, {calls} or more too, for 10 s over a window of 30 s; cleared above \
           twice the size or below half the rate for 20 s. Named as the cause of STARVED where the \
           workers wait for reads 60 % or more of their busy time, there are {starving_calls} or more, and \
           no limit on bytes a second binds.",
    remedy: "Bundle the samples into shards of 100 MB or more that are read in pieces of 1 MiB or more: \
             WebDataset tars, TFRecord, MDS, Parquet or LMDB.",
    source: "a proposal; a Python open().read() calls read twice for each file, so the mean is half of it",
    thresholds: &[&SIZE, &CALLS, &STARVING_CALLS],
};

static SIZE: Threshold = Threshold {
    code: Rule::SmallFiles.code(),
    name: "size",
    default: 65536.0,
    unit: "bytes",
    what: "Mean size of a read, both of the calls and of the disk.",
};
static CALLS: Threshold = Threshold {
    code: Rule::SmallFiles.code(),
    name: "calls",
    default: 500.0,
    unit: "1/s",
    what: "Reads a second, both calls and those of the disk.",
};

static STARVING_CALLS: Threshold = Threshold {
    code: Rule::SmallFiles.code(),
    name: "starving_calls",
    default: 100.0,
    unit: "1/s",
    what: "The same where the loop starves and its workers wait for reads.",
};

/// The reads.
struct Reads {
    /// Bytes a call and calls a second.
    size: f64,
    calls: f64,
    /// Bytes a read of the disk and reads a second.
    disk_size: f64,
    disk_rate: f64,
}

impl Reads {
    /// `None` where the calls or the disk cannot be read, and where so little comes through calls that
    /// they are the loader's own messages.
    fn of(used: &Used) -> Option<Self> {
        let (chars, calls) = used.chars.zip(used.calls)?;
        let (bytes, disk_reads) = used.disk_read.zip(used.disk_reads)?;
        if chars < READ_CALLS || calls <= 0.0 || disk_reads <= 0.0 {
            return None;
        }
        Some(Self {
            size: chars / calls,
            calls,
            disk_size: bytes / disk_reads,
            disk_rate: disk_reads,
        })
    }

    fn holds(&self, settings: &Settings, larger: f64, rarer: f64) -> bool {
        let (size, calls) = (larger * settings.of(&SIZE), rarer * settings.of(&CALLS));
        self.size < size && self.disk_size < size && self.calls >= calls && self.disk_rate >= calls
    }

    fn words(&self) -> String {
        format!(
            "{:.0} reads a second of {} on average, which the disk gets as {:.0} of {}",
            self.calls,
            words::size(self.size),
            self.disk_rate,
            words::size(self.disk_size)
        )
    }

    fn evidence(&self, span: (i64, i64), who: String, disk: String, most: f64) -> Vec<Evidence> {
        let calls = format!(
            "a read call returns {} on average, {:.0} times a second",
            words::size(self.size),
            self.calls
        );
        let reads = format!(
            "the disk reads {} at once, {:.0} a second",
            words::size(self.disk_size),
            self.disk_rate
        );
        let (of_calls, of_disk) = ("procs.read_calls_per_second", "disks.read_size_bytes");
        vec![
            words::evidence(span, of_calls, who, self.size, Some(most), calls),
            words::evidence(span, of_disk, disk, self.disk_size, Some(most), reads),
        ]
    }
}

/// Why a loop starves, where it is this.
pub(in crate::diagnose) fn cause(case: &Case<'_>) -> Option<Explained> {
    case.fetch().filter(|share| *share >= case.of(&EXPLAINS))?;
    let shares = case.shares?;
    let reads = Reads::of(&case.facts.used)?;
    // Where most of the time goes into them, fewer of them are too many: a disk that spins, or one under
    // a limit on reads a second, serves no more.
    let fewer = case.of(&STARVING_CALLS) / case.of(&CALLS).max(f64::MIN_POSITIVE);
    if !reads.holds(case.settings, 1.0, fewer) {
        return None;
    }
    let disk = case.trainer.disk.as_ref().map(|(name, _)| words::name(name)).unwrap_or_default();
    Some(Explained {
        cause: Cause::SmallFiles,
        because: format!(
            "{} {} waiting for small reads: {}",
            case.workers_spend(),
            words::percent(shares.disk + shares.net),
            reads.words()
        ),
        advice: ABOUT.remedy.into(),
        evidence: reads.evidence(case.facts.span, case.entity(), disk, case.of(&SIZE)),
    })
}

pub(super) fn look(view: &View<'_>) -> Option<Sight> {
    if view.starves() {
        return Some(Sight::Told);
    }
    let facts = view.fed()?;
    let settings = view.scene.settings;
    let reads = Reads::of(&view.used)?;
    if !reads.holds(settings, 2.0, 0.5) {
        return Some(Sight::Gone);
    }
    if !reads.holds(settings, 1.0, 1.0) {
        return Some(Sight::Fading);
    }
    let disk = view.trainer.disk.as_ref().map(|(name, _)| words::name(name)).unwrap_or_default();
    let said = Said {
        title: format!("{} reads in small pieces: {}", view.name(), reads.words()),
        evidence: reads.evidence(facts.span, view.entity(), disk, settings.of(&SIZE)),
        advice: format!("It costs no time now. {}", ABOUT.remedy),
        ..Said::of(Rule::SmallFiles)
    };
    Some(view.here(reads.calls, said))
}
