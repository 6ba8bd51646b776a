//! Cards of Intel's drivers, i915 and xe: what sysfs and their clients tell.
//!
//! | figure | i915 | xe |
//! |---|---|---|
//! | clock | `gt/gtM/rps_act_freq_mhz` | `tileN/gtM/freq0/act_freq` |
//! | reasons | `gt/gtM/throttle_reason_*` | `tileN/gtM/freq0/throttle/*` |
//! | power | rise of `hwmon/energy1_input` | the same, or `energy2_input` |
//! | limit | `hwmon/power1_max` | `power1_max`, `power2_max`, `_cap`, `_rated_max` |
//! | temperature | `hwmon/temp1_input` | `temp*_input` by its label |
//! | memory | `lmem_total_bytes` where the kernel has it | `tileN/physical_vram_size_bytes` |
//! | load, memory in use, processes | fdinfo `drm-engine-*`, `drm-*-local*` | fdinfo `drm-cycles-*`, `drm-*-vram*` |
//!
//! Any of these reads takes the card's power reference and so starts anew the time after which it
//! may sleep. A card that may sleep and that nobody is seen to use is therefore read once in 30 s, and
//! one that sleeps not at all.

mod clocks;
mod link;
mod sensors;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::clocks::Clocks;
use self::link::Link;
use self::sensors::Sensors;
use super::super::check;
use super::super::wire::Held;
use super::card::{Card, Files, Trouble, Watched};
use super::census::{Census, Count};
use super::load;
use crate::model::inventory::GpuInfo;
use crate::model::sample::GpuSample;
use crate::model::{Gap, Reading};

/// How often what changes within seconds is read.
const SLOW: Duration = Duration::from_secs(3);
/// How often limits are read, and all of a card that may sleep.
const RARE: Duration = Duration::from_secs(30);

/// Product names by PCI device id, of the cards that people train on; others go by their id.
const NAMES: [(u16, &str); 15] = [
    (0x56a0, "Intel Arc A770"),
    (0x56a1, "Intel Arc A750"),
    (0x56a2, "Intel Arc A580"),
    (0x56a5, "Intel Arc A380"),
    (0x56a6, "Intel Arc A310"),
    (0x56c0, "Intel Data Center GPU Flex 170"),
    (0x56c1, "Intel Data Center GPU Flex 140"),
    (0x0bd5, "Intel Data Center GPU Max 1550"),
    (0x0bd6, "Intel Data Center GPU Max 1550"),
    (0x0bda, "Intel Data Center GPU Max 1100"),
    (0x0bdb, "Intel Data Center GPU Max 1100"),
    (0xe20b, "Intel Arc B580"),
    (0xe20c, "Intel Arc B570"),
    (0xe211, "Intel Arc Pro B60"),
    (0xe212, "Intel Arc Pro B50"),
];

/// One card.
pub(super) struct Intel {
    pci: String,
    device: u16,
    files: Files,
    folder: PathBuf,
    /// Its `cardN`, where i915 has what xe has at the device.
    node: PathBuf,
    clocks: Clocks,
    sensors: Sensors,
    link: Link,
    census: Arc<Census>,
    row: GpuSample,
    slow: Option<Instant>,
    rare: Option<Instant>,
    /// Whether the kernel may put the card to sleep.
    sleepy: bool,
    /// It went away: its driver may number its files otherwise when it is back.
    lost: bool,
}

impl Intel {
    /// The card, whose clients `census` counts.
    pub(super) fn new(card: &Card, census: &Arc<Census>) -> Self {
        census.add(card);
        Self::beside(card, census)
    }

    fn beside(card: &Card, census: &Arc<Census>) -> Self {
        let mut files = Files::new(card.folder.clone());
        let node = node(&card.folder);
        Self {
            pci: card.pci.clone(),
            device: card.device,
            clocks: Clocks::find(&card.folder, &node),
            sensors: Sensors::find(&mut files, &card.folder),
            link: Link::find(&mut files, &card.folder),
            folder: card.folder.clone(),
            files,
            node,
            census: Arc::clone(census),
            row: super::empty_row(),
            slow: None,
            rare: None,
            sleepy: true,
            lost: false,
        }
    }

    /// Finds its files anew.
    fn find(&mut self) {
        self.node = node(&self.folder);
        self.clocks = Clocks::find(&self.folder, &self.node);
        self.sensors = Sensors::find(&mut self.files, &self.folder);
        self.link = Link::find(&mut self.files, &self.folder);
        self.lost = false;
    }

