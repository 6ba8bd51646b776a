//! The session that `tests/sessions/golden-v1.mltop.jsonl` holds, and one of a busy box.
//!
//! The file is written once and read for ever. What it must say is written out here as numbers, so
//! that neither a new column nor a new writer can change it unseen.

use std::sync::Arc;

use mltop::derive;

use mltop::model::finding::{EventKind, Evidence};
use mltop::model::inventory::{
    DiskInfo, GpuInfo, HostInfo, LoaderInfo, ProcInfo, Role, RunInfo, SourceState, SourceStatus,
    Storage,
};
use mltop::model::sample::{
    Bound, CgroupSample, DiskSample, GpuProcSample, GpuSample, HostSample, LoaderSample, NetSample,
    PcieSource, ProcSample, ProcState, ReadySource, WaitSource,
};
use mltop::model::{
    Event, Gap, GpuId, Inventory, LoaderId, Pid, Reading, RunId, Sample, Severity, Stamp,
};
use mltop::record::{Encoder, Options, Session, SessionFile, SessionInfo, Writer};

use Reading::{Is, Not};

const START: Stamp = Stamp { unix_ms: 1_763_800_000_000, mono_ms: 86_400_000 };

fn stamp(seq: u64) -> Stamp {
    Stamp { unix_ms: START.unix_ms + seq as i64 * 1000, mono_ms: START.mono_ms + seq * 1000 }
}

/// The session as text: twelve ticks, so that it has a second group.
pub(crate) fn text() -> String {
    let host = HostInfo { name: "golden".into(), cpu_count: 16, ..HostInfo::default() };
    let mut encoder = Encoder::new(SessionInfo::new("golden-1", host, 1000, START));
    let mut out = String::new();
    encoder.head(&mut out);
    for seq in 0..12 {
        encoder.tick(&Arc::new(tick(seq)), None, &mut out);
    }
    encoder.event(&finding(), &mut out);
    encoder.end(stamp(12).unix_ms, "stopped by the user", &mut out);
    out
}

/// The session as a packed file, which must not be there.
pub(crate) fn record(path: &std::path::Path) {
    let host = HostInfo { name: "golden".into(), cpu_count: 16, ..HostInfo::default() };
    let info = SessionInfo::new("golden-1", host, 1000, START);
    let _ = std::fs::remove_file(path);
    let mut writer = Writer::start(path, info, Options::default()).unwrap();
    let mut before = None;
    for seq in 0..12 {
        let sample = Arc::new(tick(seq));
        let frame = derive::frame(before.as_deref(), Arc::clone(&sample));
        let events = if seq == 11 { vec![finding()] } else { Vec::new() };
        writer.tick_waiting(Arc::new(frame), events);
        before = Some(sample);
    }
    writer.end(stamp(12).unix_ms, "stopped by the user").unwrap();
}

/// What the packed file says.
pub(crate) fn check_file(read: &SessionFile) {
    let samples: Vec<_> = read.samples(0, u64::MAX).collect();
    check_all(read.head().unwrap(), read.span(), &read.events(), &samples);
    assert_eq!(read.end().unwrap().reason, "stopped by the user");
}

/// What the file of lines says.
pub(crate) fn check(read: &Session) {
    let samples: Vec<_> = read.samples().collect();
    check_all(read.head.as_ref().unwrap(), read.span(), &read.events, &samples);
    assert_eq!(read.end.as_ref().unwrap().reason, "stopped by the user");
}

