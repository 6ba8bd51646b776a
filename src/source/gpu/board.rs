//! What a collector said last, and how old it is. Told the time, so that it can be tested without any.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::trail::{Mark, Trail};
use super::wire::{self, Held, Line, PROTOCOL};
use super::{GpuLook, NVML};
use crate::model::inventory::{GpuInfo, SourceState, SourceStatus};
use crate::model::sample::{GpuProcSample, GpuSample, PcieSource};
use crate::model::{Gap, GpuId, Pid, Reading};

/// How long a driver may take to start before we say that it hangs.
const INIT_PATIENCE: Duration = Duration::from_secs(5);

/// Where a collector stands.
#[derive(Clone, Debug, PartialEq)]
enum Phase {
    /// Started, and has said nothing yet.
    Starting { since: Instant },
    /// Says rows.
    Running,
    /// Said why it cannot.
    Refused { absent: bool, message: String, remedy: String },
    /// Ended by itself, or could not be started.
    Ended { message: String },
}

/// All that one collector said.
pub(super) struct Board {
    source: &'static str,
    patience: Duration,
    phase: Phase,
    gpus: BTreeMap<u32, Slot>,
    epoch: Option<Instant>,
    malformed: u64,
}

struct Slot {
    info: Arc<GpuInfo>,
    row: GpuSample,
    trouble: String,
    held: Vec<Held>,
    errors: Errors,
    /// When it was last heard of; before the first row, since when we wait.
    heard: Instant,
    any: bool,
    trail: Trail,
}

/// The errors that the driver reported of one GPU. They outlive a GPU that answers no more: they are
/// why it does not.
#[derive(Clone, Copy, Debug, Default)]
struct Errors {
    /// Whether they are told; `None` until that is known.
    told: Option<bool>,
    last: Option<(u64, Instant)>,
    count: u64,
}

impl Errors {
    fn fill(&self, row: &mut GpuSample, now: Instant) {
        let none = match self.told {
            Some(true) => Gap::NotApplicable,
            Some(false) => Gap::Unsupported,
            None => Gap::NotYet,
        };
        row.xid = Reading::from_option(self.last.map(|(xid, _)| xid), none);
        let age = self.last.map(|(_, at)| now.saturating_duration_since(at).as_secs_f64());
        row.xid_age_seconds = Reading::from_option(age, none);
        let known = self.told == Some(true) || self.count > 0;
        row.xids_total = Reading::from_option(known.then_some(self.count), none);
    }
}

impl Board {
    /// The board of a collector that is about to start and speaks every `interval`.
    pub(super) fn new(source: &'static str, interval: Duration, now: Instant) -> Self {
        Self {
            source,
            patience: (interval * 3).max(Duration::from_secs(3)),
            phase: Phase::Starting { since: now },
            gpus: BTreeMap::new(),
            epoch: None,
            malformed: 0,
        }
    }

    /// A collector was started anew: what the last one said of its GPUs grows old until it speaks.
    pub(super) fn started(&mut self, now: Instant) {
        if !matches!(self.phase, Phase::Refused { .. }) {
            self.phase = Phase::Starting { since: now };
        }
        self.epoch = None;
    }

    /// The collector is gone, and why. A refusal stands: it is the better reason.
    pub(super) fn ended(&mut self, message: String) {
        if !matches!(self.phase, Phase::Refused { .. }) {
            self.phase = Phase::Ended { message };
        }
    }

    /// Whether the last collector said that it cannot work here.
    pub(super) const fn refused(&self) -> bool {
        matches!(self.phase, Phase::Refused { .. })
    }

    /// There is nothing that a collector could be started for.
    pub(super) fn absent(&mut self, message: &str) {
        let (message, remedy) = (message.to_owned(), String::new());
        self.gpus.clear();
        self.phase = Phase::Refused { absent: true, message, remedy };
    }

    /// Takes one line that arrived at `at`.
    pub(super) fn take(&mut self, line: &[u8], at: Instant) {
        match wire::parse(line) {
            Some(line) => self.apply(line, at),
            None => self.malformed += 1,
        }
    }

