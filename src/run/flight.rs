//! `mltop flight`: the last days in a ring of files, always on.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::ValueEnum as _;

use crate::cli::{self, FlightVerb};
use crate::diagnose::Settings;
use crate::error::Error;
use crate::fmt;
use crate::model::Sample;
use crate::record::ring::{Flight, Folder, Limits, Segment};
use crate::record::{Health, ReadError, SessionFile};

use super::own_program;
use super::record::{Headless, run};
use super::recorder::{Recorder, options};
use super::session::clock;
use super::stream::session;

/// Keeps the ring, or does what is asked of it.
pub(super) fn flight(wanted: &cli::Flight, settings: &Settings) -> Result<u8, Error> {
    let folder = folder(wanted.ring.dir.as_deref())?;
    match wanted.verb {
        None => keep(wanted, &folder, settings),
        Some(FlightVerb::Install) => install(wanted, &folder).map(|()| 0),
        Some(FlightVerb::Status) => status(wanted, &folder).map(|()| 0),
        Some(FlightVerb::Prune) => prune(wanted, &folder).map(|()| 0),
    }
}

/// Where the ring is: as asked for, else where the system keeps such things.
pub(super) fn folder(asked: Option<&Path>) -> Result<PathBuf, Error> {
    if let Some(asked) = asked {
        return Ok(asked.to_owned());
    }
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/mltop/flight"));
    }
    let var = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    var("XDG_STATE_HOME")
        .or_else(|| var("HOME").map(|home| home.join(".local/state")))
        .map(|state| state.join("mltop/flight"))
        .ok_or_else(|| Error::Record("no home folder is known; name one with --dir".into()))
}

fn limits(wanted: &cli::Flight) -> Limits {
    let cli::Ring { max_bytes, max_age, .. } = wanted.ring;
    Limits { max_bytes, max_age, min_free: wanted.keep.min_free }
}

fn keep(wanted: &cli::Flight, folder: &Path, settings: &Settings) -> Result<u8, Error> {
    // Before the first sample, so that a second one ends at once.
    let held = std::cell::RefCell::new(Some(Folder::take(folder).map_err(|e| cannot(folder, &e))?));
    let interval = wanted.watch.interval;
    let begin = |first: &Sample| {
        let held = held
            .borrow_mut()
            .take()
            .ok_or_else(|| io::Error::from(io::ErrorKind::AlreadyExists))?;
        let options = options(wanted.keep, None);
        let ring = Flight::new(held, limits(wanted), options, session(first, interval, false));
        Ok(Recorder::of(ring.start()?, first))
    };
    let begin = Box::new(begin);
    run(&Headless { watch: &wanted.watch, duration: None, command: &[], settings, begin })
}

fn cannot(folder: &Path, error: &io::Error) -> Error {
    let folder = folder.display();
    Error::Record(match error.kind() {
        io::ErrorKind::WouldBlock => {
            format!("{folder}: another mltop flight keeps this ring; end it, or give another --dir")
        }
        io::ErrorKind::PermissionDenied => {
            format!("{folder}: no permission; run as its owner, or give another --dir")
        }
        _ => format!("{folder}: {error}"),
    })
}

