//! The rows of a tick as columns of text, with the reasons for what is missing beside them.

use std::ops::Range;
use std::sync::Arc;

use crate::model::metric::{Cell, Section, Spec};
use crate::model::{Gap, Sample};

use super::line::{INT_END, push_comma, push_key};
use super::text::{push_f64, push_str, push_u64};

/// A longer line is not kept for the tick behind it: its memory would outweigh the time that it saves.
const KEPT_TEXT: usize = 256 << 10;

/// A tick as it was written. What has not changed since is copied from it and not made again: on a box
/// in training that is more than half of a line.
#[derive(Debug)]
pub(super) struct Written {
    sample: Arc<Sample>,
    text: String,
    reasons: String,
    places: Vec<Place>,
}

impl Written {
    /// What was written.
    pub(super) fn sample(&self) -> &Sample {
        &self.sample
    }
}

/// Where a column stands with its name: in the line, and in the reasons where it has one.
#[derive(Clone, Debug, Default)]
struct Place {
    text: Range<usize>,
    reason: Range<usize>,
}

/// Writes the sections of one line, and gathers the reasons for what is missing:
/// `"gpus":{"power_watts":"lost"}`.
pub(super) struct Sections<'a> {
    out: &'a mut String,
    /// Where the line began in `out`.
    start: usize,
    reasons: String,
    /// Where the reasons of the section under way begin.
    section: usize,
    /// One for each column of each section, of such without rows too.
    places: Vec<Place>,
    before: Option<&'a Written>,
}

impl<'a> Sections<'a> {
    /// Sections behind what stands in the line that began at `start`. With the tick before as it was
    /// written, the same sections must come in the same order.
    pub(super) fn new(out: &'a mut String, start: usize, before: Option<&'a Written>) -> Self {
        let places = Vec::with_capacity(before.map_or(0, |before| before.places.len()));
        Self { out, start, reasons: String::new(), section: 0, places, before }
    }

    /// Writes a section that has one row: `"host":{"load1":0.5}`.
    pub(super) fn one<S: Section>(&mut self, row: &S, before: Option<&S>) {
        let slice = std::slice::from_ref;
        self.push(slice(row), before.map(slice), false);
    }

    /// Writes a section of any number of rows, `"gpus":{"gpu":[0,1]}`; nothing for none.
    pub(super) fn rows<S: Section>(&mut self, rows: &[S], before: Option<&[S]>) {
        if rows.is_empty() {
            let places = self.places.len() + S::COLUMNS.len();
            self.places.resize(places, Place::default());
        } else {
            self.push(rows, before, true);
        }
    }

    /// Writes why what is null is null, as the member `gaps`, where there is anything to say.
    pub(super) fn gaps(&mut self) {
        if !self.reasons.is_empty() {
            push_key(self.out, "gaps");
            self.out.push('{');
            self.out.push_str(&self.reasons);
            self.out.push('}');
        }
    }

    /// The sections so far, for the tick behind this one.
    pub(super) fn keep(self, sample: &Arc<Sample>) -> Option<Written> {
        let text = self.out.get(self.start..).filter(|text| text.len() <= KEPT_TEXT)?;
        Some(Written {
            sample: Arc::clone(sample),
            text: text.to_owned(),
            reasons: self.reasons,
            places: self.places,
        })
    }

    fn push<S: Section>(&mut self, rows: &[S], before: Option<&[S]>, many: bool) {
        push_key(self.out, S::NAME);
        self.out.push('{');
        self.section = self.reasons.len();
        let same = unchanged(rows, before);
        let mut cells = Vec::with_capacity(rows.len());
        let mut to_copy = 0;
        for (index, (spec, same)) in S::COLUMNS.iter().zip(same).enumerate() {
            if same {
                to_copy += 1;
                continue;
            }
            self.copy(S::NAME, std::mem::take(&mut to_copy));
            cells.clear();
            S::column(rows, index, &mut cells);
            self.column(S::NAME, spec, &cells, many);
        }
        self.copy(S::NAME, to_copy);
        self.out.push('}');
        if self.reasons.len() > self.section {
            self.reasons.push('}');
        }
    }

