//! `mltop record`: a session to a file, without a screen.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid as Process;
use tokio::signal::unix::SignalKind;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::cli;
use crate::diagnose::Settings;
use crate::error::Error;
use crate::fmt;
use crate::model::{EventKind, Sample};
use crate::record::Progress;
use crate::source::sampler::Sampler;
use crate::source::text::redact;

use super::heard::Heard;
use super::launch::witness::Witness;
use super::pipeline::Pipeline;
use super::recorder::{Recorder, default_path, options};
use super::stream::session;
use super::{WAITING, plan};

/// How often the command is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// A shell's way to say that a signal ended something.
const BY_SIGNAL: i32 = 128;

/// Begins a recording with its first sample.
type Begin<'a> = dyn Fn(&Sample) -> Result<Recorder, Error> + 'a;

/// A recording without a screen: what to read, for how long, and where it goes.
pub(super) struct Headless<'a> {
    pub(super) watch: &'a cli::Watch,
    pub(super) duration: Option<Duration>,
    pub(super) command: &'a [OsString],
    /// How findings are looked for.
    pub(super) settings: &'a Settings,
    /// Begins it with the first sample, and says where.
    pub(super) begin: Box<Begin<'a>>,
}

/// Records to a file until it is asked to stop, and says with which exit code to end.
pub(super) fn record(wanted: &cli::Record, settings: &Settings) -> Result<u8, Error> {
    let interval = wanted.watch.interval;
    let options = options(wanted.keep, wanted.max_bytes);
    let begin = move |first: &Sample| {
        let path = wanted.output.clone().unwrap_or_else(|| default_path(first));
        Recorder::start(&path, session(first, interval, false), first, options)
    };
    run(&Headless {
        watch: &wanted.watch,
        duration: wanted.duration,
        command: &wanted.command,
        settings,
        begin: Box::new(begin),
    })
}

