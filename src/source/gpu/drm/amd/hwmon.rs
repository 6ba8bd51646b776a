//! The sensors of a card: `hwmon/hwmon*/` below its folder.

use std::fs;
use std::path::PathBuf;

use super::super::super::check;
use super::super::card::Files;
use crate::model::sample::GpuSample;
use crate::model::{Gap, Reading};

/// Sensors of one kind that are looked at.
const MOST: usize = 8;

/// Where each sensor was found; looked for once, and again where the folder went away.
#[derive(Debug, Default)]
pub(super) struct Hwmon {
    found: Option<Found>,
}

#[derive(Clone, Debug, Default)]
struct Found {
    folder: PathBuf,
    edge: Option<usize>,
    junction: Option<usize>,
    memory: Option<usize>,
    clock: Option<usize>,
    memory_clock: Option<usize>,
}

impl Hwmon {
    /// Power, temperatures, clocks and the fan.
    pub(super) fn fill(&mut self, files: &mut Files, row: &mut GpuSample) {
        if self.found.as_ref().is_none_or(|found| !found.folder.exists()) {
            self.found = find(files);
        }
        let Some(found) = self.found.clone() else { return };
        let at = |name: &str| found.folder.join(name);
        // µW. The limit first: it bounds what a draw can be.
        let microwatts = |reading: Reading<u64>| reading.map(|microwatts| microwatts as f64 / 1e6);
        let limit = microwatts(files.number(at("power1_cap")));
        row.power_limit_watts = limit.and_then(check::power_limit);
        // The draw at the moment, and on chips that only have a mean, that.
        let now = microwatts(files.number(at("power1_input")));
        let watts = match now {
            Reading::Not(Gap::Unsupported) => microwatts(files.number(at("power1_average"))),
            now => now,
        };
        row.power_watts = watts.and_then(|watts| check::power(watts, row.power_limit_watts));
        // Millidegrees.
        let mut celsius = |sensor: Option<usize>| match sensor {
            Some(nth) => files
                .number::<u32>(at(&format!("temp{nth}_input")))
                .and_then(|milli| check::temperature(milli / 1000)),
            None => Reading::Not(Gap::Unsupported),
        };
        row.temperature_celsius = celsius(found.edge.or(found.junction));
        row.memory_temperature_celsius = celsius(found.memory);
        // Hz.
        let mut clock = |sensor: Option<usize>| match sensor {
            Some(nth) => files.number::<u64>(at(&format!("freq{nth}_input"))).and_then(|hertz| {
                check::clock((hertz / 1_000_000).min(u64::from(u32::MAX)) as u32)
            }),
            None => Reading::Not(Gap::Unsupported),
        };
        row.sm_clock_hertz = clock(found.clock);
        row.memory_clock_hertz = clock(found.memory_clock);
        let driven = files.number::<u32>(at("pwm1")).zip(files.number::<u32>(at("pwm1_max")));
        row.fan_ratio = driven.and_then(|(driven, most)| match most {
            0 => Reading::Not(Gap::Failed),
            _ => Reading::Is(f64::from(driven.min(most)) / f64::from(most)),
        });
    }
}

fn find(files: &mut Files) -> Option<Found> {
    let folders = fs::read_dir(files.folder().join("hwmon")).ok()?;
    let folder = folders.flatten().map(|entry| entry.path()).min()?;
    let mut label = |name: String| files.text(folder.join(name)).unwrap_or_default();
    let mut labelled = |kind: &str, wanted: &str| {
        (1..=MOST).find(|nth| label(format!("{kind}{nth}_label")) == wanted)
    };
    let (edge, junction) = (labelled("temp", "edge"), labelled("temp", "junction"));
    let memory = labelled("temp", "mem");
    let (clock, memory_clock) = (labelled("freq", "sclk"), labelled("freq", "mclk"));
    Some(Found { folder, edge, junction, memory, clock, memory_clock })
}
