//! Samples of every shape, for properties that must hold for all of them.
//!
//! Everything follows from a seed, and the columns come from the catalogue: a new column is covered
//! from the day on which it is declared.

use std::sync::Arc;

use mltop::model::inventory::{
    DiskInfo, GpuInfo, HostInfo, LoaderInfo, ProcInfo, Role, RunInfo, Software, SourceState,
    SourceStatus, Storage,
};
use mltop::model::metric::{Cell, Section};
use mltop::model::sample::{
    Activity, Bound, GpuProcKind, IndexSource, PcieSource, ProcState, ReadySource, UsageSource,
    WaitSource,
};
use mltop::model::server::ServerInfo;
use mltop::model::{Gap, GpuId, Inventory, LoaderId, Pid, RunId, Sample, ServerId, Stamp};
use proptest::prelude::{Strategy, any};

/// A small generator of random numbers (xorshift64*): the same on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice that fall the same way for the same seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Any number.
    pub(crate) fn any(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.any() % end.max(1)
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// A word that a hostile process may have for a name.
    pub(crate) fn word(&mut self) -> String {
        const PARTS: [&str; 12] = [
            "train",
            "nvme0n1",
            "\"",
            "\\",
            "\u{1b}[2J",
            "\n",
            "größe",
            "—",
            "\u{0}",
            " ",
            "🦀",
            "}",
        ];
        (0..self.below(5)).map(|_| PARTS[self.below(PARTS.len() as u64) as usize]).collect()
    }
}

/// Every word that some state column knows.
fn codes() -> Vec<&'static str> {
    let mut codes = Vec::new();
    codes.extend(GpuProcKind::ALL.iter().map(|state| state.code()));
    codes.extend(PcieSource::ALL.iter().map(|state| state.code()));
    codes.extend(IndexSource::ALL.iter().map(|state| state.code()));
    codes.extend(UsageSource::ALL.iter().map(|state| state.code()));
    codes.extend(Bound::ALL.iter().map(|state| state.code()));
    codes.extend(ProcState::ALL.iter().map(|state| state.code()));
    codes.extend(ReadySource::ALL.iter().map(|state| state.code()));
    codes.extend(WaitSource::ALL.iter().map(|state| state.code()));
    codes.extend(Activity::ALL.iter().map(|state| state.code()));
    codes
}

/// A value of the kind that the column takes.
fn value<S: Section>(dice: &mut Dice, row: &mut S, index: usize) {
    let takes = |row: &mut S, cell: Cell<'_>| {
        row.set(index, cell) && !matches!(row.get(index), Cell::Null(_))
    };
    if takes(row, Cell::Float(0.5)) {
        let magnitude = [1.0, 100.0, 1e6, 1e12][dice.below(4) as usize];
        let value = dice.below(1 << 30) as f64 / f64::from(1 << 30) * magnitude;
        row.set(index, Cell::Float(value));
    } else if takes(row, Cell::Int(1)) {
        let bits = dice.below(54);
        let value = dice.any() & ((1 << bits) - 1);
        if !row.set(index, Cell::Int(value)) {
            row.set(index, Cell::Int(value & 0xFFFF_FFFF));
        }
    } else if takes(row, Cell::Bool(true)) {
        row.set(index, Cell::Bool(dice.once_in(2)));
    } else if takes(row, Cell::Text("not a state".into())) {
        row.set(index, Cell::Text(dice.word().into()));
    } else {
        let codes = codes();
        let first = dice.below(codes.len() as u64) as usize;
        let found = codes.iter().cycle().skip(first).take(codes.len());
        for code in found {
            if takes(row, Cell::Text((*code).into())) {
                return;
            }
        }
        panic!("column {} takes no cell of any kind", S::COLUMNS[index].name);
    }
}

/// A row with values and gaps of every kind.
pub(crate) fn row<S: Section>(dice: &mut Dice) -> S {
    let mut row = S::default();
    // Now and then all is gone, as with a GPU that fell off the bus.
    let lost = dice.once_in(8).then(|| Gap::ALL[dice.below(7) as usize]);
    for index in 0..S::COLUMNS.len() {
        value(dice, &mut row, index);
        let gap = lost.or_else(|| dice.once_in(4).then(|| Gap::ALL[dice.below(7) as usize]));
        if let Some(gap) = gap {
            row.set(index, Cell::Null(gap));
        }
    }
    row
}

/// Up to `most` rows.
pub(crate) fn rows<S: Section>(dice: &mut Dice, most: u64) -> Vec<S> {
    (0..dice.below(most + 1)).map(|_| row(dice)).collect()
}

