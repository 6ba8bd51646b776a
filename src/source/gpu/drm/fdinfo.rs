//! What the kernel says of one client of a graphics driver: the text of `/proc/PID/fdinfo/FD`.
//!
//! The keys are those of the kernel's drm-usage-stats.rst. A client is one opening of a device file;
//! a process may have several, and a process that was forked shares those of its parent.

use std::time::Duration;

use crate::model::Pid;

/// Engines, and regions of memory, of one client that are looked at.
const MOST: usize = 32;
/// Longest name that is kept.
const MOST_NAME: usize = 48;
/// Most engines of one class that are believed.
const MOST_CAPACITY: u32 = 1024;

/// One client of one card.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Client {
    /// The process that has it open.
    pub(super) pid: Pid,
    /// Name of the kernel's driver: `xe`, `i915`, `amdgpu`.
    pub(super) driver: String,
    /// PCI address of the card.
    pub(super) pdev: String,
    /// Its number, which is its own within one card.
    pub(super) id: u64,
    /// How long after the look at all clients began it was read.
    pub(super) after: Duration,
    /// What it does with each class of engines, by name.
    pub(super) engines: Vec<Engine>,
    /// What it holds of each region of memory, by name.
    pub(super) memory: Vec<Region>,
}

/// One class of engines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Engine {
    /// The driver's name of it, as `ccs` or `compute`.
    pub(super) name: String,
    /// Engines of this class.
    pub(super) capacity: u32,
    /// Time that they worked for the client, summed over the engines.
    pub(super) busy: Busy,
}

/// How an engine's time is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Busy {
    /// In nanoseconds.
    Nanoseconds(u64),
    /// In cycles of the card's own clock.
    Cycles {
        /// In which it worked.
        busy: u64,
        /// That the clock made in all.
        total: u64,
    },
}

/// One region of memory, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Region {
    /// The driver's name of it, as `vram0` or `local0`.
    pub(super) name: String,
    /// What was asked for, backed or not, shared buffers included.
    pub(super) total: Option<u64>,
    /// What is there.
    pub(super) resident: Option<u64>,
}

/// What the text of an fdinfo file tells; `None` where it is no client's.
///
/// A client without a PCI address or a number could not be told from another one, and is none.
pub(super) fn parse(pid: Pid, text: &str) -> Option<Client> {
    let mut raw = Raw::default();
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let Some(key) = key.strip_prefix("drm-") else { continue };
        raw.take(key, value.trim());
    }
    raw.client(pid)
}

/// The keys as they come: in any order, and none of them certain.
#[derive(Default)]
struct Raw {
    driver: Option<String>,
    pdev: Option<String>,
    id: Option<u64>,
    engines: Vec<(String, Counts)>,
    memory: Vec<Region>,
}

#[derive(Default)]
struct Counts {
    nanoseconds: Option<u64>,
    cycles: Option<u64>,
    total: Option<u64>,
    capacity: Option<u32>,
}

impl Raw {
    fn take(&mut self, key: &str, value: &str) {
        match key {
            "driver" => self.driver = name(value),
            "pdev" => self.pdev = name(value),
            "client-id" => self.id = value.parse().ok(),
            _ => self.figure(key, value),
        }
    }

    fn figure(&mut self, key: &str, value: &str) {
        // The longer keys first: they begin as the shorter ones do.
        if let Some(name) = key.strip_prefix("engine-capacity-") {
            let capacity = value.parse().ok().filter(|count| (1..=MOST_CAPACITY).contains(count));
            self.engine(name, |engine| engine.capacity = capacity);
        } else if let Some(name) = key.strip_prefix("engine-") {
            let time = value.strip_suffix("ns").and_then(|digits| digits.trim_end().parse().ok());
            self.engine(name, |engine| engine.nanoseconds = time);
        } else if let Some(name) = key.strip_prefix("total-cycles-") {
            self.engine(name, |engine| engine.total = value.parse().ok());
        } else if let Some(name) = key.strip_prefix("cycles-") {
            self.engine(name, |engine| engine.cycles = value.parse().ok());
        } else if let Some(name) = key.strip_prefix("total-") {
            self.region(name, |region| region.total = bytes(value));
        } else if let Some(name) = key.strip_prefix("resident-") {
            self.region(name, |region| region.resident = bytes(value));
        } else if let Some(name) = key.strip_prefix("memory-") {
            // The older word for the same.
            self.region(name, |region| {
                region.resident = region.resident.or_else(|| bytes(value));
            });
        }
    }

    fn engine(&mut self, word: &str, set: impl FnOnce(&mut Counts)) {
        let Some(word) = name(word) else { return };
        if let Some((_, engine)) = self.engines.iter_mut().find(|(known, _)| *known == word) {
            set(engine);
        } else if self.engines.len() < MOST {
            let mut engine = Counts::default();
            set(&mut engine);
            self.engines.push((word, engine));
        }
    }

    fn region(&mut self, word: &str, set: impl FnOnce(&mut Region)) {
        let Some(word) = name(word) else { return };
        if let Some(region) = self.memory.iter_mut().find(|region| region.name == word) {
            set(region);
        } else if self.memory.len() < MOST {
            let mut region = Region { name: word, total: None, resident: None };
            set(&mut region);
            self.memory.push(region);
        }
    }

    fn client(self, pid: Pid) -> Option<Client> {
        let mut engines: Vec<Engine> = self.engines.into_iter().filter_map(engine).collect();
        engines.sort_by(|a, b| a.name.cmp(&b.name));
        let mut memory = self.memory;
        memory.retain(|region| region.total.is_some() || region.resident.is_some());
        memory.sort_by(|a, b| a.name.cmp(&b.name));
        let (driver, pdev, id) = (self.driver?, self.pdev?, self.id?);
        Some(Client { pid, driver, pdev, id, after: Duration::ZERO, engines, memory })
    }
}

/// An engine of which enough is told.
fn engine((name, counts): (String, Counts)) -> Option<Engine> {
    let busy = match (counts.cycles.zip(counts.total), counts.nanoseconds) {
        (Some((busy, total)), _) => Busy::Cycles { busy, total },
        (None, Some(time)) => Busy::Nanoseconds(time),
        // Cycles beside the highest clock alone tell no share of time.
        (None, None) => return None,
    };
    Some(Engine { name, capacity: counts.capacity.unwrap_or(1), busy })
}

/// A number of bytes with its unit, which is none for bytes themselves.
fn bytes(value: &str) -> Option<u64> {
    let (digits, unit) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
    let factor = match unit.trim() {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// A word of a driver, which has no blanks and is not endless.
fn name(word: &str) -> Option<String> {
    let fits = !word.is_empty() && word.len() <= MOST_NAME;
    (fits && word.chars().all(|c| c.is_ascii_graphic())).then(|| word.to_owned())
}

#[cfg(test)]
#[path = "fdinfo_tests.rs"]
mod tests;
