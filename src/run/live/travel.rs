//! What the loop does when the user goes elsewhere in time.

use std::io;
use std::sync::Arc;

use crate::app::{Msg, Transport};
use crate::derive;
use crate::model::Frame;
use crate::run::moment::moment;
use crate::run::replay::{Begin, Reel};

use super::Live;

impl Live<'_> {
    /// Takes in what is known of a recorded session, and goes where the user wants to begin.
    pub(super) fn begin(&mut self, begin: Begin) {
        let Reel::File(player) = &self.reel else { return };
        let whole = player.whole();
        self.state.whole = Some(Arc::clone(&whole.borrow()));
        self.whole = Some(whole);
        self.state.marks = player.marks();
        let first_ms = player.file().span().0.mono_ms;
        match begin {
            Begin::Start => {}
            Begin::At(mono_ms) => self.stand_at(mono_ms),
            Begin::Finding(number) => {
                self.wanted_finding = Some(number);
                self.stand_at(first_ms);
            }
        }
    }

    /// Stands still at a moment of a recorded session, as if it had been played to it.
    fn stand_at(&mut self, mono_ms: u64) {
        self.play_from(mono_ms);
        self.state.transport = Transport::pause(self.state.reach());
        self.state.moment = self.state.latest.clone();
    }

    /// What was at a moment of the scroll-back or of the session.
    pub(super) fn moment(&self, mono_ms: u64) -> Option<Arc<Frame>> {
        let (before, sample) = self.reel.at(mono_ms)?;
        Some(Arc::new(derive::frame(before.as_deref(), sample)))
    }

    /// To the tick before or after the one that is shown.
    pub(super) fn step(&mut self, forward: bool) {
        let here = self.state.shown().map(|frame| frame.sample.stamp.mono_ms);
        let Some(here) = here.or_else(|| self.state.transport.cursor()) else { return };
        let msg = match self.reel.beside(here, forward) {
            Some((before, sample)) => {
                let mono_ms = sample.stamp.mono_ms;
                let frame = Some(Arc::new(derive::frame(before.as_deref(), sample)));
                Msg::Arrive { mono_ms, frame }
            }
            None => Msg::Notice(format!("no {} tick", if forward { "later" } else { "earlier" })),
        };
        self.update(msg);
    }

    /// To a moment in words.
    pub(super) fn go_to(&mut self, text: &str) {
        let Some((first, last)) = self.reel.span() else { return };
        let span_ms = (first.unix_ms, last.unix_ms);
        let msg = match moment("time", text, span_ms, self.state.utc_offset_seconds) {
            Ok(at_ms) => {
                let mono_ms = match &self.reel {
                    Reel::File(player) => player.file().mono_at(at_ms),
                    Reel::Live { .. } => self.state.mono_ms(at_ms),
                };
                Msg::Arrive { mono_ms, frame: self.moment(mono_ms) }
            }
            Err(error) => Msg::Notice(error.to_string()),
        };
        self.update(msg);
    }

    /// Plays a recorded session on from a moment: the screen is then what the live one was.
    pub(super) fn play_from(&mut self, from_ms: u64) {
        let Reel::File(player) = &mut self.reel else { return };
        self.comes = true;
        let here = self.state.latest.as_ref().map(|frame| frame.sample.stamp.mono_ms);
        let there = player.at(from_ms).map(|(_, sample)| sample.stamp.mono_ms);
        if here.is_some() && here == there {
            player.resume();
            return;
        }
        if let Some((pipeline, sample)) = player.pipeline_at(from_ms) {
            self.pipeline = pipeline;
            self.sample(sample);
        }
    }

    /// To the finding that the user wants to begin with, once it is known.
    pub(super) fn go_to_wanted(&mut self) -> io::Result<()> {
        let Some(number) = self.wanted_finding else { return Ok(()) };
        let Some(whole) = &self.state.whole else { return Ok(()) };
        if whole.findings.len() < number && !whole.complete {
            return Ok(());
        }
        self.wanted_finding = None;
        for effect in self.state.go_to_finding(number) {
            self.effect(effect)?;
        }
        self.dirty = true;
        Ok(())
    }
}
