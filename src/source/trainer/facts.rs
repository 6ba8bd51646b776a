//! What is read once of a process, off the main thread: reading the memory map or the command line
//! of a process that the kernel holds does not return.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use crate::model::inventory::Software;
use crate::model::{Gap, Pid, Reading};
use crate::source::loader::discover::{discover, field};
use crate::source::loader::proc::{folder, read_capped};
use crate::source::machine::cgroup_of;
use crate::source::root::Roots;
use crate::source::text::clean;

use super::given;
use super::order::{Devices, Told};
use super::software::software;

const COMMAND_CAP: usize = 4096;
const ENVIRON_CAP: usize = 256 << 10;
const MAPS_CAP: usize = 16 << 20;
/// Sixteen identities of GPUs have room in it.
const VALUE_CAP: usize = 1024;

/// Libraries that only a process of machine learning maps.
const LIBRARIES: &[&str] = &[
    "/libtorch_python.",
    "/libtorch_cpu.",
    "/libtensorflow_framework.",
    "/libtensorflow_cc.",
    "/xla_extension.",
    "/libjax_common.",
    "/_xla.",
    // Grain's: importing its data sets loads it.
    "/index_shuffle_module.",
];

/// Variables that say which rank of which job a process is.
const VARIABLES: &[&str] = &[
    "RANK",
    "LOCAL_RANK",
    "WORLD_SIZE",
    "TORCHELASTIC_RUN_ID",
    "MASTER_ADDR",
    "MASTER_PORT",
    "SLURM_JOB_ID",
    "SLURM_STEP_ID",
    "SLURM_PROCID",
    "SLURM_NTASKS",
    "OMPI_COMM_WORLD_RANK",
    "OMPI_COMM_WORLD_SIZE",
    "PMI_RANK",
    "PMI_SIZE",
];

/// What is known of one process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) pid: Pid,
    pub(super) start_ticks: u64,
    /// Its arguments, cleaned.
    pub(super) args: Vec<Box<str>>,
    /// The variables of interest; a gap where they may not be read.
    pub(super) env: Reading<BTreeMap<&'static str, Box<str>>>,
    /// Whether a library of machine learning is mapped.
    pub(super) ml: Reading<bool>,
    /// Versions of what it runs, where a library is mapped and anything of it is known.
    pub(super) software: Option<Arc<Software>>,
    /// Whether it may yet map one: it runs Python.
    pub(super) python: bool,
    /// Whether it has a GPU's device file open.
    pub(super) gpu_file: bool,
    pub(super) uid: Option<u32>,
    /// In a pid namespace below ours.
    pub(super) contained: bool,
    pub(super) cgroup: Option<Box<str>>,
    /// The device files of GPUs that it sees.
    pub(super) devices: Devices,
    /// Workers of its loaders, by the pipes that they share with it.
    pub(super) workers: Vec<Pid>,
}

impl Facts {
    /// What it tells of the GPUs that it can see.
    pub(super) const fn told(&self) -> Told<'_> {
        Told { env: &self.env, devices: &self.devices }
    }
}

/// What to read of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) pid: Pid,
    pub(super) start_ticks: u64,
    /// The map need not be read: its name or its parent tells.
    pub(super) skip_maps: bool,
    /// Its open files need not be looked through: it is a worker.
    pub(super) skip_files: bool,
    /// Its descendants, where its loaders' workers are asked for.
    pub(super) descendants: Vec<Pid>,
}

/// Reads it all. May block for as long as the kernel likes.
pub(super) fn inspect(roots: &Roots, request: &Request) -> Facts {
    let folder = folder(&roots.proc, request.pid);
    let command = read_capped(&folder.join("cmdline"), COMMAND_CAP).unwrap_or_default();
    let args = command.split(|&byte| byte == 0).map(|arg| clean(arg, COMMAND_CAP));
    let mut args: Vec<Box<str>> = args.collect();
    while args.last().is_some_and(|arg| arg.is_empty()) {
        args.pop();
    }
    let status = read_capped(&folder.join("status"), 8192).unwrap_or_default();
    let mapped = if request.skip_maps {
        Mapped { ml: Reading::Not(Gap::NotYet), python: true, software: None }
    } else {
        Mapped::of(&folder, request.pid)
    };
    let loaders = match request.descendants.as_slice() {
        [] => Vec::new(),
        descendants => discover(&roots.proc, request.pid, descendants).unwrap_or_default(),
    };
    let loaders = loaders.into_iter().filter(|group| {
        group.workers.len() >= 2 || group.workers.iter().any(|worker| worker.named)
    });
    Facts {
        pid: request.pid,
        start_ticks: request.start_ticks,
        args,
        env: environ(&folder),
        ml: mapped.ml,
        software: mapped.software,
        python: mapped.python,
        gpu_file: mapped.python && !request.skip_files && gpu_file(&folder),
        uid: fs::metadata(&folder).ok().map(|data| data.uid()),
        contained: field(&status, "NSpid:").is_some_and(|ids| ids.split_whitespace().count() > 1),
        cgroup: cgroup_of(roots, request.pid).ok(),
        devices: devices(&folder, mapped.python && !request.skip_files),
        workers: loaders.flat_map(|group| group.workers).map(|worker| worker.pid).collect(),
    }
}