/// What either says, in numbers.
fn check_all(head: &SessionInfo, span: (Stamp, Stamp), events: &[Event], samples: &[Arc<Sample>]) {
    assert_eq!((&*head.session, head.interval_ms), ("golden-1", 1000));
    assert_eq!(&*head.host.name, "golden");
    assert_eq!(samples.len(), 12);
    assert_eq!(span, (stamp(0), stamp(11)));
    assert_eq!(events, [finding()]);

    let fifth = &samples[5];
    assert_eq!((fifth.seq, fifth.dur_us), (5, 850));
    assert_eq!(fifth.host.cpu_user_seconds_total, Is(1040.25));
    assert_eq!(fifth.host.psi_cpu_some_seconds_total, Not(Gap::Unsupported));
    assert_eq!(fifth.host.mltop_pss_bytes, Not(Gap::NotYet));
    assert_eq!(&*fifth.cgroups[0].cgroup, "/job");
    assert_eq!(fifth.cgroups[0].memory_limit_bytes, Not(Gap::NotApplicable));
    assert_eq!(fifth.disks[0].read_bytes_total, Is(5_000_000_000));
    assert_eq!(fifth.nets[0].rx_bytes_total, Is(1_005));
    assert_eq!(fifth.gpus[0].utilization_ratio, Is(0.35));
    assert_eq!(fifth.gpus[0].pcie_source, Is(PcieSource::Counter));
    assert_eq!(fifth.gpus[0].pcie_bound, Is(Bound::Lower));
    assert_eq!(fifth.gpus[0].sm_active_ratio, Not(Gap::Unsupported));
    assert_eq!(fifth.gpus[1].utilization_ratio, Not(Gap::Lost));
    assert_eq!(fifth.gpu_procs[0].memory_used_bytes, Is(30_000_000_000));
    assert_eq!(fifth.procs[1].state, Is(ProcState::Disk));
    assert_eq!(fifth.procs[1].read_bytes_total, Not(Gap::Denied));
    let loader = &fifth.loaders[0];
    assert_eq!((loader.pid, loader.loader), (Pid(4711), LoaderId(1)));
    assert_eq!((loader.ready, loader.capacity), (Is(1), Is(8)));
    assert_eq!(
        (loader.ready_source, loader.ready_bound),
        (Is(ReadySource::Memory), Is(Bound::Exact))
    );
    assert_eq!((loader.wait_source, loader.pinned), (Is(WaitSource::Stack), Is(true)));
    assert_eq!(loader.worker_states, Is("DR.S".into()));

    let names = &fifth.inventory;
    assert_eq!(names.run(RunId(1)).unwrap().trainers, [Pid(4711)]);
    assert!(names.loader(LoaderId(1)).unwrap().storage[0].remote);
    assert_eq!(names.proc(Pid(4712)).unwrap().role, Role::Worker);
    assert_eq!(names.gpu(GpuId(1)).unwrap().trouble.as_deref(), Some("fell off the bus"));
    assert_eq!(names.sources[0].state, SourceState::Partial);
    assert!(samples[7].inventory.proc(Pid(4713)).is_none(), "it has not started yet");
    assert!(samples[8].inventory.proc(Pid(4713)).is_some());
    assert!(samples[11].inventory.proc(Pid(4713)).is_some(), "named again by the second group");
}

fn finding() -> Event {
    Event {
        id: 1,
        kind: EventKind::Finding,
        t_ms: stamp(11).unix_ms,
        rule: Some("STARVED".into()),
        cause: Some("DISK-BOUND".into()),
        severity: Some(Severity::High),
        run: Some(RunId(1)),
        pid: Some(Pid(4711)),
        start_ms: stamp(2).unix_ms,
        end_ms: None,
        title: "Rank 0 waited for data 42 % of the time.".to_owned(),
        evidence: vec![Evidence {
            series: "loaders.wait_ratio".into(),
            entity: "loader 1".into(),
            value: 0.42,
            limit: Some(0.2),
            from_ms: stamp(2).unix_ms,
            to_ms: stamp(11).unix_ms,
            text: "blocked 42 % (limit 20 %)".to_owned(),
        }],
        advice: "Use a faster disk.".to_owned(),
        gain: "up to 1.7× the steps".to_owned(),
        cost: None,
    }
}

