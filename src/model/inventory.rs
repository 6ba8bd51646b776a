//! What is there: names, runs, ranks, devices. Changes seldom, and is shared by the samples between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::id::{GpuId, LoaderId, Pid, RunId, ServerId};
use super::metric::states;
use super::server::ServerInfo;

/// Everything that has a name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inventory {
    /// The box.
    pub host: Arc<HostInfo>,
    /// GPUs, by index.
    pub gpus: Vec<Arc<GpuInfo>>,
    /// Block devices, by name.
    pub disks: Vec<Arc<DiskInfo>>,
    /// Recorded processes.
    pub procs: BTreeMap<Pid, Arc<ProcInfo>>,
    /// Training jobs, by number.
    pub runs: Vec<Arc<RunInfo>>,
    /// Loaders, by number.
    pub loaders: Vec<Arc<LoaderInfo>>,
    /// What the trainers run, in the order of their runs.
    pub software: Vec<Arc<Software>>,
    /// Models that inference servers serve, by number.
    pub servers: Vec<Arc<ServerInfo>>,
    /// What could be read and what not, one entry a source.
    pub sources: Vec<Arc<SourceStatus>>,
}

/// The box.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostInfo {
    /// Host name.
    pub name: Box<str>,
    /// Kernel release.
    pub kernel: Box<str>,
    /// Name of the distribution.
    pub os: Box<str>,
    /// CPU model.
    pub cpu: Box<str>,
    /// Logical CPUs.
    pub cpu_count: u32,
    /// Installed memory in bytes.
    pub memory_bytes: u64,
    /// The kernel's name for this boot.
    pub boot_id: Box<str>,
}

/// A GPU.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GpuInfo {
    /// Index in the vendor's library, or the number of a MIG instance.
    pub gpu: GpuId,
    /// Identity that survives a reboot.
    pub uuid: Box<str>,
    /// Product name.
    pub name: Box<str>,
    /// Driver version.
    pub driver: Box<str>,
    /// PCI bus address.
    pub pci: Box<str>,
    /// Device memory in bytes, where known.
    pub memory_bytes: Option<u64>,
    /// Multiprocessors, where known.
    pub multiprocessors: Option<u32>,
    /// Not a real GPU: its figures are made by a simulation, and every screen says so.
    pub simulated: bool,
    /// Why there is no answer from it now, in words. `None` while it answers.
    pub trouble: Option<Box<str>>,
    /// What it is a part of, for a MIG instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mig: Option<MigInfo>,
    /// How the card is set up, as far as the driver tells.
    #[serde(skip_serializing_if = "GpuModes::is_unknown")]
    pub modes: GpuModes,
}

/// Who makes a GPU, and so which runtime counts it: CUDA, HIP or SYCL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Maker {
    /// NVIDIA.
    Nvidia,
    /// AMD.
    Amd,
    /// Intel.
    Intel,
}

impl GpuInfo {
    /// Who makes it, by its driver: those of the kernel tell their name, NVIDIA's its version.
    pub fn maker(&self) -> Maker {
        match &*self.driver {
            "amdgpu" => Maker::Amd,
            "xe" | "i915" => Maker::Intel,
            _ => Maker::Nvidia,
        }
    }
}

/// A MIG instance's place on its card.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MigInfo {
    /// The driver's number of the GPU instance, which owns memory and multiprocessors.
    pub gpu_instance: Option<u32>,
    /// The driver's number of the compute instance within it.
    pub compute_instance: Option<u32>,
    /// Name of its size, as `1g.10gb`; empty where the driver does not tell.
    pub profile: Box<str>,
    /// Compute slices of the card's (seven, on an A30 four) that it has.
    pub slices: Option<u32>,
}

/// How a card is set up: what changes by an administrator's hand only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GpuModes {
    /// Whether the driver keeps the card awake without a client. Off, each start of a job waits for it.
    pub persistence: Option<bool>,
    /// Who may use it: default, exclusive process, prohibited. Empty where the driver does not tell.
    pub compute: Box<str>,
    /// Whether it is cut into MIG instances.
    pub mig: Option<bool>,
    /// Whether its memory has ECC in force.
    pub ecc: Option<bool>,
    /// What it is to a virtual machine: passthrough, vGPU. Empty for a card of this machine.
    pub virtualization: Box<str>,
    /// Whether confidential computing is on, which slows every copy over PCIe.
    pub confidential: Option<bool>,
    /// The host's memory node that it is nearest to.
    pub numa_node: Option<u32>,
    /// Number of its device file, as in `/dev/nvidia3` or `/dev/dri/renderD128`: control groups grant by
    /// it.
    pub minor: Option<u32>,
}

