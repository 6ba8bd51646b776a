//! `mltop report`: what a recorded session came to.

use crate::cli;
use crate::diagnose::Settings;
use crate::error::Error;
use crate::report::{self, About, Gather, Report};

use super::moment::part;
use super::pipeline::Pipeline;
use super::session::{Recorded, damage, put};

/// Makes the report and writes it.
pub(super) fn report(wanted: &cli::Report, settings: &Settings) -> Result<(), Error> {
    let recorded = Recorded::open(&wanted.file)?;
    let report = of(&recorded, &wanted.part, settings)?;
    let text = if wanted.html {
        report::html(&report)
    } else if wanted.md {
        report::markdown(&report)
    } else if wanted.json {
        report::json(&report)
    } else {
        report::text(&report)
    };
    put(wanted.output.as_deref(), text.as_bytes())
}

/// Plays the session from its start, so that what began before the part is known in it.
fn of(recorded: &Recorded, wanted: &cli::Part, settings: &Settings) -> Result<Report, Error> {
    let part = part(wanted, recorded.span_ms.0, recorded.span_ms.1)?;
    let file = &recorded.file;
    let mut about = About { file: recorded.name.clone(), ..About::default() };
    if let Some(head) = file.head() {
        about.writer = head.writer.to_string();
        about.session = head.session.to_string();
        about.interval_ms = head.interval_ms;
    }
    about.end = file.end().map(|end| end.reason.clone());
    let settings = recorded.settings(settings);
    let mut gather = Gather::new(about, *part.start(), &settings);
    let (first, last) = file.span();
    let mut pipeline = Pipeline::new(settings);
    file.read_ahead((first.mono_ms, last.mono_ms), |samples| {
        let samples = samples.take_while(|sample| sample.stamp.unix_ms <= *part.end());
        pipeline.play(samples, |pipeline, frame, changes| {
            gather.push(frame, changes, pipeline.engine.verdicts());
        });
    });
    gather.renew(&pipeline.engine);
    let mut report = gather.finish(&file.events());
    // Damage shows itself where it is read.
    report.about.damage = damage(&file.health());
    Ok(report)
}
