//! Moments of a session as they are written on the command line and in the prompt.

use std::time::Duration;

use crate::cli;
use crate::error::Error;

/// The moment meant by `text` as a Unix time in milliseconds, within the recording. `what` asks for
/// it: a flag of the command line, say. Times of day are so many seconds east of Greenwich.
pub(super) fn moment(
    what: &str,
    text: &str,
    (first_ms, last_ms): (i64, i64),
    utc_offset_seconds: i32,
) -> Result<i64, Error> {
    let at_ms = if let Some(before_end) = text.strip_prefix('-') {
        cli::span(before_end).map(|span| last_ms.saturating_sub(millis(span)))
    } else if text.contains(':') {
        let offset_ms = i64::from(utc_offset_seconds) * 1000;
        time_of_day(text, first_ms + offset_ms).map(|at_ms| at_ms - offset_ms)
    } else {
        cli::span(text.trim_start_matches('+')).map(|span| first_ms.saturating_add(millis(span)))
    }
    .map_err(|why| {
        Error::Moment(format!(
            "{what}: {why}; for one before the end -5s, for a time of day 14:02:31"
        ))
    })?;
    if (first_ms..=last_ms).contains(&at_ms) {
        return Ok(at_ms);
    }
    let seconds = last_ms.saturating_sub(first_ms) as f64 / 1e3;
    Err(Error::Moment(format!(
        "{what} {text} lies outside of the recording, which is {seconds:.0} s long"
    )))
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// The part of a recording between two moments, its ends where they are not given.
pub(super) fn part(
    part: &cli::Part,
    first_ms: i64,
    last_ms: i64,
) -> Result<std::ops::RangeInclusive<i64>, Error> {
    let find = |what, text: &Option<String>, otherwise| match text {
        Some(text) => moment(what, text, (first_ms, last_ms), 0),
        None => Ok(otherwise),
    };
    let since = find("--since", &part.since, first_ms)?;
    let until = find("--until", &part.until, last_ms)?;
    if since > until {
        let text = "--since lies after --until: give the earlier moment first";
        return Err(Error::Moment(text.to_owned()));
    }
    Ok(since..=until)
}

/// The first moment of the recording or after it with this time of day.
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
        assert_eq!(moment("--at", "10", (START, end), 0).unwrap(), START + 10_000);
        assert_eq!(moment("--at", "+10s", (START, end), 0).unwrap(), START + 10_000);
        assert_eq!(moment("--at", "-0s", (START, end), 0).unwrap(), end);
        assert_eq!(moment("--at", "14:00:30", (START, end), 0).unwrap(), START + 30_000);
    }

    #[test]
    fn a_time_of_day_is_that_of_the_clock_it_is_read_from() {
        // The recording begins at 14:00 in Greenwich, which is 19:30 in Delhi.
        let (delhi, span) = (19_800, (START, START + 60_000));
        assert_eq!(moment("t", "19:30:10", span, delhi).unwrap(), START + 10_000);
        assert!(moment("t", "14:00:10", span, delhi).is_err());
    }

    #[test]
    fn a_moment_outside_names_the_length_of_the_recording() {
        let error = moment("--at", "2m", (START, START + 60_000), 0).unwrap_err();
        assert!(error.to_string().contains("60 s long"), "{error}");
        assert!(moment("--at", "soon", (START, START), 0).is_err());
        assert!(moment("--at", "25:00", (START, START), 0).is_err());
        for far in ["5000000000000000h", "-5000000000000000h"] {
            assert!(moment("--at", far, (START, START + 1), 0).is_err(), "{far}");
        }
    }
}
