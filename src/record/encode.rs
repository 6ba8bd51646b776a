//! Samples as lines.

use std::sync::Arc;

use crate::model::inventory::ProcInfo;
use crate::model::{Event, Frame, Inventory, Sample};

use super::columns::{Sections, Written};
use super::head::{SessionInfo, push_head};
use super::key::{Change, push_body, push_names, push_proc, same_but_procs};
use super::line::{MAX_ROWS, push_key, seal, weight};
use super::text::{push_f64, push_i64, push_str, push_u64};

/// A group begins after this many milliseconds, so that damage and a late join cost no more.
pub const GROUP_MS: u64 = 10_000;

/// Writes the lines of one session. It appends whole lines to a text and keeps no output.
#[derive(Debug)]
pub struct Encoder {
    session: SessionInfo,
    /// What the lines so far have named, within the group.
    named: Option<Arc<Inventory>>,
    group_start_ms: u64,
    /// The tick before.
    before: Option<Written>,
    skipped: u64,
}

impl Encoder {
    /// An encoder for this session; its first tick begins a group.
    pub fn new(session: SessionInfo) -> Self {
        Self { session, named: None, group_start_ms: 0, before: None, skipped: 0 }
    }

    /// Begins a group with the next tick, before its ten seconds are over.
    pub fn begin_group(&mut self) {
        self.named = None;
    }

    /// Lines that were not written because they were longer, or had more rows, than a reader takes.
    pub const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Appends the head line.
    pub fn head(&mut self, out: &mut String) {
        let start = out.len();
        push_head(out, &self.session);
        self.seal(out, start);
    }

    /// Appends a tick, before it whatever names it needs. With `derived`, also what follows from it
    /// and the tick before, which readers of ours do not need and scripts like to have.
    pub fn tick(&mut self, sample: &Arc<Sample>, derived: Option<&Frame>, out: &mut String) {
        self.names(sample, out);
        if rows(sample) > MAX_ROWS {
            self.skipped += 1;
            return;
        }
        let start = out.len();
        out.push_str("{\"k\":\"tick\",\"seq\":");
        push_u64(out, sample.seq);
        out.push_str(",\"t_ms\":");
        push_i64(out, sample.stamp.unix_ms);
        out.push_str(",\"mono_ms\":");
        push_u64(out, sample.stamp.mono_ms);
        out.push_str(",\"dur_us\":");
        push_u64(out, sample.dur_us);
        let before = self.before.take();
        let mut sections = Sections::new(out, start, before.as_ref());
        push_sample(&mut sections, sample, before.as_ref().map(Written::sample));
        self.before = sections.keep(sample);
        if let Some(frame) = derived {
            push_derived(out, frame);
        }
        self.seal(out, start);
    }

    /// Appends an event. Evidence that is no finite number is left out of it: it proves nothing.
    pub fn event(&mut self, event: &Event, out: &mut String) {
        let start = out.len();
        let unsound = |value: &f64| !value.is_finite();
        let broken = event
            .evidence
            .iter()
            .any(|one| unsound(&one.value) || one.limit.as_ref().is_some_and(unsound));
        let written = if broken {
            let mut event = event.clone();
            event.evidence.retain(|one| one.value.is_finite());
            for one in &mut event.evidence {
                one.limit = one.limit.filter(|limit| limit.is_finite());
            }
            push_body(out, "event", &event)
        } else {
            push_body(out, "event", event)
        };
        if written {
            self.seal(out, start);
        }
    }

    /// Appends the end line of a clean stop at `t_ms` (milliseconds since the Unix epoch).
    pub fn end(&mut self, t_ms: i64, reason: &str, out: &mut String) {
        let start = out.len();
        out.push_str("{\"k\":\"end\",\"t_ms\":");
        push_i64(out, t_ms);
        out.push_str(",\"reason\":");
        push_str(out, reason);
        self.seal(out, start);
    }

    fn seal(&mut self, out: &mut String, start: usize) {
        if !seal(out, start) {
            self.skipped += 1;
        }
    }

