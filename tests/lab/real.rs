//! The real scenarios: PyTorch's own loader over the stand-in GPU, recorded by the program itself.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use mltop::record::SessionFile;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;

use crate::dice::Dice;
use crate::group::{Group, Limit};
use crate::score::{Listener, Outcome, Told};
use crate::trainer::Span;
use crate::truth;
use crate::{standin, train};

/// A real scenario.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Real {
    /// Its name in `tests/py/lab.py`.
    pub(crate) name: &'static str,
    pub(crate) workers: usize,
    /// Why it starves: of several, separated by `|`, each is true.
    pub(crate) cause: Option<&'static str>,
    pub(crate) limits: &'static [Limit],
    /// Nothing else may run beside it: it needs all CPUs, or shares the disk with others.
    pub(crate) alone: bool,
    pub(crate) may: &'static [&'static str],
}

const fn starved(name: &'static str, workers: usize, cause: &'static str) -> Real {
    Real { name, workers, cause: Some(cause), limits: &[], alone: false, may: &[] }
}

const fn quiet(name: &'static str, may: &'static [&'static str]) -> Real {
    Real { name, workers: 2, cause: None, limits: &[], alone: false, may }
}

/// All of them.
pub(crate) const ALL: &[Real] = &[
    Real { limits: &[Limit::ReadBytes(20_000_000)], ..starved("disk", 2, "DISK-BOUND") },
    // Not beside another that reads the same files: each would wait for the reads of the other.
    Real {
        limits: &[Limit::ReadBytes(20_000_000)],
        alone: true,
        ..starved("disk-4-workers", 4, "DISK-BOUND")
    },
    Real {
        limits: &[Limit::Reads(400)],
        may: &["SMALL-FILES"],
        ..starved("small-files", 2, "SMALL-FILES")
    },
    Real {
        limits: &[Limit::ReadBytes(20_000_000), Limit::Cache(24 << 20)],
        alone: true,
        // Its limit leaves hardly more than what its processes hold.
        may: &["HOST-MEMORY"],
        ..starved("thrash", 2, "CACHE-THRASH|DISK-BOUND")
    },
    Real { limits: &[Limit::Cores(0.5)], may: &["CPU-QUOTA"], ..starved("quota", 2, "CPU-QUOTA") },
    Real { alone: true, ..starved("decode", 2, "PREP-BOUND|CPU-OVERSUBSCRIBED") },
    Real {
        alone: true,
        may: &["CPU-OVERSUBSCRIBED"],
        ..starved("oversubscribed", 6, "CPU-OVERSUBSCRIBED|PREP-BOUND")
    },
    Real { alone: true, ..starved("few", 2, "TOO-FEW-WORKERS") },
    Real { alone: true, ..starved("few-3-workers", 3, "TOO-FEW-WORKERS") },
    starved("inline", 0, "TOO-FEW-WORKERS"),
    starved("inline-quick", 0, "TOO-FEW-WORKERS"),
    starved("head-of-line", 4, "HEAD-OF-LINE"),
    starved("hand-over", 2, "DELIVERY-BOUND"),
    starved("object-store", 2, "REMOTE-FS"),
    Real { alone: true, ..quiet("main-thread", &["MAIN-THREAD"]) },
    quiet("respawn", &["EPOCH-RESPAWN"]),
    quiet("fed", &[]),
    quiet("tight", &[]),
    quiet("accumulate", &[]),
    quiet("validate", &["EVAL-SHARE"]),
    quiet("checkpoint", &["CHECKPOINT-STALL"]),
    quiet("pinned", &[]),
    quiet("persistent", &[]),
    quiet("cold-start", &[]),
    quiet("compile", &[]),
];

/// A training, ended with the value.
pub(crate) struct Training {
    child: Child,
    lines: Receiver<String>,
    deadline: Instant,
}

impl Training {
    /// Starts `lab.py` with these arguments under a group's limits, and waits until its loop runs.
    pub(crate) fn start(python: &Path, arguments: &[String], group: &Group, seconds: u64) -> Self {
        // The shell waits to be put under the limits before it becomes the training.
        let mut child = Command::new("sh")
            .args(["-c", "read go; exec \"$@\"", "sh"])
            .arg(python)
            .args(["-W", "ignore"])
            .arg(train::script("lab.py"))
            .args(arguments)
            .env("OMP_NUM_THREADS", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        group.hold(child.id());
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        let (send, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        let deadline = Instant::now() + Duration::from_secs(120 + 3 * seconds);
        let training = Self { child, lines, deadline };
        training.until("ready");
        training
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it says so.
    pub(crate) fn until(&self, wanted: &str) {
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            if line.unwrap_or_else(|error| panic!("no {wanted:?} of the training: {error}"))
                == wanted
            {
                return;
            }
        }
    }
}

impl Drop for Training {
    fn drop(&mut self) {
        // Its workers too, which do not always notice that it is gone.
        if let Some(group) = Pid::from_raw(self.child.id().cast_signed()) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

/// The files that are read: large ones of 1 MiB, small ones of 8 KiB. On a disk, made once.
pub(crate) fn files() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab-files");
    let lock = fs::File::create(folder.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    let whole = folder.join("whole");
    if !whole.exists() {
        let bytes: Vec<u8> =
            (0..1 << 20_u32).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for (name, count, length) in [("large", 64, 1 << 20), ("small", 4000, 8 << 10)] {
            fs::create_dir_all(folder.join(name)).unwrap();
            for number in 0..count {
                let file = folder.join(name).join(format!("{number:04}"));
                fs::write(file, &bytes[..length]).unwrap();
            }
        }
        rustix::fs::sync();
        fs::write(whole, "").unwrap();
    }
    folder
}

/// The program, recording a training with the stand-in GPU that follows it.
pub(crate) fn record(training: &Training, folder: &Path, seconds: u64) -> PathBuf {
    let trainer = training.pid();
    let scenario = format!(
        "gpu 0 name=NVIDIA_H100_80GB_HBM3 mem_used=64424509440 util=50\n\
         proc gpu=0 pid={trainer} mem=64424509440\n"
    );
    fs::write(folder.join("scenario"), scenario).unwrap();
    let session = folder.join("session.mltop.jsonl.zst");
    let _ = fs::remove_file(&session);
    let status = Command::new(env!("CARGO_BIN_EXE_mltop"))
        .args(["record", "--pid", &trainer.to_string(), "--duration", &format!("{seconds}s"), "-o"])
        .arg(&session)
        .env("MLTOP_STANDIN", folder.join("scenario"))
        .env("MLTOP_STANDIN_CONTROL", folder.join("control"))
        .env("LD_LIBRARY_PATH", standin::build("full"))
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "the recording failed");
    session
}

/// What came of a recording with the truth beside it.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) told: Vec<Told>,
    pub(crate) seconds: f64,
    pub(crate) waits: Vec<Span>,
    pub(crate) onset: f64,
    pub(crate) end: f64,
    /// Steps a second since the onset.
    pub(crate) rate: f64,
}

/// Plays a recording again. Times are seconds since its begin.
pub(crate) fn hear(session: &Path, truth: &Path) -> Heard {
    let (file, _) = SessionFile::open(session).unwrap();
    let (first, last) = file.span();
    let begin = first.unix_ms as f64 / 1e3;
    let mut listener = Listener::new(first.unix_ms);
    for sample in file.samples(0, u64::MAX) {
        listener.hear((*sample).clone());
    }
    let mut heard = Heard {
        told: listener.end(),
        seconds: (last.unix_ms - first.unix_ms) as f64 / 1e3,
        waits: Vec::new(),
        onset: 0.0,
        end: 0.0,
        rate: f64::NAN,
    };
    for line in fs::read_to_string(truth).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let seconds = |key: &str| line[key].as_f64().unwrap();
        if line["k"] == "wait" {
            let wait = (seconds("a") - begin, seconds("b") - begin);
            if wait.1 > 0.0 && wait.0 < heard.seconds {
                heard.waits.push((wait.0.max(0.0), wait.1.min(heard.seconds)));
            }
        } else {
            (heard.onset, heard.end) = (seconds("onset") - begin, seconds("end") - begin);
            heard.rate = seconds("steps") / seconds("seconds");
        }
    }
    heard
}

/// Where what a scenario recorded is kept, to be scored again.
fn kept(real: &Real, seed: u64) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab");
    folder.join(format!("{}-{seed}", real.name))
}

/// Runs a scenario for so many seconds, or plays again what it recorded the last time.
pub(crate) fn run(real: &Real, seed: u64, seconds: u64, again: bool) -> Result<Outcome, String> {
    let folder = kept(real, seed);
    let (session, truth) = (folder.join("session.mltop.jsonl.zst"), folder.join("truth.jsonl"));
    if !(again && session.exists() && truth.exists()) {
        fs::create_dir_all(&folder).unwrap();
        let named = train::interpreters().into_iter().find(|(name, _)| *name == "newest");
        let (_, python) = named.ok_or("no PyTorch")?;
        let files = files();
        let group = Group::new(&files, real.limits)?;
        fs::write(folder.join("control"), "").unwrap();
        let onset = Dice::seeded(seed).between(6.0, 12.0);
        let value = |path: &Path| path.display().to_string();
        let arguments = [
            real.name.to_owned(),
            format!("--seconds={}", seconds + 1),
            format!("--onset={onset}"),
            format!("--out={}", value(&truth)),
            format!("--files={}", value(&files)),
            format!("--control={}", value(&folder.join("control"))),
        ];
        let training = Training::start(&python, &arguments, &group, seconds);
        for limit in real.limits {
            if let Limit::Cache(bytes) = limit {
                group.leave(*bytes);
            }
        }
        record(&training, &folder, seconds);
        training.until("done");
    }
    Ok(outcome(real, hear(&session, &truth)))
}

fn outcome(real: &Real, heard: Heard) -> Outcome {
    let phases: Vec<_> =
        real.cause.map(|cause| (heard.onset, heard.end, cause)).into_iter().collect();
    let steps: Vec<f64> = heard.waits.iter().map(|wait| wait.1).collect();
    let waits: Vec<Span> =
        heard.waits.iter().copied().filter(|wait| wait.1 - wait.0 > 0.0005).collect();
    let mut truth = truth::stretches(&waits, &phases, &steps, real.workers);
    for stretch in &mut truth {
        stretch.to = stretch.to.min(heard.seconds);
    }
    Outcome {
        name: real.name.to_owned(),
        seconds: heard.seconds,
        truth,
        told: heard.told,
        may: real.may.iter().map(|&code| code.to_owned()).collect(),
    }
}
