//! How a GPU fares: a word for its row, and sentences for the chosen one.

use crate::fmt;
use crate::model::throttle;
use crate::model::xid::{self, Whose};
use crate::view::screen::Role;
use crate::view::text::safe;

use super::card::Card;

/// From this share of its limit on, a word in the row says that a card is held by its power limit: it
/// is usual, and not a fault.
const HELD_BY_POWER: u64 = 0x4;

/// The gravest thing that is the matter with a GPU, in a word or two; `None` where nothing is.
pub(super) fn word(card: &Card<'_>) -> Option<(String, Role)> {
    if card.info.is_some_and(|info| info.trouble.is_some()) {
        return Some(("no answer".to_owned(), Role::Critical));
    }
    let set = |flag: Option<bool>| flag == Some(true);
    if let Some(number) = card.read(|row| row.xid) {
        let hard = xid::known(number).is_none_or(|xid| xid.whose == Whose::Hardware);
        let role = if hard { Role::Critical } else { Role::Warn };
        return Some((format!("Xid {number}"), role));
    }
    if card.read(|row| row.ecc_uncorrected_total).is_some_and(|count| count > 0) {
        return Some(("ECC error".to_owned(), Role::Critical));
    }
    if set(card.read(|row| row.remap_failed)) {
        return Some(("no spare row".to_owned(), Role::Critical));
    }
    if set(card.read(|row| row.remap_pending)) || set(card.read(|row| row.retire_pending)) {
        return Some(("reset due".to_owned(), Role::Warn));
    }
    let reason = throttle::reasons(card.read(|row| row.throttle_reasons)?).next()?;
    let role = match reason.bit {
        HELD_BY_POWER => Role::Info,
        _ if reason.holds_back => Role::High,
        _ => Role::Dim,
    };
    Some((reason.word.to_owned(), role))
}

/// What is the matter, with what to do, the gravest first; each with whether it is a fault.
pub(super) fn sentences(card: &Card<'_>) -> Vec<String> {
    let mut said = Vec::new();
    if let Some(trouble) = card.info.and_then(|info| info.trouble.as_deref()) {
        said.push(format!("GPU {}: {}.", card.gpu, safe(trouble).trim_end_matches('.')));
    }
    said.extend(last_error(card));
    said.extend(memory_errors(card));
    said.extend(clocks(card));
    if said.is_empty() || said.iter().all(|text| text.starts_with("Clocks")) {
        said.extend(nothing_wrong(card));
    }
    said
}

fn last_error(card: &Card<'_>) -> Option<String> {
    let number = card.read(|row| row.xid)?;
    let ago = card.read(|row| row.xid_age_seconds).filter(|age| age.is_finite() && *age >= 0.0);
    let ago = ago.map_or_else(String::new, |age| format!(" {} ago", fmt::ago(age as u64)));
    let count = card.read(|row| row.xids_total).filter(|count| *count > 1);
    let count = count.map_or_else(String::new, |count| format!(", the last of {count}"));
    let whose = xid::known(number)
        .map_or_else(String::new, |xid| format!(" Most likely the fault of {}.", xid.whose.word()));
    let (meaning, remedy) = (xid::meaning(number), xid::remedy(number));
    Some(format!("Xid {number}{ago}{count}: {meaning}.{whose} {remedy}"))
}

fn memory_errors(card: &Card<'_>) -> Vec<String> {
    let mut said = Vec::new();
    let set = |flag: Option<bool>| flag == Some(true);
    if let Some(count) = card.read(|row| row.ecc_uncorrected_total).filter(|count| *count > 0) {
        let errors = if count == 1 { "memory error" } else { "memory errors" };
        said.push(format!(
            "{count} {errors} that ECC could not correct since the driver was loaded: what was \
             computed with that memory may be wrong. Restart from a checkpoint, reset the GPU."
        ));
    }
    if set(card.read(|row| row.remap_failed)) {
        said.push("A worn memory row could not be replaced: have the card replaced.".to_owned());
    }
    if set(card.read(|row| row.remap_pending)) || set(card.read(|row| row.retire_pending)) {
        said.push(
            "Worn memory waits to be taken out of use: reset the GPU when its job is done \
             (nvidia-smi -r)."
                .to_owned(),
        );
    }
    said
}

/// From this share of the highest clock on, what holds it costs nothing worth a remedy.
const FULL_CLOCK: f64 = 0.95;

/// Why the clocks are where they are.
fn clocks(card: &Card<'_>) -> Option<String> {
    let bits = card.read(|row| row.throttle_reasons)?;
    let holding: Vec<_> = throttle::reasons(bits).filter(|reason| reason.holds_back).collect();
    let unknown = throttle::unknown(bits);
    let first = holding.first()?;
    let share = |ratio: Option<f64>, of: &str| {
        ratio.filter(|ratio| *ratio >= 0.005).map(|ratio| {
            format!(", {} of the last second by {of}", fmt::percent(ratio).trim_start())
        })
    };
    let power = share(card.rate(|rates| rates.power_throttle_ratio), "the power limit");
    let heat = share(card.rate(|rates| rates.thermal_throttle_ratio), "heat");
    let also: Vec<&str> = holding.iter().skip(1).map(|reason| reason.word).collect();
    let also =
        if also.is_empty() { String::new() } else { format!(" (also: {})", also.join(", ")) };
    let later = if unknown == 0 { String::new() } else { format!(" (and bits {unknown:#x})") };
    let measured = power.or(heat).unwrap_or_default();
    // An H200 between the bursts of a starved loop: the limit holds, and there is nothing to hold.
    let full = card.rate(|rates| rates.sm_clock_ratio).filter(|ratio| *ratio >= FULL_CLOCK);
    let remedy = full.map_or_else(
        || first.remedy.to_owned(),
        |ratio| {
            let percent = fmt::percent(ratio);
            format!("At {} of its highest, the clock loses next to nothing.", percent.trim_start())
        },
    );
    Some(format!("Clocks {}{also}{later}{measured}. {remedy}", first.meaning))
}

/// What was looked at and found well.
fn nothing_wrong(card: &Card<'_>) -> Option<String> {
    card.row?;
    let mut parts = Vec::new();
    match card.read(|row| row.xids_total) {
        Some(_) => parts.push("no Xid since mltop watches".to_owned()),
        None => parts.push("errors (Xid) cannot be watched here".to_owned()),
    }
    if let Some(corrected) = card.read(|row| row.ecc_corrected_total) {
        parts.push(format!("ECC corrected {corrected}, nothing beyond"));
    } else if card.info.is_some_and(|info| info.modes.ecc == Some(false)) {
        parts.push("ECC is off".to_owned());
    }
    if let Some(rows) = card.read(|row| row.remapped_uncorrected_rows).filter(|rows| *rows > 0) {
        parts.push(format!("{rows} memory rows replaced"));
    }
    if let Some(pages) = card.read(|row| row.retired_pages).filter(|pages| *pages > 0) {
        parts.push(format!("{pages} memory pages out of use"));
    }
    if let Some(replays) = card.read(|row| row.pcie_replays_total) {
        parts.push(format!("{replays} PCIe replays"));
    }
    if let Some(errors) = card.read(|row| row.nvlink_errors_total) {
        parts.push(format!("{errors} NVLink errors"));
    }
    let text = parts.join(", ");
    let mut chars = text.chars();
    let first = chars.next()?.to_uppercase();
    Some(format!("{first}{}.", chars.as_str()))
}
