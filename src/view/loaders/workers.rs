//! The workers one by one: what their time was made up of, over the shared axis, and their figures.

use crate::app::Spot;
use crate::fmt;
use crate::history::{Bucket, Track};
use crate::model::frame::ProcRates;
use crate::model::inventory::LoaderInfo;
use crate::model::{Frame, Gap, LoaderId, Pid, Reading};
use crate::view::focus::Look;
use crate::view::screen::{Line, Mix, Role, Shares, TextRow, span, strong};
use crate::view::text::right;
use crate::view::workers::look_of;

use super::over::{Over, mean, worker_rows};

/// One worker at the moment that is shown.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Worker {
    /// Its number within the loader.
    pub(super) number: usize,
    pub(super) pid: Pid,
    /// What it does; `None` where nobody looked.
    pub(super) letter: Option<char>,
    /// Tasks that wait for it.
    pub(super) queued: Option<u64>,
    /// Index of the batch that it works on, inferred.
    pub(super) current: Option<u64>,
    /// Index of the batch that it begins next.
    pub(super) next: Option<u64>,
    /// Whether tasks are given out in turn, as far as known.
    pub(super) in_turn: bool,
}

/// The workers of a loader by their names, with what the shown moment tells of them.
pub(super) fn workers(frame: Option<&Frame>, info: &LoaderInfo) -> Vec<Worker> {
    let rows = frame.map(|frame| worker_rows(frame, info.loader)).unwrap_or_default();
    let row = frame.and_then(|f| f.sample.loaders.iter().find(|row| row.loader == info.loader));
    // Sessions without rows of workers still have the letters.
    let letters: Vec<char> = match row.map(|row| &row.worker_states) {
        Some(Reading::Is(letters)) => letters.chars().collect(),
        _ => Vec::new(),
    };
    let workers = info.workers.iter().enumerate().map(|(number, pid)| {
        let row = rows.iter().find(|row| row.pid == *pid);
        let letter = row.and_then(|row| row.state.as_ref().ok()?.chars().next());
        Worker {
            number,
            pid: *pid,
            letter: letter.or_else(|| letters.get(number).copied()),
            queued: row.and_then(|row| row.queued_tasks.ok()),
            current: row.and_then(|row| row.current_task.ok()),
            next: row.and_then(|row| row.first_task.ok()),
            in_turn: row.is_none_or(|row| row.first_task.gap() != Some(Gap::Unsupported)),
        }
    });
    workers.collect()
}

/// Seconds that a worker spends on a batch: its busy time by its share of the batches, which is the
/// same for all of them, as tasks are given out in turn.
pub(super) fn batch_seconds(
    look: &Look<'_>,
    over: &Over,
    loader: LoaderId,
    worker: &Worker,
    workers: usize,
) -> Option<f64> {
    let steps = over.steps.filter(|steps| *steps > 0.0 && worker.in_turn)?;
    let idle = mean(look, &Track::WorkerIdle(loader, worker.number as u32), over.seconds)?;
    Some((1.0 - idle).max(0.0) * workers as f64 / steps)
}

/// What the time of these workers was made up of.
pub(super) fn mix(look: &Look<'_>, loader: LoaderId, remote: bool, shown: &[Worker]) -> Mix {
    let rows = shown.iter().map(|worker| shares(look, loader, worker.number as u32)).collect();
    Mix { rows, parts: parts(remote), cursor: look.window.cursor }
}

/// The parts of a worker's time, lowest first.
pub(super) const fn parts(remote: bool) -> [(Role, char); 5] {
    let fetch = if remote { (Role::WorkerNet, 'N') } else { (Role::WorkerDisk, 'D') };
    let queued = (Role::WorkerQueued, 'Q');
    [(Role::WorkerRun, 'R'), queued, fetch, (Role::WorkerWait, 'S'), (Role::WorkerIdle, '·')]
}