/// What the list of its mappings tells of a process.
struct Mapped {
    ml: Reading<bool>,
    python: bool,
    software: Option<Arc<Software>>,
}

impl Mapped {
    fn of(folder: &Path, pid: Pid) -> Self {
        let text = match listed(folder) {
            Ok(text) => text,
            Err(error) => {
                return Self { ml: Reading::Not(Gap::from(&error)), python: false, software: None };
            }
        };
        let (ml, python) = told(&text);
        let software = if ml { software(folder, &text, pid).map(Arc::new) } else { None };
        Self { ml: Reading::Is(ml), python, software }
    }
}

/// Whether a library of machine learning is mapped, and whether Python is.
pub(super) fn maps(folder: &Path) -> io::Result<(bool, bool)> {
    listed(folder).map(|text| told(&text))
}

fn listed(folder: &Path) -> io::Result<String> {
    let bytes = read_capped(&folder.join("maps"), MAPS_CAP)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn told(maps: &str) -> (bool, bool) {
    (LIBRARIES.iter().any(|library| maps.contains(library)), maps.contains("python"))
}

fn gpu_file(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder.join("fd")) else { return false };
    entries.take(4096).flatten().any(|entry| {
        fs::read_link(entry.path()).is_ok_and(|target| {
            let name = target.to_str().unwrap_or_default();
            name.strip_prefix("/dev/nvidia")
                .is_some_and(|n| n.starts_with(|c: char| c.is_ascii_digit()))
                || name == "/dev/kfd"
        })
    })
}

/// The device files below the process's own root, which are read where that is wanted: a container has
/// those of its GPUs alone.
fn devices(folder: &Path, read: bool) -> Devices {
    let Ok(root) = fs::read_link(folder.join("root")) else { return Devices::Unknown };
    let own = fs::read_link(folder.join("ns/mnt")).ok();
    let ours = folder.parent().and_then(|proc| fs::read_link(proc.join("self/ns/mnt")).ok());
    if root == Path::new("/") && (own.is_none() || own == ours) {
        return Devices::Ours;
    }
    if read { given::device_files(&folder.join("root/dev")) } else { Devices::Unknown }
}

fn environ(folder: &Path) -> Reading<BTreeMap<&'static str, Box<str>>> {
    Reading::from_io(read_capped(&folder.join("environ"), ENVIRON_CAP))
        .map(|bytes| variables(&bytes))
}

/// The variables of interest. Nothing else of an environment is kept: it is full of secrets.
fn variables(bytes: &[u8]) -> BTreeMap<&'static str, Box<str>> {
    let mut found = BTreeMap::new();
    for line in bytes.split(|&byte| byte == 0) {
        let Some(at) = line.iter().position(|&byte| byte == b'=') else { continue };
        let (key, value) = line.split_at(at);
        let wanted = VARIABLES.iter().chain(given::VARIABLES);
        if let Some(key) = wanted.into_iter().find(|name| name.as_bytes() == key) {
            found.insert(*key, clean(value.get(1..).unwrap_or_default(), VALUE_CAP));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_training_that_has_nothing_but_grain_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let line = |path| format!("7f0000000000-7f0000001000 r-xp 00000000 fe:01 9 {path}\n");
        for (module, learns) in [("index_shuffle_module.so", true), ("index_test.so", false)] {
            let path = format!("/lib/python3.11/site-packages/grain/_src/python/{module}");
            fs::write(folder.path().join("maps"), line(path)).unwrap();
            assert_eq!(maps(folder.path()).unwrap(), (learns, true), "{module}");
        }
    }

    #[test]
    fn only_the_variables_of_a_job_are_kept() {
        let found = variables(b"AWS_SECRET=x\0RANK=3\0WORLD_SIZE=8\0");
        assert_eq!(found.len(), 2);
        assert_eq!(found.get("RANK").map(|rank| &**rank), Some("3"));
    }

    proptest! {
        #[test]
        fn any_environment_is_read(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = variables(&bytes);
        }
    }
}
