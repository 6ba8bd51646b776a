//! The PCIe link of a card.
//!
//! Intel's cards carry a switch of their own, and the link that the GPU itself names is the one within
//! the card: 2.5 GT/s on one lane whatever the slot. The link to the machine is that of the switch's
//! upper port.

use std::path::{Path, PathBuf};

use super::super::super::check;
use super::super::card::{Files, generation};
use crate::model::sample::GpuSample;
use crate::model::{Gap, Reading};

const INTEL: &str = "0x8086";
/// PCI class of a bridge between two PCI buses, which the port of a switch is.
const BRIDGE: &str = "0x0604";

/// The PCI device whose link leads to the machine.
#[derive(Debug)]
pub(super) struct Link {
    port: PathBuf,
}

impl Link {
    /// Finds it above the GPU's own device.
    pub(super) fn find(files: &mut Files, device: &Path) -> Self {
        let port = upper_port(files, device).unwrap_or_else(|| device.to_owned());
        Self { port }
    }

    /// What the link does now.
    pub(super) fn slow(&self, files: &mut Files, row: &mut GpuSample) {
        row.pcie_link_gen = self.generation(files, "current_link_speed");
        row.pcie_link_width = self.width(files, "current_link_width");
    }

    /// What card and slot can do.
    pub(super) fn rare(&self, files: &mut Files, row: &mut GpuSample) {
        row.pcie_link_gen_max = self.generation(files, "max_link_speed");
        row.pcie_link_width_max = self.width(files, "max_link_width");
    }

    fn generation(&self, files: &mut Files, file: &str) -> Reading<u64> {
        let speed = Reading::from(files.text(self.port.join(file)));
        speed.and_then(|speed| match generation(&speed) {
            Some(generation) => check::link_gen(generation),
            // A GPU within the processor has no link: "Unknown".
            None => Reading::Not(Gap::Unsupported),
        })
    }

    fn width(&self, files: &mut Files, file: &str) -> Reading<u64> {
        // Kernels say 0, or 255, of a device without a link.
        files.number(self.port.join(file)).and_then(|lanes| match lanes {
            0 | 255 => Reading::Not(Gap::Unsupported),
            lanes => check::link_width(lanes),
        })
    }
}

/// The upper port of the switch on the card, where it has one: two bridges of Intel's above the GPU,
/// of which the upper one is no root port of the machine.
fn upper_port(files: &mut Files, own: &Path) -> Option<PathBuf> {
    let lower = own.parent()?;
    let upper = lower.parent()?;
    let mut bridge = |folder: &Path| {
        let mut is = |file, start: &str| {
            files.text(folder.join(file)).is_ok_and(|word| word.starts_with(start))
        };
        is("vendor", INTEL) && is("class", BRIDGE)
    };
    let below_a_root = upper.parent().is_some_and(|root| root.join("vendor").exists());
    (bridge(lower) && bridge(upper) && below_a_root).then(|| upper.to_owned())
}