    /// Reads the card, and takes what its clients do from `count`.
    fn read(&mut self, count: Option<&Count>, now: Instant) {
        let due = |last: Option<Instant>, every| {
            last.is_none_or(|last| now.saturating_duration_since(last) >= every)
        };
        let (rarely, slowly) = (due(self.rare, RARE), due(self.slow, SLOW));
        if rarely {
            self.rare = Some(now);
            self.sleepy = self.files.text("power/control").is_ok_and(|word| word == "auto");
            self.rarely();
        }
        let used = count
            .is_some_and(|count| count.clients.all.iter().any(|client| client.pdev == self.pci));
        if rarely || used || !self.sleepy {
            let (files, row) = (&mut self.files, &mut self.row);
            if rarely || slowly {
                self.slow = Some(now);
                self.clocks.slow(files, row);
                self.sensors.slow(files, row);
                self.link.slow(files, row);
            }
            self.clocks.fast(files, row);
            self.sensors.fast(files, row, now);
        }
        let stale = self.census.patience();
        let fresh = count.filter(|count| now.saturating_duration_since(count.at) < stale);
        if let Some(count) = fresh {
            load::fill(&mut self.row, &self.pci, &count.clients, &count.work);
        } else {
            let late = if count.is_some() { Gap::Late } else { Gap::NotYet };
            load::unknown(&mut self.row, late);
        }
        let (reads, spent) = self.files.cost();
        self.row.driver_calls_total = Reading::Is(reads);
        self.row.driver_seconds_total = Reading::Is(spent.as_secs_f64());
    }

    fn rarely(&mut self) {
        self.sensors.rare(&mut self.files, &mut self.row);
        self.link.rare(&mut self.files, &mut self.row);
        self.row.memory_total_bytes = self.memory();
    }

    /// The card's own memory, over its tiles. What the driver keeps of it counts in.
    fn memory(&mut self) -> Reading<u64> {
        let files = &mut self.files;
        let tiles = entries(&self.folder, "tile");
        let sizes = tiles.iter().map(|tile| files.number(tile.join("physical_vram_size_bytes")));
        let sum = sizes.reduce(|a: Reading<u64>, b| a.zip(b).map(|(a, b)| a.saturating_add(b)));
        let bytes = match sum {
            Some(sum @ Reading::Is(_)) => sum,
            // Intel's own kernel module tells it for i915; the kernel's does not.
            _ => files.number(self.node.join("lmem_total_bytes")),
        };
        bytes.and_then(check::memory)
    }

    /// What the card is to virtual machines.
    fn virtualization(&mut self) -> String {
        if self.folder.join("physfn").exists() {
            return "a virtual function (SR-IOV)".to_owned();
        }
        match self.files.number::<u32>("sriov_numvfs") {
            Reading::Is(functions @ 1..) => {
                format!("shared by {functions} virtual functions (SR-IOV)")
            }
            _ => String::new(),
        }
    }
}

impl Watched for Intel {
    fn info(&mut self, plain: GpuInfo) -> GpuInfo {
        let name = NAMES.iter().find(|(device, _)| *device == self.device);
        let name = name.map_or_else(|| plain.name.to_string(), |(_, name)| (*name).to_owned());
        let name = match self.clocks.tiles() {
            0 | 1 => name,
            tiles => format!("{name}, {tiles} tiles"),
        };
        let mut info = GpuInfo {
            name: name.into(),
            // Nothing else of it stays the same over a restart.
            uuid: format!("pci-{}", self.pci).into(),
            memory_bytes: self.row.memory_total_bytes.ok(),
            ..plain
        };
        info.modes.virtualization = self.virtualization().into();
        // A machine of one node says -1.
        info.modes.numa_node = self.files.number("numa_node").ok();
        info
    }

    fn sample(&mut self, now: Instant) -> Result<GpuSample, Trouble> {
        if self.lost {
            self.find();
        }
        let count = self.census.latest();
        self.read(count.as_deref(), now);
        Ok(self.row.clone())
    }

    fn held(&mut self, now: Instant) -> Option<Vec<Held>> {
        let count = self.census.latest()?;
        let fresh = now.saturating_duration_since(count.at) < self.census.patience();
        fresh.then(|| load::held(&self.pci, &count.clients, &count.work))
    }

    fn forget(&mut self) {
        self.row = super::empty_row();
        (self.slow, self.rare, self.lost) = (None, None, true);
    }
}

/// The `cardN` of a device.
fn node(folder: &Path) -> PathBuf {
    let nodes = entries(&folder.join("drm"), "card");
    nodes.into_iter().next().unwrap_or_else(|| folder.to_owned())
}

/// What lies in a folder under names that begin so, in their order.
fn entries(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(all) = fs::read_dir(folder) else { return Vec::new() };
    let named = all
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix)));
    let mut found: Vec<PathBuf> = named.map(|entry| entry.path()).take(64).collect();
    found.sort();
    found
}
