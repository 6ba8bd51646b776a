//! `mltop render`: a screen of a recorded stream as a picture or as text.

use crate::app::{Feed, Msg, ScreenKind, State};
use crate::cli;
use crate::diagnose::Settings;
use crate::error::Error;
use crate::export;
use crate::record;
use crate::ui;
use crate::view;

use super::looks::Looks;
use super::moment::moment;
use super::pipeline::Drawn;
use super::session::{put, settings};

/// Reads the recording up to the moment, and draws its screen.
pub(super) fn render(render: &cli::Render, look: &cli::Look, base: &Settings) -> Result<(), Error> {
    let kind = render.output.extension().and_then(|ending| ending.to_str());
    if !matches!(kind, Some("svg" | "txt")) {
        return Err(Error::Kind(render.output.clone()));
    }
    let screen =
        ScreenKind::numbered(render.screen).ok_or(Error::Screen { number: render.screen })?;
    let session = record::read::open(&render.file)?;
    let (first, last) = session.span();
    let until = moment("--at", &render.at, (first.unix_ms, last.unix_ms), 0)?;
    let mut drawn = Drawn::new(settings(session.head.as_deref(), base));
    let (width, height) = render.size;
    let mut state = State::new(width, height);
    state.screen = screen;
    state.feed = Feed::Replay {
        name: render.file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        speed: 1.0,
        interval_ms: session.head.as_ref().map_or(1000, |head| head.interval_ms),
    };
    state.zoom_to(render.zoom.as_millis() as u64);
    let samples = session.samples().take_while(|sample| sample.stamp.unix_ms <= until);
    for sample in samples {
        let (frame, _) = drawn.push(sample);
        state.update(Msg::Tick(drawn.pipeline.tick(frame, first.mono_ms)));
    }
    let screen = view::build(&state, &drawn.history, width, height);
    let painted = |looks: Looks| ui::picture(&screen, &looks.styles());
    let text = match kind {
        Some("svg") => export::svg(&painted(Looks::of_picture(look)?), "mltop"),
        _ => export::text(&painted(Looks::of_text(look)?)),
    };
    put(Some(&render.output), text.as_bytes())
}
