//! What a collector says to mltop: one JSON object a line, over a pipe.
//!
//! A row travels as its columns in the order of the catalogue, so that a column added there needs
//! nothing here. Texts come from a driver and are cut and cleaned on arrival.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use crate::model::inventory::GpuInfo;
use crate::model::metric::{Cell, Kind, Section};
use crate::model::sample::{GpuProcKind, GpuSample};
use crate::model::{Gap, GpuId};

/// Raised with every change of meaning: an mltop that was replaced on disk while it ran must not
/// misread its new self.
pub(super) const PROTOCOL: u32 = 4;
/// Longest line that is looked at.
pub(super) const MOST_LINE: usize = 256 * 1024;
/// Most processes of one GPU that are passed on.
pub(super) const MOST_PROCS: usize = 1024;
/// Longest text of a driver that is kept.
const MOST_TEXT: usize = 240;

/// One line of a collector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// The driver answered.
    Hello {
        /// [`PROTOCOL`].
        protocol: u32,
        /// Number of its first GPU.
        #[serde(default)]
        first: u32,
        /// GPUs that it counts.
        gpus: u32,
    },
    /// The driver cannot be used: the collector ends, or waits until it can.
    Fault {
        /// Not there, which is no fault.
        absent: bool,
        /// What is the matter.
        message: String,
        /// What would mend it.
        remedy: String,
    },
    /// Who a GPU is.
    Info {
        /// All that is known; `trouble` is not used.
        info: GpuInfo,
    },
    /// The figures of a GPU.
    Row {
        /// Its index.
        gpu: u32,
        /// Microseconds on the collector's clock.
        t: u64,
        /// The columns in the order of the catalogue.
        cells: Vec<Value>,
        /// Why there are none, in words; empty where there are.
        trouble: String,
    },
    /// Who holds memory of a GPU.
    Procs {
        /// Its index.
        gpu: u32,
        /// The list, by pid.
        held: Vec<Held>,
    },
    /// A MIG instance is no more.
    Gone {
        /// Its number.
        gpu: u32,
    },
    /// Whether errors of a GPU are told as they come.
    Watched {
        /// Its index.
        gpu: u32,
        /// Whether they are.
        told: bool,
    },
    /// The driver reported an error of a GPU.
    Xid {
        /// Its index.
        gpu: u32,
        /// Microseconds on the collector's clock.
        t: u64,
        /// The error's number.
        xid: u64,
    },
    /// PCIe counts, between rows.
    Pcie {
        /// Its index.
        gpu: u32,
        /// Microseconds on the collector's clock.
        t: u64,
        /// Bytes received, widened.
        rx: u64,
        /// Bytes sent, widened.
        tx: u64,
        /// Whether the counter may have wrapped unseen since the point before.
        lower: bool,
        /// Microseconds by which the read may lie before that moment, or after it.
        off: u64,
    },
}

/// What a process holds of a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Held {
    /// The process.
    pub(super) pid: u32,
    /// Bytes; absent where the driver cannot tell.
    pub(super) bytes: Option<u64>,
    /// How it uses the GPU.
    pub(super) kind: GpuProcKind,
    /// Share of time in which its kernels ran; absent where the driver does not tell.
    pub(super) sm: Option<f64>,
}

/// The row's columns as JSON.
pub(super) fn cells(row: &GpuSample) -> Vec<Value> {
    (0..GpuSample::COLUMNS.len()).map(|index| value(&row.get(index))).collect()
}

fn value(cell: &Cell<'_>) -> Value {
    match cell {
        Cell::Null(gap) => Value::String(format!("!{}", gap.code())),
        Cell::Int(value) => Value::from(*value),
        // A number that is not finite is no number.
        Cell::Float(value) => Number::from_f64(*value)
            .map_or_else(|| Value::String(format!("!{}", Gap::Failed.code())), Value::Number),
        Cell::Bool(value) => Value::Bool(*value),
        Cell::Text(text) => Value::String(text.to_string()),
    }
}

