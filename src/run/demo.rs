//! `mltop demo`: a real loop of our own over a simulated GPU.

use std::io;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use crate::cli;
use crate::error::Error;
use crate::model::Pid;
use crate::source::simulated::SimulatedGpu;

const LOOP: &str = include_str!("../demo/loop.py");
const PHASES: [cli::Phase; 4] =
    [cli::Phase::Healthy, cli::Phase::Disk, cli::Phase::Cpu, cli::Phase::Oversized];

/// The loop while it runs. Dropping it ends it, and its workers with it.
#[derive(Debug)]
pub(super) struct Loop {
    child: Child,
    /// Its end is how the loop learns that it should end.
    input: Option<ChildStdin>,
}

impl Loop {
    /// Starts it; `Ok(None)` where there is no Python.
    pub(super) fn start(demo: &cli::Demo) -> Result<Option<(Self, SimulatedGpu)>, Error> {
        let phases: Vec<&str> = match demo.only {
            Some(phase) => vec![phase.code()],
            None => PHASES.iter().map(|phase| phase.code()).collect(),
        };
        let spawned = Command::new("python3")
            .args(["-c", LOOP])
            .arg(demo.phase.as_secs_f64().to_string())
            .arg(phases.join(","))
            .arg(scratch())
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
        let this = Self { child, input };
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
