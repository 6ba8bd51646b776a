//! The catalogue of metrics: one row a column, shared by the session file, the stream, the screens
//! and the exporters. A column that is not in here cannot be recorded.

use std::borrow::Cow;

use super::id::{GpuId, LoaderId, Pid, RunId, ServerId};
use super::reading::{Gap, Reading};

/// The unit of a column. It is also the ending of the column's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A plain number, a name or a state.
    None,
    /// `_bytes`
    Bytes,
    /// `_bytes_per_second`
    BytesPerSecond,
    /// `_per_second`
    PerSecond,
    /// `_ratio`: 0 to 1.
    Ratio,
    /// `_seconds`
    Seconds,
    /// `_watts`
    Watts,
    /// `_joules`
    Joules,
    /// `_celsius`
    Celsius,
    /// `_hertz`
    Hertz,
}

impl Unit {
    /// The ending that a column's name must have (before `_total` for counters).
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Bytes => "_bytes",
            Self::BytesPerSecond => "_bytes_per_second",
            Self::PerSecond => "_per_second",
            Self::Ratio => "_ratio",
            Self::Seconds => "_seconds",
            Self::Watts => "_watts",
            Self::Joules => "_joules",
            Self::Celsius => "_celsius",
            Self::Hertz => "_hertz",
        }
    }
}

/// How the values of a column behave in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Names the row.
    Id,
    /// A value at the moment of the tick.
    Gauge,
    /// A count that only rises; a fall means that it started anew. The name ends in `_total`.
    Counter,
    /// Follows from two ticks.
    Rate,
    /// One of a few words or a set of bits.
    State,
}

impl Kind {
    /// The word that stands for it in the schema of a session.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Rate => "rate",
            Self::State => "state",
        }
    }
}

/// One row of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The column's name, its unit at the end.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// How it behaves in time.
    pub kind: Kind,
    /// Digits after the point that are kept.
    pub precision: u8,
    /// What it means, in one sentence, with its source.
    pub help: &'static str,
}

/// One value of a column on its way in or out of a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    /// No value, and why.
    Null(Gap),
    /// A whole number below 2^53.
    Int(u64),
    /// A finite number.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A word.
    Text(Cow<'a, str>),
}

/// What can stand in a column.
pub trait Column: Sized {
    /// The value for the file.
    fn to_cell(&self) -> Cell<'_>;
    /// The value from a file; `None` where the cell is of another type and the row is worth nothing
    /// without it. A reading of another type is a [`Gap::Failed`], not a loss of the row.
    fn from_cell(cell: Cell<'_>) -> Option<Self>;
}

/// A table of a session: a row type whose fields are the columns.
pub trait Section: Default + Clone {
    /// The section's name in a tick.
    const NAME: &'static str;
    /// Its columns, in the order of the file.
    const COLUMNS: &'static [Spec];
    /// The value of column `index`; `Cell::Null` past the last one.
    fn get(&self, index: usize) -> Cell<'_>;
    /// Sets column `index`. False where the value cannot stand there.
    fn set(&mut self, index: usize, cell: Cell<'_>) -> bool;
    /// Appends the values of column `index`, row by row; nothing past the last column.
    fn column<'a>(rows: &'a [Self], index: usize, into: &mut Vec<Cell<'a>>);
    /// Clears the flag of each column that has another value in `other`.
    fn compare(&self, other: &Self, same: &mut [bool]);
}

/// Rounds the numbers of a row to the digits that are kept in a file, so that what is shown now and
/// what is shown of the recording are the same to the last digit.
pub fn round<S: Section>(row: &mut S) {
    /// From here on a scaled value has no digits to spare.
    const EXACT: f64 = (1_u64 << 50) as f64;
    for (index, spec) in S::COLUMNS.iter().enumerate() {
        let Cell::Float(value) = row.get(index) else { continue };
        let power = 10_f64.powi(i32::from(spec.precision));
        let scaled = (value * power).round();
        if scaled.abs() < EXACT {
            row.set(index, Cell::Float(scaled / power));
        }
    }
}

/// Declares a row type and its columns in one place, so that the field, its documentation, the
/// schema and the codec cannot drift apart.
macro_rules! section {
    ($(#[$meta:meta])* $row:ident, $name:literal {
        $( $field:ident : $type:ty => $kind:ident, $unit:ident, $precision:literal, $help:literal; )*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $row { $( #[doc = $help] pub $field: $type, )* }

        impl $crate::model::metric::Section for $row {
            const NAME: &'static str = $name;
            const COLUMNS: &'static [$crate::model::metric::Spec] = &[ $(
                $crate::model::metric::Spec {
                    name: stringify!($field),
                    unit: $crate::model::metric::Unit::$unit,
                    kind: $crate::model::metric::Kind::$kind,
                    precision: $precision,
                    help: $help,
                },
            )* ];

            fn get(&self, index: usize) -> $crate::model::metric::Cell<'_> {
                let mut at = 0;
                $(
                    if index == at {
                        return $crate::model::metric::Column::to_cell(&self.$field);
                    }
                    at += 1;
                )*
                let _ = at;
                $crate::model::metric::Cell::Null($crate::model::reading::Gap::Unsupported)
            }

            fn set(&mut self, index: usize, cell: $crate::model::metric::Cell<'_>) -> bool {
                let mut at = 0;
                $(
                    if index == at {
                        return match $crate::model::metric::Column::from_cell(cell) {
                            Some(value) => { self.$field = value; true }
                            None => false,
                        };
                    }
                    at += 1;
                )*
                let _ = at;
                false
            }

            fn column<'a>(
                rows: &'a [Self],
                index: usize,
                into: &mut Vec<$crate::model::metric::Cell<'a>>,
            ) {
                let mut at = 0;
                $(
                    if index == at {
                        let cell = |row: &'a Self| $crate::model::metric::Column::to_cell(&row.$field);
                        into.extend(rows.iter().map(cell));
                        return;
                    }
                    at += 1;
                )*
                let _ = at;
            }

            fn compare(&self, other: &Self, same: &mut [bool]) {
                let mut flags = same.iter_mut();
                $(
                    if let Some(same) = flags.next() {
                        *same &= self.$field == other.$field;
                    }
                )*
                let _ = flags;
            }
        }
    };
}
pub(crate) use section;

/// Declares a small set of states with the word for each.
macro_rules! states {
    ($(#[$meta:meta])* $name:ident { $( $(#[$vmeta:meta])* $variant:ident = $code:literal ),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum $name { $( $(#[$vmeta])* #[serde(rename = $code)] $variant, )* }

        impl $name {
            /// Every state.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )* ];
            /// The word that stands for it in files and streams.
            pub const fn code(self) -> &'static str {
                match self { $( Self::$variant => $code, )* }
            }
            /// The state behind a word.
            pub fn from_code(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|state| state.code() == code)
            }
        }

        impl $crate::model::metric::Column for $crate::model::reading::Reading<$name> {
            fn to_cell(&self) -> $crate::model::metric::Cell<'_> {
                match self {
                    Self::Is(state) => $crate::model::metric::Cell::Text(state.code().into()),
                    Self::Not(gap) => $crate::model::metric::Cell::Null(*gap),
                }
            }
            fn from_cell(cell: $crate::model::metric::Cell<'_>) -> Option<Self> {
                use $crate::model::{metric::Cell, reading::Gap};
                Some(match cell {
                    Cell::Text(code) => Self::from_option($name::from_code(&code), Gap::Failed),
                    Cell::Null(gap) => Self::Not(gap),
                    _ => Self::Not(Gap::Failed),
                })
            }
        }
    };
}
pub(crate) use states;

