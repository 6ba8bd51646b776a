//! What a box may say of itself, for the frames of a made-up one.
#![allow(dead_code, reason = "each test program uses its part")]

use std::sync::Arc;

use mltop::model::frame::{CgroupRates, CpuRates, NetRates};
use mltop::model::inventory::{
    DiskInfo, HostInfo, ProcInfo, Role, SourceState, SourceStatus, Storage,
};
use mltop::model::own::{OwnRates, OwnSample};
use mltop::model::sample::{CgroupSample, CpuSample, NetSample, ProcState};
use mltop::model::{Frame, Gap, Inventory, Pid, Reading, Sample};

/// A box that tells all: 16 CPUs, two networks, a limit that binds, and what mltop costs.
pub(crate) fn full(tick: u64, sample: &mut Sample, frame: &mut Frame) {
    with_cpus(16, sample, frame);
    let host = &mut sample.host;
    host.cpu_count = Reading::Is(16);
    (host.load1, host.load5, host.load15) =
        (Reading::Is(12.04), Reading::Is(9.0), Reading::Is(4.51));
    host.memory_total_bytes = Reading::Is(64 << 30);
    host.memory_cached_bytes = Reading::Is(24 << 30);
    host.memory_shared_bytes = Reading::Is(3 << 30);
    host.memory_dirty_bytes = Reading::Is(100 << 20);
    host.swap_total_bytes = Reading::Is(8 << 30);
    host.swap_free_bytes = Reading::Is(6 << 30);
    host.shm_used_bytes = Reading::Is(2 << 30);
    host.shm_size_bytes = Reading::Is(32 << 30);
    host.processes = Reading::Is(412);
    sample.dur_us = 2100;
    frame.host.cpu_ratio = Reading::Is(0.5 + (tick % 7) as f64 / 100.0);
    frame.host.cpu_iowait_ratio = Reading::Is(0.11);
    frame.host.memory_used_ratio = Reading::Is(0.49);
    frame.host.psi_cpu_some_ratio = Reading::Is(0.021);
    frame.host.psi_io_some_ratio = Reading::Is(0.41);
    frame.host.psi_io_full_ratio = Reading::Is(0.12);
    frame.host.psi_memory_some_ratio = Reading::Is(0.0);
    frame.host.psi_memory_full_ratio = Reading::Is(0.0);
    frame.host.mltop_looks_per_second = Reading::Is(212.0);
    frame.host.mltop_look_cpu_seconds = Reading::Is(0.000_014);
    nets(sample, frame);
    limits(sample, frame);
    own(sample, frame);
    names(Arc::make_mut(&mut sample.inventory));
    processes(sample);
}

/// A box that tells next to nothing.
pub(crate) fn bare(_: u64, sample: &mut Sample, frame: &mut Frame) {
    frame.host.psi_io_some_ratio = Reading::Not(Gap::Unsupported);
    frame.host.cpu_ratio = Reading::Not(Gap::Denied);
    sample.disks.clear();
    frame.disks.clear();
}

/// A box of very many CPUs, several to a row.
pub(crate) fn huge(tick: u64, sample: &mut Sample, frame: &mut Frame) {
    full(tick, sample, frame);
    with_cpus(64, sample, frame);
    sample.host.cpu_count = Reading::Is(256);
    for (at, (row, rates)) in sample.cpus.iter_mut().zip(&mut frame.cpus).enumerate() {
        row.cpu = format!("{}-{}", at * 4, at * 4 + 3).into();
        rates.cpu = row.cpu.clone();
    }
}

/// Names that try to draw on the screen.
pub(crate) fn hostile(tick: u64, sample: &mut Sample, frame: &mut Frame) {
    full(tick, sample, frame);
    let evil = "\u{1b}[2J\u{1b}]0;owned\u{7}e\u{202e}vil\n".repeat(40);
    for disk in &mut frame.disks {
        disk.disk = evil.as_str().into();
    }
    for net in &mut frame.nets {
        net.interface = evil.as_str().into();
    }
    for group in &mut sample.cgroups {
        group.cgroup = evil.as_str().into();
    }
    for own in &mut sample.own {
        own.thread = evil.as_str().into();
    }
    let inventory = Arc::make_mut(&mut sample.inventory);
    for info in inventory.procs.values_mut() {
        let info = Arc::make_mut(info);
        info.name = evil.as_str().into();
        info.command = evil.as_str().into();
        info.user = evil.as_str().into();
        info.cgroup = Some(evil.as_str().into());
        info.container = Some(evil.as_str().into());
        // Rings of parents are no tree.
        info.parent = Pid(41_208 + (info.pid.0 * 7) % 8);
    }
    for status in &mut inventory.sources {
        let status = Arc::make_mut(status);
        status.message = evil.as_str().into();
    }
}

fn with_cpus(count: usize, sample: &mut Sample, frame: &mut Frame) {
    let name = |at: usize| at.to_string().into();
    sample.cpus =
        (0..count).map(|at| CpuSample { cpu: name(at), ..CpuSample::default() }).collect();
    let used = |at: usize| Reading::Is(at as f64 / count as f64);
    frame.cpus = (0..count).map(|at| CpuRates { cpu: name(at), used_ratio: used(at) }).collect();
}

fn nets(sample: &mut Sample, frame: &mut Frame) {
    for (name, rate) in [("eth0", 2.5e8), ("ib0", 0.0)] {
        sample.nets.push(NetSample { interface: name.into(), ..NetSample::default() });
        frame.nets.push(NetRates {
            interface: name.into(),
            rx_bytes_per_second: Reading::Is(rate),
            tx_bytes_per_second: Reading::Is(rate / 10.0),
        });
    }
}

