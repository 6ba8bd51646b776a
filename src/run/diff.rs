//! `mltop diff`: two sessions of the same training, before and after a change.

use std::path::Path;

use crate::cli;
use crate::diagnose::Settings;
use crate::error::Error;
use crate::report::compare::{self, Windows};

use super::pipeline::Pipeline;
use super::session::{Recorded, put};

/// Compares and writes what came of it.
pub(super) fn diff(wanted: &cli::Diff, settings: &Settings) -> Result<(), Error> {
    let (before, after) = (windows(&wanted.before, settings)?, windows(&wanted.after, settings)?);
    let comparison = compare::comparison(&before, &after, settings.price_per_gpu_hour);
    let text = if wanted.json {
        // Strings and finite numbers only: turning them into text cannot fail.
        serde_json::to_string_pretty(&comparison).unwrap_or_default() + "\n"
    } else {
        compare::text(&comparison)
    };
    put(None, text.as_bytes())
}

fn windows(path: &Path, settings: &Settings) -> Result<Windows, Error> {
    let recorded = Recorded::open(path)?;
    let mut windows = Windows::new(&recorded.name);
    let (first, last) = recorded.file.span();
    let mut pipeline = Pipeline::new(recorded.settings(settings));
    recorded.file.read_ahead((first.mono_ms, last.mono_ms), |samples| {
        pipeline.play(samples, |_, frame, _| windows.push(frame));
    });
    windows.finish();
    Ok(windows)
}
