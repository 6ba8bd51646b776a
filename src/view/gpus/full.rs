//! One GPU in full.

use crate::fmt;
use crate::model::inventory::Maker;
use crate::model::metric::Unit;
use crate::model::sample::IndexSource;
use crate::model::{GpuId, Reading};
use crate::view::focus::Look;
use crate::view::screen::{Line, Role, TextRow, strong};
use crate::view::sheet::Sheet;
use crate::view::text::safe;

use super::card::{Card, users};
use super::health;

/// Title and rows of the popup; `None` where the GPU is gone.
pub(in crate::view) fn popup(
    look: &Look<'_>,
    gpu: GpuId,
    columns: usize,
) -> Option<(Line, Vec<TextRow>)> {
    let card = Card::of(look, gpu);
    let info = card.info?;
    let mut sheet = Sheet::new(columns);
    sheet.identity(&card);
    sheet.head("Health");
    for text in health::sentences(&Card::of(look, gpu.card())) {
        sheet.say("", Some(text));
    }
    sheet.errors(&card);
    sheet.head("Activity");
    sheet.activity(&card);
    sheet.head("Memory, power and links");
    sheet.rest(&card);
    sheet.head("Processes");
    let users = look.frame.map(|frame| users(frame, gpu)).unwrap_or_default();
    for user in &users {
        let memory = user.bytes.map_or_else(
            || "memory not told".to_owned(),
            |bytes| fmt::bytes(bytes as f64).trim().to_owned(),
        );
        let sm = user.sm.map(|sm| format!(", SM {}", fmt::percent(sm).trim()));
        let device = user.device.as_ref().map(|(name, source)| {
            let how = match source {
                IndexSource::Only => "the only one that it sees",
                IndexSource::Listed => "by its environment",
                IndexSource::Inferred => "inferred from the order of the bus, as cards are alike",
            };
            format!(", its {name}: {how}")
        });
        let (sm, device) = (sm.unwrap_or_default(), device.unwrap_or_default());
        let text = format!("{}, {memory}{sm}{device}", user.name);
        sheet.say(&format!("pid {}", user.pid), Some(text));
    }
    if users.is_empty() {
        sheet.say("", Some("None.".to_owned()));
    }
    sheet.close();
    let title = format!(" GPU {} · {} ", card.name(), safe(&info.name));
    Some((vec![strong(title, Role::Title)], sheet.rows))
}

impl Sheet {
    fn identity(&mut self, card: &Card<'_>) {
        let Some(info) = card.info else { return };
        let known = |text: &str| (!text.is_empty()).then(|| safe(text));
        self.say("identity", known(&info.uuid));
        self.say("PCI address", known(&info.pci));
        self.say("driver", known(&info.driver));
        let sms = info.multiprocessors.map(|count| count.to_string());
        self.say("multiprocessors", sms);
        if let Some(mig) = &info.mig {
            let number = |of: Option<u32>| of.map_or_else(|| "?".to_owned(), |of| of.to_string());
            let text = format!(
                "GPU instance {}, compute instance {} of GPU {}",
                number(mig.gpu_instance),
                number(mig.compute_instance),
                card.gpu.card()
            );
            self.say("MIG instance", Some(text));
            return;
        }
        let modes = &info.modes;
        let on = |flag: Option<bool>| flag.map(|on| if on { "on" } else { "off" }.to_owned());
        self.say("persistence mode", on(modes.persistence));
        self.say("compute mode", known(&modes.compute));
        self.say("MIG mode", on(modes.mig));
        self.say("ECC", on(modes.ecc));
        self.say(
            "device file",
            modes.minor.map(|minor| match info.maker() {
                Maker::Nvidia => format!("/dev/nvidia{minor}"),
                Maker::Amd | Maker::Intel => format!("/dev/dri/renderD{minor}"),
            }),
        );
        self.say("memory node", modes.numa_node.map(|node| node.to_string()));
    }

