//! The rows of a section as columns of text, with the reasons for what is missing beside them.

use crate::model::Gap;
use crate::model::metric::{Cell, Section};

use super::line::{INT_END, push_key};
use super::text::{push_f64, push_str, push_u64};

/// The reasons of one line, gathered while its columns are written: `"gpus":{"power_watts":"lost"}`.
#[derive(Debug, Default)]
pub(super) struct Reasons {
    text: String,
}

impl Reasons {
    /// Forgets what an unfinished line left behind.
    pub(super) fn clear(&mut self) {
        self.text.clear();
    }

    /// Writes what was gathered as the member `gaps`, where there is anything.
    pub(super) fn flush(&mut self, out: &mut String) {
        if !self.text.is_empty() {
            push_key(out, "gaps");
            out.push('{');
            out.push_str(&self.text);
            out.push('}');
            self.text.clear();
        }
    }

    /// A bare null means "not yet", so only other reasons are written: one word where all rows share
    /// it, else one entry a row.
    fn column<S: Section>(&mut self, rows: &[S], index: usize, name: &str) {
        let gaps = || rows.iter().map(|row| gap_of(&row.get(index)));
        push_key(&mut self.text, name);
        let first = gaps().next().flatten();
        match first {
            Some(gap) if gaps().all(|other| other == first) => push_word(&mut self.text, gap),
            _ => {
                self.text.push('[');
                for (row, gap) in gaps().enumerate() {
                    if row > 0 {
                        self.text.push(',');
                    }
                    match gap {
                        None | Some(Gap::NotYet) => self.text.push_str("null"),
                        Some(gap) => push_word(&mut self.text, gap),
                    }
                }
                self.text.push(']');
            }
        }
    }
}

fn push_word(out: &mut String, gap: Gap) {
    out.push('"');
    out.push_str(gap.code());
    out.push('"');
}

/// Why a cell is written as null, where it is.
fn gap_of(cell: &Cell<'_>) -> Option<Gap> {
    match cell {
        Cell::Null(gap) => Some(*gap),
        // Other readers would round it without a word; none of our quantities comes near.
        Cell::Int(value) if *value >= INT_END => Some(Gap::Failed),
        Cell::Float(value) if !value.is_finite() => Some(Gap::Failed),
        _ => None,
    }
}

/// Writes one cell; the reason where it is null.
fn push_cell(out: &mut String, cell: &Cell<'_>, precision: u8) -> Option<Gap> {
    let gap = gap_of(cell);
    match cell {
        _ if gap.is_some() => out.push_str("null"),
        Cell::Null(_) => out.push_str("null"),
        Cell::Int(value) => push_u64(out, *value),
        Cell::Float(value) => push_f64(out, *value, precision),
        Cell::Bool(true) => out.push_str("true"),
        Cell::Bool(false) => out.push_str("false"),
        Cell::Text(word) => push_str(out, word),
    }
    gap
}

/// Writes a section that has one row: `"host":{"load1":0.5}`.
pub(super) fn push_one<S: Section>(out: &mut String, reasons: &mut Reasons, row: &S) {
    push_section(out, reasons, std::slice::from_ref(row), false);
}

/// Writes a section of any number of rows, `"gpus":{"gpu":[0,1]}`; nothing for none.
pub(super) fn push_rows<S: Section>(out: &mut String, reasons: &mut Reasons, rows: &[S]) {
    if !rows.is_empty() {
        push_section(out, reasons, rows, true);
    }
}

fn push_section<S: Section>(out: &mut String, reasons: &mut Reasons, rows: &[S], many: bool) {
    push_key(out, S::NAME);
    out.push('{');
    let mut any_reason = false;
    for (index, spec) in S::COLUMNS.iter().enumerate() {
        push_key(out, spec.name);
        if many {
            out.push('[');
        }
        let mut reason = false;
        for (at, row) in rows.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            let gap = push_cell(out, &row.get(index), spec.precision);
            reason |= gap.is_some_and(|gap| gap != Gap::NotYet);
        }
        if many {
            out.push(']');
        }
        if reason {
            if !any_reason {
                any_reason = true;
                if !reasons.text.is_empty() {
                    reasons.text.push(',');
                }
                reasons.text.push('"');
                reasons.text.push_str(S::NAME);
                reasons.text.push_str("\":{");
            }
            reasons.column(rows, index, spec.name);
        }
    }
    out.push('}');
    if any_reason {
        reasons.text.push('}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample::{GpuSample, NetSample};
    use crate::model::{GpuId, Reading};

    fn text(rows: &[impl Section]) -> (String, String) {
        let (mut out, mut reasons) = (String::from("{"), Reasons::default());
        push_rows(&mut out, &mut reasons, rows);
        (out, reasons.text)
    }

    #[test]
    fn a_section_is_written_as_columns_of_equal_length() {
        let rows = [
            NetSample {
                interface: "lo".into(),
                rx_bytes_total: Reading::Is(5),
                ..NetSample::default()
            },
            NetSample { interface: "e\"0".into(), ..NetSample::default() },
        ];
        let (out, reasons) = text(&rows);
        assert_eq!(
            out,
            r#"{"nets":{"interface":["lo","e\"0"],"rx_bytes_total":[5,null],"tx_bytes_total":[null,null]}"#
        );
        assert_eq!(reasons, "", "a bare null says: not yet");
    }

    #[test]
    fn a_reason_that_all_rows_share_is_one_word_and_others_are_listed() {
        let gone = GpuSample {
            gpu: GpuId(1),
            power_watts: Reading::Not(Gap::Lost),
            sm_active_ratio: Reading::Not(Gap::Unsupported),
            ..GpuSample::default()
        };
        let well = GpuSample {
            power_watts: Reading::Is(300.0),
            sm_active_ratio: Reading::Not(Gap::Unsupported),
            ..GpuSample::default()
        };
        let (_, reasons) = text(&[well, gone]);
        assert_eq!(
            reasons,
            r#""gpus":{"sm_active_ratio":"unsupported","power_watts":[null,"lost"]}"#
        );
    }

    #[test]
    fn what_others_would_round_and_what_is_no_number_is_missing_and_says_why() {
        let row = GpuSample {
            memory_used_bytes: Reading::Is(INT_END),
            power_watts: Reading::Is(f64::NAN),
            ..GpuSample::default()
        };
        let (out, reasons) = text(&[row]);
        assert!(out.contains(r#""memory_used_bytes":[null]"#));
        assert!(out.contains(r#""power_watts":[null]"#));
        assert_eq!(reasons, r#""gpus":{"memory_used_bytes":"failed","power_watts":"failed"}"#);
    }
}