/// Records until it is asked to stop, and says with which exit code to end.
pub(super) fn run(wanted: &Headless<'_>) -> Result<u8, Error> {
    let plan = plan(wanted.watch)?;
    let (sender, samples) = tokio::sync::mpsc::channel(WAITING);
    let sampler = Sampler::start(plan, move |sample: Arc<Sample>| {
        use tokio::sync::mpsc::error::TrySendError;
        // A full channel leaves a hole in the numbering, which is told as a gap.
        !matches!(sender.try_send(sample), Err(TrySendError::Closed(_)))
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(async { Recording::new(wanted)?.run(samples).await });
    drop(sampler);
    runtime.shutdown_background();
    result
}

/// What a recording hears.
struct Recording<'a> {
    wanted: &'a Headless<'a>,
    pipeline: Pipeline,
    recorder: Option<Recorder>,
    terminate: Heard,
    interrupt: Heard,
    hangup: Heard,
    child: Option<Child>,
    /// Beside the command: where there is none, what is sent to all of us reaches it twice.
    witness: Option<Witness>,
    said: Option<String>,
}

impl<'a> Recording<'a> {
    fn new(wanted: &'a Headless<'a>) -> io::Result<Self> {
        let hear = |kind| {
            // What is ignored stays ignored for a command, as under nohup.
            if wanted.command.is_empty() {
                Heard::always(kind)
            } else {
                Heard::unless_ignored(kind)
            }
        };
        Ok(Self {
            wanted,
            pipeline: Pipeline::new(wanted.settings.clone()),
            recorder: None,
            terminate: hear(SignalKind::terminate())?,
            interrupt: hear(SignalKind::interrupt())?,
            hangup: hear(SignalKind::hangup())?,
            child: None,
            witness: None,
            said: None,
        })
    }

    async fn run(mut self, mut samples: Receiver<Arc<Sample>>) -> Result<u8, Error> {
        let end = self.wanted.duration.map(|duration| Instant::now() + duration);
        let far = Instant::now() + Duration::from_hours(24 * 365 * 30);
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // False once it is over before its command is.
        let mut records = true;
        loop {
            let reason = tokio::select! {
                biased;
                () = self.terminate.recv() => {
                    if self.pass_on(Signal::SIGTERM) { continue }
                    Ok("SIGTERM")
                }
                () = self.hangup.recv() => {
                    if self.pass_on(Signal::SIGHUP) { continue }
                    Ok("SIGHUP: the terminal is gone")
                }
                // The terminal sends it to the command as well.
                () = self.interrupt.recv() => match self.child {
                    Some(_) => continue,
                    None => Ok("stopped by the user"),
                },
                _ = look.tick() => match self.child_ended()? {
                    Some(code) => {
                        let result = if records { self.end("the command ended") } else { Ok(()) };
                        // The command's own exit code stands, whatever became of its recording.
                        result.unwrap_or_else(|error| say(&error.to_string()));
                        return Ok(code);
                    }
                    None => continue,
                },
                sample = samples.recv(), if records => match sample {
                    Some(sample) => match self.sample(sample).transpose() {
                        Some(reason) => reason,
                        None => continue,
                    },
                    None => Ok("the samples ended"),
                },
                () = sleep_until(end.unwrap_or(far)), if records => Ok("the time asked for is over"),
            };
            let result = reason.and_then(|reason| self.end(reason));
            if self.child.is_none() {
                return result.map(|()| 0);
            }
            // Whoever started the command with us waits for its end and its exit code.
            say(&match &result {
                Ok(()) => "the command goes on without it".to_owned(),
                Err(error) => format!("{error}; the command goes on"),
            });
            records = false;
            samples.close();
        }
    }

    /// Passes a signal on to the command, unless it was sent to all of us. False where there is none.
    fn pass_on(&mut self, signal: Signal) -> bool {
        let Some(child) = &self.child else { return false };
        if !self.witness.as_mut().is_some_and(|witness| witness.heard(signal)) {
            // It may have ended this moment; its end is seen at the next look.
            let _ = kill(Process::from_raw(child.id().cast_signed()), signal);
        }
        true
    }

    /// Takes a sample. The reason to stop, where there is one.
    fn sample(&mut self, sample: Arc<Sample>) -> Result<Option<&'static str>, Error> {
        let first = self.recorder.is_none();
        if first {
            let recorder = (self.wanted.begin)(&sample)?;
            say(&format!("recording to {}; Ctrl-C ends it", recorder.path().display()));
            self.recorder = Some(recorder);
        }
        let (frame, changes) = self.pipeline.push(sample);
        if let Some(recorder) = &mut self.recorder {
            recorder.tick(&frame, &changes);
        }
        if first && let Err(error) = self.start_command() {
            self.end("the command could not be run")?;
            return Err(error);
        }
        let progress = self.recorder.as_ref().map(Recorder::progress).unwrap_or_default();
        self.tell(&progress);
        if let Some(why) = progress.failed {
            return Err(Error::Record(format!("the recording ended: {why}")));
        }
        Ok(progress.full.then_some("the size asked for is reached"))
    }

    /// Says once when writing stops or goes on.
    fn tell(&mut self, progress: &Progress) {
        if self.said != progress.paused {
            match &progress.paused {
                Some(why) => say(&format!("recording paused: {why}")),
                None => say("recording goes on"),
            }
            self.said.clone_from(&progress.paused);
        }
    }

    fn start_command(&mut self) -> Result<(), Error> {
        let Some((program, arguments)) = self.wanted.command.split_first() else { return Ok(()) };
        let words: Vec<String> =
            self.wanted.command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let line = redact(&words.iter().map(String::as_str).collect::<Vec<_>>());
        self.witness = Witness::start_among_handlers().ok();
        let child = Command::new(program).args(arguments).spawn().map_err(|error| {
            Error::Record(format!("cannot run {}: {error}", program.to_string_lossy()))
        })?;
        if let Some(recorder) = &mut self.recorder {
            recorder.event(EventKind::Start, format!("started as process {}: {line}", child.id()));
        }
        self.child = Some(child);
        Ok(())
    }

    /// The exit code of the command once it has ended.
    fn child_ended(&mut self) -> io::Result<Option<u8>> {
        let Some(child) = &mut self.child else { return Ok(None) };
        let Some(status) = child.try_wait()? else { return Ok(None) };
        if let Some(recorder) = &mut self.recorder {
            recorder.event(EventKind::Stop, format!("the command {}", ended(status)));
        }
        let code = status.code().or_else(|| status.signal().map(|signal| BY_SIGNAL + signal));
        Ok(Some(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)))
    }

    fn end(&mut self, reason: &str) -> Result<(), Error> {
        let Some(recorder) = self.recorder.take() else {
            return Err(Error::Record(
                "stopped before the first tick; nothing was recorded".into(),
            ));
        };
        let path = recorder.path().to_owned();
        let progress = recorder
            .end(reason)
            .map_err(|source| Error::Record(format!("{}: {source}", path.display())))?;
        let lost = match progress.lost {
            0 => String::new(),
            lost => format!(", {lost} ticks could not be written"),
        };
        let size = fmt::size(progress.bytes as f64);
        say(&format!("{}: {} ticks, {}{lost}", path.display(), progress.ticks, size.trim()));
        Ok(())
    }
}

fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

/// A line beside the output of a command. Nobody may be there to read it.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "mltop: {line}");
}
