//! The state behind all calls: one clock, one model of traffic and energy, and the faults.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::abi::{Dev, INVALID, Rc, UNINITIALIZED};
use crate::scenario::{Gpu, Scenario};

/// What a call sees of its GPU.
pub struct View {
    pub index: u32,
    pub gpu: Gpu,
    pub t: f64,
    /// Bytes received, bytes sent and millijoules since the start.
    pub rx: f64,
    pub tx: f64,
    pub energy: f64,
    pub garbage: Option<String>,
}

impl View {
    pub fn figure(&self, name: &str) -> f64 {
        self.gpu.figure(name)
    }

    pub fn garbled(&self, kind: &str) -> bool {
        self.garbage.as_deref() == Some(kind)
    }
}

#[derive(Clone, Copy, Default)]
struct Sums {
    t: f64,
    rx: f64,
    tx: f64,
    energy: f64,
}

struct World {
    start: Instant,
    scenario: Scenario,
    control: Option<(SystemTime, u64)>,
    sums: BTreeMap<u32, Sums>,
    calls: HashMap<&'static str, u64>,
    references: i64,
    log: Option<File>,
}

static WORLD: Mutex<Option<World>> = Mutex::new(None);

fn world() -> MutexGuard<'static, Option<World>> {
    let mut world = WORLD.lock().unwrap_or_else(PoisonError::into_inner);
    if world.is_none() {
        *world = Some(World::open());
    }
    world
}

fn file_of(variable: &str) -> Option<String> {
    fs::read_to_string(std::env::var_os(variable)?).ok()
}

fn base() -> Scenario {
    let mut scenario = Scenario { driver: "580.65.06".to_owned(), ..Scenario::default() };
    scenario.read(&file_of("MLTOP_STANDIN").unwrap_or_else(|| "gpu 0".to_owned()));
    scenario
}

impl World {
    fn open() -> Self {
        let log = std::env::var_os("MLTOP_STANDIN_LOG")
            .and_then(|path| OpenOptions::new().create(true).append(true).open(path).ok());
        Self {
            start: Instant::now(),
            scenario: base(),
            control: None,
            sums: BTreeMap::new(),
            calls: HashMap::new(),
            references: 0,
            log,
        }
    }

    fn now(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Reads the control file again where it changed; what passed until now keeps its old rates.
    fn follow_control(&mut self, t: f64) {
        let Some(path) = std::env::var_os("MLTOP_STANDIN_CONTROL") else { return };
        let Ok(metadata) = fs::metadata(&path) else { return };
        let stamp = (metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), metadata.len());
        if self.control.replace(stamp) == Some(stamp) {
            return;
        }
        for index in self.scenario.gpus.keys().copied().collect::<Vec<_>>() {
            self.advance(index, t);
        }
        self.scenario = base();
        self.scenario.read(&fs::read_to_string(&path).unwrap_or_default());
    }

    /// Integrates rates up to `t`, piece by piece between the edges of phases.
    fn advance(&mut self, index: u32, t: f64) -> Sums {
        let mut sums = self.sums.get(&index).copied().unwrap_or_default();
        while sums.t < t {
            let until = self.scenario.edge_after(sums.t).min(t);
            let span = until - sums.t;
            if let Some(gpu) = self.scenario.at(index, sums.t) {
                sums.rx += gpu.figure("pcie_rx") * span;
                sums.tx += gpu.figure("pcie_tx") * span;
                sums.energy += gpu.figure("power") * span;
            }
            sums.t = until;
        }
        self.sums.insert(index, sums);
        sums
    }
}

fn handle_of(index: u32) -> Dev {
    (0x1000 + index as usize * 16) as Dev
}

fn index_of(device: Dev) -> Option<u32> {
    let at = (device as usize).checked_sub(0x1000)?;
    (at % 16 == 0).then_some((at / 16) as u32)
}

/// What a fault does to a call.
#[derive(Default)]
struct Effect {
    rc: Option<Rc>,
    delay: Duration,
    hang: bool,
    hangfile: Option<String>,
    garbage: Option<String>,
}

fn enter(symbol: &'static str, gpu: Option<u32>) -> (Effect, f64) {
    let mut guard = world();
    let Some(world) = guard.as_mut() else { return (Effect::default(), 0.0) };
    let t = world.now();
    world.follow_control(t);
    let calls = world.calls.entry(symbol).or_default();
    *calls += 1;
    let calls = *calls;
    let mut effect = Effect::default();
    for fault in &world.scenario.faults {
        if fault.hits(symbol, gpu, t, calls) {
            effect.rc = fault.rc.or(effect.rc);
            effect.delay += Duration::from_millis(fault.delay_ms);
            effect.hang |= fault.hang;
            effect.hangfile = fault.hangfile.clone().or(effect.hangfile);
            effect.garbage = fault.garbage.clone().or(effect.garbage);
        }
    }
    (effect, t)
}

