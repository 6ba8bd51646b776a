//! Findings about what feeds the loop: reading, preparing, handing over. One file a rule.
//!
//! Most of them are causes of STARVED, too. While a run starves, its one finding names the cause, and
//! nothing here repeats it; a rule speaks for itself where the loop keeps up and pays in another way.

pub(super) mod cache_thrash;
pub(super) mod cold_cache;
pub(super) mod cpu_oversubscribed;
pub(super) mod cpu_quota;
pub(super) mod epoch_respawn;
pub(super) mod host_memory;
pub(super) mod main_thread;
pub(super) mod repeated_prep;
pub(super) mod small_files;
pub(super) mod transfer_bound;

use std::collections::BTreeMap;

use super::epochs::Log;
use super::facts::Facts;
use super::latch::{Edge, Latch};
use super::ledger::{Ledger, Said};
use super::rules::{Check, Scene};
use super::settings::{Settings, Timing};
use super::starved::{self, Loss, name_of};
use super::tick::Gate;
use super::trainer::Trainer;
use super::used::{Used, Uses};
use crate::model::{RunId, Stamp};

/// These rules look once a second, however often samples come.
const EVERY_MS: u64 = 950;
/// Less of a window than this with an answer, or fewer looks, says nothing.
const COVER: f64 = 0.4;
const LOOKS: f64 = 20.0;
/// Open without evidence for so long, a finding ends where its evidence did.
const BLIND_MS: u64 = 60_000;

/// What a rule sees of one trainer.
enum Sight {
    /// What it looks for is there. The weight tells the worst rank of a run. `span` is when it began
    /// and ended, in milliseconds since the Unix epoch, where that is known better than by looking.
    Here { weight: f64, said: Box<Said>, span: Option<(i64, Option<i64>)> },
    /// Between the threshold at which it is raised and the one at which it is cleared.
    Fading,
    /// It is not there.
    Gone,
    /// Another finding says it.
    Told,
}

/// A rule about a trainer.
struct Looks {
    /// `None` where the evidence is missing or too short.
    look: fn(&View<'_>) -> Option<Sight>,
    timing: fn(&Settings) -> Timing,
}

/// The rules, in the order in which they are asked.
static LOOKS_OF: [Looks; 9] = [
    Looks { look: cpu_quota::look, timing: standard },
    Looks { look: cpu_oversubscribed::look, timing: standard },
    Looks { look: cache_thrash::look, timing: slow },
    Looks { look: small_files::look, timing: standard },
    Looks { look: main_thread::look, timing: standard },
    Looks { look: transfer_bound::look, timing: standard },
    Looks { look: epoch_respawn::look, timing: at_once },
    Looks { look: cold_cache::look, timing: at_once },
    Looks { look: repeated_prep::look, timing: at_once },
];

fn standard(settings: &Settings) -> Timing {
    settings.standard
}

/// Twice as long before anything is said or taken back.
fn slow(settings: &Settings) -> Timing {
    let Timing { window, raise, clear } = settings.standard;
    Timing { window, raise: 2.0 * raise, clear: 2.0 * clear }
}

/// What whole epochs say needs no further waiting.
fn at_once(_: &Settings) -> Timing {
    Timing { window: 0.0, raise: 0.0, clear: 0.0 }
}

/// A trainer over the window.
struct View<'a> {
    scene: &'a Scene<'a>,
    trainer: &'a Trainer,
    /// Plain training; `None` where there is too little of it.
    facts: Option<Facts>,
    used: Used,
}

impl<'a> View<'a> {
    fn of(scene: &'a Scene<'a>, trainer: &'a Trainer) -> Self {
        let seconds = scene.settings.standard.window;
        let now_ms = scene.frame.sample.stamp.mono_ms;
        let mut uses = Uses::default();
        let facts = Facts::of(trainer.recent(now_ms, seconds).inspect(|tick| {
            if tick.gate == Gate::Open {
                uses.add(tick);
            }
        }));
        let facts = facts.filter(|facts| facts.covered >= COVER * seconds && facts.looks >= LOOKS);
        Self { scene, trainer, facts, used: uses.means() }
    }

    /// The value of a threshold that is in force.
    fn of_settings(&self, threshold: &super::about::Threshold) -> f64 {
        self.scene.settings.of(threshold)
    }

    /// The window, where the loop keeps up: what a starved one lacks is for STARVED to say.
    fn fed(&self) -> Option<&Facts> {
        let facts = self.facts.as_ref()?;
        let blocked = facts.blocked?;
        let settings = self.scene.settings;
        let waits = blocked >= settings.of(&starved::BLOCKED)
            && Loss::of(blocked, facts.gpu).middle() >= settings.of(&starved::LOST);
        (!waits).then_some(facts)
    }

    fn starves(&self) -> bool {
        self.scene.starves(self.trainer.run)
    }

    /// The epochs of the loader in use.
    fn epochs(&self) -> Option<&Log> {
        self.trainer.epochs.of(self.trainer.loader)
    }

    /// The run's name.
    fn name(&self) -> String {
        name_of(&self.scene.frame.sample, self.trainer.run, self.trainer.pid)
    }

