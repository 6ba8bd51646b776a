//! `mltop record`: a session to a file, without a screen.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until};

use crate::cli;
use crate::diagnose::Settings;
use crate::error::Error;
use crate::fmt;
use crate::model::{EventKind, Sample};
use crate::record::Progress;
use crate::source::sampler::Sampler;

use super::launch::child::{Ending, Kept, Running};
use super::launch::marks;
use super::pipeline::Pipeline;
use super::recorder::{Recorder, default_path, options};
use super::stream::session;
use super::{WAITING, plan};

/// Between two looks for a signal that ends us before the command is started.
const LOOK: Duration = Duration::from_millis(50);

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
    // Before any thread.
    let kept = if wanted.command.is_empty() { None } else { Some(Kept::take()?) };
    let plan = plan(wanted.watch)?;
    let (sender, samples) = tokio::sync::mpsc::channel(WAITING);
    let sampler = Sampler::start(plan, move |sample: Arc<Sample>| {
        use tokio::sync::mpsc::error::TrySendError;
        // A full channel leaves a hole in the numbering, which is told as a gap.
        !matches!(sender.try_send(sample), Err(TrySendError::Closed(_)))
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(async { Recording::new(wanted, kept)?.run(samples).await });
    drop(sampler);
    runtime.shutdown_background();
    result
}

/// Where a recording hears of its end from.
#[derive(Debug)]
enum Ears {
    /// There is no command: the signals that end a program.
    Alone { terminate: Signal, interrupt: Signal, hangup: Signal },
    /// The command is still to be started.
    Before(Option<Kept>),
    /// The command, which gets the signals.
    Beside(oneshot::Receiver<io::Result<Ending>>),
    /// Nobody tells any more.
    Deaf,
}

/// What it hears.
enum Heard {
    Asked(&'static str),
    Ended(io::Result<Ending>),
}

impl Ears {
    fn new(kept: Option<Kept>) -> io::Result<Self> {
        if kept.is_some() {
            return Ok(Self::Before(kept));
        }
        Ok(Self::Alone {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn hear(&mut self) -> Heard {
        match self {
            Self::Alone { terminate, interrupt, hangup } => Heard::Asked(tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "stopped by the user",
                _ = hangup.recv() => "SIGHUP: the terminal is gone",
            }),
            Self::Before(kept) => {
                while !kept.as_ref().is_some_and(Kept::came) {
                    sleep(LOOK).await;
                }
                Heard::Asked("stopped before the command was started")
            }
            Self::Beside(ending) => {
                let nobody = |_| Err(io::Error::other("nobody waited for the command"));
                let ending = ending.await.unwrap_or_else(nobody);
                *self = Self::Deaf;
                Heard::Ended(ending)
            }
            Self::Deaf => std::future::pending().await,
        }
    }
}

/// A recording under way.
struct Recording<'a> {
    wanted: &'a Headless<'a>,
    pipeline: Pipeline,
    recorder: Option<Recorder>,
    ears: Ears,
    said: Option<String>,
    trouble: Option<String>,
}

impl<'a> Recording<'a> {
    fn new(wanted: &'a Headless<'a>, kept: Option<Kept>) -> io::Result<Self> {
        Ok(Self {
            wanted,
            pipeline: Pipeline::new(wanted.settings.clone()),
            recorder: None,
            ears: Ears::new(kept)?,
            said: None,
            trouble: None,
        })
    }

    async fn run(mut self, mut samples: Receiver<Arc<Sample>>) -> Result<u8, Error> {
        let end = self.wanted.duration.map(|duration| Instant::now() + duration);
        let far = Instant::now() + Duration::from_hours(24 * 365 * 30);
        // False once it is over before its command is.
        let mut records = true;
        loop {
            let reason = tokio::select! {
                biased;
                heard = self.ears.hear() => match heard {
                    Heard::Asked(reason) => Ok(reason),
                    Heard::Ended(ending) => return Ok(self.ended(ending?, records)),
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
            if !matches!(self.ears, Ears::Beside(_)) {
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

    /// Notes how the command ended, and says with which exit code to end.
    fn ended(&mut self, ending: Ending, records: bool) -> u8 {
        if let Some(recorder) = &mut self.recorder {
            recorder.event(EventKind::Stop, format!("the command {}", ending.words()));
        }
        if records && let Err(error) = self.end("the command ended") {
            // The command's own exit code stands, whatever became of its recording.
            say(&error.to_string());
        }
        ending.code()
    }

    /// Takes a sample. The reason to stop, where there is one.
    fn sample(&mut self, sample: Arc<Sample>) -> Result<Option<&'static str>, Error> {
        let first = self.recorder.is_none();
        if first {
            let recorder = (self.wanted.begin)(&sample)?;
            // Ctrl-C is the command's to answer, where there is one.
            let alone = self.wanted.command.is_empty();
            let until = if alone { "; Ctrl-C ends it" } else { " until the command ends" };
            say(&format!("recording to {}{until}", recorder.path().display()));
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

    /// Says once when writing stops or goes on, and what could not be done beside it.
    fn tell(&mut self, progress: &Progress) {
        if self.said != progress.paused {
            match &progress.paused {
                Some(why) => say(&format!("recording paused: {why}")),
                None => say("recording goes on"),
            }
            self.said.clone_from(&progress.paused);
        }
        if self.trouble != progress.trouble {
            progress.trouble.iter().for_each(|why| say(why));
            self.trouble.clone_from(&progress.trouble);
        }
    }

    fn start_command(&mut self) -> Result<(), Error> {
        let Ears::Before(kept) = &mut self.ears else { return Ok(()) };
        let Some(kept) = kept.take() else { return Ok(()) };
        let running = Running::start(self.wanted.command, kept, |_| Ok(()))?;
        if let Some(recorder) = &mut self.recorder {
            let (pid, line) = (running.pid(), marks::line(self.wanted.command));
            recorder.event(EventKind::Start, format!("started as process {pid}: {line}"));
        }
        let (told, ending) = oneshot::channel();
        self.ears = Ears::Beside(ending);
        let wait = move || {
            let _ = told.send(running.wait());
        };
        thread::Builder::new().name("command".into()).spawn(wait)?;
        Ok(())
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

/// A line beside the output of a command. Nobody may be there to read it.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "mltop: {line}");
}