/// Runs a call with its faults and its line in the log. No lock is held while it sleeps or hangs.
fn perform(symbol: &'static str, gpu: Option<u32>, body: impl FnOnce(Option<String>) -> Rc) -> Rc {
    let begun = Instant::now();
    let (effect, t) = enter(symbol, gpu);
    if effect.hang || effect.hangfile.is_some() {
        log(symbol, gpu, t, u32::MAX, begun);
    }
    if let Some(path) = effect.hangfile {
        // A frozen filesystem keeps the writer in the kernel, where no signal reaches it.
        if let Ok(mut file) = OpenOptions::new().append(true).open(path) {
            let _ = file.write_all(&[0; 4096]);
        }
    }
    while effect.hang {
        std::thread::sleep(Duration::from_secs(3600));
    }
    if !effect.delay.is_zero() {
        std::thread::sleep(effect.delay);
    }
    let rc = effect.rc.unwrap_or_else(|| body(effect.garbage));
    log(symbol, gpu, t, rc, begun);
    rc
}

fn log(symbol: &str, gpu: Option<u32>, t: f64, rc: Rc, begun: Instant) {
    let guard = world();
    let Some(mut file) = guard.as_ref().and_then(|world| world.log.as_ref()) else { return };
    let thread = std::thread::current();
    let gpu = gpu.map_or_else(|| "-".to_owned(), |gpu| gpu.to_string());
    let line = format!(
        "{} {:?} {symbol} {gpu} {rc} {}\n",
        (t * 1e6) as u64,
        thread.id(),
        begun.elapsed().as_micros()
    );
    let _ = file.write_all(line.as_bytes());
}

/// A call on no GPU in particular. Before the first init there is no answer.
pub fn on_system(symbol: &'static str, body: impl FnOnce() -> Rc) -> Rc {
    perform(symbol, None, |_| if references() > 0 { body() } else { UNINITIALIZED })
}

/// A call that may come before the first init.
pub fn on_library(symbol: &'static str, body: impl FnOnce() -> Rc) -> Rc {
    perform(symbol, None, |_| body())
}

/// A call on one GPU.
pub fn on_gpu(symbol: &'static str, device: Dev, body: impl FnOnce(&View) -> Rc) -> Rc {
    let index = index_of(device);
    perform(symbol, index, |garbage| {
        if references() <= 0 {
            return UNINITIALIZED;
        }
        match index.and_then(view) {
            Some(view) => body(&View { garbage, ..view }),
            None => INVALID,
        }
    })
}

/// The handle of a GPU, as a call on that GPU.
pub fn hand_out(symbol: &'static str, index: Option<u32>, out: *mut Dev) -> Rc {
    perform(symbol, index, |_| {
        let known = index.filter(|index| view(*index).is_some());
        match known {
            Some(index) if !out.is_null() => {
                // SAFETY: the caller's pointer to a handle, as the library's contract has it.
                unsafe { *out = handle_of(index) };
                0
            }
            _ => INVALID,
        }
    })
}

fn view(index: u32) -> Option<View> {
    let mut guard = world();
    let world = guard.as_mut()?;
    let t = world.now();
    let gpu = world.scenario.at(index, t)?;
    let sums = world.advance(index, t);
    let (rx, tx, energy) = (sums.rx, sums.tx, sums.energy);
    Some(View { index, gpu, t, rx, tx, energy, garbage: None })
}

pub fn references() -> i64 {
    world().as_ref().map_or(0, |world| world.references)
}

pub fn refer(by: i64) {
    if let Some(world) = world().as_mut() {
        world.references += by;
    }
}

pub fn gpu_count() -> u32 {
    world()
        .as_ref()
        .map_or(0, |world| world.scenario.gpus.keys().next_back().map_or(0, |last| last + 1))
}

pub fn driver() -> String {
    world().as_ref().map_or_else(String::new, |world| world.scenario.driver.clone())
}

/// The first GPU whose text or usual text is `wanted`.
pub fn find(wanted: impl Fn(&View) -> bool) -> Option<u32> {
    (0..gpu_count()).find(|index| view(*index).is_some_and(|view| wanted(&view)))
}
