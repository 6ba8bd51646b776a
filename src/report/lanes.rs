//! Which quantities are plotted, and what of them a frame holds.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Bucket, Sum, Track};
use crate::model::{Frame, GpuId, Pid, Reading, RunId};

use super::rows::Rows;

/// GPUs, disks and runs with a line of their own; of more than that the mean and the range are shown.
const LINES_EACH: usize = 16;
/// Disks that are plotted, of those that were read most.
const DISKS: usize = 4;

/// What the values of a lane are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// 0 to 1, shown as a percentage.
    Share,
    /// Bytes a second.
    Rate,
    /// A plain number from 0 on.
    Number,
}

/// One plot over the time axis that all plots share.
#[derive(Clone, Debug)]
pub struct Lane {
    /// What it shows.
    pub title: &'static str,
    /// What its values are.
    pub scale: Scale,
    /// Its lines, in the order of drawing.
    pub lines: Vec<Line>,
}

/// One line of a plot: as many points as there are moments, `None` a gap.
#[derive(Clone, Debug)]
pub struct Line {
    /// What it is of.
    pub label: String,
    /// Whether it stands for several, or for several ticks: the range then means something.
    pub range: bool,
    /// Whether it is one of many beside a mean: drawn thin.
    pub faint: bool,
    /// A line that others are held against: a capacity.
    pub limit: bool,
    /// The points.
    pub points: Vec<Option<Bucket>>,
}

/// A line, in the order of the plots.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    GpuMean,
    Gpu(GpuId),
    MemoryMean,
    Memory(GpuId),
    PcieRx,
    PcieTx,
    Disk(Box<str>),
    Ready(RunId),
    Capacity(RunId),
    Blocked(RunId),
    Steps(RunId),
    Cpu,
}

/// Collects the points of all lanes.
#[derive(Debug)]
pub(super) struct Lanes {
    rows: Rows<Key>,
    read_bytes: BTreeMap<Box<str>, f64>,
    gpus: BTreeSet<GpuId>,
    runs: BTreeMap<RunId, String>,
}

impl Lanes {
    /// Lanes of `limit` to twice as many points.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            rows: Rows::new(limit),
            read_bytes: BTreeMap::new(),
            gpus: BTreeSet::new(),
            runs: BTreeMap::new(),
        }
    }

    /// Takes a frame. Where it does not follow the one before, a gap comes between.
    pub(super) fn push(&mut self, frame: &Frame, follows: bool) {
        let mut values = Vec::new();
        self.gpus(frame, &mut values);
        self.disks(frame, &mut values);
        self.runs(frame, &mut values);
        put(&mut values, Key::Cpu, [frame.host.cpu_ratio]);
        self.rows.push(frame.sample.stamp.mono_ms, follows, values);
    }

    fn gpus(&mut self, frame: &Frame, values: &mut Vec<(Key, Bucket)>) {
        let gpus = &frame.sample.gpus;
        self.gpus.extend(gpus.iter().take(LINES_EACH + 1).map(|gpu| gpu.gpu));
        put(values, Key::GpuMean, gpus.iter().map(|gpu| gpu.utilization_ratio));
        put(values, Key::MemoryMean, frame.gpus.iter().map(|gpu| gpu.memory_used_ratio));
        put(values, Key::PcieRx, frame.gpus.iter().map(|gpu| gpu.pcie_rx_bytes_per_second));
        put(values, Key::PcieTx, frame.gpus.iter().map(|gpu| gpu.pcie_tx_bytes_per_second));
        if gpus.len() > 1 && gpus.len() <= LINES_EACH {
            for gpu in gpus {
                put(values, Key::Gpu(gpu.gpu), [gpu.utilization_ratio]);
            }
            for gpu in &frame.gpus {
                put(values, Key::Memory(gpu.gpu), [gpu.memory_used_ratio]);
            }
        }
    }

    fn disks(&mut self, frame: &Frame, values: &mut Vec<(Key, Bucket)>) {
        // A device that is made of others would show the same bytes twice.
        let infos = &frame.sample.inventory.disks;
        let whole = |name: &str| {
            infos.iter().find(|info| *info.disk == *name).is_none_or(|info| info.made_of.is_empty())
        };
        for disk in frame.disks.iter().filter(|disk| whole(&disk.disk)).take(LINES_EACH) {
            let bytes =
                disk.read_bytes_per_second.ok().unwrap_or(0.0) * frame.span_seconds.unwrap_or(0.0);
            *self.read_bytes.entry(disk.disk.clone()).or_default() += bytes;
            put(values, Key::Disk(disk.disk.clone()), [disk.read_bytes_per_second]);
        }
    }

    fn runs(&mut self, frame: &Frame, values: &mut Vec<(Key, Bucket)>) {
        for info in frame.sample.inventory.runs.iter().take(LINES_EACH) {
            let run = info.run;
            self.runs.insert(run, info.name.to_string());
            let of = |each: fn(&Frame, Pid) -> Reading<f64>| {
                info.trainers.iter().map(move |pid| each(frame, *pid))
            };
            put(values, Key::Blocked(run), of(wait));
            put(values, Key::Steps(run), of(steps));
            put(values, Key::Capacity(run), of(capacity));
            let mut sum = Sum::default();
            info.trainers.iter().filter_map(|pid| ready(frame, *pid)).for_each(|depth| {
                sum.add_bucket(depth);
            });
            values.extend(sum.bucket().map(|depth| (Key::Ready(run), depth)));
        }
    }

    /// The moments by the monotonic clock, and the lanes that have anything to show.
    pub(super) fn finish(self) -> (Vec<u64>, Vec<Lane>) {
        let coarse = self.rows.coarse();
        let (times, columns) = self.rows.finish();
        let mut by_bytes: Vec<(&Box<str>, &f64)> = self.read_bytes.iter().collect();
        by_bytes.sort_by(|a, b| b.1.total_cmp(a.1));
        let disks: Vec<&str> = by_bytes.iter().take(DISKS).map(|(disk, _)| &***disk).collect();
        let several = (self.gpus.len() > 1, self.runs.len() > 1);
        let mut lanes: Vec<Lane> = Vec::new();
        for (key, points) in columns {
            if matches!(&key, Key::Disk(disk) if !disks.contains(&&**disk)) {
                continue;
            }
            let (title, scale) = key.lane();
            let faint = matches!(key, Key::Gpu(_) | Key::Memory(_));
            let limit = matches!(key, Key::Capacity(_));
            let line = Line {
                label: key.label(&self.runs, several),
                range: !faint && !limit && (coarse || points.iter().flatten().any(is_range)),
                faint,
                limit,
                points,
            };
            match lanes.last_mut() {
                Some(lane) if lane.title == title => lane.lines.push(line),
                _ => lanes.push(Lane { title, scale, lines: vec![line] }),
            }
        }
        (times, lanes)
    }
}