    fn apply(&mut self, line: Line, at: Instant) {
        match line {
            Line::Hello { protocol, .. } if protocol != PROTOCOL => {
                self.phase = Phase::Refused {
                    absent: false,
                    message: "mltop was replaced while it ran".to_owned(),
                    remedy: "Start mltop again.".to_owned(),
                };
            }
            Line::Hello { first, gpus, .. } => {
                self.phase = Phase::Running;
                // Names stay; figures of a collector that died are not this one's.
                let before = std::mem::take(&mut self.gpus);
                for index in first..first + gpus {
                    let slot = self.slot(index, at);
                    if let Some(before) = before.get(&index) {
                        slot.info = Arc::clone(&before.info);
                        slot.errors = before.errors;
                    }
                }
            }
            Line::Fault { absent, message, remedy } => {
                self.gpus.clear();
                self.phase = Phase::Refused { absent, message, remedy };
            }
            Line::Info { info } => {
                let slot = self.slot(info.gpu.0, at);
                slot.info = Arc::new(info);
            }
            Line::Row { gpu, t, cells, trouble } => {
                let read = self.moment(t, at);
                let slot = self.slot(gpu, at);
                slot.row = wire::row(GpuId(gpu), &cells);
                slot.trouble = trouble;
                slot.heard = read;
                slot.any = true;
            }
            Line::Procs { gpu, held } => self.slot(gpu, at).held = held,
            Line::Gone { gpu } => {
                self.gpus.remove(&gpu);
            }
            Line::Watched { gpu, told } => self.slot(gpu, at).errors.told = Some(told),
            Line::Xid { gpu, t, xid } => {
                let came = self.moment(t, at);
                let errors = &mut self.slot(gpu, at).errors;
                errors.last = Some((xid, came));
                errors.count += 1;
            }
            Line::Pcie { gpu, t, rx, tx, lower, off } => {
                self.moment(t, at);
                let off = off.min(i64::MAX as u64) as i64;
                self.slot(gpu, at).trail.add(Mark { t: t as i64, rx, tx, lower, off });
            }
        }
    }

    fn slot(&mut self, gpu: u32, at: Instant) -> &mut Slot {
        self.gpus.entry(gpu).or_insert_with(|| Slot {
            info: Arc::new(GpuInfo { gpu: GpuId(gpu), ..GpuInfo::default() }),
            row: GpuSample::blank(GpuId(gpu), Gap::NotYet),
            trouble: String::new(),
            held: Vec::new(),
            errors: Errors::default(),
            heard: at,
            any: false,
            trail: Trail::default(),
        })
    }

    /// A moment of the collector's clock on ours. The line that travelled fastest tells best where
    /// that clock began.
    fn moment(&mut self, t: u64, at: Instant) -> Instant {
        let travelled = Duration::from_micros(t);
        let began = at.checked_sub(travelled).unwrap_or(at);
        let epoch = *self.epoch.insert(self.epoch.map_or(began, |epoch| epoch.min(began)));
        epoch.checked_add(travelled).unwrap_or(at).min(at)
    }

    /// All GPUs as they stand at `now`.
    pub(super) fn look(&mut self, now: Instant) -> GpuLook {
        let (mut infos, mut samples, mut procs) = (Vec::new(), Vec::new(), Vec::new());
        let mut troubled = 0;
        for (index, slot) in &mut self.gpus {
            let epoch = self.epoch;
            let (info, sample) = slot.look(now, self.patience, epoch);
            let gap = sample.utilization_ratio.gap().filter(|gap| {
                info.trouble.is_some() && matches!(gap, Gap::Late | Gap::Lost | Gap::Denied)
            });
            // A card that is asleep has words for it and is no fault.
            let asleep = sample.utilization_ratio == Reading::Not(Gap::NotApplicable);
            troubled += usize::from(info.trouble.is_some() && !asleep);
            procs.extend(slot.held.iter().map(|held| held_row(GpuId(*index), held, gap)));
            infos.push(info);
            samples.push(sample);
        }
        let status = self.status(now, troubled);
        GpuLook { infos, samples, procs, status, collector: None, others: Vec::new() }
    }

    fn status(&self, now: Instant, troubled: usize) -> SourceStatus {
        let (state, message, remedy) = match &self.phase {
            Phase::Starting { since } => {
                let waited = now.saturating_duration_since(*since);
                if waited < INIT_PATIENCE {
                    (SourceState::Partial, "starting".to_owned(), "")
                } else {
                    let seconds = waited.as_secs();
                    let (driver, remedy) = self.words();
                    let message =
                        format!("the {driver} does not answer (init has taken {seconds} s)");
                    (SourceState::Failed, message, remedy)
                }
            }
            Phase::Running => self.running(troubled),
            Phase::Refused { absent, message, remedy } => {
                let state = if *absent { SourceState::Absent } else { SourceState::Failed };
                (state, message.clone(), remedy.as_str())
            }
            Phase::Ended { message } => (SourceState::Failed, message.clone(), ""),
        };
        SourceStatus {
            source: self.source.into(),
            state,
            message: message.into(),
            remedy: remedy.into(),
        }
    }

    /// The driver in words, and what to do where it does not start.
    fn words(&self) -> (&'static str, &'static str) {
        match self.source {
            NVML => ("NVIDIA driver", "See dmesg; nvidia-smi will hang as well."),
            _ => ("kernel's GPU driver", "See dmesg."),
        }
    }

