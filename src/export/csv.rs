//! A session as comma-separated values (RFC 4180), one value a line: the form that takes any number
//! of GPUs, processes and loaders, whenever they come and go.

use std::fmt::Write as _;

use crate::model::Frame;
use crate::model::metric::Cell;

use super::numbers::{numbers, plain};

/// The first line. `value` is empty where there is none, and `gap` says why.
pub const HEADING: &str = "t_ms,section,entity,column,value,gap\n";

/// Adds a frame.
pub fn frame(frame: &Frame, out: &mut String) {
    let t_ms = frame.sample.stamp.unix_ms;
    numbers(frame, |number| {
        let entity = quoted(number.entity);
        // Writing into a string does not fail.
        let _ = write!(out, "{t_ms},{},{entity},{},", number.section, number.spec.name);
        let precision = usize::from(number.spec.precision);
        let _ = match &number.cell {
            Cell::Null(gap) => write!(out, ",{}", gap.code()),
            Cell::Int(value) => write!(out, "{value},"),
            Cell::Float(value) => write!(out, "{},", short(*value, precision)),
            Cell::Bool(value) => write!(out, "{value},"),
            Cell::Text(value) => write!(out, "{},", quoted(&plain(value))),
        };
        out.push('\n');
    });
}

/// With the digits that are kept, without zeros at the end.
pub(super) fn short(value: f64, precision: usize) -> String {
    let text = format!("{value:.precision$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Text as a field. A field that a spreadsheet would take for a formula is made text.
fn quoted(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@']);
    if !formula && !text.contains([',', '"', '\n', '\r']) {
        return text.to_owned();
    }
    let mark = if formula { "'" } else { "" };
    format!("\"{mark}{}\"", text.replace('"', "\"\""))
}