fn boxed(dice: &mut Dice) -> Box<str> {
    dice.word().into()
}

/// A process of any role.
pub(crate) fn proc(dice: &mut Dice, pid: Pid) -> ProcInfo {
    ProcInfo {
        pid,
        parent: Pid(dice.below(1000) as u32),
        start_ticks: dice.below(1 << 40),
        start_ms: Some(1_700_000_000_000 + dice.below(1 << 30) as i64),
        name: boxed(dice),
        command: boxed(dice),
        user: boxed(dice),
        role: Role::ALL[dice.below(Role::ALL.len() as u64) as usize],
        run: dice.once_in(2).then_some(RunId(3)),
        rank: dice.once_in(2).then_some(7),
        cgroup: dice.once_in(2).then(|| boxed(dice)),
        container: dice.once_in(2).then(|| boxed(dice)),
    }
}

/// Names of every kind.
pub(crate) fn inventory(dice: &mut Dice) -> Inventory {
    let procs = (0..dice.below(6)).map(|_| Pid(dice.below(20) as u32)).collect::<Vec<_>>();
    Inventory {
        host: Arc::new(HostInfo {
            name: boxed(dice),
            cpu_count: dice.below(500) as u32,
            memory_bytes: dice.below(1 << 50),
            ..HostInfo::default()
        }),
        gpus: (0..dice.below(4))
            .map(|at| {
                Arc::new(GpuInfo {
                    gpu: GpuId(at as u32),
                    name: boxed(dice),
                    memory_bytes: dice.once_in(2).then_some(80 << 30),
                    simulated: dice.once_in(2),
                    trouble: dice.once_in(3).then(|| boxed(dice)),
                    ..GpuInfo::default()
                })
            })
            .collect(),
        disks: vec![Arc::new(DiskInfo {
            disk: boxed(dice),
            made_of: vec![boxed(dice), boxed(dice)],
            ..DiskInfo::default()
        })],
        procs: procs.into_iter().map(|pid| (pid, Arc::new(proc(dice, pid)))).collect(),
        runs: vec![Arc::new(RunInfo {
            run: RunId(3),
            trainers: vec![Pid(1), Pid(2)],
            world_size: dice.once_in(2).then_some(16),
            ..RunInfo::default()
        })],
        loaders: vec![Arc::new(LoaderInfo {
            loader: LoaderId(1),
            storage: vec![Storage { mount: boxed(dice), remote: true, ..Storage::default() }],
            ..LoaderInfo::default()
        })],
        software: vec![Arc::new(Software {
            pid: Pid(1),
            python: "3.11".into(),
            torch_by: "\"nfs4\"".into(),
            ..Software::default()
        })],
        servers: vec![Arc::new(ServerInfo {
            server: ServerId(1),
            url: boxed(dice),
            model: boxed(dice),
            pid: dice.once_in(2).then_some(Pid(7)),
            trouble: dice.once_in(3).then(|| boxed(dice)),
            ..ServerInfo::default()
        })],
        sources: vec![Arc::new(SourceStatus {
            source: boxed(dice),
            state: SourceState::ALL[dice.below(4) as usize],
            message: boxed(dice),
            remedy: boxed(dice),
        })],
    }
}

/// A sample of any content with these names, taken at second `seq` of the session.
pub(crate) fn sample_with(dice: &mut Dice, seq: u64, names: &Arc<Inventory>) -> Sample {
    Sample {
        seq,
        stamp: Stamp {
            unix_ms: 1_760_000_000_000 + seq as i64 * 1000,
            mono_ms: 50_000 + seq * 1000,
        },
        dur_us: dice.below(100_000),
        inventory: Arc::clone(names),
        host: row(dice),
        cgroups: rows(dice, 2),
        disks: rows(dice, 3),
        nets: rows(dice, 2),
        gpus: rows(dice, 4),
        gpu_procs: rows(dice, 3),
        procs: rows(dice, 6),
        loaders: rows(dice, 3),
        workers: rows(dice, 6),
        servers: rows(dice, 2),
        latencies: rows(dice, 5),
        cpus: rows(dice, 4),
        own: rows(dice, 3),
    }
}

/// A sample of any content.
pub(crate) fn sample(seed: u64) -> Sample {
    let dice = &mut Dice::new(seed);
    let names = Arc::new(inventory(dice));
    let seq = dice.below(1 << 20);
    sample_with(dice, seq, &names)
}

