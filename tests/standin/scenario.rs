//! The script of the stand-in: lines of `word key=value …`. `_` in a value stands for a space.
//!
//! ```text
//! driver 580.65.06
//! gpu 0 model=h100 kind=starved                     a card by name, with a load by name
//! gpu 1 util=37 mem_used=43980465152 pcie_rx=20e9   or with its figures, as figure.rs names them
//! gpu 2 model=a100-80 mig=3g.40gb,-,1g.10gb         MIG instances; `-` is a hole in the numbering
//! instance gpu=2 slot=0 sm=40 mem_used=5e9          the load of one of them
//! phase gpu=0 from=2 to=4 kind=idle                 `every=10`: again every ten seconds
//! key gpu=1 t=0 util=10                             figures that move in straight lines
//! key gpu=1 t=8 util=90
//! replay gpu=1 file=/path/of.csv                    keys from a table: `t` and figures
//! proc gpu=0 pid=123 mem=1073741824 sm=30           `pid=self`, `list=graphics|mps`, `gi=1 ci=0`
//! xid gpu=0 at=5 code=79                            an event; `type=` for others than Xid
//! cost sleep                                        calls take an H200's time, asleep; `spin`: awake
//! cost spin published                               or the times that others published
//! clock speed=10                                    the world's time runs faster; `since=UNIX`
//! now 12.5                                          the world's time stands here
//! fault fn=nvmlDevice* gpu=1 after=5 rc=15          see fault.rs
//! ```
//!
//! A line that is not understood is left out.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cost::Cost;
use crate::fault::Fault;
use crate::figure::{Figure, Figures};
use crate::load::{self, Kind};
use crate::mig::Instance;
use crate::preset;

pub type Pairs<'a> = BTreeMap<&'a str, &'a str>;

#[derive(Clone, Default)]
pub struct Scenario {
    pub driver: String,
    pub gpus: BTreeMap<u32, Arc<Gpu>>,
    pub phases: Vec<Phase>,
    pub faults: Vec<Fault>,
    pub events: Vec<Event>,
    pub cost: Cost,
    pub speed: Option<f64>,
    pub since: Option<f64>,
    pub now: Option<f64>,
}

#[derive(Clone, Default)]
pub struct Gpu {
    pub figures: Figures,
    pub texts: BTreeMap<String, String>,
    pub procs: Vec<Proc>,
    pub model: Option<&'static preset::Preset>,
    /// By slot.
    pub mig: Vec<Option<Instance>>,
    /// Whether MIG mode is on: with instances or without.
    pub mig_mode: bool,
    curves: Vec<(Figure, Vec<(f64, f64)>)>,
}

/// A process on a GPU.
#[derive(Clone)]
pub struct Proc {
    pub pid: u32,
    /// `u64::MAX` where the driver cannot tell.
    pub memory: u64,
    pub list: List,
    pub instance: u32,
    pub compute: u32,
    /// Its part of the multiprocessors' time, per cent; an equal part where that is not said.
    pub sm: Option<f64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum List {
    Compute,
    Graphics,
    Mps,
}

#[derive(Clone, Default)]
pub struct Phase {
    gpu: u32,
    from: f64,
    to: f64,
    every: Option<f64>,
    kind: Option<&'static Kind>,
    sets: Vec<(Figure, f64)>,
}

/// Something that the driver tells by itself.
#[derive(Clone)]
pub struct Event {
    pub gpu: u32,
    pub at: f64,
    /// A bit of nvml.h; 8 for an Xid.
    pub kind: u64,
    pub data: u64,
}

/// Seconds for which one value of the noise holds.
const NOISE_SLOT: f64 = 0.25;

impl Phase {
    /// Seconds since it last began, where it holds.
    fn holds(&self, t: f64) -> bool {
        let since = t - self.from;
        let since = self.every.map_or(since, |every| since.rem_euclid(every));
        t >= self.from && since < self.to - self.from
    }

    fn edge_after(&self, t: f64) -> f64 {
        let mut edges = vec![self.from, self.to];
        if let Some(every) = self.every {
            let begun = ((t - self.from) / every).floor().max(0.0) * every;
            edges = vec![begun + self.from, begun + self.to, begun + every + self.from];
        }
        if let Some(kind) = self.kind.filter(|_| self.holds(t)) {
            edges.push(kind.edge_after(t));
        }
        edges.into_iter().filter(|edge| *edge > t).fold(f64::INFINITY, f64::min)
    }
}

impl Gpu {
    pub fn text(&self, name: &str, usual: &str) -> String {
        self.texts.get(name).cloned().unwrap_or_else(|| usual.to_owned())
    }

