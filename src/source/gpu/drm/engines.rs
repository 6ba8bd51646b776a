//! How busy engines are, from what they counted between two looks.
//!
//! Counts may step back: the kernel asks to stay with the larger one until they have caught up.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::fdinfo::{Busy, Client};
use crate::model::Pid;

/// How far a class of engines may seem busier than it can be, by the jitter of reads.
const SLACK: f64 = 1.25;
/// How long a larger count is waited for: one that does not come back was garbage.
const PATIENCE: Duration = Duration::from_secs(30);

/// What one client did with one class of engines since the look before.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Work {
    pub(super) pid: Pid,
    pub(super) pdev: String,
    /// The driver's name of the class.
    pub(super) engine: String,
    /// Share of all engines of the class that worked for it; `None` where this look does not tell.
    pub(super) share: Option<f64>,
    /// Whether it ever used them.
    pub(super) ever: bool,
}

/// The counts of the looks before, by card, client and class.
#[derive(Debug, Default)]
pub(super) struct Meter {
    seen: BTreeMap<(String, u64, String), Seen>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    busy: u64,
    /// The card's clock, for engines that count in its cycles.
    clock: Option<u64>,
    at: Instant,
}

impl Meter {
    /// Takes the clients of a look that began at `now`: through many processes it takes a while, and a
    /// share is of the time between two reads of its own client.
    pub(super) fn take(&mut self, clients: &[Client], now: Instant) -> Vec<Work> {
        let mut seen = BTreeMap::new();
        let mut done = Vec::new();
        for client in clients {
            let at = now + client.after;
            for engine in &client.engines {
                let key = (client.pdev.clone(), client.id, engine.name.clone());
                let next = match engine.busy {
                    Busy::Nanoseconds(busy) => Seen { busy, clock: None, at },
                    Busy::Cycles { busy, total } => Seen { busy, clock: Some(total), at },
                };
                let (kept, share) = step(self.seen.get(&key), next, engine.capacity);
                done.push(Work {
                    pid: client.pid,
                    pdev: client.pdev.clone(),
                    engine: engine.name.clone(),
                    share,
                    ever: kept.busy > 0,
                });
                seen.insert(key, kept);
            }
        }
        // Clients that are gone take their counts along: a number is not given twice.
        self.seen = seen;
        done
    }
}

/// What to compare the next look with, and the share since the look before.
fn step(before: Option<&Seen>, next: Seen, capacity: u32) -> (Seen, Option<f64>) {
    let Some(&before) = before else { return (next, None) };
    let span = match (before.clock, next.clock) {
        // The card's clock began anew: it was reset.
        (Some(a), Some(b)) if b < a => return (next, None),
        (Some(a), Some(b)) => (b - a) as f64,
        _ => next.at.saturating_duration_since(before.at).as_nanos() as f64,
    };
    if next.busy < before.busy {
        // Until it has caught up nothing is told, and then the whole time since counts.
        let waited = next.at.saturating_duration_since(before.at) > PATIENCE;
        return (if waited { next } else { before }, None);
    }
    let busy = (next.busy - before.busy) as f64;
    if span <= 0.0 {
        // A clock that stands is that of a card that slept.
        return (next, (busy == 0.0).then_some(0.0));
    }
    let share = busy / span / f64::from(capacity.max(1));
    (next, (share <= SLACK).then(|| share.min(1.0)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fdinfo::Engine;
    use super::*;

    fn client(busy: Busy, capacity: u32) -> Client {
        Client {
            pid: Pid(7),
            pdev: "0000:03:00.0".into(),
            id: 1,
            engines: vec![Engine { name: "ccs".into(), capacity, busy }],
            ..Client::default()
        }
    }

    fn share(meter: &mut Meter, busy: Busy, capacity: u32, at: Instant) -> Option<f64> {
        meter.take(&[client(busy, capacity)], at)[0].share
    }

    #[test]
    fn time_and_cycles_give_the_share_of_all_engines_of_the_class() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut meter = Meter::default();
        assert_eq!(share(&mut meter, Busy::Nanoseconds(5), 2, start), None);
        let half = Busy::Nanoseconds(5 + 1_000_000_000);
        assert_eq!(share(&mut meter, half, 2, start + second), Some(0.5));
        let mut meter = Meter::default();
        share(&mut meter, Busy::Cycles { busy: 0, total: 1000 }, 4, start);
        let quarter = Busy::Cycles { busy: 1000, total: 2000 };
        // The card's own clock tells, however late the look is.
        assert_eq!(share(&mut meter, quarter, 4, start + 9 * second), Some(0.25));
        assert_eq!(share(&mut meter, quarter, 4, start + 10 * second), Some(0.0));
    }

    #[test]
    fn a_share_is_of_the_time_between_the_reads_however_long_the_looks_took() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut meter = Meter::default();
        let mut slow = client(Busy::Nanoseconds(0), 1);
        slow.after = second / 2;
        meter.take(&[slow], start);
        let busy = Busy::Nanoseconds(500_000_000);
        assert_eq!(share(&mut meter, busy, 1, start + second), Some(1.0));
    }

    #[test]
    fn a_count_that_steps_back_tells_nothing_until_it_has_caught_up() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut meter = Meter::default();
        let time = |millis: u64| Busy::Nanoseconds(millis * 1_000_000);
        share(&mut meter, time(1000), 1, start);
        assert_eq!(share(&mut meter, time(900), 1, start + second), None);
        // Two seconds went by since the larger count.
        assert_eq!(share(&mut meter, time(2000), 1, start + 2 * second), Some(0.5));
    }

    #[test]
    fn a_card_that_was_reset_is_measured_from_there() {
        let start = Instant::now();
        let mut meter = Meter::default();
        let cycles = |busy, total| Busy::Cycles { busy, total };
        share(&mut meter, cycles(500, 10_000), 1, start);
        assert_eq!(share(&mut meter, cycles(5, 100), 1, start), None);
        assert_eq!(share(&mut meter, cycles(55, 200), 1, start), Some(0.5));
    }

    #[test]
    fn more_than_all_of_the_time_is_no_share() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut meter = Meter::default();
        share(&mut meter, Busy::Nanoseconds(0), 1, start);
        let jitter = Busy::Nanoseconds(1_100_000_000);
        assert_eq!(share(&mut meter, jitter, 1, start + second), Some(1.0));
        let garbage = Busy::Nanoseconds(u64::MAX);
        assert_eq!(share(&mut meter, garbage, 1, start + 2 * second), None);
        // What was garbage is not waited for for ever.
        share(&mut meter, Busy::Nanoseconds(40 * 1_000_000_000), 1, start + 40 * second);
        let half = Busy::Nanoseconds(40_500_000_000);
        assert_eq!(share(&mut meter, half, 1, start + 41 * second), Some(0.5));
    }

    proptest! {
        #[test]
        fn a_share_is_one_or_none(looks in proptest::collection::vec((any::<u64>(), any::<u64>(), 0_u32..9), 1..40)) {
            let (start, mut meter) = (Instant::now(), Meter::default());
            for (number, (busy, total, capacity)) in looks.into_iter().enumerate() {
                let at = start + Duration::from_millis(number as u64 * 700);
                for busy in [Busy::Cycles { busy, total }, Busy::Nanoseconds(busy)] {
                    let share = share(&mut meter, busy, capacity, at);
                    prop_assert!(share.is_none_or(|share| (0.0..=1.0).contains(&share)));
                }
            }
        }
    }
}