impl Column for Reading<f64> {
    fn to_cell(&self) -> Cell<'_> {
        match *self {
            Self::Is(value) if value.is_finite() => Cell::Float(value),
            Self::Is(_) => Cell::Null(Gap::Failed),
            Self::Not(gap) => Cell::Null(gap),
        }
    }

    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        Some(match cell {
            Cell::Float(value) => Self::Is(value),
            Cell::Int(value) => Self::Is(value as f64),
            Cell::Null(gap) => Self::Not(gap),
            Cell::Bool(_) | Cell::Text(_) => Self::Not(Gap::Failed),
        })
    }
}

impl Column for Reading<u64> {
    fn to_cell(&self) -> Cell<'_> {
        match *self {
            Self::Is(value) => Cell::Int(value),
            Self::Not(gap) => Cell::Null(gap),
        }
    }

    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        Some(match cell {
            Cell::Int(value) => Self::Is(value),
            Cell::Null(gap) => Self::Not(gap),
            Cell::Float(_) | Cell::Bool(_) | Cell::Text(_) => Self::Not(Gap::Failed),
        })
    }
}

impl Column for Reading<bool> {
    fn to_cell(&self) -> Cell<'_> {
        match *self {
            Self::Is(value) => Cell::Bool(value),
            Self::Not(gap) => Cell::Null(gap),
        }
    }

    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        Some(match cell {
            Cell::Bool(value) => Self::Is(value),
            Cell::Null(gap) => Self::Not(gap),
            Cell::Int(_) | Cell::Float(_) | Cell::Text(_) => Self::Not(Gap::Failed),
        })
    }
}

impl Column for Reading<Box<str>> {
    fn to_cell(&self) -> Cell<'_> {
        match self {
            Self::Is(value) => Cell::Text(Cow::Borrowed(value)),
            Self::Not(gap) => Cell::Null(*gap),
        }
    }

    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        Some(match cell {
            Cell::Text(value) => Self::Is(value.into()),
            Cell::Null(gap) => Self::Not(gap),
            Cell::Int(_) | Cell::Float(_) | Cell::Bool(_) => Self::Not(Gap::Failed),
        })
    }
}

/// A name that identifies a row, as a disk's.
impl Column for Box<str> {
    fn to_cell(&self) -> Cell<'_> {
        Cell::Text(Cow::Borrowed(self))
    }

    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Text(value) => Some(value.into()),
            _ => None,
        }
    }
}

macro_rules! id_columns {
    ($($name:ident),*) => {$(
        impl Column for $name {
            fn to_cell(&self) -> Cell<'_> {
                Cell::Int(u64::from(self.0))
            }
            fn from_cell(cell: Cell<'_>) -> Option<Self> {
                match cell {
                    Cell::Int(value) => u32::try_from(value).ok().map($name),
                    _ => None,
                }
            }
        }
    )*};
}
id_columns!(Pid, GpuId, LoaderId, RunId, ServerId);
