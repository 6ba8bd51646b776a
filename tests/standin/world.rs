//! The state behind all calls: one clock and one model, of which every view is a part.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::abi::Dev;
use crate::cost::Cost;
use crate::fault::Effect;
use crate::figure::{Figure, Figures, LOAD};
use crate::mig::Instance;
use crate::scenario::{Event, Gpu, Scenario};

/// What every load came to: bytes, millijoules, per cent times seconds.
pub type Sums = [f64; LOAD];

/// What a call sees of its GPU.
pub struct View {
    pub index: u32,
    pub gpu: Arc<Gpu>,
    /// Where the handle is that of a MIG instance.
    pub instance: Option<Instance>,
    pub figures: Figures,
    pub sums: Sums,
    pub t: f64,
    /// Microseconds since 1970.
    pub unix: u64,
    /// The driver's branch, as 580.
    pub branch: u32,
    pub garbage: Option<String>,
    scenario: Arc<Scenario>,
    /// Since when what is in force has been.
    since: f64,
}

impl View {
    pub fn get(&self, figure: Figure) -> f64 {
        self.figures.get(figure)
    }

    pub fn whole(&self, figure: Figure) -> u32 {
        self.get(figure).round() as u32
    }

    /// The mean over the last seconds, or since the script changed.
    pub fn mean(&self, figure: Figure, seconds: f64) -> f64 {
        self.mean_between(figure, self.t - seconds, self.t)
    }

    pub fn mean_between(&self, figure: Figure, from: f64, to: f64) -> f64 {
        let from = from.max(self.since);
        if to - from < 1e-6 {
            return self.get(figure);
        }
        let mut sums = [0.0; LOAD];
        integrate(&self.scenario, self.index, from, to, &mut sums);
        sums[figure as usize] / (to - from)
    }

    pub fn sum(&self, figure: Figure) -> f64 {
        self.sums[figure as usize]
    }

    pub fn garbled(&self, kind: &str) -> bool {
        self.garbage.as_deref() == Some(kind)
    }
}

/// Adds what the load comes to from one moment to another, piece by piece between its edges, in each
/// of which it moves in straight lines.
fn integrate(scenario: &Scenario, index: u32, from: f64, to: f64, sums: &mut Sums) {
    let mut t = from;
    while t < to {
        let until = scenario.edge_after(index, t).min(to);
        let span = until - t;
        // Clear of the edges, at which one part ends and the next begins.
        let inside = (span * 0.01).min(1e-6);
        let ends = (scenario.at(index, t + inside), scenario.at(index, until - inside));
        if let (Some(first), Some(last)) = ends {
            for (at, sum) in sums.iter_mut().enumerate() {
                *sum += (first.0[at] + last.0[at]) / 2.0 * span;
            }
        }
        t = until;
    }
}

struct World {
    start: Instant,
    unix: f64,
    scenario: Arc<Scenario>,
    /// When the scenario came into force.
    since: f64,
    control: Option<std::ffi::OsString>,
    looked: Option<Instant>,
    stamp: Option<(SystemTime, u64)>,
    sums: BTreeMap<u32, (f64, Sums)>,
    calls: HashMap<(&'static str, Option<u32>), u64>,
    /// Faults that stick, by GPU.
    stuck: Vec<(usize, Option<u32>)>,
    references: i64,
}

/// How often the control file is looked at.
const LOOK: Duration = Duration::from_millis(5);

static WORLD: Mutex<Option<World>> = Mutex::new(None);

fn with<T>(work: impl FnOnce(&mut World) -> T) -> T {
    let mut world: MutexGuard<'_, Option<World>> =
        WORLD.lock().unwrap_or_else(PoisonError::into_inner);
    work(world.get_or_insert_with(World::open))
}

fn base() -> Scenario {
    let mut scenario = Scenario { driver: crate::variant::driver(), ..Scenario::default() };
    let script = std::env::var_os("MLTOP_STANDIN").and_then(|path| fs::read_to_string(path).ok());
    scenario.read(&script.unwrap_or_else(|| "gpu 0".to_owned()));
    scenario
}

impl World {
    fn open() -> Self {
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let mut world = Self {
            start: Instant::now(),
            unix: unix.map_or(0.0, |since| since.as_secs_f64()),
            scenario: Arc::new(base()),
            since: 0.0,
            control: std::env::var_os("MLTOP_STANDIN_CONTROL"),
            looked: None,
            stamp: None,
            sums: BTreeMap::new(),
            calls: HashMap::new(),
            stuck: Vec::new(),
            references: 0,
        };
        if let Some(since) = world.scenario.since {
            // All processes that load the library see one world.
            world.start -= Duration::from_secs_f64((world.unix - since).max(0.0));
            world.unix = since;
        }
        world
    }

    fn now(&self) -> f64 {
        let run = self.start.elapsed().as_secs_f64() * self.scenario.speed.unwrap_or(1.0);
        self.scenario.now.unwrap_or(run)
    }