    fn errors(&mut self, card: &Card<'_>) {
        let count = |reading: Option<Reading<u64>>| reading.map(|r| r.map(|count| count as f64));
        let of = |of: fn(&crate::model::sample::GpuSample) -> Reading<u64>| count(card.row.map(of));
        let all = [
            ("Xid errors seen", of(|row| row.xids_total)),
            ("ECC corrected", of(|row| row.ecc_corrected_total)),
            ("ECC uncorrected", of(|row| row.ecc_uncorrected_total)),
            ("… in the card's life", of(|row| row.ecc_uncorrected_ever_total)),
            ("rows replaced", of(|row| row.remapped_uncorrected_rows)),
            ("pages out of use", of(|row| row.retired_pages)),
            ("PCIe replays", of(|row| row.pcie_replays_total)),
            ("NVLink errors", of(|row| row.nvlink_errors_total)),
        ];
        for (name, reading) in all {
            self.figure(name, reading, Unit::None);
        }
    }

    fn activity(&mut self, card: &Card<'_>) {
        let row = card.row;
        let all = [
            ("utilization", row.map(|row| row.utilization_ratio)),
            ("SM active", row.map(|row| row.sm_active_ratio)),
            ("SM occupancy", row.map(|row| row.sm_occupancy_ratio)),
            ("tensor pipes", row.map(|row| row.tensor_active_ratio)),
            ("device memory", row.map(|row| row.dram_active_ratio)),
            ("memory controller", row.map(|row| row.memory_controller_ratio)),
            ("least in a second", row.map(|row| row.utilization_min_ratio)),
            ("most in a second", row.map(|row| row.utilization_max_ratio)),
            ("time without kernel", card.rates.map(|rates| rates.idle_ratio)),
            ("JPEG decoder", row.map(|row| row.jpeg_ratio)),
            ("video decoder", row.map(|row| row.decoder_ratio)),
            ("video encoder", row.map(|row| row.encoder_ratio)),
        ];
        for (name, reading) in all {
            self.figure(name, reading, Unit::Ratio);
        }
    }

    fn rest(&mut self, card: &Card<'_>) {
        let (row, rates) = (card.row, card.rates);
        let bytes = |of: fn(&crate::model::sample::GpuSample) -> Reading<u64>| {
            row.map(of).map(|reading| reading.map(|bytes| bytes as f64))
        };
        let all = [
            ("memory used", bytes(|row| row.memory_used_bytes), Unit::Bytes),
            ("memory in all", bytes(|row| row.memory_total_bytes), Unit::Bytes),
            ("driver's own", bytes(|row| row.memory_reserved_bytes), Unit::Bytes),
            ("mapped (BAR1)", bytes(|row| row.bar1_used_bytes), Unit::Bytes),
            ("power", row.map(|row| row.power_watts), Unit::Watts),
            ("power, mean", rates.map(|rates| rates.power_mean_watts), Unit::Watts),
            ("power limit", row.map(|row| row.power_limit_watts), Unit::Watts),
            ("temperature", row.map(|row| row.temperature_celsius), Unit::Celsius),
            ("memory temperature", row.map(|row| row.memory_temperature_celsius), Unit::Celsius),
            ("fan", row.map(|row| row.fan_ratio), Unit::Ratio),
            ("SM clock", bytes(|row| row.sm_clock_hertz), Unit::Hertz),
            ("memory clock", bytes(|row| row.memory_clock_hertz), Unit::Hertz),
            ("PCIe to GPU", rates.map(|r| r.pcie_rx_bytes_per_second), Unit::BytesPerSecond),
            ("PCIe from GPU", rates.map(|r| r.pcie_tx_bytes_per_second), Unit::BytesPerSecond),
            ("NVLink received", rates.map(|r| r.nvlink_rx_bytes_per_second), Unit::BytesPerSecond),
            ("NVLink sent", rates.map(|r| r.nvlink_tx_bytes_per_second), Unit::BytesPerSecond),
            ("C2C to GPU", row.map(|row| row.c2c_rx_bytes_per_second), Unit::BytesPerSecond),
        ];
        for (name, reading, unit) in all {
            self.figure(name, reading, unit);
        }
        let link = super::figures::link_words(card);
        self.say("PCIe link", (!link.is_empty()).then(|| link.trim().to_owned()));
    }
}
