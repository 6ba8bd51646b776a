//! Where the user looks in time: pause, scrub, step, jump, go to a time, play on. A live screen, its
//! scroll-back and a replay share all of it; what differs is where "on" leads.

use std::sync::Arc;

use crate::model::Frame;

use super::state::{Feed, Overlay, State};
use super::transport::Transport;
use super::update::Effect;

/// The speeds at which a session can be replayed.
pub const SPEEDS: (f64, f64) = (0.25, 64.0);

/// How many steps a far step is: 10 s where a step is a second.
const FAR: i64 = 10;

impl State {
    /// Whether a recorded session is looked at.
    pub const fn is_replay(&self) -> bool {
        matches!(self.feed, Feed::Replay { .. })
    }

    /// One step of the cursor: a hundred and twentieth of the axis, at least a second.
    fn step(&self) -> i64 {
        (self.zoom_ms() / 120).max(1000) as i64
    }

    pub(super) fn pause(&mut self) -> Vec<Effect> {
        if let Some(at_ms) = self.transport.cursor() {
            return self.go_on(at_ms);
        }
        if self.latest.is_some() {
            self.transport = Transport::pause(self.reach());
            self.moment = self.latest.clone();
        }
        Vec::new()
    }

    /// Live: to now. In a replay: plays from the cursor, from its end all over again; until it has
    /// come there, the screen stands.
    fn go_on(&mut self, at_ms: u64) -> Vec<Effect> {
        if !self.is_replay() {
            self.go_live();
            return Vec::new();
        }
        let reach = self.reach();
        let from_ms = if at_ms >= reach.newest_ms { reach.oldest_ms } else { at_ms };
        self.ended = None;
        vec![Effect::Play { from_ms }]
    }

    /// Follows what comes.
    pub(super) fn go_live(&mut self) {
        self.transport = Transport::Live;
        self.moment = None;
        self.focused = None;
    }

    /// Live: to now. In a replay: to its last moment.
    pub(super) fn go_to_end(&mut self) -> Vec<Effect> {
        if self.is_replay() {
            return self.seek(self.reach().newest_ms);
        }
        self.go_live();
        Vec::new()
    }

    /// Leaves the past, where there is a present.
    pub(super) fn leave_past(&mut self) {
        if !self.is_replay() {
            self.go_live();
        }
        self.selected = None;
    }

    pub(super) fn scrub(&mut self, steps: i64) -> Vec<Effect> {
        self.focused = None;
        let by_ms = self.step().saturating_mul(steps);
        let next = self.transport.scrub(by_ms, self.zoom_ms(), self.reach());
        self.go_to(next)
    }

    pub(super) fn scrub_far(&mut self, steps: i64) -> Vec<Effect> {
        self.scrub(FAR * steps)
    }

    pub(super) fn seek(&mut self, to_ms: u64) -> Vec<Effect> {
        let next = self.transport.seek(to_ms, self.zoom_ms(), self.reach());
        self.go_to(next)
    }

    fn go_to(&mut self, next: Transport) -> Vec<Effect> {
        if self.latest.is_none() {
            return Vec::new();
        }
        // Until the answer comes, the frame of the moment before would be shown for this one.
        if next.cursor() != self.transport.cursor() {
            self.moment = None;
        }
        self.transport = next;
        next.cursor().map_or_else(Vec::new, |mono_ms| vec![Effect::Seek { mono_ms }])
    }

    pub(super) fn step_by_tick(&mut self, forward: bool) -> Vec<Effect> {
        if self.latest.is_none() {
            return Vec::new();
        }
        self.focused = None;
        vec![Effect::Step { forward }]
    }

    /// Puts the cursor at a moment that was looked for.
    pub(super) fn arrive(&mut self, mono_ms: u64, frame: Option<Arc<Frame>>) {
        self.transport = self.transport.seek(mono_ms, self.zoom_ms(), self.reach());
        self.moment = frame;
    }