    /// Writes the names that changed since the tick before.
    fn names(&mut self, sample: &Sample, out: &mut String) {
        let now = sample.stamp.mono_ms;
        let due = now.saturating_sub(self.group_start_ms) >= GROUP_MS || now < self.group_start_ms;
        match self.named.take() {
            Some(named) if !due && same_but_procs_fast(&named, &sample.inventory) => {
                if !Arc::ptr_eq(&named, &sample.inventory) {
                    self.procs(&named, sample, out);
                }
            }
            named => {
                if due || named.is_none() {
                    self.group_start_ms = now;
                }
                let start = out.len();
                if push_names(out, &self.session.session, sample) {
                    self.seal(out, start);
                }
            }
        }
        self.named = Some(Arc::clone(&sample.inventory));
    }

    /// Writes which processes came, changed and went.
    fn procs(&mut self, named: &Inventory, sample: &Sample, out: &mut String) {
        let t_ms = sample.stamp.unix_ms;
        let now = &sample.inventory.procs;
        let gone = named.procs.iter().filter(|(pid, _)| !now.contains_key(pid));
        for (_, info) in gone {
            self.proc(Change::Exited, t_ms, info, out);
        }
        for (pid, info) in now {
            match named.procs.get(pid) {
                None => self.proc(Change::Appeared, t_ms, info, out),
                Some(before) if !same(before, info) => {
                    self.proc(Change::Changed, t_ms, info, out);
                }
                Some(_) => {}
            }
        }
    }

    fn proc(&mut self, change: Change, t_ms: i64, info: &ProcInfo, out: &mut String) {
        let start = out.len();
        if push_proc(out, change, t_ms, info) {
            self.seal(out, start);
        }
    }
}

fn same(a: &Arc<ProcInfo>, b: &Arc<ProcInfo>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}

fn same_but_procs_fast(a: &Arc<Inventory>, b: &Arc<Inventory>) -> bool {
    Arc::ptr_eq(a, b) || same_but_procs(a, b)
}

fn weigh<S>(rows: &[S]) -> usize {
    rows.len() * weight::<S>()
}

/// Rows of all sections together, as they count.
pub(super) fn rows(sample: &Sample) -> usize {
    weigh(&sample.cgroups)
        + weigh(&sample.disks)
        + weigh(&sample.nets)
        + weigh(&sample.gpus)
        + weigh(&sample.gpu_procs)
        + weigh(&sample.procs)
        + weigh(&sample.loaders)
        + weigh(&sample.workers)
        + weigh(&sample.servers)
        + weigh(&sample.latencies)
        + weigh(&sample.cpus)
        + weigh(&sample.own)
}

fn push_sample(out: &mut Sections<'_>, now: &Sample, before: Option<&Sample>) {
    out.one(&now.host, before.map(|before| &before.host));
    out.rows(&now.cgroups, before.map(|before| &*before.cgroups));
    out.rows(&now.disks, before.map(|before| &*before.disks));
    out.rows(&now.nets, before.map(|before| &*before.nets));
    out.rows(&now.gpus, before.map(|before| &*before.gpus));
    out.rows(&now.gpu_procs, before.map(|before| &*before.gpu_procs));
    out.rows(&now.procs, before.map(|before| &*before.procs));
    out.rows(&now.loaders, before.map(|before| &*before.loaders));
    out.rows(&now.workers, before.map(|before| &*before.workers));
    out.rows(&now.servers, before.map(|before| &*before.servers));
    out.rows(&now.latencies, before.map(|before| &*before.latencies));
    out.rows(&now.cpus, before.map(|before| &*before.cpus));
    out.rows(&now.own, before.map(|before| &*before.own));
    out.gaps();
}

fn push_derived(out: &mut String, frame: &Frame) {
    push_key(out, "derived");
    out.push_str("{\"span_seconds\":");
    match frame.span_seconds {
        Some(span) if span.is_finite() => push_f64(out, span, 3),
        _ => out.push_str("null"),
    }
    let start = out.len();
    let mut sections = Sections::new(out, start, None);
    sections.one(&frame.host, None);
    sections.rows(&frame.cgroups, None);
    sections.rows(&frame.disks, None);
    sections.rows(&frame.nets, None);
    sections.rows(&frame.gpus, None);
    sections.rows(&frame.procs, None);
    sections.rows(&frame.loaders, None);
    sections.rows(&frame.workers, None);
    sections.rows(&frame.cpus, None);
    sections.rows(&frame.own, None);
    sections.gaps();
    out.push('}');
}
