//! `mltop replay`: a recorded session on the live screen, at any moment and at any speed.

mod analysis;
mod past;
mod player;
mod reel;
mod way;

use std::sync::Arc;

use crate::app::{Feed, Mark};
use crate::cli;
use crate::diagnose::Settings;
use crate::error::Error;
use crate::model::{Event, EventKind};
use crate::record::SessionFile;
use crate::term;

use super::live::{self, Setup};
use super::looks::Looks;
use super::moment::moment;
use super::notify::Notifier;
use super::session::Recorded;

use analysis::Analysis;
use player::Player;

pub(super) use player::Coming;
pub(super) use reel::Reel;

/// Where a replay begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// Plays from the first moment.
    Start,
    /// Stands at a moment of the monotonic clock.
    At(u64),
    /// Stands at the start of a finding, counted from 1.
    Finding(usize),
}

/// Shows a session until the user leaves it.
pub(super) fn replay(wanted: &cli::Replay, looks: Looks, settings: &Settings) -> Result<(), Error> {
    let path = wanted.file.clone().unwrap_or_default();
    let recorded = Recorded::of(&path, wanted.since)?;
    let begin = match (&wanted.at, wanted.finding) {
        (None, None) if recorded.at_ms.is_some() => {
            Begin::At(recorded.file.mono_at(recorded.at_ms.unwrap_or_default()))
        }
        (Some(text), _) => {
            let offset = live::utc_offset_seconds();
            let at_ms = moment("--at", text, recorded.span_ms, offset)?;
            Begin::At(recorded.file.mono_at(at_ms))
        }
        (None, Some(number)) => Begin::Finding(number),
        (None, None) => Begin::Start,
    };
    if !term::is_there() {
        return Err(Error::NoTerminal);
    }
    // What goes through the whole session has the file to itself: both hold a few groups at a time.
    let other = Recorded::of(&path, wanted.since)?.file;
    let feed = Feed::Replay {
        name: recorded.name.clone(),
        speed: wanted.speed,
        interval_ms: recorded.interval_ms(),
    };
    let settings = recorded.settings(settings);
    let notice = recorded.damage().map(|damage| format!("not all of it is readable: {damage}"));
    let setup = Setup {
        feed,
        looks,
        notifier: Notifier::default(),
        settings,
        notice,
        readonly: true,
        ends: None,
    };
    play(setup, recorded.file, other, wanted.follow, begin)
}

/// Shows a session that was opened twice.
pub(super) fn play(
    setup: Setup,
    file: SessionFile,
    other: SessionFile,
    follow: bool,
    begin: Begin,
) -> Result<(), Error> {
    let speed = match setup.feed {
        Feed::Replay { speed, .. } => speed,
        Feed::Live { .. } => 1.0,
    };
    let analysis = Analysis::start(other, setup.settings.clone(), follow)?;
    let player = Player::new(file, speed, follow, analysis);
    live::show(setup, Reel::File(Box::new(player)), begin)
}

/// The marks of a session.
fn marks(events: &[Event]) -> Vec<Mark> {
    let marks = events.iter().filter(|event| event.kind == EventKind::Mark);
    marks.map(|event| Mark { at_ms: event.t_ms, note: event.title.clone() }).collect()
}

/// A frame of two ticks that follow one another.
fn frame(pair: crate::record::Pair) -> Arc<crate::model::Frame> {
    let (before, sample) = pair;
    Arc::new(crate::derive::frame(before.as_deref(), sample))
}
