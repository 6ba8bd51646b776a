//! Builds the stand-in for NVIDIA's library, once for each variant.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// The folder to put into `LD_LIBRARY_PATH` for the variant: `full`, `drv470` (no second version of
/// memory, no third of processes), `drv535` (32-byte entries), `nogpm`, `nofield198`.
pub(crate) fn build(variant: &str) -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/standin");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("standin").join(variant);
    fs::create_dir_all(&folder).unwrap();
    // Other test programs may be at it too.
    let lock = File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    let library = folder.join("libnvidia-ml.so.1");
    if changed(&library) < Some(newest(&sources)) {
        let fresh = folder.join("fresh.so");
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let status = Command::new(rustc)
            .args(["--edition", "2024", "--crate-type", "cdylib", "--crate-name", "standin"])
            .args(["-C", "panic=abort", "-C", "link-arg=-Wl,-soname,libnvidia-ml.so.1"])
            .args(["--cap-lints", "allow", "--cfg", variant, "-o"])
            .arg(&fresh)
            .arg(sources.join("lib.rs"))
            .status()
            .unwrap();
        assert!(status.success(), "the stand-in does not compile");
        fs::rename(&fresh, &library).unwrap();
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
