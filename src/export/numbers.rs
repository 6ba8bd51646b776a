//! Every number of a frame with its name: what was read, and what follows from it.

use std::fmt::Write as _;

use crate::model::Frame;
use crate::model::metric::{Cell, Kind, Section, Spec};
use crate::model::text::clean;

/// One value of a frame.
#[derive(Debug)]
pub struct Number<'a> {
    /// Its section; what follows from two ticks is in `derived.…`.
    pub section: &'a str,
    /// Whose it is: `gpu=3`, `pid=41207 loader=2`; empty for the box.
    pub entity: &'a str,
    /// Its column, with unit and meaning.
    pub spec: &'static Spec,
    /// The value, or why there is none.
    pub cell: Cell<'a>,
}

/// Hands `each` all values of a frame, section by section and row by row.
pub fn numbers(frame: &Frame, mut each: impl FnMut(Number<'_>)) {
    let sample = &frame.sample;
    let each = &mut each;
    rows("host", std::slice::from_ref(&sample.host), each);
    rows("cgroups", &sample.cgroups, each);
    rows("disks", &sample.disks, each);
    rows("nets", &sample.nets, each);
    rows("gpus", &sample.gpus, each);
    rows("gpu_procs", &sample.gpu_procs, each);
    rows("procs", &sample.procs, each);
    rows("loaders", &sample.loaders, each);
    rows("workers", &sample.workers, each);
    rows("servers", &sample.servers, each);
    rows("latencies", &sample.latencies, each);
    rows("cpus", &sample.cpus, each);
    rows("own", &sample.own, each);
    rows("derived.host", std::slice::from_ref(&frame.host), each);
    rows("derived.cgroups", &frame.cgroups, each);
    rows("derived.disks", &frame.disks, each);
    rows("derived.nets", &frame.nets, each);
    rows("derived.gpus", &frame.gpus, each);
    rows("derived.procs", &frame.procs, each);
    rows("derived.loaders", &frame.loaders, each);
    rows("derived.workers", &frame.workers, each);
    rows("derived.cpus", &frame.cpus, each);
    rows("derived.own", &frame.own, each);
}

fn rows<S: Section>(section: &str, rows: &[S], each: &mut impl FnMut(Number<'_>)) {
    let mut entity = String::new();
    for row in rows {
        entity.clear();
        for (index, spec) in S::COLUMNS.iter().enumerate().filter(|(_, spec)| is_id(spec)) {
            let gap = if entity.is_empty() { "" } else { " " };
            // Writing into a string does not fail.
            let _ = match row.get(index) {
                Cell::Int(value) => write!(entity, "{gap}{}={value}", spec.name),
                Cell::Text(value) => write!(entity, "{gap}{}={}", spec.name, plain(&value)),
                _ => Ok(()),
            };
        }
        for (index, spec) in S::COLUMNS.iter().enumerate().filter(|(_, spec)| !is_id(spec)) {
            each(Number { section, entity: &entity, spec, cell: row.get(index) });
        }
    }
}

/// Text that others wrote, without what could move a cursor.
pub(super) fn plain(text: &str) -> Box<str> {
    const LONGEST: usize = 4096;
    clean(text.as_bytes(), LONGEST)
}

fn is_id(spec: &Spec) -> bool {
    spec.kind == Kind::Id
}
