//! The member `gaps` of a tick line, on its way in: why cells are null.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::model::Gap;
use crate::model::metric::{Cell, Section, Spec};
use crate::model::own::OwnSample;
use crate::model::sample::{
    CgroupSample, CpuSample, DiskSample, GpuProcSample, GpuSample, HostSample, LoaderSample,
    NetSample, ProcSample, WorkerSample,
};
use crate::model::server::{LatencySample, ServerSample};

use super::line::Damage;

/// The sections of a tick and their columns.
pub(super) const SECTIONS: [(&str, &[Spec]); 13] = [
    (HostSample::NAME, HostSample::COLUMNS),
    (CgroupSample::NAME, CgroupSample::COLUMNS),
    (DiskSample::NAME, DiskSample::COLUMNS),
    (NetSample::NAME, NetSample::COLUMNS),
    (GpuSample::NAME, GpuSample::COLUMNS),
    (GpuProcSample::NAME, GpuProcSample::COLUMNS),
    (ProcSample::NAME, ProcSample::COLUMNS),
    (LoaderSample::NAME, LoaderSample::COLUMNS),
    (WorkerSample::NAME, WorkerSample::COLUMNS),
    (ServerSample::NAME, ServerSample::COLUMNS),
    (LatencySample::NAME, LatencySample::COLUMNS),
    (CpuSample::NAME, CpuSample::COLUMNS),
    (OwnSample::NAME, OwnSample::COLUMNS),
];

/// Why cells of one column are null.
pub(super) struct Reason {
    /// Index in [`SECTIONS`].
    pub(super) section: usize,
    column: usize,
    said: Said,
}

enum Said {
    All(Gap),
    Each(Vec<Option<Gap>>),
}

/// Puts the reason where the nulls are. A reason for a cell that has a value is none.
pub(super) fn explain<S: Section>(rows: &mut [S], reason: &Reason) -> Result<(), Damage> {
    if let Said::Each(gaps) = &reason.said
        && gaps.len() != rows.len()
    {
        return Err(Damage::UnequalColumns);
    }
    for (at, row) in rows.iter_mut().enumerate() {
        let gap = match &reason.said {
            Said::All(gap) => Some(*gap),
            Said::Each(gaps) => gaps.get(at).copied().flatten(),
        };
        if let Some(gap) = gap
            && row.get(reason.column) == Cell::Null(Gap::NotYet)
        {
            row.set(reason.column, Cell::Null(gap));
        }
    }
    Ok(())
}

/// Turns the name of a member into what it stands for, without keeping it.
pub(super) struct Named<F>(pub(super) F);

impl<'de, T, F: FnOnce(&str) -> T> DeserializeSeed<'de> for Named<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<T, D::Error> {
        from.deserialize_str(self)
    }
}

impl<T, F: FnOnce(&str) -> T> Visitor<'_> for Named<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<T, E> {
        Ok((self.0)(name))
    }
}

/// The column of this name, the one at `next` looked at first.
pub(super) fn find(columns: &[Spec], next: usize, name: &str) -> Option<usize> {
    if columns.get(next).is_some_and(|spec| spec.name == name) {
        return Some(next);
    }
    columns.iter().position(|spec| spec.name == name)
}

/// Reads the whole member: sections of columns.
pub(super) struct Reasons<'a>(pub(super) &'a mut Vec<Reason>);

impl<'de> DeserializeSeed<'de> for Reasons<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Reasons<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("reasons by section")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let position = |name: &str| SECTIONS.iter().position(|(section, _)| *section == name);
        while let Some(found) = map.next_key_seed(Named(position))? {
            match found {
                Some(section) => map.next_value_seed(Columns { into: self.0, section })?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

struct Columns<'a> {
    into: &'a mut Vec<Reason>,
    section: usize,
}

impl<'de> DeserializeSeed<'de> for Columns<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Columns<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("reasons by column")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { into, section } = self;
        let columns = SECTIONS.get(section).map_or(&[][..], |(_, columns)| *columns);
        while let Some(found) = map.next_key_seed(Named(|name: &str| find(columns, 0, name)))? {
            match found {
                Some(column) => {
                    let said = map.next_value_seed(Words)?;
                    into.push(Reason { section, column, said });
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// One word for all rows, or a word or null for each.
struct Words;

/// A word of a later version says at least that there is no value.
fn gap(word: &str) -> Gap {
    Gap::from_code(word).unwrap_or(Gap::Failed)
}

impl<'de> DeserializeSeed<'de> for Words {
    type Value = Said;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Said, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Words {
    type Value = Said;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reason, or one for each row")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Said, E> {
        Ok(Said::All(gap(word)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Said, A::Error> {
        let mut each = Vec::new();
        while let Some(one) = seq.next_element_seed(Word)? {
            each.push(one);
        }
        Ok(Said::Each(each))
    }
}

/// A word or null.
struct Word;

impl<'de> DeserializeSeed<'de> for Word {
    type Value = Option<Gap>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Option<Gap>, D::Error> {
        from.deserialize_any(self)
    }
}

impl Visitor<'_> for Word {
    type Value = Option<Gap>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reason or null")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Option<Gap>, E> {
        Ok(Some(gap(word)))
    }

    fn visit_unit<E: Error>(self) -> Result<Option<Gap>, E> {
        Ok(None)
    }
}