impl GpuModes {
    fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

/// A block device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiskInfo {
    /// Kernel name.
    pub disk: Box<str>,
    /// Model, where known.
    pub model: Box<str>,
    /// The devices that it is made of (dm, md), by kernel name; empty for a real one.
    pub made_of: Vec<Box<str>>,
    /// Where it or one of its partitions is mounted.
    pub mounts: Vec<Box<str>>,
}

impl DiskInfo {
    /// Whether a device of this kernel name holds data by itself; not those that every box has by the
    /// dozen, seldom uses, and that lead to a file, to memory or to another machine.
    pub fn is_medium(disk: &str) -> bool {
        !["loop", "ram", "zram", "nbd", "sr", "fd"].iter().any(|kind| {
            disk.strip_prefix(kind).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
        })
    }
}

states! {
    /// What a process is to a training job.
    Role {
        /// Runs the training loop of one rank.
        Trainer = "trainer",
        /// Prepares batches for a trainer.
        Worker = "worker",
        /// Started the ranks: torchrun, accelerate, mpirun.
        Launcher = "launcher",
        /// Anything else, and whatever a later version of mltop calls it.
        #[serde(other)]
        Other = "other",
    }
}

/// A process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcInfo {
    /// Process id.
    pub pid: Pid,
    /// Its parent.
    pub parent: Pid,
    /// When it started, in clock ticks since boot (stat field 22): with the pid, its identity.
    pub start_ticks: u64,
    /// When it started, in milliseconds since the Unix epoch; `None` where that cannot be told, as
    /// where the box does not say when it was booted.
    #[serde(default)]
    pub start_ms: Option<i64>,
    /// Name as the kernel has it, escapes stripped.
    pub name: Box<str>,
    /// Command line, escapes stripped and secrets redacted; empty where it cannot be read.
    pub command: Box<str>,
    /// Owner.
    pub user: Box<str>,
    /// What it is to a training job.
    pub role: Role,
    /// The job that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// Its rank in the job, where readable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
    /// Its control group, below the hierarchy that has a CPU controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<Box<str>>,
    /// The container that it runs in, as far as its control group tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Box<str>>,
}

/// One training job on this box.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunInfo {
    /// Its number.
    pub run: RunId,
    /// What people call it: the script or module.
    pub name: Box<str>,
    /// What started it: torchrun, accelerate, deepspeed, mpirun, mp.spawn; empty for a lone process.
    pub launcher: Box<str>,
    /// Its trainers, in the order of rank.
    pub trainers: Vec<Pid>,
    /// Ranks of the whole job where readable; more than trainers where the job spans boxes.
    pub world_size: Option<u32>,
    /// The GPUs of this box that the job was given; `None` where nothing limits it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given: Option<GivenGpus>,
}

/// Versions of what a trainer runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Software {
    /// The trainer.
    pub pid: Pid,
    /// Version of its Python, as `3.11`; empty where it is not known.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub python: Box<str>,
    /// What tells it, in words.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub python_by: Box<str>,
    /// Version of its PyTorch, as `2.9.1+cu128`; empty where it is not known, or where it has none.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub torch: Box<str>,
    /// What tells it, in words; where it has a PyTorch of a version that is not known, why not.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub torch_by: Box<str>,
}

/// GPUs that a job was given, whether or not it works on them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GivenGpus {
    /// The cards or MIG instances, by number.
    pub gpus: Vec<GpuId>,
    /// What says so: a variable of the trainers' environment, as `CUDA_VISIBLE_DEVICES`, or `devices
    /// control group`.
    pub by: Box<str>,
    /// Why the list may not be right, in words; empty where nothing is in doubt.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub doubt: Box<str>,
}

/// Where a loader's files are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Storage {
    /// Mount point.
    pub mount: Box<str>,
    /// Filesystem type, as in mountinfo.
    pub filesystem: Box<str>,
    /// The whole disk behind it, where there is one.
    pub disk: Option<Box<str>>,
    /// Whether another machine serves it (NFS, Lustre, Ceph, FUSE and the like).
    pub remote: bool,
}