fn proc(pid: u32, role: Role) -> Arc<ProcInfo> {
    Arc::new(ProcInfo {
        pid: Pid(pid),
        parent: Pid(4711),
        start_ticks: 8_000_000 + u64::from(pid),
        start_ms: Some(START.unix_ms - 60_000),
        name: "python".into(),
        command: "python train.py --epochs 90".into(),
        user: "ml".into(),
        role,
        run: Some(RunId(1)),
        rank: Some(0),
        cgroup: Some("/job".into()),
        container: None,
    })
}

fn inventory(seq: u64) -> Arc<Inventory> {
    let mut procs = vec![proc(4711, Role::Trainer), proc(4712, Role::Worker)];
    if seq >= 8 {
        procs.push(proc(4713, Role::Worker));
    }
    let gpu = |index: u32, trouble: Option<&str>| {
        Arc::new(GpuInfo {
            gpu: GpuId(index),
            uuid: format!("GPU-{index}").into(),
            name: "NVIDIA H100 80GB HBM3".into(),
            memory_bytes: Some(80 << 30),
            multiprocessors: Some(132),
            trouble: trouble.map(Into::into),
            ..GpuInfo::default()
        })
    };
    Arc::new(Inventory {
        host: Arc::new(HostInfo { name: "golden".into(), cpu_count: 16, ..HostInfo::default() }),
        gpus: vec![gpu(0, None), gpu(1, Some("fell off the bus"))],
        disks: vec![Arc::new(DiskInfo {
            disk: "nvme0n1".into(),
            mounts: vec!["/data".into()],
            ..DiskInfo::default()
        })],
        procs: procs.into_iter().map(|info| (info.pid, info)).collect(),
        runs: vec![Arc::new(RunInfo {
            run: RunId(1),
            name: "train.py".into(),
            trainers: vec![Pid(4711)],
            ..RunInfo::default()
        })],
        loaders: vec![Arc::new(LoaderInfo {
            loader: LoaderId(1),
            pid: Pid(4711),
            kind: "pytorch".into(),
            workers: vec![Pid(4712)],
            storage: vec![Storage { mount: "/data".into(), remote: true, ..Storage::default() }],
            ..LoaderInfo::default()
        })],
        sources: vec![Arc::new(SourceStatus {
            source: "nvml".into(),
            state: SourceState::Partial,
            message: "GPU 1 fell off the bus.".into(),
            remedy: "nvidia-smi -r".into(),
        })],
        ..Inventory::default()
    })
}

/// One tick of the golden session.
fn tick(seq: u64) -> Sample {
    let s = seq as f64;
    let mut lost = GpuSample { gpu: GpuId(1), ..GpuSample::default() };
    lost.utilization_ratio = Not(Gap::Lost);
    lost.power_watts = Not(Gap::Lost);
    lost.sm_active_ratio = Not(Gap::Unsupported);
    Sample {
        seq,
        stamp: stamp(seq),
        dur_us: 800 + seq * 10,
        inventory: inventory(seq),
        host: HostSample {
            cpu_count: Is(16),
            cpu_user_seconds_total: Is(1000.0 + s * 8.05),
            load1: Is(6.5),
            psi_cpu_some_seconds_total: Not(Gap::Unsupported),
            ..HostSample::default()
        },
        cgroups: vec![CgroupSample {
            cgroup: "/job".into(),
            cpu_limit_cores: Is(8.5),
            memory_limit_bytes: Not(Gap::NotApplicable),
            ..CgroupSample::default()
        }],
        disks: vec![DiskSample {
            disk: "nvme0n1".into(),
            read_bytes_total: Is(seq * 1_000_000_000),
            ..DiskSample::default()
        }],
        nets: vec![NetSample {
            interface: "eth0".into(),
            rx_bytes_total: Is(1_000 + seq),
            ..NetSample::default()
        }],
        gpus: vec![
            GpuSample {
                utilization_ratio: Is(0.3 + s * 0.01),
                sm_active_ratio: Not(Gap::Unsupported),
                power_watts: Is(312.5),
                pcie_source: Is(PcieSource::Counter),
                pcie_bound: Is(Bound::Lower),
                ..GpuSample::default()
            },
            lost,
        ],
        gpu_procs: vec![GpuProcSample {
            gpu: GpuId(0),
            pid: Pid(4711),
            memory_used_bytes: Is(30_000_000_000),
            ..GpuProcSample::default()
        }],
        procs: vec![
            ProcSample { pid: Pid(4711), state: Is(ProcState::Sleeping), ..ProcSample::default() },
            ProcSample {
                pid: Pid(4712),
                state: Is(ProcState::Disk),
                read_bytes_total: Not(Gap::Denied),
                ..ProcSample::default()
            },
        ],
        loaders: vec![LoaderSample {
            pid: Pid(4711),
            loader: LoaderId(1),
            workers: Is(4),
            prefetch_factor: Is(2),
            capacity: Is(8),
            capacity_bound: Is(Bound::Exact),
            pinned: Is(true),
            ready: Is(seq % 2),
            ready_source: Is(ReadySource::Memory),
            ready_bound: Is(Bound::Exact),
            wait_source: Is(WaitSource::Stack),
            wait_bound: Is(Bound::Exact),
            samples_total: Is(seq * 20),
            wait_samples_total: Is(seq * 8),
            worker_states: Is("DR.S".into()),
            ..LoaderSample::default()
        }],
        // The session is older than the sections that follow.
        ..Sample::default()
    }
}

