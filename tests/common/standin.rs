//! Builds the stand-in for NVIDIA's library, once for each variant.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// The folder to put into `LD_LIBRARY_PATH` for the variant: `full`; `drv470` to `drv595`, which have
/// the functions and habits of that branch of the driver; `nogpm`; `nofield198`.
pub(crate) fn build(variant: &str) -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/standin");
    let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("standin");
    let folder = all.join(variant);
    fs::create_dir_all(&folder).unwrap();
    // Other test programs may be at it too, and all variants share what is compiled.
    let lock = File::create(all.join("lock")).unwrap();
    lock.lock().unwrap();
    if changed(&folder.join("libnvidia-ml.so.1")) < Some(newest(&sources)) {
        let status =
            Command::new(sources.join("build")).arg(variant).arg(&folder).status().unwrap();
        assert!(status.success(), "the stand-in {variant} cannot be built");
    }
    folder
}

fn changed(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

fn newest(folder: &Path) -> SystemTime {
    let files = fs::read_dir(folder).unwrap().filter_map(Result::ok);
    files.filter_map(|file| changed(&file.path())).max().unwrap_or(SystemTime::UNIX_EPOCH)
}
