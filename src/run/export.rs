//! `mltop export`: a recorded session in the forms of other tools.

use std::io::{self, BufWriter, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::app::{Feed, Msg, State};
use crate::cli::{self, Form};
use crate::diagnose::{Change, Settings};
use crate::error::Error;
use crate::export::{self, Cast, chrome, csv};
use crate::history::History;
use crate::model::{Event, EventKind, Finding, Frame, Sample};
use crate::record::Encoder;
use crate::ui::{self, Styles};
use crate::view;

use super::looks::Looks;
use super::moment::part;
use super::pipeline::{Drawn, Pipeline};
use super::session::{Recorded, create};
use super::stream::finding as finding_of;

/// Text is handed on in pieces of about this size.
const PIECE: usize = 256 << 10;

/// Writes the session in the form that is asked for.
pub(super) fn export(
    wanted: &cli::Export,
    look: &cli::Look,
    settings: &Settings,
) -> Result<(), Error> {
    let recorded = Recorded::open(&wanted.file)?;
    let part = part(&wanted.part, recorded.span_ms.0, recorded.span_ms.1)?;
    let styles = Looks::of_picture(look)?.styles();
    let mut out = Out::create(wanted.output.as_deref())?;
    let job = Job { recorded: &recorded, part, settings: recorded.settings(settings) };
    match wanted.to {
        Form::Csv => job.csv(&mut out),
        Form::Jsonl => job.lines(&mut out),
        Form::Chrome => job.chrome(&mut out),
        Form::Cast => job.cast(wanted.size, &styles, &mut out),
        Form::Svg => job.svg(wanted.size, &styles, &mut out),
    }?;
    out.finish()
}

/// Where the text goes.
struct Out {
    to: Box<dyn Write>,
    path: Option<PathBuf>,
    text: String,
    /// The reader went away, which is how a pipe into `head` ends.
    gone: bool,
}

impl Out {
    fn create(path: Option<&Path>) -> Result<Self, Error> {
        let to: Box<dyn Write> = match path {
            Some(path) => Box::new(create(path)?),
            None => Box::new(BufWriter::new(io::stdout().lock())),
        };
        let path = path.map(Path::to_owned);
        Ok(Self { to, path, text: String::with_capacity(PIECE * 2), gone: false })
    }

    /// Hands text on once there is enough of it. False where nobody wants more.
    fn pass(&mut self) -> Result<bool, Error> {
        if self.text.len() < PIECE {
            return Ok(!self.gone);
        }
        self.write()?;
        Ok(!self.gone)
    }

    fn write(&mut self) -> Result<(), Error> {
        if !self.gone {
            match self.to.write_all(self.text.as_bytes()).and_then(|()| self.to.flush()) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.gone = true,
                Err(source) => {
                    return Err(match &self.path {
                        Some(path) => Error::Write { path: path.clone(), source },
                        None => Error::Io(source),
                    });
                }
                Ok(()) => {}
            }
        }
        self.text.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<(), Error> {
        self.write()
    }
}

struct Job<'a> {
    recorded: &'a Recorded,
    part: RangeInclusive<i64>,
    settings: Settings,
}

