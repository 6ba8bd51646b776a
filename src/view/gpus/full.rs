//! One GPU in full.

use crate::fmt;
use crate::model::metric::Unit;
use crate::model::{GpuId, Reading};
use crate::view::focus::Look;
use crate::view::screen::{Line, Role, TextRow, span, strong};
use crate::view::text::{left, safe, wrap};

use super::card::{Card, users};
use super::health;

/// Columns of the name of a figure.
const NAME: usize = 22;

/// Title and rows of the popup; `None` where the GPU is gone.
pub(in crate::view) fn popup(
    look: &Look<'_>,
    gpu: GpuId,
    columns: usize,
) -> Option<(Line, Vec<TextRow>)> {
    let card = Card::of(look, gpu);
    let info = card.info?;
    let mut sheet = Sheet { rows: Vec::new(), columns };
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
        let text = format!("{}, {memory}{}", user.name, sm.unwrap_or_default());
        sheet.say(&format!("pid {}", user.pid), Some(text));
    }
    if users.is_empty() {
        sheet.say("", Some("None.".to_owned()));
    }
    sheet.rows.push(TextRow::default());
    sheet.rows.push(TextRow {
        left: vec![strong(" Esc", Role::Key), span(" close", Role::Dim)],
        ..TextRow::default()
    });
    let title = format!(" GPU {} · {} ", card.name(), safe(&info.name));
    Some((vec![strong(title, Role::Title)], sheet.rows))
}

struct Sheet {
    rows: Vec<TextRow>,
    columns: usize,
}

impl Sheet {
    fn head(&mut self, text: &str) {
        self.rows.push(TextRow::default());
        let left = vec![strong(format!(" {text}"), Role::Title)];
        self.rows.push(TextRow { left, ..TextRow::default() });
    }

    fn say(&mut self, name: &str, text: Option<String>) {
        let (text, role) =
            text.map_or_else(|| (fmt::NONE.to_owned(), Role::Gap), |t| (t, Role::Text));
        let room = self.columns.saturating_sub(NAME + 2);
        for (at, line) in wrap(&text, room, 4).into_iter().enumerate() {
            let name = left(if at == 0 { name } else { "" }, NAME);
            let line = vec![span(format!(" {name} "), Role::Dim), span(line, role)];
            self.rows.push(TextRow { left: line, ..TextRow::default() });
        }
    }

    /// A reading in its unit, or why there is none: here a gap has its reason.
    fn figure(&mut self, name: &str, reading: Option<Reading<f64>>, unit: Unit) {
        let text = reading.map(|reading| match reading {
            Reading::Is(value) => in_unit(value, unit),
            Reading::Not(gap) => gap.words().to_owned(),
        });
        self.say(name, text);
    }

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
        self.say("device file", modes.minor.map(|minor| format!("/dev/nvidia{minor}")));
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

fn in_unit(value: f64, unit: Unit) -> String {
    let text = match unit {
        Unit::Ratio => fmt::percent(value),
        Unit::Bytes => fmt::bytes(value),
        Unit::BytesPerSecond => fmt::rate(value),
        Unit::Watts => fmt::watts(value),
        Unit::Celsius => fmt::celsius(value),
        Unit::Hertz => format!("{:.0} MHz", value / 1e6),
        _ => format!("{value:.0}"),
    };
    text.trim().to_owned()
}
