//! A `tick` line as a sample: columns become rows in one pass over the text.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::model::metric::{Cell, Kind, Section};
use crate::model::{Gap, Inventory, Sample};

use super::line::{Damage, INT_END, MAX_ROWS, weight};
use super::reasons::{Named, Reason, Reasons, SECTIONS, explain, find};

/// Reads a tick whose checksum holds.
pub(super) fn read_tick(line: &[u8], inventory: Arc<Inventory>) -> Result<Sample, Damage> {
    let mut tick = Tick {
        sample: Sample { inventory, ..Sample::default() },
        stated: 0,
        reasons: Vec::new(),
        limits: Limits { rows_left: MAX_ROWS, fault: None },
    };
    let mut text = serde_json::Deserializer::from_slice(line);
    let read = text.deserialize_map(&mut tick).and_then(|()| text.end());
    if read.is_err() {
        return Err(tick.limits.fault.unwrap_or(Damage::Malformed));
    }
    if tick.stated != ALL_STATED {
        return Err(Damage::Malformed);
    }
    for reason in std::mem::take(&mut tick.reasons) {
        tick.explain(&reason)?;
    }
    Ok(tick.sample)
}

/// What a line may still use, and what it did wrong.
struct Limits {
    rows_left: usize,
    fault: Option<Damage>,
}

impl Limits {
    /// Notes the fault for the caller: errors of serde are only words.
    fn fail<E: Error>(&mut self, damage: Damage) -> E {
        self.fault = Some(damage);
        E::custom("refused")
    }
}

struct Tick {
    sample: Sample,
    /// Bit by bit, which of seq, t_ms, mono_ms and dur_us were there.
    stated: u8,
    reasons: Vec<Reason>,
    limits: Limits,
}

const ALL_STATED: u8 = 0b1111;

impl Tick {
    fn explain(&mut self, reason: &Reason) -> Result<(), Damage> {
        let sample = &mut self.sample;
        match reason.section {
            0 => explain(std::slice::from_mut(&mut sample.host), reason),
            1 => explain(&mut sample.cgroups, reason),
            2 => explain(&mut sample.disks, reason),
            3 => explain(&mut sample.nets, reason),
            4 => explain(&mut sample.gpus, reason),
            5 => explain(&mut sample.gpu_procs, reason),
            6 => explain(&mut sample.procs, reason),
            7 => explain(&mut sample.loaders, reason),
            8 => explain(&mut sample.workers, reason),
            9 => explain(&mut sample.servers, reason),
            10 => explain(&mut sample.latencies, reason),
            11 => explain(&mut sample.cpus, reason),
            _ => explain(&mut sample.own, reason),
        }
    }

    fn section<'de, A: MapAccess<'de>>(&mut self, at: usize, map: &mut A) -> Result<(), A::Error> {
        let limits = &mut self.limits;
        let sample = &mut self.sample;
        match at {
            0 => map.next_value_seed(Rows { rows: Target::One(&mut sample.host), limits }),
            1 => map.next_value_seed(Rows { rows: Target::Many(&mut sample.cgroups), limits }),
            2 => map.next_value_seed(Rows { rows: Target::Many(&mut sample.disks), limits }),
            3 => map.next_value_seed(Rows { rows: Target::Many(&mut sample.nets), limits }),
            4 => map.next_value_seed(Rows { rows: Target::Many(&mut sample.gpus), limits }),
            5 => map.next_value_seed(Rows { rows: Target::Many(&mut sample.gpu_procs), limits }),
            6 => map.next_value_seed(Rows { rows: Target::Many(&mut sample.procs), limits }),
            7 => map.next_value_seed(Rows { rows: Target::Many(&mut sample.loaders), limits }),
            8 => map.next_value_seed(Rows { rows: Target::Many(&mut sample.workers), limits }),
            9 => map.next_value_seed(Rows { rows: Target::Many(&mut sample.servers), limits }),
            10 => map.next_value_seed(Rows { rows: Target::Many(&mut sample.latencies), limits }),
            11 => map.next_value_seed(Rows { rows: Target::Many(&mut sample.cpus), limits }),
            _ => map.next_value_seed(Rows { rows: Target::Many(&mut sample.own), limits }),
        }
    }
}

/// The members of a tick line, in the order of [`Key`].
const HEADER: [&str; 4] = ["seq", "t_ms", "mono_ms", "dur_us"];

enum Key {
    Header(usize),
    Section(usize),
    Gaps,
    Other,
}