    /// Copies the next columns from the tick before, in one piece.
    fn copy(&mut self, section: &str, columns: usize) {
        let next = self.places.len();
        let Some(before) = self.before.filter(|_| columns > 0) else { return };
        let places = &before.places[next..next + columns];
        let text = hull(places.iter().map(|place| &place.text));
        let text_at = self.begin();
        self.out.push_str(&before.text[text.clone()]);
        let reason = hull(places.iter().map(|place| &place.reason));
        let mut reason_at = 0;
        if !reason.is_empty() {
            self.begin_reason(section);
            reason_at = self.reasons.len();
            self.reasons.push_str(&before.reasons[reason.clone()]);
        }
        self.places.extend(places.iter().map(|place| Place {
            text: moved(&place.text, text.start, text_at),
            reason: moved(&place.reason, reason.start, reason_at),
        }));
    }

    /// Makes the next column.
    fn column(&mut self, section: &str, spec: &Spec, cells: &[Cell<'_>], many: bool) {
        let from = self.begin();
        let out = &mut *self.out;
        out.push('"');
        out.push_str(spec.name);
        out.push_str(if many { "\":[" } else { "\":" });
        let mut has_reason = false;
        for (at, cell) in cells.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            let gap = push_cell(out, cell, spec.precision);
            has_reason |= gap.is_some_and(|gap| gap != Gap::NotYet);
        }
        if many {
            out.push(']');
        }
        let mut place = Place { text: from..out.len() - self.start, reason: 0..0 };
        if has_reason {
            self.begin_reason(section);
            let from = self.reasons.len();
            push_reasons(&mut self.reasons, spec.name, cells);
            place.reason = from..self.reasons.len();
        }
        self.places.push(place);
    }

    /// Where the next column begins.
    fn begin(&mut self) -> usize {
        push_comma(self.out);
        self.out.len() - self.start
    }

    /// Writes what stands before a column's reason.
    fn begin_reason(&mut self, section: &str) {
        let reasons = &mut self.reasons;
        let first = reasons.len() == self.section;
        if !reasons.is_empty() {
            reasons.push(',');
        }
        if first {
            reasons.push('"');
            reasons.push_str(section);
            reasons.push_str("\":{");
        }
    }
}

/// Which columns are as they were. Rows are gone through as they lie in memory, where most of the time
/// is spent waiting for it.
fn unchanged<S: Section>(rows: &[S], before: Option<&[S]>) -> Vec<bool> {
    let before = before.filter(|before| before.len() == rows.len());
    let mut same = vec![before.is_some(); S::COLUMNS.len()];
    for (row, before) in rows.iter().zip(before.unwrap_or_default()) {
        row.compare(before, &mut same);
    }
    same
}

/// From the first of these ranges to the last, empty ones left out.
fn hull<'a>(ranges: impl Iterator<Item = &'a Range<usize>>) -> Range<usize> {
    ranges
        .filter(|range| !range.is_empty())
        .fold(None, |hull: Option<Range<usize>>, range| {
            Some(hull.map_or(range.start, |hull| hull.start)..range.end)
        })
        .unwrap_or_default()
}

/// Where a range lies once what stood at `from` stands at `to`; an empty one is nowhere.
fn moved(range: &Range<usize>, from: usize, to: usize) -> Range<usize> {
    if range.is_empty() { 0..0 } else { range.start - from + to..range.end - from + to }
}

/// A bare null means "not yet", so only other reasons are written: one word where all rows share it,
/// else one entry a row.
fn push_reasons(out: &mut String, name: &str, cells: &[Cell<'_>]) {
    let mut gaps = cells.iter().map(gap_of);
    out.push('"');
    out.push_str(name);
    out.push_str("\":");
    let first = gaps.clone().next().flatten();
    match first {
        Some(gap) if gaps.all(|other| other == first) => push_word(out, gap),
        _ => {
            out.push('[');
            for (row, gap) in cells.iter().map(gap_of).enumerate() {
                if row > 0 {
                    out.push(',');
                }
                match gap {
                    None | Some(Gap::NotYet) => out.push_str("null"),
                    Some(gap) => push_word(out, gap),
                }
            }
            out.push(']');
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample::{GpuSample, NetSample};
    use crate::model::{GpuId, Reading};

    fn text(rows: &[impl Section]) -> (String, String) {
        let mut out = String::from("{");
        let mut sections = Sections::new(&mut out, 0, None);
        sections.rows(rows, None);
        let reasons = sections.reasons;
        (out, reasons)
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