/// A session a tick a second, whose processes come, change and go, and whose other names change
/// now and then.
pub(crate) fn session(seed: u64, ticks: u64) -> Vec<Arc<Sample>> {
    let dice = &mut Dice::new(seed);
    let mut names = Arc::new(inventory(dice));
    (0..ticks)
        .map(|seq| {
            if dice.once_in(3) {
                let pid = Pid(dice.below(20) as u32);
                let procs = &mut Arc::make_mut(&mut names).procs;
                if procs.remove(&pid).is_none() || dice.once_in(2) {
                    procs.insert(pid, Arc::new(proc(dice, pid)));
                }
            } else if dice.once_in(7) {
                names = Arc::new(inventory(dice));
            }
            Arc::new(sample_with(dice, seq, &names))
        })
        .collect()
}

/// Gives some columns of a sample the values that they had in the one before.
pub(crate) fn linger(sample: &mut Sample, before: &Sample, dice: &mut Dice) {
    fn section<S: Section>(rows: &mut Vec<S>, before: &[S], dice: &mut Dice) {
        if dice.once_in(4) {
            return;
        }
        rows.resize(before.len(), S::default());
        for column in (0..S::COLUMNS.len()).filter(|_| !dice.once_in(3)) {
            for (row, before) in rows.iter_mut().zip(before) {
                row.set(column, before.get(column));
            }
        }
    }
    sample.host.load1 = before.host.load1;
    section(&mut sample.cgroups, &before.cgroups, dice);
    section(&mut sample.disks, &before.disks, dice);
    section(&mut sample.nets, &before.nets, dice);
    section(&mut sample.gpus, &before.gpus, dice);
    section(&mut sample.gpu_procs, &before.gpu_procs, dice);
    section(&mut sample.procs, &before.procs, dice);
    section(&mut sample.loaders, &before.loaders, dice);
    section(&mut sample.workers, &before.workers, dice);
    section(&mut sample.servers, &before.servers, dice);
    section(&mut sample.latencies, &before.latencies, dice);
    section(&mut sample.cpus, &before.cpus, dice);
    section(&mut sample.own, &before.own, dice);
}

/// Any sample, as a strategy.
pub(crate) fn any_sample() -> impl Strategy<Value = Arc<Sample>> {
    any::<u64>().prop_map(|seed| Arc::new(sample(seed)))
}

/// What differs between two samples beyond the precision of a column; nothing where they agree.
pub(crate) fn difference(a: &Sample, b: &Sample) -> Option<String> {
    let head = |s: &Sample| (s.seq, s.stamp, s.dur_us);
    if head(a) != head(b) {
        return Some(format!("header {:?} is not {:?}", head(a), head(b)));
    }
    if a.inventory != b.inventory {
        return Some(format!("names {:?} are not {:?}", a.inventory, b.inventory));
    }
    section(std::slice::from_ref(&a.host), std::slice::from_ref(&b.host))
        .or_else(|| section(&a.cgroups, &b.cgroups))
        .or_else(|| section(&a.disks, &b.disks))
        .or_else(|| section(&a.nets, &b.nets))
        .or_else(|| section(&a.gpus, &b.gpus))
        .or_else(|| section(&a.gpu_procs, &b.gpu_procs))
        .or_else(|| section(&a.procs, &b.procs))
        .or_else(|| section(&a.loaders, &b.loaders))
        .or_else(|| section(&a.workers, &b.workers))
        .or_else(|| section(&a.servers, &b.servers))
        .or_else(|| section(&a.latencies, &b.latencies))
        .or_else(|| section(&a.cpus, &b.cpus))
        .or_else(|| section(&a.own, &b.own))
}

fn section<S: Section>(a: &[S], b: &[S]) -> Option<String> {
    if a.len() != b.len() {
        return Some(format!("{} has {} rows, not {}", S::NAME, a.len(), b.len()));
    }
    for (at, (a, b)) in a.iter().zip(b).enumerate() {
        for (index, spec) in S::COLUMNS.iter().enumerate() {
            let (a, b) = (a.get(index), b.get(index));
            let same = match (&a, &b) {
                (Cell::Float(a), Cell::Float(b)) => {
                    let half = 0.500_001 * 10_f64.powi(-i32::from(spec.precision));
                    (a - b).abs() <= half + a.abs() * 1e-15
                }
                _ => a == b,
            };
            if !same {
                return Some(format!("{}[{at}].{} is {a:?}, not {b:?}", S::NAME, spec.name));
            }
        }
    }
    None
}
