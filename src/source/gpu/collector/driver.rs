//! Opening the driver's library, and what it means when that fails.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

use super::super::wire::{Line, PROTOCOL};
use super::{Out, asleep, device, events};
use crate::model::{Gap, GpuId};
use crate::source::grid::Grid;

/// Why an error leaves a reading without a value.
pub(super) fn gap(error: &NvmlError) -> Gap {
    match error {
        NvmlError::NotSupported
        | NvmlError::FailedToLoadSymbol(_)
        | NvmlError::FunctionNotFound
        // A struct's version is not known, and a call that was withdrawn.
        | NvmlError::UnexpectedVariant(25 | 26) => Gap::Unsupported,
        NvmlError::NoPermission | NvmlError::OperatingSystem => Gap::Denied,
        // 28: the GPU is no longer found.
        NvmlError::GpuLost | NvmlError::ResetRequired | NvmlError::UnexpectedVariant(28) => Gap::Lost,
        NvmlError::Timeout => Gap::Late,
        // 27: not ready yet.
        NvmlError::UnexpectedVariant(27) => Gap::NotYet,
        _ => Gap::Failed,
    }
}

/// What the library says of itself.
#[derive(Debug)]
pub(super) struct Library {
    /// The version of its driver.
    pub(super) driver: Box<str>,
    /// Not NVIDIA's: a stand-in that makes its figures up, and says so in the library's own version.
    pub(super) simulated: bool,
}

impl Library {
    fn of(nvml: &Nvml) -> Self {
        let version = nvml.sys_nvml_version().unwrap_or_default();
        Self {
            driver: nvml.sys_driver_version().unwrap_or_default().into(),
            simulated: version.contains("stand-in"),
        }
    }
}

/// Opens the library and starts a thread for each GPU. Does not return where the driver hangs.
pub(super) fn start(out: &Arc<Out>, reads: Grid) {
    asleep::wait(out);
    let nvml = match open() {
        // For the life of the process: closing the library would pull the code from under the threads,
        // and without a client some drivers put the GPU to sleep between two looks.
        Ok(nvml) => &*Box::leak(Box::new(nvml)),
        Err(error) => refuse(out, &error),
    };
    let gpus = match nvml.device_count() {
        Ok(count) => count.min(GpuId::CARDS),
        Err(error) => refuse(out, &error),
    };
    let library = Arc::new(Library::of(nvml));
    out.say(&Line::Hello { protocol: PROTOCOL, first: 0, gpus });
    let events = events::start(nvml, out);
    for index in 0..gpus {
        let (out, library, events) = (Arc::clone(out), Arc::clone(&library), events.clone());
        let started = thread::Builder::new()
            .name(format!("gpu{index}"))
            .spawn(move || device::watch(nvml, index, (&library, &events), reads, &out));
        if started.is_err() {
            super::leave();
        }
    }
}

/// Folders that the dynamic loader does not search everywhere, and where the library is known to be:
/// WSL2, NixOS, Google's container images.
const UNUSUAL: [&str; 3] =
    ["/usr/lib/wsl/lib", "/run/opengl-driver/lib", "/usr/local/nvidia/lib64"];

/// Opens the library by its name, else where it stands unannounced.
fn open() -> Result<Nvml, NvmlError> {
    let usual = Nvml::init();
    let Err(NvmlError::LibloadingError(_)) = &usual else { return usual };
    let files = UNUSUAL.iter().map(|folder| Path::new(folder).join("libnvidia-ml.so.1"));
    match files.into_iter().find(|file| file.exists()) {
        Some(file) => Nvml::builder().lib_path(file.as_os_str()).init(),
        None => usual,
    }
}

fn refuse(out: &Out, error: &NvmlError) -> ! {
    match error {
        NvmlError::LibloadingError(load) => {
            let text = load.to_string();
            // The library itself is not there; one that is there and cannot be loaded names another.
            let missing = text.contains("libnvidia-ml") && text.contains("No such file");
            if missing {
                out.give_up(true, "no NVIDIA driver", "");
            }
            out.give_up(false, &format!("the NVIDIA library cannot be loaded: {text}"), "");
        }
        NvmlError::LibRmVersionMismatch => out.give_up(
            false,
            &mismatch(module_version().as_deref(), library_version().as_deref()),
            "Restart the machine, or unload and load the nvidia kernel modules.",
        ),
        NvmlError::DriverNotLoaded => out.give_up(
            false,
            "the NVIDIA library is there, and its kernel driver is not loaded",
            "Load it (modprobe nvidia); in a container, start it with its GPUs (--gpus all).",
        ),
        NvmlError::NoPermission => out.give_up(
            false,
            "no permission to use the NVIDIA driver",
            "Give the user read and write access to /dev/nvidiactl and /dev/nvidia*.",
        ),
        other => out.give_up(false, &format!("the NVIDIA driver refuses: {other}"), ""),
    }
}

fn mismatch(module: Option<&str>, library: Option<&str>) -> String {
    let word = |version: Option<&str>| version.unwrap_or("another version").to_owned();
    format!(
        "the NVIDIA driver was replaced while the system runs: kernel module {}, library {}",
        word(module),
        word(library)
    )
}

fn module_version() -> Option<String> {
    parse_module_version(&fs::read_to_string("/proc/driver/nvidia/version").ok()?)
}

/// The version in the first line of `/proc/driver/nvidia/version`: its first word with digits and dots.
fn parse_module_version(text: &str) -> Option<String> {
    text.lines().next()?.split_whitespace().find(|word| is_version(word)).map(str::to_owned)
}

fn is_version(word: &str) -> bool {
    word.len() <= 20
        && word.contains('.')
        && word.chars().all(|c| c.is_ascii_digit() || c == '.')
        && word.starts_with(|c: char| c.is_ascii_digit())
}

/// The version in the real name of the library, `libnvidia-ml.so.550.54.14`.
fn library_version() -> Option<String> {
    const FOLDERS: [&str; 4] =
        ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
    FOLDERS.iter().find_map(|folder| {
        let target = fs::read_link(Path::new(folder).join("libnvidia-ml.so.1")).ok()?;
        let version = target.file_name()?.to_str()?.strip_prefix("libnvidia-ml.so.")?.to_owned();
        is_version(&version).then_some(version)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_s_version_is_the_first_word_that_looks_like_one() {
        let text = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 2024\n";
        assert_eq!(parse_module_version(text).as_deref(), Some("535.183.01"));
        let open = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release\n";
        assert_eq!(parse_module_version(open).as_deref(), Some("570.86.15"));
        assert_eq!(parse_module_version(""), None);
    }

    #[test]
    fn a_mismatch_names_both_versions_where_they_are_known() {
        assert!(
            mismatch(Some("535.1"), None).ends_with("kernel module 535.1, library another version")
        );
    }

    #[test]
    fn each_error_of_the_library_has_its_reason() {
        assert_eq!(gap(&NvmlError::NotSupported), Gap::Unsupported);
        assert_eq!(gap(&NvmlError::NoPermission), Gap::Denied);
        assert_eq!(gap(&NvmlError::GpuLost), Gap::Lost);
        assert_eq!(gap(&NvmlError::Unknown), Gap::Failed);
        assert_eq!(gap(&NvmlError::UnexpectedVariant(25)), Gap::Unsupported);
    }
}
