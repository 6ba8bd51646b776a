//! `mltop verify` and `mltop cut`.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;

use crate::cli;
use crate::error::Error;
use crate::fmt;
use crate::record::Rewritten;
use crate::record::verify::{self, Verdict};

use super::flight::opened_to_copy;
use super::moment::moment;
use super::recorder::cannot_make;
use super::session::clock_utc;

/// Spots that are told one by one.
const SPOTS: usize = 50;
/// The exit code of a damaged file.
const DAMAGED: u8 = 1;

/// Says whether a file is whole, and mends it where that is asked for.
pub(super) fn verify(wanted: &cli::Verify) -> Result<u8, Error> {
    let verdict = verify::verify(&wanted.file)?;
    io::stdout().write_all(told(&wanted.file, &verdict).as_bytes())?;
    if let Some(new) = &wanted.output {
        let rewritten = verify::repair(&wanted.file, new)?;
        say_rewritten(new, rewritten)?;
    }
    Ok(if verdict.is_whole() { 0 } else { DAMAGED })
}

/// Cuts a span out of a file.
pub(super) fn cut(wanted: &cli::Cut) -> Result<(), Error> {
    let file = opened_to_copy(&wanted.file)?;
    let (first, last) = file.span();
    let since = moment("--since", &wanted.since, (first.unix_ms, last.unix_ms), 0)?;
    let until = moment("--until", &wanted.until, (first.unix_ms, last.unix_ms), 0)?;
    if since > until {
        let text = "--since lies after --until: give the earlier moment first";
        return Err(Error::Moment(text.to_owned()));
    }
    say_rewritten(&wanted.output, verify::cut(&file, &wanted.output, since..=until))
}

fn say_rewritten(new: &Path, rewritten: io::Result<Rewritten>) -> Result<(), Error> {
    let Rewritten { ticks, bytes } = rewritten.map_err(|error| cannot_make(new, &error))?;
    let size = fmt::size(bytes as f64);
    writeln!(io::stdout(), "{}: {ticks} ticks, {}", new.display(), size.trim())?;
    Ok(())
}

/// The verdict in words: what can be read, and what is damaged by time.
fn told(file: &Path, verdict: &Verdict) -> String {
    let mut text = String::new();
    let Verdict { ticks, ticks_expected, spots, .. } = verdict;
    let state = match (verdict.is_whole(), verdict.growing) {
        (true, true) => "whole so far, still being written",
        (true, false) => "whole",
        (false, _) => "damaged",
    };
    let file = file.display();
    let _ = writeln!(text, "{file}: {state}; {ticks} of {ticks_expected} ticks readable");
    for spot in spots.iter().take(SPOTS) {
        let lost = match spot.ticks_lost {
            0 => String::new(),
            lost => format!(", {lost} ticks lost"),
        };
        let (from, to) = (clock_utc(spot.from_ms), clock_utc(spot.to_ms));
        let when = if from == to { from } else { format!("{from} to {to}") };
        let _ = writeln!(text, "  {when}  {}{lost}", spot.what);
    }
    if let Some(more) = spots.len().checked_sub(SPOTS).filter(|more| *more > 0) {
        let _ = writeln!(text, "  and {more} more");
    }
    if verdict.cut_off && !verdict.growing {
        let _ =
            writeln!(text, "  it has no end: mltop or the machine stopped while it was written");
    }
    text
}
