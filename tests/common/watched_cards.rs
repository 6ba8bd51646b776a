//! The true path over a folder that stands for a machine: mltop starts its collectors, which read it.

use std::ffi::OsString;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use mltop::source::gpu::{GpuLook, Gpus};

/// Longer than anything here takes, on the slowest machine.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);
/// From tick to tick.
pub(crate) const FAST: Duration = Duration::from_millis(200);

/// Starts the collectors over a folder, with more of an environment.
pub(crate) fn watch(root: &Path, more: &[(&str, OsString)]) -> Gpus {
    let root: (OsString, OsString) = ("MLTOP_GPU_ROOT".into(), root.into());
    let more = more.iter().map(|(name, value)| (OsString::from(name), value.clone()));
    let env: Vec<(OsString, OsString)> = [root].into_iter().chain(more).collect();
    Gpus::start_with_env(Path::new(env!("CARGO_BIN_EXE_mltop")), FAST, &env)
}

/// Waits for a look that is as wanted.
pub(crate) fn until(gpus: &Gpus, mut wanted: impl FnMut(&GpuLook) -> bool) -> GpuLook {
    let begun = Instant::now();
    loop {
        let look = gpus.look(Instant::now());
        if wanted(&look) {
            return look;
        }
        assert!(begun.elapsed() < DEADLINE, "never came: {look:#?}");
        sleep(Duration::from_millis(20));
    }
}
