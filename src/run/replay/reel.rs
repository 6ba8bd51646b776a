//! Where samples come from, and what can be gone back to.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;

use crate::app::{State, Transport};
use crate::history::History;
use crate::model::{Sample, Stamp};
use crate::record::{Pair, Tape};
use crate::view::Plotted;

use super::player::{Coming, Player};

/// Samples as they come, with what was kept of them.
#[derive(Debug)]
pub(in crate::run) enum Reel {
    /// Of this machine, now; the last hour is kept in memory.
    Live {
        /// As they are taken.
        samples: Receiver<Arc<Sample>>,
        /// What is kept.
        tape: Box<Tape>,
    },
    /// Of a recorded session.
    File(Box<Player>),
}

impl Reel {
    /// The next sample, when its time has come; `None` where no more come.
    pub(in crate::run) async fn next(&mut self) -> Option<Coming> {
        match self {
            Self::Live { samples, .. } => {
                samples.recv().await.map(|sample| Coming { drawn: None, sample })
            }
            Self::File(player) => player.next().await,
        }
    }

    /// Memory that the kept ticks take; `None` of a file.
    pub(in crate::run) fn held_bytes(&self) -> Option<u64> {
        match self {
            Self::Live { tape, .. } => Some(tape.bytes() as u64),
            Self::File(_) => None,
        }
    }

    /// Whether a recorded session is on its way to a moment that it is to be played from.
    pub(in crate::run) fn is_on_its_way(&self) -> bool {
        matches!(self, Self::File(player) if player.is_on_its_way())
    }

    /// The past of what is shown: what was played, or for a window elsewhere what was read of it.
    pub(in crate::run) fn past<'a>(
        &'a self,
        state: &State,
        played: &'a History,
    ) -> &'a dyn Plotted {
        match self {
            Self::File(player) if self.elsewhere(state, played).is_some() => {
                player.past().unwrap_or(played)
            }
            _ => played,
        }
    }

    /// Reads on for so long at most in what the plots need that was not played. True where nothing of
    /// it is left to read.
    pub(in crate::run) fn read_past(
        &mut self,
        state: &State,
        played: &History,
        most: Duration,
    ) -> bool {
        let Some((from_ms, to_ms)) = self.elsewhere(state, played) else { return true };
        match self {
            Self::Live { .. } => true,
            Self::File(player) => player.read_past(from_ms, to_ms, most),
        }
    }

    /// The window that is shown, where a file has to be read for it.
    fn elsewhere(&self, state: &State, played: &History) -> Option<(u64, u64)> {
        let Self::File(player) = self else { return None };
        let Transport::Paused { end_ms, .. } = state.transport else { return None };
        let from_ms = end_ms.saturating_sub(state.zoom_ms());
        let (first, _) = player.file().span();
        let holds = played.span().is_some_and(|(oldest, newest)| {
            oldest <= from_ms.max(first.mono_ms) && end_ms <= newest
        });
        (!holds).then_some((from_ms, end_ms))
    }

    /// Keeps a sample that came.
    pub(in crate::run) fn keep(&mut self, sample: &Arc<Sample>) {
        if let Self::Live { tape, .. } = self {
            tape.push(sample);
        }
    }

    /// The first and the last moment that can be gone to.
    pub(in crate::run) fn span(&self) -> Option<(Stamp, Stamp)> {
        match self {
            Self::Live { tape, .. } => tape.span(),
            Self::File(player) => Some(player.file().span()),
        }
    }

    /// The last tick at or before a moment, and the one before it.
    pub(in crate::run) fn at(&self, mono_ms: u64) -> Option<Pair> {
        match self {
            Self::Live { tape, .. } => tape.at(mono_ms),
            Self::File(player) => player.at(mono_ms),
        }
    }

    /// The tick before a moment, or the one after it, each with the one before it.
    pub(in crate::run) fn beside(&self, mono_ms: u64, after: bool) -> Option<Pair> {
        match self {
            Self::Live { tape, .. } if after => tape.next(mono_ms),
            Self::Live { tape, .. } => tape.prev(mono_ms),
            Self::File(player) if after => player.file().next(mono_ms),
            Self::File(player) => player.file().prev(mono_ms),
        }
    }
}
