//! What the loop does when the user goes elsewhere in time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::app::{Effect, Msg, Transport};
use crate::derive;
use crate::model::Frame;
use crate::run::moment::moment;
use crate::run::replay::{Begin, Coming, Reel};

use super::Live;

/// On the way to a moment that is played from, before the next key is heard.
const AT_ONCE: Duration = Duration::from_millis(50);

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
            Begin::At(mono_ms) => {
                self.stand_at_first(first_ms);
                let frame = self.moment(mono_ms);
                self.update(Msg::Arrive { mono_ms, frame });
            }
            Begin::Finding(number) => {
                self.wanted_finding = Some(number);
                self.stand_at_first(first_ms);
            }
        }
    }

    /// Stands still at the first moment of a recorded session: nothing has to be played for it.
    fn stand_at_first(&mut self, first_ms: u64) {
        let Reel::File(player) = &mut self.reel else { return };
        player.go_to(first_ms);
        if let Some(coming) = player.arrive() {
            self.come(coming);
        }
        self.state.transport = Transport::pause(self.state.reach());
        self.state.moment = self.state.latest.clone();
    }

    /// Takes in what comes; what was come to goes on from there.
    pub(super) fn come(&mut self, coming: Coming) -> Vec<Effect> {
        if let Some(drawn) = coming.drawn {
            self.drawn = *drawn;
            self.update(Msg::Plays);
        }
        self.sample(coming.sample)
    }

    /// Leaves the way to a moment: the user goes elsewhere.
    pub(super) fn stay(&mut self) {
        if let Reel::File(player) = &mut self.reel {
            player.stay();
        }
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

    /// Plays a recorded session on from a moment: the screen is then what the live one was. What lies
    /// before it may take a while, in which keys are heard.
    pub(super) fn play_from(&mut self, from_ms: u64) {
        let Reel::File(player) = &mut self.reel else { return };
        if player.is_on_its_way() {
            player.stay();
            return;
        }
        self.comes = true;
        let here = self.state.latest.as_ref().map(|frame| frame.sample.stamp.mono_ms);
        let there = player.at(from_ms).map(|(_, sample)| sample.stamp.mono_ms);
        if here.is_some() && here == there {
            player.resume();
            self.update(Msg::Plays);
            return;
        }
        player.go_to(from_ms);
        if !player.go_on(AT_ONCE) {
            self.update(Msg::Notice("looking at what came before…".into()));
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
