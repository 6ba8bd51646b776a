//! The first row: where this is, and whether it is now.

use std::collections::BTreeMap;

use crate::app::{Feed, State};
use crate::fmt;
use crate::model::Inventory;

use super::focus::Look;
use super::screen::{Line, Role, Span, TextRow, span, strong};
use super::text::{bold, cut, fit_line, line_width, word};

/// The row. What is at the right gives way in the order of its worth; that the GPUs are simulated and
/// that the screen stands still are never left out.
pub(super) fn header(look: &Look<'_>, width: usize) -> TextRow {
    let state = look.state;
    let mut pieces: Vec<(u8, Line)> = Vec::new();
    if let Some(mark) = simulated(look) {
        pieces.push((0, vec![mark]));
    }
    pieces.push((0, mode(state)));
    if let (Feed::Replay { name, .. }, Some(_)) = (&state.feed, &state.whole) {
        pieces.push((2, vec![word(&cut(name, 40), Role::Text)]));
    }
    if let Some(recording) = state.recording {
        let text = format!(
            "REC {}{} {}",
            if recording.paused { "PAUSED " } else { "" },
            fmt::span(recording.seconds),
            fmt::size(recording.bytes as f64).trim()
        );
        pieces.push((2, vec![span(text, Role::Critical)]));
    }
    if let Some(cost) = cost(look) {
        pieces.push((3, vec![span(cost, Role::Dim)]));
    }
    if state.latest.is_some() {
        let clock = fmt::clock(state.shown_unix_ms(), state.utc_offset_seconds);
        pieces.push((1, vec![span(clock, Role::Text)]));
    }
    let mut worth: Vec<u8> = pieces.iter().map(|(worth, _)| *worth).collect();
    worth.sort_unstable();
    worth.dedup();
    let mut right = Line::new();
    for least in worth {
        let kept = pieces.iter().filter(|(worth, _)| *worth <= least);
        let mut line = Line::new();
        for (_, piece) in kept {
            if !line.is_empty() {
                line.push(span("   ", Role::Dim));
            }
            line.extend(piece.iter().cloned());
        }
        line.push(span(" ", Role::Dim));
        if least == 0 || line_width(&line) + 20 <= width {
            right = line;
        }
    }
    let left = fit_line(place(look), width.saturating_sub(line_width(&right) + 1));
    TextRow { left, right, ..TextRow::default() }
}

fn place(look: &Look<'_>) -> Line {
    let mut left = vec![strong(" mltop ", Role::Title)];
    let Some(inventory) = look.inventory() else { return left };
    let host = if inventory.host.name.is_empty() { "this box" } else { &*inventory.host.name };
    left.push(bold(&format!(" {}", cut(host, 40)), Role::Text));
    left.push(word(&format!(" · {}", gpus(inventory)), Role::Dim));
    left
}

/// The GPUs by product: `4×NVIDIA H100 80GB HBM3`.
fn gpus(inventory: &Inventory) -> String {
    if inventory.gpus.is_empty() {
        return "no GPU".to_owned();
    }
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    let slices = inventory.gpus.iter().filter(|gpu| gpu.mig.is_some()).count();
    for gpu in inventory.gpus.iter().filter(|gpu| gpu.mig.is_none()) {
        let name = gpu.name.trim();
        let name = name.strip_prefix("NVIDIA ").unwrap_or(name);
        *kinds.entry(if name.is_empty() { "GPU" } else { name }).or_default() += 1;
    }
    let named: Vec<String> =
        kinds.iter().take(3).map(|(name, count)| format!("{count}×{}", cut(name, 24))).collect();
    let slices = if slices == 0 { String::new() } else { format!(", {slices} MIG instances") };
    named.join(" + ") + &slices
}

/// The mark of a simulated GPU. It stands on every screen, at every size.
pub(super) fn simulated(look: &Look<'_>) -> Option<Span> {
    look.inventory().filter(|inventory| inventory.simulated())?;
    Some(strong("SIMULATED GPU", Role::Simulated))
}

/// Live, paused, a replay, or at its end.
pub(super) fn mode(state: &State) -> Line {
    match &state.feed {
        Feed::Live { interval_ms } => live(state, *interval_ms),
        Feed::Replay { name, speed, interval_ms } => replay(state, name, *speed, *interval_ms),
    }
}

fn live(state: &State, interval_ms: u64) -> Line {
    if let Some(at_ms) = state.transport.cursor() {
        let back = state.reach().newest_ms.saturating_sub(at_ms) / 1000;
        let back = if back == 0 { String::new() } else { format!(" −{}", fmt::ago(back)) };
        return vec![strong(format!("‖ PAUSED{back}"), Role::Paused)];
    }
    if let Some(why) = &state.ended {
        return vec![ended(why)];
    }
    let interval = interval_ms as f64 / 1000.0;
    vec![strong("● LIVE", Role::Live), span(format!(" {interval}s"), Role::Dim)]
}

/// A recorded session: that it is one, how fast it plays, and where in it one is; of a picture, which.
fn replay(state: &State, name: &str, speed: f64, interval_ms: u64) -> Line {
    let speed = if speed.is_finite() { speed.clamp(0.0, 9999.0) } else { 1.0 };
    let (sign, role) = match (state.transport.cursor(), &state.ended) {
        (Some(_), _) => ("‖", Role::Paused),
        (None, Some(_)) => ("■", Role::Paused),
        (None, None) => ("▶", Role::Live),
    };
    let Some(whole) = &state.whole else {
        let name = cut(&super::text::safe(name), 24);
        let every = format!(" {}s", interval_ms as f64 / 1000.0);
        return vec![
            strong(format!("{sign} REPLAY {name} {speed}×"), role),
            span(every, Role::Dim),
        ];
    };
    let mut line = vec![strong(format!("{sign} REPLAY {speed}×"), role)];
    let (first_ms, last_ms) = whole.span_ms;
    let at_ms = state.transport.cursor().unwrap_or_else(|| state.reach().now_ms);
    let since = |mono_ms: u64| fmt::span(mono_ms.saturating_sub(first_ms) / 1000);
    line.push(span(format!(" {} of {}", since(at_ms), since(last_ms)), Role::Text));
    line
}

fn ended(why: &str) -> Span {
    strong(format!("■ ENDED {}", cut(&super::text::safe(why), 24)), Role::Paused)
}

/// What mltop itself costs, for nobody should have to take its word.
fn cost(look: &Look<'_>) -> Option<String> {
    let frame = look.frame?;
    let cpu =
        frame.host.mltop_cpu_ratio.ok().map(|ratio| fmt::fine_percent(ratio).trim().to_owned());
    let memory = frame.sample.host.mltop_pss_bytes.ok().map(|bytes| fmt::bytes(bytes as f64));
    let memory = memory.map(|memory| memory.trim().to_owned());
    match (cpu, memory) {
        (None, None) => None,
        (cpu, memory) => {
            let parts: Vec<String> = cpu.into_iter().chain(memory).collect();
            Some(format!("mltop {}", parts.join(" ")))
        }
    }
}