/// A loader.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoaderInfo {
    /// Its number.
    pub loader: LoaderId,
    /// The trainer that iterates it.
    pub pid: Pid,
    /// What kind of loader: pytorch, multiprocessing, grain, tf.data, dali, ffcv, queue.
    pub kind: Box<str>,
    /// Its workers, in the order in which they started.
    pub workers: Vec<Pid>,
    /// Where the files that its workers have open are, the most used first.
    pub storage: Vec<Storage>,
    /// Class of the dataset, where it can be read.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub dataset: Box<str>,
    /// Why a better source of its depth is not used, in words.
    pub why_not_better: Box<str>,
    /// The sources that were tried before the one in use, best first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refused>,
    /// Why its depth is doubtful, in words; empty where it is not.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub doubt: Box<str>,
}

/// A source of a loader's depth that cannot be used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Refused {
    /// The source: memory, probe, semaphore, pipe.
    pub source: Box<str>,
    /// Why not, in words.
    pub why: Box<str>,
    /// The one command that would allow it; empty where none would.
    pub remedy: Box<str>,
}

states! {
    /// How a source fares.
    SourceState {
        /// Everything that it offers is read.
        Ok = "ok",
        /// Part of it cannot be read.
        Partial = "partial",
        /// Not on this machine, and that is no fault.
        Absent = "absent",
        /// It should work and does not.
        Failed = "failed",
        /// A word of a later version, as read from a session.
        #[serde(other)]
        Unknown = "unknown",
    }
}

/// How one source fares: for the screen, `doctor` and the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceStatus {
    /// The source: nvml, proc, cgroup, psi, trainers, loaders …
    pub source: Box<str>,
    /// How it fares.
    pub state: SourceState,
    /// What is the matter, one sentence; empty where nothing is.
    pub message: Box<str>,
    /// What would mend it, one command or sentence; empty where nothing would.
    pub remedy: Box<str>,
}

impl Inventory {
    /// The GPU with this index.
    pub fn gpu(&self, gpu: GpuId) -> Option<&GpuInfo> {
        self.gpus.iter().find(|info| info.gpu == gpu).map(|info| &**info)
    }

    /// The process with this id.
    pub fn proc(&self, pid: Pid) -> Option<&ProcInfo> {
        self.procs.get(&pid).map(|info| &**info)
    }

    /// The run with this number.
    pub fn run(&self, run: RunId) -> Option<&RunInfo> {
        self.runs.iter().find(|info| info.run == run).map(|info| &**info)
    }

    /// What a trainer runs, where anything of it is known.
    pub fn software_of(&self, trainer: Pid) -> Option<&Software> {
        self.software.iter().find(|one| one.pid == trainer).map(|one| &**one)
    }

    /// The loader with this number.
    pub fn loader(&self, loader: LoaderId) -> Option<&LoaderInfo> {
        self.loaders.iter().find(|info| info.loader == loader).map(|info| &**info)
    }

    /// The served model with this number.
    pub fn server(&self, server: ServerId) -> Option<&ServerInfo> {
        self.servers.iter().find(|info| info.server == server).map(|info| &**info)
    }

    /// The trainer of a rank and its workers.
    pub fn rank_pids(&self, trainer: Pid) -> BTreeSet<Pid> {
        let loaders = self.loaders.iter().filter(|loader| loader.pid == trainer);
        let workers = loaders.flat_map(|loader| loader.workers.iter().copied());
        workers.chain([trainer]).collect()
    }

    /// Whether any GPU is simulated.
    pub fn simulated(&self) -> bool {
        self.gpus.iter().any(|gpu| gpu.simulated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_a_later_version_costs_itself_and_not_the_names_beside_it() {
        let status = r#"{"source":"nvml","state":"degraded","message":"m","remedy":""}"#;
        let status: SourceStatus = serde_json::from_str(status).unwrap();
        assert_eq!((status.state, &*status.message), (SourceState::Unknown, "m"));
        assert_eq!(serde_json::from_str::<Role>("\"evaluator\"").unwrap(), Role::Other);
        for role in Role::ALL {
            let word = serde_json::to_string(role).unwrap();
            assert_eq!(word, format!("\"{}\"", role.code()));
            assert_eq!(serde_json::from_str::<Role>(&word).unwrap(), *role);
        }
        for state in SourceState::ALL {
            let word = serde_json::to_string(state).unwrap();
            assert_eq!(serde_json::from_str::<SourceState>(&word).unwrap(), *state);
        }
    }
}
