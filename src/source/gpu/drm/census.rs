//! One look at all clients for all cards: in a thread of its own, as a read of one client can hang in
//! the driver of its card.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::card::{Card, Driver, State};
use super::clients::{Clients, Search};
use super::engines::{Meter, Work};

/// How old a look at the clients may be at least, before a read of one is thought to hang.
const PATIENCE: Duration = Duration::from_secs(4);

/// How often is looked where no sum is made of it.
const SELDOM: Duration = Duration::from_secs(3);

/// What a look found.
#[derive(Debug)]
pub(super) struct Count {
    /// Who has a card open.
    pub(super) clients: Clients,
    /// What they did since the look before.
    pub(super) work: Vec<Work>,
    /// When.
    pub(super) at: Instant,
}

/// The looks at the clients of those cards that ask for them.
pub(super) struct Census {
    proc: PathBuf,
    interval: Duration,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    cards: Vec<Card>,
    latest: Option<Arc<Count>>,
}

impl Census {
    /// Looks at the processes below `proc` every `interval`, once there is a card that asks.
    pub(super) fn new(proc: &Path, interval: Duration) -> Arc<Self> {
        Arc::new(Self { proc: proc.to_owned(), interval, known: Mutex::default() })
    }

    /// Counts the clients of this card from now on.
    pub(super) fn add(self: &Arc<Self>, card: &Card) {
        let mut known = self.lock();
        known.cards.push(card.clone());
        if known.cards.len() > 1 {
            return;
        }
        let census = Arc::clone(self);
        let started = thread::Builder::new().name("gpu-clients".into()).spawn(move || census.run());
        if started.is_err() {
            super::super::collector::leave();
        }
    }

    /// How old the latest look may be.
    pub(super) fn patience(&self) -> Duration {
        (self.interval * 3).max(PATIENCE)
    }

    /// The latest look; `None` before the first.
    pub(super) fn latest(&self) -> Option<Arc<Count>> {
        self.lock().latest.clone()
    }

    fn run(&self) {
        let (mut search, mut meter) = (Search::new(&self.proc), Meter::default());
        loop {
            let at = Instant::now();
            let cards = self.lock().cards.clone();
            // A read of a client takes the power reference of its card, and would wake it.
            let awake = cards.iter().filter(|card| card.state() == State::Awake);
            let wanted: BTreeSet<String> = awake.flat_map(nodes).collect();
            let clients = search.look(at, &wanted);
            let work = meter.take(&clients.all, at);
            // AMD's rows do not rest on it, and who has a card open changes seldom.
            let sums = cards.iter().any(|card| card.driver != Driver::Amdgpu);
            let pause = if sums { self.interval } else { self.interval.max(SELDOM) };
            self.lock().latest = Some(Arc::new(Count { clients, work, at }));
            thread::sleep(pause);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names of the device files of a card.
fn nodes(card: &Card) -> Vec<String> {
    let Ok(entries) = fs::read_dir(card.folder.join("drm")) else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.starts_with("card") || name.starts_with("renderD")).take(8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_not_stale_before_the_next_one_is_due() {
        let census = |seconds| Census::new(Path::new("/proc"), Duration::from_secs(seconds));
        assert_eq!(census(1).patience(), PATIENCE);
        assert_eq!(census(10).patience(), Duration::from_secs(30));
    }
}