    fn take(&mut self, key: &str, value: &str) {
        match key {
            "model" => {
                self.model = preset::named(value);
                if let Some(model) = self.model {
                    model.fill(&mut self.figures);
                }
            }
            "mig" => {
                self.mig_mode = true;
                let profiles = self.model.or_else(|| preset::named("h100")).map(|m| m.profiles);
                self.mig = crate::mig::layout(value, profiles.unwrap_or_default());
            }
            _ => match (Figure::named(key), value.parse::<f64>()) {
                (Some(figure), Ok(number)) => self.figures.set(figure, number),
                _ => drop(self.texts.insert(key.to_owned(), value.replace('_', " "))),
            },
        }
    }

    fn key(&mut self, t: f64, figure: Figure, value: f64) {
        let at = self.curves.iter().position(|(known, _)| *known == figure);
        let at = at.unwrap_or_else(|| {
            self.curves.push((figure, Vec::new()));
            self.curves.len() - 1
        });
        self.curves[at].1.push((t, value));
    }
}

/// The value of a curve at `t`: straight between its points, level before and after.
fn on_curve(points: &[(f64, f64)], t: f64) -> f64 {
    let after = points.partition_point(|point| point.0 <= t);
    match (after.checked_sub(1).map(|at| points[at]), points.get(after)) {
        (Some((t0, v0)), Some((t1, v1))) => v0 + (v1 - v0) * (t - t0) / (t1 - t0),
        (Some((_, value)), None) => value,
        (None, Some((_, value))) => *value,
        (None, None) => 0.0,
    }
}

/// A number from -1 to 1 that looks like none in particular, the same for the same slot and seed.
pub fn jitter(seed: u64, slot: u64) -> f64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(slot << 17 ^ slot);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

impl Scenario {
    /// Reads more lines on top of what there is.
    pub fn read(&mut self, text: &str) {
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            let mut words = line.split_whitespace();
            let Some(word) = words.next() else { continue };
            let rest: Vec<&str> = words.collect();
            let pairs: Pairs<'_> = rest.iter().filter_map(|word| word.split_once('=')).collect();
            let first = rest.first().copied().unwrap_or_default();
            let gpu = number(&pairs, "gpu").unwrap_or(0.0) as u32;
            match word {
                "driver" => self.driver = first.to_owned(),
                "gpu" => self.gpu(first, &rest),
                "phase" => self.phases.push(phase(gpu, &pairs)),
                "instance" => self.instance(gpu, &pairs),
                "key" => {
                    let t = number(&pairs, "t").unwrap_or(0.0);
                    for (figure, value) in figures(&pairs) {
                        self.of(gpu).key(t, figure, value);
                    }
                }
                "replay" => self.replay(gpu, pairs.get("file").copied().unwrap_or_default()),
                "proc" => self.of(gpu).procs.push(process(&pairs)),
                "xid" => self.events.push(Event {
                    gpu,
                    at: number(&pairs, "at").unwrap_or(0.0),
                    kind: number(&pairs, "type").unwrap_or(8.0) as u64,
                    data: number(&pairs, "code").unwrap_or(0.0) as u64,
                }),
                "fault" => self.faults.push(Fault::parse(&pairs)),
                "cost" => self.cost = Cost::of(&rest),
                "clock" => {
                    self.speed = number(&pairs, "speed").or(self.speed);
                    self.since = number(&pairs, "since").or(self.since);
                }
                "now" => self.now = first.parse().ok(),
                _ => {}
            }
        }
    }

    fn of(&mut self, gpu: u32) -> &mut Gpu {
        Arc::make_mut(self.gpus.entry(gpu).or_default())
    }

    fn gpu(&mut self, index: &str, words: &[&str]) {
        let Ok(index) = index.parse() else { return };
        let gpu = self.of(index);
        let pairs = || words.iter().filter_map(|word| word.split_once('='));
        // The card first: what is said beside it stands over it, in whatever order.
        for (key, value) in pairs().filter(|pair| pair.0 == "model") {
            gpu.take(key, value);
        }
        for (key, value) in pairs().filter(|pair| pair.0 != "model" && pair.0 != "kind") {
            gpu.take(key, value);
        }
        let pairs: Pairs<'_> = pairs().collect();
        let kind = pairs.get("kind").and_then(|word| load::named(word));
        let kinds = self.phases.iter().any(|phase| phase.gpu == index && phase.kind.is_some());
        if kind.is_some() || kinds {
            self.phases.push(phase(index, &pairs));
        }
    }

