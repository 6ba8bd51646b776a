//! Which rung a trainer is on, and why not a better one.

use std::time::{Duration, Instant};

use crate::model::Pid;
use crate::model::inventory::Refused;
use crate::source::root::Roots;

use super::rung::{Ladder, Refusal, Rung};

/// Between two tries of a better rung.
const AGAIN: Duration = Duration::from_secs(30);
/// The same while a trainer is young, or began another program: its interpreter may just start.
const AGAIN_YOUNG: Duration = Duration::from_secs(1);
const YOUNG: Duration = Duration::from_secs(30);

/// A trainer's place on the ladder.
#[derive(Debug)]
pub(super) struct Climb {
    rung: Option<(usize, Box<dyn Rung>)>,
    refused: Vec<Refused>,
    next: Instant,
    young_until: Instant,
}

impl Climb {
    pub(super) fn new(now: Instant) -> Self {
        Self { rung: None, refused: Vec::new(), next: now, young_until: now + YOUNG }
    }

    /// The rung in use, if any stands above the pipes.
    pub(super) fn rung(&mut self) -> Option<&mut Box<dyn Rung>> {
        self.rung.as_mut().map(|(_, rung)| rung)
    }

    pub(super) fn on_rung(&self) -> bool {
        self.rung.is_some()
    }

    /// The better rungs that were refused.
    pub(super) fn refused(&self) -> &[Refused] {
        &self.refused
    }

    /// When the next try is due; `None` on the best rung.
    pub(super) fn due(&self, ladder: &Ladder) -> Option<Instant> {
        let best = matches!(self.rung, Some((0, _))) || ladder.steps.is_empty();
        (!best).then_some(self.next)
    }

    /// Tries what is better than the rung in use. True where another one is in use now.
    pub(super) fn try_now(
        &mut self,
        roots: &Roots,
        pid: Pid,
        ladder: &Ladder,
        now: Instant,
    ) -> bool {
        self.next = now + if now < self.young_until { AGAIN_YOUNG } else { AGAIN };
        let below = self.rung.as_ref().map_or(ladder.steps.len(), |(number, _)| *number);
        self.refused.clear();
        for (number, step) in ladder.steps.iter().enumerate().take(below) {
            match (step.attach)(roots, pid) {
                Ok(rung) => {
                    self.rung = Some((number, rung));
                    return true;
                }
                Err(refusal) => self.refused.push(refused(step.source.code(), refusal)),
            }
        }
        false
    }

    /// The rung broke: the next try is soon, for the process may have begun another program.
    pub(super) fn fall(&mut self, now: Instant, why: &str) {
        if let Some((_, rung)) = self.rung.take() {
            let source = rung.ready_source().code();
            self.refused.push(refused(source, Refusal::new(why, "")));
        }
        (self.next, self.young_until) = (now + AGAIN_YOUNG / 4, now + YOUNG);
    }
}

/// A refusal under its source's name.
pub(super) fn refused(source: &str, refusal: Refusal) -> Refused {
    Refused { source: source.into(), why: refusal.why, remedy: refusal.remedy }
}

/// Refusals in one line.
pub(super) fn words(refused: &[Refused]) -> Box<str> {
    let each = refused.iter().map(|one| format!("{}: {}", one.source, one.why));
    each.collect::<Vec<_>>().join("; ").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Gap;
    use crate::model::sample::{ReadySource, WaitSource};
    use crate::source::loader::rung::{Depth, Known, Looked, Step};

    #[derive(Debug)]
    struct Empty(ReadySource);

    impl Rung for Empty {
        fn ready_source(&self) -> ReadySource {
            self.0
        }
        fn wait_source(&self) -> WaitSource {
            WaitSource::Stack
        }
        fn find(&mut self, _deep: bool) -> Result<bool, Gap> {
            Ok(true)
        }
        fn search_anew(&mut self) {}
        fn known(&self) -> &[Known] {
            &[]
        }
        fn look(&mut self, _key: Option<u64>) -> Looked {
            Looked { main: Err(Gap::Failed), depth: Err(Gap::Lost) }
        }
        fn depth(&mut self, _key: u64) -> Result<Depth, Gap> {
            Err(Gap::Lost)
        }
    }

    fn step(source: ReadySource, allowed: impl Fn() -> bool + Send + 'static) -> Step {
        let attach = move |_: &Roots, _: Pid| -> Result<Box<dyn Rung>, Refusal> {
            if allowed() {
                Ok(Box::new(Empty(source)))
            } else {
                Err(Refusal::new("it may not", "sudo it"))
            }
        };
        Step { source, attach: Box::new(attach) }
    }

    #[test]
    fn the_best_rung_that_is_allowed_is_taken_and_a_better_one_tried_again() {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicBool, Ordering};
        let open = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&open);
        let ladder = Ladder {
            steps: vec![
                step(ReadySource::Memory, move || asked.load(Ordering::Relaxed)),
                step(ReadySource::Probe, || true),
            ],
            semaphores: false,
        };
        let (now, roots) = (Instant::now(), Roots::default());
        let mut climb = Climb::new(now);
        assert!(climb.try_now(&roots, Pid(1), &ladder, now));
        assert_eq!(climb.rung().unwrap().ready_source(), ReadySource::Probe);
        assert_eq!(&*words(climb.refused()), "memory: it may not");
        let later = now + YOUNG;
        assert!(climb.due(&ladder).unwrap() <= later);
        assert!(!climb.try_now(&roots, Pid(1), &ladder, later));
        assert_eq!(climb.due(&ladder), Some(later + AGAIN));
        open.store(true, Ordering::Relaxed);
        assert!(climb.try_now(&roots, Pid(1), &ladder, later + AGAIN));
        assert_eq!(climb.rung().unwrap().ready_source(), ReadySource::Memory);
        assert_eq!((climb.refused().len(), climb.due(&ladder)), (0, None));
    }

    #[test]
    fn a_rung_that_broke_is_tried_again_soon_and_said_why_meanwhile() {
        let ladder = Ladder { steps: vec![step(ReadySource::Memory, || true)], semaphores: false };
        let (now, roots) = (Instant::now(), Roots::default());
        let mut climb = Climb::new(now);
        climb.try_now(&roots, Pid(1), &ladder, now);
        climb.fall(now, "the process runs another program");
        assert!(!climb.on_rung());
        assert_eq!(&*words(climb.refused()), "memory: the process runs another program");
        assert!(climb.due(&ladder).unwrap() <= now + AGAIN_YOUNG);
    }
}
