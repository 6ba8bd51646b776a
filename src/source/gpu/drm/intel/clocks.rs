//! Clocks, and why they are held down.
//!
//! i915: `cardN/gt/gtM/rps_*_freq_mhz` and `throttle_reason_*` (intel_gt_sysfs_pm.c), before them
//! `cardN/gt_*_freq_mhz` of the card as a whole. xe: `device/tileN/gtM/freq0/` (xe_gt_freq.c,
//! xe_gt_throttle.c).

use std::path::{Path, PathBuf};

use super::super::super::check;
use super::super::card::Files;
use crate::model::sample::GpuSample;
use crate::model::throttle::{
    CURRENT, HARDWARE, HARDWARE_HEAT, HEAT, OTHER, POWER_BRAKE, POWER_CAP,
};
use crate::model::{Gap, Reading};

/// Tiles of a card, and graphics parts of a tile, that are looked at.
const MOST: u32 = 8;

/// Reasons of the kernel, with the words that mean the same.
const REASONS: [(&str, u64); 18] = [
    ("pl1", POWER_CAP),
    ("pl2", POWER_CAP),
    ("pl4", CURRENT),
    ("iccmax", CURRENT),
    ("vr_tdc", CURRENT),
    ("psys_pl1", POWER_BRAKE),
    ("psys_pl2", POWER_BRAKE),
    ("psys_crit", POWER_BRAKE),
    ("thermal", HEAT),
    ("ratl", HEAT),
    ("soc_thermal", HEAT),
    ("soc_avg_thermal", HEAT),
    ("mem_thermal", HEAT),
    ("prochot", HARDWARE),
    ("fastvmode", HARDWARE),
    ("vr_thermal", HARDWARE_HEAT),
    ("vr_thermalert", HARDWARE_HEAT),
    // Asked for no more than its highest clock: nothing is held back.
    ("p0_freq", 0),
];

/// The part of one tile that computes.
#[derive(Debug)]
struct Part {
    act: PathBuf,
    max: PathBuf,
    throttle: PathBuf,
    /// What stands before a reason's name.
    prefix: &'static str,
}

/// Where the clocks of a card are.
#[derive(Debug)]
pub(super) struct Clocks {
    parts: Vec<Part>,
}

impl Clocks {
    /// Finds them: one part a tile.
    pub(super) fn find(device: &Path, node: &Path) -> Self {
        let tiles = (0..MOST).map(|tile| device.join(format!("tile{tile}")));
        // Where media has a part of its own it has the higher number.
        let first = |tile: PathBuf| {
            let gts = (0..MOST).map(|gt| tile.join(format!("gt{gt}/freq0")));
            gts.into_iter().find(|freq| freq.join("act_freq").exists())
        };
        let mut parts: Vec<Part> = tiles.filter_map(first).map(|freq| xe_part(&freq)).collect();
        if parts.is_empty() {
            let gts = (0..MOST).map(|gt| node.join(format!("gt/gt{gt}")));
            parts = gts
                .filter(|gt| gt.join("rps_act_freq_mhz").exists())
                .map(|gt| i915_part(&gt, "rps"))
                .collect();
        }
        if parts.is_empty() && node.join("gt_act_freq_mhz").exists() {
            parts.push(i915_part(node, "gt"));
        }
        Self { parts }
    }

    /// Tiles that have clocks of their own.
    pub(super) fn tiles(&self) -> usize {
        self.parts.len()
    }

    /// The highest clock of all tiles: one that works runs at it.
    pub(super) fn fast(&self, files: &mut Files, row: &mut GpuSample) {
        row.sm_clock_hertz = self.most(files, |part| &part.act);
    }

    /// What changes within seconds.
    pub(super) fn slow(&self, files: &mut Files, row: &mut GpuSample) {
        row.sm_clock_max_hertz = self.most(files, |part| &part.max);
        let reasons = self.parts.iter().map(|part| reasons(files, part));
        let all = reasons.reduce(|a, b| match (a, b) {
            (Reading::Is(a), Reading::Is(b)) => Reading::Is(a | b),
            (is @ Reading::Is(_), _) | (_, is) => is,
        });
        row.throttle_reasons = all.unwrap_or(Reading::Not(Gap::Unsupported));
    }

    fn most(&self, files: &mut Files, file: fn(&Part) -> &PathBuf) -> Reading<u64> {
        let mut most = Reading::Not(Gap::Unsupported);
        for part in &self.parts {
            let clock = files.number(file(part)).and_then(check::clock);
            most = match (most, clock) {
                (Reading::Is(a), Reading::Is(b)) => Reading::Is(a.max(b)),
                (is @ Reading::Is(_), _) | (_, is) => is,
            };
        }
        most
    }
}

fn xe_part(freq: &Path) -> Part {
    Part {
        act: freq.join("act_freq"),
        max: freq.join("max_freq"),
        throttle: freq.join("throttle"),
        prefix: "reason_",
    }
}

fn i915_part(gt: &Path, prefix: &str) -> Part {
    Part {
        act: gt.join(format!("{prefix}_act_freq_mhz")),
        max: gt.join(format!("{prefix}_max_freq_mhz")),
        throttle: gt.to_owned(),
        prefix: "throttle_reason_",
    }
}

/// The reasons in force, as bits.
fn reasons(files: &mut Files, part: &Part) -> Reading<u64> {
    // Newer kernels tell them all in one read, which no change can fall into.
    if let Ok(all) = files.text(part.throttle.join("reasons")) {
        return Reading::Is(all.split_ascii_whitespace().map(bit).fold(0, |a, b| a | b));
    }
    let status = if part.prefix == "reason_" { "status" } else { "throttle_reason_status" };
    match files.number::<u64>(part.throttle.join(status)) {
        Reading::Is(0) => return Reading::Is(0),
        Reading::Is(_) => {}
        Reading::Not(gap) => return Reading::Not(gap),
    }
    let (mut bits, mut any) = (0, false);
    for (name, bit) in REASONS {
        let file = part.throttle.join(format!("{}{name}", part.prefix));
        if files.number::<u64>(file).ok().is_some_and(|set| set > 0) {
            bits |= bit;
            any = true;
        }
    }
    // Something holds them down, and it is none of these.
    Reading::Is(if any { bits } else { OTHER })
}

/// The bit of a reason.
fn bit(name: &str) -> u64 {
    let unknown = if name == "none" { 0 } else { OTHER };
    REASONS.iter().find(|(known, _)| *known == name).map_or(unknown, |(_, bit)| *bit)
}
