//! `mltop render`: a screen of a recorded stream as a picture or as text.

use std::fs;

use crate::app::{Feed, Msg, ScreenKind, State};
use crate::cli;
use crate::diagnose::Settings;
use crate::error::Error;
use crate::export;
use crate::record;
use crate::ui;
use crate::view;

use super::looks::Looks;
use super::pipeline::Pipeline;

/// Reads the recording up to the moment, and draws its screen.
pub(super) fn render(render: &cli::Render, look: &cli::Look) -> Result<(), Error> {
    let kind = render.output.extension().and_then(|ending| ending.to_str());
    if !matches!(kind, Some("svg" | "txt")) {
        return Err(Error::Kind(render.output.clone()));
    }
    let screen =
        ScreenKind::numbered(render.screen).ok_or(Error::Screen { number: render.screen })?;
    let session = record::read::open(&render.file)?;
    let (first, last) = session.span();
    let until = moment(&render.at, first.unix_ms, last.unix_ms)?;
    let mut pipeline = Pipeline::new(Settings::default());
    let (width, height) = render.size;
    let mut state = State::new(width, height);
    state.screen = screen;
    state.feed = Feed::Replay {
        name: render.file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        speed: 1.0,
        interval_ms: session.head.as_ref().map_or(1000, |head| head.interval_ms),
    };
    state.zoom_to(render.zoom.as_millis() as u64);
    for sample in session.samples().take_while(|sample| sample.stamp.unix_ms <= until) {
        let (frame, _) = pipeline.push(sample);
        state.update(Msg::Tick(pipeline.tick(frame, first.mono_ms)));
    }
    let styles = Looks::of_picture(look)?.styles();
    let screen = view::build(&state, &pipeline.history, width, height);
    let picture = ui::picture(&screen, &styles);
    let text =
        if kind == Some("svg") { export::svg(&picture, "mltop") } else { export::text(&picture) };
    fs::write(&render.output, text)
        .map_err(|source| Error::Write { path: render.output.clone(), source })
}

/// The moment meant by `text` as a Unix time in milliseconds, within the recording.
pub(super) fn moment(text: &str, first_ms: i64, last_ms: i64) -> Result<i64, Error> {
    let at_ms = if let Some(before_end) = text.strip_prefix('-') {
        cli::span(before_end).map(|span| last_ms - span.as_millis() as i64)
    } else if text.contains(':') {
        time_of_day(text, first_ms)
    } else {
        cli::span(text.trim_start_matches('+')).map(|span| first_ms + span.as_millis() as i64)
    }
    .map_err(|why| {
        Error::Moment(format!(
            "--at: {why}; for one before the end -5s, for a time of day 14:02:31"
        ))
    })?;
    if (first_ms..=last_ms).contains(&at_ms) {
        return Ok(at_ms);
    }
    let seconds = (last_ms - first_ms) as f64 / 1e3;
    Err(Error::Moment(format!(
        "--at {text} lies outside of the recording, which is {seconds:.0} s long"
    )))
}

/// The first moment of the recording or after it with this time of day, in UTC.
fn time_of_day(text: &str, first_ms: i64) -> Result<i64, String> {
    const DAY_MS: i64 = 86_400_000;
    let time: jiff::civil::Time =
        text.parse().map_err(|_| format!("'{text}' is not a time of day"))?;
    let of_day = i64::from(time.hour()) * 3_600_000
        + i64::from(time.minute()) * 60_000
        + i64::from(time.second()) * 1000;
    let midnight = first_ms - first_ms.rem_euclid(DAY_MS);
    // The recording starts within the second that is named.
    let after = if of_day + midnight + 999 < first_ms { DAY_MS } else { 0 };
    Ok((midnight + of_day + after).max(first_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_763_820_000_000;

    #[test]
    fn a_moment_counts_from_the_start_from_the_end_or_is_a_time_of_day() {
        let end = START + 60_000;
        assert_eq!(moment("10", START, end).unwrap(), START + 10_000);
        assert_eq!(moment("+10s", START, end).unwrap(), START + 10_000);
        assert_eq!(moment("-0s", START, end).unwrap(), end);
        assert_eq!(moment("14:00:30", START, end).unwrap(), START + 30_000);
    }

    #[test]
    fn a_moment_outside_names_the_length_of_the_recording() {
        let error = moment("2m", START, START + 60_000).unwrap_err();
        assert!(error.to_string().contains("60 s long"), "{error}");
        assert!(moment("soon", START, START).is_err());
        assert!(moment("25:00", START, START).is_err());
    }
}
