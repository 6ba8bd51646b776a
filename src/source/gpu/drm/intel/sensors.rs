//! Power and temperatures, from the card's hwmon.
//!
//! The files are those of sysfs-driver-intel-i915-hwmon and sysfs-driver-intel-xe-hwmon. xe counts
//! the card as channel 1 and the package, which is the chip with its memory, as channel 2; which of
//! them there are depends on the card. No file tells the power: it is the energy's rise.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::super::super::check;
use super::super::card::Files;
use super::entries;
use crate::model::sample::GpuSample;
use crate::model::{Gap, Reading};

/// Channels of temperature that are looked at.
const CHANNELS: u32 = 16;

/// Where the sensors of a card are, and the energy that was read before.
#[derive(Debug)]
pub(super) struct Sensors {
    energy: Option<PathBuf>,
    limits: Vec<PathBuf>,
    rated: Vec<PathBuf>,
    package: Option<PathBuf>,
    memory: Vec<PathBuf>,
    before: Option<(f64, Instant)>,
}

impl Sensors {
    /// Finds them below the PCI device. Folders of a single tile (`i915_gt1`) are passed over.
    pub(super) fn find(files: &mut Files, device: &Path) -> Self {
        let folder = entries(&device.join("hwmon"), "hwmon").into_iter().find(|folder| {
            files.text(folder.join("name")).is_ok_and(|name| name == "xe" || name == "i915")
        });
        let there = |name: String| {
            let file = folder.as_ref()?.join(name);
            file.exists().then_some(file)
        };
        let channel = (1..=2).find(|n| there(format!("energy{n}_input")).is_some()).unwrap_or(1);
        // A card may count the energy of one channel and limit the other one.
        let order = [channel, 3 - channel];
        let (package, memory) = temperatures(files, folder.as_deref());
        Self {
            energy: there(format!("energy{channel}_input")),
            limits: ["max", "cap"]
                .iter()
                .flat_map(|kind| order.map(|n| there(format!("power{n}_{kind}"))))
                .flatten()
                .collect(),
            rated: order.iter().filter_map(|n| there(format!("power{n}_rated_max"))).collect(),
            package,
            memory,
            before: None,
        }
    }

    /// Energy and power.
    pub(super) fn fast(&mut self, files: &mut Files, row: &mut GpuSample, now: Instant) {
        let none = Reading::Not(Gap::Unsupported);
        let microjoules = self.energy.as_ref().map_or(none, |energy| files.number::<u64>(energy));
        let joules = microjoules.map(|microjoules| microjoules as f64 / 1e6);
        row.energy_joules_total = joules;
        row.power_watts = match joules {
            Reading::Is(joules) => {
                let before = self.before.replace((joules, now));
                let watts = before.and_then(|before| power(before, (joules, now)));
                let watts = Reading::from_option(watts, Gap::NotYet);
                watts.and_then(|watts| check::power(watts, row.power_limit_watts))
            }
            Reading::Not(gap) => {
                self.before = None;
                Reading::Not(gap)
            }
        };
    }

    /// Temperatures.
    pub(super) fn slow(&self, files: &mut Files, row: &mut GpuSample) {
        row.temperature_celsius = celsius(files, self.package.iter());
        row.memory_temperature_celsius = celsius(files, self.memory.iter());
    }

    /// The limit, which an administrator changes.
    pub(super) fn rare(&self, files: &mut Files, row: &mut GpuSample) {
        // A limit of 0 is one that is switched off.
        let mut set = self.limits.iter().map(|file| files.number::<u64>(file));
        let limit = match (set.find(|watts| *watts != Reading::Is(0)), self.limits.first()) {
            (Some(limit), _) => limit,
            // None is in force.
            (None, Some(_)) => Reading::Not(Gap::NotApplicable),
            // The driver tells none, and the card keeps to the one that it is sold with.
            (None, None) => {
                let rated = self.rated.first().map(|file| files.number::<u64>(file));
                rated.unwrap_or(Reading::Not(Gap::Unsupported))
            }
        };
        row.power_limit_watts =
            limit.and_then(|microwatts| check::power_limit(microwatts as f64 / 1e6));
    }
}

/// The mean power between two reads of the energy; `None` where the count began anew.
fn power(before: (f64, Instant), now: (f64, Instant)) -> Option<f64> {
    let seconds = now.1.saturating_duration_since(before.1).as_secs_f64();
    (now.0 >= before.0 && seconds > 0.0).then(|| (now.0 - before.0) / seconds)
}

/// The files of the package's temperature, and of the memory's.
fn temperatures(files: &mut Files, folder: Option<&Path>) -> (Option<PathBuf>, Vec<PathBuf>) {
    let (mut package, mut memory) = (None, Vec::new());
    let Some(folder) = folder else { return (package, memory) };
    let xe = files.text(folder.join("name")).is_ok_and(|name| name == "xe");
    for channel in 1..=CHANNELS {
        let file = folder.join(format!("temp{channel}_input"));
        if !file.exists() {
            continue;
        }
        let label = files.text(folder.join(format!("temp{channel}_label"))).ok();
        // Where none is told, the channels are those of the documentation.
        let label = label.as_deref().unwrap_or(match (xe, channel) {
            (true, 2) | (false, 1) => "pkg",
            (true, 3) => "vram",
            _ => "",
        });
        match label {
            "pkg" if package.is_none() => package = Some(file),
            label if label.starts_with("vram") => memory.push(file),
            _ => {}
        }
    }
    (package, memory)
}

/// The highest of some temperatures.
fn celsius<'a>(files: &mut Files, all: impl Iterator<Item = &'a PathBuf>) -> Reading<f64> {
    let read = all.map(|file| {
        files.number::<u64>(file).and_then(|milli| match u32::try_from(milli / 1000) {
            Ok(celsius) => check::temperature(celsius),
            Err(_) => Reading::Not(Gap::Failed),
        })
    });
    let most = read.reduce(|a, b| match (a, b) {
        (Reading::Is(a), Reading::Is(b)) => Reading::Is(a.max(b)),
        (is @ Reading::Is(_), _) | (_, is) => is,
    });
    most.unwrap_or(Reading::Not(Gap::Unsupported))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn power_is_the_rise_of_the_energy_over_the_time_between_two_reads() {
        let now = Instant::now();
        let later = now + Duration::from_millis(500);
        assert_eq!(power((1000.0, now), (1075.0, later)), Some(150.0));
        // The driver was loaded anew.
        assert_eq!(power((1000.0, now), (5.0, later)), None);
        assert_eq!(power((1000.0, now), (1000.0, now)), None);
    }
}