impl Job<'_> {
    /// The samples from the session's start to the part's end, so that what began before the part is
    /// known in it.
    fn samples(&self) -> impl Iterator<Item = Arc<Sample>> {
        let file = &self.recorded.file;
        let (first, last) = file.span();
        let samples = file.samples(first.mono_ms, last.mono_ms);
        samples.take_while(|sample| sample.stamp.unix_ms <= *self.part.end())
    }

    fn holds(&self, frame: &Frame) -> bool {
        self.part.contains(&frame.sample.stamp.unix_ms)
    }

    /// Plays the session, and hands over each frame of the part.
    fn play(
        &self,
        mut each: impl FnMut(&Frame, &[Change]) -> Result<bool, Error>,
    ) -> Result<Vec<Finding>, Error> {
        let mut pipeline = Pipeline::new(self.settings.clone());
        for sample in self.samples() {
            let (frame, changes) = pipeline.push(sample);
            if self.holds(&frame) && !each(&frame, &changes)? {
                break;
            }
        }
        Ok(pipeline.engine.findings().to_vec())
    }

    /// Plays the session, and hands over what a screen is drawn from at each frame of the part.
    fn draw(
        &self,
        mut state: State,
        mut each: impl FnMut((&State, &History), &Frame, &[Change]) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let mut drawn = Drawn::new(self.settings.clone());
        let oldest = self.recorded.file.span().0.mono_ms;
        for sample in self.samples() {
            let (frame, changes) = drawn.push(sample);
            if self.holds(&frame) {
                state.update(Msg::Tick(drawn.pipeline.tick(Arc::clone(&frame), oldest)));
                if !each((&state, &drawn.history), &frame, &changes)? {
                    break;
                }
            }
        }
        Ok(())
    }

    /// What the session itself tells of the part: marks, gaps, its start and end.
    fn events(&self) -> Vec<Event> {
        let events = self.recorded.file.events();
        let told = events.iter().filter(|event| event.kind != EventKind::Finding);
        told.filter(|event| self.part.contains(&event.t_ms)).cloned().collect()
    }

    fn csv(&self, out: &mut Out) -> Result<(), Error> {
        out.text.push_str(csv::HEADING);
        self.play(|frame, _| {
            csv::frame(frame, &mut out.text);
            out.pass()
        })?;
        Ok(())
    }

    /// The session's own lines, with what follows from them and the findings derived anew.
    fn lines(&self, out: &mut Out) -> Result<(), Error> {
        let info = self.recorded.file.head().map(|head| (**head).clone()).unwrap_or_default();
        let mut encoder = Encoder::new(info);
        encoder.head(&mut out.text);
        let mut events = self.events().into_iter().peekable();
        let mut last_ms = *self.part.start();
        self.play(|frame, changes| {
            last_ms = frame.sample.stamp.unix_ms;
            encoder.tick(&frame.sample, Some(frame), &mut out.text);
            while let Some(event) = events.next_if(|event| event.t_ms <= last_ms) {
                encoder.event(&event, &mut out.text);
            }
            for change in changes {
                encoder.event(&finding_of(change).to_event(last_ms), &mut out.text);
            }
            out.pass()
        })?;
        let end = self.recorded.file.end();
        let reason = end.map_or("the recording has no end", |end| &end.reason);
        encoder.end(last_ms, reason, &mut out.text);
        Ok(())
    }

    fn chrome(&self, out: &mut Out) -> Result<(), Error> {
        let head = self.recorded.file.head();
        let (host, session) = head.map_or(("", ""), |head| (&*head.host.name, &*head.session));
        out.text.push_str(&chrome::begin(host, session));
        let findings = self.play(|frame, _| {
            chrome::frame(frame, &mut out.text);
            out.pass()
        })?;
        let until = *self.part.end();
        for finding in
            findings.iter().filter(|one| one.end_ms.unwrap_or(until) >= *self.part.start())
        {
            chrome::finding(finding, until, &mut out.text);
        }
        for mark in self.events().iter().filter(|event| event.kind == EventKind::Mark) {
            chrome::mark(mark.t_ms, &mark.title, &mut out.text);
        }
        out.text.push_str(&chrome::end());
        Ok(())
    }

    fn state(&self, (width, height): (u16, u16)) -> State {
        let mut state = State::new(width, height);
        let name = self.recorded.name.clone();
        state.feed = Feed::Replay { name, speed: 1.0, interval_ms: self.recorded.interval_ms() };
        state
    }

    fn cast(&self, size: (u16, u16), styles: &Styles, out: &mut Out) -> Result<(), Error> {
        let mut cast = Cast::new(size.0, size.1)?;
        out.text.push_str(&Cast::head(size.0, size.1, &self.recorded.name, *self.part.start()));
        let mut marks =
            self.events().into_iter().filter(|one| one.kind == EventKind::Mark).peekable();
        let mut last_ms = 0;
        self.draw(self.state(size), |(state, history), frame, changes| {
            let stamp = frame.sample.stamp;
            last_ms = stamp.mono_ms;
            let screen = view::build(state, history, size.0, size.1);
            cast.screen(last_ms, &screen, styles, &mut out.text)?;
            while let Some(mark) = marks.next_if(|mark| mark.t_ms <= stamp.unix_ms) {
                cast.marker(last_ms, &mark.title, &mut out.text);
            }
            for change in changes {
                if let Change::Opened(finding) = change {
                    cast.marker(last_ms, finding.rule.code(), &mut out.text);
                }
            }
            out.pass()
        })?;
        cast.end(last_ms, &mut out.text);
        Ok(())
    }

    fn svg(&self, size: (u16, u16), styles: &Styles, out: &mut Out) -> Result<(), Error> {
        let mut state = self.state(size);
        let length = self.part.end().saturating_sub(*self.part.start());
        state.zoom_to(length.max(0) as u64);
        let mut picture = None;
        self.draw(state, |(state, history), frame, _| {
            let last =
                frame.sample.stamp.unix_ms + self.recorded.interval_ms() as i64 > *self.part.end();
            if last {
                let screen = view::build(state, history, size.0, size.1);
                picture = Some(ui::picture(&screen, styles));
            }
            Ok(true)
        })?;
        if let Some(picture) = picture {
            out.text.push_str(&export::svg(&picture, "mltop"));
        }
        Ok(())
    }
}