impl<'de> Visitor<'de> for &mut Tick {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tick")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(Named(|name: &str| {
            if name == "gaps" {
                return Key::Gaps;
            }
            let section = SECTIONS.iter().position(|(section, _)| *section == name);
            let header = || HEADER.iter().position(|header| *header == name);
            section.map_or_else(|| header().map_or(Key::Other, Key::Header), Key::Section)
        }))? {
            match key {
                Key::Header(at) => {
                    match at {
                        0 => self.sample.seq = map.next_value()?,
                        1 => self.sample.stamp.unix_ms = map.next_value()?,
                        2 => self.sample.stamp.mono_ms = map.next_value()?,
                        _ => self.sample.dur_us = map.next_value()?,
                    }
                    self.stated |= 1 << at;
                }
                Key::Section(at) => self.section(at, &mut map)?,
                Key::Gaps => map.next_value_seed(Reasons(&mut self.reasons))?,
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Where a section's values go.
enum Target<'a, S> {
    /// A section of one row, its columns bare values.
    One(&'a mut S),
    /// A section of many rows, its columns arrays.
    Many(&'a mut Vec<S>),
}

struct Rows<'a, S> {
    rows: Target<'a, S>,
    limits: &'a mut Limits,
}

impl<'de, S: Section> DeserializeSeed<'de> for Rows<'_, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de, S: Section> Visitor<'de> for Rows<'_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the columns of a section")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut seen = vec![false; S::COLUMNS.len()];
        // Columns come in the order of the catalogue, so the next one is looked at first.
        let mut next = 0;
        while let Some(found) =
            map.next_key_seed(Named(|name: &str| find(S::COLUMNS, next, name)))?
        {
            let Some(column) = found else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            next = column + 1;
            let first = !seen.contains(&true);
            if let Some(seen) = seen.get_mut(column) {
                *seen = true;
            }
            match &mut self.rows {
                Target::One(row) => {
                    let value = map.next_value_seed(Value)?;
                    put(&mut **row, column, value, self.limits)?;
                }
                Target::Many(rows) => {
                    map.next_value_seed(Values { rows, column, first, limits: self.limits })?;
                }
            }
        }
        self.missing(&seen)
    }
}

impl<S: Section> Rows<'_, S> {
    /// A column that the writer did not know is not supported there; a row without its name is
    /// nobody's.
    fn missing<E: Error>(&mut self, seen: &[bool]) -> Result<(), E> {
        let rows = match &mut self.rows {
            Target::One(row) => std::slice::from_mut(&mut **row),
            Target::Many(rows) => rows.as_mut_slice(),
        };
        for (column, spec) in S::COLUMNS.iter().enumerate() {
            if seen.get(column) == Some(&true) {
                continue;
            }
            if spec.kind == Kind::Id {
                return Err(self.limits.fail(Damage::Malformed));
            }
            for row in rows.iter_mut() {
                row.set(column, Cell::Null(Gap::Unsupported));
            }
        }
        Ok(())
    }
}

fn put<S: Section, E: Error>(
    row: &mut S,
    column: usize,
    value: Cell<'_>,
    limits: &mut Limits,
) -> Result<(), E> {
    if row.set(column, value) { Ok(()) } else { Err(limits.fail(Damage::Malformed)) }
}

/// One column of a section of many rows. The first one makes the rows.
struct Values<'a, S> {
    rows: &'a mut Vec<S>,
    column: usize,
    first: bool,
    limits: &'a mut Limits,
}

impl<'de, S: Section> DeserializeSeed<'de> for Values<'_, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de, S: Section> Visitor<'de> for Values<'_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the values of a column")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self { rows, column, first, limits } = self;
        if first && !rows.is_empty() {
            // The section stands twice in the line: whose rows would they be?
            return Err(limits.fail(Damage::Malformed));
        }
        let mut at = 0;
        while let Some(value) = seq.next_element_seed(Value)? {
            if first {
                limits.rows_left = match limits.rows_left.checked_sub(weight::<S>()) {
                    Some(left) => left,
                    None => return Err(limits.fail(Damage::TooManyRows)),
                };
                rows.push(S::default());
            }
            match rows.get_mut(at) {
                Some(row) => put(row, column, value, limits)?,
                None => return Err(limits.fail(Damage::UnequalColumns)),
            }
            at += 1;
        }
        if at == rows.len() { Ok(()) } else { Err(limits.fail(Damage::UnequalColumns)) }
    }
}

/// One value.
struct Value;

impl<'de> DeserializeSeed<'de> for Value {
    type Value = Cell<'de>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Cell<'de>, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value {
    type Value = Cell<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, a word, a truth value or null")
    }

    fn visit_unit<E: Error>(self) -> Result<Cell<'de>, E> {
        Ok(Cell::Null(Gap::NotYet))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Cell<'de>, E> {
        Ok(Cell::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Cell<'de>, E> {
        Ok(if value < INT_END { Cell::Int(value) } else { Cell::Float(value as f64) })
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Cell<'de>, E> {
        Ok(Cell::Float(value as f64))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Cell<'de>, E> {
        Ok(Cell::Float(value))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Cell<'de>, E> {
        Ok(Cell::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Cell<'de>, E> {
        Ok(Cell::Text(Cow::Owned(value.to_owned())))
    }
}