    fn instance(&mut self, gpu: u32, pairs: &Pairs<'_>) {
        let slot = number(pairs, "slot").unwrap_or(0.0) as usize;
        let gpu = self.of(gpu);
        if let Some(Some(instance)) = gpu.mig.get_mut(slot) {
            instance.sets.extend(figures(pairs));
        }
    }

    /// Keys from a table with a line of names at its head.
    fn replay(&mut self, gpu: u32, path: &str) {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let mut lines = text.lines();
        let names: Vec<&str> = lines.next().unwrap_or_default().split(',').map(str::trim).collect();
        for line in lines {
            let cells: Pairs<'_> =
                names.iter().copied().zip(line.split(',').map(str::trim)).collect();
            let Some(t) = number(&cells, "t") else { continue };
            for (figure, value) in figures(&cells) {
                self.of(gpu).key(t, figure, value);
            }
        }
    }

    /// A GPU's figures as they are at `t`.
    pub fn at(&self, index: u32, t: f64) -> Option<Figures> {
        let gpu = self.gpus.get(&index)?;
        let mut figures = gpu.figures;
        for phase in self.phases.iter().filter(|phase| phase.gpu == index && phase.holds(t)) {
            if let Some(kind) = phase.kind {
                kind.fill(&mut figures, t);
            }
            for (figure, value) in &phase.sets {
                figures.set(*figure, *value);
            }
        }
        for (figure, points) in &gpu.curves {
            figures.set(*figure, on_curve(points, t));
        }
        let noise = figures.get(Figure::Noise);
        if noise > 0.0 {
            let seed = figures.get(Figure::Seed) as u64 * 1000 + u64::from(index);
            let factor = 1.0 - noise * jitter(seed, (t / NOISE_SLOT + 1e-9) as u64).abs();
            for load in 0..crate::figure::LOAD {
                figures.0[load] *= factor;
            }
        }
        Some(figures)
    }

    /// The next moment after `t` at which a GPU's figures jump or bend.
    pub fn edge_after(&self, index: u32, t: f64) -> f64 {
        let Some(gpu) = self.gpus.get(&index) else { return f64::INFINITY };
        let phases = self.phases.iter().filter(|phase| phase.gpu == index);
        let curves = gpu.curves.iter().flat_map(|curve| curve.1.iter().map(|point| point.0));
        let noise = (gpu.figures.get(Figure::Noise) > 0.0)
            .then(|| ((t / NOISE_SLOT + 1e-9).floor() + 1.0) * NOISE_SLOT);
        let edges = phases.map(|phase| phase.edge_after(t)).chain(curves).chain(noise);
        edges.filter(|edge| *edge > t + 1e-9).fold(f64::INFINITY, f64::min)
    }
}

pub fn number(pairs: &Pairs<'_>, key: &str) -> Option<f64> {
    pairs.get(key).and_then(|value| value.parse().ok())
}

fn figures<'a>(pairs: &'a Pairs<'_>) -> impl Iterator<Item = (Figure, f64)> + 'a {
    pairs.iter().filter_map(|(key, value)| Some((Figure::named(key)?, value.parse().ok()?)))
}

fn phase(gpu: u32, pairs: &Pairs<'_>) -> Phase {
    Phase {
        gpu,
        from: number(pairs, "from").unwrap_or(0.0),
        to: number(pairs, "to").unwrap_or(f64::INFINITY),
        every: number(pairs, "every").filter(|every| *every > 0.0),
        kind: pairs.get("kind").and_then(|word| load::named(word)),
        sets: figures(pairs).collect(),
    }
}

fn process(pairs: &Pairs<'_>) -> Proc {
    let word = pairs.get("pid").copied().unwrap_or_default();
    let word = word.strip_prefix("host:").unwrap_or(word);
    Proc {
        pid: if word == "self" { std::process::id() } else { word.parse().unwrap_or(0) },
        memory: pairs.get("mem").and_then(|value| value.parse().ok()).unwrap_or(u64::MAX),
        list: match pairs.get("list").copied() {
            Some("graphics") => List::Graphics,
            Some("mps") => List::Mps,
            _ => List::Compute,
        },
        instance: number(pairs, "gi").map_or(u32::MAX, |gi| gi as u32),
        compute: number(pairs, "ci").map_or(u32::MAX, |ci| ci as u32),
        sm: number(pairs, "sm"),
    }
}