fn install(wanted: &cli::Flight, folder: &Path) -> Result<(), Error> {
    let root = rustix::process::geteuid().is_root();
    let (place, target) = if root {
        ("/etc/systemd/system/mltop-flight.service", "multi-user.target")
    } else {
        ("~/.config/systemd/user/mltop-flight.service", "default.target")
    };
    let user = if root { "" } else { "--user " };
    let seconds = wanted.ring.max_age.as_secs();
    let mut more = String::new();
    if let Some(bytes) = wanted.keep.min_free {
        let _ = write!(more, " --min-free {bytes}");
    }
    if let Some(when) = wanted.keep.sync.to_possible_value() {
        let _ = write!(more, " --sync {}", when.get_name());
    }
    for url in &wanted.watch.servers {
        let _ = write!(more, " --server \"{}\"", unit_word(Path::new(&**url)));
    }
    if wanted.watch.no_servers {
        more.push_str(" --no-servers");
    }
    let text = format!(
        "# Save as {place}, then: systemctl {user}daemon-reload && systemctl {user}enable --now mltop-flight\n\
         [Unit]\n\
         Description=mltop flight recorder: why GPUs wait\n\
         \n\
         [Service]\n\
         ExecStart=\"{}\" flight --dir \"{}\" --max-bytes {} --max-age {seconds}s --interval {}ms{more}\n\
         Restart=always\n\
         RestartSec=5\n\
         MemoryMax=64M\n\
         CPUQuota=5%\n\
         Nice=10\n\
         IOSchedulingClass=idle\n\
         UMask=0077\n\
         \n\
         [Install]\n\
         WantedBy={target}\n",
        unit_word(&own_program()?),
        unit_word(folder),
        wanted.ring.max_bytes,
        wanted.watch.interval.as_millis(),
    );
    io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// A path between the quotes of a unit, in which systemd reads some characters in a way of its own.
fn unit_word(path: &Path) -> String {
    let path = path.display().to_string();
    path.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$")
}

/// The ring that is there. A folder that no `mltop flight` kept is none, whatever lies in it.
fn ring(folder: &Path) -> Result<Folder, Error> {
    let ring = Folder::at(folder);
    match ring.is_ring() {
        Ok(true) => Ok(ring),
        Ok(false) => Err(Error::NoRing(folder.to_owned())),
        Err(error) => Err(cannot(folder, &error)),
    }
}

fn status(wanted: &cli::Flight, folder: &Path) -> Result<(), Error> {
    let ring = ring(folder)?;
    let segments = ring.segments().map_err(|error| cannot(folder, &error))?;
    let pinned = ring.pinned().map_err(|error| cannot(folder, &error))?;
    let sum = |all: &[Segment]| all.iter().map(|one| one.bytes).sum::<u64>() as f64;
    let mut text = String::new();
    let state = if ring.is_taken() { "being written" } else { "not being written" };
    let _ = writeln!(text, "{}: {state}", folder.display());
    let (used, most) = (sum(&segments) + sum(&pinned), wanted.ring.max_bytes as f64);
    let _ = writeln!(
        text,
        "  {}, {} of at most {}",
        fmt::counted(segments.len(), "segment"),
        fmt::size(used).trim(),
        fmt::size(most).trim()
    );
    if let Ok((session, _)) = SessionFile::of_ring(folder, i64::MIN..=i64::MAX) {
        let (first, last) = session.span();
        let (from, to) = (clock(first.unix_ms), clock(last.unix_ms));
        let _ = writeln!(text, "  {} ticks from {from} to {to}", session.ticks());
    }
    let incidents = fmt::counted(pinned.len(), "pinned incident");
    let _ = writeln!(text, "  {incidents}, {}", fmt::size(sum(&pinned)).trim());
    for one in &pinned {
        let _ = writeln!(text, "    {}", one.path.display());
    }
    io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

fn prune(wanted: &cli::Flight, folder: &Path) -> Result<(), Error> {
    let ring = ring(folder)?;
    let failed = |error: io::Error| cannot(folder, &error);
    // The newest may be the one that is written, or holds what happened last.
    let newest = ring.segments().map_err(failed)?.pop().map(|segment| segment.path);
    let kept = |path: &Path| newest.as_deref() == Some(path);
    let limits = limits(wanted);
    let mut gone = ring.make_room(&limits, 0, newest.as_deref()).map_err(failed)?;
    if let Some(than) = SystemTime::now().checked_sub(limits.max_age) {
        gone.extend(ring.remove_older(than, kept).map_err(failed)?);
    }
    let left = ring.bytes().map_err(failed)? as f64;
    let gone = fmt::counted(gone.len(), "segment");
    writeln!(io::stdout(), "{gone} removed, {} left", fmt::size(left).trim())?;
    Ok(())
}

/// What of the ring is meant, and where in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// From when. All are in milliseconds since the Unix epoch.
    pub(super) from: i64,
    /// Until when.
    pub(super) to: i64,
    /// Where to look first; `None` for its start.
    pub(super) at: Option<i64>,
}

impl Place {
    /// The last while up to `now`.
    pub(super) fn last(span: Duration, now: &jiff::Zoned) -> Self {
        let to = now.timestamp().as_millisecond();
        Self { from: to - span.as_millis() as i64, to, at: None }
    }

    /// The place that a word names: `last-night` (18:00 to 09:00), or `@03:12`, the last time that it
    /// was so late, with six hours around it. `None` where the word names none: it is a file then.
    pub(super) fn named(word: &str, now: &jiff::Zoned) -> Option<Result<Self, Error>> {
        if word == "last-night" {
            return Some(last_night(now).map_err(|error| Error::Moment(error.to_string())));
        }
        let time = word.strip_prefix('@')?;
        Some(last_time(time, now).map_err(|error| {
            Error::Moment(format!("{word}: {error}; write a time of day like @03:12"))
        }))
    }
}

/// Opens a recording: a file, or what of the flight ring a word or a span up to now names
/// ([`Place`]). Also where to look first, where the word says.
pub(super) fn opened(
    file: &Path,
    since: Option<Duration>,
) -> Result<(SessionFile, Option<i64>), Error> {
    opened_by(file, since, SessionFile::open)
}

/// The same to copy a part of it: a file may be of any length.
pub(super) fn opened_to_copy(file: &Path) -> Result<SessionFile, Error> {
    opened_by(file, None, SessionFile::open_to_copy).map(|(session, _)| session)
}

fn opened_by(
    file: &Path,
    since: Option<Duration>,
    open: impl FnOnce(&Path) -> Result<(SessionFile, Health), ReadError>,
) -> Result<(SessionFile, Option<i64>), Error> {
    let now = jiff::Zoned::now();
    let named = file.to_str().and_then(|word| Place::named(word, &now));
    let place = match (named, since) {
        (Some(named), _) => named?,
        (None, Some(since)) if file.as_os_str().is_empty() => Place::last(since, &now),
        (None, _) => return Ok((open(file)?.0, None)),
    };
    let (session, _) = SessionFile::of_ring(&folder(None)?, place.from..=place.to)?;
    Ok((session, place.at))
}

fn last_night(now: &jiff::Zoned) -> Result<Place, jiff::Error> {
    let today = now.date();
    let evening = today.yesterday()?.at(18, 0, 0, 0).to_zoned(now.time_zone().clone())?;
    let morning = today.at(9, 0, 0, 0).to_zoned(now.time_zone().clone())?;
    Ok(Place {
        from: evening.timestamp().as_millisecond(),
        to: morning.timestamp().as_millisecond(),
        at: None,
    })
}

fn last_time(time: &str, now: &jiff::Zoned) -> Result<Place, jiff::Error> {
    const AROUND_MS: i64 = 6 * 3_600_000;
    let time: jiff::civil::Time = time.parse()?;
    let zone = now.time_zone().clone();
    let today = now.date().to_datetime(time).to_zoned(zone.clone())?;
    let at = if today.timestamp() > now.timestamp() {
        now.date().yesterday()?.to_datetime(time).to_zoned(zone)?
    } else {
        today
    };
    let ms = at.timestamp().as_millisecond();
    Ok(Place { from: ms - AROUND_MS, to: ms + AROUND_MS, at: Some(ms) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(text: &str) -> jiff::Zoned {
        text.parse().unwrap()
    }

    fn shown(unix_ms: i64) -> String {
        let at = jiff::Timestamp::from_millisecond(unix_ms).unwrap();
        at.to_zoned(jiff::tz::TimeZone::get("Europe/Zurich").unwrap()).strftime("%F %R").to_string()
    }

    #[test]
    fn a_word_names_a_part_of_the_ring() {
        let now = now("2026-11-22T09:30[Europe/Zurich]");
        let night = Place::named("last-night", &now).unwrap().unwrap();
        assert_eq!(shown(night.from), "2026-11-21 18:00");
        assert_eq!(shown(night.to), "2026-11-22 09:00");
        let early = Place::named("@03:12", &now).unwrap().unwrap();
        assert_eq!(early.at.map(shown).unwrap(), "2026-11-22 03:12");
        let late = Place::named("@23:00", &now).unwrap().unwrap();
        assert_eq!(late.at.map(shown).unwrap(), "2026-11-21 23:00");
        assert!(Place::named("@soon", &now).unwrap().is_err());
        assert!(Place::named("run.mltop.jsonl.zst", &now).is_none());
        let hours = Place::last(Duration::from_hours(8), &now);
        assert_eq!(shown(hours.from), "2026-11-22 01:30");
    }
}