    fn running(&self, troubled: usize) -> (SourceState, String, &'static str) {
        let all = self.gpus.len();
        match troubled {
            0 if self.malformed > 0 => {
                let message = format!("{} lines of the collector made no sense", self.malformed);
                (SourceState::Partial, message, "")
            }
            0 => (SourceState::Ok, String::new(), ""),
            _ if troubled == all => {
                (SourceState::Failed, format!("none of {all} GPUs answers"), "See dmesg.")
            }
            _ => (SourceState::Partial, format!("{troubled} of {all} GPUs do not answer"), ""),
        }
    }
}

impl Slot {
    fn look(
        &mut self,
        now: Instant,
        patience: Duration,
        epoch: Option<Instant>,
    ) -> (Arc<GpuInfo>, GpuSample) {
        let age = now.saturating_duration_since(self.heard);
        let mut sample = self.row.clone();
        let mut trouble = (!self.trouble.is_empty()).then(|| self.trouble.clone());
        if age > patience {
            sample = GpuSample::blank(sample.gpu, Gap::Late);
            trouble = Some(format!("no answer for {} s", age.as_secs()));
        } else if sample.pcie_source == Reading::Is(PcieSource::Counter) {
            // Without a clock to place them on, counts of a collector that died are worth nothing.
            let t = epoch.map(|epoch| now.saturating_duration_since(epoch).as_micros() as i64);
            self.fill_counts(&mut sample, t);
        }
        sample.age_seconds =
            if self.any { Reading::Is(age.as_secs_f64()) } else { Reading::Not(Gap::NotYet) };
        self.errors.fill(&mut sample, now);
        if self.info.trouble.as_deref() != trouble.as_deref() {
            let mut info = (*self.info).clone();
            info.trouble = trouble.map(Into::into);
            self.info = Arc::new(info);
        }
        (Arc::clone(&self.info), sample)
    }

    fn fill_counts(&mut self, sample: &mut GpuSample, t: Option<i64>) {
        let counts = Reading::from_option(t.and_then(|t| self.trail.at(t)), Gap::NotYet);
        sample.pcie_rx_bytes_total = counts.map(|(rx, _, _)| rx);
        sample.pcie_tx_bytes_total = counts.map(|(_, tx, _)| tx);
        sample.pcie_bound = counts.map(|(_, _, bound)| bound);
    }
}