    pub(super) fn change_speed(&mut self, times: f64) -> Vec<Effect> {
        let Feed::Replay { speed, .. } = &self.feed else {
            self.say("only a recorded session can be played faster or slower".to_owned());
            return Vec::new();
        };
        let speed = (speed * times).clamp(SPEEDS.0, SPEEDS.1);
        self.play_at(speed);
        vec![Effect::Speed(speed)]
    }

    pub(super) fn play_at(&mut self, faster: f64) {
        if let Feed::Replay { speed, .. } = &mut self.feed {
            *speed = faster;
        }
        self.say(format!("{faster}× real time"));
    }

    /// To the next finding or mark, or to the one before.
    pub(super) fn jump(&mut self, forward: bool) -> Vec<Effect> {
        let here = self.here(forward);
        let places = self.places();
        let next = if forward {
            places.iter().position(|place| *place > here)
        } else {
            places.iter().rposition(|place| *place < here)
        };
        let Some(at) = next else {
            let which = if forward { "later" } else { "earlier" };
            self.say(format!("no {which} finding or mark"));
            return Vec::new();
        };
        let (start_ms, id) = places[at];
        let back = if self.is_replay() { "" } else { "; End goes back to now" };
        if id == 0 {
            let note = self.marks.iter().find(|mark| mark.at_ms == start_ms);
            let note = note.map_or_else(String::new, |mark| mark.note.clone());
            self.say(format!("mark: {note}{back}"));
            self.focused = None;
        } else {
            let findings: Vec<u64> =
                places.iter().map(|(_, id)| *id).filter(|id| *id > 0).collect();
            let number = findings.iter().position(|other| *other == id).map_or(0, |at| at + 1);
            self.say(format!("finding {number} of {}{back}", findings.len()));
            self.focused = Some(id);
            self.chosen_finding = Some(id);
            if matches!(self.overlay, Some(Overlay::Finding { .. })) {
                self.overlay = Some(Overlay::Finding { id, scroll: 0 });
            }
        }
        self.seek(self.mono_ms(start_ms))
    }

    /// Where a jump begins: at the finding that was jumped to, else at the moment that is shown.
    fn here(&self, forward: bool) -> (i64, u64) {
        let focused = self.focused.and_then(|id| self.finding(id));
        focused.map_or_else(
            || (self.shown_unix_ms(), if forward { u64::MAX } else { 0 }),
            |finding| (finding.start_ms, finding.id),
        )
    }

    /// The starts of all findings and the marks, which have the number 0, by time.
    fn places(&self) -> Vec<(i64, u64)> {
        let findings = self.whole.as_ref().map_or(&self.findings, |whole| &whole.findings);
        let findings = findings.iter().filter(|finding| !self.is_aside(finding));
        let marks = self.marks.iter().map(|mark| (mark.at_ms, 0));
        let mut places: Vec<(i64, u64)> =
            findings.map(|finding| (finding.start_ms, finding.id)).chain(marks).collect();
        places.sort_unstable();
        places
    }

    /// Goes to the start of the finding with this number.
    pub(super) fn go_to_id(&mut self, id: u64) -> Vec<Effect> {
        let Some(start_ms) = self.finding(id).map(|finding| finding.start_ms) else {
            return Vec::new();
        };
        self.focused = Some(id);
        self.seek(self.mono_ms(start_ms))
    }

    /// Goes to a finding as a report counts them, from 1.
    pub fn go_to_finding(&mut self, number: usize) -> Vec<Effect> {
        let findings: Vec<(i64, u64)> =
            self.places().into_iter().filter(|(_, id)| *id > 0).collect();
        let Some((start_ms, id)) = number.checked_sub(1).and_then(|at| findings.get(at)).copied()
        else {
            let there = findings.len();
            self.say(format!("no finding {number}: this session has {there}"));
            return Vec::new();
        };
        self.focused = Some(id);
        self.seek(self.mono_ms(start_ms))
    }
}
