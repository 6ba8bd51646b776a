//! What the box is.

use crate::fmt;
use crate::view::focus::Look;
use crate::view::screen::{Role, TextRow, strong};
use crate::view::text::safe;
use crate::view::told::{self, Told};

/// Lines of all sentences together.
const LINES: usize = 10;

/// The box in a few lines.
pub(super) fn facts(look: &Look<'_>, width: usize) -> Vec<TextRow> {
    let Some(inventory) = look.inventory() else { return Vec::new() };
    let host = &inventory.host;
    let mut told = Vec::new();
    let mut say = |head: &'static str, text: String| {
        if !text.is_empty() {
            told.push(Told { head, text });
        }
    };
    let join = |parts: &[&str]| {
        let parts: Vec<String> =
            parts.iter().map(|part| safe(part)).filter(|part| !part.is_empty()).collect();
        parts.join(" · ")
    };
    say(
        "CPU",
        match (safe(&host.cpu), host.cpu_count) {
            (model, 0) => model,
            (model, count) if model.is_empty() => format!("{count} CPUs"),
            (model, count) => format!("{model}, {count} CPUs"),
        },
    );
    let memory = fmt::bytes(host.memory_bytes as f64);
    say("Memory", if host.memory_bytes > 0 { memory.trim().to_owned() } else { String::new() });
    say("System", join(&[&host.os, &host.kernel]));
    if let Some(frame) = look.frame {
        let stamp = frame.sample.stamp;
        let since_ms = stamp.unix_ms.saturating_sub(stamp.mono_ms as i64);
        let clock = fmt::clock(since_ms, look.state.utc_offset_seconds);
        say("Up", format!("{}, since {clock}.", fmt::ago(stamp.mono_ms / 1000)));
        let offset = look.state.utc_offset_seconds;
        let (hours, minutes) = (offset.abs() / 3600, offset.abs() / 60 % 60);
        let sign = if offset < 0 { '−' } else { '+' };
        say("Clock", format!("shown in UTC{sign}{hours:02}:{minutes:02}."));
    }
    if told.is_empty() {
        return Vec::new();
    }
    let mut rows =
        vec![TextRow { left: vec![strong(" The box", Role::Title)], ..TextRow::default() }];
    rows.extend(told::rows(&told, width, LINES));
    rows
}