/// What a process holds, as far as the GPU answers.
fn held_row(gpu: GpuId, held: &Held, gap: Option<Gap>) -> GpuProcSample {
    let none = gap.unwrap_or(Gap::Unsupported);
    GpuProcSample {
        gpu,
        pid: Pid(held.pid),
        memory_used_bytes: Reading::from_option(held.bytes.filter(|_| gap.is_none()), none),
        kind: Reading::Is(held.kind),
        sm_ratio: Reading::from_option(held.sm.filter(|_| gap.is_none()), none),
        // The search for trainers tells.
        ..GpuProcSample::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample::GpuProcKind;

    const SECOND: Duration = Duration::from_secs(1);

    fn row(t: u64, trouble: &str) -> Line {
        let mut row = GpuSample::blank(GpuId(0), Gap::Unsupported);
        row.utilization_ratio = Reading::Is(0.5);
        Line::Row { gpu: 0, t, cells: wire::cells(&row), trouble: trouble.to_owned() }
    }

    fn running(now: Instant) -> Board {
        let mut board = Board::new("nvml", SECOND, now);
        board.apply(Line::Hello { protocol: PROTOCOL, first: 0, gpus: 2 }, now);
        board.apply(row(0, ""), now);
        let held = |pid, bytes| Held { pid, bytes, kind: GpuProcKind::Compute, sm: None };
        let held = vec![held(7, Some(9)), held(8, None)];
        board.apply(Line::Procs { gpu: 0, held }, now);
        board
    }

    #[test]
    fn figures_grow_old_and_then_are_none() {
        let now = Instant::now();
        let mut board = running(now);
        let look = board.look(now + SECOND);
        assert_eq!(look.samples[0].utilization_ratio, Reading::Is(0.5));
        assert_eq!(look.samples[0].age_seconds, Reading::Is(1.0));
        assert_eq!(look.procs[0].memory_used_bytes, Reading::Is(9));
        assert_eq!(look.procs[1].memory_used_bytes, Reading::Not(Gap::Unsupported));
        let look = board.look(now + 12 * SECOND);
        assert_eq!(look.samples[0].utilization_ratio, Reading::Not(Gap::Late));
        assert_eq!(look.samples[0].age_seconds, Reading::Is(12.0));
        assert_eq!(look.procs[0].memory_used_bytes, Reading::Not(Gap::Late));
        assert_eq!(look.infos[0].trouble.as_deref(), Some("no answer for 12 s"));
        assert_eq!(look.status.state, SourceState::Failed);
    }

    #[test]
    fn a_gpu_that_never_answered_is_late_and_has_no_age() {
        let now = Instant::now();
        let look = running(now).look(now + 4 * SECOND);
        assert_eq!(look.samples[1].utilization_ratio, Reading::Not(Gap::Late));
        assert_eq!(look.samples[1].age_seconds, Reading::Not(Gap::NotYet));
    }

    #[test]
    fn trouble_ends_with_the_next_answer() {
        let now = Instant::now();
        let mut board = running(now);
        board.apply(row(1, "fell off the bus"), now);
        let look = board.look(now);
        assert_eq!(look.infos[0].trouble.as_deref(), Some("fell off the bus"));
        assert_eq!(look.status.state, SourceState::Partial);
        board.apply(row(2, ""), now);
        assert_eq!(board.look(now).infos[0].trouble, None);
    }

    #[test]
    fn a_driver_that_hangs_at_its_start_is_named_with_the_time() {
        let now = Instant::now();
        let mut board = Board::new("nvml", SECOND, now);
        assert_eq!(board.look(now + SECOND).status.state, SourceState::Partial);
        let status = board.look(now + 7 * SECOND).status;
        assert_eq!(status.state, SourceState::Failed);
        assert!(status.message.contains("init has taken 7 s"), "{}", status.message);
    }

    #[test]
    fn another_mltop_on_the_other_end_is_not_understood() {
        let now = Instant::now();
        let mut board = Board::new("nvml", SECOND, now);
        board.apply(Line::Hello { protocol: PROTOCOL + 1, first: 0, gpus: 2 }, now);
        assert_eq!(board.look(now).status.state, SourceState::Failed);
    }

    #[test]
    fn an_absent_driver_stays_absent_while_it_is_looked_for_again() {
        let now = Instant::now();
        let mut board = Board::new("nvml", SECOND, now);
        let fault =
            Line::Fault { absent: true, message: "no NVIDIA driver".into(), remedy: String::new() };
        board.apply(fault, now);
        board.ended("gone".to_owned());
        board.started(now);
        assert_eq!(board.look(now + 9 * SECOND).status.state, SourceState::Absent);
    }

    #[test]
    fn the_last_error_of_a_gpu_outlives_its_answers_and_its_collector() {
        let now = Instant::now();
        let mut board = running(now);
        assert_eq!(board.look(now).samples[0].xid, Reading::Not(Gap::NotYet));
        board.apply(Line::Watched { gpu: 0, told: true }, now);
        board.apply(Line::Watched { gpu: 1, told: false }, now);
        let look = board.look(now);
        assert_eq!(look.samples[0].xid, Reading::Not(Gap::NotApplicable));
        assert_eq!(look.samples[0].xids_total, Reading::Is(0));
        assert_eq!(look.samples[1].xids_total, Reading::Not(Gap::Unsupported));
        board.apply(Line::Xid { gpu: 0, t: 0, xid: 31 }, now);
        board.apply(Line::Xid { gpu: 0, t: 0, xid: 79 }, now);
        board.apply(Line::Hello { protocol: PROTOCOL, first: 0, gpus: 2 }, now);
        let row = &board.look(now + 12 * SECOND).samples[0];
        assert_eq!(row.utilization_ratio, Reading::Not(Gap::Late));
        assert_eq!((row.xid, row.xids_total), (Reading::Is(79), Reading::Is(2)));
        assert_eq!(row.xid_age_seconds, Reading::Is(12.0));
    }

    #[test]
    fn a_mig_instance_comes_and_goes() {
        let now = Instant::now();
        let mut board = running(now);
        let slice = GpuId(0).slice(1).unwrap();
        let cells = wire::cells(&GpuSample::blank(slice, Gap::Unsupported));
        board.apply(Line::Row { gpu: slice.0, t: 0, cells, trouble: String::new() }, now);
        let look = board.look(now);
        assert_eq!((look.samples.len(), look.samples[2].gpu), (3, slice));
        board.apply(Line::Gone { gpu: slice.0 }, now);
        assert_eq!(board.look(now).samples.len(), 2);
    }

    #[test]
    fn an_unchanged_gpu_is_shared_between_looks() {
        let now = Instant::now();
        let mut board = running(now);
        let (a, b) = (board.look(now), board.look(now));
        assert!(Arc::ptr_eq(&a.infos[0], &b.infos[0]));
    }
}