/// The shares of one worker, a column each.
fn shares(look: &Look<'_>, loader: LoaderId, at: u32) -> Vec<Option<Shares>> {
    let columns =
        |track| -> Vec<Option<f32>> { look.points(&track).chunks(2).map(column).collect() };
    let run = columns(Track::WorkerRun(loader, at));
    let queued = columns(Track::WorkerQueued(loader, at));
    let fetch = columns(Track::WorkerFetch(loader, at));
    let idle = columns(Track::WorkerIdle(loader, at));
    let all = run.into_iter().zip(queued).zip(fetch).zip(idle);
    all.map(|(((run, queued), fetch), idle)| {
        let (run, queued, fetch, idle) = (run?, queued?, fetch?, idle?);
        let other = (1.0 - run - queued - fetch - idle).clamp(0.0, 1.0);
        Some([run, queued, fetch, other, idle].map(|share| share.clamp(0.0, 1.0)))
    })
    .collect()
}

/// The mean of the points of one column.
fn column(points: &[Option<Bucket>]) -> Option<f32> {
    let means: Vec<f32> = points.iter().flatten().map(|bucket| bucket.mean).collect();
    (!means.is_empty()).then(|| means.iter().sum::<f32>() / means.len() as f32)
}

/// A figure of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    Cpu,
    Read,
    Batch,
    Tasks,
    Size,
    Index,
    Calls,
    Cached,
    Faults,
}

/// In the order in which they stand, which is the order in which they are given up from the end.
const FIGURES: [Figure; 9] = [
    Figure::Cpu,
    Figure::Read,
    Figure::Batch,
    Figure::Tasks,
    Figure::Size,
    Figure::Index,
    Figure::Cached,
    Figure::Calls,
    Figure::Faults,
];

/// Columns of the number, the letter and the pid, before the figures.
const NAME: usize = 13;

impl Figure {
    const fn head(self) -> &'static str {
        match self {
            Self::Cpu => "CPU%",
            Self::Read => "READ",
            Self::Batch => "BATCH",
            Self::Tasks => "TASKS",
            Self::Size => "≥ A READ",
            Self::Index => "INDEX",
            Self::Calls => "CALLS/s",
            Self::Cached => "FROM CALLS",
            Self::Faults => "FAULTS/s",
        }
    }

    const fn width(self) -> usize {
        match self {
            Self::Cpu | Self::Tasks => 5,
            Self::Batch | Self::Calls => 7,
            Self::Size | Self::Faults => 8,
            Self::Index => 6,
            Self::Read => 9,
            Self::Cached => 10,
        }
    }

    const fn role(self) -> Role {
        match self {
            Self::Read | Self::Cached | Self::Size => Role::DiskRead,
            _ => Role::Text,
        }
    }

    /// The text; `None` where nothing is known.
    fn text(self, row: &Row<'_>) -> Option<String> {
        let rates = row.rates;
        Some(match self {
            Self::Cpu => fmt::wide_percent(rates?.cpu_cores.ok()?, 5),
            Self::Read => fmt::rate(rates?.read_bytes_per_second.ok()?),
            Self::Batch => fmt::seconds(row.batch?),
            Self::Tasks => row.worker.queued?.to_string(),
            Self::Size => fmt::bytes(of_files(mean_read(rates?)?)?),
            Self::Index => row.worker.current?.to_string(),
            Self::Calls => fmt::count(rates?.read_calls_per_second.ok()?),
            Self::Cached => fmt::rate(rates?.read_chars_per_second.ok()?),
            Self::Faults => fmt::count(rates?.major_faults_per_second.ok()?),
        })
    }
}

/// Less than this on average, and reads may be mostly messages between the loader's processes, in bytes.
pub(super) const MESSAGES: f64 = 4096.0;

/// What a read call returns on average, in bytes.
pub(super) fn mean_read(rates: &ProcRates) -> Option<f64> {
    let (bytes, calls) = (rates.read_chars_per_second.ok()?, rates.read_calls_per_second.ok()?);
    (calls > 0.0).then(|| bytes / calls)
}