fn cell(value: &Value) -> Cell<'_> {
    match value {
        Value::String(text) => match text.strip_prefix('!') {
            Some(code) => Cell::Null(Gap::from_code(code).unwrap_or(Gap::Failed)),
            None => Cell::Text(Cow::Borrowed(text)),
        },
        Value::Bool(value) => Cell::Bool(*value),
        Value::Number(number) => number.as_u64().map_or_else(
            || number.as_f64().map_or(Cell::Null(Gap::Failed), Cell::Float),
            Cell::Int,
        ),
        _ => Cell::Null(Gap::Failed),
    }
}

/// The row behind its columns; what is not understood is [`Gap::Failed`].
pub(super) fn row(gpu: GpuId, cells: &[Value]) -> GpuSample {
    let mut row = GpuSample::blank(gpu, Gap::Failed);
    for (index, value) in cells.iter().enumerate().take(GpuSample::COLUMNS.len()) {
        if GpuSample::COLUMNS[index].kind != Kind::Id {
            row.set(index, cell(value));
        }
    }
    row
}

/// One line, cut to what we take; `None` for anything else.
pub(super) fn parse(line: &[u8]) -> Option<Line> {
    if line.len() > MOST_LINE {
        return None;
    }
    let mut line: Line = serde_json::from_slice(line).ok()?;
    match &mut line {
        Line::Hello { first, gpus, .. } => {
            *first = (*first).min(GpuId::CARDS);
            *gpus = (*gpus).min(GpuId::CARDS - *first);
        }
        Line::Fault { message, remedy, .. } => {
            *message = clean(message);
            *remedy = clean(remedy);
        }
        Line::Info { info } => {
            let (modes, mig) = (&mut info.modes, info.mig.as_mut());
            let texts = [&mut info.uuid, &mut info.name, &mut info.driver, &mut info.pci];
            let texts = texts.into_iter().chain([&mut modes.compute, &mut modes.virtualization]);
            for text in texts.chain(mig.map(|mig| &mut mig.profile)) {
                *text = clean(text).into();
            }
        }
        Line::Row { trouble, .. } => *trouble = clean(trouble),
        Line::Procs { held, .. } => held.truncate(MOST_PROCS),
        Line::Gone { .. } | Line::Watched { .. } | Line::Xid { .. } | Line::Pcie { .. } => {}
    }
    (line.gpu() < GpuId::END).then_some(line)
}

impl Line {
    fn gpu(&self) -> u32 {
        match self {
            Self::Hello { .. } | Self::Fault { .. } => 0,
            Self::Info { info } => info.gpu.0,
            Self::Row { gpu, .. }
            | Self::Procs { gpu, .. }
            | Self::Gone { gpu }
            | Self::Watched { gpu, .. }
            | Self::Xid { gpu, .. }
            | Self::Pcie { gpu, .. } => *gpu,
        }
    }
}

/// Text of a driver without control characters, and not endless.
pub(super) fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MOST_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Reading;
    use crate::model::sample::PcieSource;
    use proptest::prelude::*;

    #[test]
    fn a_row_arrives_as_it_left() {
        let mut sent = GpuSample::blank(GpuId(3), Gap::Unsupported);
        sent.utilization_ratio = Reading::Is(0.37);
        sent.power_watts = Reading::Is(300.0);
        sent.memory_used_bytes = Reading::Is(41 << 30);
        sent.pcie_source = Reading::Is(PcieSource::Counter);
        sent.temperature_celsius = Reading::Not(Gap::Denied);
        assert_eq!(row(GpuId(3), &cells(&sent)), sent);
    }

    #[test]
    fn a_driver_s_text_loses_its_escapes() {
        let info = GpuInfo { name: "H100\u{1b}[31m".into(), ..GpuInfo::default() };
        let text = serde_json::to_vec(&Line::Info { info }).unwrap();
        let Some(Line::Info { info }) = parse(&text) else { panic!("no line") };
        assert_eq!(&*info.name, "H100[31m");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_line_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn any_cells_make_a_row(texts in proptest::collection::vec(".{0,12}", 0..60), n in any::<f64>()) {
            let mut cells: Vec<Value> = texts.into_iter().map(Value::String).collect();
            cells.push(Value::from(n));
            cells.push(Value::Null);
            prop_assert_eq!(row(GpuId(1), &cells).gpu, GpuId(1));
        }
    }
}
