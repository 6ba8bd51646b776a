//! `mltop demo`: a real loop of our own over a simulated GPU.

use std::fs::{self, DirBuilder, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use crate::cli;
use crate::error::Error;
use crate::model::Pid;
use crate::record::{self, Session};
use crate::source::simulated::SimulatedGpu;

/// A recording of the demo itself, for boxes that cannot run its loop.
const RECORDED: &[u8] = include_bytes!("../demo/demo.mltop.zst");
const LOOP: &str = include_str!("../demo/loop.py");
/// Tells the loop to remove its script once it was read: then nothing stays, however mltop ends.
const REMOVE: &str = "remove-script";
const PHASES: [cli::Phase; 4] =
    [cli::Phase::Healthy, cli::Phase::Disk, cli::Phase::Cpu, cli::Phase::Oversized];

/// The demo as it ran elsewhere.
pub(super) fn recorded() -> Result<Session, Error> {
    Ok(record::read::read("the bundled demo", RECORDED)?)
}

/// The loop while it runs. Dropping it ends it, and its workers with it.
#[derive(Debug)]
pub(super) struct Loop {
    child: Child,
    /// Its end is how the loop learns that it should end.
    input: Option<ChildStdin>,
    /// Held for its end, which takes the file away.
    _script: Script,
}

/// The loop as a file of its own: a run is called after its script. Dropping it removes the file,
/// which the loop itself has done by then unless it never came to run.
#[derive(Debug)]
struct Script {
    folder: PathBuf,
    file: PathBuf,
}

impl Script {
    /// Writes it where only this user can read it, under a name that nobody can guess.
    fn write(below: &Path) -> io::Result<Self> {
        let name = format!("mltop-demo-{:016x}", RandomState::new().hash_one(std::process::id()));
        let folder = below.join(name);
        // Fails where the name is taken, by a link too.
        DirBuilder::new().mode(0o700).create(&folder)?;
        let this = Self { file: folder.join("demo.py"), folder };
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&this.file)?;
        file.write_all(LOOP.as_bytes())?;
        Ok(this)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
        let _ = fs::remove_dir(&self.folder);
    }
}

impl Loop {
    /// Starts it; `Ok(None)` where there is no Python.
    pub(super) fn start(demo: &cli::Demo) -> Result<Option<(Self, SimulatedGpu)>, Error> {
        let phases: Vec<&str> = match demo.only {
            Some(phase) => vec![phase.code()],
            None => PHASES.iter().map(|phase| phase.code()).collect(),
        };
        let script = Script::write(&std::env::temp_dir())
            .map_err(|error| Error::Demo(format!("its script cannot be written: {error}")))?;
        let spawned = Command::new("python3")
            .arg(&script.file)
            .arg(demo.phase.as_secs_f64().to_string())
            .arg(phases.join(","))
            .arg(scratch())
            .arg(REMOVE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::Demo(error.to_string())),
        };
        let input = child.stdin.take();
        let reports = child.stdout.take();
        let this = Self { child, input, _script: script };
        let Some(reports) = reports else {
            return Err(Error::Demo("its output cannot be read".into()));
        };
        let gpu = SimulatedGpu::follow(reports, this.pid())?;
        Ok(Some((this, gpu)))
    }

    /// The loop's process.
    pub(super) fn pid(&self) -> Pid {
        Pid(self.child.id())
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        drop(self.input.take());
        for _ in 0..20 {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where the loop's file goes: a disk, as a file in memory would starve nobody.
fn scratch() -> PathBuf {
    let on_disk = PathBuf::from("/var/tmp");
    if on_disk.is_dir() { on_disk } else { std::env::temp_dir() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_script_is_its_users_alone_and_goes_with_the_demo() {
        let below = tempfile::tempdir().unwrap();
        let script = Script::write(below.path()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&script.folder), mode(&script.file)), (0o700, 0o600));
        assert_eq!(fs::read_to_string(&script.file).unwrap(), LOOP);
        assert_ne!(Script::write(below.path()).unwrap().folder, script.folder);
        drop(script);
        assert_eq!(fs::read_dir(below.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_loop_knows_the_word_that_has_it_remove_its_script() {
        assert!(LOOP.contains(&format!("\"{REMOVE}\"")));
    }

    #[test]
    fn the_bundled_demo_is_whole_small_simulated_and_tells_nothing_of_the_box_it_ran_on() {
        assert!(RECORDED.len() <= 150 << 10, "{} bytes", RECORDED.len());
        let session = recorded().unwrap();
        assert!(session.health.is_whole(), "{:?}", session.health);
        for sample in session.samples() {
            assert!(sample.inventory.gpus.iter().all(|gpu| gpu.simulated));
            for process in sample.inventory.procs.values() {
                assert!(["mltop", "python3"].contains(&&*process.name), "{process:?}");
                assert!(!process.command.contains('/'), "{process:?}");
            }
        }
        let last = session.samples().last().unwrap();
        assert_eq!(&*last.inventory.runs[0].name, "demo.py");
    }
}