    /// Reads the control file again where it changed; what passed until now keeps its old rates.
    fn follow_control(&mut self) {
        let Some(path) = &self.control else { return };
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
            return;
        }
        self.looked = Some(Instant::now());
        let Ok(metadata) = fs::metadata(path) else { return };
        let stamp = (metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), metadata.len());
        if self.stamp.replace(stamp) == Some(stamp) {
            return;
        }
        let text = fs::read_to_string(path).unwrap_or_default();
        let t = self.now();
        for index in self.scenario.gpus.keys().copied().collect::<Vec<_>>() {
            self.advance(index, t);
        }
        let mut scenario = base();
        scenario.read(&text);
        let virtual_time = scenario.now.is_some();
        self.scenario = Arc::new(scenario);
        // A clock that is set by hand moves on with each line: nothing else has changed.
        if !virtual_time && !text.trim().is_empty() {
            self.since = t;
            self.stuck.clear();
        }
    }

    fn advance(&mut self, index: u32, t: f64) -> Sums {
        let (begun, sums) = self.sums.entry(index).or_insert((0.0, [0.0; LOAD]));
        if t > *begun {
            integrate(&self.scenario, index, *begun, t, sums);
            *begun = t;
        }
        *sums
    }

    fn view(&mut self, index: u32, slot: Option<u32>) -> Option<View> {
        let t = self.now();
        let gpu = Arc::clone(self.scenario.gpus.get(&index)?);
        let instance = match slot {
            Some(slot) => Some(gpu.mig.get(slot as usize)?.clone()?),
            None => None,
        };
        Some(View {
            index,
            instance,
            figures: self.scenario.at(index, t)?,
            sums: self.advance(index, t),
            t,
            unix: ((self.unix + t) * 1e6) as u64,
            branch: branch(&self.scenario.driver),
            garbage: None,
            scenario: Arc::clone(&self.scenario),
            since: self.since,
            gpu,
        })
    }

    fn effect(&mut self, symbol: &'static str, gpu: Option<u32>, t: f64) -> Effect {
        let calls = self.calls.entry((symbol, gpu)).or_default();
        *calls += 1;
        let calls = *calls;
        let mut effect = Effect::default();
        for (at, fault) in self.scenario.faults.iter().enumerate() {
            if !fault.names(symbol, gpu) {
                continue;
            }
            let stuck = self.stuck.contains(&(at, gpu));
            if stuck || fault.strikes(t, calls) {
                fault.add_to(&mut effect, t);
                if fault.sticky && !stuck {
                    self.stuck.push((at, gpu));
                }
            }
        }
        effect
    }
}

fn branch(driver: &str) -> u32 {
    driver.split('.').next().and_then(|branch| branch.parse().ok()).unwrap_or(0)
}

/// The handle of a GPU, or of an instance of it.
pub fn handle_of(index: u32, slot: Option<u32>) -> Dev {
    (0x1000 + (index as usize * 16 + slot.map_or(0, |slot| slot as usize + 1)) * 16) as Dev
}

/// GPU and slot of a handle.
pub fn index_of(device: Dev) -> Option<(u32, Option<u32>)> {
    let at = (device as usize).checked_sub(0x1000)?;
    let (at, rest) = (at / 16, at % 16);
    (rest == 0 && at < 1 << 20).then_some(((at / 16) as u32, (at as u32 % 16).checked_sub(1)))
}

/// What is wrong with this call, and the world's time.
pub fn enter(symbol: &'static str, gpu: Option<u32>) -> (Effect, f64, Cost) {
    with(|world| {
        world.follow_control();
        let t = world.now();
        (world.effect(symbol, gpu, t), t, world.scenario.cost)
    })
}

pub fn view(index: u32, slot: Option<u32>) -> Option<View> {
    with(|world| world.view(index, slot))
}

pub fn now() -> f64 {
    with(|world| world.now())
}

pub fn cost() -> Cost {
    with(|world| world.scenario.cost)
}

pub fn references() -> i64 {
    with(|world| world.references)
}

pub fn refer(by: i64) {
    with(|world| world.references += by);
}

pub fn gpu_count() -> u32 {
    with(|world| world.scenario.gpus.keys().next_back().map_or(0, |last| last + 1))
}

pub fn driver() -> String {
    with(|world| world.scenario.driver.clone())
}

/// All events of the script, in its order.
pub fn events() -> Vec<Event> {
    with(|world| {
        world.follow_control();
        world.scenario.events.clone()
    })
}

/// The first GPU or instance that is as wanted.
pub fn find(wanted: impl Fn(&View) -> bool) -> Option<(u32, Option<u32>)> {
    let slots = || std::iter::once(None).chain((0..8).map(Some));
    let all = (0..gpu_count()).flat_map(|index| slots().map(move |slot| (index, slot)));
    all.into_iter().find(|(index, slot)| view(*index, *slot).is_some_and(|view| wanted(&view)))
}
