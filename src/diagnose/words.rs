//! Numbers and names as words.

use crate::model::text::clean;
use crate::model::{Evidence, Severity};

/// Bounds of [`severity`]: 5 and 20 % as in xprof, 10 and 20 % as in TraceML, 50 % as in SageMaker.
const BANDS: [(f64, Severity); 4] = [
    (0.50, Severity::Critical),
    (0.20, Severity::High),
    (0.10, Severity::Warn),
    (0.05, Severity::Info),
];

/// Names longer than this are cut.
const NAME_CHARS: usize = 40;
const SENTENCE_CHARS: usize = 200;

/// How much a lost share of time matters; `None` below 5 %.
pub(super) fn severity(share: f64) -> Option<Severity> {
    BANDS.iter().find(|(least, _)| share >= *least).map(|(_, severity)| *severity)
}

/// `41 %`
pub(super) fn percent(share: f64) -> String {
    format!("{:.0} %", (share * 100.0).clamp(0.0, 999.0))
}

/// `0.4 %`, `41 %`: a small share with its first digit.
pub(super) fn fine_percent(share: f64) -> String {
    if share < 0.0995 { format!("{:.1} %", (share * 100.0).max(0.0)) } else { percent(share) }
}

/// `1.9 GB/s`
pub(super) fn rate(bytes_per_second: f64) -> String {
    let (value, unit) = match bytes_per_second {
        b if b >= 1e9 => (b / 1e9, "GB/s"),
        b if b >= 1e6 => (b / 1e6, "MB/s"),
        b => (b / 1e3, "kB/s"),
    };
    if value < 10.0 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// `38 GiB`
pub(super) fn memory(bytes: f64) -> String {
    let gib = bytes / f64::from(1 << 30);
    match gib {
        g if g >= 10.0 => format!("{g:.0} GiB"),
        g if g >= 1.0 => format!("{g:.1} GiB"),
        _ => format!("{:.0} MiB", bytes / f64::from(1 << 20)),
    }
}

/// `23 KiB`, `38 GiB`
pub(super) fn size(bytes: f64) -> String {
    match bytes {
        b if b < 1024.0 => format!("{b:.0} B"),
        b if b < f64::from(1 << 20) => format!("{:.0} KiB", b / 1024.0),
        b => memory(b),
    }
}

/// `8.1 ms`
pub(super) fn milliseconds(seconds: f64) -> String {
    let ms = seconds * 1e3;
    if ms < 10.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}

/// `31 min`, `2 h 5 min`
pub(super) fn duration(seconds: f64) -> String {
    let minutes = (seconds / 60.0) as u64;
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds:.0} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// `840 s`, `12 h`: CPU time, which may pass the clock's.
pub(super) fn cpu_time(seconds: f64) -> String {
    match seconds {
        s if s >= 7200.0 => format!("{:.0} core-hours", s / 3600.0),
        s => format!("{s:.0} core-seconds"),
    }
}

/// `950`, `64 000`, `1.28 million`
pub(super) fn count(count: u64) -> String {
    match count {
        c if c >= 1_000_000 => format!("{:.2} million", c as f64 / 1e6),
        c if c >= 10_000 => format!("{} {:03}", c / 1000, c % 1000),
        c => c.to_string(),
    }
}

/// `1 worker`, `8 workers`
pub(super) fn workers(count: u64) -> String {
    if count == 1 { "1 worker".into() } else { format!("{count} workers") }
}

/// `1 worker spends`, `8 workers spend`
pub(super) fn workers_spend(count: u64) -> String {
    format!("{} {}", workers(count), if count == 1 { "spends" } else { "spend" })
}

/// A name of the machine or of a recording, made safe and cut to a length that leaves a sentence
/// readable.
pub(super) fn name(raw: &str) -> String {
    let clean = clean(raw.as_bytes(), NAME_CHARS + 1);
    let mut name: String = clean.chars().take(NAME_CHARS).collect();
    if clean.len() > name.len() {
        name.push('…');
    }
    name
}

/// A sentence of others, made safe and cut to a length that fits beside one of ours.
pub(super) fn sentence(raw: &str) -> String {
    clean(raw.as_bytes(), SENTENCE_CHARS).trim_end_matches('.').into()
}

/// A clause as a sentence of its own.
pub(super) fn full(clause: &str) -> String {
    let mut letters = clause.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    let stop = if clause.ends_with('.') { "" } else { "." };
    format!("{first}{}{stop}", letters.as_str())
}

/// What a piece of evidence is about: the column, whose it is, the value, its threshold; the text becomes
/// a sentence.
pub(super) fn evidence(
    (from_ms, to_ms): (i64, i64),
    series: &str,
    entity: impl Into<String>,
    value: f64,
    limit: Option<f64>,
    text: impl AsRef<str>,
) -> Evidence {
    Evidence {
        series: series.into(),
        entity: entity.into().into(),
        value,
        limit,
        from_ms,
        to_ms,
        text: full(text.as_ref()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severity_follows_the_share_of_time_lost() {
        let shares = [0.04, 0.05, 0.10, 0.20, 0.50, 1.0].map(severity);
        assert_eq!(
            shares,
            [
                None,
                Some(Severity::Info),
                Some(Severity::Warn),
                Some(Severity::High),
                Some(Severity::Critical),
                Some(Severity::Critical),
            ]
        );
    }

    #[test]
    fn numbers_are_said_in_the_units_of_the_field() {
        assert_eq!(rate(1.94e9), "1.9 GB/s");
        assert_eq!(rate(2e7), "20 MB/s");
        assert_eq!(memory(38.0 * f64::from(1 << 30)), "38 GiB");
        assert_eq!(duration(1860.0), "31 min");
        assert_eq!(duration(7500.0), "2 h 5 min");
        assert_eq!(milliseconds(0.0081), "8.1 ms");
    }

    #[test]
    fn a_hostile_name_cannot_break_a_sentence() {
        assert_eq!(name("a\u{1b}[2Jb\u{202e}"), "ab");
        assert_eq!(name(&"x".repeat(999)).chars().count(), NAME_CHARS + 1);
    }
}