fn limits(sample: &mut Sample, frame: &mut Frame) {
    let cgroup: Box<str> = "/kubepods/pod12/4f2a91c07b3e".into();
    sample.cgroups.push(CgroupSample {
        cgroup: cgroup.clone(),
        cpu_limit_cores: Reading::Is(8.0),
        cpuset_cores: Reading::Is(16),
        memory_limit_bytes: Reading::Is(48 << 30),
        memory_current_bytes: Reading::Is(31 << 30),
        memory_file_bytes: Reading::Is(20 << 30),
        io_read_limit_bytes_per_second: Reading::Not(Gap::NotApplicable),
        ..CgroupSample::default()
    });
    frame.cgroups.push(CgroupRates {
        cgroup,
        cpu_cores: Reading::Is(7.9),
        throttled_periods_ratio: Reading::Is(0.63),
        ..CgroupRates::default()
    });
}

fn own(sample: &mut Sample, frame: &mut Frame) {
    let parts = [
        (4000, "", 0.006, Reading::Is(11 << 20), Reading::Is(820.0), 7),
        (
            4000,
            "main",
            0.002,
            Reading::Not(Gap::NotApplicable),
            Reading::Not(Gap::NotApplicable),
            1,
        ),
        (
            4000,
            "sampler",
            0.003,
            Reading::Not(Gap::NotApplicable),
            Reading::Not(Gap::NotApplicable),
            1,
        ),
        (4001, "", 0.001, Reading::Is(6 << 20), Reading::Is(11.0), 3),
    ];
    for (pid, thread, cpu, rss_bytes, read_calls_per_second, threads) in parts {
        sample.own.push(OwnSample {
            pid: Pid(pid),
            thread: thread.into(),
            rss_bytes,
            threads: Reading::Is(threads),
            ..OwnSample::default()
        });
        let cpu_ratio = Reading::Is(cpu);
        let (pid, thread) = (Pid(pid), thread.into());
        frame.own.push(OwnRates { pid, thread, cpu_ratio, read_calls_per_second });
    }
}

fn names(inventory: &mut Inventory) {
    inventory.host = Arc::new(HostInfo {
        name: inventory.host.name.clone(),
        kernel: "6.18.0".into(),
        os: "Debian GNU/Linux 12".into(),
        cpu: "AMD EPYC 9654".into(),
        cpu_count: 16,
        memory_bytes: 64 << 30,
        ..HostInfo::default()
    });
    inventory.disks = vec![Arc::new(DiskInfo {
        disk: "nvme1n1".into(),
        model: "KIOXIA CM7".into(),
        mounts: vec!["/data".into(), "/scratch".into()],
        ..DiskInfo::default()
    })];
    let source = |source: &str, state, message: &str, remedy: &str| {
        Arc::new(SourceStatus {
            source: source.into(),
            state,
            message: message.into(),
            remedy: remedy.into(),
        })
    };
    inventory.sources = vec![
        source("trainers", SourceState::Ok, "", ""),
        source("nvml", SourceState::Absent, "no NVIDIA driver", "load the nvidia module"),
        source("loaders", SourceState::Partial, "2 trainers may not be read", "Run mltop as root."),
    ];
    if let Some(loader) = inventory.loaders.first_mut() {
        let mount = "/mnt/imagenet".into();
        let far = Storage { mount, filesystem: "nfs4".into(), disk: None, remote: true };
        Arc::make_mut(loader).storage.push(far);
    }
}

/// Workers get names below their trainers, all below one launcher; one process has nothing to do
/// with the training.
fn processes(sample: &mut Sample) {
    let inventory = Arc::make_mut(&mut sample.inventory);
    let of = |pid, parent, name: &str, role| {
        let pid = Pid(pid);
        ProcInfo {
            pid,
            parent: Pid(parent),
            start_ticks: 7,
            start_ms: None,
            name: name.into(),
            command: Box::default(),
            user: "me".into(),
            role,
            run: None,
            rank: None,
            cgroup: Some("/user.slice/session-2.scope".into()),
            container: None,
        }
    };
    let loaders = inventory.loaders.clone();
    for loader in &loaders {
        for worker in &loader.workers {
            let info = of(worker.0, loader.pid.0, "pt_data_worker", Role::Worker);
            inventory.procs.insert(*worker, Arc::new(info));
        }
        if let Some(trainer) = inventory.procs.get_mut(&loader.pid) {
            let trainer = Arc::make_mut(trainer);
            trainer.parent = Pid(41_000);
            trainer.container = Some("docker 4f2a91c07b3e".into());
        }
    }
    let launcher = ProcInfo {
        command: "torchrun --nproc-per-node 4 train.py".into(),
        ..of(41_000, 1, "torchrun", Role::Launcher)
    };
    for info in [launcher, of(900, 1, "postgres", Role::Other)] {
        sample.procs.push(mltop::model::sample::ProcSample {
            pid: info.pid,
            state: Reading::Is(ProcState::Sleeping),
            threads: Reading::Is(4),
            ..mltop::model::sample::ProcSample::default()
        });
        inventory.procs.insert(info.pid, Arc::new(info));
    }
    for (at, row) in sample.procs.iter_mut().enumerate() {
        let state = if at % 3 == 0 { ProcState::Disk } else { ProcState::Running };
        row.state = Reading::Is(state);
        row.rss_bytes = Reading::Is((at as u64 + 1) << 30);
        row.threads = Reading::Is(at as u64 + 1);
    }
}
