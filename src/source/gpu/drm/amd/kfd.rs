//! Who computes on an AMD card, as the compute driver (KFD) tells under `/sys/class/kfd`.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::super::super::wire::{Held, MOST_PROCS};
use super::super::card::Files;
use crate::model::sample::GpuProcKind;
use crate::source::root::Roots;

/// Nodes of one box that are looked at: a card has up to eight.
const MOST_NODES: usize = 1024;

/// The compute driver's view of one card.
#[derive(Debug)]
pub(super) struct Kfd {
    folder: PathBuf,
    files: Files,
    /// PCI domain, and bus with device and function as `location_id` has them.
    place: Option<(u64, u64)>,
    nodes: Vec<Node>,
}

/// A card, or a partition of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Node {
    id: u64,
    units: u64,
}

impl Kfd {
    pub(super) fn new(roots: &Roots, pci: &str) -> Self {
        let folder = roots.sys.join("class/kfd/kfd");
        Self { files: Files::new(folder.clone()), folder, place: place(pci), nodes: Vec::new() }
    }

    /// Reads anew which nodes are the card's: their numbers change with its partitions.
    pub(super) fn find_nodes(&mut self) {
        self.nodes.clear();
        let Ok(entries) = fs::read_dir(self.folder.join("topology/nodes")) else { return };
        for entry in entries.flatten().take(MOST_NODES) {
            let node = entry.path();
            let Ok(text) = self.files.text(node.join("properties")) else { continue };
            let properties = properties(&text);
            let of = |name: &str| properties.get(name).copied();
            // The number of a partition stands in the upper bits.
            let place =
                of("domain").zip(of("location_id")).map(|(domain, at)| (domain, at & 0xffff));
            if place.is_none() || place != self.place {
                continue;
            }
            // A node without compute units is a processor.
            let units = of("simd_count").zip(of("simd_per_cu")).filter(|(_, per)| *per > 0);
            let Some(units) = units.map(|(all, per)| all / per).filter(|units| *units > 0) else {
                continue;
            };
            if let Some(id) = self.files.number(node.join("gpu_id")).ok().filter(|id| *id > 0) {
                self.nodes.push(Node { id, units });
            }
        }
    }

    /// Compute units of the card.
    pub(super) fn compute_units(&self) -> Option<u32> {
        let all: u64 = self.nodes.iter().map(|node| node.units).sum();
        u32::try_from(all).ok().filter(|units| (1..=4096).contains(units))
    }

    /// Processes with memory of the card; `None` where the driver does not list any.
    pub(super) fn held(&mut self) -> Option<Vec<Held>> {
        let entries = fs::read_dir(self.folder.join("proc")).ok()?;
        let mut held = Vec::new();
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            if let Some(bytes) = self.held_by(pid) {
                held.push(Held { pid, bytes: Some(bytes), kind: GpuProcKind::Compute, sm: None });
            }
            if held.len() == MOST_PROCS {
                break;
            }
        }
        held.sort_by_key(|held| held.pid);
        Some(held)
    }

    /// Whether a process computes by this driver, on this card or another.
    pub(super) fn knows(&self, pid: u32) -> bool {
        self.folder.join(format!("proc/{pid}")).exists()
    }

    /// Bytes that a process holds (`vram_<gpu_id>`); `None` where it does not use the card.
    fn held_by(&mut self, pid: u32) -> Option<u64> {
        let mut all = None;
        for node in self.nodes.clone() {
            let name = format!("proc/{pid}/vram_{}", node.id);
            if let Some(bytes) = self.files.number::<u64>(name).ok().filter(|bytes| *bytes > 0) {
                all = Some(all.unwrap_or(0_u64).saturating_add(bytes));
            }
        }
        all.filter(|bytes| *bytes < 1 << 50)
    }
}

/// `0000:03:00.0` as the compute driver numbers it.
fn place(pci: &str) -> Option<(u64, u64)> {
    let (domain, rest) = pci.split_once(':')?;
    let (bus, rest) = rest.split_once(':')?;
    let (device, function) = rest.split_once('.')?;
    let hex = |text| u64::from_str_radix(text, 16).ok();
    Some((hex(domain)?, hex(bus)? << 8 | hex(device)? << 3 | hex(function)?))
}

/// Lines of a name and a number.
fn properties(text: &str) -> BTreeMap<&str, u64> {
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs.filter_map(|(name, value)| Some((name, value.trim().parse().ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pci_address_is_numbered_as_the_driver_does() {
        assert_eq!(place("0000:03:00.0"), Some((0, 768)));
        assert_eq!(place("0001:c1:02.3"), Some((1, 0xc113)));
        assert_eq!(place("usb"), None);
    }
}
