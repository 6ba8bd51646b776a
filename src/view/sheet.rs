//! One thing in full: figures under headings, each with its name, a gap with its reason.

use crate::fmt;
use crate::model::Reading;
use crate::model::metric::Unit;

use super::screen::{Role, TextRow, span, strong};
use super::text::{left, wrap};

/// Columns of the name of a figure.
const NAME: usize = 22;
/// The most lines of one figure.
const LINES: usize = 4;

/// The rows so far.
pub(super) struct Sheet {
    pub(super) rows: Vec<TextRow>,
    columns: usize,
}

impl Sheet {
    /// An empty one of so many columns.
    pub(super) const fn new(columns: usize) -> Self {
        Self { rows: Vec::new(), columns }
    }

    /// A heading, with a blank row before it.
    pub(super) fn head(&mut self, text: &str) {
        self.rows.push(TextRow::default());
        let left = vec![strong(format!(" {text}"), Role::Title)];
        self.rows.push(TextRow { left, ..TextRow::default() });
    }

    /// What there is to say under a name; the dash where there is nothing.
    pub(super) fn say(&mut self, name: &str, text: Option<String>) {
        let (text, role) =
            text.map_or_else(|| (fmt::NONE.to_owned(), Role::Gap), |text| (text, Role::Text));
        self.write(name, &text, role);
    }

    /// A reading as text, or why there is none.
    pub(super) fn told(&mut self, name: &str, reading: Reading<String>) {
        match reading {
            Reading::Is(text) => self.write(name, &text, Role::Text),
            Reading::Not(gap) => self.write(name, gap.words(), Role::Gap),
        }
    }

    /// A reading in its unit, or why there is none.
    pub(super) fn figure(&mut self, name: &str, reading: Option<Reading<f64>>, unit: Unit) {
        match reading {
            Some(reading) => self.told(name, reading.map(|value| in_unit(value, unit))),
            None => self.say(name, None),
        }
    }

    /// How to leave it.
    pub(super) fn close(&mut self) {
        self.rows.push(TextRow::default());
        self.rows.push(TextRow {
            left: vec![strong(" Esc", Role::Key), span(" close", Role::Dim)],
            ..TextRow::default()
        });
    }

    fn write(&mut self, name: &str, text: &str, role: Role) {
        let room = self.columns.saturating_sub(NAME + 2);
        for (at, line) in wrap(text, room, LINES).into_iter().enumerate() {
            let name = left(if at == 0 { name } else { "" }, NAME);
            let line = vec![span(format!(" {name} "), Role::Dim), span(line, role)];
            self.rows.push(TextRow { left: line, ..TextRow::default() });
        }
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