/// The least that a read of a file returns on average. The kernel counts reads of pipes and sockets
/// among those of files, and so it does the one at the end of each file: they add calls and hardly any
/// bytes. `None` where they may be most of it. Files that are mapped are read without calls.
pub(super) fn of_files(mean: f64) -> Option<f64> {
    (mean >= MESSAGES).then_some(mean)
}

/// What the figures of one worker are made of.
struct Row<'a> {
    worker: &'a Worker,
    rates: Option<&'a ProcRates>,
    batch: Option<f64>,
}

/// The figures that a width has room for.
fn figures_in(width: usize) -> impl Iterator<Item = Figure> {
    let mut room = width.saturating_sub(NAME);
    FIGURES.into_iter().take_while(move |figure| {
        let left = room.checked_sub(figure.width() + 1);
        room = left.unwrap_or(0);
        left.is_some()
    })
}

/// The heading of the figures.
pub(super) fn heading(width: u16) -> TextRow {
    let mut text = format!(" # {}", right("PID", NAME - 3));
    for figure in figures_in(usize::from(width)) {
        text.push(' ');
        text.push_str(&right(figure.head(), figure.width()));
    }
    TextRow { left: vec![strong(text, Role::Dim)], ..TextRow::default() }
}

/// The figures, a row each.
pub(super) fn figures(
    look: &Look<'_>,
    over: &Over,
    shown: &[Worker],
    all: usize,
    width: u16,
) -> Vec<TextRow> {
    let Some(loader) = look.loader.map(|loader| loader.loader) else { return Vec::new() };
    let chosen = look.state.picked.worker;
    let rows = shown.iter().map(|worker| {
        let rates = look.frame.and_then(|f| f.procs.iter().find(|row| row.pid == worker.pid));
        let batch = batch_seconds(look, over, loader, worker, all);
        let row = Row { worker, rates, batch };
        let (letter, role) = look_of(worker.letter.unwrap_or('?'));
        let mut line: Line = vec![
            span(right(&worker.number.to_string(), 2), Role::Dim),
            span(format!(" {letter}"), role),
            span(right(&worker.pid.to_string(), NAME - 4), Role::Dim),
        ];
        for figure in figures_in(usize::from(width)) {
            line.push(span(" ", Role::Dim));
            let text = figure.text(&row);
            let role = if text.is_some() { figure.role() } else { Role::Gap };
            line.push(span(right(text.as_deref().unwrap_or(fmt::NONE), figure.width()), role));
        }
        TextRow { left: line, selected: chosen == Some(worker.number), ..TextRow::default() }
            .standing_for(Spot::Worker(worker.number))
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_never_need_more_than_the_width() {
        for width in 0..200 {
            let used: usize = figures_in(width).map(|figure| figure.width() + 1).sum();
            assert!(used + NAME <= width.max(NAME), "{width}");
        }
        assert_eq!(figures_in(37).count(), 3, "80 columns: processor, reads and batch time");
        assert_eq!(figures_in(90).count(), FIGURES.len());
    }

    #[test]
    fn a_mean_read_needs_reads_of_files() {
        let mut rates = ProcRates {
            read_chars_per_second: Reading::Is(1_000_000.0),
            read_calls_per_second: Reading::Is(10.0),
            ..ProcRates::default()
        };
        let size = |rates: &ProcRates| mean_read(rates).and_then(of_files);
        assert_eq!(size(&rates), Some(100_000.0));
        // A worker that has its batches from elsewhere still reads its tasks, of 13 bytes on average.
        rates.read_chars_per_second = Reading::Is(130.0);
        assert_eq!((mean_read(&rates), size(&rates)), (Some(13.0), None));
        rates.read_calls_per_second = Reading::Is(0.0);
        assert_eq!(mean_read(&rates), None);
    }
}