/// One tick of a box with 8 GPUs, 70 processes and 4 loaders whose every column moves.
pub(crate) fn busy(seq: u64) -> Sample {
    use crate::arbitrary::Dice;
    use mltop::model::metric::{Cell, Section};

    fn fill<S: Section>(dice: &mut Dice, seq: u64, entity: u64, template: S) -> S {
        use mltop::model::metric::Kind;
        let mut row = template;
        for (index, spec) in S::COLUMNS.iter().enumerate() {
            let noise = dice.below(1000);
            match spec.kind {
                Kind::Counter => {
                    let slope = (entity * 31 + index as u64 * 17) % 5000;
                    row.set(index, Cell::Float((seq * slope + noise) as f64 / 100.0));
                    if matches!(row.get(index), Cell::Null(_)) {
                        row.set(index, Cell::Int(seq * slope * 4096 + noise * 4096));
                    }
                }
                Kind::Gauge => {
                    row.set(index, Cell::Float(noise as f64 / 1000.0));
                    if matches!(row.get(index), Cell::Null(_)) {
                        row.set(index, Cell::Int((1 << 30) + (noise / 50) * 4096));
                    }
                }
                _ => {}
            }
        }
        row
    }
    let dice = &mut Dice::new(seq + 1);
    let mut sample = tick(seq.min(11));
    sample.seq = seq;
    sample.stamp = Stamp { unix_ms: stamp(seq).unix_ms, mono_ms: 50_000 + seq * 1000 };
    sample.inventory = Arc::clone(busy_names());
    sample.host = fill(dice, seq, 0, sample.host);
    let gpu = sample.gpus.swap_remove(0);
    sample.gpus =
        (0..8).map(|at| fill(dice, seq, at, GpuSample { gpu: GpuId(at as u32), ..gpu })).collect();
    let proc = ProcSample { state: Is(ProcState::Running), ..ProcSample::default() };
    sample.procs = (0..70)
        .map(|at| fill(dice, seq, at, ProcSample { pid: Pid(4000 + at as u32), ..proc }))
        .collect();
    let loader = sample.loaders.swap_remove(0);
    sample.loaders = (0..4)
        .map(|at| {
            let template = LoaderSample { loader: LoaderId(at as u32), ..loader.clone() };
            fill(dice, seq, at, template)
        })
        .collect();
    sample
}

fn busy_names() -> &'static Arc<Inventory> {
    static NAMES: std::sync::OnceLock<Arc<Inventory>> = std::sync::OnceLock::new();
    NAMES.get_or_init(|| {
        let mut names = (*inventory(0)).clone();
        names.procs = (4000..4070).map(|pid| (Pid(pid), proc(pid, Role::Worker))).collect();
        Arc::new(names)
    })
}