    /// `loader 1`
    fn entity(&self) -> String {
        self.trainer.loader.map_or_else(|| "loader".into(), |loader| format!("loader {loader}"))
    }

    /// The finding with its words.
    fn here(&self, weight: f64, said: Said) -> Sight {
        let said = Said { run: Some(self.trainer.run), pid: Some(self.trainer.pid), ..said };
        Sight::Here { weight, said: Box::new(said), span: None }
    }
}

/// The state of all these rules.
#[derive(Clone, Default)]
pub(super) struct Supply {
    last_ms: Option<u64>,
    watches: BTreeMap<(usize, RunId), Watch>,
}

/// One rule over one run.
#[derive(Clone, Copy, Default)]
struct Watch {
    latch: Latch,
    id: Option<u64>,
    seen: Option<Stamp>,
}

impl Check for Supply {
    fn step(&mut self, scene: &Scene<'_>, ledger: &mut Ledger) {
        let now_ms = scene.frame.sample.stamp.mono_ms;
        if self.last_ms.is_some_and(|last| now_ms.saturating_sub(last) < EVERY_MS) {
            return;
        }
        self.last_ms = Some(now_ms);
        let views: Vec<View<'_>> =
            scene.trainers.iter().map(|trainer| View::of(scene, trainer)).collect();
        let mut runs: Vec<RunId> = views.iter().map(|view| view.trainer.run).collect();
        runs.sort_unstable();
        runs.dedup();
        self.watches.retain(|(_, run), watch| {
            let stays = runs.contains(run);
            if !stays {
                watch.end(ledger);
            }
            stays
        });
        for run in runs {
            let ranks = || views.iter().filter(|view| view.trainer.run == run);
            for (rule, Looks { look, timing }) in LOOKS_OF.iter().enumerate() {
                let sight = worst(ranks().map(look));
                let watch = self.watches.entry((rule, run)).or_default();
                watch.step(scene, sight, timing(scene.settings), ledger);
            }
        }
    }

    fn end(&mut self, ledger: &mut Ledger) {
        for (_, mut watch) in std::mem::take(&mut self.watches) {
            watch.end(ledger);
        }
        self.last_ms = None;
    }
}

/// What is seen of a run: that of its worst rank.
fn worst(sights: impl Iterator<Item = Option<Sight>>) -> Option<Sight> {
    let rank = |sight: &Sight| match sight {
        Sight::Told => (3, 0.0),
        Sight::Here { weight, .. } => (2, *weight),
        Sight::Fading => (1, 0.0),
        Sight::Gone => (0, 0.0),
    };
    sights.flatten().max_by(|a, b| {
        let ((kind, weight), (other, than)) = (rank(a), rank(b));
        kind.cmp(&other).then(weight.total_cmp(&than))
    })
}

impl Watch {
    fn step(
        &mut self,
        scene: &Scene<'_>,
        sight: Option<Sight>,
        timing: Timing,
        ledger: &mut Ledger,
    ) {
        let stamp = scene.frame.sample.stamp;
        let unix = |mono_ms: u64, less: f64| {
            stamp.unix_ms - stamp.mono_ms.saturating_sub(mono_ms) as i64 - (less * 1e3) as i64
        };
        let Some(sight) = sight else {
            self.latch.blind();
            let seen = self.seen.map_or(0, |seen| seen.mono_ms);
            if stamp.mono_ms.saturating_sub(seen) > BLIND_MS {
                self.end(ledger);
            }
            return;
        };
        let before = self.seen.replace(stamp);
        if matches!(sight, Sight::Told) {
            self.end(ledger);
            return;
        }
        let raise = (matches!(sight, Sight::Here { .. }), timing.raise);
        let clear = (matches!(sight, Sight::Gone), timing.clear);
        match (self.latch.step(stamp.mono_ms, raise, clear), sight) {
            (Edge::Raised(since), Sight::Here { said, span, .. }) => {
                let start = span.map_or_else(|| unix(since, 0.3 * timing.window), |span| span.0);
                self.id = ledger.open(*said, start);
                if let Some((id, end_ms)) = self.id.zip(span.and_then(|span| span.1)) {
                    ledger.close(id, end_ms);
                    self.id = None;
                }
            }
            (Edge::Cleared(since), _) => {
                let end_ms = unix(since, 0.4 * timing.window);
                if let Some(id) = self.id.take() {
                    ledger.close(id, end_ms);
                }
            }
            (_, Sight::Here { mut said, .. }) => {
                let Some(id) = self.id else { return };
                // The ledger charges a tick; this looks once a second.
                let lost = said.lost.take();
                ledger.renew(id, *said, false);
                if let Some((lost, before)) = lost.zip(before) {
                    ledger.charge(id, &lost, before.unix_ms, i64::MAX);
                }
            }
            _ => {}
        }
    }

    /// The run is gone, or another finding says it: it ends at the last look.
    fn end(&mut self, ledger: &mut Ledger) {
        self.latch.reset();
        if let Some((id, seen)) = self.id.take().zip(self.seen) {
            ledger.close(id, seen.unix_ms);
        }
    }
}