impl Key {
    /// What the line is called, where there are several GPUs or several runs.
    fn label(&self, names: &BTreeMap<RunId, String>, (gpus, runs): (bool, bool)) -> String {
        let of_run = |what: &str, run: RunId| {
            let name = names.get(&run).filter(|_| runs);
            name.map_or_else(|| what.to_owned(), |name| format!("{what} {name} ({run})"))
        };
        match self {
            Self::GpuMean | Self::MemoryMean if gpus => "mean".to_owned(),
            Self::GpuMean => "utilization".to_owned(),
            Self::MemoryMean => "in use".to_owned(),
            Self::Gpu(gpu) | Self::Memory(gpu) => format!("GPU {gpu}"),
            Self::PcieRx if gpus => "to GPU, mean".to_owned(),
            Self::PcieRx => "to GPU".to_owned(),
            Self::PcieTx if gpus => "from GPU, mean".to_owned(),
            Self::PcieTx => "from GPU".to_owned(),
            Self::Disk(disk) => disk.to_string(),
            Self::Ready(run) => of_run("ready", *run),
            Self::Capacity(run) => of_run("capacity", *run),
            Self::Blocked(run) => of_run("blocked", *run),
            Self::Steps(run) => of_run("steps", *run),
            Self::Cpu => "all CPUs".to_owned(),
        }
    }

    const fn lane(&self) -> (&'static str, Scale) {
        match self {
            Self::GpuMean | Self::Gpu(_) => ("GPU utilization", Scale::Share),
            Self::MemoryMean | Self::Memory(_) => ("GPU memory", Scale::Share),
            Self::PcieRx | Self::PcieTx => ("PCIe", Scale::Rate),
            Self::Disk(_) => ("Disk read", Scale::Rate),
            Self::Ready(_) | Self::Capacity(_) => ("Loader queue, batches", Scale::Number),
            Self::Blocked(_) => ("Blocked: share of time in wait for data", Scale::Share),
            Self::Steps(_) => ("Steps a second, one rank", Scale::Number),
            Self::Cpu => ("CPU", Scale::Share),
        }
    }
}

/// Adds the mean and the range of the readings that have a value; nothing where none has.
fn put(
    values: &mut Vec<(Key, Bucket)>,
    key: Key,
    readings: impl IntoIterator<Item = Reading<f64>>,
) {
    let mut sum = Sum::default();
    for value in readings.into_iter().filter_map(Reading::ok).filter(|value| value.is_finite()) {
        sum.add(value as f32);
    }
    values.extend(sum.bucket().map(|bucket| (key, bucket)));
}

fn is_range(bucket: &Bucket) -> bool {
    bucket.min < bucket.max
}

fn of_loader(frame: &Frame, pid: Pid, track: fn(crate::model::LoaderId) -> Track) -> Reading<f64> {
    let loader = frame.moving_loader(pid);
    loader.map_or_else(Reading::default, |loader| track(loader.loader).read(frame))
}

fn wait(frame: &Frame, pid: Pid) -> Reading<f64> {
    of_loader(frame, pid, Track::LoaderWait)
}

fn steps(frame: &Frame, pid: Pid) -> Reading<f64> {
    of_loader(frame, pid, Track::LoaderSteps)
}

fn capacity(frame: &Frame, pid: Pid) -> Reading<f64> {
    of_loader(frame, pid, Track::LoaderCapacity)
}

/// The depth of a trainer's queue with its range within the tick.
fn ready(frame: &Frame, pid: Pid) -> Option<Bucket> {
    let read = |track| of_loader(frame, pid, track).ok().map(|value| value as f32);
    let mean = read(Track::LoaderReady)?;
    let min = read(Track::LoaderReadyMin).map_or(mean, |min| min.min(mean));
    let max = read(Track::LoaderReadyMax).map_or(mean, |max| max.max(mean));
    (min.is_finite() && mean.is_finite() && max.is_finite()).then_some(Bucket { min, mean, max })
}
